// SPDX-License-Identifier: Apache-2.0
// Times problems on a machine that others use too: every sample is framed by short loops of
// multiply-adds and of reads, only those count whose frames ran at full speed, and of these the 20th
// percentile.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "bench_problem.h"
#include "host/cpu.h"
#include "host/kernels.h"
#include "host/threads.h"

namespace coppice::cli {

// What a quiet machine could do at most: the rates of multiply-adds on registers and of reads from the L2,
// all threads together.
class Calibration {
 public:
  Calibration(const std::string& isa, int threads);
  ~Calibration() { coppice_pool_destroy(pool_); }
  Calibration(const Calibration&) = delete;
  Calibration& operator=(const Calibration&) = delete;

  coppice_speed measure();
  // The most so far, if all threads had been as fast at the same moment as each has been at some.
  coppice_speed peak() const { return peak_; }

 private:
  const coppice_kernel_table* kernels_;
  coppice_pool* pool_;
  std::vector<Floats> data_;           // of each thread
  std::vector<coppice_speed> speeds_;  // of each thread
  std::atomic<size_t> arrived_{0};
  coppice_speed peak_{0, 0};
};

// Wall time, or the time that a processor gave to this thread: for problems of one thread it does not count
// the slices of other programs.
enum class Clock { kWall, kThread };

// Milliseconds of one iteration: a burst to warm up, then one that counts.
Result<double> timed(const std::function<Status()>& run, Clock clock = Clock::kWall);

struct Sampled {
  double ms = 0;
  size_t kept = 0, all = 0;
  bool disturbed = false;  // too few were kept: ms is the 5th percentile of all
};

struct Sampling {
  double seconds = 5;  // at most
  size_t enough = 0;   // undisturbed samples of each problem; 0: go on to the last second
  Clock clock = Clock::kWall;
  const std::atomic<bool>* stop = nullptr;
  std::function<void(double share)> progress;  // optional
};

// Takes one sample: milliseconds.
using TakeSample = std::function<Result<double>()>;

// All in turn, so that all meet the same noise; at least three samples of each. A stop is a failure with the
// code kInterrupted.
Result<std::vector<Sampled>> sample_in_turn(const std::vector<TakeSample>& all, Calibration& calibration,
                                            const Sampling& sampling);
Result<std::vector<Sampled>> sample_in_turn(const std::vector<BenchProblem*>& problems,
                                            Calibration& calibration, const Sampling& sampling);

}  // namespace coppice::cli
