"""The cases of the benchmark of edit by layout: harder targets are what they are called, and their truths fit."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.layout_cases import draw_case, render_ground
from benchmarks.layout_targets import DRAWS, draw_hard_case
from tests.emoji_font import needs_font


@needs_font
@pytest.mark.parametrize("kind", list(DRAWS))
def test_a_harder_target_is_of_its_kind_and_the_same_each_time(kind: str) -> None:
    case, again = draw_hard_case(kind, 5, 1), draw_hard_case(kind, 5, 1)
    assert len(case.targets) == 3
    assert case.given is not None
    for target, other in zip(case.targets, again.targets, strict=True):
        assert np.array_equal(target.truth, other.truth)
        (mover,) = (p for p in target.layout.placements if p.moved)
        a, b, _, d, e, _ = mover.matrix
        masks = [p.mask for p in target.layout.placements]
        crossed = bool((np.sum(masks, axis=0) > 1).any())
        cut = mover.mask.sum() < 0.9 * (a * e - b * d) * case.scene.masks[mover.name].sum()
        assert (abs(b) > 0.1) == (kind == "rotation")
        assert (abs(a - 1) > 1e-9) == (kind in ("rotation", "scale"))
        assert crossed == (kind == "occlusion") and cut == (kind == "border")
        assert target.given is not None
        same = all(
            np.array_equal(p.mask, q.mask)
            for p, q in zip(target.layout.placements, target.given.placements, strict=True)
        )
        assert same == (kind not in ("blobs", "noisy"))
    masks_differ = any(not np.array_equal(case.scene.masks[n], case.given.masks[n]) for n in case.scene.names)
    assert masks_differ == (kind == "noisy")


@needs_font
def test_the_ground_is_what_lies_around_the_objects_of_the_plain_case() -> None:
    case, ground = draw_case(5, 1), render_ground(5, 1)
    far = ~np.any(list(case.scene.masks.values()), axis=0)
    assert (ground[far] == case.scene.photo.pixels[far]).all(1).mean() > 0.6
