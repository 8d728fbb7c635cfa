/* fillstream.c: the library, one translation unit, so that the hot path is one function to the compiler
 * and nothing but fillstream.h's functions is visible outside. A part uses what stands above it. */
#define FS_UNITY
#include "table.c"
#include "store.c"
#include "ladder.c"
#include "match.c"
#include "stops.c"
#include "auction.c"
#include "check.c"
#include "new.c"
#include "replace.c"
#include "house.c"
#include "mass.c"
#include "engine.c"
#include "query.c"
#include "validate.c"
#include "snapshot.c"
