// SPDX-License-Identifier: Apache-2.0
// Where a network goes wrong: which classes it takes for which, the samples that it was most sure about, and
// those that it missed by most.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "report/table.h"
#include "train/trainer.h"

namespace coppice {

struct Mistake {
  std::string png;       // of the sample, at most 96 pixels wide and high
  std::string is, said;  // classes
  double sure = 0;       // probability that the network gave what it said
};

struct Judgement {
  std::string split;
  Evaluation evaluation;
  Table metrics{{"metric", "value"}};  // all of the task that take no sorting
  std::optional<Table> each;           // the same for each class, label or quantity
  // Where there are no pictures of them: the surest mistakes, or of each quantity the largest errors. Samples
  // have the numbers of their places in the data, from 0.
  std::optional<Table> worst;
  std::vector<std::string> classes;  // empty where the task is another one, and so are the following
  std::vector<int64_t> confusion;    // [classes][classes] samples: rows are what is true
  std::vector<Mistake> mistakes;     // pictures only; the surest first, samples that come first before equals
};

// Of an event whose data is gone when its callback returns. A sample with NaN among its outputs is taken for
// nothing: it is in no column of the confusion, and no mistake to show.
Result<Judgement> judge(const JudgedEvent& event);

}  // namespace coppice
