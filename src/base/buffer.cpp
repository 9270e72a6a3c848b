// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace coppice {
namespace {
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kHugeFrom = size_t{1} << 20;
}  // namespace

Bytes::Bytes(size_t size) : size_(size) {
  if (size == 0) return;
  const size_t alignment = size >= kHugeFrom ? kHugePage : 64;
  const size_t rounded = (size + alignment - 1) / alignment * alignment;
  data_ = std::aligned_alloc(alignment, rounded);
  if (!data_) throw std::bad_alloc();
  if (alignment == kHugePage) (void)madvise(data_, rounded, MADV_HUGEPAGE);  // advice: fine without
  std::memset(data_, 0, rounded);
}

Bytes::~Bytes() { std::free(data_); }

}  // namespace coppice
