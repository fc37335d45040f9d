"""Remove for a session of the pages: what it takes in, and what comes out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gradio")
from intarsia.errors import Cancelled, RecordError
from intarsia.imaging.read import read_photo
from intarsia.progress import Progress
from intarsia.records.remove import RemoveRecord
from intarsia.web import remove_service, result_store
from intarsia.web.error_messages import message_for
from intarsia.web.field_labels import field_help
from intarsia.web.remove_service import RemoveService
from intarsia.web.sessions import Session, SessionStore
from tests.web.remove.conftest import SQUARE, mask_file


def nobody(progress: Progress) -> None:
    pass


def removed(store: SessionStore, session: Session, photo: Path, **settings: Any) -> Path:
    mask = mask_file(session.new_folder("mask"))
    return RemoveService(store).remove(session, remove_service.build_record(photo, mask, settings), nobody)


def test_the_square_goes_and_nothing_far_away_changes(store: SessionStore, session: Session, photo: Path) -> None:
    folder = removed(store, session, photo)
    before, after = read_photo(photo).pixels, read_photo(folder / "square.png").pixels
    assert int(after[SQUARE, SQUARE].max()) < 150
    assert np.array_equal(after[:, 70:], before[:, 70:])


def test_it_is_one_of_the_sessions_results_and_no_others(store: SessionStore, session: Session, photo: Path) -> None:
    folder = removed(store, session, photo)
    assert result_store.result_folder(session, folder.name) == folder
    assert result_store.pictures_in(folder) == [folder / "square.png"]
    with pytest.raises(RecordError, match="not here any more"):
        result_store.result_folder(store.join(None), folder.name)


def test_the_same_pixels_come_out_again(store: SessionStore, session: Session, photo: Path) -> None:
    folder = removed(store, session, photo, seed=3)
    assert RemoveService(store).replay(session, folder / "square.png", nobody)
    assert not list(session.folder.glob("replay-*"))


def test_a_removal_that_is_stopped_leaves_nothing(store: SessionStore, session: Session, photo: Path) -> None:
    def stop(progress: Progress) -> None:
        raise Cancelled("stopped; nothing was written.")

    record = remove_service.build_record(photo, mask_file(session.new_folder("mask")), {})
    with pytest.raises(Cancelled):
        RemoveService(store).remove(session, record, stop)
    assert not list(session.folder.glob("remove-*"))


def test_the_fields_are_the_records_settings(photo: Path) -> None:
    record = remove_service.build_record(photo, photo, {"shadows": False, "grow": 0.05, "seed": 7})
    assert (record.shadows, record.grow, record.seed) == (False, 0.05, 7)
    plain = remove_service.build_record(photo, photo, {})
    assert (plain.shadows, plain.grow, plain.seed) == (True, None, 0)
    assert set(remove_service.SETTINGS) <= set(field_help(RemoveRecord))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"grow": 3.0}, "between 0 and 0.5"),
        ({"grow": float("nan")}, "grow"),
        ({"seed": -1}, "seed is -1"),
        ({"shadows": "yes"}, "yes"),
    ],
)
def test_wrong_settings_are_said_in_a_sentence(settings: dict[str, Any], said: str, photo: Path) -> None:
    with pytest.raises(RecordError) as raised:
        remove_service.build_record(photo, photo, settings)
    assert said in message_for(raised.value) and "--" not in message_for(raised.value)


def test_a_page_cannot_choose_more_than_its_fields(photo: Path) -> None:
    record = remove_service.build_record(photo, photo, {"fill_model": "/etc/passwd", "models": "/etc", "find": ["cat"]})
    assert (record.fill_model, record.models, record.find) == (None, "auto", ())


def test_the_record_says_what_was_marked(store: SessionStore, session: Session, photo: Path) -> None:
    folder = removed(store, session, photo, grow=0.02)
    record = json.loads((folder / "square.json").read_text())["record"]
    assert record["kind"] == "RemoveRecord" and record["grow"] == 0.02
    assert Path(record["mask"]).is_relative_to(session.folder)


def test_no_diffusion_is_loaded_to_remove(photo: Path, tmp_path: Path) -> None:
    mask = mask_file(tmp_path)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from intarsia.tasks.remove import run_remove\n"
        "from intarsia.records.remove import RemoveRecord\n"
        f"record = RemoveRecord(photo={str(photo)!r}, mask={str(mask)!r})\n"
        f"run_remove(record, Path({str(tmp_path / 'out')!r}), None, None)\n"
        "print([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
