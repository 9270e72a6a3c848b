// SPDX-License-Identifier: Apache-2.0
// Pictures as bytes: grey or red, green, blue, rows from the top, colours of a pixel side by side. The
// content of a file decides which reader takes it, not its name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace coppice {

// As a picture is seen: after its EXIF orientation.
struct ImageInfo {
  int height = 0, width = 0;
  int channels = 0;  // 1: grey; 3: red, green, blue
  bool operator==(const ImageInfo&) const = default;
};

struct Image {
  ImageInfo info;
  std::vector<uint8_t> pixels;  // [height][width][channels]
};

// Larger pictures are refused before any memory is taken for them.
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 27;
inline constexpr int kMaxImageSide = 1 << 16;
// A refusal that says the size; ok for one that can be read.
Status check_image_size(int64_t height, int64_t width);

enum class ImageFormat { kNone, kPng, kJpeg };
// By the first bytes.
ImageFormat image_format(std::string_view bytes);

// What the header says; reads no more of the file than it needs, mostly.
Result<ImageInfo> read_image_info(Env& env, const std::string& path);
// Files of up to 256 MiB. A damaged or truncated one is refused: a picture is whole, or not read.
Result<Image> read_image(Env& env, const std::string& path);

// Of three channels as Rec. 601 weighs them; one channel becomes three equal ones.
Image with_channels(Image image, int channels);

}  // namespace coppice
