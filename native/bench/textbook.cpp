/* textbook.cpp: the book that textbooks and most open engines have, as a rival in the same run: a std::map of prices,
 * a std::list of orders at each, a std::unordered_map from id to place. Takes what the flows of flows.c hold (limit
 * orders, good or immediate, cancels, replaces), checks as the engine does, and writes the same reports, but knows
 * nothing else.
 *
 * usage: textbook FLOW MESSAGES REPEATS. Prints one line of JSON, as bench does. */
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

extern "C" {
#include "flows.h"
}

namespace {

struct Order {
    std::uint64_t id;
    std::int64_t price, leaves, filled;
    std::uint32_t account, symbol;
    std::uint8_t side;
    std::uint16_t partition;
};

using Queue = std::list<Order>;

struct Book {
    std::map<std::int64_t, Queue, std::greater<>> bids;
    std::map<std::int64_t, Queue> asks;
};

class Textbook {
  public:
    explicit Textbook(std::size_t orders) { places.reserve(orders); }

    std::size_t process(const fs_command *commands, std::size_t n, fs_report *reports) {
        out = reports;
        for (std::size_t i = 0; i < n; i++) {
            const fs_command &c = commands[i];
            if (c.type == FS_NEW) enter(c);
            else if (c.type == FS_CANCEL) cancel(c);
            else if (c.type == FS_REPLACE) replace(c);
            else std::abort();
        }
        return static_cast<std::size_t>(out - reports);
    }

  private:
    std::unordered_map<std::uint64_t, Queue::iterator> places;
    std::unordered_map<std::uint32_t, Book> books;
    fs_report *out = nullptr;
    std::uint64_t matches = 0;

    fs_report &put(const Order &o, std::uint8_t type, std::int64_t qty, std::int64_t leaves) {
        *out = fs_report{};
        out->order_id = o.id;
        out->price = o.price;
        out->qty = qty;
        out->leaves = leaves;
        out->account = o.account;
        out->symbol = o.symbol;
        out->type = type;
        out->side = o.side;
        out->partition = o.partition;
        return *out++;
    }

    void refuse(const fs_command &c, std::uint8_t type, std::uint8_t reason) {
        Order o{c.order_id, c.price, 0, 0, c.account, c.symbol, c.side, c.partition};
        put(o, type, c.qty, 0).reason = reason;
    }

    void trade(Order &maker, Order &taker) {
        std::int64_t qty = std::min(maker.leaves, taker.leaves);
        matches++;
        for (Order *o : {&maker, &taker}) {
            o->leaves -= qty;
            o->filled += qty;
            fs_report &r = put(*o, FS_FILLED, qty, o->leaves);
            r.price = maker.price;
            r.match_id = matches;
            r.flags = o == &maker ? FS_FLAG_MAKER : FS_FLAG_TAKER;
        }
    }

    template <class Side, class Reaches> void take(Side &side, Order &taker, Reaches reaches) {
        while (taker.leaves && !side.empty() && reaches(side.begin()->first)) {
            Queue &queue = side.begin()->second;
            trade(queue.front(), taker);
            if (queue.front().leaves) return;
            places.erase(queue.front().id);
            queue.pop_front();
            if (queue.empty()) side.erase(side.begin());
        }
    }

    void match(Book &book, Order &o) {
        if (o.side == FS_BUY) take(book.asks, o, [&](std::int64_t p) { return p <= o.price; });
        else take(book.bids, o, [&](std::int64_t p) { return p >= o.price; });
    }

    void rest(Book &book, const Order &o) {
        Queue &queue = o.side == FS_BUY ? book.bids[o.price] : book.asks[o.price];
        queue.push_back(o);
        places[o.id] = std::prev(queue.end());
    }

    template <class Side> void pull(Side &side, Queue::iterator at) {
        auto level = side.find(at->price);
        level->second.erase(at);
        if (level->second.empty()) side.erase(level);
    }

    void leave(Queue::iterator at) {
        Book &book = books[at->symbol];
        if (at->side == FS_BUY) pull(book.bids, at);
        else pull(book.asks, at);
    }

    void enter(const fs_command &c) {
        if (!c.order_id || !c.account || c.qty < 1 || c.qty > FS_MAX_QTY) return refuse(c, FS_REJECTED, FS_REASON_BAD_QTY);
        if (c.price < -FS_MAX_PRICE || c.price > FS_MAX_PRICE) return refuse(c, FS_REJECTED, FS_REASON_BAD_PRICE);
        if (places.count(c.order_id)) return refuse(c, FS_REJECTED, FS_REASON_DUPLICATE_ID);
        Order o{c.order_id, c.price, c.qty, 0, c.account, c.symbol, c.side, c.partition};
        Book &book = books[c.symbol];
        put(o, FS_ACCEPTED, c.qty, c.qty);
        match(book, o);
        if (!o.leaves) return;
        if (c.tif == FS_IOC) put(o, FS_CANCELED, o.leaves, 0).reason = FS_REASON_IOC_REMAINDER;
        else rest(book, o);
    }

    void cancel(const fs_command &c) {
        auto found = places.find(c.order_id);
        if (found == places.end()) return refuse(c, FS_CANCEL_REJECTED, FS_REASON_UNKNOWN_ORDER);
        if (found->second->account != c.account) return refuse(c, FS_CANCEL_REJECTED, FS_REASON_NOT_OWNER);
        put(*found->second, FS_CANCELED, found->second->leaves, 0).reason = FS_REASON_REQUESTED;
        leave(found->second);
        places.erase(found);
    }

    void replace(const fs_command &c) {
        auto found = places.find(c.order_id);
        if (found == places.end()) return refuse(c, FS_REPLACE_REJECTED, FS_REASON_UNKNOWN_ORDER);
        Order o = *found->second;
        if (o.account != c.account) return refuse(c, FS_REPLACE_REJECTED, FS_REASON_NOT_OWNER);
        std::int64_t leaves = c.qty - o.filled;
        if (leaves <= 0) {
            put(o, FS_CANCELED, o.leaves, 0).reason = FS_REASON_REPLACED_BELOW_FILLED;
            leave(found->second);
            places.erase(found);
        } else if (c.price == o.price && leaves <= o.leaves) {
            found->second->leaves = leaves;
            put(*found->second, FS_REPLACED, c.qty, leaves);
        } else {
            leave(found->second);
            places.erase(found);
            o.price = c.price;
            o.leaves = leaves;
            put(o, FS_REPLACED, c.qty, leaves);
            match(books[o.symbol], o);
            if (o.leaves) rest(books[o.symbol], o);
        }
    }
};

constexpr std::size_t BATCH = 256, REPORTS = 1u << 16;

/* Frames of BATCH, as bench.c's; with `hash`, its reports are mixed in, which nobody times. */
std::uint64_t play(Textbook &book, const fs_command *commands, std::size_t n, std::vector<fs_report> &reports,
                   std::uint64_t *hash) {
    std::uint64_t written = 0;
    for (std::size_t i = 0; i < n; i += BATCH) {
        std::size_t made = book.process(commands + i, std::min(BATCH, n - i), reports.data());
        written += made;
        if (hash) *hash = flow_mix(*hash, reports.data(), made);
    }
    return written;
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    const flow_shape *shape = flow_named(argv[1]);
    std::size_t n = std::strtoull(argv[2], nullptr, 10), repeats = std::strtoull(argv[3], nullptr, 10);
    if (!shape || !n || !repeats) return 2;
    fs_command *commands;
    std::size_t build = flow_make(shape, 7, n, &commands);
    std::vector<double> took;
    std::vector<fs_report> reports(REPORTS);
    std::uint64_t written = 0, hash = 0;
    for (std::size_t i = 0; i <= repeats; i++) {
        auto book = std::make_unique<Textbook>(2 * build);
        play(*book, commands, build, reports, nullptr);
        auto start = std::chrono::steady_clock::now();
        written = play(*book, commands + build, n, reports, i == repeats ? &hash : nullptr);
        std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
        if (i < repeats) took.push_back(spent.count() / static_cast<double>(n));
    }
    std::sort(took.begin(), took.end());
    std::printf("{\"flow\": \"%s\", \"messages\": %zu, \"reports\": %llu, \"ns_min\": %.1f, \"ns_median\": %.1f, "
                "\"answers\": \"%016llx\"}\n",
                shape->name, n, static_cast<unsigned long long>(written), took.front(), took[took.size() / 2],
                static_cast<unsigned long long>(hash));
    std::free(commands);
    return 0;
}
