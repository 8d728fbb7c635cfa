"""Makes the engine's fold from the settings; where it stands in the house, `libs.common.messages.stages` knows."""

from __future__ import annotations

from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.process.calendars.source import Source, for_engine
from fillstream.libs.common.process.settings import Settings
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.stage import EngineStage


def engine(settings: Settings, partition: int, venue: str = SIM) -> EngineStage:
    """Return the engine of a simulated venue's symbol partition."""
    listings = {each.id: Listing(symbol, each) for symbol, each in settings.instruments.items()}
    source = Source(lambda day: for_engine(settings, day, partition))
    return EngineStage(settings.topology(), partition, listings, venue, settings.simulation_of(venue), source)


FOLDS = {"engine": engine}
