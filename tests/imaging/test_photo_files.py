"""Reading photos of every kind, and what is refused."""

import contextlib
import errno
import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import Base

from intarsia.errors import PictureError
from intarsia.imaging import metadata
from intarsia.imaging.geometry import Size
from intarsia.imaging.read import photo_from_image, read_photo
from intarsia.imaging.write import write_photo
from tests.imaging.image_files import exif_of, noise, png, save


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


@pytest.mark.parametrize("transparency", [3, bytes([0, 128, 255])], ids=["a colour", "levels"])
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
    "heic": (lambda: b"\0\0\0\x18ftypheic" + b"\0" * 20, "HEIC"),
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
    "animated gif": (lambda: animated("GIF"), "animated"),
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


@settings(max_examples=60)
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
