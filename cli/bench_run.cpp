// SPDX-License-Identifier: Apache-2.0
#include "bench_run.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/rng.h"
#include "base/text.h"
#include "bench_problem.h"
#include "bench_serve.h"
#include "packed.h"
#include "report/table.h"
#include "report/text.h"
#include "stop.h"
#include "terminal.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "bench run";

struct RunArguments {
  std::string file, isa;
  int threads = 1, batch = 1;
  int64_t runs = 10000;
  double seconds = 5;
  bool serve = false, json = false;
};

double now_us() {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Microseconds of each run, ascending.
Result<std::vector<double>> latencies(const std::function<Status()>& run, int64_t runs) {
  std::vector<double> all;
  all.reserve(static_cast<size_t>(runs));
  const std::atomic<bool>& stop = stop_on_signals();
  ProgressLine line;
  for (int64_t i = 0; i < runs; ++i) {
    const double before = now_us();
    TRY(run());
    all.push_back(now_us() - before);
    if (stop.load(std::memory_order_relaxed)) return Status(Code::kInterrupted, "interrupted");
    if (i % 256 == 0 && line.due()) line.show(with_commas(i) + " of " + with_commas(runs) + " runs");
  }
  std::sort(all.begin(), all.end());
  return all;
}

double quantile(const std::vector<double>& sorted, double share) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())))];
}

// Runs in steps of a quarter of an octave, those that anything fell into.
std::string histogram(const std::vector<double>& sorted) {
  constexpr double kPerOctave = 4;
  constexpr size_t kWidest = 40;
  Table table({"us up to", "runs", ""});
  table.left({2});
  size_t at = 0;
  for (double exponent = std::floor(std::log2(sorted.front()) * kPerOctave); at < sorted.size(); ++exponent) {
    const double end = std::exp2((exponent + 1) / kPerOctave);
    const size_t from = at;
    while (at < sorted.size() && sorted[at] < end) ++at;
    if (at == from) continue;
    const size_t bar = std::max<size_t>(1, (at - from) * kWidest / sorted.size());
    table.add({decimal(end, 1), with_commas(static_cast<int64_t>(at - from)), std::string(bar, '#')});
  }
  return table.text();
}

Result<int> bench_run(const RunArguments& arguments) {
  const double opened = now_us();
  TRY_ASSIGN(const PackedImage image, PackedImage::read(Env::system(), arguments.file));
  TRY_ASSIGN(const PackedSession session,
             PackedSession::create(
                 image, {.threads = arguments.threads, .isa = arguments.isa, .batch = arguments.batch}));
  std::vector<float> input(static_cast<size_t>(elements_of(image.input()) * arguments.batch)),
      output(static_cast<size_t>(elements_of(image.output()) * arguments.batch));
  Rng rng(1, stream_id("bench run", "input"));
  for (float& number : input) number = rng.normal();
  const auto run = [&]() -> Status {
    session.run(input.data(), output.data());
    return {};
  };
  TRY(run());
  const double load_ms = (now_us() - opened) / 1000;
  TRY_ASSIGN(const PackedText text, packed_text(image, arguments.file));
  Json row{{"what", "run " + arguments.file}, {"threads", arguments.threads}, {"batch", arguments.batch}};
  row.update(machine_json(session.isa(), shipped_cost_table()));
  row.update(Json{{"model", text.model},
                  {"arithmetic", text.arithmetic},
                  {"bytes", image.bytes()},
                  {"arena_bytes", coppice_arena_bytes(&image.view())},
                  {"session_bytes", session.bytes()},
                  {"load_ms", load_ms}});
  Calibration calibration(session.isa(), arguments.threads);
  if (arguments.serve) return serve(row, run, calibration);
  Sampling sampling;
  sampling.seconds = arguments.seconds;
  sampling.stop = &stop_on_signals();
  TRY_ASSIGN(const std::vector<Sampled> samples,
             sample_in_turn(std::vector<TakeSample>{[&] { return timed(run); }}, calibration, sampling));
  const Sampled& sampled = samples.front();
  TRY_ASSIGN(const std::vector<double> sorted, latencies(run, arguments.runs));
  if (arguments.json) {
    row.update(Json{{"ms", sampled.ms},
                    {"samples_kept", sampled.kept},
                    {"samples", sampled.all},
                    {"runs", arguments.runs},
                    {"p50_us", quantile(sorted, 0.5)},
                    {"p99_us", quantile(sorted, 0.99)},
                    {"p999_us", quantile(sorted, 0.999)},
                    {"max_us", sorted.back()}});
    say(json_text(row));
    return kFine;
  }
  say("network  " + text.model + ", " + text.arithmetic + ", " + arguments.file + ", " +
      bytes_text(image.bytes()));
  say("machine  " + row["cpu"].get<std::string>() + ", " + session.isa() + " kernels, " +
      std::to_string(arguments.threads) + (arguments.threads == 1 ? " thread" : " threads"));
  say("load     " + decimal(load_ms, 2) + " ms from opening the file to the first answer");
  const std::string each = arguments.batch == 1
                               ? " us a sample"
                               : " us for " + std::to_string(arguments.batch) + " samples, " +
                                     decimal(1000 * sampled.ms / arguments.batch, 2) + " each";
  say("time     " + decimal(1000 * sampled.ms, 2) + each + ", the 20th percentile of " +
      std::to_string(sampled.kept) + " undisturbed bursts of " + std::to_string(sampled.all) +
      (sampled.disturbed ? " (too few: the 5th of all)" : ""));
  say("runs     " + with_commas(arguments.runs) + ": half within " + decimal(quantile(sorted, 0.5), 2) +
      " us, 99 % within " + decimal(quantile(sorted, 0.99), 2) + ", 99.9 % within " +
      decimal(quantile(sorted, 0.999), 2) + ", the longest " + decimal(sorted.back(), 2));
  say("memory   " + bytes_text(session.bytes()) + " of the caller, of these " +
      bytes_text(static_cast<int64_t>(coppice_arena_bytes(&image.view()))) +
      " activations; a run allocates nothing\n");
  say(histogram(sorted));
  return kFine;
}

}  // namespace

void add_bench_run(CLI::App& bench, int& exit) {
  CLI::App* command = bench.add_subcommand("run", "Packed network: how fast, and how evenly");
  command->footer(
      "\nExamples:\n"
      "  coppice bench run third.cpk --threads 2\n"
      "  coppice bench run third.cpk --runs 100000 --json\n"
      "  coppice bench run table.cpk --batch 16");
  auto arguments = std::make_shared<RunArguments>();
  RunArguments& a = *arguments;
  command->add_option("file", a.file, "a packed network")->required()->type_name("FILE.cpk");
  command->add_option("--threads", a.threads, "")->check(CLI::Range(1, 1024))->capture_default_str();
  command->add_option("--isa", a.isa, "c, avx2, avx512 or neon; else the best here");
  command->add_option("--batch", a.batch, "samples of a run; more than 1 if it was packed with --batch")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--runs", a.runs, "how many single runs the percentiles are of")
      ->check(CLI::Range(int64_t{100}, int64_t{1} << 27))
      ->capture_default_str();
  command->add_option("--seconds", a.seconds, "how long to sample bursts of runs before that")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command->add_flag("--json", a.json, "print one JSON object");
  command->add_flag("--serve", a.serve, "answer go, cal, memory and quit on standard input (bench/compare)");
  command->callback([arguments, &exit] {
    const auto code = bench_run(*arguments);
    exit = code.ok() ? *code : fail(kName, code.status());
  });
}

}  // namespace coppice::cli
