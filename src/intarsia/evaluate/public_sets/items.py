"""Items of public sets, and what their readers share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from PIL.ExifTags import Base

from intarsia.errors import PictureError, RecordError, RegionError
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import Mask
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import open_image


@dataclass(frozen=True, kw_only=True, eq=False)
class WordsCase:
    """An edit by words that a set asks for.

    Attributes:
        source: the words of the source caption that change; empty where the set names none.
        prompt: the caption of the edited picture.
        mask: (H, W), what the set lets change.
        reference: an edit that the set holds to be good, of the photo's size.
    """

    photo: Photo
    source: str
    prompt: str
    mask: Mask
    reference: Photo | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class MoveCase:
    """A move of one object that a set asks for.

    Attributes:
        name: of the object.
        prompt: the caption of the picture.
        mask: (H, W), the object.
        move: to the right and down, in pixels of the photo.
    """

    photo: Photo
    name: str
    prompt: str
    mask: Mask
    move: tuple[int, int]


class Item(Protocol):
    """One edit of a set; its pictures are read when they are asked for."""

    @property
    def name(self) -> str:
        """Unique in its set, and a file's name."""
        ...

    @property
    def kind(self) -> str:
        """The set's own sort of edit; empty where it has none."""
        ...

    def check(self) -> None:
        """Raise `IntarsiaError` where a picture is missing, or picture and mask have not the same shape."""
        ...

    def load(self) -> WordsCase | MoveCase: ...


@dataclass(frozen=True, kw_only=True)
class PublicSet:
    """The items of one set, in the order of its own file.

    Attributes:
        key: of the set in a report: pie, pie_plus, dle, res, cocoee.
        licence: of its pictures and annotations, as their publishers state it.
    """

    key: str
    title: str
    licence: str
    items: tuple[Item, ...]


def check_folder(folder: Path, title: str) -> None:
    """Raise `RecordError` where a set's folder is none."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise RecordError(f"The folder {folder} of {title} {what}: give the folder that the set was unpacked to.")


def read_json(text: str, where: str) -> dict[str, Any]:
    """The object in a JSON text.

    Args:
        where: the file, or its line, for the message.

    Raises:
        RecordError: it is no JSON, or no object.
    """
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise RecordError(f"{where} is not JSON ({problem}): copy it again.") from problem
    if not isinstance(value, dict):
        raise RecordError(f"{where} holds no JSON object, so it is not the file that is meant: copy it again.")
    return value


def read_text(file: Path) -> str:
    """Raises: RecordError: the file cannot be read as text."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as problem:
        raise RecordError(f"{file} cannot be read ({problem}): copy it again.") from problem


def text_of(entry: dict[str, Any], field: str, where: str) -> str:
    """A text that an entry must have, or `RecordError`."""
    value = entry.get(field)
    if not isinstance(value, str):
        raise RecordError(f"{where} has no text {field!r}: the file is of another set, or of another version of it.")
    return value


def below(folder: Path, name: str) -> Path:
    """A file that a set names, in its folder; `RecordError` where the name leads out of it."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise RecordError(
            f"The set names the picture {name!r}, which is not in its folder {folder}: copy the set again."
        )
    return folder / path


def size_of(path: Path) -> Size:
    """The size of a picture, upright, from its header.

    Raises:
        PictureError: it is missing, or no picture.
    """
    if not path.exists():
        raise PictureError(f"The picture {path} of the set is missing: unpack the whole set.")
    with open_image(path) as (picture, _):
        width, height = picture.size
        turned = picture.getexif().get(Base.Orientation, 1) >= 5
    return Size(height, width) if turned else Size(width, height)


def check_same_size(mask: Path, size: Size, wanted: Size) -> None:
    """Raise `RegionError` where a mask or reference has not the size of its picture."""
    if size != wanted:
        raise RegionError(f"{mask} has {size} pixels, but its picture has {wanted}: copy the set again.")


def changed_words(before: str, after: str) -> str:
    """The words of one caption that another of the same picture does not have there: "a red cat", of "a dog"."""
    old, new = ([word.strip(".,;:!?").lower() for word in caption.split()] for caption in (before, after))
    spans = SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
    return " and ".join(" ".join(old[i:j]) for kind, i, j, _, _ in spans if kind in ("replace", "delete"))
