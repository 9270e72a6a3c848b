// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "dataset/dataset.h"
#include "dataset/loader.h"
#include "support/failing_env.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::FailingEnv;
using testing::TempDir;

Result<Dataset> load(const std::string& text, const DatasetOptions& options = {}) {
  const TempDir dir;
  return load_dataset(Env::system(), dir.write("t.csv", text), options);
}

std::string refusal(const std::string& text, const DatasetOptions& options = {}) {
  const auto data = load(text, options);
  return data.ok() ? "accepted" : data.status().message();
}

void expect(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

constexpr char kFlowers[] = "width,height,kind\n1,10,rose\n2,20,tulip\n3,30,rose\n4.5,40,tulip\n";

TEST(Table, TheLastColumnIsTheClass) {
  const auto data = load(kFlowers);
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->features, (Features{2, 1, 1}));
  EXPECT_TRUE(data->numbers);
  EXPECT_EQ(data->classes, (std::vector<std::string>{"rose", "tulip"}));
  EXPECT_EQ(data->train.samples->numbers, (std::vector<float>{1, 10, 2, 20, 3, 30, 4.5, 40}));
  EXPECT_EQ(data->train.samples->labels, (std::vector<int32_t>{0, 1, 0, 1}));
}

TEST(Table, AnyColumnIsTheClassByNameOrNumber) {
  DatasetOptions options;
  for (const char* label : {"kind", "2"}) {
    options.label = label;
    const auto data = load("width,kind,height\n1,b,10\n2,a,20\n", options);
    ASSERT_TRUE(data.ok()) << data.status().message();
    EXPECT_EQ(data->classes, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(data->train.samples->numbers, (std::vector<float>{1, 10, 2, 20}));
  }
  options.label = "colour";
  expect(refusal(kFlowers, options),
         "has no column 'colour' for the label; its columns are width, height, kind");
  options.label = "0";
  expect(refusal("1,a\n2,b\n", options), "its columns have no names, choose a number from 1 to 2");
}

TEST(Table, IntegersAreClassesInTheOrderOfNumbers) {
  const auto data = load("1,10\n2,9\n3,10.0\n4,9\n");
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->classes, (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(data->train.samples->labels, (std::vector<int32_t>{1, 0, 1, 0}));
}

TEST(Table, NamesTheLineAndTheColumnOfAMistake) {
  expect(refusal("a,b,c\n1,2,x\n1,NA,y\n"), "t.csv line 3: column 'b' holds 'NA' where a number is needed");
  expect(refusal("a,b,c\n1,2,x\n1,,y\n"), "t.csv line 3: column 'b' holds ''");
  expect(refusal("1,2,x\n1,nan,y\n"), "t.csv line 2: column 2 holds 'nan'");
  expect(refusal("a,b\n1,x\n2,\n"), "t.csv line 3: column 'b' holds no label");
  expect(refusal("a,b,c\n1,2,x\n1,2\n"), "t.csv line 3: has 2 fields, the first row has 3");
  expect(refusal(",a,b\n0,1,x\n1,2,y\n"),
         "column 1 has no name; name it, or take it out if it only counts the rows");
  expect(refusal("a,b\n1,1.5\n2,2.5\n"), "column 'b' holds 1.5, a quantity");
  expect(refusal("a,b\n1,x\n2,x\n"), "column 'b' has one class only ('x')");
  expect(refusal(""), "t.csv: holds no row");
  expect(refusal("a\n1\n"), "one column only");
  std::string ids = "a,id\n";
  for (int i = 0; i < 50; ++i) ids += "1," + std::to_string(i) + "\n";
  expect(refusal(ids), "has 50 different values in 50 samples, too many for classes");
  DatasetOptions options;
  options.pictures.channels = 1;
  expect(refusal(kFlowers, options), "is no folder of pictures, so leave out image_size and grey");
  const TempDir dir;
  expect(load_dataset(Env::system(), dir.write("t.bin", "1,2\n3,4\n")).status().message(),
         "t.bin: is neither a .npz nor a .csv file");
}

TEST(Table, AreNamedInTheClassesOfANetwork) {
  DatasetOptions options;
  options.classes = {"lily", "tulip", "rose"};
  const auto data = load(kFlowers, options);
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->train.samples->labels, (std::vector<int32_t>{2, 1, 2, 1}));
  options.classes = {"lily", "rose"};
  expect(refusal(kFlowers, options), "holds 'tulip', which is not among the classes");
}

// Each column by itself, and a mean of a billion with a deviation of one costs no digits.
TEST(Table, EveryColumnHasItsOwnScale) {
  std::string text = "a,b,c,kind\n";
  for (int i = 0; i < 64; ++i)
    text +=
        std::to_string(i) + "," + std::to_string(16000000 + i % 4) + ",7," + (i % 2 == 0 ? "x" : "y") + "\n";
  DatasetOptions options;
  options.test_share = options.validation = 0;
  const auto data = load(text, options);
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_NEAR(data->normalisation.mean[0], 31.5, 1e-6);
  EXPECT_NEAR(data->normalisation.stddev[0], std::sqrt((64.0 * 64 - 1) / 12), 1e-5);
  EXPECT_NEAR(data->normalisation.stddev[1], std::sqrt(1.25), 1e-6);
  EXPECT_EQ(data->normalisation.stddev[2], 1) << "a constant is not divided by nothing";
  LoaderOptions loading;
  loading.batch = loading.width = 16;
  loading.shuffle = loading.prefetch = false;
  const auto loader = Loader::create(*data, data->train, loading).take();
  const Batch& batch = loader->next();
  for (int c = 0; c < 16; ++c) {
    EXPECT_NEAR(batch.x[c], (c - 31.5) / std::sqrt((64.0 * 64 - 1) / 12), 1e-5);
    EXPECT_NEAR(batch.x[16 + c], (c % 4 - 1.5) / std::sqrt(1.25), 0.5) << "floats of 16 million step by one";
    EXPECT_EQ(batch.x[32 + c], 0);
    EXPECT_EQ(batch.labels[c], c % 2);
  }
}

TEST(Table, EveryFailingReadIsReported) {
  const TempDir dir;
  const std::string path = dir.write("t.csv", kFlowers);
  FailingEnv counting(-1);
  ASSERT_TRUE(load_dataset(counting, path).ok());
  for (int64_t operation = 0; operation < counting.operations(); ++operation) {
    FailingEnv failing(operation);
    EXPECT_FALSE(load_dataset(failing, path).ok()) << operation;
  }
}

}  // namespace
}  // namespace coppice
