// SPDX-License-Identifier: Apache-2.0
// What a network learns from: samples, their targets, and what has to travel with the model to use it
// elsewhere (class names, normalisation). Where it comes from - files, or a generator - ends at
// load_dataset().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "dataset/task.h"
#include "io/resize.h"

namespace coppice {

// The shape of one sample, channels outermost.
struct Features {
  int channels = 1, height = 1, width = 1;
  int plane() const { return height * width; }
  int size() const { return channels * plane(); }
  bool operator==(const Features&) const = default;
};

// A pixel byte v of channel c becomes (v / 255 - mean[c]) / stddev[c], a number v (v - mean[c]) / stddev[c].
// Part of the model: the runtime repeats it.
struct Normalisation {
  std::vector<float> mean, stddev;  // [channels]; stddev > 0
};

// Of a table whose columns have names, else empty.
struct ColumnNames {
  std::vector<std::string> features;  // [channels]
  std::string label;                  // of the classes; empty where the task is another one
  bool operator==(const ColumnNames&) const = default;
};

// Samples in memory. Exactly one of pixels and numbers is filled, and one of labels, targets and quantities,
// as the task wants.
struct Samples {
  std::vector<uint8_t> pixels;    // [count][channels][height][width]
  std::vector<float> numbers;     // [count][channels][height][width], finite
  std::vector<int32_t> labels;    // [count], 0 .. classes - 1
  std::vector<uint8_t> targets;   // [count][outputs], 0 or 1
  std::vector<float> quantities;  // [count][outputs], finite, in their own unit
};

// Writes sample `index` of `epoch`: pixels [features], targets [outputs] (0 or 1). A pure function of its
// arguments; may be called from any thread.
using Generator = std::function<void(int64_t epoch, int64_t index, uint8_t* pixels, uint8_t* targets)>;

// A subset of samples in memory, or a generator that makes new ones in each epoch.
struct Split {
  std::shared_ptr<const Samples> samples;
  std::vector<int32_t> indices;  // into samples, ascending
  Generator generate;            // set: samples and indices are empty
  int64_t generated = 0;         // samples per epoch of the generator

  int64_t size() const { return generate ? generated : static_cast<int64_t>(indices.size()); }
};

// Immutable once loaded; any number of loaders may read it at the same time, and it must outlive them.
struct Dataset {
  std::string name;
  Features features;
  bool numbers = false;  // samples are floats, not bytes; columns of a table are channels of one pixel
  Task task = Task::kClasses;
  int outputs = 0;                        // classes, labels or quantities
  std::vector<std::string> classes;       // [outputs]; empty where the task is another one
  std::vector<std::string> target_names;  // [outputs] of labels and quantities; empty: cells of a board
  ColumnNames columns;
  Normalisation normalisation;  // measured on train and what is cut from it, never on test
  Normalisation target_scale;   // [outputs] of quantities, measured there too: a network learns
                                // (v - mean) / stddev, so that no unit asks for a rate of its own
  std::optional<Fit> fit;       // how pictures of files got their size; empty: they are none
  Split train, validation, test;

  // A number for each output, not one class.
  bool dense_targets() const { return task != Task::kClasses; }
  // The outputs are as many cells as the sample has, in their places.
  bool boards() const { return dense_targets() && target_names.empty(); }
};

struct LifeOptions {
  int steps = 1;                // the target is the board after so many steps
  int height = 16, width = 16;  // at least 3; the board is a torus
  double density = 0;           // share of live cells; 0: drawn anew for each board, uniform in (0, 1)
  int64_t train = 10000, validation = 1000, test = 1000;  // boards; the training boards are new in each epoch
};

// What a folder of pictures becomes.
struct PictureOptions {
  int height = 0, width = 0;  // 0: the size that all have
  Fit fit = Fit::kCrop;
  int channels = 0;  // 1: grey; 3: colour; 0: grey where all pictures are
};

struct DatasetOptions {
  uint64_t seed = 0;        // of generated samples and of the cuts
  double validation = 0.1;  // share of the training samples that is cut off, 0 .. 0.9; life has its own count
  double test_share = 0.1;  // the same of own data without test samples, cut off first; 1: all are
  PictureOptions pictures;
  std::string label;                 // the column of a CSV file, by name or number from 1; empty: the last
  std::string target;                // columns of a CSV file with labels or quantities, commas between them
  std::optional<Task> task;          // of own data; empty: as it looks (docs/data.md)
  std::vector<std::string> classes;  // of a network: own data is named in these; empty: as the data has them
  std::vector<std::string> target_names;  // of a network: columns of a CSV file, wherever they stand in it
  ColumnNames columns;                    // of a network: the same
  int threads = 1;                        // that decode pictures; no bit depends on it
  std::function<void(int64_t done, int64_t all)> on_progress;  // of that; called by the thread that loads
  bool only_shape = false;  // own data: the samples stay away, all else is there but the normalisation
  std::string directory;    // holds the folders of the named sets; empty: see load_dataset
  int64_t glyphs_train = 12000, glyphs_test = 2000;  // train before the cut
  LifeOptions life;
};

// True for the path of somebody's data: any spec that is not the name of a set.
bool is_own_data(const std::string& spec);

// spec is `glyphs` or `life` (generated, no files needed), a named set (`fashion-mnist`, `mnist`, `cifar10`,
// `cifar100`), or a path (docs/data.md): a folder of IDX files (train-images-idx3-ubyte ...) or CIFAR batches
// (data_batch_1.bin ... or train.bin), each plain or as .gz, a folder of pictures, a .npz file with arrays,
// or a CSV file. A named set is a folder of that name in options.directory, else in $COPPICE_DATA, else in
// data/ here, where `coppice data get` puts it, or in shared/data beside the checkout (../shared/data, or
// further up when started in a build folder). Nothing is downloaded from here: a set that is missing is a
// sentence that says where it was looked for.
Result<Dataset> load_dataset(Env& env, const std::string& spec, const DatasetOptions& options = {});

// Mean and standard deviation per channel over the samples of `indices`; exact sums, so independent of their
// order.
Normalisation measure_normalisation(const Samples& samples, const Features& features,
                                    std::span<const int32_t> indices);

// The same of numbers, [count][features]; summed in the order of the indices.
Normalisation measure_numbers(std::span<const float> numbers, const Features& features,
                              std::span<const int32_t> indices);

// Cuts `count` samples off for validation, drawn without replacement by `seed`; both lists ascend.
struct Cut {
  std::vector<int32_t> train, validation;
};
Cut cut_validation(int64_t samples, int64_t count, uint64_t seed);

}  // namespace coppice
