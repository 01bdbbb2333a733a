"""Spoken answers to the question whether a tool may be called, as the embedded recogniser hears them."""

from __future__ import annotations

import pytest

from tests.support.speech import spoken
from tests.support.tool_calls import asked, start_of
from tests.support.understanding import transcribed
from voicebot.audio.sound import Audio
from voicebot.dialogue.events import FinalTranscript, SpeechEnded, SpeechStarted, Timer

VOICES = ("awb", "kal", "rms", "slt")
"""The voices of flite."""

YESES = (
    *("yes", "yes please", "yeah", "sure", "go ahead", "do it", "that's right", "yes, go ahead"),
    *("of course", "absolutely", "please do", "yes, that's right"),
)
OTHERS = (
    *("no", "no thanks", "nope", "not yet", "okay", "right", "maybe", "don't do it", "yes, but for three people"),
    *("who is it", "what does it cost", "no, on Monday"),
)
HUMS = ("pau ah hh ah pau", "pau m hh m m pau", "pau ah m hh ah m pau", "pau hh m m m pau")
"""Uh-huh, mm-hmm, mhm and hmm in flite's phones."""

LEAST_CONFIRMED = 0.9
"""45 of the 48 yeses confirmed the call when this test was written."""


def is_confirmed_by(answer: Audio) -> bool:
    """Returns True if the answer makes the bot call the tool."""
    session, heard = asked(), transcribed(answer)
    session.post(SpeechStarted(2), SpeechEnded(2))
    session.post(FinalTranscript(2, heard.text, confidence=heard.confidence, backchannel=heard.backchannel))
    return start_of(session.time_out(Timer.DEBOUNCE)).confirmed is not None


def test_most_spoken_yeses_confirm_a_call() -> None:
    missed = [(text, voice) for text in YESES for voice in VOICES if not is_confirmed_by(spoken(text, voice))]
    assert len(missed) <= (1 - LEAST_CONFIRMED) * len(YESES) * len(VOICES), missed


@pytest.mark.parametrize("voice", VOICES)
def test_no_other_answer_and_no_hum_confirms_a_call(voice: str) -> None:
    answers = {text: spoken(text, voice) for text in OTHERS} | {hum: spoken(hum, voice, phones=True) for hum in HUMS}
    assert [text for text, sound in answers.items() if is_confirmed_by(sound)] == []
