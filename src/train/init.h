// SPDX-License-Identifier: Apache-2.0
// First values from a file: a checkpoint of a run, or any safetensors file whose tensors carry the names of
// the network's parameters, as PyTorch writes them.
#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "dataset/dataset.h"
#include "exec/network.h"

namespace coppice {

struct InitReport {
  struct Row {
    std::string name;  // of a parameter or a running statistic
    bool taken = false;
    std::string outcome;  // "taken", "not in the file", "10x784 in the file, 10x512 here"
  };
  std::vector<Row> rows;            // in the order of the network
  std::vector<std::string> unused;  // tensors of the file that nothing here is called after

  int64_t taken() const;
};

// A dense tensor gives the live weights of a layer their values, whatever the pattern. A sparse one (of a
// checkpoint) also gives the layer its pattern, so that its density is the file's. What does not match by
// name, shape or type keeps the value that it was drawn. Fails if nothing matches.
// A checkpoint that learnt from the same columns of a table in another order is refused: its first layer
// would take each for another. `columns` are those of the data.
Result<InitReport> init_from_file(Env& env, const std::string& path, Network& network,
                                  const ColumnNames& columns = {});

}  // namespace coppice
