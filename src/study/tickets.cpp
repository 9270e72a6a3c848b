// SPDX-License-Identifier: Apache-2.0
#include "study/tickets.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "exec/binding.h"
#include "report/text.h"
#include "sparsify/ticket.h"
#include "study/sweep_study.h"
#include "study/sweep_table.h"

namespace coppice {
namespace {

constexpr char kRewindFile[] = "rewind.safetensors", kStudyFile[] = "study.txt";
constexpr uint64_t kRedrawn = 1'000'000'007;  // added to the seed of values and places that are drawn anew

std::string two_digits(int number) { return (number < 10 ? "0" : "") + std::to_string(number); }

// Everything with one seed.
class Series {
 public:
  Series(Env& env, const TicketStudy& study, uint64_t seed, const TicketWatch& watch,
         TicketProgress& progress, std::vector<TicketRow>& rows)
      : env_(env),
        study_(study),
        watch_(watch),
        progress_(progress),
        rows_(rows),
        recipe_(study.recipe),
        directory_(join_path(study.directory, "seed-" + std::to_string(seed))) {
    recipe_.seed = seed;
  }

  Status run() {
    TRY(train_dense());
    std::string before = "dense";
    for (int round = 1; round <= study_.rounds; ++round) {
      const std::string name = "round-" + two_digits(round);
      TRY_ASSIGN(const Network pruned, pruned_network(before, round));
      TRY(train_ticket(pruned, round, name));
      if (study_.redrawn) TRY(train_redrawn(pruned, round, name + "-redrawn"));
      if (study_.shuffled) TRY(train_shuffled(pruned, round, name + "-shuffled"));
      before = name;
    }
    return {};
  }

 private:
  std::string path(const std::string& name) const { return join_path(directory_, name); }
  bool begun(const std::string& name) const { return env_.exists(join_path(path(name), kLastFile)); }

  // A network that has not learnt anything, drawn by `seed`.
  Result<Checkpoint> fresh(uint64_t seed) const {
    TRY_ASSIGN(const Dataset data, load_recipe_data(env_, recipe_, nullptr));
    if (data.task == Task::kRegression)
      return invalid("tickets: are compared by their accuracy, and the task is regression");
    const int64_t batches = (data.train.size() + recipe_.batch - 1) / recipe_.batch;
    const int64_t updates = recipe_.max_steps > 0 ? std::min(recipe_.max_steps, recipe_.epochs * batches)
                                                  : recipe_.epochs * batches;
    if (study_.rewind_to >= updates)
      return invalid("--rewind-to: the run has " + std::to_string(updates) + " updates; choose fewer");
    Recipe drawn = recipe_;
    drawn.seed = seed;
    Checkpoint checkpoint;
    TRY_ASSIGN(checkpoint.network, make_network(env_, drawn, data));
    SparsityConfig last = recipe_.sparsity;
    last.density = density_of(study_.rounds);
    if (const auto possible = distribute(checkpoint.network.graph, last); !possible.ok())
      return possible.status().within("--rounds: the last of " + std::to_string(study_.rounds));
    checkpoint.info.recipe = recipe_;
    checkpoint.info.preprocessing = preprocessing_of(data);
    TRY_ASSIGN(const Metric* metric, metric_of(recipe_, data.task));
    checkpoint.info.progress.best.metric = metric->name;
    checkpoint.info.progress.best.larger_is_better = metric->larger_is_better;
    TRY_ASSIGN(const KernelTables tables, kernel_tables(recipe_.isa));
    checkpoint.info.isa = tables.rt->isa;
    return checkpoint;
  }

  // Where a run begins; it is trained as one that goes on from there.
  Status begin(const std::string& name, const Checkpoint& checkpoint) const {
    TRY(env_.make_directories(path(name)));
    return write_checkpoint(env_, join_path(path(name), kLastFile), checkpoint.network, checkpoint.info,
                            true);
  }

  // Up to an update, or to the end; what is done already stays.
  Result<TrainReport> train_to(const std::string& name, std::optional<int64_t> step) {
    TRY_ASSIGN(Checkpoint from, read_checkpoint(env_, join_path(path(name), kLastFile)));
    std::atomic<bool> stop{false};
    TrainCallbacks callbacks;
    callbacks.stop = &stop;
    const auto obey = [&] { stop = stop || (watch_.stop != nullptr && watch_.stop->load()); };
    callbacks.on_evaluation = [&](const EvaluationEvent&) { obey(); };
    callbacks.on_loading = [&](int64_t, int64_t) { obey(); };
    callbacks.on_step = [&](const StepEvent& event) {
      if (watch_.on_step) watch_.on_step(progress_, event);
      stop = stop || (step && event.step >= *step);
      obey();
    };
    Recipe recipe = from.info.recipe;
    recipe.threads = recipe_.threads;
    TRY_ASSIGN(TrainReport report,
               train(env_, {std::move(recipe), path(name), std::move(from), true}, callbacks));
    if (watch_.stop != nullptr && watch_.stop->load()) return Status(Code::kInterrupted, "interrupted");
    return report;
  }

  Status finish(const std::string& name, int round, const std::string& kind) {
    progress_.name = "seed " + std::to_string(recipe_.seed) + ", " + name;
    TicketRow row;
    row.seed = recipe_.seed;
    row.round = round;
    row.kind = kind;
    row.directory = path(name);
    auto account = read_account(env_, path(name));
    if (account.ok() && account->report.stop != Stop::kInterrupted) {
      row.account = account.take();
    } else {
      row.account.program = study_.program;
      row.account.cpu = study_.cpu;
      TRY_ASSIGN(row.account.report, train_to(name, std::nullopt));
      TRY(write_account(env_, path(name), row.account));
    }
    ++progress_.done;
    if (watch_.on_row) watch_.on_row(row);
    rows_.push_back(std::move(row));
    return {};
  }

  Status train_dense() {
    const std::string rewind = path(kRewindFile);
    progress_.name = "seed " + std::to_string(recipe_.seed) + ", dense";
    if (!begun("dense")) {
      TRY_ASSIGN(const Checkpoint start, fresh(recipe_.seed));
      TRY(begin("dense", start));
    }
    if (!env_.exists(rewind)) {
      const auto dense = [&] { return read_checkpoint(env_, join_path(path("dense"), kLastFile)); };
      TRY_ASSIGN(Checkpoint there, dense());
      if (there.info.progress.step < study_.rewind_to) {
        TRY(train_to("dense", study_.rewind_to).status());
        TRY_ASSIGN(there, dense());
      }
      if (there.info.progress.step != study_.rewind_to)
        return corrupt(path("dense") + ": is beyond the point that rounds go back to, and " + rewind +
                       " is not there; choose another place with --out");
      TRY(write_checkpoint(env_, rewind, there.network, there.info, true));
    }
    return finish("dense", 0, "dense");
  }

  // What the round before has left of itself, without its smallest weights.
  Result<Network> pruned_network(const std::string& before, int round) const {
    TRY_ASSIGN(Checkpoint trained, read_checkpoint(env_, join_path(path(before), kLastFile)));
    SparsityConfig target = recipe_.sparsity;
    target.density = density_of(round);
    TRY(take_smallest(trained.network, target, study_.ranking));
    return std::move(trained.network);
  }
  double density_of(int round) const { return std::pow(1 - study_.share, round); }

  // The recipe of what is left, and a run that has judged nothing yet.
  void as_begun(Checkpoint& checkpoint, int round) const {
    checkpoint.info.recipe.sparsity.density = density_of(round);
    // Where the epoch under way stands is kept; what the dense network was like so far is not.
    Progress& progress = checkpoint.info.progress;
    Score best;
    best.metric = progress.best.metric;
    best.larger_is_better = progress.best.larger_is_better;
    progress.best = best;
    progress.best_epoch = progress.epochs_since_best = progress.edits = 0;
    progress.seconds = progress.edit_seconds = 0;
    progress.work = {};
  }

  Status train_ticket(const Network& pruned, int round, const std::string& name) {
    if (!begun(name)) {
      TRY_ASSIGN(Checkpoint start, read_checkpoint(env_, path(kRewindFile)));
      as_begun(start, round);
      TRY(keep_patterns(start.network, pruned));
      if (study_.rewind != Rewind::kWeights) TRY(take_values(start.network, pruned));
      if (study_.rewind == Rewind::kNone) {
        Progress& progress = start.info.progress;
        progress.epoch = progress.batch = progress.step = progress.judged_step = progress.loss_samples = 0;
        progress.loss_sum = 0;
        start.info.recipe.rate = {};
        start.info.recipe.rate.peak = recipe_.rate.peak / 10;
      }
      TRY(begin(name, start));
    }
    return finish(name, round, "ticket");
  }

  // Of a network with the same patterns; what the optimizer knew about other values is forgotten.
  static Status take_values(Network& network, const Network& from) {
    for (const std::vector<Param>* list : {&from.params, &from.states})
      for (const Param& param : *list) {
        Param* to = network.find(param.name());
        to->set_canonical(to->value, param.canonical(param.value));
      }
    forget_moments(network);
    return {};
  }

  Status train_redrawn(const Network& pruned, int round, const std::string& name) {
    if (!begun(name)) {
      TRY_ASSIGN(Checkpoint start, fresh(recipe_.seed + kRedrawn));
      as_begun(start, round);
      TRY(keep_patterns(start.network, pruned));
      TRY(begin(name, start));
    }
    return finish(name, round, "redrawn");
  }

  Status train_shuffled(const Network& pruned, int round, const std::string& name) {
    if (!begun(name)) {
      TRY_ASSIGN(Checkpoint start, read_checkpoint(env_, path(kRewindFile)));
      as_begun(start, round);
      TRY(keep_as_many(start.network, pruned, recipe_.seed + kRedrawn + static_cast<uint64_t>(round)));
      TRY(begin(name, start));
    }
    return finish(name, round, "shuffled");
  }

  Env& env_;
  const TicketStudy& study_;
  const TicketWatch& watch_;
  TicketProgress& progress_;
  std::vector<TicketRow>& rows_;
  Recipe recipe_;
  std::string directory_;
};

Status check(const TicketStudy& study) {
  const Recipe& recipe = study.recipe;
  if (recipe.sparsity.density < 1)
    return invalid("density: tickets begin with a dense network; leave it out");
  if (recipe.sparsify.method != SparsifyConfig().method)
    return invalid("method: tickets are pruned between runs, not in them; leave it out");
  if (!(study.share > 0 && study.share < 1))
    return invalid("--share: the weights that a round takes, above 0 and below 1");
  return {};
}

// Two studies in one place would tell the results of one as those of the other.
Status keep_study(Env& env, const TicketStudy& study) {
  const std::string file = join_path(study.directory, kStudyFile);
  std::string text = "share = " + shortest(study.share) +
                     "\nrewind = " + std::to_string(static_cast<int>(study.rewind)) +
                     "\nrewind_to = " + std::to_string(study.rewind_to) +
                     "\ncompete = " + std::to_string(static_cast<int>(study.ranking)) + "\n";
  for (const RecipeKey& key : recipe_keys())
    if (!changes_no_result(key.name) && key.name != std::string("seed"))
      text += std::string(key.name) + " = " + key.print(study.recipe) + "\n";
  if (!env.exists(file)) {
    TRY(env.make_directories(study.directory));
    return write_atomic(env, file, text);
  }
  TRY_ASSIGN(const std::string there, read_all(env, file, 1 << 20));
  return there == text
             ? Status()
             : invalid(study.directory + ": holds another study of tickets; choose another place with --out");
}

std::optional<double> accuracy_of(const TrainReport& report) {
  if (report.test) return report.test->accuracy;
  return report.validation ? std::optional(report.validation->accuracy) : std::nullopt;
}

std::string accuracies_text(const std::vector<double>& values) {
  if (values.empty()) return "-";
  const Spread spread = spread_of(values);
  std::string text = percent(spread.mean);
  if (spread.deviation) text += " +- " + decimal(100 * *spread.deviation, 2);
  return text;
}

}  // namespace

Result<std::vector<TicketRow>> run_tickets(Env& env, const TicketStudy& study, const TicketWatch& watch) {
  TRY(check(study));
  TRY(keep_study(env, study));
  std::vector<TicketRow> rows;
  TicketProgress progress;
  progress.all = study.seeds * (1 + int64_t{study.rounds} * (1 + study.redrawn + study.shuffled));
  for (int s = 0; s < study.seeds; ++s)
    TRY(Series(env, study, study.recipe.seed + static_cast<uint64_t>(s), watch, progress, rows).run());
  return rows;
}

Table tickets_table(const std::vector<TicketRow>& rows) {
  std::map<int, std::map<std::string, std::vector<double>>> accuracy;
  std::map<int, double> density;
  for (const TicketRow& row : rows) {
    density[row.round] = row.density();
    if (const auto value = accuracy_of(row.account.report))
      accuracy[row.round][row.kind == "dense" ? "ticket" : row.kind].push_back(*value);
  }
  Table table({"round", "live", "ticket", "redrawn", "shuffled"});
  for (auto& [round, kinds] : accuracy)
    table.add({round == 0 ? "dense" : std::to_string(round), percent(density[round]),
               accuracies_text(kinds["ticket"]), accuracies_text(kinds["redrawn"]),
               accuracies_text(kinds["shuffled"])});
  return table;
}

Json ticket_json(const TicketRow& row) {
  return {{"seed", row.seed},
          {"round", row.round},
          {"kind", row.kind},
          {"density", row.density()},
          {"account", account_json(row.account, row.directory)}};
}

}  // namespace coppice
