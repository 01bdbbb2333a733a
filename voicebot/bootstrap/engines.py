"""Creates the engines that the settings name, from their entries in `settings/registry.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from voicebot.agent.personas import PersonaError, personas
from voicebot.engines.fallback import AgentFallbackGroup, SpeechToTextFallbackGroup, TextToSpeechFallbackGroup
from voicebot.engines.fallback_group import FallbackRules
from voicebot.engines.protocols import (
    Agent,
    EndOfTurnModel,
    Engine,
    Engines,
    ModelService,
    SlowModelService,
    Styles,
    VoiceActivityDetector,
)
from voicebot.settings import registry
from voicebot.settings.config import Settings, SettingsError
from voicebot.settings.mcp_servers import McpConfigError, McpServerSettings, read_mcp_servers
from voicebot.settings.registry import AUTO, ENGLISH, NOTHING_FOUND, EngineEntry, Found

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from voicebot.agent.agent import GraphAgent
    from voicebot.agent.mcp.servers import McpServers
    from voicebot.agent.own_graph import OwnGraph
    from voicebot.agent.tools import Toolbox, ToolSource

E = TypeVar("E", bound=Engine)

_CURES = {
    "STT_ENGINE": "set DEEPGRAM_API_KEY",
    "LLM_ENGINE": "set the key of a model, or run one of your own (docs/engines.md)",
}
"""What to do if `auto` finds only an embedded engine, which does not know the language."""


def build(settings: Settings, found: Found = NOTHING_FOUND) -> Engines:
    """Creates the engines of the settings, and does not start them. `found` is the result of `discover`.

    Raises SettingsError if an engine that is named lacks its key or does not know the language, if `auto` finds no
    engine for a stage, or if the operator's own graph or tools cannot be used.
    """
    check(settings, found)
    own = own_graph(settings)
    tuning = settings.tuning
    rules = FallbackRules(first_output_s=tuning.first_output_timeout_s, rest_s=tuning.engine_rest_s)
    agent_rules = replace(rules, retries=tuning.llm_retries)
    recognisers = [
        entry.create(settings) for entry in registry.in_order(registry.STT, settings.stt_engine, settings, found)
    ]
    recognisers = _able("STT_ENGINE", settings.stt_engine, recognisers, settings)
    tool_servers = _tool_servers(settings)
    box = toolbox(settings, tool_servers)
    if own is not None and own.made is not None:
        useless = [*(["TOOLS"] if settings.tools else []), *(["MCP_CONFIG"] if tool_servers is not None else [])]
        if useless:
            raise SettingsError(
                f"{' and '.join(useless)}: A compiled graph has its own tools. Name a factory in AGENT, which gets them"
            )
        agents = [compiled_agent(own, settings)]
    else:
        check(settings, found, has_factory=own is not None)
        entries = registry.in_order(registry.LLM, settings.llm_engine, settings, found)
        agents = [agent(entry, settings, box, own) for entry in entries]
        agents = _able("LLM_ENGINE", settings.llm_engine, agents, settings)
    voices = [entry.create(settings) for entry in registry.in_order(registry.TTS, settings.tts_engine, settings, found)]
    voices = _able("TTS_ENGINE", settings.tts_engine, voices, settings)
    usual = Styles.of(settings.preferences)
    return Engines(
        stt=SpeechToTextFallbackGroup(recognisers, rules, usual.stt),
        agent=AgentFallbackGroup(agents, agent_rules, usual.llm),
        tts=TextToSpeechFallbackGroup(voices, rules, usual.tts),
        vad_name="silero",
        make_vad=voice_activity_detector,
        end_of_turn=end_of_turn_model(settings),
        tool_servers=tool_servers,
    )


def check(settings: Settings, found: Found = NOTHING_FOUND, *, has_factory: bool = False) -> None:
    """Raises SettingsError with a line for each problem that can be seen without loading the engines' packages.

    Loading the packages takes seconds, and this takes no time. With AGENT the models are checked only if it is known to
    name a factory, as a compiled graph uses none of them.
    """
    problems = []
    try:
        known = personas(settings.persona_file)
    except PersonaError as error:
        problems.append(f"PERSONA: {error}")
    else:
        if settings.persona_name not in known:
            problems.append(f"PERSONA: There is no persona {settings.persona!r}; there are only {', '.join(known)}")
    if (file := settings.turn_model_file) is not None and not file.is_file():
        problems.append(f"END_OF_TURN_MODEL: There is no file {settings.end_of_turn_model!r}")
    stages: list[tuple[str, Sequence[EngineEntry[object]], Sequence[str]]] = [
        ("STT_ENGINE", registry.STT, settings.stt_engine),
        ("TTS_ENGINE", registry.TTS, settings.tts_engine),
    ]
    if settings.agent is None or has_factory:
        stages.insert(1, ("LLM_ENGINE", registry.LLM, settings.llm_engine))
    for variable, entries, chosen in stages:
        tried = registry.in_order(entries, chosen, settings, found)
        missing = [(entry.name, key) for entry in tried if (key := entry.missing_key(settings)) is not None]
        problems += [f"{key.upper()}: The engine {name} needs this key" for name, key in missing]
        lacking = [entry for entry in tried if settings.language not in (entry.languages or {settings.language})]
        if lacking and (AUTO not in chosen or len(lacking) == len(tried)):
            problems.append(_unknown_language(lacking[0].name, variable, chosen, settings, lacking[0].languages or ()))
    try:
        mcp_servers(settings)
    except McpConfigError as error:
        problems += [f"MCP_CONFIG: {line}" for line in str(error).splitlines()]
    if problems:
        raise SettingsError("\n".join(dict.fromkeys(problems)))


def mcp_servers(settings: Settings) -> tuple[McpServerSettings, ...]:
    """Returns the MCP servers that the settings name. Raises McpConfigError."""
    return () if settings.mcp_file is None else read_mcp_servers(settings.mcp_file)


def _tool_servers(settings: Settings) -> McpServers | None:
    """Creates the connections with the MCP servers, if the settings name any. Raises SettingsError."""
    servers = mcp_servers(settings)
    if not servers:
        return None
    try:
        from voicebot.agent.mcp.servers import McpServers
    except ImportError as error:  # a Space with Gradio's SDK has another version
        raise SettingsError(
            f"MCP_CONFIG: The package mcp 2.3 is needed: pip install 'mcp>=2.3,<3' ({error})"
        ) from error
    return McpServers(servers)


def _unknown_language(
    engine: str, variable: str, chosen: Sequence[str], settings: Settings, known: Iterable[str]
) -> str:
    """Returns the problem and what to do. `chosen` is the value of the setting `variable`."""
    cure = f"choose another engine in {variable}"
    if AUTO in chosen and engine not in registry.SERVICES:
        cure = _CURES.get(variable, cure)
    return (
        f"LANGUAGE: The engine {engine} ({variable}) does not know {settings.language!r}, "
        f"only {', '.join(sorted(known))}; {cure}, or leave LANGUAGE at en"
    )


def _able(variable: str, named: Sequence[str], engines: list[E], settings: Settings) -> list[E]:
    """Returns the engines of a stage that know the settings' language. Raises SettingsError if there are none.

    `named` is the value of the setting `variable`. If it is not `auto`, all engines must know the language.
    """
    able = [engine for engine in engines if settings.language in engine.languages]
    lacking = [engine for engine in engines if engine not in able]
    if lacking and (not able or AUTO not in named):
        engine = lacking[0]
        raise SettingsError(_unknown_language(engine.name, variable, named, settings, engine.languages))
    return able


def own_graph(settings: Settings) -> OwnGraph | None:
    """Loads the operator's own graph, if the settings name one. Raises SettingsError."""
    if settings.agent is None:
        if settings.agent_node:
            raise SettingsError("AGENT_NODE: This setting needs AGENT")
        return None
    from voicebot.agent.loading import LoadingError
    from voicebot.agent.own_graph import load_own_graph

    try:
        return load_own_graph(settings.agent, settings.agent_node, preemptive=settings.agent_preemptive)
    except LoadingError as error:
        raise SettingsError(str(error)) from error


def toolbox(settings: Settings, servers: ToolSource | None = None) -> Toolbox:
    """Creates the built-in tools, and loads the operator's own. The tools of the MCP `servers` join them.

    Raises SettingsError.
    """
    from voicebot.agent.loading import LoadingError
    from voicebot.agent.tools import Toolbox, built_in_tools
    from voicebot.agent.tools.own_tools import load_own_tools

    try:
        return Toolbox(
            (*built_in_tools(), *load_own_tools(settings.tools)),
            () if servers is None else (servers,),
            settings.tuning.history_max_tokens,
        )
    except LoadingError as error:
        raise SettingsError(str(error)) from error


def compiled_agent(own: OwnGraph, settings: Settings) -> Agent:
    """Creates the agent for a compiled graph, which has its own model. It may know any language."""
    from voicebot.agent.own_agent import OwnGraphAgent

    return OwnGraphAgent(
        own,
        None,
        (),
        own.name,
        timeout_s=settings.tuning.llm_timeout_s,
        history_max_tokens=settings.tuning.history_max_tokens,
        filler_s=settings.tuning.tool_filler_s,
        follows_persona=False,
    )


def agent(
    entry: EngineEntry[ModelService | BaseChatModel], settings: Settings, toolbox: Toolbox, own: OwnGraph | None = None
) -> Agent:
    """Creates the agent around the entry's model, with these tools, in the built-in graph or in the operator's own."""
    from langchain_core.language_models import BaseChatModel

    from voicebot.agent.agent import GraphAgent, prompt_of
    from voicebot.agent.own_agent import OwnGraphAgent

    created = entry.create(settings)
    service = None if isinstance(created, BaseChatModel) else created
    slow = service if isinstance(service, SlowModelService) else None
    make: Callable[..., GraphAgent] = GraphAgent
    if own is not None:
        make = partial(OwnGraphAgent, own, usual=Styles.of(settings.preferences).llm)
    return make(
        created if isinstance(created, BaseChatModel) else created.model,
        toolbox,
        entry.name,
        prompt=partial(prompt_of, known=personas(settings.persona_file)),
        service=service,
        languages=(entry.languages or ENGLISH) if service is None else service.languages,
        timeout_s=settings.tuning.llm_timeout_s if slow is None else slow.answer_s,
        history_max_tokens=settings.tuning.history_max_tokens,
        filler_s=settings.tuning.tool_filler_s,
        follows_persona=entry.follows_persona,
        first_output_s=0.0 if slow is None else slow.first_output_s,
    )


def voice_activity_detector() -> VoiceActivityDetector:
    from voicebot.engines.vad.silero import Silero

    return Silero()


def end_of_turn_model(settings: Settings) -> EndOfTurnModel | None:
    """Creates the end-of-turn model, if the settings name one."""
    if not settings.end_of_turn_model:
        return None
    from voicebot.engines.turn.smart_turn import SmartTurn

    return SmartTurn(settings.turn_model_file)
