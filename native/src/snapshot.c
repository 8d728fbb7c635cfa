/* snapshot.c: the state as bytes, and back.
 *
 * All words are 64 bits, little-endian:
 *
 *   magic | clock_ms | matches | books
 *   per book that differs from a new one, by symbol:
 *       symbol | session + banded << 8 | reference | low | high
 *       last price | last qty | volume | trades | turnover low | turnover high
 *       bids | asks | sell stops | buy stops
 *       per order of each of the four, best price first, oldest first:
 *           order_id | price (of a stop: the stop price) | leaves | filled | expiry_ms
 *           account + partition << 32 + bits << 48 + tif << 56 + stp << 60
 *           an iceberg: display | hidden
 *           a dormant order: limit | offset
 *   hash of all words before it
 *
 * It says nothing of slots, capacities or the shape of the tables, so equal states give equal bytes. */
#include "internal.h"

#define MAGIC 0x32304b4f4f425346ULL /* "FSBOOK02" */
#define WORD sizeof(uint64_t)

/* ----------------------------------------------------------------- writing */

struct writer {
    unsigned char *bytes; /* NULL: only count and hash */
    size_t words;
    uint64_t hash;
};

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * GOLDEN;
    return hash ^ hash >> 29;
}

static void write_word(struct writer *w, uint64_t word) {
    if (w->bytes) memcpy(w->bytes + w->words * WORD, &word, WORD);
    w->words++;
    w->hash = mix(w->hash, word);
}

static void write_order(struct writer *w, const fs_engine *e, uint32_t slot) {
    const struct order *o = &e->orders[slot];
    const struct rare *rare = &e->rares[slot];
    write_word(w, o->id);
    write_word(w, (uint64_t)level_price(&e->levels[o->level]));
    write_word(w, (uint64_t)o->leaves);
    write_word(w, (uint64_t)o->filled);
    write_word(w, expiry_of(e, slot));
    write_word(w, o->account | (uint64_t)o->partition << 32 | (uint64_t)(uint8_t)o->bits << 48 | (uint64_t)o->tif << 56 |
                      (uint64_t)o->stp << 60);
    if (o->bits & BIT_ICEBERG) {
        write_word(w, (uint64_t)rare->display);
        write_word(w, (uint64_t)o->hidden);
    }
    if (o->bits & BIT_DORMANT) {
        write_word(w, (uint64_t)rare->limit);
        write_word(w, (uint64_t)rare->offset);
    }
}

static uint64_t count_orders(const fs_engine *e, const struct ladder *l) {
    uint64_t orders = 0;
    for (uint32_t at = l->best; at; at = e->levels[at].worse) orders += e->levels[at].count;
    return orders;
}

static bool is_blank(const struct book *book) {
    if (!book) return true;
    for (uint32_t which = 0; which < LADDERS; which++)
        if (book->ladders[which].best) return false;
    return !book->last.trades && !book->session && !book->banded && !book->reference;
}

static void write_book(struct writer *w, const fs_engine *e, uint32_t symbol) {
    const struct book *book = e->books[symbol];
    write_word(w, symbol);
    write_word(w, book->session | (uint64_t)book->banded << 8);
    write_word(w, (uint64_t)book->reference);
    write_word(w, (uint64_t)book->low);
    write_word(w, (uint64_t)book->high);
    write_word(w, (uint64_t)book->last.price);
    write_word(w, (uint64_t)book->last.qty);
    write_word(w, book->last.volume);
    write_word(w, book->last.trades);
    write_word(w, book->last.turnover_low);
    write_word(w, (uint64_t)book->last.turnover_high);
    for (uint32_t which = 0; which < LADDERS; which++) write_word(w, count_orders(e, &book->ladders[which]));
    for (uint32_t which = 0; which < LADDERS; which++)
        for (uint32_t slot = e->levels[book->ladders[which].best].head; slot; slot = order_behind(e, slot))
            write_order(w, e, slot);
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
    if (!idle(engine)) return 0;
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
    if (!idle(engine)) return 0;
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

static void fail(struct reader *r, int status) {
    if (r->status == FS_OK) r->status = status;
}

static uint64_t read_word(struct reader *r) {
    if (!r->words) fail(r, FS_BAD_SNAPSHOT);
    if (r->status != FS_OK) return 0;
    uint64_t word;
    memcpy(&word, r->bytes, WORD);
    r->bytes += WORD;
    r->words--;
    return word;
}

static int64_t read_within(struct reader *r, int64_t low, int64_t high) {
    int64_t value = (int64_t)read_word(r);
    if (r->status == FS_OK && value >= low && value <= high) return value;
    fail(r, FS_BAD_SNAPSHOT);
    return low;
}

struct saved {
    struct order order;
    struct rare rare;
    int64_t price;
};

static struct saved read_order(struct reader *r, uint32_t symbol, uint32_t which) {
    struct saved s = {.order = {.symbol = symbol}};
    struct order *o = &s.order;
    bool stops = which >= SELL_STOPS;
    o->side = which == BIDS || which == BUY_STOPS ? FS_BUY : FS_SELL;
    o->id = read_word(r);
    s.price = (int64_t)read_word(r);
    o->leaves = read_within(r, 1, FS_MAX_QTY);
    o->filled = read_within(r, 0, FS_MAX_QTY - o->leaves);
    s.rare.expiry_ms = read_word(r);
    uint64_t who = read_word(r);
    o->account = (uint32_t)who;
    o->partition = (uint16_t)(who >> 32);
    o->bits = (uint8_t)(who >> 48);
    o->flags = flags_of(o->bits);
    if (s.rare.expiry_ms) o->bits |= BIT_EXPIRES;
    o->tif = who >> 56 & 15;
    o->stp = who >> 60 & 15;
    if (stops != !!(o->bits & BIT_DORMANT)) fail(r, FS_BAD_SNAPSHOT);
    if (!(o->bits & BIT_TRAILING) && bad_price(s.price)) fail(r, FS_BAD_SNAPSHOT);
    if (o->bits & BIT_ICEBERG) {
        s.rare.display = read_within(r, 1, FS_MAX_QTY);
        o->hidden = read_within(r, 0, o->leaves - 1);
    }
    if (stops) {
        s.rare.limit = read_within(r, -FS_MAX_PRICE, FS_MAX_PRICE);
        s.rare.offset = read_within(r, 0, FS_MAX_PRICE);
    }
    return s;
}

static bool may_be_client(const fs_engine *e, const struct saved *s) {
    const struct order *o = &s->order;
    return o->id && o->account && o->partition < FS_PARTITION_NONE &&
           (!s->rare.expiry_ms || s->rare.expiry_ms > e->clock_ms) && sound_client(o, &s->rare) && !id_find(e, o->id);
}

static bool may_be_house(const struct ladder *l, const struct order *o) {
    return !l->house && o->bits == BIT_HOUSE && !o->id && !o->account && !o->tif && !o->stp &&
           o->partition == FS_PARTITION_NONE;
}

/* Whether the order may stand where it was read: behind all that the ladder holds so far. */
static bool belongs(const fs_engine *e, struct book *book, const struct ladder *l, uint32_t last_level,
                    const struct saved *s) {
    uint64_t key = key_in(l, s->price);
    if (last_level && key < e->levels[last_level].key) return false;
    /* A buyer's last but one is where FS_MAX_PRICE above FS_MAX_PRICE is; a seller's is nowhere. */
    if (s->order.bits & BIT_TRAILING && (key < 2 || (key == UINT64_MAX - 1 && s->order.side == FS_SELL))) return false;
    uint8_t side = s->order.side;
    if (overfull(book, side, 0, s->order.leaves)) return false;
    return s->order.bits & BIT_HOUSE ? may_be_house(l, &s->order) : may_be_client(e, s);
}

static uint32_t add_saved(fs_engine *e, struct ladder *l, const struct saved *s) {
    bool house = s->order.bits & BIT_HOUSE;
    uint32_t slot = house ? house_take(e) : slot_take(e);
    uint64_t hash = hash_of(e, s->order.id);
    e->orders[slot] = s->order;
    e->rares[slot] = s->rare;
    if (!house) client_enter(e, slot, id_place(e, s->order.id, hash), hash);
    ladder_put(e, l, slot, key_in(l, s->price), false);
    return e->orders[slot].level;
}

static void read_ladder(struct reader *r, fs_engine *e, uint32_t symbol, uint32_t which, uint64_t orders) {
    struct book *book = e->books[symbol];
    struct ladder *l = &book->ladders[which];
    l->laggard = UINT64_MAX; /* not known: the next trade looks at all trailing stops */
    uint32_t last_level = NIL;
    for (uint64_t i = 0; i < orders && r->status == FS_OK; i++) {
        struct saved s = read_order(r, symbol, which);
        if (r->status != FS_OK || !belongs(e, book, l, last_level, &s) || client_count(e) >= FS_MAX_ORDERS)
            fail(r, FS_BAD_SNAPSHOT);
        else if (!store_reserve(e, 1))
            fail(r, FS_NO_MEMORY);
        else
            last_level = add_saved(e, l, &s);
    }
}

static void read_book(struct reader *r, fs_engine *e) {
    uint32_t symbol = (uint32_t)read_within(r, e->symbol_end, FS_MAX_SYMBOL);
    uint64_t state = read_word(r), counts[LADDERS];
    struct book read = {.session = state & 3, .banded = state >> 8 & 1};
    if (read.session > FS_HALTED || state >> 9 || (state & 0xfc)) fail(r, FS_BAD_SNAPSHOT);
    read.reference = read_within(r, -FS_MAX_PRICE, FS_MAX_PRICE);
    read.low = read_within(r, -FS_MAX_PRICE, FS_MAX_PRICE);
    read.high = read_within(r, read.low, FS_MAX_PRICE);
    if (!read.banded && (read.low || read.high)) fail(r, FS_BAD_SNAPSHOT);
    read.last.price = read_within(r, -FS_MAX_PRICE, FS_MAX_PRICE);
    read.last.qty = read_within(r, 0, FS_MAX_QTY);
    read.last.volume = read_word(r);
    read.last.trades = read_word(r);
    read.last.turnover_low = read_word(r);
    read.last.turnover_high = (int64_t)read_word(r);
    for (uint32_t which = 0; which < LADDERS; which++) counts[which] = read_word(r);
    if (r->status != FS_OK) return;
    if (!e->books[symbol] && !book_open(e, symbol)) {
        fail(r, FS_NO_MEMORY);
        return;
    }
    struct book *book = e->books[symbol];
    book->session = read.session;
    book->banded = read.banded;
    book->special = read.session != FS_CONTINUOUS || read.banded;
    book->reference = read.reference;
    book->low = read.low;
    book->high = read.high;
    book->last = read.last;
    for (uint32_t which = 0; which < LADDERS; which++) read_ladder(r, e, symbol, which, counts[which]);
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
    if (!idle(engine)) return FS_BUSY;
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
