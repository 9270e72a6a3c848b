// SPDX-License-Identifier: Apache-2.0
// Replaces the global operator new by one that counts, for tests that nothing, or not much, is allocated.
// Include it in one source of an executable.
#pragma once

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace coppice::testing {
inline std::atomic<int64_t> allocations{0};
inline std::atomic<int64_t> bytes_now{0},
    bytes_most{0};  // set the latter to the former before what is watched

inline void count_new(void* p) {
  ++allocations;
  const int64_t now = bytes_now += static_cast<int64_t>(malloc_usable_size(p));
  for (int64_t most = bytes_most; now > most && !bytes_most.compare_exchange_weak(most, now);) {
  }
}
inline void count_delete(void* p) { bytes_now -= static_cast<int64_t>(malloc_usable_size(p)); }
}  // namespace coppice::testing

// Not inline: where the compiler sees only one of a pair it takes malloc and delete for a mismatch. All
// forms, as a sanitizer would bring its own for those that are left out (std::stable_sort asks without
// throwing).
[[gnu::noinline]] void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  void* p = std::malloc(bytes);
  coppice::testing::count_new(p);
  return p;
}
[[gnu::noinline]] void* operator new(size_t bytes) {
  if (void* p = operator new(bytes, std::nothrow)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](size_t bytes) { return operator new(bytes); }
[[gnu::noinline]] void* operator new[](size_t bytes, const std::nothrow_t&) noexcept {
  return operator new(bytes, std::nothrow);
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  coppice::testing::count_delete(p);
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { operator delete(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { operator delete(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { operator delete(p); }
[[gnu::noinline]] void operator delete[](void* p, size_t) noexcept { operator delete(p); }
[[gnu::noinline]] void operator delete[](void* p, const std::nothrow_t&) noexcept { operator delete(p); }
