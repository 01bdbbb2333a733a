"""What a step of the machine does about calls of tools with effects, and about the user's yes to one.

`machine.step` calls these functions; each changes the transition that it is given.
"""

from __future__ import annotations

from dataclasses import replace

from voicebot.dialogue.confirmation import (
    LEAST_CONFIDENCE,
    NO_ANSWER,
    NOT_BEGUN,
    NOT_HEARD,
    PendingConfirmation,
    answered,
    ends_with_question,
    is_clear_yes,
    may_repeat,
)
from voicebot.dialogue.events import ToolCallBegun, ToolCallEnded
from voicebot.dialogue.facts import ConfirmationPending, ToolCallChanged, ToolCallConfirmed
from voicebot.dialogue.interruption.evidence import ECHO_ABSENT
from voicebot.dialogue.reply_state import Reply
from voicebot.dialogue.state import MAX_KEPT_CALLS, Utterance
from voicebot.dialogue.tool_calls import CallRecord, CallStatus
from voicebot.dialogue.transition import Transition, cancel_reply


def note_call_begun(t: Transition, input: ToolCallBegun) -> None:
    """Keeps a call that has begun, unless it is known or the conversation in which it was made was cleared.

    The next words do not join the message that led to the call: the model would take it for a call that answers them.
    """
    reply, call, known = t.state.reply, input.call, _call(t, input.call.id)
    cleared = input.reply <= t.state.last_reply_cleared
    if cleared or (known is not None and known.status is not CallStatus.NOT_CONFIRMED):
        return
    if reply is not None and reply.preemptive:
        cancel_reply(t)  # its model does not know of the call, and might make it again
    elif reply is not None and reply.number == input.reply:
        t.state = replace(t.state, reply=replace(reply, called=reply.called | {call.id}))
    _keep_call(t, replace(call, status=CallStatus.RUNNING, position=len(t.state.history), reported=False))
    t.state = replace(t.state, merge_next=False)


def note_call_ended(t: Transition, input: ToolCallEnded) -> None:
    """Keeps how a call has ended. A live reply that waits for the result knows of it."""
    call, reply = _call(t, input.call), t.state.reply
    if call is None or call.ended or input.status is CallStatus.RUNNING:
        return
    _keep_call(t, replace(call, status=input.status, result=input.result))
    if reply is not None:
        t.state = replace(t.state, reply=reply.knowing_end(call.id))


def settle_calls(t: Transition, reply: Reply, *, remembered: bool) -> None:
    """Notes at the end of a reply what it leaves behind of calls. `remembered`: the history keeps something of it.

    A question of which nothing is remembered leaves nothing: the model answers the same words, and more, again.
    """
    if reply.request is not None and remembered:
        _keep_call(t, _not_confirmed(t, reply.request.call, NOT_HEARD))
    confirmed = reply.confirmed
    if confirmed is not None and not (reply.preemptive or reply.forgotten) and confirmed.id not in reply.called:
        _keep_call(t, _not_confirmed(t, confirmed, NOT_BEGUN))
        t.state = replace(t.state, merge_next=False)
    for call in t.state.calls:
        if call.id in reply.reported and not call.reported:
            _keep_call(t, replace(call, reported=True))


def _not_confirmed(t: Transition, call: CallRecord, result: str) -> CallRecord:
    return replace(call, status=CallStatus.NOT_CONFIRMED, result=result, position=len(t.state.history))


def _call(t: Transition, id: str) -> CallRecord | None:
    return next((call for call in t.state.calls if call.id == id), None)


def _keep_call(t: Transition, call: CallRecord) -> None:
    t.state = replace(t.state, calls=with_call(t.state.calls, call))
    t.facts.append(ToolCallChanged(call))


def with_call(calls: tuple[CallRecord, ...], call: CallRecord) -> tuple[CallRecord, ...]:
    """Returns the calls with this one in its place. If they become too many, the one that matters least goes."""
    kept = [call if each.id == call.id else each for each in calls]
    if call not in kept:
        if len(kept) == MAX_KEPT_CALLS:
            kept.remove(min(kept, key=lambda each: 0 if each.reported else 1 if each.ended else 2))
        kept.append(call)
    return tuple(sorted(kept, key=lambda each: each.position))


# The user's yes -------------------------------------------------------------------------------------------------------


def expect_confirmation(t: Transition, reply: Reply) -> None:
    """Lets the user's next words answer the question that the reply ends with, if all of it was heard.

    The words never join the message that led to the question.
    """
    request, is_answer = reply.request, reply.refused is None and not (reply.preemptive or reply.cancelled)
    if request is None or not is_answer or reply.cut_short or reply.broken or reply.text_failed:
        return
    if not ends_with_question(reply.heard, request.question):
        return
    request = replace(request, call=replace(request.call, position=len(t.state.history)))
    t.state = replace(t.state, reply=replace(reply, request=None), merge_next=False)
    until_s = t.at_s + t.state.rules.confirmation_timeout_s
    t.state = replace(t.state, confirmation=PendingConfirmation(request, asked_s=t.at_s, until_s=until_s))
    t.facts.append(ConfirmationPending(request))


def confirmed_call(t: Transition, words: str) -> CallRecord | None:
    """Returns the call about which the user was asked, if their words are a clear yes."""
    pending = t.state.confirmation
    if pending is None or _answer_is_doubtful(t, pending) or not is_clear_yes(words, t.state.rules.language):
        return None
    return pending.request.call


def declined_call(t: Transition, words: str) -> CallRecord | None:
    """Returns the record of the call about which the user was asked, for words that are no clear yes."""
    pending = t.state.confirmation
    if pending is None:
        return None
    return pending.declined(answered(words, doubted=_answer_is_doubtful(t, pending)))


def use_confirmation(t: Transition, reply: Reply, words: str) -> None:
    """Ends the wait for an answer: `reply` is the answer to the user's words, and makes the call if they confirm it."""
    declined = declined_call(t, words)
    if reply.confirmed is not None:
        t.facts.append(ToolCallConfirmed(reply.number, reply.confirmed))
    elif declined is not None:
        _keep_call(t, declined)
    t.state = replace(t.state, confirmation=None)


def drop_confirmation(t: Transition) -> None:
    """Ends the wait for an answer without one."""
    if t.state.confirmation is not None:
        _keep_call(t, t.state.confirmation.declined(NO_ANSWER))
        t.state = replace(t.state, confirmation=None)


def extend_confirmation(t: Transition) -> None:
    """Gives the user the whole time again, after the bot has asked them to repeat their answer."""
    if t.state.confirmation is not None:
        until_s = t.at_s + t.state.rules.confirmation_timeout_s
        t.state = replace(t.state, confirmation=replace(t.state.confirmation, until_s=until_s))


def doubt_confirmation(t: Transition, pending: PendingConfirmation) -> None:
    """Notes that words of the answer confirm nothing."""
    t.state = replace(t.state, confirmation=replace(pending, doubted=True))


def _answer_is_doubtful(t: Transition, pending: PendingConfirmation) -> bool:
    open_ones = (each for each in t.state.utterances if each.answerable_words)
    return pending.doubted or any(is_doubtful(t, pending, each) for each in open_ones)


def is_doubtful(t: Transition, pending: PendingConfirmation, utterance: Utterance) -> bool:
    """Returns True for words that confirm nothing, whatever they are.

    They began before the question was over or long after it, sound like a backchannel or a noise, or may be an echo of
    the question.
    """
    since_s = utterance.started_s - pending.asked_s
    unsure = utterance.confidence is not None and utterance.confidence < LEAST_CONFIDENCE
    echo = utterance.speech.echo
    may_be_echo = since_s < t.state.rules.echo_tail_s and (echo is None or echo >= ECHO_ABSENT)
    repeats = may_be_echo and may_repeat(utterance.text, pending.request.question)
    in_time = pending.asked_s <= utterance.started_s <= pending.until_s
    return not in_time or bool(utterance.backchannel) or unsure or repeats
