/* fuzz.c: arbitrary records never crash, hang or corrupt.
 *
 * With FS_LIBFUZZER a libFuzzer target; without, a program of its own: fuzz SEED INPUTS. An input is 64-byte
 * records; what is over is left out. Two engines get them: one in as long arrays as there are and with a small
 * output buffer, the other one by one and with a large one. Both must answer as the list book does, and end in
 * the same state. Records with a type of records.h's `enum instruction` are for this program, not for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listbook/listbook.h"
#include "records.h"

#define MOST_RECORDS 128u
#define MAX_ORDERS 1200u /* more than the slabs have room for at first */
#define MAX_CROWD 1500u
#define MAX_CROWDS 2u /* of one input: they are what takes long */
#define FEW 200u /* client orders that the lists' slowest queries may meet */
#define WIDE 64u

struct answers {
    fs_report *reports;
    size_t n, room;
};

struct input {
    fs_engine *tight, *roomy;
    struct listbook *lists; /* NULL once a damaged snapshot was restored: it has no such thing */
    struct answers of_tight, of_roomy;
    size_t capacity; /* of the tight engine's output */
    int odd;         /* its commands stand at an odd address */
    uint64_t bound;  /* reports that there can be at most, so far */
    unsigned crowds;
};

static void must(int so, const char *sentence) {
    if (so) return;
    fprintf(stderr, "not so: %s\n", sentence);
    abort();
}

static void *room_for(void *bytes, size_t size) {
    bytes = realloc(bytes, size);
    must(bytes != NULL, "the test has memory");
    return bytes;
}

static fs_engine *new_engine(void) {
    fs_engine *engine = fs_new(MAX_ORDERS);
    must(engine != NULL, "there is memory for an engine");
    return engine;
}

static void sound(const fs_engine *engine) {
    const char *broken = fs_validate(engine);
    must(!broken, broken);
}

/* ------------------------------------------------------------------ commands */

/* Room for WIDE more reports. */
static fs_report *more(struct answers *a) {
    if (a->room - a->n < WIDE) a->reports = room_for(a->reports, (a->room = 2 * a->room + WIDE) * sizeof *a->reports);
    return a->reports + a->n;
}

/* With reports still to be fetched nothing else is done. */
static void is_busy(fs_engine *engine) {
    fs_report report;
    must(!fs_snapshot_size(engine) && !fs_state_hash(engine), "a busy engine has no snapshot");
    must(fs_restore(engine, NULL, 0) == FS_BUSY, "a busy engine is not restored");
    must(fs_submit(engine, &report, 1, 1, 1, 1, FS_BUY, 1, 1) == FS_NONE, "a busy engine takes no other order");
    must(fs_cancel(engine, &report, 1, 1, 1) == FS_NONE, "a busy engine takes no other cancel");
}

static void process(fs_engine *engine, const unsigned char *commands, size_t n, size_t capacity, struct answers *a) {
    size_t begun = 0, consumed, written;
    int looked = 0;
    do {
        written = fs_process(engine, commands + 64 * begun, n - begun, &consumed, more(a), capacity);
        begun += consumed;
        a->n += written;
        must(written <= capacity && begun <= n, "it stays within its buffers");
        if (written == capacity && !looked++ && !fs_snapshot_size(engine)) is_busy(engine);
    } while (written == capacity);
    must(begun == n, "every command is begun");
}

/* What an account partition hears is its own reports and everybody's, in their order. */
static void select_alike(const struct answers *a, uint16_t partition) {
    fs_report *selected = room_for(NULL, (a->n + 1) * sizeof *selected);
    size_t n = fs_reports_select(a->reports, a->n, partition, selected), at = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (a->reports[i].partition != partition && a->reports[i].partition != FS_PARTITION_ALL) continue;
        must(at < n && !memcmp(&selected[at++], &a->reports[i], sizeof *selected), "a partition hears what is its own");
    }
    must(at == n, "a partition hears nothing else");
    free(selected);
}

/* What both engines said since the last time is the same, and not too much: a new or replaced order shows at
 * most FS_MAX_TIPS tips, and each gives a trade more than its taker has. */
static void agree(struct input *in, size_t commands) {
    struct answers *a = &in->of_tight, *b = &in->of_roomy;
    in->bound += commands * (2 * (FS_MAX_TIPS + 1) + 4);
    must(a->n <= in->bound, "it comes to an end");
    must(a->n == b->n && (!a->n || !memcmp(a->reports, b->reports, a->n * sizeof *a->reports)),
         "neither the output's size nor the length of the arrays changes a report");
    select_alike(a, 1);
    in->bound -= a->n;
    a->n = b->n = 0;
}

/* The roomy engine gets one command, and so do the lists. */
static void execute_one(struct input *in, const fs_command *c) {
    struct answers *a = &in->of_roomy;
    size_t before = a->n;
    process(in->roomy, (const void *)c, 1, WIDE, a);
    if (!in->lists) return;
    lb_process(in->lists, c);
    must(a->n - before == in->lists->count, "a command is answered with as many reports as the lists give");
    must(!in->lists->count || !memcmp(a->reports + before, in->lists->reports, in->lists->count * sizeof *a->reports),
         "a command is answered as the lists do");
}

static void execute(struct input *in, const fs_command *commands, size_t n) {
    if (!n) return;
    unsigned char *moved = room_for(NULL, n * sizeof *commands + 1);
    memcpy(moved + in->odd, commands, n * sizeof *commands);
    process(in->tight, moved + in->odd, n, in->capacity, &in->of_tight);
    free(moved);
    for (size_t i = 0; i < n; i++) execute_one(in, &commands[i]);
    agree(in, n);
}

/* -------------------------------------------------------------- instructions */

static unsigned char *save(fs_engine *engine, size_t *size) {
    *size = fs_snapshot_size(engine);
    unsigned char *bytes = room_for(NULL, *size);
    must(fs_snapshot_save(engine, bytes, *size) == *size, "a snapshot is written");
    must(!fs_snapshot_save(engine, bytes, *size - 1), "a snapshot needs its room");
    return bytes;
}

static void restore(struct input *in) {
    size_t size;
    unsigned char *bytes = save(in->tight, &size);
    fs_engine *fresh = new_engine();
    must(fs_restore(fresh, bytes, size) == FS_OK, "a snapshot can be restored");
    must(fs_state_hash(fresh) == fs_state_hash(in->roomy), "a snapshot is the whole state");
    fs_free(in->tight);
    in->tight = fresh;
    free(bytes);
}

/* The checksum of native/src/snapshot.c. */
static void repair(unsigned char *bytes, size_t size) {
    uint64_t hash = 0, word;
    for (size_t at = 0; at + 8 < size; at += 8) {
        memcpy(&word, bytes + at, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 29;
    }
    memcpy(bytes + size - 8, &hash, 8);
}

static void forget_lists(struct input *in) {
    if (in->lists) lb_free(in->lists);
    in->lists = NULL;
}

static void turn_over(unsigned char *word, uint64_t bits) {
    for (size_t i = 0; i < 8; i++) word[i] ^= (unsigned char)(bits >> 8 * i);
}

/* A snapshot that is almost right is refused, or what comes of it is sound. Two words may change alike: an
 * order's quantities must fit each other. */
static void damage(struct input *in, const fs_command *c) {
    size_t size;
    unsigned char *bytes = save(in->tight, &size), last = bytes[size - 1];
    repair(bytes, size);
    must(bytes[size - 1] == last, "this test knows the checksum");
    size_t words = size / 8 - 1, word = c->order_id % words;
    turn_over(bytes + 8 * word, (uint64_t)c->price);
    if (c->flags & 4) turn_over(bytes + 8 * ((word + (uint64_t)c->aux_qty % words) % words), (uint64_t)c->price);
    if (c->flags & 1) repair(bytes, size);
    if (c->flags & 2) size -= 8;
    uint64_t hash = fs_state_hash(in->tight);
    int status = fs_restore(in->tight, bytes, size);
    must(status == FS_OK || (status == FS_BAD_SNAPSHOT && fs_state_hash(in->tight) == hash),
         "a snapshot is restored or refused");
    if (status == FS_OK) must(fs_restore(in->roomy, bytes, size) == FS_OK, "both engines restore it");
    if (in->lists && fs_state_hash(in->tight) != hash) forget_lists(in);
    in->bound += 2 * FS_MAX_TIPS * (uint64_t)fs_orders(in->tight); /* it may have changed their displays */
    free(bytes);
}

static void crowd(struct input *in, const fs_command *c) {
    size_t n = (uint64_t)c->qty % MAX_CROWD;
    if (!n || in->crowds++ == MAX_CROWDS) return;
    fs_command *commands = room_for(NULL, n * sizeof *commands);
    for (size_t i = 0; i < n; i++) {
        uint64_t step = i * (uint64_t)c->aux_price;
        commands[i] = (fs_command){.order_id = 1 + (c->order_id + i) % (2 * MAX_CROWD),
                                   .price = (int64_t)((uint64_t)c->price + (c->flags & 1 ? step : step % 64)),
                                   .qty = 1 + (int64_t)((uint64_t)c->aux_qty % FS_MAX_QTY),
                                   .account = 1 + i % 3,
                                   .symbol = c->symbol,
                                   .type = i % 16 == 15 ? FS_CANCEL : FS_NEW,
                                   .side = c->side,
                                   .ord_type = FS_LIMIT,
                                   .tif = FS_GTC};
        if (commands[i].type == FS_CANCEL) commands[i].order_id -= 7;
    }
    execute(in, commands, n);
    free(commands);
}

static void buffer(struct input *in, const fs_command *c) {
    in->capacity = 1 + (uint64_t)c->qty % WIDE;
    in->odd = c->flags & 1;
    must(fs_reserve(in->tight, (uint32_t)c->aux_qty % (4 * MAX_ORDERS)) == FS_OK, "there is memory for more orders");
}

static void same(const void *a, const void *b, size_t size) {
    must(!memcmp(a, b, size), "both engines answer a query alike");
}

/* A walk over all orders of a partition, few at a time, meets each live one once and in its place. */
static void walk_orders(const fs_engine *e, const fs_command *c) {
    fs_resting some[3], again;
    size_t n, met = 0, all = 0;
    uint64_t after = 0;
    if (fs_orders(e) > FEW) return;
    for (uint32_t partition = 0; partition <= UINT16_MAX; partition++) {
        if (partition > 3 && partition < FS_PARTITION_ALL - 2u && partition != c->partition) continue;
        for (after = 0; (n = fs_orders_after(e, (uint16_t)partition, 0, after, some, 3)); met += n)
            for (size_t i = 0; i < n; after = some[i++].order_id) {
                must(some[i].order_id > after && some[i].partition == partition && !some[i].house, "a walk goes on");
                must(fs_find(e, some[i].order_id, &again) && !memcmp(&again, &some[i], sizeof again), "it meets orders");
                all += some[i].account == c->account;
            }
        for (after = 0; c->account && (n = fs_orders_after(e, (uint16_t)partition, c->account, after, some, 1)); all--)
            after = some[0].order_id;
        if (c->account) must(!all, "a walk over an account's orders meets these");
        all = 0;
    }
    must(met <= fs_orders(e), "a walk meets an order once");
}

static void query(const struct input *in, const fs_command *c) {
    const fs_engine *engines[] = {in->tight, in->roomy};
    fs_level levels[2][2 + 5];
    fs_resting orders[2][5 + 5 + 1];
    fs_last last[2];
    fs_walk walk[2];
    int64_t numbers[2][6];
    memset(levels, 0, sizeof levels);
    memset(orders, 0, sizeof orders);
    for (int i = 0; i < 2; i++) {
        const fs_engine *e = engines[i];
        fs_best(e, c->symbol, &levels[i][0], &levels[i][1]);
        numbers[i][0] = (int64_t)fs_depth(e, c->symbol, c->side, levels[i] + 2, (uint64_t)c->aux_qty % 6);
        numbers[i][1] = fs_cumulative(e, c->symbol, c->side, c->price);
        numbers[i][2] = fs_indicative(e, c->symbol, &numbers[i][3], &numbers[i][4]);
        (void)fs_queue(e, c->symbol, c->side, 0, orders[i], (uint64_t)c->qty % 6);
        (void)fs_queue(e, c->symbol, c->side, 1, orders[i] + 5, (uint64_t)c->qty % 6);
        (void)fs_find(e, c->order_id, &orders[i][10]);
        numbers[i][5] = (int64_t)fs_due(e);
        fs_last_trade(e, c->symbol, &last[i]);
        fs_cost(e, c->symbol, c->side, c->qty, &walk[i]);
    }
    same(levels[0], levels[1], sizeof *levels);
    same(orders[0], orders[1], sizeof *orders);
    same(&last[0], &last[1], sizeof *last);
    same(&walk[0], &walk[1], sizeof *walk);
    same(numbers[0], numbers[1], sizeof *numbers);
    walk_orders(in->roomy, c);
    if (!in->lists || fs_orders(in->roomy) > FEW) return;
    const char *differs = lb_difference(in->lists, in->roomy, c->symbol, c->price, c->qty);
    must(!differs, differs);
}

/* The two short doors say what fs_process does. */
static void door(struct input *in, const fs_command *c) {
    fs_command whole = {.order_id = c->order_id, .account = c->account, .type = FS_CANCEL};
    struct answers *a = &in->of_tight;
    fs_report *reports = more(a);
    size_t written, none;
    if (c->flags & 1) {
        written = fs_cancel(in->tight, reports, in->capacity, c->order_id, c->account);
    } else {
        whole = (fs_command){.order_id = c->order_id, .price = c->price, .qty = c->qty, .account = c->account,
                             .symbol = c->symbol, .type = FS_NEW, .side = c->side, .ord_type = FS_LIMIT, .tif = FS_GTC};
        written = fs_submit(in->tight, reports, in->capacity, c->order_id, c->account, c->symbol, c->side, c->price,
                            c->qty);
    }
    must(written && written <= in->capacity, "an idle engine answers");
    a->n += written;
    if (written == in->capacity) process(in->tight, (const void *)&whole, 0, in->capacity, a);
    execute_one(in, &whole);
    agree(in, 1);
    must(fs_process(in->tight, &whole, 1, &none, reports, 0) == 0 && !none, "without room nothing is done");
}

static int instruct(struct input *in, const fs_command *c) {
    switch (c->type) {
    case DO_RESTORE: restore(in); break;
    case DO_DAMAGE: damage(in, c); break;
    case DO_CROWD: crowd(in, c); break;
    case DO_BUFFER: buffer(in, c); break;
    case DO_QUERY: query(in, c); break;
    case DO_DOOR: door(in, c); break;
    default: return 0;
    }
    return 1;
}

/* -------------------------------------------------------------------- inputs */

static int is_instruction(const fs_command *c) { return c->type >= DO_RESTORE && c->type < INSTRUCTION_END; }

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    size_t n = size / sizeof(fs_command), done = 0;
    if (!n) return 0;
    if (n > MOST_RECORDS) n = MOST_RECORDS;
    fs_command *commands = room_for(NULL, n * sizeof *commands);
    memcpy(commands, data, n * sizeof *commands);
    struct input in = {.tight = new_engine(), .roomy = new_engine(), .lists = lb_new(MAX_ORDERS), .capacity = 1};
    for (size_t i = 0; i <= n; i++) {
        if (i < n && !is_instruction(&commands[i])) continue;
        execute(&in, commands + done, i - done);
        if (i < n) (void)instruct(&in, &commands[i]);
        done = i + 1;
    }
    sound(in.tight);
    sound(in.roomy);
    must(fs_state_hash(in.tight) == fs_state_hash(in.roomy), "both engines end in the same state");
    forget_lists(&in);
    fs_free(in.tight);
    fs_free(in.roomy);
    free(in.of_tight.reports);
    free(in.of_roomy.reports);
    free(commands);
    return 0;
}

#ifdef FS_LIBFUZZER
size_t LLVMFuzzerMutate(unsigned char *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(unsigned char *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const unsigned char *one, size_t one_size, const unsigned char *other,
                                 size_t other_size, unsigned char *out, size_t max_size, unsigned seed);

static size_t records_in(size_t size) {
    size_t n = size / sizeof(fs_command);
    return n < MOST_RECORDS ? n : MOST_RECORDS;
}

/* By whole records, so that no change moves every field of those behind it. Now and then libFuzzer's own
 * changes within one record: it knows what the engine compares. */
size_t LLVMFuzzerCustomMutator(unsigned char *data, size_t size, size_t max_size, unsigned seed) {
    static fs_command records[MOST_RECORDS];
    size_t n = records_in(size), most = records_in(max_size);
    flow_seed(seed);
    memcpy(records, data, n * sizeof *records);
    for (uint64_t changes = 1 + below(4); changes; changes--) {
        if (n && !below(6))
            (void)LLVMFuzzerMutate((unsigned char *)&records[below(n)], sizeof *records, sizeof *records);
        else
            n = change_records(records, n, most);
    }
    memcpy(data, records, n * sizeof *records);
    return n * sizeof *records;
}

/* The beginning of one input, and the end of another behind it. */
size_t LLVMFuzzerCustomCrossOver(const unsigned char *one, size_t one_size, const unsigned char *other,
                                 size_t other_size, unsigned char *out, size_t max_size, unsigned seed) {
    size_t most = records_in(max_size), head, tail;
    flow_seed(seed);
    head = below(records_in(one_size) + 1);
    tail = below(records_in(other_size) + 1);
    if (head > most) head = most;
    if (tail > most - head) tail = most - head;
    memcpy(out, one, head * sizeof(fs_command));
    memcpy(out + head * sizeof(fs_command), other + (records_in(other_size) - tail) * sizeof(fs_command),
           tail * sizeof(fs_command));
    return (head + tail) * sizeof(fs_command);
}
#else
int main(int argc, char **argv) {
    static fs_command records[MOST_RECORDS];
    if (argc != 3) return 2;
    flow_seed(strtoull(argv[1], NULL, 10));
    for (unsigned long i = strtoul(argv[2], NULL, 10); i; i--) {
        size_t n = below(MOST_RECORDS + 1);
        for (size_t k = 0; k < n; k++) records[k] = likely_record();
        for (uint64_t changes = below(20); changes; changes--) n = change_records(records, n, MOST_RECORDS);
        LLVMFuzzerTestOneInput((const unsigned char *)records, n * sizeof *records);
    }
    return 0;
}
#endif
