"""Rescores short utterances, which Moonshine often gets wrong.

The model was trained on sentences. It takes a single word for one that is frequent in sentences: "Sir." for "sure",
"Held me." for "help me", "I thought." for "uh-huh". In a conversation most short utterances are hums or a few common
phrases, so two more hypotheses are scored:

- a hum, by the sound (`hums`) and by the decoder's score of the hum texts;
- the best of the common phrases, by the decoder's score of each. It is taken if it is nearly as likely as the text.

A hum or a listener's phrase that is less likely than that is told beside the text as a possible backchannel. People who
listen to the bot say little else, so the verdict makes use of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

from voicebot.audio.sound import Samples
from voicebot.engines.stt.moonshine.hums import MAX_HUM_S, HumClassifier, spoken_s
from voicebot.engines.stt.moonshine.model import DecodedText, Features, Model
from voicebot.engines.stt.moonshine.tokenizer import PhraseTree
from voicebot.languages.lexicon import PhraseKind
from voicebot.languages.loader import language_of
from voicebot.languages.spoken import spoken_words

SHORT_MARGIN = 1.5
MARGIN = 2.5
"""A common phrase is taken if its natural log probability is at most this far below that of the decoded text.

`SHORT_MARGIN` is for the short phrases of a listener, which other words sound like. Phrases that stop the bot have the
wider margin, as a missed interruption is worse than a false one; so have long phrases, as nothing else sounds like
them. Measured with flite's four voices: of 116 spoken backchannels the rules know 88 without rescoring and 103 with it.
Of 168 other words that were decoded correctly, chosen to sound like the phrases ("bright", "stock"), 5 become wrong.
"""

LISTENER_MARGIN = 3.0
"""The margin within which a listener's phrase is told beside the text."""

LISTENER_HUM = 0.3
"""A hum of at least this probability is told beside the text.

With both, 127 of 1,134 interrupting short words and phrases no longer interrupt (flite's voices; hard ones such as
"bright", "chess" and "moon"). In 1,155 telephone conversations (Switchboard) listeners say 4,045 backchannels, and take
the floor 434 times.
"""

MAX_MISSING_WORDS = 1
"""The phrase may have this many words fewer than the decoded text. With more of them something else was said."""

SURE = 0.9
"""A text that stops the bot, a number, a day or the like is taken for a hum only from this probability on."""

HUM_MARGIN = 10.0
"""Hum texts are not scored further below the decoded text than this (natural logarithm)."""

_LISTENING = "yeah, yes, right, okay, sure, cool, wow, really, great, exactly, absolutely, i see, go on, got it, oh wow"
_INTERRUPTING = "stop, wait, pause, enough, stop it, hold on, hang on, shut up, be quiet, help, help me"
"""The short phrases that are common enough to be preferred to other words that sound like them."""

_LONG_LETTERS = 8
"""Phrases of several words with at least this many letters sound like nothing else. All of the word lists' are used."""

_INTERJECTIONS = frozenset({"ah", "hm", "no", "oh", "okay", "well", "wow", "yeah", "yes"})
"""Words after which the model may write a comma."""

_NUMBERS = "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve"
_DAYS = "monday, tuesday, wednesday, thursday, friday, saturday, sunday, today, tomorrow, yesterday, now, here, there"
_ANSWERS = frozenset([*_NUMBERS.split(", "), *_DAYS.split(", ")])
"""Words that are as common as the phrases above, and are therefore not replaced."""

_UNSPECIFIC = frozenset({PhraseKind.FRAGMENT, PhraseKind.AROUND, PhraseKind.POLITE, PhraseKind.CLOSING})


@dataclass(frozen=True, slots=True)
class RescoredText:
    """Another hypothesis for a short utterance, with its confidence, 0 to 1."""

    text: str
    confidence: float
    certain: bool = True
    """Whether it replaces the decoded text. Otherwise it is a backchannel that is told beside the text."""


class ShortUtteranceRescorer:
    """Scores hums and common phrases against the decoded text. It has no state, so threads may share it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._hum_classifier = HumClassifier.load()
        self._hum_texts = hum_texts(model)
        self._phrase_tree = PhraseTree(model.tokenizer, (text for text, _ in common_phrases()))
        self._margins = dict(common_phrases())
        self._listening = frozenset(text for phrase in _phrases(_LISTENING) for text in _written(phrase))

    def rescore(self, sound: Samples, features: Features, decoded: DecodedText) -> RescoredText | None:
        """Returns another hypothesis for the sound; None if there is none beside the decoded text.

        `features` and `decoded` are the model's for this sound. Takes some milliseconds; long utterances cost nothing.
        """
        if spoken_s(sound, len(features)) > MAX_HUM_S:
            return None
        phrase = self._common_phrase(features, decoded)
        hum = self.hum(sound, features, decoded.text, decoded.log_probability)
        if phrase is None or not phrase.certain:
            return hum or phrase
        needed = SURE if _is_important(phrase.text) else self._hum_classifier.threshold
        return hum if hum is not None and hum.certain and hum.confidence >= needed else phrase

    def hum(
        self, sound: Samples, features: Features, text: str, log_probability: float | None = None
    ) -> RescoredText | None:
        """Returns the hum that may have been said instead of this text; None if it was no hum.

        `log_probability` is this model's for the text. Without it the text is scored, as another model has decoded it.
        """
        if spoken_s(sound, len(features)) > MAX_HUM_S:
            return None
        guess = self._hum_classifier.guess(sound, features)
        if self._hum_classifier.probability(guess, _MAX_TEXT_LOG_ODDS) < LISTENER_HUM:
            return None
        text_log = self._model.score(features, text) if log_probability is None else log_probability
        scores = self._model.score_phrases(features, self._hum_texts, text_log - HUM_MARGIN)
        probability = self._hum_classifier.probability(
            guess, max(scores.values(), default=text_log - HUM_MARGIN) - text_log
        )
        if probability < LISTENER_HUM:
            return None
        needed = SURE if _is_important(text) else self._hum_classifier.threshold
        return RescoredText(guess.text, probability, certain=probability >= needed)

    def _common_phrase(self, features: Features, decoded: DecodedText) -> RescoredText | None:
        kinds = _kinds(decoded.text) - _UNSPECIFIC
        if kinds - {PhraseKind.FILLER}:
            return None  # the text is a phrase of the word lists itself
        text_log, words = decoded.log_probability, len(spoken_words(decoded.text))
        found = self._model.score_phrases(features, self._phrase_tree, text_log - LISTENER_MARGIN)
        scores = {phrase: score for phrase, score in found.items() if words <= len(phrase.split()) + MAX_MISSING_WORDS}
        likely = {phrase: score for phrase, score in scores.items() if score >= text_log - self._margins[phrase]}
        certain = bool(likely) and not kinds and " ".join(spoken_words(decoded.text)) not in _ANSWERS
        candidates = likely if certain else scores
        if not candidates:
            return None
        phrase = max(candidates, key=candidates.__getitem__)
        if not certain and phrase not in self._listening:
            return None
        tokens = len(self._model.tokenizer.encode(phrase)) + 1
        return RescoredText(f"{phrase}.", min(1.0, exp(candidates[phrase] / tokens)), certain=certain)


_MAX_TEXT_LOG_ODDS = 3.0
"""Hum texts are hardly ever more likely than the decoded text by more than this."""


def hum_texts(model: Model) -> PhraseTree:
    """Returns the spellings of hums in the model's training texts."""
    return PhraseTree(model.tokenizer, ("Uh-huh", "Mm-hmm", "Mhm", "Mm", "Hmm"))


def common_phrases() -> Iterator[tuple[str, float]]:
    """Yields the common phrases as the model writes them, each with its margin."""
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
    """Yields the phrase with a capital, with "I", and with and without a comma after an interjection."""
    words = ["I" + word[1:] if word == "i" or word.startswith("i'") else word for word in phrase.split()]
    words[0] = words[0][:1].upper() + words[0][1:]
    yield " ".join(words)
    if len(words) > 1 and words[0].lower() in _INTERJECTIONS:
        yield " ".join([f"{words[0]},", *words[1:]])


def _kinds(text: str) -> frozenset[PhraseKind]:
    lexicon = language_of("en").lexicon
    return lexicon.kinds("".join(lexicon.key(word) for word in spoken_words(text)))


def _is_important(text: str) -> bool:
    """Returns whether the text begins with a word that must not be missed, such as "no", "stop", "what" or "two"."""
    words = spoken_words(text)
    important = frozenset({PhraseKind.NO, PhraseKind.STOP, PhraseKind.QUESTION})
    important_words = _ANSWERS | {"help"}
    return bool(words) and (
        words[0] in important_words or bool(_kinds(text) & important) or bool(_kinds(words[0]) & important)
    )
