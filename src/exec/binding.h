// SPDX-License-Identifier: Apache-2.0
// The steps between a graph and its calls: which kernels, which format for each parameter, which optimizer
// calls.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "exec/executor.h"
#include "exec/network.h"
#include "graph/lowering.h"
#include "kernels/pointwise_kernels.h"
#include "kernels/train_kernels.h"

namespace coppice {

struct KernelTables {
  const coppice_kernel_table* rt = nullptr;
  const coppice_train_table* train = nullptr;
  const coppice_pointwise_table* pointwise = nullptr;
  Tiling tiling;  // cache sizes of this CPU
};
// isa "": the best of this CPU, or what COPPICE_ISA says.
Result<KernelTables> kernel_tables(const std::string& isa);

struct Binding {
  std::vector<KernelChoice> choices;  // one per weight
};
// Encodes every weight in the format chosen for it (unless an executor did so before).
Result<Binding> bind_parameters(Network& network, const Graph& graph, const std::vector<PlanValue>& values,
                                const ExecOptions& options, const KernelTables& tables);

// The arrays that training keeps beside the values: optimizer state, and gradients where they are stored.
// Allocated by allocate_state(); missing_state_bytes() is what that would take.
bool stores_gradients(const ExecOptions& options);
int64_t missing_state_bytes(const Network& network, const ExecOptions& options);
void allocate_state(Network& network, const ExecOptions& options);

// The graph's values as the plan sees them: tile widths, halos, input slots, what the host reads (logits,
// loss and those of `keep`). A halo is
// the largest that a convolution in the graph wants of the value; the convolutions of the forward graph alone
// decide about x, so training and evaluation agree.
std::vector<PlanValue> plan_values(const Graph& graph, int batch, const std::vector<ValueId>& keep = {});

// The gradients of parameters, as far as there are any.
std::vector<ValueId> live_gradients(const Network& network, const std::vector<ValueId>& gradient_of);

// Adam's corrections of both moments by the age of a weight: [n] for one that was updated n times before,
// until they are 1. Empty for other optimizers.
using Corrections = std::pair<std::vector<float>, std::vector<float>>;
Corrections adam_corrections(const OptimizerConfig& optimizer);

// Adds one optimizer call per parameter, right behind its gradient if that is not stored, and the refresh of
// transposed copies. gradient_of: the gradient of each value, as build_gradients() returns it. The
// corrections must outlive the calls.
void append_updates(Lowering& lowering, Network& network, const std::vector<ValueId>& gradient_of,
                    const ExecOptions& options, const Corrections& corrections);

}  // namespace coppice
