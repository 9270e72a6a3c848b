// SPDX-License-Identifier: Apache-2.0
#include "io/zip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

namespace coppice {
namespace {

constexpr uint64_t kEndBytes = 22, kMaxComment = 0xffff, kLocatorBytes = 20, kEnd64Bytes = 56,
                   kEntryBytes = 46, kLocalBytes = 30;
constexpr uint64_t kMaxDirectoryBytes = 16 << 20;
constexpr uint32_t kEndMark = 0x06054b50, kLocatorMark = 0x07064b50, kEnd64Mark = 0x06064b50,
                   kEntryMark = 0x02014b50, kLocalMark = 0x04034b50;
constexpr uint32_t kElsewhere = 0xffffffff;  // the number stands in the zip64 field
constexpr int kStored = 0, kDeflated = 8;
constexpr uint64_t kMostDeflateRatio = 1032;

uint64_t number(std::string_view bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= uint64_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  return value;
}

struct Directory {
  uint64_t start = 0, bytes = 0, entries = 0;
};

// Where the directory lies is said at the end of the file, before a comment.
Result<Directory> find_directory(ReadFile& file) {
  const uint64_t size = file.size();
  std::string tail(std::min(size, kEndBytes + kMaxComment), '\0');
  TRY(file.read_at(size - tail.size(), tail.data(), tail.size()));
  size_t at = std::string::npos;
  for (size_t i = tail.size() < kEndBytes ? 0 : tail.size() - kEndBytes + 1;
       i-- > 0 && at == std::string::npos;)
    if (number(tail, i, 4) == kEndMark && number(tail, i + 20, 2) == tail.size() - kEndBytes - i) at = i;
  if (at == std::string::npos)
    return corrupt("is no ZIP archive, or is cut short: it has no directory at its end");
  Directory directory{number(tail, at + 16, 4), number(tail, at + 12, 4), number(tail, at + 10, 2)};
  const uint64_t end = size - tail.size() + at;
  if (end < kLocatorBytes) return directory;
  std::string locator(kLocatorBytes, '\0');
  TRY(file.read_at(end - kLocatorBytes, locator.data(), locator.size()));
  if (number(locator, 0, 4) != kLocatorMark) return directory;
  const uint64_t end64 = number(locator, 8, 8);
  std::string record(kEnd64Bytes, '\0');
  if (end < kEnd64Bytes || end64 > end - kEnd64Bytes)
    return corrupt("says that its directory is where nothing is");
  TRY(file.read_at(end64, record.data(), record.size()));
  if (number(record, 0, 4) != kEnd64Mark) return corrupt("has a damaged zip64 directory");
  return Directory{number(record, 48, 8), number(record, 40, 8), number(record, 32, 8)};
}

// The zip64 field (1) holds those of size, packed size and offset that did not fit, in this order.
Status read_zip64(std::string_view extra, ZipEntry& entry) {
  for (size_t at = 0; at + 4 <= extra.size();) {
    const size_t bytes = number(extra, at + 2, 2);
    if (bytes > extra.size() - at - 4) break;
    if (number(extra, at, 2) == 1) {
      size_t next = at + 4;
      const size_t end = next + bytes;
      for (uint64_t* value : {&entry.size, &entry.packed, &entry.offset}) {
        if (*value != kElsewhere) continue;
        if (end - next < 8) return corrupt("has a damaged zip64 field");
        *value = number(extra, next, 8);
        next += 8;
      }
    }
    at += 4 + bytes;
  }
  return {};
}

struct Inflater {
  z_stream zlib{};
  bool ready = inflateInit2(&zlib, -15) == Z_OK;  // without a header of its own
  Inflater() = default;
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&zlib); }
};

Status inflate_all(ReadFile& file, uint64_t at, uint64_t packed, std::vector<uint8_t>& out) {
  constexpr uint64_t kPiece = 1 << 16, kMostOut = 1 << 30;  // zlib counts in 32 bits
  Inflater inflater;
  if (!inflater.ready) return {Code::kNoMemory, "no memory to unpack it"};
  z_stream& zlib = inflater.zlib;
  std::array<uint8_t, kPiece> buffer;
  uint64_t done = 0;
  for (int code = Z_OK; code != Z_STREAM_END;) {
    if (zlib.avail_in == 0) {
      const auto n = static_cast<size_t>(std::min(packed, kPiece));
      if (n == 0) return corrupt("ends early");
      TRY(file.read_at(at, buffer.data(), n));
      at += n;
      packed -= n;
      zlib.next_in = buffer.data();
      zlib.avail_in = static_cast<uInt>(n);
    }
    // One byte too many shows that there is more than was announced.
    uint8_t extra = 0;
    const auto room = static_cast<uInt>(std::min<uint64_t>(out.size() - done, kMostOut));
    zlib.next_out = room > 0 ? out.data() + done : &extra;
    zlib.avail_out = std::max<uInt>(room, 1);
    const uInt before = zlib.avail_out;
    code = inflate(&zlib, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return corrupt("its data is damaged");
    const uInt got = before - zlib.avail_out;
    if (room == 0 && got > 0) return corrupt("unpacks to more than it announces");
    done += got;
  }
  return done == out.size() ? Status() : corrupt("unpacks to less than it announces");
}

}  // namespace

Result<ZipFile> ZipFile::open(Env& env, const std::string& path, uint64_t max_bytes) {
  TRY_ASSIGN(std::unique_ptr<ReadFile> file, env.open_read(path));
  ZipFile zip(path, std::move(file));
  const Status status = zip.read_directory(max_bytes);
  if (!status.ok()) return status.within(path);
  return zip;
}

Status ZipFile::read_directory(uint64_t max_bytes) {
  TRY_ASSIGN(const Directory directory, find_directory(*file_));
  if (directory.bytes > kMaxDirectoryBytes || directory.bytes > file_->size() ||
      directory.start > file_->size() - directory.bytes)
    return corrupt("announces a directory that does not fit into the file");
  std::string bytes(directory.bytes, '\0');
  TRY(file_->read_at(directory.start, bytes.data(), bytes.size()));
  size_t at = 0;
  while (at < bytes.size()) {
    if (bytes.size() - at < kEntryBytes || number(bytes, at, 4) != kEntryMark)
      return corrupt("has a damaged directory");
    const size_t name = number(bytes, at + 28, 2), extra = number(bytes, at + 30, 2),
                 comment = number(bytes, at + 32, 2);
    if (bytes.size() - at - kEntryBytes < name + extra + comment) return corrupt("has a damaged directory");
    ZipEntry entry{bytes.substr(at + kEntryBytes, name),
                   number(bytes, at + 42, 4),
                   number(bytes, at + 20, 4),
                   number(bytes, at + 24, 4),
                   static_cast<uint32_t>(number(bytes, at + 16, 4)),
                   static_cast<int>(number(bytes, at + 10, 2))};
    if ((number(bytes, at + 8, 2) & 1) != 0) return unsupported("'" + entry.name + "' is encrypted");
    TRY(read_zip64(std::string_view(bytes).substr(at + kEntryBytes + name, extra), entry));
    entries_.push_back(std::move(entry));
    at += kEntryBytes + name + extra + comment;
  }
  if (entries_.size() != directory.entries) return corrupt("has a damaged directory");
  return check_entries(max_bytes, directory.start);
}

Status ZipFile::check_entries(uint64_t max_bytes, uint64_t directory) const {
  std::set<std::string> names;
  std::vector<std::pair<uint64_t, uint64_t>> places;
  uint64_t total = 0;
  for (const ZipEntry& entry : entries_) {
    const std::string place = "'" + entry.name + "' ";
    if (!names.insert(entry.name).second) return corrupt(place + "is in it twice");
    if (entry.method != kStored && entry.method != kDeflated)
      return unsupported(place + "is packed in a way (" + std::to_string(entry.method) +
                         ") that is not read; save with numpy.savez or savez_compressed");
    if (entry.offset > directory || entry.packed > directory - entry.offset ||
        (entry.method == kStored && entry.packed != entry.size) ||
        (entry.method == kDeflated && entry.size / kMostDeflateRatio > entry.packed))
      return corrupt(place + "has a size that cannot be true");
    if (entry.size > max_bytes - total)
      return unsupported("unpacks to more than the " + std::to_string(max_bytes >> 20) +
                         " MiB that are accepted");
    total += entry.size;
    places.emplace_back(entry.offset, entry.offset + kLocalBytes + entry.packed);
  }
  std::sort(places.begin(), places.end());
  for (size_t i = 1; i < places.size(); ++i)
    if (places[i].first < places[i - 1].second) return corrupt("has files that overlap");
  return {};
}

Result<std::vector<uint8_t>> ZipFile::read(const ZipEntry& entry) const {
  const std::string place = path_ + ": '" + entry.name + "'";
  std::string local(kLocalBytes, '\0');
  TRY(file_->read_at(entry.offset, local.data(), local.size()));
  if (number(local, 0, 4) != kLocalMark) return corrupt(place + ": has a damaged header");
  const uint64_t start = entry.offset + kLocalBytes + number(local, 26, 2) + number(local, 28, 2);
  if (start > file_->size() || entry.packed > file_->size() - start) return corrupt(place + ": ends early");
  std::vector<uint8_t> out(entry.size);
  if (entry.method == kStored) {
    TRY(file_->read_at(start, out.data(), out.size()));
  } else {
    TRY(inflate_all(*file_, start, entry.packed, out).within(place));
  }
  uLong sum = crc32(0, nullptr, 0);
  constexpr size_t kPiece = size_t{1} << 30;
  for (size_t at = 0; at < out.size(); at += kPiece)
    sum = crc32(sum, out.data() + at, static_cast<uInt>(std::min(kPiece, out.size() - at)));
  if (sum != entry.checksum) return corrupt(place + ": its checksum is wrong; fetch or save the file again");
  return out;
}

}  // namespace coppice
