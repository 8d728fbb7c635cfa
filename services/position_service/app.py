"""Wires the positions stage to its streams and its page."""

from __future__ import annotations

from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import JournalEvent
from fillstream.libs.common.messages.positions import PositionMessage
from fillstream.libs.common.process.app import Channel, Description
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.worker import Role
from fillstream.services.position_service.stage import PositionStage


def role(settings: Settings, partition: int) -> tuple[Role, Description]:
    """Return the positions stage of account partition `partition` with its neighbours, and what its page says."""
    topology = settings.topology()
    stage = PositionStage(topology, partition)
    positions = topology.positions(partition)
    # Analytics stands behind the hot path: its lag holds nobody back, it only keeps the logs from being trimmed.
    trims = {stage.inbox: (stage.name, *settings.archivists), positions: settings.archivists}
    place = Role(stage, downstream=(), trims=trims)
    about = Description(
        title="Fillstream position service",
        text="Nets fills into positions with weighted-average cost, exact realized and unrealized P&L, and cash.",
        reads=[Channel(stage.inbox, JournalEvent, "The journal of the account partition.")],
        writes=[
            Channel(positions, PositionMessage, "Every change of every position, and marks of the open ones."),
            Channel(topology.dead, DeadLetter, "Entries nobody could use, whole, with the reason."),
        ],
    )
    return place, about
