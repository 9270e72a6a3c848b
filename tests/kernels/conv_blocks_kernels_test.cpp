// SPDX-License-Identifier: Apache-2.0
// The kernels of convolutions in blocks, of every instruction set that this CPU has, the plain C twins
// included, against the definition in double precision.
#include "conv_planes.h"
#include "formats/conv_blocks.h"

namespace coppice {
namespace {

// The full pattern with outputs that leave a rest, and blocks of both sizes in turn.
std::vector<ConvProblem> problems() {
  std::vector<ConvProblem> all;
  for (const ConvProblem& p : conv_problems()) {
    if (p.g.groups != 1) continue;
    const BlockShape sparse = all.size() % 4 == 0 ? BlockShape{4, 1} : BlockShape{16, 1};
    for (const BlockShape block : {BlockShape{1, 1}, sparse}) {
      ConvProblem q = p;
      q.block = block;
      q.g.outputs = (p.g.outputs + block.rows - 1) / block.rows * block.rows;
      if (block.rows == 1) q.density = 1.0;
      all.push_back(q);
    }
  }
  all.push_back(conv_problem(8, 32, 5, 8, 1, 0, [](ConvProblem& p) { p.block = {16, 4}; }));
  all.push_back(conv_problem(2, 16, 9, 10, 9, 0, [](ConvProblem& p) { p.density = 1.0; }));
  for (const int outputs : {1, 3, 4, 8, 12, 15, 16, 23})
    all.push_back(conv_problem(3, outputs, 4, 9, 3, 0, [](ConvProblem& p) { p.density = 1.0; }));
  for (const int channels : {1, 2, 3, 4, 7, 8}) {
    all.push_back(conv_problem(channels, 16, 3, 11, 3, 0, [](ConvProblem& p) { p.density = 1.0; }));
    all.push_back(conv_problem(channels, 16, 3, 11, 3, 0, [](ConvProblem& p) {
      p.block = {16, 1};
      p.density = 0.7;
    }));
  }
  return all;
}

Tiling tiling_of(const ConvProblem& p) {
  Tiling tiling = conv_tiling();
  tiling.conv = p.g;
  return tiling;
}

// A layer: its weights, its values, and its products by live weight.
struct Layer {
  const ConvProblem& p;
  Weights w;
  const coppice_conv_blocks* view;
  Planes x, y, dy, dx, mask;
  std::vector<std::pair<Product, size_t>> products;  // and the canonical weight

  explicit Layer(const ConvProblem& problem)
      : p(problem),
        w(p.pattern(), kConvBlocks, tiling_of(p)),
        view(static_cast<const coppice_conv_blocks*>(w.view)),
        x(p.g.channels, p.g.height, p.g.width, p.g.x_halo, p.tiles()),
        y(p.g.outputs, p.g.out_height, p.g.out_width, 1, p.tiles()),
        dy(p.g.outputs, p.g.out_height, p.g.out_width, p.g.dy_halo, p.tiles()),
        dx(p.g.channels, p.g.height, p.g.width, 2, p.tiles()),
        mask(p.g.channels, p.g.height, p.g.width, 1, p.tiles()) {
    std::vector<int> canonical(static_cast<size_t>(p.g.outputs * p.columns()), -1);
    for (size_t k = 0; k < w.live(); ++k)
      canonical[static_cast<size_t>(w.row[k] * p.columns() + w.col[k])] = static_cast<int>(k);
    each_product(p.g, [&](const Product& product) {
      const int at = canonical[static_cast<size_t>(product.row * p.columns() + product.col)];
      if (at >= 0) products.emplace_back(product, static_cast<size_t>(at));
    });
    x.fill(p, "x", 1e4f, p.g.wrap);
    dy.fill(p, "dy", 0.0f, p.g.wrap);
    mask.fill(p, "mask", 3.0f, false);
  }
  size_t size() const { return static_cast<size_t>(w.encoding->size()); }
  int dw_parts() const { return static_cast<int>(w.encoding->part_start().size()) - 1; }
};

template <class Check>  // check(kernels, layer)
void each_layer(Check&& check) {
  for (const ConvProblem& p : problems()) {
    SCOPED_TRACE(p.text());
    ASSERT_EQ(conv_blocks_refuses(p.pattern(), p.g), "");
    Layer layer(p);
    for (const std::string& isa : available_isas()) {
      SCOPED_TRACE(isa);
      check(select_kernels(isa).take(), layer);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

std::vector<Truth> forward_truth(Layer& l, const std::vector<float>& bias) {
  const auto samples = static_cast<size_t>(l.p.samples);
  std::vector<Truth> y(l.y.pixels() * samples);
  const size_t plane = l.y.pixels() / static_cast<size_t>(l.p.g.outputs);
  for (size_t i = 0; i < y.size() && !bias.empty(); ++i) y[i].add(bias[i / samples / plane]);
  for (const auto& [product, k] : l.products)
    for (size_t s = 0; s < samples; ++s)
      y[static_cast<size_t>(product.y) * samples + s].add(
          l.w.at(k) * double{l.x.at(static_cast<size_t>(product.x), static_cast<int>(s))});
  return y;
}

TEST(ConvBlocksKernels, ForwardIsTheConvolution) {
  each_layer([](const Kernels& kernels, Layer& l) {
    const std::vector<float> bias = biases(l.p.g.outputs);
    const auto samples = static_cast<size_t>(l.p.samples);
    for (const bool relu : {false, true}) {
      const std::vector<Truth> truth = forward_truth(l, relu ? bias : std::vector<float>{});
      std::vector<float> first;
      for (const Cut cut : {Cut::kAll, Cut::kTile, Cut::kPart, Cut::kTilePart}) {
        Planes y = Planes(l.p.g.outputs, l.p.g.out_height, l.p.g.out_width, relu ? 2 : 0, l.p.tiles());
        coppice_conv_args args{};
        args.weights = l.view;
        args.bias = relu ? bias.data() : nullptr;
        args.x = l.x.view();
        args.y = y.view(relu && l.p.g.wrap);
        args.activation = relu ? COPPICE_ACT_RELU : COPPICE_ACT_NONE;
        run_conv(kernels.forward->conv_blocks, &args, l.p, l.w.encoding->forward_parts(), cut, nullptr);
        ASSERT_TRUE(y.guarded()) << "wrote behind the last channel";
        ASSERT_TRUE(y.halo_is(l.p.g.wrap));
        if (cut != Cut::kAll) {
          ASSERT_TRUE(same_bits(y.all(), first)) << "bits depend on the cut into items";
          continue;
        }
        first = y.all();
        for (size_t i = 0; i < truth.size(); ++i) {
          const float got = y.at(i / samples, static_cast<int>(i % samples));
          const double sum = relu ? std::max(0.0, truth[i].sum) : truth[i].sum;
          ASSERT_NO_FATAL_FAILURE(expect_near(got, {sum, truth[i].magnitude}, "y", static_cast<int64_t>(i)));
        }
      }
    }
  });
}

TEST(ConvBlocksKernels, ReluPassesNanOn) {
  each_layer([](const Kernels& kernels, Layer& l) {
    const std::vector<float> bias(static_cast<size_t>(l.p.g.outputs),
                                  std::numeric_limits<float>::quiet_NaN());
    Planes y(l.p.g.outputs, l.p.g.out_height, l.p.g.out_width, 0, l.p.tiles());
    coppice_conv_args args{};
    args.weights = l.view;
    args.bias = bias.data();
    args.x = l.x.view();
    args.y = y.view();
    args.activation = COPPICE_ACT_RELU;
    run_conv(kernels.forward->conv_blocks, &args, l.p, l.w.encoding->forward_parts(), Cut::kAll, nullptr);
    for (size_t pixel = 0; pixel < y.pixels(); ++pixel)
      for (int s = 0; s < l.p.samples; ++s) ASSERT_TRUE(std::isnan(y.at(pixel, s))) << pixel << " " << s;
  });
}

TEST(ConvBlocksKernels, ForwardDoesNotMixSamples) {
  each_layer([](const Kernels& kernels, Layer& l) {
    if (l.p.samples % 16 == 0) return;
    std::vector<std::vector<float>> seen;
    for (const float poison : {0.0f, 1e6f}) {
      l.x.fill(l.p, "x", poison, l.p.g.wrap);
      Planes y(l.p.g.outputs, l.p.g.out_height, l.p.g.out_width, 0, l.p.tiles());
      coppice_conv_args args{};
      args.weights = l.view;
      args.x = l.x.view();
      args.y = y.view();
      run_conv(kernels.forward->conv_blocks, &args, l.p, l.w.encoding->forward_parts(), Cut::kAll, nullptr);
      seen.emplace_back();
      for (size_t pixel = 0; pixel < y.pixels(); ++pixel)
        for (int s = 0; s < l.p.samples; ++s) seen.back().push_back(y.at(pixel, s));
    }
    ASSERT_TRUE(same_bits(seen[0], seen[1])) << "the padding of x is seen";
  });
}

TEST(ConvBlocksKernels, DxIsTheTransposedConvolution) {
  each_layer([](const Kernels& kernels, Layer& l) {
    const auto samples = static_cast<size_t>(l.p.samples);
    std::vector<Truth> truth(l.dx.pixels() * samples);
    for (const auto& [product, k] : l.products)
      for (size_t s = 0; s < samples; ++s)
        truth[static_cast<size_t>(product.x) * samples + s].add(
            l.w.at(k) * double{l.dy.at(static_cast<size_t>(product.y), static_cast<int>(s))});
    Planes addend(l.p.g.channels, l.p.g.height, l.p.g.width, 1, l.p.tiles());
    addend.fill(l.p, "addend", 0.0f, false);
    for (const auto& [masked, added] :
         {std::pair{false, false}, {true, false}, {false, true}, {true, true}}) {
      std::vector<float> first;
      for (const Cut cut : {Cut::kAll, Cut::kTile, Cut::kPart, Cut::kTilePart}) {
        Planes dx(l.p.g.channels, l.p.g.height, l.p.g.width, masked ? 2 : 0, l.p.tiles());
        coppice_conv_blocks_dx_args args{};
        args.weights = l.view;
        args.dy = l.dy.view();
        args.dx = dx.view(l.p.g.wrap);
        if (masked) args.mask = l.mask.view();
        if (added) args.addend = addend.view();
        run_conv(kernels.train->conv_blocks_dx, &args, l.p, l.w.encoding->dx_parts(), cut, nullptr);
        ASSERT_TRUE(dx.guarded()) << "wrote behind the last channel";
        ASSERT_TRUE(dx.halo_is(l.p.g.wrap));
        if (cut != Cut::kAll) {
          ASSERT_TRUE(same_bits(dx.all(), first)) << "bits depend on the cut into items";
          continue;
        }
        first = dx.all();
        for (size_t pixel = 0; pixel < dx.pixels(); ++pixel)
          for (int s = l.p.samples; s < 16 * l.p.tiles(); ++s)
            ASSERT_EQ(dx.at(pixel, s), 0.0f) << "padding of a gradient";
        for (size_t i = 0; i < truth.size(); ++i) {
          const size_t pixel = i / samples;
          const int s = static_cast<int>(i % samples);
          const bool gated = masked && !(l.mask.at(pixel, s) > 0);
          Truth want = gated ? Truth{} : truth[i];
          if (added && !gated) want.add(double{addend.at(pixel, s)});
          ASSERT_NO_FATAL_FAILURE(expect_near(dx.at(pixel, s), want, "dx", static_cast<int64_t>(i)));
        }
      }
    }
  });
}

coppice_conv_blocks_dw_args dw_args(Layer& l, float* gradient) {
  coppice_conv_blocks_dw_args args{};
  args.weights = l.view;
  args.x = l.x.view();
  args.dy = l.dy.view();
  args.gradient = gradient;
  return args;
}

Floats guarded_scratch(const Layer& l) {
  Floats scratch(conv_blocks_dw_scratch(*l.w.encoding) / sizeof(float) + 1);
  std::fill(scratch.begin(), scratch.end(), kGuard);
  return scratch;
}

std::vector<Truth> dw_truth(Layer& l) {
  std::vector<Truth> truth(l.w.live());
  for (const auto& [product, k] : l.products)
    for (int s = 0; s < l.p.samples; ++s)
      truth[k].add(double{l.x.at(static_cast<size_t>(product.x), s)} *
                   double{l.dy.at(static_cast<size_t>(product.y), s)});
  return truth;
}

// Live weights have the gradient `factor` * truth, padding has none.
void expect_gradient(const Layer& l, const std::vector<float>& got, const std::vector<Truth>& truth,
                     double factor) {
  std::vector<Truth> wanted(l.size());
  for (size_t k = 0; k < truth.size(); ++k)
    wanted[static_cast<size_t>(l.w.place[k])] = {factor * truth[k].sum, factor * truth[k].magnitude};
  for (size_t i = 0; i < wanted.size(); ++i)
    ASSERT_NO_FATAL_FAILURE(expect_near(got[i], wanted[i], "dw", static_cast<int64_t>(i)));
}

TEST(ConvBlocksKernels, DwSumsOverPixelsAndSamples) {
  each_layer([](const Kernels& kernels, Layer& l) {
    const std::vector<Truth> truth = dw_truth(l);
    const Floats scratch = guarded_scratch(l);
    std::vector<float> gradient, other;
    // All parts in one item, one by one, and with other garbage in the padding of x: the same bits.
    for (int form = 0; form < 3; ++form) {
      l.x.fill(l.p, "x", form == 2 ? -1e5f : 1e4f, l.p.g.wrap);
      std::vector<float>& to = form == 0 ? gradient : other;
      to.assign(l.size() + 1, kGuard);
      const coppice_conv_blocks_dw_args args = dw_args(l, to.data());
      run_conv(kernels.train->conv_blocks_dw, &args, l.p, l.dw_parts(), form == 1 ? Cut::kAll : Cut::kPart,
               scratch.data());
      ASSERT_TRUE(form == 0 || same_bits(other, gradient)) << "form " << form;
    }
    ASSERT_EQ(gradient.back(), kGuard) << "wrote behind the last weight";
    ASSERT_EQ(scratch[scratch.size() - 1], kGuard) << "wrote behind its scratch";
    ASSERT_NO_FATAL_FAILURE(expect_gradient(l, gradient, truth, 1));
    const coppice_conv_blocks_dw_args args = dw_args(l, gradient.data());
    run_conv(kernels.train->conv_blocks_dw, &args, l.p, l.dw_parts(), Cut::kPart, scratch.data(), true);
    expect_gradient(l, gradient, truth, 2);
  });
}

TEST(ConvBlocksKernels, DwInScratchIsThatOfThePartAlone) {
  each_layer([](const Kernels& kernels, Layer& l) {
    const Floats scratch = guarded_scratch(l);
    std::vector<float> gradient(l.size() + 1);  // never without memory: null would mean scratch
    coppice_conv_blocks_dw_args args = dw_args(l, gradient.data());
    run_conv(kernels.train->conv_blocks_dw, &args, l.p, l.dw_parts(), Cut::kPart, scratch.data());
    args.gradient = nullptr;
    coppice_run_state rs{};
    rs.samples = l.p.samples;
    rs.accumulate = 1;  // has no meaning there
    for (int part = 0; part < l.dw_parts(); ++part) {
      const coppice_item item = {0, l.p.tiles(), part, part + 1, scratch.data()};
      kernels.train->conv_blocks_dw(&args, &rs, &item);
      const auto begin = static_cast<size_t>(l.w.encoding->part_start()[static_cast<size_t>(part)]);
      const auto end = static_cast<size_t>(l.w.encoding->part_start()[static_cast<size_t>(part) + 1]);
      ASSERT_EQ(std::memcmp(scratch.data(), gradient.data() + begin, (end - begin) * sizeof(float)), 0);
      ASSERT_EQ(scratch[scratch.size() - 1], kGuard) << "wrote behind its scratch";
    }
  });
}

TEST(ConvBlocksKernels, DwTileByTileAddsUpToTheSame) {
  each_layer([](const Kernels& kernels, Layer& l) {
    const std::vector<Truth> truth = dw_truth(l);
    const Floats scratch = guarded_scratch(l);
    std::vector<std::vector<float>> seen;
    for (const Cut cut : {Cut::kAll, Cut::kTile, Cut::kTilePart}) {
      std::vector<float> tiles((l.size() + 1) * static_cast<size_t>(l.p.tiles()), kGuard);
      coppice_conv_blocks_dw_args args = dw_args(l, nullptr);
      args.tile_gradients.base = tiles.data();
      args.tile_gradients.tile_stride = static_cast<int64_t>(l.size() + 1);
      args.tile_gradients.width = 16;
      run_conv(kernels.train->conv_blocks_dw, &args, l.p, l.dw_parts(), cut, scratch.data(), true);
      for (size_t i = l.size(); i < tiles.size(); i += l.size() + 1) ASSERT_EQ(tiles[i], kGuard);
      seen.emplace_back(l.size() + 1, kGuard);
      const coppice_tile_sum_args sum = {args.tile_gradients, l.w.encoding->part_start().data(),
                                         seen.back().data()};
      run_conv(kernels.train->tile_sum, &sum, l.p, l.dw_parts(), Cut::kPart, nullptr);
      ASSERT_EQ(seen.back().back(), kGuard) << "wrote behind the last weight";
      ASSERT_TRUE(same_bits(seen.back(), seen.front())) << "bits depend on the cut into items";
    }
    expect_gradient(l, seen.front(), truth, 1);
  });
}

TEST(ConvBlocksKernels, AnEmptyTileIsSkipped) {
  const ConvProblem p = conv_problem(4, 5, 6, 8, 3, 0, [](ConvProblem& q) { q.samples = 10, q.density = 1; });
  for (const std::string& isa : available_isas()) {
    Layer l(p);
    const Kernels kernels = select_kernels(isa).take();
    coppice_conv_args args{};
    args.weights = l.view;
    args.x = l.x.view();
    args.y = l.y.view();
    coppice_conv_blocks_dx_args dx_args{};
    dx_args.weights = l.view;
    dx_args.dy = l.dy.view();
    dx_args.dx = l.dx.view();
    coppice_run_state rs{};
    rs.samples = p.samples;
    const coppice_item item = {1, 2, 0, 1, nullptr};
    kernels.forward->conv_blocks(&args, &rs, &item);
    kernels.train->conv_blocks_dx(&dx_args, &rs, &item);
    EXPECT_TRUE(l.y.untouched()) << isa;
    EXPECT_TRUE(l.dx.untouched()) << isa;
  }
}

}  // namespace
}  // namespace coppice
