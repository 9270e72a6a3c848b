/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "host/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* A waiter spins; after kPatience it yields now and then, so that more threads than cores finish; after
 * kLongest it parks. What one thread does alone between two shared phases takes less than kPatience, so that
 * no phase of a run begins with a system call. */
enum { kPatience = 20000, kLongest = 100000 /* ns */, kSpinsPerLook = 50, kLooksPerYield = 4 };

typedef struct worker {
  struct coppice_pool* pool;
  int32_t index;
  pthread_t thread;
} worker;

/* A round ends when its items are done, not when all threads have been there: a worker that sleeps, or whose
 * core does something else, is not waited for unless it has taken an item. */
struct coppice_pool {
  int32_t threads, started;
  worker* workers;
  uint32_t round;    /* these two are the caller's */
  uint32_t expected; /* of `done`, at the end of the round */
  /* What a round is. Whoever has taken an item may read it, as the round cannot end before the item is done.
   * Apart from the ticket: while workers look at a line, each store to it takes as long as a small step. */
  _Alignas(64) void (*fn)(void*, int32_t, int32_t);
  void* fn_ctx;
  int32_t items;
  _Alignas(64) _Atomic uint64_t ticket; /* round << 32 | items that nobody has taken */
  /* On cache lines of their own: they are written by other threads, or seldom. */
  _Alignas(64) _Atomic uint32_t done; /* items that workers have finished, in all rounds */
  _Alignas(64) _Atomic int parked;    /* a worker sleeps, or is about to */
  _Atomic int waiting;                /* the caller does */
  _Atomic int stop;
  pthread_mutex_t mutex;
  pthread_cond_t wake, finished;
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

/* Takes an item of the round at hand: which one, or -1 if there is none left. Comparing the round, too, a
 * late worker cannot take the item of another one. */
static int32_t take_item(coppice_pool* pool) {
  uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_relaxed);
  while ((uint32_t)ticket != 0)
    if (atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket - 1))
      return pool->items - (int32_t)(uint32_t)ticket;
  return -1;
}

/* Returns how many items it did. */
static uint32_t work(coppice_pool* pool, int32_t thread, int32_t item) {
  uint32_t count = 0;
  for (; item >= 0; item = take_item(pool), ++count) pool->fn(pool->fn_ctx, item, thread);
  return count;
}

/* What a waiter waits for. Sequentially consistent on purpose: the waker changes ticket, done or stop and
 * then looks at parked or waiting; a waiter raises these and then looks at those. In one total order, one of
 * both sees the other. */
static int has_work(coppice_pool* pool, uint32_t unused) {
  (void)unused;
  return (uint32_t)atomic_load(&pool->ticket) != 0 || atomic_load(&pool->stop);
}
static int all_done(coppice_pool* pool, uint32_t done) { return atomic_load(&pool->done) == done; }

static void wake(coppice_pool* pool, _Atomic int* sleeps, pthread_cond_t* condition) {
  if (!atomic_load(sleeps)) return;
  pthread_mutex_lock(&pool->mutex);
  atomic_store(sleeps, 0);
  pthread_cond_broadcast(condition);
  pthread_mutex_unlock(&pool->mutex);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t); /* no system call */
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* 0: it was not ready for kLongest. */
static int spin_for(coppice_pool* pool, int (*ready)(coppice_pool*, uint32_t), uint32_t what) {
  int64_t start = 0, waited = 0;
  for (int32_t look = 0; waited < kLongest; ++look) {
    for (int32_t spin = 0; spin < kSpinsPerLook; ++spin) {
      if (ready(pool, what)) return 1;
      relax();
    }
    if (look == 0) start = now();
    waited = now() - start;
    if (waited > kPatience && look % kLooksPerYield == 0) sched_yield();
  }
  return 0;
}

/* Who was woken spins again: a round may have ended in the meantime, and the next one begin at once. */
static void wait_for(coppice_pool* pool, int (*ready)(coppice_pool*, uint32_t), uint32_t what,
                     _Atomic int* sleeps, pthread_cond_t* condition) {
  while (!spin_for(pool, ready, what)) {
    pthread_mutex_lock(&pool->mutex);
    atomic_store(sleeps, 1);
    while (atomic_load(sleeps) && !ready(pool, what)) pthread_cond_wait(condition, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
  }
}

static void* worker_main(void* raw) {
  const worker* self = (const worker*)raw;
  coppice_pool* pool = self->pool;
  flush_denormals();
  for (;;) {
    wait_for(pool, has_work, 0, &pool->parked, &pool->wake);
    if (atomic_load(&pool->stop)) return NULL;
    const uint32_t count = work(pool, self->index, take_item(pool));
    if (count == 0) continue;
    atomic_fetch_add(&pool->done, count);
    wake(pool, &pool->waiting, &pool->finished);
  }
}

coppice_pool* coppice_pool_create(int32_t threads) {
  void* memory = aligned_alloc(64, (sizeof(coppice_pool) + 63) / 64 * 64);
  coppice_pool* pool = (coppice_pool*)memory;
  if (!pool) return NULL;
  *pool = (coppice_pool){.threads = threads};
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->finished, NULL);
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
  wake(pool, &pool->parked, &pool->wake);
  for (int32_t t = 1; t <= pool->started; ++t) pthread_join(pool->workers[t].thread, NULL);
  pthread_cond_destroy(&pool->finished);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->workers);
  free(pool);
}

void coppice_pool_par_for(void* raw, int32_t items, void (*fn)(void*, int32_t, int32_t), void* fn_ctx) {
  coppice_pool* pool = (coppice_pool*)raw;
  const float_state before = flush_denormals();
  if (pool->threads == 1 || items <= 1) {
    for (int32_t i = 0; i < items; ++i) fn(fn_ctx, i, 0);
  } else {
    /* Workers have read this line: to write it takes as long as to meet, and mostly nothing changes. */
    if (pool->fn != fn) pool->fn = fn;
    if (pool->fn_ctx != fn_ctx) pool->fn_ctx = fn_ctx;
    if (pool->items != items) pool->items = items;
    /* The first item is the caller's. */
    atomic_store(&pool->ticket, (uint64_t)++pool->round << 32 | (uint32_t)(items - 1));
    wake(pool, &pool->parked, &pool->wake);
    const uint32_t mine = work(pool, 0, 0);
    pool->expected += (uint32_t)items - mine;
    wait_for(pool, all_done, pool->expected, &pool->waiting, &pool->finished);
  }
  restore(before);
}
