"""Make docs/images/photographs.jpg, the first picture of the README, from what the demo wrote.

python -m docs.photographs demo-out
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageOps

PAIRS = (
    ("rocket.before.jpg", "rocket-removed.png"),
    ("coffee.before.png", "coffee-mirrored.png"),
    ("astronaut.before.png", "astronaut-stacked.png"),
)
"""Before and after, by the demo's names."""

PICTURE = Path(__file__).parent / "images" / "photographs.jpg"
CELL = (392, 280)
"""Each photograph's width and height, pixels; three stand in a row of 1200."""
GAP = 12
PAPER = (252, 252, 250)
LARGEST = 250_000
"""Bytes that the file may have."""


def side_by_side(folder: Path) -> Image.Image:
    """All photographs before, and below each what became of it."""
    size = (len(PAIRS) * CELL[0] + (len(PAIRS) - 1) * GAP, 2 * CELL[1] + GAP)
    picture = Image.new("RGB", size, PAPER)
    for column, pair in enumerate(PAIRS):
        for row, name in enumerate(pair):
            with Image.open(folder / name) as photo:
                cell = ImageOps.fit(photo.convert("RGB"), CELL, Image.Resampling.LANCZOS, centering=(0.5, 0.2))
            picture.paste(cell, (column * (CELL[0] + GAP), row * (CELL[1] + GAP)))
    return picture


def main() -> None:
    """Write the picture."""
    side_by_side(Path(sys.argv[1])).save(PICTURE, quality=88, optimize=True)
    size = PICTURE.stat().st_size
    assert size <= LARGEST, f"{PICTURE} has {size:,} bytes; at most {LARGEST:,} are meant"


if __name__ == "__main__":
    main()
