// SPDX-License-Identifier: Apache-2.0
#include "ops/support/window.h"

namespace coppice {

Window Window::inverse() const {
  // out(i) = in(i * m + o) read backwards: in(j) goes to out((j - o) / m); and out(i) = in((i + o) / d) to
  // out(j * d - o).
  Window back;
  for (size_t d = 0; d < 3; ++d) {
    back.multiply[d] = divide[d];
    back.divide[d] = multiply[d];
    back.offset[d] = -offset[d];
  }
  return back;
}

void lower_window(Lowering& lowering, const std::string& name, ValueId in, ValueId out, const Window& window,
                  int64_t channel_begin, int64_t channel_end) {
  auto call = lowering.call<coppice_window_args>(name, lowering.pointwise->window, lowering.width(out));
  coppice_window_args& args = call.args();
  args.in_extent = lowering.extent(in);
  args.out_extent = lowering.extent(out);
  for (size_t d = 0; d < 3; ++d) {
    args.multiply[d] = static_cast<int32_t>(window.multiply[d]);
    args.offset[d] = static_cast<int32_t>(window.offset[d]);
    args.divide[d] = static_cast<int32_t>(window.divide[d]);
  }
  args.channel_begin = static_cast<int32_t>(channel_begin);
  args.channel_end = channel_end < 0 ? args.out_extent.channels : static_cast<int32_t>(channel_end);
  call.in(&coppice_window_args::in, in).out(&coppice_window_args::out, out);
}

void reference_window(const ReferenceArray& in, ReferenceArray& out, int64_t batch, const Window& window,
                      int64_t channel_begin, int64_t channel_end) {
  const coppice_extent ie = extent_of(in.shape), oe = extent_of(out.shape);
  if (channel_end < 0) channel_end = oe.channels;
  const std::array<int64_t, 3> size{ie.channels, ie.height, ie.width};
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t c = channel_begin; c < channel_end; ++c)
      for (int64_t y = 0; y < oe.height; ++y)
        for (int64_t x = 0; x < oe.width; ++x) {
          const std::array<int64_t, 3> at{c, y, x};
          std::array<int64_t, 3> from{};
          bool inside = true;
          for (size_t d = 0; d < 3; ++d) {
            const int64_t i = at[d] * window.multiply[d] + window.offset[d];
            from[d] = i / window.divide[d];
            inside = inside && i >= 0 && i % window.divide[d] == 0 && from[d] < size[d];
          }
          if (!inside) continue;
          out.data[static_cast<size_t>(((n * oe.channels + c) * oe.height + y) * oe.width + x)] =
              in.data[static_cast<size_t>(((n * ie.channels + from[0]) * ie.height + from[1]) * ie.width +
                                          from[2])];
        }
}

}  // namespace coppice
