"""How the page is sent: compressed or not, asked for again or not, and never more of it at once than a client reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import gradio.routes
import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from voicebot.web.ui import rendered
from voicebot.web.ui.rendered import GradioAssets, Packed, StaticFiles, takes_gzip

FRONTEND = Path(gradio.routes.BUILD_PATH_LIB)
LARGEST = max(FRONTEND.glob("*.js"), key=lambda path: path.stat().st_size)
FILES_OF_PAGE = StaticFiles()
FILES = (LARGEST, *FRONTEND.glob("KaTeX_Main-Bold*.woff2"), *FRONTEND.glob("svelte/*.js"))


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    rendered.add_page(app, 77)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bot.example") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/theme.css", f"/static/{FILES_OF_PAGE.version}/main.js"])
async def test_each_part_of_the_page_is_the_same_with_and_without_compression(
    http: httpx.AsyncClient, path: str
) -> None:
    packed = await http.get(path, headers={"Accept-Encoding": "gzip, br"})
    plain = await http.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(plain.headers["content-length"]) == len(plain.content) == len(packed.content)
    assert packed.content == plain.content
    assert packed.headers["content-type"] == plain.headers["content-type"]
    again = await http.get(path, headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_every_visitor_gets_the_same_page(http: httpx.AsyncClient) -> None:
    page = await http.get("/")
    assert "Voice Bot" in page.text
    lies = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Host": "other.example"}
    for query in ("", "?deep_link=../../x", "?page=nowhere", "?view=api"):
        assert (await http.get(f"/{query}", headers=lies)).content == page.content, query


async def test_frontend_files_are_served_unchanged_and_other_paths_are_not_found() -> None:
    assets = GradioAssets(FRONTEND)
    app = FastAPI()
    rendered.add_page(app, 77)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bot.example") as http:
        for path in FILES:
            name = path.relative_to(FRONTEND).as_posix()
            for coding in ("gzip", "identity"):
                answer = await http.get(f"/assets/{name}", headers={"Accept-Encoding": coding})
                assert answer.content == path.read_bytes(), name
            assert ("immutable" in answer.headers["cache-control"]) == ("/" not in name)
    for name in ("", ".", "..", "../index.html", "svelte", f"{LARGEST.name}.map", f"./{LARGEST.name}", str(LARGEST)):
        assert await assets.find(name) is None, name


async def test_the_pages_own_files_are_immutable_at_their_version_and_revalidated_at_any_other(
    http: httpx.AsyncClient,
) -> None:
    for name in (*FILES_OF_PAGE.modules, "page.css", "icon.svg"):
        current = await http.get(f"/static/{FILES_OF_PAGE.version}/{name}")
        other = await http.get(f"/static/another-servers/{name}")
        assert (current.status_code, current.content) == (200, other.content), name
        assert "immutable" in current.headers["cache-control"]
        assert other.headers["cache-control"] == "no-cache"
    for name in ("types.d.ts", "talk.css", "..", "page.html", "%2e%2e%2fpage.html"):
        assert (await http.get(f"/static/{FILES_OF_PAGE.version}/{name}")).status_code == 404, name


async def test_a_response_is_sent_in_pieces_of_limited_size() -> None:
    text = bytes(range(256)) * 4096
    packed = Packed(text, "text/plain", "no-cache")
    response = packed.response(Request({"type": "http", "headers": []}))
    assert isinstance(response, StreamingResponse)
    pieces = [piece async for piece in response.body_iterator if isinstance(piece, bytes)]
    assert b"".join(pieces) == text
    assert max(map(len, pieces)) <= rendered.CHUNK_BYTES


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("", False),
        ("identity", False),
        ("x-gzip-not", False),
    ],
)
def test_the_accept_encoding_header_decides_whether_a_client_takes_gzip(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes
