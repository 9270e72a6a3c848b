// SPDX-License-Identifier: Apache-2.0
// Pictures for tests, and files of them.
#pragma once

#include <gtest/gtest.h>
#include <jpeglib.h>

#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>
#include <string>

#include "io/image.h"
#include "io/png.h"

namespace coppice::testing {

// A pattern without symmetry: (y * 37 + x * 91 + c * 53 + y * x * 7 + shift) modulo 256.
inline Image pattern(int height, int width, int channels, int shift = 0) {
  Image image{{height, width, channels}, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        image.pixels.push_back(static_cast<uint8_t>(y * 37 + x * 91 + c * 53 + y * x * 7 + shift));
  return image;
}

inline Image plain(int height, int width, int channels, uint8_t value) {
  const auto size = static_cast<size_t>(height * width * channels);
  return {{height, width, channels}, std::vector<uint8_t>(size, value)};
}

inline std::string png_of(const Image& image) {
  auto bytes = encode_png(image);
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  return bytes.take();
}

struct JpegOptions {
  int quality = 95;
  bool progressive = false;
  J_COLOR_SPACE space = JCS_UNKNOWN;  // as the channels say; JCS_CMYK needs an image of 4 channels
  std::string exif;                   // an APP1 segment
};

inline std::string jpeg_of(const Image& image, const JpegOptions& options = {}) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &buffer, &size);
  jpeg.image_width = static_cast<JDIMENSION>(image.info.width);
  jpeg.image_height = static_cast<JDIMENSION>(image.info.height);
  jpeg.input_components = image.info.channels;
  jpeg.in_color_space = options.space != JCS_UNKNOWN ? options.space
                        : image.info.channels == 1   ? JCS_GRAYSCALE
                                                     : JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, options.quality, TRUE);
  if (options.progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  if (!options.exif.empty())
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(options.exif.data()),
                      static_cast<unsigned>(options.exif.size()));
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = const_cast<uint8_t*>(image.pixels.data()) +
                   size_t{jpeg.next_scanline} * jpeg.image_width * static_cast<size_t>(image.info.channels);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string bytes(reinterpret_cast<char*>(buffer), size);
  jpeg_destroy_compress(&jpeg);
  std::free(buffer);
  return bytes;
}

// An EXIF segment with one entry.
inline std::string exif_of(int orientation, bool little) {
  const auto number = [little](unsigned value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * (little ? i : bytes - 1 - i));
    return out;
  };
  return std::string("Exif\0\0", 6) + (little ? "II" : "MM") + number(42, 2) + number(8, 4) + number(1, 2) +
         number(0x0112, 2) + number(3, 2) + number(1, 4) + number(static_cast<unsigned>(orientation), 2) +
         number(0, 2) + number(0, 4);
}

}  // namespace coppice::testing
