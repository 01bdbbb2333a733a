"""Hugging Face's Inference Providers: the permission of the token, and the effect of each fault."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from tests.integration.engines.replies import ASKED, WANTED, WORDS, weather
from tests.simulators.brain import Answer, Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.faults import Fault
from tests.simulators.huggingface import FOR_TURN, INFERENCE, TOKEN, WHOAMI, HuggingFaceSimulator, token_info
from tests.support.closed_port import closed_port
from voicebot.agent.agent import GraphAgent
from voicebot.bootstrap import discovery
from voicebot.bootstrap.discovery import discover, with_costs
from voicebot.bootstrap.engines import build
from voicebot.engines.errors import EngineError
from voicebot.engines.fallback import AgentFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.health import EngineHealth
from voicebot.engines.llm.huggingface import HuggingFace
from voicebot.engines.llm.models import Models
from voicebot.engines.protocols import EngineSelected
from voicebot.settings import config
from voicebot.settings.registry import Found
from voicebot.settings.tuning import Tuning

OSS = "openai/gpt-oss-120b"


@pytest.fixture(autouse=True)
def nothing_at_the_usual_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes sure that a server on the developer's own machine is not found."""
    for name in ("OLLAMA_ADDRESS", "LLAMA_CPP_ADDRESS"):
        monkeypatch.setattr(f"voicebot.settings.destinations.{name}", f"http://127.0.0.1:{closed_port()}")


def settings_on(service: HuggingFaceSimulator, **settings: Any) -> config.Settings:
    return config.load(**{"hf_token": TOKEN, "huggingface_base_url": f"{service.url}/v1", **settings})


async def found_with(service: HuggingFaceSimulator, **settings: Any) -> Found:
    return await asyncio.to_thread(discover, settings_on(service, **settings))


def agent_on(service: HuggingFaceSimulator, *models: str, token: str = TOKEN) -> GraphAgent:
    router = HuggingFace(token, base_url=f"{service.url}/v1", models=Models(models or (OSS,)))
    return GraphAgent(router.model, [weather], router.name, service=router)


async def answer(chain: AgentFallbackGroup) -> tuple[str, str]:
    """Returns the engine that answered, and its text."""
    engine, text = "", ""
    async for output in chain.reply(ASKED, WANTED):
        if isinstance(output, EngineSelected):
            engine, text = output.engine, ""
        else:
            text += output
    return engine, text


# The token ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "info",
    [token_info(own=[INFERENCE]), token_info(everywhere=[INFERENCE]), token_info(own=["repo.write", INFERENCE])],
    ids=["own account", "everywhere", "among others"],
)
async def test_a_token_with_the_inference_permission_enables_the_engine(info: dict[str, Any]) -> None:
    async with HuggingFaceSimulator(info=info) as service:
        found = await found_with(service)
        assert found == Found(huggingface=True)
        health = EngineHealth(build(settings_on(service), found)).health
        assert [engine.name for engine in health["llm"]] == ["huggingface", "offline"]


@pytest.mark.parametrize(
    "info",
    [
        FOR_TURN,
        token_info(own=["repo.write", "inference.endpoints.infer.write"]),
        token_info(of_org=[INFERENCE]),
        token_info("read"),
        token_info("write"),
        {"type": "user", "name": "me"},
        {"auth": {"accessToken": {"fineGrained": {"global": {INFERENCE: False}, "scoped": [7]}}}},
    ],
    ids=["for TURN", "other permissions", "an organisation's", "read", "write", "says nothing", "makes no sense"],
)
async def test_a_token_without_the_inference_permission_is_reported_and_not_used(info: dict[str, Any]) -> None:
    async with HuggingFaceSimulator(info=info) as service:
        found = await found_with(service)
        assert not found.huggingface
        (remark,) = found.remarks
        assert remark.startswith("HF_TOKEN is not used for answers: ")
        assert TOKEN not in remark
        assert [request.path for request in service.requests] == [WHOAMI]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.UNAUTHORIZED,
        Fault.FORBIDDEN,
        Fault.SERVER_ERROR,
        Fault.RATE_LIMITED,
        Fault.REFUSE,
        Fault.GARBAGE,
        Fault.HANG,
    ],
)
async def test_a_token_whose_permission_cannot_be_checked_is_not_used(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "TOKEN_S", 0.3)
    async with HuggingFaceSimulator() as service:
        service.hub.always(fault)
        begun_s = time.monotonic()
        found = await found_with(service)
        assert time.monotonic() - begun_s < 2.0
        assert not found.huggingface
        assert found.remarks
        assert {request.path for request in service.requests} == {WHOAMI}


async def test_an_unreachable_hub_is_reported_and_the_token_is_not_used() -> None:
    settings = config.load(hf_token=TOKEN, huggingface_base_url=f"http://127.0.0.1:{closed_port()}/v1")
    found = await asyncio.to_thread(discover, settings)
    assert not found.huggingface
    assert found.remarks == (
        "HF_TOKEN is not used for answers: Hugging Face did not report the token's permissions (no connection).",
    )


async def test_hugging_face_is_not_contacted_without_a_token_or_with_another_engine_chosen() -> None:
    async with HuggingFaceSimulator() as service:
        assert await found_with(service, hf_token=None) == Found()
        assert await found_with(service, llm_engine="offline") == Found()
        assert service.connections == 0


def test_a_space_with_a_paid_engine_limits_the_turns_per_day_by_default() -> None:
    paid, free = Found(huggingface=True), Found()
    space = {"space_id": "me/bot", "hf_token": TOKEN}
    assert with_costs(config.load(**space), paid).turns_per_day == 500
    assert with_costs(config.load(**space), free).turns_per_day == 0
    assert with_costs(config.load(**space, turns_per_day=7), paid).turns_per_day == 7
    assert with_costs(config.load(hf_token=TOKEN), paid).turns_per_day == 0
    assert config.load(**space, llm_engine="huggingface,offline").turns_per_day == 500


# The models -----------------------------------------------------------------------------------------------------------


async def test_a_reply_uses_tools_and_leaves_out_the_reasoning() -> None:
    async with HuggingFaceSimulator() as service:
        service.answers.extend(
            [
                Answer(calls=(Call("weather", {"place": "Rome"}),), reasoning="I should look."),
                Answer("It rains.", reasoning="The tool says so."),
            ]
        )
        agent = agent_on(service)
        assert "".join([token async for token in agent.reply(ASKED, WANTED)]) == "It rains."
        first = service.completions[0]
        assert first.headers["authorization"] == f"Bearer {TOKEN}"
        assert first.body["reasoning_effort"] == "low"
        await agent.close()


@pytest.mark.parametrize(
    ("named", "used"),
    [
        (("Qwen/Qwen9", OSS), OSS),
        (("meta-llama/gone", "deepseek-ai/DeepSeek-V4-Pro"), "deepseek-ai/DeepSeek-V4-Pro"),
        ((f"{OSS}:cheapest",), f"{OSS}:cheapest"),
    ],
)
async def test_uses_the_first_configured_model_that_the_service_lists(named: tuple[str, ...], used: str) -> None:
    async with HuggingFaceSimulator() as service:
        agent = agent_on(service, *named)
        await agent.probe()
        assert agent.model == used
        await agent.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"info": FOR_TURN}, "huggingface: the token of HF_TOKEN does not have the permission"),
        ({"key": "hf_another"}, "huggingface: the key was not accepted"),
        ({"models": ("Qwen/Qwen9",)}, f"huggingface: there is no model {OSS}"),
    ],
    ids=["permission", "expired", "model"],
)
async def test_the_probe_reports_a_missing_permission_a_rejected_key_and_a_missing_model(
    change: dict[str, Any], message: str
) -> None:
    async with HuggingFaceSimulator(**change) as service:
        token = TOKEN if "key" not in change else "hf_expired"
        agent = agent_on(service, token=token)
        with pytest.raises(EngineError) as caught:
            await agent.probe()
        assert str(caught.value).startswith(message)
        assert token not in str(caught.value)
        await agent.close()


async def test_the_probe_succeeds_while_the_hub_fails() -> None:
    async with HuggingFaceSimulator() as service:
        service.hub.always(Fault.SERVER_ERROR)
        agent = agent_on(service)
        await agent.probe()
        assert agent.model == OSS
        await agent.close()


@pytest.mark.parametrize("fault", [fault for fault in Fault if not fault.is_in_mid_stream])
async def test_the_next_engine_answers_after_each_fault(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with HuggingFaceSimulator() as service, ChatSimulator(brain=lambda *_: Answer("Here I am.")) as other:
        service.faults.always(fault)
        options = settings_on(
            service, openai_api_key="sk-any", openai_base_url=f"{other.url}/v1", llm_engine="huggingface,openai"
        )
        engines = build(options.model_copy(update={"tuning": Tuning(first_output_timeout_s=0.5, llm_retries=1)}))
        assert isinstance(engines.agent, AgentFallbackGroup)
        await engines.agent.start()
        assert await answer(engines.agent) == ("openai", "Here I am.")
        (error, _) = (health.reason for health in engines.agent.health)
        assert error
        assert TOKEN not in caplog.text + error
        assert WORDS not in caplog.text + error
        await engines.close()


async def test_a_reply_with_an_unpermitted_token_reports_the_refusal_by_the_service() -> None:
    """This covers `huggingface` as the configured engine, whose token the Hub did not check before."""
    async with HuggingFaceSimulator(info=FOR_TURN) as service:
        chain = AgentFallbackGroup([agent_on(service)], FallbackRules(retries=0))
        await chain.start()
        with pytest.raises(EngineError, match="the key may not be used for this"):
            await answer(chain)
        await chain.close()
