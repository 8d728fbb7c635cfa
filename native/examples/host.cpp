// host.cpp: the threaded front end: two producers that trade with each other, a poller, a stop that drains.
//
// c++ -std=c++17 host.cpp $(pkg-config --cflags --libs fillstream) -o host
#include <array>
#include <cstdint>
#include <iostream>
#include <memory>
#include <thread>

#include "fillstream.h"

namespace {

constexpr std::uint32_t groups = 2, symbols = 4;
constexpr std::uint64_t orders = 10000; // of each producer

void submit(fs_host *host, const fs_command &command) {
    while (!fs_host_submit(host, &command, 1)) std::this_thread::yield(); // a ring is full: the poller makes room
}

// One side of the market; ids are odd or even, so that no two producers choose the same.
void produce(fs_host *host, std::uint8_t side) {
    for (std::uint64_t i = 0; i < orders; i++) {
        fs_command command{};
        command.type = FS_NEW;
        command.order_id = 2 * i + side;
        command.account = side;
        command.symbol = static_cast<std::uint32_t>(i % symbols);
        command.side = side;
        command.ord_type = FS_LIMIT;
        command.tif = FS_GTC;
        command.price = 100;
        command.qty = 1;
        submit(host, command);
    }
}

struct Totals {
    std::uint64_t accepted = 0, traded = 0, groups_cleared = 0;

    // Returns how many reports there were.
    std::size_t poll(fs_host *host) {
        std::array<fs_report, 256> reports;
        std::size_t seen = 0;
        for (std::uint32_t group = 0; group < groups; group++) {
            const std::size_t n = fs_host_poll(host, group, reports.data(), reports.size());
            for (std::size_t i = 0; i < n; i++) count(reports[i]);
            seen += n;
        }
        return seen;
    }

    void count(const fs_report &report) {
        accepted += report.type == FS_ACCEPTED;
        groups_cleared += report.type == FS_MASS_CANCELED;
        if (report.type == FS_FILLED && report.flags & FS_FLAG_TAKER) traded += static_cast<std::uint64_t>(report.qty);
    }
};

} // namespace

int main() {
    const std::unique_ptr<fs_host, decltype(&fs_host_free)> host(fs_host_new(groups, 100000, 1024, nullptr, nullptr),
                                                                 fs_host_free);
    if (!host) return 1;
    std::thread market([&host] {
        std::thread buyer(produce, host.get(), FS_BUY), seller(produce, host.get(), FS_SELL);
        buyer.join();
        seller.join();
        fs_command all{}; // whatever rests: to every group, each of which answers
        all.type = FS_MASS_CANCEL;
        submit(host.get(), all);
        fs_host_stop(host.get());
    });
    Totals totals;
    while (!fs_host_done(host.get()))
        if (!totals.poll(host.get())) std::this_thread::yield();
    while (totals.poll(host.get())) continue; // done: no more comes, but some may be left
    market.join();
    std::cout << totals.accepted << " orders accepted, " << totals.traded << " lots traded, " << totals.groups_cleared
              << " groups cleared\n";
}
