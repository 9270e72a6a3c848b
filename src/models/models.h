// SPDX-License-Identifier: Apache-2.0
// Networks by name: "mlp:784-300-100-10", "lenet5", "life:1,8". Every src/models/NAME.cpp defines
// NAME_model(); CMake lists the folder and writes the table, so a family registers by being there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "dataset/task.h"
#include "graph/graph.h"

namespace coppice {

// What a network is built for: the shape of one sample and of what it is to say about it.
struct ModelInput {
  int channels = 1, height = 1, width = 1;
  int outputs = 0;  // classes, labels or quantities
  Task task = Task::kClasses;
  double label_smoothing = 0;  // of classes

  int64_t size() const { return int64_t{channels} * height * width; }
};

struct ModelDef {
  const char* name;     // the letters that a spec begins with
  const char* example;  // a spec that can be typed
  const char* summary;
  // `arguments` is the rest of the spec, without a colon in front: "20" of "resnet20", "1,8" of "life:1,8".
  Result<Graph> (*make)(const std::string& arguments, const ModelInput& input);
};

const std::vector<ModelDef>& all_models();

// The forward graph with loss, verified. An unknown name gets a sentence that lists what there is; a size
// that does not fit the data gets one that names the number.
Result<Graph> make_model(const std::string& spec, const ModelInput& input);

// A network of one's own: a spec that ends in .json is the path of a graph (models/graph_json.h).
bool is_graph_file(const std::string& spec);

// Reads and verifies it, and refuses it where it does not take the data's samples, does not say as much about
// them as the data wants to know, or learns it by a loss of another task.
Result<Graph> read_graph(Env& env, const std::string& path, const ModelInput& input);

// Positive integers between separators: "784-300-10". The sentence of a failure starts with the spec.
Result<std::vector<int64_t>> parse_sizes(const std::string& spec, const std::string& text, char separator);

}  // namespace coppice
