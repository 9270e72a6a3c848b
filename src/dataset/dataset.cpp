// SPDX-License-Identifier: Apache-2.0
#include "dataset/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "base/rng.h"
#include "dataset/files.h"
#include "dataset/glyphs.h"
#include "dataset/life.h"
#include "dataset/pictures.h"
#include "dataset/split.h"

namespace coppice {
namespace {

constexpr const char* kGeneratedSets[] = {"glyphs", "life"};
constexpr const char* kNamedSets[] = {"fashion-mnist", "mnist", "cifar10", "cifar100"};

// The folder of a named set, or a sentence with every place that was looked at.
Result<std::string> find_named(Env& env, const std::string& name, const std::string& directory) {
  const char* variable = std::getenv("COPPICE_DATA");
  std::vector<std::string> places;
  if (!directory.empty()) {
    places = {directory};
  } else if (variable != nullptr && *variable != '\0') {
    places = {variable};
  } else {
    // From a checkout, from its build folder, and from a folder of a preset in there.
    places = {"../shared/data", "../../shared/data", "../../../shared/data"};
  }
  std::string looked;
  for (const std::string& place : places) {
    std::string folder = join_path(place, name);
    if (env.is_directory(folder)) return folder;
    looked += (looked.empty() ? "" : ", ") + folder;
  }
  return not_found("data set '" + name + "': not found (looked for " + looked +
                   "); set COPPICE_DATA to the folder that holds " + name +
                   "/, give the path of its files, or use glyphs or life, which need no files");
}

bool is_named(const std::string& spec) {
  return std::find(std::begin(kNamedSets), std::end(kNamedSets), spec) != std::end(kNamedSets);
}

// What has its own test samples, and belongs together as it is.
Result<Dataset> load_set(Env& env, const std::string& spec, const std::string& folder,
                         const DatasetOptions& options) {
  const PictureOptions& pictures = options.pictures;
  if (is_own_data(spec) && options.classes.empty() && (pictures.height > 0 || pictures.channels > 0))
    return invalid("data set '" + spec +
                   "': holds IDX or CIFAR files, which have their size and colours; leave image_size and "
                   "grey to folders of pictures");
  TRY_ASSIGN(Dataset data, load_directory(env, folder, spec));
  return data;
}

Result<Dataset> load_files(Env& env, const std::string& spec, const DatasetOptions& options) {
  if (is_named(spec)) {
    TRY_ASSIGN(const std::string folder, find_named(env, spec, options.directory));
    return load_set(env, spec, folder, options);
  }
  if (!env.is_directory(spec))
    return not_found("data set '" + spec +
                     "': is neither glyphs, life, fashion-mnist, mnist, cifar10, cifar100 nor a folder of "
                     "pictures, IDX or CIFAR files");
  if (holds_known_files(env, spec)) return load_set(env, spec, spec, options);
  return load_pictures(env, spec, options);
}

// The splits of a set that has test samples.
void cut_set(Dataset& data, const DatasetOptions& options) {
  const auto count = static_cast<int64_t>(data.train.samples->labels.size());
  auto cut = cut_validation(count, static_cast<int64_t>(static_cast<double>(count) * options.validation),
                            options.seed);
  data.validation.samples = data.train.samples;
  data.train.indices = std::move(cut.train);
  data.validation.indices = std::move(cut.validation);
  data.test.indices = all_indices(data.test.samples->labels.size());
}

}  // namespace

bool is_own_data(const std::string& spec) {
  return !is_named(spec) &&
         std::find(std::begin(kGeneratedSets), std::end(kGeneratedSets), spec) == std::end(kGeneratedSets);
}

Normalisation measure_normalisation(const Samples& samples, const Features& features,
                                    std::span<const int32_t> indices) {
  const auto channels = static_cast<size_t>(features.channels), plane = static_cast<size_t>(features.plane());
  std::vector<uint64_t> sum(channels), squares(channels);
  for (const int32_t sample : indices) {
    const uint8_t* at = samples.pixels.data() + static_cast<size_t>(sample) * channels * plane;
    for (size_t channel = 0; channel < channels; ++channel)
      for (size_t done = 0; done < plane;) {
        // Short runs fit 32 bits, which the compiler vectorises four times as wide as 64.
        const size_t run = std::min<size_t>(plane - done, 32768);
        uint32_t run_sum = 0, run_squares = 0;
        for (size_t i = 0; i < run; ++i) {
          const uint32_t pixel = at[i];
          run_sum += pixel;
          run_squares += pixel * pixel;
        }
        sum[channel] += run_sum;
        squares[channel] += run_squares;
        at += run;
        done += run;
      }
  }
  Normalisation measured;
  for (size_t channel = 0; channel < channels; ++channel) {
    const double pixels = static_cast<double>(indices.size()) * static_cast<double>(plane);
    const double mean = static_cast<double>(sum[channel]) / pixels;
    const double variance = static_cast<double>(squares[channel]) / pixels - mean * mean;
    measured.mean.push_back(static_cast<float>(mean / 255));
    // A channel that never changes carries nothing; it becomes 0 instead of a division by zero.
    measured.stddev.push_back(variance > 0 ? static_cast<float>(std::sqrt(variance) / 255) : 1.0f);
  }
  return measured;
}

Cut cut_validation(int64_t samples, int64_t count, uint64_t seed) {
  std::vector<int32_t> order(static_cast<size_t>(samples));
  std::iota(order.begin(), order.end(), 0);
  // The first `count` steps of a Fisher-Yates shuffle are a uniform draw without replacement.
  Rng rng(seed, stream_id("validation", "cut"));
  for (int64_t i = 0; i < count; ++i)
    std::swap(order[static_cast<size_t>(i)],
              order[static_cast<size_t>(i) + rng.below(static_cast<uint64_t>(samples - i))]);
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(count);
  Cut cut{{middle, order.end()}, {order.begin(), middle}};
  std::sort(cut.train.begin(), cut.train.end());
  std::sort(cut.validation.begin(), cut.validation.end());
  return cut;
}

Result<Dataset> load_dataset(Env& env, const std::string& spec, const DatasetOptions& options) {
  if (!(options.validation >= 0 && options.validation <= 0.9))
    return invalid("data set '" + spec + "': validation is a share of the training samples in 0..0.9, not " +
                   std::to_string(options.validation));
  if (spec == "life") return make_life(options.life, options.seed);
  TRY_ASSIGN(Dataset data, spec == "glyphs"
                               ? make_glyphs(options.glyphs_train, options.glyphs_test, options.seed)
                               : load_files(env, spec, options));
  if (data.train.indices.empty() && data.test.indices.empty()) cut_set(data, options);
  if (is_own_data(spec) && options.only_shape) return data;
  std::vector<int32_t> measured = data.train.indices;
  if (data.validation.samples == data.train.samples)
    measured.insert(measured.end(), data.validation.indices.begin(), data.validation.indices.end());
  data.normalisation = measure_normalisation(*data.train.samples, data.features, measured);
  return data;
}

}  // namespace coppice
