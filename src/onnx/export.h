// SPDX-License-Identifier: Apache-2.0
// A network as an ONNX file for other programs: IR 8, opset 17, ops of ai.onnx only, and an open number of
// samples. docs/export.md lists what becomes of each op.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataset/dataset.h"
#include "exec/network.h"

namespace coppice {

inline constexpr int64_t kExportIr = 8, kExportOpset = 17;

enum class ByteKind { kSigned, kUnsigned };  // the latter are the former plus 128

struct ExportOptions {
  bool probabilities = false;  // with the softmax or sigmoid that the loss holds
  // Put in front of the network: its input is then v / 255 of a byte v, or a number as it comes.
  std::optional<Normalisation> normalisation = {};
  std::map<std::string, std::string> metadata = {};  // said in the file, by key
  // Of a network with a fake_quantise behind what it stores: those values as such bytes, and the weights and
  // biases of layers that read them as integers too, so that other programs compute in integers.
  std::optional<ByteKind> integers = {};
};

struct ExportedNetwork {
  std::string bytes;  // of the file
  // Of the values "input" and "output", without the samples.
  std::vector<int64_t> input_sizes, output_sizes;
  std::map<std::string, int64_t> ops;  // of ONNX: how many nodes there are of each
};

// What the loss does to the outputs before it compares them: "softmax", "sigmoid" or "".
std::string ending_of(const Graph& graph);

// Parameters keep their names and get their zeros back. Whatever cannot be said in ONNX is refused in one
// sentence, all of it: op, node and reason.
Result<ExportedNetwork> export_onnx(const Network& network, const ExportOptions& options = {});

}  // namespace coppice
