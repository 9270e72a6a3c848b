// SPDX-License-Identifier: Apache-2.0
#include "dataset/life.h"

#include <cmath>
#include <string>
#include <utility>

#include "base/rng.h"

namespace coppice {
namespace {

constexpr int kMaxSide = 1024;
constexpr int64_t kMaxStoredCells = int64_t{1} << 30;

// Each sample owns 2^20 counters of its stream: one for its density, the others for its cells, four to a
// counter.
constexpr int kSampleBits = 20;
static_assert(kMaxSide * kMaxSide / 4 < 1 << kSampleBits);

void draw_board(const LifeOptions& options, uint64_t seed, uint64_t stream, int64_t index, uint8_t* board) {
  const uint64_t base = static_cast<uint64_t>(index) << kSampleBits;
  // The 33 bits make a drawn density lie strictly between 0 and 1.
  const double density =
      options.density > 0 ? options.density : (2.0 * philox(seed, stream, base)[0] + 1.0) * 0x1p-33;
  const auto bar = static_cast<uint64_t>(std::ldexp(density, 32));
  const int cells = options.height * options.width;
  std::array<uint32_t, 4> words{};
  for (int cell = 0; cell < cells; ++cell) {
    if (cell % 4 == 0) words = philox(seed, stream, base + 1 + static_cast<uint64_t>(cell / 4));
    board[cell] = words[static_cast<size_t>(cell % 4)] < bar;
  }
}

Status check(const LifeOptions& options) {
  const auto side_ok = [](int side) { return side >= 3 && side <= kMaxSide; };
  if (!side_ok(options.height) || !side_ok(options.width))
    return invalid("life: a board of " + std::to_string(options.height) + " x " +
                   std::to_string(options.width) + " is not possible, both sides must lie in 3.." +
                   std::to_string(kMaxSide));
  if (options.steps < 1)
    return invalid("life: steps must be at least 1, not " + std::to_string(options.steps));
  if (!(options.density >= 0 && options.density <= 1))
    return invalid("life: density must lie in 0..1 (0 draws one for each board), not " +
                   std::to_string(options.density));
  if (options.train < 1 || options.validation < 0 || options.test < 0)
    return invalid("life: needs at least one training board, and no negative count");
  // Training boards are never stored, the others are.
  const int64_t most = kMaxStoredCells / (options.height * options.width);
  if (options.train > INT32_MAX || options.validation > most || options.test > most)
    return invalid("life: too many boards; at most " + std::to_string(most) + " of " +
                   std::to_string(options.height) + " x " + std::to_string(options.width) +
                   " for validation or test, and 2147483647 for training");
  return {};
}

Generator generator(const LifeOptions& options, uint64_t seed, const char* purpose) {
  return [options, seed, purpose](int64_t epoch, int64_t index, uint8_t* pixels, uint8_t* targets) {
    thread_local std::vector<uint8_t> boards;
    const auto cells = static_cast<size_t>(options.height) * static_cast<size_t>(options.width);
    boards.resize(2 * cells);
    uint8_t* now = boards.data();
    uint8_t* next = now + cells;
    draw_board(options, seed, stream_id(purpose, static_cast<uint64_t>(epoch)), index, now);
    for (size_t i = 0; i < cells; ++i) pixels[i] = now[i] ? 255 : 0;
    for (int step = 0; step < options.steps; ++step) {
      life_step(now, options.height, options.width, next);
      std::swap(now, next);
    }
    std::copy(now, now + cells, targets);
  };
}

Split drawn_once(const Generator& generate, int64_t count, int64_t cells) {
  auto samples = std::make_shared<Samples>();
  samples->pixels.resize(static_cast<size_t>(count * cells));
  samples->targets.resize(static_cast<size_t>(count * cells));
  Split split;
  for (int64_t i = 0; i < count; ++i) {
    generate(0, i, samples->pixels.data() + i * cells, samples->targets.data() + i * cells);
    split.indices.push_back(static_cast<int32_t>(i));
  }
  split.samples = std::move(samples);
  return split;
}

}  // namespace

void life_step(const uint8_t* board, int height, int width, uint8_t* next) {
  for (int y = 0; y < height; ++y) {
    const uint8_t* above = board + (y == 0 ? height - 1 : y - 1) * width;
    const uint8_t* here = board + y * width;
    const uint8_t* below = board + (y == height - 1 ? 0 : y + 1) * width;
    for (int x = 0; x < width; ++x) {
      const int left = x == 0 ? width - 1 : x - 1, right = x == width - 1 ? 0 : x + 1;
      const int neighbours = above[left] + above[x] + above[right] + here[left] + here[right] + below[left] +
                             below[x] + below[right];
      next[y * width + x] = neighbours == 3 || (neighbours == 2 && here[x]);
    }
  }
}

std::vector<Neighbourhood> all_neighbourhoods() {
  std::vector<Neighbourhood> all(512);
  for (unsigned bits = 0; bits < 512; ++bits) {
    Neighbourhood& one = all[bits];
    for (unsigned cell = 0; cell < 9; ++cell) one.cells[cell] = (bits >> cell) & 1;
    std::array<uint8_t, 9> next;
    life_step(one.cells.data(), 3, 3, next.data());
    one.next = next[4];
  }
  return all;
}

Result<Dataset> make_life(const LifeOptions& options, uint64_t seed) {
  TRY(check(options));
  Dataset data;
  data.name = "life";
  data.task = Task::kLabels;
  data.features = {1, options.height, options.width};
  data.outputs = data.features.size();
  data.normalisation = {{0.0f}, {1.0f}};
  data.train.generate = generator(options, seed, "life train");
  data.train.generated = options.train;
  data.validation = drawn_once(generator(options, seed, "life validation"), options.validation, data.outputs);
  data.test = drawn_once(generator(options, seed, "life test"), options.test, data.outputs);
  return data;
}

}  // namespace coppice
