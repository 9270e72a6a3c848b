// SPDX-License-Identifier: Apache-2.0
#include "ranges.h"

#include <algorithm>
#include <memory>

#include "dataset/loader.h"
#include "load_data.h"
#include "report/text.h"
#include "stop.h"
#include "terminal.h"
#include "train/image_outputs.h"

namespace coppice::cli {

void add_range_options(CLI::App& command, RangeArguments& arguments) {
  command
      .add_option("--range", arguments.range,
                  "8-bit integers: how the range of activations is chosen: min-max, percentile or mse")
      ->check(CLI::IsMember({"min-max", "percentile", "mse"}))
      ->capture_default_str();
  command.add_option("--percentile", arguments.percentile, "of --range percentile")
      ->check(CLI::Range(50.0, 100.0))
      ->capture_default_str();
  command
      .add_option("--samples", arguments.samples, "8-bit integers: how many samples ranges are measured on")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
      ->capture_default_str();
}

void add_judge_options(CLI::App& command, RangeArguments& arguments) {
  command.add_option("--data", arguments.data, "other data than it was trained on")->type_name("SET");
  command.add_option("--data-dir", arguments.data_dir, "where the named sets lie")->type_name("FOLDER");
  command.add_option("--threads", arguments.threads, "0: one per core")->check(CLI::Range(0, 1024));
}

Result<Judge> load_judge(Env& env, Checkpoint& model, const RangeArguments& arguments) {
  Recipe& recipe = model.info.recipe;
  name_data(recipe, arguments.data, arguments.data_dir);
  recipe.threads = arguments.threads;
  recipe.isa = arguments.isa;
  Judge judge;
  TRY_ASSIGN(judge.data, load_data(env, recipe, &model.info.preprocessing));
  return judge;
}

Result<Outputs> packed_outputs(const PackedImage& image, const Judge& judge, const std::string& isa,
                               int threads) {
  ProgressLine line;
  Watch watch;
  watch.stop = &stop_on_signals();
  watch.on_progress = [&](int64_t done, int64_t all) {
    if (line.due()) line.show("packed, " + with_commas(done) + " of " + with_commas(all) + " samples");
  };
  return image_outputs(image, judge.data, judge.split(), threads, isa, watch);
}

Result<Ranges> ranges_of(Network& network, const Judge& judge, const RangeArguments& arguments, int threads) {
  const Dataset& data = judge.data;
  const Split& split = judge.tested() && data.validation.size() > 0 ? data.validation
                       : data.train.size() > 0                      ? data.train
                                                                    : judge.split();
  CalibrationOptions options;
  options.method = arguments.range == "min-max"      ? RangeMethod::kMinMax
                   : arguments.range == "percentile" ? RangeMethod::kPercentile
                                                     : RangeMethod::kLeastSquares;
  options.percentile = arguments.percentile;
  options.threads = threads;
  LoaderOptions loading;
  loading.batch = options.batch;
  loading.width = loading.target_width = 1;
  loading.shuffle = true;  // classes may lie together; the same samples for the same seed
  loading.seed = 1;
  TRY_ASSIGN(const std::unique_ptr<Loader> loader, Loader::create(data, split, loading));
  const int64_t all = std::min(arguments.samples, split.size());
  int64_t taken = 0;
  return calibrate(
      network,
      [&]() -> Result<std::span<const float>> {
        if (taken >= all) return std::span<const float>{};
        const Batch& batch = loader->next();
        const int64_t count = std::min<int64_t>(batch.samples, all - taken);
        taken += count;
        return std::span<const float>(batch.x, static_cast<size_t>(count * judge.data.features.size()));
      },
      options);
}

}  // namespace coppice::cli
