"""Alerts posted as TradingView posts them, to a real desk: one order however often, a position that is reached."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from fillstream import Client
from fillstream.demo.feeds import publish, quotes_csv
from fillstream.demo.market_numbers import listed
from fillstream.libs.common.process.hooks import ALERT, Hook, hook
from fillstream.libs.common.process.keys import ROLES, make
from fillstream.stack.stack import IDEAL_DESK, LocalStack
from tests.conftest import until

DEADLINE_S = 3
"""TradingView cancels a post then."""
ENVIRON = {**IDEAL_DESK, "FILLSTREAM_EXECUTION__MAX_QUOTE_AGE_MS": "0"}
FILLED = {
    **ALERT, "symbol": "AAPL1!", "exchange": "NASDAQ", "side": "buy", "quantity": "10", "position_size": "",
    "market_position": "long", "price": "190.02", "order_id": "Long", "comment": "", "interval": "5",
}  # fmt: skip


class Desk:
    """A desk, its gateway, and who looks at it."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack, self.url = stack, stack.url("gateway")
        self.secrets: list[str] = []
        self._admin = self.key(None)
        self.quote()

    def key(self, its: Hook | None, account: str = "default") -> str:
        """Make a key, a hook where there is one."""
        key, secret = make(
            f"k{len(self.secrets)}", () if its else tuple(ROLES["admin"]), now_ms=1, who="test",
            accounts=[account] if its else [], hook=its,
        )  # fmt: skip
        with Client(self.stack.redis_url, self.stack.settings.topology()) as client:
            client.redis.hset(self.stack.settings.topology().keys, key.id, key.dump())
        self.secrets.append(secret)
        return f"{key.id}.{secret}"

    def hook(self, its: Hook, account: str = "default") -> str:
        """Make a hook, wait until the gateway knows it, and return its path."""
        path = f"/hooks/{its.kind}/{self.key(its, account)}"
        until(lambda: post(self, path, "?")[0] not in (404, 429), "the hook to be known")
        return path

    def get(self, path: str) -> httpx.Response:
        """Ask as somebody who may see everything."""
        headers = {"authorization": f"Bearer {self._admin}"}
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=20, trust_env=False)

    def quote(self) -> None:
        """Have SIM quoted, and wait until the gateway knows."""
        file = self.stack.data_dir / "quotes.csv"
        file.write_text("time_ns,symbol,bid_px,bid_qty,ask_px,ask_qty\n1,AAPL,190.00,1000000,190.02,1000000\n")
        with Client(self.stack.redis_url, self.stack.settings.topology()) as client:
            settings = self.stack.settings
            publish(client.redis, settings.topology(), quotes_csv(file, listed(settings.instruments)))
        until(lambda: self.get("/v1/quotes/AAPL").status_code == 200, "the quote")

    def orders(self, account: str) -> list[dict[str, Any]]:
        """Return an account's orders."""
        found: list[dict[str, Any]] = self.get(f"/v1/orders?account={account}").json()["orders"]
        return found

    def kill(self) -> None:
        """End the gateway as the kernel does, and wait for the next one."""
        gateway = self.stack.processes["gateway"]
        pid = gateway.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        def is_back() -> bool:
            with suppress(httpx.TransportError):
                return gateway.pid not in (None, pid) and httpx.get(f"{self.url}/ready").status_code == 200
            return False

        until(is_back, "another gateway")


def post(desk: Desk, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Post as TradingView does: JSON where it is some, else text; no headers of one's own; three seconds in all."""
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "application/json; charset=utf-8" if text.startswith("{") else "text/plain; charset=utf-8"
    at = urlsplit(desk.url)
    began = time.monotonic()
    connection = http.client.HTTPConnection(str(at.hostname), at.port, timeout=DEADLINE_S)
    try:
        connection.request(
            "POST", path, text.encode(), {"content-type": kind, "connection": "close", **(headers or {})}
        )
        told = connection.getresponse()
        raw = told.read()
    finally:
        connection.close()
    assert time.monotonic() - began < DEADLINE_S
    return told.status, json.loads(raw)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("hooks")
    with LocalStack(folder, base_port=0, redis_port=0, gateway_port=0, environ=ENVIRON, without=["analytics"]) as made:
        made.wait_ready()
        yield Desk(made)


def test_an_alert_that_comes_twice_and_late_is_one_order(desk: Desk) -> None:
    path = desk.hook(hook("tradingview", symbols=["AAPL1!=AAPL"], strategy="trend"))
    first = {**FILLED, "time": "2026-11-27T15:30:00Z"}
    status, told = post(desk, path, first)
    assert status == 202, told
    (signal_id,) = told["signal_ids"]
    until(lambda: desk.get(f"/v1/signals/{signal_id}").status_code == 200, "the order")
    assert post(desk, path, first) == (202, told)
    other = post(desk, path, {**FILLED, "time": "2026-11-27T15:31:00Z", "quantity": "3"})[1]["signal_ids"]
    assert other != [signal_id]
    desk.kill()
    assert post(desk, path, first) == (202, told), "late, and after another alert"
    until(lambda: desk.get(f"/v1/signals/{other[0]}").status_code == 200, "the other order")
    last = post(desk, path, {**FILLED, "time": "2026-11-27T15:32:00Z", "quantity": "1"})[1]["signal_ids"][0]
    until(lambda: desk.get(f"/v1/signals/{last}").status_code == 200, "what came behind it")
    found = {each["signal_id"]: each for each in desk.orders("default")}
    assert len(desk.orders("default")) == len(found) == 3
    order = found[signal_id]
    assert (order["ord_status"], order["cum_qty"], order["strategy"]) == ("Filled", "10", "trend")
    position = desk.get("/v1/positions/AAPL").json()["position"]
    assert position["position"] == "14"


def test_a_position_is_reached_by_json_and_by_text(desk: Desk) -> None:
    path = desk.hook(hook("tradingview", symbols=["AAPL1!=AAPL"]), "demo")

    def reached(signal_id: str) -> str | None:
        told = desk.get(f"/v1/signals/{signal_id}?account=demo")
        if told.status_code != 200:
            return None
        (row,) = told.json()["targets"]
        return str(row["held_qty"]) if row["target_status"] == "REACHED" else None

    for body, held in (
        ({**FILLED, "position_size": "25", "time": "1"}, "25"),
        ({**FILLED, "side": "sell", "position_size": "-5", "market_position": "short", "time": "2"}, "-5"),
        ("target AAPL1! 40", "40"),
        ({**FILLED, "side": "sell", "position_size": "0", "market_position": "flat", "time": "3"}, "0"),
    ):
        status, told = post(desk, path, body)
        assert status == 202, told
        (signal_id,) = told["signal_ids"]
        until(lambda at=signal_id, wanted=held: reached(at) == wanted, f"{held} to be held")  # type: ignore[misc]


def test_nobody_else_posts_to_it_whatever_a_header_says(desk: Desk) -> None:
    """uvicorn believes X-Forwarded-For of 127.0.0.1 unless it is told not to."""
    path = desk.hook(hook("tradingview", sources=["tradingview"]))
    before = len(desk.orders("default"))
    for headers in ({}, {"x-forwarded-for": "52.89.214.238"}, {"forwarded": "for=52.89.214.238"}):
        status, told = post(desk, path, "buy AAPL 1", headers)
        assert (status, told["reason"]) == (403, "source_not_allowed")
    status, told = post(desk, f"{path}x", "buy AAPL 1")
    assert (status, told["reason"]) == (404, "unknown_hook")
    assert len(desk.orders("default")) == before


def test_a_post_that_is_cut_off_or_no_http_leaves_no_secret_in_the_log(desk: Desk) -> None:
    path = desk.hook(hook("text"))
    at = urlsplit(desk.url)
    for raw in (
        f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nbuy",
        f"POST {path} HTTP/9.9\r\n\r\n",
        f"POST {path}\x00 HTTP/1.1\r\nhost: x\r\n\r\n",
        f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ):
        with socket.create_connection((str(at.hostname), at.port or 80), timeout=10) as connection:
            connection.sendall(raw.encode())
            connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while connection.recv(65_536):
                    pass
    status, _ = post(desk, path, "buy AAPL 1")
    assert status == 202
    log = desk.stack.processes["gateway"].spec.log

    def is_logged() -> bool:
        return "POST '/hooks/…': 202" in log.read_text()

    until(is_logged, "the log")
    text = log.read_text()
    assert not [secret for secret in desk.secrets if secret in text]
    metrics = httpx.get(f"{desk.url}/metrics", trust_env=False).text
    assert "http_requests_total" in metrics
    assert not [secret for secret in desk.secrets if secret in metrics]
