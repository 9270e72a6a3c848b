// SPDX-License-Identifier: Apache-2.0
// The data section of an image while it grows: arrays behind each other, each aligned to what its elements
// want.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace coppice {

class DataSection {
 public:
  // Zeros up to a multiple of `bytes`. Where the next array will begin, in 4 bytes, as steps count.
  uint32_t align(size_t bytes) {
    bytes_.resize((bytes_.size() + bytes - 1) / bytes * bytes);
    return static_cast<uint32_t>(bytes_.size() / 4);
  }

  template <class T>
  void append(std::span<const T> array) {
    align(sizeof(T));
    const size_t at = bytes_.size();
    bytes_.resize(at + array.size_bytes());
    if (!array.empty()) std::memcpy(bytes_.data() + at, array.data(), array.size_bytes());
  }
  template <class T>
  void append(const std::vector<T>& array) {
    append(std::span<const T>(array));
  }

  int64_t size() const { return static_cast<int64_t>(bytes_.size()); }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace coppice
