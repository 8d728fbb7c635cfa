"""What the journal tells of rules, and what the positions stage tells of what they did.

Flows in: rules as they are configured, and what became of them. Flows out: validated messages. Never decides.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from fillstream.libs.common.messages.base import Id, Message, Name
from fillstream.libs.common.messages.event import Event


class RuleDefined(Event):
    """A rule that counts from here on, for all accounts of the partition; or one that does no more."""

    type: Literal["RuleDefined"] = "RuleDefined"
    rule_id: Name
    rule: str | None = Field(default=None, description="its terms, as JSON; absent: there is no such rule any more")
    control_id: Id | None = Field(default=None, description="of the control that switched it; absent of the file's")


class RuleStatus(StrEnum):
    """What became of a rule at an event."""

    FIRED = "FIRED"
    FAILED = "FAILED"
    """It could not be evaluated, or what it was to do makes no sense: it is looked at no more until it is changed."""
    LOGGED = "LOGGED"
    UNMATCHED = "UNMATCHED"
    """No rule did anything with a prediction."""


class RuleReported(Message):
    """What a rule did with an event of the journal, or that none did anything with a prediction."""

    type: Literal["RuleReported"] = "RuleReported"
    seq: int = Field(ge=1)
    time: int = Field(ge=0)
    rule_id: Name | None = Field(description="null: of no rule")
    rule_status: RuleStatus
    event_seq: int = Field(ge=1, description="of the event in the journal")
    event_type: Name
    account: Name | None
    symbol: Name | None
    signal_ids: list[Id] | None = Field(description="of what it sent, in their order")
    text: str | None
