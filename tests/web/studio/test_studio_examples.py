"""The examples of the empty canvas: what is on their cards, and that what they suggest comes out well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("gradio")
from intarsia.backbones.protocols import Backbones
from intarsia.errors import RecordError
from intarsia.evaluate.judge import load_judge
from intarsia.imaging.read import read_photo
from intarsia.imaging.tensors import to_tensor
from intarsia.regions.edit import edit
from intarsia.web import edit_service, studio_examples
from intarsia.web.result_store import KEEP
from intarsia.web.sessions import SessionStore


def test_examples_are_shown_small_and_inside_the_page() -> None:
    cards = studio_examples.example_cards()
    assert len(cards) == len(studio_examples.examples()) >= 5
    assert all(card["url"].startswith("data:image/webp;base64,") and card["title"] and card["said"] for card in cards)
    assert len(json.dumps(cards)) < 150_000
    for wrong in (-1, len(cards), "0", None, True):
        with pytest.raises(RecordError, match="not here any more"):
            studio_examples.get_example(wrong)


def test_what_is_selected_at_once_lies_in_the_photo() -> None:
    for index, example in enumerate(studio_examples.examples()):
        assert studio_examples.get_example(index) == example
        assert (example.box is not None) == (example.verb == "remove")
        if example.box is not None:
            size, (x0, y0, x1, y1) = read_photo(example.photo).size, example.box
            assert 0 <= x0 < x1 <= size.width and 0 <= y0 < y1 <= size.height


def test_without_photographs_there_are_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert [example.photo.is_file() for example in studio_examples.removals()] == [True, True]


@pytest.mark.slow
@pytest.mark.parametrize("example", studio_examples.CHANGES, ids=lambda example: example.photo.stem)
def test_each_change_comes_out_well_on_the_pocket_models(
    example: studio_examples.Example, pocket: Backbones, tmp_path: Path
) -> None:
    judge, photo = load_judge(), read_photo(example.photo)
    settings = {"source": example.source, "prompt": example.prompt, "keep": KEEP}
    record = edit_service.build_record(example.photo, settings, SessionStore(tmp_path / "visits", models="pocket"))
    best = edit(photo, record, pocket).candidates[0]
    assert best.photo is not None
    painted, before = to_tensor(best.photo, photo.size), to_tensor(photo, photo.size)
    wanted = example.prompt.removeprefix("a ")
    assert judge.present(painted, wanted, [best.box]).all() and not judge.present(before, wanted, [best.box]).any()
    old = 1 + judge.names.index(example.source)
    left, there = ((judge.segment(picture) == old).sum() for picture in (painted, before))
    assert there > 0 and left <= there / 4, f"{left} of {there} pixels of the {example.source} are left"
