"""What is kept of a conversation while it goes on: what was said and heard up to this moment."""

from __future__ import annotations

from voicebot.dialogue.history import History, heard, merged, said
from voicebot.dialogue.preferences import InterruptedHistory
from voicebot.dialogue.state import State


def history_snapshot(state: State) -> History:
    """The history as it would be if the session broke off now: the live reply counts as far as it was heard.

    A word that was not heard is never in it, nor anything of a reply of which the history would keep nothing
    (INTERRUPTED_HISTORY=merge). The user's words are in it as soon as they are certain.
    """
    history, reply = state.history, state.reply
    if reply is not None and not (reply.preemptive or reply.forgotten):
        merge = state.rules.interrupted_history is InterruptedHistory.MERGE
        if not (merge and (reply.cancelled or reply.cut_short)):
            history = heard(history, reply.heard, interrupted=reply.cut_short)
    return said(history, merged(state.pending), merge=state.merge_next)
