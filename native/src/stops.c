/* stops.c: orders that wait for the last trade price. Dormant orders stand in ladders of their own, by
 * stop price, nearest first. */
#include "internal.h"

static int64_t offset_from(int64_t last, int64_t offset, bool in_bps) {
    if (!in_bps) return offset;
    int64_t size = last < 0 ? -last : last;
    int64_t ticks = size / BASIS_POINTS * offset + size % BASIS_POINTS * offset / BASIS_POINTS;
    return ticks ? ticks : 1;
}

/* Where a trailing stop would stand, seen from the last trade alone. */
internal int64_t trailed(const struct order *o, int64_t offset, int64_t last) {
    offset = offset_from(last, offset, o->bits & BIT_BPS);
    return o->side == FS_BUY ? last + offset : last - offset;
}

/* The stop price a trailing stop starts with: asleep while there is no trade. It joins those of its ladder, and
 * what lags furthest behind decides when they are next looked at. */
internal int64_t first_stop(struct book *book, const struct order *o, int64_t offset) {
    struct ladder *l = stop_ladder(book, o->side);
    bool asleep = !book->last.trades;
    uint64_t seen = asleep ? UINT64_MAX : key_in(l, book->last.price);
    if (!l->special || seen > l->laggard) l->laggard = seen;
    if (asleep) return o->side == FS_BUY ? INT64_MAX : INT64_MIN;
    return trailed(o, offset, book->last.price);
}

internal void look_for_stops(fs_engine *e, uint32_t symbol) {
    e->stop_symbol = symbol;
    e->work |= WORK_STOPS;
}

internal void stop_put(fs_engine *e, struct book *book, uint32_t slot, int64_t stop) {
    struct ladder *l = stop_ladder(book, e->orders[slot].side);
    ladder_put(e, l, slot, key_in(l, stop), false);
    look_for_stops(e, e->orders[slot].symbol);
}

/* Queue every stop of one side that the last trade reaches, nearest first, then oldest. */
static void elect_side(fs_engine *e, struct ladder *l, int64_t last) {
    uint64_t reach = key_in(l, last);
    while (l->best_key <= reach) {
        uint32_t slot = e->levels[l->best].head;
        ladder_pull(e, l, slot, false);
        e->orders[slot].next = NIL;
        if (e->work & WORK_ELECTED)
            e->orders[e->elected_tail].next = slot;
        else
            e->elected_head = slot;
        e->elected_tail = slot;
        e->work |= WORK_ELECTED;
    }
}

/* Let trailing stops follow the last trade. Those that move go to nearer levels, which have been passed. */
static void trail_side(fs_engine *e, struct ladder *l, int64_t last) {
    if (!l->special || key_in(l, last) >= l->laggard) return;
    l->laggard = key_in(l, last);
    uint32_t left = l->special; /* trailing stops still to come to */
    for (uint32_t at = l->best; left;) {
        uint32_t next_level = e->levels[at].worse, here = e->levels[at].special;
        uint64_t key = e->levels[at].key;
        left -= here;
        for (uint32_t slot = e->levels[at].head; here;) {
            struct order *o = &e->orders[slot];
            uint32_t next = o->next;
            if (o->bits & BIT_TRAILING) {
                here--;
                uint64_t moved = key_in(l, trailed(o, e->rares[slot].offset, last));
                if (moved < key) {
                    ladder_pull(e, l, slot, false);
                    ladder_put(e, l, slot, moved, false);
                }
            }
            slot = next;
        }
        at = next_level;
    }
}

internal void step_stops(fs_engine *e) {
    e->work &= ~(uint32_t)WORK_STOPS;
    struct book *book = e->books[e->stop_symbol];
    if (book->session != FS_CONTINUOUS || !book->last.trades) return;
    int64_t last = book->last.price;
    elect_side(e, &book->ladders[BUY_STOPS], last);
    elect_side(e, &book->ladders[SELL_STOPS], last);
    trail_side(e, &book->ladders[BUY_STOPS], last);
    trail_side(e, &book->ladders[SELL_STOPS], last);
}

/* The first of the elected comes in. */
internal void step_elected(fs_engine *e) {
    uint32_t slot = e->elected_head;
    struct order *o = &e->orders[slot];
    struct book *book = e->books[o->symbol];
    if (slot == e->elected_tail)
        e->work &= ~(uint32_t)WORK_ELECTED;
    else
        e->elected_head = o->next;
    bool market = o->bits & BIT_MARKET;
    int64_t price = e->rares[slot].limit;
    uint64_t reach = market ? ANY_PRICE : key_in(other_ladder(book, o->side), price);
    o->bits &= (uint16_t)~(BIT_DORMANT | BIT_TRAILING | BIT_MARKET | BIT_BPS);
    o->flags = 0;
    put_about(e, o, price, FS_TRIGGERED)->aux = o->bits & BIT_ICEBERG ? e->rares[slot].display : 0;
    if (o->tif == FS_FOK && !can_fill(e, other_ladder(book, o->side), reach, o)) {
        put_off(e, o, price, FS_CANCELED, FS_REASON_FOK_KILLED);
        order_drop(e, slot, false);
        return;
    }
    bool rests = !market && o->tif != FS_IOC && o->tif != FS_FOK;
    struct taker *taker = line_up(e, slot, reach, price, rests ? REMAINDER_RESTS : REMAINDER_CANCELED);
    taker->cancel_cause = market ? FS_REASON_NO_LIQUIDITY : FS_REASON_IOC_REMAINDER;
}
