// SPDX-License-Identifier: Apache-2.0
// Milliseconds and GFLOP/s on the live weights of one linear layer: forward, dX, dW and their sum, on one
// thread. A neighbour on the same socket slows a run by half for seconds, so every sample is framed by a
// calibration loop and kept only if both frames ran at full rate; of those kept the 20th percentile is
// printed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include "base/buffer.h"
#include "base/rng.h"
#include "formats/formats.h"
#include "kernels/select.h"
#include "meter.h"

namespace coppice {
namespace {

struct Request {
  int64_t rows = 1024, cols = 1024;
  int batch = 128;
  double density = 0.1;
  int r = 1;
  bool share = false;  // all tiles share one pass over the weights, instead of one tile through all weights
  bool relu = false;   // activation fused into forward, its gradient into dX
  double seconds = 3;
  Tiling tiling;
};

struct Tiles {
  Floats data;
  coppice_tiled view;
  Tiles(int64_t rows, int width, int tiles) : data(static_cast<size_t>(rows * width * tiles)), view{} {
    view.base = data.data();
    view.tile_stride = rows * width;
    view.width = width;
    Rng rng(1, stream_id("bench", "tiles"));
    for (float& value : data) value = rng.uniform() - 0.5f;
  }
};

struct Layer {
  std::unique_ptr<Encoding> encoding;
  Floats value;
  const void* view;
  Layer(const FormatDef& format, const Pattern& pattern, const Tiling& tiling)
      : encoding(format.encode(pattern, tiling)),
        value(static_cast<size_t>(encoding->size())),
        view(encoding->bind(value.data())) {
    Rng rng(2, stream_id("bench", "weights"));
    for (const int32_t place : encoding->positions())
      value[static_cast<size_t>(place)] = 0.1f * (rng.uniform() - 0.5f);
  }
  int dw_parts() const { return static_cast<int>(encoding->part_start().size()) - 1; }
};

class Bench {
 public:
  Bench(const Request& request, const Kernels& kernels, const FormatDef& format, const Pattern& pattern)
      : q_(request),
        k_(kernels),
        segments_(&format == &kSegments),
        width_(request.tiling.width),
        tiles_((request.batch + width_ - 1) / width_),
        layer_(format, pattern, request.tiling),
        transposed_(segments_ ? std::make_unique<Layer>(format, transpose(pattern).pattern, request.tiling)
                              : nullptr),
        x_(q_.cols, width_, tiles_),
        y_(q_.rows, width_, tiles_),
        dy_(q_.rows, width_, tiles_),
        dx_(q_.cols, width_, tiles_),
        interleaved_((q_.rows + 15) / 16 * 16, width_, tiles_),
        gradient_(static_cast<size_t>(layer_.encoding->size())) {}

  void forward() {
    const coppice_linear_args args = {layer_.view, nullptr, x_.view,
                                      y_.view,     {},      q_.relu ? COPPICE_ACT_RELU : COPPICE_ACT_NONE};
    run(segments_ ? k_.forward->linear_segments : k_.forward->linear_blocks, &args,
        layer_.encoding->forward_parts());
  }
  void dx() {
    if (segments_) {
      const coppice_linear_args args = {transposed_->view, nullptr, dy_.view,
                                        dx_.view,          mask(),  COPPICE_ACT_NONE};
      run(k_.forward->linear_segments, &args, transposed_->encoding->forward_parts());
    } else {
      const coppice_linear_dx_args args = {static_cast<const coppice_blocks*>(layer_.view), dy_.view,
                                           dx_.view, mask()};
      run(k_.train->linear_blocks_dx, &args, layer_.encoding->dx_parts());
    }
  }
  void dw() {
    const int r = layer_.encoding->interleave();
    if (r > 1) {
      const coppice_interleave_args args = {dy_.view, interleaved_.view, static_cast<int32_t>(q_.rows), r};
      run(k_.train->interleave, &args, 1);
    }
    const coppice_linear_dw_args args = {layer_.view, x_.view, r > 1 ? interleaved_.view : dy_.view,
                                         gradient_.data()};
    const coppice_run_state rs = state();
    for (int part = 0; part < layer_.dw_parts(); ++part) {
      const coppice_item item = {0, tiles_, part, part + 1, nullptr};
      (segments_ ? k_.train->linear_segments_dw : k_.train->linear_blocks_dw)(&args, &rs, &item);
    }
  }
  const Encoding& encoding() const { return *layer_.encoding; }
  const void* view() const { return layer_.view; }
  bool segments() const { return segments_; }

 private:
  coppice_tiled mask() const { return q_.relu ? x_.view : coppice_tiled{}; }
  coppice_run_state state() const {
    coppice_run_state rs{};
    rs.samples = q_.batch;
    return rs;
  }
  void run(coppice_kernel kernel, const void* args, int parts) const {
    const coppice_run_state rs = state();
    if (q_.share) {
      const coppice_item item = {0, tiles_, 0, parts, nullptr};
      kernel(args, &rs, &item);
      return;
    }
    for (int tile = 0; tile < tiles_; ++tile) {
      const coppice_item item = {tile, tile + 1, 0, parts, nullptr};
      kernel(args, &rs, &item);
    }
  }

  Request q_;
  Kernels k_;
  bool segments_;
  int width_, tiles_;
  Layer layer_;
  std::unique_ptr<Layer> transposed_;
  Tiles x_, y_, dy_, dx_, interleaved_;
  Floats gradient_;
};

int run(const Request& q) {
  const auto kernels = select_kernels();
  if (!kernels.ok()) return std::fprintf(stderr, "%s\n", kernels.status().message().c_str()), 1;
  const BlockShape block = {q.r, 1};
  if (q.rows % q.r != 0) return std::fprintf(stderr, "ROWS must be a multiple of R\n"), 2;
  const bool dense = q.density >= 1;
  const auto blocks = static_cast<int64_t>(q.density * static_cast<double>(q.rows * q.cols / q.r));
  const Pattern pattern =
      dense ? Pattern::full(q.rows, q.cols) : random_pattern(q.rows, q.cols, block, blocks, 1, "bench");
  const FormatDef& format = dense ? kDense : q.r == 1 ? kSegments : kBlocks;
  Bench bench(q, *kernels, format, pattern);
  Meter meter(kernels->forward);
  const std::vector<double> seconds =
      meter.measure({[&] { bench.forward(); }, [&] { bench.dx(); }, [&] { bench.dw(); }}, q.seconds);

  const int block_cols = bench.segments() ? static_cast<const coppice_segments*>(bench.view())->block_cols
                                          : static_cast<const coppice_blocks*>(bench.view())->block_cols;
  std::printf(
      "%s %s %lldx%lld batch %d density %.3f width %d columns/block %d parts %d%s:", kernels->forward->isa,
      format.name, static_cast<long long>(q.rows), static_cast<long long>(q.cols), q.batch, pattern.density(),
      q.tiling.width, block_cols, bench.encoding().forward_parts(), q.share ? " shared" : "");
  const double flops = 2.0 * static_cast<double>(pattern.live()) * q.batch;
  const char* names[] = {"forward", "dX", "dW"};
  double sum = 0;
  for (int i = 0; i < 3; ++i) {
    sum += seconds[static_cast<size_t>(i)];
    std::printf(" %s %.4f ms %.1f", names[i], seconds[static_cast<size_t>(i)] * 1e3,
                flops / seconds[static_cast<size_t>(i)] / 1e9);
  }
  std::printf(" | sum %.4f ms %.1f GFLOP/s (FMA peak %.0f, kept %zu of %zu)\n", sum * 1e3,
              3 * flops / sum / 1e9, meter.peak(), meter.kept(), meter.all());
  return 0;
}

int usage() {
  std::fprintf(stderr,
               "usage: linear_bench ROWS COLS BATCH DENSITY R [--shared] [--relu] [--seconds S] [--l1 BYTES] "
               "[--l2 BYTES]\n"
               "R is 1, 4 or 16; density 1 is the dense format. --shared: all tiles share a pass over the "
               "weights. --relu: fused.\n"
               "COPPICE_ISA chooses the instruction set.\n");
  return 2;
}

}  // namespace
}  // namespace coppice

int main(int argc, char** argv) {
  if (argc < 6) return coppice::usage();
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  coppice::Request q;
  q.rows = std::atoll(argv[1]);
  q.cols = std::atoll(argv[2]);
  q.batch = std::atoi(argv[3]);
  q.density = std::atof(argv[4]);
  q.r = std::atoi(argv[5]);
  q.tiling = {cpu.l1d_bytes, cpu.l2_bytes, q.batch >= 64 ? 64 : q.batch >= 32 ? 32 : 16};
  for (int i = 6; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--shared")
      q.share = true;
    else if (flag == "--relu")
      q.relu = true;
    else if (i + 1 == argc)
      return coppice::usage();
    else if (flag == "--seconds")
      q.seconds = std::atof(argv[++i]);
    else if (flag == "--l1")
      q.tiling.l1_bytes = std::atoll(argv[++i]);
    else if (flag == "--l2")
      q.tiling.l2_bytes = std::atoll(argv[++i]);
    else
      return coppice::usage();
  }
  if (q.rows < 1 || q.cols < 1 || q.batch < 1 || (q.r != 1 && q.r != 4 && q.r != 16)) return coppice::usage();
  return coppice::run(q);
}
