// SPDX-License-Identifier: Apache-2.0
#include "train/usual.h"

#include <algorithm>
#include <string>

#include "train/evaluate.h"

namespace coppice {
namespace {

constexpr int kLeastCropped = 8;
constexpr char kDataGroup[] = "Data";  // of recipe_keys()

std::string usual_model(const Dataset& data) {
  const Features& f = data.features;
  constexpr int kLeastResnet = 8, kLargestForTwenty = 48 * 48;
  if (f.channels == 1 && f.height == f.width && (f.height == 28 || f.height == 32)) return "lenet5";
  if (std::min(f.height, f.width) >= kLeastResnet)
    return f.plane() <= kLargestForTwenty ? "resnet20" : "resnet8";
  return "mlp:" + std::to_string(f.size()) + "-300-100-" + std::to_string(data.outputs);
}

// Few samples need small batches, else there is hardly an update; large pictures need them for memory. Batch
// norm cannot learn from a last batch of one sample.
int64_t usual_batch(const Dataset& data) {
  constexpr int64_t kLeast = 16, kMost = 128, kMostOfLarge = 32, kUpdates = 32;
  const int64_t samples = data.train.size();
  const int64_t most = data.features.plane() > 64 * 64 ? kMostOfLarge : kMost;
  int64_t batch = kLeast;
  while (batch * 2 <= most && batch * 2 * kUpdates <= samples) batch *= 2;
  while (samples > 1 && samples % batch == 1) batch += kLeast;
  return batch;
}

// So many that a small set is seen often enough.
int64_t usual_epochs(int64_t samples, int64_t batch) {
  constexpr int64_t kUpdates = 2000, kLeast = 20, kMost = 100;
  const int64_t updates = std::max<int64_t>(1, samples / batch);
  return std::clamp(kUpdates / updates, kLeast, kMost);
}

}  // namespace

std::vector<Setting> usual_settings(const Dataset& data) {
  std::vector<Setting> settings;
  const auto choose = [&](const char* key, const std::string& value) {
    settings.push_back({key, value, "defaults"});
  };
  choose("model", usual_model(data));
  const int64_t batch = usual_batch(data);
  choose("batch", std::to_string(batch));
  choose("epochs", std::to_string(usual_epochs(data.train.size(), batch)));
  // Moving a picture a little is right for almost any kind of it, unless a quantity is a place in it;
  // mirroring is not for letters and digits.
  const int side = std::min(data.features.height, data.features.width);
  if (side >= kLeastCropped && data.task != Task::kRegression) choose("crop", std::to_string(side / 8));
  // Squared errors have no largest gradient as cross-entropy does: a residual network that learns them at the
  // usual rate of SGD diverges within 20 steps.
  if (side >= kLeastCropped && data.task == Task::kRegression) choose("clip", "1");
  return settings;
}

namespace {

// Only what says where data is and how it is read: the rest has no meaning before there is a model. Mistakes
// in that are told before any file is read, though.
Result<Recipe> recipe_of_data(const std::vector<Setting>& settings) {
  std::vector<Setting> looking = {{"model", "any", "defaults"}};
  Recipe scratch;
  for (const Setting& setting : settings) {
    const RecipeKey* key = find_recipe_key(setting.key);
    if (key == nullptr) return invalid(unknown_key(setting.key));
    TRY(key->parse(scratch, setting.value).within(setting.origin));
    if (std::string(key->group) == kDataGroup) looking.push_back(setting);
  }
  return make_recipe(looking);
}

}  // namespace

Result<Recipe> make_recipe_for_data(Env& env, std::vector<Setting> settings) {
  std::string data = Recipe{}.data;
  for (const Setting& setting : settings)
    if (setting.key == "data") data = setting.value;
  if (!is_own_data(data)) return make_recipe(settings);
  TRY_ASSIGN(const Recipe recipe, recipe_of_data(settings));
  DatasetOptions options = dataset_options(recipe);
  options.only_shape = true;
  TRY_ASSIGN(const Dataset shape, load_dataset(env, data, options));
  const std::vector<Setting> usual = usual_settings(shape);
  settings.insert(settings.begin(), usual.begin(), usual.end());
  return make_recipe(settings);
}

}  // namespace coppice
