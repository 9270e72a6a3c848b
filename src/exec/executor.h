// SPDX-License-Identifier: Apache-2.0
// Runs a network: lowers its graph to calls, plans memory, and steps through the program (rt/c/run.c) on a
// thread pool. One executor belongs to one thread at a time. It keeps a reference to the network, whose
// parameters it trains in place.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "coppice_program.h"
#include "exec/dense_gradient.h"
#include "exec/network.h"
#include "graph/plan.h"
#include "optim/optimizer.h"

namespace coppice {

struct ExecOptions {
  int batch = 128;  // the most samples of one (micro-)batch
  int threads = 1;
  std::string isa;       // "" = the best of this CPU; "c", "avx2", "avx512", "neon"
  bool training = true;  // false: forward only
  OptimizerConfig optimizer;
  double clip_norm = 0;  // 0: no clipping. Above 0 gradients are stored
  // Training: how much a teacher's logits count beside the labels, at this temperature; 0: there is none.
  double teacher_share = 0, temperature = 1;
  bool keep_gradients = false;  // stored, and readable after the step
  // Weights whose whole gradient may be asked for; empty: none. See dense_gradients().
  std::function<bool(const Param&)> dense_gradients_of;
  int time_every = 0;         // measure the calls of every n-th step, 0: of none; see call_times()
  std::vector<ValueId> keep;  // read by the host after a step, besides logits and loss; so computed
  int64_t memory_limit = 0;   // bytes, 0 = none. A plan above it is refused with a sentence
  int64_t memory_beside = 0;  // bytes that others take of the limit, such as the executor for evaluation
};

// One (micro-)batch, in the layout of design.md: x [tiles][features][S], target int32 [tiles][S] or float
// [tiles][outputs][S], with S = input_width() and target_width().
struct BatchView {
  int samples = 0;
  void* x = nullptr;
  void* target = nullptr;
  // [tiles][S] as the target: factors of the samples' losses, for gradients and the mean; null: all 1.
  const float* weights = nullptr;
  // [tiles][classes][S] as the target: the teacher's logits, where there is one.
  const float* teacher = nullptr;
};

struct StepState {
  uint64_t seed = 0;
  int64_t step = 0;  // updates done so far
  double learning_rate = 0;
};

struct MemoryReport {
  int64_t params = 0, activations = 0, scratch = 0;
  int64_t total() const { return params + activations + scratch; }
};

struct CallTimes {
  std::vector<double> seconds;  // of each call of schedule().calls, all threads and steps added up
  int64_t steps = 0;            // that were measured
};

// Why a layer runs as it does; shown by `explain`.
struct KernelChoice {
  std::string weight, format, reason;
  int64_t live = 0, total = 0;
};

class Executor {
 public:
  static Result<std::unique_ptr<Executor>> create(Network& network, const ExecOptions& options);
  virtual ~Executor() = default;

  // One update from one batch, given in one or more micro-batches (several need stored gradients) of 1 to
  // ExecOptions.batch samples each. Returns the mean loss. A loss, or a norm that clipping measures, that is
  // not finite is kDiverged and names the step. Running statistics have been changed then, and parameters too
  // unless gradients are stored: updates follow their gradients without waiting for the loss. Go on from a
  // checkpoint.
  virtual Result<double> train_step(std::span<const BatchView> micro_batches, const StepState& state) = 0;

  // Computes the gradients of one batch, as a training step would, and hands those of the weights that
  // options.dense_gradients_of names to the sink, dead positions included. Nothing is updated but running
  // statistics. Returns the mean loss. Memory: a few rows of a weight for each thread, beyond the plan's.
  virtual Result<double> dense_gradients(const BatchView& batch, const StepState& state,
                                         const DenseGradientSink& sink) = 0;

  // Chooses formats and plans anew: after somebody changed the patterns of the network's parameters, before
  // anything else is asked of the executor, and of each that shares them. call_times() begin anew.
  virtual Status rebind() = 0;

  // Whether a (micro-)batch of so many samples will do: neither more than the plan has room for nor, in
  // training, too few for an op. train_step() and evaluate() check it themselves.
  virtual Status check_samples(int samples) const = 0;

  // Forward only, by an executor made with training = false; returns the mean loss (0 if target is null).
  virtual Result<double> evaluate(const BatchView& batch) = 0;

  // Values of the last step that the host may read: logits and loss, tiled [tiles][elements][S].
  virtual coppice_tiled view(ValueId id) const = 0;

  virtual int input_width() const = 0;
  virtual int target_width() const = 0;
  virtual MemoryReport memory() const = 0;
  virtual const std::vector<KernelChoice>& choices() const = 0;
  virtual const Schedule& schedule() const = 0;
  virtual const std::vector<PlanValue>& values() const = 0;  // that the calls of schedule() read and write
  // What the steps that were measured took; empty without time_every.
  virtual CallTimes call_times() const = 0;
  virtual std::string isa() const = 0;

  // Per sample of a training step (forward and backward) or of a forward pass.
  virtual Cost cost() const = 0;
};

// Bytes of the parameters of a network with so many weights, and of what training keeps for them, without
// what formats add.
Result<int64_t> parameter_bytes(const Graph& graph, const SparsityConfig& sparsity,
                                const ExecOptions& options);

// Refuses a network whose parameters with their optimizer state alone exceed options.memory_limit: to be
// asked before Network::create() allocates them.
Status check_parameter_memory(const Graph& graph, const SparsityConfig& sparsity, const ExecOptions& options);

}  // namespace coppice
