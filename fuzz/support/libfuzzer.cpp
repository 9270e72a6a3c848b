// SPDX-License-Identifier: Apache-2.0
// The entry that libFuzzer calls, of one target: COPPICE_FUZZ_TARGET.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace coppice::fuzz {
bool COPPICE_FUZZ_TARGET(std::string_view input);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)coppice::fuzz::COPPICE_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
