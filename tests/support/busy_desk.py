"""A desk under load: a made-up market, a busy client that never gives up on a signal, and the books at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import redis

from fillstream.demo.demo import RunningDesk, analytics_counts, judge
from fillstream.demo.feeds import synthetic
from fillstream.demo.market_numbers import listed
from fillstream.demo.traffic import Traffic
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.topology import SIM
from fillstream.stack.stack import LocalStack
from fillstream.tools.audit import Audit
from tests.conftest import until

UNPACED = "FILLSTREAM_ORDER_PARAMS__RATE_LIMIT_ORDERS"
STARTS_AT = {"AAPL": "190.00", "MSFT": "420.00", "BTCUSDT": "61000.00"}


@contextmanager
def running(folder: Path, **more: Any) -> Iterator[LocalStack]:
    """Run a stack of its own, on free ports, until the block ends: as its file says, but orders go as they come."""
    environ = {UNPACED: "null", **more.pop("environ", {})}
    with LocalStack(folder, base_port=0, redis_port=0, environ=environ, **more) as stack:
        stack.wait_ready()
        yield stack


class Load:
    """Publishes a market and signals; when the server does not answer, publishes the same signal again.

    A client that does not know whether its XADD arrived can only repeat it: that is what signal_id is for.
    """

    def __init__(self, stack: LocalStack, seed: int, accounts: tuple[str, ...] = ("demo",), tag: str = "") -> None:
        instruments = {s: one for s, one in listed(stack.settings.instruments).items() if s in STARTS_AT}
        self._client = redis.Redis.from_url(stack.redis_url, socket_timeout=5)
        self._topology = stack.settings.topology()
        self._market = synthetic(instruments, STARTS_AT, seed)
        self._traffic = [Traffic(instruments, account, seed) for account in accounts]
        self._tag = tag
        self.sent = 0

    def run(self, signals: int, at: dict[int, Callable[[], None]]) -> None:
        """Publish `signals` signals, four moments of the market to each; call `at[n]` before the n-th."""
        for n in range(signals):
            if n in at:
                at[n]()
            for _ in range(4):
                moment = next(self._market)
                for traffic in self._traffic:
                    traffic.see(moment)
                stream = self._topology.commands(SIM, self._topology.symbol_partition(moment.symbol))
                self._add(stream, {"frame": moment.record})
            fields = self._traffic[n % len(self._traffic)].next()
            if self._tag and "signal_id" in fields:  # of another client than one of the same seed
                fields = {**fields, "signal_id": f"{self._tag}{fields['signal_id']}"}
            self._add(self._topology.signals, fields)
            self.sent += 1

    def aim(self, n: int, account: str) -> None:
        """Ask for a target, or for a position to be protected, closely enough that the market reaches it."""
        symbol = [*STARTS_AT][n // 2 % len(STARTS_AT)]
        lots = "0.01" if symbol == "BTCUSDT" else "5"
        said = {"signal_id": f"{self._tag}aim-{n}", "account": account, "symbol": symbol}
        if n % 2:
            said |= {"type": "ProtectPosition", "stop_loss_percent": "0.02", "take_profit_percent": "0.02"}
        else:
            said |= {"type": "SetTarget", "target": lots if n % 4 else f"-{lots}"}
        self._add(self._topology.signals, said)
        self.sent += 1

    def calm(self, account: str) -> None:
        """Ask for no target and no protection any more: what waits for a market that has ended would try again."""
        for symbol in STARTS_AT:
            for kind in ("CancelTarget", "CancelProtection"):
                said = {"type": kind, "signal_id": f"{self._tag}{kind}-{symbol}", "account": account, "symbol": symbol}
                self._add(self._topology.signals, said)
                self.sent += 1

    def _add(self, stream: str, fields: dict[str, Any]) -> None:
        def answered() -> bool:
            try:
                self._client.xadd(stream, fields)
            except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, redis.exceptions.BusyLoadingError):
                return False
            return True

        if not answered():
            until(answered, "the server to take an entry again", timeout_s=60)


def settled_books(stack: LocalStack) -> Audit:
    """Wait until the desk is quiet and check its books, and that analytics stored every event once."""
    stack.wait_ready()
    desk = RunningDesk(stack.redis_url, stack.settings)
    desk.wait_quiet()
    url = stack.url("analytics")
    counts = "log_stream, count(*), count(DISTINCT seq), max(seq), min(seq)"
    sql = f"SELECT {counts} FROM events GROUP BY log_stream ORDER BY log_stream"
    answer = httpx.post(f"{url}/query", json={"sql": sql, "limit": 100}, timeout=90)
    assert answer.status_code == 200, answer.text
    journals = [desk.topology.events(a) for a in range(desk.topology.account_partitions)]
    entries: list[Any] = [desk.client.xrange(name) for name in journals]
    told = [sum(not is_aside(fields) for _, fields in each) for each in entries]
    streamed = [[name, *[count] * 3, 1] for name, count in zip(journals, told, strict=True)]
    assert answer.json()["rows"] == streamed, "analytics stores every event once"
    return judge(stack.redis_url, stack.settings, analytics_counts(url))


def restarts(stack: LocalStack, name: str) -> int:
    return stack.processes[name].restarts


def await_restart(stack: LocalStack, name: str, before: int) -> None:
    until(lambda: restarts(stack, name) > before and stack.processes[name].state == "running", f"{name} to come back")


def kill_if_running(stack: LocalStack, name: str) -> None:
    """kill -9 a process that may have been killed a moment ago."""
    with suppress(ProcessLookupError):
        stack.processes[name].kill()


def wait_s(seconds: float) -> None:
    """Let time pass where a test is about time passing."""
    time.sleep(seconds)
