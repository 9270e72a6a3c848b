// SPDX-License-Identifier: Apache-2.0
// Packed networks, and what they say.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host/kernels.h"
#include "pack/image_file.h"
#include "pack/pack.h"

namespace coppice::testing {

inline PackedNetwork packed(const Network& network, const PackOptions& options = {}) {
  auto out = pack_network(network, options);
  EXPECT_TRUE(out.ok()) << out.status().message();
  return out.ok() ? out.take() : PackedNetwork();
}

// 8-bit weights and activations, whose ranges are those of these samples.
inline PackOptions int8_options(Network& network, const std::vector<float>& input) {
  PackOptions options;
  options.arithmetic = Arithmetic::kInt8;
  CalibrationOptions calibration;
  calibration.method = RangeMethod::kMinMax;
  auto ranges = calibrate(network, input, calibration);
  EXPECT_TRUE(ranges.ok()) << ranges.status().message();
  if (ranges.ok()) options.ranges = ranges.take();
  return options;
}

inline PackedImage image_of(const PackedNetwork& network) {
  auto image = PackedImage::of(network.file, "test");
  EXPECT_TRUE(image.ok()) << image.status().message();
  return image.take();
}

// input [samples][numbers of a sample] -> [samples][outputs].
inline std::vector<float> said(const PackedImage& image, const std::vector<float>& input, int threads = 1,
                               const std::string& isa = "", int32_t batch = 1) {
  auto session = PackedSession::create(image, {.threads = threads, .isa = isa, .batch = batch});
  EXPECT_TRUE(session.ok()) << session.status().message();
  const auto in = static_cast<size_t>(elements_of(image.input()) * batch),
             out = static_cast<size_t>(elements_of(image.output()) * batch);
  EXPECT_EQ(input.size() % in, 0U);
  std::vector<float> all(input.size() / in * out);
  for (size_t s = 0; s < input.size() / in; ++s) session->run(&input[s * in], &all[s * out]);
  return all;
}

// That this machine has.
inline std::vector<std::string> instruction_sets() {
  std::vector<std::string> out;
  for (const char* isa : {"c", "avx2", "avx512", "neon"})
    if (coppice_host_kernels(isa)) out.emplace_back(isa);
  return out;
}

}  // namespace coppice::testing
