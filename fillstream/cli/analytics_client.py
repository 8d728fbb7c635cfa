"""Questions to analytics over HTTP.

Flows in: SQL, or the name of a page. Flows out: rows as plain dicts, decimals as analytics wrote them, and what may be
missing. Never retries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

import httpx

from fillstream.cli.exit_codes import Exit, Stop
from fillstream.tools.render import printable

TIMEOUT_S = 60.0

Parameter = str | int | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Found:
    """What analytics answered.

    Attributes:
        columns: names, no two alike, and DuckDB types, in order.
        rows: by the columns' names.
        truncated: whether there are more rows.
        incomplete: a sentence for each stream of which analytics has not seen everything.
    """

    columns: list[dict[str, str]]
    rows: list[dict[str, Any]]
    truncated: bool
    incomplete: list[str]

    def json(self) -> dict[str, Any]:
        """Return it as every command with --json prints it."""
        return asdict(self)


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

    def find(self, path: str, params: Mapping[str, Parameter] | None = None) -> Found:
        """Return what a page has: `/orders`, `/fills`, `/positions`, `/orders/{id}`.

        Args:
            path: the page.
            params: what to filter by; several values of one are alternatives, None and none of them filter nothing.

        Raises:
            Stop: analytics refused, or knows no such thing.
            httpx.TransportError: it does not answer.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        return _found(self._answer(self._http.get(path, params=given)))

    def sql(self, text: str, limit: int) -> Found:
        """Return what a query found. Raises as `find`."""
        return _found(self._answer(self._http.post("/query", json={"sql": text, "limit": limit})))

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
        incomplete = body.get("incomplete", ()) if isinstance(body, dict) else ()
        text = "\n".join((text.strip(), *(f"incomplete: {printable(str(each))}" for each in incomplete)))
        raise Stop(code, text.strip() or f"analytics answered {response.status_code}")


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _found(answer: Mapping[str, Any]) -> Found:
    columns = [dict(column) for column in answer["columns"]]
    seen: dict[str, int] = {}
    for column in columns:
        name = column["name"]
        seen[name] = seen.get(name, 0) + 1
        while seen[name] > 1 and f"{name}_{seen[name]}" in seen:
            seen[name] += 1
        if seen[name] > 1:
            column["name"] = f"{name}_{seen[name]}"
            seen[column["name"]] = 1
    names = [column["name"] for column in columns]
    rows = [dict(zip(names, row, strict=True)) for row in answer["rows"]]
    # An analytics of 0.1.0 does not tell.
    return Found(columns, rows, bool(answer["truncated"]), list(answer.get("incomplete", ())))
