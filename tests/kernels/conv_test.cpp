// SPDX-License-Identifier: Apache-2.0
// The convolution kernels of every instruction set that this CPU has, the plain C twins included, against the
// definition in double precision.
#include "conv_planes.h"

namespace coppice {
namespace {

// A layer: its weights in both encodings, its values, and its products by live weight.
struct Layer {
  const ConvProblem& p;
  Pattern pattern;
  std::unique_ptr<Encoding> forward, backward;
  Floats forward_value, backward_value;
  std::vector<int32_t> backward_place;
  Planes x, y, dy, dx, mask;
  std::vector<std::pair<Product, size_t>> products;  // and the canonical weight

  explicit Layer(const ConvProblem& problem)
      : p(problem),
        pattern(p.pattern()),
        forward(encode_gather_forward(pattern, p.g, conv_tiling())),
        backward(encode_gather_backward(pattern, p.g, conv_tiling())),
        forward_value(static_cast<size_t>(forward->size())),
        backward_value(static_cast<size_t>(backward->size())),
        backward_place(backward->positions()),
        x(p.g.channels, p.g.height, p.g.width, p.g.x_halo, p.tiles()),
        y(p.g.outputs, p.g.out_height, p.g.out_width, 1, p.tiles()),
        dy(p.g.outputs, p.g.out_height, p.g.out_width, p.g.dy_halo, p.tiles()),
        dx(p.g.channels, p.g.height, p.g.width, 2, p.tiles()),
        mask(p.g.channels, p.g.height, p.g.width, 1, p.tiles()) {
    const std::vector<int32_t> place = forward->positions();
    std::vector<int> canonical(static_cast<size_t>(pattern.total()), -1);
    const BlockShape b = pattern.block();
    Rng rng(9, stream_id("weights", "w"));
    size_t k = 0;
    for (int64_t row = 0; row < pattern.block_rows(); ++row)
      for (const int32_t col : pattern.row(row))
        for (int r = 0; r < b.rows; ++r)
          for (int c = 0; c < b.cols; ++c, ++k) {
            canonical[static_cast<size_t>((row * b.rows + r) * pattern.cols() + col * b.cols + c)] =
                static_cast<int>(k);
            forward_value[static_cast<size_t>(place[k])] =
                backward_value[static_cast<size_t>(backward_place[k])] = rng.normal();
          }
    each_product(p.g, [&](const Product& product) {
      const int at = canonical[static_cast<size_t>(product.row * pattern.cols() + product.col)];
      if (at >= 0) products.emplace_back(product, static_cast<size_t>(at));
    });
    x.fill(p, "x", 1e4f, p.g.wrap);
    dy.fill(p, "dy", 0.0f, p.g.wrap);
    mask.fill(p, "mask", 3.0f, false);
  }
  double weight(size_t k) const { return backward_value[static_cast<size_t>(backward_place[k])]; }
  const coppice_conv_weights* forward_view() {
    return static_cast<const coppice_conv_weights*>(forward->bind(forward_value.data()));
  }
  const coppice_conv_weights* backward_view() {
    return static_cast<const coppice_conv_weights*>(backward->bind(backward_value.data()));
  }
};

template <class Check>  // check(kernels, layer)
void each_layer(Check&& check) {
  for (const ConvProblem& p : conv_problems()) {
    Layer layer(p);
    for (const std::string& isa : available_isas()) {
      SCOPED_TRACE(isa + " " + p.text());
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
          l.weight(k) * double{l.x.at(static_cast<size_t>(product.x), static_cast<int>(s))});
  return y;
}

TEST(ConvKernels, ForwardIsTheConvolution) {
  each_layer([](const Kernels& kernels, Layer& l) {
    const std::vector<float> bias = biases(l.p.g.outputs);
    for (const bool relu : {false, true}) {
      const std::vector<Truth> truth = forward_truth(l, relu ? bias : std::vector<float>{});
      std::vector<float> first;
      for (const Cut cut : {Cut::kAll, Cut::kTile, Cut::kPart, Cut::kTilePart}) {
        Planes y = Planes(l.p.g.outputs, l.p.g.out_height, l.p.g.out_width, relu ? 2 : 0, l.p.tiles());
        coppice_conv_args args{};
        args.weights = l.forward_view();
        args.bias = relu ? bias.data() : nullptr;
        args.x = l.x.view();
        args.y = y.view(relu && l.p.g.wrap);
        args.activation = relu ? COPPICE_ACT_RELU : COPPICE_ACT_NONE;
        run_conv(kernels.forward->conv, &args, l.p, l.forward->forward_parts(), cut, nullptr);
        ASSERT_TRUE(y.guarded()) << "wrote behind the last channel";
        ASSERT_TRUE(y.halo_is(l.p.g.wrap));
        if (cut != Cut::kAll) {
          ASSERT_TRUE(same_bits(y.all(), first)) << "bits depend on the cut into items";
          continue;
        }
        first = y.all();
        for (size_t i = 0; i < truth.size(); ++i) {
          const auto samples = static_cast<size_t>(l.p.samples);
          const float got = y.at(i / samples, static_cast<int>(i % samples));
          const double sum = relu ? std::max(0.0, truth[i].sum) : truth[i].sum;
          ASSERT_NO_FATAL_FAILURE(expect_near(got, {sum, truth[i].magnitude}, "y", static_cast<int64_t>(i)));
        }
      }
    }
  });
}

TEST(ConvKernels, ReluPassesNanOn) {
  each_layer([](const Kernels& kernels, Layer& l) {
    const std::vector<float> bias(static_cast<size_t>(l.p.g.outputs),
                                  std::numeric_limits<float>::quiet_NaN());
    Planes y(l.p.g.outputs, l.p.g.out_height, l.p.g.out_width, 0, l.p.tiles());
    coppice_conv_args args{};
    args.weights = l.forward_view();
    args.bias = bias.data();
    args.x = l.x.view();
    args.y = y.view();
    args.activation = COPPICE_ACT_RELU;
    run_conv(kernels.forward->conv, &args, l.p, l.forward->forward_parts(), Cut::kAll, nullptr);
    for (size_t pixel = 0; pixel < y.pixels(); ++pixel)
      for (int s = 0; s < l.p.samples; ++s) ASSERT_TRUE(std::isnan(y.at(pixel, s))) << pixel << " " << s;
  });
}

TEST(ConvKernels, ForwardDoesNotMixSamples) {
  each_layer([](const Kernels& kernels, Layer& l) {
    if (l.p.samples % 16 == 0) return;
    std::vector<std::vector<float>> seen;
    for (const float poison : {0.0f, 1e6f}) {
      l.x.fill(l.p, "x", poison, l.p.g.wrap);
      Planes y(l.p.g.outputs, l.p.g.out_height, l.p.g.out_width, 0, l.p.tiles());
      coppice_conv_args args{};
      args.weights = l.forward_view();
      args.x = l.x.view();
      args.y = y.view();
      run_conv(kernels.forward->conv, &args, l.p, l.forward->forward_parts(), Cut::kAll, nullptr);
      seen.emplace_back();
      for (size_t pixel = 0; pixel < y.pixels(); ++pixel)
        for (int s = 0; s < l.p.samples; ++s) seen.back().push_back(y.at(pixel, s));
    }
    ASSERT_TRUE(same_bits(seen[0], seen[1])) << "the padding of x is seen";
  });
}

coppice_conv_bwd_args backward_args(Layer& l, Planes* dx, Planes* mask, float* gradient) {
  coppice_conv_bwd_args args{};
  args.weights = l.backward_view();
  args.x = l.x.view();
  args.dy = l.dy.view();
  if (dx) args.dx = dx->view(l.p.g.wrap);
  if (mask) args.mask = mask->view();
  args.part_start = l.backward->part_start().data();
  args.gradient = gradient;
  return args;
}

Floats scratch_for(const Layer& l) {
  const size_t floats = conv_bwd_scratch(*l.backward) / sizeof(float);
  Floats scratch(floats + 1);
  std::fill(scratch.begin(), scratch.end(), kGuard);
  return scratch;
}

TEST(ConvKernels, DxIsTheTransposedConvolution) {
  each_layer([](const Kernels& kernels, Layer& l) {
    const auto samples = static_cast<size_t>(l.p.samples);
    std::vector<Truth> truth(l.dx.pixels() * samples);
    for (const auto& [product, k] : l.products)
      for (size_t s = 0; s < samples; ++s)
        truth[static_cast<size_t>(product.x) * samples + s].add(
            l.weight(k) * double{l.dy.at(static_cast<size_t>(product.y), static_cast<int>(s))});
    std::vector<float> gradient(static_cast<size_t>(l.backward->size()));
    const Floats scratch = scratch_for(l);
    Planes addend(l.p.g.channels, l.p.g.height, l.p.g.width, 1, l.p.tiles());
    addend.fill(l.p, "addend", 0.0f, l.p.g.wrap);
    for (const auto& [masked, added] :
         {std::pair{false, false}, {true, false}, {false, true}, {true, true}}) {
      Planes dx(l.p.g.channels, l.p.g.height, l.p.g.width, masked ? 2 : 0, l.p.tiles());
      coppice_conv_bwd_args args = backward_args(l, &dx, masked ? &l.mask : nullptr, gradient.data());
      if (added) args.addend = addend.view();
      run_conv(kernels.train->conv_bwd, &args, l.p, l.backward->dx_parts(), Cut::kPart, scratch.data());
      ASSERT_TRUE(dx.guarded()) << "wrote behind the last channel";
      ASSERT_TRUE(dx.halo_is(l.p.g.wrap));
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
  });
}

TEST(ConvKernels, DwSumsOverPixelsAndSamples) {
  each_layer([](const Kernels& kernels, Layer& l) {
    std::vector<Truth> truth(static_cast<size_t>(l.backward->size()));
    for (const auto& [product, k] : l.products)
      for (int s = 0; s < l.p.samples; ++s)
        truth[k].add(double{l.x.at(static_cast<size_t>(product.x), s)} *
                     double{l.dy.at(static_cast<size_t>(product.y), s)});
    const int parts = l.backward->dx_parts();
    const auto weights = static_cast<size_t>(l.backward->size());
    const Floats scratch = scratch_for(l);

    // With dX and without, with other garbage in the padding of x, and all parts in one item: the same bits.
    std::vector<float> gradient, other;
    for (int form = 0; form < 4; ++form) {
      l.x.fill(l.p, "x", form == 2 ? -1e5f : 1e4f, l.p.g.wrap);
      std::vector<float>& to = form == 0 ? gradient : other;
      to.assign(weights + 1, kGuard);
      const coppice_conv_bwd_args args = backward_args(l, form == 1 ? nullptr : &l.dx, nullptr, to.data());
      run_conv(kernels.train->conv_bwd, &args, l.p, parts, form == 3 ? Cut::kAll : Cut::kPart,
               scratch.data());
      ASSERT_TRUE(form == 0 || same_bits(other, gradient)) << "form " << form;
    }
    ASSERT_EQ(gradient.back(), kGuard) << "wrote behind the last weight";
    ASSERT_EQ(scratch[scratch.size() - 1], kGuard) << "wrote behind its scratch";
    for (size_t k = 0; k < weights; ++k)
      ASSERT_NO_FATAL_FAILURE(expect_near(gradient[static_cast<size_t>(l.backward_place[k])], truth[k], "dw",
                                          static_cast<int64_t>(k)));

    // In scratch, part by part, where accumulating has no meaning; and added to what is there.
    coppice_conv_bwd_args args = backward_args(l, nullptr, nullptr, nullptr);
    coppice_run_state rs{};
    rs.samples = l.p.samples;
    rs.accumulate = 1;
    for (int part = 0; part < parts; ++part) {
      const coppice_item item = {0, l.p.tiles(), part, part + 1, scratch.data()};
      kernels.train->conv_bwd(&args, &rs, &item);
      const auto begin = static_cast<size_t>(l.backward->part_start()[static_cast<size_t>(part)]);
      const auto end = static_cast<size_t>(l.backward->part_start()[static_cast<size_t>(part) + 1]);
      ASSERT_EQ(std::memcmp(scratch.data(), gradient.data() + begin, (end - begin) * sizeof(float)), 0);
    }
    // Tile by tile, then added up: the same but for the order of the sum.
    const std::vector<int32_t>& starts = l.backward->part_start();
    std::vector<std::vector<float>> seen;
    for (const Cut cut : {Cut::kAll, Cut::kTile, Cut::kTilePart}) {
      std::vector<float> tiles((weights + 1) * static_cast<size_t>(l.p.tiles()), kGuard);
      args.tile_gradients.base = tiles.data();
      args.tile_gradients.tile_stride = static_cast<int64_t>(weights + 1);
      args.tile_gradients.width = 16;
      run_conv(kernels.train->conv_bwd, &args, l.p, parts, cut, scratch.data(), true);
      for (size_t i = weights; i < tiles.size(); i += weights + 1) ASSERT_EQ(tiles[i], kGuard);
      seen.emplace_back(weights + 1, kGuard);
      const coppice_tile_sum_args sum = {args.tile_gradients, starts.data(), seen.back().data()};
      run_conv(kernels.train->tile_sum, &sum, l.p, parts, Cut::kPart, nullptr);
      ASSERT_EQ(seen.back().back(), kGuard);
      ASSERT_TRUE(same_bits(seen.back(), seen.front())) << "bits depend on the cut into items";
    }
    for (size_t k = 0; k < weights; ++k)
      ASSERT_NO_FATAL_FAILURE(expect_near(seen[0][static_cast<size_t>(l.backward_place[k])], truth[k],
                                          "dw by tiles", static_cast<int64_t>(k)));
    args.tile_gradients = {};

    other = gradient;
    args.gradient = other.data();
    run_conv(kernels.train->conv_bwd, &args, l.p, parts, Cut::kPart, scratch.data(), true);
    for (size_t k = 0; k < weights; ++k)
      ASSERT_NO_FATAL_FAILURE(expect_near(other[static_cast<size_t>(l.backward_place[k])],
                                          {2 * truth[k].sum, 2 * truth[k].magnitude}, "accumulated dw",
                                          static_cast<int64_t>(k)));
  });
}

TEST(ConvKernels, TileSumAddsTilesInScratchOrToWhatIsThere) {
  const std::vector<int32_t> starts = {0, 3, 40};
  std::vector<float> tiles(4 * 50);
  for (size_t i = 0; i < tiles.size(); ++i) tiles[i] = static_cast<float>(i % 50 + 1000 * (i / 50));
  for (const std::string& isa : available_isas()) {
    const Kernels kernels = select_kernels(isa).take();
    std::vector<float> gradient(41, 0.5f), scratch(38, kGuard);
    coppice_tile_sum_args args{};
    args.tiles.base = tiles.data();
    args.tiles.tile_stride = 50;
    args.part_start = starts.data();
    args.gradient = gradient.data();
    coppice_run_state rs{};
    rs.accumulate = 1;
    coppice_item item = {0, 4, 0, 2, nullptr};
    kernels.train->tile_sum(&args, &rs, &item);
    for (size_t i = 0; i < 40; ++i) EXPECT_EQ(gradient[i], static_cast<float>(4 * i + 6000) + 0.5f) << isa;
    EXPECT_EQ(gradient[40], 0.5f) << isa << " wrote behind the last weight";
    args.gradient = nullptr;
    item = {0, 4, 1, 2, scratch.data()};
    kernels.train->tile_sum(&args, &rs, &item);
    for (size_t i = 0; i < 37; ++i) EXPECT_EQ(scratch[i], static_cast<float>(4 * (i + 3) + 6000)) << isa;
    EXPECT_EQ(scratch[37], kGuard) << isa << " wrote behind the part";
  }
}

TEST(ConvKernels, AnEmptyTileIsSkipped) {
  const ConvProblem p = conv_problem(4, 5, 6, 8, 3, 0, [](ConvProblem& q) { q.samples = 10; });
  for (const std::string& isa : available_isas()) {
    Layer l(p);
    const Kernels kernels = select_kernels(isa).take();
    coppice_conv_args args{};
    args.weights = l.forward_view();
    args.x = l.x.view();
    args.y = l.y.view();
    coppice_run_state rs{};
    rs.samples = p.samples;
    const coppice_item item = {1, 2, 0, l.forward->forward_parts(), nullptr};
    kernels.forward->conv(&args, &rs, &item);
    EXPECT_TRUE(l.y.untouched()) << isa;
  }
}

}  // namespace
}  // namespace coppice
