// SPDX-License-Identifier: Apache-2.0
// Small networks that several tests run.
#pragma once

#include <string>
#include <vector>

#include "exec/network.h"
#include "ops/build.h"

namespace coppice::testing {

// Linear layers fc1, fc2, ... with relu between them, and softmax cross-entropy.
inline Graph mlp(const std::vector<int64_t>& sizes) {
  NetworkBuilder b;
  ValueId x = b.input({"f", {sizes[0]}});
  b.class_target();
  for (size_t i = 1; i < sizes.size(); ++i) {
    const std::string number = std::to_string(i);
    x = b.linear(std::string("fc").append(number), x, sizes[i]);
    if (i + 1 < sizes.size()) x = b.relu(std::string("relu").append(number), x);
  }
  b.softmax_cross_entropy(x);
  return b.finish().take();
}

// 2 x 8 x 8 -> conv 8 [-> batch norm] -> relu -> max pool -> conv 4, stride 2 -> relu -> linear 5
inline Graph conv_net(bool batch_norm) {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {2, 8, 8}});
  b.class_target();
  x = b.conv("conv1", x, 8, {});
  if (batch_norm) x = b.batch_norm("bn1", x);
  x = b.apply("max_pool", "pool", {b.relu("relu1", x)}, {{"kernel", int64_t{2}}, {"stride", int64_t{2}}});
  ConvOptions strided;
  strided.stride = 2;
  x = b.relu("relu2", b.conv("conv2", x, 4, strided));
  b.softmax_cross_entropy(b.linear("fc", b.flatten("flatten", x), 5));
  return b.finish().take();
}

// Layers wide enough for every format, after one another, and large enough to be shared out among threads.
inline Graph wide_net() {
  NetworkBuilder b;
  ValueId x = b.input({"chw", {3, 25, 26}});
  b.class_target();
  x = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", x, 32, {})));
  ConvOptions strided;
  strided.stride = 2;
  ValueId y = b.batch_norm("bn2", b.conv("conv2", x, 32, strided));
  ConvOptions pointwise;
  pointwise.kernel = 1;
  pointwise.padding = 0;
  x = b.relu("relu3", b.conv("conv3", y, 48, pointwise));
  ConvOptions depthwise;
  depthwise.groups = 48;
  x = b.relu("relu4", b.conv("conv4", x, 48, depthwise));
  x = b.apply("add", "sum", {x, b.conv("conv5", y, 48, pointwise)});
  x = b.relu("relu5", b.linear("fc1", b.flatten("flatten", x), 64));
  b.softmax_cross_entropy(b.linear("fc2", x, 7));
  return b.finish().take();
}

inline Network network_of(const Graph& graph, double density, BlockShape block = {}, uint64_t seed = 7) {
  SparsityConfig sparsity;
  sparsity.density = density;
  sparsity.distribution = Distribution::kUniform;
  sparsity.block = block;
  return Network::create(graph, sparsity, seed).take();
}

}  // namespace coppice::testing
