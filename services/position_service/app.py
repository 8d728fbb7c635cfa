"""Makes the positions stage's fold; where it stands in the house, `libs.common.messages.stages` knows."""

from __future__ import annotations

from fillstream.libs.common.process.settings import Settings
from fillstream.services.position_service.stage import PositionStage


def positions(settings: Settings, partition: int) -> PositionStage:
    """Return the positions stage of an account partition; what it decides by comes in the journal."""
    return PositionStage(partition)


FOLDS = {"positions": positions}
