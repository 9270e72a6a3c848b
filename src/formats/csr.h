// SPDX-License-Identifier: Apache-2.0
// Compressed sparse rows in canonical order: what the general convolution reads.
#pragma once

#include "sparse/format.h"

namespace coppice {
extern const FormatDef kCsr;
}
