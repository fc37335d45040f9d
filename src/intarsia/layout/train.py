"""Learn the looks of a scene's objects from its one photo: a token each, then keys and values.

1. Masked textual inversion: a new token for each object, from noisy copies of the photo, inside its mask.
2. Fine-tuning: keys and values of the cross-attention, tokens frozen, with prior images of the classes.

Two schedules stand side by side. Ours learns all tokens together, with a loss that keeps each token's
attention on its own object, and low-rank updates after them. The published one (preset paper) learns
token by token, without that loss, and full keys and values.

Source: Zhang et al. 2023, "Continuous layout editing of single images", arXiv:2306.13078, sec. 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from intarsia.backbones.embedding_files import expanded
from intarsia.backbones.offload import staying
from intarsia.backbones.protocols import Backbones, LatentDiffusion
from intarsia.errors import EmptyMaskError, LayoutError, Remedy, Setting
from intarsia.imaging.cells import shrink_to_cells
from intarsia.imaging.geometry import working_size
from intarsia.imaging.photo import Photo
from intarsia.imaging.tensors import to_tensor
from intarsia.layout.cache import key_of
from intarsia.layout.checkpoint import Checkpointer
from intarsia.layout.concepts import NO_ADDITIONS, READS_TEXT, Concepts, Phrases, tokens_added
from intarsia.layout.padding import padded_scene, padded_size
from intarsia.layout.prior import read_prior
from intarsia.layout.prompts import without_brackets
from intarsia.layout.scene import Scene
from intarsia.layout.tracking import Tracker
from intarsia.layout.train_objective import ConceptTrainer, Stage, TrainingData, gradient_checkpointing, seed_of
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
"""The published schedule: 50 updates of batch 4 an object, then 200 of batch 2 + 2 prior images."""

ADDITION = "ktn"
"""What further tokens start from: next to no meaning (Kumari et al. 2023, arXiv:2212.04488, sec. 3.2)."""

SAMPLES = 4
"""Images that show the progress of learning."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The photo painted again with what was learned in `done` of `total` updates."""

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
        scene: a photo and its objects.
        record: `learn`, `preset`, `prompt`, `background`, `size`.
        seed: of noise and timesteps.
        on_progress: called after every update; may raise `Cancelled`.
        checkpoint: file that keeps how far learning is, every few updates.
        resume: go on from it; the result is the same as without the interruption.
        tracker: gets the loss of every update.
        on_sample: called with an image now and then, the last one at the end, which cost denoiser evaluations of
            their own and change nothing of what is learned.

    Raises:
        LayoutError: the scene has no objects, or the prompt names others in brackets.
        EmptyMaskError: an object covers no latent cell.
        RecordError: the checkpoint is of another scene or of other settings.
    """
    diffusion = backbones.learner
    if not scene.objects:
        raise LayoutError(
            "The scene has no objects, so that there is nothing to learn",
            Remedy("name some, e.g. with ", Setting("find"), page=("name some under ", Setting("find"))),
        )
    record = replace(record, prompt=without_brackets(record.prompt, scene))
    settings = settings_of(record)
    data = training_data_of(scene, record, diffusion)
    learned = initial_values(scene, settings, diffusion, full=record.preset == "paper", seed=seed)
    about = (record.preset, record.prompt, record.background)
    names = len(scene.objects)
    key = key_of(data.clean, data.cells, scene.names, settings, *about, seed, backbones.cache_key)
    checkpointer = Checkpointer(checkpoint, key, resume=resume)

    def report(trainer: ConceptTrainer, loss: float, done: int, total: int) -> None:
        if tracker is not None:
            tracker.log({f"loss/{trainer.stage.label}": loss}, step=done)
        if on_sample is not None and shows(done, total):
            on_sample(Sample(done=done, total=total, photo=trainer.sample(record, seed)))
        if on_progress is not None:
            on_progress(Progress(stage=f"learning {trainer.stage.label}", done=done, total=total))

    _train(data, record, learned, diffusion, checkpointer, seed=seed, report=report)
    embeddings = learned.pop("embeddings").detach().cpu()
    return Concepts(
        names=scene.names,
        words=tuple(obj.words for obj in scene.objects),
        embeddings=embeddings[:names],
        additions=embeddings[names:] if settings.additions else NO_ADDITIONS,
        updates={name: tensor.detach().cpu() for name, tensor in learned.items()},
        model=diffusion.name,
        versions=dict(backbones.versions),
    )


def _train(
    data: TrainingData,
    record: ArrangeRecord,
    learned: dict[str, Tensor],
    diffusion: LatentDiffusion,
    checkpointer: Checkpointer,
    *,
    seed: int,
    report: Callable[[ConceptTrainer, float, int, int], None],
) -> None:
    """Run the stages, from the checkpoint on.

    Args:
        learned: tokens and updates, changed in place, so that whatever is attached to the model sees it.
        report: called after each update with its loss, the updates done and those in all.
    """
    settings, published = settings_of(record), record.preset == "paper"
    prior = read_prior(Path(settings.prior), diffusion) if settings.prior else []
    objects = learned["embeddings"][: len(data.scene.objects)]
    stages = stages_of(data.scene, settings, float(objects.square().mean().sqrt()), published=published)
    total, begin, resumed = sum(stage.steps for stage in stages), 0, checkpointer.restore(learned)
    with (
        tokens_added(diffusion, learned["embeddings"]) as tokens,
        gradient_checkpointing(diffusion.unet, settings.checkpointing),
        staying(diffusion.unet, diffusion.text_encoder),
    ):
        phrases = Phrases(data.scene.names, tokens)
        for index, stage in enumerate(stages):
            if resumed < begin + stage.steps:
                trainer = ConceptTrainer(diffusion, data, learned, stage, settings, prior, phrases, published=published)
                with trainer.attached():
                    if resumed > begin:
                        trainer.restore(checkpointer.moments)
                    for step in range(max(resumed - begin, 0), stage.steps):
                        loss = trainer.update(seed_of(seed, index, step))
                        done = begin + step + 1
                        if checkpointer.due(done, total):
                            checkpointer.save(learned, trainer.moments(), done)
                        report(trainer, loss, done, total)
            begin += stage.steps


def initial_values(
    scene: Scene, settings: LearnSettings, diffusion: LatentDiffusion, *, full: bool, seed: int
) -> dict[str, Tensor]:
    """The tokens, (N + E, D), as "embeddings", and the updates of keys and values, before learning."""
    words = [*(obj.words or obj.name for obj in scene.objects), *[ADDITION] * settings.additions]
    tokens = torch.stack([token_of(diffusion, text) for text in words])
    if not settings.weight_steps:
        return {"embeddings": tokens}
    updates = weights_to_learn(diffusion.unet, settings, full=full, seed=seed, device=diffusion.device)
    return {"embeddings": tokens, **updates}


def shows(done: int, total: int) -> bool:
    """Whether an image is due after so many updates."""
    return done * SAMPLES // total > (done - 1) * SAMPLES // total


def settings_of(record: ArrangeRecord) -> LearnSettings:
    """The record's settings, or the published ones."""
    if record.preset != "paper":
        return record.learn
    ours = record.learn
    return replace(
        PAPER,
        accumulate=ours.accumulate,
        additions=ours.additions,
        prior=ours.prior,
        prior_weight=ours.prior_weight,
        checkpointing=ours.checkpointing,
    )


def stages_of(scene: Scene, settings: LearnSettings, size: float, *, published: bool) -> list[Stage]:
    """All tokens in one stage, or one after the other; then keys and values.

    Args:
        size: root mean square of the tokens' embeddings.
    """
    everything = tuple(range(len(scene.objects)))
    groups = [(i,) for i in everything] if published else [everything]
    stages = [
        Stage(
            label=f"token of {scene.names[group[0]]}" if published else "tokens",
            objects=group,
            steps=settings.token_steps,
            # Embeddings are larger in one text encoder than in another, so their rate is a part of them.
            rate=settings.token_rate * size,
            batch=settings.batch,
        )
        for group in groups
    ]
    # The published batch of 4 is 2 of the photo and 2 prior images here.
    batch = settings.batch // 2 if published else settings.batch
    stages.append(
        Stage(label="keys and values", objects=(), steps=settings.weight_steps, rate=settings.weight_rate, batch=batch)
    )
    return [stage for stage in stages if stage.steps > 0]


def training_data_of(scene: Scene, record: ArrangeRecord, diffusion: LatentDiffusion) -> TrainingData:
    """The photo as latents, the objects as latent cells; padded where its aspect ratio is not one of the models'."""
    side = record.size or diffusion.native_side
    scene = padded_scene(scene, padded_size(scene.photo.size, side, diffusion.stride))
    size = working_size(scene.photo.size, side, diffusion.stride)
    clean = diffusion.encode_image(to_tensor(scene.photo, size).to(diffusion.device)).float()
    rows, columns = clean.shape[-2:]
    cells = []
    for obj in scene.objects:
        try:
            cells.append(shrink_to_cells(torch.from_numpy(obj.mask).float()[None, None], rows, columns))
        except EmptyMaskError:
            raise EmptyMaskError(
                f"The object {obj.name!r} covers {int(obj.mask.sum()):,} pixels, less than a twentieth of any of the "
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
    """(D,) mean embedding of the words' tokens, from which a new token starts.

    Raises:
        LayoutError: the tokenizer reads nothing in them.
    """
    ids = diffusion.tokenizer(expanded(diffusion.tokenizer, words), add_special_tokens=False).input_ids
    if not ids:
        raise LayoutError(f"The object's name {words!r} has no letters that the model reads: give it another name.")
    matrix = diffusion.text_encoder.get_input_embeddings().weight
    mean: Tensor = matrix[torch.tensor(ids, device=matrix.device)].float().mean(0)
    # Not where the weights lie: while other networks work they may be elsewhere.
    return mean.to(diffusion.device)


def weights_to_learn(
    unet: Any, settings: LearnSettings, *, full: bool, seed: int, device: str = "cpu"
) -> dict[str, Tensor]:
    """Keys and values of the cross-attention: whole, as they are; or low-rank updates that start at zero.

    Source: Hu et al. 2021, arXiv:2106.09685, sec. 4.1.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    values: dict[str, Tensor] = {}
    for name, layer in unet.named_modules():
        if not READS_TEXT.search(name):
            continue
        weight = layer.weight
        if full:
            values[f"{name}.weight"] = weight.detach().float().clone().to(device)
        else:
            outputs, inputs = weight.shape
            down = torch.randn(settings.rank, inputs, generator=generator) / math.sqrt(inputs)
            values[f"{name}.down"] = down.to(device)
            values[f"{name}.up"] = torch.zeros(outputs, settings.rank, device=device)
    return values
