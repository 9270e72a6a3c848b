// SPDX-License-Identifier: Apache-2.0
#include "train/weights_file.h"

#include <deque>
#include <vector>

#include "io/safetensors.h"
#include "sparse/dense.h"

namespace coppice {

Status write_dense_weights(Env& env, const std::string& path, const Network& network) {
  std::deque<std::vector<float>> values;
  std::vector<TensorView> tensors;
  for (const std::vector<Param>* list : {&network.params, &network.states})
    for (const Param& param : *list) {
      values.push_back(dense_floats(param));
      tensors.push_back({param.name(), Dtype::kF32, param.dims(), values.back().data()});
    }
  // What Hugging Face's tools look for: the shapes are those of PyTorch.
  return write_safetensors(env, path, std::move(tensors), {{"format", "pt"}});
}

}  // namespace coppice
