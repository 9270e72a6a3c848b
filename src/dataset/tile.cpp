// SPDX-License-Identifier: Apache-2.0
#include "dataset/tile.h"

#include <algorithm>
#include <cstring>

namespace coppice {
namespace {

using Bytes = uint8_t __attribute__((vector_size(16)));
using Words = uint16_t __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(16)));
using Floats = float __attribute__((vector_size(16)));
using Square = std::array<Bytes, kColumnGroup>;

// Each round is a perfect shuffle of the 256 bytes: it rotates the eight bits of (row, column) by one, so
// four rounds exchange row and column.
void transpose(Square& square) {
  for (int round = 0; round < 4; ++round) {
    Square next;
    for (size_t i = 0; i < 8; ++i) {
      const Bytes a = square[i], b = square[i + 8];
      next[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      next[2 * i + 1] =
          __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    square = next;
  }
}

// Zero extension by interleaving with zero: what every instruction set does in one instruction.
void write_row(const Bytes& bytes, ByteScale by, float* out) {
  const Words low = reinterpret_cast<Words>(
      __builtin_shufflevector(bytes, Bytes{}, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
  const Words high = reinterpret_cast<Words>(
      __builtin_shufflevector(bytes, Bytes{}, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
  const auto write = [by](const Words& words, float* to) {
    const auto first =
        reinterpret_cast<Ints>(__builtin_shufflevector(words, Words{}, 0, 8, 1, 9, 2, 10, 3, 11));
    const auto second =
        reinterpret_cast<Ints>(__builtin_shufflevector(words, Words{}, 4, 12, 5, 13, 6, 14, 7, 15));
    const Floats a = __builtin_convertvector(first, Floats) * by.scale + by.shift;
    const Floats b = __builtin_convertvector(second, Floats) * by.scale + by.shift;
    std::memcpy(to, &a, sizeof a);
    std::memcpy(to + 4, &b, sizeof b);
  };
  write(low, out);
  write(high, out + 8);
}

}  // namespace

void fill_columns(const std::array<const uint8_t*, kColumnGroup>& samples, int valid, int columns,
                  std::span<const ByteScale> channels, int plane, float* out, int64_t width) {
  const int64_t features = static_cast<int64_t>(channels.size()) * plane;
  int64_t feature = 0;
  for (const ByteScale by : channels) {
    const int64_t end = feature + plane;
    // Whole squares only where all sixteen samples and all sixteen columns are there.
    for (; valid == kColumnGroup && feature + kColumnGroup <= end; feature += kColumnGroup) {
      Square square;
      for (size_t c = 0; c < square.size(); ++c) std::memcpy(&square[c], samples[c] + feature, sizeof(Bytes));
      transpose(square);
      for (size_t f = 0; f < square.size(); ++f)
        write_row(square[f], by, out + (feature + static_cast<int64_t>(f)) * width);
    }
    for (; feature < end; ++feature)
      for (int c = 0; c < valid; ++c)
        out[feature * width + c] =
            static_cast<float>(samples[static_cast<size_t>(c)][feature]) * by.scale + by.shift;
  }
  if (valid < columns)
    for (int64_t f = 0; f < features; ++f)
      std::memset(out + f * width + valid, 0, static_cast<size_t>(columns - valid) * sizeof(float));
}

void fill_columns(const std::array<const float*, kColumnGroup>& samples, int valid, int columns,
                  std::span<const NumberScale> channels, int plane, float* out, int64_t width) {
  int64_t feature = 0;
  for (const NumberScale by : channels)
    for (const int64_t end = feature + plane; feature < end; ++feature) {
      float* const row = out + feature * width;
      for (int c = 0; c < valid; ++c)
        row[c] = (samples[static_cast<size_t>(c)][feature] - by.mean) * by.scale;
      std::fill(row + valid, row + columns, 0.0f);
    }
}

}  // namespace coppice
