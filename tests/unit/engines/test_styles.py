"""The style of a request: which engine is tried first, and the language, persona and voice of the reply.

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
from voicebot.agent.agent import GraphAgent
from voicebot.dialogue.history import History
from voicebot.dialogue.preferences import Preferences
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackGroup
from voicebot.engines.protocols import DEFAULT_STYLE, EngineSelected, Style, Styles


class LanguageAgent(Fake):
    """An agent that names the language of the reply."""

    async def reply(
        self, history: History, wanted: asyncio.Event, deadline: Any = None, *, style: Style = DEFAULT_STYLE, **_: Any
    ) -> AsyncGenerator[str]:
        async for text in self._play(self._next()):
            yield f"{text} in {style.language}"


async def answer(group: AgentFallbackGroup, style: Style = DEFAULT_STYLE) -> list[str | EngineSelected]:
    return [token async for token in group.reply(HELLO, asyncio.Event(), style=style)]


def order(group: FallbackGroup[Any], style: Style) -> list[str]:
    """Returns the engines in the order in which a request would try them."""
    return [link.engine.name for link in group.candidates(style)]


async def test_a_sessions_chosen_engine_is_tried_first_and_the_others_are_its_fallbacks() -> None:
    group = AgentFallbackGroup(
        [LanguageAgent("groq", [["groq"]]), LanguageAgent("openai", [[failure("openai")]])], QUICK
    )
    await group.start()
    assert order(group, Style(engine="openai")) == ["openai", "groq"]
    assert await answer(group, Style(engine="openai")) == [EngineSelected("groq", ("openai: it broke",)), "groq in en"]
    assert await answer(group) == [EngineSelected("groq"), "groq in en"], (
        "requests of other sessions must not be affected"
    )
    await group.close()


async def test_all_sessions_share_an_engines_failure_and_recovery() -> None:
    openai = LanguageAgent("openai", [[failure("openai")], ["openai"]], probe_error=failure("openai"))
    group = AgentFallbackGroup([openai, LanguageAgent("groq", [["groq"]])], QUICK)
    await group.start()
    await answer(group)
    assert [health.ready for health in group.health] == [False, True]
    for style in (DEFAULT_STYLE, Style(engine="openai")):
        assert order(group, style) == ["groq"]
    openai.probe_error = None
    async with asyncio.timeout(5):
        while not group.health[0].ready:
            await openai.probes.acquire()
            await asyncio.sleep(0)
    assert order(group, DEFAULT_STYLE) == order(group, Style(engine="openai")) == ["openai", "groq"]
    await group.close()


async def test_an_engine_without_the_sessions_language_is_left_out() -> None:
    both = frozenset({"en", "de"})
    group = AgentFallbackGroup(
        [LanguageAgent("offline", [["offline"]]), LanguageAgent("groq", [["groq"]], languages=both)], QUICK
    )
    await group.start()
    german = Style("de", engine="offline")
    assert order(group, german) == ["groq"]
    assert await answer(group, german) == [EngineSelected("groq"), "groq in de"]
    await group.close()


async def test_all_engines_are_tried_if_none_knows_the_sessions_language() -> None:
    group = AgentFallbackGroup([LanguageAgent("offline", [["offline"]])], QUICK)
    await group.start()
    assert await answer(group, Style("de")) == [EngineSelected("offline"), "offline in de"]
    await group.close()


async def test_a_chosen_voice_is_given_to_the_chosen_engine_only() -> None:
    espeak, gtts = Fake("espeak", [[failure("espeak")]]), Fake("gtts", [["x"]])
    group = TextToSpeechFallbackGroup([gtts, espeak], QUICK)
    await group.start()
    style = Style("en", engine="espeak", voice="en")
    assert [type(each).__name__ async for each in group.synthesize("One.", style)] == ["EngineSelected", "Audio"]
    assert espeak.styles == [style]
    assert gtts.styles == [Style("en", engine="espeak")]
    await group.close()


async def test_a_voice_without_a_chosen_engine_goes_to_the_first_engine_that_started() -> None:
    away, espeak = Fake("elevenlabs", [["x"]], cannot_start=failure("elevenlabs")), Fake("espeak", [["x"]])
    group = TextToSpeechFallbackGroup([away, espeak], QUICK)
    await group.start()
    async for _ in group.synthesize("One.", Style("en", voice="en-us+f3")):
        pass
    assert espeak.styles == [Style("en", voice="en-us+f3")]
    await group.close()


async def test_every_recogniser_of_a_session_gets_the_sessions_language() -> None:
    both = frozenset({"en", "de"})
    deepgram, moonshine = Fake("deepgram", [["x"]], both), Fake("moonshine", [["x"]], both)
    group = SpeechToTextFallbackGroup([deepgram, moonshine], QUICK)
    await group.start()
    async with group.session(Style("de", engine="moonshine")), group.session(Style("en")):
        assert moonshine.styles == [Style("de", engine="moonshine")]
        assert deepgram.styles == [Style("en")]
    await group.close()


async def test_engines_are_probed_in_the_usual_style_whatever_the_request_that_failed() -> None:
    groq = Fake("groq", [[failure("groq")]], languages=frozenset({"de", "fr"}))
    offline = Fake("offline", [["Hello."]], languages=frozenset({"fr"}))
    group = AgentFallbackGroup([groq, offline], QUICK, usual=Style("de"))
    await group.start()
    await group.probe()
    await answer(group, Style("fr"))
    async with asyncio.timeout(5):
        for _ in range(2):
            await groq.probes.acquire()
    assert groq.probed == [Style("de"), Style("de")]
    await group.close()


@pytest.mark.parametrize(("wanted", "prepared"), [("hibari", "hibari"), ("", "espeak")])
async def test_only_the_engine_of_a_wanted_voice_is_asked_to_prepare_it(wanted: str, prepared: str) -> None:
    class Preparing(Fake):
        """A voice that records which voices it was asked to prepare."""

        def prepare(self, style: Style) -> None:
            if style.voice:
                asked.append((self.name, style.voice))

    asked: list[tuple[str, str]] = []
    group = TextToSpeechFallbackGroup([Preparing("espeak", [["x"]]), Preparing("hibari", [["x"]])], QUICK)
    await group.start()
    group.prepare(Style(engine=wanted, voice="emma"))
    assert asked == [(prepared, "emma")]
    await group.close()


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
