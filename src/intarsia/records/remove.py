"""The record of a removal: what is taken out of a picture, and how the gap is filled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intarsia.records.added_files import embedding_checks, lora_checks
from intarsia.records.checks import between, not_too_long, run_checks, weights_in_range
from intarsia.records.choices import Fill, OutputFormat, Unsure
from intarsia.records.fill_checks import own_network_checks
from intarsia.records.format_checks import format_checks
from intarsia.records.mask_checks import label_checks
from intarsia.records.texts import text_checks


@dataclass(frozen=True, kw_only=True)
class RemoveRecord:
    """Take objects out of a picture and fill the gaps from their surroundings."""

    photo: str
    """The picture."""
    box: tuple[str, ...] = ()
    """Boxes that are replaced as a whole: x0,y0,x1,y1 in pixels from the top left corner."""
    object: tuple[str, ...] = ()
    """Objects that are outlined first, by a box around them or points on them: cat=x0,y0,x1,y1 or cat@x,y."""
    mask: str | None = None
    """Black and white picture, white what is removed."""
    invert_mask: bool = False
    """Black is removed instead of white."""
    mask_label: int | None = None
    """Of a mask that is a map of labels, in levels of grey or with a palette: the one that is removed, e.g. 15."""
    find: tuple[str, ...] = ()
    """Objects to find by their names, and to remove: 'dog' or 'dog 2'."""
    unsure: Unsure = "refuse"
    """What becomes of an object that is found without confidence: refuse (nothing is removed), or keep (it is taken for what was named)."""
    avoid: str | None = None
    """Black and white picture, white what is never copied into the gap, such as other people."""
    protect: str | None = None
    """Black and white picture: what is white in it stays exactly as it is, even where it belongs to what is removed."""
    fill: Fill = "auto"
    """What fills the gap: patch (pieces of the surroundings), diffusion (the checkpoint paints it), membrane (smooth), lama or migan (networks of your own, with fill_model); auto is patch."""
    fill_model: str | None = None
    """File of the network for lama or migan: TorchScript, or ONNX; a program, so take it only from those you trust."""
    grow: float | None = None
    """How far the marked region is grown, as a fraction of the picture's short side; by default as its edge needs."""
    shadows: bool = True
    """Whether the shadows that the objects cast go, too."""
    models: str = "auto"
    """Checkpoints, for find and for diffusion; as for intarsia edit."""
    lora: tuple[str, ...] = ()
    """LoRAs that change the checkpoint, for diffusion; as for intarsia edit."""
    embedding: tuple[str, ...] = ()
    """Textual inversions, words for the prompt, for diffusion; as for intarsia edit."""
    prompt: str = ""
    """What lies behind the objects, for diffusion: "grass"."""
    seed: int = 0
    """Seed of the search, or of the noise."""
    size: int | None = None
    """Short side at which models work, in pixels; by default the size they were trained at."""
    format: OutputFormat = "keep"
    """Format of the picture's file: keep (the photo's own; png where that cannot be written), png (every pixel outside the edit stays as it was), jpeg (small; all pixels change a little, but for a photo that is one: there, those beside the edit alone), webp, or avif (smaller still, all pixels change)."""
    quality: int | None = None
    """Quality of a jpeg, an avif or a lossy webp; by default they are compressed as the photo's own file is where that is of the same format, else as jpeg of 95 with full colour resolution, webp without loss, or avif of 90."""

    def __post_init__(self) -> None:
        run_checks(
            (
                *text_checks(self),
                not_too_long("prompt", self.prompt),
                weights_in_range("prompt", self.prompt),
                (
                    0 <= self.seed < 2**63 - 100,
                    f"seed is {self.seed}, but must be a whole number from 0 to 2^63 - 101.",
                ),
                *((between("grow", self.grow, 0, 0.5),) if self.grow is not None else ()),
                *((between("size", self.size, 32, 4096),) if self.size is not None else ()),
                *format_checks(self.quality),
                *label_checks(self.mask_label),
                *lora_checks(self.lora),
                *embedding_checks(self.embedding),
                *own_network_checks(self.fill, self.fill_model),
            )
        )


def describe_removed(fields: Mapping[str, Any]) -> str:
    """What a removal takes out, in words, from its record's fields, whatever they hold: "box 10,20,60,90; cat"."""

    def listed(name: str) -> list[str]:
        value = fields.get(name) or ()
        return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]

    boxes = [f"box {text}" for text in listed("box")]
    outlined = [(text.rpartition("=")[0] or text.partition("@")[0]).strip() for text in listed("object")]
    masks = [Path(text).name for text in listed("mask")]
    return "; ".join((*outlined, *listed("find"), *boxes, *masks)) or "what was marked"
