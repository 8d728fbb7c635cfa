/* record.h: where the fields of a record stand, and its last word taken as one piece.
 *
 * The codes of a command and of a report, from `type` on, are eight bytes: to load, test or store them as one word
 * costs what one of them would. Every shift and mask here follows from the fields' own places and widths; what is
 * leaned on besides is asserted. */
#ifndef FILLSTREAM_RECORD_H
#define FILLSTREAM_RECORD_H

#include <assert.h>
#include <string.h>

#include "fillstream.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little-endian and used in place: this host's byte order is not supported"
#endif

/* --------------------------------------------------------------------- places
 *
 * As fillstream.h draws them. A field that moved would compile well, and read every frame of a kept log wrong. */

#define STANDS_AT(record, field, byte) \
    static_assert(offsetof(record, field) == (byte), #record "." #field " is at byte " #byte ", as kept logs have it")

static_assert(sizeof(fs_command) == 64, "a command is 64 bytes");
STANDS_AT(fs_command, order_id, 0);
STANDS_AT(fs_command, price, 8);
STANDS_AT(fs_command, qty, 16);
STANDS_AT(fs_command, aux_price, 24);
STANDS_AT(fs_command, aux_qty, 32);
STANDS_AT(fs_command, time_ms, 40);
STANDS_AT(fs_command, account, 48);
STANDS_AT(fs_command, symbol, 52);
STANDS_AT(fs_command, type, 56);
STANDS_AT(fs_command, side, 57);
STANDS_AT(fs_command, ord_type, 58);
STANDS_AT(fs_command, tif, 59);
STANDS_AT(fs_command, flags, 60);
STANDS_AT(fs_command, stp, 61);
STANDS_AT(fs_command, partition, 62);

static_assert(sizeof(fs_report) == 64, "a report is 64 bytes");
STANDS_AT(fs_report, order_id, 0);
STANDS_AT(fs_report, price, 8);
STANDS_AT(fs_report, qty, 16);
STANDS_AT(fs_report, leaves, 24);
STANDS_AT(fs_report, aux, 32);
STANDS_AT(fs_report, match_id, 40);
STANDS_AT(fs_report, account, 48);
STANDS_AT(fs_report, symbol, 52);
STANDS_AT(fs_report, type, 56);
STANDS_AT(fs_report, side, 57);
STANDS_AT(fs_report, reason, 58);
STANDS_AT(fs_report, flags, 59);
STANDS_AT(fs_report, partition, 60);
STANDS_AT(fs_report, reserved, 62);

/* ---------------------------------------------------------------- the last word */

#define WIDTH_OF(record, field) (8 * sizeof(((record *)0)->field))
#define SHIFT_OF(record, first, field) (8 * (offsetof(record, field) - offsetof(record, first)))

#define COMMAND_SHIFT(field) SHIFT_OF(fs_command, type, field)
#define COMMAND_CODE(field, value) ((uint64_t)(value) << COMMAND_SHIFT(field))
#define COMMAND_FIELD(field) COMMAND_CODE(field, UINT64_MAX >> (64 - WIDTH_OF(fs_command, field)))
#define CODE_IN(codes, field) ((codes) >> COMMAND_SHIFT(field) & COMMAND_FIELD(field) >> COMMAND_SHIFT(field))

#define REPORT_SHIFT(field) SHIFT_OF(fs_report, type, field)
#define REPORT_CODE(field, value) ((uint64_t)(value) << REPORT_SHIFT(field))

static_assert(COMMAND_SHIFT(partition) + WIDTH_OF(fs_command, partition) == 64, "a command's codes are one word");
static_assert(REPORT_SHIFT(reserved) + WIDTH_OF(fs_report, reserved) == 64, "a report's codes are one word");
static_assert(SHIFT_OF(fs_command, account, symbol) == 32, "who a command is from and of what is one word");
static_assert(SHIFT_OF(fs_report, account, symbol) == 32, "and so it is in a report");

/* A command's last word. */
static inline __attribute__((always_inline)) uint64_t codes_of(const fs_command *c) {
    uint64_t codes;
    memcpy(&codes, &c->type, sizeof codes);
    return codes;
}

/* Of a command's codes those that every report on its order repeats: side and partition, where a report has them. */
static inline __attribute__((always_inline)) uint64_t heard_codes(uint64_t codes) {
    return (codes & COMMAND_FIELD(side)) | codes >> COMMAND_SHIFT(partition) << REPORT_SHIFT(partition);
}
static_assert(COMMAND_SHIFT(side) == REPORT_SHIFT(side), "the side stays where it is");
static_assert(WIDTH_OF(fs_command, partition) == WIDTH_OF(fs_report, partition), "the partition fits");

/* --------------------------------------------------------- what the short way is for
 *
 * A bit of these masks that is set, once what a plain command has there is taken out, sends it the long way. All
 * partitions from HIGH_PARTITION on go there, since the two that no client may name are among them. */

#define HIGH_PARTITION 0x8000u
#define HIGH_PARTITION_CODE COMMAND_CODE(partition, HIGH_PARTITION)
#define LOW_PARTITION_CODES COMMAND_CODE(partition, HIGH_PARTITION - 1)
static_assert(HIGH_PARTITION == 1u << (WIDTH_OF(fs_command, partition) - 1), "one bit tells the high partitions");
static_assert(FS_PARTITION_NONE >= HIGH_PARTITION && FS_PARTITION_ALL >= HIGH_PARTITION, "nobody's are high ones");

/* Of a new order: a limit order, for the day or for good, without flags and prevention. */
#define PLAIN_NEW COMMAND_CODE(ord_type, FS_LIMIT)
#define PLAIN_TIF COMMAND_CODE(tif, FS_DAY | FS_GTC)
#define ODD_NEW                                                                                                        \
    (COMMAND_FIELD(ord_type) | (COMMAND_FIELD(tif) & ~PLAIN_TIF) | COMMAND_FIELD(flags) | COMMAND_FIELD(stp) |         \
     HIGH_PARTITION_CODE)
static_assert(ODD_NEW == ~(COMMAND_FIELD(type) | COMMAND_FIELD(side) | PLAIN_TIF | LOW_PARTITION_CODES),
              "of a new order all is looked at but its type, which is known, its side, apart, and what may differ");
static_assert(FS_DAY == 0 && FS_GTC == 1, "one bit of the tif may differ");

/* Of a cancel: without flags and prevention, which no cancel has. */
#define ODD_CANCEL (COMMAND_FIELD(flags) | COMMAND_FIELD(stp) | HIGH_PARTITION_CODE)
static_assert(ODD_CANCEL == ~(COMMAND_FIELD(type) | COMMAND_FIELD(side) | COMMAND_FIELD(ord_type) | COMMAND_FIELD(tif) |
                              LOW_PARTITION_CODES),
              "of a cancel all is looked at but what no cancel reads");

/* Limits at the real ones or a little inside, so that each is one shift. */
#define SYMBOL_BITS 16
#define PLAIN_QTY_BITS 49
static_assert(FS_MAX_SYMBOL == (1u << SYMBOL_BITS) - 1, "higher bits are no symbol's; as a mask it makes one of any");
static_assert(1LL << PLAIN_QTY_BITS <= FS_MAX_QTY, "a plain quantity is within the limit");
static_assert(FS_BUY == 1 && FS_SELL == 2, "a side less one is 0 or 1, anything else has higher bits");

#endif
