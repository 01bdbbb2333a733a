"""The machine's transitions, tested as scripts of inputs with the expected commands and states."""

from __future__ import annotations

import pytest

from tests.support.errors import engine_error
from tests.support.machine_session import Session, bot, speaking, user
from voicebot.dialogue.errors import ErrorCode, ErrorReport
from voicebot.dialogue.events import (
    AudioReceived,
    CancelReply,
    Command,
    ConversationCleared,
    EndTranscription,
    FinalTranscript,
    Input,
    InterruptPressed,
    PartialTranscript,
    PausePlayback,
    PlaybackFinished,
    PlaybackStarted,
    ReplyEnded,
    ResumePlayback,
    SentencePlayed,
    SentenceReady,
    SentenceSynthesized,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    StartReply,
    StartTimer,
    StartTranscription,
    TextEnded,
    TextTyped,
    TimedOut,
    Timer,
    TokenReceived,
    WordsHeard,
    WordsTakenBack,
)
from voicebot.dialogue.interruption.verdict import Decision, Speech
from voicebot.dialogue.preferences import InterruptedHistory
from voicebot.dialogue.state import InterruptionStatus, Phase, Rules, Status
from voicebot.languages.prompts import ask_again

# An ordinary turn -------------------------------------------------------------------------------------------------


def test_a_plain_turn_goes_from_listening_to_speaking_and_ends_idle() -> None:
    session = Session()
    assert session.state.is_idle

    assert session.post(SpeechStarted(1)) == [
        StartTranscription(1),
        StartTimer(Timer.SPEECH, 1, session.state.rules.speech_timeout_s),
    ]
    assert (session.state.phase, session.state.stt_status) == (Phase.LISTENING, Status.PROCESSING)
    assert not session.state.is_idle

    session.post(PartialTranscript(1, "what time"))
    assert session.state.stt_status is Status.STREAMING

    session.post(SpeechEnded(1), FinalTranscript(1, "what time is it"))
    assert session.state.phase is Phase.TRANSCRIBING

    commands = session.time_out(Timer.DEBOUNCE)
    assert commands == [StartReply(1, (user("what time is it"),))]
    assert (session.state.phase, session.state.agent_status) == (Phase.THINKING, Status.PROCESSING)

    session.post(TokenReceived(1))
    assert session.state.agent_status is Status.STREAMING
    session.post(SentenceReady(1, 0, "It is ten."))
    assert session.state.tts_status is Status.PROCESSING
    session.post(AudioReceived(1, 0))
    assert session.state.tts_status is Status.STREAMING
    session.post(TextEnded(1), SentenceSynthesized(1, 0))
    assert (session.state.agent_status, session.state.tts_status) == (Status.IDLE, Status.IDLE)

    session.post(PlaybackStarted(1))
    assert (session.state.phase, session.state.playback_status) == (Phase.SPEAKING, Status.ACTIVE)
    assert session.state.client_playback_active
    session.post(SentencePlayed(1, 0), PlaybackFinished(1))
    assert not session.state.is_idle, "the task of the reply must still run"

    assert session.post(ReplyEnded(1)) == []
    assert session.state.is_idle
    assert session.state.history == (user("what time is it"), bot("It is ten."))


def test_a_final_transcript_that_comes_after_the_debounce_starts_the_reply() -> None:
    session = Session()
    session.post(SpeechStarted(1), SpeechEnded(1))
    assert session.time_out(Timer.DEBOUNCE) == []
    session.now_s += 0.5
    commands = session.post(FinalTranscript(1, "hello"))
    assert StartReply(1, (user("hello"),)) in commands


def test_utterances_within_the_debounce_are_one_message() -> None:
    session = Session()
    session.post(SpeechStarted(1), SpeechEnded(1), FinalTranscript(1, "Hello"))
    session.post(SpeechStarted(2))
    assert session.time_out(Timer.DEBOUNCE) == [], "the bot must wait while the user speaks on"
    session.post(SpeechEnded(2), FinalTranscript(2, "I want to  book a flight"))
    assert session.time_out(Timer.DEBOUNCE) == [StartReply(1, (user("Hello I want to book a flight"),))]


def test_a_noise_without_words_starts_no_turn() -> None:
    session = Session()
    session.post(SpeechStarted(1), SpeechEnded(1), FinalTranscript(1, ""))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.is_idle
    assert session.state.history == ()


def test_typed_text_is_answered_at_once() -> None:
    session = Session()
    assert session.post(TextTyped(" what's up? ")) == [StartReply(1, (user("what's up?"),))]
    assert session.post(TextTyped("   ")) == []


# Speech over a reply ----------------------------------------------------------------------------------------------


def test_a_backchannel_pauses_and_resumes_playback() -> None:
    session = speaking()
    assert PausePlayback(1) in session.post(SpeechStarted(2))
    assert session.state.phase is Phase.PAUSED
    assert session.state.playback_status is Status.PAUSED
    assert session.state.interruption_status is InterruptionStatus.PROCESSING

    session.post(SpeechEnded(2))
    assert ResumePlayback(1) in session.post(FinalTranscript(2, "Uh-huh."))
    assert session.state.phase is Phase.SPEAKING
    assert [record.verdict.rule for record in session.state.verdicts] == ["backchannel"]
    assert session.state.verdicts[0].took_s > 0
    assert session.state.history == (user("tell me a story"),)


def test_the_count_of_heard_words_drops_only_when_words_are_taken_back() -> None:
    """A repeated or late report changes nothing."""
    session = speaking()
    session.post(WordsHeard(1, 0, 4), WordsHeard(1, 0, 2))
    assert session.state.reply is not None
    assert session.state.reply.words == 4
    session.post(WordsTakenBack(1, 0, 3), WordsTakenBack(1, 0, 5), WordsTakenBack(1, 1, 0))
    assert session.state.reply.words == 3


def test_an_interruption_is_answered_once_the_cancelled_reply_has_ended() -> None:
    session = speaking()
    session.post(SentencePlayed(1, 0), WordsHeard(1, 1, 2))
    session.post(SpeechStarted(2), SpeechEnded(2))
    commands = session.post(FinalTranscript(2, "what is two plus two"))
    assert CancelReply(1) in commands
    assert not any(isinstance(command, StartReply) for command in commands), (
        "no reply may start before the old one has ended"
    )
    assert session.state.interruption_status is InterruptionStatus.ACTIVE

    session.time_out(Timer.DEBOUNCE)
    heard = bot("Once upon a time there was a cat. It lived", interrupted=True)
    expected = (user("tell me a story"), heard, user("what is two plus two"))
    assert session.post(ReplyEnded(1)) == [StartReply(2, expected)]


def spoken_at(session: Session, level_dbfs: float, text: str, *partials: str) -> list[Command]:
    """Lets the user, or somebody else, say the text with this loudness. Returns the commands."""
    number = session.state.last_utterance + 1
    commands = session.post(SpeechStarted(number))
    for partial in partials:
        commands += session.post(
            PartialTranscript(number, partial, speech=Speech(duration_s=1.0, level_dbfs=level_dbfs))
        )
    commands += session.post(SpeechEnded(number, speech=Speech(duration_s=1.5, level_dbfs=level_dbfs)))
    return commands + session.post(FinalTranscript(number, text))


def asked_at(*levels_dbfs: float) -> Session:
    """Returns a session whose user spoke once with each loudness, and in which the bot then begins to tell a story."""
    session = Session()
    for level_dbfs in levels_dbfs:
        if session.state.reply is not None:
            session.post(ReplyEnded(session.state.last_reply))
        spoken_at(session, level_dbfs, "tell me a story")
        session.time_out(Timer.DEBOUNCE)
    session.answer("Once upon a time there was a cat.", "It lived on a ship.")
    session.post(SentencePlayed(session.state.last_reply, 0))
    return session


def test_one_turn_is_enough_to_ignore_a_much_softer_voice() -> None:
    session = asked_at(-20.0)
    words = "did you see where i put the keys"
    commands = spoken_at(session, -35.0, words, "did you", "did you see where i put", words)
    assert not any(isinstance(command, CancelReply) for command in commands)
    assert ResumePlayback(1) in commands
    assert session.state.verdicts[-1].verdict.rule == "faint"
    assert CancelReply(1) in spoken_at(session, -24.0, words), (
        "a user who is only a little softer must be able to interrupt"
    )


def test_a_user_who_moves_away_can_interrupt_again_after_three_turns() -> None:
    session = asked_at(-20.0, -20.0, -33.0, -33.0, -33.0)
    assert any(isinstance(command, CancelReply) for command in spoken_at(session, -34.0, "what is two plus two"))


def test_any_speaker_may_interrupt_while_the_users_loudness_is_unknown() -> None:
    session = speaking()
    assert CancelReply(1) in spoken_at(session, -60.0, "what is two plus two")


def test_words_said_before_the_reply_is_heard_join_the_question() -> None:
    session = Session()
    session.ask("How are you doing?")
    assert PausePlayback(1) in session.post(SpeechStarted(2))
    assert session.state.phase is Phase.HELD
    session.post(SpeechEnded(2))
    assert CancelReply(1) in session.post(FinalTranscript(2, "What are you doing?"))
    session.time_out(Timer.DEBOUNCE)
    assert session.post(ReplyEnded(1)) == [StartReply(2, (user("How are you doing? What are you doing?"),))]


def test_a_backchannel_while_the_bot_thinks_releases_the_reply() -> None:
    session = Session()
    session.ask()
    session.post(SpeechStarted(2), SpeechEnded(2))
    assert ResumePlayback(1) in session.post(FinalTranscript(2, "mm-hmm"))
    assert session.state.phase is Phase.THINKING


def test_yes_after_the_bots_question_interrupts_as_an_answer() -> None:
    session = speaking("Shall I go on?", "I know more.")
    session.post(SentencePlayed(1, 0), SpeechStarted(2), SpeechEnded(2))
    assert CancelReply(1) in session.post(FinalTranscript(2, "yes"))
    assert session.state.verdicts[-1].verdict.rule == "answer"


def test_stop_ends_the_reply_and_starts_no_other() -> None:
    session = speaking()
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "Stop!"))
    session.time_out(Timer.DEBOUNCE)
    assert session.post(ReplyEnded(1)) == []
    assert session.state.is_idle


def test_text_typed_after_stop_does_not_join_the_withdrawn_question() -> None:
    session = Session()
    session.ask("tell me a story")
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "stop"), ReplyEnded(1))
    session.time_out(Timer.DEBOUNCE)
    commands = session.post(TextTyped("what time is it"))
    assert commands == [StartReply(2, (user("tell me a story"), user("what time is it")))]


def test_typing_over_a_reply_interrupts_it() -> None:
    session = speaking()
    assert session.post(TextTyped("something else")) == [CancelReply(1)]
    commands = session.post(ReplyEnded(1))
    assert commands == [StartReply(2, (user("tell me a story something else"),))]


def test_the_interrupt_button_cancels_the_reply_and_starts_no_other() -> None:
    session = speaking()
    assert session.post(InterruptPressed()) == [CancelReply(1)]
    assert session.state.phase is Phase.CANCELLING
    assert session.post(ReplyEnded(1)) == []
    assert session.state.is_idle
    assert session.post(InterruptPressed()) == []


def test_clearing_the_conversation_discards_the_reply_under_way() -> None:
    session = speaking()
    session.post(SentencePlayed(1, 0))
    assert session.post(ConversationCleared()) == [CancelReply(1)]
    session.post(ReplyEnded(1))
    assert session.state.history == ()
    assert session.post(TextTyped("hello")) == [StartReply(2, (user("hello"),))]


def test_merging_drops_the_heard_part_of_an_interrupted_reply() -> None:
    session = Session(Rules(preemptive_replies=False, interrupted_history=InterruptedHistory.MERGE))
    session.ask("How are you doing?")
    session.answer("I'm doing well.", "Thank you.")
    session.post(SentencePlayed(1, 0), SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "What are you doing?"))
    session.time_out(Timer.DEBOUNCE)
    assert session.post(ReplyEnded(1)) == [StartReply(2, (user("How are you doing? What are you doing?"),))]


# Timeouts and failures --------------------------------------------------------------------------------------------


def test_playback_resumes_after_a_noise_before_the_recogniser_answers() -> None:
    session = speaking()
    session.post(SpeechStarted(2), SpeechEnded(2))
    assert ResumePlayback(1) in session.time_out(Timer.VERDICT)
    assert session.state.verdicts[-1].verdict.rule == "silence"
    session.post(FinalTranscript(2, ""))
    assert len(session.state.verdicts) == 1, "an empty text must add no verdict"


def test_words_that_come_after_playback_resumed_still_interrupt() -> None:
    session = speaking()
    session.post(SpeechStarted(2), SpeechEnded(2))
    session.time_out(Timer.VERDICT)
    assert CancelReply(1) in session.post(FinalTranscript(2, "tell me a joke"))
    assert session.state.pending == ("tell me a joke",)


def test_the_decision_deadline_judges_the_words_known_so_far() -> None:
    session = speaking()
    session.post(SpeechStarted(2), PartialTranscript(2, "uh-huh"), SpeechEnded(2))
    assert ResumePlayback(1) in session.time_out(Timer.VERDICT)


def test_the_decision_deadline_is_extended_once_for_words_that_may_change() -> None:
    for final, command in (("", CancelReply(1)), ("yeah", ResumePlayback(1))):
        session = speaking()
        session.post(SpeechStarted(2), PartialTranscript(2, "you have"), SpeechEnded(2))
        (waiting,) = session.time_out(Timer.VERDICT)
        assert isinstance(waiting, StartTimer)
        assert session.state.phase is Phase.PAUSED
        assert command in (session.post(FinalTranscript(2, final)) if final else session.time_out(Timer.VERDICT))


def test_the_partial_words_decide_when_the_recogniser_takes_too_long() -> None:
    session = speaking()
    session.post(SpeechStarted(2), PartialTranscript(2, "tomorrow"), SpeechEnded(2))
    commands = session.time_out(Timer.TRANSCRIPT)
    assert EndTranscription(2) in commands
    assert CancelReply(1) in commands
    assert session.state.error == ErrorReport(ErrorCode.UNAVAILABLE, "The speech recogniser took too long.")
    assert session.post(FinalTranscript(2, "too late")) == []
    assert session.state.pending == ("tomorrow",)


def test_speech_whose_end_never_comes_times_out() -> None:
    session = speaking()
    session.post(SpeechStarted(2))
    session.time_out(Timer.SPEECH)
    assert not session.state.speaking
    assert ResumePlayback(1) in session.time_out(Timer.VERDICT)


def test_queued_utterances_get_a_transcription_timeout_of_their_own() -> None:
    """Two utterances are transcribed at once. The timeout of the others does not begin while they wait."""
    session = Session()
    for number in range(1, 5):
        session.post(SpeechStarted(number), SpeechEnded(number))
    commands = session.time_out(Timer.TRANSCRIPT)
    assert [each for each in commands if isinstance(each, EndTranscription)] == [
        EndTranscription(1),
        EndTranscription(2),
    ]
    assert Timer.TRANSCRIPT in dict(session.state.timers)
    token = dict(session.state.timers)[Timer.TRANSCRIPT]
    session.post(FinalTranscript(3, "hello"))
    assert dict(session.state.timers)[Timer.TRANSCRIPT] > token, "the fourth utterance must get its whole time"
    session.post(FinalTranscript(4, "there"))
    assert session.state.pending == ("hello", "there")
    assert Timer.TRANSCRIPT not in dict(session.state.timers)


def test_playback_resumes_when_announced_speech_does_not_come() -> None:
    session = speaking()
    assert PausePlayback(1) in session.post(SpeechStarted(2, announced=True))
    assert session.started[Timer.SPEECH].delay_s == 10
    commands = session.time_out(Timer.SPEECH)
    assert {EndTranscription(2), ResumePlayback(1)} <= set(commands)
    record = session.state.verdicts[-1]
    assert record.verdict.decision is Decision.RESUME
    assert record.verdict.reason == "speech was announced and did not come within 10 s"
    assert session.state.utterances == ()
    session.post(SpeechStarted(3, announced=True), SpeechEnded(3), FinalTranscript(3, "what is the time"))
    assert session.state.pending == ("what is the time",), "words that come later must be answered"


def test_a_waiting_reply_starts_when_announced_speech_does_not_come() -> None:
    session = Session()
    session.post(SpeechStarted(1), SpeechEnded(1), FinalTranscript(1, "hello"), SpeechStarted(2, announced=True))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.reply is None
    commands = session.time_out(Timer.SPEECH)
    assert StartReply(1, (user("hello"),)) in commands
    assert session.state.verdicts == ()


def test_the_final_transcript_is_awaited_when_the_user_spoke_on_after_the_pause() -> None:
    """The utterance is cut while the user speaks on, but too briefly to have ended the pause."""
    session = Session()
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.1, Speech(duration_s=2.0)))
    session.post(PartialTranscript(1, "tell me", pause=1), SpeechEnded(1, 0.03, Speech(duration_s=2.3)))
    assert session.state.utterances, "the machine must still wait for the final text"
    session.post(FinalTranscript(1, "tell me more"))
    assert session.state.pending == ("tell me more",)


def test_no_final_transcript_is_awaited_when_the_utterance_ended_at_the_pause() -> None:
    session = Session()
    session.post(SpeechStarted(1), SpeechPaused(1, 1, 0.1, Speech(duration_s=2.0)))
    session.post(PartialTranscript(1, "tell me", pause=1), SpeechEnded(1, 0.5, Speech(duration_s=2.0)))
    assert session.state.pending == ("tell me",)


def test_the_next_utterance_gets_no_verdict_once_one_has_interrupted() -> None:
    session = speaking()
    session.post(SpeechStarted(2), PartialTranscript(2, "tomorrow"), SpeechEnded(2))
    session.time_out(Timer.VERDICT)
    session.post(SpeechStarted(3))
    assert CancelReply(1) in session.time_out(Timer.VERDICT)
    assert [record.verdict.decision for record in session.state.verdicts] == [Decision.REGENERATE]
    session.post(ReplyEnded(1), FinalTranscript(2, "tomorrow"), SpeechEnded(3), FinalTranscript(3, "please"))
    (start,) = session.time_out(Timer.DEBOUNCE)
    assert isinstance(start, StartReply)
    assert start.history[-1].text.endswith("tomorrow please")


def test_late_repeated_and_unknown_inputs_change_nothing() -> None:
    session = speaking()
    state = session.state
    session.post(
        SpeechStarted(1), SpeechEnded(1), SpeechEnded(7), FinalTranscript(1, "again"), PartialTranscript(9, "what"),
        TokenReceived(7), SentenceReady(0, 0, "old"), SentencePlayed(3, 0), ReplyEnded(0), WordsHeard(1, 5, 3),
        SentenceReady(1, 7, "out of order"), TimedOut(Timer.VERDICT, 1), PlaybackStarted(1),
    )  # fmt: skip
    assert session.state == state


def test_a_failed_recogniser_is_reported_and_the_session_goes_on() -> None:
    session = Session()
    session.post(SpeechStarted(1), SpeechEnded(1), FinalTranscript(1, "", engine_error("moonshine: it failed")))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.error == engine_error("moonshine: it failed")
    assert session.state.is_idle
    session.ask("hello")
    assert session.state.error is None


def test_the_bot_asks_the_user_to_repeat_words_lost_by_a_failed_recogniser() -> None:
    """This holds even for one short word, because without a transcript it cannot be dismissed as noise."""
    session = Session()
    died = FinalTranscript(1, "", engine_error("deepgram: the connection broke"))
    session.post(SpeechStarted(1), SpeechEnded(1, speech=Speech(duration_s=0.2)), died)
    commands = session.time_out(Timer.DEBOUNCE)
    assert StartReply(1, (), text=ask_again("en")) in commands


def test_the_bot_asks_for_words_lost_during_a_reply_once_the_reply_is_over() -> None:
    session = speaking("Hello.")
    died = FinalTranscript(2, "", engine_error("deepgram: the connection broke"))
    session.post(SpeechStarted(2), SpeechEnded(2, speech=Speech(duration_s=0.9)), died)
    session.post(SentencePlayed(1, 0), PlaybackFinished(1), ReplyEnded(1))
    assert session.state.reply is None
    commands = session.time_out(Timer.DEBOUNCE)
    assert StartReply(2, (user("tell me a story"), bot("Hello.")), text=ask_again("en")) in commands


def test_the_bot_does_not_ask_again_when_the_lost_sound_was_its_echo() -> None:
    session = speaking("Hello.")
    died = FinalTranscript(2, "", engine_error("deepgram: the connection broke"))
    session.post(SpeechStarted(2), SpeechEnded(2, speech=Speech(duration_s=0.9, echo=0.8)), died)
    session.post(SentencePlayed(1, 0), PlaybackFinished(1), ReplyEnded(1))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.is_idle


def test_the_history_records_the_heard_part_of_a_failed_reply() -> None:
    session = speaking("First.", "Second one.")
    session.post(SentencePlayed(1, 0), WordsHeard(1, 1, 1), ReplyEnded(1, engine_error("espeak: it died")))
    assert session.state.history[-1] == bot("First. Second", interrupted=True)
    assert session.state.error == engine_error("espeak: it died")


def test_a_sentence_whose_audio_breaks_off_counts_as_heard_up_to_the_break() -> None:
    session = speaking("Once upon a time there was a cat.", "It lived on a ship.")
    session.post(SentenceSynthesized(1, 0), WordsHeard(1, 0, 3), SentencePlayed(1, 0, broken=True))
    session.post(SentencePlayed(1, 1), PlaybackFinished(1), ReplyEnded(1))
    assert session.state.history[-1] == bot("Once upon a It lived on a ship.")


@pytest.mark.parametrize(
    "broken",
    [TextEnded(1, engine_error("groq: it stopped")), SentenceSynthesized(1, 0, engine_error("groq: it stopped"))],
    ids=["text", "sound"],
)
def test_a_failure_of_text_or_audio_is_reported_and_the_reply_goes_on(broken: Input) -> None:
    session = Session()
    session.ask()
    assert session.post(SentenceReady(1, 0, "Once upon a time."), broken) == []
    assert session.state.error == engine_error("groq: it stopped")
    assert session.state.phase is Phase.THINKING


# Timings and verdicts ---------------------------------------------------------------------------------------------


def test_the_steps_of_a_turn_are_timed_from_the_end_of_speech() -> None:
    session = Session()
    session.post(SpeechStarted(1), SpeechEnded(1, silence_s=0.5), FinalTranscript(1, "hi"))
    session.answer("Hello.")
    (turn,) = session.state.turns
    steps = [turn.turn_ended_s, turn.transcript_s, turn.token_s, turn.sentence_s, turn.audio_s, turn.frame_s]
    assert None not in steps
    assert steps == sorted(steps, key=lambda at_s: at_s or 0)
    assert turn.turn_ended_s is not None
    assert turn.turn_ended_s - turn.speech_ended_s == 0.5
    assert turn.response_gap_s == (turn.frame_s or 0) - turn.speech_ended_s


def test_a_turn_records_whether_the_user_typed() -> None:
    session = Session()
    session.post(TextTyped("what time is it"))
    session.answer("It is ten.")
    session.post(SentencePlayed(1, 0), PlaybackFinished(1), ReplyEnded(1))
    session.post(SpeechStarted(1), SpeechEnded(1, silence_s=0.5), FinalTranscript(1, "what day is it"))
    session.answer("It is Monday.")
    assert [turn.typed for turn in session.state.turns] == [True, False]


def test_a_backchannel_leaves_the_timing_of_the_turn_alone() -> None:
    session = speaking()
    turn = session.state.turn
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "okay"))
    assert session.state.turn == turn
    assert session.state.verdicts[-1].verdict.decision is Decision.RESUME
