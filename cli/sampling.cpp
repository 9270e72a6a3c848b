// SPDX-License-Identifier: Apache-2.0
#include "sampling.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "host/cpu.h"
#include "host/usage.h"

namespace coppice::cli {
namespace {

// Seconds. A core that slept needs some milliseconds to get back its clock and its caches.
constexpr double kWarmUp = 0.005, kShortestBurst = 0.01;
// Of the best calibration: a neighbour on the same core shows there. Reads vary more by themselves.
constexpr double kUndisturbed = 0.96, kUndisturbedReads = 0.93;
constexpr size_t kFewest = 9;  // undisturbed samples, else all count
constexpr size_t kFewestRounds = 3;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Sample {
  double ms;
  coppice_speed frame;
};

coppice_speed slower(const coppice_speed& a, const coppice_speed& b) {
  return {std::min(a.gflops, b.gflops), std::min(a.gbytes, b.gbytes)};
}

std::vector<double> undisturbed(const std::vector<Sample>& samples, const coppice_speed& peak) {
  std::vector<double> kept;
  for (const Sample& one : samples)
    if (one.frame.gflops >= kUndisturbed * peak.gflops && one.frame.gbytes >= kUndisturbedReads * peak.gbytes)
      kept.push_back(one.ms);
  return kept;
}

Sampled judged(const std::vector<Sample>& samples, const coppice_speed& peak) {
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
      speeds_(static_cast<size_t>(threads)) {
  for (int t = 0; t < threads; ++t) data_.emplace_back(COPPICE_SPEED_BYTES / sizeof(float));
}

// The slowest part counts for all: a disturbed thread holds up every barrier. All parts at once, each on a
// thread of its own: two processors may turn out to be halves of one core.
coppice_speed Calibration::measure() {
  const auto part = [](void* self, int32_t item, int32_t) {
    auto* calibration = static_cast<Calibration*>(self);
    const auto at = static_cast<size_t>(item);
    calibration->arrived_.fetch_add(1);
    while (calibration->arrived_.load() < calibration->speeds_.size()) std::this_thread::yield();
    calibration->speeds_[at] = coppice_host_speed(calibration->kernels_, calibration->data_[at].data());
  };
  arrived_ = 0;
  coppice_pool_par_for(pool_, static_cast<int32_t>(speeds_.size()), part, this);
  const auto threads = static_cast<double>(speeds_.size());
  coppice_speed speed = speeds_.front();
  for (const coppice_speed& one : speeds_) {
    speed = slower(speed, one);
    peak_ = {std::max(peak_.gflops, one.gflops * threads), std::max(peak_.gbytes, one.gbytes * threads)};
  }
  return {speed.gflops * threads, speed.gbytes * threads};
}

Result<double> timed(const std::function<Status()>& run, Clock clock) {
  const auto time = [clock] { return clock == Clock::kThread ? coppice_host_thread_seconds() : now(); };
  double ms = 0;
  for (const double shortest : {kWarmUp, kShortestBurst}) {
    const double begin = time();
    int64_t iterations = 0;
    double elapsed = 0;
    for (; elapsed < shortest; elapsed = time() - begin, ++iterations) TRY(run());
    ms = 1000 * elapsed / static_cast<double>(iterations);
  }
  return ms;
}

Result<std::vector<Sampled>> sample_in_turn(const std::vector<TakeSample>& all, Calibration& calibration,
                                            const Sampling& sampling) {
  std::vector<std::vector<Sample>> samples(all.size());
  const double begin = now();
  coppice_speed before = calibration.measure();
  for (size_t round = 1;; ++round) {
    for (size_t p = 0; p < all.size(); ++p) {
      if (sampling.stop != nullptr && sampling.stop->load(std::memory_order_relaxed))
        return Status(Code::kInterrupted, "interrupted");
      TRY_ASSIGN(const double ms, all[p]());
      const coppice_speed after = calibration.measure();
      samples[p].push_back({ms, slower(before, after)});
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

Result<std::vector<Sampled>> sample_in_turn(const std::vector<BenchProblem*>& problems,
                                            Calibration& calibration, const Sampling& sampling) {
  std::vector<TakeSample> all;
  all.reserve(problems.size());
  for (BenchProblem* problem : problems)
    all.emplace_back(
        [problem, clock = sampling.clock] { return timed([problem] { return problem->run(); }, clock); });
  return sample_in_turn(all, calibration, sampling);
}

}  // namespace coppice::cli
