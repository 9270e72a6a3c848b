// SPDX-License-Identifier: Apache-2.0
// A recipe: everything that decides how a run goes. One table of keys is behind the TOML file, the flags of
// the command line, their help and docs/recipe.md.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataset/dataset.h"
#include "exec/network.h"
#include "optim/optimizer.h"
#include "sparsify/sparsifier.h"

namespace coppice {

struct TomlNode;

struct Recipe {
  // What is learnt from.
  std::string data = "glyphs", data_dir, val_data;
  uint64_t data_seed = 0;
  double validation = 0.1, test_share = 0.1;
  int64_t train_samples = 0, test_samples = 0;  // of a generated set; 0: as many as the set has by itself
  int64_t life_steps = 1, life_side = 16;
  double life_density = 0;
  int64_t image_height = 0, image_width = 0;  // 0: the size that all pictures have
  Fit resize = Fit::kCrop;
  bool grey = false;
  std::string label, target;
  std::optional<Task> task;  // of own data; empty: as it looks
  int64_t crop = 0;
  bool flip = false;
  std::vector<double> mean, stddev;  // of each channel; empty: those of the data

  // What learns.
  std::string model, init, freeze;
  SparsityConfig sparsity;
  SparsifyConfig sparsify;  // how the pattern changes

  // How it learns.
  OptimizerConfig optimizer;
  LearningRate rate;
  double clip = 0, label_smoothing = 0;
  bool round_weights = false;  // see train/round_weights.h
  int64_t batch = 128;

  // Whom it learns from beside the labels; empty: nobody. The share and temperature are what people mostly
  // take (Tian et al. 2020).
  std::string teacher;
  double teacher_share = 0.9, temperature = 4;

  // How long, and what it may take.
  int64_t epochs = 10, max_steps = 0, patience = 0;
  std::string metric;   // that says which state is the best; empty: the usual one of the task
  double max_time = 0;  // seconds
  uint64_t seed = 1;
  int64_t threads = 0, micro_batch = 0, memory = 0;  // 0: all cores, the batch, no limit in bytes
  std::string isa;
  std::string cost_table;  // "default", a file; empty: see find_cost_table()
  double save_every = 60;  // seconds
};

// How a value is written in TOML.
enum class KeyKind { kText, kNumber, kFlag, kNumbers, kLayers };

struct RecipeKey {
  const char* name;   // in TOML; on the command line --with-dashes
  const char* group;  // a headline of the help
  const char* wants;  // "N", "sgd | adam | adamw"
  const char* help;
  KeyKind kind;
  bool on_resume;  // may be changed when a run goes on: it decides when to stop, not what is computed
  std::function<Status(Recipe&, const std::string& text)>
      parse;                                        // the sentence lacks the key; the caller adds it
  std::function<std::string(const Recipe&)> print;  // "" where nothing was chosen
  // Where it means something; null: everywhere. Elsewhere nobody may set it, and recipes do not show it.
  std::function<bool(const Recipe&)> applies;
  std::string belongs_to;  // "the optimizer sgd", for a sentence
};

const std::vector<RecipeKey>& recipe_keys();
const RecipeKey* find_recipe_key(const std::string& name);  // null if there is none
// "'epohcs' is not a key of a recipe; did you mean 'epochs'?"
std::string unknown_key(const std::string& name);
// What a key is where nobody chooses: "0.001; mlp 0.003, resnet 0.1".
std::string default_text(const RecipeKey& key);

// A value that somebody chose for a key, and the place in that place's spelling: "--learning-rate",
// "recipe.toml line 3: learning_rate". Of several for a key the last one counts (those of `layer` add up).
struct Setting {
  std::string key, value, origin;
};

// The defaults for the data set and model among the settings, then the settings. Checked as a whole.
Result<Recipe> make_recipe(const std::vector<Setting>& settings);

Result<std::vector<Setting>> settings_from_toml(const std::string& text, const std::string& origin);
// What one entry of a TOML table says; only `layer` may say several things.
Result<std::vector<Setting>> settings_from_entry(const std::string& name, const TomlNode& node,
                                                 const std::string& origin);
// Every key that applies, in the order of the table; reads back as the same recipe.
std::string recipe_to_toml(const Recipe& recipe);

}  // namespace coppice
