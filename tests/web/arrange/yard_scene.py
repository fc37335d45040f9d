"""A scene for the tests of edit by layout."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.paths import PACKAGE_SCENES

pytest.importorskip("gradio", reason="the web pages are an extra")
from intarsia.records.arrange import ArrangeRecord
from intarsia.web.arrange_moves import Move
from intarsia.web.sessions import Session, SessionStore

YARD = PACKAGE_SCENES / "yard.scene"
NAMES = ("house", "tree", "dog")
BASE = ArrangeRecord(photo="photo.png")


def moved(**dog: Any) -> tuple[Move, ...]:
    return Move(name="house"), Move(name="tree"), Move(name="dog", **dog)


def session_with_yard(store: SessionStore) -> tuple[Session, str]:
    session = store.join(None)
    folder = session.new_folder("scene")
    shutil.copytree(YARD, folder / "yard.scene")
    return session, folder.name
