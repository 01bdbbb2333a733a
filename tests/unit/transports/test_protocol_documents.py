"""The pages on the protocols are generated from the messages, and the parsers accept their examples."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, get_args

import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.paths import PROJECT
from tools.documents import webrtc
from tools.documents.message_tables import EXAMPLES, OPTIONS, meanings
from voicebot.access.close_codes import CloseCode
from voicebot.dialogue import view
from voicebot.dialogue.errors import ErrorCode, ErrorReport
from voicebot.dialogue.events import EngineReported, Stage
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.interruption.verdict import Decision, Verdict, VerdictContext
from voicebot.dialogue.preferences import Preferences
from voicebot.dialogue.state import Phase, State, Turn, VerdictRecord
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.session import messages
from voicebot.session.available_preferences import AvailablePreferences
from voicebot.transports.webrtc.server import Offer

PAGES = PROJECT / "docs" / "protocols"


def examples(page: str) -> list[str]:
    return re.findall(r"```json\n(.*?)\n```", (PAGES / page).read_text("utf-8"), re.DOTALL)


def test_the_server_accepts_the_examples_of_its_clients_messages() -> None:
    """No example has a field that the server ignores."""
    accepted = {"ws": set[str](), "webrtc": set[str]()}
    for transport, page, parse in (
        ("ws", "websocket.md", messages.client_message),
        ("webrtc", "webrtc.md", messages.request),
    ):
        for example in examples(page):
            value = json.loads(example)
            if value.get("type") in CLIENT_TYPES and "event" not in value:
                assert parse(example).model_dump(mode="json", exclude_unset=True) == value
                accepted[transport].add(value["type"])
    assert accepted == {"ws": types(messages.ClientMessage), "webrtc": types(messages.ClientRequest)}


def types(union: Any) -> set[str]:
    return {get_args(model.model_fields["type"].annotation)[0] for model in get_args(union)}


CLIENT_TYPES = types(messages.ClientMessage)


def test_clients_accept_the_examples_of_the_servers_messages() -> None:
    shown = [example for example in examples("websocket.md") if "event" in json.loads(example)]
    parsed = [messages.server_message(example) for example in shown]
    assert {type(message) for message in parsed} == set(get_args(messages.ServerMessage))
    assert [message.model_dump(mode="json") for message in parsed] == [json.loads(example) for example in shown]


def test_the_server_accepts_the_example_of_an_offer() -> None:
    (offer,) = (example for example in examples("webrtc.md") if "webrtc_id" in json.loads(example))
    assert Offer.model_validate_json(offer).model_dump() == json.loads(offer)
    assert Offer.model_fields.keys() == json.loads(offer).keys()


def test_there_is_an_example_of_each_message() -> None:
    every = {*get_args(messages.ClientMessage), *get_args(messages.ServerMessage)}
    assert {type(example) for example in EXAMPLES} == every
    assert len(EXAMPLES) == len(every)


def test_the_example_of_the_state_has_the_fields_of_the_real_one() -> None:
    context = VerdictContext(sentence="Once upon a time there was a fox.", words_heard=4)
    verdict = Verdict(Decision.RESUME, "backchannel", "“uh-huh” only says so", "uh-huh")
    turn = Turn(speech_ended_s=1.0, turn_ended_s=1.6, transcript_s=1.2, begun_s=1.2, token_s=1.3, sentence_s=1.3)
    turn = replace(turn, audio_s=1.4, frame_s=1.64)
    real = view.view(
        replace(
            State(history=(Message(Role.USER, "Tell me a story."), Message(Role.ASSISTANT, "Once upon a time"))),
            calls=(CallRecord("call_1", "add_note", "{}"),),
            engines_in_use=(EngineReported(Stage.LLM, "offline", ("groq: it cannot be reached",)),),
            verdicts=(VerdictRecord(3, verdict, context, took_s=0.4),),
            turn=turn,
            turns=(turn,),
            error=ErrorReport(ErrorCode.ENGINE, "it failed"),
        )
    )
    assert shape(real) | {"error": None} == shape(webrtc.STATE)
    assert set(webrtc.STATE) - {"type"} == set(webrtc.STATE_FIELDS)
    assert real["error"].keys() == {"code", "message"}, "the fields that the page names"
    assert webrtc.STATE["phase"] in set(Phase)
    names = {step["name"] for step in real["turn"]} | {"response gap"}
    assert {step["name"] for step in webrtc.STATE["turn"]} <= names
    assert webrtc.STATE["medians"].keys() <= names


def shape(value: Any) -> Any:
    """Returns the value with only the names of its fields, and of each list the different shapes in it."""
    if isinstance(value, dict):
        free = "response gap" in value  # the fields are the names of steps
        return {} if free else {name: shape(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return sorted({json.dumps(shape(each), sort_keys=True) for each in value})
    return None


def test_the_example_of_the_options_has_the_fields_of_the_real_ones() -> None:
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    real = AvailablePreferences(engines, Preferences()).view()
    assert real.keys() == OPTIONS.keys()
    assert real["default"].keys() == OPTIONS["default"].keys()
    for field in ("persona", "language", "sensitivity", "endpointing", "interrupted_history"):
        assert shape(real[field]) == shape(OPTIONS[field])
    for stage, engines_of_stage in real["engines"].items():
        (example,) = OPTIONS["engines"][stage]
        assert engines_of_stage[0].keys() == example.keys()


@pytest.mark.parametrize("page", ["webrtc.md", "websocket.md"])
def test_a_page_explains_every_code(page: str) -> None:
    text = (PAGES / page).read_text("utf-8")
    for code in (*CloseCode, *ErrorCode, *messages.REFUSALS, *CallStatus):
        assert re.search(rf"^\| `{code}` \| \S", text, re.MULTILINE), code


def test_the_meaning_of_a_value_is_the_docstring_below_it() -> None:
    assert meanings(CloseCode)["elsewhere"] == "A newer session took the conversation over."
    assert all(meanings(CloseCode).values())
