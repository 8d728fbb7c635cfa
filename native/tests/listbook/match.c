/* match.c: the list book's trades, stops and auctions. */
#include <stdlib.h>

#include "listbook.h"

/* -------------------------------------------------------------------- trades */

static bool trades_at(const struct listed *taker, int64_t price) {
    if (!taker->limited) return true;
    return taker->side == FS_BUY ? price <= taker->price : price >= taker->price;
}

static bool all_or_none(const struct listed *order) { return order->flags & FS_ALL_OR_NONE; }

/* The order that the taker comes to next: the oldest at the best price. The house
 * does not trade with itself. */
struct listed *lb_first_maker(const struct listed_symbol *symbol, const struct listed *taker) {
    struct listed *maker = symbol->lists[taker->side == FS_BUY ? LIST_ASKS : LIST_BIDS];
    for (; maker && trades_at(taker, maker->price); maker = maker->next) {
        if (all_or_none(maker) && maker->leaves > taker->leaves) continue;
        if (!(lb_house(taker) && lb_house(maker))) return maker;
    }
    return NULL;
}

/* Whether a taker does not trade with an order, for both are its account's. */
static bool prevented(const struct listed *taker, const struct listed *maker) {
    return taker->stp && maker->account == taker->account && !lb_house(maker);
}

/* The first order that the taker would really trade with. */
const struct listed *lb_first_partner(const struct listed_symbol *symbol, const struct listed *taker) {
    const struct listed *maker = symbol->lists[taker->side == FS_BUY ? LIST_ASKS : LIST_BIDS];
    for (; maker; maker = maker->next)
        if (!prevented(taker, maker) && !(all_or_none(maker) && maker->leaves > taker->leaves)) return maker;
    return NULL;
}

static void show(struct listed *order) {
    order->shown = order->display ? lb_least(order->display, order->leaves) : order->leaves;
}

/* A resting order has qty less. When its tip is used up the next one shows, behind the others. */
static void consume(struct listed_symbol *symbol, struct listed *maker, int64_t qty) {
    maker->leaves -= qty;
    maker->shown -= qty;
    if (maker->shown) return;
    lb_pull(symbol, maker);
    if (!maker->leaves) return;
    show(maker);
    lb_put(symbol, maker);
}

static int64_t tip(const struct listed *maker) { return maker->display && maker->leaves ? maker->shown : 0; }

static void fill(struct listbook *book, struct listed *order, int64_t price, int64_t qty, uint8_t flags, int64_t aux) {
    order->filled += qty;
    fs_report *report = lb_about(book, order, FS_FILLED);
    report->price = price;
    report->qty = qty;
    report->match_id = book->matches;
    report->flags |= flags;
    report->aux = aux;
}

static void fill_maker(struct listbook *book, struct listed_symbol *symbol, struct listed *maker, int64_t price,
                       int64_t qty, uint8_t flags) {
    consume(symbol, maker, qty);
    fill(book, maker, price, qty, flags, tip(maker));
    if (!maker->leaves) free(maker);
}

void lb_note(fs_last *last, int64_t price, int64_t qty) {
    last->price = price;
    last->qty = qty;
    if (last->volume > UINT64_MAX - (uint64_t)qty) return;
    last->trades++;
    last->volume += (uint64_t)qty;
    __int128 turnover = (__int128)last->turnover_high * ((__int128)1 << 64) + last->turnover_low;
    turnover += (__int128)price * qty;
    last->turnover_low = (uint64_t)turnover;
    last->turnover_high = (int64_t)(turnover >> 64);
}

static void trade(struct listbook *book, struct listed_symbol *symbol, struct listed *taker, struct listed *maker,
                  bool is_print) {
    int64_t qty = lb_least(maker->shown, taker->leaves), price = maker->price;
    book->matches++;
    fill_maker(book, symbol, maker, price, qty, FS_FLAG_MAKER);
    taker->leaves -= qty;
    fill(book, taker, price, qty, FS_FLAG_TAKER, 0);
    if (!is_print) lb_note(&symbol->last, price, qty); /* a print was noted whole */
}

static void reduce(struct listbook *book, const struct listed *order, int64_t qty, int64_t aux) {
    fs_report *report = lb_about(book, order, order->leaves ? FS_REDUCED : FS_CANCELED);
    report->qty = qty;
    report->reason = FS_REASON_SELF_TRADE;
    report->aux = aux;
}

/* What happens instead of a trade with an order of one's own account. */
static void prevent(struct listbook *book, struct listed_symbol *symbol, struct listed *taker, struct listed *maker) {
    if (taker->stp == FS_STP_DECREMENT) {
        int64_t qty = lb_least(maker->shown, taker->leaves);
        consume(symbol, maker, qty);
        reduce(book, maker, qty, tip(maker));
        if (!maker->leaves) free(maker);
        taker->leaves -= qty;
        reduce(book, taker, qty, 0);
        return;
    }
    if (taker->stp != FS_STP_CANCEL_INCOMING) {
        lb_off(book, maker, FS_CANCELED, FS_REASON_SELF_TRADE);
        lb_pull(symbol, maker);
        free(maker);
    }
    if (taker->stp != FS_STP_CANCEL_RESTING) {
        lb_off(book, taker, FS_CANCELED, FS_REASON_SELF_TRADE);
        taker->leaves = 0;
    }
}

/* The taker trades with all it can. */
void lb_take(struct listbook *book, struct listed_symbol *symbol, struct listed *taker, bool is_print) {
    while (taker->leaves) {
        struct listed *maker = lb_first_maker(symbol, taker);
        if (!maker) return;
        if (prevented(taker, maker))
            prevent(book, symbol, taker, maker);
        else
            trade(book, symbol, taker, maker, is_print);
    }
}

struct listed_symbol lb_copy(const struct listed_symbol *symbol) {
    struct listed_symbol copy = *symbol;
    for (int i = 0; i < LISTS; i++) {
        struct listed **end = &copy.lists[i];
        for (const struct listed *order = symbol->lists[i]; order; order = order->next) {
            *end = lb_memory(NULL, sizeof **end);
            **end = *order;
            end = &(*end)->next;
        }
        *end = NULL;
    }
    return copy;
}

void lb_free_copy(struct listed_symbol *copy) {
    for (int i = 0; i < LISTS; i++) lb_free_list(copy->lists[i]);
}

/* Whether all that is open of an order would trade at once: it takes from a copy of the symbol, and we see. */
static bool would_fill(const struct listed_symbol *symbol, const struct listed *order) {
    struct listbook aside = {0};
    struct listed_symbol copy = lb_copy(symbol);
    struct listed alone = *order;
    lb_take(&aside, &copy, &alone, false);
    lb_free_copy(&copy);
    free(aside.reports);
    return alone.filled - order->filled == order->leaves;
}

/* Whether an order that came in now would trade at all, and an all-or-none one whole. */
bool lb_would_trade(const struct listed_symbol *symbol, const struct listed *order) {
    return all_or_none(order) ? would_fill(symbol, order) : lb_first_maker(symbol, order) != NULL;
}

/* A new, triggered or replaced order, which stands in no list, trades and then rests, or not. */
void lb_come_in(struct listbook *book, struct listed_symbol *symbol, struct listed *order, bool rests) {
    bool collects = symbol->session == FS_AUCTION, at_once = order->tif == FS_FOK || all_or_none(order);
    bool whole = at_once && !collects && would_fill(symbol, order);
    if (order->tif == FS_FOK && !whole) {
        lb_off(book, order, FS_CANCELED, FS_REASON_FOK_KILLED);
        free(order);
        return;
    }
    if (!collects && (whole || !all_or_none(order))) lb_take(book, symbol, order, false);
    if (order->leaves && rests) {
        show(order);
        lb_put(symbol, order);
        return;
    }
    uint8_t cause = order->limited ? FS_REASON_IOC_REMAINDER : FS_REASON_NO_LIQUIDITY;
    if (order->leaves) lb_off(book, order, FS_CANCELED, cause);
    free(order);
}

/* --------------------------------------------------------------------- stops */

static bool reached(const struct listed *order, int64_t last) {
    return order->side == FS_BUY ? last >= order->stop : last <= order->stop;
}

/* Where a trailing stop would stand, seen from the last trade alone. */
int64_t lb_trailed(const struct listed *order, int64_t last) {
    int64_t offset = order->offset;
    if (order->flags & FS_OFFSET_BPS) {
        __int128 size = last < 0 ? -(__int128)last : last;
        offset = (int64_t)(size * order->offset / 10000);
        if (!offset) offset = 1;
    }
    return order->side == FS_BUY ? last + offset : last - offset;
}

/* Every stop of a list that the last trade reaches goes to the end of the elected. */
static void elect(struct listed_symbol *symbol, int list, struct listed **elected) {
    while (*elected) elected = &(*elected)->next;
    while (symbol->lists[list] && reached(symbol->lists[list], symbol->last.price)) {
        struct listed *order = symbol->lists[list];
        symbol->lists[list] = order->next;
        order->next = NULL;
        *elected = order;
        elected = &order->next;
    }
}

/* Trailing stops follow the last trade. One that moves gets nearer: to where this walk has been. */
static void trail(struct listed_symbol *symbol, int list) {
    for (struct listed *order = symbol->lists[list], *next; order; order = next) {
        next = order->next;
        if (!order->offset) continue;
        int64_t stop = lb_trailed(order, symbol->last.price);
        if (order->side == FS_BUY ? stop >= order->stop : stop <= order->stop) continue;
        lb_pull(symbol, order);
        order->stop = stop;
        lb_put(symbol, order);
    }
}

/* Bring in the stops that the last trade reaches, and those that they reach, until there are none. */
void lb_trigger(struct listbook *book, struct listed_symbol *symbol) {
    struct listed *elected = NULL;
    for (;;) {
        if (symbol->session == FS_CONTINUOUS && symbol->last.trades) {
            elect(symbol, LIST_BUY_STOPS, &elected);
            elect(symbol, LIST_SELL_STOPS, &elected);
            trail(symbol, LIST_BUY_STOPS);
            trail(symbol, LIST_SELL_STOPS);
        }
        struct listed *order = elected;
        if (!order) return;
        elected = order->next;
        order->next = NULL;
        order->dormant = false;
        order->stop = order->offset = 0;
        order->flags &= (uint8_t)~FS_OFFSET_BPS;
        lb_about(book, order, FS_TRIGGERED)->aux = order->display;
        lb_come_in(book, symbol, order, order->limited && order->tif != FS_IOC && order->tif != FS_FOK);
    }
}

/* ------------------------------------------------------------------ auctions */

struct cross {
    int64_t price;
    uint64_t volume, imbalance, distance; /* of the price from the reference */
};

static uint64_t apart(int64_t a, int64_t b) { return a < b ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b; }

static struct cross cross_at(const struct listed_symbol *symbol, int64_t price) {
    uint64_t demand = 0, supply = 0;
    for (const struct listed *buy = symbol->lists[LIST_BIDS]; buy; buy = buy->next)
        if (!all_or_none(buy) && buy->price >= price) demand += (uint64_t)buy->leaves;
    for (const struct listed *sell = symbol->lists[LIST_ASKS]; sell; sell = sell->next)
        if (!all_or_none(sell) && sell->price <= price) supply += (uint64_t)sell->leaves;
    return (struct cross){.price = price,
                          .volume = demand < supply ? demand : supply,
                          .imbalance = demand < supply ? supply - demand : demand - supply,
                          .distance = apart(price, symbol->reference)};
}

static bool better(const struct cross *a, const struct cross *b) {
    if (a->volume != b->volume) return a->volume > b->volume;
    if (a->imbalance != b->imbalance) return a->imbalance < b->imbalance;
    return a->distance != b->distance ? a->distance < b->distance : a->price < b->price;
}

/* Lots that an uncross gives now, and its price; 0: nothing crosses. Demand and supply change at the orders'
 * prices alone, so the best price is one of these, a neighbour of one, or the reference. */
int64_t lb_cross(const struct listed_symbol *symbol, int64_t *price) {
    struct cross best = cross_at(symbol, symbol->reference);
    for (int list = LIST_BIDS; list <= LIST_ASKS; list++)
        for (const struct listed *order = symbol->lists[list]; order; order = order->next)
            for (int64_t near = order->price - 1; near <= order->price + 1; near++) {
                struct cross cross = cross_at(symbol, near);
                if (better(&cross, &best)) best = cross;
            }
    *price = best.volume ? best.price : 0;
    return (int64_t)best.volume;
}

static struct listed *first_in_auction(const struct listed_symbol *symbol, int list) {
    struct listed *order = symbol->lists[list];
    while (all_or_none(order)) order = order->next;
    return order;
}

void lb_uncross(struct listbook *book, struct listed_symbol *symbol) {
    int64_t price, volume = lb_cross(symbol, &price);
    while (volume) {
        struct listed *buy = first_in_auction(symbol, LIST_BIDS), *sell = first_in_auction(symbol, LIST_ASKS);
        int64_t qty = lb_least(buy->shown, sell->shown);
        book->matches++;
        fill_maker(book, symbol, buy, price, qty, FS_FLAG_MAKER | FS_FLAG_AUCTION);
        fill_maker(book, symbol, sell, price, qty, FS_FLAG_TAKER | FS_FLAG_AUCTION);
        lb_note(&symbol->last, price, qty);
        volume -= qty;
    }
}
