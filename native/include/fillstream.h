/* fillstream.h: the matching engine's whole contract.
 *
 * Commands go in and reports come out as arrays of 64-byte little-endian records. This file is the
 * only definition of them: the C library, the cffi binding and Python's `libs.common.engine.frames` all
 * derive their layout from here. A stream entry between the orders stage and the engine is a frame:
 * the bytes of such an array, nothing before, between or after the records.
 *
 *      0        8        16       24       32       40       48   52   56 57 58 59 60 61 62
 *      +--------+--------+--------+--------+--------+--------+----+----+--+--+--+--+--+--+----+
 * cmd  |order_id| price  | qty    |aux_pric|aux_qty |time_ms |acct|symb|ty|si|ot|ti|fl|st|part|
 *      +--------+--------+--------+--------+--------+--------+----+----+--+--+--+--+--+--+----+
 * rep  |order_id| price  | qty    | leaves | aux    |match_id|acct|symb|ty|si|rs|fl|part |resv|
 *      +--------+--------+--------+--------+--------+--------+----+----+--+--+--+--+-----+----+
 *
 * Prices are signed 64-bit ticks, quantities signed 64-bit lots, times milliseconds since 1970 UTC.
 * Codes are FIX's values where FIX has one (54 Side, 40 OrdType, 59 TimeInForce).
 */
#ifndef FILLSTREAM_H
#define FILLSTREAM_H

#define FS_VERSION_MAJOR 0
#define FS_VERSION_MINOR 2
#define FS_VERSION_PATCH 0

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* ---------------------------------------------------------------- codes */

enum fs_command_type {
    FS_NEW = 1,     /* a new order */
    FS_CANCEL = 2,  /* order_id, account */
    FS_REPLACE = 3, /* order_id, account, price, qty (new total: fills so far count), flags */
    FS_QUOTE = 4,   /* house liquidity: price/qty the bid, aux_price/aux_qty the ask; 0 quantity: no
                       such side. Replaces the symbol's former quote; both old sides leave before
                       either new one arrives, and a new side may take from resting client orders. */
    FS_PRINT = 5,   /* a trade seen on the real market: side (the aggressor's), price, qty. Takes from
                       client orders at `price` or better, never from the house; nothing rests. */
    FS_TIME = 6,    /* the clock is time_ms: orders with an expiry at or before it expire */
    FS_MASS_CANCEL = 7, /* every client order of account (0: of all), of side (0: both), and with
                           FS_BY_SYMBOL of symbol alone; dormant ones too */
    FS_SESSION = 8, /* symbol goes to session `flags` (fs_session); of FS_AUCTION, price is the reference */
    FS_BANDS = 9    /* flags 1: limits of symbol must be in price..aux_price; flags 0: no bands */
};

enum fs_side { FS_BUY = 1, FS_SELL = 2 };

enum fs_ord_type {
    FS_MARKET = 1,
    FS_LIMIT = 2,
    FS_STOP = 3,       /* a market order once the last trade reaches aux_price */
    FS_STOP_LIMIT = 4, /* a limit order at price, likewise */
    FS_MARKET_TO_LIMIT = 75, /* FIX 'K': a limit order at the price of the first order that all of it could trade
                                with, its own account's passed over if stp is set; with none, a market order */
    FS_TRAILING_STOP = 80    /* FIX 'P': a stop aux_qty behind the best last trade since it came */
};

enum fs_tif {
    FS_DAY = 0, /* expires at time_ms, which the caller sets to the end of its day; 0: never */
    FS_GTC = 1,
    FS_IOC = 3,
    FS_FOK = 4,
    FS_GTD = 6  /* expires at time_ms, which must be given */
};

enum fs_order_flag { /* flags of FS_NEW */
    FS_POST_ONLY = 1,  /* rejected if it would trade; FS_LIMIT that may rest (FS_DAY, FS_GTC, FS_GTD) */
    FS_ALL_OR_NONE = 2, /* trades whole or not at all, resting too; FS_LIMIT that may rest */
    FS_ICEBERG = 4,    /* shows aux_qty at a time; FS_LIMIT and FS_STOP_LIMIT that may rest, not all-or-none */
    FS_OFFSET_BPS = 8  /* FS_TRAILING_STOP: aux_qty is in basis points of the trade, not in ticks */
};

enum fs_replace_flag { /* flags of FS_REPLACE */
    FS_OPEN_QTY = 1, /* qty is the new open quantity, whatever has been filled */
    FS_NEW_STOP = 2  /* aux_price is the new stop price of a dormant order that does not trail */
};

enum fs_mass_flag { FS_BY_SYMBOL = 1 }; /* flags of FS_MASS_CANCEL */

enum fs_stp { /* stp of FS_NEW: what happens instead of a trade with a resting order of one's own account */
    FS_STP_NONE = 0,            /* nothing: they trade */
    FS_STP_CANCEL_RESTING = 1,
    FS_STP_CANCEL_INCOMING = 2,
    FS_STP_CANCEL_BOTH = 3,
    FS_STP_DECREMENT = 4        /* both lose the smaller open quantity, and as much of their totals, tip by tip; at 0
                                   one is cancelled */
};

enum fs_session {
    FS_CONTINUOUS = 0,
    FS_AUCTION = 1, /* orders collect; an FS_SESSION to FS_CONTINUOUS, from FS_HALTED too, uncrosses them */
    FS_HALTED = 2   /* cancels and mass cancels only, no orders, quotes or prints; time, sessions, bands go on */
};

enum fs_report_type {
    FS_ACCEPTED = 1,         /* price (of a trailing stop its offset; 0 without either), qty, leaves = qty; aux: an
                                iceberg's display, or a dormant order's stop as in fs_resting */
    FS_REJECTED = 2,         /* of any command but FS_CANCEL and FS_REPLACE; reason */
    FS_FILLED = 3,           /* price, qty of this trade, leaves after, match_id; flags say maker or taker;
                                aux: what a resting iceberg shows now, behind its level if its tip was used up */
    FS_CANCELED = 4,         /* reason; qty = what was taken off, leaves = 0; price here, and in every report on an
                                order but FS_FILLED, as in FS_ACCEPTED */
    FS_CANCEL_REJECTED = 5,  /* reason */
    FS_REPLACED = 6,         /* price and aux as in FS_ACCEPTED, qty = new total, leaves */
    FS_REPLACE_REJECTED = 7, /* reason; the old parameters stand */
    FS_EXPIRED = 8,          /* qty = what was taken off, leaves = 0 */
    FS_QUOTED = 9,           /* echo of FS_QUOTE: price/qty bid, leaves/aux ask price/quantity */
    FS_PRINTED = 10,         /* echo of FS_PRINT: price, qty, side */
    FS_TRIGGERED = 11,       /* a dormant order comes in now: price (0: none), qty = leaves; aux: an iceberg's
                                display */
    FS_REDUCED = 12,         /* self-trade prevention: qty = what was taken off, leaves > 0; aux as FS_FILLED */
    FS_MASS_CANCELED = 13,   /* end of FS_MASS_CANCEL: qty = orders cancelled, each reported before; order_id,
                                account, symbol, side and partition are the command's, as in a rejection */
    FS_SESSION_SET = 14,     /* echo of FS_SESSION: aux the session, price the reference that is held */
    FS_BANDS_SET = 15        /* echo of FS_BANDS: price lowest, leaves highest, aux 1; or all 0 */
};

/* Of several reasons for a refusal the first is given.
 * FS_NEW: BAD_RECORD, BAD_SYMBOL, BAD_QTY, BAD_PRICE, BAD_STOP, BAD_DISPLAY, EXPIRED, DUPLICATE_ID, SESSION,
 * OUTSIDE_BANDS, CAPACITY, WOULD_TRADE. FS_CANCEL, FS_REPLACE: BAD_RECORD, UNKNOWN_ORDER, NOT_OWNER, BAD_QTY,
 * BAD_PRICE, BAD_STOP, SESSION, OUTSIDE_BANDS, CAPACITY, BAD_DISPLAY, WOULD_TRADE. */
enum fs_reason {
    FS_REASON_NONE = 0,
    FS_REASON_REQUESTED = 1,       /* canceled because asked to */
    FS_REASON_IOC_REMAINDER = 2,   /* canceled: the part of an IOC order with a limit that found nothing */
    FS_REASON_FOK_KILLED = 3,      /* canceled: not all of it could trade at once */
    FS_REASON_NO_LIQUIDITY = 4,    /* canceled: the remainder of a market order */
    FS_REASON_REPLACED_BELOW_FILLED = 5, /* canceled: new total at or below what is filled */
    FS_REASON_SELF_TRADE = 6,      /* canceled or reduced: it would trade with its own account */
    FS_REASON_MASS_CANCEL = 7,     /* canceled by FS_MASS_CANCEL */
    FS_REASON_UNKNOWN_ORDER = 16,  /* never seen, or done and forgotten */
    FS_REASON_NOT_OWNER = 17,      /* the order is another account's */
    FS_REASON_DUPLICATE_ID = 18,   /* a live order has this id */
    FS_REASON_BAD_RECORD = 19,     /* a code outside the lists above; flags that do not fit the order; flags or stp
                                      where the type has none; an FS_NEW, FS_CANCEL or FS_REPLACE with order_id 0,
                                      account 0 or no account partition */
    FS_REASON_BAD_QTY = 20,        /* not in 1..FS_MAX_QTY; with FS_OPEN_QTY, the total that comes of it */
    FS_REASON_BAD_PRICE = 21,      /* not in -FS_MAX_PRICE..FS_MAX_PRICE; bands with low above high; a quote whose
                                      bid is not below its ask */
    FS_REASON_BAD_SYMBOL = 22,     /* above FS_MAX_SYMBOL */
    FS_REASON_CAPACITY = 23,       /* the engine holds as many orders as it may, or that side of the book as many
                                      lots (FS_MAX_SIDE_QTY), all-or-none orders or trailing stops (FS_MAX_SPECIAL):
                                      asked of stops and of orders that may rest, even where they would trade whole;
                                      or memory ran out */
    FS_REASON_EXPIRED = 24,        /* its expiry is at or before the clock, or FS_GTD without one */
    FS_REASON_SESSION = 25,        /* the symbol's session does not take this: in FS_HALTED cancels only; in
                                      FS_AUCTION stops and limit orders that may rest, no others, and no prints */
    FS_REASON_OUTSIDE_BANDS = 26,  /* a limit price outside the symbol's bands, a market-to-limit's too */
    FS_REASON_WOULD_TRADE = 27,    /* post-only, and it would trade */
    FS_REASON_BAD_DISPLAY = 28,    /* an FS_NEW's display not in 1..qty; more than FS_MAX_TIPS of it open */
    FS_REASON_BAD_STOP = 29,       /* stop price not in -FS_MAX_PRICE..FS_MAX_PRICE; offset not in 1..FS_MAX_PRICE
                                      ticks, 1..9999 bp */
    FS_REASON_CROSSED = 30,        /* FS_QUOTED: the bid is above the ask, or at it in FS_AUCTION: neither stands */
    FS_REASON_REJECT_RATE = 31     /* never this engine's: a simulated venue before it refused an FS_NEW by lot */
};

enum fs_report_flag {
    FS_FLAG_MAKER = 1, /* the resting side of the trade; in an uncross the buyer */
    FS_FLAG_TAKER = 2, /* the side that came in; in an uncross the seller */
    FS_FLAG_HOUSE = 4, /* the house's (account 0, order_id 0): its quotes and prints, time, sessions, bands */
    FS_FLAG_DORMANT = 8, /* the order waits for its stop price and is not in the book */
    FS_FLAG_AUCTION = 16, /* the trade is of an uncross */
    FS_FLAG_TRAILING = 32, /* the dormant order trails; price is its offset, */
    FS_FLAG_OFFSET_BPS = 64 /* in basis points */
};

#define FS_MAX_QTY 1000000000000000LL        /* lots: 10^15 */
#define FS_MAX_PRICE 4611686018427387903LL   /* ticks: 2^62 - 1 */
#define FS_MAX_SIDE_QTY 9223372036854775807LL /* lots of one side of one book, dormant too: 2^63 - 1 */
#define FS_MAX_SYMBOL 65535u
#define FS_MAX_TIPS 10000 /* an iceberg's open quantity is at most so many displays: what one may cost a taker */
#define FS_MAX_SPECIAL 10000 /* all-or-none orders of one side of a book, and trailing stops of one: every taker may have
                                to pass over those, every new high or low moves these. A snapshot may have more */
#define FS_MAX_ORDERS 1073741824u /* resting client orders an engine may be made for: 2^30 */
#define FS_PARTITION_ALL 65535u  /* a report for every account partition: quotes, prints, sessions, bands */
#define FS_PARTITION_NONE 65534u /* a report for none: the house's own fills, and what was refused of it */

/* -------------------------------------------------------------- records */

/* A field that a command's type does not name is not read, but flags and stp must be 0 then. */
typedef struct fs_command {
    uint64_t order_id;  /* chosen by the caller; live ids are unique per engine; 0 is the house's */
    int64_t price;      /* limit price; FS_QUOTE: bid; FS_AUCTION: reference; FS_BANDS: lowest */
    int64_t qty;        /* order quantity or new total; FS_QUOTE: bid quantity */
    int64_t aux_price;  /* FS_QUOTE: ask; stops: stop price; FS_BANDS: highest */
    int64_t aux_qty;    /* FS_QUOTE: ask quantity; FS_ICEBERG: display; FS_TRAILING_STOP: offset */
    uint64_t time_ms;   /* FS_NEW: expiry, 0 for none; FS_TIME: the clock */
    uint32_t account;   /* number of the owner; 0 is the house */
    uint32_t symbol;    /* number of the instrument */
    uint8_t type;       /* fs_command_type */
    uint8_t side;       /* fs_side */
    uint8_t ord_type;   /* fs_ord_type */
    uint8_t tif;        /* fs_tif */
    uint8_t flags;      /* by type: fs_order_flag, fs_replace_flag, fs_mass_flag, fs_session; else 0 */
    uint8_t stp;        /* FS_NEW: fs_stp; else 0 */
    uint16_t partition; /* account partition that hears of this order */
} fs_command;

typedef struct fs_report {
    uint64_t order_id;
    int64_t price;
    int64_t qty;
    int64_t leaves;     /* open quantity after; FS_QUOTED: ask; FS_BANDS_SET: highest */
    int64_t aux;        /* what the report's type says; else 0 */
    uint64_t match_id;  /* FS_FILLED: the trade's number, the same for both sides; counts from 1 */
    uint32_t account;
    uint32_t symbol;
    uint8_t type;       /* fs_report_type */
    uint8_t side;       /* fs_side of the order reported on */
    uint8_t reason;     /* fs_reason */
    uint8_t flags;      /* fs_report_flag */
    uint16_t partition; /* of the order, FS_PARTITION_ALL or FS_PARTITION_NONE */
    uint16_t reserved;  /* 0 */
} fs_report;

/* -------------------------------------------------------------- library
 *
 * One opaque engine holds the books of many symbols. It is a pure function of the commands it was
 * given: no clock, no global state, and the one thing at random, where ids stand in their table, is in no
 * answer, snapshot or hash. One thread at a time may use an engine.
 *
 *   books[symbol] -> book -+- bids, asks            ladder: best -> level <-> level <-> level (by price)
 *                          +- buy stops, sell stops            |        each: oldest <-> ... <-> newest
 *   ladder: price -> level by a small cache, then a 16-way trie of price digits with compressed paths
 *   id table: keyed hash(order_id) -> order     expiry heap: (time_ms, order_id), soonest first -> order
 *
 * Orders, levels and trie nodes live in slabs and point to each other by 32-bit index. Slabs grow only
 * between commands, once for a run of up to 256 of them (or in fs_reserve, ahead of all), never inside
 * a command; when memory runs out, the command is refused (FS_REASON_CAPACITY) and nothing has changed.
 *
 * How commands are answered
 * - FS_NEW: FS_ACCEPTED, then its fills, then FS_CANCELED for a remainder that may not rest; or
 *   FS_REJECTED alone. A market order's price is reported as 0, a market-to-limit's as the price it
 *   got. An expiry (time_ms) holds for any tif. A stop is FS_ACCEPTED with FS_FLAG_DORMANT.
 * - FS_CANCEL: FS_CANCELED or FS_CANCEL_REJECTED. Only order_id and account select the order, as of FS_REPLACE.
 * - FS_REPLACE: FS_REPLACED and any fills, or FS_CANCELED (a new total, of 1 at least, at or below what is
 *   filled), or FS_REPLACE_REJECTED. Quantity down (or equal) at the same price keeps the place in the queue,
 *   anything else loses it; an iceberg in its place loses hidden lots first, then of its tip. Expiry,
 *   display, offset, flags, stp and partition stand. A dormant order's price is its limit (ignored for a stop
 *   without one); a new stop price or more quantity loses its place among the stops.
 * - FS_QUOTE: FS_QUOTED (an absent side as 0/0), then fills of the bid, then of the ask; or FS_REJECTED
 *   (the former quote stands). The house's orders queue by time like any other. A locked quote (the bid is the
 *   ask) rests on both sides and never trades with itself. A crossed one says that the market has left the
 *   former: FS_QUOTED with both sides absent and FS_REASON_CROSSED, as a locked one in FS_AUCTION.
 * - FS_PRINT: FS_PRINTED, then fills; or FS_REJECTED.
 * - FS_TIME: FS_EXPIRED for each order due, by expiry and then order_id; nothing when there is none. The
 *   clock never goes back.
 * - FS_MASS_CANCEL: FS_CANCELED for each order, by symbol; bids, asks, sell stops, buy stops; nearest
 *   the market first, oldest first; then FS_MASS_CANCELED. Or FS_REJECTED.
 * - FS_SESSION, FS_BANDS: their echo, or FS_REJECTED. Into FS_AUCTION: a locked quote is withdrawn. Into FS_CONTINUOUS: the uncross, with the reference that
 *   the last FS_AUCTION named, then stops. FS_HALTED keeps a reference; after an uncross it is 0.
 * - Anything else: FS_REJECTED, FS_REASON_BAD_RECORD.
 * Every trade is two FS_FILLED reports, maker then taker, at the maker's price; in an uncross buyer then
 * seller, at its price. A rejection echoes the
 * command's order_id, price, qty, account, symbol, side (0 if it is none) and partition
 * (FS_PARTITION_NONE if it is no account's); the house's have order_id and account 0 and FS_PARTITION_NONE.
 * Who reads the answers can keep the books, dormant orders too, without asking, by the rules here: all but
 * expiry, tif, stp, post-only and all-or-none, which are the sender's to remember.
 *
 * Rules that need a sentence
 * - Stops. When a command's aggressors have finished and the last trade moved (or FS_CONTINUOUS began,
 *   or a stop came or changed), every stop that the last trade reaches is elected: buy stops before
 *   sell stops, nearest price first, then oldest. The elected come in one after the other; what their
 *   trades reach is elected behind them. Trailing stops then follow the last trade: a sell's stop is
 *   never below last - offset, a buy's never above last + offset; one that moves goes behind the
 *   others at its new price, and several that move keep their order. Offsets in basis points are of the
 *   price without its sign, rounded down, 1 tick at least. Before any trade a trailing stop
 *   sleeps. A triggered stop's remainder is cancelled as a market order's.
 * - All-or-none. A resting one larger than what the taker still has is passed over. An incoming one
 *   that cannot trade whole at once rests, even if prices cross. One that rests trades only when a later
 *   order comes in that is large enough: not with several smaller ones together, not because it was itself
 *   made smaller in its place, and not with what an uncross left.
 * - Fill-or-kill and all-or-none count hidden quantity, not what they would pass over, and nothing from an own
 *   order on where prevention would stop them (with FS_STP_CANCEL_RESTING it would not).
 * - Self-trade prevention follows the incoming order's stp, never applies to the house or in an
 *   uncross, and comes before each trade in turn. The resting order is reported first.
 * - Post-only asks whether any resting order would trade, whoever owns it; an all-or-none order, whether it
 *   would trade whole, prevention counted.
 * - Bands are for the limits that come in, of new and replaced orders. They bind no order that is there already
 *   (which may trigger, and be replaced at its limit for no more lots), no stop price, market order, quote or
 *   print, and no uncross.
 * - An uncross takes place at the price of most volume, then least imbalance, then nearest the
 *   reference, then lowest, of all prices and not only those of orders; all-or-none orders sit it out. It
 *   matches best against best, by time, icebergs tip by tip.
 */

typedef struct fs_engine fs_engine;

enum fs_status {
    FS_OK = 0,
    FS_NO_MEMORY = -1,    /* nothing has changed */
    FS_BAD_SNAPSHOT = -2, /* these bytes are no snapshot; nothing has changed */
    FS_BUSY = -3,         /* a command's reports are still to be fetched with fs_process; a host's ring is full, or it
                             stops */
    FS_NO_GROUP = -4,     /* the host has no such group */
    FS_NO_CPU = -5        /* threads cannot be pinned to this processor, or not on this system */
};

#define FS_NONE ((size_t)-1) /* instead of a count: nothing was done */

typedef struct fs_level { /* one price of one side, house included; all 0: no such level */
    int64_t price;
    int64_t qty; /* shown: of icebergs the tip */
    uint64_t orders;
} fs_level;

typedef struct fs_last { /* a symbol's tape: its own trades and the prints; all 0: none yet */
    int64_t price;   /* of the newest trade */
    int64_t qty;     /* of the newest trade */
    uint64_t volume; /* lots in all; a print counts whole, the fills it gives are part of it */
    uint64_t trades; /* in all, likewise */
    uint64_t turnover_low; /* sum of price x qty, 128-bit two's complement; over volume it is the VWAP. */
    int64_t turnover_high; /* A trade that would bring volume above 2^64 - 1 is in none of these totals. */
} fs_last;

typedef struct fs_resting { /* one live order, as it stands */
    uint64_t order_id;
    int64_t price;  /* of a dormant order its limit, 0 for none; of a trailing stop its offset */
    int64_t shown;  /* what depth counts of it */
    int64_t leaves; /* open in all */
    int64_t filled;
    int64_t stop;   /* of a dormant order; INT64_MAX or INT64_MIN: a trailing stop that sleeps */
    uint64_t expiry_ms;
    uint32_t account;
    uint16_t symbol;
    uint16_t partition;
    uint8_t side;
    uint8_t flags;  /* fs_order_flag */
    uint8_t dormant;
    uint8_t house;
    uint32_t reserved;
} fs_resting;

typedef struct fs_walk { /* what a quantity would take, hidden quantity included */
    int64_t qty;      /* that could trade now, at most what was asked */
    int64_t worst;    /* price of the last of it */
    uint64_t cost_low; /* sum of price x qty, 128-bit two's complement */
    int64_t cost_high;
} fs_walk;

/* A new engine without orders, its clock at 0, or NULL when memory runs out, the system gives no random bytes
 * or max_orders is not in 1..FS_MAX_ORDERS. At most max_orders client orders rest or wait at a time; the house's
 * come on top. */
fs_engine *fs_new(uint32_t max_orders);

/* Free the engine and all it holds. NULL is fine. */
void fs_free(fs_engine *engine);

/* Make room for `orders` live orders now, so that no later command has to wait for it (but the first one of a
 * symbol, which opens its books: 2 400 bytes); more than FS_MAX_ORDERS counts as that. Returns FS_OK, or
 * FS_NO_MEMORY. */
int fs_reserve(fs_engine *engine, uint32_t orders);

/* Execute commands[0..n) in order and write their reports. Returns the number of reports written and
 * sets *consumed to the number of commands begun: pass the rest next time. When the return value equals
 * `capacity`, more reports may be waiting: call again (n may be 0) until fewer come; till then queries show
 * the books in the middle of a command. `commands` need no alignment. `capacity` 0 does nothing. */
size_t fs_process(fs_engine *engine, const void *commands, size_t n, size_t *consumed,
                  fs_report *reports, size_t capacity);

/* One plain limit order, good till cancelled, of account partition 0, from plain numbers: fs_process of
 * one FS_NEW. Returns the number of reports written; when it is `capacity`, fetch the rest with fs_process.
 * FS_NONE: reports of an earlier command are still to be fetched, or `capacity` is 0, and nothing was done.
 * A record that you fill yourself, field by field just before its call, costs some nanoseconds more: it is read by
 * whole words, which wait for their bytes. Write `account` with `symbol`, and all from `type` on, as one word each. */
size_t fs_submit(fs_engine *engine, fs_report *reports, size_t capacity, uint64_t order_id, uint32_t account,
                 uint32_t symbol, uint8_t side, int64_t price, int64_t qty);

/* Likewise one FS_CANCEL. */
size_t fs_cancel(fs_engine *engine, fs_report *reports, size_t capacity, uint64_t order_id, uint32_t account);

/* Copy those of reports[0..n) that account partition `partition` hears: its own and
 * FS_PARTITION_ALL's. `out` has room for n. Neither needs alignment. Returns the number copied. */
size_t fs_reports_select(const void *reports, size_t n, uint16_t partition, void *out);

/* Queries. A symbol above FS_MAX_SYMBOL or without orders has empty books, and so has a side that is none. */

/* Number of client orders resting or dormant. */
uint32_t fs_orders(const fs_engine *engine);

/* The soonest expiry of any order, resting or dormant: an FS_TIME of that millisecond is the next to expire one.
 * 0: no order has an expiry. */
uint64_t fs_due(const fs_engine *engine);

/* Best bid and best ask of a symbol. */
void fs_best(const fs_engine *engine, uint32_t symbol, fs_level *bid, fs_level *ask);

/* Up to n levels of one side (fs_side), best first. Returns how many were written. */
size_t fs_depth(const fs_engine *engine, uint32_t symbol, uint8_t side, fs_level *levels, size_t n);

/* Up to n orders of one side, in the order in which they would trade; with `dormant` not 0, the stops
 * of that side, nearest first. Returns how many were written. */
size_t fs_queue(const fs_engine *engine, uint32_t symbol, uint8_t side, int dormant, fs_resting *orders,
                size_t n);

/* Live client orders of an account partition, resting or dormant, with an id above `after`, in the order of their
 * ids; `account` 0: of all accounts. Up to n, the lowest ids there are, so that `after` the last of them goes on.
 * Looks at every live order once. Returns how many were written. */
size_t fs_orders_after(const fs_engine *engine, uint16_t partition, uint32_t account, uint64_t after,
                       fs_resting *orders, size_t n);

/* The live order of an id. Returns 1, or 0 and blanks *order when there is none. */
int fs_find(const fs_engine *engine, uint64_t order_id, fs_resting *order);

/* The newest trade of a symbol, and its totals. */
void fs_last_trade(const fs_engine *engine, uint32_t symbol, fs_last *last);

/* What an order of `side` for `qty` would trade now without a limit and without self-trade prevention,
 * whatever the session, nothing taken. A side or quantity out of range gives all 0. */
void fs_cost(const fs_engine *engine, uint32_t symbol, uint8_t side, int64_t qty, fs_walk *walk);

/* Lots shown on one side at `price` or better. */
int64_t fs_cumulative(const fs_engine *engine, uint32_t symbol, uint8_t side, int64_t price);

/* A symbol's fs_session. In *price and *qty, unless NULL, what an uncross would give now; qty 0: nothing
 * crosses. */
int fs_indicative(const fs_engine *engine, uint32_t symbol, int64_t *price, int64_t *qty);

/* Bytes that fs_snapshot_save writes now; 0 while a command's reports are still to be fetched. */
size_t fs_snapshot_size(const fs_engine *engine);

/* Write the whole state, canonical: equal states give equal bytes, whatever led to them. Returns the
 * bytes written, or 0 when `capacity` is below fs_snapshot_size or that is 0. The format is little-endian
 * 64-bit words, described in native/src/snapshot.c. */
size_t fs_snapshot_save(const fs_engine *engine, void *bytes, size_t capacity);

/* Put the state of a snapshot in place of the engine's own; max_orders stays, and while more orders rest than
 * that none comes in. Any bytes are safe to pass. Returns an fs_status. */
int fs_restore(fs_engine *engine, const void *bytes, size_t n);

/* 64-bit hash of the state: equal states, equal hashes. 0 while reports are still to be fetched. Walks
 * every order. */
uint64_t fs_state_hash(const fs_engine *engine);

/* Check every invariant of the structure. Returns NULL, or a sentence naming the broken one. */
const char *fs_validate(const fs_engine *engine);

/* ------------------------------------------------------- threaded front end
 *
 *   any threads ── fs_host_submit ──▶ ring ─▶ thread: engine of group 0 ─▶ ring or callback
 *                                └──▶ ring ─▶ thread: engine of group 1 ─▶ ring or callback  ...
 *
 * A symbol belongs to group symbol % groups; what a producer submits for one group stays in its order. An
 * FS_CANCEL and an FS_REPLACE must name the order's symbol here. FS_TIME and an FS_MASS_CANCEL of all
 * symbols go to every group or, while one of them is full, to none; they come in one order at all groups,
 * and each group answers. Order ids are unique per group. In its own file, host.c, which nothing else needs.
 *
 * Engines are their threads' own, and a visitor comes to them: fs_host_visit has a function called in a group's
 * thread, between two commands, with its engine, for queries, a snapshot, or the state to go on from. What its
 * thread has submitted before is executed by then, and nothing that it submits later. A visit to all groups comes
 * at one place in the order of what goes to every group, and of each producer's commands: what visitors save there
 * is one state of all books, and nothing stops but each group for as long as its own visitor takes. An engine
 * given a group's commands with fs_process gives the same reports and has the same state.
 *
 * Nothing here waits for room, and a thread without work sleeps until it gets some. */

typedef struct fs_host fs_host;

/* Called in the group's own thread with reports in order. May call fs_host_submit and fs_host_stop, must not
 * call fs_host_free. */
typedef void (*fs_host_callback)(void *context, uint32_t group, const fs_report *reports, size_t n);

/* Called in a group's own thread with its engine, no command half done. May ask, save and restore, and call
 * fs_host_submit, fs_host_visit and fs_host_stop; must not call fs_process, whose reports would be nobody's, or
 * fs_host_free. The group waits for it. */
typedef void (*fs_host_visitor)(void *context, uint32_t group, fs_engine *engine);

#define FS_MAX_GROUPS 256u
#define FS_ALL_GROUPS 4294967295u

/* Start `groups` matching threads (1..FS_MAX_GROUPS), each with an engine for max_orders and rings of
 * `ring` records (rounded up to a power of two, at least 2, at most 2^24; one place of each group's commands
 * is kept for what goes to every group). With a callback there is no output ring.
 * NULL: a limit is not met, or memory or threads ran out. */
fs_host *fs_host_new(uint32_t groups, uint32_t max_orders, uint32_t ring, fs_host_callback callback, void *context);

/* Hand in commands[0..n) from any thread, a callback's too. Returns how many were taken, in order: fewer when
 * the next one finds a ring full, or a visit goes to all groups (poll or let others run, then try again with the
 * rest), or after fs_host_stop. In a callback do not try again before it has returned: its own thread is the one
 * that makes room. */
size_t fs_host_submit(fs_host *host, const fs_command *commands, size_t n);

/* Have a group visited, or with FS_ALL_GROUPS each of them, or none while a ring is full. From any thread; waits
 * for no visitor and for no room, a visit to all only until producers that are inside fs_host_submit have left.
 * FS_OK, and the visitor is called once by each; FS_BUSY when a ring is full, while another visit goes to all
 * groups or after fs_host_stop, and it is not; FS_NO_GROUP. */
int fs_host_visit(fs_host *host, uint32_t group, fs_host_visitor visitor, void *context);

/* Let a group's thread run on one processor alone (of Linux; 0 is the first). Returns FS_OK, FS_NO_GROUP or
 * FS_NO_CPU. */
int fs_host_pin(fs_host *host, uint32_t group, uint32_t cpu);

/* Copy up to n reports of a group out of its ring; one thread at a time per group. */
size_t fs_host_poll(fs_host *host, uint32_t group, fs_report *reports, size_t n);

/* No more commands: what was taken is still executed and answered. Returns at once. */
void fs_host_stop(fs_host *host);

/* Whether everything taken before fs_host_stop is executed and its reports are in callbacks or rings. */
int fs_host_done(fs_host *host);

/* Stop, wait until all that was taken is executed, free. Reports that nobody polled are lost. Waits for an
 * fs_host_submit under way in another thread; nothing else may use the host any more. NULL is fine. */
void fs_host_free(fs_host *host);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
