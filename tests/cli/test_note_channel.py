"""Whatever is noted anywhere in a piece of work is in the terminal, in --json, in the record and in the picture, once each."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.cli import load_models
from intarsia.cli.main import main
from intarsia.notes import collected, note
from intarsia.progress import listening, waited
from intarsia.results.replay import read_document
from tests.paths import SCENES

QUICK = ("--steps", "1", "--search.preview-steps", "1", "--search.survivors", "1")
BOX = ("--box", "8,16,40,60")
EDIT = ("edit", str(SCENES / "0000.png"), "--models", "pocket")
REMOVE = ("remove", str(SCENES / "0000.png"), "--models", "pocket")
ARRANGE = ("arrange", str(SCENES / "0000.png"), "--models", "pocket", "--move", "tree=+2,0")

ROWS = [
    ((*EDIT, "--source", "giraffe", "--prompt", "a house", *QUICK), "'giraffe' is none of the 12 nouns"),
    ((*EDIT, "--source", "tree and hose", "--prompt", "a house", *QUICK), "'hose' is none of the 12 nouns"),
    ((*EDIT, "--source", "TREES", "--prompt", "a house <lora:film:1>", *QUICK), "<lora:film:1>"),
    ((*EDIT, "--prompt", "a house --ar 16:9", *BOX, "--steps", "1"), "--ar 16:9"),
    ((*EDIT, "--prompt", "a house", "--negative-prompt", "[blurred]", *BOX, "--steps", "1"), "[blurred]"),
    ((*REMOVE, "--box", "8,16,40,60", "--prompt", "grass"), "No checkpoint painted here"),
    ((*REMOVE, "--box", "8,16,40,60", "--format", "jpeg"), "is written as JPEG"),
]


@pytest.fixture
def on_pocket(monkeypatch: pytest.MonkeyPatch, pocket: Backbones, tmp_path: Path) -> Callable[..., int]:
    """The command line on the pocket models, loaded once, which writes into a folder of the test."""
    monkeypatch.setattr(load_models, "load", lambda *_, **__: pocket)
    return lambda *arguments: main([*map(str, arguments), "--out", str(tmp_path / "out"), "--overwrite"])


def record_in(folder: Path) -> list[str]:
    notes: list[str] = json.loads((folder / "out" / "0000.json").read_text())["notes"]
    return notes


@pytest.mark.parametrize(("command", "said"), ROWS, ids=[said for _, said in ROWS])
def test_a_note_is_everywhere_once(
    on_pocket: Callable[..., int],
    command: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert on_pocket(*command) == 0
    told = capsys.readouterr()
    (line,) = (each for each in told.out.splitlines() if each.startswith("  note: ") and said in each)
    sentence = line.removeprefix("  note: ")
    assert record_in(tmp_path).count(sentence) == 1 and told.err == ""

    assert on_pocket(*command, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["notes"].count(sentence) == 1 and told.err == ""
    picture = tmp_path / "out" / "0000.png"
    if picture.exists():
        with Image.open(picture) as opened:
            assert json.loads(opened.info["intarsia"])["notes"].count(sentence) == 1

    assert on_pocket(*command, "--quiet") == 0
    assert capsys.readouterr() == ("", "") and record_in(tmp_path).count(sentence) == 1


def photo_with_too_much(folder: Path, ending: str) -> Path:
    """A photo whose file holds what a picture of the other format cannot."""
    photo, exif = folder / f"0000{ending}", Image.Exif()
    exif[0x010E] = "words " * 12_000
    with Image.open(SCENES / "0000.png") as scene:
        if ending == ".png":
            scene.save(photo, exif=exif)
        else:
            scene.convert("RGB").save(photo, quality=95)
            plain = photo.read_bytes()
            photo.write_bytes(plain[:2] + b"\xff\xe5\0\x08scraps" + plain[2:])
    return photo


@pytest.mark.parametrize(("given", "made"), [(".jpg", ".png"), (".png", ".jpg")])
@pytest.mark.parametrize(
    "command",
    [
        ("edit", "--prompt", "a house", *BOX, "--steps", "1", "--keep", "2"),
        ("remove", *BOX),
        ("arrange", "--object", "tree=8,16,40,60", "--move", "tree=+2,0"),
    ],
    ids=lambda command: str(command[0]),
)
def test_what_is_found_out_while_pictures_are_written_is_in_their_own_records(
    on_pocket: Callable[..., int], command: tuple[str, ...], given: str, made: str, tmp_path: Path
) -> None:
    name, *flags = command
    photo = photo_with_too_much(tmp_path, given)
    assert on_pocket(name, photo, *flags, "--models", "pocket", "--format", "png" if made == ".png" else "jpeg") == 0
    notes = record_in(tmp_path)
    assert sum("is written without a part of what the photo's file holds" in said for said in notes) == 1
    pictures = [f"0000{made}", f"0000.2{made}"] if name == "edit" else [f"0000{made}"]
    for picture in pictures:
        assert read_document(tmp_path / "out" / picture)["notes"] == notes


def test_what_is_noted_while_networks_load_is_in_the_result(
    on_pocket: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    pocket: Backbones,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def load(*_: object, **__: object) -> Backbones:
        note("Something was done otherwise.")
        return pocket

    monkeypatch.setattr(load_models, "load", load)
    assert on_pocket(*EDIT, "--prompt", "a house", *BOX, "--steps", "1") == 0
    assert capsys.readouterr().out.count("  note: Something was done otherwise.") == 1
    assert record_in(tmp_path) == ["Something was done otherwise."]


def test_the_history_shows_what_is_noted(
    on_pocket: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert on_pocket(*EDIT, "--prompt", "a house", *BOX, "--steps", "1", "--quiet") == 0
    (tmp_path / "out" / "cut.json").write_text('{"record": ')
    for flags, shown in (((), "  note: "), (("--json",), '"notes"'), (("--quiet",), "")):
        assert main(["history", str(tmp_path / "out"), *flags]) == 0
        told = capsys.readouterr()
        assert (shown in told.out and "cut.json is not valid JSON" in told.out) if shown else told == ("", "")


def test_notes_before_an_error_are_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*_: object, **__: object) -> Backbones:
        note("It began otherwise.")
        raise ValueError("broken")

    monkeypatch.setattr(load_models, "load", load)
    assert main([*EDIT, "--prompt", "a house", *BOX, "--out", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith(
        "intarsia: It began otherwise.\nintarsia: Failed (ValueError: broken)"
    )


def test_threads_beside_which_ticks_go_on_note_to_the_same_collection(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), collected() as said, listening(lambda share: None):
        waited(lambda: note("From a thread."))
    assert said == ["From a thread."] and not caplog.messages


def test_masks_that_overlap_are_told_of(
    on_pocket: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, left in (("a", 10), ("b", 20)):
        mask = np.zeros((64, 64), np.uint8)
        mask[10:30, left : left + 20] = 255
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    masks = ("--masks", f"a={tmp_path / 'a.png'}", f"b={tmp_path / 'b.png'}")
    assert on_pocket("arrange", SCENES / "0000.png", *masks, "--move", "b=+2,0", "--fill", "patch") == 0
    assert "note: 50% of the mask of 'a' lies behind objects that are named after it" in capsys.readouterr().out
