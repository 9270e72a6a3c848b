// SPDX-License-Identifier: Apache-2.0
#include "base/env.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace coppice {
namespace {

Status system_error(const std::string& path, const std::string& what) {
  const int error = errno;
  const std::string reason = std::strerror(error);
  if (error == ENOENT) return {Code::kNotFound, path + ": no such file or directory"};
  if (error == ENOSPC || error == EDQUOT)
    return {Code::kNoSpace, path + ": " + what + " failed, the disk is full; free some space and try again"};
  return {Code::kIo, path + ": " + what + " failed (" + reason + ")"};
}

// A signal that somebody handles is no reason to give up.
template <class Call>
int retried(const Call& call) {
  int result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class SystemReadFile final : public ReadFile {
 public:
  SystemReadFile(std::string path, int fd, uint64_t size) : path_(std::move(path)), fd_(fd), size_(size) {}
  ~SystemReadFile() override { ::close(fd_); }
  SystemReadFile(const SystemReadFile&) = delete;
  SystemReadFile& operator=(const SystemReadFile&) = delete;

  uint64_t size() const override { return size_; }
  Status read_at(uint64_t offset, void* out, size_t n) override {
    auto* at = static_cast<char*>(out);
    while (n > 0) {
      const ssize_t got = ::pread(fd_, at, n, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error(path_, "reading");
      if (got == 0) return corrupt(path_ + ": ends early, at byte " + std::to_string(offset));
      at += got;
      offset += static_cast<uint64_t>(got);
      n -= static_cast<size_t>(got);
    }
    return {};
  }

 private:
  std::string path_;
  int fd_;
  uint64_t size_;
};

class SystemWriteFile final : public WriteFile {
 public:
  SystemWriteFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~SystemWriteFile() override {
    if (fd_ >= 0) ::close(fd_);
  }
  SystemWriteFile(const SystemWriteFile&) = delete;
  SystemWriteFile& operator=(const SystemWriteFile&) = delete;

  Status append(const void* data, size_t n) override {
    const auto* at = static_cast<const char*>(data);
    while (n > 0) {
      const ssize_t put = ::write(fd_, at, n);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return system_error(path_, "writing");
      at += put;
      n -= static_cast<size_t>(put);
    }
    return {};
  }
  Status sync() override {
    if (retried([&] { return ::fsync(fd_); }) != 0) return system_error(path_, "syncing");
    return {};
  }
  Status close() override {
    // Not retried: Linux has closed it even where it says EINTR.
    const int fd = std::exchange(fd_, -1);
    if (::close(fd) != 0) return system_error(path_, "closing");
    return {};
  }

 private:
  std::string path_;
  int fd_;
};

class SystemLock final : public Lock {
 public:
  explicit SystemLock(int fd) : fd_(fd) {}
  ~SystemLock() override { ::close(fd_); }
  SystemLock(const SystemLock&) = delete;
  SystemLock& operator=(const SystemLock&) = delete;

 private:
  int fd_;
};

class SystemEnv final : public Env {
 public:
  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override {
    const int fd = retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
    if (fd < 0) return system_error(path, "opening");
    struct stat info {};
    if (::fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
      ::close(fd);
      return invalid(path + ": is a directory, a file is needed here");
    }
    return std::unique_ptr<ReadFile>(new SystemReadFile(path, fd, static_cast<uint64_t>(info.st_size)));
  }
  Result<std::unique_ptr<ReadFile>> open_inside(const std::string& directory,
                                                const std::string& name) override {
    TRY_ASSIGN(const std::vector<std::string> parts, parts_inside(name));
    const std::string path = join_path(directory, name);
    int fd = retried([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    for (size_t i = 0; fd >= 0 && i < parts.size(); ++i) {
      // A pipe would wait for somebody who writes.
      const int kind = i + 1 < parts.size() ? O_DIRECTORY : O_NONBLOCK;
      const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind;
      const int next = retried([&] { return ::openat(fd, parts[i].c_str(), flags); });
      struct stat link {};
      const int error = errno;
      const bool is_link = next < 0 && ::fstatat(fd, parts[i].c_str(), &link, AT_SYMLINK_NOFOLLOW) == 0 &&
                           S_ISLNK(link.st_mode);
      ::close(fd);
      fd = next;
      errno = error;
      if (is_link) return invalid(path + ": '" + parts[i] + "' is a link, which is not followed");
    }
    if (fd < 0) return system_error(path, "opening");
    struct stat info {};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(fd);
      return invalid(path + ": is no plain file");
    }
    return std::unique_ptr<ReadFile>(new SystemReadFile(path, fd, static_cast<uint64_t>(info.st_size)));
  }
  Result<std::unique_ptr<WriteFile>> open_write(const std::string& path, Mode mode) override {
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (mode == Mode::kTruncate ? O_TRUNC : O_APPEND);
    const int fd = retried([&] { return ::open(path.c_str(), flags, 0666); });
    if (fd < 0 && errno == ENOENT) return not_found(path + ": its directory does not exist; make it first");
    if (fd < 0) return system_error(path, "opening for writing");
    return std::unique_ptr<WriteFile>(new SystemWriteFile(path, fd));
  }
  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return system_error(to, "renaming");
    return {};
  }
  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return system_error(path, "removing");
    return {};
  }
  Status make_directories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return {Code::kIo, path + ": cannot create the directory (" + error.message() + ")"};
    return {};
  }
  Status sync_directory(const std::string& path) override {
    const int fd = retried([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return system_error(path, "opening");
    const bool synced = retried([&] { return ::fsync(fd); }) == 0;
    const int error = errno;
    ::close(fd);
    errno = error;
    // Some file systems cannot sync a directory; the rename is then as durable as they make it.
    if (!synced && errno != EINVAL) return system_error(path, "syncing");
    return {};
  }
  Result<std::unique_ptr<Lock>> lock_directory(const std::string& path) override {
    const int fd = retried([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return system_error(path, "opening");
    auto lock = std::make_unique<SystemLock>(fd);
    // Other errors are those of file systems that cannot lock a directory.
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return std::unique_ptr<Lock>();
    return std::unique_ptr<Lock>(std::move(lock));
  }
  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }
  bool is_directory(const std::string& path) override {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    std::error_code error;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
      names.push_back(it->path().filename().string());
    if (error) return Status(Code::kIo, path + ": cannot list the directory (" + error.message() + ")");
    std::sort(names.begin(), names.end());
    return names;
  }
};

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

Env& Env::system() {
  static SystemEnv env;
  return env;
}

Result<std::string> read_all(Env& env, const std::string& path, uint64_t max_bytes) {
  TRY_ASSIGN(auto file, env.open_read(path));
  if (file->size() > max_bytes)
    return invalid(path + ": has " + std::to_string(file->size()) + " bytes, at most " +
                   std::to_string(max_bytes) + " are accepted here");
  std::string content(file->size(), '\0');
  TRY(file->read_at(0, content.data(), content.size()));
  return content;
}

Status write_atomic(Env& env, const std::string& path, std::string_view content) {
  TRY_ASSIGN(AtomicFile file, AtomicFile::create(env, path));
  TRY(file.append(content.data(), content.size()));
  return file.commit();
}

Result<AtomicFile> AtomicFile::create(Env& env, std::string path) {
  std::string temporary = path + ".partial";
  TRY_ASSIGN(auto file, env.open_write(temporary, Env::Mode::kTruncate));
  return AtomicFile(env, std::move(path), std::move(temporary), std::move(file));
}

AtomicFile::AtomicFile(Env& env, std::string path, std::string temporary, std::unique_ptr<WriteFile> file)
    : env_(&env), path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept = default;

AtomicFile::~AtomicFile() {
  if (!file_) return;
  file_.reset();
  (void)env_->remove(temporary_);
}

Status AtomicFile::commit() {
  TRY(file_->sync());
  TRY(file_->close());
  TRY(env_->rename(temporary_, path_));
  file_.reset();
  return env_->sync_directory(parent_of(path_));
}

std::string join_path(std::string_view directory, std::string_view name) {
  return (std::filesystem::path(directory) / std::filesystem::path(name)).string();
}

Result<std::vector<std::string>> parts_inside(const std::string& name) {
  if (std::any_of(name.begin(), name.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }))
    return invalid("the name of a file has a character that no name should have");
  std::vector<std::string> parts;
  const bool absolute = name.starts_with('/');
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  if (absolute || std::find(parts.begin(), parts.end(), "..") != parts.end())
    return invalid("'" + name + "' leads out of the directory; only files in it, or below, are read");
  std::erase_if(parts, [](const std::string& part) { return part.empty() || part == "."; });
  if (parts.empty()) return invalid("'" + name + "' names no file");
  return parts;
}

}  // namespace coppice
