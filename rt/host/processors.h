/* SPDX-License-Identifier: Apache-2.0
 * How many threads are worth starting: one for each core that this process may use. */
#ifndef COPPICE_HOST_PROCESSORS_H
#define COPPICE_HOST_PROCESSORS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* At least 1. Counts the processors that the process may run on (taskset, cpusets), of two hyper-threads of a
 * core one, as both share its multipliers, of a hybrid CPU the fast cores, as all threads wait for the
 * slowest one; and no more than the processor time that a control group grants (docker --cpus, Kubernetes
 * limits, systemd). */
int32_t coppice_host_threads(void);

/* The same for the processors i < count with allowed[i], read from /sys and /proc below `root`: for tests. */
int32_t coppice_host_threads_below(const char* root, const uint8_t* allowed, int32_t count);

#ifdef __cplusplus
}
#endif
#endif
