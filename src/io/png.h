// SPDX-License-Identifier: Apache-2.0
// PNG over libpng: every kind of it in, grey or colour bytes out. 16 bits are rounded to 8, palettes are
// looked up, and what is transparent is put on white. Gamma and colour profiles are not applied.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "io/image.h"

namespace coppice {

// `bytes` is a file, or at least its first 33 bytes for the info. Sentences lack the name of the file.
Result<ImageInfo> png_info(std::string_view bytes);
Result<Image> decode_png(std::string_view bytes);

// The file of a picture, 8 bits, unfiltered rows packed by zlib.
Result<std::string> encode_png(const Image& image);

}  // namespace coppice
