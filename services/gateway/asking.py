"""What a gateway does for whoever asks: publishes signals and controls, and waits for what becomes of them.

Flows in: validated requests. Flows out: outcomes. Never decides about an order, and never sends anything under an id
that the desk would not know again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

import orjson
from pydantic import ValidationError

from fillstream.client.answers import CONTROL_ANSWERS, Answer, Outcome
from fillstream.libs.common.messages.controls import CONTROL, CONTROLS, canonical_control
from fillstream.libs.common.messages.sentences import sentence
from fillstream.libs.common.messages.signals import SIGNALS
from fillstream.libs.common.messages.topology import Topology, id_key, partition_of_order_id, stream_name
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.access import ASKS
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.reading import Reading
from fillstream.services.gateway.sending import Refused, Sending, Unsure
from fillstream.services.gateway.state.desk import Change, Desk
from fillstream.services.gateway.stream.replay import is_place
from fillstream.services.gateway.waiting import Expected, Waiting
from fillstream.tools.preview import Market

WAIT_S: Final = 5.0
"""How long an outcome is waited for where nobody says otherwise."""
MAX_WAIT_S: Final = 30.0
PLACE_S: Final = 1.0
"""How long `at_least` is waited for."""
FIRST_AGAIN_S: Final = 0.05
"""After so long what nobody is sure of is sent again, under the same id; twice as long each time."""

QUOTED: Final = tuple(each.name for each in fields(Market))


class Asking:
    """The desk, for routes.

    Args:
        topology: of the desk.
        desk: its state.
        reading: keeps that up to date.
        sending: appends.
        waiting: hears what becomes of what was sent.
    """

    def __init__(self, topology: Topology, desk: Desk, reading: Reading, sending: Sending, waiting: Waiting) -> None:
        self.topology = topology
        self.desk = desk
        self.reading = reading
        self.sending = sending
        self.waiting = waiting

    # ------------------------------------------------------------------------------------------------------- places

    def as_of(self, *kinds: str) -> dict[str, str]:
        """Return up to where the state has read the streams of these kinds; of all without any."""
        places = self.desk.places
        return {name: at for name, at in places.items() if not kinds or name.partition(".")[0] in kinds}

    def shown(self, symbol: str) -> dict[str, Market]:
        """Return an instrument's markets by venue as they are now; none while this is catching up, or hears nothing."""
        is_now = self.reading.is_ready and not self.reading.waits_for
        rows = [each for each in self.desk.markets.quotes.values() if is_now and each["symbol"] == symbol]
        return {each["venue"]: Market(**{name: each.get(name) for name in QUOTED}) for each in rows}

    async def at_least(self, said: str | None) -> None:
        """Wait until the state has read so far: `events.0:1700000000000-0,positions.0:…`.

        Raises:
            Refusal: 400 of no place; 503 where the state is not there within a second.
        """
        if not said:
            return
        wanted = self._places(said)
        deadline = time.monotonic() + PLACE_S
        while behind := [name for name, at in wanted.items() if not self._has(name, at)]:
            left = deadline - time.monotonic()
            if left <= 0:
                told = ", ".join(f"{name} is at {self.desk.places.get(name, '0-0')}" for name in behind)
                raise Refusal(503, "not_there_yet", f"at_least: {told}; ask again", {"Retry-After": "1"})
            await self.turn(left)

    def _has(self, name: str, at: str) -> bool:
        return id_key(self.desk.places.get(name, "0-0")) >= id_key(at)

    def _places(self, said: str) -> dict[str, str]:
        found = {}
        for part in said.split(","):
            name, _, at = part.strip().partition(":")
            if name not in self.reading.names or not is_place(at):
                told = f"at_least: {shorten(part)} must be STREAM:ID of {', '.join(self.reading.names)}"
                raise Refusal(400, "bad_value", told)
            found[name] = at
        return found

    async def turn(self, within_s: float) -> None:
        """Return once a batch was folded, or the time is over."""
        try:
            async with asyncio.timeout(within_s), self.reading.turned:
                await self.reading.turned.wait()
        except TimeoutError:
            pass  # who waits looks at the clock

    # ------------------------------------------------------------------------------------------------------ signals

    async def submit(self, said: Mapping[str, Any], wait_s: float) -> Expected:
        """Publish a signal in the name of who has made the request, and wait until it is settled or the time is over.

        Args:
            said: its fields, `signal_id` among them.
            wait_s: 0: as soon as the server has it.

        Raises:
            Refusal: 422 of what no desk takes; 503 where nobody can say that the server has it, 507 where it is full.
        """
        if said.get("who") is not None:
            raise Refusal(422, "bad_value", "who: is the name of the key or the person, and no field here")
        fields = checked(said)
        account = fields.get("account", "default")
        content = orjson.dumps(fields, default=_as_text)
        named = fields.get("order_id")
        if named in self.desk.orders.by_id:
            named = None  # its account is known, and so whose events of this id are meant
        expected = self.waiting.expect(fields["signal_id"], account, named, content)
        deadline = time.monotonic() + max(wait_s, PLACE_S)
        try:
            asks = ASKS.get()
            signed = fields if asks is None else {**fields, "who": asks.name}
            entry = {"data": orjson.dumps(signed, default=_as_text)}
            entry_id = await self._append(self.topology.signals, entry, fields["signal_id"], deadline)
            self.waiting.was_sent(expected, entry_id)
            left = deadline - time.monotonic()
            if wait_s > 0 and left > 0 and not expected.future.done():
                await asyncio.wait((expected.future,), timeout=min(left, wait_s))
        finally:
            self.waiting.forget(expected)
        return expected

    async def _append(self, key: str, entry: Mapping[Any, Any], name: str, deadline: float) -> str:
        """Append an entry, and again as long as nobody is sure: the desk knows its id again.

        Raises:
            Refusal: nobody is sure, or the server does not take it.
        """
        again_s = FIRST_AGAIN_S
        while True:
            try:
                return await self.sending.append(key, entry)
            except Refused as error:
                raise Refusal(507, "not_taken", f"redis: does not take it: {error}", signal_id=name) from None
            except Unsure as error:
                if time.monotonic() + again_s >= deadline:
                    told = f"redis: {error}; whether {name} was taken is not known: send it again under the same id"
                    raise Refusal(503, "outcome_unknown", told, {"Retry-After": "1"}, signal_id=name) from None
            await asyncio.sleep(again_s)
            again_s *= 2

    # ----------------------------------------------------------------------------------------------------- controls

    async def control(self, kind: str, account: str | None, said: Mapping[str, Any], wait_s: float) -> Answer:
        """Append a control to the inbox of an account's partition, or of all, and wait for every answer.

        Args:
            kind: of CONTROLS.
            account: None for the whole desk.
            said: its other fields, `who`, `reason` and `control_id` among them.
            wait_s: how long the answers are waited for.

        Raises:
            Refusal: 422 of what is no control; 503 where an answer is missing: it may be sent again under its id.
        """
        fields = {**said, **({} if account is None else {"account": account})}
        try:
            control = CONTROLS[kind].model_validate(fields)
        except ValidationError as error:
            raise refusal_of(error) from None
        control_id = str(fields["control_id"])
        partitions = self._partitions(account, fields.get("order_id"))
        deadline = time.monotonic() + max(wait_s, PLACE_S)
        entry = {CONTROL: canonical_control(control)}

        async def send() -> list[tuple[str, str]]:
            inboxes = [stream_name("orders", each) for each in partitions]
            keys = [self.topology.key(each) for each in inboxes]
            sent = await asyncio.gather(*(self._append(key, entry, control_id, deadline) for key in keys))
            return [*zip(inboxes, sent, strict=True)]

        whose = () if account is None else (account, self.desk.terms.account_of(account))
        heard = await self.waiting.control(control_id, partitions, whose, wait_s, send)
        heard.sort(key=_partition_of)  # of each partition they stay in their order
        answers = [each for each in heard if each.event["type"] in (*CONTROL_ANSWERS, "DeadLetter")]
        answered = len({_partition_of(each) for each in answers})
        if answered < len(partitions):
            told = f"control: {answered} of {len(partitions)} partitions have answered {control_id} in {wait_s:g} s"
            raise Refusal(503, "outcome_unknown", f"{told}; send it again under the same control_id",
                          {"Retry-After": "1"}, control_id=control_id)  # fmt: skip
        events = [each.event for each in answers]
        refusal = next((each.get("refusal") or each.get("reason") for each in events if _refuses(each)), None)
        named = [f"partition {_partition_of(each)}: " if len(partitions) > 1 else "" for each in answers]
        told = "\n".join(f"{where}{each['text']}" for where, each in zip(named, events, strict=True))
        return Answer(control_id, refusal, told, [change.event for change in heard])

    def _partitions(self, account: str | None, order_id: object) -> Sequence[int]:
        if order_id is not None:
            partition = partition_of_order_id(int(str(order_id)))
            if partition >= self.topology.account_partitions:
                raise Refusal(404, "unknown_order", f"order_id: {shorten(order_id)} is of no account partition here")
            return [partition]
        count = self.topology.account_partitions
        return range(count) if account is None else [self.topology.account_partition(account)]


def _partition_of(change: Change) -> int:
    """Return the partition that a control's answer, or its dead letter, is of."""
    stream = change.event["stream"] if change.event["type"] == "DeadLetter" else change.stream
    return int(str(stream).rpartition(".")[2])


def _refuses(answer: Mapping[str, Any]) -> bool:
    return answer["type"] == "DeadLetter" or bool(answer.get("refusal"))


def checked(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a signal's fields, without those that say nothing, once it is sure that a desk would take it.

    Raises:
        Refusal: 422, with a sentence for each thing that is wrong.
    """
    fields = {name: value for name, value in said.items() if value is not None}
    kind = fields.setdefault("type", "NewOrder")
    model = SIGNALS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise Refusal(422, "unknown_type", f"type: {shorten(kind)} must be one of {', '.join(SIGNALS)}")
    try:
        model.model_validate(fields)
    except ValidationError as error:
        raise refusal_of(error) from None
    return fields


def refusal_of(error: ValidationError) -> Refusal:
    """Return what pydantic found, in our words."""
    told = [sentence(each) for each in error.errors(include_url=False)][:10]
    return Refusal(422, "bad_value", told[0], errors=told if len(told) > 1 else None)


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """Return what is known of a signal that is no order's."""
    return {
        "signal_id": outcome.signal_id,
        "settled": outcome.final or outcome.working,
        "refused": outcome.refused,
        "order_id": outcome.order_id,
        "ord_status": outcome.ord_status,
        "list_id": outcome.list_id,
        "list_order_status": outcome.list_order_status,
        "reason": outcome.reason,
        "text": outcome.text,
    }


def _as_text(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
