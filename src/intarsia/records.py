"""What to do: the records that every door (Python, command line, batch, web) builds and that every output carries.

A record holds plain values alone, so that it can be written as JSON and read back to make the same
picture again. This module imports neither torch nor Pillow: the command line's help must be quick.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from intarsia.errors import RecordError

Preset = Literal["default", "paper", "released", "exhaustive"]
LayoutPreset = Literal["default", "paper"]
Mode = Literal["auto", "compose", "regenerate"]


CHOICES: dict[str, tuple[str, ...]] = {
    "Preset": get_args(Preset),
    "LayoutPreset": get_args(LayoutPreset),
    "Mode": get_args(Mode),
}

Check = tuple[bool, str]
"""Whether a setting is right, and the sentence for when it is not."""

LARGEST = sys.float_info.max
"""What a finite number is at most: a comparison with it refuses NaN and Infinity, which JSON reads, as well."""


def between(name: str, value: float, least: float, most: float) -> Check:
    return least <= value <= most, f"{name} is {value}, but must lie between {least:g} and {most:g}."


def at_least(name: str, value: float, least: float) -> Check:
    finite_too = "" if value < least else " and finite"
    return least <= value <= LARGEST, f"{name} is {value}, but must be at least {least:g}{finite_too}."


def above_zero(name: str, value: float, most: float = LARGEST) -> Check:
    upper = "be a finite number above 0" if most == LARGEST else f"lie above 0 and up to {most:g}"
    return 0 < value <= most, f"{name} is {value}, but must {upper}."


def finite(name: str, value: float) -> Check:
    return abs(value) <= LARGEST, f"{name} is {value}, but must be a finite number."


LONGEST_PROMPT = 2000
"""Characters; text encoders read some 50 words, so that a longer text was hardly meant as a prompt."""


def short(name: str, text: str) -> Check:
    return (
        len(text) <= LONGEST_PROMPT,
        f"{name} has {len(text):,} characters, but at most {LONGEST_PROMPT:,} are taken, of which models read some 50 "
        "words: shorten it.",
    )


def refuse(checks: Iterable[Check]) -> None:
    """Raise `RecordError` with the sentence of the first check that fails."""
    for good, message in checks:
        if not good:
            raise RecordError(message)


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Where to look for the region, and how hard."""

    anchors: int = 6
    """How many anchor points (the published point_number; 9 there)."""
    smallest_window: float = 0.25
    """Shortest side of a proposed box, as a fraction of the picture's short side."""
    largest_window: float = 0.94
    """Longest side of a proposed box, as a fraction of the picture's short side (max_window_size: 15 of 16 half-cells there)."""
    proposals: int = 32
    """How many boxes are tried with the first, short preview."""
    preview_steps: tuple[int, ...] = (4, 10)
    """Denoising steps of each preview round; the better part of a round goes on to the next."""
    survivors: tuple[int, ...] = (8, 3)
    """How many candidates outlive each preview round; the last ones get the full schedule."""
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
            finite("network_weight", self.network_weight),
        )


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """What makes a candidate good. All terms are raw cosines, weighed and added."""

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

    def checks(self) -> tuple[Check, ...]:
        return tuple(finite(f"score.{f.name}", getattr(self, f.name)) for f in dataclasses.fields(self))


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How the region network is fitted (regions fit; and each picture under --preset paper)."""

    rounds: int = 10
    """Rounds of drawing and learning on one picture, under --preset paper (per_image_iteration)."""
    epochs: int = 40
    """Passes over all pictures in regions fit; candidates are painted once, so that a pass is cheap (epochs)."""
    rate: float = 2e-3
    """Learning rate of Adam (lr)."""
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
    """The picture to edit: PNG, JPEG, WebP, TIFF or BMP."""
    prompt: str
    """What it should become, e.g. "a big tree with many flowers in the center"."""
    source: str = ""
    """What is there now and may change, e.g. "trees"; without it the edit may go anywhere."""
    negative_prompt: str = ""
    """What the edit should not show."""
    models: str = "auto"
    """Checkpoints: pocket, a catalogue name (see intarsia models), a hub id, a diffusers folder or a .safetensors file; auto takes a cached one, else pocket."""
    preset: Preset = "default"
    """default (search by successive halving), paper (as published), released (as the released code really behaves), exhaustive (every box, full schedule)."""
    seed: int = 0
    """Seed of the noise, which all candidates of a picture share."""
    steps: int = 30
    """Denoising steps of the full schedule."""
    guidance: float = 5.0
    """Classifier-free guidance scale; 1 turns it off."""
    box: tuple[float, float, float, float] | None = None
    """Edit exactly here: x0,y0,x1,y1 in pixels of the picture, instead of searching."""
    mask: str | None = None
    """Edit exactly where this picture is white, instead of searching."""
    invert_mask: bool = False
    """Read the mask the other way: black is repainted."""
    feather: float = 0.03
    """Width of the soft edge of the repainted region, as a fraction of the picture's short side."""
    regions: str | None = None
    """A fitted region network (regions fit); pocket brings its own."""
    keep: int = 1
    """How many of the best candidates to save."""
    size: int | None = None
    """Short side at which the models work, in pixels; by default the size they were trained at."""
    search: SearchSettings = SearchSettings()
    score: ScoreSettings = ScoreSettings()
    fit: FitSettings = FitSettings()

    def __post_init__(self) -> None:
        checks = (
            (
                bool(self.prompt.strip()),
                "The prompt is empty: say what the picture should become, e.g. --prompt 'a red car'.",
            ),
            *(short(name, getattr(self, name)) for name in ("prompt", "source", "negative_prompt")),
            (1 <= self.steps <= 1000, f"steps is {self.steps}, but must lie between 1 and 1000; 20 to 50 is usual."),
            (
                1 <= self.guidance <= 100,
                f"guidance is {self.guidance}, but must lie between 1 (off) and 100; 5 to 8 is usual.",
            ),
            (0 <= self.seed < 2**63, f"seed is {self.seed}, but must be a whole number from 0 to 2^63 - 1."),
            (1 <= self.keep <= 100, f"keep is {self.keep}, but must lie between 1 and 100."),
            (0 <= self.feather <= 0.5, f"feather is {self.feather}, but must lie between 0 and 0.5 of the short side."),
            (
                self.size is None or 32 <= self.size <= 4096,
                f"size is {self.size}, but must lie between 32 and 4096 pixels.",
            ),
            (not (self.box and self.mask), "Both a box and a mask were given: pass one of --box and --mask."),
            (not (self.invert_mask and not self.mask), "--invert-mask was given without a mask: pass --mask FILE too."),
            (
                self.box is None or len(self.box) == 4,
                f"The box {self.box} does not have four edges: give x0,y0,x1,y1 in pixels.",
            ),
            (
                all(abs(edge) <= LARGEST for edge in self.box or ()),
                f"The box {self.box} has an edge that is not a finite number: give x0,y0,x1,y1 in pixels.",
            ),
        )
        refuse((*checks, *self.search.checks(), *self.score.checks(), *self.fit.checks()))


@dataclass(frozen=True, kw_only=True)
class ComposeSettings:
    """How objects are moved as they are (mode compose)."""

    border: float = 0.06
    """How far around an object its shadow and its soft border reach, as a fraction of the picture's short side."""
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
    edge: float = 0.003
    """How wide an object's edge is, in which it mixes with what lies behind, as a fraction of the picture's short side."""
    shadows: bool = True
    """Whether objects take the shadows around them along."""

    def checks(self) -> tuple[Check, ...]:
        return (
            above_zero("strength", self.strength, 1),
            above_zero("plate_strength", self.plate_strength, 1),
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
    """How objects are painted anew at their places (mode regenerate)."""

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
            at_least("learn.prior_weight", self.prior_weight, 0),
        )


@dataclass(frozen=True, kw_only=True)
class ArrangeRecord:
    """One edit by layout: what is in the picture, where it shall be, and every setting that matters."""

    photo: str
    """The picture to edit: PNG, JPEG, WebP, TIFF or BMP; or a scene folder that intarsia objects wrote."""
    mask: str | None = None
    """The objects as a picture in their colours; needs --colours."""
    colours: str | None = None
    """The colours of mask and layout: JSON, {"cat": [251, 216, 1], "background": [254, 254, 254]}; by default the scene folder's."""
    masks: tuple[str, ...] = ()
    """The objects as one black and white picture each: --masks cat=cat.png 'dog 1=dog.png'."""
    find: tuple[str, ...] = ()
    """The objects by their names, to be found in the picture."""
    tolerance: int = 0
    """Levels by which a colour of mask or layout may miss the colour that is meant."""
    layout: str | None = None
    """Where the objects shall be: a picture in the colours of --colours."""
    boxes: str | None = None
    """Where the objects shall be: JSON, {"cat": [x0, y0, x1, y1]}; null removes an object."""
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
    remove: tuple[str, ...] = ()
    """Remove objects."""
    front: tuple[str, ...] = ()
    """Bring objects to the front, the last named foremost."""
    back: tuple[str, ...] = ()
    """Send objects to the back, the last named hindmost."""
    mode: Mode = "auto"
    """compose (objects are moved as they are), regenerate (painted anew in the same looks), or auto: compose where every target is close to a moved, scaled or turned source."""
    preset: LayoutPreset = "default"
    """default, or paper (the method and the schedule as published)."""
    concepts: str | None = None
    """Learned looks of the objects (intarsia learn), for regenerate; learned on the way when missing."""
    prompt: str = ""
    """What the picture shows; by default the names of its objects."""
    negative_prompt: str = ""
    """What it should not show."""
    background: str = ""
    """What lies behind the objects, e.g. "grass"."""
    models: str = "auto"
    """Checkpoints, as for intarsia edit."""
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
    size: int | None = None
    """Short side at which the models work, in pixels; by default the size they were trained at."""
    compose: ComposeSettings = ComposeSettings()
    guide: GuideSettings = GuideSettings()
    learn: LearnSettings = LearnSettings()

    def __post_init__(self) -> None:
        checks = (
            *(short(name, getattr(self, name)) for name in ("prompt", "negative_prompt", "background")),
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
                sum((self.mask is not None, bool(self.masks), bool(self.find))) <= 1,
                "The objects were given in more than one way: pass one of --mask, --masks and --find.",
            ),
            (
                # A scene folder has a key of its own, which only those who open it know.
                self.colours is not None
                or (self.mask is None and (self.layout is None or not (self.masks or self.find))),
                "A picture in colours was given without its key: pass --colours FILE, "
                '{"cat": [251, 216, 1], "background": [254, 254, 254]}.',
            ),
            (
                sum((self.layout is not None, self.boxes is not None)) <= 1,
                "The target was given both as a layout and as boxes: pass one of --layout and --boxes.",
            ),
        )
        refuse((*checks, *self.compose.checks(), *self.guide.checks(), *self.learn.checks()))


def to_json(record: Any) -> dict[str, Any]:
    """A record as plain JSON values, its kind beside its fields."""
    return {"kind": type(record).__name__, **dataclasses.asdict(record)}


def from_json(kind: type, values: dict[str, Any], where: str = "the record") -> Any:
    """Read a record back; unknown or ill-typed fields are errors that name them.

    Args:
        kind: the record's class.
        values: what `to_json` wrote.
        where: the file it came from, for messages.

    Raises:
        RecordError: a field is missing, unknown or of the wrong type.
    """
    values = {k: v for k, v in values.items() if k != "kind"}
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise RecordError(
            f"{where} has the setting {unknown[0]!r}, which this version does not know. "
            "It was perhaps written by a newer Intarsia: upgrade, or remove that line."
        )
    read: dict[str, Any] = {}
    for name, value in values.items():
        default = fields[name].default
        if dataclasses.is_dataclass(default):
            if not isinstance(value, dict):
                raise RecordError(
                    f"{where} gives {name!r} as {value!r}, but a group of settings in braces is expected."
                )
            read[name] = from_json(type(default), value, where)
        elif isinstance(value, list):
            read[name] = tuple(value)
        else:
            read[name] = value
        check_type(name, str(fields[name].type), read[name], where)
        read[name] = in_floats(str(fields[name].type), read[name])
    missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in values]
    if missing:
        raise RecordError(f"{where} lacks the setting {missing[0]!r}, which has no default.")
    return kind(**read)


def in_floats(wanted: str, value: Any) -> Any:
    """A value whose annotation says float as one: 5 in JSON is the 5.0 of the command line, and records are alike."""
    with contextlib.suppress(OverflowError):  # too large for one, and out of range anyway
        if wanted.startswith("tuple[float") and value is not None:
            return tuple(float(number) for number in value)
        if wanted.startswith("float") and value is not None:
            return float(value)
    return value


def check_type(name: str, wanted: str, value: Any, where: str) -> None:
    """Raise `RecordError` unless the JSON value fits the field's annotation."""
    if value is None and "None" in wanted:
        return
    base = wanted.split(" |")[0].split("[")[0]
    kinds: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "tuple": (tuple,),
    }
    choices = CHOICES.get(base)
    right = (str,) if choices else kinds.get(base)
    wrong = right is not None and (not isinstance(value, right) or (isinstance(value, bool) and bool not in right))
    if choices and value not in choices:
        wrong = True
    if base == "tuple" and isinstance(value, tuple):
        items = {"tuple[str": (str,), "tuple[int": (int,)}.get(wanted.partition(",")[0], (int, float))
        wrong = wrong or not all(type(v) in items for v in value)
    if wrong:
        raise RecordError(f"{where} gives {name!r} as {value!r}, but {wanted} is expected.")
