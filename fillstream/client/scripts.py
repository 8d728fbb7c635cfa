"""What a client does, step by step, and never how it waits: the one description that both clients carry out.

Flows in: what is asked for, and the replies to what a script asked. Flows out: commands of Redis, requests to
analytics, and in the end a result. Never talks to anything itself: a script is a generator that yields what it wants
to know and is sent the reply, by `Client` at once, by `AsyncClient` once it has come.
"""

from __future__ import annotations

import dataclasses
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis

from fillstream.client.answers import (
    CONTROL_ANSWERS,
    QUIET_S,
    Answer,
    NoAnswer,
    Outcome,
    Sent,
    concerns,
    id_of,
    is_requested,
    read,
)
from fillstream.families import signal_fields
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.topology import Topology, partition_of_order_id, stream_name

logger = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Signals whose place in the streams a client remembers."""
PAGE = 1000
"""Entries of each stream that are asked for at a time."""
AWAY = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
"""What a server that went away, or is not up yet, is known by."""
UNWELCOME = (redis.exceptions.AuthenticationError, redis.exceptions.AuthorizationError)
"""What redis-py takes for a broken connection, and is a server that is there and refuses."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands of Redis, which go in one round trip; the reply is a list of theirs.

    All that a client sends may be sent again: it reads, or what it publishes has an id that the desk knows again.
    """

    each: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Http:
    """A request to analytics; the reply is the response."""

    method: str
    url: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None


Script = Generator[Commands | Http, Any, Result]


class Patience:
    """How long a server that is away is waited for, and what is said about it.

    Args:
        limit_s: how long; None for ever.
        is_over: asked before each further try: whether nobody waits for it any more.
        clock: seconds.
    """

    def __init__(
        self,
        limit_s: float | None,
        is_over: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_s = limit_s
        self._is_over = is_over
        self._clock = clock
        self._since: float | None = None
        self._wait_s = FIRST_WAIT_S

    def failed(self, error: Exception, server: str = "Redis") -> float:
        """Return for how long to wait before `server` is tried again (seconds).

        Raises:
            Exception: the very error, where it has been waited for long enough, nobody waits any more, or no waiting
                helps: a password.
        """
        if isinstance(error, UNWELCOME):
            raise error
        now = self._clock()
        if self._since is None:
            self._since, self._wait_s = now, FIRST_WAIT_S
        if self._is_over() or (self._limit_s is not None and now - self._since >= self._limit_s):
            raise error
        if self._wait_s == FIRST_WAIT_S:
            logger.warning("%s went away, it is tried again until it answers: %s", server, error)
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, LONGEST_WAIT_S)
        return wait_s

    def worked(self, server: str = "Redis") -> None:
        """Take note that it answers."""
        if self._since is not None:
            logger.warning("%s answers again, after %.1f s", server, self._clock() - self._since)
            self._since = None


def xread(at: Mapping[str, str], block_s: float, count: int = PAGE) -> Commands:
    """Return the command that reads on behind these places, by key."""
    block_ms = max(1, int(block_s * 1000))
    return Commands([("XREAD", "COUNT", count, "BLOCK", block_ms, "STREAMS", *at, *at.values())])


class Scripts:
    """The scripts of one client: what it sent, and where the answers are to be looked for.

    Args:
        topology: the desk's.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._is_checked = False
        self._sent: OrderedDict[tuple[str, str | None], Sent] = OrderedDict()

    def _check_desk(self) -> Script[None]:
        """Make sure, once, that the desk has this client's partition counts: it would look for answers elsewhere."""
        if self._is_checked:
            return
        from fillstream.libs.common.runtime.continuity import judge_topology  # noqa: PLC0415 - who publishes waits
        from fillstream.libs.common.runtime.look import parse_marker  # noqa: PLC0415 - for it

        try:
            [told] = yield Commands([("HGETALL", self.topology.desk)])
            judge_topology(self.topology, parse_marker([each for pair in told.items() for each in pair]))
        except redis.exceptions.NoPermissionError as error:
            logger.warning("the desk's partition counts are not compared with this client's: %s", error)
        self._is_checked = True

    def publish(self, kind: str, account: str, signal_id: str | None, more: Mapping[str, Any]) -> Script[str]:
        """Publish a signal and return its signal_id."""
        signal_id = signal_id or str(uuid.uuid4())
        fields = signal_fields(kind, account, signal_id, more)
        yield from self._check_desk()
        sent = Sent(account, more.get("order_id"), "", "0-0", "0-0")
        said = [part for pair in fields.items() for part in pair]
        last_event, last_dead, entry_id = yield Commands(
            [
                _last(self.topology.events(sent.partition(self.topology))),
                _last(self.topology.dead),
                ("XADD", self.topology.signals, "*", *said),
            ]
        )
        sent = dataclasses.replace(
            sent, entry_id=entry_id.decode(), events_after=id_of(last_event), dead_after=id_of(last_dead)
        )
        self.remember(signal_id, sent)
        return signal_id

    def remember(self, signal_id: str, sent: Sent) -> None:
        """Keep where a signal's events are to be looked for; of the oldest it is forgotten."""
        self._sent[signal_id, sent.account] = self._sent[signal_id, None] = sent
        while len(self._sent) > 2 * REMEMBERED:
            self._sent.popitem(last=False)

    # ------------------------------------------------------------------------------------------------- controls

    def control(
        self, kind: str, account: str | None, control_id: str | None, timeout_s: float, fields: dict[str, Any]
    ) -> Script[Answer]:
        """Append a control to the inbox of one partition, or of all, and wait for every answer."""
        from pydantic import ValidationError  # noqa: PLC0415 - only who publishes needs the models, and waits for them

        from fillstream.libs.common.messages.controls import CONTROL, CONTROLS, canonical_control  # noqa: PLC0415
        from fillstream.libs.common.messages.sentences import sentence  # noqa: PLC0415

        if kind not in CONTROLS:
            raise ValueError(f"type: {kind!r} must be one of {', '.join(CONTROLS)}")
        control_id = control_id or str(uuid.uuid4())
        fields = {"control_id": control_id, **fields}
        if account is not None:
            fields["account"] = account
        try:
            control = CONTROLS[kind].model_validate(fields)
        except ValidationError as error:
            raise ValueError("\n".join(sentence(each) for each in error.errors(include_url=False))) from None
        yield from self._check_desk()
        one = None if account is None else self.topology.account_partition(account)
        if "order_id" in fields:
            one = partition_of_order_id(int(fields["order_id"]))
            if one >= self.topology.account_partitions:
                raise ValueError(f"order_id: {fields['order_id']} is of no account partition of this desk")
        return (yield from self._tell_all(control_id, one, (CONTROL, canonical_control(control)), timeout_s))

    def _tell_all(self, control_id: str, one: int | None, said: Sequence[Any], timeout_s: float) -> Script[Answer]:
        partitions = [*range(self.topology.account_partitions)] if one is None else [one]
        inboxes = [stream_name("orders", partition) for partition in partitions]
        journals = [self.topology.events(partition) for partition in partitions]
        last = yield Commands(
            [
                *(_last(stream) for stream in (*journals, self.topology.dead)),
                *(("XADD", self.topology.key(inbox), "*", *said) for inbox in inboxes),
            ]
        )
        dead_after, deadline = id_of(last[len(journals)]), time.monotonic() + timeout_s
        answers = []
        for number, inbox in enumerate(inboxes):
            at = {journals[number]: id_of(last[number]), self.topology.dead: dead_after}
            entry = inbox, last[len(journals) + 1 + number].decode()
            answers.append((yield from self._answered(control_id, entry, at, deadline, timeout_s)))
        if len(answers) == 1:
            return answers[0]
        refusal = next((answer.refusal for answer in answers if answer.refusal), None)
        text = "\n".join(f"partition {n}: {answer.text}" for n, answer in zip(partitions, answers, strict=True))
        return Answer(control_id, refusal, text, [event for answer in answers for event in answer.events])

    def _answered(
        self, control_id: str, entry: tuple[str, str], at: dict[str, str], deadline: float, timeout_s: float
    ) -> Script[Answer]:
        """Read on from `at` until a control is answered; what it changed was committed with the answer."""
        while (left := deadline - time.monotonic()) > 0:
            heard = yield from _heard(at, left)
            for number, event in enumerate(heard):
                if event["type"] == "DeadLetter" and (event["stream"], event["entry_id"]) == entry:
                    return Answer(control_id, event["reason"], event["text"], [event])
                if event["type"] in CONTROL_ANSWERS and event["control_id"] == control_id:
                    behind = heard[number + 1 :]
                    changed = [each for each in behind if each["type"] == "AccountDefined"][:1]
                    changed += [each for each in behind if each.get("control_id") == control_id]
                    return Answer(control_id, event.get("refusal"), event["text"], [event, *changed])
        raise NoAnswer(f"nothing was heard of control {control_id} in {timeout_s:g} s; `fillstream status` tells why")

    # --------------------------------------------------------------------------------------------------- events

    def wait_for(
        self, signal_id: str, timeout_s: float, account: str | None, until: Callable[[Outcome], bool] | None
    ) -> Script[Outcome]:
        """Follow the journal until a signal is settled, or is what is waited for."""
        sent = self._sent.get((signal_id, account)) or Sent(account or DEFAULT_ACCOUNT, None, "", "0-0", "0-0")
        journal = self.topology.events(sent.partition(self.topology))
        at = {journal: sent.events_after, self.topology.dead: sent.dead_after}
        outcome = Outcome(signal_id)
        deadline, heard = time.monotonic() + timeout_s, time.monotonic()
        while (now := time.monotonic()) < deadline:
            waiting_for_quiet = outcome.working and not is_requested(outcome)
            if until is not None and (outcome.final or until(outcome)):
                return outcome
            if until is None and (outcome.final or (waiting_for_quiet and now - heard >= QUIET_S)):
                return outcome
            for event in (yield from _heard(at, min(QUIET_S, deadline - now))):
                if concerns(event, outcome, sent):
                    outcome.add(event)
                    heard = time.monotonic()
        if not outcome.events:
            raise NoAnswer(f"nothing was heard of signal {signal_id} in {timeout_s:g} s; `fillstream status` tells why")
        return outcome

    def was_sent(self, signal_id: str, since_ms: int) -> Script[bool]:
        """Say whether a signal of that id stands in `signals`, appended at that time (ms since 1970) or later."""
        after = f"{since_ms}-0"
        while True:
            [entries] = yield Commands([("XRANGE", self.topology.signals, after, "+", "COUNT", PAGE)])
            if any(fields.get(b"signal_id") == signal_id.encode() for _, fields in entries):
                return True
            if len(entries) < PAGE:
                return False
            after = f"({entries[-1][0].decode()}"


def _heard(at: dict[str, str], block_s: float) -> Script[list[dict[str, Any]]]:
    """Read on, move `at`, and return the messages."""
    [reply] = yield xread(at, block_s)
    heard = []
    for stream, entries in reply or []:
        at[stream.decode()] = entries[-1][0].decode()
        heard += [read(fields[b"data"]) for _, fields in entries if not is_aside(fields)]
    return heard


def _last(stream: str) -> tuple[Any, ...]:
    return ("XREVRANGE", stream, "+", "-", "COUNT", 1)
