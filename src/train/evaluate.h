// SPDX-License-Identifier: Apache-2.0
// How good a network is on samples that it does not learn from.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataset/dataset.h"
#include "exec/executor.h"
#include "train/checkpoint.h"

namespace coppice {

struct Evaluation {
  int64_t samples = 0;
  double loss = 0;      // mean
  double accuracy = 0;  // labels: share of right classes; dense targets: share of right outputs
  double top5 = 0;      // labels: share with the class among the five largest outputs
  double exact = 0;     // dense targets: share of samples with every output right
};

// What a network says about each sample of a split, in the order of the split.
struct Outputs {
  int64_t samples = 0, width = 0;  // outputs of a sample
  std::vector<float> said;         // [samples][width], before the loss: logits of classes
  std::vector<int32_t> labels;     // [samples]; empty where the targets are dense
  std::vector<float> targets;      // [samples][width] then
};

// What samples are to the network that was trained on `data`.
Preprocessing preprocessing_of(const Dataset& data);

// Where a recipe's data comes from, and how it is cut.
DatasetOptions dataset_options(const Recipe& recipe);

// The data of a recipe. With `model`, the data has to be of the model's kind, and is made as the model wants
// it: pictures of its size, the numbers of its classes, its normalisation.
Result<Dataset> load_recipe_data(Env& env, const Recipe& recipe, const Preprocessing* model);

// Both are optional.
struct Watch {
  std::function<void(int64_t done, int64_t all)> on_progress;
  const std::atomic<bool>* stop = nullptr;  // true: give up, with kInterrupted
};

// An executor for evaluate().
Result<std::unique_ptr<Executor>> make_evaluator(Network& network, const Recipe& recipe,
                                                 const Features& features);

// Runs all samples of a split, in their own order, and keeps what is said about them in `outputs`, if given.
// A loss that is not finite is kDiverged.
Result<Evaluation> evaluate(Executor& evaluator, const Graph& graph, const Dataset& data, const Split& split,
                            const Watch& watch = {}, Outputs* outputs = nullptr);

// 0 threads in a recipe means as many as host/processors.h counts.
int thread_count(const Recipe& recipe);

}  // namespace coppice
