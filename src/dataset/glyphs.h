// SPDX-License-Identifier: Apache-2.0
// Digits drawn by the program itself: a data set in the shape of MNIST that needs no file. Each digit has a
// few handwriting forms, made of strokes that are bent, slanted, scaled, shifted and drawn with a random pen
// over noise.
#pragma once

#include <cstdint>

#include "dataset/dataset.h"

namespace coppice {

constexpr int kGlyphSide = 28;

// Draws glyph `index` of the set `seed` and returns its digit, 0..9. A pure function; only arithmetic that
// IEEE 754 rounds exactly is used (no sine, no logarithm), so the bytes do not depend on the C library.
int draw_glyph(uint64_t seed, int64_t index, uint8_t* pixels);  // pixels [28][28]

// Glyphs 0 .. train - 1 are for training (validation is cut from them later), the next `test` ones for the
// test.
Result<Dataset> make_glyphs(int64_t train, int64_t test, uint64_t seed);

}  // namespace coppice
