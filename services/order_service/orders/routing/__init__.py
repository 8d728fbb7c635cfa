"""Smart order routing: policies, a file each, which this list joins; what venues cost; which rule routes what.

Flows in: modules. Flows out: `POLICIES`. Never decides anything.
"""

from __future__ import annotations

from importlib import import_module

from fillstream.services.order_service.orders.routing.policy import POLICIES, Policy

OURS = ("named", "best_price", "sweep", "spray", "post_then_take")
"""Modules of this folder that register a policy."""

for _name in OURS:
    import_module(f"{__name__}.{_name}")

__all__ = ["OURS", "POLICIES", "Policy"]
