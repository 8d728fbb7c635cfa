"""Run one of the two stages: `python -m fillstream.services.order_service signals|orders [--partition N]`."""

import sys

from fillstream.libs.common.process.app import main
from fillstream.services.order_service.app import orders_role, signals_role

ROLES = {"signals": signals_role, "orders": orders_role}

stage = sys.argv.pop(1) if len(sys.argv) > 1 else ""
if stage not in ROLES:
    sys.exit(f"usage: python -m fillstream.services.order_service {{{'|'.join(ROLES)}}} [--partition N], got {stage!r}")
main(f"order_service {stage}", ROLES[stage])
