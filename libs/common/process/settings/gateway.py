"""The section `gateway`: how the front door is kept.

Flows in: the section. Flows out: a frozen model. Never has a key: those are in Redis, by their hashes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fillstream.libs.common.messages.reference import Whole
from fillstream.libs.common.values.networks import network_of


def _is_network(text: Any) -> Any:
    network_of(text)
    return text


AnyNetwork = Annotated[str, BeforeValidator(_is_network)]
"""An address, or a network, as text."""


class Gateway(BaseModel):
    """How the gateway is kept.

    Attributes:
        without_key: everybody who reaches it may do everything; refused unless it listens on a loopback address alone.
        calls_per_minute: of a key that does not say its own.
        streams_per_key: WebSocket connections and streams of server-sent events that a key may hold at a time.
        stream_messages_per_s: that a key may send on all of its WebSockets; what is more is read later.
        orders_kept: orders that are done, and fills, in memory; older ones are analytics' to tell.
        tls_cert_file, tls_key_file: to serve https by; both or neither.
        proxies: addresses or networks of proxies whose X-Forwarded-For is believed: from where a hook was posted.
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
