// SPDX-License-Identifier: Apache-2.0
#include "bench_serve.h"

#include <chrono>
#include <iostream>

#include "command.h"
#include "host/usage.h"
#include "terminal.h"

namespace coppice::cli {
namespace {

// A processor that slept while the other side had its turn needs some milliseconds to get back its clock.
coppice_speed settled(Calibration& calibration) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(5);
  coppice_speed speed = calibration.measure();
  while (Clock::now() < end) speed = calibration.measure();
  return speed;
}

}  // namespace

Result<int> serve(const Json& ready, const std::function<Status()>& run, Calibration& calibration) {
  TRY(run());
  Json first{{"ready", true}};
  first.update(ready);
  say(json_text(first));
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    if (line == "go") {
      TRY_ASSIGN(const double ms, timed(run));
      say(json_text(Json{{"ms", ms}}));
    } else if (line == "cal") {
      const coppice_speed speed = settled(calibration), peak = calibration.peak();
      say(json_text(Json{{"fma_gflops", speed.gflops},
                         {"l2_gbytes", speed.gbytes},
                         {"peak", {{"fma_gflops", peak.gflops}, {"l2_gbytes", peak.gbytes}}}}));
    } else if (line == "memory") {
      say(json_text(Json{{"peak_bytes", coppice_host_peak_bytes()}}));
    } else {
      return invalid("'" + line + "' is not an order; there are go, cal, memory and quit");
    }
  }
  return kFine;
}

}  // namespace coppice::cli
