// SPDX-License-Identifier: Apache-2.0
#include "dataset/arrays.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "dataset/labels.h"
#include "dataset/split.h"
#include "dataset/targets.h"
#include "io/npy.h"
#include "io/zip.h"

namespace coppice {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{4} << 30;  // of all arrays
constexpr int64_t kMaxSide = 1 << 16;
constexpr int64_t kMaxNumbers = 1 << 27;  // of one sample

// What people call samples and labels: Keras, scikit-learn, MedMNIST.
struct Names {
  const char *samples, *labels;
};
constexpr Names kTrain[] = {{"x_train", "y_train"}, {"train_images", "train_labels"}, {"x", "y"}};
constexpr Names kValidation[] = {
    {"x_val", "y_val"}, {"x_validation", "y_validation"}, {"val_images", "val_labels"}};
constexpr Names kTest[] = {{"x_test", "y_test"}, {"test_images", "test_labels"}};

class Archive {
 public:
  Archive(std::string path, const ZipFile& zip) : path_(std::move(path)), zip_(zip) {}

  const ZipEntry* find(const std::string& array) const {
    for (const ZipEntry& entry : zip_.entries())
      if (lower(entry.name) == array + ".npy") return &entry;
    return nullptr;
  }
  std::string place(const std::string& array) const { return path_ + ": '" + array + "'"; }
  const std::string& path() const { return path_; }

  Result<NpyArray> read(const std::string& array) const {
    const ZipEntry* entry = find(array);
    if (entry == nullptr) return not_found(place(array) + " is missing beside the other arrays");
    TRY_ASSIGN(std::vector<uint8_t> bytes, zip_.read(*entry));
    auto parsed = parse_npy(std::move(bytes));
    if (!parsed.ok()) return parsed.status().within(place(array));
    return parsed;
  }

  std::string list() const {
    std::string names;
    for (const ZipEntry& entry : zip_.entries()) names += (names.empty() ? "" : ", ") + entry.name;
    return names.empty() ? "nothing" : names;
  }

 private:
  static std::string lower(std::string name) {
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name;
  }

  std::string path_;
  const ZipFile& zip_;
};

const Names* find_names(const Archive& archive, std::span<const Names> candidates) {
  for (const Names& names : candidates)
    if (archive.find(names.samples) != nullptr || archive.find(names.labels) != nullptr) return &names;
  return nullptr;
}

// Calls `with` for each value as a double; integers of 64 bits lose digits that no sample needs.
template <class With>
void for_each_value(const NpyArray& array, const With& with) {
  const auto walk = [&]<class T>(T value) {
    for (size_t at = 0; at + sizeof(T) <= array.bytes.size(); at += sizeof(T)) {
      std::memcpy(&value, array.bytes.data() + at, sizeof(T));
      with(static_cast<double>(value));
    }
  };
  switch (array.dtype) {
    case Dtype::kF32:
      return walk(float{});
    case Dtype::kF64:
      return walk(double{});
    case Dtype::kI8:
      return walk(int8_t{});
    case Dtype::kI16:
      return walk(int16_t{});
    case Dtype::kI32:
      return walk(int32_t{});
    case Dtype::kI64:
      return walk(int64_t{});
    case Dtype::kU16:
      return walk(uint16_t{});
    case Dtype::kU32:
      return walk(uint32_t{});
    case Dtype::kBool:
      for (const uint8_t byte : array.bytes) with(byte != 0 ? 1.0 : 0.0);
      return;
    default:
      return walk(uint8_t{});
  }
}

// How an array of samples is read.
struct Layout {
  Features features;
  bool channels_last = false;
};

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "(" + text + ")";
}

// Bytes in a row are one picture; numbers in a row are columns of a table, each with its own scale.
Result<Layout> layout_of(const NpyArray& array, const std::string& place) {
  const std::vector<int64_t>& shape = array.shape;
  if (shape.empty() || shape.size() > 4)
    return invalid(place + " has shape " + shape_text(shape) +
                   "; samples are (N, features), (N, height, width) or (N, height, width, channels)");
  int64_t numbers = 1;
  for (const int64_t& size : shape) {
    const bool first = &size == shape.data();
    if (size < 1 || (!first && size > kMaxSide))
      return invalid(place + " has shape " + shape_text(shape) + ", with a side that no sample can have");
    if (!first) numbers *= size;
  }
  if (numbers > kMaxNumbers)
    return unsupported(place + " has shape " + shape_text(shape) + ", samples of " + std::to_string(numbers) +
                       " numbers each; at most " + std::to_string(kMaxNumbers) + " are read");
  const auto side = [&](size_t axis) { return static_cast<int>(shape[axis]); };
  if (shape.size() == 1) return Layout{{1, 1, 1}};
  if (shape.size() == 2)
    return Layout{array.dtype == Dtype::kU8 ? Features{1, 1, side(1)} : Features{side(1), 1, 1}};
  if (shape.size() == 3) return Layout{{1, side(1), side(2)}};
  const auto usual = [](int channels) { return channels == 1 || channels == 3; };
  const auto possible = [](int channels) { return channels <= 4; };
  if (usual(side(3)) || (possible(side(3)) && !usual(side(1))))
    return Layout{{side(3), side(1), side(2)}, true};
  if (possible(side(1))) return Layout{{side(1), side(2), side(3)}};
  return invalid(place + " has shape " + shape_text(shape) +
                 ", where neither the second nor the last axis can be channels; save it as (N, height, "
                 "width, channels)");
}

// Walks through values as they lie in the array: where each belongs in [samples][channels][height][width].
class Places {
 public:
  explicit Places(const Layout& layout)
      : size_(static_cast<size_t>(layout.features.size())),
        channels_(layout.channels_last ? static_cast<size_t>(layout.features.channels) : 1),
        plane_(size_ / channels_) {}

  size_t sample() const { return sample_; }
  size_t next() {
    const size_t at = sample_ * size_ + channel_ * plane_ + pixel_;
    if (++channel_ == channels_) {
      channel_ = 0;
      if (++pixel_ == plane_) {
        pixel_ = 0;
        ++sample_;
      }
    }
    return at;
  }

 private:
  const size_t size_, channels_, plane_;
  size_t sample_ = 0, pixel_ = 0, channel_ = 0;
};

Result<std::shared_ptr<Samples>> samples_of(const NpyArray& array, const Layout& layout,
                                            const std::string& place) {
  auto samples = std::make_shared<Samples>();
  Places places(layout);
  if (array.dtype == Dtype::kU8) {
    samples->pixels.resize(array.bytes.size());
    for (const uint8_t byte : array.bytes) samples->pixels[places.next()] = byte;
    return samples;
  }
  const uint64_t count =
      static_cast<uint64_t>(array.shape[0]) * static_cast<uint64_t>(layout.features.size());
  if (count > kMaxBytes / sizeof(float))
    return Status(Code::kNoMemory, place + " takes more than " + std::to_string(kMaxBytes >> 20) +
                                       " MiB as floats; save pictures as uint8, or fewer samples");
  samples->numbers.resize(count);
  constexpr size_t kNone = std::numeric_limits<size_t>::max();
  size_t wrong = kNone;
  for_each_value(array, [&](double number) {
    if (!std::isfinite(static_cast<float>(number)) && wrong == kNone) wrong = places.sample();
    samples->numbers[places.next()] = static_cast<float>(number);
  });
  if (wrong != kNone)
    return corrupt(place + " holds NaN, or a number too large for 32 bits, in sample " +
                   std::to_string(wrong) + " (from 0); fill it, or take the sample out");
  return samples;
}

// The array of targets: (N) or (N, width).
struct Answers {
  std::string place;
  size_t width = 1;
  std::vector<double> values;  // [N][width]

  bool one_hot(size_t sample) const {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(sample * width),
               end = begin + static_cast<std::ptrdiff_t>(width);
    return std::count(begin, end, 1.0) == 1 &&
           std::count(begin, end, 0.0) == static_cast<std::ptrdiff_t>(width) - 1;
  }
  size_t samples() const { return values.size() / width; }
};

Result<Answers> answers_of(const NpyArray& array, const std::string& place, int64_t count) {
  constexpr int64_t kMostTargets = 1 << 16;
  const std::vector<int64_t>& shape = array.shape;
  if (shape.empty() || shape.size() > 2 || shape[0] != count ||
      (shape.size() == 2 && (shape[1] < 1 || shape[1] > kMostTargets)))
    return invalid(place + " has shape " + shape_text(shape) + ", needed is one label for each of the " +
                   std::to_string(count) + " samples, or a row of targets");
  Answers answers{place, shape.size() == 2 ? static_cast<size_t>(shape[1]) : 1, {}};
  const uint64_t values = static_cast<uint64_t>(count) * answers.width;
  if (values > kMaxBytes / sizeof(double))
    return Status(Code::kNoMemory, place + " has " + std::to_string(values) +
                                       " targets, which take more than " + std::to_string(kMaxBytes >> 20) +
                                       " MiB; save fewer samples, or fewer targets for each");
  answers.values.reserve(values);
  for_each_value(array, [&](double value) { answers.values.push_back(value); });
  return answers;
}

// What targets look like to somebody who does not know them. One whole number a sample, or a single 1 among
// zeros, is a class; several zeros and ones are labels; all else is quantities.
Task looks_like(const Answers& answers) {
  if (answers.width == 1) {
    const bool whole = std::all_of(answers.values.begin(), answers.values.end(), [](double value) {
      return std::isfinite(value) && std::floor(value) == value;
    });
    return whole ? Task::kClasses : Task::kRegression;
  }
  if (!all_zero_or_one(answers.values)) return Task::kRegression;
  for (size_t sample = 0; sample < answers.samples(); ++sample)
    if (!answers.one_hot(sample)) return Task::kLabels;
  return Task::kClasses;
}

Result<LabelTexts> texts_of(const Answers& answers, std::shared_ptr<Samples> samples) {
  LabelTexts labels{answers.place, {}, std::move(samples)};
  for (size_t sample = 0; sample < answers.samples(); ++sample) {
    const auto at = answers.values.begin() + static_cast<std::ptrdiff_t>(sample * answers.width);
    if (answers.width == 1) {
      labels.texts.push_back(number_text(*at));
      continue;
    }
    if (!answers.one_hot(sample))
      return invalid(answers.place + " has " + std::to_string(answers.width) +
                     " numbers for each sample, and those of sample " + std::to_string(sample) +
                     " are not a single 1 among zeros, which is one class; several labels are learnt with "
                     "--task labels, numbers with --task regression");
    const auto hot = std::find(at, at + static_cast<std::ptrdiff_t>(answers.width), 1.0);
    labels.texts.push_back(std::to_string(hot - at));
  }
  return labels;
}

struct Part {
  Layout layout;
  bool numbers = false;
  std::shared_ptr<Samples> samples;
  Answers answers;
};

// Targets of arrays have no names of their own: y, or y0, y1, ...
std::vector<std::string> names_of(size_t width) {
  if (width == 1) return {"y"};
  std::vector<std::string> names;
  for (size_t i = 0; i < width; ++i) names.push_back("y" + std::to_string(i));
  return names;
}

// Says what the samples of all parts teach; the first part is learnt from. Takes the values of the answers.
Status name_answers(std::vector<Part>& parts, const DatasetOptions& options, Dataset& data) {
  if (options.task.value_or(looks_like(parts.front().answers)) == Task::kClasses) {
    std::vector<LabelTexts> labels;
    for (const Part& part : parts) {
      TRY_ASSIGN(LabelTexts texts, texts_of(part.answers, part.samples));
      labels.push_back(std::move(texts));
    }
    return name_classes(labels, options.classes, data);
  }
  std::vector<TargetValues> targets;
  targets.reserve(parts.size());
  for (Part& part : parts)
    targets.push_back({part.answers.place, std::move(part.answers.values), part.samples});
  return name_targets(targets, names_of(parts.front().answers.width), options.task, data);
}

Result<Part> read_part(const Archive& archive, const Names& names) {
  Part part;
  const std::string place = archive.place(names.samples);
  TRY_ASSIGN(const NpyArray samples, archive.read(names.samples));
  TRY_ASSIGN(const NpyArray labels, archive.read(names.labels));
  TRY_ASSIGN(part.layout, layout_of(samples, place));
  if (samples.shape[0] > INT32_MAX) return unsupported(place + " has more than 2^31 samples");
  part.numbers = samples.dtype != Dtype::kU8;
  TRY_ASSIGN(part.samples, samples_of(samples, part.layout, place));
  TRY_ASSIGN(part.answers, answers_of(labels, archive.place(names.labels), samples.shape[0]));
  return part;
}

}  // namespace

Result<Dataset> load_arrays(Env& env, const std::string& path, const DatasetOptions& options) {
  TRY_ASSIGN(const ZipFile zip, ZipFile::open(env, path, kMaxBytes));
  const Archive archive(path, zip);
  const Names* train = find_names(archive, kTrain);
  if (train == nullptr)
    return invalid(path + ": holds " + archive.list() +
                   "; needed are arrays x and y, or x_train, y_train, x_test and y_test: numpy.savez(file, "
                   "x=..., y=...)");
  Dataset data;
  std::vector<Split*> splits = {&data.train};
  std::vector<Part> parts(1);
  TRY_ASSIGN(parts[0], read_part(archive, *train));
  for (const auto& [names, split] : {std::pair(find_names(archive, kValidation), &data.validation),
                                     std::pair(find_names(archive, kTest), &data.test)}) {
    if (names == nullptr) continue;
    TRY_ASSIGN(Part part, read_part(archive, *names));
    const Part& first = parts.front();
    if (!(part.layout.features == first.layout.features) || part.numbers != first.numbers)
      return invalid(archive.place(names->samples) + " has samples of another shape or type than '" +
                     train->samples + "'");
    if (part.answers.width != first.answers.width)
      return invalid(archive.place(names->labels) + " has " + std::to_string(part.answers.width) +
                     " targets for each sample, '" + train->labels + "' has " +
                     std::to_string(first.answers.width));
    parts.push_back(std::move(part));
    splits.push_back(split);
  }
  data.name = path;
  data.features = parts[0].layout.features;
  data.numbers = parts[0].numbers;
  TRY(name_answers(parts, options, data));
  for (size_t i = 0; i < splits.size(); ++i) splits[i]->samples = std::move(parts[i].samples);
  cut_own_data(data, options);
  return data;
}

}  // namespace coppice
