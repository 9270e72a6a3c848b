// SPDX-License-Identifier: Apache-2.0
// The functions behind the table of metrics.cpp; metrics.h says what they owe.
#pragma once

#include "train/metrics/metrics.h"

namespace coppice {

using Value = std::optional<double>;
using Bounds = std::optional<Interval>;
using Readings = std::vector<Reading>;

// decisions.cpp: of what the network decides for. A class is decided for if its output is the largest, of
// equal ones the first, and no output is NaN; a label if its output is above 0.
Value accuracy(const Outputs& outputs);
Bounds accuracy_interval(const Outputs& outputs);
Value top5(const Outputs& outputs);
Bounds top5_interval(const Outputs& outputs);
Value exact(const Outputs& outputs);
Bounds exact_interval(const Outputs& outputs);
Value precision(const Outputs& outputs);
Bounds precision_interval(const Outputs& outputs);
Readings precision_each(const Outputs& outputs, bool intervals);
Value recall(const Outputs& outputs);
Bounds recall_interval(const Outputs& outputs);
Readings recall_each(const Outputs& outputs, bool intervals);
Value f1(const Outputs& outputs);
Bounds f1_interval(const Outputs& outputs);
Readings f1_each(const Outputs& outputs, bool intervals);
Value micro_f1(const Outputs& outputs);
Bounds micro_f1_interval(const Outputs& outputs);

// ranks.cpp: of the order that the outputs bring the samples into.
Value auc(const Outputs& outputs);
Bounds auc_interval(const Outputs& outputs);
Readings auc_each(const Outputs& outputs, bool intervals);

// errors.cpp: of how far the outputs are off.
Value loss(const Outputs& outputs);
Bounds loss_interval(const Outputs& outputs);
Value mse(const Outputs& outputs);
Bounds mse_interval(const Outputs& outputs);
Readings mse_each(const Outputs& outputs, bool intervals);
Value rmse(const Outputs& outputs);
Bounds rmse_interval(const Outputs& outputs);
Readings rmse_each(const Outputs& outputs, bool intervals);
Value mae(const Outputs& outputs);
Bounds mae_interval(const Outputs& outputs);
Readings mae_each(const Outputs& outputs, bool intervals);
Value r2(const Outputs& outputs);
Bounds r2_interval(const Outputs& outputs);
Readings r2_each(const Outputs& outputs, bool intervals);

// The mean of those that are known.
Value mean_of_known(const std::vector<Value>& values);

}  // namespace coppice
