/* caller.h: an engine and the room for its answers as one argument, for bindings, where each argument of a call costs a
 * twentieth of it. Not in the library: in C fs_submit and fs_cancel take no more. */
#ifndef FILLSTREAM_CALLER_H
#define FILLSTREAM_CALLER_H

#include "fillstream.h"

typedef struct fs_caller {
    fs_engine *engine;
    fs_report *reports;
    size_t capacity; /* records that `reports` has room for */
} fs_caller;

/* As fs_submit and fs_cancel. */
size_t fs_caller_submit(const fs_caller *caller, uint64_t order_id, uint32_t account, uint32_t symbol, uint8_t side,
                        int64_t price, int64_t qty);
size_t fs_caller_cancel(const fs_caller *caller, uint64_t order_id, uint32_t account);

#endif
