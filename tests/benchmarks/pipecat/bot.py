"""A Pipecat bot built as its quickstart shows: SmallWebRTC, Silero, Smart Turn, then STT, LLM and TTS, with defaults.

It runs in its own environment, so it imports nothing of the app. Interruptions are allowed, as they are by default.
"""

# mypy: disable-error-code="import-not-found, no-untyped-call"

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from fastapi import FastAPI
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.request_handler import SmallWebRTCRequest, SmallWebRTCRequestHandler
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.workers.runner import WorkerRunner

from tests.benchmarks import control
from tests.benchmarks.oracle import NO_DELAYS, Delays
from tests.benchmarks.pipecat.services import StubLlm, StubStt, StubTts
from tests.support.position_voice import RATE_HZ


def pipeline(connection: SmallWebRTCConnection, stage: control.Stage, delays: Delays) -> PipelineWorker:
    transport = SmallWebRTCTransport(
        webrtc_connection=connection, params=TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    )
    aggregators = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    worker = PipelineWorker(
        Pipeline(
            [
                transport.input(),
                StubStt(stage, delays),
                aggregators.user(),
                StubLlm(stage, delays),
                StubTts(stage, delays),
                transport.output(),
                aggregators.assistant(),
            ]
        ),
        params=PipelineParams(audio_out_sample_rate=RATE_HZ),
    )

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator, unused-ignore]
    async def leave(transport: Any, client: Any) -> None:
        await worker.cancel()

    return worker


async def serve(delays: Delays) -> None:
    stage = control.Stage()
    handler = SmallWebRTCRequestHandler()
    running: set[asyncio.Task[None]] = set()
    app = FastAPI()
    control.routes(app, stage)

    async def connected(connection: SmallWebRTCConnection) -> None:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(pipeline(connection, stage, delays))
        task = asyncio.create_task(runner.run())
        running.add(task)
        task.add_done_callback(running.discard)

    @app.post("/webrtc/offer")
    async def offer(body: dict[str, Any]) -> Any:
        return await handler.handle_web_request(SmallWebRTCRequest(sdp=body["sdp"], type=body["type"]), connected)

    await control.serve(app)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-delays", action="store_true")
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    asyncio.run(serve(NO_DELAYS if parser.parse_args().no_delays else Delays()))


if __name__ == "__main__":
    main()
