"""Is it the bot's own voice that comes back through the user's microphone?"""

from voicebot.audio.echo.detector import ECHO_SCORE, EchoDetector

__all__ = ["ECHO_SCORE", "EchoDetector"]
