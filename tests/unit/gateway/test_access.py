"""Who may come in, what for, for which accounts, and how often."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from fillstream.libs.common.process.settings import Settings, SettingsError
from fillstream.services.gateway.app import check
from fillstream.services.gateway.http.access import SESSION
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk
from tests.support.gateway_keys import Keys, bearer

ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> GatewayDesk:
    monkeypatch.setenv("FILLSTREAM_GATEWAY__CALLS_PER_MINUTE", "100")
    found = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"), keys)
    found.quote(19_000, 19_002)
    return found


def test_nobody_comes_in_without_a_key_and_probes_need_none(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, good = keys.make("admin")
        for headers in (
            {},
            {"authorization": "Basic abc"},
            bearer("x"),
            bearer("fk_nobody.secret"),
            bearer(good[:-1]),
            bearer(good.replace(".", "..")),
            {"apca-api-key-id": good.partition(".")[0], "apca-api-secret-key": "wrong"},
        ):
            for method, path in (
                ("GET", "/v1/orders"),
                ("POST", "/v1/orders"),
                ("POST", "/v1/halt"),
                ("GET", "/nothing"),
            ):
                told = await desk.http.request(method, path, headers=headers)
                assert told.status_code == 401, (headers, path)
                assert told.headers["www-authenticate"].startswith("Bearer")
                assert good.partition(".")[2] not in told.text
        assert desk.sent == []
        for path in ("/health", "/", "/docs", "/openapi.json", "/metrics"):
            assert (await desk.http.get(path)).status_code == 200
        key_id, _, secret = good.partition(".")
        for headers in (bearer(good), {"apca-api-key-id": key_id, "apca-api-secret-key": secret}):
            assert (await desk.http.get("/v1/orders", headers=headers)).status_code == 200

    asyncio.run(play())


def test_a_key_that_was_just_made_is_found_and_one_that_is_over_is_told(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, fresh = keys.make("viewer", known=False)
        assert (await desk.http.get("/v1/orders", headers=bearer(fresh))).status_code == 200
        assert keys.looks == 1
        assert (await desk.http.get("/v1/orders", headers=bearer(fresh))).status_code == 200
        assert keys.looks == 1
        key, over = keys.make("viewer", expires_ms=2)
        told = await desk.http.get("/v1/orders", headers=bearer(over))
        assert (told.status_code, told.json()["reason"]) == (401, "key_refused")
        assert told.json()["detail"].startswith(f"key: {key.id} is expired since 1970")

    asyncio.run(play())


MAY = {
    ("GET", "/v1/orders"): {"viewer", "trader", "risk", "admin"},
    ("GET", "/v1/fills"): {"viewer", "trader", "risk", "admin"},
    ("GET", "/v1/positions"): {"viewer", "trader", "risk", "admin"},
    ("GET", "/v1/accounts"): {"viewer", "trader", "risk", "admin"},
    ("GET", "/v1/quotes"): {"viewer", "trader", "risk", "admin"},
    ("GET", "/v1/trading_state"): {"viewer", "trader", "risk", "admin"},
    ("POST", "/v1/orders"): {"trader", "admin"},
    ("POST", "/v1/orders/batch"): {"trader", "admin"},
    ("POST", "/v1/signals"): {"trader", "admin"},
    ("PATCH", "/v1/orders/1"): {"trader", "admin"},
    ("DELETE", "/v1/orders/1"): {"trader", "admin"},
    ("DELETE", "/v1/orders"): {"trader", "admin"},
    ("POST", "/v1/targets"): {"trader", "admin"},
    ("POST", "/v1/positions/AAPL/close"): {"trader", "admin"},
    ("POST", "/v1/positions/AAPL/protect"): {"trader", "admin"},
    ("DELETE", "/v1/positions/AAPL/protect"): {"trader", "admin"},
    ("DELETE", "/v1/targets/AAPL"): {"trader", "admin"},
    ("POST", "/v1/halt"): {"risk", "admin"},
    ("POST", "/v1/reduce"): {"risk", "admin"},
    ("POST", "/v1/resume"): {"risk", "admin"},
    ("POST", "/v1/orders/1/approve"): {"risk", "admin"},
    ("POST", "/v1/orders/1/refuse"): {"risk", "admin"},
    ("PATCH", "/v1/accounts/default/limits"): {"risk", "admin"},
    ("DELETE", "/v1/accounts/default/limits"): {"risk", "admin"},
    ("POST", "/order-management/orders"): {"trader", "admin"},
    ("DELETE", "/order-management/orders/1"): {"trader", "admin"},
    ("POST", "/order-management/trades"): {"trader", "admin"},
    ("GET", "/v1/dead"): {"admin"},
    ("GET", "/v1/dead/redriven?letter_id=1-0"): {"admin"},
    ("GET", "/v1/log/dead"): {"admin"},
    ("GET", "/v1/log?after=dead:0-0"): {"admin"},
    ("GET", "/v1/log/events.0"): {"viewer", "trader", "risk", "admin"},
    ("POST", "/v1/dead/1-0/redrive"): {"admin"},
}
"""Which roles may call what; every route of the API that writes is here."""
READS = ("/v1/sql", "/v1/analytics/query", "/v1/orders/preview", "/v1/controls")
"""What is asked by a POST; and controls, of which each has its own scope. Below SESSION all is a person's own."""


@pytest.mark.parametrize("role", ["viewer", "trader", "risk", "admin"])
def test_a_role_may_do_what_it_is_for_and_nothing_else(desk: GatewayDesk, keys: Keys, role: str) -> None:
    async def play() -> None:
        _, key = keys.make(role)
        for (method, path), roles in MAY.items():
            sent = len(desk.sent)
            told = await desk.http.request(method, path, headers=bearer(key), json={} if method != "GET" else None)
            if role in roles:
                assert told.status_code not in (401, 403), (method, path, told.text)
            else:
                assert (told.status_code, told.json()["reason"]) == (403, "scope_missing"), (method, path)
                assert len(desk.sent) == sent

    asyncio.run(play())


def test_every_route_that_writes_is_in_the_table_of_roles(desk: GatewayDesk) -> None:
    ours = {path: it for path, it in desk.app.openapi()["paths"].items() if path.startswith("/v1/")}
    for path, methods in ours.items():
        for method in methods:
            if method.upper() != "GET" and path not in READS and not path.startswith(SESSION):
                shown = path.format(order_id=1, symbol="AAPL", account="default", letter_id="1-0")
                assert (method.upper(), shown) in MAY


def test_adjustments_are_an_admins(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        body = {"type": "AdjustAccount", "account": "default", "adjustment": "DEPOSIT", "amount": "5", "reason": "cash"}
        _, risk = keys.make("risk")
        told = await desk.post("/v1/controls", body, headers=bearer(risk))
        assert (told.status_code, told.json()["reason"]) == (403, "scope_missing")
        _, admin = keys.make("admin")
        assert (await desk.post("/v1/controls", body, headers=bearer(admin))).status_code == 200
        assert desk.desk.terms.controls[-1]["who"] == "admin"

    asyncio.run(play())


def test_a_key_for_some_accounts_sees_and_touches_those_alone(desk: GatewayDesk, keys: Keys) -> None:
    """The OWASP API top ten's first: object level authorization, for every kind of object and both directions."""

    async def play() -> None:
        _, everybody = keys.make("admin")
        _, mine = keys.make("admin", "demo")
        theirs = await desk.post("/v1/orders", {**ORDER, "price": "189.00"}, headers=bearer(everybody))
        order_id = theirs.json()["order"]["order_id"]
        own = await desk.post("/v1/orders", {**ORDER, "account": "demo"}, headers=bearer(mine))
        assert own.status_code == 201, own.text
        headers = bearer(mine)
        sent = len(desk.sent)
        for method, path, body, status in (
            ("POST", "/v1/orders", ORDER, 403),
            ("POST", "/v1/signals", {"type": "CancelAll", "account": "default"}, 403),
            ("POST", "/v1/signals", {"type": "CancelOrder", "order_id": order_id}, 403),
            ("POST", "/v1/orders", {**ORDER, "account": None}, 403),
            ("POST", "/v1/targets", {"symbol": "AAPL", "target": "5", "account": None}, 403),
            ("POST", "/v1/controls", {"type": "SwitchAlias", "account": "demo", "to": "default"}, 403),
            ("GET", "/v1/dead", None, 403),
            ("POST", "/v1/signals", {"type": "CancelOrder", "order_id": order_id, "account": "demo"}, 404),
            ("POST", "/v1/signals", {"type": "CancelOrder", "order_id": "777", "account": "demo"}, 404),
            ("DELETE", "/v1/orders/777", None, 404),
            ("DELETE", f"/v1/orders/{order_id}", None, 404),
            ("PATCH", f"/v1/orders/{order_id}", {"price": "188"}, 404),
            ("GET", f"/v1/orders/{order_id}", None, 404),
            ("GET", f"/v1/orders/{order_id}/events", None, 404),
            ("GET", "/v1/orders/client:default:x", None, 404),
            ("DELETE", "/v1/orders", None, 403),
            ("GET", "/v1/accounts/default", None, 404),
            ("GET", "/v1/positions/AAPL", None, 404),
            ("GET", "/v1/signals/x", None, 403),
            ("POST", "/v1/positions/AAPL/close", {}, 403),
            ("POST", "/v1/targets", {"symbol": "AAPL", "target": "5"}, 403),
            ("POST", "/v1/halt", {"account": "default"}, 403),
            ("POST", "/v1/halt", {}, 403),
            ("POST", "/v1/controls", {"type": "Approve", "order_id": order_id}, 404),
            ("POST", f"/v1/orders/{order_id}/approve", {}, 404),
            ("PATCH", "/v1/accounts/default/limits", {"limits": {"max_order_value": "1"}}, 403),
            ("POST", "/v1/sql", {"sql": "SELECT 1"}, 403),
            ("POST", "/v1/dead/1-0/redrive", {}, 403),
            ("POST", "/v1/orders/batch", {"orders": [ORDER]}, 200),
        ):
            told = await desk.http.request(method, path, headers=headers, json=body)
            assert told.status_code == status, (method, path, body, told.text)
        assert told.json()["orders"][0]["status"] == 403
        assert len(desk.sent) == sent
        for path, name in (
            ("orders", "orders"),
            ("fills", "fills"),
            ("positions", "positions"),
            ("accounts", "accounts"),
        ):
            rows = (await desk.http.get(f"/v1/{path}", headers=headers)).json()[name]
            assert {row["account"] for row in rows} == {"demo"}, path
        assert [*(await desk.http.get("/v1/trading_state", headers=headers)).json()["accounts"]] == ["demo"]

    asyncio.run(play())


def test_calls_are_counted_by_key(desk: GatewayDesk, keys: Keys) -> None:
    async def play() -> None:
        _, few = keys.make("viewer", rate_limit=3)
        _, other = keys.make("admin")
        told = [await desk.http.get("/v1/orders", headers=bearer(few)) for _ in range(4)]
        assert [each.status_code for each in told] == [200, 200, 200, 429]
        assert [each.headers["x-ratelimit-remaining"] for each in told[:3]] == ["2", "1", "0"]
        assert 0 < int(told[3].headers["retry-after"]) <= 60
        assert told[3].json()["reason"] == "too_many_calls"
        again = await desk.http.get("/v1/orders", headers=bearer(other))
        assert (again.status_code, again.headers["x-ratelimit-limit"]) == (200, "100")

    asyncio.run(play())


def test_what_is_done_is_logged_with_who_and_without_any_secret(
    desk: GatewayDesk, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        key, secret = keys.make("trader")
        with caplog.at_level(logging.INFO):
            await desk.post("/v1/orders", ORDER, headers=bearer(secret))
            await desk.post("/v1/halt", {}, headers=bearer(secret))
        lines = [record.getMessage() for record in caplog.records]
        assert any(line.startswith(f"{key.id} POST '/v1/orders': 201") for line in lines)
        assert any(line.startswith(f"{key.id} POST '/v1/halt': 403") for line in lines)
        assert secret.partition(".")[2] not in caplog.text

    asyncio.run(play())


def test_without_keys_another_sites_page_can_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser on this machine reaches the gateway, too: it says which page asks, and by which name."""
    desk = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"))

    async def play() -> None:
        for headers in ({"origin": "https://evil.example"}, {"host": "evil.example:8000"}, {"host": "evil.example"}):
            told = await desk.post("/v1/orders", ORDER, headers=headers)
            assert told.status_code == 403
        for host in ("localhost:8000", "127.0.0.1:8000", "[::1]:8000"):
            assert (await desk.http.get("/v1/orders", headers={"host": host})).status_code == 200
        same = {"origin": "http://127.0.0.1:8000"}
        assert (await desk.http.get("/v1/orders", headers=same)).status_code == 200

    asyncio.run(play())


def with_gateway(settings: Settings, host: str = "127.0.0.1", **said: Any) -> Settings:
    service, gateway = settings.service.model_copy(update={"host": host}), settings.gateway.model_copy(update=said)
    return settings.model_copy(update={"service": service, "gateway": gateway})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "fillstream.example"])
def test_without_keys_no_other_interface_is_served(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    settings = settings_with(monkeypatch)
    for local in ("127.0.0.1", "::1", "localhost", "127.1.2.3"):
        check(with_gateway(settings, local, without_key=True))
    with pytest.raises(SettingsError, match=r"gateway\.without_key: service\.host"):
        check(with_gateway(settings, host, without_key=True))
    check(with_gateway(settings, host))


def test_half_of_what_tls_needs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch)
    with pytest.raises(SettingsError, match="tls_key_file"):
        check(with_gateway(settings, tls_cert_file="x"))
    check(with_gateway(settings, tls_cert_file="x", tls_key_file="y"))
