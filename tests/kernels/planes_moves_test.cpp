// SPDX-License-Identifier: Apache-2.0
// Pooling and copies of one sample on every instruction set, against their definitions.
#include <cmath>
#include <limits>

#include "kernels/plane_problem.h"

namespace coppice {
namespace {

struct Pool {
  int channels, height, width, kernel[2], stride[2], padding[2];
  int out_height() const { return (height + 2 * padding[0] - kernel[0]) / stride[0] + 1; }
  int out_width() const { return (width + 2 * padding[1] - kernel[1]) / stride[1] + 1; }
};
const Pool kPools[] = {{5, 8, 8, {8, 8}, {1, 1}, {0, 0}},   {3, 7, 9, {3, 3}, {2, 2}, {1, 1}},
                       {4, 6, 130, {2, 2}, {2, 2}, {0, 0}}, {2, 5, 4, {2, 3}, {1, 1}, {1, 1}},
                       {3, 25, 5, {25, 5}, {1, 1}, {0, 0}}, {2, 12, 11, {3, 2}, {3, 3}, {0, 0}},
                       {1, 9, 20, {9, 10}, {1, 3}, {4, 4}}, {2, 1, 1, {1, 1}, {1, 1}, {0, 0}}};

// Visits the pixels of a window that exist: visit(v, u).
template <class Visit>
int each_of_window(const Pool& p, int v, int u, Visit&& visit) {
  int count = 0;
  for (int i = 0; i < p.kernel[0]; ++i)
    for (int j = 0; j < p.kernel[1]; ++j) {
      const int y = v * p.stride[0] - p.padding[0] + i, x = u * p.stride[1] - p.padding[1] + j;
      if (y < 0 || y >= p.height || x < 0 || x >= p.width) continue;
      visit(y, x);
      ++count;
    }
  return count;
}

template <class X, class Y>
coppice_plane_pool_args args_of(const Pool& p, const TestPlane<X>& x, const TestPlane<Y>& y, bool maximum,
                                bool count_padding, int part) {
  coppice_plane_pool_args args{};
  args.x = x.view();
  args.y = y.view();
  for (int d = 0; d < 2; ++d) {
    args.kernel[d] = p.kernel[d];
    args.stride[d] = p.stride[d];
    args.padding[d] = p.padding[d];
  }
  args.maximum = maximum;
  args.count_padding = count_padding;
  args.scale = 0.7f;
  args.part_channels = part;
  return args;
}

TEST(PlanePool, FloatsEqualDouble) {
  for (const std::string& isa : available_isas())
    for (const Pool& p : kPools)
      for (const bool maximum : {false, true})
        for (const bool count_padding : {false, true})
          for (const int part : {1, 2}) {
            SCOPED_TRACE(isa + " " + std::to_string(p.height) + "x" + std::to_string(p.width));
            Rng rng(1, stream_id("planes", "pool"));
            TestPlane<float> x(p.channels, p.height, p.width, 1);
            TestPlane<float> y(p.channels, p.out_height(), p.out_width(), part, part == 2);
            x.randomise(rng);
            coppice_plane_pool_args args = args_of(p, x, y, maximum, count_padding, part);
            run_cuts(plane_kernels(isa).pool_f32, args, y, part, 1);
            y.each([&](int c, int v, int u) {
              double sum = 0, most = -1e30;
              const int count = each_of_window(p, v, u, [&](int i, int j) {
                sum += static_cast<double>(x.at(c, i, j));
                most = std::max(most, static_cast<double>(x.at(c, i, j)));
              });
              const double divisor = count_padding ? p.kernel[0] * p.kernel[1] : count;
              ASSERT_NEAR(y.at(c, v, u), maximum ? most : sum / divisor, 1e-5);
            });
            y.expect_whole();
          }
}

TEST(PlanePool, NotANumberStaysTheMaximum) {
  for (const std::string& isa : available_isas())
    for (const Pool& p : kPools) {
      TestPlane<float> x(p.channels, p.height, p.width, 0), y(p.channels, p.out_height(), p.out_width(), 0);
      x.fill_with([] { return -std::numeric_limits<float>::infinity(); });
      x.at(0, 0, 0) = std::numeric_limits<float>::quiet_NaN();
      const coppice_plane_pool_args args = args_of(p, x, y, true, false, 1);
      run_parts(plane_kernels(isa).pool_f32, &args, y, p.channels, 1, 100);
      y.each([&](int c, int v, int u) {
        bool seen = false;
        each_of_window(p, v, u, [&](int i, int j) { seen = seen || (c == 0 && i == 0 && j == 0); });
        if (seen)
          ASSERT_TRUE(std::isnan(y.at(c, v, u))) << isa;
        else
          ASSERT_EQ(y.at(c, v, u), -std::numeric_limits<float>::infinity()) << isa;
      });
    }
}

TEST(PlanePool, IntegersAreExact) {
  for (const std::string& isa : available_isas())
    for (const Pool& p : kPools)
      for (const bool count_padding : {false, true}) {
        SCOPED_TRACE(isa + " " + std::to_string(p.height) + "x" + std::to_string(p.width));
        Rng rng(2, stream_id("planes", "pool"));
        TestPlane<int8_t> x(p.channels, p.height, p.width, 1, false, -7);
        TestPlane<int8_t> most(p.channels, p.out_height(), p.out_width(), 1, false, -7);
        TestPlane<float> mean(p.channels, p.out_height(), p.out_width(), 1);
        x.randomise(rng);
        coppice_plane_pool_args max_args = args_of(p, x, most, true, count_padding, 1);
        coppice_plane_pool_args mean_args = args_of(p, x, mean, false, count_padding, 1);
        run_cuts(plane_kernels(isa).pool_i8, max_args, most, 1, 1);
        run_cuts(plane_kernels(isa).pool_i8, mean_args, mean, 1, 1);
        most.each([&](int c, int v, int u) {
          int sum = 0, largest = -128;
          const int count = each_of_window(p, v, u, [&](int i, int j) {
            sum += x.at(c, i, j);
            largest = std::max<int>(largest, x.at(c, i, j));
          });
          ASSERT_EQ(most.at(c, v, u), largest);
          const int divisor = count_padding ? p.kernel[0] * p.kernel[1] : count;
          const float scaled = static_cast<float>(sum + count * 7) * 0.7f;
          ASSERT_EQ(mean.at(c, v, u), scaled / static_cast<float>(divisor));
        });
        most.expect_whole();
        mean.expect_whole();
      }
}

struct Copy {
  int x_channels, height, width;
  int y_channels, out_height, out_width;
  int x_channel, step_c, y_channel, channels, top, left, step_y, step_x, phases;
  bool wrap;
};
const Copy kCopies[] = {
    {4, 7, 9, 4, 7, 9, 0, 1, 0, 4, 0, 0, 1, 1, 1, false},     // whole
    {4, 7, 9, 9, 3, 4, 1, 1, 2, 3, 2, 3, 1, 1, 1, false},     // a slice between other channels
    {3, 5, 6, 3, 9, 11, 0, 1, 0, 3, -2, -2, 1, 1, 1, false},  // padding
    {3, 5, 6, 3, 9, 11, 0, 1, 0, 3, -2, -2, 1, 1, 1, true},   // wrapped
    {2, 8, 10, 8, 5, 6, 0, 1, 0, 2, -1, -1, 2, 2, 2, false},  // phases of stride 2 with padding 1
    {2, 33, 71, 8, 17, 36, 0, 1, 0, 2, -1, -1, 2, 2, 2, true},
    {2, 32, 32, 8, 17, 17, 0, 1, 0, 2, -1, -1, 2, 2, 2, false},  // all of it in the picture and its rim
    {1, 20, 94, 4, 11, 48, 0, 1, 0, 1, -1, -1, 2, 2, 2, false},
    {1, 9, 5, 4, 5, 3, 0, 1, 0, 1, -1, -1, 2, 2, 2, false},      // rows shorter than a vector
    {1, 20, 21, 4, 12, 12, 0, 1, 0, 1, -2, -2, 2, 2, 2, false},  // reaching out further than the rim
    {2, 7, 8, 18, 3, 3, 0, 1, 0, 2, 0, 0, 3, 3, 3, false},       // stride 3, reaching out
    {6, 6, 6, 3, 3, 2, 5, -2, 0, 3, 5, 0, -2, 3, 1, false},      // steps, some of them back
    {1, 4, 4, 1, 4, 4, 0, 1, 0, 1, 9, 0, 1, 1, 1, false},        // nothing of it exists
    {3, 1, 1, 5, 1, 1, 0, 1, 2, 3, 0, 0, 1, 1, 1, false},        // concatenation of flat values
};

// The rim of what is read, which may be like that of y.
struct Rim {
  bool wrap;
  int fill;
};

template <class T>
void check_copy(const Copy& p, coppice_kernel kernel, Rim rim, int halo, int part, int together) {
  Rng rng(3, stream_id("planes", "copy"));
  TestPlane<T> x(p.x_channels, p.height, p.width, 1, rim.wrap, sizeof(T) == 1 ? rim.fill : 0);
  TestPlane<T> y(p.y_channels, p.out_height, p.out_width, halo, p.wrap, sizeof(T) == 1 ? -5 : 0);
  x.randomise(rng);
  coppice_plane_copy_args args{};
  args.x = x.view();
  args.y = y.view();
  args.x_channel = p.x_channel;
  args.step_c = p.step_c;
  args.y_channel = p.y_channel;
  args.channels = p.channels;
  args.top = p.top;
  args.left = p.left;
  args.step_y = p.step_y;
  args.step_x = p.step_x;
  args.phases = p.phases;
  args.wrap = p.wrap;
  args.part_channels = part;
  const int each = p.phases * p.phases, end = p.y_channel + p.channels * each;
  const std::vector<T> start = y.memory();
  run_parts(kernel, &args, y, parts_of(p.channels, part), part * each, together, 0, p.y_channel, end);
  if (together == 1) expect_bands(kernel, &args, &args.part_height, y, start, parts_of(p.channels, part));
  y.expect_whole(p.y_channel, end);
  y.each([&](int channel, int v, int u) {
    if (channel < p.y_channel || channel >= end) return;
    const int c = (channel - p.y_channel) / each, phase = (channel - p.y_channel) % each;
    int row = p.top + v * p.step_y + phase / p.phases, column = p.left + u * p.step_x + phase % p.phases;
    if (p.wrap) {
      row = (row % p.height + p.height) % p.height;
      column = (column % p.width + p.width) % p.width;
    }
    const bool exists = row >= 0 && row < p.height && column >= 0 && column < p.width;
    const T want = exists ? x.at(p.x_channel + c * p.step_c, row, column) : static_cast<T>(y.view().fill);
    ASSERT_EQ(y.at(channel, v, u), want) << channel << " " << v << " " << u;
  });
}

TEST(PlaneCopy, EqualsTheDefinition) {
  for (const std::string& isa : available_isas())
    for (size_t i = 0; i < std::size(kCopies); ++i)
      for (const int halo : {0, 1, 2})
        for (const Rim rim : {Rim{false, 0}, {false, -5}, {true, 0}})
          for (const auto& [part, together] : {std::pair{1, 1}, {2, 1}, {1, 100}}) {
            SCOPED_TRACE(isa + " copy " + std::to_string(i) + " halo " + std::to_string(halo));
            check_copy<float>(kCopies[i], plane_kernels(isa).copy_f32, rim, halo, part, together);
            check_copy<int8_t>(kCopies[i], plane_kernels(isa).copy_i8, rim, halo, part, together);
          }
}

TEST(PlaneTurn, RowsBecomeColumns) {
  for (const std::string& isa : available_isas())
    for (const auto& [rows, columns] : {std::pair{1, 1}, {16, 16}, {3, 40}, {40, 3}, {64, 33}, {17, 31}})
      for (const auto& [part, together] : {std::pair{1, 1}, {7, 1}, {2, 3}, {100, 1}}) {
        SCOPED_TRACE(isa + " " + std::to_string(rows) + " x " + std::to_string(columns));
        Rng rng(1, stream_id("planes", "turn"));
        TestPlane<float> x(rows, 1, columns, 0), y(columns, 1, rows, 0);
        x.randomise(rng);
        coppice_plane_turn_args args{};
        args.x = x.view();
        args.y = y.view();
        args.part_channels = part;
        run_parts(plane_kernels(isa).turn, &args, y, parts_of(columns, part), part, together, 0, 0, columns);
        y.expect_whole(0, columns);
        y.each([&](int channel, int, int u) { ASSERT_EQ(y.at(channel, 0, u), x.at(u, 0, channel)); });
      }
}

}  // namespace
}  // namespace coppice
