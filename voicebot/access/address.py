"""The address of a client, by which limits are counted."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

UNKNOWN = "unknown"
"""All clients whose address is not known (on a Unix socket) count as one."""


def client_address(scope: Scope, trusted_proxies: int) -> str:
    """Returns the client's IP address, or the /64 network of an IPv6 address, as one customer gets a whole /64.

    Every proxy appends the address of its own client to `X-Forwarded-For`. With `trusted_proxies` proxies in front of
    the server, the entry that many places from the right is the client's, and the client may have invented everything
    to its left. The header is ignored without a proxy, and where it is too short to have passed through all of them.
    """
    client = scope.get("client")
    peer = _group_address(client[0]) if client else UNKNOWN
    if not trusted_proxies:
        return peer
    forwarded = forwarded_values(scope, "x-forwarded-for", trusted_proxies)
    if len(forwarded) < trusted_proxies:
        return peer
    return _group_address(forwarded[0], peer)


def forwarded_values(scope: Scope, name: str, trusted_proxies: int) -> list[str]:
    """Returns the values of a list header that trusted proxies wrote, which are the last ones."""
    lines = Headers(scope=scope).getlist(name)
    values = [value.strip() for line in lines for value in line.split(",")]
    return values[-trusted_proxies:] if trusted_proxies else []


def _group_address(host: str, fallback: str | None = None) -> str:
    """Returns `host` without its port, and the network of an IPv6 address.

    What is no IP address gives `fallback`, or itself without one.
    """
    bare = host[1:].split("]")[0] if host.startswith("[") else host
    if bare.count(":") == 1:
        bare = bare.split(":")[0]
    try:
        address = ip_address(bare.split("%")[0])
    except ValueError:
        return host if fallback is None else fallback
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
