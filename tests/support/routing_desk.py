"""A desk with several simulated venues: each has a book of its own, rejects what it is told to, and may fall short.

Flows in: signals, quotes by venue. Flows out: the journal; what went where. What is outstanding is counted a second
time here, from the journal alone, event by event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.simulation import IDEAL, SimulationConfig
from fillstream.services.order_service.orders.config import DeskConfig
from tests.support.family_desk import FAMILY_CONFIG, FamilyDesk
from tests.support.orders import FINAL
from tests.support.terms import but

D = Decimal
VENUES = {"SIM": VenueTerms(), "SIM2": VenueTerms(taker_fee_bps=D(1), maker_fee_bps=D("0.5")), "SIM3": VenueTerms()}
"""SIM2 charges a basis point, which is more than a tick at 185."""
REJECTS = SimulationConfig(reject_rate=D(1))


def routing_config(venues: int = 2, **changes: Any) -> DeskConfig:
    """Return a desk's configuration with so many venues."""
    return but(FAMILY_CONFIG, venues=dict([*VENUES.items()][:venues]), **changes)


class RoutingDesk(FamilyDesk):
    """See the module."""

    def __init__(self, venues: int = 2, config: DeskConfig | None = None) -> None:
        super().__init__(config or routing_config(venues))

    def quotes(self, **of: tuple[int, int, int]) -> None:
        """Let the feed quote: by venue bid, ask (ticks) and how many lots."""
        for venue, (bid, ask, lots) in of.items():
            self.quote(bid, ask, lots, venue=venue)

    def loses(self, venue: str, bid: int, ask: int, lots: int) -> None:
        """Let a venue's book change without the desk hearing of it yet."""
        self._execute(frames.quote(1, bid=bid, bid_qty=lots, ask=ask, ask_qty=lots), venue)

    def rejects(self, venue: str, does: bool = True) -> None:
        """Let a venue reject every order from now on, or none any more."""
        self._execute_entry({b"config": (REJECTS if does else IDEAL).to_json()}, venue)

    def routed(self, **fields: Any) -> list[dict[str, Any]]:
        """Send an order that is routed; BEST_PRICE unless something else is said."""
        said = {"symbol": "AAPL", "side": "BUY", "quantity": "500", "price": "185.05", "routing": "BEST_PRICE"}
        told = self.signal(client_order_id="p", **{name: v for name, v in (said | fields).items() if v is not None})
        self.check()
        return told

    def filled(self, side: str = "BUY") -> dict[str, int]:
        """Return what was filled by venue."""
        found: dict[str, int] = defaultdict(int)
        for event in self.desk.events:
            if event["type"] == "OrderFilled" and event["side"] == side:
                found[event["venue"]] += int(event["last_qty"])
        return dict(found)

    def sent(self, parent: str = "p") -> list[tuple[str, int, str]]:
        """Return each child that a parent made: venue, lots, time in force."""
        made = str(self.order(parent).order_id)
        return [
            (self.state.orders[int(e["order_id"])].venue, int(e["quantity"]), e["time_in_force"])
            for e in self.desk.events
            if e["type"] == "OrderReceived" and e.get("parent_id") == made
        ]

    def rests_at(self, venue: str) -> dict[int, int]:
        """Return what children have at a venue that has acknowledged them: lots by price (ticks)."""
        found: dict[int, int] = defaultdict(int)
        for order in self.state.live():
            if order.links is not None and order.venue == venue and order.status not in FINAL and order.acknowledged:
                found[order.price] += order.leaves
        return dict(found)

    def check(self) -> None:
        super().check()
        check_outstanding(self.desk.events)


def check_outstanding(events: Iterable[dict[str, Any]]) -> None:
    """Check at each event of a journal that a parent's children have no more than it has left, and fill it alone."""
    parents: dict[str, Decimal] = {}
    open_lots: dict[str, dict[str, Decimal]] = defaultdict(dict)
    done: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for event in events:
        order_id, parent = str(event.get("order_id")), str(event.get("parent_id", ""))
        if event["type"] in ("OrderReceived", "OrderReplaced") and not parent:
            parents[order_id] = D(event["quantity"])
        if event["type"] == "OrderProgressed":
            assert D(event["cum_qty"]) == sum(done[order_id].values(), D(0)), event
        if not parent or event.get("cum_qty") is None:
            continue
        done[parent][order_id] = D(event["cum_qty"])
        ended = event["ord_status"] in FINAL
        open_lots[parent][order_id] = D(0) if ended else D(event["quantity"]) - D(event["cum_qty"])
        out = sum((*open_lots[parent].values(), *done[parent].values()), D(0))
        assert out <= parents[parent], f"{out} of {parents[parent]} after {event}"
