// SPDX-License-Identifier: Apache-2.0
#include "io/jpeg.h"

#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstddef>
#include <cstdio>  // jpeglib.h needs FILE
#include <utility>

namespace coppice {
namespace {

// libjpeg leaves by longjmp, which no destructor notices. So a step has only plain locals and plain callees;
// what owns memory lives outside of every step.
struct Session {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = "";

  std::string_view bytes;
  uint8_t* rows = nullptr;
  size_t stride = 0;

  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { jpeg_destroy_decompress(&jpeg); }  // does nothing where it was never created
};

void on_error(j_common_ptr common) {
  auto& session = *static_cast<Session*>(common->client_data);
  common->err->format_message(common, session.message);
  std::longjmp(session.jump, 1);  // NOLINT(cert-err52-cpp): the way that libjpeg has
}

// libjpeg goes on after data that it had to guess, with a warning. Only what leaves every pixel as it was
// meant may pass: some cameras put rubbish between segments.
void on_message(j_common_ptr common, int level) {
  if (level >= 0) return;
  const int code = common->err->msg_code;
  if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM) return;
  on_error(common);
}

void on_output(j_common_ptr) {}

// A few kilobytes of empty scans can keep a progressive decoder busy for minutes.
void on_progress(j_common_ptr common) {
  constexpr int kMostScans = 200;
  auto* jpeg = reinterpret_cast<j_decompress_ptr>(common);
  if (jpeg->input_scan_number <= kMostScans) return;
  auto& session = *static_cast<Session*>(common->client_data);
  std::snprintf(session.message, sizeof session.message, "more than %d scans", kMostScans);
  std::longjmp(session.jump, 1);  // NOLINT(cert-err52-cpp)
}

// False where libjpeg gave up in the middle of the step.
bool run(Session& session, void (*step)(Session&)) {
  if (setjmp(session.jump) != 0) return false;  // NOLINT(cert-err52-cpp)
  step(session);
  return true;
}

Status failure(const Session& session) {
  const int code = session.errors.msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JERR_INPUT_EOF)
    return corrupt("is cut short or damaged (" + std::string(session.message) + ")");
  return corrupt("is a damaged JPEG (" + std::string(session.message) + ")");
}

void read_header(Session& session) {
  jpeg_decompress_struct& jpeg = session.jpeg;
  jpeg_create_decompress(&jpeg);
  jpeg.client_data = &session;
  jpeg.progress = &session.progress;
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(session.bytes.data()), session.bytes.size());
  constexpr unsigned kWholeSegment = 0xffff;
  jpeg_save_markers(&jpeg, JPEG_APP0 + 1, kWholeSegment);
  (void)jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = jpeg.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  jpeg.dct_method = JDCT_ISLOW;  // the same bits with and without vector instructions
}

void read_rows(Session& session) {
  jpeg_decompress_struct& jpeg = session.jpeg;
  (void)jpeg_start_decompress(&jpeg);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = session.rows + jpeg.output_scanline * session.stride;
    (void)jpeg_read_scanlines(&jpeg, &row, 1);
  }
  (void)jpeg_finish_decompress(&jpeg);
}

Result<ImageInfo> open_session(Session& session, std::string_view bytes) {
  session.bytes = bytes;
  session.jpeg.err = jpeg_std_error(&session.errors);
  session.jpeg.client_data = &session;
  session.errors.error_exit = on_error;
  session.errors.emit_message = on_message;
  session.errors.output_message = on_output;
  session.progress.progress_monitor = on_progress;
  if (!run(session, read_header)) return failure(session);
  const jpeg_decompress_struct& jpeg = session.jpeg;
  if (jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK)
    return unsupported("is a JPEG in CMYK, the colours of printing; convert it to RGB");
  TRY(check_image_size(jpeg.image_height, jpeg.image_width));
  return ImageInfo{static_cast<int>(jpeg.image_height), static_cast<int>(jpeg.image_width),
                   jpeg.out_color_space == JCS_GRAYSCALE ? 1 : 3};
}

int orientation_of(const Session& session) {
  for (const jpeg_marker_struct* marker = session.jpeg.marker_list; marker != nullptr;
       marker = marker->next) {
    const std::string_view segment(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (segment.starts_with("Exif")) return exif_orientation(segment);
  }
  return 1;
}

bool exchanges_sides(int orientation) { return orientation >= 5; }

}  // namespace

Result<ImageInfo> jpeg_info(std::string_view bytes) {
  Session session;
  TRY_ASSIGN(ImageInfo info, open_session(session, bytes));
  if (exchanges_sides(orientation_of(session))) std::swap(info.height, info.width);
  return info;
}

Result<Image> decode_jpeg(std::string_view bytes) {
  Session session;
  Image image;
  TRY_ASSIGN(image.info, open_session(session, bytes));
  // A block of 8 x 8 pixels takes a bit at least (flat pictures in arithmetic coding, which nobody writes,
  // less): a small file with a large header is a lie.
  constexpr uint64_t kMostPixelsPerByte = 64 * 8;
  if (uint64_t{session.jpeg.image_width} * session.jpeg.image_height / kMostPixelsPerByte > bytes.size())
    return corrupt("is cut short: the JPEG announces " + std::to_string(image.info.width) + " x " +
                   std::to_string(image.info.height) + " pixels in " + std::to_string(bytes.size()) +
                   " bytes");
  session.stride = static_cast<size_t>(image.info.width) * static_cast<size_t>(image.info.channels);
  image.pixels.resize(session.stride * static_cast<size_t>(image.info.height));
  session.rows = image.pixels.data();
  const int orientation = orientation_of(session);
  if (!run(session, read_rows)) return failure(session);
  return oriented(std::move(image), orientation);
}

// "Exif\0\0", then a TIFF: byte order, 42, the place of a directory of entries of 12 bytes each.
int exif_orientation(std::string_view segment) {
  constexpr size_t kTiff = 6, kEntry = 12;
  constexpr uint32_t kOrientation = 0x0112;
  if (segment.size() < kTiff + 8 || !segment.starts_with(std::string_view("Exif\0\0", 6))) return 1;
  const std::string_view tiff = segment.substr(kTiff);
  const bool little = tiff.starts_with("II");
  if (!little && !tiff.starts_with("MM")) return 1;
  const auto number = [&](size_t at, size_t bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i)
      value = value << 8 | static_cast<uint8_t>(tiff[at + (little ? bytes - 1 - i : i)]);
    return value;
  };
  const size_t directory = number(4, 4);
  if (directory > tiff.size() || tiff.size() - directory < 2) return 1;
  const size_t entries = number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + i * kEntry;
    if (at + kEntry > tiff.size()) return 1;
    if (number(at, 2) != kOrientation) continue;
    const uint32_t value = number(at + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

// Orientation 1 is upright, 2 mirrored, 3 upside down, 4 both; 5 to 8 are the same of the transposed picture.
Image oriented(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const int height = image.info.height, width = image.info.width, channels = image.info.channels;
  const bool transposed = exchanges_sides(orientation);
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out{{transposed ? width : height, transposed ? height : width, channels}, {}};
  out.pixels.resize(image.pixels.size());
  uint8_t* to = out.pixels.data();
  for (int y = 0; y < out.info.height; ++y)
    for (int x = 0; x < out.info.width; ++x) {
      const int across = transposed ? y : x, down = transposed ? x : y;
      const size_t column = static_cast<size_t>(from_right ? width - 1 - across : across);
      const size_t row = static_cast<size_t>(from_below ? height - 1 - down : down);
      const uint8_t* from =
          image.pixels.data() + (row * static_cast<size_t>(width) + column) * static_cast<size_t>(channels);
      for (int c = 0; c < channels; ++c) *to++ = from[c];
    }
  return out;
}

}  // namespace coppice
