"""The part of a conversation that a language model gets, and in which messages."""

from __future__ import annotations

from typing import cast

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from tests.support.phrasings import HERE
from voicebot.dialogue.history import History, Message, Role
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.engines.llm.messages import (
    MODEL_AWAY_EXPLAINED,
    NO_CLEAR_YES,
    REPORT_CALLS,
    REPORTED_CHARS,
    STILL_RUNNING,
    UNREPORTED,
    system_message,
    to_messages,
    tokens,
)
from voicebot.engines.llm.offline.topics import AWAY, BEYOND, STILL_BEYOND


def talk(turns: int, words: int = 20) -> History:
    """Returns a history of user and assistant in turn, the user first and last. Each message begins with its number."""
    roles = (Role.USER, Role.ASSISTANT)
    return tuple(Message(roles[number % 2], f"{number} {'word ' * words}".strip()) for number in range(2 * turns - 1))


@pytest.mark.parametrize("most", range(0, 2_000, 37))
def test_the_model_gets_as_much_of_the_end_of_the_history_as_fits(most: int) -> None:
    history = talk(20)
    whole, sent = to_messages(history, "Be brief."), to_messages(history, "Be brief.", most)
    assert sent[0] == whole[0], "the system prompt must stay"
    assert sent[1:] == whole[len(whole) - len(sent) + 1 :], "the messages must be the end of the history, without a gap"
    assert isinstance(sent[1], HumanMessage)
    assert tokens(sent) <= most or len(sent) == 2, "only the last message may exceed the limit"
    more = [*whole[:1], *whole[len(whole) - len(sent) - 1 :]]
    assert len(sent) == len(whole) or tokens(more) > most, "two more messages must not fit"


def test_the_model_gets_a_short_history_whole() -> None:
    history = talk(3)
    assert to_messages(history, "Be brief.", 1_000) == to_messages(history, "Be brief.")


def test_old_messages_of_a_very_long_history_are_not_even_examined() -> None:
    """Examining the ten thousand messages of an import would stall all sessions for 0.1 s in each turn."""
    unseen = cast("History", (None,) * 3)
    assert to_messages(unseen + talk(30), "Be brief.", 300) == to_messages(talk(30), "Be brief.", 300)


def test_devanagari_counts_as_more_tokens_per_character_than_latin() -> None:
    """Six characters of Devanagari are more tokens than six Latin letters."""
    assert tokens([HumanMessage("नमस्ते दुनिया " * 10)]) > 2 * tokens([HumanMessage("hello worlds! " * 10)])


# After an outage --------------------------------------------------------------------------------------------------


def system_prompt(*turns: str) -> str:
    history = tuple(Message(Role.ASSISTANT if place % 2 else Role.USER, text) for place, text in enumerate(turns))
    return to_messages(history, "Be brief.")[0].text


@pytest.mark.parametrize("notice", [f"{AWAY} {HERE}", f"{AWAY} {BEYOND}", STILL_BEYOND, AWAY[:40]])
def test_a_model_that_is_back_gets_an_explanation_of_the_outage_notice(notice: str) -> None:
    prompt = system_prompt("what time is it", notice, "why is the sky blue")
    assert prompt == f"{system_message('Be brief.').text}\n\n{MODEL_AWAY_EXPLAINED}"


def test_a_history_without_an_outage_notice_gets_no_explanation() -> None:
    assert MODEL_AWAY_EXPLAINED not in system_prompt("My language model is away", "Whose?", "Mine.")


def test_the_explanation_counts_towards_the_token_limit_and_goes_when_the_notice_goes() -> None:
    sent = (Message(Role.USER, "what time is it"), Message(Role.ASSISTANT, AWAY))
    later = tuple(Message(Role.USER, "word " * 40) for _ in range(6))
    whole = to_messages((*sent, *later), "Be brief.")
    assert MODEL_AWAY_EXPLAINED in whole[0].text
    most = tokens(whole) - 1
    some = to_messages((*sent, *later), "Be brief.", most)
    assert tokens(some) <= most
    few = to_messages((*sent, *later), "Be brief.", 200)
    assert MODEL_AWAY_EXPLAINED not in few[0].text


# Calls of tools ---------------------------------------------------------------------------------------------------


def record(id: str, position: int, status: CallStatus = CallStatus.DONE, result: str = "done") -> CallRecord:
    return CallRecord(id, "order", '{"what": "tea"}', status, result, position, reported=True)


def outline(messages: list[BaseMessage]) -> list[str]:
    """Returns what a model sees, without the system prompt."""
    lines = []
    for message in messages[1:]:
        match message:
            case ToolMessage():
                lines.append(f"{message.tool_call_id}={message.text}")
            case AIMessage(tool_calls=[made]):
                lines.append(f"{made['name']}({made['args']['what']}) {made['id']}")
            case _:
                lines.append(message.text.split()[0])
    return lines


def test_earlier_calls_stand_at_their_places_each_with_a_message_of_its_own() -> None:
    calls = (record("a", 1), record("b", 1), record("c", 3))
    messages = to_messages(talk(2), "Be brief.", calls=calls)
    assert outline([*messages]) == [
        "0",
        "order(tea) a",
        "a=done",
        "order(tea) b",
        "b=done",
        "1",
        "2",
        "order(tea) c",
        "c=done",
    ]
    assert messages[0] == system_message("Be brief."), "the user knows of all of them"


def test_a_call_beyond_the_end_of_the_history_comes_after_its_last_message() -> None:
    """A reply that was cut short before a word of it was heard leaves the history shorter than it was."""
    assert outline([*to_messages(talk(1), "Be brief.", calls=(record("a", 9),))]) == ["0", "order(tea) a", "a=done"]


def test_a_call_before_the_first_message_that_fits_is_left_out() -> None:
    calls = tuple(record(f"c{number}", number) for number in range(0, 40, 5))
    sent = outline([*to_messages(talk(20), "Be brief.", 300, calls)])
    whole = outline([*to_messages(talk(20), "Be brief.", None, calls)])
    assert len(sent) < len(whole)
    assert sent == whole[-len(sent) :]
    assert sent[0].isdecimal()
    assert not any(line.startswith("c0") for line in whole), "no message comes before it"


def test_calls_and_their_results_count_as_tokens() -> None:
    long = record("a", 1, result="word " * 1_000)
    short = record("a", 1)
    assert tokens(to_messages(talk(1), "", calls=(long,))) > tokens(to_messages(talk(1), "", calls=(short,))) + 1_000
    wide = CallRecord("a", "order", '{"what": "' + "tea " * 1_000 + '"}', CallStatus.DONE, "done", 1, reported=True)
    assert tokens(to_messages(talk(1), "", calls=(wide,))) > tokens(to_messages(talk(1), "", calls=(short,))) + 900


@pytest.mark.parametrize(
    ("status", "result", "seen", "is_error"),
    [
        (CallStatus.RUNNING, "", STILL_RUNNING, False),
        (CallStatus.DONE, "ordered", "ordered", False),
        (CallStatus.FAILED, "Error: closed", "Error: closed", True),
        (CallStatus.UNKNOWN, "Error: stopped", "Error: stopped", True),
        (CallStatus.NOT_CONFIRMED, "The user said no.", "The user said no.", True),
        (CallStatus.NOT_CONFIRMED, "", NO_CLEAR_YES, True),
    ],
)
def test_the_model_reads_how_a_call_ended(status: CallStatus, result: str, seen: str, is_error: bool) -> None:
    last = to_messages(talk(1), "Be brief.", calls=(record("a", 1, status, result),))[-1]
    assert isinstance(last, ToolMessage)
    assert (last.text, last.status) == (seen, "error" if is_error else "success")


def test_calls_that_have_ended_without_the_users_knowledge_are_named_in_the_system_prompt() -> None:
    calls = (
        CallRecord("a", "order", "{}", CallStatus.DONE, "two lines\nof text", 0),
        CallRecord("b", "order", "{}", CallStatus.RUNNING, "", 1),
        CallRecord("c", "order", "{}", CallStatus.DONE, "known", 1, reported=True),
        CallRecord("d", "order", "{}", CallStatus.UNKNOWN, "x" * 1_000, 1),
    )
    system = to_messages(talk(1), "Be brief.", calls=calls)[0]
    notes = system.text.split(REPORT_CALLS)[1].split("\n\n")[0].strip().splitlines()
    assert notes == ["- order {}: done: two lines of text", f"- order {{}}: unknown: {'x' * REPORTED_CHARS}"]
    assert system.additional_kwargs[UNREPORTED] == (calls[0], calls[3])


@pytest.mark.parametrize("arguments", ["", "[1]", "{", "null"])
def test_arguments_that_are_no_json_object_are_left_out(arguments: str) -> None:
    call = CallRecord("a", "order", arguments, CallStatus.DONE, "done", 1, reported=True)
    made = to_messages(talk(1), "Be brief.", calls=(call,))[-2]
    assert isinstance(made, AIMessage)
    assert made.tool_calls[0]["args"] == {}
