/* internal.h: the engine's own structures. What they mean to a caller is in fillstream.h; why they are
 * what they are is in native/DESIGN.md. Every part includes this alone: what it uses of the others is at its end. */
#ifndef FILLSTREAM_INTERNAL_H
#define FILLSTREAM_INTERNAL_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise */
#endif
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "record.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define always_inline inline __attribute__((always_inline))
#define noinline __attribute__((noinline))

/* How a part gives a function to the others. In the library, which is one translation unit, all is static; a part that
 * is compiled alone is a translation unit of its own, and leans on what the others give. */
#ifdef FS_UNITY
#define internal static
#else
#define internal __attribute__((visibility("hidden")))
#endif

#define CACHE_LINE 64
#define GOLDEN 0x9e3779b97f4a7c15ULL /* 2^64 over the golden ratio: times this, neighbours spread evenly */
#define BASIS_POINTS 10000      /* make a whole */
#define NIL 0u                  /* no order, level or node: slot 0 of each slab is never handed out */
#define NODE_BIT 0x80000000u    /* in a trie reference: a node, else a level */
#define ANY_PRICE (UINT64_MAX - 1) /* the reach of a market order; an empty ladder's best_key is above it */
#define NO_PRICE 0u             /* the reach of an order that may not trade: below any key */

enum order_bits {
    BIT_POST_ONLY = FS_POST_ONLY,
    BIT_AON = FS_ALL_OR_NONE,
    BIT_ICEBERG = FS_ICEBERG,
    BIT_BPS = FS_OFFSET_BPS,
    BIT_HOUSE = 16,
    BIT_DORMANT = 32,
    BIT_TRAILING = 64,
    BIT_MARKET = 128, /* once triggered it has no limit */
    BIT_EXPIRES = 256 /* it is in the expiry heap */
};

/* An order, resting, dormant or on its way in: what every trade and cancel needs. One cache line. */
struct order {
    uint64_t id;    /* 0: the house's */
    int64_t leaves; /* open in all */
    int64_t hidden; /* of leaves, behind an iceberg's tip */
    int64_t filled;
    union {
        uint64_t who; /* as a report's and a command's last word but one */
        struct {
            uint32_t account, symbol;
        };
    };
    union {
        uint64_t codes; /* as a report's last word, but for its type and reason */
        struct {
            uint8_t no_type, side, no_reason, flags; /* fs_report_flag: house, dormant */
            uint16_t partition, reserved;
        };
    };
    uint32_t level; /* NIL: on its way in */
    uint32_t prev;  /* older order of the level */
    uint32_t next;  /* newer order of the level; of a free slot: the next free one */
    union {
        uint32_t kind; /* 0 but for tif: a plain order */
        struct {
            uint16_t bits; /* order_bits */
            uint8_t stp, tif;
        };
    };
};
static_assert(sizeof(struct order) == CACHE_LINE, "an order is one cache line");

#define ORDER_SHIFT(field) SHIFT_OF(struct order, codes, field)
static_assert(ORDER_SHIFT(side) == REPORT_SHIFT(side) && ORDER_SHIFT(flags) == REPORT_SHIFT(flags) &&
                  ORDER_SHIFT(partition) == REPORT_SHIFT(partition),
              "an order's codes stand where its reports have them,");
static_assert(ORDER_SHIFT(no_type) == REPORT_SHIFT(type) && ORDER_SHIFT(no_reason) == REPORT_SHIFT(reason) &&
                  ORDER_SHIFT(reserved) == REPORT_SHIFT(reserved),
              "and the places of the others are free");
static_assert(SHIFT_OF(struct order, who, account) == 0 && SHIFT_OF(struct order, who, symbol) == 32,
              "who is the word that records have");

/* bits, stp and tif as an order's kind. */
#define KIND_SHIFT(field) SHIFT_OF(struct order, kind, field)
#define KIND_CODE(field, value) ((uint32_t)(value) << KIND_SHIFT(field))
static_assert(KIND_SHIFT(bits) == 0 && WIDTH_OF(struct order, kind) == 32, "a kind of tif alone is a plain order");

/* What few orders need, at the same slot. Only written for those. */
struct rare {
    int64_t display; /* iceberg */
    int64_t limit;   /* dormant: its price once triggered, 0 for none */
    int64_t offset;  /* trailing */
    uint64_t expiry_ms; /* BIT_EXPIRES */
    uint32_t heap_at;   /* its place in the expiry heap */
    uint32_t reserved;
};

/* One price. Levels of a ladder form a list by price. One cache line. */
struct level {
    uint64_t key; /* of the price; the smaller is the better */
    int64_t shown;
    int64_t hidden;
    uint32_t head, tail, count;
    uint32_t special; /* all-or-none orders or, of stops, trailing ones among them */
    uint32_t better, worse;
    uint32_t node; /* the trie node it hangs on; NIL: it is the root */
    uint32_t meant; /* orders among them that a mass cancel is still to come to */
    struct ladder *ladder;
};
static_assert(sizeof(struct level) == CACHE_LINE, "a level is one cache line");

#define DIGIT_BITS 4u
#define DIGITS (1u << DIGIT_BITS)
#define ALL_DIGITS ((1u << DIGITS) - 1) /* as a bitmap of children */
static_assert((DIGIT_BITS & (DIGIT_BITS - 1)) == 0 && DIGIT_BITS <= 4,
              "a key is whole digits, and their bitmap half a word");

/* A trie node: a child for each value of one digit of the key. It has at least two. */
struct node {
    uint64_t prefix; /* the key above that digit, zeros below */
    uint32_t parent; /* of a free node: the next free one */
    uint16_t used;   /* bitmap of children */
    uint8_t shift;   /* of the digit: 0, 4, .. 60 */
    uint8_t reserved;
    uint32_t child[DIGITS];
};
static_assert(WIDTH_OF(struct node, used) == DIGITS, "a bit a child");

#define CACHE_BITS 7
/* Where the four ladders of a book stand. Odd ones ascend: their best price is the lowest. */
enum which { BIDS = 0, ASKS = 1, SELL_STOPS = 2, BUY_STOPS = 3 };
#define LADDERS 4u
static_assert(BIDS == FS_BUY - 1 && ASKS == FS_SELL - 1, "a side less one is its ladder");

struct ladder { /* one cache line */
    uint64_t best_key; /* UINT64_MAX: empty */
    uint64_t flip;     /* price ^ flip is the key, key ^ flip the price */
    int64_t *open_qty; /* of all orders of this side, dormant and hidden too; in the book */
    uint32_t *cache;   /* by hash of the key: a level that may have it; in the book */
    uint32_t best;
    uint32_t root; /* trie reference */
    uint32_t levels;
    uint32_t house;    /* the house's order */
    uint32_t special;  /* trailing stops among its orders, all-or-none ones among those of bids and asks */
    uint32_t id;       /* symbol * LADDERS + which */
    uint64_t laggard;  /* no trailing stop moves while the last trade's key is not below this */
};
static_assert(sizeof(struct ladder) == CACHE_LINE, "a ladder's head is one cache line");

struct book {
    struct ladder ladders[LADDERS];
    int64_t open_qty[2]; /* of buyers, of sellers: at most FS_MAX_SIDE_QTY each */
    bool special;        /* not plainly continuous: session or bands to look at */
    bool banded;
    uint8_t session;
    int64_t reference;
    int64_t low, high; /* bands */
    fs_last last;
    uint32_t caches[LADDERS][1 << CACHE_BITS];
};

/* What becomes of the part of a taker that found nothing to trade with. */
enum remainder { REMAINDER_RESTS, REMAINDER_CANCELED, REMAINDER_VANISHES };

struct taker {
    uint64_t reach;       /* the worst key of the other side that it trades with */
    int64_t price;
    uint32_t slot;
    uint32_t passed;      /* the last order that it passed over as it came to it; NIL: none */
    bool clients_only;    /* passes over the house: a print, or a quote whose bid is its ask */
    bool is_print;
    uint8_t remainder;    /* enum remainder */
    uint8_t cancel_cause; /* fs_reason, if REMAINDER_CANCELED */
};

/* A price to uncross at, and what would trade there. */
struct cross {
    int64_t price;
    uint64_t volume;
    uint64_t imbalance;
};

/* What is left to do before the next command, in this order. */
enum work {
    WORK_TAKERS = 1,
    WORK_UNCROSS = 2,
    WORK_STOPS = 4,   /* look for stops that the last trade reaches */
    WORK_ELECTED = 8, /* bring in those found */
    WORK_MASS = 16,
    WORK_EXPIRY = 32
};

#define MAX_TAKERS 2u /* a quote's two sides */
#define MAX_SPILL 2u  /* reports of one step: the two sides of a trade */
/* Sizes of which tests make little ones, so that a few orders come to what thousands come to. */
#ifndef RUN
#define RUN 256u /* commands between two looks at the slabs */
#define FIRST_CAPACITY 1024u
#define STEP 32u          /* places of a former table of ids looked at for each order that may come */
#define FEW_ORDERS 4096u  /* live: passing over so many is no pause */
#define MANY_ORDERS 16384u /* live, from which on looking ahead pays */
#define FEW_COMMANDS 8u    /* below which it does not */
#endif
#define SPARE 4u     /* slots beyond those of a run: slot 0's and, when memory has run out, a last command's orders */
static_assert(SPARE > MAX_TAKERS, "a command's orders and slot 0 have room");

/* What is free of a slab: those of a list, and whatever is blank from `fresh` on. */
struct slots {
    uint32_t free;  /* the one to hand out next; NIL: none below `fresh` */
    uint32_t fresh;
    uint32_t end; /* one above the highest ever handed out, slot 0 included */
};

/* Ids of clients' orders. */
struct id_table {
    uint64_t *at;   /* upper half: upper half of the id's hash; lower: slot; 0: free */
    size_t mask;    /* a power of two less one */
    uint32_t shift; /* from the upper half of a hash to its home */
};
#define ID_PLACES 8u /* of an order: four in the greatest table, and as many in all smaller ones */

struct fs_engine {
    /* hot */
    struct order *orders;
    struct level *levels;
    struct node *nodes;
    struct id_table ids;
    struct book **books;
    struct rare *rares;
    fs_report *out;
    fs_report *out_end;
    uint64_t matches;
    uint64_t clock_ms;
    uint64_t id_multiplier;
    struct id_table former; /* of which something is still to move to `ids`; else without memory */
    uint32_t calm_from, calm_span; /* live orders that the table of ids needs not follow: from, and how many counts */
    uint32_t work;
    uint32_t max_orders; /* of clients */
    uint32_t house_live;
    bool tight;          /* memory ran out: there may be no slot for the next command's orders */
    struct slots order_slots, level_slots, node_slots;
    uint32_t order_live;
    uint32_t capacity; /* slots of every slab */
    uint32_t *heap;    /* slots of orders with an expiry, soonest first */
    uint32_t heap_count;
    uint64_t *id_memory; /* of the tables of ids, ID_PLACES for each slot */
    size_t former_at; /* its place to look at next */
    uint32_t symbol_end; /* one above the highest symbol with a book */
    /* the command in progress */
    struct taker takers[MAX_TAKERS];
    uint32_t taker_count, taker_at;
    uint32_t stop_symbol;            /* WORK_STOPS, WORK_UNCROSS */
    uint32_t elected_head, elected_tail; /* a queue through next */
    int64_t cross_price;
    uint32_t cross_passed[2];        /* BIDS, ASKS: the last order that the uncross passed over */
    struct {
        fs_command command;
        uint64_t canceled;
        uint32_t symbol, which, slot;
        bool counted; /* levels know how many of their orders are meant */
    } mass;
    fs_report spill[MAX_SPILL]; /* the second half of a step whose first half filled the buffer */
    uint32_t spill_count;
};

/* ---------------------------------------------------------------- prices as keys
 *
 * In a key the sign is turned, so that it compares unsigned, and where the best price is the highest all
 * other bits as well. Both are one exclusive or with the ladder's own `flip`: sides come at random, and a
 * branch on them would be missed half the time. */

static inline bool buyers_at(uint32_t which) { return which == BIDS || which == BUY_STOPS; }

static inline uint64_t flip_of(uint32_t which) { return which & 1 ? 1ULL << 63 : ~(1ULL << 63); }

static always_inline uint64_t key_in(const struct ladder *l, int64_t price) { return (uint64_t)price ^ l->flip; }

static always_inline int64_t level_price(const struct level *level) {
    return (int64_t)(level->key ^ level->ladder->flip);
}

static always_inline struct ladder *own_ladder(struct book *book, uint8_t side) {
    return &book->ladders[side - 1];
}

static always_inline struct ladder *other_ladder(struct book *book, uint8_t side) {
    return &book->ladders[2 - side];
}

static always_inline struct ladder *stop_ladder(struct book *book, uint8_t side) {
    return &book->ladders[side == FS_BUY ? BUY_STOPS : SELL_STOPS];
}

static inline struct book *book_of(const fs_engine *e, uint32_t symbol) {
    return symbol <= FS_MAX_SYMBOL ? e->books[symbol] : NULL;
}

static inline bool is_side(uint8_t side) { return side == FS_BUY || side == FS_SELL; }

/* What every report on an order of these bits says: fs_report_flag. */
static always_inline uint8_t flags_of(uint16_t bits) {
    return (uint8_t)((bits & BIT_HOUSE) / (BIT_HOUSE / FS_FLAG_HOUSE) |
                     (bits & BIT_DORMANT) / (BIT_DORMANT / FS_FLAG_DORMANT) |
                     (bits & BIT_TRAILING) / (BIT_TRAILING / FS_FLAG_TRAILING) |
                     (bits & BIT_BPS) * (FS_FLAG_OFFSET_BPS / BIT_BPS));
}

/* Ask for a line that will be written to. Any address is safe. */
static always_inline void prefetch(const void *line) { __builtin_prefetch(line, 1); }

/* Nothing half done: a snapshot may be taken. */
static inline bool idle(const fs_engine *e) { return !e->work && !e->spill_count; }

/* ------------------------------------------------------------------- the parts
 *
 * What each gives to those behind it, in the order in which fillstream.c takes them; none uses a later one's. What a
 * function does, and whether the hot path has it inline, is said where it is defined. */

/* table.c */
internal uint64_t hash_of(const fs_engine *e, uint64_t id);
internal size_t home_of(const struct id_table *t, uint64_t hash);
internal uint64_t id_entry(uint64_t hash, uint32_t slot);
internal size_t id_place(fs_engine *e, uint64_t id, uint64_t hash);
internal size_t id_place_of_slot(fs_engine *e, uint32_t slot);
internal void id_remove(fs_engine *e, size_t place);
internal uint32_t id_find(const fs_engine *e, uint64_t id);
internal bool ids_calm(const fs_engine *e);
internal bool ids_follow(fs_engine *e, uint32_t n);
internal void ids_moved(fs_engine *e);
internal bool ids_begin(fs_engine *e);

/* store.c */
internal uint64_t expiry_of(const fs_engine *e, uint32_t slot);
internal bool sooner(const fs_engine *e, uint32_t slot_a, uint32_t slot_b);
internal bool expiry_due(const fs_engine *e);
internal void *slab_new(size_t size);
internal uint32_t slots_next(struct slots *s);
internal bool store_ready(const fs_engine *e, uint32_t n);
internal bool store_reserve(fs_engine *e, uint32_t n);
internal uint32_t slot_take(fs_engine *e);
internal uint32_t house_take(fs_engine *e);
internal uint32_t client_count(const fs_engine *e);
internal void client_enter(fs_engine *e, uint32_t slot, size_t place, uint64_t hash);
internal void client_drop_at(fs_engine *e, uint32_t slot, size_t place, bool plain);
internal void order_drop(fs_engine *e, uint32_t slot, bool plain);

/* ladder.c */
internal uint32_t digit_of(const struct node *node, uint64_t key);
internal uint32_t *cache_of(const struct ladder *l, uint64_t key);
internal void ladder_put(fs_engine *e, struct ladder *l, uint32_t slot, uint64_t key, bool plain);
internal void ladder_pull(fs_engine *e, struct ladder *l, uint32_t slot, bool plain);
internal void ladder_shrink(struct ladder *l, struct level *level, struct order *o, int64_t qty);
internal void ladder_consume(fs_engine *e, struct ladder *l, uint32_t slot, int64_t qty, bool plain);

/* match.c */
internal fs_report *put(fs_engine *e);
internal fs_report *put_about(fs_engine *e, const struct order *o, int64_t price, uint8_t type);
internal void put_off(fs_engine *e, const struct order *o, int64_t price, uint8_t type, uint8_t reason);
internal void refuse(fs_engine *e, const fs_command *c, uint8_t type, uint8_t reason);
internal int64_t limit_of(const fs_engine *e, uint32_t slot);
internal void take_off(fs_engine *e, uint32_t slot, uint8_t type, uint8_t reason);
internal void note_trade(struct book *book, int64_t price, int64_t qty);
internal void fill_special(fs_engine *e, struct ladder *l, uint32_t slot, int64_t price, int64_t qty, uint8_t flags);
internal uint32_t first_partner(const fs_engine *e, const struct ladder *l, const struct order *taker);
internal int64_t left_after_level(const fs_engine *e, const struct level *level, const struct order *taker,
                                  int64_t left);
internal bool can_fill(const fs_engine *e, const struct ladder *l, uint64_t reach, const struct order *taker);
internal bool would_trade(const fs_engine *e, const struct ladder *l, int64_t price, const struct order *o);
internal struct taker *line_up(fs_engine *e, uint32_t slot, uint64_t reach, int64_t price, uint8_t remainder);
internal void rest(fs_engine *e, struct book *book, uint32_t slot, int64_t price);
internal void run_takers(fs_engine *e);

/* stops.c */
internal int64_t trailed(const struct order *o, int64_t offset, int64_t last);
internal int64_t first_stop(struct book *book, const struct order *o, int64_t offset);
internal void look_for_stops(fs_engine *e, uint32_t symbol);
internal void stop_put(fs_engine *e, struct book *book, uint32_t slot, int64_t stop);
internal void step_stops(fs_engine *e);
internal void step_elected(fs_engine *e);

/* auction.c */
internal struct cross find_cross(const fs_engine *e, const struct book *book);
internal uint32_t first_in_auction(const fs_engine *e, const struct ladder *l, uint64_t reach, uint32_t *passed);
internal void step_uncross(fs_engine *e);
internal void begin_session(fs_engine *e, const fs_command *c, struct book *book);

/* check.c */
internal bool bad_qty(int64_t qty);
internal bool bad_price(int64_t price);
internal bool overfull(const struct book *book, uint8_t side, int64_t leaving, int64_t coming);
internal bool is_stop(uint8_t ord_type);
internal bool may_rest(const fs_command *c);
internal bool too_small(int64_t display, int64_t leaves);
internal uint8_t check_new_record(const fs_engine *e, const fs_command *c);
internal bool outside_bands(const struct book *book, int64_t price);
internal bool limit_from_market(const fs_engine *e, struct book *book, const fs_command *c, int64_t *price);
internal uint8_t check_new_state(const fs_engine *e, const fs_command *c, struct book *book);
internal bool sound_client(const struct order *o, const struct rare *rare);
internal uint32_t find_own(fs_engine *e, const fs_command *c, uint8_t allowed_flags, size_t *place,
                           uint8_t *reason);
internal struct book *roomy_book(const fs_engine *e, uint32_t symbol);

/* new.c */
internal void begin_new(fs_engine *e, const fs_command *c);

/* replace.c */
internal void begin_cancel(fs_engine *e, const fs_command *c);
internal void begin_replace(fs_engine *e, const fs_command *c);

/* house.c */
internal void begin_quote(fs_engine *e, const fs_command *c);
internal void begin_print(fs_engine *e, const fs_command *c);
internal void begin_time(fs_engine *e, const fs_command *c);
internal void begin_control(fs_engine *e, const fs_command *c);

/* mass.c */
internal void begin_mass_cancel(fs_engine *e, const fs_command *c);
internal void step_mass_cancel(fs_engine *e);

/* engine.c */
internal bool book_open(fs_engine *e, uint32_t symbol);

/* query.c */
internal uint32_t order_behind(const fs_engine *e, uint32_t slot);

#endif
