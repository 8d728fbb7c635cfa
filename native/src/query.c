/* query.c: reading the books without changing them. */
#include "internal.h"

static fs_level level_of(uint8_t side, const struct level *level) {
    return (fs_level){.price = fsi_key(side, level->key), .qty = level->qty, .orders = level->count};
}

uint32_t fs_orders(const fs_engine *engine) { return engine->client_count; }

size_t fs_depth(const fs_engine *engine, uint32_t symbol, uint8_t side, fs_level *levels, size_t n) {
    struct book *book = fsi_book(engine, symbol);
    if (!book || (side != FS_BUY && side != FS_SELL)) return 0;
    const struct side *from = fsi_side(book, side);
    size_t written = 0;
    for (uint32_t i = from->count; i-- && written < n;) levels[written++] = level_of(side, &from->levels[i]);
    return written;
}

void fs_best(const fs_engine *engine, uint32_t symbol, fs_level *bid, fs_level *ask) {
    if (!fs_depth(engine, symbol, FS_BUY, bid, 1)) *bid = (fs_level){0};
    if (!fs_depth(engine, symbol, FS_SELL, ask, 1)) *ask = (fs_level){0};
}

void fs_last_trade(const fs_engine *engine, uint32_t symbol, fs_last *last) {
    const struct book *book = fsi_book(engine, symbol);
    *last = book ? book->last : (fs_last){0};
}
