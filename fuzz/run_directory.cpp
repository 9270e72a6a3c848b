// SPDX-License-Identifier: Apache-2.0
// The directory of a run: its recipe, its diary and its account, with a line "----" between them; without the
// second such line there is no account, as for a run that goes on, without the first there is no diary.
#include "study/run_page.h"
#include "support/target.h"

namespace coppice::fuzz {
namespace {

constexpr char kDirectory[] = "runs/input";
constexpr std::string_view kBetween = "----\n";

testing::MemoryEnv::Files files_of(std::string_view input) {
  testing::MemoryEnv::Files files;
  for (const char* name : {kRecipeFile, kMetricsFile, kAccountFile}) {
    const size_t end = name == kAccountFile ? std::string_view::npos : input.find(kBetween);
    files[join_path(kDirectory, name)] = std::string(input.substr(0, end));
    if (end == std::string_view::npos) break;
    input.remove_prefix(end + kBetween.size());
  }
  return files;
}

}  // namespace

bool fuzz_run_directory(std::string_view input) {
  testing::MemoryEnv env(files_of(input));
  auto run = read_run(env, kDirectory);
  if (!taken(run.status())) return false;
  require(run->name == "input", "a run has the name of its directory");
  const std::string page = run_page(*run, nullptr);
  require(page.find("</html>") != std::string::npos, "a page is whole");
  const RunRecord both[] = {*run, *run};
  for (const size_t runs : {1, 2}) {
    const Table table = comparison_table(std::span(both).first(runs));
    require(!table.text().empty() && !table.html().empty(), "runs are compared");
  }
  if (run->account) {
    require(write_account(env, kDirectory, *run->account).ok(), "an account can be written");
    auto again = read_account(env, kDirectory);
    require(again.ok(), "what was written can be read");
    require(json_text(account_json(*again, kDirectory)) == json_text(account_json(*run->account, kDirectory)),
            "a copy is the same account");
  }
  return true;
}

}  // namespace coppice::fuzz
