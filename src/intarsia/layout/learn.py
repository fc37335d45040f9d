"""Learn the looks of a scene's objects from its one picture: a token each, then keys and values.

Two schedules stand side by side. Ours learns all tokens together, with a loss that keeps each token's
attention on its own object, and low-rank updates after them. The published one (preset paper) learns
token by token, without that loss, and full keys and values.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, cast

import safetensors.torch
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor

from intarsia.attention import AttentionRecorder
from intarsia.backbones.protocols import Backbones, LatentDiffusion
from intarsia.diffusion import add_noise, ddim_move, guide, masked_noise_loss
from intarsia.errors import EmptyMaskError, LayoutError, MissingExtraError, ModelError, RecordError
from intarsia.geometry import Size, working_size
from intarsia.images import (
    Photo,
    photo_from_image,
    read_photo,
    refuse_existing,
    to_photo_pixels,
    to_tensor,
    write_bytes_atomically,
)
from intarsia.layout.cache import key_of
from intarsia.layout.concepts import (
    READS_TEXT,
    Concepts,
    places_of,
    prompt_for,
    sentence,
    tokens_added,
    weights_updated,
    without_brackets,
)
from intarsia.layout.scene import Scene
from intarsia.masks import shrink_to_cells
from intarsia.progress import OnProgress, Progress
from intarsia.records import ArrangeRecord, LearnSettings

SAVED_EVERY = 10
"""Updates between two checkpoints."""

PAPER = LearnSettings(
    token_steps=50,
    token_rate=0.145,  # 2e-3 as published, over 0.0138, the deviation of Stable Diffusion 1's embeddings
    attention_weight=0.0,
    weight_steps=200,
    weight_rate=2e-5,
    batch=4,
)
"""The published schedule: 50 updates of batch 4 an object, then 200 of batch 2 + 2 prior pictures."""

EMPHASIS = 5.0
"""Most that the error at a noisy timestep weighs over that at a clean one; see `emphasis`."""

HALF_SCALE = 1024.0
"""What losses are multiplied by where networks work in half precision, whose smallest gradients would vanish."""

SAMPLES = 4
"""Pictures that show how far learning is."""

SAMPLE_STEPS = 12
"""Denoising steps of a whole schedule: enough to see what is painted."""

SAMPLE_STRENGTH = 0.5
"""Part of the schedule that one runs: objects stay at their places, and finer looks must come from what was learned."""

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


class Tracker(Protocol):
    """What accelerate's trackers have."""

    def log(self, values: dict[str, Any], step: int | None = None) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The picture painted anew with what was learned in `done` of `total` updates."""

    done: int
    total: int
    photo: Photo


OnSample = Callable[[Sample], None]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One round of learning.

    Attributes:
        label: what is learned, for progress and trackers.
        things: the objects whose tokens learn; empty where keys and values do.
        steps: updates.
        rate: of learning.
        batch: noisy copies of the picture in each.
    """

    label: str
    things: tuple[int, ...]
    steps: int
    rate: float
    batch: int


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """All that learning looks at.

    Attributes:
        clean: (1, C, h, w) latents of the picture.
        cells: (N, 1, h, w) coverage of each object.
        size: at which the models work on the picture.
    """

    scene: Scene
    prompt: str
    background: str
    clean: Tensor
    cells: Tensor
    size: Size


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
        raise LayoutError("The scene has no objects, so that there is nothing to learn: name some, e.g. with --find.")
    record = replace(record, prompt=without_brackets(record.prompt, scene))
    settings = settings_of(record)
    lesson = lesson_of(scene, record, diffusion)
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
    keeper = Keeper(checkpoint, key, resume=resume)
    begin, total, done = keeper.restore(learned), sum(s.steps for s in stages), 0
    with tokens_added(diffusion, learned["embeddings"]) as tokens, checkpointing(diffusion.unet, settings):
        phrases = dict(zip(scene.names, tokens, strict=True))
        for index, stage in enumerate(stages):
            if begin >= done + stage.steps:
                done += stage.steps
                continue
            with listening(
                Pupil(diffusion, lesson, learned, stage, settings, prior, phrases, published=published)
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


def lesson_of(scene: Scene, record: ArrangeRecord, diffusion: LatentDiffusion) -> Lesson:
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
                f"{columns} x {rows} cells that the models see: mark more of it, or work at a larger --size."
            ) from None
    return Lesson(
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


class Said(NamedTuple):
    """A prompt and the objects that pay for it: where in the prompt the token of each stands."""

    prompt: str
    places: dict[int, int]


class Pupil:
    """One stage of learning: what it updates, how its batches look, what it pays for.

    Args:
        learned: the tokens as "embeddings" and the updates of `Concepts.updates`, changed in place.
        prior: (words, (1, C, h, w) latents) of pictures that keep the class words as they were.
        phrases: the token of each object.
        published: pay for the noise alone, and with keys and values for the whole picture alone.
    """

    def __init__(
        self,
        diffusion: LatentDiffusion,
        lesson: Lesson,
        learned: dict[str, Tensor],
        stage: Stage,
        settings: LearnSettings,
        prior: Sequence[tuple[str, Tensor]],
        phrases: dict[str, str],
        *,
        published: bool,
    ) -> None:
        self.diffusion, self.lesson, self.stage, self.settings = diffusion, lesson, stage, settings
        self.published = published
        self.updates = {} if stage.things else {n: t for n, t in learned.items() if n != "embeddings"}
        self.learning = self.updates or {"embeddings": learned["embeddings"]}
        self.prior = [] if stage.things else list(prior)
        self.recorder = AttentionRecorder()
        # What comes out of `.down` is of unit size in any network, and so is what its rate moves it by.
        self.optimizer = torch.optim.Adam(
            {
                "params": [tensor],
                "lr": stage.rate / math.sqrt(tensor.shape[1]) if name.endswith(".down") else stage.rate,
            }
            for name, tensor in self.learning.items()
        )
        self.scale = HALF_SCALE if diffusion.unet.dtype == torch.float16 else 1.0
        self.whole, self.alone = self.prompts(phrases)

    def prompts(self, phrases: dict[str, str]) -> tuple[Said, list[Said]]:
        """The full sentence, and one for each object that is taught."""
        things = self.lesson.scene.objects
        taught = self.stage.things or tuple(range(len(things)))
        said = {t.name: phrases[t.name] if i in taught else t.words or t.name for i, t in enumerate(things)}
        texts = [prompt_for(self.lesson.prompt, self.lesson.scene, said, self.lesson.background)]
        texts += [f"a photo of a {phrases[things[i].name]}" for i in taught]
        limit = self.diffusion.text_encoder.config.max_position_embeddings
        found = []
        for text, shown in zip(texts, [taught, *((i,) for i in taught)], strict=True):
            tokens = [phrases[things[i].name] for i in shown]
            places = places_of(self.diffusion.tokenizer, text, tokens, limit)
            found.append(Said(text, dict(zip(shown, places, strict=True))))
        return found[0], found[1:]

    def update(self, seed: int) -> float:
        """One update; the loss before it."""
        told = 0.0
        for part in range(self.settings.accumulate):
            generator = torch.Generator("cpu").manual_seed(seed_of(seed, part))
            loss = self.loss(generator) / self.settings.accumulate
            (loss * self.scale).backward()  # type: ignore[no-untyped-call]
            told += float(loss.detach())
        gradients = [tensor.grad for tensor in self.learning.values() if tensor.grad is not None]
        for gradient in gradients:
            gradient /= self.scale
        if all(bool(gradient.isfinite().all()) for gradient in gradients):  # half precision overflows now and then
            self.optimizer.step()
        self.optimizer.zero_grad()
        return told

    def loss(self, generator: torch.Generator) -> Tensor:
        """Of one batch of noisy copies of the picture, and as many prior pictures."""
        batch = self.draw(generator)
        timesteps = spread_timesteps(len(batch), len(self.diffusion.alphas_cumprod), generator)
        predicted, noise, alpha = self.predict(self.lesson.clean, [s.prompt for s in batch], timesteps, generator)
        weight = torch.ones_like(alpha) if self.published else emphasis(alpha).to(alpha.device)

        masked = []
        for b, said in enumerate(batch):
            cells = self.lesson.cells[list(said.places)]
            shape = (len(cells), -1, -1, -1)
            masked.append(masked_noise_loss(predicted[b].expand(shape), noise[b].expand(shape), cells).mean())
        objects = (weight * torch.stack(masked)).mean()
        whole = (weight * (predicted - noise).square().mean((1, 2, 3))).mean()
        # Where the published keys and values learn from the whole picture, a small object hardly counts.
        loss = objects if self.stage.things else whole if self.published else (objects + whole) / 2

        if not self.published:
            loss = loss + self.settings.attention_weight * self.attention_loss(batch)
        if self.prior:
            loss = loss + self.settings.prior_weight * self.prior_loss(len(batch), generator)
        return loss

    def draw(self, generator: torch.Generator) -> list[Said]:
        """A batch: tokens learn by turns from the full sentence and alone, keys and values from the sentence."""
        if not self.stage.things:
            return [self.whole] * self.stage.batch
        first = int(torch.randint(2 * len(self.alone), (), generator=generator))
        turns = range(first, first + self.stage.batch)
        return [self.alone[turn // 2 % len(self.alone)] if turn % 2 else self.whole for turn in turns]

    def predict(
        self, clean: Tensor, prompts: list[str], timesteps: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The denoiser's noise, the noise that was added, and the signal power of each timestep."""
        clean = clean.expand(len(prompts), -1, -1, -1)
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        alpha = self.diffusion.alphas_cumprod[timesteps].to(clean)
        noisy = add_noise(clean, noise, alpha.reshape(-1, 1, 1, 1))
        with torch.set_grad_enabled(bool(self.stage.things)):
            text = self.diffusion.encode_text(prompts)
        return self.diffusion.predict(noisy, timesteps, text).noise, noise, alpha

    def attention_loss(self, batch: Sequence[Said]) -> Tensor:
        """How far each token's attention, scaled to at most 1, is from its object's mask.

        Source: Avrahami et al. 2023, arXiv:2305.16311, eq. 3.
        """
        maps = self.recorder.mean()
        targets = F.adaptive_avg_pool2d(self.lesson.cells, (self.recorder.rows, self.recorder.columns))[:, 0]
        parts = []
        for b, said in enumerate(batch):
            for thing, place in said.places.items():
                seen, target = maps[b, ..., place], targets[thing]
                parts.append((seen / seen.amax() - target / target.amax()).square().mean())
        return torch.stack(parts).mean()

    def prior_loss(self, count: int, generator: torch.Generator) -> Tensor:
        """Noise error on pictures of the classes, named by their class words.

        Source: Ruiz et al. 2023, arXiv:2208.12242, sec. 3.3.
        """
        timesteps = spread_timesteps(count, len(self.diffusion.alphas_cumprod), generator)
        chosen = torch.randint(len(self.prior), (count,), generator=generator)
        parts = []
        for timestep, index in zip(timesteps, chosen, strict=True):  # of any sizes, so one at a time
            words, clean = self.prior[int(index)]
            predicted, noise, alpha = self.predict(clean, [sentence([words])], timestep[None], generator)
            weight = 1.0 if self.published else float(emphasis(alpha))
            parts.append(weight * (predicted - noise).square().mean())
        return torch.stack(parts).mean()

    @torch.no_grad()
    def sample(self, record: ArrangeRecord, seed: int) -> Photo:
        """The picture painted anew with what is learned so far, the objects about where they are."""
        timesteps = self.diffusion.timesteps(SAMPLE_STEPS)[round((1 - SAMPLE_STRENGTH) * SAMPLE_STEPS) :]
        clean = self.lesson.clean
        noise = torch.randn(clean.shape, generator=torch.Generator("cpu").manual_seed(seed)).to(clean)
        latents = add_noise(clean, noise, self.diffusion.alphas_cumprod[timesteps[0]])
        text = self.diffusion.encode_text([record.negative_prompt, self.whole.prompt])
        latents = denoised(self.diffusion, latents, timesteps, text, record.guidance)
        return photo_from_image(to_photo_pixels(self.diffusion.decode_latents(latents)[0], self.lesson.size))

    def moments(self) -> dict[str, Tensor]:
        """What the optimiser remembers."""
        return {
            f"{name}:{kind}": value
            for name, tensor in self.learning.items()
            for kind, value in self.optimizer.state[tensor].items()
        }

    def restore(self, moments: dict[str, Tensor]) -> None:
        """Go on with what the optimiser remembered."""
        for name, tensor in self.learning.items():
            kept = {k.removeprefix(f"{name}:"): v for k, v in moments.items() if k.startswith(f"{name}:")}
            self.optimizer.state[tensor] = {k: v if k == "step" else v.to(tensor.device) for k, v in kept.items()}


@contextlib.contextmanager
def listening(pupil: Pupil) -> Iterator[Pupil]:
    """The model as a stage needs it, and gradients for what is learned in it alone."""
    with contextlib.ExitStack() as attached:
        for tensor in pupil.learning.values():
            tensor.requires_grad_(True)
            attached.callback(tensor.requires_grad_, False)
        if not pupil.published:
            attached.enter_context(pupil.recorder.attached(pupil.diffusion.unet))
        attached.enter_context(weights_updated(pupil.diffusion.unet, pupil.updates, hold_begin=True))
        yield pupil


@contextlib.contextmanager
def checkpointing(unet: Any, settings: LearnSettings) -> Iterator[None]:
    """Activations computed twice instead of kept, where the settings ask for it."""
    before = bool(unet.is_gradient_checkpointing)
    try:
        if settings.checkpointing:
            unet.enable_gradient_checkpointing()
        yield
    finally:
        if settings.checkpointing and not before:
            unet.disable_gradient_checkpointing()


class Keeper:
    """Keeps how far learning is, in one file.

    Args:
        path: None keeps nothing.
        key: of everything that learning depends on.
        resume: read the file, and go on writing it.

    Raises:
        OutputError: the file exists, but is not to be resumed.
    """

    def __init__(self, path: Path | None, key: str, *, resume: bool) -> None:
        self.path, self.key, self.resume = path, key, resume
        self.moments: dict[str, Tensor] = {}
        if path is not None:
            refuse_existing(path, resume)

    def restore(self, learned: dict[str, Tensor]) -> int:
        """Bring back what was learned; returns the updates that it took, 0 where there is no file.

        Raises:
            ModelError: the file is damaged.
            RecordError: it is of another scene, model or settings.
        """
        if self.path is None or not self.resume or not self.path.exists():
            return 0
        try:
            with safe_open(str(self.path), framework="pt") as file:
                about = file.metadata() or {}
            tensors = safetensors.torch.load_file(str(self.path))
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"The checkpoint {self.path} cannot be read ({error}). Delete it, and learn from the beginning."
            ) from None
        if about.get("key") != self.key:
            raise RecordError(
                f"The checkpoint {self.path} is of another scene, model, seed or of other settings. Resume with those, or "
                "learn from the beginning with another checkpoint."
            )
        for name, tensor in learned.items():
            tensor.copy_(tensors.pop(name))
        self.moments = tensors
        return int(about["done"])

    def keep(self, learned: dict[str, Tensor], moments: dict[str, Tensor], done: int) -> None:
        if self.path is not None:
            tensors = {n: t.detach().cpu().contiguous() for n, t in {**learned, **moments}.items()}
            content = safetensors.torch.save(tensors, metadata={"key": self.key, "done": str(done)})
            write_bytes_atomically(self.path, content, overwrite=True)


def seed_of(*numbers: int) -> int:
    """One seed from several: each update draws its own chances, so that a resumed one draws the same."""
    return int(key_of(*numbers)[:15], 16)


def spread_timesteps(count: int, total: int, generator: torch.Generator) -> Tensor:
    """(count,) timesteps, each drawn from its own part of 0 .. total - 1, in random order.

    A batch of two then never looks at clean latents alone, which would make the next update undo the last.
    """
    places = torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)
    return (places * total / count).long().clamp(max=total - 1)


def emphasis(alpha: Tensor) -> Tensor:
    """How much the noise error at a signal power counts: 1 at clean latents, up to `EMPHASIS` at noisy ones.

    An error in the clean latents shows 1 / alpha times smaller in the noise, and it is at noisy timesteps
    that a token decides about shapes and colours. Cut off as in Hang et al. 2023, arXiv:2303.09556.
    """
    return (1 / alpha.clamp(min=1e-8)).clamp(max=EMPHASIS)


def read_prior(folder: Path, diffusion: LatentDiffusion) -> list[tuple[str, Tensor]]:
    """Pictures of classes: `cat/0001.png`, or `cat-0001.png` in the folder itself.

    Returns:
        The words of each and its (1, C, h, w) latents, aspect ratio kept.

    Raises:
        RecordError: the folder holds no pictures.
        PictureError: a picture cannot be read.
    """
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in PICTURES) if folder.is_dir() else []
    if not files:
        raise RecordError(
            f"The folder of prior pictures {folder} holds no pictures. Make some with 'intarsia prior WORDS --out {folder}'."
        )
    pictures = []
    for file in files:
        words = file.parent.name if file.parent != folder else re.sub(r"[-_ ]*\d*$", "", file.stem)
        photo = read_photo(file)
        size = working_size(photo.size, diffusion.native_side, diffusion.stride)
        latents = diffusion.encode_picture(to_tensor(photo, size).to(diffusion.device)).float()
        pictures.append((words.replace("_", " ") or "thing", latents))
    return pictures


@torch.no_grad()
def prior(
    words: str,
    count: int,
    backbones: Backbones,
    *,
    seed: int,
    steps: int = 50,
    guidance: float = 5.0,
    batch: int = 4,
    begin: int = 0,
    on_progress: OnProgress | None = None,
) -> Iterator[Photo]:
    """Pictures of a class by the model itself, which keep its word as it was while an object is learned.

    Args:
        words: the class, e.g. "potted plant".
        count: how many.
        seed: of the first; picture k has seed + k, whatever the batch.
        batch: painted at once.
        begin: how many of the first pictures are there already. Batches are cut as if none was, so that
            the others come out to the last bit as without an interruption.

    Yields:
        Photos of the model's native size, as they get ready.
    """
    diffusion = backbones.diffusion
    text = diffusion.encode_text(["", sentence([words])])
    side = diffusion.native_side
    shape = diffusion.encode_picture(torch.zeros(1, 3, side, side)).shape[1:]
    for first in range(begin - begin % batch if begin < count else count, count, batch):
        seeds = [seed + k for k in range(first, min(first + batch, count))]
        noise = torch.stack([torch.randn(shape, generator=torch.Generator("cpu").manual_seed(s)) for s in seeds])

        def tell(step: int, first: int = first, painted: int = len(seeds)) -> None:
            if on_progress is not None:
                done = first * steps + step * painted
                on_progress(Progress(stage=f"painting {words}", done=done, total=count * steps))

        latents = denoised(diffusion, noise.to(diffusion.device), diffusion.timesteps(steps), text, guidance, tell)
        for picture in diffusion.decode_latents(latents)[max(begin - first, 0) :]:
            yield photo_from_image(to_photo_pixels(picture, Size(side, side)))


def denoised(
    diffusion: LatentDiffusion,
    latents: Tensor,
    timesteps: Sequence[int],
    text: Tensor,
    guidance: float,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """(B, C, h, w) clean latents from noisy ones.

    Args:
        latents: (B, C, h, w) at the first timestep.
        timesteps: from noisy to clean.
        text: (2, L, D) states of the negative prompt and of the prompt.
        on_step: told the steps done after each.
    """
    count, steps = len(latents), len(timesteps)
    twice = text.repeat_interleave(count, 0)
    for step, timestep in enumerate(timesteps):
        seen = diffusion.predict(torch.cat([latents, latents]), timestep, twice)
        clean, noise = (guide(part[:count], part[count:], guidance) for part in seen)
        alpha = diffusion.alphas_cumprod[timesteps[step + 1]] if step + 1 < steps else torch.tensor(1.0)
        latents = ddim_move(clean, noise, alpha)
        if on_step is not None:
            on_step(step + 1)
    return latents


def open_tracker(kind: Literal["tensorboard", "wandb"], folder: Path, name: str = "intarsia") -> Tracker:
    """A tracker of accelerate, for `learn`; close it with its `finish`.

    Raises:
        MissingExtraError: the tracker's package is not installed.
    """
    from accelerate import PartialState, tracking  # type: ignore[import-untyped]

    packages = {"tensorboard": tracking.is_tensorboard_available, "wandb": tracking.is_wandb_available}
    if not packages[kind]():
        raise MissingExtraError(f"The tracker {kind} is not installed. Install it with: pip install 'intarsia[track]'")
    PartialState()  # accelerate's trackers ask it which process they are in
    folder.mkdir(parents=True, exist_ok=True)
    made: Any
    if kind == "tensorboard":
        made = tracking.TensorBoardTracker(name, logging_dir=str(folder))
    else:
        made = tracking.WandBTracker(name, dir=str(folder))
    if hasattr(made, "start"):
        made.start()
    return cast(Tracker, made)
