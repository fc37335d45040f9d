"""Learn the looks of a scene's objects from its one picture: a token each, then keys and values.

Two schedules stand side by side. Ours learns all tokens together, with a loss that keeps each token's
attention on its own object, and low-rank updates after them. The published one (preset paper) learns
token by token, without that loss, and full keys and values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from intarsia.backbones.protocols import Backbones, LatentDiffusion
from intarsia.errors import EmptyMaskError, LayoutError, Remedy, Setting
from intarsia.imaging.geometry import working_size
from intarsia.imaging.masks import shrink_to_cells
from intarsia.imaging.photo import Photo, to_tensor
from intarsia.layout.cache import key_of
from intarsia.layout.checkpoint import SAVED_EVERY, Checkpointer
from intarsia.layout.concepts import (
    READS_TEXT,
    Concepts,
    tokens_added,
    without_brackets,
)
from intarsia.layout.prior import read_prior
from intarsia.layout.scene import Scene
from intarsia.layout.tracking import Tracker
from intarsia.layout.train_objective import (
    ConceptTrainer,
    Stage,
    TrainingData,
    checkpointing,
    recording_attention,
    seed_of,
)
from intarsia.progress import OnProgress, Progress
from intarsia.records.arrange import ArrangeRecord, LearnSettings

PAPER = LearnSettings(
    token_steps=50,
    token_rate=0.145,  # 2e-3 as published, over 0.0138, the deviation of Stable Diffusion 1's embeddings
    attention_weight=0.0,
    weight_steps=200,
    weight_rate=2e-5,
    batch=4,
)
"""The published schedule: 50 updates of batch 4 an object, then 200 of batch 2 + 2 prior pictures."""

SAMPLES = 4
"""Pictures that show how far learning is."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The picture painted anew with what was learned in `done` of `total` updates."""

    done: int
    total: int
    photo: Photo


OnSample = Callable[[Sample], None]


def learn(
    scene: Scene,
    record: ArrangeRecord,
    backbones: Backbones,
    *,
    seed: int,
    on_progress: OnProgress | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    tracker: Tracker | None = None,
    on_sample: OnSample | None = None,
) -> Concepts:
    """Learn the looks of a scene's objects.

    The frozen networks work in the precision that they were loaded in; what is learned is float32.

    Args:
        scene: a picture and its objects.
        record: `learn`, `preset`, `prompt`, `background`, `size`.
        seed: of noise and timesteps.
        on_progress: called after every update; may raise `Cancelled`.
        checkpoint: file that keeps how far learning is, every few updates.
        resume: go on from it; the result is the same as without the interruption.
        tracker: gets the loss of every update.
        on_sample: shown a picture now and then, the last one at the end, which cost denoiser evaluations of their
            own and change nothing of what is learned.

    Raises:
        LayoutError: the scene has no objects, or the prompt names others in brackets.
        EmptyMaskError: an object covers no latent cell.
        RecordError: the checkpoint is of another scene or of other settings.
    """
    diffusion = backbones.diffusion
    if not scene.objects:
        raise LayoutError(
            "The scene has no objects, so that there is nothing to learn",
            Remedy("name some, e.g. with ", Setting("find"), page=("name some under ", Setting("find"))),
        )
    record = replace(record, prompt=without_brackets(record.prompt, scene))
    settings = settings_of(record)
    lesson = training_data_of(scene, record, diffusion)
    prior = read_prior(Path(settings.prior), diffusion) if settings.prior else []
    initial = torch.stack([token_of(diffusion, t.words or t.name) for t in scene.objects])
    # Changed in place from here on, so that whatever is attached to the model sees it.
    learned = {"embeddings": initial}
    if settings.weight_steps:
        learned |= weights_to_learn(diffusion.unet, settings, full=record.preset == "paper", seed=seed)

    published = record.preset == "paper"
    size = float(initial.square().mean().sqrt())
    stages = stages_of(scene, settings, size, published=published)
    said = (record.preset, record.prompt, record.background)
    key = key_of(lesson.clean, lesson.cells, scene.names, settings, *said, seed, backbones.identity)
    keeper = Checkpointer(checkpoint, key, resume=resume)
    begin, total, done = keeper.restore(learned), sum(s.steps for s in stages), 0
    with tokens_added(diffusion, learned["embeddings"]) as tokens, checkpointing(diffusion.unet, settings):
        phrases = dict(zip(scene.names, tokens, strict=True))
        for index, stage in enumerate(stages):
            if begin >= done + stage.steps:
                done += stage.steps
                continue
            with recording_attention(
                ConceptTrainer(diffusion, lesson, learned, stage, settings, prior, phrases, published=published)
            ) as pupil:
                if begin > done:
                    pupil.restore(keeper.moments)
                for step in range(max(begin - done, 0), stage.steps):
                    loss = pupil.update(seed_of(seed, index, step))
                    now = done + step + 1
                    if now % SAVED_EVERY == 0 or now == total:
                        keeper.keep(learned, pupil.moments(), now)
                    if tracker is not None:
                        tracker.log({f"loss/{stage.label}": loss}, step=now)
                    if on_sample is not None and shows(now, total):
                        on_sample(Sample(done=now, total=total, photo=pupil.sample(record, seed)))
                    if on_progress is not None:
                        on_progress(Progress(stage=f"learning {stage.label}", done=now, total=total))
            done += stage.steps
    embeddings = learned.pop("embeddings")
    return Concepts(
        names=scene.names,
        words=tuple(t.words for t in scene.objects),
        embeddings=embeddings.detach().cpu(),
        updates={name: tensor.detach().cpu() for name, tensor in learned.items()},
        model=diffusion.name,
        versions=dict(backbones.versions),
    )


def shows(done: int, total: int) -> bool:
    """Whether a picture is due after so many updates."""
    return done * SAMPLES // total > (done - 1) * SAMPLES // total


def settings_of(record: ArrangeRecord) -> LearnSettings:
    """The record's, or the published ones."""
    if record.preset != "paper":
        return record.learn
    ours = record.learn
    return replace(PAPER, prior=ours.prior, prior_weight=ours.prior_weight, checkpointing=ours.checkpointing)


def stages_of(scene: Scene, settings: LearnSettings, size: float, *, published: bool) -> list[Stage]:
    """All tokens in one stage, or one after the other; then keys and values.

    Args:
        size: root of the mean square of the tokens' embeddings.
    """
    everything = tuple(range(len(scene.objects)))
    groups = [(i,) for i in everything] if published else [everything]
    stages = [
        Stage(
            label=f"token of {scene.names[group[0]]}" if published else "tokens",
            things=group,
            steps=settings.token_steps,
            # Embeddings are larger in one text encoder than in another, so their rate is a part of them.
            rate=settings.token_rate * size,
            batch=settings.batch,
        )
        for group in groups
    ]
    # The published batch of 4 is 2 of the picture and 2 prior ones here.
    batch = settings.batch // 2 if published else settings.batch
    stages.append(
        Stage(label="keys and values", things=(), steps=settings.weight_steps, rate=settings.weight_rate, batch=batch)
    )
    return [stage for stage in stages if stage.steps > 0]


def training_data_of(scene: Scene, record: ArrangeRecord, diffusion: LatentDiffusion) -> TrainingData:
    """The picture as latents, the objects as latent cells."""
    size = working_size(scene.photo.size, record.size or diffusion.native_side, diffusion.stride)
    clean = diffusion.encode_picture(to_tensor(scene.photo, size).to(diffusion.device)).float()
    rows, columns = clean.shape[-2:]
    cells = []
    for thing in scene.objects:
        try:
            cells.append(shrink_to_cells(torch.from_numpy(thing.mask).float()[None, None], rows, columns))
        except EmptyMaskError:
            raise EmptyMaskError(
                f"The object {thing.name!r} covers {int(thing.mask.sum()):,} pixels, less than a twentieth of any of the "
                f"{columns} x {rows} cells that the models see",
                Remedy("mark more of it"),
                Remedy("work at a larger ", Setting("size")),
            ) from None
    return TrainingData(
        scene=scene,
        prompt=record.prompt,
        background=record.background,
        clean=clean,
        cells=torch.cat(cells).to(diffusion.device),
        size=size,
    )


def token_of(diffusion: LatentDiffusion, words: str) -> Tensor:
    """(D,) mean embedding of the words' tokens, where a new token begins.

    Raises:
        LayoutError: the tokenizer reads nothing in them.
    """
    ids = diffusion.tokenizer(words, add_special_tokens=False).input_ids
    if not ids:
        raise LayoutError(f"The object's name {words!r} has no letters that the model reads: give it another name.")
    matrix = diffusion.text_encoder.get_input_embeddings().weight
    mean: Tensor = matrix[torch.tensor(ids, device=matrix.device)].float().mean(0)
    return mean


def weights_to_learn(unet: Any, settings: LearnSettings, *, full: bool, seed: int) -> dict[str, Tensor]:
    """Keys and values of the cross-attention: whole, as they are; or low-rank updates that begin at nothing.

    Source: Hu et al. 2021, arXiv:2106.09685, sec. 4.1.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name, layer in unet.named_modules():
        if not READS_TEXT.search(name):
            continue
        weight = layer.weight
        if full:
            found[f"{name}.weight"] = weight.detach().float().clone()
        else:
            wide, high = weight.shape[1], weight.shape[0]
            down = torch.randn(settings.rank, wide, generator=generator) / math.sqrt(wide)
            found[f"{name}.down"] = down.to(weight.device)
            found[f"{name}.up"] = torch.zeros(high, settings.rank, device=weight.device)
    return found
