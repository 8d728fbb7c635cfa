"""From a prediction that an outside API makes to a position that its stop has closed: document 002's eight steps.

python -m examples.prediction_flow
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from examples.desk import PATIENCE_S, Market, a_desk
from fillstream import Client
from fillstream.libs.common.process.settings import default_path
from fillstream.trading import (
    BaseEvent,
    CreatePositionAction,
    EventBus,
    EventCondition,
    OrderCreatedEvent,
    OrderFilledEvent,
    OrderSubmittedEvent,
    PositionCloseEvent,
    PositionCondition,
    PositionOpenEvent,
    PositionStatus,
    PredictionSignalEvent,
    Rule,
    RuleEngine,
)

PREDICTIONS = {
    "predictions": [
        {"ticker": "ETH", "call": "bullish", "score": 0.91, "id": "flow-1001"},
        {"ticker": "ETH", "call": "bearish", "score": 0.55, "id": "flow-1002"},
    ]
}
MONITORED = """
api_monitor:
  sources:
    options-flow:
      url: {url}
      interval_ms: 200
      headers: {{authorization: "Bearer ${{OPTIONS_FLOW_TOKEN}}"}}
      items: predictions
      fields: {{symbol: ticker, signal: call, confidence: score, id: id}}
      symbols: {{ETH: ETHUSDT}}
      moves: {{bullish: BUY, bearish: SELL}}
"""


@contextmanager
def an_api() -> Iterator[str]:
    """Serve predictions to whoever has the token, the same ones each time; yield where."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.headers["authorization"] == "Bearer t0ken"
            body = json.dumps(PREDICTIONS).encode()
            self.send_response(200 if is_known else 401)
            self.end_headers()
            self.wfile.write(body if is_known else b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/predictions"
        server.shutdown()
        thread.join()


@contextmanager
def a_monitor(redis_url: str, api_url: str) -> Iterator[None]:
    """Run the API monitor. `fillstream up` starts it by itself, where the configuration has sources."""
    with tempfile.TemporaryDirectory(prefix="fillstream-example-") as folder, socket.socket() as probe:
        for file in default_path().parent.glob("*.yaml"):
            more = MONITORED.format(url=api_url) if file.name == "local.yaml" else ""
            Path(folder, file.name).write_text(file.read_text() + more)
        probe.bind(("127.0.0.1", 0))
        environ = {**os.environ, "CONFIG_PATH": f"{folder}/local.yaml", "REDIS_URL": redis_url}
        environ |= {"OPTIONS_FLOW_TOKEN": "t0ken", "FILLSTREAM_SERVICE__PORT": str(probe.getsockname()[1])}
        probe.close()
        process = subprocess.Popen([sys.executable, "-m", "fillstream.services.api_monitor"], env=environ)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


async def happened(condition: Callable[[], Any], what: str) -> None:
    """Wait until something has happened."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - events of another process are waited for
            await asyncio.sleep(0.01)
    print(f"  {what}")


async def flow(client: Client, market: Market) -> None:
    """Follow one prediction to its end."""
    async with EventBus(client.url, topology=client.topology) as bus:
        seen: list[BaseEvent] = []
        engine = RuleEngine(bus)
        await engine.start()
        await bus.subscribe(BaseEvent, seen.append)
        strong = EventCondition(PredictionSignalEvent, {"signal": "BUY", "confidence": lambda c: c > 0.8})
        action = CreatePositionAction(
            symbol=lambda ctx: ctx["event"].symbol, quantity=2, stop_loss_pct=0.03, take_profit_pct=0.08
        )
        condition = strong & PositionCondition.flat()
        engine.register_rule(Rule("prediction_entry", "Enter on a strong buy", condition, action))

        def told(kind: type[BaseEvent]) -> Any:
            return next(
                (each for each in seen if isinstance(each, kind) and getattr(each, "symbol", "") == "ETHUSDT"), None
            )

        positions = engine.position_tracker.positions
        with an_api() as url, a_monitor(client.url, url):
            await happened(
                lambda: told(PredictionSignalEvent), "1, 2  PredictionSignalEvent: the API monitor heard one"
            )
            await happened(lambda: positions, "3     the rule made a position of it, stop loss and take profit with it")
            [position] = positions.values()
            await happened(lambda: told(OrderCreatedEvent), "4     OrderCreatedEvent: the desk made an order of it")
            await happened(lambda: told(OrderSubmittedEvent), "5     OrderSubmittedEvent: the venue has it")
            await happened(lambda: told(OrderFilledEvent), "6     OrderFilledEvent: it trades")
            await happened(lambda: told(PositionOpenEvent), "6     PositionOpenEvent: the position is open")
            await happened(lambda: len(engine.unmatched) == 1, "      the weak one matched no rule, and is kept")
            assert (position.status, position.quantity) == (PositionStatus.OPEN, 2)
            market.quote("ETHUSDT", "3480.00", "3480.10")
            market.trade("ETHUSDT", "3480.00")
            await happened(lambda: position.is_over, "7     the market fell, and the stop loss was executed")
            await happened(lambda: told(PositionCloseEvent), "8     PositionCloseEvent: the position is closed")
        ended = told(PositionCloseEvent)
        assert (ended.reason, ended.position_id) == ("stop_loss", position.position_id)
        assert engine.states["prediction_entry"].executions == 1, "the API says it again and again"
        print(f"  {ended.reason}: {ended.net_pnl} {ended.symbol}; {engine.show_unmatched()[0]}")


def main(client: Client, market: Market) -> None:
    """Run an API, a monitor and a rule on a desk."""
    market.shown("ETHUSDT", "3599.90", "3600.10")
    asyncio.run(flow(client, market))


if __name__ == "__main__":
    with a_desk() as (client, market):
        main(client, market)
