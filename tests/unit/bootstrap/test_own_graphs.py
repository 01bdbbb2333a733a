"""The setting AGENT: the engines that it makes, what is refused, and what visitors are told."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from voicebot.agent.personas import personas as known_personas
from voicebot.bootstrap import engines as build
from voicebot.check import report
from voicebot.check.results import CheckedStage
from voicebot.engines.errors import EngineError
from voicebot.engines.health import EngineHealth
from voicebot.engines.protocols import Engines
from voicebot.session.available_preferences import AvailablePreferences
from voicebot.settings import config
from voicebot.settings.config import SettingsError
from voicebot.web.server import notice

GRAPHS = "tests.support.own_graphs"
ECHO, MAKE = f"{GRAPHS}:echo", f"{GRAPHS}:make"
KEY = SecretStr("a-key")


def built(**settings: Any) -> Engines:
    return build.build(config.load(**settings))


def models(engines: Engines) -> list[tuple[str, str | None]]:
    return [(engine.name, engine.graph) for engine in EngineHealth(engines).health["llm"]]


async def test_a_compiled_graph_is_the_only_engine_that_answers_whatever_llm_engine_says() -> None:
    engines = built(agent=ECHO, llm_engine="groq")
    assert models(engines) == [("echo-bot", "echo-bot")]
    await engines.close()


async def test_a_compiled_graph_may_know_any_language() -> None:
    """The embedded model, which knows English only, is not used."""
    settings: dict[str, Any] = {"language": "de", "deepgram_api_key": KEY, "tts_engine": "espeak"}
    with pytest.raises(SettingsError, match="offline"):
        built(**settings)
    engines = built(agent=ECHO, **settings)
    assert "de" in engines.agent.languages
    await engines.close()


async def test_a_factory_makes_a_graph_around_the_model_of_each_engine() -> None:
    engines = built(agent=MAKE, groq_api_key=KEY)
    assert models(engines) == [("groq", "own_graphs"), ("offline", "own_graphs")]
    await engines.close()


def test_the_models_of_a_factory_are_checked_as_ever() -> None:
    with pytest.raises(SettingsError, match="GROQ_API_KEY: The engine groq needs this key"):
        built(agent=MAKE, llm_engine="groq")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"agent": "graph"}, "AGENT: The value must be package.module:name or path/file.py:name"),
        ({"agent": "no.such.module:graph"}, "AGENT: There is no module 'no'"),
        ({"agent": "nowhere/graph.py:graph"}, "AGENT: There is no file 'nowhere/graph.py'"),
        ({"agent": f"{GRAPHS}:ekho"}, f"AGENT: {GRAPHS} has no 'ekho'; did you mean 'echo'?"),
        ({"agent": ECHO, "agent_node": "model"}, "AGENT_NODE: it has no node 'model'; there is answer"),
        (
            {"agent": ECHO, "tools": "examples/tools/reminders.py"},
            "TOOLS: A compiled graph has its own tools. Name a factory in AGENT, which gets them",
        ),
        ({"agent_node": "model"}, "AGENT_NODE: This setting needs AGENT"),
    ],
)
def test_an_agent_that_cannot_be_used_is_a_wrong_setting(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        built(**settings)
    assert says in str(caught.value)


async def test_a_factory_that_fails_is_found_out_at_the_start_and_no_engine_answers() -> None:
    engines = built(agent=f"{GRAPHS}:make_nothing")
    with pytest.raises(EngineError, match=r"offline: the factory that AGENT names failed: KeyError: 'api_kye' at"):
        await engines.agent.start()
    health = EngineHealth(engines)
    assert health.problem is not None
    assert "the factory that AGENT names failed" in health.problem
    await engines.close()


@pytest.mark.parametrize("name", ["make", "make_slowly", "echo"])
async def test_an_agent_that_works_is_ready_after_the_start(name: str) -> None:
    engines = built(agent=f"{GRAPHS}:{name}")
    await engines.agent.start()
    health = EngineHealth(engines)
    assert [engine.ready for engine in (await health.check())["llm"]] == [True]
    await engines.close()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"agent": ECHO},
            "Your words go to echo-bot, the operator's own agent, which answers.",
        ),
        (
            {"agent": MAKE},
            "Own_graphs, the operator's own agent, takes part in the answers and may pass your words on.",
        ),
        (
            {"agent": MAKE, "groq_api_key": KEY, "tts_engine": "espeak"},
            "Your words go to Groq, which answers; own_graphs, the operator's own agent, takes part in the answers "
            "and may pass your words on.",
        ),
    ],
)
async def test_visitors_are_told_that_an_operator_s_agent_gets_their_words(settings: dict[str, Any], says: str) -> None:
    engines = built(**settings)
    assert notice(EngineHealth(engines).health, config.load(**settings)).startswith(says)
    await engines.close()


async def test_visitors_choose_personas_only_where_some_model_is_told_of_them() -> None:
    for agent, personas in ((ECHO, ("assistant",)), (MAKE, ("assistant", "sales"))):
        settings = config.load(agent=agent, groq_api_key=KEY)
        engines = build.build(settings)
        await engines.agent.start()
        assert AvailablePreferences(engines, settings.preferences, known_personas()).personas == personas
        await engines.close()


@pytest.mark.parametrize(
    ("agent", "chain", "lines"),
    [
        (ECHO, ["echo-bot"], ["  AGENT       echo-bot (a compiled graph, which has its own model)"]),
        (
            MAKE,
            ["offline"],
            ["  LLM_ENGINE  offline (auto)", f"  AGENT       {MAKE} answers with each of these models"],
        ),
    ],
)
def test_the_check_lists_the_agent(agent: str, chain: list[str], lines: list[str]) -> None:
    assert report.chain_lines(config.load(agent=agent), {CheckedStage.ANSWER: chain})[2:] == lines
