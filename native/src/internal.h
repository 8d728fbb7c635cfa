/* internal.h: the engine's own structures. What they mean to a caller is in fillstream.h. */
#ifndef FILLSTREAM_INTERNAL_H
#define FILLSTREAM_INTERNAL_H

#include <assert.h>
#include <stdbool.h>

#include "fillstream.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little-endian and used in place: this host's byte order is not supported"
#endif
static_assert(sizeof(fs_command) == 64, "a command is 64 bytes");
static_assert(sizeof(fs_report) == 64, "a report is 64 bytes");

#define FSI_NIL UINT32_MAX /* no order */

/* An order, resting or (in a taker) on its way in. One cache line. */
struct order {
    uint64_t id; /* 0: the house's */
    int64_t price;
    int64_t leaves;
    int64_t filled;
    uint64_t expiry_ms; /* 0: none */
    uint32_t account;
    uint32_t prev; /* older order of the level */
    uint32_t next; /* newer order of the level; of a free slot: the next free one */
    uint32_t heap_at; /* its place in the expiry heap, if it has an expiry */
    uint16_t symbol;
    uint16_t partition;
    uint8_t side;
    bool house;
    uint8_t reserved[2];
};
static_assert(sizeof(struct order) == 64, "an order is one cache line");

struct level {
    int64_t key; /* price, negated for asks: the greater key is the better price */
    int64_t qty; /* open lots of its orders */
    uint32_t head;
    uint32_t tail;
    uint32_t count;
};

struct side {
    struct level *levels; /* ascending by key: the best level is the last */
    uint32_t count;
    uint32_t capacity;
    uint32_t house;   /* the house's order, or FSI_NIL */
    int64_t open_qty; /* of all levels, at most FS_MAX_SIDE_QTY */
};

struct book {
    struct side sides[2]; /* at side - 1 */
    fs_last last;
};

/* What becomes of the part of a taker that found nothing to trade with. */
enum remainder { REMAINDER_RESTS, REMAINDER_CANCELED, REMAINDER_VANISHES };

struct taker {
    struct order order;
    int64_t reach;        /* the worst key of the other side that it trades with */
    bool clients_only;    /* passes over the house: a print */
    uint8_t remainder;    /* enum remainder */
    uint8_t cancel_cause; /* fs_reason, if REMAINDER_CANCELED */
};

struct id_entry {
    uint64_t id; /* 0: free */
    uint32_t slot;
};

#define FSI_MAX_TAKERS 2 /* a quote's two sides */
#define FSI_MAX_SPILL 2  /* reports of one step: the two sides of a trade */

struct fs_engine {
    /* orders */
    struct order *orders;
    uint32_t order_capacity;
    uint32_t order_used; /* slots ever in use; those above are untouched */
    uint32_t order_live; /* clients' and the house's */
    uint32_t free_head;
    uint32_t max_orders;
    uint32_t client_count;
    struct id_entry *ids; /* open addressing, linear probing, at most half full */
    size_t id_mask;       /* capacity - 1, a power of two less one */
    uint32_t *heap;       /* slots of orders with an expiry, soonest first */
    uint32_t heap_count;
    uint32_t symbol_end; /* one above the highest symbol with a book */
    struct book **books; /* FS_MAX_SYMBOL + 1 of them */
    uint64_t clock_ms;
    uint64_t matches;
    /* the command in progress */
    struct taker takers[FSI_MAX_TAKERS];
    uint32_t taker_count;
    uint32_t taker_at;
    /* where reports go */
    fs_report *out;
    fs_report *out_end;
    fs_report spill[FSI_MAX_SPILL]; /* the second half of a step whose first half filled the buffer */
    uint32_t spill_count;
};

static inline int64_t fsi_key(uint8_t side, int64_t price) { return side == FS_BUY ? price : -price; }

static inline uint8_t fsi_other(uint8_t side) { return (uint8_t)(FS_BUY + FS_SELL - side); }

static inline struct side *fsi_side(struct book *book, uint8_t side) { return &book->sides[side - 1]; }

static inline struct level *fsi_best_level(const struct side *side) {
    return side->count ? &side->levels[side->count - 1] : NULL;
}

static inline bool fsi_expiry_due(const fs_engine *e) {
    return e->heap_count && e->orders[e->heap[0]].expiry_ms <= e->clock_ms;
}

/* Nothing half done: a snapshot may be taken. */
static inline bool fsi_idle(const fs_engine *e) {
    return e->taker_at == e->taker_count && !e->spill_count && !fsi_expiry_due(e);
}

/* store.c: the slab, the id table and the expiry heap. */
bool fsi_reserve(fs_engine *e, uint32_t n);              /* room for n more orders; false: no memory */
uint32_t fsi_add(fs_engine *e, const struct order *o);   /* needs fsi_reserve; returns the slot */
void fsi_drop(fs_engine *e, uint32_t slot);
uint32_t fsi_find(const fs_engine *e, uint64_t id); /* slot of a client's order, or FSI_NIL */
bool fsi_sooner(const fs_engine *e, uint32_t slot_a, uint32_t slot_b);

/* book.c: levels and queues. */
struct book *fsi_book(const fs_engine *e, uint32_t symbol); /* NULL: none yet */
struct book *fsi_book_open(fs_engine *e, uint32_t symbol);  /* made if need be; NULL: no memory */
bool fsi_reserve_level(struct side *side);                  /* room for one more level */
void fsi_rest(fs_engine *e, struct book *book, const struct order *o); /* needs both reserves */
void fsi_reduce(fs_engine *e, uint32_t slot, int64_t qty); /* less open quantity; at 0 it is gone */
uint32_t fsi_first(const fs_engine *e, const struct side *side, int64_t reach, bool clients_only);
bool fsi_can_fill(const struct side *side, int64_t reach, int64_t qty);

#endif
