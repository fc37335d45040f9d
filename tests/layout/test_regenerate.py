"""Regenerate: objects are painted again at their places."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from intarsia.backbones.protocols import Backbones
from intarsia.errors import (
    Cancelled,
)
from intarsia.layout.cache import MemoryCache
from intarsia.layout.concepts import Concepts
from intarsia.layout.layout import Layout
from intarsia.layout.regenerate import regenerate
from intarsia.progress import Progress
from intarsia.records.arrange import GuideSettings
from tests.layout.concept_scenes import record_of, scene_of, shifted


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_objects_are_painted_anew_and_the_rest_is_kept_bit_for_bit(
    tiny_backbones: Backbones, learned: Concepts, untouched: None, preset: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intarsia.layout import regenerate as regenerating

    monkeypatch.setattr(regenerating, "PAPER_STEPS", 6)
    monkeypatch.setattr(regenerating, "PAPER", dataclasses.replace(regenerating.PAPER, refine_most=2))
    scene = scene_of("cat", "dog")
    record = record_of(preset=preset, guide=GuideSettings(refine_at=(0,), refine_to=(0.4,), refine_most=1))
    layout, told = shifted(scene, "cat", 3), list[Progress]()
    made, concepts = regenerate(
        scene,
        layout,
        record,
        tiny_backbones,
        seeds=(0, 1),
        concepts=learned,
        cache=MemoryCache(),
        on_progress=told.append,
    )
    assert len(made) == 2 and concepts.names == learned.names
    for one in made:
        kept = one.blend == 0
        assert kept.any() and (one.blend > 0)[scene.objects[0].mask].all()
        assert np.array_equal(one.photo.pixels[kept], scene.photo.pixels[kept])
        assert not np.array_equal(one.photo.pixels, scene.photo.pixels)
    assert not np.array_equal(made[0].photo.pixels, made[1].photo.pixels)
    assert {p.stage for p in told} - {"painting what lies behind"} == {"inverting the picture", "painting"}
    assert all(0 <= p.done <= p.total for p in told)


def test_objects_that_stay_keep_their_pixels_even_where_another_goes_behind_them(
    tiny_backbones: Backbones, learned: Concepts
) -> None:
    scene = scene_of("cat", "dog")
    behind = shifted(scene, "cat", 14)
    assert (behind.placements[0].mask & behind.placements[1].mask).any()
    (one,), _ = regenerate(
        scene, behind, record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache()
    )
    dog = scene.objects[1].mask
    assert np.array_equal(one.photo.pixels[dog], scene.photo.pixels[dog]) and not one.blend[dog].any()
    before = Layout(placements=behind.placements[::-1])
    (one,), _ = regenerate(
        scene, before, record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache()
    )
    covered = dog & behind.placements[0].mask
    assert (one.blend[covered] > 0).all() and not one.blend[dog & ~covered].any()


def test_an_object_hidden_by_another_is_not_asked_for(tiny_backbones: Backbones, learned: Concepts) -> None:
    scene = scene_of("cat", "dog")
    everything = np.ones_like(scene.objects[0].mask)
    cat, dog = shifted(scene, "dog", -14).placements
    layout = Layout(placements=(dataclasses.replace(cat), dataclasses.replace(dog, mask=everything)))
    assert [name for name, mask in layout.visible_masks().items() if mask.any()] == ["dog"]
    (one,), _ = regenerate(
        scene, layout, record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache()
    )
    assert (one.blend > 0).all()


def test_seeds_paint_the_same_alone_and_in_a_batch(tiny_backbones: Backbones, learned: Concepts) -> None:
    scene = scene_of("cat", "dog")
    layout, cache = shifted(scene, "dog", -3), MemoryCache()
    record = record_of()
    both, _ = regenerate(scene, layout, record, tiny_backbones, seeds=(4, 5), concepts=learned, cache=cache)
    (alone,), _ = regenerate(scene, layout, record, tiny_backbones, seeds=(5,), concepts=learned, cache=cache)
    off = np.abs(both[1].photo.pixels.astype(int) - alone.photo.pixels.astype(int))
    assert off.max() <= 1


def test_an_unchanged_layout_gives_the_photo_itself(tiny_backbones: Backbones, learned: Concepts) -> None:
    scene, meter = scene_of("cat", "dog"), tiny_backbones.in_parts.counter
    before = meter.evaluations
    (one,), _ = regenerate(
        scene,
        shifted(scene, "cat", 0),
        record_of(),
        tiny_backbones,
        seeds=(0,),
        concepts=learned,
        cache=MemoryCache(),
    )
    assert np.array_equal(one.photo.pixels, scene.photo.pixels) and not one.blend.any()
    assert meter.evaluations == before


def test_objects_may_be_removed_all_of_them_too(tiny_backbones: Backbones, learned: Concepts) -> None:
    scene = scene_of("cat", "dog")
    layout = Layout(placements=(), removed=("cat", "dog"))
    (one,), _ = regenerate(
        scene, layout, record_of(), tiny_backbones, seeds=(0,), concepts=learned, cache=MemoryCache()
    )
    assert (one.blend > 0)[scene.objects[0].mask | scene.objects[1].mask].all()


def test_the_next_edit_pays_for_sampling_only(tiny_backbones: Backbones, untouched: None) -> None:
    scene, cache, meter = scene_of("cat", "dog"), MemoryCache(), tiny_backbones.in_parts.counter
    told: list[Progress] = []

    def edit(right: int) -> int:
        told.clear()
        before = meter.evaluations
        regenerate(
            scene,
            shifted(scene, "cat", right),
            dataclasses.replace(record_of(), fill="diffusion"),
            tiny_backbones,
            seeds=(0,),
            concepts=None,
            cache=cache,
            on_progress=told.append,
        )
        return meter.evaluations - before

    first = edit(2)
    assert {"learning tokens", "inverting the picture", "painting what lies behind"} <= {p.stage for p in told}
    following = edit(4)
    assert {p.stage for p in told} == {"painting"} and following < first


def test_painting_can_be_cancelled(tiny_backbones: Backbones, learned: Concepts, untouched: None) -> None:
    def stop(progress: Progress) -> None:
        if progress.stage == "painting" and progress.done == 2:
            raise Cancelled("stop")

    scene = scene_of("cat", "dog")
    with pytest.raises(Cancelled):
        regenerate(
            scene,
            shifted(scene, "cat", 3),
            record_of(),
            tiny_backbones,
            seeds=(0,),
            concepts=learned,
            cache=MemoryCache(),
            on_progress=stop,
        )
