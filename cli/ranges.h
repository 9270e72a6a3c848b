// SPDX-License-Identifier: Apache-2.0
// The data behind a network in 8-bit integers: ranges of activations are measured on it, and answers judged.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "base/env.h"
#include "base/result.h"
#include "pack/calibrate.h"
#include "pack/image_file.h"
#include "train/evaluate.h"

namespace coppice::cli {

struct RangeArguments {
  std::string data, data_dir, range = "mse", isa;
  double percentile = 99.99;
  int64_t samples = 512, threads = 0;
};

// --range, --percentile and --samples.
void add_range_options(CLI::App& command, RangeArguments& arguments);
// --data, --data-dir and --threads.
void add_judge_options(CLI::App& command, RangeArguments& arguments);

struct Judge {
  Dataset data;
  bool tested() const { return data.test.size() > 0; }
  const Split& split() const { return tested() ? data.test : data.validation; }
  const char* name() const { return tested() ? "test" : "validation"; }
};

// What the model was trained on, or other data; the model's recipe says afterwards what was loaded.
Result<Judge> load_judge(Env& env, Checkpoint& model, const RangeArguments& arguments);

// What a packed network says of the samples that it is judged on, with a line that shows how far it is.
Result<Outputs> packed_outputs(const PackedImage& image, const Judge& judge, const std::string& isa,
                               int threads);

// Never of samples that the answers are judged on, where there are others.
Result<Ranges> ranges_of(Network& network, const Judge& judge, const RangeArguments& arguments, int threads);

}  // namespace coppice::cli
