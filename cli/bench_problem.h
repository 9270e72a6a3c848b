// SPDX-License-Identifier: Apache-2.0
// What `coppice bench` times: one layer with all its gradients, or whole training steps, on fixed made-up
// data.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "exec/executor.h"
#include "models/json.h"

namespace coppice::cli {

// A model on data of the shape that it is usually trained on.
Result<Graph> bench_graph(const std::string& model);

// What a row says about program, machine and kernels.
Json machine_json(const std::string& isa, const CostTable& table);

// A batch of made-up numbers, and classes or numbers to learn.
class BenchBatch {
 public:
  // `binary`: the numbers to learn are 0 and 1.
  BenchBatch(const Graph& graph, const Executor& executor, int samples, bool binary);
  const BatchView& view() const { return view_; }

 private:
  Floats x_, dense_target_;
  std::vector<int32_t> labels_;
  BatchView view_;
};

struct BenchRequest {
  std::string kind;                                          // "linear", "conv", "step"
  int64_t rows = 1024, cols = 1024;                          // linear
  int64_t inputs = 64, outputs = 64, size = 16, kernel = 3;  // conv, stride 1, padded to keep its size
  std::string model = "mlp:784-1024-1024-1024-10", optimizer = "adam", distribution = "uniform";  // step
  int batch = 128, threads = 1;
  double density = 1;
  std::string block = "1x1", isa;
  bool time_calls = false;  // measure each call
  CostTable cost_table = shipped_cost_table();

  std::string text() const;        // one line that names the problem
  std::string layer_text() const;  // the same without density and block
};

// Owns network, executor and data. run() does one iteration; it may be called by one thread at a time.
class BenchProblem {
 public:
  static Result<std::unique_ptr<BenchProblem>> create(const BenchRequest& request);
  // A graph whose input is x and whose target is dy, as far as these values need it; of the request count
  // batch, threads, kernels, density and block.
  static Result<std::unique_ptr<BenchProblem>> create(Graph layer, std::vector<ValueId> wanted,
                                                      const BenchRequest& request);

  Status run();
  int64_t live_weights() const { return network_.live_weights(); }
  int64_t total_weights() const { return network_.total_weights(); }
  int64_t flops() const {
    return executor_->cost().useful * batch_->view().samples;
  }  // of one iteration, on live weights
  int64_t dense_flops() const { return executor_->cost().dense * batch_->view().samples; }
  const Executor& executor() const { return *executor_; }

 private:
  Status open_layer(Graph graph, std::vector<ValueId> wanted, const BenchRequest& request);
  Status open_step(const BenchRequest& request);

  Network network_;
  std::unique_ptr<Executor> executor_;
  std::optional<BenchBatch> batch_;
  bool training_ = false;
  int64_t step_ = 0;
};

}  // namespace coppice::cli
