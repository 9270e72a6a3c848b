// SPDX-License-Identifier: Apache-2.0
// The smallest network that is still good enough: runs at densities that halve the range between one that is
// and one that is not, on a logarithmic scale.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "study/run_record.h"
#include "train/trainer.h"

namespace coppice {

// Which density to try next.
class DensitySearch {
 public:
  // 0 < least < 1: density 1 is good enough, and nothing below `least` is tried.
  DensitySearch(double least, int tries) : bad_(least), left_(tries) {}
  // Empty: enough was tried.
  std::optional<double> next() const;
  void tell(double density, bool enough);
  double smallest() const { return good_; }  // that was good enough; 1: none that was tried

 private:
  double bad_, good_ = 1;
  int left_;
};

enum class Verdict { kOpen, kEnough, kHopeless };

// What is to be said of a run after some of its `epochs`, from the states that have the final density (those
// since the first best one). Enough: one of them has the value wanted, and larger is better. Hopeless: it
// would not come there though it gained twice as fast as since it had the density; nobody says so before half
// of what came after that is over.
Verdict verdict_of(const std::vector<EpochRow>& rows, const std::string& metric, double wanted,
                   int64_t epochs);

struct Trial {
  std::string directory;
  double density = 1;
  int64_t epochs = 0, of = 0;   // done, and of the whole run
  std::optional<double> value;  // of the metric, on the validation samples: the best at the final density
  Verdict verdict = Verdict::kOpen;  // after all epochs: not enough
};

struct TrialRequest {
  Recipe recipe;
  std::string directory;  // of the run; one that lies there goes on
  std::string metric;
  std::optional<double> wanted;  // empty: the run goes to its end
};

// Trains until there is a verdict. `on_step` may be empty. Fails with kInterrupted when `stop` says so, and
// goes on from there if it is asked again. Refuses a directory that holds a run of another recipe.
Result<Trial> run_trial(Env& env, const TrialRequest& request, const std::atomic<bool>* stop,
                        const std::function<void(const StepEvent&)>& on_step);

}  // namespace coppice
