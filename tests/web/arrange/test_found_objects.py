"""What the pages and other programs are told of how sure it is that objects are there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from intarsia.backbones import ModelSource
from tests.paths import PACKAGE_SCENES

pytest.importorskip("gradio", reason="the web pages are an extra")
import numpy as np

from intarsia.backbones.resolve import resolve
from intarsia.backbones.segmenters import LoadedSegmenter
from intarsia.imaging.geometry import Point
from intarsia.imaging.masks import bounding_box
from intarsia.imaging.read import read_photo
from intarsia.layout.detect_at_point import detect_at_point, names_for
from intarsia.records.arrange import ArrangeRecord
from intarsia.tasks.scene import load_segmenter
from intarsia.web.arrange_store import read_source, source_path, write_detected_scene
from intarsia.web.sessions import Session, SessionStore
from intarsia.web.studio_scenes import mend_object


def on_cpu(source: ModelSource) -> LoadedSegmenter:
    return load_segmenter(source, "cpu")


def photo_in(session: Session) -> Path:
    folder = session.new_folder("photo")
    return Path(shutil.copy(PACKAGE_SCENES / "bird-and-car.png", folder / "bird.png"))


def test_what_is_not_sure_is_cut_out_and_says_so(store: SessionStore) -> None:
    session = store.join(None)
    record = ArrangeRecord(photo=str(photo_in(session)), find=("zebra",), models="pocket")
    name, scene, facts = write_detected_scene(session, record, on_cpu)
    (told,) = facts["objects"]
    assert told["sure"] is False and 0 < told["confidence"] < told["sure_from"]
    assert told["doubt"] == "it is none of the 12 nouns that the models know"
    source = source_path(session, name)
    assert [thing.sure for thing in scene.objects] == [thing.sure for thing in read_source(source).objects] == [False]
    mask = np.zeros_like(scene.objects[0].mask)
    mask[2:30, 2:30] = True
    mended, after = mend_object(session, source, "zebra", mask)
    assert after.objects[0].sure and read_source(source_path(session, mended)).objects[0].confidence is None


def test_what_is_sure_has_its_confidence_in_the_facts(store: SessionStore) -> None:
    session = store.join(None)
    record = ArrangeRecord(photo=str(photo_in(session)), find=("bird", "car"), models="pocket")
    _, _, facts = write_detected_scene(session, record, on_cpu)
    assert [thing["sure"] for thing in facts["objects"]] == [True, True]
    assert all(thing["confidence"] >= thing["sure_from"] for thing in facts["objects"])


def test_a_click_has_a_confidence(store: SessionStore) -> None:
    session = store.join(None)
    photo = photo_in(session)
    record = ArrangeRecord(photo=str(photo), find=("bird",), models="pocket")
    _, scene, _ = write_detected_scene(session, record, on_cpu)
    middle = bounding_box(scene.objects[0].mask).center
    pocket = on_cpu(resolve("pocket"))
    point = Point(middle.x, middle.y)
    found = detect_at_point(read_photo(photo), point, names_for(resolve("pocket")), pocket, side=pocket.side)
    assert found.name == "bird" and found.sure and found.confidence is not None
