// SPDX-License-Identifier: Apache-2.0
// Values with spatial axes for the tests of convolution kernels.
#pragma once

#include <algorithm>

#include "conv_problem.h"

namespace coppice {

// A value with spatial axes in memory of its own, a guard plane behind each tile.
class Planes {
 public:
  Planes(int channels, int height, int width, int halo, int tiles)
      : channels_(channels),
        height_(height),
        width_(width),
        halo_(halo),
        tiles_(tiles),
        plane_(static_cast<size_t>(height + 2 * halo) * static_cast<size_t>(width + 2 * halo) * 16),
        stride_((static_cast<size_t>(channels) + 1) * plane_),
        data_(stride_ * static_cast<size_t>(tiles)) {
    std::fill(data_.begin(), data_.end(), kGuard);
  }
  coppice_tiled view(bool wrap = false) {
    coppice_tiled v{};
    v.base = data_.data();
    v.tile_stride = static_cast<int64_t>(stride_);
    v.width = 16;
    v.halo = halo_;
    v.wrap = wrap;
    return v;
  }
  size_t pixels() const { return static_cast<size_t>(channels_ * height_ * width_); }
  // Pixels are counted without halo, [channel][y][x].
  float& at(size_t pixel, int sample) {
    const int x = static_cast<int>(pixel) % width_, y = static_cast<int>(pixel) / width_ % height_;
    return padded(static_cast<int>(pixel) / width_ / height_, y, x, sample);
  }
  float& padded(int channel, int y, int x, int sample) {
    const auto pixel = static_cast<size_t>((y + halo_) * (width_ + 2 * halo_) + x + halo_);
    return data_[static_cast<size_t>(sample / 16) * stride_ + static_cast<size_t>(channel) * plane_ +
                 pixel * 16 + static_cast<size_t>(sample % 16)];
  }
  // Random samples; `padding` in the columns past them; NaN in the planes that nobody may read.
  void fill(const ConvProblem& p, const std::string& name, float padding, bool wrap) {
    std::fill(data_.begin(), data_.end(), std::numeric_limits<float>::quiet_NaN());
    Rng rng(3, stream_id("planes", name));
    for (size_t pixel = 0; pixel < pixels(); ++pixel)
      for (int s = 0; s < 16 * tiles_; ++s) at(pixel, s) = s < p.samples ? rng.normal() : padding;
    each_halo([&](int channel, int y, int x, int s) {
      padded(channel, y, x, s) = wrap ? opposite(channel, y, x, s) : 0.0f;
    });
  }
  bool halo_is(bool wrap) {
    bool good = true;
    each_halo([&](int channel, int y, int x, int s) {
      if (padded(channel, y, x, s) != (wrap ? opposite(channel, y, x, s) : 0.0f)) good = false;
    });
    return good;
  }
  bool guarded() {
    for (int tile = 0; tile < tiles_; ++tile)
      for (size_t i = 0; i < plane_; ++i)
        if (data_[static_cast<size_t>(tile + 1) * stride_ - plane_ + i] != kGuard) return false;
    return true;
  }
  bool untouched() {
    return std::all_of(data_.begin(), data_.end(), [](float f) { return f == kGuard; });
  }
  std::vector<float> all() { return {data_.begin(), data_.end()}; }

 private:
  float opposite(int channel, int y, int x, int sample) {
    return padded(channel, (y + 8 * height_) % height_, (x + 8 * width_) % width_, sample);
  }
  template <class F>
  void each_halo(F f) {
    for (int channel = 0; channel < channels_; ++channel)
      for (int y = -halo_; y < height_ + halo_; ++y)
        for (int x = -halo_; x < width_ + halo_; ++x)
          if (y < 0 || y >= height_ || x < 0 || x >= width_)
            for (int s = 0; s < 16 * tiles_; ++s) f(channel, y, x, s);
  }

  int channels_, height_, width_, halo_, tiles_;
  size_t plane_, stride_;
  Floats data_;
};

inline void run_conv(coppice_kernel kernel, const void* args, const ConvProblem& p, int parts, Cut cut,
                     void* scratch, bool accumulate = false) {
  const Problem tiling = {1, 1, {}, 1.0, 16, p.samples};
  run_kernel(kernel, args, tiling, parts, cut, scratch, accumulate);
}

inline std::vector<float> biases(int outputs) {
  Rng rng(4, stream_id("bias", "b"));
  std::vector<float> bias(static_cast<size_t>(outputs));
  for (float& b : bias) b = rng.normal();
  return bias;
}

}  // namespace coppice
