"""Exits that an account's terms ask for of every position: trailing stops, and the end of the session."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from fillstream.libs.common.messages.reference import AccountTerms
from tests.support.exits_desk import ExitsDesk
from tests.support.orders import CONFIG, NOON_MS
from tests.support.terms import account, but
from tests.support.whole_desk import WholeDesk

HOUR_MS = 3_600_000


def desk_of(atr: int | None = None, **terms: Any) -> WholeDesk:
    aapl = but(CONFIG.instruments["AAPL"], atr_interval_ms=atr, atr_bars=2)
    own = account(1, D(1_000_000), 10_000, D(0), D(100), **terms)
    config = but(CONFIG, accounts={"default": own}, instruments={**CONFIG.instruments, "AAPL": aapl})
    desk = WholeDesk(config)
    desk.quote(9_999, 10_001)
    return desk


def buy(desk: WholeDesk, quantity: str = "10", side: str = "BUY") -> None:
    desk.signal(symbol="AAPL", side=side, quantity=quantity)
    desk.wait(10)


def told(desk: WholeDesk) -> list[tuple[Any, ...]]:
    names = ("protection_id", "exit_status", "exit_reason", "stop_px")
    return [tuple(each[name] for name in names) for each in desk.of("ExitChanged")]


def test_a_trailing_stop_follows_every_position_of_the_account() -> None:
    desk = desk_of(exit_trailing_stop_percent=D("2"), exit_stop_loss_percent=D("5"))
    buy(desk)
    desk.again()
    assert told(desk) == [("account", "ARMED", None, "95.00"), ("account", "ARMED", None, "98.00")]
    desk.quote(10_999, 11_001)
    desk.quote(10_779, 10_781)
    assert desk.held() == 0
    assert told(desk)[-1][:3] == ("account", "DONE", "trailing_stop")
    buy(desk, side="SELL")
    desk.quote(10_995, 10_997)
    assert (desk.held(), told(desk)[-1][:3]) == (0, ("account", "DONE", "trailing_stop")), "a short one, mirrored"


def test_one_by_true_ranges_is_the_instruments_and_what_has_none_is_told_so() -> None:
    desk = desk_of(atr=1_000, exit_trailing_stop_atr=D("3"))
    for mid in (10_000, 10_100, 10_000):
        desk.quote(mid - 1, mid + 1)
        desk.wait(1_000)
    buy(desk)
    assert told(desk)[-1][:2] == ("account", "ARMED") and told(desk)[-1][3] is not None
    without = desk_of(exit_trailing_stop_atr=D("3"), exit_stop_loss_percent=D("5"))
    buy(without)
    assert told(without) == [("account", "ARMED", None, "95.00"), ("account", "ENDED", None, None)]
    assert without.of("ExitChanged")[-1]["text"] == (
        "by the account's terms: trailing_stop_atr: 3 needs AAPL's atr_interval_ms, and it has none"
    )
    without.quote(9_499, 9_501)
    assert without.held() == 0, "what needs nobody's word holds all the same"


def test_positions_are_closed_before_the_session_ends_and_at_once_when_they_come_too_late() -> None:
    desk = desk_of(exit_before_session_end_ms=HOUR_MS, exit_stop_loss_percent=D("5"))
    buy(desk)
    desk.again()
    desk.wait(NOON_MS + 11 * HOUR_MS - desk.sim.desk.ms - 1)
    assert desk.held() == 10
    desk.wait(300)
    assert (desk.held(), told(desk)[-1][:3]) == (0, ("account", "DONE", "exit_time"))
    desk.wait(HOUR_MS // 2)
    buy(desk)
    desk.wait(300)
    assert (desk.held(), told(desk)[-1][:3]) == (0, ("account", "DONE", "exit_time"))
    desk.wait(HOUR_MS)
    buy(desk)
    desk.wait(300)
    assert (desk.held(), told(desk)[-1][1]) == (10, "ARMED"), "the next day has its own end"


def late_desk(**terms: Any) -> ExitsDesk:
    """Return a desk whose account wants to be flat at the end of the day."""
    desk = ExitsDesk()
    desk.define()
    of_orders = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}
    own = {"exit_before_session_end_ms": 1, **terms}
    desk.put("AccountDefined", account="alpha", account_id=1, venue=None, **of_orders, **own)
    return desk


def test_what_is_refused_while_the_position_is_closed_already_closes_it_no_second_time() -> None:
    desk = late_desk(exit_stop_loss_percent="5")
    desk.fill("BUY", "10", "100.00")
    desk.quote("95.00", "95.00")
    said = {"signal": "ProtectPosition", "account": "alpha", "reason": "expire_time_passed", "text": "too late"}
    desk.put("SignalRefused", **said, signal_id=desk.instructions[0].signal_id)
    assert len(desk.sent) == len(desk.stage._books.exits.all) == 1


def test_what_is_refused_when_the_position_is_gone_changes_nothing() -> None:
    desk = late_desk()
    desk.fill("BUY", "10", "100.00")
    [asked] = desk.instructions
    desk.fill("SELL", "10", "100.00")
    desk.fill("BUY", "5", "100.00")
    said = {"signal": "ProtectPosition", "account": "alpha", "reason": "expire_time_passed", "text": "too late"}
    desk.put("SignalRefused", **said, signal_id=asked.signal_id)
    assert desk.sent == desk.told == []
    desk.put("SignalRefused", **said, signal_id=desk.instructions[-1].signal_id)
    assert [each.quantity for each in desk.sent] == [None]
    desk.put("SignalRefused", **said, signal_id=desk.instructions[-1].signal_id)
    assert len(desk.stage._books.exits.all) == 1, "that is what it sent to close"


def test_who_requires_a_stop_has_one_that_trails_by_itself() -> None:
    desk = desk_of(exit_trailing_stop_percent=D("2"), requires_stop=True)
    buy(desk)
    assert desk.held() == 10
    refused = desk_of(exit_trailing_stop_atr=D("2"), requires_stop=True)
    buy(refused)
    assert refused.events[-1]["reason"] == "stop_required", "whose range may not be known"


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"exit_trailing_stop_percent": "2", "exit_trailing_stop_atr": "3"}, "name one of both"),
        ({"exit_trailing_stop_percent": "0.005"}, "multiple of 0.01"),
        ({"exit_trailing_stop_percent": "100"}, "less than 100"),
        ({"exit_before_session_end_ms": 0}, "greater than or equal to 1"),
    ],
)
def test_terms_that_make_no_sense_are_refused(terms: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        AccountTerms(id=1, max_order_value=1, max_daily_orders=1, min_order_size=0, max_slippage_bps=0, **terms)
