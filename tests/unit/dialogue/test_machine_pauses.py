"""Pauses of the user, tested as scripts: early verdicts, preemptive replies, and turns that end sooner or later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.machine_session import Session, bot, speaking, user
from voicebot.audio.prosody import Prosody
from voicebot.dialogue.end_of_turn.pauses import PauseHistory
from voicebot.dialogue.errors import ErrorCode, ErrorReport
from voicebot.dialogue.events import (
    CancelReply,
    ConversationCleared,
    EndTranscription,
    FinalTranscript,
    Input,
    InterruptPressed,
    PartialTranscript,
    PausePlayback,
    PlaybackFinished,
    ReplyEnded,
    ResumePlayback,
    SentencePlayed,
    SetEndpointingDelay,
    SpeechCleared,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    SpeechSuspected,
    StartReply,
    StartTimer,
    TextTyped,
    TimedOut,
    Timer,
    TokenReceived,
    VerdictDisputed,
    WordsHeard,
)
from voicebot.dialogue.facts import ReplyCommitted, ReplyFinished
from voicebot.dialogue.interruption.verdict import Decision, Speech
from voicebot.dialogue.machine import DISMISSED_S
from voicebot.dialogue.preferences import Endpointing
from voicebot.dialogue.state import InterruptionStatus, Phase, Rules, State
from voicebot.languages.prompts import ask_again

EAGER = Rules()
SPOKEN = Speech(duration_s=1.0)


def pausing(text: str, rules: Rules = EAGER) -> Session:
    """Returns a session whose user has said `text` and pauses. The recogniser has reported the text of the pause."""
    session = Session(rules)
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.1, SPOKEN), PartialTranscript(1, text, pause=1))
    return session


def delay_s(session: Session) -> float:
    (utterance,) = session.state.utterances
    assert utterance.endpointing_delay_s is not None
    return utterance.endpointing_delay_s


# Speech over a reply ----------------------------------------------------------------------------------------------


def test_playback_resumes_at_the_pause_after_a_backchannel() -> None:
    session = speaking()
    session.post(SpeechStarted(2), SpeechPaused(2, 1, 0.1))
    assert ResumePlayback(1) in session.post(PartialTranscript(2, "uh-huh", pause=1))
    assert session.state.phase is Phase.SPEAKING
    assert EndTranscription(2) in session.post(SpeechEnded(2, 0.5))
    assert session.state.utterances == ()
    assert len(session.state.verdicts) == 1
    assert session.state.history == (user("tell me a story"),)


def test_speech_that_goes_on_after_a_backchannel_pauses_playback_again() -> None:
    session = speaking()
    session.post(SpeechStarted(2), SpeechPaused(2, 1), PartialTranscript(2, "okay", pause=1))
    assert PausePlayback(1) in session.post(SpeechContinued(2))
    session.post(SpeechPaused(2, 2))
    assert CancelReply(1) in session.post(PartialTranscript(2, "okay but what about tomorrow", pause=2))


def test_words_from_a_pause_decide_nothing_once_the_user_speaks_on() -> None:
    session = speaking()
    session.post(SpeechStarted(2), SpeechPaused(2, 1), SpeechContinued(2))
    session.post(PartialTranscript(2, "okay", pause=1))
    assert session.state.phase is Phase.PAUSED, (
        "the words of the pause must decide nothing, because the user has said more"
    )


def test_clear_words_cancel_the_reply_before_the_utterance_ends() -> None:
    session = speaking()
    session.post(SpeechStarted(2))
    assert CancelReply(1) in session.post(PartialTranscript(2, "tell me about the weather in"))
    assert session.state.verdicts[-1].verdict.decision is Decision.REGENERATE
    session.post(ReplyEnded(1), SpeechEnded(2), FinalTranscript(2, "tell me about the weather in Paris"))
    commands = session.time_out(Timer.DEBOUNCE)
    assert commands == [StartReply(2, (user("tell me a story tell me about the weather in Paris"),))]


def test_stop_in_a_partial_transcript_starts_no_reply_at_the_final_transcript() -> None:
    session = speaking()
    session.post(SpeechStarted(2), PartialTranscript(2, "stop"))
    assert session.state.interruption_status is InterruptionStatus.ACTIVE
    session.post(ReplyEnded(1), SpeechEnded(2), FinalTranscript(2, "stop"))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.is_idle
    assert session.state.last_reply == 1


def test_a_question_after_stop_is_answered() -> None:
    session = speaking()
    session.post(SpeechStarted(2), PartialTranscript(2, "stop"), ReplyEnded(1), SpeechEnded(2))
    session.post(FinalTranscript(2, "stop what time is it"))
    (start,) = session.time_out(Timer.DEBOUNCE)
    assert isinstance(start, StartReply)
    assert start.history[-1].text.endswith("what time is it")


def test_the_bot_asks_again_if_the_interrupting_words_vanish_in_the_final_transcript() -> None:
    session = speaking()
    session.post(SentencePlayed(1, 0))
    session.post(SpeechStarted(2), PartialTranscript(2, "tell me about the weather in"), ReplyEnded(1), SpeechEnded(2))
    session.post(FinalTranscript(2, ""))
    (start,) = session.time_out(Timer.DEBOUNCE)
    assert isinstance(start, StartReply)
    assert start.text == ask_again("en")


def test_playback_resumes_if_speech_shows_no_words_within_the_noise_timeout() -> None:
    session = speaking(streams=True)
    commands = session.post(SpeechStarted(2))
    assert session.state.rules.noise_timeout_s in [c.delay_s for c in commands if isinstance(c, StartTimer)]
    assert ResumePlayback(1) in session.time_out(Timer.VERDICT)
    assert session.state.speaking, "the utterance must still be open"
    assert CancelReply(1) in session.post(PartialTranscript(2, "tell me about the weather in"))


def test_a_recogniser_without_partials_gets_the_whole_speech_timeout() -> None:
    session = speaking()
    commands = session.post(SpeechStarted(2))
    delays = [c.delay_s for c in commands if isinstance(c, StartTimer) and c.timer is Timer.VERDICT]
    assert delays == [session.state.rules.speech_timeout_s]


def test_successive_utterances_pause_playback_no_longer_than_the_limit() -> None:
    session = speaking(streams=True)
    session.post(SpeechStarted(2))
    number = 2
    while session.state.phase is Phase.PAUSED:
        session.now_s += 1.0
        session.post(SpeechEnded(number), SpeechStarted(number + 1))
        number += 1
        timer = session.started[Timer.VERDICT]
        if timer.delay_s == 0.0:
            session.post(TimedOut(timer.timer, timer.token))
        assert number < 15, "playback stays paused for ever"
    assert 7 < session.now_s < 11


def test_an_echo_of_a_reply_that_has_just_ended_is_not_answered() -> None:
    session = speaking("It is raining in Paris.")
    session.post(WordsHeard(1, 0, 5), SentencePlayed(1, 0), PlaybackFinished(1), ReplyEnded(1))
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "raining in paris"))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.is_idle
    session.now_s += 2
    session.post(SpeechStarted(3), SpeechEnded(3), FinalTranscript(3, "raining in paris"))
    assert [type(c) for c in session.time_out(Timer.DEBOUNCE)] == [StartReply], (
        "a later repetition must be answered, because it comes from the user"
    )


def test_yes_right_after_the_end_of_the_bots_question_is_answered() -> None:
    session = speaking("Shall I tell you more?")
    session.post(SentencePlayed(1, 0), PlaybackFinished(1), ReplyEnded(1))
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "yes"))
    assert [type(c) for c in session.time_out(Timer.DEBOUNCE)] == [StartReply]


def test_an_utterance_records_how_long_its_sound_outlasted_playback() -> None:
    session = speaking()
    session.post(SpeechStarted(2))
    paused_s = session.now_s
    session.now_s += 1.0
    session.post(SpeechPaused(2, 1, 0.3, SPOKEN))
    outlasted_s = session.state.utterances[0].speech.outlasted_s
    assert outlasted_s == pytest.approx(session.now_s - 0.3 - paused_s)


def test_suspected_speech_pauses_playback_until_the_suspicion_is_cleared() -> None:
    session = speaking()
    assert PausePlayback(1) in session.post(SpeechSuspected())
    assert ResumePlayback(1) in session.post(SpeechCleared())
    assert session.state.verdicts == (), "a suspicion must lead to no verdict"


def test_suspected_speech_that_becomes_speech_pauses_playback_once() -> None:
    session = speaking()
    session.post(SpeechSuspected())
    commands = session.post(SpeechStarted(2))
    assert PausePlayback(1) not in commands
    assert session.state.phase is Phase.PAUSED
    session.post(SpeechEnded(2))
    assert ResumePlayback(1) in session.post(FinalTranscript(2, "uh-huh"))


def test_suspected_speech_that_is_never_cleared_times_out() -> None:
    session = speaking()
    session.post(SpeechSuspected())
    assert ResumePlayback(1) in session.time_out(Timer.VERDICT)


def test_suspected_speech_matters_only_during_playback() -> None:
    session = Session()
    assert session.post(SpeechSuspected()) == []
    session.post(SpeechCleared())
    session.ask()
    assert session.post(SpeechSuspected()) == [], "a suspicion must not matter before playback"


# The user's turn --------------------------------------------------------------------------------------------------


def test_a_preemptive_reply_is_made_in_the_pause_and_held_until_the_turn_ends() -> None:
    session = pausing("what time is it")
    assert session.state.last_reply == 1
    assert session.state.history == (), "the words must not be in the history yet"
    assert session.state.phase is Phase.LISTENING
    assert session.state.interruption_status is InterruptionStatus.IDLE, "the user cannot interrupt a preemptive reply"
    session.answer_quietly("It is ten.")
    commands = session.post(SpeechEnded(1, 0.5))
    assert commands[:2] == [EndTranscription(1), ResumePlayback(1)]
    assert session.state.history == (user("what time is it"),)
    assert session.state.phase is Phase.THINKING


def test_a_preemptive_reply_starts_with_playback_paused() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), SpeechPaused(1, 1))
    commands = session.post(PartialTranscript(1, "what time is it", pause=1))
    assert commands[-2:] == [StartReply(1, (user("what time is it"),), preemptive=True), PausePlayback(1)]


def test_a_preemptive_reply_is_cancelled_when_more_words_come() -> None:
    session = pausing("what time is it")
    assert CancelReply(1) not in session.post(SpeechContinued(1)), "a noise must not cancel the reply"
    assert CancelReply(1) in session.post(PartialTranscript(1, "what time is it in tokyo"))
    commands = session.post(ReplyEnded(1), SpeechPaused(1, 2))
    assert StartReply(2, (user("what time is it in tokyo"),), preemptive=True) in commands
    session.post(PartialTranscript(1, "what time is it in tokyo", pause=2), SpeechEnded(1, 0.5))
    assert session.state.history == (user("what time is it in tokyo"),)


def test_a_noise_in_the_pause_does_not_cancel_the_preemptive_reply() -> None:
    session = pausing("what time is it")
    session.post(SpeechContinued(1), SpeechPaused(1, 2, 0.1), PartialTranscript(1, "what time is it", pause=2))
    assert ResumePlayback(1) in session.post(SpeechEnded(1, 0.5))
    assert session.state.last_reply == 1


def test_a_final_transcript_with_other_words_replaces_the_preemptive_reply() -> None:
    session = pausing("what time")
    session.now_s += 0.5
    session.post(SpeechContinued(1), SpeechEnded(1, 0.5))
    assert CancelReply(1) in session.post(FinalTranscript(1, "what time is it"))
    assert session.post(ReplyEnded(1)) == [StartReply(2, (user("what time is it"),))], (
        "the new reply must start at once and not be preemptive"
    )


def test_complete_interim_words_begin_a_reply_before_the_recogniser_answers_the_pause() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), PartialTranscript(1, "tell me about the"), SpeechPaused(1, 1, 0.064, SPOKEN))
    commands = session.post(PartialTranscript(1, "tell me about the weather"))
    assert StartReply(1, (user("tell me about the weather"),), preemptive=True) in commands
    assert not session.state.utterances[0].settled
    assert CancelReply(1) not in session.post(PartialTranscript(1, "Tell me about the weather.", pause=1))
    assert ResumePlayback(1) in session.post(SpeechEnded(1, 0.5))
    assert session.state.last_reply == 1


def test_complete_interim_words_that_came_before_the_pause_was_noticed_begin_a_reply_at_once() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), PartialTranscript(1, "what time is it"))
    assert session.state.last_reply == 0, "the user may be speaking on"
    commands = session.post(SpeechPaused(1, 1, 0.064, SPOKEN))
    assert StartReply(1, (user("what time is it"),), preemptive=True) in commands


def test_interim_words_from_before_the_silence_begin_no_reply_as_the_last_word_is_missing() -> None:
    """A recogniser reports a word after it was spoken, so what it reported while the user spoke is not the end."""
    session = Session(EAGER)
    session.post(SpeechStarted(1), PartialTranscript(1, "what day is it"))
    session.now_s += 0.2
    session.post(SpeechPaused(1, 1, 0.064, SPOKEN))
    assert session.state.last_reply == 0
    commands = session.post(PartialTranscript(1, "what day is it today"))
    assert StartReply(1, (user("what day is it today"),), preemptive=True) in commands


@pytest.mark.parametrize("text", ["I want to", "I went there with my brother"])
def test_interim_words_that_do_not_look_complete_begin_no_reply(text: str) -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.064, SPOKEN), PartialTranscript(1, text))
    assert session.state.last_reply == 0


@pytest.mark.parametrize(
    "final",
    ["What time is it?", "what time is it", "WHAT TIME IS IT", "um what time is it", "What, uh, time is it?"],
)
def test_a_preemptive_reply_is_kept_when_the_final_text_says_the_same(final: str) -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.064, SPOKEN), PartialTranscript(1, "what time is it"))
    session.answer_quietly("It is ten.")
    session.now_s += 0.4
    session.post(SpeechEnded(1, 0.5))
    assert ResumePlayback(1) in session.post(FinalTranscript(1, final))
    assert session.state.last_reply == 1
    assert session.state.history == (user(final),), "the history must hold the final text"
    assert ReplyCommitted(1, preemptive=True) in session.facts


@pytest.mark.parametrize("noise", ["[BLANK_AUDIO]", "♪", "...", "um"])
def test_no_reply_is_begun_for_a_text_without_words(noise: str) -> None:
    session = pausing(noise)
    session.now_s += 1.5
    session.post(SpeechEnded(1, 1.5, Speech(duration_s=0.3)))
    assert session.state.last_reply == 0 or session.state.history == (user(noise),)
    session = pausing(noise)
    session.post(SpeechContinued(1), SpeechEnded(1, 0.9, Speech(duration_s=0.3)), FinalTranscript(1, ""))
    assert session.state.is_idle


@pytest.mark.parametrize("final", ["what time is it not", "what times is it", "what is it", ""])
def test_a_preemptive_reply_is_not_spoken_when_the_final_text_says_something_else(final: str) -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.064, SPOKEN), PartialTranscript(1, "what time is it"))
    session.now_s += 1.5
    session.post(SpeechEnded(1, 1.5))
    assert CancelReply(1) in session.post(FinalTranscript(1, final))
    commands = session.post(ReplyEnded(1))
    assert [each.history for each in commands if isinstance(each, StartReply)] == [(user(final),)] * bool(final)


def test_a_turn_discards_a_limited_number_of_replies_and_is_then_answered_at_its_end() -> None:
    session = Session(replace(EAGER, preemptive_discards_per_turn=2))
    said = "what time is it"
    session.post(SpeechStarted(1))
    for pause, more in enumerate((" in tokyo", " in winter", " today"), 1):
        session.post(SpeechPaused(1, pause, 0.1, SPOKEN), PartialTranscript(1, said, pause=pause))
        said += more
        session.post(SpeechContinued(1), PartialTranscript(1, said), ReplyEnded(session.state.last_reply))
    assert session.state.last_reply == 2, "the third pause must begin no reply"
    session.post(SpeechPaused(1, 4, 0.1, SPOKEN), PartialTranscript(1, said, pause=4))
    assert session.state.last_reply == 2
    assert StartReply(3, (user(said),)) in session.post(SpeechEnded(1, 0.5))
    session.answer("It is ten.")
    session.post(PlaybackFinished(3), ReplyEnded(3))
    session.post(SpeechStarted(2), SpeechPaused(2, 1, 0.1, SPOKEN))
    commands = session.post(PartialTranscript(2, "and what time is it in paris", pause=1))
    assert any(isinstance(each, StartReply) and each.preemptive for each in commands), "each turn counts anew"


def test_a_reply_that_fails_in_a_pause_is_not_begun_again_and_again() -> None:
    session = pausing("what time is it")
    error = ErrorReport(ErrorCode.ENGINE, "it failed")
    for number in range(1, 10):
        session.post(ReplyEnded(number, error))
    assert session.state.last_reply == EAGER.preemptive_discards_per_turn
    assert StartReply(4, (user("what time is it"),)) in session.post(SpeechEnded(1, 0.5))


def test_the_tokens_of_a_discarded_reply_are_reported_and_those_of_a_kept_one_are_not() -> None:
    session = pausing("what time is it")
    session.post(TokenReceived(1), TokenReceived(1), PartialTranscript(1, "what time is it in tokyo"))
    session.post(TokenReceived(1), ReplyEnded(1), SpeechPaused(1, 2, 0.1))
    session.post(PartialTranscript(1, "what time is it in tokyo", pause=2), TokenReceived(2), SpeechEnded(1, 0.5))
    session.post(TokenReceived(2), InterruptPressed(), ReplyEnded(2))
    finished = [fact for fact in session.facts if isinstance(fact, ReplyFinished)]
    assert [(fact.committed, fact.tokens_discarded) for fact in finished] == [(False, 3), (True, 0)]


def test_an_unfinished_sentence_starts_no_preemptive_reply() -> None:
    session = pausing("I would like a coffee and")
    assert session.state.last_reply == 0
    assert session.state.utterances[0].endpointing_delay_s == EAGER.endpointing_delays.most_s


def test_preemptive_replies_can_be_switched_off() -> None:
    session = pausing("what time is it", Rules(preemptive_replies=False))
    assert session.state.last_reply == 0
    assert StartReply(1, (user("what time is it"),)) in session.post(SpeechEnded(1, 0.5))


@pytest.mark.parametrize(
    ("input", "asked"),
    [
        (InterruptPressed(), "what time is it"),
        (TextTyped("hello"), "hello what time is it"),
        (ConversationCleared(), "what time is it"),
    ],
)
def test_the_interrupt_button_typing_and_clearing_cancel_a_preemptive_reply_and_lose_no_words(
    input: Input, asked: str
) -> None:
    session = pausing("what time is it")
    assert session.post(input) == [CancelReply(1)]
    assert session.post(ReplyEnded(1)) == [StartReply(2, (user(asked),), preemptive=True), PausePlayback(2)]
    assert ResumePlayback(2) in session.post(SpeechEnded(1, 0.5))
    assert session.state.history == (user(asked),)


def test_the_steps_of_a_turn_with_a_preemptive_reply_are_timed() -> None:
    session = pausing("what time is it")
    session.answer_quietly("It is ten.")
    session.post(SpeechEnded(1, 0.5))
    session.play()
    (turn,) = session.state.turns
    assert turn.transcript_s is not None
    assert turn.audio_s is not None
    assert turn.turn_ended_s is not None
    assert turn.frame_s is not None
    assert turn.speech_ended_s < turn.transcript_s < turn.audio_s < turn.turn_ended_s < turn.frame_s


def test_the_words_set_the_endpointing_delay_once() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1))
    assert SetEndpointingDelay(1, EAGER.endpointing_delays.most_s) in session.post(PartialTranscript(1, "I want to"))
    assert not any(isinstance(c, SetEndpointingDelay) for c in session.post(PartialTranscript(1, "I want to"))), (
        "the delay must be set only once"
    )


def test_the_delay_is_shortest_when_all_words_of_a_whole_question_are_known() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), PartialTranscript(1, "what time is it"))
    assert delay_s(session) == EAGER.endpointing_delays.unsettled_s, "more words may be on their way"
    session.post(SpeechPaused(1, 1, 0.1, SPOKEN), PartialTranscript(1, "what time is it", pause=1))
    assert delay_s(session) < EAGER.endpointing_delays.unsettled_s
    session.post(SpeechContinued(1))
    session.post(PartialTranscript(1, "what time is it because"))
    assert delay_s(session) == EAGER.endpointing_delays.most_s


def test_a_patient_session_waits_longer_than_a_quick_one() -> None:
    delays = {}
    for endpointing in Endpointing:
        session = pausing("what time is it", Rules(endpointing=endpointing))
        delays[endpointing] = delay_s(session)
    assert delays[Endpointing.QUICK] <= delays[Endpointing.BALANCED] < delays[Endpointing.PATIENT]


def test_a_user_who_goes_on_after_pauses_gets_more_time() -> None:
    session = pausing("i like music")
    before_s = delay_s(session)
    for pause in range(1, 4):
        session.now_s += 0.6
        session.post(SpeechContinued(1), SpeechPaused(1, pause + 1, 0.1, SPOKEN))
    session.post(PartialTranscript(1, "i like music", pause=4))
    assert delay_s(session) > before_s


def test_words_that_join_an_unheard_turn_teach_the_bot_to_wait() -> None:
    session = pausing("i like music")
    session.post(SpeechEnded(1, 0.6))
    assert session.state.pauses == PauseHistory((False,))
    session.post(SpeechStarted(2), PartialTranscript(2, "and tell me about old films", pause=None))
    assert session.state.pauses == PauseHistory((True,))


def test_the_view_says_what_ended_the_turn() -> None:
    session = pausing("what time is it")
    session.post(SpeechEnded(1, 0.2))
    assert session.state.turn is not None
    assert session.state.turn.ended_by == "words: a whole question or request"
    session = pausing("I would like a coffee and")
    session.post(SpeechEnded(1, 1.5))
    assert session.state.turn is not None
    assert session.state.turn.ended_by == "silence: 1.5 s"


def test_an_unfinished_sentence_extends_the_debounce_after_the_utterance_ends() -> None:
    """This happens with a recogniser that reports its words only at the end."""
    session = Session(EAGER)
    session.post(SpeechStarted(1), SpeechEnded(1, 0.5))
    commands = session.post(FinalTranscript(1, "I would like a coffee and"))
    assert session.state.last_reply == 0
    (waits_s,) = [c.delay_s for c in commands if isinstance(c, StartTimer)]
    assert waits_s == pytest.approx(EAGER.endpointing_delays.most_s - 0.5, abs=0.05)
    session.post(SpeechStarted(2), SpeechEnded(2, 0.5), FinalTranscript(2, "a tea please"))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.history == (user("I would like a coffee and a tea please"),)


def test_an_upload_that_clearly_needs_more_is_waited_for_but_keeps_what_ended_it() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1, announced=True), SpeechEnded(1, speech=SPOKEN), FinalTranscript(1, "I want to"))
    assert session.state.last_reply == 0
    session.time_out(Timer.DEBOUNCE)
    assert session.state.turn is not None
    assert session.state.turn.ended_by == "client: it sent a whole utterance"


def test_an_unfinished_sentence_transcribed_late_is_answered_at_once() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), SpeechEnded(1, 0.5))
    session.now_s += EAGER.endpointing_delays.most_s
    commands = session.post(FinalTranscript(1, "I would like a coffee and"))
    assert StartReply(1, (user("I would like a coffee and"),)) in commands


def test_a_turn_that_the_recogniser_hears_to_be_over_gets_the_shortest_delay() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.1, SPOKEN))
    session.post(PartialTranscript(1, "i like music", pause=1, turn_over=True))
    assert delay_s(session) == EAGER.endpointing_delays.least_s


def test_words_that_come_after_the_utterance_set_no_endpointing_delay() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), SpeechEnded(1, 0.5))
    assert session.post(PartialTranscript(1, "I would like a coffee and")) == []
    assert session.state.utterances[0].text == "I would like a coffee and"


def test_the_bot_asks_again_at_most_twice_when_speech_yields_no_words() -> None:
    session = Session(EAGER)
    for number in (1, 2):
        session.post(SpeechStarted(number), SpeechEnded(number, 0.5, SPOKEN))
        session.post(FinalTranscript(number, ""))
        assert session.state.phase is Phase.THINKING
        session.answer(ask_again("en"))
        session.post(SentencePlayed(number, 0), PlaybackFinished(number), ReplyEnded(number))
        assert session.state.history[-1] == bot(ask_again("en"))
        session.now_s += 5
    session.post(SpeechStarted(3), SpeechEnded(3, 0.5, SPOKEN), FinalTranscript(3, ""))
    assert session.state.is_idle


def test_the_bot_does_not_ask_again_after_a_short_noise() -> None:
    session = Session(EAGER)
    session.post(SpeechStarted(1), SpeechEnded(1, 0.5, Speech(duration_s=0.3)), FinalTranscript(1, ""))
    assert session.state.is_idle


def test_the_bot_answers_waiting_words_instead_of_asking_again() -> None:
    session = Session(Rules(preemptive_replies=False))
    session.post(SpeechStarted(1), SpeechEnded(1), FinalTranscript(1, "what time is it"))
    session.post(SpeechStarted(2), SpeechEnded(2, 0.0, SPOKEN), FinalTranscript(2, ""))
    (start,) = session.time_out(Timer.DEBOUNCE)
    assert start == StartReply(1, (user("what time is it"),))
    assert not session.state.ask_again


# Verdicts ---------------------------------------------------------------------------------------------------------


def test_a_verdict_can_be_disputed_and_the_dispute_withdrawn() -> None:
    session = speaking()
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "uh-huh"))
    (record,) = session.state.verdicts
    assert (record.number, record.disputed) == (1, False)
    assert (record.context.sentence, record.context.words_heard) == ("Once upon a time there was a cat.", 1)
    session.post(VerdictDisputed(1), VerdictDisputed(7))
    assert [each.disputed for each in session.state.verdicts] == [True]
    session.post(VerdictDisputed(1, disputed=False))
    assert [each.disputed for each in session.state.verdicts] == [False]


def test_a_verdict_records_the_context_of_the_decision() -> None:
    session = speaking("Shall I go on?", "There is more.")
    session.post(SentencePlayed(1, 0), WordsHeard(1, 1, 2))
    session.post(
        SpeechStarted(2), SpeechEnded(2, 0.5, SPOKEN), FinalTranscript(2, "hm", confidence=0.8, backchannel="Mm.")
    )
    context = session.state.verdicts[-1].context
    assert (context.sentence, context.words_heard, context.previous) == ("There is more.", 2, "Shall I go on?")
    assert (context.confidence, context.backchannel) == (0.8, "Mm.")
    assert (context.language, context.speech.duration_s) == ("en", 1.0)


def test_an_utterance_dismissed_as_echo_gets_a_short_endpointing_delay() -> None:
    """The recogniser made an unfinished sentence of the echo. Speech after it must be an utterance of its own."""
    session = speaking()
    session.post(SpeechStarted(2), SpeechPaused(2, 1, speech=Speech(duration_s=0.5, echo=0.9)))
    assert session.state.utterances[0].dismissed
    session.post(PartialTranscript(2, "and then there was a", pause=1))
    assert delay_s(session) == DISMISSED_S


def test_a_sound_that_is_surely_echo_resumes_playback_before_any_words_come() -> None:
    session = speaking()
    session.post(SpeechStarted(2))
    echo = Speech(duration_s=0.4, echo=0.9)
    assert ResumePlayback(1) in session.post(SpeechPaused(2, 1, 0.1, echo))
    assert session.state.verdicts[-1].verdict.rule == "echo"
    session.post(PartialTranscript(2, "what was that", pause=1), SpeechEnded(2, 0.5, echo))
    assert session.state.phase is Phase.SPEAKING
    assert len(session.state.verdicts) == 1


def test_a_brief_sound_that_is_no_echo_keeps_playback_paused() -> None:
    session = speaking()
    session.post(SpeechStarted(2), SpeechPaused(2, 1, 0.1, Speech(duration_s=0.4, echo=0.1)))
    assert session.state.phase is Phase.PAUSED


def test_a_verdict_before_playback_has_no_sentence_as_context() -> None:
    session = Session(Rules(preemptive_replies=False))
    session.ask()
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "mm-hmm"))
    assert session.state.verdicts[-1].context.sentence == ""


def test_repeated_and_reordered_events_change_nothing() -> None:
    session = pausing("what time is it")
    state: State = session.state
    session.post(
        SpeechPaused(1, 1), SpeechPaused(7, 1), SpeechContinued(9), PartialTranscript(1, "what time is it", pause=1),
        PartialTranscript(1, "what time is it"), PartialTranscript(3, "again", pause=1), SpeechStarted(1),
    )  # fmt: skip
    assert session.state.utterances == state.utterances
    assert session.state.reply == state.reply


def test_after_a_whole_question_in_a_level_voice_the_bot_waits_less_than_after_a_statement() -> None:
    level = Prosody(pitch_st=0.0, level_db=0.0, periodicity=0.1)
    waits_s = []
    for text in ("what time is it in london", "is there a good restaurant", "i live in berlin"):
        session = Session(EAGER)
        session.post(SpeechStarted(1), PartialTranscript(1, text), SpeechPaused(1, 1, 0.1, SPOKEN, level))
        session.post(PartialTranscript(1, text, pause=1))
        waits_s.append(delay_s(session))
    question_s, yes_no_s, statement_s = waits_s
    assert question_s < 0.3
    assert question_s < yes_no_s < 0.7
    assert statement_s > 1.0


def test_the_sound_before_the_last_pause_is_kept() -> None:
    session = Session(EAGER)
    falling, level = Prosody(pitch_st=-5.0), Prosody(pitch_st=0.0)
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.1, SPOKEN, falling))
    assert session.state.utterances[0].prosody == falling
    session.post(SpeechContinued(1), SpeechPaused(1, 2, 0.1, SPOKEN, level))
    assert session.state.utterances[0].prosody == level
    session.post(SpeechContinued(1), SpeechPaused(1, 3, 0.1, SPOKEN))
    assert session.state.utterances[0].prosody is None
