"""The user's preferences: when they take effect, and how easily they let the bot be interrupted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.machine_session import Session, bot, speaking, user
from tests.support.verdict_cases import case_of_line
from voicebot.dialogue.end_of_turn.estimate import DELAYS
from voicebot.dialogue.events import (
    ApplyPreferences,
    CancelReply,
    Command,
    FinalTranscript,
    InterruptPressed,
    PartialTranscript,
    PreferencesChanged,
    ReplyEnded,
    SetEndpointingDelay,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    StartReply,
    TextTyped,
    Timer,
    WordsHeard,
)
from voicebot.dialogue.interruption.verdict import Decision, VerdictContext, give_verdict
from voicebot.dialogue.interruption.verdict_case import VerdictCase
from voicebot.dialogue.preferences import Endpointing, InterruptedHistory, Preferences, Sensitivity
from voicebot.dialogue.state import Rules

GERMAN = Preferences(language="de")
MERGING = Preferences(interrupted_history=InterruptedHistory.MERGE)


def kinds(commands: list[Command]) -> list[type[Command]]:
    return [type(command) for command in commands]


# When they take effect --------------------------------------------------------------------------------------------


def test_choices_made_in_an_idle_session_apply_at_once() -> None:
    session = Session()
    assert session.post(PreferencesChanged(GERMAN)) == [ApplyPreferences(GERMAN)]
    assert session.state.rules.language == "de"
    assert session.state.preferences == GERMAN
    assert session.post(PreferencesChanged(GERMAN)) == [], "unchanged preferences must cause no command"


def test_the_chosen_endpointing_decides_how_long_the_next_turn_waits_for_more() -> None:
    session = Session()
    session.post(PreferencesChanged(Preferences(endpointing=Endpointing.PATIENT)))
    commands = session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.1), PartialTranscript(1, "I want to", pause=1))
    assert SetEndpointingDelay(1, DELAYS[Endpointing.PATIENT].most_s) in commands
    assert DELAYS[Endpointing.PATIENT] != DELAYS[Endpointing.BALANCED]


def test_choices_made_during_a_reply_apply_once_the_reply_has_ended() -> None:
    session = speaking("Once upon a time there was a cat.")
    assert session.post(PreferencesChanged(MERGING), WordsHeard(1, 0, 2), InterruptPressed()) == [CancelReply(1)]
    assert session.state.rules.interrupted_history is InterruptedHistory.HEARD
    assert session.post(ReplyEnded(1)) == [ApplyPreferences(MERGING)]
    assert session.state.history == (user("tell me a story"), bot("Once upon", interrupted=True))

    session.ask("and now a poem")
    session.answer("A rose is a rose.")
    session.post(WordsHeard(2, 0, 2), InterruptPressed(), ReplyEnded(2))
    assert session.state.history[-1] == user("and now a poem"), "nothing of the second reply may be kept"


def test_choices_made_during_a_reply_apply_before_the_interruption_is_answered() -> None:
    """However quick the user is, no preemptive reply with the old preferences is begun."""
    session = speaking()
    session.state = replace(session.state, rules=Rules(preemptive_replies=True))
    session.post(PreferencesChanged(GERMAN), SpeechStarted(2))
    assert CancelReply(1) in session.post(PartialTranscript(2, "what time is it in tokyo"))
    session.post(ReplyEnded(1))
    posted = session.post(SpeechPaused(2, 1), PartialTranscript(2, "what time is it in tokyo", 1))
    assert not any(isinstance(command, StartReply) for command in posted)
    commands = [*session.post(SpeechEnded(2)), *session.time_out(Timer.DEBOUNCE)]
    assert [kind for kind in kinds(commands) if kind in (ApplyPreferences, StartReply)] == [
        ApplyPreferences,
        StartReply,
    ]


def test_choices_made_during_an_utterance_apply_after_the_utterance() -> None:
    session = Session()
    session.post(SpeechStarted(1))
    assert session.post(PreferencesChanged(GERMAN)) == []
    assert session.state.rules.language == "en"
    assert ApplyPreferences(GERMAN) in session.post(SpeechEnded(1), FinalTranscript(1, "what time is it"))


def test_the_latest_of_several_choices_applies() -> None:
    session = speaking()
    session.post(PreferencesChanged(GERMAN), PreferencesChanged(MERGING), TextTyped("another one"))
    assert session.post(ReplyEnded(1))[0] == ApplyPreferences(MERGING)


# How easily the bot is interrupted --------------------------------------------------------------------------------

TELLING = VerdictContext(sentence="Once upon a time there was a cat that lived on a ship.", words_heard=8)


@pytest.mark.parametrize(
    ("text", "final", "hard", "balanced", "easy"),
    [
        # Few words in a final transcript.
        ("to Paris", True, Decision.RESUME, Decision.REGENERATE, Decision.REGENERATE),
        ("why", True, Decision.REGENERATE, Decision.REGENERATE, Decision.REGENERATE),
        ("stop", True, Decision.REGENERATE, Decision.REGENERATE, Decision.REGENERATE),
        ("my dog is green", True, Decision.REGENERATE, Decision.REGENERATE, Decision.REGENERATE),
        ("uh-huh", True, Decision.RESUME, Decision.RESUME, Decision.RESUME),
        # Words in a partial transcript.
        ("green dogs", False, Decision.WAIT, Decision.WAIT, Decision.REGENERATE),
        ("my dog sings", False, Decision.WAIT, Decision.REGENERATE, Decision.REGENERATE),
        ("my dog sings green songs", False, Decision.REGENERATE, Decision.REGENERATE, Decision.REGENERATE),
    ],
)
def test_sensitivity_sets_how_many_words_interrupt_the_bot(
    text: str, final: bool, hard: Decision, balanced: Decision, easy: Decision
) -> None:
    decisions = [give_verdict(text, replace(TELLING, sensitivity=each), final=final).decision for each in Sensitivity]
    assert decisions == [hard, balanced, easy]


def test_brief_words_interrupt_at_hard_sensitivity_after_a_question_or_before_playback() -> None:
    asking = VerdictContext(sentence="Where do you want to go?", words_heard=6, sensitivity=Sensitivity.HARD)
    assert give_verdict("to Paris", asking, final=True).decision is Decision.REGENERATE
    assert (
        give_verdict("to Paris", VerdictContext(sensitivity=Sensitivity.HARD), final=True).decision
        is Decision.REGENERATE
    ), "before playback, the words must join the question"


def test_a_session_judges_interruptions_with_the_chosen_sensitivity() -> None:
    session = Session()
    session.post(PreferencesChanged(Preferences(sensitivity=Sensitivity.HARD)))
    session.ask()
    session.answer("Once upon a time there was a cat.")
    session.now_s += 2.0
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "to Paris"))
    (record,) = session.state.verdicts
    assert (record.verdict.decision, record.verdict.rule) == (Decision.RESUME, "brief")
    case = VerdictCase(record.context, "to Paris", final=True, expected=Decision.REGENERATE)
    assert case_of_line(case.to_line()) == case
