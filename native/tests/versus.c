/* versus.c: a long flow of every kind of command through the engine and through a book of plain lists, which
 * must agree in every byte of every report, and in what can be asked of them between.
 *
 * usage: versus SEED COMMANDS EVERY. One engine gets the commands one by one, the other in arrays; both with
 * output buffers of any size, and both go through a snapshot now and then. After each EVERY commands the first
 * engine is validated and its queries are compared with the lists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "listbook/listbook.h"

#define MAX_ORDERS 800u /* few enough for lists */
#define CROWD 20000u    /* orders from which on the engine looks ahead, and more */
#define MAX_BATCH 600u
#define WIDE 64u
#define SYMBOLS 3u
#define SCENE 1500u /* commands */

struct answers {
    fs_report *reports;
    size_t n, room;
};

struct contest {
    uint32_t max_orders;
    fs_engine *one_by_one, *in_arrays;
    struct listbook *lists;
    struct answers actual, expected, expected_of_batch;
    fs_command *batch; /* for the second engine */
    size_t batched, batch_size;
    unsigned long long done;
};

/* ------------------------------------------------------------------- answers */

static fs_report *more(struct answers *a, size_t n) {
    if (a->room - a->n < n) a->reports = lb_memory(a->reports, (a->room = 2 * a->room + n) * sizeof *a->reports);
    return a->reports + a->n;
}

static void append(struct answers *a, const fs_report *reports, size_t n) {
    if (n) memcpy(more(a, n), reports, n * sizeof *reports);
    a->n += n;
}

static void print_reports(const char *whose, const struct answers *a, size_t from) {
    for (size_t i = from; i < a->n && i < from + 4; i++) {
        const fs_report *r = &a->reports[i];
        fprintf(stderr, "  %s %zu: type %u side %u reason %u flags %u partition %u id %llu price %lld qty %lld leaves %lld "
                        "aux %lld match %llu account %u symbol %u\n",
                whose, i, r->type, r->side, r->reason, r->flags, r->partition, (unsigned long long)r->order_id,
                (long long)r->price, (long long)r->qty, (long long)r->leaves, (long long)r->aux,
                (unsigned long long)r->match_id, r->account, r->symbol);
    }
}

static void fail(const struct contest *t, const char *sentence) {
    fprintf(stderr, "after %llu commands: not so: %s\n", t->done, sentence);
    exit(1);
}

static void same_reports(const struct contest *t, const struct answers *expected, const char *sentence) {
    size_t at = 0, n = t->actual.n < expected->n ? t->actual.n : expected->n;
    while (at < n && !memcmp(&t->actual.reports[at], &expected->reports[at], sizeof(fs_report))) at++;
    if (at == t->actual.n && at == expected->n) return;
    print_reports("lists ", expected, at);
    print_reports("engine", &t->actual, at);
    fail(t, sentence);
}

/* ------------------------------------------------------------------- engines */

static fs_engine *new_engine(uint32_t max_orders) {
    fs_engine *engine = fs_new(max_orders);
    if (!engine) exit(2);
    return engine;
}

/* All reports of commands[0..n), with output buffers of one size. */
static void process(struct contest *t, fs_engine *engine, const void *commands, size_t n) {
    const unsigned char *bytes = commands;
    size_t capacity = 1 + below(below(4) ? WIDE : 3), begun = 0, consumed, written;
    t->actual.n = 0;
    do {
        written = fs_process(engine, bytes + begun * sizeof(fs_command), n - begun, &consumed,
                             more(&t->actual, capacity), capacity);
        begun += consumed;
        t->actual.n += written;
    } while (written == capacity);
    if (begun != n) fail(t, "every command is begun");
}

/* Another engine with the state that the first one saved. */
static fs_engine *restored(const struct contest *t, fs_engine *engine) {
    size_t size = fs_snapshot_size(engine);
    unsigned char *bytes = lb_memory(NULL, size);
    uint64_t hash = fs_state_hash(engine);
    if (fs_snapshot_save(engine, bytes, size) != size) fail(t, "a snapshot is written");
    fs_engine *other = new_engine(t->max_orders);
    if (fs_restore(other, bytes, size) != FS_OK) fail(t, "a snapshot can be restored");
    if (fs_state_hash(other) != hash) fail(t, "a snapshot is the whole state");
    free(bytes);
    fs_free(engine);
    return other;
}

/* The second engine gets what has come since the last time. */
static void flush(struct contest *t) {
    unsigned char *moved = lb_memory(NULL, t->batched * sizeof(fs_command) + 1); /* at any address */
    size_t odd = below(2);
    if (t->batched) memcpy(moved + odd, t->batch, t->batched * sizeof(fs_command));
    process(t, t->in_arrays, moved + odd, t->batched);
    free(moved);
    same_reports(t, &t->expected_of_batch, "an array of commands is answered as the lists do");
    if (fs_state_hash(t->in_arrays) != fs_state_hash(t->one_by_one)) fail(t, "both engines are in the same state");
    if (!below(8)) t->in_arrays = restored(t, t->in_arrays);
    t->batched = t->expected_of_batch.n = 0;
    t->batch_size = 1 + below(MAX_BATCH);
}

/* Let a cancel or a replacement mean one of the orders that there are. */
static void aim(const struct listbook *lists, fs_command *c) {
    uint64_t clients = lb_clients(lists), at = clients ? below(clients) : 0;
    const struct listed *order = NULL;
    for (const struct listed_symbol *symbol = lists->symbols; symbol && clients; symbol = symbol->next)
        for (int i = 0; i < LISTS; i++)
            for (const struct listed *next = symbol->lists[i]; next; next = next->next)
                if (!lb_house(next) && at-- == 0) order = next;
    if (!order) return;
    c->order_id = order->id;
    c->account = order->account;
    if (!order->dormant && below(4)) c->flags &= (uint8_t)~FS_NEW_STOP;
    if (below(2)) c->price = order->price;
    if (below(2)) c->qty = order->filled + 1 + (int64_t)below((uint64_t)order->leaves + 1);
}

/* Every scene begins without orders, sessions and bands of the one before. */
static fs_command opening(uint64_t step) {
    fs_command c = {.type = step == 0 ? FS_MASS_CANCEL : step <= SYMBOLS ? FS_SESSION : FS_BANDS};
    if (step) c.symbol = (uint32_t)(step - 1) % SYMBOLS;
    return c;
}

static fs_command next_command(const struct contest *t, struct scene *scene) {
    if (t->done % SCENE == 0) *scene = any_scene(t->done);
    if (t->done % SCENE <= 2 * SYMBOLS) return opening(t->done % SCENE);
    fs_command c = likely_command(scene);
    bool about = c.type == FS_CANCEL || c.type == FS_REPLACE;
    if (about && below(5)) aim(t->lists, &c);
    for (uint64_t tries = below(4); c.type == FS_NEW && tries && lb_find(t->lists, c.order_id); tries--)
        c.order_id = 1 + below(scene->ids);
    if (!below(60)) change_command(&c);
    scene->now_ms += below(4) == 0;
    if (c.type == FS_TIME && c.time_ms > scene->now_ms) c.time_ms = scene->now_ms; /* else nothing lasts any more */
    return c;
}

static void execute(struct contest *t, const fs_command *c) {
    lb_process(t->lists, c);
    t->expected.n = 0;
    append(&t->expected, t->lists->reports, t->lists->count);
    append(&t->expected_of_batch, t->lists->reports, t->lists->count);
    process(t, t->one_by_one, c, 1);
    t->done++;
    same_reports(t, &t->expected, "a command is answered as the lists do");
    t->batch[t->batched++] = *c;
    if (t->batched == t->batch_size) flush(t);
    if (!below(1000)) t->one_by_one = restored(t, t->one_by_one);
}

static void examine(struct contest *t, const fs_command *c) {
    const char *broken = fs_validate(t->one_by_one);
    if (broken) fail(t, broken);
    broken = lb_difference(t->lists, t->one_by_one, c->symbol, c->price, c->qty);
    if (broken) fail(t, broken);
}

static struct contest begin(uint32_t max_orders) {
    return (struct contest){.max_orders = max_orders,
                            .one_by_one = new_engine(max_orders),
                            .in_arrays = new_engine(max_orders),
                            .lists = lb_new(max_orders),
                            .batch = lb_memory(NULL, MAX_BATCH * sizeof(fs_command)),
                            .batch_size = MAX_BATCH};
}

static void end(struct contest *t) {
    flush(t);
    printf("%llu commands agree, %llu trades, %u orders rest\n", t->done, (unsigned long long)t->lists->matches,
           fs_orders(t->one_by_one));
    fs_free(t->one_by_one);
    fs_free(t->in_arrays);
    lb_free(t->lists);
    free(t->batch);
    free(t->actual.reports);
    free(t->expected.reports);
    free(t->expected_of_batch.reports);
}

/* Any scene after any other. */
static void long_flow(unsigned long long count, unsigned long long every) {
    struct contest contest = begin(MAX_ORDERS);
    struct scene scene;
    while (contest.done < count) {
        fs_command c = next_command(&contest, &scene);
        execute(&contest, &c);
        if (contest.done % every == 0) examine(&contest, &c);
    }
    end(&contest);
}

static fs_command at_the_limit(const struct contest *t, const struct scene *scene, uint8_t side) {
    static const int64_t qtys[] = {1, FS_MAX_SIDE_QTY % FS_MAX_QTY, FS_MAX_SIDE_QTY % FS_MAX_QTY + 1, FS_MAX_QTY};
    fs_command c = likely_command(scene);
    c.side = side;
    c.qty = PICK(qtys);
    if (c.type == FS_QUOTE) c.aux_qty = side == FS_SELL ? c.qty : 0;
    if (c.type == FS_QUOTE && side == FS_SELL) c.qty = 0;
    if (c.type == FS_NEW) c.order_id = t->done + 1;
    else c.account = 1;
    if (c.type == FS_REPLACE) {
        c.order_id = t->done - below(t->done % 200 + 1); /* the newest have the odd quantities */
        c.flags = (uint8_t)below(2);
    }
    return c;
}

/* A side with as many lots as it may hold, or almost. */
static void full_side(uint8_t side) {
    uint64_t full = FS_MAX_SIDE_QTY / FS_MAX_QTY;
    struct contest contest = begin((uint32_t)full + 1000);
    struct scene scene = {.ids = full, .middle = 100, .spread = 5, .symbols = 1, .apart = true,
                          .weights = {[FS_NEW] = 30, [FS_CANCEL] = 1, [FS_REPLACE] = 30, [FS_QUOTE] = 5}};
    while (contest.done < full + 1000) {
        fs_command c = {.order_id = contest.done + 1, .price = 99, .qty = FS_MAX_QTY, .account = 1, .type = FS_NEW,
                        .side = side, .ord_type = FS_LIMIT, .tif = FS_GTC};
        if (contest.done >= full) c = at_the_limit(&contest, &scene, side);
        execute(&contest, &c);
    }
    const char *broken = fs_validate(contest.one_by_one);
    if (broken) fail(&contest, broken);
    end(&contest);
}

/* Orders far from everything else. The lists get them by hand: each is the best so far, so nothing is walked. */
static void let_in(struct contest *t, uint32_t symbol) {
    fs_command *commands = lb_memory(NULL, CROWD * sizeof *commands);
    for (uint32_t i = 0; i < CROWD; i++) {
        commands[i] = (fs_command){.order_id = 1000 + i, .price = i, .qty = 5, .account = 1 + i % 3, .symbol = symbol,
                                   .type = FS_NEW, .side = FS_BUY, .ord_type = FS_LIMIT, .tif = FS_GTC};
        struct listed *order = lb_memory(NULL, sizeof *order);
        *order = (struct listed){.id = 1000 + i, .price = i, .leaves = 5, .shown = 5, .account = 1 + i % 3,
                                 .symbol = symbol, .side = FS_BUY, .tif = FS_GTC, .limited = true};
        lb_put(lb_symbol(t->lists, symbol), order);
    }
    process(t, t->one_by_one, commands, CROWD);
    process(t, t->in_arrays, commands, CROWD);
    for (uint32_t i = 0; i < CROWD; i++)
        if (t->actual.reports[i].type != FS_ACCEPTED) fail(t, "each of a crowd is accepted");
    free(commands);
}

/* A short flow beside so many orders that the engine looks ahead; cancels and replacements are mostly of these. */
static void crowded(unsigned long long count) {
    struct contest contest = begin(CROWD + MAX_ORDERS);
    struct scene scene = small_scene();
    scene.weights[FS_CANCEL] = scene.weights[FS_REPLACE] = 40;
    let_in(&contest, 2);
    while (contest.done < count) {
        fs_command c = likely_command(&scene);
        if (c.type == FS_CANCEL || c.type == FS_REPLACE) aim(contest.lists, &c);
        if (!below(30)) change_command(&c);
        if (c.type == FS_MASS_CANCEL) continue; /* it would be over */
        execute(&contest, &c);
    }
    const char *broken = fs_validate(contest.one_by_one);
    if (broken) fail(&contest, broken);
    end(&contest);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    flow_seed(strtoull(argv[1], NULL, 10));
    long_flow(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    full_side(FS_BUY);
    full_side(FS_SELL);
    crowded(1000);
    return 0;
}
