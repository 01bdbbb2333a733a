"""The Dockerfile agrees with the settings and the files of the project. It is read, because no daemon is at hand."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from pathlib import Path

import pytest

from tests.support.paths import PROJECT
from voicebot.settings import config, space
from voicebot.settings.config import SETTINGS


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", (PROJECT / "Dockerfile").read_text("utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def of(word: str) -> list[str]:
    return [rest for each, rest in instructions() if each == word]


def environment() -> dict[str, str]:
    return dict(pair.partition("=")[::2] for line in of("ENV") for pair in shlex.split(line))


def goes_into_the_image(path: str) -> bool:
    """As .dockerignore has it: the last pattern that fits decides; one that fits a folder fits what is in it."""
    goes = True
    parents = [path, *(str(each) for each in Path(path).parents if str(each) != ".")]
    for line in (PROJECT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            wanted = pattern.removeprefix("!")
            patterns = [wanted, wanted.removeprefix("**/")]
            if any(fnmatch.fnmatch(each.removeprefix("./"), p) for each in parents for p in patterns):
                goes = pattern.startswith("!")
    return goes


def test_files_copied_into_the_docker_image_exist_and_local_files_stay_out() -> None:
    copied = [source for line in of("COPY") for source in shlex.split(line)[:-1]]
    assert set(copied) == {"requirements.txt", "app.py", "voicebot"}
    for source in copied:
        assert (PROJECT / source).exists()
        assert goes_into_the_image(source)
    assert goes_into_the_image("voicebot/web/ui/static/layout.css")
    for left_out in (".env", ".git/config", ".venv/bin/python", "conversations.db", "tests/conftest.py"):
        assert not goes_into_the_image(left_out), left_out


def test_the_docker_image_uses_python_3_11_and_runs_as_user_1000() -> None:
    (base,) = of("FROM")
    assert re.match(r"python:3\.11-slim", base), "the Python that the tests run on"
    assert of("USER") == ["1000"], "as Spaces run containers; never root"
    order = [word for word, _ in instructions()]
    assert order.index("USER") < order.index("CMD")
    assert "--requirement requirements.txt" in " ".join(of("RUN"))


def test_the_docker_image_sets_only_known_settings_and_exposes_the_configured_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {name.upper() for name in SETTINGS}
    assert set(environment()) - known == {"HOME", "PYTHONUNBUFFERED", "XDG_CACHE_HOME"}
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    settings = config.load()
    assert settings.gradio_server_name == "0.0.0.0"
    assert of("EXPOSE") == [str(settings.gradio_server_port)] == [str(space.PORT)]
    assert settings.database_url is not None
    (volume,) = of("VOLUME")
    assert settings.database_url.get_secret_value().startswith(f"sqlite:///{volume}/")


def test_the_start_and_health_commands_of_the_docker_image_are_valid() -> None:
    (command,) = of("CMD")
    assert json.loads(command) == ["python", "app.py"]
    (check,) = of("HEALTHCHECK")
    program = json.loads(check[check.index("[") :])
    assert program[:2] == ["python", "-c"]
    compile(program[2], "HEALTHCHECK", "exec")
    assert "/health'" in program[2]
