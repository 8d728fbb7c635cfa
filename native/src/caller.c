/* caller.c: see caller.h. */
#include "caller.h"

size_t fs_caller_submit(const fs_caller *caller, uint64_t order_id, uint32_t account, uint32_t symbol, uint8_t side,
                        int64_t price, int64_t qty) {
    return fs_submit(caller->engine, caller->reports, caller->capacity, order_id, account, symbol, side, price, qty);
}

size_t fs_caller_cancel(const fs_caller *caller, uint64_t order_id, uint32_t account) {
    return fs_cancel(caller->engine, caller->reports, caller->capacity, order_id, account);
}
