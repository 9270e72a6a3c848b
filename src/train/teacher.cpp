// SPDX-License-Identifier: Apache-2.0
#include "train/teacher.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/make_network.h"

namespace coppice {
namespace {

std::string numbers_text(const std::vector<float>& numbers) {
  std::string text;
  for (const float number : numbers) append_item(text, shortest(static_cast<double>(number)), ",");
  return text;
}

// Shares of the data may differ a little, and with them what they are normalised by.
bool alike(const Normalisation& a, const Normalisation& b) {
  constexpr float kTolerance = 0.02f;
  if (a.mean.size() != b.mean.size()) return false;
  for (size_t c = 0; c < a.mean.size(); ++c)
    if (std::abs(a.mean[c] - b.mean[c]) > kTolerance * a.stddev[c] ||
        std::abs(a.stddev[c] - b.stddev[c]) > kTolerance * a.stddev[c])
      return false;
  return true;
}

Status check_fits(const Preprocessing& taught, const Dataset& data) {
  const Preprocessing here = preprocessing_of(data);
  if (!(taught.features == here.features) || taught.numbers != here.numbers)
    return invalid("knows samples of another kind than those of '" + data.name + "'");
  if (taught.task != here.task || taught.outputs != here.outputs || taught.classes != here.classes)
    return invalid("tells other classes apart than those of '" + data.name + "'");
  if (!(taught.columns == here.columns))
    return invalid("learnt from other columns than those of '" + data.name + "', or in another order");
  if (!alike(taught.normalisation, here.normalisation))
    return invalid("learnt from samples that were normalised otherwise; give this run --mean " +
                   numbers_text(taught.normalisation.mean) + " --stddev " +
                   numbers_text(taught.normalisation.stddev));
  return {};
}

Result<Network> network_of(Env& env, const Recipe& recipe, const Dataset& data) {
  TRY_ASSIGN(SavedNetwork saved, network_of_file(env, recipe.teacher, recipe, data));
  if (saved.preprocessing) TRY(check_fits(*saved.preprocessing, data).within(recipe.teacher));
  for (const InitReport::Row& row : saved.init.rows)
    if (!row.taken)
      return invalid(recipe.teacher + ": is no whole network of the model " + recipe.model + ": '" +
                     row.name + "' is " + row.outcome);
  return std::move(saved.network);
}

}  // namespace

Result<std::unique_ptr<Teacher>> Teacher::create(Env& env, const Recipe& recipe, const Dataset& data,
                                                 const CostTable& table) {
  if (data.task != Task::kClasses)
    return invalid(std::string("teacher: helps to tell classes apart, the task is ") + task_name(data.task) +
                   "; leave it out");
  auto network = network_of(env, recipe, data);
  if (!network.ok()) return network.status().within("teacher");
  std::unique_ptr<Teacher> teacher(new Teacher(network.take(), micro_batch(recipe)));
  teacher->network_.cost_table = table;
  ExecOptions options = training_options(recipe);
  options.training = options.keep_gradients = false;
  options.clip_norm = options.teacher_share = 0;
  TRY_ASSIGN(teacher->executor_, Executor::create(teacher->network_, options));
  const int64_t width = teacher->executor_->target_width();
  const int64_t micro = teacher->micro_batch_;
  teacher->region_ = (micro + width - 1) / width * width * data.outputs;
  teacher->logits_ = Floats(static_cast<size_t>((recipe.batch + micro - 1) / micro * teacher->region_));
  return teacher;
}

Result<const float*> Teacher::logits(const BatchView& batch, int64_t begin) {
  TRY(executor_->evaluate({batch.samples, batch.x, nullptr}).status());
  const ValueId id = network_.graph.logits;
  const coppice_tiled said = executor_->view(id);
  const int64_t tile = network_.graph.value(id).shape.elements() * said.width;
  float* first = logits_.data() + begin / micro_batch_ * region_;
  for (int64_t t = 0; t * said.width < batch.samples; ++t)
    std::copy_n(said.base + t * said.tile_stride, tile, first + t * tile);
  return first;
}

}  // namespace coppice
