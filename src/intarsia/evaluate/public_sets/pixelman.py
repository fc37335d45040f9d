"""ReS and COCOEE, as PixelMan measures moves of objects: a picture, the mask of an object, and how far it goes.

The folder is `datasets/` of the repository github.com/LiyaoJiang1998/PixelMan, or one of the two folders in it:

    ReS/ReS_dataset.json            ReS/p1_2.jpg             ReS/p1_2_mask.png
    COCOEE/COCOEE_dataset.json      COCOEE/COCOEE_images/    COCOEE/COCOEE_masks/

Each list is an object with an entry for each picture: `original_image_path`, `mask_path`, `max_resolution` (the short
side at which it is edited, 512), `prompt` (a caption), `words` (what the object is called) and `selected_points`
(a point on the object and the place that it goes to, [x, y] in pixels of the picture at that size). As in
`run_move_static.py` there, pictures and masks are turned upright by their EXIF and resized, bicubic and nearest. Masks of
ReS are drawn at another resolution than its photographs, so any size of the same shape is taken.

ReS has a photograph of the object at its new place as well. It is not compared with: the view shifts between the two,
as the set's README says (github.com/Yikai-Wang/ReS).

Licences: ReS is for research (its README); COCOEE are pictures of COCO, under the Flickr terms of their owners, that were
chosen by Paint by Example; PixelMan's repository names no licence for its masks and moves.
Source: Jiang et al., "PixelMan", AAAI 2025, arXiv:2412.14283; Wang et al., "Repositioning the Subject within Image",
arXiv:2401.16861; Yang et al., "Paint by Example", arXiv:2211.13227.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.errors import EmptyMaskError, RecordError, RegionError
from intarsia.evaluate.public_sets.items import (
    MoveCase,
    PublicSet,
    below,
    check_folder,
    read_json,
    read_text,
    size_of,
    text_of,
)
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import fits
from intarsia.imaging.read import photo_from_image, read_photo

RES_LICENCE = "for research (ReS)"
COCOEE_LICENCE = "Flickr terms of the pictures' owners (COCO)"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where one of the two sets keeps its files, below its own folder."""

    key: str
    title: str
    licence: str
    list: str
    images: str
    masks: str


SOURCES = (
    Source(key="res", title="ReS", licence=RES_LICENCE, list="ReS_dataset.json", images="", masks=""),
    Source(
        key="cocoee",
        title="COCOEE",
        licence=COCOEE_LICENCE,
        list="COCOEE_dataset.json",
        images="COCOEE_images",
        masks="COCOEE_masks",
    ),
)


@dataclass(frozen=True, kw_only=True)
class MoveItem:
    """One entry of a list.

    Attributes:
        short: pixels of the short side at which the picture is edited; `move` is in pixels of that size.
    """

    name: str
    image: Path
    mask: Path
    short: int
    prompt: str
    object: str
    move: tuple[int, int]
    kind: str = ""

    def check(self) -> None:
        self._check_shape(size_of(self.mask), size_of(self.image))

    def load(self) -> MoveCase:
        picture, mask = read_photo(self.image).as_image().convert("RGB"), read_photo(self.mask).as_image().convert("L")
        self._check_shape(Size(*mask.size), Size(*picture.size))
        factor = self.short / min(picture.size)
        width, height = (int(side * factor) for side in picture.size)
        levels = np.asarray(mask.resize((width, height), Image.Resampling.NEAREST))
        if not (levels >= 128).any():
            raise EmptyMaskError(f"The mask {self.mask} is all black, so that nothing would be moved: copy it again.")
        return MoveCase(
            photo=photo_from_image(picture.resize((width, height), Image.Resampling.BICUBIC)),
            name=self.object,
            prompt=self.prompt,
            mask=levels >= 128,
            move=self.move,
        )

    def _check_shape(self, mask: Size, picture: Size) -> None:
        if not fits(mask, picture):
            raise RegionError(
                f"{self.mask} has {mask} pixels, but its picture has {picture}, another shape: copy the set again."
            )


def read_moves(folder: Path) -> tuple[PublicSet, ...]:
    """ReS, COCOEE or both, whichever a folder holds.

    Raises:
        RecordError: the folder or its lists are missing, or an entry is not as it should be.
    """
    check_folder(folder, "ReS or COCOEE")
    found = []
    for source in SOURCES:
        for home in (folder, folder / source.title):
            if (home / source.list).is_file():
                found.append(read_list(home, source))
                break
    if not found:
        lists = " nor ".join(source.list for source in SOURCES)
        raise RecordError(f"{folder} has neither {lists}: give the folder 'datasets' of PixelMan's repository.")
    return tuple(found)


def read_list(home: Path, source: Source) -> PublicSet:
    file = home / source.list
    entries = read_json(read_text(file), str(file))
    items = tuple(
        read_entry(home, source, name, entry, f"The entry {name!r} of {file}") for name, entry in entries.items()
    )
    return PublicSet(key=source.key, title=source.title, licence=source.licence, items=items)


def read_entry(home: Path, source: Source, name: str, entry: Any, where: str) -> MoveItem:
    if not isinstance(entry, dict):
        raise RecordError(f"{where} is no JSON object: the file is of another set, or of another version of it.")
    short, words = entry.get("max_resolution", 512), entry.get("words", [])
    if type(short) is not int or not 32 <= short <= 4096:
        raise RecordError(f"{where} has the max_resolution {short!r}, which is no size in pixels: copy the set again.")
    try:
        (from_x, from_y), (to_x, to_y) = entry["selected_points"][:2]
        move = int(to_x) - int(from_x), int(to_y) - int(from_y)
    except (KeyError, TypeError, ValueError):
        raise RecordError(f"{where} has no two selected_points, each [x, y]: copy the set again.") from None
    named = " ".join(str(word) for word in words) if isinstance(words, list) else ""
    return MoveItem(
        name=Path(name).name,
        image=below(home / source.images, text_of(entry, "original_image_path", where)),
        mask=below(home / source.masks, text_of(entry, "mask_path", where)),
        short=short,
        prompt=str(entry.get("prompt", "")),
        object=named.replace("=", " ").strip() or "object",
        move=move,
    )
