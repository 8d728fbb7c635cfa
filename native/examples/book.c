/* book.c: one book: two orders, a trade, and what is left of it.
 *
 * cc book.c $(pkg-config --cflags --libs fillstream) -o book */
#include <inttypes.h>
#include <stdio.h>

#include "fillstream.h"

#define ROOM 2 /* reports a call; real buffers are larger */

static void show(const fs_report *r) {
    const char *what = r->type == FS_ACCEPTED ? "accepted" : r->type == FS_FILLED ? "filled" : "something else";
    printf("order %" PRIu64 " %s: %" PRId64 " at %" PRId64 ", %" PRId64 " open\n", r->order_id, what, r->qty, r->price,
           r->leaves);
}

/* Fewer reports than there is room for: every command is done, and all that it gave is here. */
static void process(fs_engine *engine, const fs_command *commands, size_t n) {
    fs_report reports[ROOM];
    size_t consumed, written;
    do {
        written = fs_process(engine, commands, n, &consumed, reports, ROOM);
        commands += consumed;
        n -= consumed;
        for (size_t i = 0; i < written; i++) show(&reports[i]);
    } while (written == ROOM);
}

int main(void) {
    const fs_command maker = {.order_id = 1, .account = 7, .type = FS_NEW, .side = FS_SELL, .ord_type = FS_LIMIT,
                              .tif = FS_GTC, .price = 2001, .qty = 30};
    const fs_command taker = {.order_id = 2, .account = 8, .type = FS_NEW, .side = FS_BUY, .ord_type = FS_LIMIT,
                              .tif = FS_GTC, .price = 2005, .qty = 10};
    fs_engine *engine = fs_new(1000);
    if (!engine) return 1;
    process(engine, (const fs_command[]){maker, taker}, 2);
    fs_level asks[5];
    size_t levels = fs_depth(engine, 0, FS_SELL, asks, 5);
    for (size_t i = 0; i < levels; i++) printf("ask: %" PRId64 " at %" PRId64 "\n", asks[i].qty, asks[i].price);
    fs_free(engine);
    return 0;
}
