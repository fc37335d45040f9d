"""What a record's mask marks in its photo."""

from __future__ import annotations

from intarsia.errors import RegionError, Remedy, Setting
from intarsia.imaging.masks import Mask, read_mask
from intarsia.imaging.photo import Photo
from intarsia.records.edit import EditRecord
from intarsia.records.remove import RemoveRecord


def check_label(record: EditRecord | RemoveRecord) -> None:
    """Raise `RegionError` where a label is chosen of no mask."""
    if record.mask_label is not None and record.mask is None:
        raise RegionError(
            "A label was chosen, but no mask was given",
            Remedy(Setting("mask", "FILE", verb="pass"), " too", page="give one"),
        )


def read_marked(record: EditRecord | RemoveRecord, photo: Photo) -> Mask:
    """(H, W) what is repainted or removed, of a record that names a mask; see `read_mask`.

    Raises:
        PictureError, RegionError, EmptyMaskError: the mask cannot be used with this photo.
    """
    assert record.mask is not None, "a record without a mask"
    return read_mask(
        record.mask, photo.size, record.invert_mask, photo.orientation, label=record.mask_label, choosable=True
    )
