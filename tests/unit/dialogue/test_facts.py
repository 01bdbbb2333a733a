"""The facts that the machine reports of its steps. test_machine_properties checks that they agree with the states."""

from __future__ import annotations

from tests.support.errors import engine_error
from tests.support.machine_session import Session, speaking
from voicebot.dialogue.events import (
    ConversationCleared,
    EngineReported,
    FinalTranscript,
    InterruptPressed,
    PartialTranscript,
    PlaybackStarted,
    ReplyEnded,
    ReplyRefused,
    SentencePlayed,
    SentenceReady,
    SentenceSkipped,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    Stage,
    TextEnded,
    TextReceived,
    TextTyped,
)
from voicebot.dialogue.facts import (
    EngineChanged,
    ErrorRaised,
    HistoryChanged,
    PhaseChanged,
    ReplyBegun,
    ReplyCancelled,
    ReplyCommitted,
    ReplyFinished,
    ReplyTextAdded,
    ReplyTextCompleted,
    SentenceDropped,
    TranscriptChanged,
    TranscriptCompleted,
    TurnAnswered,
    VerdictGiven,
    WordsAccepted,
)
from voicebot.dialogue.state import Phase, Rules


def test_a_typed_turn_is_accepted_begun_and_committed_in_this_order() -> None:
    session = Session()
    session.post(TextTyped("hello"))
    assert session.facts == [
        WordsAccepted(None),
        ReplyBegun(1),
        ReplyCommitted(1),
        HistoryChanged(),
        PhaseChanged(Phase.THINKING),
    ]


def test_an_input_that_changes_nothing_reports_nothing_and_keeps_the_state() -> None:
    session = Session()
    before = session.state
    session.post(TextEnded(9))
    assert session.facts == []
    assert session.state is before


def test_a_transcript_is_reported_as_it_changes_and_when_it_is_final() -> None:
    session = Session()
    session.post(SpeechStarted(1), PartialTranscript(1, "what"), PartialTranscript(1, "what "))
    session.post(SpeechEnded(1), FinalTranscript(1, "what time is it"))
    about = [
        fact for fact in session.facts if isinstance(fact, TranscriptChanged | TranscriptCompleted | WordsAccepted)
    ]
    assert about == [TranscriptChanged(1, "what"), TranscriptCompleted(1, "what time is it"), WordsAccepted(1)]


def test_an_interruption_reports_its_words_the_verdict_the_cancelling_and_the_unheard_words() -> None:
    session = speaking("Once upon a time there was a cat.", "It lived on a ship.")
    session.post(SentencePlayed(1, 0))
    session.facts.clear()
    session.post(SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "stop"), ReplyEnded(1))
    verdict = session.state.verdicts[-1]
    assert [fact for fact in session.facts if not isinstance(fact, PhaseChanged)] == [
        TranscriptCompleted(2, "stop"),
        VerdictGiven(verdict),
        ReplyCancelled(1),
        ReplyFinished(
            1,
            unheard="It lived on a ship.",
            interrupted=True,
            cancelled=True,
            committed=True,
            started=True,
            heard="Once upon a time there was a cat.",
        ),
        HistoryChanged(),
    ]


def test_the_text_of_a_reply_is_complete_once_and_never_after_it_was_cancelled() -> None:
    session = speaking("Hello.")
    assert [fact for fact in session.facts if isinstance(fact, ReplyTextCompleted)] == [ReplyTextCompleted(1, "Hello.")]
    session.post(ReplyEnded(1), TextTyped("again"), InterruptPressed(), TextEnded(2))
    assert len([fact for fact in session.facts if isinstance(fact, ReplyTextCompleted)]) == 1


def test_a_turn_is_answered_at_the_first_frame_but_not_by_a_refusal() -> None:
    session = Session()
    session.post(TextTyped("hello"), PlaybackStarted(1))
    (answered,) = [fact for fact in session.facts if isinstance(fact, TurnAnswered)]
    assert (answered.reply, answered.turn) == (1, session.state.turns[-1])
    session.post(ReplyEnded(1), TextTyped("more"), ReplyRefused(2, "no more today"), PlaybackStarted(2))
    assert len([fact for fact in session.facts if isinstance(fact, TurnAnswered)]) == 1


def test_an_error_is_raised_once_until_the_user_speaks_or_writes_again() -> None:
    session, broken = Session(), engine_error("it broke")
    session.post(TextTyped("hello"), TextEnded(1, error=broken), ReplyEnded(1, error=broken))
    session.post(TextTyped("again"), TextEnded(2, error=broken))
    assert [fact for fact in session.facts if isinstance(fact, ErrorRaised)] == [ErrorRaised(broken)] * 2


def test_an_engine_is_selected_when_another_one_serves_and_not_again() -> None:
    session = Session()
    stand_in = EngineReported(Stage.TTS, "espeak", ("hibari: it broke",))
    session.post(EngineReported(Stage.TTS, "hibari"), stand_in, stand_in)
    assert session.facts == [
        EngineChanged(Stage.TTS, "hibari", ()),
        EngineChanged(Stage.TTS, "espeak", ("hibari: it broke",)),
    ]


def test_clearing_the_conversation_changes_the_history_and_finishes_the_reply_without_keeping_it() -> None:
    session = speaking("Once upon a time.")
    session.facts.clear()
    session.post(ConversationCleared(), ReplyEnded(1))
    (finished,) = [fact for fact in session.facts if isinstance(fact, ReplyFinished)]
    assert not finished.interrupted, "a cleared reply is discarded, not interrupted"
    assert session.facts.count(HistoryChanged()) == 1


def texts(session: Session) -> list[str]:
    return [fact.text for fact in session.facts if isinstance(fact, ReplyTextAdded | ReplyTextCompleted)]


def test_the_text_of_a_committed_reply_is_reported_piece_by_piece_until_it_is_cancelled() -> None:
    session = Session()
    session.post(TextTyped("hello"), TextReceived(1, "Good "), TextReceived(1, "day"), TextReceived(9, "Bad"))
    session.post(InterruptPressed(), TextReceived(1, " to you."))
    assert texts(session) == ["Good ", "day"]


def test_the_text_of_a_preemptive_reply_is_reported_once_the_turn_has_ended() -> None:
    session = Session(Rules())
    session.post(SpeechStarted(1), SpeechPaused(1, 1), PartialTranscript(1, "good day", pause=1))
    session.post(TextReceived(1, "Good "), TextReceived(1, "day."), SentenceReady(1, 0, "Good day."), TextEnded(1))
    assert texts(session) == []
    session.post(SpeechEnded(1, 1.5))
    assert texts(session) == ["Good day.", "Good day."]


def test_a_dropped_sentence_is_reported_unless_its_reply_was_cancelled() -> None:
    session = Session()
    session.post(TextTyped("hello"), SentenceSkipped(1, "One."), InterruptPressed(), SentenceSkipped(1, "Two."))
    assert [fact for fact in session.facts if isinstance(fact, SentenceDropped)] == [SentenceDropped(1, "One.")]
