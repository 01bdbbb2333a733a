"""Hums and other short utterances, in voices that the classifier was not trained on.

All sounds are made here, by flite (which took no part in the training) and by the project's own small synthesiser with
another seed than the training's. Rates are tested, no single clips: some are at the border, for people too.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import thread_time

import numpy as np
import pytest

from tests.support.speech import spoken
from tools.hums.clips import Clip, Source, clips, flite_source, own_source
from tools.hums.conditions import CLEAN, NOISE_10_DB, ROOM, TELEPHONE, Condition
from tools.hums.vocabulary import Kind
from voicebot.core.audio import SPEECH_RATE_HZ, Audio, Samples
from voicebot.core.verdict import Context, judge
from voicebot.engines.stt.moonshine.hums import LONGEST_S, spoken_s
from voicebot.engines.stt.moonshine.model import Decoded, Model
from voicebot.engines.stt.moonshine.phrase_tree import PhraseTree
from voicebot.engines.stt.moonshine.short_utterances import ShortUtterances

TALKING = Context(sentence="Once upon a time there was a cat.", words_heard=5)
VOICES = ("awb", "kal", "rms", "slt")


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.load()


@pytest.fixture(scope="module")
def short(model: Model) -> ShortUtterances:
    return ShortUtterances(model)


def decoded_text(model: Model, sound: Samples) -> str:
    """What the model writes by itself."""
    return model.decode(model.encode(sound)).text


def final_text(model: Model, short: ShortUtterances, sound: Samples) -> str:
    features = model.encode(sound)
    decoded = model.decode(features)
    better = short.reconsider(sound, features, decoded)
    return decoded.text if better is None else better.text


def rule(text: str) -> str:
    return judge(text, TALKING, final=True).rule


def share(values: list[bool]) -> float:
    return sum(values) / len(values)
