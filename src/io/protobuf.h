// SPDX-License-Identifier: Apache-2.0
// The wire format of protocol buffers: keys, varints, fixed numbers, and pieces of bytes that may be messages
// again. Reads bytes that somebody else owns, copies none and trusts none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coppice {

// Walks the fields of one message. A failure says at which byte of the outermost message it was found.
class ProtoReader {
 public:
  // The bytes must outlive the reader, and all views that it gives.
  explicit ProtoReader(std::string_view bytes) : rest_(bytes), origin_(bytes.data()) {}

  // Goes to the next field; false at the end of the message.
  Result<bool> next();

  uint32_t field() const { return field_; }  // of the field at hand, 1 or more

  // The content of the field at hand. Each fails where the field is written as something else.
  Result<int64_t> integer() const;         // a varint: int32, int64, bool, enum
  Result<float> real() const;              // fixed, 4 bytes
  Result<std::string_view> bytes() const;  // a string, or bytes
  Result<std::string> text() const;        // a string without zero bytes
  // Fails below 64 levels, as messages nest and stacks end.
  Result<ProtoReader> message() const;

  // Repeated numbers, packed or one by one, are added to the end of `out`.
  Status add_integers(std::vector<int64_t>& out) const;
  Status add_reals(std::vector<float>& out) const;
  Status add_doubles(std::vector<double>& out) const;

  // "byte 17: field 3 ..."; the sentence of a failure about the field at hand.
  Status broken(const std::string& what) const;

 private:
  enum class Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  bool take_varint(uint64_t& out);
  template <class T>
  Status add_fixed(Wire wire, std::vector<T>& out) const;

  std::string_view rest_;
  const char* origin_;
  const char* at_ = nullptr;  // where the field at hand begins
  int depth_ = 0;
  uint32_t field_ = 0;
  Wire wire_ = Wire::kVarint;
  uint64_t number_ = 0;
  std::string_view bytes_;
};

}  // namespace coppice
