/* engine.c: commands in, reports out.
 *
 * A command is begun (checked, answered, its takers lined up) and then advanced in steps: one trade,
 * one remainder or one expiry at a time. Every step writes at most FSI_MAX_SPILL reports and starts
 * only when the output has room for one, so the engine can stop between any two and go on later. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* ----------------------------------------------------------------- reports */

static void put(fs_engine *e, fs_report report) {
    if (e->out < e->out_end) {
        *e->out++ = report;
        return;
    }
    assert(e->spill_count < FSI_MAX_SPILL);
    e->spill[e->spill_count++] = report;
}

/* A report on an order; the caller changes what its type says differently. */
static fs_report about(const struct order *o, uint8_t type) {
    return (fs_report){
        .order_id = o->id,
        .price = o->price,
        .qty = o->leaves,
        .leaves = o->leaves,
        .account = o->account,
        .symbol = o->symbol,
        .type = type,
        .side = o->side,
        .flags = o->house ? FS_FLAG_HOUSE : 0,
        .partition = o->partition,
    };
}

static bool is_side(uint8_t side) { return side == FS_BUY || side == FS_SELL; }

static void refuse(fs_engine *e, const fs_command *c, uint8_t type, uint8_t reason) {
    bool house = c->type == FS_QUOTE || c->type == FS_PRINT || c->type == FS_TIME;
    put(e, (fs_report){
               .order_id = house ? 0 : c->order_id,
               .price = c->price,
               .qty = c->qty,
               .account = house ? 0 : c->account,
               .symbol = c->symbol,
               .type = type,
               .side = is_side(c->side) ? c->side : 0,
               .reason = reason,
               .flags = house ? FS_FLAG_HOUSE : 0,
               .partition = house || c->partition > FS_PARTITION_NONE ? FS_PARTITION_NONE : c->partition,
           });
}

/* An order leaves the book, or never gets there: its whole open quantity is taken off. */
static void report_off(fs_engine *e, const struct order *o, uint8_t type, uint8_t reason) {
    fs_report report = about(o, type);
    report.leaves = 0;
    report.reason = reason;
    put(e, report);
}

static void take_off(fs_engine *e, uint32_t slot, uint8_t type, uint8_t reason) {
    report_off(e, &e->orders[slot], type, reason);
    fsi_reduce(e, slot, e->orders[slot].leaves);
}

/* ---------------------------------------------------------------- matching */

static void line_up(fs_engine *e, const struct taker *taker) {
    if (e->taker_at == e->taker_count) e->taker_at = e->taker_count = 0;
    assert(e->taker_count < FSI_MAX_TAKERS);
    e->takers[e->taker_count++] = *taker;
}

static void note_trade(struct book *book, int64_t price, int64_t qty) {
    fs_last *last = &book->last;
    last->price = price;
    last->qty = qty;
    last->volume = last->volume > UINT64_MAX - (uint64_t)qty ? UINT64_MAX : last->volume + (uint64_t)qty;
    last->trades++;
}

static void report_fill(fs_engine *e, const struct order *o, int64_t price, int64_t qty, uint8_t role) {
    fs_report report = about(o, FS_FILLED);
    report.price = price;
    report.qty = qty;
    report.leaves = o->leaves - qty;
    report.match_id = e->matches;
    report.flags |= role;
    put(e, report);
}

static void trade(fs_engine *e, struct book *book, struct taker *taker, uint32_t maker_slot) {
    struct order *maker = &e->orders[maker_slot], *incoming = &taker->order;
    int64_t price = maker->price;
    int64_t qty = maker->leaves < incoming->leaves ? maker->leaves : incoming->leaves;
    e->matches++;
    report_fill(e, maker, price, qty, FS_FLAG_MAKER);
    report_fill(e, incoming, price, qty, FS_FLAG_TAKER);
    if (!taker->clients_only) note_trade(book, price, qty); /* a print has been noted whole */
    maker->filled += qty;
    incoming->filled += qty;
    incoming->leaves -= qty;
    fsi_reduce(e, maker_slot, qty);
}

static void settle_remainder(fs_engine *e, struct book *book, const struct taker *taker) {
    if (!taker->order.leaves || taker->remainder == REMAINDER_VANISHES) return;
    if (taker->remainder == REMAINDER_RESTS)
        fsi_rest(e, book, &taker->order);
    else
        report_off(e, &taker->order, FS_CANCELED, taker->cancel_cause);
}

static void step_taker(fs_engine *e) {
    struct taker *taker = &e->takers[e->taker_at];
    struct book *book = fsi_book(e, taker->order.symbol);
    const struct side *other = fsi_side(book, fsi_other(taker->order.side));
    uint32_t maker = taker->order.leaves ? fsi_first(e, other, taker->reach, taker->clients_only) : FSI_NIL;
    if (maker != FSI_NIL) {
        trade(e, book, taker, maker);
        return;
    }
    settle_remainder(e, book, taker);
    e->taker_at++;
}

/* ------------------------------------------------------------------ checks */

static bool bad_qty(int64_t qty) { return qty < 1 || qty > FS_MAX_QTY; }

static bool bad_price(int64_t price) { return price < -FS_MAX_PRICE || price > FS_MAX_PRICE; }

static bool overfull(const struct side *side, int64_t leaving, int64_t coming) {
    return coming > FS_MAX_SIDE_QTY - (side->open_qty - leaving);
}

static bool bad_client_record(const fs_command *c) {
    return c->flags || c->stp || !c->order_id || !c->account || c->partition >= FS_PARTITION_NONE;
}

static bool may_rest(const fs_command *c) {
    return c->ord_type == FS_LIMIT && (c->tif == FS_DAY || c->tif == FS_GTC);
}

static bool bad_new_codes(const fs_command *c) {
    bool tif = c->tif == FS_DAY || c->tif == FS_GTC || c->tif == FS_IOC || c->tif == FS_FOK;
    return !is_side(c->side) || (c->ord_type != FS_MARKET && c->ord_type != FS_LIMIT) || !tif;
}

static uint8_t check_new(const fs_engine *e, const fs_command *c) {
    if (bad_client_record(c) || bad_new_codes(c)) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    if (bad_qty(c->qty)) return FS_REASON_BAD_QTY;
    if (c->ord_type == FS_LIMIT && bad_price(c->price)) return FS_REASON_BAD_PRICE;
    if (c->time_ms && c->time_ms <= e->clock_ms) return FS_REASON_EXPIRED;
    if (fsi_find(e, c->order_id) != FSI_NIL) return FS_REASON_DUPLICATE_ID;
    if (may_rest(c) && e->client_count >= e->max_orders) return FS_REASON_CAPACITY;
    return FS_REASON_NONE;
}

/* The order a cancel or a replace is about; *reason says why there is none. */
static uint32_t find_own(const fs_engine *e, const fs_command *c, uint8_t *reason) {
    *reason = FS_REASON_BAD_RECORD;
    if (bad_client_record(c)) return FSI_NIL;
    uint32_t slot = fsi_find(e, c->order_id);
    *reason = FS_REASON_UNKNOWN_ORDER;
    if (slot == FSI_NIL) return FSI_NIL;
    *reason = FS_REASON_NOT_OWNER;
    return e->orders[slot].account == c->account ? slot : FSI_NIL;
}

static uint8_t check_quote(const fs_command *c) {
    if (c->flags || c->stp) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    if ((c->qty && bad_qty(c->qty)) || (c->aux_qty && bad_qty(c->aux_qty))) return FS_REASON_BAD_QTY;
    if (c->qty && bad_price(c->price)) return FS_REASON_BAD_PRICE;
    if (c->aux_qty && bad_price(c->aux_price)) return FS_REASON_BAD_PRICE;
    if (c->qty && c->aux_qty && c->price >= c->aux_price) return FS_REASON_BAD_PRICE;
    return FS_REASON_NONE;
}

static uint8_t check_print(const fs_command *c) {
    if (c->flags || c->stp || !is_side(c->side)) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    if (bad_qty(c->qty)) return FS_REASON_BAD_QTY;
    if (bad_price(c->price)) return FS_REASON_BAD_PRICE;
    return FS_REASON_NONE;
}

/* ---------------------------------------------------------------- commands */

/* The symbol's book with room for an order on each side, or NULL: no memory. */
static struct book *open_book(fs_engine *e, uint32_t symbol) {
    struct book *book = fsi_book_open(e, symbol);
    if (!book || !fsi_reserve(e, FSI_MAX_TAKERS)) return NULL;
    return fsi_reserve_level(&book->sides[0]) && fsi_reserve_level(&book->sides[1]) ? book : NULL;
}

static struct taker taker_of(const fs_command *c) {
    bool market = c->ord_type == FS_MARKET;
    struct taker taker = {
        .order = {.id = c->order_id,
                  .price = market ? 0 : c->price,
                  .leaves = c->qty,
                  .expiry_ms = c->time_ms,
                  .account = c->account,
                  .symbol = (uint16_t)c->symbol,
                  .partition = c->partition,
                  .side = c->side},
        .reach = market ? INT64_MIN : fsi_key(fsi_other(c->side), c->price),
        .remainder = may_rest(c) ? REMAINDER_RESTS : REMAINDER_CANCELED,
        .cancel_cause = market ? FS_REASON_NO_LIQUIDITY : FS_REASON_IOC_REMAINDER,
    };
    return taker;
}

static void begin_new(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_new(e, c);
    struct book *book = reason ? NULL : open_book(e, c->symbol);
    if (!reason && (!book || (may_rest(c) && overfull(fsi_side(book, c->side), 0, c->qty))))
        reason = FS_REASON_CAPACITY;
    if (reason) {
        refuse(e, c, FS_REJECTED, reason);
        return;
    }
    struct taker taker = taker_of(c);
    put(e, about(&taker.order, FS_ACCEPTED));
    const struct side *other = fsi_side(book, fsi_other(c->side));
    if (c->tif == FS_FOK && !fsi_can_fill(other, taker.reach, c->qty))
        report_off(e, &taker.order, FS_CANCELED, FS_REASON_FOK_KILLED);
    else
        line_up(e, &taker);
}

static void begin_cancel(fs_engine *e, const fs_command *c) {
    uint8_t reason;
    uint32_t slot = find_own(e, c, &reason);
    if (slot == FSI_NIL)
        refuse(e, c, FS_CANCEL_REJECTED, reason);
    else
        take_off(e, slot, FS_CANCELED, FS_REASON_REQUESTED);
}

static uint8_t check_replace(fs_engine *e, const fs_command *c, const struct order *o) {
    if (bad_qty(c->qty)) return FS_REASON_BAD_QTY;
    if (bad_price(c->price)) return FS_REASON_BAD_PRICE;
    struct side *side = fsi_side(fsi_book(e, o->symbol), o->side);
    if (overfull(side, o->leaves, c->qty - o->filled) || !fsi_reserve_level(side)) return FS_REASON_CAPACITY;
    return FS_REASON_NONE;
}

static void report_replaced(fs_engine *e, const struct order *o, int64_t total) {
    fs_report report = about(o, FS_REPLACED);
    report.qty = total;
    put(e, report);
}

/* The order leaves its queue and comes in again as a taker. */
static void requeue(fs_engine *e, uint32_t slot, int64_t price, int64_t leaves) {
    struct taker taker = {.order = e->orders[slot], .remainder = REMAINDER_RESTS};
    fsi_reduce(e, slot, taker.order.leaves);
    taker.order.price = price;
    taker.order.leaves = leaves;
    taker.reach = fsi_key(fsi_other(taker.order.side), price);
    report_replaced(e, &taker.order, leaves + taker.order.filled);
    line_up(e, &taker);
}

static void begin_replace(fs_engine *e, const fs_command *c) {
    uint8_t reason;
    uint32_t slot = find_own(e, c, &reason);
    if (slot != FSI_NIL) reason = check_replace(e, c, &e->orders[slot]);
    if (reason) {
        refuse(e, c, FS_REPLACE_REJECTED, reason);
        return;
    }
    const struct order *o = &e->orders[slot];
    int64_t leaves = c->qty - o->filled;
    if (leaves <= 0) {
        take_off(e, slot, FS_CANCELED, FS_REASON_REPLACED_BELOW_FILLED);
    } else if (c->price == o->price && leaves <= o->leaves) {
        fsi_reduce(e, slot, o->leaves - leaves);
        report_replaced(e, o, c->qty);
    } else {
        requeue(e, slot, c->price, leaves);
    }
}

static void line_up_house(fs_engine *e, const fs_command *c, uint8_t side, int64_t price, int64_t qty) {
    if (!qty) return; /* no such side; its price was not checked */
    struct taker taker = {
        .order = {.price = price,
                  .leaves = qty,
                  .symbol = (uint16_t)c->symbol,
                  .partition = FS_PARTITION_NONE,
                  .side = side,
                  .house = true},
        .reach = fsi_key(fsi_other(side), price),
        .clients_only = c->type == FS_PRINT,
        .remainder = c->type == FS_PRINT ? REMAINDER_VANISHES : REMAINDER_RESTS,
    };
    line_up(e, &taker);
}

static void put_house_echo(fs_engine *e, const fs_command *c, fs_report echo) {
    echo.symbol = c->symbol;
    echo.flags = FS_FLAG_HOUSE;
    echo.partition = FS_PARTITION_ALL;
    put(e, echo);
}

static int64_t house_leaves(const fs_engine *e, const struct side *side) {
    return side->house == FSI_NIL ? 0 : e->orders[side->house].leaves;
}

static void withdraw_house(fs_engine *e, struct side *side) {
    if (side->house != FSI_NIL) fsi_reduce(e, side->house, house_leaves(e, side));
}

static void begin_quote(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_quote(c);
    struct book *book = reason ? NULL : open_book(e, c->symbol);
    struct side *bids = book ? fsi_side(book, FS_BUY) : NULL, *asks = book ? fsi_side(book, FS_SELL) : NULL;
    if (!reason && (!book || overfull(bids, house_leaves(e, bids), c->qty) ||
                    overfull(asks, house_leaves(e, asks), c->aux_qty)))
        reason = FS_REASON_CAPACITY;
    if (reason) {
        refuse(e, c, FS_REJECTED, reason);
        return;
    }
    put_house_echo(e, c, (fs_report){.type = FS_QUOTED,
                                     .price = c->qty ? c->price : 0,
                                     .qty = c->qty,
                                     .leaves = c->aux_qty ? c->aux_price : 0,
                                     .aux = c->aux_qty});
    withdraw_house(e, bids);
    withdraw_house(e, asks);
    line_up_house(e, c, FS_BUY, c->price, c->qty);
    line_up_house(e, c, FS_SELL, c->aux_price, c->aux_qty);
}

static void begin_print(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_print(c);
    struct book *book = reason ? NULL : fsi_book_open(e, c->symbol);
    if (!reason && !book) reason = FS_REASON_CAPACITY;
    if (reason) {
        refuse(e, c, FS_REJECTED, reason);
        return;
    }
    put_house_echo(e, c, (fs_report){.type = FS_PRINTED, .side = c->side, .price = c->price, .qty = c->qty});
    note_trade(book, c->price, c->qty);
    line_up_house(e, c, c->side, c->price, c->qty);
}

static void begin_time(fs_engine *e, const fs_command *c) {
    if (c->flags || c->stp)
        refuse(e, c, FS_REJECTED, FS_REASON_BAD_RECORD);
    else if (c->time_ms > e->clock_ms)
        e->clock_ms = c->time_ms;
}

static void begin(fs_engine *e, const fs_command *c) {
    switch (c->type) {
    case FS_NEW: begin_new(e, c); break;
    case FS_CANCEL: begin_cancel(e, c); break;
    case FS_REPLACE: begin_replace(e, c); break;
    case FS_QUOTE: begin_quote(e, c); break;
    case FS_PRINT: begin_print(e, c); break;
    case FS_TIME: begin_time(e, c); break;
    default: refuse(e, c, FS_REJECTED, FS_REASON_BAD_RECORD);
    }
}

/* ------------------------------------------------------------------- door */

static void flush_spill(fs_engine *e) {
    uint32_t moved = 0;
    while (moved < e->spill_count && e->out < e->out_end) *e->out++ = e->spill[moved++];
    e->spill_count -= moved;
    memmove(e->spill, e->spill + moved, e->spill_count * sizeof *e->spill);
}

size_t fs_process(fs_engine *engine, const void *commands, size_t n, size_t *consumed,
                  fs_report *reports, size_t capacity) {
    fs_engine *e = engine;
    const unsigned char *bytes = commands;
    *consumed = 0;
    if (!capacity) return 0;
    e->out = reports;
    e->out_end = reports + capacity;
    flush_spill(e);
    while (e->out < e->out_end) {
        if (e->taker_at < e->taker_count) {
            step_taker(e);
        } else if (fsi_expiry_due(e)) {
            take_off(e, e->heap[0], FS_EXPIRED, FS_REASON_NONE);
        } else if (*consumed < n) {
            fs_command command; /* copied: the caller's bytes may stand at any address */
            memcpy(&command, bytes + *consumed * sizeof command, sizeof command);
            ++*consumed;
            begin(e, &command);
        } else {
            break;
        }
    }
    size_t written = (size_t)(e->out - reports);
    e->out = e->out_end = NULL;
    return written;
}

size_t fs_reports_select(const void *reports, size_t n, uint16_t partition, void *out) {
    const unsigned char *from = reports;
    unsigned char *to = out;
    size_t copied = 0;
    for (size_t i = 0; i < n; i++, from += sizeof(fs_report)) {
        uint16_t heard_by;
        memcpy(&heard_by, from + offsetof(fs_report, partition), sizeof heard_by);
        if (heard_by != partition && heard_by != FS_PARTITION_ALL) continue;
        memcpy(to + copied++ * sizeof(fs_report), from, sizeof(fs_report));
    }
    return copied;
}

fs_engine *fs_new(uint32_t max_orders) {
    if (max_orders < 1 || max_orders > FS_MAX_ORDERS) return NULL;
    fs_engine *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->max_orders = max_orders;
    e->free_head = FSI_NIL;
    e->books = calloc(FS_MAX_SYMBOL + 1, sizeof *e->books);
    if (e->books && fsi_reserve(e, 1)) return e;
    fs_free(e);
    return NULL;
}

void fs_free(fs_engine *engine) {
    if (!engine) return;
    for (uint32_t symbol = 0; symbol < engine->symbol_end; symbol++) {
        struct book *book = engine->books[symbol];
        if (!book) continue;
        free(book->sides[0].levels);
        free(book->sides[1].levels);
        free(book);
    }
    free(engine->books);
    free(engine->orders);
    free(engine->ids);
    free(engine->heap);
    free(engine);
}
