"""Who did what is written down, with nothing secret in it, for admins alone; and every signal says who asked."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import orjson
import pytest
import redis

from fillstream.libs.common.messages.signals import SIGNALS
from fillstream.libs.common.process import audited
from fillstream.libs.common.process.audited import Action, Search, entry_of, told_of
from fillstream.services.gateway.people import audit as audits
from fillstream.services.gateway.people.lockouts import FREE
from tests.support.backtests import settings_with
from tests.support.gateway_desk import GatewayDesk
from tests.support.gateway_keys import bearer
from tests.support.gateway_people import GOOD, NAMES, PeopleDesk

ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}
OTHER = "another good password"


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> PeopleDesk:
    return PeopleDesk(monkeypatch, redis_url)


def waiting(people: PeopleDesk) -> list[dict[str, Any]]:
    return [orjson.loads(each["data"]) for each in people.audit.waiting]


async def written(people: PeopleDesk) -> None:
    """Return once all is written."""
    while people.audit.waiting:  # noqa: ASYNC110 - whoever writes tells nobody
        await asyncio.sleep(0)


def without_time(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in ("time", "id")} for row in rows]


def test_logins_failures_locks_and_changes_are_written_down(people: PeopleDesk) -> None:
    people.make()
    people.make("ben")
    anna = {"who": "anna", "caller": "user:anna", "address": "192.0.2.1"}
    tried = {"who": "anna", "address": "192.0.2.1"}
    at = {"client": "192.0.2.1"}

    async def play() -> None:
        browser = await people.browser(**at)
        await browser.log_in("anna", "wrong password", **at)
        await browser.log_in("my password, in the wrong field", "x", **at)
        changed = {"password": GOOD, "new_password": OTHER}
        await browser.ask("PUT", "/v1/session/password", json={**changed, "password": OTHER}, **at)
        await browser.ask("PUT", "/v1/session/password", json=changed, **at)
        await browser.ask("DELETE", "/v1/session", **at)
        assert without_time(waiting(people)) == [
            {"action": "login", "outcome": "done", **anna},
            {"action": "login", "outcome": "login_refused", **tried},
            {"action": "login", "outcome": "login_refused", "address": "192.0.2.1"},
            {"action": "password", "outcome": "password_refused", **anna},
            {"action": "password", "outcome": "done", **anna},
            {"action": "logout", "outcome": "done", **anna},
        ]
        people.audit.waiting.clear()
        for _ in range(FREE * 3):
            await browser.log_in("ben", "wrong password", client="192.0.2.2")
        told = without_time(waiting(people))
        assert told[FREE:] == [
            {"action": "lockout", "outcome": f"{kind}_locked", "address": "192.0.2.2", "locked_ms": 30_000}
            for kind in ("address", "user")
        ], "once: who knocks at a door that is locked fills nothing"
        assert len(told) == FREE + 2

    people.play(play)


def test_every_request_that_writes_is_written_down_without_a_value(people: PeopleDesk) -> None:
    people.make("anna", "trader")
    key, secret = people.keys.make("admin")

    async def play() -> None:
        browser = await people.browser()
        people.audit.waiting.clear()
        told = await browser.ask("POST", "/v1/orders", json={**ORDER, "price": "189.00"})
        order_id = told.json()["order"]["order_id"]
        await browser.ask("DELETE", f"/v1/orders/{order_id}")
        await browser.ask("POST", "/v1/halt", json={"account": "default"})
        await browser.ask("POST", "/v1/nothing/secret-value", json={})
        await browser.ask("GET", "/v1/orders")
        await browser.ask("POST", "/v1/orders", json=ORDER, csrf="wrong")  # nobody knows whose it was
        await people.desk.post("/alpaca/v2/orders", {"symbol": "AAPL", "side": "buy", "qty": "1", "type": "market",
                                                     "time_in_force": "day"}, headers=bearer(secret))  # fmt: skip
        await people.desk.post("/v1/orders", ORDER)
        who = {"action": "write", "who": "anna", "caller": "user:anna", "address": "127.0.0.1"}
        rows = without_time(waiting(people))
        assert rows[:4] == [
            {**who, "outcome": "done", "method": "POST", "path": "/v1/orders", "status": 201},
            {**who, "outcome": "done", "method": "DELETE", "path": "/v1/orders/{order_id}", "status": 200},
            {**who, "outcome": "refused", "method": "POST", "path": "/v1/halt", "status": 403},
            {**who, "outcome": "refused", "method": "POST", "path": "?", "status": 404},
        ]
        assert len(rows) == 5
        assert (rows[4]["who"], rows[4]["caller"], rows[4]["path"]) == ("admin", key.id, "/alpaca/v2/orders")
        everything = str(waiting(people))
        assert secret.partition(".")[2] not in everything and "secret-value" not in everything
        for value in ("189.00", "AAPL", browser.secret, browser.csrf):
            assert value not in everything

    people.play(play)


def test_an_admin_reads_it_by_pages_and_nobody_else_does(people: PeopleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    people.make("anna", "admin")
    people.make("ben", "risk")
    people.make("carl", "admin", "demo")
    monkeypatch.setattr(audited, "PAGE", 3)

    async def play() -> None:
        browser, other, some = await people.browser(), await people.browser("ben"), await people.browser("carl")
        for each in (other, browser, other, browser, other):
            await each.ask("POST", "/v1/orders/1/refuse", json={})
        writing = asyncio.create_task(people.audit.run())
        await written(people)
        writing.cancel()
        told = await browser.ask("GET", "/v1/audit", params={"limit": 3})
        rows, cursor = told.json()["entries"], told.json()["next"]
        assert len(rows) == 3
        while cursor is not None:
            told = await browser.ask("GET", "/v1/audit", params={"limit": 3, "cursor": cursor})
            rows += told.json()["entries"]
            cursor = told.json()["next"]
        assert [(row["action"], row["who"]) for row in rows] == [
            ("write", "ben"), ("write", "anna"), ("write", "ben"), ("write", "anna"), ("write", "ben"),
            ("login", "carl"), ("login", "ben"), ("login", "anna"),
        ]  # fmt: skip
        assert len({row["id"] for row in rows}) == 8
        for asked, count in (({"who": "ben"}, 4), ({"action": "login"}, 3), ({"who": "ben", "action": "login"}, 1)):
            assert len((await browser.ask("GET", "/v1/audit", params=asked)).json()["entries"]) == count
        assert (await other.ask("GET", "/v1/audit")).json()["reason"] == "scope_missing"
        assert (await some.ask("GET", "/v1/audit")).json()["reason"] == "account_not_allowed"
        for asked in ({"action": "x"}, {"cursor": "x"}, {"limit": 0}):
            assert (await browser.ask("GET", "/v1/audit", params=asked)).status_code in (400, 422)

    people.play(play)


def test_a_search_ends_and_what_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audited, "PAGE", 10)
    monkeypatch.setattr(audited, "MOST_LOOKED", 25)
    raw = [
        (f"{number}-0".encode(), {b"data": entry_of(Action.LOGIN, "done", number, {"who": "anna"})["data"]})
        for number in range(40, 0, -1)
    ]

    def searched(search: Search) -> Search:
        while not search.is_done:
            high = search.command[0]
            rows = [each for each in raw if high == "+" or int(each[0][:-2]) < int(high[1:-2])]
            search.take(rows[: int(search.command[3])])
        return search

    first = searched(Search("ben", None, None, 5))
    assert (first.found, first.next) == ([], "16-0"), "so far was looked"
    assert searched(Search("ben", None, first.next, 5)).next is None
    for broken in (b"{", b"[]", b""):
        assert told_of((b"1-0", {b"data": broken})) == {"outcome": "unreadable", "id": "1-0"}
    assert told_of((b"1-0", {})) == {"outcome": "unreadable", "id": "1-0"}


def test_what_redis_does_not_take_waits_and_has_a_bound(
    people: PeopleDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audits, "MOST_WAITING", 3)
    monkeypatch.setattr(audits, "AGAIN_S", 0.0)
    client = people.audit._client

    class Away:
        def pipeline(self, **_: Any) -> Any:
            people.audit._client = client  # it comes back
            raise redis.exceptions.ConnectionError("Connection refused")

    async def play() -> None:
        people.audit._client = Away()
        for number in range(5):
            people.audit.note(Action.LOGIN, f"n{number}")
        writing = asyncio.create_task(people.audit.run())
        await written(people)
        writing.cancel()
        rows = cast(list[audited.Raw], people.redis.xrange(NAMES.audit))
        assert [told_of(each)["outcome"] for each in rows] == ["n2", "n3", "n4"]
        told = [record.getMessage() for record in caplog.records]
        assert "the audit has lost 2 entries while Redis was away" in told
        people.audit.note(Action.LOGIN, "last")
        await people.audit.end()
        assert people.redis.xlen(NAMES.audit) == 4

    people.play(play)


def test_every_signal_says_who_asked_and_nobody_says_it_for_another(people: PeopleDesk) -> None:
    people.make("anna", "trader")
    _, secret = people.keys.make("trader")

    async def play() -> None:
        browser = await people.browser()
        orders = {"orders": [ORDER, {**ORDER, "side": "SELL"}]}
        for method, path, body in (
            ("POST", "/v1/orders", ORDER), ("POST", "/v1/orders/batch", orders), ("DELETE", "/v1/orders", None),
            ("POST", "/v1/targets", {"symbol": "AAPL", "target": "5"}),
        ):  # fmt: skip
            told = await browser.ask(method, path, json=body)
            assert told.status_code < 300, told.text
        said = [orjson.loads(fields[b"data"]) for key, fields in people.desk.sent if key == NAMES.signals]
        assert [each["who"] for each in said] == ["anna"] * 5
        assert all("who" in SIGNALS[each["type"]].model_fields for each in said)
        before = len(people.desk.sent)
        for path, body in (
            ("/v1/orders", {**ORDER, "who": "ben"}),
            ("/v1/signals", {"type": "CancelAll", "who": "ben"}),
        ):
            told = await browser.ask("POST", path, json=body)
            assert (told.status_code, told.json()["field"]) == (422, "who")
        assert len(people.desk.sent) == before
        await people.desk.post("/v1/orders", ORDER, headers=bearer(secret))
        await people.desk.post("/alpaca/v2/orders", {"symbol": "AAPL", "side": "buy", "qty": "1", "type": "market",
                                                     "time_in_force": "day"}, headers=bearer(secret))  # fmt: skip
        said = [orjson.loads(fields[b"data"]) for _, fields in people.desk.sent[before:]]
        assert [each["who"] for each in said] == ["trader", "trader"]

    people.play(play)


def test_the_same_order_again_is_the_same_whoever_sends_it(people: PeopleDesk) -> None:
    people.make("anna", "trader")
    people.make("ben", "trader")

    async def play() -> None:
        one, two = await people.browser(), await people.browser("ben")
        first = await one.ask("POST", "/v1/orders", json=ORDER, headers={"idempotency-key": "k1"})
        again = await two.ask("POST", "/v1/orders", json=ORDER, headers={"idempotency-key": "k1"})
        assert (first.status_code, again.headers.get("idempotent-replayed")) == (201, "true")
        assert again.json()["order"]["order_id"] == first.json()["order"]["order_id"]

    people.play(play)


def test_without_keys_it_is_local_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = GatewayDesk(settings_with(monkeypatch, simulation__enabled="false"))
    desk.quote(19_000, 19_002)

    async def play() -> None:
        await desk.post("/v1/orders", ORDER)
        assert orjson.loads(desk.sent[-1][1][b"data"])["who"] == "local"
        assert orjson.loads(desk.gateway.audit.waiting[-1]["data"])["who"] == "local"

    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/orders/7/approve", ["/v1/orders/{order_id}/approve"]),
        ("/v1/orders/a/approve", ["/v1/orders/{order_id}/approve"]),
        ("/v1/positions/close/close", ["/v1/positions/{symbol}/close"]),
        ("/order-management/orders", ["/order-management/orders"]),
        ("/order-management/orders/5/secret", ["?"]),
        ("/v1/nothing/secret", ["?"]),
        ("/v1/orders/preview", []),
        ("/v1/sql", []),
    ],
)
def test_a_path_is_told_without_its_values_and_what_only_reads_not_at_all(
    people: PeopleDesk, path: str, told: list[str]
) -> None:
    _, secret = people.keys.make("admin")

    async def play() -> None:
        await people.desk.post(path, {}, headers=bearer(secret))
        assert [each["path"] for each in waiting(people)] == told

    people.play(play)
