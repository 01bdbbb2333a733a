"""The live reply: what it says, how far it was made and how far it was heard."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicebot.dialogue.events import (
    AudioReceived,
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


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, from its first token to its last sample."""

    number: int
    asked: str = ""
    """The words of the user's that it answers."""
    preemptive: bool = False
    """Begun before the user's turn is sure to be over: it is kept back, and the history does not know of it."""
    withheld_text: str = ""
    """The text of a preemptive reply so far, which is told once the user's turn is over."""
    sentences: tuple[str, ...] = ()
    first_token: bool = False
    text_ended: bool = False
    synthesized: int = 0
    sounding: bool = False
    """Sound of the sentence after the synthesized ones is coming in."""
    started: bool = False
    finished: bool = False
    played: int = 0
    """Sentences heard to the end."""
    words: int = 0
    """Words heard of the next one."""
    paused: bool = False
    cancelled: bool = False
    forgotten: bool = False
    """The conversation was cleared: the history keeps nothing of it."""
    served: EngineReported | None = None
    """The model that answers, once that is known."""
    refused: str | None = None
    """Why it is no answer: the day's turns are used up. It says so, and the session ends after it."""

    @property
    def heard(self) -> str:
        cut = first_words(self.sentences[self.played], self.words) if self.played < len(self.sentences) else ""
        return merged([*self.sentences[: self.played], cut])

    @property
    def unheard(self) -> str:
        if self.played >= len(self.sentences):
            return ""
        rest = self.sentences[self.played].split()[self.words :]
        return merged([*rest, *self.sentences[self.played + 1 :]])

    @property
    def cut_short(self) -> bool:
        """Not all of it was heard, or there was to be more."""
        return bool(self.unheard) or not self.text_ended

    def context(self, language: str) -> VerdictContext:
        """What words over it are judged by: the last sentence of which anything was heard, and the one before."""
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
        """The sentences without the words of the one being played that were not heard: they never will be."""
        heard = first_words(self.sentences[self.played], self.words)
        return (*self.sentences[: self.played], heard, *self.sentences[self.played + 1 :])

    def after(self, input: ReplyInput) -> Reply:
        """With what became of it; as it is where that can't be: a sentence out of its turn, a repeated input."""
        match input:
            case ReplyRefused(reason=reason):
                return replace(self, refused=reason)
            case TokenReceived():
                return replace(self, first_token=True)
            case TextReceived(text=text) if self.preemptive:
                return replace(self, withheld_text=self.withheld_text + text)
            case SentenceReady(sentence=sentence, text=text) if sentence == len(self.sentences):
                return replace(self, sentences=(*self.sentences, merged([text])))
            case TextEnded():
                return replace(self, text_ended=True)
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
                return replace(self, sentences=sentences, played=self.played + 1, words=0)
            case PlaybackFinished():
                return replace(self, finished=True)
            case _:
                return self
