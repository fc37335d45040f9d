"""Where the object in a box probably is: several guesses from colours and edges on a small picture, which vote.

No single cue suffices. Colours fail where the object shares them with its surroundings (black coffee on a black
table), and how well an object is fenced off by edges fails where the surroundings are textured (a bird on water).
So GrabCut and a kernel estimate of colours are run with either cue and both, and the share of their votes that
makes an object is chosen by what its outline would look like.

Sources: Rother, Kolmogorov and Blake 2004, GrabCut; Criminisi, Sharp and Blake 2008, GeoS: geodesic image
segmentation (the distance from what surely surrounds the object); Lempitsky, Kohli, Rother and Sharp 2009, image
segmentation with a bounding box prior (an object reaches the sides of its box); He, Sun and Tang 2013, guided
image filtering.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from intarsia.imaging.guided import GuidedFilter
from intarsia.imaging.lab import lab_of
from intarsia.progress import tick

if TYPE_CHECKING:
    from intarsia.imaging.masks import Mask
    from intarsia.imaging.photo import Bytes

Values: TypeAlias = npt.NDArray[np.floating[Any]]
Numbers: TypeAlias = npt.NDArray[np.int32]

SHARES = (0.3, 0.5, 0.7)
"""Shares of the votes of which one makes an object."""

CORNER = 0.02
"""Corners of a box count as surroundings even at the picture's border: so far along each side, in sides."""

TEXTURE = 0.5
"""Part of the surroundings' mean edge that is texture, and no border."""

NEIGHBOURHOOD = 0.25
"""How far around a place that mean is taken, in sides of the box."""

STRANGE_STEP = 1.0
"""Length of a step through a colour that the surroundings lack, in levels of Lab."""

FENCE_LEVELS = 0.4
"""Weight of the distance beside two colours, as part of the range of a channel."""

COLOUR, PLACE = 8.0, 0.35
"""Widths of the kernels with which colours are learned: in levels of Lab, and in sides of the box."""

SAMPLES = 400
"""Pixels from which they are learned."""

STRANGE_OBJECT, STRANGE_GROUND, STRANGE = 0.1, 0.03, 0.02
"""How often an object and its ground have a colour that was not seen of them, and the density of such a colour."""

MOST_EVIDENCE = 3.0
"""Logarithm of the odds that a colour can count for or against an object."""

SURE = 4.0
"""Logarithm of the odds for the object where it surely is."""

LEARNINGS = 8
"""Times that colours are learned again from what they have shown."""

SPECK = 0.02
"""Parts and holes smaller than this share of the object are noise."""

SLACK = 0.07
"""Share of a side by which an object may fall shorter of one side of its box than of another."""

NARROW = 2.0
"""Standard deviation of the strips on both sides of an outline that are compared, in pixels."""

FAINT = 20.0
"""Squared levels of Lab by which such strips may differ by chance."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """The part of a photo about a box, at a size to work at.

    Attributes:
        pixels: (h, w, 3) uint8.
        inside: (h, w) where the object may be; neither nowhere nor everywhere.
        sure: (h, w) what surely is the object, within that.
    """

    pixels: Bytes
    inside: Mask
    sure: Mask

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """First and last row and column of the box, the last ones not included."""
        rows, columns = np.flatnonzero(self.inside.any(1)), np.flatnonzero(self.inside.any(0))
        return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1

    def places(self) -> tuple[Values, Values]:
        """(h, w) each: down and across, 0 to 1 in the box."""
        top, bottom, left, right = self.frame
        y, x = np.mgrid[: self.inside.shape[0], : self.inside.shape[1]].astype(np.float32)
        return (y + 0.5 - top) / (bottom - top), (x + 0.5 - left) / (right - left)


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What most probably is the object in a view's box.

    Attributes:
        mask: (h, w), may be empty.
        score: how plausible it is; between some 1 and 2 for objects, less for anything else.
        contrast: how well it can be told from what surrounds it, in [0, 1].
    """

    mask: Mask
    score: float
    contrast: float


def vote(view: View) -> Found:
    """What several guesses agree on as the object in a view's box."""
    lab = lab_of(view.pixels)
    y, x = view.places()
    roundness = 4 * (y - 0.5) ** 2 + 4 * (x - 0.5) ** 2
    ellipse = view.inside & (roundness <= 1)
    around = surroundings_of(view)
    colours = Colours(lab, y, x)
    plain, textured, strange = (
        fenced(lab, view, around, texture, strangeness)
        for texture, strangeness in ((0.0, None), (TEXTURE, None), (TEXTURE, colours.strange(around)))
    )
    middle = np.clip(1 - roundness, -1.5, 1)
    sure = SURE * view.sure
    by_colour, near_plain, near_strange = colours.settle(
        [
            0.7 * middle + sure,
            1.2 * middle + sure + 0.5 * enclosure(plain, view),
            0.7 * middle + sure + enclosure(strange, view),
        ],
        view,
    )
    guesses = [
        cut(view.pixels, view, ellipse),
        cut(with_fence(lab, plain, view), view, ellipse),
        cut(with_fence(lab, textured, view), view, ellipse),
        cut(view.pixels, view, by_colour, 2),
        near_plain,
        near_strange,
    ]
    guesses = [tidy(guess) for guess in guesses]
    share = np.mean(guesses, axis=0)
    masks = [share >= least for least in SHARES]
    scores = [plausibility(mask, guesses, lab, view) for mask in masks]
    best = int(np.argmax(scores))
    contrast = standing_out(masks[best], lab, view) if masks[best].any() else 0.0
    return Found(mask=masks[best], score=scores[best], contrast=contrast)


def surroundings_of(view: View) -> Mask:
    """(h, w) what surely is not the object: all outside the box, and its corners."""
    top, bottom, left, right = view.frame
    reach = max(2, round(CORNER * max(bottom - top, right - left)))
    around: Mask = ~view.inside
    for row in (top, bottom - 1):
        for column in (left, right - 1):
            around[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1] = True
    return around


def fenced(lab: Values, view: View, around: Mask, texture: float, strangeness: Values | None) -> Values:
    """(h, w) length of the shortest way from the surroundings to each pixel, where only differences cost.

    Args:
        texture: part of the edges of the surroundings nearby that costs nothing.
        strangeness: (h, w) in [0, 1], what a step through a pixel costs besides.
    """
    height, width = around.shape
    start, end, step = steps_of(lab)
    if texture:
        edges = np.zeros(height * width, np.float32)
        np.maximum.at(edges, start, step)
        np.maximum.at(edges, end, step)
        top, bottom, left, right = view.frame
        usual = texture * mean_over(
            edges.reshape(height, width), around, NEIGHBOURHOOD * max(bottom - top, right - left)
        )
        step = np.maximum(step - (usual.ravel()[start] + usual.ravel()[end]) / 2, 0)
    if strangeness is not None:
        step = step + STRANGE_STEP * (strangeness.ravel()[start] + strangeness.ravel()[end]) / 2
    return shortest(start, end, step, around)


def steps_of(lab: Values) -> tuple[Numbers, Numbers, Values]:
    """(E,) each: the numbers of two pixels that touch, and how much their colours differ, for each such pair."""
    height, width = lab.shape[:2]
    number = np.arange(height * width, dtype=np.int32).reshape(height, width)
    soft = cv2.GaussianBlur(lab, (0, 0), 0.7)
    starts, ends, steps = [], [], []
    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = slice(0, height - down), slice(max(-across, 0), width - max(across, 0))
        other = slice(down, height), slice(max(across, 0), width - max(-across, 0))
        starts.append(number[one].ravel())
        ends.append(number[other].ravel())
        steps.append(np.sqrt(((soft[one] - soft[other]) ** 2).sum(-1)).ravel())
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(steps)


def shortest(start: Numbers, end: Numbers, step: Values, sources: Mask) -> Values:
    """(h, w) length of the shortest way to each pixel from any of the sources (h, w), by steps between pixels."""
    # A step of no length would not be one in a sparse matrix.
    graph = sparse.coo_matrix((step + 1e-4, (start, end)), (sources.size, sources.size)).tocsr()
    length = csgraph.dijkstra(graph, directed=False, indices=np.flatnonzero(sources), min_only=True)
    return np.asarray(length.reshape(sources.shape), np.float32)


def mean_over(values: Values, where: Mask, width: float) -> Values:
    """(h, w) mean of the values where a mask is, weighted by a Gaussian around each pixel."""
    weight = where.astype(np.float32)
    total, count = (cv2.GaussianBlur(layer, (0, 0), width) for layer in (values * weight, weight))
    return np.asarray(total / (count + 1e-3), np.float32)


def middle_length(length: Values, view: View) -> float:
    """The length that best divides those in the box in two (Otsu's method)."""
    own = length[view.inside]
    most = max(float(np.quantile(own, 0.98)), 1e-3)
    levels = np.clip(own / most * 255, 0, 255).astype(np.uint8).reshape(-1, 1)
    return max(float(cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[0]) / 255 * most, 1e-3)


def enclosure(length: Values, view: View) -> Values:
    """(h, w) evidence for the object, from how far the surroundings are."""
    middle = middle_length(length, view)
    return np.asarray(np.clip((length - middle) / middle, -1, 1.5), np.float32)


def with_fence(lab: Values, length: Values, view: View) -> Bytes:
    """(h, w, 3) a picture for GrabCut: the two colours that vary most, and the distance from the surroundings."""
    flat = lab.reshape(-1, 3) - lab.reshape(-1, 3).mean(0)
    _, axes = np.linalg.eigh(flat.T @ flat)
    main = (flat @ axes[:, :0:-1]).reshape(*length.shape, 2)
    main *= np.sign(main[0, 0] + 1e-6)  # eigenvectors have no direction of their own
    distance = 255 * FENCE_LEVELS * (1 - np.exp(-length / middle_length(length, view)))
    return np.dstack([np.clip(128 + 1.5 * main, 0, 255), distance]).astype(np.uint8)


def cut(pixels: Bytes, view: View, start: Mask, rounds: int = 3) -> Mask:
    """(h, w) GrabCut in a view's box from a first guess."""
    labels = np.where(start, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels[~view.inside], labels[view.sure] = cv2.GC_BGD, cv2.GC_FGD
    return grab_cut(pixels, labels, rounds)


def grab_cut(pixels: Bytes, start: npt.NDArray[np.integer], rounds: int) -> Mask:
    """(h, w) GrabCut from labels; where only one kind of colours could be learned, what was labelled an object."""
    tick(0.6)
    labels = start.astype(np.uint8)
    ours: Mask = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if min(int(ours.sum()), int((~ours).sum())) < 16:  # GrabCut wants some pixels for each of its five colours
        return ours
    cv2.setRNGSeed(0)  # colours are clustered from random centres
    cv2.grabCut(pixels, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    found: Mask = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return found


class Colours:
    """How usual a pixel's colour is among others nearby, by kernels over colour and place.

    Attributes:
        samples: the pixels that are compared with, spread over the picture.
    """

    def __init__(self, lab: Values, y: Values, x: Values) -> None:
        height, width = y.shape
        step = max(int(math.sqrt(height * width / SAMPLES)), 1)
        numbers = np.arange(height * width).reshape(height, width)
        self.samples = numbers[step // 2 :: step, step // 2 :: step].ravel()
        colour = np.asarray(cv2.GaussianBlur(lab, (0, 0), 0.6), np.float32).reshape(-1, 3) / COLOUR
        # A Gaussian of two coordinates is the product of one each: as many rows, or columns, as the picture has.
        self.down, self.across = (
            kernel(side[:, None], places.ravel()[self.samples, None])
            for side, places in ((y[:, 0] / PLACE, y / PLACE), (x[0] / PLACE, x / PLACE))
        )
        likeness = kernel(colour, colour[self.samples]).reshape(height, width, -1)
        likeness *= self.down[:, None]
        likeness *= self.across
        self.likeness: Values = likeness.reshape(height * width, -1)
        everywhere = np.ones((len(self.samples), 1), np.float32)
        self.all_alike, self.all_near = self.likeness @ everywhere, self.near(everywhere)
        self.guide = GuidedFilter(lab / 100)

    def near(self, weights: Values) -> Values:
        """(N, K) how much of K weights (M, K) of the samples lies near each pixel."""
        return np.stack([((self.down * own) @ self.across.T).ravel() for own in weights.T], 1)

    def usual(self, weights: Values) -> tuple[Values, Values]:
        """(N, K) each: share of the samples near each pixel that have its colour, by K weights (M, K), and by what is
        left of them to 1."""
        alike, near = self.likeness @ weights, self.near(weights)
        rest = np.maximum(self.all_alike - alike, 0), np.maximum(self.all_near - near, 0)
        return alike / (near + 1e-3), rest[0] / (rest[1] + 1e-3)

    def strange(self, around: Mask) -> Values:
        """(h, w) in [0, 1]: how little a pixel's colour is among those of the surroundings near it."""
        seen, _ = self.usual(around.ravel()[self.samples, None].astype(np.float32))
        rare: Values = np.log(np.minimum(seen, 1) + 0.005) / math.log(0.005)
        return np.clip(rare, 0, 1).reshape(around.shape)

    def settle(self, priors: Sequence[Values], view: View) -> list[Mask]:
        """(h, w) the object, by colours that are learned from a first guess and then from what they show; one a guess.

        Args:
            priors: (h, w) logarithms of the odds for the object before its colours are known.
        """
        shares = [np.where(view.inside, 1 / (1 + np.exp(-2 * prior)), 0) for prior in priors]
        for done in range(LEARNINGS):
            tick(0.5 * done / LEARNINGS)
            own = np.stack([share.ravel()[self.samples] for share in shares], 1).astype(np.float32)
            usual, usual_around = self.usual(own)
            ours = (1 - STRANGE_OBJECT) * usual + STRANGE_OBJECT * STRANGE
            theirs = (1 - STRANGE_GROUND) * usual_around + STRANGE_GROUND * STRANGE
            evidences = np.clip(np.log(ours / theirs), -MOST_EVIDENCE, MOST_EVIDENCE)
            for k, prior in enumerate(priors):
                odds = self.guide.smooth((evidences[:, k].reshape(prior.shape) + prior).astype(np.float32))
                shares[k] = np.where(view.inside, 1 / (1 + np.exp(-odds)), 0)
        return [share > 0.5 for share in shares]


def kernel(values: Values, centres: Values) -> Values:
    """(N, D), (M, D) -> (N, M) Gaussian kernel of unit width."""
    squares = (values**2).sum(1)[:, None] + (centres**2).sum(1)[None] - 2 * values @ centres.T
    return np.asarray(np.exp(-0.5 * np.maximum(squares, 0)), np.float32)


def plausibility(mask: Mask, guesses: list[Mask], lab: Values, view: View) -> float:
    """How much a mask looks like an object of its box: what tells it from its surroundings along its outline, how
    far the guesses agree with it, and whether it reaches all sides of the box without being cut off by them."""
    if not mask.any():
        return -math.inf
    agreement = float(np.mean([(mask & guess).sum() / max((mask | guess).sum(), 1) for guess in guesses]))
    outline, cut_off = outline_of(mask, view)
    contrast = standing_out(mask, lab, view)
    top, bottom, left, right = view.frame
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    high, wide = bottom - top, right - left
    gaps = (
        (rows[0] - top) / high,
        (bottom - 1 - rows[-1]) / high,
        (columns[0] - left) / wide,
        (right - 1 - columns[-1]) / wide,
    )
    # A box may be wide, but then on all sides.
    short = sum(max(gap - min(gaps) - SLACK, 0) for gap in gaps)
    return float(agreement + contrast - 4 * short - 0.6 * cut_off[outline].mean())


def standing_out(mask: Mask, lab: Values, view: View) -> float:
    """Mean contrast along a mask's outline, in [0, 1]; none where the box cuts it off."""
    outline, cut_off = outline_of(mask, view)
    return float(np.where(cut_off, 0, contrast_along(mask, lab))[outline].mean())


def outline_of(mask: Mask, view: View) -> tuple[Mask, Mask]:
    """(h, w) each: a mask's outermost pixels but for those at the picture's border, and which lie at the box's."""
    kernel = np.ones((3, 3), np.uint8)
    box = np.zeros_like(mask)
    top, bottom, left, right = view.frame
    box[top:bottom, left:right] = True
    # Beyond the picture's border goes on what is at it, so that there is no outline. Where other objects end it, it
    # is not the box that does.
    inner, well_inside = (
        cv2.erode(shape.astype(np.uint8), kernel, borderType=cv2.BORDER_REPLICATE) > 0 for shape in (mask, box)
    )
    outline = mask & ~inner
    if not outline.any():
        outline = mask
    return outline, outline & ~well_inside


def contrast_along(mask: Mask, lab: Values) -> Values:
    """(h, w) in [0, 1]: how well the colours just inside and just outside a mask can be told apart at each place."""
    inside = mask.astype(np.float32)
    means, spreads = [], np.zeros(mask.shape, np.float32)
    for weight in (inside, 1 - inside):
        amount = cv2.GaussianBlur(weight, (0, 0), NARROW) + 1e-4
        mean, square = (
            cv2.GaussianBlur(values * weight[..., None], (0, 0), NARROW) / amount[..., None] for values in (lab, lab**2)
        )
        means.append(mean)
        spreads += np.maximum((square - mean**2).sum(-1), 0)
    apart = ((means[0] - means[1]) ** 2).sum(-1)
    return np.asarray(apart / (apart + spreads + FAINT), np.float32)


def tidy(mask: Mask) -> Mask:
    """A mask (h, w) without small islands and small holes."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    least = SPECK * areas.sum()
    kept: Mask = (areas >= least)[labels]
    holes, _ = ndimage.label(~kept)
    small = np.bincount(holes.ravel()) < least
    small[0] = False
    # What touches the picture's border is no hole.
    small[np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))] = False
    whole: Mask = kept | small[holes]
    return whole
