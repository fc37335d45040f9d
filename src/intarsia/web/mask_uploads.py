"""Masks that visitors paint, and outlines that are drawn for them: checked, and kept in the session's folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from intarsia.errors import EmptyMaskError, PictureError, RecordError, Remedy
from intarsia.files import write_bytes_atomically
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.masks import Mask, read_mask
from intarsia.imaging.photo import Photo
from intarsia.results.staging import png
from intarsia.web.sessions import Session


def take_mask(upload: Any, uploads: Path, session: Session, photo: Photo) -> Path:
    """Copy a mask that the page sent into the session's folder, at the photo's size.

    Args:
        upload: path that the page sent, which may be anything.
        uploads: folder of the uploads.
        photo: that it was painted over.

    Returns:
        The mask, in black and white, in a folder of its own.

    Raises:
        PictureError: it is no upload, or no picture.
        RegionError: it is not black and white, of another shape than the photo, or nothing is marked.
    """
    return write_mask(read_upload(upload, uploads, photo), session)


def read_upload(upload: Any, uploads: Path, photo: Photo) -> Mask:
    """(H, W) a mask that the page sent; see `take_mask`."""
    file = uploaded_file(upload, uploads)
    try:
        return read_mask(file, photo.size)
    except EmptyMaskError as error:
        raise EmptyMaskError("Nothing is marked", Remedy("brush over what is meant first")) from error
    except PictureError as error:
        raise error.replace(str(file), file.name) from error


def uploaded_file(upload: Any, uploads: Path) -> Path:
    """The file of a painted mask or layout that the page sent.

    Raises:
        PictureError: it is no upload.
    """
    text = upload if isinstance(upload, str) and "\0" not in upload else ""
    file = Path(text).resolve()
    if not (text and file.is_relative_to(uploads.resolve()) and file.is_file()):
        raise PictureError("What you painted did not arrive: try it again.")
    return file


def write_mask(mask: Mask, session: Session) -> Path:
    """Write a mask (H, W) into a folder of its own."""
    file = session.new_folder("mask") / "mask.png"
    write_bytes_atomically(file, png(Image.fromarray(mask)))
    return file


def session_mask(session: Session, name: Any) -> Path | None:
    """The mask of a name that the page sent back; None where it sent none.

    Raises:
        RecordError: the session has none of that name.
    """
    if name is None:
        return None
    kind, _, number = name.partition("-") if isinstance(name, str) else ("", "", "")
    file = session.folder / f"mask-{number}" / "mask.png"
    if kind != "mask" or not number.isascii() or not number.isdigit() or not file.is_file():
        raise RecordError("That mask is not here any more: brush it again.")
    return file


def outline(photo: Photo, wish: Mapping[str, Any], *, taken: Mask | None = None) -> Mask:
    """(H, W) the object that a visitor pointed at.

    Args:
        wish: {"box": [x0, y0, x1, y1]} around it, or {"point": [x, y]} on it, in pixels of the photo.
        taken: (H, W) what belongs to other objects.

    Raises:
        RecordError: it is neither.
        RegionError: nothing stands out there.
    """
    from intarsia.imaging.outline import outline_box, outline_points

    if wish.get("box") is not None:
        return outline_box(photo.pixels, Box(*numbers(wish["box"], 4)), taken=taken)
    return outline_points(photo.pixels, [Point(*numbers(wish.get("point"), 2))], taken=taken)


def numbers(given: Any, count: int) -> list[float]:
    """So many finite numbers.

    Raises:
        RecordError: they are something else.
    """
    right = isinstance(given, list) and len(given) == count
    if not right or not all(type(each) in (int, float) and math.isfinite(each) and abs(each) < 1e6 for each in given):
        raise RecordError("What you drew has no place on the picture: reload the page.")
    return [float(each) for each in given]
