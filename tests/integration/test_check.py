"""`python app.py --check`: its report on services that work and on each fault, and its exit status."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.simulators import deepgram, elevenlabs, huggingface
from tests.simulators.chat import ChatSimulator
from tests.simulators.deepgram import DeepgramSimulator, ScriptedRecogniser, Setting
from tests.simulators.elevenlabs import ElevenLabsSimulator
from tests.simulators.faults import Fault
from tests.simulators.huggingface import FOR_TURN, PERMITTED, HuggingFaceSimulator
from tests.simulators.local_servers import OllamaModel, OllamaSimulator
from tests.simulators.mcp import misbehaving_server
from tests.simulators.voices import espeak_of
from tests.support.app_process import environment
from tests.support.paths import PROJECT
from tests.support.turn_models import tiny_model
from tests.support.understanding import model
from voicebot.agent.tools import toolbox
from voicebot.bootstrap.engines import build
from voicebot.check import trials
from voicebot.check.command import check
from voicebot.check.trial_calls import NOT_IN_A_CHECK
from voicebot.check.trials import TrialLimits
from voicebot.engines.stt.moonshine.model import Model
from voicebot.settings import config


def checked(folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "app.py"), "--check"]
    return subprocess.run(
        command, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False
    )


def test_unusable_settings_are_reported_as_at_a_start(tmp_path: Path) -> None:
    done = checked(tmp_path, llm_engine="groq")
    assert done.returncode == 1
    assert "Voice Bot can't start.\nGROQ_API_KEY: The engine groq needs this key" in done.stderr


def test_a_check_without_keys_succeeds_and_reports_the_embedded_engines(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GROQ_API_KY=gsk_hush\n", "utf-8")
    done = checked(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No service is configured" in done.stdout
    assert "GROQ_API_KY in .env is not a setting; did you mean GROQ_API_KEY?" in done.stdout
    for engine in ("espeak", "moonshine", "offline"):
        assert f"ok      {engine}: " in done.stdout
    for key in ("DEEPGRAM_API_KEY", "GROQ_API_KEY", "OPENAI_API_KEY", "HF_TOKEN", "ELEVENLABS_API_KEY"):
        assert re.search(rf"  {key} +not set\n", done.stdout), done.stdout
    assert "hush" not in done.stdout + done.stderr


def test_a_check_names_the_mcp_servers_that_do_not_work(tmp_path: Path) -> None:
    server = [sys.executable, misbehaving_server.__file__]
    servers = {
        "well": {
            "command": server[0],
            "args": server[1:],
            "tools": {"greet": {"tag": "confirm", "question": "Shall I greet?"}},
        },
        "broken": {"command": server[0], "args": [*server[1:], "dies-at-start"], "env": {"KEY": "${MCP_TEST_KEY}"}},
        "misspelt": {"command": server[0], "args": server[1:], "tools": {"gret": False}},
        "joined": {"command": " ".join(["no-python", *server[1:]])},
    }
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}), "utf-8")
    (tmp_path / ".env").write_text("MCP_TEST_KEY=hush-hush\n", "utf-8")
    done = checked(tmp_path, mcp_config="mcp.json", llm_engine="offline", tts_engine="espeak")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "  ok      well (MCP server): it has 1 tool\n" in done.stdout
    assert "\n  confirm well_greet\n          asks: Shall I greet?\n" in done.stdout
    said = "it has 1 tool; it has no tool 'gret', which MCP_CONFIG names; did you mean 'greet'?"
    assert f"  warning misspelt (MCP server): {said}\n          What to do: Check MCP_CONFIG.\n" in done.stdout
    assert "  FAILED  broken (MCP server): it ended with status 4 (no such key: ***)\n" in done.stdout
    said = f"its command was not found (no-python {server[1]}: put its arguments into args)"
    assert f"  FAILED  joined (MCP server): {said}\n" in done.stdout
    assert "does: it lacks the tools of broken; it lacks the tools of joined." in done.stdout
    assert "hush" not in done.stdout + done.stderr


def test_a_check_names_what_is_wrong_in_the_file_of_the_mcp_servers(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"a": {"command": "b", "env": {"C": "${NOWHERE}"}}}}', "utf-8")
    done = checked(tmp_path, mcp_config="mcp.json")
    assert done.returncode == 1
    said = 'MCP_CONFIG: mcp.json: server "a": env.C: the variable NOWHERE is neither in the environment nor in .env'
    assert said in done.stderr


# Services in this process ---------------------------------------------------------------------------------------------

KEY = "sk-secret-4711"


def hearing() -> ScriptedRecogniser:
    return ScriptedRecogniser(("today", 0.1, 0.4))


PATIENT = TrialLimits(probe_s=30.0, turn_s=30.0)
"""The time limit is long, since the machine may be busy with something else."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads the embedded recogniser only once, and replaces its test sentence with one of less than a second."""
    loaded = model()
    monkeypatch.setattr(Model, "load", staticmethod(lambda: loaded))
    monkeypatch.setattr(trials, "sentence_in", lambda language: "Hello.")
    monkeypatch.setattr(trials, "BEFORE_S", 0.1)
    monkeypatch.setattr(trials, "AFTER_S", 0.1)


class Lines(list[str]):
    """The lines of a report."""

    def write_line(self, line: str) -> None:
        self.append(line)


async def report(limits: TrialLimits = PATIENT, **settings: Any) -> tuple[str, int]:
    """Returns the report on these settings and its exit status. The other stages have the embedded engines."""
    options = config.load(**{"keep_conversations": False, "tts_engine": "espeak", **settings})
    lines = Lines()
    status = await check(options, build(options), lines, limits)
    text = "\n".join(lines)
    assert KEY not in text
    return text, status


GRAPH = """
from pathlib import Path
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from voicebot.agent.conversation import current_conversation
from voicebot.agent.tools import confirm, effects

@effects
async def order(what: str) -> str:
    "Order something."
    Path(__file__).with_name("ordered").touch()
    return "ordered"

def make(model, tools, prompt):
    async def answer(state):
        told = await next(tool for tool in tools if tool.name == "order").ainvoke({"what": "tea"})
        return {"messages": [AIMessage(f"{current_conversation().id}: {told}")]}
    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()
"""


async def test_a_check_runs_no_tool_with_effects(tmp_path: Path) -> None:
    file = tmp_path / "graph.py"
    file.write_text(GRAPH, "utf-8")
    text, status = await report(agent=f"{file}:make", tools=str(file), llm_engine="offline")
    assert status == 0, text
    assert f'"check: {NOT_IN_A_CHECK}"' in text
    assert not (tmp_path / "ordered").exists()
    assert "\n  effects order\n" in text


async def test_more_tools_than_a_model_can_take_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox, "MOST_TOOLS", 2)
    file = tmp_path / "graph.py"
    file.write_text(GRAPH, "utf-8")
    text, status = await report(tools=str(file), llm_engine="offline")
    assert status == 0, text
    assert "  warning tools: there are 3 tools, and OpenAI's API accepts 2\n" in text
    assert "See the warnings above." in text


async def test_working_services_are_reported_with_their_times_and_models() -> None:
    async with (
        ChatSimulator(key=KEY, models=("llama-3.3-70b-versatile",)) as chat,
        ElevenLabsSimulator(espeak_of) as speaks,
        DeepgramSimulator(Setting(make_recogniser=hearing)) as hears,
    ):
        text, status = await report(
            groq_api_key=KEY,
            groq_base_url=chat.url,
            elevenlabs_api_key=elevenlabs.KEY,
            elevenlabs_base_url=speaks.url,
            tts_engine="elevenlabs",
            deepgram_api_key=deepgram.KEY,
            deepgram_base_url=hears.url,
            stt_engine="deepgram",
        )
    assert status == 0, text
    assert re.search(r"ok +groq \(llama-3.3-70b-versatile\): first word after \d+", text), text
    assert re.search(r"ok +elevenlabs.*: first sound after \d+", text), text
    assert re.search(r"ok +deepgram.*: final text", text), text


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.UNAUTHORIZED, "the key was not accepted (HTTP 401)"),
        (Fault.FORBIDDEN, "the key may not be used for this (HTTP 403)"),
        (Fault.PAYMENT_REQUIRED, "credit"),
        (Fault.NO_CREDIT, "the account has no credit left"),
        (Fault.RATE_LIMITED, "too many requests (HTTP 429)"),
        (Fault.SERVER_ERROR, "the service failed (HTTP 500)"),
        (Fault.REFUSE, "no connection"),
        (Fault.HANG, "within 1 s from "),
        (Fault.GARBAGE, "the answer was cut short or made no sense"),
        (Fault.CUT, "the answer was cut short or made no sense"),
    ],
)
async def test_each_fault_of_a_language_model_service_is_reported_with_advice(fault: Fault, expected: str) -> None:
    async with ChatSimulator(key=KEY, models=("openai/gpt-oss-120b",)) as chat:
        chat.faults.always(fault)
        limits = TrialLimits(probe_s=1.0) if fault is Fault.HANG else PATIENT
        text, status = await report(limits, groq_api_key=KEY, groq_base_url=chat.url)
    assert status == 1
    failed = text[text.index("FAILED  groq") :].splitlines()
    assert expected in failed[0], text
    assert failed[1].strip(), "the report gives advice"
    assert "ok      offline" in text, "the other services are checked all the same"
    assert "groq" in text.splitlines()[-1], "the last line names the service"


async def test_a_missing_model_is_reported_with_the_models_that_the_service_has() -> None:
    async with ChatSimulator(key=KEY, models=("qwen/qwen3.6-27b", "openai/gpt-oss-20b")) as chat:
        text, status = await report(groq_api_key=KEY, groq_base_url=chat.url)
    assert status == 1
    assert "there is no model openai/gpt-oss-120b" in text
    assert "The service has openai/gpt-oss-20b" in text
    assert "GROQ_MODEL" in text


async def test_a_working_local_model_is_reported_as_local() -> None:
    async with OllamaSimulator(library=[OllamaModel("llama3.2:latest")]) as ollama:
        text, status = await report(llm_engine="local,offline", ollama_host=ollama.url)
    assert status == 0, text
    assert re.search(r"ok +local \(llama3.2:latest\): first word after \d+", text), text
    assert "speaks with its embedded engines and the local model." in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("library", "expected", "advice"),
    [
        (None, "there is no Ollama or llama.cpp server at 127.0.0.1:9 or ", "Start Ollama or llama.cpp's server"),
        ([], "has no model to talk with", "ollama pull"),
    ],
    ids=["no server", "no model"],
)
async def test_a_missing_local_server_or_model_is_reported_with_advice(
    library: list[OllamaModel] | None, expected: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.settings.destinations.LLAMA_CPP_ADDRESS", "http://127.0.0.1:9")
    async with OllamaSimulator(library=library or []) as ollama:
        where = "127.0.0.1:9" if library is None else ollama.url
        text, status = await report(llm_engine="local,offline", ollama_host=where)
    assert status == 1
    failed = text[text.index("FAILED  local") :].splitlines()
    assert expected in failed[0], text
    assert advice in failed[1], text
    assert "offline has to answer in place of local" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (PERMITTED, r"ok +huggingface \(openai/gpt-oss-120b\): first word after \d+"),
        (FOR_TURN, "FAILED  huggingface.*: the token of HF_TOKEN does not have the permission"),
    ],
    ids=["permitted", "not permitted"],
)
async def test_hugging_face_is_checked_and_a_token_without_permission_is_reported(
    info: dict[str, Any], expected: str
) -> None:
    async with HuggingFaceSimulator(info=info) as service:
        text, _ = await report(
            llm_engine="huggingface,offline", hf_token=huggingface.TOKEN, huggingface_base_url=f"{service.url}/v1"
        )
    assert re.search(expected, text), text
    assert ("Check HF_TOKEN." in text) == (info is FOR_TURN)
    assert huggingface.TOKEN not in text


async def test_the_end_of_turn_model_hears_the_sentence_and_a_damaged_one_is_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "turn.onnx"
    file.write_bytes(tiny_model())
    text, status = await report(end_of_turn_model=str(file))
    assert status == 0, text
    assert re.search(r"ok +smart-turn \(end of turn\): it answers in \d+ ms: the sentence is over with", text), text
    file.write_bytes(b"no model")
    text, status = await report(end_of_turn_model=str(file))
    assert status == 0, text
    assert re.search(r"smart-turn \(end of turn\): onnxruntime can't use its file", text), text
    assert "Check END_OF_TURN_MODEL" in text


async def test_a_host_that_does_not_exist_is_reported_with_its_setting() -> None:
    text, status = await report(groq_api_key=KEY, groq_base_url="http://nowhere.invalid")
    assert status == 1
    assert "no connection to nowhere.invalid" in text
    assert "GROQ_BASE_URL" in text


async def test_a_failing_voice_and_a_failing_recogniser_are_reported_with_their_key_settings() -> None:
    async with (
        ElevenLabsSimulator(espeak_of) as speaks,
        DeepgramSimulator(Setting(make_recogniser=hearing)) as hears,
    ):
        speaks.faults.always(Fault.UNAUTHORIZED)
        hears.faults.always(Fault.UNAUTHORIZED)
        text, status = await report(
            elevenlabs_api_key=elevenlabs.KEY,
            elevenlabs_base_url=speaks.url,
            deepgram_api_key=deepgram.KEY,
            deepgram_base_url=hears.url,
            tts_engine="elevenlabs,espeak",
        )
    assert status == 1
    for engine, setting in (("elevenlabs", "ELEVENLABS_API_KEY"), ("deepgram", "DEEPGRAM_API_KEY")):
        advice = f"Check {setting}. It must be a key of the service at 127.0.0.1:"
        assert advice in text[text.index(f"FAILED  {engine}") :], text
    assert elevenlabs.KEY not in text
    assert deepgram.KEY not in text


# An operator's own graph ----------------------------------------------------------------------------------------------

GRAPHS = "tests.support.own_graphs"


async def test_a_compiled_graph_is_tried_as_the_engine_that_answers() -> None:
    text, status = await report(agent=f"{GRAPHS}:echo", llm_engine="groq")
    assert status == 0, text
    assert "  AGENT       echo-bot (a compiled graph, which has its own model)" in text
    assert re.search(r'ok +echo-bot: first word after \d+ ms.*\n +"You said: ', text), text
    assert "No service is configured" not in text, "the graph may use any"


async def test_a_factory_is_tried_around_each_model() -> None:
    async with ChatSimulator(key=KEY) as chat:
        text, status = await report(agent=f"{GRAPHS}:make", groq_api_key=KEY, groq_base_url=chat.url)
    assert status == 0, text
    assert f"  AGENT       {GRAPHS}:make answers with each of these models" in text
    assert re.search(r"ok +groq.*: first word after", text), text
    assert re.search(r"ok +offline: first word after", text), text


async def test_a_factory_that_fails_is_reported_with_its_line() -> None:
    text, status = await report(agent=f"{GRAPHS}:make_nothing")
    assert status == 1
    assert "the factory that AGENT names failed: KeyError: 'api_kye' at " in text
    assert re.search(r"own_graphs\.py:\d+", text), text
    assert f"\n          What to do: Look at AGENT: {GRAPHS}:make_nothing.\n" in text


FAILS = """
from langgraph.graph import START, MessagesState, StateGraph

async def answer(state):
    return {"messages": state["nothing"]}

def make(model, tools, prompt):
    return StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").compile()
"""


async def test_a_node_that_fails_is_reported_with_its_line_whatever_the_model(tmp_path: Path) -> None:
    file = tmp_path / "desk.py"
    file.write_text(FAILS, "utf-8")
    async with ChatSimulator(key=KEY) as chat:
        text, status = await report(agent=f"{file}:make", groq_api_key=KEY, groq_base_url=chat.url)
    assert status == 1
    assert re.search(r"FAILED  groq.*: the graph failed: KeyError\n", text), text
    assert text.count(f"          What to do: Look at AGENT: {file}:make. It failed at {file}:5.\n") == 2, text


async def test_a_graph_that_says_nothing_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "desk.py"
    file.write_text(FAILS.replace('state["nothing"]', '["Hi"]'), "utf-8")
    text, status = await report(agent=f"{file}:make", llm_engine="offline")
    assert status == 0, text
    assert "  warning offline" in text
    assert "          It said nothing. A node that answers adds an AIMessage to `messages`; " in text


def test_a_graph_that_cannot_be_loaded_is_reported_as_at_a_start(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from langgraph.graph import StateGraph\n\nagent = StateGraff()\n", "utf-8")
    done = checked(tmp_path, agent="mine.py:agent")
    assert done.returncode == 1
    line = f"AGENT: mine.py cannot be imported: NameError: name 'StateGraff' is not defined at {tmp_path / 'mine.py'}:3"
    assert f"Voice Bot can't start.\n{line}" in done.stderr
