"""docs/extending.md works: a copy of the project gets its blocks of code, and the bot that they extend answers."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.simulators.brain import Answer, Call, ChatMessage
from tests.simulators.chat import ChatSimulator
from tests.support.app_process import ARGUMENTS, END_S, announced_address, environment
from tests.support.paths import PROJECT
from tests.support.ws_client import WsClient, plays_until, recording

PAGE = PROJECT / "docs" / "extending.md"
BLOCK = re.compile(
    r"```(?:python|markdown)\n(?:# |<!-- )([\w./]+)(?:, (above|in|with) (?:the )?(\w+))?(?: -->)?\n(.*?)```", re.DOTALL
)
"""A block: the file, for a change of a file the place, and the code."""

EXTENSIONS = {"stt_engine": "stopwatch", "llm_engine": "parrot", "beeps_api_key": "beep"}


def insertion_point(lines: Sequence[str], how: str, name: str) -> int:
    """Returns the number of the line above which a block goes."""
    if how == "with":
        return next(number for number, line in enumerate(lines) if line.startswith("from voicebot"))
    named = next(number for number, line in enumerate(lines) if re.match(rf"\s*(def |class )?{name}\b", line))
    if how == "above":
        return named
    return next(number for number, line in enumerate(lines) if number >= named and line.endswith(("(", "["))) + 1


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a copy of the project with all that the page adds to it."""
    copy = tmp_path_factory.mktemp("extended")
    shutil.copy(PROJECT / "app.py", copy)
    shutil.copytree(PROJECT / "voicebot", copy / "voicebot", ignore=shutil.ignore_patterns("__pycache__"))
    text = PAGE.read_text("utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) == len(re.findall(r"```(?:python|markdown)\n", text)), "a block does not say where it belongs"
    for path, how, name, code in blocks:
        file = copy / path
        if not how:
            assert not file.exists(), f"{path} exists already"
            if (example := PROJECT / path).exists():
                assert code == example.read_text("utf-8"), f"{path} differs from the page"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code.lstrip("\n"), "utf-8")
            continue
        lines = file.read_text("utf-8").splitlines()
        at = insertion_point(lines, how, name)
        file.write_text("\n".join([*lines[:at], *code.splitlines(), *lines[at:], ""]), "utf-8")
    return copy


@asynccontextmanager
async def running(extended: Path, folder: Path, **settings: object) -> AsyncIterator[str]:
    """Runs the extended bot until the block ends, and yields its address."""
    log = folder / "app.log"
    with log.open("w") as output:
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, extended / "app.py", *ARGUMENTS),
            cwd=folder,
            env=environment() | {name.upper(): str(value) for name, value in settings.items()},
            stdout=output,
            stderr=output,
        )
    try:
        yield await asyncio.to_thread(announced_address, lambda: started.returncode is None, log)
        started.terminate()
        async with asyncio.timeout(END_S):
            await started.wait()
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[WsClient]:
    async with connect(f"{url.replace('http', 'ws', 1)}/ws", max_size=None, proxy=None) as socket:
        yield WsClient(socket)


async def answer(client: WsClient) -> str:
    """Plays the next answer to its end and returns its text."""
    await plays_until(client, "state", phase="idle")
    return str(client.all("llm.final")[-1]["text"])


async def page_configuration(url: str) -> str:
    """Returns what the page knows before a session begins, as JSON."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{url}/webrtc/config")).text


async def test_own_engines_of_all_stages_answer_a_turn(extended: Path, tmp_path: Path) -> None:
    async with running(extended, tmp_path, **EXTENSIONS) as url, client_of(url) as client:
        connected = await client.next("connected")
        assert connected["engines"]["stt"].startswith("stopwatch")
        assert connected["engines"]["llm"].startswith("parrot")
        assert connected["engines"]["tts"].startswith("beeps"), "the key makes `auto` use it"
        await client.send("speech_start")
        await client.send("speech_end", audio=recording("wav", 1.5))
        assert await answer(client) == "You said: I spoke for 1.5 seconds."
        assert client.all("play_audio")
        configuration = await page_configuration(url)
    assert "The answers go to beeps, which speaks them." in configuration


def test_an_own_engine_is_refused_without_its_key(extended: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(extended / "app.py"), *ARGUMENTS]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment(tts_engine="beeps"), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "BEEPS_API_KEY: The engine beeps needs this key" in ended.stderr


def runs_a_shop(conversation: Sequence[ChatMessage], tools: Sequence[str]) -> Answer:
    """Answers as a model in the graph of the page: one word for the router, which has no tools, then a sentence."""
    return Answer("From nine to six.") if tools else Answer("opening")


async def test_an_own_graph_answers_a_turn(extended: Path, tmp_path: Path) -> None:
    graph = {"agent": f"{extended / 'examples' / 'graph' / 'support.py'}:make", "agent_node": "answer"}
    async with ChatSimulator(brain=runs_a_shop) as service:
        model = {"llm_engine": "openai", "openai_base_url": f"{service.url}/v1"}
        async with running(extended, tmp_path, **EXTENSIONS | model | graph) as url, client_of(url) as client:
            await client.send("text", text="When do you open?")
            assert await answer(client) == "From nine to six."
            assert "support, the operator's own agent, takes part in the answers" in await page_configuration(url)
        prompts = [request.body["messages"][0]["content"] for request in service.completions]
    assert prompts[0].startswith("What is the last message about?")
    assert prompts[1].endswith("The shop is open from nine to six, and closed on Sundays.")


async def test_an_own_mcp_server_answers_a_turn_and_asks_before_it_changes_anything(
    extended: Path, tmp_path: Path
) -> None:
    (given,) = re.findall(r"```json\n(\{\n  \"mcpServers\".*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    config = json.loads(given)
    server = config["mcpServers"]["pantry"]
    server |= {"command": sys.executable, "args": [str(extended / server["args"][0])]}
    (tmp_path / "mcp.json").write_text(json.dumps(config), "utf-8")

    def fills(conversation: Sequence[ChatMessage], tools: Sequence[str]) -> Answer:
        if conversation[-1].role == "tool":
            return Answer(f"{conversation[-1].text}")
        wanted = "pantry_look" if "what" in conversation[-1].text.lower() else "pantry_add"
        call = Call(wanted, {} if wanted == "pantry_look" else {"item": "rice"})
        return Answer(calls=(call,)) if wanted in tools else Answer("There is no pantry.")

    async with ChatSimulator(brain=fills) as service:
        model = {"llm_engine": "openai", "openai_base_url": f"{service.url}/v1", "mcp_config": "mcp.json"}
        async with running(extended, tmp_path, **EXTENSIONS | model) as url, client_of(url) as client:
            async with asyncio.timeout(30):
                while '"tools":2' not in (known := await page_configuration(url)):  # noqa: ASYNC110 (nothing tells)
                    await asyncio.sleep(0.05)
            assert "Its tools may pass parts of what you say to pantry." in known
            for text, said in (
                ("What is there?", "The pantry is empty."),
                ("Add rice.", "Shall I put rice into the pantry?"),
                ("Yes, please.", "Added rice."),
                ("What is there now?", "rice"),
            ):
                await client.send("text", text=text)
                assert await answer(client) == said


def uses_tools(conversation: Sequence[ChatMessage], tools: Sequence[str]) -> Answer:
    """Answers as a model that uses the tools `dice`, `add_to_list` and `order`, and repeats what they say."""
    last = conversation[-1]
    if last.role == "tool":
        return Answer(last.text)
    for word, name, arguments in (
        ("die", "dice", {"sides": 1}),
        ("list", "add_to_list", {"thing": "milk"}),
        ("order", "order", {"things": ["two lemons", "milk"]}),
    ):
        if word in last.text and name in tools:
            return Answer(calls=(Call(name, arguments),))
    return Answer("All right.")


async def test_own_tools_of_each_kind_and_an_own_persona_answer_turns(extended: Path, tmp_path: Path) -> None:
    async with ChatSimulator(brain=uses_tools) as service:
        model = {"llm_engine": "openai", "openai_base_url": f"{service.url}/v1", "persona": "captain"}
        model["tools"] = str(extended / "my_tools")
        async with running(extended, tmp_path, **EXTENSIONS | model) as url, client_of(url) as client:
            assert "A captain" in await page_configuration(url)
            for text, said in (
                ("Roll a die with one side.", "1"),
                ("Put milk on the list.", "The list has 1 things: milk."),
                ("Now order it.", "Shall I order two lemons, milk?"),
                ("Yes, please.", "Ordered two lemons, milk."),
                ("Please order it again.", "Shall I order two lemons, milk?"),
                ("No, wait.", "All right."),
            ):
                await client.send("text", text=text)
                assert await answer(client) == said
        prompts = [request.body["messages"][0]["content"] for request in service.completions]
    assert prompts
    assert all(prompt.startswith("You are the captain of a ferry") for prompt in prompts)


def test_the_check_lists_own_tools_and_a_mistake_in_one_is_named_at_the_start(extended: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(extended / "app.py")]
    settings = environment(
        tools=str(extended / "my_tools"), stt_engine="stopwatch", llm_engine="parrot", tts_engine="espeak"
    )
    checked = subprocess.run(
        [*command, "--check"], cwd=tmp_path, env=settings, capture_output=True, text=True, check=False
    )
    assert "  pure    dice\n" in checked.stdout
    assert "  effects add_to_list\n" in checked.stdout
    assert "  confirm order, at most 20 s\n          asks: Shall I order {things}?\n" in checked.stdout
    (tmp_path / "mine.py").write_text("def roll(sides):\n    'Roll a die.'\n", "utf-8")
    wrong = environment(tools="mine.py:roll,nowhere.py:roll")
    ended = subprocess.run([*command, *ARGUMENTS], cwd=tmp_path, env=wrong, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "Voice Bot can't start.",
        "TOOLS: mine.py:roll: roll: its argument 'sides' has no type",
        "TOOLS: There is no file 'nowhere.py'",
    ]
