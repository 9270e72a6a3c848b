/* SPDX-License-Identifier: Apache-2.0
 * A pool of threads for coppice_run_program. They spin for some microseconds before they park: a step has
 * several barriers within a millisecond, and waking a parked thread costs as much as a small layer. Spinning
 * yields now and then, so that more threads than cores still finish. Nobody waits for a thread that has not
 * begun: the caller does its items meanwhile. One thread at a time may use a pool. */
#ifndef COPPICE_HOST_THREADS_H
#define COPPICE_HOST_THREADS_H

#include "coppice_program.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct coppice_pool coppice_pool;

/* threads counts the caller. NULL if they cannot be started. */
coppice_pool* coppice_pool_create(int32_t threads);
void coppice_pool_destroy(coppice_pool* pool); /* NULL is allowed */

/* A coppice_par_for whose ctx is a coppice_pool. Items are handed out in order, one at a time;
 * the caller does the first. */
void coppice_pool_par_for(void* pool, int32_t items, void (*fn)(void* fn_ctx, int32_t item, int32_t thread),
                          void* fn_ctx);

#ifdef __cplusplus
}
#endif
#endif
