"""Uploads whose metadata another reader refuses."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from intarsia.imaging.containers import jpeg, png
from intarsia.imaging.containers.pieces import Segment
from intarsia.web.sessions import Session
from intarsia.web.studio_drafts import decoded
from intarsia.web.uploads import photo_facts, take_photo
from tests.imaging.metadata_files import encoded, pixels, text


class Folder:
    """As much of a session as an upload needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_folder(self, kind: str) -> Path:
        made = self.folder / kind
        made.mkdir()
        return made


FURTHER = Segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + bytes(40))
FILES = {
    "phone.jpg": lambda: jpeg.put_together(encoded("JPEG", pixels()), segments=[FURTHER]),
    "workflow.png": lambda: png.put_together(
        encoded("PNG", pixels()), [text("workflow", "{}" * 10**6, kind=b"zTXt"), text("exif", "b'Exif'")]
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_is_is_asked_of_our_own_reader(tmp_path: Path, name: str) -> None:
    given = tmp_path / name
    given.write_bytes(FILES[name]())
    if name.endswith("png"):
        with pytest.raises(ValueError, match="too large"), Image.open(given) as picture:
            picture.getexif()
    taken = take_photo(given, cast(Session, Folder(tmp_path)))
    assert taken.suffix == given.suffix and taken.read_bytes() == given.read_bytes()
    facts = photo_facts(taken)
    assert (facts["width"], facts["height"]) == (40, 24) and decoded(taken).size.width == 40
