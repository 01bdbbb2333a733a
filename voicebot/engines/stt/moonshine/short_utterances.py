"""A second look at short utterances, which Moonshine often gets wrong.

The model has learnt from read and spoken sentences. Of a single word it makes whatever its sentences would have there:
"Sir." of "sure", "Held me." of "help me", "I thought." of "uh-huh". In a conversation, though, most short utterances
are hums or one of the phrases that the language's word lists name, so two questions are asked about each of them:

- Is it a hum? The sound answers (`hums`), together with how well the model can read a hum out of it.
- Is it a usual phrase? The model weighs all of them against its own text; one that is almost as likely is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

from voicebot.core.audio import Samples
from voicebot.core.spoken import spoken_words
from voicebot.core.words.en import ENGLISH, INTERNATIONAL
from voicebot.engines.stt.moonshine.hums import LONGEST_S, Hums, spoken_s
from voicebot.engines.stt.moonshine.model import Decoded, Features, Model
from voicebot.engines.stt.moonshine.phrase_tree import PhraseTree

MARGIN = 2.0
"""A usual phrase is taken if its natural log probability is below that of the model's own text by at most this."""

HUM_MARGIN = 10.0
"""Hum texts that are less likely than the model's own text by more than this (natural logarithm) are all the same."""

_MORE = "help, help me, hello, hi, hey, thank you, thanks, bye, goodbye"
"""Usual phrases beside those of the word lists."""

_INTERJECTIONS = frozenset({"ah", "hm", "no", "oh", "okay", "well", "wow", "yeah", "yes"})
"""The model puts a comma behind these, or does not."""


@dataclass(frozen=True, slots=True)
class Reconsidered:
    """The better text for a short utterance, and how sure it is, 0 to 1."""

    text: str
    confidence: float


class ShortUtterances:
    """Looks again at what the model made of short utterances. Has no state: threads may share it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._hums = Hums.load()
        self._hum_texts = hum_texts(model)
        self._usual = PhraseTree(model.tokenizer, usual_phrases())

    def reconsider(self, sound: Samples, features: Features, decoded: Decoded) -> Reconsidered | None:
        """Returns a better text for the sound, or None if the decoded text stays.

        `features` are the model's for this sound. Takes 5 to 20 ms of CPU; nothing for longer utterances.
        """
        if spoken_s(sound, len(features)) > LONGEST_S:
            return None
        return self._as_hum(sound, features, decoded) or self._as_usual_phrase(features, decoded)

    def _as_hum(self, sound: Samples, features: Features, decoded: Decoded) -> Reconsidered | None:
        guess = self._hums.guess(sound, features)
        if not self._hums.possible(guess):
            return None
        floor = decoded.log_probability - HUM_MARGIN
        scores = self._model.score_phrases(features, self._hum_texts, floor)
        probability = self._hums.probability(guess, max(scores.values(), default=floor) - decoded.log_probability)
        return Reconsidered(guess.text, probability) if probability >= self._hums.threshold else None

    def _as_usual_phrase(self, features: Features, decoded: Decoded) -> Reconsidered | None:
        if not decoded.text or spoken_words(decoded.text) in _USUAL_WORDS:
            return None
        scores = self._model.score_phrases(features, self._usual, decoded.log_probability - MARGIN)
        if not scores:
            return None
        phrase = max(scores, key=scores.__getitem__)
        return Reconsidered(f"{phrase}.", exp(scores[phrase] / (len(phrase.split()) + 1)))


def hum_texts(model: Model) -> PhraseTree:
    """Returns how the model writes a hum, where it knows one."""
    return PhraseTree(model.tokenizer, ("Uh-huh", "Mm-hmm", "Mhm", "Mm", "Hmm"))


def usual_phrases() -> Iterator[str]:
    """The phrases as the model writes them: with a capital, with "I", and with or without a comma."""
    for phrase in _listed():
        words = ["I" + word[1:] if word == "i" or word.startswith("i'") else word for word in phrase.split()]
        words[0] = words[0][:1].upper() + words[0][1:]
        yield " ".join(words)
        if len(words) > 1 and words[0].lower() in _INTERJECTIONS:
            yield " ".join([f"{words[0]},", *words[1:]])


def _listed() -> Iterator[str]:
    for words in (INTERNATIONAL, ENGLISH):
        for listed in (words.agreement, words.reaction, words.go_on, words.no, words.stop, words.question):
            yield from (phrase for each in listed.split(",") if (phrase := " ".join(each.split())))
    yield from _MORE.split(", ")


_USUAL_WORDS = frozenset(spoken_words(phrase) for phrase in _listed())
