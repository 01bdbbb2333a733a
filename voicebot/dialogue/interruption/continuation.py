"""Does speech over the first second of a reply go on with the message that the reply answers?

Whoever goes on so soon has heard two or three words of the reply, so nearly all such words belong to the message. They
do not if they stop or correct the bot, answer a question of its, or are a whole question or request of their own.
"""

from __future__ import annotations

from voicebot.dialogue.end_of_turn.words import Completeness, completeness
from voicebot.dialogue.interruption.evidence import LISTENING, Evidence
from voicebot.languages.lexicon import PhraseKind
from voicebot.languages.loader import language_of

_ASKING = frozenset({PhraseKind.QUESTION, PhraseKind.REQUEST})
_REPLACING = frozenset({PhraseKind.NO, PhraseKind.CORRECTION})
_BEFORE = LISTENING | {PhraseKind.AGREEMENT, PhraseKind.POLITE, PhraseKind.NO}
"""Phrases that may stand before a correction or a question. Words such as "and" may not: they join a sentence."""


def goes_on(evidence: Evidence) -> bool:
    """Returns True when the words go on with the user's message. `evidence.context.message` must allow it."""
    message, phrases = evidence.context.message, evidence.phrases
    if not (message and evidence.words) or evidence.stop or evidence.question:
        return False
    starts = phrases.cuts(_BEFORE)
    if any(phrases.starting(_REPLACING, at) for at in starts):
        return False
    return not any(phrases.starting(_ASKING, at) for at in starts) or not _is_new_question(evidence, starts[-1])


def may_yet_go_on(evidence: Evidence) -> bool:
    """Returns True while only the words to come will show whether a question is a new one: "when I" (get home)."""
    phrases = evidence.phrases
    asks = any(phrases.starting(_ASKING, at) for at in phrases.cuts(_BEFORE))
    return bool(evidence.context.message) and asks


def _is_new_question(evidence: Evidence, at: int) -> bool:
    """Returns True for a whole question or request after a message that could end where it did.

    A clause such as "when I get home" is no question: its subject follows the question word.
    """
    context, words = evidence.context, evidence.words[at:]
    if completeness(context.message, context.language) is Completeness.INCOMPLETE:
        return False
    if completeness(" ".join(words), context.language) is Completeness.COMPLETE:
        return True
    of = language_of(context.language).end_of_turn
    question = evidence.phrases.starting(frozenset({PhraseKind.QUESTION}), at)
    return bool(question) and (len(words) == 1 or words[1] in of.question_verbs | of.auxiliaries | of.copulas)
