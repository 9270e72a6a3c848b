// SPDX-License-Identifier: Apache-2.0
#include "bench_apply.h"

#include <limits>
#include <memory>

#include "base/rng.h"
#include "base/text.h"
#include "bench_problem.h"
#include "bench_serve.h"
#include "formats/apply.h"
#include "kernels/select.h"
#include "terminal.h"

namespace coppice::cli {
namespace {

constexpr char kName[] = "bench apply";

struct ApplyArguments {
  int64_t rows = 1024, cols = 1024;
  double density = 0.1;
  std::string block = "16x1", arithmetic = "f32", isa;
  int threads = 1;
  double seconds = 5;
  bool empty = false, serve = false, json = false;

  std::string text() const {
    return "apply " + std::to_string(rows) + "x" + std::to_string(cols) + ", " + arithmetic + ", density " +
           shortest(density) + ", block " + block + (empty ? ", the call alone" : "");
  }
};

// One layer with made-up numbers. Integers as they are between two layers: int8 in, int8 out.
class ApplyProblem {
 public:
  static Result<std::unique_ptr<ApplyProblem>> create(const ApplyArguments& arguments);
  ~ApplyProblem() { coppice_pool_destroy(pool_); }
  ApplyProblem(const ApplyProblem&) = delete;
  ApplyProblem& operator=(const ApplyProblem&) = delete;

  Status run() {
    coppice_run_program(&program_, &rs_, coppice_pool_par_for, pool_, scratch_.data(), scratch_stride_);
    return {};
  }
  const std::string& isa() const { return isa_; }
  int64_t live() const { return live_; }
  int64_t bytes() const { return floats_ ? floats_->bytes() : integers_->bytes(); }

 private:
  ApplyProblem() = default;
  Status open(const ApplyArguments& arguments);
  void open_f32(const Pattern& pattern, std::span<const float> values, int32_t part_block_rows);
  void open_i8(const Pattern& pattern, std::span<const float> values, int32_t part_block_rows);

  std::string isa_;
  int64_t live_ = 0;
  Kernels kernels_;
  std::optional<ApplyF32> floats_;
  std::optional<ApplyI8> integers_;
  Bytes x_, y_, scratch_;
  size_t scratch_stride_ = 0;
  std::vector<float> bias_;
  std::vector<int32_t> multiplier_, shift_;
  coppice_apply_f32_args f32_args_{};
  coppice_apply_i8_args i8_args_{};
  coppice_call call_{};
  coppice_group group_{};
  coppice_phase phase_{0, 1};
  coppice_program program_{};
  coppice_run_state rs_{};
  coppice_pool* pool_ = nullptr;
};

void do_nothing(const void*, const coppice_run_state*, const coppice_item*) {}

Result<std::unique_ptr<ApplyProblem>> ApplyProblem::create(const ApplyArguments& arguments) {
  std::unique_ptr<ApplyProblem> problem(new ApplyProblem());
  TRY(problem->open(arguments));
  return problem;
}

Status ApplyProblem::open(const ApplyArguments& arguments) {
  TRY_ASSIGN(kernels_, select_kernels(arguments.isa));
  isa_ = kernels_.forward->isa;
  TRY_ASSIGN(const BlockShape block, BlockShape::parse(arguments.block));
  const double density = arguments.density;
  if (!(density > 0 && density <= 1)) return invalid("--density: must be above 0 and at most 1");
  if (density < 1 && (arguments.rows % block.rows != 0 || arguments.cols % block.cols != 0))
    return invalid("--block: " + block.text() + " does not divide " + std::to_string(arguments.rows) + " x " +
                   std::to_string(arguments.cols));
  const int64_t positions = arguments.rows * arguments.cols / block.size();
  const Pattern pattern =
      density == 1 ? Pattern::full(arguments.rows, arguments.cols)
                   : random_pattern(arguments.rows, arguments.cols, block,
                                    std::llround(density * static_cast<double>(positions)), 1, "bench apply");
  if (const std::string why = refuses_apply(pattern); !why.empty()) return unsupported("--block: " + why);
  live_ = pattern.live();
  Rng rng(1, stream_id("bench apply", "values"));
  std::vector<float> values(static_cast<size_t>(live_));
  for (float& value : values) value = rng.normal();
  const int64_t block_rows = (arguments.rows + COPPICE_APPLY_ROWS - 1) / COPPICE_APPLY_ROWS;
  // One part for each thread, as the rows cost the same.
  const auto part = static_cast<int32_t>((block_rows + arguments.threads - 1) / arguments.threads);
  x_ = Bytes(static_cast<size_t>(arguments.cols + 4) * sizeof(float));
  y_ = Bytes(static_cast<size_t>(arguments.rows) * sizeof(float));
  if (arguments.arithmetic == "int8")
    open_i8(pattern, values, part);
  else
    open_f32(pattern, values, part);
  if (arguments.empty) call_.kernel = do_nothing;
  call_.parts = group_.parts;
  scratch_stride_ =
      static_cast<size_t>(coppice_apply_i8_scratch(static_cast<int32_t>(arguments.cols)) + 63) / 64 * 64;
  scratch_ = Bytes(scratch_stride_ * static_cast<size_t>(arguments.threads));
  group_.call_end = 1;
  group_.kind = COPPICE_ITEM_PART;
  group_.width = 1;
  program_ = {&call_, &group_, &phase_, 1};
  rs_.samples = 1;
  pool_ = coppice_pool_create(arguments.threads);
  if (!pool_) return {Code::kNoMemory, "cannot start the threads; try fewer with --threads"};
  return {};
}

void ApplyProblem::open_f32(const Pattern& pattern, std::span<const float> values, int32_t part_block_rows) {
  floats_.emplace(pattern, values, part_block_rows);
  Rng rng(2, stream_id("bench apply", "x"));
  for (int64_t i = 0; i < pattern.cols(); ++i) static_cast<float*>(x_.data())[i] = rng.normal();
  bias_.assign(static_cast<size_t>(pattern.rows()), 0.1f);
  f32_args_ = {&floats_->view(), bias_.data(), {x_.data(), 0, 0}, {y_.data(), 0, 0}, 0.0f};
  call_ = {kernels_.forward->apply_f32, &f32_args_, 0};
  group_.parts = floats_->parts();
}

void ApplyProblem::open_i8(const Pattern& pattern, std::span<const float> values, int32_t part_block_rows) {
  const QuantisedRows rows = quantise_rows(pattern, values);
  const std::vector<int32_t> bias(static_cast<size_t>(pattern.rows()), 100);
  integers_.emplace(pattern, rows.value, bias, -128, part_block_rows);
  Rng rng(2, stream_id("bench apply", "x"));
  for (int64_t i = 0; i < pattern.cols(); ++i)
    static_cast<int8_t*>(x_.data())[i] = static_cast<int8_t>(static_cast<int>(rng.below(256)) - 128);
  const Requantisation requantisation = requantisation_of(0.001);
  const auto padded = static_cast<size_t>(integers_->view().block_rows * COPPICE_APPLY_ROWS);
  multiplier_.assign(padded, requantisation.multiplier);
  shift_.assign(padded, requantisation.shift);
  i8_args_.weights = &integers_->view();
  i8_args_.x = {x_.data(), 0, 0};
  i8_args_.y = {y_.data(), 0, 0};
  i8_args_.multiplier = multiplier_.data();
  i8_args_.shift = shift_.data();
  i8_args_.zero_point = i8_args_.low = -128;
  i8_args_.high = 127;
  call_ = {kernels_.forward->apply_i8, &i8_args_, 0};
  group_.parts = integers_->parts();
}

Result<int> bench_apply(const ApplyArguments& arguments) {
  TRY_ASSIGN(const std::unique_ptr<ApplyProblem> problem, ApplyProblem::create(arguments));
  Json row{{"what", arguments.text()}, {"threads", arguments.threads}};
  row.update(machine_json(problem->isa(), shipped_cost_table()));
  row.update(Json{{"live_weights", problem->live()},
                  {"total_weights", arguments.rows * arguments.cols},
                  {"bytes", problem->bytes()}});
  Calibration calibration(problem->isa(), arguments.threads);
  const auto run = [&problem] { return problem->run(); };
  if (arguments.serve) return serve(row, run, calibration);
  Sampling sampling;
  sampling.seconds = arguments.seconds;
  TRY_ASSIGN(const std::vector<Sampled> samples,
             sample_in_turn(std::vector<TakeSample>{[&] { return timed(run); }}, calibration, sampling));
  const Sampled& sampled = samples.front();
  if (arguments.json) {
    row.update(Json{{"ms", sampled.ms}, {"samples_kept", sampled.kept}, {"samples", sampled.all}});
    say(json_text(row));
    return kFine;
  }
  say("what     " + arguments.text() + ", " + std::to_string(arguments.threads) +
      (arguments.threads == 1 ? " thread" : " threads"));
  say("machine  " + row["cpu"].get<std::string>() + ", " + problem->isa() + " kernels");
  say("time     " + decimal(1000 * sampled.ms, 3) + " us, the 20th percentile of " +
      std::to_string(sampled.kept) + " undisturbed samples of " + std::to_string(sampled.all) +
      (sampled.disturbed ? " (too few: the 5th of all)" : ""));
  say("work     " + with_commas(problem->live()) + " of " + with_commas(arguments.rows * arguments.cols) +
      " weights in " + bytes_text(problem->bytes()));
  return kFine;
}

int run_bench_apply(const ApplyArguments& arguments) {
  const auto code = bench_apply(arguments);
  return code.ok() ? *code : fail(kName, code.status());
}

}  // namespace

void add_bench_apply(CLI::App& bench, int& exit) {
  CLI::App* command =
      bench.add_subcommand("apply", "Linear layer for one sample, in floats or 8-bit integers");
  command->footer(
      "\nExamples:\n"
      "  coppice bench apply --rows 1024 --cols 1024 --density 0.1 --block 16x4 --arithmetic int8\n"
      "  bench/compare/apply.py     beside ONNX Runtime");
  auto arguments = std::make_shared<ApplyArguments>();
  ApplyArguments& a = *arguments;
  command->add_option("--rows", a.rows, "outputs")->check(CLI::Range(1, 1 << 16))->capture_default_str();
  command->add_option("--cols", a.cols, "inputs")->check(CLI::Range(1, 1 << 16))->capture_default_str();
  command->add_option("--density", a.density, "live share of the weights")->capture_default_str();
  command->add_option("--block", a.block, "16x1 or 16x4")->capture_default_str();
  command->add_option("--arithmetic", a.arithmetic, "of weights and activations")
      ->check(CLI::IsMember({"f32", "int8"}))
      ->capture_default_str();
  command->add_option("--threads", a.threads, "")->check(CLI::Range(1, 1024))->capture_default_str();
  command->add_option("--isa", a.isa, "c, avx2, avx512 or neon; else the best here");
  command->add_option("--seconds", a.seconds, "how long to sample")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command->add_flag("--empty", a.empty, "time the call alone, without its work");
  command->add_flag("--json", a.json, "print one JSON object");
  command->add_flag("--serve", a.serve, "answer go, cal, memory and quit on standard input (bench/compare)");
  command->callback([arguments, &exit] { exit = run_bench_apply(*arguments); });
}

}  // namespace coppice::cli
