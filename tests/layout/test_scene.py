"""Scenes: objects from coloured maps, from masks, from folders, and by their names."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from intarsia.errors import EmptyMaskError, LayoutError, PictureError, RegionError
from intarsia.imaging.masks import Mask
from intarsia.imaging.read import read_photo
from intarsia.layout.colour_map import colour_map, distinct_colours, read_colours
from intarsia.layout.layout_files import read_layout
from intarsia.layout.names import BACKGROUND, words_of
from intarsia.layout.scene_files import read_scene
from intarsia.records.arrange import ArrangeRecord
from intarsia.records.scene_folder import photo_of
from tests import paths
from tests.layout.scene_parts import photo

SAMPLES = paths.SAMPLES / "layout_editing"


KEY = {"cat": [251, 216, 1], "background": [254, 254, 254], "potted plant": [251, 1, 1]}


def painted(width: int = 48, height: int = 32) -> np.ndarray:
    pixels = np.full((height, width, 3), 254, np.uint8)
    pixels[4:12, 6:20] = KEY["cat"]
    pixels[16:30, 30:44] = KEY["potted plant"]
    return pixels


def write(folder: Path, pixels: np.ndarray | Image.Image, key: object = KEY, name: str = "mask.png") -> ArrangeRecord:
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(folder / name)
    text = key if isinstance(key, str) else json.dumps(key)
    (folder / "colours.json").write_text(text)
    return ArrangeRecord(photo="photo.png", mask=str(folder / name), colours=str(folder / "colours.json"))


def test_a_coloured_map_names_its_objects_in_the_order_of_the_key(tmp_path: Path) -> None:
    scene = read_scene(write(tmp_path, painted()), photo())
    assert scene.names == ("cat", "potted plant")
    assert scene.objects[0].mask[4:12, 6:20].all() and scene.objects[0].mask.sum() == 8 * 14
    assert scene.objects[1].mask.sum() == 14 * 14
    assert scene.objects[1].mask.dtype == np.bool_


def test_palette_and_transparent_maps_say_the_same(tmp_path: Path) -> None:
    expected = read_scene(write(tmp_path, painted()), photo())
    palette = Image.fromarray(painted()).convert("P", palette=Image.Palette.ADAPTIVE)
    clear = np.dstack([painted(), np.full((32, 48), 255, np.uint8)])
    clear[(painted() == 254).all(-1)] = 0  # transparent black
    for picture in (palette, Image.fromarray(clear)):
        scene = read_scene(write(tmp_path, picture), photo())
        for one, other in zip(scene.objects, expected.objects, strict=True):
            assert (one.mask == other.mask).all()


def test_a_map_of_another_size_is_fitted_to_the_photo(tmp_path: Path) -> None:
    expected = read_scene(write(tmp_path, painted()), photo())
    smaller = read_scene(
        write(tmp_path, Image.fromarray(painted()).resize((24, 16), Image.Resampling.NEAREST)), photo()
    )
    larger = read_scene(
        write(tmp_path, Image.fromarray(painted()).resize((144, 96), Image.Resampling.NEAREST)), photo()
    )
    for one, two, three in zip(expected.objects, smaller.objects, larger.objects, strict=True):
        assert (one.mask == three.mask).all()
        assert (one.mask & two.mask).sum() / (one.mask | two.mask).sum() > 0.95


def test_a_small_map_does_not_leave_steps(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:32, :32]
    pixels = np.full((32, 32, 3), 254, np.uint8)
    pixels[(rows - 16) ** 2 + (columns - 16) ** 2 < 100] = KEY["cat"]
    mask = (
        read_scene(write(tmp_path, pixels, {k: KEY[k] for k in ("cat", "background")}), photo(256, 256)).objects[0].mask
    )
    left = mask.argmax(1)[60:90].astype(int)
    assert len(set(left)) > 12  # one pixel of the map is eight of the photo: there were four steps


def test_a_map_over_a_photo_that_lies_on_its_side_is_turned_with_it(tmp_path: Path) -> None:
    stored = painted()  # 48 x 32, as the camera stored it
    upright = Image.new("RGB", (32, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.jpg", exif=exif)
    picture = read_photo(tmp_path / "photo.jpg")
    assert (picture.size.width, picture.size.height) == (32, 48)
    scene = read_scene(write(tmp_path, stored), picture)
    turned = np.rot90((stored == KEY["cat"]).all(-1), -1)
    assert (scene.objects[0].mask == turned).all()


def test_unknown_colours_are_named_with_what_to_do(tmp_path: Path) -> None:
    pixels = painted()
    pixels[20:22, 0:3] = (247, 3, 2)
    record = write(tmp_path, pixels)
    with pytest.raises(LayoutError) as caught:
        read_scene(record, photo())
    assert str(caught.value) == (
        "colour (247, 3, 2) covers 6 pixels of mask.png but belongs to no object; the nearest is 'potted plant' "
        "(251, 1, 1), 4 levels away. Redraw with hard edges, or pass --tolerance 4 to read it as 'potted plant'."
    )
    near = ArrangeRecord(photo="photo.png", mask=record.mask, colours=record.colours, tolerance=4)
    assert read_scene(near, photo()).objects[1].mask.sum() == 14 * 14 + 6
    with pytest.raises(LayoutError, match="4 levels away"):
        read_scene(ArrangeRecord(photo="p", mask=record.mask, colours=record.colours, tolerance=3), photo())


def test_colours_far_from_all_are_for_the_key_and_blurred_ones_for_another_format(tmp_path: Path) -> None:
    pixels = painted()
    pixels[0, 0] = (0, 0, 255)
    with pytest.raises(LayoutError, match=r"covers 1 pixel of .*Add it to the key"):
        read_scene(write(tmp_path, pixels), photo())
    with pytest.raises(LayoutError, match=r"JPEG blurs colours: save the map as PNG"):
        read_scene(write(tmp_path, painted(), name="mask.jpg"), photo())
    with pytest.raises(LayoutError, match=r'The key has no "background": add its colour.*\[254, 254, 254\]'):
        read_scene(write(tmp_path, painted(), {k: v for k, v in KEY.items() if k != "background"}), photo())


def test_no_background_is_needed_where_objects_fill_the_picture(tmp_path: Path) -> None:
    pixels = np.empty((32, 48, 3), np.uint8)
    pixels[:, :20], pixels[:, 20:] = (10, 20, 30), (200, 100, 0)
    scene = read_scene(write(tmp_path, pixels, {"sky": [10, 20, 30], "sea": [200, 100, 0]}), photo())
    assert sum(o.mask.sum() for o in scene.objects) == 32 * 48


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("{'cat': 1}", r"is not JSON \(line 1\): write it as"),
        ("", "is not JSON"),
        ("[1, 2]", "holds no names"),
        ("{}", "names no object"),
        ('{"background": [254, 254, 254]}', "names no object"),
        ('{"cat": [1, 2]}', "three whole numbers from 0 to 255"),
        ('{"cat": [1, 2, 256]}', "three whole numbers from 0 to 255"),
        ('{"cat": [1, 2, 2.5]}', "three whole numbers from 0 to 255"),
        ('{"cat": [1, 2, true]}', "three whole numbers from 0 to 255"),
        ('{"cat": "red"}', "three whole numbers from 0 to 255"),
        ('{" ": [1, 2, 3]}', "without a name"),
        ('{"cat": [1, 2, 3], "dog": [1, 2, 3]}', r"'cat' and 'dog' the same colour \(1, 2, 3\)"),
        ('{"dog": [1, 2, 3], "dog": [3, 2, 1]}', "has 'dog' twice: number them, 'dog 1' and 'dog 2'"),
    ],
)
def test_a_broken_key_is_one_clear_sentence(tmp_path: Path, key: str, message: str) -> None:
    with pytest.raises(LayoutError, match=message) as caught:
        read_scene(write(tmp_path, painted(), key), photo())
    assert "\n" not in str(caught.value) and "colours.json" in str(caught.value)


def test_files_that_are_missing_or_of_another_shape_are_named(tmp_path: Path) -> None:
    record = write(tmp_path, painted())
    with pytest.raises(LayoutError, match=r"There is no file .*none.json"):
        read_scene(ArrangeRecord(photo="p", mask=record.mask, colours=str(tmp_path / "none.json")), photo())
    with pytest.raises(PictureError, match=r"There is no picture .*none.png"):
        read_scene(ArrangeRecord(photo="p", mask=str(tmp_path / "none.png"), colours=record.colours), photo())
    with pytest.raises(LayoutError, match="48 x 32 pixels, but the photo has 40 x 40, another shape"):
        read_scene(record, photo(40, 40))
    with pytest.raises(LayoutError, match=r"No pixel of mask.png has the colour \(1, 2, 3\) of 'dog'"):
        read_scene(write(tmp_path, painted(), {**KEY, "dog": [1, 2, 3]}), photo())
    with pytest.raises(LayoutError, match="Nothing says which objects"):
        read_scene(ArrangeRecord(photo="p.png"), photo())


def test_background_may_be_written_with_a_capital_and_stand_anywhere(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"Background": [254, 254, 254], "cat": [0, 0, 0]}')
    assert read_colours(tmp_path / "key.json") == {BACKGROUND: (254, 254, 254), "cat": (0, 0, 0)}


def black_and_white(path: Path, rows: slice, columns: slice) -> str:
    pixels = np.zeros((32, 48), np.uint8)
    pixels[rows, columns] = 255
    Image.fromarray(pixels).save(path)
    return str(path)


def test_of_masks_that_overlap_the_later_one_is_in_front(tmp_path: Path) -> None:
    one = black_and_white(tmp_path / "a.png", slice(0, 20), slice(0, 20))
    two = black_and_white(tmp_path / "b.png", slice(10, 30), slice(10, 40))
    scene = read_scene(ArrangeRecord(photo="p", masks=(f"dog 1={one}", f"dog 2={two}")), photo())
    assert scene.names == ("dog 1", "dog 2")
    assert [o.words for o in scene.objects] == ["dog", "dog"]
    assert scene.objects[0].mask.sum() == 300 and scene.objects[1].mask.sum() == 600
    assert not (scene.objects[0].mask & scene.objects[1].mask).any()
    with pytest.raises(LayoutError, match="'small' lies wholly behind"):
        inside = black_and_white(tmp_path / "c.png", slice(12, 14), slice(12, 14))
        read_scene(ArrangeRecord(photo="p", masks=(f"small={inside}", f"dog={two}")), photo())


@pytest.mark.parametrize(
    ("masks", "error", "message"),
    [
        (("a.png",), LayoutError, "has no name or no file"),
        (("=a.png",), LayoutError, "has no name or no file"),
        (("cat=",), LayoutError, "has no name or no file"),
        (("cat=a.png", "cat=a.png"), LayoutError, "number them, 'cat 1=...' and 'cat 2=...'"),
        (("cat=none.png",), PictureError, "no picture"),
        (("cat=black.png",), EmptyMaskError, "all black"),
        (("cat=odd.png",), RegionError, "another shape"),
    ],
)
def test_masks_that_cannot_be_used_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, masks: tuple[str, ...], error: type[Exception], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    black_and_white(tmp_path / "a.png", slice(0, 9), slice(0, 9))
    black_and_white(tmp_path / "black.png", slice(0, 0), slice(0, 0))
    Image.new("L", (40, 40), 255).save(tmp_path / "odd.png")
    with pytest.raises(error, match=message):
        read_scene(ArrangeRecord(photo="p", masks=masks), photo())


def test_a_scene_folder_is_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "my.scene"
    folder.mkdir()
    record = ArrangeRecord(photo=str(folder))
    with pytest.raises(LayoutError, match=r"without photo\.png, so not a scene"):
        photo_of(record)
    Image.fromarray(photo().pixels).save(folder / "photo.png")
    with pytest.raises(LayoutError, match=r"lacks mask.png: write it again with intarsia objects"):
        read_scene(record, photo())
    write(folder, painted())
    assert photo_of(record) == folder / "photo.png"
    assert read_scene(record, read_photo(photo_of(record))).names == ("cat", "potted plant")
    assert photo_of(ArrangeRecord(photo="some.png")) == Path("some.png")


def test_a_layout_over_a_scene_folder_is_read_in_the_folders_colours(tmp_path: Path) -> None:
    folder = tmp_path / "my.scene"
    folder.mkdir()
    Image.fromarray(photo().pixels).save(folder / "photo.png")
    write(folder, painted())
    wish = np.roll(painted(), 2, axis=1)
    Image.fromarray(wish).save(tmp_path / "layout.png")
    record = ArrangeRecord(photo=str(folder), layout=str(tmp_path / "layout.png"))
    scene = read_scene(record, read_photo(photo_of(record)))
    layout = read_layout(record, scene)
    for placement in layout.placements:
        assert (placement.mask == (wish == KEY[placement.name]).all(-1)).all()
    other = {"cat": KEY["potted plant"], "potted plant": KEY["cat"], "background": KEY["background"]}
    (tmp_path / "other.json").write_text(json.dumps(other))
    swapped = read_layout(dataclasses.replace(record, colours=str(tmp_path / "other.json")), scene)
    for placement in swapped.placements:  # colours that are given count, not the folder's
        assert (placement.mask == (wish == other[placement.name]).all(-1)).all()


def test_a_layout_without_any_colours_is_one_clear_sentence(tmp_path: Path) -> None:
    scene = read_scene(write(tmp_path, painted()), photo())
    record = ArrangeRecord(photo=str(tmp_path / "photo.png"), layout=str(tmp_path / "mask.png"))
    with pytest.raises(LayoutError, match=r"mask\.png is a picture in colours, but .*pass --colours FILE") as caught:
        read_layout(record, scene)
    assert "\n" not in str(caught.value)


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(0, 2**32))
def test_what_is_painted_in_distinct_colours_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, count: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, count + 1, (32, 48))
    numbers.flat[:count] = np.arange(1, count + 1)
    names = [f"thing {k}" for k in range(1, count + 1)]
    masks: dict[str, Mask] = {name: numbers == k for k, name in enumerate(names, start=1)}
    colours = distinct_colours(names)
    folder = tmp_path_factory.mktemp("painted")
    scene = read_scene(write(folder, colour_map(masks, colours), colours), photo())
    assert scene.names == tuple(names)
    assert all((o.mask == masks[o.name]).all() for o in scene.objects)


def test_distinct_colours_are_far_apart() -> None:
    for count, least in ((1, 200), (6, 250), (20, 100), (60, 60)):
        colours = np.array(list(distinct_colours([str(k) for k in range(count)]).values()), int)
        away = np.abs(colours[:, None] - colours[None]).max(-1)
        assert away[~np.eye(len(colours), dtype=bool)].min() >= least


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dog", "dog"),
        ("dog 2", "dog"),
        ("dog_2", "dog"),
        ("dog #2", "dog"),
        ("potted  plant 12", "potted plant"),
        ("r2d2", "r2d2"),
        ("7", "7"),
    ],
)
def test_the_number_is_no_part_of_the_words(name: str, words: str) -> None:
    assert words_of(name) == words


@pytest.mark.skipif(not SAMPLES.exists(), reason="the published sample pictures are not on this machine")
def test_the_published_scene_is_read_as_it_is() -> None:
    record = ArrangeRecord(
        photo=str(SAMPLES / "image.png"), mask=str(SAMPLES / "mask.png"), colours=str(SAMPLES / "semantic_dict.json")
    )
    scene = read_scene(record, read_photo(record.photo))
    assert scene.names == ("cat", "pot", "plant")
    shares = [o.mask.mean() * 4096 for o in scene.objects]
    assert shares == pytest.approx([1147, 1443, 477], rel=0.02)  # pixels of the 64 x 64 map
    assert np.sum([o.mask for o in scene.objects], axis=0).max() == 1
