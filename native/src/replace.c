/* replace.c: what a client does to an order that is there: cancel and replace. */
#include "internal.h"

static noinline void cancel_special(fs_engine *e, const fs_command *c) {
    uint8_t reason;
    size_t place;
    uint32_t slot = find_own(e, c, 0, &place, &reason);
    if (slot)
        take_off(e, slot, FS_CANCELED, FS_REASON_REQUESTED);
    else
        refuse(e, c, FS_CANCEL_REJECTED, reason);
}

internal always_inline void begin_cancel(fs_engine *e, const fs_command *c) {
    size_t place = id_place(e, c->order_id, hash_of(e, c->order_id));
    uint32_t slot = (uint32_t)e->ids.at[place];
    const struct order *o = &e->orders[slot]; /* slot 0: nobody's, account 0 */
    uint64_t odd = (codes_of(c) & ODD_CANCEL) | o->bits | (o->account ^ c->account);
    if (unlikely(odd || !c->account)) {
        cancel_special(e, c);
        return;
    }
    struct level *level = &e->levels[o->level];
    put_off(e, o, level_price(level), FS_CANCELED, FS_REASON_REQUESTED);
    ladder_pull(e, level->ladder, slot, true);
    client_drop_at(e, slot, place, true);
}

/* Quantity that a replaced order would have open. */
static int64_t new_leaves(const fs_command *c, const struct order *o) {
    return c->flags & FS_OPEN_QTY ? c->qty : c->qty - o->filled;
}

static bool is_limited(const struct order *o) { return !(o->bits & BIT_MARKET); }

/* Whether a replaced order would be more than what was let in before: a new limit, or more lots at the old one. */
static bool lets_in(const fs_engine *e, const fs_command *c, uint32_t slot, int64_t leaves) {
    return leaves > 0 && !(c->price == limit_of(e, slot) && leaves <= e->orders[slot].leaves);
}

static noinline bool replaced_would_trade(const fs_engine *e, const fs_command *c, const struct order *o, int64_t leaves) {
    struct order changed = *o;
    changed.leaves = leaves;
    return would_trade(e, other_ladder(e->books[o->symbol], o->side), c->price, &changed);
}

static uint8_t check_replace(fs_engine *e, const fs_command *c, uint32_t slot) {
    const struct order *o = &e->orders[slot];
    struct book *book = e->books[o->symbol];
    bool new_stop = c->flags & FS_NEW_STOP;
    if (new_stop && (!(o->bits & BIT_DORMANT) || o->bits & BIT_TRAILING)) return FS_REASON_BAD_RECORD;
    if (bad_qty(c->qty) || (c->flags & FS_OPEN_QTY && c->qty > FS_MAX_QTY - o->filled)) return FS_REASON_BAD_QTY;
    if (is_limited(o) && bad_price(c->price)) return FS_REASON_BAD_PRICE;
    if (new_stop && bad_price(c->aux_price)) return FS_REASON_BAD_STOP;
    if (book->session == FS_HALTED) return FS_REASON_SESSION;
    int64_t leaves = new_leaves(c, o);
    bool trades = false;
    if (unlikely(book->banded | (o->bits & BIT_POST_ONLY)) && lets_in(e, c, slot, leaves)) {
        if (is_limited(o) && outside_bands(book, c->price)) return FS_REASON_OUTSIDE_BANDS;
        trades = o->bits & BIT_POST_ONLY && book->session == FS_CONTINUOUS && replaced_would_trade(e, c, o, leaves);
    }
    if (overfull(book, o->side, o->leaves, leaves)) return FS_REASON_CAPACITY;
    if (o->bits & BIT_ICEBERG && leaves > 0 && too_small(e->rares[slot].display, leaves)) return FS_REASON_BAD_DISPLAY;
    return unlikely(trades) ? FS_REASON_WOULD_TRADE : FS_REASON_NONE;
}

static always_inline fs_report *put_replaced(fs_engine *e, uint32_t slot, int64_t price) {
    const struct order *o = &e->orders[slot];
    fs_report *r = put_about(e, o, price, FS_REPLACED);
    r->qty = o->leaves + o->filled;
    if (unlikely(o->bits & BIT_ICEBERG)) r->aux = e->rares[slot].display;
    return r;
}

static noinline void replace_dormant(fs_engine *e, const fs_command *c, uint32_t slot, int64_t leaves) {
    struct order *o = &e->orders[slot];
    struct book *book = e->books[o->symbol];
    struct level *level = &e->levels[o->level];
    struct ladder *l = level->ladder;
    int64_t stop = level_price(level), moved = c->flags & FS_NEW_STOP ? c->aux_price : stop;
    if (is_limited(o)) e->rares[slot].limit = c->price;
    bool stays = moved == stop && leaves <= o->leaves;
    if (stays) {
        ladder_shrink(l, level, o, o->leaves - leaves);
    } else {
        ladder_pull(e, l, slot, false);
        o->leaves = leaves;
    }
    put_replaced(e, slot, limit_of(e, slot))->aux = moved;
    if (!stays) stop_put(e, book, slot, moved);
}

/* The order leaves its queue and comes in again. */
static always_inline void requeue(fs_engine *e, const fs_command *c, uint32_t slot, int64_t leaves) {
    struct order *o = &e->orders[slot];
    struct book *book = e->books[o->symbol];
    struct ladder *own = own_ladder(book, o->side), *other = other_ladder(book, o->side);
    ladder_pull(e, own, slot, false);
    o->leaves = leaves;
    o->hidden = 0;
    uint64_t reach = key_in(other, c->price);
    put_replaced(e, slot, c->price);
    if (unlikely(book->session != FS_CONTINUOUS)) reach = NO_PRICE;
    if (unlikely(o->bits & BIT_AON && !can_fill(e, other, reach, o))) reach = NO_PRICE;
    if (likely(reach < other->best_key)) {
        rest(e, book, slot, c->price);
        return;
    }
    line_up(e, slot, reach, c->price, REMAINDER_RESTS);
    run_takers(e);
}

internal always_inline void begin_replace(fs_engine *e, const fs_command *c) {
    uint8_t reason;
    size_t place;
    uint32_t slot = find_own(e, c, FS_OPEN_QTY | FS_NEW_STOP, &place, &reason);
    if (likely(slot)) reason = check_replace(e, c, slot);
    if (unlikely(reason)) {
        refuse(e, c, FS_REPLACE_REJECTED, reason);
        return;
    }
    struct order *o = &e->orders[slot];
    int64_t leaves = new_leaves(c, o);
    if (unlikely(leaves <= 0)) {
        take_off(e, slot, FS_CANCELED, FS_REASON_REPLACED_BELOW_FILLED);
    } else if (unlikely(o->bits & BIT_DORMANT)) {
        replace_dormant(e, c, slot, leaves);
    } else if (leaves <= o->leaves && c->price == limit_of(e, slot)) {
        struct level *level = &e->levels[o->level];
        ladder_shrink(level->ladder, level, o, o->leaves - leaves);
        put_replaced(e, slot, c->price);
    } else {
        requeue(e, c, slot, leaves);
    }
}
