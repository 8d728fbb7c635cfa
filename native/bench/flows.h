/* flows.h: seeded flows of commands, integers only. A flow keeps an engine of its own, so that it knows
 * which orders are still live and its cancels find them. */
#ifndef FILLSTREAM_FLOWS_H
#define FILLSTREAM_FLOWS_H

#include "fillstream.h"

struct flow_shape {
    const char *name;
    uint32_t symbols;
    uint32_t live;         /* resting orders it grows to and then holds, in all */
    uint32_t add, replace, cancel; /* of 100 commands; the rest takes */
    int64_t spread;        /* adds stand up to this many ticks from the middle; 0: anywhere in 63 bits */
};

/* The flow of a name, or NULL. */
const struct flow_shape *flow_named(const char *name);

/* Write `build` commands that grow the book and then `n` of the flow; returns how many build it up. The
 * caller frees *commands. Exits when memory runs out. */
size_t flow_make(const struct flow_shape *shape, uint64_t seed, size_t n, fs_command **commands);

/* A running hash over reports, to show that two books answered alike. */
uint64_t flow_mix(uint64_t hash, const fs_report *reports, size_t n);

#endif
