"""Whose request it is: the address that limits are counted by."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

UNKNOWN = "unknown"
"""All whose address can't be told (a Unix socket) are one visitor."""


def client_address(scope: Scope, trusted_proxies: int) -> str:
    """The visitor's IP address; of IPv6 the /64, as that is what one customer gets.

    Every proxy adds the address of its own client to the right of `X-Forwarded-For`: with so many proxies of ours in
    front, the entry as far from the right is the visitor's, and anything left of it is the visitor's invention. With
    none the header is not looked at, nor where it is too short to have passed all proxies.
    """
    client = scope.get("client")
    peer = _group(client[0]) if client else UNKNOWN
    if not trusted_proxies:
        return peer
    forwarded = forwarded_values(scope, "x-forwarded-for", trusted_proxies)
    if len(forwarded) < trusted_proxies:
        return peer
    return _group(forwarded[0], peer)


def forwarded_values(scope: Scope, name: str, trusted_proxies: int) -> list[str]:
    """The last values of a list header, which the trusted proxies wrote; none without such a proxy."""
    lines = Headers(scope=scope).getlist(name)
    values = [value.strip() for line in lines for value in line.split(",")]
    return values[-trusted_proxies:] if trusted_proxies else []


def _group(host: str, otherwise: str | None = None) -> str:
    """`host` may carry a port, as some proxies write it; one that is no IP address is `otherwise`, or itself."""
    bare = host[1:].split("]")[0] if host.startswith("[") else host
    if bare.count(":") == 1:
        bare = bare.split(":")[0]
    try:
        address = ip_address(bare.split("%")[0])
    except ValueError:
        return host if otherwise is None else otherwise
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
