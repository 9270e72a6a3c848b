// SPDX-License-Identifier: Apache-2.0
// Memory for numbers: 64-byte aligned and zero. From 1 MiB on it lies on 2 MiB boundaries and asks the kernel
// for huge pages, without which dense layers of 4096 run at half speed (TLB misses).
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace coppice {

class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(size_t size);
  Bytes(Bytes&& other) noexcept { swap(other); }
  Bytes& operator=(Bytes&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Bytes();
  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void swap(Bytes& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  void* data_ = nullptr;
  size_t size_ = 0;
};

// An array of floats in such memory. Moves, does not copy.
class Floats {
 public:
  Floats() = default;
  explicit Floats(size_t size) : bytes_(size * sizeof(float)) {}
  float* data() const { return static_cast<float*>(bytes_.data()); }
  size_t size() const { return bytes_.size() / sizeof(float); }
  bool empty() const { return size() == 0; }
  float& operator[](size_t i) const { return data()[i]; }
  float* begin() const { return data(); }
  float* end() const { return data() + size(); }

 private:
  Bytes bytes_;
};

}  // namespace coppice
