"""Positions, exits, targets, what accounts are worth and risk, as the positions stage told them last.

Flows in: decoded messages of `positions.{a}`. Flows out: rows, by the names that the stream has. Never counts anything
itself: profit and loss are the positions stage's.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any, Final

from fillstream.services.gateway.state.rows import Moved, Row, row_of

KEPT: Final = 10_000
"""Positions that ended, targets and exits that are done: the newest."""
Table = OrderedDict[str, Row]


class Positions:
    """What `positions.{a}` said last of each thing.

    Attributes:
        open: positions, flat ones included, by account, symbol, and of accounts that hedge the position's name.
        closed: positions that ended, the oldest first.
        exits, targets: by account and their own names.
        accounts: what each is worth.
        risk: limits on a portfolio's risk, by account and limit.
        rules: what became of the desk's rules last.
    """

    __slots__ = ("accounts", "closed", "exits", "open", "risk", "rules", "targets")

    def __init__(self) -> None:
        self.open: Table = OrderedDict()
        self.closed: deque[Row] = deque(maxlen=KEPT)
        self.exits: Table = OrderedDict()
        self.targets: Table = OrderedDict()
        self.accounts: Table = OrderedDict()
        self.risk: Table = OrderedDict()
        self.rules: Table = OrderedDict()

    def fold(self, event: Mapping[str, Any]) -> Moved | None:
        """Take over a message; return which table's row it is, that row's key and the row; None where it has none."""
        kind = event["type"]
        if kind in ("PositionChanged", "PositionMarked", "PositionAdjusted"):
            return self._put("positions", self.open, position_key(event), event)
        account = event.get("account")
        match kind:
            case "PositionClosed":
                row = row_of(event)
                self.closed.append(row)
                return "closed_positions", f"{account} {event['symbol']} {event.get('position_id')}", row
            case "ExitChanged":
                key = f"{account} {event['symbol']} {event.get('position_id')} {event['protection_id']}"
                return self._put("exits", self.exits, key, event, KEPT)
            case "TargetChanged":
                key = f"{account} {event['symbol']} {event['signal_id']}"
                return self._put("targets", self.targets, key, event, KEPT)
            case "AccountMarked":
                return self._put("accounts", self.accounts, str(account), event)
            case "RiskChanged":
                return self._put("risk", self.risk, f"{account} {event['limit']}", event)
            case "RuleReported":
                return self._put("rules", self.rules, event["rule_id"], event)
        return None

    @staticmethod
    def _put(name: str, table: Table, key: str, event: Mapping[str, Any], most: int | None = None) -> Moved:
        row = row_of(event)
        table[key] = row
        if most is not None and len(table) > most:
            table.popitem(last=False)
        return name, key, row

    def dump(self) -> dict[str, Any]:
        """Return all of it by names."""
        tables = {name: [*getattr(self, name).items()] for name in self.__slots__ if name != "closed"}
        return {**tables, "closed": [*self.closed]}

    def load(self, record: Mapping[str, Any]) -> None:
        """Take over what `dump` returned."""
        for name in self.__slots__:
            if name == "closed":
                self.closed = deque(record["closed"], maxlen=KEPT)
            else:
                setattr(self, name, OrderedDict((key, row) for key, row in record[name]))


def position_key(event: Mapping[str, Any]) -> str:
    """Return what a position goes by: account and symbol, and its name where the account hedges."""
    hedged = event.get("position_id") if event.get("position_mode") else None
    return f"{event['account']} {event['symbol']}" + (f" {hedged}" if hedged else "")
