"""The pictures of a folder and of the folders in it, known by their content; what is left out is counted and named."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from intarsia.batch.entries import named, printable
from intarsia.batch.file_names import LEDGER, LOCK
from intarsia.batch.own_files import PRIOR_MARK, OwnFiles
from intarsia.errors import Remedy
from intarsia.file_names import ENDINGS
from intarsia.imaging.foreign import RESOURCE_FORK
from intarsia.imaging.formats import HEAD, RAW, READABLE, format_of, why_not_edited
from intarsia.notes import note

PICTURES = ENDINGS
"""Endings of pictures. A file with one of them is a job even where its content is not known: its failure says why."""

RAW_ENDING = re.compile(r"\.(3fr|arw|cap|crw|dcr|dng|erf|fff|gpr|iiq|kdc|mef|mos|nef|nrw|orf|pef|raw|rwl|sr[2fw])")
"""Endings of raw pictures whose content begins as a TIFF."""

HEIC = ": HEIC"

HIDDEN = re.compile(
    r"\..*|.*~|~\$.*|#.*#|__macosx|@eadir|@__thumb|[#@]recycle|[#@](recently-)?snapshot|\$recycle\.bin|recycler|lost\+found"
    r"|system volume information|network trash folder|temporary items|syno(photo|file)_thumb.*"
    r"|(eh)?thumbs(_vista)?\.db|desktop\.ini|picasa\.ini|iconcache\.db|zbthumbnail\.info|icon\r"
    r"|.*\.(lrdata|lrcat-data|tmp|temp|part|partial|crdownload|photoslibrary|aplibrary)",
    re.IGNORECASE | re.DOTALL,
)
"""Names of files and folders that people do not see, or that programs keep for themselves: hidden ones, resource forks,
waste baskets, thumbnails, previews, unfinished downloads."""


@dataclass(kw_only=True)
class FolderPictures:
    """What lies in a folder, by paths within it.

    Attributes:
        pictures: that can be jobs.
        own: results of Intarsia: folders of jobs and scenes, and pictures.
        other_formats: pictures and films that cannot be edited, with the names of their formats.
        no_pictures: all other files.
        unread: files and folders that cannot be opened, with why.
        links: links to folders, which are not followed, and links to nothing.
        special: pipes, sockets, devices.
        hidden: how many files and folders are hidden, or the system's.
    """

    pictures: list[Path] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    other_formats: list[str] = field(default_factory=list)
    no_pictures: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    hidden: int = 0

    @property
    def lacks_heic(self) -> bool:
        """Whether a package would let more of the pictures be read."""
        return any(name.endswith(HEIC) for name in self.other_formats)

    def say(self) -> None:
        """Note what was left out, and why."""
        if self.other_formats:
            note(
                f"{_counted(self.other_formats, 'file')} of a kind that is not edited {_were(self.other_formats)} left out "
                f"({named(self.other_formats)})",
                Remedy("convert to PNG or JPEG what is to be edited"),
                *(
                    [Remedy("install what reads HEIC: pip install 'intarsia[heif]'", page=())]
                    if self.lacks_heic
                    else []
                ),
            )
        if self.own:
            note(
                f"{_counted(self.own, 'result')} of Intarsia {_were(self.own)} left out ({named(self.own)})",
                Remedy("to edit one again, copy it without its record (.json) into another folder"),
            )
        for names, one, many, why in (
            (self.no_pictures, "file", "files", "no pictures"),
            (self.unread, "file or folder", "files or folders", "not readable"),
            (self.links, "link", "links", "links to folders, which are not followed, or to nothing"),
            (self.special, "file", "files", "pipes, sockets or devices"),
        ):
            if names:
                note(f"{_counted(names, one, many)} left out as {why}: {named(names)}.")
        if self.hidden:
            note(f"{self.hidden:,} hidden or system {'file was' if self.hidden == 1 else 'files were'} left out.")

    def reasons(self) -> str:
        """What was left out, in a few words; empty where nothing was."""
        if self.own == ["."]:
            return "Intarsia has written all that is there"
        parts = [
            (self.own, "a result of Intarsia"),
            (self.other_formats, "of a kind that is not edited"),
            (self.no_pictures, "no picture"),
            (self.unread, "not readable"),
            (self.links, "a link to a folder or to nothing"),
            (self.special, "a pipe, socket or device"),
        ]
        said = [f"{len(names):,} {why}, such as {printable(names[0])}" for names, why in parts if names]
        return "; ".join([*said, *([f"{self.hidden:,} hidden"] if self.hidden else [])])


def _counted(names: Collection[str], one: str, many: str = "") -> str:
    return f"{len(names):,} {one if len(names) == 1 else many or f'{one}s'}"


def _were(names: Collection[str]) -> str:
    return "was" if len(names) == 1 else "were"


def find_pictures(folder: Path) -> FolderPictures:
    """The pictures of a folder and of the folders in it, in the order of their paths; only beginnings of files are read.

    Links to folders are not followed.
    """
    found, own, waiting = FolderPictures(), OwnFiles(), [folder]
    while waiting:
        here = waiting.pop()
        where = "" if here == folder else f"{here.relative_to(folder).as_posix()}/"
        try:
            entries = list(os.scandir(here))
        except OSError as problem:
            found.unread.append(f"{where or '.'} ({problem.strerror})")
            continue
        written = own.in_folder(here, [entry.name for entry in entries])
        if written is None:
            found.own.append(where.rstrip("/") or ".")
            continue
        for entry in entries:
            if is_hidden(entry.name):
                found.hidden += not (entry.name == LOCK and LEDGER in written)
            elif entry.name in written:
                if Path(entry.name).suffix.lower() in PICTURES or _kind_of(entry) == "folder":
                    found.own.append(f"{where}{entry.name}")  # and not its ledger or its record
            elif _kind_of(entry) == "folder":
                waiting.append(here / entry.name)
            else:
                _enter(found, entry, f"{where}{entry.name}", own.holds)
    found.pictures.sort()
    for names in (found.own, found.other_formats, found.no_pictures, found.unread, found.links, found.special):
        names.sort()
    return found


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a program's own."""
    return HIDDEN.fullmatch(name) is not None


def _kind_of(entry: os.DirEntry[str]) -> str:
    """What an entry is: "file", "folder", "link" (to a folder, to nothing, in a circle) or "special"."""
    try:
        if entry.is_symlink() and not entry.is_file():
            return "special" if Path(entry.path).exists() and not entry.is_dir() else "link"
        return "folder" if entry.is_dir(follow_symlinks=False) else "file" if entry.is_file() else "special"
    except OSError:
        return "link"


def _enter(found: FolderPictures, entry: os.DirEntry[str], name: str, is_own: Callable[[Path], bool]) -> None:
    """Enter what is no folder where it belongs."""
    kind = _kind_of(entry)
    if kind != "file":
        (found.links if kind == "link" else found.special).append(name)
        return
    ending = Path(name).suffix.lower()
    try:
        with open(entry.path, "rb") as file:  # noqa: PTH123  # ten thousand of them
            head = file.read(HEAD)
    except FileNotFoundError:  # it has gone meanwhile
        return
    except OSError as problem:
        if ending in PICTURES:
            found.pictures.append(Path(name))
        else:
            found.unread.append(f"{name} ({problem.strerror})")
        return
    if head.startswith(RESOURCE_FORK):
        found.hidden += 1
    elif (entry.is_symlink() and is_own(Path(os.path.realpath(entry.path)))) or PRIOR_MARK in head:
        found.own.append(name)
    elif kind_name := _why_not(head, ending):
        (found.other_formats if kind_name != "no picture" else found.no_pictures).append(
            f"{name}: {kind_name}" if kind_name != "no picture" else name
        )
    else:
        found.pictures.append(Path(name))


def _why_not(head: bytes, ending: str) -> str:
    """Why a file is no job: the name of its format, "animated", or "no picture"; empty where it is one."""
    format = format_of(head)
    if format in READABLE:
        return RAW if format == "TIFF" and RAW_ENDING.fullmatch(ending) else why_not_edited(head)
    return format or ("" if ending in PICTURES else "no picture")
