// SPDX-License-Identifier: Apache-2.0
#include "train/sample_files.h"

#include <algorithm>
#include <string_view>

#include "io/csv.h"
#include "io/image.h"
#include "io/npy.h"
#include "io/resize.h"

namespace coppice {
namespace {

constexpr float kWhite = 255.0f;

// `numbers` are v / 255 of a byte v, or numbers as they come.
void normalise(const Preprocessing& model, std::vector<float>& numbers) {
  const auto plane = static_cast<size_t>(model.features.plane()),
             channels = static_cast<size_t>(model.features.channels);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const size_t channel = i / plane % channels;
    numbers[i] = (numbers[i] - model.normalisation.mean[channel]) / model.normalisation.stddev[channel];
  }
}

Result<std::vector<float>> from_picture(Env& env, const std::string& path, const Preprocessing& model) {
  const Features& f = model.features;
  if (model.numbers) return invalid("is a picture; the network takes numbers, of a .npy or .csv file");
  if (f.channels != 1 && f.channels != 3)
    return invalid("is a picture; the network takes samples of " + std::to_string(f.channels) + " channels");
  TRY_ASSIGN(Image image, read_image(env, path));
  TRY_ASSIGN(image, fitted(with_channels(std::move(image), f.channels), f.height, f.width,
                           model.fit.value_or(Fit::kCrop)));
  std::vector<float> out(static_cast<size_t>(f.size()));
  for (int c = 0; c < f.channels; ++c)
    for (int p = 0; p < f.plane(); ++p)
      out[static_cast<size_t>(c * f.plane() + p)] =
          static_cast<float>(image.pixels[static_cast<size_t>(p * f.channels + c)]) / kWhite;
  return out;
}

Result<std::vector<float>> from_array(Env& env, const std::string& path, const Preprocessing& model) {
  TRY_ASSIGN(const NpyArray array, read_npy(env, path));
  std::vector<float> out;
  if (array.dtype == Dtype::kU8) {
    TRY_ASSIGN(const std::vector<uint8_t> bytes, array.values<uint8_t>());
    out.assign(bytes.begin(), bytes.end());
    if (!model.numbers)
      for (float& number : out) number /= kWhite;
  } else if (array.dtype == Dtype::kF64) {
    TRY_ASSIGN(const std::vector<double> numbers, array.values<double>());
    for (const double number : numbers) out.push_back(static_cast<float>(number));
  } else {
    TRY_ASSIGN(out, array.values<float>());
  }
  if (out.empty() || out.size() % static_cast<size_t>(model.features.size()) != 0)
    return invalid("holds " + std::to_string(out.size()) + " numbers; a sample has " +
                   std::to_string(model.features.size()));
  return out;
}

// Which column each feature is, of a table with a headline; else in their order.
Result<std::vector<size_t>> columns_of(const std::vector<std::string_view>& first, bool names,
                                       const Preprocessing& model) {
  const std::vector<std::string>& wanted = model.columns.features;
  std::vector<size_t> columns;
  if (names && !wanted.empty()) {
    for (const std::string& name : wanted) {
      const auto at = std::find(first.begin(), first.end(), name);
      if (at == first.end()) return invalid("has no column '" + name + "', which the network takes");
      columns.push_back(static_cast<size_t>(at - first.begin()));
    }
    return columns;
  }
  if (first.size() != static_cast<size_t>(model.features.size()))
    return invalid("has " + std::to_string(first.size()) + " columns; a sample has " +
                   std::to_string(model.features.size()) + " numbers");
  for (size_t c = 0; c < first.size(); ++c) columns.push_back(c);
  return columns;
}

Result<std::vector<float>> from_table(Env& env, const std::string& path, const Preprocessing& model) {
  TRY_ASSIGN(CsvReader csv, CsvReader::open(env, path));
  std::vector<std::string_view> fields;
  TRY_ASSIGN(bool more, csv.next(fields));
  if (!more) return invalid("has no rows");
  float number = 0;
  const bool names = std::none_of(fields.begin(), fields.end(),
                                  [&](std::string_view field) { return parse_csv_number(field, &number); });
  TRY_ASSIGN(const std::vector<size_t> columns, columns_of(fields, names, model));
  if (names) {
    TRY_ASSIGN(more, csv.next(fields));
  }
  std::vector<float> out;
  while (more) {
    for (const size_t column : columns) {
      if (!parse_csv_number(fields[column], &number))
        return invalid("'" + std::string(fields[column]) + "' in " + csv.place() + " is not a number");
      out.push_back(model.numbers ? number : number / kWhite);
    }
    TRY_ASSIGN(more, csv.next(fields));
  }
  if (out.empty()) return invalid("has names of columns, but no rows");
  return out;
}

}  // namespace

Result<std::vector<float>> read_samples(Env& env, const std::string& path, const Preprocessing& model) {
  auto numbers = path.ends_with(".npy")   ? from_array(env, path, model)
                 : path.ends_with(".csv") ? from_table(env, path, model)
                                          : from_picture(env, path, model);
  if (!numbers.ok()) {
    const std::string& why = numbers.status().message();
    return why.find(path) == std::string::npos ? numbers.status().within(path) : numbers.status();
  }
  normalise(model, *numbers);
  return numbers;
}

}  // namespace coppice
