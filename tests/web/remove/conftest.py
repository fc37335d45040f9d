"""A visitor's session with a photo of a square on a rough ground, and a folder of uploads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.web.sessions import Session

SIDE, SQUARE = 96, slice(30, 54)


@pytest.fixture
def photo(session: Session) -> Path:
    """A red square on grey noise."""
    pixels = np.random.default_rng(0).integers(100, 140, (SIDE, SIDE, 1), np.uint8).repeat(3, 2)
    pixels[SQUARE, SQUARE] = (220, 30, 30)
    file = session.new_folder("photo") / "square.png"
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """Where uploads come to."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


def mask_file(folder: Path, *, side: int = SIDE, marked: bool = True) -> Path:
    """A mask as the page sends it: of the square, or of nothing."""
    mask = np.zeros((side, side), np.uint8)
    if marked:
        mask[SQUARE, SQUARE] = 255
    file = folder / "mask.png"
    Image.fromarray(mask).save(file)
    return file
