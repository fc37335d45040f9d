"""Edits by instruction: the model edits a crop as it is told, its drift is undone, and what it changed is the region.

Nothing is repainted inside a mask here. What the editor gives back lies over the crop again, in the crop's colours; the
difference is the edit, and every other pixel stays the photo's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones, InstructionEditor
from intarsia.errors import TERMINAL, Message, ModelError, Remedy, Setting
from intarsia.imaging.crop import Crop
from intarsia.imaging.geometry import Box
from intarsia.imaging.masks import Blend, Mask, bounding_box, box_mask, feather
from intarsia.imaging.photo import Photo
from intarsia.imaging.protected import on_canvas
from intarsia.imaging.tensors import levels_of, levels_to_tensor
from intarsia.imaging.undo_drift import put_back, undo_drift
from intarsia.records.edit import EditRecord
from intarsia.regions.appraisal import Appraiser
from intarsia.regions.families import Family, Job, families, other_noise
from intarsia.regions.instruction import instruction_of
from intarsia.regions.intent import Intent
from intarsia.regions.region import Region
from intarsia.regions.search import Evaluation, Evaluator
from intarsia.regions.sight import Sight


def chosen_editor(record: EditRecord, backbones: Backbones, *, given: bool) -> InstructionEditor | None:
    """What edits by instructions, where the record and the checkpoint mean it to; None where regions are repainted.

    Args:
        given: whether the user said where.

    Raises:
        ModelError: instructions are asked for, and the checkpoint takes none.
    """
    if record.painting == "mask":
        return None
    asked = record.painting == "instruction" or bool(record.instruction.strip())
    if backbones.editor is None and asked:
        raise ModelError(
            f"{backbones.name} repaints regions, and takes no instructions",
            Remedy(Setting("models", verb="pass"), " a Qwen-Image-Edit, FLUX.2 klein or FLUX.1 Kontext"),
            Remedy("leave out ", Setting("instruction" if record.instruction.strip() else "painting")),
        )
    return backbones.editor if given or record.preset == "default" else None


class InstructedEvaluator(Evaluator[Appraiser]):
    """Edits the crops of regions as it is told, and scores what was changed; takes the place of repainting them.

    Its evaluations have other regions than those that were asked for: what the editor changed.

    Args:
        plain: says what is edited how, and scores it.
        editor: edits.
        instruction: what it is told.
        everything: whether all of the picture was to change.
        limited: whether the regions are the user's: nothing changes outside them.
    """

    def __init__(
        self,
        plain: Evaluator[Appraiser],
        editor: InstructionEditor,
        *,
        instruction: str,
        everything: bool = False,
        limited: bool = False,
    ) -> None:
        super().__init__(
            plain.inpainter, plain.ranker, prompt=instruction, negative_prompt=plain.negative_prompt,
            guidance=plain.guidance, cache=plain.cache, protected=plain.protected,
            on_progress=plain.on_progress, on_round=plain.on_round,
        )  # fmt: skip
        self.editor, self.everything, self.limited = editor, everything, limited
        self.identity = (editor.name, "instructed", plain.negative_prompt, str(plain.guidance))

    def evaluate(
        self, regions: Sequence[Region], steps: int, stage: str, *, whole: int | None = None
    ) -> list[Evaluation]:
        """Edit the crop of each region with `steps` steps, and score what was changed, in the order given."""
        assert whole is None, "editors do not pause"
        told = [dataclasses.replace(region, words=self.prompt) for region in regions]
        keys = [self.key(region, torch.ones(1), steps) for region in told]
        fresh: dict[tuple[str, ...], int] = {}
        for i, k in enumerate(keys):
            if k not in self.cache:
                fresh.setdefault(k, i)
        if fresh:
            edited = self.editor.edits(
                [self.ranker.picture_of(regions[i])[0] for i in fresh.values()],
                [self.prompt] * len(fresh),
                negative_prompt=self.negative_prompt,
                seeds=[regions[i].seed for i in fresh.values()],
                steps=steps,
                guidance=self.guidance,
                on_step=partial(self.report, stage, 0, 1),
            )
            self.cache.update(zip(fresh, edited, strict=True))
        found = [self.found(region, self.cache[k]) for region, k in zip(regions, keys, strict=True)]
        scores = self.ranker.score_regions([picture for _, picture in found], [region for region, _ in found])
        evaluations = [
            Evaluation(region=region, steps=steps, picture=picture, scores=s)
            for (region, picture), s in zip(found, scores, strict=True)
        ]
        if self.on_round is not None:
            self.on_round(evaluations)
        return evaluations

    def found(self, region: Region, edited: Tensor) -> tuple[Region, Tensor]:
        """What the editor changed, and the canvas (3, h, w) with it.

        Args:
            region: whose crop was edited.
            edited: (3, h', w') in [-1, 1], as the editor gave it back.
        """
        assert region.crop is not None
        size = region.crop.size
        canvas = levels_of(self.ranker.picture_of(region)[0])
        undone = undo_drift(canvas, levels_of(edited), everything=self.everything)
        limit = region.shape(size).astype(np.float32) if self.limited else None
        if self.protected is not None:
            free = (~on_canvas(self.protected, region.crop, size)).astype(np.float32)
            limit = free if limit is None else limit * free
        made, blend = put_back(canvas, Crop(Box(0, 0, size.width, size.height), size), undone, limit)
        changed: Mask = blend > 0
        if not changed.any():  # a candidate has an extent, even where nothing was changed
            return dataclasses.replace(region, undone=undone, spares=(), soft=0), levels_to_tensor(made)[0]
        found = Region(
            box=bounding_box(changed),
            seed=region.seed,
            crop=region.crop,
            words=self.prompt,
            mask=torch.from_numpy(changed),
            exact=region.exact if self.limited else None,
            undone=undone,
        )
        return found, levels_to_tensor(made)[0]


def instructed(
    plain: Evaluator[Appraiser], editor: InstructionEditor | None, intent: Intent, record: EditRecord, *, given: bool
) -> Evaluator[Appraiser]:
    """What edits crops by the instruction that an edit's words make; without an editor `plain`, which repaints regions."""
    if editor is None:
        return plain
    return InstructedEvaluator(
        plain, editor, instruction=instruction_of(intent, record), everything=intent.change == "whole", limited=given
    )


def one_job(intent: Intent, jobs: Sequence[Job]) -> Job:
    """All parts of an edit as one: an editor that reads "the houses" changes all of them."""
    things = tuple(thing for job in jobs for thing in job.things)
    asked = tuple(dict.fromkeys(phrase for job in jobs for phrase in job.asked))
    change = jobs[0].intent.change if jobs[0].intent.change == "background" else intent.change
    return Job(intent=dataclasses.replace(intent, change=change), things=things, asked=asked)


def crops_of(proposed: Sequence[Family], sight: Sight) -> list[Family]:
    """The crops of the likeliest region and of the whole photo, since within a crop the editor finds the place itself."""
    first = dataclasses.replace(proposed[0].regions[0], spares=(), soft=0)
    size = sight.photo.size
    whole = Region(
        box=Box(0, 0, sight.whole.size.width, sight.whole.size.height),
        seed=first.seed,
        crop=sight.whole,
        exact=Box(0, 0, size.width, size.height),
    )
    return families(
        (proposed[0].name, [first]),
        other_noise([first]),
        ("the whole picture", [whole] if first.crop != sight.whole else []),
    )


def with_edit(
    photo: Photo,
    region: Region,
    record: EditRecord,
    mask: Mask | None,
    *,
    limited: bool,
    protected: Mask | None = None,
) -> tuple[Photo, Blend]:
    """A photo with what an editor changed on a region's crop, at the photo's own resolution, and how far each pixel is new.

    Args:
        mask: (H, W) the user's, outside which nothing changes.
        limited: whether the user gave a region.
        protected: (H, W) what stays the photo's.
    """
    assert region.crop is not None and region.undone is not None
    size = photo.size
    soft = record.feather * region.crop.short_side(size)
    where = None
    if limited:
        where = mask if mask is not None else box_mask(region.exact or region.box, size)
    if protected is not None:
        where = ~protected if where is None else where & ~protected
    most = None if where is None else feather(where, soft)
    border = soft if region.undone.repainted else None
    pixels, blend = put_back(photo.pixels, region.crop, region.undone, most, border=border)
    return dataclasses.replace(photo, pixels=pixels), blend


def instructed_notes(region: Region, record: EditRecord, *, given: bool) -> tuple[str, ...]:
    """What to know of an edit by instruction, in the words of the command line; none where regions were repainted.

    Args:
        region: the best one.
        given: whether the user said where.
    """
    if region.undone is None:
        if record.painting == "instruction":
            why = f"The preset {record.preset!r} repaints regions: no instruction was given to the models."
            return (TERMINAL.sentence((why,)),)
        return ()
    undone = region.undone
    message: Message
    if undone.repainted:
        message = (
            f"The model painted everything anew, so that it cannot be told what it changed: all of "
            f"{'the region' if given else 'the part of the photo that it was given'} was taken, with a soft edge",
            Remedy("ask for less"),
            *(() if given else (Remedy("say where with ", Setting("box")),)),
        )
    elif not undone.region.any():
        message = ("The model changed nothing that can be seen", Remedy("say it otherwise"), Remedy("try another seed"))
    else:
        drift = undone.registration.drift.farthest
        message = (
            "The models were told what to change, and not where: the mask was found from their picture"
            f"{f', after a drift of {drift:.1f} pixels was undone' if drift else ''}.",
        )
    notes = (message, ("What was edited by an instruction is not refined.",) if record.refine else ())
    return tuple(TERMINAL.sentence(note) for note in notes if note)
