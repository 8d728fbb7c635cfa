/* forged.c: snapshots whose checksum is right and whose content no engine would have written are refused, one
 * for each rule, and change nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "../src/internal.h"

/* Words of the format in src/snapshot.c. */
enum { CLOCK = 1, FIRST_BOOK = 4 };
enum { SYMBOL, STATE, REFERENCE, LOW, HIGH, LAST_PRICE, LAST_QTY, VOLUME, TRADES, TURNOVER_LOW, TURNOVER_HIGH, BOOK_END = 15 };
enum { ID, PRICE, LEAVES, FILLED, EXPIRY, WHO, ICE_DISPLAY, ICE_HIDDEN, STOP_LIMIT = ICE_DISPLAY, STOP_OFFSET };

/* Where words count from: the beginning, a book, an order. The first book has every kind of order and no trades, the
 * last has traded 3 lots at 100 and nothing else. Orders are found by these ids; the house's bid has none, it stands
 * behind DATED. */
enum { HEAD, ORDERS, TRADED, PLAIN = 0x5eed0001, DATED, ICEBERG, WHOLE, ASK, STOP_BUY, STOP_SELL, TRAIL_BUY, TRAIL_SELL, HOUSE };
#define ORDER_WORDS 6

#define BITS(bits) ((uint64_t)(bits) << 48)
#define TIF(from, to) ((uint64_t)((from) ^ (to)) << 56)
#define STP(stp) ((uint64_t)(stp) << 60)
#define PARTITION(from, to) ((uint64_t)((from) ^ (to)) << 32)
#define TURN(from, to) ((uint64_t)(from) ^ (uint64_t)(to)) /* from one value to another */

struct forgery {
    const char *rule;
    uint64_t from;
    struct {
        unsigned word;
        uint64_t turn; /* bits to turn over */
    } changes[2];
};

static const struct forgery forgeries[] = {
    {"the clock is before every expiry", HEAD, {{CLOCK, TURN(10, 50)}}},
    {"a symbol is at most FS_MAX_SYMBOL", ORDERS, {{SYMBOL, TURN(0, 65536)}}},
    {"a session is one of three", ORDERS, {{STATE, 3}}},
    {"a state has no other bits", ORDERS, {{STATE, 4}}},
    {"a state has no higher bits", ORDERS, {{STATE, 512}}},
    {"without bands there is no lowest price", ORDERS, {{LOW, TURN(0, -5)}}},
    {"the lowest price is not above the highest", ORDERS, {{STATE, 256}, {LOW, 5}}},
    {"a reference is a price", ORDERS, {{STATE, FS_AUCTION}, {REFERENCE, 1ULL << 63}}},
    {"a running book has no reference", ORDERS, {{REFERENCE, 7}}},
    {"no stop waits that was to follow a trade", ORDERS, {{TRADES, 1}}},
    {"each trade has a lot or more", TRADED, {{TRADES, TURN(1, 4)}}},
    {"a last trade has a price", TRADED, {{LAST_PRICE, 1ULL << 63}}},
    {"a last trade has a quantity", TRADED, {{LAST_QTY, 3}}},
    {"a last trade is at most FS_MAX_QTY", TRADED, {{LAST_QTY, 1ULL << 60}, {VOLUME, 1ULL << 61}}},
    {"the volume has the last trade in it", TRADED, {{LAST_QTY, TURN(3, 4)}}},
    {"no lot traded above FS_MAX_PRICE", TRADED, {{TURNOVER_HIGH, 1}}},
    {"no lot traded below -FS_MAX_PRICE", TRADED, {{TURNOVER_HIGH, INT64_MIN}}},
    {"without trades there is no last one", TRADED, {{TRADES, 1}}},
    {"an order has an id", PLAIN, {{ID, PLAIN}}},
    {"an id is there once", PLAIN, {{ID, PLAIN ^ DATED}}},
    {"a price is within its range", PLAIN, {{PRICE, 1ULL << 62}}},
    {"the best price comes first", PLAIN, {{PRICE, TURN(92, 60)}}},
    {"bids are below asks", PLAIN, {{PRICE, TURN(92, 112)}}},
    {"an order is open", PLAIN, {{LEAVES, 5}}},
    {"an order is at most FS_MAX_QTY", PLAIN, {{LEAVES, 1ULL << 60}}},
    {"nobody has filled less than nothing", PLAIN, {{FILLED, 1ULL << 63}}},
    {"what is filled and what is open are at most FS_MAX_QTY", PLAIN, {{FILLED, FS_MAX_QTY - 4}}},
    {"an order has an account", PLAIN, {{WHO, 1}}},
    {"an order has an account partition", PLAIN, {{WHO, PARTITION(0, FS_PARTITION_NONE)}}},
    {"a client is not the house", PLAIN, {{WHO, BITS(BIT_HOUSE)}}},
    {"a resting order is not dormant", PLAIN, {{WHO, BITS(BIT_DORMANT)}}},
    {"a resting order trails nothing", PLAIN, {{WHO, BITS(BIT_TRAILING)}}},
    {"a resting order has no offset in basis points", PLAIN, {{WHO, BITS(BIT_BPS)}}},
    {"a resting order has a limit", PLAIN, {{WHO, BITS(BIT_MARKET)}}},
    {"a resting order lasts", PLAIN, {{WHO, TIF(FS_GTC, FS_IOC)}}},
    {"a time in force is one of five", PLAIN, {{WHO, TIF(FS_GTC, 2)}}},
    {"a prevention is one of five", PLAIN, {{WHO, STP(5)}}},
    {"an order until a date has one", DATED, {{EXPIRY, 50}}},
    {"nothing rests past its expiry", DATED, {{EXPIRY, TURN(50, 10)}}},
    {"an iceberg shows something", ICEBERG, {{ICE_HIDDEN, TURN(17, 20)}}},
    {"an iceberg hides nothing negative", ICEBERG, {{ICE_HIDDEN, 1ULL << 63}}},
    {"an iceberg shows at most its display", ICEBERG, {{ICE_HIDDEN, TURN(17, 16)}}},
    {"an iceberg has a display", ICEBERG, {{ICE_DISPLAY, 3}}},
    {"an iceberg is at most FS_MAX_TIPS of it", ICEBERG, {{LEAVES, 1 << 20}, {ICE_HIDDEN, 1 << 20}}},
    {"an iceberg trades in parts", ICEBERG, {{WHO, BITS(BIT_AON)}}},
    {"a stop is dormant", STOP_BUY, {{WHO, BITS(BIT_DORMANT)}}},
    {"a stop's limit is a price", STOP_BUY, {{STOP_LIMIT, 1ULL << 62}}},
    {"a stop's price is one", STOP_BUY, {{PRICE, 1ULL << 62}}},
    {"a stop is not post-only", STOP_BUY, {{WHO, BITS(BIT_POST_ONLY)}}},
    {"a stop is not all-or-none", STOP_BUY, {{WHO, BITS(BIT_AON)}}},
    {"a stop that does not trail has no offset", STOP_BUY, {{STOP_OFFSET, 1}}},
    {"a stop that does not trail has no basis points", STOP_BUY, {{WHO, BITS(BIT_BPS)}}},
    {"a stop with a limit does not trail", STOP_BUY, {{WHO, BITS(BIT_TRAILING)}, {STOP_OFFSET, 1}}},
    {"a stop without a limit has none", STOP_SELL, {{STOP_LIMIT, 7}}},
    {"a trailing stop has an offset", TRAIL_BUY, {{STOP_OFFSET, 3}}},
    {"a trailing stop's offset is at most FS_MAX_PRICE", TRAIL_BUY, {{STOP_OFFSET, 1ULL << 62}}},
    {"a trailing stop's offset is below 10 000 basis points", TRAIL_SELL, {{STOP_OFFSET, TURN(3, 10000)}}},
    {"a trailing buy stop is at no price that means something else", TRAIL_BUY, {{PRICE, TURN(INT64_MAX, INT64_MIN)}}},
    {"nor at the next", TRAIL_BUY, {{PRICE, TURN(INT64_MAX, INT64_MIN + 1)}}},
    {"a trailing sell stop neither", TRAIL_SELL, {{PRICE, TURN(INT64_MIN, INT64_MAX)}}},
    {"nor at the next", TRAIL_SELL, {{PRICE, TURN(INT64_MIN, INT64_MAX - 1)}}},
    {"nor at the last but one", TRAIL_SELL, {{PRICE, TURN(INT64_MIN, INT64_MIN + 1)}}},
    {"the house has no id", HOUSE, {{ID, 1}}},
    {"what the house has filled and has open is at most FS_MAX_QTY", HOUSE, {{FILLED, FS_MAX_QTY - 4}}},
    {"the house has no account", HOUSE, {{WHO, 1}}},
    {"the house has no expiry", HOUSE, {{EXPIRY, 99}}},
    {"the house is in no partition", HOUSE, {{WHO, PARTITION(FS_PARTITION_NONE, 0)}}},
    {"the house's orders have no flags", HOUSE, {{WHO, BITS(BIT_POST_ONLY)}}},
    {"the house's orders have no time in force", HOUSE, {{WHO, TIF(0, FS_GTC)}}},
    {"the house's orders prevent nothing", HOUSE, {{WHO, STP(1)}}},
};

static void must(bool so, const char *sentence) {
    if (so) return;
    fprintf(stderr, "not so: %s\n", sentence);
    exit(1);
}

/* The checksum of src/snapshot.c. */
static void seal(uint64_t *words, size_t n) {
    uint64_t hash = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 29;
    }
    words[n - 1] = hash;
}

static fs_engine *book_of_everything(void) {
    static const fs_command commands[] = {
        {.type = FS_TIME, .time_ms = 10},
        {.type = FS_PRINT, .symbol = 1, .side = FS_BUY, .price = 100, .qty = 3},
        {.type = FS_QUOTE, .price = 80, .qty = 9, .aux_price = 130, .aux_qty = 9},
        {.type = FS_NEW, .order_id = PLAIN, .side = FS_BUY, .price = 92, .qty = 5},
        {.type = FS_NEW, .order_id = DATED, .side = FS_BUY, .price = 90, .qty = 5, .tif = FS_GTD, .time_ms = 50},
        {.type = FS_NEW, .order_id = ICEBERG, .side = FS_BUY, .price = 91, .qty = 20, .aux_qty = 3, .flags = FS_ICEBERG},
        {.type = FS_NEW, .order_id = WHOLE, .side = FS_SELL, .price = 110, .qty = 5, .flags = FS_ALL_OR_NONE},
        {.type = FS_NEW, .order_id = ASK, .side = FS_SELL, .price = 111, .qty = 5},
        {.type = FS_NEW, .order_id = STOP_BUY, .side = FS_BUY, .price = 125, .qty = 5, .aux_price = 120,
         .ord_type = FS_STOP_LIMIT},
        {.type = FS_NEW, .order_id = STOP_SELL, .side = FS_SELL, .qty = 5, .aux_price = 70, .ord_type = FS_STOP},
        {.type = FS_NEW, .order_id = TRAIL_BUY, .side = FS_BUY, .qty = 5, .aux_qty = 3, .ord_type = FS_TRAILING_STOP},
        {.type = FS_NEW, .order_id = TRAIL_SELL, .side = FS_SELL, .qty = 5, .aux_qty = 3, .ord_type = FS_TRAILING_STOP,
         .flags = FS_OFFSET_BPS},
    };
    fs_engine *engine = fs_new(100);
    must(engine != NULL, "there is memory for an engine");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        fs_command c = commands[i];
        fs_report report;
        size_t consumed;
        if (c.type == FS_NEW) c.account = 1;
        if (c.type == FS_NEW && !c.ord_type) c.ord_type = FS_LIMIT;
        if (c.type == FS_NEW && !c.tif) c.tif = FS_GTC;
        size_t n = fs_process(engine, &c, 1, &consumed, &report, 1);
        if (n) (void)fs_process(engine, &c, 0, &consumed, &report, 1);
        must(!n || report.type != FS_REJECTED, "the book takes each command");
    }
    return engine;
}

/* Where the words of a forgery count from. */
static size_t start_of(const uint64_t *words, size_t n, uint64_t from) {
    size_t at = 0;
    if (from == HEAD) return 0;
    if (from == ORDERS) return FIRST_BOOK;
    if (from == TRADED) return n - 1 - BOOK_END;
    if (from == HOUSE) return start_of(words, n, DATED) + ORDER_WORDS;
    while (at < n && words[at] != from) at++;
    must(at < n, "an order's id is in the snapshot");
    return at;
}

static void refuse_forgery(fs_engine *engine, const uint64_t *words, size_t n, const struct forgery *f) {
    uint64_t *forged = malloc(n * sizeof *forged), hash = fs_state_hash(engine);
    must(forged != NULL, "the test has memory");
    memcpy(forged, words, n * sizeof *forged);
    for (size_t i = 0; i < 2; i++) forged[start_of(words, n, f->from) + f->changes[i].word] ^= f->changes[i].turn;
    seal(forged, n);
    must(fs_restore(engine, forged, n * sizeof *forged) == FS_BAD_SNAPSHOT, f->rule);
    must(fs_state_hash(engine) == hash, "what is refused changes nothing");
    free(forged);
}

int main(void) {
    fs_engine *engine = book_of_everything();
    size_t size = fs_snapshot_size(engine), n = size / sizeof(uint64_t);
    uint64_t *words = malloc(size);
    must(words && fs_snapshot_save(engine, words, size) == size, "a snapshot is written");
    uint64_t checksum = words[n - 1];
    seal(words, n);
    must(words[n - 1] == checksum && fs_restore(engine, words, size) == FS_OK, "the forger's checksum is the engine's");
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) refuse_forgery(engine, words, n, &forgeries[i]);
    fs_free(engine);
    free(words);
    return 0;
}
