// SPDX-License-Identifier: Apache-2.0
// The kernels between convolutions, on every instruction set, against their definitions in double or in exact
// integers, in any parts.
#include <cmath>
#include <functional>
#include <limits>

#include "plane_problem.h"

namespace coppice {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

struct Size {
  int channels, height, width, x_halo, y_halo;
  bool wrap;
};
const Size kSizes[] = {{5, 7, 9, 1, 1, false},  {3, 1, 1, 0, 0, false},   {4, 1, 13, 0, 2, false},
                       {3, 8, 8, 1, 0, false},  {2, 33, 32, 0, 1, false}, {3, 5, 4, 2, 2, true},
                       {2, 16, 21, 0, 3, true}, {18, 4, 4, 1, 1, false},  {1, 3, 1, 1, 2, true}};

// Runs `body` for each instruction set, size, and way of cutting: body(kernels, size, part_channels,
// together).
void everywhere(
    const std::function<void(const coppice_plane_kernels&, const Size&, int part, int together)>& body) {
  for (const std::string& isa : available_isas())
    for (const Size& size : kSizes)
      for (const auto& [part, together] : {std::pair{1, 1}, {2, 1}, {1, 100}}) {
        SCOPED_TRACE(isa + " " + std::to_string(size.channels) + "x" + std::to_string(size.height) + "x" +
                     std::to_string(size.width) + " parts of " + std::to_string(part));
        body(plane_kernels(isa), size, part, together);
      }
}

double bounded(double y, double low) { return y < low ? low : y; }

TEST(PlaneAdd, FloatsEqualDouble) {
  everywhere([](const coppice_plane_kernels& k, const Size& s, int part, int together) {
    for (const bool product : {false, true})
      for (const bool spread : {false, true}) {
        Rng rng(1, stream_id("planes", "add"));
        TestPlane<float> a(s.channels, s.height, s.width, s.x_halo);
        TestPlane<float> b(s.channels, spread ? 1 : s.height, spread ? 1 : s.width, s.y_halo);
        TestPlane<float> y(s.channels, s.height, s.width, s.y_halo, s.wrap);
        a.randomise(rng);
        b.randomise(rng);
        a.at(0, 0, 0) = kNan;
        coppice_plane_add_args args{};
        args.a = a.view();
        args.b = b.view();
        args.y = y.view();
        args.product = product;
        args.low = spread ? -std::numeric_limits<float>::infinity() : 0.0f;
        args.part_channels = part;
        run_cuts(k.add_f32, args, y, part, together);
        y.each([&](int c, int v, int u) {
          const double one = static_cast<double>(a.at(c, v, u));
          const double two = static_cast<double>(spread ? b.at(c, 0, 0) : b.at(c, v, u));
          if (c + v + u == 0)
            ASSERT_TRUE(std::isnan(y.at(c, v, u)));
          else
            ASSERT_NEAR(y.at(c, v, u), bounded(product ? one * two : one + two, spread ? -kInfinity : 0.0),
                        1e-5);
        });
        y.at(0, 0, 0) = 0;
        if (!s.wrap) y.expect_whole();
      }
  });
}

TEST(PlaneAdd, MayWriteOverAnInput) {
  everywhere([](const coppice_plane_kernels& k, const Size& s, int part, int together) {
    Rng rng(2, stream_id("planes", "add"));
    TestPlane<float> a(s.channels, s.height, s.width, s.x_halo), y(s.channels, s.height, s.width, s.y_halo);
    a.randomise(rng);
    y.randomise(rng);
    TestPlane<float> before(s.channels, s.height, s.width, s.y_halo);
    before.each([&](int c, int v, int u) { before.at(c, v, u) = y.at(c, v, u); });
    coppice_plane_add_args args{};
    args.a = a.view();
    args.b = args.y = y.view();
    args.low = -1;
    args.part_channels = part;
    run_cuts(k.add_f32, args, y, part, together);
    y.each([&](int c, int v, int u) {
      ASSERT_EQ(y.at(c, v, u), std::max(a.at(c, v, u) + before.at(c, v, u), -1.0f));
    });
    y.expect_whole();
  });
}

TEST(PlaneAdd, IntegersAreExact) {
  everywhere([](const coppice_plane_kernels& k, const Size& s, int part, int together) {
    for (const bool spread : {false, true}) {
      Rng rng(3, stream_id("planes", "add"));
      TestPlane<int8_t> a(s.channels, s.height, s.width, s.x_halo, false, 5);
      TestPlane<int8_t> b(s.channels, spread ? 1 : s.height, spread ? 1 : s.width, s.x_halo);
      TestPlane<int8_t> y(s.channels, s.height, s.width, s.y_halo, s.wrap, -3);
      a.randomise(rng);
      b.randomise(rng);
      coppice_plane_add_args args{};
      args.a = a.view();
      args.b = b.view();
      args.y = y.view();
      args.multiplier_a = 1234567;
      args.multiplier_b = -765432;
      args.offset = 98765;
      args.shift = 20;
      args.low_i8 = -90;
      args.high_i8 = 101;
      args.part_channels = part;
      run_cuts(k.add_i8, args, y, part, together);
      y.each([&](int c, int v, int u) {
        const int64_t sum = int64_t{1234567} * a.at(c, v, u) -
                            int64_t{765432} * (spread ? b.at(c, 0, 0) : b.at(c, v, u)) + 98765;
        ASSERT_EQ(y.at(c, v, u), std::clamp<int64_t>(sum >> 20, -90, 101));
      });
      y.expect_whole();
    }
  });
}

double function_of(int function, double x, double p, double q) {
  const double gate = std::clamp(x / 6 + 0.5, 0.0, 1.0);
  switch (function) {
    case COPPICE_FN_CLIP:
      return std::max(std::min(x, q), p);
    case COPPICE_FN_LEAKY_RELU:
      return x < 0 ? p * x : x;
    case COPPICE_FN_ELU:
      return x < 0 ? p * std::expm1(x) : x;
    case COPPICE_FN_SIGMOID:
      return 1 / (1 + std::exp(-x));
    case COPPICE_FN_TANH:
      return std::tanh(x);
    case COPPICE_FN_SILU:
      return x / (1 + std::exp(-x));
    case COPPICE_FN_GELU:
      return x * (1 + std::erf(x / std::sqrt(2.0))) / 2;
    case COPPICE_FN_GELU_TANH:
      return x * (1 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x))) / 2;
    case COPPICE_FN_HARD_SIGMOID:
      return gate;
    default:
      return x * gate;
  }
}

TEST(PlaneMap, FloatsEqualDoubleAndPassNan) {
  everywhere([](const coppice_plane_kernels& k, const Size& s, int part, int together) {
    for (int function = 0; function < COPPICE_FN_COUNT; ++function) {
      SCOPED_TRACE(function);
      Rng rng(4, stream_id("planes", "map"));
      TestPlane<float> x(s.channels, s.height, s.width, s.x_halo);
      TestPlane<float> y(s.channels, s.height, s.width, s.y_halo, s.wrap);
      x.randomise(rng);
      x.each([&](int c, int v, int u) { x.at(c, v, u) *= 3; });
      x.at(0, 0, 0) = kNan;
      coppice_plane_map_args args{};
      args.x = x.view();
      args.y = y.view();
      args.function = function;
      args.p = 0.25f;
      args.q = 2.5f;
      args.part_channels = part;
      run_cuts(k.map_f32, args, y, part, together);
      y.each([&](int c, int v, int u) {
        if (c + v + u == 0)
          ASSERT_TRUE(std::isnan(y.at(c, v, u)));
        else
          ASSERT_NEAR(y.at(c, v, u), function_of(function, static_cast<double>(x.at(c, v, u)), 0.25, 2.5),
                      2e-6 + 2e-6 * std::abs(static_cast<double>(x.at(c, v, u))));
      });
      if (!s.wrap) y.expect_whole();
    }
  });
}

TEST(PlaneMap, IntegersLookUpATable) {
  int8_t table[256];
  for (int i = 0; i < 256; ++i) table[i] = static_cast<int8_t>(i * 37 + 11);
  everywhere([&](const coppice_plane_kernels& k, const Size& s, int part, int together) {
    Rng rng(5, stream_id("planes", "map"));
    TestPlane<int8_t> x(s.channels, s.height, s.width, s.x_halo);
    TestPlane<int8_t> y(s.channels, s.height, s.width, s.y_halo, s.wrap, 9);
    x.randomise(rng);
    coppice_plane_map_args args{};
    args.x = x.view();
    args.y = y.view();
    args.table = table;
    args.part_channels = part;
    run_cuts(k.map_i8, args, y, part, together);
    y.each([&](int c, int v, int u) { ASSERT_EQ(y.at(c, v, u), table[x.at(c, v, u) + 128]); });
    y.expect_whole();
  });
}

TEST(PlaneAffine, AnyOfItsVectorsMayBeMissing) {
  everywhere([](const coppice_plane_kernels& k, const Size& s, int part, int together) {
    for (int given = 0; given < 8; ++given) {
      Rng rng(6, stream_id("planes", "affine"));
      TestPlane<float> x(s.channels, s.height, s.width, s.x_halo);
      TestPlane<float> y(s.channels, s.height, s.width, s.y_halo, s.wrap);
      std::vector<float> scale, shift, slope;
      for (auto* list : {&scale, &shift, &slope})
        for (int c = 0; c < s.channels; ++c) list->push_back(rng.normal());
      x.randomise(rng);
      coppice_plane_affine_args args{};
      args.x = x.view();
      args.y = y.view();
      args.scale = given & 1 ? scale.data() : nullptr;
      args.shift = given & 2 ? shift.data() : nullptr;
      args.slope = given & 4 ? slope.data() : nullptr;
      args.low = -0.75f;
      args.part_channels = part;
      run_cuts(k.affine, args, y, part, together);
      y.each([&](int c, int v, int u) {
        const auto i = static_cast<size_t>(c);
        float want = x.at(c, v, u);
        if ((given & 4) && want < 0) want *= slope[i];
        if (given & 1) want *= scale[i];
        if (given & 2) want += shift[i];
        ASSERT_NEAR(y.at(c, v, u), std::max(want, -0.75f), 1e-5);
      });
      y.expect_whole();
    }
  });
}

TEST(PlaneNorm, EqualsDouble) {
  for (const std::string& isa : available_isas())
    for (const Size& s : kSizes) {
      SCOPED_TRACE(isa);
      Rng rng(7, stream_id("planes", "norm"));
      TestPlane<float> x(s.channels, s.height, s.width, s.x_halo);
      TestPlane<float> y(s.channels, s.height, s.width, s.y_halo, s.wrap);
      x.randomise(rng);
      std::vector<float> scale, shift;
      double sum = 0, square = 0;
      x.each([&](int c, int v, int u) {
        x.at(c, v, u) += 20;
        sum += static_cast<double>(x.at(c, v, u));
        scale.push_back(rng.normal());
        shift.push_back(rng.normal());
      });
      const auto n = static_cast<double>(scale.size());
      x.each([&](int c, int v, int u) {
        const double d = static_cast<double>(x.at(c, v, u)) - sum / n;
        square += d * d;
      });
      coppice_plane_norm_args args{};
      args.x = x.view();
      args.y = y.view();
      args.scale = scale.data();
      args.shift = shift.data();
      args.epsilon = 1e-5f;
      run_parts(plane_kernels(isa).norm, &args, y, 1, s.channels, 1);
      size_t i = 0;
      y.each([&](int c, int v, int u) {
        const double normal = (static_cast<double>(x.at(c, v, u)) - sum / n) / std::sqrt(square / n + 1e-5);
        const double want = static_cast<double>(scale[i]) * normal + static_cast<double>(shift[i]);
        ASSERT_NEAR(y.at(c, v, u), want, 1e-4);
        ++i;
      });
      y.expect_whole();
    }
}

TEST(PlaneQuantise, RoundsHalvesToEvenAndIsExactEverywhere) {
  everywhere([](const coppice_plane_kernels& k, const Size& s, int part, int together) {
    Rng rng(8, stream_id("planes", "quantise"));
    TestPlane<float> x(s.channels, s.height, s.width, s.x_halo);
    TestPlane<int8_t> q(s.channels, s.height, s.width, s.y_halo, s.wrap, -11);
    TestPlane<float> back(s.channels, s.height, s.width, s.x_halo, s.wrap);
    const float special[] = {kNan,    1e30f,   -1e30f,   std::numeric_limits<float>::infinity(),
                             0.0625f, 0.1875f, -0.0625f, 0.3125f};
    size_t next = 0;
    x.fill_with([&] { return next < 8 ? special[next++] : rng.normal() * 10; });
    coppice_plane_quantise_args args{};
    args.x = x.view();
    args.y = q.view();
    args.inverse_scale = 8.0f;
    args.scale = 0.3f;
    args.zero_point = -11;
    args.part_channels = part;
    run_cuts(k.quantise, args, q, part, together);
    q.each([&](int c, int v, int u) {
      const double scaled = static_cast<double>(x.at(c, v, u)) * 8;
      const double want = std::isnan(scaled) ? -11 : std::clamp(std::nearbyint(scaled) - 11, -128.0, 127.0);
      ASSERT_EQ(q.at(c, v, u), want);
    });
    q.expect_whole();
    args.x = q.view();
    args.y = back.view();
    run_cuts(k.dequantise, args, back, part, together);
    back.each([&](int c, int v, int u) {
      const float difference = static_cast<float>(q.at(c, v, u) + 11);
      ASSERT_EQ(back.at(c, v, u), difference * 0.3f);
    });
    back.expect_whole();
  });
}

}  // namespace
}  // namespace coppice
