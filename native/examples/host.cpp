// host.cpp: the threaded front end: two producers that trade with each other, a poller, a snapshot of all books at one
// moment while they go on, a stop that drains.
//
// c++ -std=c++17 host.cpp $(pkg-config --cflags --libs fillstream) -o host
#include <array>
#include <atomic>
#include <cstdint>
#include <iostream>
#include <memory>
#include <thread>
#include <vector>

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

// All books as bytes. Each group saves its own in its own thread, between two commands.
struct Snapshot {
    std::array<std::vector<unsigned char>, groups> bytes;
    std::atomic<std::uint32_t> saved{0};

    static void save(void *context, std::uint32_t group, fs_engine *engine) {
        auto &self = *static_cast<Snapshot *>(context);
        self.bytes[group].resize(fs_snapshot_size(engine));
        fs_snapshot_save(engine, self.bytes[group].data(), self.bytes[group].size());
        ++self.saved;
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
    Snapshot snapshot;
    bool asked = false; // FS_BUSY while a ring is full: ask again
    while (!fs_host_done(host.get())) {
        if (!asked) asked = fs_host_visit(host.get(), FS_ALL_GROUPS, Snapshot::save, &snapshot) == FS_OK;
        if (!totals.poll(host.get())) std::this_thread::yield();
    }
    while (totals.poll(host.get())) continue; // done: no more comes, but some may be left
    market.join();
    std::cout << totals.accepted << " orders accepted, " << totals.traded << " lots traded, " << totals.groups_cleared
              << " groups cleared, " << snapshot.saved << " groups saved on the way\n";
}
