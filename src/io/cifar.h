// SPDX-License-Identifier: Apache-2.0
// The binary batches of CIFAR-10 and CIFAR-100: records of one label byte (CIFAR-100: a coarse and a fine
// one) and 3,072 pixel bytes, the planes red, green and blue of 32 x 32. No header. Plain or gzip, told apart
// by content.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"

namespace coppice {

enum class CifarKind { kTen, kHundred };

constexpr int kCifarSide = 32, kCifarChannels = 3;
constexpr int cifar_classes(CifarKind kind) { return kind == CifarKind::kTen ? 10 : 100; }

struct CifarRecords {
  std::vector<uint8_t> pixels;  // [count][3][32][32]
  std::vector<int32_t> labels;  // [count], the fine ones of CIFAR-100
};

// All records of the files, in order. A record that is cut short or has an impossible label is an error that
// names the file and the record.
Result<CifarRecords> read_cifar(Env& env, const std::vector<std::string>& paths, CifarKind kind);

}  // namespace coppice
