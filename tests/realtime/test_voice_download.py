"""A user chooses a voice that is not on this machine yet: the bot goes on answering while it is downloaded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.faults import Fault
from tests.simulators.files import FileHost
from tests.support.further_voices import host_of_voices
from tests.support.live_server import LiveServer, serving
from tests.support.rtc_client import RtcClient
from tests.support.rtc_talk import Talk, answers
from tests.support.waiting import until
from voicebot.bootstrap import engines as build
from voicebot.engines.tts.hibari.phonemes import Phonemes
from voicebot.engines.tts.hibari.voice import SpokenPart
from voicebot.engines.tts.hibari.voices import Speaker
from voicebot.settings import config


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FileHost]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    async with host_of_voices() as running:
        yield running


async def hibari_on_page(server: LiveServer) -> dict[str, Any]:
    """Returns what the page is told about hibari: the labels of its further voices, and its health."""
    page = await server.get("/webrtc/config")
    (engine,) = (each for each in page["options"]["engines"]["tts"] if each["name"] == "hibari")
    (health,) = (each for each in page["stages"]["tts"] if each["name"] == "hibari")
    return {"voices": {each["value"]: each["label"] for each in engine["voices"]["en"]}, **health}


async def wait_for_label(server: LiveServer, name: str, label: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while (page := await hibari_on_page(server))["voices"][name] != label:  # noqa: ASYNC110 (polled over HTTP)
            await asyncio.sleep(0.05)
    return page


def voice_files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.onnx")]


async def test_the_bot_answers_while_a_chosen_voice_is_downloaded(
    host: FileHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "voicebot")
    speakers_used: list[Speaker] = []
    speak = Speaker.speak

    def recording_speak(speaker: Speaker, phonemes: Phonemes) -> SpokenPart:
        speakers_used.append(speaker)
        return speak(speaker, phonemes)

    monkeypatch.setattr(Speaker, "speak", recording_speak)
    host.pace_s = 0.5  # a minute for the whole voice
    options = config.load()
    async with serving(build.build(options), options) as server, RtcClient(server.url) as client:
        assert (await hibari_on_page(server))["voices"]["emma"] == "Emma, British woman (is downloaded first, 8 MB)"
        talk = Talk(server, client)
        client.send({"type": "configure", "voice": "emma"})
        await host.requested(1)
        talk.types("what is two plus two")
        state = await talk.answered(1)
        assert answers(state)[0]["heard"]
        assert state["engines"]["tts"] == {"name": "hibari", "reasons": []}
        assert (await hibari_on_page(server))["voices"]["emma"] == "Emma, British woman (is being downloaded)"
        default_speaker, before = speakers_used[0], len(speakers_used)
        assert all(speaker is default_speaker for speaker in speakers_used)

        host.pace_s = 0
        page = await wait_for_label(server, "emma", "Emma, British woman")
        assert (page["ready"], page["warning"]) == (True, None)
        await until(lambda: "the voice emma can be used" in caplog.messages)  # it is loaded after its download
        talk.types("what is three plus three")
        await talk.answered(2)
        assert len(speakers_used) > before
        assert default_speaker not in speakers_used[before:]
    assert voice_files_in(tmp_path) == ["bf_emma.int8.onnx"]


async def test_a_voice_that_cannot_be_downloaded_is_reported_and_the_bot_still_answers(host: FileHost) -> None:
    host.faults.always(Fault.FORBIDDEN)
    options = config.load()
    async with serving(build.build(options), options) as server, RtcClient(server.url) as client:
        talk = Talk(server, client)
        client.send({"type": "configure", "voice": "kore"})
        why = "could not be downloaded: the server refuses the file (HTTP 403)"
        page = await wait_for_label(server, "kore", f"Kore, American woman ({why})")
        assert (page["ready"], page["warning"]) == (True, f"the voice kore {why}")
        talk.types("what is two plus two")
        state = await talk.answered(1)
        assert answers(state)[0]["heard"]
        assert state["engines"]["tts"]["name"] == "hibari"
