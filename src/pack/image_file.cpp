// SPDX-License-Identifier: Apache-2.0
#include "pack/image_file.h"

#include <cstring>

#include "host/kernels.h"
#include "host/threads.h"
#include "io/zstd.h"

namespace coppice {
namespace {

constexpr uint64_t kAlignment = COPPICE_CPK_ALIGNMENT;

constexpr uint64_t kMostBytes = uint64_t{1} << 36;  // of an image; offsets of data end at 2^34

uint64_t rounded(uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; }

uint64_t checksum_of(uint64_t hash, const std::string& bytes) {
  std::vector<uint64_t> words(bytes.size() / sizeof(uint64_t));
  if (!words.empty()) std::memcpy(words.data(), bytes.data(), words.size() * sizeof(uint64_t));
  return coppice_cpk_checksum(hash, words.data(), words.size());
}

template <class T>
std::string text_of(const T* array, size_t count) {
  return {reinterpret_cast<const char*>(array), count * sizeof(T)};
}

Status problem_in(const std::string& name, coppice_status status, const coppice_problem& problem) {
  std::string where;
  if (std::strcmp(problem.part, "header") != 0)
    where = std::string(problem.part) + " " + std::to_string(problem.index) + ": ";
  return {status == COPPICE_UNSUPPORTED ? Code::kUnsupported : Code::kCorrupt,
          name + ": " + where + problem.what};
}

}  // namespace

std::string image_bytes(const ImageParts& parts) {
  std::string bodies[COPPICE_CPK_SECTIONS];
  coppice_cpk_plan entry{};
  for (const ImageParts::Plan& plan : parts.plans) {
    entry.width = plan.width;
    entry.value_begin = entry.value_end;
    entry.value_end += static_cast<int32_t>(plan.values.size());
    entry.step_begin = entry.step_end;
    entry.step_end += static_cast<int32_t>(plan.steps.size());
    entry.arena_bytes = static_cast<uint64_t>(plan.arena_bytes);
    bodies[COPPICE_CPK_PLANS] += text_of(&entry, 1);
    bodies[COPPICE_CPK_VALUES] += text_of(plan.values.data(), plan.values.size());
    bodies[COPPICE_CPK_STEPS] += text_of(plan.steps.data(), plan.steps.size());
  }
  bodies[COPPICE_CPK_DATA] = text_of(parts.data.data(), parts.data.size());
  bodies[COPPICE_CPK_DATA].resize(rounded(parts.data.size(), 8) + COPPICE_CPK_SLACK, '\0');
  bodies[COPPICE_CPK_TEXT] = parts.text;
  bodies[COPPICE_CPK_TEXT].resize(rounded(parts.text.size(), 8), ' ');

  coppice_cpk_header header{};
  std::memcpy(header.magic, COPPICE_CPK_MAGIC, sizeof header.magic);
  header.version = COPPICE_CPK_VERSION;
  header.section_count = COPPICE_CPK_SECTIONS;
  coppice_cpk_section table[COPPICE_CPK_SECTIONS] = {};
  uint64_t end = sizeof header + sizeof table;
  for (uint32_t s = 0; s < COPPICE_CPK_SECTIONS; ++s) {
    table[s] = {s, 0, rounded(end, kAlignment), bodies[s].size(), checksum_of(0, bodies[s])};
    end = table[s].offset + table[s].bytes;
  }
  header.file_bytes = end;
  header.checksum = checksum_of(checksum_of(0, text_of(&header, 1)), text_of(table, COPPICE_CPK_SECTIONS));

  std::string file = text_of(&header, 1) + text_of(table, COPPICE_CPK_SECTIONS);
  for (uint32_t s = 0; s < COPPICE_CPK_SECTIONS; ++s) {
    file.resize(table[s].offset, '\0');
    file += bodies[s];
  }
  return file;
}

Result<PackedImage> PackedImage::open(Bytes memory, const std::string& name) {
  PackedImage image;
  image.memory_ = std::move(memory);
  coppice_problem problem{};
  const coppice_status status =
      coppice_image_open(&image.view_, image.memory_.data(), image.memory_.size(), &problem);
  if (status != COPPICE_OK) return problem_in(name, status, problem);
  if (image.view_.inputs != 1 || image.view_.outputs != 1)
    return unsupported(name + ": has " + std::to_string(image.view_.inputs) + " inputs and " +
                       std::to_string(image.view_.outputs) + " outputs; this program runs one of each");
  if (image.input().integers || image.output().integers)
    return unsupported(name + ": takes or gives integers; this program gives and takes floats");
  return image;
}

Result<PackedImage> PackedImage::of(std::string_view bytes, const std::string& name) {
  Bytes memory(bytes.size());
  if (!bytes.empty()) std::memcpy(memory.data(), bytes.data(), bytes.size());
  return open(std::move(memory), name);
}

Result<PackedImage> PackedImage::read(Env& env, const std::string& path) {
  TRY_ASSIGN(const std::unique_ptr<ReadFile> file, env.open_read(path));
  Bytes memory(file->size());
  if (file->size() > 0) TRY(file->read_at(0, memory.data(), memory.size()));
  const std::string_view bytes(static_cast<const char*>(memory.data()), memory.size());
  if (!is_zstd(bytes)) return open(std::move(memory), path);
  auto unpacked = unpack_zstd(bytes, kMostBytes);
  if (!unpacked.ok()) return unpacked.status().within(path);
  return open(unpacked.take(), path);
}

std::vector<int32_t> PackedImage::batches() const {
  std::vector<int32_t> widths;
  widths.reserve(static_cast<size_t>(view_.plans_total));
  for (int32_t p = 0; p < view_.plans_total; ++p) widths.push_back(view_.plans[p].width);
  return widths;
}

Result<coppice_image> PackedImage::plan(int32_t batch) const {
  coppice_image chosen = view_;
  if (coppice_image_choose(&chosen, batch) == COPPICE_OK) return chosen;
  std::string there;
  for (const int32_t width : batches()) there += (there.empty() ? "" : ", ") + std::to_string(width);
  return invalid("--batch: it runs " + there + " at once, not " + std::to_string(batch) +
                 "; pack it with --batch " + std::to_string(batch));
}

int64_t elements_of(const coppice_tensor& tensor) {
  return int64_t{tensor.channels} * tensor.height * tensor.width;
}

void PackedSession::PoolDeleter::operator()(coppice_pool* pool) const { coppice_pool_destroy(pool); }

Result<PackedSession> PackedSession::create(const PackedImage& image, const SessionOptions& options) {
  PackedSession session;
  TRY_ASSIGN(const coppice_image view, image.plan(options.batch));
  coppice_options c{};
  c.kernels = coppice_host_kernels(options.isa.empty() ? nullptr : options.isa.c_str());
  if (!c.kernels) return invalid("instruction set '" + options.isa + "': is not there on this machine");
  if (options.threads < 1 || options.threads > 1024) return invalid("--threads: should be 1 to 1024");
  c.threads = options.threads;
  // One thread has a pool, too: it sets how denormal numbers count, which the answer must not depend on.
  session.pool_.reset(coppice_pool_create(options.threads));
  if (!session.pool_)
    return Status(Code::kNoMemory, std::to_string(options.threads) + " threads could not be started");
  c.par_for = coppice_pool_par_for;
  c.par_ctx = session.pool_.get();
  const size_t bytes = coppice_session_bytes(&view, &c);
  if (bytes > static_cast<size_t>(options.limit))
    return Status(Code::kNoMemory, "running it takes " + std::to_string(bytes >> 20) +
                                       " MiB, more than the limit of " + std::to_string(options.limit >> 20) +
                                       " MiB");
  session.memory_ = Bytes(bytes);
  session.session_ = coppice_session_create(&view, &c, session.memory_.data(), session.memory_.size());
  session.isa_ = c.kernels->isa;
  return session;
}

}  // namespace coppice
