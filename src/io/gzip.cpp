// SPDX-License-Identifier: Apache-2.0
#include "io/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <utility>

namespace coppice {

struct ByteStream::State {
  std::string path;
  std::unique_ptr<ReadFile> file;
  uint64_t max_bytes = 0;
  uint64_t file_position = 0;  // of the next byte to read from the file
  uint64_t position = 0;       // of the next byte to deliver
  uint64_t likely_bytes = 0;
  bool packed = false;
  bool member_open = false;  // inside a gzip member: its checksum has not been seen yet
  z_stream zlib{};
  bool zlib_ready = false;
  std::array<uint8_t, 1 << 16> buffer{};

  ~State() {
    if (zlib_ready) inflateEnd(&zlib);
  }

  uint64_t left_in_file() const { return file->size() - file_position; }
  Status refill();
  Result<size_t> read_packed(uint8_t* out, size_t n);
  Status inflate_some();
  Status damaged(const std::string& what) const {
    return corrupt(path + ": " + what + " at byte " + std::to_string(position) +
                   " of its unpacked content; fetch the file again");
  }
};

Status ByteStream::State::refill() {
  const auto n = static_cast<size_t>(std::min<uint64_t>(buffer.size(), left_in_file()));
  TRY(file->read_at(file_position, buffer.data(), n));
  file_position += n;
  zlib.next_in = buffer.data();
  zlib.avail_in = static_cast<uInt>(n);
  return {};
}

// Unpacks into next_out until it is full or a member ends.
Status ByteStream::State::inflate_some() {
  if (!member_open) {
    if (inflateReset(&zlib) != Z_OK) return damaged("zlib cannot start");
    member_open = true;
  }
  const int code = inflate(&zlib, Z_NO_FLUSH);
  if (code == Z_STREAM_END) {
    member_open = false;
    return {};
  }
  if (code == Z_OK) return {};
  if (code == Z_BUF_ERROR && zlib.avail_in == 0)
    return {};  // wants more input; the caller sees that there is none
  if (code == Z_MEM_ERROR) return {Code::kNoMemory, path + ": no memory to unpack it"};
  return damaged(std::string("the gzip data is damaged (") + (zlib.msg != nullptr ? zlib.msg : "zlib error") +
                 ")");
}

Result<size_t> ByteStream::State::read_packed(uint8_t* out, size_t n) {
  // zlib counts in 32 bits.
  zlib.next_out = out;
  zlib.avail_out = static_cast<uInt>(n);
  while (zlib.avail_out > 0) {
    if (zlib.avail_in == 0) {
      if (left_in_file() == 0) {
        if (member_open) return damaged("the gzip data ends early");
        break;
      }
      TRY(refill());
    }
    const uInt before = zlib.avail_out;
    TRY(inflate_some());
    position += before - zlib.avail_out;
  }
  return n - zlib.avail_out;
}

Result<ByteStream> ByteStream::open(Env& env, std::string path, uint64_t max_bytes) {
  auto state = std::make_unique<State>();
  TRY_ASSIGN(state->file, env.open_read(path));
  state->path = std::move(path);
  state->max_bytes = max_bytes;
  TRY(state->refill());
  const auto& head = state->buffer;
  state->packed = state->zlib.avail_in >= 2 && head[0] == 0x1f && head[1] == 0x8b;
  if (!state->packed) {
    state->file_position = 0;
    state->likely_bytes = state->file->size();
    return ByteStream(std::move(state));
  }
  // The last four bytes are the unpacked size of the last member, modulo 2^32.
  std::array<uint8_t, 4> size{};
  if (state->file->size() >= size.size())
    TRY(state->file->read_at(state->file->size() - size.size(), size.data(), size.size()));
  for (size_t i = 0; i < size.size(); ++i) state->likely_bytes |= uint64_t{size[i]} << (8 * i);
  constexpr int kGzipOnly = 15 + 16;
  if (inflateInit2(&state->zlib, kGzipOnly) != Z_OK)
    return Status(Code::kNoMemory, state->path + ": no memory to unpack it");
  state->zlib_ready = true;
  return ByteStream(std::move(state));
}

ByteStream::ByteStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
ByteStream::ByteStream(ByteStream&&) noexcept = default;
ByteStream::~ByteStream() = default;

uint64_t ByteStream::position() const { return state_->position; }

uint64_t ByteStream::most_bytes() const {
  constexpr uint64_t kMostDeflateRatio = 1032;  // 258 bytes from two bits
  const uint64_t size = state_->file->size();
  return std::min(state_->max_bytes, state_->packed ? size * kMostDeflateRatio : size);
}

uint64_t ByteStream::likely_bytes() const { return std::min(state_->likely_bytes, most_bytes()); }

Result<size_t> ByteStream::read_some(void* out, size_t n) {
  constexpr size_t kPiece = size_t{1} << 30;
  State& state = *state_;
  auto* at = static_cast<uint8_t*>(out);
  size_t done = 0;
  while (done < n) {
    const size_t want = std::min(n - done, kPiece);
    size_t got = 0;
    if (state.packed) {
      TRY_ASSIGN(got, state.read_packed(at + done, want));
    } else {
      got = static_cast<size_t>(std::min<uint64_t>(want, state.left_in_file()));
      TRY(state.file->read_at(state.file_position, at + done, got));
      state.file_position += got;
      state.position += got;
    }
    done += got;
    if (state.position > state.max_bytes)
      return invalid(state.path + ": holds more than the " + std::to_string(state.max_bytes) +
                     " bytes that are accepted here");
    if (got < want) break;
  }
  return done;
}

Status ByteStream::read(void* out, size_t n) {
  const uint64_t start = position();
  TRY_ASSIGN(const size_t got, read_some(out, n));
  if (got < n)
    return corrupt(state_->path + ": ends at byte " + std::to_string(start + got) + ", " +
                   std::to_string(n - got) + " bytes before the end of what its header announces");
  return {};
}

Status ByteStream::append_to(std::vector<uint8_t>& out, uint64_t n) {
  constexpr uint64_t kPiece = uint64_t{1} << 24;
  out.reserve(out.size() + n);
  while (n > 0) {
    const auto piece = static_cast<size_t>(std::min(n, kPiece));
    out.resize(out.size() + piece);
    TRY(read(out.data() + out.size() - piece, piece));
    n -= piece;
  }
  return {};
}

Status ByteStream::expect_end() {
  uint8_t extra = 0;
  TRY_ASSIGN(const size_t got, read_some(&extra, 1));
  if (got > 0)
    return corrupt(state_->path + ": goes on after byte " + std::to_string(position() - 1) +
                   ", where its header says that it ends");
  return {};
}

}  // namespace coppice
