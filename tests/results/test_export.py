"""Results in the format of the photo: compressed as it was, with what it carried."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin
from PIL.ExifTags import IFD, Base

from intarsia.errors import OutputError, PictureError, RecordError
from intarsia.imaging.compression import compression
from intarsia.imaging.metadata import EDITED, TRAINED
from intarsia.imaging.read import photo_from_image, read_photo, read_text_chunk
from intarsia.imaging.write import write_photo
from intarsia.results.export import export_picture, mark_of
from tests.imaging.image_files import exif_of

RECORD = json.dumps({"record": {"kind": "RemoveRecord"}})
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def shades(width: int = 96, height: int = 64) -> np.ndarray:
    """A smooth picture with some grain, as a camera takes it."""
    rows, columns = np.mgrid[:height, :width]
    grain = np.random.default_rng(0).normal(0, 4, (height, width, 3))
    base = np.stack([40 + 2 * columns, 200 - rows, 80 + rows + columns / 2], -1)
    return (base + grain).round().clip(0, 255).astype(np.uint8)


def camera_file(folder: Path, name: str = "shot.jpg", **options: Any) -> Path:
    """A photo with EXIF that turns it, a profile and a density."""
    settings: dict[str, Any] = {"exif": exif_of(6), "icc_profile": SRGB, "dpi": (300, 300), **options}
    Image.fromarray(shades()).save(folder / name, **settings)
    return folder / name


def result_of(original: Path, folder: Path, *, source: str = EDITED, record: str | None = RECORD) -> Path:
    """A result as edits keep it: a PNG of the upright photo, a part of which is changed."""
    photo = read_photo(original)
    pixels = photo.pixels.copy()
    pixels[20:30, 20:30] = (250, 20, 20)
    changed = photo_from_image(pixels)
    whole = type(photo)(pixels=changed.pixels, alpha=photo.alpha, icc=photo.icc, exif=photo.exif, dpi=photo.dpi)
    text = None if record is None else {"intarsia": record}
    return write_photo(whole, folder / "result.png", text=text, source=source)


@contextlib.contextmanager
def opened(file: Path) -> Iterator[JpegImagePlugin.JpegImageFile]:
    with Image.open(file) as picture:
        assert isinstance(picture, JpegImagePlugin.JpegImageFile)
        yield picture


@pytest.mark.parametrize(("quality", "subsampling"), [(60, 2), (85, 1), (93, 0), (100, 0)])
def test_a_jpeg_keeps_its_tables_its_colours_and_what_it_carried(
    tmp_path: Path, quality: int, subsampling: int
) -> None:
    original = camera_file(tmp_path, "shot.JPEG", quality=quality, subsampling=subsampling)
    picture = result_of(original, tmp_path)
    file = export_picture(picture, original, tmp_path / "mine.png")
    assert file == tmp_path / "mine.jpeg"
    with opened(original) as before, opened(file) as after:
        tables = [list(before.quantization[component[3]]) for component in before.layer]
        assert [list(after.quantization[component[3]]) for component in after.layer] == tables
        assert JpegImagePlugin.get_sampling(after) == subsampling
        exif = after.getexif()
        assert after.size == before.size and exif[Base.Orientation] == before.getexif()[Base.Orientation]
        assert exif[Base.Make] == "Camera"
        assert exif.get_ifd(IFD.Exif)[Base.ISOSpeedRatings] == 200
        assert after.info["dpi"] == (300, 300) and after.info["icc_profile"] == SRGB
    assert mark_of(file) == EDITED and read_text_chunk(file) == RECORD
    change = np.abs(read_photo(file).pixels.astype(int) - read_photo(picture).pixels)
    far = np.ones(change.shape[:2], np.bool_)
    far[12:38, 12:38] = False
    assert not change[far].any()
    assert file.stat().st_size < 1.5 * original.stat().st_size + len(RECORD) * 2 + 1000


def test_quality_and_other_formats_can_be_chosen(tmp_path: Path) -> None:
    original = camera_file(tmp_path, quality=60)
    picture = result_of(original, tmp_path)
    small = export_picture(picture, original, tmp_path / "small", quality=30)
    large = export_picture(picture, original, tmp_path / "large", format="jpeg", quality=95)
    assert small.name == "small.jpg" and small.stat().st_size < large.stat().st_size
    with opened(large) as wrote:
        assert JpegImagePlugin.get_sampling(wrote) == 0
    webp = export_picture(picture, original, tmp_path / "whole.x", format="webp")
    assert webp.name == "whole.webp" and (read_photo(webp).pixels == read_photo(picture).pixels).all()
    assert read_photo(webp).icc == SRGB and read_text_chunk(webp) == RECORD and mark_of(webp) == EDITED
    lossy = export_picture(picture, original, tmp_path / "lossy", format="webp", quality=70)
    assert lossy.stat().st_size < webp.stat().st_size / 2
    png = export_picture(picture, original, tmp_path / "as it is", format="png")
    assert png.read_bytes() == picture.read_bytes() and read_text_chunk(png) == RECORD


def test_other_photos_keep_their_formats_too(tmp_path: Path) -> None:
    for name, options, expected in (
        ("a.png", {}, "x.png"),
        ("b.tif", {}, "x.tif"),
        ("c.bmp", {}, "x.png"),
        ("d.webp", {"lossless": True}, "x.webp"),
        ("e.webp", {"quality": 80}, "x.webp"),
    ):
        original = tmp_path / name
        Image.fromarray(shades()).save(original, **options)
        picture = result_of(original, tmp_path)
        file = export_picture(picture, original, tmp_path / "x")
        assert file.name == expected
        exact = (read_photo(file).pixels == read_photo(picture).pixels).all()
        assert bool(exact) is (name != "e.webp")
        picture.unlink()


def test_transparency_is_not_lost_in_a_jpeg(tmp_path: Path) -> None:
    original = camera_file(tmp_path)
    clear = np.dstack([shades(), np.full((64, 96), 120, np.uint8)])
    picture = write_photo(photo_from_image(clear), tmp_path / "clear.png")
    with pytest.raises(OutputError, match="partly transparent, and JPEG has no transparency"):
        export_picture(picture, original, tmp_path / "x", format="jpeg")
    assert export_picture(picture, original, tmp_path / "x").name == "x.png"
    clear[..., 3] = 255
    whole = write_photo(photo_from_image(clear), tmp_path / "whole.png")
    assert export_picture(whole, original, tmp_path / "y").name == "y.jpg", "nothing shines through"


def test_a_record_that_is_longer_than_a_segment_of_a_jpeg_is_kept_in_several(tmp_path: Path) -> None:
    original = camera_file(tmp_path)
    picture = result_of(original, tmp_path, source=TRAINED, record="{" + "x" * 70_000 + "}")
    file = export_picture(picture, original, tmp_path / "x")
    assert len(read_text_chunk(file) or "") > 70_000 and mark_of(file) == TRAINED
    with opened(file) as wrote:
        assert wrote.getexif()[Base.Make] == "Camera"
    assert len(read_text_chunk(export_picture(picture, original, tmp_path / "x", format="webp")) or "") > 70_000


def test_a_result_without_a_record_says_nothing(tmp_path: Path) -> None:
    original = camera_file(tmp_path)
    file = export_picture(result_of(original, tmp_path, record=None), original, tmp_path / "x")
    assert read_text_chunk(file) is None and mark_of(file) is None


def test_grey_and_ink_jpegs_and_unusual_tables(tmp_path: Path) -> None:
    grey = tmp_path / "grey.jpg"
    Image.fromarray(shades()).convert("L").save(grey, quality=40)
    assert compression("JPEG", grey, None)["subsampling"] == 0
    file = export_picture(result_of(grey, tmp_path), grey, tmp_path / "g")
    with opened(grey) as before, opened(file) as after:
        assert list(after.quantization[0]) == list(before.quantization[0])
    ink = tmp_path / "ink.jpg"
    Image.fromarray(shades()).convert("CMYK").save(ink, quality=40)
    assert compression("JPEG", ink, None) == {}
    assert compression("JPEG", tmp_path / "gone.jpg", None) == {} == compression("PNG", grey, 30)


def test_what_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    original = camera_file(tmp_path)
    picture = result_of(original, tmp_path)
    for quality in (0, 101):
        with pytest.raises(RecordError, match="between 1 and 100"):
            export_picture(picture, original, tmp_path / "x", quality=quality)
    with pytest.raises(PictureError):
        export_picture(tmp_path / "none.png", original, tmp_path / "x")
    with pytest.raises(PictureError):
        export_picture(picture, tmp_path / "none.jpg", tmp_path / "x")
    export_picture(picture, original, tmp_path / "x")
    export_picture(picture, original, tmp_path / "x")
    with pytest.raises(OutputError, match="exists already"):
        export_picture(picture, original, tmp_path / "x", overwrite=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result.png", "shot.jpg", "x.jpg"]
