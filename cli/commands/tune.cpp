// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <memory>

#include "base/text.h"
#include "command.h"
#include "host/usage.h"
#include "kernels/select.h"
#include "stop.h"
#include "terminal.h"
#include "train/cost_table.h"
#include "tuning.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "tune";
constexpr size_t kEnough = 15, kEnoughQuick = 3;  // undisturbed samples of each row
constexpr double kSecondsQuick = 2;

struct TuneArguments {
  TuneRequest request;
  std::string out;
  double seconds = 60;
  bool json = false;
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The name of the rate of full patterns among the candidates of a layer; empty if there is none.
std::string dense_rate(FormatCandidate::Layer layer) {
  for (const FormatCandidate& candidate : format_candidates())
    for (const RateDef& rate : candidate.rates)
      if (candidate.layer == layer && rate.full) return rate.name;
  return "";
}

// Calls visit(name of a rate, name of the dense one of its layer) for all rates of sparse patterns.
template <class Visit>
void for_each_sparse_rate(const Visit& visit) {
  for (const FormatCandidate& candidate : format_candidates())
    for (const RateDef& rate : candidate.rates)
      if (!rate.full) visit(std::string(rate.name), dense_rate(candidate.layer));
}

void say_rates(const CostTable& table, const CostTable& before) {
  Table rates({"format", "density", "GFLOP/s", "before"});
  for (const CostTable::Row& row : table.rows) {
    const double old = before.rate(row.format, row.density);
    rates.add({row.format, percent(row.density), decimal(row.gflops, 1), old > 0 ? decimal(old, 1) : "-"});
  }
  say(rates.text());
}

std::string crossover_text(const CostTable& table, const std::string& sparse, const std::string& dense) {
  const double at = crossover(table, sparse, dense);
  return at >= 1 ? "at any density" : at > 0 ? "below " + percent(at) : "nowhere";
}

void say_crossovers(const CostTable& table, const CostTable& before) {
  Table faster({"format", "faster than", "now", "before"});
  faster.left({0, 1, 2, 3});
  for_each_sparse_rate([&](const std::string& sparse, const std::string& dense) {
    if (dense.empty()) return;
    const bool known = before.rate(sparse, 1) > 0 && before.rate(dense, 1) > 0;
    faster.add({sparse, dense, crossover_text(table, sparse, dense),
                known ? crossover_text(before, sparse, dense) : "-"});
  });
  say("\n" + faster.text());
}

void say_tuned(const TuneRequest& request, const Tuned& tuned, const CostTable& before,
               const std::string& file) {
  say("machine  " + tuned.table.cpu + ", " + tuned.table.isa + " kernels, " +
      std::to_string(request.threads) + (request.threads == 1 ? " thread" : " threads") +
      "; registers alone reach " + decimal(tuned.fma_peak, 0) + " GFLOP/s");
  say("layers   " + tuned.layers);
  say("before   " + cost_table_text(before) + "\n");
  say_rates(tuned.table, before);
  say_crossovers(tuned.table, before);
  if (request.quick)
    say("\nrough    --quick takes few samples of small layers; `coppice tune` alone measures better");
  else if (tuned.rough > 0)
    say("\nrough    " + std::to_string(tuned.rough) + " of " + std::to_string(tuned.table.rows.size()) +
        " rows had few undisturbed samples; tune again when the machine is quiet, or give it more --seconds");
  say(file.empty() ? "\nnothing is written without --out" : "\nwritten  " + file);
}

Json tuned_json(const Tuned& tuned, const CostTable& before, const std::string& file) {
  Json crossovers = Json::object();
  for_each_sparse_rate([&](const std::string& sparse, const std::string& dense) {
    if (!dense.empty()) crossovers[sparse] = crossover(tuned.table, sparse, dense);
  });
  return Json{{"file", file},
              {"table", cost_table_json(tuned.table)},
              {"before", cost_table_json(before)},
              {"crossovers", std::move(crossovers)},
              {"fma_peak", tuned.fma_peak},
              {"rough_rows", tuned.rough}};
}

// A table that cannot be read is what tuning mends.
CostTable table_before(Env& env, const std::string& isa) {
  auto table = find_cost_table(env, "", isa);
  return table.ok() ? table.take() : shipped_cost_table();
}

Result<int> tune(const TuneArguments& arguments) {
  Env& env = Env::system();
  TuneRequest request = arguments.request;
  TRY_ASSIGN(const Kernels kernels, select_kernels(request.isa));
  std::string file = arguments.out;
  // Rough rates are no good for all later runs.
  if (file.empty() && !request.quick) {
    TRY_ASSIGN(file, tuned_table_path(kernels.forward->isa));
  }
  const CostTable before = table_before(env, request.isa);
  ProgressLine line;
  const double began = now();
  request.sampling.stop = &stop_on_signals();
  request.sampling.progress = [&](double share) {
    if (!line.due()) return;
    constexpr double kBar = 24;
    const auto filled = static_cast<size_t>(kBar * share);
    line.show("tuning [" + std::string(filled, '=') + std::string(static_cast<size_t>(kBar) - filled, ' ') +
              "] " + seconds_text((now() - began) * (1 / share - 1)) + " left");
  };
  const auto tuned = measure_cost_table(request);
  line.clear();
  if (!tuned.ok()) return tuned.status();
  if (!file.empty()) TRY(write_cost_table(env, file, tuned->table));
  if (arguments.json)
    say(json_text(tuned_json(*tuned, before, file)));
  else
    say_tuned(request, *tuned, before, file);
  return kFine;
}

int run_tune(TuneArguments& arguments) {
  Sampling& sampling = arguments.request.sampling;
  const bool quick = arguments.request.quick;
  sampling.seconds = quick ? std::min(arguments.seconds, kSecondsQuick) : arguments.seconds;
  if (arguments.request.threads == 1 && coppice_host_thread_seconds() > 0) sampling.clock = Clock::kThread;
  sampling.enough = quick ? kEnoughQuick : kEnough;
  const auto code = tune(arguments);
  if (code.status().code() == Code::kInterrupted)
    return fail(kName, {Code::kInterrupted, "stopped; the table in use stays as it was"});
  return code.ok() ? *code : fail(kName, code.status());
}

}  // namespace

void add_tune_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(kName, "Measure which weight formats are fastest on this machine");
  auto arguments = std::make_shared<TuneArguments>();
  TuneRequest& request = arguments->request;
  command->add_option("--out", arguments->out, "the file to write; else where train, explain and bench look")
      ->type_name("FILE");
  command->add_flag("--quick", request.quick,
                    "small layers, few samples: rough, in seconds; writes to --out only");
  command->add_option("--seconds", arguments->seconds, "how long at most; a quiet machine takes less")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command->add_option("--threads", request.threads, "to measure with")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--isa", request.isa, "c, avx2, avx512 or neon; else the best here");
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->footer(
      "\nExamples:\n"
      "  coppice tune\n"
      "  coppice tune --out here.json && coppice explain --data glyphs --cost-table here.json\n"
      "New runs then choose the formats of their weights by the table. A run keeps its own: it goes on with "
      "the same bits whatever is tuned later. --cost-table default takes the shipped one.");
  command->callback([arguments, &exit] { exit = run_tune(*arguments); });
}

}  // namespace coppice::cli
