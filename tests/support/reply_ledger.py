"""Checks, step by step, that each word of the user's is answered once, and by a reply that was made for these words."""

from __future__ import annotations

from collections.abc import Iterable

from voicebot.dialogue.events import Command, Input, SpeechStarted, StartReply, TextTyped
from voicebot.dialogue.facts import Fact, ReplyCommitted, ReplyFinished, TranscriptCompleted, WordsAccepted
from voicebot.dialogue.history import Role, merged
from voicebot.dialogue.preemptive import asks_the_same
from voicebot.dialogue.state import State


class ReplyLedger:
    """Follows one session. Raises AssertionError if a step breaks a promise."""

    def __init__(self) -> None:
        self.kept = 0
        """How many preemptive replies were committed."""
        self.discarded = 0
        """How many were not."""
        self._asked: dict[int, str] = {}
        """The user's words that the model has seen, for each reply that answers any."""
        self._texts: dict[int, str] = {}
        """The final text of each utterance."""
        self._waiting: list[str] = []
        """The user's texts that no reply answers yet."""
        self._discarded_in_turn = 0

    def check(
        self, before: State, input: Input, after: State, commands: Iterable[Command], facts: Iterable[Fact]
    ) -> None:
        if isinstance(input, SpeechStarted) and not (before.utterances or before.pending):
            self._discarded_in_turn = 0
        for command in commands:
            if isinstance(command, StartReply) and command.text is None:
                self._asked[command.reply] = command.history[-1].text
                if command.preemptive:
                    most = before.rules.preemptive_discards_per_turn
                    gone = before.reply is not None and before.reply.preemptive
                    assert self._discarded_in_turn + gone < most, "the turn has discarded enough replies"
        for fact in facts:
            match fact:
                case TranscriptCompleted(utterance, text):
                    self._texts[utterance] = text
                case WordsAccepted(utterance):
                    typed = input.text if isinstance(input, TextTyped) else ""
                    self._waiting.append(typed if utterance is None else self._texts[utterance])
                case ReplyCommitted(reply, preemptive) if reply in self._asked:
                    assert self._waiting, "a second reply answers the same words"
                    self.kept += preemptive
                    message = after.history[-1]
                    assert message.role is Role.USER
                    assert message.text.endswith(merged(self._waiting)), f"{message.text!r} lacks {self._waiting}"
                    self._waiting.clear()
                    assert asks_the_same(self._asked[reply], message.text, after.rules.language), (
                        f"the reply to {self._asked[reply]!r} answers {message.text!r}"
                    )
                case ReplyFinished(committed=False):
                    self.discarded += 1
                    self._discarded_in_turn += 1
                case _:
                    pass
        if not after.pending:  # nobody waits for an answer: the conversation was cleared, or has ended
            self._waiting.clear()
