"""Outlines and layouts that are painted on the canvas: what they change in a scene, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.web.arrange_paint import add_object, mend_object, others_mask, paint_facts, session_layout, take_layout
from intarsia.web.tabs.arrange_handlers import ArrangeControls, ArrangeHandlers
from intarsia.web.tabs.arrange_paint_handlers import ArrangePaintHandlers

from intarsia.errors import LayoutError, PictureError, RecordError
from intarsia.imaging.read import read_photo
from intarsia.layout.colour_map import read_colours
from intarsia.layout.layout_files import read_layout
from intarsia.records.scene_folder import SCENE_FILES
from intarsia.web import arrange_paint
from intarsia.web.arrange_service import ArrangeService
from intarsia.web.arrange_store import read_source
from intarsia.web.error_messages import message_for
from intarsia.web.sessions import Session, SessionStore
from tests.paths import PACKAGE_SCENES
from tests.web.handled import event

YARD = PACKAGE_SCENES / "yard.scene"


@pytest.fixture
def store(tmp_path: Path) -> SessionStore:
    return SessionStore(
        tmp_path / "sessions", models="pocket", load=lambda *_, **__: pytest.fail("nobody needs networks here")
    )


@pytest.fixture
def session(store: SessionStore) -> Session:
    return store.join(None)


@pytest.fixture
def source(session: Session) -> Path:
    folder = session.new_folder("scene") / "yard.scene"
    shutil.copytree(YARD, folder)
    return folder


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setattr("intarsia.web.tabs.arrange_paint_handlers.get_upload_folder", lambda: str(folder))
    return folder


@pytest.fixture
def handlers(store: SessionStore) -> ArrangePaintHandlers:
    names = ("canvas", "status", "objects", "history", "plot", "mode", "cancel")
    controls = ArrangeControls(**{name: name for name in names}, buttons=())
    return ArrangePaintHandlers(ArrangeHandlers(ArrangeService(store), controls))


def corner_mask(source: Path) -> np.ndarray:
    mask = np.zeros(read_source(source).photo.pixels.shape[:2], np.bool_)
    mask[:6, :6] = True
    return mask


def saved(mask: np.ndarray, file: Path) -> str:
    Image.fromarray(mask).save(file)
    return str(file)


def test_a_mended_object_has_its_new_outline_and_the_others_keep_the_rest(session: Session, source: Path) -> None:
    before = read_source(source)
    first, second, *_ = before.names
    wider = before.masks[first] | corner_mask(source)
    taken = before.masks[second].copy()
    taken[:, : int(np.median(np.nonzero(taken)[1]))] = False
    name, scene = mend_object(session, source, first, wider | taken)
    assert scene.names == before.names
    assert np.array_equal(scene.masks[first], wider | taken)
    assert np.array_equal(scene.masks[second], before.masks[second] & ~taken)
    assert list(session.folder.glob(f"{name}/*.scene"))
    with pytest.raises(LayoutError, match="on the canvas any more"):
        mend_object(session, source, "giraffe", wider)


def test_nothing_may_be_left_of_no_object(session: Session, source: Path) -> None:
    scene = read_source(source)
    first, second, *_ = scene.names
    with pytest.raises(LayoutError) as raised:
        mend_object(session, source, first, scene.masks[first] | scene.masks[second])
    said = f"Nothing would be left of '{second}', which lies under what you painted: paint less."
    assert message_for(raised.value) == said


def test_a_new_object_is_named_and_lies_in_front(session: Session, source: Path) -> None:
    before = read_source(source)
    _, scene, name = add_object(session, source, f"  {before.names[0]} ", corner_mask(source))
    assert name == f"{before.names[0]} 2" and scene.names == (*before.names, name)
    for wrong in ("", "   ", "background"):
        with pytest.raises((LayoutError, RecordError)):
            add_object(session, source, wrong, corner_mask(source))


def test_a_photo_without_objects_gets_its_first(session: Session) -> None:
    photo = session.new_folder("photo") / "photo.png"
    shutil.copyfile(YARD / SCENE_FILES["photo"], photo)
    assert paint_facts(photo)["colours"] == {} and others_mask(photo, None) is None
    _, scene, name = add_object(session, photo, "cup", corner_mask(photo))
    assert (scene.names, name) == (("cup",), "cup")


def test_other_objects_are_not_outlined_again(source: Path) -> None:
    scene = read_source(source)
    taken = others_mask(source, scene.names[0])
    assert taken is not None and not (taken & scene.masks[scene.names[0]]).any()
    everything = others_mask(source, None)
    assert everything is not None and everything.sum() == sum(mask.sum() for mask in scene.masks.values())


def test_a_layout_that_is_painted_is_read_as_any_other(session: Session, source: Path, uploads: Path) -> None:
    shutil.copyfile(source / SCENE_FILES["mask"], uploads / "layout.png")
    layout, absent = take_layout(str(uploads / "layout.png"), uploads, session, source)
    assert absent == () and session_layout(session, layout.parent.name) == layout
    record = arrange_paint_record(session, source, layout)
    assert {p.name for p in read_layout(record, read_source(source)).placements} == set(read_source(source).names)
    assert session_layout(session, None) is None


def arrange_paint_record(session: Session, source: Path, layout: Path) -> Any:
    value = arrange_paint.painted_value(session, source.parent.name, layout, ())
    service = ArrangeService(SessionStore(session.folder.parent, models="pocket"))
    record, _ = service.build_record(session, value, {}, str(layout), None, "pocket")
    return record


def test_what_is_not_painted_is_removed(session: Session, source: Path, uploads: Path) -> None:
    key = read_colours(source / SCENE_FILES["colours"])
    pixels = read_photo(source / SCENE_FILES["mask"]).pixels.copy()
    gone = read_source(source).names[0]
    pixels[(pixels == key[gone]).all(-1)] = key["background"]
    Image.fromarray(pixels).save(uploads / "layout.png")
    layout, absent = take_layout(str(uploads / "layout.png"), uploads, session, source)
    assert absent == (gone,)
    value = arrange_paint.painted_value(session, source.parent.name, layout, absent)
    assert [move["name"] for move in value["moves"] if move["gone"]] == [gone]


@pytest.mark.parametrize("sent", [None, 3, "", "/etc/passwd", "../x"])
def test_what_is_no_upload_is_no_layout(sent: Any, session: Session, source: Path, uploads: Path) -> None:
    with pytest.raises(PictureError, match="did not arrive"):
        take_layout(sent, uploads, session, source)


def test_wrong_layouts_are_refused(session: Session, source: Path, uploads: Path) -> None:
    size = read_source(source).photo.size
    for colour, said in (((254, 254, 254), "Nothing is painted"), ((1, 2, 3), "belongs to no object")):
        Image.new("RGB", (size.width, size.height), colour).save(uploads / "layout.png")
        with pytest.raises(LayoutError, match=said):
            take_layout(str(uploads / "layout.png"), uploads, session, source)
    assert not list(session.folder.glob("layout-*"))


def test_one_visitor_cannot_name_anothers_layout(
    store: SessionStore, session: Session, source: Path, uploads: Path
) -> None:
    shutil.copyfile(source / SCENE_FILES["mask"], uploads / "layout.png")
    layout, _ = take_layout(str(uploads / "layout.png"), uploads, session, source)
    names: list[Any] = [layout.parent.name, f"../{session.folder.name}/{layout.parent.name}", "layout-", 3, []]
    for wrong in names:
        with pytest.raises(RecordError, match="paint it again"):
            session_layout(store.join(None), wrong)


def test_events_answer_with_a_scene_or_a_sentence(
    handlers: ArrangePaintHandlers, store: SessionStore, session: Session, source: Path, uploads: Path
) -> None:
    value = {"id": source.parent.name, "moves": [{"name": read_source(source).names[0], "x": 3.0}]}
    path = saved(corner_mask(source), uploads / "mask.png")
    update = handlers.take_outline(session.token, value, event(path=path, former=None, name="cup"))
    moves = {move["name"]: move["x"] for move in update["canvas"]["moves"]}
    assert moves["cup"] == 0 and moves[read_source(source).names[0]] == 3
    assert "cup" in update["canvas"]["paint"]["colours"] and "Cut out cup" in update["status"]
    for wrong in (
        event(path=path, former=None, name=""),
        event(path=path, former="giraffe", name=None),
        event(path=saved(corner_mask(source) & False, uploads / "empty.png"), former=None, name="cup"),
        event(path="/etc/passwd", former=None, name="cup"),
    ):
        update = handlers.take_outline(session.token, value, wrong)
        assert "canvas" not in update and 'role="alert"' in update["status"]
    stranger = store.join(None)
    for handler in (handlers.take_outline, handlers.take_layout):
        update = handler(stranger.token, value, event(path=path, former=None, name="cup"))
        assert "canvas" not in update and "drop one first" in update["status"]


def test_an_outline_is_asked_for(handlers: ArrangePaintHandlers, session: Session, source: Path) -> None:
    request: Any = SimpleNamespace(session_hash="page")
    value = {"id": source.parent.name, "moves": []}
    handlers.want_outline(request, session.token, value, event(box=[1, 2, 3], former=None))
    *_, update = handlers.handlers.task.perform(request)
    assert "no place on the picture" in update["status"]
    size = read_source(source).photo.size
    box = [size.width * 0.02, size.height * 0.02, size.width * 0.3, size.height * 0.3]
    handlers.want_outline(request, session.token, value, event(box=box, former=read_source(source).names[0]))
    *_, update = handlers.handlers.task.perform(request)
    assert "mask-" in update.get("canvas", {}).get("outline", "") or "alert" in update["status"]


def test_a_result_of_a_painted_layout_is_gone_on_from_with_it(session: Session, source: Path, uploads: Path) -> None:
    shutil.copyfile(source / SCENE_FILES["mask"], uploads / "layout.png")
    layout, _ = take_layout(str(uploads / "layout.png"), uploads, session, source)
    record = session.folder / "result.json"
    for named, painted in ((str(layout.resolve()), layout.parent.name), (None, None), ("/etc/passwd", None)):
        record.write_text(json.dumps({"record": {"layout": named}}))
        found = arrange_paint.painted_of(session, record)
        assert (found["name"] if found else None) == painted
