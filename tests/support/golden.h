// SPDX-License-Identifier: Apache-2.0
// Networks and batches of the files in tests/golden.
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/env.h"
#include "exec/executor.h"
#include "io/safetensors.h"
#include "support/batch.h"

namespace coppice::testing {

inline SafetensorsFile golden(const std::string& name) {
  return SafetensorsFile::open(Env::system(), COPPICE_SOURCE_DIR "/tests/golden/" + name + ".safetensors")
      .take();
}

// The network with the file's values, and its masks if `masked`. `blocks` names the block shape of some
// weights.
inline Network load_golden(Graph graph, const SafetensorsFile& file,
                           const std::map<std::string, BlockShape>& blocks, bool masked = true) {
  Network net = Network::create(std::move(graph), {}, 1).take();
  for (Param& param : net.params) {
    const std::vector<float> dense = file.read<float>(param.name()).take();
    if (!param.is_weight()) {
      param.set_canonical(param.value, dense);
      continue;
    }
    const int64_t rows = param.dims()[0], cols = param.total() / rows;
    std::vector<int32_t> mask(dense.size(), 1);
    if (masked && file.has("mask." + param.name())) mask = file.read<int32_t>("mask." + param.name()).take();
    const auto wish = blocks.find(param.name());
    const BlockShape block = wish == blocks.end() ? BlockShape{} : wish->second;
    std::vector<int32_t> indptr{0}, indices;
    std::vector<float> values;
    for (int64_t r = 0; r < rows; r += block.rows) {
      for (int64_t c = 0; c < cols; ++c) {
        if (!mask[static_cast<size_t>(r * cols + c)]) continue;
        indices.push_back(static_cast<int32_t>(c));
        for (int i = 0; i < block.rows; ++i) values.push_back(dense[static_cast<size_t>((r + i) * cols + c)]);
      }
      indptr.push_back(static_cast<int32_t>(indices.size()));
    }
    Pattern pattern = Pattern::from_indices(rows, cols, block, indptr, indices).take();
    param = Param::weight(param.name(), param.dims(), std::move(pattern));
    param.set_canonical(param.value, values);
  }
  return net;
}

struct GoldenBatch {
  Floats x, labels;
  BatchView view;
};
inline GoldenBatch load_golden_batch(const SafetensorsFile& file, const Executor& executor,
                                     int64_t features) {
  const std::vector<float> input = file.read<float>("input").take();
  const std::vector<int32_t> labels = file.read<int32_t>("labels").take();
  const auto samples = static_cast<int>(labels.size());
  const int sx = executor.input_width(), st = executor.target_width();
  GoldenBatch batch;
  batch.x = Floats(static_cast<size_t>((samples + sx - 1) / sx * sx * features));
  batch.labels = Floats(static_cast<size_t>((samples + st - 1) / st * st));
  for (int n = 0; n < samples; ++n) {
    for (int64_t f = 0; f < features; ++f)
      batch.x[static_cast<size_t>((n / sx * features + f) * sx + n % sx)] =
          input[static_cast<size_t>(n * features + f)];
    std::memcpy(&batch.labels[static_cast<size_t>(n)], &labels[static_cast<size_t>(n)], sizeof(int32_t));
  }
  batch.view = {samples, batch.x.data(), batch.labels.data()};
  return batch;
}

}  // namespace coppice::testing
