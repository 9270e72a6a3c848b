// SPDX-License-Identifier: Apache-2.0
// `coppice data get` from a server of this process that has the true files: what it fetches trains.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "support/data_dir.h"
#include "support/http_server.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

TEST(DataGet, BringsMnistFromAMirror) {
  NEEDS_DATA("mnist/train-images-idx3-ubyte.gz");
  std::map<std::string, std::string> files;
  for (const char* name : {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
                           "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"})
    files[std::string("/mnist/") + name] =
        read_all(Env::system(), join_path(testing::data_dir(), std::string("mnist/") + name), 1 << 25).take();
  const testing::HttpServer server(std::move(files));
  const testing::TempDir dir;
  const std::string run = "cd '" + dir.path() + "' && env -u COPPICE_DATA COPPICE_MIRROR=" + server.url() +
                          " '" + COPPICE_BINARY + "' data ";
  const int status = std::system((run + "get mnist > out.txt 2> err.txt").c_str());
  if (WEXITSTATUS(status) != 0 &&
      read_all(Env::system(), dir.file("err.txt"), 4096)->find("built without downloads") !=
          std::string::npos)
    GTEST_SKIP() << "this build fetches nothing";
  EXPECT_EQ(WEXITSTATUS(status), 0) << *read_all(Env::system(), dir.file("err.txt"), 4096);
  EXPECT_EQ(server.requests().size(), 4u);
  EXPECT_EQ(WEXITSTATUS(std::system((run + "info mnist --json > info.txt").c_str())), 0);
  EXPECT_NE(read_all(Env::system(), dir.file("info.txt"), 1 << 16)->find("\"test\":10000"),
            std::string::npos);
  EXPECT_NE(WEXITSTATUS(std::system((run + "get imagenet 2> err.txt").c_str())), 0);
}

}  // namespace
}  // namespace coppice
