"""What the page is told, for states that the machine can be in."""

from __future__ import annotations

import json
from dataclasses import replace

from voicebot.core.history import Message, Role
from voicebot.core.state import Reply, Ruling, State, Turn, Utterance
from voicebot.core.verdict import Decision, Verdict
from voicebot.ui import panel

ASKED = Message(Role.USER, "tell me a story")
TOLD = Message(Role.ASSISTANT, "Once upon a", interrupted=True)
SPEAKING = Reply(2, sentences=("It is ten.", "In Tokyo, that is."), started=True, played=1, words=2)

ANSWERED = Turn(
    speech_ended_s=10.0,
    turn_ended_s=10.5,
    transcript_s=10.8,
    token_s=10.9,
    sentence_s=10.93,
    audio_s=10.95,
    frame_s=10.96,
)


def user(text: str, *, interim: bool = False) -> dict[str, object]:
    return {"role": "user", "text": text, "interim": interim}


def bot(heard: str, unheard: str = "", *, interrupted: bool = False, live: bool = False) -> dict[str, object]:
    return {"role": "assistant", "heard": heard, "unheard": unheard, "interrupted": interrupted, "live": live}


def test_a_new_session_shows_nothing() -> None:
    assert panel.view(State()) == {
        "type": "state",
        "phase": "idle",
        "chat": [],
        "older": 0,
        "status": {"stt": "idle", "agent": "idle", "tts": "idle", "playback": "idle", "interruption": "idle"},
        "rulings": [],
        "turn": [],
        "medians": {},
        "error": None,
    }


def test_a_view_is_plain_json() -> None:
    verdict = Verdict(Decision.RESUME, "backchannel", "“uh-huh” only says that the user listens", "uh-huh")
    state = State(
        history=(ASKED, TOLD), reply=SPEAKING, turn=ANSWERED, turns=(ANSWERED,), rulings=(Ruling(verdict, 0.4),)
    )
    view = panel.view(state)
    assert json.loads(json.dumps(view)) == view


# The chat ---------------------------------------------------------------------------------------------------------


def test_history_shows_what_was_said_and_heard() -> None:
    assert panel.chat(State(history=(ASKED, TOLD))) == [user("tell me a story"), bot("Once upon a", interrupted=True)]


def test_a_live_reply_is_split_at_the_last_word_heard() -> None:
    state = State(history=(ASKED,), reply=SPEAKING)
    assert panel.chat(state)[-1] == bot("It is ten. In Tokyo,", "that is.", live=True)


def test_a_reply_without_a_sentence_is_not_shown_yet() -> None:
    assert panel.chat(State(history=(ASKED,), reply=Reply(1))) == [user("tell me a story")]


def test_a_cancelled_reply_is_marked_as_interrupted_at_once() -> None:
    state = State(reply=replace(SPEAKING, cancelled=True))
    assert panel.chat(state) == [bot("It is ten. In Tokyo,", "that is.", interrupted=True, live=True)]


def test_a_forgotten_reply_is_gone_at_once() -> None:
    assert panel.chat(State(reply=replace(SPEAKING, cancelled=True, forgotten=True))) == []


def test_words_over_a_reply_stand_below_it_the_certain_before_the_interim() -> None:
    state = State(reply=SPEAKING, pending=("no", "wait"), utterances=(Utterance(3, "I mean"), Utterance(4, "in")))
    assert panel.chat(state)[1:] == [user("no wait"), user("I mean in", interim=True)]


def test_speech_without_words_yet_has_its_place_already() -> None:
    assert panel.chat(State(utterances=(Utterance(1),))) == [user("", interim=True)]


def test_an_utterance_that_ended_without_words_has_none() -> None:
    assert panel.chat(State(utterances=(Utterance(1, speaking=False),))) == []


def test_markup_stays_as_it_was_said() -> None:
    text = "<b>&amp;</b>"
    assert panel.chat(State(history=(Message(Role.USER, text),))) == [user(text)]


def test_a_long_conversation_shows_its_last_messages_and_counts_the_others() -> None:
    state = State(history=tuple(Message(Role.USER, str(number)) for number in range(100)))
    view = panel.view(state)
    assert len(view["chat"]) == panel.MAX_MESSAGES
    assert view["older"] == 100 - panel.MAX_MESSAGES
    assert view["chat"][-1] == user("99")


def test_long_messages_are_fewer() -> None:
    state = State(history=tuple(Message(Role.USER, "x" * 2_000) for _ in range(30)))
    view = panel.view(state)
    assert len(view["chat"]) + view["older"] == 30
    assert 4 <= len(view["chat"]) <= 6
    assert len(json.dumps(view)) < 64_000


def test_the_last_message_is_shown_however_long_it_is() -> None:
    text = "x" * (panel.MAX_CHAT_CHARS + 1)
    assert panel.view(State(history=(ASKED, Message(Role.USER, text))))["chat"] == [user(text)]


# Verdicts ---------------------------------------------------------------------------------------------------------


def test_the_newest_ruling_comes_first_and_old_ones_are_left_out() -> None:
    rulings = tuple(
        Ruling(Verdict(Decision.REGENERATE, "words", "meant for the bot", str(number)), took_s=0.4504)
        for number in range(panel.MAX_RULINGS + 2)
    )
    shown = panel.view(State(rulings=rulings))["rulings"]
    assert [ruling["text"] for ruling in shown] == ["6", "5", "4", "3", "2"]
    assert shown[0] == {
        "decision": "regenerate",
        "rule": "words",
        "reason": "meant for the bot",
        "text": "6",
        "took_ms": 450,
    }


# Times ------------------------------------------------------------------------------------------------------------


def test_the_waterfall_begins_when_the_user_fell_silent_and_has_no_gaps() -> None:
    steps = panel.turn_view(ANSWERED)
    assert [step["name"] for step in steps] == [name for name, _ in panel.STAGES]
    assert [(step["from_ms"], step["to_ms"]) for step in steps] == [
        (0, 500),
        (500, 800),
        (800, 900),
        (900, 930),
        (930, 950),
        (950, 960),
    ]


def test_a_turn_under_way_has_the_steps_that_have_come() -> None:
    turn = Turn(speech_ended_s=1.0, turn_ended_s=1.5, transcript_s=1.7)
    assert [step["name"] for step in panel.turn_view(turn)] == ["end of turn", "final text"]


def test_no_turn_has_no_steps() -> None:
    assert panel.turn_view(None) == []


def test_medians_are_over_all_answered_turns() -> None:
    turns = [replace(ANSWERED, frame_s=frame_s) for frame_s in (10.96, 11.0, 12.0)]
    assert panel.medians(turns) == {
        "response gap": 1000,
        "end of turn": 500,
        "final text": 300,
        "first token": 100,
        "first sentence": 30,
        "first audio": 20,
        "first frame": 50,
    }


def test_typed_turns_do_not_count_as_quick_ones() -> None:
    typed = replace(ANSWERED, turn_ended_s=10.0, transcript_s=10.0)
    assert panel.medians([ANSWERED, typed]) == panel.medians([ANSWERED])


def test_no_turns_have_no_medians() -> None:
    assert panel.medians([]) == {}
