"""Trailing stops by the average true range: how far behind, from when on, and what becomes of those that wait."""

from __future__ import annotations

import pytest

from tests.support.exits_desk import ExitsDesk
from tests.support.positions_desk import T0


@pytest.fixture
def desk() -> ExitsDesk:
    desk = ExitsDesk()
    desk.define()
    return desk


RANGED = {"atr_interval_ms": 1_000, "atr_bars": 2}


def quoted_at(desk: ExitsDesk, ms: int, bid: str, ask: str) -> None:
    """Quote at a time after the start, of which a bar of a second is made."""
    desk.later_ms = ms - desk.seq - 1
    desk.quote(bid, ask)


def test_a_trailing_stop_by_the_true_range_stays_so_far_behind_as_that_is_when_it_begins(desk: ExitsDesk) -> None:
    desk.define(**RANGED)
    for ms, bid, ask in ((0, "99.99", "100.01"), (1_000, "101.99", "102.01"), (2_000, "100.99", "101.01")):
        quoted_at(desk, ms, bid, ask)
    desk.fill("BUY", "10", "101.00")
    desk.protect(trailing_stop_atr="1.5")
    assert desk.told[-1]["stop_px"] == "99.50", "ranges 0 and 2: 1.5 of a mean of 1 behind 101"
    quoted_at(desk, 3_000, "109.99", "110.01")
    desk.again()
    quoted_at(desk, 4_000, "108.50", "108.50")
    assert [each.quantity for each in desk.sent] == [None]
    assert (desk.told[-1]["exit_reason"], desk.told[-1]["stop_px"]) == ("trailing_stop", "108.50")


def test_where_the_true_range_is_not_known_only_the_trailing_stop_waits_for_it(desk: ExitsDesk) -> None:
    desk.define(**RANGED)
    quoted_at(desk, 0, "100.00", "100.00")
    desk.fill("SELL", "10", "100.00")
    desk.protect(trailing_stop_atr="2", stop_loss="130.00", activation_offset="1.00")
    last = desk.told[-1]
    assert (last["exit_status"], last["stop_px"]) == ("ARMED", "130.00")
    assert last["text"] == "the trailing stop waits for bars enough of the true range"
    desk.again()
    for ms, px in ((500, "103.00"), (1_000, "100.00"), (2_000, "99.50")):
        quoted_at(desk, ms, px, px)
    assert (desk.told[-1]["text"], desk.told[-1]["stop_px"]) == ("the average true range is known", "130.00")
    desk.again()
    quoted_at(desk, 2_100, "99.00", "99.00")
    quoted_at(desk, 2_200, "104.99", "104.99")
    assert desk.sent == []
    quoted_at(desk, 2_300, "105.00", "105.00")
    assert (desk.told[-1]["exit_reason"], desk.told[-1]["stop_px"]) == ("trailing_stop", "105.00")


def test_a_split_begins_the_true_range_anew_and_a_finer_grid_does_not(desk: ExitsDesk) -> None:
    desk.define(**RANGED)
    for ms, px in ((0, "100.00"), (1_000, "102.00"), (2_000, "101.00")):
        quoted_at(desk, ms, px, px)
    desk.fill("BUY", "10", "101.00")
    desk.define(tick_size="0.005", **RANGED)
    desk.protect(trailing_stop_atr="1")
    assert desk.told[-1]["stop_px"] == "100.000"
    desk.put(
        "AccountAdjusted", account="alpha", symbol="AAPL", adjustment="SPLIT", amount="0", currency="USD", ratio="2:1",
        control_id="s", who="me", reason="split", cash="0", position="20", old_position="10",
    )  # fmt: skip
    desk.protect(trailing_stop_atr="1", protection_id="new")
    assert desk.told[-1]["text"] == "the trailing stop waits for bars enough of the true range"
    desk.cancel(protection_id="new")
    assert desk.told[-1]["exit_status"] == "ENDED"
    for ms in (9_000, 10_000, 11_000):
        quoted_at(desk, ms, f"{ms // 1_000}0.00", f"{ms // 1_000}0.00")
    assert desk.told[-1]["text"] == "canceled as requested", "nobody waits for it any more"


def test_a_trailing_stop_that_waits_for_a_true_range_is_told_that_there_will_be_none(desk: ExitsDesk) -> None:
    desk.define(**RANGED)
    desk.fill("BUY", "10", "100.00")
    desk.protect(trailing_stop_atr="1")
    desk.protect(trailing_stop_atr="1", stop_loss="90.00", protection_id="both")
    desk.define()
    assert [(each["protection_id"], each["exit_status"]) for each in desk.told[-2:]] == [
        ("default", "ENDED"), ("both", "ARMED"),
    ]  # fmt: skip
    assert {each["text"] for each in desk.told[-2:]} == {
        "the instrument has no average true range any more: the trailing stop does not begin"
    }
    desk.again()


@pytest.mark.parametrize(("ranges", "stop"), [("0.333", "100.66"), ("0.0001", "100.99")])
def test_how_far_a_stop_stays_behind_is_rounded_up_to_the_tick(desk: ExitsDesk, ranges: str, stop: str) -> None:
    desk.define(**RANGED)
    for ms, px in ((0, "100.00"), (1_000, "102.00"), (2_000, "101.00")):
        quoted_at(desk, ms, px, px)
    desk.fill("BUY", "10", "101.00")
    desk.protect(trailing_stop_atr=ranges)
    assert desk.told[-1]["stop_px"] == stop, "ranges 0 and 2, a mean of 1"


def test_in_a_market_that_does_not_move_a_stop_is_a_tick_behind(desk: ExitsDesk) -> None:
    desk.define(**RANGED)
    for ms in (0, 1_000, 2_000):
        quoted_at(desk, ms, "100.00", "100.00")
    desk.fill("BUY", "10", "100.00")
    desk.protect(trailing_stop_atr="3")
    assert desk.told[-1]["stop_px"] == "99.99"


def test_a_bar_ends_with_a_quote_that_moves_nothing(desk: ExitsDesk) -> None:
    desk.define(**RANGED)
    desk.fill("BUY", "10", "100.00")
    desk.protect(trailing_stop_atr="3")
    for ms in (0, 1_000, 2_000):
        quoted_at(desk, ms, "100.00", "100.00")
    assert desk.told[-1]["text"] == "the average true range is known"
    assert desk.stage._books.exits.unranged == {}


@pytest.mark.parametrize("known", [True, False])
def test_what_has_fired_waits_for_no_true_range(desk: ExitsDesk, known: bool) -> None:
    desk.define(**RANGED)
    desk.fill("BUY", "10", "100.00")
    desk.protect(trailing_stop_atr="3", stop_loss="99.00")
    quoted_at(desk, 0, "98.00", "98.00")
    assert desk.told[-1]["exit_status"] == "TRIGGERED"
    if known:
        for ms in (1_000, 2_000):
            quoted_at(desk, ms, "98.00", "98.00")
    else:
        desk.define()
    assert desk.told[-1]["exit_status"] == "TRIGGERED"
    assert len(desk.sent) == 1


def test_what_waits_for_a_time_waits_on_without_a_true_range(desk: ExitsDesk) -> None:
    desk.define(**RANGED)
    desk.fill("BUY", "10", "100.00")
    desk.protect(trailing_stop_atr="3", exit_time=T0 + 60_000)
    desk.define()
    assert desk.told[-1]["exit_status"] == "ARMED"
    desk.tick(60_000)
    assert desk.told[-1]["exit_reason"] == "exit_time"
