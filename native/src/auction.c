/* auction.c: where a crossed book uncrosses, and how. */
#include "internal.h"

/* Lots of a level that take part in an auction. */
static uint64_t auction_qty(const fs_engine *e, const struct level *level) {
    uint64_t qty = (uint64_t)level->shown + (uint64_t)level->hidden;
    if (!level->special) return qty;
    for (uint32_t slot = level->head; slot; slot = e->orders[slot].next)
        if (e->orders[slot].bits & BIT_AON) qty -= (uint64_t)e->orders[slot].leaves;
    return qty;
}

static uint64_t distance(int64_t a, int64_t b) { return a < b ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b; }

static bool better_cross(const struct cross *a, const struct cross *b, int64_t reference) {
    if (a->volume != b->volume) return a->volume > b->volume;
    if (a->imbalance != b->imbalance) return a->imbalance < b->imbalance;
    uint64_t of_a = distance(a->price, reference), of_b = distance(b->price, reference);
    return of_a != of_b ? of_a < of_b : a->price < b->price;
}

static void consider(struct cross *best, int64_t price, uint64_t demand, uint64_t supply, int64_t reference) {
    struct cross cross = {.price = price,
                          .volume = demand < supply ? demand : supply,
                          .imbalance = demand < supply ? supply - demand : demand - supply};
    if (cross.volume && better_cross(&cross, best, reference)) *best = cross;
}

static int64_t clamp(int64_t price, int64_t low, int64_t high) {
    return price < low ? low : price > high ? high : price;
}

/* Lots of a ladder at `price` or better. */
static uint64_t lots_to(const fs_engine *e, const struct ladder *l, int64_t price) {
    uint64_t lots = 0, reach = key_in(l, price);
    for (uint32_t at = l->best; at && e->levels[at].key <= reach; at = e->levels[at].worse)
        lots += auction_qty(e, &e->levels[at]);
    return lots;
}

/* The best price to uncross at; volume 0: nothing crosses. One pass up through the prices of both sides
 * where they overlap: at each price, and between it and the next, demand and supply stand still. */
internal struct cross find_cross(const fs_engine *e, const struct book *book) {
    const struct ladder *bids = &book->ladders[BIDS], *asks = &book->ladders[ASKS];
    struct cross best = {0};
    if (!bids->best || !asks->best) return best;
    int64_t floor = level_price(&e->levels[asks->best]), ceiling = level_price(&e->levels[bids->best]);
    if (floor > ceiling) return best;
    uint64_t demand = lots_to(e, bids, floor), supply = 0;
    uint32_t ask = asks->best, bid = bids->best; /* the lowest bid at or above the floor */
    while (e->levels[bid].worse && level_price(&e->levels[e->levels[bid].worse]) >= floor) bid = e->levels[bid].worse;
    for (int64_t price = floor;;) {
        if (ask && level_price(&e->levels[ask]) == price) {
            supply += auction_qty(e, &e->levels[ask]);
            ask = e->levels[ask].worse;
        }
        consider(&best, price, demand, supply, book->reference);
        if (bid && level_price(&e->levels[bid]) == price) {
            demand -= auction_qty(e, &e->levels[bid]);
            bid = e->levels[bid].better;
        }
        if (price == ceiling) return best;
        int64_t next = ceiling;
        if (ask && level_price(&e->levels[ask]) < next) next = level_price(&e->levels[ask]);
        if (bid && level_price(&e->levels[bid]) < next) next = level_price(&e->levels[bid]);
        if (next - price > 1) consider(&best, clamp(book->reference, price + 1, next - 1), demand, supply, book->reference);
        price = next;
    }
}

/* The order of one side that an uncross at `reach` comes to next: none that is all-or-none. *passed as in first_maker. */
internal uint32_t first_in_auction(const fs_engine *e, const struct ladder *l, uint64_t reach, uint32_t *passed) {
    uint32_t at = *passed ? e->orders[*passed].level : l->best;
    uint32_t slot = *passed ? e->orders[*passed].next : e->levels[at].head;
    for (;;) {
        if (!at || e->levels[at].key > reach) return NIL;
        for (; slot; slot = e->orders[slot].next) {
            if (!(e->orders[slot].bits & BIT_AON)) return slot;
            *passed = slot;
        }
        at = e->levels[at].worse;
        slot = e->levels[at].head;
    }
}

internal void step_uncross(fs_engine *e) {
    struct book *book = e->books[e->stop_symbol];
    struct ladder *bids = &book->ladders[BIDS], *asks = &book->ladders[ASKS];
    int64_t price = e->cross_price;
    uint32_t buy = first_in_auction(e, bids, key_in(bids, price), &e->cross_passed[BIDS]);
    uint32_t sell = first_in_auction(e, asks, key_in(asks, price), &e->cross_passed[ASKS]);
    if (!buy || !sell) {
        e->work &= ~(uint32_t)WORK_UNCROSS;
        return;
    }
    const struct order *b = &e->orders[buy], *s = &e->orders[sell];
    int64_t buys = b->leaves - b->hidden, sells = s->leaves - s->hidden, qty = buys < sells ? buys : sells;
    e->matches++;
    fill_special(e, bids, buy, price, qty, FS_FLAG_MAKER | FS_FLAG_AUCTION);
    fill_special(e, asks, sell, price, qty, FS_FLAG_TAKER | FS_FLAG_AUCTION);
    note_trade(book, price, qty);
}

internal void begin_session(fs_engine *e, const fs_command *c, struct book *book) {
    uint8_t before = book->session;
    book->session = c->flags;
    book->special = book->session != FS_CONTINUOUS || book->banded;
    if (book->session != FS_CONTINUOUS || before == FS_CONTINUOUS) return;
    struct cross cross = find_cross(e, book);
    book->reference = 0;
    look_for_stops(e, c->symbol);
    if (!cross.volume) return;
    e->cross_price = cross.price;
    e->cross_passed[BIDS] = e->cross_passed[ASKS] = NIL;
    e->work |= WORK_UNCROSS;
}
