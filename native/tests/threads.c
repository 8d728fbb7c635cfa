/* threads.c: the threaded front end: producers that race, answers polled and called back, a stop that drains, what
 * goes to every group, callbacks that submit, and nobody who waits for ever: SIGALRM ends a run that hangs.
 *
 * usage: threads COMMANDS. Each producer sends so many new orders and cancels to every group; all must be
 * answered, each producer's in its order, and after the stop nothing is missing. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fillstream.h"

#define PRODUCERS 3u
#define GROUPS 2u
#define POLLED 64
#define HANGS_S 100 /* below the patience of who runs this */

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

static fs_command order(uint64_t id, uint32_t symbol) {
    return (fs_command){.order_id = id,
                        .price = (int64_t)(100 + id % 50),
                        .qty = 5,
                        .account = 1,
                        .symbol = symbol,
                        .type = FS_NEW,
                        .side = FS_BUY,
                        .ord_type = FS_LIMIT,
                        .tif = FS_GTC};
}

static fs_command cancel(uint64_t id, uint32_t symbol) {
    return (fs_command){.order_id = id, .account = 1, .symbol = symbol, .type = FS_CANCEL};
}

/* To every group, each of which answers with the id: the orders of an account that has none. */
static fs_command to_all(uint64_t id) {
    return (fs_command){.order_id = id, .account = 2, .type = FS_MASS_CANCEL};
}

static bool taken(fs_host *host, fs_command c) { return fs_host_submit(host, &c, 1) == 1; }

static void submit(fs_host *host, fs_command c) {
    while (!taken(host, c)) sched_yield();
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
        uint64_t id = i * PRODUCERS + p->number;
        fs_command c[2] = {order(id, (uint32_t)(i % 5)), cancel(id, (uint32_t)(i % 5))};
        for (size_t sent = 0, more; sent < 2; sent += more)
            if (!(more = fs_host_submit(p->host, c + sent, 2 - sent))) sched_yield();
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
    if (!seen) sched_yield();
    return seen;
}

static fs_host *begin(uint32_t ring, fs_host_callback callback, void *context) {
    fs_host *host = fs_host_new(GROUPS, 100000, ring, callback, context);
    if (!host) fail("there is memory for two groups");
    return host;
}

static void run(uint64_t count, uint32_t ring, fs_host_callback callback) {
    fs_host *host = begin(ring, callback, NULL);
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    uint64_t expected = 2 * count * PRODUCERS, seen = 0;
    memset(last_id, 0, sizeof last_id);
    atomic_store(&called_back, 0);
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

/* ------------------------------------------------------------- to every group */

/* Everything answered, by group: to_all's ids in the order of the answers, and how many orders came in. */
struct answers {
    uint64_t *ids[GROUPS];
    size_t all[GROUPS], accepted, room;
};

static struct answers answers_new(size_t room) {
    struct answers a = {.room = room};
    for (uint32_t group = 0; group < GROUPS; group++)
        if (!(a.ids[group] = malloc(room * sizeof *a.ids[group]))) fail("there is memory for answers");
    return a;
}

static void answers_free(struct answers *a) {
    for (uint32_t group = 0; group < GROUPS; group++) free(a->ids[group]);
}

static size_t collect(fs_host *host, struct answers *a) {
    fs_report reports[POLLED];
    size_t seen = 0;
    for (uint32_t group = 0; group < GROUPS; group++) {
        size_t n = fs_host_poll(host, group, reports, POLLED);
        for (size_t i = 0; i < n; i++) {
            a->accepted += reports[i].type == FS_ACCEPTED;
            if (reports[i].type != FS_MASS_CANCELED) continue;
            if (a->all[group] == a->room) fail("no command is answered twice");
            a->ids[group][a->all[group]++] = reports[i].order_id;
        }
        seen += n;
    }
    if (!seen) sched_yield();
    return seen;
}

static void collect_rest(fs_host *host, struct answers *a) {
    fs_host_stop(host);
    while (!fs_host_done(host)) collect(host, a);
    while (collect(host, a)) continue;
}

static void must_be_answered_everywhere(const struct answers *a, size_t count) {
    for (uint32_t group = 0; group < GROUPS; group++) {
        if (a->all[group] != count) fail("what goes to every group is answered by each, or by none if it was refused");
        if (memcmp(a->ids[group], a->ids[0], count * sizeof *a->ids[0])) fail("it comes in one order at all groups");
    }
}

/* Orders into group 0 until it takes no more, since nobody polls. Returns how many it took. */
static size_t stuff(fs_host *host) {
    size_t orders = 0;
    for (int refused = 0; refused < 10000; refused++) {
        if (taken(host, order(orders + 1, 0))) orders++, refused = 0;
        else sched_yield();
    }
    return orders;
}

/* One thread that submits, and polls when it is refused: while a ring is full it must get that refusal. */
static void one_thread_does_both(void) {
    fs_host *host = begin(4, NULL, NULL);
    struct answers a = answers_new(2000);
    size_t orders = stuff(host), all = 0;
    while (taken(host, to_all(all + 1)))
        if (++all == 1000) fail("a full ring takes nothing, of what goes to every group either");
    while (all < 1000)
        if (taken(host, to_all(all + 1))) all++;
        else collect(host, &a);
    collect_rest(host, &a);
    must_be_answered_everywhere(&a, all);
    if (a.accepted != orders) fail("what was taken before is answered too");
    answers_free(&a);
    fs_host_free(host);
}

static void *produce_all(void *argument) {
    struct producer *p = argument;
    for (uint64_t i = 1; i <= p->count; i++) {
        uint64_t id = i * PRODUCERS + p->number;
        fs_command c = order(id, (uint32_t)(i % 5));
        c.tif = FS_IOC; /* nothing rests: a mass cancel looks at all that does */
        submit(p->host, c);
        submit(p->host, to_all(id));
    }
    return NULL;
}

/* Several producers, whose rings are full nearly always: what goes to every group goes to all or to none. */
static void many_do(uint64_t count, uint32_t ring) {
    fs_host *host = begin(ring, NULL, NULL);
    struct answers a = answers_new(count * PRODUCERS);
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    for (uint64_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){host, i, count};
        if (pthread_create(&threads[i], NULL, produce_all, &producers[i])) fail("there are threads");
    }
    while (a.accepted < count * PRODUCERS || a.all[0] < count * PRODUCERS) collect(host, &a);
    for (uint64_t i = 0; i < PRODUCERS; i++) pthread_join(threads[i], NULL);
    collect_rest(host, &a);
    must_be_answered_everywhere(&a, count * PRODUCERS);
    if (a.accepted != count * PRODUCERS) fail("every order is answered once");
    answers_free(&a);
    fs_host_free(host);
}

/* ------------------------------------------------------------- from a callback */

struct caller {
    fs_host *_Atomic host;
    _Atomic bool full, done; /* the ring of group 0 is; its callback has submitted */
    _Atomic size_t took, answered[GROUPS], accepted;
    bool stops;
};

/* The first answer of group 0 waits until its ring is full, then submits there and everywhere. */
static void on_reports_submit(void *context, uint32_t group, const fs_report *reports, size_t n) {
    struct caller *c = context;
    for (size_t i = 0; i < n; i++) {
        c->answered[group] += reports[i].type == FS_MASS_CANCELED;
        c->accepted += reports[i].type == FS_ACCEPTED;
    }
    if (group || c->full) return;
    while (!c->full) sched_yield();
    if (c->stops) fs_host_stop(c->host);
    if (taken(c->host, order(1, 0))) fail("a callback is refused too while its ring is full");
    while (taken(c->host, to_all(1)))
        if (++c->took == 1000) fail("a full ring takes nothing from its own callback");
    if (c->stops && c->took) fail("a stopped host takes nothing from a callback");
    c->done = true;
}

static void a_callback_submits(bool stops) {
    struct caller c = {.stops = stops};
    c.host = begin(2, on_reports_submit, &c);
    size_t orders = 0;
    while (orders < 2) orders += taken(c.host, order(orders + 1, 0)); /* the second: group 0 has pulled the first */
    orders += stuff(c.host);
    c.full = true;
    while (!c.done) sched_yield();
    fs_host_free(c.host);
    for (uint32_t group = 0; group < GROUPS; group++)
        if (c.answered[group] != c.took) fail("what a callback submits is answered");
    if (!stops && !c.took) fail("one place of a ring is kept for what goes to every group");
}

/* --------------------------------------------------------------- idle threads */

/* One command at a time to threads that fall asleep, or are about to: each must be seen. */
static void nobody_sleeps_through_it(uint64_t count) {
    fs_host *host = begin(2, NULL, NULL);
    fs_report report;
    for (uint64_t i = 1; i <= count; i++) {
        submit(host, order(i, (uint32_t)(i % GROUPS)));
        while (!fs_host_poll(host, i % GROUPS, &report, 1)) continue;
        if (report.order_id != i) fail("a command is answered before the next one comes");
        for (volatile uint64_t busy = i * 7 % 4096; busy; busy--) continue; /* as long as it looks before it sleeps */
    }
    fs_host_free(host);
}

static void *produce_one(void *argument) {
    submit(argument, order(1, 0));
    return NULL;
}

static void note(void *context, uint32_t group, const fs_report *reports, size_t n) {
    (void)group, (void)reports, (void)n;
    atomic_store((_Atomic bool *)context, true);
}

/* Who has the answer frees the host, though the producer may not have come back from fs_host_submit. */
static void free_while_a_producer_leaves(void) {
    _Atomic bool answered = false;
    pthread_t thread;
    fs_host *host = begin(2, note, &answered);
    if (pthread_create(&thread, NULL, produce_one, host)) fail("there are threads");
    while (!atomic_load(&answered)) sched_yield();
    fs_host_free(host);
    pthread_join(thread, NULL);
}

/* ---------------------------------------------------------------- the same again */

#define SAME 3000u

static void compare(const fs_report *live, size_t n, const fs_command *commands, size_t count) {
    fs_engine *engine = fs_new(100000);
    fs_report *again = malloc((2 * SAME + 1) * sizeof *again);
    size_t consumed;
    if (!engine || !again) fail("there is memory for an engine");
    if (fs_process(engine, commands, count, &consumed, again, 2 * SAME + 1) != n || consumed != count)
        fail("an engine of one's own gives as many reports");
    if (memcmp(live, again, n * sizeof *again)) fail("an engine of one's own gives the same reports");
    free(again);
    fs_free(engine);
}

/* The header's advice to who wants queries or a snapshot: one producer keeps what it submits, by group. */
static void an_engine_of_ones_own_is_the_same(void) {
    fs_host *host = begin(64, NULL, NULL);
    fs_command *kept[GROUPS];
    fs_report *reports[GROUPS];
    size_t count[GROUPS] = {0}, seen[GROUPS] = {0};
    for (uint32_t group = 0; group < GROUPS; group++) {
        kept[group] = malloc(SAME * sizeof *kept[group]);
        reports[group] = malloc(2 * SAME * sizeof *reports[group]);
        if (!kept[group] || !reports[group]) fail("there is memory for commands and reports");
    }
    for (uint64_t i = 1; i <= SAME; i++) {
        fs_command c = i % 100 == 0 ? to_all(i) : order(i, (uint32_t)(i % 5));
        if (i % 3 == 0) c.side = c.type == FS_NEW ? FS_SELL : 0;
        while (!taken(host, c))
            for (uint32_t group = 0; group < GROUPS; group++)
                seen[group] += fs_host_poll(host, group, reports[group] + seen[group], 2 * SAME - seen[group]);
        for (uint32_t group = 0; group < GROUPS; group++)
            if (i % 100 == 0 || c.symbol % GROUPS == group) kept[group][count[group]++] = c;
    }
    fs_host_stop(host);
    for (bool done = false; !done;) {
        done = fs_host_done(host);
        for (uint32_t group = 0; group < GROUPS; group++)
            seen[group] += fs_host_poll(host, group, reports[group] + seen[group], 2 * SAME - seen[group]);
    }
    for (uint32_t group = 0; group < GROUPS; group++) {
        compare(reports[group], seen[group], kept[group], count[group]);
        free(kept[group]);
        free(reports[group]);
    }
    fs_host_free(host);
}

/* ------------------------------------------------------------------------ visits */

/* What a visitor saw of each group: its state, and how many orders. */
struct sight {
    void *bytes[GROUPS];
    size_t size[GROUPS];
    uint64_t hash[GROUPS], orders[GROUPS];
    _Atomic uint32_t seen;
};

static void save(void *context, uint32_t group, fs_engine *engine) {
    struct sight *s = context;
    s->size[group] = fs_snapshot_size(engine);
    s->bytes[group] = malloc(s->size[group]);
    if (!s->bytes[group] || fs_snapshot_save(engine, s->bytes[group], s->size[group]) != s->size[group])
        fail("a visitor comes between two commands, and there is memory for a snapshot");
    s->hash[group] = fs_state_hash(engine);
    s->orders[group] = fs_orders(engine);
    atomic_fetch_add(&s->seen, 1);
}

static void restore(void *context, uint32_t group, fs_engine *engine) {
    struct sight *s = context;
    if (fs_restore(engine, s->bytes[group], s->size[group]) != FS_OK) fail("a visitor may restore a snapshot");
    atomic_fetch_add(&s->seen, 1);
}

static void visit(fs_host *host, uint32_t group, fs_host_visitor visitor, struct sight *s) {
    while (fs_host_visit(host, group, visitor, s) == FS_BUSY) poll_all(host);
}

static void await(fs_host *host, struct sight *s, uint32_t groups) {
    while (atomic_load(&s->seen) < groups) poll_all(host);
}

static void forget(struct sight *s) {
    for (uint32_t group = 0; group < GROUPS; group++) free(s->bytes[group]);
}

static _Atomic bool enough;

/* Orders of one producer, one lot each, to both groups by turns: a state of all books has as many of each group, or one
 * more of the first. */
static void *produce_by_turns(void *argument) {
    struct producer *p = argument;
    fs_command c[POLLED];
    for (uint64_t i = 1; i + POLLED <= p->count && !atomic_load(&enough);) { /* batches that go to both */
        for (uint64_t k = 0; k < POLLED; k++) c[k] = order(i + k, (uint32_t)((i + k) % GROUPS));
        size_t sent = 0, length = 1 + i % POLLED;
        for (size_t more; sent < length; sent += more)
            if (!(more = fs_host_submit(p->host, c + sent, length - sent)) && atomic_load(&enough)) return NULL;
        i += length;
    }
    return NULL;
}

static void all_books_at_one_moment(uint64_t count, uint32_t ring) {
    fs_host *host = begin(ring, NULL, NULL);
    struct producer one = {host, 0, count};
    pthread_t thread;
    memset(last_id, 0, sizeof last_id);
    atomic_store(&enough, false);
    if (pthread_create(&thread, NULL, produce_by_turns, &one)) fail("there are threads");
    uint64_t before = 0;
    for (int i = 0; i < 200 || before < count / 2; i++) {
        struct sight s = {.seen = 0};
        visit(host, FS_ALL_GROUPS, save, &s);
        await(host, &s, GROUPS);
        if (s.orders[1] - s.orders[0] > 1) fail("all groups are seen at one moment"); /* 1 is of the second */
        if (s.orders[0] + s.orders[1] < before) fail("a later visitor sees what an earlier one saw");
        before = s.orders[0] + s.orders[1];
        forget(&s);
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    fs_host_stop(host);
    struct sight late = {.seen = 0};
    if (fs_host_visit(host, 0, save, &late) != FS_BUSY) fail("a stopped host takes no visitor");
    fs_host_free(host);
}

/* A visitor sees what its thread has submitted; another host goes on from what it saved, with the same answers. */
static void a_host_goes_on_from_a_snapshot(void) {
    fs_host *host = begin(64, NULL, NULL), *other = begin(64, NULL, NULL);
    struct sight s = {.seen = 0}, again = {.seen = 0};
    memset(last_id, 0, sizeof last_id);
    for (uint64_t i = 1; i <= 3000; i++) {
        fs_command c = order(i, (uint32_t)(i % 5));
        while (!taken(host, c)) poll_all(host);
        if (i != 2000) continue;
        visit(host, FS_ALL_GROUPS, save, &s);
    }
    await(host, &s, GROUPS);
    if (s.orders[0] + s.orders[1] != 2000) fail("a visitor sees what its thread submitted before, and nothing later");
    visit(other, 1, restore, &s);
    visit(other, 0, restore, &s);
    await(other, &s, 2 * GROUPS);
    struct sight first = {.seen = 0};
    visit(host, FS_ALL_GROUPS, save, &first);
    await(host, &first, GROUPS);
    memset(last_id, 0, sizeof last_id); /* the other host's from here on */
    for (uint64_t i = 2001; i <= 3000; i++)
        while (!taken(other, order(i, (uint32_t)(i % 5)))) poll_all(other);
    visit(other, FS_ALL_GROUPS, save, &again);
    await(other, &again, GROUPS);
    if (memcmp(first.hash, again.hash, sizeof first.hash)) fail("who goes on from a snapshot has the same state");
    if (fs_host_visit(host, GROUPS, save, &s) != FS_NO_GROUP || fs_host_pin(host, GROUPS, 0) != FS_NO_GROUP)
        fail("a group that is not there is not visited");
#ifdef __linux__
    if (fs_host_pin(host, 0, 0) != FS_OK) fail("a thread may run on the first processor alone");
#endif
    if (fs_host_pin(host, 0, 1u << 20) != FS_NO_CPU) fail("there are not so many processors");
    forget(&s), forget(&first), forget(&again);
    fs_host_free(host);
    fs_host_free(other);
}

struct visits {
    fs_host *host;
    _Atomic uint32_t taken, seen; /* groups that are to be visited, and that were */
};

static void count_visit(void *context, uint32_t group, fs_engine *engine) {
    (void)group, (void)engine;
    atomic_fetch_add(&((struct visits *)context)->seen, 1);
}

/* A full ring refuses, too: what ends it is the host's end. */
static void *visit_until_it_stops(void *argument) {
    struct visits *v = argument;
    for (uint32_t i = 0; !atomic_load(&enough); i++) {
        bool all = i % 2;
        if (fs_host_visit(v->host, all ? FS_ALL_GROUPS : 0, count_visit, v) == FS_OK)
            atomic_fetch_add(&v->taken, all ? GROUPS : 1);
    }
    return NULL;
}

/* A visit that was taken as the host was stopped is made, for all that. */
static void who_was_let_in_is_received(void) {
    struct visits v = {.host = begin(64, NULL, NULL)};
    pthread_t thread;
    atomic_store(&enough, false);
    if (pthread_create(&thread, NULL, visit_until_it_stops, &v)) fail("there are threads");
    while (atomic_load(&v.taken) < 20) sched_yield();
    fs_host_stop(v.host);
    while (!fs_host_done(v.host)) sched_yield();
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    fs_host_free(v.host);
    if (v.seen != v.taken) fail("every visit that was taken is made, and no other");
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    alarm(HANGS_S);
    uint64_t count = strtoull(argv[1], NULL, 10);
    run(count, 128, NULL);
    run(count, 2, NULL);
    run(count, 128, on_reports);
    one_thread_does_both();
    many_do(count, 2);
    many_do(count, 64);
    a_callback_submits(false);
    a_callback_submits(true);
    nobody_sleeps_through_it(10 * count);
    for (int i = 0; i < 200; i++) free_while_a_producer_leaves();
    an_engine_of_ones_own_is_the_same();
    a_host_goes_on_from_a_snapshot();
    for (int i = 0; i < 200; i++) who_was_let_in_is_received();
    all_books_at_one_moment(2 * count, 16);
    all_books_at_one_moment(2 * count, 1024);
    fs_host *unread = fs_host_new(GROUPS, 1000, 4, NULL, NULL); /* nobody polls: free must not hang */
    struct producer one = {unread, 0, 2};
    produce(&one);
    fs_host_free(unread);
    if (fs_host_new(0, 1, 1, NULL, NULL) || fs_host_new(1, 0, 1, NULL, NULL)) fail("limits are checked");
    return 0;
}
