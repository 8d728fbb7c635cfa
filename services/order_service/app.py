"""Wires the two stages of the order service to their streams and pages."""

from __future__ import annotations

from typing import Any

from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import JournalEvent
from fillstream.libs.common.messages.signals import NewOrder, ReportStatus, Signal
from fillstream.libs.common.messages.venue import Frame
from fillstream.libs.common.process.app import Channel, Description
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.worker import Downstream, Role
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.signals.stage import SignalsStage

Instruction: Any = Signal | ReportStatus


def desk_config(settings: Settings) -> DeskConfig:
    """Return what decisions depend on, as it will travel through the inbox."""
    params = settings.order_params
    return DeskConfig(
        instruments=dict(settings.instruments),
        accounts=dict(settings.accounts),
        default_order_type=params.default_order_type,
        default_time_in_force=params.time_in_force,
        retention_ms=settings.order_cache.ttl * 1000 if settings.order_cache.enabled else 0,
        max_quote_age_ms=settings.execution.max_quote_age_ms,
    )


def signals_role(settings: Settings, partition: int) -> tuple[Role, Description]:
    """Return the signals stage with its neighbours, and what its page says.

    Raises:
        ValueError: there is one signals partition only.
    """
    if partition != 0:
        raise ValueError(f"partition: {partition}, but the signals stage has partition 0 only")
    topology = settings.topology()
    stage = SignalsStage(topology)
    inboxes = [(topology.orders(a), a) for a in range(topology.account_partitions)]
    place = Role(
        stage,
        downstream=[Downstream(stream, "orders", a) for stream, a in inboxes],
        # Every stage appends to `dead`, and this one has one partition.
        trims={stage.inbox: (stage.name, *settings.archivists), topology.dead: settings.archivists},
    )
    about = Description(
        title="Fillstream order service: signals stage",
        text="Turns every signal into one instruction for the account partition that must act on it.",
        reads=[Channel(stage.inbox, NewOrder, "What clients publish: orders, cancels and amendments, in many shapes.")],
        writes=[
            *(Channel(stream, Instruction, "Instructions, decimals as strings.") for stream, _ in inboxes),
            Channel(topology.dead, DeadLetter, "Signals nobody could read, whole, with the reason."),
        ],
    )
    return place, about


def orders_role(settings: Settings, partition: int) -> tuple[Role, Description]:
    """Return the orders stage of account partition `partition` with its neighbours, and what its page says."""
    topology = settings.topology()
    stage = OrdersStage(topology, partition, desk_config(settings))
    commands = [(topology.commands(s), s) for s in range(topology.symbol_partitions)]
    place = Role(
        stage,
        downstream=[
            Downstream(topology.events(partition), "positions", partition),
            *(Downstream(stream, "engine", s) for stream, s in commands),
        ],
        trims={stage.inbox: (stage.name,)},
    )
    about = Description(
        title="Fillstream order service: orders stage",
        text="Validates orders against limits, holds their state, routes them to the venue and keeps the journal.",
        reads=[Channel(stage.inbox, Instruction, "Instructions, report frames, ticks and configuration.")],
        writes=[
            Channel(topology.events(partition), JournalEvent, "The journal: every change of every order, in order."),
            *(Channel(stream, Frame, "Frames of fs_command records.") for stream, _ in commands),
            Channel(topology.dead, DeadLetter, "Entries nobody could use, whole, with the reason."),
        ],
    )
    return place, about
