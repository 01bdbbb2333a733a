"""What is found out about the engines before anybody talks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from voicebot.dialogue.errors import ErrorCode
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback import SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.health import EngineHealth
from voicebot.engines.protocols import DEFAULT_STYLE, Engines, EngineStatus, Style
from voicebot.runtime import limits


@dataclass
class Voice(ToneTts):
    well: bool = True
    probes: int = 0

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        self.probes += 1
        if not self.well:
            raise EngineError(self.name, "the key was not accepted", fault=Fault.DENIED)


def with_voices(*voices: Voice) -> Engines:
    chain = TextToSpeechFallbackGroup(voices, FallbackRules(rest_s=60))
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    return Engines(engines.stt, engines.agent, chain, engines.vad_name, engines.make_vad)


async def test_health_lists_which_engines_are_ready_and_why_the_others_are_not() -> None:
    engines = with_voices(Voice("elevenlabs", well=False), Voice("espeak"))
    await engines.start()
    looked = EngineHealth(engines)
    stages = await looked.check()
    assert stages["llm"] == (EngineStatus("scripted", ready=True),)
    elevenlabs, espeak = stages["tts"]
    assert (elevenlabs.ready, elevenlabs.reason) == (False, "the key was not accepted")
    assert elevenlabs.code is ErrorCode.CREDENTIALS
    assert espeak.ready
    assert looked.problem is None, "the other voice can speak"
    await engines.close()


async def test_a_stage_without_a_ready_engine_is_a_problem_until_an_engine_recovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PROBE_ILL_S", 0.0)
    voice = Voice("elevenlabs", well=False)
    engines = with_voices(voice)
    await engines.start()
    looked = EngineHealth(engines)
    await looked.check()
    assert looked.problem == "The bot cannot work at the moment. elevenlabs: the key was not accepted."
    assert looked.problem_code is ErrorCode.CREDENTIALS
    voice.well = True
    await looked.check()
    assert looked.problem is None
    assert looked.problem_code is None
    await engines.close()


class NoRecogniser(ScriptedStt):
    async def start(self) -> None:
        raise EngineError("moonshine", "the package moonshine-voice is not installed", fault=Fault.MISSING)


async def test_a_missing_recogniser_is_no_problem_but_limits_sessions_to_typing() -> None:
    scripted_ones = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    stt = SpeechToTextFallbackGroup([NoRecogniser()], FallbackRules())
    engines = Engines(stt, scripted_ones.agent, scripted_ones.tts, scripted_ones.vad_name, scripted_ones.make_vad)
    assert EngineHealth(scripted_ones).typing_only is None
    await engines.start()
    looked = EngineHealth(engines)
    await looked.check()
    assert looked.problem is None
    assert looked.typing_only is not None
    assert "you can type" in looked.typing_only
    assert "moonshine-voice is not installed" in looked.typing_only
    await engines.close()


async def test_concurrent_checks_cause_one_probe() -> None:
    voice = Voice("espeak")
    engines = with_voices(voice)
    await engines.start()
    looked = EngineHealth(engines)
    await asyncio.gather(*(looked.check() for _ in range(20)))
    assert voice.probes == 1
    await engines.close()


async def test_a_ready_engine_is_probed_once_a_minute_and_a_failed_one_at_growing_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1_000.0
    monkeypatch.setattr("voicebot.engines.fallback_group.time.monotonic", lambda: now_s)
    well, ill = Voice("espeak"), Voice("elevenlabs", well=False)
    engines = with_voices(well, ill)
    await engines.start()
    looked = EngineHealth(engines)
    probed = []
    for second in range(121):
        now_s = 1_000.0 + second
        before = ill.probes
        await looked.check()
        if ill.probes > before:
            probed.append(second)
    assert well.probes == 3, "at first, and once a minute however often somebody asks"
    assert probed == [0, 5, 15, 35, 75]
    ill.well = True
    now_s += 60
    await looked.check()
    assert [each.ready for each in looked.health["tts"]] == [True, True]
    probes = ill.probes
    now_s += 30
    await looked.check()
    assert ill.probes == probes, "it is well now"
    await engines.close()


async def test_an_engine_that_fails_in_use_is_probed_again_before_its_minute_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    voice = Voice("elevenlabs")
    engines = with_voices(voice)
    await engines.start()
    looked = EngineHealth(engines)
    await looked.check()
    now_s = 10.0 + limits.PROBE_ILL_S
    assert isinstance(engines.tts, TextToSpeechFallbackGroup)
    (link,) = engines.tts.candidates(DEFAULT_STYLE)
    engines.tts.failed(link, EngineError(voice.name, "gone"))
    assert looked.problem is not None
    assert link.probed_s is not None
    monkeypatch.setattr(link, "probed_s", link.probed_s - now_s)
    await looked.check()
    assert looked.problem is None
    assert voice.probes == 2
    await engines.close()
