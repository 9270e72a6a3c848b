// SPDX-License-Identifier: Apache-2.0
// The table of ops. Every src/ops/NAME.cpp defines NAME_ops(), the op and the gradient ops that belong to it;
// CMake lists the folder and writes the table, so an op registers by being there.
#pragma once

#include <string_view>
#include <vector>

#include "graph/op.h"

namespace coppice {

const std::vector<const OpDef*>& all_ops();
const OpDef* find_op(std::string_view name);  // null if there is none

}  // namespace coppice
