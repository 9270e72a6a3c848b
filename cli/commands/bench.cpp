// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>

#include "base/text.h"
#include "bench_apply.h"
#include "bench_edit.h"
#include "bench_problem.h"
#include "bench_run.h"
#include "bench_serve.h"
#include "command.h"
#include "host/usage.h"
#include "models/json.h"
#include "sampling.h"
#include "terminal.h"
#include "train/cost_table.h"
#include "tuning.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "bench";

struct BenchArguments {
  BenchRequest request;
  std::string cost_table;
  bool serve = false, json = false;
  double seconds = 5;
};

// Where the time goes: milliseconds of an iteration spent in each call, all threads added up, the slowest
// first.
Result<int> say_calls(const BenchArguments& arguments, BenchProblem& problem) {
  TRY(problem.run());
  const std::vector<double> before = problem.executor().call_times().seconds;
  int64_t iterations = 0;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(arguments.seconds);
  for (; Clock::now() < end; ++iterations) TRY(problem.run());
  std::vector<double> ms = problem.executor().call_times().seconds;
  double all = 0;
  for (size_t c = 0; c < ms.size(); ++c) {
    ms[c] = 1000 * (ms[c] - before[c]) / static_cast<double>(iterations);
    all += ms[c];
  }
  std::vector<size_t> order(ms.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ms[a] > ms[b]; });
  Table table({"call", "ms", "share"});
  table.left({0});
  for (const size_t c : order)
    table.add({problem.executor().schedule().calls[c].name, decimal(ms[c], 3),
               decimal(100 * ms[c] / all, 1) + " %"});
  table.add({"all", decimal(all, 3), ""});
  say(table.text());
  return kFine;
}

Json set_up_json(const BenchRequest& request, const BenchProblem& problem) {
  Json json{{"what", request.text()}, {"threads", request.threads}};
  json.update(machine_json(problem.executor().isa(), request.cost_table));
  Json formats = Json::object();
  for (const KernelChoice& choice : problem.executor().choices()) formats[choice.weight] = choice.format;
  json.update(Json{{"formats", std::move(formats)},
                   {"live_weights", problem.live_weights()},
                   {"total_weights", problem.total_weights()},
                   {"flops", problem.flops()},
                   {"dense_flops", problem.dense_flops()},
                   {"planned_bytes", problem.executor().memory().total()},
                   {"peak_bytes", coppice_host_peak_bytes()}});
  return json;
}

Result<int> measure(const BenchArguments& arguments, BenchProblem& problem, Calibration& calibration) {
  Sampling sampling;
  sampling.seconds = arguments.seconds;
  TRY_ASSIGN(const std::vector<Sampled> samples,
             sample_in_turn(std::vector<BenchProblem*>{&problem}, calibration, sampling));
  const Sampled& sampled = samples.front();
  const double gflops = static_cast<double>(problem.flops()) / sampled.ms / 1e6;
  if (arguments.json) {
    Json json = set_up_json(arguments.request, problem);
    json.update(Json{{"ms", sampled.ms},
                     {"gflops", gflops},
                     {"fma_peak", calibration.peak().gflops},
                     {"l2_peak", calibration.peak().gbytes},
                     {"samples_kept", sampled.kept},
                     {"samples", sampled.all}});
    say(json_text(json));
    return kFine;
  }
  const Json set_up = set_up_json(arguments.request, problem);
  say("what     " + arguments.request.text() + ", " + std::to_string(arguments.request.threads) +
      (arguments.request.threads == 1 ? " thread" : " threads"));
  say("machine  " + set_up["cpu"].get<std::string>() + ", " + problem.executor().isa() + " kernels");
  say("time     " + decimal(sampled.ms, 3) + " ms, the 20th percentile of " + std::to_string(sampled.kept) +
      " undisturbed samples of " + std::to_string(sampled.all) +
      (sampled.disturbed ? " (too few: the 5th of all)" : ""));
  say("rate     " + decimal(gflops, 1) + " GFLOP/s on live weights; registers alone reach " +
      decimal(calibration.peak().gflops, 0));
  say("work     " + with_commas(problem.live_weights()) + " of " + with_commas(problem.total_weights()) +
      " weights, " + quantity(static_cast<double>(problem.flops()), "FLOP") + "; dense " +
      quantity(static_cast<double>(problem.dense_flops()), "FLOP"));
  say("memory   " + bytes_text(problem.executor().memory().total()) + " planned, " +
      bytes_text(coppice_host_peak_bytes()) + " at most in use");
  std::string formats;
  for (const KernelChoice& choice : problem.executor().choices())
    append_item(formats, choice.weight + " " + choice.format, ", ");
  say("formats  " + formats + "; by " + cost_table_text(arguments.request.cost_table));
  return kFine;
}

int run_bench(BenchArguments& arguments) {
  auto table = find_cost_table(Env::system(), arguments.cost_table, arguments.request.isa);
  if (!table.ok()) return fail(kName, table.status());
  arguments.request.cost_table = table.take();
  auto problem = BenchProblem::create(arguments.request);
  if (!problem.ok()) return fail(kName, problem.status());
  Calibration calibration((*problem)->executor().isa(), arguments.request.threads);
  const auto code = arguments.serve ? serve(
                                          set_up_json(arguments.request, **problem),
                                          [&] { return (*problem)->run(); }, calibration)
                    : arguments.request.time_calls ? say_calls(arguments, **problem)
                                                   : measure(arguments, **problem, calibration);
  return code.ok() ? *code : fail(kName, code.status());
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit) {
  CLI::App* command = app.add_subcommand(
      kName,
      "Time one layer with its gradients or for one sample, whole training steps, or edits of the topology");
  command->footer(
      "\nExamples:\n"
      "  coppice bench linear --rows 1024 --cols 1024 --density 0.1 --block 16x1\n"
      "  coppice bench apply --rows 1024 --cols 1024 --density 0.1 --block 16x4 --arithmetic int8\n"
      "  coppice bench step --model mlp:784-300-100-10 --batch 100 --density 0.1 --threads 2\n"
      "Each sample is framed by short loops of multiply-adds and of reads; only those count whose frames ran "
      "at full speed.");
  command->require_subcommand(1);
  auto arguments = std::make_shared<BenchArguments>();
  BenchRequest& request = arguments->request;
  CLI::App* linear = command->add_subcommand("linear", "Linear layer: forward, dX and dW");
  linear->add_option("--rows", request.rows, "outputs")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  linear->add_option("--cols", request.cols, "inputs")->check(CLI::Range(1, 1 << 20))->capture_default_str();
  CLI::App* conv = command->add_subcommand("conv", "Convolution: forward, dX and dW");
  conv->add_option("--inputs", request.inputs, "channels")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  conv->add_option("--outputs", request.outputs, "channels")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  conv->add_option("--size", request.size, "height and width")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  conv->add_option("--kernel", request.kernel, "its height and width")
      ->check(CLI::IsMember({1, 3, 5, 7, 9, 11, 13, 15}))
      ->capture_default_str();
  CLI::App* step = command->add_subcommand("step", "Training step: forward, loss, backward, optimizer");
  step->add_option("--model", request.model, "as `coppice train --models` lists")->capture_default_str();
  step->add_option("--optimizer", request.optimizer, "sgd, adam or adamw")->capture_default_str();
  step->add_option("--distribution", request.distribution, "uniform, er or erk")->capture_default_str();
  for (CLI::App* kind : {linear, conv, step}) {
    kind->add_option("--batch", request.batch, "samples")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    kind->add_option("--density", request.density, "live share of the weights")->capture_default_str();
    kind->add_option("--block", request.block, "1x1, 4x1, 16x1 or 16x4")->capture_default_str();
    kind->add_option("--threads", request.threads, "")->check(CLI::Range(1, 1024))->capture_default_str();
    kind->add_option("--isa", request.isa, "c, avx2, avx512 or neon; else the best here");
    kind->add_option("--cost-table", arguments->cost_table,
                     "rates that choose weight formats; else those of `coppice tune`")
        ->type_name("default | FILE");
    kind->add_option("--seconds", arguments->seconds, "how long to sample")
        ->check(CLI::Range(0.01, 3600.0))
        ->capture_default_str();
    kind->add_flag("--json", arguments->json, "print one JSON object");
    kind->add_flag("--calls", request.time_calls,
                   "print the time spent in each call instead, all threads added up");
    kind->add_flag("--serve", arguments->serve,
                   "answer go, cal, memory and quit on standard input (bench/compare)");
    kind->callback([kind, arguments, &exit] {
      arguments->request.kind = kind->get_name();
      exit = run_bench(*arguments);
    });
  }
  add_bench_apply(*command, exit);
  add_bench_edit(*command, exit);
  add_bench_run(*command, exit);
}

}  // namespace coppice::cli
