"""What of an edit by words shows in a picture that is partly transparent, and what is said of it."""

from __future__ import annotations

from intarsia.errors import TERMINAL, Remedy, Setting
from intarsia.imaging.masks import Blend
from intarsia.imaging.painted_alpha import shown_share, with_painted_alpha
from intarsia.imaging.photo import Photo
from intarsia.imaging.watermark import watermarked
from intarsia.records.edit import EditRecord

HIDDEN = 0.1
"""Share of an edit that shows, up to which it counts as hidden; and share that does not, from which that is said."""


def paints_alpha(photo: Photo, blend: Blend, record: EditRecord) -> bool:
    """Whether what is painted becomes opaque: where it is asked for, or where nothing of it would show."""
    if record.alpha == "auto":
        return shown_share(photo, blend) <= HIDDEN
    return record.alpha == "paint" and shown_share(photo, blend) < 1


def completed(photo: Photo, edited: Photo, blend: Blend, record: EditRecord) -> Photo:
    """An edited photo with its transparency and its watermark.

    Args:
        photo: the original.
        blend: (H, W) in [0, 1], how far each pixel is the edit's.
    """
    if paints_alpha(photo, blend, record):
        edited = with_painted_alpha(photo, edited, blend)
    return watermarked(edited, blend, record.watermark) if record.watermark else edited


def alpha_notes(photo: Photo, blend: Blend, record: EditRecord) -> tuple[str, ...]:
    """What to know of an edit where the picture is transparent, a sentence."""
    hidden = 1 - shown_share(photo, blend)
    if hidden < HIDDEN or record.alpha == "paint":
        return ()
    if paints_alpha(photo, blend, record):
        fact = "The picture is transparent where it was edited, so that nothing would show: the paint is opaque there."
        remedy = Remedy("Keep the transparency with ", Setting("alpha", "keep"))
    else:
        share = f"{hidden:.0%} of" if hidden < 1 - HIDDEN else "Nearly all of" if hidden < 1 else "All of"
        fact = f"{share} what was painted does not show, as the picture is transparent there"
        remedy = Remedy("make the paint opaque with ", Setting("alpha", "paint"))
    return (TERMINAL.sentence((fact, remedy)),)
