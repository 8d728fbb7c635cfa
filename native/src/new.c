/* new.c: new orders, the short way and the long one. */
#include "internal.h"

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
    o->codes = heard_codes(codes) | REPORT_CODE(flags, flags_of(bits));
    o->level = NIL;
    o->kind = KIND_CODE(bits, bits) | KIND_CODE(stp, CODE_IN(codes, stp)) | KIND_CODE(tif, CODE_IN(codes, tif));
    client_enter(e, slot, place, hash);
    return slot;
}

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
    if (c->flags & FS_POST_ONLY) reach = NO_PRICE; /* it was let in since it meets nobody */
    if (c->flags & FS_ICEBERG) e->rares[slot].display = c->aux_qty;
    bool rests = may_rest(c) && !market;
    struct taker *taker = line_up(e, slot, reach, price, rests ? REMAINDER_RESTS : REMAINDER_CANCELED);
    taker->cancel_cause = market ? FS_REASON_NO_LIQUIDITY : FS_REASON_IOC_REMAINDER;
    run_takers(e);
}

/* The long way of every new order. */
static noinline void begin_any(fs_engine *e, const fs_command *c) {
    uint8_t reason = check_new_record(e, c);
    uint64_t hash = hash_of(e, c->order_id);
    size_t place = id_place(e, c->order_id, hash);
    if (!reason && e->ids.at[place]) reason = FS_REASON_DUPLICATE_ID;
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
    uint64_t codes = codes_of(c), odd = (codes ^ PLAIN_NEW) & ODD_NEW;
    odd |= c->time_ms | c->symbol >> SYMBOL_BITS | (CODE_IN(codes, side) - 1) >> 1;
    odd |= ((uint64_t)c->qty - 1) >> PLAIN_QTY_BITS;
    return !odd && !bad_price(c->price) && c->order_id && c->account;
}

/* What becomes of a plain order that trades with nothing: it rests. */
static always_inline void rest_plain(fs_engine *e, const fs_command *c, struct ladder *own, size_t place, uint64_t hash) {
    uint32_t slot = slot_take(e);
    struct order *o = &e->orders[slot];
    uint64_t codes = codes_of(c), heard = heard_codes(codes), who;
    memcpy(&who, &c->account, sizeof who);
    o->id = c->order_id;
    o->leaves = c->qty;
    o->hidden = 0;
    o->filled = 0;
    o->who = who;
    o->codes = heard;
    o->kind = (uint32_t)(codes & COMMAND_FIELD(tif));
    e->ids.at[place] = id_entry(hash, slot);
    put_about(e, o, c->price, FS_ACCEPTED);
    ladder_put(e, own, slot, key_in(own, c->price), true);
}
static_assert(KIND_SHIFT(tif) == COMMAND_SHIFT(tif), "a plain order's kind is the tif of its command, where it is");

/* Most new orders are plain and rest: whatever stands against that, the long way finds out what it is. */
internal always_inline void begin_new(fs_engine *e, const fs_command *c) {
    struct book *book = unlikely(!is_plain(c)) ? NULL : roomy_book(e, c->symbol);
    if (unlikely(!book)) {
        begin_any(e, c);
        return;
    }
    const struct ladder *other = other_ladder(book, c->side);
    uint64_t hash = hash_of(e, c->order_id);
    size_t place = id_place(e, c->order_id, hash);
    if (unlikely(key_in(other, c->price) >= other->best_key || e->ids.at[place] || book->special ||
                 client_count(e) >= e->max_orders || overfull(book, c->side, 0, c->qty)))
        begin_any(e, c);
    else
        rest_plain(e, c, own_ladder(book, c->side), place, hash);
}
