"""Asks every source of evidence whether the user's turn is over, and how much silence ends it."""

from __future__ import annotations

from voicebot.audio.prosody import Prosody
from voicebot.dialogue.end_of_turn.estimate import Estimate
from voicebot.dialogue.end_of_turn.evidence import Source, TurnEvidence
from voicebot.dialogue.end_of_turn.model import model_evidence
from voicebot.dialogue.end_of_turn.pauses import pause_evidence
from voicebot.dialogue.end_of_turn.question import question_evidence
from voicebot.dialogue.end_of_turn.sound import sound_evidence
from voicebot.dialogue.end_of_turn.words import judge_words
from voicebot.dialogue.end_of_turn.wrong_starts import wrong_start_delay_s
from voicebot.dialogue.history import Role
from voicebot.dialogue.state import State, Utterance

RECOGNISER_SURE = TurnEvidence(Source.RECOGNISER, 4.0, "the recogniser hears that you are done")


def estimate(state: State, utterance: Utterance, words: str) -> Estimate:
    """Returns what tells whether the turn is over, if it ends with this utterance and has these words so far."""
    rules = state.rules
    evidence = (
        *evidence_of_speech(words, _last_words_of_the_bot(state), utterance.prosody, rules.language),
        pause_evidence(state.pauses),
        RECOGNISER_SURE if utterance.turn_over else None,
        None if utterance.model_probability is None else model_evidence(utterance.model_probability),
    )
    return Estimate.of(evidence).without(rules.unused_sources)


def evidence_of_speech(
    words: str, asked: str, prosody: Prosody | None, language: str
) -> tuple[TurnEvidence | None, TurnEvidence | None, TurnEvidence | None]:
    """Returns the evidence of the words, of the bot's question and of the sound; None for one that says nothing.

    `asked` is the bot's last message, and `words` are those of the turn so far; both may be empty.
    """
    finding = judge_words(words, language) if words else None
    return (
        None if finding is None else finding.evidence,
        question_evidence(asked, words, language) if asked and words else None,
        sound_evidence(prosody, request=finding is not None and finding.request),
    )


def endpointing_delay_s(state: State, utterance: Utterance, words: str) -> float:
    """Returns the silence that ends the turn, in seconds, if it ends with this utterance and has these words so far."""
    delays = state.rules.endpointing_delays.shifted(wrong_start_delay_s(state.wrong_starts))
    return delays.delay_s(estimate(state, utterance, words).log_odds, settled=utterance.settled)


def _last_words_of_the_bot(state: State) -> str:
    """Returns what the user has heard of the bot's last message; an empty string if the bot has said nothing yet."""
    if state.committed is not None and state.committed.started:
        return state.committed.heard
    return next((message.text for message in reversed(state.history) if message.role is Role.ASSISTANT), "")
