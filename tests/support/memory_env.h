// SPDX-License-Identifier: Apache-2.0
// An Env whose files live in memory: for readers that are fed millions of files, and for runs that are taken
// back to an earlier moment again and again.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/env.h"

namespace coppice::testing {

class MemoryEnv final : public Env {
 public:
  using Files = std::map<std::string, std::string>;
  MemoryEnv() = default;
  explicit MemoryEnv(const Files& files) {
    for (const auto& [path, content] : files) put(path, content);
  }

  void put(const std::string& path, std::string_view content) {
    const std::lock_guard guard(mutex_);
    files_[path] = std::make_shared<std::string>(content);
  }
  // A copy of everything, to begin another one with.
  Files files() const {
    const std::lock_guard guard(mutex_);
    Files copy;
    for (const auto& [path, content] : files_) copy[path] = *content;
    return copy;
  }

  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    const auto at = files_.find(path);
    if (at == files_.end()) return missing(path);
    return std::unique_ptr<ReadFile>(new Reader(path, at->second));
  }
  Result<std::unique_ptr<ReadFile>> open_inside(const std::string& directory,
                                                const std::string& name) override {
    TRY(parts_inside(name).status());
    return open_read(join_path(directory, name));
  }
  Result<std::unique_ptr<WriteFile>> open_write(const std::string& path, Mode mode) override {
    const std::lock_guard guard(mutex_);
    std::shared_ptr<std::string>& file = files_[path];
    if (!file) file = std::make_shared<std::string>();
    if (mode == Mode::kTruncate) file->clear();
    return std::unique_ptr<WriteFile>(new Writer(file));
  }
  Status rename(const std::string& from, const std::string& to) override {
    const std::lock_guard guard(mutex_);
    auto moved = files_.extract(from);
    if (moved.empty()) return missing(from);
    files_[to] = std::move(moved.mapped());
    return {};
  }
  Status remove(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    return files_.erase(path) > 0 ? Status() : missing(path);
  }
  Status make_directories(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    directories_.insert(path);
    return {};
  }
  Status sync_directory(const std::string&) override { return {}; }
  // One process, and no test of locks: everybody gets it.
  Result<std::unique_ptr<Lock>> lock_directory(const std::string&) override {
    return std::make_unique<Lock>();
  }
  bool exists(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    return files_.count(path) > 0 || directories_.count(path) > 0;
  }
  bool is_directory(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    return directories_.count(path) > 0;
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    const std::lock_guard guard(mutex_);
    std::vector<std::string> names;
    for (const auto& [file, content] : files_)
      if (file.starts_with(path + "/") && file.find('/', path.size() + 1) == std::string::npos)
        names.push_back(file.substr(path.size() + 1));
    return names;
  }

 private:
  static Status missing(const std::string& path) { return not_found(path + ": no such file or directory"); }

  class Reader final : public ReadFile {
   public:
    Reader(std::string path, std::shared_ptr<const std::string> content)
        : path_(std::move(path)), content_(std::move(content)) {}
    uint64_t size() const override { return content_->size(); }
    Status read_at(uint64_t offset, void* out, size_t n) override {
      if (offset > content_->size() || n > content_->size() - offset)
        return corrupt(path_ + ": ends early, at byte " + std::to_string(content_->size()));
      if (n > 0) std::memcpy(out, content_->data() + offset, n);
      return {};
    }

   private:
    std::string path_;
    std::shared_ptr<const std::string> content_;
  };

  class Writer final : public WriteFile {
   public:
    explicit Writer(std::shared_ptr<std::string> content) : content_(std::move(content)) {}
    Status append(const void* data, size_t n) override {
      content_->append(static_cast<const char*>(data), n);
      return {};
    }
    Status sync() override { return {}; }
    Status close() override { return {}; }

   private:
    std::shared_ptr<std::string> content_;
  };

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<std::string>> files_;
  std::set<std::string> directories_;
};

}  // namespace coppice::testing
