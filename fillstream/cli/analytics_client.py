"""Questions to analytics over HTTP, as commands ask them: what is refused ends the command.

Flows in: SQL, or the name of a page. Flows out: rows as plain dicts, decimals as analytics wrote them, and what may be
missing. Never retries.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

import httpx

from fillstream.cli.exit_codes import Exit, Stop
from fillstream.client.analytics import (
    TIMEOUT_S,
    AnalyticsError,
    Found,
    Parameter,
    answered,
    page,
    query,
    quoted,
)
from fillstream.client.gateway.wire import Wire
from fillstream.client.scripts import Http
from fillstream.tools.render import printable

__all__ = ["AnalyticsClient", "Found", "Parameter", "quoted"]


class AnalyticsClient:
    """A connection to analytics.

    Args:
        url: where it answers, `http://host:port`.
        wire: to the gateway through which it is asked; None to ask it itself.
    """

    def __init__(self, url: str, wire: Wire | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = wire or httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> AnalyticsClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def find(self, path: str, params: Mapping[str, Parameter] | None = None) -> Found:
        """Return what a page has: `/orders`, `/fills`, `/positions`, `/orders/{id}`.

        Args:
            path: the page.
            params: what to filter by; several values of one are alternatives, None and none of them filter nothing.

        Raises:
            Stop: analytics refused, or knows no such thing.
            httpx.TransportError: it does not answer.
        """
        return self._answer(page(self._url, path, params))

    def sql(self, text: str, limit: int) -> Found:
        """Return what a query found. Raises as `find`."""
        return self._answer(query(self._url, text, limit))

    def _answer(self, asked: Http) -> Found:
        response = self._http.request(asked.method, asked.url, params=dict(asked.params), json=asked.json)
        try:
            return answered(response)
        except AnalyticsError as error:
            code = Exit.NOT_FOUND if error.status == httpx.codes.NOT_FOUND else Exit.NO
            text = "\n".join((str(error), *(f"incomplete: {printable(each)}" for each in error.incomplete)))
            raise Stop(code, text) from None
