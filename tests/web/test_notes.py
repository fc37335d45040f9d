"""What the pages say of models that know no photographs, and the notes of a result in their words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.regions.notes import BLUR
from intarsia.web.batch_cards import card_html
from intarsia.web.notes import banner_ahead, split_notes
from tests.paths import SCENES

COMMAND = "intarsia models download sd15"


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_banner_comes_with_a_photograph_and_the_toy_models_alone(photograph: Path) -> None:
    banner = banner_ahead("pocket", photograph)
    assert banner is not None and banner["command"] == COMMAND
    assert banner["text"].startswith("The pocket models know") and "--" not in banner["text"]
    assert banner_ahead("sd15", photograph) is None


def test_a_drawn_scene_has_no_banner(tmp_path: Path) -> None:
    with Image.open(SCENES / "0000.png") as small:
        small.resize((256, 256), Image.Resampling.BICUBIC).save(tmp_path / "scene.png")
    assert banner_ahead("pocket", tmp_path / "scene.png") is None


def test_models_that_are_not_there_say_so_later(photograph: Path) -> None:
    assert banner_ahead("gone.safetensors", photograph) is None


def test_a_result_says_its_notes_in_the_pages_words() -> None:
    loud = f"The pocket models know little, and this looks like a photograph: {BLUR}. Run it."
    notes, banner = split_notes(["It is small: work at a larger --size.", loud])
    assert notes == ["It is small: work at a larger “Size”."]
    assert banner is not None and banner["command"] == COMMAND
    assert banner["text"].startswith("The pocket models know little")


def test_notes_without_a_banner() -> None:
    assert split_notes([]) == ([], None)


def test_notes_of_a_job_stand_on_its_card_as_text() -> None:
    row: Any = SimpleNamespace(state="done", photo="a.png", number=1, words="", facts={"notes": ["<b>Small</b>."]})
    assert "<p>&lt;b&gt;Small&lt;/b&gt;.</p>" in card_html(row, Path("job"), ())
