// SPDX-License-Identifier: Apache-2.0
#include "dataset/loader.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>

#include "base/rng.h"
#include "host/usage.h"

namespace coppice {
namespace {

constexpr int kMaxBatch = 1 << 20;
constexpr int kMaxWidth = 1024;

Status check(const Dataset& data, const Split& split, const LoaderOptions& options) {
  const std::string place = "data set '" + data.name + "'";
  if (split.size() < 1) return invalid(place + ": the split is empty, so there is nothing to load");
  if (options.batch < 1 || options.batch > kMaxBatch)
    return invalid(place + ": batch must lie in 1.." + std::to_string(kMaxBatch) + ", not " +
                   std::to_string(options.batch));
  if (options.width < 1 || options.width > kMaxWidth)
    return invalid(place + ": the tile width must lie in 1.." + std::to_string(kMaxWidth) + ", not " +
                   std::to_string(options.width));
  if (options.target_width < 0 || options.target_width > kMaxWidth ||
      (options.target_width > 0 && options.target_width != options.width &&
       (options.width % kColumnGroup != 0 || options.target_width % kColumnGroup != 0)))
    return invalid(place +
                   ": the tile width of targets must be that of samples, or both be multiples of 16, not " +
                   std::to_string(options.target_width));
  const int side = std::min(data.features.height, data.features.width);
  if (options.crop_padding < 0 || options.crop_padding > side)
    return invalid(place + ": crop padding must lie in 0.." + std::to_string(side) + ", not " +
                   std::to_string(options.crop_padding));
  if ((options.crop_padding > 0 || options.flip) && data.boards())
    return invalid(place + ": crop and flip would move the image away from its dense target; leave them out");
  return {};
}

}  // namespace

void Loader::Free::operator()(void* p) const { std::free(p); }

Loader::Loader(const Dataset& data, const Split& split, const LoaderOptions& options)
    : data_(data), split_(split), options_(options) {
  batches_ = (split.size() + options.batch - 1) / options.batch;
  for (size_t channel = 0; channel < data.normalisation.mean.size(); ++channel) {
    const double mean = data.normalisation.mean[channel], stddev = data.normalisation.stddev[channel];
    scales_.push_back({static_cast<float>(1 / (255 * stddev)), static_cast<float>(-mean / stddev)});
    number_scales_.push_back({data.normalisation.mean[channel], static_cast<float>(1 / stddev)});
  }
  for (size_t i = 0; i < data.target_scale.mean.size(); ++i)
    target_scales_.push_back({data.target_scale.mean[i],
                              static_cast<float>(1 / static_cast<double>(data.target_scale.stddev[i]))});
  order_.resize(static_cast<size_t>(split.size()));
  const size_t staged = kColumnGroup * static_cast<size_t>(data.features.size());
  if (data.numbers)
    staged_numbers_.resize(options.crop_padding > 0 || options.flip ? staged : 0);
  else if (split.generate || options.crop_padding > 0 || options.flip)
    staged_.resize(staged);
  if (split.generate) staged_targets_.resize(kColumnGroup * static_cast<size_t>(data.outputs));
}

Result<std::unique_ptr<Loader>> Loader::create(const Dataset& data, const Split& split,
                                               const LoaderOptions& options) {
  TRY(check(data, split, options));
  std::unique_ptr<Loader> loader(new Loader(data, split, options));
  TRY(loader->allocate());
  if (options.prefetch) {
    try {
      loader->thread_ = std::thread(&Loader::prefetch_loop, loader.get());
    } catch (const std::system_error&) {
      return Status(Code::kNoMemory, "data set '" + data.name +
                                         "': the system gives no thread for prefetching; load without it");
    }
  }
  return loader;
}

Loader::~Loader() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Status Loader::allocate() {
  constexpr int64_t kLine = 64;
  const auto columns_of = [&](int width) { return int64_t{(options_.batch + width - 1) / width} * width; };
  const int64_t columns = columns_of(options_.width),
                target_columns = std::max(columns, columns_of(target_width()));
  const auto rounded = [](int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; };
  const int64_t x_bytes = rounded(columns * data_.features.size() * 4);
  const int64_t target_bytes = rounded(target_columns * (data_.dense_targets() ? data_.outputs : 1) * 4);
  for (Slot& slot : slots_) {
    slot.memory.reset(std::aligned_alloc(kLine, static_cast<size_t>(x_bytes + target_bytes)));
    if (!slot.memory)
      return {Code::kNoMemory, "data set '" + data_.name + "': no memory for batches of " +
                                   std::to_string(options_.batch) + " samples; use a smaller batch"};
    auto* base = static_cast<std::byte*>(slot.memory.get());
    slot.batch.x = reinterpret_cast<float*>(base);
    // Tiles of targets may reach beyond those of samples, where nobody writes.
    std::memset(base + x_bytes, 0, static_cast<size_t>(target_bytes));
    if (data_.dense_targets())
      slot.batch.dense = reinterpret_cast<float*>(base + x_bytes);
    else
      slot.batch.labels = reinterpret_cast<int32_t*>(base + x_bytes);
    if (!options_.prefetch) break;  // one slot is enough
  }
  return {};
}

void Loader::advance() {
  if (++next_index_ < batches_) return;
  next_index_ = 0;
  ++next_epoch_;
}

const Batch& Loader::next() {
  if (!options_.prefetch) {
    times_.filling += fill(slots_[0].batch, next_epoch_, next_index_);
    advance();
    return slots_[0].batch;
  }
  std::unique_lock lock(mutex_);
  if (held_ >= 0) {
    slots_[held_].full = false;
    changed_.notify_all();
  }
  if (!slots_[read_].full) {
    const auto begin = std::chrono::steady_clock::now();
    changed_.wait(lock, [this] { return slots_[read_].full; });
    times_.waiting += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  held_ = std::exchange(read_, read_ ^ 1);
  return slots_[held_].batch;
}

void Loader::seek(int64_t epoch, int64_t batch) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !filling_; });
  slots_[0].full = slots_[1].full = false;
  held_ = -1;
  read_ = write_ = 0;
  next_epoch_ = epoch;
  next_index_ = batch;
  changed_.notify_all();
}

LoadingTimes Loader::times() {
  const std::lock_guard lock(mutex_);
  return times_;
}

void Loader::prefetch_loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !slots_[write_].full; });
    if (stop_) return;
    Slot& slot = slots_[write_];
    const int64_t epoch = next_epoch_, index = next_index_;
    filling_ = true;
    lock.unlock();
    const double seconds = fill(slot.batch, epoch, index);
    lock.lock();
    times_.filling += seconds;
    filling_ = false;
    slot.full = true;
    write_ ^= 1;
    advance();
    changed_.notify_all();
  }
}

void Loader::order_for(int64_t epoch) {
  if (epoch == order_epoch_) return;
  order_epoch_ = epoch;
  std::iota(order_.begin(), order_.end(), 0);
  if (!options_.shuffle) return;
  Rng rng(options_.seed, stream_id("shuffle", static_cast<uint64_t>(epoch)));
  for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng.below(i)]);
}

template <class T>
void Loader::augment(int64_t epoch, int64_t sample, const T* from, T* to) const {
  const auto words = philox(options_.seed, stream_id("augment", static_cast<uint64_t>(epoch)),
                            static_cast<uint64_t>(sample));
  const int height = data_.features.height, width = data_.features.width, padding = options_.crop_padding;
  const auto offset = [padding](uint32_t word) {
    return static_cast<int>((uint64_t{word} * static_cast<uint64_t>(2 * padding + 1)) >> 32) - padding;
  };
  const int dy = offset(words[0]), dx = offset(words[1]);
  const bool flip = options_.flip && (words[2] & 1) != 0;
  // Columns [begin, end) of a cropped row lie inside the image.
  const int begin = std::max(0, -dx), end = std::min(width, width - dx);
  for (int channel = 0; channel < data_.features.channels; ++channel, from += height * width)
    for (int y = 0; y < height; ++y, to += width) {
      if (y + dy < 0 || y + dy >= height) {
        std::fill(to, to + width, T{0});
        continue;
      }
      const T* row = from + (y + dy) * width + dx;
      std::fill(to, to + begin, T{0});
      std::copy(row + begin, row + end, to + begin);
      std::fill(to + end, to + width, T{0});
      if (flip) std::reverse(to, to + width);
    }
}

void Loader::gather(int64_t epoch, int32_t place, size_t column) {
  const auto features = static_cast<size_t>(data_.features.size()),
             outputs = static_cast<size_t>(data_.outputs);
  if (split_.generate) {
    uint8_t* const staged = staged_.data() + column * features;
    uint8_t* const targets = staged_targets_.data() + column * outputs;
    split_.generate(epoch, place, staged, targets);
    pixels_[column] = staged;
    targets_[column] = targets;
    return;
  }
  const auto sample = static_cast<size_t>(split_.indices[static_cast<size_t>(place)]);
  const auto take = [&](const auto& all, auto& staged, auto& columns) {
    columns[column] = all.data() + sample * features;
    if (options_.crop_padding == 0 && !options_.flip) return;
    augment(epoch, static_cast<int64_t>(sample), columns[column], staged.data() + column * features);
    columns[column] = staged.data() + column * features;
  };
  if (data_.numbers)
    take(split_.samples->numbers, staged_numbers_, numbers_);
  else
    take(split_.samples->pixels, staged_, pixels_);
  if (data_.task == Task::kClasses)
    labels_[column] = split_.samples->labels[sample];
  else if (data_.task == Task::kLabels)
    targets_[column] = split_.samples->targets.data() + sample * outputs;
  else
    quantities_[column] = split_.samples->quantities.data() + sample * outputs;
}

double Loader::fill(Batch& batch, int64_t epoch, int64_t index) {
  constexpr ByteScale kAsIs[] = {{1.0f, 0.0f}};
  const double began = coppice_host_thread_seconds();
  order_for(epoch);
  const int64_t first = index * options_.batch;
  batch.epoch = epoch;
  batch.index = index;
  batch.samples = static_cast<int>(std::min<int64_t>(options_.batch, split_.size() - first));
  const int width = options_.width, tiles = (options_.batch + width - 1) / width;
  for (int tile = 0; tile < tiles; ++tile)
    for (int column = 0; column < width; column += kColumnGroup) {
      const int columns = std::min(kColumnGroup, width - column), begin = tile * width + column;
      const int valid = std::clamp(batch.samples - begin, 0, columns);
      for (int c = 0; c < valid; ++c)
        gather(epoch, order_[static_cast<size_t>(first + begin + c)], static_cast<size_t>(c));
      const auto tile_at = [&](float* base, int rows) {
        return base + int64_t{tile} * rows * width + column;
      };
      float* const x = tile_at(batch.x, data_.features.size());
      if (data_.numbers)
        fill_columns(numbers_, valid, columns, number_scales_, data_.features.plane(), x, width);
      else
        fill_columns(pixels_, valid, columns, scales_, data_.features.plane(), x, width);
      if (data_.task == Task::kClasses) {
        int32_t* const labels = batch.labels + begin;
        std::copy(labels_.begin(), labels_.begin() + valid, labels);
        std::fill(labels + valid, labels + columns, 0);
        continue;
      }
      float* const dense = batch.dense + int64_t{begin / target_width() * target_width()} * data_.outputs +
                           begin % target_width();
      if (data_.task == Task::kLabels)
        fill_columns(targets_, valid, columns, kAsIs, data_.outputs, dense, target_width());
      else
        fill_columns(quantities_, valid, columns, target_scales_, 1, dense, target_width());
    }
  return coppice_host_thread_seconds() - began;
}

}  // namespace coppice
