/* table.c: where the order of an id is. An open-addressing table with linear probing, of a size that follows the live
 * orders both ways, so that a busy morning does not spread an afternoon's few over many cache lines. A table of another
 * size is filled by and by, a few places with every command; what has not moved yet is brought when it is asked for. */
#include "internal.h"

#if defined(__linux__) || defined(__APPLE__)
#include <sys/random.h>
#else
#include <unistd.h>
#endif

#define GROWS_AT 4u    /* a table has more than so many places an order: most probes are one step, */
#define SHRINKS_AT 32u /* and fewer than so many, unless it is the smallest one */

/* ------------------------------------------------------------------- hashes */

/* A secret multiplier that spreads neighbours as evenly as the golden ratio's: one whose continued fraction is of ones,
 * twos and threes, where the golden ratio's is of ones. Ids that collide cannot be made up without it. */
static uint64_t even_multiplier(uint64_t secret) {
    uint64_t p = 0, q = 1, p_before = 1, q_before = 0;
    for (; q >> 61 == 0; secret /= 3) {
        uint64_t term = 1 + secret % 3, p_next = term * p + p_before, q_next = term * q + q_before;
        p_before = p, q_before = q;
        p = p_next, q = q_next;
    }
    return (uint64_t)(((unsigned __int128)p << 64) / q) | 1;
}

internal always_inline uint64_t hash_of(const fs_engine *e, uint64_t id) {
    return (id ^ id >> 32) * e->id_multiplier;
}

internal always_inline size_t home_of(const struct id_table *t, uint64_t hash) {
    return (size_t)((hash >> 32) >> t->shift);
}

internal always_inline uint64_t id_entry(uint64_t hash, uint32_t slot) {
    return (hash & ~(uint64_t)UINT32_MAX) | slot;
}

/* ------------------------------------------------------------------- probing */

/* Where the id is, or the free place where it would be put. */
static always_inline size_t place_in(const fs_engine *e, const struct id_table *t, uint64_t id, uint64_t hash) {
    size_t at = home_of(t, hash);
    for (;; at = (at + 1) & t->mask) {
        uint64_t entry = t->at[at];
        if (!entry) return at;
        if ((entry ^ hash) >> 32 == 0 && e->orders[(uint32_t)entry].id == id) return at;
    }
}

/* Take an entry out and close the gap, so that no probe ever meets a tombstone. */
static always_inline void remove_from(struct id_table *t, size_t gap) {
    uint64_t *entries = t->at;
    size_t mask = t->mask;
    for (size_t at = (gap + 1) & mask; entries[at]; at = (at + 1) & mask) {
        size_t wanted = (at - home_of(t, entries[at])) & mask; /* steps from its home */
        if (wanted < ((at - gap) & mask)) continue;            /* its home lies after the gap */
        entries[gap] = entries[at];
        gap = at;
    }
    entries[gap] = 0;
}

/* The id is not in the table, whose free place for it is `at`: if the former table has it still, it moves there. */
static noinline void bring(fs_engine *e, uint64_t id, uint64_t hash, size_t at) {
    size_t former = place_in(e, &e->former, id, hash);
    if (!e->former.at[former]) return;
    e->ids.at[at] = e->former.at[former];
    remove_from(&e->former, former);
}

/* Where the id is, or the free place where it would be put. */
internal always_inline size_t id_place(fs_engine *e, uint64_t id, uint64_t hash) {
    size_t at = place_in(e, &e->ids, id, hash);
    if (unlikely(e->former.at) && !e->ids.at[at]) bring(e, id, hash, at);
    return at;
}

/* Where the id of a client's order is, known to be there: no look at the orders on the way. */
internal always_inline size_t id_place_of_slot(fs_engine *e, uint32_t slot) {
    uint64_t hash = hash_of(e, e->orders[slot].id);
    size_t at = home_of(&e->ids, hash);
    for (; (uint32_t)e->ids.at[at] != slot; at = (at + 1) & e->ids.mask) {
        if (likely(e->ids.at[at])) continue;
        bring(e, e->orders[slot].id, hash, at);
        break;
    }
    return at;
}

internal always_inline void id_remove(fs_engine *e, size_t place) { remove_from(&e->ids, place); }

/* The slot of the order, or NIL. Moves nothing. */
internal uint32_t id_find(const fs_engine *e, uint64_t id) {
    uint64_t hash = hash_of(e, id);
    uint32_t slot = (uint32_t)e->ids.at[place_in(e, &e->ids, id, hash)];
    if (slot || !e->former.at) return slot;
    return (uint32_t)e->former.at[place_in(e, &e->former, id, hash)];
}

/* ---------------------------------------------------------------------- size
 *
 * A table of n places stands at the n-th of the memory for all of them, so each size has a place of its own. Whatever is
 * in no table is zero, so that a table of another size begins empty without being made so. */

static struct id_table table_of(const fs_engine *e, size_t size) {
    struct id_table t = {.at = e->id_memory + size, .mask = size - 1, .shift = 32};
    for (size_t rest = size; rest > 1; rest /= 2) t.shift--;
    return t;
}

static_assert(ID_PLACES == 2 * GROWS_AT, "each slot has its places in the greatest table, and in all smaller ones");

/* As long as the orders are so few and so many, the table stays as it is. */
static void set_calm(fs_engine *e) {
    size_t size = e->ids.mask + 1, least = size > GROWS_AT * FIRST_CAPACITY ? size / SHRINKS_AT : 0;
    e->calm_from = (uint32_t)least;
    e->calm_span = e->former.at ? 0 : (uint32_t)(size / GROWS_AT - least + 1);
}

internal always_inline bool ids_calm(const fs_engine *e) { return e->order_live - e->calm_from < e->calm_span; }

/* It moves by STEP places for each order that may come: a 32nd of them at most comes meanwhile, and a run. So no table
 * is ever as much as half full, and the next size is wanted when this one is complete. */
static void begin_move(fs_engine *e, size_t size) {
    e->former = e->ids;
    e->former_at = 0;
    e->ids = table_of(e, size);
}

/* Look at so many places of the former table, and on until a free one, for a probe must not begin behind what has moved
 * and end before what has not; the entries there move. */
static void move_some(fs_engine *e, size_t places) {
    struct id_table *t = &e->former;
    size_t from = e->former_at, end = from + places;
    for (; from <= t->mask && (from < end || t->at[from]); from++) {
        uint64_t entry = t->at[from];
        if (!entry) continue;
        size_t at = home_of(&e->ids, entry);
        while (e->ids.at[at]) at = (at + 1) & e->ids.mask;
        e->ids.at[at] = entry;
        t->at[from] = 0;
    }
    e->former_at = from;
    if (from > t->mask) t->at = NULL;
}

/* Up to n orders may come: begin or go on with a table that fits. Whether one for fewer orders was begun. */
internal noinline bool ids_follow(fs_engine *e, uint32_t n) {
    size_t size = e->ids.mask + 1, live = e->order_live;
    bool grows = !e->former.at && live > size / GROWS_AT && (uint64_t)size >> 32 == 0; /* a home has 32 bits */
    bool shrinks = !e->former.at && live < size / SHRINKS_AT && size > GROWS_AT * FIRST_CAPACITY;
    if (grows) begin_move(e, 2 * size);
    if (shrinks) begin_move(e, size / 2);
    if (e->former.at) move_some(e, (size_t)n * STEP);
    set_calm(e);
    return shrinks;
}

/* The memory is new, for more orders, and its beginning as it was: the tables are where they were in it. */
internal void ids_moved(fs_engine *e) {
    if (!e->ids.mask) e->ids = table_of(e, GROWS_AT * FIRST_CAPACITY);
    e->ids.at = e->id_memory + e->ids.mask + 1;
    if (e->former.at) e->former.at = e->id_memory + e->former.mask + 1;
    set_calm(e);
}

static bool draw(uint64_t *secret) {
#ifdef __linux__ /* musl's getentropy is elsewhere */
    return getrandom(secret, sizeof *secret, 0) == (ssize_t)sizeof *secret;
#else
    return !getentropy(secret, sizeof *secret);
#endif
}

internal bool ids_begin(fs_engine *e) {
    uint64_t secret;
    if (!draw(&secret)) return false;
    e->id_multiplier = even_multiplier(secret);
    return true;
}
