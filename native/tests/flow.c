#include "flow.h"

#include <string.h>

static uint64_t state = 1;

void flow_seed(uint64_t seed) { state = seed * 2 + 1; }

uint64_t below(uint64_t n) { /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    uint64_t word = state * 0x2545f4914f6cdd1dULL;
    return (word ^ word >> 32) % n;
}

/* -------------------------------------------------------------------- scenes */

struct scene small_scene(void) {
    return (struct scene){.ids = 40,
                          .middle = 100,
                          .spread = 5,
                          .symbols = 2,
                          .now_ms = below(60),
                          .weights = {[FS_NEW] = 60, [FS_CANCEL] = 8, [FS_REPLACE] = 14, [FS_QUOTE] = 4, [FS_PRINT] = 4,
                                      [FS_TIME] = 2, [FS_MASS_CANCEL] = 1, [FS_SESSION] = 3, [FS_BANDS] = 1}};
}

struct scene any_scene(uint64_t now_ms) {
    struct scene scene = small_scene();
    scene.now_ms = now_ms;
    scene.symbols = 1 + (uint32_t)below(3);
    scene.middle = below(3) ? 100 + (int64_t)below(3) : (int64_t)below(9) - 4;
    switch (below(6)) {
    case 0: /* a crowd */
        scene.ids = 2500;
        scene.spread = 1 + below(400);
        scene.apart = true;
        memset(scene.weights, 0, sizeof scene.weights);
        scene.weights[FS_NEW] = 300;
        scene.weights[FS_CANCEL] = scene.weights[FS_REPLACE] = 30;
        scene.weights[FS_QUOTE] = scene.weights[FS_PRINT] = 5;
        scene.weights[FS_SESSION] = scene.weights[FS_TIME] = 1;
        break;
    case 1:
        scene.ids = 300;
        scene.spread = 20;
        scene.weights[FS_MASS_CANCEL] = 0;
        break;
    case 2: /* prices anywhere */
        scene.spread = below(2) ? FS_MAX_PRICE / 2 : 1ULL << below(60);
        scene.apart = below(2);
        break;
    default:
        scene.ids = 20 + below(80);
        scene.spread = 1 + below(6);
        for (int type = FS_CANCEL; type <= FS_BANDS; type++) scene.weights[type] = scene.weights[type] * (uint32_t)below(4);
    }
    return scene;
}

/* ------------------------------------------------------------------ commands */

static uint8_t likely_type(const struct scene *scene) {
    uint64_t sum = 0;
    for (int type = FS_NEW; type <= FS_BANDS; type++) sum += scene->weights[type];
    uint64_t at = below(sum);
    uint8_t type = FS_NEW;
    for (; at >= scene->weights[type]; type++) at -= scene->weights[type];
    return type;
}

static int64_t edge(void) {
    static const int64_t edges[] = {0, 1, -1, FS_MAX_QTY, FS_MAX_QTY + 1, FS_MAX_PRICE, FS_MAX_PRICE + 1, -FS_MAX_PRICE,
                                    INT64_MAX, INT64_MIN, FS_MAX_TIPS, 5 * FS_MAX_TIPS, UINT32_MAX, 9999, 10000};
    return PICK(edges);
}

static int64_t likely_price(const struct scene *scene, uint8_t side) {
    if (!below(100)) return edge();
    if (!scene->apart) return scene->middle - (int64_t)scene->spread + (int64_t)below(2 * scene->spread + 1);
    int64_t away = (int64_t)below(scene->spread + 1);
    return scene->middle + (side == FS_BUY ? -1 - away : away);
}

static uint8_t likely_tif(void) {
    static const uint8_t tifs[] = {FS_GTC, FS_GTC, FS_GTC, FS_DAY, FS_GTD, FS_IOC, FS_FOK};
    return PICK(tifs);
}

static void make_new(fs_command *c, const struct scene *scene) {
    static const struct {
        uint8_t ord_type, flags;
    } shapes[] = {
        {FS_LIMIT, 0},
        {FS_LIMIT, 0},
        {FS_LIMIT, 0},
        {FS_LIMIT, FS_POST_ONLY},
        {FS_LIMIT, FS_ALL_OR_NONE},
        {FS_LIMIT, FS_ALL_OR_NONE | FS_POST_ONLY},
        {FS_LIMIT, FS_ICEBERG},
        {FS_LIMIT, FS_ICEBERG | FS_POST_ONLY},
        {FS_MARKET, 0},
        {FS_STOP, 0},
        {FS_STOP_LIMIT, 0},
        {FS_STOP_LIMIT, FS_ICEBERG},
        {FS_MARKET_TO_LIMIT, 0},
        {FS_TRAILING_STOP, 0},
        {FS_TRAILING_STOP, FS_OFFSET_BPS},
    };
    size_t shape = scene->apart && below(8) ? 0 : below(sizeof shapes / sizeof *shapes);
    c->ord_type = shapes[shape].ord_type;
    c->flags = shapes[shape].flags;
    c->tif = scene->apart || c->flags & (FS_POST_ONLY | FS_ALL_OR_NONE | FS_ICEBERG) ? FS_GTC : likely_tif();
    c->stp = (uint8_t)(below(2) ? 0 : below(FS_STP_DECREMENT + 1));
    c->aux_price = likely_price(scene, (uint8_t)(FS_BUY + FS_SELL - c->side)); /* a stop: beyond the market */
    if (c->flags & FS_ICEBERG && c->qty > 0) c->aux_qty = 1 + (int64_t)below((uint64_t)c->qty);
    if (c->ord_type == FS_TRAILING_STOP) c->aux_qty = 1 + (int64_t)below(c->flags ? 900 : 6);
    if (c->tif == FS_GTD || !below(5)) c->time_ms = scene->now_ms + 1 + below(80);
}

static void make_mass_cancel(fs_command *c) {
    c->flags = (uint8_t)below(2);
    c->account = (uint32_t)below(3);
    c->side = (uint8_t)below(3);
    if (!below(8)) c->partition = (uint16_t)(FS_PARTITION_ALL - below(3));
}

fs_command likely_command(const struct scene *scene) {
    fs_command c = {.order_id = 1 + below(scene->ids),
                    .qty = below(100) ? 1 + (int64_t)below(20) : edge(),
                    .aux_qty = (int64_t)below(9),
                    .account = 1 + (uint32_t)below(3),
                    .symbol = (uint32_t)below(scene->symbols),
                    .type = likely_type(scene),
                    .side = (uint8_t)(1 + below(2)),
                    .partition = (uint16_t)below(2)};
    c.price = likely_price(scene, c.side);
    c.aux_price = likely_price(scene, FS_SELL);
    switch (c.type) {
    case FS_NEW: make_new(&c, scene); break;
    case FS_REPLACE: c.flags = (uint8_t)below(4); break;
    case FS_QUOTE:
        c.price = likely_price(scene, FS_BUY);
        c.qty = (int64_t)below(9);
        if (!below(6)) c.aux_price = c.price; /* locked */
        break;
    case FS_TIME: c.time_ms = scene->now_ms; break;
    case FS_MASS_CANCEL: make_mass_cancel(&c); break;
    case FS_SESSION: c.flags = (uint8_t)(below(3) ? FS_CONTINUOUS : below(3)); break;
    case FS_BANDS:
        c.flags = !below(3);
        if (below(4) && c.price > c.aux_price) {
            int64_t low = c.aux_price;
            c.aux_price = c.price;
            c.price = low;
        }
        break;
    }
    return c;
}

/* ------------------------------------------------------------------- changes */

static uint8_t other_code(void) {
    static const uint8_t codes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, FS_MARKET_TO_LIMIT, FS_TRAILING_STOP, 15, 16, 255};
    return PICK(codes);
}

static void change_word(fs_command *c, uint64_t value) {
    memcpy((unsigned char *)c + 8 * below(6), &value, sizeof value);
}

void change_command(fs_command *c) {
    switch (below(8)) {
    case 0: change_word(c, (uint64_t)edge()); break;
    case 1: change_word(c, below(UINT64_MAX >> 12)); break;
    case 2: c->price = (int64_t)((uint64_t)c->price + below(5) - 2); break;
    case 3: c->account = (uint32_t)(below(4) ? below(4) : (uint64_t)edge()); break;
    case 4: c->symbol = (uint32_t)(below(4) ? below(4) : FS_MAX_SYMBOL + below(2)); break;
    case 5: ((unsigned char *)&c->type)[below(6)] = other_code(); break;
    case 6: c->partition = (uint16_t)(below(2) ? below(3) : FS_PARTITION_ALL - below(3)); break;
    default: ((unsigned char *)c)[below(64)] ^= (unsigned char)(1u << below(8)); break;
    }
}
