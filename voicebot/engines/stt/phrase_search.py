"""Free speech or one of the phrases people say to a voice bot? Which of two decodes of one utterance to believe."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import product
from math import log
from pathlib import Path

from pocketsphinx import Decoder, get_model_path

from voicebot.engines.stt.phrases import arpa, sentences

NAME = "phrases"

SOUNDS = "sounds"
SOUND_WORDS = ("uh-huh", "mm-hmm", "mhm", "hmm")
SOUNDS_GRAMMAR = f"#JSGF V1.0; grammar {SOUNDS}; public <any> = <one> [<one>]; <one> = {' | '.join(SOUND_WORDS)};"
"""A listener's sounds on their own. Among all phrases the search may lose them on its way: it took 2 in 8 of a voice's
"uh-huh" for "what", to which the sound fitted worse."""
FRAMES_PER_S = 100

MOST_WORSE = 150.0
"""How much worse (in log likelihood) the sound may fit the phrase than it fits free speech. Measured with 0 and 150:
145 and 156 of 174 short phrases are right on 4 flite voices, 47 and 55 of 83 on 2 espeak-ng voices; of 93 other
utterances that free speech gets right, 4 and 6 are taken for a phrase."""

SURE = -4.5
"""A phrase that fits the sound better than this (log likelihood per 10 ms) needs no comparison with free speech. So do
129 of 174 short phrases spoken by 4 flite voices, 127 of them rightly, and none of 207 other utterances."""

OWN_WORDS = {
    **{"mm-hmm": "M HH M", "mm-hmm(2)": "AH M HH AH M", "mm-hmm(3)": "M M"},
    **{"uh-huh(2)": "AH N HH AH N", "uh-huh(3)": "AA HH AA", "uh-huh(4)": "AH HH AA"},
    **{"uh-huh(5)": "UH HH AH", "uh-huh(6)": "AH HH AE"},
}
"""Pronunciations that the model's dictionary lacks."""

_VARIANT = re.compile(r"\(\d+\)$")
_TINY = 1e-300
"""PocketSphinx gives likelihoods, not their logarithms; those of long noise are too small for a double."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A decoder's words, and the log likelihood of the sound given them."""

    words: tuple[str, ...] = ()
    sound: float = 0.0

    @property
    def text(self) -> str:
        return " ".join(self.words)


class PhraseSearch:
    """A decoder that knows nothing but the phrases, and so has little to search."""

    def __init__(self) -> None:
        texts = sentences()
        sounds = [*product(SOUND_WORDS), *product(SOUND_WORDS, repeat=2)]
        self._trigrams = {trigram for text in (*texts, *sounds) for trigram in trigrams(text)}
        with tempfile.TemporaryDirectory() as folder:
            model, dictionary = Path(folder) / "phrases.arpa", Path(folder) / "phrases.dict"
            model.write_text(arpa(texts), encoding="utf-8")
            # With the whole dictionary it takes 2.5 s to load, and no other word can be heard anyway.
            dictionary.write_text(
                _pronunciations({word for text in (*texts, SOUND_WORDS) for word in text}), encoding="utf-8"
            )
            self.decoder = Decoder(loglevel="FATAL", cmn="live", lm=None, dict=str(dictionary))
            self.decoder.add_lm_file(NAME, str(model))
        self.decoder.add_jsgf_string(SOUNDS, SOUNDS_GRAMMAR)
        self.decoder.activate_search(NAME)

    def is_sure(self, phrase: Heard, speech_s: float) -> bool:
        """Is it one, and so close to the sound that nothing else can have been said?"""
        return self._is_phrase(phrase) and phrase.sound > SURE * speech_s * FRAMES_PER_S

    def reconsidered(self, phrase: Heard, padded: bytes) -> Heard:
        """The phrase found in this sound, or the listener's sounds, if they fit it better."""
        if not self._is_phrase(phrase):
            return phrase
        self.decoder.activate_search(SOUNDS)
        sounds = decoded(self.decoder, padded)
        self.decoder.activate_search(NAME)
        return sounds if sounds.words and sounds.sound > phrase.sound else phrase

    def chosen(self, free: Heard, phrase: Heard) -> Heard:
        """The one of the two to believe."""
        return phrase if self._is_phrase(phrase) and phrase.sound > free.sound - MOST_WORSE else free

    def _is_phrase(self, found: Heard) -> bool:
        """Other speech can only be torn to pieces that no phrase has."""
        return bool(found.words) and self._trigrams.issuperset(trigrams(found.words))


def trigrams(words: Sequence[str]) -> set[tuple[str, ...]]:
    """What stands together in a sentence, its bounds included, three by three."""
    sentence = ("<s>", "<s>", *words, "</s>")
    return {sentence[at : at + 3] for at in range(len(sentence) - 2)}


def decoded(decoder: Decoder, sound: bytes) -> Heard:
    """What a decoder finds in a whole utterance."""
    decoder.start_utt()
    decoder.process_raw(sound)
    decoder.end_utt()
    return heard(decoder)


def heard(decoder: Decoder) -> Heard:
    """What a decoder has found in the utterance that has ended."""
    segments = list(decoder.seg() or ())
    words = (_VARIANT.sub("", segment.word) for segment in segments)
    return Heard(
        tuple(word for word in words if word[0] not in "<[(+"),
        sum(log(max(segment.ascore, _TINY)) for segment in segments),
    )


def _pronunciations(words: Set[str]) -> str:
    """The lines of the model's dictionary for these words, and our own."""
    lines = Path(get_model_path("en-us/cmudict-en-us.dict")).read_text("utf-8").splitlines()
    known = [line for line in lines if _VARIANT.sub("", line.partition(" ")[0]) in words]
    return "\n".join([*known, *(f"{word} {phones}" for word, phones in OWN_WORDS.items())]) + "\n"
