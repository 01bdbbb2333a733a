"""The server's information for visitors, and its end."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from voicebot.bootstrap import application as bootstrap
from voicebot.engines.health import EngineHealth, Health
from voicebot.engines.protocols import EngineStatus
from voicebot.settings import config
from voicebot.web import server
from voicebot.web.port import bind
from voicebot.web.server import notice


def test_the_notice_still_names_a_service_that_is_resting() -> None:
    def engine(name: str, *, ready: bool = True) -> EngineStatus:
        return EngineStatus(name, ready)

    health = {
        "stt": (engine("moonshine"),),
        "llm": (engine("groq"), engine("openai"), engine("offline")),
        "tts": (engine("gtts", ready=False), engine("espeak")),
    }
    settings = config.load()
    assert notice(health, settings).startswith(
        "Your words go to Groq or OpenAI, which answers; the answers go to Google Translate, which speaks them. "
    )
    embedded = {stage: engines[-1:] for stage, engines in health.items()}
    with_servers = {**embedded, "mcp": (engine("notes", ready=False), engine("mail"))}
    assert " Its tools may pass parts of what you say to notes and mail. " in notice(with_servers, settings)
    assert "On the embedded engines: no key, no internet, no service hears you." in notice(embedded, settings)


@pytest.mark.parametrize(
    ("stt", "llm", "settings", "expected"),
    [
        (
            ["moonshine"],
            ["local", "offline"],
            {},
            "What is said here stays on this machine: a local model answers it, and no service hears you.",
        ),
        (
            ["moonshine"],
            ["local", "offline"],
            {"ollama_host": "gpu.lan"},
            "Your words go to the model at gpu.lan, which answers.",
        ),
        (
            ["deepgram"],
            ["groq", "local", "offline"],
            {},
            "Deepgram hears you; your words go to Groq, which answers. "
            "What the local model answers stays on this machine.",
        ),
        (
            ["moonshine"],
            ["huggingface", "offline"],
            {},
            "Your words go to Hugging Face, which answers.",
        ),
        # A gateway on this machine may pass it on.
        (
            ["moonshine"],
            ["openai", "offline"],
            {"openai_base_url": "http://127.0.0.1:4000/v1"},
            "Your words go to OpenAI at 127.0.0.1, which answers.",
        ),
    ],
)
def test_the_notice_says_which_services_hear_and_answer_the_visitor(
    stt: list[str], llm: list[str], settings: dict[str, Any], expected: str
) -> None:
    names = {"stt": stt, "llm": llm, "tts": ["espeak"]}
    health = {stage: tuple(EngineStatus(name, ready=True) for name in each) for stage, each in names.items()}
    assert notice(health, config.load(**settings)).startswith(f"{expected} Words are kept")


def test_the_notice_does_not_say_that_answers_stay_here_if_a_service_speaks_them() -> None:
    names = {"stt": ["moonshine"], "llm": ["groq", "local"], "tts": ["gtts"]}
    health = {stage: tuple(EngineStatus(name, ready=True) for name in each) for stage, each in names.items()}
    assert "stays on this machine" not in notice(health, config.load())


def test_the_notice_says_how_long_words_and_sound_are_stored() -> None:
    health: Health = dict.fromkeys(("stt", "llm", "tts"), (EngineStatus("offline", ready=True),))

    def kept(**settings: Any) -> str:
        words, sound = notice(health, config.load(**settings)).split("hears you. ")[1].split(" Sound ")
        assert sound == "is kept until 5 minutes after you hang up."
        return words

    assert kept() == "Words are kept for 30 days or until you begin a new conversation."
    assert kept(retention_days=0.5) == "Words are kept for 0.5 days or until you begin a new conversation."
    assert kept(retention_days=0) == "Words are kept until you begin a new conversation."
    assert kept(keep_conversations=False) == "Words are not kept."
    assert notice(health, config.load(recording_minutes=0)).endswith(" Sound is not recorded.")


def test_accepted_connections_have_tcp_nodelay_set() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_server_cancelled_while_its_engines_are_checked_leaves_no_task_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = asyncio.Event()

    async def check(_: EngineHealth) -> None:
        looking.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(EngineHealth, "check", check)
    before = asyncio.all_tasks()
    engines = scripted(ScriptedStt(), ScriptedAgent(scripts=[]), ToneTts())
    settings = config.load(database_url=SecretStr(f"sqlite:///{tmp_path}/conversations.db"))
    with bind("127.0.0.1", 0) as listener:
        application = bootstrap.application(settings, engines)
        serving = asyncio.create_task(server.serve(application, listener, share=False))
        await looking.wait()
        serving.cancel()
        await asyncio.wait([serving])
    assert asyncio.all_tasks() == before
