// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <exception>

#include "command.h"
#include "coppice_build.h"
#include "terminal.h"

namespace {

using namespace coppice::cli;

constexpr char kAbout[] =
    "Trains and runs truly sparse neural networks on ordinary CPUs: a weight that is not there costs "
    "nothing.";
constexpr char kExamples[] =
    "\nA first run, which needs no data and takes seconds:\n"
    "  coppice train --data glyphs --density 0.1\n"
    "  coppice eval runs/NAME\n"
    "`coppice COMMAND --help` shows what a command takes.\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.";

int run(int argc, char** argv) {
  CLI::App app(kAbout, "coppice");
  app.footer(kExamples);
  app.set_version_flag("--version", "coppice " COPPICE_BUILD_VERSION " (" COPPICE_BUILD_COMMIT ")");
  app.require_subcommand(0, 1);
  int exit = kFine;
  for (const AddCommand add : all_commands()) add(app, exit);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error) == 0 ? kFine : kFailed;
    std::fprintf(stderr, "coppice: %s; `coppice --help` shows what there is\n", error.what());
    return kUsage;
  }
  if (app.get_subcommands().empty()) {
    std::fputs(app.help().c_str(), stderr);
    return kUsage;
  }
  return exit;
}

}  // namespace

namespace coppice::cli {

int fail(const std::string& command, const Status& status, Exit code) {
  complain(command, status.message());
  return code;
}

}  // namespace coppice::cli

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("coppice: there is not enough memory; try a smaller network, --micro-batch or --memory\n",
               stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "coppice: unexpected: %s\n", error.what());
  }
  return kFailed;
}
