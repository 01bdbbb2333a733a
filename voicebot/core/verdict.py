"""What the user's words over a reply mean: go on, or give way?

The rules are tried in order, and the first that applies decides. What is a backchannel, a stop word and so on is data
of each language (`words`); what of the reply was heard, and what of it may come back as an echo, is told by `Heard`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from voicebot.core.echo import contains, likeness
from voicebot.core.heard import Heard
from voicebot.core.phrases import Phrases
from voicebot.core.words import vocabulary_of
from voicebot.core.words.vocabulary import Kind


class Decision(StrEnum):
    RESUME = "resume"
    """Not meant for the bot: the reply goes on."""
    REGENERATE = "regenerate"
    """An interruption: the reply ends and the words are answered."""
    WAIT = "wait"
    """Not clear yet."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with its reason. `answer` is False where giving way needs no new reply ("stop")."""

    decision: Decision
    rule: str
    reason: str
    text: str
    answer: bool = True


@dataclass(frozen=True, slots=True)
class Speech:
    """What is known of the sound of an utterance."""

    duration_s: float = 0.0
    """From the first to the last window of speech."""
    level_db: float | None = None
    """Loudness in dB against the user's usual one in this session; None while that is not known."""
    echo: float | None = None
    """How much of the sound is the bot's own voice coming back, 0 to 1; None if that was not looked for."""
    outlasted_s: float | None = None
    """How long it went on after the bot had fallen silent; None while it lasts."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the words are judged by: what the bot was saying, and how they were said."""

    language: str = "en"
    sentence: str = ""
    """The last sentence of which the user has heard anything, whole; empty if nothing was heard yet."""
    words_heard: int = 0
    """How many of its words were heard."""
    previous: str = ""
    """The sentence heard before that one."""
    confidence: float | None = None
    """The recogniser's, 0 to 1; None where it has none."""
    speech: Speech = Speech()

    @property
    def asked(self) -> bool:
        return self.sentence.rstrip().endswith("?")


LISTENING = frozenset({Kind.SOUND, Kind.YES_SOUND, Kind.LAUGHTER})
HESITATING = frozenset({Kind.FILLER, Kind.FRAGMENT})
EVALUATING = frozenset({Kind.OPENER, Kind.DEGREE, Kind.EVALUATION})
CHEERING = frozenset({Kind.AGREEMENT, Kind.REACTION, Kind.GO_ON}) | EVALUATING
BACKCHANNEL = LISTENING | CHEERING | {Kind.FILLER, Kind.POLITE}
AROUND_WISH = LISTENING | {Kind.AGREEMENT, Kind.FILLER, Kind.POLITE, Kind.AROUND, Kind.NO}
"""What may stand around a stop word or "go on" without being a message of its own."""

EMPTY = LISTENING | HESITATING | {Kind.NO, Kind.AGREEMENT, Kind.POLITE}
"""A single word of these kinds carries no message."""

ECHO_OUTLASTS_S = 0.6
"""An echo ends with the bot's voice; so long the room and the detector's hold may draw it out."""
ECHO_HEARD = 0.5
"""From here on the sound itself speaks for an echo."""
ECHO_CERTAIN = 0.7
ECHO_ABSENT = 0.1
"""Below this the sound speaks against one, whatever the words."""
LIKE = 0.8
"""How much of the letters must agree without help from the sound, and `GARBLED` with it."""
GARBLED = 0.6
NEW_WORDS = 3
"""So many words of their own make a message of what is certainly mixed with an echo, and of an interim text."""

UNSURE = 0.35
"""A recogniser's confidence below which one or two words may be a noise."""
UNSURE_INTERIM = 0.5
SHORT_S = 0.6
QUIET_DB = -15.0
FAR_DB = -20.0
"""So much below the user's usual voice somebody else is speaking, or something."""
MAX_QUOTED = 60


class _Case:
    """The words and all they are judged by."""

    def __init__(self, text: str, context: Context) -> None:
        self.text = text
        self.context = context
        self.speech = context.speech
        vocabulary = vocabulary_of(context.language)
        self.phrases = Phrases(text, vocabulary)
        self.heard = Heard(context.sentence, context.previous, context.words_heard)
        self.question = self.heard.question()
        self.asks_what = bool(self.question) and bool(
            Phrases(self.question, vocabulary).starting(frozenset({Kind.QUESTION}))
        )

    @property
    def words(self) -> tuple[str, ...]:
        return self.phrases.words

    @property
    def quoted(self) -> str:
        text = " ".join(self.text.split())
        return f"“{text}”" if len(text) <= MAX_QUOTED else f"“{text[:MAX_QUOTED]}…”"

    @cached_property
    def tail(self) -> tuple[str, ...]:
        """What the bot has just said, as long as an echo of these words may reach back."""
        return self.heard.last(max(8, len(self.words) + 4))

    @cached_property
    def stop(self) -> str:
        """The stop word that the text begins with, be it after "okay" or "um"; empty if there is none."""
        places = self.phrases.cuts(AROUND_WISH)
        return next((stop for at in places if (stop := self.phrases.starting(frozenset({Kind.STOP}), at))), "")

    @property
    def echo_possible(self) -> bool:
        """Does the timing allow it, and does the sound not speak against it?"""
        speech, absent = self.speech, self.speech.echo is not None and self.speech.echo < ECHO_ABSENT
        lingers = speech.outlasted_s is not None and speech.outlasted_s > ECHO_OUTLASTS_S
        return self.heard.anything and not absent and not lingers

    def sounds_like_echo(self, least: float) -> bool:
        return self.echo_possible and self.speech.echo is not None and self.speech.echo >= least

    def own_words(self, without: frozenset[Kind]) -> frozenset[str]:
        """The words after the backchannels that the bot has not just said and that are not of these kinds."""
        rest, tail = self.words[self.phrases.after(BACKCHANNEL) :], frozenset(self.tail)
        return frozenset(word for word in rest if word not in tail and not self.phrases.is_one(word, without))

    def resume(self, rule: str, reason: str) -> Verdict:
        return Verdict(Decision.RESUME, rule, reason, self.text)

    def give_way(self, rule: str, reason: str, *, answer: bool = True) -> Verdict:
        return Verdict(Decision.REGENERATE, rule, reason, self.text, answer)

    def wait(self, rule: str, reason: str) -> Verdict:
        return Verdict(Decision.WAIT, rule, reason, self.text)


def _no_words(case: _Case) -> Verdict | None:
    if case.words:
        return None
    return case.resume("no words", "nothing was said: a cough or a noise")


def _audible_echo(case: _Case) -> Verdict | None:
    """The sound is like the bot's voice and the words are like its words: an echo, even of "stop" or "yes"."""
    if not case.sounds_like_echo(ECHO_HEARD) or likeness(case.words, case.tail) < GARBLED:
        return None
    return case.resume("echo", f"{case.quoted} is the bot's own voice: it said “{' '.join(case.tail)}”")


def _stop(case: _Case) -> Verdict | None:
    if not case.stop or _backchannel(case) is not None:
        return None
    if case.phrases.includes(frozenset({Kind.STOP}), AROUND_WISH):
        return case.give_way("stop word", f"{case.quoted} asks for silence", answer=False)
    return case.give_way("stop word", f"“{case.stop}” stops the bot, and more was said: {case.quoted}")


def _answer(case: _Case) -> Verdict | None:
    if not case.question or not case.phrases.made_of(BACKCHANNEL):
        return None
    says_yes = not case.asks_what and case.phrases.includes(frozenset({Kind.YES_SOUND}), BACKCHANNEL)
    if case.phrases.made_of(LISTENING | HESITATING) and not says_yes:
        return None
    return case.give_way("answer", f"{case.quoted} answers “{case.question}”")


def _hesitation(case: _Case) -> Verdict | None:
    if case.phrases.made_of(LISTENING) or not case.phrases.made_of(HESITATING | LISTENING):
        return None
    return case.resume("hesitation", f"{case.quoted} says nothing yet")


def _backchannel(case: _Case) -> Verdict | None:
    phrases = case.phrases
    if phrases.includes(frozenset({Kind.GO_ON}), AROUND_WISH | BACKCHANNEL):
        return case.resume("backchannel", f"{case.quoted} asks the bot to go on")
    says_something = phrases.includes(LISTENING | {Kind.AGREEMENT, Kind.REACTION}, BACKCHANNEL)
    if phrases.made_of(BACKCHANNEL) and (says_something or not phrases.made_of(frozenset({Kind.POLITE, Kind.FILLER}))):
        return case.resume("backchannel", f"{case.quoted} only says that the user listens")
    return None


def _repeated_words(case: _Case) -> Verdict | None:
    """The words are the bot's, in its order, and nothing about the sound is known to speak against an echo."""
    count = len(case.words)
    asks = "?" in case.text and not case.question
    if not case.echo_possible or asks or (case.question and count < 4):
        return None
    if count == 1:
        echo = contains(case.tail[-7:], case.words)
    else:
        echo = contains(case.tail, case.words) or (
            likeness(case.words, case.tail) >= LIKE and all(likeness((word,), case.tail) >= 0.7 for word in case.words)
        )
    return case.resume("echo", f"{case.quoted} is what the bot had just said itself") if echo else None


def _loud_echo(case: _Case) -> Verdict | None:
    if not case.sounds_like_echo(ECHO_CERTAIN) or len(case.own_words(EMPTY)) >= NEW_WORDS:
        return None
    return case.resume("echo", f"the sound of {case.quoted} is the bot's own voice coming back")


def _unclear(case: _Case) -> Verdict | None:
    """One or two words that were hardly recognised; and any that are too faint to be the user's."""
    confidence, level_db = case.context.confidence, case.speech.level_db
    few, unsure = len(case.words) <= 2, confidence is not None and confidence < UNSURE
    quiet, far = (level_db is not None and level_db <= limit_db for limit_db in (QUIET_DB, FAR_DB))
    short = case.speech.duration_s <= SHORT_S
    noise = few and unsure and (short or quiet)
    distant = far and (unsure or (few and confidence is None))
    if case.question or not (noise or distant):
        return None
    return case.resume("unclear", f"{case.quoted} was too {'faint' if quiet else 'unclear'} to be meant for the bot")


def _words(case: _Case) -> Verdict:
    return case.give_way("words", f"{case.quoted} is meant for the bot")


_RULES: tuple[Callable[[_Case], Verdict | None], ...] = (
    *(_no_words, _audible_echo, _stop, _answer, _hesitation, _backchannel, _repeated_words, _loud_echo, _unclear),
)


def _so_far(case: _Case) -> Verdict:
    """While the user speaks: only what can't turn out to be a backchannel or an echo any more gives way."""
    confidence = case.context.confidence
    phrases = case.phrases
    waiting = case.wait("speaking", "the user may say more")
    if not case.words or (confidence is not None and confidence < UNSURE_INTERIM):
        return waiting
    if phrases.made_of(BACKCHANNEL | HESITATING) or phrases.may_become(BACKCHANNEL):
        return waiting
    if case.stop:
        return waiting if case.echo_possible and contains(case.tail, case.stop.split()) else _stop(case) or waiting
    if case.sounds_like_echo(ECHO_HEARD):
        return waiting
    begins = phrases.starting(frozenset({Kind.QUESTION, Kind.REQUEST}), phrases.after(BACKCHANNEL))
    words, telling = case.own_words(EMPTY - HESITATING), case.own_words(EMPTY)
    if len(words) >= (NEW_WORDS - 1 if begins else NEW_WORDS) and len(telling) >= (1 if begins else NEW_WORDS - 1):
        return case.give_way("words", f"{case.quoted} is already more than a listener says")
    return waiting


def judge(text: str, context: Context, *, final: bool) -> Verdict:
    """The verdict on what was said over a reply.

    `final`: all that was said so far is in the text, and the user is silent. Without it the user is still speaking,
    and the verdict is WAIT or REGENERATE, never RESUME; its `answer` then tells of the words so far only.
    """
    case = _Case(text, context)
    if not final:
        return _so_far(case)
    verdicts = (rule(case) for rule in _RULES)
    return next((verdict for verdict in verdicts if verdict is not None), None) or _words(case)
