// SPDX-License-Identifier: Apache-2.0
#include "study/judgement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "io/png.h"

namespace coppice {
namespace {

// `count` grey pictures of 200 x 100, all of the brightness of their number; the split takes the last ones.
struct Judged {
  Dataset data;
  Split split;
  Evaluation evaluation;
  Outputs outputs;

  Judged(std::vector<std::string> classes, std::vector<int32_t> labels, std::vector<float> said) {
    const auto count = labels.size();
    data.features = {1, 200, 100};
    data.classes = std::move(classes);
    data.outputs = static_cast<int>(data.classes.size());
    auto samples = std::make_shared<Samples>();
    for (size_t n = 0; n < count + 5; ++n)
      samples->pixels.insert(samples->pixels.end(), 200 * 100, static_cast<uint8_t>(n));
    for (size_t n = 0; n < count; ++n) split.indices.push_back(static_cast<int32_t>(n + 5));
    split.samples = samples;
    outputs = {static_cast<int64_t>(count), data.outputs, std::move(said), std::move(labels), {}, {}};
    evaluation.samples = outputs.samples;
  }
  Judgement judge() const {
    auto judgement = coppice::judge({data, "test", split, evaluation, outputs});
    EXPECT_TRUE(judgement.ok()) << judgement.status().message();
    return judgement.take();
  }
};

TEST(Judgement, CountsWhatIsTakenForWhat) {
  const Judgement judgement = Judged({"a", "b", "c"}, {0, 0, 1, 2, 2},
                                     {3, 1, 1, /**/ 0, 2, 1, /**/ 1, 1, 0, /**/ 0, 0, 9, /**/ 5, 0, 4})
                                  .judge();
  EXPECT_EQ(judgement.confusion, (std::vector<int64_t>{1, 1, 0, /**/ 1, 0, 0, /**/ 1, 0, 1}));
  EXPECT_EQ(judgement.split, "test");
}

TEST(Judgement, TheSurestMistakeStandsFirstWithItsPicture) {
  const Judgement judgement =
      Judged({"a", "b"}, {0, 0, 1, 0}, {1, 2, /**/ 9, 1, /**/ 4, 1, /**/ 1, 2}).judge();
  ASSERT_EQ(judgement.mistakes.size(), 3U);
  const Mistake& worst = judgement.mistakes[0];
  EXPECT_EQ(worst.is, "b");
  EXPECT_EQ(worst.said, "a");
  EXPECT_NEAR(worst.sure, 1 / (1 + std::exp(-3.0)), 1e-6);
  // Of equally sure ones the sample that comes first.
  const uint8_t expected[] = {7, 5, 8};
  for (size_t i = 0; i < 3; ++i) {
    const auto picture = decode_png(judgement.mistakes[i].png);
    ASSERT_TRUE(picture.ok());
    EXPECT_EQ(picture->info.height, 96);
    EXPECT_EQ(picture->info.width, 48);
    EXPECT_EQ(picture->pixels.front(), expected[i]);
  }
}

TEST(Judgement, KeepsTwoDozenMistakes) {
  std::vector<int32_t> labels(100, 0);
  std::vector<float> said;
  for (int n = 0; n < 100; ++n) {
    said.push_back(0);
    said.push_back(static_cast<float>(n));
  }
  const Judgement judgement = Judged({"a", "b"}, labels, said).judge();
  EXPECT_EQ(judgement.mistakes.size(), 24U);
  EXPECT_EQ(judgement.confusion[1], 99);  // the first is level, and then the first class counts
}

TEST(Judgement, OutputsThatAreNoNumbersSayNothing) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Judgement judgement =
      Judged({"a", "b", "c"}, {0, 1, 2}, {5, nan, 0, /**/ nan, nan, nan, /**/ 1, 2, 0}).judge();
  EXPECT_EQ(judgement.confusion, (std::vector<int64_t>{0, 0, 0, /**/ 0, 0, 0, /**/ 0, 1, 0}));
  EXPECT_EQ(judgement.mistakes.size(), 1U);
}

TEST(Judgement, SaysOfEachQuantityHowFarItIsOff) {
  Judged judged({}, {0, 0}, {1, 30, /**/ 3, 10});
  judged.data.task = judged.outputs.task = Task::kRegression;
  judged.data.target_names = {"price", "rooms"};
  judged.data.outputs = 2;
  judged.outputs.width = 2;
  judged.outputs.labels.clear();
  judged.outputs.targets = {2, 10, /**/ 4, 30};
  judged.outputs.losses = {1, 1};
  const Judgement judgement = judged.judge();
  EXPECT_TRUE(judgement.confusion.empty());
  ASSERT_TRUE(judgement.each);
  const std::string each = judgement.each->text(), all = judgement.metrics.text();
  EXPECT_NE(all.find("mae"), std::string::npos) << all;
  ASSERT_TRUE(judgement.worst);
  EXPECT_EQ(judgement.worst->text(),
            "quantity  sample  said  is  error\n"
            "price          5     1   2     -1\n"
            "price          6     3   4     -1\n"
            "rooms          5    30  10     20\n"
            "rooms          6    10  30    -20")
      << "numbers of the samples are their places in the data";
  // Off by 1 and by 20.
  for (const char* part : {"quantity", "price", "rooms", " 1 ", " 20 "})
    EXPECT_NE(each.find(part), std::string::npos) << part << "\n" << each;
}

TEST(Judgement, SaysOfEachClassWhatTheMetricsSay) {
  const Judgement judgement =
      Judged({"a", "b"}, {0, 0, 1, 1}, {2, 1, /**/ 1, 2, /**/ 1, 2, /**/ 1, 2}).judge();
  ASSERT_TRUE(judgement.each);
  const std::string each = judgement.each->text();
  // Of a half is found, all that is said is right; of b all is found, and two of three are right.
  for (const char* part : {"recall", "precision", "50.00 %", "100.00 %", "66.67 %"})
    EXPECT_NE(each.find(part), std::string::npos) << part << "\n" << each;
}

TEST(Judgement, TheSurestMistakesOfLabelsAndOfTablesStandInATable) {
  Judged labels({}, {0, 0, 0}, {-2, 0.5f, /**/ 3, 1, /**/ std::numeric_limits<float>::quiet_NaN(), 1});
  labels.data.task = labels.outputs.task = Task::kLabels;
  labels.data.target_names = {"spam", "urgent"};
  labels.data.outputs = 2;
  labels.outputs.width = 2;
  labels.outputs.labels.clear();
  labels.outputs.targets = {1, 1, /**/ 0, 1, /**/ 0, 0};
  labels.outputs.losses = {1, 1, 1};
  EXPECT_EQ(labels.judge().worst->text(),
            "sample  label   said     sure  is\n"
            "     6  spam    yes   95.26 %  no\n"
            "     5  spam    no    88.08 %  yes\n"
            "     7  urgent  yes   73.11 %  no");
  labels.outputs.said = {1, 1, /**/ -1, 1, /**/ -1, -1};
  EXPECT_FALSE(labels.judge().worst) << "all are right";

  Judged table({"a", "b"}, {0, 0, 1}, {1, 2, /**/ 1, 0, /**/ 9, 1});
  table.data.features = {20000, 1, 1};
  table.data.numbers = true;
  EXPECT_EQ(table.judge().worst->text(),
            "sample  said     sure  is\n"
            "     7  a     99.97 %  b\n"
            "     5  b     73.11 %  a");
}

TEST(Judgement, LeavesOutTop5WhereItIsAlwaysAll) {
  const auto metrics = [](int classes) {
    std::vector<std::string> names;
    for (int c = 0; c < classes; ++c) names.push_back(std::to_string(c));
    return Judged(names, {0}, std::vector<float>(static_cast<size_t>(classes), 1)).judge().metrics.text();
  };
  EXPECT_EQ(metrics(5).find("top5"), std::string::npos);
  EXPECT_NE(metrics(6).find("top5"), std::string::npos);
}

TEST(Judgement, RowsOfNumbersHaveNoPicturesAndBoardsNoClasses) {
  Judged rows({"a", "b"}, {0}, {0, 1});
  rows.data.features = {20000, 1, 1};
  EXPECT_TRUE(rows.judge().mistakes.empty());
  Judged boards({}, {}, {});
  EXPECT_TRUE(boards.judge().confusion.empty());
}

}  // namespace
}  // namespace coppice
