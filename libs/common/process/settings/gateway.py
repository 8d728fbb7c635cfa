"""The section `gateway`: how the front door is kept.

Flows in: the section. Flows out: a frozen model. Never has a key: those are in Redis, by their hashes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fillstream.libs.common.messages.reference import Whole
from fillstream.libs.common.values.naming import shorten
from fillstream.libs.common.values.networks import network_of


def _is_network(text: Any) -> Any:
    network_of(text)
    return text


AnyNetwork = Annotated[str, BeforeValidator(_is_network)]
"""An address, or a network, as text."""


MINUTES: Final = {"m": 1, "h": 60, "d": 24 * 60}
MAX_SPAN_MINUTES: Final = 366 * 24 * 60
_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])", re.ASCII)


def span_ms(text: str) -> int:
    """Return how long a span is (milliseconds): `30m`, `12h`, `7d`.

    Raises:
        ValueError: it is none, or longer than a year.
    """
    found = _SPAN.fullmatch(text) if isinstance(text, str) else None
    minutes = 0 if found is None else int(found[1]) * MINUTES[found[2]]
    if not 0 < minutes <= MAX_SPAN_MINUTES:
        raise ValueError(f"{shorten(text)} must be minutes, hours or days, 366d at most: 30m, 12h, 7d")
    return minutes * 60_000


def _is_span(text: Any) -> Any:
    span_ms(text)
    return text


Span = Annotated[str, BeforeValidator(_is_span)]
"""A time that is said in minutes, hours or days, as text."""


class Gateway(BaseModel):
    """How the gateway is kept.

    Attributes:
        without_key: everybody who reaches it may do everything; refused unless it listens on a loopback address alone.
        calls_per_minute: of a key that does not say its own.
        streams_per_key: WebSocket connections and streams of server-sent events that a key may hold at a time.
        stream_messages_per_s: that a key may send on all of its WebSockets; what is more is read later.
        orders_kept: orders that are done, and fills, in memory; older ones are analytics' to tell.
        tls_cert_file, tls_key_file: to serve https by; both or neither.
        proxies: addresses or networks of proxies whose X-Forwarded-For, -Proto and -Host are believed: from where a
            hook was posted or a person logged in, and by which address a browser asked.
        session_idle: how long a person who does nothing stays logged in: `12h`, `30m`, `7d`.
        session_lifetime: how long one stays logged in at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    without_key: bool = False
    calls_per_minute: Annotated[Whole, Field(ge=1, le=1_000_000)] = 6_000
    streams_per_key: Annotated[Whole, Field(ge=1, le=100_000)] = 20
    stream_messages_per_s: Annotated[Whole, Field(ge=1, le=100_000)] = 50
    orders_kept: Annotated[Whole, Field(ge=100, le=10_000_000)] = 100_000
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    proxies: Annotated[tuple[AnyNetwork, ...], Field(max_length=100)] = ()
    session_idle: Span = "12h"
    session_lifetime: Span = "7d"
