"""Imports go one way: down, or sideways within the core."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

PACKAGE = PROJECT / "voicebot"

LAYERS = [
    {"voicebot", "core", "limits", "faults"},
    {"space"},
    {"clock", "config", "logs", "memory", "threads"},
    {"tools", "personas"},
    {"engines"},
    {"agent", "options"},
    {"echo"},
    {"store"},
    {"doors"},
    {"recording"},
    {"metrics", "otlp"},
    {"traces"},
    {"telemetry", "metrics_document"},
    {"session"},
    {"transports"},
    {"application"},
    {"client"},
    {"ui"},
    {"discovery", "build", "port", "share", "websocket_server", "setting_names", "zero_gpu", "http_server", "places"},
    {"check"},
    {"server"},
    {"bootstrap"},
]
"""From the bottom to the top; a module may import from its own layer and those below."""

ENGINES = {
    *("engines.stt.deepgram", "engines.stt.moonshine", "engines.vad.silero"),
    *("engines.llm.groq", "engines.llm.openai", "engines.llm.realtime", "engines.llm.offline"),
    *("engines.llm.local", "engines.llm.huggingface"),
    *("engines.tts.elevenlabs", "engines.tts.gtts", "engines.tts.hibari", "engines.tts.espeak"),
}

PURE_MAY_NOT = {"asyncio", "threading", "socket", "httpx", "gradio", "fastrtc", "aiortc", "time", "logging"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "voicebot"


def layer(module: str) -> int:
    fitting = [
        (len(name), index)
        for index, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    assert fitting, f"{module} has no layer"
    return max(fitting)[1]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> Iterator[str]:
    known = {name_of(each) for each in modules()}
    for name in imports(path):
        own = name.removeprefix("voicebot.") if name != "voicebot" else name
        if name.split(".")[0] == "voicebot" and own in known:
            yield own


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_from_its_own_layer_and_those_below(path: Path) -> None:
    upward = [name for name in own_imports(path) if layer(name) > layer(name_of(path))]
    assert upward == [], f"{name_of(path)} imports upwards"


@pytest.mark.parametrize("path", [path for path in modules() if name_of(path).startswith("core.")], ids=name_of)
def test_the_core_imports_no_io_time_threading_or_framework_modules(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} & PURE_MAY_NOT == set()


@pytest.mark.parametrize("path", [path for path in modules() if name_of(path).startswith("engines.")], ids=name_of)
def test_engines_do_not_import_one_another(path: Path) -> None:
    """What `build` names is an engine; the other modules of its stage are its parts."""
    own = name_of(path).split(".")
    for name in own_imports(path):
        parts = name.split(".")
        if len(own) >= 3 and len(parts) >= 3 and parts[0] == "engines" and parts[1] in {"stt", "llm", "tts", "vad"}:
            assert parts[1] == own[1], f"{name_of(path)} imports another stage's {name}"
            assert parts[:3] == own[:3] or name not in ENGINES, f"{name_of(path)} imports the engine {name}"


def test_only_the_worker_environment_module_reads_the_environment_directly() -> None:
    """pydantic does it for them. Beside them one module reads it, to hand a few variables on to worker processes."""
    readers = [name_of(path) for path in modules() if {"os.environ", "os.getenv"} & _attributes(path)]
    assert readers == ["engines.worker.environment"]


def _attributes(path: Path) -> set[str]:
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
