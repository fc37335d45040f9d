"""Masks that programs send, and places that pages send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio")
from intarsia.errors import EmptyMaskError, PictureError, RecordError, RegionError
from intarsia.imaging.masks import read_mask
from intarsia.imaging.read import read_photo
from intarsia.web import mask_uploads
from intarsia.web.error_messages import message_for
from intarsia.web.sessions import Session, SessionStore
from tests.web.remove.conftest import SIDE, SQUARE, mask_file
from tests.web.security.test_uploads import bomb


def test_a_mask_comes_into_the_sessions_own_folder(session: Session, photo: Path, uploads: Path) -> None:
    taken = mask_uploads.take_mask(str(mask_file(uploads)), uploads, session, read_photo(photo))
    assert taken.is_relative_to(session.folder)
    mask = read_mask(taken, read_photo(photo).size)
    expected = np.zeros((SIDE, SIDE), np.bool_)
    expected[SQUARE, SQUARE] = True
    assert np.array_equal(mask, expected)


def test_a_coarser_mask_fits_where_its_shape_is_the_photos(session: Session, photo: Path, uploads: Path) -> None:
    with Image.open(mask_file(uploads)) as mask:
        mask.resize((SIDE // 2, SIDE // 2), Image.Resampling.NEAREST).save(uploads / "small.png")
    taken = mask_uploads.take_mask(str(uploads / "small.png"), uploads, session, read_photo(photo))
    assert read_photo(taken).size == read_photo(photo).size


@pytest.mark.parametrize("sent", [None, 3, "", "/etc/passwd", "../../etc/passwd", "a\0b", {"path": "x"}])
def test_what_is_no_upload_is_no_mask(sent: Any, session: Session, photo: Path, uploads: Path) -> None:
    with pytest.raises(PictureError, match="did not arrive"):
        mask_uploads.take_mask(sent, uploads, session, read_photo(photo))


def test_an_empty_mask_is_said_in_a_sentence(session: Session, photo: Path, uploads: Path) -> None:
    with pytest.raises(EmptyMaskError) as raised:
        mask_uploads.take_mask(str(mask_file(uploads, marked=False)), uploads, session, read_photo(photo))
    assert message_for(raised.value) == "Nothing is marked in the mask: paint white what is meant."


def test_wrong_masks_are_refused_without_the_servers_folders(session: Session, photo: Path, uploads: Path) -> None:
    Image.new("L", (SIDE, SIDE // 2), 255).save(uploads / "flat.png")
    (uploads / "text.png").write_text("no picture")
    Image.new("L", (SIDE, SIDE), 128).save(uploads / "grey.png")
    for name, error in (("flat.png", RegionError), ("text.png", PictureError), ("grey.png", RegionError)):
        with pytest.raises(error) as raised:
            mask_uploads.take_mask(str(uploads / name), uploads, session, read_photo(photo))
        assert name in message_for(raised.value) and str(uploads) not in message_for(raised.value)
    assert not list(session.folder.glob("mask-*"))


def test_a_mask_that_would_fill_the_memory_is_refused(session: Session, photo: Path, uploads: Path) -> None:
    (uploads / "bomb.png").write_bytes(bomb(40_000))
    with pytest.raises(PictureError, match="40,000"):
        mask_uploads.take_mask(str(uploads / "bomb.png"), uploads, session, read_photo(photo))


def test_one_visitor_cannot_send_anothers_mask(store: SessionStore, photo: Path, uploads: Path) -> None:
    owner, other = store.join(None), store.join(None)
    taken = mask_uploads.take_mask(str(mask_file(uploads)), uploads, owner, read_photo(photo))
    with pytest.raises(PictureError, match="did not arrive"):
        mask_uploads.take_mask(str(taken), uploads, other, read_photo(photo))


@pytest.mark.parametrize("given", [None, "1,2", [1], [1, "2"], [1, True], [float("nan"), 2], [1e9, 2], {"x": 1}])
def test_what_is_no_place_is_refused(given: Any) -> None:
    with pytest.raises(RecordError, match="no place on the photo"):
        mask_uploads.numbers(given, 2)
