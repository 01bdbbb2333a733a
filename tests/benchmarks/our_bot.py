"""Our whole app, on stub engines and the real voice activity detector."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
from collections.abc import Callable

from fastapi import FastAPI

from tests.benchmarks import control
from tests.benchmarks.oracle import NO_DELAYS, Delays
from tests.benchmarks.stubs import PositionTts, StubAgent, StubStt
from voicebot.bootstrap import application as bootstrap
from voicebot.bootstrap.engines import voice_activity_detector
from voicebot.engines.protocols import Engines
from voicebot.runtime import memory
from voicebot.settings import config
from voicebot.transports.webrtc import aiortc_tuning
from voicebot.web import server


async def serve(stage: control.Stage, delays: Delays, more: Callable[[FastAPI], None] = lambda _: None) -> None:
    """Serves the app as `server.serve` does, but with these engines, the control routes and `more` routes."""
    settings = config.load(_env_file=None, keep_conversations=False)
    engines = Engines(
        stt=StubStt(stage, delays),
        agent=StubAgent(stage, delays),
        tts=PositionTts(stage, delays),
        vad_name="silero",
        make_vad=voice_activity_detector,
    )
    memory.return_large_pieces()
    memory.read_small_pieces()
    aiortc_tuning.apply()
    application = bootstrap.application(settings, engines)
    outer = FastAPI()
    control.routes(outer, stage)
    more(outer)
    outer.mount("/", server.create_app(application))
    gc.collect()
    gc.freeze()
    gc.collect()
    try:
        await control.serve(outer, **server.UVICORN)
    finally:
        await application.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-delays", action="store_true")
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(control.Stage(), NO_DELAYS if parser.parse_args().no_delays else Delays()))


if __name__ == "__main__":
    main()
