// SPDX-License-Identifier: Apache-2.0
#include "formats/conv_blocks.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "coppice_kernels.h"
#include "formats/blocking.h"
#include "formats/conv_taps.h"
#include "formats/gather.h"

namespace coppice {
namespace {

constexpr int kSamples = 16;  // S of every value with spatial axes
constexpr int kLineBytes = kSamples * sizeof(float);
constexpr int kFullRows = 16;      // r of a full pattern
constexpr int kPanelOutputs = 16;  // of a part of forward and dW

// Pixels of a register tile of the forward pass; those of narrower instruction sets read less.
constexpr int kTileColumns = 3;

// Outputs that dW takes together.
constexpr int kDwOutputs = 8;

// Columns of a block row in a block of channels below which the loads and stores of its sums would count.
constexpr double kRunColumns = 32;

class ConvBlocksEncoding final : public Encoding {
 public:
  ConvBlocksEncoding(const Pattern& pattern, const Tiling& tiling)
      : g_(tiling.conv), shape_(pattern.block()), full_(pattern.is_full()) {
    coppice_conv_blocks& v = view_;
    v.rows = g_.outputs;
    v.channels = g_.channels;
    v.r = full_ ? kFullRows : shape_.rows;
    v.block_rows = (v.rows + v.r - 1) / v.r;
    v.part_block_rows = kPanelOutputs / v.r;
    v.panels = (v.block_rows + v.part_block_rows - 1) / v.part_block_rows;
    v.taps = g_.kernel_h * g_.kernel_w;
    v.stride = g_.stride;
    v.full = full_;
    v.x_height = g_.height;
    v.x_width = g_.width;
    v.y_height = g_.out_height;
    v.y_width = g_.out_width;
    const int x_row = g_.width + 2 * g_.x_halo, dy_row = g_.out_width + 2 * g_.dy_halo;
    v.x_plane = (g_.height + 2 * g_.x_halo) * x_row;
    v.x_row_step = g_.stride * x_row;
    v.dy_plane = (g_.out_height + 2 * g_.dy_halo) * dy_row;
    v.dy_row_step = dy_row;
    v.block_channels = even_part(g_.channels, channels_in_block(pattern.density(), tiling));
    v.blocks = (g_.channels + v.block_channels - 1) / v.block_channels;
    v.dw_rows = static_cast<int32_t>(std::clamp<int64_t>(
        tiling.l1_bytes / 2 / (int64_t{kDwOutputs} * g_.out_width * kLineBytes), 1, g_.out_height));
    order_taps();
    fill(pattern);
    take_turns();
    size_ = static_cast<int64_t>(start_.back()) * v.r;
    executed_ = pattern.live();
    bytes_ = static_cast<int64_t>(
        (start_.size() + offset_.size() + channel_.size() + phase_tap_.size() + dy_offset_.size()) *
        sizeof(int32_t));
    v.phase_tap = phase_tap_.data();
    v.dy_offset = dy_offset_.data();
    v.start = start_.data();
    v.offset = offset_.data();
    v.channel = channel_.data();
    v.turn = turn_.data();
    v.idle_start = idle_start_.data();
    v.idle = idle_.data();
    forward_parts_ = v.panels;
    dx_parts_ = v.blocks;
    for (int32_t panel = 0; panel <= v.panels; ++panel)
      part_start_.push_back(coppice_conv_panel_start(&v, panel));
  }

  const void* bind(float* value) override {
    view_.value = value;
    return &view_;
  }

  Pattern pattern() const override {
    if (full_) return Pattern::full(view_.rows, columns(), shape_);
    std::vector<int32_t> indptr = {0}, indices;
    for (int32_t row = 0; row < view_.block_rows; ++row) {
      const std::vector<Column> sorted = sorted_columns(row);
      for (size_t i = 0; i < sorted.size(); i += static_cast<size_t>(shape_.cols))
        indices.push_back(sorted[i].first / shape_.cols);
      indptr.push_back(static_cast<int32_t>(indices.size()));
    }
    return Pattern::of_canonical(view_.rows, columns(), shape_, std::move(indptr), std::move(indices));
  }

  std::vector<int32_t> positions() const override {
    std::vector<int32_t> places;
    std::vector<Column> sorted;
    int32_t at = -1;
    for (int32_t first = 0; first < view_.rows; first += shape_.rows) {
      if (first / view_.r != at) sorted = sorted_columns(at = first / view_.r);
      for (size_t i = 0; i < sorted.size(); i += static_cast<size_t>(shape_.cols))
        for (int32_t row = first; row < first + shape_.rows; ++row)
          for (int c = 0; c < shape_.cols; ++c)
            places.push_back(sorted[i + static_cast<size_t>(c)].second * view_.r + row % view_.r);
    }
    return places;
  }

 private:
  using Column = std::pair<int32_t, int32_t>;  // of the pattern, and its place in the storage

  int32_t columns() const { return g_.channels * view_.taps; }

  int64_t channels_in_block(double density, const Tiling& tiling) const {
    const int64_t height = (g_.kernel_h - 1) * g_.dilation + 1;
    const int64_t width = (kTileColumns - 1) * g_.stride + (g_.kernel_w - 1) * g_.dilation + 1;
    const int64_t lines = std::min<int64_t>(height, g_.kernel_h) *
                          std::min<int64_t>(width, int64_t{kTileColumns} * g_.kernel_w);
    const int64_t in_l1 = std::max<int64_t>(1, tiling.l1_bytes * 2 / 3 / (lines * kLineBytes));
    int64_t channels = in_l1;
    while (static_cast<double>(channels * view_.taps) * density < kRunColumns && channels < 4 * in_l1)
      channels *= 2;
    return channels;
  }

  int tap_phase(int tap) const {
    return phase_of(tap / g_.kernel_w, g_) * g_.stride + phase_of(tap % g_.kernel_w, g_);
  }

  // Numbers the taps by the phase of dX that they belong to.
  void order_taps() {
    phase_tap_.push_back(0);
    for (int phase = 0; phase < g_.stride * g_.stride; ++phase) {
      for (int tap = 0; tap < view_.taps; ++tap)
        if (tap_phase(tap) == phase) tap_order_.push_back(tap);
      phase_tap_.push_back(static_cast<int32_t>(tap_order_.size()));
    }
    number_of_.resize(tap_order_.size());
    for (size_t i = 0; i < tap_order_.size(); ++i) {
      const int tap = tap_order_[i];
      number_of_[static_cast<size_t>(tap)] = static_cast<int32_t>(i);
      const int y = g_.dy_halo + backward_shift(tap / g_.kernel_w, g_),
                x = g_.dy_halo + backward_shift(tap % g_.kernel_w, g_);
      dy_offset_.push_back((y * view_.dy_row_step + x) * kSamples);
    }
  }

  int32_t offset_of(int32_t channel, int tap) const {
    const int y = g_.x_halo - g_.padding + tap / g_.kernel_w * g_.dilation;
    const int x = g_.x_halo - g_.padding + tap % g_.kernel_w * g_.dilation;
    return (channel * view_.x_plane + y * (g_.width + 2 * g_.x_halo) + x) * kSamples;
  }

  void fill(const Pattern& pattern) {
    std::vector<std::array<int32_t, 3>> places;  // block of channels, number of the tap, channel
    const auto add = [&](int32_t column) {
      const int32_t channel = column / view_.taps;
      places.push_back(
          {channel / view_.block_channels, number_of_[static_cast<size_t>(column % view_.taps)], channel});
    };
    for (int32_t row = 0; row < view_.block_rows; ++row) {
      places.clear();
      if (full_)
        for (int32_t column = 0; column < columns(); ++column) add(column);
      else
        for (const int32_t block : pattern.row(row))
          for (int32_t c = 0; c < shape_.cols; ++c) add(block * shape_.cols + c);
      std::sort(places.begin(), places.end());
      auto place = places.begin();
      for (int32_t block = 0; block < view_.blocks; ++block)
        for (int32_t tap = 0; tap < view_.taps; ++tap) {
          start_.push_back(static_cast<int32_t>(offset_.size()));
          for (; place != places.end() && (*place)[0] == block && (*place)[1] == tap; ++place) {
            offset_.push_back(offset_of((*place)[2], tap_order_[static_cast<size_t>(tap)]));
            channel_.push_back((*place)[2]);
          }
        }
    }
    start_.push_back(static_cast<int32_t>(offset_.size()));
  }

  // Which weights start and end the sums of dX, and which channels have none.
  void take_turns() {
    turn_.resize(channel_.size(), 0);
    idle_start_.push_back(0);
    std::vector<int32_t> last(static_cast<size_t>(g_.channels));  // place; -1: none so far
    for (size_t phase = 0; phase + 1 < phase_tap_.size(); ++phase) {
      std::fill(last.begin(), last.end(), -1);
      for (int32_t i = 0; i < view_.block_rows * view_.blocks; ++i) {
        const auto starts = start_.begin() + static_cast<std::ptrdiff_t>(i) * view_.taps;
        for (int32_t k = starts[phase_tap_[phase]]; k < starts[phase_tap_[phase + 1]]; ++k) {
          int32_t& before = last[static_cast<size_t>(channel_[static_cast<size_t>(k)])];
          if (before < 0) turn_[static_cast<size_t>(k)] = COPPICE_CONV_FIRST;
          before = k;
        }
      }
      for (int32_t c = 0; c < g_.channels; ++c) {
        const int32_t k = last[static_cast<size_t>(c)];
        if (k >= 0)
          turn_[static_cast<size_t>(k)] |= COPPICE_CONV_LAST;
        else
          idle_.push_back(c);
        if ((c + 1) % view_.block_channels == 0 || c + 1 == g_.channels)
          idle_start_.push_back(static_cast<int32_t>(idle_.size()));
      }
    }
  }

  // Live columns of a block row of the format, ascending, and where each is stored.
  std::vector<Column> sorted_columns(int32_t row) const {
    std::vector<Column> sorted;
    const auto first = static_cast<size_t>(row * view_.blocks * view_.taps);
    for (int32_t i = 0; i < view_.blocks * view_.taps; ++i)
      for (int32_t k = start_[first + static_cast<size_t>(i)]; k < start_[first + static_cast<size_t>(i) + 1];
           ++k)
        sorted.emplace_back(
            channel_[static_cast<size_t>(k)] * view_.taps + tap_order_[static_cast<size_t>(i % view_.taps)],
            k);
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }

  ConvGeometry g_;
  BlockShape shape_;
  bool full_;
  coppice_conv_blocks view_{};
  std::vector<int32_t> tap_order_, number_of_;  // tap of the kernel by its number here; and back
  std::vector<int32_t> phase_tap_, dy_offset_, start_, offset_, channel_, idle_start_, idle_;
  std::vector<uint8_t> turn_;
};

std::string refuses(const Pattern& pattern) {
  if (pattern.block().rows == 1 && !pattern.is_full())
    return "block 1x1 has a single row; format 'gather' takes it";
  const int64_t padded = (pattern.rows() + kFullRows - 1) / kFullRows * kFullRows;
  if (padded * pattern.cols() > INT32_MAX) return "rows padded to 16 would hold 2^31 weights or more";
  return {};
}

std::unique_ptr<Encoding> encode(const Pattern& pattern, const Tiling& tiling) {
  assert(conv_blocks_refuses(pattern, tiling.conv).empty());
  return std::make_unique<ConvBlocksEncoding>(pattern, tiling);
}

std::unique_ptr<Encoding> encode_single(const Pattern& pattern, const Tiling& tiling) {
  return encode_gather_backward(pattern, tiling.conv, tiling);
}

}  // namespace

std::string conv_blocks_refuses(const Pattern& pattern, const ConvGeometry& geometry) {
  if (std::string reason = refuses(pattern); !reason.empty()) return reason;
  if (geometry.groups != 1)
    return "its outputs read all channels, not those of " + std::to_string(geometry.groups) + " groups";
  return gather_refuses(pattern, geometry);
}

size_t conv_blocks_dw_scratch(const Encoding& encoding) {
  const std::vector<int32_t>& start = encoding.part_start();
  int64_t largest = 0;
  for (size_t part = 0; part + 1 < start.size(); ++part)
    largest = std::max<int64_t>(largest, start[part + 1] - start[part]);
  // The gradient of a part, in whole vectors, and the sums.
  const int64_t floats = (largest + 15) / 16 * 16 + COPPICE_CONV_BLOCKS_TOGETHER * kSamples;
  return static_cast<size_t>(floats) * sizeof(float);
}

const FormatDef kConvBlocks = {"conv_blocks",
                               "4 or 16 neighbouring outputs of a convolution share a channel and a tap; "
                               "one copy for all three products",
                               refuses, encode};
const FormatDef kForwardBlocks = {"forward_blocks",
                                  "conv_blocks for the forward pass, gather for the gradients", refuses,
                                  encode_single, encode};

}  // namespace coppice
