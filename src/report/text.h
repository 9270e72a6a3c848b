// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them, in the terminal and on pages.
#pragma once

#include <cstdint>
#include <string>

namespace coppice {

std::string with_commas(int64_t number);                // 26,620
std::string percent(double share);                      // 97.35 %
std::string bytes_text(int64_t bytes);                  // 1.9 MiB
std::string seconds_text(double seconds);               // 0.4 s, 3:07 min, 2:10:45 h
std::string quantity(double number, const char* unit);  // 1.23 GFLOP
std::string decimal(double number, int digits);
// A number of any size and unit: 12.345, 1,306.8, 4,127,700, 1.2e-07; five digits, and all of an integer
// part.
std::string measure_text(double number);
std::string loss_text(double loss);  // 0.2341, 3.1e+12

}  // namespace coppice
