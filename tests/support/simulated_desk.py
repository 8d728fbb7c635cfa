"""A whole desk in one process, over a log in memory, where anything may crash between any two steps.

The seed decides everything: what clients send, which stage moves, how large its batch is, where it dies. The stages and
the runner are the real ones; only the log is the naive one of `tests.support.memory_log`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import orjson

from fillstream.backtest.memory_log import MemoryClock, MemoryLog, MemoryRedis, MemorySnapshots
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.calendar import NO_CALENDARS, Calendars
from fillstream.libs.common.messages.codes import OrderType, TimeInForce
from fillstream.libs.common.messages.journal import journal_event
from fillstream.libs.common.messages.market import market_message
from fillstream.libs.common.messages.note import is_tick
from fillstream.libs.common.messages.positions import position_message
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.simulation import IDEAL, AccountSimulation, SimulationConfig
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.runtime.log import Fenced
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.stage import Stage, due_of
from fillstream.libs.common.runtime.ticker import TICK, Ticker
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.stage import EngineStage
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.signals.stage import SignalsStage
from fillstream.services.position_service.stage import PositionStage
from fillstream.tools.audit import Audit, audit
from fillstream.tools.replay import Replay, replay
from tests.support.terms import account, but, instrument

CENT, SHARE = Decimal("0.01"), Decimal(1)
SYMBOLS = {"AAPL": 1, "MSFT": 2, "SPY": 3}
ACCOUNTS = ("default", "alpha", "beta")
CONFIG = DeskConfig(
    instruments={
        symbol: instrument(number, CENT, SHARE, maker_fee_bps=Decimal("-0.1"), taker_fee_bps=Decimal("0.35"))
        for symbol, number in SYMBOLS.items()
    },
    accounts={
        name: account(number, Decimal(1_000_000), 10_000, Decimal(10), Decimal(100))
        for number, name in enumerate(ACCOUNTS, start=1)
    },
    default_order_type=OrderType.MARKET,
    default_time_in_force=TimeInForce.GTC,
    retention_ms=5_000,
    max_quote_age_ms=60_000,
)
TWO_VENUES = but(
    CONFIG,
    instruments=dict(CONFIG.instruments) | {"MSFT": but(CONFIG.instruments["MSFT"], venue="SIM2")},
    accounts=dict(CONFIG.accounts) | {"beta": but(CONFIG.accounts["beta"], venue="SIM2")},
    venues={SIM: VenueTerms(), "SIM2": VenueTerms(taker_fee_bps=Decimal("1.5"))},
)
"""MSFT is traded at the second venue, and so is whatever beta trades; everything else at SIM."""
THREE_VENUES = but(TWO_VENUES, venues=dict(TWO_VENUES.venues) | {"SIM3": VenueTerms(maker_fee_bps=Decimal("0.2"))})
"""Likewise, and a third one that only those orders see which are routed."""
OUTSIDE = but(
    CONFIG,
    instruments=dict(CONFIG.instruments) | {"AAPL": but(CONFIG.instruments["AAPL"], venue="OUT")},
    venues={SIM: VenueTerms(), "OUT": VenueTerms(simulated=False, expires=False)},
)
"""AAPL is traded at a venue that no engine of the desk is."""
SLOW = SimulationConfig(
    delay_ms=100,
    delay_spread_ms=80,
    reject_rate=Decimal("0.1"),
    slippage=Decimal("0.0005"),
    fill_share=Decimal("0.6"),
    fill_share_spread=Decimal("0.4"),
    seed=1,
    accounts={"2": AccountSimulation(delay_ms=3), "3": AccountSimulation(delay_ms=900, delay_spread_ms=900)},
)
"""A venue that is slow, refuses by lot and quotes worse than the market."""
GARBAGE = (
    {b"data": b"{not json"},
    {b"\xff": b"\xfe"},
    {b"symbol": b"AAPL", b"side": b"HOLD", b"quantity": b"1"},
    {b"symbol": b"AAPL", b"side": b"BUY", b"quantity": b"NaN"},
    {b"data": b'{"symbol":"AAPL","side":"BUY","quantity":1e400}'},
    {b"symbol": b"AAPL", b"side": b"BUY", b"quantity": b"-5"},
    {b"type": b"CancelOrder"},
)


OVERRIDES: tuple[tuple[str, tuple[str | int, ...]], ...] = (
    ("max_order_value", ("500", "20000", "2000000.50", "0")),
    ("max_daily_orders", (0, 5, 10_000)),
    ("min_order_size", ("0", "5000", "1500000")),
    ("max_slippage_bps", ("0", "5", "250")),
)
"""What an operator may set; a `max_order_value` of 0 and some pairs are refused."""


def odd(record: bytes, dice: random.Random) -> bytes:
    """Return a quote or a print as markets have them now and then: locked, crossed, of no size, of no price."""
    if dice.random() < 0.7:
        return record
    command = frames.Command._make(frames.COMMAND.unpack(record))
    changes: list[dict[str, int]] = [
        {"qty": -1},
        {"qty": frames.MAX_QTY + 1},
        {"price": 2**62},
        {"price": -3},
        {"stp": 9},
    ]
    if command.type == frames.CommandType.QUOTE:
        locked = {"aux_price": command.price}
        changes += [locked, locked, locked, {"aux_price": command.price - 1}, {"price": 0, "aux_qty": 0}]
    else:
        changes.append({"qty": 0, "price": 0})
    return frames.COMMAND.pack(*command._replace(**dice.choice(changes)))


def make_special(fields: dict[str, str], mid: int, now_ms: int, dice: random.Random) -> None:
    """Make a plain order's fields those of one that is not: mostly ones that fit, now and then some that do not."""

    def near(most: int = 60) -> str:
        return f"{(mid + dice.randrange(-most, most + 1)) / 100:.2f}"

    kind = dice.choice(SPECIAL_KINDS)
    fields["order_type"] = kind
    rests = fields["time_in_force"] not in ("IOC", "FOK")
    if kind in ("LIMIT", "STOP_LIMIT", "LIMIT_IF_TOUCHED"):
        fields["price"] = near()
    else:
        fields.pop("price", None)
    if kind in ("STOP", "STOP_LIMIT", "MARKET_IF_TOUCHED", "LIMIT_IF_TOUCHED"):
        fields["stop_price"] = near()
        if dice.random() < 0.5:
            fields["trigger_price_type"] = dice.choice(("LAST", "BID_ASK", "MID", "MARK"))
    if kind == "TRAILING_STOP":
        fields["trailing_offset"], fields["trailing_offset_type"] = dice.choice(
            (("0.25", "PRICE"), ("4", "TICKS"), ("20", "BPS"), ("2", "BPS"), ("0.2", "PERCENT"))
        )
        if dice.random() < 0.4:
            fields["trigger_price_type"] = dice.choice(("LAST", "BID_ASK", "MID", "MARK"))
    if kind != "LIMIT" and not rests and dice.random() < 0.95:
        fields["time_in_force"], rests = "GTC", True
    if rests and dice.random() < 0.15:
        fields["time_in_force"], fields["expire_time"] = "GTD", str(now_ms + dice.choice((-1, 50, 2_000, 100_000)))
    if kind.startswith("LIMIT") and rests and dice.random() < 0.4:
        name, value = dice.choice((("post_only", "true"), ("all_or_none", "true"), ("display_quantity", "5")))
        fields[name] = value
    if dice.random() < 0.2:
        fields["self_trade_prevention"] = dice.choice(("CANCEL_RESTING", "CANCEL_INCOMING", "CANCEL_BOTH", "DECREMENT"))
    if dice.random() < 0.15:
        fields["effective_after_ms"] = str(dice.choice((1, 300, 5_000)))
    if dice.random() < 0.1:
        del fields["quantity"]
        fields["notional"] = str(dice.choice((10, 900, 40_000)))


SPECIAL_KINDS = (
    "LIMIT", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP", "MARKET_TO_LIMIT", "MARKET_IF_TOUCHED", "LIMIT_IF_TOUCHED",
)  # fmt: skip


@dataclass
class Slot:
    """A place where one stage partition runs, or does not at the moment."""

    make: Callable[[], Stage]
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    runner: Runner | None = None
    zombie: Runner | None = None
    ticker: Ticker | None = None


class SimulatedDesk:
    def __init__(
        self,
        seed: int,
        accounts: int = 1,
        symbols: int = 1,
        prefix: str = "",
        controls: bool = False,
        config: DeskConfig = CONFIG,
        odd_market: bool = False,
        specials: bool = False,
        protects: bool = False,
        targets: bool = False,
        simulation: SimulationConfig = IDEAL,
        calendars: Callable[[int, int | None], Calendars] = lambda ms, symbols: NO_CALENDARS,
    ) -> None:
        self.dice = random.Random(seed)
        self.operator = random.Random(f"operator {seed}") if controls else None
        self.oddities = random.Random(f"oddities {seed}") if odd_market else None
        self.specials = random.Random(f"specials {seed}") if specials else None
        self.protects = random.Random(f"protects {seed}") if protects else None
        self.aims = random.Random(f"targets {seed}") if targets else None
        self.told: list[tuple[str, bytes]] = []
        self.rules = [rule.rule_id for rule in config.rules]
        self.switched = 0
        self.redis = MemoryRedis()
        simulated = tuple(name for name, venue in config.venues.items() if venue.simulated)
        self.topology = Topology(accounts, symbols, prefix, simulated)
        listings = {each.id: Listing(symbol, each) for symbol, each in config.instruments.items()}
        t = self.topology
        self.slots = [Slot(lambda: SignalsStage(t))]
        for a in range(accounts):
            of_orders = partial(OrdersStage, t, a, config, lambda: calendars(self.redis.now_ms, None))
            self.slots.append(Slot(of_orders))
            self.slots.append(Slot(lambda a=a: PositionStage(a)))  # type: ignore[misc]
        for v in t.venues:
            for s in range(symbols):
                hours = partial(lambda s: calendars(self.redis.now_ms, s), s)
                self.slots.append(Slot(partial(EngineStage, t, s, listings, v, simulation, hours)))
        self.sent = 0
        self.crashes = 0
        self._used: list[dict[bytes, bytes]] = []
        self._mid = dict.fromkeys(SYMBOLS, 15_000)

    # ------------------------------------------------------------------------------------------- the schedule

    def run(self, steps: int) -> None:
        """Take `steps` random steps, then let everything settle."""
        for _ in range(steps):
            self.redis.now_ms += self.dice.choice((0, 0, 1, 1, 2, 5, 50, 400))
            if self.dice.random() < 0.002:
                self.redis.now_ms += 86_400_000
            if self.operator is not None and self.operator.random() < 0.03:
                self.control(self.operator)
            if self.protects is not None and self.protects.random() < 0.1:
                self.protect(self.protects)
            if self.aims is not None and self.aims.random() < 0.08:
                self.aim(self.aims)
            choice = self.dice.random()
            if choice < 0.30:
                self.client()
            elif choice < 0.40:
                self.feed()
            else:
                self.stage_step(self.dice.choice(self.slots))
        self.settle()

    def settle(self) -> None:
        """Start what is down and let every stage read until nothing is left."""
        for slot in self.slots:
            slot.zombie = None
        moving = True
        while moving:
            moving = False
            for slot in self.slots:
                runner = slot.runner or self.start(slot)
                self.tick(slot)
                while batch := runner.read(500, 0):
                    runner.step(batch)
                    moving = True

    def pass_time(self, ms: int) -> None:
        """Let the desk run by itself: from one thing that is due to the next, and nothing happens in between."""
        until_ms = self.redis.now_ms + ms
        self.settle()
        while True:
            due = [due_of(slot.runner.stage) for slot in self.slots if slot.runner]
            soonest = min((each for each in due if each is not None), default=until_ms)
            if soonest >= until_ms:
                break
            self.redis.now_ms = max(self.redis.now_ms, soonest)
            self.settle()
        self.redis.now_ms = until_ms
        self.settle()

    def tick(self, slot: Slot) -> None:
        """Append the ticks that a worker would."""
        assert slot.runner is not None and slot.ticker is not None
        slot.ticker.tick(slot.runner.position)

    def start(self, slot: Slot) -> Runner:
        stage = slot.make()
        log = MemoryLog(self.redis, self.topology, stage.name, stage.inbox)
        slot.runner = Runner(stage, log, slot.snapshots)
        slot.runner.recover()
        slot.ticker = Ticker(stage, log.append, MemoryClock(self.redis), lambda: self.redis.now_ms / 1000)
        return slot.runner

    def stage_step(self, slot: Slot) -> None:
        """Let one stage do one thing, or die before, in the middle of, or after it."""
        if slot.zombie is not None:
            zombie, slot.zombie = slot.zombie, None
            self.doomed(zombie)
        runner = slot.runner
        if runner is None:
            self.start(slot)
            return
        dies = self.dice.random()
        if dies < 0.01:  # before it reads
            self.crash(slot)
            return
        if dies < 0.02:  # a second process claims the partition while this one lives on for a moment
            slot.zombie = runner
            self.start(slot)
            return
        if self.dice.random() < 0.05 and runner.position != "0-0":
            slot.snapshots.save(runner.snapshot())
        self.tick(slot)
        if runner.stage.tick_ms is not None and self.dice.random() < 0.1:
            runner.log.append(TICK)  # that of a process which died, or one that came early
        batch = runner.read(self.dice.choice((1, 2, 7, 500)), 0)
        if not batch:
            return
        if dies < 0.03:  # after it read, before it commits
            self.crash(slot)
            return
        runner.step(batch)
        if dies < 0.04:  # after the commit, before anything else
            self.crash(slot)

    def doomed(self, zombie: Runner) -> None:
        """Let a fenced process try to go on: it must not change anything."""
        before = zombie.log.checkpoint()
        batch = zombie.read(7, 0)
        if not batch:
            return
        try:
            zombie.step(batch)
        except Fenced:
            assert zombie.log.checkpoint() == before
        else:
            raise AssertionError("a fenced process committed")

    def crash(self, slot: Slot) -> None:
        self.crashes += 1
        slot.runner = None

    # --------------------------------------------------------------------------------------------- the outside

    def client(self) -> None:
        """Publish one signal: mostly sensible, sometimes again, sometimes nonsense."""
        self.sent += 1
        kind = self.dice.random()
        if kind < 0.05 and self._used:
            fields = self.dice.choice(self._used)
        elif kind < 0.08:
            fields = self.dice.choice(GARBAGE)
        elif kind < 0.25 and self.sent > 5:
            fields = self.change()
        else:
            fields = self.order()
        if self.dice.random() < 0.3:
            document = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
            if fields not in GARBAGE:
                fields = {b"data": orjson.dumps(document)}
        self._used.append(fields)
        self.redis.add(self.topology.signals, fields)

    def order(self) -> dict[bytes, bytes]:
        dice, symbol = self.dice, self.dice.choice(list(SYMBOLS))
        fields = {
            "signal_id": f"s{self.sent}",
            "symbol": dice.choice((symbol, symbol, symbol, symbol, symbol, "NOPE")) if dice.random() < 0.1 else symbol,
            "side": dice.choice(("BUY", "SELL", "buy")),
            "quantity": str(dice.choice((1, 5, 40, 100, 700))),
            "account": dice.choice(ACCOUNTS) if dice.random() < 0.97 else "nobody",
            "time_in_force": dice.choice(("GTC", "GTC", "IOC", "FOK", "DAY")),
        }
        if self.operator is not None and self.operator.random() < 0.1:
            fields |= {"group_id": f"g{self.operator.randrange(5)}", "position_id": "p1"}
        if dice.random() < 0.7:
            ticks = self._mid[symbol] + dice.randrange(-40, 41)
            fields["price"] = f"{ticks / 100:.2f}" if dice.random() < 0.97 else f"{ticks / 100:.2f}5"
        if self.specials is not None and self.specials.random() < 0.6:
            make_special(fields, self._mid.get(symbol, 15_000), self.redis.now_ms, self.specials)
        return {name.encode(): value.encode() for name, value in fields.items()}

    def protect(self, dice: random.Random) -> None:
        """Ask for a position's protection: mostly of one that is open, with prices near the market."""
        self.sent += 1
        symbol = dice.choice(list(SYMBOLS))
        fields = {"signal_id": f"p{self.sent}", "symbol": symbol, "account": dice.choice(ACCOUNTS)}
        fields["protection_id"] = dice.choice(("default", "default", "other"))
        if dice.random() < 0.15:
            fields["type"] = "CancelProtection"
            if dice.random() < 0.5:
                del fields["protection_id"]
        else:
            fields["type"] = "ProtectPosition"
            near = f"{(self._mid[symbol] + dice.randrange(-60, 61)) / 100:.2f}"
            fields |= dice.choice(
                (
                    {"stop_loss": near}, {"take_profit": near}, {"stop_loss_percent": "0.15"},
                    {"take_profit_percent": "0.1", "stop_loss_percent": "0.3"}, {"trailing_stop": "0.06"},
                    {"trailing_stop_percent": "0.03", "activation_offset": "0.05"},
                    {"break_even_offset": "0.15", "stop_loss_percent": "1"}, {"time_limit_ms": "3000"},
                    {"exit_time": str(self.redis.now_ms + 700)}, {"before_session_end_ms": "1000"},
                    {"trailing_stop_atr": "0.5"}, {"trailing_stop_atr": "1", "stop_loss_percent": "0.3"},
                )
            )  # fmt: skip
            if dice.random() < 0.3:
                fields["quantity"] = str(dice.choice((1, 7, 50)))
        self.redis.add(self.topology.signals, {name.encode(): value.encode() for name, value in fields.items()})

    def aim(self, dice: random.Random) -> None:
        """Ask for a position to be reached, or several, or for none any more."""
        self.sent += 1
        symbol = dice.choice(list(SYMBOLS))
        said: dict[str, Any] = {"type": "target", "signal_id": f"t{self.sent}", "account": dice.choice(ACCOUNTS)}
        kind = dice.random()
        if kind < 0.1:
            said["type"] = "CancelTarget"
            if dice.random() < 0.5:
                said["symbol"] = symbol
        elif kind < 0.3:
            said["targets"] = [
                {"symbol": each, "target": str(dice.randrange(-60, 61))} for each in SYMBOLS if dice.random() < 0.7
            ]
            said["close_others"] = dice.random() < 0.3
        else:
            said |= {"symbol": symbol, "target": str(dice.choice((0, 0, dice.randrange(-300, 301))))}
            if dice.random() < 0.2:
                said["tolerance"] = "3"
            if dice.random() < 0.1:
                said |= {"algorithm": "TWAP", "algorithm_parameters": {"duration_ms": 2_000, "slices": 4}}
        self.publish(**said)

    def publish(self, **said: Any) -> None:
        """Publish a signal as one JSON document."""
        self.redis.add(self.topology.signals, {b"data": orjson.dumps(said)})

    def quote_well(self, symbol: str) -> None:
        """Quote a market that has enough for everybody, at every venue."""
        mid = self._mid[symbol]
        for venue in self.topology.venues:
            record = frames.quote(SYMBOLS[symbol], mid - 2, 5_000, mid + 2, 5_000)
            stream = self.topology.commands(venue, self.topology.symbol_partition(symbol))
            self.redis.add(stream, {b"frame": record})

    def change(self) -> dict[bytes, bytes]:
        dice = self.dice
        fields = {
            "type": dice.choice(("CancelOrder", "ReplaceOrder")),
            "signal_id": f"c{self.sent}",
            "account": dice.choice(ACCOUNTS),
        }
        if dice.random() < 0.5:
            fields["order_id"] = str(dice.randrange(1, self.sent))
        else:
            fields["orig_client_order_id"] = f"s{dice.randrange(1, self.sent)}"
        if fields["type"] == "ReplaceOrder":
            fields["quantity"] = str(dice.choice((1, 10, 90, 300)))
            if dice.random() < 0.5:
                fields["price"] = f"{(self._mid['AAPL'] + dice.randrange(-40, 41)) / 100:.2f}"
            if self.specials is not None and self.specials.random() < 0.4:
                fields["stop_price"] = f"{(self._mid['AAPL'] + self.specials.randrange(-60, 61)) / 100:.2f}"
        return {name.encode(): value.encode() for name, value in fields.items()}

    def control(self, dice: random.Random) -> None:
        """Set or reset limits as an operator would: mostly sensible, sometimes again, sometimes nonsense.

        Rules are switched, too, where there are any.
        """
        if self.rules and dice.random() < 0.2:
            switch = {"type": "SwitchRule", "v": 1, "control_id": f"r{self.switched}", "who": "operator"}
            said = switch | {"reason": "a test", "rule_id": dice.choice((*self.rules, "none"))}
            self.switched += 1
            on = dice.choice((True, True, False, None))
            data = orjson.dumps(said | ({} if on is None else {"enabled": on}))
            for a in range(self.topology.account_partitions):
                self.redis.add(self.topology.orders(a), {b"control": data})
            return
        kind = dice.random()
        if kind < 0.15 and self.told:
            account, data = dice.choice(self.told)
        else:
            account = dice.choice(ACCOUNTS) if kind < 0.95 else "nobody"
            # Now and then an id that came before, with another content.
            number = dice.randrange(len(self.told)) if kind < 0.2 and self.told else len(self.told)
            document = {"v": 1, "control_id": f"k{number}", "who": "operator", "reason": "a test", "account": account}
            if dice.random() < 0.3:
                fields = dice.choice((None, ["max_order_value"], ["max_daily_orders", "min_order_size"]))
                document |= {"type": "ResetLimits", **({"fields": fields} if fields else {})}
            else:
                name, values = dice.choice(OVERRIDES)
                document |= {"type": "SetLimits", "limits": {name: dice.choice(values)}}
            data = orjson.dumps(document) if dice.random() < 0.97 else b"{"
            self.told.append((account, data))
        self.redis.add(self.topology.orders(self.topology.account_partition(account)), {b"control": data})

    def feed(self) -> None:
        """Quote one symbol, or print a trade, as a market-data feed would."""
        dice, symbol = self.dice, self.dice.choice(list(SYMBOLS))
        number = SYMBOLS[symbol]
        if dice.random() < 0.2:
            record = frames.print_trade(number, dice.choice((1, 2)), self._mid[symbol], dice.randrange(1, 200))
        else:
            self._mid[symbol] = mid = max(100, self._mid[symbol] + dice.randrange(-10, 11))
            record = frames.quote(number, mid - 2, dice.randrange(0, 300), mid + 2, dice.randrange(0, 300))
        if self.oddities is not None:
            record = odd(record, self.oddities)
        venues = self.topology.venues
        venue = dice.choice(venues) if len(venues) > 1 else SIM
        self.redis.add(self.topology.commands(venue, self.topology.symbol_partition(symbol)), {b"frame": record})

    # -------------------------------------------------------------------------------------------- the judgment

    def entries(self, stream: str) -> Iterator[tuple[str, Mapping[bytes, bytes]]]:
        for entry in self.redis.streams.get(stream, []):
            yield entry.id, entry.fields

    def journal(self, partition: int) -> Iterator[dict[str, Any]]:
        for _, fields in self.entries(self.topology.events(partition)):
            if b"data" in fields:
                yield orjson.loads(fields[b"data"])

    def told_of_positions(self, partition: int) -> Iterator[dict[str, Any]]:
        for _, fields in self.entries(self.topology.positions(partition)):
            yield orjson.loads(fields[b"data"])

    def replay(self, stage: Stage) -> Replay:
        return replay(MemoryLog(self.redis, self.topology, stage.name, stage.inbox), stage)

    def audit(self) -> Audit:
        return audit(self, self.topology, [slot.make() for slot in self.slots])

    def check_contracts(self) -> None:
        """Validate every message of every public stream against the contracts."""
        for a in range(self.topology.account_partitions):
            for _, fields in self.entries(self.topology.events(a)):
                if not is_tick(fields):
                    journal_event.validate_json(fields[b"data"])
            for _, fields in self.entries(self.topology.positions(a)):
                position_message.validate_json(fields[b"data"])
        for s in range(self.topology.symbol_partitions):
            for _, fields in self.entries(self.topology.market(s)):
                market_message.validate_json(fields[b"data"])
