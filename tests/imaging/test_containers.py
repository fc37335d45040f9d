"""Files taken apart and put together: what goes in comes out, and the pixels stay."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from intarsia.imaging.containers import exif, jpeg, photoshop, png, tiff, webp
from intarsia.imaging.containers.pieces import Chunk, Density, Pieces, Segment, Span, SplicedFile
from tests.imaging.metadata_files import IPTC, PREVIEW, block, encoded, full, packet, pixels, resources, text

PICTURES = {kind: encoded(kind, pixels()) for kind in ("JPEG", "PNG", "WEBP")}
BYTES = st.one_of(
    st.just(b""), st.binary(min_size=1, max_size=60), st.integers(65_000, 200_000).map(lambda n: b"\xff" * n)
)


def apart(take: Callable[[Any], Pieces], content: bytes) -> Pieces:
    return take(io.BytesIO(content))


def shown(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


@settings(max_examples=40)
@given(
    st.binary(min_size=1, max_size=65_000).filter(lambda b: not b.startswith(b"http")),
    BYTES,
    BYTES,
    st.lists(st.binary(max_size=50), max_size=3),
    st.lists(st.binary(max_size=50).map(lambda b: Segment(0xE7, b)), max_size=3),
)
def test_a_jpeg_gives_back_what_was_put_in(
    block: bytes, icc: bytes, photoshop: bytes, comments: list[bytes], segments: list[Segment]
) -> None:
    whole = jpeg.put_together(
        PICTURES["JPEG"],
        exif=block,
        icc=icc,
        photoshop=photoshop,
        comments=comments,
        segments=segments,
        packet=b"<main/>" * 9,
        density=Density(300, 200, "cm"),
    )
    found = apart(jpeg.take_apart, whole)
    assert (found.exif, found.icc, found.photoshop) == (block, icc, photoshop)
    assert (found.comments, found.segments, found.lost) == (comments, segments, [])
    assert found.xmp == [b"<main/>" * 9] and found.density == Density(300, 200, "cm")
    assert found.bare is not None
    bare = SplicedFile(io.BytesIO(whole), found.bare).read()
    assert len(bare) == len(PICTURES["JPEG"]) and (shown(bare) == shown(PICTURES["JPEG"])).all()
    assert (shown(whole) == shown(PICTURES["JPEG"])).all()


@settings(max_examples=40)
@given(
    BYTES,
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40), max_size=3),
    st.binary(min_size=1, max_size=99),
)
def test_a_png_gives_back_what_was_put_in(icc: bytes, texts: list[str], block: bytes) -> None:
    chunks = [png.text_chunk(f"key {k}", value) for k, value in enumerate(texts)] + [Chunk(b"eXIf", b"II" + block)]
    whole = png.put_together(
        PICTURES["PNG"],
        [
            *([png.profile_chunk(icc)] if icc else []),
            png.density_chunk(Density(2, 1, "ratio")),
            *chunks,
            png.packet_chunk(b"<x/>"),
        ],
    )
    found = apart(png.take_apart, whole)
    assert (found.icc, found.exif, found.xmp, found.lost) == (icc, b"II" + block, [b"<x/>"], [])
    said = [png.unpacked(chunk, 10**6) for chunk in found.chunks]
    assert [png.said(text) for text in said if text] == texts and found.density == Density(2, 1, "ratio")
    assert found.bare is not None and SplicedFile(io.BytesIO(whole), found.bare).read() == PICTURES["PNG"]
    assert (shown(whole) == shown(PICTURES["PNG"])).all()


@settings(max_examples=40)
@given(BYTES, st.binary(max_size=99), BYTES)
def test_a_webp_gives_back_what_was_put_in(icc: bytes, block: bytes, packet: bytes) -> None:
    whole = webp.put_together(PICTURES["WEBP"], (40, 24), alpha=False, icc=icc, exif=block, packet=packet)
    found = apart(webp.take_apart, whole)
    assert (found.icc, found.exif, b"".join(found.xmp)) == (icc, block.removeprefix(b"Exif\0\0"), packet)
    assert (shown(whole) == shown(PICTURES["WEBP"])).all()
    if found.bare is not None:
        bare = SplicedFile(io.BytesIO(whole), found.bare).read()
        assert (shown(bare) == pixels()).all() and len(bare) <= len(PICTURES["WEBP"]) + 18


@settings(max_examples=30)
@given(
    st.sampled_from("<>"),
    st.dictionaries(st.sampled_from([700, 33723, 34377, 34675]), st.binary(min_size=1, max_size=99)),
    st.sampled_from([3, 4]),
)
def test_a_tiff_gives_back_what_was_put_in(order: str, held: dict[int, bytes], channels: int) -> None:
    made = block(order, preview=False)
    layers = pixels(700, 40, channels)
    whole = tiff.put_together(layers, made, {tag: exif.NewEntry(7, len(value), value) for tag, value in held.items()})
    assert whole[8 : len(made)] == made[8:], "the camera's own notes find their values"
    with Image.open(io.BytesIO(whole)) as picture:
        assert picture.mode == ("RGBA" if channels == 4 else "RGB")
        assert (np.asarray(picture.transpose(Image.Transpose.ROTATE_90)) == layers).all(), "EXIF's orientation is 6"
    found = apart(tiff.take_apart, whole)
    assert (found.icc, found.iptc, found.photoshop) == tuple(held.get(tag, b"") for tag in (34675, 33723, 34377))
    assert b"".join(found.xmp) == held.get(700, b"") and found.density == Density(300, 200)
    assert exif.comment_of(found.exif) == exif.comment_of(made) and exif.stored_orientation(found.exif) == 6
    assert b"Zo\xc3\xab" in found.exif and b"CAMERA\0\0" in found.exif


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_spliced_file_reads_as_one(size: int) -> None:
    source = bytes(range(256)) * 40
    parts: list[bytes | Span] = [b"head", Span(10, 5000), b"", Span(9000, 100), b"tail", Span(10_239, 1)]
    expected = b"head" + source[10:5010] + source[9000:9100] + b"tail" + source[10_239:]
    file = io.BufferedReader(SplicedFile(io.BytesIO(source), parts), size)
    assert file.read() == expected
    for at in (0, 3, 4, 5003, 5004, len(expected) - 1, len(expected), len(expected) + 9):
        file.seek(at)
        assert file.read(7) == expected[at : at + 7]
    assert file.seek(-2, io.SEEK_END) == len(expected) - 2 and file.read() == expected[-2:]


def test_a_profile_that_lacks_pieces_is_named() -> None:
    icc = b"\1" * 200_000
    whole = jpeg.put_together(PICTURES["JPEG"], icc=icc)
    first = whole.index(jpeg.ICC) - 4
    length = struct.unpack(">H", whole[first + 2 : first + 4])[0]
    found = apart(jpeg.take_apart, whole[:first] + whole[first + 2 + length :])
    assert not found.icc and found.lost == ["its colour profile, of which pieces are missing"]


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        (Segment(0xEB, b"JP\0\1\0\0\0\1" + b"c2pa" * 9), jpeg.MANIFEST),
        (Segment(0xE2, b"MPF\0II*\0" + bytes(30)), jpeg.FURTHER),
        (Segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0"), jpeg.FURTHER),
    ],
)
def test_what_an_edit_makes_false_is_left_out_of_a_jpeg(addition: Segment, said: str) -> None:
    found = apart(jpeg.take_apart, jpeg.put_together(PICTURES["JPEG"], segments=[addition]))
    assert found.segments == [] and found.lost == [said]
    assert apart(jpeg.take_apart, PICTURES["JPEG"] + b"\0\0\0\x18ftypmp42" + bytes(range(40))).lost == [jpeg.TAIL]
    assert apart(jpeg.take_apart, PICTURES["JPEG"] + b"\0" * 999).lost == []


def test_chunks_that_tell_of_old_pixels_leave_a_png_and_others_stay() -> None:
    found = apart(png.take_apart, full("PNG"))
    assert [chunk.kind for chunk in found.chunks] == [b"tEXt", b"zTXt", b"iTXt", b"vpAg"]
    assert [chunk.kind for chunk in found.colour] == [b"iCCP"] and found.lost == []


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"gAMA", b"iCCP", b"pHYs", b"tRNS", b"quIt"])
def test_a_chunk_with_a_wrong_checksum_is_named(kind: bytes) -> None:
    wrong = png.chunk_bytes(Chunk(kind, b"key\0" + bytes(9)))[:-4] + b"\0\0\0\0"
    found = apart(png.take_apart, png.put_together(PICTURES["PNG"], [])[:33] + wrong + PICTURES["PNG"][33:])
    assert len(found.lost) == 1 and found.lost[0].endswith("which is damaged")
    assert found.bare is not None and not found.chunks and not found.colour


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_long_texts_of_a_png_are_unpacked_and_endless_ones_named(kind: bytes) -> None:
    long = text("workflow", "{}" * 10**6, kind=kind)
    whole = png.put_together(PICTURES["PNG"], [long, text("short", "{}", kind=kind)])
    chunks = apart(png.take_apart, whole).chunks
    said = [png.unpacked(chunk, 10**7) for chunk in chunks]
    assert said[0] is not None and said[0].value == b"{}" * 10**6 and chunks[1] == text("short", "{}", kind=kind)
    with Image.open(io.BytesIO(png.put_together(PICTURES["PNG"], chunks))) as picture:
        assert picture.text["workflow"] == "{}" * 10**6  # type: ignore[attr-defined]
    bomb = Chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(2**25)))
    found = apart(png.take_apart, png.put_together(PICTURES["PNG"], [bomb]))
    assert found.chunks == [] and found.lost == ['its text "bomb", which is damaged or more than 16 MiB']


@pytest.mark.parametrize("kind", ["exif", "APP1", "iptc", "8bim", "xmp"])
def test_blocks_that_programs_keep_as_texts_are_read(kind: str) -> None:
    content = {"exif": b"Exif\0\0" + block(), "APP1": b"Exif\0\0" + block(), "iptc": resources(), "8bim": resources()}
    given = content.get(kind, packet())
    found = apart(png.take_apart, png.put_together(PICTURES["PNG"], [png.raw_profile_chunk(kind, given)]))
    assert found.chunks == []
    assert (found.exif, found.photoshop, b"".join(found.xmp)) == (
        given[6:] if kind in ("exif", "APP1") else b"",
        given if kind in ("iptc", "8bim") else b"",
        given if kind == "xmp" else b"",
    )


def test_previews_leave_photoshop_s_data() -> None:
    tidied, whole = photoshop.tidy(resources())
    assert whole and PREVIEW not in tidied and photoshop.iptc_of(tidied) == IPTC and b"example.org" in tidied
    assert photoshop.tidy(tidied) == (tidied, True)
    assert photoshop.tidy(resources()[:-9]) == (photoshop.with_iptc(IPTC), False)
    assert photoshop.texts_of(IPTC) == {
        "creator": "Zoë",
        "subject": "cat\0plant",
        "rights": "© 2024",
        "description": "A cat.",
    }
    assert photoshop.texts_of(b"\x1c\x02\x50\x00\x03Zo\xeb") == {"creator": "Zoë"}


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exiftool_finds_nothing_wrong(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(full(kind))
    done = subprocess.run(
        ["exiftool", "-validate", "-error", "-Artist", "-Title", "-s", "-S", path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Zoë Müller" in done.stdout and "Cat & plant" in done.stdout and "Error" not in done.stdout


@pytest.mark.parametrize(
    ("keyword", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nCopyright", "HTTP/1.1 200 OK Copyright"),
        (b"\x1b[31mred", "[31mred"),
        (b"\x00", "tEXt"),
        (b"\n", "tEXt"),
        (b"a" * 200, "a" * 79),
        ("Größe".encode("latin-1"), "Größe"),
    ],
)
def test_a_text_s_keyword_is_told_in_a_line(keyword: bytes, said: str) -> None:
    assert png.name_of(Chunk(b"tEXt", keyword + b"\0text")) == said


def test_endless_files_are_read_to_a_limit() -> None:
    """Many small parts that unpack to much, or that a file has without end, take no time and no memory."""
    packed = png.chunk_bytes(Chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(2**24 - 99))))
    whole = PICTURES["PNG"][:33] + packed * 400 + PICTURES["PNG"][33:]
    found = apart(png.take_apart, whole)
    assert sum(len(chunk.body) for chunk in found.chunks) <= 2**26 and len(found.lost) == 1
    marks = jpeg.segment(0xFE, b"") * 300_000
    found = apart(jpeg.take_apart, PICTURES["JPEG"][:2] + marks + PICTURES["JPEG"][2:])
    assert found.lost and len(found.comments) < 200_001
    assert found.bare is not None and found.bare[-1].length > 400_000  # type: ignore[union-attr]
    table = struct.pack("<H", 60_000) + struct.pack("<HHII", 700, 7, 2**20, 8) * 60_000 + bytes(4)
    tidied = exif.tidy(b"II*\0\x08\0\0\0" + table + bytes(2**20), (9, 9))
    assert tidied.damaged


@pytest.mark.parametrize("sides", [(1.5, 2e9), (0.00001, 2.5), (2**32 - 1, 1)])
def test_a_png_holds_a_ratio_of_any_numbers(sides: tuple[float, float]) -> None:
    chunk = png.density_chunk(Density(*sides, "ratio"))
    found = apart(png.take_apart, png.put_together(PICTURES["PNG"], [chunk]))
    assert found.density is not None and found.density.unit == "ratio"
