/* tides.c: orders come by ten thousands and go again, and the table of their ids and the slabs follow them both ways.
 *
 * usage: tides SEED TIDES. Each answer is compared with what a list of live orders says, frames of 256 and single commands
 * by turns, while a table of another size fills; ids that are alike in their low or high bits, too. Exits 0, or says what
 * was not so and after how many commands. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/fillstream.c" /* what follows the orders is no answer: it is looked at inside */

#define HIGH 40000u /* orders that rest at high tide; at low tide a few */
#define FRAME 256u
#define MOST 4000000u /* orders in all */

static uint64_t state;
static unsigned long done; /* commands */

static uint64_t below(uint64_t n) { /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dULL % n;
}

static void must(bool so, const char *sentence) {
    if (so) return;
    fprintf(stderr, "after %lu commands: not so: %s\n", done, sentence);
    exit(1);
}

/* The n-th order's id, in the way of a tide. All ways are one to one. */
static uint64_t id_of(unsigned way, uint64_t n) {
    switch (way) {
    case 0: return n;
    case 1: return n * 8;
    case 2: return n << 22;
    case 3: return n << 40 | 5;
    case 4: return n * 0x9e3779b97f4a7c15ULL; /* the golden ratio's neighbours */
    default: return n << 32 | n;              /* both halves alike */
    }
}

/* Live orders, to be drawn from; order n is a seller of one lot at price n, so the first is the best. */
static uint32_t live[HIGH + FRAME], place[MOST], live_count, first, next = 1;

static void model_add(uint32_t n) {
    live[live_count] = n;
    place[n] = ++live_count;
}

static void model_drop(uint32_t n) {
    uint32_t last = live[--live_count];
    live[place[n] - 1] = last;
    place[last] = place[n];
    place[n] = 0;
}

struct expected {
    uint64_t order_id;
    uint8_t type, reason;
};

static fs_command commands[FRAME];
static fs_report reports[4 * FRAME];
static struct expected wanted[3 * FRAME];
static size_t count, answers;

static void expect(uint64_t id, uint8_t type, uint8_t reason) {
    wanted[answers++] = (struct expected){.order_id = id, .type = type, .reason = reason};
}

static uint32_t account_of(uint32_t n) { return n % 16 ? 1 : 2; }

static fs_command order(uint64_t id, uint8_t side, uint32_t n, int64_t price) {
    return (fs_command){.order_id = id, .price = price, .qty = 1, .account = account_of(n), .symbol = 3, .type = FS_NEW, .side = side,
                        .ord_type = FS_LIMIT, .tif = side == FS_BUY ? FS_IOC : FS_GTC};
}

static void add(unsigned way) {
    uint64_t id = id_of(way, next);
    commands[count++] = order(id, FS_SELL, next, next);
    expect(id, FS_ACCEPTED, 0);
    model_add(next++);
}

static void add_again(unsigned way) {
    uint64_t id = id_of(way, live[below(live_count)]);
    commands[count++] = order(id, FS_SELL, next, next);
    expect(id, FS_REJECTED, FS_REASON_DUPLICATE_ID);
}

static void cancel(unsigned way, uint32_t n) {
    uint64_t id = id_of(way, n);
    commands[count++] = (fs_command){.order_id = id, .account = account_of(n), .type = FS_CANCEL};
    if (place[n]) {
        expect(id, FS_CANCELED, FS_REASON_REQUESTED);
        model_drop(n);
    } else {
        expect(id, FS_CANCEL_REJECTED, FS_REASON_UNKNOWN_ORDER);
    }
}

static void take(unsigned way) {
    uint64_t id = id_of(way, next);
    while (!place[first]) first++;
    commands[count++] = order(id, FS_BUY, next++, FS_MAX_PRICE);
    expect(id, FS_ACCEPTED, 0);
    expect(id_of(way, first), FS_FILLED, 0);
    expect(id, FS_FILLED, 0);
    model_drop(first);
}

static void send(fs_engine *engine) {
    size_t consumed, written = fs_process(engine, commands, count, &consumed, reports, 4 * FRAME);
    must(consumed == count && written == answers, "every command is answered as often as it should be");
    for (size_t i = 0; i < written; i++)
        must(reports[i].order_id == wanted[i].order_id && reports[i].type == wanted[i].type &&
                 reports[i].reason == wanted[i].reason,
             "an answer is what the list of live orders says");
    done += count;
    count = answers = 0;
}

static void look(const fs_engine *engine, unsigned way) {
    fs_resting found;
    uint32_t n = 1 + (uint32_t)below(next - 1);
    must(fs_find(engine, id_of(way, n), &found) == (place[n] != 0), "an order is found as long as it is live");
    if (!engine->former.at || below(50)) return;
    for (uint32_t i = 0; i < live_count; i++)
        must(fs_find(engine, id_of(way, live[i]), &found), "every order is found while ids move");
}

/* More room at once, while ids move. */
static void grow_on_the_way(fs_engine *engine) {
    if (!engine->former.at || engine->capacity > 4 * HIGH || below(300)) return;
    must(fs_reserve(engine, engine->capacity) == FS_OK, "there is memory");
}

/* One command in `rises` of a hundred is an order, the others mostly take one off. */
static void flow(fs_engine *engine, unsigned way, uint32_t until, uint32_t rises) {
    while (rises > 50 ? live_count < until : live_count > until) {
        size_t length = below(8) ? 1 : FRAME;
        while (count < length) {
            uint64_t what = below(100);
            if (what < rises || live_count < 2) add(way);
            else if (what < rises + 2) add_again(way);
            else if (what < rises + 4) cancel(way, 1 + (uint32_t)below(next - 1));
            else if (what % 8) cancel(way, live[below(live_count)]);
            else take(way);
        }
        send(engine);
        look(engine, way);
        grow_on_the_way(engine);
        if (below(2000) == 0) must(!fs_validate(engine), fs_validate(engine));
    }
    must(fs_orders(engine) == live_count, "the engine counts the live orders");
    must(!fs_validate(engine), fs_validate(engine));
}

/* Orders stand all over the slab, those of the few that are left above the fresh slots, too. */
static void list_all(const fs_engine *engine, unsigned way) {
    static fs_resting found[HIGH + FRAME];
    size_t listed = fs_orders_after(engine, 0, 0, 0, found, HIGH + FRAME);
    must(listed == live_count, "all live orders are listed");
    uint64_t sum = 0;
    for (size_t i = 0; i < listed; i++) sum += found[i].order_id - id_of(way, live[i]);
    must(!sum, "the orders that are listed are the live ones");
}

static void cancel_all_of_the_second(fs_engine *engine) {
    fs_command all = {.account = 2, .type = FS_MASS_CANCEL};
    uint32_t wanted_count = 0;
    for (uint32_t i = live_count; i-- > 0;)
        if (account_of(live[i]) == 2) model_drop(live[i]), wanted_count++;
    size_t consumed, begun = 0, written, seen = 0;
    do {
        written = fs_process(engine, &all, 1 - begun, &consumed, reports, 4 * FRAME);
        begun += consumed;
        seen += written;
    } while (written == 4 * FRAME);
    must(seen == wanted_count + 1 && reports[written - 1].qty == wanted_count, "a mass cancel finds all that it means");
    done++;
}

static void go_through_a_snapshot(fs_engine *engine) {
    size_t size = fs_snapshot_size(engine);
    void *bytes = malloc(size);
    must(bytes && fs_snapshot_save(engine, bytes, size) == size, "there is memory");
    uint64_t hash = fs_state_hash(engine);
    must(fs_restore(engine, bytes, size) == FS_OK && fs_state_hash(engine) == hash, "a snapshot holds all of it");
    free(bytes);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    state = strtoull(argv[1], NULL, 10) * 2 + 1;
    unsigned long tides = strtoul(argv[2], NULL, 10);
    for (unsigned way = 0; way < 6; way++) {
        fs_engine *engine = fs_new(HIGH + FRAME);
        if (!engine) return 2;
        memset(place, 0, sizeof place);
        live_count = 0;
        first = next = 1;
        for (unsigned long tide = 0; tide < tides && next < MOST - 4 * HIGH; tide++) {
            uint32_t high = tide % 2 ? HIGH / 8 : HIGH, low = 5 + (uint32_t)below(3) * 1800;
            flow(engine, way, high, 90);
            flow(engine, way, low, 10);
            list_all(engine, way);
            cancel_all_of_the_second(engine);
            list_all(engine, way);
            if (below(2)) go_through_a_snapshot(engine);
            flow(engine, way, low + 600, 55); /* and some trading at low tide, on slots that begin afresh */
            flow(engine, way, low / 2 + 2, 45);
            must(engine->ids.mask < 4096 || engine->ids.mask < 64 * live_count, "at low tide the table is small");
            must(engine->order_slots.fresh < 8192, "and new orders get low slots");
        }
        fs_free(engine);
    }
    printf("%lu commands answered as they should be\n", done);
    return 0;
}
