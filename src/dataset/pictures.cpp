// SPDX-License-Identifier: Apache-2.0
#include "dataset/pictures.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "dataset/split.h"
#include "host/threads.h"
#include "io/image.h"

namespace coppice {
namespace {

constexpr int64_t kMaxBytes = int64_t{4} << 30;  // of all pictures together, as bytes in memory
constexpr int kMaxSide = 1024;                   // of what a network sees

struct Picture {
  std::string path;
  int32_t label = 0;
  ImageInfo info;
};

// What one folder of classes holds; empty where there is none.
struct Part {
  std::string folder;
  std::vector<Picture> pictures;
};

struct Collection {
  std::vector<std::string> classes;
  Part train, validation, test;
  std::vector<Part*> parts() { return {&train, &validation, &test}; }
};

// ---- what lies where

// Folders that programs leave behind.
bool is_hidden(const std::string& name) {
  return name.starts_with('.') || name.starts_with("__") || name == "lost+found";
}

std::string suffix_of(const std::string& name) {
  std::string suffix = name.substr(std::min(name.rfind('.'), name.size()));
  for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return suffix;
}

// The name says what somebody takes for a picture; what it is will be told from its content. A file without
// such a name is looked at, and left alone if it is none.
Result<bool> is_picture(Env& env, const std::string& path, const std::string& name) {
  static const std::vector<std::string> kPictures = {".png",  ".jpg",  ".jpeg", ".jpe",  ".jfif",
                                                     ".gif",  ".bmp",  ".tif",  ".tiff", ".webp",
                                                     ".heic", ".heif", ".avif"};
  if (std::find(kPictures.begin(), kPictures.end(), suffix_of(name)) != kPictures.end()) return true;
  TRY_ASSIGN(const std::unique_ptr<ReadFile> file, env.open_read(path));
  char head[8] = {};
  if (file->size() < sizeof head) return false;
  TRY(file->read_at(0, head, sizeof head));
  return image_format({head, sizeof head}) != ImageFormat::kNone;
}

Result<std::vector<std::string>> folders_in(Env& env, const std::string& folder) {
  TRY_ASSIGN(const std::vector<std::string> names, env.list(folder));
  std::vector<std::string> folders;
  for (const std::string& name : names)
    if (!is_hidden(name) && env.is_directory(join_path(folder, name))) folders.push_back(name);
  return folders;
}

Status list_class(Env& env, const std::string& folder, int32_t label, std::vector<Picture>& pictures) {
  TRY_ASSIGN(const std::vector<std::string> names, env.list(folder));
  const size_t before = pictures.size();
  for (const std::string& name : names) {
    if (is_hidden(name)) continue;
    const std::string path = join_path(folder, name);
    if (env.is_directory(path))
      return invalid(path +
                     ": is a folder among the pictures of a class; move its pictures up, or take it away");
    TRY_ASSIGN(const bool picture, is_picture(env, path, name));
    if (picture) pictures.push_back({path, label, {}});
  }
  if (pictures.size() == before)
    return invalid(folder + ": holds no PNG or JPEG picture; fill it, or take the folder away");
  return {};
}

Status list_part(Env& env, const std::string& folder, const std::vector<std::string>& classes, Part& part) {
  part.folder = folder;
  TRY_ASSIGN(const std::vector<std::string> names, folders_in(env, folder));
  for (const std::string& name : names) {
    const auto at = std::find(classes.begin(), classes.end(), name);
    if (at == classes.end())
      return invalid(join_path(folder, name) + ": '" + name +
                     "' is not among the classes that are learnt; they are named by the folders of the "
                     "training pictures");
    TRY(list_class(env, join_path(folder, name), static_cast<int32_t>(at - classes.begin()), part.pictures));
  }
  return {};
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Fills the folders of the parts: FOLDER itself, or those inside it.
Status find_parts(const std::string& folder, const std::vector<std::string>& inside, Collection& all) {
  const char* const known[] = {"train", "val", "validation", "test"};
  if (!contains(inside, "train")) {
    for (const char* name : known)
      if (contains(inside, name))
        return invalid(join_path(folder, name) +
                       ": stands beside no folder 'train'; name the training pictures so");
    all.train.folder = folder;
    return {};
  }
  for (const std::string& name : inside)
    if (std::find(std::begin(known), std::end(known), name) == std::end(known))
      return invalid(join_path(folder, name) +
                     ": beside 'train' only validation (or val) and test have a meaning; move it away");
  if (contains(inside, "val") && contains(inside, "validation"))
    return invalid(folder + ": holds 'val' and 'validation'; make one folder of them");
  all.train.folder = join_path(folder, "train");
  for (const char* name : {"val", "validation"})
    if (contains(inside, name)) all.validation.folder = join_path(folder, name);
  if (contains(inside, "test")) all.test.folder = join_path(folder, "test");
  return {};
}

Status no_classes(Env& env, const std::string& folder) {
  TRY_ASSIGN(const std::vector<std::string> names, env.list(folder));
  for (const std::string& name : names) {
    const std::string path = join_path(folder, name);
    if (is_hidden(name) || env.is_directory(path)) continue;
    TRY_ASSIGN(const bool picture, is_picture(env, path, name));
    if (picture)
      return invalid(
          path + ": is a picture without a class; put the pictures of each class into a folder of its own");
  }
  return not_found(
      folder +
      ": holds no data set that is known here; needed is a folder of PNG or JPEG pictures for each "
      "class, or train-images-idx3-ubyte, data_batch_1.bin or train.bin, each plain or with .gz");
}

Result<Collection> collect(Env& env, const std::string& folder, const DatasetOptions& options) {
  Collection all;
  TRY_ASSIGN(const std::vector<std::string> inside, folders_in(env, folder));
  TRY(find_parts(folder, inside, all));
  TRY_ASSIGN(all.classes, folders_in(env, all.train.folder));
  if (all.classes.empty()) return no_classes(env, all.train.folder);
  if (!options.classes.empty()) all.classes = options.classes;
  if (all.classes.size() == 1)
    return invalid(all.train.folder + ": holds one class only ('" + all.classes[0] +
                   "'); a network tells at least two apart, each in a folder of its own");
  for (Part* part : all.parts())
    if (!part->folder.empty()) TRY(list_part(env, part->folder, all.classes, *part));
  return all;
}

// ---- many files at a time

// The failure of the lowest index, whatever the number of threads: what comes after it need not be done.
class FirstFailure {
 public:
  bool wanted(int32_t index) {
    const std::lock_guard lock(mutex_);
    return status_.ok() || index < index_;
  }
  void add(int32_t index, Status status) {
    const std::lock_guard lock(mutex_);
    if (!status_.ok() && index_ < index) return;
    index_ = index;
    status_ = std::move(status);
  }
  const Status& status() const { return status_; }

 private:
  std::mutex mutex_;
  int32_t index_ = 0;
  Status status_;
};

// work(picture, index) by many threads. The calling one tells what is done.
template <class Work>
Status for_each(std::vector<Picture>& pictures, const DatasetOptions& options, const Work& work) {
  constexpr int kMostThreads = 16;  // each may hold a picture of hundreds of megabytes
  struct Context {
    std::vector<Picture>& pictures;
    const DatasetOptions& options;
    const Work& work;
    FirstFailure failure;
    std::atomic<int64_t> done{0};
  } context{pictures, options, work, {}};
  const std::unique_ptr<coppice_pool, decltype(&coppice_pool_destroy)> pool(
      coppice_pool_create(std::clamp(options.threads, 1, kMostThreads)), coppice_pool_destroy);
  if (!pool) return {Code::kNoMemory, "the system gives no threads to read pictures with"};
  coppice_pool_par_for(
      pool.get(), static_cast<int32_t>(pictures.size()),
      [](void* with, int32_t item, int32_t thread) {
        auto& c = *static_cast<Context*>(with);
        if (!c.failure.wanted(item)) return;
        Status status = c.work(c.pictures[static_cast<size_t>(item)], static_cast<size_t>(item));
        if (!status.ok()) c.failure.add(item, std::move(status));
        const int64_t done = ++c.done;
        if (thread == 0 && c.options.on_progress)
          c.options.on_progress(done, static_cast<int64_t>(c.pictures.size()));
      },
      &context);
  return context.failure.status();
}

// ---- one size for all

std::string size_text(int height, int width) {
  return std::to_string(width) + " x " + std::to_string(height);
}

Status many_sizes(const std::string& folder, Collection& all) {
  std::map<std::pair<int, int>, int64_t> sizes;
  for (const Part* part : all.parts())
    for (const Picture& picture : part->pictures) ++sizes[{picture.info.height, picture.info.width}];
  const auto common = std::max_element(sizes.begin(), sizes.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto& [low, high] = std::pair(sizes.begin()->first, sizes.rbegin()->first);
  return invalid(folder + ": its pictures have " + std::to_string(sizes.size()) + " sizes, from " +
                 size_text(low.first, low.second) + " to " + size_text(high.first, high.second) + " (" +
                 std::to_string(common->second) + " are " +
                 size_text(common->first.first, common->first.second) +
                 "), a network needs one; choose it with --image-size 32 or so");
}

Result<Features> choose_features(const std::string& folder, Collection& all, const PictureOptions& options) {
  Features features{options.channels, options.height, options.width};
  const ImageInfo first = all.train.pictures[0].info;
  if (features.height == 0) {
    for (const Part* part : all.parts())
      for (const Picture& picture : part->pictures)
        if (picture.info.height != first.height || picture.info.width != first.width)
          return many_sizes(folder, all);
    features.height = first.height;
    features.width = first.width;
    if (first.height > kMaxSide || first.width > kMaxSide)
      return invalid(folder + ": its pictures of " + size_text(first.height, first.width) +
                     " are too large for a network; choose a smaller size with --image-size 64 or so");
  }
  if (features.channels == 0) {
    features.channels = 1;
    for (const Part* part : all.parts())
      for (const Picture& picture : part->pictures)
        features.channels = std::max(features.channels, picture.info.channels);
  }
  return features;
}

Status check_memory(const std::string& folder, Collection& all, const Features& features) {
  int64_t count = 0;
  for (const Part* part : all.parts()) count += static_cast<int64_t>(part->pictures.size());
  const int64_t bytes = count * features.size();
  if (bytes <= kMaxBytes) return {};
  return {Code::kNoMemory, folder + ": " + std::to_string(count) + " pictures of " +
                               size_text(features.height, features.width) + " take " +
                               std::to_string((bytes >> 20) + 1) + " MiB, at most " +
                               std::to_string(kMaxBytes >> 20) +
                               " MiB are held in memory; choose a smaller size with --image-size"};
}

// [height][width][channels] -> [channels][height][width]
void write_planes(const Image& image, uint8_t* out) {
  const auto channels = static_cast<size_t>(image.info.channels);
  const size_t plane = image.pixels.size() / channels;
  for (size_t c = 0; c < channels; ++c)
    for (size_t i = 0; i < plane; ++i) *out++ = image.pixels[i * channels + c];
}

Result<std::shared_ptr<Samples>> load_part(Env& env, Part& part, const Features& features,
                                           const DatasetOptions& options) {
  auto samples = std::make_shared<Samples>();
  for (const Picture& picture : part.pictures) samples->labels.push_back(picture.label);
  if (options.only_shape) return samples;
  const auto size = static_cast<size_t>(features.size());
  samples->pixels.resize(part.pictures.size() * size);
  TRY(for_each(part.pictures, options, [&](const Picture& picture, size_t index) -> Status {
    TRY_ASSIGN(Image image, read_image(env, picture.path));
    auto fit = fitted(with_channels(std::move(image), features.channels), features.height, features.width,
                      options.pictures.fit);
    if (!fit.ok()) return fit.status().within(picture.path);
    write_planes(*fit, samples->pixels.data() + index * size);
    return {};
  }));
  return samples;
}

}  // namespace

Result<Dataset> load_pictures(Env& env, const std::string& folder, const DatasetOptions& options) {
  TRY_ASSIGN(Collection all, collect(env, folder, options));
  for (Part* part : all.parts())
    TRY(for_each(part->pictures, options, [&](Picture& picture, size_t) -> Status {
      TRY_ASSIGN(picture.info, read_image_info(env, picture.path));
      return {};
    }));
  Dataset data;
  data.name = folder;
  data.classes = all.classes;
  data.outputs = static_cast<int>(all.classes.size());
  data.fit = options.pictures.fit;
  TRY_ASSIGN(data.features, choose_features(folder, all, options.pictures));
  TRY(check_memory(folder, all, data.features));
  TRY_ASSIGN(data.train.samples, load_part(env, all.train, data.features, options));
  for (const auto& [part, split] :
       {std::pair(&all.validation, &data.validation), std::pair(&all.test, &data.test)})
    if (!part->folder.empty()) {
      TRY_ASSIGN(split->samples, load_part(env, *part, data.features, options));
    }
  cut_own_data(data, options);
  return data;
}

}  // namespace coppice
