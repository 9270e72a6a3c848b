// SPDX-License-Identifier: Apache-2.0
// Writes the wire format that io/protobuf.h reads. Fields come in the order of the calls: the same calls give
// the same bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace coppice {

class ProtoWriter {
 public:
  ProtoWriter& integer(uint32_t field, int64_t value);
  ProtoWriter& real(uint32_t field, float value);
  ProtoWriter& bytes(uint32_t field, std::string_view value);  // a string too
  ProtoWriter& message(uint32_t field, const ProtoWriter& value) { return bytes(field, value.out_); }
  ProtoWriter& integers(uint32_t field, std::span<const int64_t> values);  // packed
  ProtoWriter& reals(uint32_t field, std::span<const float> values);       // packed

  const std::string& out() const { return out_; }

 private:
  void varint(uint64_t value);
  std::string out_;
};

}  // namespace coppice
