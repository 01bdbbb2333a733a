"""The page as it is sent: rendered once, when the server starts, with the same bytes for every visitor.

Gradio's own routes are not served. Of Gradio's files a browser asks for the theme and the modules in `assets`; the
page's own modules and styles are in `static`. What Gradio would add to the page from a request is left out: links to
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
from voicebot.web.ui.page import TITLE, build_page

CHUNK_BYTES = 64 * 1024
"""The most that is handed to a connection at once, so that a client that reads slowly holds no more in memory."""

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2", ".svg": "image/svg+xml"}
"""The kinds of files that a browser asks for. Source maps and fonts for old browsers are not served."""

FOREVER = "max-age=31536000, immutable"
"""For files with a hash of their content in the address: the page's own, and Gradio's outside the folder `svelte`."""

REVALIDATE = "no-cache"
"""A browser may keep the file, but has to ask whether it is still current."""

STATIC = Path(__file__).parent / "static"

STYLES = ("colours", "layout", "controls", "talk", "chat", "panel", "tour", "settings")
"""The style sheets that are sent as one, `page.css`."""

DESCRIPTION = "A voice bot that you can talk over: it pauses at once, works out what you meant, and shows why."


class Packed:
    """A file that is kept compressed. It is unpacked in small steps for the few clients that do not accept gzip."""

    def __init__(self, content: bytes, media_type: str, cache_control: str) -> None:
        self._gzip = gzip.compress(content, mtime=0)
        self._length = len(content)
        self._media_type = media_type
        self._headers = {
            "Cache-Control": cache_control,
            "ETag": f'"{sha256(content).hexdigest()[:32]}"',
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
    """Makes the next chunk when the one before has been sent (Starlette would use a thread for a plain iterator)."""
    for chunk in chunks:
        yield chunk


def takes_gzip(accept_encoding: str) -> bool:
    for each in accept_encoding.lower().split(","):
        coding, _, parameters = each.partition(";")
        if coding.strip() == "gzip":
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


class GradioAssets:
    """The modules, styles and fonts of Gradio's frontend, by name. No path is ever made from a request."""

    def __init__(self, folder: Path) -> None:
        files = [path for path in folder.rglob("*") if path.suffix in MEDIA_TYPES and path.suffix != ".svg"]
        self._paths = {path.relative_to(folder).as_posix(): path for path in files}
        self._packed: dict[str, Packed] = {}
        self._packing = asyncio.Lock()

    async def find(self, name: str) -> Packed | None:
        """Returns a file. At its first use it is read and compressed, one at a time and beside the event loop."""
        path = self._paths.get(name)
        if path is None or name in self._packed:
            return self._packed.get(name)
        async with self._packing:
            if name not in self._packed:
                keep = REVALIDATE if "/" in name else FOREVER
                self._packed[name] = await asyncio.to_thread(_packed_file, path, keep)
        return self._packed[name]


@cache
def _packed_file(path: Path, cache_control: str) -> Packed:
    return Packed(path.read_bytes(), MEDIA_TYPES[path.suffix], cache_control)


class StaticFiles:
    """The page's own modules, its style sheet and its icon, at `static/VERSION/NAME`.

    The version is a hash of them all, so that modules can import one another by relative addresses.
    """

    def __init__(self) -> None:
        contents = {path.name: path.read_bytes() for path in sorted(STATIC.glob("*.js"))}
        self.modules = tuple(contents)
        contents["page.css"] = b"\n".join((STATIC / f"{name}.css").read_bytes() for name in STYLES)
        contents["icon.svg"] = (STATIC / "icon.svg").read_bytes()
        named = (name.encode() + b"\0" + content for name, content in contents.items())
        self.version = sha256(b"\0".join(named)).hexdigest()[:16]
        self._files = {
            keep: {name: Packed(content, MEDIA_TYPES[Path(name).suffix], keep) for name, content in contents.items()}
            for keep in (FOREVER, REVALIDATE)
        }

    def find(self, version: str, name: str) -> Packed | None:
        """Returns a file as it is now, also for another version: while servers are replaced, pages outlive them."""
        return self._files[FOREVER if version == self.version else REVALIDATE].get(name)

    @property
    def head(self) -> str:
        """The tags that describe the page, also for previews of links to it, and that load the files.

        The files' addresses are relative, so that they work under any path.

        Modules have a low priority, as they can start only after Gradio's own modules, which load in several rounds.
        """
        folder = f"./static/{self.version}"
        preloads = "".join(
            f'<link rel="modulepreload" fetchpriority="low" href="{folder}/{name}">' for name in self.modules
        )
        return (
            f'<meta name="description" content="{DESCRIPTION}">'
            '<meta property="og:type" content="website">'
            f'<meta property="og:title" content="{TITLE}">'
            f'<meta property="og:description" content="{DESCRIPTION}">'
            f'<link rel="icon" type="image/svg+xml" href="{folder}/icon.svg">'
            f'<link rel="stylesheet" href="{folder}/page.css">'
            f'<script type="module" fetchpriority="low" src="{folder}/main.js"></script>{preloads}'
        )


@cache
def static_files() -> StaticFiles:
    """Returns the files, which are the same for every server of a process."""
    return StaticFiles()


def render(blocks: gr.Blocks) -> str:
    """Returns the HTML that Gradio's own route would make of a page, but for nobody in particular."""
    config = blocks.get_config_file()
    config["root"] = ""
    config["username"] = None
    config["deep_link_state"] = "none"
    config["layout"] = config["page"][""]["layout"]
    config["current_page"] = ""
    template = gradio.routes.templates.env.get_template("frontend/index.html")
    html = without_foreign_tags(template.render(config=config, gradio_api_info=blocks.get_api_info()))
    before, end, after = html.rpartition("</head>")
    return f"{before}{static_files().head}{end}{after}"


@cache
def _page_and_theme(max_text_chars: int) -> tuple[Packed, Packed]:
    """Returns what is the same for every server of a process."""
    blocks = build_page(max_text_chars)
    page = Packed(render(blocks).encode(), "text/html", REVALIDATE)
    return page, Packed(blocks.theme_css.encode(), "text/css", REVALIDATE)


def add_page(app: FastAPI, max_text_chars: int) -> None:
    """Adds the page's routes. Must be called while a loop runs: else Gradio would make one and leave it open."""
    page, theme = _page_and_theme(max_text_chars)
    static = static_files()
    assets = GradioAssets(Path(gradio.routes.BUILD_PATH_LIB))

    @app.head("/")
    @app.get("/")
    async def show_page(request: Request) -> Response:
        return page.response(request)

    @app.get("/theme.css")
    async def show_theme(request: Request) -> Response:
        return theme.response(request)

    @app.get("/static/{version}/{name}")
    async def show_static_file(version: str, name: str, request: Request) -> Response:
        return _response(static.find(version, name), request)

    @app.get("/assets/{name:path}")
    async def show_asset(name: str, request: Request) -> Response:
        return _response(await assets.find(name), request)


def _response(file: Packed | None, request: Request) -> Response:
    return JSONResponse({"error": NOTHING_HERE}, 404) if file is None else file.response(request)
