"""The page: Gradio Blocks with one mount point for our own HTML, which our own modules bring to life."""

from __future__ import annotations

import warnings
from pathlib import Path
from string import Template

import gradio as gr

from voicebot.dialogue.timings import GAP_MS, STEPS, TurnStep
from voicebot.web.ui.theme import PageTheme

PAGE = Path(__file__).with_name("page.html")

TITLE = "Voice Bot"

PARTS = (
    ("stt", "Speech to text", "stt"),
    ("agent", "Agent", "llm"),
    ("tts", "Text to speech", "tts"),
    ("playback", "Playback", "playback"),
    ("interruption", "Interruption", "vad"),
)
"""The parts whose state is shown: key in the view, name, and the stage whose engine does the work."""


def build_page(max_text_chars: int = 2_000) -> gr.Blocks:
    """Builds the page. `rendered` makes HTML of it and links the modules and styles."""
    with warnings.catch_warnings():
        # Gradio 5.50 warns that Gradio 6 takes these elsewhere; FastRTC keeps us on 5.
        warnings.filterwarnings("ignore", r"The '\w+' parameter in the Blocks constructor", DeprecationWarning)
        page = gr.Blocks(title=TITLE, theme=PageTheme(), analytics_enabled=False, fill_width=True)
    with page:
        gr.HTML(page_html(max_text_chars), padding=False)
    return page


def page_html(max_text_chars: int) -> str:
    """Returns the page's own HTML, in which the user can type up to `max_text_chars` at once."""
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        max_text_chars=max_text_chars,
        budget_ms=GAP_MS,
        parts="".join(_part(*part) for part in PARTS),
        steps="".join(_step(step) for step in STEPS),
        last_step=STEPS[-1].name,
    )


def _part(part: str, name: str, stage: str) -> str:
    return (
        f'<div data-part="{part}" data-engine="{stage}" data-status="idle"><dt>{name}</dt>'
        '<dd class="vb-status">idle</dd><dd class="vb-engine"></dd></div>'
    )


def _step(step: TurnStep) -> str:
    return (
        f'<tr data-step="{step.name}" title="{step.meaning}"><th scope="row">{step.name}</th>'
        '<td class="vb-track"><span class="vb-lane"><span class="vb-bar"></span></span></td>'
        '<td class="vb-now">–</td><td class="vb-median">–</td></tr>'
    )
