// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors_header.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace coppice {
namespace {

using Json = nlohmann::json;

// Follows the parser event by event. A parsed document would not do: it keeps the last of two equal keys
// silently, and its depth is the file's choice; here there are as many levels as the format has.
class HeaderReader {
 public:
  Result<SafetensorsHeader> take() {
    if (!status_.ok()) return status_;
    return std::move(header_);
  }

  bool key(std::string& key) {
    switch (place_) {
      case Place::kTop:
        name_ = std::move(key);
        if (name_ == kMetadataKey ? metadata_seen_ : header_.tensors.count(name_) > 0)
          return refuse("the key '" + name_ + "' stands twice in the header");
        return true;
      case Place::kMetadata:
        key_ = std::move(key);
        return header_.metadata.count(key_) == 0 || refuse("the metadata key '" + key_ + "' stands twice");
      default:
        key_ = std::move(key);
        if (key_ == kDtypeKey) return !dtype_ || refuse_tensor("has two types");
        if (key_ == kShapeKey) return !shape_ || refuse_tensor("has two shapes");
        if (key_ == kOffsetsKey) return !offsets_ || refuse_tensor("has two pairs of offsets");
        return refuse_tensor("has a field '" + key_ + "' that the format does not know");
    }
  }

  bool start_object(size_t) {
    if (place_ == Place::kStart) return enter(Place::kTop);
    if (place_ != Place::kTop) return misplaced("an object");
    if (name_ != kMetadataKey) return enter(Place::kTensor);
    metadata_seen_ = true;
    return enter(Place::kMetadata);
  }
  bool end_object() {
    if (place_ == Place::kTop) return true;
    return (place_ != Place::kTensor || finish_tensor()) && enter(Place::kTop);
  }
  bool start_array(size_t) {
    if (place_ != Place::kTensor) return misplaced("an array");
    if (key_ == kShapeKey) {
      shape_.emplace();
      return enter(Place::kShape);
    }
    if (key_ != kOffsetsKey) return misplaced("an array");
    offsets_.emplace();
    return enter(Place::kOffsets);
  }
  bool end_array() { return enter(Place::kTensor); }

  bool string(std::string& value) {
    if (place_ == Place::kMetadata) {
      header_.metadata.emplace(key_, std::move(value));
      return true;
    }
    if (place_ != Place::kTensor || key_ != kDtypeKey) return misplaced("a string");
    dtype_ = parse_dtype(value);
    return dtype_ || refuse_tensor("has type '" + value + "', which is not known here");
  }
  bool number_unsigned(uint64_t value) {
    if (place_ == Place::kShape && value <= INT64_MAX) {
      shape_->push_back(static_cast<int64_t>(value));
      return true;
    }
    if (place_ == Place::kOffsets) {
      offsets_->push_back(value);
      return true;
    }
    return misplaced("the number " + std::to_string(value));
  }

  bool null() { return misplaced("null"); }
  bool boolean(bool) { return misplaced("a truth value"); }
  bool number_integer(int64_t value) { return misplaced("the number " + std::to_string(value)); }
  bool number_float(double, const std::string& text) { return misplaced("the number " + text); }
  bool binary(std::vector<uint8_t>&) { return misplaced("binary data"); }
  bool parse_error(size_t position, const std::string&, const Json::exception&) {
    return refuse("the header is not valid JSON at its byte " + std::to_string(position));
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets };

  bool enter(Place place) {
    place_ = place;
    return true;
  }
  bool refuse(std::string message) {
    status_ = corrupt(std::move(message));
    return false;
  }
  bool refuse_tensor(const std::string& what) { return refuse("tensor '" + name_ + "' " + what); }
  bool misplaced(const std::string& what) {
    switch (place_) {
      case Place::kStart:
        return refuse("the header is " + what + ", not an object");
      case Place::kTop:
        return refuse("'" + name_ + "' is " + what + " in the header, not an object");
      case Place::kMetadata:
        return refuse("the metadata '" + key_ + "' is " + what + ", not a string");
      default:
        return refuse_tensor("has " + what + " in its field '" + key_ + "'");
    }
  }

  bool finish_tensor() {
    if (!dtype_ || !shape_ || !offsets_)
      return refuse_tensor("lacks its dtype, its shape or its data_offsets");
    if (offsets_->size() != 2 || (*offsets_)[0] > (*offsets_)[1])
      return refuse_tensor("has data_offsets that are not a pair of begin and end");
    StoredTensor tensor{*dtype_, std::move(*shape_), (*offsets_)[0], (*offsets_)[1]};
    const auto bytes = tensor_bytes(tensor.dtype, tensor.shape);
    if (!bytes) return refuse_tensor("has a shape whose product is too large");
    if (*bytes != tensor.bytes())
      return refuse_tensor("needs " + std::to_string(*bytes) +
                           " bytes for its shape, its data_offsets give it " +
                           std::to_string(tensor.bytes()));
    header_.tensors.emplace(name_, std::move(tensor));
    dtype_.reset();
    shape_.reset();
    offsets_.reset();
    return true;
  }

  Place place_ = Place::kStart;
  std::string name_, key_;  // of the top level, of the level below
  bool metadata_seen_ = false;
  std::optional<Dtype> dtype_;
  std::optional<std::vector<int64_t>> shape_;
  std::optional<std::vector<uint64_t>> offsets_;
  SafetensorsHeader header_;
  Status status_;
};

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view json) {
  HeaderReader reader;
  (void)Json::sax_parse(json, &reader);  // a refusal is in the reader
  return reader.take();
}

}  // namespace coppice
