/* host.c: engines behind threads. A bounded queue of many producers and one consumer per group, by sequence
 * numbers in its cells (after D. Vyukov's); a ring of one producer and one consumer for the answers.
 *
 * No producer waits for room. The last place of a queue is for what goes to every group: only one thread at a
 * time adds that, so a place it has seen in each queue is still there when it comes to take it.
 *
 * No wake-up is lost, and nobody sleeps by the clock: a sleeper says so and then looks once more, a waker does
 * its work and then looks for sleepers, all of it in the one order of sequentially consistent operations, so
 * one of the two sees the other. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* pthread_setaffinity_np */
#endif
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fillstream.h"

#define BATCH 256u
#define ANSWERS 1024u
#define MAX_RING (1u << 24)
#define SPINS 200
#define LINE 64 /* what one thread writes with each command stands in no line that another reads with each */

enum asleep { AWAKE, FOR_COMMANDS, FOR_ROOM };

struct visit {
    fs_host_visitor visitor;
    void *context;
};

/* A place of a queue: a command, or somebody who wants to see the engine when its turn comes. */
struct cell {
    _Atomic size_t turn; /* turn_of what stands here */
    union {
        fs_command command;
        struct visit visit;
    };
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
    _Alignas(LINE) _Atomic size_t claimed; /* by producers */
    _Atomic size_t seen;                   /* what a producer last saw of `taken`: that, or less */
    _Alignas(LINE) _Atomic size_t taken;   /* by the matching thread */
    _Alignas(LINE) _Atomic size_t out_written;
    _Alignas(LINE) _Atomic size_t out_read;
    _Alignas(LINE) _Atomic int asleep; /* enum asleep: what its thread waits for */
    _Atomic bool done;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

struct fs_host {
    uint32_t groups;
    fs_host_callback callback;
    void *context;
    struct group *group;
    /* read by all, with each command, and hardly ever written */
    _Atomic bool stopping;
    _Atomic bool discarding;
    _Atomic bool closed;       /* to producers, while what asks for one moment of all groups goes to each of them */
    _Atomic uint32_t sleepers; /* threads asleep, or about to be: as long as there is none, nobody is to be woken */
    /* written by producers with each batch */
    _Alignas(LINE) _Atomic size_t submitting; /* producers inside fs_host_submit */
    _Alignas(LINE) _Atomic size_t visiting;   /* threads inside fs_host_visit */
    pthread_mutex_t to_all;                   /* held to add what goes to every group */
};

/* ------------------------------------------------------------------- rings */

/* Places in use when those before `at` are claimed. `taken` is read after `at`, so it is never too old for it;
 * an `at` that is too old gives too little, even less than 0, but then its exchange fails. */
static ptrdiff_t in_use(struct group *g, size_t at) {
    size_t taken = atomic_load_explicit(&g->taken, memory_order_acquire);
    atomic_store_explicit(&g->seen, taken, memory_order_release);
    return (ptrdiff_t)(at - taken);
}

/* How many of so many places are free; as `taken` was last seen, if that is enough for n: its line is another thread's. */
static ptrdiff_t room(struct group *g, size_t at, size_t n, size_t places) {
    ptrdiff_t free = (ptrdiff_t)places - (ptrdiff_t)(at - atomic_load_explicit(&g->seen, memory_order_acquire));
    return free >= (ptrdiff_t)n ? free : (ptrdiff_t)places - in_use(g, at);
}

/* What a cell says when it is written at a position: never 0, as it begins, nor what it said before. */
static size_t turn_of(size_t position, bool is_visit) { return 2 * (position + 1) + is_visit; }

/* Claim up to n places unless so many are in use: how many, from *at on. */
static size_t claim(struct group *g, size_t n, size_t places, size_t *at) {
    size_t count;
    *at = atomic_load_explicit(&g->claimed, memory_order_acquire);
    do {
        ptrdiff_t free = room(g, *at, n, places);
        if (free <= 0) return 0;
        count = n < (size_t)free ? n : (size_t)free;
    } while (!atomic_compare_exchange_weak_explicit(&g->claimed, at, *at + count, memory_order_acq_rel,
                                                    memory_order_acquire));
    return count;
}

/* Add up to n commands, or the visit if there is one, unless so many places are in use: how many. */
static size_t push(struct group *g, const fs_command *c, size_t n, const struct visit *visit, size_t places) {
    size_t at, count = claim(g, n, places, &at);
    for (size_t i = 0; i < count; i++) {
        struct cell *cell = &g->cells[(at + i) & g->mask];
        if (visit) cell->visit = *visit;
        else cell->command = c[i];
        atomic_store_explicit(&cell->turn, turn_of(at + i, visit != NULL), memory_order_release);
    }
    return count;
}

static bool has_commands(struct group *g) {
    size_t taken = atomic_load_explicit(&g->taken, memory_order_relaxed);
    size_t turn = atomic_load_explicit(&g->cells[taken & g->mask].turn, memory_order_acquire);
    return turn == turn_of(taken, false) || turn == turn_of(taken, true);
}

/* Take up to n commands off the queue, as far as the next visit. */
static size_t pull(struct group *g, fs_command *commands, size_t n) {
    size_t taken = atomic_load_explicit(&g->taken, memory_order_relaxed), pulled = 0;
    for (; pulled < n; pulled++) {
        struct cell *cell = &g->cells[(taken + pulled) & g->mask];
        if (atomic_load_explicit(&cell->turn, memory_order_acquire) != turn_of(taken + pulled, false)) break;
        commands[pulled] = cell->command;
    }
    if (pulled) atomic_store_explicit(&g->taken, taken + pulled, memory_order_release);
    return pulled;
}

/* Take a visit off the queue, if it is next. */
static bool pull_visit(struct group *g, struct visit *visit) {
    size_t taken = atomic_load_explicit(&g->taken, memory_order_relaxed);
    struct cell *cell = &g->cells[taken & g->mask];
    if (atomic_load_explicit(&cell->turn, memory_order_acquire) != turn_of(taken, true)) return false;
    *visit = cell->visit;
    atomic_store_explicit(&g->taken, taken + 1, memory_order_release);
    return true;
}

/* --------------------------------------------------------- sleeping, waking */

/* Wake the group's thread if it waits for this. Only who ends the sleep has to signal. */
static void wake(struct group *g, int asleep) {
    if (atomic_load(&g->asleep) != asleep) return;
    if (!atomic_compare_exchange_strong(&g->asleep, &asleep, AWAKE)) return;
    pthread_mutex_lock(&g->lock);
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

static void wake_all(fs_host *h) {
    for (uint32_t i = 0; i < h->groups; i++) {
        wake(&h->group[i], FOR_COMMANDS);
        wake(&h->group[i], FOR_ROOM);
    }
}

/* Sleep until woken, unless what the sleeper would be woken for is there already. */
static void sleep_for(struct group *g, int what, bool (*is_there)(struct group *)) {
    atomic_store(&g->asleep, what);
    atomic_fetch_add(&g->host->sleepers, 1);
    if (is_there(g)) {
        atomic_store(&g->asleep, AWAKE);
    } else {
        pthread_mutex_lock(&g->lock);
        while (atomic_load(&g->asleep) == what) pthread_cond_wait(&g->wake, &g->lock);
        pthread_mutex_unlock(&g->lock);
    }
    atomic_fetch_sub(&g->host->sleepers, 1);
}

/* Reads `submitting`, whatever it is: writing that after its commands is how a producer shows them. */
static bool has_work(struct group *g) {
    size_t submitting = atomic_load(&g->host->submitting);
    (void)submitting;
    return has_commands(g) || atomic_load(&g->host->stopping);
}

static bool has_room(struct group *g) {
    size_t written = atomic_load_explicit(&g->out_written, memory_order_relaxed);
    return written - atomic_load(&g->out_read) <= g->mask || atomic_load(&g->host->discarding);
}

/* ------------------------------------------------------------------ thread */

static void answer(struct group *g, const fs_report *reports, size_t n) {
    fs_host *h = g->host;
    if (h->callback) {
        if (n) h->callback(h->context, g->number, reports, n);
        return;
    }
    size_t written = atomic_load_explicit(&g->out_written, memory_order_relaxed);
    while (n) {
        size_t room = g->mask + 1 - (written - atomic_load_explicit(&g->out_read, memory_order_acquire));
        if (!room) {
            if (atomic_load(&h->discarding)) return;
            sleep_for(g, FOR_ROOM, has_room);
            continue;
        }
        size_t count = n < room ? n : room;
        for (size_t i = 0; i < count; i++) g->out[(written + i) & g->mask] = reports[i];
        written += count;
        reports += count;
        n -= count;
        atomic_store_explicit(&g->out_written, written, memory_order_release);
    }
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
    struct visit visit;
    for (int idle = 0;;) {
        /* Read before the queue: whoever was in time has left fs_host_submit, so an empty queue stays empty. */
        bool stopping = atomic_load(&h->stopping);
        bool last = stopping && !atomic_load(&h->submitting) && !atomic_load(&h->visiting);
        size_t n = pull(g, commands, BATCH);
        if (n) {
            execute(g, commands, n);
            idle = 0;
        } else if (pull_visit(g, &visit)) {
            visit.visitor(visit.context, g->number, g->engine);
            idle = 0;
        } else if (last) {
            break;
        } else if (stopping) {
            sched_yield(); /* until the producers, none of which waits, have left */
        } else if (++idle > SPINS) {
            sleep_for(g, FOR_COMMANDS, has_work);
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
    for (size_t i = 0; i < size; i++) atomic_init(&g->cells[i].turn, 0);
    if (pthread_create(&g->thread, NULL, match, g)) return false;
    g->started = true;
    return true;
}

fs_host *fs_host_new(uint32_t groups, uint32_t max_orders, uint32_t ring, fs_host_callback callback, void *context) {
    if (groups < 1 || groups > FS_MAX_GROUPS || ring < 1 || ring > MAX_RING) return NULL;
    fs_host *h = aligned_alloc(LINE, sizeof *h);
    if (!h) return NULL;
    memset(h, 0, sizeof *h);
    h->callback = callback;
    h->context = context;
    h->group = aligned_alloc(LINE, groups * sizeof *h->group);
    if (!h->group) {
        free(h);
        return NULL;
    }
    memset(h->group, 0, groups * sizeof *h->group);
    pthread_mutex_init(&h->to_all, NULL);
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

/* A command or a visit to every group, or to none while one of them is full. Where there is room it stays: others leave
 * a place. */
static bool push_all(fs_host *h, const fs_command *c, const struct visit *visit) {
    uint32_t roomy = 0;
    pthread_mutex_lock(&h->to_all);
    for (; roomy < h->groups; roomy++) {
        struct group *g = &h->group[roomy];
        if (in_use(g, atomic_load_explicit(&g->claimed, memory_order_acquire)) > (ptrdiff_t)g->mask) break;
    }
    for (uint32_t i = 0; i < h->groups && roomy == h->groups; i++) {
        bool pushed = push(&h->group[i], c, 1, visit, h->group[i].mask + 1);
        assert(pushed);
        (void)pushed;
    }
    pthread_mutex_unlock(&h->to_all);
    return roomy == h->groups;
}

static struct group *group_of(fs_host *h, const fs_command *c) { return &h->group[c->symbol % h->groups]; }

/* How many of the first commands are one group's, and no others. */
static size_t run_of(fs_host *h, const fs_command *c, size_t n) {
    const struct group *g = group_of(h, c);
    size_t length = 1;
    while (length < n && !for_all(&c[length]) && (c[length].symbol == c->symbol || group_of(h, &c[length]) == g))
        length++;
    return length;
}

/* As many of the first commands as go one way, and find room: how many. */
static size_t take(fs_host *h, const fs_command *c, size_t n) {
    if (for_all(c)) return push_all(h, c, NULL);
    struct group *g = group_of(h, c);
    return push(g, c, run_of(h, c, n), NULL, g->mask);
}

static void wake_for(fs_host *h, const fs_command *c, size_t n) {
    const struct group *woken = NULL;
    for (size_t i = 0; i < n && atomic_load(&h->sleepers); i++) {
        struct group *g = group_of(h, &c[i]);
        if (for_all(&c[i])) wake_all(h);
        else if (g != woken) wake(g, FOR_COMMANDS);
        woken = g;
    }
}

size_t fs_host_submit(fs_host *host, const fs_command *commands, size_t n) {
    size_t taken = 0, more;
    if (atomic_load(&host->closed)) return 0; /* who tries again and again does not keep a visitor waiting */
    atomic_fetch_add(&host->submitting, 1);
    more = !atomic_load(&host->closed);
    for (; more && taken < n && !atomic_load(&host->stopping); taken += more)
        more = take(host, &commands[taken], n - taken);
    atomic_fetch_add(&host->submitting, 0); /* a write after the commands, for has_work */
    wake_for(host, commands, taken);
    atomic_fetch_sub(&host->submitting, 1); /* from here on fs_host_free may be done at any moment */
    return taken;
}

/* Producers are turned away, and those inside, none of which waits, have left: what they submit is in front of the visit at
 * every group, or behind it at every group. */
static bool visit_all(fs_host *h, const struct visit *visit) {
    if (atomic_exchange(&h->closed, true)) return false; /* another visitor is at it */
    while (atomic_load(&h->submitting)) sched_yield();
    bool taken = !atomic_load(&h->stopping) && push_all(h, NULL, visit);
    atomic_store(&h->closed, false);
    return taken;
}

int fs_host_visit(fs_host *host, uint32_t group, fs_host_visitor visitor, void *context) {
    const struct visit visit = {visitor, context};
    if (group != FS_ALL_GROUPS && group >= host->groups) return FS_NO_GROUP;
    atomic_fetch_add(&host->visiting, 1);
    bool taken = false;
    if (group == FS_ALL_GROUPS)
        taken = visit_all(host, &visit);
    else if (!atomic_load(&host->stopping))
        taken = push(&host->group[group], NULL, 1, &visit, host->group[group].mask);
    atomic_fetch_add(&host->submitting, 0); /* a write after the visit, for has_work */
    if (taken && group == FS_ALL_GROUPS) wake_all(host);
    else if (taken) wake(&host->group[group], FOR_COMMANDS);
    atomic_fetch_sub(&host->visiting, 1);
    return taken ? FS_OK : FS_BUSY;
}

int fs_host_pin(fs_host *host, uint32_t group, uint32_t cpu) {
    if (group >= host->groups) return FS_NO_GROUP;
#ifdef __linux__
    if (cpu >= CPU_SETSIZE) return FS_NO_CPU;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return pthread_setaffinity_np(host->group[group].thread, sizeof set, &set) ? FS_NO_CPU : FS_OK;
#else
    (void)cpu;
    return FS_NO_CPU;
#endif
}

size_t fs_host_poll(fs_host *host, uint32_t group, fs_report *reports, size_t n) {
    if (group >= host->groups || host->callback) return 0;
    struct group *g = &host->group[group];
    size_t read = atomic_load_explicit(&g->out_read, memory_order_relaxed);
    size_t ready = atomic_load_explicit(&g->out_written, memory_order_acquire) - read;
    if (n > ready) n = ready;
    for (size_t i = 0; i < n; i++) reports[i] = g->out[(read + i) & g->mask];
    if (!n) return 0;
    atomic_store(&g->out_read, read + n);
    wake(g, FOR_ROOM);
    return n;
}

void fs_host_stop(fs_host *host) {
    atomic_store(&host->stopping, true);
    wake_all(host);
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
    for (uint32_t i = 0; i < host->groups; i++) /* all of them first: a callback may be submitting to any group */
        if (host->group[i].started) pthread_join(host->group[i].thread, NULL);
    for (uint32_t i = 0; i < host->groups; i++) {
        struct group *g = &host->group[i];
        pthread_mutex_destroy(&g->lock);
        pthread_cond_destroy(&g->wake);
        fs_free(g->engine);
        free(g->cells);
        free(g->out);
    }
    pthread_mutex_destroy(&host->to_all);
    free(host->group);
    free(host);
}
