"""Run one of the two stages: `python -m fillstream.services.order_service signals|orders [--partition N]`."""

import sys

from fillstream.libs.common.process.app import main
from fillstream.services.order_service.app import FOLDS

stage = sys.argv.pop(1) if len(sys.argv) > 1 else ""
if stage not in FOLDS:
    sys.exit(f"usage: python -m fillstream.services.order_service {{{'|'.join(FOLDS)}}} [--partition N], got {stage!a}")
main(stage, FOLDS[stage])
