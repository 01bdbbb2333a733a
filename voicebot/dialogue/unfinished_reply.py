"""What a session that breaks off leaves unsaid. The next session of the conversation goes on with it."""

from __future__ import annotations

from voicebot.dialogue.history import Role, merged
from voicebot.dialogue.history_snapshot import history_snapshot
from voicebot.dialogue.preferences import InterruptedHistory
from voicebot.dialogue.reply_state import Reply, UnfinishedReply
from voicebot.dialogue.state import IdleStage, State
from voicebot.runtime.limits import MAX_MESSAGE_CHARS


def unfinished_reply(state: State) -> UnfinishedReply | None:
    """Returns what would be left unsaid if the session broke off now; None if nothing is left, or shall not be said.

    It belongs to the history that `history_snapshot` returns for the same state. While a person answers, or a question
    needs the user's yes, nothing is left. The questions whether the user is still there, and the answer that there are
    no more answers today, are not said again.
    """
    reply = state.reply
    ended = state.idle_stage is not IdleStage.ACTIVE or state.refused is not None
    if ended or state.handed_over or state.confirmation is not None:
        return None
    if state.pending:
        return UnfinishedReply()
    if reply is None or reply.cancelled or reply.preemptive:
        return state.unfinished or _owed_answer(state)
    if reply.refused is not None or not reply.cut_short:
        return None
    if reply.text_ended and reply.asks_from is None:
        return _rest(state, reply)
    begun = bool(reply.heard) and not _forgets_cut_replies(state)
    return UnfinishedReply(begun=begun, counted=not reply.counted_before) if reply.asked else None


def _owed_answer(state: State) -> UnfinishedReply | None:
    """Returns an answer to the user's last message if the bot would have given one, but had not begun to."""
    history = history_snapshot(state)
    unanswered = bool(history) and history[-1].role is Role.USER and state.merge_next
    return UnfinishedReply() if unanswered and not state.is_idle else None


def _rest(state: State, reply: Reply) -> UnfinishedReply:
    """Returns the words that were not heard, or all of them if the history forgets replies that were cut short."""
    forgets = _forgets_cut_replies(state)
    text = merged([reply.heard_before, *reply.sentences]) if forgets else reply.unheard
    if len(text) > MAX_MESSAGE_CHARS:
        text = text[:MAX_MESSAGE_CHARS].rpartition(" ")[0]
    return UnfinishedReply(text, begun=bool(reply.heard) and not forgets)


def _forgets_cut_replies(state: State) -> bool:
    return state.rules.interrupted_history is InterruptedHistory.MERGE
