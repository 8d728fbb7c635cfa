/* bench.c: how long a message takes.
 *
 * usage: bench FLOW MESSAGES REPEATS [batch|calls|single|count|write:FILE [MORNING]]. Prints one line of JSON. `batch`: whole
 * frames of 256 commands, nanoseconds a message, each repeat on a fresh engine. `calls`: the same, one command a call.
 * `single`: one command a call, the distribution of its time, the clock's own cost in it. `count`: one repeat, for
 * callgrind. `write:` the commands to a file; prints how many of them build the book up. MORNING: so many orders
 * rested at once before the flow, and are gone. FLOW `tide`: MESSAGES orders come and go, and the dearest call of either. */
#define _POSIX_C_SOURCE 199309L
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flows.h"

#define BATCH 256
#define REPORTS 8192
#define MORNING ((uint64_t)1 << 40) /* the first id of orders that come and go before the flow */

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static fs_report reports[REPORTS];
static uint64_t written_in_all, answers;
static bool hashing; /* the answers, in a run that nobody times */
static size_t batch = BATCH;
static uint32_t morning;

static void process(fs_engine *engine, const fs_command *commands, size_t n) {
    size_t begun = 0, consumed, written;
    do {
        written = fs_process(engine, commands + begun, n - begun, &consumed, reports, REPORTS);
        begun += consumed;
        written_in_all += written;
        if (hashing) answers = flow_mix(answers, reports, written);
    } while (written == REPORTS);
}

static void process_all(fs_engine *engine, const fs_command *commands, size_t n, size_t length) {
    for (size_t i = 0; i < n; i += length) process(engine, commands + i, n - i < length ? n - i : length);
}

/* What is timed, under a name of its own for callgrind's --toggle-collect. */
__attribute__((noinline)) static void measured(fs_engine *engine, const fs_command *commands, size_t n) {
    process_all(engine, commands, n, batch);
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* So many orders, all of which rest, and their cancels in no order. */
static fs_command *make_morning(uint32_t orders) {
    fs_command *commands = calloc(2 * (size_t)orders + 1, sizeof *commands), *cancels = commands + orders;
    if (!commands) exit(2);
    for (uint32_t i = 0; i < orders; i++)
        commands[i] = (fs_command){.order_id = MORNING + i, .price = i & 1 ? i % 4099 : -(int64_t)(i % 4099) - 1,
                                   .qty = 1, .account = 1, .type = FS_NEW, .side = i & 1 ? FS_SELL : FS_BUY,
                                   .ord_type = FS_LIMIT, .tif = FS_GTC};
    for (uint32_t i = 0; i < orders; i++)
        cancels[i] = (fs_command){.order_id = MORNING + i, .account = 1, .type = FS_CANCEL};
    uint64_t random = 7;
    for (uint32_t i = orders; i; i--) { /* Fisher and Yates */
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t other = (uint32_t)((random >> 32) * i >> 32);
        fs_command last = cancels[i - 1];
        cancels[i - 1] = cancels[other];
        cancels[other] = last;
    }
    return commands;
}

/* A morning that is over. What is free now lies all over the slabs, and the ids that follow are far from the former ones. */
static void pass_a_morning(fs_engine *engine, uint32_t orders) {
    fs_command *commands = make_morning(orders);
    if (fs_reserve(engine, orders) != FS_OK) exit(2);
    process_all(engine, commands, orders, BATCH);
    if (fs_orders(engine) != orders) exit(2);
    process_all(engine, commands + orders, orders, BATCH);
    if (fs_orders(engine)) exit(2);
    free(commands);
}

static fs_engine *built(const fs_command *commands, size_t build) {
    fs_engine *engine = fs_new(1u << 20);
    if (!engine || fs_reserve(engine, (uint32_t)(build + build / 4)) != FS_OK) exit(2);
    pass_a_morning(engine, morning);
    process_all(engine, commands, build, BATCH);
    return engine;
}

static void run_batch(const struct flow_shape *shape, const fs_command *commands, size_t build, size_t n, size_t repeats) {
    uint64_t *ps = calloc(repeats, sizeof *ps);
    if (!ps) exit(2);
    for (size_t i = 0; i < repeats; i++) {
        fs_engine *engine = built(commands, build);
        written_in_all = 0;
        uint64_t start = now_ns();
        measured(engine, commands + build, n);
        ps[i] = (now_ns() - start) * 1000 / n;
        fs_free(engine);
    }
    fs_engine *engine = built(commands, build);
    written_in_all = 0;
    hashing = true;
    process_all(engine, commands + build, n, batch);
    fs_free(engine);
    qsort(ps, repeats, sizeof *ps, by_value);
    printf("{\"flow\": \"%s\", \"messages\": %zu, \"reports\": %llu, \"ns_min\": %.1f, \"ns_median\": %.1f, "
           "\"answers\": \"%016llx\"}\n",
           shape->name, n, (unsigned long long)written_in_all, (double)ps[0] / 1e3, (double)ps[repeats / 2] / 1e3,
           (unsigned long long)answers);
    free(ps);
}

/* The least of the repeats for each command: what is left is the engine's doing, not the host's. */
static void run_single(const struct flow_shape *shape, const fs_command *commands, size_t build, size_t n, size_t repeats) {
    uint64_t *best = malloc(n * sizeof *best);
    if (!best) exit(2);
    memset(best, 0xff, n * sizeof *best);
    for (size_t r = 0; r < repeats; r++) {
        fs_engine *engine = built(commands, build);
        for (size_t i = 0; i < n; i++) {
            uint64_t start = now_ns();
            process(engine, &commands[build + i], 1);
            uint64_t took = now_ns() - start;
            if (took < best[i]) best[i] = took;
        }
        fs_free(engine);
    }
    qsort(best, n, sizeof *best, by_value);
    printf("{\"flow\": \"%s\", \"messages\": %zu, \"p50\": %llu, \"p99\": %llu, \"p999\": %llu, \"max\": %llu}\n",
           shape->name, n, (unsigned long long)best[n / 2], (unsigned long long)best[n * 99 / 100],
           (unsigned long long)best[n * 999 / 1000], (unsigned long long)best[n - 1]);
    free(best);
}

/* The dearest call while so many orders come and go, of each the least of the repeats: nothing grows, all else does happen. */
static void run_tide(uint32_t orders, size_t repeats) {
    fs_command *commands = make_morning(orders);
    size_t n = 2 * (size_t)orders;
    uint64_t *best = malloc(n * sizeof *best), dearest[2] = {0, 0};
    if (!best) exit(2);
    memset(best, 0xff, n * sizeof *best);
    for (size_t r = 0; r < repeats; r++) {
        fs_engine *engine = fs_new(orders);
        if (!engine || fs_reserve(engine, orders) != FS_OK) exit(2);
        for (size_t i = 0; i < n; i++) {
            uint64_t start = now_ns();
            process(engine, &commands[i], 1);
            uint64_t took = now_ns() - start;
            if (took < best[i]) best[i] = took;
        }
        fs_free(engine);
    }
    for (size_t i = 0; i < n; i++)
        if (best[i] > dearest[i >= orders]) dearest[i >= orders] = best[i];
    printf("{\"orders\": %u, \"max_in\": %llu, \"max_out\": %llu}\n", orders, (unsigned long long)dearest[0],
           (unsigned long long)dearest[1]);
    free(best);
    free(commands);
}

static void write_flow(const char *path, const fs_command *commands, size_t build, size_t n) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(commands, sizeof *commands, build + n, file) != build + n || fclose(file)) exit(2);
    printf("%zu %zu\n", build, n);
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    const struct flow_shape *shape = flow_named(argv[1]);
    size_t n = strtoull(argv[2], NULL, 10), repeats = strtoull(argv[3], NULL, 10);
    if (!strcmp(argv[1], "tide") && n && repeats) {
        run_tide((uint32_t)n, repeats);
        return 0;
    }
    if (!shape || !n || !repeats) return 2;
    fs_command *commands;
    size_t build = flow_make(shape, 7, n, &commands);
    const char *mode = argc > 4 ? argv[4] : "batch";
    if (argc > 5) morning = (uint32_t)strtoul(argv[5], NULL, 10);
    if (!strcmp(mode, "calls")) batch = 1;
    if (!strncmp(mode, "write:", 6))
        write_flow(mode + 6, commands, build, n);
    else if (!strcmp(mode, "single"))
        run_single(shape, commands, build, n, repeats);
    else
        run_batch(shape, commands, build, n, !strcmp(mode, "count") ? 1 : repeats);
    free(commands);
    return 0;
}
