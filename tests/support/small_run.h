// SPDX-License-Identifier: Apache-2.0
// Runs that take a fraction of a second: glyphs, a small network, few samples.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "models/json.h"
#include "train/trainer.h"

namespace coppice::testing {

// 5 updates an epoch of 64 samples, the last one short; `more` are further settings.
inline Recipe small_recipe(const std::vector<std::pair<std::string, std::string>>& more = {}) {
  std::vector<Setting> settings = {{"data", "glyphs", "test"},
                                   {"train_samples", "400", "test"},
                                   {"test_samples", "60", "test"},
                                   {"validation", "0.25", "test"},
                                   {"model", "mlp:784-32-16-10", "test"},
                                   {"density", "0.2", "test"},
                                   {"batch", "64", "test"},
                                   {"epochs", "3", "test"},
                                   {"threads", "2", "test"},
                                   {"save_every", "0", "test"}};
  for (const auto& [key, value] : more) settings.push_back({key, value, "test"});
  auto recipe = make_recipe(settings);
  EXPECT_TRUE(recipe.ok()) << recipe.status().message();
  return recipe.take();
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Values, patterns and optimizer state, bit for bit.
inline void expect_same_network(const Network& a, const Network& b) {
  ASSERT_EQ(a.params.size(), b.params.size());
  for (size_t p = 0; p < a.params.size(); ++p) {
    const Param &x = a.params[p], &y = b.params[p];
    EXPECT_EQ(x.name(), y.name());
    EXPECT_EQ(x.dims(), y.dims()) << x.name();
    if (x.is_weight()) {
      EXPECT_TRUE(x.pattern() == y.pattern()) << x.name();
    }
    EXPECT_TRUE(same_bits(x.canonical(x.value), y.canonical(y.value))) << x.name();
    EXPECT_EQ(x.moment1.empty(), y.moment1.empty()) << x.name();
    EXPECT_EQ(x.moment2.empty(), y.moment2.empty()) << x.name();
    if (!x.moment1.empty() && !y.moment1.empty()) {
      EXPECT_TRUE(same_bits(x.canonical(x.moment1), y.canonical(y.moment1))) << x.name();
    }
    EXPECT_EQ(x.born.empty(), y.born.empty()) << x.name();
    if (!x.born.empty() && !y.born.empty()) {
      EXPECT_TRUE(same_bits(x.canonical(x.born), y.canonical(y.born))) << x.name();
    }
    if (!x.moment2.empty() && !y.moment2.empty()) {
      EXPECT_TRUE(same_bits(x.canonical(x.moment2), y.canonical(y.moment2))) << x.name();
    }
  }
  ASSERT_EQ(a.states.size(), b.states.size());
  for (size_t s = 0; s < a.states.size(); ++s)
    EXPECT_TRUE(same_bits(a.states[s].canonical(a.states[s].value), b.states[s].canonical(b.states[s].value)))
        << a.states[s].name();
}

// Rows of the diary without what the clock says. Every line has to be a whole one.
inline std::vector<Json> diary(Env& env, const std::string& directory) {
  const std::string text = read_all(env, join_path(directory, kMetricsFile), 1 << 20).take();
  EXPECT_TRUE(text.ends_with("\n"));
  std::istringstream file(text);
  std::vector<Json> rows;
  for (std::string line; std::getline(file, line);) {
    auto row = parse_json("row", line);
    EXPECT_TRUE(row.ok()) << line;
    rows.push_back(row.take());
    rows.back().erase("seconds");
  }
  return rows;
}

inline Checkpoint last_of(const std::string& directory) {
  auto checkpoint = read_checkpoint(Env::system(), join_path(directory, kLastFile));
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  return checkpoint.take();
}

// State and diary of two runs, bit for bit.
inline void expect_same_run(const std::string& a, const std::string& b) {
  const Checkpoint x = last_of(a), y = last_of(b);
  expect_same_network(x.network, y.network);
  EXPECT_EQ(x.info.progress.step, y.info.progress.step);
  EXPECT_EQ(x.info.progress.best.loss, y.info.progress.best.loss);
  EXPECT_EQ(x.info.progress.best_epoch, y.info.progress.best_epoch);
  EXPECT_EQ(diary(Env::system(), a), diary(Env::system(), b));
}

// Starts a run, or goes on with the one that lies in `directory`.
inline Result<TrainReport> run(Env& env, const Recipe& recipe, const std::string& directory, bool resume,
                               const TrainCallbacks& callbacks = {}) {
  TrainRequest request{recipe, directory, std::nullopt};
  if (resume) {
    TRY_ASSIGN(request.from, read_checkpoint(env, join_path(directory, kLastFile)));
  }
  return train(env, std::move(request), callbacks);
}

}  // namespace coppice::testing
