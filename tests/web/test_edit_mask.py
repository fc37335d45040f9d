"""The mask of an edit by words: taken from the page, kept in the session, and in the record."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.errors import RecordError
from intarsia.web import edit_service
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.tabs.edit_handlers import EMPTY, EditHandlers, read_state
from tests.web.handled import edit_handlers, event

PHOTO = (48, 64, 3)


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(tmp_path / "sessions", models="pocket", load=lambda *_, **__: pytest.fail("nobody paints here"))


@pytest.fixture
def session(store: SessionStore) -> Session:
    return store.join(None)


@pytest.fixture
def photo(session: Session) -> Path:
    file = session.new_folder("photo") / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, PHOTO, np.uint8)).save(file)
    return file


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A mask as the page sent it."""
    monkeypatch.setattr("intarsia.web.tabs.edit_handlers.get_upload_folder", lambda: str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    mask = np.zeros(PHOTO[:2], np.bool_)
    mask[10:30, 20:40] = True
    Image.fromarray(mask).save(tmp_path / "uploads" / "mask.png")
    return str(tmp_path / "uploads" / "mask.png")


@pytest.fixture
def handlers(store: SessionStore) -> EditHandlers:
    return edit_handlers(store)


def test_a_mask_takes_the_place_of_a_box(handlers: EditHandlers, session: Session, photo: Path, sent: str) -> None:
    state = {**EMPTY, "phase": "ready", "box": [1, 2, 30, 40]}
    taken = handlers.take_mask(session.token, state, str(photo), event(path=sent))["canvas"]
    assert taken["box"] is None and taken["mask"]["url"].endswith(f"{taken['mask']['name']}/mask.png")
    none = handlers.take_mask(session.token, {**taken, "box": [1, 2, 3, 4]}, str(photo), event(path=None))["canvas"]
    assert (none["mask"], none["box"]) == (None, [1, 2, 3, 4])


def test_what_is_wrong_is_told(handlers: EditHandlers, session: Session, photo: Path, sent: str) -> None:
    for path, file in (("/etc/passwd", photo), (str(photo), photo), (sent, None)):
        state = handlers.take_mask(session.token, EMPTY, str(file) if file else None, event(path=path))["canvas"]
        assert state["problem"] and state["message"].endswith(".") and state["mask"] is None


def test_another_visitors_mask_is_not_found(
    handlers: EditHandlers, store: SessionStore, session: Session, photo: Path, sent: str
) -> None:
    taken = handlers.take_mask(session.token, EMPTY, str(photo), event(path=sent))["canvas"]
    request: Any = SimpleNamespace(session_hash="page")
    update = handlers.want_edit(request, store.join(None).token, taken, str(photo), "", "a house")
    assert update["canvas"]["problem"] and "brush it again" in update["canvas"]["message"]


def test_the_record_has_the_mask_and_programs_cannot_name_one(store: SessionStore, photo: Path, sent: str) -> None:
    record = edit_service.build_record(photo, {"prompt": "a house"}, store, mask=Path(sent))
    assert record.mask == sent
    with pytest.raises(RecordError, match="visitors cannot choose"):
        edit_service.build_record(photo, {"prompt": "a house", "mask": sent}, store)
    with pytest.raises(RecordError, match="Both a box and a mask"):
        edit_service.build_record(photo, {"prompt": "a house"}, store, [1, 2, 30, 40], Path(sent))


@pytest.mark.parametrize("value", [None, {"mask": 3}, {"mask": "mask-0001"}, {"outlining": True}])
def test_whatever_a_page_sends_back_is_read(value: Any) -> None:
    state = read_state(value)
    assert state["mask"] is None and state["outlining"] is False
