"""What an edit leaves on the disk, and the drawing of where it looked; on made-up results, without models."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from intarsia.demo.page import Row, demo_page
from intarsia.demo.sheet import contact_sheet, strip, wrapped
from intarsia.errors import OutputError, RecordError
from intarsia.imaging.geometry import Box, Point
from intarsia.imaging.photo import Photo
from intarsia.imaging.read import photo_from_image, read_photo, read_text_chunk
from intarsia.progress import Cost
from intarsia.records.edit import EditRecord
from intarsia.regions.edit import Candidate, EditResult
from intarsia.regions.scoring import Scores
from intarsia.results.document import pixel_digest
from intarsia.results.drawing import free_place
from intarsia.results.overlay_edit import CHOSEN, draw_overlay
from intarsia.results.replay import read_replay
from intarsia.results.staging import mask_picture, safe_stem
from intarsia.results.write_edit import plan_edit, write_edit


def noise(seed: int, width: int = 60, height: int = 44) -> Photo:
    return photo_from_image(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def scores(total: float) -> Scores:
    return Scores(total=total, text=0.3, crop=0.2, image=0.9, direction=0.1, relevance=0.5)


def result_for(photo_file: Path, **changes: Any) -> EditResult:
    """Two finished candidates and two that only had a preview."""
    blend = np.zeros((44, 60), np.float32)
    blend[10:30, 20:50] = 1
    blend[9, 20:50] = 0.001
    finished = [
        Candidate(
            box=Box(20, 9, 50, 30),
            anchor=Point(35, 20),
            scores=scores(4.0 - k),
            steps=30,
            seed=5 + k,
            photo=noise(10 + k),
            blend=blend,
        )
        for k in range(2)
    ]
    previews = [
        Candidate(box=Box(0, 0, 15 + k, 60), anchor=None, scores=scores(1.0 - k), steps=4, seed=5) for k in range(2)
    ]
    fields: dict[str, Any] = {
        "photo": finished[0].photo,
        "original": noise(0),
        "blend": blend,
        "candidates": (*finished, *previews),
        "chosen": 0,
        "anchors": (Point(35, 20), Point(3, 3)),
        "saliency": np.ones((4, 6)) / 24,
        "relevance": np.random.default_rng(0).random((32, 48)),
        "cost": Cost(evaluations=812, seconds=3.5, peak_memory_mb=700.0),
        "record": EditRecord(photo=str(photo_file), source="cat", prompt="a house, 20% off", models="pocket"),
        "versions": {"inpainter": "pocket#0123"},
    }
    return EditResult(**{**fields, **changes})


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    noise(0).as_image().save(tmp_path / "my photo.png")
    return tmp_path / "my photo.png"


def test_the_files_of_an_edit(photo_file: Path, tmp_path: Path) -> None:
    result = result_for(photo_file)
    targets = plan_edit(photo_file, tmp_path / "out", keep=4, draw_boxes=True)
    saved = write_edit(result, targets)
    facts = saved.document
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {f"my photo{end}" for end in (".png", ".json", ".mask.png", ".boxes.png", ".2.png")}
    assert {p.name for p in saved.files.all()} == names
    assert (read_photo(targets.picture).pixels == result.photo.pixels).all()
    assert json.loads(targets.record.read_text()) == json.loads(json.dumps(facts))
    assert facts["cost"]["evaluations"] == 812
    assert facts["versions"]["inpainter"] == "pocket#0123"
    assert facts["candidates"][2] == {
        "box": [0, 0, 15, 60],
        "anchor": None,
        "steps": 4,
        "seed": 5,
        "scores": dataclasses.asdict(scores(1.0)),
    }


def test_every_picture_carries_its_own_record(photo_file: Path, tmp_path: Path) -> None:
    result = result_for(photo_file)
    targets = plan_edit(photo_file, tmp_path / "out", keep=2)
    write_edit(result, targets)
    for index, (file, seed) in enumerate(((targets.picture, 5), (targets.others[0], 6))):
        facts = json.loads(read_text_chunk(file) or "")
        shown = read_photo(file)
        assert (facts["chosen"], facts["seed"], facts["output_sha256"]) == (index, seed, pixel_digest(shown))
        replay = read_replay(file)
        assert (replay.index, replay.record) == (index, result.record)
    line = read_text_chunk(targets.picture, "parameters")
    assert line == (
        "a house, 20% off\nSteps: 30, CFG scale: 5.0, Seed: 5, Size: 60x44, Model: pocket, "
        f"Version: intarsia {facts['intarsia']}"
    )


def test_metadata_can_be_left_out(photo_file: Path, tmp_path: Path) -> None:
    targets = plan_edit(photo_file, tmp_path / "out")
    write_edit(result_for(photo_file), targets, metadata=False)
    assert read_text_chunk(targets.picture) is None
    assert read_text_chunk(targets.picture, "parameters") is None
    assert read_replay(targets.record).record.prompt == "a house, 20% off"
    with pytest.raises(RecordError, match="carries no record"):
        read_replay(targets.picture)


def test_black_in_the_mask_means_untouched_and_nothing_else(photo_file: Path) -> None:
    blend = result_for(photo_file).blend
    levels = np.asarray(mask_picture(blend))
    assert ((levels == 0) == (blend == 0)).all()
    assert levels.max() == 255


def test_a_failure_leaves_nothing_behind(photo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise OutputError("The disk is full.")

    monkeypatch.setattr("intarsia.results.write_edit.write_bytes_atomically", fail)
    targets = plan_edit(photo_file, tmp_path / "deep" / "out")
    with pytest.raises(OutputError, match="full"):
        write_edit(result_for(photo_file), targets)
    assert not (tmp_path / "deep" / "out").exists()


@pytest.mark.parametrize("existed", [False, True])
def test_a_file_that_cannot_be_moved_puts_the_others_back(
    existed: bool, photo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = plan_edit(photo_file, tmp_path / "out")
    (tmp_path / "out").mkdir()
    if existed:
        for target in targets.all():
            target.write_text(f"former {target.name}")
    move = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target == targets.mask and self.name == targets.mask.name:
            raise PermissionError(13, "not allowed", str(target))
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="not writable"):
        write_edit(result_for(photo_file), targets, overwrite=existed)
    left = {p.name: p.read_text() for p in (tmp_path / "out").iterdir()}
    assert left == ({t.name: f"former {t.name}" for t in targets.all()} if existed else {})


def test_a_name_that_was_taken_meanwhile_is_kept(photo_file: Path, tmp_path: Path) -> None:
    targets = plan_edit(photo_file, tmp_path / "out")
    (tmp_path / "out").mkdir()
    targets.mask.write_text("somebody else's")
    with pytest.raises(OutputError, match="exists already"):
        write_edit(result_for(photo_file), targets)
    assert [p.read_text() for p in (tmp_path / "out").iterdir()] == ["somebody else's"]


def test_the_photo_is_never_overwritten(photo_file: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is the picture to edit"):
        plan_edit(photo_file, tmp_path, overwrite=True)


@given(st.text(min_size=1).filter(lambda name: "/" not in name and "\0" not in name and name not in (".", "..")))
def test_names_come_from_the_photo_and_fit_every_system(name: str) -> None:
    stem = safe_stem(Path("folder") / name)
    assert stem and len(stem) <= 100
    assert Path(f"{stem}.png").name == f"{stem}.png"
    assert not set(stem) & set('<>:"|?*\\\n\r\t') and not stem.startswith(("-", ".")) and stem == stem.strip()


def test_a_changed_or_missing_mask_is_noticed(photo_file: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.new("L", (60, 44), 255).save(mask)
    record = EditRecord(photo=str(photo_file), prompt="a house", models="pocket", mask=str(mask))
    targets = plan_edit(photo_file, tmp_path / "out")
    write_edit(result_for(photo_file, record=record), targets)
    assert read_replay(targets.record).record.mask == str(mask)
    Image.new("L", (60, 44), 254).save(mask)
    with pytest.raises(RecordError, match="is not the mask"):
        read_replay(targets.record)


def test_the_overlay_shows_the_chosen_box(photo_file: Path) -> None:
    picture = draw_overlay(noise(0), result_for(photo_file))
    assert picture.width / 60 == pytest.approx(512 / 44, rel=0.01)
    assert picture.height > 512  # the legend
    colours = np.asarray(picture)
    scale = picture.width / 60
    for x, y in ((21, 29.8), (49.8, 20)):
        near = colours[round(y * scale) - 4 : round(y * scale) + 4, round(x * scale) - 4 : round(x * scale) + 4]
        assert (near == CHOSEN).all(axis=-1).any()


@pytest.mark.parametrize("changes", [{"relevance": None}, {"anchors": ()}, {"relevance": np.zeros((8, 8))}])
def test_the_overlay_takes_what_a_result_may_lack(changes: dict[str, object], photo_file: Path) -> None:
    assert draw_overlay(noise(0), result_for(photo_file, **changes), legend=True).width >= 512


def test_a_large_photo_is_drawn_no_larger(photo_file: Path) -> None:
    wide = photo_from_image(np.zeros((400, 4000, 3), np.uint8))
    assert draw_overlay(wide, result_for(photo_file)).width == 1600


def test_plates_do_not_cover_each_other() -> None:
    taken: list[tuple[float, float, float, float]] = []
    for _ in range(12):
        x, y = free_place((0, 0, 100, 60), (40, 12), taken, (200, 200))
        assert 0 <= x <= 160 and 0 <= y <= 188
        assert not any(x < t[2] and t[0] < x + 40 and y < t[3] and t[1] < y + 12 for t in taken)
        taken.append((x, y, x + 40, y + 12))


def test_the_contact_sheet_has_a_line_for_each_edit(photo_file: Path) -> None:
    line = strip(noise(0), result_for(photo_file))
    sheet = contact_sheet([line, line], "2 edits")
    assert sheet.width == line.width and sheet.height > 2 * line.height


def test_words_are_wrapped_between_words() -> None:
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    face = ImageFont.load_default(22)
    lines = wrapped(draw, "trees becomes a big tree with many flowers in the center", face, 250)
    assert len(lines) > 1 and " ".join(lines).startswith("trees becomes a big tree")
    assert all(draw.textlength(line, font=face) <= 250 for line in lines)


def test_the_page_escapes_what_records_say() -> None:
    row = Row(
        title="<script>alert(1)</script>",
        facts=("a & b",),
        before='x".png',
        looked="b.png",
        candidates=("c.png",),
        after="a.png",
        record="r.json",
    )
    page = demo_page([row], "<b>")
    assert "<script>" not in page and "&lt;script&gt;" in page and "a &amp; b" in page and 'x".png' not in page
