"""Does the user say a clear yes to the question whether a tool may be called?

A yes too many does harm, and a yes that does not count costs one more question. So only words count that say yes and
nothing else. Hums such as "uh-huh", and "okay" alone, do not count: listeners say them without agreeing, and echoes and
noises are easily taken for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicebot.dialogue.interruption.similarity import contains
from voicebot.dialogue.interruption.verdict import LAST_WORDS
from voicebot.dialogue.preemptive import hesitations
from voicebot.dialogue.tool_calls import CallRecord, CallStatus, ConfirmationRequest
from voicebot.languages.loader import language_of
from voicebot.languages.spoken import spoken_words

MAX_WORDS = 12
"""A longer text is no clear yes."""

LEAST_CONFIDENCE = 0.5
"""Words of which the recogniser is less confident are no clear yes. The embedded recogniser heard 79 of 90 spoken yeses
(flite's four voices, espeak-ng, hibari) as a clear yes, 77 of them with this confidence; of 66 other answers ("no",
"not yet", "okay") and 12 hums none. Of 102 words that sound similar and are no likely answers ("guess", "less",
"shore") it heard 38 as a clear yes, and 17 with this confidence."""

_QUESTION_MARKS = frozenset("?？؟")

NOT_HEARD = "The tool did not run: the user did not hear the whole question."
NO_ANSWER = "The tool did not run: the user did not answer the question."
NOT_BEGUN = "The user said yes, but the reply ended before the tool began. It did not run."


@dataclass(frozen=True, slots=True)
class PendingConfirmation:
    """A question whether a tool may be called, of which the user has heard every sample. Their next words answer it."""

    request: ConfirmationRequest
    asked_s: float
    """When its last sample was played, in seconds of the session's clock."""
    until_s: float
    """An answer that begins later confirms nothing: it may be meant for somebody else."""
    doubted: bool = False
    """Some words of the answer confirm nothing, whatever they are: they began too early or too late, or may be
    no words at all."""

    def declined(self, result: str) -> CallRecord:
        """Returns the record of the call that was not confirmed. `result` says why, in words for the model."""
        return replace(self.request.call, status=CallStatus.NOT_CONFIRMED, result=result)


def is_clear_yes(text: str, language: str) -> bool:
    """Returns True when the text says yes and nothing else, apart from words such as "please".

    A question mark makes it unclear. Hesitations may stand before the yes, and not after it: "yes, um" may go on.
    """
    words, of = _without_hesitations_before(spoken_words(text), language), language_of(language).confirmation
    if len(words) > MAX_WORDS or words in of.doubtful or not _QUESTION_MARKS.isdisjoint(text):
        return False
    says_yes = {0: False}
    """For each word up to which the text consists of known phrases, whether one of them is a clear yes."""
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1) if start in says_yes else ():
            phrase = words[start:end]
            if phrase in of.yes or phrase in of.beside:
                says_yes[end] = says_yes.get(end, False) or says_yes[start] or phrase in of.yes
    return says_yes.get(len(words), False)


def ends_with_question(heard: str, question: str) -> bool:
    """Returns True when what the user has heard ends with the whole question. Space makes no difference."""
    asked = "".join(question.split())
    return bool(asked) and "".join(heard.split()).endswith(asked)


def may_repeat(text: str, question: str) -> bool:
    """Returns True when the text is among the last words of the question, so that it may be an echo of it."""
    return contains(spoken_words(question)[-LAST_WORDS:], spoken_words(text))


def answered(words: str, *, doubted: bool) -> str:
    """Returns why a call was not confirmed by the user's `words`, in words for the model."""
    if doubted:
        return (
            f"The tool did not run: “{words}” was heard, but it began before the question was over or long after it, "
            f"or may be an echo or a noise."
        )
    return f"The tool did not run: the user was asked and answered “{words}”, which is no clear yes."


def _without_hesitations_before(words: tuple[str, ...], language: str) -> tuple[str, ...]:
    known = hesitations(language)
    start = next((index for index, word in enumerate(words) if word not in known), len(words))
    return words[start:]
