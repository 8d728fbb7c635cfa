/* book.c: the two sides of a symbol: levels sorted by price, at each a queue by time. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FIRST_LEVELS 16u

struct book *fsi_book(const fs_engine *e, uint32_t symbol) {
    return symbol <= FS_MAX_SYMBOL ? e->books[symbol] : NULL;
}

struct book *fsi_book_open(fs_engine *e, uint32_t symbol) {
    assert(symbol <= FS_MAX_SYMBOL);
    if (e->books[symbol]) return e->books[symbol];
    struct book *book = calloc(1, sizeof *book);
    if (!book) return NULL;
    book->sides[0].house = book->sides[1].house = FSI_NIL;
    e->books[symbol] = book;
    if (e->symbol_end <= symbol) e->symbol_end = symbol + 1;
    return book;
}

bool fsi_reserve_level(struct side *side) {
    if (side->count < side->capacity) return true;
    uint32_t capacity = side->capacity ? 2 * side->capacity : FIRST_LEVELS;
    struct level *levels = realloc(side->levels, capacity * sizeof *levels);
    if (!levels) return false;
    side->levels = levels;
    side->capacity = capacity;
    return true;
}

/* Where the level of `key` is, or would stand. */
static uint32_t level_at(const struct side *side, int64_t key) {
    uint32_t low = 0, high = side->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (side->levels[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct level *level_open(struct side *side, int64_t key) {
    uint32_t at = level_at(side, key);
    struct level *level = &side->levels[at];
    if (at < side->count && level->key == key) return level;
    assert(side->count < side->capacity);
    memmove(level + 1, level, (side->count - at) * sizeof *level);
    side->count++;
    *level = (struct level){.key = key, .head = FSI_NIL, .tail = FSI_NIL};
    return level;
}

static void level_close(struct side *side, struct level *level) {
    side->count--;
    memmove(level, level + 1, (size_t)(side->levels + side->count - level) * sizeof *level);
}

void fsi_rest(fs_engine *e, struct book *book, const struct order *o) {
    struct side *side = fsi_side(book, o->side);
    assert(o->leaves > 0 && o->leaves <= FS_MAX_SIDE_QTY - side->open_qty);
    uint32_t slot = fsi_add(e, o);
    struct level *level = level_open(side, fsi_key(o->side, o->price));
    e->orders[slot].prev = level->tail;
    e->orders[slot].next = FSI_NIL;
    if (level->tail == FSI_NIL)
        level->head = slot;
    else
        e->orders[level->tail].next = slot;
    level->tail = slot;
    level->count++;
    level->qty += o->leaves;
    side->open_qty += o->leaves;
    if (!o->house) return;
    assert(side->house == FSI_NIL);
    side->house = slot;
}

static void unlink_order(fs_engine *e, struct level *level, const struct order *o) {
    if (o->prev == FSI_NIL)
        level->head = o->next;
    else
        e->orders[o->prev].next = o->next;
    if (o->next == FSI_NIL)
        level->tail = o->prev;
    else
        e->orders[o->next].prev = o->prev;
    level->count--;
}

void fsi_reduce(fs_engine *e, uint32_t slot, int64_t qty) {
    struct order *o = &e->orders[slot];
    struct side *side = fsi_side(e->books[o->symbol], o->side);
    struct level *level = &side->levels[level_at(side, fsi_key(o->side, o->price))];
    assert(qty >= 0 && qty <= o->leaves && level->key == fsi_key(o->side, o->price));
    o->leaves -= qty;
    level->qty -= qty;
    side->open_qty -= qty;
    if (o->leaves) return;
    unlink_order(e, level, o);
    if (!level->count) level_close(side, level);
    if (side->house == slot) side->house = FSI_NIL;
    fsi_drop(e, slot);
}

/* The order that trades next: the oldest at the best price within reach. At most one order of a side
 * is the house's, so passing over it is a step or two. */
uint32_t fsi_first(const fs_engine *e, const struct side *side, int64_t reach, bool clients_only) {
    for (uint32_t i = side->count; i-- && side->levels[i].key >= reach;) {
        uint32_t slot = side->levels[i].head;
        if (clients_only && slot == side->house) slot = e->orders[slot].next;
        if (slot != FSI_NIL) return slot;
    }
    return FSI_NIL;
}

bool fsi_can_fill(const struct side *side, int64_t reach, int64_t qty) {
    for (uint32_t i = side->count; qty > 0 && i-- && side->levels[i].key >= reach;)
        qty -= side->levels[i].qty;
    return qty <= 0;
}
