"""A strategy that is killed at any moment acts once on each event."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from typing import Any

import pytest
import redis

from fillstream.libs.common.messages.journal import PredictionReceived
from tests.conftest import until
from tests.support.messages import payload, sample

PREDICTIONS, KILLS = 400, 6


@pytest.mark.crash
def test_each_prediction_is_acted_on_once_across_kill_9(redis_url: str, client: redis.Redis) -> None:
    raw: Any = client
    draw = random.Random(7)
    told = iter(range(1, PREDICTIONS + 1))

    def tell(count: int) -> None:
        for _, number in zip(range(count), told, strict=False):
            prediction = sample(PredictionReceived, number, seq=number, symbol="AAPL", account="default", alias=None)
            raw.xadd("events.{a0}", payload(prediction))

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "tests.support.strategy", redis_url, "buys"])

    for _ in range(KILLS):
        before = raw.xlen("signals")
        process = start()
        tell(PREDICTIONS // KILLS)
        until(lambda was=before: raw.xlen("signals") > was, "it to act")  # type: ignore[misc]
        time.sleep(draw.random() / 50)  # any moment is one to be killed in
        process.kill()
        process.wait()
    process = start()
    tell(PREDICTIONS)
    until(lambda: raw.xlen("signals") >= PREDICTIONS, "the rest")
    until(lambda: raw.hget("consumer.buys", "events.0") == raw.xrevrange("events.{a0}", count=1)[0][0], "its place")
    process.kill()
    process.wait()
    ids = [fields[b"signal_id"] for _, fields in raw.xrange("signals")]
    assert len(ids) == len(set(ids)) == PREDICTIONS
