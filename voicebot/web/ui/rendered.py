"""The page as it is sent: rendered once, when the server starts, the same bytes for every visitor.

None of Gradio's routes is served. Chromium was seen to request four things of Gradio's: the page, an icon, its theme
and the modules in `assets`. Everything else stays out, also what Gradio would add to the page from a request: links to
saved states, and the address, which its script takes from the browser anyway.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

import gradio as gr
import gradio.routes
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from voicebot.access.request_checks import NOTHING_HERE
from voicebot.web.ui.offline import without_foreign_tags
from voicebot.web.ui.page import ASSETS, build_page

CHUNK_BYTES = 64 * 1024
"""What is handed to a connection at once, so that a client that reads slowly holds no more than this in memory."""

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}
"""The kinds of files in Gradio's `assets` that a browser asks for: not the source maps, nor fonts for old browsers."""

FOR_EVER = "max-age=31536000, immutable"
"""Names in `assets` contain a hash of what is in the file, but for those in its one folder, `svelte`."""

ASK_AGAIN = "no-cache"
"""A browser may keep it, but has to ask whether it is still the same."""


class Packed:
    """A text that is kept compressed, and is unpacked in small steps for the few clients that take no gzip."""

    def __init__(self, text: bytes, media_type: str, cache_control: str) -> None:
        self._gzip = gzip.compress(text, mtime=0)
        self._length = len(text)
        self._media_type = media_type
        self._headers = {
            "Cache-Control": cache_control,
            "ETag": f'"{sha256(text).hexdigest()[:32]}"',
            "Vary": "Accept-Encoding",
        }

    def response(self, request: Request) -> Response:
        if request.headers.get("if-none-match") == self._headers["ETag"]:
            return Response(status_code=304, headers=self._headers)
        if takes_gzip(request.headers.get("accept-encoding", "")):
            sized = {"Content-Encoding": "gzip", "Content-Length": str(len(self._gzip))}
            chunks = self._compressed()
        else:
            sized = {"Content-Length": str(self._length)}
            chunks = self._plain()
        return StreamingResponse(_one_at_a_time(chunks), headers=self._headers | sized, media_type=self._media_type)

    def _compressed(self) -> Iterator[bytes]:
        for start in range(0, len(self._gzip), CHUNK_BYTES):
            yield self._gzip[start : start + CHUNK_BYTES]

    def _plain(self) -> Iterator[bytes]:
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        rest = self._gzip
        while rest:
            yield unpacking.decompress(rest, CHUNK_BYTES)
            rest = unpacking.unconsumed_tail
        yield unpacking.flush()


async def _one_at_a_time(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The next chunk is made when the one before is on its way (Starlette would use a thread for a plain iterator)."""
    for chunk in chunks:
        yield chunk


def takes_gzip(accept_encoding: str) -> bool:
    for each in accept_encoding.lower().split(","):
        coding, _, parameters = each.partition(";")
        if coding.strip() == "gzip":
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


class Assets:
    """The modules, styles and fonts of Gradio's frontend, by their names: no path is ever made from a request."""

    def __init__(self, folder: Path) -> None:
        files = [path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES]
        self._paths = {path.relative_to(folder).as_posix(): path for path in files}
        self._packed: dict[str, Packed] = {}
        self._packing = asyncio.Lock()

    async def find(self, name: str) -> Packed | None:
        """Reads and compresses a file at its first use, one at a time and beside the event loop."""
        path = self._paths.get(name)
        if path is None or name in self._packed:
            return self._packed.get(name)
        async with self._packing:
            if name not in self._packed:
                keep = ASK_AGAIN if "/" in name else FOR_EVER
                self._packed[name] = await asyncio.to_thread(_packed_file, path, keep)
        return self._packed[name]


@cache
def _packed_file(path: Path, cache_control: str) -> Packed:
    return Packed(path.read_bytes(), MEDIA_TYPES[path.suffix], cache_control)


def render(blocks: gr.Blocks) -> str:
    """The HTML that Gradio would make of a page: as its own route does it, but for nobody in particular."""
    config = blocks.get_config_file()
    config["root"] = ""
    config["username"] = None
    config["deep_link_state"] = "none"
    config["layout"] = config["page"][""]["layout"]
    config["current_page"] = ""
    template = gradio.routes.templates.env.get_template("frontend/index.html")
    return without_foreign_tags(template.render(config=config, gradio_api_info=blocks.get_api_info()))


@cache
def _page_and_theme(max_text_chars: int) -> tuple[Packed, Packed]:
    """The same for every server of a process."""
    blocks = build_page(max_text_chars)
    page = Packed(render(blocks).encode(), "text/html", ASK_AGAIN)
    return page, Packed(blocks.theme_css.encode(), "text/css", ASK_AGAIN)


def add_page(app: FastAPI, max_text_chars: int) -> None:
    """The routes of the page. Must be called while a loop runs: without one Gradio makes its own and leaves it open."""
    page, theme = _page_and_theme(max_text_chars)
    icon = Packed((ASSETS / "icon.svg").read_bytes(), "image/svg+xml", ASK_AGAIN)
    assets = Assets(Path(gradio.routes.BUILD_PATH_LIB))

    @app.head("/")
    @app.get("/")
    async def show_page(request: Request) -> Response:
        return page.response(request)

    @app.get("/theme.css")
    async def show_theme(request: Request) -> Response:
        return theme.response(request)

    @app.get("/favicon.ico")
    async def show_icon(request: Request) -> Response:
        """The page names its icon, but not before its script runs: until then browsers look here."""
        return icon.response(request)

    @app.get("/assets/{name:path}")
    async def show_asset(name: str, request: Request) -> Response:
        asset = await assets.find(name)
        return JSONResponse({"error": NOTHING_HERE}, 404) if asset is None else asset.response(request)
