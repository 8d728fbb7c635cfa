"""Which rules of the desk are on: what the configuration says, and what an operator switched.

Flows in: both. Flows out: the terms that count. Never looks at an event: rules run in the positions stage.

A switch stands until it is reset, whatever is started again and whatever a new file says; as those of aliases do.
"""

from __future__ import annotations

from fillstream.libs.common.messages.rule_terms import RuleTerms
from fillstream.services.order_service.orders.config import DeskConfig


class RuleSwitches:
    """What operators switched.

    Attributes:
        on: whether a rule is, by its id, of those that were switched.
    """

    __slots__ = ("on",)

    def __init__(self) -> None:
        self.on: dict[str, bool] = {}

    def terms(self, config: DeskConfig) -> dict[str, RuleTerms]:
        """Return a configuration's rules as they count, by their ids."""
        found = {rule.rule_id: rule for rule in config.rules}
        for name, on in self.on.items():
            rule = found.get(name)
            if rule is not None and rule.enabled != on:
                found[name] = rule.model_copy(update={"enabled": on})
        return found

    def knows(self, rule_id: str, config: DeskConfig) -> bool:
        """Say whether there is such a rule, or was one that is switched still."""
        return rule_id in self.on or any(rule.rule_id == rule_id for rule in config.rules)

    def switch(self, rule_id: str, on: bool | None) -> None:
        """Switch a rule; None: it is as the configuration says."""
        self.on.pop(rule_id, None)
        if on is not None:
            self.on[rule_id] = on
