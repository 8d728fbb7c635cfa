/* store.c: where orders live: slabs of orders, levels and nodes, a table from id to slot, a heap of
 * expiries. All grow together in store_reserve, so that nothing between two calls of it runs out. */
#include "internal.h"

#define FIRST_CAPACITY 1024u
#define HUGE_PAGE ((size_t)2 << 20)

/* ---------------------------------------------------------------- id table */

internal always_inline uint64_t hash_of(uint64_t id) {
    return (id ^ id >> 32) * GOLDEN;
}

internal always_inline size_t home_of(const fs_engine *e, uint64_t hash) {
    return (size_t)((hash >> 32) >> e->id_shift);
}

internal always_inline uint64_t id_entry(uint64_t hash, uint32_t slot) {
    return (hash & ~(uint64_t)UINT32_MAX) | slot;
}

/* Where the id is, or the free place where it would be put. */
internal always_inline size_t id_place(const fs_engine *e, uint64_t id, uint64_t hash) {
    size_t at = home_of(e, hash);
    for (;; at = (at + 1) & e->id_mask) {
        uint64_t entry = e->ids[at];
        if (!entry) return at;
        if ((entry ^ hash) >> 32 == 0 && e->orders[(uint32_t)entry].id == id) return at;
    }
}

/* Where the id of a client's order is, known to be there: no look at the orders on the way. */
static always_inline size_t id_place_of_slot(const fs_engine *e, uint32_t slot) {
    size_t at = home_of(e, hash_of(e->orders[slot].id));
    while ((uint32_t)e->ids[at] != slot) at = (at + 1) & e->id_mask;
    return at;
}

internal always_inline uint32_t id_find(const fs_engine *e, uint64_t id) {
    return (uint32_t)e->ids[id_place(e, id, hash_of(id))];
}

/* Take an entry out and close the gap, so that no probe ever meets a tombstone. */
static always_inline void id_remove(fs_engine *e, size_t gap) {
    uint64_t *ids = e->ids;
    size_t mask = e->id_mask;
    for (size_t at = (gap + 1) & mask; ids[at]; at = (at + 1) & mask) {
        size_t wanted = (at - home_of(e, ids[at])) & mask; /* steps from its home */
        if (wanted < ((at - gap) & mask)) continue;        /* its home lies after the gap */
        ids[gap] = ids[at];
        gap = at;
    }
    ids[gap] = 0;
}

/* ------------------------------------------------------------- expiry heap */

/* 0: never. */
internal inline uint64_t expiry_of(const fs_engine *e, uint32_t slot) {
    return e->orders[slot].bits & BIT_EXPIRES ? e->rares[slot].expiry_ms : 0;
}

internal bool sooner(const fs_engine *e, uint32_t slot_a, uint32_t slot_b) {
    uint64_t a = e->rares[slot_a].expiry_ms, b = e->rares[slot_b].expiry_ms;
    return a != b ? a < b : e->orders[slot_a].id < e->orders[slot_b].id;
}

internal bool expiry_due(const fs_engine *e) {
    return e->heap_count && e->rares[e->heap[0]].expiry_ms <= e->clock_ms;
}

static void heap_put(fs_engine *e, uint32_t at, uint32_t slot) {
    e->heap[at] = slot;
    e->rares[slot].heap_at = at;
}

static void heap_settle(fs_engine *e, uint32_t at, uint32_t slot) {
    for (; at; at = (at - 1) / 2) {
        uint32_t parent = e->heap[(at - 1) / 2];
        if (!sooner(e, slot, parent)) break;
        heap_put(e, at, parent);
    }
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= e->heap_count) break;
        if (child + 1 < e->heap_count && sooner(e, e->heap[child + 1], e->heap[child])) child++;
        if (!sooner(e, e->heap[child], slot)) break;
        heap_put(e, at, e->heap[child]);
        at = child;
    }
    heap_put(e, at, slot);
}

static noinline void heap_add(fs_engine *e, uint32_t slot) {
    e->heap_count++;
    heap_settle(e, e->heap_count - 1, slot);
}

static noinline void heap_drop(fs_engine *e, uint32_t slot) {
    uint32_t at = e->rares[slot].heap_at, last = e->heap[--e->heap_count];
    assert(e->heap[at] == slot || last == slot);
    if (last != slot) heap_settle(e, at, last);
}

/* -------------------------------------------------------------------- slabs */

/* Whole cache lines; for much memory huge pages, if the host has some: random access then misses no TLB. */
internal void *slab_new(size_t size) {
    size_t alignment = size < HUGE_PAGE ? CACHE_LINE : HUGE_PAGE;
    void *bytes = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
#ifdef MADV_HUGEPAGE
    if (bytes && alignment == HUGE_PAGE) (void)madvise(bytes, size, MADV_HUGEPAGE);
#endif
    return bytes;
}

/* Grow one slab; what is new is zeroed, and so paged in before it is needed. */
static bool slab_grow(void **slab, size_t size, size_t from, size_t to) {
    unsigned char *bytes = slab_new(to * size);
    if (!bytes) return false;
    if (from) memcpy(bytes, *slab, from * size);
    memset(bytes + from * size, 0, (to - from) * size);
    free(*slab);
    *slab = bytes;
    return true;
}

static bool ids_grow(fs_engine *e, size_t capacity) {
    uint64_t *old = e->ids, *ids = slab_new(capacity * sizeof *ids);
    if (!ids) return false;
    memset(ids, 0, capacity * sizeof *ids);
    size_t old_capacity = old ? e->id_mask + 1 : 0;
    e->ids = ids;
    e->id_mask = capacity - 1;
    e->id_shift = 32;
    for (size_t rest = capacity; rest > 1; rest /= 2) e->id_shift--;
    for (size_t i = 0; i < old_capacity; i++) {
        if (!old[i]) continue;
        size_t at = home_of(e, old[i]);
        while (ids[at]) at = (at + 1) & e->id_mask;
        ids[at] = old[i];
    }
    free(old);
    return true;
}

static bool store_grow(fs_engine *e, uint32_t capacity) {
    struct {
        void **slab;
        size_t size;
    } slabs[] = {{(void **)&e->orders, sizeof *e->orders}, {(void **)&e->levels, sizeof *e->levels},
                 {(void **)&e->nodes, sizeof *e->nodes},   {(void **)&e->rares, sizeof *e->rares},
                 {(void **)&e->heap, sizeof *e->heap}};
    for (size_t i = 0; i < sizeof slabs / sizeof *slabs; i++)
        if (!slab_grow(slabs[i].slab, slabs[i].size, e->capacity, capacity)) return false;
    if (!ids_grow(e, 4 * (size_t)capacity)) return false; /* at most a quarter full: most probes are one step */
    if (!e->capacity) {
        e->order_used = e->level_used = e->node_used = 1;
        e->levels[NIL].key = 1; /* no price has this key, so the cache's empty places match nothing */
    }
    e->capacity = capacity;
    return true;
}

/* Room for n more orders. A level holds an order and a node two levels, so these have room too. */
internal always_inline bool store_reserve(fs_engine *e, uint32_t n) {
    if (likely(e->capacity - e->order_live >= n + SPARE)) return true;
    uint32_t capacity = e->capacity ? e->capacity : FIRST_CAPACITY;
    while (capacity - e->order_live < n + SPARE && capacity <= FS_MAX_ORDERS) capacity *= 2;
    return store_grow(e, capacity);
}

internal always_inline uint32_t slot_take(fs_engine *e) {
    assert(e->order_live < e->capacity - 1);
    uint32_t slot = e->order_free;
    if (likely(slot))
        e->order_free = e->orders[slot].next;
    else
        slot = e->order_used++;
    e->order_live++;
    return slot;
}

static always_inline void slot_give(fs_engine *e, uint32_t slot) {
    struct order *o = &e->orders[slot];
    o->id = 0;
    o->leaves = 0;
    o->next = e->order_free;
    e->order_free = slot;
    e->order_live--;
}

/* The house takes or gives a slot. Its orders come on top of the clients' limit. */
internal inline uint32_t house_take(fs_engine *e) {
    e->house_live++;
    return slot_take(e);
}

static noinline void house_give(fs_engine *e, uint32_t slot) {
    e->house_live--;
    slot_give(e, slot);
}

internal inline uint32_t client_count(const fs_engine *e) { return e->order_live - e->house_live; }

/* A slot becomes a live client's. */
internal always_inline void client_enter(fs_engine *e, uint32_t slot, size_t place, uint64_t hash) {
    e->ids[place] = id_entry(hash, slot);
    if (unlikely(e->orders[slot].bits & BIT_EXPIRES)) heap_add(e, slot);
}

/* A client's order is done: forget it. `place` is its place in the id table. */
internal always_inline void client_drop_at(fs_engine *e, uint32_t slot, size_t place, bool plain) {
    if (!plain && e->orders[slot].bits & BIT_EXPIRES) heap_drop(e, slot);
    id_remove(e, place);
    slot_give(e, slot);
}

internal always_inline void order_drop(fs_engine *e, uint32_t slot, bool plain) {
    if (!plain && e->orders[slot].bits & BIT_HOUSE)
        house_give(e, slot);
    else
        client_drop_at(e, slot, id_place_of_slot(e, slot), plain);
}
