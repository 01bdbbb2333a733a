"""Builds the folder of a Hugging Face Space from this repository: `python deploy/space.py KIND FOLDER`.

KIND is `cpu`, `zerogpu` or `docker`; docs/space.md says which account may use which kind. Only committed files get into
the folder, so that other files (.env with its keys, conversations.db) cannot be uploaded by mistake. The script needs
git and Python 3.11, and no packages.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

GRADIO = "5.50.0"
"""The version that a Space with Gradio's SDK installs. A test compares it with the one from requirements.txt."""

NOT_ON_GRADIO = ("mcp",)
"""Packages that are left out of requirements.txt on a Space with Gradio's SDK. Hugging Face installs `gradio[mcp]`
there, which requires mcp 1.10.1: the bot cannot use that version, and pip would refuse to install two."""

MARKER = ".built-by-deploy-space.json"
"""The file in which this script notes the files that it has put into a folder."""

SPACE = "YOU/voice-bot"
"""A placeholder in the printed commands for the user's account and the Space's name."""

KEYS = "keys.env"
"""A placeholder in the printed commands for a file with lines `NAME=value`."""

FRONT_MATTER = """\
title: Voice Bot
emoji: 🎙️
colorFrom: indigo
colorTo: blue
{sdk}
fullWidth: true
pinned: false
license: mit
short_description: Talk to it, and speak over it whenever you like
tags:
  - voice-assistant
  - webrtc
  - speech-to-text
  - text-to-speech
"""

APP = ("app.py", "requirements.txt", "README.md", "voicebot/")
"""The files of every kind of Space. The files that README.md links to are added, so that all links work."""

BUILD = ("Dockerfile", ".dockerignore")
IMAGE = (*BUILD, "locks/pip.txt", "locks/run.txt")


class SpaceError(Exception):
    """The folder cannot be built. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of Space."""

    sdk: str
    front_matter: str
    """The lines of README.md's front matter that depend on the SDK."""
    hardware: str
    """The name of the hardware to request."""
    files: tuple[str, ...] = APP


def _gradio(python: str) -> str:
    return f'sdk: gradio\nsdk_version: "{GRADIO}"\npython_version: "{python}"\napp_file: app.py'


KINDS: Mapping[str, Kind] = {
    "cpu": Kind("gradio", _gradio("3.11"), "cpu-basic"),
    # ZeroGPU offers only Python 3.12.12 and 3.10.13 (huggingface.co/docs/hub/spaces-zerogpu); the bot needs 3.11 or
    # newer. `zero-a10g` is the old name of the hardware, which the Hub's API still uses.
    "zerogpu": Kind("gradio", _gradio("3.12.12"), "zero-a10g"),
    "docker": Kind("docker", "sdk: docker\napp_port: 7860", "cpu-basic", (*APP, *IMAGE)),
}


def build(kind: Kind, folder: Path, project: Path = PROJECT) -> list[str]:
    """Writes the Space's files into `folder` and returns their paths. Raises SpaceError.

    A folder that exists must be empty, or contain only files of an earlier run of this script.
    """
    committed = _committed_files(project)
    paths = sorted(_chosen(kind, committed))
    if ignored := sorted(_tracked_but_ignored(project).intersection(paths)):
        raise SpaceError(
            f"These files are committed, although .gitignore excludes them: {', '.join(ignored)}. Remove them from the "
            "repository (git rm --cached) before you upload anything."
        )
    _empty_folder(folder)
    # The marker is written first, so that the folder can be built again after an interrupted run.
    marker = {"commit": _git(project, "rev-parse", "HEAD").decode().strip(), "files": paths}
    (folder / MARKER).write_text(json.dumps(marker, indent=1) + "\n", "utf-8")
    for path in paths:
        content = committed[path]
        if path == "README.md":
            content = f"---\n{FRONT_MATTER.format(sdk=kind.front_matter)}---\n\n".encode() + content
        if path == "requirements.txt" and kind.sdk == "gradio":
            content = _without(NOT_ON_GRADIO, content)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return paths


def commands(kind: Kind, folder: Path) -> list[str]:
    """Returns the shell commands that create the Space and upload the folder, in their order."""
    create = ["hf", "repos", "create", SPACE, "--repo-type", "space", "--space-sdk", kind.sdk]
    return [
        shlex.join(command)
        for command in (
            ["hf", "auth", "login"],
            [*create, "--flavor", kind.hardware, "--secrets-file", KEYS],
            # Files that are no longer in the folder are deleted from the Space. Files with keys are never uploaded.
            ["hf", "upload", SPACE, str(folder), ".", "--repo-type", "space", "--delete", "*", "--exclude", "*.env"],
            ["hf", "spaces", "logs", SPACE, "--follow"],
        )
    ]


def uncommitted_changes(project: Path = PROJECT) -> list[str]:
    """Returns git's status line for each file of the app with uncommitted changes, which are not in the folder."""
    status = _git(project, "status", "--porcelain", "--untracked-files=all", "--", *APP, *IMAGE, "docs")
    return status.decode().splitlines()


def _committed_files(project: Path) -> dict[str, bytes]:
    """Returns the content of each regular file of the last commit, by its path.

    It leaves links out, as they could lead anywhere.
    """
    archive = _git(project, "archive", "--format=tar", "HEAD")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        return {name: file.read() for name, file in files.items() if file is not None}


def _chosen(kind: Kind, committed: Mapping[str, bytes]) -> set[str]:
    """Returns the paths in `committed` that the Space needs."""
    chosen: set[str] = set()
    for name in kind.files:
        found = {path for path in committed if path == name or (name.endswith("/") and path.startswith(name))}
        if not found:
            raise SpaceError(f"{name} is not in the last commit of this repository")
        chosen |= found
    documents = ["README.md"]
    while documents:
        document = documents.pop()
        linked = {path for path in _links(document, committed[document].decode()) if path in committed}
        linked -= set(BUILD) - set(kind.files)
        documents.extend(path for path in linked - chosen if path.endswith(".md"))
        chosen |= linked
    return chosen


def _without(packages: Sequence[str], requirements: bytes) -> bytes:
    """Returns a requirements file without the lines about these packages."""
    lines = requirements.decode().splitlines(keepends=True)
    return "".join(line for line in lines if re.split(r"[^A-Za-z0-9._-]", line)[0] not in packages).encode()


def _links(document: str, text: str) -> Iterator[str]:
    """Yields the paths that a Markdown document links to, relative to the repository."""
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if ":" not in target:
            yield posixpath.normpath(posixpath.join(posixpath.dirname(document), target))


def _tracked_but_ignored(project: Path) -> set[str]:
    listed = _git(project, "ls-files", "-z", "--cached", "--ignored", "--exclude-standard")
    return {path for path in listed.decode().split("\0") if path}


def _empty_folder(folder: Path) -> None:
    """Creates the folder, or empties one that this script has built. Raises SpaceError if anything else is in it."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SpaceError(f"{folder} is not a folder")
    if folder.exists() and any(folder.iterdir()):
        try:
            own = {MARKER, *json.loads((folder / MARKER).read_text("utf-8"))["files"]}
        except (OSError, ValueError, KeyError, TypeError):
            raise SpaceError(
                f"{folder} is not empty, and was not built by this script; use the name of a new folder"
            ) from None
        if foreign := sorted(set(_files_in(folder)) - own):
            raise SpaceError(f"{folder} contains files that this script has not put there: {', '.join(foreign[:5])}")
    folder.mkdir(parents=True, exist_ok=True)
    for child in folder.iterdir():
        shutil.rmtree(child) if child.is_dir() else child.unlink()


def _files_in(folder: Path) -> Iterator[str]:
    """Yields the relative paths of all files, and of links to folders, which it does not follow."""
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in [*links, *files]:
            yield (Path(parent) / name).relative_to(folder).as_posix()


def _git(project: Path, *arguments: str) -> bytes:
    try:
        ended = subprocess.run(["git", *arguments], cwd=project, capture_output=True, check=False)
    except FileNotFoundError:
        raise SpaceError("git is not installed, and only committed files get into the folder") from None
    if ended.returncode:
        problem = ended.stderr.decode(errors="replace").strip()
        raise SpaceError(f"git {arguments[0]} failed: {problem}. This script needs a git checkout of the project.")
    return ended.stdout


def _lines(texts: Sequence[str]) -> str:
    return "".join(f"  {text}\n" for text in texts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Builds the folder of a Hugging Face Space. See docs/space.md.")
    parser.add_argument("kind", choices=KINDS, help="the kind of Space; docs/space.md says which account may use which")
    parser.add_argument("folder", type=Path, help="a new or empty folder, or one that this script has built before")
    options = parser.parse_args(arguments)
    kind = KINDS[options.kind]
    try:
        paths = build(kind, options.folder)
        changes = uncommitted_changes()
    except (SpaceError, OSError) as error:
        sys.stderr.write(f"The folder can't be built.\n{error}\n")
        return 1
    if changes:
        sys.stderr.write("These changes are not committed, so the folder does not contain them:\n" + _lines(changes))
    sys.stdout.write(
        f"{options.folder} contains the Space: {len(paths)} files of the last commit.\n"
        "The next steps, which docs/space.md explains\n"
        f"(replace YOU by your account's name; {KEYS} is a file with a line NAME=value for each key):\n"
        + _lines(commands(kind, options.folder))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
