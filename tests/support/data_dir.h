// SPDX-License-Identifier: Apache-2.0
// Where tests find data that does not belong to the source: $COPPICE_DATA, else shared/data beside the
// checkout. A test that needs it is skipped where it is missing, and fails where COPPICE_REQUIRE_DATA=1 says
// that it must be there.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/env.h"

namespace coppice::testing {

inline std::string data_dir() {
  const char* variable = std::getenv("COPPICE_DATA");
  if (variable != nullptr && *variable != '\0') return variable;
  return join_path(COPPICE_SOURCE_DIR, "../shared/data");
}

inline bool data_required() {
  const char* variable = std::getenv("COPPICE_REQUIRE_DATA");
  return variable != nullptr && std::string(variable) == "1";
}

}  // namespace coppice::testing

// Stands at the start of a test; path is relative to the data folder.
#define NEEDS_DATA(path)                                                                                 \
  do {                                                                                                   \
    const std::string needed_ = coppice::join_path(coppice::testing::data_dir(), path);                  \
    if (!coppice::Env::system().exists(needed_)) {                                                       \
      if (coppice::testing::data_required()) FAIL() << needed_ << " is missing, COPPICE_REQUIRE_DATA=1"; \
      GTEST_SKIP() << needed_ << " is missing; set COPPICE_DATA to the folder that holds " << (path);    \
    }                                                                                                    \
  } while (0)
