"""Push-to-talk over `/ws` with live sound, and what clients do wrong with it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.engines import loud
from tests.support.waiting import until
from tests.support.ws_bot import bot, session, words
from tests.support.ws_client import WsClient, plays_until, ws_client
from voicebot.audio.sound import Audio

QUIET = Audio.silence(1.0, 16_000)


async def speak(client: WsClient, *sounds: Audio) -> None:
    """Sends live sound in frames of 20 ms, all at once."""
    for sound in sounds:
        for start in range(0, len(sound.samples), 320):
            await client.socket.send(sound.samples[start : start + 320].tobytes())


async def test_only_what_is_said_between_two_talk_messages_is_heard_as_one_utterance() -> None:
    async with bot([["Fine."]], [["one two"]]) as server, ws_client(server) as client:
        await client.send("configure", push_to_talk=True)
        await speak(client, loud(0.5, 16_000))
        await client.send("talk", pressed=True)
        await speak(client, loud(0.4, 16_000), QUIET, loud(0.4, 16_000))
        await client.send("talk", pressed=False)
        await speak(client, loud(0.1, 16_000), QUIET, loud(0.5, 16_000))
        await client.next("asr.final", text="one two")
        await plays_until(client, "state", phase="idle")
        assert words(server) == ["one two", "Fine."]
        engines = server.services.engines
        (utterance,) = engines.stt.heard  # type: ignore[attr-defined]
        assert utterance.duration_s == pytest.approx(1.96, abs=0.1)
        assert np.abs(utterance.samples[:400]).max() > 1000, "the first sound after the press must be in it"


async def test_a_client_that_sends_no_sound_after_letting_go_is_answered_all_the_same() -> None:
    async with bot([["Fine."]], [["one"]]) as server, ws_client(server) as client:
        await client.send("configure", push_to_talk=True)
        await client.send("talk", pressed=True)
        await speak(client, loud(0.4, 16_000))
        await client.send("talk", pressed=False)
        await client.next("llm.final", text="Fine.")


async def test_wrong_uses_of_push_to_talk_are_refused_by_name() -> None:
    async with bot() as server, ws_client(server) as client, ws_client(server) as uploader:
        for type, fields, complaint in (
            ("talk", {}, "talk.pressed: Field required"),
            ("talk", {"pressed": "down"}, "talk.pressed: Input should be a valid boolean, unable to interpret input"),
            (
                "talk",
                {"pressed": True},
                "talk: push-to-talk is off; it is switched on with push_to_talk in `configure`",
            ),
            ("configure", {"push_to_talk": None}, "configure.push_to_talk: Input should be a valid boolean"),
        ):
            await client.send(type, **fields)
            assert (await client.next("error"))["message"] == complaint
        await uploader.send("configure", push_to_talk=True)
        await uploader.send("speech_start")
        await uploader.send("talk", pressed=True)
        assert (await uploader.next("error"))["message"] == "talk: this session uploads its utterances (speech_end)"


async def test_a_connection_that_is_lost_while_the_button_is_held_leaves_no_session() -> None:
    async with bot() as server:
        async with ws_client(server) as client:
            await client.send("configure", push_to_talk=True)
            await client.send("talk", pressed=True)
            await client.next("state", phase="listening")
            assert session(server).state.speaking
        await until(lambda: not server.services.admission.sessions)
