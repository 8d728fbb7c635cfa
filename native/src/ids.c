/* ids.c: see ids.h. Records stand in chunks by position; an index finds them by digest.
 *
 * The index is 256 tables, by the digest's first byte, each open addressing with linear probing: when one is three
 * quarters full it grows by half, alone. A slot is a position modulo EMPTY, which no window of positions is wider than.
 * An id leaves without a trace (backward shift), so tables never fill with what is gone. */
#include "ids.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TABLES 256u
#define EMPTY UINT32_MAX
#define FIRST_SLOTS 8u
#define BITMAP (FS_ID_CHUNK / 8u)

typedef struct {
    uint32_t *slots;
    uint32_t size, used;
} table;

struct fs_ids {
    uint32_t record;      /* bytes: digest and payload */
    uint64_t first;       /* position */
    uint64_t count, bytes;
    uint64_t base;        /* number of chunks[0] */
    uint8_t **chunks;     /* NULL for one without ids; else a bitmap, and FS_ID_CHUNK records */
    size_t span, room;    /* chunks in use and allocated */
    table tables[TABLES];
};

static size_t chunk_bytes(const fs_ids *ids) { return BITMAP + (size_t)FS_ID_CHUNK * ids->record; }

fs_ids *fs_ids_new(uint32_t payload, uint64_t first) {
    if (payload > FS_ID_MAX_PAYLOAD) return NULL;
    fs_ids *ids = calloc(1, sizeof *ids);
    if (!ids) return NULL;
    ids->record = FS_ID_DIGEST + payload;
    ids->first = first;
    ids->base = first / FS_ID_CHUNK;
    return ids;
}

void fs_ids_free(fs_ids *ids) {
    if (!ids) return;
    for (size_t i = 0; i < ids->span; i++) free(ids->chunks[i]);
    for (size_t i = 0; i < TABLES; i++) free(ids->tables[i].slots);
    free(ids->chunks);
    free(ids);
}

uint64_t fs_ids_first(const fs_ids *ids) { return ids->first; }
uint64_t fs_ids_count(const fs_ids *ids) { return ids->count; }
uint64_t fs_ids_bytes(const fs_ids *ids) { return ids->bytes; }

/* ---------------------------------------------------------------- records */

static uint8_t *chunk_of(const fs_ids *ids, uint64_t position) {
    uint64_t number = position / FS_ID_CHUNK;
    if (number < ids->base || number - ids->base >= ids->span) return NULL;
    return ids->chunks[number - ids->base];
}

static bool is_set(const uint8_t *chunk, uint64_t position) {
    uint32_t at = position % FS_ID_CHUNK;
    return chunk[at / 8] >> at % 8 & 1;
}

static uint8_t *record_in(const fs_ids *ids, uint8_t *chunk, uint64_t position) {
    return chunk + BITMAP + (size_t)(position % FS_ID_CHUNK) * ids->record;
}

const uint8_t *fs_ids_at(const fs_ids *ids, uint64_t position) {
    uint8_t *chunk = chunk_of(ids, position);
    return chunk && is_set(chunk, position) ? record_in(ids, chunk, position) : NULL;
}

/* Make room for a position's chunk. */
static uint8_t *chunk_for(fs_ids *ids, uint64_t position) {
    uint64_t number = position / FS_ID_CHUNK - ids->base;
    if (number >= ids->room) {
        size_t room = ids->room < 16 ? 16 : ids->room;
        while (room <= number) room += room / 2;
        uint8_t **chunks = malloc(room * sizeof *chunks);
        if (!chunks) return NULL;
        if (ids->span) memcpy(chunks, ids->chunks, ids->span * sizeof *chunks);
        free(ids->chunks);
        ids->chunks = chunks;
        ids->room = room;
    }
    while (ids->span <= number) ids->chunks[ids->span++] = NULL;
    if (!ids->chunks[number]) {
        ids->chunks[number] = calloc(1, chunk_bytes(ids));
        if (ids->chunks[number]) ids->bytes += chunk_bytes(ids);
    }
    return ids->chunks[number];
}

/* ------------------------------------------------------------------ index */

static uint32_t slot_of(uint64_t position) { return (uint32_t)(position % EMPTY); }

static uint64_t position_of(const fs_ids *ids, uint32_t slot) {
    return ids->first + (slot + (uint64_t)EMPTY - ids->first % EMPTY) % EMPTY;
}

/* Where a digest belongs in a table of `size` slots; its first byte has chosen the table. */
static uint32_t home_of(const uint8_t *digest, uint32_t size) {
    uint32_t word;
    memcpy(&word, digest + 4, sizeof word);
    return (uint32_t)((uint64_t)word * size >> 32);
}

static const uint8_t *digest_of(const fs_ids *ids, uint32_t slot) {
    uint64_t position = position_of(ids, slot);
    return record_in(ids, chunk_of(ids, position), position);
}

static bool same(const uint8_t *one, const uint8_t *other) { return !memcmp(one, other, FS_ID_DIGEST); }

/* The index of a digest's slot in its table, or of the empty one where the search ends. */
static uint32_t search(const fs_ids *ids, const table *t, const uint8_t *digest) {
    uint32_t at = home_of(digest, t->size);
    while (t->slots[at] != EMPTY && !same(digest_of(ids, t->slots[at]), digest))
        if (++at == t->size) at = 0;
    return at;
}

int64_t fs_ids_find(const fs_ids *ids, const uint8_t *digest) {
    const table *t = &ids->tables[digest[0]];
    if (!t->used) return FS_ID_NONE;
    uint32_t slot = t->slots[search(ids, t, digest)];
    return slot == EMPTY ? FS_ID_NONE : (int64_t)position_of(ids, slot);
}

static void place(const fs_ids *ids, table *t, uint32_t slot) {
    uint32_t at = home_of(digest_of(ids, slot), t->size);
    while (t->slots[at] != EMPTY)
        if (++at == t->size) at = 0;
    t->slots[at] = slot;
}

static bool grow(fs_ids *ids, table *t) {
    table grown = {.size = t->size ? t->size + t->size / 2 : FIRST_SLOTS, .used = t->used};
    grown.slots = malloc(grown.size * sizeof *grown.slots);
    if (!grown.slots) return false;
    memset(grown.slots, 0xFF, grown.size * sizeof *grown.slots);
    for (uint32_t i = 0; i < t->size; i++)
        if (t->slots[i] != EMPTY) place(ids, &grown, t->slots[i]);
    ids->bytes += (uint64_t)(grown.size - t->size) * sizeof *grown.slots;
    free(t->slots);
    *t = grown;
    return true;
}

/* Take an id's slot out; those behind it that may stand nearer to their homes move up. */
static void unlink_slot(fs_ids *ids, const uint8_t *digest) {
    table *t = &ids->tables[digest[0]];
    uint32_t hole = search(ids, t, digest), at = hole;
    for (;;) {
        if (++at == t->size) at = 0;
        if (t->slots[at] == EMPTY) break;
        uint32_t home = home_of(digest_of(ids, t->slots[at]), t->size);
        bool stays = hole <= at ? hole < home && home <= at : hole < home || home <= at;
        if (stays) continue;
        t->slots[hole] = t->slots[at];
        hole = at;
    }
    t->slots[hole] = EMPTY;
    t->used--;
}

/* ------------------------------------------------------------------ in, out */

int fs_ids_put(fs_ids *ids, uint64_t position, const uint8_t *digest, const uint8_t *payload) {
    if (position < ids->first || position - ids->first >= EMPTY || position > INT64_MAX) return FS_ID_WRONG;
    if (fs_ids_at(ids, position) || fs_ids_find(ids, digest) != FS_ID_NONE) return FS_ID_WRONG;
    table *t = &ids->tables[digest[0]];
    if (t->used >= t->size - t->size / 4 && !grow(ids, t)) return FS_ID_MEMORY;
    uint8_t *chunk = chunk_for(ids, position);
    if (!chunk) return FS_ID_MEMORY;
    uint32_t at = position % FS_ID_CHUNK;
    chunk[at / 8] |= (uint8_t)(1u << at % 8);
    uint8_t *record = record_in(ids, chunk, position);
    memcpy(record, digest, FS_ID_DIGEST);
    if (ids->record > FS_ID_DIGEST) memcpy(record + FS_ID_DIGEST, payload, ids->record - FS_ID_DIGEST);
    place(ids, t, slot_of(position));
    t->used++;
    ids->count++;
    return 0;
}

int64_t fs_ids_admit(fs_ids *ids, uint64_t position, const uint8_t *digest, const uint8_t *payload) {
    int64_t found = fs_ids_find(ids, digest);
    if (found != FS_ID_NONE) return found;
    int code = fs_ids_put(ids, position, digest, payload);
    return code ? code : FS_ID_NONE;
}

int fs_ids_write(fs_ids *ids, uint64_t position, const uint8_t *payload) {
    uint8_t *chunk = chunk_of(ids, position);
    if (!chunk || !is_set(chunk, position)) return FS_ID_WRONG;
    if (ids->record > FS_ID_DIGEST)
        memcpy(record_in(ids, chunk, position) + FS_ID_DIGEST, payload, ids->record - FS_ID_DIGEST);
    return 0;
}

int fs_ids_forget(fs_ids *ids, uint64_t position) {
    uint8_t *chunk = chunk_of(ids, position);
    if (!chunk || !is_set(chunk, position)) return FS_ID_WRONG;
    unlink_slot(ids, record_in(ids, chunk, position));
    uint32_t at = position % FS_ID_CHUNK;
    chunk[at / 8] &= (uint8_t) ~(1u << at % 8);
    ids->count--;
    return 0;
}

void fs_ids_drop(fs_ids *ids, uint64_t first) {
    uint64_t end = (ids->base + ids->span) * FS_ID_CHUNK;
    for (uint64_t p = ids->first; p < first && p < end;) {
        if (chunk_of(ids, p)) {
            fs_ids_forget(ids, p++);
        } else {
            p = (p / FS_ID_CHUNK + 1) * FS_ID_CHUNK;
        }
    }
    if (first <= ids->first) return;
    ids->first = first;
    size_t gone = 0;
    while (gone < ids->span && (ids->base + gone + 1) * FS_ID_CHUNK <= first) {
        if (ids->chunks[gone]) ids->bytes -= chunk_bytes(ids);
        free(ids->chunks[gone++]);
    }
    ids->span -= gone;
    ids->base = ids->span ? ids->base + gone : first / FS_ID_CHUNK;
    if (gone && ids->span) memmove(ids->chunks, ids->chunks + gone, ids->span * sizeof *ids->chunks);
}

/* --------------------------------------------------------------- snapshot */

size_t fs_ids_chunk(const fs_ids *ids, uint64_t number, uint8_t *out) {
    uint64_t position = number * FS_ID_CHUNK;
    uint8_t *chunk = chunk_of(ids, position);
    if (!chunk) return 0;
    size_t size = BITMAP;
    memcpy(out, chunk, BITMAP);
    for (uint64_t p = position; p < position + FS_ID_CHUNK; p++) {
        if (!is_set(chunk, p)) continue;
        memcpy(out + size, record_in(ids, chunk, p), ids->record);
        size += ids->record;
    }
    return size > BITMAP ? size : 0;
}

int fs_ids_load(fs_ids *ids, uint64_t number, const uint8_t *data, size_t size) {
    if (size <= BITMAP || number > INT64_MAX / FS_ID_CHUNK) return FS_ID_WRONG;
    size_t at = BITMAP;
    for (uint64_t i = 0; i < FS_ID_CHUNK; i++) {
        if (!(data[i / 8] >> i % 8 & 1)) continue;
        if (size - at < ids->record) return FS_ID_WRONG;
        int code = fs_ids_put(ids, number * FS_ID_CHUNK + i, data + at, data + at + FS_ID_DIGEST);
        if (code) return code;
        at += ids->record;
    }
    return at == size ? 0 : FS_ID_WRONG;
}
