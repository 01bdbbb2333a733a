"""The Dockerfile agrees with the settings and files of the project. The tests parse it, as there is no daemon."""

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
    """Returns whether .dockerignore lets this file into the image.

    The last pattern that matches the file, or a folder that contains it, decides.
    """
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
    copied = [source for line in of("COPY") if "--from" not in line for source in shlex.split(line)[:-1]]
    assert set(copied) == {"locks/pip.txt", "locks/run.txt", "app.py", "voicebot"}
    for source in copied:
        assert (PROJECT / source).exists()
        assert goes_into_the_image(source)
    assert goes_into_the_image("voicebot/web/ui/static/layout.css")
    for left_out in (".env", ".git/config", ".venv/bin/python", "conversations.db", "tests/conftest.py"):
        assert not goes_into_the_image(left_out), left_out


def test_the_docker_image_uses_python_3_11_and_runs_as_user_1000() -> None:
    builder, base = of("FROM")
    assert builder == f"{base} AS packages"
    assert re.match(r"python:3\.11-slim", base), "the image must use the Python of the tests"
    assert of("USER") == ["1000"], "Spaces run containers as user 1000, never as root"
    order = [word for word, _ in instructions()]
    assert order.index("USER") < order.index("CMD")
    assert of("COPY")[1] == "--from=packages /packages /usr/local/lib/python3.11/site-packages"


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
