"""The choice of the model, the request fields of its family, and the replacement of a removed model."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import pytest

from tests.integration.engines.replies import ASKED, KEY, WANTED, agent_on, groq_on, openai_on, said, weather
from tests.simulators.brain import Answer, Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.chat_models import TokenLimit
from tests.simulators.realtime import RealtimeSimulator
from voicebot.agent.agent import GraphAgent
from voicebot.dialogue.history import Message, Role
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback import AgentFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.llm.groq import Groq
from voicebot.engines.llm.models import Models
from voicebot.engines.llm.realtime import Realtime
from voicebot.engines.llm.request_fields import FamilyFields

OSS, LLAMA, LUNA = "openai/gpt-oss-120b", "llama-3.3-70b-versatile", "gpt-6-luna"


# Models that the services list
# -------------------------------------------------------------------------------------------


async def test_the_probe_chooses_a_listed_model_and_reports_its_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with ChatSimulator(models=(LLAMA,), shutdowns={LLAMA: "2026-08-16"}) as simulator:
        agent = agent_on(groq_on(simulator.url, OSS, LLAMA))
        chain = AgentFallbackGroup([agent], FallbackRules())
        await chain.start()
        await chain.probe()
        (health,) = chain.health
        assert (health.model, health.ready) == (LLAMA, True)
        assert health.warning == "its shutdown is announced for 2026-08-16"
        assert f"Switched from the model {OSS} to {LLAMA}." in caplog.text
        await said(agent)
        assert simulator.completions[0].body["model"] == LLAMA
        await chain.close()


async def test_a_model_removed_by_the_service_is_replaced_within_the_turn() -> None:
    async with ChatSimulator(models=(LLAMA,)) as simulator:
        agent = agent_on(groq_on(simulator.url, OSS, LLAMA))
        simulator.answers.append(Answer("Here I am."))
        assert await said(agent) == "Here I am."
        assert [request.body["model"] for request in simulator.completions] == [OSS, LLAMA]
        await said(agent)
        assert simulator.completions[-1].body["model"] == LLAMA
        await agent.close()


async def test_an_engine_without_any_listed_model_is_not_ready_after_the_probe() -> None:
    async with ChatSimulator(models=("other",)) as simulator:
        agent = agent_on(groq_on(simulator.url, OSS, LLAMA))
        chain = AgentFallbackGroup([agent], FallbackRules())
        await chain.start()
        with pytest.raises(EngineError, match=f"groq: there is no model {OSS} or {LLAMA}") as caught:
            await chain.probe()
        assert caught.value.fault is Fault.MISSING
        assert not chain.health[0].ready
        await chain.close()


async def test_a_self_hosted_server_need_not_list_the_configured_model() -> None:
    async with ChatSimulator(models=("loaded.gguf",)) as simulator:
        agent = agent_on(openai_on(f"{simulator.url}/v1", "any", key=None))
        await agent.probe()
        assert agent.model == "any"
        await agent.close()


async def test_realtime_uses_the_first_preferred_model_that_the_service_lists() -> None:
    async with RealtimeSimulator(models=("gpt-realtime",), key=KEY) as simulator:
        models = Models(("gpt-realtime-2.1", "gpt-realtime"))
        agent = agent_on(Realtime(KEY, base_url=f"{simulator.url}/v1", models=models))
        await agent.probe()
        await said(agent)
        assert agent.model == "gpt-realtime"
        (session,) = simulator.requests
        assert session.model == "gpt-realtime"
        assert "reasoning" not in session.events[0]["session"], "the chosen model does not reason"
        await agent.close()


# Request fields of a model family
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/openai/v1", OSS),
        ("/openai/v1", "qwen/qwen3.6-27b"),
        ("/openai/v1", LLAMA),
        ("/v1", LUNA),
        ("/v1", "gpt-5.4-mini"),
        ("/v1", "gpt-4o-mini"),
    ],
)
async def test_each_model_family_accepts_the_first_request_with_a_tool_call(path: str, model: str) -> None:
    async with ChatSimulator(models=(model,)) as simulator:
        on = groq_on if path == "/openai/v1" else openai_on
        agent = agent_on(on(f"{simulator.url}{path}", model), [weather])
        simulator.answers.extend(
            [
                Answer(calls=(Call("weather", {"place": "Rome"}),), reasoning="They ask for the weather."),
                Answer("It rains.", reasoning="The tool says so."),
            ]
        )
        assert await said(agent) == "It rains."
        assert len(simulator.completions) == 2, "the service refused no request"
        await agent.close()


@pytest.mark.parametrize(
    ("on", "path", "model"),
    [(groq_on, "/openai/v1", "llama-9-reasoner"), (openai_on, "/v1", "gpt-6x"), (openai_on, "/v1", "gpt-4o-mini")],
)
async def test_a_request_field_that_a_model_refuses_is_not_sent_again(
    on: object, path: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the model is taken for one of another family, so that it refuses a field."""
    wrong = FamilyFields(("llama", {"reasoning_effort": "none"}), ("gpt-4o", {"reasoning_effort": "low"}))
    monkeypatch.setattr("voicebot.engines.llm.groq.GROQ_FIELDS", wrong)
    monkeypatch.setattr("voicebot.engines.llm.openai.OPENAI_FIELDS", wrong)
    async with ChatSimulator(models=(model,)) as simulator:
        assert callable(on)
        agent: GraphAgent = agent_on(on(f"{simulator.url}{path}", model), [weather])
        assert await said(agent) != ""
        refused = len(simulator.completions) - 1
        assert 1 <= refused <= 3
        await said(agent)
        assert len(simulator.completions) == refused + 2, "the second turn was accepted at once"
        await agent.close()


# Reasoning ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on", "path", "model"), [(groq_on, "/openai/v1", LLAMA), (openai_on, "/v1", "own-model")])
@pytest.mark.parametrize("in_text", [False, True])
async def test_reasoning_is_never_spoken_and_never_sent_back(on: object, path: str, model: str, in_text: bool) -> None:
    secret = "They want the weather, so I call the tool."
    thought = f"<think>{secret}</think>\n" if in_text else ""
    async with ChatSimulator(models=(model,)) as simulator:
        assert callable(on)
        agent: GraphAgent = agent_on(on(f"{simulator.url}{path}", model), [weather])
        simulator.answers.extend(
            [
                Answer(f"{thought}Let me see.", (Call("weather", {"place": "Rome"}),), reasoning=secret),
                Answer(f"{thought}It rains.", reasoning=secret),
            ]
        )
        assert await said(agent) == "Let me see. It rains."
        assert secret not in str([request.body for request in simulator.completions])
        await agent.close()


async def test_an_answer_of_only_reasoning_is_an_error() -> None:
    async with ChatSimulator(models=(OSS,)) as simulator:
        agent = agent_on(groq_on(simulator.url))
        simulator.answers.append(Answer("<think>Hm, what do they want?"))
        with pytest.raises(EngineError, match="the model gave no answer"):
            await said(agent)
        await agent.close()


# Observed misbehaviour of gpt-oss
# --------------------------------------------------------------------------------------


async def test_a_reply_is_cut_off_where_the_model_starts_to_speak_for_the_user() -> None:
    async with ChatSimulator(models=(OSS,), token_s=0.01) as simulator:
        agent = agent_on(groq_on(simulator.url))
        simulator.answers.append(Answer("In which city?\nUser: in Rome.\nAssistant: It is raining " + "there " * 200))
        assert (await said(agent)).strip() == "In which city?"
        async with asyncio.timeout(5):
            await simulator.completions[0].gone  # The connection is closed, so the rest is not even generated.
        await agent.close()


async def test_the_system_prompt_tells_the_model_to_say_only_its_own_part() -> None:
    async with ChatSimulator(models=(OSS,)) as simulator:
        agent = agent_on(groq_on(simulator.url))
        await said(agent)
        assert "Say only your own part" in simulator.completions[0].body["messages"][0]["content"]
        await agent.close()


async def test_the_notation_of_the_model_is_stripped_from_a_tool_name() -> None:
    async with ChatSimulator(models=(OSS,)) as simulator:
        agent = agent_on(groq_on(simulator.url), [weather])
        simulator.answers.extend(
            [Answer(calls=(Call("functions.weather<|channel|>commentary", {"place": "Rome"}, 0),)), Answer("It rains.")]
        )
        assert await said(agent) == "It rains."
        assert simulator.completions[1].body["messages"][-1]["content"] == "rain in Rome"
        await agent.close()


@pytest.mark.parametrize("status", [None, 400])
async def test_the_model_is_asked_without_tools_after_two_unreadable_tool_calls(status: int | None) -> None:
    error = {"code": "tool_use_failed", "status_code": 400, "message": "Failed to call a function."}
    async with ChatSimulator(models=(OSS,)) as simulator:
        agent = agent_on(groq_on(simulator.url), [weather])
        simulator.answers.extend([Answer(error=error, status=status)] * 2)
        simulator.answers.append(Answer("I can't look that up just now."))
        assert await said(agent) == "I can't look that up just now."
        assert ["tools" in request.body for request in simulator.completions] == [True, True, False]
        await agent.close()


async def test_an_unreadable_tool_call_after_spoken_text_fails_without_a_retry() -> None:
    async with ChatSimulator(models=(OSS,)) as simulator:
        agent = agent_on(groq_on(simulator.url), [weather])
        simulator.answers.append(Answer("Let me see.", error={"code": "tool_use_failed", "status_code": 400}))
        heard: list[str] = []

        async def listen() -> None:
            async for token in agent.reply(ASKED, WANTED):
                heard.append(token)

        with pytest.raises(EngineError, match="the model called a tool wrongly"):
            await listen()
        assert "".join(heard) == "Let me see."
        assert len(simulator.completions) == 1
        await agent.close()


# Limits, and servers with other habits
# ----------------------------------------------------------------------------------


async def test_a_history_refused_as_too_large_is_shortened_within_the_turn() -> None:
    """Groq's free tier refuses it in this way, without a header that says how much is left."""
    refused = Answer(status=413, error={"code": "rate_limit_exceeded", "message": "Request too large for model"})
    history = tuple(Message(Role(("user", "assistant")[n % 2]), "word " * 200) for n in range(21))
    async with ChatSimulator(models=(OSS,)) as simulator:
        agent = agent_on(groq_on(simulator.url))
        chain = AgentFallbackGroup([agent], FallbackRules(backoff_s=0))
        await chain.start()
        simulator.answers.extend([refused, Answer("Here I am.")])
        async with aclosing(chain.reply(history, WANTED)) as tokens:
            heard = [token async for token in tokens if isinstance(token, str)]
        assert "".join(heard) == "Here I am."
        first, second = (len(request.body["messages"]) for request in simulator.completions)
        assert second <= first / 2 + 1
        await chain.close()


async def test_an_answer_is_charged_to_the_rate_limit_of_the_model_that_began_it() -> None:
    """Another session loses that model meanwhile, so that the next requests go to the other one."""
    everything = 1_000_000
    async with ChatSimulator(models=(OSS, LLAMA), limit=TokenLimit(8_000)) as simulator:
        models = Models((OSS, LLAMA), lambda: 5_000.0)  # No time passes, so that no tokens are refilled.
        agent = agent_on(Groq(KEY, base_url=simulator.url, models=models))
        simulator.answers.append(Answer("one two three"))
        async with aclosing(agent.reply(ASKED, WANTED)) as tokens:
            assert await anext(tokens)
            began, began_wait_s = models.limits, models.limits.wait_s(everything)
            models.lose(OSS)
            models.limits.observe({"x-ratelimit-limit-tokens": "8000", "x-ratelimit-remaining-tokens": "8000"})
            assert "".join([token async for token in tokens])
        assert began.wait_s(everything) > began_wait_s
        assert models.current == LLAMA
        assert models.limits.wait_s(everything) == 0, "the other model generated no part of the answer"
        await agent.close()


async def test_a_404_without_an_error_code_counts_as_a_missing_model() -> None:
    """Ollama and vLLM report it in this way."""
    async with ChatSimulator(models=("one", "two")) as simulator:
        agent = agent_on(openai_on(f"{simulator.url}/v1", "one", "two", key=None))
        simulator.answers.extend([Answer(status=404, error={"message": "model not found"}), Answer("Two here.")])
        assert await said(agent) == "Two here."
        assert [request.body["model"] for request in simulator.completions] == ["one", "two"]
        await agent.close()


@pytest.mark.parametrize("status", [400, 422])
async def test_a_field_that_a_gateway_does_not_know_is_left_out(status: int) -> None:
    async with ChatSimulator(models=(LUNA,)) as simulator:
        agent = agent_on(openai_on(f"{simulator.url}/v1", LUNA))
        refusal = Answer(status=status, error={"message": "body.reasoning_effort: extra fields not permitted"})
        simulator.answers.extend([refusal, Answer("Well then.")])
        assert await said(agent) == "Well then."
        assert ["reasoning_effort" in request.body for request in simulator.completions] == [True, False]
        await agent.close()


async def test_a_realtime_key_that_may_not_list_models_still_gets_replies() -> None:
    async with RealtimeSimulator(key=KEY, list_status=403) as simulator:
        agent = agent_on(Realtime(KEY, base_url=f"{simulator.url}/v1", models=Models(("gpt-realtime-2.1",))))
        await agent.probe()
        assert await said(agent)
        await agent.close()
