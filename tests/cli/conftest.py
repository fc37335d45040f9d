"""The command line on tiny networks, in folders of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.cli import load_models
from intarsia.cli.main import main
from tests.cli.arrange_files import draw_scene_files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scene's files in a folder that is also the current one; the cache is there, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))
    draw_scene_files(tmp_path)
    return tmp_path


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tiny_backbones: Backbones) -> Callable[..., int]:
    """The command line on tiny random networks that are loaded once."""
    monkeypatch.setattr(load_models, "load", lambda models, machine: tiny_backbones)
    return lambda *arguments: main([str(a) for a in arguments])


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small photo in a folder of its own, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    Image.fromarray(noise).resize((112, 80)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"
