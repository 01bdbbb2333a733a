"""The locks have a version and hashes for everything that the requirements ask for, on every system."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from tests.support.paths import PROJECT
from tools.locks import LOCKS, PLATFORMS, LockedPackage, Target, applies, locked, requirements

LOCK_FILES = sorted(path.stem for path in LOCKS.glob("*.txt") if path.name != "unused.txt")
TARGETS = [Target(system, python) for system in PLATFORMS for python in ("3.11", "3.12", "3.13")]

SOURCES = {
    "run": ["requirements.txt"],
    "dev": ["requirements.txt", "requirements-dev.txt"],
    "pipecat": ["tests/benchmarks/pipecat/requirements.txt"],
}
"""The requirements that each lock is made from. The Makefile contains those of the others."""


def unused() -> set[str]:
    return {canonicalize_name(each.name) for each in requirements((LOCKS / "unused.txt").read_text("utf-8"))}


def chosen(lock: str, target: Target) -> dict[NormalizedName, LockedPackage]:
    """Returns the packages that pip installs from this lock there, by name, each of which may occur only once."""
    packages = [each for each in locked(lock) if applies(each.requirement, target)]
    names = [each.name for each in packages]
    assert len(names) == len(set(names))
    return {each.name: each for each in packages}


@pytest.mark.parametrize("lock", LOCK_FILES)
def test_a_lock_pins_one_version_with_hashes_of_each_package_and_names_no_host_or_path(lock: str) -> None:
    packages = locked(lock)
    assert packages
    for package in packages:
        assert [each.operator for each in package.requirement.specifier] == ["=="], package.name
        assert package.hashes, f"{package.name} has no hash"
    text = (LOCKS / f"{lock}.txt").read_text("utf-8")
    assert re.findall(r"://|^--.*|/tmp|/home|/root", text, re.MULTILINE) == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.system} {target.python}")
@pytest.mark.parametrize("lock", SOURCES)
def test_a_lock_satisfies_its_requirements_on_each_system(lock: str, target: Target) -> None:
    packages = chosen(lock, target)
    asked = [each for source in SOURCES[lock] for each in requirements((PROJECT / source).read_text("utf-8"))]
    assert asked
    left_out = unused() if lock == "run" else set()
    assert [
        str(each)
        for each in asked
        if applies(each, target) and canonicalize_name(each.name) not in left_out and not _satisfied(each, packages)
    ] == [], "run `make lock`"


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_a_lock_has_all_packages_that_its_packages_require(lock: str) -> None:
    """pip installs a lock without looking at what its packages require. The test reads it from those installed here."""
    packages = {each.name: each for each in locked(lock) if _applies_here(each.requirement)}
    left_out = unused() if lock == "run" else set()
    todo = [each for source in SOURCES[lock] for each in requirements((PROJECT / source).read_text("utf-8"))]
    done: set[str] = set()
    missing: list[str] = []
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        if str(wanted) in done or name in left_out or not _applies_here(wanted):
            continue
        done.add(str(wanted))
        if not _satisfied(wanted, packages):
            missing.append(str(wanted))
            continue
        installed = importlib.metadata.distribution(name)
        assert installed.version == str(packages[name].version), f"another {name} is installed here: run `make test`"
        for each in map(Requirement, installed.requires or ()):
            if any(_applies_here(each, extra) for extra in ("", *wanted.extras)):
                each.marker = None
                todo.append(each)
    assert len(done) > 100
    assert missing == []


def test_the_bot_runs_with_the_versions_that_its_tests_run_with() -> None:
    tested = {(str(each.requirement), each.hashes) for each in locked("dev")}
    assert {(str(each.requirement), each.hashes) for each in locked("run")} <= tested


def test_the_packages_that_are_left_out_are_required_by_others_and_not_locked() -> None:
    """A package that nothing requires any more has no place in the list."""
    assert unused() & {each.name for each in locked("run")} == set()
    assert unused() <= {each.name for each in locked("dev")}


def _applies_here(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _satisfied(wanted: Requirement, packages: Mapping[NormalizedName, LockedPackage]) -> bool:
    package = packages.get(canonicalize_name(wanted.name))
    return package is not None and wanted.specifier.contains(package.version, prereleases=True)
