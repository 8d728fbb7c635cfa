"""What protects positions, as it is asked for: judged by what is held, and journaled for the positions stage.

Flows in: ProtectPosition, CancelProtection. Flows out: PositionProtected, ProtectionCanceled; or why not. Keeps none:
the positions stage, which sees the same positions at the same places of the journal, has them.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.values.money import Scale, canonical, parse
from fillstream.services.order_service.orders import rules
from fillstream.services.order_service.orders.config import day_end
from fillstream.services.order_service.orders.holding.closing import lots_in, named_by
from fillstream.services.order_service.orders.instructions import Protect, Unprotect
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.rules import Draft, Reject
from fillstream.services.order_service.orders.state import State

ON_TICK = ("stop_loss", "take_profit", "trailing_stop", "activation_offset", "break_even_offset")
"""What is a price, or a distance of prices."""


class Protections:
    """The part of the fold that takes what is to protect positions.

    Args:
        state: has the positions.
        journal: answers.
        find_limits: puts into a draft what an account may do in an instrument; False unless both are known.
    """

    __slots__ = ("_find_limits", "_journal", "_state")

    def __init__(self, state: State, journal: Journal, find_limits: Callable[[Draft], bool]) -> None:
        self._state = state
        self._journal = journal
        self._find_limits = find_limits

    def protect(self, wish: Protect) -> None:
        """Take what is to protect a position from now on, unless nothing is held or it makes no sense for it."""
        draft = self._of(wish)
        broken = self._unknown(draft)
        if broken is None:
            wish, broken = self._named(wish, draft)
        if broken is None and wish.before_session_end_ms is not None:
            found = self._session_end(draft)
            if isinstance(found, Reject):
                broken = found
            else:
                wish = wish._replace(exit_time=found - wish.before_session_end_ms)
        broken = broken or self._unfit(wish, draft)
        if broken is not None:
            return self._refuse("ProtectPosition", wish, broken)
        said = {name: value for name, value in wish._asdict().items() if value is not None}
        return self._journal.told("PositionProtected", **said)

    def cancel(self, wish: Unprotect) -> None:
        """Have what protects a position do so no more; it is said even where nothing did."""
        draft = self._of(wish)
        broken = self._unknown(draft)
        if broken is not None:
            return self._refuse("CancelProtection", wish, broken)
        said = {"signal_id": wish.signal_id, "account": wish.account, "symbol": wish.symbol}
        positions = draft.limits.holding.hedged
        if positions is not None:
            held = sorted(name for name, each in positions.items() if each.quantity)
            if wish.position_id is None and len(held) > 1:
                text = (
                    f"position_id: is missing: {wish.account} hedges, and holds {len(held)} positions of {wish.symbol}"
                )
                return self._refuse("CancelProtection", wish, Reject(RejectReason.NOTHING_TO_REDUCE, text))
            position_id = wish.position_id or (held[0] if held else None)
            said |= {} if position_id is None else {"position_id": position_id}
        if wish.protection_id is not None:
            said["protection_id"] = wish.protection_id
        return self._journal.told("ProtectionCanceled", **said)

    def _of(self, wish: Protect | Unprotect) -> Draft:
        draft = Draft()
        draft.account, draft.symbol, draft.ms = wish.account, wish.symbol, self._journal.ms
        draft.order_type = "MARKET"
        return draft

    def _unknown(self, draft: Draft) -> Reject | None:
        if self._find_limits(draft):
            return None
        broken = rules.KNOWN.first_broken(draft, self._state)
        assert broken is not None, "one of them is unknown"
        return broken

    @staticmethod
    def _named(wish: Protect, draft: Draft) -> tuple[Protect, Reject | None]:
        """Return what is asked for with the position that it is about: of an account that nets there is one alone."""
        holding = draft.limits.holding
        if holding.hedged is None:
            return wish._replace(position_id=None), None
        found = named_by(wish, holding, draft.terms.lot)
        return (wish, found) if isinstance(found, Reject) else (wish._replace(position_id=found), None)

    @staticmethod
    def _session_end(draft: Draft) -> int | Reject:
        """Return when the session that is, or comes next, trades no more: its closing auction takes no market order.

        Where there is no calendar that is the end of the UTC day.
        """
        terms = draft.terms
        if terms.calendar is None:
            return day_end(draft.ms)
        closing = None if terms.hours is None else terms.hours.closing(draft.ms)
        if closing is None:
            text = f"before_session_end_ms: the calendar {terms.calendar} of {terms.symbol} does not know when that is"
            return Reject(RejectReason.CALENDAR_ENDED, text)
        return closing.call_ms

    def _unfit(self, wish: Protect, draft: Draft) -> Reject | None:
        """Return why a position is not protected so, None where it is."""
        holding, terms = draft.limits.holding, draft.terms
        if not holding.account.known:
            text = f"account: what {wish.account} holds is not known since this desk was upgraded"
            return Reject(RejectReason.POSITION_UNKNOWN, text)
        quantity = holding.part(wish.position_id).quantity
        if not quantity:
            text = f"symbol: {wish.account} holds no {wish.symbol}, there is nothing to protect"
            return Reject(RejectReason.NOTHING_TO_REDUCE, text)
        if wish.quantity is not None and not lots_in(terms.lot, wish.quantity):
            text = f"quantity: {wish.quantity} is not a multiple of {wish.symbol}'s lot size {terms.lot.step}"
            return Reject(RejectReason.OFF_LOT, text)
        for name in ON_TICK:
            said = getattr(wish, name)
            if said is not None and not _is_on(terms.price, said):
                text = f"{name}: {said} is not a multiple of {wish.symbol}'s tick size {terms.price.step}"
                return Reject(RejectReason.STOP_OFF_TICK, text)
        if wish.trailing_stop_atr is not None and self._state.instruments[wish.symbol].atr_interval_ms is None:
            text = f"trailing_stop_atr: {wish.trailing_stop_atr} needs {wish.symbol}'s atr_interval_ms, and it has none"
            return Reject(RejectReason.BAD_PARAMETERS, text)
        never = _never_reached(wish, quantity > 0)
        if never is not None and not terms.negative_prices:
            return Reject(RejectReason.STOP_OUT_OF_RANGE, f"{never}, {wish.symbol} has no negative_prices")
        if wish.stop_loss is not None and wish.take_profit is not None:
            stop, take = parse(wish.stop_loss), parse(wish.take_profit)
            long = quantity > 0
            if (stop >= take) if long else (stop <= take):
                way, must = ("long", "below") if long else ("short", "above")
                text = (
                    f"stop_loss: {canonical(stop)} of a {way} position must be {must} its take_profit {canonical(take)}"
                )
                return Reject(RejectReason.WRONG_SIDE, text)
        if wish.exit_time is not None and wish.exit_time <= self._journal.ms:
            name, said = "exit_time", wish.exit_time
            if wish.before_session_end_ms is not None:
                name, said = "before_session_end_ms", wish.before_session_end_ms
            return Reject(RejectReason.EXPIRE_TIME_PASSED, f"{name}: {said} has passed already")
        return None

    def _refuse(self, request: str, wish: Protect | Unprotect, broken: Reject) -> None:
        assert isinstance(broken.reason, RejectReason), "rules of new orders refuse it"
        self._journal.signal_refused(request, wish.signal_id, wish.account, broken.reason, broken.text)


def _never_reached(wish: Protect, long: bool) -> str | None:
    """Return why something waits for a price at or below 0, which a stop of a long would, or a target of a short."""
    way, name = ("long", "stop_loss") if long else ("short", "take_profit")
    said = getattr(wish, name)
    if said is not None and parse(said) <= 0:
        return f"{name}: {said} of a {way} position must be above 0"
    said = getattr(wish, f"{name}_percent")
    if said is not None and parse(said) >= 100:
        return f"{name}_percent: {said} of a {way} position must be less than 100"
    return None


def _is_on(grid: Scale, text: str) -> bool:
    return Decimal(text) % grid.step == 0
