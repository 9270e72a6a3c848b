// SPDX-License-Identifier: Apache-2.0
#include "tuning.h"

#include <algorithm>
#include <memory>
#include <span>

#include "base/text.h"
#include "coppice_build.h"
#include "host/cpu.h"
#include "packed_problem.h"

namespace coppice::cli {
namespace {

constexpr double kDensities[] = {0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0}, kDensitiesQuick[] = {0.1, 0.5, 1.0};

BenchRequest layer_request(const TuneRequest& tune, FormatCandidate::Layer layer) {
  BenchRequest request;
  request.threads = tune.threads;
  request.isa = tune.isa;
  if (layer == FormatCandidate::Layer::kConv) {
    request.kind = "conv";
    request.inputs = request.outputs = tune.quick ? 32 : 64;
    request.size = tune.quick ? 8 : 16;
    request.batch = tune.quick ? 16 : 32;
  } else {
    request.kind = "linear";
    request.rows = request.cols = tune.quick ? 512 : 1024;
    request.batch = tune.quick ? 64 : 128;
  }
  return request;
}

// One of both: of training, or of a packed layer.
struct Measured {
  CostTable::Row row;
  std::unique_ptr<BenchProblem> problem = nullptr;
  std::unique_ptr<PackedProblem> packed = nullptr;

  Status run() { return problem ? problem->run() : packed->run(); }
  int64_t flops() const { return problem ? problem->flops() : packed->flops(); }
};

// Full patterns then count by that one.
bool has_full_rate(const FormatCandidate& candidate) {
  return std::any_of(candidate.rates.begin(), candidate.rates.end(),
                     [](const RateDef& rate) { return rate.full; });
}

// A table with one row leaves no choice, so the problem runs on the format that is to be measured.
Result<Measured> prepare(BenchRequest request, const FormatCandidate& candidate, const RateDef& rate,
                         double density) {
  request.density = density;
  request.block = BlockShape{std::max(rate.block_rows, 1), 1}.text();
  request.cost_table = {"", {{rate.name, density, 1}}};
  TRY_ASSIGN(std::unique_ptr<BenchProblem> problem, BenchProblem::create(request));
  const KernelChoice& choice = problem->executor().choices().front();
  if (choice.format != candidate.format->name)
    return unsupported(std::string("format '") + candidate.format->name +
                       "': does not run the layer that it is measured on (" + choice.reason + ")");
  return Measured{.row = {rate.name, density, 0}, .problem = std::move(problem)};
}

}  // namespace

Result<Tuned> measure_cost_table(const TuneRequest& request) {
  std::vector<Measured> measured;
  const std::span<const double> densities =
      request.quick ? std::span<const double>(kDensitiesQuick) : kDensities;
  for (const FormatCandidate& candidate : format_candidates())
    for (const RateDef& rate : candidate.rates)
      for (const double density : densities) {
        if (rate.full ? density < 1 : density == 1 && has_full_rate(candidate)) continue;
        TRY_ASSIGN(Measured one, prepare(layer_request(request, candidate.layer), candidate, rate, density));
        measured.push_back(std::move(one));
      }
  const std::string isa = measured.front().problem->executor().isa();
  for (const PackedRate& rate : packed_rates())
    for (const double density : densities) {
      if ((rate.format == PackedFormat::kDense) != (density == 1)) continue;
      TRY_ASSIGN(auto problem, PackedProblem::create(rate, density, request.quick, isa));
      measured.push_back({.row = {rate.name(), density, 0}, .packed = std::move(problem)});
    }
  Calibration calibration(isa, request.threads);
  std::vector<TakeSample> all;
  all.reserve(measured.size());
  for (Measured& one : measured)
    all.emplace_back(
        [&one, clock = request.sampling.clock] { return timed([&one] { return one.run(); }, clock); });
  TRY_ASSIGN(const std::vector<Sampled> samples, sample_in_turn(all, calibration, request.sampling));

  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  Tuned tuned;
  tuned.table.cpu = cpu.model;
  tuned.table.isa = isa;
  tuned.table.commit = COPPICE_BUILD_COMMIT;
  tuned.fma_peak = calibration.peak().gflops;
  for (size_t i = 0; i < measured.size(); ++i) {
    CostTable::Row& row = measured[i].row;
    row.gflops = static_cast<double>(measured[i].flops()) / samples[i].ms / 1e6;
    tuned.table.rows.push_back(row);
    tuned.rough += samples[i].disturbed;
  }
  for (const FormatCandidate::Layer layer : {FormatCandidate::Layer::kLinear, FormatCandidate::Layer::kConv})
    append_item(tuned.layers, layer_request(request, layer).layer_text(), "; ");
  append_item(tuned.layers, "packed ones of one sample", "; ");
  return tuned;
}

std::string cost_table_text(const CostTable& table) {
  std::string text = table.origin + " (" + table.cpu + ", " + table.isa + ")";
  std::string missing;
  for (const std::string& rate : missing_rates(table)) append_item(missing, rate, ", ");
  return missing.empty() ? text : text + "; it lacks " + missing + ", which `coppice tune` would measure";
}

}  // namespace coppice::cli
