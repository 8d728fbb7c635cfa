"""`commands.<VENUE>.{s}` and the reports in answer: what the orders stage and a venue say to each other.

Flows in: entries of either. Flows out: validated models. Never decides what a report means for an order.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, Field

from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.values.versions import Document

FRAME: Final = b"frame"
"""The field of an entry that holds commands. In an inbox of orders it is how reports of SIM came until 0.2.0."""
_REPORTS: Final = FRAME + b"."


def reports_field(venue: str) -> bytes:
    """Return the field of an entry that holds a venue's reports: `frame.SIM`. It says who reports."""
    return _REPORTS + venue.encode()


def reporting_venue(field: bytes) -> str | None:
    """Return the venue whose reports an entry's field holds; None of any other field."""
    if field == FRAME:
        return SIM
    return field.removeprefix(_REPORTS).decode(errors="replace") if field.startswith(_REPORTS) else None


def at_sim(document: Document) -> Document:
    """Say where a message is from: 0.1.0 had one venue, and did not name it."""
    return {**document, "venue": SIM}


class Frame(BaseModel):
    """Commands for a venue: 64-byte records (native/include/fillstream.h), no JSON."""

    frame: bytes


class ReportFrame(BaseModel):
    """What a venue answers, likewise: the field is `frame.` and the venue's name."""

    frame: bytes = Field(alias=reports_field(SIM).decode())
