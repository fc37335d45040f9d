"""The record of an edit by words: what is in the picture, what it should become, and every setting that matters."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from intarsia.errors import Remedy, Setting, one_of
from intarsia.records.added_files import embedding_checks, lora_checks
from intarsia.records.checks import (
    LARGEST,
    Check,
    above_zero,
    at_least,
    finite,
    not_too_long,
    run_checks,
    weights_in_range,
)
from intarsia.records.choices import Alpha, OutputFormat, Painting, Preset, RateSchedule, Sampler, Scheduler, Structure
from intarsia.records.format_checks import format_checks, watermark_checks
from intarsia.records.mask_checks import label_checks
from intarsia.records.presets import PRESETS, fill_in, unsaid
from intarsia.records.texts import blank, text_checks

MOST_LCM_STEPS = 50
"""Steps of the schedule that consistency models are distilled on, of which they take some."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Where to look for the region, and how hard."""

    anchors: int = unsaid(6)
    """How many anchor points (the published point_number; 9 there); the preset default has none, but as a region network's."""
    smallest_window: float = 0.25
    """Shortest side of a proposed box, as a fraction of the picture's short side."""
    largest_window: float = unsaid(0.94)
    """Longest side of a proposed box, as a fraction of the picture's short side (max_window_size: 15 there, a largest box of 0.875 of the side)."""
    proposals: int = 32
    """How many boxes around anchors are painted (preset exhaustive)."""
    preview_steps: tuple[int, ...] = (4, 10)
    """Denoising steps of each preview round; the better part of a round goes on to the next."""
    survivors: tuple[int, ...] = (8, 3)
    """How many candidates outlive each preview round; the last ones get the full schedule."""
    continued: bool = False
    """Previews are the first steps of the full schedule, judged by the image that the denoiser predicts there, and those that go on pay the remaining steps alone; else a preview has a short schedule of its own (preset default)."""
    enough: float = 0.8
    """Chance of success, as it is read off a finished picture, at which no other region is tried (preset default)."""
    network_weight: float = 1.0
    """How much a fitted region network's opinion counts against the map of relevance when boxes are proposed."""

    def checks(self) -> tuple[Check, ...]:
        return (
            at_least("anchors", self.anchors, 1),
            at_least("proposals", self.proposals, 1),
            (
                0 < self.smallest_window <= self.largest_window <= 4,
                f"The windows go from {self.smallest_window} to {self.largest_window} of the short side, "
                "but the smallest must be above 0 and not above the largest.",
            ),
            (
                len(self.preview_steps) == len(self.survivors)
                and all(1 <= s <= LARGEST for s in (*self.preview_steps, *self.survivors)),
                "preview_steps and survivors must be as long as each other, all at least 1, e.g. 4 10 and 8 3.",
            ),
            (0 <= self.enough <= 1, f"enough is {self.enough}, but must lie between 0 and 1: it is a chance."),
            finite("network_weight", self.network_weight),
        )


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """What makes a candidate good: the first five terms under the preset exhaustive, raw cosines, weighed and added; the others under the preset default."""

    text: float = 2.0
    """Weight of the likeness between the edited picture and the prompt (2 in the paper's ranking)."""
    image: float = 3.0
    """Weight of the likeness between the edited and the original picture beside what the source words name (1 in the paper's ranking, over the whole picture)."""
    crop: float = 2.0
    """Weight of the likeness between the edited crop and the prompt."""
    direction: float = 1.0
    """Weight of the agreement between the change of the picture and the change from source words to prompt."""
    relevance: float = 5.0
    """Weight of how well the box covers what the source words name."""
    shown: float = 6.0
    """Weight, in the logarithm of the odds of success, of how well a segmenter sees what the region was to become (preset default)."""
    left: float = 4.0
    """The same of what is left of what was to go."""
    lost: float = 4.0
    """The same of what is lost of what was to stay."""
    gain: float = 2.0
    """The same of how much more the region is like the words than before."""
    bias: float = -3.0
    """The logarithm of the odds where all of these are 0."""

    def checks(self) -> tuple[Check, ...]:
        return tuple(finite(f"score.{f.name}", getattr(self, f.name)) for f in dataclasses.fields(self))


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How the region network is fitted (regions fit; and each picture under --preset paper)."""

    rounds: int = unsaid(10)
    """Rounds of drawing and learning on one picture, under the presets paper, released and released-exact (per_image_iteration); one more draws what is ranked."""
    epochs: int = 40
    """Passes over all pictures in regions fit; candidates are painted once, so that a pass is cheap (epochs)."""
    rate: float = unsaid(2e-3)
    """Learning rate of Adam (lr)."""
    schedule: RateSchedule = unsaid("constant")
    """How the rate goes on over the rounds of the preset paper: constant, or cosine (from the whole rate down to nothing)."""
    accumulate: int = 8
    """Pictures whose gradients are added before each update of regions fit, in each of its processes."""
    boxes: int = 16
    """Boxes painted for each picture in regions fit."""
    steps: int = 10
    """Denoising steps of each of them."""
    loss_text: float = 1.0
    """Weight of the CLIP guidance loss (paper eq. 3)."""
    loss_direction: float = 1.0
    """Weight of the directional loss (paper eq. 4)."""
    loss_structure: float = 1.0
    """Weight of the structural loss (paper eq. 5)."""
    structure: Structure = unsaid("mean")
    """Which structural loss: mean (root of the mean square of the patches' differences, last layer), or published (mean square, tokens before the last block, [CLS] included)."""
    loss_relevance: float = 1.0
    """Weight of the part of what the source words name that a box leaves out, or covers beside it (regions fit)."""

    def checks(self) -> tuple[Check, ...]:
        return (
            at_least("fit.rounds", self.rounds, 1),
            at_least("fit.epochs", self.epochs, 1),
            above_zero("fit.rate", self.rate),
            at_least("fit.accumulate", self.accumulate, 1),
            at_least("fit.boxes", self.boxes, 1),
            at_least("fit.steps", self.steps, 1),
            finite("fit.loss_text", self.loss_text),
            finite("fit.loss_direction", self.loss_direction),
            finite("fit.loss_structure", self.loss_structure),
            finite("fit.loss_relevance", self.loss_relevance),
        )


@dataclass(frozen=True, kw_only=True)
class EditRecord:
    """One edit by words: what is in the picture, what it should become, and every setting that matters."""

    photo: str
    """The picture to edit: PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC."""
    prompt: str
    """What it should become, e.g. "a big tree with many flowers in the center"."""
    source: str = ""
    """What is there now and may change, e.g. "trees"; without it the edit may go anywhere."""
    negative_prompt: str = ""
    """What the edit should not show."""
    models: str = "auto"
    """Checkpoints: pocket, a catalogue name (see intarsia models), a hub id, a diffusers folder or a .safetensors file, and with +FILE another denoiser; auto takes a cached one, else pocket."""
    lora: tuple[str, ...] = ()
    """LoRAs that change the checkpoint: FILE or FILE:WEIGHT (1 by default; less is weaker, below 0 the opposite), a .safetensors of diffusers, peft or kohya or a folder of one; several add up."""
    embedding: tuple[str, ...] = ()
    """Textual inversions: FILE or FILE:WORD (by default the file's own word, else its name), a .safetensors of diffusers or AUTOMATIC1111; prompts say the word."""
    preset: Preset = "default"
    """default (the likeliest region first, others where it failed), paper (as published), released (what the released code amounts to), released-exact (with its faults of place, and nothing pasted back), exhaustive (every box, full schedule)."""
    seed: int = 0
    """Seed of the noise, which all candidates of a picture share."""
    steps: int = unsaid(30)
    """Denoising steps of the full schedule."""
    guidance: float = unsaid(5.0)
    """Classifier-free guidance scale; 1 turns it off."""
    scheduler: Scheduler = unsaid("solver")
    """Steps of which scheduler: solver (DPM-Solver++, usable after few steps), or own (the checkpoint's); checkpoints of zero terminal signal always take their own."""
    sampler: Sampler = "checkpoint"
    """Steps of which sampler: checkpoint (as scheduler says), dpmpp-2m-karras, euler-a, unipc, ddim, or lcm (of models distilled to few steps: 4 to 8, guidance 1 to 2); flow matching keeps its own."""
    template: str = unsaid("{}")
    """Sentence that the prompt is put into for the models, in the place of {}."""
    painting: Painting = "auto"
    """How regions are painted: mask (within them), instruction (the models are told what to change in a part of the picture, and what they changed is found; Qwen-Image-Edit, FLUX.2 klein, FLUX.1 Kontext), or auto (instruction where the models take one)."""
    instruction: str = ""
    """What checkpoints that edit by an instruction (pocket does not) are told, word for word, e.g. "make the tree twice as tall"; by default it is made of the words."""
    box: tuple[float, float, float, float] | None = None
    """Edit exactly here: x0,y0,x1,y1 in pixels of the picture, instead of searching."""
    mask: str | None = None
    """Edit exactly where this picture is white, instead of searching."""
    invert_mask: bool = False
    """Read the mask the other way: black is repainted."""
    mask_label: int | None = None
    """Of a mask that is a map of labels, in levels of grey or with a palette: the one that is repainted, e.g. 15."""
    protect: str | None = None
    """Black and white picture: what is white in it stays exactly as it is, whatever is edited."""
    feather: float = 0.03
    """Width of the soft edge of the repainted region, as a fraction of the short side of the part that was worked on."""
    alpha: Alpha = "auto"
    """Transparency of what is painted: keep (the picture's own), paint (opaque as far as it is painted), or auto (keep, but paint where hardly anything would show, as on the clear background of a cutout)."""
    sharpen: bool = False
    """Keep the picture's own pixels where the repainted region differs from them only by a tint or a blur, as in the corners of a box."""
    refine: bool = False
    """Where the models worked at less than the picture's resolution, paint the best result on at that resolution, in overlapping tiles; costs several times the edit."""
    context: float = 1.6
    """Side of the part of the picture that is worked on, in longer sides of the region; a large number takes the whole picture."""
    watermark: str = ""
    """A few words that are written over what was changed, translucent, again and again, such as "toy preview"; nothing elsewhere."""
    regions: str | None = None
    """A fitted region network (regions fit); pocket brings its own."""
    keep: int = 1
    """How many of the best candidates to save."""
    size: int | None = None
    """Short side at which the models work, in pixels; by default the size they were trained at."""
    format: OutputFormat = "keep"
    """Format of the picture's file: keep (the photo's own; png where that cannot be written), png (every pixel outside the edit stays as it was), jpeg (small; all pixels change a little, but for a photo that is one: there, those beside the edit alone), webp, or avif (smaller still, all pixels change)."""
    quality: int | None = None
    """Quality of a jpeg, an avif or a lossy webp; by default they are compressed as the photo's own file is where that is of the same format, else as jpeg of 95 with full colour resolution, webp without loss, or avif of 90."""
    search: SearchSettings = SearchSettings()
    score: ScoreSettings = ScoreSettings()
    fit: FitSettings = FitSettings()

    @property
    def sentence(self) -> str:
        """The prompt as the models are given it, in its template."""
        return self.told(self.prompt)

    def told(self, words: str) -> str:
        """Words as the painter is given them, in the template."""
        return self.template.replace("{}", words)

    def __post_init__(self) -> None:
        fill_in(self, PRESETS.get(self.preset, {}))
        checks = (
            *text_checks(self),
            (
                not blank(self.prompt),
                (
                    "The prompt is empty",
                    Remedy(
                        "say what the picture should become, e.g. ",
                        Setting("prompt", "'a red car'"),
                        page="say what the picture should become, e.g. a red car",
                    ),
                ),
            ),
            *(
                not_too_long(name, getattr(self, name))
                for name in ("prompt", "source", "negative_prompt", "template", "instruction")
            ),
            *(
                weights_in_range(name, getattr(self, name))
                for name in ("prompt", "source", "negative_prompt", "template")
            ),
            weights_in_range("prompt", self.sentence),
            (
                self.template.count("{}") == 1,
                f"The template {self.template!r} must hold {{}} once, where the prompt goes, e.g. a photo of {{}}.",
            ),
            *lora_checks(self.lora),
            *embedding_checks(self.embedding),
            *format_checks(self.quality),
            *watermark_checks(self.watermark),
            (1 <= self.steps <= 1000, f"steps is {self.steps}, but must lie between 1 and 1000; 20 to 50 is usual."),
            (
                self.sampler != "lcm" or self.steps <= MOST_LCM_STEPS,
                (
                    f"The sampler lcm takes {MOST_LCM_STEPS} steps at most, and steps is {self.steps}",
                    Remedy("give ", Setting("steps", 6)),
                    Remedy("another ", Setting("sampler")),
                ),
            ),
            (
                1 <= self.guidance <= 100,
                f"guidance is {self.guidance}, but must lie between 1 (off) and 100; 5 to 8 is usual.",
            ),
            (0 <= self.seed < 2**63, f"seed is {self.seed}, but must be a whole number from 0 to 2^63 - 1."),
            (1 <= self.keep <= 100, f"keep is {self.keep}, but must lie between 1 and 100."),
            (0 <= self.feather <= 0.5, f"feather is {self.feather}, but must lie between 0 and 0.5 of the short side."),
            (
                1 <= self.context <= 1000,
                f"context is {self.context}, but must lie between 1 (the region alone) and 1000 (the whole picture).",
            ),
            (
                self.size is None or 32 <= self.size <= 4096,
                f"size is {self.size}, but must lie between 32 and 4096 pixels.",
            ),
            (not (self.box and self.mask), ("Both a box and a mask were given", one_of("box", "mask"))),
            (
                not (self.invert_mask and not self.mask),
                (
                    Setting("invert_mask", True),
                    " was given without a mask",
                    Remedy(Setting("mask", "FILE", verb="pass"), " too", page="give one"),
                ),
            ),
            *label_checks(self.mask_label),
            (
                self.box is None or len(self.box) == 4,
                f"The box {self.box} does not have four edges: give x0,y0,x1,y1 in pixels.",
            ),
            (
                all(abs(edge) <= LARGEST for edge in self.box or ()),
                f"The box {self.box} has an edge that is not a finite number: give x0,y0,x1,y1 in pixels.",
            ),
        )
        run_checks((*checks, *self.search.checks(), *self.score.checks(), *self.fit.checks()))
