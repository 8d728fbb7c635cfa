"""The compose stack, running: a signal from the host is filled, whatever is killed comes back, and nothing is lost.

In the order they stand here; each test leaves the stack running and quiet.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from typing import Any, cast
from urllib.request import urlopen

import pytest
import redis

from fillstream.demo.feeds import publish
from fillstream.demo.market_numbers import Moment, listed
from fillstream.libs.common.engine.frames import quote
from tests.conftest import until
from tests.support.busy_desk import Load, settled_books
from tests.support.deploy.stack import ComposeStack, require_docker
from tests.support.deploy.units import UNITS

pytestmark = pytest.mark.deploy
NAMES = (*(unit.name for unit in UNITS), "redis", "redis_exporter", "prometheus")
PUBLISHED = {*NAMES} - {"redis_exporter"}
SERVICES = tuple(unit.name for unit in UNITS)
PASSWORD = 'p@s "s/w:1'
DESKS = {
    "redis": {},
    "valkey": {
        "FILLSTREAM_REDIS_SERVER": "valkey",
        "FILLSTREAM_REDIS_PASSWORD": PASSWORD,
        "FILLSTREAM_LOG_FORMAT": "json",
        "FILLSTREAM_REDIS_MAXMEMORY": "512mb",
    },
}
"""As it comes, and with what can be set set."""
SYMBOL = "ETHUSDT"
"""Not among those that the load trades: its book is this module's alone."""
ASK_PX = "3000.10"


@pytest.fixture(scope="module", params=sorted(DESKS))
def stack(request: pytest.FixtureRequest) -> Iterator[ComposeStack]:
    """Yield a stack that was built and brought up with one of the servers; take it away afterwards, volumes and all."""
    require_docker()
    made = ComposeStack(f"fillstream-test-{request.param}", DESKS[request.param])
    try:
        made.run("build", "--quiet", "signals", "analytics")
        made.up()
        made.wait_ready()
        yield made
    finally:
        made.run("down", "--volumes", "--remove-orphans")


def as_stack(stack: ComposeStack) -> Any:
    """The load and the audit of the crash tests know a `LocalStack`; this one has what they use."""
    return cast(Any, stack)


def feed_quote(stack: ComposeStack) -> None:
    one = listed(stack.settings.instruments)[SYMBOL]
    bid, ask, lots = (one.ticks.units("3000.00"), one.ticks.units(ASK_PX), one.lots.units("5"))
    moment = Moment(0, SYMBOL, quote(one.id, cast(int, bid), cast(int, lots), cast(int, ask), cast(int, lots)))
    with redis.Redis.from_url(stack.redis_url) as client:
        publish(client, stack.settings.topology(), iter([moment]))


def journal(stack: ComposeStack) -> list[dict[str, Any]]:
    with redis.Redis.from_url(stack.redis_url) as client:
        entries: Any = client.xrange(stack.settings.topology().events(0))
    return [json.loads(fields[b"data"]) for _, fields in entries if b"data" in fields]


def fill_of(stack: ComposeStack, signal_id: str) -> dict[str, Any]:
    """Return the journal's OrderFilled of a signal, once it is there."""

    def look() -> dict[str, Any] | None:
        for event in journal(stack):
            if event["type"] == "OrderFilled" and event["client_order_id"] == signal_id:
                return event
        return None

    return cast("dict[str, Any]", until(look, f"signal {signal_id} to be filled"))


def buy(stack: ComposeStack, signal_id: str) -> dict[str, Any]:
    """Feed a quote and publish a signal from the host, as any client would; return its fill."""
    feed_quote(stack)
    with redis.Redis.from_url(stack.redis_url) as client:
        fields = {"signal_id": signal_id, "symbol": SYMBOL, "side": "BUY", "quantity": "0.01"}
        client.xadd("signals", cast(Any, fields))
    return fill_of(stack, signal_id)


def test_every_container_is_healthy(stack: ComposeStack) -> None:
    states = {name: each["State"].get("Health", {}).get("Status") for name, each in stack.containers().items()}
    assert states == dict.fromkeys(NAMES, "healthy")


def test_every_port_is_published_on_loopback_only(stack: ComposeStack) -> None:
    for name, each in stack.containers().items():
        bound = [port for ports in each["NetworkSettings"]["Ports"].values() for port in ports or []]
        assert bool(bound) == (name in PUBLISHED)
        assert all(port["HostIp"] == "127.0.0.1" for port in bound)


def test_no_process_is_root_or_may_become_it(stack: ComposeStack) -> None:
    for name in stack.containers():
        lines = stack.execute(name, "cat", "/proc/1/status").splitlines()
        status = dict(line.split(":", 1) for line in lines if ":" in line)
        assert "0" not in status["Uid"].split(), name
        assert int(status["CapEff"], 16) == 0, name
        assert status["NoNewPrivs"].strip() == "1", name


def test_no_root_file_system_can_be_written(stack: ComposeStack) -> None:
    for name, each in stack.containers().items():
        assert each["HostConfig"]["ReadonlyRootfs"] is True, name
        told = stack.execute(name, "sh", "-c", "touch /usr/x 2>/dev/null && echo written || echo refused")
        assert told.strip() == "refused", name


def test_docker_keeps_so_much_of_a_log_and_no_more(stack: ComposeStack) -> None:
    for name, each in stack.containers().items():
        assert each["HostConfig"]["LogConfig"] == {
            "Type": "json-file",
            "Config": {"max-file": "5", "max-size": "10m"},
        }, name


def test_a_password_is_asked_for_and_shown_by_no_command_line(stack: ComposeStack) -> None:
    with redis.Redis(port=stack.ports["redis"]) as client:
        if "FILLSTREAM_REDIS_PASSWORD" in stack.variables:
            with pytest.raises(redis.exceptions.AuthenticationError):
                client.ping()
        else:
            assert cast(Any, client.ping()) is True
    for name, each in stack.containers().items():
        assert PASSWORD not in str([each["Path"], each["Args"], each["Config"]["Healthcheck"]]), name
        assert PASSWORD not in stack.execute(name, "sh", "-c", "cat /proc/[0-9]*/cmdline"), name


def test_redis_holds_as_much_as_it_was_told(stack: ComposeStack) -> None:
    with redis.Redis.from_url(stack.redis_url) as client:
        found: Any = client.config_get("maxmemory")
    wanted = stack.variables.get("FILLSTREAM_REDIS_MAXMEMORY", "768mb")
    assert int(found["maxmemory"]) == int(wanted.removesuffix("mb")) * 2**20


def test_redis_is_watched(stack: ComposeStack) -> None:
    told = stack.execute("redis_exporter", "wget", "-q", "-O", "-", "http://127.0.0.1:9121/metrics")
    assert "\nredis_up 1\n" in told


def test_status_names_addresses_that_somebody_on_this_machine_can_open(stack: ComposeStack) -> None:
    found = {
        each["stage"]: each["url"] for each in json.loads(stack.execute("orders", "fillstream", "status", "--json"))
    }
    assert found == {name: stack.url(name) for name in SERVICES}
    for url in found.values():
        with urlopen(f"{url}/health", timeout=10) as answer:
            assert answer.status == 200


def test_doctor_has_nothing_to_complain_about_in_any_container(stack: ComposeStack) -> None:
    for name in SERVICES:
        findings = json.loads(stack.execute(name, "fillstream", "doctor", "--json"))
        # The original document's local.yaml sets what nothing reads yet.
        assert [each["what"] for each in findings if each["verdict"] != "ok"] == ["settings"], name
        assert {each["what"] for each in findings} >= {"configuration", "C core", "data folder", "Redis", "durable log"}


def test_a_signal_from_the_host_is_filled(stack: ComposeStack) -> None:
    fill = buy(stack, "first")
    slipped = Decimal(ASK_PX) * (1 + stack.settings.execution.simulation.slippage)
    assert (fill["ord_status"], fill["last_qty"]) == ("Filled", "0.0100")
    assert Decimal(fill["last_px"]) == slipped.quantize(Decimal("0.01"), ROUND_CEILING), "the venue falls short"


def test_the_fill_is_a_position_and_a_row(stack: ComposeStack) -> None:
    found = settled_books(as_stack(stack))
    assert found.problems == []
    assert Decimal(found.positions["default", SYMBOL]["position"]) == Decimal("0.01")


def test_the_command_in_a_container_knows_its_desk(stack: ComposeStack) -> None:
    fills = json.loads(stack.execute("signals", "fillstream", "fills", "--json"))
    assert [each["symbol"] for each in fills["rows"]] == [SYMBOL]


def test_prometheus_sees_every_unit(stack: ComposeStack) -> None:
    def up() -> bool:
        with urlopen(f"{stack.url('prometheus')}/api/v1/query?query=up", timeout=10) as answer:
            results = json.load(answer)["data"]["result"]
        seen = {each["metric"].get("service"): each["value"][1] for each in results}
        return {unit.name: seen.get(unit.name) for unit in UNITS} == {unit.name: "1" for unit in UNITS}

    until(up, "Prometheus to have scraped every unit", timeout_s=60)


def test_whatever_is_killed_under_load_comes_back_and_the_books_agree(stack: ComposeStack) -> None:
    load = Load(as_stack(stack), seed=20240809)
    trouble: list[BaseException] = []

    def publish_signals() -> None:
        try:
            load.run(1500, {n: lambda: time.sleep(0.1) for n in range(0, 1500, 10)})
        except BaseException as error:  # raised again below, in the test's own thread
            trouble.append(error)

    client = threading.Thread(target=publish_signals, daemon=True)
    client.start()
    for unit in UNITS:
        stack.kill(unit.name)
    stack.kill_redis()
    client.join()
    assert not trouble

    found = settled_books(as_stack(stack))

    assert found.problems == []
    assert found.signals >= load.sent == 1500
    assert found.fills > 0


PLAIN = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (?:INFO|WARNING|ERROR|CRITICAL) ([\w-]+) ")
OF_A_STACK_TRACE = re.compile(r"Traceback|\s|$|During |The above |[\w.]+(Error|Exception|Gap|Fenced)\b")


def test_every_line_of_a_service_has_the_one_format(stack: ComposeStack) -> None:
    lines = stack.logs(*SERVICES)
    assert not [line for line in lines if "\x1b" in line], "no colours"
    if stack.variables.get("FILLSTREAM_LOG_FORMAT") == "json":
        assert {json.loads(line)["service"] for line in lines} == {*SERVICES}
        return
    told = {line: found[1] for line in lines if (found := PLAIN.match(line))}
    assert {*told.values()} == {*SERVICES}
    assert [line for line in lines if line not in told and not OF_A_STACK_TRACE.match(line)] == []


def test_down_and_up_again_changes_nothing(stack: ComposeStack) -> None:
    events = journal(stack)
    before = settled_books(as_stack(stack))

    stack.run("stop")
    assert {name: each["State"]["ExitCode"] for name, each in stack.containers().items()} == dict.fromkeys(NAMES, 0)
    stack.run("down")
    stack.up()
    stack.wait_ready()

    assert journal(stack)[: len(events)] == events
    after = settled_books(as_stack(stack))
    assert (after.problems, after.positions, after.fills) == ([], before.positions, before.fills)
    fill = buy(stack, "after-down-and-up")
    assert fill["ord_status"] == "Filled"
    assert settled_books(as_stack(stack)).problems == []
