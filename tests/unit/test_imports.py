"""Packages import only from their own layer and from the layers below."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

PACKAGE = PROJECT / "voicebot"

LAYERS = [
    {"languages", "audio", "runtime"},
    {"dialogue", "speech_text"},
    {"settings", "engines"},
    {"agent", "storage", "recording", "access", "workers"},
    {"session", "observability"},
    {"transports"},
    {"web"},
    {"bootstrap", "check", "client"},
]
"""The layers from bottom to top. docs/architecture.md describes each package."""

HIGHER = {"workers.supervisor": "bootstrap"}
"""Modules that start what the rest of their package only knows of: they count as modules of another package."""

PURE = ("dialogue", "speech_text", "languages")
PURE_MAY_NOT = {"asyncio", "threading", "socket", "httpx", "gradio", "fastrtc", "aiortc", "time", "logging"}

SEAMS = {"fastrtc": "transports.webrtc", "aiortc": "transports.webrtc", "gradio": "web.ui"}
"""The only package that may import each framework, so that the framework can be replaced some day."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "voicebot"


def package_of(module: str) -> str:
    return HIGHER.get(module, module.partition(".")[0])


def layer(module: str) -> int:
    if module == "voicebot":  # for the version
        return -1
    if module == "__main__":  # the command, which may import all packages
        return len(LAYERS)
    (found,) = (number for number, packages in enumerate(LAYERS) if package_of(module) in packages)
    return found


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports must be absolute"
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


def test_it_prints_the_packages_and_which_of_them_import_which() -> None:
    """Shown with `-s`. docs/architecture.md must give a reason for each new package and each new import between two."""
    edges = {
        (package_of(name_of(path)), package_of(name))
        for path in modules()
        for name in own_imports(path)
        if package_of(name) not in (package_of(name_of(path)), "voicebot")
    }
    edges = {edge for edge in edges if not {"voicebot", "__main__"} & set(edge)}
    packages = sorted({package_of(name_of(path)) for path in modules()} - {"voicebot", "__main__"})
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in modules())
    print(f"\n{lines} lines, {len(packages)} packages in {len(LAYERS)} layers, {len(edges)} imports between them")  # noqa: T201
    for package in packages:
        print(f"{package:14} {' '.join(sorted(to for of, to in edges if of == package))}")  # noqa: T201
    assert packages == sorted(set().union(*LAYERS))
    assert len(edges) <= 91


@pytest.mark.parametrize("path", [path for path in modules() if package_of(name_of(path)) in PURE], ids=name_of)
def test_the_pure_core_imports_no_io_time_threading_or_framework_modules(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)} & PURE_MAY_NOT == set()


@pytest.mark.parametrize("framework", SEAMS)
def test_a_framework_is_imported_by_one_package_only(framework: str) -> None:
    importing = {name_of(path) for path in modules() if framework in {name.split(".")[0] for name in imports(path)}}
    assert importing, f"nothing imports {framework}"
    outside = {name for name in importing if not f"{name}.".startswith(f"{SEAMS[framework]}.")}
    assert outside == set()


def engines() -> set[str]:
    """Returns the modules of engines: those that `settings.registry` imports, the voice activity detector and the
    end-of-turn model."""
    imported = set(own_imports(PACKAGE / "settings" / "registry.py"))
    shared = {"engines.protocols", "engines.llm.models", "settings.config", "settings.destinations"}
    return imported - shared | {"engines.vad.silero", "engines.turn.smart_turn"}


ENGINES = engines()
STAGES = {"stt", "llm", "tts", "vad", "turn"}
"""The packages with engines."""


@pytest.mark.parametrize("path", [path for path in modules() if name_of(path).startswith("engines.")], ids=name_of)
def test_engines_do_not_import_one_another(path: Path) -> None:
    """The other modules of an engine's stage are parts of engines, or are shared by them."""
    own = name_of(path).split(".")
    for name in own_imports(path):
        parts = name.split(".")
        if len(own) >= 3 and len(parts) >= 3 and parts[0] == "engines" and parts[1] in STAGES:
            assert parts[1] == own[1], f"{name_of(path)} imports another stage's {name}"
            assert parts[:3] == own[:3] or name not in ENGINES, f"{name_of(path)} imports the engine {name}"


def test_only_two_modules_read_the_environment_directly() -> None:
    """`worker/process.py` may read it, to pass variables on to workers, and `settings/mcp_servers.py`, as the file of
    MCP_CONFIG refers to variables. The settings read it through pydantic. The package itself and a worker's place set
    variables, and read none."""
    writers = (PACKAGE / "__init__.py", PACKAGE / "workers" / "place.py")
    users = [path for path in modules() if {"os.environ", "os.getenv"} & _attributes(path)]
    readers = [name_of(path) for path in users if path not in writers]
    assert readers == ["engines.worker.process", "settings.mcp_servers"]


def _attributes(path: Path) -> set[str]:
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
