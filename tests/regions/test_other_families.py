"""Edit by words with checkpoints of other families than Stable Diffusion 1 and 2, each of random weights, from a folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from intarsia.backbones import load_backbones
from intarsia.backbones.protocols import Backbones
from intarsia.imaging.read import photo_from_image
from intarsia.records.edit import EditRecord, SearchSettings
from intarsia.regions.edit import edit
from tests.pretended_mps import pretended_mps
from tests.tiny_families import FAMILIES

Load = Callable[[str], Backbones]
RECORD = EditRecord(
    photo="photo.png",
    source="tree",
    prompt="a red house",
    negative_prompt="rain",
    steps=2,
    size=32,
    search=SearchSettings(preview_steps=(1,), survivors=(1,), enough=1),
)


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_the_search_edits_a_region_and_nothing_beside_it(name: str, families: Load) -> None:
    photo = photo_from_image(noise(48, 40))
    result = edit(photo, RECORD, families(name))
    same = result.blend == 0
    assert same.any()
    assert (photo.pixels[same] == result.photo.pixels[same]).all()
    assert (photo.pixels != result.photo.pixels).any()
    assert result.cost.evaluations >= 2
    assert result.record.models == families(name).name
    assert result.versions["inpainter"].startswith(f"{name}#")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *[(name, {}) for name in ("sdxl", "flux")],
        *[pytest.param(name, {}, marks=pytest.mark.slow) for name in FAMILIES if name not in ("sdxl", "flux")],
        pytest.param("sdxl", {"vram": "low"}, marks=pytest.mark.slow),
        pytest.param("flux", {"vram": "min"}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:at..frobenius_norm is deprecated:UserWarning")  # by which torch.norm computes there
def test_on_mps_the_pixels_are_the_cpus(name: str, settings: dict[str, Any], families: Load) -> None:
    photo = photo_from_image(noise(48, 40))
    here = edit(photo, RECORD, families(name)).photo.pixels
    with pretended_mps():
        models = load_backbones(families(name).name, device="mps", **settings)
        cast(Any, models.inpainter).pipeline.vae.disable_tiling()  # at whose borders pixels differ
        there = edit(photo, RECORD, models).photo.pixels
    assert np.abs(there.astype(int) - here).max() <= 1, "one by one, they round otherwise"


@pytest.mark.parametrize(("name", "dtype"), [("sdxl", "float16"), ("flux", "bfloat16"), ("qwen_image", "bfloat16")])
@pytest.mark.filterwarnings("ignore:at..frobenius_norm is deprecated:UserWarning")
@pytest.mark.slow
def test_on_mps_families_work_in_half_precision(name: str, dtype: str, families: Load) -> None:
    with pretended_mps():
        models = load_backbones(families(name).name, device="mps", dtype=dtype, vram="low")
        made = edit(photo_from_image(noise(48, 40)), RECORD, models).photo.pixels
    assert made.std() > 0


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
