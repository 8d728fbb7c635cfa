"""Run one account partition: `python -m fillstream.services.position_service [--partition N]`."""

from fillstream.libs.common.process.app import main
from fillstream.services.position_service.app import positions

main("positions", positions)
