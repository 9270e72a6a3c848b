// SPDX-License-Identifier: Apache-2.0
// Trains a network as a recipe says and keeps the run on disk, so that it can go on after any interruption.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "dataset/loader.h"
#include "exec/executor.h"
#include "exec/layers.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/init.h"
#include "train/make_network.h"
#include "train/recipe.h"

namespace coppice {

// Files of a run directory.
inline constexpr char kRecipeFile[] = "recipe.toml", kMetricsFile[] = "metrics.jsonl",
                      kBestFile[] = "best.safetensors", kLastFile[] = "last.safetensors",
                      kCostTableFile[] = "cost-table.json",  // only where it is not the shipped one
    kAccountFile[] = "account.json",                         // when a run has ended (study/account.h)
    kNetworkFile[] = "network.json";                         // only where the model is a graph of one's own

struct PlanEvent {
  const Recipe& recipe;
  const Network& network;
  const Dataset& data;
  const std::vector<KernelChoice>& choices;
  const InitReport& init;             // empty without recipe.init
  MemoryReport training, evaluation;  // the parameters are counted in both and exist once
  int64_t teacher_bytes = 0;
  std::string isa;
  int threads = 1;
  int64_t updates = 0;             // of the whole run
  std::string warning;             // a sentence, or empty
  const Metric* metric = nullptr;  // that says which state is the best
  int64_t planned_bytes() const {
    return training.total() + evaluation.activations + evaluation.scratch + teacher_bytes;
  }
};

struct StepEvent {
  int64_t epoch = 0, epochs = 0, step = 0, updates = 0;
  double loss = 0;  // mean of the epoch so far
  double learning_rate = 0;
  double seconds = 0;       // since this part of the run began
  double left_seconds = 0;  // as it looks
  double samples_per_second = 0;
};

struct EvaluationEvent {
  const char* split = "";
  int64_t done = 0, all = 0;  // samples
};

struct EpochEvent {
  int64_t epoch = 0, epochs = 0, step = 0;  // epoch counts from 1
  double train_loss = 0, learning_rate = 0, seconds = 0;
  std::optional<Evaluation> validation;
  std::optional<double> value;  // of the metric, on the validation samples
  int64_t live_weights = 0, total_weights = 0;
  bool best = false;
};

// What the best network said at the end: about the test samples, or, where there are none, about those of the
// validation. Nobody hears of it where that are more than few_outputs().
struct JudgedEvent {
  const Dataset& data;
  const char* split = "";
  const Split& samples;
  const Evaluation& evaluation;
  const Outputs& outputs;
};

enum class Stop { kDone, kPatience, kTime, kInterrupted };

struct TrainReport {
  Stop stop = Stop::kDone;
  Progress progress;
  std::optional<Evaluation> validation;  // the best
  std::optional<Evaluation> test;        // of the best; not where the run was interrupted
  double seconds = 0, cpu_seconds = 0;   // of this part of the run
  double seconds_in_all = 0;             // with the parts before
  LoadingTimes loading;                  // of the training samples, this part of the run
  int64_t live_weights = 0, total_weights = 0;
  Work work;
  NetworkReport network;                                   // seconds are those of every 16th step
  int64_t parameter_bytes = 0, dense_parameter_bytes = 0;  // with optimizer state; dense: without sparsity
  int64_t planned_bytes = 0, peak_bytes = 0, best_file_bytes = 0;
  int threads = 1;
  std::string isa;
};

// All are optional, and called by the thread that trains.
struct TrainCallbacks {
  std::function<void(int64_t done, int64_t all)> on_loading;  // of pictures of files
  std::function<void(int64_t done, int64_t all)> on_pruning;  // of layers (obs) or of rounds (synflow)
  std::function<void(const PlanEvent&)> on_plan;
  std::function<void(const StepEvent&)> on_step;
  std::function<void(const EvaluationEvent&)> on_evaluation;
  std::function<void(const EpochEvent&)> on_epoch;
  std::function<void(const JudgedEvent&)> on_judged;
  // True: stop after the step at hand, or in the middle of an evaluation, save, and return.
  const std::atomic<bool>* stop = nullptr;
};

struct TrainRequest {
  Recipe recipe;
  std::string directory;           // of the run; made if it is not there
  std::optional<Checkpoint> from;  // goes on from here; its network is used up
  // Nobody was told what it came to, as it was ended before. Where it has done all its updates it is not
  // refused but reported.
  bool untold = false;
};

// Refuses a directory that holds a run already unless it goes on from a checkpoint.
Result<TrainReport> train(Env& env, TrainRequest request, const TrainCallbacks& callbacks);

}  // namespace coppice
