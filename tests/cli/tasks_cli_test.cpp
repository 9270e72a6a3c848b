// SPDX-License-Identifier: Apache-2.0
// Labels, quantities and metrics as a person meets them.
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "models/json.h"
#include "support/program.h"

namespace coppice {
namespace {

using testing::Outcome;

class TasksCli : public ::testing::Test {
 protected:
  Outcome coppice(const std::string& arguments) { return program_.run(arguments); }
  Json json_of(const std::string& arguments) {
    const Outcome outcome = coppice(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    auto json = parse_json("json", outcome.out);
    EXPECT_TRUE(json.ok()) << outcome.out;
    return json.ok() ? json.take() : Json();
  }
  void expect_words(const std::string& arguments, const std::vector<std::string>& words) {
    const Outcome outcome = coppice(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    for (const std::string& word : words)
      EXPECT_NE(outcome.out.find(word), std::string::npos) << word << "\n" << outcome.out;
  }

  testing::Program program_;
  const testing::TempDir& folder_ = program_.folder;
};

// price = 20000 (3 a - 2 b) + noise, in cents; late and far depend on the columns as well, far not quite.
std::string table(int rows, int seed) {
  Rng rng(static_cast<uint64_t>(seed), stream_id("test", "prices"));
  std::string text = "a,b,price,late,far\n";
  for (int i = 0; i < rows; ++i) {
    const double a = 10 * rng.uniform_double() - 5, b = 10 * rng.uniform_double() - 5;
    const double price = 20000 * (3 * a - 2 * b) + 6000 * static_cast<double>(rng.normal());
    text += std::to_string(a) + "," + std::to_string(b) + "," + std::to_string(price) +
            (a + b > 0 ? ",1" : ",0") + (a * b > 2 * static_cast<double>(rng.normal()) ? ",1\n" : ",0\n");
  }
  return text;
}

TEST_F(TasksCli, LearnsAQuantityInALargeUnit) {
  folder_.write("prices.csv", table(700, 1));
  expect_words("data info prices.csv --target price",
               {"task     1 quantity", "quantity", "standard deviation", "price"});
  const Json info = json_of("data info prices.csv --target price --json");
  EXPECT_EQ(info["task"], "regression");
  EXPECT_EQ(info["targets"], (std::vector<std::string>{"price"}));
  EXPECT_GT(info["target_stddev"][0].get<double>(), 100000);

  expect_words("train --data prices.csv --target price --density 0.5 --threads 1 --out run",
               {"1 quantity (price)", "val loss   val rmse     val r2", "test     root mean square error"});
  const Json judged = json_of("eval run --metrics all --json");
  EXPECT_GT(judged["r2"].get<double>(), 0.95);
  const Json& metrics = judged["metrics"];
  EXPECT_EQ(metrics.size(), 5u);
  EXPECT_EQ(metrics["r2"]["value"], judged["r2"]);
  EXPECT_EQ(metrics["rmse"]["value"], judged["rmse"]);
  // The noise has a deviation of 6000; nobody knows the price better.
  EXPECT_GT(judged["rmse"].get<double>(), 3000);
  EXPECT_LT(judged["rmse"].get<double>(), 20000);
  for (const char* name : {"r2", "rmse", "mae", "mse", "loss"}) {
    EXPECT_LE(metrics[name]["low"].get<double>(), metrics[name]["value"].get<double>()) << name;
    EXPECT_GE(metrics[name]["high"].get<double>(), metrics[name]["value"].get<double>()) << name;
  }
  ASSERT_EQ(judged["each"].size(), 1u);
  EXPECT_EQ(judged["each"][0]["name"], "price");
  EXPECT_EQ(judged["each"][0]["samples"], 70);
  EXPECT_FALSE(judged.contains("accuracy"));
  expect_words("eval run", {"rmse     ", "mae      ", "r2       0.9", " with 95 % confidence"});

  // The same on any number of threads, and on other rows with the same columns.
  ASSERT_EQ(coppice("train --data prices.csv --target price --density 0.5 --threads 3 --out other").code, 0);
  Json again = json_of("eval other --metrics all --json");
  again["run"] = "run";
  EXPECT_EQ(again, judged);
  folder_.write("more.csv", table(50, 2));
  EXPECT_EQ(json_of("eval run --data more.csv --json")["samples"], 50);
  EXPECT_GT(json_of("eval run --data more.csv --json")["r2"].get<double>(), 0.95);
  // The price is found wherever it stands, and missed where it is not.
  folder_.write("moved.csv", "price,a,b,late,far\n140000,1,-2,0,0\n-140000,-1,2,1,0\n280000,2,-4,0,0\n");
  EXPECT_GT(json_of("eval run --data moved.csv --json")["r2"].get<double>(), 0.9);
  folder_.write("less.csv", "a,price\n1,2\n");
  program_.expect_refusal("eval run --data less.csv", 2, "less.csv");
}

TEST_F(TasksCli, LearnsSeveralLabels) {
  folder_.write("orders.csv", table(700, 3));
  expect_words("data info orders.csv --target late,far", {"task     2 labels", "label  train", "far "});
  expect_words("train --data orders.csv --target late,far --density 0.5 --threads 2 --metric auc --out run",
               {"2 labels (late, far)", "val acc", "exact", "val auc", "of labels right"});
  const Json judged = json_of("eval run --metrics all --json");
  EXPECT_GT(judged["accuracy"].get<double>(), 0.9);
  EXPECT_GT(judged["metrics"]["auc"]["value"].get<double>(), 0.95);
  EXPECT_EQ(judged["each"][0]["name"], "late");
  EXPECT_GT(judged["each"][1]["auc"]["value"].get<double>(), 0.9);
  EXPECT_LT(judged["each"][0]["samples"].get<int>(), 70);
  expect_words("eval run", {"accuracy 9", "exact    "});
  expect_words("eval run --metrics f1,auc", {"metric", "bootstrap", "DeLong", "label  samples", "\nlate "});
}

TEST_F(TasksCli, SaysHowGoodItIsWithEachClass) {
  // 45 classes, one of which has no test sample.
  std::string text = "a,b,kind\n";
  for (int i = 0; i < 450; ++i)
    text += std::to_string(i % 45) + "," + std::to_string(i) + ",kind" + std::to_string(100 + i % 45) + "\n";
  folder_.write("kinds.csv", text + "1,1,once\n");
  ASSERT_EQ(coppice("train --data kinds.csv --epochs 2 --threads 1 --out run --json").code, 0);
  const Outcome outcome = coppice("eval run --metrics recall,top1");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("and 6 more; --json has all"), std::string::npos) << outcome.out;
  const Json judged = json_of("eval run --metrics recall,balanced_accuracy,precision --json");
  EXPECT_EQ(judged["metrics"].size(), 2u) << "one metric under two names";
  ASSERT_EQ(judged["each"].size(), 46u);
  EXPECT_EQ(judged["each"][45]["name"], "once");
  EXPECT_EQ(judged["each"][45]["samples"], 0);
  EXPECT_TRUE(judged["each"][45]["recall"]["value"].is_null());
  EXPECT_EQ(judged["each"][0]["samples"], 1);
  EXPECT_EQ(judged["metrics"]["recall"]["by"], "bootstrap");
  EXPECT_EQ(judged["each"][0]["recall"]["by"], "Wilson");
  // Without being asked it says the usual ones, and as little as it can.
  const Json usual = json_of("eval run --json");
  EXPECT_FALSE(usual.contains("each"));
  EXPECT_EQ(usual["metrics"]["accuracy"]["value"], usual["accuracy"]);
  EXPECT_EQ(usual["metrics"]["accuracy"]["by"], "Wilson");
  EXPECT_NE(coppice("eval --help").out.find("recall, balanced_accuracy"), std::string::npos);
}

}  // namespace
}  // namespace coppice
