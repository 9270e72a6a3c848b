// SPDX-License-Identifier: Apache-2.0
// Activations and layer norm on every instruction set, where the tests that walk the table of ops do not
// come: from the smallest to the largest float, at infinity, NaN, and large means.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "coppice_math.h"
#include "kernels/pointwise_problem.h"
#include "ops/ops.h"

namespace coppice {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                kInfinity = std::numeric_limits<float>::infinity(),
                kLargest = std::numeric_limits<float>::max(),
                kSmallest = std::numeric_limits<float>::denorm_min();

// Every `step`-th float that is finite, of both signs, and the ends of their range.
std::vector<float> floats(uint32_t step) {
  std::vector<float> out = {0.0f, -0.0f, kSmallest, -kSmallest, kLargest, -kLargest};
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += step) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (std::isfinite(x)) out.push_back(x);
  }
  return out;
}

void expect_accurate(float (*f)(float), double (*truth)(double), double bound) {
  for (const float x : floats(1021)) {
    const double want = truth(static_cast<double>(x)), got = static_cast<double>(f(x));
    // A denormal result has fewer digits.
    ASSERT_LE(std::abs(got - want), bound * std::abs(want) + static_cast<double>(kSmallest)) << x;
    ASSERT_LE(std::abs(got), 1.0) << x;
    ASSERT_EQ(f(-x), -f(x)) << x;
  }
  EXPECT_EQ(f(kInfinity), f(kLargest));
  EXPECT_NEAR(f(kInfinity), 1.0, 1e-7);
  EXPECT_EQ(f(-kInfinity), f(-kLargest));
  EXPECT_TRUE(std::isnan(f(kNan)));
}

TEST(Tanh, IsWithinFourInTenMillionAtEvery1021stFloat) {
  expect_accurate(coppice_tanhf, std::tanh, 4e-7);
  EXPECT_EQ(coppice_tanhf(kInfinity), 1.0f);
}

TEST(Erf, IsWithinFiveInTenMillionAtEvery1021stFloat) { expect_accurate(coppice_erff, std::erf, 5e-7); }

// An op of one input: its kernels, and what it tends to at both ends.
struct Case {
  const char* op;
  Attributes attributes;
  coppice_kernel coppice_pointwise_table::*kernel;
  coppice_kernel coppice_pointwise_table::*grad_kernel;
  bool from_output;  // the gradient reads y
  float at_minus_infinity, at_infinity;
  std::function<void(coppice_map_args&)> fill = [](coppice_map_args&) {};
};

std::vector<Case> cases() {
  using Table = coppice_pointwise_table;
  return {
      {"relu", {}, &Table::relu, &Table::relu_grad, true, 0.0f, kInfinity},
      {"sigmoid", {}, &Table::sigmoid, &Table::sigmoid_grad, true, 0.0f, 1.0f},
      {"tanh", {}, &Table::tanh, &Table::tanh_grad, true, -1.0f, 1.0f},
      {"silu", {}, &Table::silu, &Table::silu_grad, false, 0.0f, kInfinity},
      {"gelu", {}, &Table::gelu, &Table::gelu_grad, false, 0.0f, kInfinity},
      {"gelu",
       {{"approximate", std::string("tanh")}},
       &Table::gelu_tanh,
       &Table::gelu_tanh_grad,
       false,
       0.0f,
       kInfinity},
      {"leaky_relu",
       {{"slope", 0.125}},
       &Table::leaky_relu,
       &Table::leaky_relu_grad,
       true,
       -kInfinity,
       kInfinity,
       [](coppice_map_args& args) { args.parameter = 0.125f; }},
      {"elu",
       {{"alpha", 0.5}},
       &Table::elu,
       &Table::elu_grad,
       false,
       -0.5f,
       kInfinity,
       [](coppice_map_args& args) { args.parameter = 0.5f; }},
      {"clip",
       {{"min", -0.5}, {"max", 6.0}},
       &Table::clip,
       &Table::clip_grad,
       true,
       -0.5f,
       6.0f,
       [](coppice_map_args& args) {
         args.low = -0.5f;
         args.high = 6.0f;
       }},
      {"fake_quantise",
       {{"scale", 0.125}, {"zero_point", int64_t{5}}},
       &Table::fake_quantise,
       &Table::fake_quantise_grad,
       false,
       -16.625f,
       15.25f,
       [](coppice_map_args& args) {
         args.parameter = 0.125f;
         args.low = -133.0f;
         args.high = 122.0f;
       }},
      {"hard_sigmoid", {}, &Table::hard_sigmoid, &Table::hard_sigmoid_grad, true, 0.0f, 1.0f},
      {"hard_swish", {}, &Table::hard_swish, &Table::hard_swish_grad, false, 0.0f, kInfinity},
  };
}

class Activations : public Pointwise {
 protected:
  static constexpr int kSamples = 64;

  std::vector<float> mapped(const Case& c, coppice_kernel kernel, const std::vector<float>& a,
                            const std::vector<float>& b) const {
    const coppice_extent extent = {static_cast<int32_t>((a.size() + kSamples - 1) / kSamples), 1, 1};
    Tiled in(extent, kSamples, kSamples), second(extent, kSamples, kSamples), out(extent, kSamples, kSamples);
    std::copy(a.begin(), a.end(), in.memory.begin());
    std::copy(b.begin(), b.end(), second.memory.begin());
    coppice_map_args args{};
    args.a = in.view;
    args.b = second.view;
    args.out = out.view;
    args.extent = extent;
    c.fill(args);
    run(kernel, args, state_of(kSamples), kSamples);
    return {out.memory.begin(), out.memory.begin() + static_cast<std::ptrdiff_t>(a.size())};
  }
  std::vector<float> values(const Case& c, const std::vector<float>& x) const {
    return mapped(c, table().*c.kernel, x, x);
  }
  std::vector<float> slopes(const Case& c, const std::vector<float>& at) const {
    return mapped(c, table().*c.grad_kernel, std::vector<float>(at.size(), 1.0f), at);
  }

  static std::vector<double> reference(const std::string& op, const Attributes& attributes,
                                       const std::vector<std::vector<float>>& in) {
    Node node;
    node.attributes = attributes;
    std::vector<ReferenceArray> arrays(in.size());
    ReferenceArray out;
    ReferenceCall call{node, 1, true, 1.0, 1, 1, {}, {&out}};
    for (size_t i = 0; i < in.size(); ++i) {
      arrays[i].data.assign(in[i].begin(), in[i].end());
      call.in.push_back(&arrays[i]);
    }
    out.data.resize(in[0].size());
    find_op(op)->reference(call);
    return out.data;
  }
};

TEST_P(Activations, FollowTheirDefinitionAtEvery65521stFloat) {
  const std::vector<float> x = floats(65521);
  for (const Case& c : cases()) {
    const std::vector<float> y = values(c, x);
    const std::vector<double> want = reference(c.op, c.attributes, {x});
    for (size_t i = 0; i < x.size(); ++i) {
      // Exact gelu subtracts from 1 what x is then multiplied with, as PyTorch does.
      const double cancelled = 3e-7 * std::min(std::abs(static_cast<double>(x[i])), 6.0);
      ASSERT_NEAR(y[i], want[i], 5e-7 * std::abs(want[i]) + cancelled + 1e-32) << c.op << " " << x[i];
    }
  }
}

TEST_P(Activations, HaveTheSlopesOfTheirDefinitionAtEvery65521stFloat) {
  for (const Case& c : cases()) {
    const std::vector<float> x = floats(65521), at = c.from_output ? values(c, x) : x;
    const std::vector<float> got = slopes(c, at);
    const std::vector<double> want =
        reference(std::string(c.op) + "_grad", c.attributes, {std::vector<float>(at.size(), 1.0f), at});
    for (size_t i = 0; i < x.size(); ++i) {
      // In double, x * (1 - sigmoid(x)) of a large x is infinity times 0.
      const double expected = std::isnan(want[i]) ? (x[i] > 0 ? 1.0 : 0.0) : want[i];
      ASSERT_NEAR(got[i], expected, 1e-6) << c.op << " " << x[i];
    }
  }
}

TEST_P(Activations, TendToTheirLimitsAndPassNanOn) {
  for (const Case& c : cases()) {
    const std::vector<float> y = values(c, {-kInfinity, kInfinity, kNan, 1.0f});
    if (std::isfinite(c.at_minus_infinity))
      EXPECT_NEAR(y[0], c.at_minus_infinity, 2e-7) << c.op;
    else
      EXPECT_EQ(y[0], c.at_minus_infinity) << c.op;
    EXPECT_EQ(y[1], c.at_infinity) << c.op;
    EXPECT_TRUE(std::isnan(y[2])) << c.op;
    EXPECT_TRUE(std::isfinite(y[3])) << c.op;
  }
}

// Padding columns may hold any finite number, so 0 times a slope has to be 0 for all of them.
TEST_P(Activations, GiveNoGradientToPadding) {
  const std::vector<float> x = floats(65521), dy(x.size(), 0.0f);
  for (const Case& c : cases())
    for (const float dx : mapped(c, table().*c.grad_kernel, dy, c.from_output ? values(c, x) : x))
      ASSERT_EQ(dx, 0.0f) << c.op;
}

TEST_P(Activations, MulPassesNanOnAndClearsPadding) {
  constexpr int kValid = 5;
  for (const int width : {16, 32, 64}) {
    Tiled x({3, 1, 1}, width, kValid), y({3, 1, 1}, width, kValid);
    for (float& v : x.memory) v = 1e30f;
    x.fill([] { return 3.0f; });
    x.at(2, 1) = kNan;
    coppice_map_args args{};
    args.a = args.b = x.view;
    args.out = y.view;
    args.extent = x.extent;
    run(table().mul, args, state_of(kValid), width);
    for (int c = 0; c < 3; ++c) {
      for (int n = 0; n < kValid; ++n) {
        if (n == 2 && c == 1)
          EXPECT_TRUE(std::isnan(y.at(n, c)));
        else
          EXPECT_EQ(y.at(n, c), 9.0f);
      }
      for (int s = kValid; s < 16; ++s) EXPECT_EQ(y.memory[static_cast<size_t>(c * width + s)], 0.0f);
    }
  }
}

TEST_P(Activations, PreluHasASlopeForEachChannelOrOneForAll) {
  constexpr int kChannels = 3, kValid = 21;
  const float slopes[] = {0.5f, -2.0f, 0.0f};
  Rng rng(4, 0);
  for (const int count : {1, kChannels})
    for (const coppice_extent extent : {coppice_extent{kChannels, 1, 1}, {kChannels, 4, 5}}) {
      const int width = extent.height > 1 ? 16 : 32, halo = extent.height > 1 ? 1 : 0;
      Tiled x(extent, width, kValid, halo), y(extent, width, kValid), dy(extent, width, kValid),
          sums({kChannels, 1, 1}, width, kValid);
      x.fill([&] { return rng.normal(); });
      dy.fill([&] { return rng.normal(); });
      x.at(3, 1) = kNan;
      coppice_map_args args{};
      args.a = x.view;
      args.out = y.view;
      args.extent = extent;
      args.slopes = slopes;
      args.slope_step = count > 1 ? 1 : 0;
      run(table().prelu, args, state_of(kValid), width);
      for (int n = 0; n < kValid; ++n)
        for (int c = 0; c < kChannels; ++c) {
          const float v = x.at(n, c), slope = slopes[count > 1 ? c : 0];
          if (std::isnan(v))
            EXPECT_TRUE(std::isnan(y.at(n, c)));
          else
            EXPECT_EQ(y.at(n, c), v > 0.0f ? v : slope * v);
        }
      x.at(3, 1) = -1.0f;
      run(table().prelu_sums, coppice_prelu_sums_args{x.view, dy.view, sums.view, extent, count},
          state_of(kValid), width);
      for (int s = 0; s < count; ++s) {
        double want = 0.0, got = 0.0;
        for (int n = 0; n < kValid; ++n)
          for (int c = 0; c < kChannels; ++c)
            for (int h = 0; h < extent.height; ++h)
              for (int w = 0; w < extent.width; ++w)
                if (x.at(n, c, h, w) <= 0.0f && (count == 1 || c == s))
                  want += static_cast<double>(x.at(n, c, h, w)) * static_cast<double>(dy.at(n, c, h, w));
        for (int tile = 0; tile * width < kValid; ++tile)
          got += static_cast<double>(sums.view.base[tile * sums.view.tile_stride + s]);
        EXPECT_NEAR(got, want, 1e-5 * (1.0 + std::abs(want)));
      }
    }
}

// Layer norm of samples that lie around `mean`, in the layout that a network gives them.
struct Norm {
  static constexpr int kValid = 21;
  coppice_extent extent;
  int width;
  Tiled x, y, dy, dx, statistics;
  std::vector<float> scale, bias;
  coppice_layer_norm_args args{};

  Norm(coppice_extent e, int tile_width, int halo)
      : extent(e),
        width(tile_width),
        x(e, width, kValid, halo),
        y(e, width, kValid, halo),
        dy(e, width, kValid),
        dx(e, width, kValid, halo),
        statistics(e.height > 1 ? coppice_extent{3, 1, 1} : coppice_extent{1, 1, 3}, width, kValid) {
    Rng rng(6, 0);
    for (int64_t i = 0; i < int64_t{e.channels} * e.height * e.width; ++i) {
      scale.push_back(rng.normal());
      bias.push_back(rng.normal());
    }
    dy.fill([&] { return rng.normal(); });
    args.x = x.view;
    args.y = y.view;
    args.dx = dx.view;
    args.statistics = statistics.view;
    args.extent = e;
    args.scale = scale.data();
    args.bias = bias.data();
    args.epsilon = 1e-5f;
  }
  // Calls f(element, channel, y, x).
  template <class F>
  void for_each_element(F f) const {
    int k = 0;
    for (int c = 0; c < extent.channels; ++c)
      for (int h = 0; h < extent.height; ++h)
        for (int w = 0; w < extent.width; ++w, ++k) f(static_cast<size_t>(k), c, h, w);
  }
  // Of one sample, in double: normalised x, and 1 / deviation.
  std::vector<double> normalised(int sample, double& inverse) const {
    std::vector<double> out;
    for_each_element(
        [&](size_t, int c, int h, int w) { out.push_back(static_cast<double>(x.at(sample, c, h, w))); });
    const auto n = static_cast<double>(out.size());
    double mean = 0.0, variance = 0.0;
    for (const double v : out) mean += v / n;
    for (const double v : out) variance += (v - mean) * (v - mean) / n;
    inverse = 1.0 / std::sqrt(variance + 1e-5);
    for (double& v : out) v = (v - mean) * inverse;
    return out;
  }
};

std::vector<Norm> norms() {
  std::vector<Norm> out;
  for (const int width : {16, 32, 64}) {
    out.emplace_back(coppice_extent{1, 1, 7}, width, 0);
    out.emplace_back(coppice_extent{1, 1, 1000}, width, 0);
  }
  out.emplace_back(coppice_extent{3, 4, 5}, 16, 1);
  out.emplace_back(coppice_extent{8, 9, 16}, 16, 0);
  return out;
}

TEST_P(Activations, LayerNormLosesNoDigitsToALargeMean) {
  for (const float mean : {0.0f, 1e3f, -1e5f})
    for (Norm& norm : norms()) {
      Rng rng(5, 0);
      norm.x.fill([&] { return mean + rng.normal(); });
      const coppice_run_state rs = state_of(Norm::kValid);
      run(table().layer_norm, norm.args, rs, norm.width);
      for (int n = 0; n < Norm::kValid; ++n) {
        double inverse;
        const std::vector<double> want = norm.normalised(n, inverse);
        norm.for_each_element([&](size_t k, int c, int h, int w) {
          EXPECT_NEAR(norm.y.at(n, c, h, w),
                      want[k] * static_cast<double>(norm.scale[k]) + static_cast<double>(norm.bias[k]), 1e-5)
              << mean;
        });
      }
      coppice_layer_norm_args back = norm.args;
      back.y = norm.dy.view;
      run(table().layer_norm_dx, back, rs, norm.width);
      for (int n = 0; n < Norm::kValid; ++n) {
        double inverse, one = 0.0, two = 0.0;
        const std::vector<double> x = norm.normalised(n, inverse);
        const auto g = [&](size_t k, int c, int h, int w) {
          return static_cast<double>(norm.scale[k]) * static_cast<double>(norm.dy.at(n, c, h, w));
        };
        norm.for_each_element([&](size_t k, int c, int h, int w) {
          one += g(k, c, h, w) / static_cast<double>(x.size());
          two += g(k, c, h, w) * x[k] / static_cast<double>(x.size());
        });
        norm.for_each_element([&](size_t k, int c, int h, int w) {
          EXPECT_NEAR(norm.dx.at(n, c, h, w), inverse * (g(k, c, h, w) - one - x[k] * two), 1e-4) << mean;
        });
      }
    }
}

TEST_P(Activations, LayerNormOfEqualNumbersIsItsBias) {
  for (Norm& norm : norms()) {
    norm.x.fill([] { return 1000.3f; });
    run(table().layer_norm, norm.args, state_of(Norm::kValid), norm.width);
    for (int n = 0; n < Norm::kValid; ++n)
      norm.for_each_element(
          [&](size_t k, int c, int h, int w) { EXPECT_NEAR(norm.y.at(n, c, h, w), norm.bias[k], 1e-5); });
  }
}

TEST_P(Activations, LayerNormKeepsANanWithinItsSample) {
  for (Norm& norm : norms()) {
    Rng rng(5, 0);
    norm.x.fill([&] { return rng.normal(); });
    norm.x.at(3, norm.extent.channels - 1, 0, norm.extent.width - 1) = kNan;
    run(table().layer_norm, norm.args, state_of(Norm::kValid), norm.width);
    for (int n = 0; n < Norm::kValid; ++n)
      norm.for_each_element(
          [&](size_t, int c, int h, int w) { EXPECT_EQ(std::isnan(norm.y.at(n, c, h, w)), n == 3); });
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, Activations, ::testing::ValuesIn(available_isas()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace coppice
