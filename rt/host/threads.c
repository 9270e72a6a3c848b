/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "host/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* About 50 us of spinning in all, with a yield every few microseconds. */
enum { SPINS = 4000, SPINS_PER_YIELD = 500 };

typedef struct worker {
  struct coppice_pool* pool;
  int32_t index;
  pthread_t thread;
} worker;

struct coppice_pool {
  int32_t threads, started;
  worker* workers;
  void (*fn)(void*, int32_t, int32_t);
  void* fn_ctx;
  int32_t items;
  /* On cache lines of their own: they are written by all threads. */
  _Alignas(64) _Atomic int32_t next;   /* first item nobody has taken */
  _Alignas(64) _Atomic uint32_t round; /* counts par_for calls; workers wait for it to change */
  _Alignas(64) _Atomic int32_t busy;   /* workers that have not finished this round */
  _Alignas(64) _Atomic int32_t parked; /* waiters inside pthread_cond_wait or about to be */
  _Atomic int stop;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
};

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Numbers below 1e-38 count as 0 while kernels run: activations and moments that fade out reach them, and
 * each operation on one costs a hundred cycles. The state of the caller's thread is put back afterwards. */
#if defined(__x86_64__)
typedef uint32_t float_state;
static float_state flush_denormals(void) {
  const float_state before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before | 0x8040u); /* flush to zero, denormals are zero */
  return before;
}
static void restore(float_state before) { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__)
typedef uint64_t float_state;
static float_state flush_denormals(void) {
  float_state before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpcr, %0" : : "r"(before | (1u << 24)));
  return before;
}
static void restore(float_state before) { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#else
typedef int float_state;
static float_state flush_denormals(void) { return 0; }
static void restore(float_state before) { (void)before; }
#endif

static void work(coppice_pool* pool, int32_t thread) {
  const float_state before = flush_denormals();
  for (;;) {
    const int32_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (item >= pool->items) break;
    pool->fn(pool->fn_ctx, item, thread);
  }
  restore(before);
}

/* Sequentially consistent on purpose: the waker changes round, busy or stop and then looks at `parked`; a
 * waiter raises `parked` and then looks at those. In one total order of these, one of both sees the other. */
static int changed(coppice_pool* pool, uint32_t seen) {
  return atomic_load(&pool->round) != seen || atomic_load(&pool->stop);
}
static int finished(coppice_pool* pool) { return atomic_load(&pool->busy) == 0; }

static void wake_all(coppice_pool* pool) {
  if (atomic_load(&pool->parked) == 0) return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

/* Waits until the round changed (worker) or all workers finished (caller, seen == NULL). */
static void wait_for(coppice_pool* pool, const uint32_t* seen) {
  for (int32_t spin = 1; spin <= SPINS; ++spin) {
    if (seen ? changed(pool, *seen) : finished(pool)) return;
    if (spin % SPINS_PER_YIELD == 0)
      sched_yield();
    else
      relax();
  }
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->parked, 1);
  while (!(seen ? changed(pool, *seen) : finished(pool))) pthread_cond_wait(&pool->wake, &pool->mutex);
  atomic_fetch_sub(&pool->parked, 1);
  pthread_mutex_unlock(&pool->mutex);
}

static void* worker_main(void* raw) {
  const worker* self = (const worker*)raw;
  coppice_pool* pool = self->pool;
  uint32_t seen = 0;
  for (;;) {
    wait_for(pool, &seen);
    if (atomic_load(&pool->stop)) return NULL;
    ++seen;
    work(pool, self->index);
    if (atomic_fetch_sub(&pool->busy, 1) == 1) wake_all(pool);
  }
}

coppice_pool* coppice_pool_create(int32_t threads) {
  void* memory = aligned_alloc(64, (sizeof(coppice_pool) + 63) / 64 * 64);
  coppice_pool* pool = (coppice_pool*)memory;
  if (!pool) return NULL;
  *pool = (coppice_pool){.threads = threads};
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pool->workers = (worker*)calloc((size_t)threads, sizeof(worker));
  for (int32_t t = 1; pool->workers && t < threads; ++t) {
    pool->workers[t] = (worker){.pool = pool, .index = t};
    if (pthread_create(&pool->workers[t].thread, NULL, worker_main, &pool->workers[t]) != 0) break;
    ++pool->started;
  }
  if (pool->started == threads - 1 && pool->workers) return pool;
  coppice_pool_destroy(pool);
  return NULL;
}

void coppice_pool_destroy(coppice_pool* pool) {
  if (!pool) return;
  atomic_store(&pool->stop, 1);
  wake_all(pool);
  for (int32_t t = 1; t <= pool->started; ++t) pthread_join(pool->workers[t].thread, NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->workers);
  free(pool);
}

void coppice_pool_par_for(void* raw, int32_t items, void (*fn)(void*, int32_t, int32_t), void* fn_ctx) {
  coppice_pool* pool = (coppice_pool*)raw;
  if (pool->threads == 1 || items <= 1) {
    const float_state before = flush_denormals();
    for (int32_t i = 0; i < items; ++i) fn(fn_ctx, i, 0);
    restore(before);
    return;
  }
  pool->fn = fn;
  pool->fn_ctx = fn_ctx;
  pool->items = items;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  atomic_store_explicit(&pool->busy, pool->started, memory_order_relaxed);
  atomic_fetch_add(&pool->round, 1);
  wake_all(pool);
  work(pool, 0);
  wait_for(pool, NULL);
}
