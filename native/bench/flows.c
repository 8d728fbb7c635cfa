/* flows.c: see flows.h. */
#include "flows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct flow_shape flow_shapes[] = {
    {"one", 1, 2000, 55, 0, 40, 60},
    {"symbols64", 64, 64000, 55, 0, 40, 60},
    {"deep", 1, 100000, 55, 0, 40, 2000},
    {"replace", 1, 2000, 30, 40, 25, 60},
    {"wide", 1, 2000, 55, 0, 40, 0},
};

const struct flow_shape *flow_named(const char *name) {
    for (size_t i = 0; i < sizeof flow_shapes / sizeof *flow_shapes; i++)
        if (!strcmp(name, flow_shapes[i].name)) return &flow_shapes[i];
    return NULL;
}

uint64_t flow_mix(uint64_t hash, const fs_report *reports, size_t n) {
    const unsigned char *bytes = (const unsigned char *)reports;
    for (size_t i = 0; i < n * sizeof *reports; i += sizeof hash) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 29;
    }
    return hash;
}

#define MOST_REPORTS 4096

struct live {
    uint64_t id;
    uint32_t symbol;
    uint8_t side;
};

struct maker {
    const struct flow_shape *shape;
    uint64_t random;
    fs_engine *engine;
    struct live *live; /* a set; at[] is its index by id */
    size_t count;
    uint32_t *at;
    int64_t *middle; /* of each symbol */
    uint64_t next_id;
};

static void *get(size_t n, size_t size) {
    void *bytes = calloc(n, size);
    if (bytes) return bytes;
    fprintf(stderr, "out of memory\n");
    exit(2);
}

static uint64_t next_random(struct maker *m) { /* xorshift64* */
    m->random ^= m->random >> 12;
    m->random ^= m->random << 25;
    m->random ^= m->random >> 27;
    return m->random * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(struct maker *m, uint64_t n) { return (next_random(m) >> 11) % n; }

static void forget(struct maker *m, uint64_t id) {
    uint32_t at = m->at[id];
    if (!at) return;
    m->live[at - 1] = m->live[--m->count];
    m->at[m->live[at - 1].id] = at;
    m->at[id] = 0;
}

/* Let the flow's own engine do it, and learn which orders are gone. */
static void play(struct maker *m, const fs_command *c) {
    static fs_report reports[MOST_REPORTS];
    size_t begun = 0, consumed, written;
    do {
        written = fs_process(m->engine, c, 1 - begun, &consumed, reports, MOST_REPORTS);
        begun += consumed;
        for (size_t i = 0; i < written; i++)
            if (reports[i].type != FS_ACCEPTED && reports[i].type != FS_REPLACED && !reports[i].leaves)
                forget(m, reports[i].order_id);
    } while (written == MOST_REPORTS);
}

/* Most adds stand near the touch: the smaller of two draws. */
static int64_t away(struct maker *m) {
    if (!m->shape->spread) return (int64_t)(next_random(m) >> 2);
    uint64_t a = below(m, (uint64_t)m->shape->spread), b = below(m, (uint64_t)m->shape->spread);
    return 1 + (int64_t)(a < b ? a : b);
}

static fs_command blank(struct maker *m, uint8_t type) {
    fs_command c;
    memset(&c, 0, sizeof c);
    c.type = type;
    c.symbol = (uint32_t)below(m, m->shape->symbols);
    c.side = (uint8_t)(1 + below(m, 2));
    c.account = 1 + (uint32_t)below(m, 1000);
    c.ord_type = FS_LIMIT;
    c.tif = FS_GTC;
    c.qty = 1 + (int64_t)below(m, 100);
    return c;
}

static int64_t price_for(struct maker *m, const fs_command *c) {
    if (m->shape->spread && below(m, 64) == 0) m->middle[c->symbol] += (int64_t)below(m, 3) - 1;
    int64_t distance = away(m);
    return c->side == FS_BUY ? m->middle[c->symbol] - distance : m->middle[c->symbol] + distance;
}

static fs_command make_add(struct maker *m) {
    fs_command c = blank(m, FS_NEW);
    c.price = price_for(m, &c);
    c.order_id = m->next_id++;
    m->live[m->count] = (struct live){c.order_id, c.symbol, c.side};
    m->at[c.order_id] = (uint32_t)++m->count;
    c.account = 1 + (uint32_t)(c.order_id % 1000);
    return c;
}

static fs_command make_touch(struct maker *m, uint8_t type) {
    const struct live *live = &m->live[below(m, m->count)];
    fs_command c = blank(m, type);
    c.order_id = live->id;
    c.symbol = live->symbol;
    c.side = live->side;
    c.account = 1 + (uint32_t)(c.order_id % 1000);
    if (type == FS_CANCEL) c.price = c.qty = 0;
    else c.price = price_for(m, &c);
    if (type == FS_REPLACE && below(m, 2)) { /* half of them only take quantity off */
        fs_resting now;
        fs_find(m->engine, c.order_id, &now);
        c.price = now.price;
        c.qty = now.filled + 1 + (int64_t)below(m, (uint64_t)now.leaves);
    }
    return c;
}

/* Takes as much as keeps the book at its size. */
static fs_command make_take(struct maker *m) {
    fs_command c = blank(m, FS_NEW);
    c.order_id = m->next_id++;
    c.tif = FS_IOC;
    c.price = c.side == FS_BUY ? FS_MAX_PRICE : -FS_MAX_PRICE;
    c.qty = 1 + (int64_t)below(m, 300 * m->count / m->shape->live + 1);
    return c;
}

static fs_command make(struct maker *m) {
    uint64_t draw = below(m, 100);
    const struct flow_shape *s = m->shape;
    if (draw < s->add || !m->count) return make_add(m);
    if (draw < s->add + s->replace) return make_touch(m, FS_REPLACE);
    if (draw < s->add + s->replace + s->cancel) return make_touch(m, FS_CANCEL);
    return make_take(m);
}

size_t flow_make(const struct flow_shape *shape, uint64_t seed, size_t n, fs_command **commands) {
    size_t most = n + shape->live + 2;
    struct maker m = {.shape = shape, .random = seed * 2 + 1, .engine = fs_new(1u << 22), .next_id = 1};
    if (!m.engine) exit(2);
    m.live = get(most, sizeof *m.live);
    m.at = get(most, sizeof *m.at);
    m.middle = get(shape->symbols, sizeof *m.middle);
    for (uint32_t i = 0; i < shape->symbols; i++) m.middle[i] = shape->spread ? 100000 + 1000 * i : 0;
    fs_command *out = get(most, sizeof *out);
    size_t made = 0;
    for (; made < shape->live + n; made++) {
        out[made] = made < shape->live ? make_add(&m) : make(&m);
        play(&m, &out[made]);
    }
    fs_free(m.engine);
    free(m.live);
    free(m.at);
    free(m.middle);
    *commands = out;
    return shape->live;
}
