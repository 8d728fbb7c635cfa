"""Refusals as Alpaca's clients read them: `{"code", "message", "reason"}`, whoever refused.

Flows in: answers to paths below `/alpaca`. Flows out: the same, refusals in their shape. Never answers 504, which
their Python client takes for an order that it may send again, and never 429 once something was sent.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from fillstream.services.gateway.http.problems import TYPE

PREFIX: Final = "/alpaca/"
FORBIDDEN: Final = frozenset(
    ("buying_power", "nothing_to_reduce", "short_not_allowed", "trading_halted", "trading_reducing", "breaker_open",
     "restricted_symbol", "reduce_only_symbol", "max_position", "max_daily_loss", "max_daily_orders",
     "max_open_orders", "max_gross_exposure", "max_net_exposure", "max_symbol_exposure", "max_sector_exposure")
)  # fmt: skip
"""Reasons that are about what an account has or may: Alpaca answers 403 to those, and 422 to the others."""
CODES: Final = {"duplicate_client_order_id": 40010001, "insufficient_qty": 40310000}
NAMES: Final = {
    "price": "limit_price",
    "quantity": "qty",
    "order_type": "type",
    "stop_loss": "stop_loss.stop_price",
    "take_profit": "take_profit.limit_price",
    "trailing_offset": "trail_price",
}
"""Our fields by theirs."""
_FIELD = re.compile(r"^([a-z_]+)(?=: )")


def message(detail: str) -> str:
    """Return a sentence, about the field as Alpaca calls it."""
    return _FIELD.sub(lambda found: NAMES.get(found[1], found[1]), detail, count=1)


def status_of(status: int, reason: str | None) -> int:
    """Return the status of a refusal: what nobody is sure of is 500, never what a client sends again by itself."""
    return 500 if status == 504 or (status == 503 and reason == "outcome_unknown") else status


def error_json(status: int, detail: str, reason: str | None, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return an error as their clients read it.

    Args:
        status: of HTTP.
        detail: a sentence.
        reason: a stable code in snake case.
        more: what else is known.
    """
    code = CODES.get(reason or "", status * 100_000 + 10_000)
    return {"code": code, "message": message(detail), "reason": reason or "error", **(more or {})}


def translated(status: int, raw: bytes) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of a refusal that was a problem document, or no JSON at all."""
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        said = {}
    if not isinstance(said, dict):
        said = {}
    reason = said.get("reason")
    status = status_of(status, reason)
    detail = said.get("detail") or "the gateway met an error; its log says more"
    more = {name: said[name] for name in ("signal_id", "errors") if said.get(name) is not None}
    return status, error_json(status, detail, reason, more)


class Spoken:
    """The outermost part of the app: what is refused below `/alpaca` is refused as Alpaca does.

    Args:
        app: what is behind it.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self._app(scope, receive, answer)
        except Exception:
            if not answer.began:
                await answer.fail()
            raise  # the log has it, and nobody answers a second time


class _Answer:
    """Passes an answer on, and holds a refusal back until it is there whole."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._start: dict[str, Any] | None = None
        self._raw = b""
        self.began = False

    async def __call__(self, said: Any) -> None:
        if said["type"] == "http.response.start":
            headers = dict(said["headers"])
            kind = headers.get(b"content-type", b"")
            if said["status"] >= 400 and (kind.startswith(TYPE.encode()) or not kind.startswith(b"application/json")):
                self._start = said
                return
        if self._start is not None:
            self._raw += said.get("body", b"")
            if not said.get("more_body"):
                await self._refuse(self._start["status"], self._start["headers"])
            return
        self.began = True
        await self._send(said)

    async def fail(self) -> None:
        """Answer that something went wrong inside."""
        await self._refuse(500, [])

    async def _refuse(self, status: int, headers: Any) -> None:
        is_packed = dict(headers).get(b"content-encoding") == b"gzip"
        status, body = translated(status, gzip.decompress(self._raw) if is_packed else self._raw)
        raw = orjson.dumps(body)
        kept = [
            (n, v) for n, v in headers if n.lower() not in (b"content-type", b"content-length", b"content-encoding")
        ]
        told = [*kept, (b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
        self.began = True
        await self._send({"type": "http.response.start", "status": status, "headers": told})
        await self._send({"type": "http.response.body", "body": raw})
