"""Every answer carries the security headers, and bodies that are too long or too complex are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.integration.access.own_server import LOCKED, RIGHT, client, in_process
from voicebot.access.response_headers import HEADERS


async def test_all_answers_carry_the_security_headers_including_refusals_and_faults() -> None:
    async with in_process(**LOCKED) as http:
        answers = {
            401: await http.get("/"),
            200: await http.get("/", auth=RIGHT),
            404: await http.get("/nowhere", auth=RIGHT),
            403: await http.post("/preflight", auth=RIGHT, headers={"Origin": "https://evil.example"}),
            413: await http.post("/preflight", auth=RIGHT, content=b"x" * 1_048_577),
            500: await http.post("/fault", auth=RIGHT),
        }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, status


async def test_answers_carry_no_server_header() -> None:
    async with client() as http:
        assert "server" not in (await http.get("/")).headers


async def test_a_body_with_too_many_bytes_or_json_containers_is_refused() -> None:
    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 1024

    async with client(max_body_kb=128) as http:
        assert (await http.post("/preflight", content=b"x" * 128 * 1024)).json()["bytes"] == 128 * 1024
        assert (await http.post("/preflight", content=pieces(128))).json()["bytes"] == 128 * 1024
        for content in (b"x" * (128 * 1024 + 1), pieces(129)):
            refused = await http.post("/preflight", content=content)
            assert refused.status_code == 413
            assert refused.json() == {"error": "the request is too long: 131072 bytes are allowed"}
        assert (await http.post("/preflight", content=b"[{}]" * 5_000)).status_code == 200
        refused = await http.post("/preflight", content=b"[{}]" * 5_000 + b"[")
        assert refused.status_code == 413
        assert refused.json() == {"error": "the request is too complex: 10000 objects and lists are allowed"}
