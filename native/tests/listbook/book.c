/* book.c: the list book's symbols, lists and reports. */
#include <stdio.h>
#include <stdlib.h>

#include "listbook.h"

void *lb_memory(void *bytes, size_t size) {
    bytes = realloc(bytes, size);
    if (bytes) return bytes;
    fprintf(stderr, "the list book has no memory\n");
    exit(2);
}

struct listbook *lb_new(uint32_t max_orders) {
    struct listbook *book = lb_memory(NULL, sizeof *book);
    *book = (struct listbook){.max_orders = max_orders};
    return book;
}

void lb_free_list(struct listed *order) {
    while (order) {
        struct listed *next = order->next;
        free(order);
        order = next;
    }
}

void lb_free(struct listbook *book) {
    while (book->symbols) {
        struct listed_symbol *symbol = book->symbols;
        book->symbols = symbol->next;
        for (int i = 0; i < LISTS; i++) lb_free_list(symbol->lists[i]);
        free(symbol);
    }
    free(book->reports);
    free(book);
}

void lb_process(struct listbook *book, const fs_command *c) {
    book->count = 0;
    lb_execute(book, c);
}

/* --------------------------------------------------------------------- lists */

struct listed_symbol *lb_symbol(struct listbook *book, uint32_t number) {
    struct listed_symbol **at = &book->symbols;
    while (*at && (*at)->number < number) at = &(*at)->next;
    if (*at && (*at)->number == number) return *at;
    struct listed_symbol *symbol = lb_memory(NULL, sizeof *symbol);
    *symbol = (struct listed_symbol){.number = number, .session = FS_CONTINUOUS, .next = *at};
    *at = symbol;
    return symbol;
}

struct listed **lb_list(struct listed_symbol *symbol, const struct listed *order) {
    bool buys = order->side == FS_BUY;
    if (order->dormant) return &symbol->lists[buys ? LIST_BUY_STOPS : LIST_SELL_STOPS];
    return &symbol->lists[buys ? LIST_BIDS : LIST_ASKS];
}

/* Whether an order stands before another of its list, whichever is older. */
static bool before(const struct listed *a, const struct listed *b) {
    if (a->dormant) return a->side == FS_BUY ? a->stop < b->stop : a->stop > b->stop; /* nearest the market */
    return a->side == FS_BUY ? a->price > b->price : a->price < b->price;
}

void lb_put(struct listed_symbol *symbol, struct listed *order) {
    struct listed **at = lb_list(symbol, order);
    while (*at && !before(order, *at)) at = &(*at)->next;
    order->next = *at;
    *at = order;
}

void lb_pull(struct listed_symbol *symbol, struct listed *order) {
    struct listed **at = lb_list(symbol, order);
    while (*at != order) at = &(*at)->next;
    *at = order->next;
    order->next = NULL;
}

struct listed *lb_find(const struct listbook *book, uint64_t id) {
    for (const struct listed_symbol *symbol = book->symbols; symbol; symbol = symbol->next)
        for (int i = 0; i < LISTS; i++)
            for (struct listed *order = symbol->lists[i]; order; order = order->next)
                if (order->id == id && !lb_house(order)) return order;
    return NULL;
}

uint32_t lb_clients(const struct listbook *book) {
    uint32_t clients = 0;
    for (const struct listed_symbol *symbol = book->symbols; symbol; symbol = symbol->next)
        for (int i = 0; i < LISTS; i++)
            for (const struct listed *order = symbol->lists[i]; order; order = order->next) clients += !lb_house(order);
    return clients;
}

/* The soonest expiry, 0 without one. */
uint64_t lb_due(const struct listbook *book) {
    uint64_t soonest = 0;
    for (const struct listed_symbol *symbol = book->symbols; symbol; symbol = symbol->next)
        for (int i = 0; i < LISTS; i++)
            for (const struct listed *order = symbol->lists[i]; order; order = order->next)
                if (order->expiry_ms && (!soonest || order->expiry_ms < soonest)) soonest = order->expiry_ms;
    return soonest;
}

/* Lots of one side, dormant ones too. */
int64_t lb_open_qty(const struct listed_symbol *symbol, uint8_t side, bool house_too) {
    int64_t qty = 0;
    for (int i = 0; i < LISTS; i++)
        for (const struct listed *order = symbol->lists[i]; order; order = order->next)
            if (order->side == side && (house_too || !lb_house(order))) qty += order->leaves;
    return qty;
}

/* ------------------------------------------------------------------- reports */

fs_report *lb_report(struct listbook *book) {
    if (book->count == book->room) {
        book->room = 2 * book->room + 16;
        book->reports = lb_memory(book->reports, book->room * sizeof *book->reports);
    }
    fs_report *report = &book->reports[book->count++];
    *report = (fs_report){0};
    return report;
}

static uint8_t flags_of(const struct listed *order) {
    uint8_t flags = lb_house(order) ? FS_FLAG_HOUSE : 0;
    if (order->dormant) flags |= FS_FLAG_DORMANT;
    if (order->offset) flags |= FS_FLAG_TRAILING;
    if (order->flags & FS_OFFSET_BPS) flags |= FS_FLAG_OFFSET_BPS;
    return flags;
}

/* A report on an order; the caller changes what its type says differently. */
fs_report *lb_about(struct listbook *book, const struct listed *order, uint8_t type) {
    fs_report *report = lb_report(book);
    *report = (fs_report){.order_id = order->id,
                          .price = order->offset ? order->offset : order->price,
                          .qty = order->leaves,
                          .leaves = order->leaves,
                          .account = order->account,
                          .symbol = order->symbol,
                          .type = type,
                          .side = order->side,
                          .flags = flags_of(order),
                          .partition = order->partition};
    return report;
}

/* All that is open of an order is taken off. */
void lb_off(struct listbook *book, const struct listed *order, uint8_t type, uint8_t reason) {
    fs_report *report = lb_about(book, order, type);
    report->leaves = 0;
    report->reason = reason;
}

/* Likewise of one that stands in a list: it is gone. */
void lb_take_off(struct listbook *book, struct listed *order, uint8_t type, uint8_t reason) {
    lb_off(book, order, type, reason);
    lb_pull(lb_symbol(book, order->symbol), order);
    free(order);
}
