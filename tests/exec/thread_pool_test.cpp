// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <limits>
#include <thread>
#include <vector>

#include "host/threads.h"

namespace coppice {
namespace {

struct Round {
  std::vector<std::atomic<int>> done;
  std::atomic<int> wrong_thread{0};
  int32_t threads = 0;
};
void count_item(void* ctx, int32_t item, int32_t thread) {
  auto* round = static_cast<Round*>(ctx);
  if (thread < 0 || thread >= round->threads) ++round->wrong_thread;
  round->done[static_cast<size_t>(item)].fetch_add(1, std::memory_order_relaxed);
}

TEST(ThreadPool, DoesEveryItemOnceForAnyNumberOfThreads) {
  for (const int32_t threads : {1, 2, 3, 7})
    for (const int32_t items : {0, 1, 2, 6, 1000}) {
      coppice_pool* pool = coppice_pool_create(threads);
      ASSERT_NE(pool, nullptr);
      Round round;
      round.done = std::vector<std::atomic<int>>(static_cast<size_t>(items));
      round.threads = threads;
      coppice_pool_par_for(pool, items, count_item, &round);
      for (const std::atomic<int>& done : round.done) EXPECT_EQ(done, 1);
      EXPECT_EQ(round.wrong_thread, 0);
      coppice_pool_destroy(pool);
    }
}

// No synchronisation but the pool's: plain memory that one round wrote is read by others in the next.
struct Relay {
  std::vector<int64_t> from, to;
};
void pass_on(void* ctx, int32_t item, int32_t /*thread*/) {
  auto* relay = static_cast<Relay*>(ctx);
  const auto i = static_cast<size_t>(item), n = relay->from.size();
  relay->to[i] = relay->from[(i + 1) % n] + 1;
}

TEST(ThreadPool, SevenThreadsOnFewCoresFinishTenThousandTinyRounds) {
  coppice_pool* pool = coppice_pool_create(7);
  ASSERT_NE(pool, nullptr);
  constexpr int kRounds = 10000;
  Relay relay{std::vector<int64_t>(14, 0), std::vector<int64_t>(14, 0)};
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < kRounds; ++round) {
    coppice_pool_par_for(pool, 14, pass_on, &relay);
    std::swap(relay.from, relay.to);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  for (const int64_t count : relay.from) EXPECT_EQ(count, kRounds) << "each round saw all of the one before";
  EXPECT_LT(seconds.count(), 60.0) << "a barrier that waits for the scheduler takes minutes";
  coppice_pool_destroy(pool);
}

TEST(ThreadPool, WakesThreadsThatParked) {
  coppice_pool* pool = coppice_pool_create(3);
  ASSERT_NE(pool, nullptr);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // far longer than they spin
    Round counted;
    counted.done = std::vector<std::atomic<int>>(30);
    counted.threads = 3;
    coppice_pool_par_for(pool, 30, count_item, &counted);
    for (const std::atomic<int>& done : counted.done) ASSERT_EQ(done, 1);
  }
  coppice_pool_destroy(pool);
}

// A worker that is still busy while the caller has nothing left: the caller parks and is woken.
TEST(ThreadPool, WaitsForItemsOfUnequalLength) {
  coppice_pool* pool = coppice_pool_create(2);
  ASSERT_NE(pool, nullptr);
  std::atomic<int> done{0};
  const auto slow = [](void* ctx, int32_t item, int32_t) {
    if (item == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++*static_cast<std::atomic<int>*>(ctx);
  };
  for (int round = 1; round <= 5; ++round) {
    coppice_pool_par_for(pool, 2, slow, &done);
    ASSERT_EQ(done, 2 * round);
  }
  coppice_pool_destroy(pool);
}

#if defined(__x86_64__) || defined(__aarch64__)
// Neither made nor used. The operations are done at run time, in the mode of the thread at hand.
bool denormals_are_zero() {
  volatile float smallest_normal = std::numeric_limits<float>::min(), half = 0.5f, large = 1e30f;
  volatile float denormal = std::numeric_limits<float>::denorm_min();
  volatile float made = smallest_normal * half, used = denormal * large;
  // By its bits: a comparison would take a denormal for 0 as well.
  return std::bit_cast<uint32_t>(float{made}) == 0 && used == 0.0f;
}

// Activations and moments that fade out would cost a hundred cycles an operation; the caller's own arithmetic
// is none of the pool's business.
TEST(ThreadPool, DenormalsAreZeroInEveryThreadWhileItemsRunAndTheCallersModeIsBackAfterwards) {
  ASSERT_FALSE(denormals_are_zero());
  for (const int32_t threads : {1, 2, 3, 7})
    for (const int32_t items : {1, 2, 64}) {
      coppice_pool* pool = coppice_pool_create(threads);
      ASSERT_NE(pool, nullptr);
      struct Seen {
        std::atomic<int> zero{0}, kept{0}, arrived{0};
        int32_t together = 0;
      } seen;
      // As many items as threads wait for each other, so that each thread has one.
      seen.together = std::min(threads, items);
      const auto look = [](void* ctx, int32_t item, int32_t) {
        auto* to = static_cast<Seen*>(ctx);
        ++to->arrived;
        while (item < to->together && to->arrived < to->together) std::this_thread::yield();
        ++(denormals_are_zero() ? to->zero : to->kept);
      };
      for (int round = 1; round <= 3; ++round) {
        seen.arrived = 0;
        coppice_pool_par_for(pool, items, look, &seen);
        EXPECT_EQ(seen.zero, round * items) << threads << " threads";
        EXPECT_EQ(seen.kept, 0);
        EXPECT_FALSE(denormals_are_zero()) << "in the caller, after a round";
      }
      coppice_pool_destroy(pool);
    }
}
#endif

TEST(ThreadPool, MayBeMadeAndDestroyedManyTimesUsedOrNot) {
  for (int i = 0; i < 300; ++i) {
    coppice_pool* pool = coppice_pool_create(1 + i % 5);
    ASSERT_NE(pool, nullptr);
    if (i % 3 == 0) {
      Round round;
      round.done = std::vector<std::atomic<int>>(8);
      round.threads = 5;
      coppice_pool_par_for(pool, 8, count_item, &round);
    }
    coppice_pool_destroy(pool);
  }
  coppice_pool_destroy(nullptr);
}

}  // namespace
}  // namespace coppice
