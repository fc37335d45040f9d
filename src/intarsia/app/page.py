"""The demo's page: one HTML file beside its pictures, in the reader's light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfa; --ink: #1c1f24; --quiet: #6c737d; --rule: #e2e4e0; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171a; --ink: #e8eaed; --quiet: #9aa3ad; --rule: #2b3036; }
}
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
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


def demo_page(rows: Sequence[Row], caption: str) -> str:
    """The whole page as HTML; whatever stands in records is escaped."""
    sections = "\n".join(section(row) for row in rows)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Intarsia demo</title>
<style>
{STYLE}
</style>
</head>
<body>
<header>
<h1>Edit a picture by words alone</h1>
<p>{escape(caption)}</p>
</header>
{sections}
</body>
</html>
"""


def section(row: Row) -> str:
    small = "".join(picture(name, f"candidate {k}") for k, name in enumerate(row.candidates, 1))
    figures = (
        (picture(row.before, "before the edit"), "before"),
        (picture(row.looked, "the boxes that were tried"), "where it looked"),
        (f'<div class="small">{small}</div>', "best candidates"),
        (picture(row.after, "after the edit"), "after"),
    )
    shown = "\n".join(f"<figure>{content}<figcaption>{name}</figcaption></figure>" for content, name in figures)
    return f"""<section>
<h2>{escape(row.title)}</h2>
<p class="facts">{escape(" · ".join(row.facts))} · <a href="{escape(row.record)}">record</a></p>
<div class="row">
{shown}
</div>
</section>"""


def picture(name: str, alt: str) -> str:
    return f'<a href="{escape(name)}"><img src="{escape(name)}" alt="{escape(alt)}" loading="lazy"></a>'
