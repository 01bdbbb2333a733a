"""The bot began to answer although the user was not done: the start is dropped and the message goes on."""

from __future__ import annotations

import pytest

from tests.support.machine_session import Session, bot, user
from voicebot.dialogue import view
from voicebot.dialogue.end_of_turn.wrong_starts import ANSWERS_KEPT, MOST_S, wrong_start_delay_s
from voicebot.dialogue.events import (
    CancelReply,
    Command,
    FinalTranscript,
    PartialTranscript,
    PausePlayback,
    PlaybackFinished,
    PlaybackStarted,
    ReplyEnded,
    ReplyRefused,
    ResumePlayback,
    SentencePlayed,
    SentenceReady,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    StartReply,
    TextTyped,
    Timer,
    WordsHeard,
)
from voicebot.dialogue.facts import HistoryChanged, ReplyFinished, WrongStartRepaired
from voicebot.dialogue.history_snapshot import history_snapshot
from voicebot.dialogue.interruption.verdict import Decision, Speech, VerdictContext, give_verdict
from voicebot.dialogue.preferences import InterruptedHistory, Sensitivity
from voicebot.dialogue.state import Phase, Rules

QUESTION = "what time is it"
ANSWER = "It is ten past four in the afternoon."


def answered_too_soon(question: str = QUESTION, answer: str = ANSWER, rules: Rules | None = None) -> Session:
    """Returns a session in which the user has just heard the first two words of the answer."""
    session = Session(rules)
    session.ask(question)
    session.answer(answer)
    session.post(WordsHeard(1, 0, 2))
    return session


def go_on(session: Session, text: str, *, after_s: float = 0.5) -> list[Command]:
    """Lets the user speak `after_s` after the first sound. The words are known when the utterance has ended."""
    number = session.state.last_utterance + 1
    session.now_s += after_s
    commands = session.post(SpeechStarted(number), SpeechEnded(number, speech=Speech(duration_s=0.5)))
    return commands + session.post(FinalTranscript(number, text))


def answers_of(session: Session) -> list[Command]:
    """Returns the commands once the cancelled reply has ended and no more words have come."""
    return [*session.post(ReplyEnded(1)), *session.time_out(Timer.DEBOUNCE)]


@pytest.mark.parametrize("words", ["in tokyo", "please", "tomorrow", "and what is the weather", "or in the morning"])
def test_words_that_go_on_with_the_message_join_it_and_the_start_is_dropped(words: str) -> None:
    session = answered_too_soon()
    commands = go_on(session, words)
    assert [PausePlayback(1), CancelReply(1)] == [each for each in commands if hasattr(each, "reply")]
    assert session.state.verdicts[-1].verdict.rule == "continuation"
    assert answers_of(session) == [StartReply(2, (user(f"{QUESTION} {words}"),))]
    assert session.state.history == (user(f"{QUESTION} {words}"),)
    assert WrongStartRepaired(1, "It is") in session.facts


@pytest.mark.parametrize(
    "words",
    [
        *("wait what about tokyo", "no in tokyo", "no wait what about tokyo", "i meant in tokyo", "what about tokyo"),
        *("what is the weather in paris", "can you say that again", "what", "sorry i asked for the date"),
    ],
)
def test_corrections_and_new_questions_are_interruptions(words: str) -> None:
    session = answered_too_soon()
    assert CancelReply(1) in go_on(session, words)
    heard = bot("It is", interrupted=True)
    assert answers_of(session) == [StartReply(2, (user(QUESTION), heard, user(words)))]
    assert not any(isinstance(fact, WrongStartRepaired) for fact in session.facts)
    assert session.state.wrong_starts == (False,)


def test_a_question_goes_on_with_a_message_that_needs_more() -> None:
    session = answered_too_soon("can you tell me")
    go_on(session, "what time is it")
    assert answers_of(session) == [StartReply(2, (user("can you tell me what time is it"),))]


def test_stop_ends_the_reply_and_keeps_what_was_heard() -> None:
    session = answered_too_soon()
    go_on(session, "stop")
    assert answers_of(session) == []
    assert session.state.history == (user(QUESTION), bot("It is", interrupted=True))


@pytest.mark.parametrize("words", ["uh-huh", "okay", "right", ""])
def test_the_reply_goes_on_after_a_backchannel_or_a_noise(words: str) -> None:
    session = answered_too_soon()
    assert ResumePlayback(1) in go_on(session, words)
    assert session.state.phase is Phase.SPEAKING


def test_an_answer_to_the_bots_question_is_no_continuation() -> None:
    session = answered_too_soon(answer="Which city?")
    go_on(session, "in tokyo")
    assert answers_of(session) == [StartReply(2, (user(QUESTION), bot("Which city?"), user("in tokyo")))]


def test_words_later_than_a_second_are_an_interruption() -> None:
    session = answered_too_soon()
    go_on(session, "in tokyo", after_s=1.3)
    assert answers_of(session) == [StartReply(2, (user(QUESTION), bot("It is", interrupted=True), user("in tokyo")))]


def test_the_onset_of_the_speech_counts_and_not_its_detection() -> None:
    session = answered_too_soon()
    session.now_s += 1.5
    session.post(SpeechStarted(2, since_s=0.6), SpeechEnded(2), FinalTranscript(2, "in tokyo"))
    assert answers_of(session) == [StartReply(2, (user(f"{QUESTION} in tokyo"),))]


def test_a_hesitation_keeps_the_reply_paused_while_the_user_may_go_on() -> None:
    session = answered_too_soon()
    session.now_s += 0.3
    session.post(SpeechStarted(2), SpeechPaused(2, 1))
    session.post(PartialTranscript(2, "um", pause=1))
    assert session.state.phase is Phase.PAUSED
    assert CancelReply(1) in session.post(PartialTranscript(2, "um in tokyo", pause=1))


def test_the_reply_goes_on_when_nothing_follows_the_hesitation() -> None:
    session = answered_too_soon()
    session.post(SpeechStarted(2), SpeechPaused(2, 1), PartialTranscript(2, "um", pause=1))
    assert session.state.phase is Phase.PAUSED
    assert ResumePlayback(1) in session.post(SpeechEnded(2, silence_s=1.5))


def test_the_reply_goes_on_at_once_when_the_hesitation_was_an_echo() -> None:
    session = answered_too_soon()
    session.post(SpeechStarted(2), SpeechPaused(2, 1, speech=Speech(duration_s=0.3, echo=0.6)))
    assert ResumePlayback(1) in session.post(PartialTranscript(2, "um", pause=1))


def test_a_bot_that_is_hard_to_interrupt_is_silent_for_a_continuation() -> None:
    session = answered_too_soon(rules=Rules(preemptive_replies=False, sensitivity=Sensitivity.HARD))
    assert CancelReply(1) in go_on(session, "in tokyo")


def test_the_message_is_judged_as_a_whole_when_the_next_reply_is_prepared() -> None:
    """A preemptive reply begins at a pause unless the message looks unfinished. "If you can" alone does."""
    session = answered_too_soon(rules=Rules(preemptive_replies=True))
    session.post(SpeechStarted(2), SpeechPaused(2, 1), PartialTranscript(2, "if you can", pause=1))
    assert StartReply(2, (user(f"{QUESTION} if you can"),), preemptive=True) in session.post(ReplyEnded(1))


def test_nothing_of_the_start_is_shown_or_stored_once_it_is_known_to_be_wrong() -> None:
    session = answered_too_soon()
    assert history_snapshot(session.state)[-1] == bot("It is", interrupted=True)
    go_on(session, "in tokyo")
    assert history_snapshot(session.state) == (user(f"{QUESTION} in tokyo"),)
    shown = [{"role": "user", "text": f"{QUESTION} in tokyo", "interim": False}]
    assert view.chat(session.state) == shown
    answers_of(session)
    assert view.chat(session.state) == shown


def test_the_history_never_changes_for_the_start_and_no_interruption_is_counted() -> None:
    session = answered_too_soon()
    session.facts.clear()
    go_on(session, "in tokyo")
    session.post(ReplyEnded(1))
    assert not any(isinstance(fact, HistoryChanged) for fact in session.facts)
    (finished,) = [fact for fact in session.facts if isinstance(fact, ReplyFinished)]
    assert (finished.started, finished.cancelled, finished.interrupted) == (True, True, False)


def test_a_reply_that_was_heard_in_part_before_another_speaker_is_dropped_only_for_its_own_first_second() -> None:
    """Words that come after the reply went on again are an interruption, however soon their utterance began."""
    session = answered_too_soon()
    session.post(SpeechStarted(2))
    session.time_out(Timer.VERDICT)
    session.post(PartialTranscript(2, "in tokyo and in osaka too"))
    assert session.state.verdicts[-1].verdict.rule == "words"


def test_a_typed_message_is_whole() -> None:
    session = Session()
    session.post(TextTyped(QUESTION))
    session.answer(ANSWER)
    session.post(WordsHeard(1, 0, 2))
    go_on(session, "in tokyo")
    assert session.post(ReplyEnded(1)) == []
    assert session.state.history[1] == bot("It is", interrupted=True)
    assert session.state.wrong_starts == ()


def test_the_refusal_of_an_answer_is_not_taken_back() -> None:
    session = Session()
    session.ask(QUESTION)
    session.post(ReplyRefused(1, "no more today"))
    session.answer("No more answers today.")
    session.post(WordsHeard(1, 0, 2))
    go_on(session, "in tokyo")
    session.post(ReplyEnded(1))
    assert session.state.history[1] == bot("No more", interrupted=True)


def test_merged_histories_count_wrong_starts_too() -> None:
    rules = Rules(preemptive_replies=False, interrupted_history=InterruptedHistory.MERGE)
    session = answered_too_soon(rules=rules)
    go_on(session, "in tokyo")
    answers_of(session)
    assert session.state.wrong_starts == (True,)


def test_a_wrong_start_counts_as_a_pause_of_the_user() -> None:
    session = answered_too_soon()
    assert session.state.pauses.went_on == (False,)
    go_on(session, "in tokyo")
    assert session.state.pauses.went_on == (True,)


def test_wrong_starts_make_the_bot_wait_longer_until_enough_answers_were_right() -> None:
    session = answered_too_soon()
    go_on(session, "in tokyo")
    answers_of(session)
    assert wrong_start_delay_s(session.state.wrong_starts) == pytest.approx(0.08)
    for number in range(2, ANSWERS_KEPT + 2):
        session.post(PlaybackStarted(number), SentenceReady(number, 0, "Yes."), SentencePlayed(number, 0))
        session.post(PlaybackFinished(number), ReplyEnded(number))
        session.ask()
    assert wrong_start_delay_s(session.state.wrong_starts) == 0.0


def test_the_delay_grows_with_each_wrong_start_up_to_a_limit() -> None:
    delays_s = [wrong_start_delay_s([True] * count) for count in range(6)]
    assert delays_s == pytest.approx([0.0, 0.08, 0.16, 0.24, 0.24, 0.24])
    assert max(delays_s) == MOST_S


def test_words_said_while_the_reply_was_held_join_the_message_and_are_no_wrong_start() -> None:
    session = Session()
    session.ask(QUESTION)
    go_on(session, "in tokyo")
    assert answers_of(session) == [StartReply(2, (user(f"{QUESTION} in tokyo"),))]
    assert session.state.wrong_starts == ()
    assert not any(isinstance(fact, WrongStartRepaired) for fact in session.facts)


def test_interim_words_that_may_become_a_new_question_or_go_on_are_waited_for() -> None:
    context = VerdictContext(message="call my mother")
    assert give_verdict("when i get", context, final=False).decision is Decision.WAIT
    assert give_verdict("when i get home", context, final=True).continues
