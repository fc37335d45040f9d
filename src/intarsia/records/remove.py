"""The record of a removal: what is taken out of a picture, and how the gap is filled."""

from __future__ import annotations

from dataclasses import dataclass

from intarsia.errors import one_of
from intarsia.records.checks import at_least, between, run_checks
from intarsia.records.choices import Fill


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
    find: tuple[str, ...] = ()
    """Objects to find by their names, and to remove: 'dog' or 'dog 2'."""
    avoid: str | None = None
    """Black and white picture, white what is never copied into the gap, such as other people."""
    fill: Fill = "auto"
    """What fills the gap: patch (pieces of the surroundings), diffusion (the checkpoint paints it), membrane (smooth), lama or migan (networks of your own, with fill_model); auto is patch."""
    fill_model: str | None = None
    """File of the network for lama or migan: TorchScript, or ONNX."""
    grow: float | None = None
    """How far the marked region is grown, as a fraction of the picture's short side; by default as its edge needs."""
    shadows: bool = True
    """Whether the shadows that the objects cast go, too."""
    models: str = "auto"
    """Checkpoints, for find and for diffusion; as for intarsia edit."""
    prompt: str = ""
    """What lies behind the objects, for diffusion: "grass"."""
    seed: int = 0
    """Seed of the search, or of the noise."""
    size: int | None = None
    """Short side at which models work, in pixels; by default the size they were trained at."""

    def __post_init__(self) -> None:
        run_checks(
            (
                (
                    any((self.box, self.object, self.mask, self.find)),
                    ("Nothing says what to remove", one_of("box", "object", "mask", "find")),
                ),
                (
                    0 <= self.seed < 2**63 - 100,
                    f"seed is {self.seed}, but must be a whole number from 0 to 2^63 - 101.",
                ),
                *((between("grow", self.grow, 0, 0.5),) if self.grow is not None else ()),
                *((at_least("size", self.size, 32),) if self.size is not None else ()),
            )
        )
