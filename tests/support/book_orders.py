"""What the rules of the book's state machine draw: small numbers, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from hypothesis import strategies as st

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_QTY, MAX_SYMBOL, Command, OrdType, Side, Stp, Tif

TICKS = (-4, -1, 0, 1, 2, 6)  # some next to each other, some with room between


class Domain(NamedTuple):
    """What the small numbers in a run stand for."""

    prices: dict[int, int]  # of TICKS
    lots: tuple[int, ...]  # of 1..6
    offsets: tuple[int, ...]  # of 0..3, in ticks
    symbols: tuple[int, ...]  # of 0..2; the last is none
    accounts: tuple[int, ...]  # of 1..3
    partitions: tuple[int, ...]  # of the accounts
    order_id: Callable[[int], int]


def id_with_hash(hash_: int) -> int:
    """An order id that the engine's table hashes to this: neighbouring hashes are all at home in one place."""
    mixed = hash_ * pow(0x9E3779B97F4A7C15, -1, 2**64) % 2**64
    return mixed ^ mixed >> 32


SMALL = Domain(
    prices=dict(zip(TICKS, TICKS, strict=True)),
    lots=tuple(range(1, 7)),
    offsets=(0, 1, 2, 3),
    symbols=(0, 1, MAX_SYMBOL + 1),
    accounts=(1, 2, 3),
    partitions=(0, 1, 0),
    order_id=int,
)
EDGES = Domain(
    prices=dict(zip(TICKS, (-MAX_PRICE, 1 - MAX_PRICE, 0, 1, MAX_PRICE - 1, MAX_PRICE), strict=True)),
    lots=(1, 2, MAX_QTY // 2, MAX_QTY // 2 + 1, MAX_QTY - 1, MAX_QTY),
    offsets=(0, 1, 2**61, MAX_PRICE),
    symbols=(255, 4095, 2**32 - 1),
    accounts=(2**32 - 1, 1, 2**31),
    partitions=(frames.PARTITION_NONE - 1, 0, 255),
    order_id=lambda n: id_with_hash(n if n % 2 else -n),  # the table's first place, or its last
)


@dataclass(frozen=True, repr=False)
class Terms:
    """What every kind of order says; in a failure it reads `SELL 6 by 2 (stp=DECREMENT)`."""

    side: Side
    lots: int
    account: int
    symbol: int = 0
    stp: Stp = Stp.NONE
    lasts_ms: int = 0  # 0: no expiry

    def __repr__(self) -> str:
        rare = {"symbol": self.symbol, "stp": self.stp and self.stp.name, "lasts_ms": self.lasts_ms}
        told = ", ".join(f"{name}={value}" for name, value in rare.items() if value)
        return f"{self.side.name} {self.lots} by {self.account}" + (f" ({told})" if told else "")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    def plainly(self) -> Terms:
        """Return the same without what a plain order cannot say."""
        return replace(self, stp=Stp.NONE, lasts_ms=0)


ticks = st.sampled_from(sorted(TICKS, key=abs))
lots = st.integers(1, 6)
references = st.tuples(ticks, st.sampled_from([0, 1, -1]))
accounts = st.sampled_from([1, 1, 1, 2, 2, 3])
symbols = st.sampled_from([0] * 16 + [1] * 3 + [2])


@st.composite
def any_terms(draw: st.DrawFn) -> Terms:
    stp = draw(st.sampled_from([Stp.NONE, Stp.NONE, *Stp, Stp.DECREMENT]))
    lasts_ms = draw(st.sampled_from([0, 0, 0, 0, 2, 5]))
    return Terms(draw(st.sampled_from(Side)), draw(lots), draw(accounts), draw(symbols), stp, lasts_ms)


terms = any_terms()
sides = st.sampled_from(["BUY", "SELL"])
lasting = st.sampled_from(["GTC", "GTC", "GTC", "DAY", "GTD"])
any_tif = st.sampled_from(["GTC", *Tif.__members__])
kinds = st.sampled_from(["", "", "ALL_OR_NONE", "ICEBERG", "POST_ONLY", "STOP"])
spreads = st.sampled_from([1, 1, 2, 3, 0, -1])
"""In ticks that a machine knows: 0 is a locked quote, -1 a crossed one."""
cancel_or_replace = st.sampled_from(["CANCEL", "REPLACE"])
line = {  # how commands reach the engine
    "frame": st.sampled_from([1, 1, 1, 2, 9]),  # commands
    "room": st.sampled_from([0, 0, 1, 2, 3, 5]),  # reports; 0: as much as the face has
    "skew": st.sampled_from([0, 0, 1]),  # bytes that the frame stands off an aligned address
}

SHAPES = [  # order types, each with a flag that fits or none
    *[(name, "") for name in OrdType.__members__],
    *[
        ("LIMIT", "ICEBERG"),
        ("STOP_LIMIT", "ICEBERG"),
        ("TRAILING_STOP", "OFFSET_BPS"),
        ("STOP", ""),
        ("STOP_LIMIT", ""),
    ],
]
HOSTILE = {
    "q": [-(2**63), -(2**62), 1 - 2**62, -1, 0, 1, 10**15, 10**15 + 1, 2**62 - 1, 2**62, 2**63 - 1],
    "Q": [0, 1, 2**63, 2**64 - 1],
    "I": [0, 1, 65535, 65536, 2**32 - 1],
    "B": [*range(12), 16, 32, 64, 75, 80, 128, 255],
    "H": [0, 1, 65533, 65534, 65535],
}
CODES = dict(zip(Command._fields, frames.COMMAND.format.lstrip("<"), strict=True))
OFTEN = ("price", "qty", *["aux_price"] * 3, *["aux_qty"] * 3, "flags", "symbol", "symbol")
blemishes = st.sampled_from([*Command._fields, *OFTEN]).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(HOSTILE[CODES[name]]))
)
