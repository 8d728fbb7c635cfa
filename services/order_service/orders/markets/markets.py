"""Which markets orders need more of than the top, and how these stand.

Flows in: needs, by the orders that have them; venues' reports. Flows out: a subscription with a market's first need and
its end with the last one; how a market stands; whoever listens hears that a report came. A desk where no order needs
this pays nothing. Never decides about an order.

    watch(order) ──▶ first need ──▶ SubscribeMarket          MarketReport ──▶ of(venue, instrument), on_report
    unwatch(order) ──▶ last need ──▶ UnsubscribeMarket       last_report ──▶ none is on its way any more

Until the venue has answered the end of a subscription, reports that were on their way are nobody's mistake: they are
left out. Any other report that nobody asked for is refused, and so is one that breaks what a report promises. A
volume that went back is not believed either, and nothing is known of the market then until the next report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from fillstream.libs.common.messages.market_report import MarketReport
from fillstream.libs.common.values.naming import shorten
from fillstream.libs.common.values.versions import Document, check_names
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.life.parts import Refusal
from fillstream.services.order_service.orders.markets.market import Market, market_of

_NAMES: Final = ("venue", "symbol", "needs", "ending", "market")
_NOBODY: Final[Collection[int]] = ()

Key = tuple[str, int]
"""A venue and an instrument's number."""


def _nowhere(terms: Terms, subscribe: bool) -> None:
    raise AssertionError("nobody sends subscriptions of this state")


class Watched:
    """A market that orders need, or needed until now.

    Attributes:
        terms: of the instrument at the venue.
        needs: ids of the orders that need it, in the order in which they came to.
        ending: subscriptions that were ended and whose end the venue has not answered yet.
        market: how it stands; None until a report comes, and once nobody needs it.
    """

    __slots__ = ("ending", "market", "needs", "terms")

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.needs: dict[int, None] = {}
        self.ending = 0
        self.market: Market | None = None


class Markets:
    """All of them in a partition.

    Args:
        terms: of every instrument, by venue and symbol; what is defined later appears there.

    Attributes:
        send: sends a subscription to the instrument's venue, or with False its end; set by whoever writes commands.
        on_report: hears of each report that was believed, in this order; not part of the state.
    """

    def __init__(self, terms: Mapping[str, Mapping[str, Terms]]) -> None:
        self.send: Callable[[Terms, bool], None] = _nowhere
        self.on_report: list[Callable[[Market], None]] = []
        self._terms = terms
        self._watched: dict[Key, Watched] = {}
        self._of_order: dict[int, dict[Key, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._watched)

    # ------------------------------------------------------------------ needs

    def watch(self, order_id: int, venue: str, symbol: str) -> None:
        """Let an order need a market. Once more changes nothing; an order may need several."""
        terms = self._terms[venue][symbol]
        key = venue, terms.id
        watched = self._watched.get(key)
        if watched is None:
            watched = self._watched[key] = Watched(terms)
        if order_id in watched.needs:
            return
        watched.needs[order_id] = None
        self._of_order.setdefault(order_id, {})[key] = None
        if len(watched.needs) == 1:
            self.send(terms, True)

    def unwatch(self, order_id: int) -> None:
        """Let an order need no market any more; one that needs none is no error."""
        for key in sorted(self._of_order.pop(order_id, ())):
            watched = self._watched[key]
            del watched.needs[order_id]
            if not watched.needs:
                watched.ending += 1
                watched.market = None
                self.send(watched.terms, False)

    def again(self, venue: str) -> None:
        """Subscribe once more to what is needed at a venue that was defined anew: it may be another one now."""
        for (name, _), watched in sorted(self._watched.items()):
            if name == venue:
                watched.terms = self._terms[venue][watched.terms.symbol]
                if watched.needs:
                    self.send(watched.terms, True)

    def needed_by(self, venue: str, instrument: int) -> Iterator[int]:
        """Yield the ids of the orders that need a market, in the order in which they came to."""
        watched = self._watched.get((venue, instrument))
        return iter(_NOBODY if watched is None else watched.needs)

    def of(self, venue: str, instrument: int) -> Market | None:
        """Return how a market stands; None where nobody needs it, or no report has come yet."""
        watched = self._watched.get((venue, instrument))
        return None if watched is None else watched.market

    # ---------------------------------------------------------------- reports

    def take(self, report: MarketReport, ms: int) -> Refusal | None:
        """Take a report that came at `ms`; return why it is not believed.

        Nothing has changed then, but that of a volume that went back nothing is known any more.
        """
        watched = self._asked(report)
        if isinstance(watched, Refusal):
            return watched
        if report.last_report:
            watched.ending -= 1
        if watched.needs:
            return self._believe(watched, report, ms)
        if not watched.ending:
            del self._watched[report.venue, watched.terms.id]
        return None

    def _asked(self, report: MarketReport) -> Watched | Refusal:
        """Return what a report is about, if that was asked for."""
        at_venue = self._terms.get(report.venue)
        if at_venue is None:
            known = ", ".join(self._terms)
            text = f"venue: {shorten(report.venue)} must be a venue of this desk, one of {known}"
            return Refusal("unknown_venue", text)
        terms = at_venue.get(report.symbol)
        if terms is None:
            return Refusal("unknown_symbol", f"symbol: {shorten(report.symbol)} is no instrument of this desk")
        watched = self._watched.get((report.venue, terms.id))
        if watched is None:
            text = f"symbol: nobody here asked {report.venue} for reports of {report.symbol}"
            return Refusal("unasked_report", text)
        if report.last_report and not watched.ending:
            text = f"last_report: the subscription to {report.symbol} at {report.venue} was not ended"
            return Refusal("unasked_report", text)
        return watched

    def _believe(self, watched: Watched, report: MarketReport, ms: int) -> Refusal | None:
        before = watched.market
        if before is not None and report.volume < before.volume:
            watched.market = None
            what = f"{report.volume} lots of {report.symbol} at {report.venue}"
            return Refusal("volume_went_back", f"volume: {what} must be at least the {before.volume} of before")
        market = watched.market = market_of(report, ms, ms if before is None else before.counts_from_ms)
        for hear in self.on_report:
            hear(market)
        return None

    # --------------------------------------------------------------- snapshot

    def dump(self) -> list[Document]:
        """Return what is needed and known, in the order of venues and the instruments' numbers."""
        return [
            {
                "venue": venue,
                "symbol": each.terms.symbol,
                "needs": [*each.needs],
                "ending": each.ending,
                "market": None if each.market is None else each.market.dump(),
            }
            for (venue, _), each in sorted(self._watched.items())
        ]

    def load(self, documents: list[Document]) -> None:
        """Put back what `dump` wrote; the instruments are defined already.

        Raises:
            Unreadable: a name that this release does not know, or one is missing.
        """
        for each in documents:
            check_names("Watched", each, _NAMES, _NAMES)
            terms = self._terms[each["venue"]][each["symbol"]]
            key = each["venue"], terms.id
            watched = self._watched[key] = Watched(terms)
            watched.ending = each["ending"]
            watched.market = None if each["market"] is None else Market.load(each["market"])
            for order_id in each["needs"]:
                watched.needs[order_id] = None
                self._of_order.setdefault(order_id, {})[key] = None
