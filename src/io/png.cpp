// SPDX-License-Identifier: Apache-2.0
#include "io/png.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

namespace coppice {
namespace {

// libpng leaves by longjmp, which no destructor notices. So a step has only plain locals and plain callees;
// what owns memory lives in the session, outside of every step.
struct Session {
  png_structp png = nullptr;
  png_infop info = nullptr;
  bool writes = false;
  std::jmp_buf jump{};
  char message[128] = "";

  std::string_view bytes;
  size_t at = 0;
  bool ended = false;  // wanted more than there is
  int channels = 0;    // after the transformations
  uint8_t* rows = nullptr;
  size_t stride = 0;
  const Image* image = nullptr;  // to be written
  std::string* out = nullptr;

  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (writes)
      png_destroy_write_struct(&png, &info);
    else
      png_destroy_read_struct(&png, &info, nullptr);
  }
};

void on_error(png_structp png, png_const_charp message) {
  auto& session = *static_cast<Session*>(png_get_error_ptr(png));
  std::snprintf(session.message, sizeof session.message, "%s", message);
  std::longjmp(session.jump, 1);  // NOLINT(cert-err52-cpp): the way that libpng has
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, size_t n) {
  auto& session = *static_cast<Session*>(png_get_io_ptr(png));
  if (n > session.bytes.size() - session.at) {
    session.ended = true;
    png_error(png, "the file ends early");
  }
  std::memcpy(to, session.bytes.data() + session.at, n);
  session.at += n;
}

void on_write(png_structp png, png_bytep from, size_t n) {
  auto& session = *static_cast<Session*>(png_get_io_ptr(png));
  session.out->append(reinterpret_cast<const char*>(from), n);
}

void on_flush(png_structp) {}

// False where libpng gave up in the middle of the step.
bool run(Session& session, void (*step)(Session&)) {
  if (setjmp(session.jump) != 0) return false;  // NOLINT(cert-err52-cpp)
  step(session);
  return true;
}

Status failure(const Session& session) {
  if (session.ended) return corrupt("is cut short: the PNG ends at byte " + std::to_string(session.at));
  return corrupt(std::string("is a damaged PNG (") + session.message + ")");
}

Status open_reader(Session& session, std::string_view bytes) {
  session.bytes = bytes;
  session.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning);
  if (session.png != nullptr) session.info = png_create_info_struct(session.png);
  if (session.info == nullptr) return {Code::kNoMemory, "no memory to read the PNG"};
  png_set_read_fn(session.png, &session, on_read);
  // The size is judged by check_image_size.
  png_set_user_limits(session.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Text, profiles and all else that changes no pixel: libpng takes memory for what such a chunk announces,
  // whatever limit it is given, so it has to pass over them.
  png_set_keep_unknown_chunks(session.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  return {};
}

// Everything becomes 8 bits of grey, grey and alpha, RGB, or RGB and alpha.
void read_header(Session& session) {
  png_read_info(session.png, session.info);
  png_set_expand(session.png);  // palette, few bits, and a transparent colour
  png_set_scale_16(session.png);
  (void)png_set_interlace_handling(session.png);
  png_read_update_info(session.png, session.info);
  session.channels = png_get_channels(session.png, session.info);
}

void read_rows(Session& session) {
  const png_uint_32 height = png_get_image_height(session.png, session.info);
  const int passes = png_set_interlace_handling(session.png);
  for (int pass = 0; pass < passes; ++pass)
    for (png_uint_32 y = 0; y < height; ++y)
      png_read_row(session.png, session.rows + y * session.stride, nullptr);
  png_read_end(session.png, nullptr);
}

// value * alpha + 255 * (1 - alpha), rounded.
uint8_t on_white(uint32_t value, uint32_t alpha) {
  return static_cast<uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

// In place: pixels only become shorter.
void drop_alpha(std::vector<uint8_t>& pixels, int colours) {
  const auto from_step = static_cast<size_t>(colours) + 1, to_step = static_cast<size_t>(colours);
  const size_t count = pixels.size() / from_step;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* from = pixels.data() + i * from_step;
    uint8_t* to = pixels.data() + i * to_step;
    const uint8_t alpha = from[colours];
    for (int c = 0; c < colours; ++c) to[c] = on_white(from[c], alpha);
  }
  pixels.resize(count * to_step);
}

void write_image(Session& session) {
  const ImageInfo& info = session.image->info;
  png_set_IHDR(session.png, session.info, static_cast<png_uint_32>(info.width),
               static_cast<png_uint_32>(info.height), 8,
               info.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(session.png, session.info);
  const auto stride = static_cast<size_t>(info.width) * static_cast<size_t>(info.channels);
  for (int y = 0; y < info.height; ++y)
    png_write_row(session.png, session.image->pixels.data() + static_cast<size_t>(y) * stride);
  png_write_end(session.png, session.info);
}

}  // namespace

// The header is always the first chunk: signature, length, "IHDR", width, height, depth, type. A transparent
// colour does not change the number of colours that are left.
Result<ImageInfo> png_info(std::string_view bytes) {
  constexpr size_t kHeader = 33, kWidth = 16, kHeight = 20, kType = 25;
  if (bytes.size() < kHeader) return corrupt("is cut short: a PNG begins with 33 bytes of header");
  if (bytes.substr(12, 4) != "IHDR") return corrupt("is a damaged PNG (its header is not the first chunk)");
  const auto word = [&](size_t at) {
    int64_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
    return value;
  };
  const int64_t width = word(kWidth), height = word(kHeight);
  TRY(check_image_size(height, width));
  const bool colour = (static_cast<uint8_t>(bytes[kType]) & PNG_COLOR_MASK_COLOR) != 0;
  return ImageInfo{static_cast<int>(height), static_cast<int>(width), colour ? 3 : 1};
}

Result<Image> decode_png(std::string_view bytes) {
  Image image;
  TRY_ASSIGN(image.info, png_info(bytes));
  Session session;
  TRY(open_reader(session, bytes));
  if (!run(session, read_header)) return failure(session);
  const auto height = static_cast<size_t>(image.info.height), width = static_cast<size_t>(image.info.width);
  session.stride = width * static_cast<size_t>(session.channels);
  // Deflate packs at most 1,032 bytes into one: a small file with a large header is a lie. One bit may become
  // 8 bits, or 32 where a palette has transparent colours.
  constexpr uint64_t kMostDeflateRatio = 1032, kMostExpansion = 32;
  if (session.stride * height / kMostExpansion > bytes.size() * kMostDeflateRatio)
    return corrupt("is cut short: the PNG announces " + std::to_string(width) + " x " +
                   std::to_string(height) + " pixels in " + std::to_string(bytes.size()) + " bytes");
  image.pixels.resize(session.stride * height);
  session.rows = image.pixels.data();
  if (!run(session, read_rows)) return failure(session);
  if (session.channels == image.info.channels + 1) drop_alpha(image.pixels, image.info.channels);
  if (image.pixels.size() != height * width * static_cast<size_t>(image.info.channels))
    return corrupt("is a damaged PNG (its rows do not fit its header)");
  return image;
}

Result<std::string> encode_png(const Image& image) {
  std::string out;
  Session session;
  session.writes = true;
  session.image = &image;
  session.out = &out;
  session.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning);
  if (session.png != nullptr) session.info = png_create_info_struct(session.png);
  if (session.info == nullptr) return Status(Code::kNoMemory, "no memory to write a PNG");
  png_set_write_fn(session.png, &session, on_write, on_flush);
  if (!run(session, write_image))
    return invalid(std::string("the picture cannot be written: ") + session.message);
  return out;
}

}  // namespace coppice
