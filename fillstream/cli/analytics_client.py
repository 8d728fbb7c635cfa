"""Questions to analytics over HTTP.

Flows in: SQL, or the name of a page. Flows out: rows as plain dicts, decimals as analytics wrote them. Never retries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx

from fillstream.cli.exit_codes import Exit, Stop

TIMEOUT_S = 60.0

Parameter = str | int | Sequence[str] | None


class AnalyticsClient:
    """A connection to analytics.

    Args:
        url: where it answers, `http://host:port`.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)

    def __enter__(self) -> AnalyticsClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def rows(
        self, path: str, params: Mapping[str, str | int | Sequence[str] | None] | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a page: `/orders`, `/fills`, `/positions`, `/orders/{id}`.

        Args:
            path: the page.
            params: what to filter by; several values of one are alternatives, None and none of them filter nothing.

        Raises:
            Stop: analytics refused, or knows no such thing.
            httpx.TransportError: it does not answer.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        answer = self._answer(self._http.get(path, params=given))
        names = [column["name"] for column in answer["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer["rows"]]

    def sql(self, text: str, limit: int) -> dict[str, Any]:
        """Return `columns` (name, type), `rows` (lists) and `truncated` of a query.

        Raises: as `rows`.
        """
        return self._answer(self._http.post("/query", json={"sql": text, "limit": limit}))

    @staticmethod
    def _answer(response: httpx.Response) -> dict[str, Any]:
        try:
            body = response.json()
        except ValueError:
            body = {}
        if response.is_success and isinstance(body, dict):
            return body
        text = (
            str(body.get("error") or body.get("detail") or response.text) if isinstance(body, dict) else response.text
        )
        code = Exit.NOT_FOUND if response.status_code == httpx.codes.NOT_FOUND else Exit.NO
        raise Stop(code, text.strip() or f"analytics answered {response.status_code}")
