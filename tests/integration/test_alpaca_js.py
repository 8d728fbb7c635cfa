"""Alpaca's own npm package, unmodified, and a desk of real processes: it trades, and its stream hears."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from examples.desk import a_desk
from tests.support.gateway_process import GatewayProcess

HERE = Path(__file__).parent / "alpaca_js"
BUILD = Path(__file__).parents[2] / "build" / "alpaca_js"
"""Installed once for as long as what the lock says stays the same."""


@pytest.fixture(scope="module")
def script() -> Path:
    """The script, beside what it imports."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("no node and npm on PATH: nobody to speak Alpaca's npm package")
    BUILD.mkdir(parents=True, exist_ok=True)
    for file in HERE.iterdir():
        is_new = not (BUILD / file.name).exists() or (BUILD / file.name).read_bytes() != file.read_bytes()
        if is_new and file.name == "package-lock.json":
            shutil.rmtree(BUILD / "node_modules", ignore_errors=True)
        shutil.copyfile(file, BUILD / file.name)
    if not (BUILD / "node_modules").exists():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=BUILD, check=True, timeout=300, capture_output=True)
    return BUILD / "trade.mjs"


@pytest.fixture(scope="module")
def seen(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the script saw on a desk of its own."""
    with a_desk() as (client, market):
        gateway = GatewayProcess(client.url, tmp_path_factory.mktemp("gateway"))
        gateway.start()
        try:
            market.shown("AAPL", "190.00", "190.02")
            environment = {**os.environ, "ALPACA_KEY": "key", "ALPACA_SECRET": "secret"}
            done = subprocess.run(
                ["node", str(script), gateway.http], env=environment, capture_output=True, text=True, timeout=120,
                check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            yield orjson.loads(done.stdout.splitlines()[-1])
        finally:
            gateway.stop()


def test_orders_are_placed_replaced_and_cancelled(seen: dict[str, Any]) -> None:
    assert (seen["filled"]["filledQty"], float(seen["filled"]["filledAvgPrice"])) == ("10", 190.02)
    assert (seen["replaced"]["qty"], float(seen["replaced"]["limitPrice"])) == ("7", 151.0)
    assert seen["byName"]["id"] == seen["replaced"]["id"]
    assert [each["clientOrderId"] for each in seen["open"]] == ["js-limit"]
    assert seen["canceled"]["status"] == "canceled"


def test_a_bracket_has_its_legs_and_goes_with_all_orders(seen: dict[str, Any]) -> None:
    assert seen["bracket"]["orderClass"] == "bracket"
    assert {each["type"] for each in seen["bracket"]["legs"]} == {"limit", "stop"}
    assert seen["bracket"]["id"] in {each["id"] for each in seen["allCanceled"]}
    assert {each["status"] for each in seen["allCanceled"]} == {200}


def test_what_is_refused_says_why(seen: dict[str, Any]) -> None:
    assert seen["refused"]["status"] == 422
    assert "150.001" in seen["refused"]["body"]["message"]
    assert seen["missing"]["status"] == 404
    assert isinstance(seen["missing"]["body"]["code"], int)


def test_the_account_the_market_and_positions_are_told(seen: dict[str, Any]) -> None:
    assert seen["account"]["status"] == "ACTIVE"
    assert isinstance(seen["clock"]["isOpen"], bool)
    assert (seen["asset"]["symbol"], seen["asset"]["tradable"]) == ("AAPL", True)
    assert (seen["quote"]["quote"]["bp"], seen["quote"]["quote"]["ap"]) == (190.0, 190.02)
    assert (seen["position"]["qty"], seen["position"]["side"]) == ("10", "long")
    assert seen["closing"]["side"] == "sell"
    assert seen["flat"] is True


def test_its_stream_hears_each_order(seen: dict[str, Any]) -> None:
    updates = [tuple(each) for each in seen["updates"]]
    assert updates.count(("fill", "js-market")) == 1
    assert ("new", "js-limit") in updates
    assert ("replaced", "js-limit") in updates
    assert ("canceled", "js-limit") in updates
