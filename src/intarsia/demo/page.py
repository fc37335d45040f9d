"""The demo's page: one HTML file beside its pictures, in the reader's light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from intarsia.palette import root_style

BY_WORDS = "Edit a picture by words alone"
BY_LAYOUT = "Move what is in a picture, again and again"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One edit on the page; pictures by name, in the page's folder."""

    title: str
    facts: tuple[str, ...]
    before: str
    looked: str
    candidates: tuple[str, ...]
    after: str
    record: str


@dataclass(frozen=True, kw_only=True)
class LayoutRow:
    """One rearrangement on the page; pictures by name, in the page's folder."""

    title: str
    facts: tuple[str, ...]
    before: str
    wish: str
    after: str
    record: str


def demo_page(rows: Sequence[Row], caption: str, arranged: Sequence[LayoutRow] = ()) -> str:
    """The whole page as HTML; every text of a record is escaped.

    Args:
        rows: the edits by words.
        caption: what it all took.
        arranged: the edits by layout, which follow each other.
    """
    environment = Environment(
        loader=PackageLoader("intarsia.demo", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("page.html")
    colours = root_style("paper", "ink", "quiet", "rule")
    return template.render(
        rows=rows, caption=caption, arranged=arranged, by_words=BY_WORDS, by_layout=BY_LAYOUT, colours=colours
    )
