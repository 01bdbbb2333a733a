"""Acoustic echo: finds the bot's own voice in the microphone signal, and cancels it.

In the terms of echo cancellation, what the bot plays is the far end (the reference), and the user is the near end.
`delay` estimates the bulk delay by coherence, `filter` models the room's response as an adaptive filter in the
frequency domain, and `detector` compares its residual with the microphone signal. `copy` needs no filter.
"""

from voicebot.audio.echo.detector import ECHO_SCORE, EchoDetector

__all__ = ["ECHO_SCORE", "EchoDetector"]
