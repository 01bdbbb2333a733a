"""The contents of an offer that are accepted, and the addresses in it that are tried."""

from __future__ import annotations

import time

import pytest

from voicebot.runtime import limits
from voicebot.transports.webrtc.offer import SdpError, check_offer

VISITOR, HERE = "203.0.113.7", "127.0.0.1"

HEAD = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=fingerprint:sha-256 AA:BB\r\n"
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=sendrecv\r\na=rtpmap:111 opus/48000/2\r\n"
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=sctp-port:5000\r\n"
OFFER = HEAD + AUDIO + DATA


def candidate(host: str, port: int = 50_000, *, protocol: str = "udp", component: int = 1) -> str:
    return f"a=candidate:1 {component} {protocol} 2122260223 {host} {port} typ host\r\n"


def tried_hosts(*lines: str, address: str = VISITOR) -> list[str]:
    """Returns the hosts that are tried for an offer with these candidates."""
    sdp = check_offer(OFFER + "".join(lines), address).sdp
    return [line.split()[4] for line in sdp.splitlines() if line.startswith("a=candidate:")]


def test_an_ordinary_offer_passes_unchanged() -> None:
    offer = OFFER + candidate("192.168.1.7") + candidate("198.51.100.7", 61_234)
    assert check_offer(offer, VISITOR).sdp == offer
    assert check_offer(offer, VISITOR).max_message_bytes == 65_536


def test_the_end_of_the_candidates_is_left_out() -> None:
    assert check_offer(OFFER + candidate("a.local") + "a=end-of-candidates\r\n", VISITOR).sdp == OFFER + candidate(
        "a.local"
    )


@pytest.mark.parametrize(
    ("sdp", "complaint"),
    [
        (OFFER + "a=x:y\r\n" * 4_000, "characters; 20000 are allowed"),
        (OFFER + "a=x\r\n" * 500, "lines; 400 are allowed"),
        (OFFER + f"a=x:{'y' * 1_500}\r\n", "longer than 1000"),
        (HEAD + AUDIO * 4 + DATA, "5 media sections"),
        (HEAD + AUDIO * 2 + DATA, "one audio track"),
        (HEAD + AUDIO + DATA * 2, "one audio track and one section"),
        (HEAD + AUDIO, "a data channel must be offered"),
        (OFFER + candidate("192.0.2.1") * 51, "51 candidates; 50 are allowed"),
        (HEAD + AUDIO + "a=rtpmap:96 x/8000\r\n" * 65 + DATA, "lines of a=rtpmap"),
        (HEAD + AUDIO + "a=rtcp-fb:* nack\r\n" * 65 + DATA, "lines of a=rtcp-fb"),
        (OFFER.replace("a=fingerprint", "a=finger"), "no fingerprint"),
        (OFFER.replace("sendrecv", "recvonly"), "must be sent"),
        (OFFER.replace("sendrecv", "sendonly"), "must be sent"),
        (OFFER + "a=max-message-size:10\r\n", "at least 16384"),
        (OFFER + "a=max-message-size:-1\r\n", "must be a number"),
    ],
)
def test_an_oversized_or_invalid_offer_is_refused_with_a_reason(sdp: str, complaint: str) -> None:
    with pytest.raises(SdpError, match=complaint):
        check_offer(sdp, VISITOR)


@pytest.mark.parametrize(("line", "most"), [("a=max-message-size:262144", 262_144), ("a=max-message-size:0", 2**31)])
def test_the_offer_sets_the_maximum_message_size(line: str, most: int) -> None:
    assert check_offer(f"{OFFER}{line}\r\n", VISITOR).max_message_bytes == most


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "224.0.0.251", "ff02::fb"),
        *("0.0.0.0", "::", "255.255.255.255", "example.com"),
    ],
)
def test_loopback_link_local_and_multicast_addresses_and_host_names_are_not_tried(host: str) -> None:
    assert tried_hosts(candidate(host), candidate("192.0.2.1")) == ["192.0.2.1"]


def test_a_client_on_this_machine_may_offer_loopback_addresses() -> None:
    hosts = ["127.0.0.1", "::1", "192.168.1.7"]
    assert tried_hosts(*map(candidate, hosts), address=HERE) == hosts
    assert tried_hosts(*map(candidate, hosts), address="::/64") == hosts
    assert tried_hosts(candidate("224.0.0.251"), address=HERE) == []


def test_a_limited_number_of_private_addresses_is_tried() -> None:
    hosts = [f"192.168.1.{number}" for number in range(1, 41)]
    assert tried_hosts(*map(candidate, hosts)) == hosts[: limits.OFFER_HOSTS]


def test_a_limited_number_of_mdns_names_is_tried() -> None:
    names = [f"{number}.local" for number in range(20)]
    assert tried_hosts(*map(candidate, names)) == names[: limits.OFFER_MDNS_NAMES]


def test_candidates_on_system_ports_over_tcp_or_for_other_components_are_left_out() -> None:
    assert tried_hosts(candidate("192.0.2.1", 22), candidate("192.0.2.2", 443), candidate("192.0.2.3", 1_024)) == [
        "192.0.2.2",
        "192.0.2.3",
    ]
    assert tried_hosts(candidate("192.0.2.1", protocol="tcp"), candidate("192.0.2.1", component=2)) == []


def test_a_very_long_offer_is_checked_within_5_ms() -> None:
    line = candidate("192.168.100.100")
    sdp = OFFER + line * 50
    sdp += "a=x:" + "y" * 900 + "\r\n"
    sdp += "".join(f"a=k{number}:{'z' * 40}\r\n" for number in range(250))
    assert len(sdp) <= limits.OFFER_BYTES
    took_s = []
    for _ in range(5):
        began_s = time.perf_counter()
        check_offer(sdp, VISITOR)
        took_s.append(time.perf_counter() - began_s)
    assert min(took_s) < 0.005
