// SPDX-License-Identifier: Apache-2.0
// A packed network, which is run where it is small. Length and checksums are put right first, else no change
// would get past them.
#include <cstring>
#include <vector>

#include "pack/image_file.h"
#include "support/cpk_bytes.h"
#include "support/target.h"

namespace coppice::fuzz {
namespace {

// Some thousand numbers, so that no window or product takes long.
constexpr int64_t kSmall = 1 << 16;

bool read(const std::string& bytes) {
  auto image = PackedImage::of(bytes, kPath);
  if (!taken(image.status())) return false;
  for (const int32_t batch : image->batches())
    for (const char* isa : {"c", ""}) {
      auto session = PackedSession::create(*image, {.isa = isa, .batch = batch, .limit = kSmall});
      if (!session.ok() || elements_of(image->input()) > kSmall) return true;
      const auto samples = static_cast<size_t>(batch);
      const std::vector<float> input(samples * static_cast<size_t>(elements_of(image->input())), 0.5f);
      std::vector<float> output(samples * static_cast<size_t>(elements_of(image->output())));
      session->run(input.data(), output.data());
    }
  return true;
}

}  // namespace

bool fuzz_cpk(std::string_view input) {
  std::string repaired(input);
  if (repaired.size() >= sizeof(coppice_cpk_header)) {
    coppice_cpk_header header;
    std::memcpy(&header, repaired.data(), sizeof header);
    header.file_bytes = repaired.size();
    std::memcpy(repaired.data(), &header, sizeof header);
  }
  testing::put_checksums_right(repaired);
  const bool plain = read(std::string(input));
  return repaired == input ? plain : read(repaired) || plain;
}

}  // namespace coppice::fuzz
