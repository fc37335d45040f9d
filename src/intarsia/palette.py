"""The colours of all pages: the web pages, the demo's page and the page of a batch."""

from __future__ import annotations

from collections.abc import Iterable

LIGHT = {
    "paper": "#fcfcfa",
    "card": "#ffffff",
    "well": "#f1f2ee",
    "fill": "#f5f5f2",
    "ink": "#1c1f24",
    "quiet": "#5d646e",
    "rule": "#e2e4e0",
    "edge": "#878e97",
    "control": "#ffffff",
    "control-edge": "#e2e4e0",
    "accent": "#0f766e",
    "accent-hover": "#0d655e",
    "accent-text": "#0f766e",
    "link": "#0f766e",
    "done": "#2f7d4f",
    "failed": "#b3372f",
    "running": "#2b62b8",
    "error": "#b3261e",
}
"""Colours in a light scheme, by their use. `quiet` is text that stands back; `accent-text` is thin strokes and letters."""

DARK = {
    "paper": "#14171a",
    "card": "#1b1f23",
    "well": "#22272c",
    "fill": "#181c1f",
    "ink": "#e8eaed",
    "quiet": "#9aa3ad",
    "rule": "#2b3036",
    "edge": "#737c86",
    "control": "#20252a",
    "control-edge": "#3a4047",
    "accent": "#0f766e",
    "accent-hover": "#12877e",
    "accent-text": "#4fb8ad",
    "link": "#5eead4",
    "done": "#5fb283",
    "failed": "#ee8279",
    "running": "#7fabef",
    "error": "#ff9d94",
}
"""The same in a dark scheme."""

FIXED = {
    "on-accent": "#ffffff",
    "accent-soft": "#d9efec",
    "amber": "#f4b860",
    "handle-ink": "#1c1f24",
    "handle-edge": "#2563eb",
    "shade": "#111418",
    "tag": "#111418b8",
    "best-box": "#00e676",
    "own-box": "#ffca28",
    "anchor": "#29b6f6",
}
"""Colours that are the same in both: on the accent, and over pictures."""


def css_variables(names: Iterable[str], colours: dict[str, str], *, prefix: str = "") -> str:
    """Declarations of colours as CSS variables: `--paper: #fcfcfa; --ink: #1c1f24;`."""
    return " ".join(f"--{prefix}{name}: {colours[name]};" for name in names)


def root_style(*names: str) -> str:
    """A style sheet with colours as CSS variables, in the reader's light or dark."""
    return (
        f":root {{ color-scheme: light dark; {css_variables(names, LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{\n  :root {{ {css_variables(names, DARK)} }}\n}}"
    )
