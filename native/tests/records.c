#include "records.h"

#include <string.h>

/* Likely to be a word of an order, and no checksum in the way. */
static void damage(fs_command *c) {
    static const int64_t masks[] = {1, -1, -2, 7, 1LL << 40, INT64_MIN, INT64_MAX};
    if (below(2)) c->price = PICK(masks);
    c->order_id = 19 + below(below(2) ? 40 : 200);
    c->flags |= (uint8_t)(below(4) != 0);
    if (below(4)) c->flags &= (uint8_t)~2;
}

fs_command likely_record(void) {
    static const uint8_t instructions[] = {DO_RESTORE, DO_DAMAGE, DO_BUFFER, DO_QUERY, DO_DOOR};
    struct scene scene = small_scene();
    fs_command c = likely_command(&scene);
    if (!below(300)) c.type = DO_CROWD;
    else if (!below(10)) c.type = PICK(instructions);
    else return c;
    c.flags = (uint8_t)below(8);
    if (c.type == DO_DAMAGE) damage(&c);
    return c;
}

/* A later command about the order of a record. */
static fs_command follow_up(const fs_command *about) {
    fs_command c = likely_record();
    c.type = below(2) ? FS_CANCEL : FS_REPLACE;
    c.order_id = about->order_id;
    c.account = about->account;
    c.flags = c.type == FS_REPLACE ? (uint8_t)below(4) : 0;
    c.stp = 0;
    if (below(2)) c.price = about->price;
    if (below(2)) c.qty = about->qty;
    return c;
}

static size_t insert(fs_command *records, size_t n, size_t at, fs_command c) {
    memmove(records + at + 1, records + at, (n - at) * sizeof *records);
    records[at] = c;
    return n + 1;
}

static size_t remove_one(fs_command *records, size_t n, size_t at) {
    memmove(records + at, records + at + 1, (n - at - 1) * sizeof *records);
    return n - 1;
}

static size_t swap_with_last(fs_command *records, size_t n, size_t at) {
    fs_command moved = records[at];
    records[at] = records[n - 1];
    records[n - 1] = moved;
    return n;
}

static size_t append(fs_command *records, size_t n, size_t most) {
    for (uint64_t more = below(12); more && n < most; more--) records[n++] = likely_record();
    return n;
}

static size_t change_one(fs_command *records, size_t n, size_t at) {
    change_command(&records[at]);
    return n;
}

size_t change_records(fs_command *records, size_t n, size_t most) {
    if (!n) return append(records, n, most);
    size_t at = below(n);
    uint64_t way = n < most ? below(8) : below(4);
    switch (way) {
    case 0: return remove_one(records, n, at);
    case 1: return swap_with_last(records, n, at);
    case 2:
    case 3: return change_one(records, n, at);
    case 4: return insert(records, n, below(n + 1), records[at]);
    case 5: return insert(records, n, at + 1 + below(n - at), follow_up(&records[at]));
    case 6: return append(records, n, most);
    default: return insert(records, n, below(n + 1), likely_record());
    }
}
