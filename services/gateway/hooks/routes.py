"""The doors that alerts are posted to: a path for each kind of hook.

Flows in: posts. Flows out: signals to the desk; 202 with their ids as soon as the server has them. Never waits for what
becomes of an order: who posts an alert hangs up after three seconds.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from fillstream.libs.common.process.hooks import ALERT
from fillstream.services.gateway.hooks.decode import decode, id_prefix
from fillstream.services.gateway.hooks.entrance import Entrance
from fillstream.services.gateway.http.describing import REFUSALS
from fillstream.services.gateway.http.exact import body_of
from fillstream.services.gateway.http.pages import answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.v1.orders import asking_of

ANSWER_S: Final = 2.5
"""An answer comes within so long: TradingView cancels a post after three seconds."""

router = APIRouter(prefix="/hooks", tags=["hooks"], responses=dict(REFUSALS))


def _body(**kinds: Any) -> dict[str, Any]:
    content = {
        name.replace("_", "/"): {"schema": {"type": "string" if name == "text_plain" else "object"}, "example": example}
        for name, example in kinds.items()
    }
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/tradingview/{key}",
    status_code=202,
    openapi_extra=_body(application_json=dict(ALERT), text_plain="buy AAPL 100"),
    summary="An alert of TradingView",
)
async def tradingview(request: Request, key: str) -> Response:
    """Take an alert in JSON by the template's names, or in flat text, whatever its content type says."""
    return await _post(request, "tradingview", key)


@router.post(
    "/text/{key}",
    status_code=202,
    openapi_extra=_body(text_plain="sell AAPL 100 @ 190.25"),
    summary="An alert in flat text",
)
async def text(request: Request, key: str) -> Response:
    """Take up to twenty lines, a signal each: all of them, or none."""
    return await _post(request, "text", key)


@router.post(
    "/template/{key}",
    status_code=202,
    openapi_extra=_body(application_json={"ticker": "AAPL", "direction": "long"}),
    summary="An alert in JSON of any shape",
)
async def template(request: Request, key: str) -> Response:
    """Take a JSON object, and read it by the template that is kept with the hook."""
    return await _post(request, "template", key)


@router.post("/{rest:path}", include_in_schema=False)
async def nothing(rest: str) -> Response:
    """Say that there is no such door. A redirect to one would have the key in it once more."""
    raise Refusal(404, "no_such_path", "path: is no hook's; /openapi.json lists them")


async def _post(request: Request, kind: str, key: str) -> Response:
    entrance: Entrance = request.app.state.entrance
    caller, headers = await entrance.let_in(request, kind, key)
    assert caller.hook is not None, "who is let in has one"
    (account,) = caller.accounts
    signals = decode(await body_of(request), caller.id, account, caller.hook, time.time_ns() // 1_000_000)
    is_known_again = all("signal_id" in signal for signal in signals)
    for signal in signals:  # without an id of its own each is another one, whatever came before
        signal.setdefault("signal_id", f"{id_prefix(caller.id, caller.hook)}{uuid.uuid4().hex}")
    await _send(request, signals, is_known_again=is_known_again)
    ids = [signal["signal_id"] for signal in signals]
    headers["Location"] = f"/v1/signals/{quote(ids[0], safe='')}?account={quote(account)}"
    return answer(request, {"account": account, "signal_ids": ids}, 202, headers)


async def _send(request: Request, signals: list[dict[str, Any]], *, is_known_again: bool) -> None:
    """Send them one after the other.

    Args:
        request: that asked for them.
        signals: with their ids.
        is_known_again: whether each has the same id when it is posted again.

    Raises:
        Refusal: 503 where nobody is sure, 507 where the server is full; `sent` are those that it has.
    """
    sent: list[str] = []
    try:
        async with asyncio.timeout(ANSWER_S):
            for signal in signals:
                await asking_of(request).submit(signal, 0)
                sent.append(signal["signal_id"])
    except TimeoutError:
        raise _unsure(signals, sent, is_known_again) from None
    except Refusal as refusal:
        if refusal.status == 503:
            raise _unsure(signals, sent, is_known_again) from None
        refusal.more["sent"] = sent
        raise


def _unsure(signals: list[dict[str, Any]], sent: list[str], is_known_again: bool) -> Refusal:
    name = signals[len(sent)]["signal_id"]
    advice = (
        "post it again"
        if is_known_again
        else "it has neither a time nor an id, so that posted again it is another order"
    )
    told = f"redis: did not answer in time; whether {name} was taken is not known: {advice}"
    return Refusal(503, "outcome_unknown", told, {"Retry-After": "1"}, signal_id=name, sent=sent)
