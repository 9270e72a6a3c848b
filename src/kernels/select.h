// SPDX-License-Identifier: Apache-2.0
// The kernels of one instruction set, for inference and for training together, so that both always agree.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/train_kernels.h"

namespace coppice {

struct Kernels {
  const coppice_kernel_table* forward = nullptr;  // never null in a result; both live forever
  const coppice_train_table* train = nullptr;
};

// isa: "c", "avx2", "avx512" or "neon"; empty: what the environment variable COPPICE_ISA names, else the
// fastest.
Result<Kernels> select_kernels(const std::string& isa = {});

// Names of the instruction sets that this CPU and build have, fastest first; "c" is always the last.
std::vector<std::string> available_isas();

}  // namespace coppice
