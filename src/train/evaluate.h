// SPDX-License-Identifier: Apache-2.0
// How good a network is on samples that it does not learn from.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataset/dataset.h"
#include "exec/executor.h"
#include "train/checkpoint.h"
#include "train/metrics/metrics.h"

namespace coppice {

struct Evaluation {
  Task task = Task::kClasses;
  int64_t samples = 0;
  double loss = 0;                 // mean
  double accuracy = 0;             // classes: share of right ones; labels: share of right outputs
  std::optional<double> top5;      // more than five classes: share with the class among the five largest
  double exact = 0;                // labels: share of samples with every output right
  std::optional<double> rmse, r2;  // quantities, in their own unit: see the metrics of these names
};

// The data of the recipe of an imported network, which does not say what it learnt from.
inline constexpr char kUnknownData[] = "unknown";

// What samples are to the network that was trained on `data`.
Preprocessing preprocessing_of(const Dataset& data);

// The metric that says which state is the best.
Result<const Metric*> metric_of(const Recipe& recipe, Task task);

// Where a recipe's data comes from, and how it is cut.
DatasetOptions dataset_options(const Recipe& recipe);

// The data of a recipe. With `model`, the data has to be of the model's kind, and is made as the model wants
// it: pictures of its size, the numbers of its classes, its normalisation.
// Pictures of files tell how many are read.
Result<Dataset> load_recipe_data(Env& env, const Recipe& recipe, const Preprocessing* model,
                                 const std::function<void(int64_t done, int64_t all)>& on_progress = {});

// Both are optional.
struct Watch {
  std::function<void(int64_t done, int64_t all)> on_progress;
  const std::atomic<bool>* stop = nullptr;  // true: give up, with kInterrupted
};

// An executor for evaluate().
Result<std::unique_ptr<Executor>> make_evaluator(Network& network, const Recipe& recipe,
                                                 const Features& features);

// Runs all samples of a split, in their own order, and keeps what is said about them in `outputs`, if given.
// A loss that is not finite is kDiverged. Quantities are judged in their own unit, the loss as it is trained.
Result<Evaluation> evaluate(Executor& evaluator, const Graph& graph, const Dataset& data, const Split& split,
                            const Watch& watch = {}, Outputs* outputs = nullptr);

// Takes what was said about quantities back to their own unit, and the targets from where they lie.
void in_their_own_unit(const Dataset& data, const Split& split, Outputs& outputs);

// What is said about a split takes all outputs at once, 8 bytes a number: of large boards that is kept only
// where somebody asks for it.
bool few_outputs(const Dataset& data, const Split& split);

// Whether what a network says about the split can give the metric a value. A generated split always can.
bool can_judge(const Metric& metric, const Dataset& data, const Split& split);

// 0 threads in a recipe means as many as host/processors.h counts.
int thread_count(const Recipe& recipe);

}  // namespace coppice
