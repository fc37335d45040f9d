"""A fourth channel of 0 everywhere: none where the format leaves it unsaid, all clear where it is transparency."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.imaging.read import read_photo
from tests.imaging.image_files import noise
from tests.paths import SAMPLES

COLOURS = noise(24, 20)
FAULTS = SAMPLES / "faults"


def bmp(alpha: int | np.ndarray, *, header: int = 124) -> bytes:
    """A BMP of 32 bits: of 40 bytes' header without a word on alpha, or of 108 or 124 bytes' with its mask."""
    rows = np.dstack([COLOURS[::-1, :, ::-1], np.broadcast_to(np.uint8(alpha), COLOURS.shape[:2])[::-1]]).astype(
        np.uint8
    )
    packed, plain = rows.tobytes(), header == 40
    info = struct.pack("<IiiHHIIiiII", header, 24, 20, 1, 32, 0 if plain else 3, len(packed), 2835, 2835, 0, 0)
    masks = b"" if plain else struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + b"\0" * 48
    info += masks + b"\0" * (header - 40 - len(masks))
    return b"BM" + struct.pack("<IHHI", 14 + header + len(packed), 0, 0, 14 + header) + info + packed


def tiff(alpha: int, extra: int | None) -> bytes:
    """A TIFF of four channels, of which the tag for further ones says so much; None without the tag."""
    file = io.BytesIO()
    Image.fromarray(np.dstack([COLOURS, np.full(COLOURS.shape[:2], alpha, np.uint8)])).save(file, "TIFF")
    data = bytearray(file.getvalue())
    at = data.index(struct.pack("<HHI", 338, 3, 1))
    data[at : at + 12] = struct.pack("<HHIHH", 40_000 if extra is None else 338, 3, 1, extra or 0, 0)
    return bytes(data)


def pillow(kind: str) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(np.dstack([COLOURS, np.zeros(COLOURS.shape[:2], np.uint8)]))
    picture.save(file, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    return file.getvalue()


@pytest.mark.parametrize(
    ("build", "clear"),
    [
        (lambda: bmp(0), False),
        (lambda: bmp(0, header=108), False),
        (lambda: bmp(0, header=40), False),
        (lambda: bmp(255), False),
        (lambda: bmp(7, header=40), False),
        (lambda: tiff(0, None), False),
        (lambda: tiff(0, 0), False),
        (lambda: tiff(0, 2), True),
        (lambda: pillow("PNG"), True),
        (lambda: pillow("WEBP"), True),
    ],
)
def test_unset_alpha_is_none(tmp_path: Path, build: Callable[[], bytes], clear: bool) -> None:
    file = tmp_path / "photo"
    file.write_bytes(build())
    photo = read_photo(file)
    assert np.array_equal(photo.pixels, COLOURS)
    assert (photo.alpha is not None and not photo.alpha.any()) if clear else photo.alpha is None or photo.alpha.all()


def test_alpha_that_is_set_somewhere_is_kept(tmp_path: Path) -> None:
    alpha = np.zeros(COLOURS.shape[:2], np.uint8)
    alpha[4, 5] = 90
    file = tmp_path / "photo.bmp"
    file.write_bytes(bmp(alpha))
    photo = read_photo(file)
    assert photo.alpha is not None and np.array_equal(photo.alpha, alpha)


def test_the_shared_bmp_is_opaque() -> None:
    if not FAULTS.exists():
        pytest.skip("the samples are not here")
    alpha = read_photo(FAULTS / "v5_alpha0.bmp").alpha
    assert alpha is None or alpha.all()
