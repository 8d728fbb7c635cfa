"""Questions to analytics over HTTP, and where it answers.

Flows in: SQL, or the name of a page, and responses. Flows out: requests; rows as plain dicts, decimals as analytics
wrote them, and what may be missing. Never sends anything itself, and never retries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fillstream.client.scripts import Commands, Http, Script
from fillstream.libs.common.messages.topology import Topology

ANALYTICS = "analytics"
TIMEOUT_S = 60.0
Parameter = str | int | Sequence[str] | None
NOT_FOUND = 404


class AnalyticsError(Exception):
    """Analytics did not answer, or refused; a sentence.

    Attributes:
        status: of the HTTP response, None where there was none.
        incomplete: a sentence for each stream of which analytics has not seen everything.
    """

    def __init__(self, text: str, status: int | None = None, incomplete: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.incomplete = list(incomplete)


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


def page(url: str, path: str, params: Mapping[str, Parameter] | None = None) -> Http:
    """Return the request for what a page has: `/orders`, `/fills`, `/positions`, `/orders/{id}`.

    Args:
        url: where analytics answers.
        path: the page.
        params: what to filter by; several values of one are alternatives, None and none of them filter nothing.
    """
    return Http("GET", f"{url}{path}", {name: value for name, value in (params or {}).items() if value is not None})


def query(url: str, text: str, limit: int) -> Http:
    """Return the request for what a query finds."""
    return Http("POST", f"{url}/query", json={"sql": text, "limit": limit})


def answered(response: Any) -> Found:
    """Return what a response says.

    Raises:
        AnalyticsError: analytics refused, or knows no such thing.
    """
    try:
        body = response.json()
    except ValueError:
        body = {}
    if response.is_success and isinstance(body, dict):
        return found(body)
    said = body if isinstance(body, dict) else {}
    text = str(said.get("error") or said.get("detail") or response.text).strip()
    text = text or f"analytics answered {response.status_code}"
    raise AnalyticsError(text, response.status_code, [str(each) for each in said.get("incomplete", ())])


def found(answer: Mapping[str, Any]) -> Found:
    """Return an answer's rows by names of which no two are alike."""
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


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def address_of(told: Mapping[str, str]) -> str | None:
    """Return where a process serves HTTP, from what it told of itself; None when it told nothing."""
    if told.get("url"):
        return told["url"]
    if not told.get("host") or not told.get("port"):
        return None
    host = "127.0.0.1" if told["host"] in ("0.0.0.0", "::", "localhost") else told["host"]  # noqa: S104 - shown, not bound
    return f"http://{host}:{told['port']}"


class Asking:
    """The scripts that ask analytics.

    Args:
        topology: the desk's.
        url: where it answers; None for where it has told the desk's Redis that it does.
    """

    def __init__(self, topology: Topology, url: str | None) -> None:
        self._topology = topology
        self._url = url.rstrip("/") if url else None

    def url(self) -> Script[str]:
        """Return where analytics answers. It is looked up each time: it may have moved.

        Raises:
            AnalyticsError: nobody knows.
        """
        if self._url is not None:
            return self._url
        [told] = yield Commands([("HGETALL", self._topology.status(ANALYTICS))])
        url = address_of({name.decode(): value.decode() for name, value in told.items()})
        if url is None:
            raise AnalyticsError("no analytics has told this desk where it answers: is it up? analytics_url= names one")
        return url

    def find(self, path: str, params: Mapping[str, Parameter] | None = None) -> Script[Found]:
        """Return what a page has; see `page`.

        Raises:
            AnalyticsError: analytics does not answer, refused, or knows no such thing.
        """
        url = yield from self.url()
        return answered((yield page(url, path, params)))

    def sql(self, text: str, limit: int) -> Script[Found]:
        """Return what a query finds. Raises as `find`."""
        url = yield from self.url()
        return answered((yield query(url, text, limit)))
