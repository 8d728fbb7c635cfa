"""The protections of a partition: what there is, who waits for an answer, and what the market is watched for.

Flows in: protections to keep. Flows out: the same, to be found and written down. Never decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from fillstream.libs.common.values.versions import Document, check_names
from fillstream.services.position_service.exits.protection import (
    Place,
    Protection,
    dump_protection,
    load_protection,
)
from fillstream.services.position_service.exits.watch import Watch

Watches = tuple[Watch, Watch]
"""Of the longs and of the shorts of an instrument."""


class Asked(NamedTuple):
    """What the orders stage was asked for as an account's own exit of a position, and has not answered yet."""

    account: str
    symbol: str
    position_id: str
    protection_id: str


@dataclass(slots=True)
class Kept:
    """All protections of a partition.

    Attributes:
        made: how many there ever were.
        all: by number.
        of: those of each position, by protection_id, the oldest first.
        several: by account and symbol the position_ids of `of`, of accounts that hedge.
        sent: which waits for what becomes of an order, by its client_order_id.
        asked: accounts' own exits that the orders stage is to take, by the signal_id that asked for each.
        unranged: by symbol the numbers of those whose trailing stops wait for an average true range.
        watches: by symbol; they follow from the protections, but for the best marks of trailing stops.
    """

    made: int = 0
    all: dict[int, Protection] = field(default_factory=dict)
    of: dict[Place, dict[str, Protection]] = field(default_factory=dict)
    several: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    sent: dict[str, Protection] = field(default_factory=dict)
    watches: dict[str, Watches] = field(default_factory=dict)
    unranged: dict[str, dict[int, None]] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)

    def add(self, protection: Protection) -> None:
        """Keep one."""
        self.all[protection.id] = protection
        self.of.setdefault(protection.place, {})[protection.protection_id] = protection
        if protection.hedged:
            self.several.setdefault(protection.place[:2], {})[protection.position_id] = None
        if protection.trail_ranges is not None:
            self.unranged.setdefault(protection.symbol, {})[protection.id] = None
        fired = protection.fired
        if fired is not None and fired.client_order_id is not None:
            self.sent[fired.client_order_id] = protection

    def drop(self, protection: Protection) -> None:
        """Keep one no more."""
        del self.all[protection.id]
        self.range_is_settled(protection)
        place = protection.place
        del self.of[place][protection.protection_id]
        if not self.of[place]:
            del self.of[place]
            if protection.hedged:
                del self.several[place[:2]][protection.position_id]
        fired = protection.fired
        if fired is not None:
            self.sent.pop(fired.client_order_id or "", None)

    def all_of(self, account: str, symbol: str, position_id: str | None = None) -> list[Protection]:
        """Return what protects all that an account has in an instrument, or the one position that is named."""
        names = (position_id,) if position_id is not None else (None, *self.several.get((account, symbol), ()))
        return [each for name in names for each in self.of.get((account, symbol, name), {}).values()]

    def forget_asked(
        self, account: str, symbol: str, protection_id: str | None = None, position_id: str | None = None
    ) -> None:
        """Wait no more for what was asked for of a position, or for one of these: somebody else has spoken.

        Args:
            account, symbol: whose.
            protection_id: of which alone; None: of all.
            position_id: of which position alone, of an account that hedges.
        """
        for name, asked in [*self.asked.items()]:
            if (
                asked[:2] == (account, symbol)
                and protection_id in (None, asked.protection_id)
                and position_id in (None, asked.position_id)
            ):
                del self.asked[name]

    def range_is_settled(self, protection: Protection) -> None:
        """Take note that one waits for no true range any more."""
        waiting = self.unranged.get(protection.symbol, {})
        waiting.pop(protection.id, None)
        if not waiting:
            self.unranged.pop(protection.symbol, None)

    @property
    def failing(self) -> int:
        """How many could not close what they were to, and nobody else does; each is to try again."""
        fired = (each.fired for each in self.all.values())
        return sum(each is not None and each.failed > 0 and not each.idle for each in fired)

    def watch(self, symbol: str, long: bool) -> Watch:
        """Return what waits for the mark of an instrument's longs or shorts."""
        found = self.watches.get(symbol)
        if found is None:
            found = self.watches[symbol] = Watch(long=True), Watch(long=False)
        return found[0 if long else 1]

    def best_of(self, protection: Protection) -> int | None:
        """Return the best mark (ticks) that a protection's trailing stop has seen."""
        for watch in self.watches.get(protection.symbol, ()):
            seen = watch.trailing(protection.id)
            if seen is not None:
                return seen[0]
        return None

    def reason_of(self, client_order_id: str | None) -> str | None:
        """Return why the order of that name closes a position, None of one that no protection sent."""
        protection = self.sent.get(client_order_id or "")
        return None if protection is None or protection.fired is None else protection.fired.reason


_NAMES: Final = ("made", "protections")


def dump_kept(kept: Kept) -> Document:
    """Return all of it that does not follow from the rest."""
    record: Document = {"made": kept.made}
    record["protections"] = [dump_protection(each, kept.best_of(each)) for each in kept.all.values()]
    if kept.asked:
        record["asked"] = {name: [*asked] for name, asked in kept.asked.items()}
    return record


def load_kept(record: Document) -> Kept:
    """Return what `dump_kept` wrote; what the market is watched for is the caller's to set up.

    Raises:
        Unreadable: a name that this release does not know.
    """
    check_names("exits", record, (*_NAMES, "asked"), _NAMES)
    kept = Kept(record["made"])
    kept.asked = {name: Asked(*asked) for name, asked in record.get("asked", {}).items()}
    for each in record["protections"]:
        kept.add(load_protection(each))
    return kept
