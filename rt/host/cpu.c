/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cpu.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* First line of a small file, without its newline; 0 if there is none. */
static int read_line(const char* path, char* line, int size) {
  FILE* file = fopen(path, "r");
  if (!file) return 0;
  const int found = fgets(line, size, file) != NULL;
  fclose(file);
  if (found) line[strcspn(line, "\n")] = 0;
  return found;
}

static int64_t parse_size(const char* text) {
  long long size = 0;
  char unit = 0;
  if (sscanf(text, "%lld%c", &size, &unit) < 1) return 0;
  return size << (unit == 'K' ? 10 : unit == 'M' ? 20 : 0);
}

static void sizes_from_sysfs(coppice_cpu* cpu) {
  for (int index = 0; index < 8; ++index) {
    char path[96], level[16], type[32], size[32];
    const char* folder = "/sys/devices/system/cpu/cpu0/cache";
    snprintf(path, sizeof path, "%s/index%d/level", folder, index);
    if (!read_line(path, level, sizeof level)) return;
    snprintf(path, sizeof path, "%s/index%d/type", folder, index);
    if (!read_line(path, type, sizeof type) || strcmp(type, "Instruction") == 0) continue;
    snprintf(path, sizeof path, "%s/index%d/size", folder, index);
    if (!read_line(path, size, sizeof size)) continue;
    if (level[0] == '1') cpu->l1d_bytes = parse_size(size);
    if (level[0] == '2') cpu->l2_bytes = parse_size(size);
    if (level[0] == '3') cpu->l3_bytes = parse_size(size);
  }
}

static int64_t first_positive(int64_t a, int64_t b, int64_t c) { return a > 0 ? a : b > 0 ? b : c; }

static void model_from_proc(coppice_cpu* cpu) {
  snprintf(cpu->model, sizeof cpu->model, "unknown CPU");
  FILE* file = fopen("/proc/cpuinfo", "r");
  if (!file) return;
  char line[256];
  while (fgets(line, sizeof line, file)) {
    const char* colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || !colon) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(cpu->model, sizeof cpu->model, "%s", colon + 1 + strspn(colon + 1, " "));
    break;
  }
  fclose(file);
}

void coppice_host_cpu(coppice_cpu* out) {
  memset(out, 0, sizeof *out);
  sizes_from_sysfs(out);
  long l1 = 0, l2 = 0, l3 = 0;
#ifdef _SC_LEVEL1_DCACHE_SIZE
  l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  out->l1d_bytes = first_positive(out->l1d_bytes, l1, 32 << 10);
  out->l2_bytes = first_positive(out->l2_bytes, l2, 1 << 20);
  out->l3_bytes = first_positive(out->l3_bytes, l3, 0);
  model_from_proc(out);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Both loops run once before they are timed: 512-bit units run at a fraction of their rate for some 20 us
 * after a pause, and the data has to come into the cache. */
coppice_speed coppice_host_speed(const coppice_kernel_table* kernels, const float* data) {
  enum { kWarmUp = 50000, kRounds = 100000, kWarmUpReads = 10, kReads = 100 };
  const int32_t count = COPPICE_SPEED_BYTES / (int32_t)sizeof(float);
  coppice_speed speed;
  kernels->fma_loop(kWarmUp);
  double begin = seconds();
  const int64_t flops = kernels->fma_loop(kRounds);
  speed.gflops = (double)flops / (seconds() - begin) * 1e-9;

  volatile float sink = 0;
  for (int i = 0; i < kWarmUpReads; ++i) sink = sink + kernels->read_loop(data, count);
  begin = seconds();
  for (int i = 0; i < kReads; ++i) sink = sink + kernels->read_loop(data, count);
  speed.gbytes = (double)kReads * COPPICE_SPEED_BYTES / (seconds() - begin) * 1e-9;
  return speed;
}
