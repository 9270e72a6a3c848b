// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "io/safetensors_header.h"

namespace coppice {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the format's own reader

// Every byte of the data belongs to exactly one tensor.
Status check_layout(const StoredTensors& tensors, uint64_t data_bytes) {
  using Entry = StoredTensors::value_type;
  std::vector<const Entry*> order;
  for (const Entry& entry : tensors) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  uint64_t at = 0;
  for (const Entry* entry : order) {
    const StoredTensor& tensor = entry->second;
    if (tensor.begin != at)
      return corrupt("tensor '" + entry->first + "' begins at byte " + std::to_string(tensor.begin) +
                     " of the data, but the one before it ends at " + std::to_string(at));
    at = tensor.end;
  }
  if (at != data_bytes)
    return corrupt("the tensors end at byte " + std::to_string(at) + " of the data, the file at " +
                   std::to_string(data_bytes) +
                   "; it was cut or something was added, fetch or save it again");
  return {};
}

Result<std::string> header_json(const std::vector<TensorView>& tensors, const Metadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  uint64_t at = 0;
  for (const TensorView& tensor : tensors) {
    const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
    if (!bytes) return invalid("tensor '" + tensor.name + "' has an impossible shape");
    header[tensor.name] = {{kDtypeKey, dtype_name(tensor.dtype)},
                           {kShapeKey, tensor.shape},
                           {kOffsetsKey, std::vector<uint64_t>{at, at + *bytes}}};
    at += *bytes;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    return invalid("a tensor name or a metadata string is not UTF-8, which JSON cannot hold");
  }
  // Spaces at the end of the header keep the data aligned to the widest type.
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxHeaderBytes)
    return invalid("the header would have " + std::to_string(text.size()) + " bytes, readers accept " +
                   std::to_string(kMaxHeaderBytes));
  return text;
}

// What people have instead: a sentence with the way out, or nothing. PyTorch's files are zip archives, or
// bare pickles before version 1.6, and reading a pickle runs the code in it.
std::string foreign_format(const std::string& start) {
  const auto begins = [&start](std::string_view magic) { return start.rfind(magic, 0) == 0; };
  if (begins("PK\x03\x04") || begins("\x80\x02"))
    return "is a PyTorch file (or another archive), and reading those can run code; convert it once, where "
           "it was "
           "made: import torch, safetensors.torch as s; s.save_file(torch.load('model.pt', "
           "map_location='cpu'), "
           "'model.safetensors')";
  if (begins("\x89HDF"))
    return "is an HDF5 file (Keras); convert it once, where it was made: from safetensors.numpy import "
           "save_file; "
           "save_file({w.path: w.numpy() for w in model.weights}, 'model.safetensors')";
  if (begins("GGUF")) return "is a GGUF file, which this version of coppice does not read";
  return "";
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(Env& env, const std::string& path) {
  SafetensorsFile opened;
  opened.path_ = path;
  TRY_ASSIGN(opened.file_, env.open_read(path));
  const uint64_t size = opened.file_->size();
  std::string start(std::min<uint64_t>(size, kLengthBytes), '\0');
  TRY(opened.file_->read_at(0, start.data(), start.size()));
  if (const std::string foreign = foreign_format(start); !foreign.empty())
    return unsupported(path + ": " + foreign);
  if (size < kLengthBytes) return corrupt(path + ": is too short for a safetensors file");
  uint64_t length = 0;
  std::memcpy(&length, start.data(), sizeof length);
  if (length > kMaxHeaderBytes || length > size - kLengthBytes)
    return corrupt(path + ": announces a header of " + std::to_string(length) + " bytes in a file of " +
                   std::to_string(size) + " (at most " + std::to_string(kMaxHeaderBytes) +
                   " are accepted); is it a safetensors file?");
  std::string json(length, '\0');
  TRY(opened.file_->read_at(kLengthBytes, json.data(), json.size()));
  auto header = parse_safetensors_header(json);
  if (!header.ok()) return header.status().within(path);
  opened.data_start_ = kLengthBytes + length;
  opened.metadata_ = std::move(header->metadata);
  opened.tensors_ = std::move(header->tensors);
  TRY(check_layout(opened.tensors_, size - opened.data_start_).within(path));
  return opened;
}

Result<const StoredTensor*> SafetensorsFile::find(const std::string& name, Dtype dtype) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return not_found(path_ + ": holds no tensor '" + name + "'");
  if (found->second.dtype != dtype)
    return invalid(path_ + ": tensor '" + name + "' is " + std::string(dtype_name(found->second.dtype)) +
                   ", needed is " + std::string(dtype_name(dtype)));
  return &found->second;
}

Status SafetensorsFile::read_bytes(const StoredTensor& tensor, void* out) const {
  return file_->read_at(data_start_ + tensor.begin, out, tensor.bytes());
}

Status write_safetensors(Env& env, const std::string& path, std::vector<TensorView> tensors,
                         const Metadata& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
    return std::pair(dtype_bytes(b.dtype), std::string_view(a.name)) <
           std::pair(dtype_bytes(a.dtype), std::string_view(b.name));
  });
  std::vector<std::string_view> names{kMetadataKey};
  for (const TensorView& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    return invalid(path + ": two tensors cannot both be named '" + std::string(*twice) + "'");

  auto header = header_json(tensors, metadata);
  if (!header.ok()) return header.status().within(path);
  const uint64_t length = header->size();
  TRY_ASSIGN(AtomicFile file, AtomicFile::create(env, path));
  TRY(file.append(&length, sizeof length));
  TRY(file.append(header->data(), header->size()));
  for (const TensorView& tensor : tensors)
    TRY(file.append(tensor.data, *tensor_bytes(tensor.dtype, tensor.shape)));
  return file.commit();
}

}  // namespace coppice
