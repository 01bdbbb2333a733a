"""`python app.py --check`: one real turn through every configured engine, and a report in plain text.

Each voice says a sentence, each recogniser hears it, and each model answers a question, including the engines that
only replace one that fails. The report says what worked, how long it took, and what to do about what did not. The exit
status is 0 if everything that is configured works, else 1.
"""

from voicebot.check.command import run

__all__ = ["run"]
