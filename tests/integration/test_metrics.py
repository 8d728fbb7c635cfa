"""What a whole desk exposes after a little trading: nothing is always 0 or empty but what should be, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import orjson
import pytest
import redis
from prometheus_client.metrics_core import Metric

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.stages import PROGRAMS
from fillstream.stack.stack import LocalStack
from tests.conftest import until
from tests.support.exposed import ours, parsed

SERVICES = tuple(each.name for each in PROGRAMS)
AAPL = 1
PATIENCE_S = 15.0
QUIET = {
    "fillstream_lag_entries": "nobody is behind on a quiet desk",
    "fillstream_stream_lag_entries": "nobody is behind on a quiet desk",
    "fillstream_downstream_lag_entries": "nobody is behind on a quiet desk",
    "fillstream_waiting_entries": "analytics has written what it read",
    "fillstream_reader_paused": "nobody is held back on a quiet desk",
    "fillstream_snapshot_errors_total": "an error",
    "fillstream_undecodable_total": "an error",
    "fillstream_skipped_entries_total": "an error",
    "fillstream_restarts_total": "nothing crashed",
    "fillstream_stream_claim_lapsed": "a reader that was away for days",
    "fillstream_reconnects_total": "a lost connection",
    "fillstream_stream_held_seconds": "nobody is behind on a quiet desk",
    "fillstream_trimmed_entries_total": "takes a day, or a full server",
    "fillstream_replayed_entries": "a first start has nothing to fold again",
    "fillstream_snapshot_behind_entries": "0 right after a snapshot",
    "fillstream_fills_refused_total": "no fill is forged here",
    "fillstream_overfills_total": "a simulated venue overfills nothing",
    "fillstream_trade_changes_total": "a simulated venue takes no trade back",
    "fillstream_unanswered_requests": "the venue answers",
    "fillstream_trading_state": "0 is ACTIVE",
    "fillstream_live_aliases": "there are no aliases here",
    "fillstream_open_breakers": "no breaker has a limit here",
    "fillstream_bare_positions": "nothing is halted",
    "fillstream_calendar_ends_timestamp_seconds": "no instrument has a calendar here",
    "fillstream_closed_market_data_total": "likewise",
    "fillstream_reconciliation_differences_total": "a simulated venue and its desk agree",
    "fillstream_reconciliations_broken_off_total": "it answers whatever it is asked",
    "fillstream_position_differences": "orders and positions fold the same fills",
    "fillstream_rules_disabled": "there are no rules here",
    "fillstream_broken_risk_limits": "no account has a limit on its risk here",
    "fillstream_exits_armed": "nothing protects a position here",
    "fillstream_exits_failing": "likewise",
    "fillstream_targets_open": "nobody asks for a target here",
    "fillstream_targets_failing": "likewise",
    "fillstream_marks_stale": "its market was quoted just now",
    "fillstream_queued_orders": "nobody sends more than the rate",
    "fillstream_delayed_commands": "an ideal venue delays nothing",
    "fillstream_dead_letters_total": "only the signals stage gets a bad entry here",
}
"""Families that may be empty or 0 after the run below, and why."""


def trade(client: redis.Redis) -> None:
    """Do what moves every count: fills of both liquidities, a rejection, a refused cancel, a repeat, a bad signal."""
    order = {"symbol": "AAPL", "side": "BUY", "quantity": "2"}
    client.xadd("commands.SIM.{s0}", {"frame": frames.quote(AAPL, 19_000, 50, 19_002, 50)})
    until(lambda: client.exists("events.{a0}"), "the configuration")
    until(lambda: any(b"QuoteUpdated" in fields.get(b"data", b"") for _, fields in journal(client)), "the quote")
    for fields in (
        {**order, "signal_id": "taker"},
        {**order, "signal_id": "taker"},
        {**order, "signal_id": "rests", "price": "190.00", "order_type": "LIMIT"},
        {**order, "signal_id": "stays", "price": "189.90", "order_type": "LIMIT"},
        {**order, "signal_id": "worked", "price": "189.80", "algorithm": "AT_ONCE"},
        {**order, "signal_id": "entry", "price": "189.80", "stop_loss": "180"},
        {"type": "NewOrderList", "signal_id": "list", "orders": orjson.dumps([{**order, "price": "189.80"}])},
        {**order, "signal_id": "reject", "symbol": "NOSUCH"},
        {"type": "CancelOrder", "signal_id": "c", "orig_client_order_id": "never-sent"},
        {**order, "signal_id": "bad", "quantity": "-1"},
    ):
        client.xadd("signals", fields)
    until(lambda: client.xlen("positions.{a0}"), "the first fill")
    until(
        lambda: any(b'"OrderCancelRejected"' in fields.get(b"data", b"") for _, fields in journal(client)),
        "the refused cancel",
    )
    client.xadd("commands.SIM.{s0}", {"frame": frames.print_trade(AAPL, frames.Side.SELL, 19_000, 500)})
    until(
        lambda: any(b'"MAKER"' in fields.get(b"data", b"") for _, fields in journal(client)), "the resting order's fill"
    )


def journal(client: redis.Redis) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return client.xrange("events.{a0}")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Metric]]]:
    environ = {"FILLSTREAM_DATABASE__SNAPSHOT_EVERY_ENTRIES": "1"}
    folder = tmp_path_factory.mktemp("metrics")
    with (
        LocalStack(folder, base_port=0, redis_port=0, environ=environ) as stack,
        redis.Redis.from_url(stack.redis_url) as client,
    ):
        stack.wait_ready()
        trade(client)
        query = {"sql": "SELECT count(*) FROM fills"}
        assert httpx.post(f"{stack.url('analytics')}/query", json=query, timeout=60).status_code == httpx.codes.OK

        def look() -> dict[str, dict[str, Metric]]:
            pages = {name: httpx.get(f"{stack.url(name)}/metrics", timeout=60) for name in SERVICES}
            return {role: parsed(answer.text) for role, answer in pages.items()}

        # Stages tell their own counts and take snapshots about once a second; what is missing then, the tests name.
        deadline = time.monotonic() + PATIENCE_S
        found = look()
        while any(map(idle, found.values())) and time.monotonic() < deadline:
            time.sleep(0.1)
            found = look()
        yield found


def idle(families: dict[str, Metric]) -> set[str]:
    """Return the families that are empty or 0, and are not meant to be."""
    return {
        name
        for name in ours(families)
        if name not in QUIET and not any(sample.value for sample in families[name].samples)
    }


@pytest.mark.parametrize("role", SERVICES)
def test_no_family_is_always_0_or_empty(pages: dict[str, dict[str, Metric]], role: str) -> None:
    assert idle(pages[role]) == set()


def test_every_excuse_is_for_a_family_that_there_is(pages: dict[str, dict[str, Metric]]) -> None:
    assert set(QUIET) <= {name for families in pages.values() for name in families}
