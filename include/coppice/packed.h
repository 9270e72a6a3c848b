// SPDX-License-Identifier: Apache-2.0
// Packed networks: read, run, and made of a network.
#pragma once

#include "pack/calibrate.h"
#include "pack/image_file.h"
#include "pack/pack.h"
