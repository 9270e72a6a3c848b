// SPDX-License-Identifier: Apache-2.0
// Planes of pixels for the tests of the kernels of one sample: with guards around them, and a runner that
// sees that a part touches its own channels only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/rng.h"
#include "coppice_planes.h"
#include "kernels/select.h"

namespace coppice {

// Elements before and behind a plane: as many bytes as may be read behind it, so that AddressSanitizer sees
// more.
template <class T>
constexpr size_t kPlaneGuard = COPPICE_PLANE_SLACK / sizeof(T);

// Owns [channels][height + 2 halo][width + 2 halo] pixels between guards of the same kind.
template <class T>
class TestPlane {
  static constexpr size_t kGuard = kPlaneGuard<T>;

 public:
  TestPlane(int channels, int height, int width, int halo, bool wrap = false, int fill = 0)
      : data_(static_cast<size_t>(channels * (height + 2 * halo) * (width + 2 * halo) + 2 * kGuard), T{77}) {
    view_.at = {data_.data() + kGuard, 0, 0};
    view_.channels = channels;
    view_.height = height;
    view_.width = width;
    view_.halo = halo;
    view_.wrap = wrap;
    view_.fill = fill;
  }
  const coppice_plane& view() const { return view_; }
  int halo() const { return view_.halo; }

  // Pixel (v, u), which may lie in the halo.
  T& at(int c, int v, int u) {
    const int64_t row = (v + view_.halo) * coppice_plane_pitch(&view_);
    return data_[static_cast<size_t>(kGuard + c * coppice_plane_area(&view_) + row + u + view_.halo)];
  }
  // What must stand at (v, u) of the halo.
  T rim(int c, int v, int u) {
    if (!view_.wrap) return static_cast<T>(view_.fill);
    const int h = view_.height, w = view_.width;
    return at(c, ((v % h) + h) % h, ((u % w) + w) % w);
  }
  template <class Visit>
  void each(Visit&& visit) {
    for (int c = 0; c < view_.channels; ++c)
      for (int v = 0; v < view_.height; ++v)
        for (int u = 0; u < view_.width; ++u) visit(c, v, u);
  }
  template <class Visit>
  void each_of_rim(Visit&& visit) {
    const int h = view_.height, w = view_.width;
    for (int c = 0; c < view_.channels; ++c)
      for (int v = -halo(); v < h + halo(); ++v)
        for (int u = -halo(); u < w + halo(); ++u)
          if (v < 0 || v >= h || u < 0 || u >= w) visit(c, v, u);
  }
  template <class Make>
  void fill_with(Make&& make) {
    each([&](int c, int v, int u) { at(c, v, u) = make(); });
    each_of_rim([&](int c, int v, int u) { at(c, v, u) = rim(c, v, u); });
  }
  void randomise(Rng& rng) {
    fill_with([&] {
      if constexpr (sizeof(T) == 1) return static_cast<T>(static_cast<int>(rng.below(256)) - 128);
      return static_cast<T>(rng.normal());
    });
  }
  std::vector<T> memory() const { return data_; }
  void restore(const std::vector<T>& memory) { std::copy(memory.begin(), memory.end(), data_.begin()); }
  // Guards, the halo, and channels that were none of the kernel's business are as they have to be.
  void expect_whole(int first = 0, int end = -1) {
    for (size_t i = 0; i < kGuard; ++i) {
      ASSERT_EQ(data_[i], T{77});
      ASSERT_EQ(data_[data_.size() - 1 - i], T{77});
    }
    each_of_rim([&](int c, int v, int u) {
      if (c < first || (end >= 0 && c >= end)) return;
      ASSERT_EQ(at(c, v, u), rim(c, v, u)) << c << " " << v << " " << u;
    });
  }

 private:
  std::vector<T> data_;
  coppice_plane view_{};
};

inline int parts_of(int count, int part_size) { return (count + part_size - 1) / part_size; }

// Runs a kernel over all parts, last items first, in ranges of `together`; part p writes the channels from
// first + p * part_channels on and no other byte of y.
template <class T>
void run_parts(coppice_kernel kernel, const void* args, TestPlane<T>& y, int parts, int part_channels,
               int together, int64_t scratch = 0, int first = 0, int end = -1) {
  coppice_run_state rs{};
  rs.samples = 1;
  if (end < 0) end = y.view().channels;
  for (int part = (parts - 1) / together * together; part >= 0; part -= together) {
    Floats memory(static_cast<size_t>(scratch / 4 + 16));
    auto* const bytes = reinterpret_cast<unsigned char*>(memory.data());
    std::memset(bytes, 77, memory.size() * 4);
    const coppice_item item = {0, 1, part, std::min(part + together, parts), memory.data()};
    const std::vector<T> before = y.memory();
    kernel(args, &rs, &item);
    for (int64_t i = scratch; i < scratch + 64; ++i) ASSERT_EQ(bytes[i], 77) << "scratch";
    const int64_t area = coppice_plane_area(&y.view()), guard = kPlaneGuard<T>;
    const int64_t begin_at = guard + area * (first + part * part_channels);
    const int64_t end_at = guard + area * std::min(first + item.part_end * part_channels, end);
    const std::vector<T> after = y.memory();
    for (int64_t i = 0; i < static_cast<int64_t>(after.size()); ++i) {
      if (i >= begin_at && i < end_at) continue;
      ASSERT_EQ(std::memcmp(&after[static_cast<size_t>(i)], &before[static_cast<size_t>(i)], sizeof(T)), 0)
          << "element " << i - guard << " is of another part";
    }
  }
}

// Cuts a call, which has made `y` out of `start`, by rows of pixels, too: no two parts write the same byte,
// as threads do them at once, and the bits are the same; where `least` is not 0, only if bands have as many
// pixels. *part_height is a field of *args; unit_parts: parts where that is 0.
template <class T>
void expect_bands(coppice_kernel kernel, const void* args, int32_t* part_height, TestPlane<T>& y,
                  const std::vector<T>& start, int unit_parts, int64_t scratch = 0, int least = 0) {
  const std::vector<T> whole = y.memory();
  coppice_run_state rs{};
  rs.samples = 1;
  Floats memory(static_cast<size_t>(scratch / 4 + 16));
  const auto run = [&](int begin, int end) {
    const coppice_item item = {0, 1, begin, end, memory.data()};
    kernel(args, &rs, &item);
  };
  const auto same = [](const T& a, const T& b) { return std::memcmp(&a, &b, sizeof(T)) == 0; };
  const int rows = y.view().height;
  for (const int height : {rows > 12 ? rows / 3 : 1, 3, (rows + 1) / 2}) {
    if (rows > 12 && height == 3) continue;  // as many parts as that take long
    *part_height = height;
    const int bands = parts_of(rows, height), parts = unit_parts * bands;
    const bool exact = (rows - (bands - 1) * height) * y.view().width >= least;
    std::vector<char> written(start.size());
    y.restore(start);
    for (int part = parts - 1; part >= 0; --part) {
      const std::vector<T> before = y.memory();
      run(part, part + 1);
      const std::vector<T> after = y.memory();
      for (size_t i = 0; i < after.size(); ++i) {
        if (same(before[i], after[i])) continue;
        ASSERT_FALSE(written[i]) << "element " << i << " is of another part, too; rows by " << height;
        written[i] = 1;
      }
    }
    for (const int together : {1, 2, bands + 1}) {
      y.restore(start);
      for (int part = 0; part < parts; part += together) run(part, std::min(part + together, parts));
      const std::vector<T> after = y.memory();
      for (size_t i = 0; exact && i < whole.size(); ++i)
        ASSERT_TRUE(same(after[i], whole[i]))
            << "rows by " << height << ", " << together << " parts together";
    }
  }
  *part_height = 0;
  y.restore(whole);
}

// Both, of a call that writes all channels of y.
template <class T, class Args>
void run_cuts(coppice_kernel kernel, Args& args, TestPlane<T>& y, int part_channels, int together) {
  const int parts = parts_of(y.view().channels, part_channels);
  const std::vector<T> start = y.memory();
  run_parts(kernel, &args, y, parts, part_channels, together);
  if (together == 1) expect_bands(kernel, &args, &args.part_height, y, start, parts);
}

inline const coppice_plane_kernels& plane_kernels(const std::string& isa) {
  return select_kernels(isa)->forward->planes;
}

}  // namespace coppice
