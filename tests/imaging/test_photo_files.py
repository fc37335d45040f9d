"""Photos come back as they were: sizes, orientations, modes, profiles, and every byte outside the edit."""

import contextlib
import errno
import io
import json
import os
import stat
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base

from intarsia.errors import ModelError, OutputError, PictureError
from intarsia.files import write_bytes_atomically
from intarsia.imaging import metadata
from intarsia.imaging.geometry import Size
from intarsia.imaging.photo import Photo, paste_back, resize_to_photo, to_tensor
from intarsia.imaging.read import photo_from_image, read_photo, read_text_chunk
from intarsia.imaging.write import write_photo

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = ("png", "webp", "tif")


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def exif_of(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    exif[Base.Make] = "Camera"
    exif.get_ifd(IFD.Exif)[Base.ISOSpeedRatings] = 200
    exif.get_ifd(IFD.Exif)[Base.UserComment] = b"ASCII\0\0\0holiday"
    return exif


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def png(width: int, height: int, depth: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# Reading


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif", "a.bmp"])
def test_lossless_files_are_read_exactly(tmp_path: Path, name: str) -> None:
    pixels = noise(37, 23)
    options = {"lossless": True} if name.endswith("webp") else {}
    photo = read_photo(save(tmp_path / name, Image.fromarray(pixels), **options))
    assert np.array_equal(photo.pixels, pixels)
    assert photo.size == Size(37, 23) and photo.alpha is None and photo.icc is None and photo.exif is None


def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", Image.fromarray(noise(40, 30)))
    with Image.open(path) as picture:
        assert np.array_equal(read_photo(path).pixels, np.asarray(picture))


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.fromarray(noise(20, 20)).save(path, "PNG")
    assert read_photo(path).format == "PNG"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_rgb_and_keeps_its_transparency(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(noise(19, 21, 4)[..., : 4 if mode.endswith("A") else 3]).convert(mode)
    photo = read_photo(save(tmp_path / "a.png", image))
    assert photo.mode == mode
    assert np.array_equal(photo.pixels, np.asarray(image.convert("RGB")))
    assert (photo.alpha is not None) == mode.endswith("A")
    if photo.alpha is not None:
        assert np.array_equal(photo.alpha, np.asarray(image.getchannel("A")))


@pytest.mark.parametrize("transparency", [3, bytes([0, 128, 255])])
def test_a_transparent_palette_becomes_alpha(tmp_path: Path, transparency: int | bytes) -> None:
    image = Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20) % 8).convert("P")
    photo = read_photo(save(tmp_path / "a.png", image, transparency=transparency))
    indices = np.asarray(image)
    table = np.full(256, 255)
    if isinstance(transparency, int):
        table[transparency] = 0
    else:
        table[: len(transparency)] = list(transparency)
    assert photo.alpha is not None and np.array_equal(photo.alpha, table[indices])


def test_a_transparent_colour_becomes_alpha(tmp_path: Path) -> None:
    pixels = noise(20, 20)
    pixels[3, 4] = (1, 2, 3)
    photo = read_photo(save(tmp_path / "a.png", Image.fromarray(pixels), transparency=(1, 2, 3)))
    assert photo.alpha is not None and photo.alpha[3, 4] == 0 and (photo.alpha == 0).sum() == 1
    assert np.array_equal(photo.pixels, pixels)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_becomes_rgb_without_its_profile(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(noise(32, 32)).convert("CMYK")
    path = save(tmp_path / f"a.{suffix}", image, icc_profile=b"\0" * 16 + b"CMYK" + b"\0" * 108)
    photo = read_photo(path)  # the profile is broken: converted without it
    with Image.open(path) as stored:
        assert np.array_equal(photo.pixels, np.asarray(stored.convert("RGB")))
    assert photo.icc is None and photo.mode == "CMYK"


def grey_profile(gamma: float) -> bytes:
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)  # D50, in 65536ths
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    places = 128 + 4 + 2 * 12
    table = struct.pack(">I4sII4sII", 2, b"wtpt", places, 20, b"kTRC", places + 20, 16)
    head = struct.pack(
        ">I4sI4s4s4s12s4s28s3i",
        places + 36,
        b"",
        0x02100000,
        b"mntr",
        b"GRAY",
        b"XYZ ",
        b"",
        b"acsp",
        b"",
        63190,
        65536,
        54061,
    )
    return head.ljust(128, b"\0") + table + white + curve


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile_is_applied(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (20, 20), (64, 9)[: len(mode)] if mode == "LA" else 64)
    photo = read_photo(save(tmp_path / "a.png", image, icc_profile=grey_profile(1.0)))
    assert np.abs(photo.pixels.astype(int) - 137).max() <= 1  # a quarter of the light, in sRGB
    assert photo.icc is None
    assert (photo.alpha is not None and (photo.alpha == 9).all()) == (mode == "LA")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = Image.new("RGB", (48, 32), "white")
    upright.paste("red", (0, 0, 16, 16))
    upright.paste("blue", (32, 0, 48, 16))
    back = {**metadata.TURNS, 6: metadata.TURNS[8], 8: metadata.TURNS[6]}
    stored = upright.transpose(back[orientation]) if orientation > 1 else upright
    path = save(tmp_path / f"a.{suffix}", stored, exif=exif_of(orientation))
    photo = read_photo(path)
    assert photo.size == Size(48, 32) and photo.orientation == orientation
    assert np.abs(photo.pixels.astype(int) - np.asarray(upright)).mean() < 3

    again = read_photo(write_photo(photo, tmp_path / "b.png"))
    assert again.orientation == 1 and np.array_equal(again.pixels, photo.pixels)
    exif = Image.Exif()
    assert again.exif is not None
    exif.load(again.exif)
    assert exif.get(Base.Orientation, 1) == 1 and exif[Base.Make] == "Camera"


def test_pictures_from_memory() -> None:
    pixels = noise(20, 30, 4)
    for image in (pixels, Image.fromarray(pixels)):
        photo = photo_from_image(image)
        assert np.array_equal(photo.pixels, pixels[..., :3])
        assert photo.alpha is not None and np.array_equal(photo.alpha, pixels[..., 3])
    assert np.array_equal(photo_from_image(pixels[..., 0]).pixels[..., 2], pixels[..., 0])


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_an_opened_picture_is_turned_once(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(noise(40, 20)), exif=exif_of(6))
    with Image.open(path) as picture:
        assert np.array_equal(photo_from_image(picture).pixels, read_photo(path).pixels)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((32, 32, 3)),
        np.zeros((32, 32, 2), np.uint8),
        np.zeros((0, 32, 3), np.uint8),
        np.zeros((8, 32, 3), np.uint8),
        Image.new("I", (32, 32)),
        Image.new("F", (32, 32)),
        Image.new("LAB", (32, 32)),
    ],
)
def test_unusable_pictures_from_memory_are_refused(image: Image.Image | np.ndarray) -> None:
    with pytest.raises(PictureError, match=r"convert|enlarge"):
        photo_from_image(image)


# What is refused, in a sentence


def animated(kind: str) -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(noise(20, 20, seed=seed)) for seed in (1, 2)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


def saved(kind: str, image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "0 bytes"),
    "text": (lambda: b"BMy holiday in the mountains" * 9, "not a picture"),
    "svg": (lambda: b"<?xml version='1.0'?><svg xmlns='x'/>", "SVG"),
    "gif": (lambda: saved("GIF", Image.new("P", (20, 20))), "GIF"),
    "heic": (lambda: b"\0\0\0\x18ftypheic" + b"\0" * 20, "HEIC.*convert"),
    "avif": (lambda: b"\0\0\0\x18ftypavif" + b"\0" * 20, "AVIF"),
    "film": (lambda: b"\0\0\0\x18ftypisom" + b"\0" * 20, "film"),
    "pdf": (lambda: b"%PDF-1.4", "PDF"),
    "raw": (lambda: b"II*\0\x10\0\0\0CR\2\0", "raw"),
    "small": (lambda: saved("PNG", Image.new("RGB", (300, 15))), "300 x 15.*at least 16"),
    "bomb": (lambda: png(40_000, 40_000), "40,000 x 40,000.*100 million"),
    "bmp bomb": (
        lambda: (
            saved("BMP", Image.new("RGB", (20, 20)))[:18] + struct.pack("<IIHH", 30_000, 30_000, 1, 24) + b"\0" * 99
        ),
        "100 million",
    ),
    "png cut off": (lambda: saved("PNG", Image.fromarray(noise(60, 60)))[:5000], "cut off"),
    "png header only": (lambda: png(64, 64)[:40], "cut off"),
    "jpeg cut off": (lambda: saved("JPEG", Image.fromarray(noise(60, 60)))[:1500], "cut off"),
    "webp cut off": (lambda: saved("WEBP", Image.fromarray(noise(60, 60)))[:1500], "cut off"),
    "tiff cut off": (lambda: saved("TIFF", Image.fromarray(noise(60, 60)))[:1500], "cut off"),
    "bmp cut off": (lambda: saved("BMP", Image.fromarray(noise(60, 60)))[:1500], "cut off"),
    "16-bit grey png": (lambda: png(20, 20, 16, 0, b"\0" * 41 * 20), "16 bits"),
    "48-bit png": (lambda: png(20, 20, 16, 2, b"\0" * 121 * 20), "16 bits.*convert"),
    "16-bit tiff": (lambda: saved("TIFF", Image.new("I;16", (20, 20))), "16 bits"),
    "float tiff": (lambda: saved("TIFF", Image.new("F", (20, 20))), "floating"),
    "animated png": (lambda: animated("PNG"), "animated"),
    "animated webp": (lambda: animated("WEBP"), "animated"),
    "pages": (lambda: animated("TIFF"), "several pages"),
    "raw preview": (lambda: saved("TIFF", Image.new("RGB", (20, 20)), tiffinfo={254: 1}), "raw"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_a_sentence(tmp_path: Path, case: str) -> None:
    make, message = BAD[case]
    path = tmp_path / "photo.png"
    path.write_bytes(make())
    with pytest.raises(PictureError, match=message) as caught:
        read_photo(path)
    assert "photo.png" in str(caught.value) and str(caught.value).endswith(".")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    refused: list[tuple[Path | str, str]] = [
        (tmp_path, "folder"),
        (tmp_path / "none.png", "no picture"),
        (fifo, "regular"),
        ("https://example.org/a.png", "download"),
        ("a\0b.png", "cannot be opened"),
        (tmp_path / ("x" * 300 + ".png"), "cannot be opened"),
    ]
    for path, message in refused:
        with pytest.raises(PictureError, match=message):
            read_photo(path)


def test_a_forbidden_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(noise(20, 20)))

    def forbid(*_: object) -> None:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(Path, "open", forbid)
    with pytest.raises(PictureError, match="permission"):
        read_photo(path)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "BMP"]), st.data())
@pytest.mark.filterwarnings("ignore")
def test_damage_never_gives_another_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    file = bytearray(saved(kind, Image.fromarray(noise(24, 18)), exif=exif_of(6)))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(file[: data.draw(st.integers(1, len(file)))])
    with contextlib.suppress(PictureError):
        read_photo(path)


# Photo <-> tensor


def test_a_tensor_at_the_photo_s_size_is_exact() -> None:
    photo = photo_from_image(noise(31, 17))
    tensor = to_tensor(photo, photo.size)
    assert tensor.shape == (1, 3, 17, 31) and tensor.dtype == torch.float32
    assert tensor.min() >= -1 and tensor.max() <= 1
    assert np.array_equal(resize_to_photo(tensor[0], photo.size), photo.pixels)


def test_resizing_keeps_the_whole_picture_and_its_mean() -> None:
    ramp = np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None, :, None], 100, axis=0).repeat(3, axis=2)
    small = to_tensor(photo_from_image(ramp), Size(32, 16))
    assert small.shape == (1, 3, 16, 32)
    assert small.mean().item() == pytest.approx(0, abs=0.02)
    assert small[0, 0, 0, 0] < -0.95 and small[0, 0, 0, -1] > 0.95


def test_values_beyond_the_range_are_cut_and_nan_is_refused() -> None:
    size = Size(16, 16)
    assert (resize_to_photo(torch.full((3, 16, 16), 7.0), size) == 255).all()
    with pytest.raises(ModelError, match="float32"):
        resize_to_photo(torch.full((3, 16, 16), torch.nan), size)


# Pasting back


@settings(max_examples=40, deadline=None)
@given(st.integers(16, 71), st.integers(16, 71), st.integers(0, 2**32 - 1))
def test_pasting_keeps_takes_or_mixes(width: int, height: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    photo = photo_from_image(noise(width, height, 4, seed))
    edited = torch.from_numpy(rng.uniform(-1.1, 1.1, (3, 24, 40)).astype(np.float32))
    blend = np.clip(rng.uniform(-1, 2, (height, width)), 0, 1).astype(np.float32)
    blend[:, : width // 3] = 0
    result = paste_back(photo, edited, blend)
    fresh = resize_to_photo(edited, photo.size)
    assert np.array_equal(result.pixels[blend == 0], photo.pixels[blend == 0])
    assert np.array_equal(result.pixels[blend == 1], fresh[blend == 1])
    exact = photo.pixels + (fresh.astype(np.float64) - photo.pixels) * blend[..., None]
    assert np.abs(result.pixels - exact).max() <= 0.5 + 1e-6
    assert result.alpha is photo.alpha


def test_a_blend_of_nothing_changes_nothing_over_ten_edits() -> None:
    photo = photo_from_image(noise(601, 333))
    mask = np.zeros((333, 601), np.float32)
    mask[:100, 500:] = 1
    edited = photo
    for seed in range(10):
        edited = paste_back(edited, torch.randn(3, 64, 112, generator=torch.Generator().manual_seed(seed)), mask)
    assert np.array_equal(edited.pixels[mask == 0], photo.pixels[mask == 0])
    assert paste_back(photo, torch.zeros(3, 8, 8), mask * 0).pixels.tobytes() == photo.pixels.tobytes()


# Writing


@pytest.mark.parametrize("source", (*LOSSLESS, "jpg"))
@pytest.mark.parametrize("target", (*LOSSLESS, "jpg"))
@pytest.mark.parametrize("text", [None, {"intarsia": '{"prompt": "schön ☃"}', "parameters": "a cat, Steps: 3"}])
def test_the_same_file_comes_back(tmp_path: Path, source: str, target: str, text: dict[str, str] | None) -> None:
    channels = 3 if "jpg" in (source, target) else 4
    pixels = noise(45, 33, channels)
    options = {"lossless": True, "exact": True} if source == "webp" else {}
    exif = exif_of(6)
    if source == "webp":
        exif[Base.XResolution], exif[Base.YResolution], exif[Base.ResolutionUnit] = 300, 300, 2
    path = save(
        tmp_path / f"a.{source}",
        Image.fromarray(pixels),
        exif=exif.tobytes(),
        dpi=(300, 300),
        icc_profile=PROFILE,
        **options,
    )
    photo = read_photo(path)
    blend = np.zeros((45, 33), np.float32)
    blend[10:20, 5:9] = 1
    result = paste_back(photo, torch.zeros(3, 48, 32), blend)
    again = read_photo(write_photo(result, tmp_path / f"b.{target}", text=text))
    assert again.size == photo.size == Size(33, 45)
    if target != "jpg":
        assert np.array_equal(again.pixels, result.pixels)
    if channels == 4:
        assert again.alpha is not None and np.array_equal(again.alpha, np.rot90(pixels[..., 3], -1))
    assert again.icc == PROFILE
    assert again.dpi == pytest.approx((300, 300), abs=0.01)
    read = Image.Exif()
    assert again.exif is not None
    read.load(again.exif)
    details = read.get_ifd(IFD.Exif)
    assert read[Base.Make] == "Camera" and details[Base.ISOSpeedRatings] == 200
    assert read.get(Base.Orientation, 1) == 1
    assert read_text_chunk(tmp_path / f"b.{target}") == (text and text["intarsia"])
    assert read_text_chunk(tmp_path / f"b.{target}", "parameters") == (
        text["parameters"] if text and target == "png" else None
    )
    assert (b"compositeWithTrainedAlgorithmicMedia" in (tmp_path / f"b.{target}").read_bytes()) == (text is not None)


def test_the_record_of_a_former_edit_does_not_outlive_the_next(tmp_path: Path) -> None:
    photo = photo_from_image(noise(20, 20))
    first = read_photo(write_photo(photo, tmp_path / "a.jpg", text={"intarsia": json.dumps({"seed": 1})}))
    assert read_text_chunk(write_photo(first, tmp_path / "b.jpg")) is None


def test_a_camera_s_comment_is_not_taken_for_a_record(tmp_path: Path) -> None:
    assert read_text_chunk(save(tmp_path / "a.jpg", Image.fromarray(noise(20, 20)), exif=exif_of())) is None
    assert read_text_chunk(save(tmp_path / "b.jpg", Image.fromarray(noise(20, 20)))) is None


def test_exif_of_the_old_layout_does_not_reach_the_new_file(tmp_path: Path) -> None:
    exif = exif_of()
    exif[256], exif[257], exif[700] = 9, 9, b"<old/>"
    exif.get_ifd(IFD.Exif)[Base.ExifImageWidth] = 9
    photo = read_photo(save(tmp_path / "a.jpg", Image.fromarray(noise(40, 20)), exif=exif))
    again = read_photo(write_photo(photo, tmp_path / "b.tif"))
    assert again.size == Size(40, 20)
    read = Image.Exif()
    assert photo.exif is not None
    read.load(photo.exif)
    assert read.get_ifd(IFD.Exif)[Base.ExifImageWidth] == 40 and 700 not in read


def test_colours_under_full_transparency_stay(tmp_path: Path) -> None:
    pixels = noise(20, 20, 4)
    pixels[..., 3] = 0
    photo = read_photo(save(tmp_path / "a.png", Image.fromarray(pixels)))
    for name in ("b.png", "b.webp", "b.tif"):
        again = read_photo(write_photo(photo, tmp_path / name))
        assert np.array_equal(again.pixels, pixels[..., :3]) and again.alpha is not None and not again.alpha.any()


def test_the_folder_is_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = write_photo(photo_from_image(noise(20, 20)), tmp_path / "new" / "out" / "a.png")
    assert [entry.name for entry in path.parent.iterdir()] == ["a.png"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_an_existing_file_is_kept_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    photo = photo_from_image(noise(20, 20))
    with pytest.raises(OutputError, match="--overwrite"):
        write_photo(photo, path)
    assert path.read_bytes() == b"precious"
    write_photo(photo, path, overwrite=True)
    assert np.array_equal(read_photo(path).pixels, photo.pixels)
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists"):
        write_photo(photo, tmp_path / "link.png")


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    path = tmp_path / "a.json"
    synced = os.fsync

    def rival(descriptor: int) -> None:
        synced(descriptor)
        path.write_bytes(b"rival")

    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "fsync", rival)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(OutputError, match="exists already"):
        write_bytes_atomically(path, b"mine")
    assert path.read_bytes() == b"rival" and len(list(tmp_path.iterdir())) == 1


def test_file_systems_without_links_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    assert write_bytes_atomically(tmp_path / "a.json", b"mine").read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOSPC, "disk is full"), (errno.EACCES, "not writable"), (errno.EIO, "cannot be written")],
)
def test_a_failure_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, message: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"precious")

    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=message):
        write_bytes_atomically(path, b"mine", overwrite=True)
    assert path.read_bytes() == b"precious" and len(list(tmp_path.iterdir())) == 1


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    photo = photo_from_image(noise(20, 20, 4))
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.png").mkdir()
    for name, message in [
        ("file/a.png", "is a file"),
        ("file/deep/a.png", "is a file"),
        ("folder.png", "is a folder"),
        ("a.gif", r"\.gif"),
        ("a", "names no format"),
        ("a.jpg", "transparency"),
        ("x" * 300 + ".png", "cannot be written"),
        ("a\0b.png", "another"),
    ]:
        with pytest.raises(OutputError, match=message):
            write_photo(photo, tmp_path / name, overwrite=True)
    wide = Photo(pixels=np.zeros((16, 16_384, 3), np.uint8))
    with pytest.raises(OutputError, match="16,383"):
        write_photo(wide, tmp_path / "a.webp")
    with pytest.raises(OutputError, match="--no-metadata"):
        write_photo(photo_from_image(noise(20, 20)), tmp_path / "a.jpg", text={"intarsia": "{" + "x" * 70_000})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_photo_s_pixels_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        photo_from_image(noise(20, 20)).pixels[0, 0] = 0


def test_pillow_s_own_settings_are_left_alone(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    (tmp_path / "bomb.png").write_bytes(png(40_000, 40_000))
    with pytest.raises(PictureError):
        read_photo(tmp_path / "bomb.png")
    assert before == Image.MAX_IMAGE_PIXELS
