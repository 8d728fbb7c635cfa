/* records.h: inputs of fuzz.c: records that are likely to mean something, and changes to arrays of them. */
#ifndef RECORDS_H
#define RECORDS_H

#include "flow.h"

/* Types that no command has: what fuzz.c shall do to the engines between two commands. */
enum instruction {
    DO_RESTORE = 0xf0, /* save, restore, compare */
    DO_DAMAGE = 0xf1,  /* change words of a snapshot, repair its checksum, restore it */
    DO_CROWD = 0xf2,   /* very many orders, as this record says */
    DO_BUFFER = 0xf3,  /* another size of the output buffer, another alignment of the commands, more room */
    DO_QUERY = 0xf4,   /* every query, with this record's numbers */
    DO_DOOR = 0xf5,    /* fs_submit, or fs_cancel, instead of fs_process */
    INSTRUCTION_END
};

/* A command or an instruction. */
fs_command likely_record(void);

/* Change records[0..n) in one of the ways that make another flow of them; room for `most`. Returns how many
 * there are now. */
size_t change_records(fs_command *records, size_t n, size_t most);

#endif
