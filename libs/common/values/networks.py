"""Addresses of the internet: which one a text names, and whether it lies in a network.

Flows in: text. Flows out: addresses and networks of `ipaddress`, or a sentence. Never asks a name server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fillstream.libs.common.values.naming import shorten

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}", re.ASCII)


def network_of(text: object) -> Network:
    """Return the network that a text names: `10.0.0.0/8`, `2001:db8::/32`, or one address.

    Raises:
        ValueError: it is none; says what it must be.
    """
    try:
        if isinstance(text, str) and text.isascii():
            return ip_network(text)
    except ValueError:
        pass  # one sentence for all that is no network
    raise ValueError(f"{shorten(text)} must be an address or a network without host bits: 192.0.2.7, 10.0.0.0/8, ::1")


def address_of(text: str) -> Address | None:
    """Return the address that a text names, with or without a port behind it; None of what is none.

    An IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.7`) is the IPv4 address.
    """
    if found := _WITH_PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_within(address: Address | None, networks: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks; None lies in none."""
    return address is not None and any(address in network for network in networks)
