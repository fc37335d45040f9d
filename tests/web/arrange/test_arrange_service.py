"""Edit by layout on the pages: moves in the browser are the record's moves, and a session sees only its own files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.web.arrange.yard_scene import BASE, NAMES, YARD, moved, session_with_yard

pytest.importorskip("gradio", reason="the web pages are an extra")
from intarsia.errors import Cancelled, LayoutError, RecordError
from intarsia.layout.layout_files import read_layout
from intarsia.layout.scene_files import read_scene_folder
from intarsia.progress import Progress
from intarsia.records.arrange import ArrangeRecord
from intarsia.web.api import error_text, read_request
from intarsia.web.arrange_cards import message_html, progress_html
from intarsia.web.arrange_service import ArrangeService
from intarsia.web.arrange_settings import ADVANCED, setting_of, with_settings
from intarsia.web.arrange_store import (
    list_arrangements,
    parse_names,
    scene_record,
    source_path,
    write_moves,
)
from intarsia.web.canvas import (
    read_moves,
    record_from_moves,
)
from intarsia.web.loss_plot import Loss, loss_plot
from intarsia.web.sessions import SessionStore
from intarsia.web.work import Step


def test_every_advanced_setting_is_the_records_own() -> None:
    record = ArrangeRecord(photo="p")
    values = {name: setting_of(name).default for name in ADVANCED}
    assert with_settings(record, values) == record
    assert all(setting_of(name).help for name in ADVANCED)


def test_settings_go_to_their_groups_and_emptied_ones_stay_default() -> None:
    record = with_settings(ArrangeRecord(photo="p"), {"compose.strength": 0.5, "steps": None, "prompt": "a cat"})
    assert (record.compose.strength, record.steps, record.prompt) == (0.5, 50, "a cat")
    for empty in (None, "", "  "):
        assert with_settings(ArrangeRecord(photo="p"), {"size": empty, "seed": 0}).size is None
    assert with_settings(ArrangeRecord(photo="p"), {"size": " 256 "}).size == 256
    for bad in ("a few", "0", "-3", "1e3"):
        with pytest.raises(RecordError, match=r"[Ss]ize"):
            with_settings(ArrangeRecord(photo="p"), {"size": bad})
    with pytest.raises(RecordError, match="strength"):
        with_settings(ArrangeRecord(photo="p"), {"compose.strength": 5})


def test_a_records_numbers_are_of_its_own_kind_whatever_a_browser_sends() -> None:
    record = with_settings(ArrangeRecord(photo="p"), {"guidance": 3, "compose.strength": 1, "steps": 20, "seed": 2})
    assert repr((record.guidance, record.compose.strength, record.steps, record.seed)) == "(3.0, 1.0, 20, 2)"


def test_names_are_parted_by_commas_and_lines() -> None:
    assert parse_names(" cat, potted plant;\n dog 1 ,, ") == ("cat", "potted plant", "dog 1")


def test_hostile_words_are_shown_as_text() -> None:
    bad = '<img src=x onerror="alert(1)">'
    for shown in (
        message_html(bad),
        message_html(bad, error=True),
        progress_html(Step(progress=Progress(stage=bad, done=1, total=2))),
    ):
        assert "<img" not in shown and "&lt;img" in shown.lower()
    assert "<img" not in loss_plot([Loss(stage=bad, step=1, value=1.0)])


def test_the_losses_are_a_line_for_each_stage() -> None:
    losses = [Loss(stage="tokens", step=k, value=1 / k) for k in range(1, 6)]
    losses += [Loss(stage="keys and values", step=k, value=0.1) for k in range(6, 9)]
    drawn = loss_plot(losses)
    assert drawn.count("<polyline") == 4 and "keys and values" in drawn and "update 8" in drawn
    assert loss_plot([]) == ""
    assert "nan" not in loss_plot([Loss(stage="tokens", step=1, value=0.0)])


def test_stopping_is_no_failure() -> None:
    assert error_text(Cancelled("x")).startswith("Stopped")
    assert error_text(LayoutError("a fact")) == "a fact"
    assert "KeyError" in error_text(KeyError("x"))


@pytest.mark.parametrize("name", ["", "scene-0001", "../scene-0001", "photo-0001/..", "/etc", "arrange-0001"])
def test_a_page_names_only_what_is_in_its_own_folder(store: SessionStore, name: str) -> None:
    session = store.join(None)
    (session.folder.parent / "scene-0001").mkdir()
    with pytest.raises(LayoutError, match="no picture"):
        source_path(session, name)


def values() -> dict[str, Any]:
    return {"mode": "auto", **{name: setting_of(name).default for name in ADVANCED}}


def test_a_request_is_the_record_of_the_scene_and_the_moves(store: SessionStore) -> None:
    session, scene = session_with_yard(store)
    value = {"id": scene, "moves": [{"name": "dog", "x": 9}]}
    record, moves = ArrangeService(store).build_record(session, value, values(), None, None)
    assert record.move == ("dog=+9,+0",)
    assert record.photo == str(session.folder / scene / "yard.scene" / "photo.png")
    assert [m.name for m in moves] == list(NAMES)
    with pytest.raises(LayoutError, match="move an object first"):
        ArrangeService(store).build_record(session, {"id": scene, "moves": []}, values(), None, None)


def test_a_drawn_layout_with_its_own_key_leaves_the_scene_its_own(store: SessionStore, tmp_path: Path) -> None:
    session, scene = session_with_yard(store)
    key = tmp_path / "key.json"
    key.write_text('{"house": [1, 1, 1], "tree": [2, 2, 2], "dog": [3, 3, 3], "background": [0, 0, 0]}')
    mask = np.asarray(Image.open(YARD / "mask.png").convert("RGB"))
    colours = json.loads((YARD / "colours.json").read_text())
    drawn = np.zeros_like(mask)
    for number, name in enumerate(NAMES, 1):
        drawn[(mask == colours[name]).all(-1)] = number
    Image.fromarray(np.roll(drawn, 6, axis=1)).save(tmp_path / "layout.png")
    record, _ = ArrangeService(store).build_record(
        session, {"id": scene, "moves": []}, values(), str(tmp_path / "layout.png"), str(key)
    )
    layout = read_layout(record, read_scene_folder(Path(record.photo)))
    assert all(p.matrix == pytest.approx((1, 0, 6, 0, 1, 0), abs=0.2) for p in layout.placements)


def test_learned_looks_are_used_from_then_on(store: SessionStore) -> None:
    session, scene = session_with_yard(store)
    value = {"id": scene, "moves": [{"name": "dog", "x": 9}]}
    for number in (1, 2):
        (session.folder / scene / f"looks-000{number}.safetensors").touch()
    record, _ = ArrangeService(store).build_record(session, value, values(), None, None)
    assert record.concepts == str(session.folder / scene / "looks-0002.safetensors")


def test_results_are_found_again_in_the_order_they_were_made(store: SessionStore) -> None:
    session, scene = session_with_yard(store)
    for number in (1, 2):
        folder = session.new_folder("arrange")
        files = {kind: str(folder / f"{kind}.x") for kind in ("picture", "record", "layout", "mask")}
        record = dataclasses.asdict(record_from_moves(moved(x=float(number)), NAMES, BASE))
        write_moves(folder, {"files": {**files, "others": []}, "record": record}, scene, moved(x=float(number)))
    session.new_folder("arrange")  # one that was stopped
    found = list_arrangements(session)
    assert [m.words for m in found] == ["dog moved by +1,+0", "dog moved by +2,+0"]
    assert read_moves(found[1].moves, NAMES) == moved(x=2.0)


def test_other_programs_ask_by_scene_and_moves(store: SessionStore) -> None:
    owner, scene = session_with_yard(store)
    wish = {"scene": f"{owner.token}/{scene}", "moves": [{"name": "dog", "gone": True}]}
    record, _, _ = read_request(ArrangeService(store), store.join(None), None, wish)
    assert record.remove == ("dog",)
    assert record.mask == scene_record(owner.folder / scene / "yard.scene").mask
    given = {"scene": wish["scene"], "record": {"mask": "/etc/passwd", "move": ["dog=+3,0"], "seed": 4}}
    record, _, _ = read_request(ArrangeService(store), store.join(None), None, given)
    assert (record.move, record.seed) == (("dog=+3,0",), 4)
    assert record.mask == scene_record(owner.folder / scene / "yard.scene").mask


@pytest.mark.parametrize(
    "record",
    [
        {"layout": "/etc/passwd"},
        {"boxes": "/etc/passwd"},
        {"concepts": "x"},
        {"fill": "lama", "fill_model": "x"},
        {"learn": {"prior": "/"}},
        {"masks": ["a=b"]},
    ],
)
def test_other_programs_cannot_name_files_of_this_machine(store: SessionStore, record: dict[str, Any]) -> None:
    owner, scene = session_with_yard(store)
    with pytest.raises(RecordError, match="files"):
        read_request(
            ArrangeService(store), store.join(None), None, {"scene": f"{owner.token}/{scene}", "record": record}
        )


@pytest.mark.parametrize("wish", [None, 3, {}, {"record": 3}, {"scene": "nobody/scene-0001"}])
def test_other_programs_are_told_what_is_wrong(store: SessionStore, wish: Any) -> None:
    with pytest.raises(RecordError):
        read_request(ArrangeService(store), store.join(None), None, wish)
