"""The evidence for a verdict: the words, what of the reply was heard, and the sound."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from voicebot.dialogue.interruption.heard_context import HeardContext
from voicebot.dialogue.interruption.phrases import COMPOSED, Phrases
from voicebot.dialogue.interruption.short_sentence import BotWords
from voicebot.dialogue.interruption.similarity import contains
from voicebot.languages.lexicon import PhraseKind, WordRole
from voicebot.languages.loader import language_of

if TYPE_CHECKING:
    from voicebot.dialogue.interruption.verdict import VerdictContext

LISTENING = frozenset({PhraseKind.SOUND, PhraseKind.YES_SOUND, PhraseKind.LAUGHTER})
HESITATING = frozenset({PhraseKind.FILLER, PhraseKind.FRAGMENT})
ECHOING = frozenset({PhraseKind.ECHO_QUESTION, PhraseKind.ECHO_STATEMENT})
CHEERING = frozenset({PhraseKind.AGREEMENT, PhraseKind.REACTION, PhraseKind.GO_ON}) | ECHOING | COMPOSED
BACKCHANNEL = LISTENING | CHEERING | {PhraseKind.FILLER, PhraseKind.POLITE}
AROUND_WISH = LISTENING | {PhraseKind.AGREEMENT, PhraseKind.FILLER, PhraseKind.POLITE, PhraseKind.AROUND, PhraseKind.NO}
"""Phrases that may stand around a stop word or "go on" without being a message of their own."""

SOUNDS = LISTENING | HESITATING | {PhraseKind.POLITE}
"""Kinds of words that neither agree nor evaluate."""

CLOSED = (BACKCHANNEL - COMPOSED - {PhraseKind.FILLER}) | {PhraseKind.CLOSING}
"""Kinds of phrases that close what the user says."""

ACKNOWLEDGING = LISTENING | ECHOING | {PhraseKind.AGREEMENT, PhraseKind.REACTION}

EMPTY = LISTENING | HESITATING | {PhraseKind.NO, PhraseKind.AGREEMENT, PhraseKind.POLITE}
"""Kinds of words that carry no message on their own."""

ECHO_OUTLASTS_S = 0.6
"""How much longer than the bot's voice an echo may seem to last, for the room and the hold time of the detector."""
ECHO_LINGERS_S = 1.0
"""The same for a sound that resembles the bot's voice: up to 0.4 s of delay by way of the loudspeaker, and the
reverberation of the room."""
ECHO_ADDS_S, WORD_S = 1.0, 0.6
"""An echo is at most as long as its words when spoken slowly (`WORD_S` each), plus `ECHO_ADDS_S` for the room."""
ECHO_ABSENT = 0.1
"""Below this share of echo, the sound is no echo, whatever the words."""
MAX_QUOTED = 60
MAX_REPEATED = 4
"""A listener repeats at most this many words of the bot's."""
REPEATED_LETTERS = 4
"""Fewer letters are found in nearly any sentence."""


class Evidence:
    """The words said over a reply, and everything that a verdict on them depends on."""

    def __init__(self, text: str, context: VerdictContext) -> None:
        self.text = text
        self.context = context
        self.speech = context.speech
        lexicon = language_of(context.language).lexicon
        self.heard = HeardContext(context.sentence, context.previous, context.words_heard)
        self.phrases = Phrases(text, lexicon, BotWords.heard_in(self.heard, lexicon))
        self.question = self.heard.question()
        asked = Phrases(self.question, lexicon)
        self.asks_what = bool(asked.starting(frozenset({PhraseKind.QUESTION}), asked.after(HESITATING)))
        """Whether the bot's question cannot be answered by yes or no."""

    @property
    def words(self) -> tuple[str, ...]:
        return self.phrases.words

    @property
    def asks(self) -> bool:
        """Whether the words begin a question or a request, possibly after a word such as "okay"."""
        asking = frozenset({PhraseKind.QUESTION, PhraseKind.REQUEST})
        return bool(self.phrases.starting(asking, self._message_at))

    @property
    def _message_at(self) -> int:
        """The first word after any backchannels. A short sentence may be the beginning of a longer one."""
        return self.phrases.after(BACKCHANNEL - ECHOING)

    @property
    def letters(self) -> int:
        return sum(map(len, self.words))

    @property
    def quoted(self) -> str:
        text = " ".join(self.text.split())
        return f"“{text}”" if len(text) <= MAX_QUOTED else f"“{text[:MAX_QUOTED]}…”"

    @cached_property
    def tail(self) -> tuple[str, ...]:
        """The last words of the bot, as far back as an echo of the user's words could reach."""
        return self.heard.last(max(8, len(self.words) + 4))

    @cached_property
    def stop(self) -> str:
        """The stop word that the text begins with, possibly after "okay" or "um"; empty if there is none."""
        places = self.phrases.cuts(AROUND_WISH)
        return next((stop for at in places if (stop := self.phrases.starting(frozenset({PhraseKind.STOP}), at))), "")

    @cached_property
    def goes_on(self) -> bool:
        """Whether the last words announce more: "yeah, but", "right, um", "well I", "and"."""
        phrases = self.phrases
        if not phrases.made_of(BACKCHANNEL | HESITATING):
            return False
        at, kinds = phrases.ending(BACKCHANNEL | HESITATING)
        if PhraseKind.FILLER in kinds and kinds.isdisjoint(CLOSED) and at not in phrases.cuts(SOUNDS):
            return True  # a word such as "but" or "um" after an agreement or an evaluation
        sounds = LISTENING | {PhraseKind.HESITATION}
        said = [at for at in range(len(phrases)) if phrases.kinds_of(at).isdisjoint(sounds)]
        if not said or phrases.ending(BACKCHANNEL, said[-1] + 1)[0] < said[-1]:
            return False  # the last word belongs to a longer phrase, such as "I hope so"
        if phrases.has_role(said[-1], WordRole.CONJUNCTION):
            return True
        begun = phrases.made_of(SOUNDS) and PhraseKind.FILLER in phrases.kinds_of(said[0])
        return begun and phrases.kinds_of(said[-1]) == {PhraseKind.FRAGMENT}

    @cached_property
    def repeats_and_acknowledges(self) -> bool:
        """Whether some words are the bot's last ones, in this order, and otherwise there are only backchannels."""
        words, phrases = self.words, self.phrases
        return any(
            len("".join(words[start:end])) >= REPEATED_LETTERS
            and contains(self.tail, words[start:end])
            and phrases.includes(ACKNOWLEDGING, BACKCHANNEL, end)
            for start in phrases.cuts(BACKCHANNEL)
            for end in range(start + 1, min(start + MAX_REPEATED, len(words) - 1) + 1)
        )

    @property
    def echo_possible(self) -> bool:
        """Whether the timing allows an echo and the sound does not speak against one."""
        absent = self.speech.echo is not None and self.speech.echo < ECHO_ABSENT
        return not absent and self._timed_like_echo(ECHO_OUTLASTS_S)

    def _timed_like_echo(self, outlasts_s: float) -> bool:
        """Returns True when the speech ended this soon after the bot's voice, and is no longer than its words."""
        speech = self.speech
        lingers = speech.outlasted_s is not None and speech.outlasted_s > outlasts_s
        too_long = speech.duration_s > ECHO_ADDS_S + WORD_S * len(self.words)
        return self.heard.anything and not (lingers or too_long)

    @property
    def is_faint(self) -> bool:
        """Whether the words were so much softer than the user usually speaks that somebody else said them."""
        level_db = self.speech.level_db
        return level_db is not None and level_db <= self.context.sensitivity.interruption_thresholds.faint_db

    def sounds_like_echo(self, least: float) -> bool:
        return self.speech.echo is not None and self.speech.echo >= least and self._timed_like_echo(ECHO_LINGERS_S)

    def own_words(self, without: frozenset[PhraseKind]) -> frozenset[str]:
        """Returns the words after any backchannels that the bot has not just said and that are not of these kinds."""
        rest, tail = self.words[self._message_at :], frozenset(self.tail)
        return frozenset(word for word in rest if word not in tail and not self.phrases.is_one(word, without))
