"""Read a picture file: known by its content, checked before it is decoded, turned upright."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import math
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ExifTags import Base

from intarsia.errors import PictureError, Remedy
from intarsia.imaging import heif
from intarsia.imaging.codings import PLAINER, rare_coding, too_deep
from intarsia.imaging.containers.exif import orientation_block
from intarsia.imaging.containers.pieces import Density, Pieces, SplicedFile
from intarsia.imaging.decoding import BoundedReader, quiet_libtiff, reason_of
from intarsia.imaging.foreign import why_not_read
from intarsia.imaging.formats import HEAD, format_of
from intarsia.imaging.metadata import (
    TURNS,
    Carried,
    hdr_curve,
    orientation_of,
    record_in,
    settle,
    take_apart,
    usable_profile,
)
from intarsia.imaging.pages import pages_of
from intarsia.imaging.photo import Photo
from intarsia.imaging.unused_alpha import fill_unused_alpha
from intarsia.notes import note
from intarsia.places import missing, no_file
from intarsia.records.serialize import shortened

log = logging.getLogger(__name__)


MAX_PIXELS = 100_000_000
"""Pictures with more pixels are refused on sight of their header: decoding one could fill the memory."""

MIN_SIDE = 16
"""Shortest side of a picture that can be edited, in pixels."""

READERS: dict[str, Callable[[io.BufferedReader], Image.Image]] = {
    # The plugins' own classes, not Image.open: it would guess among all formats, and its bomb check is a
    # global setting. A JPEG with further pictures (MPO, as phones write it) is read as its main picture.
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "HEIC": heif.open_heic,
}

BY_DECODER = frozenset({"AVIF", "HEIC", "GIF"})
"""Formats of which the decoder says what they carry, and how they are turned."""

DEEP_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N", "F"})
PLAIN_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "CMYK", "YCbCr"})


def read_photo(path: str | Path) -> Photo:
    """Read a PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC file, known by its content whatever its name.

    CMYK and grey pictures with a profile of their own become sRGB through it; otherwise the profile is
    kept and the numbers stay as they are. Damaged metadata never costs the pixels: `Photo.carried` says what is lost.

    Raises:
        PictureError: there is no such file, it is not a whole picture of these formats, or it is of a
            kind that editing would damage (more than 8 bits a channel, HDR, animated, several pages), larger
            than `MAX_PIXELS` or smaller than `MIN_SIDE`.
    """
    with open_pieces(path) as (picture, kind, pieces):
        check_range(f"The picture {path}", pieces)
        # TIFF forgets its orientation when it is decoded (and turned); PNG may know it only afterwards.
        orientation = picture.getexif().get(Base.Orientation)
        picture.load()
        fill_unused_alpha(picture, kind)
        if kind == "HEIC" and pages_of(picture) > 1:
            note(f"{path} holds {pages_of(picture)} pictures: the main one is edited.")
        return upright(picture, pieces, path=Path(path), kind=kind, orientation=orientation)


def photo_from_image(image: Image.Image | npt.NDArray[Any]) -> Photo:
    """Take a picture from memory, as a notebook has it.

    Args:
        image: a Pillow picture of any 8-bit mode, or a uint8 array (H, W), (H, W, 3) or (H, W, 4).

    Raises:
        PictureError: the picture is of another type or shape, too large or too small.
    """
    if isinstance(image, np.ndarray):
        shaped = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))
        if image.dtype != np.uint8 or not shaped or 0 in image.shape:
            raise PictureError(
                f"The picture is an array of {image.dtype} with shape {image.shape}, but uint8 with shape "
                "(height, width), (height, width, 3) or (height, width, 4) is expected: convert it first."
            )
        image = Image.fromarray(np.ascontiguousarray(image))
    check_sides("The picture", image.size)
    try:
        image.load()  # Pillow decodes lazily: a picture opened from a broken file fails only here
        return upright(image, pieces_of(image), path=None, kind="", orientation=None)
    except OSError as problem:
        raise PictureError(f"The picture cannot be decoded ({problem}): open it again or convert it.") from problem


@contextmanager
def open_image(path: str | Path, *, any_depth: bool = False) -> Iterator[tuple[Image.Image, str]]:
    """A picture's header, checked, with the file open for decoding; and the name of its format.

    Of its metadata, decoders are shown the orientation alone. Whatever they raise inside the block comes out as
    `PictureError`.

    Args:
        any_depth: take more than 8 bits a channel, too, as masks may have them.
    """
    with open_pieces(path, any_depth=any_depth) as (picture, kind, _):
        yield picture, kind


@contextmanager
def open_pieces(path: str | Path, *, any_depth: bool = False) -> Iterator[tuple[Image.Image, str, Pieces]]:
    """As `open_image`, with what the file carries besides, as it stands there."""
    name = f"The picture {path}"
    with open_file(path) as file:
        head = file.read(HEAD)
        if head[4:8] == b"ftyp":
            head += file.read(heif.MOST_META)
        file.seek(0)
        kind = format_of(head)
        if not head:
            raise PictureError(f"{name} is empty (0 bytes): it was perhaps not copied to its end; copy it again.")
        if kind == "HEIC" and not heif.heic_is_read():
            raise PictureError(
                f"{name} is HEIC, for which a package is not installed",
                Remedy("install it with: pip install 'intarsia[heif]'", page=()),
                Remedy("convert it to JPEG or PNG"),
            )
        if kind not in READERS:
            fact, remedy = why_not_read(head, kind)
            raise PictureError(f"{name} {fact}", remedy)
        if kind == "TIFF":
            quiet_libtiff()
        try:
            with warnings.catch_warnings(action="ignore"):  # of tags that nothing here depends on
                pieces = take_apart(file, kind)
                file.seek(0)
                bare: Any = file if pieces.bare is None else BoundedReader(SplicedFile(file, pieces.bare))
                picture = READERS[kind](bare)
                if kind in BY_DECODER:
                    pieces = pieces_of(picture)
                    heif.add_colour(pieces, head)
                elif (orientation := orientation_of(pieces)) != 1:
                    picture.info["exif"] = b"Exif\0\0" + orientation_block(orientation)
                check_sides(name, picture.size)
                if kind != "HEIC" and pages_of(picture) > 1:  # of several pictures in a HEIC, one is the main one
                    many = "has several pages" if kind == "TIFF" else "is animated"
                    raise PictureError(
                        f"{name} {many}, and which of them to edit is not clear: save the one as a file."
                    )
                if not any_depth:
                    check_depth(name, picture, head)
                yield picture, kind, pieces
        except (PictureError, MemoryError):
            raise
        except Exception as problem:  # the decoders raise nearly anything on a damaged file
            log.debug("decoding %s", path, exc_info=True)
            if (rare := rare_coding(file, kind)) is not None:
                raise PictureError(f"{name} {rare[0]}", rare[1]) from problem
            raise PictureError(
                f"{name} cannot be decoded as {kind}{reason_of(problem)}: the file is cut off or damaged. Copy it "
                "again, or open and save it in another program."
            ) from problem


def open_file(path: str | Path) -> io.BufferedReader:
    """Open a regular file, or say in a `PictureError` why that is not possible."""
    if fault := no_file(str(path)):
        raise PictureError(f"{shortened(str(path))} {fault}")
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{path} is a folder, not a picture: give one file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{path} is not a regular file: save the picture as a file first.")
        return BoundedReader(Path(path).open("rb", 0))
    except FileNotFoundError as problem:
        raise PictureError(f"There is no picture {path}: {missing(str(path))}.") from problem
    except PermissionError as problem:
        raise PictureError(f"The picture {path} may not be read: you lack the permission; allow it first.") from problem
    except (OSError, ValueError) as problem:
        if isinstance(problem, PictureError):
            raise
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise PictureError(f"The picture {path!s} cannot be opened ({reason}): check the name.") from problem


def check_sides(name: str, sides: tuple[int, int]) -> None:
    """Raise `PictureError` for a picture too large to decode safely or too small to edit."""
    width, height = sides
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name} has {width:,} x {height:,} pixels, but at most {MAX_PIXELS // 1_000_000} million are read: "
            "make it smaller first."
        )
    if min(sides) < MIN_SIDE:
        raise PictureError(
            f"{name} has {width} x {height} pixels, but each side needs at least {MIN_SIDE}: enlarge it first."
        )


def check_depth(name: str, picture: Image.Image, head: bytes) -> None:
    """Raise `PictureError` for what would be reduced to 8 bits, and for previews inside raw pictures.

    Pillow does the reduction silently and its mode does not show it, so the headers are asked.
    """
    bits, floats = 8, picture.mode == "F"
    if isinstance(picture, PngImagePlugin.PngImageFile):
        bits = head[24]
    elif isinstance(picture, TiffImagePlugin.TiffImageFile):
        tags = picture.tag_v2
        bits = max(np.atleast_1d(tags.get(TiffImagePlugin.BITSPERSAMPLE, 1)).tolist())
        floats = 3 in np.atleast_1d(tags.get(TiffImagePlugin.SAMPLEFORMAT, 1))
        if tags.get(254, 0) & 1 or 50706 in tags:  # a reduced copy comes first; DNG's version
            raise PictureError(f"{name} is a camera's raw picture, of which only a preview can be read: develop it.")
    elif head[4:8] == b"ftyp":
        bits = heif.bits_of(head)
    elif picture.mode in DEEP_MODES:
        bits = 16
    if bits > 8 or floats:
        raise PictureError(f"{name} has {too_deep(bits, floats=floats)}, of which editing would keep 8 bits", PLAINER)


def check_range(name: str, pieces: Pieces) -> None:
    """Raise `PictureError` for a picture for HDR displays: networks would take its numbers for other colours."""
    curve = hdr_curve(pieces)
    if curve is not None:
        raise PictureError(
            f"{name} is for HDR displays (its colours are coded by {curve}), which editing would not keep: "
            "convert it to standard dynamic range (SDR) first."
        )


def pieces_of(picture: Image.Image) -> Pieces:
    """What a picture carries as its decoder says, for pictures in memory and files that nothing here takes apart."""
    held = {key: value for key, value in picture.info.items() if isinstance(value, bytes)}
    block = held.get("exif", b"")
    if not block:
        with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
            there = picture.getexif()
            block = there.tobytes() if len(there) else b""
    pieces = Pieces(exif=block.removeprefix(b"Exif\0\0"), icc=held.get("icc_profile", b""))
    if "comment" in held:
        pieces.comments.append(held["comment"])
    if "xmp" in held:
        pieces.xmp.append(held["xmp"])
    with contextlib.suppress(KeyError, TypeError, ValueError):
        across, down = (float(side) for side in picture.info["dpi"])
        if all(math.isfinite(side) and side > 0 for side in (across, down)):
            pieces.density = Density(across, down)
    return pieces


def upright(picture: Image.Image, pieces: Pieces, *, path: Path | None, kind: str, orientation: object) -> Photo:
    """A decoded picture as a `Photo`: turned by its EXIF orientation, RGB, with its metadata tidied.

    Args:
        pieces: what the file carries.
        orientation: what EXIF said before decoding; a TIFF has been turned since then.
    """
    name = f"The picture {path}" if path else "The picture"
    if picture.mode in DEEP_MODES:
        raise PictureError(f"{name} has more than 8 bits a channel ({picture.mode}): convert it to 8 bits a channel.")
    if picture.mode not in PLAIN_MODES:
        raise PictureError(f"{name} has pixels of the kind {picture.mode}: convert it to RGB.")
    left = picture.getexif().get(Base.Orientation, 1)
    profile = usable_profile(pieces, picture.mode)
    colours, icc = to_rgb(picture, profile)
    if left in TURNS:
        colours = colours.transpose(TURNS[left])
    pixels = np.array(colours)
    applied = orientation if kind == "TIFF" else left
    applied = applied if isinstance(applied, int) and applied in TURNS else 1
    exif, carried = settle(pieces, colours.size, applied)
    carried = dataclasses.replace(carried, meant=icc, colour=carried.colour if icc == profile else ())
    return Photo(
        pixels=np.ascontiguousarray(pixels[..., :3]),
        alpha=np.ascontiguousarray(pixels[..., 3]) if colours.mode == "RGBA" else None,
        icc=icc,
        exif=exif,
        dpi=carried.density.dpi if carried.density is not None else None,
        path=path,
        format=kind,
        mode=picture.mode,
        orientation=applied,
        carried=carried,
    )


def to_rgb(picture: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes | None]:
    """A picture as RGB or RGBA, and the profile that its numbers are now in (None: sRGB).

    Args:
        icc: the profile that they were in.
    """
    space = icc[16:20] if icc else b""
    wanted = "RGBA" if picture.has_transparency_data else "RGB"
    if icc and (picture.mode, space) in {("CMYK", b"CMYK"), ("L", b"GRAY"), ("LA", b"GRAY")}:
        try:
            flat = picture.convert("L") if picture.mode == "LA" else picture
            rgb = ImageCms.profileToProfile(
                flat, ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            assert rgb is not None
            if wanted == "RGBA":
                rgb.putalpha(picture.convert("RGBA").getchannel("A"))
            return rgb, None
        except (ImageCms.PyCMSError, OSError) as problem:
            note(f"The colour profile cannot be applied ({problem}): the colours were converted without it.")
    if picture.mode in ("La", "RGBa"):  # premultiplied: Pillow converts it only to its plain twin
        picture = picture.convert("LA" if picture.mode == "La" else "RGBA")
    return picture.convert(wanted), icc if space == b"RGB " else None


def read_text_chunk(path: str | Path, key: str = "intarsia") -> str | None:
    """What `write_photo` said about a picture under a key; None where it said nothing.

    A PNG knows every key; the other formats know "intarsia" alone, from XMP, and before that from EXIF's user comment.

    Raises:
        PictureError: the file is not a readable picture.
    """
    with open_pieces(path) as (_, _, pieces):
        return record_in(pieces, key)


def read_metadata(path: str | Path) -> tuple[bytes | None, Carried]:
    """A file's EXIF block and all else that it carries, as a `Photo` of it has them, but for its colours.

    Raises:
        PictureError: the file is not a readable picture.
    """
    with open_pieces(path) as (picture, _, pieces):
        width, height = picture.size
        orientation = orientation_of(pieces)
        return settle(pieces, (height, width) if orientation >= 5 else (width, height), orientation)
