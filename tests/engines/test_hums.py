"""Hums and other short utterances, in voices that the classifier was not trained on.

All sounds are made here, by flite (which took no part in the training) and by the project's own small synthesiser with
another seed than the training's. Rates are tested, no single clips: some are at the border, for people too.
"""

from __future__ import annotations

import pytest

from voicebot.core.audio import Samples
from voicebot.core.verdict import Context, judge
from voicebot.engines.stt.moonshine.model import Model
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
