"""The demonstration: a market, a busy client, the whole stack as its own processes, and the books checked at the end.

Flows in: a feed and a seed. Flows out: what a person sees while it happens, a summary, and whether everything adds up.
The client only does what any client could: XADD onto `signals`. Never looks inside a service.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any, cast

import httpx
import orjson
import redis
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fillstream.demo.feeds import publish
from fillstream.demo.market_numbers import Moment
from fillstream.demo.traffic import Traffic
from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.stages import READERS, places
from fillstream.libs.common.messages.topology import KINDS, SIM, Topology, low_water_key
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.values.money import canonical
from fillstream.stack.extras import how_to_get
from fillstream.tools.audit import Audit, RedisSource, audit
from fillstream.tools.registry import all_stages
from fillstream.tools.render import print_table, table

CHUNK = 100
"""Moments of the market between two looks at the clock and at the lag."""
MAX_LAG = 400
"""Entries that the slowest stage may be behind before the market waits for it: this measures a desk, not a queue."""
QUIET_S = 60.0
PROBES = 50
"""Orders that are sent one at a time once the burst is over."""
PROBE = "one-by-one-"
"""Their signal_ids begin so."""
PROBE_S = 10.0
ENDED = {OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED}


class DemoError(Exception):
    """The demonstration could not be carried out; says why."""


@dataclass(slots=True)
class Seen:
    """What the journal has said so far, counted by a thread that tails it."""

    events: Counter[str] = field(default_factory=Counter)
    status: dict[str, str] = field(default_factory=dict)
    positions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


class Watcher(threading.Thread):
    """Tails the public streams of the desk, as a user's own program would, and counts."""

    def __init__(self, url: str, topology: Topology) -> None:
        super().__init__(name="watcher", daemon=True)
        self.seen = Seen()
        self._client = redis.Redis.from_url(url)
        self._at = {topology.events(a): "0-0" for a in range(topology.account_partitions)}
        self._at |= {topology.positions(a): "0-0" for a in range(topology.account_partitions)}
        self._told_to_stop = threading.Event()

    def stop(self) -> None:
        """End the thread."""
        self._told_to_stop.set()
        self.join()
        self._client.close()

    def run(self) -> None:
        """Read until told to stop."""
        while not self._told_to_stop.is_set():
            reply = cast(Any, self._client.xread(cast(Any, self._at), count=2000, block=200))
            for stream, entries in reply or []:
                self._at[stream.decode()] = entries[-1][0].decode()
                for _, fields in entries:
                    if not is_aside(fields):
                        self._count(orjson.loads(fields[b"data"]))

    def _count(self, message: dict[str, Any]) -> None:
        seen = self.seen
        seen.events[message["type"]] += 1
        if "ord_status" in message and message.get("order_id"):
            seen.status[message["order_id"]] = message["ord_status"]
        elif "realized_pnl" in message:
            seen.positions[message["account"], message["symbol"]] = message


class RunningDesk:
    """What the demonstration needs to know of a running desk from outside.

    Args:
        url: of its Redis.
        settings: names and partitions.
        has_analytics: whether analytics runs.
    """

    def __init__(self, url: str, settings: Settings, has_analytics: bool = True) -> None:
        self._has_analytics = has_analytics
        self.client = redis.Redis.from_url(url)
        self.topology = settings.topology()
        self._inboxes = [(each.program.name, each.inbox) for each in places(self.topology) if each.inbox is not None]

    def lag(self) -> int:
        """Return how many entries the slowest stage is behind."""
        pipe = self.client.pipeline(transaction=False)
        for stage, inbox in self._inboxes:
            pipe.hmget(self.topology.checkpoint(stage, inbox), "entries", "lost")
            pipe.xinfo_stream(self.topology.key(inbox))
        replies = pipe.execute()
        return max(
            int(info["entries-added"]) - sum(int(each or 0) for each in done)
            for done, info in zip(replies[::2], replies[1::2], strict=True)
        )

    def analytics_lag(self) -> int:
        """Return how many of the public streams analytics, if it runs, has not stored up to their end."""
        if not self._has_analytics:
            return 0
        kept = [kind for kind in READERS["analytics"].reads if not KINDS[kind].lossy]
        streams = [self.topology.key(name) for kind in kept for name in self.topology.names(kind)]
        behind = 0
        for stream in streams:
            last = cast(Any, self.client.xrevrange(stream, count=1))
            stored = cast(Any, self.client.hget(low_water_key(stream), "analytics"))
            behind += bool(last) and last[0][0] != stored
        return behind

    def newest_event(self, account: str) -> str:
        """Return the id of the last entry in an account's journal."""
        journal = self.topology.events(self.topology.account_partition(account))
        last = cast(Any, self.client.xrevrange(journal, count=1))
        return last[0][0].decode() if last else "0-0"

    def wait_for(self, signal_id: str, account: str, after_id: str) -> None:
        """Return once an order that trades at once or not at all has ended.

        Raises:
            DemoError: that took longer than `PROBE_S`.
        """
        journal = self.topology.events(self.topology.account_partition(account))
        deadline = time.monotonic() + PROBE_S
        order_id = None
        while time.monotonic() < deadline:
            for _, entries in cast(Any, self.client.xread(cast(Any, {journal: after_id}), block=200)) or []:
                after_id = entries[-1][0].decode()
                for _, fields in entries:
                    if is_aside(fields):
                        continue
                    event = orjson.loads(fields[b"data"])
                    order_id = event["order_id"] if event.get("signal_id") == signal_id else order_id
                    if order_id and event.get("order_id") == order_id and event.get("ord_status") in ENDED:
                        return
        raise DemoError(f"order {signal_id} has not ended after {PROBE_S:.0f} s: `fillstream status` tells more")

    def wait_quiet(self) -> None:
        """Return once every stage has caught up and nothing new appears.

        Raises:
            DemoError: that took longer than `QUIET_S`.
        """
        deadline = time.monotonic() + QUIET_S
        calm, before = 0, -1
        while calm < 3:
            total = self._total()
            calm = calm + 1 if self.lag() <= 1 and total == before and not self.analytics_lag() else 0
            before = total
            if time.monotonic() > deadline:
                raise DemoError(
                    f"after {QUIET_S:.0f} s the slowest stage is {self.lag()} entries behind and analytics has"
                    f" {self.analytics_lag()} streams to store: `fillstream status` tells which"
                )
            time.sleep(0.1)

    def _total(self) -> int:
        """Entries in the journals and positions: what still grows is not quiet."""
        t = self.topology
        streams = [each(a) for a in range(t.account_partitions) for each in (t.events, t.positions)]
        return sum(self.client.xlen(stream) for stream in streams)


def play(
    url: str,
    settings: Settings,
    market: Iterator[Moment],
    moments: int,
    traffic: Traffic,
    signals: int,
    speed: float | None,
    console: Console,
    has_analytics: bool = True,
    venue: str = SIM,
) -> None:
    """Publish a market and the signals of a busy client, and show what happens.

    Args:
        url: of the desk's Redis.
        settings: the desk's.
        market: the feed.
        moments: how many the feed has, for the progress bar and to spread the signals over.
        traffic: the client.
        signals: how many it sends.
        speed: 1 for real time; None for as fast as the desk keeps up.
        console: where to show it.
        has_analytics: whether analytics runs, and is waited for.
        venue: which hears the market.
    """
    desk = RunningDesk(url, settings, has_analytics)
    watcher = Watcher(url, desk.topology)
    watcher.start()
    try:
        with _Show(watcher.seen, moments, signals, console) as shown:
            client = _BusyClient(desk, traffic, signals, moments, shown)
            publish(desk.client, desk.topology, client.watching(market), speed, client.after, venue=venue)
            desk.wait_quiet()
            client.probe()
            desk.wait_quiet()
            shown.refresh()
    finally:  # after Ctrl-C, too: the server it reads from is about to be stopped
        watcher.stop()
    console.print()


class _Show:
    """The bars and the table that a person watches."""

    def __init__(self, seen: Seen, moments: int, signals: int, console: Console) -> None:
        self._seen = seen
        self._progress = Progress(
            TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )
        wanted = {"market": moments, "signals": signals, "one by one": PROBES}
        self._bars = {name: self._progress.add_task(name, total=total) for name, total in wanted.items()}
        self._live = Live(self._progress, console=console, refresh_per_second=8, transient=False)

    def __enter__(self) -> _Show:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def completed(self, bar: str, count: int) -> None:
        """Move a bar."""
        self._progress.update(self._bars[bar], completed=count)

    def refresh(self) -> None:
        """Show what the journal has said by now."""
        self._live.update(Group(self._progress, _live_table(self._seen)))


class _BusyClient:
    """Sends signals while the market is published, as any client could."""

    def __init__(self, desk: RunningDesk, traffic: Traffic, signals: int, moments: int, shown: _Show) -> None:
        self._desk = desk
        self._traffic = traffic
        self._signals = signals
        self._moments = moments
        self._shown = shown
        self._sent = self._done = 0

    def watching(self, market: Iterator[Moment]) -> Iterator[Moment]:
        """Yield the market, having seen it."""
        for moment in market:
            self._traffic.see(moment)
            yield moment

    def after(self, records: int) -> None:
        """Send the signals that belong to this part of the market, then wait for the desk if it is behind."""
        self._done += records
        wanted = min(self._signals, self._signals * self._done // self._moments)
        if wanted > self._sent:
            pipe = self._desk.client.pipeline(transaction=False)
            for _ in range(wanted - self._sent):
                pipe.xadd(self._desk.topology.signals, cast(Any, self._traffic.next()))
            pipe.execute()
            self._sent = wanted
        self._shown.completed("market", self._done)
        self._shown.completed("signals", self._sent)
        self._shown.refresh()
        while self._desk.lag() > MAX_LAG:
            time.sleep(0.005)

    def probe(self) -> None:
        """Send marketable orders one at a time: what an order takes when nothing is in its way."""
        desk = self._desk
        for number in range(PROBES):
            fields = self._traffic.marketable(f"{PROBE}{number + 1}")
            after_id = desk.newest_event(str(fields["account"]))
            desk.client.xadd(desk.topology.signals, cast(Any, fields))
            desk.wait_for(str(fields["signal_id"]), str(fields["account"]), after_id)
            self._shown.completed("one by one", number + 1)


def analytics_counts(url: str) -> dict[str, int]:
    """Return what analytics has stored: events, fills, orders and position changes, and the sum over all fills.

    Raises:
        DemoError: it does not answer the question.
    """
    counts = {}
    for name, sql in STORED.items():
        answer = httpx.post(f"{url}/query", json={"sql": sql, "limit": 1}, timeout=30)
        if answer.status_code != httpx.codes.OK:
            raise DemoError(f"analytics: {sql}: {answer.text}")
        counts[name] = int(answer.json()["rows"][0][0] or 0)
    return counts


STORED = {
    "events": "SELECT count(*) FROM events",
    "orders": "SELECT count(*) FROM orders",
    "fills": "SELECT count(*) FROM fills",
    "positions": "SELECT count(*) FROM positions",
}


def judge(url: str, settings: Settings, stored: dict[str, int] | None) -> Audit:
    """Check the books of a quiet desk, and what analytics stored (None: it does not run); see `tools.audit`."""
    topology = settings.topology()
    found = audit(RedisSource(url, topology), topology, all_stages(settings))
    if stored is None:
        return found
    in_streams = {
        "orders": sum(found.orders_by_state.values()),
        "fills": found.fills,
        "positions": len(found.positions),
    }
    for name, expected in in_streams.items():
        if stored[name] != expected:
            found.problems.append(f"analytics has {stored[name]} {name}, the streams have {expected}")
    return found


def _live_table(seen: Seen) -> Table:
    live = Table(box=None, pad_edge=False)
    for heading in ("orders", "", "events", ""):
        live.add_column(heading, justify="left" if heading else "right")
    states = sorted(Counter(dict(seen.status).values()).items())
    events = sorted(seen.events.copy().items())
    for row in range(max(len(states), len(events))):
        state = states[row] if row < len(states) else ("", "")
        event = events[row] if row < len(events) else ("", "")
        live.add_row(state[0], str(state[1]), event[0], str(event[1]))
    return live


# ------------------------------------------------------------------------------------------------------ summary


def percentile(values: list[int], share: float) -> int:
    """Return the value that `share` (0 to 1) of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("values: there are none")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def summary(found: Audit, stored: dict[str, int] | None, seconds: float) -> dict[str, Any]:
    """Return the result of a demonstration as plain data."""
    return {
        "agrees": found.agrees,
        "problems": found.problems,
        "seconds": round(seconds, 2),
        "signals": found.signals,
        "dead_letters": dict(found.dead),
        "market_records_refused": dict(found.market_refused),
        "events": found.events,
        "fills": found.fills,
        "orders_by_state": dict(found.orders_by_state),
        "rejects_by_reason": dict(found.rejects),
        "latency_ms": {
            "one_by_one": _latency([ms for name, ms in found.latencies_ms.items() if name.startswith(PROBE)]),
            "burst": _latency([ms for name, ms in found.latencies_ms.items() if not name.startswith(PROBE)]),
        },
        "positions": [_position(event) for _, event in sorted(found.positions.items())],
        "replayed_entries": found.replayed,
        "stored_rows": stored,
    }


def _latency(values: list[int]) -> dict[str, int | None]:
    return {
        "p50": percentile(values, 0.5) if values else None,
        "p99": percentile(values, 0.99) if values else None,
        "orders": len(values),
    }


def _position(event: dict[str, Any]) -> dict[str, Any]:
    """Return a position as `fillstream positions` shows it: P&L net of the fees paid so far."""
    realized = Decimal(event["realized_pnl"]) - Decimal(event["fees"])
    unrealized = event["unrealized_pnl"]
    net = None if unrealized is None else canonical(realized + Decimal(unrealized))
    told = {**event, "net_realized_pnl": canonical(realized), "net_pnl": net}
    return {name: told[name] for name in POSITION_COLUMNS}


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))


POSITION_COLUMNS = (
    "account", "symbol", "position", "avg_px", "mark_px", "net_pnl", "net_realized_pnl", "unrealized_pnl", "fees",
    "cash", "currency",
)  # fmt: skip


def show(result: dict[str, Any], console: Console) -> None:
    """Print a summary for people."""
    counts = [[state, f"{count:,}"] for state, count in sorted(result["orders_by_state"].items())]
    counts += [[f"  {reason}", f"{count:,}"] for reason, count in sorted(result["rejects_by_reason"].items())]
    alone, burst = result["latency_ms"]["one_by_one"], result["latency_ms"]["burst"]
    console.print(table("orders by state", ("state", "orders"), counts))
    rows = [[row[column] for column in POSITION_COLUMNS] for row in result["positions"]]
    print_table(console, "positions", POSITION_COLUMNS, rows, spare=("currency", "cash", "mark_px"))
    refused = result["market_records_refused"]
    unreadable = sum(result["dead_letters"].values()) - sum(refused.values())
    console.print(
        f"{result['signals']:,} signals, {unreadable:,} of them unreadable;"
        f" {result['events']:,} events, {result['fills']:,} fills in {result['seconds']:.1f} s"
    )
    if refused:
        console.print(f"quotes and trades that the engine refused: {_counted(refused)} (`fillstream dead` has each)")
    console.print(
        f"from signal to fill, orders that trade as they come: one by one p50 {alone['p50']} ms, p99 {alone['p99']} ms;"
        f" in the burst p50 {burst['p50']} ms, p99 {burst['p99']} ms (log time)"
    )
    replayed = ", ".join(f"{name} ({entries:,} entries)" for name, entries in result["replayed_entries"].items())
    console.print(f"folded again with equal output hashes: {replayed}")
    if result["stored_rows"] is None:
        text = f"analytics is not installed, so its rows were not compared: {how_to_get('analytics')}"
        console.print(text, style="yellow", markup=False)
    if result["agrees"]:
        console.print("[bold green]the books agree to the last tick[/]")
    else:
        console.print("[bold red]the books do not agree[/]")
        for problem in result["problems"]:
            console.print(f"  {problem}", style="red")
