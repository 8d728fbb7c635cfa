/* mass.c: cancelling many orders, one a step, in the order that the header names.
 *
 * An account's orders may be few among millions, and a walk along the queues misses the caches at nearly each of
 * them. So the slab is looked through first, from end to end as memory likes it, and each level told how many of its
 * orders are meant: the walk then passes over levels without any, and leaves a level after the last. */
#include "internal.h"

#define SPARSE 16u /* slots ever used for a live order from which on the slab is not looked through */

static bool is_meant(const fs_command *c, const struct order *o) {
    if (o->bits & BIT_HOUSE) return false;
    return (!c->account || c->account == o->account) && (!c->side || c->side == o->side);
}

static void count_meant(fs_engine *e, const fs_command *c) {
    for (uint32_t slot = 1; slot < e->order_slots.end; slot++) {
        const struct order *o = &e->orders[slot];
        if (o->account == c->account && o->leaves && is_meant(c, o)) e->levels[o->level].meant++;
    }
}

/* The first order of the first level from here on that may hold a meant one. */
static uint32_t mass_head(const fs_engine *e, uint32_t at) {
    while (e->mass.counted && at && !e->levels[at].meant) at = e->levels[at].worse;
    return e->levels[at].head;
}

/* The next order to look at behind another of its ladder. */
static uint32_t mass_behind(const fs_engine *e, uint32_t slot) {
    const struct order *o = &e->orders[slot];
    const struct level *level = &e->levels[o->level];
    bool leave = !o->next || (e->mass.counted && !level->meant);
    return leave ? mass_head(e, level->worse) : o->next;
}

static uint32_t mass_first(const fs_engine *e) {
    const struct book *book = e->books[e->mass.symbol];
    return book ? mass_head(e, book->ladders[e->mass.which].best) : NIL;
}

internal noinline void begin_mass_cancel(fs_engine *e, const fs_command *c) {
    uint8_t reason = FS_REASON_NONE;
    if (c->flags & ~FS_BY_SYMBOL || c->stp || c->side > FS_SELL) reason = FS_REASON_BAD_RECORD;
    else if (c->flags & FS_BY_SYMBOL && c->symbol > FS_MAX_SYMBOL) reason = FS_REASON_BAD_SYMBOL;
    if (reason) {
        refuse(e, c, FS_REJECTED, reason);
        return;
    }
    bool by_symbol = c->flags & FS_BY_SYMBOL;
    e->mass.command = *c;
    e->mass.canceled = 0;
    e->mass.counted = c->account && !by_symbol && e->order_slots.end / SPARSE <= e->order_live;
    if (e->mass.counted) count_meant(e, c);
    e->mass.symbol = by_symbol ? c->symbol : 0;
    e->mass.which = BIDS;
    e->mass.slot = mass_first(e);
    e->work |= WORK_MASS;
}

/* On to the next ladder; false: that was the last. */
static bool mass_advance(fs_engine *e) {
    if (++e->mass.which > BUY_STOPS) {
        if (e->mass.command.flags & FS_BY_SYMBOL) return false;
        do
            e->mass.symbol++;
        while (e->mass.symbol < e->symbol_end && !e->books[e->mass.symbol]);
        if (e->mass.symbol >= e->symbol_end) return false;
        e->mass.which = BIDS;
    }
    e->mass.slot = mass_first(e);
    return true;
}

internal void step_mass_cancel(fs_engine *e) {
    const fs_command *c = &e->mass.command;
    while (e->mass.slot) {
        uint32_t slot = e->mass.slot;
        const struct order *o = &e->orders[slot];
        bool meant = is_meant(c, o);
        e->levels[o->level].meant -= meant && e->mass.counted;
        e->mass.slot = mass_behind(e, slot);
        if (!meant) continue;
        take_off(e, slot, FS_CANCELED, FS_REASON_MASS_CANCEL);
        e->mass.canceled++;
        return;
    }
    if (mass_advance(e)) return;
    *put(e) = (fs_report){.order_id = c->order_id,
                          .qty = (int64_t)e->mass.canceled,
                          .account = c->account,
                          .symbol = c->symbol,
                          .type = FS_MASS_CANCELED,
                          .side = c->side,
                          .partition = c->partition > FS_PARTITION_NONE ? FS_PARTITION_NONE : c->partition};
    e->work &= ~(uint32_t)WORK_MASS;
}
