/* threads.c: the threaded front end: producers that race, answers polled and called back, a stop that drains.
 *
 * usage: threads COMMANDS. Each producer sends so many new orders and cancels to every group; all must be
 * answered, each producer's in its order, and after the stop nothing is missing. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fillstream.h"

#define PRODUCERS 3u
#define GROUPS 2u
#define POLLED 64

struct producer {
    fs_host *host;
    uint64_t number, count;
};

static _Atomic uint64_t called_back;
static uint64_t last_id[GROUPS][PRODUCERS]; /* newest order accepted; each row is its group's own */

static void fail(const char *sentence) {
    fprintf(stderr, "not so: %s\n", sentence);
    exit(1);
}

static void look_at(uint32_t group, const fs_report *reports, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (reports[i].type != FS_ACCEPTED) continue;
        uint64_t *last = &last_id[group][reports[i].order_id % PRODUCERS];
        if (reports[i].order_id <= *last) fail("a producer's orders are executed in its order");
        *last = reports[i].order_id;
        if (reports[i].symbol % GROUPS != group) fail("a symbol belongs to one group");
    }
}

static void on_reports(void *context, uint32_t group, const fs_report *reports, size_t n) {
    (void)context;
    look_at(group, reports, n);
    atomic_fetch_add(&called_back, n);
}

static void *produce(void *argument) {
    struct producer *p = argument;
    for (uint64_t i = 1; i <= p->count; i++) {
        fs_command c[2];
        memset(c, 0, sizeof c);
        c[0].order_id = c[1].order_id = i * PRODUCERS + p->number;
        c[0].symbol = c[1].symbol = (uint32_t)(i % 5);
        c[0].account = c[1].account = 1;
        c[0].type = FS_NEW;
        c[0].side = FS_BUY;
        c[0].ord_type = FS_LIMIT;
        c[0].tif = FS_GTC;
        c[0].price = (int64_t)(100 + i % 50);
        c[0].qty = 5;
        c[1].type = FS_CANCEL;
        for (size_t sent = 0; sent < 2;) sent += fs_host_submit(p->host, c + sent, 2 - sent);
    }
    return NULL;
}

static uint64_t poll_all(fs_host *host) {
    fs_report reports[POLLED];
    uint64_t seen = 0;
    for (uint32_t group = 0; group < GROUPS; group++) {
        size_t n = fs_host_poll(host, group, reports, POLLED);
        look_at(group, reports, n);
        seen += n;
    }
    return seen;
}

static void run(uint64_t count, fs_host_callback callback) {
    fs_host *host = fs_host_new(GROUPS, 100000, 128, callback, NULL);
    if (!host) fail("there is memory for two groups");
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    uint64_t expected = 2 * count * PRODUCERS, seen = 0;
    memset(last_id, 0, sizeof last_id);
    for (uint64_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){host, i, count};
        if (pthread_create(&threads[i], NULL, produce, &producers[i])) fail("there are threads");
    }
    if (!callback)
        while (seen < expected) seen += poll_all(host);
    for (uint64_t i = 0; i < PRODUCERS; i++) pthread_join(threads[i], NULL);
    fs_host_stop(host);
    while (!fs_host_done(host)) seen += poll_all(host);
    seen += poll_all(host);
    if (fs_host_submit(host, &(fs_command){.type = FS_TIME}, 1)) fail("a stopped host takes nothing");
    fs_host_free(host);
    if (callback) seen = atomic_load(&called_back);
    if (seen != expected) fail("every command is answered once");
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    uint64_t count = strtoull(argv[1], NULL, 10);
    run(count, NULL);
    run(count, on_reports);
    fs_host *unread = fs_host_new(GROUPS, 1000, 4, NULL, NULL); /* nobody polls: free must not hang */
    struct producer one = {unread, 0, 2};
    produce(&one);
    fs_host_free(unread);
    if (fs_host_new(0, 1, 1, NULL, NULL) || fs_host_new(1, 0, 1, NULL, NULL)) fail("limits are checked");
    return 0;
}
