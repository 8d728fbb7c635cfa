"""Exits that an account's terms ask for of every position: trailing stops, and the end of the session."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from fillstream.libs.common.messages.reference import AccountTerms
from tests.support.exits_desk import ExitsDesk
from tests.support.orders import CONFIG, NOON_MS
from tests.support.positions_desk import T0
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


def ends(desk: WholeDesk) -> list[tuple[Any, ...]]:
    """Which closed a position."""
    return [each[:3] for each in told(desk) if each[1] == "DONE"]


def test_a_trailing_stop_follows_every_position_of_the_account() -> None:
    desk = desk_of(exit_trailing_stop_percent=D("2"), exit_stop_loss_percent=D("5"))
    buy(desk)
    desk.again()
    assert told(desk) == [("account", "ARMED", None, "95.00"), ("account_trail", "ARMED", None, "98.00")]
    desk.quote(10_999, 11_001)
    desk.quote(10_779, 10_781)
    assert desk.held() == 0
    assert ("account_trail", "DONE", "trailing_stop") in ends(desk)
    buy(desk, side="SELL")
    desk.quote(10_995, 10_997)
    assert desk.held() == 0 and len(ends(desk)) == 2, "a short one, mirrored"


def test_one_by_true_ranges_is_the_instruments_and_what_has_none_is_told_so() -> None:
    desk = desk_of(atr=1_000, exit_trailing_stop_atr=D("3"))
    for mid in (10_000, 10_100, 10_000):
        desk.quote(mid - 1, mid + 1)
        desk.wait(1_000)
    buy(desk)
    assert told(desk)[-1][:2] == ("account_trail", "ARMED") and told(desk)[-1][3] is not None
    without = desk_of(exit_trailing_stop_atr=D("3"), exit_stop_loss_percent=D("5"))
    buy(without)
    assert told(without) == [("account", "ARMED", None, "95.00"), ("account_trail", "ENDED", None, None)]
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
    assert (desk.held(), ends(desk)) == (0, [("account_session_end", "DONE", "exit_time")])
    desk.wait(HOUR_MS // 2)
    buy(desk)
    desk.wait(300)
    assert (desk.held(), len(ends(desk))) == (0, 2)
    desk.wait(HOUR_MS)
    buy(desk)
    desk.wait(300)
    assert (desk.held(), told(desk)[-1][1]) == (10, "ARMED"), "the next day has its own end"


def late_desk(**terms: Any) -> ExitsDesk:
    """Return a desk whose account wants to be flat at the end of the day."""
    desk = ExitsDesk()
    desk.define()
    of_orders = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}
    own = {name: each for name, each in {"exit_before_session_end_ms": 1, **terms}.items() if each is not None}
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
    desk.again()
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


TOO_LATE = {"signal": "ProtectPosition", "reason": "expire_time_passed", "text": "too late"}


def test_nobody_else_answers_for_the_orders_stage() -> None:
    """Names of what is asked can be guessed: orders and signals of anybody may have them."""
    desk = late_desk()
    desk.fill("BUY", "10", "100.00")
    [asked] = desk.instructions
    desk.put("SignalRefused", **TOO_LATE, account="mallory", signal_id=asked.signal_id)
    desk.put("SignalRefused", **(TOO_LATE | {"signal": "NewOrder"}), account="alpha", signal_id=asked.signal_id)
    desk.fill("BUY", "1", "100.00", client_order_id=asked.signal_id)
    assert desk.sent == [] and len(desk.stage._books.exits.asked) == 1
    desk.put("SignalRefused", **TOO_LATE, account="alpha", signal_id=asked.signal_id)
    assert len(desk.sent) == 1


def answer(desk: ExitsDesk, asked: Any) -> None:
    """Take what was asked for, as the orders stage does."""
    said = {name: value for name, value in asked._asdict().items() if value is not None and name != "signal_time"}
    desk.put("PositionProtected", **said, signal_time=T0)


def test_what_a_client_says_meanwhile_has_the_last_word() -> None:
    for spoken in ("protect", "cancel", "cancel all"):
        desk = late_desk(exit_before_session_end_ms=None, exit_trailing_stop_percent="2")
        desk.fill("BUY", "10", "100.00")
        [asked] = desk.instructions
        if spoken == "protect":
            desk.protect(protection_id="account_trail", stop_loss="99.00")
        else:
            desk.cancel(**({"protection_id": "account_trail"} if spoken == "cancel" else {}))
        assert desk.stage._books.exits.asked == {}, spoken
        desk.again()
        before = len(desk.told)
        desk.put("SignalRefused", **TOO_LATE, account="alpha", signal_id=asked.signal_id)
        assert len(desk.told) == before


def test_an_answer_for_a_position_that_is_no_more_is_nothing_to_the_next_one() -> None:
    desk = late_desk(exit_before_session_end_ms=None, exit_trailing_stop_percent="2")
    desk.fill("BUY", "10", "100.00")
    first = desk.instructions[-1]
    desk.fill("SELL", "10", "100.00")
    desk.fill("BUY", "10", "100.00")
    answer(desk, first)
    assert desk.told == []
    answer(desk, desk.instructions[-1])
    assert [each["exit_status"] for each in desk.told] == ["ARMED"]


def test_what_is_asked_for_follows_to_another_symbol() -> None:
    desk = late_desk()
    desk.fill("BUY", "10", "100.00")
    desk.define("META")
    desk.put(
        "AccountAdjusted", account="alpha", symbol="AAPL", adjustment="SYMBOL_CHANGE", amount="0", currency="USD",
        control_id="c", who="me", reason="a new name", old_position="10", position="10", cash="0", new_symbol="META",
    )  # fmt: skip
    desk.again()
    old, new = desk.instructions
    desk.put("SignalRefused", **(TOO_LATE | {"reason": "nothing_to_reduce"}), account="alpha", signal_id=old.signal_id)
    assert (new.symbol, new.before_session_end_ms, desk.told) == ("META", 1, [])
    desk.put("SignalRefused", **TOO_LATE, account="alpha", signal_id=new.signal_id)
    assert [each.symbol for each in desk.sent] == ["META"]


def test_terms_that_one_side_never_reaches_leave_it_the_others() -> None:
    desk = desk_of(exit_trailing_stop_percent=D(2), exit_take_profit_percent=D(150), exit_before_session_end_ms=1)
    buy(desk, side="SELL")
    assert [each[:2] for each in told(desk)] == [
        ("account", "ARMED"), ("account_trail", "ARMED"), ("account_session_end", "ARMED"),
    ]  # fmt: skip


def test_who_requires_a_stop_has_one_that_trails_by_itself() -> None:
    desk = desk_of(exit_trailing_stop_percent=D("2"), requires_stop=True)
    buy(desk)
    assert desk.held() == 10
    never = desk_of(exit_stop_loss_percent=D("120"), requires_stop=True)
    buy(never)
    assert never.events[-1]["reason"] == "stop_required", "no long falls so far"
    buy(never, side="SELL")
    assert never.held() == -10, "a short rises so far"
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
