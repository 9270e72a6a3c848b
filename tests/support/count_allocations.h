// SPDX-License-Identifier: Apache-2.0
// Replaces the global operator new by one that counts, for tests that nothing is allocated. Include it in one
// source of an executable.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace coppice::testing {
inline std::atomic<int64_t> allocations{0};
}  // namespace coppice::testing

// Not inline: where the compiler sees only one of a pair it takes malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(size_t bytes) {
  ++coppice::testing::allocations;
  if (void* p = std::malloc(bytes)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }
