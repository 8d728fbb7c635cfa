/* snapshot.c: the state as bytes, and back.
 *
 * All words are 64 bits, little-endian:
 *
 *   magic | clock_ms | matches | books
 *   per book with a trade or an order, by symbol:
 *       symbol | last price | last qty | volume | trades | bids | asks
 *       per order, bids then asks, best price first, oldest first:
 *           order_id | price | leaves | filled | expiry_ms | account + partition << 32 + house << 48
 *   hash of all words before it
 *
 * It says nothing of slots, capacities or the shape of the tables, so equal states give equal bytes. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAGIC 0x31304b4f4f425346ULL /* "FSBOOK01" */
#define WORD sizeof(uint64_t)

/* ----------------------------------------------------------------- writing */

struct writer {
    unsigned char *bytes; /* NULL: only count and hash */
    size_t words;
    uint64_t hash;
};

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 29;
}

static void write_word(struct writer *w, uint64_t word) {
    if (w->bytes) memcpy(w->bytes + w->words * WORD, &word, WORD);
    w->words++;
    w->hash = mix(w->hash, word);
}

static void write_order(struct writer *w, const struct order *o) {
    write_word(w, o->id);
    write_word(w, (uint64_t)o->price);
    write_word(w, (uint64_t)o->leaves);
    write_word(w, (uint64_t)o->filled);
    write_word(w, o->expiry_ms);
    write_word(w, o->account | (uint64_t)o->partition << 32 | (uint64_t)o->house << 48);
}

static void write_side(struct writer *w, const fs_engine *e, const struct side *side) {
    for (uint32_t i = side->count; i--;)
        for (uint32_t slot = side->levels[i].head; slot != FSI_NIL; slot = e->orders[slot].next)
            write_order(w, &e->orders[slot]);
}

static uint64_t count_orders(const struct side *side) {
    uint64_t orders = 0;
    for (uint32_t i = 0; i < side->count; i++) orders += side->levels[i].count;
    return orders;
}

static bool is_blank(const struct book *book) {
    return !book || (!book->last.trades && !book->sides[0].count && !book->sides[1].count);
}

static void write_book(struct writer *w, const fs_engine *e, uint32_t symbol) {
    const struct book *book = e->books[symbol];
    write_word(w, symbol);
    write_word(w, (uint64_t)book->last.price);
    write_word(w, (uint64_t)book->last.qty);
    write_word(w, book->last.volume);
    write_word(w, book->last.trades);
    write_word(w, count_orders(&book->sides[0]));
    write_word(w, count_orders(&book->sides[1]));
    write_side(w, e, &book->sides[0]);
    write_side(w, e, &book->sides[1]);
}

static void write_state(struct writer *w, const fs_engine *e) {
    uint64_t books = 0;
    for (uint32_t symbol = 0; symbol < e->symbol_end; symbol++) books += !is_blank(e->books[symbol]);
    write_word(w, MAGIC);
    write_word(w, e->clock_ms);
    write_word(w, e->matches);
    write_word(w, books);
    for (uint32_t symbol = 0; symbol < e->symbol_end; symbol++)
        if (!is_blank(e->books[symbol])) write_book(w, e, symbol);
    if (w->bytes) memcpy(w->bytes + w->words * WORD, &w->hash, WORD);
    w->words++;
}

size_t fs_snapshot_size(const fs_engine *engine) {
    if (!fsi_idle(engine)) return 0;
    struct writer w = {0};
    write_state(&w, engine);
    return w.words * WORD;
}

size_t fs_snapshot_save(const fs_engine *engine, void *bytes, size_t capacity) {
    size_t size = fs_snapshot_size(engine);
    if (!size || size > capacity) return 0;
    struct writer w = {.bytes = bytes};
    write_state(&w, engine);
    assert(w.words * WORD == size);
    return size;
}

uint64_t fs_state_hash(const fs_engine *engine) {
    if (!fsi_idle(engine)) return 0;
    struct writer w = {0};
    write_state(&w, engine);
    return w.hash ? w.hash : 1; /* 0 means busy */
}

/* ----------------------------------------------------------------- reading */

struct reader {
    const unsigned char *bytes;
    size_t words; /* still to come */
    int status;   /* the first thing that went wrong; every read after it gives 0 */
};

static uint64_t fail(struct reader *r, int status) {
    if (r->status == FS_OK) r->status = status;
    r->words = 0;
    return 0;
}

static uint64_t read_word(struct reader *r) {
    if (!r->words) return fail(r, FS_BAD_SNAPSHOT);
    uint64_t word;
    memcpy(&word, r->bytes, WORD);
    r->bytes += WORD;
    r->words--;
    return word;
}

static int64_t read_within(struct reader *r, int64_t low, int64_t high) {
    int64_t value = (int64_t)read_word(r);
    return value >= low && value <= high ? value : (int64_t)fail(r, FS_BAD_SNAPSHOT);
}

static struct order read_order(struct reader *r, uint32_t symbol, uint8_t side) {
    struct order o = {.symbol = (uint16_t)symbol, .side = side};
    o.id = read_word(r);
    o.price = read_within(r, -FS_MAX_PRICE, FS_MAX_PRICE);
    o.leaves = read_within(r, 1, FS_MAX_QTY);
    o.filled = read_within(r, 0, INT64_MAX);
    o.expiry_ms = read_word(r);
    uint64_t who = read_word(r);
    o.account = (uint32_t)who;
    o.partition = (uint16_t)(who >> 32);
    o.house = who >> 48 & 1;
    if (who >> 49) fail(r, FS_BAD_SNAPSHOT);
    return o;
}

static bool may_be_client(const fs_engine *e, const struct order *o) {
    return o->id && o->account && o->partition < FS_PARTITION_NONE && o->filled <= FS_MAX_QTY - o->leaves &&
           (!o->expiry_ms || o->expiry_ms > e->clock_ms) && fsi_find(e, o->id) == FSI_NIL;
}

static bool may_be_house(const struct side *side, const struct order *o) {
    return side->house == FSI_NIL && !o->id && !o->account && !o->expiry_ms &&
           o->partition == FS_PARTITION_NONE;
}

/* Whether the order may stand where it was read: behind all that the side holds so far. */
static bool belongs(const fs_engine *e, const struct side *side, const struct order *o) {
    if (side->count && side->levels[0].key < fsi_key(o->side, o->price)) return false;
    if (o->leaves > FS_MAX_SIDE_QTY - side->open_qty) return false;
    return o->house ? may_be_house(side, o) : may_be_client(e, o);
}

static void read_side(struct reader *r, fs_engine *e, uint32_t symbol, uint8_t side_code, uint64_t orders) {
    struct side *side = fsi_side(e->books[symbol], side_code);
    for (uint64_t i = 0; i < orders && r->status == FS_OK; i++) {
        struct order o = read_order(r, symbol, side_code);
        if (r->status != FS_OK || !belongs(e, side, &o) || e->client_count >= FS_MAX_ORDERS)
            fail(r, FS_BAD_SNAPSHOT);
        else if (!fsi_reserve(e, 1) || !fsi_reserve_level(side))
            fail(r, FS_NO_MEMORY);
        else
            fsi_rest(e, e->books[symbol], &o);
    }
}

static void read_book(struct reader *r, fs_engine *e) {
    uint32_t symbol = (uint32_t)read_within(r, e->symbol_end, FS_MAX_SYMBOL);
    fs_last last = {
        .price = read_within(r, -FS_MAX_PRICE, FS_MAX_PRICE),
        .qty = read_within(r, 0, FS_MAX_QTY),
        .volume = read_word(r),
        .trades = read_word(r),
    };
    uint64_t bids = read_word(r), asks = read_word(r);
    if (r->status != FS_OK) return;
    struct book *book = fsi_book_open(e, symbol);
    if (!book) {
        fail(r, FS_NO_MEMORY);
        return;
    }
    book->last = last;
    read_side(r, e, symbol, FS_BUY, bids);
    read_side(r, e, symbol, FS_SELL, asks);
}

static void read_state(struct reader *r, fs_engine *e) {
    if (read_word(r) != MAGIC) fail(r, FS_BAD_SNAPSHOT);
    e->clock_ms = read_word(r);
    e->matches = read_word(r);
    uint64_t books = read_word(r);
    for (uint64_t i = 0; i < books && r->status == FS_OK; i++) read_book(r, e);
    uint64_t hash = read_word(r);
    if (r->words) fail(r, FS_BAD_SNAPSHOT); /* something follows the end */
    if (r->status != FS_OK) return;
    struct writer w = {0};
    write_state(&w, e); /* also proves the bytes canonical: nothing in them was lost on the way in */
    if (hash != w.hash || fs_validate(e)) fail(r, FS_BAD_SNAPSHOT);
}

int fs_restore(fs_engine *engine, const void *bytes, size_t n) {
    if (!fsi_idle(engine)) return FS_BUSY;
    if (n % WORD) return FS_BAD_SNAPSHOT;
    fs_engine *fresh = fs_new(engine->max_orders);
    if (!fresh) return FS_NO_MEMORY;
    struct reader r = {.bytes = bytes, .words = n / WORD, .status = FS_OK};
    read_state(&r, fresh);
    if (r.status == FS_OK) {
        fs_engine former = *engine;
        *engine = *fresh;
        *fresh = former;
    }
    fs_free(fresh);
    return r.status;
}
