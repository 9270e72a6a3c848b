// SPDX-License-Identifier: Apache-2.0
#include "host/processors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "support/temp_dir.h"

namespace coppice {
namespace {

// A machine made of files.
class Machine {
 public:
  explicit Machine(int processors) : allowed_(static_cast<size_t>(processors), 1) {}
  void write(const std::string& path, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(root_.file(path)).parent_path());
    (void)root_.write(path, content + "\n");
  }
  void siblings(int processor, const std::string& list) {
    write("sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/thread_siblings_list", list);
  }
  void forbid(int processor) { allowed_[static_cast<size_t>(processor)] = 0; }
  int threads() const {
    return coppice_host_threads_below(root_.path().c_str(), allowed_.data(),
                                      static_cast<int32_t>(allowed_.size()));
  }

 private:
  testing::TempDir root_;
  std::vector<uint8_t> allowed_;
};

TEST(Threads, AreAsManyAsTheProcessorsWhereNothingIsKnownOfThem) {
  EXPECT_EQ(Machine(1).threads(), 1);
  EXPECT_EQ(Machine(6).threads(), 6);
  Machine none(2);
  none.forbid(0);
  none.forbid(1);
  EXPECT_EQ(none.threads(), 1);
}

TEST(Threads, TwoHyperThreadsAreOneCore) {
  Machine machine(8);
  for (int i = 0; i < 8; ++i) machine.siblings(i, std::to_string(i % 4) + "," + std::to_string(i % 4 + 4));
  EXPECT_EQ(machine.threads(), 4);
  machine.forbid(0);
  EXPECT_EQ(machine.threads(), 4) << "its sibling is left";
  machine.forbid(4);
  EXPECT_EQ(machine.threads(), 3);
}

TEST(Threads, OfAHybridCpuTheFastCoresCount) {
  Machine intel(12);
  for (int i = 0; i < 12; ++i)
    intel.siblings(
        i, i < 8 ? std::to_string(i / 2 * 2) + "-" + std::to_string(i / 2 * 2 + 1) : std::to_string(i));
  intel.write("sys/devices/cpu_core/cpus", "0-7");
  intel.write("sys/devices/cpu_atom/cpus", "8-11");
  EXPECT_EQ(intel.threads(), 4);
  for (int i = 0; i < 8; ++i) intel.forbid(i);
  EXPECT_EQ(intel.threads(), 4) << "where only slow ones are allowed, they count";

  Machine arm(8);
  for (int i = 0; i < 8; ++i)
    arm.write("sys/devices/system/cpu/cpu" + std::to_string(i) + "/cpu_capacity", i < 4   ? "250"
                                                                                  : i < 7 ? "870"
                                                                                          : "1024");
  EXPECT_EQ(arm.threads(), 4);
}

TEST(Threads, AControlGroupGrantsNoMore) {
  Machine v2(16);
  v2.write("proc/self/cgroup", "0::/kubepods/pod1/container");
  v2.write("sys/fs/cgroup/kubepods/pod1/container/cpu.max", "max 100000");
  EXPECT_EQ(v2.threads(), 16);
  v2.write("sys/fs/cgroup/kubepods/pod1/cpu.max", "350000 100000");
  EXPECT_EQ(v2.threads(), 3)
      << "of a group above, rounded down: a thread that is throttled holds up all others";
  v2.write("sys/fs/cgroup/cpu.max", "50000 100000");
  EXPECT_EQ(v2.threads(), 1);

  Machine v1(16);
  v1.write("proc/self/cgroup", "12:memory:/docker/x\n5:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x");
  v1.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000");
  v1.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(v1.threads(), 2);
  v1.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(v1.threads(), 16);
}

TEST(Threads, NonsenseInFilesIsNoLimit) {
  Machine machine(4);
  machine.siblings(0, "x,y");
  machine.siblings(1, "1-0");
  machine.siblings(2, "");
  machine.write("proc/self/cgroup", "nonsense\n0::");
  machine.write("sys/fs/cgroup/cpu.max", "lots");
  machine.write("sys/devices/cpu_atom/cpus", "3-");
  EXPECT_EQ(machine.threads(), 4);
}

TEST(Threads, OfThisMachineAreAtLeastOneAndNoMoreThanItHas) {
  EXPECT_GE(coppice_host_threads(), 1);
  EXPECT_LE(coppice_host_threads(), static_cast<int32_t>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace coppice
