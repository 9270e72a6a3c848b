// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint_tensors.h"

#include <span>

namespace coppice {
namespace {

// What a resume needs beside the values, and its names in the file. Persisted.
constexpr std::pair<const char*, Floats Param::*> kStateArrays[] = {
    {"moment1", &Param::moment1}, {"moment2", &Param::moment2}, {"born", &Param::born}};

std::string state_name(const std::string& param, const char* array) {
  return "optimizer/" + param + "." + array;
}

// Canonical order of a full pattern goes block by block, a matrix row by row. place(k) is where canonical
// weight k lies.
template <class Move>
void for_each_place(int64_t rows, int64_t cols, BlockShape block, const Move& move) {
  size_t canonical = 0;
  for (int64_t row = 0; row < rows; row += block.rows)
    for (int64_t col = 0; col < cols; col += block.cols)
      for (int r = 0; r < block.rows; ++r)
        for (int c = 0; c < block.cols; ++c)
          move(canonical++, static_cast<size_t>((row + r) * cols + col + c));
}

std::vector<float> as_matrix(const Pattern& pattern, const std::vector<float>& canonical) {
  std::vector<float> matrix(canonical.size());
  for_each_place(pattern.rows(), pattern.cols(), pattern.block(),
                 [&](size_t k, size_t place) { matrix[place] = canonical[k]; });
  return matrix;
}

std::vector<float> from_matrix(const Pattern& pattern, const std::vector<float>& matrix) {
  std::vector<float> canonical(matrix.size());
  for_each_place(pattern.rows(), pattern.cols(), pattern.block(),
                 [&](size_t k, size_t place) { canonical[k] = matrix[place]; });
  return canonical;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

template <class T>
Result<std::vector<T>> read_shaped(const SafetensorsFile& file, const std::string& name,
                                   const std::vector<int64_t>& shape, std::vector<std::string>* used) {
  const auto at = file.tensors().find(name);
  if (at == file.tensors().end()) return corrupt("tensor '" + name + "' is missing, but the graph has it");
  if (at->second.shape != shape)
    return corrupt("tensor '" + name + "' is " + shape_text(at->second.shape) + ", the graph wants " +
                   shape_text(shape));
  used->push_back(name);
  return file.read<T>(name);
}

// The number of entries of a list whose length only the file knows.
Result<int64_t> length_of(const SafetensorsFile& file, const std::string& name) {
  const auto at = file.tensors().find(name);
  if (at == file.tensors().end()) return corrupt("tensor '" + name + "' is missing, but the graph has it");
  if (at->second.shape.size() != 1)
    return corrupt("tensor '" + name + "' is " + shape_text(at->second.shape) + ", not a list");
  return at->second.shape[0];
}

Status read_state(const SafetensorsFile& file, Param& param, const std::vector<int64_t>& shape,
                  bool as_full_matrix, std::vector<std::string>* used) {
  for (const auto& [array, field] : kStateArrays) {
    const std::string name = state_name(param.name(), array);
    if (!file.has(name)) continue;
    TRY_ASSIGN(std::vector<float> values, read_shaped<float>(file, name, shape, used));
    if (as_full_matrix) values = from_matrix(param.pattern(), values);
    param.set_canonical(param.*field, values);
  }
  return {};
}

}  // namespace

void TensorSink::add_floats(const std::string& name, std::vector<int64_t> shape, std::vector<float> data) {
  floats_.push_back(std::move(data));
  views_.push_back({name, Dtype::kF32, std::move(shape), floats_.back().data()});
}

void TensorSink::add_integers(const std::string& name, std::span<const int32_t> data) {
  integers_.emplace_back(data.begin(), data.end());
  views_.push_back({name, Dtype::kI32, {static_cast<int64_t>(data.size())}, integers_.back().data()});
}

void TensorSink::add(const Param& param, bool with_state) {
  const auto with_arrays = [&](const std::string& value_name, const std::vector<int64_t>& shape,
                               const auto& arranged) {
    add_floats(value_name, shape, arranged(param.canonical(param.value)));
    for (const auto& [array, field] : kStateArrays)
      if (with_state && !(param.*field).empty())
        add_floats(state_name(param.name(), array), shape, arranged(param.canonical(param.*field)));
  };
  const auto as_is = [](std::vector<float> canonical) { return canonical; };
  if (!param.is_weight()) return with_arrays(param.name(), param.dims(), as_is);

  const Pattern pattern = param.pattern();
  if (pattern.is_full())
    return with_arrays(param.name(), param.dims(),
                       [&](const std::vector<float>& canonical) { return as_matrix(pattern, canonical); });
  with_arrays(param.name() + ".values", {pattern.blocks(), pattern.block().rows, pattern.block().cols},
              as_is);
  add_integers(param.name() + ".indptr", pattern.indptr());
  add_integers(param.name() + ".indices", pattern.indices());
}

Result<Param> read_param(const SafetensorsFile& file, const Value& value, BlockShape block,
                         std::vector<std::string>* used) {
  const std::vector<int64_t>& dims = value.shape.sizes;
  if (value.kind != ValueKind::kParam || value.role != ParamRole::kWeight) {
    // Read first: only what lies in the file bounds what is allocated.
    TRY_ASSIGN(const std::vector<float> values, read_shaped<float>(file, value.name, dims, used));
    Param param = Param::vector(value.name, dims);
    param.set_canonical(param.value, values);
    TRY(read_state(file, param, dims, false, used));
    return param;
  }

  const std::string place = "weight '" + value.name + "'";
  const int64_t rows = value.shape.size('o'), cols = value.shape.elements() / rows;
  if (rows % block.rows != 0 || cols % block.cols != 0)
    return corrupt(place + ": blocks of " + block.text() + " do not divide " + value.shape.text());
  if (file.has(value.name)) {
    TRY_ASSIGN(const std::vector<float> matrix, read_shaped<float>(file, value.name, dims, used));
    if (matrix.size() > INT32_MAX) return corrupt(place + ": has more than 2^31 weights");
    Param param = Param::weight(value.name, dims, Pattern::full(rows, cols, block));
    param.set_canonical(param.value, from_matrix(param.pattern(), matrix));
    TRY(read_state(file, param, dims, true, used));
    return param;
  }

  const std::string indices_name = value.name + ".indices";
  TRY_ASSIGN(const int64_t blocks, length_of(file, indices_name));
  TRY_ASSIGN(std::vector<int32_t> indices, read_shaped<int32_t>(file, indices_name, {blocks}, used));
  TRY_ASSIGN(std::vector<int32_t> indptr,
             read_shaped<int32_t>(file, value.name + ".indptr", {rows / block.rows + 1}, used));
  auto pattern = Pattern::from_indices(rows, cols, block, std::move(indptr), std::move(indices));
  if (!pattern.ok()) return corrupt(place + ": " + pattern.status().message());
  Param param = Param::weight(value.name, dims, pattern.take());
  const std::vector<int64_t> shape = {blocks, block.rows, block.cols};
  TRY_ASSIGN(const std::vector<float> values, read_shaped<float>(file, value.name + ".values", shape, used));
  param.set_canonical(param.value, values);
  TRY(read_state(file, param, shape, false, used));
  return param;
}

}  // namespace coppice
