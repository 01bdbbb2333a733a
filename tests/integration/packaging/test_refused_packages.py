"""`make run` and the image install only files whose hashes are in the lock, and refuse a changed one."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import PROJECT

NAME = "greeting"
CODE = "print('the app runs')\n"

# The tests share the environment that make has created, which takes seconds, so they run in one worker.
pytestmark = pytest.mark.xdist_group("refused packages")


def write_wheel(folder: Path, code: str = CODE) -> str:
    """Writes a wheel with one module, and returns its SHA-256."""
    path = folder / f"{NAME}-1.0-py3-none-any.whl"
    info = f"{NAME}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{NAME}.py", code)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a project with the real Makefile, an app that needs one package, and make's environment."""
    folder = tmp_path_factory.mktemp("made") / "project"
    (folder / "locks").mkdir(parents=True)
    shutil.copy(PROJECT / "Makefile", folder)
    (folder / "app.py").write_text(f"import {NAME}\n", "utf-8")
    (folder / "locks" / "pip.txt").write_text("", "utf-8")
    (folder.parent / "wheels").mkdir()
    make(folder, ".venv/bin/python")
    return folder


@pytest.fixture
def project(made: Path) -> Path:
    """Returns the project without an installed package, and with a lock for the wheel."""
    (made / ".venv" / ".installed").unlink(missing_ok=True)
    for installed in (made / ".venv" / "lib").glob(f"*/site-packages/{NAME}*"):
        shutil.rmtree(installed) if installed.is_dir() else installed.unlink()
    lock(made, write_wheel(made.parent / "wheels"))
    return made


def lock(project: Path, sha256: str) -> None:
    (project / "locks" / "run.txt").write_text(f"{NAME}==1.0 --hash=sha256:{sha256}\n", "utf-8")


def make(project: Path, target: str) -> subprocess.CompletedProcess[str]:
    """Runs make where pip has no network and finds only the wheel of the test."""
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project.parent / "wheels"), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        ["make", target, f"PYTHON={sys.executable}"],
        cwd=project,
        env=os.environ | offline,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_run_installs_a_package_whose_hash_is_in_the_lock(project: Path) -> None:
    done = make(project, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the app runs" in done.stdout


def test_make_run_refuses_a_package_if_one_digit_of_its_hash_differs(project: Path) -> None:
    written = (project / "locks" / "run.txt").read_text("utf-8")
    last = written.strip()[-1]
    (project / "locks" / "run.txt").write_text(written.strip()[:-1] + ("0" if last != "0" else "1") + "\n", "utf-8")
    refused(make(project, "run"))


def test_make_run_refuses_a_package_that_was_changed_after_it_was_locked(project: Path) -> None:
    write_wheel(project.parent / "wheels", CODE + "import os  # something else\n")
    refused(make(project, "run"))


def test_make_run_refuses_a_package_without_a_hash(project: Path) -> None:
    (project / "locks" / "run.txt").write_text(f"{NAME}==1.0\n", "utf-8")
    done = make(project, "run")
    assert done.returncode != 0
    assert "Hashes are required" in done.stderr
    assert "the app runs" not in done.stdout


def test_make_run_installs_again_only_when_the_lock_has_changed(project: Path) -> None:
    installs = "Installing the packages"
    assert installs in make(project, "run").stdout
    assert installs not in make(project, "run").stdout
    later_s = (project / ".venv" / ".installed").stat().st_mtime + 1
    os.utime(project / "locks" / "run.txt", (later_s, later_s))
    assert installs in make(project, "run").stdout


def test_each_install_of_the_makefile_and_the_dockerfile_checks_hashes() -> None:
    """Only uv, which writes the locks, is named by its version instead."""
    printed = subprocess.run(
        ["make", "--dry-run", "--always-make", "run", "test", "lock", ".venv-pipecat/.installed"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    image = re.sub(r"\\\n\s*", "", (PROJECT / "Dockerfile").read_text("utf-8"))
    commands = [line for line in (printed + image).splitlines() if re.search(r"\bpip\b.* (install|download) ", line)]
    assert len(commands) >= 8
    unchecked = [line for line in commands if "--require-hashes" not in shlex.split(line.partition("||")[0])]
    assert [re.findall(r"\S+==\S+$", line) for line in unchecked] == [["uv==0.13.9"]]


def refused(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert "pip says why above" in done.stderr
    assert "the app runs" not in done.stdout
