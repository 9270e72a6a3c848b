// SPDX-License-Identifier: Apache-2.0
#include "dataset/files.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "io/cifar.h"
#include "io/idx.h"

namespace coppice {
namespace {

constexpr const char* kFashionClasses[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                           "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

// The file of this name, plain or packed.
std::optional<std::string> find_file(Env& env, const std::string& directory, const std::string& name) {
  for (const char* suffix : {"", ".gz"})
    if (std::string path = join_path(directory, name + suffix); env.exists(path)) return path;
  return std::nullopt;
}

Result<std::string> require_file(Env& env, const std::string& directory, const std::string& name) {
  if (auto path = find_file(env, directory, name)) return *path;
  return not_found(join_path(directory, name) + ": no such file, nor with .gz, but the data set needs it");
}

struct Images {
  Features features;
  std::shared_ptr<Samples> samples;
};

Result<Images> load_idx_pair(Env& env, const std::string& directory, const std::string& stem) {
  TRY_ASSIGN(const std::string image_path, require_file(env, directory, stem + "-images-idx3-ubyte"));
  TRY_ASSIGN(const std::string label_path, require_file(env, directory, stem + "-labels-idx1-ubyte"));
  TRY_ASSIGN(IdxArray images, read_idx(env, image_path));
  TRY_ASSIGN(const IdxArray labels, read_idx(env, label_path));
  if (images.shape.size() != 3)
    return corrupt(image_path + ": has " + std::to_string(images.shape.size()) +
                   " dimensions, images need 3 (count, height, width)");
  if (labels.shape.size() != 1)
    return corrupt(label_path + ": has " + std::to_string(labels.shape.size()) +
                   " dimensions, labels need 1");
  if (labels.shape[0] != images.shape[0])
    return corrupt(label_path + ": has " + std::to_string(labels.shape[0]) + " labels for the " +
                   std::to_string(images.shape[0]) + " images of " + image_path);
  constexpr int64_t kMaxSide = 4096, kMaxCount = INT32_MAX;
  if (images.shape[0] > kMaxCount || images.shape[1] > kMaxSide || images.shape[2] > kMaxSide)
    return unsupported(image_path + ": images of " + std::to_string(images.shape[1]) + " x " +
                       std::to_string(images.shape[2]) + " are larger than 4096 x 4096");
  Images loaded{{1, static_cast<int>(images.shape[1]), static_cast<int>(images.shape[2])},
                std::make_shared<Samples>()};
  loaded.samples->pixels = std::move(images.bytes);
  loaded.samples->labels.assign(labels.bytes.begin(), labels.bytes.end());
  return loaded;
}

Result<Dataset> load_idx(Env& env, const std::string& directory, const std::string& name) {
  TRY_ASSIGN(Images train, load_idx_pair(env, directory, "train"));
  TRY_ASSIGN(Images test, load_idx_pair(env, directory, "t10k"));
  if (train.features != test.features)
    return corrupt(directory + ": the training and the test images differ in size");
  const auto largest = [](const Images& images) {
    return *std::max_element(images.samples->labels.begin(), images.samples->labels.end());
  };
  if (largest(test) > largest(train))
    return corrupt(directory + ": the test labels go up to " + std::to_string(largest(test)) +
                   ", the training labels only to " + std::to_string(largest(train)));
  Dataset data;
  data.name = name;
  data.features = train.features;
  data.outputs = largest(train) + 1;
  for (int label = 0; label < data.outputs; ++label) data.classes.push_back(std::to_string(label));
  if (name == "fashion-mnist" && data.outputs == 10)
    data.classes.assign(std::begin(kFashionClasses), std::end(kFashionClasses));
  data.train.samples = std::move(train.samples);
  data.test.samples = std::move(test.samples);
  return data;
}

// One name a line; empty lines are the end of the official files.
Result<std::vector<std::string>> load_class_names(Env& env, const std::string& path, int classes) {
  constexpr uint64_t kMaxBytes = 1 << 16;
  TRY_ASSIGN(const std::string text, read_all(env, path, kMaxBytes));
  std::vector<std::string> names;
  std::string line;
  for (const char c : text + "\n") {
    if (c != '\n' && c != '\r') {
      line += c;
    } else if (!line.empty()) {
      names.push_back(std::exchange(line, {}));
    }
  }
  if (static_cast<int>(names.size()) != classes)
    return corrupt(path + ": names " + std::to_string(names.size()) + " classes instead of " +
                   std::to_string(classes));
  return names;
}

struct CifarLayout {
  CifarKind kind;
  std::vector<std::string> train;
  std::string test, names;
};

Result<std::shared_ptr<Samples>> load_batches(Env& env, const std::string& directory, CifarKind kind,
                                              const std::vector<std::string>& names) {
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    TRY_ASSIGN(std::string path, require_file(env, directory, name));
    paths.push_back(std::move(path));
  }
  TRY_ASSIGN(CifarRecords records, read_cifar(env, paths, kind));
  auto samples = std::make_shared<Samples>();
  samples->pixels = std::move(records.pixels);
  samples->labels = std::move(records.labels);
  return samples;
}

Result<Dataset> load_cifar(Env& env, const std::string& directory, const std::string& name,
                           const CifarLayout& layout) {
  Dataset data;
  data.name = name;
  data.features = {kCifarChannels, kCifarSide, kCifarSide};
  data.outputs = cifar_classes(layout.kind);
  TRY_ASSIGN(data.train.samples, load_batches(env, directory, layout.kind, layout.train));
  TRY_ASSIGN(data.test.samples, load_batches(env, directory, layout.kind, {layout.test}));
  if (const std::string path = join_path(directory, layout.names); env.exists(path)) {
    TRY_ASSIGN(data.classes, load_class_names(env, path, data.outputs));
  } else {
    for (int label = 0; label < data.outputs; ++label) data.classes.push_back(std::to_string(label));
  }
  return data;
}

constexpr char kIdxFile[] = "train-images-idx3-ubyte";

const std::vector<CifarLayout>& cifar_layouts() {
  static const std::vector<CifarLayout> kLayouts = {
      {CifarKind::kTen,
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
       "test_batch.bin",
       "batches.meta.txt"},
      {CifarKind::kHundred, {"train.bin"}, "test.bin", "fine_label_names.txt"}};
  return kLayouts;
}

}  // namespace

bool holds_known_files(Env& env, const std::string& directory) {
  if (find_file(env, directory, kIdxFile)) return true;
  for (const CifarLayout& layout : cifar_layouts())
    if (find_file(env, directory, layout.train.front())) return true;
  return false;
}

Result<Dataset> load_directory(Env& env, const std::string& directory, const std::string& name) {
  if (find_file(env, directory, kIdxFile)) return load_idx(env, directory, name);
  for (const CifarLayout& layout : cifar_layouts())
    if (find_file(env, directory, layout.train.front())) return load_cifar(env, directory, name, layout);
  return not_found(
      directory +
      ": holds no data set that is known here; needed is train-images-idx3-ubyte, data_batch_1.bin or "
      "train.bin, each plain or with .gz");
}

}  // namespace coppice
