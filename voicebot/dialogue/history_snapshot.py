"""The history of a conversation up to this moment, while a reply may still be playing."""

from __future__ import annotations

from voicebot.dialogue.history import History, heard, merged, said
from voicebot.dialogue.preferences import InterruptedHistory
from voicebot.dialogue.state import State


def history_snapshot(state: State) -> History:
    """Returns the history as it would be if the session broke off now: of the live reply, what was heard so far.

    It never holds a word that was not heard, and nothing of a wrong start, or of an interrupted reply with
    INTERRUPTED_HISTORY=merge. It holds the user's words as soon as they are final.
    """
    history, reply = state.history, state.reply
    if reply is not None and not (reply.preemptive or reply.forgotten or reply.wrong_start):
        merge = state.rules.interrupted_history is InterruptedHistory.MERGE
        if not (merge and (reply.cancelled or reply.cut_short)):
            history = heard(history, reply.heard, interrupted=reply.cut_short)
    return said(history, merged(state.pending), merge=state.merge_next)
