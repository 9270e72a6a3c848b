// SPDX-License-Identifier: Apache-2.0
#include "train/init.h"

#include <algorithm>

#include "base/text.h"
#include "io/safetensors.h"
#include "train/checkpoint.h"
#include "train/checkpoint_tensors.h"

namespace coppice {
namespace {

constexpr char kOptimizerPrefix[] = "optimizer/";

std::string sizes_text(const std::vector<int64_t>& sizes) {
  std::string text;
  for (const int64_t size : sizes) append_item(text, std::to_string(size), "x");
  return text.empty() ? "1" : text;
}

// The value of each live weight, in canonical order, from a matrix of all.
std::vector<float> live_of(const Pattern& pattern, const std::vector<float>& matrix) {
  std::vector<float> live;
  live.reserve(static_cast<size_t>(pattern.live()));
  for (const size_t place : live_places(pattern)) live.push_back(matrix[place]);
  return live;
}

class Initialiser {
 public:
  Initialiser(const SafetensorsFile& file, Network& network) : file_(file), network_(network) {}

  Result<InitReport> run() {
    for (std::vector<Param>* list : {&network_.params, &network_.states})
      for (Param& param : *list) TRY(take(param));
    for (const auto& [name, tensor] : file_.tensors())
      if (std::find(used_.begin(), used_.end(), name) == used_.end() && name.rfind(kOptimizerPrefix, 0) != 0)
        report_.unused.push_back(name);
    return std::move(report_);
  }

 private:
  void say(const Param& param, bool taken, std::string outcome) {
    report_.rows.push_back({param.name(), taken, std::move(outcome)});
  }

  Status take(Param& param) {
    if (param.is_weight() && file_.has(param.name() + ".values")) return take_sparse(param);
    const auto at = file_.tensors().find(param.name());
    if (at == file_.tensors().end()) {
      say(param, false, "not in the file");
      return {};
    }
    used_.push_back(param.name());
    if (at->second.shape != param.dims()) {
      say(param, false, sizes_text(at->second.shape) + " in the file, " + sizes_text(param.dims()) + " here");
      return {};
    }
    if (at->second.dtype != Dtype::kF32) {
      say(param, false, std::string(dtype_name(at->second.dtype)) + " in the file, needed is F32");
      return {};
    }
    TRY_ASSIGN(const std::vector<float> values, file_.read<float>(param.name()));
    param.set_canonical(param.value, param.is_weight() ? live_of(param.pattern(), values) : values);
    say(param, true, "taken");
    return {};
  }

  // As a checkpoint has it: values [blocks][r][c] with the pattern beside them.
  Status take_sparse(Param& param) {
    const std::string values = param.name() + ".values";
    const std::vector<int64_t>& shape = file_.tensors().at(values).shape;
    for (const char* part : {".values", ".indptr", ".indices"}) used_.push_back(param.name() + part);
    const ValueId id = network_.graph.find(param.name());
    const BlockShape block{shape.size() == 3 ? static_cast<int>(shape[1]) : 0,
                           shape.size() == 3 ? static_cast<int>(shape[2]) : 0};
    if (!BlockShape::parse(block.text()).ok())
      return corrupt("tensor '" + values + "' is " + sizes_text(shape) + ", not blocks that are known here");
    std::vector<std::string> read;
    auto sparse = read_param(file_, network_.graph.value(id), block, &read);
    if (!sparse.ok()) {
      say(param, false, sparse.status().message());
      return {};
    }
    param = Param::weight(param.name(), param.dims(), sparse->pattern());
    param.set_canonical(param.value, sparse->canonical(sparse->value));
    const double density = param.pattern().density();
    for (LayerChoice& choice : network_.choices)
      if (choice.weight == param.name()) choice = {choice.weight, density, block, "the pattern of the file"};
    say(param, true, "taken, with its pattern");
    return {};
  }

  const SafetensorsFile& file_;
  Network& network_;
  InitReport report_;
  std::vector<std::string> used_;
};

Status check_order(const SafetensorsFile& file, const std::vector<std::string>& here) {
  TRY_ASSIGN(const ColumnNames there, read_column_names(file));
  if (here == there.features ||
      !std::is_permutation(here.begin(), here.end(), there.features.begin(), there.features.end()))
    return {};
  std::string order;
  for (const std::string& name : there.features) append_item(order, name, ", ");
  return invalid("learnt from the columns of this table in another order; put them in this one: " + order);
}

}  // namespace

int64_t InitReport::taken() const {
  return std::count_if(rows.begin(), rows.end(), [](const Row& row) { return row.taken; });
}

Result<InitReport> init_from_file(Env& env, const std::string& path, Network& network,
                                  const ColumnNames& columns) {
  TRY_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(env, path));
  TRY(check_order(file, columns.features).within(path));
  auto report = Initialiser(file, network).run();
  if (!report.ok()) return report.status().within(path);
  if (report->taken() > 0) return report;
  std::string here, there;
  for (size_t i = 0; i < std::min<size_t>(report->rows.size(), 3); ++i)
    append_item(here, report->rows[i].name + " (" + report->rows[i].outcome + ")", ", ");
  for (size_t i = 0; i < std::min<size_t>(report->unused.size(), 3); ++i)
    append_item(there, report->unused[i], ", ");
  return invalid(path + ": nothing in it fits this network: " + here + ", ..." +
                 (there.empty() ? "" : "; it holds " + there + ", ...") + "; is it the same architecture?");
}

}  // namespace coppice
