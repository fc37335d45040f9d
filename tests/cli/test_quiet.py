"""What libraries say on their own stays off the terminal, whatever filters Python is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CUT = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x0f\x01\x02\0\x10\0\0\0"
"""An EXIF block that ends within its first entry of five, of which Pillow warns."""


@pytest.mark.parametrize(
    ("python", "environment"),
    [
        pytest.param(["-W", "always"], {"PYTHONWARNINGS": "always"}, id="all shown"),
        pytest.param([], {}, id="as usual"),
    ],
)
def test_with_quiet_nothing_is_printed_of_warnings(
    tmp_path: Path, python: list[str], environment: dict[str, str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    photo, mask = tmp_path / "photo.jpg", tmp_path / "mask.png"
    Image.fromarray(noise).save(photo, exif=CUT)
    marked = np.zeros((32, 32), np.uint8)
    marked[8:24, 8:24] = 255
    Image.fromarray(marked).save(mask)
    command: list[str | Path] = [
        "edit",
        photo,
        "--mask",
        mask,
        "--prompt",
        "a dog " * 90,
        "--models",
        "pocket",
        "--steps",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, *python, "-m", "intarsia", *command, "--out", tmp_path / "out", "--overwrite", "--quiet"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
