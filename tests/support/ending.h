// SPDX-License-Identifier: Apache-2.0
// From the logits of an imported network to what its file says.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace coppice::testing {

// What an imported file does after the last layer (ImportedNetwork::ending), to rows of `width` logits.
inline void finish(const std::string& ending, std::vector<float>& out, size_t width) {
  for (auto row = out.begin(); !ending.empty() && row != out.end();
       row += static_cast<std::ptrdiff_t>(width)) {
    const auto end = row + static_cast<std::ptrdiff_t>(width);
    const float most = *std::max_element(row, end);
    double sum = 0;
    for (auto x = row; x != end; ++x) sum += std::exp(static_cast<double>(*x - most));
    for (auto x = row; x != end; ++x)
      *x = ending == "sigmoid"   ? 1.0F / (1.0F + std::exp(-*x))
           : ending == "softmax" ? static_cast<float>(std::exp(static_cast<double>(*x - most)) / sum)
                                 : static_cast<float>(static_cast<double>(*x - most) - std::log(sum));
  }
}

}  // namespace coppice::testing
