/* ladder.c: the prices of one side of a book, at each a queue by time.
 *
 * Levels form a list, best first, so that the next best is one step away. A price finds its level by a
 * small cache, and when that misses by a trie: 16 children a node by one digit of the key, paths
 * without a fork compressed, so a node has at least two children and the trie has the same shape
 * whatever led to it. A new level finds its neighbours in the list at a sibling of its own. */
#include "internal.h"

internal always_inline uint32_t digit_of(const struct node *node, uint64_t key) {
    return (uint32_t)(key >> node->shift) & (DIGITS - 1);
}

internal always_inline uint32_t *cache_of(const struct ladder *l, uint64_t key) {
    return &l->cache[key * GOLDEN >> (64 - CACHE_BITS)];
}

/* The level of the least (or greatest) key below a reference. */
static uint32_t trie_end(const fs_engine *e, uint32_t ref, bool least) {
    while (ref & NODE_BIT) {
        const struct node *node = &e->nodes[ref & ~NODE_BIT];
        uint32_t used = node->used;
        ref = node->child[least ? __builtin_ctz(used) : 31 - __builtin_clz(used)];
    }
    return ref;
}

static uint32_t node_take(fs_engine *e) {
    struct slots *s = &e->node_slots;
    uint32_t at = s->free;
    if (likely(at)) {
        s->free = e->nodes[at].parent;
        return at;
    }
    while (e->nodes[s->fresh].used) s->fresh++;
    assert(s->fresh < e->capacity);
    return slots_next(s);
}

static void set_parent(fs_engine *e, uint32_t ref, uint32_t parent) {
    if (ref & NODE_BIT)
        e->nodes[ref & ~NODE_BIT].parent = parent;
    else
        e->levels[ref].node = parent;
}

static void link_before(fs_engine *e, struct ladder *l, uint32_t at, uint32_t worse) {
    struct level *level = &e->levels[at];
    level->worse = worse;
    level->better = e->levels[worse].better;
    e->levels[worse].better = at;
    if (level->better)
        e->levels[level->better].worse = at;
    else {
        l->best = at;
        l->best_key = level->key;
    }
}

static void link_after(fs_engine *e, uint32_t at, uint32_t better) {
    struct level *level = &e->levels[at];
    level->better = better;
    level->worse = e->levels[better].worse;
    e->levels[better].worse = at;
    if (level->worse) e->levels[level->worse].better = at;
}

/* Hang the level under a new node, beside `ref`, which *link led to. */
static void trie_split(fs_engine *e, struct ladder *l, uint32_t *link, uint32_t parent, uint32_t at,
                       uint64_t other_key) {
    struct level *level = &e->levels[at];
    uint32_t ref = *link, fresh = node_take(e);
    struct node *node = &e->nodes[fresh];
    uint32_t shift = (63u - (uint32_t)__builtin_clzll(level->key ^ other_key)) & ~(DIGIT_BITS - 1);
    memset(node->child, 0, sizeof node->child);
    node->shift = (uint8_t)shift;
    node->prefix = level->key >> shift >> DIGIT_BITS << DIGIT_BITS << shift;
    node->parent = parent;
    uint32_t own = digit_of(node, level->key), other = digit_of(node, other_key);
    node->used = (uint16_t)(1u << own | 1u << other);
    node->child[own] = at;
    node->child[other] = ref;
    level->node = fresh;
    set_parent(e, ref, fresh);
    *link = fresh | NODE_BIT;
    if (level->key < other_key)
        link_before(e, l, at, trie_end(e, ref, true));
    else
        link_after(e, at, trie_end(e, ref, false));
}

/* Hang the level in a free place of a node. */
static void trie_fill(fs_engine *e, struct ladder *l, uint32_t parent, uint32_t digit, uint32_t at) {
    struct node *node = &e->nodes[parent];
    uint32_t above = node->used & ((ALL_DIGITS - 1) << digit & ALL_DIGITS), below = node->used & ((1u << digit) - 1);
    node->child[digit] = at;
    node->used |= (uint16_t)(1u << digit);
    e->levels[at].node = parent;
    if (below)
        link_after(e, at, trie_end(e, node->child[31 - __builtin_clz(below)], false));
    else
        link_before(e, l, at, trie_end(e, node->child[__builtin_ctz(above)], true));
}

static always_inline uint32_t level_new(fs_engine *e, struct ladder *l, uint64_t key) {
    struct slots *s = &e->level_slots;
    uint32_t at = s->free;
    if (likely(at)) {
        s->free = e->levels[at].worse;
    } else {
        while (e->levels[s->fresh].count) s->fresh++;
        at = slots_next(s);
    }
    assert(at < e->capacity);
    struct level *level = &e->levels[at];
    memset(level, 0, sizeof *level);
    level->key = key;
    level->ladder = l;
    l->levels++;
    return at;
}

/* The level of a key, made if need be: the way past the cache. */
static noinline uint32_t level_seek(fs_engine *e, struct ladder *l, uint64_t key) {
    uint32_t *link = &l->root, parent = NIL, digit = 0, ref;
    while ((ref = *link) & NODE_BIT) {
        struct node *node = &e->nodes[ref & ~NODE_BIT];
        if ((key ^ node->prefix) >> node->shift >> DIGIT_BITS) break;
        parent = ref & ~NODE_BIT;
        digit = digit_of(node, key);
        link = &node->child[digit];
    }
    bool is_node = ref & NODE_BIT;
    if (!is_node && ref && e->levels[ref].key == key) return *cache_of(l, key) = ref;
    uint32_t at = level_new(e, l, key);
    *cache_of(l, key) = at;
    if (is_node) {
        trie_split(e, l, link, parent, at, e->nodes[ref & ~NODE_BIT].prefix);
    } else if (ref) {
        trie_split(e, l, link, parent, at, e->levels[ref].key);
    } else if (parent) {
        trie_fill(e, l, parent, digit, at);
    } else { /* the only level */
        l->root = l->best = at;
        l->best_key = key;
    }
    return at;
}

static always_inline uint32_t level_open(fs_engine *e, struct ladder *l, uint64_t key) {
    uint32_t at = *cache_of(l, key);
    return likely(e->levels[at].key == key) ? at : level_seek(e, l, key);
}

static void trie_cut(fs_engine *e, struct ladder *l, const struct level *level) {
    if (!level->node) {
        l->root = NIL;
        return;
    }
    struct node *node = &e->nodes[level->node];
    uint32_t digit = digit_of(node, level->key);
    node->child[digit] = NIL;
    node->used &= (uint16_t)~(1u << digit);
    if (node->used & (node->used - 1)) return;
    uint32_t last = node->child[__builtin_ctz(node->used)], parent = node->parent; /* it replaces the node */
    set_parent(e, last, parent);
    if (parent)
        e->nodes[parent].child[digit_of(&e->nodes[parent], node->prefix)] = last;
    else
        l->root = last;
    node->used = 0;
    if (unlikely(level->node >= e->node_slots.fresh)) return; /* it is found there */
    node->parent = e->node_slots.free;
    e->node_slots.free = level->node;
}

static noinline void level_close(fs_engine *e, struct ladder *l, uint32_t at) {
    struct level *level = &e->levels[at];
    trie_cut(e, l, level);
    e->levels[level->worse].better = level->better; /* slot 0 takes what has no neighbour */
    if (level->better) {
        e->levels[level->better].worse = level->worse;
    } else {
        l->best = level->worse;
        l->best_key = level->worse ? e->levels[level->worse].key : UINT64_MAX;
    }
    uint32_t *cached = cache_of(l, level->key);
    if (*cached == at) *cached = NIL;
    l->levels--;
    level->count = 0;
    if (unlikely(at >= e->level_slots.fresh)) return; /* it is found there */
    level->worse = e->level_slots.free;
    e->level_slots.free = at;
}

/* ------------------------------------------------------------------- queues */

static always_inline void queue_push(fs_engine *e, struct level *level, struct order *o, uint32_t slot) {
    uint32_t tail = level->tail;
    o->prev = tail;
    o->next = NIL;
    e->orders[tail].next = slot; /* slot 0 takes what has no neighbour */
    level->head = tail ? level->head : slot;
    level->tail = slot;
}

static always_inline void queue_pull(fs_engine *e, struct level *level, const struct order *o) {
    uint32_t prev = o->prev, next = o->next;
    e->orders[prev].next = next; /* slot 0 takes what has no neighbour */
    e->orders[next].prev = prev;
    level->head = prev ? level->head : next;
    level->tail = next ? level->tail : prev;
}

/* Below, a `plain` order is one without any order_bits: nothing hidden, nothing to count. What is plain is known
 * where these are called, so each is compiled twice. */

/* Put an order at the back of the queue of its price. */
internal always_inline void ladder_put(fs_engine *e, struct ladder *l, uint32_t slot, uint64_t key, bool plain) {
    uint32_t at = level_open(e, l, key);
    struct level *level = &e->levels[at];
    struct order *o = &e->orders[slot];
    assert(o->leaves > 0 && o->leaves <= FS_MAX_SIDE_QTY - *l->open_qty);
    o->level = at;
    queue_push(e, level, o, slot);
    level->count++;
    *l->open_qty += o->leaves;
    if (plain) {
        level->shown += o->leaves;
        return;
    }
    level->shown += o->leaves - o->hidden;
    level->hidden += o->hidden;
    bool special = o->bits & (BIT_AON | BIT_TRAILING);
    level->special += special;
    l->special += special;
    if (o->bits & BIT_HOUSE) l->house = slot;
}

/* Take an order out of its queue, with whatever is open. */
internal always_inline void ladder_pull(fs_engine *e, struct ladder *l, uint32_t slot, bool plain) {
    struct order *o = &e->orders[slot];
    uint32_t at = o->level;
    struct level *level = &e->levels[at];
    queue_pull(e, level, o);
    *l->open_qty -= o->leaves;
    o->level = NIL;
    if (plain) {
        level->shown -= o->leaves;
    } else {
        level->shown -= o->leaves - o->hidden;
        level->hidden -= o->hidden;
        bool special = o->bits & (BIT_AON | BIT_TRAILING);
        level->special -= special;
        l->special -= special;
        if (o->bits & BIT_HOUSE) l->house = NIL;
    }
    if (!--level->count) level_close(e, l, at);
}

/* Less open quantity of an order that stays. */
internal inline void ladder_shrink(struct ladder *l, struct level *level, struct order *o, int64_t qty) {
    int64_t of_hidden = qty < o->hidden ? qty : o->hidden;
    o->leaves -= qty;
    o->hidden -= of_hidden;
    level->hidden -= of_hidden;
    level->shown -= qty - of_hidden;
    *l->open_qty -= qty;
}

/* A trade or a decrement takes qty from an order's tip. At 0 the next tip shows, behind the others. */
internal always_inline void ladder_consume(fs_engine *e, struct ladder *l, uint32_t slot, int64_t qty, bool plain) {
    struct order *o = &e->orders[slot];
    struct level *level = &e->levels[o->level];
    assert(qty > 0 && qty <= o->leaves - o->hidden);
    o->leaves -= qty;
    level->shown -= qty;
    *l->open_qty -= qty;
    if (plain ? o->leaves : o->leaves != o->hidden) return;
    if (plain || !o->leaves) {
        ladder_pull(e, l, slot, plain);
        return;
    }
    int64_t display = e->rares[slot].display, tip = o->hidden < display ? o->hidden : display;
    o->hidden -= tip;
    level->hidden -= tip;
    level->shown += tip;
    queue_pull(e, level, o);
    queue_push(e, level, o, slot);
}
