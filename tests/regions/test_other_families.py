"""Edit by words with checkpoints of other families than Stable Diffusion 1 and 2, each of random weights, from a folder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.imaging.read import photo_from_image
from intarsia.records.edit import EditRecord, SearchSettings
from intarsia.regions.edit import edit
from tests.tiny_families import FAMILIES

Load = Callable[[str], Backbones]


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_the_search_edits_a_region_and_nothing_beside_it(name: str, families: Load) -> None:
    photo = photo_from_image(noise(48, 40))
    record = EditRecord(
        photo="photo.png",
        source="tree",
        prompt="a red house",
        negative_prompt="rain",
        steps=2,
        size=32,
        search=SearchSettings(preview_steps=(1,), survivors=(1,), enough=1),
    )
    result = edit(photo, record, families(name))
    same = result.blend == 0
    assert same.any()
    assert (photo.pixels[same] == result.photo.pixels[same]).all()
    assert (photo.pixels != result.photo.pixels).any()
    assert result.cost.evaluations >= 2
    assert result.record.models == families(name).name
    assert result.versions["inpainter"].startswith(f"{name}#")


def test_a_large_region_is_refined_in_tiles(families: Load) -> None:
    photo = photo_from_image(noise(128, 96))
    record = EditRecord(photo="photo.png", prompt="a house", box=(8, 8, 110, 90), steps=2, size=32, refine=True)
    result = edit(photo, record, families("z_image"))
    assert result.cost.evaluations > 2 * 2
    assert (photo.pixels != result.photo.pixels).any()


def test_words_that_the_text_encoders_do_not_read_are_named(families: Load) -> None:
    long = " ".join(["abcdefg"] * 12)  # a token a letter
    photo = photo_from_image(noise(48, 40))
    limits = {"sd3_without_t5": 16, "sd3": 64}
    for name, limit in limits.items():
        record = EditRecord(photo="photo.png", prompt=long, box=(8, 8, 30, 30), steps=1, size=32)
        (cut,) = [note for note in edit(photo, record, families(name)).notes if "had no effect" in note]
        assert f"read {limit} tokens of the prompt" in cut
