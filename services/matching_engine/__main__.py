"""Run one symbol partition: `python -m services.matching_engine [--partition N]`."""

from libs.common.app import main
from services.matching_engine.app import role

main("matching_engine", role)
