"""How Sphinx makes the pages of this folder a site: `make docs`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "Intarsia"
author = "The Intarsia contributors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser"]
root_doc = "index"
exclude_patterns = ["images"]

# Headings are targets as on a code host: how.md#in-the-browser.
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"Intarsia {release}"
html_copy_source = False
html_show_sphinx = False


def name_files_of_the_repository(_app: Sphinx, page: str, source: list[str]) -> None:
    """Links to files beside docs/ work on a code host; the site, which does not hold them, gives their names."""

    def named(link: re.Match[str]) -> str:
        if not (ROOT / link[2]).is_file():
            logging.getLogger(__name__).warning("links to %s, which is not there", link[2], location=page)
        return f"{link[1]} (`{link[2]}`)"

    source[0] = re.sub(r"(?<!!)\[([^\]]+)\]\(\.\./([^)#]+)\)", named, source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", name_files_of_the_repository)
