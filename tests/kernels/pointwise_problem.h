// SPDX-License-Identifier: Apache-2.0
// Values for single kernels of the pointwise table, and the instruction sets to run them on.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/buffer.h"
#include "exec/binding.h"
#include "kernels/pointwise_kernels.h"
#include "kernels/select.h"

namespace coppice {

// A tiled value with memory of its own; rows and halo as an extent asks for.
struct Tiled {
  coppice_extent extent;
  int samples;
  Floats memory;
  coppice_tiled view{};

  Tiled(coppice_extent e, int width, int count, int halo = 0, bool wrap = false) : extent(e), samples(count) {
    const int64_t tile = int64_t{e.channels} * (e.height + 2 * halo) * (e.width + 2 * halo) * width;
    const int tiles = (count + width - 1) / width;
    memory = Floats(static_cast<size_t>(tile * tiles));
    view = {memory.data(), tile, width, -1, halo, wrap, 0};
  }
  float& at(int sample, int channel, int y = 0, int x = 0) const {
    float* tile = view.base + sample / view.width * view.tile_stride;
    return coppice_pixel_row(&view, tile, extent, channel, y)[int64_t{x} * view.width + sample % view.width];
  }
  template <class F>
  void fill(F f) {
    for (int n = 0; n < samples; ++n)
      for (int c = 0; c < extent.channels; ++c)
        for (int y = 0; y < extent.height; ++y)
          for (int x = 0; x < extent.width; ++x) at(n, c, y, x) = f();
  }
};

inline coppice_run_state state_of(int samples) {
  coppice_run_state rs{};
  rs.samples = samples;
  rs.training = 1;
  rs.loss_scale = 1.0f / static_cast<float>(samples);
  rs.seed = 1;
  return rs;
}

template <class Args>
void run(coppice_kernel kernel, const Args& args, const coppice_run_state& rs, int width) {
  const coppice_item item = {0, coppice_tile_count(&rs, width), 0, 1, nullptr};
  kernel(&args, &rs, &item);
}

class Pointwise : public ::testing::TestWithParam<std::string> {
 protected:
  const coppice_pointwise_table& table() const { return *kernel_tables(GetParam()).take().pointwise; }
};

}  // namespace coppice
