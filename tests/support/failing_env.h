// SPDX-License-Identifier: Apache-2.0
// An Env that passes everything on to another one, the system's unless it is told, until its n-th operation,
// which fails; so a test can let every single operation of a function fail in turn.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"

namespace coppice::testing {

class FailingEnv final : public Env {
 public:
  enum class Then {
    kRecovers,   // only that operation fails: a full disk that somebody empties
    kStaysDown,  // all later ones fail too: nothing can be cleaned up, as after a crash
  };
  enum class Fault {
    kShortWrite,  // the disk is full in the middle of a write: half of the bytes are there
    kNoSpace,     // it is full, and nothing is there
    kIo,          // the device does not answer
  };
  // Operations count from 0.
  explicit FailingEnv(int64_t fails_at, Then then = Then::kRecovers, Fault fault = Fault::kShortWrite,
                      Env& env = Env::system())
      : system_(env), fails_at_(fails_at), then_(then), fault_(fault) {}

  int64_t operations() const { return operations_; }

  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override {
    TRY(step("opening " + path));
    TRY_ASSIGN(auto file, system_.open_read(path));
    return std::unique_ptr<ReadFile>(new Reader(*this, std::move(file)));
  }
  Result<std::unique_ptr<ReadFile>> open_inside(const std::string& directory,
                                                const std::string& name) override {
    TRY(step("opening " + name));
    TRY_ASSIGN(auto file, system_.open_inside(directory, name));
    return std::unique_ptr<ReadFile>(new Reader(*this, std::move(file)));
  }
  Result<std::unique_ptr<WriteFile>> open_write(const std::string& path, Mode mode) override {
    TRY(step("opening " + path));
    TRY_ASSIGN(auto file, system_.open_write(path, mode));
    return std::unique_ptr<WriteFile>(new Writer(*this, std::move(file)));
  }
  Status rename(const std::string& from, const std::string& to) override {
    TRY(step("renaming " + to));
    return system_.rename(from, to);
  }
  Status remove(const std::string& path) override {
    TRY(step("removing " + path));
    return system_.remove(path);
  }
  Status make_directories(const std::string& path) override {
    TRY(step("making " + path));
    return system_.make_directories(path);
  }
  Status sync_directory(const std::string& path) override {
    TRY(step("syncing " + path));
    return system_.sync_directory(path);
  }
  Result<std::unique_ptr<Lock>> lock_directory(const std::string& path) override {
    TRY(step("locking " + path));
    return system_.lock_directory(path);
  }
  bool exists(const std::string& path) override { return system_.exists(path); }
  bool is_directory(const std::string& path) override { return system_.is_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    TRY(step("listing " + path));
    return system_.list(path);
  }

 private:
  class Reader final : public ReadFile {
   public:
    Reader(FailingEnv& env, std::unique_ptr<ReadFile> file) : env_(env), file_(std::move(file)) {}
    uint64_t size() const override { return file_->size(); }
    Status read_at(uint64_t offset, void* out, size_t n) override {
      TRY(env_.step("reading"));
      return file_->read_at(offset, out, n);
    }

   private:
    FailingEnv& env_;
    std::unique_ptr<ReadFile> file_;
  };

  class Writer final : public WriteFile {
   public:
    Writer(FailingEnv& env, std::unique_ptr<WriteFile> file) : env_(env), file_(std::move(file)) {}
    Status append(const void* data, size_t n) override {
      const Status step = env_.step("writing");
      if (!step.ok() && env_.fault_ == Fault::kShortWrite) (void)file_->append(data, n / 2);
      TRY(step);
      return file_->append(data, n);
    }
    Status sync() override {
      TRY(env_.step("syncing"));
      return file_->sync();
    }
    Status close() override {
      TRY(env_.step("closing"));
      return file_->close();
    }

   private:
    FailingEnv& env_;
    std::unique_ptr<WriteFile> file_;
  };

  Status step(const std::string& what) {
    const int64_t operation = operations_++;
    const bool fails = then_ == Then::kRecovers ? operation == fails_at_ : operation >= fails_at_;
    const Code code = fault_ == Fault::kIo ? Code::kIo : Code::kNoSpace;
    return fails ? Status(code, what + " failed, as the test wants") : Status();
  }

  Env& system_;
  int64_t fails_at_;
  Then then_;
  Fault fault_;
  int64_t operations_ = 0;
};

}  // namespace coppice::testing
