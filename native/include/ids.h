/* ids.h: what is remembered of millions of ids: a digest and a few bytes each, in the order of their positions.
 *
 * Ids are put in at positions that go up; a position may stay blank, or be filled later. They leave in that order. An id
 * is found by its digest, or by its position. Each costs its digest, its payload, 1 bit, and 5.3 to 8 bytes of index
 * (so 39 bytes at most of 16 and 14): no id is an object of its own, and no put or drop moves more than a 256th of the
 * index. Digests must be evenly spread, as a cryptographic hash's are. One table belongs to one thread at a time. */
#ifndef FS_IDS_H
#define FS_IDS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FS_ID_DIGEST 16      /* bytes of a digest */
#define FS_ID_MAX_PAYLOAD 64 /* the most bytes beside it */
#define FS_ID_CHUNK 4096     /* positions that are allocated, and written to a snapshot, together */
#define FS_ID_NONE (-1)      /* no such id */
#define FS_ID_MEMORY (-2)    /* out of memory: nothing changed */
#define FS_ID_WRONG (-3)     /* not allowed: nothing changed */

typedef struct fs_ids fs_ids;

/* A table whose ids have `payload` bytes each (0 to FS_ID_MAX_PAYLOAD), empty from position `first` on; NULL without
 * memory. */
fs_ids *fs_ids_new(uint32_t payload, uint64_t first);
void fs_ids_free(fs_ids *ids);

uint64_t fs_ids_first(const fs_ids *ids); /* the position below which all has left */
uint64_t fs_ids_count(const fs_ids *ids); /* ids that are in it */
uint64_t fs_ids_bytes(const fs_ids *ids); /* what the ids take: records and index, without the allocator's own */

/* The position of a digest, or FS_ID_NONE. */
int64_t fs_ids_find(const fs_ids *ids, const uint8_t *digest);

/* The digest and the payload at a position, or NULL where none is. It holds until the next put or drop. */
const uint8_t *fs_ids_at(const fs_ids *ids, uint64_t position);

/* Put an id in. 0, or FS_ID_MEMORY; or FS_ID_WRONG for a position that has left, is taken, or is 2^32 - 1 or more beyond
 * the first one, and for a digest that is in it already. */
int fs_ids_put(fs_ids *ids, uint64_t position, const uint8_t *digest, const uint8_t *payload);

/* Both at once: the position of a digest that is in; or FS_ID_NONE, when it was not and has been put in; or FS_ID_MEMORY
 * or FS_ID_WRONG as of fs_ids_put. */
int64_t fs_ids_admit(fs_ids *ids, uint64_t position, const uint8_t *digest, const uint8_t *payload);

/* Write another payload at a position. 0, or FS_ID_WRONG where no id is. */
int fs_ids_write(fs_ids *ids, uint64_t position, const uint8_t *payload);

/* Let one id go. 0, or FS_ID_WRONG where none is. */
int fs_ids_forget(fs_ids *ids, uint64_t position);

/* Let everything below a position go. */
void fs_ids_drop(fs_ids *ids, uint64_t first);

/* Write chunk `number`, which holds the positions from number * FS_ID_CHUNK on: a bit a position (FS_ID_CHUNK / 8 bytes,
 * the lowest bit first), then the digest and payload of those that are set. Returns the bytes written, 0 for a chunk
 * without ids. `out` holds FS_ID_CHUNK / 8 + FS_ID_CHUNK * (FS_ID_DIGEST + payload). */
size_t fs_ids_chunk(const fs_ids *ids, uint64_t number, uint8_t *out);

/* Put in what `fs_ids_chunk` wrote. 0, or FS_ID_MEMORY; or FS_ID_WRONG of bytes that it would not have written, or of
 * an id that `fs_ids_put` would refuse: what came before it in the chunk is in then. */
int fs_ids_load(fs_ids *ids, uint64_t number, const uint8_t *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif
