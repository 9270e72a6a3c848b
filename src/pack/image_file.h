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
  struct Plan {
    int32_t width = 1;
    std::vector<coppice_cpk_value> values;
    std::vector<coppice_cpk_step> steps;
    int64_t arena_bytes = 0;
  };
  std::vector<Plan> plans;
  std::vector<uint8_t> data;
  std::string text;
};

// The bytes of the file. What its parts say is not looked at.
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
  // How many samples it can run at once: 1, and what it was packed for (PackOptions::batches).
  std::vector<int32_t> batches() const;
  // The view whose steps run that many.
  Result<coppice_image> plan(int32_t batch) const;

 private:
  static Result<PackedImage> open(Bytes memory, const std::string& name);
  Bytes memory_;
  coppice_image view_{};
};

// Numbers of a tensor.
int64_t elements_of(const coppice_tensor& tensor);

struct SessionOptions {
  int threads = 1;
  std::string isa = {};              // "": the best of this CPU
  int32_t batch = 1;                 // samples of a run, which the image was packed for
  int64_t limit = int64_t{1} << 33;  // bytes of memory: a file of a kilobyte may claim any
};

// Runs an image, which must outlive it. Owns memory and threads; belongs to one caller at a time.
class PackedSession {
 public:
  static Result<PackedSession> create(const PackedImage& image, const SessionOptions& options = {});

  // Samples one after the other, each in and out as input() and output() of the image say.
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
