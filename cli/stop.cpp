// SPDX-License-Identifier: Apache-2.0
#include "stop.h"

#include <csignal>

namespace coppice::cli {
namespace {

std::atomic<bool> g_stop{false};

void ask_to_stop(int signal) {
  g_stop.store(true);
  std::signal(signal, SIG_DFL);
}

}  // namespace

const std::atomic<bool>& stop_on_signals() {
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
  return g_stop;
}

}  // namespace coppice::cli
