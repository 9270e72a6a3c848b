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

TEST(Judgement, RowsOfNumbersHaveNoPicturesAndBoardsNoClasses) {
  Judged rows({"a", "b"}, {0}, {0, 1});
  rows.data.features = {20000, 1, 1};
  EXPECT_TRUE(rows.judge().mistakes.empty());
  Judged boards({}, {}, {});
  EXPECT_TRUE(boards.judge().confusion.empty());
}

}  // namespace
}  // namespace coppice
