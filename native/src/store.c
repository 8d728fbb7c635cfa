/* store.c: where orders live: slabs of orders, levels and nodes, a heap of expiries, and the memory of the table of ids.
 * All grow together in store_reserve, so that nothing between two calls of it runs out. */
#include "internal.h"

#define HUGE_PAGE ((size_t)2 << 20)

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

static bool store_grow(fs_engine *e, uint32_t capacity) {
    struct {
        void **slab;
        size_t size;
    } slabs[] = {{(void **)&e->orders, sizeof *e->orders}, {(void **)&e->levels, sizeof *e->levels},
                 {(void **)&e->nodes, sizeof *e->nodes},   {(void **)&e->rares, sizeof *e->rares},
                 {(void **)&e->heap, sizeof *e->heap},     {(void **)&e->id_memory, ID_PLACES * sizeof *e->id_memory}};
    for (size_t i = 0; i < sizeof slabs / sizeof *slabs; i++)
        if (!slab_grow(slabs[i].slab, slabs[i].size, e->capacity, capacity)) return false;
    ids_moved(e); /* their memory is the last one */
    if (!e->capacity) {
        e->order_slots = e->level_slots = e->node_slots = (struct slots){.fresh = 1, .end = 1};
        e->levels[NIL].key = 1; /* no price has this key, so the cache's empty places match nothing */
    }
    e->capacity = capacity;
    return true;
}

/* The `fresh` one, which is blank, is handed out. */
internal inline uint32_t slots_next(struct slots *s) {
    uint32_t at = s->fresh++;
    if (s->end < s->fresh) s->end = s->fresh;
    return at;
}

/* Hand out from the low end again: what many orders left free lies all over the slabs. What is live is passed over. */
static void begin_afresh(fs_engine *e) {
    struct slots *all[] = {&e->order_slots, &e->level_slots, &e->node_slots};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        all[i]->free = NIL;
        all[i]->fresh = 1;
    }
}

static noinline bool store_settle(fs_engine *e, uint32_t n) {
    uint32_t capacity = e->capacity ? e->capacity : FIRST_CAPACITY;
    while (capacity - e->order_live < n + SPARE && capacity <= FS_MAX_ORDERS) capacity *= 2;
    bool has_room = capacity == e->capacity || store_grow(e, capacity);
    if (e->capacity && ids_follow(e, n) && e->order_live <= FEW_ORDERS) begin_afresh(e);
    return has_room;
}

/* Whether nothing has to be done before n more orders come. */
internal always_inline bool store_ready(const fs_engine *e, uint32_t n) {
    return e->capacity - e->order_live >= n + SPARE && ids_calm(e);
}

/* Room for n more orders. A level holds an order and a node two levels, so these have room too. */
internal always_inline bool store_reserve(fs_engine *e, uint32_t n) {
    return likely(store_ready(e, n)) || store_settle(e, n);
}

static inline uint32_t slot_fresh(fs_engine *e) {
    while (e->orders[e->order_slots.fresh].leaves) e->order_slots.fresh++;
    return slots_next(&e->order_slots);
}

internal always_inline uint32_t slot_take(fs_engine *e) {
    assert(e->order_live < e->capacity - 1);
    uint32_t slot = e->order_slots.free;
    if (likely(slot))
        e->order_slots.free = e->orders[slot].next;
    else
        slot = slot_fresh(e);
    e->order_live++;
    return slot;
}

static always_inline void slot_give(fs_engine *e, uint32_t slot) {
    struct order *o = &e->orders[slot];
    o->id = 0;
    o->leaves = 0;
    e->order_live--;
    if (unlikely(slot >= e->order_slots.fresh)) return; /* it is found there */
    o->next = e->order_slots.free;
    e->order_slots.free = slot;
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
    e->ids.at[place] = id_entry(hash, slot);
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
