"""The theme of the web pages, and the removal of references to other hosts."""

from __future__ import annotations

import re

import gradio as gr

from intarsia.palette import DARK, FIXED, LIGHT, css_variables

HEADING = """
<header><span class="mark" aria-hidden="true"></span><h1>Intarsia</h1>
<p>Edit a picture by words, move what is in it, or take it out. Every other pixel stays as it was.</p></header>
""".strip()


def theme() -> gr.themes.Base:
    """The theme: the colours of all pages, in the system's own fonts."""
    colours = {
        "body_background_fill": "paper",
        "body_text_color": "ink",
        "body_text_color_subdued": "quiet",
        "background_fill_primary": "card",
        "background_fill_secondary": "fill",
        "border_color_primary": "rule",
        "block_title_text_color": "ink",
        "block_info_text_color": "quiet",
        "input_background_fill": "card",
        "input_border_color": "control-edge",
        "button_primary_background_fill": "accent",
        "button_primary_background_fill_hover": "accent-hover",
        "button_secondary_background_fill": "control",
        "button_secondary_border_color": "control-edge",
        "button_secondary_text_color": "ink",
    }
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    ).set(
        **{setting: LIGHT[name] for setting, name in colours.items()},
        **{f"{setting}_dark": DARK[name] for setting, name in colours.items()},
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_color=LIGHT["quiet"],
        input_border_width="1px",
        input_shadow="none",
        button_primary_text_color=FIXED["on-accent"],
        button_border_width="1px",
        color_accent=LIGHT["accent"],
        color_accent_soft=FIXED["accent-soft"],
    )


def colour_variables() -> str:
    """A style element with all colours as CSS variables, such as `--page-ink`, which the style sheets use.

    It belongs in the page's head: Gradio keeps style sheets from its root.
    """
    light, dark, fixed = (css_variables(each, each, prefix="page-") for each in (LIGHT, DARK, FIXED))
    return f"<style>:root {{ {light} {fixed} }} .dark {{ {dark} }}</style>"


EXTERNAL_TAGS = re.compile(rb"<(?:meta|link)\b[^>]*\bhttps?://[^>]*>", re.IGNORECASE)
"""Tags of a page's head that name another host: Gradio's, for previews in social networks."""


SAMPLE_FILES = re.compile(rb"https://(?:github|raw\.githubusercontent)\.com/gradio-app/[^\"\\\\]*")
"""Gradio's example files, in its description of the endpoints."""


def strip_external_urls(page: bytes) -> bytes:
    """A page without references to other hosts, in its head or as examples."""
    return SAMPLE_FILES.sub(b"file", EXTERNAL_TAGS.sub(b"", page))
