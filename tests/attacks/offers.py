"""Attacks by WebRTC offers on which no client connects, or that are invalid."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets

import httpx
from aiortc.exceptions import InvalidStateError

from tests.attacks.attack import EVERYWHERE, attack
from tests.attacks.peer import offered_sdp
from tests.attacks.target import Target


async def offer(on: Target, http: httpx.AsyncClient, sdp: str, webrtc_id: str | None = None) -> httpx.Response | None:
    body = {"sdp": sdp, "type": "offer", "webrtc_id": webrtc_id or secrets.token_hex(8)}
    return await on.request(http, "POST", "/webrtc/offer", json=body)


async def offer_repeatedly(on: Target, interval_s: float) -> None:
    sdp = await offered_sdp()

    async def visit(address: str) -> None:
        async with on.http(address) as http:
            async for _ in on.every(interval_s):
                await offer(on, http, sdp)

    await on.from_each(visit)


@attack("D11", locks=EVERYWHERE)
async def never_connecting(on: Target) -> None:
    """Sends offers from one address, on which no client connects."""
    await offer_repeatedly(on, 0.3)


@attack("D11", addresses=8, seconds=6, places=("other",), in_suite=False)
async def never_connecting_from_eight(on: Target) -> None:
    """Sends such offers from eight addresses, one for each session slot. Newcomers must get in all the same."""
    await offer_repeatedly(on, 0.8)


@attack("D11", addresses=60, places=("other",))
async def never_connecting_from_sixty(on: Target) -> None:
    """Sends such offers from sixty addresses, each once every two seconds."""
    await offer_repeatedly(on, 2.0)


@attack("D17", places=("other",), locks=("unlocked",), seconds=44, in_suite=False)
async def same_name(on: Target) -> None:
    """Fails to connect under a `webrtc_id`. A client that then uses the same id must stay for longer than 30 s."""
    name = secrets.token_hex(8)
    sdp = await offered_sdp()
    async with on.http(on.bystander, on.honest_login) as http:
        await offer(on, http, sdp.replace("a=sendrecv", "a=recvonly"), name)
        await offer(on, http, "v=0\r\nm=audio x\r\nm=application y", name)
    async with on.peer(on.bystander, webrtc_id=name) as peer:
        on.counts["sessions"] += 1
        await asyncio.sleep(33)
        try:
            peer.send({"type": "text", "text": "hello"})
            await peer.heard.wait_for_sound(8)
        except (InvalidStateError, TimeoutError):
            on.expect(False, "33 s after the failed try the session of this name answers no more")


def with_candidates(sdp: str, count: int) -> str:
    """Adds candidates to the offer, with addresses of this machine only."""
    hosts = (f"127.{1 + each // 62_500}.{each // 250 % 250}.{1 + each % 250}" for each in range(count))
    lines = [f"a=candidate:{each} 1 udp {2**30 + each} {host} 9 typ host" for each, host in enumerate(hosts)]
    head, found, rest = sdp.partition("a=candidate:")
    return head + "".join(f"{line}\r\n" for line in lines) + found + rest


def shapeless(sdp: str) -> list[str]:
    """Yields offers that are too large or malformed."""
    audio = sdp[sdp.index("m=audio") : sdp.index("m=application")]
    head, application = sdp[: sdp.index("m=audio")], sdp[sdp.index("m=application") :]
    return [
        with_candidates(sdp, 1_400),
        head + audio * 40 + application,
        sdp + "a=x:" + "y" * 95_000,
        sdp + "a=ssrc:1 cname:x\r\n" * 5_000,
        head + audio + "a=rtpmap:96 opus/48000/2\r\n" * 3_000 + application,
        head + audio + "a=extmap:1 urn:x\r\n" * 4_000 + application,
        head + "a=group:BUNDLE " + "0 " * 40_000 + "\r\n" + audio + application,
    ]


@attack("D20", addresses=4)
async def shapeless_offers(on: Target) -> None:
    """Sends offers with 1,400 candidates, 40 audio sections, 95 kB of attributes or thousands of codecs."""
    sdps = itertools.cycle(shapeless(await offered_sdp()))

    async def visit(address: str) -> None:
        async with on.http(address) as http:
            async for _ in on.every(0.3):
                response = await offer(on, http, next(sdps))
                on.expect(response is None or response.status_code != 200, "a shapeless offer was answered")

    await on.from_each(visit)


@attack("D20", addresses=2)
async def shapeless_json(on: Target) -> None:
    """Sends offers whose JSON is deep, wide, or contains a number of 500,000 digits."""
    bodies = itertools.cycle(
        [
            b"[" * 9_900,
            b'{"a":' * 9_900,
            b'{"webrtc_id":' + b"9" * 500_000 + b"}",
            b'{"sdp":"' + b"\\u0000" * 100_000 + b'"}',
            b'{"sdp":1e' + b"9" * 1_000 + b',"type":"offer"}',
            json.dumps({str(each): each for each in range(60_000)}).encode(),
            json.dumps([1] * 300_000).encode(),
            b'{"sdp":"\\ud800","type":"offer","webrtc_id":"\\udfff"}',
            b"\xff\xfe" * 10_000,
        ]
    )

    async def visit(address: str) -> None:
        async with on.http(address) as http:
            async for _ in on.every(0.05):
                response = await on.request(http, "POST", "/webrtc/offer", content=next(bodies), headers=JSON)
                on.expect(response is None or response.status_code >= 400, "a shapeless body was answered")

    await on.from_each(visit)


JSON = {"Content-Type": "application/json"}


@attack("D25", addresses=50)
async def refused_offers(on: Target) -> None:
    """Sends offers that aiortc refuses in various ways, from fifty addresses. No traceback may be logged for each."""
    sdp = await offered_sdp()
    broken = itertools.cycle(
        [
            "v=0\r\nm=audio 9 x\r\nm=application 9 y",
            sdp.replace("a=fingerprint", "a=fingertip"),
            sdp.replace("a=setup:actpass", "a=setup:sideways"),
            sdp.replace("opus", "sopu").replace("PCM", "MCP"),
            sdp.replace("a=sendrecv", "a=recvonly"),
            sdp.replace("m=application", "m=video"),
            "m=audio m=application nonsense",
            sdp.replace("a=ice-ufrag", "a=ice-frag"),
        ]
    )

    async def visit(address: str) -> None:
        async with on.http(address) as http:
            await asyncio.sleep(secrets.randbelow(100) / 100)
            async for _ in on.every(1.0):
                await offer(on, http, next(broken))

    await on.from_each(visit)
