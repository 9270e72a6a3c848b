// SPDX-License-Identifier: Apache-2.0
// Zstandard (RFC 8878), in which packed networks are sent and stored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"

namespace coppice {

bool is_zstd(std::string_view bytes);  // by its magic

// One frame, with its unpacked size and a checksum, which `zstd -d` unpacks as well.
Result<std::string> pack_zstd(std::string_view bytes);

// The content of one such frame. Refused, in a sentence that lacks the file's name: damage, an early end,
// more than one frame, a size that is not said or is above max_bytes. A lie about the size takes no memory
// that a true one of this length might not.
Result<Bytes> unpack_zstd(std::string_view bytes, uint64_t max_bytes);

}  // namespace coppice
