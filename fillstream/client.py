"""A Python client of a desk: publish signals, follow what becomes of them.

Flows in: what a strategy wants. Flows out: entries in `signals`, and the journal's events as plain dicts. Never reads a
service's memory and never waits for a service to take a signal: the stream keeps it.

    with Client("redis://127.0.0.1:6379") as desk:
        signal_id = desk.signal("AAPL", "BUY", 100, price="190.25")
        print(desk.wait_for(signal_id).ord_status)
"""

from __future__ import annotations

import dataclasses
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast

import orjson
import redis

from fillstream.families import Amount, FamilySignals, check_exact, flat, named
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, ListOrderStatus, OrdStatus, RejectReason
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.topology import Topology, partition_of_order_id, stream_name
from fillstream.libs.common.messages.wire import encode_signal
from fillstream.libs.common.runtime.log import connect

logger = logging.getLogger(__name__)

SIGNALS = stream_name("signals")
FINAL = {OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED, OrdStatus.CALCULATED}
LIST_FINAL = {ListOrderStatus.ALL_DONE, ListOrderStatus.REJECT}
REFUSALS = {"OrderRejected", "OrderCancelRejected", "OrderReplaceRejected", "SignalRefused", "DeadLetter"}
SETTLED = {"PredictionReceived", "MassCancelRequested"}
"""Nothing more comes of what these answer."""
QUIET_S = 0.2
"""An order that works on the book and has no news for this long has settled there."""
CONTROL_ANSWERS = {"ControlApplied", "ControlRejected", "ControlReported"}
REMEMBERED = 10_000
"""Signals whose place in the streams a client remembers."""


class NoAnswer(TimeoutError):
    """Nothing was heard of a signal in time. It is in the stream all the same: a service may be down."""


@dataclass(slots=True)
class Outcome:
    """What became of a signal, as far as the journal has told.

    Attributes:
        signal_id: of the signal.
        events: its own events, its order's and that one's children's since, oldest first; a dead letter is the last.
        order_id: of the order, None when it never became or named one.
        ord_status: of the order, None likewise.
        reason, text: why it was refused or taken off, None when it was not.
        list_id, list_order_status: of the list of orders, or the bracket, that it was about; None of any other. Then
            the list's status counts, and the order's is that of the last one of it that was told.
    """

    signal_id: str
    events: list[dict[str, Any]] = field(default_factory=list)
    order_id: str | None = None
    ord_status: OrdStatus | None = None
    reason: str | None = None
    text: str | None = None
    list_id: str | None = None
    list_order_status: ListOrderStatus | None = None

    @property
    def refused(self) -> bool:
        """Whether the signal changed nothing."""
        if self.list_order_status is not None:
            return self.list_order_status is ListOrderStatus.REJECT
        return any(event["type"] in REFUSALS for event in self.events)

    @property
    def final(self) -> bool:
        """Whether nothing more can happen to it."""
        if self.list_order_status is not None:
            return self.list_order_status in LIST_FINAL
        return self.refused or self.ord_status in FINAL or any(event["type"] in SETTLED for event in self.events)

    @property
    def working(self) -> bool:
        """Whether the venue has answered and the order works on the book, or the desk holds it."""
        return self.list_order_status is ListOrderStatus.EXECUTING or self.ord_status in {
            OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED, OrdStatus.STOPPED, OrdStatus.SUSPENDED,
        }  # fmt: skip

    def add(self, event: dict[str, Any]) -> None:
        """Take over what an event says."""
        self.events.append(event)
        if event["type"] == "OrderListReported":
            self._of_list(event)
        if self.order_id is not None and event.get("parent_id") == self.order_id:
            return  # of a child: what the order itself says counts
        self.order_id = event.get("order_id") or self.order_id
        status = event.get("ord_status")
        self.ord_status = OrdStatus(status) if status else self.ord_status
        if self.list_order_status is not None:
            return  # of one of its orders: what the list itself says counts
        if event.get("reason") != RejectReason.LIST_REJECTED or self.reason is None:
            self.reason, self.text = event.get("reason") or self.reason, event.get("text") or self.text

    def _of_list(self, event: dict[str, Any]) -> None:
        """Take over what a list says of itself; of one that was refused the reason of the order that was in the way."""
        self.list_id, self.list_order_status = event["list_id"], ListOrderStatus(event["list_order_status"])
        self.reason = self.reason if self.list_order_status is ListOrderStatus.REJECT else None
        self.text = event.get("text") or self.text


@dataclass(frozen=True, slots=True)
class Answer:
    """What a partition said to a control.

    Attributes:
        control_id: of the control.
        refusal: a stable code why it changed nothing, None when it took effect, now or when it came first.
        text: what it did, or why it did nothing, in a sentence.
        events: the answer and what it changed, oldest first; or the dead letter.
    """

    control_id: str
    refusal: str | None
    text: str
    events: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Sent:
    """Where to look for a signal's events, from where on, and the signal's own entry.

    A request by order_id is answered in the partition of that order, which may be another than its account's; where the
    order is another account's, in that one's name.
    """

    account: str
    order_id: str | None
    entry_id: str
    events_after: str
    dead_after: str

    def partition(self, topology: Topology) -> int:
        """Return whose journal the answer is in."""
        if self.order_id is not None and (partition := partition_of_order_id(int(self.order_id))) < (
            topology.account_partitions
        ):
            return partition
        return topology.account_partition(self.account)


class Client(FamilySignals):
    """A connection to a desk's streams. Not for several threads at once.

    Args:
        url: of the Redis, `redis://`, `rediss://` or `unix://`.
        topology: names of the streams; `Settings.topology()` of the desk. The default is one partition, no prefix.
    """

    def __init__(self, url: str, topology: Topology | None = None) -> None:
        self.topology = topology or Topology()
        self._redis = connect(url)
        self._raw: Any = self._redis
        self._is_checked = False
        self._sent: OrderedDict[tuple[str, str | None], _Sent] = OrderedDict()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def _check_desk(self) -> None:
        """Make sure, once, that the desk has this client's partition counts: it would look for answers elsewhere."""
        if self._is_checked:
            return
        from fillstream.libs.common.runtime.look import read_marker  # noqa: PLC0415 - only who publishes waits for it

        try:
            read_marker(self._redis, self.topology)
        except redis.exceptions.NoPermissionError as error:
            logger.warning("the desk's partition counts are not compared with this client's: %s", error)
        self._is_checked = True

    # ------------------------------------------------------------------------------------------------- commands

    def signal(
        self,
        symbol: str,
        side: str,
        quantity: Amount | None = None,
        *,
        price: Amount | None = None,
        order_type: str | None = None,
        time_in_force: str | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
        client_order_id: str | None = None,
        strategy: str | None = None,
        confidence: Amount | None = None,
        group_id: str | None = None,
        position_id: str | None = None,
        **special: Any,
    ) -> str:
        """Publish a signal to trade and return its signal_id.

        Args:
            symbol, side, quantity: what to do: BUY or SELL so many; `notional` or `risk_amount` may be instead.
            price: of an order with a limit; without one the order goes to market.
            order_type: LIMIT with a price, MARKET without; by default what the price says. The others are named.
            time_in_force: DAY, GTC, GTD, IOC, FOK, AT_THE_OPENING or AT_THE_CLOSE; by default the desk's.
            account: whose order it is.
            signal_id: makes it safe to send again: the desk answers an equal one with the first one's state.
            client_order_id: your name for the order; by default the signal_id.
            strategy, confidence: kept with the order, for your own reports.
            group_id, position_id: your names for what it belongs to, on all its events.
            special: what else an order may say: `stop_price`, `trailing_offset`, `expire_time`, `display_quantity`,
                `post_only` and the other fields of `messages.signals.SpecialTerms`.

        Raises:
            ValueError: a value that the desk would not take; one sentence a field.
            TopologyDiffers: the desk has other partition counts than `topology`.
            redis.exceptions.RedisError: the server did not take it; send it again with the same signal_id.
        """
        return self._publish(
            "NewOrder",
            account,
            signal_id,
            client_order_id=client_order_id,
            symbol=symbol,
            side=side,
            quantity=quantity,
            order_type=order_type,
            price=price,
            time_in_force=time_in_force,
            strategy=strategy,
            confidence=confidence,
            group_id=group_id,
            position_id=position_id,
            **special,
        )

    def close_position(
        self,
        symbol: str,
        quantity: Amount | None = None,
        *,
        price: Amount | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
        client_order_id: str | None = None,
        strategy: str | None = None,
    ) -> str:
        """Ask for a position to be closed, or `quantity` of it, by a reduce-only order; return the signal_id.

        Args:
            price: of a limit order; without one it goes to market.

        Raises: as `signal`.
        """
        return self._publish(
            "ClosePosition",
            account,
            signal_id,
            client_order_id=client_order_id,
            symbol=symbol,
            quantity=quantity,
            order_type=None if price is None else "LIMIT",
            price=price,
            strategy=strategy,
        )

    def predict(
        self, symbol: str, move: str, *, account: str = DEFAULT_ACCOUNT, signal_id: str | None = None, **said: Any
    ) -> str:
        """Publish a model's prediction, which is journaled and trades nothing by itself; return its signal_id.

        Args:
            symbol, move: of what, and what it says to do: BUY, SELL or SHORT.
            said: `confidence`, `price`, `predictor` and the other fields of `messages.signals.PredictedFields`.

        Raises: as `signal`.
        """
        return self._publish("Prediction", account, signal_id, symbol=symbol, move=move, **said)

    def cancel(
        self,
        order_id: str | int | None = None,
        *,
        client_order_id: str | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
    ) -> str:
        """Ask for an order to be taken off the book, named one way or the other; return the request's signal_id.

        Raises: as `signal`.
        """
        return self._publish("CancelOrder", account, signal_id, **named(order_id, client_order_id))

    def replace(
        self,
        order_id: str | int | None = None,
        *,
        client_order_id: str | None = None,
        quantity: Amount | None = None,
        price: Amount | None = None,
        stop_price: Amount | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
        **of_family: Any,
    ) -> str:
        """Ask for an order's total quantity, price, stop price or several to be changed; return the signal_id.

        Args:
            quantity: the new total, what is filled so far included.
            price: the new limit.
            stop_price: the price that it waits for from now on.
            of_family: of a bracket's entry `stop_loss`, `trailing_stop`, `take_profit`, `take_profits`, `break_even`;
                of an order that is worked `algorithm_parameters`, those that change.

        Raises: as `signal`.
        """
        return self._publish(
            "ReplaceOrder",
            account,
            signal_id,
            **named(order_id, client_order_id),
            quantity=quantity,
            price=price,
            stop_price=stop_price,
            **of_family,
        )

    def cancel_all(
        self,
        *,
        account: str = DEFAULT_ACCOUNT,
        symbol: str | None = None,
        strategy: str | None = None,
        side: str | None = None,
        signal_id: str | None = None,
    ) -> str:
        """Ask for all orders of an account to be canceled, or those that are named; return the request's signal_id.

        Raises: as `signal`.
        """
        return self._publish("CancelAll", account, signal_id, symbol=symbol, strategy=strategy, side=side)

    def _publish(self, kind: str, account: str, signal_id: str | None, **more: Any) -> str:
        from pydantic import ValidationError  # noqa: PLC0415 - only who publishes needs the models, and waits for them

        from fillstream.libs.common.messages.sentences import sentence  # noqa: PLC0415
        from fillstream.libs.common.messages.signals import SIGNALS  # noqa: PLC0415

        signal_id = signal_id or str(uuid.uuid4())
        fields = {"type": kind, "signal_id": signal_id, "account": account, **more}
        for name, value in fields.items():
            check_exact(value, name)
        fields = {name: flat(value, name) for name, value in fields.items()}
        try:
            SIGNALS[kind].model_validate({name: value for name, value in fields.items() if value is not None})
        except ValidationError as error:
            raise ValueError("\n".join(sentence(each) for each in error.errors(include_url=False))) from None
        self._check_desk()
        sent = _Sent(account, more.get("order_id"), "", "0-0", "0-0")
        pipe = self._raw.pipeline(transaction=False)  # one round trip
        pipe.xrevrange(self.topology.events(sent.partition(self.topology)), count=1)
        pipe.xrevrange(self.topology.dead, count=1)
        pipe.xadd(self.topology.signals, encode_signal(fields))
        last_event, last_dead, entry_id = pipe.execute()
        sent = dataclasses.replace(
            sent, entry_id=entry_id.decode(), events_after=_id_of(last_event), dead_after=_id_of(last_dead)
        )
        self._sent[signal_id, account] = self._sent[signal_id, None] = sent
        while len(self._sent) > 2 * REMEMBERED:
            self._sent.popitem(last=False)
        return signal_id

    # ------------------------------------------------------------------------------------------------- controls

    def control(
        self,
        kind: str,
        account: str | None,
        *,
        who: str,
        reason: str,
        control_id: str | None = None,
        timeout_s: float = 5.0,
        **more: Any,
    ) -> Answer:
        """Tell the desk something about an account or all of it, as its operator, and wait for the answer.

        The URL's user must be one that may append to `orders.*`: `operator`, where users have passwords.

        Args:
            kind: the control's type: `SetLimits`, `Halt` …
            account: whose; None for an order's, whose `order_id` is in `more`, and for the whole desk: each partition
                gets it then, and the answer is all of theirs.
            who, reason: kept in the journal.
            control_id: makes it safe to send again: the desk answers an equal one with what the first one did.
            timeout_s: how long to wait.
            more: the control's own fields: `limits={"max_order_value": "5000"}`.

        Raises:
            ValueError: a value that the desk would not take; one sentence a field.
            NoAnswer: nothing was heard in time. The control is in the stream all the same.
            redis.exceptions.RedisError: the server did not take it; send it again with the same control_id.
        """
        from pydantic import ValidationError  # noqa: PLC0415 - only who publishes needs the models, and waits for them

        from fillstream.libs.common.messages.controls import CONTROL, CONTROLS, canonical_control  # noqa: PLC0415
        from fillstream.libs.common.messages.sentences import sentence  # noqa: PLC0415

        if kind not in CONTROLS:
            raise ValueError(f"type: {kind!r} must be one of {', '.join(CONTROLS)}")
        control_id = control_id or str(uuid.uuid4())
        fields = {"control_id": control_id, "who": who, "reason": reason, **more}
        if account is not None:
            fields["account"] = account
        try:
            control = CONTROLS[kind].model_validate(fields)
        except ValidationError as error:
            raise ValueError("\n".join(sentence(each) for each in error.errors(include_url=False))) from None
        self._check_desk()
        one = None if account is None else self.topology.account_partition(account)
        if "order_id" in more:
            one = partition_of_order_id(int(more["order_id"]))
            if one >= self.topology.account_partitions:
                raise ValueError(f"order_id: {more['order_id']} is of no account partition of this desk")
        return self._tell_all(control_id, one, {CONTROL: canonical_control(control)}, timeout_s)

    def _tell_all(self, control_id: str, one: int | None, fields: Any, timeout_s: float) -> Answer:
        """Append a control to the inbox of one partition, or of all, and wait for every answer."""
        partitions = [*range(self.topology.account_partitions)] if one is None else [one]
        inboxes = [stream_name("orders", partition) for partition in partitions]
        journals = [self.topology.events(partition) for partition in partitions]
        pipe = self._raw.pipeline(transaction=False)
        for stream in (*journals, self.topology.dead):
            pipe.xrevrange(stream, count=1)
        for inbox in inboxes:
            pipe.xadd(self.topology.key(inbox), fields)
        last = pipe.execute()
        dead_after, deadline = _id_of(last[len(journals)]), time.monotonic() + timeout_s
        answers = []
        for number, inbox in enumerate(inboxes):
            at = {journals[number]: _id_of(last[number]), self.topology.dead: dead_after}
            entry = inbox, last[len(journals) + 1 + number].decode()
            answers.append(self._answered(control_id, entry, at, deadline, timeout_s))
        if len(answers) == 1:
            return answers[0]
        refusal = next((answer.refusal for answer in answers if answer.refusal), None)
        text = "\n".join(f"partition {n}: {answer.text}" for n, answer in zip(partitions, answers, strict=True))
        return Answer(control_id, refusal, text, [event for answer in answers for event in answer.events])

    def _answered(
        self, control_id: str, entry: tuple[str, str], at: dict[str, str], deadline: float, timeout_s: float
    ) -> Answer:
        """Read on from `at` until a control is answered; what it changed was committed with the answer."""
        while (left := deadline - time.monotonic()) > 0:
            heard: list[dict[str, Any]] = []
            for stream, entries in self._raw.xread(at, count=1000, block=max(1, int(left * 1000))) or []:
                at[stream.decode()] = entries[-1][0].decode()
                heard += [_read(fields[b"data"]) for _, fields in entries if not is_aside(fields)]
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

    def wait_for(self, signal_id: str, *, timeout_s: float = 5.0, account: str | None = None) -> Outcome:
        """Follow the journal until a signal is settled: refused, its order finished, or quietly working on the book.

        A cancel or an amendment is settled when the venue has answered it.

        Args:
            signal_id: of the signal.
            timeout_s: how long to wait in all.
            account: whose it is. By default whose this client sent it for last, and `default` where it did not: the
                whole journal is read then.

        Raises:
            NoAnswer: nothing at all was heard in time. What was heard by then is returned otherwise.
        """
        sent = self._sent.get((signal_id, account)) or _Sent(account or DEFAULT_ACCOUNT, None, "", "0-0", "0-0")
        journal = self.topology.events(sent.partition(self.topology))
        at = {journal: sent.events_after, self.topology.dead: sent.dead_after}
        outcome = Outcome(signal_id)
        deadline, heard = time.monotonic() + timeout_s, time.monotonic()
        while (now := time.monotonic()) < deadline:
            waiting_for_quiet = outcome.working and not _is_requested(outcome)
            if outcome.final or (waiting_for_quiet and now - heard >= QUIET_S):
                return outcome
            block_s = min(QUIET_S, deadline - now)
            for stream, entries in self._raw.xread(at, count=1000, block=max(1, int(block_s * 1000))) or []:
                at[stream.decode()] = entries[-1][0].decode()
                for _, fields in entries:
                    if is_aside(fields):
                        continue
                    event = _read(fields[b"data"])
                    if _concerns(event, outcome, sent):
                        outcome.add(event)
                        heard = time.monotonic()
        if not outcome.events:
            raise NoAnswer(f"nothing was heard of signal {signal_id} in {timeout_s:g} s; `fillstream status` tells why")
        return outcome

    def follow(
        self, stream: str, after: str = "$", block_s: float = 1.0
    ) -> Iterator[tuple[str, Mapping[bytes, bytes]]]:
        """Yield a stream's entries, id and fields, as they appear; never ends by itself.

        One without the field `data` is no message: a release's note, or a tick.

        Args:
            stream: its key.
            after: the id to begin after; `$` for what comes from now on.
            block_s: how long the server may keep one request.
        """
        at = _id_of(self._raw.xrevrange(stream, count=1)) if after == "$" else after
        while True:
            reply = self._raw.xread({stream: at}, count=1000, block=max(1, int(block_s * 1000)))
            for entry_id, fields in reply[0][1] if reply else []:
                at = entry_id.decode()
                yield at, cast(Mapping[bytes, bytes], fields)

    def ping(self) -> None:
        """Ask the server whether it is there.

        Raises:
            redis.exceptions.RedisError: it is not.
        """
        self._raw.ping()

    @property
    def redis(self) -> redis.Redis:
        """The connection itself."""
        return self._redis


def _read(data: bytes) -> dict[str, Any]:
    """Return an event or a dead letter, of whatever version it was written."""
    from fillstream.libs.common.messages.base import upcast  # noqa: PLC0415 - who only publishes needs no event's model
    from fillstream.libs.common.messages.dead import DeadLetter  # noqa: PLC0415
    from fillstream.libs.common.messages.journal import EVENTS  # noqa: PLC0415

    return upcast(orjson.loads(data), {**EVENTS, "DeadLetter": DeadLetter})


def _id_of(entries: list[tuple[bytes, Any]]) -> str:
    """Return the id of a stream's last entry, the lowest id for an empty stream."""
    return entries[0][0].decode() if entries else "0-0"


def _is_requested(outcome: Outcome) -> bool:
    """Whether the last word is that a cancel or an amendment went to the venue."""
    return outcome.events[-1]["type"] in {"OrderCancelRequested", "OrderReplaceRequested"}


def _concerns(event: dict[str, Any], outcome: Outcome, sent: _Sent) -> bool:
    if outcome.list_id is not None and event.get("list_id") == outcome.list_id and event["account"] == sent.account:
        return True
    if event["type"] == "DeadLetter":
        return bool(event["stream"] == SIGNALS and event["entry_id"] == sent.entry_id)
    if event.get("signal_id") == outcome.signal_id and (
        sent.order_id or sent.account in (event.get("account"), event.get("alias"))
    ):
        return True  # an id is its account's, or its alias's
    return outcome.order_id is not None and outcome.order_id in (event.get("order_id"), event.get("parent_id"))
