"""A worked order as a picture: what is where, and what becomes of orders without this or that."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from fillstream.tools.schedule_picture import Schedule, schedule_of, svg, text
from tests.support.algo_market import START_MS, seeded, work

ID = "o-7"


def event(kind: str, at: int, **more: Any) -> dict[str, Any]:
    head = {"type": kind, "time": START_MS + at, "order_id": ID, "symbol": "AAPL", "side": "BUY", "quantity": "100"}
    return {**head, **more}


def journal() -> list[dict[str, Any]]:
    fill = {"parent_id": ID, "last_qty": "25", "quantity": "25"}
    return [
        event("QuoteUpdated", -50, order_id=None, bid_px="9.00", ask_px="9.20", venue="SIM"),
        event("OrderReceived", 0, venue="SIM"),
        event("OrderProgressed", 10, planned_qty="0", text=None, algorithm="TWAP"),
        event("QuoteUpdated", 20, order_id=None, bid_px="10.00", ask_px="10.20", venue="SIM"),
        event("QuoteUpdated", 25, order_id=None, bid_px="77.00", ask_px="77.20", venue="OTHER"),
        event("OrderFilled", 30, order_id="o-7.1", last_px="10.20", liquidity="TAKER", **fill),
        event("OrderFilled", 31, order_id="o-8.1", parent_id="o-8", last_px="99", last_qty="1", liquidity="TAKER"),
        event("OrderProgressed", 40, planned_qty="50", text="nobody offers", algorithm="TWAP"),
        event("QuoteUpdated", 60, order_id=None, bid_px=None, ask_px="10.40", venue="SIM"),
        event("OrderProgressed", 70, planned_qty=None, text="nobody offers", algorithm="TWAP"),
        event("OrderFilled", 80, order_id="o-7.2", last_px="10.00", liquidity="MAKER", **fill),
        event("OrderCanceled", 100),
    ]


def test_a_schedule_is_what_the_events_of_the_order_and_its_children_say() -> None:
    found = schedule_of(ID, journal())
    assert found == Schedule(
        "BUY 100 AAPL TWAP o-7", 100.0, START_MS, START_MS + 100,
        planned=[(START_MS + 10, 0.0), (START_MS + 40, 50.0)],
        done=[(START_MS, 0.0), (START_MS + 30, 25.0), (START_MS + 80, 50.0)],
        market=[(START_MS + 20, 10.1), (START_MS + 60, 10.4)],
        fills=[(START_MS + 30, 10.2, False), (START_MS + 80, 10.0, True)],  # type: ignore[list-item]
        said=[(START_MS + 40, "nobody offers")],
    )  # fmt: skip


def test_an_order_that_was_not_received_here_is_no_picture() -> None:
    with pytest.raises(ValueError, match="order o-7: its OrderReceived is not among the events"):
        schedule_of(ID, journal()[2:])


def test_in_a_terminal_bars_rise_with_what_is_done_and_trades_stand_at_their_prices() -> None:
    lines = text(schedule_of(ID, journal()), 45, 10)
    # The longest label has four characters, so 40 columns are left for 100 ms.
    assert lines[0] == "BUY 100 AAPL TWAP o-7"
    assert lines[1].split() == ["100"]
    assert lines[6] == "   0 " + "   " + "·" * 8 + "█" * 29
    prices = lines[7:11]
    assert prices[0].startswith("10.4 ")
    assert prices[3].startswith("  10 ")
    assert [line.index("x") for line in prices if "x" in line] == [5 + 12]
    assert prices[3].index("o") == 5 + 32
    assert lines[-1] == "2023-11-14 22:13:20.040  nobody offers"
    assert all(len(line) <= 45 for line in lines)


def test_an_svg_is_xml_with_both_lines_the_market_and_a_dot_a_trade() -> None:
    said = [{**each, "symbol": "<&\"'>"} for each in journal()]
    drawn = ElementTree.fromstring(svg(schedule_of(ID, said)))
    kinds = [each.tag.partition("}")[2] for each in drawn]
    assert kinds.count("polyline") == 3
    assert kinds.count("circle") == 2
    title = drawn.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == "BUY 100 <&\"'> TWAP o-7"


@pytest.mark.parametrize("last", [2, 3, 6])
def test_an_order_that_just_began_is_drawn_as_far_as_it_went(last: int) -> None:
    found = schedule_of(ID, journal()[1:last])
    assert ElementTree.fromstring(svg(found)) is not None
    assert len(text(found, 40, 8)) >= 6


def test_a_busy_order_stays_a_small_picture() -> None:
    told = work("TWAP", seeded(1), 60_000, {"slices": 500, "urgency": "AGGRESSIVE"})
    found = schedule_of("o-1", told.events)
    assert len(told.events) > 2_000
    assert len(svg(found)) < 60_000
    assert max(map(len, text(found, 120, 30))) <= 120


def test_what_a_terminal_could_not_bear_is_shown_as_what_it_is() -> None:
    said = [{**each, "text": "a\x1b[2Jb"} if each["type"] == "OrderProgressed" else each for each in journal()]
    assert not any("\x1b" in line for line in text(schedule_of(ID, said)))
