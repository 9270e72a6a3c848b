// SPDX-License-Identifier: Apache-2.0
// A run on disk: weights, optimizer state, graph, recipe and where the run stands, in one safetensors file
// that other tools read too (docs/checkpoint.md). A run that goes on from it computes the same bits as one
// that never stopped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "dataset/dataset.h"
#include "exec/network.h"
#include "io/safetensors.h"
#include "train/recipe.h"

namespace coppice {

// Persisted: a reader refuses a larger one.
inline constexpr int kCheckpointFormatVersion = 1;

// What has to be done to a sample before the network sees it, and what its outputs mean.
struct Preprocessing {
  Features features;
  Normalisation normalisation;
  int outputs = 0;
  std::vector<std::string> classes;  // empty where the task is another one
  bool numbers = false;              // samples are floats, not bytes
  std::optional<Fit> fit;            // pictures of files: how they get the size of the features
  Task task = Task::kClasses;
  std::vector<std::string> target_names;  // of labels and quantities; empty: cells of a board
  Normalisation target_scale;             // of quantities: an output y says y * stddev + mean
  ColumnNames columns;                    // of a table; files from before they were kept have none
};

// As JSON, which checkpoints and packed networks hold. Reading fails with a sentence that names the key.
std::string preprocessing_text(const Preprocessing& preprocessing);
Result<Preprocessing> read_preprocessing(const std::string& text);

// What makes one state of the network better than another: the value of a metric, then a smaller loss. What
// is known is better than what is unknown.
struct Score {
  std::string metric;
  bool larger_is_better = true;
  std::optional<double> value;
  double loss = 0;
  bool better_than(const Score& other) const;
};

// Floating-point operations of all training steps so far.
struct Work {
  double useful = 0;    // on live weights and valid samples
  double executed = 0;  // with what pads formats, and the last tile of each batch
  double dense = 0;     // of the same steps in the network without sparsity
};

struct Progress {
  int64_t epoch = 0, batch = 0;  // the batch that is trained next
  int64_t step = 0;              // updates done
  int64_t judged_step = 0;       // when the network was last judged on the validation samples
  double loss_sum = 0;           // over the samples of the running epoch
  int64_t loss_samples = 0;
  Score best;
  int64_t best_epoch = 0, epochs_since_best = 0;  // epochs are counted from 1 where people see them
  double seconds = 0;                             // of training, all parts of the run
  Work work;
  int64_t edits = 0;        // of the topology
  double edit_seconds = 0;  // that they took, ranking and new plans included
};

struct RunInfo {
  Recipe recipe;
  Preprocessing preprocessing;
  Progress progress;
  std::string isa;  // of the kernels in use; another one may give other bits
};

struct Checkpoint {
  Network network;
  RunInfo info;
};

// Atomic: after a failure the old file is whole. with_optimizer = false leaves out what only a resume needs.
// A value that is not finite is kDiverged, so that the last good state is not overwritten.
Status write_checkpoint(Env& env, const std::string& path, const Network& network, const RunInfo& info,
                        bool with_optimizer);

// The columns that a network learnt from; none where the file is no checkpoint, or one of other data.
Result<ColumnNames> read_column_names(const SafetensorsFile& file);

// Trusts nothing: every tensor must fit the graph in the file. A failure starts with the path.
Result<Checkpoint> read_checkpoint(Env& env, const std::string& path);

}  // namespace coppice
