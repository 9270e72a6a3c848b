// SPDX-License-Identifier: Apache-2.0
#include "train/cost_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <map>

#include "host/cpu.h"
#include "kernels/select.h"
#include "support/failing_env.h"
#include "support/temp_dir.h"

namespace coppice {
namespace {

using testing::FailingEnv;
using testing::TempDir;

constexpr char kGood[] =
    R"({"coppice.cost_table":1,"cpu":"a CPU","isa":"c","rows":[{"format":"dense","density":1,"gflops":2}]})";

CostTable some_table() {
  CostTable table;
  table.cpu = "CPU \"quoted\" (R)";
  table.isa = "avx2";
  table.commit = "abc123";
  table.rows = {{"segments", 0.1, 1.0 / 3.0}, {"segments", 0.7, 1e-6}, {"dense", 1.0, 0.1 + 0.2}};
  return table;
}

// Sets variables for one test and puts the old values back.
class Variables {
 public:
  ~Variables() {
    for (const auto& [name, old] : before_)
      old.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), old.c_str(), 1);
  }
  Variables() = default;
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;
  void set(const char* name, const std::string& value) {
    const char* old = std::getenv(name);
    before_.emplace(name, old != nullptr ? old : "");
    value.empty() ? unsetenv(name) : setenv(name, value.c_str(), 1);
  }

 private:
  std::map<std::string, std::string> before_;
};

std::string refusal(const std::string& text) {
  const TempDir folder;
  const auto table = read_cost_table(Env::system(), folder.write("t.json", text));
  if (table.ok()) return "accepted";
  EXPECT_EQ(table.status().message().find(folder.file("t.json")), 0u) << table.status().message();
  return table.status().message().substr(folder.file("t.json").size());
}

TEST(CostTableFile, GivesBackEveryBit) {
  const TempDir folder;
  const std::string path = folder.file("new/folder/t.json");
  const CostTable table = some_table();
  ASSERT_TRUE(write_cost_table(Env::system(), path, table).ok());
  const auto read = read_cost_table(Env::system(), path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->rows, table.rows);
  EXPECT_EQ(read->cpu, table.cpu);
  EXPECT_EQ(read->isa, table.isa);
  EXPECT_EQ(read->commit, table.commit);
  EXPECT_EQ(read->origin, path);
}

TEST(CostTableFile, ReadsTheShippedTable) {
  const auto read = cost_table_from_json(json_text(cost_table_json(shipped_cost_table())), "shipped");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_TRUE(read->same_rates(shipped_cost_table()));
  EXPECT_EQ(read->origin, shipped_cost_table().origin);
}

TEST(CostTableFile, RefusesWhatItCannotTrustWithItsPlace) {
  ASSERT_EQ(refusal(kGood), "accepted");
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = kGood;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return refusal(text.replace(at, from.size(), to));
  };
  EXPECT_EQ(refusal("[]"), ": should be a JSON object");
  EXPECT_EQ(with("\"isa\":\"c\",", ""), ".isa: is missing; it should be a text");
  EXPECT_EQ(
      with("table\":1", "table\":2"),
      ": has cost table format version 2, this coppice reads 1; use the coppice that wrote it, or measure "
      "anew with `coppice tune`");
  EXPECT_NE(with("table\":1", "table\":\"1\"").find(".coppice.cost_table: should be an integer"),
            std::string::npos);
  for (const char* density : {"0", "-0.5", "1.01", "null", "1e300"})
    EXPECT_EQ(with("density\":1", std::string("density\":") + density),
              ".rows[0].density: should be above 0 and at most 1")
        << density;
  for (const char* rate : {"0", "-2", "null", "1e300", "1e-300"})
    EXPECT_EQ(with("gflops\":2", std::string("gflops\":") + rate),
              ".rows[0].gflops: should be from 1e-06 to 1e+09")
        << rate;
  for (const char* rate : {"NaN", "1e999", "inf"})
    EXPECT_EQ(with("gflops\":2", std::string("gflops\":") + rate).rfind(": is not valid JSON", 0), 0u)
        << rate;
  EXPECT_EQ(with("gflops\":2", "gflops\":\"2\""), ".rows[0].gflops: should be a number");
  EXPECT_EQ(with("\"gflops\":2", "\"gflops\":2,\"gflops\":3"), ": has the key 'gflops' twice");
  EXPECT_EQ(with("[{\"format\":\"dense\",\"density\":1,\"gflops\":2}]", "[]"),
            ".rows: should have 1 to 1000 rows, it has 0");
  EXPECT_EQ(with("\"gflops\":2}", R"("gflops":2},{"format":"dense","density":1,"gflops":3})"),
            ".rows[1]: is the second row for dense at density 1; leave one");
  std::string many = "{\"format\":\"dense\",\"density\":1,\"gflops\":2}";
  for (int i = 0; i < 1000; ++i) many += ",{}";
  EXPECT_EQ(refusal(R"({"coppice.cost_table":1,"cpu":"","isa":"","rows":[)" + many + "]}"),
            ".rows: should have 1 to 1000 rows, it has 1001");
  EXPECT_NE(refusal(std::string(2 << 20, ' ')).find("at most"), std::string::npos);
}

TEST(CostTableFile, RefusesAFileThatWasCutAnywhere) {
  const std::string good = kGood;
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_EQ(refusal(good.substr(0, length)).rfind(": is not valid JSON, in line 1 at character ", 0), 0u)
        << length;
}

TEST(CostTableFile, StaysWholeWhicheverOperationFails) {
  const TempDir folder;
  const std::string path = folder.file("t.json");
  CostTable before = some_table(), after = some_table();
  after.rows[0].gflops = 7;
  FailingEnv counting(-1);
  ASSERT_TRUE(write_cost_table(counting, path, before).ok());
  for (int64_t at = 0; at < counting.operations(); ++at) {
    ASSERT_TRUE(write_cost_table(Env::system(), path, before).ok());
    FailingEnv failing(at);
    EXPECT_FALSE(write_cost_table(failing, path, after).ok()) << at;
    const auto read = read_cost_table(Env::system(), path);
    ASSERT_TRUE(read.ok()) << at << ": " << read.status().message();
    EXPECT_TRUE(read->same_rates(before) || read->same_rates(after)) << at;
    EXPECT_EQ(Env::system().list(folder.path())->size(), 1u) << at << ": something was left beside it";
  }
}

TEST(TunedTable, LiesWhereTheVariablesSay) {
  Variables variables;
  variables.set("HOME", "/h");
  variables.set("XDG_CONFIG_HOME", "");
  variables.set("COPPICE_CONFIG_DIR", "");
  EXPECT_EQ(tuned_table_path("avx2")->rfind("/h/.config/coppice/cost-", 0), 0u) << *tuned_table_path("avx2");
  variables.set("XDG_CONFIG_HOME", "/x");
  EXPECT_EQ(tuned_table_path("avx2")->rfind("/x/coppice/cost-", 0), 0u);
  variables.set("COPPICE_CONFIG_DIR", "/c");
  const std::string path = *tuned_table_path("avx2");
  EXPECT_EQ(path.rfind("/c/cost-", 0), 0u);
  variables.set("HOME", "");
  variables.set("XDG_CONFIG_HOME", "");
  variables.set("COPPICE_CONFIG_DIR", "");
  EXPECT_EQ(tuned_table_path("avx2").status().code(), Code::kNotFound);
}

// One file per CPU and instruction set, of characters that every file system takes.
TEST(TunedTable, IsNamedAfterTheCpuAndTheKernels) {
  Variables variables;
  variables.set("COPPICE_CONFIG_DIR", "/c");
  const std::string path = *tuned_table_path("avx2");
  EXPECT_NE(path, *tuned_table_path("c"));
  EXPECT_EQ(path.substr(path.size() - 10), "-avx2.json");
  EXPECT_EQ(path.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.", 3), std::string::npos) << path;
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  EXPECT_NE(path.find("-" + std::to_string(cpu.l2_bytes / 1024) + "k-"), std::string::npos) << path;
}

TEST(FindCostTable, TakesWhatWasNamedElseTheTunedElseTheShippedOne) {
  const TempDir folder;
  Variables variables;
  variables.set("COPPICE_CONFIG_DIR", folder.path());
  Env& env = Env::system();
  const auto origin = [&env](const std::string& chosen, const std::string& isa) {
    const auto table = find_cost_table(env, chosen, isa);
    return table.ok() ? table->origin : table.status().message();
  };
  const std::string shipped = shipped_cost_table().origin, named = folder.write("named.json", kGood);
  EXPECT_EQ(origin("", ""), shipped);
  EXPECT_EQ(origin(named, ""), named);
  EXPECT_EQ(origin(folder.file("none.json"), ""), folder.file("none.json") + ": no such file or directory");

  const std::string best = select_kernels("")->forward->isa, tuned = *tuned_table_path(best);
  ASSERT_TRUE(write_cost_table(env, tuned, some_table()).ok());
  EXPECT_EQ(origin("", ""), tuned);
  EXPECT_EQ(origin("", best), tuned);
  EXPECT_EQ(origin("default", ""), shipped);
  EXPECT_EQ(origin(named, ""), named);
  if (best != "c") {
    EXPECT_EQ(origin("", "c"), shipped) << "measured with other kernels";
  }
  EXPECT_NE(origin("", "mmx").find("mmx"), std::string::npos);

  ASSERT_TRUE(write_atomic(env, tuned, "{").ok());
  EXPECT_EQ(origin("", ""),
            tuned + ": is not valid JSON, in line 1 at character 2 (or run with --cost-table default)");
  EXPECT_EQ(origin("default", ""), shipped);
}

}  // namespace
}  // namespace coppice
