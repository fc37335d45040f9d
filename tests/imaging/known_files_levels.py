"""What levels of a mask are taken for, at the borders between one reading and another."""

from __future__ import annotations

from typing import Any

import numpy as np

from intarsia.imaging import mask_levels
from intarsia.imaging.mask_files import StoredMask, brightness, whole_levels
from tests.imaging.file_digests import attempt, case, each, noise
from tests.imaging.known_files_masks import disc

SIDE = 32


def shares(share: float, level: int, ground: int = 0, white: float = 0.0) -> np.ndarray:
    """(32, 32) of which a share has a level, and another is white."""
    levels = np.full(SIDE * SIDE, ground, np.uint8)
    levels[: round(share * levels.size)] = level
    if white:
        levels[-round(white * levels.size) :] = 255
    return levels.reshape(SIDE, SIDE)


def edges(width: int, top: int = 255, side: int = SIDE) -> np.ndarray:
    """(side, side) that rises from black over so many pixels."""
    ramp = np.clip((np.arange(side) - side / 4) * top / max(1, width), 0, top)
    return np.tile(ramp.round().astype(np.uint8), (side, 1))


def some_levels() -> list[np.ndarray]:
    """Levels of many kinds."""
    made = [
        shares(share, level)
        for share in (0.0, 0.09, 0.1, 0.11, 0.3, 0.5)
        for level in (1, 32, 33, 34, 128, 222, 223, 224, 255)
    ]
    made += [
        shares(share, level, white=white)
        for share in (0.09, 0.1, 0.101, 0.2)
        for level in (32, 33, 222, 223)
        for white in (0.05, 0.1, 0.101, 0.2)
    ]
    made += [edges(width, top) for width in range(1, 26, 2) for top in (200, 222, 223, 255)]
    made += [shares(share, 255, 120) for share in (0.1, 0.5, 0.79, 0.8, 0.81)] + [
        disc(ground, 255).astype(np.uint8) for ground in (0, 31, 32, 33)
    ]
    chance = np.frombuffer(noise(SIDE * SIDE, 5), np.uint8).reshape(SIDE, SIDE)
    made += [chance // divisor * factor for divisor, factor in ((1, 1), (2, 1), (8, 1), (64, 64), (32, 32), (128, 200))]
    dots = [np.zeros((2 * SIDE, 2 * SIDE), np.uint8) for _ in range(3)]
    for k, levels in zip((39, 40, 41), dots, strict=True):
        for dot in range(k):
            levels[6 * (dot // 10) : 6 * (dot // 10) + 3, 6 * (dot % 10) : 6 * (dot % 10) + 3] = 200 if dot % 2 else 230
    return [*made, *dots]


def some_labels() -> list[np.ndarray]:
    """Maps of labels, of few and many, with and without borders."""
    made = [
        np.repeat(np.repeat(np.arange(k * k).reshape(k, k) * step, SIDE // k, 0), SIDE // k, 1)
        for k in (2, 4, 8)
        for step in (1, 3, 4, 60)
    ]
    made += [np.where(disc(0, 1, 12) != disc(0, 1, 12 - width), 255, disc(0, 7)) for width in (0.5, 1, 1.5, 2, 3, 4, 6)]
    made += [
        np.where(disc(0, 1, 14) != disc(0, 1, 13), 255, disc(0, level, radius))
        for level in (7, 32, 33, 40)
        for radius in (2, 5, 9)
    ]
    made += [
        np.tile(np.repeat(np.arange(count) * (255 // count), SIDE // count + 1)[:SIDE], (SIDE, 1))
        for count in (2, 3, 4, 7, 8, 9, 10, 12)
    ]
    large = [np.kron(each_, np.ones((5, 4), np.int64)) for each_ in made[12:24]]
    return [(values % 256).astype(np.uint8) for values in (*made, *large)] + [
        (values * factor).astype(np.uint16) for values in made[:12] for factor in (100, 257, 900)
    ]


def stored(levels: np.ndarray, **others: Any) -> StoredMask:
    held: dict[str, Any] = {
        "levels": levels,
        "colours": None,
        "labels": levels,
        "paletted": False,
        "alpha": None,
        "exact": True,
    }
    return StoredMask(**{**held, **others})


@case
def levels_judged() -> Any:
    made = some_levels()

    def checked(levels: np.ndarray, invert: bool, alpha: np.ndarray | None = None) -> Any:
        return mask_levels._check_grey("mask.png", stored(levels, alpha=alpha), levels, invert)

    return [
        *each(mask_levels.is_soft, made, together=8),
        *each(mask_levels._roughness, made, together=8),
        *each(checked, made, False, together=4),
        *each(checked, made, True, together=8),
        *each(checked, made, False, made[60], together=16),
    ]


@case
def layers_judged() -> Any:
    shapes = [
        shares(share, level, ground) for share in (0.01, 0.02, 0.5) for level in (0, 1, 255) for ground in (0, 255)
    ]
    found: list[Any] = []
    for levels in (
        *some_levels()[::6],
        *(shares(share, level, 255) for share in (0.002, 0.006, 0.012, 0.5) for level in (0, 32, 33, 223)),
    ):
        found.append([attempt(mask_levels._layer, "mask.png", stored(levels, alpha=alpha), alpha) for alpha in shapes])
    flat = np.full((SIDE, SIDE), 255, np.uint8)
    for level in (222, 223, 224, 255):
        for opacity in (32, 100, 222, 223, 224, 254):
            found.append(
                attempt(
                    mask_levels._layer, "mask.png", stored(np.minimum(flat, level)), disc(0, opacity).astype(np.uint8)
                )
            )
    return found


@case
def labels_judged() -> Any:
    made = some_labels()
    present = [mask_levels._present(labels) for labels in made]
    found: list[Any] = [present, *each(mask_levels._flat_share, made), *each(mask_levels._is_void, made, together=8)]
    for labels, there in zip(made, present, strict=True):
        kinds = [stored(brightness(labels), labels=labels, paletted=paletted) for paletted in (False, True)]
        found.append([attempt(mask_levels._is_map, kind, labels, there) for kind in kinds])
        found.append(
            [
                attempt(mask_levels._labelled, "mask.png", kind, labels, choosable)
                for kind in kinds
                for choosable in (True, False)
            ]
        )
        found.append([attempt(mask_levels._is_flat_greys, labels, there, unit) for unit in (1, 257)])
        found.append([attempt(mask_levels._one_label, "mask.png", kinds[0], label) for label in (1, 100)])
    found.append(attempt(mask_levels._one_label, "mask.png", stored(made[0], labels=None), 1))
    return [*found, [mask_levels.listed(list(range(count))) for count in range(1, 15)]]


@case
def colours_judged() -> Any:
    found: list[Any] = []
    grain = np.frombuffer(noise(SIDE * SIDE * 3, 9), np.uint8).reshape(SIDE, SIDE, 3)
    for spread in (0, 47, 48, 49, 50, 255):
        for channel in range(3):
            colours = np.zeros((SIDE, SIDE, 3), np.uint8)
            colours[: 8 + channel, :, channel] = spread
            for alpha in (None, disc(0, 1).astype(np.uint8)):
                found.append(mask_levels._colourful_share(colours, alpha))
    for rows in (4, 14, 15, 16, 17, 32):
        colours = np.zeros((SIDE, SIDE, 3), np.uint8)
        colours[:rows] = grain[:rows]
        found.append(mask_levels._colour_message("mask.png", colours, rows / 32))
    values = [
        np.array([[low, high]], kind)
        for kind in (np.float32, np.int32)
        for low, high in ((0, 1), (0, 1.5), (0, 255), (0, 256), (-1, 1), (0, 65_535), (0, 65_536), (1, 70_000))
    ]
    return [
        *found,
        *each(whole_levels, values, "mask.png", together=1),
        *each(whole_levels, [np.array([[0.5, np.inf]])], "mask.png"),
    ]
