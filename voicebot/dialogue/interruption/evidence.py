"""All that a verdict is based on: the words, what of the reply was heard, and the sound."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from voicebot.dialogue.interruption.heard_context import HeardContext
from voicebot.dialogue.interruption.phrases import EVALUATING, Phrases
from voicebot.languages.words import vocabulary_of
from voicebot.languages.words.vocabulary import Kind

if TYPE_CHECKING:
    from voicebot.dialogue.interruption.verdict import VerdictContext

LISTENING = frozenset({Kind.SOUND, Kind.YES_SOUND, Kind.LAUGHTER})
HESITATING = frozenset({Kind.FILLER, Kind.FRAGMENT})
CHEERING = frozenset({Kind.AGREEMENT, Kind.REACTION, Kind.GO_ON}) | EVALUATING
BACKCHANNEL = LISTENING | CHEERING | {Kind.FILLER, Kind.POLITE}
AROUND_WISH = LISTENING | {Kind.AGREEMENT, Kind.FILLER, Kind.POLITE, Kind.AROUND, Kind.NO}
"""What may stand around a stop word or "go on" without being a message of its own."""

EMPTY = LISTENING | HESITATING | {Kind.NO, Kind.AGREEMENT, Kind.POLITE}
"""A single word of these kinds carries no message."""

ECHO_OUTLASTS_S = 0.6
"""An echo ends with the bot's voice; so long the room and the detector's hold may draw it out."""
ECHO_LINGERS_S = 1.0
"""What is like the bot's voice by its sound may last longer: up to 0.4 s on the way to the loudspeaker and back, and
then as long as the room reverberates."""
ECHO_ADDS_S, WORD_S = 1.0, 0.6
"""An echo of some words is no longer than they are when spoken slowly, and the room."""
ECHO_ABSENT = 0.1
"""Below this the sound speaks against one, whatever the words."""
MAX_QUOTED = 60


class Evidence:
    """The words and all they are judged by."""

    def __init__(self, text: str, context: VerdictContext) -> None:
        self.text = text
        self.context = context
        self.speech = context.speech
        vocabulary = vocabulary_of(context.language)
        self.phrases = Phrases(text, vocabulary)
        self.heard = HeardContext(context.sentence, context.previous, context.words_heard)
        self.question = self.heard.question()
        asked = Phrases(self.question, vocabulary)
        self.asks_what = bool(asked.starting(frozenset({Kind.QUESTION}), asked.after(HESITATING)))
        """Can the question not be answered by yes or no?"""

    @property
    def words(self) -> tuple[str, ...]:
        return self.phrases.words

    @property
    def asks(self) -> bool:
        """Do the words begin a question or a request, be it after "okay"?"""
        return bool(self.phrases.starting(frozenset({Kind.QUESTION, Kind.REQUEST}), self.phrases.after(BACKCHANNEL)))

    @property
    def letters(self) -> int:
        return sum(map(len, self.words))

    @property
    def quoted(self) -> str:
        text = " ".join(self.text.split())
        return f"“{text}”" if len(text) <= MAX_QUOTED else f"“{text[:MAX_QUOTED]}…”"

    @cached_property
    def tail(self) -> tuple[str, ...]:
        """What the bot has just said, as long as an echo of these words may reach back."""
        return self.heard.last(max(8, len(self.words) + 4))

    @cached_property
    def stop(self) -> str:
        """The stop word that the text begins with, be it after "okay" or "um"; empty if there is none."""
        places = self.phrases.cuts(AROUND_WISH)
        return next((stop for at in places if (stop := self.phrases.starting(frozenset({Kind.STOP}), at))), "")

    @property
    def echo_possible(self) -> bool:
        """Does the timing allow it, and does the sound not speak against it?"""
        absent = self.speech.echo is not None and self.speech.echo < ECHO_ABSENT
        return not absent and self._timed_like_echo(ECHO_OUTLASTS_S)

    def _timed_like_echo(self, outlasts_s: float) -> bool:
        """Whether it ended at most this long after the bot's voice, and is no longer than its words."""
        speech = self.speech
        lingers = speech.outlasted_s is not None and speech.outlasted_s > outlasts_s
        too_long = speech.duration_s > ECHO_ADDS_S + WORD_S * len(self.words)
        return self.heard.anything and not (lingers or too_long)

    @property
    def is_faint(self) -> bool:
        """Were the words so much softer than the user's usual ones that somebody else will have said them?"""
        level_db = self.speech.level_db
        return level_db is not None and level_db <= self.context.sensitivity.interruption_thresholds.faint_db

    def sounds_like_echo(self, least: float) -> bool:
        return self.speech.echo is not None and self.speech.echo >= least and self._timed_like_echo(ECHO_LINGERS_S)

    def own_words(self, without: frozenset[Kind]) -> frozenset[str]:
        """The words after the backchannels that the bot has not just said and that are not of these kinds."""
        rest, tail = self.words[self.phrases.after(BACKCHANNEL) :], frozenset(self.tail)
        return frozenset(word for word in rest if word not in tail and not self.phrases.is_one(word, without))
