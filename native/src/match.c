/* match.c: reports, takers and trades.
 *
 * A command is begun (checked, answered, its takers lined up) and then advanced in steps: one trade, one
 * remainder, one cancel at a time. Every step writes at most MAX_SPILL reports and starts only when the
 * output has room for one, so the engine can stop between any two and go on later. */
#include "internal.h"

/* ----------------------------------------------------------------- reports */

internal always_inline fs_report *put(fs_engine *e) {
    if (likely(e->out < e->out_end)) return e->out++;
    assert(e->spill_count < MAX_SPILL);
    return &e->spill[e->spill_count++];
}

/* The last two words of a report, in one piece each: stores of single bytes cost as much as whole words. */
static always_inline void put_codes(fs_report *r, const struct order *o, uint8_t type, uint8_t reason, uint8_t flags) {
    uint64_t codes = o->codes | REPORT_CODE(type, type) | REPORT_CODE(reason, reason) | REPORT_CODE(flags, flags);
    memcpy(&r->account, &o->who, sizeof o->who);
    memcpy(&r->type, &codes, sizeof codes);
}

/* A report on an order; the caller changes what its type says differently. */
internal always_inline fs_report *put_about(fs_engine *e, const struct order *o, int64_t price, uint8_t type) {
    fs_report *r = put(e);
    r->order_id = o->id;
    r->price = price;
    r->qty = o->leaves;
    r->leaves = o->leaves;
    r->aux = 0;
    r->match_id = 0;
    put_codes(r, o, type, 0, 0);
    return r;
}

/* An order leaves, or never gets in: its whole open quantity is taken off. */
internal always_inline void put_off(fs_engine *e, const struct order *o, int64_t price, uint8_t type, uint8_t reason) {
    fs_report *r = put_about(e, o, price, type);
    r->leaves = 0;
    put_codes(r, o, type, reason, 0);
}

internal noinline void refuse(fs_engine *e, const fs_command *c, uint8_t type, uint8_t reason) {
    bool house = (c->type >= FS_QUOTE && c->type <= FS_TIME) || c->type == FS_SESSION || c->type == FS_BANDS;
    *put(e) = (fs_report){
        .order_id = house ? 0 : c->order_id,
        .price = c->price,
        .qty = c->qty,
        .account = house ? 0 : c->account,
        .symbol = c->symbol,
        .type = type,
        .side = is_side(c->side) ? c->side : 0,
        .reason = reason,
        .flags = house ? FS_FLAG_HOUSE : 0,
        .partition = house || c->partition > FS_PARTITION_NONE ? FS_PARTITION_NONE : c->partition,
    };
}

/* The limit of a live order that is in a ladder; of a dormant one what it will be, of a trailing stop its offset. */
internal always_inline int64_t limit_of(const fs_engine *e, uint32_t slot) {
    const struct order *o = &e->orders[slot];
    if (likely(!(o->bits & BIT_DORMANT))) return level_price(&e->levels[o->level]);
    return o->bits & BIT_TRAILING ? e->rares[slot].offset : e->rares[slot].limit;
}

internal always_inline void take_off(fs_engine *e, uint32_t slot, uint8_t type, uint8_t reason) {
    const struct order *o = &e->orders[slot];
    put_off(e, o, limit_of(e, slot), type, reason);
    ladder_pull(e, e->levels[o->level].ladder, slot, false);
    order_drop(e, slot, false);
}

/* ------------------------------------------------------------------ trades */

internal always_inline void note_trade(struct book *book, int64_t price, int64_t qty) {
    fs_last *last = &book->last;
    last->price = price;
    last->qty = qty;
    if (unlikely(last->volume > UINT64_MAX - (uint64_t)qty)) return;
    last->trades++;
    last->volume += (uint64_t)qty;
    __int128 turnover = (__int128)price * qty;
    uint64_t low = (uint64_t)turnover;
    last->turnover_low += low;
    last->turnover_high += (int64_t)(turnover >> 64) + (last->turnover_low < low);
}

static always_inline fs_report *put_fill(fs_engine *e, const struct order *o, int64_t price, int64_t qty,
                                         uint8_t flags) {
    fs_report *r = put_about(e, o, price, FS_FILLED);
    r->qty = qty;
    r->leaves = o->leaves - qty;
    r->match_id = e->matches;
    put_codes(r, o, FS_FILLED, 0, flags);
    return r;
}

/* What an iceberg shows once qty of its tip is gone. */
static inline int64_t tip_after(const fs_engine *e, uint32_t slot, int64_t qty) {
    const struct order *o = &e->orders[slot];
    int64_t left = o->leaves - o->hidden - qty, display = e->rares[slot].display;
    return left ? left : o->hidden < display ? o->hidden : display;
}

/* A resting order trades qty of its tip. */
static always_inline void fill_maker(fs_engine *e, struct ladder *l, uint32_t slot, int64_t price, int64_t qty,
                                     uint8_t flags, bool plain) {
    struct order *o = &e->orders[slot];
    fs_report *r = put_fill(e, o, price, qty, flags);
    if (!plain && o->bits & BIT_ICEBERG) r->aux = tip_after(e, slot, qty);
    o->filled += qty;
    bool done = o->leaves == qty;
    ladder_consume(e, l, slot, qty, plain);
    if (done) order_drop(e, slot, plain);
}

internal noinline void fill_special(fs_engine *e, struct ladder *l, uint32_t slot, int64_t price, int64_t qty,
                                    uint8_t flags) {
    fill_maker(e, l, slot, price, qty, flags, false);
}

static always_inline void trade(fs_engine *e, struct book *book, struct ladder *l, const struct taker *taker,
                                uint32_t slot) {
    struct order *maker = &e->orders[slot], *incoming = &e->orders[taker->slot];
    int64_t price = level_price(&e->levels[maker->level]), tip = maker->leaves - maker->hidden;
    int64_t qty = tip < incoming->leaves ? tip : incoming->leaves;
    prefetch(&e->orders[maker->next]); /* who is next if this one is done, and where its id is then taken out */
    prefetch(&e->ids.at[home_of(&e->ids, hash_of(e, maker->id))]);
    e->matches++;
    if (likely(!maker->bits))
        fill_maker(e, l, slot, price, qty, FS_FLAG_MAKER, true);
    else
        fill_special(e, l, slot, price, qty, FS_FLAG_MAKER);
    put_fill(e, incoming, price, qty, FS_FLAG_TAKER);
    incoming->filled += qty;
    incoming->leaves -= qty;
    if (taker->is_print) return; /* a print has been noted whole */
    note_trade(book, price, qty);
    if (book->ladders[SELL_STOPS].levels | book->ladders[BUY_STOPS].levels) e->work |= WORK_STOPS;
}

/* ------------------------------------------------- self-trade prevention */

static always_inline bool prevented(const struct order *incoming, const struct order *maker) {
    return incoming->stp && incoming->account == maker->account && !(maker->bits & BIT_HOUSE);
}

static void reduce_report(fs_engine *e, const struct order *o, int64_t price, int64_t qty, int64_t tip) {
    fs_report *r = put_about(e, o, price, o->leaves == qty ? FS_CANCELED : FS_REDUCED);
    r->qty = qty;
    r->leaves = o->leaves - qty;
    r->reason = FS_REASON_SELF_TRADE;
    r->aux = tip;
}

static void decrement(fs_engine *e, struct ladder *l, struct taker *taker, uint32_t slot) {
    struct order *maker = &e->orders[slot], *incoming = &e->orders[taker->slot];
    int64_t price = level_price(&e->levels[maker->level]), tip = maker->leaves - maker->hidden;
    int64_t qty = tip < incoming->leaves ? tip : incoming->leaves;
    bool done = maker->leaves == qty;
    reduce_report(e, maker, price, qty, maker->bits & BIT_ICEBERG && !done ? tip_after(e, slot, qty) : 0);
    reduce_report(e, incoming, taker->price, qty, 0);
    incoming->leaves -= qty;
    ladder_consume(e, l, slot, qty, false);
    if (done) order_drop(e, slot, false);
}

static noinline void prevent(fs_engine *e, struct ladder *l, struct taker *taker, uint32_t slot) {
    struct order *incoming = &e->orders[taker->slot];
    uint8_t how = incoming->stp;
    if (how == FS_STP_DECREMENT) {
        decrement(e, l, taker, slot);
        return;
    }
    if (how != FS_STP_CANCEL_INCOMING) take_off(e, slot, FS_CANCELED, FS_REASON_SELF_TRADE);
    if (how == FS_STP_CANCEL_RESTING) return;
    put_off(e, incoming, taker->price, FS_CANCELED, FS_REASON_SELF_TRADE);
    incoming->leaves = 0;
}

/* ------------------------------------------------------------------ makers */

/* The order that trades next: the oldest at the best price within reach, leaving out all-or-none
 * orders above `leaves` and, for a print or a locked quote, the house. *passed is the last one left out, from which the next
 * search for the same taker goes on: what is too much for it stays so. NIL: none yet. */
static noinline uint32_t first_of_many(const fs_engine *e, const struct ladder *l, uint64_t reach, int64_t leaves,
                                       bool clients_only, uint32_t *passed) {
    uint32_t at = *passed ? e->orders[*passed].level : l->best;
    uint32_t slot = *passed ? e->orders[*passed].next : e->levels[at].head;
    for (;;) {
        for (; slot; slot = e->orders[slot].next) {
            const struct order *o = &e->orders[slot];
            bool left_out = (o->bits & BIT_AON && o->leaves > leaves) || (clients_only && o->bits & BIT_HOUSE);
            if (!left_out) return slot;
            *passed = slot;
        }
        at = e->levels[at].worse;
        if (!at || e->levels[at].key > reach) return NIL;
        slot = e->levels[at].head;
    }
}

static always_inline uint32_t first_maker(const fs_engine *e, const struct ladder *l, uint64_t reach, int64_t leaves,
                                          bool clients_only, uint32_t *passed) {
    if (l->best_key > reach) return NIL;
    const struct level *level = &e->levels[l->best];
    if (likely(!level->special && !clients_only)) return level->head;
    return first_of_many(e, l, reach, leaves, clients_only, passed);
}

/* The first order at any price that a taker would trade with, not one that prevention would take off instead. */
internal uint32_t first_partner(const fs_engine *e, const struct ladder *l, const struct order *taker) {
    for (uint32_t at = l->best; at; at = e->levels[at].worse)
        for (uint32_t slot = e->levels[at].head; slot; slot = e->orders[slot].next) {
            const struct order *o = &e->orders[slot];
            if (!prevented(taker, o) && !(o->bits & BIT_AON && o->leaves > taker->leaves)) return slot;
        }
    return NIL;
}

/* What a taker with `left` still open would have left after a level whose orders need a look each;
 * INT64_MAX: prevention would stop it here. Hidden lots come after every tip of the level. */
static int64_t left_after_queue(const fs_engine *e, const struct level *level, const struct order *taker, int64_t left) {
    int64_t hidden = 0;
    for (uint32_t slot = level->head; slot; slot = e->orders[slot].next) {
        const struct order *o = &e->orders[slot];
        if (o->bits & BIT_AON && o->leaves > left) continue;
        if (prevented(taker, o)) {
            if (taker->stp == FS_STP_CANCEL_RESTING) continue;
            return INT64_MAX;
        }
        left -= o->leaves - o->hidden;
        hidden += o->hidden;
        if (left <= 0) return 0;
    }
    return left > hidden ? left - hidden : 0;
}

/* What a taker would have left after a whole level. */
internal int64_t left_after_level(const fs_engine *e, const struct level *level, const struct order *taker, int64_t left) {
    if (level->special || taker->stp) return left_after_queue(e, level, taker, left);
    int64_t all = level->shown + level->hidden;
    return left > all ? left - all : 0;
}

/* Whether a taker could trade `qty` at once within its reach. */
internal bool can_fill(const fs_engine *e, const struct ladder *l, uint64_t reach, const struct order *taker) {
    int64_t left = taker->leaves;
    for (uint32_t at = l->best; at && e->levels[at].key <= reach; at = e->levels[at].worse) {
        left = left_after_level(e, &e->levels[at], taker, left);
        if (!left) return true;
        if (left == INT64_MAX) return false;
    }
    return false;
}

/* Whether an order that came in at `price` now would meet anybody; an all-or-none one, enough of them. */
internal bool would_trade(const fs_engine *e, const struct ladder *l, int64_t price, const struct order *o) {
    uint64_t reach = key_in(l, price);
    uint32_t passed = NIL;
    return o->bits & BIT_AON ? can_fill(e, l, reach, o) : first_maker(e, l, reach, o->leaves, false, &passed) != NIL;
}

/* ------------------------------------------------------------------ takers */

internal always_inline struct taker *line_up(fs_engine *e, uint32_t slot, uint64_t reach, int64_t price,
                                             uint8_t remainder) {
    if (e->taker_at == e->taker_count) e->taker_at = e->taker_count = 0;
    assert(e->taker_count < MAX_TAKERS);
    struct taker *taker = &e->takers[e->taker_count++];
    *taker = (struct taker){.reach = reach, .price = price, .slot = slot, .remainder = remainder};
    e->work |= WORK_TAKERS;
    return taker;
}

/* Put an order on its own side, showing what it may show. */
internal always_inline void rest(fs_engine *e, struct book *book, uint32_t slot, int64_t price) {
    struct order *o = &e->orders[slot];
    if (unlikely(o->bits & BIT_ICEBERG)) {
        int64_t display = e->rares[slot].display;
        o->hidden = o->leaves > display ? o->leaves - display : 0;
    }
    struct ladder *own = own_ladder(book, o->side);
    ladder_put(e, own, slot, key_in(own, price), false);
}

static always_inline void settle(fs_engine *e, struct book *book, const struct taker *taker) {
    struct order *o = &e->orders[taker->slot];
    if (o->leaves && taker->remainder == REMAINDER_RESTS) {
        rest(e, book, taker->slot, taker->price);
        return;
    }
    if (o->leaves && taker->remainder == REMAINDER_CANCELED)
        put_off(e, o, taker->price, FS_CANCELED, taker->cancel_cause);
    order_drop(e, taker->slot, false);
}

/* Advance the takers until they are done or the output is full. */
internal void run_takers(fs_engine *e) {
    while (e->taker_at < e->taker_count) {
        struct taker *taker = &e->takers[e->taker_at];
        struct order *incoming = &e->orders[taker->slot];
        struct book *book = e->books[incoming->symbol];
        struct ladder *l = other_ladder(book, incoming->side);
        e->stop_symbol = incoming->symbol;
        while (incoming->leaves) {
            if (unlikely(e->out >= e->out_end)) return;
            uint32_t slot = first_maker(e, l, taker->reach, incoming->leaves, taker->clients_only, &taker->passed);
            if (!slot) break;
            if (unlikely(prevented(incoming, &e->orders[slot])))
                prevent(e, l, taker, slot);
            else
                trade(e, book, l, taker, slot);
        }
        if (unlikely(e->out >= e->out_end)) return;
        settle(e, book, taker);
        e->taker_at++;
    }
    e->work &= ~(uint32_t)WORK_TAKERS;
}
