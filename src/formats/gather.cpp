// SPDX-License-Identifier: Apache-2.0
#include "formats/gather.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <numeric>
#include <tuple>

#include "coppice_kernels.h"
#include "formats/blocking.h"
#include "formats/conv_taps.h"

namespace coppice {
namespace {

constexpr int kSamples = 16;  // S of every value with spatial axes
constexpr size_t kLaneBytes = kSamples * sizeof(float);

// Rows of a panel: enough for segments of equal length to meet, and for a gathered pixel to serve many rows;
// few enough for a layer of 64 channels to have parts.
constexpr int kPanelRows = 32;

// The register tile that blocks of gathered channels are cut for. Those of narrower instruction sets read
// less.
constexpr int kTileRows = 2, kTileColumns = 4;

// Below this many weights a segment is worth a block that fills the whole L1, below half of it a larger one:
// the sums of its row are loaded and stored once for each block.
constexpr double kSegmentWeights = 16;

constexpr int64_t kMaxSegment = UINT16_MAX;

int output_size(int size, int kernel, const ConvGeometry& g) {
  return (size + 2 * g.padding - (kernel - 1) * g.dilation - 1) / g.stride + 1;
}

// Pixels that the forward pass reads before and after an axis of x.
int forward_reach(int size, int out_size, int kernel, const ConvGeometry& g) {
  return std::max(g.padding, (out_size - 1) * g.stride + (kernel - 1) * g.dilation - g.padding - (size - 1));
}

// The same of an axis of dY.
int backward_reach(int size, int out_size, int kernel, const ConvGeometry& g) {
  int reach = 0;
  for (int tap = 0; tap < kernel; ++tap) {
    const int shift = backward_shift(tap, g), pixels = phase_pixels(size, phase_of(tap, g), g.stride);
    if (pixels > 0) reach = std::max({reach, -shift, shift + pixels - out_size});
  }
  return reach;
}

int64_t padded_floats(int channels, int height, int width, int halo) {
  return int64_t{channels} * (height + 2 * halo) * (width + 2 * halo) * kSamples;
}

std::string text(int64_t number) { return std::to_string(number); }

// A weight on its way into a gather, and back out of it.
struct Tap {
  int32_t row;      // of the encoding
  int32_t channel;  // gathered
  int ky, kx;
};

class GatherEncoding final : public Encoding {
 public:
  GatherEncoding(const Pattern& pattern, const ConvGeometry& geometry, const Tiling& tiling, bool backward)
      : g_(geometry), shape_(pattern.block()), backward_(backward) {
    const int phases = backward ? g_.stride * g_.stride : 1;
    rows_ = backward ? g_.channels : g_.outputs;
    panel_rows_ = even_part(rows_, kPanelRows);
    panels_ = (rows_ + panel_rows_ - 1) / panel_rows_;
    size_ = pattern.live();
    (backward ? dx_parts_ : forward_parts_) = panels_;

    std::vector<Taps> taps = sort_into_gathers(pattern, phases);
    for (int phase = 0; phase < phases; ++phase) gathers_.push_back(gather_of(phase));
    starts_.resize(gathers_.size());
    for (size_t i = 0; i < gathers_.size(); ++i)
      gathers_[i].blocks = count_blocks(gathers_[i], taps[i], tiling);
    offset_.reserve(static_cast<size_t>(size_));
    for (int panel = 0; panel < panels_; ++panel) {
      part_start_.push_back(static_cast<int32_t>(offset_.size()));
      for (size_t i = 0; i < gathers_.size(); ++i) append_panel(i, panel, taps[i]);
    }
    part_start_.push_back(static_cast<int32_t>(offset_.size()));
    finish();
  }

  const void* bind(float* value) override {
    for (coppice_gather& gather : gathers_) gather.value = value;
    return &view_;
  }

  Pattern pattern() const override {
    std::vector<std::pair<int32_t, int32_t>> blocks;  // (block row, block column)
    each_weight([&](int32_t, int32_t row, int32_t col) {
      if (row % shape_.rows == 0 && col % shape_.cols == 0)
        blocks.emplace_back(row / shape_.rows, col / shape_.cols);
    });
    std::sort(blocks.begin(), blocks.end());
    std::vector<int32_t> indptr(static_cast<size_t>(g_.outputs / shape_.rows) + 1, 0), indices;
    for (const auto& [row, col] : blocks) {
      ++indptr[static_cast<size_t>(row) + 1];
      indices.push_back(col);
    }
    std::partial_sum(indptr.begin(), indptr.end(), indptr.begin());
    return Pattern::of_canonical(g_.outputs, columns(), shape_, std::move(indptr), std::move(indices));
  }

  std::vector<int32_t> positions() const override {
    struct Place {
      std::array<int32_t, 4> canonical;  // block row, block column, row in block, column in block
      int32_t place;
    };
    std::vector<Place> places;
    places.reserve(static_cast<size_t>(size_));
    each_weight([&](int32_t place, int32_t row, int32_t col) {
      places.push_back({{row / shape_.rows, col / shape_.cols, row % shape_.rows, col % shape_.cols}, place});
    });
    std::sort(places.begin(), places.end(),
              [](const Place& a, const Place& b) { return a.canonical < b.canonical; });
    std::vector<int32_t> result;
    result.reserve(places.size());
    for (const Place& p : places) result.push_back(p.place);
    return result;
  }

 private:
  using Taps = std::vector<std::vector<std::pair<int32_t, int32_t>>>;  // [rows], (gathered channel, offset)

  struct Starts {
    std::vector<int32_t> segment, weight;
  };

  int per_group() const { return g_.channels / g_.groups; }
  int group_channels() const { return backward_ ? g_.outputs / g_.groups : per_group(); }  // gathered
  int columns() const { return per_group() * g_.kernel_h * g_.kernel_w; }

  // The gathered plane, with its halo.
  int in_width() const { return backward_ ? g_.out_width + 2 * g_.dy_halo : g_.width + 2 * g_.x_halo; }
  int in_height() const { return backward_ ? g_.out_height + 2 * g_.dy_halo : g_.height + 2 * g_.x_halo; }

  coppice_gather gather_of(int phase) const {
    coppice_gather g{};
    g.rows = rows_;
    g.panel_rows = panel_rows_;
    g.panels = panels_;
    if (!backward_) {
      g.height = g_.out_height;
      g.width = g_.out_width;
      g.in_row_step = g_.stride * in_width();
      g.in_column_step = g_.stride;
      g.out_step = 1;
      return g;
    }
    g.out_step = g_.stride;
    g.out_y = phase / g_.stride;
    g.out_x = phase % g_.stride;
    g.height = phase_pixels(g_.height, g.out_y, g_.stride);
    g.width = phase_pixels(g_.width, g.out_x, g_.stride);
    g.in_row_step = in_width();
    g.in_column_step = 1;
    return g;
  }

  bool has_pixels(int phase) const {
    return !backward_ || (phase / g_.stride < g_.height && phase % g_.stride < g_.width);
  }

  // Where a tap reads: pixel of the padded plane, in floats. A phase without pixels reads nothing; its
  // offsets only have to tell its weights apart.
  int32_t offset_of(const Tap& t, int phase) const {
    if (!has_pixels(phase)) return (t.channel * g_.kernel_h + t.ky) * g_.kernel_w + t.kx;
    const int y =
        backward_ ? g_.dy_halo + backward_shift(t.ky, g_) : g_.x_halo - g_.padding + t.ky * g_.dilation;
    const int x =
        backward_ ? g_.dy_halo + backward_shift(t.kx, g_) : g_.x_halo - g_.padding + t.kx * g_.dilation;
    return ((t.channel * in_height() + y) * in_width() + x) * kSamples;
  }

  Tap tap_at(int32_t row, int32_t offset, int phase) const {
    if (!has_pixels(phase))
      return {row, offset / (g_.kernel_h * g_.kernel_w), offset / g_.kernel_w % g_.kernel_h,
              offset % g_.kernel_w};
    const int pixel = offset / kSamples;
    const int x = pixel % in_width(), y = pixel / in_width() % in_height();
    const int32_t channel = pixel / in_width() / in_height();
    if (!backward_)
      return {row, channel, (y - g_.x_halo + g_.padding) / g_.dilation,
              (x - g_.x_halo + g_.padding) / g_.dilation};
    const auto tap = [this](int shift, int at_phase) {
      return (at_phase + g_.padding - shift * g_.stride) / g_.dilation;
    };
    return {row, channel, tap(y - g_.dy_halo, phase / g_.stride), tap(x - g_.dy_halo, phase % g_.stride)};
  }

  std::vector<Taps> sort_into_gathers(const Pattern& pattern, int phases) const {
    const TransposedPattern single = unblocked(pattern);
    std::vector<Taps> taps(static_cast<size_t>(phases), Taps(static_cast<size_t>(rows_)));
    const int outputs_per_group = g_.outputs / g_.groups;
    for (int32_t o = 0; o < g_.outputs; ++o)
      for (const int32_t col : single.pattern.row(o)) {
        const int kx = col % g_.kernel_w, ky = col / g_.kernel_w % g_.kernel_h;
        const int32_t c = o / outputs_per_group * per_group() + col / g_.kernel_w / g_.kernel_h;
        const Tap tap = backward_ ? Tap{c, o, ky, kx} : Tap{o, c, ky, kx};
        const int phase = backward_ ? phase_of(ky, g_) * g_.stride + phase_of(kx, g_) : 0;
        taps[static_cast<size_t>(phase)][static_cast<size_t>(tap.row)].emplace_back(tap.channel,
                                                                                    offset_of(tap, phase));
      }
    // A segment then walks its planes in order.
    for (Taps& gather : taps)
      for (auto& row : gather) std::sort(row.begin(), row.end());
    return taps;
  }

  // Gathered channels that a panel reads, ascending.
  std::vector<int32_t> channels_of(int panel, const Taps& taps) const {
    std::vector<int32_t> channels;
    for (int row = panel * panel_rows_; row < std::min(rows_, (panel + 1) * panel_rows_); ++row)
      for (const auto& [channel, offset] : taps[static_cast<size_t>(row)]) channels.push_back(channel);
    std::sort(channels.begin(), channels.end());
    channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
    return channels;
  }

  // Channels of a block: their pixels of a register tile fill half of the L1, more where segments would be
  // short.
  int64_t channels_in_block(const coppice_gather& g, const Tiling& tiling) const {
    const auto span = [&](int pixels, int step, int kernel) {
      const int reach = backward_ ? (kernel - 1) * g_.dilation / g_.stride : (kernel - 1) * g_.dilation;
      return std::min((pixels - 1) * step + reach + 1, pixels * kernel);
    };
    const int64_t lines = int64_t{span(kTileRows, g.in_column_step, g_.kernel_h)} *
                          span(kTileColumns, g.in_column_step, g_.kernel_w);
    const int64_t in_l1 = std::max<int64_t>(2, tiling.l1_bytes / (lines * static_cast<int64_t>(kLaneBytes)));
    // Weights of a row that read one gathered channel.
    const double taps =
        static_cast<double>(size_) /
        (static_cast<double>(rows_) * static_cast<double>(gathers_.size()) * group_channels());
    int64_t channels = in_l1 / 2;
    if (static_cast<double>(channels) * taps < kSegmentWeights) channels = in_l1;
    while (static_cast<double>(channels) * taps < kSegmentWeights / 2 && channels < 4 * in_l1) channels *= 2;
    return std::clamp<int64_t>(channels, 1, std::max<int64_t>(1, kMaxSegment / (g_.kernel_h * g_.kernel_w)));
  }

  // Rows of different groups share no pixels: what one row can read is what counts.
  int32_t count_blocks(const coppice_gather& g, const Taps& taps, const Tiling& tiling) const {
    size_t channels = 1;
    for (int panel = 0; panel < panels_; ++panel)
      channels = std::max(channels, channels_of(panel, taps).size());
    const int64_t most = channels_in_block(g, tiling);
    return static_cast<int32_t>(
        (std::min<int64_t>(static_cast<int64_t>(channels), group_channels()) + most - 1) / most);
  }

  // The channels that a panel reads are its own (think of groups), so its blocks are cut through these.
  void append_panel(size_t index, int panel, const Taps& taps) {
    const std::vector<int32_t> channels = channels_of(panel, taps);
    const auto blocks = static_cast<size_t>(gathers_[index].blocks);
    Starts& starts = starts_[index];
    for (size_t block = 0; block < blocks; ++block) {
      const auto bound = [&](size_t b) {
        const size_t at = b * channels.size() / blocks;
        return at < channels.size() ? channels[at] : INT32_MAX;
      };
      starts.segment.push_back(static_cast<int32_t>(segments_.size()));
      starts.weight.push_back(static_cast<int32_t>(offset_.size()));
      append_block(panel, taps, block == 0 ? 0 : bound(block), bound(block + 1),
                   block == 0 || block == blocks - 1);
    }
    starts.segment.push_back(static_cast<int32_t>(segments_.size()));
    starts.weight.push_back(static_cast<int32_t>(offset_.size()));
  }

  // Weights of a panel that read channels [begin, end).
  void append_block(int panel, const Taps& taps, int32_t begin, int32_t end, bool every_row) {
    struct Run {
      uint16_t row;
      const std::pair<int32_t, int32_t>*first, *last;
      std::ptrdiff_t count() const { return last - first; }
    };
    std::vector<Run> runs;
    for (int row = panel * panel_rows_; row < std::min(rows_, (panel + 1) * panel_rows_); ++row) {
      const auto& all = taps[static_cast<size_t>(row)];
      const auto at = [&](int32_t channel) {
        return all.data() +
               (std::lower_bound(all.begin(), all.end(), std::pair{channel, INT32_MIN}) - all.begin());
      };
      const Run run = {static_cast<uint16_t>(row - panel * panel_rows_), at(begin), at(end)};
      if (every_row || run.count() > 0) runs.push_back(run);
    }
    std::stable_sort(runs.begin(), runs.end(),
                     [](const Run& a, const Run& b) { return a.count() > b.count(); });
    for (const Run& run : runs) {
      segments_.push_back({run.row, static_cast<uint16_t>(run.count())});
      for (const auto* tap = run.first; tap < run.last; ++tap) offset_.push_back(tap->second);
    }
  }

  void finish() {
    bytes_ =
        static_cast<int64_t>(offset_.size() * sizeof(int32_t) + segments_.size() * sizeof(coppice_segment));
    for (size_t i = 0; i < gathers_.size(); ++i) {
      gathers_[i].segment_start = starts_[i].segment.data();
      gathers_[i].weight_start = starts_[i].weight.data();
      gathers_[i].segments = segments_.data();
      gathers_[i].offset = offset_.data();
      bytes_ += static_cast<int64_t>(2 * starts_[i].segment.size() * sizeof(int32_t));
    }
    view_.gathers = static_cast<int32_t>(gathers_.size());
    view_.panels = panels_;
    view_.gather = gathers_.data();
    view_.in_channels = backward_ ? g_.outputs : g_.channels;
    view_.in_height = backward_ ? g_.out_height : g_.height;
    view_.in_width = backward_ ? g_.out_width : g_.width;
    view_.in_halo = backward_ ? g_.dy_halo : g_.x_halo;
    view_.out_channels = rows_;
    view_.out_height = backward_ ? g_.height : g_.out_height;
    view_.out_width = backward_ ? g_.width : g_.out_width;
  }

  // f(place, row of the pattern, column of the pattern), in the order of places.
  template <class F>
  void each_weight(F f) const {
    for (int panel = 0; panel < panels_; ++panel)
      for (size_t i = 0; i < gathers_.size(); ++i) {
        const auto first = static_cast<size_t>(panel) * static_cast<size_t>(gathers_[i].blocks + 1);
        int32_t place = starts_[i].weight[first];
        const auto last = first + static_cast<size_t>(gathers_[i].blocks);
        for (int32_t s = starts_[i].segment[first]; s < starts_[i].segment[last]; ++s)
          for (int k = 0; k < segments_[static_cast<size_t>(s)].count; ++k, ++place) {
            const Tap tap = tap_at(panel * panel_rows_ + segments_[static_cast<size_t>(s)].row,
                                   offset_[static_cast<size_t>(place)], static_cast<int>(i));
            const int32_t o = backward_ ? tap.channel : tap.row, c = backward_ ? tap.row : tap.channel;
            f(place, o, ((c % per_group()) * g_.kernel_h + tap.ky) * g_.kernel_w + tap.kx);
          }
      }
  }

  ConvGeometry g_;
  BlockShape shape_;
  bool backward_;
  int rows_ = 0, panel_rows_ = 0, panels_ = 0;
  coppice_conv_weights view_{};
  std::vector<coppice_gather> gathers_;
  std::vector<Starts> starts_;
  std::vector<coppice_segment> segments_;
  std::vector<int32_t> offset_;
};

std::string refuses_shape(const Pattern& pattern, const ConvGeometry& g) {
  if (std::min({g.channels, g.height, g.width, g.outputs, g.out_height, g.out_width, g.kernel_h, g.kernel_w,
                g.stride, g.dilation, g.groups}) < 1 ||
      std::min({g.padding, g.x_halo, g.dy_halo}) < 0)
    return "a size of the convolution is not positive";
  if (g.channels % g.groups != 0 || g.outputs % g.groups != 0)
    return text(g.groups) + " groups do not divide " + text(g.channels) + " inputs and " + text(g.outputs) +
           " outputs";
  const int64_t cols = int64_t{g.channels / g.groups} * g.kernel_h * g.kernel_w;
  if (pattern.rows() != g.outputs || pattern.cols() != cols)
    return "a pattern of " + text(pattern.rows()) + " x " + text(pattern.cols()) +
           " does not fit a weight of " + text(g.outputs) + " x " + text(cols);
  if (g.out_height != output_size(g.height, g.kernel_h, g) ||
      g.out_width != output_size(g.width, g.kernel_w, g))
    return "an output of " + text(g.out_height) + " x " + text(g.out_width) + " should be " +
           text(output_size(g.height, g.kernel_h, g)) + " x " + text(output_size(g.width, g.kernel_w, g));
  if (g.wrap && (g.out_height * g.stride != g.height || g.out_width * g.stride != g.width))
    return "padding that wraps needs an output of 1/" + text(g.stride) + " of the input's size, not " +
           text(g.out_height) + " x " + text(g.out_width) + " of " + text(g.height) + " x " + text(g.width);
  return {};
}

}  // namespace

int gather_x_halo(const ConvGeometry& g) {
  return std::max(forward_reach(g.height, g.out_height, g.kernel_h, g),
                  forward_reach(g.width, g.out_width, g.kernel_w, g));
}

int gather_dy_halo(const ConvGeometry& g) {
  return std::max(backward_reach(g.height, g.out_height, g.kernel_h, g),
                  backward_reach(g.width, g.out_width, g.kernel_w, g));
}

std::string gather_refuses(const Pattern& pattern, const ConvGeometry& g) {
  if (std::string reason = refuses_shape(pattern, g); !reason.empty()) return reason;
  if (g.x_halo < gather_x_halo(g))
    return "the input has a halo of " + text(g.x_halo) + " pixels, the kernel reads " +
           text(gather_x_halo(g));
  if (g.dy_halo < gather_dy_halo(g))
    return "the gradient of the output has a halo of " + text(g.dy_halo) + " pixels, dX reads " +
           text(gather_dy_halo(g));
  if (padded_floats(g.channels, g.height, g.width, g.x_halo) > INT32_MAX ||
      padded_floats(g.outputs, g.out_height, g.out_width, g.dy_halo) > INT32_MAX)
    return "a tile of 16 samples would hold 2^31 numbers or more";
  return {};
}

std::unique_ptr<Encoding> encode_gather_forward(const Pattern& pattern, const ConvGeometry& geometry,
                                                const Tiling& tiling) {
  assert(gather_refuses(pattern, geometry).empty());
  return std::make_unique<GatherEncoding>(pattern, geometry, tiling, false);
}

std::unique_ptr<Encoding> encode_gather_backward(const Pattern& pattern, const ConvGeometry& geometry,
                                                 const Tiling& tiling) {
  assert(gather_refuses(pattern, geometry).empty());
  return std::make_unique<GatherEncoding>(pattern, geometry, tiling, true);
}

bool conv_bwd_by_tiles(const ConvGeometry& geometry) {
  // Zeroing and adding up the 16 sums of a weight takes about as long as 8 pixels do.
  return geometry.height * geometry.width >= 64;
}

size_t conv_bwd_scratch(const Encoding& backward) {
  const std::vector<int32_t>& start = backward.part_start();
  int64_t most = std::min<int64_t>(backward.size(), COPPICE_CONV_TOGETHER);
  for (size_t part = 0; part + 1 < start.size(); ++part)
    most = std::max<int64_t>(most, start[part + 1] - start[part]);
  return static_cast<size_t>(most) * kLaneBytes;
}

namespace {
std::string refuses(const Pattern&) { return {}; }
std::unique_ptr<Encoding> encode(const Pattern& pattern, const Tiling& tiling) {
  return encode_gather_backward(pattern, tiling.conv, tiling);
}
std::unique_ptr<Encoding> encode_copy(const Pattern& pattern, const Tiling& tiling) {
  return encode_gather_forward(pattern, tiling.conv, tiling);
}
}  // namespace

const FormatDef kGather = {"gather", "single weights of a convolution with the offset of the pixel they read",
                           refuses, encode, encode_copy};

}  // namespace coppice
