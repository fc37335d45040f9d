"""What the page of an edit by words says of models that know no photographs, and of a result."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.web.tabs.edit_handlers import EMPTY, EditHandlers

from intarsia.regions.edit import edit
from intarsia.regions.notes import BLUR
from intarsia.results.save import save
from intarsia.web import result_store
from intarsia.web.batch_cards import card_html
from intarsia.web.notes import banner_ahead, split_notes
from intarsia.web.sessions import Session, SessionStore
from tests.paths import SCENES
from tests.regions.test_edit import record, scene
from tests.web.handled import edit_handlers, event

COMMAND = "intarsia models download sd15"


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    choices = ("pocket", "sd15")
    return SessionStore(tmp_path / "sessions", models=choices, load=lambda *_, **__: pytest.fail("nobody paints here"))


@pytest.fixture
def photograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("intarsia.web.tabs.edit_handlers.get_upload_folder", lambda: str(tmp_path))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def handlers(store: SessionStore) -> EditHandlers:
    return edit_handlers(store)


def test_the_banner_comes_with_the_photograph_and_goes_with_the_models(
    handlers: EditHandlers, store: SessionStore, photograph: Path
) -> None:
    token = store.join(None).token
    state = handlers.upload(event(path=str(photograph)), token, EMPTY)["canvas"]
    assert state["banner"]["command"] == COMMAND and state["banner"]["text"].startswith("The pocket models know")
    assert "--" not in state["banner"]["text"]
    assert handlers.upload(event(path=str(photograph)), token, EMPTY, "sd15")["canvas"]["banner"] is None
    assert handlers.choose_models(state, str(photograph), "sd15")["canvas"]["banner"] is None
    assert handlers.choose_models({**EMPTY, "phase": "ready"}, str(photograph), "pocket")["canvas"]["banner"]


def test_a_drawn_scene_has_no_banner(handlers: EditHandlers, store: SessionStore, tmp_path: Path) -> None:
    with Image.open(SCENES / "0000.png") as small:
        small.resize((256, 256), Image.Resampling.BICUBIC).save(tmp_path / "scene.png")
    assert banner_ahead("pocket", tmp_path / "scene.png") is None


def test_models_that_are_not_there_say_so_later(photograph: Path) -> None:
    assert banner_ahead("gone.safetensors", photograph) is None


def test_a_result_says_its_notes_in_the_pages_words(pocket: Any, store: SessionStore) -> None:
    session: Session = store.join(None)
    photo, _ = scene(0)
    result = edit(photo, record(source="ball", steps=1), pocket)
    loud = f"The pocket models know little, and this looks like a photograph: {BLUR}. Run it."
    folder = session.new_folder("edit")
    save(dataclasses.replace(result, notes=(*result.notes, loud)), folder)
    facts = result_store.result_facts(folder)
    (note,) = facts["notes"]
    assert note.startswith("Nothing in the photo looks like 'ball'") and "say where with “Draw a box”" in note
    assert facts["banner"]["command"] == COMMAND and facts["banner"]["text"].startswith("The pocket models know little")
    document = result_store.lead_record(folder)
    former = json.loads(document.read_text())
    del former["notes"]  # as an earlier version wrote it
    document.write_text(json.dumps(former))
    assert result_store.result_facts(folder)["notes"] == []


def test_notes_without_a_banner() -> None:
    assert split_notes([]) == ([], None)
    assert split_notes(["It is small: work at a larger --size."]) == (["It is small: work at a larger “Size”."], None)


def test_notes_of_a_job_stand_on_its_card_as_text() -> None:
    row: Any = SimpleNamespace(state="done", photo="a.png", number=1, words="", facts={"notes": ["<b>Small</b>."]})
    assert "<p>&lt;b&gt;Small&lt;/b&gt;.</p>" in card_html(row, Path("job"), ())
