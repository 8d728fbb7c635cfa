/* flow.h: seeded flows of commands of every kind, near enough to each other that everything meets. */
#ifndef FLOW_H
#define FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fillstream.h"

/* Where the choices of all that follows begin. */
void flow_seed(uint64_t seed);

/* A number below n. */
uint64_t below(uint64_t n);

/* One of the elements of an array. */
#define PICK(array) (array)[below(sizeof(array) / sizeof *(array))]

struct scene { /* what a flow is like for a while */
    uint64_t ids;   /* orders are 1..ids */
    int64_t middle; /* of the prices */
    uint64_t spread; /* prices on each side of it */
    uint32_t symbols;
    bool apart;      /* buys stay below the middle and sells above: the book fills */
    uint64_t now_ms; /* what FS_TIME says, and what expiries follow */
    uint32_t weights[FS_BANDS + 1]; /* by command type: how often it comes, of all of them together */
};

/* One with few orders and prices, where everything meets all the time. */
struct scene small_scene(void);

/* Any one: small, middling, crowded, with prices far apart. */
struct scene any_scene(uint64_t now_ms);

/* A command whose codes fit together and whose numbers are those of the scene. */
fs_command likely_command(const struct scene *scene);

/* One field of a command becomes another, sound or not. */
void change_command(fs_command *c);

#endif
