"""The demo's page: one HTML file beside its pictures, in the reader's light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from intarsia.palette import root_style

BY_HAND = "Photographs: remove, move, scale, mirror and stack what is in them"
BY_WORDS = "Edit a picture by words alone"
BY_LAYOUT = "Move what is in a picture, again and again"

POCKET = (
    "The pocket world: small drawn scenes that ship with the package for trying out. "
    "This is not what a photograph looks like with real models."
)
"""Said of every edit that the pocket models make."""


@dataclass(frozen=True, kw_only=True)
class PhotographRow:
    """One edit of a photograph on the page; pictures by name, in the page's folder.

    Attributes:
        command: what one would type.
        credit: of the photograph, with its licence.
    """

    title: str
    command: str
    facts: tuple[str, ...]
    credit: str
    before: str
    after: str
    record: str


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


def demo_page(
    rows: Sequence[Row],
    caption: str,
    arranged: Sequence[LayoutRow] = (),
    photographs: Sequence[PhotographRow] = (),
    *,
    note: str = "",
) -> str:
    """The whole page as HTML; every text of a record is escaped.

    Args:
        rows: the edits by words.
        caption: what it all took.
        arranged: the edits by layout, which follow each other.
        photographs: the edits of photographs, which come first.
        note: stands in their place where there are none.
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
        rows=rows,
        caption=caption,
        arranged=arranged,
        photographs=photographs,
        note=note,
        by_hand=BY_HAND,
        by_words=BY_WORDS,
        by_layout=BY_LAYOUT,
        pocket=POCKET,
        colours=colours,
    )
