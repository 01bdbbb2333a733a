"""The page: Gradio Blocks around live parts that our own script draws from the state the server sends."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from string import Template
from urllib.parse import quote

import gradio as gr

from voicebot.dialogue.timings import GAP_MS, STEPS, TurnStep
from voicebot.web.ui.theme import PageTheme

ASSETS = Path(__file__).parent / "assets"

SCRIPTS = (
    "dom",
    "memory",
    "choices",
    "pulse",
    "connection",
    "ice",
    "problems",
    "reconnection",
    "line",
    "server",
    "ending",
    "microphone",
    "user_sound",
    "bot_voice",
    "lifecycle",
    "wrong_calls",
    "conversation",
    "session",
    "judgement",
    "sound_check",
    "preflight",
    "preflight_line",
    "transcript_file",
    "take",
    "talk",
    "chat",
    "panel",
    "budget",
    "engines",
    "settings",
    "tour_steps",
    "tour_words",
    "tour",
    "voice",
    "main",
)
"""The script's modules, each after those it imports."""

STYLES = (
    "colours",
    "page",
    "problem",
    "talk",
    "talk_button",
    "preflight",
    "controls",
    "chat",
    "welcome",
    "take",
    "panel",
    "engines",
    "verdicts",
    "turn",
    "tour",
    "settings",
)

PARTS = (
    ("stt", "Speech to text", "stt"),
    ("agent", "Agent", "llm"),
    ("tts", "Text to speech", "tts"),
    ("playback", "Playback", "playback"),
    ("interruption", "Interruption", "vad"),
)
"""The parts whose state is shown: key in the view, name, and the stage whose engine does the work."""


DESCRIPTION = "A voice bot that you can talk over: it pauses at once, decides what you meant, and shows why."


def build_page(max_text_chars: int = 2_000) -> gr.Blocks:
    """The page in Gradio's parts; `rendered` makes HTML of it."""
    page = _blocks()
    with page:
        gr.HTML(_asset("header.html") + _asset("settings.html"), padding=False)
        with gr.Row(elem_id="vb-layout"):
            with gr.Column(elem_id="vb-controls", scale=0):
                gr.HTML(_asset("talk.html"), padding=False)
                with gr.Row(elem_id="vb-actions"):
                    _action("vb-mute", "Mute", "toggleMute")
                    _action("vb-interrupt", "Interrupt", "interrupt")
                    _action("vb-clear", "New conversation", "clear")
                with gr.Row(elem_id="vb-typing"):
                    _typing(max_text_chars)
                gr.HTML(_asset("problem.html"), padding=False)
            with gr.Column(elem_id="vb-conversation"):
                gr.HTML(_chat(), padding=False)
                gr.HTML(_asset("take.html"), padding=False)
                gr.HTML(_panel(), padding=False)
    return page


def _blocks() -> gr.Blocks:
    with warnings.catch_warnings():
        # Gradio 5.50 warns that Gradio 6 takes these elsewhere; FastRTC keeps us on 5.
        warnings.filterwarnings("ignore", r"The '\w+' parameter in the Blocks constructor", DeprecationWarning)
        return gr.Blocks(
            title="Voice Bot",
            theme=PageTheme(),
            head=head(),
            analytics_enabled=False,
            fill_width=True,
        )


def _action(elem_id: str, label: str, method: str) -> None:
    """A button that calls a method of the script's `Session`."""
    button = gr.Button(label, elem_id=elem_id, size="sm")
    button.click(None, js=f"() => {{ window.voicebot.{method}(); }}")


def _typing(max_text_chars: int) -> None:
    """The text box. What could not be sent stays in it."""
    text = gr.Textbox(
        label="Type instead of speaking",
        placeholder="Type instead of speaking",
        show_label=False,
        container=False,
        max_lines=1,
        max_length=max_text_chars,
        elem_id="vb-text",
    )
    send = gr.Button("Send", elem_id="vb-send", variant="primary", min_width=80, scale=0)
    js = "async (text) => (await window.voicebot.sendText(text)) ? '' : text"
    gr.on([text.submit, send.click], None, text, text, js=js)


def head() -> str:
    """Icon, styles and script, inside the page: so they need no address, and work under any path."""
    description = f'<meta name="description" content="{DESCRIPTION}">'
    icon = f'<link rel="icon" href="data:image/svg+xml,{quote(_asset("icon.svg"))}">'
    styles = _joined(_asset(f"{name}.css") for name in STYLES)
    return f'{description}{icon}<style>{styles}</style><script type="module">{script()}</script>'


def script() -> str:
    """The modules as one: their imports and exports are dropped, so that the page has a single inline script."""
    return "\n".join(_without_imports(_asset(f"{name}.js")) for name in SCRIPTS)


def _without_imports(module: str) -> str:
    module = re.sub(r'^import [^;]*? from "\./\w+\.js";\n', "", module, flags=re.MULTILINE)
    return re.sub(r"^export ", "", module, flags=re.MULTILINE)


def _chat() -> str:
    return Template(_asset("chat.html")).substitute(tour=_asset("tour.html"))


def _panel() -> str:
    return Template(_asset("panel.html")).substitute(
        budget_ms=GAP_MS,
        parts=_joined(_part(*part) for part in PARTS),
        steps=_joined(_step(step) for step in STEPS),
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


def _joined(pieces: Iterable[str]) -> str:
    return "".join(pieces)


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
