"""A model on the user's own server: how it is found and chosen, and what must not be sent to it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.engines.replies import ASKED, WANTED, WORDS, weather
from tests.simulators.brain import Answer, Call
from tests.simulators.chat import ChatSimulator
from tests.simulators.chat_models import prompt_tokens
from tests.simulators.faults import Fault
from tests.simulators.http_connection import Received
from tests.simulators.local_servers import LlamaCppSimulator, OllamaModel, OllamaSimulator, WebAppSimulator
from tests.support.closed_port import closed_port
from tests.support.waiting import until
from voicebot.agent.agent import GraphAgent
from voicebot.bootstrap.discovery import LOCAL_S as USUAL_LOCAL_S
from voicebot.bootstrap.discovery import discover
from voicebot.bootstrap.engines import build
from voicebot.dialogue.history import Message, Role
from voicebot.engines.errors import EngineError
from voicebot.engines.fallback import AgentFallbackGroup
from voicebot.engines.health import EngineHealth
from voicebot.engines.llm.local import KEEP_LOADED, Local
from voicebot.engines.protocols import EngineSelected, EngineStatus
from voicebot.settings import config
from voicebot.settings.registry import Found

LLAMA = OllamaModel("llama3.2:latest")
THINKER = OllamaModel("qwen3:8b", "2026-07-01", ("completion", "tools", "thinking"))
NO_TOOLS = OllamaModel("gemma3:4b", "2026-06-01", ("completion", "vision"))
VECTORS = OllamaModel("nomic-embed-text:latest", "2026-10-01", ("embedding",), family="nomic-bert")
CLOUD = OllamaModel("gpt-oss:120b-cloud", "2026-11-01", remote_host="https://ollama.com:443")
ALIAS = OllamaModel("my-model:latest", "2026-11-02", remote_host="https://ollama.com:443", is_alias=True)


@pytest.fixture(autouse=True)
def nothing_at_the_usual_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes sure that a server on the developer's own machine is not found."""
    for name in ("OLLAMA_ADDRESS", "LLAMA_CPP_ADDRESS"):
        monkeypatch.setattr(f"voicebot.settings.destinations.{name}", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setattr("voicebot.bootstrap.discovery.LOCAL_S", 10.0)  # Other tests may use the processor meanwhile.


async def found_at(*servers: ChatSimulator, **settings: Any) -> Found:
    """Returns what discovery finds with Ollama's address set to that of the first server."""
    addresses = {"ollama_host": servers[0].url} if servers else {}
    return await asyncio.to_thread(discover, config.load(**addresses, **settings))


@asynccontextmanager
async def chain_on(server: ChatSimulator, **settings: Any) -> AsyncIterator[AgentFallbackGroup]:
    """Returns the models that `auto` chooses with this server, started and probed as in the app."""
    options = config.load(**{"ollama_host": server.url, "engine_rest_s": 0.1, **settings})
    engines = build(options, Found(local=True))
    assert isinstance(engines.agent, AgentFallbackGroup)
    await engines.agent.start()
    try:
        await engines.agent.probe_due()
        yield engines.agent
    finally:
        await engines.close()


def first(chain: AgentFallbackGroup) -> EngineStatus:
    return chain.health[0]


async def answer(chain: AgentFallbackGroup) -> tuple[str, str]:
    """Returns the engine that answered, and its text."""
    engine, text = "", ""
    async for output in chain.reply(ASKED, WANTED):
        if isinstance(output, EngineSelected):
            engine, text = output.engine, ""
        else:
            text += output
    return engine, text


def asked_with_words(server: ChatSimulator) -> int:
    """Returns the number of requests that contained the user's words."""
    return sum(WORDS in str(request.body) for request in server.requests)


def is_cold(chain: AgentFallbackGroup) -> bool:
    agent = chain.engines[0]
    assert isinstance(agent, GraphAgent)
    return agent.is_cold


def loads(server: OllamaSimulator) -> list[Received]:
    return [request for request in server.requests if request.path == "/api/generate"]


# Discovery
# -------------------------------------------------------------------------------------------------------------


async def test_only_the_offline_engine_is_used_when_no_server_is_found() -> None:
    found = await found_at()
    assert found == Found()
    health = EngineHealth(build(config.load(), found)).health
    assert [engine.name for engine in health["llm"]] == ["offline"]


async def test_no_server_is_contacted_when_the_engines_are_configured_by_name() -> None:
    async with OllamaSimulator(library=[LLAMA]) as ollama:
        assert await found_at(ollama, llm_engine="offline") == Found()
        assert ollama.connections == 0


@pytest.mark.parametrize("address", ["OLLAMA_HOST", "OPENAI_BASE_URL"])
@pytest.mark.parametrize("kind", [OllamaSimulator, LlamaCppSimulator])
async def test_ollama_and_llama_cpp_are_found_at_either_configured_address(
    address: str, kind: type[ChatSimulator]
) -> None:
    """A server is identified by its answers and not by its port: llama.cpp may run at Ollama's usual port, and vice
    versa."""
    server: ChatSimulator = OllamaSimulator(library=[LLAMA]) if kind is OllamaSimulator else LlamaCppSimulator()
    async with server:
        where = {"OLLAMA_HOST": server.url, "OPENAI_BASE_URL": f"{server.url}/v1"}[address]
        settings = config.load(**{address.lower(): where})
        found = await asyncio.to_thread(discover, settings)
        assert found.local
        names = [engine.name for engine in EngineHealth(build(settings, found)).health["llm"]]
        assert names == ["local", "offline"]


async def test_a_llama_cpp_server_with_another_server_header_is_known_by_its_model_list() -> None:
    async with LlamaCppSimulator(headers={"Server": "nginx"}) as server:
        assert (await found_at(server)).local


@pytest.mark.parametrize(
    "app",
    [
        WebAppSimulator(),
        WebAppSimulator(page="Ollama is running"),
        WebAppSimulator(status=404, page=""),
        WebAppSimulator(status=503, page="Loading"),
        WebAppSimulator(page='{"data": [{"id": "llama3", "owned_by": "vllm"}]}'),
        WebAppSimulator(page='[["version", "models"]]'),
        WebAppSimulator(status=307, headers={"Location": "http://192.0.2.1/"}),
    ],
    ids=lambda app: f"{app.status} {app.page}",
)
async def test_another_web_app_is_not_taken_for_a_model_server(app: WebAppSimulator) -> None:
    async with app:
        assert not (await found_at(app)).local
        assert {request.method for request in app.requests} == {"GET"}
        assert [request.body for request in app.requests if request.body] == []


async def test_an_unexpected_error_in_discovery_becomes_a_remark(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mistake(*_: object) -> None:
        raise TypeError("a mistake in discovery")

    monkeypatch.setattr("voicebot.engines.llm.local_servers.look", mistake)
    async with OllamaSimulator(library=[LLAMA]) as ollama:
        found = await found_at(ollama)
    assert found == Found(remarks=("The search for models failed: TypeError.",))


@pytest.mark.parametrize(
    "strange",
    [
        {"models": "none"},
        {"models": [7, None, {}, {"name": None}, {"name": "a", "details": 7, "modified_at": 7}]},
        {"models": [{"name": "a", "details": {"family": {}, "families": "x"}, "modified_at": "yesterday"}]},
        [],
    ],
    ids=str,
)
async def test_malformed_model_lists_do_not_break_discovery(strange: object) -> None:
    class Strange(OllamaSimulator):
        async def respond(self, http: Any, request: Received) -> bool:
            if request.path in ("/api/tags", "/api/ps", "/api/show"):
                await http.text(200, json.dumps(strange), {"Content-Type": "application/json"})
                return True
            return await super().respond(http, request)

    async with Strange(library=[LLAMA]) as ollama:
        assert (await found_at(ollama)).remarks == ()


async def test_a_server_that_gives_no_ollama_version_is_not_used() -> None:
    async with OllamaSimulator(library=[LLAMA], version=None) as ollama:
        assert not (await found_at(ollama)).local


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.HALF_OPEN, Fault.REFUSE, Fault.SERVER_ERROR, Fault.UNAUTHORIZED])
async def test_a_failing_server_is_skipped_within_a_second(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.bootstrap.discovery.LOCAL_S", USUAL_LOCAL_S)
    async with OllamaSimulator(library=[LLAMA]) as ollama:
        ollama.faults.always(fault)
        await found_at()  # The first discovery loads modules, which does not count as waiting.
        begun_s = time.monotonic()
        assert not (await found_at(ollama)).local
        assert time.monotonic() - begun_s < USUAL_LOCAL_S + 0.7, "the machine is too busy for this test"


async def test_a_hanging_server_does_not_hide_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.bootstrap.discovery.LOCAL_S", 2.0)
    async with OllamaSimulator() as ollama, LlamaCppSimulator() as server:
        ollama.faults.always(Fault.HANG)
        monkeypatch.setattr("voicebot.settings.destinations.LLAMA_CPP_ADDRESS", server.url)
        assert (await found_at(ollama)).local


@pytest.mark.parametrize("library", [[], [VECTORS], [CLOUD], [ALIAS], [VECTORS, CLOUD, ALIAS]], ids=len)
async def test_an_ollama_server_without_a_local_chat_model_is_not_used(library: list[OllamaModel]) -> None:
    """Models in Ollama's cloud would send the user's words to ollama.com, also under another name."""
    async with OllamaSimulator(library=library) as ollama:
        assert not (await found_at(ollama)).local


@pytest.mark.parametrize(
    "server",
    [
        LlamaCppSimulator(wanted_key="secret"),
        LlamaCppSimulator(models=("one.gguf", "two.gguf")),
        LlamaCppSimulator(template=""),
        LlamaCppSimulator(models=("/models/bge-m3-Q8_0.gguf",)),
        LlamaCppSimulator(models=("Qwen3-Reranker-0.6B.gguf",)),
    ],
    ids=["key", "several", "no template", "vectors", "reranker"],
)
async def test_a_llama_cpp_server_that_cannot_chat_is_not_used(server: LlamaCppSimulator) -> None:
    async with server:
        assert not (await found_at(server)).local


async def test_a_llama_cpp_server_that_still_loads_its_model_is_found_and_used_later() -> None:
    async with LlamaCppSimulator(loading=True) as server:
        assert (await found_at(server)).local
        async with chain_on(server) as chain:
            assert (
                first(chain).reason == f"llama.cpp at {server.url.removeprefix('http://')} is still loading its model"
            )
            assert (await answer(chain))[0] == "offline"
            server.loading = False
            await until(lambda: first(chain).ready)
            assert (await answer(chain))[0] == "local"


# The choice of the model
# -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("library", "loaded", "named", "chosen"),
    [
        ([LLAMA, THINKER, NO_TOOLS], [], "", "qwen3:8b"),
        ([LLAMA, THINKER, NO_TOOLS], ["llama3.2:latest"], "", "llama3.2:latest"),
        ([LLAMA, THINKER, VECTORS, CLOUD, ALIAS], [VECTORS.name, CLOUD.name], "", "qwen3:8b"),
        ([LLAMA, THINKER, NO_TOOLS], ["qwen3:8b"], "missing,gemma3:4b,llama3.2", "gemma3:4b"),
        ([LLAMA, THINKER], [], "llama3.2", "llama3.2:latest"),
        # Old versions do not say what a model can do.
        (
            [OllamaModel("mistral:7b", capabilities=None), OllamaModel("bert:1", capabilities=None, family="bert")],
            [],
            "",
            "mistral:7b",
        ),
    ],
    ids=["pulled last", "in memory", "only those that chat here", "named", "named without a tag", "old version"],
)
async def test_prefers_the_named_then_the_loaded_then_the_newest_ollama_model(
    library: list[OllamaModel], loaded: list[str], named: str, chosen: str
) -> None:
    async with OllamaSimulator(library=library, loaded=loaded) as ollama, chain_on(ollama, local_model=named) as chain:
        assert first(chain).model == chosen
        assert (await answer(chain))[0] == "local"
        assert ollama.completions[0].body["model"] == chosen


async def test_a_missing_named_model_is_reported_with_the_available_models() -> None:
    async with OllamaSimulator(library=[LLAMA]) as ollama, chain_on(ollama, local_model="phi4") as chain:
        assert "has no model phi4 to talk with, only llama3.2:latest" in str(first(chain).reason)
        assert (await answer(chain))[0] == "offline"


async def test_a_model_in_the_cloud_is_not_used_even_if_it_is_named() -> None:
    async with OllamaSimulator(library=[LLAMA, CLOUD]) as ollama:
        assert not (await found_at(ollama, local_model=CLOUD.name)).local


async def test_a_model_that_does_not_fit_into_memory_gives_way_to_the_next() -> None:
    async with OllamaSimulator(library=[LLAMA, THINKER], too_large={"qwen3:8b"}) as ollama, chain_on(ollama) as chain:
        assert (await answer(chain))[0] == "local"
        assert ollama.completions[0].body["model"] == "llama3.2:latest"
        assert first(chain).model == "llama3.2:latest"


async def test_the_reported_model_name_leaves_out_the_folders_of_its_file() -> None:
    async with LlamaCppSimulator() as server, chain_on(server) as chain:
        assert first(chain).model == "Qwen3-4B-Q4_K_M.gguf"


# Requests
# --------------------------------------------------------------------------------------------------------------


def agent_on(server: ChatSimulator) -> GraphAgent:
    service = Local([server.url])
    return GraphAgent(service.model, [weather], service.name, service=service)


async def said(agent: GraphAgent) -> str:
    return "".join([token async for token in agent.reply(ASKED, WANTED)])


@pytest.mark.parametrize(
    "server",
    [OllamaSimulator(library=[LLAMA], loaded=[LLAMA.name]), LlamaCppSimulator()],
    ids=["Ollama", "llama.cpp"],
)
async def test_a_model_that_supports_tools_calls_them(server: ChatSimulator) -> None:
    async with server:
        server.answers.extend([Answer(calls=(Call("weather", {"place": "Rome"}),)), Answer("It rains.")])
        agent = agent_on(server)
        assert await said(agent) == "It rains."
        assert server.completions[1].body["messages"][-1]["content"] == "rain in Rome"
        await agent.close()


@pytest.mark.parametrize(
    "server",
    [OllamaSimulator(library=[NO_TOOLS], loaded=[NO_TOOLS.name]), LlamaCppSimulator(uses_tools=False)],
    ids=["Ollama", "llama.cpp"],
)
async def test_a_model_without_tool_support_is_offered_no_tools(server: ChatSimulator) -> None:
    async with server:
        server.answers.append(Answer("I can't look outside."))
        agent = agent_on(server)
        assert await said(agent) == "I can't look outside."
        (request,) = server.completions
        assert "tools" not in request.body
        await agent.close()


@pytest.mark.parametrize(
    ("server", "field", "value"),
    [
        (OllamaSimulator(library=[THINKER]), "reasoning_effort", "none"),
        (OllamaSimulator(library=[LLAMA]), "reasoning_effort", None),
        (
            OllamaSimulator(library=[OllamaModel("gpt-oss:20b", capabilities=("completion", "tools", "thinking"))]),
            "reasoning_effort",
            "low",
        ),
        (
            LlamaCppSimulator(template="{% if enable_thinking %}<think>{% endif %}{{ messages }}"),
            "chat_template_kwargs",
            {"enable_thinking": False},
        ),
        (LlamaCppSimulator(), "chat_template_kwargs", None),
    ],
    ids=["Ollama", "Ollama, no reasoning", "gpt-oss", "llama.cpp", "llama.cpp, no reasoning"],
)
async def test_reasoning_is_turned_down_where_possible_and_never_spoken(
    server: ChatSimulator, field: str, value: object
) -> None:
    async with server:
        server.answers.append(
            Answer("<think>They have a birthday.</think>Congratulations!", reasoning="They have one.")
        )
        agent = agent_on(server)
        assert await said(agent) == "Congratulations!"
        (request,) = server.completions
        assert request.body.get(field) == value
        await agent.close()


async def test_the_history_is_shortened_to_the_context_size_of_the_server() -> None:
    """llama.cpp refuses a request that is longer than the context with which it was started."""
    history = tuple(Message(Role(("user", "assistant")[n % 2]), "word " * 100) for n in range(41))
    async with LlamaCppSimulator(context_tokens=2_048) as server, chain_on(server) as chain:
        outputs = [output async for output in chain.reply(history, WANTED)]
        assert outputs[0] == EngineSelected("local")
        request = server.completions[-1]
        assert 1_000 < prompt_tokens(request.body) < 2_048
        assert [each["role"] for each in request.body["messages"][:2]] == ["system", "user"]


async def test_requests_to_a_local_server_bypass_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with WebAppSimulator() as proxy, LlamaCppSimulator() as server:
        monkeypatch.delenv("NO_PROXY")
        for name in ("HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await found_at(server)).local
        async with chain_on(server) as chain:
            assert (await answer(chain))[0] == "local"
        assert proxy.connections == 0


async def test_a_redirect_of_a_chat_request_is_not_followed() -> None:
    class Moving(LlamaCppSimulator):
        async def respond(self, http: Any, request: Received) -> bool:
            if request.path == "/v1/chat/completions":
                await http.text(307, "", {"Location": f"{elsewhere.url}/v1/chat/completions"})
                return True
            return await super().respond(http, request)

    async with WebAppSimulator() as elsewhere, Moving() as server, chain_on(server) as chain:
        assert (await answer(chain))[0] == "offline"
        assert elsewhere.connections == 0


# Servers that appear and disappear
# ---------------------------------------------------------------------------------------


async def test_another_program_at_the_port_of_the_server_is_sent_no_user_text() -> None:
    async with LlamaCppSimulator() as server, chain_on(server, engine_rest_s=600) as chain:
        assert (await answer(chain))[0] == "local"
        server.requests.clear()

        async def other(http: Any, request: Received) -> bool:
            await http.text(200, "<html>Jenkins</html>", {"Content-Type": "text/html"})
            return True

        server.respond = other  # type: ignore[method-assign]
        server.headers.clear()
        assert (await answer(chain))[0] == "offline"
        assert server.requests, "the engine asked the server for its identity"
        assert not asked_with_words(server)


async def test_a_server_that_goes_down_is_used_again_once_it_is_back() -> None:
    async with OllamaSimulator(library=[LLAMA], loaded=[LLAMA.name]) as ollama, chain_on(ollama) as chain:
        assert (await answer(chain))[0] == "local"
        ollama.faults.always(Fault.REFUSE)
        assert (await answer(chain))[0] == "offline"
        assert not first(chain).ready
        ollama.faults.always(None)
        await until(lambda: first(chain).ready)
        assert (await answer(chain))[0] == "local"


async def test_a_local_engine_configured_by_name_is_used_once_its_server_appears() -> None:
    async with OllamaSimulator(library=[LLAMA]) as ollama:
        ollama.faults.always(Fault.REFUSE)
        async with chain_on(ollama, llm_engine="local,offline") as chain:
            assert not first(chain).ready
            assert (await answer(chain))[0] == "offline"
            ollama.faults.always(None)
            await until(lambda: first(chain).ready)
            assert (await answer(chain))[0] == "local"


async def test_a_llama_cpp_server_that_changes_its_model_is_asked_for_the_new_one() -> None:
    async with LlamaCppSimulator() as server, chain_on(server) as chain:
        await answer(chain)
        server.models = ("SmolLM2.gguf",)
        server.uses_tools = False
        assert (await answer(chain))[0] == "local"
        assert first(chain).model == "SmolLM2.gguf"
        assert "tools" not in server.completions[-1].body


@pytest.mark.parametrize("fault", [fault for fault in Fault if not fault.is_in_mid_stream])
async def test_the_offline_engine_answers_after_each_fault_and_no_log_holds_the_user_text(
    fault: Fault, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.engines.llm.local.CHECK_S", 0.2)
    async with LlamaCppSimulator() as server, chain_on(server, llm_retries=0, engine_rest_s=600) as chain:
        server.faults.always(fault)
        engine, text = await answer(chain)
        assert engine == "offline"
        assert text
        assert WORDS not in caplog.text + str(first(chain).reason)


# A cold model ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("llama_cpp", [False, True], ids=["Ollama", "llama.cpp"])
async def test_a_cold_model_is_loaded_and_reads_its_instructions_in_the_background(llama_cpp: bool) -> None:
    server: ChatSimulator = LlamaCppSimulator() if llama_cpp else OllamaSimulator(library=[LLAMA], load_s=0.3)
    async with server, chain_on(server) as chain:  # The engine has been probed by now.
        assert first(chain).ready
        assert server.completions == []
        await until(lambda: len(server.completions) == 1)
        asked = server.completions[0].body["messages"]
        assert [each["role"] for each in asked] == ["system", "user"]
        assert asked[1]["content"] == "Hello."
        await until(lambda: not is_cold(chain))
        await chain.probe()
        assert (await answer(chain))[0] == "local"
        assert server.completions[1].body["messages"][0] == asked[0], (
            "the request begins with the instructions that the model has read"
        )
        assert server.completions[1].body["tools"] == server.completions[0].body["tools"]
        assert len(server.completions) == 2, "the model read its instructions once"
        if isinstance(server, OllamaSimulator):
            (request,) = loads(server)
            assert request.body == {"model": LLAMA.name, "keep_alive": KEEP_LOADED, "stream": False}


async def test_an_unloaded_model_is_warmed_again_by_the_next_probe() -> None:
    """“Check again” on the page causes such a probe."""
    async with OllamaSimulator(library=[LLAMA]) as ollama, chain_on(ollama) as chain:
        await until(lambda: not is_cold(chain))
        ollama.loaded.clear()
        await chain.probe()
        await until(lambda: len(ollama.completions) == 2)
        assert ollama.loaded == [LLAMA.name]


@pytest.mark.parametrize(
    "answered",
    [Answer(status=500, error={"type": "server_error"}), Answer(error={"message": "broken"}), Answer(finish="")],
    ids=["500", "error in the stream", "cut"],
)
async def test_a_model_that_cannot_be_warmed_is_used_cold(answered: Answer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with LlamaCppSimulator() as server:
        server.answers.append(answered)
        async with chain_on(server) as chain:
            await until(lambda: "the model could not be warmed: local: " in caplog.text)
            assert is_cold(chain)
            assert (await answer(chain))[0] == "local"


async def test_a_fallback_model_is_not_loaded_ahead() -> None:
    async with (
        OllamaSimulator(library=[LLAMA]) as ollama,
        ChatSimulator() as groq,
        chain_on(ollama, groq_api_key="gsk_any", groq_base_url=groq.url) as chain,
    ):
        assert [engine.name for engine in chain.health] == ["groq", "local", "offline"]
        await chain.probe()  # A load that the first probe had begun would show by now.
        assert {request.path for request in ollama.requests if request.method == "POST"} == {"/api/show"}
        groq.faults.always(Fault.SERVER_ERROR)
        assert (await answer(chain))[0] == "local"
        assert len(loads(ollama)) == 1


async def test_a_cold_model_may_exceed_the_first_output_timeout() -> None:
    async with (
        OllamaSimulator(library=[LLAMA], load_s=1.0) as ollama,
        chain_on(ollama, first_output_timeout_s=0.2) as chain,
    ):
        assert (await answer(chain))[0] == "local"


async def test_loading_a_model_continues_after_the_reply_that_waits_for_it_is_cancelled() -> None:
    """Ollama cancels the load when the client that requested it has gone."""
    async with OllamaSimulator(library=[LLAMA], load_s=0.5) as ollama:
        agent = agent_on(ollama)
        replying = asyncio.create_task(said(agent))
        await until(lambda: loads(ollama))
        replying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await replying
        await until(lambda: ollama.loaded == [LLAMA.name])
        assert ollama.loads_given_up == 0
        assert not asked_with_words(ollama), "the words are sent once the model can answer"
        await agent.close()


async def test_a_server_that_sends_no_first_token_is_given_up_without_a_retry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server accepts the request and sends nothing. The engine waits for `FIRST_TOKEN_S` at most."""
    monkeypatch.setattr("voicebot.engines.llm.local.FIRST_TOKEN_S", 0.5)
    settings = {"first_output_timeout_s": 0.2, "engine_rest_s": 60}
    async with LlamaCppSimulator(first_token_s=600) as server, chain_on(server, **settings) as chain:
        assert (await answer(chain))[0] == "offline"
        assert asked_with_words(server) == 1, "the server gets no second request, for which it would start again"
        assert "nothing came within 0.5 s" in str(first(chain).reason)


async def test_the_only_engine_is_not_asked_again_when_it_sends_no_first_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebot.engines.llm.local.FIRST_TOKEN_S", 0.5)
    async with (
        LlamaCppSimulator(first_token_s=600) as server,
        chain_on(server, llm_engine="local", first_output_timeout_s=0.4) as chain,
    ):
        with pytest.raises(EngineError, match=r"nothing came within 0\.5 s"):
            await answer(chain)
        assert asked_with_words(server) == 1


async def test_closing_while_a_model_loads_leaves_no_connection_and_no_task() -> None:
    async with OllamaSimulator(library=[LLAMA], load_s=600) as ollama:
        before = asyncio.all_tasks()
        async with chain_on(ollama):
            await until(lambda: loads(ollama))
        await until(lambda: ollama.open == 0)
        assert asyncio.all_tasks() - before == set()
