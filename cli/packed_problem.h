// SPDX-License-Identifier: Apache-2.0
// One layer of a packed network in a format of choice, for `coppice tune`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pack/choose_packed.h"
#include "pack/image_file.h"

namespace coppice::cli {

// Made-up weights, in blocks as the format has them. run() computes the layer for one sample, on one thread;
// it may be called by one thread at a time.
class PackedProblem {
 public:
  // quick: a small layer. Full patterns have the density 1.
  static Result<std::unique_ptr<PackedProblem>> create(const PackedRate& rate, double density, bool quick,
                                                       const std::string& isa);
  Status run() {
    session_->run_step(step_, input_.data(), output_.data());
    return {};
  }
  int64_t flops() const { return flops_; }  // of one run

 private:
  std::unique_ptr<PackedImage> image_;  // the session points into it
  std::unique_ptr<PackedSession> session_;
  int32_t step_ = 0;
  int64_t flops_ = 0;
  std::vector<float> input_, output_;
};

}  // namespace coppice::cli
