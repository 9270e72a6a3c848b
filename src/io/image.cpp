// SPDX-License-Identifier: Apache-2.0
#include "io/image.h"

#include <algorithm>
#include <utility>

#include "io/jpeg.h"
#include "io/png.h"

namespace coppice {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;

Status no_image() {
  return unsupported("is neither a PNG nor a JPEG picture; convert it, or take it out of the folder");
}

Result<ImageInfo> info_of(std::string_view bytes) {
  switch (image_format(bytes)) {
    case ImageFormat::kPng:
      return png_info(bytes);
    case ImageFormat::kJpeg:
      return jpeg_info(bytes);
    default:
      return no_image();
  }
}

Result<Image> decode(std::string_view bytes) {
  switch (image_format(bytes)) {
    case ImageFormat::kPng:
      return decode_png(bytes);
    case ImageFormat::kJpeg:
      return decode_jpeg(bytes);
    default:
      return no_image();
  }
}

}  // namespace

Status check_image_size(int64_t height, int64_t width) {
  if (height < 1 || width < 1) return corrupt("announces a picture without pixels");
  if (height > kMaxImageSide || width > kMaxImageSide || height * width > kMaxImagePixels)
    return unsupported("announces " + std::to_string(width) + " x " + std::to_string(height) +
                       " pixels, at most " + std::to_string(kMaxImagePixels >> 20) +
                       " million are read; make the picture smaller");
  return {};
}

ImageFormat image_format(std::string_view bytes) {
  if (bytes.starts_with(std::string_view("\x89PNG\r\n\x1a\n", 8))) return ImageFormat::kPng;
  if (bytes.starts_with("\xff\xd8\xff")) return ImageFormat::kJpeg;
  return ImageFormat::kNone;
}

Result<ImageInfo> read_image_info(Env& env, const std::string& path) {
  // Enough for the header of almost any picture; a JPEG may have a profile or a thumbnail before it.
  constexpr uint64_t kUsualHead = 1 << 16;
  TRY_ASSIGN(const std::unique_ptr<ReadFile> file, env.open_read(path));
  std::string head(std::min(file->size(), kUsualHead), '\0');
  TRY(file->read_at(0, head.data(), head.size()));
  auto info = info_of(head);
  if (!info.ok() && info.status().code() == Code::kCorrupt && file->size() > head.size()) {
    TRY_ASSIGN(const std::string whole, read_all(env, path, kMaxFileBytes));
    info = info_of(whole);
  }
  if (!info.ok()) return info.status().within(path);
  return info;
}

Result<Image> read_image(Env& env, const std::string& path) {
  TRY_ASSIGN(const std::string bytes, read_all(env, path, kMaxFileBytes));
  auto image = decode(bytes);
  if (!image.ok()) return image.status().within(path);
  return image;
}

Image with_channels(Image image, int channels) {
  if (image.info.channels == channels) return image;
  Image out{{image.info.height, image.info.width, channels}, {}};
  const size_t pixels = static_cast<size_t>(out.info.height) * static_cast<size_t>(out.info.width);
  out.pixels.resize(pixels * static_cast<size_t>(channels));
  const uint8_t* from = image.pixels.data();
  uint8_t* to = out.pixels.data();
  if (channels == 3) {
    for (size_t i = 0; i < pixels; ++i, to += 3) std::fill(to, to + 3, from[i]);
    return out;
  }
  // 0.299, 0.587 and 0.114 of 2^16, rounded so that they add up to it.
  constexpr uint32_t kRed = 19595, kGreen = 38470, kBlue = 7471, kHalf = 1 << 15;
  for (size_t i = 0; i < pixels; ++i, from += 3)
    to[i] = static_cast<uint8_t>((from[0] * kRed + from[1] * kGreen + from[2] * kBlue + kHalf) >> 16);
  return out;
}

}  // namespace coppice
