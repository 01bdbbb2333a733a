"""Utterances and recognisers: how many are transcribed at once, in which order, and what becomes of failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from tests.support.engines import loud
from tests.support.errors import engine_error
from tests.support.read_mailbox import ReadMailbox
from tests.support.signal import Signal
from voicebot.audio.sound import Audio
from voicebot.dialogue.endpointing import EndpointRules
from voicebot.dialogue.events import FinalTranscript, Input, SpeechEnded, SpeechStarted
from voicebot.engines.errors import EngineError
from voicebot.engines.protocols import DEFAULT_STYLE, Pause, SpeechToText, Transcript
from voicebot.session.speech_input import SpeechInput


@dataclass
class OneWorker:
    """What works for the recognisers of all sessions: for one utterance at a time, first come, first served."""

    order: list[str] = field(default_factory=list)
    """The sessions whose utterances were transcribed."""
    begun: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released when an utterance waits for the worker."""
    free: asyncio.Lock = field(default_factory=asyncio.Lock)
    gate: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Recogniser:
    worker: OneWorker
    name: str
    bytes_sent: int = 0
    asked: int = 0
    under_way: int = 0
    most_under_way: int = 0

    async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
        self.asked += 1
        number = self.asked
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            async for _ in audio:
                pass
            self.worker.begun.release()
            async with self.worker.free:
                await self.worker.gate.wait()
                await asyncio.sleep(0)
                self.worker.order.append(self.name)
                yield Transcript(f"{self.name} {number}", final=True)
        finally:
            self.under_way -= 1


class Talker:
    """One session's ears, and what they post."""

    def __init__(self, recogniser: Recogniser, group: asyncio.TaskGroup) -> None:
        self.posted: list[Input] = []
        self.changed = Signal()
        self.recogniser = recogniser
        self._group = group
        self.speech_input = SpeechInput(ReadMailbox(self._post), EndpointRules())

    @classmethod
    async def with_ears(cls, recogniser: Recogniser, group: asyncio.TaskGroup) -> Talker:
        talker = cls(recogniser, group)
        engine = SimpleNamespace(session=lambda _: nullcontext(recogniser))
        talker.speech_input.transcribe_with(cast(SpeechToText, engine), DEFAULT_STYLE, group)
        return talker

    def _post(self, input: Input) -> None:
        self.posted.append(input)
        if isinstance(input, SpeechStarted):
            self.speech_input.transcribe(input.utterance, self._group)
        self.changed.notify()

    @property
    def finals(self) -> list[FinalTranscript]:
        return [each for each in self.posted if isinstance(each, FinalTranscript)]

    async def until_finals(self, count: int) -> None:
        await self.changed.until(lambda: True if len(self.finals) >= count else None, 10, f"{count} finals")


async def test_uploads_of_one_session_are_transcribed_in_order_and_starve_no_other_session() -> None:
    worker = OneWorker()
    async with asyncio.TaskGroup() as group:
        busy = await Talker.with_ears(Recogniser(worker, "busy"), group)
        other = await Talker.with_ears(Recogniser(worker, "other"), group)
        for _ in range(30):
            busy.speech_input.upload(loud(0.3, 16_000))
        for _ in range(2):
            await worker.begun.acquire()
        other.speech_input.upload(loud(0.3, 16_000))
        await worker.begun.acquire()
        worker.gate.set()
        await busy.until_finals(30)
        await other.until_finals(1)
    assert worker.order.index("other") <= 2, worker.order
    assert busy.recogniser.most_under_way == 2
    assert [final.text for final in busy.finals] == [f"busy {number}" for number in range(1, 31)], "nothing is lost"


async def test_a_session_with_eight_unfinished_uploads_waits_before_the_next_upload() -> None:
    worker = OneWorker()
    async with asyncio.TaskGroup() as group:
        busy = await Talker.with_ears(Recogniser(worker, "busy"), group)
        for _ in range(8):
            await busy.speech_input.wait_for_upload_capacity()
            busy.speech_input.upload(loud(0.3, 16_000))
        waiting = group.create_task(busy.speech_input.wait_for_upload_capacity())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        worker.gate.set()
        await waiting
        await busy.until_finals(8)


async def test_an_utterance_beyond_the_64_that_may_wait_is_refused_with_an_error() -> None:
    worker = OneWorker()
    async with asyncio.TaskGroup() as group:
        busy = await Talker.with_ears(Recogniser(worker, "busy"), group)
        for _ in range(65):
            busy.speech_input.upload(loud(0.1, 16_000))
        (refused,) = busy.finals
        assert (refused.utterance, refused.text) == (65, "")
        assert refused.error is not None
        worker.gate.set()
        await busy.until_finals(65)
    assert sum(bool(final.text) for final in busy.finals) == 64


async def test_a_failed_transcript_is_posted_only_after_the_user_has_finished() -> None:
    class Dying(Recogniser):
        async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
            raise EngineError("scripted", "it died")
            yield

    async with asyncio.TaskGroup() as group:
        talker = await Talker.with_ears(Dying(OneWorker(), "one"), group)
        talker.speech_input.begin_announced_utterance()
        await asyncio.sleep(0.02)
        assert talker.finals == []
        talker.speech_input.upload(loud(0.3, 16_000))
        await talker.until_finals(1)
    ended = next(place for place, each in enumerate(talker.posted) if isinstance(each, SpeechEnded))
    assert talker.posted.index(talker.finals[0]) > ended
    assert talker.finals[0].error == engine_error("scripted: it died")


async def test_an_upload_after_the_bot_gave_up_an_utterance_is_a_new_utterance() -> None:
    worker = OneWorker()
    worker.gate.set()
    async with asyncio.TaskGroup() as group:
        talker = await Talker.with_ears(Recogniser(worker, "one"), group)
        talker.speech_input.begin_announced_utterance()
        await asyncio.sleep(0)
        talker.speech_input.cancel_transcription(1)
        talker.speech_input.upload(loud(0.3, 16_000))
        await talker.until_finals(1)
    assert [final.utterance for final in talker.finals] == [2]
    assert talker.finals[0].text
