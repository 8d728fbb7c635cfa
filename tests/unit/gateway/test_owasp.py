"""The OWASP API Security Top 10 (2023): a section for each risk, what it means here, and where else it is covered.

Covered elsewhere is not tested again: `ELSEWHERE` names those tests, and one test here sees to it that they are there.
"""

from __future__ import annotations

import ast
import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
import websockets
from fastapi import FastAPI
from starlette.routing import Mount
from websockets.exceptions import ConnectionClosed

from fillstream.services.gateway.app import options_of
from fillstream.services.gateway.http import pages
from fillstream.services.gateway.http.access import SESSION, Caller
from fillstream.services.gateway.http.exact import MAX_BATCH_BYTES, MAX_BODY_BYTES
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.http.streams import Streams
from fillstream.services.gateway.state.desk import Desk
from fillstream.services.gateway.v1 import orders
from fillstream.services.gateway.v1.stream import Session
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk
from tests.support.gateway_keys import Keys, bearer
from tests.support.served import served
from tests.support.tree import ROOT

UNIT = "tests/unit/gateway"
ELSEWHERE = {
    "API1 object level authorization": (
        f"{UNIT}/test_access.py::test_a_key_for_some_accounts_sees_and_touches_those_alone",
        f"{UNIT}/test_stream.py::test_a_key_for_some_accounts_hears_of_those_alone",
        f"{UNIT}/alpaca/test_routes.py::test_a_key_trades_for_its_first_account_and_sees_no_other",
        f"{UNIT}/test_orders.py::test_a_request_about_an_order_hears_its_own_accounts_answers_alone",
    ),
    "API2 authentication": (
        f"{UNIT}/test_access.py::test_nobody_comes_in_without_a_key_and_probes_need_none",
        f"{UNIT}/test_access.py::test_a_key_that_was_just_made_is_found_and_one_that_is_over_is_told",
        f"{UNIT}/test_access.py::test_what_is_done_is_logged_with_who_and_without_any_secret",
        "tests/unit/common/process/test_keys.py::test_secrets_are_compared_in_a_time_that_tells_nothing",
        f"{UNIT}/test_owasp_people.py::test_who_is_there_is_told_neither_by_words_nor_by_the_work",
        f"{UNIT}/test_lockouts.py::test_five_failures_lock_a_name_whoever_it_is_and_each_that_follows_for_twice_as_long",
        f"{UNIT}/test_lockouts.py::test_a_stranger_who_locks_a_name_keeps_nobody_out_who_is_in",
        f"{UNIT}/test_owasp_people.py::test_a_login_is_under_a_secret_of_its_own_whatever_the_browser_shows",
        f"{UNIT}/test_owasp_people.py::test_the_cookie_is_for_this_host_and_no_script",
        f"{UNIT}/test_owasp_people.py::test_nothing_that_changes_something_is_taken_without_the_token",
        f"{UNIT}/test_people.py::test_who_is_another_by_now_is_out_once_the_records_are_read",
        "tests/unit/common/process/test_keys.py::test_neither_record_nor_repr_has_the_secret_and_repr_not_its_hash_either",
    ),
    "API3 object property level authorization": (
        f"{UNIT}/test_openapi.py::test_every_route_answers_as_the_document_says",
        f"{UNIT}/test_rooms.py::test_a_halt_stops_and_a_resume_lets_go_on_in_the_name_of_who_did_it",
    ),
    "API4 unrestricted resource consumption": (
        f"{UNIT}/test_access.py::test_calls_are_counted_by_key",
        f"{UNIT}/test_orders.py::test_a_body_of_too_many_values_is_refused_before_it_is_read",
        f"{UNIT}/test_stream.py::test_a_reader_that_cannot_keep_up_with_messages_is_let_go_with_its_place",
        f"{UNIT}/test_hostile.py::test_a_path_is_at_most_so_long",
        f"{UNIT}/test_hostile.py::test_a_header_that_never_ends_is_refused_before_it_is_large",
        f"{UNIT}/test_hostile.py::test_a_head_that_comes_too_slowly_is_given_up",
        f"{UNIT}/test_hostile.py::test_a_body_that_never_ends_is_given_up",
        f"{UNIT}/test_hostile.py::test_a_packed_body_is_not_unpacked",
        f"{UNIT}/test_hostile.py::test_a_message_is_at_most_so_large",
        f"{UNIT}/test_hostile.py::test_ten_thousand_subscriptions_are_a_hundred",
    ),
    "API5 function level authorization": (
        f"{UNIT}/test_access.py::test_a_role_may_do_what_it_is_for_and_nothing_else",
        f"{UNIT}/test_access.py::test_every_route_that_writes_is_in_the_table_of_roles",
        f"{UNIT}/test_access.py::test_adjustments_are_an_admins",
        f"{UNIT}/test_stream.py::test_every_topic_needs_its_scope",
        f"{UNIT}/alpaca/test_routes.py::test_every_route_needs_its_scope",
    ),
    "API6 sensitive business flows": (
        f"{UNIT}/test_orders.py::test_a_repeated_call_has_the_same_answer_and_trades_once",
        f"{UNIT}/test_rooms.py::test_an_order_that_waits_for_a_person_is_approved_or_refused",
    ),
    "API7 server side request forgery": (),
    "API8 security misconfiguration": (
        f"{UNIT}/test_access.py::test_without_keys_another_sites_page_can_do_nothing",
        f"{UNIT}/test_access.py::test_without_keys_no_other_interface_is_served",
        f"{UNIT}/test_access.py::test_half_of_what_tls_needs_is_refused",
        f"{UNIT}/test_rooms.py::test_what_is_no_path_or_method_is_a_problem_too",
    ),
    "API9 inventory": (f"{UNIT}/test_openapi.py::test_each_route_has_an_id_a_summary_and_a_schema_of_its_answer",),
    "API10 unsafe consumption of APIs": (
        f"{UNIT}/test_rooms.py::test_the_api_is_a_page_that_loads_nothing_and_has_every_path",
    ),
}
ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_GATEWAY__STREAMS_PER_KEY", "3")
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "null")
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"), keys)
    found.quote(19_000, 19_002)
    return found


@pytest.mark.parametrize("risk", ELSEWHERE)
def test_what_is_covered_elsewhere_is_there(risk: str) -> None:
    for named in ELSEWHERE[risk]:
        file, _, name = named.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, named


# ----------------------------------------------------------- API1: a key reaches the things of its own accounts alone


def test_api1_what_is_anothers_is_as_unknown_as_what_there_is_not(desk: GatewayDesk, keys: Keys) -> None:
    """Who asks for another account's order learns not even that it is there."""

    async def play() -> None:
        _, admin = keys.make("admin")
        _, mine = keys.make("trader", "demo")
        theirs = (await desk.post("/v1/orders", {**ORDER, "price": "189.00"}, headers=bearer(admin))).json()["order"]
        for path in ("/v1/orders/{}", "/v1/orders/{}/events"):
            told = [await desk.http.get(path.format(each), headers=bearer(mine)) for each in (theirs["order_id"], "77")]
            assert [each.status_code for each in told] == [404, 404]
            there, none = (each.text.replace(theirs["order_id"], "N").replace("77", "N") for each in told)
            assert there == none

    asyncio.run(play())


# ------------------------------------------------------------------ API2: nobody is somebody without that one's secret


def test_api2_no_guess_is_answered_otherwise_than_another(desk: GatewayDesk, keys: Keys) -> None:
    """A wrong secret of a key that there is, and any secret of one that there is not, are refused alike."""

    async def play() -> None:
        key, good = keys.make("admin")
        for wrong in (f"{key.id}.wrong", f"{key.id}.", "fk_nobody.wrong", f"{key.id}.{good.partition('.')[2]}x"):
            told = await desk.http.get("/v1/orders", headers=bearer(wrong))
            assert (told.status_code, told.json()["reason"]) == (401, "key_refused")
        for path in (
            f"/v1/orders?key={good}",
            f"/v1/orders?access_token={good}",
            f"/v1/orders?authorization=Bearer {good}",
        ):
            assert (await desk.http.get(path)).status_code == 401  # never out of an address

    asyncio.run(play())


# ------------------------------------------------------------------------ API3: what a body may set, and what is told


def test_api3_a_body_sets_nothing_that_is_the_desks_to_say(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, admin = keys.make("admin")
        for field, value in (
            ("ord_status", "Filled"), ("cum_qty", "10"), ("order_id", "1"), ("avg_px", "1"), ("who", "ann"),
            ("mode", "LIVE"), ("external", True), ("fee", "0"), ("__proto__", {}), ("approval_time", 1),
        ):  # fmt: skip
            told = await desk.post("/v1/orders", {**ORDER, field: value}, headers=bearer(admin))
            assert (told.status_code, told.json()["reason"]) == (422, "bad_value"), field
        for field in ("account_id", "venue", "position_mode", "currency"):
            body = {"limits": {field: "1"}, "reason": "mine"}
            told = await desk.http.patch("/v1/accounts/default/limits", json=body, headers=bearer(admin))
            assert told.status_code == 422, field
        told = await desk.post("/v1/halt", {"reason": "x", "who": "somebody"}, headers=bearer(admin))
        assert (told.status_code, told.json()["field"]) == (422, "who")
        assert not desk.desk.orders.by_id

    asyncio.run(play())


def test_api3_no_answer_has_anything_of_a_keys_secret(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        key, good = keys.make("admin")
        secret, record = good.partition(".")[2], orjson.loads(key.dump())
        hidden = [secret, *(str(value) for name, value in record.items() if "hash" in name or "sha" in name)]
        assert len(hidden) == 2
        await desk.post("/v1/halt", {"reason": "x"}, headers=bearer(good))
        for path in ("controls", "trading_state", "accounts", "orders", "dead", "rules", "instruments", "venues"):
            told = await desk.http.get(f"/v1/{path}", headers=bearer(good))
            assert told.status_code == 200
            assert not [each for each in hidden if each in told.text]

    asyncio.run(play())


# ----------------------------------------------------------------------- API4: nobody takes more than is stated


NEEDED = {
    "/v1/stream": {"topics": "orders"}, "/v1/log": {"after": "events.0:0-0"}, "/v1/dead/redriven": {"letter_id": "1-0"},
}  # fmt: skip


@pytest.mark.parametrize("limit", ["0", "-1", str(pages.MAX_PAGE + 1), "1e3", "x"])
def test_api4_a_page_has_at_most_so_many_rows(desk: GatewayDesk, keys: Keys, limit: str) -> None:
    async def play() -> None:
        _, admin = keys.make("admin")
        listed = {
            path: [each["name"] for each in methods["get"].get("parameters", ())]
            for path, methods in desk.app.openapi()["paths"].items()
            if path.startswith("/v1/") and "get" in methods
        }
        having = [path for path, names in listed.items() if "limit" in names]
        assert len(having) > 10
        for path in having:
            told = await desk.http.get(
                path.format(symbol="AAPL", stream="events.0"),
                params={**NEEDED.get(path, {}), "limit": limit},
                headers=bearer(admin),
            )
            assert (told.status_code, told.json()["field"]) == (422, "limit"), path

    asyncio.run(play())


def test_api4_batches_and_bodies_are_bounded(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, admin = keys.make("admin")
        told = await desk.post("/v1/orders/batch", {"orders": [ORDER] * 1_001}, headers=bearer(admin))
        assert (told.status_code, told.json()["field"]) == (422, "orders")
        told = await desk.post("/v1/orders/batch", {"orders": "x" * MAX_BATCH_BYTES}, headers=bearer(admin))
        assert told.status_code == 413
        paths = [
            (method, path)
            for path, methods in desk.app.openapi()["paths"].items()
            for method, call in methods.items()
            if "requestBody" in call
            and path.startswith("/v1/")
            and path != "/v1/orders/batch"
            and not path.startswith(SESSION)  # test_people
        ]
        assert len(paths) > 15
        for method, path in paths:
            shown = path.format(order_id=1, symbol="AAPL", account="default", letter_id="1-0")
            body = {"reason": "x" * MAX_BODY_BYTES}
            told = await desk.http.request(method, shown, json=body, headers=bearer(admin))
            assert told.status_code == 413, path
        assert desk.sent == []

    asyncio.run(play())


def test_api4_a_filter_that_finds_nothing_looks_at_a_bounded_number_of_rows(
    desk: GatewayDesk, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is done would be walked by one call, while nobody else is served: a page says where to go on instead."""
    monkeypatch.setattr(pages, "MOST_LOOKED", 4)

    async def play() -> None:
        _, admin = keys.make("admin")
        for number in range(10):
            name = f"o-{number}"
            await desk.post("/v1/orders", {**ORDER, "client_order_id": name}, headers=bearer(admin))
        seen, cursor, calls = [], None, 0
        while True:
            asked = {"client_order_id": "o-0", **({"cursor": cursor} if cursor else {})}
            told = (await desk.http.get("/v1/orders", params=asked, headers=bearer(admin))).json()
            seen += told["orders"]
            calls += 1
            cursor = told["next"]
            if cursor is None:
                break
        assert ([each["client_order_id"] for each in seen], calls) == (["o-0"], 3)

    asyncio.run(play())


def test_api4_lists_are_looked_through_so_far_and_what_is_left_out_is_told(
    desk: GatewayDesk, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "MOST_LOOKED", 1)

    async def play() -> None:
        _, admin = keys.make("admin")
        for name in ("first", "second"):
            pair = [{**ORDER, "price": "188.00"}, {**ORDER, "price": "187.00"}]
            said = {"type": "NewOrderList", "list_id": name, "orders": pair}
            assert (await desk.post("/v1/signals", said, headers=bearer(admin))).status_code < 300
        told = (await desk.http.get("/v1/lists", headers=bearer(admin))).json()
        assert [each["list_id"] for each in told["lists"]] == ["second"]
        assert told["incomplete"] == ["lists before the newest 1 are not looked through; analytics has them"]
        full = (await desk.http.get("/v1/lists", params={"limit": 1}, headers=bearer(admin))).json()
        assert "incomplete" not in full

    asyncio.run(play())


def test_api4_a_key_holds_so_many_streams_and_no_more(desk: GatewayDesk) -> None:
    """WebSocket and server-sent events together; what ends makes room, and other keys are not concerned."""
    one, other = (Caller(name, name, frozenset(("orders:read",))) for name in ("one", "other"))
    sessions = [Session(desk.app.state, one) for _ in range(3)]
    with pytest.raises(Refusal) as told:
        Session(desk.app.state, one)
    assert (told.value.status, told.value.reason) == (429, "too_many_streams")
    assert "holds 3 open already" in told.value.detail
    Session(desk.app.state, other).close()
    sessions[0].close()
    sessions[0].close()  # once is enough, twice makes no more room
    sessions[0] = Session(desk.app.state, one)
    with pytest.raises(Refusal):
        Session(desk.app.state, one)
    for each in sessions:
        each.close()
    assert not desk.app.state.streams.open


def test_api4_a_stream_too_many_is_refused_on_the_wire(desk: GatewayDesk, keys: Keys) -> None:
    _, good = keys.make("admin")

    async def play(port: int) -> None:
        headers = bearer(good)
        url = f"ws://127.0.0.1:{port}"
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as http,
            websockets.connect(f"{url}/v1/stream", additional_headers=headers, proxy=None) as first,
            websockets.connect(f"{url}/alpaca/v2/iex", proxy=None) as second,
            http.stream("GET", "/v1/stream", params={"topics": "orders"}) as third,
        ):
            assert orjson.loads(await first.recv())["type"] == "authorized"
            key_id, _, secret = good.partition(".")
            await second.send(orjson.dumps({"action": "auth", "key": key_id, "secret": secret}))
            assert b"authenticated" in b"".join([bytes(str(await second.recv()), "utf8") for _ in range(2)])
            assert third.status_code == 200
            lines = third.aiter_lines()  # kept: without it the stream would be closed
            await anext(lines)
            fourth = await http.get("/v1/stream", params={"topics": "orders"})
            assert (fourth.status_code, fourth.json()["reason"]) == (429, "too_many_streams")
            async with websockets.connect(f"{url}/v1/stream", additional_headers=headers, proxy=None) as fifth:
                said = [orjson.loads(await fifth.recv()) for _ in range(2)]
                assert said[-1].get("reason") == "too_many_streams"
                with pytest.raises(ConnectionClosed) as closed:
                    await fifth.recv()
                assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
            async with websockets.connect(f"{url}/alpaca/v2/iex", proxy=None) as sixth:
                await sixth.send(orjson.dumps({"action": "auth", "key": key_id, "secret": secret}))
                codes = [orjson.loads(await sixth.recv())[0].get("code") for _ in range(3)]
                assert codes == [None, None, 406]

    with served(desk) as port:
        asyncio.run(play(port))


def test_api4_what_a_key_says_too_fast_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    streams, caller = Streams(most=20, messages_per_s=10), Caller("one", "one", frozenset())
    assert [streams.wait_s(caller, 5.0) for _ in range(10)] == [0.0] * 10
    assert streams.wait_s(caller, 5.0) == pytest.approx(0.1)
    assert streams.wait_s(caller, 5.0) == pytest.approx(0.2)
    assert streams.wait_s(Caller("other", "other", frozenset()), 5.0) == 0.0
    assert streams.wait_s(caller, 7.0) == 0.0
    assert [streams.wait_s(caller, 100.0) for _ in range(10)] == [0.0] * 10
    assert streams.wait_s(caller, 100.0) > 0  # what was not said is not saved up beyond a second


def test_api4_a_stream_reads_no_faster_than_its_key_may_speak(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    monkeypatch.setenv("FILLSTREAM_GATEWAY__STREAM_MESSAGES_PER_S", "5")
    desk = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"), keys)
    _, good = keys.make("viewer")

    async def play(port: int) -> float:
        url = f"ws://127.0.0.1:{port}/v1/stream"
        async with websockets.connect(url, additional_headers=bearer(good), proxy=None) as stream:
            began = asyncio.get_running_loop().time()
            for number in range(8):
                await stream.send(orjson.dumps({"action": "ping", "id": number}))
            while orjson.loads(await stream.recv()).get("id") != 7:
                pass
            return asyncio.get_running_loop().time() - began

    with served(desk) as port:
        assert asyncio.run(play(port)) > 0.5  # five at once, three more at five a second


# ----------------------------------------------------------------------------- API5: a role does what it is for


ANYBODYS = ("/v1/topology",)
"""Every key may know how many streams there are."""


def test_api5_reading_needs_its_scope_as_well(desk: GatewayDesk, keys: Keys) -> None:
    """Every route below /v1 is refused to a key that may nothing; `test_access` has who may what."""

    async def play() -> None:
        key, secret = keys.make("viewer")
        nobody = Caller(key.id, "nobody", frozenset())
        keys.find = lambda *_: nobody  # type: ignore[method-assign,assignment]
        routes = 0
        for path, methods in desk.app.openapi()["paths"].items():
            if not path.startswith("/v1/") or path.startswith(SESSION):  # that is a person's own
                continue
            named = {"order_id": 1, "symbol": "AAPL", "account": "default", "letter_id": "1-0", "signal_id": "s"}
            shown = path.format(**named, stream="events.0", page="orders")
            for method in methods:
                body = (
                    None
                    if method == "get"
                    else {"type": "Halt" if "controls" in path else "CancelAll", "symbol": "AAPL"}
                )
                asked = NEEDED.get(path, {})
                told = await desk.http.request(method, shown, json=body, params=asked, headers=bearer(secret))
                refused = (403, "scope_missing") if path not in ANYBODYS else (200, None)
                assert (told.status_code, told.json().get("reason")) == refused, (method, path, told.text)
                routes += 1
        assert routes > 50
        assert desk.sent == []

    asyncio.run(play())


# --------------------------------------------------------- API6: what costs money is not done by accident, or in masses


def test_api6_orders_in_masses_are_the_accounts_limit_to_stop(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    """A batch is a thousand calls in one: the desk's own limit counts its orders one by one."""
    monkeypatch.setenv("FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS", "5")
    desk = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"), keys)
    desk.quote(19_000, 19_002)

    async def play() -> None:
        _, trader = keys.make("trader")
        many = [{**ORDER, "client_order_id": f"m-{number}"} for number in range(50)]
        told = await desk.post("/v1/orders/batch", {"orders": many}, headers={**bearer(trader), "prefer": "wait=1"})
        filled = [each for each in told.json()["orders"] if each.get("order", {}).get("ord_status") == "Filled"]
        assert len(filled) == 5

    asyncio.run(play())


# --------------------------------------------------------------------------------- API7: no route fetches an address


def test_api7_no_part_of_the_gateway_can_ask_an_address_that_a_caller_gives() -> None:
    """What asks others is the client of analytics, whose address is the operator's: nothing else has the means."""
    means = {
        "httpx",
        "requests",
        "aiohttp",
        "urllib3",
        "http.client",
        "urllib.request",
        "socket",
        "ftplib",
        "subprocess",
    }
    files = [*(ROOT / "services" / "gateway").rglob("*.py")]
    assert len(files) > 40
    for file in files:
        if "hooks" in file.parts:
            continue  # what others send in; it has tests of its own
        for node in ast.walk(ast.parse(file.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name for name in names if name in means or name.partition(".")[0] in means}, file


def test_api7_an_address_in_a_body_is_text(desk: GatewayDesk, keys: Keys) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"

    async def play() -> None:
        _, admin = keys.make("admin")
        for path in ("/v1/orders", "/v1/signals", "/v1/controls", "/v1/halt", "/v1/targets", "/alpaca/v2/orders"):
            for field in (
                "symbol",
                "account",
                "client_order_id",
                "strategy",
                "venue",
                "reason",
                "url",
                "callback",
                "text",
            ):
                await desk.post(path, {**ORDER, "type": "NewOrder", field: url}, headers=bearer(admin))
        with pytest.raises(BlockingIOError):
            listener.accept()

    asyncio.run(play())
    listener.close()


# ------------------------------------------------------------------------------------------- API8: how it is set up


def test_api8_every_answer_says_to_browsers_to_take_it_as_it_is(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, admin = keys.make("admin")
        for headers in ({}, bearer(admin), bearer("wrong.key")):
            for path in ("/v1/orders", "/v1/nothing", "/docs", "/openapi.json", "/", "/health", "/alpaca/v2/account"):
                told = await desk.http.get(path, headers={**headers, "origin": "https://evil.example"})
                assert told.headers["x-content-type-options"] == "nosniff", path
                assert told.headers["cache-control"] in ("no-store", "no-cache"), path
                assert not [name for name in told.headers if name.startswith("access-control-")], path
                assert "server" not in told.headers and "x-powered-by" not in told.headers

    asyncio.run(play())


def test_api8_no_page_of_another_site_is_let_in_by_a_preflight(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, admin = keys.make("admin")
        ask = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        for path in ("/v1/orders", "/order-management/orders", "/alpaca/v2/orders"):
            told = await desk.http.options(path, headers={**ask, **bearer(admin)})
            assert told.status_code in (401, 404, 405)
            assert not [name for name in told.headers if name.startswith("access-control-")]

    asyncio.run(play())


@pytest.mark.parametrize("method", ["TRACE", "PUT", "OPTIONS", "CONNECT", "PROPFIND"])
def test_api8_a_method_that_is_none_of_a_path_is_refused(desk: GatewayDesk, keys: Keys, method: str) -> None:
    async def play() -> None:
        _, admin = keys.make("admin")
        for path in ("/v1/orders", "/v1/halt", "/v1/quotes/AAPL"):
            told = await desk.http.request(method, path, headers=bearer(admin))
            assert (told.status_code, told.json()["reason"]) == (405, "no_such_method")

    asyncio.run(play())


def test_api8_an_error_inside_tells_nothing_of_the_inside(
    desk: GatewayDesk, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        _, admin = keys.make("admin")
        monkeypatch.setattr(desk.desk.terms, "venues", None)
        transport = httpx.ASGITransport(desk.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
            told = await http.get("/v1/venues", headers=bearer(admin))
        assert (told.status_code, told.json()["reason"]) == (500, "internal_error")
        assert "Traceback" not in told.text and "NoneType" not in told.text and "venues" not in told.text

    asyncio.run(play())


def test_api8_it_is_served_by_tls_where_there_is_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_GATEWAY__TLS_CERT_FILE", "/run/cert.pem")
    monkeypatch.setenv("FILLSTREAM_GATEWAY__TLS_KEY_FILE", "/run/key.pem")
    options = options_of(settings_with(monkeypatch))
    assert (str(options["ssl_certfile"]), str(options["ssl_keyfile"])) == ("/run/cert.pem", "/run/key.pem")
    assert options["server_header"] is False


# ------------------------------------------------------------------------- API9: what is served is what is written down

NOT_IN_THE_DOCUMENT = {
    "/", "/health", "/ready", "/metrics", "/docs", "/openapi.json",  # docs/gateway.md
    "/order-management",  # docs/order-management.md, with a document of its own
    "/desk", "/desk/{name}",  # docs/desk.md
    "/hooks/{rest}",  # what is no hook's
    "/v1/stream", "/alpaca/stream", "/alpaca/v2/{feed}",  # WebSocket, which OpenAPI has no words for
}  # fmt: skip


def paths_of(app: FastAPI) -> Iterator[str]:
    """Yield every path that an app answers, as it is declared."""
    for route in app.routes:
        if isinstance(route, Mount) or not hasattr(route, "original_router"):
            yield route.path  # type: ignore[attr-defined]
        else:
            prefix = route.include_context.prefix
            for each in below(route.original_router):
                yield f"{prefix}{each}"


def below(router: Any) -> Iterator[str]:
    for each in router.routes:
        if hasattr(each, "original_router"):
            for path in below(each.original_router):
                yield f"{each.include_context.prefix}{path}"
        else:
            yield each.path


def test_api9_every_path_is_in_the_document_or_on_the_list(desk: GatewayDesk) -> None:
    served_paths = {path.replace(":path}", "}") for path in paths_of(desk.app)}
    assert len(served_paths) > 60
    assert served_paths - set(desk.app.openapi()["paths"]) <= NOT_IN_THE_DOCUMENT
    assert served_paths >= NOT_IN_THE_DOCUMENT
    text = (ROOT / "docs" / "gateway.md").read_text()
    assert all(
        path in text for path in ("/openapi.json", "/docs", "/ready", "/metrics", "/order-management", "/alpaca")
    )


def test_api9_there_is_one_version_and_no_other_answers(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, admin = keys.make("admin")
        for path in (
            "/v0/orders",
            "/v2/orders",
            "/orders",
            "/api/v1/orders",
            "/V1/orders",
            "/v1//orders",
            "/debug",
            "/redoc",
        ):
            assert (await desk.http.get(path, headers=bearer(admin))).status_code == 404, path

    asyncio.run(play())


# --------------------------------------------------------- API10: what others say is text, whoever they are

SCRIPT = "<script>alert(1)</script>"


def test_api10_what_the_streams_say_is_told_as_json_whatever_it_is(keys: Keys, desk: GatewayDesk) -> None:
    state: Desk = desk.desk
    at = f"{int(state.places['events.0'].partition('-')[0]) + 1}-0"
    seq = state._seqs["events.0"] + 1
    event = {
        "type": "AccountDefined", "v": 1, "seq": seq, "time": 1, "account": SCRIPT, "account_id": 99,
        "limit\u2028": "\u2028</script>\x00",
    }  # fmt: skip
    state.fold("events.0", at, {b"data": orjson.dumps(event)})

    async def play() -> None:
        _, admin = keys.make("admin")
        transport = httpx.ASGITransport(desk.app)  # the contract is broken on purpose, so nothing compares it here
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
            told = await http.get("/v1/accounts", headers=bearer(admin))
        assert told.headers["content-type"] == "application/json"
        assert told.headers["x-content-type-options"] == "nosniff"
        [row] = [each for each in told.json()["accounts"] if each["account"] == SCRIPT]
        assert row["limit\u2028"] == "\u2028</script>\x00"

    asyncio.run(play())


def test_api10_what_a_caller_says_comes_back_as_json_alone(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, admin = keys.make("admin")
        for told in (
            await desk.http.get(f"/v1/accounts/{SCRIPT}", headers=bearer(admin)),
            await desk.http.get(f"/{SCRIPT}", headers=bearer(admin)),
            await desk.post("/v1/orders", {**ORDER, "symbol": SCRIPT}, headers=bearer(admin)),
        ):
            assert told.status_code in (404, 422)
            assert told.headers["content-type"] == "application/problem+json"

    asyncio.run(play())


def test_api10_the_page_escapes_what_the_document_says(desk: GatewayDesk) -> None:
    from fillstream.services.gateway.http.page import page

    parameter = {"name": SCRIPT, "description": SCRIPT}
    call = {"tags": [SCRIPT], "description": SCRIPT, "parameters": [parameter]}
    info = {"title": SCRIPT, "version": SCRIPT, "description": SCRIPT}
    told = page({"info": info, "paths": {f"/{SCRIPT}": {SCRIPT: call}}})
    assert "<script" not in told.lower()
    assert told.count("&lt;script&gt;") >= 8


def test_every_thread_of_a_server_has_ended() -> None:
    assert not [each for each in threading.enumerate() if each.name == "gateway"]
