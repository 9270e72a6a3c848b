// SPDX-License-Identifier: Apache-2.0
// All input and output of the library goes through this interface, so that tests can make the n-th operation
// fail. Every method may be called from any thread. Paths are plain UTF-8 strings.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coppice {

// A file opened for reading at any offset. Owned by the caller; closes itself.
class ReadFile {
 public:
  virtual ~ReadFile() = default;
  virtual uint64_t size() const = 0;
  // Reads exactly n bytes at offset, or fails: a short read is an error that names the file.
  virtual Status read_at(uint64_t offset, void* out, size_t n) = 0;
};

// A file being written. Nothing is durable before sync() and close() returned ok; dropping it discards
// errors.
class WriteFile {
 public:
  virtual ~WriteFile() = default;
  virtual Status append(const void* data, size_t n) = 0;
  virtual Status sync() = 0;
  virtual Status close() = 0;
};

// Held until it is dropped, or until the process ends, however it ends.
class Lock {
 public:
  virtual ~Lock() = default;
};

class Env {
 public:
  virtual ~Env() = default;
  static Env& system();

  virtual Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) = 0;
  // A file that somebody else named, in a directory or below: `name` is relative, has no "..", and leads over
  // no link, which is looked up at every step. Fails for what is no plain file.
  virtual Result<std::unique_ptr<ReadFile>> open_inside(const std::string& directory,
                                                        const std::string& name) = 0;
  enum class Mode { kTruncate, kAppend };
  virtual Result<std::unique_ptr<WriteFile>> open_write(const std::string& path, Mode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status make_directories(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;
  // Keeps other processes that ask for it out of a directory; leaves no file behind. Null where somebody else
  // holds it.
  virtual Result<std::unique_ptr<Lock>> lock_directory(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual bool is_directory(const std::string& path) = 0;
  // Names (not paths) of the entries, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
};

// Whole file in memory; refuses files above max_bytes with a sentence.
Result<std::string> read_all(Env& env, const std::string& path, uint64_t max_bytes);

// Writes a new file beside the target, syncs it and renames it over the target: after a crash either the old
// or the new content is there, whole.
Status write_atomic(Env& env, const std::string& path, std::string_view content);

// The same for content that is produced in pieces: write through file(), then commit(). Without commit() the
// target is untouched and the temporary file is removed.
class AtomicFile {
 public:
  static Result<AtomicFile> create(Env& env, std::string path);
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();
  Status append(const void* data, size_t n) { return file_->append(data, n); }
  Status commit();

 private:
  AtomicFile(Env& env, std::string path, std::string temporary, std::unique_ptr<WriteFile> file);
  Env* env_;
  std::string path_, temporary_;
  std::unique_ptr<WriteFile> file_;
};

std::string join_path(std::string_view directory, std::string_view name);

// The parts of the name that open_inside() takes, or why it does not.
Result<std::vector<std::string>> parts_inside(const std::string& name);

}  // namespace coppice
