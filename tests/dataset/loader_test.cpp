// SPDX-License-Identifier: Apache-2.0
#include "dataset/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "dataset/life.h"
#include "support/count_allocations.h"

namespace coppice {
namespace {

// A set of random images whose label is their number, so that a test knows a sample when it sees it.
Dataset numbered(int count, Features features = {3, 5, 7}) {
  auto samples = std::make_shared<Samples>();
  Rng rng(11, stream_id("test", "pixels"));
  samples->pixels.resize(static_cast<size_t>(count * features.size()));
  for (uint8_t& pixel : samples->pixels) pixel = static_cast<uint8_t>(1 + rng.below(255));
  samples->labels.resize(static_cast<size_t>(count));
  std::iota(samples->labels.begin(), samples->labels.end(), 0);
  Dataset data;
  data.name = "numbered";
  data.features = features;
  data.outputs = count;
  for (int i = 0; i < count; ++i) data.classes.push_back(std::to_string(i));
  for (int c = 0; c < features.channels; ++c) {
    data.normalisation.mean.push_back(0.1f * static_cast<float>(c + 1));
    data.normalisation.stddev.push_back(0.5f + 0.25f * static_cast<float>(c));
  }
  data.train.indices.resize(static_cast<size_t>(count));
  std::iota(data.train.indices.begin(), data.train.indices.end(), 0);
  data.train.samples = std::move(samples);
  return data;
}

float normalised(const Dataset& data, int channel, uint8_t pixel) {
  const auto c = static_cast<size_t>(channel);
  return (static_cast<float>(pixel) / 255 - data.normalisation.mean[c]) / data.normalisation.stddev[c];
}

struct Copy {
  int64_t epoch, index;
  int samples;
  std::vector<float> x;
  std::vector<int32_t> labels;
  bool operator==(const Copy&) const = default;
};

Copy copy_of(const Batch& batch, const Dataset& data, const LoaderOptions& options) {
  const auto columns =
      static_cast<size_t>((options.batch + options.width - 1) / options.width * options.width);
  Copy copy{batch.epoch, batch.index, batch.samples, {}, {}};
  copy.x.assign(batch.x, batch.x + columns * static_cast<size_t>(data.features.size()));
  if (batch.labels != nullptr) copy.labels.assign(batch.labels, batch.labels + columns);
  return copy;
}

float at(const Batch& batch, const Dataset& data, int width, int sample, int feature) {
  return batch.x[(int64_t{sample / width} * data.features.size() + feature) * width + sample % width];
}

TEST(Loader, LaysSamplesOutInTilesAndPadsWithZero) {
  const Dataset data = numbered(150);
  for (const int width : {1, 10, 16, 32, 64}) {
    LoaderOptions options;
    options.batch = 100;
    options.width = width;
    options.shuffle = false;
    const auto loader = Loader::create(data, data.train, options).take();
    ASSERT_EQ(loader->batches_per_epoch(), 2);
    for (int index = 0; index < 2; ++index) {
      const Batch& batch = loader->next();
      ASSERT_EQ(batch.samples, index == 0 ? 100 : 50);
      const int columns = (options.batch + width - 1) / width * width;
      for (int sample = 0; sample < columns; ++sample) {
        const int label = index * 100 + sample;
        ASSERT_EQ(batch.labels[sample], sample < batch.samples ? label : 0);
        for (int f = 0; f < data.features.size(); ++f) {
          const float value = at(batch, data, width, sample, f);
          if (sample >= batch.samples) {
            ASSERT_EQ(value, 0.0f);
            continue;
          }
          const uint8_t pixel =
              data.train.samples->pixels[static_cast<size_t>(label * data.features.size() + f)];
          ASSERT_NEAR(value, normalised(data, f / data.features.plane(), pixel), 1e-6)
              << width << " " << sample;
        }
      }
    }
  }
}

std::vector<int32_t> epoch_order(Loader& loader, int64_t epoch) {
  std::vector<int32_t> order;
  loader.seek(epoch, 0);
  for (int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
    const Batch& batch = loader.next();
    EXPECT_EQ(batch.epoch, epoch);
    EXPECT_EQ(batch.index, i);
    order.insert(order.end(), batch.labels, batch.labels + batch.samples);
  }
  return order;
}

TEST(Loader, ShufflesEachEpochAnewAndLosesNoSample) {
  const Dataset data = numbered(203);
  LoaderOptions options;
  options.batch = 20;
  options.width = 32;
  options.seed = 1;
  const auto loader = Loader::create(data, data.train, options).take();
  std::set<std::vector<int32_t>> orders;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    auto order = epoch_order(*loader, epoch);
    EXPECT_EQ(order, epoch_order(*loader, epoch));
    orders.insert(order);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, data.train.indices);
  }
  options.seed = 2;
  orders.insert(epoch_order(*Loader::create(data, data.train, options).take(), 0));
  orders.insert(data.train.indices);
  EXPECT_EQ(orders.size(), 5u) << "two epochs or seeds have the same order, or none";
}

TEST(Loader, PrefetchingAndSeekingChangeNoBit) {
  const Dataset data = numbered(75);
  LoaderOptions options;
  options.batch = 16;
  options.width = 16;
  options.crop_padding = 2;
  options.flip = true;
  options.prefetch = false;
  const auto plain = Loader::create(data, data.train, options).take();
  options.prefetch = true;
  const auto prefetching = Loader::create(data, data.train, options).take();
  std::vector<Copy> batches;
  for (int i = 0; i < 13; ++i) {
    batches.push_back(copy_of(plain->next(), data, options));
    EXPECT_EQ(copy_of(prefetching->next(), data, options), batches.back()) << "batch " << i;
  }
  for (const size_t i : {size_t{7}, size_t{0}, size_t{12}, size_t{12}, size_t{4}}) {
    prefetching->seek(static_cast<int64_t>(i) / 5, static_cast<int64_t>(i) % 5);
    EXPECT_EQ(copy_of(prefetching->next(), data, options), batches[i]);
    const Copy following = copy_of(prefetching->next(), data, options);
    if (i < 12) {
      EXPECT_EQ(following, batches[i + 1]);
    }
  }
}

// All the images that a sample turned into, keyed by (epoch, label).
std::map<std::pair<int64_t, int32_t>, std::vector<float>> augmented(const Dataset& data,
                                                                    LoaderOptions options) {
  options.width = 16;
  options.crop_padding = 2;
  options.flip = true;
  const auto loader = Loader::create(data, data.train, options).take();
  std::map<std::pair<int64_t, int32_t>, std::vector<float>> images;
  for (int64_t i = 0; i < 20 * loader->batches_per_epoch(); ++i) {
    const Batch& batch = loader->next();
    for (int sample = 0; sample < batch.samples; ++sample) {
      std::vector<float>& image = images[{batch.epoch, batch.labels[sample]}];
      for (int f = 0; f < data.features.size(); ++f) image.push_back(at(batch, data, 16, sample, f));
    }
  }
  return images;
}

TEST(Loader, AugmentationDependsOnlyOnSeedEpochAndSample) {
  const Dataset data = numbered(23);
  LoaderOptions small, large, other;
  small.batch = 3;
  large.batch = 23;
  large.shuffle = false;
  other.batch = 23;
  other.seed = 1;
  EXPECT_EQ(augmented(data, small), augmented(data, large));
  EXPECT_NE(augmented(data, small), augmented(data, other));
}

// Each image must be one of the 5 x 5 x 2 that cropping from a border of two zeros and flipping can give.
TEST(Loader, AugmentationDrawsEveryCropAndFlip) {
  const Dataset data = numbered(23);
  const Features shape = data.features;
  std::set<std::array<int, 3>> drawn;
  const auto image_of = [&](int32_t label, int dy, int dx, bool flip) {
    std::vector<float> image;
    for (int c = 0; c < shape.channels; ++c)
      for (int y = 0; y < shape.height; ++y)
        for (int x = 0; x < shape.width; ++x) {
          const int from_y = y + dy, from_x = (flip ? shape.width - 1 - x : x) + dx;
          const bool inside = from_y >= 0 && from_y < shape.height && from_x >= 0 && from_x < shape.width;
          const int place = (c * shape.height + from_y) * shape.width + from_x;
          const uint8_t pixel =
              inside ? data.train.samples->pixels[static_cast<size_t>(label * shape.size() + place)] : 0;
          image.push_back(normalised(data, c, pixel));
        }
    return image;
  };
  const auto near = [](const std::vector<float>& a, const std::vector<float>& b) {
    return std::equal(a.begin(), a.end(), b.begin(),
                      [](float p, float q) { return std::abs(p - q) < 1e-5f; });
  };
  for (const auto& [key, image] : augmented(data, {})) {
    int matches = 0;
    for (int dy = -2; dy <= 2; ++dy)
      for (int dx = -2; dx <= 2; ++dx)
        for (const bool flip : {false, true})
          if (near(image, image_of(key.second, dy, dx, flip))) {
            ++matches;
            drawn.insert({dy, dx, flip});
          }
    ASSERT_EQ(matches, 1) << "epoch " << key.first << " label " << key.second;
  }
  EXPECT_EQ(drawn.size(), 50u) << "460 draws should meet all crops and flips";
}

TEST(Loader, DrawsLifeAnewInEachEpoch) {
  LifeOptions life;
  life.height = 5;
  life.width = 6;
  life.train = 40;
  life.validation = life.test = 24;
  const Dataset data = make_life(life, 1).take();
  LoaderOptions options;
  options.batch = 24;
  options.width = 16;
  for (const Split* split : {&data.train, &data.validation}) {
    const auto loader = Loader::create(data, *split, options).take();
    std::vector<std::vector<float>> first_batches;
    for (int64_t epoch = 0; epoch < 2; ++epoch) {
      loader->seek(epoch, 0);
      const Batch& batch = loader->next();
      ASSERT_EQ(batch.labels, nullptr);
      first_batches.push_back(copy_of(batch, data, options).x);
      for (int sample = 0; sample < batch.samples; ++sample) {
        std::array<uint8_t, 30> board{}, next{};
        for (int f = 0; f < 30; ++f) {
          const float cell = at(batch, data, 16, sample, f);
          ASSERT_TRUE(cell == 0.0f || cell == 1.0f) << "cells must be exact, not " << cell;
          board[static_cast<size_t>(f)] = cell != 0;
        }
        life_step(board.data(), 5, 6, next.data());
        for (int f = 0; f < 30; ++f)
          ASSERT_EQ(batch.dense[(sample / 16 * 30 + f) * 16 + sample % 16], next[static_cast<size_t>(f)]);
      }
    }
    EXPECT_NE(first_batches[0], first_batches[1]);
  }
}

TEST(Loader, AllocatesNothingOnceItRuns) {
  LifeOptions life;
  life.train = 100;
  const Dataset boards = make_life(life, 1).take();
  const Dataset images = numbered(100);
  for (const Dataset* data : {&boards, &images})
    for (const bool prefetch : {false, true}) {
      LoaderOptions options;
      options.batch = 16;
      options.width = 16;
      options.crop_padding = data == &images ? 1 : 0;
      options.prefetch = prefetch;
      const auto loader = Loader::create(*data, data->train, options).take();
      for (int i = 0; i < 3; ++i) loader->next();
      const int64_t before = testing::allocations;
      for (int i = 0; i < 30; ++i) loader->next();
      EXPECT_EQ(testing::allocations, before) << data->name << (prefetch ? " with prefetch" : "");
    }
}

TEST(Loader, StopsWhereverItStands) {
  const Dataset data = numbered(64);
  LoaderOptions options;
  options.batch = 8;
  for (int taken = 0; taken < 50; ++taken) {
    const auto loader = Loader::create(data, data.train, options).take();
    for (int i = 0; i < taken % 5; ++i) loader->next();
    if (taken % 2 == 0) loader->seek(taken, taken % 8);
  }
}

TEST(Loader, RefusesWhatCannotBeMeantWithASentence) {
  const Dataset data = numbered(10);
  const Dataset life = make_life({}, 0).take();
  const auto message = [](const Dataset& from, auto change) {
    LoaderOptions options;
    change(options);
    return Loader::create(from, from.train, options).status().message();
  };
  EXPECT_NE(message(data, [](LoaderOptions& o) { o.batch = 0; }).find("batch"), std::string::npos);
  EXPECT_NE(message(data, [](LoaderOptions& o) { o.width = 0; }).find("width"), std::string::npos);
  EXPECT_NE(message(data, [](LoaderOptions& o) { o.crop_padding = 9; }).find("0..5"), std::string::npos);
  EXPECT_NE(message(life, [](LoaderOptions& o) { o.flip = true; }).find("dense target"), std::string::npos);
  EXPECT_NE(Loader::create(data, data.test, {}).status().message().find("empty"), std::string::npos);
}

TEST(Loader, CountsTheTimeThatBatchesTake) {
  const Dataset data = numbered(500);
  for (const bool prefetch : {false, true}) {
    LoaderOptions options;
    options.prefetch = prefetch;
    const auto loader = Loader::create(data, data.train, options).take();
    double before = 0;
    for (int i = 0; i < 20; ++i) {
      loader->next();
      const LoadingTimes times = loader->times();
      EXPECT_GT(times.filling, before);  // the batch at hand has been filled since
      before = prefetch ? 0 : times.filling;
      EXPECT_GE(times.waiting, 0);
      EXPECT_TRUE(prefetch || times.waiting == 0);
    }
  }
}

}  // namespace
}  // namespace coppice
