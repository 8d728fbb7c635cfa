"""What the desk goes by: instruments, venues, accounts and their limits, trading states, breakers, controls.

Flows in: decoded events of the journal. Flows out: rows. Never says what a limit allows: the orders stage does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from fillstream.services.gateway.state.rows import Moved, Row, row_of

CONTROLS_KEPT: Final = 1_000
DESK: Final = ""
"""Stands for the whole desk where an account is named."""
ACTIVE, REDUCING, HALTED = "ACTIVE", "REDUCING", "HALTED"
STRICTNESS: Final = {ACTIVE: 0, REDUCING: 1, HALTED: 2}
BY_NAME: Final = {
    "InstrumentDefined": ("instruments", "symbol"),
    "VenueDefined": ("venues", "venue"),
    "AccountDefined": ("accounts", "account"),
    "RuleDefined": ("rules", "rule_id"),
}
"""Definitions, the table of each and what its rows go by."""
CONTROLS: Final = ("ControlApplied", "ControlRejected", "ControlReported")


class Terms:
    """Definitions and states.

    Attributes:
        instruments, venues, accounts, rules: as defined last, overrides included.
        aliases: the account that each alias points to.
        states: the trading state by account, `DESK` for the whole desk's own.
        breakers: by scope, account and name.
        controls: answers to controls, the oldest first.
        reconciled: by venue and partition, how its last comparison went.
    """

    __slots__ = (
        "accounts",
        "aliases",
        "breakers",
        "controls",
        "instruments",
        "reconciled",
        "rules",
        "states",
        "venues",
    )

    def __init__(self) -> None:
        self.instruments: dict[str, Row] = {}
        self.venues: dict[str, Row] = {}
        self.accounts: dict[str, Row] = {}
        self.rules: dict[str, Row] = {}
        self.aliases: dict[str, str] = {}
        self.states: dict[str, Row] = {}
        self.breakers: dict[str, Row] = {}
        self.reconciled: dict[str, Row] = {}
        self.controls: deque[Row] = deque(maxlen=CONTROLS_KEPT)

    def fold(self, event: Mapping[str, Any]) -> Moved | None:
        """Take over an event; return which table's row it is, that row's key and the row; None where it has none."""
        kind = event["type"]
        if kind in BY_NAME:
            table, name = BY_NAME[kind]
            return self._put(table, getattr(self, table), event[name], event)
        match kind:
            case "AliasDefined" if event["account"] is None:
                self.aliases.pop(event["alias"], None)
            case "AliasDefined":
                self.aliases[event["alias"]] = event["account"]
            case "TradingStateChanged":
                return self._put("trading_states", self.states, event.get("account") or DESK, event)
            case "BreakerChanged":
                key = f"{event['scope']} {event.get('account') or DESK} {event['name']}"
                return self._put("breakers", self.breakers, key, event)
            case "VenueReconciled":
                key = f"{event['venue']} {event['symbol_partition']}"
                return self._put("reconciled", self.reconciled, key, event)
        if kind in CONTROLS:
            row = row_of(event)
            self.controls.append(row)
            return "controls", event["control_id"], row
        return None

    def account_of(self, name: str) -> str:
        """Return the account that a name means: an alias's, or its own."""
        return self.aliases.get(name, name)

    def trading_state(self, account: str) -> str:
        """Return whether an account may trade: the stricter of its own state and the desk's."""
        said = [self.states[each]["new_state"] for each in (DESK, account) if each in self.states]
        return max(said, key=lambda each: STRICTNESS.get(each, 0), default=ACTIVE)

    @staticmethod
    def _put(name: str, table: dict[str, Row], key: str, event: Mapping[str, Any]) -> Moved:
        row = row_of(event)
        table[key] = row
        return name, key, row

    def dump(self) -> dict[str, Any]:
        """Return all of it by names."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "controls": [*self.controls]}

    def load(self, record: Mapping[str, Any]) -> None:
        """Take over what `dump` returned."""
        for name in self.__slots__:
            value = record[name]
            setattr(self, name, deque(value, maxlen=CONTROLS_KEPT) if name == "controls" else dict(value))
