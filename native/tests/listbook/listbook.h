/* listbook.h: the engine's rules once more, as plainly as they can be written in C.
 *
 * Every side and every kind of stop is one linked list, sorted by insertion; whatever is asked is found by
 * walking. It follows the words of include/fillstream.h, shares no code with src/, and is a port of the Python
 * book in tests/property/naive_book. For tests alone: without memory it ends the program. */
#ifndef LISTBOOK_H
#define LISTBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fillstream.h"

struct listed { /* an order of a client, or of the house: id 0, account 0 */
    uint64_t id;
    uint64_t expiry_ms; /* 0: none */
    int64_t price;      /* 0 without a limit */
    int64_t leaves;
    int64_t filled;
    int64_t shown;   /* of a resting order */
    int64_t display; /* an iceberg's, else 0 */
    int64_t stop;    /* of a dormant order */
    int64_t offset;  /* of a trailing stop, else 0 */
    uint32_t account;
    uint32_t symbol;
    uint16_t partition;
    uint8_t side;
    uint8_t tif;
    uint8_t flags; /* fs_order_flag */
    uint8_t stp;
    bool limited; /* has a limit price, or will have when it is triggered */
    bool dormant;
    struct listed *next; /* behind it in its list */
};

/* The lists of a symbol, in the order in which a mass cancel goes through them. */
enum { LIST_BIDS, LIST_ASKS, LIST_SELL_STOPS, LIST_BUY_STOPS, LISTS };

struct listed_symbol {
    uint32_t number;
    uint8_t session;
    bool banded;
    int64_t low, high; /* bands */
    int64_t reference; /* of the auction */
    fs_last last;
    struct listed *lists[LISTS]; /* best price first, oldest first */
    struct listed_symbol *next;  /* the next higher number */
};

struct listbook {
    uint32_t max_orders;
    uint64_t clock_ms;
    uint64_t matches;
    struct listed_symbol *symbols;
    fs_report *reports; /* what the last command was answered with */
    size_t count, room;
};

struct listbook *lb_new(uint32_t max_orders);
void lb_free(struct listbook *book);

/* Execute one command. Its reports are book->reports[0..count) until the next. */
void lb_process(struct listbook *book, const fs_command *c);

/* Compare what the engine's queries say of a symbol with what the lists hold; `price` and `qty` are what the
 * questions that need a number ask for. NULL, or which of them differs. */
const char *lb_difference(struct listbook *book, const fs_engine *engine, uint32_t symbol, int64_t price, int64_t qty);

/* ------------------------------------------------------- between the files of this folder */

/* book.c: symbols, lists, reports */
void *lb_memory(void *bytes, size_t size);
struct listed_symbol *lb_symbol(struct listbook *book, uint32_t number);
struct listed **lb_list(struct listed_symbol *symbol, const struct listed *order);
void lb_put(struct listed_symbol *symbol, struct listed *order);
void lb_pull(struct listed_symbol *symbol, struct listed *order);
struct listed *lb_find(const struct listbook *book, uint64_t id);
uint32_t lb_clients(const struct listbook *book);
uint64_t lb_due(const struct listbook *book);
int64_t lb_open_qty(const struct listed_symbol *symbol, uint8_t side, bool house_too);
void lb_free_list(struct listed *order);
fs_report *lb_report(struct listbook *book);
fs_report *lb_about(struct listbook *book, const struct listed *order, uint8_t type);
void lb_off(struct listbook *book, const struct listed *order, uint8_t type, uint8_t reason);
void lb_take_off(struct listbook *book, struct listed *order, uint8_t type, uint8_t reason);

static inline bool lb_house(const struct listed *order) { return !order->id; }
static inline int64_t lb_least(int64_t a, int64_t b) { return a < b ? a : b; }

/* match.c: trades, stops, auctions */
struct listed *lb_first_maker(const struct listed_symbol *symbol, const struct listed *taker);
const struct listed *lb_first_partner(const struct listed_symbol *symbol, const struct listed *taker);
bool lb_would_trade(const struct listed_symbol *symbol, const struct listed *order);
void lb_take(struct listbook *book, struct listed_symbol *symbol, struct listed *taker, bool is_print);
void lb_come_in(struct listbook *book, struct listed_symbol *symbol, struct listed *order, bool rests);
int64_t lb_trailed(const struct listed *order, int64_t last);
void lb_trigger(struct listbook *book, struct listed_symbol *symbol);
void lb_note(fs_last *last, int64_t price, int64_t qty);
int64_t lb_cross(const struct listed_symbol *symbol, int64_t *price);
void lb_uncross(struct listbook *book, struct listed_symbol *symbol);
struct listed_symbol lb_copy(const struct listed_symbol *symbol);
void lb_free_copy(struct listed_symbol *copy);

/* orders.c */
void lb_new_order(struct listbook *book, const fs_command *c);
void lb_cancel(struct listbook *book, const fs_command *c);
void lb_replace(struct listbook *book, const fs_command *c);

/* commands.c */
void lb_refuse(struct listbook *book, const fs_command *c, uint8_t type, uint8_t reason);
void lb_execute(struct listbook *book, const fs_command *c);

static inline bool lb_is_side(uint8_t side) { return side == FS_BUY || side == FS_SELL; }
static inline bool lb_bad_qty(int64_t qty) { return qty < 1 || qty > FS_MAX_QTY; }
static inline bool lb_bad_price(int64_t price) { return price < -FS_MAX_PRICE || price > FS_MAX_PRICE; }

/* Whether a side with `open` lots would hold more than it may. */
static inline bool lb_overfull(int64_t open, int64_t coming) { return coming > FS_MAX_SIDE_QTY - open; }

#endif
