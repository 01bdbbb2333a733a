"""A whole conversation on a simulated clock: the real machine, verdicts and player with a random user and engines.

One seed decides everything. The simulation keeps its own record of what was played, said and asked, and compares it
with the state: see `Simulation.check` and the assertions along the way.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from tests.support.read_mailbox import ReadMailbox
from tests.support.reply_ledger import ReplyLedger
from voicebot.audio.sound import FRAME_S, WIRE_RATE_HZ, Audio, Samples
from voicebot.dialogue.events import (
    AudioReceived,
    CancelReply,
    Command,
    ConversationCleared,
    EndTranscription,
    FinalTranscript,
    Input,
    InterruptPressed,
    PartialTranscript,
    PausePlayback,
    PlaybackFinished,
    ReplyEnded,
    ReplyInput,
    ResumePlayback,
    SentenceReady,
    SentenceSynthesized,
    SessionStarted,
    SetEndpointingDelay,
    SpeechCleared,
    SpeechContinued,
    SpeechEnded,
    SpeechPaused,
    SpeechStarted,
    SpeechSuspected,
    StartReply,
    StartTimer,
    StopTimer,
    TextEnded,
    TextTyped,
    TimedOut,
    Timer,
    TokenReceived,
)
from voicebot.dialogue.facts import ConversationEnded, WrongStartRepaired
from voicebot.dialogue.history import History, Role
from voicebot.dialogue.interruption.verdict import Speech
from voicebot.dialogue.machine import step
from voicebot.dialogue.state import IdleStage, Phase, Rules, State
from voicebot.session.player import FADE_S, Player

FADE_SAMPLES = round(FADE_S * WIRE_RATE_HZ)
SOUND: Samples = (np.arange(1 << 21) * 7 % 20_000 + 5_000).astype(np.int16)
"""The audio from which every reply takes its own piece. Neighbouring samples differ, and none is silent."""
SENTENCES = (
    "Once there was a cat.",
    "It lived on a ship, far away.",
    "Yes.",
    "The captain was old and his beard was long and white.",
    "Shall I go on?",
)
IMPATIENT = Rules(idle_timeout_s=4.0, idle_goodbye_s=2.0)
"""Rules for every second conversation: the bot soon asks whether the user is still there."""
BACKCHANNELS = ("uh-huh", "mm-hmm", "hm", "okay", "yeah", "right")
STOPS = ("stop", "stop stop", "be quiet")


@dataclass
class Made:
    """A reply as the engines made it, and how much of it was played."""

    sentences: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    """The length of each sentence in samples; of the last one, as far as it has been synthesised."""
    whole: int = 0
    """The number of sentences that were synthesised to their end."""
    sound: Samples = field(default_factory=lambda: SOUND[:0])
    cursor: int = 0
    cancelled: bool = False

    def heard(self) -> str:
        """Returns the words of which at least half was played. The length of a word is in proportion to its letters."""
        words: list[str] = []
        start = 0
        for sentence, length in zip(self.sentences, self.lengths, strict=False):
            if not length:
                break
            weights = [len(word) + 1 for word in sentence.split()]
            place = 0.0
            for word, weight in zip(sentence.split(), weights, strict=True):
                if self.cursor - start >= (place + weight / 2) / sum(weights) * length:
                    words.append(word)
                place += weight
            start += length
        return " ".join(words)


class Simulation:
    """Plays one conversation: `Simulation(seed).run()`. Raises AssertionError if the bot breaks a promise."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.now_s = 0.0
        self.state = State(rules=IMPATIENT if seed % 2 else Rules())
        self.player = Player(ReadMailbox(self._played), prefetch=3)
        self.made: dict[int, Made] = {}
        self.live: int | None = None
        self.paused_s: float | None = None
        self.longest_pause_s = 0.0
        self.pauses = 0
        self.wrong_starts = 0
        self.ended_transcriptions: set[int] = set()
        self.endpointing_delay_s: dict[int, float] = {}
        self.goodbyes = 0
        self.ledger = ReplyLedger()
        self.must_be_kept: list[str] = []
        """The words of the user that must be in the history at the end."""
        self._rests = False
        """True when the player has nothing to play until something happens."""
        self._cut: int | None = None
        """The reply that was cancelled last, until it has faded out."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._timers: dict[Timer, int] = {}

    # The clock ----------------------------------------------------------------------------------------------------

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now_s + delay_s, next(self._order), action))

    def run(self) -> None:
        self.post(SessionStarted())
        self.at(0.0, self._user)
        frame_s = 0.0
        while self._events or not self.state.is_idle:
            assert self.now_s < 400, f"the conversation is stuck in {self.state.phase} after {self.now_s:.1f} s"
            sounding = self.live is not None and not self._rests
            if self._events and (not sounding or self._events[0][0] <= frame_s):
                self.now_s, _, action = heapq.heappop(self._events)
                action()
                self._rests = False
                frame_s = max(frame_s, self.now_s)
            elif sounding:
                self.now_s = frame_s
                self._frame()
                frame_s += FRAME_S
            else:
                raise AssertionError(f"no event is left to come in {self.state.phase}")
        self.check()

    # Playback -----------------------------------------------------------------------------------------------------

    def _frame(self) -> None:
        live = self.live
        before = self.player.cursor
        frame = self.player.next_frame()
        if self.player.cursor == before and not frame.any():
            self._rests = True
            return
        if self._cut is not None and frame.any() and self.player.cursor == before:
            self._check_last_frame(self.made[self._cut], frame)
            self._cut = None
            return
        if live is None or self.live != live:
            return
        made = self.made[live]
        taken = self.player.cursor - before if self.player.cursor >= before else 0
        if made.cancelled:
            assert not frame.any(), "an old reply is audible"
            return
        assert before == made.cursor, "the cursor jumped"
        made.cursor += taken
        expected = made.sound[before : before + taken]
        assert not frame[taken:].any(), "there is sound after the last sample"
        assert len(expected) == taken, "the player played more than was synthesised"
        if self.paused_s is not None:
            assert taken <= FADE_SAMPLES, "a paused reply is playing"
        if not np.array_equal(frame[:taken], expected):
            assert (np.abs(frame[:taken].astype(int)) <= np.abs(expected.astype(int))).all(), (
                "a fade made the sound louder"
            )
            assert np.array_equal(frame[FADE_SAMPLES:taken], expected[FADE_SAMPLES:]), "samples were lost or repeated"

    def _check_last_frame(self, made: Made, frame: Samples) -> None:
        """Checks that the frame after a cancelled reply is its fade-out."""
        expected = made.sound[made.cursor : made.cursor + FADE_SAMPLES].astype(int)
        assert not frame[len(expected) :].any(), "an old reply is audible"
        assert (np.abs(frame[: len(expected)].astype(int)) <= expected).all(), (
            "the fade-out is louder than the next samples"
        )

    def _played(self, input: ReplyInput) -> None:
        self.post(input)
        if isinstance(input, PlaybackFinished) and not self.made[input.reply].cancelled:
            self.at(self._soon(), lambda: self.post(ReplyEnded(input.reply)))
        if self.random.random() < 0.02:
            self.at(self._soon(), lambda: self.post(input))  # the input comes once more, late

    # The machine --------------------------------------------------------------------------------------------------

    def post(self, input: Input) -> None:
        before = self.state
        self.state, commands, facts = step(before, input, self.now_s)
        self.wrong_starts += any(isinstance(fact, WrongStartRepaired) for fact in facts)
        if any(isinstance(fact, ConversationEnded) for fact in facts):
            assert self.state.is_idle, "the session ended while it was busy"
            self.goodbyes += 1
        for command in commands:
            self._execute(command, before)
        self.ledger.check(before, input, self.state, commands, facts)
        if isinstance(input, ReplyEnded) and before.reply is not None and before.reply.number == input.reply:
            self._check_history(
                input.reply, before.history, forgotten=before.reply.forgotten or before.reply.wrong_start
            )
        paused = self.state.committed is not None and self.state.committed.paused
        if paused:
            assert Timer.VERDICT in dict(self.state.timers), "playback is paused without a deadline"

    def _execute(self, command: Command, before: State) -> None:
        match command:
            case StartReply():
                assert before.reply is None or before.reply.cancelled or before.reply.finished
                assert command.text or command.history[-1].role is Role.USER
                self._start(command)
            case CancelReply(reply):
                self._must_be_live(reply)
                self.made[reply].cancelled = True
                self._cut = reply
                self._end_pause()
                self.player.discard(reply)
                self.at(self._soon(), lambda: self.post(ReplyEnded(reply)))
            case PausePlayback(reply):
                self._must_be_live(reply)
                assert self.paused_s is None, "playback was paused twice"
                self.paused_s = self.now_s
                self.pauses += 1
                self.player.pause(reply)
            case ResumePlayback(reply):
                self._must_be_live(reply)
                assert self.paused_s is not None, "playback was resumed without a pause"
                if before.live is not None and before.live.preemptive:
                    self.paused_s = None  # it was not begun: it waited for the end of the turn
                self._end_pause()
                self.player.resume(reply)
            case StartTimer(timer, token, delay_s):
                self._timers[timer] = token
                self.at(delay_s, lambda: self._time_out(timer, token))
            case StopTimer(timer):
                self._timers.pop(timer, None)
            case EndTranscription(utterance):
                self.ended_transcriptions.add(utterance)
            case SetEndpointingDelay(utterance, silence_s):
                self.endpointing_delay_s[utterance] = silence_s
            case _:
                pass

    def _must_be_live(self, reply: int) -> None:
        assert reply == self.live, "the command is for a reply that is not live"
        assert not self.made[reply].cancelled, "the command is for a cancelled reply"

    def _end_pause(self) -> None:
        if self.paused_s is not None:
            self.longest_pause_s = max(self.longest_pause_s, self.now_s - self.paused_s)
        self.paused_s = None

    def _time_out(self, timer: Timer, token: int) -> None:
        if self._timers.get(timer) == token:
            del self._timers[timer]
            self.post(TimedOut(timer, token))

    # The engines --------------------------------------------------------------------------------------------------

    def _soon(self) -> float:
        return self.random.choice((0.0, 0.001, 0.02, 0.1, 0.3))

    def _start(self, start: StartReply) -> None:
        reply = start.reply
        texts = [start.text] if start.text else self.random.choices(SENTENCES, k=self.random.randint(1, 4))
        self.made[reply] = made = Made()
        self.live = reply
        self.player.begin(reply)
        clock_s = self._soon()
        self._for(reply, clock_s, lambda: self.post(TokenReceived(reply)))
        for index, text in enumerate(texts):
            clock_s += self._soon()
            self._for(reply, clock_s, partial(self._sentence, made, reply, index, text))
        self._for(reply, clock_s, lambda: self.post(TextEnded(reply)))
        for index, text in enumerate(texts):
            clock_s = self._synthesis(made, reply, index, text, clock_s)
        self._for(reply, clock_s, lambda: self.player.complete(reply))

    def _for(self, reply: int, delay_s: float, action: Callable[[], None]) -> None:
        """Schedules `action` for the reply. Skips it if the reply is cancelled by then, because its task has ended."""
        self.at(delay_s, lambda: None if self.made[reply].cancelled else action())

    def _sentence(self, made: Made, reply: int, index: int, text: str) -> None:
        made.sentences.append(text)
        self.post(SentenceReady(reply, index, text))

    def _synthesis(self, made: Made, reply: int, index: int, text: str, clock_s: float) -> float:
        length = round(len(text) * self.random.uniform(0.02, 0.05) * WIRE_RATE_HZ)
        pieces = sorted(self.random.sample(range(1, length), self.random.randint(0, 3)))
        self._for(reply, clock_s, lambda: self._open(made, reply, index, text))
        for start, end in itertools.pairwise([0, *pieces, length]):
            clock_s += self._soon()
            self._for(reply, clock_s, partial(self._write, made, reply, index, end - start))
        self._for(reply, clock_s, lambda: self._close(reply, index))
        return clock_s

    def _open(self, made: Made, reply: int, index: int, text: str) -> None:
        made.lengths.append(0)
        self.player.open_sentence(reply, index, text)

    def _write(self, made: Made, reply: int, index: int, count: int) -> None:
        first, start = reply * 1_000, len(made.sound)
        made.sound = SOUND[first : first + start + count]
        sound = made.sound[start:]
        if not made.lengths[index]:
            self.post(AudioReceived(reply, index))
        made.lengths[index] += count
        self.player.write(reply, Audio(sound, WIRE_RATE_HZ))

    def _close(self, reply: int, index: int) -> None:
        self.made[reply].whole += 1
        self.player.close_sentence(reply)
        self.post(SentenceSynthesized(reply, index))

    # The user -----------------------------------------------------------------------------------------------------

    def _user(self) -> None:
        chance = self.random
        utterance = 0
        delay_s = 0.0
        for number in range(chance.randint(2, 6)):
            kind = chance.choices(("speak", "click", "type", "interrupt", "clear"), (20, 3, 2, 2, 1))[0]
            match kind:
                case "click":
                    self._now(delay_s, SpeechSuspected())
                    if chance.random() < 0.9:  # otherwise the microphone is lost
                        self._now(delay_s + 0.03, SpeechCleared())
                case "speak":
                    utterance += 1
                    delay_s = self._speak(utterance, delay_s)
                case "type":
                    text = f"typed question {number}"
                    self.at(delay_s, partial(self._type, text))
                case "interrupt":
                    self.at(delay_s, lambda: self.post(InterruptPressed()))
                case _:
                    self.at(delay_s, self._clear)
            delay_s += chance.choice((0.0, 0.03, 0.3, 0.4, 1.0, 3.0, 8.0))

    def _type(self, text: str) -> None:
        self.must_be_kept.append(text)
        self.post(TextTyped(text))

    def _clear(self) -> None:
        self.must_be_kept.clear()
        self.post(ConversationCleared())

    def _speak(self, number: int, delay_s: float) -> float:
        """Schedules an utterance with its pauses and texts. Returns the time of its end."""
        chance = self.random
        words = self._words_of(number)
        streams, fails, stalls = chance.random() < 0.8, chance.random() < 0.05, chance.random() < 0.05
        stt_s = chance.choice((0.0, 0.1, 0.4, 1.2))
        start_s = delay_s
        if chance.random() < 0.7:
            self._now(max(0.0, delay_s - 0.06), SpeechSuspected())
        self._now(delay_s, SpeechStarted(number))
        said = ""
        for pause, chunk in enumerate(_chunks(words, chance), 1):
            for word in chunk:
                delay_s += 0.3
                said = f"{said} {word}".strip()
                if streams and not fails:
                    self._now(delay_s + chance.uniform(0, 0.3), PartialTranscript(number, self._as_written(said)))
            delay_s += chance.uniform(0.1, 0.4)
            silence_s = chance.uniform(0.1, 0.35)
            self._now(delay_s, SpeechPaused(number, pause, 0.1, Speech(duration_s=delay_s - start_s)))
            if streams and not (fails or stalls):
                self._now(delay_s + stt_s, PartialTranscript(number, self._as_written(said), pause=pause))
            delay_s += silence_s
            self._now(delay_s, SpeechContinued(number))
        delay_s += chance.uniform(0.1, 0.3)
        if chance.random() < 0.9:
            self._now(delay_s, SpeechPaused(number, 99, 0.1, Speech(duration_s=delay_s - start_s)))
            if streams and not (fails or stalls):
                self._now(delay_s + stt_s, PartialTranscript(number, self._as_written(said), pause=99))
        delay_s += chance.choice((0.1, 0.3, 0.5))
        if chance.random() < 0.95:  # otherwise the microphone is lost and only a timeout ends the utterance
            self._now(delay_s, SpeechEnded(number, 0.4, Speech(duration_s=delay_s - start_s)))
        if not (fails or stalls):
            self._now(delay_s + stt_s, FinalTranscript(number, self._as_written(said)))
        known = not fails and (streams or not stalls)  # a recogniser that stalls leaves its interim words
        self.at(
            start_s, lambda: self.must_be_kept.extend(word for word in words if known and f"question{number}" in word)
        )
        return delay_s

    def _as_written(self, said: str) -> str:
        """Returns the words as the recogniser writes them this time: it changes case, punctuation and hesitations."""
        chance = self.random
        if said and chance.random() < 0.2:
            said = f"um {said}"
        if said and chance.random() < 0.2:
            said = f"{said[0].upper()}{said[1:]}."
        return said

    def _words_of(self, number: int) -> list[str]:
        chance = self.random
        kind = chance.choices(("noise", "backchannel", "stop", "question", "more"), (2, 4, 1, 5, 3))[0]
        match kind:
            case "noise":
                return []
            case "backchannel":
                return chance.choice(BACKCHANNELS).split()
            case "stop":
                return chance.choice(STOPS).split()
            case "more":
                return f"in the place of question{number}".split()
            case _:
                more = chance.choice(("", "", " in tokyo", " please"))
                return f"what is the answer to question{number}{more}".split()

    def _now(self, delay_s: float, input: Input) -> None:
        """Posts the input after `delay_s`. Now and then it is late or comes twice."""
        late_s = 0.5 if self.random.random() < 0.01 else 0.0
        self.at(delay_s + late_s, lambda: self.post(input))
        if self.random.random() < 0.03:
            self.at(delay_s + self._soon(), lambda: self.post(input))

    # Checks -------------------------------------------------------------------------------------------------------

    def _check_history(self, reply: int, before: History, *, forgotten: bool) -> None:
        """Checks that the history has gained exactly the words that were heard."""
        heard = self.made[reply].heard()
        added = self.state.history[len(before) :]
        texts = [message.text for message in added if message.role is Role.ASSISTANT]
        if forgotten or not heard:
            assert texts == [], f"the history holds words that were not heard: {texts}"
        elif texts:
            assert abs(len(texts[0].split()) - len(heard.split())) <= self._unsure(reply), (texts[0], heard)
            assert " ".join(self.made[reply].sentences).startswith(texts[0]), (
                "the history holds words that were not said"
            )
        else:
            assert len(heard.split()) <= self._unsure(reply), f"the history lacks the heard words {heard!r}"

    def _unsure(self, reply: int) -> int:
        """Returns how far the number of words may be off. It is estimated for a sentence cut during its synthesis."""
        made = self.made[reply]
        return 0 if made.cursor <= sum(made.lengths[: made.whole]) else 30

    def check(self) -> None:
        assert self.state.phase is Phase.IDLE
        rules = self.state.rules
        if rules.idle_timeout_s:
            assert self.state.idle_stage is IdleStage.ENDED, "the idle session did not end"
            assert self.goodbyes >= 1
        else:
            assert self.goodbyes == 0
        bound_s = rules.speech_timeout_s + rules.verdict_timeout_s + rules.transcript_timeout_s
        assert self.longest_pause_s <= bound_s, f"playback was paused for {self.longest_pause_s:.1f} s"
        said = " ".join(message.text for message in self.state.history if message.role is Role.USER)
        for text in self.must_be_kept:
            assert text in said, f"the history lacks the user's words {text!r}"


def _chunks(words: list[str], chance: random.Random) -> list[list[str]]:
    """Splits the words at one to three pauses, or not at all."""
    if len(words) < 3 or chance.random() < 0.5:
        return [words] if words else []
    cuts = sorted(chance.sample(range(1, len(words)), min(len(words) - 1, chance.choice((1, 1, 1, 2, 3)))))
    return [words[start:end] for start, end in itertools.pairwise([0, *cuts, len(words)])]
