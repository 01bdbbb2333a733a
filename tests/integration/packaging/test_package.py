"""The package: what the wheel and the source archive contain, and that the installed command runs anywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from email.message import Message
from email.parser import Parser
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement

import voicebot
from tests.support.app_process import environment, running
from tests.support.paths import PROJECT
from tools.locks import requirements

# The tests share a wheel that takes seconds to build, so they run in one worker.
pytestmark = pytest.mark.xdist_group("package")

BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def tracked(*paths: str) -> list[str]:
    """Returns the files of the project that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(path for path in listed.split("\0") if path and (PROJECT / path).is_file())


def built(what: str, project: Path, folder: Path) -> Path:
    """Builds the package as pip does, but without a network: with the installed setuptools."""
    subprocess.run([sys.executable, "-c", BUILD, what, str(folder)], cwd=project, capture_output=True, check=True)
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the archive of the package's source."""
    if not (PROJECT / ".git").exists():
        pytest.skip("the project is not a git checkout")
    project = tmp_path_factory.mktemp("project")
    for path in tracked():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / path, project / path)
    return built("build_sdist", project, tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the wheel, built from the archive of the source."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(source) as archive:
        archive.extractall(unpacked, filter="data")
    (project,) = unpacked.iterdir()
    return built("build_wheel", project, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with the installed package, far from the project, whose dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    subprocess.run([*command, str(wheel)], capture_output=True, check=True)
    where = [sys.executable, "-c", "import voicebot; print(voicebot.__file__)"]
    said = subprocess.run(where, cwd=folder, env=variables(folder), capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(folder / "voicebot" / "__init__.py")
    return folder


def variables(installed: Path) -> Mapping[str, str]:
    return environment() | {"PYTHONPATH": str(installed)}


def command(installed: Path, *arguments: str) -> list[str]:
    return [str(installed / "bin" / "voicebot"), *arguments]


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_contains_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        contained = sorted(name for name in archive.namelist() if ".dist-info/" not in name)
        assert contained == tracked("voicebot")
        for name in contained:
            assert archive.read(name) == (PROJECT / name).read_bytes()


def test_the_wheel_requires_what_requirements_txt_lists_and_for_development_the_other_list(wheel: Path) -> None:
    required = [Requirement(each) for each in metadata(wheel).get_all("Requires-Dist", [])]
    always = {str(each) for each in required if "extra ==" not in str(each.marker)}
    assert always == {str(each) for each in requirements((PROJECT / "requirements.txt").read_text("utf-8"))}
    develop = {each.name for each in required if each.marker and each.marker.evaluate({"extra": "dev"})} - {
        each.name for each in required if str(each) in always
    }
    assert develop == {each.name for each in requirements((PROJECT / "requirements-dev.txt").read_text("utf-8"))}


def test_the_wheel_states_version_licence_and_python(wheel: Path) -> None:
    stated = metadata(wheel)
    assert stated["Version"] == voicebot.__version__
    assert stated["License-Expression"] == "MIT"
    assert stated["Requires-Python"] == ">=3.11"
    assert stated["Author"] == "Voice Bot developers"
    with zipfile.ZipFile(wheel) as archive:
        (licence,) = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
        assert archive.read(licence) == (PROJECT / "LICENSE").read_bytes()


def test_the_installed_command_serves_the_page_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    with running(command(installed, "--port", "0"), tmp_path, variables(installed)) as app:
        assert app.health()["version"] == voicebot.__version__
        assert app.health()["engines"] == {"stt": "moonshine", "llm": "offline", "tts": "hibari", "vad": "silero"}
        page = httpx.get(app.url, trust_env=False)
        assert page.status_code == 200
        scripts = sorted(part.split('"')[0] for part in page.text.split("./static/")[1:])
        assert scripts
        for script in scripts:
            assert httpx.get(f"{app.url}/static/{script}", trust_env=False).status_code == 200


def test_the_installed_command_checks_the_engines_with_the_packages_own_files(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command(installed, "--check"),
        cwd=tmp_path,
        env=variables(installed),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything works." in done.stdout


@pytest.mark.parametrize("start", [["bin/voicebot"], ["-m", "voicebot"]], ids=" ".join)
def test_the_command_and_the_module_name_the_installed_version(
    start: list[str], installed: Path, tmp_path: Path
) -> None:
    program = [str(installed / start[0])] if len(start) == 1 else [sys.executable, *start]
    done = subprocess.run(
        [*program, "--version"], cwd=tmp_path, env=variables(installed), capture_output=True, text=True, check=True
    )
    assert done.stdout == f"voicebot {voicebot.__version__}\n"
