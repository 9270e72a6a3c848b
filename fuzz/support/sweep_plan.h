// SPDX-License-Identifier: Apache-2.0
// The study whose rows the target sweep_rows reads, and its seeds write.
#pragma once

#include "study/sweep_rows.h"
#include "support/memory_env.h"

namespace coppice::fuzz {

inline const SweepPlan& small_sweep() {
  static const SweepPlan kPlan = [] {
    testing::MemoryEnv env(testing::MemoryEnv::Files{
        {"study.toml", "[study]\nseeds = 2\nbaseline = 'dense'\n[[cell]]\nname = 'dense'\n"}});
    return plan_sweep(env, read_sweep_study(env, "study.toml").take(), "study").take();
  }();
  return kPlan;
}

}  // namespace coppice::fuzz
