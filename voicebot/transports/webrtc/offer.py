"""Checks an offer's SDP before aiortc reads it, as aiortc does whatever a stranger writes there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from voicebot.runtime import limits

DEFAULT_MESSAGE_BYTES = 65_536
"""A client that does not say accepts messages of this size (RFC 8841, section 6.1)."""

ANY_SIZE = 2**31

END_OF_CANDIDATES = "a=end-of-candidates"
"""Firefox ends its addresses with this line. It is left out: if aioice can use none of them, as when they are all mDNS
names that it cannot resolve, the line makes it give up, while without it aioice waits for the browser's own checks."""

LOWEST_PORT = 1_024
WEB_PORTS = {80, 443}
"""Below port 1024, where other services listen, browsers send only to these ports. So does the bot."""

LOOPBACK_NETWORKS = {str(ip_network(("::1", 64), strict=False))}
"""The loopback address of IPv6, as `client_address` writes it."""


class SdpError(ValueError):
    """The offer is invalid. The text says why."""


@dataclass(frozen=True, slots=True)
class CheckedOffer:
    """The SDP for aiortc, without addresses that must not be tried, and the longest message that the client accepts."""

    sdp: str
    max_message_bytes: int


def check_offer(sdp: str, address: str) -> CheckedOffer:
    """Checks the SDP of a client at `address` (as `client_address` writes it). Raises SdpError."""
    if len(sdp) > limits.OFFER_BYTES:
        raise SdpError(f"{len(sdp)} characters; {limits.OFFER_BYTES} are allowed")
    lines = sdp.splitlines()
    if len(lines) > limits.OFFER_LINES:
        raise SdpError(f"{len(lines)} lines; {limits.OFFER_LINES} are allowed")
    if any(len(line) > limits.OFFER_LINE_CHARS for line in lines):
        raise SdpError(f"a line is longer than {limits.OFFER_LINE_CHARS} characters")
    _check_media([line for line in lines if line.startswith("m=")])
    attributes = Counter(line[2:].partition(":")[0] for line in lines if line.startswith("a="))
    if (candidates := attributes.pop("candidate", 0)) > limits.OFFER_CANDIDATES:
        raise SdpError(f"{candidates} candidates; {limits.OFFER_CANDIDATES} are allowed")
    for name, count in attributes.items():
        if count > limits.OFFER_REPETITIONS:
            raise SdpError(f"{count} lines of a={name}; {limits.OFFER_REPETITIONS} are allowed")
    if not attributes["fingerprint"]:
        raise SdpError("no fingerprint: such a connection could never be made")
    if not _sends_and_receives_sound(lines):
        raise SdpError("the audio must be sent (sendrecv), even if it is silence")
    most = _max_message_bytes(lines)
    kept = _Candidates(_is_loopback(address))
    return CheckedOffer("".join(f"{line}\r\n" for line in lines if kept.keeps(line)), most)


def _check_media(media: list[str]) -> None:
    if len(media) > limits.OFFER_MEDIA:
        raise SdpError(f"{len(media)} media sections; {limits.OFFER_MEDIA} are allowed")
    kinds = Counter(line[2:].partition(" ")[0] for line in media)
    if not kinds["audio"] or not kinds["application"]:
        raise SdpError("an audio track and a data channel must be offered")
    if kinds["audio"] > 1 or kinds["application"] > 1:
        raise SdpError("one audio track and one section for data channels are allowed")


def _sends_and_receives_sound(lines: list[str]) -> bool:
    """Returns whether the audio is sent and received. That is the default without a direction."""
    direction, audio = "sendrecv", False
    for line in lines:
        if line.startswith("m="):
            audio = line.startswith("m=audio ")
        elif audio and line in ("a=sendonly", "a=recvonly", "a=inactive", "a=sendrecv"):
            direction = line[2:]
    return direction == "sendrecv"


def _max_message_bytes(lines: list[str]) -> int:
    sizes = [line.partition(":")[2] for line in lines if line.startswith("a=max-message-size:")]
    if not all(size.isascii() and size.isdecimal() and len(size) <= 20 for size in sizes):
        raise SdpError("max-message-size must be a number")
    most = min((int(size) or ANY_SIZE for size in sizes), default=DEFAULT_MESSAGE_BYTES)
    if most < limits.LEAST_MESSAGE_BYTES:
        raise SdpError(f"max-message-size must be at least {limits.LEAST_MESSAGE_BYTES}")
    return most


class _Candidates:
    """Decides which of an offer's addresses are tried.

    Addresses of private networks are tried, as users on the same network need them. Multicast addresses are not.
    Addresses of this machine and link-local ones, where clouds serve their keys, are tried only for a client on this
    machine.
    """

    def __init__(self, from_this_machine: bool) -> None:
        self._from_this_machine = from_this_machine
        self._hosts: set[str] = set()
        self._names: set[str] = set()

    def keeps(self, line: str) -> bool:
        if line == END_OF_CANDIDATES:
            return False
        if not line.startswith("a=candidate:"):
            return True
        parts = line.partition(":")[2].split()
        if len(parts) < 8 or not parts[5].isdecimal():
            return True  # aiortc reports the error
        component, protocol, host, port = parts[1], parts[2].lower(), parts[4].lower(), int(parts[5])
        if component != "1" or protocol != "udp" or not self._allows_port(port):
            return False
        if host.endswith(".local"):
            return _add_within_limit(self._names, host, limits.OFFER_MDNS_NAMES)
        return self._allows_host(host) and _add_within_limit(self._hosts, host, limits.OFFER_HOSTS)

    @staticmethod
    def _allows_port(port: int) -> bool:
        return port >= LOWEST_PORT or port in WEB_PORTS

    def _allows_host(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address.is_multicast or address.is_unspecified:
            return False
        if address.is_loopback or address.is_link_local or address.is_reserved:
            return self._from_this_machine
        return True


def _add_within_limit(known: set[str], name: str, most: int) -> bool:
    """Adds `name` to `known`. Returns False if it is new and `known` has `most` names already."""
    if name in known:
        return True
    if len(known) >= most:
        return False
    known.add(name)
    return True


def _is_loopback(address: str) -> bool:
    if address in LOOPBACK_NETWORKS:
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
