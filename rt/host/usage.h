/* SPDX-License-Identifier: Apache-2.0
 * What this process has used so far, as the operating system counts it. Callable from any thread. */
#ifndef COPPICE_HOST_USAGE_H
#define COPPICE_HOST_USAGE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most memory that was resident at one time, in bytes; 0 where nobody knows. */
int64_t coppice_host_peak_bytes(void);

/* Seconds of processor time of all threads, user and system. */
double coppice_host_cpu_seconds(void);

/* Seconds of processor time of the calling thread, to the nanosecond; 0 where nobody knows. */
double coppice_host_thread_seconds(void);

/* Whether file descriptor 1 (standard output) or 2 (standard error) is a terminal. */
int coppice_host_is_terminal(int descriptor);

#ifdef __cplusplus
}
#endif
#endif
