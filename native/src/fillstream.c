/* fillstream.c: the library, one translation unit, so that the hot path is one function to the compiler
 * and nothing but fillstream.h's functions is visible outside. */
#include "store.c"
#include "ladder.c"
#include "match.c"
#include "stops.c"
#include "auction.c"
#include "command.c"
#include "mass.c"
#include "engine.c"
#include "query.c"
#include "snapshot.c"
#include "validate.c"
