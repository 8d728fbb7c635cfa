"""The life of an order at a venue: its quantities, its status and what may happen to it next.

Flows in: requests (cancel, amend) and the venue's reports, as plain integers of ticks and lots. Flows out: the order
itself, changed, or a Refusal that says why nothing changed. Never knows time, streams, money or limits.

The transitions are FIX 4.4's order state change matrices (docs/order-states.md). A report is refused only when it would
break the quantity rules or answers nothing that was asked:

- a working order's leaves are its quantity less what is filled; a finished order's are 0, and one's done for the day;
- cum exceeds quantity by no more than the venue's terms allow, and changes by fills, busts and corrections alone; the
  average price covers all versions of the order;
- an amendment takes effect only when the venue says so, until then the old parameters stand;
- every trade is applied once: trade numbers reach an order in increasing order, ids of venues outside are kept. Every
  bust and every correction names the trade that it changes.

While a cancel is pending the status is PendingCancel, but a full fill shows Filled at once: an order management system
must not wait for the venue's "too late" to know that nothing is left. The same holds for PendingReplace.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fillstream.libs.common.engine.frames import Reason
from fillstream.libs.common.ledger.fees import Charged
from fillstream.libs.common.messages.codes import PRICELESS, OrdStatus
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.life.parts import Amendment, Fill, Links, Refusal
from fillstream.services.order_service.orders.life.special import Special

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.holding.holdings import Holding

PENDING_NEW = OrdStatus.PENDING_NEW.value
NEW = OrdStatus.NEW.value
PARTIALLY_FILLED = OrdStatus.PARTIALLY_FILLED.value
FILLED = OrdStatus.FILLED.value
PENDING_CANCEL = OrdStatus.PENDING_CANCEL.value
PENDING_REPLACE = OrdStatus.PENDING_REPLACE.value
CANCELED = OrdStatus.CANCELED.value
REJECTED = OrdStatus.REJECTED.value
EXPIRED = OrdStatus.EXPIRED.value
SUSPENDED = OrdStatus.SUSPENDED.value
STOPPED = OrdStatus.STOPPED.value
DONE_FOR_DAY = OrdStatus.DONE_FOR_DAY.value
CALCULATED = OrdStatus.CALCULATED.value
FINAL = frozenset((FILLED, CANCELED, REJECTED, EXPIRED, CALCULATED))
"""No more than late fills, busts, corrections and answers to what is still pending can come."""
CLOSED = FINAL | {DONE_FOR_DAY}
"""Nothing is open: leaves are 0."""
GONE = FINAL - {FILLED}
"""What an amendment does not open again, and no bust."""
STANDINGS = frozenset((STOPPED, SUSPENDED, DONE_FOR_DAY))
"""What a venue may make of a working order without ending it."""

FOR_TIME, FOR_PRICE, FOR_APPROVAL, FOR_RATE, RELEASED = "time", "price", "approval", "rate", "released"
"""What an order is held for, and that it is so no more."""
FOR_OTHERS, WORKED = "others", "worked"
"""Likewise: until others of its list have traded or ended; and one that its children trade for, and no venue has."""

TOLD: Final = " "
"""Before the exec id of a trade that was booked without its own report, among an order's: a note beside it. No venue's
exec id has a blank."""


def is_exec_id(text: str) -> bool:
    """Say whether one of an order's `exec_ids` is a trade's or a report's, and no note beside one."""
    return not text.startswith(TOLD)


_REQUESTED = int(Reason.REQUESTED)
_REPLACED_BELOW_FILLED = int(Reason.REPLACED_BELOW_FILLED)


@dataclass(slots=True)
class Order:
    """One order that passed validation.

    Args:
        order_id: see `libs.common.messages.topology.order_id_of`.
        signal_id, client_order_id, account, account_id, strategy, confidence: whose it is and why.
        terms: of its instrument, at its venue.
        side, order_type, time_in_force: FIX's, by the contracts' names; a market order is IOC or FOK.
        quantity: lots, all versions' fills included.
        price: ticks; a market order's is the bound it may trade through to, and a stop's without one as far as can be.
        signal_time: when the signal came (ms); the latency to a fill counts from here.
        received_ms: when it was validated.
        cum: lots filled.
        notional: sum over fills of ticks times lots.
        last_match: the number of the last trade applied, of venues whose trades are numbered.
        exec_ids: of the trades, busts and corrections applied, of the others; beside some a note, see `TOLD`.
        fills: the trades of those that stand, in the order they came.
        standing: what such a venue made of the working order, one of STANDINGS; None of most.
        venue_order_id: what the venue calls the order, once it has said so.
        loosest: the furthest limit (ticks) that it had before the venue changed it, None of one that was never changed.
            Trades at it may still be told by a venue whose reports may overtake each other.
        acknowledged: the venue has accepted it.
        cancel_signal: the signal whose cancel is pending.
        amendment: pending.
        finished_ms: when the status became final; 0 while working.
        expiry_ms: when its time in force ends; 0 for never.
        links: its families; None of a plain order.
        venue: where it went, for good; orders of 0.1.0 went to SIM.
        special: what it has beyond a plain order, None of one.
        came: the price that it waited for has come.
        held: what the desk holds it for, RELEASED once it did, None of one that went to the venue as it came.
        charged: what its fills were charged, at a venue with a fee schedule; None before the first, and elsewhere.
        arrival: what its fills as taker are measured against (ticks) where a breaker counts slippage: the touch that it
            met, or the price that it waits for; None of most.
        counted: the status that the state's counts have it under, which is no part of a snapshot; see `State.changed`.
        holding: what its account holds of its instrument; like the next two no part of a snapshot; see `holdings`.
        open_lots, open_price: what is counted there of it: how much it may still trade, and at what price (ticks).
        out: lots of it that others of its family have open, which count with those; likewise no part of a snapshot.
    """

    order_id: int
    signal_id: str
    client_order_id: str
    account: str
    account_id: int
    terms: Terms
    strategy: str | None
    confidence: str | None
    side: str
    order_type: str
    time_in_force: str
    quantity: int
    price: int
    signal_time: int
    received_ms: int
    expiry_ms: int = 0
    links: Links | None = None
    venue: str = SIM
    status: str = PENDING_NEW
    cum: int = 0
    notional: int = 0
    last_match: int = 0
    acknowledged: bool = False
    cancel_signal: str | None = None
    amendment: Amendment | None = None
    finished_ms: int = 0
    exec_ids: tuple[str, ...] = ()
    venue_order_id: str | None = None
    loosest: int | None = None
    special: Special | None = None
    held: str | None = None
    came: bool = False
    fills: tuple[Fill, ...] = ()
    standing: str | None = None
    charged: Charged | None = None
    arrival: int | None = None
    counted: str = field(default=PENDING_NEW, init=False)
    holding: Holding | None = field(default=None, init=False, repr=False, compare=False)
    open_lots: int = field(default=0, init=False, repr=False, compare=False)
    open_price: int = field(default=0, init=False, repr=False, compare=False)
    out: int = field(default=0, init=False, repr=False, compare=False)

    @property
    def priced(self) -> bool:
        """Whether its price is the client's."""
        return self.order_type not in PRICELESS

    @property
    def leaves(self) -> int:
        """Lots still open at the venue."""
        return 0 if self.status in CLOSED else self.quantity - self.cum

    @property
    def is_held(self) -> bool:
        """Whether it waits in the desk, and no venue knows it."""
        return self.held is not None and self.held != RELEASED

    @property
    def expiry_signal(self) -> str:
        """What the desk's own cancel goes by, when the time in force ended at a venue that does not see to it."""
        return f"expiry-{self.order_id}"

    @property
    def mass_signal(self) -> str:
        """What the desk's own cancel goes by, of an order among many that no mass cancel of the venue's tells apart."""
        return f"mass-{self.order_id}"

    @property
    def family_signal(self) -> str:
        """What the desk's own cancel goes by, of an order that its parent or its list needs no more."""
        return f"family-{self.order_id}"

    # ------------------------------------------------------------ in the desk

    def hold(self, what: str) -> None:
        """It waits in the desk: for a time, a price, a person's yes, or its turn."""
        assert self.status == PENDING_NEW and not self.acknowledged
        self.held = what
        self._work()

    def work(self) -> None:
        """From now on its children trade for it; whatever it waited for in the desk has come."""
        assert self.status not in FINAL
        self.held, self.acknowledged = WORKED, True
        self._work()

    def await_others(self) -> None:
        """What it waited for has come, and others of its list are to end first."""
        assert self.is_held
        self.came = self.came or self.held == FOR_PRICE
        self.held = FOR_OTHERS

    def children_traded(self, lots: int, notional: int) -> None:
        """Its children have traded so much more than was counted: lots, and ticks times lots; below 0 after a bust."""
        self.cum += lots
        self.notional += notional
        if self.status in GONE:
            return
        if self.cum >= self.quantity:
            self.status = FILLED
        elif self.status == FILLED:
            self._reopen()
        else:
            self._work()

    def queue(self) -> None:
        """What it waited for in the desk has come; it waits on, for its turn."""
        assert self.is_held
        self.came = self.came or self.held == FOR_PRICE
        self.held = FOR_RATE

    def release(self, price: int) -> None:
        """It goes to the venue, with this limit or bound (ticks)."""
        assert self.is_held and self.status not in FINAL
        self.came = self.came or self.held == FOR_PRICE
        self.held = RELEASED
        self.price = price
        self._work()

    # --------------------------------------------------------------- requests

    def request_cancel(self, signal_id: str) -> None:
        """A cancel goes to the venue. The order is working and none is pending."""
        assert self.status not in FINAL and self.cancel_signal is None
        self.cancel_signal = signal_id
        self.status = PENDING_CANCEL

    def request_replace(self, amendment: Amendment) -> None:
        """An amendment goes to the venue. The order is working and nothing is pending."""
        assert self.status not in FINAL and self.cancel_signal is None and self.amendment is None
        self.amendment = amendment
        self.status = PENDING_REPLACE

    # ---------------------------------------------------------------- reports

    def accept(self, price: int = 0) -> Refusal | None:
        """The venue acknowledged the order, perhaps after it reported a trade or after a cancel was sent.

        A market-to-limit order has got its `price` (ticks), 0 where it found none. A second one says that an order
        that was suspended, stopped or done for the day works again.
        """
        if self.status == REJECTED or (self.acknowledged and (self.standing is None or self.status in FINAL)):
            return self._unexpected("an acknowledgement")
        if self.acknowledged:
            self.standing = None
        self.acknowledged = True
        if price:
            self.price = price
        self._work()
        return None

    def reject(self) -> Refusal | None:
        """The venue refused the order; it may do so after its acknowledgement, but not once a fill stands."""
        if self.status in FINAL or self.cum:
            return self._unexpected("a rejection")
        self.status = REJECTED
        return None

    def fill(self, price: int, lots: int, match_id: int, limit: int | None = None) -> Refusal | None:
        """A trade of `lots` at `price` ticks. One made before a cancel or an expiry may come after it.

        None is at a worse price than its `limit`, today's where none is given: a venue that says so is not believed.
        """
        if limit is None:
            limit = self.price
        if (price > limit) if self.side == "BUY" else (price < limit):
            return self._beyond(price, limit)
        if match_id <= self.last_match:
            return Refusal(
                "repeated_trade",
                f"match_id: order {self.order_id} has trade {self.last_match} already, {match_id} must be above it",
            )
        if lots <= 0:
            return Refusal("bad_quantity", f"qty: a fill of order {self.order_id} must be above 0 lots, got {lots}")
        cum = self.cum + lots
        if cum > self.quantity + self.terms.max_overfill or self.status == REJECTED:
            return self._overfill(f"a fill of {lots} lots")
        self.cum = cum
        self.notional += price * lots
        self.last_match = match_id
        if self.status not in FINAL:
            if self.standing is not None and self.standing != SUSPENDED:  # it was promised, or is late
                self.standing = None
            if cum >= self.quantity:
                self.status = FILLED
            else:
                self._work()
        return None

    def fill_once(self, price: int, lots: int, exec_id: str, fee: int = 0, maker: bool = False) -> Refusal | None:
        """A trade by the id that a venue outside gave it: such ids have no order, and a venue may tell one again.

        Its reports may overtake each other: a trade at the limit before an amendment, or at the one that is asked for,
        is as good as one at today's. What it makes of a market order is its own.
        """
        if exec_id in self.exec_ids:
            return Refusal("repeated_trade", f"exec_id: order {self.order_id} has trade {exec_id} already")
        refusal = self.fill(price, lots, self.last_match + 1, self._furthest() if self.priced else price)
        if refusal is None:
            self.exec_ids = (*self.exec_ids, exec_id)
            self.fills = (*self.fills, Fill(exec_id, price, lots, fee, exec_id, maker))
        return refusal

    def traded(self, ref_exec_id: str) -> Fill | None:
        """Return the trade that stands under an id, its own or its newest correction's."""
        return next((fill for fill in self.fills if ref_exec_id in (fill.exec_id, fill.last_id)), None)

    def bust(self, ref_exec_id: str, exec_id: str) -> Refusal | None:
        """The venue took a trade back. A filled order works again; one that ended otherwise stays as it ended."""
        fill = self.traded(ref_exec_id)
        refusal = self._unchangeable(ref_exec_id, exec_id, fill)
        if refusal is not None:
            return refusal
        assert fill is not None, "just looked"
        self.fills = tuple(each for each in self.fills if each is not fill)
        self._recount(-fill.lots, -fill.ticks * fill.lots, exec_id)
        return None

    def correct(self, ref_exec_id: str, exec_id: str, price: int, lots: int, fee: int = 0) -> Refusal | None:
        """The venue changed a trade to `lots` at `price` ticks. Limits and what may be filled hold as for a trade."""
        fill = self.traded(ref_exec_id)
        refusal = self._unchangeable(ref_exec_id, exec_id, fill)
        if refusal is not None:
            return refusal
        assert fill is not None, "just looked"
        limit = self._furthest() if self.priced else price
        if (price > limit) if self.side == "BUY" else (price < limit):
            return self._beyond(price, limit)
        if self.cum - fill.lots + lots > self.quantity + self.terms.max_overfill:
            return self._overfill(f"a correction of {fill.lots} to {lots} lots")
        changed = Fill(fill.exec_id, price, lots, fee, exec_id, fill.maker)
        self.fills = tuple(changed if each is fill else each for each in self.fills)
        self._recount(lots - fill.lots, price * lots - fill.ticks * fill.lots, exec_id)
        return None

    def _unchangeable(self, ref_exec_id: str, exec_id: str, fill: Fill | None) -> Refusal | None:
        if exec_id in self.exec_ids:
            return Refusal("repeated_trade", f"exec_id: order {self.order_id} has {exec_id} already")
        if fill is None:
            known = "was busted or corrected since" if ref_exec_id in self.exec_ids else "was never told"
            return Refusal("unknown_execution", f"ref_exec_id: trade {ref_exec_id} of order {self.order_id} {known}")
        return None

    def _recount(self, lots: int, notional: int, exec_id: str) -> None:
        """Add to what is filled, and let the status follow where the order can still trade, or could."""
        self.exec_ids = (*self.exec_ids, exec_id)
        self.children_traded(lots, notional)

    def _reopen(self) -> None:
        self.status = NEW
        self.finished_ms = 0
        self._work()

    def cancel(self, reason: int) -> Refusal | None:
        """The venue took the order off its book; `reason` is an fs_reason."""
        refusal = self.cancel_by(reason == _REQUESTED)
        if refusal is None and reason == _REPLACED_BELOW_FILLED:
            self.amendment = None
        return refusal

    def cancel_by(self, requested: bool) -> Refusal | None:
        """The venue took the order off its book, because it was `requested` or for a reason of its own."""
        if self.status in FINAL:
            return self._unexpected("a cancel")
        if requested:
            self.cancel_signal = None
        self.status = CANCELED
        return None

    def trigger(self) -> Refusal | None:
        """What a dormant order waited for has happened: it is in the book now. Its status says nothing about that."""
        if self.status in FINAL:
            return self._unexpected("a trigger")
        self.came = True
        if self.standing is not None:
            self.standing = None
            self._work()
        return None

    def stand(self, standing: str) -> Refusal | None:
        """The venue made one of STANDINGS of a working order. What is pending goes before it, and comes to it after."""
        assert standing in STANDINGS
        if self.status in FINAL or self.standing == standing:
            return self._unexpected(f"{standing} of an order that is so, or ended,")
        self.standing = standing
        self._work()
        return None

    def calculate(self) -> Refusal | None:
        """Commission and settlement are known of an order that trades no more today. A canceled one stays so."""
        if self.status not in CLOSED or self.status in (REJECTED, CALCULATED):
            return self._unexpected("a calculation")
        if self.status in (FILLED, DONE_FOR_DAY):
            self.status = CALCULATED
        return None

    def restate(self, quantity: int, price: int | None = None, renewed: bool = False) -> Refusal | None:
        """The venue changed a working order's total quantity (lots), or its price (ticks), without being asked.

        A total of what is filled fills the order. One that was done for the day works again when it is `renewed`.
        """
        if self.status in FINAL:
            return self._unexpected("a restatement")
        if quantity < self.cum or quantity <= 0:
            return Refusal(
                "overfill",
                f"qty: a restated total of {quantity} lots must not be below the {self.cum} lots of order "
                f"{self.order_id} filled",
            )
        self.quantity = quantity
        if price is not None:
            self._reprice(price)
        if renewed and self.standing == DONE_FOR_DAY:
            self.standing = None
        if quantity == self.cum:
            self.status = FILLED
        else:
            self._work()
        return None

    def expire(self) -> Refusal | None:
        """The order's time in force ended."""
        if self.status in FINAL:
            return self._unexpected("an expiry")
        self.status = EXPIRED
        return None

    def cancel_at_expiry(self) -> Refusal | None:
        """The venue took the order off its book because the desk asked for it when the time in force ended."""
        refusal = self.expire()
        if refusal is None:
            self.cancel_signal = None
        return refusal

    def refuse_cancel(self) -> Refusal | None:
        """The venue refused the pending cancel."""
        if self.cancel_signal is None:
            return self._unexpected("a refused cancel")
        self.cancel_signal = None
        self._work()
        return None

    def replace(self, price: int, quantity: int) -> Refusal | None:
        """The venue took the pending amendment. An order filled meanwhile reopens if its quantity went up.

        A new total at or below what is filled is what is filled (FIX, order state change matrices C).
        """
        if self.amendment is None or self.status in GONE:
            return self._unexpected("a replacement")
        if quantity <= 0:
            return Refusal(
                "overfill",
                f"qty: a new total of {quantity} lots is below the {self.cum} lots of order {self.order_id} filled",
            )
        quantity = max(quantity, self.cum)
        if self.amendment.stop is not None and self.special is not None:
            self.special = self.special._replace(stop=self.amendment.stop)
        self.amendment = None
        self.quantity = quantity
        self._reprice(price)
        if quantity == self.cum:
            self.status = FILLED
        else:
            self._reopen()
        return None

    def refuse_replace(self) -> Refusal | None:
        """The venue refused the pending amendment: the old parameters stand."""
        if self.amendment is None:
            return self._unexpected("a refused amendment")
        self.amendment = None
        self._work()
        return None

    def _reprice(self, price: int) -> None:
        before = self.price if self.loosest is None else self.loosest
        self.loosest = (max if self.side == "BUY" else min)(before, self.price)
        self.price = price

    def _furthest(self) -> int:
        """Return the limit (ticks) that allows most of those it has, had and may get."""
        limits = [self.price, self.loosest, self.amendment and self.amendment.price]
        return (max if self.side == "BUY" else min)(each for each in limits if each is not None)

    def _overfill(self, what: str) -> Refusal:
        more = self.terms.max_overfill
        bound = f", and {more} more are taken as the venue's truth" if more else ""
        return Refusal(
            "overfill",
            f"qty: {what} is beyond what order {self.order_id} ({self.status}) has left: "
            f"{self.cum} of {self.quantity} lots are filled{bound}",
        )

    def _beyond(self, price: int, limit: int) -> Refusal:
        text = self.terms.price.text
        side = "above" if self.side == "BUY" else "below"
        return Refusal(
            "beyond_limit",
            f"price: a fill of order {self.order_id} at {text(price)} is {side} its limit of {text(limit)}",
        )

    def _work(self) -> None:
        """Set a working order's status by FIX's precedence; leave a finished one's."""
        if self.status in FINAL:
            return
        if self.cancel_signal is not None:
            self.status = PENDING_CANCEL
        elif self.amendment is not None:
            self.status = PENDING_REPLACE
        elif self.standing is not None:
            self.status = self.standing
        elif self.cum:
            self.status = PARTIALLY_FILLED
        elif self.held is None:
            self.status = NEW if self.acknowledged or self.exec_ids else PENDING_NEW
        else:
            self.status = NEW if self.held in (RELEASED, WORKED) else SUSPENDED

    def _unexpected(self, what: str) -> Refusal:
        pending = "a cancel" if self.cancel_signal else "an amendment" if self.amendment else "nothing"
        acknowledged = "acknowledged" if self.acknowledged else "not acknowledged"
        return Refusal(
            "unexpected_report",
            f"type: {what} makes no sense: order {self.order_id} is {self.status}, {acknowledged}, has {pending} "
            f"pending and {self.cum} of {self.quantity} lots filled",
        )
