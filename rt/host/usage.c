/* SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE
#include "usage.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int64_t coppice_host_peak_bytes(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return (int64_t)usage.ru_maxrss * 1024; /* Linux counts kilobytes */
}

double coppice_host_cpu_seconds(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0.0;
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double coppice_host_thread_seconds(void) {
  struct timespec time;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return 0.0;
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int coppice_host_is_terminal(int descriptor) { return isatty(descriptor); }
