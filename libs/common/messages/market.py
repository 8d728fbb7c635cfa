"""`market.{s}`: trades and depth of one symbol partition, at every venue. Lossy: nothing that counts may depend on it.

Flows in: what the engine's book shows. Flows out: validated models. Never holds anything back.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from fillstream.libs.common.messages.base import Message, Name, Number, of_version
from fillstream.libs.common.messages.codes import Side
from fillstream.libs.common.messages.venue import at_sim
from fillstream.libs.common.values.versions import Upcasts


class Trades(Message):
    """Trades of one symbol in the order they happened; one message per command frame and symbol. Lossy."""

    UPCASTS: ClassVar[Upcasts] = {1: at_sim}
    v: int = of_version(2)
    type: Literal["Trades"] = "Trades"
    time: int
    symbol: Name
    venue: Name
    trades: list[tuple[int, Number, Number, Side]] = Field(
        description="trade number, price, quantity, aggressor's side"
    )


class Depth(Message):
    """The book's best levels, best first, at most ten times a second of log time per symbol. Lossy."""

    UPCASTS: ClassVar[Upcasts] = {1: at_sim}
    v: int = of_version(2)
    type: Literal["Depth"] = "Depth"
    time: int
    symbol: Name
    venue: Name
    bids: list[tuple[Number, Number]] = Field(description="price, quantity")
    asks: list[tuple[Number, Number]] = Field(description="price, quantity")


MarketMessage = Annotated[Trades | Depth, Field(discriminator="type")]

market_message: TypeAdapter[Any] = TypeAdapter(MarketMessage)
