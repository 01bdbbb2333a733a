"""The verdict on speech over a reply: does the reply go on, or does it give way?

The rules are tried in order, and the first that applies gives the verdict. Backchannels, stop words and so on are data
of each language (`languages`). `HeardContext` says what of the reply was heard, and which of its words may come back
as an echo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from voicebot.dialogue.interruption.continuation import goes_on, may_yet_go_on
from voicebot.dialogue.interruption.evidence import (
    ACKNOWLEDGING,
    AROUND_WISH,
    BACKCHANNEL,
    ECHOING,
    EMPTY,
    HESITATING,
    LISTENING,
    Evidence,
)
from voicebot.dialogue.interruption.similarity import contains, similarity
from voicebot.dialogue.preferences import Sensitivity
from voicebot.languages.lexicon import PhraseKind


class Decision(StrEnum):
    RESUME = "resume"
    """The speech was not meant for the bot: the reply goes on."""
    REGENERATE = "regenerate"
    """The speech was an interruption: the reply ends and the words are answered."""
    WAIT = "wait"
    """It is not clear yet."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with the rule and the reason for it. `answer` is False if the words need no new reply ("stop")."""

    decision: Decision
    rule: str
    reason: str
    text: str
    answer: bool = True
    continues: bool = False
    """The words go on with the user's message: the reply began too soon, and answers only a part of it."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What is known of the sound of an utterance."""

    duration_s: float = 0.0
    """The time from the first to the last window of speech."""
    level_dbfs: float | None = None
    """The loudness in dB of full scale; None if only the words are known."""
    level_db: float | None = None
    """The loudness in dB above the user's usual one in this session; None while that is not known."""
    echo: float | None = None
    """The share of the sound that is an echo of the bot's voice, 0 to 1; None if it was not measured."""
    outlasted_s: float | None = None
    """How long the speech went on after the bot had fallen silent; None while it lasts."""


@dataclass(frozen=True, slots=True)
class VerdictContext:
    """What a verdict is based on beside the words: what the bot was saying, and how the words were said."""

    language: str = "en"
    sentence: str = ""
    """The whole of the last sentence of which the user has heard anything; empty if nothing was heard yet."""
    words_heard: int = 0
    """How many words of that sentence were heard."""
    previous: str = ""
    """The sentence before that one."""
    confidence: float | None = None
    """The recogniser's confidence, 0 to 1; None if it reports none."""
    backchannel: str = ""
    """A backchannel that sounds nearly the same, as the recogniser reports it; empty if there is none."""
    speech: Speech = Speech()
    sensitivity: Sensitivity = Sensitivity.BALANCED
    message: str = ""
    """The user's message that the reply answers, if the speech began so soon that it may go on with it; else empty."""


ECHO_HEARD = 0.35
"""From this share of echo on, the sound supports an echo. In a room with 1 s of reverberation and an echo of -6 dB the
first tenths of a second of a reply measured 0.40 to 0.66."""
ECHO_CERTAIN = 0.7
LIKE = 0.8
"""The share of letters that must agree with the bot's words when only the words suggest an echo."""
LIKE_WORD = 0.7
"""The share of letters of each single word that must agree then."""
GARBLED = 0.6
"""The share of letters that must agree when the sound supports an echo, too."""
LAST_WORDS = 7
"""A single word counts as an echo only if it is among this many last words of the bot."""
COMPARED = 8
"""Fewer letters than this are found in nearly any sentence: then whole words must agree."""
BRIEF_S = 1.0
"""An echo that paused the bot lasts no longer than this. Somebody else's speech would outlast the bot's by more."""
GUESSED = 0.75
"""Below this confidence, the words of a short sound may be what the recogniser made of an echo."""
NEW_WORDS = 3
"""This many words that the bot did not say make speech that is mixed with an echo a message."""

UNSURE = 0.35
"""Below this confidence, one or two words may be a noise."""
UNSURE_INTERIM = 0.5
SHORT_S = 0.6
QUIET_DB = -15.0


def _resume(evidence: Evidence, rule: str, reason: str) -> Verdict:
    return Verdict(Decision.RESUME, rule, reason, evidence.text)


def _give_way(evidence: Evidence, rule: str, reason: str, *, answer: bool = True, continues: bool = False) -> Verdict:
    return Verdict(Decision.REGENERATE, rule, reason, evidence.text, answer, continues)


def _no_words(evidence: Evidence) -> Verdict | None:
    if evidence.words:
        return None
    return _resume(evidence, "no words", "nothing was said: a cough or a noise")


def _audible_echo(evidence: Evidence) -> Verdict | None:
    """Applies when both the sound and the words resemble the bot's: that is an echo, even of "stop" or "yes"."""
    if not evidence.sounds_like_echo(ECHO_HEARD):
        return None
    short = evidence.letters < COMPARED
    if evidence.stop and not contains(evidence.tail, evidence.stop.split()):
        return None
    if not contains(evidence.tail, evidence.words) and (short or similarity(evidence.words, evidence.tail) < GARBLED):
        return None
    return _resume(evidence, "echo", f"{evidence.quoted} is the bot's own voice: it said “{' '.join(evidence.tail)}”")


def _guessed_from_echo(evidence: Evidence) -> bool:
    """Returns True for a short sound that may be an echo and whose words the recogniser has only guessed."""
    short = evidence.speech.duration_s <= SHORT_S
    return short and _is_guessed(evidence) and evidence.sounds_like_echo(ECHO_HEARD)


def _is_guessed(evidence: Evidence) -> bool:
    confidence = evidence.context.confidence
    return confidence is not None and confidence < GUESSED


def _stop(evidence: Evidence) -> Verdict | None:
    if not evidence.stop or _backchannel(evidence) is not None:
        return None
    brief = evidence.speech.duration_s <= BRIEF_S
    certain = brief and evidence.sounds_like_echo(ECHO_CERTAIN) and (len(evidence.words) > 2 or _is_guessed(evidence))
    if certain or (len(evidence.words) > 1 and _guessed_from_echo(evidence)):
        return None  # an echo in which the recogniser found a stop word
    if evidence.phrases.includes(frozenset({PhraseKind.STOP}), AROUND_WISH):
        return _give_way(evidence, "stop word", f"{evidence.quoted} asks for silence", answer=False)
    if evidence.echo_possible and len(evidence.words) > 2 and contains(evidence.tail, evidence.words):
        return None
    return _give_way(evidence, "stop word", f"“{evidence.stop}” stops the bot, and more was said: {evidence.quoted}")


def _answer(evidence: Evidence) -> Verdict | None:
    if not evidence.question or not evidence.phrases.made_of(BACKCHANNEL | {PhraseKind.NO}):
        return None
    says_yes = not evidence.asks_what and evidence.phrases.includes(frozenset({PhraseKind.YES_SOUND}), BACKCHANNEL)
    says_something = evidence.phrases.includes(ECHOING | {PhraseKind.AGREEMENT, PhraseKind.NO}, BACKCHANNEL)
    if evidence.phrases.made_of(LISTENING | HESITATING) and not says_yes and not says_something:
        return None
    return _give_way(evidence, "answer", f"{evidence.quoted} answers “{evidence.question}”")


def _probably_backchannel(evidence: Evidence) -> Verdict | None:
    """Applies to a short sound that is nearly a backchannel, as most such sounds over a talking bot are backchannels.

    Stop words, "no", questions and wishes are taken as the recogniser understood them.
    """
    backchannel = evidence.context.backchannel
    if not backchannel or evidence.question or evidence.stop or evidence.asks or not evidence.heard.anything:
        return None
    if (
        evidence.phrases.includes(frozenset({PhraseKind.NO}), BACKCHANNEL)
        or evidence.context.sensitivity is Sensitivity.EASY
    ):
        return None
    return _resume(evidence, "backchannel", f"{evidence.quoted} was probably “{backchannel.strip('.')}”")


def _hesitation(evidence: Evidence) -> Verdict | None:
    phrases = evidence.phrases
    if phrases.made_of(LISTENING) or not phrases.made_of(HESITATING | LISTENING):
        return None
    if phrases.includes(frozenset({PhraseKind.NO}), BACKCHANNEL):
        return None
    return _resume(evidence, "hesitation", f"{evidence.quoted} says nothing yet")


def _backchannel(evidence: Evidence) -> Verdict | None:
    phrases = evidence.phrases
    if phrases.includes(frozenset({PhraseKind.GO_ON}), AROUND_WISH | BACKCHANNEL):
        return _resume(evidence, "backchannel", f"{evidence.quoted} asks the bot to go on")
    says_something = phrases.includes(ACKNOWLEDGING, BACKCHANNEL)
    if phrases.made_of(BACKCHANNEL) and (
        says_something or not phrases.made_of(frozenset({PhraseKind.POLITE, PhraseKind.FILLER}))
    ):
        return _resume(evidence, "backchannel", f"{evidence.quoted} only shows that you are listening")
    return None


def _acknowledged(evidence: Evidence) -> Verdict | None:
    """Applies to a repeated word of the bot's with a backchannel after it: "Monday, okay"."""
    if evidence.question or evidence.asks or not evidence.repeats_and_acknowledges:
        return None
    return _resume(evidence, "backchannel", f"{evidence.quoted} repeats what the bot said")


def _repeated_words(evidence: Evidence) -> Verdict | None:
    """Applies when the words are the bot's own in the same order, and the sound does not speak against an echo."""
    count = len(evidence.words)
    asks = "?" in evidence.text and not evidence.question
    if not evidence.echo_possible or asks or (evidence.question and count < 4):
        return None
    if count == 1:
        message = evidence.phrases.is_one(
            evidence.words[0], frozenset({PhraseKind.NO, PhraseKind.QUESTION, PhraseKind.REQUEST})
        )
        echo = not message and contains(evidence.tail[-LAST_WORDS:], evidence.words)
    else:
        echo = contains(evidence.tail, evidence.words) or (
            evidence.letters >= COMPARED
            and similarity(evidence.words, evidence.tail) >= LIKE
            and all(similarity((word,), evidence.tail) >= LIKE_WORD for word in evidence.words)
        )
    return _resume(evidence, "echo", f"{evidence.quoted} is what the bot had just said itself") if echo else None


def _loud_echo(evidence: Evidence) -> Verdict | None:
    """Applies to a sound that is certainly an echo, whatever words the recogniser found in it."""
    brief = evidence.speech.duration_s <= BRIEF_S
    if not (evidence.sounds_like_echo(ECHO_CERTAIN) or _guessed_from_echo(evidence)):
        return None
    if not brief and len(evidence.own_words(EMPTY)) >= NEW_WORDS:
        return None
    what = f"the sound of {evidence.quoted}" if evidence.words else "the sound"
    return _resume(evidence, "echo", f"{what} is the bot's own voice coming back")


def _unclear(evidence: Evidence) -> Verdict | None:
    """Applies to one or two words that were hardly recognised."""
    confidence, level_db = evidence.context.confidence, evidence.speech.level_db
    few, unsure = len(evidence.words) <= 2, confidence is not None and confidence < UNSURE
    quiet = level_db is not None and level_db <= QUIET_DB
    short = evidence.speech.duration_s <= SHORT_S
    if evidence.question or not (few and unsure and (short or quiet)):
        return None
    return _resume(evidence, "unclear", f"{evidence.quoted} was too unclear to be meant for the bot")


def _faint(evidence: Evidence) -> Verdict | None:
    """Applies to words much softer than the user's: somebody farther away from the microphone said them."""
    if evidence.question or not evidence.is_faint:
        return None
    return _resume(
        evidence, "faint", f"{evidence.quoted} was much softer than you usually speak: it came from farther away"
    )


def _continuation(evidence: Evidence) -> Verdict | None:
    """Applies to words that begin with the reply, or soon after, and go on with the message that it answers."""
    if not goes_on(evidence):
        return None
    return _give_way(evidence, "continuation", f"{evidence.quoted} goes on with what you had said", continues=True)


def _brief(evidence: Evidence) -> Verdict | None:
    """Applies to too few words for a bot that is set to be hard to interrupt, unless they ask for something."""
    least = evidence.context.sensitivity.interruption_thresholds.least_words
    if len(evidence.words) >= least or evidence.question or not evidence.heard.anything or evidence.asks:
        return None
    return _resume(evidence, "brief", f"{evidence.quoted} is too little: the bot is set to be hard to interrupt")


_DOUBTS = (_probably_backchannel, _repeated_words, _loud_echo, _unclear, _faint, _brief)


def _begins_to_speak(evidence: Evidence) -> Verdict | None:
    """Applies to words after which the user goes on, such as "yeah, but", "let's see" and "well I".

    They are too few to interrupt if they may be an echo, somebody else's words or no words at all.
    """
    phrases = evidence.phrases
    if phrases.includes(frozenset({PhraseKind.GO_ON}), AROUND_WISH | BACKCHANNEL):
        return None
    stalls = phrases.includes(frozenset({PhraseKind.STALL}), BACKCHANNEL | HESITATING)
    if not (stalls or evidence.goes_on) or any(rule(evidence) is not None for rule in _DOUBTS):
        return None
    return _give_way(evidence, "words", f"{evidence.quoted} begins what you want to say")


def _words(evidence: Evidence) -> Verdict:
    return _give_way(evidence, "words", f"{evidence.quoted} is meant for the bot")


_RULES: tuple[Callable[[Evidence], Verdict | None], ...] = (
    *(_no_words, _audible_echo, _stop, _answer, _begins_to_speak, _backchannel, _probably_backchannel, _hesitation),
    *(_acknowledged, _repeated_words, _loud_echo, _unclear, _faint, _continuation, _brief),
)


def _so_far(evidence: Evidence) -> Verdict:
    """Gives the verdict while the user speaks: only words that cannot become a backchannel or an echo interrupt."""
    confidence = evidence.context.confidence
    phrases = evidence.phrases
    waiting = Verdict(Decision.WAIT, "speaking", "you may say more", evidence.text)
    if not evidence.words or (confidence is not None and confidence < UNSURE_INTERIM):
        return waiting
    if phrases.made_of(BACKCHANNEL | HESITATING) or phrases.may_become(BACKCHANNEL):
        return waiting
    if evidence.stop:
        may_be_echo = evidence.echo_possible and contains(evidence.tail, evidence.stop.split())
        return (None if may_be_echo else _stop(evidence)) or waiting
    if evidence.sounds_like_echo(ECHO_HEARD) or evidence.is_faint or _probably_backchannel(evidence) is not None:
        return waiting
    needed = evidence.context.sensitivity.interruption_thresholds.new_words
    words, telling = evidence.own_words(EMPTY - HESITATING), evidence.own_words(EMPTY)
    least, tell = (needed - 1, 1) if evidence.asks else (needed, needed - 1)
    if len(words) >= least and len(telling) >= tell:
        if may_yet_go_on(evidence):
            return waiting
        return _continuation(evidence) or _give_way(
            evidence, "words", f"{evidence.quoted} is already more than a listener says"
        )
    return waiting


def give_verdict_on_sound(context: VerdictContext) -> Verdict:
    """Gives the verdict at a pause of the user's before the words are known: WAIT, unless the sound alone decides."""
    echo = _loud_echo(Evidence("", context)) if context.speech.duration_s <= BRIEF_S else None
    return echo or Verdict(Decision.WAIT, "speaking", "the words are not known yet", "")


def give_verdict(text: str, context: VerdictContext, *, final: bool) -> Verdict:
    """Gives the verdict on `text`, said over a reply.

    `final` means that the user is silent and `text` holds all that was said. Otherwise the user is still speaking: the
    decision is WAIT or REGENERATE, never RESUME, and `answer` is about the words so far only.
    """
    evidence = Evidence(text, context)
    if not final:
        return _so_far(evidence)
    verdicts = (rule(evidence) for rule in _RULES)
    return next((verdict for verdict in verdicts if verdict is not None), None) or _words(evidence)
