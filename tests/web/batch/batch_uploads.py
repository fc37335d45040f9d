"""Lists and pictures that a visitor sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from tests.fake_work import FakeWork, FakeWorker

PROMPT = {"prompt": "a red house"}


def picture(folder: Path, name: str, seed: int = 0) -> Path:
    """A picture as it was uploaded: in a folder of its own."""
    file = folder / str(len(list(folder.iterdir()))) / name
    file.parent.mkdir()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 48, 3), np.uint8)).save(file, "PNG")
    return file


def text(folder: Path, name: str, content: object) -> Path:
    file = folder / str(len(list(folder.iterdir()))) / name
    file.parent.mkdir()
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def ignore(what: object) -> None:
    pass


def fake(**settings: Any) -> FakeWorker:
    return FakeWorker(FakeWork(**settings))
