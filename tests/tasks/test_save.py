"""`intarsia.save` writes what the command line writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import intarsia as ia
from intarsia.backbones.protocols import Backbones
from intarsia.imaging.read import read_text_chunk
from intarsia.layout.names import BACKGROUND
from intarsia.progress import Cost
from intarsia.tasks.arrange import run_arrange
from intarsia.tasks.edit import run_edit
from intarsia.tasks.options import Files
from intarsia.tasks.remove import run_remove
from intarsia.tasks.scene import load_segmenter

AT = "2026-01-02T03:04:05.678+00:00"
SEARCH = ia.SearchSettings(proposals=3, preview_steps=(1,), survivors=(2,))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo with one object, at a time that stands still."""
    for module in ("write_edit", "write_arrange", "write_remove"):
        monkeypatch.setattr(f"intarsia.results.{module}.now", lambda: AT)
    monkeypatch.setenv("INTARSIA_CACHE", str(tmp_path / "cache"))
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)).save(tmp_path / "photo.png")
    drawn = np.zeros((40, 48, 3), np.uint8)
    drawn[10:30, 8:28] = (255, 0, 0)
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    (tmp_path / "colours.json").write_text(f'{{"dog": [255, 0, 0], "{BACKGROUND}": [0, 0, 0]}}')
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def edit_record(folder: Path) -> ia.EditRecord:
    return ia.EditRecord(photo=str(folder / "photo.png"), prompt="a cat", steps=2, search=SEARCH, keep=2)


def arrange_record(folder: Path) -> ia.ArrangeRecord:
    return ia.ArrangeRecord(
        photo=str(folder / "photo.png"),
        mask=str(folder / "mask.png"),
        colours=str(folder / "colours.json"),
        move=("dog=+9,0",),
        seeds=2,
        compose=ia.ComposeSettings(refine_steps=2),
    )


@pytest.mark.parametrize("metadata", [True, False])
def test_an_edit_is_saved_byte_for_byte_as_by_the_command(
    metadata: bool, folder: Path, tiny_backbones: Backbones
) -> None:
    files = Files(draw_boxes=True, no_metadata=not metadata)
    done = run_edit(edit_record(folder), folder / "command", files, lambda models: tiny_backbones)
    saved = ia.save(done.result, folder / "python", draw_boxes=True, metadata=metadata)
    names = {f"photo{ending}" for ending in (".png", ".2.png", ".json", ".mask.png", ".boxes.png")}
    assert contents(folder / "python") == contents(folder / "command")
    assert set(contents(folder / "python")) == {file.name for file in saved.files.all()} == names
    assert saved.document == done.saved.document
    assert (read_text_chunk(saved.files.picture) is not None) == metadata


def test_an_arrangement_is_saved_byte_for_byte_as_by_the_command(folder: Path, tiny_backbones: Backbones) -> None:
    done = run_arrange(
        arrange_record(folder),
        folder / "command",
        lambda models: tiny_backbones,
        lambda source: load_segmenter(source, "cpu"),
    )
    saved = ia.save(done.result, folder / "python")
    names = {f"photo{ending}" for ending in (".png", ".2.png", ".json", ".mask.png", ".layout.png")}
    assert contents(folder / "python") == contents(folder / "command")
    assert set(contents(folder / "python")) == {file.name for file in saved.files.all()} == names
    with pytest.raises(ia.OutputError, match="tries no boxes"):
        ia.save(done.result, folder / "other", draw_boxes=True)


def test_a_removal_is_saved_byte_for_byte_as_by_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cost = Cost(evaluations=0, seconds=1.0, peak_memory_mb=1.0)
    monkeypatch.setattr("intarsia.layout.remove.Cost", lambda **facts: cost)
    record = ia.RemoveRecord(photo=str(folder / "photo.png"), box=("8,10,28,30",), format="jpeg")
    done = run_remove(
        record,
        folder / "command",
        lambda models: pytest.fail("a checkpoint was loaded"),
        lambda source: pytest.fail("a segmenter was loaded"),
    )
    result = ia.remove(ia.read_photo(record.photo), record)
    saved = ia.save(result, folder / "python")
    assert contents(folder / "python") == contents(folder / "command")
    assert set(contents(folder / "python")) == {"photo.jpg", "photo.json", "photo.mask.png"}
    assert saved.document == done.saved.document
    with pytest.raises(ia.OutputError, match="tries no boxes"):
        ia.save(result, folder / "other", draw_boxes=True)


def test_files_are_named_and_replaced_as_asked(folder: Path, tiny_backbones: Backbones) -> None:
    photo = ia.read_photo(folder / "photo.png")
    result = ia.edit(photo, edit_record(folder), tiny_backbones)
    saved = ia.save(result, str(folder / "out"), name="first")
    assert saved.files.picture == folder / "out" / "first.png"
    with pytest.raises(ia.OutputError, match="exists already"):
        ia.save(result, folder / "out", name="first")
    assert ia.save(result, folder / "out", name="first", overwrite=True).files == saved.files
    with pytest.raises(ia.OutputError, match="is the picture to edit"):
        ia.save(result, folder, overwrite=True)
