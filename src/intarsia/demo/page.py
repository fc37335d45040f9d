"""The demo's page: one HTML file beside its pictures, in the reader's light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from intarsia.palette import root_style

STYLE = """
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h1.next { margin-top: 3.5rem; }
header p, figcaption, .facts { color: var(--quiet); font-size: .9rem; margin: .25rem 0 0; }
section { border-top: 1px solid var(--rule); margin-top: 1.5rem; padding-top: 1rem; }
h2 { font-size: 1.2rem; margin: 0; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem; margin-top: .75rem;
  align-items: start; }
figure { margin: 0; }
img { width: 100%; display: block; border-radius: .4rem; }
.small { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
a { color: inherit; }
""".strip()


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
    """The whole page as HTML; whatever stands in records is escaped.

    Args:
        rows: the edits by words.
        caption: what it all took.
        arranged: the edits by layout, which follow each other.
    """
    sections = "\n".join(section(row) for row in rows)
    if arranged:
        sections += f'\n<h1 class="next">{BY_LAYOUT}</h1>\n' + "\n".join(layout_section(row) for row in arranged)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Intarsia demo</title>
<style>
{root_style("paper", "ink", "quiet", "rule")}
{STYLE}
</style>
</head>
<body>
<header>
<h1>{BY_WORDS}</h1>
<p>{escape(caption)}</p>
</header>
{sections}
</body>
</html>
"""


def layout_section(row: LayoutRow) -> str:
    figures = (
        (picture(row.before, "the picture before"), "before"),
        (picture(row.wish, "where things shall go"), "the wish"),
        (picture(row.after, "the picture after"), "after"),
    )
    return figured(row.title, row.facts, row.record, figures)


def section(row: Row) -> str:
    small = "".join(picture(name, f"candidate {k}") for k, name in enumerate(row.candidates, 1))
    figures = (
        (picture(row.before, "before the edit"), "before"),
        (picture(row.looked, "the boxes that were tried"), "where it looked"),
        (f'<div class="small">{small}</div>', "best candidates"),
        (picture(row.after, "after the edit"), "after"),
    )
    return figured(row.title, row.facts, row.record, figures)


def figured(title: str, facts: Sequence[str], record: str, figures: Sequence[tuple[str, str]]) -> str:
    """A heading, the facts, and pictures with a word under each."""
    shown = "\n".join(f"<figure>{content}<figcaption>{name}</figcaption></figure>" for content, name in figures)
    return f"""<section>
<h2>{escape(title)}</h2>
<p class="facts">{escape(" · ".join(facts))} · <a href="{escape(record)}">record</a></p>
<div class="row">
{shown}
</div>
</section>"""


def picture(name: str, alt: str) -> str:
    return f'<a href="{escape(name)}"><img src="{escape(name)}" alt="{escape(alt)}" loading="lazy"></a>'
