"""Tests of a Space's folder: its front matter, the files that it contains, and those that it must not contain."""

from __future__ import annotations

import json
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from deploy.space import KINDS, MARKER, SpaceError, build, commands
from tests.simulators.hub import Hub
from tests.support.paths import PROJECT
from tools.locks import requirements
from voicebot.settings.space import PORT

# The tests share fixtures that take seconds to make, so they run in one worker.
pytestmark = pytest.mark.xdist_group("space folder")

COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
ZERO_GPU_PYTHONS = {"3.12.12", "3.10.13"}
"""The values of huggingface.co/docs/hub/spaces-zerogpu, August 2026."""

MANY_FILES = tuple(f"tests/{folder}/" for folder in ("unit", "integration", "realtime", "benchmarks", "attacks"))
GIT = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
SECRET = "hf_secret"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run([*GIT, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns this project without most of its tests, committed, beside files that must not get into the folder."""
    if not (PROJECT / ".git").exists():
        pytest.skip("the project is not a git checkout")
    copy = tmp_path_factory.mktemp("project")
    for path in git(PROJECT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if path and (PROJECT / path).is_file() and not path.startswith(MANY_FILES):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / path, copy / path)
    (copy / "voicebot" / "link.py").symlink_to("/etc/hostname")
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "all")
    for path in (".env", "conversations.db", "voicebot/.env", "voicebot/own_keys.py", "docs/notes.md", "keys.env"):
        (copy / path).write_text(SECRET, "utf-8")
    return copy


@pytest.fixture
def project(committed: Path, tmp_path: Path) -> Path:
    """Returns a copy of the committed project that the test may change."""
    return Path(shutil.copytree(committed, tmp_path / "project", symlinks=True))


@pytest.fixture(scope="module")
def built(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Returns the folder of each kind of Space."""
    folders = {name: tmp_path_factory.mktemp("spaces") / name for name in KINDS}
    for name, folder in folders.items():
        build(KINDS[name], folder, committed)
    return folders


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def front_matter(folder: Path) -> dict[str, Any]:
    found = re.match(r"---\n(.*?)\n---\n\n# ", (folder / "README.md").read_text("utf-8"), re.DOTALL)
    assert found is not None, "Hugging Face expects the front matter at the very beginning"
    parsed: dict[str, Any] = yaml.safe_load(found[1])
    return parsed


def required(folder: Path, name: str) -> SpecifierSet:
    lines = requirements((folder / "requirements.txt").read_text("utf-8"))
    (found,) = [each for each in lines if each.name == name]
    return found.specifier


# The front matter: huggingface.co/docs/hub/spaces-config-reference ---------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_front_matter_has_only_fields_and_values_that_hugging_face_knows(
    kind: str, built: Mapping[str, Path]
) -> None:
    said = front_matter(built[kind])
    assert set(said) <= {
        *("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "app_port"),
        *("fullWidth", "pinned", "license", "short_description", "tags"),
    }
    assert said["title"] == "Voice Bot"
    assert {said["colorFrom"], said["colorTo"]} <= COLOURS
    assert len(said["emoji"].removesuffix("\ufe0f")) == 1
    assert len(said["short_description"]) <= 60


@pytest.mark.parametrize("kind", ["cpu", "zerogpu"])
def test_a_gradio_space_names_the_installed_gradio_version_and_an_existing_app_file(
    kind: str, built: Mapping[str, Path]
) -> None:
    """Hugging Face installs `sdk_version` beside requirements.txt, so the two must name the version that is tested
    here."""
    said = front_matter(built[kind])
    assert said["sdk"] == "gradio"
    assert said["sdk_version"] == version("gradio")
    assert said["sdk_version"] in required(built[kind], "gradio")
    assert (built[kind] / said["app_file"]).is_file()
    assert "app_port" not in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradio_space_does_not_require_another_version_of_a_package_than_hugging_face_installs(
    kind: str, built: Mapping[str, Path]
) -> None:
    """Hugging Face installs `gradio[mcp]` with Gradio's SDK."""
    asked = {each.name: each for each in requirements((built[kind] / "requirements.txt").read_text("utf-8"))}
    pinned = [Requirement(line) for line in metadata.requires("gradio") or () if "extra == 'mcp'" in line]
    (mcp,) = [each for each in pinned if each.name == "mcp"]
    assert len(asked) > 20
    assert str(mcp.specifier) == "==1.10.1"
    assert ("mcp" in asked) is (front_matter(built[kind])["sdk"] == "docker")


@pytest.mark.parametrize("kind", ["cpu", "zerogpu"])
def test_the_python_version_of_a_space_is_one_that_the_project_supports(kind: str, built: Mapping[str, Path]) -> None:
    python = front_matter(built[kind])["python_version"]
    assert isinstance(python, str), "YAML reads 3.10 without quotes as 3.1"
    wanted = re.search(r'requires-python = "(.*)"', (PROJECT / "pyproject.toml").read_text("utf-8"))
    assert wanted is not None
    assert python in SpecifierSet(wanted[1])
    if kind == "zerogpu":
        assert python in ZERO_GPU_PYTHONS


def test_a_docker_space_names_the_servers_port_and_no_gradio_settings(built: Mapping[str, Path]) -> None:
    said = front_matter(built["docker"])
    assert (said["sdk"], said["app_port"]) == ("docker", PORT)
    assert {"sdk_version", "python_version", "app_file"}.isdisjoint(said)


# The files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_holds_the_app_and_only_committed_files(
    kind: str, built: Mapping[str, Path], committed: Path
) -> None:
    files = files_in(built[kind])
    tracked = set(git(committed, "ls-files", "-z").split("\0"))
    assert files - {MARKER} <= tracked
    package = {path for path in tracked if path.startswith("voicebot/")} - {"voicebot/link.py"}
    assert {"app.py", "requirements.txt", "README.md", *package} <= files
    for path in ("app.py", "voicebot/web/server.py"):
        assert (built[kind] / path).read_bytes() == (committed / path).read_bytes()
    asked, all_asked = ((each / "requirements.txt").read_text("utf-8") for each in (built[kind], committed))
    assert [line for line in all_asked.splitlines() if line not in asked.splitlines()] == (
        [] if kind == "docker" else ["mcp>=2.3,<3"]
    )
    assert [path for path in files if SECRET.encode() in (built[kind] / path).read_bytes()] == []
    assert ({"Dockerfile", ".dockerignore"} <= files) == (kind == "docker")
    assert ({"Dockerfile", ".dockerignore"} & files == set()) == (kind != "docker")


@pytest.mark.parametrize("kind", KINDS)
def test_all_links_in_the_folders_documents_resolve(kind: str, built: Mapping[str, Path]) -> None:
    folder = built[kind]
    documents = [path for path in files_in(folder) if path.endswith(".md") and not path.startswith("voicebot/")]
    assert "docs/space.md" in documents
    for document in documents:
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", (folder / document).read_text("utf-8")):
            assert (folder / posixpath.join(posixpath.dirname(document), link)).exists(), f"{document}: {link}"


def test_the_projects_own_readme_has_no_front_matter() -> None:
    assert (PROJECT / "README.md").read_text("utf-8").startswith("# ")


def test_a_committed_file_that_gitignore_excludes_stops_the_build(project: Path, tmp_path: Path) -> None:
    git(project, "add", "--force", "voicebot/.env")
    git(project, "commit", "--quiet", "--message", "by mistake")
    with pytest.raises(SpaceError, match=r"^These files are committed, .*: voicebot/\.env\."):
        build(KINDS["cpu"], tmp_path / "space", project)
    assert not (tmp_path / "space").exists()


# An existing folder ---------------------------------------------------------------------------------------------------


def test_a_rebuild_removes_files_of_the_previous_build(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "space"
    build(KINDS["docker"], folder, project)
    assert (folder / "Dockerfile").exists()
    git(project, "rm", "--quiet", "voicebot/web/ui/share.py")
    git(project, "commit", "--quiet", "--message", "fewer files")
    paths = build(KINDS["zerogpu"], folder, project)
    assert files_in(folder) == {MARKER, *paths}
    assert {"Dockerfile", "voicebot/web/ui/share.py"}.isdisjoint(paths)
    assert front_matter(folder)["python_version"] == "3.12.12"
    assert json.loads((folder / MARKER).read_text("utf-8"))["commit"] == git(project, "rev-parse", "HEAD").strip()


def test_a_build_into_a_folder_with_other_files_is_refused(committed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "space"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(SpaceError, match="is not empty, and was not built by this script"):
        build(KINDS["cpu"], folder, committed)
    assert files_in(folder) == {"thesis.txt"}


@pytest.mark.parametrize("stranger", [".env", "voicebot/mine.py", ".git/config"])
def test_a_rebuild_is_refused_if_a_file_was_added_to_the_folder(stranger: str, committed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "space"
    before = {MARKER, *build(KINDS["cpu"], folder, committed)}
    (folder / stranger).parent.mkdir(exist_ok=True)
    (folder / stranger).write_text("mine", "utf-8")
    with pytest.raises(SpaceError, match=f"has not put there: {re.escape(stranger)}"):
        build(KINDS["cpu"], folder, committed)
    assert files_in(folder) == {stranger, *before}


def test_a_build_into_a_symlinked_folder_is_refused(committed: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "space").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpaceError, match="not a folder"):
        build(KINDS["cpu"], tmp_path / "space", committed)


# The command ----------------------------------------------------------------------------------------------------------


def run(project: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the script without packages: -I hides those of the environment and the user, -S the installed ones."""
    command = [sys.executable, "-I", "-S", str(project / "deploy" / "space.py"), *arguments]
    env = {"PATH": os.environ["PATH"] if path is None else path}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def test_the_script_needs_no_package_and_prints_the_next_commands(committed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my space"
    ended = run(committed, "zerogpu", str(folder))
    assert ended.returncode == 0, ended.stderr
    assert (folder / "app.py").exists()
    printed = [line.strip() for line in ended.stdout.splitlines() if line.startswith("  ")]
    assert printed == commands(KINDS["zerogpu"], folder)
    assert "These changes are not committed, so the folder does not contain them:\n" in ended.stderr
    assert "?? voicebot/own_keys.py" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "path", "reason"),
    [
        (["cpu", "/"], None, "/ is not empty"),
        (["cpu", "/dev/null"], None, "/dev/null is not a folder"),
        (["cpu", "space"], "", "git is not installed"),
    ],
)
def test_a_failed_build_prints_its_reason_without_a_traceback(
    arguments: list[str], path: str | None, reason: str, committed: Path
) -> None:
    ended = run(committed, *arguments, path=path)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"The folder can't be built.\n{reason}")
    assert "Traceback" not in ended.stderr


def test_the_script_says_that_it_needs_a_git_checkout(project: Path) -> None:
    shutil.rmtree(project / ".git")
    ended = run(project, "cpu", str(project / "space"))
    assert ended.returncode == 1
    assert "needs a git checkout of the project" in ended.stderr


# The real `hf` takes the commands that the script prints --------------------------------------------------------------


class Answer(NamedTuple):
    status: int
    output: str


HF = """
import json, os, sys
from huggingface_hub.cli.hf import main
for number, arguments in enumerate(json.loads(sys.argv[1])):
    if not (child := os.fork()):
        output = os.open(f"answer {number}", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1), os.dup2(output, 2)
        sys.argv = ["hf", *arguments]
        try:
            sys.exit(main())
        except SystemExit as ended:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(ended.code or 0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
"""Runs `hf` commands, each in a process forked from one that has imported it, since the import takes half a second."""


def hf(hub: Hub, folder: Path, commands: Sequence[str]) -> list[Answer]:
    """Printed commands as they are typed, with the `hf` of this environment and a Hub on this machine."""
    typed = [shlex.split(command, comments=True) for command in commands]
    assert {program for program, *_ in typed} == {"hf"}
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    env = ours | {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", HF, json.dumps([arguments for _, *arguments in typed])],
        cwd=folder,
        env=env | {"NO_PROXY": "127.0.0.1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    statuses = map(int, done.stdout.split())
    output = [(folder / f"answer {number}").read_text("utf-8") for number in range(len(typed))]
    return [Answer(*each) for each in zip(statuses, output, strict=True)]


def test_the_hf_command_calls_the_same_main_as_these_tests() -> None:
    script = Path(sys.executable).with_name("hf").read_text("utf-8")
    assert "from huggingface_hub.cli.hf import main\n" in script
    assert "sys.exit(main())" in script


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_commands_create_the_space_and_upload_the_folder(
    kind: str, built: Mapping[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "keys.env").write_text("HF_TOKEN=hf_for_the_relay\nGROQ_API_KEY='gsk_1'\n", "utf-8")
    _, create, upload, _ = commands(KINDS[kind], built[kind])
    with Hub().running() as hub:
        hub.files["voicebot/of_an_older_version.py"] = b""
        (built[kind] / "keys.env").write_text("GROQ_API_KEY=gsk_1", "utf-8")
        try:
            answers = hf(hub, tmp_path, [create, upload])
        finally:
            (built[kind] / "keys.env").unlink()
        assert [answer.status for answer in answers] == [0, 0], answers
        (created,) = hub.created
        assert (created["organization"], created["name"], created["type"]) == ("YOU", "voice-bot", "space")
        assert created["sdk"] == front_matter(built[kind])["sdk"]
        assert created["hardware"] == {"zerogpu": "zero-a10g"}.get(kind, "cpu-basic")
        assert created["secrets"] == [
            {"key": "HF_TOKEN", "value": "hf_for_the_relay"},
            {"key": "GROQ_API_KEY", "value": "gsk_1"},
        ]
        assert set(hub.files) == {".gitattributes", *files_in(built[kind])}
        assert hub.files["app.py"] == (built[kind] / "app.py").read_bytes()


def documented() -> list[str]:
    """Returns each `hf` command in docs/space.md."""
    blocks = re.findall(r"```sh\n(.*?)```", (PROJECT / "docs" / "space.md").read_text("utf-8"), re.DOTALL)
    lines = (line.partition("  #")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line.startswith("hf ")]


def test_the_space_document_contains_the_commands_that_the_script_prints() -> None:
    documented_commands = documented()
    for kind in KINDS.values():
        assert [line for line in commands(kind, Path("../space")) if line not in documented_commands] == []


WRONG = ("hf spaces create YOU/voice-bot", "hf repos create YOU/voice-bot --space-hardware zero-a10g")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Answer]:
    """Returns the output of `hf` for each command of the document, and for wrong ones."""
    folder = tmp_path_factory.mktemp("answers")
    (folder / "keys.env").write_text("HF_TOKEN=hf_for_the_relay\n", "utf-8")
    (folder / "space").mkdir()
    typed = [*dict.fromkeys(documented()), *WRONG]
    with Hub().running() as hub:
        hub.created.append({})
        output = hf(hub, folder, [command.replace("../space", "space") for command in typed])
    return dict(zip(typed, output, strict=True))


@pytest.mark.parametrize("command", dict.fromkeys(documented()))
def test_hf_knows_the_commands_and_options_of_the_space_document(command: str, answers: Mapping[str, Answer]) -> None:
    """The Hub refuses the commands. A command or an option that does not exist ends with 2 and its usage."""
    status, output = answers[command]
    assert status in (0, 1), output
    assert "Usage: " not in output
    assert "Traceback" not in output


@pytest.mark.parametrize("command", WRONG)
def test_hf_answers_unknown_commands_and_options_with_status_2(command: str, answers: Mapping[str, Answer]) -> None:
    assert answers[command].status == 2
