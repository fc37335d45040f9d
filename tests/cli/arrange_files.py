"""A scene's files in a folder, and the flags that name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.errors import Cancelled

KEY = {"cat": [251, 216, 1], "fig tree": [75, 254, 1], "background": [254, 254, 254]}


QUICK = ["--compose.plates", "1", "--compose.plate-steps", "2", "--compose.refine-steps", "2"]


ANEW = ["--prompt", "cat, fig tree", "--mode", "regenerate", "--steps", "2", "--guide.refine-at", "--guide.refine-to"]


LESSON = ["--prompt", "cat, fig tree", "--learn.token-steps", "2", "--learn.weight-steps", "2", "--learn.batch", "1"]


GIVEN = ["--mask", "mask.png", "--colours", "colours.json"]


MOVE = ["--move", "cat=+20,0"]


def draw_scene_files(folder: Path) -> None:
    """A photo with a cat (left, upper) and a fig tree (right, lower), 96 x 64; the map is half as large."""
    rows, columns = np.mgrid[:64, :96].astype(np.uint8)
    shades = np.stack([90 + rows, 90 + columns // 2, 150 - rows], axis=-1)
    shades[10:34, 8:32] = (220, 120, 40)
    shades[30:58, 60:84] = (40, 160, 60)
    Image.fromarray(shades).save(folder / "photo.png")
    marks = np.full((32, 48, 3), 254, np.uint8)
    marks[5:17, 4:16] = KEY["cat"]
    marks[15:29, 30:42] = KEY["fig tree"]
    Image.fromarray(marks).save(folder / "mask.png")
    (folder / "colours.json").write_text(json.dumps(KEY))


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def stopping_after(steps: int) -> Any:
    """A progress bar whose reader stops the work."""
    import contextlib

    seen: list[object] = []

    @contextlib.contextmanager
    def bar(output: object) -> Any:
        def show(progress: object) -> None:
            seen.append(progress)
            if len(seen) >= steps:
                raise Cancelled

        yield show

    return bar
