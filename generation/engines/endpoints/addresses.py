"""Where a server's host really is: resolved once for each image, and only that address is used.

A name that leads elsewhere than the approval says gets no byte, whoever answers for the name.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address

from generation.engines.endpoints.servers import INSIDE, Server
from generation.engines.errors import EndpointUnavailable

Address = IPv4Address | IPv6Address
# The addresses that a name and a port lead to.
Resolve = Callable[[str, int], Iterable[str]]
_PORTS = {"http": 80, "https": 443}


def resolve(host: str, port: int) -> Iterable[str]:
    """Ask the machine's resolver. Raises: OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_kind, address in found))


def port_of(server: Server) -> int:
    """Return the port that the address names, or its scheme's."""
    return server.url.port or _PORTS[server.url.scheme]


def place_of(server: Server, resolve: Resolve = resolve) -> Address:
    """Return the address to send to. Raises: EndpointUnavailable if one of them is out of place.

    All that the name leads to must be where the approval says: what is picked of a mixed answer is
    for whoever gave it to decide.
    """
    host = str(server.url.hostname)
    try:
        found = [ipaddress.ip_address(each) for each in resolve(host, port_of(server))]
    except (OSError, ValueError) as error:
        raise EndpointUnavailable(
            f"The host of the endpoint {server.name} is not known here.", endpoint=server.name
        ) from error
    outside = [each for each in found if not is_in_place(each, server)]
    if outside or not found:
        raise EndpointUnavailable(
            f"The host of the endpoint {server.name} is not where its approval says. Nothing was "
            "sent.",
            endpoint=server.name,
            addresses=[str(each) for each in outside],
        )
    return found[0]


def is_in_place(address: Address, server: Server) -> bool:
    """Tell whether an address is in the listed networks, or without any where the place says.

    Inside is private or this machine; external is the public network and never inside.
    """
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    if server.networks:
        return any(address in each for each in server.networks)
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False
    if server.place == INSIDE:
        return address.is_loopback or _is_private(address)
    return address.is_global


_PRIVATE = tuple(
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


def _is_private(address: Address) -> bool:
    """Tell whether an address belongs to nobody but whoever runs the network it is in."""
    return any(address in each for each in _PRIVATE)
