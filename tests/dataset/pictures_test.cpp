// SPDX-License-Identifier: Apache-2.0
#include "support/pictures.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "dataset/dataset.h"
#include "dataset/split.h"
#include "support/failing_env.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::FailingEnv;
using testing::jpeg_of;
using testing::pattern;
using testing::plain;
using testing::png_of;
using testing::TempDir;

Env& env() { return Env::system(); }

// A folder of pictures whose pixels all are their number, so that a test knows a sample when it sees it.
class Folder {
 public:
  void add(const std::string& folder, int count, int height = 4, int width = 4, int channels = 1) {
    for (int i = 0; i < count; ++i)
      write(folder, std::to_string(100 + next_) + ".png",
            png_of(plain(height, width, channels, static_cast<uint8_t>(next_))));
  }
  void write(const std::string& folder, const std::string& name, const std::string& content) {
    std::filesystem::create_directories(dir_.file(folder));
    dir_.write(join_path(folder, name), content);
    ++next_;
  }
  const std::string& path() const { return dir_.path(); }
  Result<Dataset> load(const DatasetOptions& options = {}) const {
    return load_dataset(env(), path(), options);
  }
  std::string refusal(const DatasetOptions& options = {}) const {
    const auto data = load(options);
    return data.ok() ? "accepted" : data.status().message();
  }

 private:
  TempDir dir_;
  int next_ = 0;
};

void expect(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

// The numbers of the pictures of a split.
std::set<int> numbers(const Dataset& data, const Split& split) {
  std::set<int> found;
  for (const int32_t index : split.indices)
    found.insert(
        split.samples->pixels[static_cast<size_t>(index) * static_cast<size_t>(data.features.size())]);
  return found;
}

TEST(Pictures, AFolderForEachClassIsASet) {
  Folder folder;
  folder.add("cat", 10);
  folder.add("dog", 20);
  const auto data = folder.load();
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(data->outputs, 2);
  EXPECT_EQ(data->features, (Features{1, 4, 4}));
  EXPECT_EQ(data->fit, Fit::kCrop);
  EXPECT_EQ(data->test.size(), 3);
  EXPECT_EQ(data->validation.size(), 3);
  EXPECT_EQ(data->train.size(), 24);
  std::set<int> all;
  for (const Split* split : {&data->train, &data->validation, &data->test}) {
    const std::set<int> part = numbers(*data, *split);
    EXPECT_EQ(part.size(), static_cast<size_t>(split->size()));
    all.insert(part.begin(), part.end());
    for (const int32_t index : split->indices) {
      const auto at = static_cast<size_t>(index);
      EXPECT_EQ(split->samples->labels[at], split->samples->pixels[at * 16] < 10 ? 0 : 1);
    }
  }
  EXPECT_EQ(all.size(), 30u) << "no sample is in two splits, none is lost";
}

TEST(Pictures, TellHowManyAreRead) {
  Folder folder;
  folder.add("cat", 20);
  folder.add("dog", 20);
  for (const int threads : {1, 3}) {
    DatasetOptions options;
    options.threads = threads;
    int64_t calls = 0, last = 0;
    options.on_progress = [&](int64_t done, int64_t all) {
      ++calls;
      last = done;
      EXPECT_EQ(all, 40);
    };
    ASSERT_TRUE(folder.load(options).ok());
    if (threads > 1) continue;  // then the others may take them all
    EXPECT_EQ(calls, 80);       // the sizes, then the pixels
    EXPECT_EQ(last, 40);
  }
}

TEST(Pictures, TheNormalisationDoesNotSeeTheTest) {
  Folder folder;
  folder.add("train/a", 3);
  folder.add("train/b", 3);
  folder.write("test/a", "white.png", png_of(plain(4, 4, 1, 255)));
  const auto data = folder.load();
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_NEAR(data->normalisation.mean[0], 2.5 / 255, 1e-7);
  Folder flat;
  flat.add("a", 20);
  flat.add("b", 20);
  const auto cut = flat.load();
  double sum = 0;
  for (const Split* split : {&cut->train, &cut->validation})
    for (const int number : numbers(*cut, *split)) sum += number;
  EXPECT_NEAR(cut->normalisation.mean[0], sum / static_cast<double>(40 - cut->test.size()) / 255, 1e-6);
}

TEST(Pictures, TheCutFollowsTheSeedAndNothingElse) {
  Folder folder;
  folder.add("a", 30);
  folder.add("b", 40);
  DatasetOptions options;
  options.threads = 1;
  const auto one = folder.load(options);
  options.threads = 7;
  const auto seven = folder.load(options);
  ASSERT_TRUE(one.ok() && seven.ok());
  EXPECT_EQ(one->train.samples->pixels, seven->train.samples->pixels);
  EXPECT_EQ(one->train.indices, seven->train.indices);
  EXPECT_EQ(one->validation.indices, seven->validation.indices);
  EXPECT_EQ(one->test.indices, seven->test.indices);
  EXPECT_EQ(one->normalisation.mean, seven->normalisation.mean);
  options.seed = 1;
  EXPECT_NE(folder.load(options)->test.indices, one->test.indices);
}

TEST(Pictures, FoldersOfSplitsAreTakenAsTheyAre) {
  Folder folder;
  folder.add("train/a", 5);
  folder.add("train/b", 5);
  folder.add("validation/a", 2);
  folder.add("test/b", 3);
  const auto data = folder.load();
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->train.size(), 10);
  EXPECT_EQ(numbers(*data, data->validation), (std::set<int>{10, 11}));
  EXPECT_EQ(numbers(*data, data->test), (std::set<int>{12, 13, 14}));
  EXPECT_EQ(data->test.samples->labels, (std::vector<int32_t>{1, 1, 1}));
  // Without a folder of its own the validation is cut from train, the test is not.
  Folder two;
  two.add("train/a", 10);
  two.add("train/b", 10);
  two.add("test/a", 1);
  EXPECT_EQ(two.load()->validation.size(), 2);
  EXPECT_EQ(two.load()->test.size(), 1);
}

TEST(Pictures, GetOneSizeAndOneNumberOfColours) {
  Folder folder;
  folder.add("a", 3, 8, 16, 3);
  folder.write("a", "grey.JPG", jpeg_of(plain(30, 20, 1, 77)));
  folder.add("b", 3, 10, 9);
  expect(folder.refusal(),
         "its pictures have 3 sizes, from 16 x 8 to 20 x 30 (3 are 16 x 8), a network needs one; "
         "choose it with --image-size 32");
  DatasetOptions options;
  options.pictures.height = 6;
  options.pictures.width = 5;
  const auto colour = folder.load(options);
  ASSERT_TRUE(colour.ok()) << colour.status().message();
  EXPECT_EQ(colour->features, (Features{3, 6, 5}));
  EXPECT_EQ(colour->train.samples->pixels.size(), 7u * 90);
  // Sorted by name: 100.png, 101.png, 102.png, grey.JPG.
  for (size_t i = 0; i < 90; ++i) EXPECT_NEAR(colour->train.samples->pixels[3 * 90 + i], 77, 1);
  options.pictures.channels = 1;
  EXPECT_EQ(folder.load(options)->features, (Features{1, 6, 5}));
}

TEST(Pictures, PlanesStandOneAfterTheOther) {
  Folder folder;
  const Image image = pattern(3, 4, 3);
  folder.write("a", "x.png", png_of(image));
  folder.write("b", "y.png", png_of(image));
  const auto data = folder.load();
  ASSERT_TRUE(data.ok()) << data.status().message();
  for (size_t pixel = 0; pixel < 12; ++pixel)
    for (size_t c = 0; c < 3; ++c)
      EXPECT_EQ(data->train.samples->pixels[c * 12 + pixel], image.pixels[pixel * 3 + c]);
}

TEST(Pictures, WhatIsNoPictureIsLeftAlone) {
  Folder folder;
  folder.add("a", 2);
  folder.add("b", 2);
  folder.write("a", "notes.txt", "none of these is a picture");
  folder.write("a", "Thumbs.db", "x");
  folder.write("b", ".DS_Store", "x");
  folder.write(".ipynb_checkpoints", "x.png", "not even one");
  folder.write("__MACOSX/a", "x.png", "not even one");
  folder.write(".", "overview.png", "of all classes");
  folder.write("b", "without a suffix", png_of(plain(4, 4, 1, 9)));
  const auto data = folder.load();
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->train.size() + data->validation.size() + data->test.size(), 5);
}

TEST(Pictures, RefusesFoldersWithASentence) {
  const auto refusal_of = [](auto build) {
    Folder folder;
    build(folder);
    return folder.refusal();
  };
  expect(refusal_of([](Folder& f) { f.add("a", 2); }), "holds one class only ('a')");
  expect(refusal_of([](Folder& f) { f.write(".", "x.png", png_of(plain(2, 2, 1, 1))); }),
         "x.png: is a picture without a class; put the pictures of each class into a folder");
  expect(refusal_of([](Folder& f) { f.write(".", "x.txt", "x"); }),
         "holds no data set that is known here; needed is a folder of PNG or JPEG pictures for each class");
  expect(refusal_of([](Folder& f) {
           f.add("a", 2);
           f.write("b", "notes.txt", "nothing else");
         }),
         "b: holds no PNG or JPEG picture; fill it");
  expect(refusal_of([](Folder& f) {
           f.add("a", 2);
           f.add("b/c", 2);
         }),
         "b/c: is a folder among the pictures of a class");
  expect(refusal_of([](Folder& f) {
           f.add("train/a", 2);
           f.add("train/b", 2);
           f.add("test/c", 2);
         }),
         "test/c: 'c' is not among the classes that are learnt");
  expect(refusal_of([](Folder& f) {
           f.add("a", 2);
           f.add("test", 2);
         }),
         "test: stands beside no folder 'train'");
  expect(refusal_of([](Folder& f) {
           f.add("train/a", 2);
           f.add("more/a", 2);
         }),
         "more: beside 'train' only validation");
  expect(refusal_of([](Folder& f) {
           f.add("train/a", 2);
           f.add("val/a", 2);
           f.add("validation/a", 2);
         }),
         "make one folder of them");
  for (const char* name : {"x.png", "x.JPEG", "x.webp"})
    expect(refusal_of([&](Folder& f) {
             f.add("a", 2);
             f.add("b", 2);
             f.write("b", name, "RIFF but no picture that is read");
           }),
           std::string("b/") + name + ": is neither a PNG nor a JPEG picture; convert it");
  expect(refusal_of([](Folder& f) {
           f.add("a", 2);
           f.add("b", 2);
           const std::string whole = png_of(plain(4, 4, 1, 1));
           f.write("b", "y.png", whole.substr(0, whole.size() - 5));
         }),
         "b/y.png: is cut short");
  expect(refusal_of([](Folder& f) {
           f.add("a", 1, 1100, 20);
           f.add("b", 1, 1100, 20);
         }),
         "its pictures of 20 x 1100 are too large for a network");
}

TEST(Pictures, TheFirstOfSeveralDamagedFilesIsNamed) {
  Folder folder;
  folder.add("a", 20);
  folder.add("b", 20);
  for (const char* name : {"110x.png", "115x.png", "119x.png"})
    folder.write("a", name, "broken, all of them");
  DatasetOptions options;
  for (const int threads : {1, 4}) {
    options.threads = threads;
    for (int repeat = 0; repeat < 10; ++repeat) expect(folder.refusal(options), "110x.png");
  }
}

TEST(Pictures, MoreThanTheMemoryIsRefusedBeforeItIsTaken) {
  Folder folder;
  folder.add("a", 700);
  folder.add("b", 700);
  DatasetOptions options;
  options.pictures = {1024, 1024, Fit::kCrop, 3};
  const auto data = folder.load(options);
  EXPECT_EQ(data.status().code(), Code::kNoMemory);
  expect(data.status().message(),
         "1400 pictures of 1024 x 1024 take 4201 MiB, at most 4096 MiB are held in memory");
}

TEST(Pictures, AreNamedInTheClassesOfANetwork) {
  Folder folder;
  folder.add("dog", 4);
  DatasetOptions options;
  options.classes = {"cat", "dog", "eel"};
  options.test_share = 1;
  const auto data = folder.load(options);
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->classes, options.classes);
  EXPECT_EQ(data->test.size(), 4);
  EXPECT_EQ(data->train.size(), 0);
  EXPECT_EQ(data->test.samples->labels, (std::vector<int32_t>{1, 1, 1, 1}));
  options.classes = {"cat", "eel"};
  expect(folder.refusal(options), "dog: 'dog' is not among the classes");
}

TEST(Pictures, OnlyTheShapeIsAskedFor) {
  Folder folder;
  folder.add("a", 10);
  folder.add("b", 10);
  DatasetOptions options;
  options.only_shape = true;
  const auto shape = folder.load(options), whole = folder.load();
  ASSERT_TRUE(shape.ok()) << shape.status().message();
  EXPECT_TRUE(shape->train.samples->pixels.empty());
  EXPECT_EQ(shape->train.indices, whole->train.indices);
  EXPECT_EQ(shape->features, whole->features);
}

TEST(Pictures, EveryFailingReadIsReported) {
  Folder folder;
  folder.add("train/a", 2);
  folder.add("train/b", 2);
  folder.add("test/b", 1);
  FailingEnv counting(-1);
  ASSERT_TRUE(load_dataset(counting, folder.path()).ok());
  for (int64_t operation = 0; operation < counting.operations(); ++operation) {
    FailingEnv failing(operation);
    const auto data = load_dataset(failing, folder.path());
    ASSERT_FALSE(data.ok()) << operation;
    EXPECT_EQ(data.status().code(), Code::kNoSpace);
  }
}

TEST(Split, EveryClassIsInEveryPart) {
  std::vector<int32_t> labels;
  for (const int count : {1, 2, 3, 10, 1000}) labels.insert(labels.end(), static_cast<size_t>(count), count);
  std::vector<int32_t> rest = all_indices(labels.size());
  const std::vector<int32_t> cut = cut_by_class(rest, labels, 0.1, 3, "test");
  std::map<int32_t, int> counts;
  for (const int32_t index : cut) ++counts[labels[static_cast<size_t>(index)]];
  EXPECT_EQ(counts, (std::map<int32_t, int>{{3, 1}, {10, 1}, {1000, 100}}));
  EXPECT_EQ(cut.size() + rest.size(), labels.size());
  EXPECT_TRUE(std::is_sorted(cut.begin(), cut.end()) && std::is_sorted(rest.begin(), rest.end()));
  rest = all_indices(labels.size());
  EXPECT_TRUE(cut_by_class(rest, labels, 0, 3, "test").empty());
  EXPECT_EQ(cut_by_class(rest, labels, 1, 3, "test").size(), labels.size());
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace coppice
