"""Our app, all of it, on stub engines and the real voice activity detector."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging

from fastapi import FastAPI

from tests.benchmarks import control
from tests.benchmarks.oracle import NO_DELAYS, Delays
from tests.benchmarks.stubs import PositionTts, StubAgent, StubStt
from voicebot import config, server
from voicebot.build import voice_activity_detector
from voicebot.engines.base import Engines
from voicebot.transports import aiortc_tuning
from voicebot.transports.connections import Connections
from voicebot.ui import panel


async def serve(delays: Delays) -> None:
    """What `server.serve` does, with these engines and the side door."""
    stage = control.Stage()
    settings = config.load(_env_file=None)
    engines = Engines(
        stt=StubStt(stage, delays),
        agent=StubAgent(stage, delays),
        tts=PositionTts(stage, delays),
        vad_name="silero",
        make_vad=voice_activity_detector,
    )
    aiortc_tuning.apply()
    connections = Connections(engines, settings, panel.view)
    outer = FastAPI()
    control.routes(outer, stage)
    outer.mount("/", server.create_app(settings, engines, connections))
    gc.collect()
    gc.freeze()
    try:
        await control.serve(outer)
    finally:
        await connections.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-delays", action="store_true")
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(NO_DELAYS if parser.parse_args().no_delays else Delays()))


if __name__ == "__main__":
    main()
