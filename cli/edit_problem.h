// SPDX-License-Identifier: Apache-2.0
// What `coppice bench edit` times: one edit of a network's topology by a method, as training does it, and
// what stands beside it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench_problem.h"
#include "exec/executor.h"
#include "sparsify/sparsifier.h"
#include "train/recipe.h"

namespace coppice::cli {

// Those whose edits move weights; the others have none, or only take some away.
std::vector<std::string> moving_methods();

struct EditRequest {
  std::string method;
  std::vector<Setting> settings;  // of the recipe: everything but the method
  int64_t epoch_samples = 60000;  // for methods that edit once an epoch
  CostTable cost_table = shipped_cost_table();
};

// Owns network, executors and data. One thread at a time.
class EditProblem {
 public:
  static Result<std::unique_ptr<EditProblem>> create(const EditRequest& request);
  EditProblem(const EditProblem&) = delete;
  EditProblem& operator=(const EditProblem&) = delete;

  // Milliseconds of one edit: the choice, the gradients that it asks for, the change of the parameters, and
  // both executors of a run bound anew. The part of the gradients is added to gradient_ms().
  Result<double> edit();
  Status step();  // of training, between edits

  const std::vector<double>& gradient_ms() const { return gradient_ms_; }  // of each edit
  const EditReport& last_edit() const { return last_edit_; }
  // An edit that ranks by a batch takes the place of the update.
  bool replaces_update() const;
  int64_t update_every() const { return interval_; }
  int64_t steps_between() const { return interval_ - (replaces_update() ? 1 : 0); }
  const Network& network() const { return network_; }
  const Executor& executor() const { return *executor_; }
  const Recipe& recipe() const { return recipe_; }
  // Whether the method may change this weight and it is sparse.
  bool edits(const Param& param) const {
    return sparsifier_.may_change(param) && param.live() < param.total();
  }

 private:
  EditProblem() = default;
  Status open(const EditRequest& request);
  void redraw();
  RunLength run() const;
  int64_t step_of_edit() const { return edits_ * interval_; }

  Recipe recipe_;
  Network network_;
  Sparsifier sparsifier_;
  std::unique_ptr<Executor> executor_, evaluator_;
  std::unique_ptr<BenchBatch> batch_;
  int64_t interval_ = 1, epoch_ = 1, edits_ = 1;
  std::vector<double> gradient_ms_;
  EditReport last_edit_;
};

// The gradients of all weights that the method edits, as if each of them were dense: one product for each,
// nothing else.
class DenseGradients {
 public:
  static Result<std::unique_ptr<DenseGradients>> create(const EditProblem& problem);
  Status run();
  int64_t flops() const;  // of one run

 private:
  std::vector<std::unique_ptr<BenchProblem>> layers_;
};

}  // namespace coppice::cli
