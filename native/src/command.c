/* command.c: each command checked, answered and begun. */
#include "internal.h"

/* ------------------------------------------------------------------ checks */

static always_inline bool bad_qty(int64_t qty) { return (uint64_t)qty - 1 >= FS_MAX_QTY; }

static always_inline bool bad_price(int64_t price) {
    return (uint64_t)price + FS_MAX_PRICE > 2 * (uint64_t)FS_MAX_PRICE;
}

/* Whether a side would hold too much. */
static always_inline bool overfull(const struct book *book, uint8_t side, int64_t leaving, int64_t coming) {
    return unlikely(coming > FS_MAX_SIDE_QTY - (book->open_qty[side - 1] - leaving));
}

/* A command's last word: type, side, ord_type, tif, flags, stp, partition; a byte each, the last two bytes. */
static always_inline uint64_t codes_of(const fs_command *c) {
    uint64_t codes;
    memcpy(&codes, &c->type, sizeof codes);
    return codes;
}
#define SIDE_CODE 0xff00u
#define TIF_CODE 0xff000000u

static always_inline bool bad_client_record(const fs_command *c) {
    return !c->order_id | !c->account | (c->partition >= FS_PARTITION_NONE);
}

static bool is_stop(uint8_t ord_type) {
    return ord_type == FS_STOP || ord_type == FS_STOP_LIMIT || ord_type == FS_TRAILING_STOP;
}

static bool has_limit(uint8_t ord_type) { return ord_type == FS_LIMIT || ord_type == FS_STOP_LIMIT; }

static bool lasting(uint8_t tif) { return tif == FS_DAY || tif == FS_GTC || tif == FS_GTD; }

/* Whether what an order leaves untraded stays in the book, or the order waits. */
static bool may_rest(const fs_command *c) {
    return is_stop(c->ord_type) || (c->ord_type != FS_MARKET && lasting(c->tif));
}

static bool bad_new_codes(const fs_command *c) {
    bool tif = lasting(c->tif) || c->tif == FS_IOC || c->tif == FS_FOK;
    bool type = c->ord_type == FS_MARKET || c->ord_type == FS_LIMIT || c->ord_type == FS_MARKET_TO_LIMIT ||
                is_stop(c->ord_type);
    return !is_side(c->side) || !type || !tif || c->stp > FS_STP_DECREMENT;
}

static bool bad_new_flags(const fs_command *c) {
    uint8_t allowed = 0;
    if (c->ord_type == FS_LIMIT && lasting(c->tif)) allowed = FS_POST_ONLY | FS_ALL_OR_NONE | FS_ICEBERG;
    if (c->ord_type == FS_STOP_LIMIT && lasting(c->tif)) allowed = FS_ICEBERG;
    if (c->ord_type == FS_TRAILING_STOP) allowed = FS_OFFSET_BPS;
    uint8_t both = FS_ALL_OR_NONE | FS_ICEBERG;
    return c->flags & ~allowed || (c->flags & both) == both;
}

static bool bad_stop(const fs_command *c) {
    if (c->ord_type == FS_STOP || c->ord_type == FS_STOP_LIMIT) return bad_price(c->aux_price);
    if (c->ord_type != FS_TRAILING_STOP) return false;
    return c->aux_qty < 1 || c->aux_qty > (c->flags & FS_OFFSET_BPS ? 9999 : FS_MAX_PRICE);
}

/* Whether an iceberg would show its quantity in too many tips. */
static bool too_small(int64_t display, int64_t leaves) { return (leaves - 1) / FS_MAX_TIPS >= display; }

/* What the record alone says. */
static noinline uint8_t check_new_record(const fs_engine *e, const fs_command *c) {
    if (bad_client_record(c) || bad_new_codes(c) || bad_new_flags(c)) return FS_REASON_BAD_RECORD;
    if (c->symbol > FS_MAX_SYMBOL) return FS_REASON_BAD_SYMBOL;
    if (bad_qty(c->qty)) return FS_REASON_BAD_QTY;
    if (has_limit(c->ord_type) && bad_price(c->price)) return FS_REASON_BAD_PRICE;
    if (bad_stop(c)) return FS_REASON_BAD_STOP;
    bool hides = c->flags & FS_ICEBERG;
    if (hides && (c->aux_qty < 1 || c->aux_qty > c->qty || too_small(c->aux_qty, c->qty))) return FS_REASON_BAD_DISPLAY;
    if (c->time_ms ? c->time_ms <= e->clock_ms : c->tif == FS_GTD) return FS_REASON_EXPIRED;
    return FS_REASON_NONE;
}

static bool outside_bands(const struct book *book, int64_t price) {
    return book->banded && (price < book->low || price > book->high);
}

/* What an order that comes in would be, as far as others look at it. */
static struct order incoming_of(const fs_command *c) {
    return (struct order){.leaves = c->qty, .account = c->account, .bits = c->flags, .stp = c->stp};
}

/* The limit that a market-to-limit order gets: the price of the first order that all of it could trade with. False:
 * there is none. */
static bool limit_from_market(const fs_engine *e, struct book *book, const fs_command *c, int64_t *price) {
    struct order incoming = incoming_of(c);
    uint32_t first = first_partner(e, other_ladder(book, c->side), &incoming);
    *price = first ? level_price(&e->levels[e->orders[first].level]) : 0;
    return first != NIL;
}

/* What the symbol's session and bands say. */
static noinline uint8_t check_new_special(const fs_engine *e, struct book *book, const fs_command *c) {
    if (book->session == FS_HALTED) return FS_REASON_SESSION;
    bool waits = is_stop(c->ord_type) || (c->ord_type == FS_LIMIT && lasting(c->tif));
    if (book->session == FS_AUCTION && !waits) return FS_REASON_SESSION;
    int64_t price = c->price;
    bool limited = has_limit(c->ord_type);
    if (c->ord_type == FS_MARKET_TO_LIMIT) limited = limit_from_market(e, book, c, &price);
    return limited && outside_bands(book, price) ? FS_REASON_OUTSIDE_BANDS : FS_REASON_NONE;
}

/* The order a cancel or a replace is about; *reason says why there is none. */
static always_inline uint32_t find_own(const fs_engine *e, const fs_command *c, uint8_t allowed_flags, size_t *place,
                                       uint8_t *reason) {
    *reason = FS_REASON_BAD_RECORD;
    if (unlikely(bad_client_record(c) | c->stp | (c->flags & ~allowed_flags))) return NIL;
    *place = id_place(e, c->order_id, hash_of(c->order_id));
    uint32_t slot = (uint32_t)e->ids[*place];
    *reason = FS_REASON_UNKNOWN_ORDER;
    if (unlikely(!slot)) return NIL;
    *reason = FS_REASON_NOT_OWNER;
    if (unlikely(e->orders[slot].account != c->account)) return NIL;
    *reason = FS_REASON_NONE;
    return slot;
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

/* The symbol's book, with room for the orders of one command; or NULL: memory ran out. */
static always_inline struct book *roomy_book(const fs_engine *e, uint32_t symbol) {
    return unlikely(e->tight) && e->capacity - e->order_live < SPARE ? NULL : e->books[symbol];
}

/* --------------------------------------------------------------------- new */

/* A slot becomes a live client's. */
static always_inline void client_enter(fs_engine *e, uint32_t slot, size_t place, uint64_t hash) {
    e->ids[place] = id_entry(hash, slot);
    if (unlikely(e->orders[slot].bits & BIT_EXPIRES)) heap_add(e, slot);
}

/* The order of a command, in a slot. Filled in place and by whole words: a copy made of small stores and
 * read back by wide loads would wait for each of them. */
static inline uint32_t client_add(fs_engine *e, const fs_command *c, uint16_t bits, size_t place, uint64_t hash) {
    uint32_t slot = slot_take(e);
    struct order *o = &e->orders[slot];
    if (unlikely(c->time_ms)) {
        bits |= BIT_EXPIRES;
        e->rares[slot].expiry_ms = c->time_ms;
    }
    uint64_t codes = codes_of(c);
    o->id = c->order_id;
    o->leaves = c->qty;
    o->hidden = 0;
    o->filled = 0;
    memcpy(&o->who, &c->account, sizeof o->who);
    o->codes = (codes & SIDE_CODE) | codes >> 48 << 32 | (uint64_t)flags_of(bits) << 24;
    o->level = NIL;
    o->kind = (uint32_t)(bits | (codes >> 40 & 0xff) << 16 | (codes >> 24 & 0xff) << 24);
    client_enter(e, slot, place, hash);
    return slot;
}
static_assert(offsetof(fs_command, symbol) == offsetof(fs_command, account) + 4, "who is one word");

static void accept_stop(fs_engine *e, const fs_command *c, struct book *book, size_t place, uint64_t hash) {
    bool trailing = c->ord_type == FS_TRAILING_STOP, limited = c->ord_type == FS_STOP_LIMIT;
    uint16_t bits = c->flags | BIT_DORMANT | (trailing ? BIT_TRAILING : 0) | (limited ? 0 : BIT_MARKET);
    uint32_t slot = client_add(e, c, bits, place, hash);
    const struct order *o = &e->orders[slot];
    int64_t stop = trailing ? first_stop(book, o, c->aux_qty) : c->aux_price;
    struct rare *rare = &e->rares[slot];
    rare->display = c->flags & FS_ICEBERG ? c->aux_qty : 0;
    rare->limit = limited ? c->price : 0;
    rare->offset = trailing ? c->aux_qty : 0;
    put_about(e, o, limit_of(e, slot), FS_ACCEPTED)->aux = stop;
    stop_put(e, book, slot, stop);
}

/* A limit, market or market-to-limit order that passed its checks. */
static void accept_taker(fs_engine *e, const fs_command *c, struct book *book, size_t place, uint64_t hash) {
    const struct ladder *other = other_ladder(book, c->side);
    bool market = c->ord_type == FS_MARKET;
    int64_t price = market ? 0 : c->price;
    if (c->ord_type == FS_MARKET_TO_LIMIT) market = !limit_from_market(e, book, c, &price);
    uint64_t reach = market ? ANY_PRICE : key_in(other, price);
    if (book->session == FS_AUCTION) reach = NO_PRICE;
    uint32_t slot = client_add(e, c, c->flags, place, hash);
    struct order *o = &e->orders[slot];
    put_about(e, o, price, FS_ACCEPTED)->aux = c->flags & FS_ICEBERG ? c->aux_qty : 0;
    if (c->tif == FS_FOK && !can_fill(e, other, reach, o)) {
        put_off(e, o, price, FS_CANCELED, FS_REASON_FOK_KILLED);
        order_drop(e, slot, false);
        return;
    }
    if (c->flags & FS_ALL_OR_NONE && !can_fill(e, other, reach, o)) reach = NO_PRICE;
    if (c->flags & FS_ICEBERG) e->rares[slot].display = c->aux_qty;
    bool rests = may_rest(c) && !market;
    struct taker *taker = line_up(e, slot, reach, price, rests ? REMAINDER_RESTS : REMAINDER_CANCELED);
    taker->cancel_cause = market ? FS_REASON_NO_LIQUIDITY : FS_REASON_IOC_REMAINDER;
    run_takers(e);
}

static uint8_t check_new_state(const fs_engine *e, const fs_command *c, struct book *book) {
    if (!book) return FS_REASON_CAPACITY;
    if (book->special) {
        uint8_t reason = check_new_special(e, book, c);
        if (reason) return reason;
    }
    if (!may_rest(c)) return FS_REASON_NONE;
    if (client_count(e) >= e->max_orders || overfull(book, c->side, 0, c->qty)) return FS_REASON_CAPACITY;
    if (!(c->flags & FS_POST_ONLY) || book->session == FS_AUCTION) return FS_REASON_NONE;
    struct order incoming = incoming_of(c);
    return would_trade(e, other_ladder(book, c->side), c->price, &incoming) ? FS_REASON_WOULD_TRADE : FS_REASON_NONE;
}

/* The long way of every new order. */
static noinline void begin_any(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_new_record(e, c);
    uint64_t hash = hash_of(c->order_id);
    size_t place = id_place(e, c->order_id, hash);
    if (!reason && e->ids[place]) reason = FS_REASON_DUPLICATE_ID;
    struct book *book = reason ? NULL : roomy_book(e, c->symbol);
    if (!reason) reason = check_new_state(e, c, book);
    if (unlikely(reason))
        refuse(e, c, FS_REJECTED, reason);
    else if (is_stop(c->ord_type))
        accept_stop(e, c, book, place, hash);
    else
        accept_taker(e, c, book, place, hash);
}

/* A limit order for good or for the day, without any speciality, and surely within the limits: what is merely near
 * them goes the long way. */
static always_inline bool is_plain(const fs_command *c) {
    uint64_t codes = codes_of(c), side = codes >> 8 & 0xff;
    uint64_t odd = (codes ^ (uint64_t)FS_LIMIT << 16) & 0x8000fffffeff0000u; /* but for a tif of 0 or 1 */
    odd |= c->time_ms | c->symbol >> 16 | (side - 1) >> 1 | ((uint64_t)c->qty - 1) >> 49;
    return !odd && !bad_price(c->price) && c->order_id && c->account;
}

/* What becomes of a plain order that trades with nothing: it rests. */
static always_inline void rest_plain(fs_engine *e, const fs_command *c, struct ladder *own, size_t place, uint64_t hash) {
    uint32_t slot = slot_take(e);
    struct order *o = &e->orders[slot];
    uint64_t codes = codes_of(c), heard = (codes & SIDE_CODE) | codes >> 48 << 32, who;
    memcpy(&who, &c->account, sizeof who);
    o->id = c->order_id;
    o->leaves = c->qty;
    o->hidden = 0;
    o->filled = 0;
    o->who = who;
    o->codes = heard;
    o->kind = (uint32_t)codes & TIF_CODE;
    e->ids[place] = id_entry(hash, slot);
    put_about(e, o, c->price, FS_ACCEPTED);
    ladder_put(e, own, slot, key_in(own, c->price), true);
}
static_assert(offsetof(struct order, tif) - offsetof(struct order, kind) == offsetof(fs_command, tif) - offsetof(fs_command, type),
              "a plain order's kind is the tif of its command, where it is");

/* Most new orders are plain and rest: whatever stands against that, the long way finds out what it is. */
static always_inline void begin_new(fs_engine *e, const fs_command *c) {
    struct book *book = unlikely(!is_plain(c)) ? NULL : roomy_book(e, c->symbol);
    if (unlikely(!book)) {
        begin_any(e, c);
        return;
    }
    const struct ladder *other = other_ladder(book, c->side);
    uint64_t hash = hash_of(c->order_id);
    size_t place = id_place(e, c->order_id, hash);
    if (unlikely(key_in(other, c->price) >= other->best_key || e->ids[place] || book->special ||
                 client_count(e) >= e->max_orders || overfull(book, c->side, 0, c->qty)))
        begin_any(e, c);
    else
        rest_plain(e, c, own_ladder(book, c->side), place, hash);
}

/* ------------------------------------------------------ cancel and replace */

static noinline void cancel_special(fs_engine *e, const fs_command *c) {
    uint8_t reason;
    size_t place;
    uint32_t slot = find_own(e, c, 0, &place, &reason);
    if (slot)
        take_off(e, slot, FS_CANCELED, FS_REASON_REQUESTED);
    else
        refuse(e, c, FS_CANCEL_REJECTED, reason);
}

static always_inline void begin_cancel(fs_engine *e, const fs_command *c) {
    size_t place = id_place(e, c->order_id, hash_of(c->order_id));
    uint32_t slot = (uint32_t)e->ids[place];
    const struct order *o = &e->orders[slot]; /* slot 0: nobody's, account 0 */
    uint64_t odd = (codes_of(c) & 0x8000ffff00000000u) | o->bits | (o->account ^ c->account);
    if (unlikely(odd || !c->account)) {
        cancel_special(e, c);
        return;
    }
    struct level *level = &e->levels[o->level];
    put_off(e, o, level_price(level), FS_CANCELED, FS_REASON_REQUESTED);
    ladder_pull(e, level->ladder, slot, true);
    client_drop_at(e, slot, place, true);
}

/* Quantity that a replaced order would have open. */
static int64_t new_leaves(const fs_command *c, const struct order *o) {
    return c->flags & FS_OPEN_QTY ? c->qty : c->qty - o->filled;
}

static bool is_limited(const struct order *o) { return !(o->bits & BIT_MARKET); }

/* Whether a replaced order would be more than what was let in before: a new limit, or more lots at the old one. */
static bool lets_in(const fs_engine *e, const fs_command *c, uint32_t slot, int64_t leaves) {
    return leaves > 0 && !(c->price == limit_of(e, slot) && leaves <= e->orders[slot].leaves);
}

static noinline bool replaced_would_trade(const fs_engine *e, const fs_command *c, const struct order *o, int64_t leaves) {
    struct order changed = *o;
    changed.leaves = leaves;
    return would_trade(e, other_ladder(e->books[o->symbol], o->side), c->price, &changed);
}

static uint8_t check_replace(fs_engine *e, const fs_command *c, uint32_t slot) {
    const struct order *o = &e->orders[slot];
    struct book *book = e->books[o->symbol];
    bool new_stop = c->flags & FS_NEW_STOP;
    if (new_stop && (!(o->bits & BIT_DORMANT) || o->bits & BIT_TRAILING)) return FS_REASON_BAD_RECORD;
    if (bad_qty(c->qty) || (c->flags & FS_OPEN_QTY && c->qty > FS_MAX_QTY - o->filled)) return FS_REASON_BAD_QTY;
    if (is_limited(o) && bad_price(c->price)) return FS_REASON_BAD_PRICE;
    if (new_stop && bad_price(c->aux_price)) return FS_REASON_BAD_STOP;
    if (book->session == FS_HALTED) return FS_REASON_SESSION;
    int64_t leaves = new_leaves(c, o);
    bool trades = false;
    if (unlikely(book->banded | (o->bits & BIT_POST_ONLY)) && lets_in(e, c, slot, leaves)) {
        if (is_limited(o) && outside_bands(book, c->price)) return FS_REASON_OUTSIDE_BANDS;
        trades = o->bits & BIT_POST_ONLY && book->session == FS_CONTINUOUS && replaced_would_trade(e, c, o, leaves);
    }
    if (overfull(book, o->side, o->leaves, leaves)) return FS_REASON_CAPACITY;
    if (o->bits & BIT_ICEBERG && leaves > 0 && too_small(e->rares[slot].display, leaves)) return FS_REASON_BAD_DISPLAY;
    return unlikely(trades) ? FS_REASON_WOULD_TRADE : FS_REASON_NONE;
}

static always_inline fs_report *put_replaced(fs_engine *e, uint32_t slot, int64_t price) {
    const struct order *o = &e->orders[slot];
    fs_report *r = put_about(e, o, price, FS_REPLACED);
    r->qty = o->leaves + o->filled;
    if (unlikely(o->bits & BIT_ICEBERG)) r->aux = e->rares[slot].display;
    return r;
}

static noinline void replace_dormant(fs_engine *e, const fs_command *c, uint32_t slot, int64_t leaves) {
    struct order *o = &e->orders[slot];
    struct book *book = e->books[o->symbol];
    struct level *level = &e->levels[o->level];
    struct ladder *l = level->ladder;
    int64_t stop = level_price(level), moved = c->flags & FS_NEW_STOP ? c->aux_price : stop;
    if (is_limited(o)) e->rares[slot].limit = c->price;
    bool stays = moved == stop && leaves <= o->leaves;
    if (stays) {
        ladder_shrink(l, level, o, o->leaves - leaves);
    } else {
        ladder_pull(e, l, slot, false);
        o->leaves = leaves;
    }
    put_replaced(e, slot, limit_of(e, slot))->aux = moved;
    if (!stays) stop_put(e, book, slot, moved);
}

/* The order leaves its queue and comes in again. */
static always_inline void requeue(fs_engine *e, const fs_command *c, uint32_t slot, int64_t leaves) {
    struct order *o = &e->orders[slot];
    struct book *book = e->books[o->symbol];
    struct ladder *own = own_ladder(book, o->side), *other = other_ladder(book, o->side);
    ladder_pull(e, own, slot, false);
    o->leaves = leaves;
    o->hidden = 0;
    uint64_t reach = key_in(other, c->price);
    put_replaced(e, slot, c->price);
    if (unlikely(book->session != FS_CONTINUOUS)) reach = NO_PRICE;
    if (unlikely(o->bits & BIT_AON && !can_fill(e, other, reach, o))) reach = NO_PRICE;
    if (likely(reach < other->best_key)) {
        rest(e, book, slot, c->price);
        return;
    }
    line_up(e, slot, reach, c->price, REMAINDER_RESTS);
    run_takers(e);
}

static always_inline void begin_replace(fs_engine *e, const fs_command *c) {
    uint8_t reason;
    size_t place;
    uint32_t slot = find_own(e, c, FS_OPEN_QTY | FS_NEW_STOP, &place, &reason);
    if (likely(slot)) reason = check_replace(e, c, slot);
    if (unlikely(reason)) {
        refuse(e, c, FS_REPLACE_REJECTED, reason);
        return;
    }
    struct order *o = &e->orders[slot];
    int64_t leaves = new_leaves(c, o);
    if (unlikely(leaves <= 0)) {
        take_off(e, slot, FS_CANCELED, FS_REASON_REPLACED_BELOW_FILLED);
    } else if (unlikely(o->bits & BIT_DORMANT)) {
        replace_dormant(e, c, slot, leaves);
    } else if (leaves <= o->leaves && c->price == limit_of(e, slot)) {
        struct level *level = &e->levels[o->level];
        ladder_shrink(level->ladder, level, o, o->leaves - leaves);
        put_replaced(e, slot, c->price);
    } else {
        requeue(e, c, slot, leaves);
    }
}

/* --------------------------------------------------------------- the house */

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
    taker->clients_only = print;
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

static uint8_t check_quote_state(const fs_engine *e, const fs_command *c) {
    struct book *book = roomy_book(e, c->symbol);
    if (!book) return FS_REASON_CAPACITY;
    if (book->session == FS_HALTED) return FS_REASON_SESSION;
    if (overfull(book, FS_BUY, house_leaves(e, &book->ladders[BIDS]), c->qty) ||
        overfull(book, FS_SELL, house_leaves(e, &book->ladders[ASKS]), c->aux_qty))
        return FS_REASON_CAPACITY;
    return FS_REASON_NONE;
}

static noinline void begin_quote(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_quote(c);
    if (!reason) reason = check_quote_state(e, c);
    if (reason) {
        refuse(e, c, FS_REJECTED, reason);
        return;
    }
    put_echo(e, c, (fs_report){.type = FS_QUOTED,
                               .price = c->qty ? c->price : 0,
                               .qty = c->qty,
                               .leaves = c->aux_qty ? c->aux_price : 0,
                               .aux = c->aux_qty});
    struct book *book = e->books[c->symbol];
    withdraw_house(e, &book->ladders[BIDS]);
    withdraw_house(e, &book->ladders[ASKS]);
    line_up_house(e, c, FS_BUY, c->price, c->qty);
    line_up_house(e, c, FS_SELL, c->aux_price, c->aux_qty);
}

static noinline void begin_print(fs_engine *e, const fs_command *c) {
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

static noinline void begin_time(fs_engine *e, const fs_command *c) {
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

static noinline void begin_control(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_control(e, c, c->type == FS_SESSION ? FS_HALTED : 1);
    if (reason) {
        refuse(e, c, FS_REJECTED, reason);
        return;
    }
    struct book *book = e->books[c->symbol];
    if (c->type == FS_SESSION) {
        if (c->flags == FS_AUCTION) book->reference = c->price;
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
