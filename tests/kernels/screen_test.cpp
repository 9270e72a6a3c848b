// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "kernels/select.h"

namespace coppice {
namespace {

TEST(Screen, FindsWhatReachesTheBarAndWhatIsNoNumber) {
  Rng rng(5, stream_id("screen", "numbers"));
  std::vector<float> numbers(1000);
  for (float& number : numbers) number = rng.normal();
  numbers[3] = std::numeric_limits<float>::quiet_NaN();
  numbers[17] = -std::numeric_limits<float>::infinity();
  numbers[40] = -1.5f;  // just the bar
  for (const std::string& isa : available_isas())
    for (const int64_t count : {0, 1, 15, 16, 63, 1000})
      for (const float bar : {-std::numeric_limits<float>::infinity(), 0.0f, 1.5f, 100.0f}) {
        SCOPED_TRACE(isa + " " + std::to_string(count) + " " + std::to_string(bar));
        std::vector<uint32_t> want, got(static_cast<size_t>(count));
        for (int64_t i = 0; i < count; ++i)
          if (!(std::abs(numbers[static_cast<size_t>(i)]) < bar)) want.push_back(static_cast<uint32_t>(i));
        got.resize(
            static_cast<size_t>(select_kernels(isa)->train->screen(numbers.data(), count, bar, got.data())));
        EXPECT_EQ(got, want);
      }
}

}  // namespace
}  // namespace coppice
