// SPDX-License-Identifier: Apache-2.0
#include "train/image_outputs.h"

#include <vector>

#include "dataset/loader.h"
#include "host/threads.h"

namespace coppice {
namespace {

struct PoolDeleter {
  void operator()(coppice_pool* pool) const { coppice_pool_destroy(pool); }
};

struct Job {
  std::vector<PackedSession>* sessions;
  const float* x;
  float* said;
  int64_t features, width;
};

void run_sample(void* context, int32_t sample, int32_t thread) {
  const Job& job = *static_cast<const Job*>(context);
  (*job.sessions)[static_cast<size_t>(thread)].run(job.x + sample * job.features,
                                                   job.said + sample * job.width);
}

Status check_sizes(const PackedImage& image, const Dataset& data) {
  const int64_t takes = elements_of(image.input()), gives = elements_of(image.output());
  if (takes != data.features.size())
    return invalid("data '" + data.name + "': a sample has " + std::to_string(data.features.size()) +
                   " numbers, the packed network takes " + std::to_string(takes));
  if (gives != data.outputs)
    return invalid("data '" + data.name + "': has " + std::to_string(data.outputs) +
                   " outputs, the packed network gives " + std::to_string(gives));
  return {};
}

}  // namespace

Result<Outputs> image_outputs(const PackedImage& image, const Dataset& data, const Split& split, int threads,
                              const std::string& isa, const Watch& watch) {
  constexpr int kBatch = 64;
  TRY(check_sizes(image, data));
  if (split.size() == 0) return invalid("data '" + data.name + "': this split has no samples to evaluate on");
  LoaderOptions options;
  options.batch = kBatch;
  options.width = options.target_width = 1;  // sample after sample
  options.shuffle = false;
  TRY_ASSIGN(const std::unique_ptr<Loader> loader, Loader::create(data, split, options));
  std::vector<PackedSession> sessions;
  for (int t = 0; t < threads; ++t) {
    TRY_ASSIGN(PackedSession session, PackedSession::create(image, {.isa = isa}));
    sessions.push_back(std::move(session));
  }
  const std::unique_ptr<coppice_pool, PoolDeleter> pool(coppice_pool_create(threads));
  if (!pool) return Status(Code::kNoMemory, std::to_string(threads) + " threads could not be started");

  Outputs outputs;
  outputs.width = data.outputs;
  outputs.task = data.task;
  for (int64_t index = 0; index < loader->batches_per_epoch(); ++index) {
    if (watch.stop != nullptr && watch.stop->load(std::memory_order_relaxed))
      return Status(Code::kInterrupted, "interrupted");
    const Batch& batch = loader->next();
    const auto numbers = static_cast<size_t>(batch.samples * outputs.width);
    outputs.said.resize(outputs.said.size() + numbers);
    Job job{&sessions, batch.x, outputs.said.data() + outputs.said.size() - numbers, data.features.size(),
            outputs.width};
    coppice_pool_par_for(pool.get(), batch.samples, run_sample, &job);
    if (batch.labels != nullptr)
      outputs.labels.insert(outputs.labels.end(), batch.labels, batch.labels + batch.samples);
    else if (data.task == Task::kLabels)
      outputs.targets.insert(outputs.targets.end(), batch.dense, batch.dense + numbers);
    outputs.samples += batch.samples;
    if (watch.on_progress) watch.on_progress(outputs.samples, split.size());
  }
  if (data.task == Task::kRegression) in_their_own_unit(data, split, outputs);
  return outputs;
}

}  // namespace coppice
