// SPDX-License-Identifier: Apache-2.0
#include "onnx/external.h"

#include <map>

#include "onnx/constant.h"
#include "onnx/importer.h"

namespace coppice::onnx {
namespace {

constexpr uint64_t kMost = uint64_t{1} << 31;  // bytes of all of them, as of a model

// Calls f(tensor, its name) for each tensor that is external, in the order of the file.
template <class ModelType, class F>
Status for_each_external(ModelType& model, F f) {
  for (auto& tensor : model.initializers)
    if (tensor.external) TRY(f(tensor, tensor.name));
  for (auto& node : model.nodes)
    for (auto& [key, attribute] : node.attributes)
      if (attribute.tensor.external)
        TRY(f(attribute.tensor, node.outputs.empty() ? node.name : node.outputs[0]));
  return {};
}

// Bytes of the tensor, as its dimensions and type say.
Result<uint64_t> size_of(const Tensor& tensor) {
  const size_t bytes = bytes_of(static_cast<Type>(tensor.type));
  if (bytes == 0) return unsupported("has numbers of " + type_name(tensor.type) + ", which are not read");
  int64_t count = 0;
  if (!count_of(tensor.dims, &count) || static_cast<uint64_t>(count) > kMost / bytes)
    return corrupt("has dimensions that cannot be");
  const uint64_t size = static_cast<uint64_t>(count) * bytes;
  if (tensor.length >= 0 && static_cast<uint64_t>(tensor.length) != size)
    return corrupt("has dimensions for " + std::to_string(size) + " bytes, and " +
                   std::to_string(tensor.length) + " of them");
  return size;
}

}  // namespace

Status refuse_external(const Model& model) {
  return for_each_external(model, [](const Tensor& tensor, const std::string& name) {
    return unsupported(
        "tensor '" + shown(name) + "': its data lies outside of the model, in '" + shown(tensor.location) +
        "'; --external-data reads such files from the directory of the model, or put all inside "
        "with onnx.save(onnx.load(FILE), OUT)");
  });
}

Status read_external(Env& env, const std::string& directory, Model& model) {
  std::map<std::string, uint64_t> left;  // of each file, that no tensor has taken
  uint64_t all = 0;
  return for_each_external(model, [&](Tensor& tensor, const std::string& name) -> Status {
    const std::string place = "tensor '" + shown(name) + "'";
    const auto size = size_of(tensor);
    if (!size.ok()) return size.status().within(place);
    auto file = env.open_inside(directory, tensor.location);
    if (!file.ok()) return file.status().within(place);
    const uint64_t there = (*file)->size(), offset = static_cast<uint64_t>(tensor.offset);
    const std::string in =
        place + ": '" + shown(tensor.location) + "' has " + std::to_string(there) + " bytes";
    if (offset > there || *size > there - offset)
      return corrupt(in + ", the tensor takes " + std::to_string(*size) + " from byte " +
                     std::to_string(offset));
    uint64_t& rest = left.try_emplace(tensor.location, there).first->second;
    if (*size > rest) return corrupt(in + ", its tensors take more than that together");
    rest -= *size;
    all += *size;
    if (all > kMost) return unsupported(place + ": external data is larger than 2 GiB");
    std::string& bytes = model.outside.emplace_back(*size, '\0');
    TRY((*file)->read_at(offset, bytes.data(), bytes.size()).within(place));
    tensor.raw = bytes;
    tensor.has_raw = true;
    tensor.external = false;
    return {};
  });
}

}  // namespace coppice::onnx
