"""Files made by hand through each function that reads or writes them, and digests of what comes out.

Written anew with `python -m tests.imaging.known_files`. That a digest changed says that files are read or written otherwise,
or that a sentence about them changed: look at that first.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.imaging import (
    known_files_carried,
    known_files_exif,
    known_files_jpeg,
    known_files_levels,
    known_files_masks,
    known_files_png,
    known_files_write,
    known_files_xmp,
)
from tests.imaging.file_digests import CASES, figures

__all__ = ["CASES", "FILE", "compared", "figures"]

MODULES = (
    known_files_exif,
    known_files_png,
    known_files_jpeg,
    known_files_levels,
    known_files_xmp,
    known_files_carried,
    known_files_masks,
    known_files_write,
)
"""Where the cases are."""

FILE = Path(__file__).with_name("known_files.json")


def compared(name: str) -> tuple[list[str], list[str]]:
    """A case's digests, and those on record."""
    return figures(CASES[name]()), json.loads(FILE.read_text("utf-8"))[name].split()


if __name__ == "__main__":
    FILE.write_text(
        json.dumps({name: " ".join(figures(made())) for name, made in CASES.items()}, indent=0) + "\n", "utf-8"
    )
