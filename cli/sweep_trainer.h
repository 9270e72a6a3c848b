// SPDX-License-Identifier: Apache-2.0
// Runs of a sweep as processes: `coppice train` for each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "study/sweep.h"

namespace coppice::cli {

class ProcessTrainer final : public SweepTrainer {
 public:
  // Both outlive it.
  ProcessTrainer(Env& env, const SweepStudy& study, int threads)
      : env_(env), study_(study), threads_(threads) {}

  Result<std::unique_ptr<StartedRun>> start(const SweepRun& run, const std::string& directory,
                                            bool resume) override;
  std::string command(const SweepRun& run) const override;

 private:
  std::vector<std::string> recipe_flags(const SweepRun& run) const;

  Env& env_;
  const SweepStudy& study_;
  int threads_;
};

}  // namespace coppice::cli
