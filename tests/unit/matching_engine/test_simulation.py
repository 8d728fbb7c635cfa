"""A simulated venue that is not ideal: what its stage does with its configuration, its queue and its snapshots."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import OrdType, Reason, ReportType, Session, Side, Tif
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.simulation import IDEAL, AccountSimulation, SimulationConfig
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Configured, Entry, Outputs, configuration_of
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.matching_engine import simulation
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.stage import EngineStage
from tests.support.simulated_desk import CENT, SHARE
from tests.support.terms import instrument

NOON_MS = 1_700_000_000_000
SLOW = SimulationConfig(delay_ms=100)


class Venue:
    """An engine stage that was told its configuration, and what it sent to account partition 0."""

    def __init__(self, config: SimulationConfig = IDEAL) -> None:
        self.config = config
        self.stage = self.made()
        self.out = Outputs(self.stage.name, self.stage.inbox)
        self.ms = NOON_MS
        if (offered := self.stage.configuration()) is not None:
            self.fold(offered)

    def made(self) -> EngineStage:
        return EngineStage(Topology(), 0, {1: Listing("AAPL", instrument(1, CENT, SHARE))}, config=self.config)

    def fold(self, fields: dict[bytes, bytes]) -> list[frames.Report]:
        self.out.begin(Entry(f"{self.ms}-0", self.ms, fields))
        self.stage.fold(Entry(f"{self.ms}-0", self.ms, fields), self.out)
        _, sent = self.out.by_stream.pop("orders.0", (b"", []))
        return [frames.Report._make(r) for frame in sent for r in frames.reports(frame)]

    def command(self, *records: bytes) -> list[frames.Report]:
        return self.fold({b"frame": b"".join(records)})

    def wait(self, ms: int) -> list[tuple[ReportType, int]]:
        self.ms += ms
        return told(self.fold({b"tick": b"1"}))

    @property
    def delayed(self) -> int:
        return self.stage.gauges()["delayed_commands"][""]


def told(reports: list[frames.Report]) -> list[tuple[ReportType, int]]:
    return [(ReportType(each.type), each.order_id) for each in reports]


def order(order_id: int, side: Side = Side.BUY, account: int = 1, **terms: int) -> bytes:
    given: dict[str, Any] = {"ord_type": OrdType.LIMIT, "tif": Tif.GTC, "price": 15_000, "qty": 10, **terms}
    return frames.new_order(order_id, account, 1, 0, side=side, **given)


def cancel(order_id: int, account: int = 1) -> bytes:
    return frames.cancel(order_id, account, 1, 0)


# ------------------------------------------------------------------------------------------------ configuration


def test_an_ideal_venue_wants_no_configuration_and_its_snapshot_is_the_engines() -> None:
    for config in (IDEAL, SimulationConfig(), SimulationConfig(seed=5)):
        venue = Venue(config)
        assert configuration_of(venue.stage) is None
        venue.command(frames.quote(1, 100, 5, 102, 5), order(1))
        engine = CoreEngine()
        engine.process(frames.quote(1, 100, 5, 102, 5) + order(1), NOON_MS)
        assert venue.stage.snapshot() == engine.snapshot()


def test_a_configuration_is_offered_until_the_inbox_has_it_and_is_equal_however_it_is_written() -> None:
    config = SimulationConfig(slippage=Decimal("0.0005"), accounts={"3": AccountSimulation(delay_ms=7)})
    venue = Venue(config)
    assert isinstance(venue.stage, Configured)
    assert venue.stage.configuration() is None, "the constructor of the test has folded it"
    assert venue.made().configuration() == {b"config": config.to_json()}
    assert SimulationConfig.from_json(config.to_json()) == config
    again = EngineStage(Topology(), 0, {}, config=config.model_copy(update={"slippage": Decimal("0.00050")}))
    again.restore(venue.stage.snapshot())
    assert again.configuration() is None


def test_a_venue_that_becomes_ideal_again_says_so_and_forgets_it_once_all_has_arrived() -> None:
    venue = Venue(SLOW)
    venue.command(order(1))
    venue.config = IDEAL
    ideal, kept = venue.made(), venue.stage.snapshot()
    ideal.restore(kept)
    offered = ideal.configuration()
    assert offered is not None
    venue.stage = ideal
    assert venue.fold(offered) == []
    assert venue.command(order(2)) == [], "behind the account's first"
    assert told(venue.command(order(3, account=2))) == [(ReportType.ACCEPTED, 3)], "nobody else waits"
    assert venue.wait(100) == [(ReportType.ACCEPTED, 1), (ReportType.ACCEPTED, 2)]
    assert venue.stage.snapshot()[:1] != b"{"
    assert venue.stage.configuration() is None


def test_commands_before_the_first_configuration_meet_an_ideal_venue() -> None:
    venue = Venue()
    assert told(venue.command(order(1))) == [(ReportType.ACCEPTED, 1)]
    venue.fold({b"config": SLOW.to_json()})
    assert venue.command(order(2)) == []
    assert venue.wait(100) == [(ReportType.ACCEPTED, 2)]


@pytest.mark.parametrize(
    "data, words",
    [
        (b"{", "config: must be JSON, 1 bytes are not"),
        (b"[]", "config: must be a JSON object, got a list"),
        (b'{"delay_ms":-1}', "delay_ms: -1 must be at least 0"),
        (b'{"slippage":"1"}', "slippage: '1' must be below 1"),
        (b'{"fill_share":"0"}', "fill_share: '0' must be above 0"),
        (b'{"reject_rate":0.5}', "reject_rate"),
        (b'{"v":2}', "v: 2 must be at most 1"),
        (b'{"accounts":{"0":{}}}', "accounts.0"),
        (b'{"accounts":{"9999999999":{}}}', "accounts: 9999999999 must be from 1 to 4294967295"),
        (b'{"speed":1}', "speed"),
    ],
)
def test_a_configuration_that_is_none_is_dead_and_changes_nothing(data: bytes, words: str) -> None:
    venue = Venue(SLOW)
    venue.command(order(1))
    before = venue.stage.snapshot()
    venue.ms += 1_000
    with pytest.raises(BadEntry, match="config: ") as refused:
        venue.fold({b"config": data})
    assert refused.value.reason == "bad_config"
    assert words in refused.value.text
    assert venue.stage.snapshot() == before
    assert not venue.out.unsealed


def test_a_bad_entry_releases_nothing_that_was_due_and_the_next_entry_does() -> None:
    venue = Venue(SLOW)
    venue.command(order(1))
    venue.ms += 100
    for fields in ({b"frame": b"x"}, {b"what": b""}, {b"frame": frames.set_time(venue.ms + 1)}):
        with pytest.raises(BadEntry):
            venue.fold(fields)
        assert not venue.out.unsealed
    assert venue.stage.due_ms == venue.ms
    assert venue.wait(0) == [(ReportType.ACCEPTED, 1)]


# -------------------------------------------------------------------------------------------------------- delay


def test_a_clients_commands_take_their_time_and_the_market_does_not() -> None:
    venue = Venue(SLOW)
    assert venue.command(order(1, Side.SELL, qty=4)) == []
    assert venue.stage.due_ms == NOON_MS + 100
    venue.ms += 60
    assert [each.type for each in venue.command(frames.quote(1, 15_000, 5, 15_001, 5))] == [ReportType.QUOTED]
    assert venue.command(cancel(1)) == []
    assert venue.delayed == 2
    assert venue.wait(39) == []
    assert venue.wait(1) == [(ReportType.ACCEPTED, 1), (ReportType.FILLED, 1)]
    assert venue.wait(59) == []
    assert venue.wait(1) == [(ReportType.CANCEL_REJECTED, 1)]
    assert venue.stage.due_ms is None


def test_what_arrives_does_so_at_its_time_whenever_the_entry_comes() -> None:
    """An order that would have expired meanwhile is not there; one that expires later is."""
    venue = Venue(SLOW)
    venue.command(order(1, expiry_ms=NOON_MS + 150))
    venue.ms += 40
    venue.command(order(2, Side.SELL, account=2, qty=4))
    venue.ms += 20
    venue.command(order(3, Side.SELL, account=2, qty=4))
    assert venue.wait(10_000) == [
        (ReportType.ACCEPTED, 1),
        (ReportType.ACCEPTED, 2), (ReportType.FILLED, 1), (ReportType.FILLED, 2),
        (ReportType.EXPIRED, 1),
        (ReportType.ACCEPTED, 3),
    ]  # fmt: skip


def test_an_account_may_be_faster_than_others() -> None:
    venue = Venue(SimulationConfig(delay_ms=100, accounts={"2": AccountSimulation(delay_ms=5)}))
    venue.command(order(1), order(2, account=2))
    assert venue.wait(5) == [(ReportType.ACCEPTED, 2)]
    assert venue.wait(95) == [(ReportType.ACCEPTED, 1)]


def test_a_halted_book_refuses_what_arrives_and_lets_cancels_through() -> None:
    venue = Venue(SLOW)
    venue.command(order(1))
    venue.wait(100)
    venue.command(order(2), cancel(1))
    venue.command(frames.session(1, Session.HALTED))
    assert venue.wait(100) == [(ReportType.REJECTED, 2), (ReportType.CANCELED, 1)]


def test_so_many_commands_are_on_their_way_at_most_and_a_cancel_always_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "MOST_DELAYED", 2)
    venue = Venue(SLOW)
    [refusal] = venue.command(order(1), cancel(1), order(2), cancel(1))
    assert (refusal.type, refusal.order_id, refusal.reason) == (ReportType.REJECTED, 2, Reason.CAPACITY)
    assert venue.delayed == 3
    assert venue.out.dead == []
    assert venue.wait(100) == [(ReportType.ACCEPTED, 1), (ReportType.CANCELED, 1), (ReportType.CANCEL_REJECTED, 1)]


# -------------------------------------------------------------------------------------------------- mass cancel


def test_a_mass_cancel_takes_what_is_on_its_way_as_well_and_nothing_that_comes_later() -> None:
    venue = Venue(SLOW)
    venue.command(order(1), order(2, account=2))
    venue.wait(100)
    venue.command(order(3, price=14_990), cancel(1), order(4, account=2))
    venue.ms += 1
    reports = venue.command(order(5), frames.mass_cancel(1, None, 0, 77), order(6))
    assert told(reports) == [
        (ReportType.CANCELED, 1), (ReportType.CANCELED, 3), (ReportType.CANCELED, 5), (ReportType.MASS_CANCELED, 77),
    ]  # fmt: skip
    assert [(each.reason, each.price, each.qty, each.leaves) for each in reports[1:2]] == [
        (Reason.MASS_CANCEL, 14_990, 10, 0)
    ]
    assert reports[-1].qty == 3
    assert venue.wait(200) == [
        (ReportType.CANCEL_REJECTED, 1), (ReportType.ACCEPTED, 4), (ReportType.ACCEPTED, 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "mass, left",
    [
        (frames.mass_cancel(), set()),
        (frames.mass_cancel(side=1), {2}),
        (frames.mass_cancel(2), {1, 2}),
        (frames.mass_cancel(symbol=1), set()),
        (frames.mass_cancel(symbol=9), {1, 2, 3}),
        (frames.mass_cancel(side=3), {1, 2, 3}),
    ],
)
def test_a_mass_cancel_means_on_the_way_what_it_means_in_the_book(mass: bytes, left: set[int]) -> None:
    for config in (SLOW, IDEAL):
        venue = Venue(config)
        venue.command(order(1), order(2, Side.SELL, price=20_000), order(3, account=2))
        canceled = {each.order_id for each in venue.command(mass) if each.type == ReportType.CANCELED}
        assert canceled == {1, 2, 3} - left
        venue.wait(100)
        assert venue.stage.gauges()["resting_orders"] == {"": len(left)}


def test_an_order_that_is_no_order_is_left_to_the_engine_to_refuse() -> None:
    venue = Venue(SLOW)
    venue.command(order(0), order(5, account=0))
    assert venue.command(frames.mass_cancel())[-1].qty == 0
    assert venue.wait(100) == [(ReportType.REJECTED, 0), (ReportType.REJECTED, 5)]


# --------------------------------------------------------------------------------------------- refusals, quotes


def test_a_new_order_is_refused_by_lot_and_the_lot_is_the_seeds() -> None:
    def refused(seed: int, rate: str) -> list[int]:
        venue = Venue(SimulationConfig(reject_rate=Decimal(rate), seed=seed))
        reports = venue.command(*(order(n, price=n) for n in range(1, 401)))
        assert [each.order_id for each in reports] == [*range(1, 401)], "each one answer, in order"
        return [each.order_id for each in reports if each.type == ReportType.REJECTED]

    few = refused(1, "0.25")
    assert few == refused(1, "0.25")
    assert 60 < len(few) < 140
    assert few != refused(2, "0.25")
    assert refused(1, "0") == []
    assert refused(1, "1") == [*range(1, 401)]


def test_a_refusal_by_lot_says_why_and_cancels_are_never_refused() -> None:
    venue = Venue(SimulationConfig(accounts={"1": AccountSimulation(reject_rate=Decimal(1))}))
    reports = venue.command(order(1), order(2, account=2), cancel(2, account=2), cancel(1))
    assert told(reports) == [
        (ReportType.REJECTED, 1), (ReportType.ACCEPTED, 2), (ReportType.CANCELED, 2), (ReportType.CANCEL_REJECTED, 1),
    ]  # fmt: skip
    refusal = reports[0]
    assert (refusal.reason, refusal.price, refusal.qty, refusal.side) == (Reason.REJECT_RATE, 15_000, 10, Side.BUY)


def test_an_order_fills_at_the_slipped_price_and_in_part() -> None:
    venue = Venue(SimulationConfig(slippage=Decimal("0.0005"), fill_share=Decimal("0.3")))
    [quoted] = venue.command(frames.quote(1, 15_000, 20, 15_002, 20))
    assert (quoted.price, quoted.qty, quoted.leaves, quoted.aux) == (14_992, 6, 15_010, 6), (
        "what stands is what is told"
    )
    reports = venue.command(order(1, price=15_020))
    fills = [(each.price, each.qty, each.leaves) for each in reports if each.type == ReportType.FILLED]
    assert fills == [(15_010, 6, 4)]
    assert [each.type for each in venue.command(frames.print_trade(1, Side.SELL, 15_019, 3))] == [
        ReportType.PRINTED, ReportType.FILLED,
    ]  # fmt: skip


def test_a_refused_quote_is_in_dead_as_it_came() -> None:
    venue = Venue(SimulationConfig(slippage=Decimal("0.5"), delay_ms=5))
    crossed = frames.quote(1, 103, 5, 102, 5)
    venue.command(order(1), frames.quote(1, 100, 5, 102, 5), crossed)
    [letter] = venue.out.dead
    assert letter[b"raw:frame"] == crossed
    assert orjson.loads(letter[b"data"])["reason"] == "crossed"


# ----------------------------------------------------------------------------------------------------- snapshot


def test_a_snapshot_in_the_middle_of_the_queue_goes_on_as_if_there_had_been_none() -> None:
    config = SimulationConfig(delay_ms=50, delay_spread_ms=50, reject_rate=Decimal("0.3"), seed=9)
    venues = [Venue(config), Venue(config)]
    for n in range(1, 61):
        for venue in venues:
            venue.ms += 7
            venue.command(order(n, account=1 + n % 3), cancel(n - 1, account=1 + (n - 1) % 3))
        kept = venues[1].stage.snapshot()
        assert kept == venues[0].stage.snapshot()
        venues[1].stage = venues[1].made()
        venues[1].stage.restore(kept)
        assert venues[1].delayed == venues[0].delayed
    assert venues[0].delayed > 5
    assert venues[0].wait(1_000) == venues[1].wait(1_000)
    document = orjson.loads(kept.partition(b"\n")[0])
    assert [*document] == ["version", "config", "draws", "queue"]
    assert [*document["queue"][0]] == ["due_ms", "account", "record"]


def test_an_older_snapshot_is_read_and_one_that_is_none_changes_nothing() -> None:
    venue = Venue(SLOW)
    venue.command(order(1))
    kept = venue.stage.snapshot()
    line, _, book = kept.partition(b"\n")
    document = orjson.loads(line)
    for wrong, words in (
        ({**document, "version": 2}, "version 2 must be 1"),
        ({**document, "odd": 1}, "odd is no field"),
        ({name: document[name] for name in ("version", "config", "queue")}, "draws is missing"),
    ):
        with pytest.raises(Unreadable, match=words):
            venue.stage.restore(orjson.dumps(wrong) + b"\n" + book)
        assert venue.stage.snapshot() == kept
    with pytest.raises(ValueError, match="no snapshot"):
        venue.stage.restore(line + b"\nFSBOOK")
    assert venue.stage.snapshot() == kept
    engine = CoreEngine()
    engine.process(order(5), NOON_MS)
    venue.stage.restore(engine.snapshot())
    assert venue.stage.gauges().items() >= {"resting_orders": {"": 1}, "delayed_commands": {"": 0}}.items()
    assert venue.stage.snapshot() == engine.snapshot()
