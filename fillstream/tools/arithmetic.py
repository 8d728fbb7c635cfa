"""The arithmetic of the journal and of the positions, done again with nothing but what they say.

Flows in: the events of every journal, then the messages of every positions stream, each stream in its order. Flows out:
problems, each a sentence. Never uses a service's code: an error in a service's arithmetic must not be repeated here.

What is done again:
- each event of an order: whose it is stays, cum_qty is the sum of its fills so far, leaves_qty what is left by its
  state, avg_px the mean of its fills, its quantity only an amendment's or the venue's to change;
- each bust and each correction names a fill, takes back what that was, and is booked as such: a trade the other way;
- each fee: the size of the traded value times the basis points of its liquidity, the venue's where it has its own,
  half to even to 8 decimals; or the commission that the venue said, 0 beside one in another currency;
- each split: a position's quantity by its ratio, its mean price the other way round, and nothing else;
- each change of symbol: nothing is left under the old one, and all of it goes on under the new one;
- each message of a position: the sums of its trades, fees and cash; the cost by the account's method; realized and
  unrealized P&L against cash, cost and mark; and each position that ended: `naive_position`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.tools.naive_position import NONE, Leg, NaivePosition

Event = dict[str, Any]

WORKING = {"PendingNew", "New", "PartiallyFilled", "PendingCancel", "PendingReplace", "Stopped"}
"""At a venue, or on the way to it."""
OPEN = WORKING | {"Suspended"}
"""And those that the desk or the venue holds: they have leaves, too."""
UNCHANGED = ("OrderStatusReported", "OrderUnanswered")
"""What tells a state, and changes none."""
STATUS_AFTER = {
    "OrderReceived": "PendingNew",
    "OrderRejected": "Rejected",
    "OrderCanceled": "Canceled",
    "OrderExpired": "Expired",
    "OrderCancelRequested": "PendingCancel",
    "OrderReplaceRequested": "PendingReplace",
}
WHOSE = ("account", "symbol", "side", "client_order_id")
PRECISION = 120
"""Digits that Decimals are computed with here: more than a product of three numbers of the streams has."""
FEE_STEP = Decimal("1E-8")
ROUNDED = Decimal("1E-11")
"""How far a mean price, given with 12 decimals, and one computed from such a mean may lie apart."""
MOST_PROBLEMS = 20
"""Problems listed of one kind; more are counted."""


@dataclass(slots=True)
class TracedOrder:
    """An order as its events so far tell it."""

    whose: dict[str, str]
    quantity: Decimal
    filled: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)
    ord_status: str = ""
    venue: str = ""
    worked: bool = False


@dataclass(slots=True)
class Books:
    """What the events say, added up. Decimals are computed in the caller's context: see PRECISION."""

    orders: dict[str, TracedOrder] = field(default_factory=dict)
    instruments: dict[str, Event] = field(default_factory=dict)
    venues: dict[str, Event] = field(default_factory=dict)
    fills: dict[tuple[str, str], Event] = field(default_factory=dict)
    legs: dict[tuple[str, str], list[Leg]] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    hedging: set[str] = field(default_factory=set)
    positions: dict[tuple[str, str, str | None], NaivePosition] = field(default_factory=dict)
    began: dict[tuple[str, str, str | None], int] = field(default_factory=dict)
    """When each of them began, of accounts that hedge: a name may be used again."""
    adjustments: dict[tuple[str, str, str], Event] = field(default_factory=dict)
    renamed: dict[tuple[str, str | None], NaivePosition] = field(default_factory=dict)
    """What goes on under another symbol, from the one message to the other, by account and position."""
    _found: dict[str, list[str]] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Return what does not add up, of each kind the first few and how many more."""
        said = []
        for kind, sentences in self._found.items():
            said += sentences[:MOST_PROBLEMS]
            if len(sentences) > MOST_PROBLEMS:
                said.append(f"... and {len(sentences) - MOST_PROBLEMS} more with a wrong {kind}")
        return said

    def states(self) -> Counter[str]:
        """Return how many orders ended in each state."""
        return Counter(order.ord_status for order in self.orders.values())

    def working_at(self, venues: Collection[str]) -> int:
        """Return how many orders work at one of these venues."""
        return sum(
            order.ord_status in WORKING and order.venue in venues and not order.worked for order in self.orders.values()
        )

    def _expect(self, what: str, kind: str, told: Any, expected: Any) -> None:
        if told != expected:
            self._found.setdefault(kind, []).append(f"{what}: {kind} is {told}, expected {expected}")

    # -------------------------------------------------------------------------------------------------- the journal

    def event(self, event: Event) -> None:
        """Take the next event of a journal."""
        if event["type"] == "InstrumentDefined":
            self.instruments[event["symbol"]] = event
        elif event["type"] == "AccountDefined":
            self.methods[event["account"]] = event.get("cost_method", "AVERAGE")
            if event.get("position_mode") == "HEDGING":
                self.hedging.add(event["account"])
        elif event["type"] == "VenueDefined":
            self.venues[event["venue"]] = event
        elif event["type"] == "AccountAdjusted" and event.get("position") is not None:
            for symbol in filter(None, (event["symbol"], event.get("new_symbol"))):
                self.adjustments[event["control_id"], event["account"], symbol] = event
        if "leaves_qty" not in event:
            self._refused(event)
            return
        if event["quantity"] is None:
            self._left(event)
            return
        order = self.orders.get(event["order_id"])
        if order is None:
            order = TracedOrder({name: event[name] for name in WHOSE}, Decimal(event["quantity"]))
            self.orders[event["order_id"]] = order
        what = f"event {event['seq']} of order {event['order_id']}"
        order.venue = event.get("venue") or order.venue
        for name, known in order.whose.items():
            self._expect(what, name, event[name], known)
        if event["type"] in ("OrderReplaced", "OrderRestated"):
            order.quantity = Decimal(event["quantity"])
        elif event["type"] == "OrderProgressed":
            order.worked = True
        elif event["type"] == "OrderFilled":
            self._filled(what, order, event)
            self._worked_for(event, Decimal(event["last_qty"]), Decimal(event["last_px"]))
        elif event["type"] in ("TradeBusted", "TradeCorrected"):
            self._trade_changed(what, order, event)
        self._follow(what, order, event)

    def _refused(self, event: Event) -> None:
        """A refused request says whose order it names, and that nothing changed."""
        order = self.orders.get(event.get("order_id") or "")
        if order is None or "ord_status" not in event:
            return
        what = f"event {event['seq']} of order {event['order_id']}"
        for name in ("account", "client_order_id"):
            if event[name] is not None:  # null of one that left the state, and was named by its order_id
                self._expect(what, name, event[name], order.whose[name])
        if order.ord_status not in OPEN:
            self._expect(what, "ord_status", event["ord_status"], order.ord_status)
        order.ord_status = event["ord_status"]

    def _filled(self, what: str, order: TracedOrder, event: Event) -> None:
        quantity, price, fee = Decimal(event["last_qty"]), Decimal(event["last_px"]), Decimal(event["fee"])
        order.filled += quantity
        order.notional += quantity * price
        self.fills[event["exec_id"], event["order_id"]] = event
        self._book(event, 1, quantity, price, fee)
        terms = self.instruments.get(event["symbol"])
        if terms is None:
            self._expect(what, "symbol", event["symbol"], "one that was defined before")
            return
        self._expect(what, "currency", event["currency"], terms["currency"])
        if self._has_schedule(event["venue"]):
            return
        if event.get("commission") is not None:
            same = event["comm_currency"] == event["currency"]
            self._expect(what, "fee", fee, Decimal(event["commission"]) if same else Decimal(0))
            return
        rate = "maker_fee_bps" if event["liquidity"] == "MAKER" else "taker_fee_bps"
        at_venue = self.venues.get(event["venue"], {}).get(rate)
        bps = Decimal(terms[rate] if at_venue is None else at_venue)
        if terms.get("inverse"):  # rounded once an order: a fill has what is left of the step before
            owed = abs(quantity) * Decimal(terms["multiplier"]) / price * bps / 10_000
            if abs(fee - owed) > FEE_STEP:
                self._expect(what, "fee", fee, owed)
            return
        owed = abs(quantity * price) * Decimal(terms["multiplier"]) * bps / 10_000
        self._expect(what, "fee", fee, owed.quantize(FEE_STEP, ROUND_HALF_EVEN))

    def _worked_for(self, event: Event, quantity: Decimal, price: Decimal) -> None:
        """Count a child's trade for the order that it works for: its parent, on the same side."""
        parent = self.orders.get(event.get("parent_id") or "")
        if parent is not None and parent.worked and parent.whose["side"] == event["side"]:
            parent.filled += quantity
            parent.notional += quantity * price

    def _has_schedule(self, venue: str) -> bool:
        """Say whether a venue's fees are more than basis points: they depend on an order's other fills, or on more."""
        terms = self.venues.get(venue)
        return terms is not None and VenueTerms.out_of(terms).has_schedule

    def _book(self, event: Event, sign: int, quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        signed = quantity * sign if event["side"] == "BUY" else -quantity * sign
        paid = Decimal(event.get("fee_qty") or 0)
        trade = (event.get("ref_exec_id") or event["exec_id"], event["order_id"])
        leg = Leg(event["account"], event["symbol"], signed, price, fee * sign, paid, event["time"], trade)
        self.legs.setdefault((event["exec_id"], event["order_id"]), []).append(leg)

    def _trade_changed(self, what: str, order: TracedOrder | None, event: Event) -> None:
        """Take back what a fill was as it stands now, and book what it is instead."""
        key = event["ref_exec_id"], event["order_id"]
        corrected = event["type"] == "TradeCorrected"
        names = ("old_qty", "old_px", "old_fee") if corrected else ("last_qty", "last_px", "fee")
        was = [Decimal(event[name]) for name in names]
        fill = self.fills.get(key)
        if fill is None:
            self._expect(what, "ref_exec_id", event["ref_exec_id"], "a fill of that order that stands")
            return
        for name, told, known in zip(names, was, ("last_qty", "last_px", "fee"), strict=True):
            if name != "fee":  # of an order that left the state the fee is reckoned anew
                self._expect(what, name, told, Decimal(fill[known]))
        self._book(event, -1, *was)
        quantity, notional = -was[0], -was[0] * was[1]
        if corrected:
            now = Decimal(event["last_qty"]), Decimal(event["last_px"]), Decimal(event["fee"])
            self._book(event, 1, *now)
            quantity, notional = quantity + now[0], notional + now[0] * now[1]
            self.fills[key] = {**fill, **{name: event[name] for name in ("last_qty", "last_px", "fee")}}
        else:
            del self.fills[key]
        if order is not None:
            order.filled += quantity
            order.notional += notional
        if quantity:
            self._worked_for(event, quantity, notional / quantity)

    def _left(self, event: Event) -> None:
        """Take an event of an order that left the state: of it nothing but the status was known, if that."""
        what, order = f"event {event['seq']} of order {event['order_id']}", self.orders.get(event["order_id"])
        if event["type"] in ("TradeBusted", "TradeCorrected"):
            self._trade_changed(what, order, event)
        if order is not None and event["ord_status"] is not None:
            if event["type"] in UNCHANGED:
                self._expect(what, "ord_status", event["ord_status"], order.ord_status)
            order.ord_status = event["ord_status"]

    def _follow(self, what: str, order: TracedOrder, event: Event) -> None:
        status, cum = event["ord_status"], Decimal(event["cum_qty"])
        self._expect(what, "quantity", Decimal(event["quantity"]), order.quantity)
        self._expect(what, "cum_qty", cum, order.filled)
        left = order.quantity - cum if status in OPEN else Decimal(0)
        self._expect(what, f"leaves_qty of {status}", Decimal(event["leaves_qty"]), left)
        mean = order.notional / order.filled if order.filled else None
        told = None if event["avg_px"] is None else Decimal(event["avg_px"])
        if told is None or mean is None or abs(told - mean) > ROUNDED:
            self._expect(what, "avg_px", told, mean)
        if event["type"] in UNCHANGED:
            self._expect(what, "ord_status", status, order.ord_status)
        elif event["type"] in STATUS_AFTER:
            self._expect(what, "ord_status", status, STATUS_AFTER[event["type"]])
        elif not _is_possible(status, cum, order.quantity, self._overfill(order, event)):
            self._expect(what, "ord_status", status, f"a state for {cum} of {order.quantity} filled")
        order.ord_status = status

    def _overfill(self, order: TracedOrder, event: Event) -> Decimal:
        """Return how much an order may be filled beyond its quantity."""
        lots = self.venues.get(order.venue, {}).get("max_overfill_lots", 0)
        terms = self.instruments.get(event["symbol"])
        return lots * Decimal(terms["lot_size"]) if lots and terms else Decimal(0)

    # ------------------------------------------------------------------------------------------------ the positions

    def position(self, message: Event) -> None:
        """Take the next message of a positions stream; all journals come first."""
        if "symbol" not in message:
            return  # what was compared, and no position
        account = message["account"]
        hedges = account in self.hedging
        key = (account, message["symbol"], message.get("position_id") if hedges else None)
        what = f"position message {message['seq']}, {key[0]} {key[1]}"
        terms = self.instruments.get(key[1])
        if terms is None:
            self._expect(what, "symbol", key[1], "one that was defined")
            return
        multiplier = Decimal(terms["multiplier"])
        position = self.positions.get(key)
        began = message.get("began_time")
        if position is None or (began is not None and began != self.began.get(key)):
            method, inverse = self.methods.get(key[0], "AVERAGE"), bool(terms.get("inverse"))
            position = self.positions[key] = NaivePosition(method, inverse)
        if began is not None:
            self.began[key] = began
        if message["type"] == "PositionClosed":
            return self._closed(what, position, message, multiplier)
        if message["type"] == "RuleReported":
            return None
        if message["type"] in ("ExitChanged", "TargetChanged"):
            self._expect(what, "held_qty", Decimal(message["held_qty"]), position.quantity)
            return None
        if message["type"] == "PositionChanged":
            self._changed(what, position, message)
        elif message["type"] == "PositionAdjusted":
            self._adjusted(what, position, message)
        self._expect(what, "currency", message["currency"], terms["currency"])
        self._expect(what, "position", Decimal(message["position"]), position.quantity)
        expect = self._near if position.inverse else self._equal
        expect(what, "cash", message["cash"], position.cash * multiplier - position.fees)
        self._expect(what, "fees", Decimal(message["fees"]), position.fees)
        self._near(what, "avg_px", message["avg_px"], position.mean if position.quantity else None)
        self._profit(what, position, message, multiplier)
        return None

    def _changed(self, what: str, position: NaivePosition, message: Event) -> None:
        legs = self.legs.get((message["exec_id"], message["order_id"]))
        if not legs or legs[0][:2] != (message["account"], message["symbol"]):
            self._expect(what, "exec_id", message["exec_id"], "a fill of that account and symbol")
            return
        leg = legs.pop(0)
        self._expect(what, "last_qty", Decimal(message["last_qty"]), leg.signed)
        self._expect(what, "last_px", Decimal(message["last_px"]), leg.price)
        recomputed = message.get("restated") == "recomputed"
        change = position.rebook(leg) if recomputed else position.book(leg)
        self._expect(what, "change", message["change"], change)

    def _adjusted(self, what: str, position: NaivePosition, message: Event) -> None:
        key, hedges = (message["control_id"], message["account"], message["symbol"]), message["account"] in self.hedging
        event = self.adjustments.get(key) if hedges else self.adjustments.pop(key, None)
        if event is None:
            self._expect(what, "control_id", message["control_id"], "an adjustment of that account and symbol")
            return
        self._expect(what, "old_position", Decimal(message["old_position"]), position.quantity)
        expected, name = Decimal(event["position"]), message.get("position_id") if hedges else None
        if event.get("ratio") is not None:
            self._expect(what, "ratio", message["ratio"], event["ratio"])
            position.split(*map(Decimal, event["ratio"].split(":")))
        elif message["symbol"] == event["symbol"]:
            self._expect(what, "new_symbol", message["new_symbol"], event["new_symbol"])
            self.renamed[message["account"], name], expected = position.leave(), NONE
        else:
            self._expect(what, "old_symbol", message["old_symbol"], event["symbol"])
            left = self.renamed.pop((message["account"], name), None)
            if left is None:
                self._expect(what, "old_symbol", message["old_symbol"], "one whose own message came before")
                return
            position.take_over(left)
        if not hedges:  # else the event has what all of them come to
            self._expect(what, "position of the adjustment", expected, position.quantity)

    def _closed(self, what: str, position: NaivePosition, message: Event, multiplier: Decimal) -> None:
        """Compare a position that ended with one that did, booked again."""
        if not message["fills"] or message["opened_time"] is None:
            return  # one that never was, or that an older release opened
        whose = (message["opened_time"], message["side"])
        found = [trip for trip in position.trips if (trip.time, trip.side) == whose]
        if not found:
            return self._expect(what, "opened_time", whose, "when a position that ended began")
        trip = found[-1]
        self._near(what, "peak_qty", message["peak_qty"], trip.peak)
        self._near(what, "traded_qty", message["traded_qty"], trip.entered + trip.exited)
        self._near(what, "entry_px", message["entry_px"], position.price_of(trip.entry_value, trip.entered))
        self._near(what, "exit_px", message["exit_px"], position.price_of(trip.exit_value, trip.exited))
        gross = (trip.exit_value - trip.entry_value) * (1 if trip.side == "BUY" else -1) * multiplier
        (self._near if position.inverse else self._equal)(what, "gross_pnl", message["gross_pnl"], gross)
        return None

    def _equal(self, what: str, name: str, text: str | None, expected: Decimal | None) -> None:
        self._expect(what, name, None if text is None else Decimal(text), expected)

    def _near(self, what: str, name: str, text: str | None, expected: Decimal | None) -> None:
        told = None if text is None else Decimal(text)
        if told is None or expected is None or abs(told - expected) > ROUNDED:
            self._expect(what, name, told, expected)

    def _profit(self, what: str, position: NaivePosition, message: Event, multiplier: Decimal) -> None:
        gross, size = position.cash * multiplier, position.quantity * multiplier
        self._near(what, "realized_pnl", message["realized_pnl"], gross + position.cost * multiplier)
        realized = Decimal(message["realized_pnl"])
        if message["mark_px"] is None:
            self._expect(what, "unrealized_pnl", message["unrealized_pnl"], None)
        else:
            total = gross + size * position.counts(Decimal(message["mark_px"]))
            expect = self._near if position.inverse else self._equal
            expect(what, "unrealized_pnl", message["unrealized_pnl"], total - realized)


def _is_possible(status: str, cum: Decimal, quantity: Decimal, overfill: Decimal) -> bool:
    if not 0 <= cum <= quantity + overfill:
        return False
    match status:
        case "Filled":
            return cum >= quantity
        case "PartiallyFilled":
            return 0 < cum < quantity
        case "PendingNew" | "New" | "Rejected":
            return not cum
        case _:
            return True
