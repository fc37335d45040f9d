"""The affine map that takes one mask onto another as well as it can.

A person who draws a layout means the simplest thing that explains it: that an object stays, moves, grows,
is stretched, and only then that it is turned or mirrored. So the richer maps must earn their place by a
better overlap. Pixels that other objects cover in the target say nothing: an object may go on behind them,
and beyond the borders of the picture too, where its target reaches one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from intarsia.imaging.affine import (
    IDENTITY,
    Matrix,
    about_point,
    apply,
    compose_maps,
    rotation,
    scaling_map,
    translation,
    warp_mask,
)
from intarsia.imaging.geometry import Box, Point, Size
from intarsia.imaging.masks import Mask, bounding_box

COARSE, FINE, FINEST = 48, 64, 192
"""Longest sides at which a map is sought everywhere, refined, and judged, in pixels."""

SIZES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.45, 1.7)
"""Sizes that are tried, times what the areas suggest."""

FEW_SIZES = (0.75, 1.0, 1.3)
"""The same for turned objects."""

MOST_STRETCH = 1.5
"""Width may change by so much more than height, or less; beyond that an object is no longer itself."""

GOOD = 0.9
"""Value from which no turned or mirrored objects are tried."""

PRICES = {"move": 0.005, "scale": 0.015, "stretch": 0.03, "turn": 0.08, "mirror": 0.03}
"""Overlap that each kind of map must gain."""

DOUBTS = {"stretch": 0.3, "turn": 0.25, "mirror": 0.1}
"""Besides, for an e-fold of stretch, half a turn and a mirror, while the overlap is not close to whole: a
blob that was drawn by hand can be overlapped in many ways, and is hardly ever meant to stand on its head."""

WHOLE = 0.2
"""From so little below 1 upward, the overlap speaks for itself."""

STRETCH_PRICE = 0.1
"""For each e-fold of stretch."""

HIDDEN_PRICE = 0.15
"""For an object that is wholly hidden behind others or out of the picture."""

ALIKE = 0.2
"""Starts closer than this in size, and in angle by twice as much, lead to the same place."""

NEARLY = 0.03
"""A size, stretch or angle that is as good as none."""

STEPS = {"x": 3.0, "y": 3.0, "size": 0.08, "stretch": 0.08, "angle": 0.12}
"""First steps of a climb on the fine grid, in its pixels and as a pose counts."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A similarity about the source's middle, with a stretch along its own axes before it is turned.

    Attributes:
        x, y: where the middle goes, in pixels.
        size, stretch: logarithms; stretch is that of width over height.
        angle: radians clockwise.
        mirrored: left to right, before all else.
    """

    x: float
    y: float
    size: float = 0.0
    stretch: float = 0.0
    angle: float = 0.0
    mirrored: bool = False

    def matrix(self, middle: Point) -> Matrix:
        wide, high = math.exp(self.size + self.stretch / 2), math.exp(self.size - self.stretch / 2)
        wide = -wide if self.mirrored else wide
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turned = about_point(middle, cos * wide, -sin * high, sin * wide, cos * high)
        return compose_maps(turned, translation(self.x - middle.x, self.y - middle.y))

    @property
    def price(self) -> float:
        """What the overlap must gain for it."""
        if not (self.size or self.stretch or self.angle or self.mirrored):
            return PRICES["move"]
        price = PRICES["scale"]
        if self.stretch:
            price += PRICES["stretch"] - PRICES["scale"] + STRETCH_PRICE * abs(self.stretch)
        return price + PRICES["turn"] * bool(self.angle) + PRICES["mirror"] * self.mirrored

    @property
    def doubt(self) -> float:
        """The same, while the overlap is not close to whole."""
        turn = abs(math.remainder(self.angle, math.tau)) / math.pi
        return DOUBTS["stretch"] * abs(self.stretch) + DOUBTS["turn"] * turn + DOUBTS["mirror"] * self.mirrored


def register_mask(source: Mask, target: Mask, hidden: Mask, *, grain: float = 1.0) -> tuple[Matrix, float]:
    """The simplest affine map that takes one mask onto another well.

    Args:
        source: (H, W), not empty.
        target: (H, W), not empty.
        hidden: (H, W) what other objects cover in the target.
        grain: pixels of the photo for one of the map that the target was drawn in; less than that is no move.

    Returns:
        The map; IoU of what it makes of the source with the target, on pixels that are not hidden.
    """
    visible = ~hidden | target
    stay = overlap(source, target, visible)
    if stay == 1.0:
        return IDENTITY, stay
    moved = exact_move(source, target, visible)
    if moved is not None:
        return moved, 1.0

    fine, finest = (Level.of(source, target, visible, side) for side in (FINE, FINEST))
    coarse = Level.of(source, target, visible, COARSE)
    poses = upright_poses(fine, coarse)
    values = finest.values(poses)
    if max(values) < GOOD:
        more = rotated_poses(fine, coarse)
        poses, values = poses + more, values + finest.values(more)
    best = poses[values.index(max(values))]
    if best.price == PRICES["move"]:
        matrix = whole_pixels(best, source, target, visible)
    else:
        matrix = simplest_map(refine_pose(best, finest), source, target, visible)
    result = overlap(warp_mask(source, matrix, size_of(source)), target, visible)
    if stay >= result - best.price or farthest(matrix, bounding_box(source)) < 0.75 * grain - 0.25:
        return IDENTITY, stay
    return matrix, result


def size_of(mask: Mask) -> Size:
    return Size(mask.shape[1], mask.shape[0])


def overlap(warped: Mask, target: Mask, visible: Mask) -> float:
    """IoU of a warped source with the target where it is visible."""
    joint = int(((warped & visible) | target).sum())
    return int((warped & target).sum()) / joint if joint else 0.0


def exact_move(source: Mask, target: Mask, visible: Mask) -> Matrix | None:
    """The whole-pixel move that explains the target without a rest, found by the corners of the boxes."""
    if 2 * target.sum() < source.sum():
        return None  # anything can be explained if nearly all of it is hidden or out of the picture
    one, other = bounding_box(source), bounding_box(target)
    moves = {(x, y) for x in (other.x0 - one.x0, other.x1 - one.x1) for y in (other.y0 - one.y0, other.y1 - one.y1)}
    for x, y in sorted(moves, key=lambda move: (abs(move[0]) + abs(move[1]), move)):
        if overlap(shift_mask(source, int(x), int(y)), target, visible) == 1.0:
            return translation(x, y)
    return None


def shift_mask(mask: Mask, right: int, down: int) -> Mask:
    """A mask moved by whole pixels."""
    height, width = mask.shape
    moved = np.zeros_like(mask)
    to = (slice(max(down, 0), max(height + down, 0)), slice(max(right, 0), max(width + right, 0)))
    from_ = (slice(max(-down, 0), max(height - down, 0)), slice(max(-right, 0), max(width - right, 0)))
    moved[to] = mask[from_]
    return moved


def farthest(matrix: Matrix, box: Box) -> float:
    """How far a map takes the corners of a box, in pixels along an axis."""
    corners = [Point(x, y) for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
    return max(max(abs(apply(matrix, p).x - p.x), abs(apply(matrix, p).y - p.y)) for p in corners)


@dataclass(frozen=True, kw_only=True)
class Level:
    """The masks at a smaller size.

    Attributes:
        source, target, visible: (1, 1, h, w) coverage.
        size: of the masks themselves, whose pixels poses are in.
        middle: of the source's box, in these pixels.
        cut: whether the target reaches a border of the picture, and may go on beyond it.
    """

    source: Tensor
    target: Tensor
    visible: Tensor
    size: Size
    middle: Point
    cut: bool

    @classmethod
    def of(cls, source: Mask, target: Mask, visible: Mask, side: int) -> Level:
        height, width = source.shape
        scale = min(1.0, side / max(height, width))
        small = (max(round(width * scale), 1), max(round(height * scale), 1))
        greys = [
            Image.fromarray(m.astype(np.float32)).resize(small, Image.Resampling.BOX) for m in (source, target, visible)
        ]
        tensors = [torch.from_numpy(np.array(grey))[None, None] for grey in greys]
        return cls(
            source=tensors[0],
            target=tensors[1],
            visible=tensors[2],
            size=Size(width, height),
            middle=bounding_box(source).center,
            cut=reaches_border(target),
        )

    @property
    def pixel(self) -> float:
        """Pixels of the masks for one of this size."""
        return self.size.long / max(self.source.shape[-2:])

    def warped(self, poses: Sequence[Pose], pad: int = 0) -> Tensor:
        """(B, h, w) the source in each of the poses, with so many pixels more around the frame."""
        height, width = self.source.shape[-2:]
        rows = []
        for pose in poses:
            a, b, c, d, e, f = pose.matrix(self.middle)
            rows.append([[a, b, c], [d, e, f], [0.0, 0.0, 1.0]])
        # Both sides in [-1, 1] over the frame, as grid_sample counts.
        unit = torch.tensor(
            [[2 / self.size.width, 0, -1], [0, 2 / self.size.height, -1], [0, 0, 1]], dtype=torch.float64
        )
        back = unit @ torch.linalg.inv(torch.tensor(rows, dtype=torch.float64)) @ torch.linalg.inv(unit)
        wide = torch.tensor([1 + 2 * pad / width, 1 + 2 * pad / height, 1.0], dtype=torch.float64)
        shape = [len(poses), 1, height + 2 * pad, width + 2 * pad]
        grid = F.affine_grid((back[:, :2] * wide).float(), shape, align_corners=False)
        return F.grid_sample(self.source.expand(len(poses), -1, -1, -1), grid, align_corners=False)[:, 0]

    def overlaps(self, poses: Sequence[Pose]) -> list[float]:
        """Soft IoU of the source in each pose with the target, where it is visible, less the price of what is not."""
        return self.compared(poses, self.warped(poses), self.target[0], self.visible[0])[1]

    def compared(
        self, poses: Sequence[Pose], warped: Tensor, target: Tensor, visible: Tensor
    ) -> tuple[list[float], list[float]]:
        """IoU of each, and the same less the price of what is hidden or out of the picture."""
        seen = warped * visible
        shared, joint = torch.minimum(seen, target).sum((1, 2)), torch.maximum(seen, target).sum((1, 2))
        inside = warped.sum((1, 2))
        whole = torch.maximum(self.areas(poses), inside)
        if not self.cut:
            joint = joint + whole - inside
        overlap = shared / joint.clamp(min=1e-6)
        values = overlap - HIDDEN_PRICE * (1 - seen.sum((1, 2)) / whole.clamp(min=1e-6))
        return overlap.tolist(), values.tolist()

    def areas(self, poses: Sequence[Pose]) -> Tensor:
        """(B,) what the source covers in each pose, in and out of the picture, in pixels of this size."""
        return self.source.sum() * torch.tensor([math.exp(2 * pose.size) for pose in poses])

    def values(self, poses: Sequence[Pose]) -> list[float]:
        """What the overlap of each pose is worth, less what it must gain."""
        values = []
        for pose in poses:
            warped = (self.warped([pose]) >= 0.5).float()
            overlap, value = self.compared(
                [pose], warped, (self.target[0] >= 0.5).float(), (self.visible[0] >= 0.5).float()
            )
            doubt = pose.doubt * min(1.0, (1 - overlap[0]) / WHOLE)
            values.append(value[0] - pose.price - doubt)
        return values

    def climb(self, start: Pose, free: Sequence[str], first: float = 1.0) -> Pose:
        """Step along the free parameters, by less and less, as long as the overlap grows.

        Args:
            free: names of the pose's parameters.
            first: times `STEPS`, how far the first steps go.
        """
        units = {name: self.pixel if name in ("x", "y") else 1.0 for name in free}
        best, value, scale = start, self.overlaps([start])[0], first
        while scale > first / 64:
            before = value
            for name in free:
                step = STEPS[name] * units[name] * scale
                sides = [bounded(replace(best, **{name: getattr(best, name) + sign * step})) for sign in (1, -1)]
                values = self.overlaps(sides)
                top = values.index(max(values))
                if values[top] > value + 1e-5:
                    best, value = sides[top], values[top]
            if value <= before + 1e-4:
                scale /= 2
        return best

    def starts(self, angles: Sequence[float], mirrored: bool, sizes: Sequence[float], count: int) -> list[Pose]:
        """The poses of some angles and sizes that overlap the target best, each at its best place."""
        base = float(self.target.sum() / self.source.sum()) ** 0.5
        logs = sorted({math.log(base * size) for size in sizes} | {0.0})
        middle = Point(self.size.width / 2, self.size.height / 2)
        poses = [
            Pose(x=middle.x, y=middle.y, size=size, angle=angle, mirrored=mirrored) for angle in angles for size in logs
        ]
        chosen: list[Pose] = []
        for _, pose in sorted(self.best_places(poses), key=lambda one: -one[0]):
            if all(abs(p.size - pose.size) > ALIKE or abs(p.angle - pose.angle) > 2 * ALIKE for p in chosen):
                chosen.append(pose)
        return chosen[:count]

    def best_places(self, poses: Sequence[Pose]) -> list[tuple[float, Pose]]:
        """Each pose of the frame's middle, at the place where it overlaps the target best; found by correlation."""
        height, width = self.source.shape[-2:]
        pad = max(height, width)
        spectrum = torch.fft.rfft2(self.warped(poses, pad)).conj()
        frames = F.pad(torch.cat([self.target, self.visible])[:, 0], (pad,) * 4)
        rows, columns = frames.shape[-2:]
        shared, covered = (torch.fft.irfft2(spectrum * torch.fft.rfft2(frame), s=(rows, columns)) for frame in frames)
        if not self.cut:  # then what is out of the picture covers something too
            frame = torch.fft.rfft2(F.pad(torch.ones(1, height, width), (pad,) * 4))
            inside = torch.fft.irfft2(spectrum * frame, s=(rows, columns))
            covered = covered + (self.areas(poses)[:, None, None] - inside).clamp(min=0)
        values = shared / (covered + self.target.sum() - shared).clamp(min=1e-3)
        found = []
        for pose, value, place in zip(
            poses, values.flatten(1).amax(1).tolist(), values.flatten(1).argmax(1).tolist(), strict=True
        ):
            # Moves to the left and upward come out at the far end.
            down, right = (
                (step + side // 2) % side - side // 2
                for step, side in zip(divmod(place, columns), (rows, columns), strict=True)
            )
            x, y = pose.x + right * self.size.width / width, pose.y + down * self.size.height / height
            found.append((value, replace(pose, x=x, y=y)))
        return found


def upright_poses(fine: Level, coarse: Level) -> list[Pose]:
    """The best poses that are moved, scaled, stretched, and turned from there."""
    starts = coarse.starts([0.0], False, SIZES, 3)
    moved = fine.climb(replace(starts[0], size=0.0), ("x", "y"))
    scaled = [fine.climb(start, ("x", "y", "size")) for start in starts]
    values = fine.overlaps(scaled)
    best = scaled[values.index(max(values))]
    stretched = fine.climb(best, ("x", "y", "size", "stretch"))
    swung = fine.climb(best, ("x", "y", "size", "angle"))
    return [moved, *scaled, stretched, swung, fine.climb(swung, ("x", "y", "size", "stretch", "angle"))]


def rotated_poses(fine: Level, coarse: Level) -> list[Pose]:
    """The best poses that are turned by any angle or mirrored."""
    angles = [math.radians(degrees) for degrees in range(-160, 181, 20)]
    found = [fine.climb(start, ("x", "y", "size")) for start in coarse.starts([0.0], True, SIZES, 1)]
    for mirrored in (False, True):
        for start in coarse.starts(angles, mirrored, FEW_SIZES, 2):
            found.append(fine.climb(start, ("x", "y", "size", "angle")))
    values = fine.overlaps(found)
    best = found[values.index(max(values))]
    return [*found, fine.climb(best, ("x", "y", "size", "stretch", "angle"))]


def refine_pose(pose: Pose, finest: Level) -> Pose:
    """A pose with its parameters found more closely, those that it has no use for left alone."""
    free = ["x", "y", "size"] + ["stretch"] * bool(pose.stretch) + ["angle"] * bool(pose.angle)
    return finest.climb(pose, free, first=0.25)


def simplest_map(pose: Pose, source: Mask, target: Mask, visible: Mask) -> Matrix:
    """The pose's map, or one that takes pixels onto pixels, for a mirror or quarter turns, where it is as good."""
    middle, quarter = bounding_box(source).center, round(pose.angle / (math.pi / 2))
    matrix = pose.matrix(middle)
    if max(abs(pose.size), abs(pose.stretch), abs(pose.angle - quarter * math.pi / 2)) > NEARLY:
        return matrix
    a, b, c, d, e, f = compose_maps(
        scaling_map(middle, -1.0 if pose.mirrored else 1.0, 1.0), rotation(middle, 90.0 * quarter)
    )
    x, y = round(c + pose.x - middle.x), round(f + pose.y - middle.y)
    size, best = size_of(source), matrix
    least = overlap(warp_mask(source, matrix, size), target, visible) - PRICES["move"]
    for right in (0, -1, 1):
        for down in (0, -1, 1):
            exact = (a, b, float(x + right), d, e, float(y + down))
            value = overlap(warp_mask(source, exact, size), target, visible)
            if value > least:
                best, least = exact, value
    return best


def whole_pixels(pose: Pose, source: Mask, target: Mask, visible: Mask) -> Matrix:
    """The best move by whole pixels about there."""
    middle = bounding_box(source).center
    x, y = round(pose.x - middle.x), round(pose.y - middle.y)
    best, step = overlap(shift_mask(source, x, y), target, visible), 4
    while step:
        around = [(x + right, y + down) for right, down in ((step, 0), (-step, 0), (0, step), (0, -step))]
        values = [overlap(shift_mask(source, *place), target, visible) for place in around]
        if max(values) > best:
            best = max(values)
            x, y = around[values.index(best)]
        else:
            step //= 2
    return translation(x, y)


def reaches_border(mask: Mask) -> bool:
    """Whether a mask covers something within a hundredth of the picture from its borders."""
    near = max(max(mask.shape) // 100, 1)
    return bool(mask[:near].any() or mask[-near:].any() or mask[:, :near].any() or mask[:, -near:].any())


def bounded(pose: Pose) -> Pose:
    most = math.log(MOST_STRETCH)
    return replace(pose, stretch=min(max(pose.stretch, -most), most))
