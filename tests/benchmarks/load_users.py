"""`python -m tests.benchmarks.load_users URL`: users who talk without end.

It prints a line when all have come, and at the end, as JSON, what they had to put up with.

Each asks, hears the answer, and asks again after a moment; every third time it does not wait for the answer's end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Self

import httpx
import numpy as np
from av import AudioFrame
from websockets.exceptions import WebSocketException

from tests.benchmarks.lag import Lag
from tests.benchmarks.users import Clip, questions
from tests.support.rtc_client import OfferRefusedError, RtcClient
from tests.support.rtc_recorder import Recorder
from voicebot.audio.sound import FRAME_S, SPEECH_RATE_HZ, WIRE_RATE_HZ, Audio
from voicebot.client.caller import calling
from voicebot.session.messages import PlayAudio, ServerMessage, StateMessage
from voicebot.session.player import FrameClock

ANSWER_S = 15.0
"""Who is not answered by then asks again."""

BUFFER_S = 0.08
"""A listener's jitter buffer: sound later than this is not heard in time. Browsers have 40 to 200 ms."""

OWN_S = 0.5
"""Sound that comes so soon after the users' own loop was late is late because of that."""

LOUD = 300
"""The amplitude of a frame with sound, of 32,767."""

PAUSES_S = (0.3, 1.5)
"""Between an answer's end and the next question."""

BARGE_IN_S = (2.0, 4.0)
"""After the begin of an answer that is interrupted."""


@dataclass(slots=True)
class Endured:
    """What users had to put up with."""

    gaps_ms: list[float] = field(default_factory=list)
    """From the last sample of a question to the first sound of its answer, or its first clip."""
    unanswered: int = 0
    dropouts: int = 0
    """How often sound came too late to be played, in the middle of an answer, and not because the users were late."""
    failures: list[str] = field(default_factory=list)


class Ear(Recorder):
    """Hears without keeping what it heard."""

    def __init__(self, endured: Endured, lag: Lag) -> None:
        super().__init__()
        self._endured, self._lag = endured, lag
        self._leads: deque[float] = deque(maxlen=250)
        self._late = False
        self.sounded_s = 0.0
        """When the last frame with sound arrived."""
        self.onset_s = 0.0
        """When the last answer began."""

    def came(self, frame: AudioFrame) -> None:
        now_s = time.monotonic()
        sound = np.frombuffer(bytes(frame.planes[0]), np.int16)
        self._leads.append(now_s - (frame.pts or 0) / WIRE_RATE_HZ)
        late = self._leads[-1] - min(self._leads) > BUFFER_S
        if sound.max() > LOUD:
            if now_s - self.sounded_s > 0.3:
                self.onset_s = now_s
            begins = late and not self._late and now_s - self.onset_s > BUFFER_S
            self._endured.dropouts += begins and now_s - self._lag.late_s > OWN_S
            self.sounded_s = now_s
        self._late = late


class User(ABC):
    """Somebody at one of the doors."""

    def __init__(self, url: str, endured: Endured, lag: Lag) -> None:
        self.url, self.endured, self.lag = url, endured, lag

    @abstractmethod
    async def come(self, stack: AsyncExitStack) -> Self: ...

    @abstractmethod
    async def say(self, clip: Clip) -> float:
        """Speaks, and returns when the last sample of speech left."""

    @abstractmethod
    def answered(self, since_s: float) -> float | None:
        """When the first sound of an answer came."""

    @abstractmethod
    def is_quiet(self) -> bool:
        """Has the answer ended?"""

    async def talk(self, clip: Clip, dice: random.Random) -> None:
        for turn in range(sys.maxsize):
            await asyncio.sleep(dice.uniform(*PAUSES_S))
            ended_s = await self.say(clip)
            try:
                async with asyncio.timeout(ANSWER_S):
                    while (sounded_s := self.answered(ended_s)) is None:  # noqa: ASYNC110 (each door has its own signal)
                        await asyncio.sleep(0.02)
                    self.endured.gaps_ms.append((sounded_s - ended_s) * 1000)
                    if turn % 3 == 2:
                        await asyncio.sleep(dice.uniform(*BARGE_IN_S))
                        continue
                    while not self.is_quiet():  # noqa: ASYNC110 (silence wakes nobody)
                        await asyncio.sleep(0.05)
            except TimeoutError:
                self.endured.unanswered += 1


class RtcUser(User):
    """Over WebRTC, from the sound on the wire."""

    async def come(self, stack: AsyncExitStack) -> Self:
        self._ear = Ear(self.endured, self.lag)
        self._client = await stack.enter_async_context(RtcClient(self.url, heard=self._ear, connect_timeout_s=30))
        return self

    async def say(self, clip: Clip) -> float:
        microphone = self._client.microphone
        start = microphone.say(clip.audio)
        return await microphone.passed(start + round(clip.end_s * WIRE_RATE_HZ))

    def answered(self, since_s: float) -> float | None:
        return self._ear.onset_s if self._ear.onset_s > since_s else None

    def is_quiet(self) -> bool:
        return time.monotonic() - self._ear.sounded_s > 0.5


class WsUser(User):
    """Over `/ws` with live sound, playing the clips as the terminal client does."""

    async def come(self, stack: AsyncExitStack) -> Self:
        self._sound: deque[Audio] = deque()
        self._came_s = 0.0
        self._dropouts = 0
        self._phase = "idle"
        url = self.url.replace("http", "ws", 1) + "/ws"
        self._caller = await stack.enter_async_context(calling(url, self))
        speaking = asyncio.create_task(self._speak())
        stack.callback(speaking.cancel)
        return self

    def show(self, message: ServerMessage) -> None:
        self.endured.dropouts += self._caller.underruns - self._dropouts
        self._dropouts = self._caller.underruns
        if isinstance(message, PlayAudio):
            self._came_s = self._came_s or time.monotonic()
        elif isinstance(message, StateMessage):
            self._phase = message.phase

    def play(self, mp3: bytes) -> None:
        """Nobody listens."""

    async def _speak(self) -> None:
        clock, silence = FrameClock(), Audio.silence(FRAME_S, SPEECH_RATE_HZ)
        while True:
            await clock.tick()
            await self._caller.send_audio(self._sound.popleft() if self._sound else silence)

    async def say(self, clip: Clip) -> float:
        speech = clip.audio.resampled(SPEECH_RATE_HZ).samples
        size = round(FRAME_S * SPEECH_RATE_HZ)
        speech = speech[: round(clip.end_s * SPEECH_RATE_HZ) // size * size]
        self._sound.extend(Audio(piece, SPEECH_RATE_HZ) for piece in speech.reshape(-1, size))
        while self._sound:  # noqa: ASYNC110 (it goes out by the clock)
            await asyncio.sleep(FRAME_S / 2)
        self._came_s = 0.0
        return time.monotonic()

    def answered(self, since_s: float) -> float | None:
        return self._came_s if self._came_s > since_s else None

    def is_quiet(self) -> bool:
        return self._phase == "idle"


USERS: dict[str, Callable[[str, Endured, Lag], User]] = {"webrtc": RtcUser, "ws": WsUser}


async def crowd(url: str, door: str, sessions: int, seconds: float) -> dict[str, object]:
    """All of them at once, who come one after the other."""
    clip = questions(1)[0]
    everyone = [Endured() for _ in range(sessions)]
    lag = Lag()

    async def visit(index: int) -> None:
        await asyncio.sleep(0.25 * index)
        endured = everyone[index]
        try:
            async with AsyncExitStack() as stack:
                user = await USERS[door](url, endured, lag).come(stack)
                await user.talk(clip, random.Random(index))
        except (OSError, TimeoutError, httpx.HTTPError, OfferRefusedError, WebSocketException) as error:
            endured.failures.append(f"{type(error).__name__} {error}")

    watching = asyncio.create_task(lag.watch())
    visits = [asyncio.create_task(visit(index)) for index in range(sessions)]
    settled_s = 0.25 * sessions + 2.0
    await asyncio.sleep(settled_s)
    before = [(len(each.gaps_ms), each.dropouts) for each in everyone]
    sys.stdout.write("all are there\n")
    sys.stdout.flush()
    lag.taken()
    used_s = time.process_time()
    await asyncio.sleep(seconds)
    used_s = time.process_time() - used_s
    late = lag.taken()
    for visiting in visits:
        visiting.cancel()
    await asyncio.wait(visits)
    watching.cancel()
    total = Endured()
    for each, (gaps, dropouts) in zip(everyone, before, strict=True):
        total.gaps_ms += each.gaps_ms[gaps:]
        total.unanswered += each.unanswered
        total.dropouts += each.dropouts - dropouts
        total.failures += each.failures
    return asdict(total) | {"users_cpu": used_s / seconds, "users_lag": late}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--door", choices=USERS, default="webrtc")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    told = asyncio.run(crowd(options.url, options.door, options.sessions, options.seconds))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
