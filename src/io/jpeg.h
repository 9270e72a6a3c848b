// SPDX-License-Identifier: Apache-2.0
// JPEG over libjpeg: grey or colour bytes out, turned as EXIF says. CMYK is refused, colour profiles are not
// applied.
#pragma once

#include <string_view>

#include "base/result.h"
#include "io/image.h"

namespace coppice {

// `bytes` is a file, or for the info at least what comes before its first scan. Sentences lack the name of
// the file.
Result<ImageInfo> jpeg_info(std::string_view bytes);
Result<Image> decode_jpeg(std::string_view bytes);

// The orientation (1 to 8) in an EXIF segment that begins with "Exif", 1 where it has none that makes sense.
int exif_orientation(std::string_view segment);
// The picture as it is seen where its rows were stored with this orientation.
Image oriented(Image image, int orientation);

}  // namespace coppice
