// SPDX-License-Identifier: Apache-2.0
// How a Pattern and its values lie in memory for one family of kernels. src/formats has one file per format; this
// header is what they fill and what the rest of the system sees of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sparse/pattern.h"

namespace coppice {

// What a format may adapt its block sizes to. Never the number of threads: the bits of a result must not depend on it.
struct Tiling {
  int64_t l1_bytes = 32 << 10, l2_bytes = 1 << 20;
  int width = 64;  // S, samples of a tile
};

// A pattern laid out in memory. The arrays that run along the weights (value, moments, gradient) have size() floats in
// this order; entries that no weight owns are padding and stay 0.
class Encoding {
 public:
  virtual ~Encoding() = default;

  // The C struct that the kernels read (coppice_segments, coppice_blocks), with `value` pointing at the caller's array.
  // Valid until the next bind() or the end of the encoding.
  virtual const void* bind(float* value) = 0;

  virtual Pattern pattern() const = 0;                 // derived, not stored
  virtual std::vector<int32_t> positions() const = 0;  // [live], place of each canonical weight
  int64_t size() const { return size_; }

  // Starts of the parts of the dW kernel, [parts + 1], the last is size(): each is a contiguous range of weights.
  const std::vector<int32_t>& part_start() const { return part_start_; }
  int forward_parts() const { return forward_parts_; }  // of the forward kernel (ranges of rows)
  int dx_parts() const { return dx_parts_; }            // of a dX kernel on this format; 0: needs the transposed one
  int interleave() const { return interleave_; }        // r if dW wants dY interleaved, else 1
  int64_t bytes() const { return bytes_; }              // of indices, without the weights

 protected:
  int64_t size_ = 0, bytes_ = 0;
  std::vector<int32_t> part_start_;
  int forward_parts_ = 1, dx_parts_ = 0, interleave_ = 1;
};

struct FormatDef {
  const char* name;
  const char* summary;  // one line for docs and `explain`
  // Empty: accepted. Else the reason, e.g. "block 4x1 needs rows divisible by 4".
  std::string (*refuses)(const Pattern& pattern);
  std::unique_ptr<Encoding> (*encode)(const Pattern& pattern, const Tiling& tiling);
};

}  // namespace coppice
