// SPDX-License-Identifier: Apache-2.0
// Pictures of one size from pictures of any: a triangle filter that widens where the picture shrinks, so that
// no pixel is skipped. In integers, the same bits everywhere, and the same as those of Pillow's BILINEAR
// (which torchvision uses): a network that was trained there sees here what it saw there.
#pragma once

#include "io/image.h"

namespace coppice {

// How a picture of other proportions gets a size.
enum class Fit {
  kCrop,     // it is scaled until it just covers the size, and its middle is cut out
  kStretch,  // it is scaled to the size, each side by itself
};

const char* fit_name(Fit fit);  // "crop", "stretch"; persisted

Image resized(const Image& image, int height, int width);
// A picture so long that a copy on the way would be too large is refused; the sentence lacks its name.
Result<Image> fitted(Image image, int height, int width, Fit fit);

}  // namespace coppice
