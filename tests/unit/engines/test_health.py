"""The health of the engines, as it is checked before anybody talks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from tests.support.engines import ScriptedAgent, ScriptedStt, ToneTts, scripted
from tests.support.turn_models import ScriptedTurnModel
from voicebot.dialogue.errors import ErrorCode
from voicebot.engines.errors import EngineError, Fault
from voicebot.engines.fallback import SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.health import EngineHealth
from voicebot.engines.protocols import DEFAULT_STYLE, Engines, EngineStatus, FailureCounter, Style
from voicebot.runtime import limits


@dataclass
class Voice(ToneTts):
    works: bool = True
    probes: int = 0

    async def probe(self, style: Style = DEFAULT_STYLE) -> None:
        self.probes += 1
        if not self.works:
            raise EngineError(self.name, "the key was not accepted", fault=Fault.DENIED)


def with_voices(*voices: Voice) -> Engines:
    group = TextToSpeechFallbackGroup(voices, FallbackRules(rest_s=60))
    engines = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    return Engines(engines.stt, engines.agent, group, engines.vad_name, engines.make_vad)


async def test_health_lists_which_engines_are_ready_and_why_the_others_are_not() -> None:
    engines = with_voices(Voice("elevenlabs", works=False), Voice("espeak"))
    await engines.start()
    engine_health = EngineHealth(engines)
    stages = await engine_health.check()
    assert stages["llm"] == (EngineStatus("scripted", ready=True),)
    elevenlabs, espeak = stages["tts"]
    assert (elevenlabs.ready, elevenlabs.reason) == (False, "the key was not accepted")
    assert elevenlabs.code is ErrorCode.CREDENTIALS
    assert espeak.ready
    assert engine_health.problem is None, "one working voice must be enough"
    await engines.close()


async def test_a_stage_without_a_ready_engine_is_a_problem_until_an_engine_recovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PROBE_ILL_S", 0.0)
    voice = Voice("elevenlabs", works=False)
    engines = with_voices(voice)
    await engines.start()
    engine_health = EngineHealth(engines)
    await engine_health.check()
    assert engine_health.problem == "The bot cannot work at the moment. elevenlabs: the key was not accepted."
    assert engine_health.problem_code is ErrorCode.CREDENTIALS
    voice.works = True
    await engine_health.check()
    assert engine_health.problem is None
    assert engine_health.problem_code is None
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
    engine_health = EngineHealth(engines)
    await engine_health.check()
    assert engine_health.problem is None
    assert engine_health.typing_only is not None
    assert "you can type" in engine_health.typing_only
    assert "moonshine-voice is not installed" in engine_health.typing_only
    await engines.close()


@dataclass
class Servers:
    """MCP servers that do not work."""

    remarks: tuple[tuple[str, ...], ...] = ((),)
    health: tuple[EngineStatus, ...] = (EngineStatus("notes", ready=False, reason="it cannot be reached"),)
    counter: FailureCounter | None = None

    def count_failures(self, counter: FailureCounter) -> None:
        self.counter = counter

    async def start(self) -> None: ...

    async def settle(self) -> None: ...

    async def close(self) -> None: ...


async def test_mcp_servers_that_do_not_work_are_shown_and_are_no_problem() -> None:
    class Counter:
        def count_failure(self, stage: str, engine: str, error: EngineError) -> None: ...

    servers, counter, usual = Servers(), Counter(), scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    engine_health = EngineHealth(replace(usual, tool_servers=servers))
    engine_health.count_failures(counter)
    assert (await engine_health.check())["mcp"] == servers.health
    assert (engine_health.problem, engine_health.typing_only) == (None, None)
    assert servers.counter is counter
    assert "mcp" not in EngineHealth(usual).health


async def test_an_end_of_turn_model_that_does_not_work_is_shown_and_is_no_problem() -> None:
    status = EngineStatus("smart-turn", ready=False, reason="its file can't be read", code=ErrorCode.ENGINE)
    usual = scripted(ScriptedStt(), ScriptedAgent(), ToneTts())
    engine_health = EngineHealth(replace(usual, end_of_turn=ScriptedTurnModel(status=status)))
    assert (await engine_health.check())["end_of_turn"] == (status,)
    assert engine_health.problem is None
    assert engine_health.typing_only is None
    assert "end_of_turn" not in EngineHealth(usual).health


async def test_concurrent_checks_cause_one_probe() -> None:
    voice = Voice("espeak")
    engines = with_voices(voice)
    await engines.start()
    engine_health = EngineHealth(engines)
    await asyncio.gather(*(engine_health.check() for _ in range(20)))
    assert voice.probes == 1
    await engines.close()


async def test_a_ready_engine_is_probed_once_a_minute_and_a_failed_one_at_growing_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1_000.0
    monkeypatch.setattr("voicebot.engines.fallback_group.time.monotonic", lambda: now_s)
    healthy, failing = Voice("espeak"), Voice("elevenlabs", works=False)
    engines = with_voices(healthy, failing)
    await engines.start()
    engine_health = EngineHealth(engines)
    probed = []
    for second in range(121):
        now_s = 1_000.0 + second
        before = failing.probes
        await engine_health.check()
        if failing.probes > before:
            probed.append(second)
    assert healthy.probes == 3, "a ready engine must be probed once a minute, however often its health is asked for"
    assert probed == [0, 5, 15, 35, 75]
    failing.works = True
    now_s += 60
    await engine_health.check()
    assert [each.ready for each in engine_health.health["tts"]] == [True, True]
    probes = failing.probes
    now_s += 30
    await engine_health.check()
    assert failing.probes == probes, "a recovered engine must not be probed again"
    await engines.close()


async def test_an_engine_that_fails_in_use_is_probed_again_before_its_minute_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    voice = Voice("elevenlabs")
    engines = with_voices(voice)
    await engines.start()
    engine_health = EngineHealth(engines)
    await engine_health.check()
    now_s = 10.0 + limits.PROBE_ILL_S
    assert isinstance(engines.tts, TextToSpeechFallbackGroup)
    (link,) = engines.tts.candidates(DEFAULT_STYLE)
    engines.tts.failed(link, EngineError(voice.name, "gone"))
    assert engine_health.problem is not None
    assert link.probed_s is not None
    monkeypatch.setattr(link, "probed_s", link.probed_s - now_s)
    await engine_health.check()
    assert engine_health.problem is None
    assert voice.probes == 2
    await engines.close()
