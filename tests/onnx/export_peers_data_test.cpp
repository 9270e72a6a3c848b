// SPDX-License-Identifier: Apache-2.0
// A network from elsewhere, there and back: ONNX Runtime says of the file that we write what it said of the
// file that we read.
#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <vector>

#include "io/npy.h"
#include "onnx/export.h"
#include "onnx/import.h"
#include "support/data_dir.h"
#include "support/lively.h"
#include "support/onnx_peers.h"

namespace coppice {
namespace {

std::vector<float> floats_of(const std::string& path) {
  const auto array = read_npy(Env::system(), path);
  EXPECT_TRUE(array.ok()) << array.status().message();
  return array.ok() ? array->values<float>().take() : std::vector<float>();
}

TEST(ExportPeersData, Resnet20SaysWhatItSaid) {
  const std::string folder = "models/resnet20-cifar10/";
  NEEDS_DATA(folder + "resnet20_bn_op17.onnx");
  const std::string path = join_path(testing::data_dir(), folder);
  const auto imported = import_onnx_file(Env::system(), path + "resnet20_bn_op17.onnx");
  ASSERT_TRUE(imported.ok()) << imported.status().message();
  const auto file = export_onnx(imported->network);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const std::vector<float> input = floats_of(path + "input.npy"), wanted = floats_of(path + "output.npy");
  testing::OnnxPeers peers;
  peers.add(file->bytes, file->input_sizes, input, static_cast<int>(input.size() / (3 * 32 * 32)));
  const int checked = peers.check();
  NEEDS_PEER(peers.run(), "onnxruntime-node");
  testing::expect_close(wanted, peers.answer(0), 1e-4);
  NEEDS_PEER(checked, "python3-onnx");
}

// ONNX Runtime runs both files: depthwise convolutions, uneven pads, windows of all kinds, softmax and none.
TEST(ExportPeersData, OthersSayTheSameAsTheirFiles) {
  constexpr const char* kFiles[] = {"edge-cases/dwsep-relu6/dwsep-relu6_bn_op17.onnx",
                                    "edge-cases/lenet5/lenet5_op17.onnx",
                                    "edge-cases/mlp-batchnorm1d/mlp-batchnorm1d_bn_op17.onnx",
                                    "edge-cases/resblock-gap/resblock-gap_bn_op17.onnx",
                                    "mlperf-ad-autoencoder/mlperf-ad-autoencoder.onnx",
                                    "mlperf-ic-resnet8/mlperf-ic-resnet8.onnx",
                                    "mlperf-kws-dscnn/mlperf-kws-dscnn.onnx",
                                    "mlperf-vww-mobilenetv1/mlperf-vww-mobilenetv1.onnx"};
  testing::OnnxPeers peers;
  for (const char* name : kFiles) {
    SCOPED_TRACE(name);
    const std::string file = std::string("models/") + name;
    NEEDS_DATA(file);
    const auto bytes = read_all(Env::system(), join_path(testing::data_dir(), file), 1 << 30);
    ASSERT_TRUE(bytes.ok()) << bytes.status().message();
    const auto imported = import_onnx(*bytes);
    ASSERT_TRUE(imported.ok()) << imported.status().message();
    const auto written = export_onnx(imported->network, {.probabilities = !imported->ending.empty()});
    ASSERT_TRUE(written.ok()) << written.status().message();
    // Some of the files take one sample only.
    const std::vector<float> input = testing::random_input(imported->network.graph, 1);
    peers.add(*bytes, imported->input_sizes, input, 1);
    peers.add(written->bytes, imported->input_sizes, input, 1);
  }
  NEEDS_PEER(peers.run(), "onnxruntime-node");
  for (size_t i = 0; i < std::size(kFiles); ++i) {
    SCOPED_TRACE(kFiles[i]);
    testing::expect_close(peers.answer(2 * i), peers.answer(2 * i + 1), 1e-4);
  }
}

}  // namespace
}  // namespace coppice
