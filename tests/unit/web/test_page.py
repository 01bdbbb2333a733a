"""The parts and scripts of the page, and the HTML that Gradio generates from them."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr
import pytest

from voicebot.dialogue import timings
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view as view_of
from voicebot.web.ui import page, rendered
from voicebot.web.ui.offline import without_foreign_tags


@pytest.fixture
async def blocks() -> gr.Blocks:
    """Builds the page on a running event loop, as the server does. Otherwise Gradio would leave loops open."""
    return page.build_page(max_text_chars=77)


@pytest.fixture
def components(blocks: gr.Blocks) -> list[dict[str, Any]]:
    return list(blocks.get_config_file()["components"])


async def test_the_rendered_page_loads_nothing_from_other_hosts(blocks: gr.Blocks) -> None:
    html = rendered.render(blocks)
    assert "Voice Bot" in html
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", html.split("window.gradio_config")[0])
    tags += re.findall(r"<(?:script|link)\b[^>]*>", html.rsplit("window.gradio_api_info", 1)[1])
    assert tags
    assert [tag for tag in tags if re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag)] == []


@pytest.mark.parametrize(
    "removed",
    [
        '<link rel="manifest" href="/manifest.json" />',
        '<link rel="stylesheet" href="https://fonts.example/a.css">',
        '<link rel="preconnect" href="http://fonts.example" crossorigin="anonymous" />',
        '<script src="https://cdn.example/a.js"></script>',
        '<script async src="https://cdn.example/a.js" integrity="x">\n</script>',
    ],
)
def test_tags_that_load_files_of_other_hosts_and_the_manifest_link_are_removed_and_others_stay(removed: str) -> None:
    script, others = '<script src="./a.js"></script>', '<link href="./a.css"><meta content="https://x.y" />'
    assert without_foreign_tags(script + removed + others) == script + others


def test_the_styles_and_scripts_in_the_page_head_load_no_other_files() -> None:
    head = page.head()
    assert "http://" not in head
    assert "https://" not in head
    assert "@import" not in head
    assert "url(" not in head


def test_the_script_modules_are_joined_without_imports_exports_or_name_clashes() -> None:
    script = page.script()
    assert not re.search(r"^(?:import|export)\b", script, re.MULTILINE)
    names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", script, re.MULTILINE)
    assert len(names) == len(set(names)), "two modules define the same name"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script)


def test_every_script_module_comes_after_the_modules_it_imports() -> None:
    for place, name in enumerate(page.SCRIPTS):
        source = (page.ASSETS / f"{name}.js").read_text(encoding="utf-8")
        for imported in re.findall(r'from "\./(\w+)\.js"', source):
            assert imported in page.SCRIPTS[:place], f"{name} comes before {imported}, which it imports"


def test_every_script_and_style_file_is_listed_for_the_page() -> None:
    assert {path.stem for path in page.ASSETS.glob("*.js")} == set(page.SCRIPTS)
    assert {path.stem for path in page.ASSETS.glob("*.css")} == set(page.STYLES)


def test_each_latency_step_and_each_status_has_its_element_in_the_page(components: list[dict[str, Any]]) -> None:
    html = "".join(component["props"].get("value") or "" for component in components if component["type"] == "html")
    assert re.findall(r'data-step="([^"]+)"', html) == [step.name for step in timings.STEPS]
    view = view_of(State())
    assert set(re.findall(r'data-part="([^"]+)"', html)) == set(view["status"])


def test_the_text_box_allows_as_many_characters_as_the_server(components: list[dict[str, Any]]) -> None:
    box = next(component for component in components if component["type"] == "textbox")
    assert box["props"]["max_length"] == 77
