"""What a client says of orders that make orders: brackets, lists, algorithms; a part of both clients.

Flows in: what a strategy wants. Flows out: signals, by whoever publishes them. Never keeps anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

import orjson

from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, MAX_SIGNAL_BYTES
from fillstream.libs.common.messages.wire import encode_signal
from fillstream.libs.common.values.naming import ID, NAME

Amount = Decimal | int | str
"""A price or a quantity. A float is not one: `0.1` is not what it says."""
MAX_LIST_BYTES = MAX_SIGNAL_BYTES - 1024
"""What a signal takes, less its other fields: names of at most 128 characters each."""
Target = Amount | Mapping[str, Amount]
"""One of several targets: its price, `PRICE:WEIGHT`, or `{"price": …, "weight": …}`."""
SignalId = TypeVar("SignalId")
"""What publishing returns: the signal_id, or what it is awaited from."""


class FamilySignals(Generic[SignalId]):
    """Signals about orders that make orders, and about those that know each other (docs/groups.md, docs/algorithms.md).

    Every one returns its signal_id, and raises as `Client.signal` does.
    """

    def _publish(self, kind: str, account: str, signal_id: str | None, **more: Any) -> SignalId:
        raise NotImplementedError

    def bracket(
        self,
        symbol: str,
        side: str,
        quantity: Amount | None = None,
        *,
        stop_loss: Amount | None = None,
        trailing_stop: Amount | None = None,
        take_profit: Amount | Sequence[Target] | None = None,
        break_even: str | None = None,
        stop_trigger_price_type: str | None = None,
        price: Amount | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
        **order: Any,
    ) -> SignalId:
        """Publish an entry with exits, which are always as large as what it has filled and nothing has closed yet.

        Args:
            symbol, side, quantity, price: of the entry, as in `Client.signal`.
            stop_loss: where the position is closed at a loss.
            trailing_stop: instead of it: how far (price) a stop stays behind the best price.
            take_profit: where it is closed at a profit; several, the nearest first, each PRICE or PRICE:WEIGHT.
            break_even: AFTER_TARGET: the stop moves to the mean fill price once the first target is filled.
            stop_trigger_price_type: which price its stop waits for, LAST, BID_ASK, MID or MARK; LAST where None.
            order: what else the entry may say.
        """
        several = isinstance(take_profit, Sequence) and not isinstance(take_profit, str)
        return self._publish(
            "NewOrder",
            account,
            signal_id,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            stop_loss=stop_loss,
            trailing_stop=trailing_stop,
            take_profit=None if several else take_profit,
            take_profits=[*take_profit] if several else None,  # type: ignore[misc]
            break_even=break_even,
            stop_trigger_price_type=stop_trigger_price_type,
            **order,
        )

    def order_list(
        self,
        orders: Sequence[Mapping[str, Any]],
        *,
        contingency_type: str = "NONE",
        all_of_them: bool = False,
        list_id: str | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
    ) -> SignalId:
        """Publish several orders that know each other.

        Args:
            orders: what each is, by the fields of a signal, without an account.
            contingency_type: ONE_CANCELS_OTHER, ONE_UPDATES_OTHER, ONE_TRIGGERS_OTHER; NONE is a basket.
            all_of_them: every order is taken, or none is. That does not promise that they trade.
            list_id: your name for the list; by default the signal_id.
        """
        said = flat([{name: value for name, value in each.items() if value is not None} for each in orders], "orders")
        size = len(said.encode())
        if size > MAX_LIST_BYTES:
            raise ValueError(f"orders: are {size} bytes as JSON, a list has at most {MAX_LIST_BYTES}")
        return self._publish(
            "NewOrderList",
            account,
            signal_id,
            list_id=list_id,
            contingency_type=contingency_type,
            all=all_of_them or None,
            orders=said,
        )

    def cancel_list(self, list_id: str, *, account: str = DEFAULT_ACCOUNT, signal_id: str | None = None) -> SignalId:
        """Ask for all that works of a list to be taken off, or of a bracket, by its entry's client_order_id."""
        return self._publish("CancelOrderList", account, signal_id, list_id=list_id)

    def algo(
        self,
        algorithm: str,
        symbol: str,
        side: str,
        quantity: Amount | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        price: Amount | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
        **order: Any,
    ) -> SignalId:
        """Publish an order that an algorithm works in slices.

        Args:
            algorithm: TWAP, VWAP, POV, IS … (`fillstream algos list`).
            symbol, side, quantity: as in `Client.signal`.
            parameters: what the algorithm is told, by the names that it declares.
            price: no slice is beyond it.
            order: what else the order may say: `strategy`, `routing`, `venues` …
        """
        return self._publish(
            "NewOrder",
            account,
            signal_id,
            algorithm=algorithm,
            algorithm_parameters=dict(parameters) if parameters else None,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            **order,
        )

    def pause(
        self,
        order_id: str | int | None = None,
        *,
        client_order_id: str | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
    ) -> SignalId:
        """Let an order that is worked send nothing new until it is resumed; what works of it is taken off."""
        return self._publish("PauseOrder", account, signal_id, **named(order_id, client_order_id))

    def resume(
        self,
        order_id: str | int | None = None,
        *,
        client_order_id: str | None = None,
        account: str = DEFAULT_ACCOUNT,
        signal_id: str | None = None,
    ) -> SignalId:
        """Let an order that was paused go on."""
        return self._publish("ResumeOrder", account, signal_id, **named(order_id, client_order_id))


def named(order_id: str | int | None, client_order_id: str | None) -> dict[str, str | None]:
    """Return how a request names an order: by one of the two."""
    return {"order_id": None if order_id is None else str(order_id), "orig_client_order_id": client_order_id}


def flat(value: Any, name: str) -> Any:
    """Return a field of a signal as its flat shape has it: what holds several values goes as JSON, decimals as text.

    Raises:
        ValueError: there is a float in it, or what no JSON can say: half a character, an integer of more than 64 bits.
    """
    if not isinstance(value, Mapping | list | tuple):
        return value
    try:
        return orjson.dumps(_plain(value, name)).decode()
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{name}: cannot be written as JSON: {error}") from None


def _plain(value: Any, name: str) -> Any:
    check_exact(value, name)
    if isinstance(value, Mapping):
        return {key: _plain(each, f"{name}.{key}") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{name}.{number}") for number, each in enumerate(value)]
    return str(value) if isinstance(value, Decimal) else value


def check_exact(value: Any, name: str) -> None:
    """Refuse a float.

    Raises:
        ValueError: it is one.
    """
    if isinstance(value, float):
        raise ValueError(f"{name}: {value!r} is a float; write the decimal as text, or use Decimal")


def signal_fields(kind: str, account: str, signal_id: str, more: Mapping[str, Any]) -> dict[str, str]:
    """Return a signal as the stream's flat fields, once it is sure that a desk would take it.

    Args:
        kind: its `type`.
        account, signal_id: whose it is, and its name.
        more: its other fields; None is left out.

    Raises:
        ValueError: a value that the desk would not take; one sentence a field.
    """
    fields = {"type": kind, "signal_id": signal_id, "account": account}
    for name, value in more.items():
        if type(value) is str:
            fields[name] = value
        elif value is not None:
            check_exact(value, name)
            fields[name] = flat(value, name)
    said = encode_signal(fields)
    # A strategy says the same again and again, but for the ids: that it may be said is known then.
    rest = tuple(said.items())[_IDS:]
    if rest in _usable and kind == _usable[rest] and _AN_ID.fullmatch(signal_id) and _A_NAME.fullmatch(account):
        return said
    _check(kind, fields)
    if "client_order_id" not in fields:
        if len(_usable) >= _MOST_USABLE:
            _usable.clear()
        _usable[rest] = kind
    return said


_IDS = 3
"""`type`, `signal_id` and `account` stand first."""
_AN_ID, _A_NAME = re.compile(ID), re.compile(NAME)
_MOST_USABLE = 4096
_usable: dict[tuple[tuple[str, str], ...], str] = {}
"""Signals that were checked, without their ids, and their `type`."""


def _check(kind: str, fields: Mapping[str, Any]) -> None:
    """Raise for a signal that no desk would take."""
    from pydantic import ValidationError  # noqa: PLC0415 - only who publishes needs the models, and waits for them

    from fillstream.libs.common.messages.sentences import sentence  # noqa: PLC0415
    from fillstream.libs.common.messages.signals import SIGNALS, PlainOrder  # noqa: PLC0415

    # What is plain is checked by the part of the model that costs little: it has all that the whole one asks of it.
    is_plain = kind == "NewOrder" and "quantity" in fields and PlainOrder.model_fields.keys() >= fields.keys()
    try:
        (PlainOrder if is_plain else SIGNALS[kind]).model_validate(fields)
    except ValidationError as error:
        raise ValueError("\n".join(sentence(each) for each in error.errors(include_url=False))) from None
