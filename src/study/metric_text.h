// SPDX-License-Identifier: Apache-2.0
// Metrics as people and programs read them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dataset/dataset.h"
#include "models/json.h"
#include "report/table.h"
#include "train/evaluate.h"
#include "train/metrics/metrics.h"

namespace coppice {

// "97.35 %", "0.9312", "1234.5"; "-" where it is unknown.
std::string value_text(const Metric& metric, const std::optional<double>& value);

// The same where only its name is known, as in a diary.
std::string value_text(const std::string& metric, double value);

// With its interval, where there is one: "97.35 % (97.02 % to 97.65 %)".
std::string reading_text(const Metric& metric, const Reading& reading);

// "accuracy,auc", or "all" that mean something for the task. A sentence where a name means nothing.
Result<std::vector<const Metric*>> metrics_of(const std::string& list, Task task);

// A line for each class, label or quantity, the first `most` of them, and a column for each metric that has
// values for them; empty where none has.
std::optional<Table> each_table(const std::vector<const Metric*>& metrics, const Outputs& outputs,
                                const Dataset& data, size_t most);

// {"accuracy": {"value": .., "low": .., "high": .., "by": "Wilson"}, ..}; null for what is unknown.
Json metrics_json(const std::vector<const Metric*>& metrics, const Outputs& outputs);
// [{"name": .., "samples": .., "recall": {..}, ..}, ..]
Json each_json(const std::vector<const Metric*>& metrics, const Outputs& outputs, const Dataset& data);

// The table of all metrics, for a help text.
std::string metrics_help();

// "97.35 % right, 99.90 % among five"
std::string evaluation_text(const Evaluation& evaluation, bool boards);

}  // namespace coppice
