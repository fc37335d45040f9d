"""What visitors send: photos and lists, kept among their own files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from intarsia.errors import PictureError
from intarsia.imaging.read import read_photo
from intarsia.imaging.write import write_photo
from intarsia.results.staging import safe_stem
from intarsia.web.sessions import Session

Facts = dict[str, Any]
"""Plain values that travel to the page as JSON."""
SHOWN = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "BMP": ".bmp"}
"""Formats that browsers show, and the ending that says so; other photos are shown through a copy."""


def file_url(path: Path) -> str:
    """Where the page finds a file, from its own address on."""
    return "gradio_api/file=" + quote(path.as_posix())


# Photos


def take_upload(upload: Path, uploads: Path, session: Session) -> Path:
    """Keep a visitor's upload among his own files, if it is a photo.

    Args:
        upload: what the page says it has uploaded; somebody else's page may say anything.
        uploads: where uploads are.

    Returns:
        The photo, in a folder of its own, under its own name as far as that is safe.

    Raises:
        PictureError: it is no upload, or no photo that can be edited.
    """
    upload = upload.resolve()
    if not (upload.is_relative_to(uploads.resolve()) and upload.is_file()):
        raise PictureError("The photo did not arrive: choose it again.")
    return take_photo(upload, session)


def take_photo(file: Path, session: Session) -> Path:
    """A copy of a picture file for this visitor, byte for byte, named by what it is.

    Raises:
        PictureError: it is no photo that can be edited.
    """
    try:
        read_photo(file)
        with Image.open(file) as opened:
            kind = str(opened.format)
    except PictureError as problem:
        # Paths of the server are nobody's business, and the name is what the visitor knows.
        raise PictureError(str(problem).replace(str(file), file.name)) from problem
    ending = SHOWN.get(kind, file.suffix if re.fullmatch(r"\.tiff?", file.suffix.lower()) else ".tif")
    kept = session.new_folder("photo") / (safe_stem(file) + ending)
    shutil.copyfile(file, kept)
    return kept


def photo_facts(file: Path) -> Facts:
    """What the page needs to show a photo."""
    photo = read_photo(file)
    shown = file
    if file.suffix not in SHOWN.values():
        shown = file.with_name("shown.png")
        if not shown.exists():
            write_photo(photo, shown)
    return {
        "url": file_url(shown),
        "width": photo.size.width,
        "height": photo.size.height,
        "name": file.name,
    }
