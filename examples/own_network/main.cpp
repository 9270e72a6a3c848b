// SPDX-License-Identifier: Apache-2.0
// A network of one's own in C++: built layer by layer, trained with 10 % of its weights on generated digits,
// judged, and kept. Build it against an installed Coppice (see CMakeLists.txt beside it).
#include <coppice/train.h>

#include <cstdio>

namespace {

using namespace coppice;

Result<Graph> small_network(const Dataset& data) {
  NetworkBuilder b;
  const Features& f = data.features;
  ValueId x = b.input({"chw", {f.channels, f.height, f.width}});
  b.class_target();
  x = b.relu("relu1", b.batch_norm("bn1", b.conv("conv1", x, 16, {.kernel = 5, .stride = 2, .padding = 2})));
  x = b.relu("relu2", b.batch_norm("bn2", b.conv("conv2", x, 32, {.kernel = 3, .stride = 2, .padding = 1})));
  x = b.relu("relu3", b.linear("fc1", b.flatten("flatten", x), 64));
  b.softmax_cross_entropy(b.linear("fc2", x, data.outputs));
  return b.finish();
}

Result<double> learn(Network& network, const Dataset& data) {
  constexpr int kEpochs = 3;
  constexpr uint64_t kSeed = 1;
  ExecOptions options;
  options.batch = 64;
  options.threads = 2;
  options.optimizer.kind = OptimizerKind::kAdam;
  TRY_ASSIGN(const auto executor, Executor::create(network, options));
  TRY_ASSIGN(const auto loader,
             Loader::create(data, data.train,
                            {.batch = options.batch, .width = executor->input_width(), .seed = kSeed}));
  double loss = 0;
  for (int64_t step = 0; step < kEpochs * loader->batches_per_epoch(); ++step) {
    const Batch& batch = loader->next();
    const BatchView view{batch.samples, batch.x, batch.target()};
    TRY_ASSIGN(loss, executor->train_step({&view, 1}, {kSeed, step, 0.003}));
  }
  return loss;
}

Status run() {
  TRY_ASSIGN(const Dataset data, load_dataset(Env::system(), "glyphs"));
  TRY_ASSIGN(Graph graph, small_network(data));
  SparsityConfig sparsity;
  sparsity.density = 0.1;
  TRY_ASSIGN(Network network, Network::create(std::move(graph), sparsity, 1));
  std::printf("%lld of %lld weights live\n", static_cast<long long>(network.live_weights()),
              static_cast<long long>(network.total_weights()));
  TRY_ASSIGN(const double loss, learn(network, data));

  TRY_ASSIGN(const auto evaluator, make_evaluator(network, {}, data.features));
  TRY_ASSIGN(const Evaluation test, evaluate(*evaluator, network.graph, data, data.test));
  std::printf("last loss %.3f, %.2f %% of %lld test samples right\n", loss, 100 * test.accuracy,
              static_cast<long long>(test.samples));

  // The graph as text, which `coppice train --model own_network.json` takes.
  return write_atomic(Env::system(), "own_network.json", graph_to_lines(network.graph) + "\n");
}

}  // namespace

int main() {
  const Status status = run();
  if (!status.ok()) std::fprintf(stderr, "own_network: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
