// SPDX-License-Identifier: Apache-2.0
// Microseconds of the convolutions of one sample, for the shapes of ResNet-20 with a tenth of its weights,
// and of what lies between them, on one thread; and what all of them are together. COPPICE_ISA chooses the
// instruction set.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "../../tests/kernels/plane_conv_problem.h"
#include "kernels/select.h"
#include "meter.h"

namespace coppice {
namespace {

struct Layer {
  PlaneConv conv;
  int count;      // of them in the network; a layer with a stride counts as one without
  int additions;  // sums of its size
};

std::vector<Layer> resnet20(double density) {
  return {{{16, 1, 16, 32, 32, 3, 1, 1, 1, false, density}, 6, 3},
          {{32, 1, 32, 16, 16, 3, 1, 1, 1, false, density}, 6, 3},
          {{64, 1, 64, 8, 8, 3, 1, 1, 1, false, density}, 6, 3}};
}

// Linear layers of 1024 x 1024: a sample of a tile is a pixel.
std::vector<Layer> tiles(double density) {
  return {{{1024, 1, 1024, 1, 16, 1, 0, 0, 0, false, density}, 1, 0},
          {{1024, 1, 1024, 1, 64, 1, 0, 0, 0, false, density}, 1, 0}};
}

// Planes of floats; the kernels of integers take the first quarter.
struct Value {
  Floats data;
  coppice_plane view{};
  Value(int channels, int height, int width, int halo) {
    view.channels = channels;
    view.height = height;
    view.width = width;
    view.halo = halo;
    data = Floats(static_cast<size_t>(channels * coppice_plane_area(&view)) + 64);
    view.at.base = data.data();
    Rng rng(1, stream_id("bench", "pixels"));
    for (float& f : data) f = rng.uniform();
  }
};

// What a layer reads and writes.
struct Pair {
  Value x, y;
  explicit Pair(const PlaneConv& p)
      : x(p.channels, p.height, p.width, p.x_halo), y(p.rows, p.out_height(), p.out_width(), p.y_halo) {}
};

class Bench {
 public:
  // Layers of a size share their values, as they do in an arena.
  Bench(const PlaneConv& p, const coppice_plane_kernels& kernels, Value& x, Value& y)
      : p_(p),
        k_(kernels),
        rng_(2, stream_id("bench", "weights")),
        single_(p, 1, 1, rng_),
        blocks_(p, 16, 1, rng_),
        rows_(single_, 16, p.density >= 1, 0.01f),
        block_rows_(blocks_, 1, 1, p.density >= 1, 0.01f),
        bias_(static_cast<size_t>(p.padded_rows()), 5),
        multiplier_(bias_.size(), 0x50000000),
        shift_(bias_.size(), 42),
        groups_(blocks_, 1, p.density >= 1 ? 4 : 1, p.density >= 1, bias_.data()),
        scale_(bias_.size(), 0.01f),
        x_(x),
        y_(y),
        offset_(plane_offsets(p, x_.view)),
        single_floats_(rows_.floats()),
        single_integers_(rows_.integers()),
        block_floats_(block_rows_.floats()) {
    f32_.conv = conv();
    f32_.bias = scale_.data();
    i8_.conv = conv();
    i8_.bias = bias_.data();
    i8_.multiplier = multiplier_.data();
    i8_.shift = shift_.data();
    i8_.scale = scale_.data();
    i8_.low = -128;
    i8_.high = 127;
    scratch_ = Floats(static_cast<size_t>(coppice_plane_conv_scratch(&f32_.conv)) / 4);
  }

  void rows_f32() {
    f32_.weights = &single_floats_;
    run(k_.conv_rows_f32, &f32_, (p_.rows + 15) / 16);
  }
  void blocks_f32() {
    f32_.weights = &block_floats_;
    run(k_.conv_blocks_f32, &f32_, block_floats_.block_rows);
  }
  void rows_i8() {
    i8_.weights = &single_integers_;
    run(k_.conv_rows_i8, &i8_, (p_.rows + 15) / 16);
  }
  void blocks_i8() {
    i8_.weights = &groups_.view();
    run(k_.conv_blocks_i8, &i8_, groups_.view().block_rows);
  }
  void add_f32() { add(k_.add_f32); }
  void add_i8() { add(k_.add_i8); }

 private:
  coppice_plane_conv conv() const {
    coppice_plane_conv c{};
    c.offset = offset_.data();
    c.x = x_.view;
    c.y = y_.view;
    c.group_rows = p_.rows / p_.groups;
    c.group_channels = p_.channels / p_.groups;
    return c;
  }
  void add(coppice_kernel kernel) {
    coppice_plane_add_args args{};
    args.a = args.y = y_.view;
    args.b = x_.view;
    args.multiplier_a = 500000;
    args.multiplier_b = 400000;
    args.offset = 1 << 19;
    args.shift = 20;
    args.low_i8 = -128;
    args.high_i8 = 127;
    args.part_channels = 1;
    run(kernel, &args, p_.rows);
  }
  void run(coppice_kernel kernel, const void* args, int parts) {
    coppice_run_state rs{};
    rs.samples = 1;
    const coppice_item item = {0, 1, 0, parts, scratch_.data()};
    kernel(args, &rs, &item);
  }

  PlaneConv p_;
  const coppice_plane_kernels& k_;
  Rng rng_;
  PlaneWeights single_, blocks_;
  EncodedRows rows_;
  EncodedBlocks block_rows_;
  std::vector<int32_t> bias_, multiplier_, shift_;
  EncodedGroups groups_;
  std::vector<float> scale_;
  Value &x_, &y_;
  std::vector<int32_t> offset_;
  coppice_rows single_floats_, single_integers_;
  coppice_apply_f32 block_floats_;
  coppice_plane_conv_f32_args f32_{};
  coppice_plane_conv_i8_args i8_{};
  Floats scratch_;
};

using Step = void (Bench::*)();
struct Kind {
  const char* name;
  Step convolution, addition;
};
constexpr Kind kKinds[] = {{"rows_f32", &Bench::rows_f32, &Bench::add_f32},
                           {"blocks_f32", &Bench::blocks_f32, &Bench::add_f32},
                           {"rows_i8", &Bench::rows_i8, &Bench::add_i8},
                           {"blocks_i8", &Bench::blocks_i8, &Bench::add_i8}};

// Each layer alone, several times in a row, so that what was measured before is out of the caches.
void print_layers(const std::vector<Layer>& layers, const coppice_plane_kernels& kernels, double seconds,
                  Meter& meter) {
  constexpr int kTogether = 8;
  for (const Layer& layer : layers) {
    Pair values(layer.conv);
    Bench bench(layer.conv, kernels, values.x, values.y);
    std::vector<Step> steps;
    for (const Kind& kind : kKinds) steps.push_back(kind.convolution);
    steps.insert(steps.end(), {&Bench::add_f32, &Bench::add_i8});
    std::vector<std::function<void()>> functions;
    functions.reserve(steps.size());
    for (const Step step : steps)
      functions.emplace_back([&bench, step] {
        for (int i = 0; i < kTogether; ++i) (bench.*step)();
      });
    const PlaneConv& p = layer.conv;
    std::printf("\n%4d -> %-4d on %2dx%2d                 ", p.channels, p.rows, p.height, p.width);
    for (const double time : meter.measure(functions, seconds))
      std::printf(" %10.2f", time * 1e6 / kTogether);
  }
}

// All layers one after the other, each with weights of its own.
void print_network(const coppice_plane_kernels& kernels, double density, double seconds, Meter& meter,
                   bool additions) {
  std::vector<std::unique_ptr<Bench>> layers;
  std::vector<int> sums;
  std::vector<std::unique_ptr<Pair>> values;
  for (const Layer& layer : resnet20(density)) {
    values.push_back(std::make_unique<Pair>(layer.conv));
    Pair& pair = *values.back();
    for (int i = 0; i < layer.count; ++i) {
      layers.push_back(
          std::make_unique<Bench>(layer.conv, kernels, i % 2 ? pair.y : pair.x, i % 2 ? pair.x : pair.y));
      sums.push_back(additions && i < layer.additions);
    }
  }
  std::vector<std::function<void()>> functions;
  for (const Kind& kind : kKinds)
    functions.emplace_back([&layers, &sums, kind] {
      for (size_t i = 0; i < layers.size(); ++i) {
        ((*layers[i]).*kind.convolution)();
        if (sums[i]) ((*layers[i]).*kind.addition)();
      }
    });
  std::printf(additions ? "\nand its 9 sums                       "
                        : "\nthe 18 convolutions of ResNet-20      ");
  for (const double time : meter.measure(functions, seconds)) std::printf(" %10.2f", time * 1e6);
}

int main_of(int argc, char** argv) {
  double density = 0.1, seconds = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--density") density = std::atof(argv[i + 1]);
    if (flag == "--seconds") seconds = std::atof(argv[i + 1]);
  }
  const auto kernels = select_kernels();
  if (!kernels.ok()) return std::fprintf(stderr, "%s\n", kernels.status().message().c_str()), 1;
  Meter meter(kernels->forward);
  std::printf("%6s, density %.2f, microseconds     ", kernels->forward->isa, density);
  for (const Kind& kind : kKinds) std::printf(" %10s", kind.name);
  std::printf(" %10s %10s", "add_f32", "add_i8");
  print_layers(tiles(density), kernels->forward->planes, seconds, meter);
  print_layers(resnet20(density), kernels->forward->planes, seconds, meter);
  print_network(kernels->forward->planes, density, seconds, meter, false);
  print_network(kernels->forward->planes, density, seconds, meter, true);
  std::printf("\nFMA peak %.0f GFLOP/s, kept %zu of %zu samples\n", meter.peak(), meter.kept(), meter.all());
  return 0;
}

}  // namespace
}  // namespace coppice

int main(int argc, char** argv) { return coppice::main_of(argc, argv); }
