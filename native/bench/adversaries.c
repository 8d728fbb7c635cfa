/* adversaries.c: what the dearest message of each kind costs, sent by somebody who wants it dear.
 *
 * usage: adversaries REPEATS [NAME]. Prints a line of JSON for each: what it is, how many commands, the least of the
 * repeats in nanoseconds a command, and how many reports or orders looked at a command stands for. One command a call, so that
 * nothing is asked for ahead; `frames` where whole frames are of interest too. */
#define _POSIX_C_SOURCE 199309L
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fillstream.h"

#define REPORTS 8192
#define FRAME 256u

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static fs_report reports[REPORTS];
static uint64_t state;

static uint64_t below(uint64_t n) { /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1dULL >> 32) * n >> 32;
}

/* Commands and what they are sent to: those before `build` are not timed. */
static fs_command *commands;
static size_t count, build, room;

static void send(fs_command c) {
    if (count == room && !(commands = realloc(commands, (room = room ? 2 * room : 1024) * sizeof *commands))) exit(2);
    commands[count++] = c;
}

static fs_command order(uint64_t id, uint8_t side, int64_t price, int64_t qty) {
    return (fs_command){.order_id = id, .price = price, .qty = qty, .account = 1, .type = FS_NEW, .side = side,
                        .ord_type = FS_LIMIT, .tif = FS_GTC};
}

static fs_command cancel(uint64_t id) { return (fs_command){.order_id = id, .account = 1, .type = FS_CANCEL}; }

static fs_command print(int64_t price) {
    return (fs_command){.price = price, .qty = 1, .type = FS_PRINT, .side = FS_BUY};
}

static void shuffle_from(size_t first) {
    for (size_t n = count - first; n > 1; n--) {
        size_t other = first + below(n), last = first + n - 1;
        fs_command c = commands[other];
        commands[other] = commands[last];
        commands[last] = c;
    }
}

/* ----------------------------------------------------------------- what they send */

#define MANY 1000000u

static void one_price(void) {
    for (uint64_t id = 1; id <= MANY; id++) send(order(id, FS_BUY, 100, 1));
    build = count;
    for (uint64_t id = 1; id <= MANY; id++) send(cancel(id));
    shuffle_from(build);
}

static void one_price_replaced(void) {
    for (uint64_t id = 1; id <= MANY; id++) send(order(id, FS_BUY, 100, 1));
    build = count;
    for (uint64_t id = 1; id <= MANY; id++)
        send((fs_command){.order_id = id, .price = 100, .qty = 2, .account = 1, .type = FS_REPLACE});
    shuffle_from(build);
}

/* Ids whose products with the golden ratio begin alike: what a table hashed with that alone has in one run. */
static void colliding_ids(void) {
    const uint64_t inverse = 0xf1de83e19937733dULL; /* of 0x9e3779b97f4a7c15, modulo 2^64 */
    for (uint64_t n = 1; n <= 200000; n++) {
        uint64_t product = (uint64_t)12345 << 44 | n << 12, id = product * inverse;
        id ^= id >> 32;
        if (n <= 100000) send(order(id, FS_BUY, (int64_t)n % 500, 1));
        if (n == 100000) build = count;
        if (n > 100000) send(cancel(id)); /* unknown */
    }
}

#define WALKED 1000u

/* All-or-none orders, too large for what comes. */
static void rest_all_or_none(void) {
    for (uint64_t id = 1; id <= WALKED; id++) {
        fs_command c = order(id, FS_SELL, 100, 1000000);
        c.flags = FS_ALL_OR_NONE;
        send(c);
    }
}

static void pass_all_or_none(uint8_t flags, bool takes) {
    rest_all_or_none();
    send(order(WALKED + 1, FS_SELL, takes ? 100 : 101, FS_MAX_QTY));
    build = count;
    for (uint64_t id = MANY; id < MANY + 20000; id++) {
        fs_command c = order(id, FS_BUY, 100, 1);
        c.flags = flags;
        c.tif = takes ? FS_IOC : FS_GTC;
        send(c);
        if (!takes) send(cancel(id));
    }
}

static void taker_past_all_or_none(void) { pass_all_or_none(0, true); }
static void post_only_past_all_or_none(void) { pass_all_or_none(FS_POST_ONLY, false); }

static void sweep_past_all_or_none(void) {
    rest_all_or_none();
    build = count;
    for (uint64_t id = MANY, n = 0; n < 20; n++) {
        for (uint64_t i = 0; i < 1000; i++) send(order(id++, FS_SELL, 100, 1));
        send(order(id++, FS_BUY, 100, 1000));
    }
}

static void trailing_stops(void) {
    send(print(1000000));
    for (uint64_t id = 1; id <= 10000; id++) {
        fs_command c = order(id, FS_SELL, 0, 1);
        c.ord_type = FS_TRAILING_STOP;
        c.aux_qty = 2000 + (int64_t)below(900000);
        send(c);
    }
    build = count;
    for (int64_t i = 1; i <= 500; i++) send(print(1000000 + i));
}

static void stops_at_once(void) {
    for (uint64_t id = 1; id <= 100000; id++) {
        fs_command c = order(id, FS_BUY, 0, 1);
        c.ord_type = FS_STOP;
        c.aux_price = 200 + (int64_t)below(1000);
        send(c);
    }
    build = count;
    send(print(5000));
}

static void iceberg(void) {
    fs_command c = order(1, FS_SELL, 100, FS_MAX_TIPS);
    for (uint64_t id = 1; id <= 50; id++) {
        c.order_id = id;
        c.flags = FS_ICEBERG;
        c.aux_qty = 1;
        send(c);
    }
    build = count;
    send(order(MANY, FS_BUY, 100, 50 * FS_MAX_TIPS));
}

static void fill_or_kill(void) {
    for (uint64_t id = 1; id <= 100000; id++) send(order(id, FS_SELL, (int64_t)(id * 977), 1));
    build = count;
    for (uint64_t id = MANY; id < MANY + 50; id++) {
        fs_command c = order(id, FS_BUY, FS_MAX_PRICE, 200000);
        c.tif = FS_FOK;
        send(c);
    }
}

static void expiries(void) {
    for (uint64_t id = 1; id <= 100000; id++) {
        fs_command c = order(id, FS_SELL, 100 + (int64_t)below(1000), 1);
        c.time_ms = 1 + below(1000000);
        send(c);
    }
    build = count;
    send((fs_command){.type = FS_TIME, .time_ms = 2000000});
}

static void mass_cancel(void) {
    for (uint64_t id = 1; id <= MANY; id++) {
        fs_command c = order(id, FS_SELL, 100 + (int64_t)below(2000), 1);
        if (id % (MANY / 10) == 0) c.account = 2;
        send(c);
    }
    build = count;
    send((fs_command){.type = FS_MASS_CANCEL, .account = 2});
}

static void prices(void) {
    static const int64_t apart = FS_MAX_PRICE / 2 / MANY;
    for (uint64_t id = 1; id <= MANY; id++) send(order(id, FS_SELL, (int64_t)id * apart, 1));
    build = count;
    for (uint64_t id = 1; id <= MANY; id++) send(cancel(id));
    shuffle_from(build);
}

static const struct {
    const char *name, *what;
    void (*make)(void);
    double units; /* what one command stands for; 0: one */
} adversaries[] = {
    {"one_price", "a million orders at one price, cancelled in no order", one_price, 0},
    {"one_price_replaced", "and sent to the end of their queue in no order", one_price_replaced, 0},
    {"prices", "a million orders at a million prices, cancelled in no order", prices, 0},
    {"colliding_ids", "cancels of ids that collide by the golden ratio, among 100 000 such", colliding_ids, 0},
    {"taker_past_all_or_none", "a taker past 1 000 all-or-none orders", taker_past_all_or_none, WALKED},
    {"post_only_past_all_or_none", "a post-only order past them, and its cancel", post_only_past_all_or_none, WALKED},
    {"sweep_past_all_or_none", "1 000 orders behind them and a taker of all: a command", sweep_past_all_or_none, 0},
    {"trailing_stops", "a new high for 10 000 trailing stops", trailing_stops, 10000},
    {"stops_at_once", "100 000 stops that one trade reaches", stops_at_once, 100000},
    {"iceberg", "a taker through 50 icebergs of 10 000 tips", iceberg, 500000},
    {"fill_or_kill", "a fill-or-kill order that 100 000 levels do not fill", fill_or_kill, 100000},
    {"expiries", "100 000 orders that expire at once", expiries, 100000},
    {"mass_cancel", "ten of a million orders, by their owner", mass_cancel, 0},
};

/* ----------------------------------------------------------------------- measuring */

static void process(fs_engine *engine, const fs_command *first, size_t n) {
    size_t begun = 0, consumed;
    while (fs_process(engine, first + begun, n - begun, &consumed, reports, REPORTS) == REPORTS) begun += consumed;
}

static double measured(size_t length) {
    fs_engine *engine = fs_new(2 * MANY);
    if (!engine || fs_reserve(engine, (uint32_t)count) != FS_OK) exit(2);
    for (size_t i = 0; i < build; i += FRAME) process(engine, commands + i, build - i < FRAME ? build - i : FRAME);
    uint64_t start = now_ns();
    for (size_t i = build; i < count; i += length) process(engine, commands + i, count - i < length ? count - i : length);
    uint64_t took = now_ns() - start;
    fs_free(engine);
    return (double)took / (double)(count - build);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    unsigned long repeats = strtoul(argv[1], NULL, 10);
    for (size_t i = 0; i < sizeof adversaries / sizeof *adversaries; i++) {
        if (argc > 2 && strcmp(argv[2], adversaries[i].name)) continue;
        count = 0;
        state = 7;
        adversaries[i].make();
        double calls = 1e18, frames = 1e18;
        for (unsigned long r = 0; r < repeats; r++) {
            double by_calls = measured(1), by_frames = measured(FRAME);
            if (by_calls < calls) calls = by_calls;
            if (by_frames < frames) frames = by_frames;
        }
        double units = adversaries[i].units ? adversaries[i].units : 1;
        printf("{\"name\": \"%s\", \"what\": \"%s\", \"commands\": %zu, \"ns_a_command\": %.1f, "
               "\"ns_in_frames\": %.1f, \"units\": %.0f, \"ns_a_unit\": %.2f}\n",
               adversaries[i].name, adversaries[i].what, count - build, calls, frames, units, calls / units);
        fflush(stdout);
    }
    free(commands);
    return 0;
}
