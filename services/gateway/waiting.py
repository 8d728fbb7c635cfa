"""Requests whose outcome is waited for: what the journal says of them is collected until they are settled.

Flows in: changes of the desk's state. Flows out: outcomes, as `fillstream.client` has them, each to whoever waits.
Never guesses: what was not heard of in time is told as such, and can be asked for again under the same id.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fillstream.client.answers import CONTROL_ANSWERS, Outcome, Sent, concerns, is_requested
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.desk import Change, Desk

Sends = Callable[[], Awaitable[Iterable[tuple[str, str]]]]
TOLD_BY: Final = ("events", "dead")
"""What follows from an order elsewhere, a position, is no answer to it."""

DEFINED: Final = "AccountDefined"
"""It says what counts after a control, and names none: it stands behind the answer."""


@dataclass(slots=True)
class Expected:
    """A signal, and what was heard of it.

    Attributes:
        outcome: as far as the journal has told.
        sent: whose it is, and where its entry stands, once that is known.
        content: what is sent.
        held: refusals of this id that came before it was known which entry is its own.
        place: of the last event that was heard: stream and id.
        future: done when it is settled.
    """

    outcome: Outcome
    sent: Sent
    future: asyncio.Future[None]
    content: bytes = b""
    place: tuple[str, str] | None = None
    held: list[tuple[dict[str, Any], str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    @property
    def is_settled(self) -> bool:
        """Whether who waits has what was waited for."""
        outcome = self.outcome
        if outcome.final:
            return True
        return bool(outcome.events) and outcome.working and not is_requested(outcome)


class Waiting:
    """Who waits for what.

    Args:
        desk: whose changes are heard.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._by_name: defaultdict[str, list[Expected]] = defaultdict(list)
        self._touched: dict[int, Expected] = {}
        self._controls: defaultdict[str, list[asyncio.Queue[Change]]] = defaultdict(list)
        desk.listen(self.hear)

    # ------------------------------------------------------------------------------------------------------ signals

    def expect(self, signal_id: str, account: str, order_id: str | None, content: bytes) -> Expected:
        """Begin to listen for a signal, before it is sent.

        Raises:
            Refusal: 409: another one of that id is waited for just now.
        """
        for other in self._by_name.get(f"signal {signal_id}", ()):
            if other.sent.account == account and other.content != content:
                told = f"signal_id: {shorten(signal_id)} is waited for with another content at this moment"
                raise Refusal(409, "duplicate_signal_id", told)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent = Sent(account, order_id, "", "0-0", "0-0")
        expected = Expected(Outcome(signal_id), sent, future, content)
        self._name(expected, f"signal {signal_id}")
        return expected

    def was_sent(self, expected: Expected, entry_id: str) -> None:
        """Say where a signal's entry stands: a dead letter of it is told by that."""
        expected.sent = replace(expected.sent, entry_id=entry_id)
        self._name(expected, f"entry {entry_id}")
        held, expected.held = expected.held, []
        for event, stream, at in held:
            if event["entry_id"] == entry_id:
                self._take(expected, event, stream, at)
        for row in reversed(self._desk.dead):  # it may have come before the server's answer
            if row["entry_id"] == entry_id and row["stream"] == "signals":
                self._take(expected, {**row, "type": "DeadLetter"}, "dead", row["id"])
                break
        self.settle()

    def forget(self, expected: Expected) -> None:
        """Listen no more."""
        for name in expected.names:
            heard = self._by_name[name]
            heard.remove(expected)
            if not heard:
                del self._by_name[name]
        expected.names.clear()
        self._touched.pop(id(expected), None)

    def hear(self, change: Change) -> None:
        """Take over a change; who waits is told at the end of the batch: see `settle`."""
        event = change.event
        control_id = event.get("control_id")
        if control_id is not None and control_id in self._controls:
            for queue in self._controls[control_id]:
                queue.put_nowait(change)
        elif event["type"] in ("DeadLetter", DEFINED):
            for queues in self._controls.values():
                for queue in queues:
                    queue.put_nowait(change)
        if not self._by_name or change.stream.partition(".")[0] not in TOLD_BY:
            return
        for expected in self._named_by(event):
            if event["type"] == "SignalRefused" and event.get("entry_id") not in (None, expected.sent.entry_id):
                if not expected.sent.entry_id:
                    expected.held.append((event, change.stream, change.id))  # nobody knows yet whose it is
            elif concerns(event, expected.outcome, expected.sent):
                self._take(expected, event, change.stream, change.id)

    def settle(self) -> None:
        """Wake those whose signal is settled: a batch of the journal was folded whole."""
        touched, self._touched = self._touched, {}
        for expected in touched.values():
            if expected.is_settled and not expected.future.done():
                expected.future.set_result(None)

    def _named_by(self, event: dict[str, Any]) -> Iterator[Expected]:
        names = [f"order {event[name]}" for name in ("order_id", "parent_id") if event.get(name)]
        if event.get("signal_id"):
            names.append(f"signal {event['signal_id']}")
        if event.get("list_id"):
            names.append(f"list {event['list_id']}")
        if event["type"] == "DeadLetter":
            names.append(f"entry {event['entry_id']}")
        found: dict[int, Expected] = {}
        for name in names:
            for expected in self._by_name.get(name, ()):
                found[id(expected)] = expected
        return iter(found.values())

    def _take(self, expected: Expected, event: dict[str, Any], stream: str, entry_id: str) -> None:
        outcome = expected.outcome
        outcome.add(event)
        expected.place = stream, entry_id
        if outcome.order_id is not None:
            self._name(expected, f"order {outcome.order_id}")
        if outcome.list_id is not None:
            self._name(expected, f"list {outcome.list_id}")
        self._touched[id(expected)] = expected

    def _name(self, expected: Expected, name: str) -> None:
        if name not in expected.names:
            expected.names.add(name)
            self._by_name[name].append(expected)

    # ----------------------------------------------------------------------------------------------------- controls

    async def control(
        self, control_id: str, partitions: Collection[int], whose: Collection[str], timeout_s: float, send: Sends
    ) -> list[Change]:
        """Send a control and collect what it changed, until every partition has answered, or the time is over.

        Args:
            control_id: of the control.
            partitions: that are to answer; a dead letter of it is an answer as well.
            whose: names of the account that it is about, none of the whole desk: an id is its account's.
            timeout_s: how long it is waited for.
            send: appends it, and returns where: stream and entry; awaited once somebody listens.
        """
        deaf = {f"events.{each}" for each in partitions}
        journals = frozenset(deaf)
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self._controls[control_id].append(queue)
        heard: list[Change] = []
        try:
            entries = set(await send())
            for row in self._desk.dead:  # one may have come before the server's answer
                if (row["stream"], row["entry_id"]) in entries:
                    queue.put_nowait(Change("dead", row["id"], {**row, "type": "DeadLetter"}, None))
            async with asyncio.timeout(timeout_s):
                while deaf:
                    change = await queue.get()
                    event = change.event
                    if event["type"] == "DeadLetter":
                        at = event["stream"], event["entry_id"]
                        if at in entries:
                            entries.remove(at)
                            heard.append(change)
                            deaf.discard(f"events.{event['stream'].rpartition('.')[2]}")
                    elif _is_of(change, journals, whose) and _is_told(change, heard):
                        heard.append(change)
                        if event["type"] in CONTROL_ANSWERS:
                            deaf.discard(change.stream)
        except TimeoutError:
            pass  # what came is returned; who asked sees that an answer is missing
        finally:
            self._controls[control_id].remove(queue)
            if not self._controls[control_id]:
                del self._controls[control_id]
        while not queue.empty():
            change = queue.get_nowait()
            if change.event["type"] == "DeadLetter" or not _is_of(change, journals, whose):
                continue
            if _is_told(change, heard):
                heard.append(change)
        return heard


def _is_told(change: Change, heard: Iterable[Change]) -> bool:
    """Whether a change is an answer's: its own, or the first new definition of the account that came behind it."""
    if change.event["type"] != DEFINED:
        return True
    before = [each.event["type"] for each in heard if each.stream == change.stream]
    return DEFINED not in before and any(each in CONTROL_ANSWERS for each in before)


def _is_of(change: Change, journals: Collection[str], whose: Collection[str]) -> bool:
    """Whether a change is of a control for an account: another account's may have the same id."""
    account = change.event.get("account")
    if change.event["type"] == DEFINED and not whose:
        return False  # what is about an order, or the whole desk, defines no account: it is another control's
    return change.stream in journals and (not whose or account is None or account in whose)
