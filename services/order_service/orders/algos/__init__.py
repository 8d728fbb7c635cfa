"""Execution algorithms: a file each, which registers itself; this list joins them.

Flows in: modules. Flows out: `ALGORITHMS`. Never decides anything.
"""

from __future__ import annotations

from importlib import import_module

from fillstream.services.order_service.orders.algos.algorithm import ALGORITHMS, Algorithm

OURS = (
    "at_once", "twap", "vwap", "pov", "implementation_shortfall", "iceberg", "sniper", "chaser", "ladder",
)  # fmt: skip
"""Modules of this folder that register an algorithm."""

for _name in OURS:
    import_module(f"{__name__}.{_name}")

__all__ = ["ALGORITHMS", "OURS", "Algorithm"]
