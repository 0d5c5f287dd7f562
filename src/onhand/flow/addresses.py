"""Which network addresses may be called: the public ones, unless an endpoint's policy allows others.

A name is resolved once, every address that comes back is judged, and the connection goes to one of those very
addresses. So a name that points inside (or does so only on its second resolution) leads nowhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable

from aiohttp.abc import AbstractResolver, ResolveResult

from onhand.sdk.http import AddressRefused

Resolve = Callable[[str, int], Awaitable[list[tuple[str, int]]]]
"""Turns a host name and a port into (address, family)."""


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the public internet; what cannot be read does not.

    An IPv4 address inside an IPv6 one (mapped, 6to4, NAT64, Teredo) counts as what it leads to.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = _inner(found)
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local:
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _inner(found: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if found in _NAT64:
        return ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
    return found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)


def check_literal(host: str, *, allow_private: bool) -> None:
    """Refuse a host that is an address itself, which no resolver will see. Raises AddressRefused."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return
    if not allow_private and not is_public(host.strip("[]")):
        raise AddressRefused(f"{host} is not an address of the public internet.")


class PinnedResolver(AbstractResolver):
    """Resolves names for one kind of endpoint; what it returns is what is connected to."""

    def __init__(self, resolve: Resolve, *, allow_private: bool) -> None:
        self._resolve = resolve
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return where a name leads. Raises AddressRefused when any of its addresses may not be called."""
        found = await self._resolve(host, port)
        if not found:
            raise OSError(f"{host} has no address")
        if not self._allow_private:
            for address, _ in found:
                if not is_public(address):
                    raise AddressRefused(f"{host} leads to {address}, which is not on the public internet.")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for address, kind in found
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Nothing is held."""
