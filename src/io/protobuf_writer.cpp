// SPDX-License-Identifier: Apache-2.0
#include "io/protobuf_writer.h"

namespace coppice {
namespace {

constexpr uint64_t kVarint = 0, kBytes = 2, kFixed32 = 5;  // wire types

uint64_t key(uint32_t field, uint64_t wire) { return uint64_t{field} << 3 | wire; }

}  // namespace

void ProtoWriter::varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
  out_ += static_cast<char>(value);
}

ProtoWriter& ProtoWriter::integer(uint32_t field, int64_t value) {
  varint(key(field, kVarint));
  varint(static_cast<uint64_t>(value));
  return *this;
}

ProtoWriter& ProtoWriter::real(uint32_t field, float value) {
  varint(key(field, kFixed32));
  out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  return *this;
}

ProtoWriter& ProtoWriter::bytes(uint32_t field, std::string_view value) {
  varint(key(field, kBytes));
  varint(value.size());
  out_ += value;
  return *this;
}

ProtoWriter& ProtoWriter::integers(uint32_t field, std::span<const int64_t> values) {
  ProtoWriter packed;
  for (const int64_t value : values) packed.varint(static_cast<uint64_t>(value));
  return bytes(field, packed.out_);
}

ProtoWriter& ProtoWriter::reals(uint32_t field, std::span<const float> values) {
  return bytes(field, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

}  // namespace coppice
