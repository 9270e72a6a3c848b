// SPDX-License-Identifier: Apache-2.0
// Another network that a network learns from beside the labels (Hinton et al. 2015): what it says about a
// batch goes into the loss (ops/softmax_cross_entropy.cpp).
#pragma once

#include <memory>

#include "base/buffer.h"
#include "base/env.h"
#include "base/result.h"
#include "dataset/dataset.h"
#include "exec/executor.h"
#include "train/recipe.h"

namespace coppice {

class Teacher {
 public:
  // The network of recipe.teacher: a checkpoint of any architecture, or weights alone, of the recipe's model.
  // Fails, naming the key, where it does not say as much about samples of `data` as the labels do, or learnt
  // from samples that were normalised otherwise. Formats are chosen by `table`, so that a run which goes on
  // hears the same bits.
  static Result<std::unique_ptr<Teacher>> create(Env& env, const Recipe& recipe, const Dataset& data,
                                                 const CostTable& table);

  // Its logits [tiles][classes][S] for a micro-batch that begins at sample `begin` of a batch, a multiple of
  // the samples of a micro-batch. They stay until the same place is asked for again.
  Result<const float*> logits(const BatchView& batch, int64_t begin);

  int64_t bytes() const {
    return executor_->memory().total() + static_cast<int64_t>(logits_.size() * sizeof(float));
  }
  Cost cost() const { return executor_->cost(); }  // of a sample

 private:
  Teacher(Network network, int64_t micro_batch) : network_(std::move(network)), micro_batch_(micro_batch) {}
  Network network_;
  std::unique_ptr<Executor> executor_;
  int64_t micro_batch_;  // samples
  int64_t region_ =
      0;           // numbers that a micro-batch has in logits_: whole tiles, as its last may be half full
  Floats logits_;  // of a batch
};

}  // namespace coppice
