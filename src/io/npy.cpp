// SPDX-License-Identifier: Apache-2.0
#include "io/npy.h"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace coppice {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr uint64_t kMaxBytes = uint64_t{4} << 30;
constexpr uint64_t kMaxHeaderBytes = 1 << 16;
constexpr size_t kMaxDimensions = 32;  // NumPy's own limit

constexpr std::pair<std::string_view, Dtype> kTypes[] = {
    {"<f4", Dtype::kF32}, {"<f8", Dtype::kF64}, {"|i1", Dtype::kI8}, {"<i2", Dtype::kI16},
    {"<i4", Dtype::kI32}, {"<i8", Dtype::kI64}, {"|u1", Dtype::kU8}, {"<u2", Dtype::kU16},
    {"<u4", Dtype::kU32}, {"|b1", Dtype::kBool}};

// The literal that NumPy writes, e.g. {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Result<NpyArray> parse() {
    if (!take('{')) return wrong("'{'");
    while (!take('}')) {
      TRY_ASSIGN(const std::string_view key, quoted());
      if (!take(':')) return wrong("':'");
      if (key == "descr" && !has_type_) {
        TRY(parse_type());
      } else if (key == "fortran_order" && !has_order_) {
        TRY(parse_order());
      } else if (key == "shape" && !has_shape_) {
        TRY(parse_shape());
      } else {
        return corrupt("the header has an unknown or repeated key '" + std::string(key) + "'");
      }
      if (!take(',') && !next_is('}')) return wrong("',' or '}'");
    }
    skip_space();
    if (at_ < text_.size()) return wrong("the end");
    if (!has_type_ || !has_order_ || !has_shape_)
      return corrupt("the header lacks descr, fortran_order or shape");
    return std::move(array_);
  }

 private:
  Status wrong(const std::string& wanted) const {
    return corrupt("the header has no " + wanted + " at its byte " + std::to_string(at_));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool next_is(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool take(char c) {
    const bool found = next_is(c);
    at_ += found;
    return found;
  }
  bool take_word(std::string_view word) {
    skip_space();
    const bool found = text_.substr(at_, word.size()) == word;
    if (found) at_ += word.size();
    return found;
  }
  Result<std::string_view> quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') return wrong("quoted word");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) return wrong("closing quote for the word");
    const std::string_view word = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return word;
  }

  Status parse_type() {
    if (next_is('[')) return unsupported("the array has a structured type; save one plain array");
    TRY_ASSIGN(const std::string_view name, quoted());
    for (const auto& [descr, dtype] : kTypes)
      if (descr == name) {
        array_.dtype = dtype;
        has_type_ = true;
        return {};
      }
    return unsupported(
        "the array has type '" + std::string(name) +
        "'; float32, float64, bool and integers, little-endian, are read: save it with .astype(\"float32\")");
  }
  Status parse_order() {
    if (take_word("True"))
      return unsupported("the array is in Fortran order; save it with numpy.ascontiguousarray");
    if (!take_word("False")) return wrong("True or False");
    has_order_ = true;
    return {};
  }
  Status parse_shape() {
    if (!take('(')) return wrong("'('");
    while (!take(')')) {
      TRY_ASSIGN(const int64_t dimension, number());
      array_.shape.push_back(dimension);
      if (array_.shape.size() > kMaxDimensions) return corrupt("the header has more than 32 dimensions");
      if (!take(',') && !next_is(')')) return wrong("',' or ')'");
    }
    has_shape_ = true;
    return {};
  }
  Result<int64_t> number() {
    skip_space();
    int64_t value = 0;
    const size_t start = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, text_[at_] - '0', &value))
        return corrupt("a dimension in the header is too large");
    if (at_ == start) return wrong("number");
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool has_type_ = false, has_order_ = false, has_shape_ = false;
  NpyArray array_;
};

struct Header {
  NpyArray array;      // without its bytes
  uint64_t start = 0;  // of the values
};

// Reads as many bytes as it is asked for, which the file has.
template <class Read>
Result<Header> read_header(uint64_t size, const Read& read) {
  std::array<char, 12> head{};
  constexpr uint64_t kShortHead = 10, kLongHead = 12;
  if (size < kShortHead) return corrupt("is too short for a .npy file");
  TRY(read(0, head.data(), kShortHead));
  if (std::string_view(head.data(), kMagic.size()) != kMagic) return corrupt("is not a .npy file");
  const int version = static_cast<uint8_t>(head[6]);
  if (version < 1 || version > 3)
    return unsupported("has version " + std::to_string(version) + " of the format, 1 to 3 are read");
  // Version 1 has a length of two bytes, the later ones of four.
  const uint64_t start = version == 1 ? kShortHead : kLongHead;
  if (size < start) return corrupt("is too short for a .npy file");
  TRY(read(0, head.data(), start));
  uint64_t length = 0;
  for (uint64_t i = 8; i < start; ++i) length |= uint64_t{static_cast<uint8_t>(head[i])} << (8 * (i - 8));
  if (length > kMaxHeaderBytes || length > size - start)
    return corrupt("announces a header of " + std::to_string(length) + " bytes in a file of " +
                   std::to_string(size));
  std::string text(length, '\0');
  TRY(read(start, text.data(), text.size()));
  TRY_ASSIGN(NpyArray array, HeaderParser(text).parse());
  const uint64_t values = size - start - length;
  const auto bytes = tensor_bytes(array.dtype, array.shape);
  if (!bytes || *bytes != values)
    return corrupt("has " + std::to_string(values) + " bytes of values, which is not what its shape needs");
  if (*bytes > kMaxBytes) return unsupported("holds more than 4 GiB");
  return Header{std::move(array), start + length};
}

}  // namespace

Result<NpyArray> read_npy(Env& env, const std::string& path) {
  TRY_ASSIGN(const std::unique_ptr<ReadFile> file, env.open_read(path));
  const auto read = [&](uint64_t at, char* to, size_t n) { return file->read_at(at, to, n); };
  auto header = read_header(file->size(), read);
  if (!header.ok()) return header.status().within(path);
  NpyArray array = std::move(header->array);
  array.bytes.resize(file->size() - header->start);
  TRY(file->read_at(header->start, array.bytes.data(), array.bytes.size()));
  return array;
}

Result<NpyArray> parse_npy(std::vector<uint8_t> file) {
  const auto read = [&](uint64_t at, char* to, size_t n) {
    if (n > 0) std::memcpy(to, file.data() + at, n);
    return Status();
  };
  TRY_ASSIGN(Header header, read_header(file.size(), read));
  file.erase(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(header.start));
  header.array.bytes = std::move(file);
  return std::move(header.array);
}

Status write_npy(Env& env, const std::string& path, Dtype dtype, const std::vector<int64_t>& shape,
                 const void* data) {
  std::optional<std::string_view> descr;
  for (const auto& [name, type] : kTypes)
    if (type == dtype) descr = name;
  if (!descr) return unsupported(path + ": " + std::string(dtype_name(dtype)) + " is not written as .npy");
  const auto bytes = tensor_bytes(dtype, shape);
  if (!bytes || shape.size() > kMaxDimensions) return invalid(path + ": the array has an impossible shape");

  std::string header = "{'descr': '" + std::string(*descr) + "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < shape.size(); ++i) header += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  header += shape.size() == 1 ? ",), }" : "), }";
  // The values begin at a multiple of 64, so that others can map them.
  constexpr size_t kAlignment = 64, kHead = 10;
  const size_t padded = (kHead + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment - kHead;
  header.resize(padded - 1, ' ');
  header += '\n';

  std::string head(kMagic);
  head += {'\x01', '\x00', static_cast<char>(padded & 255), static_cast<char>(padded >> 8)};
  TRY_ASSIGN(AtomicFile file, AtomicFile::create(env, path));
  TRY(file.append(head.data(), head.size()));
  TRY(file.append(header.data(), header.size()));
  TRY(file.append(data, *bytes));
  return file.commit();
}

}  // namespace coppice
