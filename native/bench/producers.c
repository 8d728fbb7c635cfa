/* producers.c: the threaded front end under several producers, beside an engine that one thread feeds.
 *
 * usage: producers MESSAGES REPEATS. Prints a line of JSON for each number of producers and length of batch: the least of
 * the repeats in nanoseconds a message from the first submit to the last answer (of all threads together), and the processor
 * time of all threads. One group; each producer has a symbol of its own, answers go to a callback. `alone`: the same commands
 * through fs_process in frames of as many. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flows.h"

#define MOST 4u
#define RING 8192u
#define REPORTS 8192u

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct producer {
    fs_host *host;
    const fs_command *commands;
    size_t build, count, batch;
    _Atomic uint32_t *ready;
    _Atomic bool *go;
};

static fs_command *commands[MOST];
static size_t build[MOST];
static _Atomic uint64_t answered;

static void on_reports(void *context, uint32_t group, const fs_report *reports, size_t n) {
    (void)context, (void)group, (void)reports;
    atomic_fetch_add_explicit(&answered, n, memory_order_relaxed);
}

static void submit_all(fs_host *host, const fs_command *c, size_t n, size_t batch) {
    for (size_t i = 0; i < n;) {
        size_t length = n - i < batch ? n - i : batch, taken = fs_host_submit(host, c + i, length);
        if (!taken) sched_yield();
        i += taken;
    }
}

static void *produce(void *argument) {
    struct producer *p = argument;
    submit_all(p->host, p->commands, p->build, 256);
    atomic_fetch_add(p->ready, 1);
    while (!atomic_load(p->go)) sched_yield();
    submit_all(p->host, p->commands + p->build, p->count, p->batch);
    return NULL;
}

/* Wait until nothing more comes. */
static void drain(fs_host *host) {
    fs_host_stop(host);
    while (!fs_host_done(host)) sched_yield();
}

static void visited(void *context, uint32_t group, fs_engine *engine) {
    (void)group, (void)engine;
    atomic_store((_Atomic bool *)context, true);
}

static void measured(uint32_t producers, size_t batch, size_t n, double *wall, double *cpu) {
    fs_host *host = fs_host_new(1, 1u << 20, RING, on_reports, NULL);
    if (!host) exit(2);
    pthread_t threads[MOST];
    struct producer each[MOST];
    _Atomic bool go = false, built = false;
    _Atomic uint32_t ready = 0;
    for (uint32_t p = 0; p < producers; p++) {
        each[p] = (struct producer){host, commands[p], build[p], n / producers, batch, &ready, &go};
        if (pthread_create(&threads[p], NULL, produce, &each[p])) exit(2);
    }
    while (atomic_load(&ready) < producers) sched_yield();
    while (fs_host_visit(host, 0, visited, &built) != FS_OK) sched_yield();
    while (!atomic_load(&built)) sched_yield();
    uint64_t began = now_ns(), worked = cpu_ns();
    atomic_store(&go, true);
    for (uint32_t p = 0; p < producers; p++) pthread_join(threads[p], NULL);
    drain(host);
    *wall = (double)(now_ns() - began) / (double)(n / producers * producers);
    *cpu = (double)(cpu_ns() - worked) / (double)(n / producers * producers);
    fs_host_free(host);
}

/* The same commands, the producers' by turns, through an engine of this thread's own. */
static double alone(uint32_t producers, size_t batch, size_t n) {
    static fs_report reports[REPORTS];
    fs_engine *engine = fs_new(1u << 20);
    size_t consumed;
    if (!engine) exit(2);
    for (uint32_t p = 0; p < producers; p++)
        for (size_t i = 0; i < build[p]; i += 256)
            fs_process(engine, commands[p] + i, build[p] - i < 256 ? build[p] - i : 256, &consumed, reports, REPORTS);
    uint64_t began = now_ns();
    for (size_t i = 0; i < n / producers; i += batch)
        for (uint32_t p = 0; p < producers; p++) {
            size_t left = n / producers - i;
            fs_process(engine, commands[p] + build[p] + i, left < batch ? left : batch, &consumed, reports, REPORTS);
        }
    double took = (double)(now_ns() - began) / (double)(n / producers * producers);
    fs_free(engine);
    return took;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    size_t n = strtoull(argv[1], NULL, 10), repeats = strtoull(argv[2], NULL, 10);
    for (uint32_t p = 0; p < MOST; p++) {
        build[p] = flow_make(flow_named("one"), 7 + p, n, &commands[p]);
        for (size_t i = 0; i < build[p] + n; i++) {
            commands[p][i].order_id |= (uint64_t)p << 40;
            commands[p][i].symbol = p;
        }
    }
    static const size_t batches[] = {1, 16, 256};
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
        for (uint32_t producers = 1; producers <= MOST; producers *= 2) {
            double wall = 1e18, cpu = 1e18, floor = 1e18;
            for (size_t r = 0; r < repeats; r++) {
                double w, c, f = alone(producers, batches[b], n);
                measured(producers, batches[b], n, &w, &c);
                if (w < wall) wall = w;
                if (c < cpu) cpu = c;
                if (f < floor) floor = f;
            }
            printf("{\"producers\": %u, \"batch\": %zu, \"ns\": %.1f, \"cpu_ns\": %.1f, \"alone_ns\": %.1f}\n", producers,
                   batches[b], wall, cpu, floor);
            fflush(stdout);
        }
    for (uint32_t p = 0; p < MOST; p++) free(commands[p]);
    return 0;
}
