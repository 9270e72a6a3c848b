// SPDX-License-Identifier: Apache-2.0
// How a Pattern and its values lie in memory for one family of kernels. src/formats has one file per format;
// this header is what they fill and what the rest of the system sees of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sparse/pattern.h"

namespace coppice {

// A convolution, for formats whose offsets depend on it; channels == 0: none. Halos are those of the values
// in the plan: x_halo of x, dy_halo of the gradient of y.
struct ConvGeometry {
  int channels = 0, height = 0, width = 0;         // of x
  int outputs = 0, out_height = 0, out_width = 0;  // of y
  int kernel_h = 0, kernel_w = 0;
  int stride = 1, padding = 0, dilation = 1, groups = 1;
  bool wrap = false;  // the padding of x holds the pixels of the opposite edge, else zeros
  int x_halo = 0, dy_halo = 0;
};

// What a format may adapt its block sizes to. Never the number of threads: the bits of a result must not
// depend on it.
struct Tiling {
  int64_t l1_bytes = 32 << 10, l2_bytes = 1 << 20;
  int width = 64;  // S, samples of a tile
  ConvGeometry conv{};
};

// A pattern laid out in memory. The arrays that run along the weights (value, moments, gradient) have size()
// floats in this order; entries that no weight owns are padding and stay 0.
class Encoding {
 public:
  virtual ~Encoding() = default;

  // The C struct that the kernels read (coppice_segments, coppice_blocks), with `value` pointing at the
  // caller's array. Valid until the next bind() or the end of the encoding.
  virtual const void* bind(float* value) = 0;

  virtual Pattern pattern() const = 0;  // derived, not stored
  // [live], place of each weight, in the canonical order of the pattern that was encoded (a copy's too).
  virtual std::vector<int32_t> positions() const = 0;
  int64_t size() const { return size_; }
  // Weights that the kernels multiply: padding that they skip does not count.
  int64_t executed() const { return executed_ >= 0 ? executed_ : size_; }

  // Starts of the parts of the dW kernel, [parts + 1], the last is size(): each is a contiguous range of
  // weights.
  const std::vector<int32_t>& part_start() const { return part_start_; }
  int forward_parts() const { return forward_parts_; }  // of the forward kernel (ranges of rows)
  int dx_parts() const { return dx_parts_; }  // of a dX kernel on this format; 0: needs the transposed one
  int interleave() const { return interleave_; }  // r if dW wants dY interleaved, else 1
  int64_t bytes() const { return bytes_; }        // of indices, without the weights

 protected:
  int64_t size_ = 0, executed_ = -1, bytes_ = 0;
  std::vector<int32_t> part_start_;
  int forward_parts_ = 1, dx_parts_ = 0, interleave_ = 1;
};

struct FormatDef {
  const char* name;
  const char* summary;  // one line for docs and `explain`
  // Empty: accepted. Else the reason, e.g. "block 4x1 needs rows divisible by 4".
  std::string (*refuses)(const Pattern& pattern);
  std::unique_ptr<Encoding> (*encode)(const Pattern& pattern, const Tiling& tiling);
  // A second layout of the same weights for the products that encode()'s does not serve; refreshed after each
  // update. Null: one layout serves all.
  std::unique_ptr<Encoding> (*encode_copy)(const Pattern& pattern, const Tiling& tiling) = nullptr;
};

}  // namespace coppice
