"""The rule engine of document 002: rules of a strategy, looked at for every event of the bus.

Flows in: events. Flows out: what actions do. Never lets a rule that raises hurt another, and never acts twice on an
event that comes again: what it publishes has an id made of the rule and the event.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from fillstream.client.scripts import AWAY, Patience
from fillstream.trading.actions import Action
from fillstream.trading.bus import EventBus
from fillstream.trading.conditions import Condition
from fillstream.trading.context import Context
from fillstream.trading.events import (
    BaseEvent,
    HandlerFailedEvent,
    PredictionSignalEvent,
    RuleDisabledEvent,
    RuleExecutedEvent,
)
from fillstream.trading.manager import OrderManager
from fillstream.trading.tracker import PositionTracker

logger = logging.getLogger(__name__)

DAY_MS = 86_400_000
UNMATCHED = 1000
"""So many events that no rule matched are kept, the newest."""
OWN = (HandlerFailedEvent, RuleDisabledEvent, RuleExecutedEvent)
"""What is told of rules and handlers; no rule is about it unless it says so."""


@dataclass(slots=True)
class Rule:
    """What is to be done when.

    Attributes:
        rule_id: its name, unique in its engine; a part of the ids of what it publishes.
        name: for people.
        condition: when.
        action: what.
        priority: rules with a higher one are looked at first, those with the same in the order of their registration.
        cooldown_seconds: for so long after it acted it does not act again, by the events' time.
        max_executions_per_day: so many times at most on a day, UTC, by the events' time; None for no limit.
        enabled: whether it is looked at.
    """

    rule_id: str
    name: str
    condition: Condition
    action: Action
    priority: int = 0
    cooldown_seconds: float = 0
    max_executions_per_day: int | None = None
    enabled: bool = True

    def __post_init__(self) -> None:
        for name, kind in (("condition", Condition), ("action", Action)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(
                    f"{name}: of rule {self.rule_id} must be a {kind.__name__}, got {getattr(self, name)!r}"
                )
        if self.cooldown_seconds < 0:
            raise ValueError(f"cooldown_seconds: {self.cooldown_seconds} must not be below 0")
        if self.max_executions_per_day is not None and self.max_executions_per_day < 1:
            raise ValueError(f"max_executions_per_day: {self.max_executions_per_day} must be 1 or more")


@dataclass(slots=True)
class RuleState:
    """What a rule has done.

    Attributes:
        executions: so many times in all, in this process.
        day: the last one on which it acted, in days since 1970; `today` so many times then.
        last_ms: when it acted last, ms since 1970; None: never.
        last_event: the event that it acted on last.
        error: why it was disabled; None where it was not.
    """

    executions: int = 0
    day: int = -1
    today: int = 0
    last_ms: int | None = None
    last_event: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An event that no rule matched, and why each did not."""

    event: BaseEvent
    whys: dict[str, str] = field(default_factory=dict)


class RuleEngine:
    """Looks at the rules for every event of the bus, the one with the highest priority first; all that match act.

    Args:
        event_bus: whose events; one with a consumer's name goes on where it stopped, and its rules' cooldowns and
            daily counts with it.
        position_tracker, order_manager: what actions act with; by default ones of its own.
        clock: now in seconds since 1970, for events of one's own, which have no time.

    Attributes:
        rules: by rule_id.
        states: what each has done.
        unmatched: events that no rule matched, the newest last: predictions, and what rules are about.
    """

    def __init__(
        self,
        event_bus: EventBus,
        position_tracker: PositionTracker | None = None,
        order_manager: OrderManager | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.event_bus = event_bus
        self.position_tracker = position_tracker or PositionTracker(event_bus)
        self.order_manager = order_manager or OrderManager(event_bus.desk, event_bus)
        self.rules: dict[str, Rule] = {}
        self.states: dict[str, RuleState] = {}
        self.unmatched: deque[Unmatched] = deque(maxlen=UNMATCHED)
        self._clock = clock
        self._kept: dict[str, str] = {}
        self._starting: asyncio.Task[None] | None = None
        self._has_begun = False

    async def start(self) -> None:
        """Look at rules for every event from now on, or from where the bus's consumer stopped.

        Rules that are to see what waits for a consumer are registered before.
        """
        if self._has_begun:
            return
        self._has_begun = True
        self._kept = await self.event_bus.kept()
        for rule_id in self.rules:
            self._restore(rule_id)
        async with self.event_bus.paused():  # none of the three misses what waits for this consumer
            # Before its own: what a condition asks for is as it is after the event.
            await self.position_tracker.start()
            await self.order_manager.start()
            await self.event_bus.subscribe(BaseEvent, self._on_event)

    def register_rule(self, rule: Rule) -> None:
        """Register a rule; it is looked at from the next event on. Within a running loop the engine starts, too.

        Raises:
            ValueError: there is one by that id.
            TypeError: it is no rule.
        """
        if not isinstance(rule, Rule):
            raise TypeError(f"rule: {rule!r} must be a Rule")
        if rule.rule_id in self.rules:
            raise ValueError(f"rule_id: {rule.rule_id} is registered already")
        self.rules[rule.rule_id] = rule
        self.states[rule.rule_id] = RuleState()
        self._restore(rule.rule_id)
        if not self._has_begun:
            try:
                self._starting = asyncio.get_running_loop().create_task(self.start())
            except RuntimeError:
                logger.debug("rule %s is registered outside of a loop; await engine.start()", rule.rule_id)

    def unregister_rule(self, rule_id: str) -> None:
        """Take a rule away; one that is not there is none."""
        self.rules.pop(rule_id, None)
        self.states.pop(rule_id, None)

    def enable_rule(self, rule_id: str) -> None:
        """Have a rule looked at again. Raises LookupError where there is none."""
        self._known(rule_id).enabled = True
        self.states[rule_id].error = None

    def disable_rule(self, rule_id: str) -> None:
        """Have a rule looked at no more. Raises LookupError where there is none."""
        self._known(rule_id).enabled = False

    def show_unmatched(self) -> list[str]:
        """Return a line for each event that no rule matched: what it was, and why each rule was not for it."""
        lines = []
        for each in self.unmatched:
            why = "; ".join(f"{rule_id}: {why}" for rule_id, why in each.whys.items()) or "no rule is about it"
            symbol = getattr(each.event, "symbol", "")
            lines.append(f"{type(each.event).__name__} {symbol} {each.event.event_id}: {why}")
        return lines

    # ----------------------------------------------------------------------------------------------------- events

    async def _on_event(self, event: BaseEvent) -> None:
        now_ms = event.time_ms if event.time_ms is not None else int(self._clock() * 1000)
        whys: dict[str, str] = {}
        matched = False
        for rule in sorted(self.rules.values(), key=lambda each: -each.priority):
            if isinstance(event, OWN) and not _names(rule.condition, event):
                continue
            why = await self._look(rule, event, now_ms)
            if why is None:
                matched = True
            else:
                whys[rule.rule_id] = why
        is_awaited = any(_names(rule.condition, event) for rule in self.rules.values())
        if not matched and (is_awaited or isinstance(event, PredictionSignalEvent)):
            self.unmatched.append(Unmatched(event, whys))
            if isinstance(event, PredictionSignalEvent):
                logger.info("no rule matched: %s", self.show_unmatched()[-1])

    async def _look(self, rule: Rule, event: BaseEvent, now_ms: int) -> str | None:
        """Act where a rule matches; return why it does not."""
        if not rule.enabled:
            return "it is disabled"
        patience = Patience(None)
        while True:
            context = Context(rule.rule_id, event, self.position_tracker, self.order_manager, now_ms)
            try:
                why = rule.condition.why_not(context) or self._held_back(rule, event, now_ms)
                if why is not None:
                    return why
                await rule.action.execute(context)
                break
            except AWAY as error:  # no fault of the rule's: it acts once Redis answers, under the same ids
                await asyncio.sleep(patience.failed(error))
            except Exception as error:  # whatever it is, the other rules go on
                await self._disable(rule, event, error)
                return f"it raised {type(error).__name__}: {error}"
        self._acted(rule, event, now_ms)
        await self.event_bus.emit(RuleExecutedEvent(rule_id=rule.rule_id, event=event))
        return None

    def _held_back(self, rule: Rule, event: BaseEvent, now_ms: int) -> str | None:
        """Say why a rule that matches does not act: it has just done so, or often enough today."""
        state = self.states[rule.rule_id]
        if state.last_event == event.event_id:
            return None  # this very event, once more: what it publishes is known by its id
        if state.last_ms is not None and now_ms - state.last_ms < rule.cooldown_seconds * 1000:
            return f"it acted {(now_ms - state.last_ms) / 1000:g} s ago, cooldown_seconds is {rule.cooldown_seconds:g}"
        limit = rule.max_executions_per_day
        if limit is not None and state.day == now_ms // DAY_MS and state.today >= limit:
            return f"it acted {state.today} times today, max_executions_per_day is {limit}"
        return None

    def _acted(self, rule: Rule, event: BaseEvent, now_ms: int) -> None:
        state = self.states[rule.rule_id]
        state.executions += 1
        if state.last_event == event.event_id:
            return
        day = now_ms // DAY_MS
        state.today = state.today + 1 if state.day == day else 1
        state.day, state.last_ms, state.last_event = day, now_ms, event.event_id
        kept = {"day": day, "today": state.today, "last_ms": now_ms, "last_event": event.event_id}
        self.event_bus.keep(f"rule:{rule.rule_id}", orjson.dumps(kept).decode())

    def _restore(self, rule_id: str) -> None:
        kept = self._kept.get(f"rule:{rule_id}")
        if kept is not None:
            said = orjson.loads(kept)
            state = self.states[rule_id]
            state.day, state.today = said["day"], said["today"]
            state.last_ms, state.last_event = said["last_ms"], said["last_event"]

    async def _disable(self, rule: Rule, event: BaseEvent, error: Exception) -> None:
        rule.enabled = False
        said = f"{type(error).__name__}: {error}"
        self.states[rule.rule_id].error = said
        logger.exception("rule %s raised on %s and is disabled: %s", rule.rule_id, event.event_id, said)
        await self.event_bus.emit(RuleDisabledEvent(rule_id=rule.rule_id, event=event, error=said))

    def _known(self, rule_id: str) -> Rule:
        if rule_id not in self.rules:
            raise LookupError(f"rule_id: {rule_id} is none of this engine's")
        return self.rules[rule_id]


def _names(condition: Condition, event: BaseEvent) -> bool:
    """Say whether a condition is about events of that type, by name."""
    return any(isinstance(event, kind) for kind in condition.event_types())
