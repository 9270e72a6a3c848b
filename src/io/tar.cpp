// SPDX-License-Identifier: Apache-2.0
#include "io/tar.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>

#include "io/gzip.h"

namespace coppice {
namespace {

constexpr size_t kBlock = 512;

struct Member {
  std::string name;  // the last part of its path
  uint64_t size = 0;
  bool is_file = false;
};

// Octal digits between spaces and zero bytes.
std::optional<uint64_t> octal(std::string_view field) {
  uint64_t value = 0;
  bool any = false;
  for (const char c : field) {
    if (c == '\0' || (c == ' ' && any)) break;
    if (c == ' ') continue;
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + static_cast<uint64_t>(c - '0');
    any = true;
  }
  return any ? std::optional(value) : std::nullopt;
}

// The sum of a header counts its own field as spaces.
bool sum_is_right(std::string_view header) {
  constexpr size_t kAt = 148, kBytes = 8;
  uint64_t sum = 0;
  for (size_t i = 0; i < header.size(); ++i)
    sum += i >= kAt && i < kAt + kBytes ? ' ' : static_cast<uint8_t>(header[i]);
  return octal(header.substr(kAt, kBytes)) == sum;
}

// Nothing at the end of the archive, which is a block of zeros.
Result<std::optional<Member>> next_member(ByteStream& stream, const std::string& archive) {
  std::array<char, kBlock> block{};
  TRY(stream.read(block.data(), block.size()));
  if (std::all_of(block.begin(), block.end(), [](char c) { return c == '\0'; }))
    return std::optional<Member>();
  const std::string_view header(block.data(), block.size());
  const auto size = octal(header.substr(124, 12));
  if (!sum_is_right(header) || !size)
    return corrupt(archive + ": is no tar archive, or is damaged before byte " +
                   std::to_string(stream.position()));
  const std::string path(header.substr(0, std::min<size_t>(header.find('\0'), 100)));
  const char type = header[156];
  return std::optional(Member{path.substr(path.rfind('/') + 1), *size, type == '0' || type == '\0'});
}

// Passes `size` bytes on to a file, or over them where there is none; then what fills the last block.
Status pass(ByteStream& stream, uint64_t size, AtomicFile* to) {
  std::vector<char> buffer(1 << 16);
  for (uint64_t left = size; left > 0;) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(left, buffer.size()));
    TRY(stream.read(buffer.data(), n));
    if (to != nullptr) TRY(to->append(buffer.data(), n));
    left -= n;
  }
  return stream.read(buffer.data(), (kBlock - size % kBlock) % kBlock);
}

}  // namespace

Status unpack_tar(Env& env, const std::string& archive, const std::string& folder,
                  const std::vector<std::string>& wanted, uint64_t max_bytes) {
  TRY_ASSIGN(ByteStream stream, ByteStream::open(env, archive, max_bytes));
  std::set<std::string> missing(wanted.begin(), wanted.end());
  while (true) {
    TRY_ASSIGN(const std::optional<Member> member, next_member(stream, archive));
    if (!member) break;
    if (!member->is_file || std::find(wanted.begin(), wanted.end(), member->name) == wanted.end()) {
      TRY(pass(stream, member->size, nullptr));
      continue;
    }
    if (missing.erase(member->name) == 0) return corrupt(archive + ": holds '" + member->name + "' twice");
    TRY_ASSIGN(AtomicFile file, AtomicFile::create(env, join_path(folder, member->name)));
    TRY(pass(stream, member->size, &file));
    TRY(file.commit());
  }
  if (!missing.empty()) return corrupt(archive + ": lacks '" + *missing.begin() + "'");
  return {};
}

}  // namespace coppice
