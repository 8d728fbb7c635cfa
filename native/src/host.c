/* host.c: engines behind threads. A bounded queue of many producers and one consumer per group, by sequence
 * numbers in its cells (D. Vyukov's); a ring of one producer and one consumer for the answers. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fillstream.h"

#define BATCH 256u
#define ANSWERS 1024u
#define MAX_RING (1u << 24)
#define SPINS 200
#define NAP_NS 1000000L /* a sleeper looks again after this long, whatever it missed */

struct cell {
    _Atomic size_t turn; /* position it may be written at; one more: it may be read */
    fs_command command;
};

struct group {
    fs_host *host;
    fs_engine *engine;
    pthread_t thread;
    struct cell *cells;
    fs_report *out;
    size_t mask;
    uint32_t number;
    bool started;
    _Alignas(64) _Atomic size_t claimed; /* by producers */
    _Alignas(64) size_t taken;           /* by the matching thread */
    _Alignas(64) _Atomic size_t out_written;
    _Alignas(64) _Atomic size_t out_read;
    _Alignas(64) _Atomic bool asleep;
    _Atomic bool done;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

struct fs_host {
    uint32_t groups;
    fs_host_callback callback;
    void *context;
    _Atomic bool stopping;
    _Atomic bool discarding;
    _Atomic size_t submitting; /* producers inside fs_host_submit */
    struct group *group;
};

/* ------------------------------------------------------------------- rings */

static bool push(struct group *g, const fs_command *c) {
    size_t at = atomic_load_explicit(&g->claimed, memory_order_relaxed);
    for (;;) {
        struct cell *cell = &g->cells[at & g->mask];
        size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        if (turn == at) {
            if (!atomic_compare_exchange_weak_explicit(&g->claimed, &at, at + 1, memory_order_relaxed,
                                                       memory_order_relaxed))
                continue;
            cell->command = *c;
            atomic_store_explicit(&cell->turn, at + 1, memory_order_release);
            return true;
        }
        if ((ptrdiff_t)(turn - at) < 0) return false; /* full */
        at = atomic_load_explicit(&g->claimed, memory_order_relaxed);
    }
}

static size_t pull(struct group *g, fs_command *commands, size_t n) {
    size_t pulled = 0;
    for (; pulled < n; pulled++, g->taken++) {
        struct cell *cell = &g->cells[g->taken & g->mask];
        if (atomic_load_explicit(&cell->turn, memory_order_acquire) != g->taken + 1) break;
        commands[pulled] = cell->command;
        atomic_store_explicit(&cell->turn, g->taken + g->mask + 1, memory_order_release);
    }
    return pulled;
}

static void wake(struct group *g) {
    if (!atomic_load(&g->asleep)) return;
    pthread_mutex_lock(&g->lock);
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

static void nap(struct group *g) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += NAP_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&g->lock);
    atomic_store(&g->asleep, true);
    pthread_cond_timedwait(&g->wake, &g->lock, &until);
    atomic_store(&g->asleep, false);
    pthread_mutex_unlock(&g->lock);
}

/* ------------------------------------------------------------------ thread */

static void answer(struct group *g, const fs_report *reports, size_t n) {
    fs_host *h = g->host;
    if (h->callback) {
        if (n) h->callback(h->context, g->number, reports, n);
        return;
    }
    size_t written = atomic_load_explicit(&g->out_written, memory_order_relaxed);
    for (size_t i = 0; i < n; i++, written++) {
        while (written - atomic_load_explicit(&g->out_read, memory_order_acquire) > g->mask) {
            if (atomic_load(&h->discarding)) return;
            atomic_store_explicit(&g->out_written, written, memory_order_release);
            nap(g);
        }
        g->out[written & g->mask] = reports[i];
    }
    atomic_store_explicit(&g->out_written, written, memory_order_release);
}

static void execute(struct group *g, const fs_command *commands, size_t n) {
    fs_report reports[ANSWERS];
    size_t begun = 0, consumed, written;
    do {
        written = fs_process(g->engine, commands + begun, n - begun, &consumed, reports, ANSWERS);
        begun += consumed;
        answer(g, reports, written);
    } while (written == ANSWERS);
}

static void *match(void *argument) {
    struct group *g = argument;
    fs_host *h = g->host;
    fs_command commands[BATCH];
    for (int idle = 0;;) {
        /* Read before the ring: whoever was in time has left fs_host_submit, so an empty ring stays empty. */
        bool last = atomic_load(&h->stopping) && !atomic_load(&h->submitting);
        size_t n = pull(g, commands, BATCH);
        if (n) {
            execute(g, commands, n);
            idle = 0;
        } else if (last) {
            break;
        } else if (++idle > SPINS) {
            nap(g);
        }
    }
    atomic_store(&g->done, true);
    return NULL;
}

/* -------------------------------------------------------------------- door */

static bool group_start(fs_host *h, uint32_t number, uint32_t max_orders, size_t size) {
    struct group *g = &h->group[number];
    g->host = h;
    g->number = number;
    g->mask = size - 1;
    g->engine = fs_new(max_orders);
    g->cells = malloc(size * sizeof *g->cells);
    g->out = h->callback ? NULL : malloc(size * sizeof *g->out);
    if (!g->engine || !g->cells || (!g->out && !h->callback)) return false;
    for (size_t i = 0; i < size; i++) atomic_init(&g->cells[i].turn, i);
    if (pthread_create(&g->thread, NULL, match, g)) return false;
    g->started = true;
    return true;
}

fs_host *fs_host_new(uint32_t groups, uint32_t max_orders, uint32_t ring, fs_host_callback callback, void *context) {
    if (groups < 1 || groups > FS_MAX_GROUPS || ring < 1 || ring > MAX_RING) return NULL;
    fs_host *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    h->callback = callback;
    h->context = context;
    h->group = aligned_alloc(64, groups * sizeof *h->group);
    if (!h->group) {
        free(h);
        return NULL;
    }
    memset(h->group, 0, groups * sizeof *h->group);
    size_t size = 2;
    while (size < ring) size *= 2;
    for (h->groups = 0; h->groups < groups; h->groups++) {
        pthread_mutex_init(&h->group[h->groups].lock, NULL);
        pthread_cond_init(&h->group[h->groups].wake, NULL);
        if (group_start(h, h->groups, max_orders, size)) continue;
        h->groups++;
        fs_host_free(h);
        return NULL;
    }
    return h;
}

static bool for_all(const fs_command *c) {
    return c->type == FS_TIME || (c->type == FS_MASS_CANCEL && !(c->flags & FS_BY_SYMBOL));
}

/* To every group; where a ring is full, the matching thread is about to make room. */
static void push_all(fs_host *h, const fs_command *c) {
    for (uint32_t i = 0; i < h->groups; i++) {
        while (!push(&h->group[i], c)) wake(&h->group[i]);
        wake(&h->group[i]);
    }
}

size_t fs_host_submit(fs_host *host, const fs_command *commands, size_t n) {
    size_t i = 0;
    atomic_fetch_add(&host->submitting, 1);
    for (; i < n && !atomic_load(&host->stopping); i++) {
        if (for_all(&commands[i])) {
            push_all(host, &commands[i]);
            continue;
        }
        struct group *g = &host->group[commands[i].symbol % host->groups];
        if (!push(g, &commands[i])) break;
        wake(g);
    }
    atomic_fetch_sub(&host->submitting, 1);
    return i;
}

size_t fs_host_poll(fs_host *host, uint32_t group, fs_report *reports, size_t n) {
    if (group >= host->groups || host->callback) return 0;
    struct group *g = &host->group[group];
    size_t read = atomic_load_explicit(&g->out_read, memory_order_relaxed);
    size_t ready = atomic_load_explicit(&g->out_written, memory_order_acquire) - read;
    if (n > ready) n = ready;
    for (size_t i = 0; i < n; i++) reports[i] = g->out[(read + i) & g->mask];
    atomic_store_explicit(&g->out_read, read + n, memory_order_release);
    if (n) wake(g);
    return n;
}

void fs_host_stop(fs_host *host) {
    atomic_store(&host->stopping, true);
    for (uint32_t i = 0; i < host->groups; i++) wake(&host->group[i]);
}

int fs_host_done(fs_host *host) {
    for (uint32_t i = 0; i < host->groups; i++)
        if (host->group[i].started && !atomic_load(&host->group[i].done)) return 0;
    return 1;
}

void fs_host_free(fs_host *host) {
    if (!host) return;
    atomic_store(&host->discarding, true);
    fs_host_stop(host);
    for (uint32_t i = 0; i < host->groups; i++) {
        struct group *g = &host->group[i];
        if (g->started) pthread_join(g->thread, NULL);
        pthread_mutex_destroy(&g->lock);
        pthread_cond_destroy(&g->wake);
        fs_free(g->engine);
        free(g->cells);
        free(g->out);
    }
    free(host->group);
    free(host);
}
