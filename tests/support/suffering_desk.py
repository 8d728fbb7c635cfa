"""A whole desk, stopped and started around what happens to its server and its volumes: the harness of the fault audits.

The server is the test's own, so that its files can be taken away. What must hold after each fault: the stages that have
to guess stop and say why; nobody sends anything meanwhile; after a person's word the desk goes on, and nothing that it
had decided is decided a second time.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import redis
from typer.testing import CliRunner

from fillstream.cli.app import app
from fillstream.demo.demo import RunningDesk
from fillstream.libs.common.messages.note import is_tick
from fillstream.libs.common.messages.stages import STAGES
from fillstream.libs.common.messages.topology import Topology
from fillstream.stack.stack import LocalStack
from tests.conftest import until
from tests.support.busy_desk import Load
from tests.support.servers import Server

TOPOLOGY = Topology()
JOURNAL, ORDERS, COMMANDS = "events.{a0}", "orders.{a0}", "commands.SIM.{s0}"


class SufferingDesk:
    def __init__(self, folder: Path, monkeypatch: Any) -> None:
        self.server = Server(folder / "server")
        self.server.folder.mkdir()
        self.server.start()
        self.folder = folder
        self.data = folder / "desk"
        self.seed = 0
        # The last second is never lost: what is missing afterwards, the test has taken.
        self.client.config_set("appendfsync", "always")
        monkeypatch.setenv("FILLSTREAM_DATABASE__SNAPSHOT_EVERY_ENTRIES", "50")
        # By entries and not by time: on a slow machine a stage would have one of its newest state, and lose nothing.
        monkeypatch.setenv("FILLSTREAM_DATABASE__SNAPSHOT_EVERY_S", "3600")
        # Nobody asks a venue what it has, or tells what is held: what a desk sends here, it was asked for.
        monkeypatch.setenv("FILLSTREAM_EXECUTION__VENUES", '{"SIM": {"reconcile_every_ms": 0}}')
        monkeypatch.setenv("FILLSTREAM_EXECUTION__STATE_HOLDINGS_EVERY_MS", "0")

    @property
    def client(self) -> Any:
        """A connection, made anew: the server may be another by now."""
        return redis.Redis(port=self.server.port)

    def restart_server(self) -> None:
        self.server.kill()
        self.server.start()
        self.client.config_set("appendfsync", "always")

    @contextmanager
    def started(self) -> Iterator[LocalStack]:
        """Start every service; they may stop for a person."""
        url = f"{self.server.url}/0"
        with LocalStack(self.data, redis_url=url, base_port=0, redis_port=0, without=("analytics",)) as stack:
            yield stack

    def trade(self, signals: int) -> None:
        """Let the desk live for a while, and stop it cleanly."""
        with self.started() as stack:
            stack.wait_ready()
            self.load(stack, signals)

    def load(self, stack: LocalStack, signals: int) -> None:
        self.seed += 1
        Load(stack, seed=self.seed, tag=f"{self.seed}-").run(signals, at={})
        RunningDesk(stack.redis_url, stack.settings, has_analytics=False).wait_quiet()

    def stops(self, *expected: str) -> dict[str, str]:
        """Start the desk; return the page at which each stage stopped for a person, once those expected have."""
        found: dict[str, str] = {}
        with self.started() as stack:
            until(
                lambda: {n for n, each in stack.processes.items() if each.state == "failed"} >= set(expected),
                f"{expected} to stop for a person",
            )
            for each in stack.processes.values():
                if each.state == "failed":
                    assert "exit code 71" in each.reason, each.log_tail()
            found = {each["stage"]: each["page"] for each in self.recover()[1]}
        return found

    def recover(self, *arguments: str) -> tuple[int, Any]:
        done = CliRunner().invoke(app, ["recover", "--redis-url", f"{self.server.url}/0", "--json", *arguments])
        return done.exit_code, orjson.loads(done.stdout)

    def accept(self, *stages: str) -> None:
        for stage in stages:
            code, told = self.recover("--accept", stage, "--reason", "a drill", "--who", "kim")
            assert code == 0, told

    # ------------------------------------------------------------------------------------------------- what is there

    def sent(self) -> dict[str, int]:
        """How many entries each stream of the stages has ever had; of the journal how many events."""
        client, found = self.client, {}
        for key in (ORDERS, COMMANDS, JOURNAL, "positions.{a0}"):
            found[key] = int(client.xinfo_stream(key)["entries-added"]) if client.exists(key) else 0
        found[JOURNAL] -= sum(is_tick(fields) for _, fields in client.xrange(JOURNAL))
        return found

    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(fields[b"data"]) for _, fields in self.client.xrange(JOURNAL) if b"data" in fields]

    def doubled(self) -> list[str]:
        """What is in the journal or at the venue more than once, and may be there once only."""
        events = self.events()
        received = Counter(each["client_order_id"] for each in events if each["type"] == "OrderReceived")
        trades = Counter(each["exec_id"] for each in events if each["type"] == "OrderFilled")
        return [name for name, count in (received + trades).items() if count > 1]

    def wrong_positions(self) -> list[str]:
        """Symbols whose position is not the sum of the fills in the journal."""
        held: Counter[str] = Counter()
        for each in self.events():
            if each["type"] == "OrderFilled":
                units = round(float(each["last_qty"]) * 1e8)
                held[each["symbol"]] += units if each["side"] == "BUY" else -units
        booked: dict[str, int] = {}
        for _, fields in self.client.xrange("positions.{a0}"):
            told = orjson.loads(fields[b"data"])
            if "position" in told:
                booked[told["symbol"]] = round(float(told["position"]) * 1e8)
        return [symbol for symbol, units in held.items() if booked.get(symbol, 0) != units]

    def keep(self, name: str) -> Path:
        """Take a copy of the server's files as they are now."""
        copy = self.folder / name
        shutil.copytree(self.server.folder, copy)
        return copy

    def bring_back(self, copy: Path) -> None:
        """Start the server from files of before; from none where `copy` is empty."""
        self.server.kill()
        shutil.rmtree(self.server.folder)
        shutil.copytree(copy, self.server.folder)
        self.server.start()
        self.client.config_set("appendfsync", "always")


STAGE_NAMES = tuple(STAGES)
