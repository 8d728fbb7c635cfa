"""Positions that are to be reached: what is missing of one, counted at the very entry that asks for it.

Flows in: SetTarget, CancelTarget; ReachPosition, which the positions stage sends. Flows out: TargetSet of each position
that is named, TargetCanceled; the order that is missing, as if it had been asked for; or PositionTargeted, where there
is nothing to send. The positions stage has the targets; here is what is held and what works.

Missing is the target less what is held and what works. So no fill, cancel or order of anybody, however it races with
an instruction, makes more of a position than was asked for. What works does not count exits that protect a position:
they get smaller with it. Orders that work the other way are canceled, and nothing is sent before their fate is known. A
position is turned in two steps: what closes it is reduce-only, and exits of brackets give way to it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from fillstream.libs.common.engine.frames import MAX_QTY
from fillstream.libs.common.messages.codes import FLATTEN_PROTECTION, CancelRejectReason, OrderType, RejectReason
from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.libs.common.messages.targets import MAX_TARGETS
from fillstream.libs.common.values.money import canonical, multiply, parse
from fillstream.services.order_service.orders import rules
from fillstream.services.order_service.orders.compiled import MONEY_DECIMALS
from fillstream.services.order_service.orders.groups.closing import Closing
from fillstream.services.order_service.orders.holding.holdings import Account
from fillstream.services.order_service.orders.holding.valuation import equity_of
from fillstream.services.order_service.orders.instructions import Aim, Cancel, Close, New, Reach, Unaim
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, Order
from fillstream.services.order_service.orders.rules import Draft, Reject
from fillstream.services.order_service.orders.state import MASS, State
from fillstream.services.order_service.orders.waiting.desk import is_stop_loss


class Leg(NamedTuple):
    """One position that is to be reached: lots, signed; the weight that they were counted from; lots of tolerance."""

    symbol: str
    lots: int
    weight: str | None
    tolerance: int | None


class Found(NamedTuple):
    """What there is of a position (lots): held, working to buy and to sell, and the orders of each side."""

    held: int
    buys: int
    sells: int
    orders: list[Order]


class Targeting:
    """The part of the fold that takes targets.

    Args:
        state: has what is held and what works.
        journal: answers.
        closing: knows what is to close a position, and waits for exits.
        take: take a new order, a ClosePosition, a CancelOrder.
        find_limits: puts into a draft what an account may do in an instrument; False unless both are known.
    """

    __slots__ = ("_cancel", "_close", "_closing", "_find_limits", "_journal", "_new", "_state")

    def __init__(
        self,
        state: State,
        journal: Journal,
        closing: Closing,
        take: tuple[Callable[[New], None], Callable[[Close], None], Callable[[Cancel], None]],
        find_limits: Callable[[Draft], bool],
    ) -> None:
        self._state = state
        self._journal = journal
        self._closing = closing
        self._new, self._close, self._cancel = take
        self._find_limits = find_limits

    # ------------------------------------------------------------ what is asked for

    def aim(self, wish: Aim) -> None:
        """Take what is to be held from now on, all of it or nothing."""
        held = self._state.holdings.accounts.get(wish.account)
        if held is not None and held.hedges:
            return self._flatten(wish, held)
        legs = self._legs(wish)
        if isinstance(legs, Reject):
            return self._refuse("SetTarget", wish, legs)
        for number, leg in enumerate(legs, start=1):
            self._set(wish, leg, number, len(legs))
        if not legs:  # it is flat, and what waits for a market to be reached is to stay so
            return self._journal.told("TargetCanceled", signal_id=wish.signal_id, account=wish.account)
        return None

    def _flatten(self, wish: Aim, held: Account) -> None:
        """Close all that an account that hedges holds; no other target says which of its positions is to be how large.

        Its orders are canceled; each position is protected by a time that has come, so that the positions stage closes
        it, and tries until it has.
        """
        positions = [
            (symbol, name)
            for symbol, holding in sorted(held.holdings.items())
            for name, each in sorted((holding.hedged or {}).items())
            if each.quantity
        ]
        text = None
        if wish.targets or not wish.close_others or wish.algorithm is not None:
            text = (
                f"target: account {wish.account} hedges, and has no targets, which do not say of which position they "
                "are; send orders that name theirs, or close all (fillstream flatten; close_others alone)"
            )
        elif len(positions) > MAX_TARGETS:
            text = f"close_others: {len(positions)} positions, more than the {MAX_TARGETS} of one message"
        if text is not None:
            return self._refuse("SetTarget", wish, Reject(RejectReason.NOT_HEDGED, text))
        state = self._state
        state.families.give_all_up(state.orders, wish.account)
        works = [order.order_id for order in state.orders_of(wish.account) if order.status not in FINAL]
        if works:  # the next entry cancels them, and goes on where that is too much for one
            state.canceling.extend((order_id,) for order_id in works)
            state.timers.add_once(self._journal.ms, 0, MASS)
        said = {"signal_id": wish.signal_id, "account": wish.account}
        strategy = {} if wish.strategy is None else {"strategy": wish.strategy}
        for number, (symbol, name) in enumerate(positions, start=1):
            self._journal.told(
                "PositionProtected", **said, symbol=symbol, position_id=name, leg=number, legs=len(positions),
                protection_id=FLATTEN_PROTECTION, exit_time=self._journal.ms, **strategy, signal_time=wish.signal_time,
            )  # fmt: skip
        if not positions:
            self._journal.told("TargetCanceled", **said)
        return None

    def unaim(self, wish: Unaim) -> None:
        """Have targets be none any more; it is said even where there were none."""
        broken = self._unknown(self._draft(wish.account, wish.symbol)) if wish.symbol else None
        if wish.symbol is None and not self._state.knows(wish.account):
            broken = Reject(RejectReason.UNKNOWN_ACCOUNT, f"account: {wish.account} is not an account of this desk")
        if broken is not None:
            return self._refuse("CancelTarget", wish, broken)
        of = {} if wish.symbol is None else {"symbol": wish.symbol}
        return self._journal.told("TargetCanceled", signal_id=wish.signal_id, account=wish.account, **of)

    def _set(self, wish: Aim, leg: Leg, number: int, legs: int) -> None:
        said = {
            "signal_id": wish.signal_id,
            "account": wish.account,
            "symbol": leg.symbol,
            "target_qty": self._lot_text(leg.symbol, leg.lots),
            "weight": leg.weight,
            "tolerance_qty": None if leg.tolerance is None else self._lot_text(leg.symbol, leg.tolerance),
            "min_value": wish.min_value,
            "algorithm": wish.algorithm,
            "algorithm_parameters": wish.algorithm_parameters,
            "strategy": wish.strategy,
            "close_others": wish.close_others or None,
            "leg": number,
            "legs": legs,
            "signal_time": wish.signal_time,
        }
        self._journal.told("TargetSet", **{name: value for name, value in said.items() if value is not None})

    def _legs(self, wish: Aim) -> list[Leg] | Reject:
        """Return the positions that a signal names, counted in lots; or why not."""
        if wish.targets is None:
            said = [{name: getattr(wish, name) for name in ("symbol", "target", "weight", "tolerance")}]
        else:
            said = wish.targets
        legs: list[Leg] = []
        for each in said:
            assert each["symbol"] is not None, "the contract sees to that"
            leg = self._leg(wish, each["symbol"], each)
            if isinstance(leg, Reject):
                return leg
            legs.append(leg)
        if wish.close_others:
            if not self._state.knows(wish.account):
                text = f"account: {wish.account} is not an account of this desk"
                return Reject(RejectReason.UNKNOWN_ACCOUNT, text)
            named = {leg.symbol for leg in legs}
            others = [symbol for symbol in self._others(wish.account) if symbol not in named]
            for symbol in others:  # one that the files lost is closed as far as it can be: the others shall be, too
                draft = self._draft(wish.account, symbol)
                unfit = self._find_limits(draft) and self._unworkable(wish, draft)
                if unfit:
                    return unfit
            legs += [Leg(symbol, 0, None, None) for symbol in others]
            if len(legs) > MAX_TARGETS:
                text = f"close_others: {len(legs)} positions, more than the {MAX_TARGETS} of one message"
                return Reject(RejectReason.LIST_UNFIT, text)
        return legs

    def _leg(self, wish: Aim, symbol: str, said: dict[str, str | None]) -> Leg | Reject:
        account = wish.account
        draft = self._draft(account, symbol)
        broken = self._unknown(draft) or self._unworkable(wish, draft)
        if broken is not None:
            return broken
        if not draft.limits.holding.account.known:
            text = f"account: what {account} holds is not known since this desk was upgraded"
            return Reject(RejectReason.POSITION_UNKNOWN, text)
        lot = draft.terms.lot
        counted: dict[str, int | None] = {}
        for name in ("target", "tolerance"):
            number = said[name]
            counted[name] = None if number is None else lot.units(number)
            if number is not None and counted[name] is None:
                reason = f"{name}: {number} is not a multiple of {symbol}'s lot size {lot.step}"
                return Reject(RejectReason.OFF_LOT, reason)
        lots, weight = counted["target"], said["weight"]
        if weight is not None:
            weighed = self._weighed(draft, weight)
            if isinstance(weighed, Reject):
                return weighed
            lots = weighed
        assert lots is not None, "a target or a weight"
        if abs(lots) > MAX_QTY:
            name, said_so = ("target", said["target"]) if weight is None else ("weight", weight)
            text = f"{name}: {said_so} is more than {lot.text(MAX_QTY)} of {symbol}, what a venue takes"
            return Reject(RejectReason.QUANTITY_TOO_LARGE, text)
        return Leg(symbol, lots, weight, counted["tolerance"])

    def _weighed(self, draft: Draft, weight: str) -> int | Reject:
        """Return the lots, towards 0, that are a share of the account's equity at the mark."""
        self._state.holdings.start_marking()
        equity, instrument = equity_of(draft, self._state.holdings), draft.limits.holding.instrument
        mark = instrument.marked
        if equity is None or not mark:
            what = (
                "a mark"
                if equity is not None
                else f"the equity of {draft.account}, or its rate to {instrument.currency}"
            )
            text = f"weight: {weight} of {draft.symbol} needs {what}, and there is none"
            return Reject(RejectReason.SIZE_UNKNOWN, text)
        if equity <= 0:
            text = f"weight: {weight} of an equity of 0 or less, of {draft.account}, is nothing"
            return Reject(RejectReason.SIZE_UNKNOWN, text)
        each = Fraction(abs(mark))
        if instrument.inverse is not None:
            each = 2 * instrument.inverse.exact(each / 2)
        share = Fraction(parse(weight)) * equity * 10**MONEY_DECIMALS / (instrument.half_tick_lot * each)
        try:
            parse(self._lot_text(draft.symbol, int(share)))
        except ValueError as error:
            text = f"weight: {weight} of the equity of {draft.account} is a quantity of {draft.symbol} that {error}"
            return Reject(RejectReason.SIZE_UNKNOWN, text)
        return int(share)

    def _unworkable(self, wish: Aim, draft: Draft) -> Reject | None:
        """Return why the algorithm that is asked for cannot work orders in an instrument, None where it can."""
        if wish.algorithm is None:
            return None
        draft.said = _special(wish)
        return rules.WORKED.first_broken(draft, self._state)

    def _others(self, account: str) -> list[str]:
        """Return the symbols of which an account holds or has something working."""
        found = {order.terms.symbol for order in self._state.orders_of(account) if order.status not in FINAL}
        held = self._state.holdings.account(account).holdings
        return sorted(found | {symbol for symbol, holding in held.items() if holding.quantity})

    # ------------------------------------------------------------ what is missing

    def reach(self, wish: Reach) -> None:
        """Send what is missing of a target, or have what works the other way canceled."""
        state = self._state
        first = state.find_client(wish.account, wish.client_order_id)
        if first is not None:
            text = f"client_order_id: {wish.client_order_id} is order {first.order_id}; this changed nothing"
            return self._journal.status_reported(first, wish.account, wish.signal_id, text)
        draft = self._draft(wish.account, wish.symbol)
        broken = self._unknown(draft)
        if broken is not None:
            return self._refuse("ReachPosition", wish, broken)
        lot = draft.terms.lot
        target = lot.units(wish.target)
        if target is None:
            text = f"target: {wish.target} is not a multiple of {wish.symbol}'s lot size {lot.step}"
            return self._refuse("ReachPosition", wish, Reject(RejectReason.OFF_LOT, text))
        state.count_working(wish.account)
        found = self._found(wish.account, wish.symbol)
        missing = target - found.held - found.buys + found.sells
        against = found.sells if missing > 0 else found.buys
        if missing and against:
            return self._oppose(wish, found, "SELL" if missing > 0 else "BUY")
        if self._closing.waits_for(wish.account, wish.symbol):
            return self._told(wish, found, "opposed", 0)
        if not missing:
            return self._told(wish, found, "held" if target == found.held else "working", 0)
        return self._send(wish, found.held, missing)

    def _send(self, wish: Reach, held: int, missing: int) -> None:
        """Take the order that is missing: what closes the position first, where it is turned."""
        side = "BUY" if missing > 0 else "SELL"
        special = _special(wish)
        if held and (held > 0) != (missing > 0) and special is None:
            lots = min(abs(held), abs(missing))
            return self._close(
                Close(
                    wish.signal_id, wish.client_order_id, wish.account, wish.symbol, self._lot_text(wish.symbol, lots),
                    OrderType.MARKET.value, None, None, wish.strategy, None, wish.signal_time,
                )
            )  # fmt: skip
        return self._new(
            New(
                wish.signal_id, wish.client_order_id, wish.account, wish.symbol, side,
                self._lot_text(wish.symbol, abs(missing)), OrderType.MARKET.value, None, None, wish.strategy, None,
                wish.signal_time, None, special,
            )
        )  # fmt: skip

    def _oppose(self, wish: Reach, found: Found, side: str) -> None:
        """Ask for the orders of one side to go."""
        leaving = [order for order in found.orders if order.side == side]
        self._told(wish, found, "opposed", len(leaving))
        for order in leaving:
            if order.cancel_signal is None:
                self._cancel(Cancel(order.mass_signal, wish.account, str(order.order_id), None, wish.signal_time))

    def _found(self, account: str, symbol: str) -> Found:
        """Return what there is of a position; exits that protect it, and children of what is worked, are no part."""
        orders = [
            order
            for order in self._state.orders_of(account)
            if order.status not in FINAL and order.terms.symbol == symbol and not self._protects(order)
        ]
        works = {"BUY": 0, "SELL": 0}
        for order in orders:
            works[order.side] += order.open_lots
        tops = [order for order in orders if order.links is None or order.links.parent_id is None]
        held = self._state.holdings.holding(account, symbol).quantity
        return Found(held, works["BUY"], works["SELL"], tops)

    def _protects(self, order: Order) -> bool:
        """Whether an order is one that waits to close the position: a stop, or an exit of a bracket."""
        parent_id = None if order.links is None else order.links.parent_id
        return is_stop_loss(order) or (parent_id is not None and int(parent_id) in self._state.families.brackets)

    def _told(self, wish: Reach, found: Found, what: str, canceling: int) -> None:
        """PositionTargeted: nothing was sent."""
        working = self._lot_text(wish.symbol, found.buys - found.sells)
        self._journal.told(
            "PositionTargeted", signal_id=wish.signal_id, account=wish.account, symbol=wish.symbol,
            target_qty=wish.target, position=self._lot_text(wish.symbol, found.held), working_qty=working, found=what,
            canceling=canceling,
        )  # fmt: skip

    def _lot_text(self, symbol: str, lots: int) -> str:
        return canonical(multiply(Decimal(lots), self._state.instruments[symbol].lot_size))

    # ------------------------------------------------------------------ who it is

    def _draft(self, account: str, symbol: str) -> Draft:
        draft = Draft()
        draft.account, draft.symbol, draft.ms = account, symbol, self._journal.ms
        draft.order_type, draft.buy, draft.lots, draft.worth = OrderType.MARKET.value, True, 0, 0
        return draft

    def _unknown(self, draft: Draft) -> Reject | None:
        if self._find_limits(draft):
            return None
        broken = rules.KNOWN.first_broken(draft, self._state)
        assert broken is not None, "one of them is unknown"
        return broken

    def _refuse(self, request: str, wish: Aim | Unaim | Reach, broken: Reject) -> None:
        assert not isinstance(broken.reason, CancelRejectReason), "rules of new orders refuse it"
        self._journal.signal_refused(request, wish.signal_id, wish.account, broken.reason, broken.text)


def _special(wish: Aim | Reach) -> SpecialTerms | None:
    """Return what makes the orders of a target more than plain ones: the algorithm that works them."""
    if wish.algorithm is None:
        return None
    return SpecialTerms(algorithm=wish.algorithm, algorithm_parameters=wish.algorithm_parameters)
