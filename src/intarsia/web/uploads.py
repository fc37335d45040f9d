"""Uploads: photos that are checked and copied into the session's folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from intarsia.errors import PictureError
from intarsia.imaging.read import read_photo
from intarsia.imaging.write import write_photo
from intarsia.notes import collected
from intarsia.results.staging import safe_stem
from intarsia.web.sessions import Session

Facts = dict[str, Any]
"""JSON values for the page."""
SHOWN = {"PNG": ".png", "JPEG": ".jpg", "WebP": ".webp", "BMP": ".bmp", "GIF": ".gif", "AVIF": ".avif"}
"""Formats that browsers show, and their endings; other photos are shown as a copy in PNG."""

OTHERS = {"TIFF": ".tif", "HEIC": ".heic"}
"""Endings of those."""


def file_url(path: Path) -> str:
    """The URL of a file, relative to the page's."""
    return "gradio_api/file=" + quote(path.as_posix())


# Photos


def take_upload(upload: Path, uploads: Path, session: Session) -> Path:
    """Copy an upload into the session's folder, if it is a photo.

    Args:
        upload: path that the page sent, which may be any.
        uploads: folder of the uploads.

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
    """Copy a photo into the session's folder, byte for byte, with the ending of its format.

    Raises:
        PictureError: it is no photo that can be edited.
    """
    try:
        kind = read_photo(file).format
    except PictureError as error:
        # Visitors know the name of their file, and are told no paths of the server.
        raise error.replace(str(file), file.name) from error
    ending = SHOWN.get(kind) or (file.suffix if re.fullmatch(r"\.tiff?", file.suffix.lower()) else OTHERS[kind])
    copy = session.new_folder("photo") / (safe_stem(file) + ending)
    shutil.copyfile(file, copy)
    return copy


def photo_facts(file: Path) -> Facts:
    """A photo as JSON values: URL, size and name."""
    photo = read_photo(file)
    shown = file
    if file.suffix not in SHOWN.values():
        shown = file.with_name("shown.png")
        if not shown.exists():
            with collected():  # it is shown, and nothing more
                write_photo(photo, shown)
    return {
        "url": file_url(shown),
        "width": photo.size.width,
        "height": photo.size.height,
        "name": file.name,
    }
