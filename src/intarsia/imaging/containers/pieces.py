"""What a picture file is made of: the bytes that decoders need, and all that it carries besides."""

from __future__ import annotations

import bisect
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST = 64 * 2**20
"""Bytes of metadata that are read or unpacked from one file."""

MOST_PARTS = 200_000
"""Segments or chunks of a file that are looked at; decoders get what follows as it is."""


class Span(NamedTuple):
    """A part of a file: `length` bytes from `start` on."""

    start: int
    length: int


class Chunk(NamedTuple):
    """A chunk of a PNG, without its length and checksum."""

    kind: bytes
    body: bytes


class Segment(NamedTuple):
    """A segment of a JPEG, without its length: marker 0xE0 to 0xEF is APP0 to APP15."""

    marker: int
    body: bytes


Unit: TypeAlias = Literal["ratio", "inch", "cm"]
UNITS: tuple[Unit, Unit, Unit] = ("ratio", "inch", "cm")
"""In JFIF's order; TIFF counts them from 1."""


class Density(NamedTuple):
    """Resolution: dots per inch or centimetre across and down; by "ratio" only the shape of a pixel is known."""

    across: float
    down: float
    unit: Unit = "inch"

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Dots per inch, across and down; None where only their ratio is known."""
        if self.unit == "ratio":
            return None
        scale = 2.54 if self.unit == "cm" else 1.0
        return self.across * scale, self.down * scale

    def turned(self) -> Density:
        """Of a picture that was turned by a quarter."""
        return Density(self.down, self.across, self.unit)


@dataclass(kw_only=True)
class Pieces:
    """A picture file, taken apart.

    Attributes:
        bare: the file without its metadata, for decoders; None where they get the file itself.
        exif: the TIFF structure, from its byte order on.
        icc: the colour profile, of whatever colour space.
        xmp: packets, the main one first; the others extend it.
        photoshop: image resources, of which one is IPTC's.
        iptc: records of IPTC that stand alone.
        comments: of a JPEG.
        density: resolution in the container's own field.
        colour: chunks of a PNG that say what its numbers mean.
        chunks: further chunks of a PNG that outlive an edit, its texts among them.
        segments: application segments of a JPEG that no module here reads.
        lost: what cannot be kept, as "its C2PA manifest, which holds for the original alone".
        transfer: of PNG's cICP, by the code points of ITU-T H.273; None where it says nothing.
        taken: bytes that were unpacked or read so far.
    """

    bare: Sequence[bytes | Span] | None = None
    exif: bytes = b""
    icc: bytes = b""
    xmp: list[bytes] = field(default_factory=list)
    photoshop: bytes = b""
    iptc: bytes = b""
    comments: list[bytes] = field(default_factory=list)
    density: Density | None = None
    colour: list[Chunk] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    transfer: int | None = None
    taken: int = 0

    def lose(self, what: str) -> None:
        """Remember, once, what cannot be kept."""
        if what not in self.lost:
            self.lost.append(what)


class SplicedFile(io.RawIOBase):
    """Parts of a file and bytes, read as one file, which stays on the disk."""

    def __init__(self, file: BinaryIO, pieces: Sequence[bytes | Span]) -> None:
        self._file = file
        self._pieces = [piece for piece in pieces if _length(piece)]
        self._starts = [0]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + _length(piece))
        self._at = 0
        self._index = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        if base + offset < 0:
            raise ValueError("a place before the beginning")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        index = self._piece_at(self._at)
        if index is None or not len(view):
            return 0
        piece, within = self._pieces[index], self._at - self._starts[index]
        count = min(len(view), self._starts[index + 1] - self._at)
        if isinstance(piece, Span):
            self._file.seek(piece.start + within)
            content = self._file.read(count)
        else:
            content = piece[within : within + count]
        view[: len(content)] = content
        self._at += len(content)
        return len(content)

    def _piece_at(self, place: int) -> int | None:
        """Index of the piece that holds a place: mostly the last one or the next."""
        for index in (self._index, self._index + 1):
            if index < len(self._pieces) and self._starts[index] <= place < self._starts[index + 1]:
                self._index = index
                return index
        if not 0 <= place < self._starts[-1]:
            return None
        self._index = bisect.bisect_right(self._starts, place) - 1
        return self._index


def _length(piece: bytes | Span) -> int:
    return piece.length if isinstance(piece, Span) else len(piece)


def add_span(pieces: list[bytes | Span], start: int, length: int) -> None:
    """Add a part of a file to others; one that follows the last makes it longer."""
    last = pieces[-1] if pieces else None
    if isinstance(last, Span) and last.start + last.length == start:
        pieces[-1] = Span(last.start, last.length + length)
    else:
        pieces.append(Span(start, length))


Source: TypeAlias = BinaryIO
"""A file that is open for reading, in bytes, and can be sought in."""


def read_at(file: Source, span: Span) -> bytes:
    """The bytes of a part of a file; fewer where it ends."""
    file.seek(span.start)
    return file.read(span.length)


def length_of(file: Source) -> int:
    """The file's length in bytes."""
    return file.seek(0, io.SEEK_END)
