"""Attacks on Gradio's own routes. The page needs none of those that write."""

from __future__ import annotations

import asyncio
import io
import re
import secrets
from collections.abc import Iterable
from functools import cache
from typing import Any

import av
import gradio as gr
import numpy as np
from gradio.routes import App

from tests.attacks.attack import attack
from tests.attacks.target import Target

NEEDED = re.compile(r"/|/theme\.css|/assets/.*|/static/.*|/svelte/.*|/favicon\.ico|/robots\.txt|/manifest\.json")
"""The requests that a browser was seen to make for the page, and read-only files. Every other path must be a 404."""

LARGE = "x" * 900_000


@cache
def routes() -> tuple[tuple[str, str], ...]:
    """Returns method and path of each route that the installed Gradio mounts."""
    with gr.Blocks() as page:
        pass
    return tuple(sorted(set(_routes(App.create_app(page).routes))))


def _routes(routes: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for route in routes:
        if (
            inner := getattr(route, "original_router", None)
        ) is not None:  # FastAPI keeps an included router as one entry.
            yield from _routes(inner.routes)
        for method in getattr(route, "methods", None) or ():
            yield method, re.sub(r"\{[^}]*\}", "x", route.path)


@attack("D2")
async def routes_that_write(on: Target) -> None:
    """Requests each route of the installed Gradio: those that the page does not need must be a 404, or a 401 if
    locked."""
    expected = 401 if on.kept_out else 404
    async with on.http() as http:
        for method, path in routes():
            body = {"data": [], "session_hash": "x", "fn_index": 0} if method == "POST" else None
            async with asyncio.timeout(10):
                with on.counting_refusals():
                    async with http.stream(method, path, json=body) as response:
                        on.counts[str(response.status_code)] += 1
                        if on.kept_out or not (method in ("GET", "HEAD") and NEEDED.fullmatch(path)):
                            on.expect(response.status_code == expected, f"{method} {path} gave {response.status_code}")


@cache
def tiny_video() -> bytes:
    """Returns two kilobytes of mp4."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return out.getvalue()


@attack("D2", addresses=3)
async def queue_join(on: Target) -> None:
    """Sends bodies of 900 kB to `queue/join`, `call` and `run`, thirty a second."""
    paths = ("queue/join", "call/x", "run/x", "component_server", "cancel", "reset")
    numbers = iter(range(10**9))

    async def join(address: str) -> None:
        async with on.http(address) as http:
            async for _ in on.every(0.1):
                body = {"data": [LARGE], "fn_index": 0, "session_hash": secrets.token_hex(8), "event_id": "x"}
                await on.request(http, "POST", f"/gradio_api/{paths[next(numbers) % len(paths)]}", json=body)

    await on.from_each(join)


@attack("D2", addresses=3)
async def gradio_uploads(on: Target) -> None:
    """Sends files to `upload`, and videos to `process_recording`, which starts ffmpeg."""

    async def upload(address: str) -> None:
        async with on.http(address) as http:
            async for _ in on.every(0.1):
                files = {"files": (f"{secrets.token_hex(4)}.bin", secrets.token_bytes(300_000))}
                await on.request(http, "POST", "/gradio_api/upload", files=files)
                video = {"file": ("v.mp4", tiny_video(), "video/mp4")}
                fields = {"remove_segment_start": "0", "remove_segment_end": "100000", "zoom_effects": "[]"}
                await on.request(http, "POST", "/gradio_api/process_recording", files=video, data=fields)

    await on.from_each(upload)


@attack("D2", addresses=4)
async def streams_held_open(on: Target) -> None:
    """Holds two hundred connections to `dev/reload`, `heartbeat`, `queue/data` and `upload_progress` open."""
    paths = ("dev/reload", "heartbeat/x", "queue/data?session_hash=x", "upload_progress?upload_id=x")

    async def listen(address: str) -> None:
        async with on.http(address) as http, asyncio.TaskGroup() as group:

            async def one(path: str) -> None:
                async for _ in on.every(0.5):
                    with on.counting_refusals():
                        async with http.stream("GET", path, timeout=None) as response:
                            on.counts[str(response.status_code)] += 1
                            async for _ in response.aiter_raw():
                                on.counts["events"] += 1

            for number in range(200 // len(on.addresses)):
                group.create_task(one(f"/gradio_api/{paths[number % len(paths)]}"))

    await on.from_each(listen)


@attack("D2")
async def forwarded_names(on: Target) -> None:
    """Tries redirects to foreign sites, a proxy to foreign sites, and a page that believes `X-Forwarded-Host`."""
    foreign = "evil.example"
    paths = (
        f"/gradio_api/file=http://{foreign}/",
        f"/gradio_api/file=//{foreign}/",
        f"/gradio_api/proxy=http://{foreign}/",
        f"/file=http://{foreign}/",
        f"/gradio_api/file/http://{foreign}/",
        f"/login?_target_url=http://{foreign}/",
        f"/logout?_target_url=http://{foreign}/",
        "/gradio_api/file=/etc/passwd",
        "/config",
        "/",
        "/gradio_api/info",
        "/theme.css",
    )
    forwarded = {"X-Forwarded-Host": foreign, "X-Forwarded-Proto": "https", "X-Forwarded-Server": foreign}
    async with on.http() as http:
        async for number in on.every(0.02):
            path = paths[number % len(paths)]
            response = await on.request(http, "GET", path, headers=forwarded, follow_redirects=False)
            if response is None:
                continue
            on.expect(foreign not in response.text, f"{path[:40]} repeats X-Forwarded-Host")
            on.expect(foreign not in response.headers.get("location", ""), f"{path[:40]} redirects to a foreign site")
            on.expect("root:" not in response.text, f"{path[:40]} gives a file of this machine")
