"""Find objects in a picture by their names: a segmenter says about where, the picture's colours say exactly where.

A segmenter's map is coarse: it rounds off corners and loses legs and tails. So each object's colours and
those of the ground around it are learned from where the map is sure, and decide where it is not. Where there
is a network for outlines, it is then shown each object and has the last word.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from intarsia.backbones.confidence import Answers, Confidence, ask, judge, known_noun, spelled_alike
from intarsia.backbones.protocols import KnowsNouns, MaskRefiner, Segmenter
from intarsia.errors import LayoutError, Remedy, Setting
from intarsia.imaging.geometry import Point, working_size
from intarsia.imaging.masks import Mask, bounding_box, bounds_of, centroid, depth_inside
from intarsia.imaging.parts import SPECK, components, of_parts, tidy_mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.settling import settle_masks
from intarsia.imaging.tensors import to_tensor
from intarsia.layout.names import BACKGROUND, words_of
from intarsia.layout.scene import SceneObject
from intarsia.notes import note

LEAST_PEAK = 0.25
"""Probability below which a segmenter has not found what it was asked for."""

CERTAIN = 0.95
"""Share of an object's highest odds that is as certain as that."""

AGREES = 0.5
"""Overlap (IoU) with what was found from which an outline is the object's, and not that of a part or a neighbour."""

LARGEST_DRAWING = 160
"""Short side in pixels up to which a picture may be one of the small world that small segmenters know."""

STEPS = 256
"""Rows and columns at which the middle of a region is looked for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Located:
    """Where a segmenter shows what was named, before anything refines it.

    Attributes:
        picture: (1, 3, h, w) in [-1, 1], what it looked at.
        answers: its maps, at the size at which it looked.
        masks: (H, W) at the photo's size by name, disjoint, none of them empty.
        points: by name, in pixels of the photo, where it is surest.
    """

    picture: Tensor
    answers: Answers
    masks: dict[str, Mask]
    points: dict[str, Point]


def find_masks(
    photo: Photo, names: Sequence[str], segmenter: Segmenter, *, side: int, refiner: MaskRefiner | None = None
) -> dict[str, Mask]:
    """(H, W) masks by name, of what is found however unsure it is; see `detect_words`."""
    return {found.name: found.mask for found in detect_words(photo, names, segmenter, side=side, refiner=refiner)}


def detect_words(
    photo: Photo, names: Sequence[str], segmenter: Segmenter, *, side: int, refiner: MaskRefiner | None = None
) -> tuple[SceneObject, ...]:
    """Find objects by their names, and say how sure it is that they are there.

    Objects of one class ("dog 1", "dog 2") are its largest separate parts, numbered from left to right. What is found
    without confidence is given, too: see `SceneObject.sure` and `SceneObject.doubt`.

    Args:
        names: unique; a number at the end tells objects of one class apart and is not looked for.
        side: short side at which the segmenter looks, in pixels.
        refiner: makes the masks exact at the photo's own size; by default the segmenter, if it can do that, too.

    Returns:
        An object for each name, in that order; their (H, W) masks are disjoint and none of them is empty.

    Raises:
        LayoutError: an object is not found, or a name comes twice, or the segmenter does not know a noun.
    """
    names = [name.strip() for name in names]
    located = locate(photo, names, segmenter, side=side)
    judged = judge_all(located)
    sure = [name for name in names if judged[name].sure]
    if 0 < len(sure) < len(names):  # what is perhaps not there takes no pixel of what is
        alone = divide(photo, located.picture, located.answers, sure)
        located = left_over(located, alone)
        judged = judge_all(located)
    masks = [located.masks[name] for name in names]
    refiner = segmenter if refiner is None and isinstance(segmenter, MaskRefiner) else refiner
    if refiner is not None:
        masks = refine_masks(photo, masks, [located.points[name] for name in names], refiner)
    return tuple(found_object(name, mask, judged[name]) for name, mask in zip(names, masks, strict=True))


def judge_all(located: Located) -> dict[str, Confidence]:
    """How sure it is of each object, by name."""
    answers = located.answers
    return {name: judge(answers, words_of(name), coarse(mask, answers.maps)) for name, mask in located.masks.items()}


def left_over(located: Located, first: Located) -> Located:
    """Objects of which some have the first choice of pixels; the others have what is left of theirs.

    Raises:
        LayoutError: nothing is left of one.
    """
    taken = np.logical_or.reduce(list(first.masks.values()))
    masks, points = dict(located.masks), dict(located.points)
    for name, mask in located.masks.items():
        if name in first.masks:
            masks[name], points[name] = first.masks[name], first.points[name]
            continue
        masks[name] = mask & ~taken
        if not masks[name].any():
            raise only_where(words_of(name), next(k for k, own in first.masks.items() if (own & mask).any()))
        heat = located.answers.of([words_of(name)])
        full = F.interpolate(heat[None], mask.shape, mode="bilinear", align_corners=False)[0, 0].numpy()
        points[name] = surest_point(masks[name], full)
    return dataclasses.replace(located, masks=masks, points=points)


def only_where(words: str, rival: str) -> LayoutError:
    """The error where nouns compete for a place, and one of them has nothing else."""
    return LayoutError(
        f"{words!r} was found only where {rival!r} is more probable",
        Remedy("use words that tell them apart"),
        pass_masks("masks"),
    )


def coarse(mask: Mask, maps: Tensor) -> Tensor:
    """(h, w) bool, a mask (H, W) on the grid of maps (T, h, w); not empty if the mask is not."""
    small = F.interpolate(torch.from_numpy(mask)[None, None].float(), maps.shape[-2:], mode="area")[0, 0]
    return small >= min(0.5, float(small.max()))


def found_object(name: str, mask: Mask, judged: Confidence) -> SceneObject:
    """An object that was found by words."""
    return SceneObject(
        name=name,
        words=words_of(name),
        mask=mask,
        confidence=judged.chance,
        sure_from=judged.sure_from,
        doubt=judged.doubt,
    )


def locate(photo: Photo, names: Sequence[str], segmenter: Segmenter, *, side: int) -> Located:
    """Where a segmenter shows what is named, and the photo's colours: see `detect_words`."""
    check_names(names)
    picture = to_tensor(photo, working_size(photo.size, side, 1))
    classes = list(dict.fromkeys(words_of(name) for name in names))
    check_nouns(photo, classes, segmenter.nouns if isinstance(segmenter, KnowsNouns) else ())
    return divide(photo, picture, ask(segmenter, picture, classes), names)


def divide(photo: Photo, picture: Tensor, answers: Answers, names: Sequence[str]) -> Located:
    """Divide the photo's pixels among what is named, by a segmenter's answers.

    Args:
        picture: (1, 3, h, w) that was looked at.
        names: whose words were asked for.
    """
    classes = list(dict.fromkeys(words_of(name) for name in names))
    heat = answers.of(classes)
    peaks = heat.flatten(1).amax(1)
    for words, peak in zip(classes, peaks.tolist(), strict=True):
        if peak < LEAST_PEAK:
            raise LayoutError(
                f"{words!r} was not found in the picture (its probability is at most {peak:.2f}, and {LEAST_PEAK} is "
                "needed)",
                *other_spelling(words, answers.nouns),
                Remedy("try another word for it"),
                pass_masks("its mask"),
            )
    odds = settle_masks((picture[0].float() + 1) / 2, heat / peaks[:, None, None])
    # Interpolated at the photo's size before it is cut, so that borders are smooth there.
    full = F.interpolate(odds[None], (photo.size.height, photo.size.width), mode="bicubic", antialias=True)[0]
    best = full.max(0)
    owner = torch.where(best.values >= 0.5, best.indices, -1)
    found: dict[str, Mask] = {}
    points: dict[str, Point] = {}
    for place, words in enumerate(classes):
        same = sorted((name for name in names if words_of(name) == words), key=number_of)
        shape = tidy_mask((owner == place).numpy())
        if not shape.any():
            raise only_where(words, classes[int(best.indices.flatten()[full[place].argmax()])])
        for name, mask in zip(same, split_touching(shape, full[place].numpy(), same), strict=True):
            found[name], points[name] = mask, surest_point(mask, full[place].numpy())
    return Located(picture=picture, answers=answers, masks=found, points=points)


def other_spelling(words: str, nouns: Sequence[str]) -> tuple[Remedy, ...]:
    """The known noun that is spelled nearly like one that is not."""
    alike = None if known_noun(words, nouns) else spelled_alike(words, nouns)
    return (Remedy(f"write {alike!r} if that is meant"),) if alike else ()


def check_nouns(photo: Photo, classes: Sequence[str], nouns: Sequence[str]) -> None:
    """Say on a photograph that a segmenter knows few nouns, and these from a small drawn world.

    Args:
        nouns: all that the segmenter knows; empty where it knows many.

    Raises:
        LayoutError: one that is looked for is none of them.
    """
    if not nouns or photo.size.short <= LARGEST_DRAWING:
        return
    unknown = [words for words in classes if known_noun(words, nouns) is None]
    if unknown:
        raise LayoutError(
            f"{' and '.join(map(repr, unknown))}: the pocket models know {len(nouns)} nouns of their own small world "
            f"({', '.join(nouns)}) and no photographs",
            *other_spelling(unknown[0], nouns),
            Remedy(
                "mark the object with a box or points, ",
                Setting("object", f"'{unknown[0]}=x0,y0,x1,y1'"),
                page=(),
            ),
            pass_masks("its mask, painted with any brush,"),
            Remedy("take models that know photographs with ", Setting("models")),
        )
    note(
        f"The pocket models know {' and '.join(map(repr, classes))} from their own small world: in a photograph they may "
        "find it wrongly or not at all; a box or points outline it without them."
    )


def pass_masks(what: str) -> Remedy:
    """The remedy where objects are not found by their names."""
    return Remedy(f"pass {what} with ", Setting("masks"), page="select it by hand")


def number_of(name: str) -> int:
    """The number that tells an object from its like; 0 where it has none."""
    number = re.search(r"\d+$", name)
    return int(number.group()) if number else 0


def check_names(names: Sequence[str]) -> None:
    """Raise `LayoutError` unless the names are unique and not empty."""
    for name, count in Counter(names).items():
        if not name:
            raise LayoutError(
                "A name of an object is empty",
                Remedy(
                    "say what it is, e.g. ",
                    Setting("find", "cat 'potted plant'"),
                    page="say what it is, e.g. cat, potted plant",
                ),
            )
        if count > 1:
            raise LayoutError(f"{name!r} is named {count} times: number them, '{name} 1' '{name} 2'.")
        if name.lower() == BACKGROUND:
            raise LayoutError(f"{name!r} is what lies behind all objects: name objects alone.")


def split_touching(mask: Mask, odds: npt.NDArray[np.float32], names: Sequence[str]) -> list[Mask]:
    """The separate objects of one class, from left to right.

    Where they touch, the bar is raised until there are enough parts, and then the mask is worn off from its
    borders; the rest of the pixels goes to the nearest part.

    Raises:
        LayoutError: there are fewer than were named.
    """
    count = len(names)
    if count == 1:
        return [mask]
    for core in cores(mask, odds):
        labels, areas = components(core)
        large = np.flatnonzero(areas >= SPECK * areas.max()) if areas.size else areas
        if len(large) >= count:
            break
    else:
        raise LayoutError(
            f"{count} objects were named {words_of(names[0])!r}, but the picture shows fewer that are apart",
            Remedy("name fewer"),
            pass_masks("their masks"),
        )
    chosen = sorted(large[np.argsort(-areas[large], kind="stable")][:count])
    seeds = [labels == 1 + part for part in chosen]
    # Parts that belong to none of the seeds, such as a third dog, are left alone.
    touched, all_areas = components(mask)
    held = np.zeros(len(all_areas), np.bool_)
    for seed in seeds:
        held[touched[seed] - 1] = True
    own = of_parts(touched, held)
    part = bounds_of(own)
    assert part is not None, "a seed lies in a part of the mask"
    distances = np.stack([depth_inside(~seed[part], max(mask.shape)) for seed in seeds])
    nearest = np.full(mask.shape, -1)
    nearest[part] = distances.argmin(0)
    parts = [own & (nearest == place) for place in range(count)]
    middles = [centroid(part).x for part in parts]
    return [parts[place] for place in np.argsort(middles, kind="stable")]


def cores(mask: Mask, odds: npt.NDArray[np.float32]) -> Iterator[Mask]:
    """What is left of a mask (H, W) as the bar is raised, and as it is worn off from its borders."""
    for bar in (0.5, 0.7, 0.9):
        yield mask & (odds >= bar)
    depth = depth_inside(mask, max(mask.shape))
    for share in (0.2, 0.35, 0.5, 0.65, 0.8):
        yield depth > share * depth.max()


def surest_point(mask: Mask, odds: npt.NDArray[np.float32]) -> Point:
    """The middle of where an object is most certain: far from its borders and on the object, whatever its shape."""
    sure = mask & (odds >= CERTAIN * odds[mask].max())
    rows, columns = np.nonzero(sure)
    top, left = rows.min(), columns.min()
    step = math.ceil(max(rows.max() - top + 1, columns.max() - left + 1) / STEPS)
    depth = depth_inside(np.pad(sure[top::step, left::step], 1), STEPS)
    if depth.any():
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        y, x = top + (row - 1) * step, left + (column - 1) * step
    else:  # too thin for the grid
        y, x = rows[len(rows) // 2], columns[len(rows) // 2]
    return Point(float(x) + 0.5, float(y) + 0.5)


def refine_masks(photo: Photo, masks: Sequence[Mask], points: Sequence[Point], refiner: MaskRefiner) -> list[Mask]:
    """Masks with exact outlines. A mask stays as it is where no outline agrees with it.

    Args:
        masks: (H, W) each, disjoint, none of them empty.
        points: one on each object.

    Returns:
        (H, W) each, disjoint, none of them empty.
    """
    outlines = refiner.refine_masks(to_tensor(photo, photo.size), [bounding_box(mask) for mask in masks], points)
    chosen: list[tuple[float, Mask]] = []
    for place, mask in enumerate(masks):
        proposals, scores = outlines.masks[place].numpy(), outlines.scores[place].tolist()
        fitting = [k for k, shape in enumerate(proposals) if iou(shape, mask) >= AGREES]
        best = max(fitting, key=lambda k: scores[k], default=None)
        chosen.append((-math.inf, mask) if best is None else (scores[best], proposals[best]))
    # Where outlines overlap, the better one has the pixel, but what was an object's before stays its.
    owner = np.full(masks[0].shape, -1, np.int32)
    for place in sorted(range(len(masks)), key=lambda place: chosen[place][0]):
        owner[chosen[place][1]] = place
    for place, mask in enumerate(masks):
        owner[chosen[place][1] & mask] = place
    return [owner == place for place in range(len(masks))]


def iou(one: Mask, other: Mask) -> float:
    """Shared area over joint area of two masks, in [0, 1]."""
    return float((one & other).sum() / max((one | other).sum(), 1))
