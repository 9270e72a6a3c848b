// SPDX-License-Identifier: Apache-2.0
// Every kernel of every instruction set that this CPU has, the plain C twins included, against the double
// truth.
#include "linear_problem.h"

namespace coppice {
namespace {

coppice_kernel forward_kernel(const Kernels& kernels, const FormatDef& format) {
  return &format == &kSegments ? kernels.forward->linear_segments : kernels.forward->linear_blocks;
}

coppice_kernel dw_kernel(const Kernels& kernels, const FormatDef& format) {
  return &format == &kSegments ? kernels.train->linear_segments_dw : kernels.train->linear_blocks_dw;
}

std::vector<float> biases(int64_t rows) {
  Rng rng(4, stream_id("bias", "b"));
  std::vector<float> bias(static_cast<size_t>(rows));
  for (float& b : bias) b = rng.normal();
  return bias;
}

std::vector<Truth> forward_truth(const Problem& p, Weights& w, Tiled& x, const std::vector<float>& bias) {
  std::vector<Truth> y(static_cast<size_t>(p.rows * p.samples));
  for (int64_t row = 0; row < p.rows; ++row)
    for (int s = 0; s < p.samples; ++s)
      if (!bias.empty()) y[static_cast<size_t>(row * p.samples + s)].add(bias[static_cast<size_t>(row)]);
  for (size_t k = 0; k < w.live(); ++k)
    for (int s = 0; s < p.samples; ++s)
      y[static_cast<size_t>(int64_t{w.row[k]} * p.samples + s)].add(double{w.at(k)} *
                                                                    double{x.at(w.col[k], s)});
  return y;
}

void expect_forward(const Problem& p, Tiled& y, const std::vector<Truth>& truth, bool relu, Tiled* mask) {
  for (int64_t row = 0; row < p.rows; ++row)
    for (int s = 0; s < p.samples; ++s) {
      const int64_t i = row * p.samples + s;
      const Truth& t = truth[static_cast<size_t>(i)];
      if (mask && !(mask->at(row, s) > 0))
        ASSERT_EQ(y.at(row, s), 0.0f) << "mask, row " << row;
      else if (relu && t.sum <= 0)
        expect_near(y.at(row, s), {std::max(0.0, double{y.at(row, s)} == 0 ? 0.0 : t.sum), t.magnitude}, "y",
                    i);
      else
        expect_near(y.at(row, s), t, "y", i);
    }
}

void check_forward(const Kernels& kernels, const Problem& p, const FormatDef& format) {
  Weights w(p.pattern(), format, tiling_of(p));
  Tiled x(p.cols, p.width, p.tiles()), mask(p.rows, p.width, p.tiles());
  x.fill(p, "x", 1e5f);
  mask.fill(p, "mask", 3.0f);
  const std::vector<float> bias = biases(p.rows);
  enum { kPlain, kBiasRelu, kMask };
  for (const int form : {kPlain, kBiasRelu, kMask}) {
    std::vector<float> first;
    const auto truth = forward_truth(p, w, x, form == kBiasRelu ? bias : std::vector<float>{});
    for (const Cut cut : {Cut::kAll, Cut::kTile, Cut::kPart, Cut::kTilePart}) {
      Tiled y(p.rows, p.width, p.tiles());
      coppice_linear_args args{w.view, nullptr, x.view(), y.view(), {}, COPPICE_ACT_NONE};
      if (form == kBiasRelu) args.bias = bias.data(), args.activation = COPPICE_ACT_RELU;
      if (form == kMask) args.mask = mask.view();
      run_kernel(forward_kernel(kernels, format), &args, p, w.encoding->forward_parts(), cut);
      ASSERT_TRUE(y.guarded(p)) << "wrote outside its rows or columns";
      ASSERT_TRUE(y.finite(p));
      if (cut == Cut::kAll) {
        ASSERT_NO_FATAL_FAILURE(
            expect_forward(p, y, truth, form == kBiasRelu, form == kMask ? &mask : nullptr));
        first = y.valid(p);
      }
      ASSERT_TRUE(same_bits(y.valid(p), first)) << "bits depend on the cut into items";
    }
  }
}

TEST(LinearKernels, ForwardOfSegmentsIsTheProduct) { each_problem({&kSegments}, check_forward); }
TEST(LinearKernels, ForwardOfBlocksIsTheProduct) { each_problem({&kBlocks, &kDense}, check_forward); }

// A network that diverges has to show it: relu passes a NaN on.
void check_relu_of_nan(const Kernels& kernels, const Problem& p, const FormatDef& format) {
  Weights w(p.pattern(), format, tiling_of(p));
  Tiled x(p.cols, p.width, p.tiles()), y(p.rows, p.width, p.tiles());
  x.fill(p, "x", 0.0f);
  const std::vector<float> bias(static_cast<size_t>(p.rows), std::numeric_limits<float>::quiet_NaN());
  const coppice_linear_args args{w.view, bias.data(), x.view(), y.view(), {}, COPPICE_ACT_RELU};
  run_kernel(forward_kernel(kernels, format), &args, p, w.encoding->forward_parts(), Cut::kAll);
  for (const float v : y.valid(p)) ASSERT_TRUE(std::isnan(v)) << v;
}

TEST(LinearKernels, ReluPassesNanOn) { each_problem({&kSegments, &kBlocks, &kDense}, check_relu_of_nan); }

void check_dx(const Kernels& kernels, const Problem& p, const FormatDef& format) {
  Weights w(p.pattern(), format, tiling_of(p));
  Tiled dy(p.rows, p.width, p.tiles()), mask(p.cols, p.width, p.tiles());
  dy.fill(p, "dy", 0.0f);
  mask.fill(p, "mask", 3.0f);
  std::vector<Truth> truth(static_cast<size_t>(p.cols * p.samples));
  for (size_t k = 0; k < w.live(); ++k)
    for (int s = 0; s < p.samples; ++s)
      truth[static_cast<size_t>(int64_t{w.col[k]} * p.samples + s)].add(double{w.at(k)} *
                                                                        double{dy.at(w.row[k], s)});
  for (const bool masked : {false, true}) {
    std::vector<float> first;
    for (const Cut cut : {Cut::kAll, Cut::kTile, Cut::kPart, Cut::kTilePart}) {
      Tiled dx(p.cols, p.width, p.tiles());
      const coppice_linear_dx_args args = {static_cast<const coppice_blocks*>(w.view), dy.view(), dx.view(),
                                           masked ? mask.view() : coppice_tiled{}};
      run_kernel(kernels.train->linear_blocks_dx, &args, p, w.encoding->dx_parts(), cut);
      ASSERT_TRUE(dx.guarded(p)) << "wrote outside its columns";
      if (cut != Cut::kAll) {
        ASSERT_TRUE(same_bits(dx.valid(p), first)) << "bits depend on the cut into items";
        continue;
      }
      first = dx.valid(p);
      for (int64_t col = 0; col < p.cols; ++col)
        for (int s = p.samples; s < (p.tiles() - 1) * p.width + p.columns(p.tiles() - 1); ++s)
          ASSERT_EQ(dx.at(col, s), 0.0f) << "padding of a gradient";
      for (int64_t col = 0; col < p.cols; ++col)
        for (int s = 0; s < p.samples; ++s) {
          const int64_t i = col * p.samples + s;
          const bool gated = masked && !(mask.at(col, s) > 0);
          ASSERT_NO_FATAL_FAILURE(
              expect_near(dx.at(col, s), gated ? Truth{} : truth[static_cast<size_t>(i)], "dx", i));
        }
    }
  }
}

TEST(LinearKernels, DxOfBlocksIsTheTransposedProduct) { each_problem({&kBlocks, &kDense}, check_dx); }

// dY as the dW kernel of a format wants it: as it is for single weights, interleaved for blocks.
coppice_tiled prepared_dy(const Kernels& kernels, const Problem& p, Weights& w, Tiled& dy,
                          Tiled& interleaved) {
  const int r = w.encoding->interleave();
  if (r == 1) return dy.view();
  const coppice_interleave_args args = {dy.view(), interleaved.view(), static_cast<int32_t>(p.rows), r};
  run_kernel(kernels.train->interleave, &args, p, 1, Cut::kTile);
  return interleaved.view();
}

TEST(LinearKernels, InterleaveGroupsRowsAndSamples) {
  for (const std::string& isa : available_isas())
    for (const int r : {4, 16})
      for (const int width : {16, 32, 64})
        for (const int rows : {1, 4, 13, 16, 35})
          for (const int samples : {3, 16, 33}) {
            const Problem p = {rows, 1, {}, 1.0, width, samples};
            SCOPED_TRACE(isa + " r " + std::to_string(r) + " " + p.text());
            Tiled dy(rows, width, p.tiles());
            dy.fill(p, "dy", 0.0f);
            const int lanes = 16 / r, padded = (rows + r - 1) / r * r;
            Tiled out(padded, width, p.tiles());
            const coppice_interleave_args args = {dy.view(), out.view(), rows, r};
            run_kernel(select_kernels(isa)->train->interleave, &args, p, 1, Cut::kAll);
            for (int tile = 0; tile < p.tiles(); ++tile) {
              const coppice_tiled view = out.view();
              const float* base = view.base + tile * view.tile_stride;
              for (int row = 0; row < padded; ++row)
                for (int s = 0; s < p.columns(tile); ++s) {
                  const float got = base[row / r * width * r + s / lanes * 16 + row % r * lanes + s % lanes];
                  ASSERT_EQ(got, row < rows ? dy.at(row, tile * width + s) : 0.0f)
                      << "row " << row << " sample " << s;
                }
            }
          }
}

void check_dw(const Kernels& kernels, const Problem& p, const FormatDef& format) {
  if (&format != &kSegments && p.width % 16 != 0) return;  // an interleaved dY has groups of up to 16 samples
  Weights w(p.pattern(), format, tiling_of(p));
  Tiled x(p.cols, p.width, p.tiles()), dy(p.rows, p.width, p.tiles());
  dy.fill(p, "dy", 0.0f);
  const std::vector<int32_t>& starts = w.encoding->part_start();
  const int parts = static_cast<int>(starts.size()) - 1;
  std::vector<float> stored(static_cast<size_t>(w.encoding->size()) + 16, kGuard);
  Tiled interleaved((p.rows + 15) / 16 * 16, p.width, p.tiles());
  const coppice_tiled prepared = prepared_dy(kernels, p, w, dy, interleaved);

  // Twice, with other garbage in the padding of x: the bits must not see it.
  std::vector<float> poisoned = stored;
  for (auto* gradient : {&poisoned, &stored}) {
    x.fill(p, "x", gradient == &poisoned ? -1e5f : 7e3f);
    const coppice_linear_dw_args args = {w.view, x.view(), prepared, gradient->data()};
    run_kernel(dw_kernel(kernels, format), &args, p, parts, Cut::kPart);
  }
  ASSERT_TRUE(same_bits(stored, poisoned)) << "padding of x is seen";
  ASSERT_EQ(stored[static_cast<size_t>(w.encoding->size())], kGuard) << "wrote behind the last weight";

  std::vector<Truth> truth(w.live());
  for (size_t k = 0; k < w.live(); ++k)
    for (int s = 0; s < p.samples; ++s) truth[k].add(double{x.at(w.col[k], s)} * double{dy.at(w.row[k], s)});
  for (size_t k = 0; k < w.live(); ++k)
    ASSERT_NO_FATAL_FAILURE(
        expect_near(stored[static_cast<size_t>(w.place[k])], truth[k], "dw", static_cast<int64_t>(k)));

  // In scratch, part by part: the same bits, and nothing behind the part.
  coppice_linear_dw_args args = {w.view, x.view(), prepared, nullptr};
  coppice_run_state rs{};
  rs.samples = p.samples;
  rs.accumulate = 1;  // has no meaning for scratch
  for (int part = 0; part < parts; ++part) {
    const auto count =
        static_cast<size_t>(starts[static_cast<size_t>(part) + 1] - starts[static_cast<size_t>(part)]);
    Floats scratch(count + 1);
    std::fill(scratch.begin(), scratch.end(), kGuard);
    const coppice_item item = {0, p.tiles(), part, part + 1, scratch.data()};
    dw_kernel(kernels, format)(&args, &rs, &item);
    ASSERT_EQ(std::memcmp(scratch.data(), &stored[static_cast<size_t>(starts[static_cast<size_t>(part)])],
                          4 * count),
              0);
    ASSERT_EQ(scratch[count], kGuard) << "wrote behind part " << part;
  }

  // Added to what is there.
  std::vector<float> sum = stored;
  args.gradient = sum.data();
  run_kernel(dw_kernel(kernels, format), &args, p, parts, Cut::kAll, nullptr, true);
  for (size_t k = 0; k < w.live(); ++k)
    ASSERT_NO_FATAL_FAILURE(expect_near(sum[static_cast<size_t>(w.place[k])],
                                        {2 * truth[k].sum, 2 * truth[k].magnitude}, "accumulated dw",
                                        static_cast<int64_t>(k)));
}

TEST(LinearKernels, DwOfSegmentsSumsOverSamples) { each_problem({&kSegments}, check_dw); }
TEST(LinearKernels, DwOfBlocksSumsOverSamples) { each_problem({&kBlocks, &kDense}, check_dw); }

TEST(LinearKernels, DwOfBlocksIsZeroWhereRowsArePadding) {
  for (const std::string& isa : available_isas()) {
    const Problem p = {10, 40, {}, 1.0, 32, 40};
    Weights w(p.pattern(), kDense, tiling_of(p));
    const Kernels kernels = select_kernels(isa).take();
    Tiled x(p.cols, p.width, p.tiles()), dy(p.rows, p.width, p.tiles());
    x.fill(p, "x", 1.0f);
    dy.fill(p, "dy", 0.0f);
    Tiled interleaved((p.rows + 15) / 16 * 16, p.width, p.tiles());
    const coppice_tiled prepared = prepared_dy(kernels, p, w, dy, interleaved);
    std::vector<float> gradient(static_cast<size_t>(w.encoding->size()), kGuard);
    const coppice_linear_dw_args args = {w.view, x.view(), prepared, gradient.data()};
    run_kernel(kernels.train->linear_blocks_dw, &args, p,
               static_cast<int>(w.encoding->part_start().size()) - 1, Cut::kPart);
    for (size_t i = 0; i < gradient.size(); ++i)
      ASSERT_EQ(gradient[i] == 0.0f, i % 16 >= 10) << isa << " place " << i;
  }
}

TEST(LinearKernels, ForwardDoesNotSeeThePaddingOfX) {
  each_problem(
      {&kSegments, &kBlocks, &kDense}, [](const Kernels& kernels, const Problem& p, const FormatDef& format) {
        Weights w(p.pattern(), format, tiling_of(p));
        std::vector<float> first;
        for (const float poison : {0.0f, 1e6f}) {
          Tiled x(p.cols, p.width, p.tiles()), y(p.rows, p.width, p.tiles());
          x.fill(p, "x", poison);
          const coppice_linear_args args = {w.view, nullptr, x.view(), y.view(), {}, COPPICE_ACT_RELU};
          run_kernel(forward_kernel(kernels, format), &args, p, w.encoding->forward_parts(), Cut::kTile);
          if (first.empty()) first = y.valid(p);
          ASSERT_TRUE(same_bits(y.valid(p), first));
        }
      });
}

TEST(LinearKernels, SegmentsOfTheTransposedPatternGiveDx) {
  for (const std::string& isa : available_isas()) {
    const Problem p = {90, 130, {}, 0.1, 64, 100};
    const Pattern pattern = p.pattern();
    const TransposedPattern t = transpose(pattern);
    Weights w(pattern, kSegments, tiling_of(p)), wt(t.pattern, kSegments, tiling_of(p));
    std::vector<int32_t> position(wt.live());
    for (size_t k = 0; k < wt.live(); ++k)
      position[static_cast<size_t>(wt.place[k])] = w.place[static_cast<size_t>(t.source[k])];
    const Kernels kernels = select_kernels(isa).take();
    const auto count = static_cast<int32_t>(wt.live());
    const coppice_refresh_args refresh = {wt.value.data(), w.value.data(), position.data(), count, 100};
    run_kernel(kernels.train->refresh, &refresh, p, (count + 99) / 100, Cut::kPart);

    Tiled dy(p.rows, p.width, p.tiles()), dx(p.cols, p.width, p.tiles());
    dy.fill(p, "dy", 0.0f);
    const coppice_linear_args args = {wt.view, nullptr, dy.view(), dx.view(), {}, COPPICE_ACT_NONE};
    run_kernel(kernels.forward->linear_segments, &args, p, wt.encoding->forward_parts(), Cut::kPart);
    std::vector<Truth> truth(static_cast<size_t>(p.cols * p.samples));
    for (size_t k = 0; k < w.live(); ++k)
      for (int s = 0; s < p.samples; ++s)
        truth[static_cast<size_t>(w.col[k] * p.samples + s)].add(double{w.at(k)} *
                                                                 double{dy.at(w.row[k], s)});
    for (int64_t i = 0; i < p.cols * p.samples; ++i)
      ASSERT_NO_FATAL_FAILURE(expect_near(dx.at(i / p.samples, static_cast<int>(i % p.samples)),
                                          truth[static_cast<size_t>(i)], "dx", i));
  }
}

}  // namespace
}  // namespace coppice
