"""Looks at each event with the rules that are about it, and does what they say.

Flows in: rules as the journal defines them; its events, after the books have taken them. Flows out: instructions in
`orders.{a}`, each with an id made of the rule and the event, so that no replay or restart repeats one; and what is told
of each rule. A rule that cannot be evaluated is looked at no more, and hurts no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Final

from fillstream.libs.common.expressions.expression import Expression, Kind, Value, Wrong
from fillstream.libs.common.ledger.worth import MONEY_DECIMALS
from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.libs.common.messages.rule_terms import RuleTerms, fields_of
from fillstream.libs.common.messages.rules import RuleStatus
from fillstream.libs.common.values.money import fixed
from fillstream.services.position_service.accounts.account import Account
from fillstream.services.position_service.accounts.sums import sums_of
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.books.held import Held
from fillstream.services.position_service.books.instrument import Instrument
from fillstream.services.position_service.rules.acting import check, instruction_of
from fillstream.services.position_service.rules.rule import Rule, terms_in
from fillstream.services.position_service.telling import Message, Telling

PREDICTION: Final = "PredictionReceived"
"""What no rule did anything with is told of these."""
Names = dict[str, dict[str, Value]]


class Ruling:
    """The part of the fold that has the rules.

    Args:
        books: have the positions and the rules.
        telling: told what these do.
        orders: the name of the stream that instructions go to.
    """

    __slots__ = ("_books", "_instead", "_orders", "_rules", "_telling")

    def __init__(self, books: Books, telling: Telling, orders: str) -> None:
        self._books = books
        self._rules = books.rules
        self._telling = telling
        self._orders = orders
        self._instead = False

    def instead(self, rules: Iterable[RuleTerms]) -> None:
        """Have these rules from now on, and none that the journal defines."""
        self._instead = True
        for terms in rules:
            self._rules.define(terms.rule_id, terms)

    def defined(self, event: Message) -> None:
        """Take a rule, or let one go."""
        if self._instead:
            return
        text = event.get("rule")
        self._rules.define(event["rule_id"], None if text is None else terms_in(text))

    def happened(self, event: Message) -> None:
        """Do what rules say about an event."""
        rules = self._rules.by_event.get(event["type"], ())
        done, of_all, names = False, event.get("account"), None
        for rule in [*rules]:
            terms = rule.terms
            if terms.symbols and event.get("symbol") not in terms.symbols:
                continue
            # What is of no account, as a quote, is looked at once for each that the rule names.
            meant = (terms.accounts or (None,)) if of_all is None else (of_all,)
            for account in meant:
                if (terms.accounts and account not in terms.accounts) or not rule.may(self._telling.ms):
                    continue
                if names is None or names[0] != account:
                    names = account, self._names(event)
                done = self._look(rule, event | {"account": account}, names[1]) or done
        if rules and not done and event["type"] == PREDICTION:
            self._tell(None, event, RuleStatus.UNMATCHED, text="no rule did anything with it")

    def _look(self, rule: Rule, event: Message, names: Names) -> bool:
        """Do what one rule says; return whether it did something."""
        try:
            if not self._evaluate(rule.compiled.when, event, names):
                return False
            rule.did(self._telling.ms)
            sent = self._act(rule, event, names)
        except Wrong as wrong:
            rule.disabled = str(wrong)
            self._tell(rule, event, RuleStatus.FAILED, text=str(wrong))
            return False
        self._tell(rule, event, RuleStatus.FIRED, sent)
        return True

    def _act(self, rule: Rule, event: Message, names: Names) -> list[str]:
        """Send what a rule's actions come to, all of them or none."""
        made: list[Message] = []
        said: list[str] = []
        for action, told in rule.compiled.actions:
            values = {name: self._value(each, event, names) for name, each in told.items()}
            if action == "log":
                said.append(str(values["text"]))
                continue
            for name, value in values.items():
                if value is None:
                    raise Wrong(f"{action}: {name}: what it is told comes to nothing")
            instrument, account = self._whose(event)
            held = self._held(event, instrument, account)
            lots = 0 if held is None else held.position.quantity
            message = instruction_of(action, values, instrument, lots, None if held is None else held.name)
            name = f"rule-{rule.terms.rule_id}-{event['seq']}-{len(made) + 1}"
            message |= {"signal_id": name, "account": account, "symbol": instrument.symbol}
            if "client_order_id" in message:
                message["client_order_id"] = name
            if "strategy" in message:
                message["strategy"] = rule.terms.rule_id
            check(message)
            message["signal_time"] = self._telling.ms
            made.append(message)
        for text in said:
            self._tell(rule, event, RuleStatus.LOGGED, text=text)
        for message in made:
            self._telling.out.event(self._orders, message)
        return [message["signal_id"] for message in made]

    @staticmethod
    def _held(event: Message, instrument: Instrument | None, account: str) -> Held | None:
        """Return the position that an event is about; of an account that hedges that which it names, else the whole."""
        whole = None if instrument is None else instrument.held.get(account)
        if whole is None or whole.hedged is None:
            return whole
        return whole.hedged.get(event.get("position_id") or event.get("order_id") or "", whole)

    def _whose(self, event: Message) -> tuple[Instrument, str]:
        account, instrument = event.get("account"), self._books.instruments.get(event.get("symbol") or "")
        if account is None or instrument is None:
            raise Wrong(f"{event['type']} names no account and instrument that something could be done with")
        return instrument, account

    # ------------------------------------------------------------------- what is asked about

    def _value(self, told: Expression | str, event: Message, names: Names) -> Value:
        return told if isinstance(told, str) else self._evaluate(told, event, names)

    def _evaluate(self, expression: Expression, event: Message, names: Names) -> Value:
        """Return what an expression comes to; what is dear to count is counted where it is asked for."""
        if "account" in expression.names and "account" not in names:
            names["account"] = self._account(event.get("account"))
        if "position" in expression.names and "position" not in names:
            names["position"] = self._position(event)
        return expression.evaluate(names)

    def _names(self, event: Message) -> Names:
        kinds = fields_of(event["type"]) or {}
        instrument = self._books.instruments.get(event.get("symbol") or "")
        minutes = self._telling.ms % DAY_MS // 60_000
        return {
            "event": {name: _of(event.get(name), kind) for name, kind in kinds.items()},
            "market": {} if instrument is None else {
                "mark_px": _number(instrument.mark_text(1)),
                "tick_size": instrument.price.step,
                "lot_size": instrument.lot.step,
            },
            "time": {
                "hour": Decimal(minutes // 60),
                "minute": Decimal(minutes % 60),
                "weekday": Decimal((self._telling.ms // DAY_MS + 3) % 7 + 1),
            },
        }  # fmt: skip

    def _position(self, event: Message) -> dict[str, Value]:
        instrument = self._books.instruments.get(event.get("symbol") or "")
        held = self._held(event, instrument, event.get("account") or "")
        if instrument is None or held is None:
            return {"quantity": Decimal(0), "is_open": False}
        position = held.position
        realized, unrealized = instrument.gains(held)
        money, trip = instrument.money, held.trip
        opened = None if trip is None else trip.opened_ms
        day = None if held.settled is None else money(instrument.net(held) - held.settled)
        return {
            "quantity": _number(instrument.lot.text(position.quantity)),
            "avg_px": None if held.hedged is not None else _number(instrument.average(position)),
            "mark_px": _number(instrument.mark_text(position.quantity)),
            "realized_pnl": _number(money(realized)),
            "unrealized_pnl": None if unrealized is None else _number(money(unrealized)),
            "day_pnl": _number(day),
            "age_ms": None if opened is None else Decimal(self._telling.ms - opened),
            "is_open": held.is_open,
        }

    def _account(self, name: str | None) -> dict[str, Value]:
        account: Account | None = self._books.accounts.get(name or "")
        if account is None:
            return {}
        sums = sums_of(self._books, account)
        if sums.missing is not None:
            return {"open_positions": Decimal(sums.open)}
        found = {
            "equity": sums.equity, "day_pnl": sums.day, "gross_exposure": sums.longs + sums.shorts,
            "net_exposure": sums.longs - sums.shorts,
        }  # fmt: skip
        values: dict[str, Value] = {each: Decimal(fixed(units, MONEY_DECIMALS)) for each, units in found.items()}
        return values | {"open_positions": Decimal(sums.open)}

    # ----------------------------------------------------------------------- what is told

    def _tell(
        self, rule: Rule | None, event: Message, status: RuleStatus, sent: list[str] | None = None,
        text: str | None = None,
    ) -> None:  # fmt: skip
        self._telling.rule_reported(
            {
                "rule_id": None if rule is None else rule.terms.rule_id,
                "rule_status": status,
                "event_seq": event["seq"],
                "event_type": event["type"],
                "account": event.get("account"),
                "symbol": event.get("symbol"),
                "signal_ids": sent,
                "text": text,
            }
        )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _of(value: object, kind: Kind) -> Value:
    """Return an event's value as expressions have it; what is of another kind than its contract says is nothing."""
    if value is None:
        return None
    if kind is Kind.NUMBER:
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return None
    if kind is Kind.FLAG:
        return value if isinstance(value, bool) else None
    return str(value)
