// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/buffer.h"
#include "host/cpu.h"
#include "kernels/select.h"

namespace coppice {
namespace {

TEST(Select, PlainCIsAlwaysThere) {
  ASSERT_FALSE(available_isas().empty());
  EXPECT_EQ(available_isas().back(), "c");
  EXPECT_STREQ(select_kernels("c")->forward->isa, "c");
}

TEST(Select, TakesTheFastestUnlessTheVariableNamesAnother) {
  ASSERT_EQ(unsetenv("COPPICE_ISA"), 0);
  EXPECT_EQ(select_kernels()->forward->isa, available_isas().front());
  ASSERT_EQ(setenv("COPPICE_ISA", "c", 1), 0);
  EXPECT_STREQ(select_kernels()->train->isa, "c");
  ASSERT_EQ(unsetenv("COPPICE_ISA"), 0);
}

TEST(Select, RefusesAnUnknownInstructionSetWithWhatThereIs) {
  const auto refused = select_kernels("mmx");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), Code::kUnsupported);
  EXPECT_NE(refused.status().message().find("instruction set 'mmx': this CPU and build have "),
            std::string::npos);
}

TEST(Select, ForwardAndTrainingTablesAgree) {
  for (const std::string& isa : available_isas()) {
    const auto kernels = select_kernels(isa);
    ASSERT_TRUE(kernels.ok());
    EXPECT_EQ(kernels->forward->isa, isa);
    EXPECT_EQ(kernels->train->isa, isa);
  }
}

TEST(Cpu, CacheSizesGrowWithTheLevel) {
  coppice_cpu cpu;
  coppice_host_cpu(&cpu);
  EXPECT_GE(cpu.l1d_bytes, 4 << 10);
  EXPECT_GT(cpu.l2_bytes, cpu.l1d_bytes);
  EXPECT_NE(cpu.model[0], 0);
}

TEST(Cpu, SpeedIsMeasuredOnEveryInstructionSet) {
  Floats ones(COPPICE_SPEED_BYTES / sizeof(float));
  std::fill(ones.begin(), ones.end(), 1.0f);
  for (const std::string& isa : available_isas()) {
    const coppice_kernel_table* kernels = select_kernels(isa)->forward;
    EXPECT_EQ(kernels->read_loop(ones.data(), 1280), 1280.0f) << isa;
    const coppice_speed speed = coppice_host_speed(kernels, ones.data());
    EXPECT_GT(speed.gflops, 0.01) << isa;
    EXPECT_GT(speed.gbytes, 0.01) << isa;
  }
}

}  // namespace
}  // namespace coppice
