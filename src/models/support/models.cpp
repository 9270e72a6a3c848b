// SPDX-License-Identifier: Apache-2.0
#include "models/models.h"

#include <algorithm>
#include <charconv>

namespace coppice {
namespace {
constexpr int64_t kLargestSize =
    1 << 24;  // beyond it products of two sizes would leave what patterns can index

std::string known_models() {
  std::string list;
  for (const ModelDef& def : all_models()) list += std::string(list.empty() ? "" : ", ") + def.example;
  return list;
}
}  // namespace

Result<std::vector<int64_t>> parse_sizes(const std::string& spec, const std::string& text, char separator) {
  std::vector<int64_t> sizes;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    int64_t size = 0;
    const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), size);
    if (error != std::errc() || stop != part.data() + part.size() || size < 1 || size > kLargestSize)
      return invalid("model '" + spec + "': '" + part + "' is not a size between 1 and " +
                     std::to_string(kLargestSize));
    sizes.push_back(size);
    begin = end + 1;
  }
  return sizes;
}

Result<Graph> make_model(const std::string& spec, const ModelInput& input) {
  const size_t letters = std::min(spec.find_first_not_of("abcdefghijklmnopqrstuvwxyz"), spec.size());
  const std::string name = spec.substr(0, letters);
  const std::string arguments =
      spec.substr(letters + (letters < spec.size() && spec[letters] == ':' ? 1 : 0));
  for (const ModelDef& def : all_models()) {
    if (name != def.name) continue;
    TRY_ASSIGN(Graph graph, def.make(arguments, input));
    TRY(verify(graph).within("model '" + spec + "'"));
    return graph;
  }
  return not_found("model '" + spec + "' is not known; there are " + known_models());
}

}  // namespace coppice
