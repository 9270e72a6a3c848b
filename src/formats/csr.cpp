// SPDX-License-Identifier: Apache-2.0
#include "formats/csr.h"

#include <numeric>

#include "coppice_kernels.h"

namespace coppice {
namespace {

// One item of the dW kernel: enough work to outweigh the item, few enough weights for all threads to have
// some.
constexpr int64_t kPartWeights = 64;

class CsrEncoding final : public Encoding {
 public:
  explicit CsrEncoding(const Pattern& pattern) : pattern_(pattern), single_(unblocked(pattern)) {
    size_ = pattern.live();
    for (const Pattern* p : {&pattern_, &single_.pattern})
      bytes_ += static_cast<int64_t>((p->indptr().size() + p->indices().size()) * sizeof(int32_t));
    bytes_ += static_cast<int64_t>(single_.source.size() * sizeof(int32_t));
    for (int64_t at = 0; at < size_; at += kPartWeights) part_start_.push_back(static_cast<int32_t>(at));
    part_start_.push_back(static_cast<int32_t>(size_));
  }
  const void* bind(float* value) override {
    view_ = {static_cast<int32_t>(single_.pattern.rows()), static_cast<int32_t>(single_.pattern.cols()),
             single_.pattern.indptr().data(), single_.pattern.indices().data(), value};
    return &view_;
  }
  Pattern pattern() const override { return pattern_; }
  std::vector<int32_t> positions() const override {
    std::vector<int32_t> out(static_cast<size_t>(size_));
    for (size_t i = 0; i < out.size(); ++i)
      out[static_cast<size_t>(single_.source[i])] = static_cast<int32_t>(i);
    return out;
  }

 private:
  Pattern pattern_;
  TransposedPattern single_;
  coppice_csr view_{};
};

std::string refuses(const Pattern&) { return ""; }
std::unique_ptr<Encoding> encode(const Pattern& pattern, const Tiling&) {
  return std::make_unique<CsrEncoding>(pattern);
}

}  // namespace

const FormatDef kCsr = {"csr", "single weights row by row, for the general convolution", refuses, encode};

}  // namespace coppice
