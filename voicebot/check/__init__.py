"""`python app.py --check`: one real turn through every engine that the settings ask for, and a report in plain text.

Each voice says a sentence, each recogniser hears it, each model answers a question, also those that only stand in when
another fails. The report says what worked, how long it took, and what to do about what did not. Its exit status is 0
if all that is configured works, else 1.
"""

from voicebot.check.command import run

__all__ = ["run"]
