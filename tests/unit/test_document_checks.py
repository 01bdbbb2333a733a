"""The checks of documents find what is wrong: marks, commands, links' anchors. Nothing is run here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.documents.__main__ import CommandFailedError, all_work
from tests.documents.commands import commands, long_target, problems, problems_of, simulated_settings
from tests.documents.pages import Page, slug_of

PATH = Path("page.md")


def page(text: str) -> Page:
    return Page(PATH, text)


def test_a_comment_before_a_block_says_why_it_is_not_run_or_when_it_is_interrupted() -> None:
    text = """1. Build:

   <!-- not run: needs Docker; there is no daemon -->
   ```sh
   docker build .
   ```

<!-- runs until: # gTTS -->

```sh
python -m tests.simulators
```

<!-- not run: needs root -->

Text in between ends the effect of a comment.

```sh
make run
```
"""
    build, simulators, last = page(text).blocks
    assert (build.line, build.not_run, build.code) == (5, "needs Docker; there is no daemon", "docker build .\n")
    assert (simulators.line, simulators.runs_until, simulators.not_run) == (11, "# gTTS", "")
    assert (last.not_run, last.runs_until) == ("", "")


def test_a_reason_that_is_not_in_the_list_is_reported() -> None:
    (known,) = page("<!-- not run: needs Docker; as it says -->\n```sh\ndocker build .\n```").blocks
    (unknown,) = page("<!-- not run: too lazy -->\n```sh\nmake run\n```").blocks
    assert problems_of(known) == []
    assert ["too lazy" in problem for problem in problems_of(unknown)] == [True]


def test_a_marked_block_may_use_the_network_but_must_not_name_what_does_not_exist() -> None:
    (block,) = page("<!-- not run: needs root -->\n```sh\nsudo systemctl stop bot\nmake nonsense\n```").blocks
    assert problems_of(block) == ["make has no target nonsense"]


def test_links_images_and_code_spans_are_found_in_text_and_tables() -> None:
    text = "See [x](a.md#b) and ![i](i.png).\n\n| `A_B` | [y](#c) |\n|---|---|\n| `d` | |\n"
    assert page(text).links == ["a.md#b", "i.png", "#c"]
    assert page(text).code_spans == ["A_B", "d"]


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("What it cannot do, today", "what-it-cannot-do-today"),
        ("`RESUME_REWIND` and others", "resume_rewind-and-others"),
        ("Numbers – 8 users", "numbers--8-users"),
    ],
)
def test_a_heading_has_the_anchor_that_github_makes(heading: str, slug: str) -> None:
    assert page(f"## {heading}\n").anchors == {slug}
    assert slug_of(heading.replace("`", "")) == slug


def test_repeated_headings_are_numbered_and_explicit_anchors_count() -> None:
    assert page('# A\n\n## A\n\n## A\n\n<a id="here"></a>\n').anchors == {"a", "a-1", "a-2", "here"}


def test_a_command_goes_on_over_escaped_line_ends_and_comments_are_none() -> None:
    assert commands("# first\nmake run\n\nA=1 \\\n  make run  # again\n") == [
        (1, "make run"),
        (3, "A=1 \\\n  make run  # again"),
    ]
    assert commands("cat > f <<'EOF'\na\nEOF\n") == [(0, "cat > f <<'EOF'\na\nEOF\n")]


@pytest.mark.parametrize(
    "command",
    [
        "make run  # it's a comment: make nonsense",
        "DEEPGRAM_API_KEY=… GROQ_API_KEY=… make run",
        "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
        ".venv/bin/python app.py --host 0.0.0.0 --port=7860",
        "python3 deploy/space.py zerogpu ../space",
        ".venv/bin/python -m tests.simulators --fault elevenlabs=500",
        ".venv/bin/python -m tests --fast",
        ".venv/bin/python -m pytest tests/unit/test_config.py -q",
        "curl http://127.0.0.1:7860/health | cat",
        "make bench ARGS='-n 20 --peer-rounds 7'",
    ],
)
def test_a_command_that_can_be_run_has_no_problem(command: str) -> None:
    assert list(problems(command)) == []


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("make nonsense", "make has no target nonsense"),
        ("VOICE=x make run", "VOICE is not a setting"),
        ("OPENAI_MODEL=… make run", "OPENAI_MODEL=… has no value"),
        ("python app.py --nonsense", "app.py has no option --nonsense"),
        ("python app.py --por 1", "app.py has no option --por"),
        ("python nonsense.py", "nonsense.py does not exist"),
        (".venv/bin/python -m voicebot.nonsense", "there is no module voicebot.nonsense"),
        (".venv/bin/python -m nonsense.module", "there is no module nonsense.module"),
        (".venv/bin/python -m voicebot.client ws://127.0.0.1:7860/ws --nonsense", "has no option --nonsense"),
        (".venv/bin/python -m pytest tests/unit/nonsense", "tests/unit/nonsense does not exist"),
        ("make run && hf upload", "hf is not a program that the harness knows"),
        ("curl https://example.org/x", "example.org is in the network"),
        ("git clone https://example.org/x", "example.org is in the network"),
    ],
)
def test_what_is_wrong_with_a_command_is_said(command: str, problem: str) -> None:
    (found,) = problems(command)
    assert problem in found


def test_targets_that_take_minutes_are_known() -> None:
    assert [long_target(f"make {name}") for name in ("test", "bench-load", "run", "lint")] == [
        "test",
        "bench-load",
        None,
        None,
    ]
    assert long_target("REQUIRE_BROWSER=1 make test ARGS=-q") == "test"


PRINTED = """DEEPGRAM_API_KEY=dg \\
DEEPGRAM_BASE_URL=http://127.0.0.1:1 \\
OPENAI_API_KEY=any \\
OPENAI_BASE_URL=http://127.0.0.1:2/v1 \\
NO_PROXY=127.0.0.1 \\
.venv/bin/python app.py

# OpenAI Realtime: OPENAI_BASE_URL=http://127.0.0.1:3/v1 LLM_ENGINE=openai-realtime
# Hugging Face: HF_TOKEN=hf HUGGINGFACE_BASE_URL=http://127.0.0.1:4/v1 LLM_ENGINE=huggingface
# gTTS: TTS_ENGINE=gtts,espeak      Flux: DEEPGRAM_MODEL=flux-general-en
"""


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("DEEPGRAM_API_KEY=… make run", {"DEEPGRAM_API_KEY": "dg", "DEEPGRAM_BASE_URL": "http://127.0.0.1:1"}),
        (
            "OPENAI_API_KEY=… LLM_ENGINE=openai-realtime make run",
            {"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": "http://127.0.0.1:3/v1"},
        ),
        ("HF_TOKEN=… make run", {"HF_TOKEN": "hf", "HUGGINGFACE_BASE_URL": "http://127.0.0.1:4/v1"}),
    ],
)
def test_keys_in_a_command_are_those_of_the_simulators(command: str, settings: dict[str, str]) -> None:
    assert simulated_settings(PRINTED, command) == {**settings, "NO_PROXY": "127.0.0.1"}


@pytest.mark.parametrize(
    ("engines", "problem"),
    [
        ([{"name": "deepgram", "ready": False, "reason": "401"}], "deepgram: 401"),
        ([{"name": "moonshine", "ready": True, "reason": None}], "DEEPGRAM_API_KEY is not used"),
    ],
)
def test_a_bot_whose_engine_fails_or_is_missing_does_not_do_what_its_command_promises(
    engines: list[dict[str, Any]], problem: str
) -> None:
    with pytest.raises(CommandFailedError, match=problem):
        all_work(engines, ["DEEPGRAM_API_KEY", "DEEPGRAM_BASE_URL"])


def test_a_bot_is_ready_once_all_of_its_engines_are() -> None:
    trying = {"name": "groq", "ready": None, "reason": None}
    assert not all_work([trying], ["GROQ_API_KEY"])
    assert all_work([trying | {"ready": True}], ["GROQ_API_KEY"])
