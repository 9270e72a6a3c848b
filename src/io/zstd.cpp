// SPDX-License-Identifier: Apache-2.0
#include "io/zstd.h"

#include <zstd.h>

#include <memory>

namespace coppice {
namespace {

struct ContextDeleter {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

// Weights hardly repeat: on megabytes of them a long search gains half a percent in a hundred times the time.
int level_for(size_t bytes) { return bytes < (size_t{1} << 20) ? 19 : 3; }

}  // namespace

bool is_zstd(std::string_view bytes) { return bytes.starts_with("\x28\xb5\x2f\xfd"); }

Result<std::string> pack_zstd(std::string_view bytes) {
  const std::unique_ptr<ZSTD_CCtx, ContextDeleter> context(ZSTD_createCCtx());
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  if (!context) return Status(Code::kNoMemory, "no memory to compress it");
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level_for(bytes.size()));
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  const size_t size = ZSTD_compress2(context.get(), packed.data(), packed.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0)
    return Status(Code::kNoMemory, std::string("zstd cannot compress it: ") + ZSTD_getErrorName(size));
  packed.resize(size);
  return packed;
}

Result<Bytes> unpack_zstd(std::string_view bytes, uint64_t max_bytes) {
  constexpr uint64_t kMostRatio = 1 << 15;  // a block of 4 bytes that repeats one of them 128 KiB times
  const unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  const size_t frame = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || ZSTD_isError(frame) != 0)
    return corrupt("the zstd data is damaged or ends early");
  if (size == ZSTD_CONTENTSIZE_UNKNOWN)
    return unsupported("this zstd file does not say how long its content is; unpack it with `zstd -d` first");
  if (frame != bytes.size()) return corrupt("something follows the zstd data");
  if (size > max_bytes)
    return unsupported("unpacked it would have " + std::to_string(size) + " bytes, more than the " +
                       std::to_string(max_bytes) + " that are accepted here");
  if (size > bytes.size() * kMostRatio)
    return corrupt("the zstd data says that it has " + std::to_string(size) +
                   " bytes, more than its length can hold");
  Bytes content(size);
  const size_t got = ZSTD_decompress(content.data(), content.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0)
    return corrupt(std::string("the zstd data is damaged (") + ZSTD_getErrorName(got) + ")");
  if (got != size) return corrupt("the zstd data ends early");
  return content;
}

}  // namespace coppice
