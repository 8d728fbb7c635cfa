/* validate.c: every invariant of the structure, for tests and for snapshots from outside. */
#include "internal.h"

#define REQUIRE(what, sentence) \
    do { \
        if (!(what)) return sentence; \
    } while (0)

static const char *check_order(const fs_engine *e, const struct order *o, uint32_t slot) {
    REQUIRE(o->leaves >= 1 && o->leaves <= FS_MAX_QTY, "a resting order has 1..FS_MAX_QTY lots open");
    REQUIRE(o->filled >= 0, "a filled quantity is never negative");
    if (o->house) {
        REQUIRE(!o->id && !o->account && !o->expiry_ms, "the house's orders have no id, account or expiry");
        REQUIRE(o->partition == FS_PARTITION_NONE, "the house's orders are heard by no partition");
        return NULL;
    }
    REQUIRE(o->id && o->account, "a client's order has an id and an account");
    REQUIRE(o->partition < FS_PARTITION_NONE, "a client's order belongs to an account partition");
    REQUIRE(o->filled <= FS_MAX_QTY - o->leaves, "a client's order is at most FS_MAX_QTY lots in all");
    REQUIRE(fsi_find(e, o->id) == slot, "the id table leads to each client's order");
    if (!o->expiry_ms) return NULL;
    REQUIRE(o->heap_at < e->heap_count && e->heap[o->heap_at] == slot,
            "an order with an expiry is in the heap where it says");
    return NULL;
}

static const char *check_level(const fs_engine *e, uint32_t symbol, uint8_t side, const struct level *level) {
    uint32_t prev = FSI_NIL, count = 0;
    int64_t qty = 0;
    REQUIRE(level->count, "a level holds an order");
    for (uint32_t slot = level->head; slot != FSI_NIL; slot = e->orders[slot].next) {
        REQUIRE(slot < e->order_used && count < level->count, "a queue has as many orders as its level says");
        const struct order *o = &e->orders[slot];
        REQUIRE(o->symbol == symbol && o->side == side, "an order is in the book and on the side it names");
        REQUIRE(fsi_key(side, o->price) == level->key, "an order is at the level of its price");
        REQUIRE(o->prev == prev, "each order of a queue points back to the one before");
        REQUIRE(!o->house || e->books[symbol]->sides[side - 1].house == slot, "the book knows its house orders");
        const char *broken = check_order(e, o, slot);
        if (broken) return broken;
        qty += o->leaves;
        prev = slot;
        count++;
    }
    REQUIRE(level->tail == prev, "a queue ends with its level's tail");
    REQUIRE(count == level->count, "a queue has as many orders as its level says");
    REQUIRE(qty == level->qty, "a level's quantity is the sum of its orders'");
    return NULL;
}

static const char *check_side(const fs_engine *e, uint32_t symbol, uint8_t code, uint64_t *orders) {
    const struct side *side = fsi_side(e->books[symbol], code);
    uint64_t open_qty = 0;
    REQUIRE(side->count <= side->capacity, "a side has room for its levels");
    for (uint32_t i = 0; i < side->count; i++) {
        const struct level *level = &side->levels[i];
        REQUIRE(!i || level[-1].key < level->key, "levels ascend by key, each price once");
        const char *broken = check_level(e, symbol, code, level);
        if (broken) return broken;
        open_qty += (uint64_t)level->qty;
        REQUIRE(open_qty <= FS_MAX_SIDE_QTY, "a side holds at most FS_MAX_SIDE_QTY lots");
        *orders += level->count;
    }
    REQUIRE(open_qty == (uint64_t)side->open_qty, "a side's quantity is the sum of its levels'");
    if (side->house == FSI_NIL) return NULL;
    REQUIRE(side->house < e->order_used, "a house order is in the slab");
    const struct order *house = &e->orders[side->house];
    REQUIRE(house->house && house->symbol == symbol && house->side == code && house->leaves,
            "a book's house order rests on its side");
    return NULL;
}

static const char *check_book(const fs_engine *e, uint32_t symbol, uint64_t *orders) {
    const struct book *book = e->books[symbol];
    const char *broken = check_side(e, symbol, FS_BUY, orders);
    if (!broken) broken = check_side(e, symbol, FS_SELL, orders);
    if (broken) return broken;
    const struct level *bid = fsi_best_level(&book->sides[0]), *ask = fsi_best_level(&book->sides[1]);
    REQUIRE(!bid || !ask || bid->key < -ask->key, "the best bid is below the best ask");
    REQUIRE(book->last.trades || (!book->last.price && !book->last.qty && !book->last.volume),
            "a tape without trades is blank");
    return NULL;
}

static const char *check_heap(const fs_engine *e) {
    for (uint32_t i = 0; i < e->heap_count; i++) {
        REQUIRE(e->heap[i] < e->order_used, "the heap holds slots of the slab");
        const struct order *o = &e->orders[e->heap[i]];
        REQUIRE(o->leaves && o->expiry_ms && o->heap_at == i, "the heap holds live orders that know their place");
        REQUIRE(!i || !fsi_sooner(e, e->heap[i], e->heap[(i - 1) / 2]), "no order expires before its parent");
    }
    REQUIRE(!fsi_idle(e) || !fsi_expiry_due(e), "nothing rests past its expiry");
    return NULL;
}

static const char *check_store(const fs_engine *e, uint64_t orders) {
    uint32_t free_slots = 0, expiries = 0;
    uint64_t ids = 0, clients = 0;
    for (uint32_t slot = e->free_head; slot != FSI_NIL; slot = e->orders[slot].next) {
        REQUIRE(slot < e->order_used && free_slots < e->order_used, "the free list stays in the slab and ends");
        REQUIRE(!e->orders[slot].leaves, "a free slot is blank");
        free_slots++;
    }
    for (uint32_t slot = 0; slot < e->order_used; slot++) {
        const struct order *o = &e->orders[slot];
        clients += o->leaves && !o->house;
        expiries += o->leaves && o->expiry_ms;
    }
    for (size_t i = 0; i <= e->id_mask; i++) ids += e->ids[i].id != 0;
    REQUIRE(e->order_used <= e->order_capacity, "the slab has room for its slots");
    REQUIRE(e->order_live == orders, "every live order rests in a book");
    REQUIRE(e->order_used - free_slots == e->order_live, "every slot is live or free");
    REQUIRE(clients == e->client_count && ids == clients, "the id table holds the clients' orders, no more");
    REQUIRE(expiries == e->heap_count, "the heap holds the orders with an expiry, no more");
    return NULL;
}

const char *fs_validate(const fs_engine *engine) {
    uint64_t orders = 0;
    for (uint32_t symbol = 0; symbol <= FS_MAX_SYMBOL; symbol++) {
        if (!engine->books[symbol]) continue;
        REQUIRE(symbol < engine->symbol_end, "no book lies above symbol_end");
        const char *broken = check_book(engine, symbol, &orders);
        if (broken) return broken;
    }
    const char *broken = check_heap(engine);
    return broken ? broken : check_store(engine, orders);
}
