"""Whole files of every format that pictures come in, made by code: small, and with all that they may carry."""

from __future__ import annotations

import functools
import io
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageDraw, PngImagePlugin

WIDTH, HEIGHT = 64, 48

SAMPLES = "INTARSIA_SAMPLES"
"""Variable of the environment that names a folder of further files to begin from."""

Files = Mapping[str, bytes]
"""Contents of files by their names."""


def scene(mode: str = "RGB", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """A picture with a thing in it that can be outlined."""
    width, height = size
    across = np.linspace(60, 200, width, dtype=np.float32)[None].repeat(height, 0)
    pixels = np.stack([across, across[:, ::-1], np.full_like(across, 90)], -1).astype(np.uint8)
    picture = Image.fromarray(pixels)
    ImageDraw.Draw(picture).ellipse((width // 4, height // 4, width // 2, 3 * height // 4), fill=(220, 30, 40))
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.linear_gradient("L").resize(size))
    return picture.convert(mode)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@functools.cache
def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@functools.cache
def exif_block() -> bytes:
    """EXIF with the tags that cameras write, a place, a comment and a thumbnail."""
    exif = Image.Exif()
    exif[0x010E], exif[0x010F], exif[0x0110], exif[0x013B] = "caption", "Maker", "Model", "Artist"
    exif[0x0112], exif[0x011A], exif[0x011B], exif[0x0128] = 6, 72.0, 72.0, 2
    exif[0x8298] = "(c) somebody"
    details = exif.get_ifd(0x8769)
    details[0x9003], details[0x829A], details[0x8827] = "2026:01:02 03:04:05", 0.01, 200
    details[0x9286], details[0xA002], details[0xA003] = b"ASCII\0\0\0words", WIDTH, HEIGHT
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (52.0, 31.0, 12.0), "E", (13.0, 24.0, 36.0)
    return exif.tobytes()


XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="somebody"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)

IPTC = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x12" + b"\x1c\x02\x50\0\x08somebody\x1c\x02\x78\0\0"


def text_chunks() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Copyright", "somebody")
    info.add_text("Comment", "words " * 30, zip=True)
    info.add_itxt("Title", "größer", "de", "Titel")
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return info


def png_seeds() -> Iterator[bytes]:
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1"):
        yield saved(scene(mode), "PNG")
    yield saved(
        scene(), "PNG", pnginfo=text_chunks(), icc_profile=profile(), exif=exif_block(), dpi=(300, 150), gamma=0.45
    )
    yield saved(scene("P"), "PNG", transparency=3)
    yield saved(Image.fromarray(np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH)), "PNG")
    yield saved(scene(), "PNG", save_all=True, append_images=[scene("RGB").rotate(90)], duration=40)
    yield interlaced()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def interlaced() -> bytes:
    """Adam7, which Pillow does not write."""
    pixels = np.asarray(scene())
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    rows = [b"\0" + row.tobytes() for y, dy, x, dx in passes for row in pixels[y::dy, x::dx]]
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1)
    body = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(b"".join(rows))) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_seeds() -> Iterator[bytes]:
    for mode in ("RGB", "L", "CMYK"):
        yield saved(scene(mode), "JPEG")
    yield saved(scene(), "JPEG", progressive=True, subsampling=2)
    yield saved(scene(), "JPEG", subsampling=1, restart_marker_rows=1)
    full = saved(
        scene(), "JPEG", exif=exif_block(), icc_profile=profile(), comment=b"made by hand", xmp=XMP, dpi=(300, 150)
    )
    yield full[:2] + b"\xff\xed" + struct.pack(">H", len(IPTC) + 2) + IPTC + full[2:]
    yield saved(scene(), "MPO", save_all=True, append_images=[scene().resize((32, 24))])


def webp_seeds() -> Iterator[bytes]:
    yield saved(scene(), "WEBP", quality=80)
    yield saved(scene("RGBA"), "WEBP", lossless=True)
    yield saved(scene("RGBA"), "WEBP", exif=exif_block(), icc_profile=profile(), xmp=XMP)
    yield saved(scene(), "WEBP", save_all=True, append_images=[scene().rotate(90)], duration=40)


def tiff_seeds() -> Iterator[bytes]:
    for packing in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield saved(scene(), "TIFF", compression=packing)
    for mode in ("L", "LA", "RGBA", "CMYK", "P", "1", "I;16", "F"):
        picture = scene("L").convert("I").convert("I;16") if mode == "I;16" else scene(mode)
        yield saved(picture, "TIFF")
    for packing in ("group3", "group4"):
        yield saved(scene("1"), "TIFF", compression=packing)
    yield saved(scene(), "TIFF", exif=exif_block(), icc_profile=profile(), dpi=(300, 150))
    yield saved(scene(), "TIFF", save_all=True, append_images=[scene().rotate(90)])
    yield saved(scene(), "TIFF", big_tiff=True)
    yield tiff(planar=2)
    yield tiff(tile=16)


def tiff(*, planar: int = 1, tile: int = 0, order: str = "<") -> bytes:
    """An uncompressed TIFF of a layout that Pillow does not write: planes apart, or tiles."""
    pixels = np.asarray(scene())
    if tile:
        blocks = [
            pixels[y : y + tile, x : x + tile].tobytes() for y in range(0, HEIGHT, tile) for x in range(0, WIDTH, tile)
        ]
    elif planar == 2:
        blocks = [np.ascontiguousarray(pixels[..., channel]).tobytes() for channel in range(3)]
    else:
        blocks = [pixels.tobytes()]
    place = 8
    offsets = []
    for block in blocks:
        offsets.append(place)
        place += len(block)
    counts = [len(block) for block in blocks]
    entries: list[tuple[int, int, list[int]]] = [
        (256, 4, [WIDTH]),
        (257, 4, [HEIGHT]),
        (258, 3, [8, 8, 8]),
        (259, 3, [1]),
        (262, 3, [2]),
        (277, 3, [3]),
        (284, 3, [planar]),
    ]
    if tile:
        entries += [(322, 4, [tile]), (323, 4, [tile]), (324, 4, offsets), (325, 4, counts)]
    else:
        entries += [(273, 4, offsets), (278, 4, [HEIGHT]), (279, 4, counts)]
    entries.sort()
    after = place + 2 + 12 * len(entries) + 4
    table, rest = struct.pack(order + "H", len(entries)), b""
    for tag, kind, values in entries:
        packed = struct.pack(order + ("H" if kind == 3 else "I") * len(values), *values)
        if len(packed) > 4:
            packed, rest = struct.pack(order + "I", after + len(rest)), rest + packed
        table += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", place)
    return head + b"".join(blocks) + table + struct.pack(order + "I", 0) + rest


def bmp_seeds() -> Iterator[bytes]:
    for mode in ("RGB", "RGBA", "L", "P", "1"):
        yield saved(scene(mode), "BMP")
    pixels = np.asarray(scene().convert("L"))[::-1]
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))
    runs = b"".join(b"".join(bytes((1, level)) for level in row) + b"\0\0" for row in pixels) + b"\0\1"
    yield bmp(struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(runs), 2835, 2835, 256, 0) + palette, runs)
    rows = b"".join(np.asarray(scene())[::-1][row, :, ::-1].tobytes() for row in range(HEIGHT))
    yield bmp(struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24), rows)
    yield bmp(struct.pack("<IiiHHIIiiII", 40, WIDTH, -HEIGHT, 1, 24, 0, len(rows), 0, 0, 0, 0), rows)
    four = np.dstack([np.asarray(scene())[::-1, :, ::-1], np.zeros((HEIGHT, WIDTH), np.uint8)]).tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, WIDTH, HEIGHT, 1, 32, 3, len(four), 0, 0, 0, 0) + masks
    yield bmp(head + b"BGRs" + bytes(48), four)
    yield bmp(
        struct.pack("<IiiHHIIiiII", 124, WIDTH, HEIGHT, 1, 32, 3, len(four), 0, 0, 0, 0) + masks + bytes(68), four
    )


def bmp(head: bytes, pixels: bytes) -> bytes:
    start = 14 + len(head)
    return struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start) + head + pixels


def other_seeds() -> Iterator[bytes]:
    """Formats that may be read, where an extra is there, or are refused."""
    yield saved(scene("P"), "GIF")
    yield saved(scene("P"), "GIF", save_all=True, append_images=[scene("P").rotate(90)])
    yield saved(scene(), "AVIF", quality=60)
    yield saved(scene(), "JPEG2000")
    yield saved(scene(), "ICO")
    yield saved(scene(), "PPM")
    yield saved(scene(), "TGA")
    yield saved(scene(), "PDF")


@functools.cache
def picture_seeds() -> dict[str, tuple[bytes, ...]]:
    """Whole files by format; those of real photographs at the end of each."""
    made = {
        "PNG": [*png_seeds()],
        "JPEG": [*jpeg_seeds()],
        "WebP": [*webp_seeds()],
        "TIFF": [*tiff_seeds()],
        "BMP": [*bmp_seeds()],
        "others": [*other_seeds()],
    }
    for photo in photographs():
        made["PNG"].append(saved(photo, "PNG"))
        made["JPEG"].append(saved(photo, "JPEG", exif=exif_block()))
        made["WebP"].append(saved(photo, "WEBP", quality=70))
    for data in given_files():
        kind = next((name for name, magic in MAGIC.items() if data.startswith(magic)), "others")
        made[kind].append(data)
    return {kind: tuple(files) for kind, files in made.items()}


MAGIC = {"PNG": b"\x89PNG", "JPEG": b"\xff\xd8\xff", "WebP": b"RIFF", "TIFF": b"II*\0", "BMP": b"BM"}


def photographs() -> list[Image.Image]:
    """Small photographs of packages that ship some, where these are installed."""
    found = []
    try:
        from skimage import data

        found += [Image.fromarray(data.astronaut()), Image.fromarray(data.chelsea())]
    except ImportError:
        pass
    try:
        from sklearn.datasets import load_sample_image

        found.append(Image.fromarray(load_sample_image("flower.jpg")))
    except ImportError:
        pass
    for photo in found:
        photo.thumbnail((128, 128))
    return found


def given_files() -> Iterator[bytes]:
    """Small pictures of the folder that `SAMPLES` names."""
    place = os.environ.get(SAMPLES, "")
    if place:
        for file in sorted(Path(place).rglob("*")):
            if (
                file.suffix.lower() in (".png", ".jpg", ".webp", ".tif", ".bmp", ".gif")
                and file.stat().st_size < 1 << 18
            ):
                yield file.read_bytes()


@functools.cache
def mask_seeds() -> tuple[bytes, ...]:
    """Masks of the scene, of the kinds that people paint and programs write."""
    mask = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(mask).rectangle((16, 12, 40, 36), fill=255)
    brush = Image.new("RGBA", (WIDTH, HEIGHT))
    ImageDraw.Draw(brush).ellipse((16, 12, 40, 36), fill=(255, 255, 255, 200))
    labels = mask.point(lambda level: level // 255 * 3)
    deep = Image.fromarray(np.asarray(mask).astype(np.uint16) * 257)
    pictures = (mask, mask.convert("1"), mask.convert("P"), mask.convert("RGB"), brush, labels, deep)
    return (
        *(saved(picture, "PNG") for picture in pictures),
        saved(mask, "JPEG"),
        saved(mask, "TIFF", compression="tiff_lzw"),
        saved(mask.convert("1"), "BMP"),
    )


COLOURS = {"cat": [220, 30, 40], "background": [254, 254, 254]}


@functools.cache
def map_seeds() -> tuple[bytes, ...]:
    """Maps of objects in the colours of `COLOURS`."""
    drawn = Image.new("RGB", (WIDTH, HEIGHT), (254, 254, 254))
    ImageDraw.Draw(drawn).rectangle((16, 12, 40, 36), fill=(220, 30, 40))
    return saved(drawn, "PNG"), saved(drawn.convert("P"), "PNG"), saved(drawn.resize((128, 96)), "BMP")
