// SPDX-License-Identifier: Apache-2.0
#include "sampling.h"

#include <algorithm>
#include <chrono>

#include "host/cpu.h"
#include "host/usage.h"

namespace coppice::cli {
namespace {

constexpr double kShortestBurst = 0.005;  // seconds; below it the clock and one wake-up would count
constexpr double kUndisturbed = 0.96;     // of the best calibration: a neighbour on the same core shows there
constexpr size_t kFewest = 9;             // undisturbed samples, else all count
constexpr size_t kFewestRounds = 3;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Sample {
  double ms, frame;
};

std::vector<double> undisturbed(const std::vector<Sample>& samples, double peak) {
  std::vector<double> kept;
  for (const Sample& one : samples)
    if (one.frame >= kUndisturbed * peak) kept.push_back(one.ms);
  return kept;
}

Sampled judged(const std::vector<Sample>& samples, double peak) {
  Sampled result;
  std::vector<double> counted = undisturbed(samples, peak);
  result.kept = counted.size();
  result.all = samples.size();
  result.disturbed = counted.size() < kFewest;
  if (result.disturbed) {
    counted.clear();
    for (const Sample& one : samples) counted.push_back(one.ms);
  }
  std::sort(counted.begin(), counted.end());
  result.ms = counted[counted.size() / (result.disturbed ? 20 : 5)];
  return result;
}

}  // namespace

Calibration::Calibration(const std::string& isa, int threads)
    : kernels_(coppice_host_kernels(isa.c_str())),
      pool_(coppice_pool_create(threads)),
      rates_(static_cast<size_t>(threads)) {}

// The slowest part counts for all: a disturbed thread holds up every barrier.
double Calibration::gflops() {
  const auto part = [](void* self, int32_t item, int32_t) {
    auto* calibration = static_cast<Calibration*>(self);
    calibration->rates_[static_cast<size_t>(item)] = coppice_host_fma_rate(calibration->kernels_);
  };
  coppice_pool_par_for(pool_, static_cast<int32_t>(rates_.size()), part, this);
  const double rate = *std::min_element(rates_.begin(), rates_.end()) * static_cast<double>(rates_.size());
  peak_ = std::max(peak_, rate);
  return rate;
}

Result<double> timed(BenchProblem& problem, Clock clock) {
  const auto time = [clock] { return clock == Clock::kThread ? coppice_host_thread_seconds() : now(); };
  TRY(problem.run());
  const double begin = time();
  int64_t iterations = 0;
  double elapsed = 0;
  for (; elapsed < kShortestBurst; elapsed = time() - begin, ++iterations) TRY(problem.run());
  return 1000 * elapsed / static_cast<double>(iterations);
}

Result<std::vector<Sampled>> sample_in_turn(const std::vector<BenchProblem*>& problems,
                                            Calibration& calibration, const Sampling& sampling) {
  std::vector<std::vector<Sample>> samples(problems.size());
  const double begin = now();
  double before = calibration.gflops();
  for (size_t round = 1;; ++round) {
    for (size_t p = 0; p < problems.size(); ++p) {
      if (sampling.stop != nullptr && sampling.stop->load(std::memory_order_relaxed))
        return Status(Code::kInterrupted, "interrupted");
      TRY_ASSIGN(const double ms, timed(*problems[p], sampling.clock));
      const double after = calibration.gflops();
      samples[p].push_back({ms, std::min(before, after)});
      before = after;
    }
    double share = (now() - begin) / sampling.seconds;
    if (sampling.enough > 0) {
      size_t least = round;
      for (const std::vector<Sample>& list : samples)
        least = std::min(least, undisturbed(list, calibration.peak()).size());
      share = std::max(share, static_cast<double>(least) / static_cast<double>(sampling.enough));
    }
    if (sampling.progress) sampling.progress(std::min(share, 1.0));
    if (share >= 1 && round >= kFewestRounds) break;
  }
  std::vector<Sampled> results;
  results.reserve(samples.size());
  for (const std::vector<Sample>& list : samples) results.push_back(judged(list, calibration.peak()));
  return results;
}

}  // namespace coppice::cli
