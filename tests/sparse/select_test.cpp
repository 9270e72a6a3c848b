// SPDX-License-Identifier: Apache-2.0
#include "sparse/select.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <string>

#include "base/rng.h"

namespace coppice {
namespace {

// By the definition: sort everything.
std::vector<int64_t> sorted_top(const std::vector<float>& scores, int64_t k) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(k));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<int64_t> streamed(const std::vector<float>& scores, int64_t k,
                              const std::vector<int64_t>& order) {
  StreamingTopK top(k);
  for (const int64_t i : order) top.offer(i, scores[static_cast<size_t>(i)]);
  return top.take();
}

struct Series {
  const char* name;
  float (*at)(int64_t i, Rng& rng);
};
const Series kSeries[] = {
    {"random", [](int64_t, Rng& rng) { return rng.normal(); }},
    {"ascending", [](int64_t i, Rng&) { return static_cast<float>(i); }},
    {"descending", [](int64_t i, Rng&) { return -static_cast<float>(i); }},
    {"constant", [](int64_t, Rng&) { return 1.0f; }},
    {"two values", [](int64_t, Rng& rng) { return static_cast<float>(rng.below(2)); }},
    {"sawtooth", [](int64_t i, Rng&) { return static_cast<float>(i % 17); }},
    {"zeros of both signs", [](int64_t i, Rng&) { return i % 2 ? 0.0f : -0.0f; }},
    {"infinite",
     [](int64_t i, Rng&) {
       const float infinity = std::numeric_limits<float>::infinity();
       return i % 3 == 0 ? infinity : i % 3 == 1 ? -infinity : static_cast<float>(i);
     }},
};

TEST(Select, StreamedAndWholeEqualASortOnEverySeriesAndOrder) {
  for (const Series& series : kSeries)
    for (const int64_t size : {int64_t{1}, int64_t{50}, int64_t{1000}}) {
      Rng rng(3, static_cast<uint64_t>(size));
      std::vector<float> scores;
      for (int64_t i = 0; i < size; ++i) scores.push_back(series.at(i, rng));
      std::vector<int64_t> forward(scores.size());
      std::iota(forward.begin(), forward.end(), 0);
      std::vector<int64_t> backward(forward.rbegin(), forward.rend()), shuffled = forward;
      for (size_t i = shuffled.size(); i > 1; --i) std::swap(shuffled[i - 1], shuffled[rng.below(i)]);
      for (const int64_t k : {int64_t{0}, int64_t{1}, size / 10, size / 2, size - 1, size}) {
        SCOPED_TRACE(std::string(series.name) + " " + std::to_string(k) + " of " + std::to_string(size));
        const std::vector<int64_t> want = sorted_top(scores, k);
        EXPECT_EQ(select_top_k(scores, k), want);
        for (const auto& order : {forward, backward, shuffled}) EXPECT_EQ(streamed(scores, k, order), want);
      }
    }
}

TEST(Select, TiesGoToTheSmallerIndex) {
  const std::vector<float> scores = {1, 5, 1, 5, 1, 5};
  EXPECT_EQ(select_top_k(scores, 2), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(select_top_k(scores, 4), (std::vector<int64_t>{0, 1, 3, 5}));
  EXPECT_EQ(streamed(scores, 4, {5, 4, 3, 2, 1, 0}), (std::vector<int64_t>{0, 1, 3, 5}));
}

TEST(Select, NothingOutOfNothing) {
  EXPECT_TRUE(select_top_k({}, 0).empty());
  EXPECT_TRUE(StreamingTopK(0).take().empty());
  EXPECT_TRUE(StreamingTopK(5).take().empty());
}

TEST(StreamingTopK, KeepsAllWhereFewerWereOffered) {
  EXPECT_EQ(streamed({3, 1, 2}, 100, {2, 0, 1}), (std::vector<int64_t>{0, 1, 2}));
}

TEST(StreamingTopK, StartsAnewAfterTake) {
  StreamingTopK top(2);
  for (int64_t i = 0; i < 100; ++i) top.offer(i, 1000.0f + static_cast<float>(i));
  EXPECT_EQ(top.take(), (std::vector<int64_t>{98, 99}));
  // Lower than all before: a bar left over from the first round would keep them out.
  for (int64_t i = 0; i < 100; ++i) top.offer(i, -static_cast<float>(i));
  EXPECT_EQ(top.take(), (std::vector<int64_t>{0, 1}));
  EXPECT_TRUE(top.take().empty());
}

}  // namespace
}  // namespace coppice
