// SPDX-License-Identifier: Apache-2.0
#include "train/evaluate.h"

#include <algorithm>
#include <cmath>

#include "dataset/loader.h"
#include "host/processors.h"
#include "train/metrics/said.h"

namespace coppice {
namespace {

struct Tally {
  int64_t right = 0, among_five = 0, outputs = 0, exact = 0;
};

void count_classes(const coppice_tiled& logits, int64_t classes, const Batch& batch, Tally& tally) {
  for (int n = 0; n < batch.samples; ++n) {
    const float* column = logits.base + n / logits.width * logits.tile_stride + n % logits.width;
    const int64_t rank = rank_of({column, classes, logits.width}, batch.labels[n]);
    tally.right += rank == 0;
    tally.among_five += rank < 5;
    ++tally.outputs;
  }
}

void count_labels(const coppice_tiled& logits, int64_t outputs, const Batch& batch, Tally& tally) {
  for (int n = 0; n < batch.samples; ++n) {
    const int64_t tile = n / logits.width, column = n % logits.width;
    const float* said = logits.base + tile * logits.tile_stride + column;
    const float* truth = batch.dense + tile * outputs * logits.width + column;
    const int64_t right = right_labels({said, outputs, logits.width}, {truth, outputs, logits.width});
    tally.right += right;
    tally.outputs += outputs;
    tally.exact += right == outputs;
  }
}

// Appends the columns of the samples of a batch, [tiles][width][columns], as rows.
void append_rows(const float* base, int64_t tile_stride, int columns, int64_t width, int samples,
                 std::vector<float>& rows) {
  for (int n = 0; n < samples; ++n)
    for (int64_t o = 0; o < width; ++o)
      rows.push_back(base[n / columns * tile_stride + o * columns + n % columns]);
}

void keep_outputs(const coppice_tiled& logits, const coppice_tiled& losses, int64_t width, const Batch& batch,
                  Outputs& outputs) {
  outputs.samples += batch.samples;
  append_rows(logits.base, logits.tile_stride, logits.width, width, batch.samples, outputs.said);
  append_rows(losses.base, losses.tile_stride, losses.width, 1, batch.samples, outputs.losses);
  if (outputs.task == Task::kClasses)
    outputs.labels.insert(outputs.labels.end(), batch.labels, batch.labels + batch.samples);
  else if (outputs.task == Task::kLabels)
    append_rows(batch.dense, width * logits.width, logits.width, width, batch.samples, outputs.targets);
}

// Samples that run through the network together, whatever the batch of the training: as many as give every
// thread its tiles, and whose inputs stay below 4 MiB.
int evaluation_batch(const Features& features) {
  constexpr int64_t kInputBytes = 4 << 20, kLeast = 64, kMost = 1024;
  const int64_t samples = kInputBytes / (features.size() * static_cast<int64_t>(sizeof(float)));
  return static_cast<int>(std::clamp(samples / kLeast * kLeast, kLeast, kMost));
}

std::string features_text(const Features& f) {
  return std::to_string(f.channels) + " x " + std::to_string(f.height) + " x " + std::to_string(f.width);
}

}  // namespace

int thread_count(const Recipe& recipe) {
  if (recipe.threads > 0) return static_cast<int>(recipe.threads);
  return coppice_host_threads();
}

Preprocessing preprocessing_of(const Dataset& data) {
  return {data.features, data.normalisation, data.outputs,      data.classes,      data.numbers,
          data.fit,      data.task,          data.target_names, data.target_scale, data.columns};
}

Result<const Metric*> metric_of(const Recipe& recipe, Task task) {
  auto metric = metric_for(recipe.metric.empty() ? usual_metric(task) : recipe.metric, task);
  if (!metric.ok()) return metric.status().within("metric");
  return metric;
}

DatasetOptions dataset_options(const Recipe& recipe) {
  DatasetOptions options;
  options.seed = recipe.data_seed;
  options.validation = recipe.val_data.empty() ? recipe.validation : 0;
  options.test_share = recipe.test_share;
  options.pictures = {static_cast<int>(recipe.image_height), static_cast<int>(recipe.image_width),
                      recipe.resize, recipe.grey ? 1 : 0};
  options.label = recipe.label;
  options.target = recipe.target;
  options.task = recipe.task;
  options.threads = thread_count(recipe);
  options.directory = recipe.data_dir;
  options.life.steps = static_cast<int>(recipe.life_steps);
  options.life.height = options.life.width = static_cast<int>(recipe.life_side);
  options.life.density = recipe.life_density;
  if (recipe.train_samples > 0) options.glyphs_train = options.life.train = recipe.train_samples;
  if (recipe.test_samples > 0)
    options.glyphs_test = options.life.test = options.life.validation = recipe.test_samples;
  return options;
}

namespace {

Result<Dataset> load_samples(Env& env, const Recipe& recipe, const Preprocessing* model,
                             const std::function<void(int64_t done, int64_t all)>& on_progress) {
  if (recipe.data == kUnknownData && !env.exists(recipe.data))
    return invalid("data: an imported network does not say what it learnt from; name it with --data");
  DatasetOptions options = dataset_options(recipe);
  options.on_progress = on_progress;
  if (model != nullptr && is_own_data(recipe.data)) {
    const Features& f = model->features;
    options.task = model->task;
    if (model->task == Task::kClasses)
      options.pictures = {f.height, f.width, model->fit.value_or(Fit::kCrop), f.channels};
    options.classes = model->classes;
    options.target_names = model->target_names;
    options.columns = model->columns;
  }
  TRY_ASSIGN(Dataset data, load_dataset(env, recipe.data, options));
  if (!recipe.mean.empty()) {
    if (static_cast<int64_t>(recipe.mean.size()) != data.features.channels)
      return invalid("mean: has " + std::to_string(recipe.mean.size()) + " numbers, the data '" +
                     recipe.data + "' has " + std::to_string(data.features.channels) +
                     " channels; give one for each");
    data.normalisation.mean.assign(recipe.mean.begin(), recipe.mean.end());
    data.normalisation.stddev.assign(recipe.stddev.begin(), recipe.stddev.end());
  }
  if (model == nullptr) return data;
  const std::string place = "data '" + recipe.data + "'";
  if (!(data.features == model->features))
    return invalid(place + ": samples are " + features_text(data.features) + ", the network takes " +
                   features_text(model->features));
  if (data.numbers != model->numbers)
    return invalid(place + ": samples are " + (data.numbers ? "floats" : "bytes") + ", the network takes " +
                   (model->numbers ? "floats" : "bytes"));
  if (data.outputs != model->outputs || data.task != model->task)
    return invalid(place + ": has " + outputs_text(data.task, data.outputs) + ", the network says " +
                   outputs_text(model->task, model->outputs));
  data.normalisation = model->normalisation;
  data.target_scale = model->target_scale;
  if (!model->target_names.empty()) data.target_names = model->target_names;
  if (!model->columns.features.empty()) data.columns = model->columns;
  return data;
}

}  // namespace

Result<Dataset> load_recipe_data(Env& env, const Recipe& recipe, const Preprocessing* model,
                                 const std::function<void(int64_t done, int64_t all)>& on_progress) {
  TRY_ASSIGN(Dataset data, load_samples(env, recipe, model, on_progress));
  if (recipe.val_data.empty()) return data;
  Recipe other = recipe;
  other.data = recipe.val_data;
  other.test_share = 1;
  const Preprocessing wanted = preprocessing_of(data);
  auto samples = load_samples(env, other, &wanted, on_progress);
  if (!samples.ok()) return samples.status().within("val_data");
  for (Split* split : {&samples->validation, &samples->test, &samples->train})
    if (split->size() > 0) {
      data.validation = std::move(*split);
      break;
    }
  return data;
}

Result<std::unique_ptr<Executor>> make_evaluator(Network& network, const Recipe& recipe,
                                                 const Features& features) {
  ExecOptions options;
  options.batch = evaluation_batch(features);
  options.threads = thread_count(recipe);
  options.isa = recipe.isa;
  options.memory_limit = recipe.memory;
  options.training = false;
  return Executor::create(network, options);
}

void in_their_own_unit(const Dataset& data, const Split& split, Outputs& outputs) {
  const auto width = static_cast<size_t>(outputs.width);
  for (size_t i = 0; i < outputs.said.size(); ++i) {
    const auto stddev = static_cast<double>(data.target_scale.stddev[i % width]),
               mean = static_cast<double>(data.target_scale.mean[i % width]);
    outputs.said[i] = static_cast<float>(static_cast<double>(outputs.said[i]) * stddev + mean);
  }
  for (const int32_t index : split.indices) {
    const auto row = split.samples->quantities.begin() + static_cast<std::ptrdiff_t>(index) * outputs.width;
    outputs.targets.insert(outputs.targets.end(), row, row + outputs.width);
  }
}

bool few_outputs(const Dataset& data, const Split& split) {
  constexpr int64_t kMost = int64_t{1} << 26;
  return split.size() <= kMost / std::max(1, data.outputs);
}

// Which samples there are decides it, not what is said about them: here yes to everything, as what is never
// said has no precision.
bool can_judge(const Metric& metric, const Dataset& data, const Split& split) {
  if (*metric.needs == '\0' || split.generate) return true;
  Outputs outputs{split.size(), data.outputs, {}, {}, {}, {}, data.task};
  outputs.said.assign(static_cast<size_t>(outputs.samples * outputs.width), 1);
  const Samples& all = *split.samples;
  for (const int32_t index : split.indices) {
    if (data.task == Task::kClasses) outputs.labels.push_back(all.labels[static_cast<size_t>(index)]);
    for (int64_t i = index * outputs.width; data.dense_targets() && i < (index + 1) * outputs.width; ++i)
      outputs.targets.push_back(data.task == Task::kLabels ? all.targets[static_cast<size_t>(i)]
                                                           : all.quantities[static_cast<size_t>(i)]);
  }
  return metric.value(outputs).has_value();
}

Result<Evaluation> evaluate(Executor& evaluator, const Graph& graph, const Dataset& data, const Split& split,
                            const Watch& watch, Outputs* outputs) {
  if (split.size() == 0) return invalid("data '" + data.name + "': this split has no samples to evaluate on");
  LoaderOptions options;
  options.batch = evaluation_batch(data.features);
  options.width = evaluator.input_width();
  options.target_width = evaluator.target_width();
  options.shuffle = false;
  TRY_ASSIGN(const std::unique_ptr<Loader> loader, Loader::create(data, split, options));
  const int64_t width = graph.value(graph.logits).shape.elements();
  Tally tally;
  Evaluation result;
  result.task = data.task;
  // Errors of quantities take two looks at the targets, so what is said about them has to be kept.
  Outputs own;
  if (outputs == nullptr && data.task == Task::kRegression) outputs = &own;
  if (outputs != nullptr) {
    *outputs = {};
    outputs->width = width;
    outputs->task = data.task;
  }
  for (int64_t index = 0; index < loader->batches_per_epoch(); ++index) {
    if (watch.stop != nullptr && watch.stop->load(std::memory_order_relaxed))
      return Status(Code::kInterrupted, "interrupted");
    const Batch& samples = loader->next();
    TRY_ASSIGN(const double loss, evaluator.evaluate({samples.samples, samples.x, samples.target()}));
    result.loss += loss * samples.samples;
    result.samples += samples.samples;
    const coppice_tiled logits = evaluator.view(graph.logits);
    if (data.task == Task::kClasses) count_classes(logits, width, samples, tally);
    if (data.task == Task::kLabels) count_labels(logits, width, samples, tally);
    if (outputs != nullptr) keep_outputs(logits, evaluator.view(graph.loss), width, samples, *outputs);
    if (watch.on_progress) watch.on_progress(result.samples, split.size());
  }
  if (!std::isfinite(result.loss))
    return Status(Code::kDiverged, "the loss of " + std::to_string(result.samples) +
                                       " samples is not finite: the network holds NaN, or numbers too large "
                                       "for its outputs");
  const auto count = static_cast<double>(result.samples);
  result.loss /= count;
  if (data.task == Task::kRegression) {
    in_their_own_unit(data, split, *outputs);
    result.rmse = find_metric("rmse")->value(*outputs);
    result.r2 = find_metric("r2")->value(*outputs);
    return result;
  }
  result.accuracy = static_cast<double>(tally.right) / static_cast<double>(tally.outputs);
  if (data.task == Task::kClasses && width >= kLeastForTop5)
    result.top5 = static_cast<double>(tally.among_five) / count;
  result.exact = static_cast<double>(tally.exact) / count;
  return result;
}

}  // namespace coppice
