/* orders.c: new orders, cancels and replacements. The reasons for a refusal are looked for in the order in which
 * the engine does: the record alone, then the order, then the symbol, then the room. */
#include <stdlib.h>

#include "listbook.h"

/* -------------------------------------------------------------------- codes */

static bool lasting(uint8_t tif) { return tif == FS_DAY || tif == FS_GTC || tif == FS_GTD; }
static bool has_limit(uint8_t ord_type) { return ord_type == FS_LIMIT || ord_type == FS_STOP_LIMIT; }

static bool is_stop(uint8_t ord_type) {
    return ord_type == FS_STOP || ord_type == FS_STOP_LIMIT || ord_type == FS_TRAILING_STOP;
}

static bool is_ord_type(uint8_t ord_type) {
    return is_stop(ord_type) || ord_type == FS_LIMIT || ord_type == FS_MARKET || ord_type == FS_MARKET_TO_LIMIT;
}

/* Whether what an order leaves untraded stays in the book, or the order waits. */
static bool may_rest(const fs_command *c) {
    return is_stop(c->ord_type) || (c->ord_type != FS_MARKET && lasting(c->tif));
}

static bool bad_client(const fs_command *c) {
    return c->order_id == 0 || c->account == 0 || c->partition >= FS_PARTITION_NONE;
}

/* ---------------------------------------------------------------- new orders */

static uint8_t flags_that_fit(const fs_command *c) {
    if (c->ord_type == FS_LIMIT && lasting(c->tif)) return FS_POST_ONLY | FS_ALL_OR_NONE | FS_ICEBERG;
    if (c->ord_type == FS_STOP_LIMIT && lasting(c->tif)) return FS_ICEBERG;
    return c->ord_type == FS_TRAILING_STOP ? FS_OFFSET_BPS : 0;
}

static bool bad_codes(const fs_command *c) {
    bool tif = lasting(c->tif) || c->tif == FS_IOC || c->tif == FS_FOK;
    if (!lb_is_side(c->side) || !is_ord_type(c->ord_type) || !tif || c->stp > FS_STP_DECREMENT) return true;
    if (c->flags & ~flags_that_fit(c)) return true;
    return c->flags & FS_ALL_OR_NONE && c->flags & FS_ICEBERG;
}

static bool bad_stop(const fs_command *c) {
    if (c->ord_type == FS_TRAILING_STOP)
        return c->aux_qty < 1 || c->aux_qty > (c->flags & FS_OFFSET_BPS ? 9999 : FS_MAX_PRICE);
    return is_stop(c->ord_type) && lb_bad_price(c->aux_price);
}

static bool too_many_tips(int64_t leaves, int64_t display) { return leaves > (__int128)display * FS_MAX_TIPS; }

static bool bad_display(const fs_command *c) {
    return c->aux_qty < 1 || c->aux_qty > c->qty || too_many_tips(c->qty, c->aux_qty);
}

static uint8_t why_not_record(const fs_command *c, uint64_t clock_ms) {
    if (bad_client(c) || bad_codes(c)) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    if (lb_bad_qty(c->qty)) return FS_REASON_BAD_QTY;
    if (has_limit(c->ord_type) && lb_bad_price(c->price)) return FS_REASON_BAD_PRICE;
    if (bad_stop(c)) return FS_REASON_BAD_STOP;
    if (c->flags & FS_ICEBERG && bad_display(c)) return FS_REASON_BAD_DISPLAY;
    if (c->time_ms ? c->time_ms <= clock_ms : c->tif == FS_GTD) return FS_REASON_EXPIRED;
    return FS_REASON_NONE;
}

static struct listed order_of(const fs_command *c) {
    return (struct listed){
        .id = c->order_id,
        .expiry_ms = c->time_ms,
        .price = has_limit(c->ord_type) ? c->price : 0,
        .leaves = c->qty,
        .display = c->flags & FS_ICEBERG ? c->aux_qty : 0,
        .stop = is_stop(c->ord_type) ? c->aux_price : 0,
        .offset = c->ord_type == FS_TRAILING_STOP ? c->aux_qty : 0,
        .account = c->account,
        .symbol = c->symbol,
        .partition = c->partition,
        .side = c->side,
        .tif = c->tif,
        .flags = c->flags,
        .stp = c->stp,
        .limited = has_limit(c->ord_type), /* a market-to-limit order has none until it has seen the book */
        .dormant = is_stop(c->ord_type),
    };
}

static bool outside_bands(const struct listed_symbol *symbol, int64_t price) {
    return symbol->banded && (price < symbol->low || price > symbol->high);
}

/* A market-to-limit order gets the price of the first order that it would trade with, if there is one. */
static void take_limit(const struct listed_symbol *symbol, struct listed *order) {
    const struct listed *first = lb_first_partner(symbol, order);
    order->limited = first != NULL;
    order->price = first ? first->price : 0;
}

/* All-or-none orders of the order's side, or trailing stops of it. */
static int like_it(struct listed_symbol *symbol, const struct listed *order) {
    int count = 0;
    for (const struct listed *o = *lb_list(symbol, order); o; o = o->next)
        count += order->offset ? o->offset != 0 : (o->flags & FS_ALL_OR_NONE) != 0;
    return count;
}

static uint8_t why_not_new(struct listbook *book, struct listed_symbol *symbol, const fs_command *c) {
    if (lb_find(book, c->order_id)) return FS_REASON_DUPLICATE_ID;
    bool collected = is_stop(c->ord_type) || (c->ord_type == FS_LIMIT && lasting(c->tif));
    if (symbol->session == FS_HALTED || (symbol->session == FS_AUCTION && !collected)) return FS_REASON_SESSION;
    struct listed order = order_of(c);
    if (c->ord_type == FS_MARKET_TO_LIMIT) take_limit(symbol, &order);
    if (order.limited && outside_bands(symbol, order.price)) return FS_REASON_OUTSIDE_BANDS;
    if (may_rest(c) && lb_clients(book) >= book->max_orders) return FS_REASON_CAPACITY;
    if (may_rest(c) && lb_overfull(lb_open_qty(symbol, c->side, true), c->qty)) return FS_REASON_CAPACITY;
    if ((order.flags & FS_ALL_OR_NONE || order.offset) && like_it(symbol, &order) >= FS_MAX_SPECIAL)
        return FS_REASON_CAPACITY;
    bool asks = c->flags & FS_POST_ONLY && symbol->session == FS_CONTINUOUS;
    return asks && lb_would_trade(symbol, &order) ? FS_REASON_WOULD_TRADE : FS_REASON_NONE;
}

static void enter_stop(struct listbook *book, struct listed_symbol *symbol, struct listed *order) {
    if (order->offset && symbol->last.trades) order->stop = lb_trailed(order, symbol->last.price);
    else if (order->offset) order->stop = order->side == FS_BUY ? INT64_MAX : INT64_MIN; /* it sleeps */
    fs_report *report = lb_about(book, order, FS_ACCEPTED);
    report->aux = order->stop;
    lb_put(symbol, order);
}

static void enter_taker(struct listbook *book, struct listed_symbol *symbol, struct listed *order, const fs_command *c) {
    if (c->ord_type == FS_MARKET_TO_LIMIT) take_limit(symbol, order);
    lb_about(book, order, FS_ACCEPTED)->aux = order->display;
    lb_come_in(book, symbol, order, may_rest(c) && order->limited);
}

void lb_new_order(struct listbook *book, const fs_command *c) {
    uint8_t reason = why_not_record(c, book->clock_ms);
    struct listed_symbol *symbol = reason ? NULL : lb_symbol(book, c->symbol);
    if (!reason) reason = why_not_new(book, symbol, c);
    if (reason) {
        lb_refuse(book, c, FS_REJECTED, reason);
        return;
    }
    struct listed *order = lb_memory(NULL, sizeof *order);
    *order = order_of(c);
    if (order->dormant) enter_stop(book, symbol, order);
    else enter_taker(book, symbol, order, c);
    lb_trigger(book, symbol);
}

/* -------------------------------------------------------- cancel and replace */

static uint8_t why_not_own(const fs_command *c, const struct listed *order, uint8_t flags) {
    if (bad_client(c) || c->stp || c->flags & ~flags) return FS_REASON_BAD_RECORD;
    if (!order) return FS_REASON_UNKNOWN_ORDER;
    return order->account == c->account ? FS_REASON_NONE : FS_REASON_NOT_OWNER;
}

void lb_cancel(struct listbook *book, const fs_command *c) {
    struct listed *order = lb_find(book, c->order_id);
    uint8_t reason = why_not_own(c, order, 0);
    if (reason) lb_refuse(book, c, FS_CANCEL_REJECTED, reason);
    else lb_take_off(book, order, FS_CANCELED, FS_REASON_REQUESTED);
}

/* Quantity that a replaced order would have open. */
static int64_t new_leaves(const fs_command *c, const struct listed *order) {
    return c->flags & FS_OPEN_QTY ? c->qty : c->qty - order->filled;
}

static bool keeps_place(const fs_command *c, const struct listed *order) {
    return c->price == order->price && new_leaves(c, order) <= order->leaves;
}

static uint8_t why_not_replace(const struct listed_symbol *symbol, const fs_command *c, const struct listed *order) {
    bool new_stop = c->flags & FS_NEW_STOP, bounded = c->flags & FS_OPEN_QTY;
    if (new_stop && (!order->dormant || order->offset)) return FS_REASON_BAD_RECORD;
    if (lb_bad_qty(c->qty) || (bounded && lb_bad_qty(c->qty + order->filled))) return FS_REASON_BAD_QTY;
    if (order->limited && lb_bad_price(c->price)) return FS_REASON_BAD_PRICE;
    if (new_stop && lb_bad_price(c->aux_price)) return FS_REASON_BAD_STOP;
    if (symbol->session == FS_HALTED) return FS_REASON_SESSION;
    bool lets_in = new_leaves(c, order) > 0 && !keeps_place(c, order); /* something that was not in before */
    if (order->limited && lets_in && outside_bands(symbol, c->price)) return FS_REASON_OUTSIDE_BANDS;
    int64_t leaves = new_leaves(c, order), others = lb_open_qty(symbol, order->side, true) - order->leaves;
    if (lb_overfull(others, leaves)) return FS_REASON_CAPACITY;
    if (order->display && too_many_tips(leaves, order->display)) return FS_REASON_BAD_DISPLAY;
    if (!lets_in || !(order->flags & FS_POST_ONLY) || symbol->session != FS_CONTINUOUS) return FS_REASON_NONE;
    struct listed changed = *order;
    changed.price = c->price;
    changed.leaves = leaves;
    return lb_would_trade(symbol, &changed) ? FS_REASON_WOULD_TRADE : FS_REASON_NONE;
}

static void replace_dormant(struct listbook *book, struct listed_symbol *symbol, const fs_command *c,
                            struct listed *order) {
    int64_t stop = c->flags & FS_NEW_STOP ? c->aux_price : order->stop, leaves = new_leaves(c, order);
    bool stays = stop == order->stop && leaves <= order->leaves;
    if (!stays) lb_pull(symbol, order);
    order->stop = stop;
    order->leaves = leaves;
    if (order->limited) order->price = c->price;
    fs_report *report = lb_about(book, order, FS_REPLACED);
    report->qty = leaves + order->filled;
    report->aux = stop;
    if (stays) return;
    lb_put(symbol, order);
    lb_trigger(book, symbol);
}

static void replace_resting(struct listbook *book, struct listed_symbol *symbol, const fs_command *c,
                            struct listed *order) {
    int64_t leaves = new_leaves(c, order);
    bool stays = keeps_place(c, order);
    if (!stays) lb_pull(symbol, order);
    if (stays) order->shown = lb_least(order->shown, leaves); /* the hidden part shrinks first */
    order->price = c->price;
    order->leaves = leaves;
    fs_report *report = lb_about(book, order, FS_REPLACED);
    report->qty = leaves + order->filled;
    report->aux = order->display;
    if (stays) return;
    lb_come_in(book, symbol, order, true);
    lb_trigger(book, symbol);
}

void lb_replace(struct listbook *book, const fs_command *c) {
    struct listed *order = lb_find(book, c->order_id);
    uint8_t reason = why_not_own(c, order, FS_OPEN_QTY | FS_NEW_STOP);
    struct listed_symbol *symbol = reason ? NULL : lb_symbol(book, order->symbol);
    if (!reason) reason = why_not_replace(symbol, c, order);
    if (reason) lb_refuse(book, c, FS_REPLACE_REJECTED, reason);
    else if (new_leaves(c, order) <= 0) lb_take_off(book, order, FS_CANCELED, FS_REASON_REPLACED_BELOW_FILLED);
    else if (order->dormant) replace_dormant(book, symbol, c, order);
    else replace_resting(book, symbol, c, order);
}
