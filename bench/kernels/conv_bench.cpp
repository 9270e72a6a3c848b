// SPDX-License-Identifier: Apache-2.0
// Milliseconds and GFLOP/s on the live weights of convolution layers: forward, dX and dW
// (in one pass where the format has it), on one thread. Items are timed one by one, as
// a step runs them, and added up. Patterns that the format conv_blocks takes are run in it as well.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/buffer.h"
#include "base/rng.h"
#include "formats/conv_blocks.h"
#include "formats/gather.h"
#include "kernels/select.h"
#include "meter.h"

namespace coppice {
namespace {

struct Request {
  ConvGeometry g;
  int batch = 128;
  double density = 0.1;
  double seconds = 1;
  Tiling tiling;
  BlockShape block{};
};

ConvGeometry layer(int channels, int size, int outputs, int kernel, int stride) {
  ConvGeometry g;
  g.channels = channels;
  g.height = g.width = size;
  g.outputs = outputs;
  g.kernel_h = g.kernel_w = kernel;
  g.stride = stride;
  g.padding = kernel / 2;
  g.out_height = g.out_width = (size + 2 * g.padding - kernel) / stride + 1;
  g.x_halo = g.dy_halo = 1;
  return g;
}

struct Value {
  Floats data;
  coppice_tiled view{};
  Value(int channels, int size, int halo, int tiles) {
    const int padded = size + 2 * halo, tile = channels * padded * padded * 16;
    data = Floats(static_cast<size_t>(tile) * static_cast<size_t>(tiles));
    Rng rng(1, stream_id("bench", "value"));
    for (float& f : data) f = rng.uniform() - 0.5f;
    view.base = data.data();
    view.tile_stride = tile;
    view.width = 16;
    view.halo = halo;
  }
};

struct Weights {
  std::unique_ptr<Encoding> encoding;
  Floats value;
  const coppice_conv_weights* view;
  explicit Weights(std::unique_ptr<Encoding> e)
      : encoding(std::move(e)),
        value(static_cast<size_t>(encoding->size())),
        view(static_cast<const coppice_conv_weights*>(encoding->bind(value.data()))) {
    Rng rng(2, stream_id("bench", "weights"));
    for (float& f : value) f = 0.1f * (rng.uniform() - 0.5f);
  }
};

class Bench {
 public:
  Bench(const Request& q, const Kernels& kernels, const Pattern& pattern)
      : q_(q),
        k_(kernels),
        tiles_((q.batch + 15) / 16),
        forward_(encode_gather_forward(pattern, q.g, q.tiling)),
        backward_(encode_gather_backward(pattern, q.g, q.tiling)),
        x_(q.g.channels, q.g.height, q.g.x_halo, tiles_),
        y_(q.g.outputs, q.g.out_height, q.g.x_halo, tiles_),
        dy_(q.g.outputs, q.g.out_height, q.g.dy_halo, tiles_),
        dx_(q.g.channels, q.g.height, q.g.x_halo, tiles_),
        gradient_(static_cast<size_t>(backward_.encoding->size())),
        tile_gradients_(static_cast<size_t>(backward_.encoding->size() * tiles_)),
        scratch_(conv_bwd_scratch(*backward_.encoding) / 4) {}

  void forward(int tile) {
    coppice_conv_args args{};
    args.weights = forward_.view;
    args.x = x_.view;
    args.y = y_.view;
    run(k_.forward->conv, &args, {tile, tile + 1, 0, forward_.encoding->forward_parts(), scratch_.data()});
  }
  // One tile of all channels, or two tiles of one panel of channels.
  void backward_tile(int tile, bool with_dx) {
    backward({tile, tile + 1, 0, parts(), scratch_.data()}, with_dx, true);
  }
  void backward_part(int part, int tile, bool with_dx) {
    backward({tile, std::min(tile + 2, tiles_), part, part + 1, scratch_.data()}, with_dx, false);
  }
  void tile_sum() {
    const coppice_tile_sum_args args = {tile_gradients(), backward_.encoding->part_start().data(),
                                        gradient_.data()};
    run(k_.train->tile_sum, &args, {0, tiles_, 0, parts(), scratch_.data()});
  }
  int tiles() const { return tiles_; }
  int parts() const { return backward_.encoding->dx_parts(); }
  int blocks() const { return forward_.view->gather->blocks; }

 private:
  coppice_tiled tile_gradients() const {
    coppice_tiled view{};
    view.base = tile_gradients_.data();
    view.tile_stride = backward_.encoding->size();
    view.width = 16;
    return view;
  }
  void backward(const coppice_item& item, bool with_dx, bool by_tile) {
    coppice_conv_bwd_args args{};
    args.weights = backward_.view;
    args.x = x_.view;
    args.dy = dy_.view;
    if (with_dx) args.dx = dx_.view;
    args.part_start = backward_.encoding->part_start().data();
    args.gradient = gradient_.data();
    if (by_tile) args.tile_gradients = tile_gradients();
    run(k_.train->conv_bwd, &args, item);
  }
  void run(coppice_kernel kernel, const void* args, const coppice_item& item) const {
    coppice_run_state rs{};
    rs.samples = q_.batch;
    kernel(args, &rs, &item);
  }

  Request q_;
  Kernels k_;
  int tiles_;
  Weights forward_, backward_;
  Value x_, y_, dy_, dx_;
  Floats gradient_, tile_gradients_, scratch_;
};

class BlocksBench {
 public:
  BlocksBench(const Request& q, const Kernels& kernels, const Pattern& pattern)
      : q_(q),
        k_(kernels),
        tiles_((q.batch + 15) / 16),
        encoding_(kConvBlocks.encode(pattern, tiling_of(q))),
        value_(static_cast<size_t>(encoding_->size())),
        view_(static_cast<const coppice_conv_blocks*>(encoding_->bind(value_.data()))),
        x_(q.g.channels, q.g.height, q.g.x_halo, tiles_),
        y_(q.g.outputs, q.g.out_height, q.g.x_halo, tiles_),
        dy_(q.g.outputs, q.g.out_height, q.g.dy_halo, tiles_),
        dx_(q.g.channels, q.g.height, q.g.x_halo, tiles_),
        gradient_(static_cast<size_t>(encoding_->size())),
        tile_gradients_(static_cast<size_t>(encoding_->size() * tiles_)),
        scratch_(conv_blocks_dw_scratch(*encoding_) / 4) {
    Rng rng(2, stream_id("bench", "weights"));
    for (float& f : value_) f = 0.1f * (rng.uniform() - 0.5f);
  }

  void forward(int tile) {
    coppice_conv_args args{};
    args.weights = view_;
    args.x = x_.view;
    args.y = y_.view;
    run(k_.forward->conv_blocks, &args, {tile, tile + 1, 0, encoding_->forward_parts(), scratch_.data()});
  }
  void dx(int tile) {
    coppice_conv_blocks_dx_args args{};
    args.weights = view_;
    args.dy = dy_.view;
    args.dx = dx_.view;
    run(k_.train->conv_blocks_dx, &args, {tile, tile + 1, 0, encoding_->dx_parts(), scratch_.data()});
  }
  void dw(int tile) {
    coppice_conv_blocks_dw_args args{};
    args.weights = view_;
    args.x = x_.view;
    args.dy = dy_.view;
    args.tile_gradients = tile_gradients();
    run(k_.train->conv_blocks_dw, &args, {tile, tile + 1, 0, parts(), scratch_.data()});
  }
  void tile_sum() {
    const coppice_tile_sum_args args = {tile_gradients(), encoding_->part_start().data(), gradient_.data()};
    run(k_.train->tile_sum, &args, {0, tiles_, 0, parts(), scratch_.data()});
  }
  int tiles() const { return tiles_; }
  int parts() const { return static_cast<int>(encoding_->part_start().size()) - 1; }
  int blocks() const { return view_->blocks; }

 private:
  static Tiling tiling_of(const Request& q) {
    Tiling tiling = q.tiling;
    tiling.conv = q.g;
    return tiling;
  }
  coppice_tiled tile_gradients() const {
    coppice_tiled view{};
    view.base = tile_gradients_.data();
    view.tile_stride = encoding_->size();
    view.width = 16;
    return view;
  }
  void run(coppice_kernel kernel, const void* args, const coppice_item& item) const {
    coppice_run_state rs{};
    rs.samples = q_.batch;
    kernel(args, &rs, &item);
  }

  Request q_;
  Kernels k_;
  int tiles_;
  std::unique_ptr<Encoding> encoding_;
  Floats value_;
  const coppice_conv_blocks* view_;
  Value x_, y_, dy_, dx_;
  Floats gradient_, tile_gradients_, scratch_;
};

double flops_of(const Request& q, const Pattern& pattern) {
  return 2.0 * static_cast<double>(pattern.live()) * q.g.out_height * q.g.out_width * q.batch;
}

void run_blocks(const Request& q, const Kernels& kernels, const Pattern& pattern, Meter& meter) {
  BlocksBench bench(q, kernels, pattern);
  const bool first = q.g.channels == 3;  // of a network: has no dX
  int tile = 0;
  const auto next = [&] { return tile = (tile + 1) % bench.tiles(); };
  const std::vector<double> seconds =
      meter.measure({[&] { bench.forward(next()); }, [&] { bench.dx(next()); }, [&] { bench.dw(next()); },
                     [&] { bench.tile_sum(); }},
                    q.seconds);
  const double flops = flops_of(q, pattern), tiles = bench.tiles();
  const double forward = seconds[0] * tiles, dx = first ? 0 : seconds[1] * tiles;
  const double dw = seconds[2] * tiles + seconds[3], sum = forward + dx + dw;
  std::printf(
      "  in blocks (%d of channels, %d parts): forward %.3f ms %.1f, dX %.3f %.1f, dW %.3f "
      "%.1f"
      " | sum %.3f ms %.1f GFLOP/s\n",
      bench.blocks(), bench.parts(), forward * 1e3, flops / forward / 1e9, dx * 1e3,
      first ? 0 : flops / dx / 1e9, dw * 1e3, flops / dw / 1e9, sum * 1e3,
      (first ? 2 : 3) * flops / sum / 1e9);
  std::fflush(stdout);
}

void run(const Request& q, const Kernels& kernels, Meter& meter) {
  const int cols = q.g.channels * q.g.kernel_h * q.g.kernel_w;
  const Pattern pattern =
      random_pattern(q.g.outputs, cols, q.block,
                     static_cast<int64_t>(q.density * q.g.outputs * cols / q.block.size()), 1, "bench");
  Bench bench(q, kernels, pattern);
  const bool first = q.g.channels == 3;  // of a network: has no dX
  int tile = 0;
  const auto next = [&](int step) { return tile = (tile + step) % bench.tiles(); };
  std::vector<std::function<void()>> functions = {[&] { bench.forward(next(1)); },
                                                  [&] { bench.backward_tile(next(1), !first); },
                                                  [&] { bench.tile_sum(); }};
  for (int part = 0; part < bench.parts(); ++part)
    functions.emplace_back([&, part, first] { bench.backward_part(part, next(2), !first); });
  const std::vector<double> seconds = meter.measure(functions, q.seconds);

  const double flops = flops_of(q, pattern);
  const double forward = seconds[0] * bench.tiles();
  const double backward = seconds[1] * bench.tiles() + seconds[2];
  double by_parts = 0;
  for (size_t i = 3; i < seconds.size(); ++i)
    by_parts += seconds[i] * bench.tiles() / std::min(2, bench.tiles());
  std::printf(
      "%s %dx%dx%d -> %d, %dx%d/%d, batch %d, density %.2f in %s, %d blocks, %d parts: forward %.3f ms %.1f, "
      "%s %.3f %.1f, by parts %.3f | sum %.3f ms %.1f GFLOP/s\n",
      kernels.forward->isa, q.g.channels, q.g.height, q.g.width, q.g.outputs, q.g.kernel_h, q.g.kernel_w,
      q.g.stride, q.batch, pattern.density(), q.block.text().c_str(), bench.blocks(), bench.parts(),
      forward * 1e3, flops / forward / 1e9, first ? "dW" : "dX+dW", backward * 1e3,
      (first ? 1 : 2) * flops / backward / 1e9, by_parts * 1e3, (forward + backward) * 1e3,
      (first ? 2 : 3) * flops / (forward + backward) / 1e9);
  std::fflush(stdout);
  if (conv_blocks_refuses(pattern, q.g).empty()) run_blocks(q, kernels, pattern, meter);
}

int usage() {
  std::fprintf(
      stderr,
      "usage: conv_bench [CHANNELS SIZE OUTPUTS KERNEL STRIDE BATCH DENSITY] [--block RxC] [--seconds S] "
      "[--l1 BYTES]\n"
      "Without a layer: a 3x3 layer of 64 channels, and those of ResNet-20. COPPICE_ISA chooses the "
      "instruction "
      "set.\n");
  return 2;
}

std::vector<Request> standard_layers() {
  std::vector<Request> all;
  for (const double density : {0.1, 0.05}) all.push_back({layer(64, 16, 64, 3, 1), 64, density, 1, {}, {}});
  for (const double density : {0.1, 1.0})
    for (const ConvGeometry& g : {layer(3, 32, 16, 3, 1), layer(16, 32, 16, 3, 1), layer(16, 32, 32, 3, 2),
                                  layer(32, 16, 32, 3, 1), layer(32, 16, 64, 3, 2), layer(64, 8, 64, 3, 1)})
      all.push_back({g, 128, density, 1, {}, {}});
  return all;
}

int main_of(int argc, char** argv) {
  std::vector<double> numbers;
  double seconds = 1;
  BlockShape block;
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  Tiling tiling;
  tiling.l1_bytes = cpu.l1d_bytes;
  tiling.l2_bytes = cpu.l2_bytes;
  tiling.width = 16;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag.rfind("--", 0) != 0)
      numbers.push_back(std::atof(argv[i]));
    else if (i + 1 == argc)
      return usage();
    else if (flag == "--seconds")
      seconds = std::atof(argv[++i]);
    else if (flag == "--l1")
      tiling.l1_bytes = std::atoll(argv[++i]);
    else if (const auto parsed = BlockShape::parse(argv[++i]); flag == "--block" && parsed.ok())
      block = *parsed;
    else
      return usage();
  }
  if (!numbers.empty() && numbers.size() != 7) return usage();
  const auto kernels = select_kernels();
  if (!kernels.ok()) return std::fprintf(stderr, "%s\n", kernels.status().message().c_str()), 1;
  std::vector<Request> requests = standard_layers();
  if (!numbers.empty()) {
    const auto n = [&](size_t i) { return static_cast<int>(numbers[i]); };
    requests = {{layer(n(0), n(1), n(2), n(3), n(4)), n(5), numbers[6], 1, {}, {}}};
  }
  Meter meter(kernels->forward);
  for (Request& q : requests) {
    q.block = block;
    q.tiling = tiling;
    q.seconds = seconds;
    run(q, *kernels, meter);
  }
  std::printf("FMA peak %.0f GFLOP/s, kept %zu of %zu samples\n", meter.peak(), meter.kept(), meter.all());
  return 0;
}

}  // namespace
}  // namespace coppice

int main(int argc, char** argv) { return coppice::main_of(argc, argv); }
