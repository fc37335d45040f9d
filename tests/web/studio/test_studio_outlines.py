"""Outlines of cut-out objects, and layouts that are painted: what they change in a scene, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.errors import LayoutError, PictureError, RecordError
from intarsia.imaging.read import read_photo
from intarsia.layout.colour_map import read_colours
from intarsia.layout.layout_files import read_layout
from intarsia.records.scene_folder import SCENE_FILES
from intarsia.web.arrange_service import ArrangeService
from intarsia.web.arrange_store import read_source
from intarsia.web.error_messages import message_for
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.studio_scenes import add_object, mend_object, take_layout
from tests.web.arrange.yard_scene import YARD


@pytest.fixture
def source(session: Session) -> Path:
    folder = session.new_folder("scene") / "yard.scene"
    shutil.copytree(YARD, folder)
    return folder


def corner_mask(source: Path) -> np.ndarray:
    mask = np.zeros(read_source(source).photo.pixels.shape[:2], np.bool_)
    mask[:6, :6] = True
    return mask


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


def test_nothing_may_be_left_of_no_object(session: Session, source: Path) -> None:
    scene = read_source(source)
    first, second, *_ = scene.names
    with pytest.raises(LayoutError) as raised:
        mend_object(session, source, first, scene.masks[first] | scene.masks[second])
    said = f"The selection covers all of '{second}': select less."
    assert message_for(raised.value) == said


def test_a_new_object_is_named_and_lies_in_front(session: Session, source: Path) -> None:
    before = read_source(source)
    _, scene = add_object(session, source, before.names[0], corner_mask(source))
    assert scene.names == (*before.names, f"{before.names[0]} 2")
    for wrong in ("", "background"):
        with pytest.raises((LayoutError, RecordError)):
            add_object(session, source, wrong, corner_mask(source))


def test_a_photo_without_objects_gets_its_first(session: Session) -> None:
    photo = session.new_folder("photo") / "photo.png"
    shutil.copyfile(YARD / SCENE_FILES["photo"], photo)
    _, scene = add_object(session, photo, "cup", corner_mask(photo))
    assert scene.names == ("cup",)


def test_a_layout_that_is_painted_is_read_as_any_other(
    store: SessionStore, session: Session, source: Path, uploads: Path
) -> None:
    shutil.copyfile(source / SCENE_FILES["mask"], uploads / "layout.png")
    layout, absent = take_layout(str(uploads / "layout.png"), uploads, session, source)
    assert absent == () and layout.is_relative_to(session.folder)
    record = ArrangeService(store).base_record(source, {}, models="pocket", layout=str(layout))
    assert {p.name for p in read_layout(record, read_source(source)).placements} == set(read_source(source).names)


def test_what_is_not_painted_is_removed(session: Session, source: Path, uploads: Path) -> None:
    key = read_colours(source / SCENE_FILES["colours"])
    pixels = read_photo(source / SCENE_FILES["mask"]).pixels.copy()
    gone = read_source(source).names[0]
    pixels[(pixels == key[gone]).all(-1)] = key["background"]
    Image.fromarray(pixels).save(uploads / "layout.png")
    _, absent = take_layout(str(uploads / "layout.png"), uploads, session, source)
    assert absent == (gone,)


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
