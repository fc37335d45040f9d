"""The pages' colours and letters, and no word to another host."""

from __future__ import annotations

import re

import gradio as gr

HEADING = """
<header><span class="mark" aria-hidden="true"></span><h1>Intarsia</h1>
<p>Edit a picture by words, or move what is in it. Every other pixel stays as it was.</p></header>
""".strip()


def theme() -> gr.themes.Base:
    """The demo page's paper and ink, in the system's own letters."""
    paper, ink, quiet, rule = "#fcfcfa", "#1c1f24", "#5f666f", "#e2e4e0"
    dark_paper, dark_ink, dark_quiet, dark_rule = "#14171a", "#e8eaed", "#9aa3ad", "#2b3036"
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    ).set(
        body_background_fill=paper,
        body_background_fill_dark=dark_paper,
        body_text_color=ink,
        body_text_color_dark=dark_ink,
        body_text_color_subdued=quiet,
        body_text_color_subdued_dark=dark_quiet,
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1b1f23",
        background_fill_secondary="#f5f5f2",
        background_fill_secondary_dark="#181c1f",
        border_color_primary=rule,
        border_color_primary_dark=dark_rule,
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_color=quiet,
        block_title_text_color=ink,
        block_title_text_color_dark=dark_ink,
        block_info_text_color=quiet,
        block_info_text_color_dark=dark_quiet,
        input_background_fill="#ffffff",
        input_background_fill_dark="#1b1f23",
        input_border_color=rule,
        input_border_color_dark="#3a4047",
        input_border_width="1px",
        input_shadow="none",
        button_primary_background_fill="#0f766e",
        button_primary_background_fill_hover="#0d655e",
        button_primary_background_fill_dark="#0f766e",
        button_primary_background_fill_hover_dark="#12877e",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#20252a",
        button_secondary_border_color=rule,
        button_secondary_border_color_dark="#3a4047",
        button_secondary_text_color=ink,
        button_secondary_text_color_dark=dark_ink,
        button_border_width="1px",
        color_accent="#0f766e",
        color_accent_soft="#d9efec",
    )


OUTSIDE = re.compile(rb"<(?:meta|link)\b[^>]*\bhttps?://[^>]*>", re.IGNORECASE)
"""Tags of a page's head that name another host: Gradio's, for previews in social networks."""


SAMPLE = re.compile(rb"https://(?:github|raw\.githubusercontent)\.com/gradio-app/[^\"\\\\]*")
"""Gradio's example files, in its description of the endpoints."""


def strip_external_urls(page: bytes) -> bytes:
    """A page that names no other host, in its head or as an example."""
    return SAMPLE.sub(b"file", OUTSIDE.sub(b"", page))
