"""A second look at short utterances, which Moonshine often gets wrong.

The model has learnt from sentences. Of a single word it makes whatever its sentences would have there: "Sir." of
"sure", "Held me." of "help me", "I thought." of "uh-huh". In a conversation, though, most short utterances are hums or
phrases that people use all the time, so two questions are asked about each of them:

- Is it a hum? The sound answers (`hums`), together with how well the model can read a hum out of it.
- Is it a usual phrase? The model weighs them all against its own text; one that is nearly as likely is taken.

Whoever listens to the bot says little else than hums and the short phrases of listeners. So one of them that falls
short of that is told beside the text, as the backchannel that it may have been; the verdict makes use of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

from voicebot.audio.sound import Samples
from voicebot.engines.stt.moonshine.hums import LONGEST_S, Hums, spoken_s
from voicebot.engines.stt.moonshine.model import Decoded, Features, Model
from voicebot.engines.stt.moonshine.phrase_tree import PhraseTree
from voicebot.languages.lexicon import PhraseKind
from voicebot.languages.loader import language_of
from voicebot.languages.spoken import spoken_words

SHORT_MARGIN = 1.5
MARGIN = 2.5
"""A usual phrase is taken if its natural log probability is at most this far below that of the model's own text.

The first is for the short phrases of a listener, which other words sound like. Phrases that stop the bot get more, as a
missed interruption is worse than a false one, and so do long phrases, which nothing else sounds like.

Measured with flite's four voices: of 116 backchannels in words, 88 are such to the rules without this, and 103 with it;
of 168 other words that the model had right, chosen to sound like the phrases ("bright", "stock", "gold"), 5 are lost.
"""

LISTENER_MARGIN = 3.0
"""The same for the phrase of a listener that is told beside the text."""

LISTENER_HUM = 0.3
"""From this probability on a hum is told beside the text.

Of 1,134 short words and phrases in flite's voices that interrupt, chosen to be hard ("bright", "chess", "moon"), 127 do
not with both. In the 1,155 telephone conversations of Switchboard, listeners say 4,045 backchannels and take the floor
434 times.
"""

MORE_WORDS = 1
"""The phrase may have this many words fewer than the model's own text, and no less: then something else was said."""

SURE = 0.9
"""What the model reads as a phrase that stops the bot, or as a number, a day or the like, is taken for a hum only from
this probability on."""

HUM_MARGIN = 10.0
"""Hum texts that are less likely than the model's own text by more than this (natural logarithm) are all the same."""

_LISTENING = "yeah, yes, right, okay, sure, cool, wow, really, great, exactly, absolutely, i see, go on, got it, oh wow"
_INTERRUPTING = "stop, wait, pause, enough, stop it, hold on, hang on, shut up, be quiet, help, help me"
"""The short phrases that are usual enough to be preferred to other words that sound like them."""

_LONG_LETTERS = 8
"""Phrases of several words and as many letters as this sound like nothing else: all of the word lists' are taken."""

_INTERJECTIONS = frozenset({"ah", "hm", "no", "oh", "okay", "well", "wow", "yeah", "yes"})
"""The model puts a comma behind these, or does not."""

_NUMBERS = "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve"
_DAYS = "monday, tuesday, wednesday, thursday, friday, saturday, sunday, today, tomorrow, yesterday, now, here, there"
_ANSWERS = frozenset([*_NUMBERS.split(", "), *_DAYS.split(", ")])
"""Words that are as usual as the phrases above, and therefore stay."""

_NOT_TELLING = frozenset({PhraseKind.FRAGMENT, PhraseKind.AROUND, PhraseKind.POLITE})


@dataclass(frozen=True, slots=True)
class Reconsidered:
    """What a short utterance may have been instead of the decoded text, and how sure that is, 0 to 1."""

    text: str
    confidence: float
    certain: bool = True
    """It takes the place of the decoded text. Otherwise it is the backchannel that is told beside the text."""


class ShortUtterances:
    """Looks again at what the model made of short utterances. Has no state: threads may share it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._hums = Hums.load()
        self._hum_texts = hum_texts(model)
        self._usual = PhraseTree(model.tokenizer, (text for text, _ in usual_phrases()))
        self._margins = dict(usual_phrases())
        self._listening = frozenset(text for phrase in _phrases(_LISTENING) for text in _written(phrase))

    def reconsider(self, sound: Samples, features: Features, decoded: Decoded) -> Reconsidered | None:
        """Returns what else the sound may have been, or None if it is nothing but the decoded text.

        Features and text are the model's own for this sound. Costs some milliseconds, and nothing for long utterances.
        """
        if spoken_s(sound, len(features)) > LONGEST_S:
            return None
        phrase = self._usual_phrase(features, decoded)
        hum = self.hum(sound, features, decoded.text, decoded.log_probability)
        if phrase is None or not phrase.certain:
            return hum or phrase
        needed = SURE if _matters(phrase.text) else self._hums.threshold
        return hum if hum is not None and hum.certain and hum.confidence >= needed else phrase

    def hum(
        self, sound: Samples, features: Features, text: str, log_probability: float | None = None
    ) -> Reconsidered | None:
        """Returns the hum that this text may have been, or None if it was none.

        `log_probability` is the text's by this model; left out where another model found the text.
        """
        if spoken_s(sound, len(features)) > LONGEST_S:
            return None
        guess = self._hums.guess(sound, features)
        if self._hums.probability(guess, _BEST_TEXT) < LISTENER_HUM:
            return None
        own = self._model.score(features, text) if log_probability is None else log_probability
        scores = self._model.score_phrases(features, self._hum_texts, own - HUM_MARGIN)
        probability = self._hums.probability(guess, max(scores.values(), default=own - HUM_MARGIN) - own)
        if probability < LISTENER_HUM:
            return None
        needed = SURE if _matters(text) else self._hums.threshold
        return Reconsidered(guess.text, probability, certain=probability >= needed)

    def _usual_phrase(self, features: Features, decoded: Decoded) -> Reconsidered | None:
        kinds = _kinds(decoded.text) - _NOT_TELLING
        if kinds - {PhraseKind.FILLER}:
            return None  # the text is such a phrase itself
        own, words = decoded.log_probability, len(spoken_words(decoded.text))
        scores = {
            phrase: score
            for phrase, score in self._model.score_phrases(features, self._usual, own - LISTENER_MARGIN).items()
            if words <= len(phrase.split()) + MORE_WORDS
        }
        likely = {phrase: score for phrase, score in scores.items() if score >= own - self._margins[phrase]}
        certain = bool(likely) and not kinds and " ".join(spoken_words(decoded.text)) not in _ANSWERS
        candidates = likely if certain else scores
        if not candidates:
            return None
        phrase = max(candidates, key=candidates.__getitem__)
        if not certain and phrase not in self._listening:
            return None
        tokens = len(self._model.tokenizer.encode(phrase)) + 1
        return Reconsidered(f"{phrase}.", min(1.0, exp(candidates[phrase] / tokens)), certain=certain)


_BEST_TEXT = 3.0
"""No hum text is more likely than the model's own by much more than this."""


def hum_texts(model: Model) -> PhraseTree:
    """Returns how the model writes a hum, where it knows one."""
    return PhraseTree(model.tokenizer, ("Uh-huh", "Mm-hmm", "Mhm", "Mm", "Hmm"))


def usual_phrases() -> Iterator[tuple[str, float]]:
    """The phrases as the model writes them, each with its margin."""
    lexicon = language_of("en").lexicon
    kinds = (PhraseKind.STOP, PhraseKind.AGREEMENT, PhraseKind.REACTION, PhraseKind.GO_ON)
    long = [phrase for kind in kinds for phrase in lexicon.phrases(kind) if _is_long(phrase)]
    yield from ((text, SHORT_MARGIN) for phrase in _phrases(_LISTENING) for text in _written(phrase))
    yield from ((text, MARGIN) for phrase in _phrases(_INTERRUPTING) + long for text in _written(phrase))


def _phrases(listed: str) -> list[str]:
    return [phrase for each in listed.split(",") if (phrase := " ".join(each.split()))]


def _is_long(phrase: str) -> bool:
    return " " in phrase and len(phrase.replace(" ", "")) >= _LONG_LETTERS


def _written(phrase: str) -> Iterator[str]:
    """With a capital, with "I", and with or without a comma behind an interjection."""
    words = ["I" + word[1:] if word == "i" or word.startswith("i'") else word for word in phrase.split()]
    words[0] = words[0][:1].upper() + words[0][1:]
    yield " ".join(words)
    if len(words) > 1 and words[0].lower() in _INTERJECTIONS:
        yield " ".join([f"{words[0]},", *words[1:]])


def _kinds(text: str) -> frozenset[PhraseKind]:
    lexicon = language_of("en").lexicon
    return lexicon.kinds("".join(lexicon.key(word) for word in spoken_words(text)))


def _matters(text: str) -> bool:
    """Whether the text begins with what must not be missed, whatever follows: "no", "stop", "what", "help", "two"."""
    words = spoken_words(text)
    stops = frozenset({PhraseKind.NO, PhraseKind.STOP, PhraseKind.QUESTION})
    matter = _ANSWERS | {"help"}
    return bool(words) and (words[0] in matter or bool(_kinds(text) & stops) or bool(_kinds(words[0]) & stops))
