// SPDX-License-Identifier: Apache-2.0
#include "process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace coppice::cli {
namespace {

// Also after somebody built a newer one in its place: all runs of a sweep are made by one program.
constexpr char kThisProgram[] = "/proc/self/exe";

ProcessEnd end_of(int status) {
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace

Result<Process> Process::start(const std::vector<std::string>& arguments, const std::string& messages) {
  std::vector<std::string> words = {"coppice"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                   0666);
  pid_t id = 0;
  const int error = posix_spawn(&id, kThisProgram, &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0)
    return Status(Code::kIo, messages + ": a process that writes here could not be started (" +
                                 std::strerror(error) + ")");
  return Process(id);
}

Process::Process(Process&& other) noexcept : id_(std::exchange(other.id_, 0)) {}

Process::~Process() {
  if (id_ == 0) return;
  stop();
  int status = 0;
  while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {
  }
}

std::optional<ProcessEnd> Process::end() {
  int status = 0;
  if (id_ == 0 || waitpid(id_, &status, WNOHANG) != id_) return std::nullopt;
  id_ = 0;
  return end_of(status);
}

void Process::stop() {
  if (id_ > 0) kill(id_, SIGTERM);
}

}  // namespace coppice::cli
