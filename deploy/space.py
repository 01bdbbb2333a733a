"""Builds the folder of a Hugging Face Space from this repository: `python deploy/space.py KIND FOLDER`.

KIND is `cpu`, `zerogpu` or `docker`; docs/space.md says which account may have which. Only committed files get into the
folder, so nothing that lies beside them (keys in .env, conversations.db) can be uploaded by mistake. The script needs
git and Python 3.11, and no package.
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
"""The version that a Space with Gradio's SDK installs. A test compares it with the installed one."""

MARKER = ".built-by-deploy-space.json"
"""The file that tells this script which files of a folder are its own."""

SPACE = "YOU/voice-bot"
"""Stands in the printed commands for the user's account and the Space's name."""

KEYS = "keys.env"
"""Stands in the printed commands for a file with one `NAME=value` a line."""

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
"""The files of every kind of Space. Those that README.md links to are added, so that no link is broken."""

IMAGE = ("Dockerfile", ".dockerignore")


class SpaceError(Exception):
    """The folder can't be built. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to a Space: its SDK, the SDK's lines of the front matter, the hardware to ask for, and the files."""

    sdk: str
    front_matter: str
    hardware: str
    files: tuple[str, ...] = APP


def _gradio(python: str) -> str:
    return f'sdk: gradio\nsdk_version: "{GRADIO}"\npython_version: "{python}"\napp_file: app.py'


KINDS: Mapping[str, Kind] = {
    "cpu": Kind("gradio", _gradio("3.11"), "cpu-basic"),
    # ZeroGPU has Python 3.12.12 and 3.10.13 only (huggingface.co/docs/hub/spaces-zerogpu); the bot needs 3.11 or newer.
    # `zero-a10g` is the old name of the hardware, which the Hub's API keeps.
    "zerogpu": Kind("gradio", _gradio("3.12.12"), "zero-a10g"),
    "docker": Kind("docker", "sdk: docker\napp_port: 7860", "cpu-basic", (*APP, *IMAGE)),
}


def build(kind: Kind, folder: Path, project: Path = PROJECT) -> list[str]:
    """Writes the Space's files into `folder` and returns their paths. Raises SpaceError.

    A folder that exists must be empty, or hold only what an earlier run of this script has put there.
    """
    committed = _committed_files(project)
    paths = sorted(_chosen(kind, committed))
    if ignored := sorted(_tracked_but_ignored(project).intersection(paths)):
        raise SpaceError(
            f"{', '.join(ignored)}: committed, although .gitignore excludes such files. Remove it from the repository "
            "(git rm --cached) before you upload anything."
        )
    _make_room(folder)
    # The marker comes first: after a run that was interrupted the folder can be built again
    marker = {"commit": _git(project, "rev-parse", "HEAD").decode().strip(), "files": paths}
    (folder / MARKER).write_text(json.dumps(marker, indent=1) + "\n", "utf-8")
    for path in paths:
        content = committed[path]
        if path == "README.md":
            content = f"---\n{FRONT_MATTER.format(sdk=kind.front_matter)}---\n\n".encode() + content
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return paths


def commands(kind: Kind, folder: Path) -> list[str]:
    """Returns the shell commands that create the Space and upload the folder, in order."""
    create = ["hf", "repos", "create", SPACE, "--repo-type", "space", "--space-sdk", kind.sdk]
    return [
        shlex.join(command)
        for command in (
            ["hf", "auth", "login"],
            [*create, "--flavor", kind.hardware, "--secrets-file", KEYS],
            # Deletes from the Space the files that the folder no longer has, and never uploads key files
            ["hf", "upload", SPACE, str(folder), ".", "--repo-type", "space", "--delete", "*", "--exclude", "*.env"],
            ["hf", "spaces", "logs", SPACE, "--follow"],
        )
    ]


def uncommitted_changes(project: Path = PROJECT) -> list[str]:
    """Returns git's line for each file of the app with changes that are not committed, and so not in the folder."""
    status = _git(project, "status", "--porcelain", "--untracked-files=all", "--", *APP, *IMAGE, "docs")
    return status.decode().splitlines()


def _committed_files(project: Path) -> dict[str, bytes]:
    """Returns path and content of each regular file of the last commit. Links are left out: they may lead anywhere."""
    archive = _git(project, "archive", "--format=tar", "HEAD")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        return {name: file.read() for name, file in files.items() if file is not None}


def _chosen(kind: Kind, committed: Mapping[str, bytes]) -> set[str]:
    """Returns the paths of `committed` that the Space needs."""
    chosen: set[str] = set()
    for name in kind.files:
        found = {path for path in committed if path == name or (name.endswith("/") and path.startswith(name))}
        if not found:
            raise SpaceError(f"{name}: not in the last commit of this repository")
        chosen |= found
    documents = ["README.md"]
    while documents:
        document = documents.pop()
        linked = {path for path in _links(document, committed[document].decode()) if path in committed}
        linked -= set(IMAGE) - set(kind.files)
        documents.extend(path for path in linked - chosen if path.endswith(".md"))
        chosen |= linked
    return chosen


def _links(document: str, text: str) -> Iterator[str]:
    """Yields the paths that a Markdown document links to, relative to the top of the repository."""
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if ":" not in target:
            yield posixpath.normpath(posixpath.join(posixpath.dirname(document), target))


def _tracked_but_ignored(project: Path) -> set[str]:
    listed = _git(project, "ls-files", "-z", "--cached", "--ignored", "--exclude-standard")
    return {path for path in listed.decode().split("\0") if path}


def _make_room(folder: Path) -> None:
    """Creates the folder, or empties one that this script has built. Raises SpaceError if anything else is in it."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SpaceError(f"{folder}: not a folder")
    if folder.exists() and any(folder.iterdir()):
        try:
            own = {MARKER, *json.loads((folder / MARKER).read_text("utf-8"))["files"]}
        except (OSError, ValueError, KeyError, TypeError):
            raise SpaceError(f"{folder}: not empty, and not built by this script; name a new folder") from None
        if strange := sorted(set(_files_in(folder)) - own):
            raise SpaceError(f"{folder}: holds files that this script has not put there: {', '.join(strange[:5])}")
    folder.mkdir(parents=True, exist_ok=True)
    for child in folder.iterdir():
        shutil.rmtree(child) if child.is_dir() else child.unlink()


def _files_in(folder: Path) -> Iterator[str]:
    """Yields the relative paths of all files, and of links to folders, which are not followed."""
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in [*links, *files]:
            yield (Path(parent) / name).relative_to(folder).as_posix()


def _git(project: Path, *arguments: str) -> bytes:
    try:
        ended = subprocess.run(["git", *arguments], cwd=project, capture_output=True, check=False)
    except FileNotFoundError:
        raise SpaceError("git is not installed, and the folder gets only files that git knows") from None
    if ended.returncode:
        problem = ended.stderr.decode(errors="replace").strip()
        raise SpaceError(f"git {arguments[0]}: {problem}. The folder is built from a git checkout of the project.")
    return ended.stdout


def _lines(texts: Sequence[str]) -> str:
    return "".join(f"  {text}\n" for text in texts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Builds the folder of a Hugging Face Space. See docs/space.md.")
    parser.add_argument("kind", choices=KINDS, help="which account may have which: docs/space.md")
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
        sys.stderr.write("Not in the folder, as it is not committed:\n" + _lines(changes))
    sys.stdout.write(
        f"{options.folder} holds the Space, {len(paths)} files of the last commit. Next, as docs/space.md explains\n"
        f"(put your account's name for YOU; {KEYS} is a file with a line NAME=value for each key):\n"
        + _lines(commands(kind, options.folder))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
