// SPDX-License-Identifier: Apache-2.0
// Seconds of short functions on a machine that others use too. Every sample is framed by a calibration loop
// and kept only if both frames ran at full rate; of those kept the 20th percentile counts. Samples should
// last less than a millisecond, so that the scheduler leaves most of them whole.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "base/buffer.h"
#include "host/cpu.h"

namespace coppice {

class Meter {
 public:
  explicit Meter(const coppice_kernel_table* kernels) : kernels_(kernels) {
    for (int i = 0; i < 100; ++i) {
      const coppice_speed speed = coppice_host_speed(kernels_, data_.data());
      peak_ = {std::max(peak_.gflops, speed.gflops), std::max(peak_.gbytes, speed.gbytes)};
    }
  }

  // All functions in turn, so that all meet the same noise, for about `seconds`.
  std::vector<double> measure(const std::vector<std::function<void()>>& functions, double seconds) {
    std::vector<std::vector<double>> kept(functions.size()), all(functions.size());
    for (const double begin = now(); now() - begin < seconds;)
      for (size_t f = 0; f < functions.size(); ++f) {
        functions[f]();
        const bool quiet_before = quiet();
        const double start = now();
        functions[f]();
        all[f].push_back(now() - start);
        if (quiet_before && quiet()) kept[f].push_back(all[f].back());
      }
    std::vector<double> result;
    for (size_t f = 0; f < functions.size(); ++f) {
      kept_ += kept[f].size();
      all_ += all[f].size();
      const bool enough = kept[f].size() >= 5;
      std::vector<double>& samples = enough ? kept[f] : all[f];
      std::sort(samples.begin(), samples.end());
      result.push_back(samples[samples.size() / (enough ? 5 : 20)]);
    }
    return result;
  }

  double peak() const { return peak_.gflops; }
  size_t kept() const { return kept_; }
  size_t all() const { return all_; }

 private:
  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  bool quiet() const {
    const coppice_speed speed = coppice_host_speed(kernels_, data_.data());
    return speed.gflops > 0.96 * peak_.gflops && speed.gbytes > 0.93 * peak_.gbytes;
  }

  const coppice_kernel_table* kernels_;
  Floats data_ = Floats(COPPICE_SPEED_BYTES / sizeof(float));
  coppice_speed peak_{0, 0};
  size_t kept_ = 0, all_ = 0;
};

}  // namespace coppice
