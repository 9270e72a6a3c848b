// SPDX-License-Identifier: Apache-2.0
// From a split of a data set to batches in the layout of the kernels: order, augmentation, normalisation,
// tiles. Every batch is a pure function of (data set, options, epoch, index): a run that resumes, prefetches
// or seeks sees the same bits as one that does not.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "dataset/dataset.h"
#include "dataset/tile.h"

namespace coppice {

struct LoaderOptions {
  int batch = 128;
  int width = 64;        // S, samples of a tile; multiples of 16 are the fast ones
  int target_width = 0;  // S of dense targets; 0: width. Where they differ both are multiples of 16
  uint64_t seed = 0;     // of the order and the augmentation
  bool shuffle = true;   // false: samples in their own order, as for evaluation
  int crop_padding = 0;  // pixels of zero around the image, from which a crop of its size is drawn
  bool flip = false;     // left and right exchanged for every other sample, drawn
  bool prefetch = true;  // a thread fills the next batch while this one is used
};

// One batch; its arrays belong to the loader. Columns after the last valid sample are 0.
struct Batch {
  int64_t epoch = 0, index = 0;  // the index-th batch of its epoch
  int samples = 0;               // valid ones: options.batch, fewer in the last batch of an epoch
  float* x = nullptr;            // [tiles][channels * height * width][S], tiles = ceil(options.batch / S)
  int32_t* labels = nullptr;     // [tiles][S], classes; or null where the targets are dense
  float* dense =
      nullptr;  // [tiles][outputs][target S], quantities normalised; or null where they are classes
  void* target() const { return labels != nullptr ? static_cast<void*>(labels) : dense; }
};

struct LoadingTimes {
  double filling = 0;  // seconds of a processor that went into batches
  double waiting = 0;  // seconds that next() waited for one
};

// Not thread-safe: one thread calls next() and seek(). Allocates only in create().
class Loader {
 public:
  // data and split (one of data's) must outlive the loader.
  static Result<std::unique_ptr<Loader>> create(const Dataset& data, const Split& split,
                                                const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  int64_t batches_per_epoch() const { return batches_; }
  int64_t samples_per_epoch() const { return split_.size(); }

  // The next batch; after the last of an epoch comes the first of the next one. Valid until the next call of
  // next() or seek().
  const Batch& next();

  // The next call of next() gives this batch; 0 <= batch < batches_per_epoch(). A new loader stands at (0,
  // 0).
  void seek(int64_t epoch, int64_t batch);

  LoadingTimes times();  // so far

 private:
  struct Free {
    void operator()(void* p) const;
  };
  struct Slot {
    Batch batch;
    std::unique_ptr<void, Free> memory;
    bool full = false;
  };

  Loader(const Dataset& data, const Split& split, const LoaderOptions& options);
  Status allocate();
  int target_width() const { return options_.target_width > 0 ? options_.target_width : options_.width; }
  void prefetch_loop();
  void advance();
  double fill(Batch& batch, int64_t epoch, int64_t index);  // the seconds of a processor that it took
  void order_for(int64_t epoch);
  void gather(int64_t epoch, int32_t place, size_t column);
  template <class T>  // a byte, or a number
  void augment(int64_t epoch, int64_t sample, const T* from, T* to) const;

  const Dataset& data_;
  const Split& split_;
  const LoaderOptions options_;
  int64_t batches_ = 0;
  std::vector<ByteScale> scales_;           // of each channel, where samples are bytes
  std::vector<NumberScale> number_scales_;  // the same where they are numbers
  std::vector<NumberScale> target_scales_;  // of each quantity

  // Touched by the filling thread only: the prefetching one, without it the caller's.
  std::vector<int32_t> order_;  // places in the split, in the order of epoch order_epoch_
  int64_t order_epoch_ = -1;
  std::vector<uint8_t> staged_;          // [16][features], samples that are generated or augmented
  std::vector<uint8_t> staged_targets_;  // [16][outputs], of generated samples
  std::vector<float> staged_numbers_;    // [16][features], samples of numbers that are augmented
  std::array<const float*, kColumnGroup> numbers_{}, quantities_{};
  std::array<const uint8_t*, kColumnGroup> pixels_{}, targets_{};  // the group of columns at work
  std::array<int32_t, kColumnGroup> labels_{};

  std::mutex mutex_;  // guards everything below; a slot that is not full belongs to the thread
  std::condition_variable changed_;
  Slot slots_[2];
  int held_ = -1;                            // the slot that the caller uses, or none
  int read_ = 0, write_ = 0;                 // the slots that are given out and filled next
  int64_t next_epoch_ = 0, next_index_ = 0;  // of the batch that is filled next
  bool filling_ = false, stop_ = false;
  LoadingTimes times_;
  std::thread thread_;
};

}  // namespace coppice
