// SPDX-License-Identifier: Apache-2.0
// What changes nothing goes, and what changes something stays.
#include "structure/remove_identities.h"

#include <gtest/gtest.h>

#include "models/models.h"
#include "ops/build.h"
#include "ops/ops.h"
#include "structure/evaluated.h"
#include "support/answers.h"

namespace coppice {
namespace {

using testing::trained_network;

std::vector<double> said(Network& net) {
  constexpr int kSamples = 4;
  Rng rng(3, stream_id("test", "inputs"));
  std::vector<float> input;
  for (int64_t i = 0; i < kSamples * net.graph.value(net.graph.input).shape.elements(); ++i)
    input.push_back(rng.normal());
  const std::vector<float> out = testing::answers(net, input, kSamples);
  return {out.begin(), out.end()};
}

// The names of what went, of a network that says the same without it.
std::string removed(Network net, const std::string& what) {
  const std::vector<double> before = said(net);
  const std::string output = net.graph.value(net.graph.logits).name;
  auto report = remove_identities(net);
  EXPECT_TRUE(report.ok()) << what << ": " << report.status().message();
  if (!report.ok()) return "";
  std::string names;
  for (const RemovedNode& node : *report) {
    EXPECT_FALSE(node.why.empty());
    names += (names.empty() ? "" : " ") + node.name;
  }
  EXPECT_EQ(net.graph.value(net.graph.logits).name, output) << what;
  testing::expect_close(before, said(net), what);
  EXPECT_TRUE(remove_identities(net).take().empty()) << what;
  return names;
}

struct Chain {
  NetworkBuilder b;
  ValueId x;
  Chain() : x(b.input({"chw", {2, 4, 6}})) { b.class_target(); }
  Chain& then(const char* op, const std::string& name, Attributes attributes = {}) {
    x = b.apply(op, name, {x}, std::move(attributes));
    return *this;
  }
  std::string removed() {
    b.softmax_cross_entropy(b.linear("fc", b.flatten("flat", x), 3));
    return coppice::removed(trained_network(b.finish().take(), 1.0), "chain");
  }
};

using List = std::vector<int64_t>;

TEST(RemoveIdentities, WhatChangesNothingGoes) {
  EXPECT_EQ(Chain().then("dropout", "drop").then("relu", "relu").removed(), "drop");
  EXPECT_EQ(Chain()
                .then("slice", "part", {{"start", List{0, 1, 0}}, {"size", List{2, 3, 6}}})
                .then("slice", "all", {{"size", List{2, 3, 6}}})
                .removed(),
            "all");
  EXPECT_EQ(Chain()
                .then("pad", "none", {{"before", List{0, 0, 0}}, {"after", List{0, 0, 0}}})
                .then("pad", "some", {{"before", List{0, 0, 1}}, {"after", List{0, 0, 0}}})
                .removed(),
            "none");
  EXPECT_EQ(Chain()
                .then("max_pool", "max1", {{"kernel", int64_t{1}}, {"stride", int64_t{1}}})
                .then("avg_pool", "avg1", {{"kernel", List{1, 1}}, {"stride", int64_t{1}}})
                .then("max_pool", "stride2", {{"kernel", int64_t{1}}, {"stride", int64_t{2}}})
                .then("max_pool", "usual")
                .removed(),
            "max1 avg1");
}

TEST(RemoveIdentities, ActivationsOfWhatTheyLeaveAloneGo) {
  EXPECT_EQ(Chain().then("relu", "relu1").then("relu", "relu2").then("elu", "elu").removed(), "relu2 elu");
  EXPECT_EQ(Chain().then("elu", "elu").then("relu", "relu").removed(), "");
  EXPECT_EQ(Chain().then("sigmoid", "s").then("max_pool", "pool").then("leaky_relu", "leaky").removed(),
            "leaky");
  const Attributes six = {{"min", 0.0}, {"max", 6.0}};
  EXPECT_EQ(Chain().then("clip", "six", six).then("clip", "again", six).then("relu", "relu").removed(),
            "again relu");
  EXPECT_EQ(Chain().then("relu", "relu").then("clip", "six", six).removed(), "");
  EXPECT_EQ(Chain()
                .then("clip", "narrow", {{"min", -1.0}, {"max", 2.0}})
                .then("clip", "wide", {{"min", -2.0}, {"max", 2.0}})
                .then("clip", "low", {{"max", 1.0}})
                .then("relu", "relu")
                .removed(),
            "wide");
  EXPECT_EQ(Chain().then("relu", "relu").then("clip", "low", {{"min", 0.0}}).removed(), "low");
  Chain sum;
  const ValueId left = sum.b.relu("left", sum.x);
  sum.x = sum.b.prelu("slopes", sum.b.relu("after", sum.b.apply("add", "sum", {left, left})));
  EXPECT_EQ(sum.removed(), "after slopes");
}

// An output may not become the input itself.
TEST(RemoveIdentities, TheOutputKeepsItsName) {
  NetworkBuilder b;
  const ValueId x = b.input({"f", {5}});
  b.class_target();
  b.softmax_cross_entropy(b.apply("dropout", "said", {b.linear("fc", x, 3)}));
  EXPECT_EQ(removed(trained_network(b.finish().take(), 1.0), "output"), "said");
  NetworkBuilder empty;
  const ValueId in = empty.input({"f", {5}});
  empty.class_target();
  empty.softmax_cross_entropy(empty.apply("dropout", "said", {in}));
  EXPECT_EQ(removed(trained_network(empty.finish().take(), 1.0), "no layer"), "");
}

TEST(RemoveIdentities, SamplesOfAllOpsSayTheSame) {
  for (const OpDef* op : all_ops())
    if (op->samples)
      for (const Sample& sample : op->samples())
        removed(trained_network(sample.graph, 0.7), std::string(op->name) + ", " + sample.name);
  EXPECT_EQ(removed(trained_network(make_model("resnet20", {3, 8, 8, 10}).take(), 0.3), "resnet20"), "");
}

}  // namespace
}  // namespace coppice
