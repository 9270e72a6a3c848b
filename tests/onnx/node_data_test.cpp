// SPDX-License-Identifier: Apache-2.0
// ONNX's own tests of single ops, from Debian's package libonnx-testdata: those of the ops that the importer
// knows answer as ONNX says, or are refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "onnx/importer.h"
#include "support/answers.h"
#include "support/data_dir.h"
#include "support/ending.h"
#include "support/onnx_bytes.h"

namespace coppice {
namespace {

// That answer, without "test_" before them.
constexpr const char* kAnswered[] = {"averagepool_1d_default",
                                     "averagepool_2d_ceil",
                                     "averagepool_2d_default",
                                     "averagepool_2d_pads",
                                     "averagepool_2d_pads_count_include_pad",
                                     "averagepool_2d_precomputed_pads",
                                     "averagepool_2d_precomputed_pads_count_include_pad",
                                     "averagepool_2d_precomputed_same_upper",
                                     "averagepool_2d_precomputed_strides",
                                     "averagepool_2d_same_lower",
                                     "averagepool_2d_same_upper",
                                     "averagepool_2d_strides",
                                     "basic_conv_with_padding",
                                     "basic_conv_without_padding",
                                     "batchnorm_epsilon",
                                     "batchnorm_example",
                                     "cast_DOUBLE_to_FLOAT",
                                     "cast_DOUBLE_to_FLOAT16",
                                     "cast_FLOAT16_to_DOUBLE",
                                     "cast_FLOAT16_to_FLOAT",
                                     "cast_FLOAT_to_DOUBLE",
                                     "cast_FLOAT_to_FLOAT16",
                                     "castlike_DOUBLE_to_FLOAT16_expanded",
                                     "castlike_DOUBLE_to_FLOAT_expanded",
                                     "castlike_FLOAT16_to_DOUBLE_expanded",
                                     "castlike_FLOAT16_to_FLOAT_expanded",
                                     "castlike_FLOAT_to_DOUBLE_expanded",
                                     "castlike_FLOAT_to_FLOAT16_expanded",
                                     "clip",
                                     "clip_default_max",
                                     "clip_default_min",
                                     "conv_with_autopad_same",
                                     "conv_with_strides_and_asymmetric_padding",
                                     "conv_with_strides_no_padding",
                                     "conv_with_strides_padding",
                                     "dropout_default",
                                     "dropout_default_mask",
                                     "dropout_default_mask_ratio",
                                     "dropout_default_ratio",
                                     "dropout_random_old",
                                     "elu",
                                     "elu_default",
                                     "flatten_axis1",
                                     "flatten_default_axis",
                                     "flatten_negative_axis3",
                                     "gemm_alpha",
                                     "gemm_beta",
                                     "gemm_default_no_bias",
                                     "gemm_default_scalar_bias",
                                     "gemm_default_single_elem_vector_bias",
                                     "gemm_default_vector_bias",
                                     "gemm_default_zero_bias",
                                     "gemm_transposeB",
                                     "globalaveragepool",
                                     "globalaveragepool_precomputed",
                                     "hardswish",
                                     "hardswish_expanded",
                                     "identity",
                                     "layer_normalization_2d_axis1",
                                     "layer_normalization_2d_axis_negative_1",
                                     "layer_normalization_3d_axis1_epsilon",
                                     "layer_normalization_3d_axis_negative_2_epsilon",
                                     "layer_normalization_4d_axis1",
                                     "layer_normalization_4d_axis_negative_3",
                                     "leakyrelu",
                                     "leakyrelu_default",
                                     "logsoftmax_example_1",
                                     "logsoftmax_large_number",
                                     "matmul_2d",
                                     "maxpool_1d_default",
                                     "maxpool_2d_ceil",
                                     "maxpool_2d_default",
                                     "maxpool_2d_pads",
                                     "maxpool_2d_precomputed_pads",
                                     "maxpool_2d_precomputed_same_upper",
                                     "maxpool_2d_precomputed_strides",
                                     "maxpool_2d_same_lower",
                                     "maxpool_2d_same_upper",
                                     "maxpool_2d_strides",
                                     "maxpool_with_argmax_2d_precomputed_pads",
                                     "maxpool_with_argmax_2d_precomputed_strides",
                                     "relu",
                                     "sigmoid",
                                     "slice_end_out_of_bounds",
                                     "slice_neg",
                                     "softmax_example",
                                     "softmax_large_number",
                                     "squeeze_negative_axes",
                                     "tanh",
                                     "transpose_all_permutations_0",
                                     "unsqueeze_axis_1",
                                     "unsqueeze_axis_2",
                                     "unsqueeze_axis_3",
                                     "unsqueeze_negative_axes",
                                     "unsqueeze_three_axes",
                                     "unsqueeze_two_axes",
                                     "unsqueeze_unsorted_axes"};

// Why the others are refused, and how many of them. The first that fits counts.
struct Reason {
  const char* why;
  int tests;
};
constexpr Reason kRefused[] = {{"has 1 dimensions", 29},
                               {"has 5 dimensions", 2},
                               {"is of UINT8", 9},
                               {"is of UINT16", 2},
                               {"is of UINT32", 2},
                               {"is of UINT64", 2},
                               {"is of INT8", 5},
                               {"is of INT16", 2},
                               {"is of INT32", 4},
                               {"is of INT64", 2},
                               {"is of BFLOAT16", 2},
                               {"is of STRING", 2},
                               {"is of no type", 1},
                               {"into segments", 1},
                               {"Add -> 'sum': has a constant of", 2},
                               {"BatchNormalization -> 'y': takes the mean of the batch", 2},
                               {"Cast -> 'output': casts samples to STRING", 2},
                               {"Concat -> 'output': input 'value1' is a constant", 4},
                               {"Concat -> 'output': joins along axis", 6},
                               {"Div -> 'z': has a constant of", 2},
                               {"Flatten -> 'b': joins samples", 6},
                               {"Gemm -> 'y': transposes its samples", 2},
                               {"Gemm -> 'y': has a constant of 3 x 4", 1},
                               {"HardSigmoid -> 'y': has alpha", 2},
                               {"LayerNormalization -> 'Y': normalises a part", 13},
                               {"LogSoftmax -> 'y': goes along", 2},
                               {"LogSoftmax -> 'y': is of 4 x 5", 3},
                               {"MatMul -> 'c': takes", 2},
                               {"MaxPool -> 'y': has dilations", 1},
                               {"Mul -> 'z': has a constant of", 2},
                               {"PRelu -> 'y': has a constant", 2},
                               {"Pad -> 'y': pads with something else", 1},
                               {"QuantizeLinear -> 'y': has a scale of 3", 1},
                               {"ReduceMean -> 'reduced': takes the mean of other axes", 8},
                               {"Reshape -> 'reshaped': joins samples", 10},
                               {"Slice -> 'y': works along the samples", 5},
                               {"Slice -> 'y': leaves nothing", 1},
                               {"Softmax -> 'y': goes along", 2},
                               {"Softmax -> 'y': is of 4 x 5", 3},
                               {"Squeeze -> 'y': works along", 1},
                               {"Sub -> 'z': has a constant of", 2},
                               {"Transpose -> 'transposed': moves the axis", 5},
                               {"Transpose -> 'transposed': puts the numbers", 1},
                               {"Unsqueeze -> 'y': works along", 1},
                               {"tensors that are not read", 2}};

constexpr char kFolder[] = "/usr/share/libonnx-testdata/data/node";

std::string bytes_of(const std::string& path) {
  auto bytes = read_all(Env::system(), path, uint64_t{1} << 26);
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  return bytes.ok() ? bytes.take() : "";
}

// A test: the model, and tensors as files of their own, which are initializers of a model here so that they
// are read by the same reader.
struct NodeTest {
  explicit NodeTest(const std::string& folder) : model_bytes(bytes_of(folder + "/model.onnx")) {
    ProtoWriter graph;
    const std::string data = folder + "/test_data_set_0/";
    for (const char* kind : {"input_", "output_"})
      for (int i = 0; Env::system().exists(data + kind + std::to_string(i) + ".pb"); ++i) {
        graph.bytes(5, bytes_of(data + kind + std::to_string(i) + ".pb"));
        ++(kind[0] == 'i' ? inputs : outputs);
      }
    tensor_bytes = ProtoWriter()
                       .integer(1, 8)
                       .message(7, graph)
                       .message(8, ProtoWriter().bytes(1, "").integer(2, 17))
                       .out();
  }
  std::string model_bytes, tensor_bytes;
  size_t inputs = 0, outputs = 0;
};

// The model, by the rules of opset 7 where it is older: ops that are read and were older did not change.
Result<onnx::Model> model_of(NodeTest& test) {
  auto model = onnx::parse_model(test.model_bytes);
  if (model.ok() || model.status().message().find("has opset ") != 0) return model;
  test.model_bytes += ProtoWriter().message(8, ProtoWriter().bytes(1, "").integer(2, 7)).out();
  return onnx::parse_model(test.model_bytes);
}

constexpr char kWrong[] = "WRONG: ";
// False where an op is not read. `said` is empty where it answers as it should, else how it does not, or the
// sentence with which it is refused.
bool try_node(NodeTest& test, std::string* said) {
  auto model = model_of(test);
  if (!model.ok()) {
    *said = model.status().message();
    return true;
  }
  for (const onnx::Node& node : model->nodes)
    if (onnx::find_op_row(node.op) == nullptr) return false;
  auto tensors = onnx::parse_model(test.tensor_bytes);
  if (!tensors.ok() || test.inputs == 0 || test.inputs > model->inputs.size() || test.outputs == 0) {
    *said = tensors.ok() ? "has no inputs that are tensors" : tensors.status().message();
    return true;
  }
  // The first input is the activation; what else goes in is known beforehand, as weights are.
  for (size_t i = 1; i < test.inputs; ++i) {
    tensors->initializers[i].name = model->inputs[i].name;
    model->initializers.push_back(tensors->initializers[i]);
  }
  // Its only node would often be nothing here, and a network of nothing is refused: a LeakyRelu that leaves
  // every number as it is comes before.
  if (!model->inputs.empty()) {
    onnx::Node same;
    same.op = "LeakyRelu";
    same.inputs = {"before " + model->inputs[0].name};
    same.outputs = {model->inputs[0].name};
    same.attributes["alpha"].kind = onnx::Attribute::Kind::kReal;
    same.attributes["alpha"].real = 1;
    model->inputs[0].name = same.inputs[0];
    model->nodes.push_back(same);
  }
  // Statistics, masks and indices, which are for training.
  model->outputs.resize(1);
  const auto x = onnx::decode(tensors->initializers[0]),
             wanted = onnx::decode(tensors->initializers[test.inputs]);
  auto imported = onnx::Importer(model.take(), {}, test.model_bytes.size()).run();
  if (!imported.ok() || !x.ok() || !wanted.ok()) {
    *said = !imported.ok() ? imported.status().message() : "has tensors that are not read";
    return true;
  }
  const auto samples = static_cast<int>(x->dims[0]);
  std::vector<float> got = testing::answers(imported->network, x->all_reals(), samples);
  const std::vector<float> want = wanted->all_reals();
  if (got.size() != want.size()) {
    *said = kWrong + std::to_string(got.size()) + " numbers, not " + std::to_string(want.size());
    return true;
  }
  testing::finish(imported->ending, got, got.size() / static_cast<size_t>(samples));
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(got[i] - want[i])) /
                                std::max(1.0, std::fabs(static_cast<double>(want[i]))));
  // Floats of 16 bits have 32 here.
  const auto type = static_cast<onnx::Type>(tensors->initializers[test.inputs].type);
  const double close = type == onnx::Type::kFloat16 ? 5e-4 : 1e-5;
  *said = worst <= close ? "" : kWrong + std::string("off by ") + shortest(worst);
  return true;
}

TEST(OnnxNodes, AnswerAsOnnxSaysOrAreRefused) {
  if (!std::filesystem::exists(kFolder)) {
    if (testing::data_required()) FAIL() << kFolder << " is missing, COPPICE_REQUIRE_DATA=1";
    GTEST_SKIP() << kFolder << " is missing; it is in the package libonnx-testdata (scripts/setup --dev)";
  }
  std::set<std::string> passed;
  std::map<std::string, std::string> refused;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    std::string said;
    const std::string name = entry.path().filename().string();
    NodeTest test(entry.path().string());
    // A dropout never drops when a network answers, whatever the file says.
    if (name.starts_with("test_training_dropout") || !try_node(test, &said)) continue;
    EXPECT_NE(said.find(kWrong), 0U) << name << ": " << said;
    if (said.empty())
      passed.insert(name);
    else if (said.find(kWrong) != 0)
      refused[name] = said;
  }
  std::set<std::string> wanted;
  for (const char* name : kAnswered) wanted.insert(std::string("test_") + name);
  EXPECT_EQ(passed, wanted);
  std::vector<int> tests(std::size(kRefused), 0);
  for (const auto& [name, why] : refused) {
    const auto* const reason = std::find_if(
        std::begin(kRefused), std::end(kRefused),
        [&sentence = why](const Reason& r) { return sentence.find(r.why) != std::string::npos; });
    if (reason == std::end(kRefused))
      ADD_FAILURE() << name << ": " << why;
    else
      ++tests[static_cast<size_t>(reason - std::begin(kRefused))];
  }
  for (size_t i = 0; i < tests.size(); ++i) EXPECT_EQ(tests[i], kRefused[i].tests) << kRefused[i].why;
}

}  // namespace
}  // namespace coppice
