// SPDX-License-Identifier: Apache-2.0
#include "formats/apply.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/rng.h"
#include "kernels/plane_conv_problem.h"
#include "kernels/select.h"

namespace coppice {
namespace {

struct Layer {
  int64_t rows, cols;
  const char* block;
  double density;  // 1: the full pattern of single weights

  std::string text() const {
    return std::to_string(rows) + "x" + std::to_string(cols) + " " + block + " " + std::to_string(density);
  }
  Pattern pattern() const {
    if (density >= 1) return Pattern::full(rows, cols);
    const BlockShape shape = BlockShape::parse(block).take();
    const auto blocks = static_cast<int64_t>(density * static_cast<double>(rows * cols / shape.size()));
    return random_pattern(rows, cols, shape, blocks, 3, "apply");
  }
};

const Layer kLayers[] = {{16, 1, "16x1", 1},       {48, 40, "16x1", 0.3},   {48, 40, "16x4", 0.3},
                         {10, 33, "1x1", 1},       {37, 64, "1x1", 1},      {160, 1024, "16x1", 0.1},
                         {160, 1024, "16x4", 0.1}, {64, 40, "16x1", 0.004}, {32, 8, "16x4", 0.0}};

constexpr int kSamples = 2;
constexpr int kGuard = 77;

// Runs a kernel over all parts, in ranges of `together`.
void run(coppice_kernel kernel, const void* args, int32_t parts, int32_t together, int64_t scratch) {
  Bytes memory(static_cast<size_t>(scratch));
  coppice_run_state rs{};
  rs.samples = kSamples;
  for (int32_t part = 0; part < parts; part += together) {
    const coppice_item item = {0, kSamples, part, std::min(part + together, parts), memory.data()};
    kernel(args, &rs, &item);
  }
}

// Row-major, dead weights 0.
template <class Value>
std::vector<double> dense(const Pattern& pattern, const std::vector<Value>& values) {
  std::vector<double> out(static_cast<size_t>(pattern.total()), 0.0);
  const std::vector<size_t> places = live_places(pattern);
  for (size_t k = 0; k < places.size(); ++k) out[places[k]] = static_cast<double>(values[k]);
  return out;
}

TEST(ApplyF32, EqualsDoubleInAnyPartsOnEveryInstructionSet) {
  for (const Layer& layer : kLayers)
    for (const bool relu : {false, true}) {
      const Pattern pattern = layer.pattern();
      Rng rng(1, stream_id("apply", "f32"));
      std::vector<float> values(static_cast<size_t>(pattern.live())), bias(static_cast<size_t>(layer.rows));
      std::vector<float> x(static_cast<size_t>(layer.cols * kSamples));
      for (auto* list : {&values, &bias, &x})
        for (float& v : *list) v = rng.normal();
      const std::vector<double> w = dense(pattern, values);
      for (const std::string& isa : available_isas()) {
        std::vector<float> first;
        for (const int32_t together : {1, 3, 1000}) {
          SCOPED_TRACE(layer.text() + " " + isa + " " + std::to_string(together));
          const ApplyF32 weights(pattern, values, 2);
          std::vector<float> y(static_cast<size_t>((layer.rows + 1) * kSamples), kGuard);
          coppice_apply_f32_args args{};
          args.weights = &weights.view();
          args.bias = relu ? bias.data() : nullptr;
          args.x = {x.data(), layer.cols * 4, 0};
          args.y = {y.data(), (layer.rows + 1) * 4, 0};
          args.low = relu ? 0.0f : -std::numeric_limits<float>::infinity();
          run(select_kernels(isa)->forward->apply_f32, &args, weights.parts(), together, 0);
          for (int64_t s = 0; s < kSamples; ++s) {
            for (int64_t row = 0; row < layer.rows; ++row) {
              double want = relu ? static_cast<double>(bias[static_cast<size_t>(row)]) : 0.0;
              for (int64_t col = 0; col < layer.cols; ++col)
                want += w[static_cast<size_t>(row * layer.cols + col)] *
                        static_cast<double>(x[static_cast<size_t>(s * layer.cols + col)]);
              if (relu) want = std::max(want, 0.0);
              ASSERT_NEAR(y[static_cast<size_t>(s * (layer.rows + 1) + row)], want,
                          1e-4 * (1 + std::abs(want)));
            }
            ASSERT_EQ(y[static_cast<size_t>(s * (layer.rows + 1) + layer.rows)], kGuard);
          }
          if (first.empty()) first = y;
          ASSERT_EQ(y, first);  // however it is cut
        }
      }
    }
}

TEST(ApplyF32, WeightsMayBeIntegersWithAScale) {
  for (const int rows : {16, 37, 5})
    for (const auto& [c, full] : {std::pair{1, false}, {4, false}, {1, true}, {4, true}}) {
      const PlaneConv shape = {48, 1, rows, 1, 1, 1, 0, 0, 0, false, 0.4};
      Rng rng(5, stream_id("apply", "integers"));
      const PlaneWeights w(shape, 16, c, rng);
      const EncodedBlocks encoded(w, 1, c, full, 0.01f);
      const coppice_apply_f32 weights = encoded.integers();
      std::vector<float> x(48), bias(static_cast<size_t>(rows));
      for (auto* list : {&x, &bias})
        for (float& v : *list) v = rng.normal();
      for (const std::string& isa : available_isas()) {
        SCOPED_TRACE(isa + " " + std::to_string(rows) + " " + std::to_string(c));
        std::vector<float> y(static_cast<size_t>(rows + 1) * kSamples, kGuard);
        coppice_apply_f32_args args{};
        args.weights = &weights;
        args.bias = bias.data();
        args.x = {x.data(), 0, 0};
        args.y = {y.data(), (rows + 1) * 4, 0};
        args.low = -0.5f;
        run(select_kernels(isa)->forward->apply_f32, &args, weights.block_rows, 1, 0);
        for (int row = 0; row < rows; ++row) {
          double want = static_cast<double>(bias[static_cast<size_t>(row)]);
          for (int col = 0; col < 48; ++col)
            want += w.at(row, col) * 0.01 * static_cast<double>(x[static_cast<size_t>(col)]);
          EXPECT_NEAR(y[static_cast<size_t>(row)], std::max(want, -0.5), 1e-4 * (1 + std::abs(want)));
        }
        EXPECT_EQ(y[static_cast<size_t>(rows)], kGuard);
      }
    }
}

TEST(ApplyF32, NotANumberPassesRelu) {
  const Pattern pattern = Pattern::full(1, 1);
  const ApplyF32 weights(pattern, std::vector<float>{1.0f}, 1);
  float x[kSamples] = {std::numeric_limits<float>::quiet_NaN(), -1}, y[kSamples] = {};
  for (const std::string& isa : available_isas()) {
    coppice_apply_f32_args args{};
    args.weights = &weights.view();
    args.x = {x, 4, 0};
    args.y = {y, 4, 0};
    run(select_kernels(isa)->forward->apply_f32, &args, 1, 1, 0);
    EXPECT_TRUE(std::isnan(y[0])) << isa;
    EXPECT_EQ(y[1], 0.0f) << isa;
  }
}

// What an integer layer is made of, and its answer by the definition.
struct IntegerLayer {
  std::vector<int8_t> values, x;
  std::vector<int32_t> bias, multiplier, shift;
  std::vector<float> scale;
  int32_t zero_point_x = -7, zero_point = 3, low = -100, high = 127;

  IntegerLayer(const Layer& layer, const Pattern& pattern, bool extreme) {
    Rng rng(2, stream_id("apply", "i8"));
    const auto any = [&](int64_t least) {
      return static_cast<int8_t>(
          extreme ? (rng.below(2) ? 127 : least)
                  : least + static_cast<int64_t>(rng.below(static_cast<uint64_t>(128 - least))));
    };
    values.resize(static_cast<size_t>(pattern.live()));
    for (int8_t& v : values) v = any(-127);
    x.resize(static_cast<size_t>(stride(layer) * kSamples));
    for (int8_t& v : x) v = any(-128);
    const auto padded = static_cast<size_t>((layer.rows + 15) / 16 * 16);
    for (size_t row = 0; row < padded; ++row) {
      if (row < static_cast<size_t>(layer.rows))
        bias.push_back(static_cast<int32_t>(rng.below(20000)) - 10000);
      const Requantisation r = requantisation_of(0.0001 + 0.01 * static_cast<double>(rng.uniform()));
      multiplier.push_back(r.multiplier);
      shift.push_back(r.shift);
      scale.push_back(0.001f * rng.uniform());
    }
  }
  static int64_t stride(const Layer& layer) { return (layer.cols + 3) / 4 * 4; }

  int64_t sum(const Layer& layer, const std::vector<double>& w, int64_t s, int64_t row) const {
    int64_t out = bias[static_cast<size_t>(row)];
    for (int64_t col = 0; col < layer.cols; ++col)
      out += static_cast<int64_t>(w[static_cast<size_t>(row * layer.cols + col)]) *
             (x[static_cast<size_t>(s * stride(layer) + col)] - zero_point_x);
    return out;
  }
};

TEST(ApplyI8, EqualsTheDefinitionBitForBitInAnyPartsOnEveryInstructionSet) {
  for (const Layer& layer : kLayers)
    for (const bool extreme : {false, true})
      for (const bool to_float : {false, true}) {
        const Pattern pattern = layer.pattern();
        const IntegerLayer made(layer, pattern, extreme);
        const std::vector<double> w = dense(pattern, made.values);
        for (const std::string& isa : available_isas())
          for (const int32_t together : {1, 3, 1000}) {
            SCOPED_TRACE(layer.text() + " " + isa + " " + std::to_string(together) +
                         (extreme ? " extreme" : "") + (to_float ? " to float" : ""));
            const ApplyI8 weights(pattern, made.values, made.bias, made.zero_point_x, 2);
            const int64_t size = to_float ? 4 : 1, row_bytes = (layer.rows + 1) * size;
            std::vector<float> y(static_cast<size_t>((layer.rows + 1) * kSamples), kGuard);
            auto* const bytes = reinterpret_cast<int8_t*>(y.data());
            if (!to_float) std::fill(bytes, bytes + row_bytes * kSamples, kGuard);
            coppice_apply_i8_args args{};
            args.weights = &weights.view();
            args.x = {const_cast<int8_t*>(made.x.data()), IntegerLayer::stride(layer), 0};
            args.y = {y.data(), row_bytes, 0};
            args.multiplier = to_float ? nullptr : made.multiplier.data();
            args.shift = made.shift.data();
            args.zero_point = made.zero_point;
            args.low = made.low;
            args.high = made.high;
            args.scale = made.scale.data();
            args.low_float = -1.5f;
            run(select_kernels(isa)->forward->apply_i8, &args, weights.parts(), together,
                coppice_apply_i8_scratch(weights.view().cols));
            for (int64_t s = 0; s < kSamples; ++s) {
              for (int64_t row = 0; row < layer.rows; ++row) {
                const int64_t sum = made.sum(layer, w, s, row);
                const auto at = static_cast<size_t>(row);
                if (to_float) {
                  const float scaled = static_cast<float>(sum) * made.scale[at];
                  ASSERT_EQ(y[static_cast<size_t>(s * (layer.rows + 1) + row)], std::max(scaled, -1.5f));
                  continue;
                }
                const int64_t half = int64_t{1} << (made.shift[at] - 1);
                const int64_t exact = (sum * made.multiplier[at] + half) >> made.shift[at];
                const auto want = std::clamp<int64_t>(exact + made.zero_point, made.low, made.high);
                ASSERT_EQ(bytes[s * row_bytes + row], want);
              }
              if (to_float)
                ASSERT_EQ(y[static_cast<size_t>(s * (layer.rows + 1) + layer.rows)], kGuard);
              else
                ASSERT_EQ(bytes[s * row_bytes + layer.rows], kGuard);
            }
          }
      }
}

TEST(Quantise, TheLargestOfARowBecomes127AndNothingIsHalfAStepOff) {
  const Pattern pattern = Pattern::full(3, 5);
  std::vector<float> values(15);
  Rng rng(4, stream_id("quantise", "rows"));
  for (size_t i = 0; i < 10; ++i) values[i] = rng.normal();  // the last row stays 0
  const QuantisedRows rows = quantise_rows(pattern, values);
  EXPECT_EQ(rows.scale[2], 1.0f);
  for (size_t row = 0; row < 3; ++row) {
    int most = 0;
    for (size_t col = 0; col < 5; ++col) {
      const int q = rows.value[row * 5 + col];
      most = std::max(most, std::abs(q));
      EXPECT_NEAR(static_cast<float>(q) * rows.scale[row], values[row * 5 + col], 0.5001f * rows.scale[row]);
    }
    EXPECT_EQ(most, row < 2 ? 127 : 0);
  }
}

TEST(Requantise, FactorsAreKeptTo31Bits) {
  for (const double factor : {0x1p-31, 1e-6, 0.1, 0.5, 0.999999999999, 1.0, 3.7, 0x1p29}) {
    const Requantisation r = requantisation_of(factor);
    EXPECT_GE(r.shift, 1);
    EXPECT_LE(r.shift, 62);
    EXPECT_GT(r.multiplier, 0);
    EXPECT_NEAR(std::ldexp(static_cast<double>(r.multiplier), -r.shift), factor, factor * 0x1p-31);
  }
}

}  // namespace
}  // namespace coppice
