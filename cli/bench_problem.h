// SPDX-License-Identifier: Apache-2.0
// What `coppice bench` times: one layer with all its gradients, or whole training steps, on fixed made-up
// data.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "exec/executor.h"

namespace coppice::cli {

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

  Status run();
  int64_t live_weights() const { return network_.live_weights(); }
  int64_t total_weights() const { return network_.total_weights(); }
  int64_t flops() const {
    return executor_->cost().useful * batch_.samples;
  }  // of one iteration, on live weights
  int64_t dense_flops() const { return executor_->cost().dense * batch_.samples; }
  const Executor& executor() const { return *executor_; }

 private:
  Status open_layer(const BenchRequest& request);
  Status open_step(const BenchRequest& request);
  void make_batch(const BenchRequest& request, bool labels);

  Network network_;
  std::unique_ptr<Executor> executor_;
  Floats x_, dense_target_;
  std::vector<int32_t> labels_;
  BatchView batch_;
  bool training_ = false;
  int64_t step_ = 0;
};

}  // namespace coppice::cli
