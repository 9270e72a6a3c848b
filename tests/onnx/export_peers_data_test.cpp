// SPDX-License-Identifier: Apache-2.0
// A network from elsewhere, there and back: ONNX Runtime says of the file that we write what it said of the
// file that we read.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace coppice
