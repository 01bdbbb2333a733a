"""One reply: what is spoken of an answer that is slow, stalls or breaks off, and what the client is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.engines import ScriptedAgent, ToneTts
from tests.support.read_mailbox import ReadMailbox
from tests.support.signal import Signal
from voicebot.agent.tools.fillers import Filler
from voicebot.dialogue.events import (
    EngineReported,
    ReplyInput,
    SentencePlayed,
    SentenceReady,
    StartReply,
    TextEnded,
    TextReceived,
    WordsHeard,
)
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.preferences import Preferences
from voicebot.engines.errors import EngineError
from voicebot.engines.fallback import AgentFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import Styles, TextToSpeech
from voicebot.languages.prompts import apology
from voicebot.session.player import Player
from voicebot.session.reply import ReplyMaker

Script = Sequence[str | asyncio.Event | Exception]


@dataclass
class Reply:
    """A reply in progress, and everything that it posts."""

    posted: list[ReplyInput | EngineReported] = field(default_factory=list)
    changed: Signal = field(default_factory=Signal)

    def post(self, input: ReplyInput | EngineReported) -> None:
        self.posted.append(input)
        self.changed.notify()

    @property
    def text(self) -> str:
        """Returns the text of the answer that a client gets."""
        return "".join(each.text for each in self.posted if isinstance(each, TextReceived))

    @property
    def sentences(self) -> list[str]:
        return [each.text for each in self.posted if isinstance(each, SentenceReady)]

    @property
    def engines(self) -> list[str]:
        return [each.engine for each in self.posted if isinstance(each, EngineReported)]

    async def until(self, condition: Any, what: str) -> None:
        await self.changed.until(lambda: True if condition() else None, 10, what)

    async def run(self, agent: Any, tts: TextToSpeech | None = None) -> None:
        """Makes the reply and plays it faster than in real time."""
        mailbox = ReadMailbox(self.post)
        player = Player(mailbox)
        maker = ReplyMaker(
            agent=agent,
            tts=ToneTts() if tts is None else tts,
            player=player,
            mailbox=mailbox,
            queue_max=8,
            sentence_max_chars=240,
        )
        player.begin(1)
        wanted = asyncio.Event()
        wanted.set()

        async def play() -> None:
            while True:
                player.next_frame()
                await asyncio.sleep(0.002)

        playing = asyncio.create_task(play())
        try:
            await maker.run(StartReply(1, (Message(Role.USER, "hello"),)), wanted, Styles.of(Preferences()))
        finally:
            playing.cancel()
            await asyncio.wait([playing])


async def agents(*scripts: Script, first_output_s: float = 0.2, retries: int = 0) -> AgentFallbackGroup:
    engines = [ScriptedAgent(name=f"model {number}", scripts=[script]) for number, script in enumerate(scripts, 1)]
    group = AgentFallbackGroup(engines, FallbackRules(retries=retries, first_output_s=first_output_s, rest_s=60))
    await group.start()
    return group


@pytest.mark.parametrize("stalls", [True, False], ids=["stalls", "breaks off"])
async def test_another_model_answers_when_the_first_fails_before_its_first_sentence_ends(stalls: bool) -> None:
    reply = Reply()
    end = asyncio.Event() if stalls else EngineError("model 1", "it broke")
    group = await agents(["Once upon", " a time", end], ["Hello ", "to you."])
    await reply.run(group)
    assert reply.sentences == ["Hello to you."]
    assert reply.text == "Hello to you."
    assert reply.engines == ["model 1", "model 2"]
    assert [each for each in reply.posted if isinstance(each, TextEnded)] == [TextEnded(1)]
    await group.close()


async def test_a_spoken_filler_does_not_keep_another_model_from_answering() -> None:
    reply = Reply()
    group = await agents([Filler("Let me see."), "It is", asyncio.Event()], ["It is five."])
    await reply.run(group)
    assert reply.sentences == ["Let me see.", "It is five."]
    assert " ".join(reply.text.split()) == "Let me see. It is five."
    await group.close()


async def test_a_whole_sentence_is_spoken_before_a_stalled_model_is_given_up() -> None:
    reply = Reply()
    group = await agents(["Once upon a time", " there was a king.", asyncio.Event()], ["no"], first_output_s=2)
    running = asyncio.create_task(reply.run(group))
    heard = SentencePlayed(1, 0)
    await reply.until(lambda: heard in reply.posted, "sentence that is heard")
    assert not any(isinstance(each, TextEnded) for each in reply.posted), "the model must still be waited for"
    assert reply.text == "Once upon a time there was a king."
    await running
    assert reply.sentences == ["Once upon a time there was a king.", apology("en")]
    assert reply.engines == ["model 1"]
    await group.close()


async def test_an_abbreviation_before_a_stall_does_not_end_the_sentence() -> None:
    reply = Reply()
    goes_on = asyncio.Event()
    asyncio.get_running_loop().call_later(1.0, goes_on.set)
    await reply.run(await agents(["Ask Dr.", goes_on, " Smith."], first_output_s=5))
    assert reply.sentences == ["Ask Dr. Smith."]


async def test_the_words_of_a_model_slower_than_speech_are_spoken_as_they_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicebot.session.reply.LATE_S", 0.3)
    monkeypatch.setattr("voicebot.session.reply.SLOW_TOKEN_S", 0.1)

    class Trickling(ScriptedAgent):
        async def reply(self, *_: Any, **__: Any) -> Any:
            for word in ("Once", " upon", " a", " time", " there", " was", " a", " king."):
                await asyncio.sleep(0.15)
                yield word

    reply = Reply()
    group = AgentFallbackGroup([Trickling()], FallbackRules(first_output_s=5))
    await group.start()
    running = asyncio.create_task(reply.run(group))
    await reply.until(lambda: any(isinstance(each, WordsHeard | SentencePlayed) for each in reply.posted), "sound")
    assert not any(isinstance(each, TextEnded) for each in reply.posted), "the model must not have finished yet"
    await running
    assert " ".join(reply.sentences) == "Once upon a time there was a king."
    assert reply.text == "Once upon a time there was a king."


async def test_words_are_reported_one_by_one_when_a_fallback_voice_finishes_the_sentence() -> None:
    text = "Once upon a time there was a king."
    cloud = ToneTts("cloud", letter_s=0.06, failing=frozenset({text}))
    espeak = ToneTts("espeak", letter_s=0.03)
    group = TextToSpeechFallbackGroup([cloud, espeak], FallbackRules(rest_s=60))
    await group.start()
    reply = Reply()
    await reply.run(ScriptedAgent(scripts=[[text]]), group)
    (rest,) = espeak.said
    assert text.endswith(rest)
    assert 3 <= len(rest.split()) <= 5, "about half of the sentence must be left"
    assert [each for each in reply.posted if isinstance(each, SentencePlayed)] == [SentencePlayed(1, 0)]
    heard = [each.words for each in reply.posted if isinstance(each, WordsHeard)]
    assert heard == sorted(heard)
    assert len(set(heard)) >= 7, "the words of both voices must be counted one by one"
    await group.close()
