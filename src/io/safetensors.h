// SPDX-License-Identifier: Apache-2.0
// safetensors: the length of the header as a little-endian u64, the header (JSON: name -> dtype, shape,
// data_offsets;
// __metadata__ -> strings), then the bytes of all the tensors without a gap. Checkpoints are written in it,
// so that everyone's tools can read them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "io/dtype.h"

namespace coppice {

using Metadata = std::map<std::string, std::string>;

struct StoredTensor {
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes, counted from the end of the header
  uint64_t bytes() const { return end - begin; }
};
using StoredTensors = std::map<std::string, StoredTensor>;

// An open file whose header has been verified in full: known types, products without overflow, no duplicate
// key, no hole, no overlap, and an end that is the end of the file. Content is read when asked for, by any
// thread.
class SafetensorsFile {
 public:
  static Result<SafetensorsFile> open(Env& env, const std::string& path);

  const Metadata& metadata() const { return metadata_; }
  const StoredTensors& tensors() const { return tensors_; }
  bool has(const std::string& name) const { return tensors_.count(name) > 0; }

  // A tensor that is not there, or that has another type than T, is an error that names it.
  template <class T>
  Result<std::vector<T>> read(const std::string& name) const {
    TRY_ASSIGN(const StoredTensor* tensor, find(name, kDtypeOf<T>));
    std::vector<T> values(tensor->bytes() / sizeof(T));
    TRY(read_bytes(*tensor, values.data()));
    return values;
  }

  // Copies tensor.bytes() bytes; tensor is one of tensors().
  Status read_bytes(const StoredTensor& tensor, void* out) const;

 private:
  SafetensorsFile() = default;
  Result<const StoredTensor*> find(const std::string& name, Dtype dtype) const;

  std::string path_;
  std::unique_ptr<ReadFile> file_;
  uint64_t data_start_ = 0;
  Metadata metadata_;
  StoredTensors tensors_;
};

// A tensor to write; the data stays with the caller.
struct TensorView {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  const void* data = nullptr;
};

// Writes the file atomically: after a failure or a crash the old file, if there was one, is whole. The bytes
// depend on the content only, not on the order of the tensors: wide types come first, then by name, so that
// every tensor is aligned to its own type in the file.
Status write_safetensors(Env& env, const std::string& path, std::vector<TensorView> tensors,
                         const Metadata& metadata);

}  // namespace coppice
