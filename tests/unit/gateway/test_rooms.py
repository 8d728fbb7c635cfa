"""Positions, accounts, controls, markets over HTTP, in front of a whole desk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.services.gateway.reading import Reading
from fillstream.services.gateway.state.desk import Change
from fillstream.services.gateway.v1 import desk as rooms
from fillstream.tools.preview import Market, Terms
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk
from tests.support.orders import CONFIG
from tests.support.terms import account

MARKET = Market("184.99", "100", "185.01", "100", "185.00")
LIMITS = account(1, Decimal(100_000), 50, Decimal(1), Decimal(100))
TERMS = Terms("AAPL", CONFIG.instruments["AAPL"], "default", LIMITS, "SIM", {"SIM": VenueTerms()}, MARKET, {})
ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"))
    found.quote(19_000, 19_002)
    return found


def test_a_position_is_protected_and_closed(desk: GatewayDesk) -> None:
    async def play() -> None:
        await desk.post("/v1/orders", ORDER)
        told = await desk.post("/v1/positions/AAPL/protect", {"stop_loss": "185.00", "protection_id": "p"})
        assert told.status_code == 201
        desk.wait(100)
        [row] = (await desk.http.get("/v1/exits", params={"account": "default"})).json()["exits"]
        assert (row["protection_id"], row["exit_status"], row["stop_px"]) == ("p", "ARMED", "185.00")
        gone = await desk.http.delete("/v1/positions/AAPL/protect", params={"protection_id": "p"})
        assert gone.status_code == 201
        desk.wait(100)
        [row] = (await desk.http.get("/v1/exits")).json()["exits"]
        assert row["exit_status"] == "ENDED"
        closed = await desk.post("/v1/positions/AAPL/close", {"quantity": "4"})
        order = closed.json()["order"]
        assert (order["side"], order["quantity"], order["reduce_only"]) == ("SELL", "4", True)
        await desk.post("/v1/positions/AAPL/close")
        desk.wait(100)
        assert (await desk.http.get("/v1/positions")).json()["positions"] == []
        [flat] = (await desk.http.get("/v1/positions", params={"flat": "true"})).json()["positions"]
        assert flat["position"] == "0"
        [ended] = (await desk.http.get("/v1/closed_positions", params={"symbol": "AAPL"})).json()["closed_positions"]
        assert (ended["entry_px"], ended["exit_px"], ended["gross_pnl"]) == ("190.02", "190.00", "-0.2")
        assert (await desk.http.get("/v1/positions/MSFT")).status_code == 404

    asyncio.run(play())


@pytest.mark.parametrize("name", ["positions", "exits", "targets"])
def test_pages_are_stable_and_tell_nobody_elses_names(desk: GatewayDesk, name: str) -> None:
    async def play() -> None:
        await desk.post("/v1/orders", ORDER)
        await desk.post("/v1/positions/AAPL/protect", {"stop_loss": "185.00", "protection_id": "p"})
        await desk.post("/v1/targets", {"symbol": "AAPL", "target": "25"})
        desk.wait(1_000)
        table = getattr(desk.desk.positions, "open" if name == "positions" else name)
        [(_, row)] = table.items()
        table.clear()
        for number in range(7):
            table[f"secret {number}"] = {**row, "symbol": f"S{number}"}
        table["secret 3"]["account"] = "other"
        seen, cursor, sizes = [], None, []
        while True:
            asked = {"limit": 2, "account": "default", **({"cursor": cursor} if cursor else {})}
            page = (await desk.http.get(f"/v1/{name}", params=asked)).json()
            seen += [each["symbol"] for each in page[name]]
            sizes.append(len(page[name]))
            if len(seen) == 2:  # what comes or ends meanwhile moves no page
                table["a" if name == "positions" else "secret 9"] = {**row, "symbol": "new"}
                if name == "positions":
                    table["secret 1"]["position"] = "0"
            cursor = page["next"]
            assert cursor is None or "secret" not in cursor
            if cursor is None:
                break
        wanted = [f"S{number}" for number in range(7) if number != 3]
        assert seen == (wanted if name == "positions" else wanted[::-1])
        assert sizes == [2, 2, 2]
        gone = await desk.http.get(f"/v1/{name}", params={"cursor": "999"})
        assert (gone.status_code, gone.json()["reason"]) == (410, "cursor_gone")

    asyncio.run(play())


def test_a_target_is_reached_and_let_go(desk: GatewayDesk) -> None:
    async def play() -> None:
        assert (await desk.post("/v1/targets", {"symbol": "AAPL", "target": "25"})).status_code == 201
        desk.wait(1_000)
        [row] = (await desk.http.get("/v1/targets", params={"symbol": "AAPL"})).json()["targets"]
        assert (row["target_status"], row["held_qty"], row["target_qty"]) == ("REACHED", "25", "25")
        assert (await desk.http.delete("/v1/targets/AAPL")).status_code == 201

    asyncio.run(play())


def test_a_halt_stops_and_a_resume_lets_go_on_in_the_name_of_who_did_it(desk: GatewayDesk) -> None:
    async def play() -> None:
        await desk.post("/v1/orders", {**ORDER, "price": "189.00"})
        told = await desk.post("/v1/halt", {"account": "default", "reason": "news"}, key="h-1")
        body = told.json()
        assert (told.status_code, body["control_id"], body["refusal"]) == (200, "h-1", None)
        assert [each["type"] for each in body["events"]][:2] == ["ControlApplied", "TradingStateChanged"]
        assert (await desk.http.get("/v1/orders", params={"status": "open"})).json()["orders"] == []
        refused = await desk.post("/v1/orders", ORDER)
        assert (refused.status_code, refused.json()["reason"]) == (422, "trading_halted")
        state = (await desk.http.get("/v1/trading_state")).json()
        assert (state["desk"], state["accounts"]["default"], state["accounts"]["demo"]) == (
            "ACTIVE",
            "HALTED",
            "ACTIVE",
        )
        account = (await desk.http.get("/v1/accounts/default")).json()["account"]
        assert (account["trading_state"], account["working_orders"]) == ("HALTED", 0)
        assert (await desk.post("/v1/resume", {"account": "default"})).status_code == 200
        assert (await desk.post("/v1/orders", ORDER)).status_code == 201
        assert (await desk.post("/v1/reduce")).status_code == 200
        assert (await desk.http.get("/v1/trading_state")).json()["desk"] == "REDUCING"
        done = (await desk.http.get("/v1/controls")).json()["controls"]
        assert [(each["control"], each["who"], each["account"]) for each in done[:3]] == [
            ("Reduce", "local", None), ("Resume", "local", "default"), ("Halt", "local", "default"),
        ]  # fmt: skip

    asyncio.run(play())


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"type": "Halt", "who": "somebody else"}, 422, "bad_value"),
        ({"type": "Halt", "account": 5}, 422, "bad_value"),
        ({"type": "NewOrder"}, 422, "unknown_type"),
        ({"type": "AcceptLoss"}, 422, "unknown_type"),
        ({}, 422, "unknown_type"),
        ({"type": "SetLimits", "account": "default", "limits": {"max_order_value": "-1"}}, 422, "bad_value"),
        ({"type": "Halt", "account": "nobody"}, 422, "unknown_account"),
    ],
)
def test_a_control_that_is_none_is_refused(
    desk: GatewayDesk, body: dict[str, object], status: int, reason: str
) -> None:
    async def play() -> None:
        told = await desk.post("/v1/controls", {"reason": "a test", **body})
        assert (told.status_code, told.json()["reason"]) == (status, reason)

    asyncio.run(play())


def test_a_control_that_the_desk_refuses_is_told_with_its_answer(desk: GatewayDesk) -> None:
    async def play() -> None:
        told = await desk.post("/v1/controls", {"type": "Halt", "account": "nobody"}, key="h-2")
        assert (told.status_code, told.json()["reason"]) == (422, "unknown_account")
        [event] = told.json()["events"]
        assert (event["type"], event["text"]) == ("DeadLetter", told.json()["detail"])

    asyncio.run(play())


def test_limits_are_set_and_reset(desk: GatewayDesk) -> None:
    async def play() -> None:
        body = {"limits": {"max_order_value": "500"}, "reason": "smaller"}
        told = await desk.http.patch("/v1/accounts/default/limits", json=body)
        assert told.status_code == 200, told.text
        kinds = [(each["type"], each.get("max_order_value")) for each in told.json()["events"]]
        assert kinds == [("ControlApplied", None), ("AccountDefined", "500")], "the answer, and what counts from now on"
        assert (await desk.http.get("/v1/accounts/default")).json()["account"]["limits"]["max_order_value"] == "500"
        refused = await desk.post("/v1/orders", ORDER)
        assert (refused.status_code, refused.json()["reason"]) == (422, "max_order_value")
        assert (await desk.http.delete("/v1/accounts/default/limits")).status_code == 200
        assert (await desk.post("/v1/orders", ORDER)).status_code == 201

    asyncio.run(play())


def test_an_order_that_waits_for_a_person_is_approved_or_refused(desk: GatewayDesk) -> None:
    async def play() -> None:
        body = {"limits": {"approval_above": "1000"}, "reason": "a look at each"}
        assert (await desk.http.patch("/v1/accounts/default/limits", json=body)).status_code == 200
        told = await desk.post("/v1/orders", ORDER)
        order = told.json()["order"]
        assert (told.status_code, order["ord_status"]) == (201, "Suspended")
        [waiting] = (await desk.http.get("/v1/approvals")).json()["approvals"]
        assert waiting["order_id"] == order["order_id"]
        approved = await desk.post(f"/v1/orders/{order['order_id']}/approve", {"quantity": "5"})
        assert approved.status_code == 200, approved.text
        now = (await desk.http.get(f"/v1/orders/{order['order_id']}")).json()["order"]
        assert (now["ord_status"], now["cum_qty"]) == ("Filled", "5")
        other = (await desk.post("/v1/orders", ORDER)).json()["order"]
        assert (await desk.post(f"/v1/orders/{other['order_id']}/refuse", {"reason": "no"})).status_code == 200
        assert (await desk.http.get(f"/v1/orders/{other['order_id']}")).json()["order"]["ord_status"] == "Canceled"
        assert (await desk.http.get("/v1/approvals")).json()["approvals"] == []

    asyncio.run(play())


@pytest.mark.parametrize("word", ["approve", "refuse"])
def test_what_is_defined_of_another_account_is_no_answer_about_an_order(desk: GatewayDesk, word: str) -> None:
    """Another operator's limits, applied in the same batch, stand right behind the answer."""

    async def play() -> None:
        body = {"limits": {"approval_above": "1000"}, "reason": "a look at each"}
        await desk.http.patch("/v1/accounts/default/limits", json=body)
        order = (await desk.post("/v1/orders", ORDER)).json()["order"]
        waiting = desk.gateway.asking.waiting
        defined = next(each for each in desk.heard if each.event["type"] == "AccountDefined")

        def behind(change: Change) -> None:
            if change.event["type"] == "ControlApplied":
                waiting.hear(Change(change.stream, change.id, {**defined.event, "account": "demo"}, None))

        desk.desk.listen(behind)
        told = await desk.post(f"/v1/orders/{order['order_id']}/{word}", {"reason": "seen"})
        kinds = [each["type"] for each in told.json()["events"]]
        assert "ControlApplied" in kinds
        assert "AccountDefined" not in kinds

    asyncio.run(play())


def test_markets_are_told(desk: GatewayDesk) -> None:
    async def play() -> None:
        await desk.post("/v1/orders", ORDER)
        desk.quote(19_000, 19_002)
        quote = (await desk.http.get("/v1/quotes/AAPL")).json()["quote"]
        assert (quote["bid_px"], quote["ask_px"], quote["stale"]) == ("190.00", "190.02", False)
        assert [each["symbol"] for each in (await desk.http.get("/v1/quotes")).json()["quotes"]] == ["AAPL"]
        [trade] = (await desk.http.get("/v1/trades/AAPL")).json()["trades"]
        assert (trade["price"], trade["quantity"], trade["side"]) == ("190.02", "10", "BUY")
        depth = (await desk.http.get("/v1/depth/AAPL")).json()["depth"]
        assert depth["bids"][0] == ["190.00", "1000"]
        instrument = (await desk.http.get("/v1/instruments/AAPL")).json()["instrument"]
        assert (instrument["tick_size"], instrument["currency"]) == ("0.01", "USD")
        assert "AAPL" in [each["symbol"] for each in (await desk.http.get("/v1/instruments")).json()["instruments"]]
        assert [each["venue"] for each in (await desk.http.get("/v1/venues")).json()["venues"]] == ["SIM"]
        assert (await desk.http.get("/v1/quotes/NOPE")).json()["reason"] == "unknown_symbol"
        assert (await desk.http.get("/v1/quotes/MSFT")).json()["reason"] == "nothing_told"

    asyncio.run(play())


class Behind:
    """Asks as the gateway does, of an analytics that has nothing but the terms that a test gives."""

    routing = None

    async def with_client(self, ask: Callable[[Any], Any]) -> Any:
        return ask(None)


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"order_type": "STOP", "stop_price": "185.10"}, 200, None),
        ({"order_type": "STOP"}, 422, "stop_price: a STOP order needs one"),
        ({"order_type": "STOP", "stop_price": "185.105"}, 200, "stop_off_tick"),
        ({"order_type": "TRAILING_STOP", "trailing_offset": "50", "trailing_offset_type": "BPS"}, 200, None),
        ({"time_in_force": "GTD", "expire_time": 1_900_000_000_000, "price": "185.00"}, 200, None),
        ({"quantity": None, "risk_amount": "100", "stop_loss": "180.00", "price": "185.00"}, 200, None),
    ],
)
def test_a_preview_looks_at_what_an_order_waits_for(
    desk: GatewayDesk, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], status: int, said: str | None
) -> None:
    async def play() -> None:
        desk.app.state.behind = desk.gateway.behind = Behind()  # type: ignore[assignment]
        monkeypatch.setattr(rooms, "terms_of", lambda *_: TERMS)
        monkeypatch.setattr(rooms, "volume_of", lambda *_: None)
        told = await desk.post("/v1/orders/preview", {**ORDER, **more})
        assert told.status_code == status, told.text
        found = told.json()
        assert (found["preview"]["refused"] if status == 200 else found["detail"]) == said

    asyncio.run(play())


def test_positions_that_ended_come_in_pages(desk: GatewayDesk) -> None:
    async def play() -> None:
        for number in range(5):
            await desk.post("/v1/orders", {**ORDER, "signal_id": f"in-{number}"})
            await desk.post("/v1/positions/AAPL/close")
            desk.wait(100)
        seen, cursor = [], None
        for size in (2, 2, 1):
            asked = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await desk.http.get("/v1/closed_positions", params=asked)).json()
            seen += [each["exec_id"] for each in page["closed_positions"]]
            assert len(page["closed_positions"]) == size
            cursor = page["next"]
        assert cursor is None
        assert seen == [each["exec_id"] for each in reversed(desk.desk.positions.closed)]

    asyncio.run(play())


def test_two_ends_that_a_bust_told_at_once_are_two_rows(desk: GatewayDesk) -> None:
    async def play() -> None:
        await desk.post("/v1/orders", ORDER)
        await desk.post("/v1/positions/AAPL/close")
        desk.wait(100)
        row = {**desk.desk.positions.closed.pop(), "position_id": "p"}
        ended = [{**row, "exec_id": "before"}, {**row, "opened_time": 1}, {**row, "opened_time": 3}]
        desk.desk.positions.closed.extend(ended)  # a name may be used again, and one bust tell two ends anew
        seen, cursor = [], ""
        while cursor is not None:
            asked = {"limit": 1, **({"cursor": cursor} if cursor else {})}
            page = (await desk.http.get("/v1/closed_positions", params=asked)).json()
            seen += [each["opened_time"] for each in page["closed_positions"]]
            cursor = page["next"]
            assert len(seen) <= 3
        assert seen == [3, 1, row["opened_time"]]

    asyncio.run(play())


def test_a_preview_goes_by_the_market_that_the_gateway_sees(desk: GatewayDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        desk.app.state.behind = desk.gateway.behind = Behind()  # type: ignore[assignment]
        monkeypatch.setattr(Reading, "is_ready", True)
        monkeypatch.setattr(rooms, "terms_of", lambda *given: replace(TERMS, market=given[4].get("SIM", Market())))
        monkeypatch.setattr(rooms, "volume_of", lambda *_: None)
        order = {"symbol": "AAPL", "side": "BUY", "quantity": "7"}
        told = (await desk.post("/v1/orders/preview", order)).json()["preview"]
        assert told["notional"] != "1344.14"
        desk.quote(19_198, 19_202)
        told = (await desk.post("/v1/orders/preview", order)).json()["preview"]
        assert (told["refused"], told["notional"]) == (None, "1344.14")
        monkeypatch.setattr(Reading, "is_ready", False)
        told = (await desk.post("/v1/orders/preview", order)).json()["preview"]
        assert told["refused"] == "no_quote", "what is still catching up does not know"

    asyncio.run(play())


def test_the_api_is_a_page_that_loads_nothing_and_has_every_path(desk: GatewayDesk) -> None:
    async def play() -> None:
        told = await desk.http.get("/docs")
        document = (await desk.http.get("/openapi.json")).json()
        assert told.headers["content-security-policy"].startswith("default-src 'none'")
        assert "<script" not in told.text and "http://" not in told.text
        for path, calls in document["paths"].items():
            assert f"{path}</code>" in told.text
            for call in calls.values():
                assert call["summary"] and call.get("description"), path

    asyncio.run(play())


def test_what_is_no_path_or_method_is_a_problem_too(desk: GatewayDesk) -> None:
    async def play() -> None:
        for told, status, reason in (
            (await desk.http.get("/v2/orders"), 404, "no_such_path"),
            (await desk.http.put("/v1/orders"), 405, "no_such_method"),
        ):
            assert (told.status_code, told.json()["reason"]) == (status, reason)
            assert told.headers["content-type"] == "application/problem+json"

    asyncio.run(play())


def test_a_desk_wide_control_is_done_once_every_partition_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers of one partition are one; a partition that is deaf is told, and the control may be sent again."""
    monkeypatch.setenv("FILLSTREAM_MESSAGING__ACCOUNT_PARTITIONS", "2")
    desk = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"))

    async def play() -> None:
        both = await desk.post("/v1/halt", {"reason": "all"}, key="h")
        assert both.status_code == 200
        assert both.json()["text"].count("HALTED") == 2
        assert [line.partition(":")[0] for line in both.json()["text"].splitlines()] == ["partition 0", "partition 1"]
        changes = [
            change for change in desk.heard if change.stream == "events.0" and change.event.get("control_id") == "h"
        ]

        async def send() -> list[tuple[str, str]]:
            for change in (*changes, *changes):
                desk.gateway.asking.waiting.hear(change)
            return []

        heard = await desk.gateway.asking.waiting.control("h", [0, 1], (), 0.05, send)
        assert {change.stream for change in heard} == {"events.0"}

    asyncio.run(play())


def test_an_order_of_no_partition_is_unknown_and_nothing_is_written(desk: GatewayDesk) -> None:
    async def play() -> None:
        told = await desk.post("/v1/orders/9223372036854775807/approve")
        assert (told.status_code, told.json()["reason"]) == (404, "unknown_order")
        assert desk.sent == []

    asyncio.run(play())
