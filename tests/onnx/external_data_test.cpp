// SPDX-License-Identifier: Apache-2.0
// Weights in files beside the model: read where somebody asked for it, from its directory alone.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "onnx/import.h"
#include "support/answers.h"
#include "support/failing_env.h"
#include "support/onnx_bytes.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using namespace testing;

// Where a tensor lies, as a file says it.
struct Place {
  std::string location = "w.bin", offset, length;
};

class ExternalData : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_.file("model/below"));
    write("model/w.bin", std::string(8, '?') + numbers(6));
    write("model/below/b.bin", numbers(2));
    write("secret.bin", std::string(8, '?') + numbers(6));
  }
  void write(const std::string& name, const std::string& bytes) { folder_.write(name, bytes); }
  static std::string numbers(size_t count) {
    const std::vector<float> values = onnx_numbers(count);
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
  }
  static ProtoWriter tensor(const std::string& name, const std::vector<int64_t>& dims, const Place& place) {
    ProtoWriter out;
    out.integers(1, dims).integer(2, kOnnxFloat).bytes(8, name);
    for (const auto& [key, value] : {std::pair<std::string, std::string>{"location", place.location},
                                     {"offset", place.offset},
                                     {"length", place.length}})
      if (!value.empty()) out.message(13, ProtoWriter().bytes(1, key).bytes(2, value));
    return out.integer(14, 1);
  }
  Result<ImportedNetwork> import(const Place& weight, const Place& bias = {"below/b.bin", "", ""},
                                 Env& env = Env::system(), bool asked = true) {
    OnnxFile file = onnx_linear();
    file.initializer(tensor("w", {3, 2}, weight)).initializer(tensor("b", {2}, bias));
    write("model/net.onnx", file.bytes());
    ImportOptions options;
    options.external_data = asked;
    return import_onnx_file(env, folder_.file("model/net.onnx"), options);
  }
  void expect_refusal(const Place& weight, const std::string& sentence) {
    const auto made = import(weight);
    ASSERT_FALSE(made.ok()) << sentence;
    EXPECT_EQ(made.status().message().find(folder_.file("model/net.onnx") + ": tensor 'w': "), 0U)
        << made.status().message();
    EXPECT_NE(made.status().message().find(sentence), std::string::npos) << made.status().message();
  }
  TempDir folder_;
};

TEST_F(ExternalData, IsReadFromTheDirectoryOfTheModel) {
  for (const Place& place : {Place{"w.bin", "8", "24"}, Place{"./w.bin", "8", ""}}) {
    auto made = import(place);
    ASSERT_TRUE(made.ok()) << made.status().message();
    OnnxFile whole = onnx_linear();
    whole.initializer(onnx_floats("w", {3, 2}, onnx_numbers(6)));
    whole.initializer(onnx_floats("b", {2}, onnx_numbers(2)));
    auto inside = import_onnx(whole.bytes());
    ASSERT_TRUE(inside.ok());
    const std::vector<float> x = {1, 2, 3, -1, 0.5F, 0};
    EXPECT_EQ(answers(made->network, x, 2), answers(inside->network, x, 2));
  }
}

TEST_F(ExternalData, HasToBeAskedFor) {
  const auto made = import({"w.bin", "8", ""}, {"below/b.bin", "", ""}, Env::system(), false);
  EXPECT_EQ(
      made.status().message(),
      folder_.file("model/net.onnx") +
          ": tensor 'w': its data lies outside of the model, in 'w.bin'; --external-data reads such files "
          "from the directory of the model, or put all inside with onnx.save(onnx.load(FILE), OUT)");
}

TEST_F(ExternalData, LeadsNowhereElse) {
  expect_refusal({"../secret.bin", "8", ""}, "'../secret.bin' leads out of the directory");
  expect_refusal({"below/../../secret.bin", "8", ""}, "leads out of the directory");
  expect_refusal({folder_.file("secret.bin"), "8", ""}, "leads out of the directory");
  expect_refusal({"", "8", ""}, "names no file");
  expect_refusal({"w\x1b[2J.bin", "8", ""}, "a character that no name should have");
  ASSERT_EQ(symlink(folder_.file("secret.bin").c_str(), folder_.file("model/link.bin").c_str()), 0);
  ASSERT_EQ(symlink(folder_.file("model").c_str(), folder_.file("model/around").c_str()), 0);
  ASSERT_EQ(symlink("w.bin", folder_.file("model/same.bin").c_str()), 0);
  expect_refusal({"link.bin", "8", ""}, "'link.bin' is a link, which is not followed");
  expect_refusal({"same.bin", "8", ""}, "'same.bin' is a link, which is not followed");
  expect_refusal({"around/w.bin", "8", ""}, "'around' is a link, which is not followed");
}

TEST_F(ExternalData, IsAFile) {
  expect_refusal({"none.bin", "", ""}, "no such file");
  expect_refusal({"below", "", ""}, "is no plain file");
  expect_refusal({"w.bin/x", "", ""}, "opening failed");
  ASSERT_EQ(mkfifo(folder_.file("model/pipe").c_str(), 0600), 0);
  expect_refusal({"pipe", "", ""}, "is no plain file");
}

TEST_F(ExternalData, HasToBeThere) {
  expect_refusal({"w.bin", "12", ""}, "'w.bin' has 32 bytes, the tensor takes 24 from byte 12");
  expect_refusal({"w.bin", "9223372036854775807", ""}, "'w.bin' has 32 bytes, the tensor takes 24 from byte");
  expect_refusal({"w.bin", "8", "20"}, "has dimensions for 24 bytes, and 20 of them");
  for (const char* number : {"-8", "8x", "99999999999999999999"}) {
    const auto made = import({"w.bin", number, ""});
    ASSERT_FALSE(made.ok());
    EXPECT_NE(made.status().message().find("gives external data an offset that is no number"),
              std::string::npos)
        << made.status().message();
  }
  write("model/w.bin", std::string(24, '\0'));
  const auto twice = import({"w.bin", "0", ""}, {"w.bin", "0", ""});
  ASSERT_FALSE(twice.ok());
  EXPECT_NE(twice.status().message().find("tensor 'b': 'w.bin' has 24 bytes, its tensors take more"),
            std::string::npos)
      << twice.status().message();
}

// Small memory whatever the dimensions say.
TEST_F(ExternalData, IsNotBelievedBeforeItIsThere) {
  OnnxFile file = onnx_linear();
  file.initializer(tensor("w", {1 << 14, 1 << 14}, {"w.bin", "", ""}))
      .initializer(onnx_floats("b", {2}, {0, 0}));
  write("model/net.onnx", file.bytes());
  const auto made = import_onnx_file(Env::system(), folder_.file("model/net.onnx"), {std::nullopt, true});
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.status().message().find("'w.bin' has 32 bytes, the tensor takes 1073741824"),
            std::string::npos)
      << made.status().message();
}

TEST_F(ExternalData, EveryFailureIsASentence) {
  for (int at = 0;; ++at) {
    FailingEnv env(at, FailingEnv::Then::kRecovers, FailingEnv::Fault::kIo);
    const auto made = import({"w.bin", "8", ""}, {"below/b.bin", "", ""}, env);
    if (made.ok()) {
      EXPECT_EQ(at, 6);  // three files, opened and read
      break;
    }
    EXPECT_EQ(made.status().code(), Code::kIo) << made.status().message();
  }
}

}  // namespace
}  // namespace coppice
