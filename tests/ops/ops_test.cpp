// SPDX-License-Identifier: Apache-2.0
// Walks the table of ops: gradients against finite differences in double, float kernels against double, and
// what must not change the bits: threads, padding, how work is cut.
#include "ops/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <sstream>

#include "exec/executor.h"
#include "exec/oracle.h"
#include "graph/grad.h"
#include "models/graph_json.h"
#include "ops/build.h"
#include "support/batch.h"

namespace coppice {
namespace {

struct Case {
  std::string op, sample, block;
  double density;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const OpDef* op : all_ops()) {
    if (!op->samples) continue;
    for (const Sample& sample : op->samples())
      for (const char* block : {"1x1", "4x1", "16x1", "16x4"})
        for (const double density : {1.0, 0.4}) out.push_back({op->name, sample.name, block, density});
  }
  return out;
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.op + "_" + info.param.sample + "_" + info.param.block + "_" +
                     (info.param.density == 1.0 ? "dense" : "sparse");
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

class OpTest : public testing::TestWithParam<Case> {
 protected:
  Graph graph() const {
    for (Sample& sample : find_op(GetParam().op)->samples())
      if (sample.name == GetParam().sample) return std::move(sample.graph);
    return {};
  }
  Network network() const {
    SparsityConfig sparsity;
    sparsity.density = GetParam().density;
    sparsity.distribution = Distribution::kUniform;
    sparsity.block = BlockShape::parse(GetParam().block).take();
    Network net = Network::create(graph(), sparsity, 7).take();
    // Biases away from 0: an output without live weights would sit on the kink of relu.
    Rng rng(7, stream_id("test", "bias"));
    for (Param& param : net.params)
      if (!param.is_weight())
        for (float& b : param.value) b = 0.3f * rng.normal();
    return net;
  }
};

// Gradient nodes, in double, against (loss(w + h) - loss(w - h)) / 2h for every live weight of small tensors.
TEST_P(OpTest, GradientsEqualFiniteDifferences) {
  Network net = network();
  Graph with_gradients = net.graph;
  const std::vector<ValueId> gradients = build_gradients(with_gradients).take();
  ASSERT_TRUE(verify(with_gradients).ok());
  ExecOptions options;
  options.batch = 5;
  auto executor = Executor::create(net, options).take();
  OracleRun run = random_batch(net.graph, *executor, 5, 3, 0.0f, true).oracle;
  run.smooth = true;
  const std::vector<ReferenceArray> values = run_oracle(with_gradients, net, run).take();
  for (size_t v = 0; v < net.graph.values().size(); ++v) {
    const Value& value = net.graph.values()[v];
    if (value.kind != ValueKind::kParam) continue;
    ASSERT_NE(gradients[v], kNoValue) << value.name;
    const std::vector<double>& gradient = values[static_cast<size_t>(gradients[v])].data;
    const std::vector<double> base = values[v].data;
    for (size_t i = 0; i < base.size(); i += 1 + base.size() / (base.size() > 10000 ? 3 : 40)) {
      const double h = 1e-6;
      double loss[2];
      for (const int side : {0, 1}) {
        run.replace[value.name] = base;
        run.replace[value.name][i] += side ? h : -h;
        loss[side] = oracle_loss(net.graph, run_oracle(net.graph, net, run).take());
      }
      run.replace.clear();
      EXPECT_NEAR(gradient[i], (loss[1] - loss[0]) / (2 * h), 1e-7) << value.name << " [" << i << "]";
    }
  }
}

// By name of the weight, [rows][cols]; NaN where nobody wrote.
std::map<std::string, std::vector<float>> dense_gradients(Executor& executor, const BatchView& batch) {
  std::map<std::string, std::vector<float>> out;
  const Result<double> loss =
      executor.dense_gradients(batch, {}, [&out](const DenseGradientBlock& block) {  // on one thread
        std::vector<float>& all = out[block.param.name()];
        all.resize(static_cast<size_t>(block.param.total()), std::numeric_limits<float>::quiet_NaN());
        for (int64_t row = 0; row < block.rows; ++row)
          for (int64_t col = 0; col < block.cols; ++col)
            all[static_cast<size_t>((block.first_row + row) * block.cols + col)] = block.at(row, col);
      });
  EXPECT_TRUE(loss.ok());
  return out;
}

// One step with stored gradients, float kernels of every instruction set against the oracle.
TEST_P(OpTest, FloatEqualsDouble) {
  for (const char* isa : {"c", "avx2", "avx512", "neon"}) {
    for (const int samples : {1, 21, 70}) {
      Network net = network();
      ExecOptions options;
      options.batch = samples;
      options.isa = isa;
      options.keep_gradients = true;
      options.optimizer.momentum = 0;
      options.dense_gradients_of = [](const Param& param) { return param.is_weight(); };
      auto created = Executor::create(net, options);
      if (!created.ok()) break;  // this machine lacks the instruction set; "c" always runs
      auto& executor = **created;
      Graph with_gradients = net.graph;
      const std::vector<ValueId> gradients = build_gradients(with_gradients).take();
      TestBatch batch = random_batch(net.graph, executor, samples, 3, 1e3f, samples > 21);
      const std::vector<ReferenceArray> truth = run_oracle(with_gradients, net, batch.oracle).take();
      StepState state;
      const Result<double> loss = executor.train_step({&batch.view, 1}, state);
      ASSERT_TRUE(loss.ok()) << loss.status().message();
      EXPECT_NEAR(*loss, oracle_loss(net.graph, truth), 1e-4 * (1 + std::abs(*loss)));
      const auto logits = static_cast<size_t>(net.graph.logits);
      const std::vector<float> out =
          untile(executor.view(net.graph.logits), truth[logits].shape.elements(), samples);
      for (size_t i = 0; i < out.size(); ++i)
        ASSERT_NEAR(out[i], truth[logits].data[i], 2e-4) << isa << " logit " << i;
      for (size_t v = 0; v < net.graph.values().size(); ++v) {
        const Value& value = net.graph.values()[v];
        if (value.kind != ValueKind::kParam) continue;
        Param& param = *net.find(value.name);
        const std::vector<double> got = dense_values(param, param.gradient);
        const std::vector<double>& want = truth[static_cast<size_t>(gradients[v])].data;
        Floats ones;
        param.ensure(ones);
        for (float& one : ones) one = 1.0f;
        const std::vector<double> live = dense_values(param, ones);
        for (size_t i = 0; i < got.size(); ++i)
          ASSERT_NEAR(got[i], live[i] * want[i], 2e-4)
              << isa << " " << samples << " d " << value.name << " [" << i << "]";
      }
      for (const auto& [name, got] : dense_gradients(executor, batch.view)) {
        const std::vector<double>& want =
            truth[static_cast<size_t>(gradients[static_cast<size_t>(net.graph.find(name))])].data;
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < got.size(); ++i)
          ASSERT_NEAR(got[i], want[i], 2e-4)
              << isa << " " << samples << " dense d " << name << " [" << i << "]";
      }
    }
  }
}

std::vector<std::vector<float>> trained(Network net, int threads, float poison, bool stored) {
  ExecOptions options;
  options.batch = 65;
  options.threads = threads;
  options.keep_gradients = stored;
  options.optimizer.kind = OptimizerKind::kAdam;
  auto executor = Executor::create(net, options).take();
  StepState state;
  state.learning_rate = 1e-2;
  for (state.step = 0; state.step < 4; ++state.step) {
    TestBatch batch = random_batch(net.graph, *executor, state.step == 2 ? 9 : 65,
                                   static_cast<uint64_t>(state.step), poison);
    EXPECT_TRUE(executor->train_step({&batch.view, 1}, state).ok());
  }
  std::vector<std::vector<float>> out;
  for (const Param& param : net.params) out.push_back(param.canonical(param.value));
  return out;
}

TEST_P(OpTest, NeitherThreadsNorPaddingNorStoredGradientsChangeTheBits) {
  const std::vector<std::vector<float>> one = trained(network(), 1, 0.0f, false);
  EXPECT_EQ(one, trained(network(), 2, 0.0f, false));
  EXPECT_EQ(one, trained(network(), 7, 0.0f, false));
  EXPECT_EQ(one, trained(network(), 2, 12345.0f, false));
  EXPECT_EQ(one, trained(network(), 2, 0.0f, true));
}

INSTANTIATE_TEST_SUITE_P(AllOps, OpTest, testing::ValuesIn(cases()), case_name);

TEST(Ops, EveryForwardOpHasASampleOrANamedReason) {
  for (const OpDef* op : all_ops())
    if (op->grad && !op->samples) {
      EXPECT_STREQ(op->name, "dropout") << "its numbers are random";
    }
}

TEST(Ops, EveryForwardOpHasARowInTheDocs) {
  std::ifstream file(COPPICE_SOURCE_DIR "/docs/graph.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  for (const OpDef* op : all_ops())
    if (op->grad) {
      EXPECT_NE(page.find("`" + std::string(op->name) + "`"), std::string::npos) << op->name;
    }
}

// The names between `backticks` in the row of an op in the docs, in the column of attributes. Defaults that
// are texts are "`quoted`" too.
std::set<std::string> documented_attributes(const std::string& op) {
  std::ifstream file(COPPICE_SOURCE_DIR "/docs/graph.md");
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> columns;
    std::istringstream row(line);
    for (std::string column; std::getline(row, column, '|');) columns.push_back(column);
    if (columns.size() < 5 || columns[1].find("`" + op + "`") == std::string::npos) continue;
    std::set<std::string> names;
    const std::string& text = columns[3];
    for (size_t at = text.find('`'); at != std::string::npos; at = text.find('`', at + 1)) {
      const size_t end = text.find('`', at + 1);
      if (std::isalpha(static_cast<unsigned char>(text[at + 1])))
        names.insert(text.substr(at + 1, end - at - 1));
      at = end;
    }
    return names;
  }
  ADD_FAILURE() << op << " has no row";
  return {};
}

TEST(Ops, KnowTheAttributesThatTheDocsAndTheirSamplesHave) {
  int attributes = 0;
  for (const OpDef* op : all_ops()) {
    std::set<std::string> known;
    for (const AttributeDef& def : op->attributes) known.insert(def.name);
    attributes += static_cast<int>(known.size());
    EXPECT_TRUE(op->grad || known.empty()) << op->name << ": no file may hold it";
    if (!op->grad) continue;
    EXPECT_EQ(known, documented_attributes(op->name)) << op->name;
    if (!op->samples) continue;
    for (const Sample& sample : op->samples()) {
      const std::string text = graph_to_json(sample.graph);
      const auto read = graph_from_json(text);
      ASSERT_TRUE(read.ok()) << op->name << ", " << sample.name << ": " << read.status().message();
      EXPECT_EQ(graph_to_json(*read), text) << op->name << ", " << sample.name;
    }
  }
  EXPECT_GT(attributes, 15);
}

// What a file with a node of these attributes, a text in JSON, is refused with.
std::string file_refusal(const std::string& op, const std::string& attributes) {
  const auto graph = graph_from_json(
      R"({"version":1,"inputs":[{"name":"x","axes":"chw","sizes":[3,4,4]},)"
      R"({"name":"t","axes":"","sizes":[],"integer":true}],"parameters":[)"
      R"({"name":"w","axes":"oihw","sizes":[3,3,1,1]},{"name":"s","axes":"c","sizes":[3]},)"
      R"({"name":"b","axes":"c","sizes":[3]}],"states":[{"name":"m","axes":"c","sizes":[3]},)"
      R"({"name":"v","axes":"c","sizes":[3]}],"nodes":[{"op":")" +
      op + R"(","name":"n","inputs":)" + (op == "batch_norm" ? R"(["x","s","b","m","v"])" : R"(["x","w"])") +
      R"(,"attributes":)" + attributes +
      R"(},{"op":"global_pool","name":"p","inputs":["n"]},)"
      R"({"op":"softmax_cross_entropy","name":"l","inputs":["p","t"]}],)"
      R"("input":"x","target":"t","logits":"p","loss":"l"})");
  return graph.ok() ? "accepted" : graph.status().message();
}

TEST(Ops, AFileCanGiveThemNoOtherAttributes) {
  EXPECT_EQ(file_refusal("conv2d", R"({"stride":2})"), "accepted");
  EXPECT_EQ(file_refusal("conv2d", R"({"strides":2})"),
            "conv2d 'n': 'strides' is no attribute of this op; did you mean 'stride'?");
  EXPECT_EQ(
      file_refusal("conv2d", R"({"padding":"same"})"),
      "conv2d 'n': graph.nodes[0].attributes.padding: should be an integer from -2147483648 to 2147483648");
  // Types are checked whether the rule of shapes reads them or not.
  EXPECT_EQ(file_refusal("batch_norm", R"({"momentum":1})"), "accepted");
  EXPECT_EQ(file_refusal("batch_norm", R"({"momentum":"0.1"})"),
            "batch_norm 'n': graph.nodes[0].attributes.momentum: should be a number");
  EXPECT_EQ(file_refusal("batch_norm", R"({"epsilon":null})"),
            "batch_norm 'n': graph.nodes[0].attributes.epsilon: should be a number");
  // What passes tell each other: gradients would know nothing of it.
  EXPECT_EQ(file_refusal("conv2d", R"({"activation":"relu"})"),
            "conv2d 'n': 'activation' is no attribute of this op; did you mean 'dilation'?");
  // One number for both axes, or a list.
  EXPECT_EQ(
      file_refusal("max_pool", R"({"kernel":[1,2.5]})"),
      "max_pool 'n': graph.nodes[0].attributes.kernel: should be a list of integers from -2147483648 to "
      "2147483648");
  EXPECT_EQ(file_refusal("global_pool", R"({"kernel":2})"),
            "global_pool 'n': 'kernel' is no attribute of this op, which has none");
  EXPECT_EQ(file_refusal("conv2d_dw", "{}"),
            "conv2d_dw 'n': belongs to gradients, which follow from the graph; leave it out");
}

TEST(Ops, AFileCannotAskForOutputsThatNoMemoryHolds) {
  EXPECT_EQ(
      file_refusal("conv2d", R"({"padding":1000000})"),
      "conv2d 'n': its output would be c=3 h=2000004 w=2000004; an axis has 1 to 2^31 numbers, a value 2^40");
}

// The sentence with which a node that reads x {c=3 h=4 w=5} is refused.
std::string refusal(const std::function<void(NetworkBuilder&, ValueId)>& add) {
  NetworkBuilder b;
  const ValueId x = b.input({"chw", {3, 4, 5}});
  b.class_target();
  add(b, x);
  const auto graph = b.finish();
  return graph.ok() ? "accepted" : graph.status().message();
}

TEST(Ops, RefuseWhatTheyCannotComputeWithASentence) {
  const auto says = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  const auto with = [](const char* op, const Attributes& attributes) {
    return refusal([&](NetworkBuilder& b, ValueId x) { b.apply(op, "node", {x}, attributes); });
  };
  says(with("gelu", {{"approximate", std::string("erf")}}), "gelu 'node': approximate is 'none' or 'tanh'");
  says(with("clip", {{"min", 1.0}, {"max", 0.0}}), "min is above max");
  says(with("max_pool", {{"kernel", std::vector<int64_t>{1, 2, 3}}}),
       "kernel is one number, or one for each of height and width");
  says(with("avg_pool", {{"padding", std::vector<int64_t>{1, 1, 1}}}), "top, left, bottom and right");
  says(with("avg_pool", {{"padding", std::vector<int64_t>{0, 2}}}), "less than the kernel");
  says(with("clip", {{"max", std::numeric_limits<double>::infinity()}}), "leave it out for no limit");
  says(with("clip", {{"min", std::numeric_limits<double>::quiet_NaN()}}), "min must be a finite number");
  says(with("elu", {{"alpha", std::numeric_limits<double>::infinity()}}), "alpha must be a finite");
  says(with("leaky_relu", {{"slope", std::numeric_limits<double>::quiet_NaN()}}), "slope must be a finite");
  says(refusal([](NetworkBuilder& b, ValueId x) { b.prelu("node", x, 4); }),
       "prelu 'node': has 4 slopes; give it 1, or 3 for an input of c=3 h=4 w=5");
  says(refusal([](NetworkBuilder& b, ValueId x) {
         const ValueId scale = b.parameter("scale", {"c", {3}}, ParamRole::kScale, Init::kOne, 1);
         b.apply("layer_norm", "node", {x, scale, scale});
       }),
       "layer_norm 'node': 'scale' is c=3, it needs a number for each of c=3 h=4 w=5");
  says(refusal([](NetworkBuilder& b, ValueId x) {
         b.apply("mul", "node", {x, b.apply("global_pool", "pool", {x})});
       }),
       "its inputs must have one shape");
}

}  // namespace
}  // namespace coppice
