"""The view that the page gets, for states that the machine can be in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.verdict_cases import case_of_line
from voicebot.dialogue import timings
from voicebot.dialogue import view as panel
from voicebot.dialogue.confirmation import PendingConfirmation, is_clear_yes
from voicebot.dialogue.events import EngineReported, Stage
from voicebot.dialogue.history import Message, Role
from voicebot.dialogue.interruption.verdict import Decision, Verdict, VerdictContext
from voicebot.dialogue.machine import step
from voicebot.dialogue.reply_state import Reply
from voicebot.dialogue.state import Rules, State, Turn, Utterance, VerdictRecord
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest
from voicebot.languages.loader import languages

ASKED = Message(Role.USER, "tell me a story")
TOLD = Message(Role.ASSISTANT, "Once upon a", interrupted=True)
SPEAKING = Reply(2, sentences=("It is ten.", "In Tokyo, that is."), started=True, played=1, words=2)

ANSWERED = Turn(
    speech_ended_s=10.0,
    turn_ended_s=10.5,
    transcript_s=10.8,
    begun_s=10.8,
    token_s=10.9,
    sentence_s=10.93,
    audio_s=10.95,
    frame_s=10.96,
)
"""A turn with a recogniser that returns the text only after the end of the turn."""

EAGER = Turn(
    speech_ended_s=10.0,
    transcript_s=10.25,
    begun_s=10.25,
    token_s=10.4,
    sentence_s=10.43,
    audio_s=10.45,
    turn_ended_s=10.5,
    frame_s=10.51,
)
"""A turn whose reply was made in the user's last pause and waited for the end of the turn."""

STORY = VerdictContext(sentence="Once upon a time there was a fox.", words_heard=5)
RODE_OUT = VerdictRecord(
    7, Verdict(Decision.RESUME, "backchannel", "“uh-huh” only says so", "uh-huh"), STORY, took_s=0.4504
)
GAVE_WAY = VerdictRecord(
    8, Verdict(Decision.REGENERATE, "words", "“why” is meant for the bot", "why"), STORY, took_s=0.3
)


def user(text: str, *, interim: bool = False) -> dict[str, object]:
    return {"role": "user", "text": text, "interim": interim}


def bot(heard: str, unheard: str = "", *, interrupted: bool = False, live: bool = False) -> dict[str, object]:
    return {"role": "assistant", "heard": heard, "unheard": unheard, "interrupted": interrupted, "live": live}


def test_a_new_session_has_an_empty_view() -> None:
    assert panel.view(State()) == {
        "type": "state",
        "phase": "idle",
        "handed_over": False,
        "chat": [],
        "older": 0,
        "status": {"stt": "idle", "agent": "idle", "tts": "idle", "playback": "idle", "interruption": "idle"},
        "engines": {},
        "verdicts": [],
        "turn": [],
        "ended_by": "",
        "budget": None,
        "medians": {},
        "confirmation": None,
        "error": None,
    }


def test_a_view_is_plain_json() -> None:
    verdicts = (replace(RODE_OUT, disputed=True), GAVE_WAY)
    view = panel.view(
        State(history=(ASKED, TOLD), reply=SPEAKING, turn=ANSWERED, turns=(ANSWERED, EAGER), verdicts=verdicts)
    )
    assert json.loads(json.dumps(view)) == view


def test_each_stage_shows_its_engine_and_the_reason_for_a_fallback() -> None:
    served = EngineReported(Stage.TTS, "espeak", ("gtts: no connection",))
    state, *_ = step(State(), EngineReported(Stage.TTS, "gtts"), 0.0)
    state, *_ = step(state, EngineReported(Stage.LLM, "groq"), 0.0)
    state, *_ = step(state, served, 0.0)
    assert panel.view(state)["engines"] == {
        "llm": {"name": "groq", "reasons": []},
        "tts": {"name": "espeak", "reasons": ["gtts: no connection"]},
    }


# The chat ---------------------------------------------------------------------------------------------------------


def test_the_chat_shows_the_users_words_and_the_words_heard_of_the_reply() -> None:
    assert panel.chat(State(history=(ASKED, TOLD))) == [user("tell me a story"), bot("Once upon a", interrupted=True)]


def test_a_live_reply_is_split_at_the_last_word_heard() -> None:
    state = State(history=(ASKED,), reply=SPEAKING)
    assert panel.chat(state)[-1] == bot("It is ten. In Tokyo,", "that is.", live=True)


def test_a_reply_without_a_sentence_is_not_shown_yet() -> None:
    assert panel.chat(State(history=(ASKED,), reply=Reply(1))) == [user("tell me a story")]


def test_a_preemptive_reply_is_not_shown_before_the_users_turn_ends() -> None:
    preemptive = Reply(1, asked="what time is it", preemptive=True, sentences=("It is ten.",), paused=True)
    state = State(reply=preemptive, utterances=(Utterance(1, text="what time is it"),))
    assert panel.chat(state) == [user("what time is it", interim=True)]
    given_up = replace(state, reply=replace(preemptive, cancelled=True))
    assert panel.chat(given_up) == [user("what time is it", interim=True)]
    committed = State(
        history=(Message(Role.USER, "what time is it"),), reply=replace(preemptive, preemptive=False, paused=False)
    )
    assert panel.chat(committed) == [user("what time is it"), bot("", "It is ten.", live=True)]


def test_a_cancelled_reply_is_marked_as_interrupted_at_once() -> None:
    state = State(reply=replace(SPEAKING, cancelled=True))
    assert panel.chat(state) == [bot("It is ten. In Tokyo,", "that is.", interrupted=True, live=True)]


def test_a_reply_of_a_cleared_conversation_is_not_shown() -> None:
    assert panel.chat(State(reply=replace(SPEAKING, cancelled=True, forgotten=True))) == []


def test_words_spoken_over_a_reply_are_shown_below_the_reply_final_before_interim() -> None:
    state = State(
        reply=SPEAKING, pending=("no", "wait"), utterances=(Utterance(3, text="I mean"), Utterance(4, text="in"))
    )
    assert panel.chat(state)[1:] == [user("no wait"), user("I mean in", interim=True)]


def test_speech_without_words_yet_is_shown_as_an_empty_interim_message() -> None:
    assert panel.chat(State(utterances=(Utterance(1),))) == [user("", interim=True)]


def test_an_utterance_that_ended_without_words_is_not_shown() -> None:
    assert panel.chat(State(utterances=(Utterance(1, speaking=False),))) == []


def test_markup_in_a_message_stays_unchanged() -> None:
    text = "<b>&amp;</b>"
    assert panel.chat(State(history=(Message(Role.USER, text),))) == [user(text)]


def test_a_long_conversation_shows_its_last_messages_and_counts_the_others() -> None:
    state = State(history=tuple(Message(Role.USER, str(number)) for number in range(100)))
    view = panel.view(state)
    assert len(view["chat"]) == panel.MAX_MESSAGES
    assert view["older"] == 100 - panel.MAX_MESSAGES
    assert view["chat"][-1] == user("99")


def test_fewer_messages_are_shown_when_the_messages_are_long() -> None:
    state = State(history=tuple(Message(Role.USER, "x" * 2_000) for _ in range(30)))
    view = panel.view(state)
    assert len(view["chat"]) + view["older"] == 30
    assert 4 <= len(view["chat"]) <= 6
    assert len(json.dumps(view)) < 64_000


def test_the_last_message_is_shown_however_long_it_is() -> None:
    text = "x" * (panel.MAX_CHAT_CHARS + 1)
    assert panel.view(State(history=(ASKED, Message(Role.USER, text))))["chat"] == [user(text)]


# Verdicts ---------------------------------------------------------------------------------------------------------


def test_the_newest_verdict_comes_first_and_old_verdicts_are_left_out() -> None:
    verdicts = tuple(replace(GAVE_WAY, number=number) for number in range(1, panel.MAX_VERDICTS + 3))
    assert [record["number"] for record in panel.view(State(verdicts=verdicts))["verdicts"]] == [7, 6, 5, 4, 3]


def test_a_verdict_shows_its_decision_its_reason_and_the_words_decided_on() -> None:
    assert panel.verdict_view(RODE_OUT) == {
        "number": 7,
        "decision": "resume",
        "rule": "backchannel",
        "reason": "“uh-huh” only says so",
        "text": "uh-huh",
        "took_ms": 450,
        "disputed": False,
    }


def test_a_disputed_verdict_comes_with_a_case_that_expects_the_opposite() -> None:
    rode_out = panel.verdict_view(replace(RODE_OUT, disputed=True))
    assert rode_out["disputed"] is True
    case = case_of_line(rode_out["case"])
    assert (case.context, case.text, case.final, case.expected) == (STORY, "uh-huh", True, Decision.REGENERATE)
    gave_way = panel.verdict_view(replace(GAVE_WAY, disputed=True))
    assert case_of_line(gave_way["case"]).expected is Decision.RESUME


# Latency ----------------------------------------------------------------------------------------------------------


def bars(turn: Turn) -> dict[str, tuple[int, int]]:
    return {step["name"]: (step["from_ms"], step["to_ms"]) for step in timings.turn_view(turn)}


def test_each_step_begins_when_the_steps_before_it_are_done() -> None:
    assert bars(ANSWERED) == {
        "end of turn": (0, 500),
        "final text": (0, 800),
        "first token": (800, 900),
        "first sentence": (900, 930),
        "first audio": (930, 950),
        "first frame": (950, 960),
    }


def test_a_preemptive_reply_is_made_during_the_endpointing_delay() -> None:
    assert bars(EAGER) == {
        "end of turn": (0, 500),
        "final text": (0, 250),
        "first token": (250, 400),
        "first sentence": (400, 430),
        "first audio": (430, 450),
        "first frame": (500, 510),
    }


def test_a_reply_that_is_not_preemptive_begins_only_at_the_end_of_the_turn() -> None:
    turn = replace(ANSWERED, transcript_s=10.25, turn_ended_s=10.5, begun_s=10.5)
    assert bars(turn)["first token"] == (500, 900)


def test_a_preemptive_reply_of_a_slow_model_shows_its_whole_ttft() -> None:
    turn = replace(ANSWERED, transcript_s=10.25, turn_ended_s=10.5, begun_s=10.25)
    assert bars(turn)["first token"] == (250, 900)


def test_steps_done_before_the_user_spoke_on_take_no_time() -> None:
    """A preemptive reply was ready when the user made one more sound without words."""
    steps = bars(replace(EAGER, speech_ended_s=10.44))
    assert steps["first token"] == (0, 0)
    assert steps["first audio"] == (0, 10)
    assert steps["first frame"] == (60, 70)


def test_an_answered_turn_is_compared_with_the_latency_budget() -> None:
    assert panel.view(State(turn=ANSWERED))["budget"] == {
        "gap_ms": 960,
        "limit_ms": 800,
        "most": "final text",
        "stage": "stt",
        "own_ms": 10,
        "own_limit_ms": 40,
    }


def test_a_turn_under_way_shows_only_the_steps_done_so_far() -> None:
    turn = Turn(speech_ended_s=1.0, turn_ended_s=1.5, transcript_s=1.7)
    assert [step["name"] for step in timings.turn_view(turn)] == ["end of turn", "final text"]


def test_a_session_without_a_turn_has_no_steps() -> None:
    assert timings.turn_view(None) == []


def test_the_medians_cover_all_answered_turns() -> None:
    turns = [replace(ANSWERED, frame_s=frame_s) for frame_s in (10.96, 11.0, 12.0)]
    assert timings.medians(turns) == {
        "response gap": 1000,
        "end of turn": 500,
        "final text": 800,
        "first token": 100,
        "first sentence": 30,
        "first audio": 20,
        "first frame": 50,
    }


def test_the_medians_cover_preemptive_and_other_turns_together() -> None:
    assert timings.medians([ANSWERED, EAGER, EAGER])["response gap"] == 510
    assert timings.medians([ANSWERED, EAGER, EAGER])["first token"] == 150


def test_typed_turns_are_left_out_of_the_medians() -> None:
    typed = replace(ANSWERED, turn_ended_s=10.0, transcript_s=10.0)
    assert timings.medians([ANSWERED, typed]) == timings.medians([ANSWERED])


def test_a_session_without_turns_has_no_medians() -> None:
    assert timings.medians([]) == {}


# Calls of tools -------------------------------------------------------------------------------------------------------


def shown(state: State) -> list[object]:
    """Returns the words of each message of the chat, and for a call its identifier."""
    return [message.get("id") or message.get("text") or message.get("heard") for message in panel.chat(state)]


def test_each_call_is_shown_at_its_place() -> None:
    calls = [
        CallRecord("first", "order", "{}", position=1),
        CallRecord("second", "order", "{}", position=1),
        CallRecord("early", "order", "{}", position=0),
        CallRecord("late", "order", "{}", position=2),
    ]
    state = State(history=(ASKED, TOLD), calls=tuple(calls), reply=SPEAKING, pending=("and now?",))
    expected = ["early", ASKED.text, "first", "second", TOLD.text, "late", SPEAKING.heard, "and now?"]
    assert shown(state) == expected
    beyond = replace(state, calls=(replace(calls[0], position=9),))
    assert shown(beyond) == [ASKED.text, TOLD.text, "first", SPEAKING.heard, "and now?"]


def test_words_that_join_the_last_message_stay_before_its_call() -> None:
    call = CallRecord("first", "order", "{}", position=1)
    state = State(history=(ASKED,), calls=(call,), pending=("please",))
    assert shown(state) == [f"{ASKED.text} please", "first"]


def test_a_call_is_shown_with_the_beginning_of_its_arguments_and_its_result() -> None:
    call = CallRecord("one", "order", '{"count": 2}', CallStatus.NOT_CONFIRMED, "x" * 2 * panel.MAX_CALL_CHARS)
    assert panel.chat(State(calls=(call,))) == [
        {
            **{"role": "tool", "id": "one", "tool": "order", "status": "not confirmed"},
            **{"arguments": '{"count": 2}', "result": "x" * panel.MAX_CALL_CHARS + "…"},
        }
    ]


def test_calls_count_for_the_length_of_the_chat() -> None:
    calls = [CallRecord(str(number), "order", "{}", position=number % 2) for number in range(2 * panel.MAX_MESSAGES)]
    view = panel.view(State(history=(ASKED,), calls=tuple(calls)))
    assert (len(view["chat"]), view["older"]) == (panel.MAX_MESSAGES, panel.MAX_MESSAGES + 1)
    long = [replace(call, result="x" * 400) for call in calls]
    view = panel.view(State(history=(ASKED,), calls=tuple(long)))
    assert 20 < len(view["chat"]) < 30


@pytest.mark.parametrize("language", sorted(languages().known))
def test_the_question_before_a_call_comes_with_a_clear_yes_and_a_no_in_the_language(language: str) -> None:
    asked = PendingConfirmation(ConfirmationRequest(CallRecord("one", "order", "{}"), "Shall I order it?"), 1.0, 61.0)
    shown = panel.view(State(rules=Rules(language=language), confirmation=asked))["confirmation"]
    yes, no = shown.pop("yes"), shown.pop("no")
    assert shown == {"id": "one", "tool": "order", "question": "Shall I order it?"}
    assert is_clear_yes(yes, language)
    assert no
    assert not is_clear_yes(no, language)


def test_there_is_no_question_unless_the_user_is_asked() -> None:
    assert panel.view(State())["confirmation"] is None
