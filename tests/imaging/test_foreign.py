"""What is not read is called what it is: another format, something saved in a picture's place, or a rare coding of a format
that is read; and what helps is said. Nothing whole is called damaged, and no picture is called none."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from PIL import Image

from intarsia.errors import PictureError
from intarsia.imaging.formats import READABLE, format_of
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import read_mask
from intarsia.imaging.read import read_photo
from tests.imaging.image_files import noise

PIXELS = noise(32, 24)
PHOTO = Image.fromarray(PIXELS)
LIGHT = PIXELS / 255
CONVERT = "convert it to PNG, JPEG, WebP, TIFF or BMP"


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    PHOTO.convert(mode).save(file, kind, **options)
    return file.getvalue()


def encoded(ending: str, pixels: np.ndarray) -> bytes:
    done, data = cv2.imencode(ending, pixels)
    assert done
    return data.tobytes()


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


FORMATS: dict[str, tuple[Callable[[], bytes] | bytes, str]] = {
    "TGA": (lambda: saved("TGA"), "TGA"),
    "TGA, packed": (lambda: saved("TGA", compression="tga_rle"), "TGA"),
    "TGA, grey": (lambda: saved("TGA", "L"), "TGA"),
    "TGA, with a palette": (lambda: saved("TGA", "P"), "TGA"),
    "TGA, transparent": (lambda: saved("TGA", "RGBA"), "TGA"),
    "PCX": (lambda: saved("PCX"), "PCX"),
    "SGI": (lambda: saved("SGI"), "SGI"),
    "DDS": (lambda: saved("DDS"), "DDS"),
    "ICNS": (lambda: saved("ICNS"), "ICNS, an icon"),
    "ICO": (lambda: saved("ICO"), "ICO, an icon"),
    "cursor": (b"\0\0\2\0\1\0", "CUR, a cursor"),
    "PPM": (lambda: saved("PPM"), "PPM"),
    "PPM in figures": (b"P3 2 2\n255\n" + b"0 " * 12, "PPM"),
    "PGM with a remark": (b"P5\n# made by hand\n2 2\n255\n0000", "PGM"),
    "PBM": (lambda: saved("PPM", "1"), "PBM"),
    "PBM in figures": (b"P1\n2 2\n0 1 1 0\n", "PBM"),
    "PAM": (b"P7\nWIDTH 2\nHEIGHT 2\n", "PAM"),
    "PFM": (lambda: encoded(".pfm", LIGHT.astype(np.float32)), "PFM"),
    "Radiance": (lambda: encoded(".hdr", LIGHT.astype(np.float32)), "Radiance HDR"),
    "OpenEXR": (b"v/1\x01\2\0\0\0", "OpenEXR"),
    "JPEG 2000": (lambda: saved("JPEG2000"), "JPEG 2000"),
    "JPEG-LS": (b"\xff\xd8\xff\xf7\0\x0b\x08\0\x18\0\x20\1\1\x11\0", "JPEG-LS"),
    "JPEG XL": (b"\xff\x0a\xfa\x1f", "JPEG XL"),
    "QOI": (lambda: saved("QOI") if "QOI" in Image.SAVE else b"qoif\0\0\0\x20\0\0\0\x18\3\0", "QOI"),
    "Krita": (lambda: zipped("mimetype", b"application/x-krita"), "KRA, Krita's own format"),
    "OpenRaster": (lambda: zipped("mimetype", b"image/openraster"), "OpenRaster"),
    "Photoshop, large": (b"8BPS\0\2" + bytes(60), "PSD, Photoshop's own format"),
    "Affinity": (b"\0\xffKA" + bytes(60), "Affinity's own format"),
    "Clip Studio": (b"CSFCHUNK" + bytes(60), "CLIP, Clip Studio Paint's own format"),
    "Paint.NET": (b"PDN3" + bytes(60), "PDN, Paint.NET's own format"),
    "FITS": (b"SIMPLE  =                    T", "FITS"),
    "DICOM": (bytes(128) + b"DICM\2\0\0\0", "DICOM"),
    "DjVu": (b"AT&TFORM" + bytes(60), "DjVu"),
    "EMF": (b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60), "EMF, a drawing"),
    "WMF": (b"\xd7\xcd\xc6\x9a" + bytes(60), "WMF, a drawing"),
    "XBM": (lambda: saved("XBM", "1"), "XBM"),
    "XPM": (b"/* XPM */\nstatic char *a[] = {", "XPM"),
    "MNG": (b"\x8aMNG\r\n\x1a\n", "MNG"),
    "BPG": (b"BPG\xfb" + bytes(60), "BPG"),
    "SVG behind a long head": (
        b'<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "x" [' + b"<!ENTITY a 'b'>" * 99,
        "SVG, a drawing",
    ),
    "Canon's first raw": (b"II\x1a\0\0\0HEAPCCDR", "a camera's raw picture"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_other_formats_of_pictures_are_named(tmp_path: Path, name: str) -> None:
    content, kind = FORMATS[name]
    file = tmp_path / "photo.jpg"  # as people rename it, in the hope that it helps
    file.write_bytes(content if isinstance(content, bytes) else content())
    with pytest.raises(PictureError) as refused:
        read_photo(file)
    assert str(refused.value) == f"The picture {file} is {kind}, which is not supported: {CONVERT}."


OTHERS: dict[str, tuple[bytes, str, str]] = {
    "film of QuickTime": (b"\0\0\0\x08wide\0\0\0\x08mdat", r"a film \(QuickTime\)", "save the one of its pictures"),
    "film of phones": (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", r"a film \(MP4\)", "save the one of its pictures"),
    "film of the web": (b"\x1a\x45\xdf\xa3" + bytes(60), r"a film \(Matroska\)", "save the one of its pictures"),
    "film of Windows": (b"RIFF\0\0\1\0AVI LIST" + bytes(60), r"a film \(AVI\)", "save the one of its pictures"),
    "sound of Windows": (b"RIFF\0\0\1\0WAVEfmt " + bytes(60), r"a sound \(WAV\)", "give a picture"),
    "sound": (b"ID3\4\0" + bytes(60), "a sound", "give a picture"),
    "web page": (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page", "download the file itself"),
    "web page, told late": (b"\n\n <HTML lang=en>", "a web page", "download the file itself"),
    "refusal of a storage": (b'<?xml version="1.0"?><Error/>', "a web page", "download the file itself"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS", "git lfs pull"),
    "zeros": (bytes(5000), "nothing but zeros", "copy or download it again"),
    "blanks": (b" \n" * 40, "is empty", "copy or download it again"),
    "archive": (zipped("photo.png", b"..."), r"an archive \(ZIP\)", "take the picture out of it"),
    "document": (zipped("[Content_Types].xml", b"<x/>"), r"an archive \(ZIP\)", "take the picture out of it"),
    "packed file": (b"\x1f\x8b\x08" + bytes(60), r"an archive \(gzip\)", "take the picture out of it"),
    "7-Zip": (b"7z\xbc\xaf\x27\x1c" + bytes(60), r"an archive \(7z\)", "take the picture out of it"),
    "RAR": (b"Rar!\x1a\7\0" + bytes(60), r"an archive \(RAR\)", "take the picture out of it"),
    "what macOS writes beside it": (
        b"\0\5\x16\7\0\2\0\0Mac OS X",
        "macOS",
        "give the one of that name",
    ),
    "array": (b"\x93NUMPY\1\0v\0{'descr': '|b1'}", "an array of NumPy", "save it as PNG"),
    "base64": (base64.b64encode(saved("JPEG")), r"a picture written as text \(base64\)", "decode it"),
    "data URL": (b"data:image/png;base64,iVBORw0KGgo", r"a picture written as text \(base64\)", "decode it"),
    "words": ("Ein Bild, größer\n".encode() * 90, "text", "give the picture itself"),
    "words of Windows": ("A picture\n".encode("utf-16"), "text", "give the picture itself"),
    "JSON": (b'{"photo": "a.png"}', "text", "give the picture itself"),
    "anything": (bytes(range(1, 256)) * 4, "no picture of a kind that is known here", CONVERT),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_picture_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    content, what, remedy = OTHERS[name]
    file = tmp_path / "photo.png"
    file.write_bytes(content)
    with pytest.raises(PictureError, match=f"{what}.*: .*{remedy}") as refused:
        read_photo(file)
    assert "damaged" not in str(refused.value) and str(refused.value).count(".png") == 1


def targa(
    *, mapped: int = 0, kind: int = 2, colours: int = 0, each: int = 0, sides: tuple[int, int] = (9, 7), bits: int = 24
) -> bytes:
    """The head of a TGA, with each field that tells it from other files."""
    return struct.pack("<BBBHHBHHHHBB", 0, mapped, kind, 0, colours, each, 0, 0, *sides, bits, 0) + bytes(40)


TARGAS: dict[str, tuple[dict[str, object], bool]] = {
    "plain": ({}, True),
    "packed": ({"kind": 10, "bits": 32}, True),
    "grey": ({"kind": 3, "bits": 8}, True),
    "with a palette": ({"mapped": 1, "kind": 9, "colours": 256, "each": 24, "bits": 8}, True),
    "without pixels": ({"kind": 0}, False),
    "of a palette that is not there": ({"kind": 9, "bits": 8}, False),
    "of no kind": ({"kind": 4}, False),
    "without width": ({"sides": (0, 7)}, False),
    "too high": ({"sides": (9, 40_000)}, False),
    "of odd bits": ({"bits": 23}, False),
    "with colours": ({"colours": 1}, False),
    "with bits of colours": ({"each": 24}, False),
    "in colour with a palette": ({"mapped": 1, "colours": 256, "each": 24, "bits": 8}, False),
    "without colours": ({"mapped": 1, "kind": 1, "each": 24, "bits": 8}, False),
    "of 24 bits with a palette": ({"mapped": 1, "kind": 1, "colours": 256, "each": 24}, False),
    "of no map": ({"mapped": 2}, False),
}


@pytest.mark.parametrize("name", TARGAS)
def test_a_targa_is_known_by_fields_that_make_sense_together(name: str) -> None:
    fields, is_one = TARGAS[name]
    assert format_of(targa(**fields)) == ("TGA" if is_one else "")  # type: ignore[arg-type]


def test_a_targa_is_told_from_its_whole_head_and_its_reserved_bits() -> None:
    head = targa()
    assert format_of(head[:18]) == "TGA"
    assert format_of(head[:17]) == format_of(head[:17] + b"\x40" + head[18:]) == ""


@pytest.mark.parametrize(
    "words", ["P1 and P2 were seen", "PF was here", "P7 is the best", "#define a_line 3", "icn", "DDS"]
)
def test_words_are_no_format(words: str) -> None:
    assert format_of(words.encode()) == ""


def tiff(
    pixels: np.ndarray,
    *,
    form: int = 1,
    light: int = 2,
    packed: int = 1,
    order: Literal["<", ">"] = "<",
) -> bytes:
    """A TIFF of one strip, of numbers in any form.

    Args:
        form: 1 of whole numbers, 2 of signed ones, 3 of floating-point ones.
        light: what the channels mean: 1 grey, 2 RGB, 5 CMYK, 32803 a camera's raw pixels.
        packed: how the strip is compressed, as the tag says; it is not.
    """
    height, width, channels = pixels.shape
    raw = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    entries = [
        (256, "I", [width]),
        (257, "I", [height]),
        (258, "H", [8 * pixels.dtype.itemsize] * channels),
        (259, "H", [packed]),
        (262, "H", [light]),
        (273, "I", [0]),
        (277, "H", [channels]),
        (278, "I", [height]),
        (279, "I", [len(raw)]),
        (339, "H", [form] * channels),
    ]
    behind = 8 + 2 + 12 * len(entries) + 4
    far = [struct.pack(f"{order}{len(values)}{kind}", *values) for _, kind, values in entries]
    place = behind + sum(len(value) for value in far if len(value) > 4)
    table = struct.pack(f"{order}H", len(entries))
    for (tag, kind, values), value in zip(entries, far, strict=True):
        content = struct.pack(f"{order}I", place) if tag == 273 else value.ljust(4, b"\0")
        if len(value) > 4:
            content = struct.pack(f"{order}I", behind)
            behind += len(value)
        table += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], len(values)) + content
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + table + bytes(4) + b"".join(value for value in far if len(value) > 4) + raw


def jpeg_as(marker: int, bits: int = 8) -> bytes:
    """A JPEG whose frame says that it is coded otherwise."""
    data = bytearray(saved("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = marker, bits
    return bytes(data)


def bmp(bits: int, packed: int) -> bytes:
    content = bytes(4000)
    head = struct.pack("<IiiHHIIiiII", 40, 24, 32, 1, bits, packed, len(content), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(content), 0, 0, 54) + head + content


def for_phones() -> bytes:
    """A PNG as Xcode packs it: a chunk of its own before all others, and pixels without zlib's head."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 32, 24, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in PIXELS)
    chunks = ((b"CgBI", b"\x50\0\x20\2"), (b"IHDR", header), (b"IDAT", zlib.compress(rows)[2:-4]), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


GREY, FOUR = PIXELS[..., :1], np.dstack([PIXELS, PIXELS[..., :1]])
DEPTH = "a channel.*convert it to 8 bits a channel"
CODINGS: dict[str, tuple[Callable[[], bytes], str]] = {
    "TIFF of floats": (lambda: tiff(LIGHT.astype("f4"), form=3), f"floating-point numbers {DEPTH}"),
    "TIFF of floats, big-endian": (
        lambda: tiff(LIGHT.astype("f4"), form=3, order=">"),
        f"floating-point numbers {DEPTH}",
    ),
    "TIFF of half floats": (lambda: tiff(LIGHT.astype("f2"), form=3), f"floating-point numbers {DEPTH}"),
    "TIFF of double floats": (lambda: tiff(LIGHT.astype("f8"), form=3), f"floating-point numbers {DEPTH}"),
    "TIFF of half floats, grey": (
        lambda: tiff(LIGHT[..., :1].astype("f2"), form=3, light=1),
        f"floating-point numbers {DEPTH}",
    ),
    "TIFF as OpenCV writes floats": (
        lambda: encoded(".tiff", LIGHT.astype(np.float32)),
        f"floating-point numbers {DEPTH}",
    ),
    "TIFF of 32 bits": (lambda: tiff(PIXELS.astype("u4") << 24), f"32 bits {DEPTH}"),
    "TIFF of 16 bits": (lambda: tiff(PIXELS.astype("u2") * 257), f"16 bits {DEPTH}"),
    "TIFF of 16 bits, CMYK": (lambda: tiff(FOUR.astype("u2") * 257, light=5), f"16 bits {DEPTH}"),
    "TIFF of signed numbers": (
        lambda: tiff(PIXELS.astype("i1"), form=2),
        "signed numbers a channel.*convert it to 8 bits",
    ),
    "TIFF of two channels": (lambda: tiff(PIXELS[..., :2], light=1), "channels.*convert it to RGB"),
    "TIFF of five channels": (lambda: tiff(np.dstack([PIXELS, PIXELS[..., :2]])), "5 channels.*convert it to RGB"),
    "TIFF of raw pixels": (lambda: tiff(GREY, light=32803), "camera's raw picture.*develop it"),
    "TIFF with JPEG XL inside": (lambda: tiff(PIXELS, packed=50002), r"JPEG XL.*save it with LZW"),
    "TIFF with JPEG 2000 inside": (lambda: tiff(PIXELS, packed=34712), r"JPEG 2000.*save it with LZW"),
    "TIFF with JBIG inside": (lambda: tiff(GREY, light=1, packed=34661), r"JBIG.*save it with LZW"),
    "TIFF packed by who knows": (lambda: tiff(PIXELS, packed=40001), r"method 40001.*save it with LZW"),
    "TIFF of LogLuv": (lambda: tiff(PIXELS, light=32845, packed=34676), f"floating-point numbers {DEPTH}"),
    "JPEG of 12 bits": (lambda: jpeg_as(0xC1, 12), f"12 bits {DEPTH}"),
    "JPEG of 12 bits, in passes": (lambda: jpeg_as(0xC2, 12), f"12 bits {DEPTH}"),
    "JPEG without loss": (lambda: jpeg_as(0xC3), "lossless JPEG.*save it as PNG or as a usual JPEG"),
    "JPEG in layers": (lambda: jpeg_as(0xC5), "hierarchical JPEG.*save it as PNG or as a usual JPEG"),
    "BMP with JPEG inside": (lambda: bmp(0, 4), "a JPEG inside.*save it as PNG"),
    "BMP with PNG inside": (lambda: bmp(0, 5), "a PNG inside.*save it as PNG"),
    "BMP of 64 bits": (lambda: bmp(64, 0), "64 bits a pixel.*save it as PNG"),
    "BMP of 2 bits": (lambda: bmp(2, 0), "2 bits a pixel.*save it as PNG"),
    "PNG for phones": (for_phones, "Xcode.*save it as a usual PNG"),
}


@pytest.mark.parametrize("name", CODINGS)
def test_what_is_whole_is_not_called_damaged(tmp_path: Path, name: str) -> None:
    content, said = CODINGS[name]
    file = tmp_path / "photo"
    file.write_bytes(content())
    assert format_of(file.read_bytes()[:1024]) in READABLE
    with pytest.raises(PictureError, match=said) as refused:
        read_photo(file)
    assert "damaged" not in str(refused.value)


@pytest.mark.parametrize("name", [name for name in CODINGS if "16 bits" not in name])
def test_nor_is_it_of_a_mask(tmp_path: Path, name: str) -> None:
    file = tmp_path / "mask"
    file.write_bytes(CODINGS[name][0]())
    with pytest.raises(PictureError) as refused:
        read_mask(file, Size(32, 24))
    assert "damaged" not in str(refused.value) and "keep 8 bits" not in str(refused.value)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "BMP", "PNG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_what_is_cut_off_is_still_called_so(tmp_path: Path, kind: str, share: float) -> None:
    content = saved(kind)
    file = tmp_path / "photo"
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(PictureError, match="cut off or damaged"):
        read_photo(file)


def test_usual_codings_of_the_same_builders_are_read(tmp_path: Path) -> None:
    for content in (tiff(PIXELS), tiff(PIXELS, order=">"), tiff(FOUR, light=5), bmp(24, 0), jpeg_as(0xC0)):
        file = tmp_path / "photo"
        file.write_bytes(content)
        assert read_photo(file).pixels.shape[2] == 3
