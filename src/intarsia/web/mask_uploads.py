"""Masks that pages and programs send: checked, and kept in the session's folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from PIL import Image

from intarsia.errors import EmptyMaskError, PictureError, RecordError, Remedy
from intarsia.files import write_bytes_atomically
from intarsia.imaging.masks import Mask, read_mask
from intarsia.imaging.photo import Photo
from intarsia.results.staging import png
from intarsia.web.sessions import Session


def take_mask(upload: Any, uploads: Path, session: Session, photo: Photo) -> Path:
    """Copy a mask that a program sent into the session's folder, at the photo's size.

    Args:
        upload: path that was sent, which may be anything.
        uploads: folder of the uploads.
        photo: that it is a mask of.

    Returns:
        The mask, in black and white, in a folder of its own.

    Raises:
        PictureError: it is no upload, or no picture.
        RegionError: it is not black and white, of another shape than the photo, or nothing is marked.
    """
    file = uploaded_file(upload, uploads)
    try:
        return write_mask(read_mask(file, photo.size, orientation=photo.orientation), session)
    except EmptyMaskError as error:
        raise EmptyMaskError("Nothing is marked in the mask", Remedy("paint white what is meant")) from error
    except PictureError as error:
        raise error.replace(str(file), file.name) from error


def uploaded_file(upload: Any, uploads: Path) -> Path:
    """The file of a selection, mask or layout that was sent.

    Raises:
        PictureError: it is no upload.
    """
    text = upload if isinstance(upload, str) and "\0" not in upload else ""
    file = Path(text).resolve()
    if not (text and file.is_relative_to(uploads.resolve()) and file.is_file()):
        raise PictureError("What was marked did not arrive: try it again.")
    return file


def write_mask(mask: Mask, session: Session) -> Path:
    """Write a mask (H, W) into a folder of its own."""
    file = session.new_folder("mask") / "mask.png"
    write_bytes_atomically(file, png(Image.fromarray(mask)))
    return file


def numbers(given: Any, count: int) -> list[float]:
    """So many finite numbers.

    Raises:
        RecordError: they are something else.
    """
    right = isinstance(given, list) and len(given) == count
    if not right or not all(type(each) in (int, float) and math.isfinite(each) and abs(each) < 1e6 for each in given):
        raise RecordError("What you pointed at has no place on the photo: reload the page.")
    return [float(each) for each in given]
