"""HEIC, AVIF and GIF: known by their content, upright, at their depth; and what is said where a package is missing."""

import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.ExifTags import Base

from intarsia.errors import PictureError
from intarsia.imaging import heif
from intarsia.imaging.compression import lossy_notes
from intarsia.imaging.formats import format_of
from intarsia.imaging.metadata import TURNS
from intarsia.imaging.read import read_photo, read_text_chunk
from intarsia.imaging.write import write_photo
from intarsia.notes import collected
from intarsia.records.edit import EditRecord
from intarsia.results.picture_format import ending_of
from tests.imaging.image_files import exif_of, noise

pillow_heif = pytest.importorskip("pillow_heif")


def scene() -> np.ndarray:
    """(H, W, 3) smooth and without symmetry, so that compression changes little and a turn shows."""
    across, down = np.meshgrid(np.linspace(0, 200, 96), np.linspace(0, 250, 64))
    return np.dstack([across, down, 255 - across]).astype(np.uint8)


def avif(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "AVIF", quality=90, subsampling="4:4:4", **options)
    return file.getvalue()


def heic(*images: Image.Image, exif: bytes | None = None, **options: object) -> bytes:
    written = pillow_heif.HeifFile()
    for image in images:
        written.add_from_pillow(image)
    file = io.BytesIO()
    written.save(file, quality=90, chroma=444, **({"exif": exif} if exif else {}), **options)
    return file.getvalue()


def deep_heic() -> bytes:
    levels = np.ascontiguousarray(scene().astype(np.uint16) * 257)
    file = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=(96, 64), data=levels.tobytes()).save(file, quality=90)
    return file.getvalue()


def deep_avif(bits: int) -> bytes:
    if not cv2.haveImageWriter("deep.avif"):
        pytest.skip("this OpenCV writes no AVIF")
    levels = np.ascontiguousarray(scene().astype(np.uint16) << (bits - 8))
    done, data = cv2.imencode(".avif", levels, [cv2.IMWRITE_AVIF_DEPTH, bits])
    assert done
    return data.tobytes()


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_phone_pictures_are_turned_upright_once(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = exif_of(orientation).tobytes()
    image = Image.fromarray(scene())
    file = tmp_path / "photo.jpg"  # whatever its name
    file.write_bytes(heic(image, exif=exif) if kind == "HEIC" else avif(image, exif=exif))
    photo = read_photo(file)
    upright = scene() if orientation == 1 else np.asarray(image.transpose(TURNS[orientation]))
    assert photo.format == kind and photo.pixels.shape == upright.shape
    assert np.abs(photo.pixels.astype(int) - upright).mean() < 4
    assert photo.exif is not None
    kept = Image.Exif()
    kept.load(photo.exif)
    assert kept[Base.Make] == "Camera" and kept.get(Base.Orientation, 1) == 1


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_phone_pictures_keep_their_transparency_and_profile(tmp_path: Path, kind: str) -> None:
    alpha = np.where(np.arange(96) < 40, 0, 255).astype(np.uint8)[None].repeat(64, 0)
    image = Image.fromarray(np.dstack([scene(), alpha]))
    file = tmp_path / "photo"
    file.write_bytes(heic(image) if kind == "HEIC" else avif(image))
    photo = read_photo(file)
    assert photo.alpha is not None and np.abs(photo.alpha.astype(int) - alpha).mean() < 4


@pytest.mark.parametrize(
    ("build", "bits"), [(deep_heic, "(10|12)"), (lambda: deep_avif(10), "10"), (lambda: deep_avif(12), "12")]
)
def test_deep_phone_pictures_are_refused(tmp_path: Path, build: object, bits: str) -> None:
    file = tmp_path / "photo.heic"
    assert callable(build)
    file.write_bytes(build())
    with pytest.raises(PictureError, match=f"{bits} bits a channel.*convert"):
        read_photo(file)


def test_of_several_pictures_in_a_heic_the_main_one_is_read(tmp_path: Path) -> None:
    file = tmp_path / "burst.heic"
    images = [Image.new("RGB", (64, 64), colour) for colour in ("red", "green", "blue")]
    file.write_bytes(heic(*images, primary_index=1))
    with collected() as notes:
        photo = read_photo(file)
    assert photo.pixels[30, 30, 1] > 100 > photo.pixels[30, 30].take([0, 2]).max()
    assert [note.partition(" holds ")[2] for note in notes] == ["3 pictures: the main one is edited."]


def test_an_animated_avif_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "film.avif"
    frames = [Image.fromarray(noise(32, 32, seed=seed)) for seed in range(3)]
    frames[0].save(file, save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match="animated"):
        read_photo(file)


def test_without_the_package_a_sentence_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "IMG_1.HEIC"
    file.write_bytes(heic(Image.fromarray(scene())))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(heif, "heic_is_read", lambda: False)
    with pytest.raises(PictureError, match=r"HEIC.*pip install 'intarsia\[heif\]', or convert it to JPEG or PNG"):
        read_photo(file)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypheix\0\0\0\0mif1heix", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "a film (MP4)"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "a camera's raw picture"),
    ],
    ids=["mif1 of heic", "mif1 of avif", "heix", "isom", "crx"],
)
def test_brands_tell_what_a_file_is(head: bytes, kind: str) -> None:
    assert format_of(head) == kind


@pytest.mark.parametrize("cut", [20, 60, 200, 0.5])
@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_damage_is_told_in_a_sentence(tmp_path: Path, kind: str, cut: float) -> None:
    image = Image.fromarray(noise(96, 64))
    data = heic(image) if kind == "HEIC" else avif(image)
    file = tmp_path / "photo.heic"
    file.write_bytes(data[: int(cut if cut >= 1 else cut * len(data))])
    with pytest.raises(PictureError, match="cut off or damaged"):
        read_photo(file)


def test_a_still_gif_is_read_with_its_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(np.tile(np.arange(96, dtype=np.uint8) // 32, (64, 1)))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    file = tmp_path / "still.gif"
    image.save(file, transparency=1)
    photo = read_photo(file)
    assert photo.format == "GIF" and photo.alpha is not None
    assert [tuple(photo.pixels[0, x]) for x in (0, 95)] == [(255, 0, 0), (0, 0, 255)]
    assert photo.alpha[0].tolist() == [255] * 32 + [0] * 32 + [255] * 32


def test_a_thumbnail_behind_a_tiff_is_no_page(tmp_path: Path) -> None:
    file = tmp_path / "scan.tif"
    small = Image.fromarray(scene()[::2, ::2])
    small.encoderinfo = {"tiffinfo": {254: 1}}
    Image.fromarray(scene()).save(file, save_all=True, append_images=[small])
    assert np.array_equal(read_photo(file).pixels, scene())


def test_an_avif_is_written_with_what_the_photo_carries(tmp_path: Path) -> None:
    alpha = np.where(np.arange(96) < 40, 0, 255).astype(np.uint8)[None].repeat(64, 0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = exif_of(6)
    exif[Base.Artist] = "ANGSTROEMX"
    block = exif.tobytes().replace(b"ANGSTROEMX", "Ångström".encode())
    Image.fromarray(np.dstack([scene(), alpha])).save(
        tmp_path / "a.webp", lossless=True, exif=block, icc_profile=profile
    )
    photo = read_photo(tmp_path / "a.webp")
    written = write_photo(photo, tmp_path / "b.avif", text={"intarsia": '{"prompt": "a dog"}'})
    again = read_photo(written)
    assert again.format == "AVIF" and again.size == photo.size and again.orientation == 1
    assert np.abs(again.pixels.astype(int) - photo.pixels)[photo.alpha == 255].mean() < 4
    assert again.alpha is not None and photo.alpha is not None
    assert np.abs(again.alpha.astype(int) - photo.alpha).mean() < 4
    assert again.icc == photo.icc and b"compositeWithTrainedAlgorithmicMedia" in again.carried.xmp
    assert read_text_chunk(written) == '{"prompt": "a dog"}'
    assert again.exif is not None and "Ångström".encode() in again.exif and b"Camera" in again.exif
    small = write_photo(photo, tmp_path / "c.avif", quality=20)
    assert small.stat().st_size < written.stat().st_size


def test_a_kept_format_that_is_not_written_is_told(tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.bmp")
    (tmp_path / "b.heic").write_bytes(heic(Image.fromarray(scene())))
    Image.fromarray(scene()).save(tmp_path / "c.avif")
    for name, ending, said in (("a.bmp", ".png", "BMP"), ("b.heic", ".png", "HEIC"), ("c.avif", ".avif", "")):
        record = EditRecord(photo=str(tmp_path / name), prompt="a dog", format="keep")
        with collected() as notes:
            assert ending_of(record, read_photo(tmp_path / name)) == ending
        assert notes == (
            [f"The picture is a PNG, as the photo's own format, {said}, is not written here."] if said else []
        )
    assert lossy_notes("avif", None, read_photo(tmp_path / "a.bmp"), "edit")
