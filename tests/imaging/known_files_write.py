"""Photos that are written and read again, and what is decided before: compression, blocks that are kept, words for errors."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from intarsia.imaging import compression, decoding, drawings, jpeg_blocks, pages, read, unused_alpha, write
from intarsia.imaging.metadata import EDITED
from intarsia.imaging.photo import Photo
from tests.imaging.file_digests import attempt, camera, case, each
from tests.imaging.known_files_carried import SAYINGS, photos
from tests.imaging.known_files_masks import bmp_file, folder, picture, png_file, tiff_file
from tests.imaging.known_files_png import limits
from tests.imaging.known_files_xmp import packet


def smooth(height: int = 48, width: int = 40) -> np.ndarray:
    """(H, W, 3) waves of colour."""
    y, x = np.mgrid[:height, :width]
    return np.stack([128 + 90 * np.sin(x / (4 + k)) * np.cos(y / (7 - k)) for k in range(3)], -1).astype(np.uint8)


def lossy(path: Path, levels: np.ndarray, **options: Any) -> Path:
    """A JPEG or WebP by Pillow."""
    Image.fromarray(levels).save(path, **options)
    return path


def written(photo: Photo, name: str, **options: Any) -> Any:
    """What is read again of a photo that was written: its pixels where they are as they were, else their size."""
    path = write.write_photo(photo, name, overwrite=True, **options)
    exact = read.read_photo(path)
    same = np.array_equal(exact.pixels, photo.pixels)
    carried = dataclasses.replace(exact.carried, chunks=(), colour=())
    alpha = exact.alpha if same else exact.alpha is None
    with Image.open(path) as opened:
        tables = getattr(opened, "quantization", None)
        sampling = JpegImagePlugin.get_sampling(opened) if tables else None
        told = opened.format, opened.size, opened.mode, tables, sampling
    return path.name, same, alpha, exact.icc, exact.exif, exact.dpi, exact.orientation, carried, told


@case
def photos_written() -> Any:
    plain, some = Photo(pixels=smooth()), dataclasses.replace(photos()[1], pixels=smooth(), icc=None)
    clear = Photo(pixels=smooth(), alpha=np.tile(np.arange(40, dtype=np.uint8) * 6, (48, 1)))
    opaque = Photo(pixels=smooth(), alpha=np.full((48, 40), 255, np.uint8))
    long = {
        size: Photo(pixels=np.zeros(size, np.uint8))
        for size in ((16, 16_383, 3), (16, 16_384, 3), (16_384, 16, 3), (16, 65_501, 3))
    }
    endings = ("png", "PNG", "jpg", "jpeg", "webp", "tif", "tiff")
    found: list[Any] = []
    with folder():
        for photo in (plain, some, clear, opaque):
            found += [attempt(written, photo, f"made.{ending}") for ending in endings]
        found += [
            attempt(written, some, f"made.{ending}", text=SAYINGS[1], source=EDITED)
            for ending in ("png", "jpg", "webp", "tif")
        ]
        for quality in (1, 89, 90, 100):
            found += [attempt(written, plain, f"made.{ending}", quality=quality) for ending in ("jpg", "webp", "png")]
        found += [
            attempt(write.write_photo, plain, name)
            for name in ("made.gif", "made", "made.png", ".png", "none/made.png", "a.jpg2")
        ]
        found += [
            attempt(write.write_photo, photo, f"long.{ending}")[0]
            for photo in (*list(long.values())[1:],)
            for ending in ("webp", "jpg")
        ]
        vast = dataclasses.replace(
            plain,
            exif=b"Exif\0\0" + camera(),
            carried=dataclasses.replace(plain.carried, xmp=packet("x" * 9)),
            icc=bytes(65_500 * 256),
        )
        found.append([str(attempt(write.write_photo, vast, "vast.jpg")[0])[:60]])
        lossy(Path("low.jpg"), smooth(), quality=40, subsampling=2)
        lossy(Path("grey.jpg"), smooth()[..., 0], quality=60)
        lossy(Path("low.webp"), smooth(), quality=40)
        lossy(Path("whole.webp"), smooth(), lossless=True)
        with limits(write, with_original_blocks=lambda *_: None):
            for original in ("low.jpg", "grey.jpg", "low.webp", "whole.webp", "none.jpg", "made.png"):
                found += [
                    attempt(written, plain, f"after.{ending}", original=Path(original))
                    for ending in ("jpg", "webp", "png")
                ]
                found.append(attempt(written, plain, "after.jpg", original=Path(original), quality=80))
        Path("small.png").write_bytes(png_file(picture()))
        with limits(write, LARGE=100):
            packed = [
                attempt(write.write_photo, photo, "quick.png", overwrite=True)
                for photo in (plain, Photo(pixels=np.zeros((9, 11, 3), np.uint8)))
            ]
        found += [packed, len(write.QUICK_PNG)]
    return found


@case
def blocks_stored() -> Any:
    found: list[Any] = []
    photo = Photo(pixels=smooth())
    changed = smooth().copy()
    changed[:8, :8] = 0
    grey = np.repeat(smooth()[..., :1], 3, -1)
    seen: list[Any] = []

    def blocks(encoded: bytes, original: Path, same: np.ndarray) -> bytes | None:
        with Image.open(io.BytesIO(encoded)) as image:
            seen.append([image.size, image.mode, original.name, same])
        return encoded if len(seen) % 4 else None

    with folder(), limits(write, with_original_blocks=blocks):
        block = Image.Exif()
        for turn in range(1, 9):
            block[274] = turn
            levels = smooth() if turn < 5 else smooth(40, 48)
            lossy(Path(f"turned{turn}.jpg"), levels, quality=100, subsampling=0, exif=block.tobytes())
        lossy(Path("grey.jpg"), grey[..., 0], quality=100)
        for name in (*(f"turned{turn}.jpg" for turn in range(1, 9)), "grey.jpg", "none.jpg"):
            for each_ in (photo, Photo(pixels=changed), Photo(pixels=grey), Photo(pixels=smooth(32, 40))):
                got = attempt(write.as_stored, each_, {"quality": 100, "subsampling": 0}, Path(name))
                found.append([got[0] if isinstance(got[0], Exception) else got[0] and got[0].orientation, got[1]])
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, "PNG")
    found.append(
        type(attempt(write.shows, buffer.getvalue(), Image.fromarray(smooth()), np.ones((48, 40), np.bool_))[0])
    )
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=100, subsampling=0)
    with Image.open(buffer) as shown:
        exact = np.asarray(shown)
    other = exact.copy()
    other[3, 4] ^= 1
    all_of, rest = np.ones((48, 40), np.bool_), np.ones((48, 40), np.bool_)
    rest[3, 4] = False
    for levels in (exact, other, exact[..., 0]):
        found.append([write.shows(buffer.getvalue(), Image.fromarray(levels), where) for where in (all_of, rest)])
    alphas = [None, np.full((48, 40), 255, np.uint8), np.full((48, 40), 254, np.uint8)]
    return [*found, *seen, [write.is_opaque(Photo(pixels=smooth(), alpha=alpha)) for alpha in alphas]]


def component(shape: tuple[int, int], value: int) -> np.ndarray:
    return np.full((*shape, 8, 8), value, np.int16)


def coefficients(
    factors: list[list[int]], shapes: list[tuple[int, int]], value: int, *, table: int = 1, space: str = "YCbCr"
) -> Any:
    """A file's coefficients, as the library for them has them."""
    held: dict[str, Any] = {
        name: component(shape, value + k)
        for k, (name, shape) in enumerate(zip(("Y", "Cb", "Cr"), shapes, strict=False))
    }
    for name in ("Cb", "Cr"):
        held.setdefault(name, None)
    tables = [np.full((8, 8), table + k) for k in range(3)]
    return SimpleNamespace(
        samp_factor=np.array(factors),
        num_components=len(factors),
        jpeg_color_space=space,
        get_component_qt=lambda k: tables[k],
        **held,
    )


@case
def blocks_kept() -> Any:
    same = np.ones((30, 42), np.bool_)
    same[9, 17] = same[25, 40] = False
    full, half, wide = [[1, 1]] * 3, [[2, 2], [1, 1], [1, 1]], [[1, 2], [1, 1], [1, 1]]
    large, small, flat = (4, 6), (2, 3), (4, 3)
    makes = [
        (full, [large] * 3),
        (half, [large, small, small]),
        (wide, [large, flat, flat]),
        ([[1, 1]], [large]),
        ([[2, 2]], [large]),
        (full, [large, large, small]),
    ]
    found: list[Any] = []
    for factors, shapes in makes:
        for others, places in makes:
            for table, space in ((1, "YCbCr"), (2, "YCbCr"), (1, "RGB")):
                new, old = coefficients(factors, shapes, 10), coefficients(others, places, 20, table=table, space=space)
                kept = attempt(jpeg_blocks.put_blocks, new, old, same)
                found.append([kept, new.Y, new.Cb, new.Cr])
    for high, wide_, shape in ((8, 8, (4, 6)), (16, 16, (2, 3)), (8, 16, (4, 3)), (8, 8, (5, 7)), (8, 8, (3, 5))):
        found.append(jpeg_blocks.whole_blocks(same, high, wide_, shape))
    return found


@case
def compressions() -> Any:
    found: list[Any] = []
    with folder():
        lossy(Path("low.jpg"), smooth(), quality=40, subsampling=2)
        lossy(Path("half.jpg"), smooth(), quality=80, subsampling=1)
        lossy(Path("whole.jpg"), smooth(), quality=100, subsampling=0)
        lossy(Path("grey.jpg"), smooth()[..., 0], quality=60)
        lossy(Path("low.webp"), smooth(), quality=40)
        lossy(Path("alpha.webp"), np.dstack([smooth(), smooth()[..., 0]]), quality=40)
        lossy(Path("whole.webp"), smooth(), lossless=True)
        Image.fromarray(np.dstack([smooth(), smooth()[..., 0]]), "CMYK").save("inks.jpg")
        Path("none.webp").write_bytes(b"RIFF1234WEBPabcd\1\0\0\0..xy")
        Path("plain.png").write_bytes(png_file(picture()))
        names = (
            "low.jpg",
            "half.jpg",
            "whole.jpg",
            "grey.jpg",
            "inks.jpg",
            "low.webp",
            "alpha.webp",
            "whole.webp",
            "plain.png",
            "absent.jpg",
            None,
        )
        for name in names:
            path = None if name is None else Path(name)
            for quality in (None, 1, 89, 90):
                found.append(
                    [
                        attempt(compression.compression, kind, path, quality)
                        for kind in ("JPEG", "WEBP", "AVIF", "PNG", "TIFF")
                    ]
                )
            for kept in (True, False):
                with limits(compression, blocks_are_kept=lambda kept=kept: kept):
                    for own in ("JPEG", "WebP", "AVIF", "PNG", ""):
                        photo = Photo(pixels=smooth(), path=path, format=own)
                        asked = ("keep", "png", "jpeg", "webp", "avif")
                        found.append(
                            [
                                attempt(compression.lossy_notes, format_, quality, photo, "gap")
                                for format_ in asked
                                for quality in (None, 50)
                            ]
                        )
        found.append(
            each(compression.is_lossless, [Path(name) for name in names[:9] if name] + [Path("none.webp")], together=20)
        )
    found.append(
        [
            compression.kind_asked(format_, own)
            for format_ in ("keep", "png", "jpeg", "webp", "avif")
            for own in ("WebP", "JPEG")
        ]
    )
    plain, high, zero = list(range(1, 65)), [1] * 63 + [256], [0] + [255] * 63
    layers = {1: [("", 1, 1, 0)], 3: [("", 1, 1, 0), ("", 1, 1, 1), ("", 1, 1, 2)]}
    for mode, count in (("L", 1), ("RGB", 3), ("CMYK", 3), ("RGB", 1)):
        for one, other in (
            (plain, plain),
            (plain, [255] * 64),
            (high, plain),
            (zero, plain),
            (plain[:63], plain),
            (None, plain),
            (plain, None),
        ):
            for last in (other, [7] * 64):
                held = {k: table for k, table in enumerate((one, other, last)) if table is not None}
                for sides in ((1, 1), (2, 2), (2, 1), (1, 2)):
                    layer = [("", *sides, 0), *layers[count][1:]]
                    fake = SimpleNamespace(
                        mode=mode, quantization=held, layer=layer, layers=count, info={"sampling": 1}
                    )
                    found.append(attempt(compression.jpeg_tables, fake))
    return found


@case
def words_of_decoders() -> Any:
    problems: list[Exception] = [
        kind(text)
        for kind in (OSError, SyntaxError, EOFError, ValueError)
        for text in (
            "image file is truncated (3 bytes)",
            "cannot identify image file x",
            "broken",
            "1 byte",
            "",
            "Not a file, or so: x",
        )
    ]
    for cause in (IndexError("list index"), OSError("other")):
        problem = SyntaxError("not a PNG file")
        problem.__cause__ = cause
        problems.append(problem)
    found: list[Any] = [decoding.reason_of(problem) for problem in problems]
    reader = decoding.BoundedReader(io.BytesIO(bytes(range(100))))  # type: ignore[arg-type]
    for offset, size in (
        (0, 10),
        (0, None),
        (0, -1),
        (95, 10),
        (100, 1),
        (120, 5),
        (40, 0),
        (3, 97),
        (3, 98),
        (90, -2),
    ):
        reader.seek(offset)
        found.append([reader.read(size), reader.tell()])
    reader.seek(98)
    return [*found, reader.read()]


@case
def kinds_of_pictures() -> Any:
    found: list[Any] = []
    page = {256: (3, 1), 257: (3, 1), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8), 277: (3, 1), 279: (4, 1)}
    for content in (
        tiff_file(picture()),
        *(tiff_file(picture(), next={**kind, **page}) for kind in ({}, {254: (4, 1)}, {254: (4, 2)}, {254: (4, 3)})),
    ):
        with Image.open(io.BytesIO(content)) as opened:
            found.append([pages.pages_of(opened), opened.tell()])
    fakes: list[Any] = [SimpleNamespace(n_frames=1), SimpleNamespace(n_frames=3), SimpleNamespace()]
    found.append([pages.pages_of(fake) for fake in fakes])
    clear = np.dstack([picture(), np.zeros((20, 24), np.uint8)])
    made = [
        Image.fromarray(clear),
        Image.fromarray(clear[..., 2:]),
        Image.fromarray(picture(4)),
        Image.fromarray(picture()),
    ]
    made += [
        Image.open(io.BytesIO(tiff_file(clear, main=said)))
        for said in ({}, {338: (3, 0)}, {338: (3, 1)}, {338: (3, 2)})
    ]
    for image in made:
        for kind in ("BMP", "PNG", "TIFF", ""):
            copy = image if isinstance(image, Image.Image) and image.format else image.copy()
            copy.load()
            unused_alpha.fill_unused_alpha(copy, kind)
            found.append([copy.mode, copy.tobytes()])
    y, x = np.mgrid[:300, :260]
    drawn = [np.where((x // step + y // step) % 2, 200, 40).astype(np.uint8) for step in (1, 2, 3, 4, 5, 7, 40)]
    tall = [np.pad(each_, ((0, 400), (0, 0)), "wrap") for each_ in drawn[2:5]]
    found.append(
        [
            drawings.is_drawing(Photo(pixels=np.stack([each_] * 3, -1)))
            for each_ in (*drawn, *tall, *(one.T for one in tall))
        ]
    )
    one_channel = [np.stack([drawn[0], drawn[6], drawn[6]], -1), np.stack([drawn[6], drawn[6], drawn[0]], -1)]
    return [*found, [drawings.is_drawing(Photo(pixels=each_)) for each_ in one_channel], bmp_file(clear)[:30]]
