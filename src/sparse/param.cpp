// SPDX-License-Identifier: Apache-2.0
#include "sparse/param.h"

#include <algorithm>
#include <cassert>

namespace coppice {
namespace {
// One item updates this many entries of a bias: small enough to share out, large enough to be worth an item.
constexpr int64_t kVectorPart = 1024;

// In canonical order; without positions it is in that order already.
std::vector<float> gathered(const Floats& array, std::span<const int32_t> positions) {
  if (positions.empty()) return {array.begin(), array.end()};
  std::vector<float> out(positions.size());
  for (size_t k = 0; k < out.size(); ++k) out[k] = array[static_cast<size_t>(positions[k])];
  return out;
}
}  // namespace

Param Param::weight(std::string name, std::vector<int64_t> dims, Pattern pattern) {
  Param param;
  param.name_ = std::move(name);
  param.dims_ = std::move(dims);
  param.is_weight_ = true;
  param.live_ = pattern.live();
  param.value = Floats(static_cast<size_t>(pattern.live()));
  param.pattern_ = std::move(pattern);
  return param;
}

Param Param::vector(std::string name, std::vector<int64_t> dims) {
  Param param;
  param.name_ = std::move(name);
  param.dims_ = std::move(dims);
  const int64_t length = param.total();
  param.live_ = length;
  param.value = Floats(static_cast<size_t>(length));
  for (int64_t at = 0; at < length; at += kVectorPart) param.part_start_.push_back(static_cast<int32_t>(at));
  param.part_start_.push_back(static_cast<int32_t>(length));
  return param;
}

int64_t Param::total() const {
  int64_t product = 1;
  for (const int64_t size : dims_) product *= size;
  return product;
}

Pattern Param::pattern() const {
  assert(is_weight_);
  return pattern_ ? *pattern_ : encoding_->pattern();
}

std::vector<float> Param::canonical(const Floats& array) const {
  return gathered(array, encoding_ ? encoding_->positions() : std::vector<int32_t>());
}

void Param::set_canonical(Floats& array, std::span<const float> canonical) const {
  assert(static_cast<int64_t>(canonical.size()) == live_);
  ensure(array);
  if (!encoding_) {
    std::copy(canonical.begin(), canonical.end(), array.begin());
    return;
  }
  const std::vector<int32_t> positions = encoding_->positions();
  for (size_t k = 0; k < canonical.size(); ++k) array[static_cast<size_t>(positions[k])] = canonical[k];
}

void Param::ensure(Floats& array) const {
  if (array.empty()) array = Floats(static_cast<size_t>(encoding_ ? encoding_->size() : live_));
}

void Param::encode(const FormatDef& format, const Tiling& tiling) {
  assert(is_weight_ && format.refuses(pattern()).empty());
  const Pattern old = pattern();
  std::vector<int32_t> positions;
  if (encoding_) positions = encoding_->positions();
  std::vector<std::pair<Floats*, std::vector<float>>> arrays;
  for (Floats* array : {&value, &moment1, &moment2, &gradient, &born})
    if (!array->empty()) arrays.emplace_back(array, gathered(*array, positions));

  format_ = &format;
  tiling_ = tiling;
  encoding_ = format.encode(old, tiling);
  pattern_.reset();
  positions = encoding_->positions();
  for (auto& [array, content] : arrays) {
    *array = Floats();
    ensure(*array);
    for (size_t k = 0; k < content.size(); ++k) (*array)[static_cast<size_t>(positions[k])] = content[k];
  }
  view_ = encoding_->bind(value.data());
  copy_.reset();
}

void Param::add_copy() { add_copy(pattern(), encoding_->positions()); }

void Param::add_copy(const Pattern& pattern, std::span<const int32_t> positions) {
  assert(encoding_ && !copy_);
  if (!format_->encode_copy) return;
  copy_ = std::make_unique<Copy>();
  copy_->encoding = format_->encode_copy(pattern, tiling_);
  copy_->value = Floats(static_cast<size_t>(copy_->encoding->size()));
  copy_->view = copy_->encoding->bind(copy_->value.data());
  const std::vector<int32_t> there = copy_->encoding->positions();
  copy_->position.resize(static_cast<size_t>(copy_->encoding->size()));
  for (size_t k = 0; k < there.size(); ++k) copy_->position[static_cast<size_t>(there[k])] = positions[k];
  refresh_copy();
}

void Param::refresh_copy() {
  if (!copy_) return;
  for (size_t i = 0; i < copy_->position.size(); ++i)
    copy_->value[i] = value[static_cast<size_t>(copy_->position[i])];
}

const std::vector<int32_t>& Param::part_start() const {
  assert(!is_weight_ || encoding_);
  return is_weight_ ? encoding_->part_start() : part_start_;
}

Status Param::apply(const TopologyEdit& edit, int64_t first_update, std::span<const float> grown) {
  TRY_ASSIGN(EditedPattern edited, apply_edit(pattern(), edit));
  const bool with_gradient = !gradient.empty(), with_copy = copy_ != nullptr;
  copy_.reset();
  view_ = nullptr;
  if (format_ && !format_->refuses(edited.pattern).empty()) format_ = nullptr;
  std::unique_ptr<Encoding> next = format_ ? format_->encode(edited.pattern, tiling_) : nullptr;
  // Each array moves once, from the old order into the new one.
  std::vector<int32_t> here, there;
  if (encoding_) here = encoding_->positions();
  if (next) there = next->positions();
  const auto block = static_cast<size_t>(edited.pattern.block().size());
  const auto live = edited.source.size() * block;
  std::vector<int32_t> from(live);  // place of each weight, or -1 for a grown one
  for (size_t k = 0; k < live; ++k) {
    const int32_t source = edited.source[k / block];
    const auto old = static_cast<size_t>(source) * block + k % block;
    from[k] = source < 0 ? -1 : here.empty() ? static_cast<int32_t>(old) : here[old];
  }
  // Only Adam, which keeps two moments, asks for the age of a weight.
  if (!moment2.empty() && !edit.grow.empty()) ensure(born);
  for (Floats* array : {&value, &moment1, &moment2, &born}) {
    if (array->empty() && array != &value) continue;
    const float fresh = array == &born ? static_cast<float>(first_update) : 0.0f;
    std::span<const float> left = array == &value ? grown : std::span<const float>();
    Floats after(next ? static_cast<size_t>(next->size()) : live);
    for (size_t k = 0; k < live; ++k) {
      float moved = fresh;
      if (from[k] >= 0) {
        moved = (*array)[static_cast<size_t>(from[k])];
      } else if (!left.empty()) {
        moved = left.front();
        left = left.subspan(1);
      }
      after[there.empty() ? k : static_cast<size_t>(there[k])] = moved;
    }
    *array = std::move(after);
  }
  live_ = edited.pattern.live();
  encoding_ = std::move(next);
  gradient = Floats();
  if (with_gradient) ensure(gradient);
  if (!encoding_) {
    pattern_ = std::move(edited.pattern);
    return {};
  }
  pattern_.reset();
  view_ = encoding_->bind(value.data());
  if (with_copy) add_copy(edited.pattern, there);
  return {};
}

int64_t Param::bytes() const {
  size_t floats = value.size() + moment1.size() + moment2.size() + gradient.size() + born.size();
  int64_t bytes = encoding_ ? encoding_->bytes() : 0;
  if (pattern_)
    bytes += static_cast<int64_t>((pattern_->indptr().size() + pattern_->indices().size()) * sizeof(int32_t));
  if (copy_) {
    floats += copy_->value.size() + copy_->position.size();
    bytes += copy_->encoding->bytes();
  }
  return bytes + static_cast<int64_t>(floats * sizeof(float));
}

}  // namespace coppice
