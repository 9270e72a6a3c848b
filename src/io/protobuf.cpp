// SPDX-License-Identifier: Apache-2.0
#include "io/protobuf.h"

#include <bit>
#include <cstring>

namespace coppice {
namespace {

constexpr int kMostLevels = 64;

bool read_varint(std::string_view& bytes, uint64_t& out) {
  out = 0;
  for (size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (i == 9 && byte > 1) return false;  // more than 64 bits
    out |= uint64_t{byte & 0x7fU} << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

template <class T>
T fixed_at(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

Status ProtoReader::broken(const std::string& what) const {
  return corrupt("byte " + std::to_string(at_ - origin_) + ": field " + std::to_string(field_) + " " + what);
}

bool ProtoReader::take_varint(uint64_t& out) { return read_varint(rest_, out); }

Result<bool> ProtoReader::next() {
  if (rest_.empty()) return false;
  at_ = rest_.data();
  const std::string place = "byte " + std::to_string(at_ - origin_);
  uint64_t key = 0;
  if (!take_varint(key) || key >> 32 != 0 || key >> 3 == 0)
    return corrupt(place + ": there is no key of a field; the file is damaged, or of another kind");
  field_ = static_cast<uint32_t>(key >> 3);
  number_ = 0;
  bytes_ = {};
  const auto fixed = [this](size_t count) {
    if (rest_.size() < count) return false;
    number_ = count == 4 ? fixed_at<uint32_t>(rest_.data()) : fixed_at<uint64_t>(rest_.data());
    rest_.remove_prefix(count);
    return true;
  };
  bool whole = false;
  switch (key & 7) {
    case 0:
      wire_ = Wire::kVarint;
      whole = take_varint(number_);
      break;
    case 1:
      wire_ = Wire::kFixed64;
      whole = fixed(8);
      break;
    case 2: {
      wire_ = Wire::kBytes;
      uint64_t length = 0;
      whole = take_varint(length) && length <= rest_.size();
      if (!whole) break;
      bytes_ = rest_.substr(0, length);
      rest_.remove_prefix(length);
      break;
    }
    case 5:
      wire_ = Wire::kFixed32;
      whole = fixed(4);
      break;
    default:
      return broken("has the wire type " + std::to_string(key & 7) + ", which no such file has");
  }
  if (!whole) return broken("reaches beyond its end; the file is damaged or cut short");
  return true;
}

Result<int64_t> ProtoReader::integer() const {
  if (wire_ != Wire::kVarint) return broken("should be an integer");
  return static_cast<int64_t>(number_);
}

Result<float> ProtoReader::real() const {
  if (wire_ != Wire::kFixed32) return broken("should be a float");
  return std::bit_cast<float>(static_cast<uint32_t>(number_));
}

Result<std::string_view> ProtoReader::bytes() const {
  if (wire_ != Wire::kBytes) return broken("should be bytes");
  return bytes_;
}

Result<std::string> ProtoReader::text() const {
  if (wire_ != Wire::kBytes || bytes_.find('\0') != std::string_view::npos) return broken("should be a text");
  return std::string(bytes_);
}

Result<ProtoReader> ProtoReader::message() const {
  if (wire_ != Wire::kBytes) return broken("should be a message");
  if (depth_ + 1 >= kMostLevels)
    return broken("lies deeper than " + std::to_string(kMostLevels) + " messages");
  ProtoReader inner(bytes_);
  inner.origin_ = origin_;
  inner.depth_ = depth_ + 1;
  return inner;
}

Status ProtoReader::add_integers(std::vector<int64_t>& out) const {
  if (wire_ == Wire::kVarint) {
    out.push_back(static_cast<int64_t>(number_));
    return {};
  }
  if (wire_ != Wire::kBytes) return broken("should be integers");
  uint64_t value = 0;
  for (std::string_view packed = bytes_; !packed.empty();) {
    if (!read_varint(packed, value)) return broken("ends within a number");
    out.push_back(static_cast<int64_t>(value));
  }
  return {};
}

template <class T>
Status ProtoReader::add_fixed(Wire wire, std::vector<T>& out) const {
  if (wire_ == wire) {
    std::memcpy(&out.emplace_back(), &number_, sizeof(T));
    return {};
  }
  if (wire_ != Wire::kBytes) return broken("should be numbers of " + std::to_string(sizeof(T)) + " bytes");
  if (bytes_.size() % sizeof(T) != 0) return broken("ends within a number");
  const size_t before = out.size();
  out.resize(before + bytes_.size() / sizeof(T));
  if (!bytes_.empty()) std::memcpy(out.data() + before, bytes_.data(), bytes_.size());
  return {};
}

Status ProtoReader::add_reals(std::vector<float>& out) const { return add_fixed(Wire::kFixed32, out); }
Status ProtoReader::add_doubles(std::vector<double>& out) const { return add_fixed(Wire::kFixed64, out); }

}  // namespace coppice
