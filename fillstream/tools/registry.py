"""The stages by name, for commands that look at all of them or fold one again.

Flows in: the map, settings. Flows out: fresh stages. Never starts one. A service says in its `app.FOLDS` how to make
the folds of the stages that the map says it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from fillstream.libs.common.messages.stages import STAGES, places
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.stage import Stage

Make = Callable[..., Stage]


def partitions(settings: Settings, stage: str) -> int:
    """Return how many partitions a stage has.

    Raises:
        KeyError: there is no stage of that name.
    """
    return settings.topology().partitions(STAGES[stage].partitioned_by)


def fresh_stage(settings: Settings, stage: str, partition: int, venue: str | None = None) -> Stage:
    """Return a stage as its process would construct it; at the desk's first simulated venue if there is one for each.

    Raises:
        KeyError: there is no stage of that name.
    """
    folds = cast(Mapping[str, Make], import_module(f"{STAGES[stage].module}.app").FOLDS)
    if not STAGES[stage].inbox.per_venue:
        return folds[stage](settings, partition)
    return folds[stage](settings, partition, venue or settings.topology().venues[0])


def all_stages(settings: Settings) -> list[Stage]:
    """Return every partition of every stage, fresh."""
    return [
        fresh_stage(settings, place.program.name, place.partition, place.venue)
        for place in places(settings.topology())
        if place.inbox is not None
    ]
