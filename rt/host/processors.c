/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "processors.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kMostProcessors = 4096, kLongestPath = 1024, kLongestLine = 4096 };

/* First line of the file below root, without its newline; 0 if there is none. */
static int read_line(const char* root, const char* path, char* line, int size) {
  char whole[2 * kLongestPath];
  snprintf(whole, sizeof whole, "%s%s", root, path);
  FILE* file = fopen(whole, "r");
  if (!file) return 0;
  const int found = fgets(line, size, file) != NULL;
  fclose(file);
  if (found) line[strcspn(line, "\n")] = 0;
  return found;
}

/* "0-3,8,10-11" as members[i] = 1. Returns whether it is such a list. */
static int parse_list(const char* text, uint8_t* members, int32_t count) {
  memset(members, 0, (size_t)count);
  while (*text) {
    char* end;
    const long first = strtol(text, &end, 10);
    if (end == text || first < 0) return 0;
    long last = first;
    if (*end == '-') {
      text = end + 1;
      last = strtol(text, &end, 10);
      if (end == text || last < first) return 0;
    }
    for (long i = first; i <= last && i < count; ++i) members[i] = 1;
    text = *end == ',' ? end + 1 : end;
    if (*end && *end != ',') return 0;
  }
  return 1;
}

/* Relative speed of a core where the kernel knows it (Arm), else 0. */
static long capacity(const char* root, int32_t processor) {
  char path[96], line[32];
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpu_capacity", processor);
  return read_line(root, path, line, sizeof line) ? strtol(line, NULL, 10) : 0;
}

/* Takes the slow cores of a hybrid CPU out of `chosen`, unless there are no others. */
static void keep_fast_cores(const char* root, uint8_t* chosen, int32_t count) {
  static const char* kSlowCores = "/sys/devices/cpu_atom/cpus"; /* Intel */
  char line[kLongestLine];
  uint8_t slow[kMostProcessors] = {0};
  long best = 0;
  for (int32_t i = 0; i < count; ++i)
    if (chosen[i] && capacity(root, i) > best) best = capacity(root, i);
  if (best > 0)
    for (int32_t i = 0; i < count; ++i) slow[i] = capacity(root, i) * 2 < best;
  else if (!read_line(root, kSlowCores, line, sizeof line) || !parse_list(line, slow, count))
    return;
  int32_t fast = 0;
  for (int32_t i = 0; i < count; ++i) fast += chosen[i] && !slow[i];
  for (int32_t i = 0; fast > 0 && i < count; ++i)
    if (slow[i]) chosen[i] = 0;
}

/* Of the hyper-threads of a core only the first that was chosen counts. */
static int32_t count_cores(const char* root, const uint8_t* chosen, int32_t count) {
  int32_t cores = 0;
  for (int32_t i = 0; i < count; ++i) {
    if (!chosen[i]) continue;
    char path[96], line[kLongestLine];
    uint8_t siblings[kMostProcessors];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i);
    int first = 1;
    if (read_line(root, path, line, sizeof line) && parse_list(line, siblings, count))
      for (int32_t before = 0; before < i; ++before)
        if (chosen[before] && siblings[before]) first = 0;
    cores += first;
  }
  return cores;
}

/* Processors that one control group grants, 0: no limit. `version` 2 has "quota period" in one file. */
static int32_t granted_by(const char* root, const char* group, int version) {
  char path[kLongestPath], line[64];
  long long quota = 0, period = 0;
  if (version == 2) {
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    if (!read_line(root, path, line, sizeof line) || sscanf(line, "%lld %lld", &quota, &period) != 2)
      return 0;
  } else {
    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
    if (!read_line(root, path, line, sizeof line) || sscanf(line, "%lld", &quota) != 1) return 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
    if (!read_line(root, path, line, sizeof line) || sscanf(line, "%lld", &period) != 1) return 0;
  }
  if (quota <= 0 || period <= 0) return 0;
  return quota < period ? 1 : (int32_t)(quota / period);
}

/* The least of the group and those above it. Within a container the group's path is often that outside of it,
 * so the root of the mount is looked at in any case. */
static int32_t granted(const char* root, char* group, int version) {
  int32_t least = 0;
  for (;;) {
    const int32_t here = granted_by(root, group, version);
    if (here > 0 && (least == 0 || here < least)) least = here;
    char* slash = strrchr(group, '/');
    if (!slash) return least;
    *slash = 0;
  }
}

static int32_t granted_by_groups(const char* root) {
  char path[2 * kLongestPath], line[kLongestPath];
  int32_t least = 0;
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE* file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char* controllers = strchr(line, ':');
    char* group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) continue;
    *group++ = 0;
    ++controllers;
    int version = *controllers == 0 ? 2 : 0;
    for (char* name = strtok(controllers, ","); name; name = strtok(NULL, ","))
      if (strcmp(name, "cpu") == 0) version = 1;
    const int32_t here = version ? granted(root, group, version) : 0;
    if (here > 0 && (least == 0 || here < least)) least = here;
  }
  if (file) fclose(file);
  return least;
}

int32_t coppice_host_threads_below(const char* root, const uint8_t* allowed, int32_t count) {
  uint8_t chosen[kMostProcessors] = {0};
  if (count > kMostProcessors) count = kMostProcessors;
  memcpy(chosen, allowed, (size_t)count);
  keep_fast_cores(root, chosen, count);
  const int32_t cores = count_cores(root, chosen, count), grant = granted_by_groups(root);
  const int32_t threads = grant > 0 && grant < cores ? grant : cores;
  return threads > 0 ? threads : 1;
}

int32_t coppice_host_threads(void) {
  uint8_t allowed[kMostProcessors] = {0};
  cpu_set_t* set = CPU_ALLOC(kMostProcessors);
  if (!set) return 1;
  const size_t size = CPU_ALLOC_SIZE(kMostProcessors);
  CPU_ZERO_S(size, set);
  const int known = sched_getaffinity(0, size, set) == 0;
  for (int32_t i = 0; known && i < kMostProcessors; ++i) allowed[i] = CPU_ISSET_S((size_t)i, size, set) != 0;
  CPU_FREE(set);
  return coppice_host_threads_below("", allowed, kMostProcessors);
}
