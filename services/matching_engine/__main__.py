"""Run one symbol partition: `python -m fillstream.services.matching_engine [--partition N] [--venue VENUE]`."""

from fillstream.libs.common.process.app import main
from fillstream.services.matching_engine.app import engine

main("engine", engine)
