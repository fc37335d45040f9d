"""The record of an edit by layout: what is in the picture, where it goes, and every setting that matters."""

from __future__ import annotations

from dataclasses import dataclass

from intarsia.errors import Remedy, Setting, one_of
from intarsia.records.added_files import embedding_checks, lora_checks
from intarsia.records.checks import Check, above_zero, at_least, between, not_too_long, run_checks, weights_in_range
from intarsia.records.choices import Fill, LayoutPreset, Mode, OutputFormat, Unsure
from intarsia.records.fill_checks import own_network_checks
from intarsia.records.format_checks import format_checks, watermark_checks
from intarsia.records.texts import text_checks

COLOURS_EXAMPLE = '{"cat": [251, 216, 1], "background": [254, 254, 254]}'
"""What a key of colours looks like."""


@dataclass(frozen=True, kw_only=True)
class ComposeSettings:
    """How objects are moved as they are (mode compose)."""

    border: float = 0.06
    """How far around an object its shadow is looked for, as a fraction of the picture's short side."""
    context: float = 1.6
    """Side of each part of the picture that a checkpoint works on, in longer sides of what changes there; a large number takes the whole picture."""
    plates: int = 2
    """How many times what an object leaves behind is painted; the one with least of the object in it is kept."""
    plate_steps: int = 20
    """Steps of their whole schedule, of which the last `plate_strength` part is run."""
    plate_strength: float = 0.4
    """How much noise the hole, filled with what continues its surroundings, gets before it is painted: 0 none, 1 all."""
    plate_guidance: float = 2.0
    """Guidance scale of them, away from the names of the objects."""
    strength: float = 0.25
    """How much noise the composite gets before it is denoised again: 0 none, 1 all."""
    refine_steps: int = 30
    """Steps of the whole schedule, of which the last `strength` part is run."""
    injection: float = 1.0
    """For which part of those steps the source's self-attention is injected at the new places."""
    guidance: float = 2.0
    """Guidance scale of those steps, toward what the picture shows; 1 turns it off."""
    edge: float = 0.006
    """How wide an object's edge is, in which it mixes with what lies behind, as a fraction of the picture's short side; coarse masks have wider ones."""
    shadows: bool = True
    """Whether objects take the shadows around them along."""
    adapt: bool = False
    """Whether the colours and the exposure of moved objects lean toward their new surroundings."""

    def checks(self) -> tuple[Check, ...]:
        return (
            above_zero("strength", self.strength, 1),
            above_zero("plate_strength", self.plate_strength, 1),
            (
                1 <= self.context <= 1000,
                f"compose.context is {self.context}, but must lie between 1 (what changes alone) and 1000 (the whole "
                "picture).",
            ),
            at_least("plate_steps", self.plate_steps, 1),
            at_least("refine_steps", self.refine_steps, 1),
            at_least("compose.guidance", self.guidance, 1),
            at_least("plate_guidance", self.plate_guidance, 1),
            between("compose.injection", self.injection, 0, 1),
            (
                0 <= self.border <= 0.5 and 0 <= self.edge <= 0.5,
                f"border is {self.border} and edge {self.edge}, but both must lie between 0 and 0.5 of the short side.",
            ),
            at_least("plates", self.plates, 1),
        )


@dataclass(frozen=True, kw_only=True)
class GuideSettings:
    """How objects are regenerated at their places (mode regenerate)."""

    scale: float = 20.0
    """Step size of the layout guidance (20 in the paper)."""
    until: float = 0.5
    """For which part of the steps the layout is guided (25 of 50 in the paper)."""
    refine_at: tuple[int, ...] = (0, 10, 20)
    """At these steps guidance is repeated until the loss is low enough."""
    refine_to: tuple[float, ...] = (0.4, 0.3, 0.2)
    """The loss that is low enough, for each of those steps."""
    refine_most: int = 10
    """Most repetitions at each of them (40 in the paper)."""
    blend_until: float = 1.0
    """For which part of the steps the background is held at the picture's own latents (15 of 50 in the paper)."""
    start_from_source: bool = True
    """Start from each object's own inverted latents at its new place, instead of noise."""
    start: float = 0.65
    """Which part of the schedule is run then: 1 all of it, less keeps more of the objects as they were."""

    def checks(self) -> tuple[Check, ...]:
        return (
            at_least("guide.scale", self.scale, 0),
            between("guide.until", self.until, 0, 1),
            (
                len(self.refine_at) == len(self.refine_to),
                "guide.refine_at and guide.refine_to must be as long as each other, e.g. 0 10 20 and 0.4 0.3 0.2.",
            ),
            *(at_least("guide.refine_at", step, 0) for step in self.refine_at),
            *(at_least("guide.refine_to", loss, 0) for loss in self.refine_to),
            at_least("guide.refine_most", self.refine_most, 0),
            between("guide.blend_until", self.blend_until, 0, 1),
            above_zero("guide.start", self.start, 1),
        )


@dataclass(frozen=True, kw_only=True)
class LearnSettings:
    """How the looks of a scene's objects are learned (intarsia learn)."""

    token_steps: int = 30
    """Updates of the objects' tokens, all objects in one batch."""
    token_rate: float = 0.1
    """Their learning rate, as a part of an embedding's mean size (the paper's 2e-3 is 0.145 of Stable Diffusion 1's)."""
    attention_weight: float = 0.05
    """Weight of the loss that keeps each token's cross-attention on its object."""
    weight_steps: int = 40
    """Updates of the low-rank keys and values; 0 leaves the network as it is."""
    weight_rate: float = 5e-3
    """Their learning rate, for text states of unit size."""
    rank: int = 4
    """Rank of those updates."""
    batch: int = 2
    """Noisy copies of the picture in each update; prior pictures come on top."""
    accumulate: int = 1
    """Batches whose gradients are added before each update."""
    additions: int = 0
    """Tokens besides the objects', which learn with keys and values from the whole picture and end its sentence (addition_tokens of the published code)."""
    prior: str | None = None
    """Folder of pictures of the same classes (intarsia prior), which keep the class words as they were."""
    prior_weight: float = 1.0
    """Weight of the loss on them."""
    checkpointing: bool = False
    """Save memory by computing activations twice."""

    def checks(self) -> tuple[Check, ...]:
        return (
            at_least("learn.token_steps", self.token_steps, 0),
            above_zero("learn.token_rate", self.token_rate),
            at_least("learn.attention_weight", self.attention_weight, 0),
            at_least("learn.weight_steps", self.weight_steps, 0),
            above_zero("learn.weight_rate", self.weight_rate),
            at_least("rank", self.rank, 1),
            at_least("batch", self.batch, 1),
            at_least("learn.accumulate", self.accumulate, 1),
            between("learn.additions", self.additions, 0, 8),
            at_least("learn.prior_weight", self.prior_weight, 0),
        )


@dataclass(frozen=True, kw_only=True)
class ArrangeRecord:
    """One edit by layout: what is in the picture, where it goes, and every setting that matters."""

    photo: str
    """The picture to edit: PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC; or a scene folder that intarsia objects wrote."""
    mask: str | None = None
    """The objects as a picture in their colours; needs --colours."""
    colours: str | None = None
    """The colours of mask and layout: JSON, {"cat": [251, 216, 1], "background": [254, 254, 254]}; by default the scene folder's."""
    masks: tuple[str, ...] = ()
    """The objects as one black and white picture each: --masks cat=cat.png 'dog 1=dog.png'."""
    find: tuple[str, ...] = ()
    """The objects by their names, to be found in the picture."""
    unsure: Unsure = "refuse"
    """What becomes of an object that is found without confidence: refuse (nothing is edited), or keep (it is taken for what was named)."""
    object: tuple[str, ...] = ()
    """The objects by a box around each, or by points on it: --object cat=10,20,200,220 'dog 1@300,150@320,90'; outlined without a network."""
    tolerance: int = 0
    """Levels by which a colour of mask or layout may miss the colour that is meant."""
    layout: str | None = None
    """Target layout: a picture in the colours of --colours."""
    boxes: str | None = None
    """Target boxes: JSON, {"cat": [x0, y0, x1, y1]}; null removes an object."""
    move: tuple[str, ...] = ()
    """Move objects: --move cat=+120,0 in pixels to the right and down."""
    to: tuple[str, ...] = ()
    """Move the middle of objects to a place: --to cat=320,200."""
    scale: tuple[str, ...] = ()
    """Scale objects about their middle: --scale plant=1.5, or wide and high: plant=1.5,1."""
    rotate: tuple[str, ...] = ()
    """Turn objects about their middle, in degrees clockwise: --rotate cat=15."""
    flip: tuple[str, ...] = ()
    """Mirror objects left to right."""
    copy: tuple[str, ...] = ()
    """Duplicate objects, which stay: --copy cat=+120,0, as far from where the object stands; or 'cat:kitten=+120,0' with a name for the copy (else cat 2), by which it is then moved, scaled, turned, flipped and stacked."""
    remove: tuple[str, ...] = ()
    """Remove objects."""
    front: tuple[str, ...] = ()
    """Bring objects to the front, the last named foremost."""
    back: tuple[str, ...] = ()
    """Send objects to the back, the last named hindmost."""
    protect: str | None = None
    """Black and white picture: what is white in it stays exactly as it is, whatever is moved over it or away."""
    mode: Mode = "auto"
    """compose (objects are moved as they are), regenerate (painted again with the same looks), or auto: compose where every target is close to a moved, scaled or turned source."""
    preset: LayoutPreset = "default"
    """default, or paper (the method and the schedule as published)."""
    concepts: str | None = None
    """Learned looks of the objects, for regenerate: what intarsia learn wrote, or a folder of a LoRA and textual inversions as diffusers writes them; learned on the way when missing."""
    prompt: str = ""
    """What the picture shows; by default the names of its objects. Words may be weighted: "a (white:1.3) cat"."""
    negative_prompt: str = ""
    """What it should not show."""
    background: str = ""
    """What lies behind the objects, e.g. "grass"."""
    fill: Fill = "auto"
    """What fills the gaps that objects leave: patch (pieces of the surroundings), diffusion (the checkpoint paints them), membrane (smooth), lama or migan (networks of your own, with fill_model); auto: diffusion by checkpoints that were trained on photographs, else patch."""
    fill_model: str | None = None
    """File of the network for lama or migan: TorchScript, or ONNX; a program, so take it only from those you trust."""
    models: str = "auto"
    """Checkpoints, as for intarsia edit."""
    lora: tuple[str, ...] = ()
    """LoRAs that change the checkpoint, as for intarsia edit."""
    embedding: tuple[str, ...] = ()
    """Textual inversions, words for prompts, as for intarsia edit."""
    seed: int = 0
    """Seed of the noise."""
    seeds: int = 1
    """How many pictures to make, with seeds from `seed` upward."""
    steps: int = 50
    """Denoising steps of regenerate."""
    guidance: float = 3.0
    """Classifier-free guidance scale of regenerate; 1 turns it off (5 in the paper)."""
    feather: float = 0.02
    """Width of the soft edge of what changes, as a fraction of the picture's short side."""
    watermark: str = ""
    """A few words that are written over what was changed, translucent, again and again, such as "toy preview"; nothing elsewhere."""
    size: int | None = None
    """Short side at which the models work, in pixels; by default the size they were trained at."""
    format: OutputFormat = "keep"
    """Format of the picture's file: keep (the photo's own; png where that cannot be written), png (every pixel outside the edit stays as it was), jpeg (small; all pixels change a little, but for a photo that is one: there, those beside the edit alone), webp, or avif (smaller still, all pixels change)."""
    quality: int | None = None
    """Quality of a jpeg, an avif or a lossy webp; by default they are compressed as the photo's own file is where that is of the same format, else as jpeg of 95 with full colour resolution, webp without loss, or avif of 90."""
    compose: ComposeSettings = ComposeSettings()
    guide: GuideSettings = GuideSettings()
    learn: LearnSettings = LearnSettings()

    def __post_init__(self) -> None:
        checks = (
            *text_checks(self),
            *(not_too_long(name, getattr(self, name)) for name in ("prompt", "negative_prompt", "background")),
            *lora_checks(self.lora),
            *(weights_in_range(name, getattr(self, name)) for name in ("prompt", "negative_prompt", "background")),
            *embedding_checks(self.embedding),
            (1 <= self.steps <= 1000, f"steps is {self.steps}, but must lie between 1 and 1000; 30 to 50 is usual."),
            (
                1 <= self.guidance <= 100,
                f"guidance is {self.guidance}, but must lie between 1 (off) and 100; 2 to 5 is usual.",
            ),
            (0 <= self.seed < 2**63 - 100, f"seed is {self.seed}, but must be a whole number from 0 to 2^63 - 101."),
            (1 <= self.seeds <= 100, f"seeds is {self.seeds}, but must lie between 1 and 100."),
            (0 <= self.feather <= 0.5, f"feather is {self.feather}, but must lie between 0 and 0.5 of the short side."),
            (0 <= self.tolerance <= 64, f"tolerance is {self.tolerance}, but must lie between 0 and 64 levels."),
            (
                self.size is None or 32 <= self.size <= 4096,
                f"size is {self.size}, but must lie between 32 and 4096 pixels.",
            ),
            (
                sum((self.mask is not None, bool(self.masks), bool(self.find), bool(self.object))) <= 1,
                ("The objects were given in more than one way", one_of("mask", "masks", "find", "object")),
            ),
            (
                # A scene folder has a key of its own, which only those who open it know.
                self.colours is not None
                or (self.mask is None and (self.layout is None or not (self.masks or self.find or self.object))),
                (
                    "A picture in colours was given without its key",
                    Remedy(
                        Setting("colours", "FILE", verb="pass"),
                        f", {COLOURS_EXAMPLE}",
                        page=("give ", Setting("colours"), f" too, such as {COLOURS_EXAMPLE}"),
                    ),
                ),
            ),
            (
                sum((self.layout is not None, self.boxes is not None)) <= 1,
                ("The target was given both as a layout and as boxes", one_of("layout", "boxes")),
            ),
            *own_network_checks(self.fill, self.fill_model),
            *format_checks(self.quality),
            *watermark_checks(self.watermark),
        )
        run_checks((*checks, *self.compose.checks(), *self.guide.checks(), *self.learn.checks()))
