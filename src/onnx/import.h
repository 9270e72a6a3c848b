// SPDX-License-Identifier: Apache-2.0
// A trained network from an ONNX file, as PyTorch's and Keras' exporters write MLPs and CNNs. docs/import.md
// lists the ops.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "dataset/task.h"
#include "exec/network.h"

namespace coppice {

struct ImportOptions {
  std::optional<Task> task;  // what its outputs mean; empty: as they look
  // Tensors may lie in files in the directory of the model, or below it (import_onnx_file only).
  bool external_data = false;
};

struct ImportedNetwork {
  Network network;  // dense, with the loss of the task
  Task task = Task::kClasses;
  std::string producer;  // of the file, as it says
  int64_t ir = 0, opset = 0;
  // Their names in the file, and their sizes without the samples.
  std::string input, output;
  std::vector<int64_t> input_sizes, output_sizes;
  // What the file does after the last layer, and the loss does here: "softmax", "log_softmax", "sigmoid" or
  // "". The outputs of the network are what goes into it.
  std::string ending;
  // Nodes of the file that are none here, in its order.
  struct Removed {
    std::string op, name, why;
  };
  std::vector<Removed> removed;
  int64_t nodes = 0;   // of the file
  int64_t folded = 0;  // of them computed at load
};

// Trusts nothing: memory stays within a small multiple of the bytes. Whatever is not supported is said in one
// sentence, all of it: op, node and reason.
Result<ImportedNetwork> import_onnx(std::string_view bytes, const ImportOptions& options = {});

// The same of a file of at most 2 GiB; a failure starts with its path.
Result<ImportedNetwork> import_onnx_file(Env& env, const std::string& path,
                                         const ImportOptions& options = {});

// How to make an ONNX file of a file of another kind, by the ending of its name; empty where that is unknown.
std::string how_to_convert(const std::string& path);

}  // namespace coppice
