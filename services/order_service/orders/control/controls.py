"""Controls: what an operator tells this partition, and what becomes of it.

Flows in: the bytes of an entry's `control`. Flows out: an event that answers it, events of what it changed, and the
changed state. Never judges an order: rules read what a control left in the state.

Every control has one visible answer: ControlApplied, ControlRejected, ControlReported for one that came before, or a
dead letter. To add a kind is a class in `messages.controls` and a handler in `HANDLERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import Adjustment, ControlRejectReason, RiskAction
from fillstream.libs.common.messages.controls import (
    CORPORATE,
    LIMITS,
    AcceptLoss,
    AdjustAccount,
    Approve,
    Control,
    Halt,
    OfAccountOrDesk,
    Reconcile,
    Reduce,
    Refuse,
    ResetLimits,
    Resume,
    SetLimits,
    SwitchAlias,
    SwitchRule,
    canonical_control,
    read_control,
)
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.messages.terms import written
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.values.money import canonical
from fillstream.libs.common.values.naming import cut
from fillstream.services.order_service.orders.control import renaming, splitting
from fillstream.services.order_service.orders.control.breakers import Breakers
from fillstream.services.order_service.orders.control.mass_cancels import MassCancels
from fillstream.services.order_service.orders.control.meant import Meant
from fillstream.services.order_service.orders.control.overrides import Answered, Overrides, with_overrides
from fillstream.services.order_service.orders.control.standing import ACTIVE, HALTED, REDUCING, Standing
from fillstream.services.order_service.orders.instructions import Restrict
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.markets.quotes import tell_all_of
from fillstream.services.order_service.orders.reconciling.reconciler import Reconciler
from fillstream.services.order_service.orders.reconciling.stating import Stating
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.orders.waiting.approvals import Refused, let_go, smaller, take_off, waiting
from fillstream.services.order_service.orders.waiting.desk import Desk

MAX_CONTROLS = 10_000
"""At most this many control_ids are remembered, the oldest go first; each takes about 500 bytes."""
CONTENT_BYTES = 8
MOST_SAID = 3
"""A sentence names so many bare positions; the event behind it has more."""
NO_ORDER_COULD_PASS, DUPLICATE = ControlRejectReason.NO_ORDER_COULD_PASS, ControlRejectReason.DUPLICATE_CONTROL_ID


class Effect(NamedTuple):
    """What a control did.

    Attributes:
        text: the sentence that tells it.
        accounts: whose terms it changed.
        then: tells, behind the answer, what else it changed, and has it done.
    """

    text: str
    accounts: tuple[str, ...] = ()
    then: Callable[[], None] | None = None


class Room(NamedTuple):
    """What a handler works with."""

    state: State
    journal: Journal
    mass_cancels: MassCancels
    desk: Desk
    reconciler: Reconciler
    stating: Stating


POSITIONS: Final = "positions"
"""Who asks where a limit on an account's risk is broken."""


class Controls:
    """The part of the fold that takes controls.

    Args:
        room: what handlers work with: the state that is changed, the journal where the answer goes …
        breakers: are closed where a control takes their limits off.
        topology: says whose partition an account is.
        partition: of the accounts.
    """

    __slots__ = ("_breakers", "_journal", "_partition", "_room", "_state", "_topology")

    def __init__(
        self, room: Room, topology: Topology, partition: int, breakers: Breakers
    ) -> None:  # fmt: skip
        self._breakers = breakers
        self._room = room
        self._state = room.state
        self._journal = room.journal
        self._topology = topology
        self._partition = partition

    def take(self, data: bytes) -> None:
        """Do what a control says, or say why not.

        Raises:
            BadEntry: see `read_control`; wrong_partition or unknown_account for an account that is not known here.
        """
        control = read_control(data)
        points = self._state.aliases.points
        if control.of_account not in points:
            return self._take(control, control)
        # What an operator says of an alias is meant for the account that trades under it now.
        alias = control.of_account
        self._journal.named(alias)
        try:
            return self._take(control, control.model_copy(update={"account": points[alias]}))
        finally:
            self._journal.named(None)

    def restrict(self, wish: Restrict) -> None:
        """Take what the positions stage says of an account whose limits on its risk are broken, as an operator's word.

        Raises:
            BadEntry: wrong_partition or unknown_account.
        """
        model = Halt if wish.action == RiskAction.HALT else Reduce
        said = {"control_id": wish.signal_id, "who": POSITIONS, "reason": wish.reason, "account": wish.account}
        control = model.model_validate({"type": model.__name__, "v": model.VERSION, **said})
        self._take(control, control)

    def _take(self, said: Control, control: Control) -> None:
        """Take a control as it was said, with the account that it is about."""
        state, journal = self._state, self._journal
        content = blake2b(canonical_control(said), digest_size=CONTENT_BYTES).hexdigest()
        first = state.controls.get(control.control_id)
        if first is not None and first.ms > self._horizon():
            return self._again(control, content, first)
        self._check_account(control.of_account)
        try:
            effect = HANDLERS[type(control)](self._room, control)
        except Refused as refused:
            self._remember(control, Answered(journal.ms, content, refused.refusal.value, refused.text))
            return journal.control_rejected(control, refused.refusal, refused.text)
        self._remember(control, Answered(journal.ms, content, None, effect.text))
        journal.control_applied(control, effect.text)
        for account in effect.accounts:
            journal.account_defined(account, state.effective(account), state.overrides.get(account, ()))
            self._room.desk.terms_changed(account)
        if effect.accounts:
            self._breakers.lift()
        if effect.then is not None:
            effect.then()
        return None

    def _again(self, control: Control, content: str, first: Answered) -> None:
        if first.content == content:
            text = f"control_id: {control.control_id} came before, and nothing has changed now; then: {first.text}"
            return self._journal.control_reported(control, first.refusal, text)
        text = f"control_id: {control.control_id} came before with another content; an id stands for one control"
        return self._journal.control_rejected(control, DUPLICATE, text)

    def _check_account(self, account: str | None) -> None:
        if account is None or self._state.knows(account):
            return
        owner = self._topology.account_partition(account)
        if owner != self._partition:
            text = f"account: {account} is of partition {owner}, this is {self._partition}"
            raise BadEntry("wrong_partition", text)
        raise BadEntry("unknown_account", f"account: {account} is no account of this desk")

    def _remember(self, control: Control, answered: Answered) -> None:
        """Remember an answer; let go of ids past the window, and of the oldest beyond `MAX_CONTROLS`."""
        controls, horizon = self._state.controls, self._horizon()
        gone: list[str] = []
        for control_id, each in controls.items():
            if each.ms > horizon and len(controls) - len(gone) < MAX_CONTROLS:
                break
            gone.append(control_id)
        for control_id in gone:
            del controls[control_id]
        controls[control.control_id] = answered

    def _horizon(self) -> int:
        """Return the millisecond up to which what came is forgotten."""
        return self._journal.ms - self._state.config.idempotency_ms


# ------------------------------------------------------------------------------------------------------------ handlers


def _set_limits(room: Room, control: SetLimits) -> Effect:
    state = room.state
    before = state.overrides.get(control.account, {})
    return _override(state, control.account, {**before, **control.values})


def _reset_limits(room: Room, control: ResetLimits) -> Effect:
    state = room.state
    before = state.overrides.get(control.account, {})
    return _override(state, control.account, {name: before[name] for name in before if name not in control.names})


def _accept_loss(room: Room, control: AcceptLoss) -> Effect:
    return Effect(f"{control.stage}: {control.page} was accepted: {control.loss}")


def _override(state: State, account: str, overrides: Overrides) -> Effect:
    """Let overrides count, and tell what changed: the value that counts now, and the file's where it is another."""
    file, before = state.config.accounts[account], state.effective(account)
    overrides = {name: overrides[name] for name in LIMITS if name in overrides}
    try:
        after = with_overrides(file, overrides)
    except ValidationError as error:
        raise Refused(NO_ORDER_COULD_PASS, sentences(error)) from None
    known = state.overrides.get(account, {})
    changed = [
        f"{name}: {_said(after, name)}, before {_said(before, name)}; {_source(name, overrides, _said(file, name))}"
        for name in LIMITS
        if (name in overrides) != (name in known) or _said(after, name) != _said(before, name)
    ]
    if not changed:
        return Effect(f"account: {account} has these limits already")
    state.override(account, overrides)
    return Effect("; ".join(changed), (account,))


def _said(terms: Any, name: str) -> str:
    value = written(getattr(terms, name))
    if isinstance(value, tuple):
        return ",".join(value) or "null"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _source(name: str, overrides: Overrides, file: str) -> str:
    return f"the file says {file}" if name in overrides else "as the file says"


def _halt(room: Room, control: Halt) -> Effect:
    """Halt, and take off what works; again where it is HALTED already: what a venue brought back is taken off then."""
    if not control.cancel:
        return _stand(room, control, Standing(HALTED, control.keep_protective), "what works stays")
    meant = Meant(control.account)
    done, gone, kept = room.mass_cancels.survey(meant, control.keep_protective)
    told = f"{done.working} orders at venues and {done.held} in the desk are canceled"
    if control.keep_protective:
        told += f", {done.kept} protective ones stay"
    if done.bare_positions:
        more = ", …" if done.bare_positions > MOST_SAID else ""
        named = ", ".join(done.bare[:MOST_SAID])
        told += f"; without a protective order that covers it: {done.bare_positions} positions ({named}{more})"
    effect = _stand(room, control, Standing(HALTED, control.keep_protective, done.bare_positions), told)

    def then() -> None:
        if effect.then is not None:
            effect.then()
        room.journal.mass_cancel_requested(done, meant, control_id=control.control_id)
        room.mass_cancels.begin(meant, gone, kept)

    return effect._replace(then=then)


def _reduce(room: Room, control: Reduce) -> Effect:
    return _stand(room, control, Standing(REDUCING), "only what reduces is taken")


def _resume(room: Room, control: Resume) -> Effect:
    desk = room.state.standing
    waits = control.account is not None and desk != ACTIVE
    return _stand(room, control, ACTIVE, f"the desk is {desk.state} still" if waits else "everything is taken again")


def _stand(room: Room, control: OfAccountOrDesk, new: Standing, told: str) -> Effect:
    """Let an account or the desk stand so; what it was is told with it."""
    state, account = room.state, control.account
    old = state.standing if account is None else state.standings.get(account, ACTIVE)
    whose = "desk" if account is None else f"account {account}"
    if old.state == new.state:
        text = f"{whose}: is {new.state} already; {told}"
    else:
        text = f"{whose}: {new.state}, before {old.state}; {told}"
    state.stand(account, new)
    if (old.state, old.keeps) == (new.state, new.keeps):
        return Effect(text)
    return Effect(text, then=lambda: room.journal.trading_state_changed(control, old, new))


def _adjust_account(room: Room, control: AdjustAccount) -> Effect:
    if control.symbol is not None and control.symbol not in room.state.instruments:
        text = f"symbol: {control.symbol} is no instrument of this desk"
        raise Refused(ControlRejectReason.UNKNOWN_SYMBOL, text)
    if control.adjustment in CORPORATE and control.symbol is not None:
        # Quotes that are not told yet are of the shares, or the name, of before.
        tell_all_of(room.state, room.journal, room.desk, control.symbol)
    if control.adjustment is Adjustment.SPLIT:
        changes = splitting.split(room.state, control)
        told = splitting.sentence(control, changes)
        return Effect(told, then=lambda: splitting.tell(room.state, room.journal, control, changes))
    if control.adjustment is Adjustment.SYMBOL_CHANGE:
        changes = renaming.rename(room.state, control)
        told = renaming.sentence(control, changes)
        return Effect(told, then=lambda: splitting.tell(room.state, room.journal, control, changes))
    account = control.account
    assert account is not None, "cash is of one account"
    own = room.state.effective(account).currency
    if control.currency not in (None, own):
        text = f"currency: {control.currency} must be {own}, the account's"
        raise Refused(ControlRejectReason.WRONG_CURRENCY, text)
    cash = room.state.holdings.adjust(account, control.cash)
    told = f"{control.adjustment}: {canonical(control.cash)} {own}; "
    told += f"account {account} was given {canonical(cash)}"

    def then() -> None:
        room.journal.account_adjusted(control, account, own, cash)

    return Effect(told, then=then)


def _switch_alias(room: Room, control: SwitchAlias) -> Effect:
    """Let an alias point elsewhere. `control` has the account that it points to; the journal knows the alias."""
    state, old, alias = room.state, control.account, room.journal.alias
    if alias is None:
        raise Refused(ControlRejectReason.NO_ALIAS, f"account: {old} is an account, and no alias to be switched")
    aliases = state.aliases
    new = state.config.aliases[alias] if control.to is None else control.to
    if not state.knows(new) or new not in aliases.accounts[alias]:
        known = ", ".join(name for name in aliases.accounts[alias] if state.knows(name))
        raise Refused(ControlRejectReason.UNKNOWN_ACCOUNT, f"to: {new} must be an account of {alias}, one of {known}")
    if new == old:
        aliases.switch(alias, new, control.to is None)
        return Effect(f"alias {alias}: points to {new} already")
    orders = {name: state.working(name) for name in (old, new)}
    if any(orders.values()):
        told = " and ".join(f"{count} orders of {name}" for name, count in orders.items() if count)
        raise Refused(ControlRejectReason.ORDERS_WORK, f"alias {alias}: {told} work; cancel them first")
    told = f"alias {alias}: points to {state.config.with_mode(new)}, before {state.config.with_mode(old)}"
    kept = sum(bool(holding.quantity) for holding in state.holdings.account(old).holdings.values())
    if kept:
        told += f", which keeps its {kept} open positions"

    aliases.switch(alias, new, control.to is None)
    return Effect(told, then=lambda: room.journal.alias_defined(alias, new, old, control.control_id))


def _switch_rule(room: Room, control: SwitchRule) -> Effect:
    """Switch a rule. One that is on is told again, too: it may have failed, and is looked at from now on."""
    switches, config, name = room.state.rule_switches, room.state.config, control.rule_id
    if not switches.knows(name, config):
        known = cut(", ".join(rule.rule_id for rule in config.rules)) or "it has none"
        raise Refused(ControlRejectReason.UNKNOWN_RULE, f"rule_id: {name} must be a rule of this desk, {known}")
    switches.switch(name, control.enabled)
    rule = switches.terms(config).get(name)
    if rule is None:
        return Effect(f"rule {name}: is as the configuration says, which has none of that name")
    by = "as the configuration says" if control.enabled is None else "until it is switched or reset"
    text = f"rule {name}: is {'on' if rule.enabled else 'off'}, {by}"
    return Effect(text, then=lambda: room.journal.rule_defined(name, rule, control.control_id))


def _approve(room: Room, control: Approve) -> Effect:
    order = waiting(room.state, control)
    amendment = smaller(order, control)
    told = f"order {order.order_id} of account {order.account} was approved"
    if amendment is not None:
        price = f" at {order.terms.price.text(amendment.price)}" if order.priced else ""
        told += f", amended to {order.terms.lot.text(amendment.quantity)}{price}"
    return Effect(told, then=lambda: let_go(room.desk, order, amendment))


def _refuse(room: Room, control: Refuse) -> Effect:
    order = waiting(room.state, control)
    told = f"order {order.order_id} of account {order.account} was refused"
    return Effect(told, then=lambda: take_off(room.desk, order, control.who, control.reason))


def _reconcile(room: Room, control: Reconcile) -> Effect:
    venues = [*room.state.config.venues] if control.venue is None else [control.venue]
    if venues[0] not in room.state.config.venues:
        known = ", ".join(room.state.config.venues)
        text = f"venue: {control.venue} must be a venue of this desk, one of {known}"
        raise Refused(ControlRejectReason.UNKNOWN_VENUE, text)
    if not room.reconciler.has_room(len(venues)):
        text = f"venue: reports of {len(venues)} venues more cannot be awaited now, wait for those that are"
        raise Refused(ControlRejectReason.TOO_MANY, text)
    whose = "all accounts" if control.account is None else f"account {control.account}"

    def then() -> None:
        for venue in venues:
            room.reconciler.ask(venue, control.account, control.control_id)
        room.stating.demand(control.account)

    return Effect(
        f"{', '.join(venues)}: asked for what {whose} have there, and what the desk holds is stated", then=then
    )


Handler = Callable[[Room, Any], Effect]
HANDLERS: Final[dict[type[Control], Handler]] = {
    SetLimits: _set_limits,
    ResetLimits: _reset_limits,
    AcceptLoss: _accept_loss,
    Halt: _halt,
    Reduce: _reduce,
    Resume: _resume,
    AdjustAccount: _adjust_account,
    SwitchAlias: _switch_alias,
    SwitchRule: _switch_rule,
    Approve: _approve,
    Refuse: _refuse,
    Reconcile: _reconcile,
}
"""By the control's class; every one of `messages.controls.CONTROLS` is here."""
