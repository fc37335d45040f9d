"""Background fills that need no checkpoint: they change the hole alone, with and without PatchMatch."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from intarsia.backbones import fills
from intarsia.backbones.fills import MembraneFill, PatchFill, check_source, load_fill, paints_size
from intarsia.errors import RegionError
from intarsia.imaging.geometry import Size


def striped(side: int = 90) -> tuple[np.ndarray, np.ndarray]:
    ys, xs = np.mgrid[:side, :side]
    image = np.stack([120 + 80 * (ys // 6 % 2), 90 + xs, 60 + 0 * xs], -1).clip(0, 255).astype(np.uint8)
    hole = np.hypot(xs - 40, ys - 45) < 16
    return image, hole


@pytest.fixture
def without_patchmatch(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: object, **named: object) -> object:
        if name == "patchmatch":
            raise ImportError("no wheel for this machine")
        return real(name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)


@pytest.mark.parametrize("name", ["auto", "patch", "membrane"])
def test_only_the_hole_changes(name: str) -> None:
    image, hole = striped()
    spoiled = np.where(hole[..., None], np.uint8(255), image)
    filled = load_fill(name).fill(spoiled, hole, np.zeros_like(hole))
    assert filled.dtype == np.uint8 and (filled[~hole] == image[~hole]).all()
    assert np.abs(filled[hole].astype(float) - image[hole]).mean() < (45 if name == "membrane" else 6)
    again = load_fill(name).fill(spoiled, hole, np.zeros_like(hole))
    assert (again == filled).all()


def test_patch_works_where_patchmatch_is_missing(without_patchmatch: None) -> None:
    image, hole = striped()
    fill = PatchFill()
    assert not fill.guided and fill.version.startswith("intarsia ")
    filled = fill.fill(np.where(hole[..., None], np.uint8(255), image), hole, np.zeros_like(hole))
    assert np.abs(filled[hole].astype(float) - image[hole]).mean() < 6


def test_with_patchmatch_its_version_is_told() -> None:
    pytest.importorskip("patchmatch")
    assert PatchFill().guided and PatchFill().version.startswith("pypatchmatch ")


def test_other_objects_are_neither_copied_nor_changed() -> None:
    image, hole = striped()
    others = np.zeros_like(hole)
    others[30:60, 62:88] = True
    image[others] = (255, 0, 255)
    filled = PatchFill().fill(image, hole, others & ~hole)
    assert (filled[others & ~hole] == image[others & ~hole]).all()
    assert filled[hole][:, 1].min() > 60


@pytest.mark.parametrize("fill", [PatchFill(), MembraneFill()])
def test_without_anything_left_it_is_refused(fill: fills.PatchFill | fills.MembraneFill) -> None:
    image, hole = striped()
    with pytest.raises(RegionError, match="All of the picture would be replaced"):
        fill.fill(image, np.ones_like(hole), np.zeros_like(hole))
    with pytest.raises(RegionError, match="no background is left"):
        fill.fill(image, hole, ~hole)
    check_source(np.zeros_like(hole), np.zeros_like(hole))


@pytest.mark.parametrize(
    ("native_side", "short", "paints"),
    [
        (64, 64, True),
        (64, 128, True),
        (64, 160, True),
        (64, 161, False),
        (64, 3000, False),
        (512, 3000, True),
        (256, 64, True),
    ],
)
def test_small_checkpoints_paint_small_pictures_alone(native_side: int, short: int, paints: bool) -> None:
    assert paints_size(native_side, Size(2 * short, short)) == paints
