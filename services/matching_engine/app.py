"""Wires the engine's fold to its streams and its page."""

from __future__ import annotations

from fillstream.libs.common.messages.market import Depth, Trades
from fillstream.libs.common.messages.venue import Frame
from fillstream.libs.common.process.app import Channel, Description
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.worker import Role
from fillstream.services.matching_engine.stage import EngineStage, Listing


def role(settings: Settings, partition: int) -> tuple[Role, Description]:
    """Return the engine of symbol partition `partition` with its neighbours, and what its page says."""
    topology = settings.topology()
    listings = {each.id: Listing(symbol, each) for symbol, each in settings.instruments.items()}
    stage = EngineStage(topology, partition, listings)
    # The engine is never held back: the orders stage already waits for it, and two that wait for each other stop.
    place = Role(stage, downstream=(), trims={stage.inbox: (stage.name,)})
    market = topology.market(partition)
    about = Description(
        title="Fillstream matching engine",
        text="The venue SIM: a price-time-priority book in C behind frames of 64-byte records.",
        reads=[Channel(stage.inbox, Frame, "Frames of fs_command records (native/include/fillstream.h).")],
        writes=[
            *(
                Channel(topology.orders(account), Frame, "Frames of fs_report records.")
                for account in range(topology.account_partitions)
            ),
            Channel(market, Trades | Depth, "Trades and the best levels; lossy."),
        ],
    )
    return place, about
