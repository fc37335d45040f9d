"""Masks as people bring them: each kind is read as they mean it, or refused in a sentence that does not mislead."""

import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFilter

from intarsia.errors import IntarsiaError
from intarsia.imaging.geometry import Size
from intarsia.imaging.masks import read_mask
from intarsia.notes import collected
from tests.imaging.image_files import noise
from tests.paths import SAMPLES

SIZE = Size(96, 64)
FAULTS = SAMPLES / "faults"


def shape() -> np.ndarray:
    """(H, W) what is meant to be marked: a block off the middle and a bar."""
    marked = np.zeros((64, 96), np.bool_)
    marked[10:40, 50:80] = True
    marked[50:56, 8:60] = True
    return marked


def levels(white: int = 255, black: int = 0, dtype: type = np.uint8) -> np.ndarray:
    return np.where(shape(), white, black).astype(dtype)


def soft(radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(levels()).filter(ImageFilter.GaussianBlur(radius)))


def layer(grey: np.ndarray | int, alpha: np.ndarray) -> Image.Image:
    flat = np.broadcast_to(np.asarray(grey, np.uint8), alpha.shape)
    return Image.fromarray(np.dstack([flat, flat, flat, alpha]).astype(np.uint8))


def photo() -> np.ndarray:
    rough = Image.fromarray(noise(24, 16)).resize((96, 64), Image.Resampling.BICUBIC)
    return np.asarray(rough) // 2 + noise(96, 64, seed=3) // 4 + 20


def paletted(labels: np.ndarray, palette: list[int]) -> Image.Image:
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(palette + [0] * (768 - len(palette)))
    return image


VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, *([192, 128, 128] * 250), 224, 224, 192]


def void_bordered(label: int) -> np.ndarray:
    """The shape as a label, with a border of 255 around it as in Pascal VOC."""
    grown = np.asarray(Image.fromarray(levels()).filter(ImageFilter.MaxFilter(3))) > 0
    return np.where(shape(), label, np.where(grown, 255, 0)).astype(np.uint8)


def several() -> np.ndarray:
    """Labels 1 and 2, and a third beside them."""
    labels = levels(1)
    labels[50:56, 8:60] = 2
    labels[2:8, 2:40] = 7
    return labels


def saved(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def pages() -> bytes:
    first = Image.fromarray(levels())
    return saved(first, "TIFF", save_all=True, append_images=[first.copy()])


def with_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(Image.fromarray(levels()).convert("RGB"), icc_profile=profile)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x112] = orientation
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]
    return saved(Image.fromarray(levels()).transpose(back), exif=exif)


MARKED: dict[str, tuple[Callable[[], bytes], str]] = {
    # builder; words of the note that goes with the reading, empty for none
    "8 bits": (lambda: saved(levels()), ""),
    "1 bit": (lambda: saved(Image.fromarray(shape())), ""),
    "1-bit TIFF, white is 0": (lambda: saved(Image.fromarray(shape()), "TIFF", tiffinfo={262: 0}), ""),
    "1-bit BMP": (lambda: saved(Image.fromarray(shape()), "BMP"), ""),
    "GIF": (lambda: saved(levels(), "GIF"), ""),
    "RGB": (lambda: saved(Image.fromarray(levels()).convert("RGB")), ""),
    "CMYK TIFF": (lambda: saved(Image.fromarray(levels()).convert("CMYK"), "TIFF"), ""),
    "own profile": (with_profile, ""),
    "off-white on off-black": (lambda: saved(levels(235, 16)), ""),
    "JPEG": (lambda: saved(levels(), "JPEG", quality=60), ""),
    "coarse JPEG in RGB": (lambda: saved(Image.fromarray(levels()).convert("RGB"), "JPEG", quality=25), ""),
    "lossy WebP": (lambda: saved(Image.fromarray(levels()).convert("RGB"), "WEBP", quality=50), ""),
    "16-bit PNG": (lambda: saved(levels(65535, dtype=np.uint16)), ""),
    "16-bit PNG, blurred": (lambda: saved(soft(1).astype(np.uint16) * 257), ""),
    "16-bit PNG with 8 bits in it": (lambda: saved(levels(255, dtype=np.uint16)), ""),
    "12 bits in 16": (lambda: saved(levels(4095, dtype=np.uint16)), ""),
    "another level in 16 bits": (lambda: saved(levels(1000, dtype=np.uint16)), "label"),
    "16-bit TIFF": (lambda: saved(levels(65535, dtype=np.uint16), "TIFF"), ""),
    "32-bit TIFF": (lambda: saved(levels(255, dtype=np.int32), "TIFF"), ""),
    "float TIFF, 0 to 1": (lambda: saved(levels(1, dtype=np.float32), "TIFF"), ""),
    "float TIFF, soft": (lambda: saved((soft(1) / np.float32(255)).astype(np.float32), "TIFF"), ""),
    "float TIFF, 0 to 255": (lambda: saved(levels(255, dtype=np.float32), "TIFF"), ""),
    "zeros and ones": (lambda: saved(levels(1)), "brightest level is 1"),
    "zeros and ones, 16 bits": (lambda: saved(levels(1, dtype=np.uint16)), "brightest level is 1"),
    "zeros and ones, TIFF": (lambda: saved(levels(1), "TIFF"), "brightest level is 1"),
    "zeros and ones, opaque RGBA": (lambda: saved(layer(levels(1), np.full((64, 96), 255))), "brightest level is 1"),
    "zeros and fifteens": (lambda: saved(levels(15)), "label"),
    "one label and its void border": (lambda: saved(void_bordered(15)), "255 at borders"),
    "one label of a palette": (lambda: saved(paletted(levels(1), VOC)), "place 1"),
    "one label of a palette, void": (lambda: saved(paletted(void_bordered(2), VOC)), "255 at borders"),
    "palette of black and white": (lambda: saved(paletted(levels(1), [0, 0, 0, 255, 255, 255])), ""),
    "palette of white and black": (lambda: saved(paletted(levels(0, 1), [255, 255, 255, 0, 0, 0])), ""),
    "palette with a clear black": (
        lambda: saved(paletted(levels(1), [0, 0, 0, 255, 255, 255]), transparency=0),
        "",
    ),
    "opaque RGBA": (lambda: saved(layer(levels(), np.full((64, 96), 255))), ""),
    "white brush on a clear layer": (lambda: saved(layer(levels(), levels())), ""),
    "white brush over white, nowhere wholly clear": (lambda: saved(layer(255, levels(255, 1))), ""),
    "soft white brush on a clear layer": (lambda: saved(layer(np.where(soft(3) > 0, 255, 0), soft(3))), ""),
    "half opaque white brush": (lambda: saved(layer(levels(), levels(128))), "50% opacity"),
    "faint white brush": (lambda: saved(layer(levels(), levels(60))), "opacity"),
    "soft brush": (lambda: saved(soft(3)), ""),
    "soft brush, grey and alpha": (lambda: saved(layer(levels(), levels()).convert("LA")), ""),
    "turned by 180 in EXIF": (lambda: turned(3), ""),
    "on its side in EXIF": (lambda: turned(6), ""),
    "half the size": (lambda: saved(levels()[::2, ::2]), "48 x 32.*96 x 64"),
    "three times the size": (lambda: saved(levels().repeat(3, 0).repeat(3, 1)), "288 x 192"),
}


@pytest.mark.parametrize("kind", MARKED)
def test_what_people_mean_is_marked(tmp_path: Path, kind: str) -> None:
    build, said = MARKED[kind]
    file = tmp_path / "mask.any"
    file.write_bytes(build())
    with warnings.catch_warnings(), collected() as notes:
        warnings.simplefilter("error")
        mask = read_mask(file, SIZE)
    differ = mask != shape()
    exact = not any(word in kind for word in ("soft", "JPEG", "lossy", "blurred", "half the size"))
    assert differ.sum() == 0 if exact else differ.mean() < 0.03
    assert mask.dtype == np.bool_ and mask.flags.writeable
    if not said:
        assert notes == []
    else:
        (note,) = notes
        assert re.search(said, note) and str(file) in note


def gif_of_two() -> bytes:
    frames = [Image.fromarray(levels()), Image.fromarray(levels(0, 255))]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    # builder; a pattern of the sentence
    "all black": (
        lambda: saved(levels(0)),
        "all black, so that nothing would be repainted: paint white what should change[.]$",
    ),
    "all black, noise of JPEG": (lambda: saved(levels(3), "JPEG"), "all black .its brightest level is [1-9] of 255"),
    "noise near black": (lambda: saved(noise(96, 64, 1)[..., 0] // 40), "all black .its brightest level is 6 of 255"),
    "ones everywhere": (lambda: saved(levels(1, 1)), "level 1 everywhere"),
    "labels": (lambda: saved(several()), r"map of the labels 0, 1, 2 and 7.*save it in black and white"),
    "labels with void": (
        lambda: saved(np.where(void_bordered(1) == 255, 255, several()).astype(np.uint8)),
        "labels 0, 1, 2, 7 and 255",
    ),
    "labels of a palette": (lambda: saved(paletted(several(), VOC)), "labels 0, 1, 2 and 7"),
    "labels of a clear palette": (lambda: saved(paletted(several(), VOC), transparency=0), "labels 0, 1, 2 and 7"),
    "labels up to 150": (lambda: saved(several() * 20), "labels 0, 20, 40 and 140"),
    "labels in 16 bits": (lambda: saved(several().astype(np.uint16) * 1000), "labels 0, 1000, 2000 and 7000"),
    "trimap": (lambda: saved(np.where(np.arange(96) < 40, 128, levels()).astype(np.uint8)), "labels 0, 128 and 255"),
    "black brush on a clear layer": (
        lambda: saved(layer(0, levels())),
        "black on a transparent layer.*the black is to be repainted or that the rest is",
    ),
    "hole in black": (lambda: saved(layer(0, levels(0, 255))), "black on a transparent layer"),
    "hole in white": (
        lambda: saved(layer(255, levels(0, 255))),
        "white throughout.*the white is to be repainted or that the rest is",
    ),
    "white brush over white": (lambda: saved(layer(255, levels())), "white throughout"),
    "grey under a clear layer": (
        lambda: saved(layer(levels(200, 255), levels())),
        "partly transparent, and not black under",
    ),
    "clear everywhere": (lambda: saved(layer(levels(), levels(0))), "transparent everywhere"),
    "hole in a photo": (
        lambda: saved(np.dstack([photo(), levels(0, 255)])),
        "looks like a photograph",
    ),
    "red on black": (lambda: saved(np.dstack([levels(), levels(0), levels(0)])), "in colour.*black and white"),
    "red brush on a clear layer": (
        lambda: saved(np.dstack([levels(), levels(0), levels(0), levels()])),
        "in colour.*black and white",
    ),
    "a photograph": (lambda: saved(photo()), "looks like a photograph.*black and white"),
    "a photograph as JPEG": (lambda: saved(photo(), "JPEG"), "looks like a photograph"),
    "a grey photograph": (lambda: saved(Image.fromarray(photo()).convert("L")), "looks like a photograph"),
    "grey": (lambda: saved(levels(127)), "grey in"),
    "several pages": (pages, "several pages"),
    "animated": (gif_of_two, "animated"),
    "another shape": (lambda: saved(levels()[:, :60]), "60 x 64 pixels, but the photo has 96 x 64, another shape"),
    "float, of both signs": (lambda: saved(levels(3, -5, np.float32), "TIFF"), "levels from -5 to 3"),
    "not numbers": (lambda: saved(np.where(shape(), np.nan, 0).astype(np.float32), "TIFF"), "not finite"),
    "no picture": (lambda: b"\x93NUMPY\x01\x00v\x00" + b" " * 200, "array of NumPy"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_could_mean_two_things_is_refused_in_a_sentence(tmp_path: Path, kind: str) -> None:
    build, said = REFUSED[kind]
    file = tmp_path / "mask.any"
    file.write_bytes(build())
    with pytest.raises(IntarsiaError, match=said) as caught, collected() as notes:
        read_mask(file, SIZE)
    assert str(file) in str(caught.value) and "--" not in str(caught.value) and not notes


def test_a_label_can_be_chosen(tmp_path: Path) -> None:
    file = tmp_path / "labels.png"
    for data in (several(), paletted(several(), VOC), several().astype(np.uint16)):
        file.write_bytes(saved(data))
        assert np.array_equal(read_mask(file, SIZE, label=2), several() == 2)
        assert np.array_equal(read_mask(file, SIZE, label=2, invert=True), several() != 2)
        with pytest.raises(IntarsiaError, match="has no label 3; its labels are 0, 1, 2 and 7"):
            read_mask(file, SIZE, label=3)
        with pytest.raises(IntarsiaError, match="--mask-label 1"):
            read_mask(file, SIZE, choosable=True)
    file.write_bytes(saved(photo()))
    with pytest.raises(IntarsiaError, match="in colour and has no numbers"):
        read_mask(file, SIZE, label=1)


def test_inverted_masks_of_every_kind_mark_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "mask.png"
    for build in (lambda: saved(levels()), lambda: saved(levels(1)), lambda: saved(layer(levels(), levels()))):
        file.write_bytes(build())
        with collected():
            assert np.array_equal(read_mask(file, SIZE, invert=True), ~shape())
    file.write_bytes(saved(255 - soft(3)))
    assert (read_mask(file, SIZE, invert=True) != shape()).mean() < 0.03


@pytest.mark.parametrize("name", ["zero_one.png", "white-brush-soft.png", "half_size.png"])
def test_the_shared_masks_are_read(name: str) -> None:
    if not (FAULTS / name).exists():
        pytest.skip("the samples are not here")
    with collected() as notes:
        mask = read_mask(FAULTS / name, Size(128, 128))
    assert 0.01 < mask.mean() < 0.6 and bool(notes) == (name != "white-brush-soft.png")
