// SPDX-License-Identifier: Apache-2.0
#include "dataset/dataset.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::gzipped;
using testing::TempDir;

Env& env() { return Env::system(); }

std::string idx(const std::vector<uint32_t>& shape, const std::string& values) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (const uint32_t dimension : shape)
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(dimension >> shift);
  return file + values;
}

// Six training and two test images of 1 x 2, in three classes.
void write_idx_set(const TempDir& dir) {
  dir.write("train-images-idx3-ubyte", idx({6, 1, 2}, {'\x00', '\x33', '\x66', '\x00', '\x00', '\x00', '\x33',
                                                       '\x33', '\x66', '\x66', '\x00', '\x33'}));
  dir.write("train-labels-idx1-ubyte", idx({6}, {'\0', '\1', '\2', '\0', '\1', '\2'}));
  dir.write("t10k-images-idx3-ubyte.gz", gzipped(idx({2, 1, 2}, "\xff\xff\xff\xff")));
  dir.write("t10k-labels-idx1-ubyte.gz", gzipped(idx({2}, "\1\2")));
}

std::string cifar_record(const std::string& labels, char pixel) { return labels + std::string(3072, pixel); }

void write_cifar10(const TempDir& dir) {
  for (int i = 1; i <= 5; ++i) {
    const std::string label(1, static_cast<char>(i));
    dir.write("data_batch_" + std::to_string(i) + ".bin",
              cifar_record(label, label[0]) + cifar_record(label, '\0'));
  }
  dir.write("test_batch.bin.gz", gzipped(cifar_record("\7", '\7')));
}

// Holds an environment variable at a value for one test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (old_.empty())
      unsetenv(name_);
    else
      setenv(name_, old_.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string old_;
};

TEST(Dataset, LoadsADirectoryOfIdxFiles) {
  const TempDir dir;
  write_idx_set(dir);
  DatasetOptions options;
  options.validation = 0.34;
  const auto data = load_dataset(env(), dir.path(), options);
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->features, (Features{1, 1, 2}));
  EXPECT_EQ(data->classes, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(data->train.size(), 4);
  EXPECT_EQ(data->validation.size(), 2);
  EXPECT_EQ(data->test.size(), 2);
  EXPECT_EQ(data->test.samples->labels, (std::vector<int32_t>{1, 2}));
  // Pixels 0, 51 and 102 are 0, 0.2 and 0.4; five, four and three of them. The white test images must not
  // count.
  EXPECT_NEAR(data->normalisation.mean[0], 2.0 / 12, 1e-6);
  EXPECT_NEAR(data->normalisation.stddev[0], std::sqrt((4 * 0.04 + 3 * 0.16) / 12 - 4.0 / 144), 1e-6);
}

TEST(Dataset, LoadsADirectoryOfCifarBatches) {
  const TempDir dir;
  write_cifar10(dir);
  const auto numbered = load_dataset(env(), dir.path());
  ASSERT_TRUE(numbered.ok()) << numbered.status().message();
  EXPECT_EQ(numbered->features, (Features{3, 32, 32}));
  EXPECT_EQ(numbered->train.size() + numbered->validation.size(), 10);
  EXPECT_EQ(numbered->outputs, 10);
  EXPECT_EQ(numbered->classes[9], "9");
  EXPECT_EQ(numbered->train.samples->labels, (std::vector<int32_t>{1, 1, 2, 2, 3, 3, 4, 4, 5, 5}));
  EXPECT_EQ(numbered->test.samples->labels, (std::vector<int32_t>{7}));

  dir.write("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
  EXPECT_EQ(load_dataset(env(), dir.path())->classes[9], "j");
  dir.write("batches.meta.txt", "a\nb\n");
  EXPECT_NE(load_dataset(env(), dir.path()).status().message().find("names 2 classes instead of 10"),
            std::string::npos);
}

TEST(Dataset, LoadsAHundredFineClasses) {
  const TempDir dir;
  dir.write("train.bin", cifar_record("\x05\x63", 'x'));
  dir.write("test.bin", cifar_record("\x05\x01", 'x'));
  const auto data = load_dataset(env(), dir.path());
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->outputs, 100);
  EXPECT_EQ(data->train.samples->labels, std::vector<int32_t>{99});
}

TEST(Dataset, ChannelThatNeverChangesIsNotDividedByZero) {
  const TempDir dir;
  dir.write("train.bin", cifar_record(std::string("\0\0", 2), 'x'));
  dir.write("test.bin", cifar_record(std::string("\0\0", 2), 'x'));
  EXPECT_EQ(load_dataset(env(), dir.path())->normalisation.stddev, (std::vector<float>{1, 1, 1}));
}

TEST(Dataset, NamesTheFileThatIsMissingOrDisagrees) {
  const auto message_after = [](auto damage) {
    const TempDir dir;
    write_idx_set(dir);
    damage(dir);
    return load_dataset(env(), dir.path()).status().message();
  };
  const auto expect = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect(message_after([](const TempDir& dir) { (void)env().remove(dir.file("t10k-labels-idx1-ubyte.gz")); }),
         "t10k-labels-idx1-ubyte: no such file, nor with .gz");
  expect(
      message_after([](const TempDir& dir) { dir.write("train-labels-idx1-ubyte", idx({5}, "\1\1\1\1\1")); }),
      "5 labels for the 6 images");
  expect(message_after([](const TempDir& dir) {
           dir.write("train-labels-idx1-ubyte", idx({2, 3}, "\1\1\1\1\1\1"));
         }),
         "labels need 1");
  expect(message_after([](const TempDir& dir) {
           dir.write("train-images-idx3-ubyte", idx({6, 2}, "123456123456"));
         }),
         "images need 3");
  expect(message_after([](const TempDir& dir) { dir.write("t10k-labels-idx1-ubyte.gz", idx({2}, "\1\3")); }),
         "test labels go up to 3");
  expect(message_after([](const TempDir& dir) {
           dir.write("t10k-images-idx3-ubyte.gz", idx({2, 2, 1}, "1234"));
         }),
         "differ in size");
  const TempDir cifar;
  write_cifar10(cifar);
  (void)env().remove(cifar.file("data_batch_4.bin"));
  expect(load_dataset(env(), cifar.path()).status().message(), "data_batch_4.bin: no such file");
  const TempDir empty;
  expect(load_dataset(env(), empty.path()).status().message(), "holds no data set that is known here");
  expect(load_dataset(env(), empty.file("nowhere")).status().message(), "neither glyphs, life");
}

TEST(Dataset, LooksForNamedSetsWhereItSaysThatItDoes) {
  const TempDir dir;
  ASSERT_TRUE(env().make_directories(dir.file("named/mnist")).ok());
  DatasetOptions options;
  options.directory = dir.file("given");
  const std::string given = load_dataset(env(), "mnist", options).status().message();
  EXPECT_NE(given.find(dir.file("given/mnist")), std::string::npos) << given;
  EXPECT_NE(given.find("COPPICE_DATA"), std::string::npos) << given;
  EXPECT_NE(given.find("glyphs or life"), std::string::npos) << given;

  const Variable variable("COPPICE_DATA", dir.file("named"));
  EXPECT_NE(load_dataset(env(), "mnist").status().message().find("holds no data set"), std::string::npos)
      << "found";
  const std::string missing = load_dataset(env(), "cifar10").status().message();
  EXPECT_NE(missing.find(dir.file("named/cifar10")), std::string::npos) << missing;

  const Variable unset("COPPICE_DATA", "");
  ASSERT_TRUE(env().make_directories(dir.file("checkout/build/release")).ok());
  ASSERT_TRUE(env().make_directories(dir.file("shared/data/mnist")).ok());
  const auto started_in = std::filesystem::current_path();
  for (const char* place : {"checkout", "checkout/build", "checkout/build/release"}) {
    std::filesystem::current_path(dir.file(place));
    EXPECT_NE(load_dataset(env(), "mnist").status().message().find("holds no data set"), std::string::npos)
        << "found";
    const std::string looked = load_dataset(env(), "cifar100").status().message();
    EXPECT_NE(looked.find("looked for data/cifar100, ../shared/data/cifar100, ../../shared"),
              std::string::npos)
        << looked;
  }
  std::filesystem::current_path(started_in);
}

TEST(Dataset, FashionHasItsClassNames) {
  const TempDir dir;
  const std::string folder = dir.file("fashion-mnist");
  ASSERT_TRUE(env().make_directories(folder).ok());
  const std::string labels("\0\1\2\3\4\5\6\7\x08\x09", 10);
  for (const std::string stem : {"train", "t10k"}) {
    dir.write("fashion-mnist/" + stem + "-images-idx3-ubyte", idx({10, 1, 1}, "0123456789"));
    dir.write("fashion-mnist/" + stem + "-labels-idx1-ubyte", idx({10}, labels));
  }
  DatasetOptions options;
  options.directory = dir.path();
  EXPECT_EQ(load_dataset(env(), "fashion-mnist", options)->classes[9], "Ankle boot");
}

TEST(Dataset, GlyphsAreCutIntoDisjointSplits) {
  DatasetOptions options;
  options.glyphs_train = 300;
  options.glyphs_test = 50;
  options.validation = 0.2;
  const auto data = load_dataset(env(), "glyphs", options);
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->train.size(), 240);
  EXPECT_EQ(data->validation.size(), 60);
  EXPECT_EQ(data->test.size(), 50);
  EXPECT_EQ(data->train.samples, data->validation.samples) << "the samples are shared, not copied";
  EXPECT_NE(data->train.samples, data->test.samples);
}

TEST(Dataset, CutIsAPartitionThatFollowsTheSeed) {
  const Cut cut = cut_validation(1000, 100, 5);
  EXPECT_EQ(cut.train.size(), 900u);
  EXPECT_EQ(cut.validation.size(), 100u);
  std::set<int32_t> all(cut.train.begin(), cut.train.end());
  all.insert(cut.validation.begin(), cut.validation.end());
  EXPECT_EQ(all.size(), 1000u);
  EXPECT_EQ(*all.begin(), 0);
  EXPECT_EQ(*all.rbegin(), 999);
  EXPECT_TRUE(std::is_sorted(cut.train.begin(), cut.train.end()));
  EXPECT_EQ(cut_validation(1000, 100, 5).validation, cut.validation);
  EXPECT_NE(cut_validation(1000, 100, 6).validation, cut.validation);
  EXPECT_TRUE(cut_validation(10, 0, 1).validation.empty());
}

TEST(Dataset, RefusesAnImpossibleShareForValidation) {
  DatasetOptions options;
  for (const double share : {-0.1, 0.95, std::nan("")}) {
    options.validation = share;
    EXPECT_EQ(load_dataset(env(), "glyphs", options).status().code(), Code::kInvalid) << share;
  }
}

}  // namespace
}  // namespace coppice
