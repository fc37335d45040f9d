"""intarsia remove: what it writes, replay, chains, batches, what it leaves unloaded, and what it says of bad input."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

from intarsia.cli import load_models
from intarsia.cli.arrange_flags import join_repeated
from intarsia.cli.commands.remove import RemoveFlags
from intarsia.cli.main import main
from intarsia.imaging.masks import dilate
from intarsia.imaging.metadata import EDITED, TRAINED
from intarsia.imaging.read import read_photo, read_text_chunk
from intarsia.records.remove import RemoveRecord
from intarsia.results.document import pixel_digest
from tests.cli.arrange_files import GIVEN, pixels, stopping_after
from tests.paths import ROOT

CAT, TREE = "8,10,32,34", "60,30,84,58"


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def packet_of(file: str) -> str:
    """A picture's XMP; empty where it has none."""
    with Image.open(file) as picture:
        return bytes(picture.info.get("xmp", b"")).decode()


def mask_of(folder: Path, name: str, *boxes: tuple[int, int, int, int]) -> str:
    """A black and white picture of boxes over the scene of the fixture `folder`."""
    levels = np.zeros((64, 96), np.uint8)
    for x0, y0, x1, y1 in boxes:
        levels[y0:y1, x0:x1] = 255
    Image.fromarray(levels).save(folder / name)
    return name


def test_remove_writes_picture_record_and_mask(folder: Path, capsys) -> None:
    assert run("remove", "photo.png", "--box", CAT) == 0
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["photo.json", "photo.mask.png", "photo.png"]
    told = capsys.readouterr()
    assert told.err == ""
    assert f"box {CAT} removed" in told.out and "of the picture filled, patch" in told.out
    facts = json.loads((folder / "out" / "photo.json").read_text())
    assert json.loads(read_text_chunk("out/photo.png") or "") == facts
    assert read_text_chunk("out/photo.png", "parameters") is None  # no model, no steps
    assert facts["record"]["kind"] == "RemoveRecord" and facts["record"]["fill"] == "patch"
    assert facts["objects"] == [{"name": "box 1", "words": "box", "box": [8, 10, 32, 34]}]
    assert set(facts["inputs"]) == {"photo"} and facts["picture"] == "photo.png"
    assert facts["output_sha256"] == pixel_digest(read_photo("out/photo.png"))
    assert "fill" in facts["versions"] and "torch" not in facts["versions"] and facts["threads"] is None
    assert facts["cost"]["evaluations"] == 0 and facts["notes"] == []


def test_where_the_mask_is_black_nothing_was_touched_and_the_cat_is_gone(folder: Path) -> None:
    assert run("remove", "photo.png", "--box", CAT, "--quiet") == 0
    replaced = pixels("out/photo.mask.png")
    assert set(np.unique(replaced)) == {0, 255} and (replaced[10:34, 8:32] == 255).all()
    before, after = pixels("photo.png"), pixels("out/photo.png")
    assert (before[replaced == 0] == after[replaced == 0]).all()
    assert not (after[10:34, 8:32] == (220, 120, 40)).all(-1).any()


def test_several_ways_to_mark_what_goes_add_up(folder: Path, capsys) -> None:
    mask = mask_of(folder, "lower.png", (60, 30, 84, 58))
    assert run("remove", "photo.png", "--box", CAT, "--box", "40,2,44,6", "--mask", mask, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert [thing["name"] for thing in facts["objects"]] == ["box 1", "box 2", "mask"]
    gone = pixels("out/photo.mask.png") == 255
    assert all(gone[y, x] for x, y in ((20, 20), (42, 4), (70, 40))) and not gone[60, 4]
    assert all(Path(name).is_file() for name in facts["files"].values())


def test_objects_are_outlined_and_named(folder: Path, capsys) -> None:
    assert run("remove", "photo.png", "--object", "cat=5,7,35,37", "--object", "fig tree@72,44", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert [(thing["name"], thing["box"]) for thing in facts["objects"]] == [
        ("cat", [8, 10, 32, 34]),
        ("fig tree", [60, 30, 84, 58]),
    ]
    assert run("replay", "out/photo.json", "--out", "again") == 0
    assert "cat; fig tree removed" in capsys.readouterr().out


def test_what_is_named_is_found_without_the_painting_networks(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(load_models, "load", lambda models, machine: pytest.fail("painting networks were loaded"))
    words: list[str | Path] = ["remove", ROOT / "tests/scenes/0003.png", "--models", "pocket", "--find"]
    assert run(*words, "ball", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert [thing["name"] for thing in facts["objects"]] == ["ball"] and facts["record"]["models"] == "pocket"
    assert facts["threads"] and "torch" in facts["versions"]
    assert run(*words, "rocket", "--out", "nowhere") == 2
    told = capsys.readouterr().err
    assert "'rocket' was not found" in told and told.endswith("or mark it with --box, --object or --mask.\n")


def test_a_checkpoint_paints_where_it_is_asked_to(tiny: Callable[..., int], folder: Path, capsys) -> None:
    words = ["remove", "photo.png", "--object", "cat=5,7,35,37", "--fill", "diffusion", "--prompt", "grass"]
    assert tiny(*words, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["cost"]["evaluations"] > 0 and facts["threads"] and "torch" in facts["versions"]
    assert facts["record"]["fill"] == "diffusion"
    said = read_text_chunk("out/photo.png", "parameters") or ""
    assert said.startswith("grass\nSeed: 0, Size: 96x64, Model: ")
    assert f"digitalsourcetype/{TRAINED}" in packet_of("out/photo.png")
    untouched = pixels("out/photo.mask.png") == 0
    assert (pixels("photo.png")[untouched] == pixels("out/photo.png")[untouched]).all()
    assert tiny("replay", "out/photo.png", "--out", "again") == 0
    told = capsys.readouterr().out
    assert "The same pixels came out." in told and "denoiser evaluations" in told


def test_the_picture_says_that_no_model_made_it(folder: Path) -> None:
    assert run("remove", "photo.png", "--box", CAT, "--quiet") == 0
    assert f"digitalsourcetype/{EDITED}" in packet_of("out/photo.png")
    assert run("remove", "photo.png", "--box", CAT, "--quiet", "--no-metadata", "--name", "bare") == 0
    assert read_text_chunk("out/bare.png") is None and packet_of("out/bare.png") == ""


@pytest.mark.parametrize("shown", ["photo.png", "photo.json"])
def test_replay_gives_the_same_pixels(shown: str, folder: Path, capsys) -> None:
    avoid = mask_of(folder, "avoid.png", (60, 30, 84, 58))
    assert run("remove", "photo.png", "--box", CAT, "--avoid", avoid, "--seed", "7", "--quiet") == 0
    assert run("replay", f"out/{shown}", "--out", "again", "--json") == 0
    assert json.loads(capsys.readouterr().out)["same_pixels"] is True
    assert (pixels("again/photo.png") == pixels("out/photo.png")).all()


@pytest.mark.parametrize("name", ["photo", "gone", "avoid"])
def test_replay_notices_a_changed_input(name: str, folder: Path, capsys) -> None:
    gone, avoid = mask_of(folder, "gone.png", (8, 10, 32, 34)), mask_of(folder, "avoid.png", (60, 30, 84, 58))
    assert run("remove", "photo.png", "--mask", gone, "--avoid", avoid, "--quiet") == 0
    file = Path(f"{name}.png")
    file.write_bytes(file.read_bytes() + b" ")
    assert run("replay", "out/photo.json") == 2
    assert "sha256 differs" in capsys.readouterr().err


def test_a_result_is_the_start_of_the_next_and_history_lists_both(folder: Path, capsys) -> None:
    assert run("remove", "photo.png", "--box", CAT, "--quiet") == 0
    assert run("remove", "out/photo.png", "--box", TREE, "--quiet", "--name", "both") == 0
    first, second = (pixels(f"out/{name}.png") for name in ("photo", "both"))
    assert (first[40:50, 64:80] == (40, 160, 60)).all() and not (second[40:50, 64:80] == (40, 160, 60)).all(-1).any()
    assert json.loads(read_text_chunk("out/both.png") or "")["record"]["box"] == [TREE]
    capsys.readouterr()
    assert run("history", "out", "--json") == 0
    edits = json.loads(capsys.readouterr().out)["edits"]
    assert [edit["words"] for edit in edits] == [f"box {CAT} removed", f"box {TREE} removed"]
    assert [edit["pictures"] for edit in edits] == [["out/photo.png"], ["out/both.png"]]
    assert run("replay", "out/both.png", "--out", "again") == 0
    assert "The same pixels came out." in capsys.readouterr().out


@pytest.mark.parametrize("command", [("remove", "--box", CAT), ("arrange", *GIVEN, "--move", "cat=+9,20")])
def test_what_is_protected_stays_and_the_record_knows_its_file(command: tuple[str, ...], folder: Path, capsys) -> None:
    kept = mask_of(folder, "kept.png", (0, 0, 20, 40))
    name, *flags = command
    assert run(name, "photo.png", *flags, "--protect", kept) == 0
    before, after = pixels("photo.png"), pixels("out/photo.png")
    assert (before[:40, :20] == after[:40, :20]).all() and (before != after).any()
    assert not pixels("out/photo.mask.png")[:40, :20].any()
    assert "protect" in json.loads((folder / "out" / "photo.json").read_text())["inputs"]
    capsys.readouterr()
    assert run("replay", "out/photo.png", "--out", "again") == 0
    assert "The same pixels came out." in capsys.readouterr().out
    mask_of(folder, "black.png")
    assert run(name, "photo.png", *flags, "--protect", "black.png", "--out", "no") == 2
    assert "nothing would be protected: paint white what is to stay as it is" in capsys.readouterr().err


def test_a_jpeg_stays_one_with_a_note_or_becomes_a_png_with_its_pixels(folder: Path, capsys) -> None:
    exif = Image.Exif()
    exif[Base.Artist] = "A. Photographer"
    with Image.open("photo.png") as picture:
        picture.convert("RGB").save("shot.jpeg", quality=90, exif=exif, dpi=(300, 300))
    assert run("remove", "shot.jpeg", "--box", CAT, "--format", "png") == 0
    assert "note" not in capsys.readouterr().out
    untouched = pixels("out/shot.mask.png") == 0
    assert (pixels("shot.jpeg")[untouched] == pixels("out/shot.png")[untouched]).all()
    assert run("remove", "shot.jpeg", "--box", CAT, "--out", "kept") == 0
    assert (
        "note: The picture is written as JPEG, as the photo is: pixels up to 16 beside the gap"
        in capsys.readouterr().out
    )
    assert sorted(p.name for p in Path("kept").iterdir()) == ["shot.jpeg", "shot.json", "shot.mask.png"]
    with Image.open("kept/shot.jpeg") as kept:
        assert kept.format == "JPEG" and kept.info["dpi"] == (300, 300)
        assert kept.getexif()[Base.Artist] == "A. Photographer"
    change = np.abs(pixels("kept/shot.jpeg").astype(int) - pixels("out/shot.png"))
    assert 0 < change.mean() < 2
    assert not change[~dilate(~untouched, 16)].any()
    assert run("replay", "kept/shot.jpeg", "--out", "again") == 0
    assert "The same pixels came out." in capsys.readouterr().out
    assert run("history", "kept") == 0
    assert "shot.json  shot.jpeg" in capsys.readouterr().out


@pytest.mark.parametrize(("format", "written"), [("keep", "photo.png"), ("jpeg", "photo.jpg")])
def test_the_ending_says_what_was_written(format: str, written: str, folder: Path) -> None:
    with Image.open("photo.png") as picture:
        picture.save("photo.bmp")
    assert run("remove", "photo.bmp", "--box", CAT, "--format", format, "--quiet") == 0
    assert (folder / "out" / written).is_file()


def test_what_should_be_known_is_said_unless_it_is_quiet(folder: Path, capsys) -> None:
    assert run("remove", "photo.png", "--box", "0,0,60,64", "--fill", "membrane") == 0
    told = capsys.readouterr().out
    assert "note: 'box 1' reaches the picture's left, top and bottom borders" in told
    assert "% of the picture: most of what comes back in it is made up" in told
    facts = json.loads((folder / "out" / "photo.json").read_text())
    assert len(facts["notes"]) == 2 and facts["gap"]["share"] > 0.6 and facts["record"]["fill"] == "membrane"
    assert run("remove", "photo.png", "--box", "0,0,60,64", "--fill", "membrane", "--quiet", "--overwrite") == 0
    assert capsys.readouterr().out == ""


def test_neither_torch_nor_what_builds_on_it_is_loaded(folder: Path) -> None:
    mask = mask_of(folder, "gone.png", (60, 30, 84, 58))
    words = ["remove", "photo.png", "--box", CAT, "--mask", mask]
    code = (
        "import sys; from intarsia.cli.main import main\n"
        f"assert main({words!r}) == 0 and main(['replay', 'out/photo.png']) == 0 and main(['history']) == 0\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'gradio', 'ray'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "The same pixels came out." in done.stdout


def test_python_needs_no_torch_either(folder: Path) -> None:
    code = (
        "import sys, intarsia as ia\n"
        "photo = ia.read_photo('photo.png')\n"
        f"result = ia.remove(photo, ia.RemoveRecord(photo='photo.png', box=('{CAT}',)))\n"
        "print(ia.save(result, 'out').files.picture, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{Path('out/photo.png')} False\n"


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        ({"subsampling": "4:2:0"}, True),
        ({"subsampling": "4:2:2"}, True),
        ({"subsampling": "4:4:4"}, True),
        ({"progressive": True}, True),
        ({"mode": "L"}, True),
        ({"keep_rgb": True}, False),  # red, green and blue as they are, as few programs write it
    ],
)
def test_what_is_said_of_a_jpegs_pixels_is_so(folder: Path, capsys, stored: dict[str, Any], kept: bool) -> None:
    with Image.open("photo.png") as picture:
        picture.convert(stored.pop("mode", "RGB")).save("shot.jpg", quality=80, **stored)
    assert run("remove", "shot.jpg", "--box", CAT) == 0
    said = capsys.readouterr().out
    notes = json.loads(Path("out/shot.json").read_text("utf-8"))["notes"]
    with Image.open("out/shot.mask.png") as mask:
        far = ~dilate(np.asarray(mask) > 0, 16)
    alike = bool((pixels("shot.jpg")[far] == pixels("out/shot.jpg")[far]).all())
    assert alike is kept
    assert ("all others stay as they were" in said) is kept
    assert ("cannot be taken over" in said) is not kept
    assert sum("is written as JPEG" in sentence for sentence in notes) == 1


def test_ctrl_c_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr("intarsia.cli.commands.remove.progress_bar", stopping_after(1))
    assert run("remove", "photo.png", "--box", CAT) == 130
    assert "stopped; nothing was written" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.slow
def test_a_batch_removes(folder: Path, capsys) -> None:
    mask_of(folder, "gone.png", (60, 30, 84, 58))
    jobs: list[dict[str, Any]] = [
        {"kind": "remove", "photo": "photo.png", "box": [CAT]},
        {"kind": "remove", "photo": "photo.png", "mask": "gone.png", "format": "jpeg", "seed": 3},
        {"kind": "remove", "photo": "photo.png", "box": ["900,1,950,9"]},
    ]
    Path("jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    assert run("batch", "jobs.jsonl", "--out", "many", "--json") == 3
    assert "lies outside the picture" in json.dumps(json.loads(capsys.readouterr().out))
    made = sorted(p.name for p in Path("many/results").rglob("photo.*") if p.suffix != ".json")
    assert made == ["photo.jpg", "photo.mask.png", "photo.mask.png", "photo.png"]
    rows = "".join(file.read_text() for file in Path("many/page").glob("[0-9]*.js"))
    assert f"remove box {CAT}" in rows and "remove gone.png" in rows
    (record,) = (p for p in Path("many/results").rglob("photo.json") if CAT in p.read_text())
    assert run("replay", record, "--out", "again") == 0
    assert "The same pixels came out." in capsys.readouterr().out


def test_every_setting_of_the_record_is_a_flag() -> None:
    assert {f.name for f in dataclasses.fields(RemoveFlags)} == {f.name for f in dataclasses.fields(RemoveRecord)}


def test_boxes_may_be_given_one_by_one_where_there_may_be_several() -> None:
    words = ["remove", "p.png", "--box", "1,2,3,4", "--seed", "1", "--box=5,6,7,8"]
    assert join_repeated(words) == ["remove", "p.png", "--box", "1,2,3,4", "5,6,7,8", "--seed", "1"]
    once = ["edit", "p.png", "--box", "1,2,3,4"]
    assert join_repeated(once) == once


# Bad input


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, good and bad masks, and things in the way."""
    w = tmp_path_factory.mktemp("shelf")
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)).save(w / "photo.png")
    Image.new("RGBA", (96, 64), (9, 9, 9, 99)).save(w / "clear.png")
    for name, level, size in (
        ("black", 0, (96, 64)),
        ("white", 255, (96, 64)),
        ("grey", 128, (96, 64)),
        ("wide", 255, (99, 40)),
    ):
        Image.new("L", size, level).save(w / f"{name}.png")
    mask_of(w, "left.png", (0, 0, 48, 64))
    mask_of(w, "right.png", (40, 0, 96, 64))
    (w / "text.png").write_text("words")
    (w / "taken").mkdir()
    (w / "taken" / "photo.mask.png").touch()
    (w / "file-out").touch()
    return w


BOX = ("--box", CAT)
BAD_INPUT: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing given": ((), "Nothing says what to remove: pass --box X0,Y0,X1,Y1, --object, --mask or --find."),
    "box outside": (("--box", "200,0,250,40"), "lies outside the picture of 96 x 64 pixels"),
    "box of no area": (("--box", "5,5,5,9"), "is empty"),
    "box of three": (("--box", "5,5,9"), "is not four numbers"),
    "box of words": (("--box", "left,top,right,bottom"), "is not four numbers"),
    "box without end": (("--box", "0,0,inf,9"), "not a finite number"),
    "box turned round": (("--box", "50,9,10,20"), "ends before it begins"),
    "second box outside": ((*BOX, "200,0,250,40"), "200,0,250,40 lies outside"),
    "box over everything": (("--box", "0,0,96,64"), "All of the picture would be replaced"),
    "mask empty": (("--mask", "black.png"), "all black, so that nothing would be repainted"),
    "mask empty inside out": (("--mask", "white.png", "--invert-mask"), "all white"),
    "mask over everything": (("--mask", "white.png"), "All of the picture would be replaced"),
    "mask grey": (("--mask", "grey.png"), "is grey in 100%"),
    "mask of another shape": (("--mask", "wide.png"), "another shape"),
    "mask missing": (("--mask", "none.png"), "no picture none.png"),
    "mask no picture": (("--mask", "text.png"), "not a picture"),
    "avoid empty": ((*BOX, "--avoid", "black.png"), "nothing would be avoided"),
    "avoid missing": ((*BOX, "--avoid", "none.png"), "no picture none.png"),
    "avoid everything": ((*BOX, "--avoid", "white.png"), "no background is left"),
    "gap and avoid leave nothing": (("--mask", "left.png", "--avoid", "right.png"), "no background is left"),
    "membrane of nothing": (("--mask", "left.png", "--avoid", "right.png", "--fill", "membrane"), "is left"),
    "output exists": ((*BOX, "--out", "taken"), "photo.mask.png exists already: pass --overwrite"),
    "output is a file": ((*BOX, "--out", "file-out"), "file-out is a file"),
    "output over the photo": ((*BOX, "--out", ".", "--overwrite"), "is what the removal is made from"),
    "network without its file": ((*BOX, "--fill", "lama"), "pass it with --fill-model FILE"),
    "file without its network": ((*BOX, "--fill-model", "x.pt"), "--fill lama or --fill migan"),
    "grown too far": ((*BOX, "--grow", "0.9"), "grow is 0.9"),
    "grown by no number": ((*BOX, "--grow", "nan"), "grow is nan"),
    "seed below nothing": ((*BOX, "--seed", "-1"), "seed is -1"),
    "size too small": ((*BOX, "--size", "3"), "size is 3"),
    "object of no form": (("--object", "cat"), "says not where it is"),
    "object outside": (("--object", "cat=200,0,250,40"), "lies outside the picture"),
    "object called as another": (("--object", "cat=1,1,9,9", "cat=20,20,30,30"), "Two objects are called 'cat'"),
    "object called as a box": ((*BOX, "--object", "box 1=40,20,60,40"), "Two objects are called 'box 1'"),
    "unknown models": (("--find", "cat", "--models", "no such"), "is no known checkpoint"),
}


def check_refused(arguments: list[str], told: str, shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(shelf)
    before = sorted(shelf.rglob("*"))
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("intarsia: ") and told in said.err
    assert "Traceback" not in said.err and said.err.count("\n") == 1 and len(said.err) < 400
    assert sorted(shelf.rglob("*")) == before


@pytest.mark.parametrize(("flags", "told"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_answered_with_a_sentence_and_nothing_is_written(
    flags: tuple[str, ...], told: str, shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    check_refused(["remove", "photo.png", *flags], told, shelf, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("photo", "flags", "told"),
    [
        ("none.png", (), "There is no picture none.png"),
        ("text.png", (), "not a picture"),
        (".", (), "is a folder"),
        ("clear.png", ("--format", "jpeg"), "JPEG has no transparency: write --format png"),
    ],
)
def test_a_photo_that_does_not_do_is_refused(
    photo: str, flags: tuple[str, ...], told: str, shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    check_refused(["remove", photo, *BOX, *flags], told, shelf, monkeypatch, capsys)


def test_the_photo_is_never_written_to(folder: Path) -> None:
    before = hashlib.sha256(Path("photo.png").read_bytes()).hexdigest()
    assert run("remove", "photo.png", "--box", CAT, "--name", "photo", "--out", ".", "--overwrite") == 2
    assert hashlib.sha256(Path("photo.png").read_bytes()).hexdigest() == before
