// SPDX-License-Identifier: Apache-2.0
// The file of an image: made of its parts, and read and run from C++ (rt/include/coppice.h does the work).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/env.h"
#include "base/result.h"
#include "coppice.h"
#include "coppice_cpk.h"

typedef struct coppice_pool coppice_pool;  // host/threads.h

namespace coppice {

struct ImageParts {
  std::vector<coppice_cpk_value> values;
  std::vector<coppice_cpk_step> steps;
  std::vector<uint8_t> data;
  std::string text;
  int64_t arena_bytes = 0;
};

// The bytes of the file, with one plan for single samples. What its parts say is not looked at.
std::string image_bytes(const ImageParts& parts);

// A verified image in memory of its own. Movable; sessions point into it.
class PackedImage {
 public:
  // An image, or a copy that is compressed with zstd, whatever its name. Fails with a sentence that names the
  // file and the part of it.
  static Result<PackedImage> read(Env& env, const std::string& path);
  static Result<PackedImage> of(std::string_view bytes, const std::string& name);

  const coppice_image& view() const { return view_; }
  std::string_view text() const { return {view_.text, static_cast<size_t>(view_.text_bytes)}; }
  int64_t bytes() const { return static_cast<int64_t>(memory_.size()); }
  coppice_tensor input() const { return coppice_input(&view_, 0); }
  coppice_tensor output() const { return coppice_output(&view_, 0); }

 private:
  static Result<PackedImage> open(Bytes memory, const std::string& name);
  Bytes memory_;
  coppice_image view_{};
};

// Numbers of a tensor.
int64_t elements_of(const coppice_tensor& tensor);

// Runs an image, which must outlive it. Owns memory and threads; belongs to one caller at a time.
class PackedSession {
 public:
  // isa: "" for the best of this CPU.
  // Fails where the session would take more memory than `limit` bytes: a file of a kilobyte may claim any.
  static Result<PackedSession> create(const PackedImage& image, int threads = 1, const std::string& isa = "",
                                      int64_t limit = int64_t{1} << 33);

  // One sample, in and out as input() and output() of the image say.
  void run(const float* input, float* output) const {
    const void* inputs[] = {input};
    void* outputs[] = {output};
    coppice_run(session_, inputs, outputs);
  }
  // A step alone; those before it have run.
  void run_step(int32_t step, const float* input, float* output) const {
    const void* inputs[] = {input};
    void* outputs[] = {output};
    coppice_run_step(session_, step, inputs, outputs);
  }
  int64_t bytes() const { return static_cast<int64_t>(memory_.size()); }
  const std::string& isa() const { return isa_; }

 private:
  struct PoolDeleter {
    void operator()(coppice_pool* pool) const;
  };
  Bytes memory_;
  std::unique_ptr<coppice_pool, PoolDeleter> pool_;
  coppice_session* session_ = nullptr;
  std::string isa_;
};

}  // namespace coppice
