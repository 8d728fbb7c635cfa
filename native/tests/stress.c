/* stress.c: seeded hostile commands, with every state validated, for the sanitizers.
 *
 * usage: stress SEED COMMANDS. Exits 0, or says which invariant broke and after how many commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fillstream.h"

#define CAPACITY 3 /* small: most commands need several calls */

static uint64_t state;

static uint64_t next_random(void) { /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(uint64_t n) { return next_random() % n; }

static int64_t hostile(int64_t low, uint64_t span) {
    static const int64_t edges[] = {INT64_MIN, INT64_MAX, 0, -1, FS_MAX_PRICE, -FS_MAX_PRICE, FS_MAX_QTY};
    return below(40) ? low + (int64_t)below(span) : edges[below(sizeof edges / sizeof *edges)];
}

static fs_command random_command(void) {
    fs_command c;
    if (!below(50)) { /* plain noise */
        uint64_t words[8];
        for (int i = 0; i < 8; i++) words[i] = next_random();
        memcpy(&c, words, sizeof c);
        return c;
    }
    static const uint8_t types[] = {FS_NEW,    FS_NEW,   FS_NEW,   FS_NEW,         FS_NEW,   FS_NEW, FS_CANCEL,
                                    FS_CANCEL, FS_REPLACE, FS_QUOTE, FS_PRINT, FS_SESSION, FS_BANDS};
    static const uint8_t ord_types[] = {FS_LIMIT, FS_LIMIT, FS_LIMIT, FS_MARKET, FS_STOP, FS_STOP_LIMIT,
                                        FS_MARKET_TO_LIMIT, FS_TRAILING_STOP};
    static const uint8_t flags[] = {0, 0, 0, FS_POST_ONLY, FS_ALL_OR_NONE, FS_ICEBERG, FS_OFFSET_BPS};
    memset(&c, 0, sizeof c);
    c.type = below(60) ? types[below(sizeof types)] : below(2) ? FS_TIME : FS_MASS_CANCEL;
    c.order_id = below(3000);
    c.price = hostile(90, 20);
    c.qty = hostile(0, 30);
    c.aux_price = hostile(95, 20);
    c.aux_qty = hostile(0, 30);
    c.time_ms = below(3) ? 0 : below(2000);
    c.account = (uint32_t)below(3);
    c.symbol = below(30) ? (uint32_t)below(3) : (uint32_t)below(80000);
    c.side = (uint8_t)(1 + below(2));
    c.ord_type = below(2) ? FS_LIMIT : ord_types[below(sizeof ord_types)];
    c.tif = (uint8_t)(below(4) ? FS_GTC : below(7));
    if (c.type == FS_NEW) c.flags = below(2) ? 0 : flags[below(sizeof flags)];
    if (c.type == FS_NEW && !below(4)) c.stp = (uint8_t)below(5);
    if (c.type == FS_REPLACE) c.flags = (uint8_t)below(4);
    if (c.type == FS_MASS_CANCEL) c.flags = FS_BY_SYMBOL;
    if (c.type == FS_SESSION && !below(3)) c.flags = (uint8_t)below(3);
    if (c.type == FS_BANDS && !below(3)) c.flags = 1;
    c.partition = (uint16_t)below(4);
    return c;
}

static void execute(fs_engine *engine, const fs_command *command) {
    fs_report reports[CAPACITY];
    unsigned char misplaced[sizeof *command + 1]; /* commands may stand at any address */
    memcpy(misplaced + 1, command, sizeof *command);
    size_t begun = 0, consumed;
    while (fs_process(engine, misplaced + 1, 1 - begun, &consumed, reports, CAPACITY) == CAPACITY)
        begun += consumed;
}

/* Restore the engine's own snapshot, then one with a byte changed: neither may harm it. */
static void go_through_a_snapshot(fs_engine *engine) {
    size_t size = fs_snapshot_size(engine);
    unsigned char *bytes = malloc(size);
    if (!bytes || fs_snapshot_save(engine, bytes, size) != size) abort();
    uint64_t hash = fs_state_hash(engine);
    if (fs_restore(engine, bytes, size) != FS_OK || fs_state_hash(engine) != hash) abort();
    bytes[below(size)] ^= (unsigned char)(1 + below(255));
    if (fs_restore(engine, bytes, size - 8 * below(2)) != FS_BAD_SNAPSHOT) abort();
    free(bytes);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    state = strtoull(argv[1], NULL, 10) * 2 + 1;
    unsigned long count = strtoul(argv[2], NULL, 10);
    fs_engine *engine = fs_new(1500);
    if (!engine) return 2;
    for (unsigned long i = 1; i <= count; i++) {
        fs_command command = random_command();
        execute(engine, &command);
        const char *broken = i % 64 ? NULL : fs_validate(engine);
        if (broken) {
            fprintf(stderr, "after %lu commands of seed %s: not so: %s\n", i, argv[1], broken);
            return 1;
        }
        if (i % 4096 == 0) go_through_a_snapshot(engine);
    }
    fs_free(engine);
    return 0;
}
