"""The command over a gateway says what it says over Redis: a real desk, asked both ways with the same words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from typer.main import get_command

from fillstream.cli.app import app
from fillstream.cli.exit_codes import Exit
from fillstream.client import Client
from fillstream.demo.feeds import publish, quotes_csv
from fillstream.demo.market_numbers import listed
from fillstream.stack.stack import IDEAL_DESK, LocalStack
from tests.conftest import until
from tests.support.command import fillstream

OPEN = {**IDEAL_DESK, "FILLSTREAM_EXECUTION__MAX_QUOTE_AGE_MS": "0"}
NAME = "trial"
"""Of the key, and what controls are sent as over Redis: it is in their events."""
Ask = Callable[..., Result]

READ: tuple[tuple[str, ...], ...] = (
    ("orders",),
    ("orders", "--state", "Filled", "--state", "New", "--symbol", "AAPL", "--limit", "2"),
    ("orders", "--account", "nobody"),
    ("order", "1"),
    ("order", "resting"),
    ("order", "999999"),
    ("order", "no-such"),
    ("fills",),
    ("positions",),
    ("position", "AAPL"),
    ("position", "MSFT", "--account", "nobody"),
    ("sql", "SELECT type, count(*) AS n FROM events GROUP BY type ORDER BY type"),
    ("sql", "SELECT quantity * 1.000000000000000000001 AS q FROM orders ORDER BY order_id", "--limit", "1"),
    ("sql", "DROP TABLE events"),
    ("accounts",),
    ("account",),
    ("account", "nobody"),
    ("risk", "default"),
    ("targets",),
    ("exits",),
    ("breakers", "--all"),
    ("approvals",),
    ("venues",),
    ("limits", "show"),
    ("limits", "show", "nobody"),
    ("limits", "get", "default", "max_order_value"),
    ("limits", "get", "nobody"),
    ("groups", "--all"),
    ("algos", "show"),
    ("algos", "show", "1"),
    ("algos", "profile", "AAPL"),
    ("preview", "AAPL", "BUY", "10"),
    ("preview", "NONE", "BUY", "10"),
    ("route", "preview", "AAPL", "BUY", "5"),
    ("rules", "list"),
    ("rules", "dry-run"),
    ("status",),
    ("tail", "events", "-n", "7"),
    ("tail", "events.0", "-n", "3", "--type", "OrderFilled"),
    ("tail", "positions", "-n", "4", "--ticks"),
    ("tail", "dead"),
    ("tail", "nothing"),
    ("dead",),
    ("dead", "--limit", "1"),
    ("dead", "show", "{letter}"),
    ("dead", "show", "1-0"),
    ("dead", "show", "no-id"),
)
"""Nothing of it changes the desk: the same words have the same answer, to the digit."""
TOLD: tuple[tuple[str, ...], ...] = (
    ("signal", "AAPL", "BUY", "3", "--wait"),
    ("signal", "AAPL", "BUY", "3", "--limit", "150", "--wait"),
    ("signal", "AAPL", "BUY", "0.5", "--wait"),
    ("signal", "AAPL", "HOLD", "5", "--wait"),
    ("signal", "AAPL", "BUY", "3"),
    ("signal", "AAPL", "BUY", "1", "--account", "nobody", "--wait"),
    ("bracket", "AAPL", "BUY", "2", "--stop-loss", "150", "--take-profit", "250", "--wait"),
    ("oco", "AAPL", "BUY", "1", "--limit", "150", "--stop", "250", "--wait"),
    ("basket", "{basket}", "--all", "--wait"),
    ("groups", "cancel", "no-such", "--wait"),
    ("close", "AAPL", "1", "--wait"),
    ("cancel", "999999", "--wait"),
    ("cancel", "no-such", "--wait"),
    ("cancel-all", "--symbol", "AAPL", "--wait"),
    ("replace", "999999", "--quantity", "5", "--wait"),
    ("amend", "no-such", "--limit", "5", "--wait"),
    ("predict", "AAPL", "BUY", "--confidence", "0.83", "--wait"),
    ("protect", "AAPL", "--stop", "1%", "--wait"),
    ("unprotect", "AAPL", "--wait"),
    ("algos", "start", "TWAP", "AAPL", "BUY", "10", "-p", "duration_ms=600000", "--wait"),
    ("algos", "pause", "999999", "--wait"),
    ("algos", "resume", "999999", "--wait"),
    ("algos", "cancel", "999999", "--wait"),
    ("target", "AAPL", "40", "--wait"),
    ("target", "AAPL", "--cancel", "--wait"),
    ("flatten", "--wait"),
    ("halt", "conservative", "--reason", "news"),
    ("reduce", "conservative", "--reason", "news"),
    ("resume", "conservative", "--reason", "over"),
    ("resume", "nobody", "--reason", "over"),
    ("halt", "--reason", "of whom?"),
    ("limits", "set", "conservative", "max_order_value=5000", "max_position=null", "--reason", "less"),
    ("limits", "set", "conservative", "max_order_value=-1", "--reason", "less"),
    ("limits", "reset", "conservative", "--reason", "as before"),
    ("approve", "1", "--reason", "yes"),
    ("refuse", "1", "--reason", "no"),
    ("adjust", "conservative", "deposit", "12.50", "--reason", "paid in"),
    ("switch", "nobody", "main@live", "--reason", "no such"),
    ("rules", "enable", "nothing", "--reason", "no such"),
    ("rules", "disable", "nothing", "--reason", "no such"),
    ("rules", "reset", "nothing", "--reason", "no such"),
    ("dead", "redrive", "{letter}"),
    ("dead", "redrive", "{cut}"),
    ("dead", "redrive", "1-0"),
)
"""Each is done both ways, one after the other: the answers are the same but for numbers, ids and times."""
OF_ONE = ("conservative", "--reason", "before")
BEFORE: dict[str, tuple[str, ...]] = {
    "halt": ("resume", *OF_ONE),
    "reduce": ("resume", *OF_ONE),
    "resume": ("halt", *OF_ONE),
    "limits set": ("limits", "reset", *OF_ONE),
    "limits reset": ("limits", "set", "conservative", "max_order_value=7", "--reason", "before"),
    "target": ("flatten", "--wait", "--timeout", "20"),
    "flatten": ("signal", "AAPL", "BUY", "3", "--wait"),
}
"""What makes the desk be as it was, for those that it answers otherwise the second time."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    folder = tmp_path_factory.mktemp("cli-gateway")
    with LocalStack(folder, base_port=0, redis_port=0, gateway_port=0, environ=OPEN) as made:
        made.wait_ready()
        file = folder / "quotes.csv"
        file.write_text("time_ns,symbol,bid_px,bid_qty,ask_px,ask_qty\n1,AAPL,190.00,1000000,190.02,1000000\n")
        with Client(made.redis_url, made.settings.topology()) as client:
            publish(client.redis, client.topology, quotes_csv(file, listed(made.settings.instruments)))
            until(lambda: client.market("AAPL") is not None, "the quote")
            for number in range(3):
                assert client.wait_for(client.signal("AAPL", "BUY", 10 + number)).ord_status == "Filled"
            assert client.wait_for(client.signal("AAPL", "BUY", 5, price="150", client_order_id="resting")).working
            client.redis.xadd(client.topology.signals, {"data": b"\xff no JSON \x00"})
            client.redis.xadd(client.topology.signals, {"data": "{}", "x" * 70_000: "too large"})
            until(lambda: client.redis.xlen(client.topology.dead) == 2, "the dead letters")
        yield made


@pytest.fixture(scope="module")
def key(stack: LocalStack) -> str:
    made = fillstream("key", "create", NAME, "--scopes", "admin", "--json", "--redis-url", stack.redis_url)
    told = json.loads(made.stdout)
    return f"{told['id']}.{told['secret']}"


@pytest.fixture
def ways(stack: LocalStack, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Ask, Ask]:
    """Return what runs the command over Redis, and over the gateway alone."""
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("COLUMNS", "300")

    def by_redis(*words: str) -> Result:
        with monkeypatch.context() as patch:
            patch.setenv("REDIS_URL", stack.redis_url)
            return fillstream(*words, code=None)

    def by_gateway(*words: str) -> Result:
        with monkeypatch.context() as patch:
            patch.setenv("FILLSTREAM_GATEWAY_URL", stack.url("gateway"))
            patch.setenv("FILLSTREAM_KEY", key)
            patch.setenv("REDIS_URL", "redis://127.0.0.1:1")
            patch.setenv("FILLSTREAM_ANALYTICS_URL", "http://127.0.0.1:1")
            return fillstream(*words, code=None)

    return by_redis, by_gateway


@pytest.fixture
def words_of(stack: LocalStack, tmp_path: Path) -> Callable[[tuple[str, ...]], list[str]]:
    file = tmp_path / "basket.csv"
    file.write_text("symbol,side,quantity,price\nAAPL,BUY,1,150.00\nAAPL,BUY,2,151.00\n")
    with Client(stack.redis_url, stack.settings.topology()) as client:
        letter, cut = (entry_id.decode() for entry_id, _ in client.redis.xrange(client.topology.dead, count=2))

    def filled(words: tuple[str, ...]) -> list[str]:
        return [each.format(letter=letter, cut=cut, basket=file) if "{" in each else each for each in words]

    return filled


def told(result: Result, *, to_the_digit: bool) -> tuple[int, str, str]:
    """Return the exit code and what was said; without numbers, ids and widths where these differ from run to run."""
    if to_the_digit:
        return result.exit_code, result.stdout, result.stderr
    return result.exit_code, blurred(_of_the_order(result.stdout)), blurred(result.stderr)


def _of_the_order(text: str) -> str:
    """Leave out what became of an order's children: how much of that is there when its outcome comes is chance."""
    try:
        said = json.loads(text)
    except json.JSONDecodeError:
        return text
    if not isinstance(said, dict) or not said.get("order_id") or "events" not in said:
        return text
    said["events"] = [each for each in said["events"] if each.get("order_id") == said["order_id"]]
    return json.dumps(said, indent=1)


def blurred(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", text)
    return re.sub(r"[ ━─]+", " ", re.sub(r"[\d.:,T+-]*\d[\d.:,-]*", "#", text))


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("words", READ, ids=" ".join)
def test_what_is_read_is_the_same_both_ways(
    ways: tuple[Ask, Ask], words_of: Callable[[tuple[str, ...]], list[str]], words: tuple[str, ...], form: str
) -> None:
    said = words_of(words) + (["--json"] if form == "json" else [])
    exact = words[0] != "status"  # it says how long ago
    found: list[tuple[int, str, str]] = []

    def are_the_same() -> bool:  # analytics may take over what came before between the two
        found[:] = [told(ask(*said), to_the_digit=exact) for ask in ways]
        return found[0] == found[1]

    with suppress(pytest.fail.Exception):
        until(are_the_same, "the same answer", timeout_s=60)
    assert found[1] == found[0]
    assert found[0][1] or found[0][2]


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("words", TOLD, ids=" ".join)
def test_what_is_told_to_the_desk_is_answered_the_same_both_ways(
    ways: tuple[Ask, Ask], words_of: Callable[[tuple[str, ...]], list[str]], words: tuple[str, ...], form: str
) -> None:
    by_redis, by_gateway = ways
    said = words_of(words) + (["--json"] if form == "json" else [])
    who = ["--who", NAME] if "--reason" in words else []
    again = ["--again"] if words[:2] == ("dead", "redrive") else []
    before = BEFORE.get(words[0]) or BEFORE.get(" ".join(words[:2])) or ()
    if before:
        by_redis(*before)
    one = told(by_redis(*said, *who, *again), to_the_digit=False)
    if before:
        by_redis(*before)
    other = told(by_gateway(*said, *again), to_the_digit=False)
    assert other == one
    assert one[0] != Exit.UNREACHABLE
    assert one[1] or one[2]


def test_every_command_that_takes_a_gateway_is_asked_both_ways() -> None:
    asked = {words[: 2 if words[0] in GROUPS and words[1:2] and words[1] in GROUPS[words[0]].commands else 1]
             for words in (*READ, *TOLD)}  # fmt: skip
    assert asked == set(going_by_gateway(get_command(app)))


GROUPS: dict[str, Any] = {
    name: each
    for name, each in get_command(app).commands.items()
    if hasattr(each, "commands")  # type: ignore[attr-defined]
}


def going_by_gateway(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if getattr(command, "takes_gateway", False):
            yield (*path, name)
        if hasattr(command, "commands"):
            yield from going_by_gateway(command, (*path, name))


def test_a_preview_says_where_an_order_would_be_routed(stack: LocalStack, key: str) -> None:
    order = {"symbol": "AAPL", "side": "BUY", "quantity": "10"}
    headers = {"authorization": f"Bearer {key}"}

    def previewed(**more: Any) -> httpx.Response:
        return httpx.post(f"{stack.url('gateway')}/v1/orders/preview", json={**order, **more}, headers=headers)

    until(lambda: previewed().status_code == 200, "analytics to know the instrument")
    plain = previewed().json()
    assert (plain["source"], plain["preview"]["venue"], plain["route"]) == ("analytics", "SIM", None)
    routed = previewed(routing="best_price", venues=["SIM"]).json()["route"]
    assert (routed["policy"], routed["decided_by"]) == ("BEST_PRICE", "order")
    assert [(leg["venue"], leg["quantity"]) for leg in routed["legs"]] == [("SIM", "10")]
    unknown = previewed(routing="NOBODYS")
    assert unknown.status_code == 422
    assert "NOBODYS" in unknown.json()["detail"]
