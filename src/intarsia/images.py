"""Pictures in and out: files <-> `Photo` <-> tensors in [-1, 1].

Nobody else sees file formats, EXIF, colour profiles or bytes from 0 to 255. A photo is read upright,
edited, pasted back at its own size and written with what it came with: profile, EXIF, resolution and
transparency. An XMP packet of the original is not kept, since it describes the picture before the edit.
"""

from __future__ import annotations

import dataclasses
import io
import logging
import math
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import BmpImagePlugin, Image, ImageCms, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ExifTags import IFD, Base
from torch import Tensor

from intarsia.errors import ModelError, OutputError, PictureError
from intarsia.files import cannot_write as cannot_write
from intarsia.files import refuse_existing as refuse_existing
from intarsia.files import write_bytes_atomically as write_bytes_atomically
from intarsia.geometry import Size

log = logging.getLogger(__name__)

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.floating[Any]]

MAX_PIXELS = 100_000_000
"""Pictures with more pixels are refused on sight of their header: decoding one could fill the memory."""

MIN_SIDE = 16
"""Shortest side of a picture that can be edited, in pixels."""

BAND = 256
"""Rows that are mixed at once, so that a large photo does not need a float copy of itself."""

READERS: dict[str, Callable[[io.BufferedReader], Image.Image]] = {
    # The plugins' own classes, not Image.open: it would guess among all formats, and its bomb check is a
    # global setting. A JPEG with further pictures (MPO, as phones write it) is read as its main picture.
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}

WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
    # Uncompressed: Pillow's compressing writer loses the camera's part of EXIF.
    ".tif": ("TIFF", {"compression": "raw"}),
    ".tiff": ("TIFF", {"compression": "raw"}),
}

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""Pixels that these formats allow on a side."""

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

DEEP_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N", "F"})
PLAIN_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "CMYK", "YCbCr"})

STRUCTURE_TAGS = frozenset(
    {254, 255, *range(256, 260), 262, 263, 264, 265, 266, 273, *range(277, 282), 284, *range(288, 294), 301}
    | {*range(317, 326), 330, *range(332, 344), 347, *range(512, 522), *range(529, 533), 700, 34377, 34675, 37724}
)
"""TIFF tags that say how the old file stored its pixels, or hold a preview of them: false in the new file."""

RESOLUTION_TAGS = frozenset({Base.XResolution, Base.YResolution, Base.ResolutionUnit})

XMP_TOOLKIT = b'x:xmptk="Intarsia"'
XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" ' + XMP_TOOLKIT + b">"
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    b" Iptc4xmpExt:DigitalSourceType="
    b'"http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"/>'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
"""Marks the picture as one partly made by a trained model, as the IPTC asks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """A picture, upright, with everything that has to come back with it.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, in the colours of `icc`, read-only.
        alpha: (H, W) uint8, 255 = opaque; None for a picture without transparency.
        icc: the RGB colour profile; None means sRGB.
        exif: the EXIF block, its orientation reset to 1.
        dpi: resolution in dots per inch, across and down.
        path: the file that it was read from.
        format: "PNG", "JPEG", "WebP", "TIFF" or "BMP"; empty for a picture made in memory.
        mode: Pillow's name of the stored pixels, before they became RGB.
        orientation: the EXIF orientation that was applied, 1 to 8.
    """

    pixels: Bytes
    alpha: Bytes | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    path: Path | None = None
    format: str = ""
    mode: str = "RGB"
    orientation: int = 1

    def __post_init__(self) -> None:
        for layer in (self.pixels, self.alpha):
            if layer is not None:
                assert layer.dtype == np.uint8 and layer.shape[:2] == self.pixels.shape[:2]
                layer.setflags(write=False)

    @property
    def size(self) -> Size:
        height, width = self.pixels.shape[:2]
        return Size(width, height)

    def as_image(self) -> Image.Image:
        """A Pillow picture for display, RGB or RGBA, without profile and EXIF."""
        if self.alpha is None:
            return Image.fromarray(self.pixels)
        return Image.fromarray(np.dstack([self.pixels, self.alpha]))

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        file = io.BytesIO()
        self.as_image().save(file, "PNG")
        return file.getvalue()


def read_photo(path: str | Path) -> Photo:
    """Read a PNG, JPEG, WebP, TIFF or BMP file, known by its content whatever its name.

    CMYK and grey pictures with a profile of their own become sRGB through it; otherwise the profile is
    kept and the numbers stay as they are.

    Raises:
        PictureError: there is no such file, it is not a whole picture of these formats, or it is of a
            kind that editing would damage (more than 8 bits a channel, animated, several pages), larger
            than `MAX_PIXELS` or smaller than `MIN_SIDE`.
    """
    with opened(path) as (picture, kind):
        # TIFF forgets its orientation when it is decoded (and turned); PNG may know it only afterwards.
        orientation = picture.getexif().get(Base.Orientation)
        picture.load()
        return upright(picture, path=Path(path), kind=kind, orientation=orientation)


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
    refuse_sides("The picture", image.size)
    try:
        image.load()  # Pillow decodes lazily: a picture opened from a broken file fails only here
        return upright(image, path=None, kind="", orientation=None)
    except OSError as problem:
        raise PictureError(f"The picture cannot be decoded ({problem}): open it again or convert it.") from problem


@contextmanager
def opened(path: str | Path) -> Iterator[tuple[Image.Image, str]]:
    """A picture's header, checked, with the file open for decoding; and the name of its format.

    Whatever the decoders raise inside the block comes out as `PictureError`.
    """
    name = f"The picture {path}"
    with open_file(path) as file:
        head = file.read(1024)
        file.seek(0)
        kind = format_of(head)
        if not head:
            raise PictureError(f"{name} is empty (0 bytes): it was perhaps not copied to its end; copy it again.")
        if kind not in READERS:
            what = f"is {kind}, which is not supported" if kind else "is not a picture, whatever its name says"
            raise PictureError(f"{name} {what}: convert it to PNG, JPEG, WebP, TIFF or BMP.")
        try:
            picture = READERS[kind](file)
            refuse_sides(name, picture.size)
            if getattr(picture, "n_frames", 1) > 1:
                many = "has several pages" if kind == "TIFF" else "is animated"
                raise PictureError(f"{name} {many}, and which of them to edit is not clear: save the one as a file.")
            refuse_deep(name, picture, head)
            yield picture, kind
        except (PictureError, MemoryError):
            raise
        except Exception as problem:  # the decoders raise nearly anything on a damaged file
            log.debug("decoding %s", path, exc_info=True)
            raise PictureError(
                f"{name} cannot be decoded as {kind} ({problem or type(problem).__name__}): the file is cut off or "
                "damaged. Copy it again, or open and save it in another program."
            ) from problem


def open_file(path: str | Path) -> io.BufferedReader:
    """Open a regular file, or say in a `PictureError` why that is not possible."""
    if str(path).startswith(("http://", "https://")):
        raise PictureError(f"{path} is an address, and pictures are not fetched: download it and give the file.")
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{path} is a folder, not a picture: give one file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{path} is not a regular file: save the picture as a file first.")
        return Path(path).open("rb")
    except FileNotFoundError as problem:
        raise PictureError(f"There is no picture {path}: check the name and the folder.") from problem
    except PermissionError as problem:
        raise PictureError(f"The picture {path} may not be read: you lack the permission; allow it first.") from problem
    except (OSError, ValueError) as problem:
        if isinstance(problem, PictureError):
            raise
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise PictureError(f"The picture {path!s} cannot be opened ({reason}): check the name.") from problem


def format_of(head: bytes) -> str:
    """Name of the format that a file begins as; empty for what is not known."""
    if head[:2] == b"BM" and len(head) >= 18 and head[14:18] in BMP_HEADERS:
        return "BMP"
    if head[:4] == b"RIFF":
        return "WebP" if head[8:12] == b"WEBP" else "a sound or film (RIFF)"
    if head[4:8] == b"ftyp":
        return FTYP_BRANDS.get(head[8:12], "a film (MP4)")
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return "a camera's raw picture"
    if b"<svg" in head:
        return "SVG, a drawing"
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")


BMP_HEADERS = frozenset(struct.pack("<I", length) for length in (12, 16, 40, 52, 56, 64, 108, 124))
"""Lengths of the second header; text can begin with BM too."""

MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF8": "GIF",
    b"8BPS": "PSD, Photoshop's own format",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"II\xbc": "JPEG XR",
    b"\0\0\1\0": "ICO, an icon",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"v/1\x01": "OpenEXR",
    b"qoif": "QOI",
    b"gimp xcf": "XCF, GIMP's own format",
    b"P5\n": "PGM",
    b"P6\n": "PPM",
}

FTYP_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "a camera's raw picture",
}


def refuse_sides(name: str, sides: tuple[int, int]) -> None:
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


def refuse_deep(name: str, picture: Image.Image, head: bytes) -> None:
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
    elif picture.mode in DEEP_MODES:
        bits = 16
    if bits > 8 or floats:
        depth = "floating-point numbers" if floats else f"{bits} bits"
        raise PictureError(
            f"{name} has {depth} a channel, of which editing would keep 8 bits: convert it to 8 bits a channel."
        )


def upright(picture: Image.Image, *, path: Path | None, kind: str, orientation: object) -> Photo:
    """A decoded picture as a `Photo`: turned by its EXIF orientation, RGB, with its metadata tidied.

    Args:
        orientation: what EXIF said before decoding; a TIFF has been turned since then.
    """
    name = f"The picture {path}" if path else "The picture"
    if picture.mode in DEEP_MODES:
        raise PictureError(f"{name} has more than 8 bits a channel ({picture.mode}): convert it to 8 bits a channel.")
    if picture.mode not in PLAIN_MODES:
        raise PictureError(f"{name} has pixels of the kind {picture.mode}: convert it to RGB.")
    exif = picture.getexif()
    left = exif.get(Base.Orientation, 1)
    colours, icc = to_rgb(picture)
    if left in TURNS:
        colours = colours.transpose(TURNS[left])
    pixels = np.array(colours)
    applied = orientation if kind == "TIFF" else left
    xmp = picture.info.get("xmp")
    edited_before = kind != "PNG" and isinstance(xmp, bytes) and XMP_TOOLKIT in xmp
    dpi = resolution(picture.info.get("dpi"), exif)
    return Photo(
        pixels=np.ascontiguousarray(pixels[..., :3]),
        alpha=np.ascontiguousarray(pixels[..., 3]) if colours.mode == "RGBA" else None,
        icc=icc,
        exif=tidied(exif, colours.size, name=name, from_tiff=kind == "TIFF", drop_comment=edited_before),
        dpi=dpi,
        path=path,
        format=kind,
        mode=picture.mode,
        orientation=applied if isinstance(applied, int) and applied in TURNS else 1,
    )


def to_rgb(picture: Image.Image) -> tuple[Image.Image, bytes | None]:
    """A picture as RGB or RGBA, and the profile that its numbers are now in (None: sRGB)."""
    icc = picture.info.get("icc_profile") or None
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
            log.warning("The colour profile cannot be applied (%s); the colours are converted without it.", problem)
    if picture.mode in ("La", "RGBa"):  # premultiplied: Pillow converts it only to its plain twin
        picture = picture.convert("LA" if picture.mode == "La" else "RGBA")
    return picture.convert(wanted), icc if space == b"RGB " else None


def resolution(stored: object, exif: Image.Exif) -> tuple[float, float] | None:
    """Dots per inch from the format's own field, else from EXIF (WebP has no other); None if absurd."""
    try:
        if stored is None:
            unit = 2.54 if exif.get(Base.ResolutionUnit, 2) == 3 else 1.0
            across, down = float(exif[Base.XResolution]) * unit, float(exif[Base.YResolution]) * unit
        else:
            across, down = (float(value) for value in stored)  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    good = all(math.isfinite(value) and value > 0 for value in (across, down))
    return (across, down) if good else None


def tidied(exif: Image.Exif, size: tuple[int, int], *, name: str, from_tiff: bool, drop_comment: bool) -> bytes | None:
    """An EXIF block for the upright picture: orientation 1, its own sides, no preview of the old pixels."""
    for tag in STRUCTURE_TAGS | (RESOLUTION_TAGS if from_tiff else frozenset()):
        if tag in exif:
            del exif[tag]
    if Base.Orientation in exif:
        exif[Base.Orientation] = 1
    try:
        if IFD.Exif in exif:
            details = exif.get_ifd(IFD.Exif)
            for tag, side in zip((Base.ExifImageWidth, Base.ExifImageHeight), size, strict=True):
                if tag in details:
                    details[tag] = side
            if drop_comment:  # the record of a former edit, which the next one replaces
                details.pop(Base.UserComment, None)
        return exif.tobytes() if len(exif) else None
    except Exception as problem:  # cameras write EXIF that nothing can write again
        log.warning("%s has EXIF data that cannot be kept (%s): it is left out.", name, problem)
        return None


def to_tensor(photo: Photo, size: Size) -> Tensor:
    """The whole photo at a working size, antialiased, never cropped.

    Transparency is not applied: a colour under it stays the colour that is stored.

    Returns:
        (1, 3, h, w) float32 in [-1, 1].
    """
    picture = Image.fromarray(photo.pixels)
    if photo.size != size:
        picture = picture.resize((size.width, size.height), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture, dtype=np.float32) / 127.5 - 1.0
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).contiguous()


def to_photo_pixels(tensor: Tensor, size: Size) -> Bytes:
    """An edited picture at a photo's size; bicubic where the sizes differ.

    Args:
        tensor: (3, h, w) in [-1, 1]; what lies outside is cut off.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ModelError: the picture holds values that are not numbers.
    """
    assert tensor.ndim == 3 and tensor.shape[0] == 3, f"a picture of shape {tuple(tensor.shape)}"
    values = tensor.detach().to("cpu", torch.float32)
    if not torch.isfinite(values).all():
        raise ModelError(
            "The models answered with values that are not numbers, as half precision does when it overflows: "
            "pass --dtype float32."
        )
    levels = ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    pixels: Bytes = levels.permute(1, 2, 0).contiguous().numpy()
    height, width = pixels.shape[:2]
    if (width, height) == (size.width, size.height):
        return pixels
    resized = Image.fromarray(pixels).resize((size.width, size.height), Image.Resampling.BICUBIC)
    return np.array(resized)


def paste_back(photo: Photo, edited: Tensor, blend: Floats) -> Photo:
    """Put an edited picture into the photo, at the photo's own size.

    Args:
        photo: the original.
        edited: (3, h, w) in [-1, 1], the whole picture at any size of the same aspect ratio.
        blend: (H, W) in [0, 1] in the photo's pixels: 0 keeps the photo's bytes exactly, 1 takes the
            edited picture, between them both are mixed in proportion and rounded to the nearest level.

    Returns:
        The photo with new pixels; transparency and metadata are the original's.
    """
    size = photo.size
    assert blend.shape == (size.height, size.width), f"a blend of shape {blend.shape} for {size} pixels"
    assert blend.min() >= 0 and blend.max() <= 1, "a blend outside [0, 1]"
    fresh = to_photo_pixels(edited, size)
    pixels = photo.pixels.copy()
    touched = np.flatnonzero(blend.any(axis=1))
    for top in range(touched[0], touched[-1] + 1, BAND) if touched.size else ():
        rows = slice(top, min(top + BAND, touched[-1] + 1))
        share = blend[rows, :, None].astype(np.float64)
        mixed = photo.pixels[rows] * (1.0 - share) + fresh[rows] * share
        pixels[rows] = np.floor(mixed + 0.5).astype(np.uint8)
    return dataclasses.replace(photo, pixels=pixels)


def write_photo(
    photo: Photo, path: str | Path, *, text: Mapping[str, str] | None = None, overwrite: bool = False
) -> Path:
    """Write a photo with its profile, EXIF, resolution and transparency; whole or not at all.

    PNG, TIFF and WebP are lossless; JPEG is not (quality 95, full colour resolution), so that pixels
    outside an edit differ slightly from the original's there.

    Args:
        path: the name's ending chooses the format: .png, .jpg, .jpeg, .webp, .tif or .tiff.
        text: what to say about the picture, by key: as text chunks of a PNG; of the others only
            "intarsia" (the record), as EXIF's user comment. None leaves it and the XMP mark of an
            edited picture out.
        overwrite: replace an existing file.

    Raises:
        OutputError: the format is not known or cannot hold the picture, the file exists, or the folder
            or disk refuses.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in WRITERS:
        raise OutputError(
            f"{path} ends in {ending or 'nothing'!r}, which names no format to write: use .png, .jpg, .webp or .tif."
        )
    kind, options = WRITERS[ending]
    if kind == "JPEG" and photo.alpha is not None:
        raise OutputError(f"{path} cannot hold the photo's transparency, as JPEG has none: write .png or .webp.")
    if max(photo.size.width, photo.size.height) > LONGEST_SIDE.get(kind, MAX_PIXELS):
        raise OutputError(f"{path} cannot hold {photo.size} pixels, {LONGEST_SIDE[kind]:,} a side at most: write .png.")
    refuse_existing(path, overwrite)
    options = dict(options)
    if photo.icc:
        options["icc_profile"] = photo.icc
    if photo.dpi and kind != "WEBP":
        options["dpi"] = photo.dpi
    exif = exif_to_write(photo, kind, text)
    if exif:
        options["exif"] = exif
    if text is not None and kind == "PNG":
        chunks = PngImagePlugin.PngInfo()
        for key, value in text.items():
            chunks.add_itxt(key, value)
        chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = chunks
    elif text is not None and kind != "TIFF":
        options["xmp"] = XMP
    file = io.BytesIO()
    try:
        photo.as_image().save(file, kind, **options)
    except (OSError, ValueError, RuntimeError, struct.error) as problem:
        raise OutputError(
            f"{path} cannot be encoded as {kind} ({problem}): write .png, or leave the record out with --no-metadata."
        ) from problem
    return write_bytes_atomically(path, file.getvalue(), overwrite)


def exif_to_write(photo: Photo, kind: str, text: Mapping[str, str] | None) -> bytes | None:
    """The photo's EXIF block with what this format keeps in no other place."""
    exif = Image.Exif()
    if photo.exif:
        exif.load(photo.exif)
    changed = False
    if photo.dpi and kind == "WEBP":
        exif[Base.XResolution], exif[Base.YResolution] = photo.dpi
        exif[Base.ResolutionUnit] = 2
        changed = True
    if text is not None and kind == "TIFF":
        exif[700] = XMP
        changed = True
    if text and "intarsia" in text and kind != "PNG":
        exif.get_ifd(IFD.Exif)[Base.UserComment] = b"UNICODE\0" + text["intarsia"].encode("utf-16-be")
        changed = True
    return exif.tobytes() if changed else photo.exif


def read_text_chunk(path: str | Path, key: str = "intarsia") -> str | None:
    """What `write_photo` said about a picture under a key; None where it said nothing.

    A PNG knows every key; the other formats know "intarsia" alone, from EXIF's user comment.

    Raises:
        PictureError: the file is not a readable picture.
    """
    with opened(path) as (picture, _):
        if isinstance(picture, PngImagePlugin.PngImageFile):
            value = picture.text.get(key)
            return None if value is None else str(value)
        exif = picture.getexif()
        comment = exif.get_ifd(IFD.Exif).get(Base.UserComment) if IFD.Exif in exif else None
    if key != "intarsia" or not isinstance(comment, bytes) or comment[:8] != b"UNICODE\0":
        return None
    said = comment[8:].decode("utf-16-be" if comment[8:9] == b"\0" else "utf-16-le", errors="replace")
    # Cameras write comments of their own; ours is a record in JSON.
    return said if said.startswith("{") else None
