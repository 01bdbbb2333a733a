"""The HTML of the page, and the modules and styles that it loads."""

from __future__ import annotations

import re

import gradio as gr
import pytest

from voicebot.dialogue import timings
from voicebot.dialogue.state import State
from voicebot.dialogue.view import view as view_of
from voicebot.web.ui import page, rendered
from voicebot.web.ui.offline import without_foreign_tags
from voicebot.web.ui.rendered import STATIC, STYLES, StaticFiles


@pytest.fixture
async def blocks() -> gr.Blocks:
    """Builds the page on a running event loop, as the server does. Otherwise Gradio would leave loops open."""
    return page.build_page(max_text_chars=77)


async def test_the_rendered_page_loads_nothing_from_other_hosts(blocks: gr.Blocks) -> None:
    html = rendered.render(blocks)
    assert "Voice Bot" in html
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", html.split("window.gradio_config")[0])
    tags += re.findall(r"<(?:script|link)\b[^>]*>", html.rsplit("window.gradio_api_info", 1)[1])
    assert tags
    assert [tag for tag in tags if re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag)] == []


async def test_a_link_to_the_page_is_previewed_with_its_own_title_and_description(blocks: gr.Blocks) -> None:
    html = rendered.render(blocks)
    metas = re.findall(r"""<meta\s+(?:property|name)="((?:og|twitter):\w+)"\s+content="([^"]*)"\s*/?>""", html)
    assert metas == [
        ("og:type", "website"),
        ("og:title", "Voice Bot"),
        ("og:description", rendered.DESCRIPTION),
    ]
    assert "try out the app" not in html


@pytest.mark.parametrize(
    "removed",
    [
        '<link rel="manifest" href="/manifest.json" />',
        '<meta property="og:title" content="Gradio" />',
        '<meta\n name="twitter:image"\n content="https://pictures.example/a.jpg"\n/>',
        '<link rel="stylesheet" href="https://fonts.example/a.css">',
        '<link rel="preconnect" href="http://fonts.example" crossorigin="anonymous" />',
        '<script src="https://cdn.example/a.js"></script>',
        '<script async src="https://cdn.example/a.js" integrity="x">\n</script>',
    ],
)
def test_tags_that_load_files_of_other_hosts_and_the_manifest_link_are_removed_and_others_stay(removed: str) -> None:
    script, others = '<script src="./a.js"></script>', '<link href="./a.css"><meta content="https://x.y" />'
    assert without_foreign_tags(script + removed + others) == script + others


def test_scripts_and_styles_load_no_files_from_elsewhere() -> None:
    for path in [*STATIC.glob("*.js"), *STATIC.glob("*.css")]:
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://|@import|url\(", source), path.name


def test_every_module_that_is_imported_is_served_and_preloaded() -> None:
    files = StaticFiles()
    imported = {"main.js"}
    for path in STATIC.glob("*.js"):
        imported |= set(re.findall(r'^(?:import|\} from) .*"\./(\w+\.js)";$', path.read_text("utf-8"), re.MULTILINE))
        imported |= set(re.findall(r'^\} from "\./(\w+\.js)";$', path.read_text("utf-8"), re.MULTILINE))
    assert imported == set(files.modules)
    for name in files.modules:
        assert f'<link rel="modulepreload" fetchpriority="low" href="./static/{files.version}/{name}">' in files.head


def test_every_style_sheet_is_part_of_the_one_that_is_sent() -> None:
    assert {path.stem for path in STATIC.glob("*.css")} == set(STYLES)


async def test_gradio_mounts_the_page_as_one_component(blocks: gr.Blocks) -> None:
    (component,) = blocks.get_config_file()["components"]
    assert component["type"] == "html"


def test_each_latency_step_and_each_status_has_its_element_in_the_page() -> None:
    html = page.page_html(77)
    assert re.findall(r'data-step="([^"]+)"', html) == [step.name for step in timings.STEPS]
    assert set(re.findall(r'data-part="([^"]+)"', html)) == set(view_of(State())["status"])


def test_the_text_box_allows_as_many_characters_as_the_server() -> None:
    assert 'maxlength="77"' in page.page_html(77)
