// SPDX-License-Identifier: Apache-2.0
// Labels and quantities: from tables and arrays to batches.
#include <gtest/gtest.h>

#include <cmath>

#include "dataset/dataset.h"
#include "dataset/loader.h"
#include "support/failing_env.h"
#include "support/temp_dir.h"
#include "support/zip.h"

namespace coppice {
namespace {

using testing::npy_of;
using testing::TempDir;
using testing::zip_of;
using testing::ZipMember;

DatasetOptions options_of(const std::string& target, std::optional<Task> task = std::nullopt) {
  DatasetOptions options;
  options.target = target;
  options.task = task;
  return options;
}

Result<Dataset> table(const std::string& text, const DatasetOptions& options) {
  const TempDir dir;
  return load_dataset(Env::system(), dir.write("t.csv", text), options);
}

std::string refusal(const std::string& text, const DatasetOptions& options) {
  const auto data = table(text, options);
  return data.ok() ? "accepted" : data.status().message();
}

void expect(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

constexpr char kHouses[] = "area,price,rooms,old\n50,100000,2,0\n70,150000.5,3,1\n90,200000,4,0\n";
using Floats = std::vector<float>;
using Bytes = std::vector<uint8_t>;
using Names = std::vector<std::string>;

TEST(Targets, OfATableAreQuantitiesUnlessAllAreZeroOrOne) {
  const auto one = table(kHouses, options_of("price"));
  ASSERT_TRUE(one.ok()) << one.status().message();
  EXPECT_EQ(one->task, Task::kRegression);
  EXPECT_EQ(one->target_names, Names{"price"});
  EXPECT_EQ(one->features, (Features{3, 1, 1}));
  EXPECT_EQ(one->train.samples->numbers, (Floats{50, 2, 0, 70, 3, 1, 90, 4, 0}));
  EXPECT_EQ(one->train.samples->quantities, (Floats{100000, 150000.5f, 200000}));
  EXPECT_TRUE(one->classes.empty());
  EXPECT_TRUE(one->dense_targets());
  EXPECT_FALSE(one->boards());

  // In the order that they are asked for, by name or number.
  for (const char* names : {"rooms,price", "3, 2"}) {
    const auto two = table(kHouses, options_of(names));
    ASSERT_TRUE(two.ok()) << two.status().message();
    EXPECT_EQ(two->target_names, (Names{"rooms", "price"}));
    EXPECT_EQ(two->train.samples->quantities, (Floats{2, 100000, 3, 150000.5f, 4, 200000}));
    EXPECT_EQ(two->train.samples->numbers, (Floats{50, 0, 70, 1, 90, 0}));
  }

  const auto label = table(kHouses, options_of("old"));
  ASSERT_TRUE(label.ok()) << label.status().message();
  EXPECT_EQ(label->task, Task::kLabels);
  EXPECT_EQ(label->outputs, 1);
  EXPECT_EQ(label->train.samples->targets, (Bytes{0, 1, 0}));
  EXPECT_EQ(table(kHouses, options_of("old", Task::kRegression))->train.samples->quantities,
            (Floats{0, 1, 0}));
  EXPECT_EQ(table(kHouses, options_of("old,price"))->task, Task::kRegression)
      << "one quantity makes all quantities";
  EXPECT_EQ(table(kHouses, options_of("", Task::kRegression))->target_names, Names{"old"})
      << "the last column";
  EXPECT_EQ(table("1,2\n3,4\n", options_of("2"))->target_names, Names{"column 2"});
  EXPECT_EQ(table("\"a,b\",c\n1,2\n3,4\n", options_of("a,b"))->target_names, Names{"a,b"});
}

TEST(Targets, OfATableNameTheLineAndTheColumnOfAMistake) {
  const auto price = options_of("price");
  expect(refusal("a,price\n1,2\n1,cheap\n", price),
         "t.csv line 3: column 'price' holds 'cheap' where a number");
  expect(refusal("a,price\n1,2\n1,nan\n", price), "t.csv line 3: column 'price' holds 'nan' where a number");
  expect(refusal("a,price\n1,2\n1,\n", price), "t.csv line 3: column 'price' holds ''");
  expect(refusal("a,price\n1,2\n1,1e60\n", price), "t.csv line 3: column 'price' holds '1e60'");
  expect(refusal(kHouses, options_of("prize")),
         "has no column 'prize' for the target; its columns are area, price, rooms, old");
  expect(refusal(kHouses, options_of("price,")), "has no column '' for the target");
  expect(refusal(kHouses, options_of("price,2")), "column 'price' is named twice as a target");
  expect(refusal("a,b\n1,2\n", options_of("a,b")),
         "every column is a target; leave at least one to learn from");
  expect(refusal("a,x\n1,0\n1,2\n", options_of("x", Task::kLabels)),
         "t.csv line 3: column 'x' holds 2, where a label is 0 or 1");
  expect(refusal("a,x\n", price), "t.csv: has no column 'price'");
}

Result<Dataset> arrays(const std::vector<ZipMember>& more, const DatasetOptions& options = {}) {
  std::vector<ZipMember> members = {{.name = "x.npy", .content = npy_of("<f4", "(3, 1)", Floats{1, 2, 3})}};
  members.insert(members.end(), more.begin(), more.end());
  const TempDir dir;
  return load_dataset(Env::system(), dir.write("a.npz", zip_of(members)), options);
}

template <class T>
Result<Dataset> with_y(const std::string& type, const std::string& shape, const std::vector<T>& y,
                       std::optional<Task> task = std::nullopt) {
  return arrays({{.name = "y.npy", .content = npy_of(type, shape, y)}}, options_of("", task));
}

TEST(Targets, OfArraysAreWhatTheyLookLike) {
  const auto one = with_y("<f8", "(3,)", std::vector<double>{1.5, -2, 1e6});
  ASSERT_TRUE(one.ok()) << one.status().message();
  EXPECT_EQ(one->task, Task::kRegression);
  EXPECT_EQ(one->train.samples->quantities, (Floats{1.5f, -2, 1e6f}));
  EXPECT_EQ(one->target_names, Names{"y"});
  const auto two = with_y("<f4", "(3, 2)", Floats{1, 2, 3, 4, 5, 6});
  EXPECT_EQ(two->task, Task::kRegression);
  EXPECT_EQ(two->target_names, (Names{"y0", "y1"}));
  for (const char* type : {"|u1", "|b1", "|i1"}) {
    const auto labels = with_y(type, "(3, 2)", Bytes{1, 1, 0, 1, 0, 0});
    ASSERT_TRUE(labels.ok()) << labels.status().message();
    EXPECT_EQ(labels->task, Task::kLabels) << type;
    EXPECT_EQ(labels->train.samples->targets, (Bytes{1, 1, 0, 1, 0, 0})) << type;
  }
  EXPECT_EQ(with_y("|b1", "(3,)", Bytes{1, 0, 1})->classes, (Names{"0", "1"}));
  EXPECT_EQ(with_y("<f4", "(3,)", Floats{2, 1, 2})->task, Task::kClasses) << "whole numbers are classes";
  EXPECT_EQ(with_y("|u1", "(3, 2)", Bytes{0, 1, 0, 1, 1, 0})->task, Task::kClasses) << "one-hot";
}

TEST(Targets, OfArraysAreWhatTheTaskSays) {
  EXPECT_EQ(
      with_y("<i4", "(3,)", std::vector<int32_t>{10, 20, 30}, Task::kRegression)->train.samples->quantities,
      (Floats{10, 20, 30}));
  EXPECT_EQ(with_y("|u1", "(3, 2)", Bytes{0, 1, 0, 1, 1, 0}, Task::kLabels)->train.samples->targets,
            (Bytes{0, 1, 0, 1, 1, 0}));
  EXPECT_EQ(with_y("|u1", "(3,)", Bytes{0, 1, 0}, Task::kLabels)->train.samples->targets, (Bytes{0, 1, 0}));
  expect(with_y("|u1", "(3,)", Bytes{0, 7, 0}, Task::kLabels).status().message(),
         "'y' holds 7, in sample 1 (from 0), where a label is 0 or 1");
  expect(with_y("<f4", "(3,)", Floats{0, 1, std::nanf("")}).status().message(),
         "'y' holds NaN, or a number too large for 32 bits, in sample 2");
  expect(with_y("<f8", "(3, 2)", std::vector<double>{0, 1, 1e300, 1, 1, 1}).status().message(),
         "too large for 32 bits, in sample 1");
  expect(with_y("<f4", "(3, 0)", Floats{}).status().message(), "or a row of targets");
  expect(arrays({{.name = "y.npy", .content = npy_of("|u1", "(3,)", Bytes{0, 1, 0})}}, options_of("y"))
             .status()
             .message(),
         "has no columns, so leave out target");
  const auto parts = [](const std::string& y) {
    return arrays({{.name = "y.npy", .content = npy_of("<f4", "(3, 2)", Floats{0, 1, 1, 1, 0, 0})},
                   {.name = "x_test.npy", .content = npy_of("<f4", "(1, 1)", Floats{1})},
                   {.name = "y_test.npy", .content = y}});
  };
  EXPECT_EQ(parts(npy_of("<f4", "(1, 2)", Floats{1, 1}))->test.samples->targets, (Bytes{1, 1}));
  expect(parts(npy_of("<f4", "(1, 2)", Floats{1, 0.5f})).status().message(),
         "'y_test' holds 0.5, in sample 0 (from 0), where a label is 0 or 1");
  expect(parts(npy_of("<f4", "(1,)", Floats{1})).status().message(),
         "'y_test' has 1 targets for each sample, 'y' has 2");
  // A folder has classes.
  const TempDir dir;
  expect(load_dataset(Env::system(), dir.path(), options_of("", Task::kLabels)).status().message(),
         "a folder teaches classes; put pictures and labels into a .npz file");
}

TEST(Targets, AreCutByChanceAndAreInOneSplitEach) {
  std::string text = "a,price\n";
  for (int i = 0; i < 100; ++i) text += std::to_string(i) + "," + std::to_string(i) + ".5\n";
  const auto data = table(text, options_of("price"));
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->test.size(), 10);
  EXPECT_EQ(data->validation.size(), 9);
  EXPECT_EQ(data->train.size(), 81);
  std::vector<int> seen(100);
  for (const Split* split : {&data->train, &data->validation, &data->test})
    for (const int32_t index : split->indices) ++seen[static_cast<size_t>(index)];
  EXPECT_EQ(seen, std::vector<int>(100, 1));
  DatasetOptions other = options_of("price");
  other.seed = 1;
  EXPECT_NE(table(text, other)->test.indices, data->test.indices);
  EXPECT_EQ(table(text, options_of("price"))->test.indices, data->test.indices);
}

// In batches quantities have mean 0 and deviation 1, measured without the test samples; labels are
// themselves.
TEST(Targets, OfBatchesAreNormalised) {
  std::string text = "a,price,tiny,const,flag\n";
  for (int i = 0; i < 40; ++i)
    text += std::to_string(i) + "," + std::to_string(1000000 + 5000 * i) + ",1e-20,3," +
            std::to_string(i % 2) + "\n";
  for (const bool labels : {false, true}) {
    const auto data = table(text, options_of(labels ? "flag" : "const,price"));
    ASSERT_TRUE(data.ok()) << data.status().message();
    LoaderOptions loading;
    loading.batch = 40;
    loading.width = 16;
    loading.shuffle = false;
    const auto loader = Loader::create(*data, data->train, loading).take();
    const Batch& batch = loader->next();
    ASSERT_EQ(batch.labels, nullptr);
    const int width = labels ? 1 : 2;
    double sum = 0, squares = 0;
    for (int n = 0; n < batch.samples; ++n) {
      const float* column = batch.dense + n / 16 * width * 16 + n % 16;
      const auto index = static_cast<size_t>(data->train.indices[static_cast<size_t>(n)]);
      if (labels) {
        EXPECT_EQ(*column, static_cast<float>(index % 2));
        continue;
      }
      EXPECT_EQ(column[0], 0) << "what never changes is not divided by nothing";
      const auto stddev = static_cast<double>(data->target_scale.stddev[1]);
      EXPECT_NEAR(static_cast<double>(column[16]) * stddev + static_cast<double>(data->target_scale.mean[1]),
                  1000000 + 5000.0 * static_cast<double>(index), 1);
      sum += static_cast<double>(column[16]);
      squares += static_cast<double>(column[16] * column[16]);
    }
    if (!labels) {
      EXPECT_NEAR(sum / batch.samples, 0, 0.3) << "with the validation samples it is 0";
      EXPECT_NEAR(squares / batch.samples, 1, 0.2);
    }
    for (int n = batch.samples; n < 48; ++n) EXPECT_EQ(batch.dense[n / 16 * width * 16 + n % 16], 0);
  }
}

// A network of pictures may want its targets in other tiles than its pictures.
TEST(Targets, MayHaveTilesOfTheirOwn) {
  std::string text = "a,price\n";
  for (int i = 0; i < 150; ++i) text += std::to_string(i) + "," + std::to_string(i) + "\n";
  DatasetOptions options = options_of("price");
  options.test_share = options.validation = 0;
  const auto data = table(text, options);
  ASSERT_TRUE(data.ok()) << data.status().message();
  for (const auto& [width, target_width] :
       {std::pair(16, 64), {64, 16}, {16, 16}, {32, 0}, {48, 32}, {10, 10}}) {
    LoaderOptions loading;
    loading.batch = 100;
    loading.width = width;
    loading.target_width = target_width;
    const int tile = target_width > 0 ? target_width : width;
    const auto loader = Loader::create(*data, data->train, loading).take();
    for (int batches = 0; batches < 3; ++batches) {
      const Batch& batch = loader->next();
      for (int n = 0; n < batch.samples; ++n)
        ASSERT_EQ(batch.x[n / width * width + n % width], batch.dense[n / tile * tile + n % tile]) << n;
      for (int n = batch.samples; n < (100 + tile - 1) / tile * tile; ++n) ASSERT_EQ(batch.dense[n], 0) << n;
    }
  }
  LoaderOptions loading;
  loading.width = 10;
  loading.target_width = 16;
  expect(Loader::create(*data, data->train, loading).status().message(),
         "or both be multiples of 16, not 16");
}

TEST(Targets, OfPicturesAllowThemToMove) {
  const TempDir dir;
  const std::string path =
      dir.write("a.npz", zip_of({{.name = "x.npy", .content = npy_of("|u1", "(3, 4, 4)", Bytes(48, 9))},
                                 {.name = "y.npy", .content = npy_of("<f4", "(3,)", Floats{1.5f, 2, 3})}}));
  const auto data = load_dataset(Env::system(), path);
  ASSERT_TRUE(data.ok()) << data.status().message();
  LoaderOptions loading;
  loading.crop_padding = 1;
  EXPECT_TRUE(Loader::create(*data, data->train, loading).ok());
}

TEST(Targets, EveryFailingReadIsReported) {
  const TempDir dir;
  const std::string path = dir.write("t.csv", kHouses);
  testing::FailingEnv counting(-1);
  ASSERT_TRUE(load_dataset(counting, path, options_of("price")).ok());
  for (int64_t operation = 0; operation < counting.operations(); ++operation) {
    testing::FailingEnv failing(operation);
    EXPECT_FALSE(load_dataset(failing, path, options_of("price")).ok()) << operation;
  }
}

}  // namespace
}  // namespace coppice
