/* memory.c: malloc fails at every site in turn, once and for good; the engine must stay sound and say so, and
 * the threaded front end must not begin with less than all it needs, a thread it cannot have included.
 *
 * Includes the library, so that its allocations can be counted. Run it under ASan: nothing may leak. */
#define _GNU_SOURCE /* as host.c, which it includes behind other headers */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/random.h>
#else
#include <unistd.h>
#endif

static unsigned long left;   /* allocations until one fails */
static bool for_good, failed;

static bool may_allocate(void) {
    if (failed) return !for_good;
    if (left--) return true;
    failed = true;
    return false;
}

static void *counted_malloc(size_t size) { return may_allocate() ? malloc(size) : NULL; }
static void *counted_calloc(size_t n, size_t size) { return may_allocate() ? calloc(n, size) : NULL; }
static void *counted_aligned_alloc(size_t alignment, size_t size) {
    return may_allocate() ? aligned_alloc(alignment, size) : NULL;
}
static int counted_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    return may_allocate() ? pthread_create(thread, attributes, run, argument) : EAGAIN;
}
#ifdef __linux__
static ssize_t counted_random(void *bytes, size_t size, unsigned flags) {
    return may_allocate() ? getrandom(bytes, size, flags) : -1;
}
#define getrandom counted_random
#else
static int counted_random(void *bytes, size_t size) { return may_allocate() ? getentropy(bytes, size) : -1; }
#define getentropy counted_random
#endif

#define malloc counted_malloc
#define calloc counted_calloc
#define aligned_alloc counted_aligned_alloc
#define pthread_create counted_create
#include "../src/fillstream.c"
#include "../src/host.c"
#undef malloc
#undef calloc
#undef aligned_alloc
#undef pthread_create
#undef getrandom
#undef getentropy

#define ORDERS 3000u

static void must_not(const char *sentence, unsigned long site) {
    fprintf(stderr, "with allocation %lu failing: not so: %s\n", site, sentence);
    exit(1);
}

static fs_command order(uint64_t id) {
    return (fs_command){.order_id = id,
                        .price = (int64_t)(id * 977 % 500),
                        .qty = 5,
                        .time_ms = id % 3 ? 0 : 1000,
                        .account = 1,
                        .symbol = (uint32_t)(id % 7),
                        .type = FS_NEW,
                        .side = FS_BUY,
                        .ord_type = FS_LIMIT,
                        .tif = FS_GTC};
}

/* Every order is accepted or refused for want of memory, and what was accepted is there. */
static void fill(fs_engine *engine, unsigned long site) {
    uint32_t accepted = 0;
    uint64_t due = 0;
    for (uint64_t id = 1; id <= ORDERS; id++) {
        fs_command c = order(id);
        fs_report report;
        size_t consumed;
        if (fs_process(engine, &c, 1, &consumed, &report, 1) != 1 || consumed != 1) must_not("each is answered", site);
        fs_process(engine, NULL, 0, &consumed, &report, 1);
        if (report.type == FS_ACCEPTED && c.time_ms) due = c.time_ms;
        if (report.type == FS_ACCEPTED) accepted++;
        else if (report.reason != FS_REASON_CAPACITY) must_not("only capacity is a reason", site);
    }
    if (fs_orders(engine) != accepted) must_not("what was accepted rests", site);
    if (fs_due(engine) != due) must_not("what was accepted with an expiry is due then, and nothing else", site);
    if (fs_validate(engine)) must_not(fs_validate(engine), site);
}

static void restore(fs_engine *engine, unsigned long site) {
    size_t size = fs_snapshot_size(engine);
    void *bytes = malloc(size);
    if (!bytes || fs_snapshot_save(engine, bytes, size) != size) must_not("a snapshot is written", site);
    uint64_t hash = fs_state_hash(engine), due = fs_due(engine);
    int status = fs_restore(engine, bytes, size);
    if (status != FS_OK && status != FS_NO_MEMORY) must_not("a restore works or runs out of memory", site);
    if (fs_state_hash(engine) != hash || fs_validate(engine)) must_not("a failed restore changes nothing", site);
    if (fs_due(engine) != due) must_not("nor does it change what is due", site);
    free(bytes);
}

static void use_engine(unsigned long site) {
    fs_engine *engine = fs_new(ORDERS);
    if (!engine && !failed) must_not("an engine is made", site);
    if (!engine) return;
    fill(engine, site);
    (void)fs_reserve(engine, ORDERS * 4);
    restore(engine, site);
    fs_free(engine);
}

static void use_host(unsigned long site) {
    fs_host *host = fs_host_new(3, 10, 4, NULL, NULL);
    if (!host != failed) must_not("a host begins with all it needs or not at all", site);
    fs_host_free(host);
}

/* Each allocation fails in turn, until there is none left to fail. */
static void at_every_site(void (*use)(unsigned long)) {
    for (int good = 0; good < 2; good++)
        for (unsigned long site = 0;; site++) {
            left = site;
            failed = false;
            for_good = good;
            use(site);
            if (!failed) break;
        }
}

int main(void) {
    at_every_site(use_engine);
    at_every_site(use_host);
    return 0;
}
