"""Edit by layout for programs and pages: its records, and that a session sees only its own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.web.arrange.yard_scene import session_with_yard

pytest.importorskip("gradio", reason="the web pages are an extra")
from intarsia.errors import Cancelled, LayoutError, RecordError
from intarsia.records.arrange import ArrangeRecord
from intarsia.web.api import error_text, read_request
from intarsia.web.arrange_service import ArrangeService, with_settings
from intarsia.web.arrange_store import parse_names, scene_record, source_path, unique_name
from intarsia.web.sessions import SessionStore


def test_settings_go_to_their_groups() -> None:
    record = with_settings(ArrangeRecord(photo="p"), {"compose.strength": 0.5, "prompt": "a cat"})
    assert (record.compose.strength, record.steps, record.prompt) == (0.5, 50, "a cat")
    with pytest.raises(RecordError, match="strength"):
        with_settings(ArrangeRecord(photo="p"), {"compose.strength": 5.0})


def test_names_are_parted_by_commas_and_lines() -> None:
    assert parse_names(" cat, potted plant;\n dog 1 ,, ") == ("cat", "potted plant", "dog 1")


def test_every_object_has_a_name_of_its_own() -> None:
    assert unique_name("dog", ()) == "dog"
    assert unique_name("dog", ("cat",)) == "dog"
    assert unique_name("dog", ("dog", "cat")) == "dog 2"
    assert unique_name("dog", ("dog", "dog 2", "dog 3")) == "dog 4"
    assert unique_name("dog 2", ("dog", "dog 2")) == "dog 3"


def test_stopping_is_no_failure() -> None:
    assert error_text(Cancelled("x")).startswith("Stopped")
    assert error_text(LayoutError("a fact")) == "a fact"
    assert "KeyError" in error_text(KeyError("x"))


@pytest.mark.parametrize(
    "name", ["", "scene-0001", "../scene-0001", "photo-0001", "photo-0001/..", "/etc", "arrange-0001"]
)
def test_a_page_names_only_what_is_in_its_own_folder(store: SessionStore, name: str) -> None:
    session = store.join(None)
    (session.folder.parent / "scene-0001").mkdir()
    with pytest.raises(LayoutError, match="no such scene"):
        source_path(session, name)


def test_a_record_is_of_the_scenes_files_with_what_the_operator_adds(tmp_path: Path) -> None:
    store = SessionStore(tmp_path / "sessions", models="pocket", lora=("style.safetensors:0.5",))
    session, scene = session_with_yard(store)
    record = ArrangeService(store).base_record(source_path(session, scene), {"seed": 4}, models="pocket")
    assert (record.photo, record.seed) == (str(session.folder / scene / "yard.scene" / "photo.png"), 4)
    assert (record.models, record.lora, record.layout) == ("pocket", ("style.safetensors:0.5",), None)


def test_other_programs_ask_by_scene_and_moves(store: SessionStore) -> None:
    owner, scene = session_with_yard(store)
    wish = {"scene": f"{owner.token}/{scene}", "moves": [{"name": "dog", "gone": True}]}
    record = read_request(ArrangeService(store), store.join(None), None, wish)
    assert record.remove == ("dog",)
    assert record.mask == scene_record(owner.folder / scene / "yard.scene").mask
    given = {"scene": wish["scene"], "record": {"mask": "/etc/passwd", "move": ["dog=+3,0"], "seed": 4}}
    record = read_request(ArrangeService(store), store.join(None), None, given)
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
