"""`python -m tests.benchmarks.load_users URL` runs users who talk without end.

Each user asks, hears the answer, and asks again after a moment. Every third time, the user interrupts the answer. The
program prints a line when all users are connected, and at the end the users' figures as JSON.
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
"""A user who has no answer after this time asks again."""

BUFFER_S = 0.08
"""The jitter buffer of a listener. Later sound is not heard in time. Browsers have 40 to 200 ms."""

OWN_S = 0.5
"""Sound that arrives this soon after a lag of the users' own loop is late because of the lag."""

LOUD = 300
"""The least amplitude of a frame with sound, of 32,767."""

PAUSES_S = (0.3, 1.5)
"""The pause between the end of an answer and the next question."""

BARGE_IN_S = (2.0, 4.0)
"""The time from the beginning of an answer to its interruption."""


@dataclass(slots=True)
class UserStats:
    """The figures of users."""

    gaps_ms: list[float] = field(default_factory=list)
    """The times from the last sample of a question to the first sound of its answer, or its first clip."""
    unanswered: int = 0
    dropouts: int = 0
    """The number of times that sound came too late to be played within an answer, and not due to the users' own lag."""
    failures: list[str] = field(default_factory=list)


class SoundMeter(Recorder):
    """Measures the received sound without keeping it."""

    def __init__(self, stats: UserStats, lag: Lag) -> None:
        super().__init__()
        self._stats, self._lag = stats, lag
        self._leads: deque[float] = deque(maxlen=250)
        self._late = False
        self.sounded_s = 0.0
        """The arrival time of the last frame with sound."""
        self.onset_s = 0.0
        """The time at which the last answer began."""

    def came(self, frame: AudioFrame) -> None:
        now_s = time.monotonic()
        sound = np.frombuffer(bytes(frame.planes[0]), np.int16)
        self._leads.append(now_s - (frame.pts or 0) / WIRE_RATE_HZ)
        late = self._leads[-1] - min(self._leads) > BUFFER_S
        if sound.max() > LOUD:
            if now_s - self.sounded_s > 0.3:
                self.onset_s = now_s
            begins = late and not self._late and now_s - self.onset_s > BUFFER_S
            self._stats.dropouts += begins and now_s - self._lag.late_s > OWN_S
            self.sounded_s = now_s
        self._late = late


class User(ABC):
    """A user on one of the transports."""

    def __init__(self, url: str, stats: UserStats, lag: Lag) -> None:
        self.url, self.stats, self.lag = url, stats, lag

    @abstractmethod
    async def connect(self, stack: AsyncExitStack) -> Self: ...

    @abstractmethod
    async def say(self, clip: Clip) -> float:
        """Speaks, and returns the time at which the last sample of speech was sent."""

    @abstractmethod
    def answer_began_s(self, since_s: float) -> float | None:
        """Returns the time of the first sound of an answer, if one came after `since_s`."""

    @abstractmethod
    def is_quiet(self) -> bool:
        """Returns True if the answer has ended."""

    async def talk(self, clip: Clip, dice: random.Random) -> None:
        for turn in range(sys.maxsize):
            await asyncio.sleep(dice.uniform(*PAUSES_S))
            ended_s = await self.say(clip)
            try:
                async with asyncio.timeout(ANSWER_S):
                    while (sounded_s := self.answer_began_s(ended_s)) is None:  # noqa: ASYNC110 (each transport has its own signal)
                        await asyncio.sleep(0.02)
                    self.stats.gaps_ms.append((sounded_s - ended_s) * 1000)
                    if turn % 3 == 2:
                        await asyncio.sleep(dice.uniform(*BARGE_IN_S))
                        continue
                    while not self.is_quiet():  # noqa: ASYNC110 (silence causes no event)
                        await asyncio.sleep(0.05)
            except TimeoutError:
                self.stats.unanswered += 1


class RtcUser(User):
    """Talks over WebRTC, and measures the sound on the wire."""

    async def connect(self, stack: AsyncExitStack) -> Self:
        self._meter = SoundMeter(self.stats, self.lag)
        self._client = await stack.enter_async_context(RtcClient(self.url, heard=self._meter, connect_timeout_s=30))
        return self

    async def say(self, clip: Clip) -> float:
        microphone = self._client.microphone
        start = microphone.say(clip.audio)
        return await microphone.passed(start + round(clip.end_s * WIRE_RATE_HZ))

    def answer_began_s(self, since_s: float) -> float | None:
        return self._meter.onset_s if self._meter.onset_s > since_s else None

    def is_quiet(self) -> bool:
        return time.monotonic() - self._meter.sounded_s > 0.5


class WsUser(User):
    """Talks over `/ws` with live audio, and plays the clips as the terminal client does."""

    async def connect(self, stack: AsyncExitStack) -> Self:
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
        self.stats.dropouts += self._caller.underruns - self._dropouts
        self._dropouts = self._caller.underruns
        if isinstance(message, PlayAudio):
            self._came_s = self._came_s or time.monotonic()
        elif isinstance(message, StateMessage):
            self._phase = message.phase

    def play(self, mp3: bytes) -> None:
        """Plays nothing, because nobody listens."""

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
        while self._sound:  # noqa: ASYNC110 (the audio is sent at the pace of speech)
            await asyncio.sleep(FRAME_S / 2)
        self._came_s = 0.0
        return time.monotonic()

    def answer_began_s(self, since_s: float) -> float | None:
        return self._came_s if self._came_s > since_s else None

    def is_quiet(self) -> bool:
        return self._phase == "idle"


USERS: dict[str, Callable[[str, UserStats, Lag], User]] = {"webrtc": RtcUser, "ws": WsUser}


async def crowd(url: str, transport: str, sessions: int, seconds: float, *, quiet: bool) -> dict[str, object]:
    """Runs all users at once, who connect one after the other. `quiet` ones say nothing."""
    clip = questions(1)[0]
    everyone = [UserStats() for _ in range(sessions)]
    lag = Lag()

    async def visit(index: int) -> None:
        await asyncio.sleep(0.25 * index)
        stats = everyone[index]
        try:
            async with AsyncExitStack() as stack:
                user = await USERS[transport](url, stats, lag).connect(stack)
                if quiet:
                    await asyncio.Event().wait()
                await user.talk(clip, random.Random(index))
        except (OSError, TimeoutError, httpx.HTTPError, OfferRefusedError, WebSocketException) as error:
            stats.failures.append(f"{type(error).__name__} {error}")

    watching = asyncio.create_task(lag.watch())
    visits = [asyncio.create_task(visit(index)) for index in range(sessions)]
    settled_s = 0.25 * sessions + 2.0
    await asyncio.sleep(settled_s)
    before = [(len(each.gaps_ms), each.dropouts) for each in everyone]
    sys.stdout.write("all users are connected\n")
    sys.stdout.flush()
    lag.take()
    used_s = time.process_time()
    await asyncio.sleep(seconds)
    used_s = time.process_time() - used_s
    late = lag.take()
    for visiting in visits:
        visiting.cancel()
    await asyncio.wait(visits)
    watching.cancel()
    total = UserStats()
    for each, (gaps, dropouts) in zip(everyone, before, strict=True):
        total.gaps_ms += each.gaps_ms[gaps:]
        total.unanswered += each.unanswered
        total.dropouts += each.dropouts - dropouts
        total.failures += each.failures
    return asdict(total) | {"users_cpu": used_s / seconds, "users_lag": late}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--transport", choices=USERS, default="webrtc")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--quiet", action="store_true", help="nobody talks")
    options = parser.parse_args()
    figures = asyncio.run(crowd(options.url, options.transport, options.sessions, options.seconds, quiet=options.quiet))
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
