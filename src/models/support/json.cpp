// SPDX-License-Identifier: Apache-2.0
#include "models/json.h"

#include <algorithm>
#include <limits>
#include <set>

namespace coppice {
namespace {
constexpr int kDeepest = 32;

// nlohmann keeps the last of two equal keys and says nothing; a file with two truths is refused here.
class Checker {
 public:
  std::string fault;

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    if (!fault.empty()) return true;
    if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) {
      if (depth >= kDeepest) fault = "is nested deeper than " + std::to_string(kDeepest) + " levels";
      keys_.emplace_back();
    } else if (event == Json::parse_event_t::object_end || event == Json::parse_event_t::array_end) {
      keys_.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const std::string& key = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second) fault = "has the key '" + key + "' twice";
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> keys_;
};

bool fits(const Json& json, int64_t least, int64_t most) {
  if (json.is_number_unsigned()) {
    const uint64_t value = json.get<uint64_t>();
    return value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) &&
           static_cast<int64_t>(value) >= least && static_cast<int64_t>(value) <= most;
  }
  return json.is_number_integer() && json.get<int64_t>() >= least && json.get<int64_t>() <= most;
}

// ", in line 3 at character 5" for the byte, counted from 1, at which a parser gave up.
std::string place_of(const std::string& text, size_t byte) {
  size_t line = 1, begin = 0;
  for (size_t i = 0; i + 1 < std::min(byte, text.size() + 1); ++i)
    if (text[i] == '\n') {
      ++line;
      begin = i + 1;
    }
  return ", in line " + std::to_string(line) + " at character " + std::to_string(byte - begin);
}

}  // namespace

Result<Json> parse_json(const std::string& what, const std::string& text) {
  Checker checker;
  try {
    Json json = Json::parse(text, std::ref(checker));
    if (!checker.fault.empty()) return corrupt(what + ": " + checker.fault);
    return json;
  } catch (const Json::exception& error) {
    const auto* at = dynamic_cast<const Json::parse_error*>(&error);
    return corrupt(what + ": is not valid JSON" + (at != nullptr ? place_of(text, at->byte) : ""));
  }
}

std::string json_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<JsonObject> JsonObject::of(const Json& json, const std::string& place) {
  if (!json.is_object()) return corrupt(place + ": should be a JSON object");
  return JsonObject(&json, place);
}

Status JsonObject::wants(const char* key, const std::string& what) const {
  return corrupt(place_ + "." + key + ": " +
                 (has(key) ? "should be " + what : "is missing; it should be " + what));
}

Result<std::string> JsonObject::text(const char* key) const {
  if (!has(key) || !(*json_)[key].is_string()) return wants(key, "a text");
  return (*json_)[key].get<std::string>();
}

Result<int64_t> JsonObject::integer(const char* key, int64_t least, int64_t most) const {
  if (!has(key) || !fits((*json_)[key], least, most))
    return wants(key, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
  return (*json_)[key].get<int64_t>();
}

Result<double> JsonObject::real(const char* key) const {
  if (has(key) && (*json_)[key].is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!has(key) || !(*json_)[key].is_number()) return wants(key, "a number");
  return (*json_)[key].get<double>();
}

Result<double> JsonObject::number(const char* key) const {
  if (has(key) && (*json_)[key].is_null()) return wants(key, "a number");
  return real(key);
}

Status JsonObject::expect_version(const char* key, int version, const char* format,
                                  const char* advice) const {
  TRY_ASSIGN(const int64_t found, integer(key, 0, INT32_MAX));
  if (found == version) return {};
  return unsupported(place_ + ": has " + format + " format version " + std::to_string(found) +
                     ", this coppice reads " + std::to_string(version) + "; use the coppice that wrote it" +
                     advice);
}

Status JsonObject::expect_only(const std::vector<std::string>& keys) const {
  for (const auto& [key, value] : json_->items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    std::string known;
    for (const std::string& name : keys) known += (known.empty() ? "" : ", ") + name;
    return corrupt(place_ + "." + key + ": is no key here; there are " + known);
  }
  return {};
}

Result<bool> JsonObject::flag(const char* key) const {
  if (!has(key) || !(*json_)[key].is_boolean()) return wants(key, "true or false");
  return (*json_)[key].get<bool>();
}

Result<JsonObject> JsonObject::object(const char* key) const {
  if (!has(key)) return wants(key, "an object");
  return of((*json_)[key], place_ + "." + key);
}

Result<const Json*> JsonObject::array(const char* key) const {
  if (!has(key) || !(*json_)[key].is_array()) return wants(key, "a list");
  return &(*json_)[key];
}

Result<std::vector<JsonObject>> JsonObject::objects(const char* key) const {
  TRY_ASSIGN(const Json* list, array(key));
  std::vector<JsonObject> out;
  for (const Json& item : *list) {
    TRY_ASSIGN(JsonObject object, of(item, place_ + "." + key + "[" + std::to_string(out.size()) + "]"));
    out.push_back(std::move(object));
  }
  return out;
}

Result<std::vector<std::string>> JsonObject::texts(const char* key) const {
  TRY_ASSIGN(const Json* list, array(key));
  std::vector<std::string> out;
  for (const Json& item : *list) {
    if (!item.is_string()) return wants(key, "a list of texts");
    out.push_back(item.get<std::string>());
  }
  return out;
}

Result<std::vector<int64_t>> JsonObject::integers(const char* key, int64_t least, int64_t most) const {
  TRY_ASSIGN(const Json* list, array(key));
  std::vector<int64_t> out;
  for (const Json& item : *list) {
    if (!fits(item, least, most))
      return wants(key, "a list of integers from " + std::to_string(least) + " to " + std::to_string(most));
    out.push_back(item.get<int64_t>());
  }
  return out;
}

Result<std::vector<double>> JsonObject::reals(const char* key) const {
  TRY_ASSIGN(const Json* list, array(key));
  std::vector<double> out;
  for (const Json& item : *list) {
    if (!item.is_number()) return wants(key, "a list of numbers");
    out.push_back(item.get<double>());
  }
  return out;
}

}  // namespace coppice
