// SPDX-License-Identifier: Apache-2.0
#include "known_sets.h"

#include <algorithm>
#include <cstdlib>

#include "io/tar.h"

namespace coppice::cli {

const std::vector<KnownSet>& known_sets() {
  static const std::vector<KnownSet> kSets = {
      {"mnist",
       "https://storage.googleapis.com/cvdf-datasets/mnist",
       {{"train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
         9912422},
        {"train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
         28881},
        {"t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
         1648877},
        {"t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
         4542}},
       {}},
      {"fashion-mnist",
       "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
       {{"train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
         26421880},
        {"train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
         29515},
        {"t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
         4422102},
        {"t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
         5148}},
       {}},
      {"cifar10",
       "https://www.cs.toronto.edu/~kriz",
       {{"cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
         170052171}},
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
        "test_batch.bin", "batches.meta.txt"}}};
  return kSets;
}

std::string data_directory(const std::string& directory) {
  if (!directory.empty()) return directory;
  const char* variable = std::getenv("COPPICE_DATA");
  return variable != nullptr && *variable != '\0' ? variable : "data";
}

Status get_set(Env& env, const KnownSet& set, const std::string& directory, const std::string& mirror,
               const DownloadWatch& watch) {
  const std::string folder = join_path(directory, set.name);
  const auto is_there = [&](const std::string& name) { return env.exists(join_path(folder, name)); };
  if (!set.inside.empty() && std::all_of(set.inside.begin(), set.inside.end(), is_there)) return {};
  TRY(env.make_directories(folder));
  for (const KnownFile& file : set.files) {
    const std::string place = mirror.empty() ? set.url : mirror + "/" + set.name;
    TRY(download(env, {place + "/" + file.name, join_path(folder, file.name), file.sha256, file.bytes},
                 watch));
  }
  if (set.inside.empty()) return {};
  constexpr uint64_t kMostUnpacked = uint64_t{1} << 30;
  const std::string archive = join_path(folder, set.files.front().name);
  TRY(unpack_tar(env, archive, folder, set.inside, kMostUnpacked));
  return env.remove(archive);
}

}  // namespace coppice::cli
