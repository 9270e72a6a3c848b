// SPDX-License-Identifier: Apache-2.0
#include "bench_serve.h"

#include <chrono>
#include <iostream>

#include "base/text.h"
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

// Microseconds of runs one by one, once the caches are warm again.
Result<Json> each_of(const std::function<Status()>& run, const std::string& runs) {
  constexpr int64_t kMost = 1000000;
  int64_t count = 0;
  if (!parse_number(runs, &count) || count < 1 || count > kMost)
    return invalid("each: '" + runs + "' should be a number from 1 to " + std::to_string(kMost));
  TRY(timed(run).status());
  std::vector<double> us;
  us.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    const auto before = std::chrono::steady_clock::now();
    TRY(run());
    us.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before).count());
  }
  return Json{{"us", us}};
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
    } else if (line.starts_with("each ")) {
      TRY_ASSIGN(const Json said, each_of(run, line.substr(5)));
      say(json_text(said));
    } else if (line == "memory") {
      say(json_text(Json{{"peak_bytes", coppice_host_peak_bytes()}}));
    } else {
      return invalid("'" + line + "' is not an order; there are go, cal, each N, memory and quit");
    }
  }
  return kFine;
}

}  // namespace coppice::cli
