"""A client chooses its preferences over `/ws`, as in the page. An invalid choice gets an error that names it."""

from __future__ import annotations

from tests.support.ws_bot import bot, history, session
from tests.support.ws_client import ws_client
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.preferences import Preferences, Sensitivity


async def test_invalid_choices_are_refused_and_valid_ones_apply_once_the_turn_is_over() -> None:
    long = "This is a sentence that goes on and on and on. And it is not the only one."
    async with bot([[long], ["Fine."]], letter_s=0.05) as server, ws_client(server) as client:
        for wrong, complaint in (
            ({"persona": "pirate"}, "persona: there is no 'pirate' here; there is 'assistant'"),
            ({"sensitivity": "deaf"}, "configure.sensitivity: Input should be 'hard', 'balanced' or 'easy'"),
            ({"lnguage": "en"}, "configure.lnguage: Extra inputs are not permitted"),
        ):
            await client.send("configure", **wrong)
            assert (await client.next("error"))["message"] == complaint
        await client.send("text", text="hello")
        await client.next("play_audio")
        await client.send("configure", sensitivity="easy")
        await client.send("configure", interrupted_history="merge")
        await client.send("client_playback_started")
        await client.next("state", phase="speaking")
        assert session(server).state.preferences == Preferences()
        await client.send("interrupt")
        await client.next("state", phase="idle")
        chosen = session(server).state.preferences
        assert (chosen.sensitivity, chosen.interrupted_history.value) == (Sensitivity.EASY, "merge")
        await client.send("text", text="again")
        await client.next("llm.final", text="Fine.")
        assert history(server)[0] == Message(Role.USER, "hello")
