// SPDX-License-Identifier: Apache-2.0
// Where fuzzing begins: small files of every kind that a reader takes, made by our own writers and by what
// the tests make files with.
#pragma once

#include <string>
#include <vector>

namespace coppice::fuzz {

struct Seed {
  std::string target, name, bytes;
};

std::vector<Seed> make_seeds();

}  // namespace coppice::fuzz
