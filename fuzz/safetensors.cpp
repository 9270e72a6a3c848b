// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors.h"

#include <vector>

#include "support/target.h"

namespace coppice::fuzz {

bool fuzz_safetensors(std::string_view input) {
  testing::MemoryEnv env = env_with(input);
  auto file = SafetensorsFile::open(env, kPath);
  if (!taken(file.status())) return false;
  std::vector<std::string> contents;
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : file->tensors()) {
    contents.emplace_back(tensor.bytes(), '\0');
    require(file->read_bytes(tensor, contents.back().data()).ok(), "a verified tensor can be read");
  }
  for (const auto& [name, tensor] : file->tensors())
    views.push_back({name, tensor.dtype, tensor.shape, contents[views.size()].data()});
  require(write_safetensors(env, "copy", views, file->metadata()).ok(), "what was read can be written");
  auto copy = SafetensorsFile::open(env, "copy");
  require(copy.ok(), "what was written can be read");
  require(copy->metadata() == file->metadata() && copy->tensors().size() == views.size(),
          "a copy holds the same");
  return true;
}

}  // namespace coppice::fuzz
