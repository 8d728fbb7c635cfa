"""One rule, and how often it did something: a record, as a snapshot has it.

Flows in: terms, times. Flows out: whether its turn is now. Never evaluates an expression.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.libs.common.messages.rule_terms import Compiled, RuleTerms, compiled
from fillstream.libs.common.values.versions import Document, check_names


@dataclass(slots=True)
class Rule:
    """A rule.

    Attributes:
        terms: as they were configured.
        compiled: its expressions.
        last_ms: when it did something last, None before.
        day, count: the UTC day of that, and how often on it.
        disabled: why it is looked at no more, empty while it is.
    """

    terms: RuleTerms
    compiled: Compiled
    last_ms: int | None = None
    day: int = -1
    count: int = 0
    disabled: str = ""

    def may(self, ms: int) -> bool:
        """Say whether it may do something now."""
        terms = self.terms
        if not terms.enabled or self.disabled:
            return False
        if self.last_ms is not None and ms < self.last_ms + terms.cooldown_seconds * 1000:
            return False
        return ms // DAY_MS != self.day or self.count < terms.max_executions_per_day

    def did(self, ms: int) -> None:
        """Take note that it does something."""
        day = ms // DAY_MS
        self.count = self.count + 1 if day == self.day else 1
        self.day, self.last_ms = day, ms

    @property
    def turn(self) -> tuple[int, str]:
        """What rules are sorted by: the highest priority goes first."""
        return -self.terms.priority, self.terms.rule_id


@dataclass(slots=True)
class Rules:
    """All rules of a partition.

    Attributes:
        by_id: each.
        by_event: of each type of event those that are about it, in their turn.
    """

    by_id: dict[str, Rule] = field(default_factory=dict)
    by_event: dict[str, list[Rule]] = field(default_factory=dict)

    def define(self, rule_id: str, terms: RuleTerms | None) -> None:
        """Take a rule, instead of one of that name; None: there is none any more. What it did counts on."""
        before = self.by_id.pop(rule_id, None)
        if terms is not None:
            rule = Rule(terms, compiled(terms))
            if before is not None:
                rule.last_ms, rule.day, rule.count = before.last_ms, before.day, before.count
            self.by_id[rule_id] = rule
        self._sort()

    def _sort(self) -> None:
        self.by_event = {}
        for rule in sorted(self.by_id.values(), key=lambda each: each.turn):
            self.by_event.setdefault(rule.terms.event, []).append(rule)

    def add(self, rule: Rule) -> None:
        """Keep a rule that a snapshot has."""
        self.by_id[rule.terms.rule_id] = rule
        self._sort()


_NAMES = ("terms", "last_ms", "day", "count", "disabled")


def dump_rule(rule: Rule) -> Document:
    """Return it by the names of its fields."""
    return {name: getattr(rule, name) for name in _NAMES} | {"terms": rule.terms.values()}


def load_rule(record: Document) -> Rule:
    """Return what `dump_rule` wrote.

    Raises:
        Unreadable: a name that this release does not know.
    """
    check_names("rule", record, _NAMES, _NAMES)
    terms = RuleTerms.model_validate(record["terms"])
    return Rule(terms, compiled(terms), record["last_ms"], record["day"], record["count"], record["disabled"])


def terms_in(text: str) -> RuleTerms:
    """Return the terms that RuleDefined has."""
    return RuleTerms.model_validate(orjson.loads(text))
