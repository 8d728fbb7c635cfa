/* fuzz.c: arbitrary records never crash, hang or corrupt.
 *
 * With FS_LIBFUZZER a libFuzzer target; without, a program of its own: fuzz SEED INPUTS. An input is a byte
 * for the size of the output, then records; what is over is left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fillstream.h"

#define MAX_CAPACITY 64u
#define MAX_STEPS 2000000u

static void must(int so, const char *sentence) {
    if (so) return;
    fprintf(stderr, "not so: %s\n", sentence);
    abort();
}

static void process(fs_engine *engine, const unsigned char *records, size_t n, size_t capacity) {
    fs_report reports[MAX_CAPACITY];
    size_t begun = 0, consumed, written, steps = 0;
    do {
        written = fs_process(engine, records + 64 * begun, n - begun, &consumed, reports, capacity);
        begun += consumed;
        must(written <= capacity && begun <= n, "it stays within its buffers");
        must(++steps < MAX_STEPS, "it comes to an end");
    } while (written == capacity);
    must(begun == n, "every command is begun");
}

static void same_after_restore(fs_engine *engine) {
    size_t size = fs_snapshot_size(engine);
    void *bytes = malloc(size);
    must(bytes && fs_snapshot_save(engine, bytes, size) == size, "a snapshot is written");
    uint64_t hash = fs_state_hash(engine);
    must(fs_restore(engine, bytes, size) == FS_OK && fs_state_hash(engine) == hash, "a snapshot is the state");
    free(bytes);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    if (!size) return 0;
    fs_engine *engine = fs_new(100);
    must(engine != NULL, "there is memory for an engine");
    size_t n = (size - 1) / 64, capacity = 1 + data[0] % MAX_CAPACITY;
    process(engine, data + 1, n / 2, capacity);
    same_after_restore(engine);
    process(engine, data + 1 + 64 * (n / 2), n - n / 2, capacity);
    const char *broken = fs_validate(engine);
    must(!broken, broken);
    fs_free(engine);
    return 0;
}

#ifndef FS_LIBFUZZER
static uint64_t state;

static uint64_t below(uint64_t n) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1dULL >> 11) % n;
}

/* A record whose codes are mostly sound and whose numbers are mostly small, with some bits turned over. */
static void likely_record(unsigned char *bytes) {
    static const uint8_t ord_types[] = {FS_MARKET, FS_LIMIT, FS_LIMIT, FS_STOP, FS_STOP_LIMIT, FS_MARKET_TO_LIMIT,
                                        FS_TRAILING_STOP};
    fs_command c = {.order_id = below(60),
                    .price = 90 + (int64_t)below(20),
                    .qty = (int64_t)below(30),
                    .aux_price = 90 + (int64_t)below(20),
                    .aux_qty = (int64_t)below(9),
                    .time_ms = below(2) ? 0 : below(100),
                    .account = (uint32_t)below(3),
                    .symbol = (uint32_t)below(2),
                    .type = (uint8_t)(below(2) ? FS_NEW : below(11)),
                    .side = (uint8_t)(1 + below(2)),
                    .ord_type = ord_types[below(sizeof ord_types)],
                    .tif = (uint8_t)below(7),
                    .flags = (uint8_t)(below(2) ? 0 : below(16)),
                    .stp = (uint8_t)(below(2) ? 0 : below(6))};
    memcpy(bytes, &c, sizeof c);
    if (!below(8)) bytes[below(64)] ^= (unsigned char)(1u << below(8));
}

int main(int argc, char **argv) {
    static unsigned char input[1 + 64 * 200];
    if (argc != 3) return 2;
    state = strtoull(argv[1], NULL, 10) * 2 + 1;
    for (unsigned long i = strtoul(argv[2], NULL, 10); i; i--) {
        size_t n = below(201);
        input[0] = (unsigned char)below(256);
        for (size_t k = 0; k < n; k++) likely_record(input + 1 + 64 * k);
        LLVMFuzzerTestOneInput(input, 1 + 64 * n);
    }
    return 0;
}
#endif
