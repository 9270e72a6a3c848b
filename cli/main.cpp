// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <exception>

#include "base/text.h"
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

// A sentence for the first argument that the command does not know; empty if there is none.
std::string unknown_argument(const CLI::App& command) {
  const std::vector<std::string> rest = command.remaining();
  if (rest.empty()) return "";
  const std::string name = rest.front().substr(0, rest.front().find('='));
  std::vector<std::string> known;
  if (name.rfind("--", 0) == 0)
    for (const CLI::Option* option : command.get_options())
      for (const std::string& flag : option->get_lnames()) known.push_back("--" + flag);
  else
    for (const CLI::App* sub : command.get_subcommands({})) known.push_back(sub->get_name());
  if (known.empty()) return "'" + name + "' is one argument too many";
  return "'" + name + "' is unknown; did you mean '" + coppice::nearest(name, known) + "'?";
}

int run(int argc, char** argv) {
  CLI::App app(kAbout, "coppice");
  app.footer(kExamples);
  app.set_version_flag("--version", COPPICE_PROGRAM);
  app.require_subcommand(0, 1);
  int exit = kFine;
  for (const AddCommand add : all_commands()) add(app, exit);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error) == 0 ? kFine : kFailed;
    const CLI::App* at = &app;
    std::string command = "coppice";
    while (!at->get_subcommands().empty()) {
      at = at->get_subcommands().front();
      command += " " + at->get_name();
    }
    std::string sentence = unknown_argument(*at);
    if (sentence.empty()) sentence = error.what();
    std::fprintf(stderr, "%s: %s; `%s --help` shows what there is\n", command.c_str(), sentence.c_str(),
                 command.c_str());
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

int fail(const std::string& command, const Status& status) {
  complain(command, status.message());
  switch (status.code()) {
    case Code::kInvalid:
      return kUsage;
    case Code::kInterrupted:
      return kStopped;
    default:
      return kFailed;
  }
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
