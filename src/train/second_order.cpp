// SPDX-License-Identifier: Apache-2.0
#include "train/second_order.h"

#include <algorithm>
#include <string>

#include "dataset/loader.h"
#include "sparsify/reconstruct.h"
#include "train/evaluate.h"

namespace coppice {

Status prune_second_order(Network& network, const Recipe& recipe, const Dataset& data,
                          const std::function<void(int64_t done, int64_t all)>& on_layer,
                          const std::atomic<bool>* stop) {
  constexpr int kBatch = 64;
  // Of a linear layer each sample says something once; convolutions have seen enough long before.
  constexpr int64_t kSamples = 8192;
  ExecOptions options;
  options.batch = kBatch;
  options.threads = thread_count(recipe);
  options.isa = recipe.isa;
  options.memory_limit = recipe.memory;
  options.training = false;
  options.keep = reconstruction_inputs(network.graph);
  // Hessian and factor, and the layer's weights beside them.
  for (const Param& param : network.params) {
    if (!param.is_weight()) continue;
    const Pattern pattern = param.pattern();
    const int64_t columns = std::min(pattern.cols(), kMostReconstructed);
    const int64_t bytes = 8 * (2 * columns * columns + pattern.total());
    if (recipe.memory > 0 && bytes > recipe.memory)
      return {Code::kNoMemory, "method: obs needs " + std::to_string(bytes >> 20) + " MiB for '" +
                                   param.name() + "', above the limit of --memory"};
  }
  TRY_ASSIGN(const std::unique_ptr<Executor> executor, Executor::create(network, options));
  LoaderOptions loading;
  loading.batch = kBatch;
  loading.width = executor->input_width();
  loading.target_width = executor->target_width();
  loading.seed = recipe.seed;
  TRY_ASSIGN(const std::unique_ptr<Loader> loader, Loader::create(data, data.train, loading));
  Calibration calibration;
  calibration.batches = std::min(loader->batches_per_epoch(), kSamples / kBatch);
  calibration.seed = recipe.seed;
  calibration.on_layer = on_layer;
  calibration.batch = [&](int64_t index) -> Result<BatchView> {
    if (stop != nullptr && stop->load(std::memory_order_relaxed))
      return Status(Code::kInterrupted, "interrupted");
    loader->seek(0, index);
    const Batch& batch = loader->next();
    return BatchView{batch.samples, batch.x, batch.target()};
  };
  return reconstruct(network, recipe.sparsity, recipe.sparsify.schedule.ranking, *executor, calibration);
}

}  // namespace coppice
