/* store.c: where orders live: a slab of slots, a table from id to slot, a heap of expiries.
 * All three grow together in fsi_reserve, so that nothing after it can run out of memory. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FIRST_CAPACITY 1024u

/* ---------------------------------------------------------------- id table */

static size_t home_of(const fs_engine *e, uint64_t id) {
    id ^= id >> 33; /* the finalizer of MurmurHash3: neighbouring ids spread over the table */
    id *= 0xff51afd7ed558ccdULL;
    id ^= id >> 33;
    id *= 0xc4ceb9fe1a85ec53ULL;
    id ^= id >> 33;
    return (size_t)id & e->id_mask;
}

static size_t place_of(const fs_engine *e, uint64_t id) {
    size_t at = home_of(e, id);
    while (e->ids[at].id && e->ids[at].id != id) at = (at + 1) & e->id_mask;
    return at;
}

uint32_t fsi_find(const fs_engine *e, uint64_t id) {
    assert(id);
    const struct id_entry *entry = &e->ids[place_of(e, id)];
    return entry->id ? entry->slot : FSI_NIL;
}

/* Take an id out and close the gap, so that no probe ever meets a tombstone. */
static void forget_id(fs_engine *e, uint64_t id) {
    size_t gap = place_of(e, id);
    assert(e->ids[gap].id == id);
    for (size_t at = (gap + 1) & e->id_mask; e->ids[at].id; at = (at + 1) & e->id_mask) {
        size_t wanted = (at - home_of(e, e->ids[at].id)) & e->id_mask; /* steps from its home */
        if (wanted < ((at - gap) & e->id_mask)) continue;              /* its home lies after the gap */
        e->ids[gap] = e->ids[at];
        gap = at;
    }
    e->ids[gap].id = 0;
}

static bool grow_ids(fs_engine *e, size_t capacity) {
    struct id_entry *old = e->ids, *ids = calloc(capacity, sizeof *ids);
    if (!ids) return false;
    size_t old_capacity = old ? e->id_mask + 1 : 0;
    e->ids = ids;
    e->id_mask = capacity - 1;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].id) ids[place_of(e, old[i].id)] = old[i];
    free(old);
    return true;
}

/* ------------------------------------------------------------- expiry heap */

bool fsi_sooner(const fs_engine *e, uint32_t slot_a, uint32_t slot_b) {
    const struct order *a = &e->orders[slot_a], *b = &e->orders[slot_b];
    return a->expiry_ms != b->expiry_ms ? a->expiry_ms < b->expiry_ms : a->id < b->id;
}

static void heap_put(fs_engine *e, uint32_t at, uint32_t slot) {
    e->heap[at] = slot;
    e->orders[slot].heap_at = at;
}

static void heap_settle(fs_engine *e, uint32_t at, uint32_t slot) {
    for (; at; at = (at - 1) / 2) {
        uint32_t parent = e->heap[(at - 1) / 2];
        if (!fsi_sooner(e, slot, parent)) break;
        heap_put(e, at, parent);
    }
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= e->heap_count) break;
        if (child + 1 < e->heap_count && fsi_sooner(e, e->heap[child + 1], e->heap[child])) child++;
        if (!fsi_sooner(e, e->heap[child], slot)) break;
        heap_put(e, at, e->heap[child]);
        at = child;
    }
    heap_put(e, at, slot);
}

static void heap_add(fs_engine *e, uint32_t slot) {
    e->heap_count++;
    heap_settle(e, e->heap_count - 1, slot);
}

static void heap_drop(fs_engine *e, uint32_t slot) {
    uint32_t at = e->orders[slot].heap_at, last = e->heap[--e->heap_count];
    assert(e->heap[at] == slot || last == slot);
    if (last != slot) heap_settle(e, at, last);
}

/* -------------------------------------------------------------------- slab */

bool fsi_reserve(fs_engine *e, uint32_t n) {
    if (e->order_capacity - e->order_live >= n) return true;
    assert(n <= FIRST_CAPACITY && e->order_capacity <= FS_MAX_ORDERS);
    uint32_t capacity = e->order_capacity ? 2 * e->order_capacity : FIRST_CAPACITY;
    struct order *orders = realloc(e->orders, capacity * sizeof *orders);
    if (!orders) return false;
    e->orders = orders;
    uint32_t *heap = realloc(e->heap, capacity * sizeof *heap);
    if (!heap) return false;
    e->heap = heap;
    if (!grow_ids(e, 2 * (size_t)capacity)) return false;
    e->order_capacity = capacity;
    return true;
}

uint32_t fsi_add(fs_engine *e, const struct order *o) {
    assert(e->order_live < e->order_capacity);
    uint32_t slot = e->free_head;
    if (slot == FSI_NIL)
        slot = e->order_used++;
    else
        e->free_head = e->orders[slot].next;
    e->orders[slot] = *o;
    e->order_live++;
    if (o->house) return slot;
    e->client_count++;
    e->ids[place_of(e, o->id)] = (struct id_entry){.id = o->id, .slot = slot};
    if (o->expiry_ms) heap_add(e, slot);
    return slot;
}

void fsi_drop(fs_engine *e, uint32_t slot) {
    struct order *o = &e->orders[slot];
    if (!o->house) {
        forget_id(e, o->id);
        if (o->expiry_ms) heap_drop(e, slot);
        e->client_count--;
    }
    memset(o, 0, sizeof *o);
    o->next = e->free_head;
    e->free_head = slot;
    e->order_live--;
}
