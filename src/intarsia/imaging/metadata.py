"""What a picture file carries beside its pixels, as it holds for the upright picture."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from intarsia.imaging.containers import exif, jpeg, photoshop, png, profiles, tiff, webp, xmp, xmp_nodes
from intarsia.imaging.containers.pieces import UNITS, Chunk, Density, Pieces, Segment, Source

log = logging.getLogger(__name__)


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a stored picture upright, by its EXIF orientation."""

TURNS_BACK = TURNS | {6: TURNS[8], 8: TURNS[6]}
"""What turns it back."""

TRAINED = "compositeWithTrainedAlgorithmicMedia"
EDITED = "humanEdits"
"""The IPTC's words for a picture that was partly made by a trained model, and for one edited without any."""

XMP_TOOLKIT = b'x:xmptk="Intarsia"'
"""What stands in packets that this package began."""

TAKEN_APART: dict[str, Callable[[Source], Pieces]] = {
    "PNG": png.take_apart,
    "JPEG": jpeg.take_apart,
    "WebP": webp.take_apart,
    "TIFF": tiff.take_apart,
}

DAMAGED_EXIF = "a part of its EXIF data, which is damaged"
DAMAGED_XMP = "its XMP data, which cannot be read"
DAMAGED_PROFILE = "its colour profile, which is damaged"
FORMER = "copies of the former picture in its XMP data"


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What a file carries besides EXIF and profile.

    Attributes:
        xmp: a packet in UTF-8; empty for none.
        photoshop: image resources, IPTC's records among them.
        iptc: IPTC's records where they stand alone, as in TIFF.
        comments: of a JPEG.
        density: resolution, or the shape of a pixel.
        colour: a PNG's chunks about colour, which say the same as the profile `meant`.
        meant: that profile; None for sRGB.
        chunks: texts of a PNG, and other chunks of it that outlive an edit.
        segments: application segments of a JPEG that nobody here reads.
        lost: what could not be kept, as "its EXIF data, which is damaged".
    """

    xmp: bytes = b""
    photoshop: bytes = b""
    iptc: bytes = b""
    comments: tuple[bytes, ...] = ()
    density: Density | None = None
    colour: tuple[Chunk, ...] = ()
    meant: bytes | None = None
    chunks: tuple[Chunk, ...] = ()
    segments: tuple[Segment, ...] = ()
    lost: tuple[str, ...] = ()


NOTHING = Carried()


def take_apart(file: Source, kind: str) -> Pieces:
    """A picture file in pieces, of whatever kind; those of an unknown kind, or of a damaged file, are few."""
    if kind not in TAKEN_APART:
        return Pieces()
    try:
        return TAKEN_APART[kind](file)
    except Exception:  # damage of any kind: the decoder then gets the file as it is
        log.debug("taking apart a %s", kind, exc_info=True)
        return Pieces(lost=["metadata, which is damaged"])


def orientation_of(pieces: Pieces) -> int:
    """How a picture is stored, 1 to 8: by EXIF, or by XMP where EXIF says nothing."""
    if exif.has_orientation(pieces.exif) or not pieces.xmp:
        return exif.stored_orientation(pieces.exif)
    said = (xmp.first_value(pieces.xmp[0], (xmp.TIFF, "Orientation")) or "").strip()
    return int(said) if said in {str(turn) for turn in TURNS} else 1


def settle(pieces: Pieces, size: tuple[int, int], orientation: int) -> tuple[bytes | None, Carried]:
    """The EXIF block and all else, made to hold for the upright picture.

    Args:
        size: width and height, upright.
        orientation: as it was stored.

    Returns:
        The block as JPEG has it, with its six letters before; None for none.
    """
    lost = list(pieces.lost)

    def lose(what: str) -> None:
        if what not in lost:
            lost.append(what)

    told = _density(pieces)
    try:
        tidied = exif.tidy(pieces.exif, size)
    except (ValueError, IndexError, struct.error):
        log.debug("tidying EXIF", exc_info=True)
        tidied = exif.Tidied(b"", True, b"")
    if tidied.damaged:
        lose(DAMAGED_EXIF)
    packet = _packet(pieces.xmp or ([tidied.packet] if tidied.packet else []), size, lose)
    block = tidied.block
    if block and XMP_TOOLKIT in packet and record_in_comment(block) is not None:
        block = exif.without_comment(block)  # the record of a former edit, where earlier versions kept it
    resources, whole = photoshop.tidy(pieces.photoshop)
    if not whole:
        lose("a part of its Photoshop data, which is damaged")
    return (b"Exif\0\0" + block if block else None), Carried(
        xmp=packet,
        photoshop=resources,
        iptc=pieces.iptc,
        comments=tuple(pieces.comments),
        density=told.turned() if told is not None and orientation >= 5 else told,
        colour=tuple(pieces.colour),
        chunks=_without_record(pieces.chunks),
        segments=tuple(pieces.segments),
        lost=tuple(lost),
    )


def _density(pieces: Pieces) -> Density | None:
    """Resolution from the container's own field, else from EXIF."""
    if pieces.density is not None:
        return pieces.density
    stored = exif.stored_density(pieces.exif)
    if stored is None:
        return None
    across, down, unit = stored
    return Density(across, down, UNITS[unit - 1]) if unit != 1 else None


def _packet(packets: list[bytes], size: tuple[int, int], lose: Callable[[str], None]) -> bytes:
    """One packet of all, that tells of the upright picture."""
    if not packets:
        return b""
    try:
        packet = xmp_nodes.as_utf8(packets[0])
        xmp_nodes.properties_of(xmp_nodes.nodes_of(packet))
    except xmp_nodes.XmpError as problem:
        log.debug("reading XMP: %s", problem)
        lose(DAMAGED_XMP)
        return b""
    for more in packets[1:]:
        try:
            packet = xmp.joined(packet, xmp_nodes.as_utf8(more))
        except xmp_nodes.XmpError as problem:
            log.debug("reading extended XMP: %s", problem)
            lose("the extension of its XMP data, which is damaged")
    try:
        packet, gone = xmp.tidy(packet, size)
    except xmp_nodes.XmpError as problem:
        log.debug("changing XMP: %s", problem)
        lose(DAMAGED_XMP)
        return b""
    for what, said in (("image", FORMER), ("gain map", jpeg.FURTHER), ("film", jpeg.TAIL), ("manifest", jpeg.MANIFEST)):
        if what in gone and not (what == "film" and jpeg.FURTHER in gone):
            lose(said)
    return packet


def _without_record(chunks: list[Chunk]) -> tuple[Chunk, ...]:
    """A PNG's chunks without the record of a former edit, and the line of settings that was written with it."""
    keys = [png.key_of(chunk) for chunk in chunks]
    if b"intarsia" not in keys:
        return tuple(chunks)
    own = len(keys) - 1 - keys[::-1].index(b"parameters") if b"parameters" in keys else -1
    return tuple(chunk for k, chunk in enumerate(chunks) if keys[k] != b"intarsia" and k != own)


def record_in_comment(block: bytes) -> str | None:
    """The record in EXIF's user comment, where earlier versions kept it; None where there is none."""
    comment = exif.comment_of(block)
    if comment[:8] != b"UNICODE\0":
        return None
    said = comment[8:].decode("utf-16-be" if comment[8:9] == b"\0" else "utf-16-le", errors="replace")
    # Cameras write comments of their own; ours is a record in JSON.
    return said if said.startswith("{") else None


def record_in(pieces: Pieces, key: str) -> str | None:
    """What was written about a picture under a key: as a text of a PNG; in other files the record and XMP alone."""
    for chunk in pieces.chunks:
        if png.key_of(chunk) == key.encode("latin-1", "replace"):
            text = png.unpacked(chunk, png.LONGEST_PACKET)
            if text is not None:
                return png.said(text)
    if key == png.XMP.decode() and pieces.xmp:
        return xmp_nodes.as_utf8(pieces.xmp[0]).decode("utf-8", "replace")
    if key != "intarsia":
        return None
    if pieces.xmp:
        packets = [xmp.first_value(packet, xmp.RECORD) for packet in pieces.xmp]
        if said := next((packet for packet in packets if packet), None):
            return said
    return record_in_comment(pieces.exif)


def source_in(pieces: Pieces) -> str | None:
    """How a picture came about, as its XMP says: `TRAINED` or `EDITED`; None where it says neither."""
    said = [xmp.first_value(packet, xmp.SOURCE) or "" for packet in pieces.xmp]
    return next((source for source in (TRAINED, EDITED) if any(value.endswith(source) for value in said)), None)


def usable_profile(pieces: Pieces, mode: str) -> bytes | None:
    """The profile that a picture's numbers are in, as far as the file says it in a way that can be used.

    What cannot be used is put on the list of what is lost.

    Args:
        mode: Pillow's name of the stored pixels.
    """
    icc: bytes | None = pieces.icc or None
    if icc is not None:
        space = profiles.space_of(icc)
        fitting = {"CMYK": "CMYK", "L": "GRAY", "LA": "GRAY"}.get(mode)
        if space is None:
            pieces.lose(DAMAGED_PROFILE)
        elif space not in ("RGB", fitting):
            pieces.lose(f"its colour profile, which is for {space} rather than its own kind of colours")
        if space is None or space not in ("RGB", fitting):
            icc = None
            pieces.colour = [chunk for chunk in pieces.colour if chunk.kind != b"iCCP"]
    return profiles.meaning(pieces.colour, icc) if pieces.colour else icc


def hdr_curve(pieces: Pieces) -> str | None:
    """PQ or HLG, where the picture's colours are HDR's; None where they are not."""
    return profiles.HDR_CURVES.get(pieces.transfer or 0) or profiles.hdr_curve(pieces.icc)
