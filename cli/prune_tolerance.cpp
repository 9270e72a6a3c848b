// SPDX-License-Identifier: Apache-2.0
#include "prune_tolerance.h"

#include <algorithm>

#include "base/text.h"
#include "load_data.h"
#include "run_directory.h"
#include "stop.h"
#include "study/metric_text.h"
#include "study/tolerance.h"
#include "terminal.h"

namespace coppice::cli {
namespace {

constexpr double kLeast = 0.01;

std::vector<Setting> without(const std::vector<Setting>& settings, bool (*leave_out)(const RecipeKey&)) {
  std::vector<Setting> left;
  for (const Setting& setting : settings)
    if (const RecipeKey* key = find_recipe_key(setting.key); key == nullptr || !leave_out(*key))
      left.push_back(setting);
  return left;
}

bool is_density(const RecipeKey& key) { return key.name == std::string("density"); }
// What decides about patterns.
bool is_sparse(const RecipeKey& key) {
  constexpr std::string_view kNames[] = {"density", "layer", "block", "distribution"};
  return key.group == std::string("Pruning and regrowth") ||
         std::find(std::begin(kNames), std::end(kNames), key.name) != std::end(kNames);
}

Status check_split(const PruneSource& source, const Recipe& recipe) {
  constexpr std::string_view kKeys[] = {"data",       "data_seed",     "validation",
                                        "test_share", "train_samples", "val_data"};
  for (const std::string_view name : kKeys) {
    const RecipeKey& key = *find_recipe_key(std::string(name));
    if (source.from && recipe.val_data.empty() && key.print(recipe) != key.print(*source.from))
      return invalid("--tolerance: compares on samples that the original did not learn from, and " +
                     std::string(name) +
                     " is not the one that it was trained with; leave it, or name other "
                     "samples with --val-data");
  }
  return {};
}

class Search {
 public:
  Search(Env& env, const PruneSource& source, const std::vector<Setting>& chosen,
         const ToleranceArguments& arguments)
      : env_(env), source_(source), chosen_(chosen), arguments_(arguments) {}

  Result<Smallest> run() {
    double least = kLeast;
    for (const Setting& setting : chosen_)
      if (setting.key == "density" && !parse_number(setting.value, &least)) least = kLeast;
    if (least >= 1)
      return invalid(
          "--tolerance: tries densities between 1 and that of --density, which leaves none; lower it");
    TRY_ASSIGN(const Recipe recipe, recipe_at(least));
    TRY(check_split(source_, recipe));
    directory_ = arguments_.out.empty()
                     ? new_run_directory(env_, recipe, "-within-" + shortest(arguments_.points))
                     : arguments_.out;
    TRY(judge_original(recipe));
    const double wanted = original_ - arguments_.points / 100;
    DensitySearch search(least, arguments_.tries);
    while (const auto density = search.next()) {
      TRY_ASSIGN(const Recipe trial, recipe_at(*density));
      TRY_ASSIGN(const Trial tried, attempt(trial, join_path(directory_, "density-" + shortest(*density)),
                                            wanted, "density " + shortest(*density)));
      search.tell(*density, tried.verdict == Verdict::kEnough);
    }
    if (search.smallest() >= 1)
      return not_found("--tolerance: none of the densities that were tried is within " +
                       shortest(arguments_.points) + " points of " + value_text(*metric_, original_) +
                       "; allow more, give it more --epochs, or a teacher with --distill");
    TRY_ASSIGN(Recipe smallest, recipe_at(search.smallest()));
    return Smallest{std::move(smallest), join_path(directory_, "density-" + shortest(search.smallest())),
                    Json{{"metric", metric_->name},
                         {"original", original_},
                         {"points", arguments_.points},
                         {"trials", std::move(trials_)}}};
  }

 private:
  Result<Recipe> recipe_at(double density) const {
    std::vector<Setting> settings = without(chosen_, is_density);
    settings.push_back({"density", shortest(density), "--tolerance"});
    TRY_ASSIGN(Recipe recipe, prune_recipe(source_, settings, arguments_.finetune));
    return with_whole_paths(env_, std::move(recipe));
  }

  // The original's value on the validation samples, which it must not have learnt from.
  Status judge_original(const Recipe& recipe) {
    bool learnt_from = !source_.from && recipe.val_data.empty();
    {
      TRY_ASSIGN(const Dataset data, load_data(env_, recipe, nullptr));
      if (data.validation.size() == 0)
        return invalid(
            "--tolerance: chooses by validation samples; give --validation a share above 0, or "
            "name other samples with --val-data");
      TRY_ASSIGN(metric_, metric_of(recipe, data.task));
      if (metric_->unit != Unit::kShare)
        return invalid(std::string("--tolerance: counts points of a hundred, and ") + metric_->name +
                       " is no share; choose another by --metric");
      if (!learnt_from) {
        TRY_ASSIGN(SavedNetwork saved, network_of_file(env_, source_.file, recipe, data));
        TRY_ASSIGN(const auto evaluator, make_evaluator(saved.network, recipe, data.features));
        Outputs outputs;
        Watch watch;
        watch.stop = &stop_on_signals();
        TRY(evaluate(*evaluator, saved.network.graph, data, data.validation, watch, &outputs).status());
        const std::optional<double> value = metric_->value(outputs);
        if (!value)
          return invalid(std::string("--tolerance: '") + metric_->name + "' has no value for the " +
                         std::to_string(data.validation.size()) + " validation samples, as it takes " +
                         metric_->needs + "; choose another by --metric");
        original_ = *value;
      }
    }
    if (learnt_from) {
      std::vector<Setting> settings = without(chosen_, is_sparse);
      settings.push_back({"density", "1", "--tolerance"});
      settings.push_back({"method", "static", "--tolerance"});
      TRY_ASSIGN(Recipe dense, prune_recipe(source_, settings, arguments_.finetune));
      if (!arguments_.quiet)
        say("original through the same recipe at density 1, as it may have learnt from the validation "
            "samples");
      TRY_ASSIGN(const Trial trial, attempt(with_whole_paths(env_, std::move(dense)),
                                            join_path(directory_, "density-1"), std::nullopt, "density 1"));
      original_ = trial.value.value_or(0);
    }
    if (!arguments_.quiet)
      say("wanted   " + std::string(metric_->name) + " of " +
          value_text(*metric_, original_ - arguments_.points / 100) + " on the validation samples, " +
          shortest(arguments_.points) + " points below the original's " + value_text(*metric_, original_));
    return {};
  }

  Result<Trial> attempt(const Recipe& recipe, const std::string& directory, std::optional<double> wanted,
                        const std::string& name) {
    ProgressLine line;
    auto trial = run_trial(
        env_, {recipe, directory, metric_->name, wanted}, &stop_on_signals(), [&](const StepEvent& event) {
          if (line.due())
            line.show(name + ": epoch " + std::to_string(event.epoch) + "/" + std::to_string(event.epochs) +
                      ", " + seconds_text(event.left_seconds) + " left at most");
        });
    line.clear();
    if (trial.status().code() == Code::kInterrupted)
      return Status(Code::kInterrupted,
                    "interrupted; the same command with --out " + directory_ + " goes on from there");
    TRY(trial.status());
    const bool early = trial->epochs < trial->of;
    const char* outcome = !wanted                                ? "the original"
                          : trial->verdict == Verdict::kEnough   ? "enough"
                          : trial->verdict == Verdict::kHopeless ? "too little, and hopeless"
                                                                 : "too little";
    if (!arguments_.quiet)
      say(name + std::string(16 - std::min<size_t>(15, name.size()), ' ') +
          value_text(*metric_, trial->value) + " after " + std::to_string(trial->epochs) +
          (early ? " of " + std::to_string(trial->of) : "") + " epochs: " + outcome);
    trials_.push_back(Json{{"density", trial->density},
                           {"run", trial->directory},
                           {"epochs", trial->epochs},
                           {"value", trial->value ? Json(*trial->value) : Json()},
                           {"outcome", outcome}});
    return trial;
  }

  Env& env_;
  const PruneSource& source_;
  const std::vector<Setting>& chosen_;
  const ToleranceArguments& arguments_;
  std::string directory_;
  const Metric* metric_ = nullptr;
  double original_ = 0;
  Json trials_ = Json::array();
};

}  // namespace

Result<Smallest> find_smallest(Env& env, const PruneSource& source, const std::vector<Setting>& chosen,
                               const ToleranceArguments& arguments) {
  return Search(env, source, chosen, arguments).run();
}

}  // namespace coppice::cli
