/* engine.c: the door: commands in, reports out, and the engine's life. */
#include "internal.h"

/* ------------------------------------------------------------------- books */

internal bool book_open(fs_engine *e, uint32_t symbol) {
    struct book *book = slab_new(sizeof *book);
    if (!book) return false;
    memset(book, 0, sizeof *book);
    for (uint32_t which = 0; which < LADDERS; which++) {
        struct ladder *l = &book->ladders[which];
        l->best_key = UINT64_MAX;
        l->flip = flip_of(which);
        l->open_qty = &book->open_qty[buyers_at(which) ? 0 : 1];
        l->cache = book->caches[which];
        l->id = symbol * LADDERS + which;
    }
    e->books[symbol] = book;
    if (e->symbol_end <= symbol) e->symbol_end = symbol + 1;
    return true;
}

/* Get ready for a run of commands: room for their orders, and their books. What memory runs out for is
 * refused when its command comes. */
static void prepare(fs_engine *e, const fs_command *commands, size_t n) {
    e->tight = !store_reserve(e, MAX_TAKERS * (uint32_t)n);
    if (e->tight) (void)store_reserve(e, 0);
    uint32_t last = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        uint32_t symbol = commands[i].symbol;
        if (symbol == last || (likely(symbol <= FS_MAX_SYMBOL && e->books[symbol]))) {
            last = symbol;
            continue;
        }
        uint8_t type = commands[i].type;
        if (symbol > FS_MAX_SYMBOL || type == FS_CANCEL || type == FS_REPLACE || type == FS_TIME) continue;
        if (type < FS_NEW || type > FS_BANDS || type == FS_MASS_CANCEL) continue;
        (void)book_open(e, symbol);
    }
}

/* ----------------------------------------------------------------- prefetch
 *
 * With many orders live, what a command touches is in no near cache. Its lines are asked for in three
 * rounds, each of which needs what the one before brought. There is no branch on what the command is:
 * types come at random, and what a new order's id leads to is slot 0. */

#define AHEAD_IDS 20u
#define AHEAD_ORDER 13u
#define AHEAD_NEIGHBOURS 7u
#define AHEAD_RING 32u
static_assert(AHEAD_IDS < AHEAD_RING && (AHEAD_RING & (AHEAD_RING - 1)) == 0, "the ring holds what is asked for ahead");

struct ahead {
    uint32_t place[AHEAD_RING]; /* in the id table, where the command's order would be at home */
    uint32_t slot[AHEAD_RING];
    uint32_t level[AHEAD_RING];
    const uint32_t *cached[AHEAD_RING];
    uint32_t nothing;
};

static always_inline void ahead_ids(const fs_engine *e, struct ahead *a, const fs_command *c, size_t i) {
    uint32_t place = (uint32_t)home_of(&e->ids, hash_of(e, c->order_id));
    struct book *book = e->books[c->symbol & FS_MAX_SYMBOL];
    const uint32_t *cached = &a->nothing;
    if (likely(book)) {
        const struct ladder *l = &book->ladders[(c->side - 1) & 1];
        cached = cache_of(l, key_in(l, c->price));
    }
    prefetch(&e->ids.at[place]);
    prefetch(cached);
    a->place[i % AHEAD_RING] = place;
    a->cached[i % AHEAD_RING] = cached;
}

static always_inline void ahead_order(const fs_engine *e, struct ahead *a, size_t i) {
    uint32_t slot = (uint32_t)e->ids.at[a->place[i % AHEAD_RING]], level = *a->cached[i % AHEAD_RING];
    prefetch(&e->orders[slot]);
    prefetch(&e->levels[level]);
    a->slot[i % AHEAD_RING] = slot;
    a->level[i % AHEAD_RING] = level;
}

static always_inline void ahead_neighbours(const fs_engine *e, const struct ahead *a, size_t i) {
    const struct order *o = &e->orders[a->slot[i % AHEAD_RING]];
    prefetch(&e->levels[o->level]);
    prefetch(&e->orders[o->prev]);
    prefetch(&e->orders[o->next]);
    prefetch(&e->orders[e->levels[a->level[i % AHEAD_RING]].tail]);
}

/* The rounds for the command at i + AHEAD_IDS and those that follow it. */
static always_inline void look_ahead(const fs_engine *e, struct ahead *a, const fs_command *commands, size_t i, size_t n) {
    if (likely(i + AHEAD_IDS < n)) ahead_ids(e, a, &commands[i + AHEAD_IDS], i + AHEAD_IDS);
    if (likely(i + AHEAD_ORDER < n)) ahead_order(e, a, i + AHEAD_ORDER);
    if (likely(i + AHEAD_NEIGHBOURS < n)) ahead_neighbours(e, a, i + AHEAD_NEIGHBOURS);
}

/* -------------------------------------------------------------------- door */

static always_inline void begin(fs_engine *e, const fs_command *c) {
    switch (c->type) {
    case FS_NEW: begin_new(e, c); break;
    case FS_CANCEL: begin_cancel(e, c); break;
    case FS_REPLACE: begin_replace(e, c); break;
    case FS_QUOTE: begin_quote(e, c); break;
    case FS_PRINT: begin_print(e, c); break;
    case FS_TIME: begin_time(e, c); break;
    case FS_MASS_CANCEL: begin_mass_cancel(e, c); break;
    case FS_SESSION:
    case FS_BANDS: begin_control(e, c); break;
    default: refuse(e, c, FS_REJECTED, FS_REASON_BAD_RECORD);
    }
}

static void step_expiry(fs_engine *e) {
    if (expiry_due(e))
        take_off(e, e->heap[0], FS_EXPIRED, FS_REASON_NONE);
    else
        e->work &= ~(uint32_t)WORK_EXPIRY;
}

/* Do one piece of what is left of a command. */
static noinline void advance(fs_engine *e) {
    if (e->work & WORK_TAKERS)
        run_takers(e);
    else if (e->work & WORK_UNCROSS)
        step_uncross(e);
    else if (e->work & WORK_STOPS)
        step_stops(e);
    else if (e->work & WORK_ELECTED)
        step_elected(e);
    else if (e->work & WORK_MASS)
        step_mass_cancel(e);
    else
        step_expiry(e);
}

/* Begin commands until they end or the output is full; how many. */
static always_inline size_t run(fs_engine *e, const fs_command *commands, size_t n, bool many) {
    size_t i = 0;
    struct ahead ahead;
    if (many) {
        ahead.nothing = NIL;
        for (; i < AHEAD_IDS && i < n; i++) ahead_ids(e, &ahead, &commands[i], i);
        for (i = 0; i < AHEAD_ORDER && i < n; i++) ahead_order(e, &ahead, i);
        for (i = 0; i < AHEAD_NEIGHBOURS && i < n; i++) ahead_neighbours(e, &ahead, i);
        i = 0;
    }
    for (;;) {
        while (unlikely(e->work))
            if (e->out < e->out_end)
                advance(e);
            else
                return i;
        if (i == n || unlikely(e->out >= e->out_end)) return i;
        if (many) look_ahead(e, &ahead, commands, i, n);
        begin(e, &commands[i++]);
    }
}

static noinline size_t run_few(fs_engine *e, const fs_command *commands, size_t n) {
    return run(e, commands, n, false);
}

static noinline size_t run_many(fs_engine *e, const fs_command *commands, size_t n) {
    return run(e, commands, n, true);
}

static void flush_spill(fs_engine *e) {
    uint32_t moved = 0;
    while (moved < e->spill_count && e->out < e->out_end) *e->out++ = e->spill[moved++];
    e->spill_count -= moved;
    memmove(e->spill, e->spill + moved, e->spill_count * sizeof *e->spill);
}

/* Commands in runs. `copies`: room for a run of those that stand at odd addresses; NULL where they do not. */
static noinline size_t process_many(fs_engine *e, const unsigned char *bytes, size_t n, size_t *consumed,
                                    fs_report *reports, size_t capacity, fs_command *copies) {
    size_t begun = 0;
    *consumed = 0;
    if (!capacity) return 0;
    e->out = reports;
    e->out_end = reports + capacity;
    if (e->spill_count) flush_spill(e);
    do {
        size_t length = n - begun < RUN ? n - begun : RUN;
        const fs_command *next = copies;
        if (likely(!copies))
            next = (const void *)(bytes + begun * sizeof *next);
        else if (length)
            memcpy(copies, bytes + begun * sizeof *next, length * sizeof *next);
        if (!e->work)
            prepare(e, next, length);
        else
            length = 0; /* first what is left of the last command */
        bool many = e->order_live >= MANY_ORDERS && length >= FEW_COMMANDS;
        begun += many ? run_many(e, next, length) : run_few(e, next, length);
    } while (e->out < e->out_end && (begun < n || e->work));
    size_t written = (size_t)(e->out - reports);
    e->out = e->out_end = NULL;
    *consumed = begun;
    return written;
}

static noinline size_t process_copies(fs_engine *e, const unsigned char *bytes, size_t n, size_t *consumed,
                                      fs_report *reports, size_t capacity) {
    fs_command copies[RUN];
    return process_many(e, bytes, n, consumed, reports, capacity, copies);
}

/* One command that nothing is in the way of: there is room for its orders and its reports, and a book. */
static always_inline size_t process_one(fs_engine *e, const fs_command *c, fs_report *reports, size_t capacity) {
    e->out = reports;
    e->out_end = reports + capacity;
    begin(e, c);
    while (unlikely(e->work) && e->out < e->out_end) advance(e);
    size_t written = (size_t)(e->out - reports);
    e->out = e->out_end = NULL;
    return written;
}

/* Whether that is so; a cancel opens no book. */
static always_inline bool is_easy(const fs_engine *e, const fs_command *c, size_t capacity) {
    return store_ready(e, MAX_TAKERS) && capacity && idle(e) &&
           (c->type == FS_CANCEL || (c->symbol <= FS_MAX_SYMBOL && e->books[c->symbol]));
}

size_t fs_process(fs_engine *engine, const void *commands, size_t n, size_t *consumed, fs_report *reports,
                  size_t capacity) {
    bool aligned = (uintptr_t)commands % sizeof(uint64_t) == 0;
    if (unlikely(!aligned)) return process_copies(engine, commands, n, consumed, reports, capacity);
    const fs_command *c = commands;
    if (n != 1 || unlikely(!is_easy(engine, c, capacity)))
        return process_many(engine, commands, n, consumed, reports, capacity, NULL);
    engine->tight = false;
    *consumed = 1;
    return process_one(engine, c, reports, capacity);
}

/* A command by whole words: read back as such they need not wait for each other's bytes. */
static always_inline size_t process_plain(fs_engine *e, fs_command *c, uint64_t who, uint64_t codes, fs_report *reports,
                                          size_t capacity) {
    size_t consumed;
    memcpy(&c->account, &who, sizeof who);
    memcpy(&c->type, &codes, sizeof codes);
    if (!idle(e) || !capacity) return FS_NONE;
    return fs_process(e, c, 1, &consumed, reports, capacity);
}

size_t fs_submit(fs_engine *engine, fs_report *reports, size_t capacity, uint64_t order_id, uint32_t account,
                 uint32_t symbol, uint8_t side, int64_t price, int64_t qty) {
    fs_command c = {.order_id = order_id, .price = price, .qty = qty};
    uint64_t codes = COMMAND_CODE(type, FS_NEW) | COMMAND_CODE(side, side) | COMMAND_CODE(ord_type, FS_LIMIT) |
                     COMMAND_CODE(tif, FS_GTC);
    return process_plain(engine, &c, account | (uint64_t)symbol << 32, codes, reports, capacity);
}

size_t fs_cancel(fs_engine *engine, fs_report *reports, size_t capacity, uint64_t order_id, uint32_t account) {
    fs_command c = {.order_id = order_id};
    return process_plain(engine, &c, account, COMMAND_CODE(type, FS_CANCEL), reports, capacity);
}

size_t fs_reports_select(const void *reports, size_t n, uint16_t partition, void *out) {
    const unsigned char *from = reports;
    unsigned char *to = out;
    size_t copied = 0;
    for (size_t i = 0; i < n; i++, from += sizeof(fs_report)) {
        uint16_t heard_by;
        memcpy(&heard_by, from + offsetof(fs_report, partition), sizeof heard_by);
        if (heard_by != partition && heard_by != FS_PARTITION_ALL) continue;
        memcpy(to + copied++ * sizeof(fs_report), from, sizeof(fs_report));
    }
    return copied;
}

/* -------------------------------------------------------------------- life */

fs_engine *fs_new(uint32_t max_orders) {
    if (max_orders < 1 || max_orders > FS_MAX_ORDERS) return NULL;
    fs_engine *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->max_orders = max_orders;
    e->books = calloc(FS_MAX_SYMBOL + 1, sizeof *e->books);
    if (e->books && ids_begin(e) && store_reserve(e, 0)) return e;
    fs_free(e);
    return NULL;
}

void fs_free(fs_engine *engine) {
    if (!engine) return;
    for (uint32_t symbol = 0; symbol < engine->symbol_end; symbol++) free(engine->books[symbol]);
    free(engine->books);
    free(engine->orders);
    free(engine->levels);
    free(engine->nodes);
    free(engine->rares);
    free(engine->id_memory);
    free(engine->heap);
    free(engine);
}

int fs_reserve(fs_engine *engine, uint32_t orders) {
    if (orders > FS_MAX_ORDERS) orders = FS_MAX_ORDERS;
    if (orders <= engine->order_live) return FS_OK;
    return store_reserve(engine, orders - engine->order_live) ? FS_OK : FS_NO_MEMORY;
}
