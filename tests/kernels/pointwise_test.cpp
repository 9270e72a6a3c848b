// SPDX-License-Identifier: Apache-2.0
// The kernels between matrix products, on every instruction set of this machine: what the tests that walk the
// table of ops do not see, as it is random, extreme or a tie.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/rng.h"
#include "coppice_math.h"
#include "kernels/pointwise_problem.h"

namespace coppice {
namespace {

TEST(Exp, IsWithinTwoInTenMillionAtEvery4096thFloat) {
  double worst = 0.0;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 4096) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (!std::isfinite(x)) continue;
    const double want = std::exp(static_cast<double>(std::clamp(x, -87.0f, 88.0f)));
    worst = std::max(worst, std::abs(static_cast<double>(coppice_expf(x)) - want) / want);
  }
  EXPECT_LT(worst, 2e-7);
}

TEST_P(Pointwise, SigmoidFollowsTheDefinitionFromEndToEnd) {
  constexpr int kSamples = 64;
  const coppice_extent extent = {64, 1, 1};
  Tiled in(extent, 64, kSamples), out(extent, 64, kSamples);
  Rng rng(1, 0);
  for (const float range : {1.0f, 30.0f, 1e3f, 1e38f}) {
    in.fill([&] { return (2.0f * rng.uniform() - 1.0f) * range; });
    coppice_map_args args{};
    args.a = in.view;
    args.out = out.view;
    args.extent = extent;
    run(table().sigmoid, args, state_of(kSamples), 64);
    for (int n = 0; n < kSamples; ++n)
      for (int c = 0; c < extent.channels; ++c) {
        const double want = 1.0 / (1.0 + std::exp(-static_cast<double>(in.at(n, c))));
        ASSERT_NEAR(out.at(n, c), want, 3e-7 * want + 1e-37) << in.at(n, c);
      }
  }
}

TEST_P(Pointwise, SoftmaxCrossEntropyStaysFiniteAndExactForExtremeLogits) {
  constexpr int kSamples = 21, kClasses = 5;
  Rng rng(2, 0);
  for (const float range : {0.0f, 1.0f, 100.0f, 1e4f, 1e30f, 1e38f})
    for (const float smoothing : {0.0f, 0.1f}) {
      Tiled logits({kClasses, 1, 1}, 32, kSamples), labels({1, 1, 1}, 32, kSamples),
          loss({1, 1, 1}, 32, kSamples), gradient({kClasses, 1, 1}, 32, kSamples);
      logits.fill([&] { return rng.below(2) ? range : -range * rng.uniform(); });
      for (int n = 0; n < kSamples; ++n) {
        const auto label = static_cast<int32_t>(rng.below(kClasses));
        std::memcpy(&labels.at(n, 0), &label, sizeof label);
      }
      coppice_loss_args args{};
      args.logits = logits.view;
      args.target = labels.view;
      args.out = loss.view;
      args.rows = kClasses;
      args.smoothing = smoothing;
      const coppice_run_state rs = state_of(kSamples);
      run(table().softmax_cross_entropy, args, rs, 32);
      args.out = gradient.view;
      run(table().softmax_cross_entropy_grad, args, rs, 32);
      for (int n = 0; n < kSamples; ++n) {
        int32_t label;
        std::memcpy(&label, &labels.at(n, 0), sizeof label);
        double most = -1e300, sum = 0.0, want = 0.0, total = 0.0;
        for (int c = 0; c < kClasses; ++c) most = std::max(most, static_cast<double>(logits.at(n, c)));
        for (int c = 0; c < kClasses; ++c) sum += std::exp(static_cast<double>(logits.at(n, c)) - most);
        for (int c = 0; c < kClasses; ++c) {
          const double p = std::exp(static_cast<double>(logits.at(n, c)) - most) / sum;
          const double wish =
              (c == label ? 1.0 - smoothing : 0.0) + static_cast<double>(smoothing) / kClasses;
          want += wish * ((most - static_cast<double>(logits.at(n, c))) + std::log(sum));
          ASSERT_NEAR(gradient.at(n, c), (p - wish) / kSamples, 1e-7);
          total += static_cast<double>(gradient.at(n, c));
        }
        ASSERT_TRUE(std::isfinite(loss.at(n, 0)));
        ASSERT_NEAR(loss.at(n, 0), want, 1e-5 * (1.0 + want)) << range;
        ASSERT_NEAR(total, 0.0, 1e-7);
      }
      for (int s = kSamples; s < 32; ++s) {
        EXPECT_EQ(loss.view.base[s], 0.0f);
        for (int c = 0; c < kClasses; ++c) EXPECT_EQ(gradient.view.base[c * 32 + s], 0.0f);
      }
    }
}

TEST_P(Pointwise, LossesOfDenseTargetsStayFiniteForExtremeOutputs) {
  constexpr int kSamples = 5, kRows = 3;
  Rng rng(3, 0);
  for (const float range : {1.0f, 100.0f, 1e18f}) {
    Tiled x({kRows, 1, 1}, 16, kSamples), target({kRows, 1, 1}, 16, kSamples), loss({1, 1, 1}, 16, kSamples),
        gradient({kRows, 1, 1}, 16, kSamples);
    x.fill([&] { return rng.below(2) ? range : -range; });
    target.fill([&] { return static_cast<float>(rng.below(2)); });
    coppice_loss_args args{};
    args.logits = x.view;
    args.target = target.view;
    args.rows = kRows;
    const coppice_run_state rs = state_of(kSamples);
    const auto both = [&](coppice_kernel value, coppice_kernel grad) {
      args.out = loss.view;
      run(value, args, rs, 16);
      args.out = gradient.view;
      run(grad, args, rs, 16);
    };
    both(table().binary_cross_entropy, table().binary_cross_entropy_grad);
    for (int n = 0; n < kSamples; ++n) {
      double want = 0.0;
      for (int r = 0; r < kRows; ++r) {
        const double v = static_cast<double>(x.at(n, r)), t = static_cast<double>(target.at(n, r));
        want += (std::max(v, 0.0) - v * t + std::log1p(std::exp(-std::abs(v)))) / kRows;
        ASSERT_NEAR(gradient.at(n, r), (1.0 / (1.0 + std::exp(-v)) - t) / kRows / kSamples, 1e-7);
      }
      ASSERT_NEAR(loss.at(n, 0), want, 1e-6 * (1.0 + want));
    }
    both(table().mean_squared_error, table().mean_squared_error_grad);
    for (int n = 0; n < kSamples; ++n) {
      double want = 0.0;
      for (int r = 0; r < kRows; ++r) {
        const double error = static_cast<double>(x.at(n, r)) - static_cast<double>(target.at(n, r));
        want += error * error / kRows;
        ASSERT_NEAR(gradient.at(n, r), 2.0 * error / kRows / kSamples, 1e-6 * std::abs(error));
      }
      ASSERT_NEAR(loss.at(n, 0), want, 1e-6 * (1.0 + want));
    }
  }
}

// Elements in the order (sample, element): 1 where dropout let it through.
std::vector<int> dropout_mask(coppice_kernel kernel, float p, const coppice_run_state& rs, uint64_t stream,
                              coppice_extent extent, int width, float value = 1.0f) {
  Tiled in(extent, width, rs.samples), out(extent, width, rs.samples);
  in.fill([value] { return value; });
  coppice_map_args args{};
  args.a = in.view;
  args.out = out.view;
  args.extent = extent;
  args.parameter = p;
  args.stream = stream;
  run(kernel, args, rs, width);
  std::vector<int> mask;
  const float survivor = rs.training ? value * (1.0f / (1.0f - p)) : value;
  for (int n = 0; n < rs.samples; ++n)
    for (int c = 0; c < extent.channels; ++c)
      for (int y = 0; y < extent.height; ++y)
        for (int x = 0; x < extent.width; ++x) {
          const float got = out.at(n, c, y, x);
          EXPECT_TRUE(got == 0.0f || got == survivor) << got;
          mask.push_back(got != 0.0f);
        }
  return mask;
}

TEST_P(Pointwise, DropoutKeepsTheRateThatItIsAskedFor) {
  const coppice_extent extent = {1000, 1, 1};
  for (const float p : {0.0f, 0.1f, 0.5f, 0.9f}) {
    const std::vector<int> mask = dropout_mask(table().dropout, p, state_of(128), 7, extent, 64);
    const auto n = static_cast<double>(mask.size());
    double kept = 0.0, neighbours = 0.0;
    for (size_t i = 0; i < mask.size(); ++i) {
      kept += mask[i];
      if (i > 0) neighbours += mask[i] * mask[i - 1];
    }
    const double q = 1.0 - static_cast<double>(p);
    EXPECT_NEAR(kept / n, q, 5 * std::sqrt(q * (1 - q) / n) + 1e-9);
    EXPECT_NEAR(neighbours / n, q * q, 10 * std::sqrt(q * (1 - q) / n) + 1e-5)
        << "neighbours are independent";
  }
}

TEST_P(Pointwise, DropoutIsAFunctionOfSeedStepStreamSampleAndElementAlone) {
  const coppice_extent flat = {96, 1, 1};
  const coppice_run_state rs = state_of(70);
  const std::vector<int> mask = dropout_mask(table().dropout, 0.5f, rs, 7, flat, 64);
  EXPECT_EQ(dropout_mask(table().dropout, 0.5f, rs, 7, flat, 64, -3.0f), mask)
      << "dy gets the mask that x got";
  EXPECT_EQ(dropout_mask(table().dropout, 0.5f, rs, 7, flat, 16), mask) << "whatever the width of a tile";
  const std::vector<int> spatial = dropout_mask(table().dropout, 0.5f, rs, 7, {6, 4, 4}, 16);
  EXPECT_EQ(spatial, mask) << "element is channel, y, x";

  for (const int what : {0, 1, 2}) {
    coppice_run_state other = rs;
    if (what == 0) other.seed = 2;
    if (what == 1) other.step = 1;
    EXPECT_NE(dropout_mask(table().dropout, 0.5f, other, what == 2 ? 8 : 7, flat, 64), mask) << what;
  }
  // The second micro-batch goes on where the first one ended.
  coppice_run_state second = state_of(38);
  second.first_sample = 32;
  const std::vector<int> rest = dropout_mask(table().dropout, 0.5f, second, 7, flat, 32);
  EXPECT_TRUE(std::equal(rest.begin(), rest.end(), mask.begin() + 32 * 96));

  coppice_run_state evaluation = rs;
  evaluation.training = 0;
  for (const int kept : dropout_mask(table().dropout, 0.5f, evaluation, 7, flat, 64)) ASSERT_EQ(kept, 1);
}

coppice_pool_args pool_args(const Tiled& x, const Tiled& y, int kernel, int stride, int padding) {
  coppice_pool_args args{};
  args.x = x.view;
  args.y = y.view;
  args.x_extent = x.extent;
  args.y_extent = y.extent;
  for (const int i : {0, 1}) {
    args.kernel[i] = kernel;
    args.stride[i] = stride;
    args.padding[i] = padding;
  }
  return args;
}

TEST_P(Pointwise, OfEqualPixelsTheFirstOfAWindowReceivesTheGradient) {
  constexpr int kSamples = 3;
  // Windows of 3 x 3 with stride 2 and padding 1 over 4 x 4 equal pixels: 2 x 2 outputs.
  Tiled x({2, 4, 4}, 16, kSamples), y({2, 2, 2}, 16, kSamples), dy({2, 2, 2}, 16, kSamples),
      dx({2, 4, 4}, 16, kSamples, 1);
  x.fill([] { return -5.0f; });
  dy.fill([] { return 1.0f; });
  for (float& v : dx.memory) v = 99.0f;
  coppice_pool_args args = pool_args(x, y, 3, 2, 1);
  args.dy = dy.view;
  args.dx = dx.view;
  const coppice_run_state rs = state_of(kSamples);
  run(table().max_pool, args, rs, 16);
  run(table().max_pool_grad, args, rs, 16);
  for (int n = 0; n < kSamples; ++n)
    for (int c = 0; c < 2; ++c) {
      for (int p = 0; p < 2; ++p)
        for (int q = 0; q < 2; ++q) EXPECT_EQ(y.at(n, c, p, q), -5.0f) << "padding is no pixel, not even a 0";
      // Windows start at rows and columns 0 and 1.
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
          EXPECT_EQ(dx.at(n, c, i, j), i < 2 && j < 2 ? 1.0f : 0.0f) << i << " " << j;
      for (int i = -1; i <= 4; ++i) EXPECT_EQ(dx.at(n, c, -1, i), 0.0f) << "the halo of a gradient is filled";
    }
}

TEST_P(Pointwise, OverlappingWindowsAddTheirGradients) {
  Tiled x({1, 1, 3}, 16, 1), y({1, 1, 2}, 16, 1), dy({1, 1, 2}, 16, 1), dx({1, 1, 3}, 16, 1);
  const float pixels[] = {1.0f, 9.0f, 2.0f};
  for (int i = 0; i < 3; ++i) x.at(0, 0, 0, i) = pixels[i];
  dy.at(0, 0, 0, 0) = 2.0f;
  dy.at(0, 0, 0, 1) = 3.0f;
  coppice_pool_args args = pool_args(x, y, 2, 1, 0);
  args.dy = dy.view;
  args.dx = dx.view;
  run(table().max_pool, args, state_of(1), 16);
  run(table().max_pool_grad, args, state_of(1), 16);
  EXPECT_EQ(dx.at(0, 0, 0, 0), 0.0f);
  EXPECT_EQ(dx.at(0, 0, 0, 1), 5.0f);
  EXPECT_EQ(dx.at(0, 0, 0, 2), 0.0f);
}

TEST_P(Pointwise, AveragesDivideByTheWholeWindowAndSpreadTheGradientBack) {
  Tiled x({1, 4, 4}, 16, 2), y({1, 3, 3}, 16, 2), dx({1, 4, 4}, 16, 2);
  x.fill([] { return 4.0f; });
  coppice_pool_args args = pool_args(x, y, 2, 2, 1);
  args.dx = dx.view;
  run(table().avg_pool, args, state_of(2), 16);
  EXPECT_EQ(y.at(1, 0, 1, 1), 4.0f);
  EXPECT_EQ(y.at(1, 0, 0, 1), 2.0f) << "two of four pixels exist";
  EXPECT_EQ(y.at(1, 0, 0, 0), 1.0f);
  y.fill([] { return 1.0f; });
  run(table().avg_pool_grad, args, state_of(2), 16);
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) EXPECT_EQ(dx.at(1, 0, i, j), 0.25f);
}

TEST_P(Pointwise, BiasGradientsSumOverSamplesAndPixels) {
  constexpr int kPartChannels = 6;
  Rng rng(8, 0);
  for (const coppice_extent extent : {coppice_extent{1, 1, 1}, {7, 1, 1}, {40, 1, 1}, {7, 3, 5}})
    for (const int width : {16, 32, 64})
      for (const int samples : {1, 15, 17, 64, 150}) {
        if (extent.height > 1 && width > 16) continue;
        const int channels = extent.channels, parts = (channels + kPartChannels - 1) / kPartChannels;
        Tiled dy(extent, width, samples);
        dy.fill([&] { return rng.normal(); });
        constexpr float kGuard = -12345.5f;
        std::vector<float> gradient(static_cast<size_t>(channels) + 16, kGuard), scratch = gradient;
        coppice_channel_sum_args args{dy.view, extent, kPartChannels, gradient.data()};
        coppice_run_state rs = state_of(samples);
        const int tiles = coppice_tile_count(&rs, width);
        // Part by part, then all of them, added to what is there.
        for (int part = parts - 1; part >= 0; --part) {
          const coppice_item item = {0, tiles, part, part + 1, nullptr};
          table().channel_sum(&args, &rs, &item);
        }
        rs.accumulate = 1;
        const coppice_item all = {0, tiles, 0, parts, nullptr};
        table().channel_sum(&args, &rs, &all);
        for (int c = 0; c < channels; ++c) {
          double sum = 0.0, magnitude = 0.0;
          for (int n = 0; n < samples; ++n)
            for (int y = 0; y < extent.height; ++y)
              for (int x = 0; x < extent.width; ++x) {
                sum += 2 * static_cast<double>(dy.at(n, c, y, x));
                magnitude += std::abs(static_cast<double>(dy.at(n, c, y, x)));
              }
          ASSERT_NEAR(gradient[static_cast<size_t>(c)], sum, 1e-6 * magnitude) << c;
        }
        EXPECT_EQ(gradient[static_cast<size_t>(channels)], kGuard);
        // Fused with its update: the last part alone, into scratch.
        args.gradient = nullptr;
        const coppice_item last = {0, tiles, parts - 1, parts, scratch.data()};
        table().channel_sum(&args, &rs, &last);
        const int first = (parts - 1) * kPartChannels;
        EXPECT_EQ(2 * scratch[0], gradient[static_cast<size_t>(first)]);
        EXPECT_EQ(scratch[static_cast<size_t>(channels - first)], kGuard);
      }
}

// A network that diverges has to show it, so nothing on the way to the loss may turn a NaN into a number.
TEST_P(Pointwise, ActivationsAndMaximaPassNanOn) {
  constexpr int kSamples = 3;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const coppice_run_state rs = state_of(kSamples);
  Tiled x({2, 4, 4}, 16, kSamples), y({2, 4, 4}, 16, kSamples);
  x.fill([] { return -1.0f; });
  x.at(1, 1, 2, 3) = nan;
  const auto expect_nan = [&](const char* what) {
    for (int n = 0; n < kSamples; ++n)
      for (int c = 0; c < 2; ++c)
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j)
            EXPECT_EQ(std::isnan(y.at(n, c, i, j)), n == 1 && c == 1 && i == 2 && j == 3) << what;
  };
  coppice_map_args map{};
  map.a = x.view;
  map.b = x.view;
  map.out = y.view;
  map.extent = x.extent;
  run(table().relu, map, rs, 16);
  expect_nan("relu");
  run(table().sigmoid, map, rs, 16);
  expect_nan("sigmoid");
  for (const int32_t activation : {COPPICE_ACT_NONE, COPPICE_ACT_RELU}) {
    map.activation = activation;
    run(table().add, map, rs, 16);
    expect_nan("add");
  }
  for (const int32_t activation : {COPPICE_ACT_NONE, COPPICE_ACT_RELU}) {
    float scale[] = {1.0f, 1.0f}, bias[] = {0.0f, 0.0f}, mean[] = {0.0f, 0.0f}, inverse[] = {1.0f, 1.0f};
    coppice_batch_norm_args norm{};
    norm.x = x.view;
    norm.y = y.view;
    norm.extent = x.extent;
    norm.scale = scale;
    norm.bias = bias;
    norm.mean = mean;
    norm.inverse_deviation = inverse;
    norm.activation = activation;
    run(table().batch_norm, norm, rs, 16);
    expect_nan("batch norm");
  }
  // Wherever in its window the NaN is.
  Tiled pooled({2, 2, 2}, 16, kSamples);
  for (int at = 0; at < 4; ++at) {
    x.fill([] { return 1.0f; });
    x.at(1, 1, 2 + at / 2, at % 2) = nan;
    run(table().max_pool, pool_args(x, pooled, 2, 2, 0), rs, 16);
    for (int n = 0; n < kSamples; ++n)
      for (int i = 0; i < 2; ++i)
        EXPECT_EQ(std::isnan(pooled.at(n, 1, i, 0)), n == 1 && i == 1) << "max pool, pixel " << at;
  }
}

// out(c, y, x) = in((c, y, x) * multiply + offset) / divide, by the words of the header.
TEST_P(Pointwise, WindowsFollowTheirDefinition) {
  constexpr int kSamples = 18;
  Rng rng(5, 0);
  for (int round = 0; round < 40; ++round) {
    const auto small = [&rng](uint64_t most) { return 1 + static_cast<int32_t>(rng.below(most)); };
    const coppice_extent ie = {small(4), small(5), small(5)}, oe = {small(5), small(6), small(6)};
    Tiled in(ie, 16, kSamples), out(oe, 16, kSamples, static_cast<int>(rng.below(2)));
    in.fill([&] { return rng.normal(); });
    for (float& v : out.memory) v = 77.0f;
    coppice_window_args args{};
    args.in = in.view;
    args.out = out.view;
    args.in_extent = ie;
    args.out_extent = oe;
    for (int d = 0; d < 3; ++d) {
      args.multiply[d] = small(3);
      args.offset[d] = static_cast<int32_t>(rng.below(7)) - 3;
      args.divide[d] = small(3);
    }
    args.channel_begin = static_cast<int32_t>(rng.below(static_cast<uint64_t>(oe.channels)));
    args.channel_end =
        args.channel_begin + 1 +
        static_cast<int32_t>(rng.below(static_cast<uint64_t>(oe.channels - args.channel_begin)));
    run(table().window, args, state_of(kSamples), 16);
    const int32_t size[3] = {ie.channels, ie.height, ie.width};
    for (int n = 0; n < kSamples; ++n)
      for (int c = 0; c < oe.channels; ++c)
        for (int y = 0; y < oe.height; ++y)
          for (int x = 0; x < oe.width; ++x) {
            const int at[3] = {c, y, x};
            int from[3];
            bool inside = true;
            for (int d = 0; d < 3; ++d) {
              const int i = at[d] * args.multiply[d] + args.offset[d];
              inside = inside && i >= 0 && i % args.divide[d] == 0 && i / args.divide[d] < size[d];
              from[d] = i / args.divide[d];
            }
            const bool written = c >= args.channel_begin && c < args.channel_end;
            const float want = !written ? 77.0f : inside ? in.at(n, from[0], from[1], from[2]) : 0.0f;
            ASSERT_EQ(out.at(n, c, y, x), want) << c << " " << y << " " << x;
          }
  }
}

TEST_P(Pointwise, TheHaloOfATorusHoldsTheOppositeEdge) {
  Tiled in({2, 3, 4}, 16, 2), out({2, 3, 4}, 16, 2, 2, true);
  Rng rng(6, 0);
  in.fill([&] { return rng.normal(); });
  coppice_map_args args{};
  args.a = in.view;
  args.out = out.view;
  args.extent = in.extent;
  run(table().copy, args, state_of(2), 16);
  for (int c = 0; c < 2; ++c)
    for (int y = -2; y < 5; ++y)
      for (int x = -2; x < 6; ++x)
        EXPECT_EQ(out.at(1, c, y, x), in.at(1, c, (y + 3) % 3, (x + 4) % 4)) << y << " " << x;
}

TEST_P(Pointwise, RetilingMovesEverySampleAndBack) {
  for (const int samples : {1, 17, 64, 70}) {
    Tiled image({2, 2, 3}, 16, samples), flat({12, 1, 1}, 64, samples), back({2, 2, 3}, 16, samples, 1);
    Rng rng(7, 0);
    image.fill([&] { return rng.normal(); });
    coppice_retile_args args{};
    args.in = image.view;
    args.out = flat.view;
    args.in_extent = image.extent;
    args.out_extent = flat.extent;
    const coppice_run_state rs = state_of(samples);
    run(table().retile, args, rs, 64);
    args = {flat.view, back.view, flat.extent, back.extent};
    run(table().retile, args, rs, 16);
    for (int n = 0; n < samples; ++n)
      for (int c = 0, e = 0; c < 2; ++c)
        for (int y = 0; y < 2; ++y)
          for (int x = 0; x < 3; ++x, ++e) {
            ASSERT_EQ(flat.at(n, e), image.at(n, c, y, x));
            ASSERT_EQ(back.at(n, c, y, x), image.at(n, c, y, x));
          }
  }
}

// Raw bytes, or a mean far from 0: running statistics that start at 0 and 1 are no help in the first step.
TEST_P(Pointwise, BatchStatisticsKeepTheirDigitsWhereTheMeanIsLargeAgainstTheDeviation) {
  Rng rng(10, 0);
  for (const auto& [centre, deviation] :
       {std::pair{0.0f, 1.0f}, {1000.0f, 1.0f}, {-3e4f, 7.0f}, {128.0f, 70.0f}, {1e-4f, 1e-6f}})
    for (const int side : {1, 4, 9})
      for (const int samples : {2, 15, 16, 17, 70}) {
        SCOPED_TRACE(std::to_string(centre) + " +- " + std::to_string(deviation) + ", side " +
                     std::to_string(side) + ", samples " + std::to_string(samples));
        const coppice_extent extent = {3, side, side};
        Tiled x(extent, 16, samples, 1), sums({1, 1, 1}, 16, samples);
        for (float& v : x.memory) v = 1e9f;  // halo and padding count for nothing
        x.fill([&, centre = centre, deviation = deviation] { return centre + deviation * rng.normal(); });
        // The pixels that the sums are taken around lie far out in the last channel.
        for (int n = 0; n < samples; ++n) x.at(n, 2, side / 2, side / 2) = centre + 30 * deviation;
        std::vector<float> running_mean(3, 0.0f), running_variance(3, 1.0f), mean(3), inverse(3);
        coppice_batch_norm_args args{};
        args.x = x.view;
        args.sums = sums.view;
        args.extent = extent;
        args.running_mean = running_mean.data();
        args.running_variance = running_variance.data();
        args.mean = mean.data();
        args.inverse_deviation = inverse.data();
        args.momentum = 1.0f;  // the running ones become those of the batch
        args.epsilon = 1e-20f;
        run(table().batch_norm_sums, args, state_of(samples), 16);
        run(table().batch_norm_finish, args, state_of(samples), 16);
        const double count = static_cast<double>(samples) * side * side;
        for (int c = 0; c < 3; ++c) {
          double true_mean = 0.0, square = 0.0;
          const auto each = [&](auto f) {
            for (int n = 0; n < samples; ++n)
              for (int i = 0; i < side; ++i)
                for (int j = 0; j < side; ++j) f(static_cast<double>(x.at(n, c, i, j)));
          };
          each([&](double v) { true_mean += v / count; });
          each([&](double v) { square += (v - true_mean) * (v - true_mean); });
          if (side == 1 && c == 2) continue;  // all the same
          const auto at = static_cast<size_t>(c);
          EXPECT_NEAR(mean[at], true_mean,
                      2e-7 * std::abs(true_mean) + 1e-5 * static_cast<double>(deviation));
          EXPECT_NEAR(inverse[at] * std::sqrt(square / count), 1.0, 1e-5);
          EXPECT_NEAR(running_variance[at] / (square / (count - 1)), 1.0, 2e-5);
          EXPECT_EQ(running_mean[at], mean[at]);
        }
      }
}

INSTANTIATE_TEST_SUITE_P(Isas, Pointwise, ::testing::ValuesIn(available_isas()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace coppice
