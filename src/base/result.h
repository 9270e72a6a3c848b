// SPDX-License-Identifier: Apache-2.0
// The only error channel of the library: a code for programs and one sentence for people.
// A sentence starts with the thing it is about (file, layer, key) and says what to do next.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace coppice {

enum class Code {
  kOk,
  kInvalid,      // a request that cannot be meant: wrong shape, density 0, unknown key
  kNotFound,     // a file, a layer, a model that is not there
  kCorrupt,      // a file that contradicts itself
  kUnsupported,  // meaningful, but not offered; the sentence names it
  kIo,           // the operating system refused
  kNoSpace,      // the disk is full
  kNoMemory,     // the plan does not fit the limit that was given
  kInterrupted,  // the user stopped it
  kDiverged,     // training ran into numbers that are not finite
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // Puts the place in front of the sentence: "layer 'fc1': ...".
  Status within(const std::string& place) const {
    return ok() ? *this : Status(code_, place + ": " + message_);
  }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status invalid(std::string message) { return {Code::kInvalid, std::move(message)}; }
inline Status corrupt(std::string message) { return {Code::kCorrupt, std::move(message)}; }
inline Status not_found(std::string message) { return {Code::kNotFound, std::move(message)}; }
inline Status unsupported(std::string message) { return {Code::kUnsupported, std::move(message)}; }

// A value or the reason why there is none. Reading the value of a failed result is a programming error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) { assert(!status_.ok()); }  // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& operator*() {
    assert(ok());
    return *value_;
  }
  const T& operator*() const {
    assert(ok());
    return *value_;
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }
  T take() { return std::move(**this); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace coppice

// TRY(expr) returns from the calling function when expr (a Status) failed.
// TRY_ASSIGN(auto x, expr) takes the value of a Result or returns its status.
#define COPPICE_CONCAT_(a, b) a##b
#define COPPICE_CONCAT(a, b) COPPICE_CONCAT_(a, b)
#define TRY(expr)                                                         \
  do {                                                                    \
    if (auto try_status_ = (expr); !try_status_.ok()) return try_status_; \
  } while (0)
#define TRY_ASSIGN(decl, expr) TRY_ASSIGN_(COPPICE_CONCAT(try_result_, __LINE__), decl, expr)
#define TRY_ASSIGN_(tmp, decl, expr)  \
  auto tmp = (expr);                  \
  if (!tmp.ok()) return tmp.status(); \
  decl = tmp.take()
