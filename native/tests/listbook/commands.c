/* commands.c: what the list book does with each command but those of clients about single orders. */
#include <stdlib.h>

#include "listbook.h"

static bool of_house(uint8_t type) {
    return type == FS_QUOTE || type == FS_PRINT || type == FS_TIME || type == FS_SESSION || type == FS_BANDS;
}

void lb_refuse(struct listbook *book, const fs_command *c, uint8_t type, uint8_t reason) {
    fs_report *report = lb_report(book);
    report->price = c->price;
    report->qty = c->qty;
    report->symbol = c->symbol;
    report->type = type;
    report->side = lb_is_side(c->side) ? c->side : 0;
    report->reason = reason;
    report->partition = FS_PARTITION_NONE;
    if (of_house(c->type)) {
        report->flags = FS_FLAG_HOUSE;
        return;
    }
    report->order_id = c->order_id;
    report->account = c->account;
    if (c->partition < FS_PARTITION_NONE) report->partition = c->partition;
}

static fs_report *echo(struct listbook *book, const fs_command *c, uint8_t type) {
    fs_report *report = lb_report(book);
    report->symbol = c->symbol;
    report->type = type;
    report->flags = FS_FLAG_HOUSE;
    report->partition = FS_PARTITION_ALL;
    return report;
}

/* ----------------------------------------------------------------- the house */

static uint8_t why_not_quote(const fs_command *c) {
    if (c->flags || c->stp) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    if ((c->qty && lb_bad_qty(c->qty)) || (c->aux_qty && lb_bad_qty(c->aux_qty))) return FS_REASON_BAD_QTY;
    if ((c->qty && lb_bad_price(c->price)) || (c->aux_qty && lb_bad_price(c->aux_price))) return FS_REASON_BAD_PRICE;
    return FS_REASON_NONE;
}

static uint8_t why_not_quote_now(const struct listed_symbol *symbol, const fs_command *c) {
    if (symbol->session == FS_HALTED) return FS_REASON_SESSION;
    if (lb_overfull(lb_open_qty(symbol, FS_BUY, false), c->qty)) return FS_REASON_CAPACITY;
    return lb_overfull(lb_open_qty(symbol, FS_SELL, false), c->aux_qty) ? FS_REASON_CAPACITY : FS_REASON_NONE;
}

static struct listed of_the_house(const fs_command *c, uint8_t side, int64_t price, int64_t qty) {
    return (struct listed){.price = price, .leaves = qty, .symbol = c->symbol, .partition = FS_PARTITION_NONE,
                           .side = side, .tif = FS_GTC, .limited = true};
}

static void withdraw(struct listed_symbol *symbol, int list) {
    struct listed *order = symbol->lists[list];
    while (order && !lb_house(order)) order = order->next;
    if (!order) return;
    lb_pull(symbol, order);
    free(order);
}

static void quote_side(struct listbook *book, struct listed_symbol *symbol, struct listed side) {
    if (!side.leaves) return;
    struct listed *order = lb_memory(NULL, sizeof *order);
    *order = side;
    lb_come_in(book, symbol, order, true);
}

static bool is_crossed(const struct listed_symbol *symbol, const fs_command *c) {
    if (!c->qty || !c->aux_qty || c->price < c->aux_price) return false;
    return c->price > c->aux_price || symbol->session == FS_AUCTION;
}

static void quote(struct listbook *book, const fs_command *c) {
    uint8_t reason = why_not_quote(c);
    struct listed_symbol *symbol = reason ? NULL : lb_symbol(book, c->symbol);
    if (!reason) reason = why_not_quote_now(symbol, c);
    if (reason) {
        lb_refuse(book, c, FS_REJECTED, reason);
        return;
    }
    fs_report *report = echo(book, c, FS_QUOTED);
    if (is_crossed(symbol, c)) {
        report->reason = FS_REASON_CROSSED;
        withdraw(symbol, LIST_BIDS);
        withdraw(symbol, LIST_ASKS);
        return;
    }
    report->price = c->qty ? c->price : 0;
    report->qty = c->qty;
    report->leaves = c->aux_qty ? c->aux_price : 0;
    report->aux = c->aux_qty;
    withdraw(symbol, LIST_BIDS);
    withdraw(symbol, LIST_ASKS);
    quote_side(book, symbol, of_the_house(c, FS_BUY, c->price, c->qty));
    quote_side(book, symbol, of_the_house(c, FS_SELL, c->aux_price, c->aux_qty));
    lb_trigger(book, symbol);
}

static uint8_t why_not_print(struct listbook *book, const fs_command *c) {
    if (c->flags || c->stp || !lb_is_side(c->side)) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    if (lb_bad_qty(c->qty)) return FS_REASON_BAD_QTY;
    if (lb_bad_price(c->price)) return FS_REASON_BAD_PRICE;
    return lb_symbol(book, c->symbol)->session == FS_CONTINUOUS ? FS_REASON_NONE : FS_REASON_SESSION;
}

static void print(struct listbook *book, const fs_command *c) {
    uint8_t reason = why_not_print(book, c);
    if (reason) {
        lb_refuse(book, c, FS_REJECTED, reason);
        return;
    }
    struct listed_symbol *symbol = lb_symbol(book, c->symbol);
    fs_report *report = echo(book, c, FS_PRINTED);
    report->side = c->side;
    report->price = c->price;
    report->qty = c->qty;
    lb_note(&symbol->last, c->price, c->qty);
    struct listed taker = of_the_house(c, c->side, c->price, c->qty);
    lb_take(book, symbol, &taker, true);
    lb_trigger(book, symbol);
}

static uint8_t why_not_control(const fs_command *c, uint8_t highest_flag) {
    if (c->flags > highest_flag || c->stp) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    bool bands = c->type == FS_BANDS && c->flags, auction = c->type == FS_SESSION && c->flags == FS_AUCTION;
    bool bad_bands = bands && (lb_bad_price(c->aux_price) || c->price > c->aux_price);
    return ((bands || auction) && lb_bad_price(c->price)) || bad_bands ? FS_REASON_BAD_PRICE : FS_REASON_NONE;
}

static struct listed *house_on(struct listed_symbol *symbol, int list) {
    struct listed *order = symbol->lists[list];
    while (order && !lb_house(order)) order = order->next;
    return order;
}

static void withdraw_locked(struct listed_symbol *symbol) {
    const struct listed *bid = house_on(symbol, LIST_BIDS), *ask = house_on(symbol, LIST_ASKS);
    if (!bid || !ask || bid->price != ask->price) return;
    withdraw(symbol, LIST_BIDS);
    withdraw(symbol, LIST_ASKS);
}

static void session(struct listbook *book, const fs_command *c) {
    uint8_t reason = why_not_control(c, FS_HALTED);
    if (reason) {
        lb_refuse(book, c, FS_REJECTED, reason);
        return;
    }
    struct listed_symbol *symbol = lb_symbol(book, c->symbol);
    fs_report *report = echo(book, c, FS_SESSION_SET);
    if (c->flags == FS_AUCTION) {
        symbol->reference = c->price;
        withdraw_locked(symbol);
    }
    report->price = symbol->reference;
    report->aux = c->flags;
    bool begins = symbol->session != FS_CONTINUOUS && c->flags == FS_CONTINUOUS;
    symbol->session = c->flags;
    if (!begins) return;
    lb_uncross(book, symbol);
    symbol->reference = 0;
    lb_trigger(book, symbol);
}

static void bands(struct listbook *book, const fs_command *c) {
    uint8_t reason = why_not_control(c, 1);
    if (reason) {
        lb_refuse(book, c, FS_REJECTED, reason);
        return;
    }
    struct listed_symbol *symbol = lb_symbol(book, c->symbol);
    symbol->banded = c->flags;
    symbol->low = c->flags ? c->price : 0;
    symbol->high = c->flags ? c->aux_price : 0;
    fs_report *report = echo(book, c, FS_BANDS_SET);
    report->price = symbol->low;
    report->leaves = symbol->high;
    report->aux = c->flags;
}

/* --------------------------------------------------------------- many orders */

/* The order that expires next and is due. */
static struct listed *due(const struct listbook *book) {
    struct listed *first = NULL;
    for (const struct listed_symbol *symbol = book->symbols; symbol; symbol = symbol->next)
        for (int i = 0; i < LISTS; i++)
            for (struct listed *order = symbol->lists[i]; order; order = order->next) {
                if (!order->expiry_ms || order->expiry_ms > book->clock_ms) continue;
                bool sooner = !first || order->expiry_ms < first->expiry_ms;
                if (sooner || (order->expiry_ms == first->expiry_ms && order->id < first->id)) first = order;
            }
    return first;
}

static void set_time(struct listbook *book, const fs_command *c) {
    if (c->flags || c->stp) {
        lb_refuse(book, c, FS_REJECTED, FS_REASON_BAD_RECORD);
        return;
    }
    if (c->time_ms > book->clock_ms) book->clock_ms = c->time_ms;
    for (struct listed *order; (order = due(book));) lb_take_off(book, order, FS_EXPIRED, FS_REASON_NONE);
}

static bool is_meant(const fs_command *c, const struct listed *order) {
    if (lb_house(order) || (c->flags & FS_BY_SYMBOL && c->symbol != order->symbol)) return false;
    return (!c->account || c->account == order->account) && (!c->side || c->side == order->side);
}

static void mass_cancel(struct listbook *book, const fs_command *c) {
    bool bad_symbol = c->flags & FS_BY_SYMBOL && c->symbol > FS_MAX_SYMBOL;
    bool bad_record = c->flags & ~FS_BY_SYMBOL || c->stp || c->side > FS_SELL;
    if (bad_record || bad_symbol) {
        lb_refuse(book, c, FS_REJECTED, bad_record ? FS_REASON_BAD_RECORD : FS_REASON_BAD_SYMBOL);
        return;
    }
    int64_t canceled = 0;
    for (struct listed_symbol *symbol = book->symbols; symbol; symbol = symbol->next)
        for (int i = 0; i < LISTS; i++)
            for (struct listed *order = symbol->lists[i], *next; order; order = next) {
                next = order->next;
                if (!is_meant(c, order)) continue;
                lb_take_off(book, order, FS_CANCELED, FS_REASON_MASS_CANCEL);
                canceled++;
            }
    fs_report *report = lb_report(book);
    report->order_id = c->order_id;
    report->qty = canceled;
    report->account = c->account;
    report->symbol = c->symbol;
    report->type = FS_MASS_CANCELED;
    report->side = c->side;
    report->partition = c->partition < FS_PARTITION_NONE ? c->partition : FS_PARTITION_NONE;
}

void lb_execute(struct listbook *book, const fs_command *c) {
    switch (c->type) {
    case FS_NEW: lb_new_order(book, c); break;
    case FS_CANCEL: lb_cancel(book, c); break;
    case FS_REPLACE: lb_replace(book, c); break;
    case FS_QUOTE: quote(book, c); break;
    case FS_PRINT: print(book, c); break;
    case FS_TIME: set_time(book, c); break;
    case FS_MASS_CANCEL: mass_cancel(book, c); break;
    case FS_SESSION: session(book, c); break;
    case FS_BANDS: bands(book, c); break;
    default: lb_refuse(book, c, FS_REJECTED, FS_REASON_BAD_RECORD);
    }
}
