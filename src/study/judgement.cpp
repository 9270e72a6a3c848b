// SPDX-License-Identifier: Apache-2.0
#include "study/judgement.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "dataset/picture.h"
#include "io/png.h"
#include "io/resize.h"
#include "report/text.h"
#include "study/metric_text.h"
#include "train/metrics/said.h"

namespace coppice {
namespace {

constexpr size_t kMostMistakes = 24, kMostListed = 200;
constexpr int kMostSide = 96;

double softmax_of(std::span<const float> outputs, size_t which) {
  double sum = 0;
  for (const float output : outputs) sum += std::exp(static_cast<double>(output - outputs[which]));
  return 1 / sum;
}

Image thumbnail(const Image& image) {
  const int side = std::max(image.info.height, image.info.width);
  if (side <= kMostSide) return image;
  const auto scaled = [side](int length) { return std::max(1, length * kMostSide / side); };
  return resized(image, scaled(image.info.height), scaled(image.info.width));
}

struct Wrong {
  size_t sample, said;
  double sure;
};

// The first of equals stay first.
void keep_surest(std::vector<Wrong>& wrong) {
  std::stable_sort(wrong.begin(), wrong.end(),
                   [](const Wrong& a, const Wrong& b) { return a.sure > b.sure; });
  wrong.resize(std::min(wrong.size(), kMostMistakes));
}

// The number of sample n of the split among all that lie there.
std::string number_of(const JudgedEvent& event, size_t n) { return with_commas(event.samples.indices[n]); }

std::optional<Table> filled(Table table) {
  return table.empty() ? std::nullopt : std::optional<Table>(std::move(table));
}

std::optional<Table> worst_classes(const JudgedEvent& event, const std::vector<Wrong>& wrong) {
  Table table({"sample", "said", "sure", "is"});
  table.left({1, 3});
  for (const Wrong& one : wrong)
    table.add({number_of(event, one.sample), event.data.classes[one.said], percent(one.sure),
               event.data.classes[static_cast<size_t>(event.outputs.labels[one.sample])]});
  return filled(std::move(table));
}

std::optional<Table> worst_labels(const JudgedEvent& event) {
  const auto width = static_cast<size_t>(event.outputs.width);
  std::vector<Wrong> wrong;
  for (size_t i = 0; i < event.outputs.said.size(); ++i) {
    const float said = event.outputs.said[i];
    if (label_is_right(said, event.outputs.targets[i]) || std::isnan(said)) continue;
    wrong.push_back({i / width, i % width, 1 / (1 + std::exp(-std::abs(static_cast<double>(said))))});
    if (wrong.size() >= 1000 * kMostMistakes) keep_surest(wrong);
  }
  keep_surest(wrong);
  Table table({"sample", "label", "said", "sure", "is"});
  table.left({1, 2, 4});
  for (const Wrong& one : wrong) {
    const bool is = event.outputs.targets[one.sample * width + one.said] > 0.5f;
    table.add({number_of(event, one.sample), event.data.target_names[one.said], is ? "no" : "yes",
               percent(one.sure), is ? "yes" : "no"});
  }
  return filled(std::move(table));
}

// Quantities have units of their own, so that each has its own largest errors. Of a sample without an answer
// nothing is known.
std::optional<Table> worst_quantities(const JudgedEvent& event) {
  const auto width = static_cast<size_t>(event.outputs.width);
  const size_t each = std::max<size_t>(kMostMistakes / width, 3);
  Table table({"quantity", "sample", "said", "is", "error"});
  table.left({0});
  for (size_t k = 0; k < std::min(width, kMostListed / each); ++k) {
    std::vector<Wrong> wrong;
    for (size_t i = k; i < event.outputs.said.size(); i += width) {
      const double error =
          static_cast<double>(event.outputs.said[i]) - static_cast<double>(event.outputs.targets[i]);
      if (error != 0 && !std::isnan(error)) wrong.push_back({i / width, i, std::abs(error)});
    }
    keep_surest(wrong);
    for (size_t at = 0; at < std::min(wrong.size(), each); ++at) {
      const auto said = static_cast<double>(event.outputs.said[wrong[at].said]),
                 is = static_cast<double>(event.outputs.targets[wrong[at].said]);
      table.add({event.data.target_names[k], number_of(event, wrong[at].sample), measure_text(said),
                 measure_text(is), measure_text(said - is)});
    }
  }
  return filled(std::move(table));
}

}  // namespace

Result<Judgement> judge(const JudgedEvent& event) {
  Judgement judgement;
  judgement.split = event.split;
  judgement.evaluation = event.evaluation;
  judgement.classes = event.data.classes;
  // Areas under curves sort all samples for each class: a page has to be there at once.
  std::vector<const Metric*> metrics = metrics_for(event.data.task);
  const bool few = event.data.outputs < kLeastForTop5;
  std::erase_if(metrics, [few](const Metric* metric) {
    const std::string_view name = metric->name;
    return name == "auc" || (few && name == "top5");
  });
  for (const Metric* metric : metrics)
    judgement.metrics.add({metric->name, value_text(*metric, metric->value(event.outputs))});
  // A cell of a board has no name, and there are hundreds.
  if (!event.data.boards()) judgement.each = each_table(metrics, event.outputs, event.data, kMostListed);
  if (event.data.dense_targets()) {
    if (!event.data.boards() && !event.samples.generate)
      judgement.worst = event.data.task == Task::kLabels ? worst_labels(event) : worst_quantities(event);
    return judgement;
  }
  const auto width = static_cast<size_t>(event.outputs.width);
  judgement.confusion.assign(width * width, 0);
  std::vector<Wrong> wrong;
  for (size_t n = 0; n < event.outputs.labels.size(); ++n) {
    const auto outputs = std::span(event.outputs.said).subspan(n * width, width);
    const auto is = static_cast<size_t>(event.outputs.labels[n]);
    const int32_t said = said_class(std::span<const float>(outputs));
    if (said == kNoClass) continue;
    ++judgement.confusion[is * width + static_cast<size_t>(said)];
    if (static_cast<size_t>(said) == is) continue;
    wrong.push_back({n, static_cast<size_t>(said), softmax_of(outputs, static_cast<size_t>(said))});
  }
  if (event.samples.generate) return judgement;
  keep_surest(wrong);
  if (!has_pictures(event.data)) {
    judgement.worst = worst_classes(event, wrong);
    return judgement;
  }
  for (const Wrong& one : wrong) {
    const Image picture = sample_picture(event.data, *event.samples.samples,
                                         static_cast<size_t>(event.samples.indices[one.sample]));
    TRY_ASSIGN(std::string png, encode_png(thumbnail(picture)));
    const auto is = static_cast<size_t>(event.outputs.labels[one.sample]);
    judgement.mistakes.push_back(
        {std::move(png), judgement.classes[is], judgement.classes[one.said], one.sure});
  }
  return judgement;
}

}  // namespace coppice
