"""Run one account partition: `python -m services.position_service [--partition N]`."""

from libs.common.app import main
from services.position_service.app import role

main("position_service", role)
