// SPDX-License-Identifier: Apache-2.0
#include "io/cifar.h"

#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_cifar(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  bool any = false;
  for (const CifarKind kind : {CifarKind::kTen, CifarKind::kHundred}) {
    auto records = read_cifar(env, {kPath, kPath}, kind);
    if (!taken(records.status())) continue;
    any = true;
    require(records->pixels.size() == records->labels.size() * kCifarChannels * kCifarSide * kCifarSide,
            "each label has its pixels");
    for (const int32_t label : records->labels)
      require(label >= 0 && label < cifar_classes(kind), "every label is a class");
  }
  return any;
}

}  // namespace coppice::fuzz
