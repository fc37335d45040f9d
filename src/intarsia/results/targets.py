"""The names of a result's files, chosen and checked before any work."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from intarsia.errors import OutputError, Remedy, Setting
from intarsia.file_names import LONGEST, free_name, name_key, safe_name, safe_signs, split_ending, trimmed
from intarsia.files import check_absent, check_writable, file_digest, is_same_file
from intarsia.notes import note
from intarsia.results.staging import check_folder

SPARE = 40
"""Bytes of a file's name that its ending, its number and what it is called meanwhile need."""

LARGEST_RECORD = 1 << 26
"""Bytes; a larger file is no record of an edit."""


def choose_stem(photo: Path, folder: Path, *, own: str = "", name: str = "") -> str:
    """What the files of a result are called, without their endings: as was asked for, or like the photo.

    A name that another photo's results have in the folder, or one that some system takes for the same, gets a number.

    Args:
        photo: the picture that is edited.
        folder: to write to.
        own: the photo's name, where it is not that of its file.
        name: that was asked for; empty for the photo's.

    Raises:
        OutputError: the name that was asked for is none.
    """
    longest = room_for_names(folder)
    if name:
        return name_asked_for(name, longest)
    own = own or photo.stem
    wanted = safe_name(own, longest)
    choose = Remedy("choose another name with ", Setting("name"))
    if wanted != safe_name(own, sys.maxsize, sys.maxsize):
        note(
            f"The results are called {wanted!r}, since the name of {photo.name!r} is longer than theirs may be", choose
        )
    stem = free_name(wanted, names_of_others(wanted, photo, folder))
    if stem != wanted:
        note(f"The results are called {stem!r}, since {folder} holds those of another picture as {wanted!r}", choose)
    return stem


def name_asked_for(name: str, longest: int = LONGEST) -> str:
    """A name that was asked for, as every system takes it; the ending of a picture is left out.

    Raises:
        OutputError: it leads into a folder, or holds nothing that can be shown.
    """
    if "/" in name or "\\" in name:
        raise OutputError(
            f"The name {name!r} leads into a folder",
            Remedy("give the folder with ", Setting("out"), " and the name alone", page="give a name without slashes"),
        )
    stem, ending = split_ending(name)
    if not trimmed("".join(safe_signs(stem))).strip("_"):
        raise OutputError(f"The name {name!r} is none", Remedy("give one of letters or numbers"))
    safe = safe_name(stem, longest)
    if safe != stem:
        note(f"The results are called {safe!r}, since not every system takes {stem!r} for a file's name.")
    if ending.lower() not in ("", ".png"):
        note(
            f"The ending {ending} of the name {name!r} chooses no format",
            Remedy("choose it with ", Setting("format", "keep"), ", jpeg or webp"),
        )
    return safe


def room_for_names(folder: Path) -> int:
    """Bytes that the names of results may have in a folder, before their endings."""
    place = next(above for above in (folder, *folder.parents) if os.path.isdir(above))  # noqa: PTH112  # no OSError
    try:
        most = os.pathconf(place, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows, and file systems that do not say
        return LONGEST
    return max(16, min(LONGEST, most - SPARE))


def names_of_others(wanted: str, photo: Path, folder: Path) -> set[str]:
    """The keys of names like a wanted one that results of other photos have in a folder."""
    key = name_key(wanted)
    try:
        stems = {file.name[: -len(".json")]: file for file in folder.iterdir() if file.name.lower().endswith(".json")}
    except OSError:
        return set()
    alike = {
        stem: file for stem, file in stems.items() if name_key(stem) == key or name_key(stem).startswith(f"{key} (")
    }
    return {name_key(stem) for stem, file in alike.items() if is_of_another(file, photo)}


def is_of_another(record: Path, photo: Path) -> bool:
    """Whether a file is the record of an edit of another photo: of another path, and of other content."""
    try:
        if record.stat().st_size > LARGEST_RECORD:
            return False
        facts = json.loads(record.read_text(encoding="utf-8"))
        former, digest = facts["record"]["photo"], facts["inputs"]["photo"]["sha256"]
        return not is_same_file(Path(former), photo) and digest != file_digest(photo)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # another program's file, or an older version's
        return False


def check_targets(targets: Iterable[Path], inputs: Mapping[str | Path, str], *, overwrite: bool) -> None:
    """Make sure that files can be written: names, folder, and that no input is lost.

    Args:
        targets: the files, in one folder.
        inputs: the files that a result is made from, and what each is, in words: "the picture to edit".
        overwrite: whether files that are there may be replaced.

    Raises:
        OutputError: a file is in the way or is an input, or nothing can be written there.
    """
    targets = tuple(targets)
    folder = targets[0].parent
    check_folder(folder)
    for target in targets:
        for file, what in inputs.items():
            if is_same_file(target, Path(file)):
                raise OutputError(
                    f"{target} is {what} and would be overwritten", Remedy("name another folder with ", Setting("out"))
                )
        check_absent(target, overwrite)
    check_writable(folder, [target.name for target in targets])
