/* query.c: reading the books without changing them. */
#include "internal.h"

uint32_t fs_orders(const fs_engine *engine) { return client_count(engine); }

uint64_t fs_due(const fs_engine *engine) { return engine->heap_count ? expiry_of(engine, engine->heap[0]) : 0; }

size_t fs_depth(const fs_engine *engine, uint32_t symbol, uint8_t side, fs_level *levels, size_t n) {
    struct book *book = book_of(engine, symbol);
    if (!book || !is_side(side)) return 0;
    size_t written = 0;
    for (uint32_t at = own_ladder(book, side)->best; at && written < n; at = engine->levels[at].worse) {
        const struct level *level = &engine->levels[at];
        levels[written++] = (fs_level){.price = level_price(level), .qty = level->shown, .orders = level->count};
    }
    return written;
}

void fs_best(const fs_engine *engine, uint32_t symbol, fs_level *bid, fs_level *ask) {
    if (!fs_depth(engine, symbol, FS_BUY, bid, 1)) *bid = (fs_level){0};
    if (!fs_depth(engine, symbol, FS_SELL, ask, 1)) *ask = (fs_level){0};
}

static fs_resting view_of(const fs_engine *e, uint32_t slot) {
    const struct order *o = &e->orders[slot];
    bool dormant = o->bits & BIT_DORMANT;
    return (fs_resting){
        .order_id = o->id,
        .price = limit_of(e, slot),
        .shown = dormant ? 0 : o->leaves - o->hidden,
        .leaves = o->leaves,
        .filled = o->filled,
        .stop = dormant ? level_price(&e->levels[o->level]) : 0,
        .expiry_ms = expiry_of(e, slot),
        .account = o->account,
        .symbol = (uint16_t)o->symbol,
        .partition = o->partition,
        .side = o->side,
        .flags = o->bits & (FS_POST_ONLY | FS_ALL_OR_NONE | FS_ICEBERG | FS_OFFSET_BPS),
        .dormant = dormant,
        .house = (o->bits & BIT_HOUSE) != 0,
    };
}

/* The order that stands behind another in its ladder. */
internal uint32_t order_behind(const fs_engine *e, uint32_t slot) {
    const struct order *o = &e->orders[slot];
    return o->next ? o->next : e->levels[e->levels[o->level].worse].head;
}

size_t fs_queue(const fs_engine *engine, uint32_t symbol, uint8_t side, int dormant, fs_resting *orders, size_t n) {
    struct book *book = book_of(engine, symbol);
    if (!book || !is_side(side)) return 0;
    const struct ladder *l = dormant ? stop_ladder(book, side) : own_ladder(book, side);
    size_t written = 0;
    for (uint32_t slot = engine->levels[l->best].head; slot && written < n; slot = order_behind(engine, slot))
        orders[written++] = view_of(engine, slot);
    return written;
}

/* Let a view sink in a heap of n whose first has the highest id. */
static void sink(fs_resting *heap, size_t n, size_t at, fs_resting view) {
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1].order_id > heap[child].order_id) child++;
        if (heap[child].order_id <= view.order_id) break;
        heap[at] = heap[child];
    }
    heap[at] = view;
}

size_t fs_orders_after(const fs_engine *engine, uint16_t partition, uint32_t account, uint64_t after,
                       fs_resting *orders, size_t n) {
    size_t found = 0;
    for (uint32_t slot = 1; n && slot < engine->order_slots.end; slot++) {
        const struct order *o = &engine->orders[slot];
        if (o->id <= after || !o->level || !o->leaves || o->bits & BIT_HOUSE) continue; /* a free slot has id 0 */
        if (o->partition != partition || (account && o->account != account)) continue;
        if (found < n) {
            orders[found++] = view_of(engine, slot);
            if (found == n)
                for (size_t at = n / 2; at--;) sink(orders, n, at, orders[at]);
        } else if (o->id < orders[0].order_id) {
            sink(orders, n, 0, view_of(engine, slot));
        }
    }
    if (found < n)
        for (size_t at = found / 2; at--;) sink(orders, found, at, orders[at]);
    for (size_t left = found; left > 1; left--) { /* the highest goes last, again and again */
        fs_resting last = orders[left - 1];
        orders[left - 1] = orders[0];
        sink(orders, left - 1, 0, last);
    }
    return found;
}

int fs_find(const fs_engine *engine, uint64_t order_id, fs_resting *order) {
    uint32_t slot = id_find(engine, order_id);
    *order = (fs_resting){0};
    if (!slot || !engine->orders[slot].level) return 0;
    *order = view_of(engine, slot);
    return 1;
}

void fs_last_trade(const fs_engine *engine, uint32_t symbol, fs_last *last) {
    const struct book *book = book_of(engine, symbol);
    *last = book ? book->last : (fs_last){0};
}

void fs_cost(const fs_engine *engine, uint32_t symbol, uint8_t side, int64_t qty, fs_walk *walk) {
    struct book *book = book_of(engine, symbol);
    *walk = (fs_walk){0};
    if (!book || !is_side(side) || bad_qty(qty)) return;
    const struct order anyone = {0};
    __int128 cost = 0;
    for (uint32_t at = other_ladder(book, side)->best; at && qty; at = engine->levels[at].worse) {
        const struct level *level = &engine->levels[at];
        int64_t left = left_after_level(engine, level, &anyone, qty);
        if (left == qty) continue; /* only orders to pass over */
        cost += (__int128)level_price(level) * (qty - left);
        walk->worst = level_price(level);
        walk->qty += qty - left;
        qty = left;
    }
    walk->cost_low = (uint64_t)cost;
    walk->cost_high = (int64_t)(cost >> 64);
}

int64_t fs_cumulative(const fs_engine *engine, uint32_t symbol, uint8_t side, int64_t price) {
    struct book *book = book_of(engine, symbol);
    if (!book || !is_side(side)) return 0;
    const struct ladder *l = own_ladder(book, side);
    uint64_t reach = key_in(l, price);
    int64_t lots = 0;
    for (uint32_t at = l->best; at && engine->levels[at].key <= reach; at = engine->levels[at].worse)
        lots += engine->levels[at].shown;
    return lots;
}

int fs_indicative(const fs_engine *engine, uint32_t symbol, int64_t *price, int64_t *qty) {
    const struct book *book = book_of(engine, symbol);
    struct cross cross = {0};
    if (book && (price || qty)) cross = find_cross(engine, book);
    if (price) *price = cross.price;
    if (qty) *qty = (int64_t)cross.volume;
    return book ? book->session : FS_CONTINUOUS;
}
