"""The `fillstream` command, against a real Redis with hand-written entries and an analytics that answers by script."""

from __future__ import annotations

import fcntl
import http.server
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
import redis
from rich.console import Console
from typer.main import get_command

from fillstream.cli.app import app
from fillstream.cli.exit_codes import MEANINGS, Exit
from fillstream.client import Client, NoAnswer
from fillstream.demo.demo import play
from fillstream.demo.market_numbers import Moment
from fillstream.demo.traffic import Traffic
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages import wire
from fillstream.libs.common.messages.bad_entry import HEAD_BYTES, digest_of, pack_raw
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import journal_event
from fillstream.libs.common.messages.signals import CancelOrder, NewOrder, ReplaceOrder
from fillstream.libs.common.messages.stages import places
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.settings import DEFAULT_PATH, load_settings
from fillstream.tools import doctor
from tests.conftest import free_port, until
from tests.support.command import Run, fillstream

TOPOLOGY = Topology()
EVENTS = TOPOLOGY.events(0)


@pytest.fixture(autouse=True)
def _of_this_desk_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [each for each in os.environ if each.startswith("FILLSTREAM_")] + ["CONFIG_PATH", "REDIS_URL"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def run(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs `fillstream` with arguments, against the test's Redis."""
    monkeypatch.setenv("REDIS_URL", redis_url)

    return fillstream


def journal(client: redis.Redis, **event: Any) -> None:
    """Append an event to the journal, as the orders stage would write it."""
    order = {
        "v": 1, "seq": 1, "time": 1, "order_id": "1", "client_order_id": "c", "account": "default", "symbol": "AAPL",
        "side": "BUY", "quantity": "100", "cum_qty": "0", "leaves_qty": "100", "avg_px": None,
    }  # fmt: skip
    received = {
        "order_type": "LIMIT", "price": "190.25", "time_in_force": "GTC", "strategy": None, "confidence": None,
    }  # fmt: skip
    more: Mapping[str, dict[str, Any]] = {
        "OrderReceived": {**received, "ord_status": "PendingNew", "venue": "SIM"},
        "OrderRejected": {**received, "ord_status": "Rejected", "reason": "off_tick", "text": "price: 190.255 is off"},
        "OrderAccepted": {"ord_status": "New"},
        "OrderStatusReported": {},
        "OrderFilled": {
            "ord_status": "Filled", "exec_id": "0-1-B", "last_qty": "100", "last_px": "190.25", "liquidity": "TAKER",
            "fee": "0", "currency": "USD", "strategy": None, "cum_qty": "100", "leaves_qty": "0", "avg_px": "190.25",
        },
        "OrderCancelRequested": {"ord_status": "PendingCancel"},
        "OrderCanceled": {"ord_status": "Canceled", "reason": "requested", "text": "canceled as requested"},
    }  # fmt: skip
    message = {**order, **more[event["type"]], **event}
    journal_event.validate_python(message)
    client.xadd(EVENTS, {"data": orjson.dumps(message)})


class Orders(threading.Thread):
    """Answers signals in the journal with scripted events, in the place of the services."""

    def __init__(self, url: str, answers: list[list[dict[str, Any]]]) -> None:
        super().__init__(daemon=True)
        self._client = redis.Redis.from_url(url)
        self._answers = answers
        self.signals: list[dict[str, Any]] = []

    def run(self) -> None:
        at = "0-0"
        for answer in self._answers:
            reply: Any = self._client.xread({TOPOLOGY.signals: at}, count=1, block=20_000)
            ((_, ((entry_id, fields),)),) = reply
            at = entry_id.decode()
            signal = wire.decode(fields)
            self.signals.append(signal)
            for event in answer:
                if event["type"] == "DeadLetter":
                    bury(self._client, fields, entry_id.decode())
                else:
                    named = {} if event["type"] in NAMELESS else {"signal_id": signal["signal_id"]}
                    journal(self._client, **named, **event)
        self._client.close()


@pytest.fixture
def orders(redis_url: str) -> Iterator[Callable[..., Orders]]:
    started: list[Orders] = []

    def start(*answers: list[dict[str, Any]]) -> Orders:
        started.append(Orders(redis_url, list(answers)))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.join(timeout=90)
        assert not each.is_alive()


def bury(client: redis.Redis, raw: Mapping[bytes, bytes], entry_id: str = "1-0", stream: str = "signals") -> str:
    """Append a dead letter and return its id."""
    letter = {
        "type": "DeadLetter", "v": 1, "time": 1763692800123, "stage": "signals", "stream": stream,
        "entry_id": entry_id, "reason": "bad_value", "text": "side: 'HOLD' must be BUY or SELL",
    }  # fmt: skip
    DeadLetter.model_validate(letter)
    fields = {b"data": orjson.dumps(letter), **pack_raw(raw)}
    return cast(bytes, client.xadd(TOPOLOGY.dead, cast(Any, fields))).decode()


RECEIVED: dict[str, Any] = {"type": "OrderReceived"}
ACCEPTED: dict[str, Any] = {"type": "OrderAccepted"}
FILLED: dict[str, Any] = {"type": "OrderFilled"}
NAMELESS = {"OrderAccepted", "OrderFilled", "OrderCanceled"}
"""Events that name their order, and no signal."""


# --------------------------------------------------------------------------------------------------------- the face


def commands_of(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from commands_of(command, (*path, name))


COMMANDS = list(commands_of(get_command(app)))


def test_help_and_the_version_load_no_library_of_the_desk() -> None:
    """They are typed all day, and a shell asks them for completions."""
    code = "import sys, fillstream.cli.app; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"asyncio", "cffi", "faststream", "httpx", "prometheus_client", "pydantic", "redis", "uvicorn", "yaml"}
    assert set(loaded) & heavy == set()


def test_it_says_its_version(run: Run) -> None:
    assert run("--version").stdout == f"fillstream {version('fillstream')}\n"


def test_help_lists_every_command_and_every_exit_code(run: Run) -> None:
    promised = {"up", "demo", "signal", "cancel", "replace", "feed", "orders", "order", "fills", "positions", "status",
                "tail", "dead", "sql", "doctor", "limits", "amend", "cancel-all", "close", "halt", "resume",
                "approve", "refuse", "breakers", "venues", "reconcile"}  # fmt: skip
    assert promised <= {path[0] for path in COMMANDS}
    text = run("--help").stdout
    for path in COMMANDS:
        assert re.search(rf"^│ {path[0]} +\S", text, re.MULTILINE), path
    for code, meaning in MEANINGS.items():
        assert f"{code.value:<3} {meaning}" in text


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_an_example(run: Run, command: tuple[str, ...]) -> None:
    assert f"fillstream {' '.join(command)}" in run(*command, "--help").stdout


def test_a_command_line_that_cannot_be_understood_is_2(run: Run) -> None:
    run("orders", "--colour", code=Exit.USAGE)
    run("sing", code=Exit.USAGE)
    assert "'sing' is not one of signals, orders" in run("replay", "--stage", "sing", code=Exit.USAGE).stderr


def test_up_on_a_redis_that_does_not_answer_says_so_with_the_code_for_it(run: Run, tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    result = run("up", "--redis-url", url, "--data-dir", str(tmp_path), "--base-port", "0", code=Exit.UNREACHABLE)
    assert "does not answer" in result.stderr


def test_a_server_that_does_not_answer_is_3_and_said_in_one_sentence(run: Run) -> None:
    result = run("status", "--redis-url", f"redis://127.0.0.1:{free_port()}", code=Exit.UNREACHABLE)
    assert result.stderr.startswith("Redis: ")
    assert "fillstream up" in result.stderr
    result = run("orders", "--analytics-url", f"http://127.0.0.1:{free_port()}", code=Exit.UNREACHABLE)
    assert result.stderr.startswith("analytics at http://127.0.0.1:")


def test_up_refuses_what_only_the_orders_stage_would_before_anything_starts(run: Run, tmp_path: Path) -> None:
    run("config", "--copy-to", str(tmp_path / "mine"))
    file, data = tmp_path / "mine" / "local.yaml", tmp_path / "data"
    file.write_text(file.read_text().replace("algorithms: []", "algorithms: [no_such_module]"))
    result = run("up", "--config", str(file), "--data-dir", str(data), "--base-port", "0", "--redis-port", "0",
                 code=Exit.SETTINGS)  # fmt: skip
    assert result.stderr.startswith("execution.algorithms: no_such_module: No module named 'no_such_module'")
    assert not data.exists()


def test_help_begins_with_what_a_newcomer_needs_first(run: Run) -> None:
    panels = re.findall(r"^╭─ ([\w ]+) ─", run("--help").stdout, re.MULTILINE)
    assert panels == ["Options", "Run a desk", "Trade", "Look", "Repair"]


def test_a_url_that_is_none_is_2_and_its_password_is_not_repeated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (("status",), ("up", "--base-port", "0")):
        result = run(*command, "--redis-url", "localhost:secret", code=Exit.USAGE)
        assert "it is not redis://host:port/db" in result.stderr
        assert "secret" not in result.stderr
    result = run("orders", "--analytics-url", "127.0.0.1:8008", code=Exit.USAGE)
    assert "127.0.0.1:8008 is not http://host:port" in result.stderr


def test_a_refused_configuration_is_78_with_file_and_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("environment: here\nservce: 1\n")
    result = run("status", "--config", str(tmp_path / "bad.yaml"), code=Exit.SETTINGS)
    assert "bad.yaml:2: servce: unknown key; did you mean service?" in result.stderr


# ---------------------------------------------------------------------------------------------------------- trading


def test_a_signal_is_published_as_any_client_would(run: Run, client: redis.Redis) -> None:
    result = run(
        "signal", "AAPL", "buy", "100", "--limit", "190.250", "--tif", "ioc", "--account", "demo", "--id", "s-1",
        "--client-order-id", "c-1", "--strategy", "mine", "--confidence", "0.9", "--json",
    )  # fmt: skip
    assert json.loads(result.stdout) == {"signal_id": "s-1"}
    ((_, fields),) = cast(Any, client.xrange("signals"))
    signal = NewOrder.model_validate(wire.decode(fields))
    assert (signal.signal_id, signal.client_order_id, signal.account) == ("s-1", "c-1", "demo")
    assert (signal.symbol, signal.side, str(signal.quantity), str(signal.price)) == ("AAPL", "BUY", "100", "190.250")
    assert (signal.time_in_force, signal.strategy, str(signal.confidence)) == ("IOC", "mine", "0.9")


def test_two_signals_without_an_id_are_two_signals(run: Run, client: redis.Redis) -> None:
    run("signal", "AAPL", "BUY", "1")
    run("signal", "AAPL", "BUY", "1")
    ids = {fields[b"signal_id"] for _, fields in cast(Any, client.xrange("signals"))}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["AAPL", "HOLD", "1"], "side: 'HOLD' must be BUY or SELL"),
        (["AAPL", "BUY", "0"], "quantity: '0' must be above 0"),
        (["AAPL", "BUY", "NaN"], "quantity: 'NaN' must be a finite number"),
        (["AA PL", "BUY", "1"], "symbol: 'AA PL' must match"),
        (["AAPL", "BUY", "1", "--type", "LIMIT"], "price: a LIMIT order needs one"),
        (["AAPL", "BUY", "1", "--type", "MARKET", "--limit", "1"], "price: a MARKET order has none, got 1"),
        (["AAPL", "BUY", "-5"], "quantity: '-5' must be above 0"),
        (["AAPL", "BUY", "-.5", "--limit", "1"], "quantity: '-.5' must be above 0"),
    ],
)
def test_a_signal_that_the_desk_would_not_take_is_refused_before_it_is_sent(
    run: Run, client: redis.Redis, arguments: list[str], sentence: str
) -> None:
    assert sentence in run("signal", *arguments, code=Exit.USAGE).stderr
    assert client.xlen("signals") == 0


def test_wait_shows_the_way_to_the_fill(run: Run, orders: Callable[..., Orders]) -> None:
    orders([RECEIVED, ACCEPTED, FILLED])
    text = run("signal", "AAPL", "BUY", "100", "--wait").stdout
    assert re.search(r"OrderReceived.*PendingNew", text)
    assert re.search(r"OrderFilled +1 +Filled +100 +190\.25 +100 +0 +190\.25", text)


def test_wait_ends_when_the_order_works_on_the_book(run: Run, orders: Callable[..., Orders]) -> None:
    orders([RECEIVED, ACCEPTED])
    outcome = json.loads(run("signal", "AAPL", "BUY", "100", "--limit", "190.25", "--wait", "--json").stdout)
    assert (outcome["order_id"], outcome["ord_status"], outcome["refused"]) == ("1", "New", False)
    assert [event["type"] for event in outcome["events"]] == ["OrderReceived", "OrderAccepted"]


def test_a_signal_that_came_before_is_answered_without_a_reason(run: Run, orders: Callable[..., Orders]) -> None:
    orders([{"type": "OrderStatusReported", "ord_status": "Filled", "text": "signal_id: s came before"}])
    assert "\nsignal_id: s came before" in run("signal", "AAPL", "BUY", "1", "--id", "s", "-w").stdout


def test_a_refused_order_is_1_with_the_reason(run: Run, orders: Callable[..., Orders]) -> None:
    orders([{"type": "OrderRejected"}])
    assert "off_tick: price: 190.255 is off" in run("signal", "AAPL", "BUY", "1", "-w", code=Exit.NO).stdout


def test_a_signal_that_ends_in_dead_is_1_with_the_reason(run: Run, orders: Callable[..., Orders]) -> None:
    orders([{"type": "DeadLetter"}])
    assert "bad_value: side: 'HOLD'" in run("signal", "AAPL", "BUY", "1", "-w", code=Exit.NO).stdout


def test_a_signal_that_nobody_answers_is_5(run: Run, client: redis.Redis) -> None:
    result = run("signal", "AAPL", "BUY", "1", "--id", "s-1", "--wait", "--timeout", "0.1", code=Exit.NO_ANSWER)
    assert result.stderr.startswith("nothing was heard of signal s-1 in 0.1 s")
    assert client.xlen("signals") == 1


def test_cancel_names_an_order_by_number_or_by_the_client_s_name(run: Run, client: redis.Redis) -> None:
    run("cancel", "42")
    run("cancel", "mine-42", "--account", "demo")
    run("cancel", "42", "--by-client-id")
    sent = [wire.decode(fields) for _, fields in cast(Any, client.xrange("signals"))]
    for each in sent:
        CancelOrder.model_validate(each)
    assert [(each.get("order_id"), each.get("orig_client_order_id"), each["account"]) for each in sent] == [
        ("42", None, "default"), (None, "mine-42", "demo"), (None, "42", "default"),
    ]  # fmt: skip


def test_cancel_waits_for_the_venue_s_answer(run: Run, orders: Callable[..., Orders]) -> None:
    orders([{"type": "OrderCancelRequested"}, {"type": "OrderCanceled"}])
    assert json.loads(run("cancel", "1", "-w", "--json").stdout)["ord_status"] == "Canceled"


@pytest.mark.parametrize("command", ["replace", "amend"])
@pytest.mark.parametrize("name", ["--quantity", "--qty"])
def test_replace_changes_quantity_price_or_both(run: Run, client: redis.Redis, command: str, name: str) -> None:
    run(command, "42", name, "80", "--limit", "190.95")
    ((_, fields),) = cast(Any, client.xrange("signals"))
    message = ReplaceOrder.model_validate(wire.decode(fields))
    assert (message.order_id, str(message.quantity), str(message.price)) == ("42", "80", "190.95")
    assert (
        "an amendment changes one or several of quantity, price, stop_price, stop_loss"
        in run("replace", "42", code=Exit.USAGE).stderr
    )


def test_the_client_refuses_floats_and_follows_signals_it_did_not_send(redis_url: str, client: redis.Redis) -> None:
    with Client(redis_url) as desk:
        with pytest.raises(ValueError, match=r"quantity: 0\.1 is a float"):
            desk.signal("AAPL", "BUY", cast(Any, 0.1))
        journal(client, type="OrderReceived", signal_id="elsewhere")
        journal(client, type="OrderFilled", seq=2)
        assert desk.wait_for("elsewhere").ord_status == "Filled"
        with pytest.raises(NoAnswer):
            desk.wait_for("never", timeout_s=0.05)


def test_the_client_follows_a_stream(redis_url: str, client: redis.Redis) -> None:
    client.xadd("here", {"n": 0})
    with Client(redis_url) as desk:
        coming = desk.follow("here", after="0-0")
        assert next(coming)[1] == {b"n": b"0"}
        client.xadd("here", {"n": 1})
        assert next(coming)[1] == {b"n": b"1"}


# ---------------------------------------------------------------------------------------------------------- looking


class Analytics(http.server.BaseHTTPRequestHandler):
    """Answers as the contract of the query API says; remembers what it was asked."""

    incomplete: ClassVar[list[str]] = []
    asked: list[Any]

    def do_GET(self) -> None:
        at = urlsplit(self.path)
        self.asked.append((at.path, {name: "|".join(values) for name, values in parse_qs(at.query).items()}))
        if "never-sent" in at.query:
            self._send(200, self._answer(["order_id"], []))
        elif at.path == "/orders/99":
            missing = {"incomplete": self.incomplete} if self.incomplete else {}
            self._send(404, {"error": "order_id: 99 is no order analytics has seen", **missing})
        else:
            names = ["order_id", "symbol", "side", "quantity", "ord_status"]
            self._send(200, self._answer(names, [["7", "AAPL", "BUY", "100", "Filled"]]))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append((self.path, body))
        if body["sql"].startswith("DROP"):
            self._send(400, {"error": "sql: only SELECT is answered"})
        else:
            self._send(200, self._answer(["n"], [["12345678901234567890"]], truncated=True))

    @staticmethod
    def _answer(names: list[str], rows: list[list[Any]], truncated: bool = False) -> dict[str, Any]:
        columns = [{"name": name, "type": "VARCHAR"} for name in names]
        return {"columns": columns, "rows": rows, "truncated": truncated, "incomplete": Analytics.incomplete}

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Serve analytics and yield what it was asked."""
    Analytics.asked = []
    with http.server.HTTPServer(("127.0.0.1", 0), Analytics) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("FILLSTREAM_ANALYTICS_URL", f"http://127.0.0.1:{server.server_port}/")
        yield Analytics.asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", ["orders", "fills", "positions"])
def test_lists_are_filtered_by_analytics_and_shown(run: Run, asked: list[Any], command: str) -> None:
    found = json.loads(run(command, "--account", "demo", "--symbol", "AAPL", "--limit", "5", "--json").stdout)
    assert asked == [(f"/{command}", {"account": "demo", "symbol": "AAPL", "limit": "5"})]
    row = {"order_id": "7", "symbol": "AAPL", "side": "BUY", "quantity": "100", "ord_status": "Filled"}
    columns = [{"name": name, "type": "VARCHAR"} for name in row]
    assert found == {"columns": columns, "rows": [row], "truncated": False, "incomplete": []}
    assert "AAPL" in run(command).stdout


@pytest.mark.parametrize(
    "words", [("orders",), ("fills",), ("positions",), ("order", "7"), ("sql", "SELECT 1")], ids=lambda words: words[0]
)
def test_what_analytics_has_not_seen_is_told_beside_every_answer(
    run: Run, asked: list[Any], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    sentence = "events.{a0}: 6 entries are missing, noticed 2026-11-28T00:00:00Z: orders are missing\x1b[2J"
    monkeypatch.setattr(Analytics, "incomplete", [sentence])
    found = run(*words)
    assert found.stderr == "incomplete: events.{a0}: 6 entries are missing, noticed 2026-11-28T00:00:00Z: orders are " \
        "missing\\x1b[2J\n"  # fmt: skip
    assert json.loads(run(*words, "--json").stdout)["incomplete"] == [sentence]
    unseen = run("order", "99", code=Exit.NOT_FOUND).stderr
    assert unseen == f"order_id: 99 is no order analytics has seen\n{found.stderr}"


def test_the_database_file_is_no_address_and_the_sentence_says_why(run: Run, tmp_path: Path) -> None:
    for given in (tmp_path / "order_management.duckdb", tmp_path / "a.duckdb.wal"):
        given.write_bytes(b"")
        told = run("sql", "SELECT 1", "--analytics-url", str(given), code=Exit.USAGE).stderr
        assert "only one process may open a DuckDB file" in " ".join(told.replace("│", " ").split())
    assert "is not http://host:port" in run("sql", "SELECT 1", "--analytics-url", "here", code=Exit.USAGE).stderr


def test_columns_of_one_name_are_told_apart(run: Run, asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Analytics._answer(["a", "a", "a_2", "a"], [["1", "2", "3", "4"]])
    monkeypatch.setattr(Analytics, "_answer", staticmethod(lambda *_, **__: answer))
    found = json.loads(run("sql", "SELECT 1", "--json").stdout)
    assert [column["name"] for column in found["columns"]] == [*found["rows"][0]]
    assert [*found["rows"][0].values()] == ["1", "2", "3", "4"]


def test_orders_have_a_column_of_stop_prices_where_one_has_one(
    run: Run, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["order_id", "symbol", "price", "stop_price"]
    answers = [Analytics._answer(names, [["7", "AAPL", None, stop]]) for stop in (None, "185.50")]
    for answer, shown in zip(answers, (False, True), strict=True):
        monkeypatch.setattr(Analytics, "_answer", staticmethod(lambda *_, answer=answer, **__: answer))
        assert ("185.50" in run("orders").stdout) is shown


def test_orders_of_one_state(run: Run, asked: list[Any]) -> None:
    run("orders", "--state", "new")
    run("orders", "--state", "New", "--state", "partiallyfilled")
    assert [where["status"] for _, where in asked] == ["New", "New|PartiallyFilled"]
    assert "'Partial' is not one of" in run("orders", "--state", "Partial", code=Exit.USAGE).stderr


def test_an_order_s_history_and_an_order_that_is_not_there(run: Run, asked: list[Any]) -> None:
    assert "order 7: BUY 100 AAPL" in run("order", "7").stdout
    assert "99 is no order" in run("order", "99", code=Exit.NOT_FOUND).stderr
    assert [path for path, _ in asked] == ["/orders/7", "/orders/99"]


def test_an_order_s_terms_besides_its_price_are_told_those_that_it_has(
    run: Run, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = {"stop_price": "180", "trigger_price_type": None, "expire_time": 1795889700000, "reduce_only": True}
    answer = Analytics._answer(["order_id", *terms], [["7", *terms.values()], ["7", "181", None, None, None]])
    monkeypatch.setattr(Analytics, "_answer", staticmethod(lambda *_, **__: answer))
    lines = run("order", "7").stdout.splitlines()
    assert lines[2] == "stop_price 180, expire_time 2026-11-28 18:15:00.000, reduce_only"


def test_an_order_goes_by_its_client_order_id_too(run: Run, asked: list[Any]) -> None:
    assert "order 7: BUY 100 AAPL" in run("order", "rebalance-42", "--account", "demo").stdout
    assert "order 7: BUY 100 AAPL" in run("order", "42", "--by-client-id").stdout
    assert asked[::2] == [
        ("/orders", {"client_order_id": "rebalance-42", "account": "demo", "limit": "1"}),
        ("/orders", {"client_order_id": "42", "account": "default", "limit": "1"}),
    ]
    assert asked[1][0] == asked[3][0] == "/orders/7"
    text = run("order", "never-sent", code=Exit.NOT_FOUND).stderr
    assert "account default has no order with client_order_id never-sent" in text


def test_sql_is_answered_exactly_and_says_when_it_was_cut_off(run: Run, asked: list[Any]) -> None:
    text = run("sql", "SELECT 1", "--limit", "1").stdout
    assert "12345678901234567890" in text
    assert "1 row, and more: see --limit" in text
    assert asked == [("/query", {"sql": "SELECT 1", "limit": 1})]
    assert json.loads(run("sql", "SELECT 1", "--json").stdout) == {
        "columns": [{"name": "n", "type": "VARCHAR"}], "rows": [{"n": "12345678901234567890"}],
        "truncated": True, "incomplete": [],
    }  # fmt: skip
    assert run("sql", "DROP TABLE x", code=Exit.NO).stderr == "sql: only SELECT is answered\n"


def live(client: redis.Redis, stage: str, **more: Any) -> None:
    told = {"state": "live", "pid": 1, "host": "127.0.0.1", "port": 8004, "lag": 0, "entries_per_s": 1.5,
            "snapshot_id": "", "snapshot_age_s": -1.0, "last_error": "", "restarts": 0,
            "at_ms": int(time.time() * 1000), **more}  # fmt: skip
    client.hset(TOPOLOGY.status(stage, INBOXES[stage]), mapping=told)


INBOXES = {place.program.name: place.inbox for place in places(TOPOLOGY)}
STAGES = tuple(INBOXES)


def test_status_of_a_desk_that_is_live_is_0(run: Run, client: redis.Redis) -> None:
    for stage in STAGES:
        live(client, stage)
    found = json.loads(run("status", "--json").stdout)
    assert [(each["stage"], each["state"]) for each in found] == [(stage, "live") for stage in STAGES]
    assert found[0]["url"] == "http://127.0.0.1:8004"
    assert found[0]["snapshot_age_s"] is None


def test_status_counts_the_lag_of_a_stage_that_is_down_and_says_what_it_said_last(
    run: Run, client: redis.Redis
) -> None:
    for stage in STAGES:
        live(client, stage)
    live(client, "orders", at_ms=int(time.time() * 1000) - 60_000, last_error="disk full", snapshot_age_s=3)
    inbox = TOPOLOGY.orders(0)
    for _ in range(3):
        client.xadd(inbox, {"tick": 1})
    client.hset(TOPOLOGY.checkpoint("orders", "orders.0"), "entries", 1)
    (orders_stage,) = [
        each for each in json.loads(run("status", "--json", code=Exit.NO).stdout) if each["stage"] == "orders"
    ]
    assert (orders_stage["state"], orders_stage["lag"]) == ("down", 2)
    text = run("status", code=Exit.NO).stdout
    assert "orders 0: last heard of 1 min ago" in text
    assert "orders 0: disk full" in text


def test_status_and_doctor_name_who_keeps_a_stream_and_who_is_waited_for_no_more(run: Run, client: redis.Redis) -> None:
    for stage in STAGES:
        live(client, stage)
    for day in range(1, 8):
        client.xadd(TOPOLOGY.signals, {"a": "b"}, id=f"{day * 86_400_000}-0")
    for name, at in (("backtest", 2), ("other", 6), ("gone", 1)):
        client.xgroup_create(TOPOLOGY.signals, name, f"{at * 86_400_000}-0")
    client.hset("signals.low", mapping={each: f"{7 * 86_400_000}-0" for each in ("signals", "analytics")})
    client.hset("signals.lapsed", "gone", json.dumps({"need": "86400000-0", "at_ms": 1, "why": "it is 9 s behind"}))
    told = json.loads(run("status", "--json").stdout)
    assert {each["reader"]: (each["kind"], each["held_s"], each["lapsed"]) for each in told[0]["holds"]} == {
        "signals": ("stage", 0, None), "analytics": ("reader", 0, None), "backtest": ("group", 5 * 86_400, None),
        "other": ("group", 86_400, None), "gone": ("group", 0, "it is 9 s behind"),
    }  # fmt: skip
    assert all(each["holds"] == [] for each in told[1:]), "there is no other stream"
    lines = [line for line in run("status").stdout.splitlines() if "XGROUP DESTROY" in line]
    assert len(lines) == 2, "other holds a day, which is kept anyway"
    assert "signals: group backtest holds 120.0 h, which cannot be trimmed; let it read on" in lines[0]
    assert "signals: group gone was away too long and is waited for no more: it is 9 s behind" in lines[1]
    found = [each for each in json.loads(run("doctor", "--json").stdout) if each["what"] == "streams"]
    assert [each["verdict"] for each in found] == ["warning"] * 2
    assert found[0]["how"].endswith("XGROUP DESTROY signals backtest, or HDEL signals.low backtest")


def test_marks_of_letters_that_are_trimmed_go_with_the_next_one(run: Run, client: redis.Redis) -> None:
    first, second, third = (bury(client, {b"a": b"%d" % n}) for n in range(3))
    run("dead", "redrive", first)
    run("dead", "redrive", second)
    client.xtrim("dead", minid=second, approximate=False)
    run("dead", "redrive", third)
    assert {mark.decode() for mark in cast(Any, client.hkeys("dead.redriven"))} == {second, third}


def test_status_of_a_desk_that_was_never_started(run: Run) -> None:
    found = json.loads(run("status", "--json", code=Exit.NO).stdout)
    assert {each["state"] for each in found} == {"never started"}
    assert "never started" in run("status", code=Exit.NO).stdout


def test_status_shows_a_crash_until_the_stage_is_live_again(run: Run, client: redis.Redis) -> None:
    live(client, "signals", state="crashed", at_ms=1)
    assert json.loads(run("status", "--json", code=Exit.NO).stdout)[0]["state"] == "crashed"


def test_tail_decodes_messages_frames_and_fields_and_leaves_out_ticks(run: Run, client: redis.Redis) -> None:
    client.xadd(
        "commands.SIM.{s0}", {"frame": frames.quote(1, 19000, 5, 19001, 6) + frames.cancel(7, 1, 1, 0)}, id="1-1"
    )
    client.xadd("commands.SIM.{s0}", {"tick": 1}, id="2-1")
    lines = run("tail", "commands").stdout.splitlines()
    assert len(lines) == 2
    assert "commands.SIM.{s0} 1-1  MsgType=QUOTE Symbol=1 BidPx=19000 BidSize=5 OfferPx=19001 OfferSize=6" in lines[0]
    assert "MsgType=CANCEL OrderID=7" in lines[1]
    assert "tick=1" in run("tail", "commands.0", "--ticks", "-n", "1").stdout
    journal(client, type="OrderAccepted")
    assert "OrderAccepted seq=1 order_id=1" in run("tail", "events").stdout
    entry = json.loads(run("tail", EVENTS, "--json").stdout)
    assert (entry["stream"], entry["type"], entry["leaves_qty"]) == (EVENTS, "OrderAccepted", "100")


def test_tail_of_some_types_only(run: Run, client: redis.Redis) -> None:
    for n, kind in enumerate(("OrderReceived", "OrderAccepted", "OrderFilled", "OrderAccepted"), 1):
        journal(client, type=kind, seq=n, **({"signal_id": "s"} if kind == "OrderReceived" else {}))
    lines = run("tail", "events", "-n", "2", "--type", "OrderReceived", "--type", "OrderFilled", "--json").stdout
    assert [json.loads(line)["seq"] for line in lines.splitlines()] == [1, 3]
    client.xadd("commands.SIM.{s0}", {"frame": frames.quote(1, 19000, 5, 19001, 6)}, id="1-1")
    client.xadd("commands.SIM.{s0}", {"frame": frames.cancel(7, 1, 1, 0)}, id="1-2")
    assert re.findall(r"MsgType=\w+", run("tail", "commands", "-t", "CANCEL").stdout) == ["MsgType=CANCEL"]


def test_tail_shows_whatever_is_in_a_stream_and_never_lets_it_near_the_terminal(run: Run, client: redis.Redis) -> None:
    client.xadd("signals", {b"\xff": b"\x1b]0;title\x07[red]x[/]", "data": "{"})
    client.xadd("commands.SIM.{s0}", {"frame": b"short"})
    text = run("tail", "signals").stdout
    assert r"\xff" in text
    assert "\x1b" not in text
    assert "[red]x[/]" in text
    assert "5 bytes are not a multiple of 64" in run("tail", "commands").stdout


def test_tail_shows_the_last_n_oldest_first_and_only_streams_there_are(run: Run, client: redis.Redis) -> None:
    for n in range(1, 30):
        client.xadd("signals", {"n": n}, id=f"{n}-0")
    found = [json.loads(line)["n"] for line in run("tail", "signals", "-n", "3", "--json").stdout.splitlines()]
    assert found == ["27", "28", "29"]
    assert run("tail", "signals", "-n", "0").stdout == ""
    assert "there is no elsewhere" in run("tail", "elsewhere", code=Exit.NOT_FOUND).stderr
    run("tail", "events.7", code=Exit.NOT_FOUND)


def test_tail_follows_what_comes(redis_url: str, client: redis.Redis) -> None:
    import subprocess
    import sys

    client.xadd("signals", {"n": 1})
    command = [sys.executable, "-m", "fillstream", "tail", "signals", "-f", "--json", "--redis-url", redis_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["n"] == "1"
        client.xadd("signals", {"n": 2})
        assert json.loads(following.stdout.readline())["n"] == "2"
        following.terminate()


def test_a_demonstration_that_is_interrupted_leaves_nobody_reading(redis_url: str) -> None:
    def interrupted() -> Iterator[Moment]:
        raise KeyboardInterrupt
        yield

    traffic = Traffic({}, "demo", 1)
    with pytest.raises(KeyboardInterrupt):
        play(redis_url, load_settings(), interrupted(), 1, traffic, 1, None, Console(file=io.StringIO()))
    assert "watcher" not in {thread.name for thread in threading.enumerate()}


# -------------------------------------------------------------------------------------------------------- repairing


def test_dead_letters_are_listed_and_shown_whole(run: Run, client: redis.Redis) -> None:
    letter_id = bury(client, {b"symbol": b"AAPL", b"side": b"HOLD", b"quantity": b"1", b"\xff": b"\x00"})
    (listed,) = json.loads(run("dead", "--json").stdout)
    assert (listed["id"], listed["reason"], listed["redriven_as"]) == (letter_id, "bad_value", None)
    assert "2025-11-21 02:40:00.123" in run("dead").stdout
    shown = json.loads(run("dead", "show", letter_id, "--json").stdout)
    assert shown["raw"] == {"symbol": "AAPL", "side": "HOLD", "quantity": "1", "\\xff": "\x00"}
    assert "HOLD" in run("dead", "show", letter_id).stdout


def test_in_a_narrow_terminal_the_ids_of_dead_letters_can_still_be_copied(
    run: Run, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter_id = bury(client, {b"symbol": b"AAPL", b"side": b"HOLD", b"quantity": b"1"})
    monkeypatch.setenv("COLUMNS", "90")
    text = run("dead").stdout
    assert letter_id in text
    assert "no room for entry_id" in text
    monkeypatch.setenv("COLUMNS", "40")
    assert letter_id in run("dead").stdout


def test_no_dead_letters_and_one_that_is_not_there(run: Run) -> None:
    assert "none" in run("dead").stdout
    assert json.loads(run("dead", "--json").stdout) == []
    run("dead", "show", "1-0", code=Exit.NOT_FOUND)
    run("dead", "redrive", "nonsense", code=Exit.NOT_FOUND)


def test_a_letter_is_redriven_byte_for_byte_once(run: Run, client: redis.Redis) -> None:
    raw = {b"symbol": b"AAPL", b"\xff": bytes(range(256))}
    letter_id = bury(client, raw)
    told = json.loads(run("dead", "redrive", letter_id, "--json").stdout)
    ((entry_id, fields),) = cast(Any, client.xrange("signals"))
    assert fields == raw
    assert told == {"id": letter_id, "stream": "signals", "redriven_as": entry_id.decode()}
    assert json.loads(run("dead", "--json").stdout)[0]["redriven_as"] == entry_id.decode()
    assert "was re-driven before" in run("dead", "redrive", letter_id, code=Exit.NO).stderr
    assert client.xlen("signals") == 1
    run("dead", "redrive", letter_id, "--again")
    assert client.xlen("signals") == 2


def test_an_entry_that_was_too_large_is_shown_by_its_beginning_and_goes_nowhere(run: Run, client: redis.Redis) -> None:
    raw = {b"symbol": b"AAPL", b"side": b"B" * 600_000}
    letter_id = bury(client, raw)
    told = json.loads(run("dead", "show", letter_id, "--json").stdout)
    assert told["cut"] == {"bytes": 600_014, "fields": 2, "blake2b": digest_of(raw)}
    assert told["raw"] == {"symbol": "AAPL", "side": "B" * (HEAD_BYTES - 14)}
    assert "the beginning of its entry of 600014 bytes in 2 fields" in " ".join(
        run("dead", "show", letter_id).stdout.split()
    )
    for changes in ([], ["--set", "side=BUY"], ["--again"]):
        refused = run("dead", "redrive", letter_id, *changes, code=Exit.NO).stderr
        assert f"{letter_id}: of an entry of 600014 bytes `dead` has the first 4096" in refused
    assert client.exists("signals", "dead.redriven") == 0


@pytest.mark.parametrize(
    "raw",
    [
        {b"symbol": b"AAPL", b"side": b"HOLD", b"quantity": b"0.10"},
        {b"data": b'{"symbol": "AAPL", "side": "HOLD", "quantity": 0.10}'},
    ],
)
def test_a_signal_is_redriven_with_fields_set_in_whatever_shape_it_came(
    run: Run, client: redis.Redis, raw: dict[bytes, bytes]
) -> None:
    letter_id = bury(client, raw)
    run("dead", "redrive", letter_id, "--set", "side=BUY", "--set", "strategy=a=b")
    ((_, fields),) = cast(Any, client.xrange("signals"))
    assert fields == {b"symbol": b"AAPL", b"side": b"BUY", b"quantity": b"0.10", b"strategy": b"a=b"}


def test_an_instruction_is_redriven_with_fields_set_inside_its_document(run: Run, client: redis.Redis) -> None:
    inbox = TOPOLOGY.orders(0)
    letter_id = bury(client, {b"data": b'{"type":"NewOrder","price":"1"}'}, stream="orders.0")
    run("dead", "redrive", letter_id, "--set", "price=2")
    ((_, fields),) = cast(Any, client.xrange(inbox))
    assert json.loads(fields[b"data"]) == {"type": "NewOrder", "price": "2"}


def test_a_letter_of_a_stream_that_the_desk_does_not_have_is_not_redriven(run: Run, client: redis.Redis) -> None:
    letter_id = bury(client, {b"data": b"{}"}, stream="orders.{0}")
    told = run("dead", "redrive", letter_id, code=Exit.NO).stderr
    assert f"{letter_id}: cannot go back: stream: orders.{{0}} must be orders.PARTITION" in told


@pytest.mark.parametrize(
    ("raw", "stream", "sentence"),
    [
        ({b"data": b"{"}, "signals", "its fields cannot be set: data: '{' is not one JSON document; publish a new"),
        ({b"frame": b"x"}, "commands.SIM.0", "a frame of 64-byte records has no fields to set"),
        ({b"data": b"{"}, "orders.0", "its fields cannot be set: data is not JSON"),
        ({b"data": b'{"side": [1]}'}, "signals", "side: a list must be text, a number, true or false; set it as well"),
    ],
)
def test_what_cannot_be_repaired_is_refused_and_not_marked(
    run: Run, client: redis.Redis, raw: dict[bytes, bytes], stream: str, sentence: str
) -> None:
    letter_id = bury(client, raw, stream=stream)
    assert sentence in run("dead", "redrive", letter_id, "--set", "price=1", code=Exit.NO).stderr
    assert client.xlen(TOPOLOGY.key(stream)) == 0
    assert json.loads(run("dead", "--json").stdout)[0]["redriven_as"] is None


def test_set_needs_a_field_and_a_value(run: Run, client: redis.Redis) -> None:
    letter_id = bury(client, {b"a": b"b"})
    assert (
        "--set: 'price' is not FIELD=VALUE"
        in run("dead", "redrive", letter_id, "--set", "price", code=Exit.USAGE).stderr
    )


def _configure(url: str, config: Mapping[str, str]) -> None:
    with redis.Redis.from_url(url) as client:
        for name in ("appendonly", "appendfsync"):
            client.config_set(name, config[name])


def test_doctor_looks_at_everything_and_says_how_to_get_what_is_not_there(
    run: Run, client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = cast(dict[str, str], client.config_get("append*"))
    request.addfinalizer(lambda: _configure(redis_url, before))
    client.config_set("appendonly", "no")
    found = {each["what"]: each for each in json.loads(run("doctor", "--json").stdout)}
    assert found["Python"]["verdict"] == found["C core"]["verdict"] == found["hiredis"]["verdict"] == "ok"
    assert found["Redis"]["verdict"] == "ok"
    assert found["durable log"]["verdict"] == "warning"
    assert "CONFIG SET appendonly yes" in found["durable log"]["how"]
    assert found["settings"]["verdict"] == "warning"
    assert "order_params.retry_attempts" in found["settings"]["found"]
    assert "order_params.retry_attempts, order_params.retry_delay_ms" in found["settings"]["found"]
    assert "rate_limit_orders" not in found["settings"]["found"], "it has an effect"
    client.config_set("appendonly", "yes")
    client.config_set("appendfsync", "always")
    found = {each["what"]: each for each in json.loads(run("doctor", "--json").stdout)}
    assert found["durable log"]["verdict"] == "ok"
    client.config_set("appendfsync", "everysec")
    monkeypatch.setattr(doctor, "PYTHON", (99, 0))
    result = run("doctor", code=Exit.NO)
    assert "Python 3.11 or newer" in result.stdout


def test_doctor_in_a_container_looks_at_what_matters_there(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FILLSTREAM_CONTAINER", "1")
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path))
    found = {each["what"]: each for each in json.loads(run("doctor", "--json").stdout)}
    wanted = {
        "configuration",
        "settings",
        "Python",
        "C core",
        "hiredis",
        "analytics",
        "data folder",
        "Redis",
        "durable log",
    }
    assert set(found) - {"proto-max-bulk-len"} == wanted
    assert str(tmp_path) in found["data folder"]["found"]

    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path / "none"))
    away = run("doctor", "--json", "--redis-url", f"redis://:s3cret@127.0.0.1:{free_port()}", code=Exit.NO)
    missing = {each["what"]: each for each in json.loads(away.stdout) if each["verdict"] == "missing"}
    assert set(missing) == {"data folder", "Redis"}
    assert missing["data folder"]["found"] == f"{tmp_path / 'none'}: No such file or directory"
    assert "s3cret" not in away.stdout


def test_doctor_without_a_server_is_no_failure(run: Run) -> None:
    found = json.loads(run("doctor", "--json", "--redis-url", f"redis://:s3cret@127.0.0.1:{free_port()}").stdout)
    (server,) = [each for each in found if each["what"] == "Redis"]
    assert server["verdict"] == "optional"
    assert "s3cret" not in json.dumps(found)


def test_config_says_which_is_in_force_and_makes_a_copy_to_change(run: Run, tmp_path: Path) -> None:
    files = json.loads(run("config", "--json").stdout)["files"]
    assert [Path(each).name for each in files] == ["local.yaml", "instruments.yaml", "accounts.yaml"]
    mine = tmp_path / "mine"
    run("config", "--copy-to", str(mine))
    assert {each.name: each.read_bytes() for each in mine.iterdir()} == {
        Path(each).name: Path(each).read_bytes() for each in files
    }
    assert "is there already" in run("config", "--copy-to", str(mine), code=Exit.NO).stderr
    within = mine / "local.yaml" / "more"
    assert run("config", "--copy-to", str(within), code=Exit.USAGE).stderr.startswith(f"{within}: cannot be written: ")
    (mine / "local.yaml").write_text((mine / "local.yaml").read_text().replace("port: 8004", "port: 80040"))
    assert (
        "local.yaml:9: service.port: 80040 must be at most 65535"
        in run("config", "--config", str(mine / "local.yaml"), code=Exit.SETTINGS).stderr
    )


@pytest.mark.parametrize("words", [("accounts",), ("preview", "AAPL", "BUY", "1"), ("limits", "get", "default")])
def test_a_redis_that_is_named_and_away_is_said_to_be_the_reason(run: Run, words: tuple[str, ...]) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    assert "Connection refused; is the desk up?" in run(*words, "--redis-url", away, code=Exit.UNREACHABLE).stderr


def test_the_desk_that_is_named_answers_and_not_the_one_that_runs_here(
    run: Run, client: redis.Redis, asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "data"
    here.mkdir()
    (here / "stack.json").write_text(json.dumps({
        "pid": 1, "redis_url": f"redis://127.0.0.1:{free_port()}/0", "config": str(DEFAULT_PATH),
        "services": {"analytics": f"http://127.0.0.1:{free_port()}"},
    }))  # fmt: skip
    address = urlsplit(os.environ["FILLSTREAM_ANALYTICS_URL"])
    monkeypatch.delenv("FILLSTREAM_ANALYTICS_URL")
    named = os.environ["REDIS_URL"]
    monkeypatch.delenv("REDIS_URL")
    with (here / "stack.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a running stack does
        text = run("orders", "--redis-url", named, code=Exit.UNREACHABLE).stderr
        assert f"no analytics has told the desk at {named} where it answers" in text
        live(client, "analytics", port=address.port)
        assert "AAPL" in run("orders", "--redis-url", named).stdout
        assert asked == [("/orders", {"limit": "50"})]
        assert "does not answer" in run("orders", code=Exit.UNREACHABLE).stderr


# ------------------------------------------------------------------------------------------------------ the desk itself


def test_up_prints_where_everything_listens_and_ctrl_c_stops_all_of_it(tmp_path: Path) -> None:
    from fillstream.stack.running import running_stack

    place = tmp_path / "desk"
    command = [sys.executable, "-m", "fillstream", "up", "--data-dir", str(place), "--base-port", "0",
               "--redis-port", "0", "--feed", "none"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as desk:
        assert desk.stdout is not None
        printed = ""
        while "Ctrl-C stops everything" not in printed:
            line = desk.stdout.readline()
            assert line, printed
            printed += line
        told = running_stack(place)
        assert told is not None
        for name, url in told["services"].items():
            assert re.search(rf"^{name} +{re.escape(url)} ", printed, re.MULTILINE)
        assert f"in other terminals first: export FILLSTREAM_DATABASE__DATA_DIR={place}\n" in printed
        os.kill(desk.pid, signal.SIGINT)
        assert desk.wait(timeout=90) == 0
    assert running_stack(place) is None
    with redis.Redis.from_url(told["redis_url"]) as gone:
        until(lambda: _is_gone(gone), "Valkey to end")


def _is_gone(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.exceptions.ConnectionError:
        return True
    return False
