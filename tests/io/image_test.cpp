// SPDX-License-Identifier: Apache-2.0
#include "io/image.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>

#include "io/jpeg.h"
#include "support/failing_env.h"
#include "support/pictures.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::exif_of;
using testing::FailingEnv;
using testing::jpeg_of;
using testing::JpegOptions;
using testing::pattern;
using testing::plain;
using testing::png_of;
using testing::TempDir;

Env& env() { return Env::system(); }

std::string big_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string chunk(const std::string& type, const std::string& content) {
  const std::string body = type + content;
  const uLong sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(content.size(), 4) + body + big_endian(sum, 4);
}

std::string deflated(const std::string& content) {
  std::string out(compressBound(content.size()), '\0');
  uLongf size = out.size();
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(out.data()), &size,
                     reinterpret_cast<const Bytef*>(content.data()), content.size()),
            Z_OK);
  out.resize(size);
  return out;
}

// A PNG from its parts: `rows` with their filter bytes.
std::string raw_png(uint32_t width, uint32_t height, int depth, int type, const std::string& rows,
                    const std::string& chunks_before = "") {
  const std::string header = big_endian(width, 4) + big_endian(height, 4) + static_cast<char>(depth) +
                             static_cast<char>(type) + std::string(3, '\0');
  return std::string("\x89PNG\r\n\x1a\n") + chunk("IHDR", header) + chunks_before +
         chunk("IDAT", deflated(rows)) + chunk("IEND", "");
}

Result<Image> decode(const std::string& bytes) {
  return bytes.starts_with("\x89") ? decode_png(bytes) : decode_jpeg(bytes);
}

void expect_sentence(const Status& status, const std::string& part) {
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
}

TEST(Png, ReadsWhatItWrites) {
  for (const int channels : {1, 3}) {
    const Image image = pattern(7, 5, channels);
    const auto read = decode_png(png_of(image));
    ASSERT_TRUE(read.ok()) << read.status().message();
    EXPECT_EQ(read->info, image.info);
    EXPECT_EQ(read->pixels, image.pixels);
  }
}

TEST(Png, EveryKindBecomesBytesOfGreyOrColour) {
  const auto pixels = [](const std::string& file, int channels) {
    const auto info = png_info(file);
    EXPECT_TRUE(info.ok()) << info.status().message();
    EXPECT_EQ(info->channels, channels);
    const auto image = decode_png(file);
    EXPECT_TRUE(image.ok()) << image.status().message();
    return image.ok() ? image->pixels : std::vector<uint8_t>{};
  };
  using Bytes = std::vector<uint8_t>;
  using namespace std::string_literals;
  // One bit of grey; 16 bits of grey, rounded; a palette of two bits.
  EXPECT_EQ(pixels(raw_png(3, 1, 1, 0, "\0\xa0"s), 1), (Bytes{255, 0, 255}));
  EXPECT_EQ(pixels(raw_png(2, 1, 16, 0, "\0\x12\x34\x12\xf0"s), 1), (Bytes{0x12, 0x13}));
  EXPECT_EQ(pixels(raw_png(2, 1, 2, 3, "\0\x40"s, chunk("PLTE", "\1\2\3\4\5\6")), 3),
            (Bytes{4, 5, 6, 1, 2, 3}));
  // What is transparent is put on white: alpha with grey, with colour, of a palette, and one grey that is so.
  EXPECT_EQ(pixels(raw_png(3, 1, 8, 4, "\0\x64\x00\x64\xff\x64\x80"s), 1), (Bytes{255, 100, 177}));
  EXPECT_EQ(pixels(raw_png(1, 1, 8, 6, "\0\x0a\x14\x1e\x00"s), 3), (Bytes{255, 255, 255}));
  EXPECT_EQ(pixels(raw_png(2, 1, 1, 3, "\0\x40"s, chunk("PLTE", "\1\2\3\4\5\6") + chunk("tRNS", "\0"s)), 3),
            (Bytes{255, 255, 255, 4, 5, 6}));
  EXPECT_EQ(pixels(raw_png(2, 1, 8, 0, "\0\x07\x08"s, chunk("tRNS", "\0\7"s)), 1), (Bytes{255, 8}));
}

TEST(Jpeg, ReadsGreyColourAndProgressiveOnes) {
  for (const int channels : {1, 3})
    for (const bool progressive : {false, true}) {
      const Image image = plain(33, 18, channels, 90);
      const std::string file = jpeg_of(image, {.progressive = progressive, .exif = ""});
      const auto info = jpeg_info(file);
      ASSERT_TRUE(info.ok()) << info.status().message();
      EXPECT_EQ(*info, image.info);
      const auto read = decode_jpeg(file);
      ASSERT_TRUE(read.ok()) << read.status().message();
      EXPECT_EQ(read->info, image.info);
      for (const uint8_t value : read->pixels) ASSERT_NEAR(value, 90, 1);
    }
}

// A picture of 2 x 3 with its number in each pixel, as cameras store it for each orientation: the picture
// that is seen is the same.
TEST(Jpeg, TurnsPicturesAsExifSays) {
  const std::vector<std::vector<uint8_t>> stored = {
      {1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
      {1, 4, 2, 5, 3, 6}, {3, 6, 2, 5, 1, 4}, {6, 3, 5, 2, 4, 1}, {4, 1, 5, 2, 6, 3}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const bool turned = orientation >= 5;
    const Image image{{turned ? 3 : 2, turned ? 2 : 3, 1}, stored[static_cast<size_t>(orientation - 1)]};
    const Image seen = oriented(image, orientation);
    EXPECT_EQ(seen.info, (ImageInfo{2, 3, 1})) << orientation;
    EXPECT_EQ(seen.pixels, (std::vector<uint8_t>{1, 2, 3, 4, 5, 6})) << orientation;
    for (const bool little : {false, true})
      EXPECT_EQ(exif_orientation(exif_of(orientation, little)), orientation) << little;
  }
  const std::string file = jpeg_of(plain(20, 30, 3, 7), {.exif = exif_of(6, true)});
  EXPECT_EQ(*jpeg_info(file), (ImageInfo{30, 20, 3}));
  EXPECT_EQ(decode_jpeg(file)->info, (ImageInfo{30, 20, 3}));
}

TEST(Jpeg, ExifThatMakesNoSenseTurnsNothing) {
  const std::string good = exif_of(6, true);
  for (size_t size = 0; size < good.size(); ++size) (void)exif_orientation(good.substr(0, size));
  for (size_t i = 0; i < good.size(); ++i)
    for (const char c : {'\0', '\x7f', '\xff'}) {
      std::string damaged = good;
      damaged[i] = c;
      const int orientation = exif_orientation(damaged);
      EXPECT_TRUE(orientation >= 1 && orientation <= 8) << i;
    }
  EXPECT_EQ(exif_orientation(exif_of(0, true)), 1);
  EXPECT_EQ(exif_orientation(exif_of(9, false)), 1);
}

TEST(Jpeg, RefusesTheColoursOfPrinting) {
  Image image = plain(8, 8, 3, 10);
  image.info.channels = 4;
  image.pixels.resize(8 * 8 * 4);
  const std::string file = jpeg_of(image, {.space = JCS_CMYK, .exif = ""});
  expect_sentence(jpeg_info(file).status(), "CMYK");
  expect_sentence(decode_jpeg(file).status(), "convert it to RGB");
}

// Rubbish between segments changes no pixel, and many files of old cameras have it.
TEST(Jpeg, BearsBytesBetweenSegments) {
  std::string file = jpeg_of(pattern(16, 16, 3));
  file.insert(file.size() - 2, std::string(20, '\x11'));
  const auto read = decode_jpeg(file);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->pixels, decode_jpeg(jpeg_of(pattern(16, 16, 3)))->pixels);
}

TEST(Image, EveryTruncationIsASentence) {
  const std::string files[] = {png_of(pattern(9, 9, 3)), jpeg_of(pattern(9, 9, 3)),
                               jpeg_of(pattern(9, 9, 1), {.progressive = true, .exif = exif_of(3, true)})};
  for (const std::string& file : files) {
    ASSERT_TRUE(decode(file).ok());
    for (size_t size = 8; size < file.size(); ++size) {
      const auto read = decode(file.substr(0, size));
      ASSERT_FALSE(read.ok()) << size << " of " << file.size();
      EXPECT_EQ(read.status().code(), Code::kCorrupt) << read.status().message();
    }
  }
}

TEST(Image, NoDamagedByteCrashes) {
  for (const std::string& file :
       {png_of(pattern(6, 7, 3)), jpeg_of(pattern(16, 9, 3)),
        jpeg_of(pattern(16, 9, 3), {.progressive = true, .exif = exif_of(8, false)})})
    for (size_t i = 0; i < file.size(); ++i)
      for (const char c : {'\0', '\x01', '\x7f', '\xd9', '\xff'}) {
        std::string damaged = file;
        damaged[i] = c;
        const auto read = decode(damaged);
        if (read.ok()) {
          EXPECT_EQ(read->pixels.size(), static_cast<size_t>(read->info.height) *
                                             static_cast<size_t>(read->info.width * read->info.channels));
        } else {
          EXPECT_FALSE(read.status().message().empty());
        }
      }
}

TEST(Image, RefusesASizeBeforeMemoryIsTaken) {
  using namespace std::string_literals;
  expect_sentence(decode_png(raw_png(0x7fffffff, 0x7fffffff, 8, 2, "\0"s)).status(),
                  "pixels, at most 128 million");
  expect_sentence(decode_png(raw_png(100000, 1, 8, 2, "\0"s)).status(), "100000 x 1 pixels");
  expect_sentence(decode_png(raw_png(0, 5, 8, 2, "\0"s)).status(), "without pixels");
  // 10,000 x 10,000 would be allowed, but not in a file of 70 bytes.
  expect_sentence(decode_png(raw_png(10000, 10000, 8, 6, "\0"s)).status(),
                  "announces 10000 x 10000 pixels in");
  std::string jpeg = jpeg_of(plain(8, 8, 3, 1));
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xff\0\xff\0"s);
  expect_sentence(decode_jpeg(jpeg).status(), "pixels, at most 128 million");
  jpeg.replace(frame + 5, 4, "\x27\x10\x27\x10"s);
  expect_sentence(decode_jpeg(jpeg).status(), "announces 10000 x 10000 pixels in");
  // As many pixels in a byte as there can be.
  EXPECT_TRUE(decode_jpeg(jpeg_of(plain(1000, 1000, 1, 128))).ok());
  EXPECT_TRUE(decode_jpeg(jpeg_of(plain(1000, 1000, 3, 128), {.progressive = true, .exif = ""})).ok());
}

// They change no pixel, so nothing in them can keep a picture from being read, or takes memory.
TEST(Image, PassesOverTextAndProfiles) {
  using namespace std::string_literals;
  const auto with = [](const std::string& chunks) {
    return decode_png(raw_png(1, 1, 8, 0, "\0\7"s, chunks));
  };
  for (const char* type : {"tEXt", "zTXt", "iTXt", "iCCP", "gAMA", "eXIf", "teSt"}) {
    const auto image = with(chunk(type, "no sense in this"));
    ASSERT_TRUE(image.ok()) << type << ": " << image.status().message();
    EXPECT_EQ(image->pixels, std::vector<uint8_t>{7});
  }
  // 512 MB of text in a file of 70 bytes.
  expect_sentence(with("\x20\0\0\0tEXt"s).status(), "is cut short");
}

TEST(Image, RefusesAJpegOfEndlessScans) {
  std::string file = jpeg_of(plain(8, 8, 1, 1), {.progressive = true, .exif = ""});
  const size_t begin = file.rfind("\xff\xda");
  const std::string scan = file.substr(begin, file.size() - 2 - begin);
  std::string many = file.substr(0, begin);
  for (int i = 0; i < 1000; ++i) many += scan;
  EXPECT_FALSE(decode_jpeg(many + "\xff\xd9").ok());
}

TEST(Image, TheContentDecidesNotTheName) {
  const TempDir dir;
  const std::string png = dir.write("a.jpg", png_of(plain(2, 3, 3, 9)));
  EXPECT_EQ(*read_image_info(env(), png), (ImageInfo{2, 3, 3}));
  EXPECT_EQ(read_image(env(), png)->pixels, plain(2, 3, 3, 9).pixels);
  const std::string text = dir.write("b.png", "no picture at all");
  expect_sentence(read_image_info(env(), text).status(), "b.png: is neither a PNG nor a JPEG picture");
  expect_sentence(read_image(env(), text).status(), "b.png: is neither");
  expect_sentence(read_image(env(), dir.write("c.png", "")).status(), "c.png: is neither");
  expect_sentence(read_image(env(), dir.file("d.png")).status(), "d.png");
}

TEST(Image, HeaderBehindALongSegmentIsFound) {
  const TempDir dir;
  std::string file = jpeg_of(plain(8, 9, 3, 1));
  std::string segments;
  for (int i = 0; i < 3; ++i) segments += "\xff\xe2\xff\xff" + std::string(0xffff - 2, 'x');
  file.insert(2, segments);
  EXPECT_EQ(*read_image_info(env(), dir.write("a.jpg", file)), (ImageInfo{8, 9, 3}));
}

TEST(Image, EveryFailingReadIsReported) {
  const TempDir dir;
  const std::string path = dir.write("a.png", png_of(pattern(4, 4, 1)));
  FailingEnv counting(-1);
  ASSERT_TRUE(read_image_info(counting, path).ok());
  ASSERT_TRUE(read_image(counting, path).ok());
  for (int64_t operation = 0; operation < counting.operations(); ++operation) {
    FailingEnv failing(operation);
    const bool info = read_image_info(failing, path).ok(), image = read_image(failing, path).ok();
    EXPECT_FALSE(info && image) << operation;
  }
}

TEST(Image, ChannelsAreWeighedAsRec601) {
  const Image grey = with_channels(pattern(7, 5, 3), 1);
  // As Pillow's convert("L").
  EXPECT_EQ(std::vector<uint8_t>(grey.pixels.begin(), grey.pixels.begin() + 6),
            (std::vector<uint8_t>{43, 134, 196, 60, 151, 80}));
  EXPECT_EQ(with_channels(plain(2, 2, 1, 8), 3).pixels, plain(2, 2, 3, 8).pixels);
  EXPECT_EQ(with_channels(plain(2, 2, 3, 255), 1).pixels, plain(2, 2, 1, 255).pixels);
}

}  // namespace
}  // namespace coppice
