// SPDX-License-Identifier: Apache-2.0
#include "sweep_trainer.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <sstream>

#include "command.h"
#include "process.h"
#include "recipe_flags.h"
#include "train/trainer.h"

namespace coppice::cli {
namespace {

constexpr char kMessages[] = "messages.txt";  // what a run said, in its directory
constexpr uint64_t kLongestMessages = 1 << 24;
constexpr char kSpeaker[] = "coppice train: ";

// The last thing that it said is why it ended.
std::string last_sentence(Env& env, const std::string& path) {
  const auto text = read_all(env, path, kLongestMessages);
  std::string last;
  if (!text.ok()) return last;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) last = line;
  return last.starts_with(kSpeaker) ? last.substr(std::strlen(kSpeaker)) : last;
}

class RunningProcess final : public StartedRun {
 public:
  RunningProcess(Env& env, Process process, std::string messages)
      : env_(env), process_(std::move(process)), messages_(std::move(messages)) {}

  std::optional<std::string> ending() override {
    const std::optional<ProcessEnd> end = process_.end();
    if (!end) return std::nullopt;
    if (end->signal == SIGKILL)
      return "its process was killed; the memory may have run out: try fewer --jobs";
    if (end->signal != 0) return "its process was ended by the signal " + std::to_string(end->signal);
    if (end->code == 0) return "";
    if (end->code == kStopped) return "somebody else interrupted it; what it had learnt is saved";
    const std::string sentence = last_sentence(env_, messages_);
    return sentence.empty() ? "its process ended with code " + std::to_string(end->code) : sentence;
  }
  void stop() override { process_.stop(); }

 private:
  Env& env_;
  Process process_;
  std::string messages_;
};

void add_flags(const RecipeKey& key, const std::string& value, std::vector<std::string>& words) {
  std::istringstream parts(value);
  if (key.kind == KeyKind::kLayers)
    for (std::string layer; std::getline(parts, layer);) words.push_back(flag_of(key.name) + "=" + layer);
  else
    words.push_back(flag_of(key.name) + "=" + value);
}

// As a shell reads it.
std::string shell_text(const std::string& word) {
  constexpr char kPlain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=:,./+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

}  // namespace

std::vector<std::string> ProcessTrainer::recipe_flags(const SweepRun& run) const {
  std::vector<std::string> words;
  for (const RecipeKey& key : recipe_keys())
    if (const auto chosen = run.recipe.chosen.find(key.name); chosen != run.recipe.chosen.end())
      add_flags(key, value_beside(study_.path, key.name, chosen->second), words);
  words.push_back("--seed=" + std::to_string(run.seed));
  words.push_back("--threads=" + std::to_string(threads_));
  return words;
}

std::string ProcessTrainer::command(const SweepRun& run) const {
  std::string text = "coppice train";
  for (const std::string& word : recipe_flags(run)) text += " " + shell_text(word);
  return text;
}

Result<std::unique_ptr<StartedRun>> ProcessTrainer::start(const SweepRun& run, const std::string& directory,
                                                          bool resume) {
  std::vector<std::string> words = {"train"};
  if (resume) {
    words.insert(words.end(), {"--resume", directory, "--threads=" + std::to_string(threads_)});
  } else {
    const std::vector<std::string> recipe = recipe_flags(run);
    words.insert(words.end(), recipe.begin(), recipe.end());
    words.insert(words.end(), {"--out", directory});
  }
  const Recipe fresh;
  const Recipe& wanted = study_.cells[run.cell].recipe;
  for (const RecipeKey& key : recipe_keys()) {
    // Where data lies is known to a run that goes on.
    const bool said = changes_no_result(key.name) && key.print(wanted) != key.print(fresh);
    if (said && (key.on_resume || !resume)) add_flags(key, key.print(wanted), words);
  }
  words.emplace_back("--json");
  const std::string messages = join_path(directory, kMessages);
  TRY_ASSIGN(Process process, Process::start(words, messages));
  return std::unique_ptr<StartedRun>(new RunningProcess(env_, std::move(process), messages));
}

}  // namespace coppice::cli
