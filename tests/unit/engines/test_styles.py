"""Each request has a style of its own: which engine is tried first, in which language, as whom, in which voice.

All requests share the engines and what is known of their health.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from langchain_core.messages import SystemMessage

from tests.support.fake_engines import HELLO, QUICK, Fake, failure
from tests.support.scripted_model import Script
from voicebot.agent.graph import GraphAgent
from voicebot.dialogue.history import History
from voicebot.dialogue.preferences import Preferences
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackGroup
from voicebot.engines.protocols import DEFAULT_STYLE, EngineSelected, Style, Styles


class Speaks(Fake):
    """An agent that names the language of the reply."""

    async def reply(
        self, history: History, wanted: asyncio.Event, deadline: Any = None, *, style: Style = DEFAULT_STYLE, **_: Any
    ) -> AsyncGenerator[str]:
        async for text in self._play(self._next()):
            yield f"{text} in {style.language}"


async def answer(chain: AgentFallbackGroup, style: Style = DEFAULT_STYLE) -> list[str | EngineSelected]:
    return [token async for token in chain.reply(HELLO, asyncio.Event(), style=style)]


def order(chain: FallbackGroup[Any], style: Style) -> list[str]:
    """The engines that a request would try, in their order."""
    return [link.engine.name for link in chain.candidates(style)]


async def test_a_sessions_chosen_engine_is_tried_first_and_the_others_are_its_fallbacks() -> None:
    chain = AgentFallbackGroup([Speaks("groq", [["groq"]]), Speaks("openai", [[failure("openai")]])], QUICK)
    await chain.start()
    assert order(chain, Style(engine="openai")) == ["openai", "groq"]
    assert await answer(chain, Style(engine="openai")) == [EngineSelected("groq", ("openai: it broke",)), "groq in en"]
    assert await answer(chain) == [EngineSelected("groq"), "groq in en"], (
        "requests of other sessions go where they went before"
    )
    await chain.close()


async def test_all_sessions_share_an_engines_failure_and_recovery() -> None:
    openai = Speaks("openai", [[failure("openai")], ["openai"]], unwell=failure("openai"))
    chain = AgentFallbackGroup([openai, Speaks("groq", [["groq"]])], QUICK)
    await chain.start()
    await answer(chain)
    assert [health.ready for health in chain.health] == [False, True]
    for style in (DEFAULT_STYLE, Style(engine="openai")):
        assert order(chain, style) == ["groq"]
    openai.unwell = None
    async with asyncio.timeout(5):
        while not chain.health[0].ready:
            await openai.probes.acquire()
            await asyncio.sleep(0)
    assert order(chain, DEFAULT_STYLE) == order(chain, Style(engine="openai")) == ["openai", "groq"]
    await chain.close()


async def test_an_engine_without_the_sessions_language_is_left_out() -> None:
    both = frozenset({"en", "de"})
    chain = AgentFallbackGroup([Speaks("offline", [["offline"]]), Speaks("groq", [["groq"]], languages=both)], QUICK)
    await chain.start()
    german = Style("de", engine="offline")
    assert order(chain, german) == ["groq"]
    assert await answer(chain, german) == [EngineSelected("groq"), "groq in de"]
    await chain.close()


async def test_all_engines_are_tried_if_none_knows_the_sessions_language() -> None:
    chain = AgentFallbackGroup([Speaks("offline", [["offline"]])], QUICK)
    await chain.start()
    assert await answer(chain, Style("de")) == [EngineSelected("offline"), "offline in de"]
    await chain.close()


async def test_a_chosen_voice_is_given_to_the_chosen_engine_only() -> None:
    espeak, gtts = Fake("espeak", [[failure("espeak")]]), Fake("gtts", [["x"]])
    chain = TextToSpeechFallbackGroup([gtts, espeak], QUICK)
    await chain.start()
    style = Style("en", engine="espeak", voice="en")
    assert [type(each).__name__ async for each in chain.synthesize("One.", style)] == ["EngineSelected", "Audio"]
    assert espeak.styles == [style]
    assert gtts.styles == [Style("en", engine="espeak")]
    await chain.close()


async def test_a_voice_without_a_chosen_engine_goes_to_the_first_engine_that_started() -> None:
    away, espeak = Fake("elevenlabs", [["x"]], cannot_start=failure("elevenlabs")), Fake("espeak", [["x"]])
    chain = TextToSpeechFallbackGroup([away, espeak], QUICK)
    await chain.start()
    async for _ in chain.synthesize("One.", Style("en", voice="en-us+f3")):
        pass
    assert espeak.styles == [Style("en", voice="en-us+f3")]
    await chain.close()


async def test_every_recogniser_of_a_session_gets_the_sessions_language() -> None:
    both = frozenset({"en", "de"})
    deepgram, moonshine = Fake("deepgram", [["x"]], both), Fake("moonshine", [["x"]], both)
    chain = SpeechToTextFallbackGroup([deepgram, moonshine], QUICK)
    await chain.start()
    async with chain.session(Style("de", engine="moonshine")), chain.session(Style("en")):
        assert moonshine.styles == [Style("de", engine="moonshine")]
        assert deepgram.styles == [Style("en")]
    await chain.close()


async def test_engines_are_probed_in_the_usual_style_whatever_the_request_that_failed() -> None:
    groq = Fake("groq", [[failure("groq")]], languages=frozenset({"de", "fr"}))
    offline = Fake("offline", [["Hello."]], languages=frozenset({"fr"}))
    chain = AgentFallbackGroup([groq, offline], QUICK, usual=Style("de"))
    await chain.start()
    await chain.probe()
    await answer(chain, Style("fr"))
    async with asyncio.timeout(5):
        for _ in range(2):
            await groq.probes.acquire()
    assert groq.probed == [Style("de"), Style("de")]
    await chain.close()


@pytest.mark.parametrize(("wanted", "prepared"), [("hibari", "hibari"), ("", "espeak")])
async def test_only_the_engine_of_a_wanted_voice_is_asked_to_prepare_it(wanted: str, prepared: str) -> None:
    class Preparing(Fake):
        """A voice that keeps which voices it was asked to prepare."""

        def prepare(self, style: Style) -> None:
            if style.voice:
                asked.append((self.name, style.voice))

    asked: list[tuple[str, str]] = []
    chain = TextToSpeechFallbackGroup([Preparing("espeak", [["x"]]), Preparing("hibari", [["x"]])], QUICK)
    await chain.start()
    chain.prepare(Style(engine=wanted, voice="emma"))
    assert asked == [(prepared, "emma")]
    await chain.close()


async def test_the_system_prompt_has_each_sessions_persona_and_language() -> None:
    model = Script(answers=[["Yes."], ["Yes."]])
    agent = GraphAgent(model, [], "test")
    for style in (Style("de", persona="sales"), DEFAULT_STYLE):
        assert [token async for token in agent.reply(HELLO, asyncio.Event(), style=style)] == ["Yes."]
    german, usual = (messages[0] for messages in model.given)
    assert isinstance(german, SystemMessage)
    assert "You are Robin" in german.text
    assert "Answer in German" in german.text
    assert "You are Voice Bot" in usual.text
    assert "The user speaks" not in usual.text


def test_each_stage_gets_the_choices_that_concern_it() -> None:
    choices = Preferences(persona="sales", language="de", voice="low", stt="deepgram", llm="groq", tts="espeak")
    styles = Styles.of(choices)
    assert styles.stt == Style("de", engine="deepgram")
    assert styles.llm == Style("de", "sales", "groq")
    assert styles.tts == Style("de", engine="espeak", voice="low")
