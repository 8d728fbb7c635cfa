/* house.c: the house's commands: quotes, prints, time, sessions and bands. */
#include "internal.h"

static bool both_at_one_price(const fs_command *c) {
    return c->type == FS_QUOTE && c->qty && c->aux_qty && c->price == c->aux_price;
}

static void line_up_house(fs_engine *e, const fs_command *c, uint8_t side, int64_t price, int64_t qty) {
    if (!qty) return; /* no such side; its price was not checked */
    uint32_t slot = house_take(e);
    e->orders[slot] = (struct order){.leaves = qty,
                                     .symbol = c->symbol,
                                     .partition = FS_PARTITION_NONE,
                                     .side = side,
                                     .flags = FS_FLAG_HOUSE,
                                     .bits = BIT_HOUSE};
    bool collects = e->books[c->symbol]->session == FS_AUCTION, print = c->type == FS_PRINT;
    uint64_t reach = collects ? NO_PRICE : key_in(other_ladder(e->books[c->symbol], side), price);
    struct taker *taker = line_up(e, slot, reach, price, print ? REMAINDER_VANISHES : REMAINDER_RESTS);
    taker->is_print = print;
    taker->clients_only = print || both_at_one_price(c);
}

static void put_echo(fs_engine *e, const fs_command *c, fs_report echo) {
    echo.symbol = c->symbol;
    echo.flags = FS_FLAG_HOUSE;
    echo.partition = FS_PARTITION_ALL;
    *put(e) = echo;
}

static int64_t house_leaves(const fs_engine *e, const struct ladder *l) {
    return l->house ? e->orders[l->house].leaves : 0;
}

static void withdraw_house(fs_engine *e, struct ladder *l) {
    uint32_t slot = l->house;
    if (!slot) return;
    ladder_pull(e, l, slot, false);
    order_drop(e, slot, false);
}

static uint8_t check_quote(const fs_command *c) {
    if (c->flags || c->stp) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    if ((c->qty && bad_qty(c->qty)) || (c->aux_qty && bad_qty(c->aux_qty))) return FS_REASON_BAD_QTY;
    if (c->qty && bad_price(c->price)) return FS_REASON_BAD_PRICE;
    if (c->aux_qty && bad_price(c->aux_price)) return FS_REASON_BAD_PRICE;
    return FS_REASON_NONE;
}

/* Whether a quote cannot stand in a book: its bid is above its ask or, in an auction, at it, as an uncross
 * would have the house trade with itself. */
static bool crosses_itself(const struct book *book, const fs_command *c) {
    if (!c->qty || !c->aux_qty) return false;
    return c->price > c->aux_price || (c->price == c->aux_price && book->session == FS_AUCTION);
}

static uint8_t check_quote_state(const fs_engine *e, const fs_command *c) {
    struct book *book = roomy_book(e, c->symbol);
    if (!book) return FS_REASON_CAPACITY;
    if (book->session == FS_HALTED) return FS_REASON_SESSION;
    if (overfull(book, FS_BUY, house_leaves(e, &book->ladders[BIDS]), c->qty) ||
        overfull(book, FS_SELL, house_leaves(e, &book->ladders[ASKS]), c->aux_qty))
        return FS_REASON_CAPACITY;
    return FS_REASON_NONE;
}

internal noinline void begin_quote(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_quote(c);
    if (!reason) reason = check_quote_state(e, c);
    if (reason) {
        refuse(e, c, FS_REJECTED, reason);
        return;
    }
    struct book *book = e->books[c->symbol];
    withdraw_house(e, &book->ladders[BIDS]);
    withdraw_house(e, &book->ladders[ASKS]);
    if (crosses_itself(book, c)) {
        put_echo(e, c, (fs_report){.type = FS_QUOTED, .reason = FS_REASON_CROSSED});
        return;
    }
    put_echo(e, c, (fs_report){.type = FS_QUOTED,
                               .price = c->qty ? c->price : 0,
                               .qty = c->qty,
                               .leaves = c->aux_qty ? c->aux_price : 0,
                               .aux = c->aux_qty});
    line_up_house(e, c, FS_BUY, c->price, c->qty);
    line_up_house(e, c, FS_SELL, c->aux_price, c->aux_qty);
}

static uint8_t check_print(const fs_command *c) {
    if (c->flags || c->stp || !is_side(c->side)) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    if (bad_qty(c->qty)) return FS_REASON_BAD_QTY;
    if (bad_price(c->price)) return FS_REASON_BAD_PRICE;
    return FS_REASON_NONE;
}

internal noinline void begin_print(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_print(c);
    struct book *book = reason ? NULL : roomy_book(e, c->symbol);
    if (!reason && !book) reason = FS_REASON_CAPACITY;
    if (!reason && book->session != FS_CONTINUOUS) reason = FS_REASON_SESSION;
    if (reason) {
        refuse(e, c, FS_REJECTED, reason);
        return;
    }
    put_echo(e, c, (fs_report){.type = FS_PRINTED, .side = c->side, .price = c->price, .qty = c->qty});
    note_trade(book, c->price, c->qty);
    look_for_stops(e, c->symbol);
    line_up_house(e, c, c->side, c->price, c->qty);
}

internal noinline void begin_time(fs_engine *e, const fs_command *c) {
    if (c->flags || c->stp)
        refuse(e, c, FS_REJECTED, FS_REASON_BAD_RECORD);
    else if (c->time_ms > e->clock_ms)
        e->clock_ms = c->time_ms;
    if (expiry_due(e)) e->work |= WORK_EXPIRY;
}

static uint8_t check_control(const fs_engine *e, const fs_command *c, uint8_t highest_flag) {
    if (c->flags > highest_flag || c->stp) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    bool auction = c->type == FS_SESSION && c->flags == FS_AUCTION, bands = c->type == FS_BANDS && c->flags;
    if ((auction || bands) && bad_price(c->price)) return FS_REASON_BAD_PRICE;
    if (bands && (bad_price(c->aux_price) || c->price > c->aux_price)) return FS_REASON_BAD_PRICE;
    return e->books[c->symbol] ? FS_REASON_NONE : FS_REASON_CAPACITY;
}

/* The house's two orders at one price are in no auction. */
static void withdraw_locked(fs_engine *e, struct book *book) {
    struct ladder *bids = &book->ladders[BIDS], *asks = &book->ladders[ASKS];
    if (!bids->house || !asks->house || limit_of(e, bids->house) != limit_of(e, asks->house)) return;
    withdraw_house(e, bids);
    withdraw_house(e, asks);
}

internal noinline void begin_control(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_control(e, c, c->type == FS_SESSION ? FS_HALTED : 1);
    if (reason) {
        refuse(e, c, FS_REJECTED, reason);
        return;
    }
    struct book *book = e->books[c->symbol];
    if (c->type == FS_SESSION) {
        if (c->flags == FS_AUCTION) {
            book->reference = c->price;
            withdraw_locked(e, book);
        }
        put_echo(e, c, (fs_report){.type = FS_SESSION_SET, .price = book->reference, .aux = c->flags});
        begin_session(e, c, book);
        return;
    }
    book->banded = c->flags;
    book->low = c->flags ? c->price : 0;
    book->high = c->flags ? c->aux_price : 0;
    book->special = book->session != FS_CONTINUOUS || book->banded;
    put_echo(e, c, (fs_report){.type = FS_BANDS_SET, .price = book->low, .leaves = book->high, .aux = c->flags});
}
