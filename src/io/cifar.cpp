// SPDX-License-Identifier: Apache-2.0
#include "io/cifar.h"

#include <algorithm>
#include <array>

#include "io/gzip.h"

namespace coppice {
namespace {

constexpr size_t kPixels = size_t{kCifarChannels} * kCifarSide * kCifarSide;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

Status append_records(ByteStream& stream, const std::string& path, CifarKind kind, CifarRecords& to) {
  constexpr int kCoarseClasses = 20;
  const size_t label_bytes = kind == CifarKind::kTen ? 1 : 2;
  for (uint64_t record = 0;; ++record) {
    std::array<uint8_t, 2> label{};
    TRY_ASSIGN(size_t got, stream.read_some(label.data(), label_bytes));
    if (got == 0 && record > 0) return {};
    const std::string place = path + ": record " + std::to_string(record);
    to.pixels.resize(to.pixels.size() + kPixels);
    TRY_ASSIGN(const size_t pixels, stream.read_some(to.pixels.data() + to.pixels.size() - kPixels, kPixels));
    got += pixels;
    if (got < label_bytes + kPixels)
      return corrupt(place + " is cut short, it has " + std::to_string(got) + " of " +
                     std::to_string(label_bytes + kPixels) + " bytes");
    const int fine = label[label_bytes - 1];
    if (fine >= cifar_classes(kind))
      return corrupt(place + " has label " + std::to_string(fine) + ", the last class is " +
                     std::to_string(cifar_classes(kind) - 1));
    if (label_bytes == 2 && label[0] >= kCoarseClasses)
      return corrupt(place + " has coarse label " + std::to_string(label[0]) + ", the last one is 19");
    to.labels.push_back(fine);
  }
}

}  // namespace

Result<CifarRecords> read_cifar(Env& env, const std::vector<std::string>& paths, CifarKind kind) {
  std::vector<ByteStream> streams;
  uint64_t likely = 0;
  for (const std::string& path : paths) {
    TRY_ASSIGN(ByteStream stream, ByteStream::open(env, path, kMaxFileBytes));
    likely += stream.likely_bytes();
    streams.push_back(std::move(stream));
  }
  CifarRecords records;
  // One reservation for all the files: growing would hold the old and the new copy at once.
  records.pixels.reserve(std::min<uint64_t>(likely, kMaxFileBytes));
  for (size_t i = 0; i < paths.size(); ++i) TRY(append_records(streams[i], paths[i], kind, records));
  return records;
}

}  // namespace coppice
