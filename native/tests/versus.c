/* versus.c: a long flow through the engine and through a book that is one sorted list, report by report.
 *
 * usage: versus SEED COMMANDS. The list book knows limit and market orders, IOC, FOK, icebergs, cancels,
 * replacements and cancel-resting prevention; the Python book in tests/property knows every rule. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fillstream.h"

#define SYMBOLS 3u
#define MOST_REPORTS 65536
#define LIFETIME 3001u /* commands after which an order is cancelled */

struct node {
    uint64_t id;
    int64_t price, leaves, shown, filled, display;
    uint32_t account, symbol;
    uint8_t side, stp;
    struct node *next; /* behind it in the queue of its side */
};

static struct node *heads[SYMBOLS][2]; /* best price first, oldest first */
static struct node **by_id;
static fs_report expected[MOST_REPORTS], reports[MOST_REPORTS];
static size_t expected_count;
static uint64_t matches, state;

static uint64_t below(uint64_t n) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1dULL >> 11) % n;
}

static fs_report *say(const struct node *o, uint8_t type, int64_t price, int64_t qty, int64_t leaves) {
    fs_report *r = &expected[expected_count++];
    *r = (fs_report){.order_id = o->id, .price = price, .qty = qty, .leaves = leaves, .account = o->account,
                     .symbol = o->symbol, .type = type, .side = o->side};
    return r;
}

static struct node **head_of(const struct node *o, int other) { return &heads[o->symbol][(o->side - 1) ^ other]; }

static int better(const struct node *a, const struct node *b) {
    return a->side == FS_BUY ? a->price > b->price : a->price < b->price;
}

static void insert(struct node *o) {
    struct node **at = head_of(o, 0);
    while (*at && !better(o, *at)) at = &(*at)->next;
    o->next = *at;
    *at = o;
}

static void unlink_node(struct node *o) {
    struct node **at = head_of(o, 0);
    while (*at != o) at = &(*at)->next;
    *at = o->next;
}

static void drop(struct node *o) {
    by_id[o->id] = NULL;
    free(o);
}

static void off(struct node *o, int64_t price, uint8_t reason) {
    say(o, FS_CANCELED, price, o->leaves, 0)->reason = reason;
}

static int reaches(const struct node *taker, const struct node *maker, int market) {
    return market || (taker->side == FS_BUY ? maker->price <= taker->price : maker->price >= taker->price);
}

static void show(struct node *o) { o->shown = o->display && o->display < o->leaves ? o->display : o->leaves; }

static void take(struct node *taker, int market) {
    for (struct node *maker; taker->leaves && (maker = *head_of(taker, 1)) && reaches(taker, maker, market);) {
        if (taker->stp && maker->account == taker->account) {
            off(maker, maker->price, FS_REASON_SELF_TRADE);
            unlink_node(maker);
            drop(maker);
            continue;
        }
        int64_t qty = maker->shown < taker->leaves ? maker->shown : taker->leaves, price = maker->price;
        maker->leaves -= qty;
        maker->filled += qty;
        maker->shown -= qty;
        taker->leaves -= qty;
        taker->filled += qty;
        matches++;
        int used_up = !maker->shown;
        if (used_up) show(maker);
        fs_report *r = say(maker, FS_FILLED, price, qty, maker->leaves);
        r->match_id = matches;
        r->flags = FS_FLAG_MAKER;
        r->aux = maker->display && maker->leaves ? maker->shown : 0;
        r = say(taker, FS_FILLED, price, qty, taker->leaves);
        r->match_id = matches;
        r->flags = FS_FLAG_TAKER;
        if (!used_up) continue;
        unlink_node(maker);
        if (maker->leaves) insert(maker);
        else drop(maker);
    }
}

static int could_fill(const struct node *taker, int market) {
    int64_t left = taker->leaves;
    for (struct node *o = *head_of(taker, 1); o && left > 0 && reaches(taker, o, market); o = o->next)
        if (!taker->stp || o->account != taker->account) left -= o->leaves;
    return left <= 0;
}

static void refuse(const fs_command *c, uint8_t type, uint8_t reason) {
    expected[expected_count++] = (fs_report){.order_id = c->order_id, .price = c->price, .qty = c->qty,
                                             .account = c->account, .symbol = c->symbol, .type = type,
                                             .side = c->side, .reason = reason};
}

static void naive_new(const fs_command *c) {
    int market = c->ord_type == FS_MARKET;
    if (by_id[c->order_id]) {
        refuse(c, FS_REJECTED, FS_REASON_DUPLICATE_ID);
        return;
    }
    struct node *o = calloc(1, sizeof *o);
    if (!o) exit(2);
    *o = (struct node){.id = c->order_id, .price = market ? 0 : c->price, .leaves = c->qty, .account = c->account,
                       .symbol = c->symbol, .side = c->side, .stp = c->stp,
                       .display = c->flags & FS_ICEBERG ? c->aux_qty : 0};
    by_id[o->id] = o;
    say(o, FS_ACCEPTED, o->price, o->leaves, o->leaves)->aux = o->display;
    if (c->tif == FS_FOK && !could_fill(o, market)) {
        off(o, o->price, FS_REASON_FOK_KILLED);
        drop(o);
        return;
    }
    take(o, market);
    if (o->leaves && !market && c->tif == FS_GTC) {
        show(o);
        insert(o);
        return;
    }
    if (o->leaves) off(o, o->price, market ? FS_REASON_NO_LIQUIDITY : FS_REASON_IOC_REMAINDER);
    drop(o);
}

static void naive_replace(const fs_command *c, struct node *o) {
    int64_t leaves = c->qty - o->filled;
    if (leaves <= 0) {
        off(o, o->price, FS_REASON_REPLACED_BELOW_FILLED);
        unlink_node(o);
        drop(o);
        return;
    }
    int stays = c->price == o->price && leaves <= o->leaves;
    if (!stays) unlink_node(o);
    o->leaves = leaves;
    o->price = c->price;
    if (stays && o->shown > leaves) o->shown = leaves;
    say(o, FS_REPLACED, o->price, c->qty, leaves)->aux = o->display;
    if (stays) return;
    take(o, 0);
    if (!o->leaves) {
        drop(o);
        return;
    }
    show(o);
    insert(o);
}

static void naive(const fs_command *c) {
    expected_count = 0;
    if (c->type == FS_NEW) {
        naive_new(c);
        return;
    }
    struct node *o = by_id[c->order_id];
    uint8_t type = c->type == FS_CANCEL ? FS_CANCEL_REJECTED : FS_REPLACE_REJECTED;
    if (!o || o->account != c->account) {
        refuse(c, type, o ? FS_REASON_NOT_OWNER : FS_REASON_UNKNOWN_ORDER);
    } else if (c->type == FS_REPLACE) {
        naive_replace(c, o);
    } else {
        off(o, o->price, FS_REASON_REQUESTED);
        unlink_node(o);
        drop(o);
    }
}

static fs_command next_command(uint64_t n) {
    uint64_t kind = below(100), recent = n > LIFETIME ? n - 1 - below(LIFETIME - 1) : 1 + below(n + 1);
    fs_command c = {.order_id = n, .qty = 1 + (int64_t)below(60), .type = FS_NEW, .ord_type = FS_LIMIT, .tif = FS_GTC};
    c.symbol = (uint32_t)below(SYMBOLS);
    c.side = (uint8_t)(1 + below(2));
    c.account = 1 + (uint32_t)below(4);
    c.price = 1000 + (c.side == FS_BUY ? -1 : 1) * ((int64_t)below(80) - 4) + (int64_t)(n / 20000 % 100);
    if (below(50) == 0) c.price = (int64_t)(below(UINT64_MAX >> 1) >> 1) * (c.side == FS_BUY ? -1 : 1);
    c.stp = below(4) ? FS_STP_NONE : FS_STP_CANCEL_RESTING;
    if (n % 2 && n > LIFETIME) { /* every order is cancelled in the end: the list stays short */
        recent = kind < 70 || !(recent % 2) ? n - LIFETIME : recent;
        kind = recent == n - LIFETIME ? 0 : 30;
    } else if (kind < 25) {
        kind = 30;
    }
    if (kind < 35) {
        c.order_id = recent;
        c.type = kind < 25 ? FS_CANCEL : FS_REPLACE;
        c.stp = 0;
        if (by_id[recent] && below(20)) c.account = by_id[recent]->account;
    } else if (kind < 42) {
        c.tif = kind < 39 ? FS_IOC : FS_FOK;
    } else if (kind < 45) {
        c.ord_type = FS_MARKET;
        c.price = 0;
    } else if (kind < 52) {
        c.flags = FS_ICEBERG;
        c.aux_qty = 1 + (int64_t)below((uint64_t)c.qty);
    }
    return c;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    state = strtoull(argv[1], NULL, 10) * 2 + 1;
    uint64_t count = strtoull(argv[2], NULL, 10), batch_at = 0;
    by_id = calloc(count + 2, sizeof *by_id);
    fs_engine *engine = fs_new(1u << 20), *batched = fs_new(1u << 20);
    static fs_command batch[512];
    static fs_report both[MOST_REPORTS];
    if (!by_id || !engine || !batched) return 2;
    for (uint64_t n = 1; n <= count; n++) {
        fs_command c = next_command(n);
        size_t consumed, written = fs_process(engine, &c, 1, &consumed, reports, MOST_REPORTS);
        naive(&c);
        if (written != expected_count || memcmp(reports, expected, written * sizeof *reports)) {
            fprintf(stderr, "command %llu of seed %s: the engine's reports are not the list book's\n",
                    (unsigned long long)n, argv[1]);
            return 1;
        }
        batch[batch_at++] = c;
        if (batch_at == 512) { /* the same in one call: the look-ahead changes nothing */
            if (fs_process(batched, batch, 512, &consumed, both, MOST_REPORTS) == MOST_REPORTS) return 2;
            batch_at = 0;
            if (n % (512 * 64) == 0 && (fs_state_hash(batched) != fs_state_hash(engine) || fs_validate(engine))) {
                fprintf(stderr, "command %llu of seed %s: %s\n", (unsigned long long)n, argv[1],
                        fs_validate(engine) ? fs_validate(engine) : "a batch gives another state");
                return 1;
            }
        }
    }
    printf("%llu commands agree, %u orders rest\n", (unsigned long long)count, fs_orders(engine));
    for (uint64_t id = 1; id <= count; id++) free(by_id[id]);
    free(by_id);
    fs_free(engine);
    fs_free(batched);
    return 0;
}
