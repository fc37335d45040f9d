"""Picture and mask files that are read and written whole: pixels of formats without loss, metadata, sentences."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from intarsia.errors import IntarsiaError
from intarsia.imaging import (
    mask_files,
    mask_levels,
    read,
)
from intarsia.imaging.containers import profiles
from intarsia.imaging.containers.pieces import Chunk
from intarsia.imaging.photo import Photo, levels_to_bytes
from tests.imaging.file_digests import attempt, camera, case, each, noise, tables
from tests.imaging.known_files_carried import box
from tests.imaging.known_files_jpeg import SEGMENTS, jpeg_of, webp_of
from tests.imaging.known_files_png import KINDS, chunk_bytes, png_of
from tests.imaging.known_files_xmp import coded, packet

SIDE = 32


@contextmanager
def folder() -> Iterator[Path]:
    """A folder to work in, so that files have the same names wherever it is."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as made:
        os.chdir(made)
        try:
            yield Path()
        finally:
            os.chdir(before)


def png_file(levels: np.ndarray, *chunks: Chunk, depth: int = 8, colour: int | None = None) -> bytes:
    """A PNG that is not packed; levels (H, W) or (H, W, C), of a depth below 8 bits packed by rows."""
    kinds = {1: 0, 2: 4, 3: 2, 4: 6}
    height, width = levels.shape[:2]
    if depth < 8:
        bits = np.unpackbits(levels.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :].reshape(height, -1)
        rows = np.packbits(bits, axis=1)
    else:
        rows = levels.astype(">u2" if depth == 16 else np.uint8).reshape(height, -1).view(np.uint8).reshape(height, -1)
    kind = kinds[1 if levels.ndim == 2 else levels.shape[2]] if colour is None else colour
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 0)
    made = (Chunk(b"IHDR", header), *chunks, Chunk(b"IDAT", content), Chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk_bytes, made))


def tiff_file(levels: np.ndarray, *, form: int = 1, order: Any = "<", **others: Any) -> bytes:
    """A TIFF that is not packed; form 1 of whole numbers, 2 of signed ones, 3 of floating-point ones."""
    channels = levels.shape[2] if levels.ndim == 3 else 1
    bits = levels.dtype.itemsize * 8
    main: dict[int, Any] = {
        256: (3, levels.shape[1]),
        257: (3, levels.shape[0]),
        258: (3, (bits,) * channels),
        259: (3, 1),
        262: (3, 2 if channels > 2 else 1),
        273: (4, "tail"),
        277: (3, channels),
        278: (3, levels.shape[0]),
        279: (4, levels.nbytes),
        339: (3, (form,) * channels),
    }
    main |= others.pop("main", {})
    main = {tag: main[tag] for tag in sorted(main) if main[tag] is not None}
    return tables({"main": main, **others}, order, tail=levels.astype(levels.dtype.newbyteorder(order)).tobytes())


def bmp_file(levels: np.ndarray) -> bytes:
    """A BMP of (H, W, 4)."""
    height, width = levels.shape[:2]
    head = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 32, 0, levels.nbytes, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + levels.nbytes, 0, 0, 54) + head + levels.tobytes()


def picture(channels: int = 3, width: int = 24) -> np.ndarray:
    return np.frombuffer(noise(20 * width * channels, channels), np.uint8).reshape(20, width, channels)


def disc(low: int = 0, high: int = 255, radius: float = 9) -> np.ndarray:
    """A disc of one level on another."""
    down, across = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.where((across - 14) ** 2 + (down - 17) ** 2 < radius**2, high, low)


PALETTE = Chunk(b"PLTE", bytes(range(48)))
GREYS = Chunk(b"PLTE", bytes(value for value in range(0, 256, 17) for _ in range(3)))


def readable() -> dict[str, bytes]:
    """Pictures of many kinds, and files that are none, by their names."""
    rgba = picture(4).copy()
    clear = rgba.copy()
    clear[..., 3] = 0
    built = profiles.build(profiles.SRGB_PRIMARIES, profiles.D65, (2.2,), "Name")
    icc = Chunk(b"iCCP", b"name\0\0" + zlib.compress(built, 0))
    turns = {
        f"turned{turn}.png": png_file(picture(), Chunk(b"eXIf", camera("<", main={274: (3, turn)})))
        for turn in range(10)
    }
    turns |= {
        f"turned{turn}.tif": tiff_file(picture(), main={274: (3, turn), 282: (5, (72, 1)), 283: (5, (36, 1))})
        for turn in range(1, 9)
    }
    grey = picture(1)[..., 0]
    page = {"next": {256: (3, 1), 257: (3, 1), 273: (4, 8), 279: (4, 1)}}
    return turns | {
        "rgb.png": png_file(picture()),
        "rgba.png": png_file(rgba, *KINDS[13:16]),
        "clear.png": png_file(clear),
        "grey.png": png_file(grey),
        "la.png": png_file(picture(2)),
        "bits.png": png_file(grey & 1, depth=1),
        "palette.png": png_file(grey & 15, PALETTE, colour=3),
        "clear palette.png": png_file(grey & 15, PALETTE, Chunk(b"tRNS", b"\0\x80\xff"), colour=3),
        "keyed.png": png_file(grey, Chunk(b"tRNS", b"\0\x10")),
        "deep.png": png_file(grey.astype(np.uint16), depth=16),
        "deep rgb.png": png_file(picture().astype(np.uint16), depth=16),
        "profile.png": png_file(picture(), icc),
        "grey profile.png": png_file(grey, icc),
        "broken profile.png": png_file(picture(), Chunk(b"iCCP", b"name\0\0" + zlib.compress(b"profile", 0))),
        "coded.png": png_file(picture(), coded(12, 13, 0, 1)),
        "hdr.png": png_file(picture(), coded(9, 16, 0, 1)),
        "hlg.png": png_file(picture(), coded(9, 18, 0, 1)),
        "animated.png": png_file(
            picture(),
            Chunk(b"acTL", struct.pack(">II", 2, 0)),
            Chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 24, 20, 0, 0, 1, 1, 0, 0)),
        ),
        "small.png": png_file(picture()[:15]),
        "least.png": png_file(picture()[:16]),
        "narrow.png": png_file(picture()[:, :15]),
        "cut.png": png_file(picture())[:200],
        "vast.png": png_of()[:16] + struct.pack(">II", 10_000, 10_001) + png_of()[24:],
        "most.png": png_of()[:16] + struct.pack(">II", 10_000, 10_000) + png_of()[24:],
        "text.png": png_file(picture(), *KINDS[24:26], *KINDS[28:29]),
        "texts.png": png_file(picture(), Chunk(b"tEXt", b"intarsia\0{}")),
        "rgb.tif": tiff_file(picture()),
        "large.tif": tiff_file(picture(), order=">"),
        "rgba.tif": tiff_file(rgba, main={338: (3, 2)}),
        "unsaid.tif": tiff_file(clear, main={338: (3, 0)}),
        "clear.tif": tiff_file(clear, main={338: (3, 2)}),
        "deep.tif": tiff_file(grey.astype(np.uint16)),
        "float.tif": tiff_file(grey.astype(np.float32), form=3),
        "raw.tif": tiff_file(picture(), main={254: (4, 1)}),
        "dng.tif": tiff_file(picture(), main={50706: (1, b"\1\4\0\0")}),
        "pages.tif": tiff_file(picture(), next=page["next"]),
        "preview.tif": tiff_file(picture(), next={254: (4, 1), **page["next"]}),
        "cmyk.tif": tiff_file(rgba, main={262: (3, 5)}),
        "lab.tif": tiff_file(picture(), main={262: (3, 8)}),
        "rgb.bmp": bmp_file(clear),
        "alpha.bmp": bmp_file(rgba),
        "empty.png": b"",
        "text.txt": b"some words",
        "sound.webp": b"RIFF1234WAVE" + bytes(20),
        "drawing.svg": b"<svg/>" + bytes(20),
        "film.heic": box(b"ftyp", b"isom\0\0\0\0") + bytes(30),
        "deep.avif": box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", bytes(4)) + bytes(40),
        "broken.jpg": jpeg_of(*SEGMENTS[13:14]),
        "broken.webp": webp_of((b"VP8L", b"broken")),
        "a*b.txt": b"words",
    }


def in_words(got: Any) -> Any:
    """A result without what a decoder's version says."""
    result, notes = got
    if isinstance(result, IntarsiaError) and "decoded as" in str(result):
        return [type(result), str(result).partition(" (")[0], str(result).partition(")")[2] or str(result)], notes
    return got


@case
def photos_read() -> Any:
    found: list[Any] = []
    with folder():
        for name, content in readable().items():
            Path(name).write_bytes(content)
            photo = attempt(read.read_photo, name)
            found.append(in_words(photo))
            said = in_words(attempt(read.read_metadata, name)), in_words(attempt(read.read_text_chunk, name))
            found.append([said, in_words(attempt(read.read_text_chunk, name, "Author"))])
        Path("sub.png").mkdir()
        os.mkfifo("pipe.png")
        names = (
            "sub.png",
            "pipe.png",
            "none.png",
            "none/none.png",
            "*.png",
            "http://a/b.png",
            "https://a/b.png",
            "rgb.png/x",
            "x" * 300,
        )
        return [*found, *each(read.read_photo, names, together=1)]


@case
def photos_from_memory() -> Any:
    arrays = [
        picture(),
        picture(4),
        picture(1)[..., 0],
        picture(2),
        picture().astype(np.float32),
        picture()[:0],
        picture()[:15],
        picture()[::2, ::-1][:, :20],
    ]
    arrays += [picture()[None], picture(1)]
    modes = (
        "1",
        "L",
        "LA",
        "P",
        "RGB",
        "RGBA",
        "CMYK",
        "YCbCr",
        "I",
        "F",
        "HSV",
        "LAB",
        "La",
        "RGBa",
        "I;16",
        "RGBX",
        "PA",
    )
    images = [Image.new(mode, (17, 16)) for mode in modes]
    image = Image.fromarray(picture())
    infos: list[dict[str, Any]] = [
        {"dpi": dpi}
        for dpi in (
            (72, 36),
            (0, 72),
            (72, -1),
            (float("nan"), 1),
            (float("inf"), 1),
            ("x", 1),
            (72,),
            72,
            (72.5, "36"),
        )
    ]
    infos += [
        {"comment": b"said"},
        {"comment": "text"},
        {"xmp": packet()},
        {"icc_profile": b"broken"},
        {"exif": b"Exif\0\0" + camera("<")},
        {"exif": camera(">")},
    ]
    for info in infos:
        images.append(image.copy())
        images[-1].info.update(info)
    images.append(image.copy())
    images[-1].getexif()[271] = "Maker"
    built = profiles.build(profiles.SRGB_PRIMARIES, profiles.D65, (2.2,), "Name")
    spaces = [built[:16] + space + built[20:] for space in (b"RGB ", b"GRAY", b"CMYK")]
    shapes = []
    for mode in modes[:13]:
        for icc in (None, *spaces):
            got = attempt(read.to_rgb, Image.new(mode, (17, 16)), icc)
            shapes.append([got[0][0].mode, got[0][0].size, got[0][1]] if isinstance(got[0], tuple) else type(got[0]))
            shapes.append([sentence.partition("(")[0] + sentence.partition(")")[2] for sentence in got[1]])
    return [
        *each(read.photo_from_image, arrays, together=1),
        *each(read.photo_from_image, images, together=1),
        *each(read.pieces_of, images, together=4),
        *shapes,
        levels_to_bytes(np.array([-3, 0.49, 0.5, 1.5, 254.5, 300], np.float32)),
        [
            (photo.as_image().mode, photo.as_image().tobytes(), photo._repr_png_()[:4])
            for photo in (Photo(pixels=picture()), Photo(pixels=picture(), alpha=picture(4)[..., 3]))
        ],
        Photo(pixels=picture()).size,
    ]


# Masks


def masks() -> dict[str, bytes]:
    """Mask files of many kinds, by their names."""
    white, soft = disc(), np.clip(disc(), 0, 255).astype(np.float32)
    for _ in range(4):
        soft = (np.roll(soft, 1, 0) + np.roll(soft, -1, 0) + np.roll(soft, 1, 1) + np.roll(soft, -1, 1)) / 4
    labels = disc(0, 1) + disc(0, 2, 5) + disc(0, 3, 2)
    border = np.where(disc(0, 1, 10) != disc(0, 1, 9), 255, disc(0, 7))
    grain = np.frombuffer(noise(SIDE * SIDE), np.uint8).reshape(SIDE, SIDE)
    layer = np.stack([disc(0, 255)] * 3 + [disc(0, 255)], -1)
    red = np.stack([disc(), disc(0, 0), disc(0, 0)], -1)
    flat = np.full((SIDE, SIDE), 255)
    steps = np.tile(np.arange(SIDE) * 8, (SIDE, 1))
    made = {
        f"levels{low}-{high}.png": png_file(disc(low, high))
        for low in (0, 1, 32, 100)
        for high in (1, 7, 32, 33, 128, 222, 223, 254, 255)
        if low != high
    }
    made |= {
        f"deep{high}.png": png_file(disc(0, high), depth=16)
        for high in (1, 200, 255, 256, 1000, 1023, 4095, 8224, 9000, 16383, 20000, 65535)
    }
    made |= {
        f"three{a}-{b}.png": png_file(disc(0, a) + disc(0, b - a, 5))
        for a, b in ((1, 2), (20, 40), (64, 128), (100, 255), (254, 255), (3, 255))
    }
    made |= {
        f"deep{a}-{b}.png": png_file(disc(0, a) + disc(0, b - a, 5), depth=16)
        for a, b in ((1, 2), (1, 255), (300, 9000), (20000, 40000), (300, 600))
    }
    made |= {
        f"palette{k}.png": png_file(each_, one, colour=3)
        for k, (each_, one) in enumerate(
            [
                (labels, PALETTE),
                (labels > 0, PALETTE),
                (labels > 0, GREYS),
                (labels, GREYS),
                (grain & 15, PALETTE),
                (disc(0, 15), GREYS),
                (disc(3, 3), PALETTE),
                (disc(2, 5), PALETTE),
            ]
        )
    }
    made |= {
        f"opaque{level}.png": png_file(np.stack([flat, disc(0, level)], -1)) for level in (30, 128, 200, 222, 223, 254)
    }
    made |= {f"bits{depth}.png": png_file(disc(0, 2**depth - 1), depth=depth) for depth in (1, 2, 4)}
    made |= {
        f"float{k}.tif": tiff_file(values.astype(np.float32), form=3)
        for k, values in enumerate(
            (white / 255, white, white * 2, white - 1, white / 100, np.full((SIDE, SIDE), np.nan), steps)
        )
    }
    made |= {
        f"signed{k}.tif": tiff_file(values.astype(np.int32), form=2)
        for k, values in enumerate((white, white * 257, white * 1000, steps * 1000, white - 9, labels))
    }
    made |= {f"turned{turn}.tif": tiff_file(disc().astype(np.uint8), main={274: (3, turn)}) for turn in (1, 3, 6, 8)}
    made |= {
        f"turned{turn}.png": png_file(steps > 100, Chunk(b"eXIf", camera("<", main={274: (3, turn)})), depth=1)
        for turn in (2, 5, 6)
    }
    return made | {
        "soft.png": png_file(soft.round()),
        "soft inverted.png": png_file(255 - soft.round()),
        "half.png": png_file((soft / 2).round()),
        "grain.png": png_file(grain),
        "photo.png": png_file(np.stack([grain, grain[::-1], grain[:, ::-1]], -1)),
        "steps.png": png_file(steps),
        "border.png": png_file(border),
        "wide border.png": png_file(np.where(disc(0, 1, 13) != disc(0, 1, 9), 255, disc(0, 7))),
        "borders.png": png_file(np.where(disc(0, 1, 10) != disc(0, 1, 9), 255, labels)),
        "border palette.png": png_file(
            np.where(disc(0, 1, 10) != disc(0, 1, 9), 255, disc(0, 7)), Chunk(b"PLTE", bytes(range(256)) * 3), colour=3
        ),
        "many.png": png_file(np.repeat(np.repeat(np.arange(64).reshape(8, 8), 4, 0), 4, 1)),
        "greys.png": png_file(np.repeat(np.repeat(np.arange(0, 256, 4).reshape(8, 8), 4, 0), 4, 1)),
        "nine greys.png": png_file(np.repeat(np.tile(np.arange(0, 256, 32), (SIDE, 1)), 4, 1)),
        "layer.png": png_file(layer),
        "hidden.png": png_file(np.stack([flat] * 3 + [disc()], -1)),
        "black layer.png": png_file(np.stack([disc(0, 0), disc()], -1)),
        "dark under.png": png_file(np.stack([disc(40, 255), disc()], -1)),
        "clear.png": png_file(np.stack([flat, disc(0, 0)], -1)),
        "soft layer.png": png_file(np.stack([disc(0, 255), soft.round()], -1)),
        "red.png": png_file(red),
        "pale.png": png_file(red // 6 + disc()[..., None] * 4 // 5),
        "red layer.png": png_file(np.concatenate([red, disc()[..., None]], -1)),
        "one red.png": png_file(
            np.where(
                (np.arange(SIDE) == 0)[:, None, None] & (np.arange(SIDE) < 11)[:, None],
                red[17, 14],
                np.stack([disc()] * 3, -1),
            )
        ),
        "grey rgb.png": png_file(np.stack([disc(0, 1)] * 3, -1)),
        "empty.png": png_file(disc(0, 0)),
        "white.png": png_file(flat),
        "one.png": png_file(disc(1, 1)),
        "unsaid.bmp": bmp_file(np.stack([disc()] * 3 + [disc(0, 0)], -1).astype(np.uint8)),
        "lab.tif": tiff_file(picture(), main={262: (3, 8)}),
        "cmyk.tif": tiff_file(np.stack([disc(255, 0)] * 4, -1).astype(np.uint8), main={262: (3, 5)}),
    }


@case
def masks_read() -> Any:
    found = []
    with folder():
        for name, content in masks().items():
            Path(name).write_bytes(content)
            found.append(
                [
                    in_words(attempt(mask_files.read_stored, name)),
                    in_words(attempt(mask_levels.read_levels, name, False)),
                ]
            )
            found.append(
                [
                    attempt(mask_levels.read_levels, name, True),
                    attempt(mask_levels.read_levels, name, False, choosable=True),
                ]
            )
            found.append([attempt(mask_levels.read_levels, name, False, label) for label in (0, 1, 7, 255)])
    return found
