/* validate.c: every invariant of the structure, for tests and for snapshots from outside. */
#include "internal.h"

#define REQUIRE(what, sentence) \
    do { \
        if (!(what)) return sentence; \
    } while (0)

/* What a walk through all books counts. */
struct tally {
    uint64_t orders, clients, expiries, levels, nodes;
    uint64_t open_qty[2]; /* of the book in hand, by side */
};

static const char *check_order(const fs_engine *e, const struct order *o, uint32_t slot, struct tally *t) {
    const struct rare *rare = &e->rares[slot];
    REQUIRE(o->leaves >= 1 && o->leaves <= FS_MAX_QTY, "a resting order has 1..FS_MAX_QTY lots open");
    REQUIRE(o->filled >= 0 && o->filled <= FS_MAX_QTY - o->leaves, "an order is 1..FS_MAX_QTY lots in all");
    REQUIRE(o->hidden >= 0 && o->hidden < o->leaves, "a resting order shows some of its quantity");
    REQUIRE(!o->hidden || o->bits & BIT_ICEBERG, "only icebergs hide quantity");
    t->orders++;
    if (o->bits & BIT_HOUSE) {
        REQUIRE(!o->id && !o->account && !(o->bits & BIT_EXPIRES), "the house's orders have no id, account or expiry");
        REQUIRE(o->partition == FS_PARTITION_NONE, "the house's orders are heard by no partition");
        return NULL;
    }
    REQUIRE(o->id && o->account, "a client's order has an id and an account");
    REQUIRE(o->partition < FS_PARTITION_NONE, "a client's order belongs to an account partition");
    REQUIRE(id_find(e, o->id) == slot, "the id table leads to each client's order");
    REQUIRE(sound_client(o, rare), "an order has flags that fit it");
    t->clients++;
    if (!(o->bits & BIT_EXPIRES)) return NULL;
    t->expiries++;
    REQUIRE(rare->expiry_ms, "an order that expires has a time");
    REQUIRE(rare->heap_at < e->heap_count && e->heap[rare->heap_at] == slot,
            "an order with an expiry is in the heap where it says");
    return NULL;
}

/* What a walk through one ladder sums up. */
struct sums {
    uint64_t open_qty;
    uint32_t special, house, levels;
};

static const char *check_level(const fs_engine *e, const struct ladder *l, uint32_t at, struct sums *sums,
                               struct tally *t) {
    const struct level *level = &e->levels[at];
    uint32_t prev = NIL, count = 0, special = 0;
    int64_t shown = 0, hidden = 0;
    uint8_t which = l->id % LADDERS, side = buyers_at(which) ? FS_BUY : FS_SELL;
    REQUIRE(level->count, "a level holds an order");
    for (uint32_t slot = level->head; slot; slot = e->orders[slot].next) {
        REQUIRE(slot < e->order_slots.end && count < level->count, "a queue has as many orders as its level says");
        const struct order *o = &e->orders[slot];
        REQUIRE(o->symbol == l->id / LADDERS && o->side == side, "an order is in the book and on the side it names");
        REQUIRE(o->level == at, "an order knows its level");
        REQUIRE(o->prev == prev, "each order of a queue points back to the one before");
        REQUIRE(!!(o->bits & BIT_DORMANT) == (which >= SELL_STOPS), "dormant orders stand among the stops");
        const char *broken = check_order(e, o, slot, t);
        if (broken) return broken;
        shown += o->leaves - o->hidden;
        hidden += o->hidden;
        special += !!(o->bits & (BIT_AON | BIT_TRAILING));
        if (o->bits & BIT_HOUSE) REQUIRE(l->house == slot && !sums->house++, "the book knows its house orders");
        prev = slot;
        count++;
    }
    REQUIRE(level->tail == prev, "a queue ends with its level's tail");
    REQUIRE(count == level->count, "a queue has as many orders as its level says");
    REQUIRE(shown == level->shown && hidden == level->hidden, "a level's quantities are the sums of its orders'");
    REQUIRE(!level->meant || e->work & WORK_MASS, "only a mass cancel means orders");
    REQUIRE(special == level->special, "a level counts its all-or-none orders or trailing stops");
    sums->open_qty += (uint64_t)shown + (uint64_t)hidden;
    sums->special += special;
    return NULL;
}

static const char *check_trie(const fs_engine *e, uint32_t ref, uint32_t parent, uint32_t *levels, struct tally *t) {
    if (!(ref & NODE_BIT)) {
        REQUIRE(ref < e->level_slots.end && e->levels[ref].node == parent, "a level knows its trie node");
        ++*levels;
        return NULL;
    }
    uint32_t at = ref & ~NODE_BIT;
    REQUIRE(at < e->node_slots.end, "trie nodes are in the slab");
    const struct node *node = &e->nodes[at];
    REQUIRE(node->parent == parent, "a trie node knows its parent");
    REQUIRE(__builtin_popcount(node->used) >= 2, "a trie node has two children");
    t->nodes++;
    for (uint32_t digit = 0; digit < DIGITS; digit++) {
        uint32_t child = node->child[digit];
        REQUIRE(!child == !(node->used >> digit & 1), "a trie node's bitmap shows its children");
        if (!child) continue;
        uint64_t key = child & NODE_BIT ? e->nodes[child & ~NODE_BIT].prefix : e->levels[child].key;
        REQUIRE(!((key ^ node->prefix) >> node->shift >> DIGIT_BITS) && digit_of(node, key) == digit,
                "a trie leads by the digits of the key");
        const char *broken = check_trie(e, child, at, levels, t);
        if (broken) return broken;
    }
    return NULL;
}

static const char *check_ladder(const fs_engine *e, const struct book *book, const struct ladder *l, struct tally *t) {
    struct sums sums = {0};
    uint32_t better = NIL, in_trie = 0;
    for (uint32_t at = l->best; at; better = at, at = e->levels[at].worse) {
        const struct level *level = &e->levels[at];
        REQUIRE(sums.levels < l->levels && at < e->level_slots.end, "a ladder has as many levels as it says");
        REQUIRE(level->ladder == l, "a level knows its ladder");
        REQUIRE(level->better == better, "each level points back to the better one");
        REQUIRE(!better || e->levels[better].key < level->key, "levels run from the best price on, each once");
        const char *broken = check_level(e, l, at, &sums, t);
        if (broken) return broken;
        sums.levels++;
    }
    REQUIRE(sums.levels == l->levels, "a ladder has as many levels as it says");
    REQUIRE(l->best_key == (l->best ? e->levels[l->best].key : UINT64_MAX), "a ladder knows its best price");
    t->open_qty[l->open_qty - book->open_qty] += sums.open_qty;
    REQUIRE(sums.special == l->special, "a ladder counts its all-or-none orders or trailing stops");
    REQUIRE(!!sums.house == !!l->house, "a book's house order rests on its side");
    const char *broken = l->root ? check_trie(e, l->root, NIL, &in_trie, t) : NULL;
    REQUIRE(broken || in_trie == l->levels, "every level hangs in the trie");
    for (uint32_t i = 0; i < 1u << CACHE_BITS; i++)
        REQUIRE(!l->cache[i] || (e->levels[l->cache[i]].ladder == l && e->levels[l->cache[i]].count),
                "the cache leads to levels of the ladder");
    t->levels += l->levels;
    return broken;
}

/* Whether a trailing stop stands further off than the last trade allows. */
static bool lags(const fs_engine *e, const struct ladder *l, int64_t last) {
    if (!l->special) return false;
    for (uint32_t slot = e->levels[l->best].head; slot; slot = order_behind(e, slot)) {
        const struct order *o = &e->orders[slot];
        uint64_t nearest = o->bits & BIT_TRAILING ? key_in(l, trailed(o, e->rares[slot].offset, last)) : UINT64_MAX;
        if (e->levels[o->level].key > nearest) return true;
    }
    return false;
}

/* Prices cross in a running book only around all-or-none orders; the house's own may meet. */
static bool crossed_wrongly(const fs_engine *e, const struct book *book) {
    if (book->session != FS_CONTINUOUS || !idle(e)) return false;
    const struct ladder *bids = &book->ladders[BIDS], *asks = &book->ladders[ASKS];
    uint32_t passed[2] = {NIL, NIL};
    uint32_t bid = first_in_auction(e, bids, ANY_PRICE, &passed[BIDS]);
    uint32_t ask = first_in_auction(e, asks, ANY_PRICE, &passed[ASKS]);
    if (!bid || !ask) return false;
    int64_t buys = limit_of(e, bid), sells = limit_of(e, ask);
    return buys > sells || (buys == sells && !(bid == bids->house && ask == asks->house));
}

static const char *check_tape(const fs_last *last) {
    if (!last->trades) {
        REQUIRE(!(last->price | last->qty | (int64_t)last->volume | (int64_t)last->turnover_low | last->turnover_high),
                "a tape without trades is blank");
        return NULL;
    }
    __int128 turnover = (__int128)last->turnover_high * ((__int128)1 << 64) + last->turnover_low;
    __int128 most = (__int128)last->volume * FS_MAX_PRICE;
    REQUIRE(last->qty >= 1 && last->volume >= (uint64_t)last->qty, "a tape's volume has its last trade in it");
    REQUIRE(last->volume >= last->trades, "each trade of a tape is a lot or more");
    REQUIRE(turnover >= -most && turnover <= most, "each lot of a tape traded at a price");
    return NULL;
}

static const char *check_book(const fs_engine *e, uint32_t symbol, struct tally *t) {
    const struct book *book = e->books[symbol];
    t->open_qty[0] = t->open_qty[1] = 0;
    for (uint32_t which = 0; which < LADDERS; which++) {
        const struct ladder *l = &book->ladders[which];
        REQUIRE(l->id == symbol * LADDERS + which && l->flip == flip_of(which), "a ladder knows its place");
        REQUIRE(l->cache == book->caches[which] && l->open_qty == &book->open_qty[buyers_at(which) ? 0 : 1],
                "a ladder leads to its book");
        const char *broken = check_ladder(e, book, l, t);
        if (broken) return broken;
        if (book->session != FS_CONTINUOUS || !idle(e) || which < SELL_STOPS || !book->last.trades) continue;
        REQUIRE(l->best_key > key_in(l, book->last.price), "no stop waits that the last trade reaches");
        REQUIRE(!lags(e, l, book->last.price), "every trailing stop has followed the last trade");
    }
    REQUIRE(!crossed_wrongly(e, book), "the best bid is below the best ask");
    for (uint32_t side = 0; side < 2; side++)
        REQUIRE(book->open_qty[side] >= 0 && t->open_qty[side] == (uint64_t)book->open_qty[side],
                "a side's quantity is the sum of its levels' and its stops'");
    REQUIRE(book->session != FS_CONTINUOUS || !book->reference, "only an auction has a reference");
    REQUIRE(book->special == (book->session != FS_CONTINUOUS || book->banded), "a book knows what it must look at");
    return check_tape(&book->last);
}

static const char *check_heap(const fs_engine *e) {
    for (uint32_t i = 0; i < e->heap_count; i++) {
        REQUIRE(e->heap[i] < e->order_slots.end, "the heap holds slots of the slab");
        const struct order *o = &e->orders[e->heap[i]];
        REQUIRE((o->leaves || !idle(e)) && o->bits & BIT_EXPIRES && e->rares[e->heap[i]].heap_at == i,
                "the heap holds live orders that know their place");
        REQUIRE(!i || !sooner(e, e->heap[i], e->heap[(i - 1) / 2]), "no order expires before its parent");
    }
    REQUIRE(!idle(e) || !expiry_due(e), "nothing rests past its expiry");
    return NULL;
}

static const char *check_free(const fs_engine *e, const struct tally *t) {
    uint64_t orders = 0, levels = 0, nodes = 0;
    const struct slots *of_orders = &e->order_slots, *of_levels = &e->level_slots, *of_nodes = &e->node_slots;
    for (uint32_t slot = of_orders->free; slot; slot = e->orders[slot].next, orders++)
        REQUIRE(slot < of_orders->fresh && orders < of_orders->end && !e->orders[slot].leaves,
                "the free list of orders stays below the fresh ones, ends, and holds blank ones");
    for (uint32_t at = of_levels->free; at; at = e->levels[at].worse, levels++)
        REQUIRE(at < of_levels->fresh && levels < of_levels->end && !e->levels[at].count,
                "the free list of levels stays below the fresh ones, ends, and holds blank ones");
    for (uint32_t at = of_nodes->free; at; at = e->nodes[at].parent, nodes++)
        REQUIRE(at < of_nodes->fresh && nodes < of_nodes->end && !e->nodes[at].used,
                "the free list of trie nodes stays below the fresh ones, ends, and holds blank ones");
    const struct slots *all[] = {of_orders, of_levels, of_nodes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        REQUIRE(all[i]->fresh <= all[i]->end && all[i]->end <= e->capacity, "the slabs have room for what they hold");
    if (!idle(e)) return NULL; /* a taker stands in no book */
    for (uint32_t slot = of_orders->fresh; slot < of_orders->end; slot++) orders += !e->orders[slot].leaves;
    for (uint32_t at = of_levels->fresh; at < of_levels->end; at++) levels += !e->levels[at].count;
    for (uint32_t at = of_nodes->fresh; at < of_nodes->end; at++) nodes += !e->nodes[at].used;
    REQUIRE(of_orders->end - 1 - orders == t->orders, "every order slot is live or free");
    REQUIRE(of_levels->end - 1 - levels == t->levels, "every level slot is live or free");
    REQUIRE(of_nodes->end - 1 - nodes == t->nodes, "every node slot is live or free");
    return NULL;
}

static bool is_in(const struct id_table *t, const fs_engine *e, size_t place) {
    return t->at && place - (size_t)(t->at - e->id_memory) <= t->mask;
}

static const char *check_store(const fs_engine *e, const struct tally *t) {
    uint64_t ids = 0;
    for (size_t i = 0; i < ID_PLACES * (size_t)e->capacity; i++) {
        REQUIRE(!e->id_memory[i] || is_in(&e->ids, e, i) || is_in(&e->former, e, i), "memory of no table of ids is blank");
        ids += e->id_memory[i] != 0;
    }
    REQUIRE(ids == client_count(e), "the tables of ids hold the clients' orders, no more");
    uint64_t wanted = ID_PLACES / 2 * (uint64_t)e->order_live, runs = ID_PLACES / 2 * 4 * (uint64_t)RUN;
    REQUIRE(wanted <= e->ids.mask + 1 + runs, "the table of ids has room");
    if (!idle(e)) return NULL;
    REQUIRE(e->order_live == t->orders, "every live order rests in a book");
    REQUIRE(t->clients == client_count(e), "the engine counts the clients' orders");
    REQUIRE(t->expiries == e->heap_count, "the heap holds the orders with an expiry, no more");
    return NULL;
}

const char *fs_validate(const fs_engine *engine) {
    struct tally tally = {0};
    const char *broken = check_heap(engine);
    for (uint32_t symbol = 0; symbol <= FS_MAX_SYMBOL && !broken; symbol++) {
        if (!engine->books[symbol]) continue;
        REQUIRE(symbol < engine->symbol_end, "no book lies above symbol_end");
        broken = check_book(engine, symbol, &tally);
    }
    if (!broken) broken = check_free(engine, &tally);
    return broken ? broken : check_store(engine, &tally);
}
