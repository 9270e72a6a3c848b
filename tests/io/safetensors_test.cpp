// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "support/failing_env.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::FailingEnv;
using testing::TempDir;

std::string file_of(const std::string& header, const std::string& data = "") {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + data;
}

const std::vector<float> kFloats{1.0f, -2.5f, 3.25f, 0.0f, 1e-30f, 7.0f};
const std::vector<int64_t> kCounts{1, INT64_MAX};
const std::vector<int32_t> kIndices{3, -1, 9};
const std::vector<uint8_t> kBytes{0, 255, 7};
const std::vector<double> kDoubles{0.1, -1e300};
const Metadata kMetadata{{"format", "coppice"}, {"graph", "{\"a\": \"\xc3\xa9\\n\"}"}, {"empty", ""}};

std::vector<TensorView> some_tensors() {
  return {{"b.bytes", Dtype::kU8, {3}, kBytes.data()},    {"w", Dtype::kF32, {2, 3}, kFloats.data()},
          {"nothing", Dtype::kF32, {0, 5}, nullptr},      {"c", Dtype::kI64, {2}, kCounts.data()},
          {"i", Dtype::kI32, {3, 1, 1}, kIndices.data()}, {"a.double", Dtype::kF64, {2}, kDoubles.data()},
          {"scalar", Dtype::kF32, {}, &kFloats[1]}};
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const TempDir dir;
  const std::string path = dir.file("m.safetensors");
  const Status written = write_safetensors(Env::system(), path, some_tensors(), kMetadata);
  ASSERT_TRUE(written.ok()) << written.message();
  const auto file = SafetensorsFile::open(Env::system(), path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->metadata(), kMetadata);
  EXPECT_EQ(file->tensors().size(), 7u);
  EXPECT_EQ(file->tensors().at("i").shape, (std::vector<int64_t>{3, 1, 1}));
  EXPECT_EQ(*file->read<float>("w"), kFloats);
  EXPECT_EQ(*file->read<float>("scalar"), std::vector<float>{-2.5f});
  EXPECT_TRUE(file->read<float>("nothing")->empty());
  EXPECT_EQ(*file->read<int64_t>("c"), kCounts);
  EXPECT_EQ(*file->read<int32_t>("i"), kIndices);
  EXPECT_EQ(*file->read<uint8_t>("b.bytes"), kBytes);
  EXPECT_EQ(*file->read<double>("a.double"), kDoubles);
}

TEST(Safetensors, BytesDependOnTheContentOnlyAndAreAligned) {
  const TempDir dir;
  auto tensors = some_tensors();
  ASSERT_TRUE(write_safetensors(Env::system(), dir.file("a"), tensors, kMetadata).ok());
  std::reverse(tensors.begin(), tensors.end());
  ASSERT_TRUE(write_safetensors(Env::system(), dir.file("b"), tensors, kMetadata).ok());
  const std::string a = read_all(Env::system(), dir.file("a"), 1 << 20).take();
  EXPECT_EQ(a, read_all(Env::system(), dir.file("b"), 1 << 20).take());
  uint64_t header = 0;
  std::memcpy(&header, a.data(), 8);
  EXPECT_EQ(header % 8, 0u);
  const auto file = SafetensorsFile::open(Env::system(), dir.file("a"));
  for (const auto& [name, tensor] : file->tensors())
    EXPECT_EQ(tensor.begin % dtype_bytes(tensor.dtype), 0u) << name;
}

TEST(Safetensors, MissingTensorsAndOtherTypesAreNamed) {
  const TempDir dir;
  ASSERT_TRUE(write_safetensors(Env::system(), dir.file("m"), some_tensors(), {}).ok());
  const auto file = SafetensorsFile::open(Env::system(), dir.file("m"));
  EXPECT_NE(file->read<float>("fc1.weight").status().message().find("m: holds no tensor 'fc1.weight'"),
            std::string::npos);
  EXPECT_NE(file->read<float>("c").status().message().find("'c' is I64, needed is F32"), std::string::npos);
  EXPECT_TRUE(file->has("c"));
  EXPECT_FALSE(file->has("d"));
}

TEST(Safetensors, WriterRefusesWhatReadersWould) {
  const TempDir dir;
  const auto message = [&](std::vector<TensorView> tensors, const Metadata& metadata) {
    const std::string text =
        write_safetensors(Env::system(), dir.file("m"), std::move(tensors), metadata).message();
    EXPECT_FALSE(Env::system().exists(dir.file("m")));
    return text;
  };
  const TensorView one{"x", Dtype::kF32, {1}, kFloats.data()};
  EXPECT_NE(message({one, one}, {}).find("'x'"), std::string::npos);
  TensorView reserved = one;
  reserved.name = "__metadata__";
  EXPECT_NE(message({reserved}, {}).find("'__metadata__'"), std::string::npos);
  TensorView huge = one;
  huge.shape = {int64_t{1} << 62, 8};
  EXPECT_NE(message({huge}, {}).find("impossible shape"), std::string::npos);
  EXPECT_NE(message({one}, {{"k", "\xff"}}).find("UTF-8"), std::string::npos);
}

TEST(Safetensors, EveryTruncationAndAnyTrailingByteIsAnError) {
  const TempDir dir;
  ASSERT_TRUE(write_safetensors(Env::system(), dir.file("m"), some_tensors(), kMetadata).ok());
  const std::string whole = read_all(Env::system(), dir.file("m"), 1 << 20).take();
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto file = SafetensorsFile::open(Env::system(), dir.write("cut", whole.substr(0, size)));
    ASSERT_EQ(file.status().code(), Code::kCorrupt) << size;
    ASSERT_NE(file.status().message().find("cut: "), std::string::npos) << file.status().message();
  }
  EXPECT_EQ(SafetensorsFile::open(Env::system(), dir.write("long", whole + '\0')).status().code(),
            Code::kCorrupt);
}

TEST(Safetensors, NoDamagedHeaderByteCrashesOrBreaksTheLayout) {
  const TempDir dir;
  const std::string header =
      R"({"__metadata__":{"k":"v"},"x":{"dtype":"U8","shape":[2,3],"data_offsets":[0,6]}})";
  const std::string file = file_of(header, "abcdef");
  ASSERT_TRUE(SafetensorsFile::open(Env::system(), dir.write("m", file)).ok());
  for (size_t i = 0; i < 8 + header.size(); ++i)
    for (const char c : {'\0', '"', '{', '}', '[', ']', ',', ':', '9', '-', '.', 'e', '\\', '\x80', '\xff'}) {
      std::string damaged = file;
      damaged[i] = c;
      const auto opened = SafetensorsFile::open(Env::system(), dir.write("m", damaged));
      if (!opened.ok()) continue;
      uint64_t bytes = 0;
      for (const auto& [name, tensor] : opened->tensors()) bytes += tensor.bytes();
      EXPECT_EQ(bytes, 6u);
    }
}

TEST(Safetensors, HostileHeadersAreRefusedWithTheReason) {
  const TempDir dir;
  const auto expect = [&](const std::string& header, const std::string& data, const std::string& reason) {
    const auto file = SafetensorsFile::open(Env::system(), dir.write("m", file_of(header, data)));
    EXPECT_EQ(file.status().code(), Code::kCorrupt) << header;
    EXPECT_NE(file.status().message().find(reason), std::string::npos) << header << "\n"
                                                                       << file.status().message();
  };
  const auto tensor = [](const std::string& shape, const std::string& offsets,
                         const std::string& dtype = "U8") {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
  };
  const std::string four = tensor("[4]", "[0,4]");
  expect("{\"a\":" + four + ",\"a\":" + four + "}", "abcd", "key 'a' stands twice");
  expect(R"({"__metadata__":{},"__metadata__":{}})", "", "key '__metadata__' stands twice");
  expect(R"({"__metadata__":{"k":"1","k":"2"}})", "", "metadata key 'k' stands twice");
  expect(R"({"__metadata__":{"k":1}})", "", "metadata 'k' is the number 1");
  expect(R"({"__metadata__":{"k":{}}})", "", "metadata 'k' is an object");
  expect("{\"a\":" + tensor("[4]", "[0,4]") + ",\"b\":" + tensor("[4]", "[5,9]") + "}", "abcdefghi",
         "begins at byte 5");
  expect("{\"a\":" + tensor("[4]", "[0,4]") + ",\"b\":" + tensor("[4]", "[3,7]") + "}", "abcdefg",
         "begins at byte 3");
  expect("{\"a\":" + tensor("[4]", "[1,5]") + "}", "abcde", "begins at byte 1");
  expect("{\"a\":" + four + "}", "abcde", "end at byte 4 of the data, the file at 5");
  expect("{\"a\":" + four + "}", "abc", "end at byte 4 of the data, the file at 3");
  expect("{\"a\":" + tensor("[5]", "[0,4]") + "}", "abcd", "needs 5 bytes");
  expect("{\"a\":" + tensor("[4]", "[4,0]") + "}", "abcd", "not a pair");
  expect("{\"a\":" + tensor("[4]", "[0,2,4]") + "}", "abcd", "not a pair");
  expect("{\"a\":" + tensor("[4]", "[0]") + "}", "abcd", "not a pair");
  expect("{\"a\":" + tensor("[4294967296,4294967296,4]", "[0,0]") + "}", "", "product is too large");
  expect("{\"a\":" + tensor("[9223372036854775807]", "[0,8]", "F64") + "}", "12345678",
         "product is too large");
  expect("{\"a\":" + tensor("[18446744073709551615]", "[0,4]") + "}", "abcd",
         "the number 18446744073709551615");
  expect("{\"a\":" + tensor("[-4]", "[0,4]") + "}", "abcd", "the number -4");
  expect("{\"a\":" + tensor("[4.0]", "[0,4]") + "}", "abcd", "the number 4.0");
  expect("{\"a\":" + tensor("[[4]]", "[0,4]") + "}", "abcd", "an array in its field 'shape'");
  expect("{\"a\":" + tensor("4", "[0,4]") + "}", "abcd", "the number 4 in its field 'shape'");
  expect("{\"a\":" + tensor("[4]", "[0,4]", "F8") + "}", "abcd", "type 'F8'");
  expect(R"({"a":{"dtype":"U8","shape":[4]}})", "abcd", "lacks its dtype, its shape or its data_offsets");
  expect(R"({"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "abcd", "two types");
  expect(R"({"a":{"dtype":"U8","shape":[4],"shape":[4],"data_offsets":[0,4]}})", "abcd", "two shapes");
  expect(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"data_offsets":[0,4]}})", "abcd",
         "two pairs");
  expect(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}})", "abcd", "field 'x'");
  expect(R"({"a":null})", "", "'a' is null");
  expect(R"({"a":[1]})", "", "'a' is an array");
  expect("[]", "", "the header is an array");
  expect("{} x", "", "not valid JSON at its byte 4");
  expect("{\"\xff\":{}}", "", "not valid JSON");
  expect("", "", "not valid JSON");
  expect(std::string(100000, '['), "", "the header is an array");
  expect("{\"a\":" + std::string(100000, '{'), "", "not valid JSON");
}

TEST(Safetensors, HeaderLengthIsBoundedBeforeItIsTrusted) {
  const TempDir dir;
  for (const uint64_t length : {uint64_t{3}, uint64_t{100'000'001}, UINT64_MAX, UINT64_MAX - 7}) {
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, 8);
    const auto opened = SafetensorsFile::open(Env::system(), dir.write("m", file + "{}"));
    EXPECT_NE(opened.status().message().find("header of " + std::to_string(length)), std::string::npos);
  }
}

TEST(Safetensors, TheOldFileSurvivesEveryFailureOfWriting) {
  const TempDir dir;
  const std::string path = dir.file("m");
  const std::vector<float> old_values{42.0f};
  const auto write_old = [&] {
    ASSERT_TRUE(
        write_safetensors(Env::system(), path, {{"old", Dtype::kF32, {1}, old_values.data()}}, {}).ok());
  };
  for (const auto then : {FailingEnv::Then::kRecovers, FailingEnv::Then::kStaysDown}) {
    int64_t failures = 0;
    for (int64_t n = 0;; ++n) {
      write_old();
      FailingEnv env(n, then);
      const Status written = write_safetensors(env, path, some_tensors(), kMetadata);
      const auto file = SafetensorsFile::open(Env::system(), path);
      ASSERT_TRUE(file.ok()) << "operation " << n << ": " << file.status().message();
      if (written.ok()) {
        EXPECT_TRUE(file->has("w"));
        break;
      }
      ++failures;
      EXPECT_EQ(written.code(), Code::kNoSpace);
      // Only after the rename, while the folder is synced, may the new file be there - whole.
      if (file->has("old")) {
        EXPECT_EQ(*file->read<float>("old"), old_values);
      } else {
        EXPECT_EQ(*file->read<float>("w"), kFloats);
      }
      if (then == FailingEnv::Then::kRecovers) {
        EXPECT_FALSE(Env::system().exists(path + ".partial")) << "operation " << n;
      }
    }
    // open, length, header, 7 tensors, sync, close, rename, sync of the folder
    EXPECT_EQ(failures, 14);
  }
}

// The formats that people have instead get the way out.
TEST(Safetensors, NamesForeignFilesAndTheWayOut) {
  const TempDir folder;
  const struct {
    std::string content;
    const char* sentence;
  } files[] = {{std::string("PK\x03\x04") + std::string(100, 'x'), ": is a PyTorch file"},
               {std::string("PK\x03\x04"), ": is a PyTorch file"},
               {std::string("\x80\x02\x8a\x0a") + std::string(20, 'x'), "s.save_file(torch.load('model.pt'"},
               {std::string("\x89HDF\r\n\x1a\n") + std::string(20, '\0'), ": is an HDF5 file (Keras)"},
               {"GGUF" + std::string(20, '\0'), ": is a GGUF file"},
               {"short", ": is too short for a safetensors file"},
               {"", ": is too short for a safetensors file"}};
  for (const auto& file : files) {
    const Status refused = SafetensorsFile::open(Env::system(), folder.write("f", file.content)).status();
    EXPECT_NE(refused.message().find(folder.file("f") + ": "), std::string::npos);
    EXPECT_NE(refused.message().find(file.sentence), std::string::npos) << refused.message();
  }
}

TEST(Safetensors, ReadErrorsArePassedOn) {
  const TempDir dir;
  ASSERT_TRUE(write_safetensors(Env::system(), dir.file("m"), some_tensors(), kMetadata).ok());
  for (int64_t n = 0; n < 4; ++n) {
    FailingEnv env(n);
    const auto file = SafetensorsFile::open(env, dir.file("m"));
    EXPECT_EQ(file.ok() ? file->read<float>("w").status().code() : file.status().code(), Code::kNoSpace) << n;
  }
}

}  // namespace
}  // namespace coppice
