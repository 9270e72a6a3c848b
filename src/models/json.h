// SPDX-License-Identifier: Apache-2.0
// Reads JSON that somebody else may have written: every access is checked and failures name the place,
// "nodes[3].op". Belongs to whoever made it; the parsed text must outlive the views into it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"

namespace coppice {

using Json = nlohmann::ordered_json;

// Bounded nesting, no duplicate keys, and a sentence that names `what` where the text is not JSON.
Result<Json> parse_json(const std::string& what, const std::string& text);

// On one line; what is not UTF-8 (a class name from a foreign file) is replaced.
std::string json_text(const Json& json);

// A view of one object with the place where it stands.
class JsonObject {
 public:
  static Result<JsonObject> of(const Json& json, const std::string& place);

  bool has(const char* key) const { return json_->contains(key); }
  // Refuses other keys: a misspelt one would silently mean nothing.
  Status expect_only(const std::vector<std::string>& keys) const;
  // Refuses a file of another version of its format; advice: what else to do, or "".
  Status expect_version(const char* key, int version, const char* format, const char* advice = "") const;
  Result<std::string> text(const char* key) const;
  Result<int64_t> integer(const char* key, int64_t least, int64_t most) const;
  Result<double> real(const char* key) const;    // null reads as NaN
  Result<double> number(const char* key) const;  // refuses null
  Result<bool> flag(const char* key) const;
  Result<JsonObject> object(const char* key) const;
  Result<std::vector<JsonObject>> objects(const char* key) const;
  Result<std::vector<std::string>> texts(const char* key) const;
  Result<std::vector<int64_t>> integers(const char* key, int64_t least, int64_t most) const;
  Result<std::vector<double>> reals(const char* key) const;

  const Json& raw() const { return *json_; }
  const std::string& place() const { return place_; }

 private:
  JsonObject(const Json* json, std::string place) : json_(json), place_(std::move(place)) {}
  Status wants(const char* key, const std::string& what) const;
  Result<const Json*> array(const char* key) const;
  const Json* json_;
  std::string place_;
};

}  // namespace coppice
