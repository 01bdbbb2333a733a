"""What a tool or a person outside has the bot say, and conversations that are handed over to a person."""

from __future__ import annotations

import pytest

from tests.support.machine_session import Session, bot, speaking, user
from voicebot.dialogue.events import (
    CancelReply,
    Command,
    ConfirmationAsked,
    ConversationCleared,
    FinalTranscript,
    HandoverChanged,
    InterruptPressed,
    PartialTranscript,
    PausePlayback,
    PlaybackFinished,
    ReplyEnded,
    ReplyRefused,
    ResumePlayback,
    SayRequested,
    SentencePlayed,
    SessionStarted,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    StartReply,
    TextTyped,
    Timer,
    ToolCallBegun,
    ToolCallEnded,
    WordsHeard,
)
from voicebot.dialogue.facts import TurnLeftToPerson
from voicebot.dialogue.state import MAX_TEXTS_TO_SAY, IdleStage, Phase, Rules
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest

NEWS = "Your table is booked."


def begun(commands: list[Command]) -> StartReply:
    """Returns the one reply that the commands begin."""
    (reply,) = [command for command in commands if isinstance(command, StartReply)]
    return reply


def no_reply(commands: list[Command]) -> bool:
    return not any(isinstance(command, StartReply) for command in commands)


def hear_whole(session: Session, *sentences: str) -> list[Command]:
    """Lets the bot say these sentences of its reply to the end."""
    session.answer(*sentences)
    reply = session.state.last_reply
    played = [SentencePlayed(reply, index) for index in range(len(sentences))]
    return session.post(*played, PlaybackFinished(reply), ReplyEnded(reply))


def handed_over(rules: Rules | None = None) -> Session:
    session = Session(rules)
    session.post(SessionStarted(), HandoverChanged(to_person=True))
    return session


# Texts to say ---------------------------------------------------------------------------------------------------------


def test_a_text_is_said_at_once_while_nobody_speaks() -> None:
    session = Session()
    start = begun(session.post(SayRequested(NEWS)))
    assert (start.text, start.preemptive) == (NEWS, False)
    hear_whole(session, NEWS)
    assert session.state.history == (bot(NEWS),)
    assert session.state.phase is Phase.IDLE


def test_a_text_waits_until_the_user_has_spoken_and_was_answered() -> None:
    session = Session()
    session.post(SpeechStarted(1))
    assert no_reply(session.post(SayRequested(NEWS), SpeechEnded(1), FinalTranscript(1, "what time is it")))
    assert begun(session.time_out(Timer.DEBOUNCE)).text is None
    assert begun(hear_whole(session, "Noon.")).text == NEWS
    hear_whole(session, NEWS)
    assert session.state.history == (user("what time is it"), bot("Noon."), bot(NEWS))


def test_a_text_waits_for_speech_without_words_to_end() -> None:
    session = Session()
    session.post(SpeechStarted(1), SayRequested(NEWS), SpeechEnded(1))
    session.post(FinalTranscript(1, ""))
    assert begun(session.time_out(Timer.DEBOUNCE)).text == NEWS


def test_a_text_waits_for_the_end_of_the_reply_that_plays() -> None:
    session = speaking("Once upon a time there was a cat.")
    assert session.post(SayRequested(NEWS)) == []
    reply = session.state.last_reply
    assert begun(session.post(SentencePlayed(reply, 0), PlaybackFinished(reply), ReplyEnded(reply))).text == NEWS


def test_several_texts_are_said_in_order_with_the_user_between_them() -> None:
    session = Session()
    assert begun(session.post(SayRequested("One."), SayRequested("Two."), SayRequested("Three."))).text == "One."
    assert begun(hear_whole(session, "One.")).text == "Two."
    session.post(TextTyped("wait what is it"))
    assert begun(session.post(ReplyEnded(session.state.last_reply))).text is None, "the user comes first"
    assert begun(hear_whole(session, "Texts.")).text == "Three."


def test_only_so_many_texts_wait() -> None:
    session = Session()
    session.post(SpeechStarted(1), *(SayRequested(str(number)) for number in range(MAX_TEXTS_TO_SAY + 1)))
    assert session.state.texts_to_say == tuple(str(number) for number in range(MAX_TEXTS_TO_SAY))


def test_an_empty_text_is_not_said() -> None:
    session = Session()
    assert session.post(SayRequested("  ")) == []
    assert session.state.texts_to_say == ()


def test_speech_over_a_text_pauses_it_and_a_backchannel_lets_it_go_on() -> None:
    session = Session()
    session.post(SayRequested(NEWS))
    session.answer(NEWS)
    session.now_s += 2.0
    assert PausePlayback(1) in session.post(SpeechStarted(1))
    assert ResumePlayback(1) in session.post(SpeechEnded(1), FinalTranscript(1, "uh-huh"))


def test_a_text_that_is_interrupted_stays_as_far_as_it_was_heard() -> None:
    session = Session()
    session.post(SayRequested(NEWS))
    session.answer(NEWS)
    session.now_s += 2.0
    session.post(WordsHeard(1, 0, 2), SpeechStarted(1))
    assert CancelReply(1) in session.post(SpeechEnded(1), FinalTranscript(1, "for how many people"))
    session.post(ReplyEnded(1))
    session.time_out(Timer.DEBOUNCE)
    assert session.state.history == (bot("Your table", interrupted=True), user("for how many people"))


@pytest.mark.parametrize("silence", [InterruptPressed(), ConversationCleared()])
def test_a_user_who_wants_silence_hears_no_waiting_text(silence: InterruptPressed | ConversationCleared) -> None:
    session = speaking()
    session.post(SayRequested(NEWS), silence)
    assert no_reply(session.post(ReplyEnded(session.state.last_reply)))
    assert session.state.texts_to_say == ()


def test_a_spoken_stop_drops_waiting_texts_too() -> None:
    session = speaking()
    session.post(SayRequested(NEWS), SpeechStarted(2), SpeechEnded(2), FinalTranscript(2, "stop"))
    assert no_reply(session.post(ReplyEnded(session.state.last_reply)))
    assert no_reply(session.time_out(Timer.DEBOUNCE))
    assert session.state.texts_to_say == ()


def test_a_stop_that_is_understood_only_after_the_reply_has_ended_drops_waiting_texts_too() -> None:
    session = speaking("Once upon a time there was a cat.")
    session.post(SayRequested(NEWS), SpeechStarted(2), SpeechPaused(2, 1), PartialTranscript(2, "okay", pause=1))
    session.post(SpeechContinued(2), PartialTranscript(2, "okay"), SpeechEnded(2))
    session.time_out(Timer.VERDICT)
    assert [each.dismissed for each in session.state.utterances] == [True]
    session.post(SentencePlayed(1, 0), PlaybackFinished(1), ReplyEnded(1))
    session.post(FinalTranscript(2, "okay stop"))
    assert no_reply(session.time_out(Timer.DEBOUNCE))
    assert session.state.texts_to_say == ()


def test_the_silence_after_a_text_counts_from_its_end() -> None:
    session = Session(Rules(preemptive_replies=False, idle_timeout_s=120))
    session.post(SessionStarted(), SayRequested(NEWS))
    assert Timer.IDLE not in dict(session.state.timers)
    session.now_s += 100
    hear_whole(session, NEWS)
    assert session.started[Timer.IDLE].delay_s == 120


# A person answers -----------------------------------------------------------------------------------------------------


def test_no_model_answers_while_a_person_does() -> None:
    session = handed_over()
    assert no_reply(session.ask("is anybody there"))
    assert session.state.history == (user("is anybody there"),)
    assert TurnLeftToPerson("is anybody there") in session.facts
    assert session.state.phase is Phase.IDLE


def test_the_words_of_a_person_are_said_and_those_of_the_user_wait_for_the_next_ones() -> None:
    session = handed_over()
    session.ask("is anybody there")
    assert begun(session.post(SayRequested("This is Mia."))).text == "This is Mia."
    hear_whole(session, "This is Mia.")
    session.ask("hello Mia")
    assert session.state.history == (user("is anybody there"), bot("This is Mia."), user("hello Mia"))
    assert [fact.text for fact in session.facts if isinstance(fact, TurnLeftToPerson)] == [
        "is anybody there",
        "hello Mia",
    ]


def test_a_text_that_waits_for_the_user_follows_as_soon_as_the_turn_is_over() -> None:
    session = handed_over()
    session.post(SpeechStarted(1), SayRequested("This is Mia."), SpeechEnded(1), FinalTranscript(1, "are you there"))
    assert begun(session.time_out(Timer.DEBOUNCE)).text == "This is Mia."
    assert session.state.history == (user("are you there"),)


def test_words_that_interrupt_a_person_come_after_what_was_heard() -> None:
    session = handed_over()
    session.post(SayRequested("This is Mia speaking."))
    session.answer("This is Mia speaking.")
    session.now_s += 2.0
    session.post(WordsHeard(1, 0, 3), TextTyped("who are you please"), ReplyEnded(1))
    assert session.state.history == (bot("This is Mia", interrupted=True), user("who are you please"))
    assert TurnLeftToPerson("who are you please") in session.facts


def test_no_preemptive_reply_begins_while_a_person_answers() -> None:
    session = handed_over(Rules())
    commands = session.post(SpeechStarted(1), SpeechPaused(1, 1), PartialTranscript(1, "What time is it?", pause=1))
    assert no_reply(commands)


def test_a_preemptive_reply_is_cancelled_when_a_person_takes_over() -> None:
    session = Session(Rules())
    session.post(SpeechStarted(1), SpeechPaused(1, 1))
    assert begun(session.post(PartialTranscript(1, "What time is it?", pause=1))).preemptive
    assert CancelReply(1) in session.post(HandoverChanged(to_person=True))
    session.post(ReplyEnded(1), SpeechEnded(1, silence_s=1.0))
    assert session.state.history == (user("What time is it?"),)


def test_the_reply_that_announces_the_person_is_played_to_its_end() -> None:
    session = speaking("I'll get a person for you.")
    assert session.post(HandoverChanged(to_person=True)) == []
    assert session.state.phase is Phase.SPEAKING


def test_a_user_who_waits_for_a_person_is_not_asked_whether_they_are_there() -> None:
    session = Session(Rules(preemptive_replies=False, idle_timeout_s=120))
    session.post(SessionStarted())
    assert Timer.IDLE in dict(session.state.timers)
    session.post(HandoverChanged(to_person=True))
    assert Timer.IDLE not in dict(session.state.timers)
    session.now_s += 500
    session.post(HandoverChanged(to_person=False))
    assert session.started[Timer.IDLE].delay_s == 120, "the silence counts from the moment when the bot is back"


def test_a_person_who_takes_over_after_the_goodbye_keeps_the_session() -> None:
    session = Session(Rules(preemptive_replies=False, idle_timeout_s=120))
    session.post(SessionStarted())
    session.time_out(Timer.IDLE)
    hear_whole(session, "Are you still there?")
    session.time_out(Timer.IDLE)
    assert session.state.idle_stage is IdleStage.SAYING_GOODBYE
    session.post(HandoverChanged(to_person=True))
    hear_whole(session, "Goodbye.")
    assert session.state.idle_stage is IdleStage.ACTIVE


def test_the_bot_answers_again_when_the_person_gives_the_conversation_back() -> None:
    session = handed_over()
    session.ask("what is the refund")
    assert no_reply(session.post(HandoverChanged(to_person=False)))
    assert begun(session.ask("and how long does it take")).history == (
        user("what is the refund and how long does it take"),
    )


def test_a_new_conversation_begins_with_the_bot() -> None:
    session = handed_over()
    session.post(ConversationCleared())
    assert not session.state.handed_over
    assert begun(session.ask("hello there")).text is None


def test_a_session_without_answers_left_ends_although_a_person_answers() -> None:
    session = Session()
    session.ask()
    session.post(ReplyRefused(1, "No answers are left today."))
    hear_whole(session, "No answers are left today.")
    assert session.state.idle_stage is IdleStage.ENDED
    session.post(HandoverChanged(to_person=True))
    assert session.state.idle_stage is IdleStage.ENDED


# A question that needs a yes ------------------------------------------------------------------------------------------

ORDER = CallRecord("call-1", "order", "{}")
ASKED = "Shall I order it?"


def asked() -> Session:
    """Returns a session in which the user has just heard the whole question whether a tool may be called."""
    session = Session()
    session.ask("order a pizza")
    session.post(ConfirmationAsked(1, ConfirmationRequest(ORDER, ASKED)))
    hear_whole(session, ASKED)
    assert session.state.confirmation is not None
    return session


def test_a_text_waits_until_a_question_that_needs_a_yes_is_answered() -> None:
    session = asked()
    assert no_reply(session.post(SayRequested(NEWS)))
    assert begun(session.post(TextTyped("yes please"))).confirmed is not None
    session.post(ToolCallBegun(2, ORDER), ToolCallEnded(ORDER.id, CallStatus.DONE, "ordered"))
    assert begun(hear_whole(session, "It is ordered.")).text == NEWS


def test_a_yes_to_a_person_confirms_no_call() -> None:
    session = asked()
    session.post(HandoverChanged(to_person=True))
    assert no_reply(session.post(TextTyped("yes please")))
    assert [call.status for call in session.state.calls] == [CallStatus.NOT_CONFIRMED]
