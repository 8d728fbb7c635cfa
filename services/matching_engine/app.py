"""Makes the engine's fold from the settings; where it stands in the house, `libs.common.messages.stages` knows."""

from __future__ import annotations

from collections.abc import Callable

from fillstream.libs.common.messages.calendar import Calendars
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.process.calendars.source import Source, for_engine
from fillstream.libs.common.process.settings import Settings
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.stage import EngineStage


def engine(
    settings: Settings, partition: int, venue: str = SIM, calendars: Callable[[], Calendars] | None = None
) -> EngineStage:
    """Return the engine of a venue's symbol partition; it goes by the machine's date unless it is given calendars."""
    listings = {each.id: Listing(symbol, each) for symbol, each in settings.instruments.items()}
    source = calendars or Source(lambda day: for_engine(settings, day, partition))
    return EngineStage(settings.topology(), partition, listings, venue, settings.simulation_of(venue), source)


FOLDS = {"engine": engine}
