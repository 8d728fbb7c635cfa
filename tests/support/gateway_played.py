"""What a whole simulated desk tells in the streams that a gateway reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fillstream.services.gateway.reading import names_of
from tests.support.simulated_desk import SimulatedDesk

Entry = tuple[str, str, Mapping[bytes, bytes]]
"""Of which stream, its id and its fields."""


def played(seed: int, **more: Any) -> SimulatedDesk:
    desk = SimulatedDesk(seed, accounts=1 + seed % 2, controls=True, specials=True, protects=True, targets=True, **more)
    desk.run(steps=400)
    desk.pass_time(1_000)
    return desk


def entries_of(desk: SimulatedDesk) -> Iterator[Entry]:
    for name in names_of(desk.topology):
        for entry_id, fields in desk.entries(desk.topology.key(name)):
            yield name, entry_id, fields
