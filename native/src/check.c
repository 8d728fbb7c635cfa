/* check.c: what a command must be to be let in. Nothing here changes anything. */
#include "internal.h"

internal always_inline bool bad_qty(int64_t qty) { return (uint64_t)qty - 1 >= FS_MAX_QTY; }

internal always_inline bool bad_price(int64_t price) {
    return (uint64_t)price + FS_MAX_PRICE > 2 * (uint64_t)FS_MAX_PRICE;
}

/* Whether a side would hold too much. */
internal always_inline bool overfull(const struct book *book, uint8_t side, int64_t leaving, int64_t coming) {
    return unlikely(coming > FS_MAX_SIDE_QTY - (book->open_qty[side - 1] - leaving));
}

static always_inline bool bad_client_record(const fs_command *c) {
    return !c->order_id | !c->account | (c->partition >= FS_PARTITION_NONE);
}

internal bool is_stop(uint8_t ord_type) {
    return ord_type == FS_STOP || ord_type == FS_STOP_LIMIT || ord_type == FS_TRAILING_STOP;
}

static bool has_limit(uint8_t ord_type) { return ord_type == FS_LIMIT || ord_type == FS_STOP_LIMIT; }

static bool lasting(uint8_t tif) { return tif == FS_DAY || tif == FS_GTC || tif == FS_GTD; }

/* Whether what an order leaves untraded stays in the book, or the order waits. */
internal bool may_rest(const fs_command *c) {
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
    return c->aux_qty < 1 || c->aux_qty > (c->flags & FS_OFFSET_BPS ? BASIS_POINTS - 1 : FS_MAX_PRICE);
}

/* Whether an iceberg would show its quantity in too many tips. */
internal bool too_small(int64_t display, int64_t leaves) { return (leaves - 1) / FS_MAX_TIPS >= display; }

/* What the record alone says. */
internal noinline uint8_t check_new_record(const fs_engine *e, const fs_command *c) {
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

internal bool outside_bands(const struct book *book, int64_t price) {
    return book->banded && (price < book->low || price > book->high);
}

/* What an order that comes in would be, as far as others look at it. */
static struct order incoming_of(const fs_command *c) {
    return (struct order){.leaves = c->qty, .account = c->account, .bits = c->flags, .stp = c->stp};
}

/* The limit that a market-to-limit order gets: the price of the first order that all of it could trade with. False:
 * there is none. */
internal bool limit_from_market(const fs_engine *e, struct book *book, const fs_command *c, int64_t *price) {
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

/* What the book it would come to says. */
internal uint8_t check_new_state(const fs_engine *e, const fs_command *c, struct book *book) {
    if (!book) return FS_REASON_CAPACITY;
    if (book->special) {
        uint8_t reason = check_new_special(e, book, c);
        if (reason) return reason;
    }
    if (!may_rest(c)) return FS_REASON_NONE;
    if (client_count(e) >= e->max_orders || overfull(book, c->side, 0, c->qty)) return FS_REASON_CAPACITY;
    if (c->flags & FS_ALL_OR_NONE && own_ladder(book, c->side)->special >= FS_MAX_SPECIAL) return FS_REASON_CAPACITY;
    bool trails = c->ord_type == FS_TRAILING_STOP;
    if (trails && stop_ladder(book, c->side)->special >= FS_MAX_SPECIAL) return FS_REASON_CAPACITY;
    if (!(c->flags & FS_POST_ONLY) || book->session == FS_AUCTION) return FS_REASON_NONE;
    struct order incoming = incoming_of(c);
    return would_trade(e, other_ladder(book, c->side), c->price, &incoming) ? FS_REASON_WOULD_TRADE : FS_REASON_NONE;
}

/* Whether an order has flags that an accepted one could have. The same rules as check_new_record. */
internal bool sound_client(const struct order *o, const struct rare *rare) {
    uint8_t bits = (uint8_t)o->bits, kinds = bits & (BIT_POST_ONLY | BIT_AON | BIT_ICEBERG | BIT_BPS);
    bool limited = !(bits & BIT_MARKET), dormant = bits & BIT_DORMANT, trailing = bits & BIT_TRAILING;
    if (bits & BIT_HOUSE || o->stp > FS_STP_DECREMENT) return false;
    if (!lasting(o->tif) && !(dormant && (o->tif == FS_IOC || o->tif == FS_FOK))) return false;
    if (o->tif == FS_GTD && !(o->bits & BIT_EXPIRES)) return false;
    if ((bits & (BIT_AON | BIT_ICEBERG)) == (BIT_AON | BIT_ICEBERG)) return false;
    if (bits & BIT_ICEBERG && too_small(rare->display, o->leaves)) return false;
    if (bits & BIT_ICEBERG && !dormant && o->leaves - o->hidden > rare->display) return false;
    if (!dormant) return limited && !trailing && !(bits & BIT_BPS);
    if (o->hidden || (!limited && rare->limit)) return false;
    if (kinds & (BIT_POST_ONLY | BIT_AON)) return false;
    if (kinds & BIT_ICEBERG && (!limited || !lasting(o->tif))) return false;
    if (!trailing) return !rare->offset && !(bits & BIT_BPS);
    return !limited && rare->offset >= 1 && (!(bits & BIT_BPS) || rare->offset < BASIS_POINTS);
}

/* The order a cancel or a replace is about; *reason says why there is none. */
internal always_inline uint32_t find_own(fs_engine *e, const fs_command *c, uint8_t allowed_flags, size_t *place,
                                         uint8_t *reason) {
    *reason = FS_REASON_BAD_RECORD;
    if (unlikely(bad_client_record(c) | c->stp | (c->flags & ~allowed_flags))) return NIL;
    *place = id_place(e, c->order_id, hash_of(e, c->order_id));
    uint32_t slot = (uint32_t)e->ids.at[*place];
    *reason = FS_REASON_UNKNOWN_ORDER;
    if (unlikely(!slot)) return NIL;
    *reason = FS_REASON_NOT_OWNER;
    if (unlikely(e->orders[slot].account != c->account)) return NIL;
    *reason = FS_REASON_NONE;
    return slot;
}

/* The symbol's book, with room for the orders of one command; or NULL: memory ran out. */
internal always_inline struct book *roomy_book(const fs_engine *e, uint32_t symbol) {
    return unlikely(e->tight) && e->capacity - e->order_live < SPARE ? NULL : e->books[symbol];
}
