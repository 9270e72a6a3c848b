// SPDX-License-Identifier: Apache-2.0
#include "models/models.h"

#include <gtest/gtest.h>

#include "graph/grad.h"
#include "models/graph_json.h"
#include "models/json.h"
#include "ops/ops.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

const ModelInput kDigits{1, 28, 28, 10}, kCifar{3, 32, 32, 10}, kBoard{1, 16, 16, 256, Task::kLabels};

// The data that goes with a model's example.
ModelInput input_for(const std::string& name) {
  if (name == "life") return kBoard;
  return name == "resnet" ? kCifar : kDigits;
}

int64_t parameters(const Graph& graph) {
  int64_t sum = 0;
  for (const Value& value : graph.values())
    if (value.kind == ValueKind::kParam) sum += value.shape.elements();
  return sum;
}

std::string refusal(const std::string& spec, const ModelInput& input) {
  const auto graph = make_model(spec, input);
  return graph.ok() ? "accepted" : graph.status().message();
}

TEST(Models, EveryExampleOfTheTableIsBuilt) {
  EXPECT_GE(all_models().size(), 4u);
  for (const ModelDef& def : all_models()) {
    const auto graph = make_model(def.example, input_for(def.name));
    ASSERT_TRUE(graph.ok()) << graph.status().message();
    EXPECT_NE(graph->input, kNoValue) << def.name;
    EXPECT_NE(graph->target, kNoValue) << def.name;
    EXPECT_NE(graph->logits, kNoValue) << def.name;
    EXPECT_NE(graph->loss, kNoValue) << def.name;
  }
}

TEST(Models, HaveAsManyParametersAsTheLiteratureSays) {
  EXPECT_EQ(parameters(*make_model("mlp:784-300-100-10", kDigits)), 266610);
  EXPECT_EQ(parameters(*make_model("lenet5", kDigits)), 61706);
  EXPECT_EQ(parameters(*make_model("resnet20", kCifar)), 269722);
  EXPECT_EQ(parameters(*make_model("resnet56", kCifar)), 853018);
  EXPECT_EQ(parameters(*make_model("life:1,1", kBoard)), 25);
  EXPECT_EQ(parameters(*make_model("life:3,1", kBoard)), 23 * 3 + 2);
  EXPECT_EQ(parameters(*make_model("life:1,8", kBoard)), 305);
}

TEST(Models, NameResidualParametersLikeTheKnownCheckpoints) {
  const auto graph = make_model("resnet20", kCifar);
  ASSERT_TRUE(graph.ok());
  for (const char* name : {"conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var",
                           "layer1.0.conv1.weight", "layer2.0.bn2.weight", "layer3.2.conv2.weight",
                           "linear.weight", "linear.bias"})
    EXPECT_NE(graph->find(name), kNoValue) << name;
}

TEST(Models, RefuseWithASentenceThatNamesTheMistake) {
  EXPECT_NE(refusal("mpl:784-10", kDigits).find("mlp:784-300-100-10"), std::string::npos);
  EXPECT_NE(refusal("mlp:785-10", kDigits).find("starts with 785, but a sample has 784"), std::string::npos);
  EXPECT_NE(refusal("mlp:784-11", kDigits).find("ends with 11, but the data has 10 classes"),
            std::string::npos);
  EXPECT_NE(refusal("mlp:784-x-10", kDigits).find("'x' is not a size"), std::string::npos);
  EXPECT_NE(refusal("mlp:784--10", kDigits).find("'' is not a size"), std::string::npos);
  EXPECT_NE(refusal("mlp:784-99999999999999999999-10", kDigits).find("is not a size"), std::string::npos);
  EXPECT_NE(refusal("mlp:784", kDigits).find("at least"), std::string::npos);
  EXPECT_NE(refusal("life:1", kBoard).find("steps and width"), std::string::npos);
  EXPECT_NE(refusal("life:1,8", kDigits).find("--data life"), std::string::npos);
  EXPECT_NE(refusal("resnet21", kCifar).find("6n + 2"), std::string::npos);
  EXPECT_NE(refusal("lenet5", kCifar).find("accepted"), std::string::npos);
  EXPECT_NE(refusal("lenet5", kBoard).find("28 x 28 or 32 x 32"), std::string::npos);
  EXPECT_NE(refusal("life:1,8", {1, 16, 16, 256, Task::kRegression}).find("--data life"), std::string::npos);
  EXPECT_NE(refusal("mlp:784-11", {1, 28, 28, 1, Task::kRegression}).find("the data has 1 quantity"),
            std::string::npos);
  EXPECT_NE(refusal("lenet6", kDigits).find("lenet5 only"), std::string::npos);
  EXPECT_NE(refusal("", kDigits).find("not known"), std::string::npos);
}

TEST(GraphJson, GivesBackEveryModelAndEverySampleOfAnOp) {
  std::vector<Graph> graphs;
  for (const ModelDef& def : all_models())
    graphs.push_back(make_model(def.example, input_for(def.name)).take());
  for (const OpDef* op : all_ops())
    if (op->samples != nullptr)
      for (Sample& sample : op->samples()) graphs.push_back(std::move(sample.graph));
  EXPECT_GT(graphs.size(), 20u);
  for (const Graph& graph : graphs) {
    const std::string text = graph_to_json(graph);
    const auto again = graph_from_json(text);
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(graph_to_json(*again), text);
    EXPECT_EQ(again->nodes().size(), graph.nodes().size());
    Graph before = graph, after = *again;
    const auto gradients = build_gradients(after);
    ASSERT_TRUE(gradients.ok()) << gradients.status().message();
    ASSERT_TRUE(build_gradients(before).ok());
    EXPECT_EQ(after.nodes().size(), before.nodes().size()) << "a run goes on from a graph that was read";
    for (const Value& value : graph.values()) {
      const ValueId id = again->find(value.name);
      ASSERT_NE(id, kNoValue) << value.name;
      EXPECT_EQ(again->value(id).shape, value.shape) << value.name;
      EXPECT_EQ(again->value(id).kind, value.kind) << value.name;
      EXPECT_EQ(again->value(id).fan_in, value.fan_in) << value.name;
      EXPECT_EQ(again->value(id).init, value.init) << value.name;
    }
  }
}

// The text with one piece replaced, and the sentence with which it is refused.
std::string refused_with(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  const auto graph = graph_from_json(text.replace(at, from.size(), to));
  return graph.ok() ? "accepted" : graph.status().message();
}

TEST(GraphJson, RefusesWhatContradictsItself) {
  const std::string text = graph_to_json(*make_model("mlp:784-300-10", kDigits));
  const auto says = [&](const std::string& from, const std::string& to, const std::string& sentence) {
    const std::string refusal_text = refused_with(text, from, to);
    EXPECT_NE(refusal_text.find(sentence), std::string::npos) << from << " -> " << to << ": " << refusal_text;
  };
  says("\"op\":\"relu\"", "\"op\":\"rehu\"", "no op 'rehu'");
  says("{\"version\":1", "{\"version\":2", "format version 2");
  says("\"sizes\":[300,784]", "\"sizes\":[300,783]", "linear 'fc1'");
  says("\"outputs\":[{\"axes\":\"f\",\"sizes\":[300]}]", "\"outputs\":[{\"axes\":\"f\",\"sizes\":[301]}]",
       "linear 'fc1'");
  says("\"inputs\":[\"fc1\"]", "\"inputs\":[\"fc9\"]", "reads 'fc9'");
  says("\"sizes\":[300,784]", "\"sizes\":[2147483648,2147483648]", "larger than 2^40");
  says("\"sizes\":[300,784]", "\"sizes\":[300,-784]", "should be a list of integers");
  says("\"role\":\"bias\"", "\"role\":\"bais\"", "none of weight, bias, scale");
  says("\"name\":\"fc1.bias\"", "\"name\":\"fc1.weight\"", "used twice");
  says("\"logits\":\"fc2\"", "\"logits\":\"fc7\"", "no value 'fc7'");
  says("\"loss\":\"loss\"", "\"loss\":\"loss\",\"loss\":\"loss\"", "the key 'loss' twice");
  says("\"parameters\":[",
       "\"parameters\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],",
       "deeper than");
}

// What a person writes: the rest follows.
constexpr char kByHand[] = R"({
 "version": 1,
 "inputs": [{"name": "x", "axes": "f", "sizes": [784]}, {"name": "label", "axes": "", "sizes": [], "integer": true}],
 "parameters": [
  {"name": "a.weight", "axes": "oi", "sizes": [20, 784]}, {"name": "a.bias", "axes": "f", "sizes": [20]},
  {"name": "b.weight", "axes": "oi", "sizes": [10, 20], "frozen": true}],
 "nodes": [
  {"op": "linear", "name": "a", "inputs": ["x", "a.weight", "a.bias"]},
  {"op": "relu", "name": "r", "inputs": ["a"]},
  {"op": "linear", "name": "b", "inputs": ["r", "b.weight"]},
  {"op": "softmax_cross_entropy", "name": "loss", "inputs": ["b", "label"]}],
 "input": "x", "target": "label", "logits": "b", "loss": "loss"})";

TEST(GraphJson, FillsInWhatFollows) {
  const auto graph = graph_from_json(kByHand);
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  const Value& weight = graph->value(graph->find("a.weight"));
  EXPECT_EQ(weight.role, ParamRole::kWeight);
  EXPECT_EQ(weight.init, Init::kKaimingUniform);
  EXPECT_EQ(weight.fan_in, 784);
  EXPECT_FALSE(weight.frozen);
  EXPECT_TRUE(graph->value(graph->find("b.weight")).frozen);
  EXPECT_EQ(graph->value(graph->find("a.bias")).role, ParamRole::kBias);
  // The text for people says the same as the one of checkpoints.
  EXPECT_EQ(graph_to_json(*graph_from_json(graph_to_lines(*graph))), graph_to_json(*graph));
  EXPECT_NE(refused_with(kByHand, "\"frozen\"", "\"frozn\"")
                .find("graph.parameters[2].frozn: is no key here; there are name, axes"),
            std::string::npos);
}

TEST(Models, LearnAnyTaskByItsLoss) {
  for (const auto& [task, loss] : {std::pair(Task::kClasses, "softmax_cross_entropy"),
                                   {Task::kLabels, "binary_cross_entropy"},
                                   {Task::kRegression, "mean_squared_error"}})
    for (const ModelInput& shape : {ModelInput{1, 28, 28, 3}, ModelInput{3, 32, 32, 3}}) {
      ModelInput input = shape;
      input.task = task;
      for (const char* spec : {"lenet5", "resnet8", input.channels == 1 ? "mlp:784-20-3" : "mlp:3072-20-3"}) {
        const auto graph = make_model(spec, input);
        ASSERT_TRUE(graph.ok()) << graph.status().message();
        EXPECT_EQ(graph->nodes().back().op->name, std::string(loss)) << spec;
        EXPECT_EQ(graph->value(graph->target).integer, task == Task::kClasses) << spec;
      }
    }
}

TEST(GraphFile, RefusesWhatDoesNotFitTheData) {
  const testing::TempDir folder;
  const std::string path = folder.write("net.json", kByHand);
  ModelInput input = kDigits;
  EXPECT_TRUE(is_graph_file(path));
  EXPECT_TRUE(read_graph(Env::system(), path, input).ok()) << "an image may be read as a flat vector";
  const auto refusal = [&](const ModelInput& data) {
    return read_graph(Env::system(), path, data).status().message();
  };
  input.height = 27;
  EXPECT_EQ(refusal(input),
            path + ": input 'x' is f=784, a sample of the data is c=1 h=27 w=28, or flat f=756");
  input = kDigits;
  input.outputs = 3;
  EXPECT_EQ(refusal(input), path + ": logits 'b' are f=10, the data has 3 classes");
  input = kDigits;
  input.task = Task::kLabels;
  EXPECT_EQ(refusal(input), path + ": target 'label' is a class label, the data has 10 labels");
  input.task = Task::kRegression;
  const std::string labels =
      folder.write("labels.json", graph_to_json(*make_model("mlp:784-10", {1, 28, 28, 10, Task::kLabels})));
  EXPECT_EQ(read_graph(Env::system(), labels, input).status().message(),
            labels +
                ": loss 'loss' is binary_cross_entropy, the data has 10 quantities; that is learnt by "
                "mean_squared_error");
  input.task = Task::kLabels;
  EXPECT_TRUE(read_graph(Env::system(), labels, input).ok());
  input = kDigits;
  input.label_smoothing = 0.1;
  EXPECT_NE(refusal(input).find("belongs to named models"), std::string::npos);
}

TEST(GraphJson, RefusesAttributesOfTheWrongType) {
  const std::string text = graph_to_json(*make_model("life:1,2", kBoard));
  for (const char* wrong : {"\"one\"", "null", "1.5", "[1]"})
    EXPECT_NE(
        refused_with(text, "\"stride\":1", "\"stride\":" + std::string(wrong)).find("should be an integer"),
        std::string::npos)
        << wrong;
  EXPECT_NE(refused_with(text, "\"stride\":1", "\"stride\":0"), "accepted");
  EXPECT_NE(refused_with(text, "\"groups\":1", "\"groups\":0"), "accepted");
  EXPECT_NE(refused_with(text, "\"dilation\":1", "\"dilation\":-5"), "accepted");
}

TEST(GraphJson, TakesAnIntegerForARealNumber) {
  const std::string text = graph_to_json(*make_model("mlp:784-30-10", kDigits));
  EXPECT_EQ(refused_with(text, "\"smoothing\":0.0", "\"smoothing\":0"), "accepted");
  EXPECT_NE(refused_with(text, "\"smoothing\":0.0", "\"smoothing\":1").find("below 1"), std::string::npos);
  EXPECT_NE(refused_with(text, "\"smoothing\":0.0", "\"smoothing\":\"\"").find("should be a number"),
            std::string::npos);
}

TEST(GraphJson, RefusesATextThatWasCutAnywhere) {
  const std::string text = graph_to_json(*make_model("mlp:784-30-10", kDigits));
  for (size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(graph_from_json(text.substr(0, length)).ok()) << length;
}

TEST(Json, ChecksRangesOfNumbers) {
  const auto json = parse_json("test", R"({"big":18446744073709551615,"real":1.5,"small":-3,"text":"x"})");
  ASSERT_TRUE(json.ok());
  const auto object = JsonObject::of(*json, "test");
  ASSERT_TRUE(object.ok());
  EXPECT_FALSE(object->integer("big", 0, INT64_MAX).ok());
  EXPECT_FALSE(object->integer("real", 0, 10).ok());
  EXPECT_FALSE(object->integer("small", 0, 10).ok());
  EXPECT_EQ(*object->integer("small", -3, 10), -3);
  EXPECT_EQ(object->integer("text", 0, 1).status().message(), "test.text: should be an integer from 0 to 1");
  EXPECT_EQ(object->text("none").status().message(), "test.none: is missing; it should be a text");
}

}  // namespace
}  // namespace coppice
