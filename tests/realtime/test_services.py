"""Whole conversations with the cloud engines: the real SDKs talk to simulated services."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulators import deepgram, elevenlabs
from tests.simulators.brain import Answer, Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.deepgram import DeepgramSimulator, EmbeddedRecogniser, Setting
from tests.simulators.elevenlabs import ElevenLabsSimulator
from tests.simulators.faults import Fault, Planned
from tests.simulators.gtts import GttsSimulator
from tests.simulators.realtime import RealtimeSimulator
from tests.simulators.voices import espeak_of
from tests.support.app_process import forked_app
from tests.support.live_server import serving
from tests.support.rtc_client import OfferRefusedError, RtcClient
from tests.support.rtc_talk import Talk, answers
from tests.support.speech import spoken
from tests.support.understanding import words
from tests.support.waiting import until
from voicebot.audio.sound import WIRE_RATE_HZ
from voicebot.bootstrap import engines as build
from voicebot.engines.llm.messages import CUT_MARK
from voicebot.engines.stt.moonshine import Moonshine
from voicebot.languages.prompts import apology
from voicebot.settings import config

Json = dict[str, Any]

THOUGHT = "They ask me something, so I should think about it."

STORY = (
    "Once upon a time there was a young captain who lived in a small white house above the harbour. "
    "Every morning she looked at the ships and wondered where they had come from. "
    "Then she walked along the long white beach and counted them all."
)


@dataclass
class Services:
    """The simulated services, on local ports, and the settings with which the app finds them."""

    deepgram: DeepgramSimulator
    chat: ChatSimulator
    realtime: RealtimeSimulator
    elevenlabs: ElevenLabsSimulator
    gtts: GttsSimulator

    @property
    def bodies(self) -> list[Json]:
        """The requests to the chat model."""
        return [request.body for request in self.chat.requests if request.method == "POST"]

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "deepgram_api_key": deepgram.KEY,
            "deepgram_base_url": self.deepgram.url,
            "groq_api_key": "gsk_simulated",
            "groq_base_url": self.chat.url,
            "openai_api_key": "sk-simulated",
            "openai_base_url": f"{self.realtime.url}/v1",
            "elevenlabs_api_key": elevenlabs.KEY,
            "elevenlabs_base_url": self.elevenlabs.url,
        }


@pytest.fixture
async def services(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    async with AsyncExitStack() as running:
        recogniser = Moonshine()
        running.push_async_callback(recogniser.close)
        await recogniser.start()
        session = await running.enter_async_context(recogniser.session())
        gtts = await running.enter_async_context(GttsSimulator(espeak_of))
        monkeypatch.setenv("HTTPS_PROXY", gtts.url)
        yield Services(
            await running.enter_async_context(
                DeepgramSimulator(Setting(make_recogniser=lambda: EmbeddedRecogniser(session)))
            ),
            await running.enter_async_context(ChatSimulator()),
            await running.enter_async_context(RealtimeSimulator()),
            await running.enter_async_context(ElevenLabsSimulator(espeak_of)),
            gtts,
        )


@asynccontextmanager
async def talking(**settings: Any) -> AsyncIterator[Talk]:
    options = config.load(**settings)
    async with serving(build.build(options), options) as server:
        await server.services.health.check()
        async with RtcClient(server.url) as client:
            yield Talk(server, client)


def heard_words(state: Json) -> int:
    return len(answers(state)[-1]["heard"].split()) if answers(state) else 0


def history(state: Json) -> list[tuple[str, str]]:
    """Returns the chat that the page shows, in the form in which a model should get it."""
    return [
        ("user", message["text"])
        if message["role"] == "user"
        else ("assistant", message["heard"] + (CUT_MARK if message["interrupted"] else ""))
        for message in state["chat"]
        if not message.get("interim")
    ]


def asked(body: Json) -> list[tuple[str, str]]:
    """Returns the history in a request, without the system prompt and the messages of tools."""
    return [
        (message["role"], message["content"])
        for message in body["messages"]
        if message["role"] in ("user", "assistant") and not message.get("tool_calls")
    ]


async def test_deepgram_groq_and_elevenlabs_handle_a_tool_a_backchannel_and_an_interruption(services: Services) -> None:
    """The requests to Groq hold what was said and heard, and nothing else."""
    services.chat.answers.extend(
        [
            Answer(calls=(Call("clock", {"place": "Tokyo"}),), reasoning=THOUGHT),
            Answer(f"<think>{THOUGHT}</think>It is ten o'clock in Tokyo.", reasoning=THOUGHT),
            Answer(STORY),
            Answer("Ten times three is thirty."),
        ]
    )
    names = {"llm_engine": "groq", "tts_engine": "elevenlabs", "stt_engine": "deepgram"}
    async with talking(**services.settings, **names, tool_filler_s=60) as talk:
        await talk.says("what time is it in tokyo")
        state = await talk.answered(1)
        assert answers(state)[0]["heard"] == "It is ten o'clock in Tokyo."
        assert {stage: serving["name"] for stage, serving in state["engines"].items()} == {
            "stt": "deepgram",
            "llm": "groq",
            "tts": "elevenlabs",
        }
        called, told = services.bodies[0]["messages"][-1], services.bodies[1]["messages"]
        assert called == {"role": "user", "content": state["chat"][0]["text"]}
        assert [message["role"] for message in told] == ["system", "user", "assistant", "tool"]
        assert "Asia/Tokyo" in told[-1]["content"]

        await talk.says("tell me a story")
        await talk.until(lambda state: len(answers(state)) == 2 and heard_words(state) >= 4)
        await talk.says("uh huh", "slt")
        state = await talk.until(lambda state: state["verdicts"] and state["phase"] == "speaking")
        assert [record["decision"] for record in state["verdicts"]] == ["resume"]
        before = heard_words(state)
        await talk.until(lambda state: heard_words(state) >= before + 3)
        await talk.says("what is ten times three")
        state = await talk.answered(3)

        story, last = answers(state)[1:]
        interruption, *others = state["verdicts"]
        assert interruption["decision"] == "regenerate", state["verdicts"]
        told = words(interruption["text"])
        assert told == words("what is ten times three")[: len(told)], state["verdicts"]
        assert {record["decision"] for record in others} == {"resume"}, state["verdicts"]
        assert story["interrupted"]
        assert STORY.startswith(story["heard"])
        assert last["heard"] == "Ten times three is thirty."
        said = history(state)
        assert asked(services.bodies[2]) == said[:3]
        assert asked(services.bodies[-1]) == said[:5]
        assert said[3] == ("assistant", story["heard"] + CUT_MARK)
        telemetry = [message for message in talk.client.messages if message["type"] == "telemetry"]
        assert telemetry[-1]["stt_bytes"] > 3 * 16_000
        assert THOUGHT not in str(services.bodies)
        assert {body["model"] for body in services.bodies} == {"openai/gpt-oss-120b"}
        assert {(body["reasoning_effort"], body["include_reasoning"]) for body in services.bodies} == {("low", False)}
        assert (await talk.server.get("/health"))["groq_model"] == "openai/gpt-oss-120b"
    assert services.deepgram.open == 0
    async with asyncio.timeout(5):
        await services.elevenlabs.until_open(0)


async def test_an_openai_model_that_stalls_is_replaced_by_the_fallback_for_that_turn_only(services: Services) -> None:
    """The next engine soon answers the stalled turn, and OpenAI answers the turn after it."""
    services.chat.answers.extend(
        [
            Answer(calls=(Call("clock", {"place": "Tokyo"}),)),
            Answer("It is ten o'clock in Tokyo."),
            Answer(STORY),
            Answer("All right."),
        ]
    )
    settings = services.settings | {"groq_api_key": None, "openai_base_url": f"{services.chat.url}/v1"}
    names = {"llm_engine": "openai,offline", "tts_engine": "espeak", "stt_engine": "moonshine"}
    timeouts = {"tool_filler_s": 60, "first_output_timeout_s": 1, "llm_retries": 0, "engine_rest_s": 0.1}
    async with talking(**settings, **names, **timeouts) as talk:
        talk.types("what time is it in tokyo")
        await talk.answered(1)
        talk.types("tell me a story")
        await talk.until(lambda state: len(answers(state)) == 2 and heard_words(state) >= 4)
        services.chat.faults.plan(Fault.HANG)
        started_s = time.monotonic()
        talk.types("what is two plus two")
        state = await talk.until(lambda state: len(answers(state)) == 3 and state["phase"] == "speaking")
        assert time.monotonic() - started_s < 2.5
        state = await talk.answered(3)
        assert state["engines"]["llm"]["name"] == "offline"
        assert state["engines"]["llm"]["reasons"] == ["openai: nothing came within 1 s"]
        assert "four" in answers(state)[2]["heard"].lower()
        assert answers(state)[1]["interrupted"]
        await until_ready(talk, "openai")
        talk.types("thank you")
        state = await talk.answered(4)
        assert answers(state)[3]["heard"] == "All right."
        assert {(body["model"], body["reasoning_effort"]) for body in services.bodies} == {("gpt-6-luna", "none")}
        assert not any("temperature" in body for body in services.bodies), "the model accepts no temperature"
        assert asked(services.bodies[-1]) == history(state)[:-1]


async def until_ready(talk: Talk, engine: str) -> None:
    """Waits until a probe succeeds.

    An engine whose rest is over counts as ready, but keeps the reason of its failure until then.
    """

    def works() -> bool:
        stage = talk.server.services.health.health["llm"]
        return any(each.name == engine and each.ready and each.reason is None for each in stage)

    await until(works)


async def test_flux_openai_realtime_and_gtts_hold_a_conversation_with_an_interruption(services: Services) -> None:
    services.realtime.answers.extend([Answer("Hello to you."), Answer(STORY), Answer("Four.")])
    names = {"llm_engine": "openai-realtime", "tts_engine": "gtts", "stt_engine": "deepgram"}
    async with talking(**services.settings, **names, deepgram_model="flux-general-en") as talk:
        await talk.says("tell me a joke")
        state = await talk.answered(1)
        assert answers(state)[0]["heard"] == "Hello to you."
        await talk.says("tell me a story")
        await talk.until(lambda state: len(answers(state)) == 2 and heard_words(state) >= 4)
        await talk.says("what is ten times three")
        state = await talk.answered(3)
        assert answers(state)[1]["interrupted"]
        assert answers(state)[2]["heard"] == "Four."
        assert {serving["name"] for serving in state["engines"].values()} == {"deepgram", "openai-realtime", "gtts"}
    assert services.deepgram.open == services.realtime.open == 0


# When services fail ----------------------------------------------------------------------------------------------


async def test_gtts_without_a_network_falls_back_to_espeak_in_the_same_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next turn does not wait for gTTS again."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody listens at the discard port
    options = config.load(tts_engine="gtts,espeak")
    async with serving(build.build(options), options) as server, RtcClient(server.url) as client:
        talk = Talk(server, client)
        talk.types("tell me a joke")
        state = await talk.answered(1)
        assert answers(state)[0]["heard"]
        assert not answers(state)[0]["interrupted"]
        tts = state["engines"]["tts"]
        assert tts["name"] == "espeak"
        assert tts["reasons"]
        assert tts["reasons"][0].startswith("gtts: ")
        started_s = time.monotonic()
        talk.types("what is two plus two")
        await talk.until(lambda state: len(answers(state)) == 2 and state["phase"] == "speaking")
        assert time.monotonic() - started_s < 1.0
        assert (await talk.answered(2))["engines"]["tts"]["name"] == "espeak"


async def test_a_rejected_llm_key_is_reported_and_the_fallback_engine_answers(services: Services) -> None:
    services.chat.faults.always(Fault.UNAUTHORIZED)
    async with talking(**services.settings, stt_engine="moonshine", tts_engine="espeak") as talk:
        llm = (await talk.server.get("/health"))["stages"]["llm"]
        assert (llm[0]["name"], llm[0]["ready"]) == ("groq", False)
        assert "401" in llm[0]["reason"]
        talk.types("what is two plus two")
        state = await talk.answered(1)
        assert answers(state)[0]["heard"]
        assert "gsk_simulated" not in str(talk.client.messages)


async def test_the_bot_apologises_for_a_reply_cut_off_by_the_model_and_answers_the_next_turn(
    services: Services,
) -> None:
    services.chat.answers.extend([Answer("Once upon a time there was. And then"), Answer("All is well.")])
    async with talking(**services.settings, llm_engine="groq", tts_engine="espeak", stt_engine="moonshine") as talk:
        services.chat.faults.plan(Planned(Fault.CUT, after=8))
        talk.types("hello")
        state = await talk.answered(1)
        assert answers(state)[0]["heard"].endswith(apology("en"))
        assert state["error"]["message"].startswith("groq: ")
        talk.types("again")
        state = await talk.answered(2)
        assert answers(state)[1]["heard"] == "All is well."
        assert state["error"] is None


async def test_an_offer_is_refused_with_the_reason_when_the_only_tts_engine_fails(services: Services) -> None:
    services.elevenlabs.faults.always(Fault.UNAUTHORIZED)
    names = {"llm_engine": "offline", "tts_engine": "elevenlabs", "stt_engine": "moonshine"}
    options = config.load(**services.settings, **names)
    async with serving(build.build(options), options) as server:
        await server.services.health.check()
        with pytest.raises(OfferRefusedError, match=r"The bot cannot work at the moment\. elevenlabs: ") as refused:
            await RtcClient(server.url).__aenter__()
        assert refused.value.status == 503
        assert json.loads(refused.value.reason)["problem_code"] == "credentials"
        assert elevenlabs.KEY not in str(refused.value)
        health = await server.get("/health")
        assert health["status"] == "unhealthy"
        async with httpx.AsyncClient(trust_env=False) as http:
            checked = (await http.post(f"{server.url}/preflight")).json()
        assert checked["problem"].startswith("The bot cannot work at the moment.")


async def test_no_api_key_appears_in_the_debug_log_the_messages_or_the_health(
    services: Services, tmp_path: Path
) -> None:
    """Neither the keys that are accepted nor one that is refused appears."""
    services.chat.key = "gsk_another_one"
    settings = services.settings | {"stt_engine": "deepgram", "llm_engine": "groq,openai-realtime,offline"}
    starting = forked_app(tmp_path, **settings, tts_engine="elevenlabs,gtts", log_level="DEBUG")
    app = await asyncio.to_thread(starting.__enter__)  # in a thread, so that the simulated services can answer
    try:
        async with RtcClient(app.url) as client:
            client.send({"type": "text", "text": "hello"})
            client.microphone.say(spoken("tell me a joke").resampled(WIRE_RATE_HZ))
            await client.heard.wait_for_sound()
            await client.microphone.said()
        told = f"{app.log.read_text('utf-8')} {client.messages} {await asyncio.to_thread(app.health)}"
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)
    assert "groq: " in told
    for key in (value for name, value in settings.items() if name.endswith("_key")):
        assert key not in told
