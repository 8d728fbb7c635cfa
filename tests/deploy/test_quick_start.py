"""The quick start of the README, word for word: its first signal is filled, and the market outlasts everything else."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from fillstream.demo.feeds import last_mids
from fillstream.demo.market_numbers import listed
from fillstream.libs.common.messages.topology import SIM
from tests.conftest import until
from tests.support.deploy.files import ROOT
from tests.support.deploy.stack import ComposeStack, require_docker

pytestmark = pytest.mark.deploy
SECTION = (ROOT / "README.md").read_text().split("## Running it in earnest")[1].split("\n## ")[0]
QUICK_START = re.findall(r"^```sh\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)[0]
DANGLING = ("docker", "images", "--quiet", "--filter", "dangling=true")


def dangling() -> set[str]:
    """Return the images that have no name any more."""
    return set(subprocess.run(DANGLING, capture_output=True, text=True, check=True).stdout.split())


@pytest.fixture(scope="module")
def stack() -> Iterator[ComposeStack]:
    require_docker()
    made = ComposeStack("fillstream-test-quick-start")
    try:
        yield made
    finally:
        made.run("down", "--volumes", "--remove-orphans")


def fills(stack: ComposeStack) -> dict[str, Any]:
    found = json.loads(stack.execute("signals", "fillstream", "fills", "--json"))
    return {each["order_id"]: (each["symbol"], each["side"], each["last_qty"]) for each in found["rows"]}


def frames_sent(stack: ComposeStack) -> int:
    with redis.Redis.from_url(stack.redis_url) as client:
        info: Any = client.xinfo_stream(stack.settings.topology().commands(SIM, 0))
    return int(info["entries-added"])


def test_the_words_of_the_quick_start_end_with_a_fill(stack: ComposeStack) -> None:
    assert "XADD signals" in QUICK_START
    before = dangling()
    built = stack.compose("build")
    assert built.returncode == 0, built.stderr
    superseded = dangling()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", QUICK_START],
        cwd=ROOT, env=stack.environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "OrderFilled" in done.stdout
    assert f"http://127.0.0.1:{stack.ports['signals']}" in done.stdout
    wanted = {"1": ("AAPL", "BUY", "100"), "2": ("AAPL", "SELL", "40")}
    until(lambda: fills(stack) == wanted, "analytics to have both fills")
    assert dangling() == superseded, "a build of what is built leaves no image behind"
    assert len(superseded - before) <= 2, "and another one no more than the two that it replaces"


def test_the_feed_outlasts_redis_and_is_not_started_again_for_it(stack: ComposeStack) -> None:
    stack.run("kill", "--signal", "KILL", "redis")
    until(lambda: any("Redis went away" in line for line in stack.logs("feed")), "the feed to notice", timeout_s=60)
    stack.up("redis")
    before = frames_sent(stack)
    until(lambda: frames_sent(stack) > before + 5, "quotes again", timeout_s=60)
    assert stack.restarts("feed") == 0
    stack.wait_ready()


def test_a_feed_that_was_killed_comes_back_to_where_the_market_stood(stack: ComposeStack) -> None:
    instruments = listed(stack.settings.instruments)

    def stands_at() -> dict[str, int]:
        with redis.Redis.from_url(stack.redis_url) as client:
            return last_mids(client, stack.settings.topology(), instruments)

    before = stands_at()
    stack.kill("feed")
    sent = frames_sent(stack)
    until(lambda: frames_sent(stack) > sent + 5, "quotes again", timeout_s=60)
    after = stands_at()
    assert {*before} == {*after} == {*instruments}
    for symbol, mid in after.items():
        assert abs(mid - before[symbol]) <= before[symbol] // 1000, symbol


def test_what_sends_a_signal_after_all_that_is_filled(stack: ComposeStack) -> None:
    told = stack.execute("orders", "fillstream", "signal", "SPY", "BUY", "10", "--wait", "--json")
    assert "OrderFilled" in told


def test_the_feed_ends_quickly_and_well_when_asked_to(stack: ComposeStack) -> None:
    began = time.monotonic()
    stack.run("stop", "feed")
    assert time.monotonic() - began < 20, "Docker kills after 30 s"
    assert stack.containers()["feed"]["State"]["ExitCode"] == 0
    assert "was asked to stop" in stack.logs("feed")[-1]


def test_a_volume_of_another_server_is_refused_with_a_sentence(stack: ComposeStack) -> None:
    stack.run("stop")
    words = ("run", "--rm", "--no-deps", "--name", f"{stack.project}-other", "redis")
    refused = stack.compose(*words, REDIS_IMAGE="valkey/valkey:9")
    assert refused.returncode == 78
    assert "the volume at /data was written by redis" in refused.stdout + refused.stderr
    stack.up("redis")
