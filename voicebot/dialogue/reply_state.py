"""The live reply: its text, how much of it has been synthesized, and how much the user has heard."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicebot.dialogue.events import (
    AudioReceived,
    ConfirmationAsked,
    EngineReported,
    PlaybackFinished,
    PlaybackStarted,
    ReplyInput,
    ReplyRefused,
    SentencePlayed,
    SentenceReady,
    SentenceSynthesized,
    TextEnded,
    TextReceived,
    TokenReceived,
    WordsHeard,
    WordsTakenBack,
)
from voicebot.dialogue.history import first_words, merged
from voicebot.dialogue.interruption.verdict import VerdictContext
from voicebot.dialogue.tool_calls import CallRecord, ConfirmationRequest


@dataclass(frozen=True, slots=True)
class UnfinishedReply:
    """What a session that breaks off still had to say. The next session of the conversation says it."""

    text: str = ""
    """The words that were not heard. If it is empty, the user's last message has no complete answer, and gets another
    one."""
    begun: bool = False
    """The last message of the history is what was heard of the reply."""
    counted: bool = False
    """The reply took one of the day's turns, so that another answer to the same message takes none."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, from its first token to its last sample."""

    number: int
    asked: str = ""
    """The user's words that it answers."""
    heard_before: str = ""
    """What was heard of it in an earlier session, which broke off."""
    counted_before: bool = False
    """It answers a message whose turn of the day was counted in an earlier session."""
    preemptive: bool = False
    """The reply was begun before the user's turn is sure to be over. It is held back, and not yet in the history."""
    withheld_text: str = ""
    """The text of a preemptive reply so far. Observers get it once the user's turn is over."""
    sentences: tuple[str, ...] = ()
    tokens: int = 0
    """How many tokens the model has sent; those that come after the user's turn are not counted, except the first."""
    text_ended: bool = False
    synthesized: int = 0
    sounding: bool = False
    """The synthesizer has begun to deliver the sentence after the completely synthesized ones."""
    started: bool = False
    finished: bool = False
    played: int = 0
    """How many sentences have been played to the end."""
    words: int = 0
    """How many words of the next sentence have been played."""
    paused: bool = False
    cancelled: bool = False
    wrong_start: bool = False
    """It was cancelled because the user had not finished: the history keeps nothing of it."""
    forgotten: bool = False
    """The conversation was cleared: the history keeps nothing of it."""
    model: EngineReported | None = None
    """The model that answers, once that is known."""
    refused: str | None = None
    """Why this reply only says that the day's turns are used up; the session ends after it. None for an answer."""
    text_failed: bool = False
    """The agent has failed: the last sentence is an apology."""
    broken: bool = False
    """The audio of a sentence broke off."""
    fillers: frozenset[int] = frozenset()
    """The numbers of the sentences that are fillers."""
    told: int = 0
    """One more than the number of the last sentence that was played as a whole, and is neither a filler nor a part of
    the question whether a tool may be called."""
    request: ConfirmationRequest | None = None
    """The question that it ends with, whether a tool may be called, until the user has heard all of it."""
    asks_from: int | None = None
    """The number of the first sentence that may belong to such a question, whose words are no report of other calls."""
    confirmed: CallRecord | None = None
    """The call that the user's words confirm."""
    called: frozenset[str] = frozenset()
    """The identifiers of the calls with effects that it has made."""
    known_ends: tuple[tuple[str, int], ...] = ()
    """The calls of whose end its model knows, each with the number of the first sentence that may tell the user."""

    @property
    def heard(self) -> str:
        cut = first_words(self.sentences[self.played], self.words) if self.played < len(self.sentences) else ""
        return merged([self.heard_before, *self.sentences[: self.played], cut])

    @property
    def unheard(self) -> str:
        if self.played >= len(self.sentences):
            return ""
        rest = self.sentences[self.played].split()[self.words :]
        return merged([*rest, *self.sentences[self.played + 1 :]])

    @property
    def cut_short(self) -> bool:
        """Whether the user has not heard all of it, or more text was still to come."""
        return bool(self.unheard) or not self.text_ended

    @property
    def reported(self) -> frozenset[str]:
        """The identifiers of the calls of whose end the user has heard: by all of the reply, or by a whole sentence."""
        if self.preemptive or self.wrong_start or self.refused is not None:
            return frozenset()
        told = min(self.told, len(self.sentences) - 1) if self.text_failed else self.told
        whole = self.finished and not (self.cut_short or self.text_failed or self.broken or self.asks_from is not None)
        return frozenset(call for call, sentence in self.known_ends if whole or told > sentence)

    def knowing_end(self, call: str) -> Reply:
        """Returns the reply after a call has ended. Its model knows of the end if it waits for the result.

        What the model said before may be in a sentence that is not complete yet.
        """
        if call not in self.called or self.cancelled or self.text_ended:
            return self
        first = max(len(self.sentences), min(self.tokens, 1))
        return replace(self, known_ends=(*self.known_ends, (call, first)))

    def context(self, language: str) -> VerdictContext:
        """Returns the context of a verdict: the last sentence of which anything was heard, and the one before it."""
        index, words = self.played, self.words
        if self.started and self.sentences and not index:
            words = max(1, words)  # the first one is being heard
        if not words and index:
            index -= 1
            words = len(self.sentences[index].split())
        return VerdictContext(
            language=language,
            sentence=self.sentences[index] if words else "",
            words_heard=words,
            previous=self.sentences[index - 1] if words and index else "",
        )

    def _without_unheard(self) -> tuple[str, ...]:
        """Returns the sentences without the unheard words of the current one, whose sound broke off."""
        heard = first_words(self.sentences[self.played], self.words)
        return (*self.sentences[: self.played], heard, *self.sentences[self.played + 1 :])

    def after(self, input: ReplyInput) -> Reply:
        """Returns the reply after `input`. An input that cannot be true, such as a repeated one, changes nothing."""
        match input:
            case ReplyRefused(reason=reason):
                return replace(self, refused=reason)
            case TokenReceived() if self.preemptive or not self.tokens:
                return replace(self, tokens=self.tokens + 1)
            case TextReceived(text=text) if self.preemptive:
                return replace(self, withheld_text=self.withheld_text + text)
            case ConfirmationAsked(request=request) if not self.finished:
                return replace(self, request=request, asks_from=len(self.sentences))
            case SentenceReady(sentence=sentence, text=text, filler=filler) if sentence == len(self.sentences):
                fillers = self.fillers | {sentence} if filler else self.fillers
                return replace(self, sentences=(*self.sentences, merged([text])), fillers=fillers)
            case TextEnded(error=error):
                return replace(self, text_ended=True, text_failed=error is not None)
            case AudioReceived(sentence=sentence) if sentence == self.synthesized < len(self.sentences):
                return replace(self, sounding=True)
            case SentenceSynthesized(sentence=sentence) if sentence == self.synthesized < len(self.sentences):
                return replace(self, synthesized=self.synthesized + 1, sounding=False)
            case PlaybackStarted():
                return replace(self, started=True)
            case WordsHeard(sentence=sentence, words=words) if sentence == self.played < len(self.sentences):
                return replace(self, words=max(self.words, words))
            case WordsTakenBack(sentence=sentence, words=words) if sentence == self.played:
                return replace(self, words=min(self.words, words))
            case SentencePlayed(sentence=sentence, broken=broken) if sentence == self.played < len(self.sentences):
                sentences = self._without_unheard() if broken else self.sentences
                is_question = self.asks_from is not None and sentence >= self.asks_from
                told = self.told if broken or is_question or sentence in self.fillers else sentence + 1
                after = replace(self, sentences=sentences, played=self.played + 1, words=0, told=told)
                return replace(after, broken=self.broken or broken)
            case PlaybackFinished():
                return replace(self, finished=True)
            case _:
                return self
