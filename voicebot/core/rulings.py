"""What is decided about speech over a reply, and by when, in one step."""

from __future__ import annotations

from dataclasses import replace
from statistics import median_high

from voicebot.core.events import Timer
from voicebot.core.replies import Answering
from voicebot.core.reply_state import Reply
from voicebot.core.state import MAX_RULINGS, Ruling, Utterance
from voicebot.core.verdict import Context, Decision, Speech, Verdict, judge


class Deciding(Answering):
    """The part of a step in which words, or a deadline, decide whether a reply goes on."""

    def _judge(self, utterance: Utterance, *, final: bool) -> Utterance:
        """Decide over the reply that the user is hearing, or waits for, if there is one; the utterance as decided."""
        live = self.state.committed
        if live is None:
            return utterance
        context = self._context(live, utterance)
        return self._rule(utterance, judge(utterance.text, context, final=final), context)

    def _context(self, reply: Reply, utterance: Utterance) -> Context:
        speech = replace(utterance.speech, level_dbfs=None, level_db=self._level_db(utterance))
        return replace(
            self._context_of(reply),
            confidence=utterance.confidence,
            backchannel=utterance.backchannel,
            speech=speech,
        )

    def _level_db(self, utterance: Utterance) -> float | None:
        """How loud it is against what the user usually says; None where one of both is not known."""
        level_dbfs, usual_dbfs = utterance.speech.level_dbfs, self.state.levels_dbfs
        return None if level_dbfs is None or not usual_dbfs else level_dbfs - median_high(usual_dbfs)

    def _rule(self, utterance: Utterance, verdict: Verdict, context: Context) -> Utterance:
        if verdict.decision is Decision.WAIT:
            return utterance
        if verdict.decision is Decision.REGENERATE or not utterance.dismissed:
            self._record(verdict, context)
        dismissed = verdict.decision is Decision.RESUME
        utterance = replace(utterance, dismissed=dismissed, ruled=verdict.decision, over=context)
        self._update(utterance)
        if not dismissed:
            self._notice_user()
            self._cancel()
        return utterance

    def _record(self, verdict: Verdict, context: Context) -> None:
        since_s = self.state.interrupted_at_s
        number = self.state.last_ruling + 1
        ruling = Ruling(number, verdict, context, took_s=0.0 if since_s is None else self.at_s - since_s)
        self._set(rulings=(*self.state.rulings, ruling)[-MAX_RULINGS:], last_ruling=number)

    def _dispute(self, number: int, disputed: bool) -> None:
        rulings = self.state.rulings
        self._set(rulings=tuple(replace(r, disputed=disputed) if r.number == number else r for r in rulings))

    def _expect_decision(self) -> None:
        """A reply may be kept waiting so long, counted from now, for what the user is saying."""
        rules = self.state.rules
        if self.state.committed is None:
            return
        if not self.state.speaking:
            wait_s = rules.decision_timeout_s
        elif self.state.streams:
            wait_s = rules.noise_timeout_s
        else:
            wait_s = rules.speech_timeout_s
        if self.state.streams and self.state.interrupted_at_s is not None:
            wait_s = min(wait_s, max(0.0, self.state.interrupted_at_s + rules.longest_pause_s - self.at_s))
        self._start(Timer.DECISION, wait_s)

    def _decide_now(self) -> None:
        """The reply has waited long enough: what is known decides. It waits once more for words that may yet change,
        rather than give way to them."""
        self._set(suspected=False)
        for utterance in self.state.utterances:
            if utterance.dismissed or self.state.committed is None:
                continue
            if utterance.text:
                context = self._context(self.state.committed, utterance)
                verdict = judge(utterance.text, context, final=True)
                sure = utterance.settled or utterance.speaking or utterance.overdue
                if sure or verdict.decision is Decision.RESUME:
                    self._rule(utterance, verdict, context)
                else:
                    self._update(replace(utterance, overdue=True))
                    self._expect_decision()
            else:
                what = "speech went on without a word" if utterance.speaking else "no words came in time"
                verdict = Verdict(Decision.RESUME, "silence", what, "")
                self._rule(utterance, verdict, self._context_of(self.state.committed))

    def _outlasting(self, speech: Speech, silence_s: float) -> Speech:
        """With the time for which it went on after the reply was paused."""
        paused_s = self.state.interrupted_at_s
        if self.state.committed is None or paused_s is None:
            return speech
        return replace(speech, outlasted_s=max(0.0, self.at_s - silence_s - paused_s))
