// SPDX-License-Identifier: Apache-2.0
#include "bench_edit.h"

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "edit_problem.h"
#include "sampling.h"
#include "terminal.h"
#include "train/cost_table.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "bench edit";

struct EditArguments {
  std::string model = "mlp:784-1568-1568-1568-10", density = "0.0125", block = "1x1", optimizer, isa,
              cost_table;
  std::vector<std::string> methods, layers;
  int batch = 32, threads = 1;
  int64_t update_every = 0, epoch_samples = 60000;
  double seconds = 10;
  bool json = false;
};

// What was measured of a method, in milliseconds.
struct EditTimes {
  Sampled edit, step;
  double gradient = 0;
  double products = 0;  // dense ones in the time of an edit
  double share = 0;     // of the time of training
};

std::vector<Setting> settings_of(const EditArguments& arguments) {
  std::vector<Setting> settings = {{"model", arguments.model, "--model"},
                                   {"density", arguments.density, "--density"},
                                   {"block", arguments.block, "--block"},
                                   {"batch", std::to_string(arguments.batch), "--batch"},
                                   {"threads", std::to_string(arguments.threads), "--threads"},
                                   {"isa", arguments.isa, "--isa"}};
  for (const std::string& layer : arguments.layers) settings.push_back({"layer", layer, "--layer"});
  if (!arguments.optimizer.empty()) settings.push_back({"optimizer", arguments.optimizer, "--optimizer"});
  if (arguments.update_every > 0)
    settings.push_back({"update_every", std::to_string(arguments.update_every), "--update-every"});
  return settings;
}

std::string what_text(const EditArguments& arguments) {
  std::string text = "edit " + arguments.model;
  if (!arguments.optimizer.empty()) text += ", " + arguments.optimizer;
  text += ", batch " + std::to_string(arguments.batch) + ", density " + arguments.density + ", block " +
          arguments.block;
  for (const std::string& layer : arguments.layers) text += ", layer " + layer;
  return text;
}

// The low percentile that a disturbed sample takes, as there are no frames for a part of one.
double fast(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 20];
}

EditTimes times_of(const EditProblem& problem, const Sampled& edit, const Sampled& step, double dense_ms) {
  EditTimes times{edit, step};
  times.gradient = fast(problem.gradient_ms());
  times.products = edit.ms / dense_ms;
  times.share = edit.ms / (edit.ms + static_cast<double>(problem.steps_between()) * step.ms);
  return times;
}

Json row_of(const EditArguments& arguments, const EditProblem& problem, const EditTimes& times,
            const Sampled& dense, int64_t dense_flops) {
  const Network& network = problem.network();
  Json row{{"what", what_text(arguments)}, {"threads", arguments.threads}};
  row.update(machine_json(problem.executor().isa(), network.cost_table));
  Json formats = Json::object();
  for (const KernelChoice& choice : problem.executor().choices()) formats[choice.weight] = choice.format;
  const auto live = network.live_weights(), total = network.total_weights();
  row.update(Json{{"formats", std::move(formats)},
                  {"live_weights", live},
                  {"total_weights", total},
                  {"density", static_cast<double>(live) / static_cast<double>(total)},
                  {"method", problem.recipe().sparsify.method},
                  {"dropped_weights", problem.last_edit().dropped},
                  {"grown_weights", problem.last_edit().grown},
                  {"edit_ms", times.edit.ms},
                  {"gradient_ms", times.gradient},
                  {"dense_dw_ms", dense.ms},
                  {"dense_dw_flops", dense_flops},
                  {"dense_dw_products", times.products},
                  {"step_ms", times.step.ms},
                  {"update_every", problem.update_every()},
                  {"replaces_update", problem.replaces_update()},
                  {"training_share", times.share},
                  {"samples_kept", times.edit.kept},
                  {"samples", times.edit.all}});
  return row;
}

Result<int> bench_edit(EditArguments& arguments) {
  if (arguments.methods.empty()) arguments.methods = moving_methods();
  EditRequest request;
  request.settings = settings_of(arguments);
  request.epoch_samples = arguments.epoch_samples;
  TRY_ASSIGN(request.cost_table, find_cost_table(Env::system(), arguments.cost_table, arguments.isa));
  std::vector<std::unique_ptr<EditProblem>> problems;
  for (const std::string& method : arguments.methods) {
    request.method = method;
    TRY_ASSIGN(std::unique_ptr<EditProblem> problem, EditProblem::create(request));
    problems.push_back(std::move(problem));
  }
  TRY_ASSIGN(const std::unique_ptr<DenseGradients> dense, DenseGradients::create(*problems.front()));

  Calibration calibration(problems.front()->executor().isa(), arguments.threads);
  std::vector<TakeSample> all = {[&] { return timed([&] { return dense->run(); }); }};
  for (const std::unique_ptr<EditProblem>& problem : problems) {
    all.emplace_back([&problem] { return timed([&problem] { return problem->step(); }); });
    all.emplace_back([&problem] { return problem->edit(); });
  }
  Sampling sampling;
  sampling.seconds = arguments.seconds;
  TRY_ASSIGN(const std::vector<Sampled> samples, sample_in_turn(all, calibration, sampling));

  Table table({"method", "edit ms", "of it gradient", "dense dW ms", "edit in dense dW", "step ms", "every",
               "share of training"});
  size_t kept = samples[0].kept;
  for (size_t p = 0; p < problems.size(); ++p) {
    const EditProblem& problem = *problems[p];
    const EditTimes times = times_of(problem, samples[2 + 2 * p], samples[1 + 2 * p], samples[0].ms);
    kept = std::min({kept, times.edit.kept, times.step.kept});
    if (arguments.json) {
      say(json_text(row_of(arguments, problem, times, samples[0], dense->flops())));
      continue;
    }
    table.add({arguments.methods[p], decimal(times.edit.ms, 3), decimal(times.gradient, 3),
               decimal(samples[0].ms, 3), decimal(times.products, 2), decimal(times.step.ms, 3),
               std::to_string(problem.update_every()), decimal(100 * times.share, 2) + " %"});
  }
  if (arguments.json) return kFine;
  const EditProblem& first = *problems.front();
  const Json machine = machine_json(first.executor().isa(), first.network().cost_table);
  say("what     " + what_text(arguments) + ", " + std::to_string(arguments.threads) +
      (arguments.threads == 1 ? " thread" : " threads"));
  say("machine  " + machine["cpu"].get<std::string>() + ", " + first.executor().isa() + " kernels");
  say("program  " + machine["library"].get<std::string>() + " (" + machine["commit"].get<std::string>() +
      ")");
  say("samples  " + std::to_string(samples[0].all) + " of each, at least " + std::to_string(kept) +
      " of them undisturbed: the 20th percentile of those, the 5th of all where they are fewer than nine");
  say("");
  say(table.text());
  return kFine;
}

int run_bench_edit(EditArguments& arguments) {
  const auto code = bench_edit(arguments);
  return code.ok() ? *code : fail(kName, code.status());
}

}  // namespace

void add_bench_edit(CLI::App& bench, int& exit) {
  CLI::App* command = bench.add_subcommand(
      "edit", "Edit of the topology, beside a dense dW of the same layers and a training step");
  command->footer(
      "\nExample:\n"
      "  coppice bench edit --model mlp:784-1568-1568-1568-10 --density 0.0125 --method set,rigl,granet\n"
      "An edit is all that training does for one: the scores of live weights, for rigl and granet forward, "
      "backward and dense gradient of one batch ('of it gradient', with the choice of the largest; their "
      "edit "
      "takes the place of an update), the change of the parameters with their optimizer state, and formats "
      "and "
      "plans for training and evaluation made anew. It is an edit from the start of a run, when most moves; "
      "where a method lowers the density, it is the one that comes to --density. The weights are drawn anew "
      "before each. The dense dW is one product for each sparse layer. Share of training: the edit, of the "
      "time from one edit to the next.");
  auto arguments = std::make_shared<EditArguments>();
  EditArguments& a = *arguments;
  command->add_option("--model", a.model, "as `coppice train --models` lists")->capture_default_str();
  command->add_option("--method", a.methods, "some of `coppice train --methods`; else all that move weights")
      ->delimiter(',')
      ->type_name("NAME,...");
  command->add_option("--density", a.density, "live share of the weights")->capture_default_str();
  command->add_option("--layer", a.layers, "density of one layer; may be given several times")
      ->type_name("NAME=DENSITY");
  command->add_option("--block", a.block, "1x1, 4x1, 16x1 or 16x4")->capture_default_str();
  command->add_option("--batch", a.batch, "samples")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  command->add_option("--optimizer", a.optimizer, "sgd, adam or adamw; else the usual one of the model");
  command->add_option("--update-every", a.update_every, "updates between edits; else as each method's paper")
      ->check(CLI::Range(1, 1 << 30));
  command
      ->add_option("--epoch-samples", a.epoch_samples,
                   "samples of an epoch, for methods that edit once in it")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  command->add_option("--threads", a.threads, "")->check(CLI::Range(1, 1024))->capture_default_str();
  command->add_option("--isa", a.isa, "c, avx2, avx512 or neon; else the best here");
  command
      ->add_option("--cost-table", a.cost_table,
                   "rates that choose weight formats; else those of `coppice tune`")
      ->type_name("default | FILE");
  command->add_option("--seconds", a.seconds, "how long to sample")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command->add_flag("--json", a.json, "print one JSON object for each method");
  command->callback([arguments, &exit] { exit = run_bench_edit(*arguments); });
}

}  // namespace coppice::cli
