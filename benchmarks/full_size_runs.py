"""What the full-size benchmark runs: edits by words and by layout, each with its settings, on one picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from intarsia.backbones.protocols import Backbones, Segmenter
from intarsia.imaging.affine import IDENTITY, Matrix, warp_mask
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Bytes
from intarsia.imaging.read import photo_from_image
from intarsia.layout.cache import MemoryCache
from intarsia.layout.edit import arrange
from intarsia.layout.layout import Layout, Placement
from intarsia.layout.scene import Scene, scene_of
from intarsia.progress import Cost, OnProgress, Progress
from intarsia.records.arrange import ArrangeRecord, GuideSettings, LearnSettings
from intarsia.records.choices import LayoutPreset, Preset
from intarsia.records.edit import EditRecord, FitSettings, SearchSettings
from intarsia.regions.edit import edit

SOURCE, OTHER, TARGET = "ball", "box", "a cube"
STEPS = 30
PRIOR_PICTURES = 2  # a class, in the place of those that the published method retrieves
SEED = 0


@dataclass
class SeesRed:
    """A segmenter at the price of the one inside, which sees one red object where it is: random weights see anything.

    What an edit was to show it never sees, so that no edit is good enough for a search that asks for more than 0.
    """

    inside: Segmenter

    def predict_masks(self, picture: Tensor, texts: Sequence[str]) -> Tensor:
        """(1, 3, H, W), T texts -> (T, H, W): 1 where the picture is red, for all texts but of the target."""
        price = self.inside.predict_masks(picture, texts)
        red, green, blue = picture[0].float().cpu()
        shown = ((red > 0.3) & (green < 0) & (blue < 0)).to(price)
        asked = torch.tensor([TARGET.split()[-1] not in text for text in texts]).to(price)
        seen: Tensor = asked[:, None, None] * shown
        return seen


@dataclass
class Subject:
    """The networks, and the pictures that they edit.

    Attributes:
        backbones: with a segmenter that sees the object.
        folder: of pictures of the objects' classes.
        caches: what edits by layout of a picture keep for the next, by the picture's number.
    """

    backbones: Backbones
    folder: Path
    caches: dict[int, MemoryCache] = field(default_factory=dict)

    def scene(self, number: int) -> Scene:
        """A ball and a box on a wavy ground, as large as the models' pictures; each number has noise of its own.

        What is remembered of one picture is thus of no use for another.
        """
        pixels, ball, box = draw_picture(self.backbones.inpainter.native_side, number)
        return scene_of(photo_from_image(Image.fromarray(pixels)), {SOURCE: ball, OTHER: box})


def subject_of(backbones: Backbones, folder: Path) -> Subject:
    """The subject for a checkpoint; pictures of its objects' classes are written into the folder."""
    side = backbones.inpainter.native_side
    for name in (SOURCE, OTHER):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(PRIOR_PICTURES):
            pixels, _, _ = draw_picture(side, number)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    eyes = dataclasses.replace(backbones, segmenter=SeesRed(backbones.segmenter))
    return Subject(backbones=eyes, folder=folder)


def draw_picture(side: int, number: int = 0) -> tuple[Bytes, Mask, Mask]:
    """(side, side, 3) levels, and the masks of a red ball on the left and a blue box below on the right.

    Args:
        number: of the picture's noise.
    """
    rows, columns = np.mgrid[:side, :side] / side
    waves = 128 + 60 * np.sin(9 * columns + 4 * rows) * np.cos(7 * rows)
    ground = np.stack([waves * 0.5, waves * 0.9, waves * 0.8], -1)
    ground += np.random.default_rng(number).normal(0, 4, ground.shape)
    ball = (columns - 0.3) ** 2 + (rows - 0.35) ** 2 < 0.13**2
    box = (abs(columns - 0.75) < 0.1) & (abs(rows - 0.78) < 0.12)
    ground[ball], ground[box] = (220, 40, 40), (40, 60, 220)
    return ground.clip(0, 255).astype(np.uint8), ball, box


def moved(scene: Scene, number: int) -> Layout:
    """The layout with the box where it was, and the ball elsewhere: to the right, or below for the next edit."""
    away = float(scene.photo.size.width // 4)
    matrix: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, away) if number else (1.0, 0.0, away, 0.0, 1.0, 0.0)
    masks = scene.masks
    ball = Placement(name=SOURCE, matrix=matrix, mask=warp_mask(masks[SOURCE], matrix, scene.photo.size))
    return Layout(placements=(Placement(name=OTHER, matrix=IDENTITY, mask=masks[OTHER]), ball))


class Run(Protocol):
    """A run of the benchmark."""

    def __call__(self, subject: Subject, picture: int, *, short: bool, on_progress: OnProgress) -> Cost:
        """Edit a picture.

        Args:
            picture: its number.
            short: whether to take a few steps alone, to warm up.
            on_progress: told of every step; may raise `Cancelled`.

        Returns:
            What it cost by its own account.
        """
        ...


def words(preset: Preset, enough: float = 1.0) -> Run:
    """An edit by words.

    Args:
        enough: chance of success at which the search of the default stops: at 0 after the first picture, at 1 never.
    """

    def run(subject: Subject, picture: int, *, short: bool, on_progress: OnProgress) -> Cost:
        record, photo = words_record(preset, enough, short=short), subject.scene(picture).photo
        return edit(photo, record, subject.backbones, on_progress=on_progress).cost

    return run


def words_record(preset: Preset, enough: float = 1.0, *, short: bool = False) -> EditRecord:
    """The record of an edit by words; of a short one, a few steps of everything."""
    search = SearchSettings(enough=enough)
    said: dict[str, Any] = {"photo": "picture.png", "source": SOURCE, "prompt": TARGET, "preset": preset, "seed": SEED}
    if not short:
        return EditRecord(**said, search=search)
    brief = dataclasses.replace(search, preview_steps=(2, 2))
    return EditRecord(**said, search=brief, steps=3, fit=FitSettings(rounds=1))


def layout(preset: LayoutPreset, number: int) -> Run:
    """An edit by layout: the first of a picture, or the next, which uses what the first has kept.

    Args:
        number: 0 for the first, 1 for the next.
    """

    def run(subject: Subject, picture: int, *, short: bool, on_progress: OnProgress) -> Cost:
        record, scene = layout_record(preset, subject.folder, short=short), subject.scene(picture)
        cache = subject.caches.setdefault(picture, MemoryCache())
        wanted = moved(scene, number)
        return arrange(scene, wanted, record, subject.backbones, cache=cache, on_progress=on_progress).cost

    return run


def layout_record(preset: LayoutPreset, prior: Path, *, short: bool = False) -> ArrangeRecord:
    """The record of an edit by layout. The background is painted, as it is by default at real size.

    A short one of the published method learns and paints by our schedules, in a few steps; composing is short as it is.
    """
    said: dict[str, Any] = {"photo": "picture.png", "fill": "diffusion", "seed": SEED}
    if preset == "paper" and short:
        learning = LearnSettings(token_steps=2, weight_steps=2, prior=str(prior))
        return ArrangeRecord(
            **said, mode="regenerate", learn=learning, steps=4, guide=GuideSettings(refine_at=(), refine_to=())
        )
    return ArrangeRecord(**said, preset=preset, learn=LearnSettings(prior=str(prior)))


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A row of the report.

    Attributes:
        title: for people.
        run: what is run; None for the plain call of the pipeline.
        learns: whether the checkpoint must be able to learn words for objects.
        weight: of its share of the time.
        warms: whether a short run comes first; what follows another of its kind needs none.
    """

    title: str
    run: Run | None
    weight: int = 1
    learns: bool = False
    warms: bool = True


SPECS = {
    "plain": Spec(title="plain pipeline call", run=None),
    "words": Spec(title="words, first region good", run=words("default", 0.0)),
    "compose_first": Spec(title="layout, first edit", run=layout("default", 0)),
    "compose_next": Spec(title="layout, next edit", run=layout("default", 1), warms=False),
    "words_all": Spec(title="words, no region good", run=words("default", 1.0), weight=5),
    "released": Spec(title="words, released", run=words("released"), weight=20),
    "paper": Spec(title="words, paper", run=words("paper"), weight=10),
    "layout_paper_first": Spec(title="layout paper, learn + edit", run=layout("paper", 0), weight=20, learns=True),
    "layout_paper_next": Spec(
        title="layout paper, next edit", run=layout("paper", 1), weight=5, learns=True, warms=False
    ),
    "words_low": Spec(title="words, low memory", run=words("default", 0.0)),
}
"""Rows in the order in which they are run, cheap ones first."""


def picture_of(row: str, *, short: bool = False) -> int:
    """The number of a row's picture: its own, but of the next edit, whose picture is that of the first.

    Args:
        short: of its short run, which has another one.
    """
    return 2 * list(SPECS).index(row.replace("_next", "_first")) + short


COLUMNS = {
    "plain": ("plain",),
    "words": ("words",),
    "compose": ("compose_first", "compose_next"),
    "words_all": ("words_all",),
    "released": ("released",),
    "paper": ("paper",),
    "layout_paper": ("layout_paper_first", "layout_paper_next"),
    "low": ("words_low",),
}
BY_DEFAULT = tuple(name for name in COLUMNS if name != "paper")


def plain_call(pipeline: Any, picture: tuple[Bytes, Mask, Mask], short: bool, on_progress: OnProgress) -> None:
    """What a user of diffusers would call: one picture, repainted where the object is.

    Args:
        pipeline: an inpainting pipeline of diffusers.
        picture: from `draw_picture`.
        short: whether to take a few steps alone.
    """
    pixels, ball, _ = picture

    def after_step(pipe: Any, index: int, _timestep: Any, _tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        on_progress(Progress(stage="plain", done=index + 1, total=pipe.num_timesteps))
        return {}

    pipeline(
        prompt=TARGET,
        image=Image.fromarray(pixels),
        mask_image=Image.fromarray(ball),
        height=pixels.shape[0],
        width=pixels.shape[1],
        num_inference_steps=3 if short else STEPS,
        guidance_scale=5.0,
        strength=1.0,
        generator=torch.Generator("cpu").manual_seed(SEED),
        callback_on_step_end=after_step,
    )
