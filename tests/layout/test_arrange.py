"""Edit by layout as a whole: the ways it can go, and chains of edits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import intarsia as ia
from intarsia.backbones.protocols import Backbones
from intarsia.errors import LayoutError
from intarsia.imaging.affine import IDENTITY
from intarsia.imaging.read import read_photo
from intarsia.layout.cache import DiskCache, MemoryCache
from intarsia.layout.edit import arrange, check, choose_mode
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene import Scene
from intarsia.layout.scene_files import read_scene_folder
from intarsia.records.arrange import ArrangeRecord, ComposeSettings
from tests.paths import PACKAGE_SCENES

FOLDER = PACKAGE_SCENES / "yard.scene"
QUICK = ComposeSettings(plates=1, plate_steps=3, refine_steps=4)
RECORD = ArrangeRecord(photo=str(FOLDER), models="pocket", compose=QUICK)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return read_scene_folder(FOLDER, read_photo(FOLDER / "photo.png"))


def asked(scene: Scene, **moves: tuple[str, ...]) -> tuple[Layout, ArrangeRecord]:
    record = dataclasses.replace(RECORD, **moves)  # type: ignore[arg-type]
    return read_layout(record, scene), record


def test_ten_edits_that_end_on_the_first_layout_give_the_photo_back(scene: Scene, pocket: Backbones) -> None:
    cache = MemoryCache()
    results = []
    for step in (10, 20, 30, 40, 50, 40, 30, 20, 10, 0):
        layout, record = asked(scene, move=(f"dog=+{step},0",))
        results.append(arrange(scene, layout, record, pocket, cache=cache))
    assert all((r.photo.pixels[r.blend == 0] == scene.photo.pixels[r.blend == 0]).all() for r in results)
    assert all((r.photo.pixels != scene.photo.pixels).any() for r in results[:-1])
    assert np.array_equal(results[-1].photo.pixels, scene.photo.pixels)
    assert results[-1].cost.evaluations == 0
    # The same wish gives the same picture, however one came there.
    assert np.array_equal(results[0].photo.pixels, results[8].photo.pixels)


def test_a_next_edit_of_the_same_objects_costs_less_also_in_another_process(
    scene: Scene, pocket: Backbones, tmp_path: Path
) -> None:
    costs = []
    for step in (15, 25):
        layout, record = asked(scene, move=(f"dog=+{step},0",))
        record = dataclasses.replace(record, fill="diffusion")
        costs.append(arrange(scene, layout, record, pocket, cache=DiskCache(tmp_path)).cost.evaluations)
    assert 0 == costs[1] < costs[0]


def test_the_way_follows_the_record_and_else_how_close_targets_are(scene: Scene) -> None:
    mask = scene.objects[0].mask
    near, far = (Layout(placements=(Placement(name="a", matrix=IDENTITY, mask=mask, fit=fit),)) for fit in (0.8, 0.3))
    assert choose_mode(near, RECORD) == "compose"
    assert choose_mode(far, RECORD) == "regenerate"
    assert choose_mode(near, dataclasses.replace(RECORD, preset="paper")) == "regenerate"
    assert choose_mode(far, dataclasses.replace(RECORD, mode="compose")) == "compose"


def test_every_object_is_named_once(scene: Scene) -> None:
    placed = tuple(Placement(name=t.name, matrix=IDENTITY, mask=t.mask) for t in scene.objects)
    check(scene, Layout(placements=placed))
    check(scene, Layout(placements=placed[1:], removed=(placed[0].name,)))
    for wrong in (Layout(placements=placed[1:]), Layout(placements=placed, removed=(placed[0].name,))):
        with pytest.raises(LayoutError, match="name each object once"):
            check(scene, wrong)


def test_a_cache_that_cannot_be_written_is_no_error(scene: Scene, pocket: Backbones, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    layout, record = asked(scene, move=("dog=+15,0",))
    made = arrange(scene, layout, record, pocket, cache=DiskCache(tmp_path / "file" / "cache"))
    assert (made.photo.pixels != scene.photo.pixels).any()


def test_a_full_cache_forgets_what_was_not_used_for_longest(tmp_path: Path) -> None:
    import os

    import torch

    cache = DiskCache(tmp_path, limit_gb=3e-6)  # about three kilobytes
    for number, name in enumerate(("a", "b", "c")):
        cache.put(name, {"values": torch.full((300,), float(number))})
        for age, file in enumerate(sorted(tmp_path.glob("*.safetensors"), key=lambda f: f.name)):
            os.utime(file, (1000 + age, 1000 + age))
    assert cache.get("a") is None
    kept = cache.get("c")
    assert kept is not None and float(kept["values"][0]) == 2.0


@pytest.mark.slow
def test_what_another_precision_computed_is_not_taken_up(
    scene: Scene, tiny_backbones: Backbones, tiny_models: Path
) -> None:
    coarse = ia.load_backbones(str(tiny_models), device="cpu", dtype="bfloat16")
    layout, record = asked(scene, move=("dog=+15,0",))
    shared = MemoryCache()
    arrange(scene, layout, record, tiny_backbones, cache=shared)
    after, alone = (arrange(scene, layout, record, coarse, cache=cache) for cache in (shared, MemoryCache()))
    assert after.cost.evaluations == alone.cost.evaluations
    assert np.array_equal(after.photo.pixels, alone.photo.pixels)
