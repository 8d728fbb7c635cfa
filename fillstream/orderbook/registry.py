"""What people call symbols and orders, beside the numbers that the engine has for them; and both as bytes.

Flows in: names as orders come, and numbers as they are done. Flows out: one for the other, and snapshots. A snapshot
is this registry and the engine's own, under one digest: `magic | bytes of the names | digest | names | engine's`.
Never judges an order.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from operator import index
from struct import Struct
from typing import Any, Final

from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import MAX_SYMBOL, OrdType
from fillstream.libs.common.values.checks import integer, shown, text
from fillstream.orderbook.outcomes import Named
from fillstream.orderbook.terms import MAX_TIME_MS

_HEAD: Final = Struct("<8sQ16s")
_MAGIC: Final = b"FSNAMED1"
_MAX_BROKER_ID: Final = (1 << 64) - 1
MAX_ID: Final = (1 << 128) - 1
"""A UUID's `int` is an id."""
MAX_ID_CHARACTERS: Final = 1000


class Names:
    """The registry of one engine."""

    def __init__(self) -> None:
        self.symbols: list[str] = []
        self.numbers: dict[str, int] = {}
        self.live: dict[int, Named] = {}
        self.broker_ids: dict[str | int, int] = {}
        self.next_id = 1
        self.time_ms = 0

    def number_for(self, symbol: str) -> int:
        """Return a symbol's number, or the one it gets when `keep` says so. Raises ValueError when there is none."""
        number = self.numbers.get(text("symbol", symbol))
        if number is not None:
            return number
        if len(self.symbols) > MAX_SYMBOL:
            raise ValueError(f"symbol is {symbol!r}, and an engine holds {MAX_SYMBOL + 1} symbols at most.")
        return len(self.symbols)

    def keep(self, symbol: str) -> None:
        """Let a symbol have the number that `number_for` gave."""
        if symbol not in self.numbers:
            self.numbers[symbol] = len(self.symbols)
            self.symbols.append(symbol)

    def enter(self, broker_id: int, order: Named) -> None:
        """Note a live order."""
        self.live[broker_id] = order
        self.broker_ids[order.client_id] = broker_id

    def forget(self, broker_id: int) -> None:
        """Free the names of an order that is done."""
        del self.broker_ids[self.live.pop(broker_id).client_id]

    def find(self, client_id: str | int | None, broker_id: int | None) -> int:
        """Return the number of a live order that one of its two names is given of.

        Raises KeyError when no live order has it, ValueError for both names or none.
        """
        if (client_id is None) == (broker_id is None):
            given = f"client_id is {shown(client_id)}, broker_id is {shown(broker_id)}"
            raise ValueError(f"{given}: give one of them, and not both.")
        if client_id is not None:
            name = check_client_id(client_id)
            if name not in self.broker_ids:
                raise KeyError(f"client_id is {shown(name)}, and no live order has it.")
            return self.broker_ids[name]
        number = integer("broker_id", broker_id, 0, _MAX_BROKER_ID)
        if number not in self.live:
            raise KeyError(f"broker_id is {number}, and no live order has it.")
        return number


def new_client_id(value: object) -> str | int:
    """Return a client id for a new order. Raises as `check_client_id`, and ValueError for one that is too long.

    A snapshot holds it in decimal digits, which Python reads back up to a limit of its own, 4 300 of them.
    """
    name = check_client_id(value)
    if isinstance(name, str):
        if len(name) > MAX_ID_CHARACTERS:
            raise ValueError(f"client_id has {len(name)} characters, and may have {MAX_ID_CHARACTERS}.")
    elif not -MAX_ID <= name <= MAX_ID:
        raise ValueError(f"client_id is {shown(name)}, and must be between -2^128 + 1 and 2^128 - 1.")
    return name


def check_client_id(value: object) -> str | int:
    """Return a client id: a text that is not empty, or an integer (bool is none). Raises TypeError, ValueError."""
    if type(value) is int:  # as most are
        return value
    if isinstance(value, str):
        return text("client_id", value)
    try:
        if not isinstance(value, bool):
            return index(value)  # type: ignore[arg-type]
    except TypeError:
        pass
    raise TypeError(f"client_id is {shown(value)}, and must be a str or an int.")


# --------------------------------------------------------------------------------------------------- as bytes


def pack(names: Names, state: bytes) -> bytes:
    """Return the snapshot of an engine with names; equal states and names give equal bytes."""
    live = [[number, *order] for number, order in sorted(names.live.items())]
    told = {
        "symbols": names.symbols,
        "live": live,
        "next_id": names.next_id,
        "time_ms": names.time_ms,
    }
    words = json.dumps(told, separators=(",", ":")).encode()
    return _HEAD.pack(_MAGIC, len(words), _digest(words, state)) + words + state


def unpack(snapshot: bytes | bytearray | memoryview, max_orders: int) -> tuple[Names, CoreEngine]:
    """Return names and engine of a snapshot, which agree.

    Raises TypeError for what is no bytes, ValueError for bytes that are no whole snapshot.
    """
    words, state = _open(snapshot)
    core = CoreEngine(max_orders)
    try:
        names = _names(json.loads(words))
        core.restore(state)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as wrong:
        raise _refusal(snapshot, f"{type(wrong).__name__}: {wrong}") from wrong
    if not agree(names, core):
        raise _refusal(snapshot, "the names are not those of its orders")
    return names, core


def symbols_in(snapshot: bytes | bytearray | memoryview) -> list[str]:
    """Return the symbols of a snapshot. Raises as `unpack` does, for the bytes alone."""
    symbols: list[str] = json.loads(_open(snapshot)[0])["symbols"]
    return symbols


def _open(snapshot: bytes | bytearray | memoryview) -> tuple[bytes, bytes]:
    """Return the names and the engine's state of a snapshot as they were written."""
    try:
        data = bytes(memoryview(snapshot))
    except TypeError:
        raise TypeError(f"snapshot is {shown(snapshot)}, and must be bytes.") from None
    if not data.startswith(_MAGIC) or len(data) < _HEAD.size:
        raise _refusal(data, "they begin otherwise")
    _, length, digest = _HEAD.unpack_from(data)
    words, state = data[_HEAD.size : _HEAD.size + length], data[_HEAD.size + length :]
    if digest != _digest(words, state):
        raise _refusal(data, "they are damaged")
    return words, state


def _digest(words: bytes, state: bytes) -> bytes:
    whole = blake2b(words, digest_size=16)
    whole.update(state)
    return whole.digest()


def _refusal(snapshot: bytes | bytearray | memoryview, why: str) -> ValueError:
    return ValueError(f"These {memoryview(snapshot).nbytes} bytes are no snapshot of a fillstream.Engine: {why}.")


def _names(told: dict[str, Any]) -> Names:
    names = Names()
    for symbol in told["symbols"]:
        names.keep(text("symbol", symbol))
    for number, client_id, account, symbol, ord_type in told["live"]:
        order = Named(check_client_id(client_id), account, symbol, OrdType(ord_type))
        names.enter(integer("broker_id", number, 1, _MAX_BROKER_ID), order)
    names.next_id = integer("next_id", told["next_id"], 1, _MAX_BROKER_ID)
    names.time_ms = integer("time_ms", told["time_ms"], 0, MAX_TIME_MS)
    _check_counts(names, told)
    return names


def _check_counts(names: Names, told: dict[str, Any]) -> None:
    """Raise ValueError for names that stand twice, or are out of range."""
    if not (len(names.symbols) == len(told["symbols"]) <= MAX_SYMBOL + 1):
        raise ValueError("symbols: one stands twice, or they are too many")
    if not (len(names.live) == len(names.broker_ids) == len(told["live"])):
        raise ValueError("live: a name stands twice")
    if max(names.live, default=0) >= names.next_id:
        raise ValueError("next_id: an order has it")


def agree(names: Names, core: CoreEngine) -> bool:
    """Whether the engine's live orders are the named ones, of their accounts and symbols."""
    found = ((order, core.find(number)) for number, order in names.live.items())
    return core.orders() == len(names.live) and all(
        resting is not None and (resting.account, resting.symbol) == (order.account, names.numbers.get(order.symbol))
        for order, resting in found
    )
