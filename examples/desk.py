"""A desk of one's own to try things on, and a market that moves as it is told.

`with a_desk() as (client, market)` starts Valkey and every stage in a folder that is thrown away; nothing else on this
machine is touched. On a desk that runs already, a `Client` is all that a strategy needs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import orjson

from fillstream import Client, LocalStack
from fillstream.client import Outcome
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.calendar import CALENDAR, Calendars, CalendarTable, InstrumentHours
from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.libs.common.process.settings import default_path
from fillstream.libs.common.values.money import Scale
from fillstream.stack.stack import IDEAL_DESK

PATIENCE_S = 20.0
OWN = "examples.own_algorithm.better_than_vwap"
TIMED, AUCTIONS = "TIMED", "open_auction_ms: 500, close_auction_ms: 500"


class Market:
    """What a feed of market data would say."""

    def __init__(self, stack: LocalStack, client: Client) -> None:
        self._stack = stack
        self._client = client

    def quote(self, symbol: str, bid: str, ask: str, quantity: str = "1000", venue: str = "SIM") -> None:
        """Say at what prices the house buys and sells at a venue, and how many."""
        terms = self._stack.settings.instruments[symbol]
        price, lot = Scale(terms.tick_size), Scale(terms.lot_size)
        lots, low, high = lot.units(quantity), price.units(bid), price.units(ask)
        assert lots is not None and low is not None and high is not None, "an example is on the grid"
        topology = self._client.topology
        stream = topology.commands(venue, topology.symbol_partition(symbol))
        self._client.redis.xadd(stream, {"frame": frames.quote(terms.id, low, lots, high, lots)})

    def shown(self, symbol: str, bid: str, ask: str, quantity: str = "1000", venue: str = "SIM") -> None:
        """Quote, and wait until the desk has told of it: an order that is routed goes by what the desk knows."""
        self.quote(symbol, bid, ask, quantity, venue)
        redis: Any = self._client.redis
        journal, after, seen = self._client.topology.events(0), "0-0", None
        wanted, deadline = (Decimal(bid), Decimal(ask)), time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            entries = dict(redis.xread({journal: after}, block=200) or []).get(journal.encode(), [])
            after = entries[-1][0] if entries else after
            for event in (orjson.loads(fields[b"data"]) for _, fields in entries if b"data" in fields):
                if event["type"] == "QuoteUpdated" and (event["symbol"], event["venue"]) == (symbol, venue):
                    seen = tuple(Decimal(each or 0) for each in (event["bid_px"], event["ask_px"]))
            if seen == wanted:
                return
        raise TimeoutError(f"{symbol} at {venue}: the desk has not told of {bid} to {ask}")

    def trade(self, symbol: str, price: str) -> None:
        """Say that somebody traded there, on the real market."""
        terms = self._stack.settings.instruments[symbol]
        ticks = Scale(terms.tick_size).units(price)
        assert ticks is not None, "an example is on the grid"
        topology = self._client.topology
        stream = topology.commands("SIM", topology.symbol_partition(symbol))
        self._client.redis.xadd(stream, {"frame": frames.print_trade(terms.id, 1, ticks, 1)})

    def sessions(self, *sessions: tuple[int, int]) -> None:
        """Say when TIMED trades: from when to when (ms since 1970). A desk says so itself at its start, for 400 days.

        Examples have no patience for real hours, so they write the entries themselves.
        """
        named = {each: getattr(self._stack.settings.instruments[TIMED], each) for each in InstrumentHours.model_fields}
        first, last = sessions[0][0] - DAY_MS, sessions[-1][1] + DAY_MS
        rows = tuple((str(number), *each) for number, each in enumerate(sessions, start=1))
        table = CalendarTable(zone="UTC", from_ms=first, until_ms=last, sessions=rows)
        calendars = Calendars(calendars={named["calendar"]: table})
        number = str(self._stack.settings.instruments[TIMED].id)
        topology, redis = self._client.topology, self._client.redis
        books = calendars.model_copy(update={"instruments": {number: InstrumentHours(**named)}})
        redis.xadd(topology.commands("SIM", topology.symbol_partition(TIMED)), {CALENDAR: books.to_json()})
        for partition in range(topology.account_partitions):
            redis.xadd(topology.orders(partition), {CALENDAR: calendars.to_json()})


def a_configuration(folder: Path) -> Path:
    """Write the configuration that came with Fillstream and more: sessions, venues, routing, an alias, an algorithm."""
    for file in default_path().parent.glob("*.yaml"):
        text = file.read_text()
        if file.name == "instruments.yaml":
            text += f"{TIMED}: {{id: 900, tick_size: 0.01, lot_size: 1, calendar: HOURS, {AUCTIONS}}}\n"
        elif file.name == "accounts.yaml":
            text += "\nmain@paper: {id: 101, venue: SIM, mode: PAPER, max_order_value: 1000000}\n"
            text += "main@live: {id: 102, venue: SIM2, max_order_value: 100000}\n"
        elif file.name == "local.yaml":
            [one] = [line for line in text.splitlines(keepends=True) if line.startswith("    SIM: ")]
            text = text.replace("  algorithms: []", f"  algorithms: [{OWN}]")
            text = text.replace(one, f"{one}    SIM2: {{taker_fee_bps: 1}}\n") + "\naliases: {main: main@paper}\n"
            text += "routing: {rules: [{policy: BEST_PRICE, strategies: [routed]}]}\n"
            text += "calendars:\n  HOURS: {zone: UTC, opens: '00:00', closes: '23:59'}\n"
        folder.joinpath(file.name).write_text(text)
    return folder / "local.yaml"


@contextmanager
def a_desk() -> Iterator[tuple[Client, Market]]:
    """Run a desk, and yield a client of it and its market."""
    with tempfile.TemporaryDirectory(prefix="fillstream-example-") as folder:
        config = Path(folder, "config")
        config.mkdir()
        more: dict[str, Any] = {"without": ("analytics",), "environ": IDEAL_DESK, "config": a_configuration(config)}
        with LocalStack(Path(folder), base_port=0, redis_port=0, **more) as stack:
            stack.wait_ready()
            with Client(stack.redis_url) as client:
                yield client, Market(stack, client)


def told(client: Client, signal_id: str, *kinds: str, account: str = "default") -> list[dict[str, Any]]:
    """Wait until the journal has told an event of each of these kinds of a signal's order; print and return all of it.

    Raises:
        TimeoutError: it has not, in `PATIENCE_S`.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        outcome: Outcome = client.wait_for(signal_id, account=account)
        seen = [event["type"] for event in outcome.events]
        if all(kind in seen for kind in kinds):
            for event in outcome.events:
                said = {name: event[name] for name in _SHOWN if event.get(name) is not None}
                print(f"  {event['type']:22} {'  '.join(f'{name}={value}' for name, value in said.items())}")
            return outcome.events
        if outcome.final:
            break
    words = f"{outcome.reason}: {outcome.text}" if outcome.text else ", ".join(seen)
    raise TimeoutError(f"signal {signal_id}: {', '.join(kinds)} expected, the journal told {words}")


def finished(client: Client, signal_id: str, account: str = "default") -> Outcome:
    """Wait until an order has ended; print and return what was told of it and of what it made.

    Raises:
        TimeoutError: it has not, in `PATIENCE_S`.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        outcome = client.wait_for(signal_id, account=account)
        if outcome.final:
            for event in outcome.events:
                said = {name: event[name] for name in _SHOWN if event.get(name) is not None}
                print(f"  {event['type']:22} {'  '.join(f'{name}={value}' for name, value in said.items())}")
            return outcome
    raise TimeoutError(f"signal {signal_id}: it should have ended, and is {outcome.ord_status}")


def of_list(client: Client, list_id: str, status: str, **said: str) -> dict[str, Any]:
    """Wait until a list of orders, or a bracket, stands so and says that; print and return what was told.

    Raises:
        TimeoutError: it does not, in `PATIENCE_S`.
    """
    wanted, after = {"list_id": list_id, "list_order_status": status, **said}, "0-0"
    deadline, redis = time.monotonic() + PATIENCE_S, cast("Any", client.redis)
    journal = client.topology.events(client.topology.account_partition("default"))
    while time.monotonic() < deadline:
        for _, entries in redis.xread({journal: after}, block=1_000) or []:
            after = entries[-1][0]
            for event in (orjson.loads(fields[b"data"]) for _, fields in entries if b"data" in fields):
                if event["type"] == "OrderListReported" and wanted.items() <= event.items():
                    names = ("stop_loss", "take_profits", "protected_qty", "text")
                    shown = {name: event[name] for name in names if event.get(name) is not None}
                    print(f"  OrderListReported      {status}  {'  '.join(f'{n}={v}' for n, v in shown.items())}")
                    return dict(event)
    raise TimeoutError(f"list {list_id}: {wanted} expected")


_SHOWN = (
    "ord_status", "side", "quantity", "price", "stop_price", "last_qty", "last_px", "cum_qty", "leaves_qty", "reason",
    "text",
)  # fmt: skip
