// SPDX-License-Identifier: Apache-2.0
#include "dataset/dataset.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "base/rng.h"
#include "dataset/arrays.h"
#include "dataset/files.h"
#include "dataset/glyphs.h"
#include "dataset/life.h"
#include "dataset/pictures.h"
#include "dataset/split.h"
#include "dataset/table.h"

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
    // Where `coppice data get` puts it; from a checkout, from its build folder, and from a folder of a preset
    // in there.
    places = {"data", "../shared/data", "../../shared/data", "../../../shared/data"};
  }
  std::string looked;
  for (const std::string& place : places) {
    std::string folder = join_path(place, name);
    if (env.is_directory(folder)) return folder;
    looked += (looked.empty() ? "" : ", ") + folder;
  }
  return not_found(
      "data set '" + name + "': not found (looked for " + looked +
      "); fetch it with `coppice data get` if that knows it, set COPPICE_DATA to the folder that holds " +
      name + "/, give the path of its files, or use glyphs or life, which need no files");
}

bool is_named(const std::string& spec) {
  return std::find(std::begin(kNamedSets), std::end(kNamedSets), spec) != std::end(kNamedSets);
}

// Options that mean nothing for this source are mistakes where somebody chose them.
Status check_options(const std::string& spec, const DatasetOptions& options, bool pictures, bool table) {
  const PictureOptions& p = options.pictures;
  if (!pictures && options.classes.empty() && (p.height > 0 || p.channels > 0))
    return invalid("data set '" + spec + "': is no folder of pictures, so leave out image_size and grey");
  if (!table)
    for (const auto& [name, value] :
         {std::pair("label", &options.label), std::pair("target", &options.target)})
      if (!value->empty())
        return invalid("data set '" + spec + "': has no columns, so leave out " + name +
                       ", which names those of a CSV file");
  return {};
}

bool ends_with(const std::string& name, const char* suffix) {
  const std::string_view end(suffix);
  return name.size() >= end.size() &&
         std::equal(end.begin(), end.end(), name.end() - static_cast<std::ptrdiff_t>(end.size()),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

// The content decides where it can: a CSV file is known by its name alone.
Result<Dataset> load_file(Env& env, const std::string& path, const DatasetOptions& options) {
  TRY_ASSIGN(const std::unique_ptr<ReadFile> file, env.open_read(path));
  std::string head(std::min<uint64_t>(file->size(), 6), '\0');
  TRY(file->read_at(0, head.data(), head.size()));
  if (head.starts_with("PK")) {
    TRY(check_options(path, options, false, false));
    return load_arrays(env, path, options);
  }
  if (head.starts_with("\x93NUMPY"))
    return unsupported(
        path + ": is one array; save samples and labels together with numpy.savez(file, x=..., y=...)");
  for (const char* suffix : {".csv", ".tsv", ".txt", ".data"})
    if (ends_with(path, suffix)) return load_table(env, path, options);
  return unsupported(path +
                     ": is neither a .npz nor a .csv file; `coppice train --help` says what data can be");
}

Result<Dataset> load_files(Env& env, const std::string& spec, const DatasetOptions& options) {
  if (is_named(spec)) {
    TRY_ASSIGN(const std::string folder, find_named(env, spec, options.directory));
    return load_directory(env, folder, spec);
  }
  if (!env.exists(spec))
    return not_found("data set '" + spec +
                     "': is neither glyphs, life, fashion-mnist, mnist, cifar10, cifar100 nor a file or "
                     "folder that is there");
  if (!env.is_directory(spec)) {
    TRY(check_options(spec, options, false, true));
    return load_file(env, spec, options);
  }
  if (options.task.value_or(Task::kClasses) != Task::kClasses)
    return invalid("data set '" + spec + "': a folder teaches classes; put pictures and " +
                   task_name(*options.task) + " into a .npz file");
  const bool known = holds_known_files(env, spec);
  TRY(check_options(spec, options, !known, false));
  return known ? load_directory(env, spec, spec) : load_pictures(env, spec, options);
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

Normalisation measure_numbers(std::span<const float> numbers, const Features& features,
                              std::span<const int32_t> indices) {
  const auto channels = static_cast<size_t>(features.channels), plane = static_cast<size_t>(features.plane());
  // Two passes: a mean that is large beside the deviation costs no digits.
  const auto sum_of = [&](size_t channel, double mean, bool squares) {
    double sum = 0;
    for (const int32_t sample : indices) {
      const float* at = numbers.data() + (static_cast<size_t>(sample) * channels + channel) * plane;
      for (size_t i = 0; i < plane; ++i) {
        const double off = static_cast<double>(at[i]) - mean;
        sum += squares ? off * off : off;
      }
    }
    return sum / (static_cast<double>(indices.size()) * static_cast<double>(plane));
  };
  Normalisation measured;
  for (size_t channel = 0; channel < channels; ++channel) {
    const double mean = sum_of(channel, 0, false), deviation = std::sqrt(sum_of(channel, mean, true));
    measured.mean.push_back(static_cast<float>(mean));
    // What never changes carries nothing, and what is left of rounding should not look as if it did.
    const bool constant = !(deviation > std::abs(mean) * 1e-12) || static_cast<float>(deviation) < 1e-30f;
    measured.stddev.push_back(constant ? 1.0f : static_cast<float>(deviation));
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
  data.normalisation = data.numbers ? measure_numbers(data.train.samples->numbers, data.features, measured)
                                    : measure_normalisation(*data.train.samples, data.features, measured);
  if (data.task == Task::kRegression)
    data.target_scale = measure_numbers(data.train.samples->quantities, {data.outputs, 1, 1}, measured);
  return data;
}

}  // namespace coppice
