"""Gradio's parts in the page's colours, which `page.css` names and which change there from light to dark."""

from __future__ import annotations

import gradio as gr

FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Consolas", "monospace")
"""The visitor's own fonts: nothing is fetched."""

COLOURS = {
    "body_background_fill": "var(--vb-ground)",
    "body_text_color": "var(--vb-ink)",
    "body_text_color_subdued": "var(--vb-soft)",
    "background_fill_primary": "var(--vb-surface)",
    "background_fill_secondary": "var(--vb-sunken)",
    "border_color_primary": "var(--vb-line)",
    "border_color_accent": "var(--vb-accent)",
    "color_accent_soft": "var(--vb-mine)",
    "block_background_fill": "transparent",
    "block_border_width": "0px",
    "block_shadow": "none",
    "input_background_fill": "var(--vb-surface)",
    "input_background_fill_focus": "var(--vb-surface)",
    "input_border_color": "var(--vb-edge)",
    "input_border_color_focus": "var(--vb-accent)",
    "input_border_color_hover": "var(--vb-faint)",
    "input_border_width": "1px",
    "input_placeholder_color": "var(--vb-faint)",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "button_border_width": "1px",
    "button_primary_background_fill": "var(--vb-accent)",
    "button_primary_background_fill_hover": "var(--vb-accent)",
    "button_primary_border_color": "transparent",
    "button_primary_text_color": "var(--vb-on-accent)",
    "button_primary_shadow": "none",
    "button_secondary_background_fill": "var(--vb-surface)",
    "button_secondary_background_fill_hover": "var(--vb-surface)",
    "button_secondary_border_color": "var(--vb-line)",
    "button_secondary_border_color_hover": "var(--vb-faint)",
    "button_secondary_text_color": "var(--vb-ink)",
    "button_secondary_shadow": "none",
}
"""Values that Gradio keeps apart for light and dark."""

SHAPES = {
    "layout_gap": "var(--vb-gap)",
    "button_transition": "none",
    "button_small_radius": "10px",
    "button_small_padding": "0 10px",
    "button_small_text_size": "var(--vb-text-m)",
    "button_small_text_weight": "600",
    "button_large_radius": "10px",
    "button_large_padding": "0 16px",
    "button_large_text_size": "var(--vb-text-m)",
    "button_large_text_weight": "600",
    "input_radius": "10px",
    "input_padding": "0 14px",
    "input_text_size": "16px",
}
"""A smaller text than 16 px in a box makes iOS zoom the page in when it is pressed."""


class PageTheme(gr.themes.Base):
    def __init__(self) -> None:
        super().__init__(font=FONT, font_mono=MONO)
        dark = {f"{name}_dark": value for name, value in COLOURS.items()}
        super().set(**COLOURS, **dark, **SHAPES)
