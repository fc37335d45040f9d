"""What a picture's file carries arrives in what is written of it, from every format in every other."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from intarsia.errors import PictureError
from intarsia.imaging import metadata
from intarsia.imaging.containers import exif, jpeg, photoshop, png, profiles, xmp, xmp_nodes
from intarsia.imaging.containers.pieces import Chunk, Density, Pieces, Segment
from intarsia.imaging.metadata import EDITED, TRAINED
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import read_metadata, read_photo, read_text_chunk
from intarsia.imaging.write import write_photo
from intarsia.notes import collected
from intarsia.results.export import export_picture, mark_of
from tests.imaging.metadata_files import DISPLAY_P3, ENCODED, IPTC, PREVIEW, block, encoded, full, packet, pixels, text
from tests.paths import SAMPLES

ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "TIFF": ".tif"}
FAULTS = SAMPLES / "faults"


def taken(path: Path) -> Pieces:
    with path.open("rb") as file:
        return metadata.take_apart(file, read_photo(path).format)


def file_of(folder: Path, content: bytes, kind: str) -> Path:
    path = folder / f"given{ENDINGS[kind]}"
    path.write_bytes(content)
    return path


def edited(photo: Photo, folder: Path, target: str, **options: object) -> tuple[Path, list[str]]:
    """A photo written in a format, and what is noted."""
    with collected() as said:
        return write_photo(photo, folder / f"made{ENDINGS[target]}", **options), said  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ENDINGS)
@pytest.mark.parametrize("target", ENDINGS)
def test_what_can_travel_travels_and_one_note_names_the_rest(tmp_path: Path, source: str, target: str) -> None:
    photo = read_photo(file_of(tmp_path, full(source), source))
    assert photo.orientation == 6 and photo.size.width == 24
    path, said = edited(photo, tmp_path, target, text={"intarsia": '{"seed": 1}'})
    again, found = read_photo(path), taken(path)
    if target != "JPEG":
        assert (again.pixels == photo.pixels).all()
    assert PREVIEW not in path.read_bytes()
    # EXIF, profile, XMP and resolution go everywhere.
    assert again.orientation == 1 and ENCODED["utf-8"] in found.exif and b"CAMERA\0\0" in found.exif
    if source != "TIFF" and target not in ("WEBP", "TIFF"):
        assert again.exif == photo.exif
    assert again.icc == DISPLAY_P3 and again.dpi == pytest.approx((200, 300), abs=0.02)
    assert b"Cat &amp; plant" in found.xmp[0] and mark_of(path) == TRAINED
    assert read_text_chunk(path) == '{"seed": 1}'
    # The rest goes where it has a place.
    iptc = photoshop.iptc_of(found.photoshop) or found.iptc
    if source in ("JPEG", "TIFF"):
        assert target == "WEBP" or iptc == IPTC
        assert target != "WEBP" or "Zoë" in found.xmp[0].decode()
    if source == "PNG":
        keys = [png.key_of(chunk) for chunk in found.chunks]
        assert target != "PNG" or keys[:3] == [b"Copyright", b"workflow", b"Description"]
        assert target == "PNG" or "© 2024 Zoë" in found.xmp[0].decode()
    if source == "JPEG":
        comments = [
            png.said(text) for chunk in found.chunks if (text := png.unpacked(chunk, 99)) and text.key == b"Comment"
        ]
        assert target != "PNG" or comments == ["größer"]
        assert target not in ("WEBP", "TIFF") or "größer" in found.xmp[0].decode()
        assert target != "JPEG" or (found.comments, len(found.segments)) == (["größer".encode("latin-1")], 1)
    missing = {
        ("PNG", target): f'texts and chunks "workflow", "vpAg", for which {"WebP" if target == "WEBP" else target}',
        ("JPEG", target): "its application data in APP12",
        ("TIFF", "WEBP"): "its Photoshop data",
        (target, target): None,
    }.get((source, target))
    assert len(said) == (missing is not None) and (missing is None or missing in said[0])


@pytest.mark.parametrize("target", ENDINGS)
def test_without_a_record_the_photo_s_own_metadata_stay_and_nothing_is_added(tmp_path: Path, target: str) -> None:
    photo = read_photo(file_of(tmp_path, full("JPEG"), "JPEG"))
    path, _ = edited(photo, tmp_path, target)
    assert mark_of(path) is None and read_text_chunk(path) is None
    found = taken(path)
    assert ENCODED["utf-8"] in found.exif and b"Cat &amp; plant" in found.xmp[0] and b"ntarsia" not in path.read_bytes()


@pytest.mark.parametrize("source", ENDINGS)
def test_edits_of_edits_keep_it_all_but_the_former_record(tmp_path: Path, source: str) -> None:
    path, before = file_of(tmp_path, full(source), source), None
    for turn in range(3):
        photo = read_photo(path)
        record = {"intarsia": json.dumps({"seed": turn}), "parameters": f"a dog {turn}"}
        path, said = edited(photo, tmp_path, source, text=record, overwrite=True)
        found = taken(path)
        facts = (photo.exif, found.icc, found.photoshop, found.comments, [c for c in found.chunks if c.kind != b"iTXt"])
        assert read_text_chunk(path) == record["intarsia"] and said == []
        assert b'seed": 0' not in path.read_bytes() or turn == 0
        assert before is None or facts == before
        before = facts if turn else None


def test_settings_that_another_program_wrote_stay(tmp_path: Path) -> None:
    whole = png.put_together(encoded("PNG", pixels()), [text("parameters", "a cat, Steps: 20")])
    photo = read_photo(file_of(tmp_path, whole, "PNG"))
    for _ in range(2):
        path, _ = edited(photo, tmp_path, "PNG", text={"intarsia": "{}", "parameters": "a dog"}, overwrite=True)
        photo = read_photo(path)
        assert [png.said(t) for c in taken(path).chunks if (t := png.unpacked(c, 99)) and t.key == b"parameters"] == [
            "a cat, Steps: 20",
            "a dog",
        ]


def test_a_download_keeps_what_the_result_s_png_cannot_hold(tmp_path: Path) -> None:
    original = file_of(tmp_path, full("JPEG"), "JPEG")
    photo = read_photo(original)
    result, _ = edited(photo, tmp_path, "PNG", text={"intarsia": "{}"}, source=EDITED)
    file = export_picture(result, original, tmp_path / "mine")
    found, given = taken(file), taken(original)
    assert (found.comments, found.segments, found.icc) == (given.comments, given.segments, given.icc)
    assert photoshop.iptc_of(found.photoshop) == IPTC and b"Cat &amp; plant" in found.xmp[0]
    upright = exif.tidy(found.exif, (photo.size.width, photo.size.height)).block
    assert b"Exif\0\0" + upright == photo.exif and mark_of(file) == EDITED and read_text_chunk(file) == "{}"
    assert read_metadata(original)[1].xmp == photo.carried.xmp


# Density


@pytest.mark.parametrize("target", ENDINGS)
@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("JPEG", Density(300, 150)),
        ("JPEG", Density(118, 59, "cm")),
        ("JPEG", Density(16, 11, "ratio")),
        ("PNG", Density(118.11, 59.06, "cm")),
        ("PNG", Density(2, 1, "ratio")),
    ],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_pixels_keep_their_size_and_shape(
    tmp_path: Path, target: str, kind: str, given: Density, orientation: int
) -> None:
    turn = exif.orientation_block(orientation)
    picture = encoded(kind, pixels())
    if kind == "JPEG":
        whole = jpeg.put_together(picture, density=given, exif=turn)
    else:
        whole = png.put_together(picture, [png.density_chunk(given), Chunk(b"eXIf", turn)])
    photo = read_photo(file_of(tmp_path, whole, kind))
    path, _ = edited(photo, tmp_path, target)
    again = read_photo(path).carried.density
    expected = given.turned() if orientation == 6 else given
    if given.unit == "ratio":
        assert again is None or again.unit == "ratio"
        assert again is not None or target == "WEBP"
        assert again is None or again.across / again.down == pytest.approx(expected.across / expected.down)
    else:
        assert again is not None and again.dpi == pytest.approx(expected.dpi, abs=0.02 if kind == "JPEG" else 0.6)


# Colours


def as_srgb(icc: bytes, layers: np.ndarray) -> np.ndarray:
    """A picture's colours as a screen shows them."""
    srgb = ImageCms.createProfile("sRGB")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    shown = ImageCms.profileToProfile(Image.fromarray(layers), profile, srgb)
    assert shown is not None
    return np.asarray(shown)


COLOURS: dict[str, tuple[list[Chunk], bool]] = {
    "sRGB by cICP": ([Chunk(b"cICP", b"\1\x0d\0\1")], False),
    "P3 by cICP": ([Chunk(b"cICP", b"\x0c\x0d\0\1")], True),
    "P3 by cICP before sRGB": ([Chunk(b"cICP", b"\x0c\x0d\0\1"), Chunk(b"sRGB", b"\0")], True),
    "BT.2020": ([Chunk(b"cICP", b"\x09\1\0\1")], True),
    "sRGB": ([Chunk(b"sRGB", b"\0"), Chunk(b"gAMA", struct.pack(">I", 100_000))], False),
    "usual gamma": ([Chunk(b"gAMA", struct.pack(">I", 45_455))], False),
    "linear": ([Chunk(b"gAMA", struct.pack(">I", 100_000))], True),
    "gamma 1.8": ([Chunk(b"gAMA", struct.pack(">I", 55_556))], True),
    "primaries of sRGB": (
        [Chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))],
        False,
    ),
    "primaries of P3": (
        [Chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))],
        True,
    ),
    "no primaries": ([Chunk(b"cHRM", bytes(32))], False),
}


@pytest.mark.parametrize("case", COLOURS)
def test_chunks_about_colour_stay_or_become_a_profile(tmp_path: Path, case: str) -> None:
    chunks, has_profile = COLOURS[case]
    given = pixels()
    photo = read_photo(file_of(tmp_path, png.put_together(encoded("PNG", given), chunks), "PNG"))
    assert (photo.pixels == given).all() and (photo.icc is not None) is has_profile
    path, said = edited(photo, tmp_path, "PNG")
    assert taken(path).colour == chunks and not said
    for target in ("JPEG", "WEBP", "TIFF"):
        path, said = edited(photo, tmp_path, target)
        assert taken(path).icc == (photo.icc or b"") and not said


def test_profiles_mean_what_the_chunks_say() -> None:
    patches = np.array(
        [[[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128], [255, 255, 255], [10, 90, 200]]], np.uint8
    )
    for icc in (DISPLAY_P3, profiles.build(profiles.SRGB_PRIMARIES, profiles.D65, profiles.SRGB_CURVE, "sRGB")):
        assert profiles.space_of(icc) == "RGB"
    own = as_srgb(profiles.build(profiles.SRGB_PRIMARIES, profiles.D65, profiles.SRGB_CURVE, "sRGB"), patches)
    assert np.abs(own.astype(int) - patches).max() <= 1
    # A point of P3 in sRGB by the two matrices: 200, 100, 50 is 215, 93, 31 there.
    assert (
        np.abs(as_srgb(DISPLAY_P3, np.full((1, 1, 3), (200, 100, 50), np.uint8)).astype(int) - (215, 93, 31)).max() <= 1
    )
    linear = profiles.meaning([Chunk(b"gAMA", struct.pack(">I", 100_000))], None)
    assert linear is not None and abs(int(as_srgb(linear, np.full((1, 1, 3), 55, np.uint8))[0, 0, 0]) - 128) <= 2
    assert profiles.unknown_coding([Chunk(b"cICP", b"\2\2\0\1")])


@pytest.mark.parametrize("curve", [16, 18])
def test_pictures_for_hdr_displays_are_refused_in_a_sentence(tmp_path: Path, curve: int) -> None:
    whole = png.put_together(encoded("PNG", pixels()), [Chunk(b"cICP", bytes([9, curve, 0, 1]))])
    with pytest.raises(PictureError, match=r"HDR displays.*convert it to standard dynamic range"):
        read_photo(file_of(tmp_path, whole, "PNG"))


# Damage


def bare(**pieces: object) -> bytes:
    return jpeg.put_together(encoded("JPEG", pixels()), **pieces)  # type: ignore[arg-type]


LARGE = exif.with_entries(block(), {37_000: exif.NewEntry(7, 70_000, bytes(70_000))})
DAMAGED: dict[str, tuple[str, bytes, str, str]] = {
    "EXIF cut off": ("JPEG", bare(exif=block()[:80]), "JPEG", "its EXIF data, which is damaged"),
    "EXIF garbage": ("JPEG", bare(exif=b"\xff" * 99), "JPEG", "its EXIF data, which is damaged"),
    "EXIF too long": (
        "PNG",
        png.put_together(encoded("PNG", pixels()), [Chunk(b"eXIf", LARGE)]),
        "JPEG",
        "its EXIF data",
    ),
    "XMP broken": ("JPEG", bare(packet=packet()[:-70]), "JPEG", "XMP data, which cannot be read"),
    "profile garbage": ("JPEG", bare(icc=b"\1" * 300), "JPEG", "colour profile, which is damaged"),
    "profile for ink": ("JPEG", bare(icc=DISPLAY_P3[:16] + b"CMYK" + DISPLAY_P3[20:]), "JPEG", "colour profile"),
    "profile not packed": (
        "PNG",
        png.put_together(encoded("PNG", pixels()), [Chunk(b"iCCP", b"x\0\0garbage")]),
        "PNG",
        "colour profile, which is damaged",
    ),
    "profile endless": (
        "PNG",
        png.put_together(encoded("PNG", pixels()), [Chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(2**25)))]),
        "PNG",
        "colour profile, which is damaged",
    ),
    "Photoshop's cut off": (
        "JPEG",
        bare(photoshop=b"8BIM\4\4\0\0\0\0\1\0abc"),
        "JPEG",
        "Photoshop data, which is damaged",
    ),
    "manifest": ("JPEG", bare(segments=[Segment(0xEB, b"JP\0\1c2pa")]), "JPEG", "content credentials"),
    "manifest of a PNG": (
        "PNG",
        png.put_together(encoded("PNG", pixels()), [Chunk(b"caBX", b"x")]),
        "PNG",
        "content cred",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_never_costs_the_picture_and_is_named_once(tmp_path: Path, case: str) -> None:
    kind, content, target, expected = DAMAGED[case]
    photo = read_photo(file_of(tmp_path, content, kind))
    with Image.open(io.BytesIO(encoded(kind, pixels()))) as plain:
        assert np.array_equal(np.sort(photo.pixels, axis=None), np.sort(np.asarray(plain), axis=None))
    path, said = edited(photo, tmp_path, target, text={"intarsia": "{}"})
    assert len(said) == 1 and expected in said[0] and said[0].endswith(".")
    assert read_photo(path).size == photo.size and read_text_chunk(path) == "{}"
    with Image.open(path) as picture:
        picture.load()


@pytest.mark.parametrize("key", ["exif", "icc_profile", "dpi", "gamma", "transparency", "duration", "xmp", "loop"])
def test_texts_whose_keys_a_decoder_has_uses_for_harm_nothing(tmp_path: Path, key: str) -> None:
    whole = png.put_together(encoded("PNG", pixels()), [text(key, "b'Exif\\x00\\x00II*'")])
    photo = read_photo(file_of(tmp_path, whole, "PNG"))
    assert (photo.pixels == pixels()).all() and photo.exif is None and photo.icc is None
    path, said = edited(photo, tmp_path, "PNG")
    assert [png.key_of(chunk).decode() for chunk in taken(path).chunks] == [key] and not said


def test_a_long_packet_and_a_long_record_fit_into_a_jpeg(tmp_path: Path) -> None:
    long = packet(f"<crs:Look>{'mask ' * 50_000}</crs:Look>")
    whole = png.put_together(encoded("PNG", pixels()), [png.packet_chunk(long)])
    photo = read_photo(file_of(tmp_path, whole, "PNG"))
    path, said = edited(photo, tmp_path, "JPEG", text={"intarsia": "{" + "x" * 90_000})
    again = read_photo(path).carried.xmp
    assert not said and b"mask " * 50_000 in again and read_text_chunk(path) == "{" + "x" * 90_000
    assert "mask" in (xmp.first_value(again, ("http://ns.adobe.com/camera-raw-settings/1.0/", "Look")) or "")
    assert xmp_nodes.nodes_of(again)


@pytest.mark.skipif(not FAULTS.is_dir(), reason="the samples lie beside the repository, where they do")
@pytest.mark.parametrize(
    "name",
    [
        "exif-utf8.jpg",
        "exif-truncated.jpg",
        "ztxt_big.png",
        "xmp_big.png",
        "png_text_exif.png",
        "cicp_p3.png",
        "texts.png",
    ],
)
@pytest.mark.parametrize("target", ENDINGS)
def test_pictures_that_failed_once_are_read_and_written(tmp_path: Path, name: str, target: str) -> None:
    photo = read_photo(FAULTS / name)
    path, said = edited(photo, tmp_path, target, text={"intarsia": "{}"})
    again = read_photo(path)
    assert target == "JPEG" or (again.pixels == photo.pixels).all()
    if name == "exif-utf8.jpg":
        assert again.exif is not None and "Zoë Müller".encode() in again.exif and not said
    if name == "exif-truncated.jpg":
        assert "its EXIF data, which is damaged" in said[0]
    if name == "cicp_p3.png":
        assert again.icc == photo.icc and photo.icc is not None and not said
    if name == "ztxt_big.png":
        assert target == "PNG" or '"workflow"' in said[0]


def test_a_record_where_earlier_versions_kept_it_is_read_and_leaves_with_the_next(tmp_path: Path) -> None:
    old = Image.Exif()
    old[271] = "Camera"
    old.get_ifd(34665)[37510] = b"UNICODE\0" + '{"prompt": "schön"}'.encode("utf-16-be")
    whole = bare(exif=old.tobytes()[6:], packet=xmp.with_source(xmp.EMPTY, TRAINED, weak=False))
    path = file_of(tmp_path, whole, "JPEG")
    assert read_text_chunk(path) == '{"prompt": "schön"}'
    photo = read_photo(path)
    assert photo.exif is not None and b"Camera" in photo.exif and "schön".encode("utf-16-be") not in photo.exif
    path, _ = edited(photo, tmp_path, "JPEG", text={"intarsia": '{"prompt": "new"}'})
    assert read_text_chunk(path) == '{"prompt": "new"}'
