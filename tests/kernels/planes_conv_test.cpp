// SPDX-License-Identifier: Apache-2.0
// Convolutions of one sample on every instruction set: floats against double, integers exactly.
#include <cmath>
#include <limits>

#include "kernels/plane_conv_problem.h"
#include "kernels/plane_problem.h"

namespace coppice {
namespace {

const PlaneConv kConvs[] = {
    {16, 1, 16, 32, 32, 3, 1, 1, 1, false, 0.1}, {5, 1, 19, 9, 7, 3, 1, 1, 1, false, 0.3},
    {40, 1, 33, 8, 8, 3, 1, 1, 1, false, 0.2},   {8, 8, 8, 11, 10, 3, 1, 1, 1, false, 1.0},
    {32, 2, 32, 6, 5, 3, 1, 2, 0, false, 0.4},   {3, 1, 20, 12, 13, 5, 2, 2, 1, true, 0.5},
    {24, 1, 17, 1, 1, 1, 0, 0, 0, false, 0.5},   {7, 1, 16, 1, 30, 1, 0, 0, 3, false, 0.6},
    {12, 1, 48, 17, 17, 2, 0, 0, 1, false, 0.3}, {300, 1, 5, 3, 3, 1, 0, 1, 1, true, 0.01},
    {6, 1, 16, 4, 40, 3, 1, 1, 1, true, 0.0},    {9, 3, 6, 20, 1, 1, 0, 0, 0, false, 1.0}};

std::string text_of(const PlaneConv& p, const std::string& isa) {
  return isa + " " + std::to_string(p.channels) + "/" + std::to_string(p.groups) + " -> " +
         std::to_string(p.rows) + " on " + std::to_string(p.height) + "x" + std::to_string(p.width);
}

bool fits_blocks(const PlaneConv& p) { return p.groups == 1 || p.rows / p.groups % 16 == 0; }

// The sum of one output, in a type that has room for it.
template <class Sum, class T>
Sum sum_of(const PlaneConv& p, const PlaneWeights& w, TestPlane<T>& x, int row, int v, int u) {
  Sum sum{0};
  const int per_group = p.channels / p.groups, first = row / (p.rows / p.groups) * per_group;
  for (int c = 0, col = 0; c < per_group; ++c)
    for (int i = 0; i < p.kernel; ++i)
      for (int j = 0; j < p.kernel; ++j, ++col)
        if (w.at(row, col) != 0)
          sum += static_cast<Sum>(w.at(row, col)) *
                 static_cast<Sum>(x.at(first + c, v + i - p.padding, u + j - p.padding));
  return sum;
}

template <class X, class Y>
coppice_plane_conv conv_of(const PlaneConv& p, const std::vector<int32_t>& offset, const TestPlane<X>& x,
                           const TestPlane<Y>& y) {
  coppice_plane_conv conv{};
  conv.offset = offset.data();
  conv.x = x.view();
  conv.y = y.view();
  conv.group_rows = p.rows / p.groups;
  conv.group_channels = p.channels / p.groups;
  return conv;
}

enum class Addend { kNone, kOther, kSame, kItself };

// One kernel of floats on one encoding of the weights, over all epilogues and cuts.
void check_floats(const PlaneConv& p, const PlaneWeights& w, coppice_kernel kernel, const void* weights,
                  const float* scale, int part_channels, int least_band = 0) {
  constexpr float kScale = 0.01f;
  Rng rng(11, stream_id("planes", "conv"));
  TestPlane<float> x(p.channels, p.height, p.width, p.x_halo, p.wrap);
  x.randomise(rng);
  const std::vector<int32_t> offset = plane_offsets(p, x.view());
  std::vector<float> bias(static_cast<size_t>(p.rows));
  for (float& b : bias) b = rng.normal();
  for (const Addend addend : {Addend::kNone, Addend::kOther, Addend::kSame, Addend::kItself}) {
    const int add_halo = addend == Addend::kOther ? p.y_halo + 1 : p.y_halo;
    TestPlane<float> add(p.rows, p.out_height(), p.out_width(), add_halo);
    add.randomise(rng);
    std::vector<float> first;
    for (const int together : {1, 2, 100}) {
      TestPlane<float> y(p.rows, p.out_height(), p.out_width(), p.y_halo, p.wrap);
      if (addend == Addend::kItself) y.each([&](int c, int v, int u) { y.at(c, v, u) = add.at(c, v, u); });
      coppice_plane_conv_f32_args args{};
      args.conv = conv_of(p, offset, x, y);
      args.weights = weights;
      args.scale = scale;
      args.bias = addend == Addend::kNone ? nullptr : bias.data();
      args.add = addend == Addend::kNone ? nullptr : addend == Addend::kItself ? &y.view() : &add.view();
      args.low = addend == Addend::kSame ? -std::numeric_limits<float>::infinity() : 0.0f;
      const int parts = parts_of(p.rows, part_channels);
      const int64_t scratch = coppice_plane_conv_scratch(&args.conv);
      const std::vector<float> start = y.memory();
      run_parts(kernel, &args, y, parts, part_channels, together, scratch);
      y.expect_whole();
      if (together == 1)
        expect_bands(kernel, &args, &args.conv.part_height, y, start, parts, scratch, least_band);
      if (first.empty()) {
        first = y.memory();
        y.each([&](int c, int v, int u) {
          double want = sum_of<double>(p, w, x, c, v, u) * static_cast<double>(kScale);
          if (addend != Addend::kNone)
            want += static_cast<double>(bias[static_cast<size_t>(c)]) + static_cast<double>(add.at(c, v, u));
          want = std::max(want, static_cast<double>(args.low));
          ASSERT_NEAR(y.at(c, v, u), want, 1e-4 * (1 + std::abs(want))) << c << " " << v << " " << u;
        });
      }
      ASSERT_EQ(y.memory(), first);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(PlaneConvF32, SingleWeightsEqualDouble) {
  for (const std::string& isa : available_isas())
    for (const PlaneConv& p : kConvs)
      for (const bool dense : {false, true}) {
        SCOPED_TRACE(text_of(p, isa) + (dense ? " dense" : ""));
        Rng rng(12, stream_id("planes", "weights"));
        const PlaneWeights w(p, 1, 1, rng);
        const EncodedRows encoded(w, 3, dense, 0.01f);
        const std::vector<float> scale(static_cast<size_t>(p.rows), 0.01f);
        const coppice_rows floats = encoded.floats(), integers = encoded.integers();
        check_floats(p, w, plane_kernels(isa).conv_rows_f32, &floats, nullptr, 3, COPPICE_PLANE_LEAST_BAND);
        check_floats(p, w, plane_kernels(isa).conv_rows_f32, &integers, scale.data(), 3,
                     COPPICE_PLANE_LEAST_BAND);
        if (HasFatalFailure()) return;
      }
}

TEST(PlaneConvF32, BlocksEqualDouble) {
  for (const std::string& isa : available_isas())
    for (const PlaneConv& p : kConvs)
      for (const auto& [c, dense] : {std::pair{1, false}, {4, false}, {1, true}, {4, true}}) {
        if (!fits_blocks(p) || p.cols() % c != 0) continue;
        SCOPED_TRACE(text_of(p, isa) + " c " + std::to_string(c) + (dense ? " dense" : ""));
        Rng rng(13, stream_id("planes", "weights"));
        const PlaneWeights w(p, 16, c, rng);
        const EncodedBlocks encoded(w, 2, c, dense, 0.01f);
        const coppice_apply_f32 floats = encoded.floats(), integers = encoded.integers();
        check_floats(p, w, plane_kernels(isa).conv_blocks_f32, &floats, nullptr, 32);
        check_floats(p, w, plane_kernels(isa).conv_blocks_f32, &integers, nullptr, 32);
        if (HasFatalFailure()) return;
      }
}

TEST(PlaneConvF32, NotANumberPasses) {
  const PlaneConv p = {1, 1, 16, 6, 6, 3, 1, 1, 1, false, 1.0};
  for (const std::string& isa : available_isas())
    for (const bool blocks : {false, true}) {
      Rng rng(14, stream_id("planes", "weights"));
      const PlaneWeights w(p, 16, 1, rng);
      const EncodedRows rows(w, 16, false, 1.0f);
      const EncodedBlocks block_rows(w, 1, 1, false, 1.0f);
      const coppice_rows single = rows.floats();
      const coppice_apply_f32 together = block_rows.floats();
      TestPlane<float> x(1, 6, 6, 1), y(16, 6, 6, 1);
      x.randomise(rng);
      x.at(0, 2, 2) = std::numeric_limits<float>::quiet_NaN();
      const std::vector<int32_t> offset = plane_offsets(p, x.view());
      coppice_plane_conv_f32_args args{};
      args.conv = conv_of(p, offset, x, y);
      args.weights = blocks ? static_cast<const void*>(&together) : &single;
      run_parts(blocks ? plane_kernels(isa).conv_blocks_f32 : plane_kernels(isa).conv_rows_f32, &args, y, 1,
                16, 1, coppice_plane_conv_scratch(&args.conv));
      y.each([&](int c, int v, int u) {
        EXPECT_EQ(std::isnan(y.at(c, v, u)), std::abs(v - 2) <= 1 && std::abs(u - 2) <= 1) << isa;
      });
      y.expect_whole();
    }
}

// What an integer convolution is made of beside its weights. Shifts are short for some rows, as only tables
// made by hand have them.
struct Integers {
  std::vector<int32_t> bias, multiplier, shift;
  std::vector<float> scale;
  int zero_point_y = 3, low = -100, high = 120;

  Integers(const PlaneConv& p, Rng& rng) {
    for (int row = 0; row < p.padded_rows(); ++row) {
      const bool real = row < p.rows;
      bias.push_back(real ? static_cast<int32_t>(rng.below(40000)) - 20000 : 0);
      const auto shifts =
          static_cast<int32_t>(row % 5 == 4 ? 1 + rng.below(33) : 34 + rng.below(row % 5 == 3 ? 29 : 10));
      shift.push_back(shifts);
      const int32_t most = row % 5 == 4 ? (shifts > 9 ? 1 << (shifts - 9) : 1) : 0x7fffffff;
      multiplier.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(most))));
      scale.push_back(0.001f * rng.uniform());
    }
  }
};

template <class Y>
void check_integers(const PlaneConv& p, const PlaneWeights& w, const Integers& made, coppice_kernel kernel,
                    const void* weights, int part_channels) {
  Rng rng(15, stream_id("planes", "conv"));
  TestPlane<int8_t> x(p.channels, p.height, p.width, p.x_halo, p.wrap, -9);
  x.randomise(rng);
  const std::vector<int32_t> offset = plane_offsets(p, x.view());
  for (const int together : {1, 2, 100}) {
    TestPlane<Y> y(p.rows, p.out_height(), p.out_width(), p.y_halo, p.wrap, sizeof(Y) == 1 ? 3 : 0);
    coppice_plane_conv_i8_args args{};
    args.conv = conv_of(p, offset, x, y);
    args.weights = weights;
    args.bias = made.bias.data();
    args.multiplier = sizeof(Y) == 1 ? made.multiplier.data() : nullptr;
    args.shift = made.shift.data();
    args.zero_point = made.zero_point_y;
    args.low = made.low;
    args.high = made.high;
    args.scale = made.scale.data();
    args.low_float = -1.5f;
    const int parts = parts_of(p.rows, part_channels);
    const int64_t scratch = coppice_plane_conv_scratch(&args.conv);
    const std::vector<Y> start = y.memory();
    run_parts(kernel, &args, y, parts, part_channels, together, scratch);
    y.expect_whole();
    if (together == 1) expect_bands(kernel, &args, &args.conv.part_height, y, start, parts, scratch);
    y.each([&](int c, int v, int u) {
      const auto row = static_cast<size_t>(c);
      const int64_t sum = made.bias[row] + sum_of<int64_t>(p, w, x, c, v, u);
      if constexpr (sizeof(Y) == 1) {
        const int shift = made.shift[row];
        const int64_t exact = (sum * made.multiplier[row] + (int64_t{1} << (shift - 1))) >> shift;
        ASSERT_EQ(y.at(c, v, u), std::clamp<int64_t>(exact + made.zero_point_y, made.low, made.high))
            << c << " " << v << " " << u << " sum " << sum << " shift " << shift;
      } else {
        const float scaled = static_cast<float>(sum) * made.scale[row];
        ASSERT_EQ(y.at(c, v, u), std::max(scaled, -1.5f)) << c << " " << v << " " << u;
      }
    });
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(PlaneConvI8, SingleWeightsAreExact) {
  for (const std::string& isa : available_isas())
    for (const PlaneConv& p : kConvs)
      for (const bool dense : {false, true}) {
        SCOPED_TRACE(text_of(p, isa) + (dense ? " dense" : ""));
        Rng rng(16, stream_id("planes", "weights"));
        const PlaneWeights w(p, 1, 1, rng);
        const Integers made(p, rng);
        const EncodedRows encoded(w, 3, dense, 1.0f);
        const coppice_rows integers = encoded.integers();
        check_integers<int8_t>(p, w, made, plane_kernels(isa).conv_rows_i8, &integers, 3);
        check_integers<float>(p, w, made, plane_kernels(isa).conv_rows_i8, &integers, 3);
        if (HasFatalFailure()) return;
      }
}

TEST(PlaneConvI8, BlocksAreExact) {
  for (const std::string& isa : available_isas())
    for (const PlaneConv& p : kConvs)
      for (const auto& [c, dense] : {std::pair{1, false}, {4, false}, {4, true}}) {
        if (!fits_blocks(p) || (c == 4 && !dense && p.cols() % 4 != 0)) continue;
        SCOPED_TRACE(text_of(p, isa) + " c " + std::to_string(c) + (dense ? " dense" : ""));
        Rng rng(17, stream_id("planes", "weights"));
        const PlaneWeights w(p, 16, c, rng);
        const Integers made(p, rng);
        const EncodedGroups encoded(w, 2, c, dense, made.bias.data());
        check_integers<int8_t>(p, w, made, plane_kernels(isa).conv_blocks_i8, &encoded.view(), 32);
        check_integers<float>(p, w, made, plane_kernels(isa).conv_blocks_i8, &encoded.view(), 32);
        if (HasFatalFailure()) return;
      }
}

TEST(PlaneRows, LinearLayersOfSingleWeights) {
  for (const std::string& isa : available_isas())
    for (const auto& [rows, cols, density] :
         {std::tuple{10, 33, 1.0}, {37, 1000, 0.1}, {64, 700, 0.003}, {1, 1, 1.0}, {20, 64, 0.0}})
      for (const bool dense : {false, true})
        for (const int together : {1, 100}) {
          SCOPED_TRACE(isa + " " + std::to_string(rows) + "x" + std::to_string(cols));
          const PlaneConv p = {cols, 1, rows, 1, 1, 1, 0, 0, 0, false, density};
          Rng rng(18, stream_id("planes", "weights"));
          const PlaneWeights w(p, 1, 1, rng);
          const Integers made(p, rng);
          const EncodedRows encoded(w, 3, dense, 0.01f);
          const coppice_rows floats = encoded.floats(), integers = encoded.integers();
          const std::vector<float> scale(static_cast<size_t>(rows), 0.01f);
          const int parts = parts_of(rows, 3);
          TestPlane<float> x(cols, 1, 1, 0);
          x.randomise(rng);
          for (const bool by_integers : {false, true}) {
            TestPlane<float> y(rows, 1, 1, 0);
            const coppice_rows_f32_args args = {by_integers ? &integers : &floats,
                                                by_integers ? scale.data() : nullptr,
                                                made.scale.data(),
                                                x.view().at,
                                                y.view().at,
                                                -0.2f};
            run_parts(plane_kernels(isa).rows_f32, &args, y, parts, 3, together);
            y.expect_whole();
            y.each([&](int c, int, int) {
              const double want = sum_of<double>(p, w, x, c, 0, 0) * 0.01 +
                                  static_cast<double>(made.scale[static_cast<size_t>(c)]);
              ASSERT_NEAR(y.at(c, 0, 0), std::max(want, -0.2), 1e-4 * (1 + std::abs(want)));
            });
          }
          TestPlane<int8_t> bytes(cols, 1, 1, 0), y(rows, 1, 1, 0);
          TestPlane<float> y_float(rows, 1, 1, 0);
          bytes.randomise(rng);
          coppice_rows_i8_args args{};
          args.weights = &integers;
          args.bias = made.bias.data();
          args.x = bytes.view().at;
          args.y = y.view().at;
          args.multiplier = made.multiplier.data();
          args.shift = made.shift.data();
          args.zero_point = 3;
          args.low = -100;
          args.high = 120;
          args.scale = made.scale.data();
          args.low_float = -1.5f;
          run_parts(plane_kernels(isa).rows_i8, &args, y, parts, 3, together);
          args.multiplier = nullptr;
          args.y = y_float.view().at;
          run_parts(plane_kernels(isa).rows_i8, &args, y_float, parts, 3, together);
          y.expect_whole();
          y_float.expect_whole();
          y.each([&](int c, int, int) {
            const auto row = static_cast<size_t>(c);
            const int64_t sum = made.bias[row] + sum_of<int64_t>(p, w, bytes, c, 0, 0);
            const int shift = made.shift[row];
            const int64_t exact = (sum * made.multiplier[row] + (int64_t{1} << (shift - 1))) >> shift;
            ASSERT_EQ(y.at(c, 0, 0), std::clamp<int64_t>(exact + 3, -100, 120));
            ASSERT_EQ(y_float.at(c, 0, 0), std::max(static_cast<float>(sum) * made.scale[row], -1.5f));
          });
        }
}

}  // namespace
}  // namespace coppice
