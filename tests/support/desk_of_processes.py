"""A local desk of real processes with its gateway, and a market that stands still, for tests of its page."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import httpx

from examples.desk import Market
from fillstream import Client, LocalStack
from fillstream.libs.common.process.settings import default_path
from fillstream.stack.running import WITHOUT_KEY_VARIABLE
from fillstream.stack.stack import IDEAL_DESK
from tests.conftest import until


class DeskOfProcesses:
    """Every stage, analytics, Valkey and a gateway, each a process.

    Args:
        folder: where it keeps everything.
        without_key: whether its gateway asks nobody who they are.
        accounts: more of accounts.yaml.
    """

    def __init__(self, folder: Path, *, without_key: bool = True, accounts: str = "") -> None:
        config = folder / "config"
        config.mkdir(parents=True)
        for each in default_path().parent.glob("*.yaml"):
            text = each.read_text(encoding="utf-8")
            (config / each.name).write_text(text + (accounts if each.name == "accounts.yaml" else ""), encoding="utf-8")
        more = {WITHOUT_KEY_VARIABLE: "true" if without_key else "false", "FILLSTREAM_EXECUTION__MAX_QUOTE_AGE_MS": "0"}
        self.stack = LocalStack(
            folder / "data", base_port=0, redis_port=0, gateway_port=0, config=config / default_path().name,
            environ={**IDEAL_DESK, **more},
        )  # fmt: skip
        self.stack.start()
        self.stack.wait_ready()
        self.client = Client(self.stack.redis_url, self.stack.settings.topology())
        self.market = Market(self.stack, self.client)
        self.market.shown("AAPL", "189.98", "190.02")
        self.market.shown("MSFT", "419.98", "420.02")

    @property
    def url(self) -> str:
        """Where the gateway answers."""
        return self.stack.url("gateway")

    def get(self, path: str) -> Any:
        """Ask the gateway without a key."""
        return httpx.get(f"{self.url}{path}", timeout=20, trust_env=False).json()

    def send(self, **said: Any) -> Any:
        """Send an order by REST, as somebody else does."""
        told = httpx.post(f"{self.url}/v1/orders", json=said, timeout=20, trust_env=False)
        return told.json()

    def kill(self, name: str) -> None:
        """End a process as a crash does, and wait until it was started again."""
        process = self.stack.processes[name]
        before = process.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        until(lambda: process.pid not in (None, before), f"{name} to be started again")

    def stop(self) -> None:
        """End everything."""
        self.client.close()
        self.stack.stop()
