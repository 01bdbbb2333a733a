"""Fallback groups: the next engine serves when one fails, in the same turn. A resting engine is not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.fake_engines import HANG, HELLO, QUICK, Fake, failure
from voicebot.audio.sound import Audio
from voicebot.dialogue.history import History
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import (
    DEFAULT_STYLE,
    EngineSelected,
    Pause,
    RestOfSentence,
    Style,
    Transcript,
    WordStarts,
)


async def answer(group: AgentFallbackGroup) -> list[str | EngineSelected]:
    return [each async for each in group.reply(HELLO, asyncio.Event())]


async def group_of(*engines: Fake, rules: FallbackRules = QUICK) -> AgentFallbackGroup:
    group = AgentFallbackGroup(engines, rules)
    await group.start()
    return group


async def test_no_other_engine_is_asked_while_the_first_one_works() -> None:
    groq, offline = Fake("groq", [["Hi", " there"]]), Fake("offline", [["no"]])
    group = await group_of(groq, offline)
    assert await answer(group) == [EngineSelected("groq"), "Hi", " there"]
    assert offline.asked == 0


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_failure_before_the_first_output_falls_back_in_the_same_turn(fault: Fault) -> None:
    groq, offline = Fake("groq", [[failure("groq", fault)]]), Fake("offline", [["Hello."]])
    group = await group_of(groq, offline)
    assert await answer(group) == [EngineSelected("offline", ("groq: it broke",)), "Hello."]
    await group.close()


async def test_an_engine_learns_if_it_is_the_fallback_and_which_engine_was_the_last_fallback() -> None:
    groq, offline = Fake("groq", [["Hi"], [failure("groq")]]), Fake("offline", [["Hello."]])
    group = await group_of(groq, offline, rules=FallbackRules(retries=0, rest_s=60))
    await answer(group)
    assert groq.keywords == {"stands_in": False, "stood_in": "", "calls": None}
    await answer(group)
    assert offline.keywords == {"stands_in": True, "stood_in": "", "calls": None}
    async with aclosing(group.reply(HELLO, asyncio.Event(), stood_in="offline")) as tokens:
        assert [token async for token in tokens][-1] == "Hello."
    assert offline.keywords == {"stands_in": True, "stood_in": "offline", "calls": None}
    async with aclosing(group.reply(HELLO, asyncio.Event(), style=Style(engine="offline"))) as tokens:
        assert [token async for token in tokens] == [EngineSelected("offline"), "Hello."]
    assert offline.keywords == {"stands_in": False, "stood_in": "", "calls": None}, (
        "an engine that the user has chosen is no fallback"
    )
    await group.close()


async def test_the_next_turn_does_not_wait_for_an_engine_whose_circuit_is_open() -> None:
    groq, offline = Fake("groq", [[HANG]]), Fake("offline", [["Hello."]])
    group = await group_of(groq, offline, rules=FallbackRules(first_output_s=0.2, rest_s=60))
    clock = asyncio.get_running_loop().time
    started_s = clock()
    assert (await answer(group))[0] == EngineSelected("offline", ("groq: nothing came within 0.2 s",))
    assert clock() - started_s == pytest.approx(0.2, abs=0.001)
    assert groq.open == 0, "the request that hangs must be closed"
    started_s = clock()
    assert await answer(group) == [EngineSelected("offline", ("groq: nothing came within 0.2 s",)), "Hello."]
    assert clock() - started_s < 0.001, "the loop's own clock advances only while something waits"
    assert groq.asked == 1
    assert group.name == "offline"
    await group.close()


async def test_an_engine_serves_again_once_a_background_probe_succeeds() -> None:
    groq = Fake("groq", [[failure("groq")], ["Hi"]], probe_error=failure("groq"))
    group = await group_of(groq, Fake("offline", [["Hello."]]), rules=FallbackRules(retries=0, rest_s=0.05))
    await answer(group)
    [recovery] = [task for task in asyncio.all_tasks() if task.get_name() == "recovery of groq"]
    async with asyncio.timeout(5):
        await groq.probes.acquire()
        await groq.probes.acquire()
        assert group.name == "offline"
        groq.probe_error = None
        await recovery
    assert group.name == "groq"
    assert await answer(group) == [EngineSelected("groq"), "Hi"]
    assert group.health[0].ready
    assert group.health[0].reason is None
    await group.close()


async def test_closing_ends_the_background_probes() -> None:
    group = await group_of(Fake("groq", [[failure("groq")]]), Fake("offline", [["Hello."]]))
    before = asyncio.all_tasks()
    await answer(group)
    assert len(asyncio.all_tasks() - before) == 1
    await group.close()
    assert asyncio.all_tasks() == before


async def test_a_closed_group_starts_no_more_probes() -> None:
    group = await group_of(Fake("groq", [[failure("groq")]]), Fake("offline", [["Hello."]]))
    before = asyncio.all_tasks()
    await group.close()
    await answer(group)
    assert asyncio.all_tasks() == before


async def test_an_engine_with_a_rejected_probe_is_ready_again_but_its_health_names_the_error() -> None:
    """A gateway may reject the request of the probe and still serve other requests."""
    groq = Fake("groq", [[failure("groq")], ["Hi"]], probe_error=failure("groq", Fault.REJECTED))
    group = await group_of(groq, Fake("offline", [["Hello."]]), rules=FallbackRules(retries=0, rest_s=0.05))
    await answer(group)
    [recovery] = [task for task in asyncio.all_tasks() if task.get_name() == "recovery of groq"]
    async with asyncio.timeout(5):
        await recovery
    assert (group.health[0].ready, group.health[0].reason) == (True, "it broke")
    assert await answer(group) == [EngineSelected("groq"), "Hi"]
    assert group.health[0].reason is None
    await group.close()


async def test_a_failure_in_mid_output_is_raised_and_the_next_turn_goes_to_the_fallback() -> None:
    groq, offline = Fake("groq", [["Once", failure("groq", Fault.BROKEN)]]), Fake("offline", [["Hello."]])
    group = await group_of(groq, offline, rules=FallbackRules(rest_s=60))
    reply = group.reply(HELLO, asyncio.Event())
    assert [await anext(reply), await anext(reply)] == [EngineSelected("groq"), "Once"]
    with pytest.raises(EngineError, match="groq: it broke"):
        await anext(reply)
    assert await answer(group) == [EngineSelected("offline", ("groq: it broke",)), "Hello."]
    await group.close()


async def test_a_transient_failure_is_retried_before_another_engine_is_asked() -> None:
    groq, offline = Fake("groq", [[failure("groq")], [failure("groq")], ["Hi"]]), Fake("offline", [["no"]])
    group = await group_of(groq, offline, rules=FallbackRules(retries=2, backoff_s=0.01))
    assert await answer(group) == [EngineSelected("groq"), "Hi"]
    assert groq.asked == 3


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (failure("groq", Fault.DENIED), 1),
        (failure("groq", Fault.UNPAID), 1),
        (failure("groq", Fault.REJECTED), 1),
        (failure("groq", Fault.TIMEOUT), 2),
        (failure("groq", Fault.SERVER), 4),
        (failure("groq", Fault.LIMITED, retry_after_s=0.01), 4),
        (failure("groq", Fault.LIMITED, retry_after_s=2.5), 1),
        (failure("groq", Fault.SERVER, repeatable=False), 1),
    ],
    ids=lambda value: f"{value.fault} {value.retry_after_s}" if isinstance(value, EngineError) else str(value),
)
async def test_the_kind_of_failure_decides_how_often_the_only_engine_is_asked(error: EngineError, asked: int) -> None:
    groq = Fake("groq", [[error]])
    group = await group_of(groq, rules=FallbackRules(retries=3, backoff_s=0.001))
    with pytest.raises(EngineError, match="groq: it broke"):
        await answer(group)
    assert groq.asked == asked


async def test_a_reply_with_side_effects_is_not_repeated_by_another_engine() -> None:
    offline = Fake("offline", [["Hello."]])
    group = await group_of(Fake("groq", [[failure("groq", repeatable=False)]]), offline)
    with pytest.raises(EngineError, match="groq"):
        await answer(group)
    assert offline.asked == 0
    await group.close()


async def test_the_only_engine_is_asked_even_while_its_circuit_is_open() -> None:
    groq = Fake("groq", [[failure("groq")], ["Hi"]])
    group = await group_of(groq, rules=FallbackRules(retries=0, rest_s=60))
    with pytest.raises(EngineError):
        await answer(group)
    assert await answer(group) == [EngineSelected("groq"), "Hi"]


async def test_the_group_waits_for_a_slow_engine_that_has_no_fallback() -> None:
    class Slow(Fake):
        async def reply(
            self, history: History, wanted: asyncio.Event, deadline: Any = None, **_: Any
        ) -> AsyncGenerator[str]:
            await asyncio.sleep(0.4)
            yield "Hi"

    assert await answer(await group_of(Slow("groq", [[]]))) == [EngineSelected("groq"), "Hi"]


async def test_an_engine_that_yields_no_output_counts_as_failed() -> None:
    group = await group_of(Fake("groq", [[]]), Fake("offline", [["Hello."]]))
    assert await answer(group) == [EngineSelected("offline", ("groq: gave nothing",)), "Hello."]
    await group.close()


async def test_an_engine_that_cannot_start_is_left_out() -> None:
    broken = Fake("groq", [["no"]], cannot_start=failure("groq"))
    group = await group_of(broken, Fake("offline", [["Hello."]]))
    assert await answer(group) == [EngineSelected("offline", ("groq: it broke",)), "Hello."]
    assert [health.ready for health in group.health] == [False, True]
    with pytest.raises(EngineError, match="groq"):
        await group_of(broken)


async def test_probes_report_which_engines_are_ready_and_how_fast_they_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Fake):
        async def probe(self, style: Style = DEFAULT_STYLE) -> None:
            await asyncio.sleep(0.03)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr("voicebot.engines.fallback_group.time", SimpleNamespace(monotonic=loop.time))
    denied = failure("elevenlabs", Fault.DENIED)
    voices = [
        Fake("elevenlabs", [["."]], probe_error=denied),
        Fake("gtts", [["."]], probe_error=HANG),
        Slow("espeak", [["."]]),
    ]
    group = TextToSpeechFallbackGroup(voices, FallbackRules(probe_s=0.1, rest_s=60))
    await group.start()
    await group.probe()
    elevenlabs, gtts, espeak = group.health
    assert (elevenlabs.ready, elevenlabs.reason) == (False, "it broke")
    assert (gtts.ready, gtts.reason, gtts.probe_ms) == (False, "nothing came within 0.1 s", None)
    assert espeak.ready
    assert espeak.probe_ms == 30
    assert group.name == "espeak"
    await group.close()


async def test_probing_a_group_without_a_working_engine_raises_the_reason() -> None:
    group = await group_of(Fake("groq", [["."]], probe_error=failure("groq", Fault.DENIED)))
    with pytest.raises(EngineError, match="groq: it broke"):
        await group.probe()
    assert not group.health[0].ready
    await group.close()


# Speech to text ---------------------------------------------------------------------------------------------------

SOUND = [Audio(np.full(512, value, np.int16), 16_000) for value in range(1, 6)]


async def spoken(*items: Audio | Pause, then: asyncio.Event | None = None) -> AsyncIterator[Audio | Pause]:
    for item in items:
        await asyncio.sleep(0)
        yield item
    if then is not None:
        await then.wait()


async def transcribed(group: SpeechToTextFallbackGroup, *items: Audio | Pause) -> list[Transcript | EngineSelected]:
    async with group.session() as session:
        return [each async for each in session.transcribe(spoken(*items))]


async def test_the_fallback_recogniser_hears_the_utterance_from_its_start() -> None:
    deepgram = Fake("deepgram", [["hello", "hello wor", failure("deepgram", Fault.UNREACHABLE), "never"]])
    moonshine = Fake("moonshine", [["hello", "hello world"]])
    group = SpeechToTextFallbackGroup([deepgram, moonshine], QUICK)
    await group.start()
    sound: list[Audio | Pause] = [*SOUND[:3], Pause(1), *SOUND[3:]]
    got = await transcribed(group, *sound)
    assert got == [
        EngineSelected("deepgram"),
        Transcript("hello", final=False),
        Transcript("hello wor", final=False),
        EngineSelected("moonshine", ("deepgram: it broke",)),
        Transcript("hello", final=False),
        Transcript("hello world", final=True),
    ]
    assert moonshine.heard == [sound]
    assert (deepgram.open, moonshine.open, deepgram.sessions, moonshine.sessions) == (0, 0, 0, 0)
    await group.close()


async def test_the_fallback_recogniser_gives_the_final_text_if_the_first_one_hangs() -> None:
    group = SpeechToTextFallbackGroup([Fake("deepgram", [[HANG]]), Fake("moonshine", [["hello world"]])], QUICK)
    await group.start()
    got = await transcribed(group, *SOUND)
    reason = "deepgram: nothing came within 0.2 s"
    assert got == [
        EngineSelected("deepgram"),
        EngineSelected("moonshine", (reason,)),
        Transcript("hello world", final=True),
    ]
    await group.close()


async def test_the_final_text_is_not_overdue_while_the_user_still_speaks() -> None:
    group = SpeechToTextFallbackGroup([Fake("deepgram", [["hello world"]]), Fake("moonshine", [["no"]])], QUICK)
    await group.start()
    end = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, end.set)
    async with group.session() as session:
        got = [each async for each in session.transcribe(spoken(*SOUND, then=end))]
    assert got == [EngineSelected("deepgram"), Transcript("hello world", final=True)]


async def test_a_fallback_recogniser_is_opened_only_when_needed() -> None:
    deepgram, moonshine = Fake("deepgram", [["one"], [failure("deepgram")]]), Fake("moonshine", [["two"]])
    group = SpeechToTextFallbackGroup([deepgram, moonshine], QUICK)
    await group.start()
    async with group.session() as session:
        assert (deepgram.sessions, moonshine.sessions) == (1, 0)
        assert [each async for each in session.transcribe(spoken(*SOUND))][-1] == Transcript("one", final=True)
        assert (deepgram.sessions, moonshine.sessions) == (1, 0)
        assert [each async for each in session.transcribe(spoken(*SOUND))][-1] == Transcript("two", final=True)
        assert (deepgram.sessions, moonshine.sessions) == (1, 1)
        assert session.bytes_sent == 3 * 5 * 1024
    assert (deepgram.sessions, moonshine.sessions) == (0, 0)
    await group.close()


async def test_giving_up_an_utterance_closes_its_transcription_and_leaves_no_tasks() -> None:
    deepgram = Fake("deepgram", [["hello", "hello world"]])
    group = SpeechToTextFallbackGroup([deepgram, Fake("moonshine", [["no"]])], QUICK)
    await group.start()
    before = asyncio.all_tasks()
    async with group.session() as session:
        transcripts = session.transcribe(spoken(*SOUND, then=asyncio.Event()))
        assert await anext(transcripts) == EngineSelected("deepgram")
        assert await anext(transcripts) == Transcript("hello", final=False)
        await transcripts.aclose()
        assert deepgram.open == 0
        assert asyncio.all_tasks() == before


async def test_an_error_of_the_audio_source_reaches_the_caller() -> None:
    async def failing() -> AsyncIterator[Audio | Pause]:
        yield SOUND[0]
        raise RuntimeError("the microphone is gone")

    group = SpeechToTextFallbackGroup([Fake("deepgram", [["hello"]])], QUICK)
    await group.start()
    async with group.session() as session:
        with pytest.raises(RuntimeError, match="microphone"):
            async for _ in session.transcribe(failing()):
                pass


# Stalled answers --------------------------------------------------------------------------------------------------


async def answers(group: AgentFallbackGroup, *, spoken_after: int | None = None) -> list[str | EngineSelected]:
    """Returns everything that comes of an answer. Its first `spoken_after` tokens make a sentence that is spoken."""
    spoken, got = asyncio.Event(), list[str | EngineSelected]()
    async with aclosing(group.reply(HELLO, asyncio.Event(), spoken=spoken)) as tokens:
        async for token in tokens:
            got.append(token)
            if spoken_after is not None and sum(isinstance(each, str) for each in got) >= spoken_after:
                spoken.set()
    return got


@pytest.mark.parametrize("end", [HANG, failure("groq", Fault.BROKEN)], ids=["stalls", "breaks off"])
async def test_the_next_engine_answers_if_an_unspoken_answer_stalls_or_breaks_off(end: str | EngineError) -> None:
    groq, offline = Fake("groq", [["Once", " upon", end]]), Fake("offline", [["Hello."]])
    group = await group_of(groq, offline, rules=FallbackRules(retries=0, first_output_s=0.2, rest_s=60))
    got = await answers(group)
    reason = "groq: nothing came within 0.2 s" if end == HANG else "groq: it broke"
    assert got == [EngineSelected("groq"), "Once", " upon", EngineSelected("offline", (reason,)), "Hello."]
    assert groq.open == 0, "the request that hangs must be closed"
    assert not group.health[0].ready
    assert offline.keywords == {"stands_in": True, "stood_in": "", "calls": None}
    await group.close()


async def test_an_unspoken_answer_that_breaks_off_is_retried_on_the_same_engine_first() -> None:
    groq, offline = Fake("groq", [["Once", failure("groq")], ["Twice."]]), Fake("offline", [["no"]])
    group = await group_of(groq, offline, rules=FallbackRules(backoff_s=0.01))
    assert await answers(group) == [EngineSelected("groq"), "Once", EngineSelected("groq"), "Twice."]
    assert offline.asked == 0


async def test_a_partly_spoken_answer_that_stalls_is_not_begun_again() -> None:
    groq, offline = Fake("groq", [["Once.", " Then", HANG]]), Fake("offline", [["Hello."]])
    group = await group_of(groq, offline)
    with pytest.raises(EngineError, match=r"groq: nothing came within 0\.2 s"):
        await answers(group, spoken_after=1)
    assert offline.asked == 0
    await group.close()


async def test_an_unspoken_answer_with_side_effects_is_not_begun_again() -> None:
    groq, offline = Fake("groq", [["Once", failure("groq", repeatable=False)]]), Fake("offline", [["Hello."]])
    group = await group_of(groq, offline)
    with pytest.raises(EngineError, match="groq: it broke"):
        await answers(group)
    assert (groq.asked, offline.asked) == (1, 0)
    await group.close()


async def test_reasoning_pieces_and_a_running_tool_do_not_count_as_a_stall() -> None:
    class Thinking(Fake):
        async def reply(
            self, history: History, wanted: asyncio.Event, deadline: Any = None, **__: Any
        ) -> AsyncGenerator[str]:
            yield "Let"
            for _ in range(4):
                await asyncio.sleep(0.15)
                deadline.restart()  # a piece of reasoning or of a tool call arrives
            deadline.suspend()  # a tool is running
            await asyncio.sleep(0.5)
            deadline.restart()
            yield " me see."

    group = await group_of(Thinking("groq", [[]]), Fake("offline", [["no"]]), rules=FallbackRules(first_output_s=0.3))
    assert await answers(group) == [EngineSelected("groq"), "Let", " me see."]


async def test_a_model_that_goes_silent_after_a_tool_call_gets_the_usual_time_limit() -> None:
    class Stalling(Fake):
        async def reply(
            self, history: History, wanted: asyncio.Event, deadline: Any = None, **_: Any
        ) -> AsyncGenerator[str]:
            yield "Let"
            deadline.suspend()
            await asyncio.sleep(0.4)
            deadline.restart()
            await asyncio.Event().wait()

    group = await group_of(Stalling("groq", [[]]), Fake("offline", [["Hello."]]))
    assert (await answers(group))[-2:] == [EngineSelected("offline", ("groq: nothing came within 0.2 s",)), "Hello."]
    await group.close()


# Groups of one engine ---------------------------------------------------------------------------------------------


async def test_the_only_engine_is_asked_once_more_when_it_hangs() -> None:
    groq = Fake("groq", [[HANG], ["Hi"]])
    group = await group_of(groq, rules=FallbackRules(first_output_s=0.2))
    assert await answers(group) == [EngineSelected("groq"), "Hi"]
    assert groq.open == 0, "the request that hangs must be closed"


async def test_an_only_engine_that_hangs_twice_is_given_up_and_reported_as_not_ready() -> None:
    groq = Fake("groq", [[HANG]])
    group = await group_of(groq, rules=FallbackRules(first_output_s=0.1, rest_s=60))
    with pytest.raises(EngineError, match=r"groq: nothing came within 0\.3 s"):
        await answers(group)
    assert (groq.asked, group.health[0].ready) == (2, False)
    assert group.health[0].reason == "nothing came within 0.3 s"


class Slow(Fake):
    """An engine that is allowed more time for its first output."""

    first_output_s = 0.5


async def test_an_engine_with_a_longer_time_limit_gets_that_time_before_the_fallback() -> None:
    local, offline = Slow("local", [[HANG]]), Fake("offline", [["Hello."]])
    group = await group_of(local, offline, rules=FallbackRules(first_output_s=0.1, rest_s=60))
    assert await answers(group) == [EngineSelected("offline", ("local: nothing came within 0.5 s",)), "Hello."]
    assert local.asked == 1


@pytest.mark.parametrize("retries", [0, 1])
async def test_an_only_engine_that_exceeds_its_longer_time_limit_is_not_asked_again(retries: int) -> None:
    local = Slow("local", [[HANG]])
    group = await group_of(local, rules=FallbackRules(retries=retries, first_output_s=0.3, rest_s=60))
    with pytest.raises(EngineError, match=r"local: nothing came within 0\.5 s"):
        await answers(group)
    assert local.asked == 1


async def test_an_only_voice_that_hangs_is_asked_for_the_sentence_again() -> None:
    espeak = Fake("espeak", [[HANG], ["a"]])
    group = TextToSpeechFallbackGroup([espeak], FallbackRules(first_output_s=0.1))
    await group.start()
    assert [type(each) for each in [each async for each in group.synthesize("One.")]] == [EngineSelected, Audio]


# Broken sentences -------------------------------------------------------------------------------------------------


@dataclass
class Voice(Fake):
    """Speaks ten characters a second, spaces included. `breaks_s` says for each sentence when it breaks off."""

    breaks_s: list[float | None] = field(default_factory=list)
    times: bool = False
    stalls: bool = False
    said: list[str] = field(default_factory=list)

    async def synthesize(self, text: str, style: Style = DEFAULT_STYLE) -> AsyncGenerator[Any]:
        self.said.append(text)
        break_s = self.breaks_s.pop(0) if self.breaks_s else None
        if self.times:
            ends = accumulate(len(word) + 1 for word in text.split()[:-1])
            yield WordStarts((0.0, *(end / 10 for end in ends)))
        whole_s = (len(text) + 1) / 10
        duration_s = whole_s if break_s is None else break_s
        for _ in range(round(duration_s * 10)):
            yield Audio(np.zeros(1_600, np.int16), 16_000)
        if break_s is not None:
            if self.stalls:
                await asyncio.Event().wait()
            raise failure(self.name, Fault.BROKEN)


async def sentence(
    group: TextToSpeechFallbackGroup, text: str
) -> list[EngineSelected | RestOfSentence | WordStarts | float]:
    """Returns everything that comes of a sentence. Audio is represented by its duration."""
    got: list[EngineSelected | RestOfSentence | WordStarts | float] = []
    async for piece in group.synthesize(text):
        if not isinstance(piece, Audio):
            got.append(piece)
        elif isinstance(got[-1], float):
            got[-1] = round(got[-1] + piece.duration_s, 3)
        else:
            got.append(piece.duration_s)
    return got


async def voices(*engines: Fake, first_output_s: float = 0.2) -> TextToSpeechFallbackGroup:
    group = TextToSpeechFallbackGroup(engines, FallbackRules(first_output_s=first_output_s, rest_s=60))
    await group.start()
    return group


TEXT = "Once upon a time there was a king."


@pytest.mark.parametrize(("break_s", "first"), [(0.2, 0), (0.5, 1), (0.8, 1), (1.7, 4), (2.5, 5), (3.1, 7)])
async def test_the_next_voice_says_the_rest_of_a_sentence_from_the_cut_word(break_s: float, first: int) -> None:
    """The voice has reported the times of its words."""
    cloud, espeak = Voice("cloud", [[]], breaks_s=[break_s], times=True), Voice("espeak", [[]])
    group = await voices(cloud, espeak)
    got = await sentence(group, TEXT)
    assert espeak.said == [" ".join(TEXT.split()[first:])]
    assert got[:1] == [EngineSelected("cloud")]
    assert got[2:] == [
        break_s,
        RestOfSentence(first, 8),
        EngineSelected("espeak", ("cloud: it broke",)),
        pytest.approx((len(espeak.said[0]) + 1) / 10),
    ]
    await group.close()


async def test_the_known_pace_of_a_voice_locates_the_cut_word_without_word_times() -> None:
    cloud, espeak = Voice("cloud", [[]], breaks_s=[None, 1.7]), Voice("espeak", [[]])
    group = await voices(cloud, espeak)
    assert await sentence(group, "A sentence that is said whole.") == [EngineSelected("cloud"), pytest.approx(3.1)]
    await sentence(group, TEXT)
    assert espeak.said == ["there was a king."]
    await group.close()


async def test_another_voice_takes_over_from_a_voice_that_falls_silent_in_mid_sentence() -> None:
    cloud, espeak = Voice("cloud", [[]], breaks_s=[0.5], times=True, stalls=True), Voice("espeak", [[]])
    group = await voices(cloud, espeak)
    got = await sentence(group, TEXT)
    assert espeak.said == ["upon a time there was a king."]
    assert RestOfSentence(1, 8) in got
    await group.close()


async def test_an_only_voice_that_breaks_off_says_the_rest_of_the_sentence_itself() -> None:
    cloud = Voice("cloud", [[]], breaks_s=[1.7], times=True)
    group = await voices(cloud)
    await sentence(group, TEXT)
    assert cloud.said == [TEXT, "there was a king."]


async def test_a_sentence_that_breaks_off_three_times_is_given_up() -> None:
    cloud = Voice("cloud", [[]], breaks_s=[0.5, 0.5, 0.5, 0.5], times=True)
    group = await voices(cloud)
    with pytest.raises(EngineError, match="cloud: it broke"):
        await sentence(group, TEXT)
    assert len(cloud.said) == 3


async def test_no_word_is_repeated_when_only_the_end_of_the_sentence_audio_is_missing() -> None:
    cloud, espeak = Voice("cloud", [[]], breaks_s=[None, 3.5]), Voice("espeak", [[]])
    group = await voices(cloud, espeak)
    await sentence(group, TEXT)
    with pytest.raises(EngineError, match="cloud: it broke"):
        await sentence(group, TEXT)
    assert espeak.said == []
    await group.close()


# Failing and silent recognisers -----------------------------------------------------------------------------------

ONCE_MORE = FallbackRules(retries=1, backoff_s=0.01, first_output_s=0.2, rest_s=60)


async def heard_by(
    group: SpeechToTextFallbackGroup, audio: AsyncIterable[Audio | Pause]
) -> list[Transcript | EngineSelected]:
    async with group.session() as session:
        return [each async for each in session.transcribe(audio)]


async def recognisers(*engines: Fake, rules: FallbackRules = ONCE_MORE) -> SpeechToTextFallbackGroup:
    group = SpeechToTextFallbackGroup(engines, rules)
    await group.start()
    return group


@pytest.mark.parametrize("others", [0, 1])
async def test_a_recogniser_that_fails_is_retried_with_the_utterance_from_its_start(others: int) -> None:
    died = failure("deepgram", Fault.UNREACHABLE)
    deepgram = Fake("deepgram", [["hello", died, "never"], ["hello", "hello world"]])
    moonshine = Fake("moonshine", [["no"]])
    group = await recognisers(deepgram, *[moonshine][:others])
    got = await heard_by(group, spoken(*SOUND))
    assert got[-1] == Transcript("hello world", final=True)
    assert [each for each in got if isinstance(each, EngineSelected)] == [EngineSelected("deepgram")]
    assert deepgram.heard[1] == list(SOUND)
    assert moonshine.asked == 0
    await group.close()


async def test_the_next_recogniser_hears_the_whole_utterance_when_the_first_fails_twice() -> None:
    died = failure("deepgram", Fault.BROKEN)
    deepgram, moonshine = Fake("deepgram", [["hello", died, "never"]]), Fake("moonshine", [["hello world"]])
    group = await recognisers(deepgram, moonshine)
    assert (await heard_by(group, spoken(*SOUND)))[-1] == Transcript("hello world", final=True)
    assert (deepgram.asked, moonshine.heard) == (2, [list(SOUND)])
    assert not group.health[0].ready
    await group.close()


@pytest.mark.parametrize("fault", [Fault.DENIED, Fault.UNPAID, Fault.REJECTED, Fault.MISSING])
async def test_a_recogniser_with_a_permanent_fault_is_not_retried(fault: Fault) -> None:
    deepgram, moonshine = Fake("deepgram", [[failure("deepgram", fault)]]), Fake("moonshine", [["hello"]])
    group = await recognisers(deepgram, moonshine)
    assert (await heard_by(group, spoken(*SOUND)))[-1] == Transcript("hello", final=True)
    assert deepgram.asked == 1
    await group.close()


async def test_speech_during_an_outage_of_all_recognisers_is_transcribed_after_recovery(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The user speaks all the time, and both attempts fail at once."""
    monkeypatch.setattr("voicebot.engines.fallback.RECOVERY_S", 0.05)
    died = failure("deepgram", Fault.BROKEN)
    deepgram = Fake("deepgram", [[died, "x"], [died, "x"], [died, "x"], [died, "x"], ["hello", "hello world"]])
    group = await recognisers(deepgram)
    end = asyncio.Event()

    async def talk() -> AsyncIterator[Audio | Pause]:
        for item in SOUND:
            yield item
        await end.wait()
        for item in SOUND:
            yield item

    async with group.session() as session:
        transcripts = session.transcribe(talk())
        assert [await anext(transcripts) for _ in range(4)][-1] == Transcript("hello", final=False)
        assert deepgram.asked == 5
        end.set()
        assert [each async for each in transcripts] == [Transcript("hello world", final=True)]
    assert deepgram.heard[-1] == [*SOUND, *SOUND]
    assert deepgram.open == 0
    await group.close()


async def test_an_utterance_that_all_recognisers_failed_is_retried_whole_at_its_end() -> None:
    died = failure("deepgram", Fault.BROKEN)
    deepgram = Fake("deepgram", [[died, "x"], [died, "x"], ["hello world"]])
    group = await recognisers(deepgram)
    end = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, end.set)
    got = await heard_by(group, spoken(*SOUND, then=end))
    assert got[-1] == Transcript("hello world", final=True)
    assert deepgram.heard[-1] == list(SOUND)
    await group.close()


async def test_a_failure_of_all_recognisers_is_raised_only_when_the_utterance_has_ended() -> None:
    deepgram = Fake("deepgram", [[failure("deepgram", Fault.BROKEN), "x"]])
    group = await recognisers(deepgram)
    end = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, end.set)
    with pytest.raises(EngineError, match="deepgram: it broke"):
        await heard_by(group, spoken(*SOUND, then=end))
    assert end.is_set(), "the failure must not be raised while the user speaks"
    assert deepgram.heard[-1] == list(SOUND)[:1], "the recogniser must have failed at the first piece"
    await group.close()


async def test_an_only_recogniser_that_hangs_is_asked_again() -> None:
    deepgram = Fake("deepgram", [[HANG], ["hello world"]])
    group = await recognisers(deepgram)
    assert (await heard_by(group, spoken(*SOUND)))[-1] == Transcript("hello world", final=True)
    assert (deepgram.asked, deepgram.open) == (2, 0)
    await group.close()


async def test_a_slow_recogniser_may_give_the_final_text_after_the_fallback_was_asked() -> None:
    class Slow(Fake):
        async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
            async for _ in audio:
                pass
            await asyncio.sleep(0.5)
            yield Transcript("hello world", final=True)

    slow, mute = Slow("deepgram", [[]]), Fake("moonshine", [[HANG]])
    group = await recognisers(slow, mute)
    got = await heard_by(group, spoken(*SOUND))
    assert got[-2:] == [EngineSelected("deepgram"), Transcript("hello world", final=True)]
    assert (mute.asked, mute.open) == (2, 0)
    assert group.health[0].ready
    await group.close()


async def test_a_slow_recogniser_is_still_awaited_when_its_fallback_fails() -> None:
    class Slow(Fake):
        async def transcribe(self, audio: AsyncIterable[Audio | Pause]) -> AsyncGenerator[Transcript]:
            async for _ in audio:
                pass
            await asyncio.sleep(0.5)
            yield Transcript("hello world", final=True)

    group = await recognisers(Slow("deepgram", [[]]), Fake("moonshine", [[failure("moonshine")]]))
    assert (await heard_by(group, spoken(*SOUND)))[-1] == Transcript("hello world", final=True)
    await group.close()


# Unexpected errors ------------------------------------------------------------------------------------------------


@dataclass
class FaultyEngine(Fake):
    """Raises an unexpected error whose text contains a key."""

    at_start: bool = False
    at_probes: bool = True

    async def start(self) -> None:
        if self.at_start:
            raise KeyError("sk-secret")

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        self.probes.release()
        if self.at_probes:
            raise KeyError("sk-secret")


async def test_an_unexpected_error_at_start_leaves_the_engine_out_and_logs_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    group = await group_of(FaultyEngine("groq", [["no"]], at_start=True), Fake("offline", [["Hello."]]))
    reason = "it made a mistake (KeyError); the log says where"
    assert await answer(group) == [EngineSelected("offline", (f"groq: {reason}",)), "Hello."]
    assert (group.health[0].ready, group.health[0].reason) == (False, reason)
    assert "test_fallback.py" in caplog.text
    assert "sk-secret" not in caplog.text
    with pytest.raises(EngineError, match="groq: it made a mistake"):
        await group_of(FaultyEngine("groq", [["no"]], at_start=True))


async def test_a_probe_that_raises_an_unexpected_error_marks_the_engine_not_ready() -> None:
    group = await group_of(FaultyEngine("groq", [["no"]]), Fake("offline", [["Hello."]]))
    await group.probe()
    assert [health.ready for health in group.health] == [False, True]
    await group.close()


async def test_recovery_survives_unexpected_errors_of_a_probe_and_logs_them_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    groq = FaultyEngine("groq", [[failure("groq")], ["Hi"]])
    group = await group_of(groq, Fake("offline", [["Hello."]]), rules=FallbackRules(retries=0, rest_s=0.02))
    await answer(group)
    [recovery] = [task for task in asyncio.all_tasks() if task.get_name() == "recovery of groq"]
    async with asyncio.timeout(5):
        for _ in range(3):
            await groq.probes.acquire()
        groq.at_probes = False
        await recovery
    assert await answer(group) == [EngineSelected("groq"), "Hi"]
    assert caplog.text.count("made a mistake: KeyError at") == 1
    await group.close()
