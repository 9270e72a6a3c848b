// SPDX-License-Identifier: Apache-2.0
#include "io/npy.h"

#include <gtest/gtest.h>

#include "support/failing_env.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::TempDir;
using namespace std::string_literals;

std::string npy(const std::string& header, const std::string& values, int version = 1) {
  std::string file = std::string("\x93NUMPY") + static_cast<char>(version) + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += static_cast<char>(header.size() >> (8 * i));
  return file + header + values;
}

TEST(Npy, WritesWhatItReads) {
  const TempDir dir;
  const std::string path = dir.file("a.npy");
  const std::vector<float> values{1.5f, -2, 3, 4, 5, 6};
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{2, 3}, {6}, {1, 6, 1}}) {
    ASSERT_TRUE(write_npy(Env::system(), path, Dtype::kF32, shape, values.data()).ok());
    const auto array = read_npy(Env::system(), path);
    ASSERT_TRUE(array.ok()) << array.status().message();
    EXPECT_EQ(array->shape, shape);
    EXPECT_EQ(*array->values<float>(), values);
    EXPECT_FALSE(array->values<int32_t>().ok());
  }
  const std::vector<int64_t> wide{INT64_MIN, 7};
  ASSERT_TRUE(write_npy(Env::system(), path, Dtype::kI64, {2}, wide.data()).ok());
  EXPECT_EQ(*read_npy(Env::system(), path)->values<int64_t>(), wide);
  const std::vector<uint8_t> bytes{1, 2, 255};
  ASSERT_TRUE(write_npy(Env::system(), path, Dtype::kU8, {3}, bytes.data()).ok());
  EXPECT_EQ(*read_npy(Env::system(), path)->values<uint8_t>(), bytes);
  const int32_t single = 12;
  ASSERT_TRUE(write_npy(Env::system(), path, Dtype::kI32, {}, &single).ok());
  EXPECT_EQ(*read_npy(Env::system(), path)->values<int32_t>(), std::vector<int32_t>{12});
}

// What numpy.save writes for numpy.array([[1, 2, 3]], dtype=numpy.uint8): the values begin at byte 128.
TEST(Npy, HeaderIsLaidOutAsNumPyDoes) {
  const TempDir dir;
  const std::vector<uint8_t> values{1, 2, 3};
  ASSERT_TRUE(write_npy(Env::system(), dir.file("a.npy"), Dtype::kU8, {1, 3}, values.data()).ok());
  const std::string file = read_all(Env::system(), dir.file("a.npy"), 1000).take();
  std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 3), }";
  header.resize(117, ' ');
  EXPECT_EQ(file, npy(header + '\n', "\x01\x02\x03"));
}

TEST(Npy, ReadsAllVersionsAndAnyOrderOfKeys) {
  const TempDir dir;
  for (const int version : {1, 2, 3}) {
    const auto array = read_npy(
        Env::system(), dir.write("a.npy", npy("{\"shape\":(2,),'descr':'<i4','fortran_order':False}\n",
                                              "\1\0\0\0\2\0\0\0"s, version)));
    ASSERT_TRUE(array.ok()) << array.status().message();
    EXPECT_EQ(*array->values<int32_t>(), (std::vector<int32_t>{1, 2}));
  }
}

TEST(Npy, EveryTruncationIsAnError) {
  const TempDir dir;
  const std::string file = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", "abc");
  ASSERT_TRUE(read_npy(Env::system(), dir.write("a.npy", file)).ok());
  for (size_t size = 0; size < file.size(); ++size)
    ASSERT_FALSE(read_npy(Env::system(), dir.write("a.npy", file.substr(0, size))).ok()) << size;
  ASSERT_FALSE(read_npy(Env::system(), dir.write("a.npy", file + "d")).ok());
}

TEST(Npy, SaysWhatItDoesNotRead) {
  const TempDir dir;
  const auto message = [&](const std::string& header, int version = 1) {
    return read_npy(Env::system(), dir.write("a.npy", npy(header, "abcd", version))).status().message();
  };
  const auto expect = [](const std::string& message_text, const std::string& part) {
    EXPECT_NE(message_text.find(part), std::string::npos) << message_text;
    EXPECT_NE(message_text.find("a.npy: "), std::string::npos) << message_text;
  };
  expect(message("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}"), "type '>f4'");
  expect(message("{'descr': '<f2', 'fortran_order': False, 'shape': (1,)}"), "type '<f2'");
  expect(message("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"), "shape needs");
  expect(message("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"), "structured");
  expect(message("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}"), "Fortran");
  expect(message("{'descr': '<f4', 'fortran_order': False}"), "lacks");
  expect(message("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"),
         "repeated key 'descr'");
  expect(message("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}"),
         "unknown or repeated key 'x'");
  expect(message("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "number");
  expect(message("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"), "too large");
  expect(message("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"),
         "shape needs");
  expect(message("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"), "shape needs");
  expect(message("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x"), "the end");
  expect(message("{}", 4), "version 4");
  expect(read_npy(Env::system(), dir.write("a.npy", "PK\x03\x04 a zip file, say")).status().message(),
         "not a .npy");
  EXPECT_EQ(write_npy(Env::system(), dir.file("b.npy"), Dtype::kF16, {1}, "ab").code(), Code::kUnsupported);
}

TEST(Npy, NoDamagedHeaderByteCrashes) {
  const TempDir dir;
  const std::string file = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", "abc");
  for (size_t i = 0; i < file.size(); ++i)
    for (const char c : {'\0', '\'', '(', ')', ',', '9', '{', '}', '\xff'}) {
      std::string damaged = file;
      damaged[i] = c;
      const auto array = read_npy(Env::system(), dir.write("a.npy", damaged));
      if (array.ok()) {
        EXPECT_EQ(array->bytes.size(), 3u);
      }
    }
}

}  // namespace
}  // namespace coppice
