"""One request to a prediction API, with its time limits, its size limit and its retries.

Flows in: what the configuration says of a source. Flows out: the body of a good answer, or a sentence why there is
none. Never shows a header, a parameter or a body: they hold secrets. Never follows a redirect: headers with secrets
would go elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx

from fillstream.libs.common.process.settings.api_monitor import ApiSource

logger = logging.getLogger(__name__)

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may do better."""
LONGEST_DELAY_S = 60.0

Sleep = Callable[[float], Awaitable[None]]


class Failed(Exception):
    """No good answer; a sentence.

    Attributes:
        outcome: for metrics: `timeout`, `unreachable`, `unsendable`, `status`, `redirect`, `too_large`.
        may_do_better: whether the same request may.
        after_s: when the API wants to be asked again; None where it does not say.
    """

    def __init__(self, outcome: str, text: str, *, may_do_better: bool = True, after_s: float | None = None) -> None:
        super().__init__(text)
        self.outcome = outcome
        self.may_do_better = may_do_better
        self.after_s = after_s


def address(url: str) -> str:
    """Return a URL as it may be shown: without what stands behind its path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


async def ask(http: httpx.AsyncClient, source: ApiSource, sleep: Sleep = asyncio.sleep) -> bytes:
    """Return the body of an answer; a request that failed is sent again as the source says.

    Raises:
        Failed: none was good.
    """
    delay_s = source.backoff_ms / 1000
    for left in range(source.retries, -1, -1):
        try:
            return await _once(http, source)
        except Failed as failure:
            if not left or not failure.may_do_better:
                raise
            wait_s = min(LONGEST_DELAY_S, max(delay_s, failure.after_s or 0.0))
            logger.info("%s: %s; again in %.1f s", address(source.url), failure, wait_s)
        await sleep(wait_s)
        delay_s *= 2
    raise AssertionError("the last one returns or raises")


async def _once(http: httpx.AsyncClient, source: ApiSource) -> bytes:
    headers = {
        "accept": "application/json",
        **{name: value.get_secret_value() for name, value in source.headers.items()},
    }
    for name, file in source.header_files.items():
        try:
            headers[name] = (await asyncio.to_thread(file.read_text)).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Failed("unreadable", f"header_files.{name}: {file} cannot be read: {type(error).__name__}") from None
    params = {name: value.get_secret_value() for name, value in source.params.items()}
    try:
        request = http.build_request(
            source.method, source.url, params=params or None, headers=headers, json=source.body
        )
    except (httpx.InvalidURL, ValueError, TypeError) as error:  # its text may have what a header has
        text = f"url, headers or body cannot be sent: {type(error).__name__}"
        raise Failed("unsendable", text, may_do_better=False) from None
    try:
        async with asyncio.timeout(source.timeout_ms / 1000):
            response = await http.send(request, stream=True)
            try:
                return await _body(response, source.max_bytes)
            finally:
                await response.aclose()
    except (TimeoutError, httpx.TimeoutException):
        raise Failed("timeout", f"no whole answer in {source.timeout_ms} ms, timeout_ms") from None
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise Failed("unreachable", f"no answer: {type(error).__name__}") from None


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    status = response.status_code
    if response.is_redirect:
        raise Failed("redirect", f"answered {status}: a redirect is not followed; put where it leads into url",
                     may_do_better=False)  # fmt: skip
    if not response.is_success:
        again = status in AGAIN
        raise Failed("status", f"answered {status}", may_do_better=again, after_s=_after_s(response))
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > max_bytes:
            raise Failed("too_large", f"the answer is larger than {max_bytes} bytes, max_bytes", may_do_better=False)
    return bytes(body)


def _after_s(response: httpx.Response) -> float | None:
    """Return what `Retry-After` says in seconds; a date is left to the next poll."""
    said = response.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() and len(said) < 9 else None
