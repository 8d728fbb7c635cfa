/* ids.c: millions of random puts, writes, drops and look-ups in src/ids.c beside a plain array; then a snapshot of it; then
 * malloc failing at every site in turn, after which nothing may have changed.
 *
 * Usage: ids SEED STEPS. Run it under ASan. Digests here begin with few bytes alike, so that tables are crowded and
 * empty; positions start where they are told modulo 2^32 - 1 in the index, so that this turns over. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long left = ~0ul; /* allocations until one fails */

static void *counted_malloc(size_t size) { return left-- ? malloc(size) : NULL; }
static void *counted_calloc(size_t n, size_t size) { return left-- ? calloc(n, size) : NULL; }

#define malloc counted_malloc
#define calloc counted_calloc
#include "../src/ids.c"
#undef malloc
#undef calloc

#define PAYLOAD 14u
#define SPAN 60000u
#define START (EMPTY - 20000ull)

typedef struct {
    bool in;
    uint8_t digest[FS_ID_DIGEST], payload[PAYLOAD];
} row;

static row rows[SPAN]; /* by position less START */
static uint64_t random_state;

static uint64_t next(void) {
    random_state += 0x9E3779B97F4A7C15ull;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

static void must(bool so, const char *sentence) {
    if (so) return;
    fprintf(stderr, "not so: %s\n", sentence);
    exit(1);
}

static void draw(uint8_t *digest) {
    uint64_t words[2] = {next(), next()};
    memcpy(digest, words, sizeof words);
    digest[0] %= 3;
    if (next() % 4 == 0) memset(digest + 4, 0xFF, 4); /* the last slot of its table: probing turns over */
}

static void check(const fs_ids *ids, uint64_t position) {
    const row *r = &rows[position - START];
    const uint8_t *record = fs_ids_at(ids, position);
    must(r->in == (record != NULL), "an id is where it was put, until it goes");
    if (!r->in) return;
    must(!memcmp(record, r->digest, FS_ID_DIGEST), "with its digest");
    must(!memcmp(record + FS_ID_DIGEST, r->payload, PAYLOAD), "and its payload");
    must(fs_ids_find(ids, r->digest) == (int64_t)position, "and its digest leads to it");
}

static void check_all(const fs_ids *ids) {
    uint64_t count = 0;
    for (uint64_t p = START; p < START + SPAN; p++) {
        check(ids, p);
        count += rows[p - START].in;
    }
    must(count == fs_ids_count(ids), "as many as were put in and have not left");
}

static fs_ids *copied(const fs_ids *ids) {
    static uint8_t out[BITMAP + FS_ID_CHUNK * (FS_ID_DIGEST + PAYLOAD)];
    fs_ids *copy = fs_ids_new(PAYLOAD, fs_ids_first(ids));
    for (uint64_t n = START / FS_ID_CHUNK; n <= (START + SPAN) / FS_ID_CHUNK; n++) {
        size_t size = fs_ids_chunk(ids, n, out);
        if (!size) continue;
        must(fs_ids_load(copy, n, out, size) == 0, "what a chunk wrote is read again");
        must(fs_ids_load(copy, n, out, size) == FS_ID_WRONG, "but not twice");
        fs_ids *torn = fs_ids_new(PAYLOAD, fs_ids_first(ids));
        must(fs_ids_load(torn, n, out, size - 1) == FS_ID_WRONG, "nor torn");
        fs_ids_free(torn);
    }
    return copy;
}

static void play(unsigned long steps) {
    fs_ids *ids = fs_ids_new(PAYLOAD, START);
    uint64_t first = START, next_position = START;
    uint8_t payload[PAYLOAD], digest[FS_ID_DIGEST];
    for (unsigned long step = 0; step < steps; step++) {
        for (unsigned i = 0; i < PAYLOAD; i++) payload[i] = (uint8_t)next();
        draw(digest);
        uint64_t some = START + next() % SPAN;
        row *r = &rows[some - START];
        switch (next() % 8) {
        case 0:
        case 1:
        case 2: /* the next one, now and then leaving some blank */
            if (next_position < first) next_position = first;
            while (next_position < START + SPAN && rows[next_position - START].in) next_position++;
            if (next_position >= START + SPAN) break;
            r = &rows[next_position - START];
            if (next() % 2) {
                must(fs_ids_put(ids, next_position, digest, payload) == 0, "there is room behind the last");
            } else {
                must(fs_ids_admit(ids, next_position, digest, payload) == FS_ID_NONE, "what is new is let in");
            }
            must(fs_ids_admit(ids, START + SPAN, digest, payload) == (int64_t)next_position, "once");
            must(fs_ids_put(ids, next_position, payload, payload) == FS_ID_WRONG, "a position is taken once");
            must(fs_ids_put(ids, START + SPAN, digest, payload) == FS_ID_WRONG, "a digest is in once");
            r->in = true;
            memcpy(r->digest, digest, sizeof digest);
            memcpy(r->payload, payload, sizeof payload);
            next_position += 1 + (next() % 16 == 0) * (next() % 3) + (next() % 2000 == 0) * 9000;
            break;
        case 3: /* one that was left blank, or has left */
            if (r->in) break;
            int code = fs_ids_put(ids, some, digest, payload);
            must(code == (some < first ? FS_ID_WRONG : 0), "what is blank can be filled, what has left not");
            if (code) break;
            r->in = true;
            memcpy(r->digest, digest, sizeof digest);
            memcpy(r->payload, payload, sizeof payload);
            break;
        case 4:
            must(fs_ids_write(ids, some, payload) == (r->in ? 0 : FS_ID_WRONG), "a payload is written where an id is");
            if (r->in) memcpy(r->payload, payload, sizeof payload);
            break;
        case 5:
            if (next() % 4) break;
            must(fs_ids_forget(ids, some) == (r->in ? 0 : FS_ID_WRONG), "one id goes where one is");
            r->in = false;
            break;
        case 6: { /* as many as come in, over time */
            uint64_t to = first + next() % 6;
            if (to > START + SPAN) to = START + SPAN;
            fs_ids_drop(ids, to);
            for (; first < to; first++) rows[first - START].in = false;
            must(fs_ids_first(ids) == first, "it says where it begins");
            break;
        }
        default:
            check(ids, some);
            must(fs_ids_find(ids, digest) == FS_ID_NONE, "nobody has a digest that was never put in");
        }
        if (step % 20000 == 0) check_all(ids);
    }
    check_all(ids);
    fs_ids *copy = copied(ids);
    check_all(copy);
    fs_ids_free(copy);
    must(fs_ids_put(ids, first - 1, digest, payload) == FS_ID_WRONG, "not below the first");
    must(fs_ids_put(ids, first + EMPTY, digest, payload) == FS_ID_WRONG, "not beyond the index");
    fs_ids_drop(ids, START + 10 * SPAN);
    must(fs_ids_count(ids) == 0, "all can go");
    must(fs_ids_put(ids, START + 10 * SPAN, digest, payload) == 0, "and it goes on from there");
    fs_ids_free(ids);
}

static void starve(void) {
    left = 0;
    must(fs_ids_new(PAYLOAD, 0) == NULL, "without memory there is none");
    for (unsigned long site = 0; site < 60; site++) {
        left = ~0ul;
        fs_ids *ids = fs_ids_new(PAYLOAD, 0);
        left = site;
        for (uint64_t p = 0, failed = 0; p < 2000; p++) {
            uint64_t digest[2] = {next(), next()}, at = p * 300;
            int code = fs_ids_put(ids, at, (uint8_t *)digest, (uint8_t *)rows);
            must(code == 0 || (code == FS_ID_MEMORY && !failed++), "it says once that memory is short");
            if (!code) continue;
            must(fs_ids_count(ids) == p && !fs_ids_at(ids, at), "and has changed nothing");
            must(fs_ids_find(ids, (uint8_t *)digest) == FS_ID_NONE, "and has changed nothing");
            must(fs_ids_put(ids, at, (uint8_t *)digest, (uint8_t *)rows) == 0, "then it goes on");
        }
        left = ~0ul;
        fs_ids_free(ids);
    }
}

int main(int argc, char **argv) {
    random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    play(argc > 2 ? strtoul(argv[2], NULL, 10) : 400000);
    starve();
    puts("ids: all as it should be");
    return 0;
}
