"""Every transition of the bot: `step(state, input)` returns the next state, the commands to carry out, and the facts.

Speech over a live reply, or sound that may become speech, pauses the reply (or holds it back, if the user has heard
nothing of it yet). The reply stays paused exactly as long as an utterance has no verdict. Every utterance gets its
verdict from its words or from a timer. A reply that gives way is first cancelled and awaited; only after `ReplyEnded`
does the machine edit the history and start the next reply.

A preemptive reply begins at a pause of the user's. It is held back until the turn is over, and cancelled if the user
says more. A call that needs the user's yes is made only after a clear yes to the whole question. A user who stays
silent for long is asked whether they are still there. After the user was told that there are no more answers today,
the session ends. While a person answers the user, no model does, and nobody asks whether the user is still there.
A session of a conversation that broke off in a reply goes on with that reply.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median_high
from typing import assert_never

from voicebot.dialogue.call_transitions import (
    confirmed_call,
    declined_call,
    doubt_confirmation,
    drop_confirmation,
    expect_confirmation,
    extend_confirmation,
    is_doubtful,
    note_call_begun,
    note_call_ended,
    settle_calls,
    use_confirmation,
    with_call,
)
from voicebot.dialogue.end_of_turn.pauses import NOTED_S
from voicebot.dialogue.end_of_turn.sources import endpointing_delay_s, estimate
from voicebot.dialogue.end_of_turn.words import Completeness, completeness
from voicebot.dialogue.end_of_turn.wrong_starts import ANSWERS_KEPT
from voicebot.dialogue.errors import ErrorCode, ErrorReport
from voicebot.dialogue.events import (
    ApplyPreferences,
    AudioReceived,
    Command,
    ConversationCleared,
    EndCause,
    EndTranscription,
    EngineReported,
    FinalTranscript,
    HandoverChanged,
    Input,
    InterruptPressed,
    PartialTranscript,
    PausePlayback,
    PlaybackFinished,
    PlaybackStarted,
    PreferencesChanged,
    ReplyEnded,
    ReplyInput,
    ResumePlayback,
    SayRequested,
    SentenceReady,
    SentenceSkipped,
    SentenceSynthesized,
    SessionStarted,
    SetEndpointingDelay,
    SpeechCleared,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    SpeechSuspected,
    Stage,
    StartReply,
    StartTimer,
    StartTranscription,
    StopTimer,
    TextEnded,
    TextReceived,
    TextTyped,
    TimedOut,
    Timer,
    TokenReceived,
    ToolCallBegun,
    ToolCallEnded,
    TurnModelAnswered,
    VerdictDisputed,
)
from voicebot.dialogue.facts import (
    ConversationEnded,
    EngineChanged,
    ErrorRaised,
    Fact,
    HistoryChanged,
    PhaseChanged,
    ReplyBegun,
    ReplyCommitted,
    ReplyFinished,
    ReplyTextAdded,
    ReplyTextCompleted,
    SentenceDropped,
    TranscriptChanged,
    TranscriptCompleted,
    TurnAnswered,
    TurnLeftToPerson,
    VerdictGiven,
    WordsAccepted,
    WrongStartRepaired,
)
from voicebot.dialogue.history import History, Role, heard, merged, said
from voicebot.dialogue.interruption.verdict import (
    Decision,
    Speech,
    Verdict,
    VerdictContext,
    give_verdict,
    give_verdict_on_sound,
)
from voicebot.dialogue.preemptive import asks_the_same, says_something
from voicebot.dialogue.preferences import InterruptedHistory
from voicebot.dialogue.reply_state import Reply, UnfinishedReply
from voicebot.dialogue.state import (
    MAX_LEVELS,
    MAX_TEXTS_TO_SAY,
    MAX_TURNS,
    MAX_VERDICTS,
    IdleStage,
    Spoken,
    State,
    Turn,
    Utterance,
    VerdictRecord,
)
from voicebot.dialogue.tool_calls import CallRecord
from voicebot.dialogue.transition import Transition, cancel_reply
from voicebot.languages.prompts import ask_again, goodbye, still_there
from voicebot.runtime.limits import UTTERANCES_AT_ONCE

MAX_ASKED_AGAIN = 2
"""How many times in a row the bot asks the user to repeat: what it heard may be a noise."""

CUT_SILENCE_S = 0.05
"""An utterance that ends after less silence than this was cut because it was too long: the user may speak on."""

ECHO_LIKELY = 0.5
"""From this share of the bot's own voice on, a sound was very likely an echo and not the user's speech."""

DISMISSED_S = 0.6
"""The longest silence that ends an utterance which is no message to the bot."""

CLEARLY_UNFINISHED = -1.5
"""The log-odds below which a turn is almost surely not over."""
ROUND_TRIP_S = 0.2
"""The bot's first sound reaches the user, and the user's speech the bot, this much later: by two jitter buffers (20 to
80 ms each) and the network."""
LET_GO = "button: you let go"
"""What ended a turn of push-to-talk."""

NOBODY_THERE = "Nothing was said or typed for a while."


def step(state: State, input: Input, at_s: float) -> tuple[State, tuple[Command, ...], tuple[Fact, ...]]:
    """Returns the state after `input`, the commands to carry out, and the facts about what has happened, in order.

    `at_s` is when the input happened, in seconds of the session's clock. If nothing changes, the state returned is
    `state` itself.
    """
    t = Transition(state, at_s)
    _apply(t, input)
    _settle(t)
    if t.state.phase is not state.phase:
        t.facts.append(PhaseChanged(t.state.phase))
    return state if t.state == state else t.state, tuple(t.commands), tuple(t.facts)


def _apply(t: Transition, input: Input) -> None:
    match input:
        case SessionStarted():
            _restart_silence(t)
            if t.state.unfinished is not None:
                _start(t, Timer.GO_ON, t.state.rules.goes_on_after_s)
        case SpeechSuspected():
            t.state = replace(t.state, suspected=t.state.committed is not None and t.state.committed.started)
        case SpeechCleared():
            t.state = replace(t.state, suspected=False)
        case SpeechStarted():
            _speech_started(t, input)
        case SpeechPaused():
            _speech_paused(t, input)
        case SpeechContinued():
            _speech_continued(t, input.utterance)
        case SpeechEnded():
            _speech_ended(t, input.utterance, input.silence_s, input.speech, released=input.released)
        case PartialTranscript():
            _take_partial_transcript(t, input)
        case FinalTranscript():
            _take_final_transcript(t, input.utterance, input.text, input.error, input.confidence, input.backchannel)
        case TurnModelAnswered():
            _take_model_answer(t, input)
        case EngineReported():
            _note_engine(t, input)
        case TextTyped():
            _take_typed_text(t, input.text)
        case SayRequested():
            _queue_text(t, input.text)
        case HandoverChanged():
            _note_user_active(t)
            drop_confirmation(t)
            _drop_unfinished_reply(t)
            t.state = replace(t.state, handed_over=input.to_person)
        case InterruptPressed():
            _note_user_active(t)
            cancel_reply(t)
            drop_confirmation(t)
            _drop_unfinished_reply(t)
            t.state = replace(t.state, merge_next=False, texts_to_say=())
        case ConversationCleared():
            _clear_conversation(t)
        case VerdictDisputed():
            _note_user_active(t)
            _dispute(t, input.verdict, input.disputed)
        case ToolCallBegun():
            note_call_begun(t, input)
        case ToolCallEnded():
            note_call_ended(t, input)
        case PreferencesChanged():
            _note_user_active(t)
            t.state = replace(t.state, next_preferences=input.preferences)
        case TimedOut():
            _timed_out(t, input.timer, input.token)
        case _:
            if t.state.reply is not None and t.state.reply.number == input.reply:
                _update_reply(t, t.state.reply, input)


# What follows from an input -------------------------------------------------------------------------------------------


def _settle(t: Transition) -> None:
    """Brings replies, pauses and timers in line with what is now known."""
    _apply_preferences_between_turns(t)
    state = t.state
    unsaid = any(not utterance.dismissed or utterance.answerable_words for utterance in state.utterances)
    over = not unsaid and Timer.DEBOUNCE not in dict(state.timers)
    if state.handed_over and state.reply is None and over and state.pending:
        _leave_turn_to_person(t)
        state = t.state
    live = state.live
    if live is not None and live.preemptive:
        words = _words(t)
        if state.handed_over or not (words and _still_answers(t, live, words)):
            cancel_reply(t)
        elif over:
            _commit(t, live, words)
    elif state.refused is not None:
        if state.reply is None and over:
            _keep_unanswered_words(t)
    elif state.reply is None and over and state.pending:
        _start_reply(t, merged(state.pending))
    elif state.reply is None and over and state.unfinished is not None:
        if state.goes_on:
            _go_on(t, state.unfinished)
    elif state.reply is None and over and state.ask_again:
        t.state = replace(t.state, asked_again=state.asked_again + 1)
        _say(t, ask_again(state.rules.language))
    elif state.reply is None and over and state.texts_to_say and state.confirmation is None:
        t.state = replace(state, texts_to_say=state.texts_to_say[1:])
        _say(t, state.texts_to_say[0])
    elif state.reply is None and _may_reply_preemptively(t) and (words := _words_of_possible_turn(t)):
        _start_reply(t, words, preemptive=True)
    _settle_pause(t)
    _settle_timers(t)
    _update_idle_stage(t)


def _apply_preferences_between_turns(t: Transition) -> None:
    """Applies new preferences between two turns: while there is neither an utterance nor a reply."""
    new = t.state.next_preferences
    if new is None or t.state.reply is not None or t.state.utterances:
        return
    if new != t.state.preferences:
        t.commands.append(ApplyPreferences(new))
    t.state = replace(t.state, preferences=new, next_preferences=None, rules=t.state.rules.with_preferences(new))


def _may_reply_preemptively(t: Transition) -> bool:
    """Returns True when the turn may have another preemptive reply, and no change of preferences waits for its end."""
    rules, state = t.state.rules, t.state
    if state.handed_over:
        return False
    few_discarded = state.discarded_replies < rules.preemptive_discards_per_turn
    return rules.preemptive_replies and few_discarded and state.next_preferences is None


def _settle_pause(t: Transition) -> None:
    live = t.state.live
    if live is None:
        return
    undecided = t.state.suspected or any(not utterance.dismissed for utterance in t.state.utterances)
    held = not live.finished and (live.preemptive or undecided)
    if live.paused != held:
        t.state = replace(t.state, reply=replace(live, paused=held), interrupted_at_s=t.at_s if held else None)
        t.commands.append((PausePlayback if held else ResumePlayback)(live.number))


def _settle_timers(t: Transition) -> None:
    state = t.state
    if state.committed is None or not state.committed.paused:
        _stop(t, Timer.VERDICT)
    elif Timer.VERDICT not in dict(state.timers):
        _expect_verdict(t)
    if not state.speaking:
        _stop(t, Timer.SPEECH)
    if not state.utterances:
        _stop(t, Timer.TRANSCRIPT)
    if state.confirmation is None or not state.is_idle:
        _stop(t, Timer.CONFIRMATION)
    elif Timer.CONFIRMATION not in dict(state.timers):
        _start(t, Timer.CONFIRMATION, max(0.0, state.confirmation.until_s - t.at_s))


def _words(t: Transition) -> str:
    """Returns all words that wait for an answer, those of unfinished utterances included."""
    return merged([*t.state.pending, *(utterance.answerable_words for utterance in t.state.utterances)])


def _words_of_possible_turn(t: Transition) -> str:
    """Returns the words of the turn if it may be over; an empty string if more words are still to come.

    Interim words must look complete, known ones only not incomplete.
    """
    undecided = [utterance for utterance in t.state.utterances if not utterance.dismissed]
    if not all(utterance.known or utterance.up_to_date for utterance in undecided):
        return ""
    found = completeness(_message(t), t.state.rules.language)
    known = all(utterance.known for utterance in undecided)
    may_be_over = found is not Completeness.INCOMPLETE if known else found is Completeness.COMPLETE
    words = _words(t)
    return words if may_be_over and says_something(words, t.state.rules.language) else ""


def _message(t: Transition) -> str:
    """Returns the user's whole message so far: the words that wait for an answer, after those that they will join."""
    state = t.state
    reply, last = state.reply, state.history[-1] if state.history else None
    was_heard = reply is not None and reply.started and not reply.wrong_start
    unanswered = last is not None and last.role is Role.USER and state.merge_next and not was_heard
    return merged([last.text if last is not None and unanswered else "", _words(t)])


# The user speaks or types ---------------------------------------------------------------------------------------------


def _speech_started(t: Transition, input: SpeechStarted) -> None:
    number, rules = input.utterance, t.state.rules
    if number <= t.state.last_utterance:
        return
    if not (t.state.utterances or t.state.pending):  # another turn begins
        t.state = replace(t.state, discarded_replies=0)
    spoken = t.state.spoken
    echo = spoken is not None and t.at_s - spoken.ended_s < t.state.rules.echo_tail_s
    over = spoken.context if spoken and echo else None
    utterance = Utterance(
        number, started_s=t.at_s - input.since_s, announced=input.announced, held=input.held, over=over
    )
    t.state = replace(t.state, utterances=(*t.state.utterances, utterance), last_utterance=number)
    t.state = replace(t.state, suspected=False, error=None)
    t.commands.append(StartTranscription(number))
    _start(t, Timer.SPEECH, rules.announced_timeout_s if input.announced else rules.speech_timeout_s)
    _expect_verdict(t)


def _speech_paused(t: Transition, input: SpeechPaused) -> None:
    utterance = _utterance(t, input.utterance)
    if utterance is None or not utterance.speaking or input.pause <= utterance.last_pause:
        return
    speech = _with_outlasted_time(t, input.speech, input.silence_s)
    utterance = replace(
        utterance,
        pause=input.pause,
        last_pause=input.pause,
        paused_s=t.at_s - input.silence_s,
        settled=False,
        model_probability=None,
        speech=speech,
        prosody=input.prosody,
    )
    _update(t, utterance)
    if t.state.committed is not None:
        context = _context(t, t.state.committed, utterance)
        _record_verdict(t, utterance, give_verdict_on_sound(context), context)
    _note_speech_end(t, t.at_s - input.silence_s)
    _adapt_endpointing_delay(t, input.utterance)


def _speech_continued(t: Transition, number: int) -> None:
    utterance = _utterance(t, number)
    if utterance is None or not utterance.speaking or utterance.pause is None:
        return
    if t.state.asked is not None and t.at_s - t.state.asked.speech_ended_s >= NOTED_S:
        t.state = replace(t.state, pauses=t.state.pauses.after_pause())
    utterance = replace(utterance, pause=None, settled=False, dismissed=False)
    _update(t, replace(utterance, turn_over=False, prosody=None, model_probability=None))
    _expect_verdict(t)
    _adapt_endpointing_delay(t, number)


def _speech_ended(t: Transition, number: int, silence_s: float, speech: Speech, *, released: bool = False) -> None:
    utterance = _utterance(t, number)
    if utterance is None or not utterance.speaking:
        return
    # If the utterance was cut while the user speaks on, the words since its last pause are still to come.
    speaks_on = silence_s < CUT_SILENCE_S and speech.duration_s > utterance.speech.duration_s
    known = utterance.known and not speaks_on
    utterance = replace(utterance, speaking=False, speech=_with_outlasted_time(t, speech, silence_s))
    if released and not speech.duration_s:  # nothing was said: whatever words the recogniser finds are not there
        known, utterance = True, replace(utterance, text="")
    _update(t, utterance)
    if utterance.pause is None:
        _note_speech_end(t, t.at_s - silence_s)
    reason = LET_GO if released else _what_ended(t, utterance, silence_s)
    _note_turn_end(t, t.at_s - silence_s, reason)
    if utterance.held and not released:  # it was cut because it was too long, and the next one begins at once
        _start(t, Timer.DEBOUNCE, t.state.rules.debounce_s)
    elif silence_s < t.state.rules.debounce_s:
        _start(t, Timer.DEBOUNCE, t.state.rules.debounce_s - silence_s)
    if known:
        t.commands.append(EndTranscription(number))
        waited = utterance.endpointing_delay_s is not None and silence_s >= utterance.endpointing_delay_s
        if _accept_final_transcript(t, utterance, None) and not waited:
            _wait_for_more(t, utterance)
    else:
        _start(t, Timer.TRANSCRIPT, t.state.rules.transcript_timeout_s)
        _expect_verdict(t)


def _what_ended(t: Transition, utterance: Utterance, silence_s: float) -> str:
    if utterance.announced:
        return "client: it sent a whole utterance"
    return estimate(t.state, utterance, _message(t) or utterance.text).reason(silence_s)


def _take_partial_transcript(t: Transition, input: PartialTranscript) -> None:
    utterance = _utterance(t, input.utterance)
    if utterance is None:
        return
    text = merged([input.text])
    changed_s = utterance.changed_s
    if text != utterance.text:
        t.facts.append(TranscriptChanged(utterance.number, text))
        changed_s = t.at_s
    answers_pause = input.pause is not None and input.pause == utterance.pause
    settled = answers_pause or (utterance.known and text == utterance.text)
    t.state = replace(t.state, streams=t.state.streams or bool(text))
    lasts = utterance.speaking and utterance.pause is None
    speech = input.speech if lasts and input.speech is not None else utterance.speech
    utterance = replace(
        utterance,
        text=text,
        changed_s=changed_s,
        settled=settled,
        confidence=input.confidence,
        backchannel=input.backchannel,
        turn_over=settled and input.turn_over,
        speech=speech,
    )
    _update(t, utterance)
    if settled:
        _note_transcript(t)
    _give_verdict(t, utterance, final=settled)
    _adapt_endpointing_delay(t, input.utterance)


def _take_model_answer(t: Transition, input: TurnModelAnswered) -> None:
    utterance = _utterance(t, input.utterance)
    if utterance is not None and utterance.speaking and utterance.pause == input.pause:
        _update(t, replace(utterance, model_probability=input.probability))
        _adapt_endpointing_delay(t, input.utterance)


def _abandon_announced(t: Transition, utterance: Utterance) -> None:
    """Stops waiting for speech that the client announced but has not sent in time."""
    t.commands.append(EndTranscription(utterance.number))
    _remove(t, utterance)
    t.facts.append(TranscriptCompleted(utterance.number, utterance.text))
    if t.state.committed is not None and not utterance.dismissed:
        what = f"speech was announced and did not come within {t.state.rules.announced_timeout_s:g} s"
        context = _context_of(t, t.state.committed)
        _add_verdict(t, Verdict(Decision.RESUME, "silence", what, ""), context)


def _adapt_endpointing_delay(t: Transition, number: int) -> None:
    """Sets how much silence ends the utterance, by what is known now.

    A dismissed utterance never waits long: it may be an echo that the recogniser took for half a sentence, and what the
    user says next must be decided on its own.
    """
    utterance = _utterance(t, number)
    if utterance is None or not utterance.speaking:
        return
    needed_s = endpointing_delay_s(t.state, utterance, _message(t) or utterance.text)
    if utterance.dismissed:
        needed_s = min(needed_s, DISMISSED_S)
    if utterance.endpointing_delay_s != needed_s:
        _update(t, replace(utterance, endpointing_delay_s=needed_s))
        t.commands.append(SetEndpointingDelay(number, needed_s))


def _take_final_transcript(
    t: Transition, number: int, text: str, error: ErrorReport | None, confidence: float | None, backchannel: str
) -> None:
    utterance = _utterance(t, number)
    if utterance is None:
        return
    utterance = replace(utterance, text=merged([text]), confidence=confidence, backchannel=backchannel, settled=True)
    _update(t, utterance)
    if _accept_final_transcript(t, utterance, error):
        _wait_for_more(t, utterance)


def _accept_final_transcript(t: Transition, utterance: Utterance, error: ErrorReport | None) -> bool:
    """Decides what becomes of an utterance whose words are final. Returns True if they want an answer."""
    t.facts.append(TranscriptCompleted(utterance.number, utterance.text))
    if error is not None:
        _raise_error(t, error)
    _note_transcript(t)
    utterance = _give_verdict(t, utterance, final=True)
    _remove(t, utterance)
    words = utterance.answerable_words
    if words:
        t.facts.append(WordsAccepted(utterance.number))
        _note_user_active(t)
        if t.state.pending and not utterance.held:
            t.state = replace(t.state, pauses=t.state.pauses.after_pause())
        pending = t.state.confirmation
        if pending is not None and is_doubtful(t, pending, utterance):
            doubt_confirmation(t, pending)
        t.state = replace(t.state, pending=(*t.state.pending, words), ask_again=False, asked_again=0)
        _note_level(t, utterance.speech)
    elif _asks_for_silence(utterance):
        t.state = replace(t.state, merge_next=False, texts_to_say=())
    elif _should_ask_again(t, utterance, failed=error is not None):
        t.state = replace(t.state, ask_again=True)
    if any(not utterance.speaking for utterance in t.state.utterances):
        _start(t, Timer.TRANSCRIPT, t.state.rules.transcript_timeout_s)
    return bool(words)


def _asks_for_silence(utterance: Utterance) -> bool:
    """Returns True for words that stopped a reply and want no answer, or would have stopped one that ended before."""
    if not utterance.text or utterance.decision is None or utterance.over is None:
        return False
    stopped = utterance.decision is Decision.REGENERATE
    return stopped or give_verdict(utterance.text, utterance.over, final=True).decision is Decision.REGENERATE


def _note_level(t: Transition, speech: Speech) -> None:
    if speech.level_dbfs is not None:
        t.state = replace(t.state, levels_dbfs=(*t.state.levels_dbfs, speech.level_dbfs)[-MAX_LEVELS:])


def _wait_for_more(t: Transition, utterance: Utterance) -> None:
    """Starts the debounce timer if the utterance ended sooner than it would have with its final words."""
    words, asked = _message(t), t.state.asked
    known = estimate(t.state, utterance, words)
    # A client that sends whole utterances knows where they end, unless the words say clearly that it was wrong.
    unfinished = known.log_odds <= CLEARLY_UNFINISHED
    if asked is None or utterance.held or (utterance.announced and not unfinished):
        return
    needed_s = endpointing_delay_s(t.state, utterance, words)
    if not utterance.announced:  # the words may tell more now than when the silence ended the utterance
        t.state = replace(t.state, asked=replace(asked, ended_by=known.reason(needed_s)))
    remaining_s = asked.speech_ended_s + needed_s - t.at_s
    if remaining_s > t.state.rules.debounce_s:
        _start(t, Timer.DEBOUNCE, remaining_s)


def _should_ask_again(t: Transition, utterance: Utterance, *, failed: bool) -> bool:
    """Returns True when the user should be asked to repeat an utterance that gave no words.

    That is so when the bot was silent, or fell silent for the utterance, and the speech was long enough to be words.
    If the recogniser `failed`, it is also so for a short sound, and for speech over a reply that went on: the words are
    lost then, and it is not known that there were none.
    """
    if utterance.text or t.state.asked_again >= MAX_ASKED_AGAIN:
        return False
    speech, ask_again_s = utterance.speech, t.state.rules.ask_again_s
    if failed and (speech.echo is None or speech.echo < ECHO_LIKELY):
        least_s = ask_again_s if utterance.over is not None else 0.0
        return speech.duration_s > least_s
    if utterance.dismissed:
        return False
    spoke = utterance.over is None and speech.duration_s >= ask_again_s
    return spoke or utterance.decision is Decision.REGENERATE


def _take_typed_text(t: Transition, text: str) -> None:
    text = merged([text])
    if not text:
        return
    _note_user_active(t)
    cancel_reply(t)
    pending = t.state.confirmation
    if pending is not None and t.at_s > pending.until_s:
        doubt_confirmation(t, pending)
    asked = Turn(speech_ended_s=t.at_s, turn_ended_s=t.at_s, transcript_s=t.at_s)
    t.state = replace(t.state, pending=(*t.state.pending, text), asked=asked, ask_again=False, error=None)
    t.facts.append(WordsAccepted(None))


def _clear_conversation(t: Transition) -> None:
    _note_user_active(t)
    cancel_reply(t)
    if t.state.reply is not None:
        t.state = replace(t.state, reply=replace(t.state.reply, forgotten=True))
    _set_history(t, ())
    t.state = replace(t.state, pending=(), verdicts=(), asked=None, turn=None, turns=(), error=None, merge_next=True)
    t.state = replace(t.state, spoken=None, ask_again=False, asked_again=0, calls=(), confirmation=None)
    _drop_unfinished_reply(t)
    t.state = replace(t.state, texts_to_say=(), handed_over=False, last_reply_cleared=t.state.last_reply)


# Verdicts on speech over a reply --------------------------------------------------------------------------------------


def _give_verdict(t: Transition, utterance: Utterance, *, final: bool) -> Utterance:
    """Gives the verdict on an utterance over the live reply, if there is one. Returns the utterance as decided."""
    live = t.state.committed
    if live is None:
        return utterance
    context = _context(t, live, utterance)
    verdict = give_verdict(utterance.text, context, final=final)
    is_echo = (context.speech.echo or 0.0) >= ECHO_LIKELY
    if utterance.speaking and context.message and verdict.rule == "hesitation" and not is_echo:
        return utterance  # "what time is it ... um": the user may go on as long as the utterance lasts
    return _record_verdict(t, utterance, verdict, context)


def _context(t: Transition, reply: Reply, utterance: Utterance) -> VerdictContext:
    speech = replace(utterance.speech, level_dbfs=None, level_db=_level_db(t, utterance))
    return replace(
        _context_of(t, reply),
        confidence=utterance.confidence,
        backchannel=utterance.backchannel,
        speech=speech,
        message=_message_to_go_on(t, reply, utterance),
    )


def _message_to_go_on(t: Transition, reply: Reply, utterance: Utterance) -> str:
    """Returns the message that the reply answers if the utterance may go on with it; an empty string if not.

    It may if the message was spoken and the reply is an answer to it, and the utterance began before the reply was
    heard, or within the first second of it, and has kept it paused since.
    """
    turn, rules = t.state.turn, t.state.rules
    if not reply.asked or reply.refused or turn is None or turn.typed or utterance.decision is not None:
        return ""
    latest_s = None if turn.frame_s is None else turn.frame_s + rules.wrong_start_s + ROUND_TRIP_S
    if reply.started and (latest_s is None or utterance.started_s > latest_s):
        return ""
    return t.state.history[-1].text if t.state.history else reply.asked


def _level_db(t: Transition, utterance: Utterance) -> float | None:
    """Returns how much louder the utterance is than the user usually speaks, in dB; None if either is unknown."""
    level_dbfs, usual_dbfs = utterance.speech.level_dbfs, t.state.levels_dbfs
    return None if level_dbfs is None or not usual_dbfs else level_dbfs - median_high(usual_dbfs)


def _record_verdict(t: Transition, utterance: Utterance, verdict: Verdict, context: VerdictContext) -> Utterance:
    if verdict.decision is Decision.WAIT or (verdict.decision is Decision.RESUME and _is_held(utterance)):
        return utterance
    if verdict.decision is Decision.REGENERATE or not utterance.dismissed:
        _add_verdict(t, verdict, context)
    dismissed = verdict.decision is Decision.RESUME
    utterance = replace(utterance, dismissed=dismissed, decision=verdict.decision, over=context)
    _update(t, utterance)
    if not dismissed:
        _note_user_active(t)
        if verdict.continues:
            t.state = replace(t.state, pauses=t.state.pauses.after_correction())
        cancel_reply(t, wrong_start=verdict.continues)
    return utterance


def _add_verdict(t: Transition, verdict: Verdict, context: VerdictContext) -> None:
    since_s = t.state.interrupted_at_s
    number = t.state.last_verdict + 1
    record = VerdictRecord(number, verdict, context, took_s=0.0 if since_s is None else t.at_s - since_s)
    t.state = replace(t.state, verdicts=(*t.state.verdicts, record)[-MAX_VERDICTS:], last_verdict=number)
    t.facts.append(VerdictGiven(record))


def _dispute(t: Transition, number: int, disputed: bool) -> None:
    verdicts = (replace(each, disputed=disputed) if each.number == number else each for each in t.state.verdicts)
    t.state = replace(t.state, verdicts=tuple(verdicts))


def _expect_verdict(t: Transition) -> None:
    """Starts the timer after which a paused reply waits no longer for the verdict."""
    rules = t.state.rules
    if t.state.committed is None:
        return
    if any(map(_is_held, t.state.utterances)):
        _start(t, Timer.VERDICT, rules.speech_timeout_s)
        return
    if not t.state.speaking:
        wait_s = rules.verdict_timeout_s
    elif t.state.streams:
        wait_s = rules.noise_timeout_s
    else:
        wait_s = rules.speech_timeout_s
    if t.state.streams and t.state.interrupted_at_s is not None:
        wait_s = min(wait_s, max(0.0, t.state.interrupted_at_s + rules.longest_pause_s - t.at_s))
    _start(t, Timer.VERDICT, wait_s)


def _is_held(utterance: Utterance) -> bool:
    """Returns True while the user holds the talk button for this utterance."""
    return utterance.held and utterance.speaking


def _give_verdict_now(t: Transition) -> None:
    """Gives the verdict on each open utterance by what is known now, as the reply has waited long enough.

    Words that may still change do not interrupt the reply at the first time-out: they get one more.
    """
    t.state = replace(t.state, suspected=False)
    for utterance in t.state.utterances:
        if utterance.dismissed or t.state.committed is None:
            continue
        if utterance.text:
            context = _context(t, t.state.committed, utterance)
            verdict = give_verdict(utterance.text, context, final=True)
            sure = utterance.settled or utterance.speaking or utterance.overdue
            if sure or verdict.decision is Decision.RESUME:
                _record_verdict(t, utterance, verdict, context)
            else:
                _update(t, replace(utterance, overdue=True))
                _expect_verdict(t)
        else:
            what = "speech went on without a word" if utterance.speaking else "no words came in time"
            verdict = Verdict(Decision.RESUME, "silence", what, "")
            _record_verdict(t, utterance, verdict, _context_of(t, t.state.committed))
    for utterance in t.state.utterances:
        _adapt_endpointing_delay(t, utterance.number)


def _with_outlasted_time(t: Transition, speech: Speech, silence_s: float) -> Speech:
    """Returns `speech` with the time for which it went on after the reply was paused."""
    paused_s = t.state.interrupted_at_s
    if t.state.committed is None or paused_s is None:
        return speech
    return replace(speech, outlasted_s=max(0.0, t.at_s - silence_s - paused_s))


# Replies --------------------------------------------------------------------------------------------------------------


def _start_reply(t: Transition, words: str, *, preemptive: bool = False) -> None:
    history = said(t.state.history, words, merge=t.state.merge_next)
    number = t.state.last_reply + 1
    turn = t.state.asked and replace(t.state.asked, begun_s=t.at_s)
    confirmed = confirmed_call(t, words)
    declined = declined_call(t, words) if confirmed is None else None
    calls = t.state.calls if declined is None else with_call(t.state.calls, declined)
    known_ends = _unreported_ends(calls)
    reply = Reply(number, asked=words, preemptive=preemptive, confirmed=confirmed, known_ends=known_ends)
    t.state = replace(t.state, reply=reply, last_reply=number, turn=turn)
    stood_in = t.state.stood_in
    t.commands.append(
        StartReply(number, history, preemptive=preemptive, stood_in=stood_in, calls=calls, confirmed=confirmed)
    )
    t.facts.append(ReplyBegun(number))
    if not preemptive:
        t.facts.append(ReplyCommitted(number))
        _take_turn(t, history)
        use_confirmation(t, reply, words)


def _still_answers(t: Transition, reply: Reply, words: str) -> bool:
    """Returns True while a preemptive reply answers the words as they are now, and they confirm the same call."""
    same = asks_the_same(reply.asked, words, t.state.rules.language)
    return same and reply.confirmed == confirmed_call(t, words)


def _say(t: Transition, text: str, *, heard_before: str = "") -> None:
    """Begins a reply with a fixed text of the bot's own, which answers nothing that the user said."""
    number = t.state.last_reply + 1
    reply = Reply(number, heard_before=heard_before)
    t.state = replace(t.state, reply=reply, last_reply=number, turn=None, asked=None, ask_again=False, spoken=None)
    t.commands.append(StartReply(number, t.state.history, text=text))
    t.facts += [ReplyBegun(number), ReplyCommitted(number)]


def _go_on(t: Transition, unfinished: UnfinishedReply) -> None:
    """Goes on with the reply in which an earlier session broke off: says its rest, or answers the message again.

    What was heard of it becomes part of the reply, so that the history gets one message of all that was heard.
    """
    _drop_unfinished_reply(t)
    history, before = t.state.history, ""
    if unfinished.begun and history and history[-1].role is Role.ASSISTANT:
        history, before = history[:-1], history[-1].text
    if unfinished.text:
        _set_history(t, history)
        _say(t, unfinished.text, heard_before=before)
    elif history and history[-1].role is Role.USER:
        _set_history(t, history)
        _answer_again(t, heard_before=before, counted=unfinished.counted)


def _answer_again(t: Transition, *, heard_before: str, counted: bool) -> None:
    """Answers the user's last message, to which an earlier session had no complete answer."""
    history, calls, number = t.state.history, t.state.calls, t.state.last_reply + 1
    reply = Reply(
        number,
        asked=history[-1].text,
        heard_before=heard_before,
        counted_before=counted,
        known_ends=_unreported_ends(calls),
    )
    t.state = replace(t.state, reply=reply, last_reply=number, turn=None, asked=None, ask_again=False, spoken=None)
    t.commands.append(StartReply(number, history, calls=calls, counted=counted))
    t.facts += [ReplyBegun(number), ReplyCommitted(number)]


def _unreported_ends(calls: tuple[CallRecord, ...]) -> tuple[tuple[str, int], ...]:
    """Returns the ends of calls of which a reply that begins now may tell the user, for `Reply.known_ends`."""
    return tuple((call.id, 0) for call in calls if call.ended and not call.reported)


def _drop_unfinished_reply(t: Transition) -> None:
    _stop(t, Timer.GO_ON)
    if t.state.unfinished is not None:
        t.state = replace(t.state, unfinished=None, goes_on=False)


def _queue_text(t: Transition, text: str) -> None:
    """Lets a text wait until it can be said. The caller knows how many wait; what exceeds the limit is dropped."""
    text = merged([text])
    if text and len(t.state.texts_to_say) < MAX_TEXTS_TO_SAY:
        t.state = replace(t.state, texts_to_say=(*t.state.texts_to_say, text))


def _commit(t: Transition, reply: Reply, words: str) -> None:
    """Commits the preemptive reply: the turn is over, and the reply answers its `words`, as they are written now."""
    t.state = replace(t.state, reply=replace(reply, asked=words, preemptive=False, withheld_text=""))
    t.facts.append(ReplyCommitted(reply.number, preemptive=True))
    if reply.withheld_text:
        t.facts.append(ReplyTextAdded(reply.number, reply.withheld_text))
    if reply.text_ended:
        t.facts.append(ReplyTextCompleted(reply.number, merged(reply.sentences)))
    _take_turn(t, said(t.state.history, words, merge=t.state.merge_next))
    use_confirmation(t, reply, words)


def _keep_unanswered_words(t: Transition) -> None:
    """Puts the user's last words, which get no answer, into the history."""
    if t.state.pending or t.state.ask_again:
        _take_turn(t, said(t.state.history, merged(t.state.pending), merge=t.state.merge_next))


def _leave_turn_to_person(t: Transition) -> None:
    """Puts the user's words into the history for the person who answers them."""
    words = merged(t.state.pending)
    _take_turn(t, said(t.state.history, words, merge=t.state.merge_next))
    t.facts.append(TurnLeftToPerson(words))


def _take_turn(t: Transition, history: History) -> None:
    _set_history(t, history)
    _drop_unfinished_reply(t)
    if t.state.asked is not None and not t.state.asked.typed:
        t.state = replace(t.state, pauses=t.state.pauses.after_turn())
    t.state = replace(t.state, pending=(), merge_next=True, asked=None, ask_again=False, spoken=None)


def _update_reply(t: Transition, reply: Reply, input: ReplyInput) -> None:
    if isinstance(input, ReplyEnded):
        _reply_ended(t, reply, input.error)
        return
    if isinstance(input, TextEnded | SentenceSynthesized) and input.error is not None:
        _raise_error(t, input.error)
    told = not (reply.preemptive or reply.cancelled)
    if isinstance(input, TextReceived) and told:
        t.facts.append(ReplyTextAdded(reply.number, input.text))
    elif isinstance(input, SentenceSkipped) and not reply.cancelled:
        t.facts.append(SentenceDropped(reply.number, input.text))
    now = reply.after(input)
    if now == reply:
        return
    t.state = replace(t.state, reply=now)
    if isinstance(input, PlaybackFinished):
        expect_confirmation(t, now)
    if isinstance(input, TextEnded) and told:
        t.facts.append(ReplyTextCompleted(reply.number, merged(now.sentences)))
    _note_step(t, input)
    turn, answers = t.state.turn, not (reply.cancelled or reply.refused)
    if isinstance(input, PlaybackStarted) and turn is not None and answers:
        t.state = replace(t.state, turns=(*t.state.turns, turn)[-MAX_TURNS:])
        t.facts.append(TurnAnswered(reply.number, turn))


def _note_step(t: Transition, input: ReplyInput) -> None:
    """Notes when a step of the answer first came."""
    turn = t.state.turn
    if turn is None:
        return
    match input:
        case TokenReceived() if turn.token_s is None:
            turn = replace(turn, token_s=t.at_s)
        case SentenceReady() if turn.sentence_s is None:
            turn = replace(turn, sentence_s=t.at_s)
        case AudioReceived() if turn.audio_s is None:
            turn = replace(turn, audio_s=t.at_s)
        case PlaybackStarted() if turn.frame_s is None:
            turn = replace(turn, frame_s=t.at_s)
        case _:
            return
    t.state = replace(t.state, turn=turn)


def _reply_ended(t: Transition, reply: Reply, error: ErrorReport | None) -> None:
    if error is not None:
        _raise_error(t, error)
    history = t.state.history
    merge = reply.cancelled and t.state.rules.interrupted_history is InterruptedHistory.MERGE
    if not (reply.forgotten or reply.wrong_start or merge):
        history = heard(history, reply.heard, interrupted=reply.cut_short)
    _note_start(t, reply)
    t.facts.append(
        ReplyFinished(
            reply=reply.number,
            unheard=reply.unheard,
            interrupted=reply.cut_short and history is not t.state.history,
            cancelled=reply.cancelled,
            committed=not reply.preemptive,
            started=reply.started,
            tokens_discarded=reply.tokens if reply.preemptive else 0,
            heard=reply.heard,
        )
    )
    settle_calls(t, reply, remembered=history is not t.state.history)
    _set_history(t, history)
    if reply.preemptive:
        t.state = replace(t.state, discarded_replies=t.state.discarded_replies + 1)
    if error is not None:
        t.state = replace(t.state, merge_next=False)
    if reply.refused is not None and (reply.started or not (reply.cancelled or reply.preemptive)):
        t.state = replace(t.state, refused=reply.refused)
    _note_stand_in(t, reply)
    if reply.started:
        t.state = replace(t.state, spoken=Spoken(_context_of(t, reply), t.at_s))
        extend_confirmation(t)
    t.state = replace(t.state, reply=None, interrupted_at_s=None, suspected=False)
    _restart_silence(t)


def _note_start(t: Transition, reply: Reply) -> None:
    """Notes whether an answer that was heard was a wrong start."""
    turn = t.state.turn
    if not reply.started or turn is None or turn.typed:
        return
    starts = (*t.state.wrong_starts, reply.wrong_start)[-ANSWERS_KEPT:]
    t.state = replace(t.state, wrong_starts=starts)
    if reply.wrong_start and not reply.forgotten:
        t.facts.append(WrongStartRepaired(reply.number, reply.heard))


def _note_stand_in(t: Transition, reply: Reply) -> None:
    """Notes whether the user has heard a stand-in model, which introduces itself in its first sentence."""
    model = reply.model
    if model is not None and model.reasons and reply.played:
        t.state = replace(t.state, stood_in=model.engine)
    elif model is not None and not model.reasons and reply.started:
        t.state = replace(t.state, stood_in="")


def _context_of(t: Transition, reply: Reply) -> VerdictContext:
    rules = t.state.rules
    return replace(reply.context(rules.language), sensitivity=rules.sensitivity)


# Is the user still there? ---------------------------------------------------------------------------------------------


def _restart_silence(t: Transition) -> None:
    """Restarts the clock that measures how long nobody has said anything."""
    t.state = replace(t.state, last_word_s=t.at_s)


def _note_user_active(t: Transition) -> None:
    t.state = replace(t.state, idle_stage=IdleStage.ACTIVE)
    _restart_silence(t)
    _stop(t, Timer.IDLE)


def _update_idle_stage(t: Transition) -> None:
    """Runs the idle timer while nothing goes on; ends the session after the goodbye or the last answer of the day."""
    state, rules = t.state, t.state.rules
    if not state.is_idle:
        _stop(t, Timer.IDLE)
    elif state.refused is not None:
        _stop(t, Timer.IDLE)
        if state.idle_stage is not IdleStage.ENDED:
            t.state = replace(t.state, idle_stage=IdleStage.ENDED)
            t.facts.append(ConversationEnded(state.refused, EndCause.DAY))
    elif state.idle_stage is IdleStage.SAYING_GOODBYE:
        t.state = replace(t.state, idle_stage=IdleStage.ENDED)
        t.facts.append(ConversationEnded(NOBODY_THERE))
    elif state.handed_over:
        _stop(t, Timer.IDLE)
    elif rules.idle_timeout_s and state.idle_stage is not IdleStage.ENDED and Timer.IDLE not in dict(state.timers):
        limit_s = rules.idle_goodbye_s if state.idle_stage is IdleStage.PROMPTED else rules.idle_timeout_s
        _start(t, Timer.IDLE, max(0.0, state.last_word_s + limit_s - t.at_s))


def _prompt_idle_user(t: Transition) -> None:
    """Asks a silent user whether they are still there, or says goodbye if they did not answer that."""
    drop_confirmation(t)
    prompted = t.state.idle_stage is IdleStage.PROMPTED
    t.state = replace(t.state, idle_stage=IdleStage.SAYING_GOODBYE if prompted else IdleStage.PROMPTED)
    _say(t, (goodbye if prompted else still_there)(t.state.rules.language))


# Timers ---------------------------------------------------------------------------------------------------------------


def _timed_out(t: Transition, timer: Timer, token: int) -> None:
    if (timer, token) not in t.state.timers:
        return
    t.state = replace(t.state, timers=tuple(entry for entry in t.state.timers if entry[0] is not timer))
    match timer:
        case Timer.DEBOUNCE:
            pass
        case Timer.SPEECH:
            for utterance in t.state.utterances:
                if utterance.announced and utterance.speaking:
                    _abandon_announced(t, utterance)
                else:
                    _speech_ended(t, utterance.number, 0.0, utterance.speech)
        case Timer.VERDICT:
            _give_verdict_now(t)
        case Timer.TRANSCRIPT:
            awaited = [utterance for utterance in t.state.utterances if not utterance.speaking]
            for utterance in awaited[:UTTERANCES_AT_ONCE]:  # the others are not being transcribed yet
                t.commands.append(EndTranscription(utterance.number))
                error = ErrorReport(ErrorCode.UNAVAILABLE, "The speech recogniser took too long.")
                _take_final_transcript(
                    t, utterance.number, utterance.text, error, utterance.confidence, utterance.backchannel
                )
        case Timer.IDLE:
            _prompt_idle_user(t)
        case Timer.CONFIRMATION:
            drop_confirmation(t)
        case Timer.GO_ON:
            t.state = replace(t.state, goes_on=True)
        case _:
            assert_never(timer)


def _start(t: Transition, timer: Timer, delay_s: float) -> None:
    token = t.state.last_token + 1
    others = tuple(entry for entry in t.state.timers if entry[0] is not timer)
    t.state = replace(t.state, timers=(*others, (timer, token)), last_token=token)
    t.commands.append(StartTimer(timer, token, delay_s))


def _stop(t: Transition, timer: Timer) -> None:
    others = tuple(entry for entry in t.state.timers if entry[0] is not timer)
    if others != t.state.timers:
        t.state = replace(t.state, timers=others)
        t.commands.append(StopTimer(timer))


# Notes ----------------------------------------------------------------------------------------------------------------


def _utterance(t: Transition, number: int) -> Utterance | None:
    return next((utterance for utterance in t.state.utterances if utterance.number == number), None)


def _update(t: Transition, utterance: Utterance) -> None:
    number = utterance.number
    utterances = tuple(utterance if each.number == number else each for each in t.state.utterances)
    t.state = replace(t.state, utterances=utterances)


def _remove(t: Transition, utterance: Utterance) -> None:
    utterances = tuple(each for each in t.state.utterances if each.number != utterance.number)
    t.state = replace(t.state, utterances=utterances)


def _note_speech_end(t: Transition, speech_ended_s: float) -> None:
    """Notes when the user fell silent, for the next turn and for a preemptive reply, which answers the same turn."""
    t.state = replace(t.state, asked=Turn(speech_ended_s))
    if t.state.live is not None and t.state.live.preemptive:
        turn = t.state.turn or Turn(speech_ended_s)
        t.state = replace(t.state, turn=replace(turn, speech_ended_s=speech_ended_s))


def _note_turn_end(t: Transition, speech_ended_s: float, reason: str) -> None:
    """Notes when the user's turn was found to be over, and what ended it."""
    asked = replace(t.state.asked or Turn(speech_ended_s), turn_ended_s=t.at_s, ended_by=reason)
    t.state = replace(t.state, asked=asked)
    if t.state.live is not None and t.state.live.preemptive:
        t.state = replace(t.state, turn=replace(t.state.turn or asked, turn_ended_s=t.at_s, ended_by=reason))


def _note_transcript(t: Transition) -> None:
    """Notes when the words of the turn were first known."""
    asked = t.state.asked
    if asked is None or asked.transcript_s is not None:
        return
    asked = replace(asked, transcript_s=t.at_s)
    t.state = replace(t.state, asked=asked)
    if t.state.live is not None and t.state.live.preemptive:
        t.state = replace(t.state, turn=replace(t.state.turn or asked, transcript_s=t.at_s))


def _set_history(t: Transition, history: History) -> None:
    if history is not t.state.history:
        t.state = replace(t.state, history=history)
        t.facts.append(HistoryChanged())


def _raise_error(t: Transition, error: ErrorReport) -> None:
    """Tells the user what went wrong. The same error is told once until the user speaks or writes again."""
    if error != t.state.error:
        t.facts.append(ErrorRaised(error))
    t.state = replace(t.state, error=error)


def _note_engine(t: Transition, engine: EngineReported) -> None:
    if engine not in t.state.engines_in_use:
        t.facts.append(EngineChanged(engine.stage, engine.engine, engine.reasons))
    others = (each for each in t.state.engines_in_use if each.stage is not engine.stage)
    t.state = replace(t.state, engines_in_use=(*others, engine))
    if engine.stage is Stage.LLM and t.state.reply is not None:
        t.state = replace(t.state, reply=replace(t.state.reply, model=engine))
