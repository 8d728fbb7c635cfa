"""What can be followed: rows, of which the latest counts, and messages, of which every one does.

Flows in: what a reader asks for. Flows out: `Subject`s: a topic with filters. Never sends anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.access import Caller
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.desk import Change, Desk
from fillstream.services.gateway.state.rows import Row

MOST_SHOWN: Final = 1_000
"""Rows of a snapshot that are done: the newest."""
FILTERS: Final = ("account", "symbol", "strategy", "type")

ANYBODYS: Final = frozenset(
    ("QuoteUpdated", "QuoteStale", "SessionChanged", "BandsChanged", "VenueDefined", "InstrumentDefined")
)
"""Events that are of no account. Others that name none, a rule, a control of the whole desk, may tell of any."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Something to follow.

    Attributes:
        name: of it; of rows the table's, as `Change.moved` has it.
        scope: that a key needs.
        also: other scopes that it needs.
        kinds: of streams that it comes from.
        rows: whether the latest of each row is enough; else every message counts.
        types: of messages that belong to it; empty of rows, and of all of a stream.
    """

    name: str
    scope: str
    kinds: tuple[str, ...]
    rows: bool = True
    types: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()


TOPICS: Final[Mapping[str, Topic]] = {
    each.name: each
    for each in (
        Topic("orders", "orders:read", ("events",)),
        Topic("lists", "orders:read", ("events",)),
        Topic("positions", "positions:read", ("positions",)),
        Topic("exits", "positions:read", ("positions",)),
        Topic("targets", "positions:read", ("positions",)),
        Topic("accounts", "accounts:read", ("positions",)),
        Topic("risk", "accounts:read", ("positions",)),
        Topic("trading_states", "controls:read", ("events",)),
        Topic("breakers", "controls:read", ("events",)),
        Topic("quotes", "market:read", ("events",)),
        Topic("sessions", "market:read", ("events",)),
        Topic("depth", "market:read", ("market",)),
        Topic(
            "events", "orders:read", ("events",), rows=False,
            also=("accounts:read", "controls:read", "market:read", "positions:read"),
        ),
        Topic("fills", "orders:read", ("events",), False, frozenset(("OrderFilled", "TradeBusted", "TradeCorrected"))),
        Topic("closed_positions", "positions:read", ("positions",), False, frozenset(("PositionClosed",))),
        Topic(
            "controls", "controls:read", ("events",), False,
            frozenset(("ControlApplied", "ControlRejected", "ControlReported")),
        ),
        Topic("trades", "market:read", ("market",), False, frozenset(("Trades",))),
        Topic("dead", "admin", ("dead",), False, frozenset(("DeadLetter",))),
    )
}  # fmt: skip
"""By name."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A topic, for whom and of what: who asks for the same is sent the same bytes.

    Attributes:
        topic: what is followed.
        filters: what a row or message has to say, by name.
        accounts: that the reader may see; empty for all.
    """

    topic: Topic
    filters: tuple[tuple[str, str], ...]
    accounts: frozenset[str]

    @property
    def channel(self) -> str:
        """What it is called: the topic, and the filters behind a `?`."""
        asked = "&".join(f"{name}={value}" for name, value in self.filters)
        return f"{self.topic.name}?{asked}" if asked else self.topic.name

    def wants(self, change: Change) -> bool:
        """Whether a change is of it."""
        topic = self.topic
        if topic.rows:
            return change.moved is not None and change.moved[0] == topic.name and self.fits(change.moved[2])
        if change.stream.partition(".")[0] not in topic.kinds:
            return False
        return (not topic.types or change.event["type"] in topic.types) and self.fits(change.event)

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row or a message is one that is asked for, and that the reader may see."""
        if self.accounts and not self._may_see(row):
            return False
        return all(row.get(name) == value for name, value in self.filters)

    def _may_see(self, row: Mapping[str, Any]) -> bool:
        account = row.get("account")
        if account is not None:
            return account in self.accounts
        if self.topic.rows:  # a market's, or the whole desk's: that it is halted is everybody's to know
            return self.topic.name == "trading_states" or "control_id" not in row
        return row["type"] in ANYBODYS or self.topic.kinds == ("market",)


def subject_of(said: Mapping[str, Any], caller: Caller, desk: Desk) -> Subject:
    """Return what a reader asks for.

    Raises:
        Refusal: there is no such topic, or not for this key.
    """
    topic = TOPICS.get(said.get("topic", "")) if isinstance(said.get("topic"), str) else None
    if topic is None:
        told = f"topic: {shorten(said.get('topic'))} must be one of {', '.join(TOPICS)}"
        raise Refusal(422, "unknown_topic", told)
    for scope in (topic.scope, *topic.also):
        caller.need(scope)
    if topic.name == "dead":
        caller.need_all_accounts()
    filters = []
    for name in FILTERS:
        value = said.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > 128:
            raise Refusal(422, "bad_value", f"{name}: {shorten(value)} must be text of at most 128 characters")
        if name == "account":
            value = desk.terms.account_of(value)
            caller.need_account(value)
        filters.append((name, value))
    return Subject(topic, tuple(filters), caller.accounts)


def snapshot_of(subject: Subject, desk: Desk) -> list[Row]:
    """Return the rows that a subject has now."""
    return [row for row in _rows(subject.topic.name, desk) if subject.fits(row)]


def _rows(name: str, desk: Desk) -> Iterable[Row]:
    positions, terms, markets = desk.positions, desk.terms, desk.markets
    match name:
        case "orders":
            every = [*desk.orders.newest_first()]
            done = islice((each for each in every if each.is_final), MOST_SHOWN)
            return [each.row for each in (*(each for each in every if not each.is_final), *done)]
        case "lists":
            return islice(reversed(desk.orders.lists.values()), MOST_SHOWN)
        case "positions":
            return positions.open.values()
        case "exits" | "targets":
            table = positions.exits if name == "exits" else positions.targets
            return islice(reversed(table.values()), MOST_SHOWN)
        case "accounts":
            return positions.accounts.values()
        case "risk":
            return positions.risk.values()
        case "trading_states":
            return terms.states.values()
        case "breakers":
            return terms.breakers.values()
        case "quotes":
            return markets.quotes.values()
        case "sessions":
            return markets.sessions.values()
        case "depth":
            return markets.depth.values()
    raise AssertionError(f"{name} is no topic of rows")
