"""Readers of public sets, on tiny folders that are laid out as the sets are."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.errors import EmptyMaskError, IntarsiaError, MissingExtraError, RecordError, RegionError
from intarsia.evaluate.public_sets.dle import edited_region, read_dle
from intarsia.evaluate.public_sets.items import MoveCase, WordsCase, changed_words
from intarsia.evaluate.public_sets.pie import decode_mask, read_pie, source_words
from intarsia.evaluate.public_sets.pie_plus import is_pie_plus, read_pie_plus
from intarsia.evaluate.public_sets.pixelman import read_moves
from intarsia.evaluate.public_sets.run import SetFolders, read_sets
from intarsia.imaging.geometry import Size
from tests.evaluate.public_folders import (
    NAMES,
    changed,
    make_dle,
    make_moves,
    make_pie,
    make_pie_plus,
    object_mask,
    object_of,
    picture,
)

BORDER = np.ones((64, 64), dtype=bool)
BORDER[1:-1, 1:-1] = False


def words_case(case: WordsCase | MoveCase) -> WordsCase:
    assert isinstance(case, WordsCase)
    return case


@pytest.mark.parametrize("plus", [False, True])
def test_pie_bench_gives_pictures_words_and_masks(tmp_path: Path, plus: bool) -> None:
    if plus:
        pytest.importorskip("pyarrow")
    part = read_pie_plus(make_pie_plus(tmp_path)) if plus else read_pie(make_pie(tmp_path))
    assert is_pie_plus(tmp_path) == plus
    assert (part.key, part.title) == (("pie_plus", "PIE-Bench++") if plus else ("pie", "PIE-Bench"))
    assert [item.name for item in part.items] == list(NAMES)
    assert [item.kind for item in part.items] == ["random", "change object"]
    for number, item in enumerate(part.items):
        item.check()
        case = words_case(item.load())
        assert case.photo.size == Size(64, 64)
        assert case.source == object_of(number)[0]
        assert "a house" in case.prompt and "[" not in case.prompt
        assert (case.mask == (object_mask(number) | BORDER)).all()


def test_masks_are_runs_over_the_rows_and_the_border() -> None:
    mask = decode_mask([9, 3, 22, 100], Size(6, 4), "a")
    assert mask.astype(int).tolist() == [[1] * 6, [1, 0, 0, 1, 1, 1], [1, 0, 0, 0, 0, 1], [1] * 6]
    with pytest.raises(RegionError, match="another size than 6 x 4 pixels"):
        decode_mask([24, 1], Size(6, 4), "a")


@pytest.mark.parametrize(
    ("original", "editing", "blended", "expected"),
    [
        ("a [red cat] on [a chair]", "a [dog] on [a box]", "", "red cat and a chair"),
        ("a mountain bicycle", "a [rusty] mountain bicycle", "bicycle bicycle", "bicycle"),
        ("a cat on grass", "a dog on grass", "", "cat"),
        ("a cat", "a cat [with a hat]", "", ""),
        ("a cat", "a cat [with a hat]", "hat hat", ""),
        ("a cat and [a dog]", "a cat", "", "a dog"),
    ],
)
def test_source_words_are_those_that_change(original: str, editing: str, blended: str, expected: str) -> None:
    assert source_words(original, editing, blended) == expected


def test_words_of_one_caption_alone() -> None:
    assert changed_words("A red car, parked on snow.", "a blue car, parked on snow") == "red"
    assert changed_words("a cat", "a cat") == ""


def test_dlebench_takes_the_region_from_its_reference(tmp_path: Path) -> None:
    part = read_dle(make_dle(tmp_path))
    assert [item.name for item in part.items] == [f"0001-{NAMES[0]}_edit", f"0002-{NAMES[1]}_edit"]
    first, second = (words_case(item.load()) for item in part.items)
    assert (first.source, "a house" in first.prompt) == ("tree", True)
    assert (second.source, second.prompt) == ("", "Replace the cake with a house")
    for number, case in enumerate((first, second)):
        assert case.reference is not None and case.reference.size == case.photo.size
        inside = object_mask(number)
        assert (case.mask & inside).sum() >= 0.9 * inside.sum()
        assert case.mask.sum() <= 1.5 * inside.sum()


def test_compression_is_no_edit() -> None:
    source = np.full((64, 64, 3), 100, np.uint8)
    noisy = source + np.random.default_rng(0).integers(0, 20, source.shape).astype(np.uint8)
    assert not edited_region(source, noisy).any()
    noisy[20:30, 20:30] = 0
    assert edited_region(source, noisy).sum() == 12 * 12  # and a pixel around


def test_moves_are_of_the_size_at_which_a_picture_is_edited(tmp_path: Path) -> None:
    folder = make_moves(tmp_path)
    res, cocoee = read_moves(folder)
    assert (res.key, cocoee.key) == ("res", "cocoee")
    for number, (part, move) in enumerate(((res, (12, 0)), (cocoee, (-12, 4)))):
        (item,) = part.items
        item.check()
        case = item.load()
        assert isinstance(case, MoveCase)
        assert (case.name, case.move, case.photo.size) == (object_of(number)[0], move, Size(64, 64))
        assert (case.mask & object_mask(number)).sum() >= 0.9 * object_mask(number).sum()
    (alone,) = read_moves(folder / "COCOEE")
    assert alone.key == "cocoee"


def test_large_pictures_become_as_small_as_the_set_edits_them(tmp_path: Path) -> None:
    home = make_moves(tmp_path) / "ReS"
    picture(0).resize((200, 150)).save(home / "p1_1.png")
    Image.fromarray((object_mask(0) * 255).astype(np.uint8)).resize((100, 75)).save(home / "p1_1_mask.png")
    case = read_moves(home)[0].items[0].load()
    assert isinstance(case, MoveCase)
    assert case.photo.size == Size(85, 64) and case.mask.shape == (64, 85)


def test_a_limit_takes_the_first_items_and_checks_no_others(tmp_path: Path) -> None:
    folder = make_pie(tmp_path)
    next((folder / "annotation_images").glob("1_*/*/*/*.jpg")).unlink()
    (part,) = read_sets(SetFolders(pie=folder), limit=1)
    assert [item.name for item in part.items] == [NAMES[0]]
    with pytest.raises(IntarsiaError, match="is missing"):
        read_sets(SetFolders(pie=folder))


def test_pie_bench_plus_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'intarsia\[bench\]'"):
        read_pie_plus(tmp_path)


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file = next(make_pie_plus(tmp_path).glob("1_*/*.parquet"))
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(RecordError, match="cannot be read as Parquet"):
        read_sets(SetFolders(pie=tmp_path))


def break_pie(folder: Path, **fields: object) -> SetFolders:
    changed(make_pie(folder) / "mapping_file.json", **fields)
    return SetFolders(pie=folder)


def test_bad_entries_are_named(tmp_path: Path) -> None:
    cases: tuple[tuple[dict[str, object], str], ...] = (
        ({"image_path": "../../secret.jpg"}, "is not in its folder"),
        ({"image_path": "0_random_140/gone.jpg"}, "gone.jpg of the set is missing: unpack the whole set."),
        ({"editing_prompt": None}, "has no text 'editing_prompt'"),
        ({"mask": [1, 2, 3]}, "has no mask of runs"),
        ({"mask": [512 * 512 - 1, 1]}, "was drawn on a picture of another size than 64 x 64 pixels"),
    )
    for number, (fields, said) in enumerate(cases):
        with pytest.raises(IntarsiaError) as caught:
            read_sets(break_pie(tmp_path / str(number), **fields))
        assert said in str(caught.value)
        assert str(caught.value).count(". ") == 0


def test_bad_folders_of_each_set_are_named(tmp_path: Path) -> None:
    gone, empty = tmp_path / "gone", tmp_path / "empty"
    empty.mkdir()
    for name, file in (("pie", "mapping_file.json"), ("dle", "data.jsonl"), ("res", "ReS_dataset.json")):
        with pytest.raises(RecordError, match="does not exist: give the folder"):
            read_sets(SetFolders(**{name: gone}))
        with pytest.raises(RecordError, match=file):
            read_sets(SetFolders(**{name: empty}))


def test_masks_and_references_of_another_size_are_refused(tmp_path: Path) -> None:
    dle, moves = make_dle(tmp_path / "dle"), make_moves(tmp_path / "moves")
    picture(0).resize((32, 32)).save(dle / "Reference_Images" / f"{NAMES[0]}_edit.png")
    with pytest.raises(RegionError, match="has 32 x 32 pixels, but its picture has 64 x 64: copy the set again"):
        read_sets(SetFolders(dle=dle))
    Image.new("L", (64, 32), 255).save(moves / "COCOEE" / "COCOEE_masks" / "p1_1_mask.png")
    with pytest.raises(RegionError, match="has 64 x 32 pixels, but its picture has 64 x 64, another shape"):
        read_sets(SetFolders(res=moves))


def test_what_asks_for_nothing_is_refused(tmp_path: Path) -> None:
    dle, moves = make_dle(tmp_path / "dle"), make_moves(tmp_path / "moves")
    picture(0).save(dle / "Reference_Images" / f"{NAMES[0]}_edit.png")
    with pytest.raises(EmptyMaskError, match="does not differ from its picture"):
        read_dle(dle).items[0].load()
    Image.new("L", (64, 64)).save(moves / "COCOEE" / "COCOEE_masks" / "p1_1_mask.png")
    with pytest.raises(EmptyMaskError, match="all black"):
        read_moves(moves)[1].items[0].load()
    changed(moves / "ReS" / "ReS_dataset.json", selected_points=[[1, 2]])
    with pytest.raises(RecordError, match="no two selected_points"):
        read_moves(moves)
    (dle / "data.jsonl").write_text(json.dumps({"image": "a.png"}) + "\nno JSON\n")
    with pytest.raises(RecordError, match=r"Line 1 of .* has no text 'reference_image'"):
        read_dle(dle)
