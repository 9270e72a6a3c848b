// SPDX-License-Identifier: Apache-2.0
#include "study/judgement.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "dataset/picture.h"
#include "io/png.h"
#include "io/resize.h"
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

}  // namespace

Result<Judgement> judge(const JudgedEvent& event) {
  Judgement judgement;
  judgement.split = event.split;
  judgement.evaluation = event.evaluation;
  judgement.classes = event.data.classes;
  // Areas under curves sort all samples for each class: a page has to be there at once.
  std::vector<const Metric*> metrics = metrics_for(event.data.task);
  std::erase_if(metrics, [](const Metric* metric) { return std::string_view(metric->name) == "auc"; });
  for (const Metric* metric : metrics)
    judgement.metrics.add({metric->name, value_text(*metric, metric->value(event.outputs))});
  // A cell of a board has no name, and there are hundreds.
  if (!event.data.boards()) judgement.each = each_table(metrics, event.outputs, event.data, kMostListed);
  if (event.data.dense_targets()) return judgement;
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
  if (!has_pictures(event.data) || event.samples.generate) return judgement;
  std::stable_sort(wrong.begin(), wrong.end(),
                   [](const Wrong& a, const Wrong& b) { return a.sure > b.sure; });
  wrong.resize(std::min(wrong.size(), kMostMistakes));
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
