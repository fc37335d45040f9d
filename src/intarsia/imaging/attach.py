"""Attach to an encoded picture what the photo's file carried, and what is said about the edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from intarsia.imaging.containers import exif, jpeg, photoshop, png, profiles, tiff, webp, xmp, xmp_nodes
from intarsia.imaging.containers.pieces import UNITS, Chunk, Density
from intarsia.imaging.metadata import EDITED, Carried
from intarsia.imaging.photo import Photo
from intarsia.notes import note

TEXT_NAMES: dict[bytes, xmp_nodes.Name] = {
    b"Title": (xmp.DC, "title"),
    b"Author": (xmp.DC, "creator"),
    b"Description": (xmp.DC, "description"),
    b"Copyright": (xmp.DC, "rights"),
}
"""Keywords of a PNG's texts that mean the same as properties of Dublin Core."""

COMMENT = b"Comment"
LONGEST_TEXT = 30_000
"""Bytes of a PNG's text that another format is given."""

USUAL_NAMES = {"JPEG": "JPEG", "WEBP": "WebP", "TIFF": "TIFF", "PNG": "PNG", "AVIF": "AVIF"}


@dataclass
class Plan:
    """What a format is given, and what it cannot hold.

    Attributes:
        exif: block, without the six letters before it.
        packet: of XMP.
        extension: of a JPEG's packet, with its name.
        comments: for a JPEG.
        lost: what is left out.
    """

    exif: bytes
    packet: bytes
    extension: tuple[bytes, bytes] | None
    comments: tuple[bytes, ...]
    lost: list[str]


def say_lost(lost: list[str]) -> None:
    """Note what a file is written without, if anything."""
    if lost:
        note(f"The picture is written without a part of what the photo's file holds: {'; '.join(lost)}.")


def plan(photo: Photo, kind: str, text: Mapping[str, str] | None, source: str, orientation: int = 1) -> Plan:
    """What a file of a kind is given.

    Args:
        kind: "PNG", "JPEG", "WEBP", "TIFF" or "AVIF".
        text, source: as for `write_photo`.
        orientation: how the pixels are stored, by EXIF.
    """
    carried = photo.carried
    lost = list(carried.lost)
    block, own_packet = (photo.exif or b"").removeprefix(b"Exif\0\0"), carried.xmp
    if orientation != 1:
        sides = photo.size.width, photo.size.height
        stored = sides if orientation < 5 else (sides[1], sides[0])
        block = exif.tidy(block, stored, orientation).block
        own_packet = xmp.tidy(own_packet, stored, orientation)[0] if own_packet else b""
    comments = carried.comments
    fresh: dict[xmp_nodes.Name, str] = {}
    if kind != "PNG":
        comments += _from_texts(carried, kind, fresh, lost)
        if carried.comments and kind != "JPEG":
            fresh[xmp.EXIF, "UserComment"] = _letters(carried.comments[0])
            if len(carried.comments) > 1:
                lost.append(f"further comments, of which {USUAL_NAMES[kind]} holds one")
    if carried.segments and kind != "JPEG":
        lost.append(f"its application data in {_listed(_segment_name(s.marker) for s in carried.segments)}")
    if kind in ("WEBP", "AVIF"):
        _from_iptc(carried, fresh, lost, kind)
        block = _with_density(photo, block)
    if kind == "JPEG" and any(len(comment) > jpeg.LONGEST for comment in comments):
        comments = tuple(comment for comment in comments if len(comment) <= jpeg.LONGEST)
        lost.append("a comment, which is too long for JPEG")
    if kind == "JPEG" and len(block) > jpeg.LONGEST_EXIF:
        lost.append(f"its EXIF data, as {len(block):,} bytes are more than JPEG holds of it")
        block = b""
    if kind != "PNG" and profiles.unknown_coding(carried.colour):
        lost.append("its colour space (cICP), for which no profile is known")
    packet = _packet(own_packet, fresh, kind, text, source, lost)
    extension = None
    if kind == "JPEG":
        try:
            packet, extension = xmp.split(packet, jpeg.LONGEST_XMP)
        except xmp_nodes.XmpError:
            lost.append("its XMP data, which are too long for JPEG")
            packet, extension = xmp.split(_packet(b"", {}, kind, text, source, []), jpeg.LONGEST_XMP)
    return Plan(block, packet, extension, comments, lost)


def _packet(
    packet: bytes,
    fresh: Mapping[xmp_nodes.Name, str],
    kind: str,
    text: Mapping[str, str] | None,
    source: str,
    lost: list[str],
) -> bytes:
    """The XMP packet of a file: the photo's own, what other formats keep elsewhere, the mark and the record."""
    if not fresh and text is None:
        return packet
    for base in (packet, b"") if packet else (b"",):
        try:
            made = base or xmp.EMPTY
            if fresh:
                made = xmp.with_texts(made, fresh)
            if text is not None:
                made = xmp.with_source(made, source, weak=source == EDITED)
            if text and "intarsia" in text and kind != "PNG":
                made = xmp.with_record(made, text["intarsia"])
            return made
        except xmp_nodes.XmpError:
            lost.append("its XMP data, to which nothing can be added")
    raise AssertionError("an empty packet takes everything")


def _from_texts(carried: Carried, kind: str, fresh: dict[xmp_nodes.Name, str], lost: list[str]) -> tuple[bytes, ...]:
    """Sort a PNG's texts into properties of XMP, comments of a JPEG, and what has no place."""
    comments, without = [], []
    for chunk in carried.chunks:
        key = png.key_of(chunk)
        text = png.unpacked(chunk, LONGEST_TEXT) if key in TEXT_NAMES or key == COMMENT else None
        if text is None or (key == COMMENT and kind != "JPEG" and (xmp.EXIF, "UserComment") in fresh):
            without.append(png.name_of(chunk))
        elif key == COMMENT and kind == "JPEG":
            comments.append(png.said(text).encode("utf-8"))
        else:
            name = TEXT_NAMES.get(key, (xmp.EXIF, "UserComment"))
            fresh.setdefault(name, png.said(text))
    if without:
        texts = _listed(f'"{name}"' for name in without)
        lost.append(f"its PNG texts and chunks {texts}, for which {USUAL_NAMES[kind]} has no place")
    return tuple(comments)


def _from_iptc(carried: Carried, fresh: dict[xmp_nodes.Name, str], lost: list[str], kind: str) -> None:
    """Put into XMP what a WebP or AVIF can hold of IPTC's records."""
    iptc = photoshop.iptc_of(carried.photoshop) or carried.iptc
    for name, value in photoshop.texts_of(iptc).items():
        fresh.setdefault((xmp.DC, name), value)
    if any(
        record == 2 and number not in photoshop.FIELDS and number != 0
        for record, number, _ in photoshop.data_sets(iptc)
    ):
        lost.append("its IPTC data, but for title, keywords, author, copyright and caption")
    elif any(held.number != photoshop.IPTC for held in photoshop.resources(carried.photoshop)[0]):
        lost.append(f"its Photoshop data, for which {USUAL_NAMES[kind]} has no place")


def _with_density(photo: Photo, block: bytes) -> bytes:
    """An EXIF block with the resolution, for a format that has no other place for it."""
    density = density_of(photo)
    if density is None:
        return block
    stored = exif.stored_density(block)
    unit = 1 + UNITS.index(density.unit)
    if stored is not None and stored[2] == unit and _near(stored[:2], (density.across, density.down)):
        return block
    return exif.with_entries(block, exif.density_entries(density.across, density.down, unit, exif.order_of(block)))


def density_of(photo: Photo) -> Density | None:
    """The photo's resolution as its file told it, unless it was changed since."""
    told = photo.carried.density
    if photo.dpi is None:
        return told if told is not None and told.unit == "ratio" else None
    if told is not None and told.dpi is not None and _near(told.dpi, photo.dpi):
        return told
    return Density(*photo.dpi)


def turned(density: Density | None) -> Density | None:
    """A resolution with across and down changed."""
    return density and density.turned()


def _near(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) < 0.01 for a, b in zip(one, other, strict=True))


def _listed(names: object) -> str:
    """Up to five names of some, each once."""
    unique = list(dict.fromkeys(names))  # type: ignore[call-overload]
    return ", ".join(unique[:5]) + (f" and {len(unique) - 5} more" if len(unique) > 5 else "")


def _segment_name(marker: int) -> str:
    return f"APP{marker - jpeg.APP0}"


def _letters(content: bytes) -> str:
    """A JPEG's comment in letters, in whatever encoding it is."""
    try:
        return content.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return content.rstrip(b"\0").decode("latin-1")


# The formats


def attach(
    encoded: bytes, photo: Photo, kind: str, text: Mapping[str, str] | None, source: str, orientation: int = 1
) -> bytes:
    """An encoded picture with all that it can hold; what it cannot is noted.

    Args:
        encoded: as an encoder wrote it, without metadata; empty for a TIFF, which is written here.
        kind: "PNG", "JPEG", "WEBP" or "TIFF".
        text, source: as for `write_photo`.
        orientation: how the pixels of a JPEG are stored, by EXIF.

    Raises:
        ValueError: the format cannot hold so much.
    """
    made = plan(photo, kind, text, source, orientation)
    if kind == "PNG":
        whole = png.put_together(encoded, _png_chunks(photo, made, text))
    elif kind == "JPEG":
        whole = jpeg.put_together(
            encoded,
            exif=made.exif,
            packet=made.packet,
            extension=made.extension,
            icc=photo.icc or b"",
            photoshop=_resources(photo.carried),
            segments=photo.carried.segments,
            comments=made.comments,
            density=density_of(photo) if orientation < 5 else turned(density_of(photo)),
        )
    elif kind == "WEBP":
        alpha = photo.alpha is not None
        whole = webp.put_together(
            encoded,
            (photo.size.width, photo.size.height),
            alpha=alpha,
            icc=photo.icc or b"",
            exif=made.exif,
            packet=made.packet,
        )
    else:
        whole = _tiff(photo, made)
    say_lost(made.lost)
    return whole


def _png_chunks(photo: Photo, made: Plan, text: Mapping[str, str] | None) -> list[Chunk]:
    """What stands between a PNG's header and its pixels."""
    carried = photo.carried
    if carried.colour and carried.meant == photo.icc:
        chunks = list(carried.colour)
    else:
        chunks = [png.profile_chunk(photo.icc)] if photo.icc else []
    density = density_of(photo)
    if density is not None:
        chunks.append(png.density_chunk(density))
    if made.exif:
        chunks.append(Chunk(b"eXIf", made.exif))
    if made.packet:
        chunks.append(png.packet_chunk(made.packet))
    chunks += carried.chunks
    chunks += [png.text_chunk("Comment", _letters(comment)) for comment in carried.comments]
    resources = _resources(carried)
    if resources:
        chunks.append(png.raw_profile_chunk("iptc", resources))
    return chunks + [png.text_chunk(key, value) for key, value in (text or {}).items()]


def _resources(carried: Carried) -> bytes:
    """Image resources, with IPTC's records in them."""
    if carried.iptc and not photoshop.iptc_of(carried.photoshop):
        return carried.photoshop + photoshop.with_iptc(carried.iptc)
    return carried.photoshop


def _tiff(photo: Photo, made: Plan) -> bytes:
    """A TIFF, built around the EXIF block."""
    order = exif.order_of(made.exif)
    tags: dict[int, exif.NewEntry] = {}
    density = density_of(photo)
    if density is not None:
        unit = 1 + UNITS.index(density.unit)
        tags |= exif.density_entries(density.across, density.down, unit, order)
    iptc = photo.carried.iptc or photoshop.iptc_of(photo.carried.photoshop)
    for tag, kind, content in (
        (tiff.XMP, 1, made.packet),
        (tiff.IPTC, 7, iptc),
        (tiff.PHOTOSHOP, 7, photo.carried.photoshop),
        (tiff.ICC, 7, photo.icc or b""),
    ):
        if content:
            tags[tag] = exif.NewEntry(kind, len(content), content)
    layers = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
    return tiff.put_together(layers, made.exif, tags)
