"""A photograph of 12 megapixels that lies on its side, as phones write them, goes the whole way."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.imaging.read import read_photo
from tests.web.browser.conftest import Shoot
from tests.web.browser.studio.hand import Hand, grown

pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")
from playwright.sync_api import expect

pytestmark = [
    pytest.mark.ui,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

WIDTH, HEIGHT = 3000, 4000
ON_ITS_SIDE = 6
"""How EXIF says that a camera was held upright."""
ORIENTATION = 0x0112
LONG = 240_000
"""Milliseconds to wait for 12 megapixels on a busy core."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Path:
    """3000 wide and 4000 high as it is seen, and the other way round in its file."""
    file = tmp_path_factory.mktemp("large") / "IMG_0001.jpg"
    with Image.open(photographs / "coffee.png") as coffee:
        upright = coffee.convert("RGB").crop((150, 0, 450, 400)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    noisy = np.asarray(upright) + np.random.default_rng(0).normal(0, 3, (HEIGHT, WIDTH, 1))
    exif = Image.Exif()
    exif[ORIENTATION] = ON_ITS_SIDE
    lying = Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).transpose(Image.Transpose.ROTATE_90)
    lying.save(file, quality=92, exif=exif)
    return file


def full_size(hand: Hand, results: int) -> None:
    """Wait for a result, and until it is there at the photo's own size; a quick view may come first."""
    hand.done(results, patience=LONG)
    expect(hand.page.locator(".u-quick")).to_be_hidden(timeout=LONG)
    expect(hand.page.locator(".u-download .u-strong")).to_have_attribute("aria-disabled", "false", timeout=LONG)


def test_a_lying_jpeg_of_12_megapixels_goes_the_whole_way(hand: Hand, large: Path, shoot: Shoot) -> None:
    before = read_photo(large).pixels
    assert before.shape[:2] == (HEIGHT, WIDTH)
    hand.open(large)
    expect(hand.page.locator(".u-strip-head")).to_contain_text(f"{WIDTH} \N{MULTIPLICATION SIGN} {HEIGHT}")
    ours = np.zeros((HEIGHT, WIDTH), bool)
    hand.drag([(2300, 2600), (2990, 3700)])
    hand.selected()
    hand.press("Clear")
    hand.key("m")
    hand.drag([(300, 3300), (700, 3600)])
    hand.selected()
    hand.key("v")
    began = time.monotonic()
    hand.drag([(500, 3450), (800, 3200), (1200, 2900)])
    hand.moving()
    assert time.monotonic() - began < 60
    [move] = hand.now["moves"]
    assert abs(move["x"] - 700) < 20 and abs(move["y"] + 550) < 20
    hand.press("Apply")
    full_size(hand, 1)
    x, y = move["x"], move["y"]
    ours[3300:3600, 300:700] = ours[3300 + y : 3600 + y, 300 + x : 700 + x] = True
    hand.key("m")
    hand.drag([(2400, 200), (2700, 420)])
    hand.selected()
    ours[200:420, 2400:2700] = True
    hand.press("Remove")
    full_size(hand, 2)
    shoot(hand.page, "canvas-large")
    taken = hand.take()
    with Image.open(taken) as picture:
        assert (picture.format, picture.size) == ("JPEG", (WIDTH, HEIGHT))
        assert picture.getexif().get(ORIENTATION, 1) == 1
    after = read_photo(taken).pixels
    far = ~grown(ours[::8, ::8], 25).repeat(8, 0).repeat(8, 1)
    assert np.abs(after[far].astype(int) - before[far]).mean() < 3
    there = after[3320 + y : 3580 + y, 320 + x : 680 + x].astype(int)
    assert np.abs(there - before[3320:3580, 320:680]).mean() < 12
