/* difference.c: the engine's queries against the lists. */
#include <stdlib.h>
#include <string.h>

#include "listbook.h"

#define SAME(what, sentence) \
    do { \
        if (!(what)) return sentence; \
    } while (0)

static fs_resting view_of(const struct listed *order) {
    return (fs_resting){.order_id = order->id,
                        .price = order->offset ? order->offset : order->price,
                        .shown = order->dormant ? 0 : order->shown,
                        .leaves = order->leaves,
                        .filled = order->filled,
                        .stop = order->dormant ? order->stop : 0,
                        .expiry_ms = order->expiry_ms,
                        .account = order->account,
                        .symbol = (uint16_t)order->symbol,
                        .partition = order->partition,
                        .side = order->side,
                        .flags = order->flags,
                        .dormant = order->dormant,
                        .house = lb_house(order)};
}

static size_t length(const struct listed *order) {
    size_t n = 0;
    for (; order; order = order->next) n++;
    return n;
}

/* Whether the engine's queue is the list, and each of its orders can be found. */
static bool same_queue(const fs_engine *engine, const struct listed *list, uint32_t symbol, uint8_t side, int dormant) {
    size_t n = length(list), i = 0;
    fs_resting *queue = lb_memory(NULL, (n + 1) * sizeof *queue), found;
    bool same = fs_queue(engine, symbol, side, dormant, queue, n + 1) == n;
    for (; same && list; list = list->next, i++) {
        fs_resting expected = view_of(list);
        same = !memcmp(&expected, &queue[i], sizeof expected);
        if (same && !lb_house(list))
            same = fs_find(engine, list->id, &found) && !memcmp(&expected, &found, sizeof expected);
    }
    free(queue);
    return same;
}

/* Whether the engine's levels are the list's prices, one after the other. */
static bool same_depth(const fs_engine *engine, const struct listed *list, uint32_t symbol, uint8_t side) {
    size_t room = length(list) + 1, n = 0;
    fs_level *levels = lb_memory(NULL, room * sizeof *levels), *expected = lb_memory(NULL, room * sizeof *expected);
    for (; list; list = list->next) {
        if (!n || expected[n - 1].price != list->price) expected[n++] = (fs_level){.price = list->price};
        expected[n - 1].qty += list->shown;
        expected[n - 1].orders++;
    }
    bool same = fs_depth(engine, symbol, side, levels, room) == n && !memcmp(levels, expected, n * sizeof *levels);
    free(levels);
    free(expected);
    return same;
}

static int64_t shown_to(const struct listed *list, int64_t price) {
    int64_t lots = 0;
    for (; list; list = list->next)
        if (list->side == FS_BUY ? list->price >= price : list->price <= price) lots += list->shown;
    return lots;
}

/* What a market order would trade: it happens to a copy. */
static fs_walk walk_of(const struct listed_symbol *symbol, uint8_t side, int64_t qty) {
    struct listbook aside = {0};
    struct listed_symbol copy = lb_copy(symbol);
    struct listed anyone = {.id = UINT64_MAX, .leaves = qty, .symbol = symbol->number, .side = side};
    fs_walk walk = {0};
    __int128 cost = 0;
    if (qty >= 1 && qty <= FS_MAX_QTY) lb_take(&aside, &copy, &anyone, false);
    for (size_t i = 0; i < aside.count; i++) {
        const fs_report *report = &aside.reports[i];
        if (!(report->flags & FS_FLAG_TAKER)) continue;
        walk.qty += report->qty;
        walk.worst = report->price;
        cost += (__int128)report->price * report->qty;
    }
    walk.cost_low = (uint64_t)cost;
    walk.cost_high = (int64_t)(cost >> 64);
    lb_free_copy(&copy);
    free(aside.reports);
    return walk;
}

static const char *side_difference(struct listed_symbol *symbol, const fs_engine *engine, uint8_t side, int64_t price,
                                   int64_t qty) {
    uint32_t number = symbol->number;
    const struct listed *list = symbol->lists[side == FS_BUY ? LIST_BIDS : LIST_ASKS];
    const struct listed *stops = symbol->lists[side == FS_BUY ? LIST_BUY_STOPS : LIST_SELL_STOPS];
    fs_walk walk, expected = walk_of(symbol, side, qty);
    fs_cost(engine, number, side, qty, &walk);
    SAME(same_queue(engine, list, number, side, 0), "fs_queue or fs_find");
    SAME(same_queue(engine, stops, number, side, 1), "fs_queue or fs_find of dormant orders");
    SAME(same_depth(engine, list, number, side), "fs_depth");
    SAME(fs_cumulative(engine, number, side, price) == shown_to(list, price), "fs_cumulative");
    SAME(!memcmp(&walk, &expected, sizeof walk), "fs_cost");
    return NULL;
}

const char *lb_difference(struct listbook *book, const fs_engine *engine, uint32_t symbol, int64_t price, int64_t qty) {
    if (symbol > FS_MAX_SYMBOL) return NULL;
    struct listed_symbol *listed = lb_symbol(book, symbol);
    int64_t cross_price, cross_qty, expected_price, expected_qty = lb_cross(listed, &expected_price);
    fs_last last;
    fs_last_trade(engine, symbol, &last);
    SAME(fs_orders(engine) == lb_clients(book), "fs_orders");
    SAME(fs_due(engine) == lb_due(book), "fs_due");
    SAME(!memcmp(&last, &listed->last, sizeof last), "fs_last_trade");
    SAME(fs_indicative(engine, symbol, &cross_price, &cross_qty) == listed->session, "fs_indicative's session");
    SAME(cross_price == expected_price && cross_qty == expected_qty, "fs_indicative");
    const char *differs = side_difference(listed, engine, FS_BUY, price, qty);
    return differs ? differs : side_difference(listed, engine, FS_SELL, price, qty);
}
