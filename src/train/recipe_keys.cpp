// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "train/metrics/metrics.h"
#include "train/recipe.h"
#include "train/recipe_key_kinds.h"

namespace coppice {
namespace {

Status parse_step_at(Recipe& recipe, const std::string& text) {
  constexpr size_t kMost = std::size(LearningRate{}.step_at);
  double at[kMost];
  std::fill(std::begin(at), std::end(at), 2.0);  // beyond the end of the run: never
  size_t count = 0;
  for (size_t begin = 0; begin < text.size(); ++count) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (count == kMost || !parse_number(text.substr(begin, end - begin), &at[count]) || at[count] <= 0 ||
        at[count] >= 1 || (count > 0 && at[count] <= at[count - 1]))
      return invalid("'" + text + "' should be at most " + std::to_string(kMost) +
                     " rising fractions of the run between 0 and 1, such as 0.5,0.75");
    begin = end + 1;
  }
  std::copy(std::begin(at), std::end(at), std::begin(recipe.rate.step_at));
  return {};
}

std::string print_step_at(const Recipe& recipe) {
  std::string out;
  for (const double at : recipe.rate.step_at)
    if (at < 1) append_item(out, shortest(at), ",");
  return out;
}

Status parse_layer(Recipe& recipe, const std::string& text) {
  const size_t equals = text.rfind('=');
  double density = 0;
  if (equals == std::string::npos || equals == 0 || !parse_number(text.substr(equals + 1), &density) ||
      density <= 0 || density > 1)
    return invalid("'" + text +
                   "' should be NAME=DENSITY with a density above 0 and at most 1, such as fc1=0.05");
  recipe.sparsity.layers[text.substr(0, equals)] = density;
  return {};
}

std::string print_layers(const Recipe& recipe) {
  std::string out;
  for (const auto& [name, density] : recipe.sparsity.layers)
    append_item(out, name + "=" + shortest(density), "\n");
  return out;
}

Status parse_block(Recipe& recipe, const std::string& text) {
  TRY_ASSIGN(recipe.sparsity.block, BlockShape::parse(text));
  return {};
}

Status parse_image_size(Recipe& recipe, const std::string& text) {
  constexpr int64_t kMostSide = 1024;
  recipe.image_height = recipe.image_width = 0;
  if (text.empty()) return {};
  const size_t cross = text.find('x');
  const std::string width = cross == std::string::npos ? text : text.substr(cross + 1);
  const auto valid = [](int64_t side) { return side >= 1 && side <= kMostSide; };
  int64_t sides[2] = {};
  if (!parse_number(text.substr(0, cross), &sides[0]) || !parse_number(width, &sides[1]) ||
      !valid(sides[0]) || !valid(sides[1]))
    return invalid("'" + text + "' should be a side from 1 to " + std::to_string(kMostSide) +
                   ", or HEIGHTxWIDTH, such as 32 or 48x64");
  recipe.image_height = sides[0];
  recipe.image_width = sides[1];
  return {};
}

Status parse_metric(Recipe& recipe, const std::string& text) {
  recipe.metric.clear();
  if (text.empty()) return {};
  const Metric* metric = find_metric(text);
  if (metric == nullptr) return invalid(unknown_metric(text));
  recipe.metric = metric->name;
  return {};
}

std::string print_image_size(const Recipe& recipe) {
  if (recipe.image_height == 0) return "";
  const std::string height = std::to_string(recipe.image_height);
  return recipe.image_width == recipe.image_height ? height
                                                   : height + "x" + std::to_string(recipe.image_width);
}

void add_data_keys(std::vector<RecipeKey>& keys) {
  const char* group = "Data";
  keys.push_back(
      text_key({"data", group, "SET", "glyphs, life, mnist, fashion-mnist, cifar10, cifar100 or a path"},
               &Recipe::data));
  keys.push_back(text_key(
      {"data_dir", group, "FOLDER", "where the named sets lie; else $COPPICE_DATA, data, ../shared/data"},
      &Recipe::data_dir));
  keys.push_back(number_key(
      {"data_seed", group, "N", "draws generated samples and the cuts"},
      [](Recipe& r) -> uint64_t& { return r.data_seed; }, 0, 1e18));
  keys.push_back(number_key(
      {"validation", group, "SHARE", "share of the training samples kept for validation"},
      [](Recipe& r) -> double& { return r.validation; }, 0, 0.9));
  keys.push_back(
      text_key({"val_data", group, "PATH", "other samples of the kind for validation, instead of that share"},
               &Recipe::val_data));
  keys.push_back(number_key(
      {"test_share", group, "SHARE", "own data without test samples: share that is kept for the test"},
      [](Recipe& r) -> double& { return r.test_share; }, 0, 0.9));
  keys.push_back(
      key_of({"image_size", group, "N | HxW", "folder of pictures: the size that they get; else their own"},
             KeyKind::kText, parse_image_size, print_image_size));
  keys.push_back(choice_key(
      {"resize", group, "crop | stretch", "folder of pictures: cut the middle out, or change proportions"},
      [](Recipe& r) -> Fit& { return r.resize; },
      std::vector<std::pair<const char*, Fit>>{{fit_name(Fit::kCrop), Fit::kCrop},
                                               {fit_name(Fit::kStretch), Fit::kStretch}}));
  keys.push_back(flag_key({"grey", group, "", "folder of pictures: without their colours"},
                          [](Recipe& r) -> bool& { return r.grey; }));
  keys.push_back(text_key(
      {"label", group, "COLUMN", "CSV file: the column of classes, by name or number; else the last"},
      &Recipe::label));
  keys.push_back(text_key(
      {"target", group, "COLUMNS", "CSV file: columns of 0 and 1, or of quantities, to learn instead: a,b"},
      &Recipe::target));
  keys.push_back(choice_key(
      {"task", group, "auto | classes | labels | regression",
       "own data: what is learnt; auto: as it looks (`coppice data info`)"},
      [](Recipe& r) -> std::optional<Task>& { return r.task; },
      std::vector<std::pair<const char*, std::optional<Task>>>{
          {"auto", std::nullopt},
          {task_name(Task::kClasses), Task::kClasses},
          {task_name(Task::kLabels), Task::kLabels},
          {task_name(Task::kRegression), Task::kRegression}}));
  keys.push_back(number_key(
      {"train_samples", group, "N", "generated training samples (life: boards of an epoch)"},
      [](Recipe& r) -> int64_t& { return r.train_samples; }, 0, 1e8));
  keys.push_back(number_key(
      {"test_samples", group, "N", "generated test samples"},
      [](Recipe& r) -> int64_t& { return r.test_samples; }, 0, 1e8));
  keys.push_back(number_key(
      {"life_steps", group, "N", "life: the target is the board after N steps"},
      [](Recipe& r) -> int64_t& { return r.life_steps; }, 1, 1000));
  keys.push_back(number_key(
      {"life_side", group, "N", "life: boards are N x N cells"},
      [](Recipe& r) -> int64_t& { return r.life_side; }, 3, 1024));
  keys.push_back(number_key(
      {"life_density", group, "SHARE", "life: share of living cells; 0: drawn for each board"},
      [](Recipe& r) -> double& { return r.life_density; }, 0, 1));
  keys.push_back(number_key(
      {"crop", group, "PIXELS", "random crops from an image padded by so many pixels"},
      [](Recipe& r) -> int64_t& { return r.crop; }, 0, 256));
  keys.push_back(
      channels_key({"mean", group, "NUMBERS",
                    "what a network from elsewhere takes from each channel (0 to 1); else the data's"},
                   &Recipe::mean, -kMany, kMany));
  keys.push_back(channels_key({"stddev", group, "NUMBERS", "what it divides each channel by after that"},
                              &Recipe::stddev, kSmall, kMany));
  keys.push_back(flag_key({"flip", group, "", "mirror every other image, left and right"},
                          [](Recipe& r) -> bool& { return r.flip; }));
}

void add_network_keys(std::vector<RecipeKey>& keys) {
  const char* group = "Network";
  keys.push_back(
      text_key({"model", group, "SPEC",
                "mlp:784-300-100-10, life:1,8, ... (`coppice train --models`), or a graph: FILE.json"},
               &Recipe::model));
  keys.push_back(
      text_key({"init", group, "FILE", "first values by name from a checkpoint or any safetensors file"},
               &Recipe::init));
  keys.push_back(text_key({"freeze", group, "NAMES", "parameters that keep their values: conv1.*,bn*"},
                          &Recipe::freeze));
  keys.push_back(number_key(
      {"density", group, "SHARE", "live share of all weights; 1 is dense"},
      [](Recipe& r) -> double& { return r.sparsity.density; }, kSmall, 1));
  keys.push_back(choice_key(
      {"distribution", group, "uniform | er | erk", "how the density is spread over the layers"},
      [](Recipe& r) -> Distribution& { return r.sparsity.distribution; },
      std::vector<std::pair<const char*, Distribution>>{
          {"uniform", Distribution::kUniform}, {"er", Distribution::kEr}, {"erk", Distribution::kErk}}));
  keys.push_back(
      key_of({"block", group, "1x1 | 4x1 | 16x1 | 16x4", "outputs x inputs that live or die together"},
             KeyKind::kText, parse_block, [](const Recipe& r) { return r.sparsity.block.text(); }));
  keys.push_back(key_of({"layer", group, "NAME=DENSITY", "density of one layer; may be given several times"},
                        KeyKind::kLayers, parse_layer, print_layers));
}

Status parse_method(Recipe& recipe, const std::string& text) {
  if (find_method(text) == nullptr) return invalid(unknown_method(text));
  recipe.sparsify.method = text;
  return {};
}

void add_pruning_keys(std::vector<RecipeKey>& keys) {
  const char* group = "Pruning and regrowth";
  const auto field = [](auto TopologySchedule::*member) {
    return [member](Recipe & r) -> auto& { return r.sparsify.schedule.*member; };
  };
  keys.push_back(key_of({"method", group, "NAME",
                         "how the pattern changes: static, rigl, set, granet, magnitude, ... (`coppice train "
                         "--methods`)"},
                        KeyKind::kText, parse_method, [](const Recipe& r) { return r.sparsify.method; }));
  keys.push_back(number_key({"initial_density", group, "SHARE",
                             "live share at the start, if more than in the end; 0: as in the end"},
                            field(&TopologySchedule::initial_density), 0, 1));
  keys.push_back(number_key({"prune_begin", group, "SHARE", "share of the run after which the density falls"},
                            field(&TopologySchedule::prune_begin), 0, 1));
  keys.push_back(number_key(
      {"prune_end", group, "SHARE", "share of the run after which it is the final one; 0: from the start"},
      field(&TopologySchedule::prune_end), 0, 1));
  keys.push_back(
      choice_key({"prune_curve", group, "cubic | sigmoid", "how the density falls between the two"},
                 field(&TopologySchedule::prune_curve),
                 std::vector<std::pair<const char*, PruneCurve>>{{"cubic", PruneCurve::kCubic},
                                                                 {"sigmoid", PruneCurve::kSigmoid}}));
  keys.push_back(number_key({"prune_steepness", group, "K", "sigmoid: it is drawn from -K to K"},
                            field(&TopologySchedule::prune_steepness), 0.01, 100));
  keys.push_back(number_key({"prune_rounds", group, "N", "steps in which an edit cuts, each ranked anew"},
                            field(&TopologySchedule::rounds), 1, 10000));
  keys.push_back(choice_key(
      {"ranking", group, "layer | network", "live weights compete in their layer, or all with all"},
      field(&TopologySchedule::ranking),
      std::vector<std::pair<const char*, Ranking>>{{"layer", Ranking::kLayer},
                                                   {"network", Ranking::kNetwork}}));
  keys.push_back(number_key({"drop_fraction", group, "SHARE", "live weights of a layer that move at an edit"},
                            field(&TopologySchedule::drop_fraction), 0, 0.99));
  keys.push_back(choice_key({"importance", group, "magnitude | relative",
                             "what a weight is worth: its size, or its shares of row and column"},
                            field(&TopologySchedule::importance),
                            std::vector<std::pair<const char*, Importance>>{
                                {"magnitude", Importance::kMagnitude}, {"relative", Importance::kRelative}}));
  keys.push_back(
      number_key({"delta_begin", group, "X", "importance^(x/(1-x)) draws what stays, at the start"},
                 field(&TopologySchedule::delta_begin), 0, 0.99));
  keys.push_back(number_key({"delta_end", group, "X", "the same at the end of the run"},
                            field(&TopologySchedule::delta_end), 0, 0.99));
  keys.push_back(choice_key(
      {"grown_value", group, "zero | initial", "what grown weights begin with; initial: as first weights"},
      field(&TopologySchedule::grown_value),
      std::vector<std::pair<const char*, GrownValue>>{{"zero", GrownValue::kZero},
                                                      {"initial", GrownValue::kInitial}}));
  keys.push_back(choice_key({"drop_decay", group, "constant | cosine", "how that share falls over the run"},
                            field(&TopologySchedule::drop_decay),
                            std::vector<std::pair<const char*, Decay>>{{"constant", Decay::kConstant},
                                                                       {"cosine", Decay::kCosine}}));
  keys.push_back(number_key({"update_until", group, "SHARE", "share of the run after which nothing moves"},
                            field(&TopologySchedule::update_until), 0, 1));
  keys.push_back(number_key({"update_every", group, "N", "updates between edits; 0: an epoch"},
                            field(&TopologySchedule::update_every), 0, kMany));
}

void add_learning_keys(std::vector<RecipeKey>& keys) {
  const char* group = "Learning";
  keys.push_back(choice_key(
      {"optimizer", group, "sgd | adam | adamw", "how weights follow their gradients"},
      [](Recipe& r) -> OptimizerKind& { return r.optimizer.kind; },
      std::vector<std::pair<const char*, OptimizerKind>>{
          {"sgd", OptimizerKind::kSgd}, {"adam", OptimizerKind::kAdam}, {"adamw", OptimizerKind::kAdamW}}));
  keys.push_back(number_key(
      {"learning_rate", group, "RATE", "the peak of the schedule"},
      [](Recipe& r) -> double& { return r.rate.peak; }, kSmall, 1000));
  keys.push_back(choice_key(
      {"schedule", group, "constant | step | cosine | linear", "the learning rate over the run"},
      [](Recipe& r) -> ScheduleKind& { return r.rate.kind; },
      std::vector<std::pair<const char*, ScheduleKind>>{{"constant", ScheduleKind::kConstant},
                                                        {"step", ScheduleKind::kStep},
                                                        {"cosine", ScheduleKind::kCosine},
                                                        {"linear", ScheduleKind::kLinear}}));
  keys.push_back(number_key(
      {"last_learning_rate", group, "RATE", "where cosine and linear end"},
      [](Recipe& r) -> double& { return r.rate.last; }, 0, 1000));
  keys.push_back(key_of({"step_at", group, "SHARES", "step: fractions of the run at which the rate falls"},
                        KeyKind::kNumbers, parse_step_at, print_step_at));
  keys.push_back(number_key(
      {"step_factor", group, "X", "step: the rate is multiplied by it"},
      [](Recipe& r) -> double& { return r.rate.factor; }, kSmall, 1));
  keys.push_back(number_key(
      {"warmup", group, "SHARE", "share of the run in which the rate rises from 0"},
      [](Recipe& r) -> double& { return r.rate.warmup; }, 0, 0.999));
  keys.push_back(number_key(
      {"momentum", group, "X", "sgd: 0 is plain gradient descent"},
      [](Recipe& r) -> float& { return r.optimizer.momentum; }, 0, 0.9999));
  keys.push_back(flag_key({"nesterov", group, "", "sgd: look ahead along the momentum"},
                          [](Recipe& r) -> bool& { return r.optimizer.nesterov; }));
  keys.push_back(number_key(
      {"beta1", group, "X", "adam: decay of the mean of gradients"},
      [](Recipe& r) -> float& { return r.optimizer.beta1; }, 0, 0.999999));
  keys.push_back(number_key(
      {"beta2", group, "X", "adam: decay of the mean of squared gradients"},
      [](Recipe& r) -> float& { return r.optimizer.beta2; }, 0, 0.9999999));
  keys.push_back(number_key(
      {"epsilon", group, "X", "adam: keeps the denominator above 0"},
      [](Recipe& r) -> float& { return r.optimizer.epsilon; }, 1e-30, 1));
  keys.push_back(number_key(
      {"weight_decay", group, "X", "pulls live weights (not biases) to 0; adamw: decoupled"},
      [](Recipe& r) -> float& { return r.optimizer.weight_decay; }, 0, 10));
  keys.push_back(number_key(
      {"clip", group, "NORM", "longest gradient over all parameters; 0: any"},
      [](Recipe& r) -> double& { return r.clip; }, 0, kMany));
  keys.push_back(number_key(
      {"label_smoothing", group, "SHARE", "share of the target spread over all classes"},
      [](Recipe& r) -> double& { return r.label_smoothing; }, 0, 0.999));
  keys.push_back(flag_key({"round_weights", group, "true | false",
                           "weights are rounded to 8-bit integers of their row, as packing does"},
                          [](Recipe& r) -> bool& { return r.round_weights; }));
  keys.push_back(number_key(
      {"batch", group, "N", "samples of one update"}, [](Recipe& r) -> int64_t& { return r.batch; }, 1,
      1 << 20));
}

void add_teacher_keys(std::vector<RecipeKey>& keys) {
  const char* group = "A teacher";
  keys.push_back(text_key(
      {"teacher", group, "FILE", "a checkpoint, or weights of this model, whose outputs are learnt as well"},
      &Recipe::teacher));
  keys.push_back(number_key(
      {"teacher_share", group, "SHARE", "how much it counts; the labels count the rest"},
      [](Recipe& r) -> double& { return r.teacher_share; }, kSmall, 1));
  keys.push_back(number_key(
      {"temperature", group, "X", "softens its outputs, so that small ones count too"},
      [](Recipe& r) -> double& { return r.temperature; }, 0.01, 1000));
}

void add_run_keys(std::vector<RecipeKey>& keys) {
  const char* group = "Run";
  keys.push_back(number_key(
      {"epochs", group, "N", "passes over the training samples; the schedule spans them", true},
      [](Recipe& r) -> int64_t& { return r.epochs; }, 1, 1e6));
  keys.push_back(number_key(
      {"max_steps", group, "N", "at most so many updates; 0: as the epochs say", true},
      [](Recipe& r) -> int64_t& { return r.max_steps; }, 0, kMany));
  keys.push_back(unit_key(
      {"max_time", group, "TIME", "stop after so long: 90, 10m, 2h; 0: never", true},
      [](Recipe& r) -> double& { return r.max_time; }, {{'s', 1}, {'m', 60}, {'h', 3600}}, "10m"));
  keys.push_back(number_key(
      {"patience", group, "N", "stop after N epochs without a better validation; 0: never", true},
      [](Recipe& r) -> int64_t& { return r.patience; }, 0, 1e6));
  keys.push_back(key_of({"metric", group, "NAME",
                         "by which the best state is chosen, and patience waits; else accuracy, or loss of "
                         "regression"},
                        KeyKind::kText, parse_metric, [](const Recipe& r) { return r.metric; }));
  keys.push_back(number_key(
      {"seed", group, "N", "draws patterns, first weights and the order of samples"},
      [](Recipe& r) -> uint64_t& { return r.seed; }, 0, 1e18));
  keys.push_back(number_key(
      {"threads", group, "N", "0: one per core; the result is the same for any number", true},
      [](Recipe& r) -> int64_t& { return r.threads; }, 0, 1024));
  keys.push_back(number_key(
      {"micro_batch", group, "N", "samples computed together; gradients add up; 0: the batch"},
      [](Recipe& r) -> int64_t& { return r.micro_batch; }, 0, 1 << 20));
  keys.push_back(unit_key(
      {"memory", group, "BYTES", "refuse a plan above it: 500M, 2G; 0: no limit", true},
      [](Recipe& r) -> int64_t& { return r.memory; }, {{'k', 1e3}, {'K', 1e3}, {'M', 1e6}, {'G', 1e9}},
      "500M"));
  keys.push_back(text_key({"isa", group, "SET", "kernels: c, avx2, avx512 or neon; empty: the best here"},
                          &Recipe::isa));
  keys.push_back(text_key({"cost_table", group, "default | FILE",
                           "rates that choose weight formats; else those of `coppice tune`"},
                          &Recipe::cost_table));
  keys.push_back(unit_key(
      {"save_every", group, "TIME", "also save within an epoch so often; 0: only at its end", true},
      [](Recipe& r) -> double& { return r.save_every; }, {{'s', 1}, {'m', 60}, {'h', 3600}}, "60s"));
}

const MethodDef& method_of(const Recipe& recipe) { return *find_method(recipe.sparsify.method); }

// Keys that mean something for some recipes only.
void restrict_keys(std::vector<RecipeKey>& keys) {
  struct Restriction {
    std::vector<std::string> names;
    const char* belongs_to;
    bool (*applies)(const Recipe&);
  };
  const Restriction restrictions[] = {
      {{"life_steps", "life_side", "life_density"},
       "the data set life",
       [](const Recipe& r) { return r.data == "life"; }},
      {{"validation"}, "runs without val_data", [](const Recipe& r) { return r.val_data.empty(); }},
      {{"train_samples", "test_samples"},
       "the generated sets glyphs and life",
       [](const Recipe& r) { return r.data == "life" || r.data == "glyphs"; }},
      {{"test_share", "image_size", "resize", "grey", "label", "target", "task"},
       "own data, given by its path",
       [](const Recipe& r) { return is_own_data(r.data); }},
      {{"prune_begin", "prune_end", "prune_curve"},
       "the methods that prune (`coppice train --methods`)",
       [](const Recipe& r) { return method_of(r).keep && method_of(r).defaults.initial_density > 0; }},
      {{"initial_density", "ranking"},
       "the methods that prune (`coppice train --methods`)",
       [](const Recipe& r) { return method_of(r).defaults.initial_density > 0; }},
      {{"prune_steepness"},
       "the prune_curve sigmoid of the methods that prune",
       [](const Recipe& r) {
         return method_of(r).keep && method_of(r).defaults.initial_density > 0 &&
                r.sparsify.schedule.prune_curve == PruneCurve::kSigmoid;
       }},
      {{"prune_rounds"},
       "the method synflow",
       [](const Recipe& r) { return method_of(r).keep_gradient == KeepGradient::kFlow; }},
      {{"drop_fraction", "drop_decay", "update_until", "grown_value"},
       "the methods that move weights (`coppice train --methods`)",
       [](const Recipe& r) { return method_of(r).grows(); }},
      {{"importance", "delta_begin", "delta_end"},
       "the methods chts and chtss",
       [](const Recipe& r) { return method_of(r).hold != nullptr; }},
      {{"update_every"},
       "the methods that change a pattern (`coppice train --methods`)",
       [](const Recipe& r) { return method_of(r).keep != nullptr; }},
      {{"teacher_share", "temperature"},
       "a run with a teacher",
       [](const Recipe& r) { return !r.teacher.empty(); }},
      {{"momentum", "nesterov"},
       "the optimizer sgd",
       [](const Recipe& r) { return r.optimizer.kind == OptimizerKind::kSgd; }},
      {{"beta1", "beta2", "epsilon"},
       "the optimizers adam and adamw",
       [](const Recipe& r) { return r.optimizer.kind != OptimizerKind::kSgd; }},
      {{"step_at", "step_factor"},
       "the schedule step",
       [](const Recipe& r) { return r.rate.kind == ScheduleKind::kStep; }},
      {{"last_learning_rate"}, "the schedules cosine and linear", [](const Recipe& r) {
         return r.rate.kind == ScheduleKind::kCosine || r.rate.kind == ScheduleKind::kLinear;
       }}};
  for (const Restriction& restriction : restrictions)
    for (RecipeKey& key : keys)
      if (std::find(restriction.names.begin(), restriction.names.end(), key.name) !=
          restriction.names.end()) {
        key.applies = restriction.applies;
        key.belongs_to = restriction.belongs_to;
      }
}

}  // namespace

const std::vector<RecipeKey>& recipe_keys() {
  static const std::vector<RecipeKey> kKeys = [] {
    std::vector<RecipeKey> all;
    add_data_keys(all);
    add_network_keys(all);
    add_pruning_keys(all);
    add_learning_keys(all);
    add_teacher_keys(all);
    add_run_keys(all);
    restrict_keys(all);
    return all;
  }();
  return kKeys;
}

const RecipeKey* find_recipe_key(const std::string& name) {
  for (const RecipeKey& key : recipe_keys())
    if (name == key.name) return &key;
  return nullptr;
}

std::string unknown_key(const std::string& name) {
  std::vector<std::string> known;
  for (const RecipeKey& key : recipe_keys()) known.emplace_back(key.name);
  return "'" + name + "' is not a key of a recipe; did you mean '" + nearest(name, known) + "'?";
}

}  // namespace coppice
