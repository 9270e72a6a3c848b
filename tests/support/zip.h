// SPDX-License-Identifier: Apache-2.0
// ZIP archives and .npz files for tests, byte by byte, so that each byte can be wrong.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <string_view>
#include <vector>

namespace coppice::testing {

inline std::string little_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i, value >>= 8) out += static_cast<char>(value);
  return out;
}

inline std::string raw_deflated(std::string_view content) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

struct ZipMember {
  std::string name, content;
  bool deflated = false;
  int64_t size = -1;       // what the directory says; -1: the truth
  uint32_t wrong_sum = 0;  // added to the checksum
  int flags = 0, method = -1;
  int64_t offset = -1;
  bool zip64 = false;  // sizes in the zip64 field
};

inline std::string zip_of(const std::vector<ZipMember>& members) {
  std::string out, directory;
  for (const ZipMember& m : members) {
    const std::string packed = m.deflated ? raw_deflated(m.content) : m.content;
    const uint64_t size = m.size < 0 ? m.content.size() : static_cast<uint64_t>(m.size);
    const auto sum = static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(m.content.data()),
                                                 static_cast<uInt>(m.content.size()))) +
                     m.wrong_sum;
    const uint64_t offset = m.offset < 0 ? out.size() : static_cast<uint64_t>(m.offset);
    const int method = m.method >= 0 ? m.method : m.deflated ? 8 : 0;
    const uint64_t short_size = m.zip64 ? 0xffffffff : size,
                   short_packed = m.zip64 ? 0xffffffff : packed.size();
    const std::string extra = m.zip64 ? little_endian(1, 2) + little_endian(16, 2) + little_endian(size, 8) +
                                            little_endian(packed.size(), 8)
                                      : "";
    const std::string common = little_endian(20, 2) + little_endian(static_cast<uint64_t>(m.flags), 2) +
                               little_endian(static_cast<uint64_t>(method), 2) + little_endian(0, 4) +
                               little_endian(sum, 4) + little_endian(short_packed, 4) +
                               little_endian(short_size, 4) + little_endian(m.name.size(), 2) +
                               little_endian(extra.size(), 2);
    out += "PK\3\4" + common + m.name + extra + packed;
    directory += "PK\1\2" + little_endian(20, 2) + common + little_endian(0, 2 + 2 + 2 + 4) +
                 little_endian(offset, 4) + m.name + extra;
  }
  const uint64_t start = out.size();
  return out + directory + "PK\5\6" + little_endian(0, 4) + little_endian(members.size(), 2) +
         little_endian(members.size(), 2) + little_endian(directory.size(), 4) + little_endian(start, 4) +
         little_endian(0, 2);
}

// A .npy file.
template <class T>
std::string npy_of(const std::string& type, const std::string& shape, const std::vector<T>& values) {
  const std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY\x01\0", 8) + little_endian(header.size(), 2) + header +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace coppice::testing
