"""What happens on the tab: results are gone on from, and undone step by step; wrong requests get a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.web.remove_service import RemoveService
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.tabs.remove_handlers import EMPTY, RemoveControls, RemoveHandlers, read_state
from tests.web.handled import event
from tests.web.remove.conftest import SIDE, mask_file

REQUEST: Any = SimpleNamespace(session_hash="page")
SETTINGS = (True, "", 0)


@pytest.fixture
def handlers(store: SessionStore) -> RemoveHandlers:
    controls = RemoveControls(canvas="canvas", photo="photo", settings=dict.fromkeys(("shadows", "grow", "seed")))
    return RemoveHandlers(RemoveService(store), controls)


def last(updates: Iterable[Any]) -> dict[str, Any]:
    *_, update = updates
    state: dict[str, Any] = update["canvas"]
    return state


def remove(handlers: RemoveHandlers, session: Session, photo: Path, sent: Any, state: Any = EMPTY) -> dict[str, Any]:
    handlers.want_removal(REQUEST, event(path=str(sent)), session.token, state, str(photo), *SETTINGS)
    return last(handlers.task.perform(REQUEST))


def test_a_removal_is_gone_on_from_and_undone_step_by_step(
    handlers: RemoveHandlers, session: Session, photo: Path, uploads: Path
) -> None:
    first = remove(handlers, session, photo, mask_file(uploads))
    assert first["phase"] == "done" and first["message"].startswith("Done.") and not first["problem"]

    update = handlers.use_result(session.token, first, event(folder=first["result"]["folder"]))
    again = update["canvas"]
    assert (again["phase"], again["trail"], again["result"]) == ("ready", [first["result"]["folder"]], None)
    second = remove(handlers, session, Path(update["photo"]), mask_file(uploads), again)
    assert second["phase"] == "done" and second["trail"] == again["trail"]

    update = handlers.undo(session.token, second)
    marked = update["canvas"]
    assert (marked["phase"], marked["marked"]) == ("ready", second["result"]["marked"])
    assert (
        Path(update["photo"]).read_bytes() == (session.folder / first["result"]["folder"] / "square.png").read_bytes()
    )
    update = handlers.undo(session.token, marked)
    assert update["canvas"]["result"] == first["result"] and update["canvas"]["trail"] == []
    update = handlers.undo(session.token, update["canvas"])
    assert update["photo"] == str(photo) and update["canvas"]["phase"] == "ready"
    assert "nothing to go back to" in handlers.undo(session.token, update["canvas"])["canvas"]["message"]


def test_what_is_wrong_is_told_and_what_is_painted_stays(
    handlers: RemoveHandlers, session: Session, photo: Path, uploads: Path
) -> None:
    ready = {**EMPTY, "phase": "ready", "photo": {"url": "x"}}
    for sent in (mask_file(uploads, marked=False), mask_file(uploads, side=40), photo, "/etc/passwd"):
        state = remove(handlers, session, photo, sent, ready)
        if sent == uploads / "mask.png" and state["phase"] == "done":
            continue  # of another size, but the same shape
        assert (state["phase"], state["problem"]) == ("ready", True) and state["message"].endswith(".")


def test_all_of_the_picture_cannot_go(handlers: RemoveHandlers, session: Session, photo: Path, uploads: Path) -> None:
    Image.new("L", (SIDE, SIDE), 255).save(uploads / "all.png")
    state = remove(handlers, session, photo, uploads / "all.png")
    assert state["problem"] and state["message"].startswith("All of the picture would be replaced")
    assert "--" not in state["message"] and not list(session.folder.glob("remove-*"))


def test_without_a_photo_nothing_is_removed(handlers: RemoveHandlers, session: Session, uploads: Path) -> None:
    handlers.want_removal(REQUEST, event(path="x"), session.token, EMPTY, None, *SETTINGS)
    state = last(handlers.task.perform(REQUEST))
    assert (state["phase"], state["message"]) == ("empty", "There is no photo yet: drop one on the page.")


def test_one_visitor_cannot_see_anothers_results(
    handlers: RemoveHandlers, store: SessionStore, session: Session, photo: Path, uploads: Path
) -> None:
    done = remove(handlers, session, photo, mask_file(uploads))
    folder, other = done["result"]["folder"], store.join(None)
    for handler in (handlers.use_result, handlers.show_result):
        for name in (folder, f"../{session.folder.name}/{folder}", None, 3):
            state = handler(other.token, EMPTY, event(folder=name))["canvas"]
            assert state["problem"] and state["photo"] is None
    handlers.want_replay(REQUEST, event(folder=folder), other.token, EMPTY)
    assert last(handlers.task.perform(REQUEST))["problem"]
    assert handlers.undo(other.token, {**EMPTY, "trail": [folder]})["canvas"]["problem"]
    assert handlers.restore(other.token)["canvas"]["history"] == []
    assert handlers.restore(session.token)["canvas"]["result"] == done["result"]


def test_a_result_is_made_again(handlers: RemoveHandlers, session: Session, photo: Path, uploads: Path) -> None:
    done = remove(handlers, session, photo, mask_file(uploads))
    handlers.want_replay(REQUEST, event(folder=done["result"]["folder"]), session.token, done)
    state = last(handlers.task.perform(REQUEST))
    assert (state["message"], state["phase"]) == ("The same pixels came out.", "done")


def test_a_box_is_outlined_for_the_brush(handlers: RemoveHandlers, session: Session, photo: Path) -> None:
    handlers.want_outline(REQUEST, event(box=[24, 24, 60, 60]), session.token, EMPTY, str(photo))
    state = last(handlers.task.perform(REQUEST))
    assert state["phase"] == "ready" and "mask-" in state["outline"]
    handlers.want_outline(REQUEST, event(box=[500, 500, 600, 600]), session.token, state, str(photo))
    state = last(handlers.task.perform(REQUEST))
    assert state["problem"] and "outside the picture" in state["message"]


def test_work_that_waits_is_taken_back(handlers: RemoveHandlers, session: Session, photo: Path, uploads: Path) -> None:
    handlers.want_removal(REQUEST, event(path=str(mask_file(uploads))), session.token, EMPTY, str(photo), *SETTINGS)
    update = handlers.task.cancel(REQUEST, session.token)
    assert update["canvas"]["message"] == "Stopped. Nothing was changed."
    assert list(handlers.task.perform(REQUEST)) == [handlers.task.unchanged]
    assert not list(session.folder.glob("remove-*"))


def test_stopping_a_removal_stops_no_edit_with_the_networks(handlers: RemoveHandlers, session: Session) -> None:
    handlers.task.cancel(REQUEST, session.token)
    assert session.quick_stop.is_set() and not session.stop.is_set()
    session.stop_all()
    assert session.stop.is_set()


@pytest.mark.parametrize("value", [None, 3, [], {"trail": 7, "result": "x"}, {"trail": None}])
def test_whatever_a_page_sends_back_is_read(value: Any) -> None:
    state = read_state(value)
    assert set(state) == set(EMPTY) and state["trail"] == [] and state["result"] is None
