// SPDX-License-Identifier: Apache-2.0
#include "train/metrics/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/rng.h"

namespace coppice {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Outputs classes(int64_t width, std::vector<int32_t> labels, std::vector<float> said) {
  return {
      static_cast<int64_t>(labels.size()), width, std::move(said), std::move(labels), {}, {}, Task::kClasses};
}

// One-hot logits of these decisions.
Outputs decided(int64_t width, std::vector<int32_t> labels, const std::vector<int32_t>& decisions) {
  std::vector<float> said;
  for (const int32_t decision : decisions)
    for (int32_t c = 0; c < width; ++c) said.push_back(c == decision ? 1.0f : 0.0f);
  return classes(width, std::move(labels), std::move(said));
}

Outputs dense(Task task, int64_t width, std::vector<float> targets, std::vector<float> said) {
  return {
      static_cast<int64_t>(targets.size()) / width, width, std::move(said), {}, std::move(targets), {}, task};
}

Outputs random_classes(int64_t samples, int64_t width, bool coarse) {
  Rng rng(7, stream_id("metrics", static_cast<uint64_t>(samples)));
  std::vector<int32_t> labels;
  std::vector<float> said;
  for (int64_t n = 0; n < samples; ++n) {
    labels.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(width))));
    for (int64_t c = 0; c < width; ++c) {
      const float logit = rng.normal() + (c == labels.back() ? 1.0f : 0.0f);
      said.push_back(coarse ? std::round(logit) : logit);
    }
  }
  Outputs outputs = classes(width, labels, said);
  for (int64_t n = 0; n < samples; ++n) outputs.losses.push_back(rng.uniform());
  return outputs;
}

Outputs random_dense(Task task, int64_t samples, int64_t width) {
  Rng rng(8, stream_id("metrics", static_cast<uint64_t>(samples)));
  std::vector<float> targets, said;
  for (int64_t i = 0; i < samples * width; ++i) {
    targets.push_back(task == Task::kLabels ? static_cast<float>(rng.below(2)) : 10 * rng.normal());
    // Ties are part of it.
    said.push_back(std::round(2 * (targets.back() + rng.normal())) / 2 - (task == Task::kLabels ? 0.5f : 0));
  }
  Outputs outputs = dense(task, width, targets, said);
  for (int64_t n = 0; n < samples; ++n) outputs.losses.push_back(rng.uniform());
  return outputs;
}

Reading read(const char* name, const Outputs& outputs) {
  const auto metric = metric_for(name, outputs.task);
  EXPECT_TRUE(metric.ok()) << metric.status().message();
  return (*metric)->read(outputs);
}
double value(const char* name, const Outputs& outputs) {
  const Reading reading = read(name, outputs);
  EXPECT_TRUE(reading.value.has_value()) << name;
  return reading.value.value_or(-1);
}
std::vector<Reading> each(const char* name, const Outputs& outputs) {
  return (*metric_for(name, outputs.task))->each(outputs, true);
}
bool unknown(const char* name, const Outputs& outputs) { return !read(name, outputs).value; }

// ---- numbers by hand, and those that the documentation of scikit-learn gives

TEST(Metrics, OfClassesAreThoseOfScikitLearn) {
  const Outputs outputs = decided(3, {0, 1, 2, 0, 1, 2}, {0, 2, 1, 0, 0, 1});
  EXPECT_DOUBLE_EQ(value("accuracy", outputs), 2.0 / 6);
  EXPECT_DOUBLE_EQ(value("top1", outputs), 2.0 / 6);
  EXPECT_DOUBLE_EQ(value("precision", outputs), 2.0 / 9);  // "0.22"
  EXPECT_DOUBLE_EQ(value("recall", outputs), 1.0 / 3);     // "0.33"
  EXPECT_DOUBLE_EQ(value("f1", outputs), 0.8 / 3);         // "0.26"
  EXPECT_DOUBLE_EQ(value("balanced_accuracy", outputs), 1.0 / 3);
  EXPECT_EQ(support(outputs), (std::vector<int64_t>{2, 2, 2}));
  EXPECT_DOUBLE_EQ(*each("precision", outputs)[0].value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(*each("precision", outputs)[1].value, 0);
  EXPECT_DOUBLE_EQ(*each("recall", outputs)[0].value, 1);
  EXPECT_DOUBLE_EQ(*each("f1", outputs)[0].value, 0.8);
  // balanced_accuracy_score([0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1]) = 0.625
  EXPECT_DOUBLE_EQ(value("recall", decided(2, {0, 1, 0, 0, 1, 0}, {0, 1, 0, 0, 0, 1})), 0.625);
}

TEST(Metrics, OfLabelsAreThoseOfScikitLearn) {
  // accuracy_score([[0, 1], [1, 1]], ones) = 0.5: the share of exact samples.
  const Outputs outputs = dense(Task::kLabels, 2, {0, 1, 1, 1}, {1, 1, 1, 1});
  EXPECT_DOUBLE_EQ(value("exact", outputs), 0.5);
  EXPECT_DOUBLE_EQ(value("accuracy", outputs), 0.75);
  EXPECT_DOUBLE_EQ(value("micro_f1", outputs), 6.0 / 7);
  EXPECT_DOUBLE_EQ(value("f1", outputs), (2.0 / 3 + 1) / 2);
  EXPECT_EQ(support(outputs), (std::vector<int64_t>{1, 2}));
  // f1_score of [[0, 0, 0], [1, 1, 1], [0, 1, 1]] and [[0, 0, 0], [1, 1, 1], [1, 1, 0]], average=None:
  // 0.66666667, 1, 0.66666667
  const Outputs three = dense(Task::kLabels, 3, {0, 0, 0, 1, 1, 1, 0, 1, 1}, {-1, -1, -1, 1, 1, 1, 1, 1, -1});
  EXPECT_DOUBLE_EQ(*each("f1", three)[0].value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(*each("f1", three)[1].value, 1);
  EXPECT_DOUBLE_EQ(*each("f1", three)[2].value, 2.0 / 3);
}

TEST(Metrics, OfQuantitiesAreThoseOfScikitLearn) {
  const Outputs one = dense(Task::kRegression, 1, {3, -0.5f, 2, 7}, {2.5f, 0, 2, 8});
  EXPECT_DOUBLE_EQ(value("mse", one), 0.375);
  EXPECT_DOUBLE_EQ(value("rmse", one), 0.6123724356957945);
  EXPECT_DOUBLE_EQ(value("mae", one), 0.5);
  EXPECT_DOUBLE_EQ(value("r2", one), 0.9486081370449679);
  const Outputs two = dense(Task::kRegression, 2, {0.5f, 1, -1, 1, 7, -6}, {0, 2, -1, 2, 8, -5});
  EXPECT_DOUBLE_EQ(value("mse", two), 0.7083333333333334);
  EXPECT_DOUBLE_EQ(value("rmse", two), 0.8227486121839513);
  EXPECT_DOUBLE_EQ(value("mae", two), 0.75);
  EXPECT_DOUBLE_EQ(value("r2", two), (0.9654377880184332 + 0.9081632653061225) / 2);
  EXPECT_DOUBLE_EQ(*each("mse", two)[1].value, 1);
  EXPECT_DOUBLE_EQ(*each("rmse", two)[0].value, 0.6454972243679028);
  EXPECT_DOUBLE_EQ(*each("r2", two)[1].value, 0.9081632653061225);
  EXPECT_EQ(support(two), (std::vector<int64_t>{3, 3}));
  // Worse than always saying the mean.
  EXPECT_LT(value("r2", dense(Task::kRegression, 1, {1, 2, 3}, {3, 2, 1})), 0);
  EXPECT_DOUBLE_EQ(value("r2", dense(Task::kRegression, 1, {1, 2, 3}, {2, 2, 2})), 0);
  // Quantities far from 0 lose no digits: a spread of 1 around a million.
  EXPECT_DOUBLE_EQ(
      value("r2", dense(Task::kRegression, 1, {1000001, 1000002, 1000003}, {1000001, 1000002, 1000002})),
      0.5);
}

TEST(Metrics, TheAreaIsThatOfScikitLearn) {
  // roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) = 0.75
  EXPECT_DOUBLE_EQ(value("auc", dense(Task::kLabels, 1, {0, 0, 1, 1}, {0.1f, 0.4f, 0.35f, 0.8f})), 0.75);
  const Outputs two = classes(2, {0, 0, 1, 1}, {0, 0.1f, 0, 0.4f, 0, 0.35f, 0, 0.8f});
  EXPECT_DOUBLE_EQ(value("auc", two), 0.75);
  EXPECT_DOUBLE_EQ(*each("auc", two)[0].value, 0.75) << "of two classes each is the other turned round";
}

// ---- against a definition written as plainly as can be

double probability(const Outputs& outputs, int64_t n, int64_t c) {
  double sum = 0;
  for (int64_t k = 0; k < outputs.width; ++k)
    sum += std::exp(static_cast<double>(outputs.said[static_cast<size_t>(n * outputs.width + k)]) -
                    static_cast<double>(outputs.said[static_cast<size_t>(n * outputs.width + c)]));
  return 1 / sum;
}

// Every pair of a positive and a negative.
double area_by_pairs(const std::vector<double>& scores, const std::vector<bool>& positive) {
  double above = 0, pairs = 0;
  for (size_t p = 0; p < scores.size(); ++p)
    for (size_t n = 0; n < scores.size(); ++n)
      if (positive[p] && !positive[n]) {
        above += scores[p] > scores[n] ? 1 : scores[p] == scores[n] ? 0.5 : 0;
        ++pairs;
      }
  return above / pairs;
}

TEST(Metrics, TheAreaCountsPairsAndHalvesTies) {
  const Outputs labels = random_dense(Task::kLabels, 150, 3);
  double mean = 0;
  for (size_t k = 0; k < 3; ++k) {
    std::vector<double> scores;
    std::vector<bool> positive;
    for (size_t n = 0; n < 150; ++n) {
      scores.push_back(static_cast<double>(labels.said[n * 3 + k]));
      positive.push_back(labels.targets[n * 3 + k] > 0);
    }
    const double area = area_by_pairs(scores, positive);
    EXPECT_GT(area, 0.6);
    EXPECT_LT(area, 0.99);
    EXPECT_NEAR(*each("auc", labels)[k].value, area, 1e-12);
    mean += area / 3;
  }
  EXPECT_NEAR(value("auc", labels), mean, 1e-12);
}

TEST(Metrics, TheAreaOfAClassIsThatOfItsProbability) {
  const Outputs outputs = random_classes(160, 4, false);
  for (int64_t c = 0; c < 4; ++c) {
    std::vector<double> scores;
    std::vector<bool> positive;
    for (int64_t n = 0; n < outputs.samples; ++n) {
      scores.push_back(probability(outputs, n, c));
      positive.push_back(outputs.labels[static_cast<size_t>(n)] == c);
    }
    EXPECT_NEAR(*each("auc", outputs)[static_cast<size_t>(c)].value, area_by_pairs(scores, positive), 1e-12);
  }
  // A constant on all logits of a sample says nothing, and the surest samples still have an order: their
  // probabilities all round to 1.
  Outputs shifted = outputs;
  for (int64_t n = 0; n < outputs.samples; ++n)
    for (int64_t c = 0; c < 4; ++c)
      shifted.said[static_cast<size_t>(n * 4 + c)] += static_cast<float>(n % 3) * 64;
  EXPECT_NEAR(value("auc", shifted), value("auc", outputs), 1e-3);
  const Outputs sure = classes(2, {0, 0, 1, 1}, {0, 100, 0, 101, 0, 102, 0, 103});
  EXPECT_DOUBLE_EQ(value("auc", sure), 1);
}

TEST(Metrics, CountsAreThoseOfAConfusionMatrix) {
  const int64_t width = 7;
  const Outputs outputs = random_classes(400, width, true);
  std::vector<std::vector<int64_t>> matrix(7, std::vector<int64_t>(7));
  int64_t five = 0;
  for (size_t n = 0; n < 400; ++n) {
    const float* said = outputs.said.data() + n * 7;
    std::vector<int32_t> order = {0, 1, 2, 3, 4, 5, 6};
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return said[a] > said[b]; });
    ++matrix[static_cast<size_t>(outputs.labels[n])][static_cast<size_t>(order[0])];
    five += std::find(order.begin(), order.begin() + 5, outputs.labels[n]) != order.begin() + 5;
  }
  double right = 0, precision = 0, recall = 0, f1 = 0;
  for (size_t c = 0; c < 7; ++c) {
    double are = 0, said = 0;
    for (size_t k = 0; k < 7; ++k) {
      are += static_cast<double>(matrix[c][k]);
      said += static_cast<double>(matrix[k][c]);
    }
    const auto both = static_cast<double>(matrix[c][c]);
    right += both;
    precision += both / said / 7;
    recall += both / are / 7;
    f1 += 2 / (said / both + are / both) / 7;
    EXPECT_NEAR(*each("precision", outputs)[c].value, both / said, 1e-12);
    EXPECT_NEAR(*each("recall", outputs)[c].value, both / are, 1e-12);
  }
  EXPECT_NEAR(value("accuracy", outputs), right / 400, 1e-12);
  EXPECT_NEAR(value("top5", outputs), static_cast<double>(five) / 400, 1e-12);
  EXPECT_NEAR(value("precision", outputs), precision, 1e-12);
  EXPECT_NEAR(value("recall", outputs), recall, 1e-12);
  EXPECT_NEAR(value("f1", outputs), f1, 1e-12);
}

// ---- what is unknown, tied, or not a number

TEST(Metrics, UnknownIsNeverZero) {
  // Class 2 has no samples, class 1 is never said.
  const Outputs outputs = decided(3, {0, 0, 1, 1}, {0, 0, 0, 2});
  EXPECT_FALSE(each("recall", outputs)[2].value.has_value());
  EXPECT_FALSE(each("recall", outputs)[2].interval.has_value());
  EXPECT_FALSE(each("precision", outputs)[1].value.has_value());
  EXPECT_FALSE(each("auc", outputs)[2].value.has_value());
  EXPECT_DOUBLE_EQ(value("recall", outputs), 0.5) << "the mean of those that are known";
  EXPECT_DOUBLE_EQ(*each("f1", outputs)[2].value, 0) << "it was said, and wrongly";
  EXPECT_EQ(support(outputs), (std::vector<int64_t>{2, 2, 0}));
  // Neither there nor said.
  EXPECT_FALSE(each("f1", decided(3, {0, 1}, {0, 1}))[2].value.has_value());
  // Five of five are always among five.
  EXPECT_TRUE(unknown("top5", decided(5, {0, 1}, {0, 1})));
  EXPECT_FALSE(unknown("top5", decided(6, {0, 1}, {0, 1})));
  // Targets that do not vary, also where their mean is rounded.
  EXPECT_TRUE(unknown("r2", dense(Task::kRegression, 1, {0.1f, 0.1f, 0.1f}, {1, 2, 3})));
  EXPECT_FALSE(unknown("mse", dense(Task::kRegression, 1, {0.1f, 0.1f, 0.1f}, {1, 2, 3})));
  for (const Task task : {Task::kClasses, Task::kLabels, Task::kRegression})
    for (const Metric* metric : metrics_for(task)) {
      const Outputs none{0, 7, {}, {}, {}, {}, task};
      EXPECT_FALSE(metric->read(none).value.has_value()) << metric->name;
      EXPECT_FALSE(metric->interval(none).has_value()) << metric->name;
    }
}

TEST(Metrics, OneKindOnlyHasNoOrder) {
  const Outputs ones = dense(Task::kLabels, 1, {1, 1, 1}, {1, 2, 3});
  EXPECT_TRUE(unknown("auc", ones));
  EXPECT_DOUBLE_EQ(value("recall", ones), 1);
  EXPECT_TRUE(unknown("auc", decided(3, {1, 1}, {1, 0})));
}

TEST(Metrics, SayingTheSameAboutEverythingIsRightByChance) {
  const Outputs outputs = classes(4, {0, 1, 2, 3}, std::vector<float>(16, 0.5f));
  EXPECT_DOUBLE_EQ(value("accuracy", outputs), 0.25);
  EXPECT_DOUBLE_EQ(value("auc", outputs), 0.5);
  EXPECT_DOUBLE_EQ(value("recall", outputs), 0.25);
  EXPECT_DOUBLE_EQ(value("auc", dense(Task::kLabels, 1, {0, 1, 1}, {2, 2, 2})), 0.5);
  EXPECT_DOUBLE_EQ(value("accuracy", dense(Task::kLabels, 1, {0, 1, 1}, {0, 0, 0})), 1.0 / 3) << "0 is no";
}

TEST(Metrics, NanIsNeverRightAndHasNoOrder) {
  const Outputs outputs = classes(2, {0, 1, 0}, {kNan, 0, 0, 1, 2, kNan});
  EXPECT_DOUBLE_EQ(value("accuracy", outputs), 1.0 / 3);
  EXPECT_DOUBLE_EQ(*each("recall", outputs)[0].value, 0);
  EXPECT_FALSE(each("precision", outputs)[0].value.has_value()) << "nothing is decided";
  EXPECT_TRUE(unknown("auc", outputs));
  EXPECT_DOUBLE_EQ(value("top5", classes(6, {0}, {kNan, 0, 0, 0, 0, 0})), 0);
  const Outputs labels = dense(Task::kLabels, 2, {0, 1, 0, 1}, {kNan, 1, -1, kNan});
  EXPECT_DOUBLE_EQ(value("accuracy", labels), 0.5);
  EXPECT_DOUBLE_EQ(value("exact", labels), 0);
  EXPECT_TRUE(unknown("auc", labels));
  const Outputs numbers = dense(Task::kRegression, 1, {1, 2, 3}, {1, kNan, 3});
  for (const char* name : {"mse", "rmse", "mae", "r2"}) EXPECT_TRUE(unknown(name, numbers)) << name;
}

TEST(Metrics, WhatIsInfinitelySureIsAboveAllElse) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // The class of three samples is surer than anything, that of the others less sure.
  for (const auto& sure : {std::vector<float>{0, -kInfinity}, std::vector<float>{kInfinity, 0}}) {
    std::vector<float> said = {1, 0, 0, 1};
    said.insert(said.end(), sure.begin(), sure.end());
    EXPECT_DOUBLE_EQ(value("auc", classes(2, {1, 1, 0}, said)), 1);
    EXPECT_DOUBLE_EQ(value("auc", classes(2, {0, 0, 1}, said)), 0);
    EXPECT_DOUBLE_EQ(value("auc", classes(2, {0, 1, 1}, said)), 0.5);
  }
  const Outputs three = classes(3, {0, 1}, {5, -kInfinity, -kInfinity, 1, -kInfinity, 2});
  EXPECT_DOUBLE_EQ(*each("auc", three)[0].value, 1);
  EXPECT_DOUBLE_EQ(*each("auc", three)[1].value, 0.5) << "ruled out for both";
  // Two infinities say nothing, and neither does a class out of none.
  EXPECT_TRUE(unknown("auc", classes(2, {0, 1}, {kInfinity, kInfinity, 0, 1})));
  EXPECT_TRUE(unknown("auc", classes(2, {0, 1}, {-kInfinity, -kInfinity, 0, 1})));
}

TEST(Metrics, IntervalsOfEachTakeNoMoreTimeThanThoseOfAll) {
  const Outputs few = random_dense(Task::kRegression, 50, 3),
                many = random_dense(Task::kRegression, 90000, 3);
  for (const char* name : {"rmse", "r2"}) {
    const Metric& metric = **metric_for(name, Task::kRegression);
    const std::vector<Reading> with = metric.each(few, true), without = metric.each(few, false),
                               none = metric.each(many, true);
    EXPECT_FALSE(metric.interval(many).has_value()) << name;
    for (size_t k = 0; k < 3; ++k) {
      EXPECT_EQ(with[k].value, without[k].value) << name;
      EXPECT_TRUE(with[k].interval && !without[k].interval) << name;
      EXPECT_TRUE(none[k].value && !none[k].interval) << name;
    }
  }
}

// ---- the table

TEST(Metrics, EachOfTheTableHasAValueInItsIntervalForItsTasks) {
  const Outputs all[] = {random_classes(200, 7, true), random_dense(Task::kLabels, 200, 3),
                         random_dense(Task::kRegression, 200, 3)};
  for (const Outputs& outputs : all) {
    EXPECT_GE(metrics_for(outputs.task).size(), 5u);
    for (const Metric* metric : metrics_for(outputs.task)) {
      const Reading reading = metric->read(outputs), again = metric->read(outputs);
      ASSERT_TRUE(reading.value && reading.interval) << metric->name;
      EXPECT_LE(reading.interval->low, *reading.value) << metric->name;
      EXPECT_GE(reading.interval->high, *reading.value) << metric->name;
      EXPECT_LT(reading.interval->low, reading.interval->high) << metric->name;
      EXPECT_EQ(reading.interval->low, again.interval->low) << metric->name;
      EXPECT_EQ(reading.interval->high, again.interval->high) << metric->name;
      if (metric->each == nullptr) continue;
      const std::vector<Reading> readings = metric->each(outputs, true);
      ASSERT_EQ(readings.size(), static_cast<size_t>(outputs.width)) << metric->name;
      for (const Reading& one : readings) {
        ASSERT_TRUE(one.value.has_value()) << metric->name;
        EXPECT_TRUE(!one.interval || *metric->each_by != '\0') << metric->name;
        if (one.interval) {
          EXPECT_LE(one.interval->low, *one.value) << metric->name;
          EXPECT_GE(one.interval->high, *one.value) << metric->name;
        }
      }
    }
  }
}

TEST(Metrics, SayWhoseIntervalEachHas) {
  const auto by = [](const char* name, Task task) { return std::string((*metric_for(name, task))->each_by); };
  EXPECT_EQ(by("precision", Task::kClasses), "Wilson");
  EXPECT_EQ(by("recall", Task::kLabels), "Wilson");
  EXPECT_EQ(by("f1", Task::kClasses), "");
  EXPECT_EQ(by("auc", Task::kLabels), "DeLong");
  EXPECT_EQ(by("mae", Task::kRegression), "normal");
  EXPECT_EQ(by("rmse", Task::kRegression), "bootstrap");
}

TEST(Metrics, HaveOneNameForATaskAndOneDirection) {
  for (const Task task : {Task::kClasses, Task::kLabels, Task::kRegression}) {
    std::set<std::string> names;
    for (const Metric* metric : metrics_for(task)) {
      EXPECT_TRUE(names.insert(metric->name).second) << metric->name;
      if (*metric->alias != '\0') {
        EXPECT_TRUE(names.insert(metric->alias).second) << metric->alias;
      }
      EXPECT_EQ(find_metric(metric->name)->larger_is_better, metric->larger_is_better) << metric->name;
    }
    EXPECT_TRUE(metric_for(usual_metric(task), task).ok());
  }
  EXPECT_EQ(find_metric(""), nullptr);
  EXPECT_EQ(metric_for("acuracy", Task::kClasses).status().message(),
            "'acuracy' is no metric; did you mean 'accuracy'?");
  EXPECT_EQ(metric_for("r2", Task::kLabels).status().message(),
            "'r2' means nothing where the task is labels; there are accuracy, exact, precision, recall, f1, "
            "micro_f1, auc, loss");
}

}  // namespace
}  // namespace coppice
