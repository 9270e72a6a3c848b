// SPDX-License-Identifier: Apache-2.0
// What chts and chtss share: which links are worth most, and where the topology wants new ones.
#pragma once

#include <cstdint>
#include <vector>

#include "sparsify/method.h"

namespace coppice {

// MethodDef::keep: the shares that a link has of the magnitudes of its row and of its column.
std::vector<float> keep_by_relative_importance(const LayerState& layer);

// MethodDef::hold: those with the largest scores are a draw without replacement, by importance to the power
// that the schedule says.
std::vector<float> hold_by_draw(const LayerState& layer);

// MethodDef::grow: drawn without replacement by CH2-L3n, the sum over the nodes z on the paths of three links
// from a row to a column of (1 + links of z to such nodes) / (1 + links of z to others, row and column not
// counted). Where no path leads, or hardly any, positions are drawn alike for what is missing.
std::vector<int64_t> grow_by_paths(const LayerState& left, int64_t blocks);

}  // namespace coppice
