// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "train/metrics/functions.h"
#include "train/metrics/intervals.h"
#include "train/metrics/said.h"

namespace coppice {
namespace {

OutputRow row_of(const Outputs& outputs, const std::vector<float>& values, int64_t sample) {
  return {values.data() + sample * outputs.width, outputs.width, 1};
}

int64_t ranked_below(const Outputs& outputs, int64_t most) {
  int64_t count = 0;
  for (int64_t n = 0; n < outputs.samples; ++n)
    count += rank_of(row_of(outputs, outputs.said, n), outputs.labels[static_cast<size_t>(n)]) < most;
  return count;
}

// [samples]
std::vector<int32_t> decisions(const Outputs& outputs) {
  std::vector<int32_t> decided;
  for (int64_t n = 0; n < outputs.samples; ++n)
    decided.push_back(said_class(row_of(outputs, outputs.said, n)));
  return decided;
}

// [samples]: how many labels of a sample are right.
std::vector<int64_t> right_labels(const Outputs& outputs) {
  std::vector<int64_t> right;
  for (int64_t n = 0; n < outputs.samples; ++n)
    right.push_back(right_labels(row_of(outputs, outputs.said, n), row_of(outputs, outputs.targets, n)));
  return right;
}

int64_t exact_samples(const Outputs& outputs) {
  const std::vector<int64_t> right = right_labels(outputs);
  return std::count(right.begin(), right.end(), outputs.width);
}

Value share(int64_t part, int64_t all) {
  if (all == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(all);
}

// Of a class or label: samples that are decided for, that are of it, and both.
struct Count {
  int64_t decided = 0, are = 0, both = 0;
};
Value precision_of(const Count& count) { return share(count.both, count.decided); }
Value recall_of(const Count& count) { return share(count.both, count.are); }
Value f1_of(const Count& count) { return share(2 * count.both, count.decided + count.are); }

// Adds up how often each class or label was decided for; sample n counts times[n] times.
class Counter {
 public:
  explicit Counter(const Outputs& outputs) : outputs_(outputs) {
    if (outputs.task == Task::kClasses) decided_ = decisions(outputs);
  }

  std::vector<Count> count(const std::vector<uint32_t>& times) const {
    std::vector<Count> counts(static_cast<size_t>(outputs_.width));
    for (size_t n = 0; n < times.size(); ++n) {
      if (times[n] == 0) continue;
      if (outputs_.task == Task::kClasses)
        add_class(n, times[n], counts);
      else
        add_labels(n, times[n], counts);
    }
    return counts;
  }
  std::vector<Count> count() const {
    return count(std::vector<uint32_t>(static_cast<size_t>(outputs_.samples), 1));
  }
  // Numbers that count() looks at.
  int64_t values() const { return outputs_.samples * (outputs_.task == Task::kClasses ? 1 : outputs_.width); }

 private:
  void add_class(size_t n, int64_t times, std::vector<Count>& counts) const {
    const int32_t label = outputs_.labels[n], decided = decided_[n];
    counts[static_cast<size_t>(label)].are += times;
    if (decided == kNoClass) return;
    counts[static_cast<size_t>(decided)].decided += times;
    if (decided == label) counts[static_cast<size_t>(label)].both += times;
  }
  void add_labels(size_t n, int64_t times, std::vector<Count>& counts) const {
    for (size_t k = 0; k < counts.size(); ++k) {
      const size_t i = n * counts.size() + k;
      const bool said = outputs_.said[i] > 0, is = outputs_.targets[i] > 0.5f;
      counts[k].decided += said ? times : 0;
      counts[k].are += is ? times : 0;
      counts[k].both += said && is ? times : 0;
    }
  }

  const Outputs& outputs_;
  std::vector<int32_t> decided_;
};

Value mean_over(const std::vector<Count>& counts, Value (*of)(const Count&)) {
  std::vector<Value> values;
  values.reserve(counts.size());
  for (const Count& count : counts) values.push_back(of(count));
  return mean_of_known(values);
}

Value micro_f1_of(const std::vector<Count>& counts) {
  Count sum;
  for (const Count& count : counts) {
    sum.decided += count.decided;
    sum.are += count.are;
    sum.both += count.both;
  }
  return f1_of(sum);
}

Value mean_of(const Outputs& outputs, Value (*of)(const Count&)) {
  return mean_over(Counter(outputs).count(), of);
}

Bounds interval_of(const Outputs& outputs, const std::function<Value(const std::vector<Count>&)>& of) {
  const Counter counter(outputs);
  return bootstrap(outputs.samples, counter.values(),
                   [&](const std::vector<uint32_t>& times) { return of(counter.count(times)); });
}
Bounds interval_of_mean(const Outputs& outputs, Value (*of)(const Count&)) {
  return interval_of(outputs, [of](const std::vector<Count>& counts) { return mean_over(counts, of); });
}

Readings each_of(const Outputs& outputs, const std::function<Reading(const Count&)>& of) {
  Readings readings;
  for (const Count& count : Counter(outputs).count()) readings.push_back(of(count));
  return readings;
}

}  // namespace

Value accuracy(const Outputs& outputs) {
  if (outputs.task == Task::kClasses) return share(ranked_below(outputs, 1), outputs.samples);
  int64_t right = 0;
  for (const int64_t one : right_labels(outputs)) right += one;
  return share(right, outputs.samples * outputs.width);
}

// The labels of a sample are not independent of each other, so its share of right ones is a single value.
Bounds accuracy_interval(const Outputs& outputs) {
  if (outputs.task == Task::kClasses) return wilson(ranked_below(outputs, 1), outputs.samples);
  std::vector<double> shares;
  for (const int64_t right : right_labels(outputs))
    shares.push_back(static_cast<double>(right) / static_cast<double>(outputs.width));
  Bounds bounds = normal_interval(shares);
  if (bounds) bounds = Interval{std::max(0.0, bounds->low), std::min(1.0, bounds->high)};
  return bounds;
}

// Among five classes or fewer every class is among the first five.
Value top5(const Outputs& outputs) {
  constexpr int64_t kFive = 5;
  if (outputs.width <= kFive) return std::nullopt;
  return share(ranked_below(outputs, kFive), outputs.samples);
}
Bounds top5_interval(const Outputs& outputs) { return wilson(ranked_below(outputs, 5), outputs.samples); }

Value exact(const Outputs& outputs) { return share(exact_samples(outputs), outputs.samples); }
Bounds exact_interval(const Outputs& outputs) { return wilson(exact_samples(outputs), outputs.samples); }

Value precision(const Outputs& outputs) { return mean_of(outputs, precision_of); }
Bounds precision_interval(const Outputs& outputs) { return interval_of_mean(outputs, precision_of); }
Readings precision_each(const Outputs& outputs, bool /*intervals*/) {
  return each_of(outputs, [](const Count& count) {
    return Reading{precision_of(count), wilson(count.both, count.decided)};
  });
}

Value recall(const Outputs& outputs) { return mean_of(outputs, recall_of); }
Bounds recall_interval(const Outputs& outputs) { return interval_of_mean(outputs, recall_of); }
Readings recall_each(const Outputs& outputs, bool /*intervals*/) {
  return each_of(outputs, [](const Count& count) {
    return Reading{recall_of(count), wilson(count.both, count.are)};
  });
}

Value f1(const Outputs& outputs) { return mean_of(outputs, f1_of); }
Bounds f1_interval(const Outputs& outputs) { return interval_of_mean(outputs, f1_of); }
Readings f1_each(const Outputs& outputs, bool /*intervals*/) {
  return each_of(outputs, [](const Count& count) { return Reading{f1_of(count), std::nullopt}; });
}

Value micro_f1(const Outputs& outputs) { return micro_f1_of(Counter(outputs).count()); }
Bounds micro_f1_interval(const Outputs& outputs) { return interval_of(outputs, micro_f1_of); }

}  // namespace coppice
