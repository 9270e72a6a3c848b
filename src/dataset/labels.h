// SPDX-License-Identifier: Apache-2.0
// Classes from what stands in a column of labels.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataset/dataset.h"

namespace coppice {

// Labels as they were read, one for each sample of a split.
struct LabelTexts {
  std::string place;  // for sentences: "digits.npz: 'y_train'"
  std::vector<std::string> texts;
  std::shared_ptr<Samples> samples;  // which get their labels
};

// Fills classes and outputs of `data` and the labels of every part's samples. The classes are those of
// `known`, or what occurs in the first part, the one that is learnt from: in the order of their numbers where
// all are integers, else of their bytes. Labels that are quantities are refused.
Status name_classes(std::vector<LabelTexts>& parts, const std::vector<std::string>& known, Dataset& data);

// The shortest text of a number: 1, 2.5.
std::string number_text(double value);

}  // namespace coppice
