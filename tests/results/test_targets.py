"""The names of a result's files are chosen and checked before any work, and take nothing away from others."""

from __future__ import annotations

import errno
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia import files
from intarsia.cli.main import main
from intarsia.errors import OutputError
from intarsia.files import check_writable, file_digest, replace_file, write_bytes_atomically
from intarsia.notes import collected
from intarsia.results.replay import find_input, last_part, read_replay
from intarsia.results.staging import staging
from intarsia.results.targets import check_targets, choose_stem, name_asked_for

LONG = "狗" * 83


def picture(file: Path, seed: int = 0) -> Path:
    """A small photo; another seed, other content."""
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 40, 3), np.uint8)).save(file, "PNG")
    return file


def results(folder: Path, stem: str, photo: Path) -> None:
    """What an edit of a photo has left."""
    folder.mkdir(exist_ok=True)
    facts = {"record": {"photo": str(photo)}, "inputs": {"photo": {"sha256": file_digest(photo)}}}
    (folder / f"{stem}.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / f"{stem}.png").write_bytes(b"a result")


TWINS = {
    "same name, other folder": ("x.png", "x.png", "x (2)"),
    "same name, other ending": ("x.jpg", "x.png", "x (2)"),
    "other case": ("Photo.png", "photo.png", "photo (2)"),
    "composed and decomposed": ("cafe\u0301.png", "café.png", "café (2)"),
    "made the same by what is replaced": ("a:b.png", "a?b.png", "a_b (2)"),
    "a sign at the end": ("x-.png", "x.png", "x (2)"),
    "invisible": ("a\u200bb.png", "ab.png", "ab (2)"),
    "nothing left": ("..png", "...png", "picture (2)"),
    "Hindi": ("कि.png", "का.png", "का"),
    "emoji": ("\U0001f600.png", "\U0001f601.png", "\U0001f601"),
    "Hebrew points": ("כֶּ.png", "כַּ.png", "כַּ"),
}


@pytest.mark.parametrize(("first", "second", "stem"), TWINS.values(), ids=TWINS)
def test_another_photos_results_are_never_in_the_way_nor_overwritten(
    tmp_path: Path, first: str, second: str, stem: str
) -> None:
    out, one, other = tmp_path / "out", picture(tmp_path / "a" / first), picture(tmp_path / "b" / second, 1)
    with collected() as said:
        former = choose_stem(one, out)
        assert not said
        results(out, former, one)
        assert choose_stem(one, out) == former, "its own results are replaced, or refused"
        assert not said
        assert choose_stem(other, out) == stem
    assert len(said) == (stem.endswith("(2)"))
    if stem.endswith("(2)"):
        results(out, stem, other)
        assert choose_stem(picture(tmp_path / "c" / second, 2), out) == stem.replace("(2)", "(3)")
        assert choose_stem(other, out) == stem


def test_a_photo_that_was_moved_or_changed_keeps_its_name(tmp_path: Path) -> None:
    photo = picture(tmp_path / "a" / "x.png")
    results(tmp_path / "out", "x", photo)
    (tmp_path / "b").mkdir()
    moved = photo.rename(tmp_path / "b" / "x.png")
    assert choose_stem(moved, tmp_path / "out") == "x"
    picture(photo)
    results(tmp_path / "out", "x", photo)
    assert choose_stem(picture(photo, 5), tmp_path / "out") == "x"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"record": {}}', '{"record": {"photo": 3}, "inputs": 4}', "\ud800"])
def test_another_programs_file_of_the_name_is_in_the_way_as_ever(tmp_path: Path, text: str) -> None:
    photo = picture(tmp_path / "x.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert choose_stem(photo, tmp_path / "out") == "x"
    with pytest.raises(OutputError, match=r"x\.json exists already"):
        check_targets([tmp_path / "out" / "x.json"], {photo: "the photo"}, overwrite=False)


@pytest.mark.parametrize(
    ("name", "stem", "notes"),
    [
        ("cat", "cat", 0),
        ("cat.png", "cat", 0),
        ("cat.PNG", "cat", 0),
        ("cat.jpg", "cat", 1),
        ("v1.2", "v1.2", 0),
        ("कि", "कि", 0),
        ("a:b", "a_b", 1),
        ("aux", "_aux", 1),
        ("-x", "x", 1),
        (LONG, "狗" * 66, 1),
    ],
)
def test_a_name_that_was_asked_for_is_taken(name: str, stem: str, notes: int) -> None:
    with collected() as said:
        assert name_asked_for(name) == stem
    assert len(said) == notes


@pytest.mark.parametrize("name", ["a/b", "/a", "a\\b", "../x", "..", ".", " ", ".png", "\u200b", "-", "C:\\x"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(OutputError, match=r"^The name .* (leads into a folder|is none): give "):
        name_asked_for(name)


def test_names_leave_room_for_endings_where_a_disk_takes_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = picture(tmp_path / f"{LONG}.png")
    for limit, letters in ((255, 66), (143, 34), (1530, 66)):
        monkeypatch.setattr(os, "pathconf", lambda place, what, limit=limit: limit, raising=False)
        with collected() as said:
            assert choose_stem(photo, tmp_path / "not" / "yet") == "狗" * letters
        assert len(said) == 1 and "longer than theirs may be" in said[0] and "--name" in said[0]
    monkeypatch.delattr(os, "pathconf", raising=False)
    assert choose_stem(photo, tmp_path) == "狗" * 66


def test_what_cannot_be_written_is_said_before_any_work(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["a" * 200] * 20)
    for folder in (deep, tmp_path / ("b" * 300), tmp_path / ("b" * 300) / "c"):
        with pytest.raises(OutputError, match="longer than this system takes: name another folder with --out") as said:
            check_targets([folder / "x.png"], {}, overwrite=False)
        assert len(str(said.value)) < 500
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_takes_nothing_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(self: Path, *arguments: Any, **more: Any) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match=r"x\.png cannot be written, since"):
        check_writable(tmp_path / "out", ["x.png"])
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_never_overwritten_by_whatever_name(tmp_path: Path) -> None:
    photo = picture(tmp_path / "x.png")
    os.link(photo, tmp_path / "X2.png")
    for target in (photo, tmp_path / "X2.png", tmp_path / "sub" / ".." / "x.png"):
        (tmp_path / "sub").mkdir(exist_ok=True)
        with pytest.raises(OutputError, match="is the mask and would be overwritten"):
            check_targets([target], {photo: "the mask"}, overwrite=True)


@pytest.mark.parametrize("after", range(12))
def test_an_interrupt_between_any_two_steps_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    targets = tuple(tmp_path / f"{k}.png" for k in range(3))
    for target in targets[:2]:
        target.write_text("old")
    steps = 0
    move = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        nonlocal steps
        steps += 1
        if steps == after // 2 + 1 and after % 2 == 0:
            steps = 1000
            raise KeyboardInterrupt
        moved = move(self, target)
        if steps == after // 2 + 1:
            steps = 1000
            raise KeyboardInterrupt
        return moved

    with pytest.raises(KeyboardInterrupt), staging(tmp_path, overwrite=True) as stage:
        for target in targets:
            (stage / target.name).write_text("new")
        monkeypatch.setattr(Path, "replace", interrupted)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"0.png": "old", "1.png": "old"}


def test_windows_is_asked_again_while_a_file_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "new", tmp_path / "old"
    move, refusals = Path.replace, [1, 1, 1]
    slept: list[float] = []

    def busy(self: Path, target: Path) -> Path:
        if refusals:
            refusals.pop()
            raise PermissionError(13, "in use")
        return move(self, target)

    source.write_text("new")
    target.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", busy)
        patch.setattr("time.sleep", slept.append)
        with pytest.raises(PermissionError):
            replace_file(source, target)
        patch.setattr(files, "SYSTEM", "nt")
        replace_file(source, target)
        assert target.read_text() == "new" and slept == list(files.WAITS[:2])
        refusals.extend([1] * 9)
        target.write_text("again")
        with pytest.raises(OutputError, match="is not writable"):
            write_bytes_atomically(target, b"never", overwrite=True)
    assert target.read_text() == "again" and len(list(tmp_path.iterdir())) == 1


def remove(photo: Path, *flags: str) -> int:
    return main(["remove", str(photo), "--box", "4,4,12,12", "--quiet", *flags])


def test_photos_of_every_name_are_edited_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [
        "कि",
        "का",
        "cafe\u0301",
        LONG,
        os.fsdecode(b"caf\xe9"),
        "a\nb",
        "100% {x} \U0001f469\u200d\U0001f33e",
        "aux",
    ]
    made: list[set[str]] = []
    for seed, name in enumerate(names):
        assert remove(picture(Path(f"{name}.png"), seed)) == 0, capsys.readouterr().err
        new = {file.name for file in Path("out").iterdir()} - {file for files in made for file in files}
        made.append(new)
        stem = next(file[: -len(".json")] for file in new if file.endswith(".json"))
        assert new == {f"{stem}{ending}" for ending in (".png", ".json", ".mask.png")}
        assert stem == unicodedata.normalize("NFC", stem) and stem.encode()
        for file in (f"{stem}.json", f"{stem}.png"):
            replay = read_replay(Path("out") / file)
            assert Path(replay.record.photo).name == f"{name}.png" and Path(replay.record.photo).is_file()
    assert {"कि.png", "का.png", "café.png", f"{'狗' * 66}.png", "_aux.png", "a_b.png"} <= set.union(*made)
    assert main(["history"]) == 0
    assert "caf\udce9" not in capsys.readouterr().out


def test_a_name_is_taken_by_each_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, out = picture(tmp_path / "x.png"), tmp_path / "out"
    assert remove(photo, "--out", str(out), "--name", "gone.png") == 0
    assert sorted(file.name for file in out.iterdir()) == ["gone.json", "gone.mask.png", "gone.png"]
    for command in (
        ["remove", "--box", "1,1,9,9"],
        ["edit", "--prompt", "a dog"],
        ["arrange", "--object", "a=1,1,9,9"],
    ):
        assert main([command[0], str(photo), *command[1:], "--out", str(out), "--name", "a/b"]) == 2
        assert "The name 'a/b' leads into a folder: give the folder with --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/photos/x.png", "x.png"),
        ("x.png", "x.png"),
        (r"C:\photos\x.png", "x.png"),
        (r"C:x.png", "x.png"),
        (r"\\server\share\a\x.png", "x.png"),
        (r"\\?\C:\photos\seed=1\x.png", "x.png"),
        ("C:/photos/कि.png", "कि.png"),
    ],
)
def test_records_find_their_photos_from_whichever_system_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert last_part(path) == name
    picture(tmp_path / "there" / name)
    assert find_input(Path("x" * 5000), tmp_path) == Path("x" * 5000)
    assert find_input(Path(path), tmp_path / "there" / "x.json") == tmp_path / "there" / name
