"""Writing photos with their metadata."""

import errno
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base

from intarsia.errors import OutputError, PictureError
from intarsia.files import write_bytes_atomically
from intarsia.imaging.geometry import Size
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo, read_text_chunk
from intarsia.imaging.tensors import paste_back
from intarsia.imaging.write import write_photo
from tests.imaging.image_files import exif_of, noise, png, save

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


LOSSLESS = ("png", "webp", "tif")


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
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.tif"])
def test_a_long_record_fits_into_any_file(tmp_path: Path, name: str) -> None:
    record = json.dumps({"prompt": "<a> & ☃ " * 20_000}, ensure_ascii=False)
    path = write_photo(photo_from_image(noise(20, 20)), tmp_path / name, text={"intarsia": record})
    assert read_text_chunk(path) == record
    with Image.open(path) as picture:
        picture.load()


def test_a_photo_s_pixels_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        photo_from_image(noise(20, 20)).pixels[0, 0] = 0


def test_pillow_s_own_settings_are_left_alone(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    (tmp_path / "bomb.png").write_bytes(png(40_000, 40_000))
    with pytest.raises(PictureError):
        read_photo(tmp_path / "bomb.png")
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_large_png_is_packed_quickly_and_no_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, columns = np.mgrid[:200, :300]
    shades = 120 + 60 * np.sin(rows / 40) + 40 * np.cos(columns / 60)
    grain = np.random.default_rng(0).normal(0, 3, (200, 300, 3))
    photo = photo_from_image((shades[..., None] + grain).round().clip(0, 255).astype(np.uint8))
    usual = write_photo(photo, tmp_path / "usual.png")
    monkeypatch.setattr("intarsia.imaging.write.LARGE", photo.size.area)
    quick = write_photo(photo, tmp_path / "quick.png")
    assert (read_photo(quick).pixels == photo.pixels).all()
    assert quick.read_bytes() != usual.read_bytes()
    assert quick.stat().st_size < 1.03 * usual.stat().st_size
