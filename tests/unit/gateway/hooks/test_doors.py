"""Who may post alerts, from where and how often; and that no log, answer or metric has what the path has."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest

from fillstream.libs.common.process.hooks import ALERT as TEMPLATE
from fillstream.libs.common.process.hooks import Hook, hook
from fillstream.libs.common.process.keys import ROLES, Key, KeyRing, Scope, make
from fillstream.libs.common.process.settings import SettingsError
from fillstream.services.gateway.hooks import entrance, routes
from fillstream.services.gateway.http.access import Caller
from fillstream.services.gateway.http.keyring import caller_of_key
from fillstream.services.gateway.http.sources import Sources
from fillstream.services.gateway.sending import Refused, Unsure
from tests.support.backtests import settings_with
from tests.support.gateway_desk import HOST, GatewayDesk

TV = "52.89.214.238"
ALERT = {
    "symbol": "AAPL", "exchange": "NASDAQ", "side": "buy", "quantity": "10", "position_size": "",
    "market_position": "long", "price": "190.02", "order_id": "Long", "comment": "", "interval": "5",
    "time": "2026-11-27T15:30:00Z",
}  # fmt: skip


class Keys:
    """Keys in memory; those that are not `known` are found by a look."""

    def __init__(self) -> None:
        self.ring = KeyRing()
        self.kept: dict[bytes, bytes] = {}
        self.looks = 0

    def make(self, its: Hook | None, account: str = "default", *, known: bool = True, **more: Any) -> tuple[Key, str]:
        scopes: tuple[Scope, ...] = () if its else tuple(ROLES["admin"])
        key, secret = make(
            "k", scopes, now_ms=1, who="test", accounts=[account] if its else [], hook=its, **more
        )  # fmt: skip
        self.kept[key.id.encode()] = key.dump()
        if known:
            self.ring.load(self.kept)
        return key, f"{key.id}.{secret}"

    def find(self, key_id: str, secret: str, now_ms: int) -> Caller | str:
        found = self.ring.find(key_id, secret, now_ms)
        return found if isinstance(found, str) else caller_of_key(found)

    def is_live(self, key_id: str) -> bool:
        return self.ring.is_live(key_id, 1)

    async def renew(self, key_id: str) -> bool:
        self.looks += 1
        self.ring.load(self.kept)
        return True


@pytest.fixture
def keys() -> Keys:
    return Keys()


def desk_with(monkeypatch: pytest.MonkeyPatch, keys: Keys | None, **settings: str) -> GatewayDesk:
    for name, value in settings.items():
        monkeypatch.setenv(f"FILLSTREAM_GATEWAY__{name.upper()}", value)
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"), keys)
    found.quote(19_000, 19_002)
    return found


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> GatewayDesk:
    return desk_with(monkeypatch, keys, calls_per_minute="100")


def posting(desk: GatewayDesk, address: str = "127.0.0.1") -> httpx.AsyncClient:
    """Return who posts from an address."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(desk.app, client=(address, 1)), base_url=HOST)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return all that was logged on the gateway's side."""
    return "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )


async def post(desk: GatewayDesk, path: str, body: Any = ALERT, address: str = "127.0.0.1", **more: Any) -> Any:
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    async with posting(desk, address) as http:
        return await http.post(path, content=raw, **more)


# ----------------------------------------------------------------------------------------------------- what comes of it


def test_an_alert_is_one_order_however_often_and_whenever_it_comes(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        key, path = keys.make(hook("tradingview", strategy="trend"), "demo")
        told = await post(desk, f"/hooks/tradingview/{path}")
        assert told.status_code == 202, told.text
        (signal_id,) = told.json()["signal_ids"]
        assert signal_id.startswith(f"tv-{key.id[3:]}-")
        assert told.headers["location"] == f"/v1/signals/{signal_id}?account=demo"
        for body in (json.dumps(ALERT), json.dumps({**ALERT, "price": "190.03"}, indent=1)):
            desk.wait(60_000)
            again = await post(desk, f"/hooks/tradingview/{path}", body, headers={"content-type": "text/plain"})
            assert (again.status_code, again.json()["signal_ids"]) == (202, [signal_id])
        _, admin = keys.make(None)
        headers = {"authorization": f"Bearer {admin}"}
        order = (await desk.http.get(told.headers["location"], headers=headers)).json()["order"]
        assert (order["ord_status"], order["cum_qty"], order["strategy"]) == ("Filled", "10", "trend")
        assert order["signal_id"] == signal_id
        [row] = (await desk.http.get("/v1/orders", params={"account": "demo"}, headers=headers)).json()["orders"]
        assert row["order_id"] == order["order_id"]

    asyncio.run(play())


def test_a_position_that_an_alert_asks_for_is_reached_and_found_by_the_signals_id(
    desk: GatewayDesk, keys: Keys
) -> None:
    async def play() -> None:
        _, path = keys.make(hook("tradingview", symbols=["NASDAQ:APPLE!=AAPL"]))
        alert = {**ALERT, "symbol": "APPLE!", "position_size": "-25", "market_position": "short", "side": "sell"}
        told = await post(desk, f"/hooks/tradingview/{path}", alert)
        assert told.status_code == 202, told.text
        desk.wait(1_000)
        _, admin = keys.make(None)
        found = await desk.http.get(told.headers["location"], headers={"authorization": f"Bearer {admin}"})
        [row] = found.json()["targets"]
        elsewhere = told.headers["location"].replace("default", "demo")
        other = await desk.http.get(elsewhere, headers={"authorization": f"Bearer {admin}"})
        assert (other.status_code, other.json()["reason"]) == (404, "unknown_signal")
        assert (row["target_status"], row["held_qty"], row["symbol"]) == ("REACHED", "-25", "AAPL")
        viewer, secret = make("v", (Scope.ORDERS_READ,), now_ms=1, who="test")
        keys.kept[viewer.id.encode()] = viewer.dump()
        keys.ring.load(keys.kept)
        other = await desk.http.get(told.headers["location"], headers={"authorization": f"Bearer {viewer.id}.{secret}"})
        assert (other.status_code, other.json()["reason"]) == (403, "scope_missing")

    asyncio.run(play())


def test_a_position_that_was_asked_for_before_does_not_come_back_when_its_alert_comes_late(
    desk: GatewayDesk, keys: Keys
) -> None:
    async def play() -> None:
        _, path = keys.make(hook("tradingview"))
        first = {**ALERT, "position_size": "25"}
        flat = {**ALERT, "side": "sell", "position_size": "0", "market_position": "flat", "time": "later"}
        for alert, held in ((first, "25"), (flat, "0"), (first, "0"), (flat, "0")):
            assert (await post(desk, f"/hooks/tradingview/{path}", alert)).status_code == 202
            desk.wait(2_000)
            assert desk.desk.positions.open["default AAPL"]["position"] == held
        assert len(desk.desk.positions.targets) == 2

    asyncio.run(play())


def test_nobody_waits_for_what_becomes_of_an_alert(
    desk: GatewayDesk, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, waits = desk.gateway.asking, []
    submit = asking.submit

    async def noted(said: Any, wait_s: float) -> Any:
        waits.append(wait_s)
        return await submit(said, wait_s)

    monkeypatch.setattr(asking, "submit", noted)
    desk.is_deaf = True  # it never hears of an order

    async def play() -> None:
        _, path = keys.make(hook("text"))
        assert (await post(desk, f"/hooks/text/{path}", "buy AAPL 1\nbuy AAPL 1")).status_code == 202
        assert waits == [0, 0]

    asyncio.run(play())


def test_lines_are_all_sent_or_none_and_each_post_is_another(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, path = keys.make(hook("text"))
        told = await post(desk, f"/hooks/text/{path}", "buy AAPL 3\ntarget MSFT 5\nclose AAPL")
        assert told.status_code == 202
        assert len(set(told.json()["signal_ids"])) == 3
        assert [json.loads(fields[b"data"])["type"] for _, fields in desk.sent] == [
            "NewOrder", "SetTarget", "ClosePosition",
        ]  # fmt: skip
        again = await post(desk, f"/hooks/text/{path}", "buy AAPL 3\ntarget MSFT 5\nclose AAPL")
        assert not {*again.json()["signal_ids"]} & {*told.json()["signal_ids"]}
        sent = len(desk.sent)
        bad = await post(desk, f"/hooks/text/{path}", "buy AAPL 3\nbuy AAPL -3")
        assert (bad.status_code, bad.json()["detail"]) == (422, "line 2: quantity: -3 must be above 0")
        assert bad.headers["content-type"] == "application/problem+json"
        assert len(desk.sent) == sent

    asyncio.run(play())


def test_a_template_is_read_by_the_hook_that_has_it(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        words = {"symbol": {"from": "t"}, "side": {"from": "d", "map": {"long": "BUY", "short": "SELL"}}}
        _, path = keys.make(hook("template", quantity="4", template=json.dumps(words)))
        told = await post(desk, f"/hooks/template/{path}", {"t": "AAPL", "d": "long", "more": None})
        assert told.status_code == 202, told.text
        assert next(iter(desk.desk.orders.by_id.values())).row["cum_qty"] == "4"
        bad = await post(desk, f"/hooks/template/{path}", {"t": "AAPL", "d": "up"})
        assert (bad.status_code, bad.json()["field"]) == (422, "side")

    asyncio.run(play())


def test_what_nobody_is_sure_of_is_503_and_may_be_posted_again(
    desk: GatewayDesk, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        _, path = keys.make(hook("tradingview"))
        desk.refuses = [Unsure("gone")]
        assert (await post(desk, f"/hooks/tradingview/{path}")).status_code == 202, "sent again by itself"
        desk.refuses = [Unsure("gone")] * 99
        told = await post(desk, f"/hooks/tradingview/{path}", {**ALERT, "time": "2"})
        assert (told.status_code, told.json()["reason"]) == (503, "outcome_unknown")
        assert told.json()["detail"].endswith("is not known: post it again")
        told = await post(desk, f"/hooks/tradingview/{path}", "buy AAPL 1")
        assert told.json()["detail"].endswith("posted again it is another order")
        desk.refuses = [Refused("OOM")]
        told = await post(desk, f"/hooks/tradingview/{path}", {**ALERT, "time": "3"})
        assert (told.status_code, told.json()["sent"]) == (507, [])

    asyncio.run(play())


def test_an_answer_comes_before_the_sender_hangs_up_and_says_what_was_sent(
    desk: GatewayDesk, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "ANSWER_S", 0.05)
    append, calls = desk.append, 0

    async def stuck(key: str, fields: Any) -> str:
        nonlocal calls
        calls += 1
        if calls > 1:
            await asyncio.Event().wait()
        return await append(key, fields)

    desk.append = stuck  # type: ignore[method-assign]

    async def play() -> None:
        _, path = keys.make(hook("text"))
        async with asyncio.timeout(2):
            told = await post(desk, f"/hooks/text/{path}", "buy AAPL 1 id=a\nbuy AAPL 2 id=a")
        assert (told.status_code, len(told.json()["sent"])) == (503, 1)
        assert told.json()["signal_id"] not in told.json()["sent"]
        assert told.headers["retry-after"] == "1"

    asyncio.run(play())


# -------------------------------------------------------------------------------------------------------- who may post


def test_a_hook_is_for_its_path_alone_and_no_other_key_is_for_a_hooks(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        key, path = keys.make(hook("tradingview"))
        key_id, _, secret = path.partition(".")
        bearer = {"authorization": f"Bearer {path}"}
        theirs = {"apca-api-key-id": key_id, "apca-api-secret-key": secret}
        for method, where in (
            ("GET", "/v1/orders"), ("POST", "/v1/orders"), ("POST", "/v1/signals"), ("POST", "/v1/halt"),
            ("GET", "/v1/instruments"), ("GET", "/v1/stream?topics=fills"), ("POST", "/order-management/orders"),
            ("GET", "/order-management/orders"), ("GET", "/nothing"),
        ):  # fmt: skip
            told = await desk.http.request(method, where, headers=bearer)
            assert (told.status_code, told.json()["reason"]) == (403, "hook_only"), where
        for method, where in (
            ("GET", "/alpaca/v2/account"),
            ("POST", "/alpaca/v2/orders"),
            ("GET", "/alpaca/v2/clock"),
        ):
            told = await desk.http.request(method, where, headers=theirs)
            assert (told.status_code, told.json()["reason"]) == (403, "hook_only"), where
        _, admin = keys.make(None)
        told = await post(desk, f"/hooks/tradingview/{admin}")
        assert (told.status_code, told.json()["reason"]) == (403, "not_a_hook")
        for kind in ("text", "template"):
            told = await post(desk, f"/hooks/{kind}/{path}", "buy AAPL 1")
            assert (told.status_code, told.json()["reason"]) == (404, "unknown_hook")
            assert told.json()["detail"] == f"path: hook {key.id} is of tradingview, and not of {kind}"
        assert desk.sent == []

    asyncio.run(play())


def test_a_websocket_does_not_know_a_hooks_key(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, path = keys.make(hook("text"))
        key_id, _, secret = path.partition(".")
        for where, said, expected in (
            ("/v1/stream", {"action": "auth", "key": path}, "hook_only"),
            ("/alpaca/stream", {"action": "auth", "key": key_id, "secret": secret}, '"status":"unauthorized"'),
        ):
            heard: list[Any] = []
            asked = iter([
                {"type": "websocket.connect"},
                {"type": "websocket.receive", "text": json.dumps(said)},
                {"type": "websocket.disconnect", "code": 1000},
            ])  # fmt: skip

            async def receive(asked: Any = asked) -> Any:
                return next(asked)

            async def send(message: Any, heard: list[Any] = heard) -> None:
                heard.append(message)

            scope = {"type": "websocket", "path": where, "raw_path": where.encode(), "headers": [], "query_string": b"",
                     "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "scheme": "ws", "root_path": "",
                     "subprotocols": [], "state": {}, "extensions": {}}  # fmt: skip
            await desk.app(scope, receive, send)
            assert expected in str(heard), heard

    asyncio.run(play())


def test_a_key_that_there_is_not_is_no_path_and_one_that_is_over_is_told(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        key, path = keys.make(hook("tradingview"))
        for wrong in (path[:-1], path.replace(".", ".."), key.id, f"{key.id}.", "x", path + "%20"):
            told = await post(desk, f"/hooks/tradingview/{wrong}")
            assert (told.status_code, told.json()["reason"]) == (404, "unknown_hook"), wrong
            assert told.json()["detail"] == "key: there is none with this id and secret"
        _, fresh = keys.make(hook("tradingview"), known=False)
        assert (await post(desk, f"/hooks/tradingview/{fresh}")).status_code == 202, "it was made a moment ago"
        over, path = keys.make(hook("tradingview"), expires_ms=2)
        told = await post(desk, f"/hooks/tradingview/{path}", {**ALERT, "time": "2"})
        assert told.status_code == 404
        assert told.json()["detail"].startswith(f"key: {over.id} is expired since 1970")
        gone, path = keys.make(hook("tradingview"))
        keys.kept[gone.id.encode()] = gone.revoked(2, "her").dump()
        keys.ring.load(keys.kept)
        told = await post(desk, f"/hooks/tradingview/{path}", {**ALERT, "time": "3"})
        assert (told.status_code, told.json()["detail"][:35]) == (404, f"key: {gone.id} is revoked sin")
        assert len(desk.sent) == 1

    asyncio.run(play())


def test_who_fails_often_is_not_looked_for_and_keeps_nobody_out(
    desk: GatewayDesk, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All who use TradingView share its addresses: wrong keys from there must not keep the right one out."""
    monkeypatch.setattr(entrance, "FAILURES", 3)
    desk.app.state.entrance = entrance.Entrance(Sources(()))

    async def play() -> None:
        _, path = keys.make(hook("tradingview"))
        told = [await post(desk, "/hooks/tradingview/fk_0.x", address=TV) for _ in range(5)]
        assert [each.status_code for each in told] == [404, 404, 404, 429, 429]
        assert told[-1].json()["reason"] == "too_many_failures"
        assert told[-1].headers["retry-after"] == "60"
        assert keys.looks == 3
        assert (await post(desk, f"/hooks/tradingview/{path}", address=TV)).status_code == 202
        other = [await post(desk, "/hooks/tradingview/fk_0.x", address=f"2001:db8::{n}") for n in range(4)]
        assert [each.status_code for each in other] == [404, 404, 404, 429], "a network of IPv6 is one"
        assert (await post(desk, "/hooks/tradingview/fk_0.x", address="2001:db8:1::1")).status_code == 404

    asyncio.run(play())


def test_posts_are_counted_by_hook_as_calls_are_by_key_and_those_from_elsewhere_are_not(
    desk: GatewayDesk, keys: Keys
) -> None:
    async def play() -> None:
        _, path = keys.make(hook("tradingview", sources=["127.0.0.1"]), rate_limit=2)
        for _ in range(3):
            assert (await post(desk, f"/hooks/tradingview/{path}", address=TV)).status_code == 403
        told = [await post(desk, f"/hooks/tradingview/{path}", {**ALERT, "time": str(n)}) for n in range(3)]
        assert [each.status_code for each in told] == [202, 202, 429]
        assert [each.headers["x-ratelimit-remaining"] for each in told] == ["1", "0", "0"]
        assert told[-1].json()["reason"] == "too_many_calls"
        assert len(desk.sent) == 2

    asyncio.run(play())


FORWARDED = "x-forwarded-for"


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        (TV, [], 202),
        (f"::ffff:{TV}", [], 202),
        ("10.0.0.9", [], 403),
        ("10.0.0.9", [(FORWARDED, TV)], 202),
        ("10.0.0.9", [(FORWARDED, f"{TV}:4711")], 202),
        ("10.0.0.9", [(FORWARDED, f"{TV}, 10.0.0.8")], 202),
        ("10.0.0.9", [(FORWARDED, TV), (FORWARDED, "10.0.0.8")], 202),
        ("10.0.0.9", [(FORWARDED, f"{TV}, 203.0.113.7")], 403),
        ("10.0.0.9", [(FORWARDED, TV), (FORWARDED, "203.0.113.7")], 403),
        ("10.0.0.9", [(FORWARDED, "203.0.113.7")], 403),
        ("10.0.0.9", [(FORWARDED, f"{TV}, nobody")], 403),
        ("10.0.0.9", [(FORWARDED, "")], 403),
        ("203.0.113.7", [(FORWARDED, TV)], 403),
        ("127.0.0.1", [(FORWARDED, TV)], 403),
    ],
)  # fmt: skip
def test_an_address_is_the_peers_or_what_a_known_proxy_says(
    monkeypatch: pytest.MonkeyPatch, keys: Keys, caplog: pytest.LogCaptureFixture,
    peer: str, headers: list[tuple[str, str]], status: int,
) -> None:  # fmt: skip
    desk = desk_with(monkeypatch, keys, proxies='["10.0.0.0/8"]')

    async def play() -> None:
        key, path = keys.make(hook("tradingview", sources=["tradingview"]))
        with caplog.at_level(logging.INFO):
            told = await post(desk, f"/hooks/tradingview/{path}", address=peer, headers=headers)
        assert told.status_code == status, told.text
        if status == 403:
            assert told.json()["reason"] == "source_not_allowed"
            assert desk.sent == []
            assert f"hook {key.id} is not for " in caplog.text
        assert path.partition(".")[2] not in logged(caplog) + told.text

    asyncio.run(play())


@pytest.mark.parametrize("proxies", ['["proxy.example"]', '["10.0.0.1/8"]', "[5]"])
def test_a_proxy_that_is_no_address_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, proxies: str) -> None:
    monkeypatch.setenv("FILLSTREAM_GATEWAY__PROXIES", proxies)
    with pytest.raises(SettingsError, match=r"FILLSTREAM_GATEWAY__PROXIES.* must be an address or a network"):
        settings_with(monkeypatch)


def test_without_keys_there_are_no_hooks(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    desk = desk_with(monkeypatch, None)

    async def play() -> None:
        _, path = keys.make(hook("tradingview"))
        told = await post(desk, f"/hooks/tradingview/{path}")
        assert (told.status_code, told.json()["reason"]) == (403, "keys_needed")
        assert desk.sent == []

    asyncio.run(play())


# ------------------------------------------------------------------------------------------------------------- secrets


def test_no_log_answer_or_metric_has_the_paths_key(
    desk: GatewayDesk, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        key, path = keys.make(hook("tradingview"))
        told = []
        with caplog.at_level(logging.DEBUG):
            for method in ("POST", "GET", "PUT", "DELETE"):
                for where in (
                    f"/hooks/tradingview/{path}", f"/hooks/tradingview/{path}/", f"/hooks/text/{path}",
                    f"/hooks/{path}", f"/hooks/nothing/{path}", f"/hooks/tradingview/{path}/more", f"/{path}",
                    f"//hooks/tradingview/{path}", f"/HOOKS/tradingview/{path}", f"/v1/orders/{path}",
                    f"/hooks/tradingview/{path}?a={path[:5]}", f"/hooks/tradingview%2F{path}", f"/hooks/{path}/text",
                ):  # fmt: skip
                    async with posting(desk) as http:
                        told.append(await http.request(method, where, content=json.dumps(ALERT)))
            _, admin = keys.make(None)
            headers = {"authorization": f"Bearer {admin}"}
            told.append(await desk.http.get(f"/nothing/{path}", headers=headers))
            told.append(await desk.http.post(f"/nothing/{path}", headers=headers))
            told.append(await desk.http.get("/metrics"))
        assert {each.status_code for each in told} >= {202, 401, 404, 405}
        secret = path.partition(".")[2]
        for each in told:
            assert not each.has_redirect_location, "one would have the key in it"
            assert secret not in each.text + str(each.headers), each.request.url
        ours = logged(caplog)
        assert secret not in ours
        assert f"{key.id} POST '/hooks/…': 202 in" in ours
        assert "nobody POST '/hooks/…': 404 in" in ours

    asyncio.run(play())


def test_the_doors_are_on_the_page_of_the_api(desk: GatewayDesk) -> None:
    paths = desk.app.openapi()["paths"]
    assert {path for path in paths if path.startswith("/hooks")} == {
        "/hooks/tradingview/{key}", "/hooks/text/{key}", "/hooks/template/{key}",
    }  # fmt: skip
    body = paths["/hooks/tradingview/{key}"]["post"]["requestBody"]["content"]
    assert body["application/json"]["example"] == dict(TEMPLATE)
    assert set(body) == {"application/json", "text/plain"}
