"""The stages by name, for commands that look at all of them or fold one again."""

from __future__ import annotations

from collections.abc import Callable

from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.stage import Stage
from fillstream.services.matching_engine.app import role as engine_role
from fillstream.services.order_service.app import orders_role, signals_role
from fillstream.services.position_service.app import role as positions_role

ROLES = {"signals": signals_role, "orders": orders_role, "engine": engine_role, "positions": positions_role}


def partitions(settings: Settings, stage: str) -> int:
    """Return how many partitions a stage has."""
    topology = settings.topology()
    counts: dict[str, Callable[[], int]] = {
        "signals": lambda: 1,
        "orders": lambda: topology.account_partitions,
        "engine": lambda: topology.symbol_partitions,
        "positions": lambda: topology.account_partitions,
    }
    return counts[stage]()


def fresh_stage(settings: Settings, stage: str, partition: int) -> Stage:
    """Return a stage as its process would construct it.

    Raises:
        KeyError: there is no stage of that name.
    """
    place, _ = ROLES[stage](settings, partition)
    return place.stage


def all_stages(settings: Settings) -> list[Stage]:
    """Return every partition of every stage, fresh."""
    return [fresh_stage(settings, name, p) for name in ROLES for p in range(partitions(settings, name))]
