// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include <cstdlib>
#include <span>

#include "host/kernels.h"

namespace coppice {
namespace {

std::span<const coppice_train_table* const> train_tables() {
  static const coppice_train_table* const kTables[] = {
#if defined(COPPICE_HAVE_SIMD) && defined(__x86_64__)
    &coppice_train_avx512,
    &coppice_train_avx2,
#elif defined(COPPICE_HAVE_SIMD) && defined(__aarch64__)
    &coppice_train_neon,
#endif
    &coppice_train_c
  };
  return kTables;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const coppice_train_table* table : train_tables())
    if (coppice_host_kernels(table->isa)) names.emplace_back(table->isa);
  return names;
}

Result<Kernels> select_kernels(const std::string& isa) {
  const coppice_kernel_table* forward = coppice_host_kernels(isa.empty() ? nullptr : isa.c_str());
  if (forward)
    for (const coppice_train_table* train : train_tables())
      if (std::string(train->isa) == forward->isa) return Kernels{forward, train};
  const char* variable = std::getenv("COPPICE_ISA");
  const std::string wanted =
      isa.empty() ? "COPPICE_ISA=" + std::string(variable ? variable : "") : "instruction set '" + isa + "'";
  return unsupported(wanted + ": this CPU and build have " + joined(available_isas()) +
                     "; name one of these");
}

}  // namespace coppice
