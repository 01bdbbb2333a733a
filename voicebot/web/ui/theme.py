"""Gradio's frame in the page's colours, which `colours.css` names and which change there from light to dark."""

from __future__ import annotations

import gradio as gr

FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
"""The visitor's own fonts: nothing is fetched."""

COLOURS = {
    "body_background_fill": "var(--vb-ground)",
    "body_text_color": "var(--vb-ink)",
    "body_text_color_subdued": "var(--vb-soft)",
    "background_fill_primary": "var(--vb-surface)",
    "block_background_fill": "transparent",
    "block_border_width": "0px",
    "block_shadow": "none",
}
"""Values that Gradio keeps apart for light and dark."""


class PageTheme(gr.themes.Base):
    def __init__(self) -> None:
        super().__init__(font=FONT, font_mono="monospace")
        super().set(**COLOURS, **{f"{name}_dark": value for name, value in COLOURS.items()})
