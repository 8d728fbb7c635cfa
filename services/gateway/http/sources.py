"""From where somebody asks: the peer's address, or what proxies of ours say of who is behind them.

Flows in: connections. Flows out: addresses, scheme and host as the asker's browser knows them. Never believes a header
about any of it unless a proxy that is named in the settings sent it.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address

from starlette.requests import HTTPConnection

from fillstream.libs.common.values.networks import Address, address_of, is_within, network_of


class Sources:
    """Tells from where somebody asks.

    Args:
        proxies: addresses and networks whose X-Forwarded-… headers are believed.
    """

    def __init__(self, proxies: Sequence[str]) -> None:
        self._proxies = tuple(map(network_of, proxies))

    def address(self, connection: HTTPConnection) -> Address | None:
        """Return the address that somebody asks from: the peer's, or the one that proxies of ours say is behind them.

        None where one of them says what is no address.
        """
        peer = _peer(connection)
        said = [each.strip() for line in connection.headers.getlist("x-forwarded-for") for each in line.split(",")]
        while said and is_within(peer, self._proxies):
            peer = address_of(said.pop())  # each proxy adds who it was asked by at the end
        return peer

    def origin(self, connection: HTTPConnection) -> tuple[str, str]:
        """Return scheme and host by which a browser asks: `https`, `desk.example.com`."""
        scheme: str = connection.scope["scheme"]
        scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        host = connection.headers.get("host", "")
        if is_within(_peer(connection), self._proxies):
            scheme = _last(connection, "x-forwarded-proto") or scheme
            host = _last(connection, "x-forwarded-host") or host
        return scheme.lower(), host.lower()


def _peer(connection: HTTPConnection) -> Address | None:
    return address_of(connection.client.host) if connection.client is not None else None


def _last(connection: HTTPConnection, name: str) -> str:
    """Return what the proxy next to us says: it is the one that is trusted."""
    return ",".join(connection.headers.getlist(name)).rpartition(",")[2].strip()


def place_of(address: Address | None) -> str:
    """Return what failures are counted by: an address, of IPv6 its network, of which one person has as many."""
    if isinstance(address, IPv6Address):
        return str(network_of(f"{IPv6Address(int(address) >> 64 << 64)}/64"))
    return str(address)
