"""The command line, in this process and as a program."""

from __future__ import annotations

import dataclasses
import json
import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import intarsia
from intarsia.backbones.protocols import Backbones
from intarsia.batch.edit_jobs import read_edits
from intarsia.cli import load_models
from intarsia.cli.commands.edit import EditFlags
from intarsia.cli.main import main
from intarsia.cli.options import OutputOptions
from intarsia.cli.progress import progress_bar
from intarsia.demo import run as demo
from intarsia.imaging.read import read_photo
from intarsia.progress import Progress
from intarsia.records.edit import EditRecord
from intarsia.records.serialize import to_json

QUICK = ["--steps", "2", "--search.anchors", "2", "--search.proposals", "3"]
QUICK += ["--search.preview-steps", "1", "--search.survivors", "1"]
WORDS = ["--source", "cat", "--prompt", "a house"]


@pytest.fixture
def tiny_cli(monkeypatch: pytest.MonkeyPatch, tiny_backbones: Backbones) -> Callable[..., int]:
    """The command line on tiny random networks that are loaded once."""
    monkeypatch.setattr(load_models, "load", lambda models, machine: tiny_backbones)
    return lambda *arguments: main([str(a) for a in arguments])


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small photo in a folder of its own, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    Image.fromarray(noise).resize((112, 80)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


# what comes out


def test_edit_writes_picture_record_and_mask(tiny_cli: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny_cli("edit", photo, *WORDS, *QUICK) == 0
    written = sorted(p.name for p in (photo.parent / "out").iterdir())
    assert written == ["photo.json", "photo.mask.png", "photo.png"]
    told = capsys.readouterr()
    assert "photo.png" in told.out and "'a house' in place of 'cat'" in told.out
    assert told.err == ""


def test_json_is_the_only_thing_on_stdout(tiny_cli: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny_cli("edit", photo, *WORDS, *QUICK, "--json", "--out", "here", "--keep", 2, "--draw-boxes") == 0
    summary = json.loads(capsys.readouterr().out)
    files = summary["files"]
    assert all(Path(files[kind]).is_file() for kind in ("picture", "record", "mask", "boxes"))
    assert files["others"] == [str(Path("here/photo.2.png"))]
    assert summary["record"]["prompt"] == "a house"
    assert summary["record"]["photo"] == str(photo)


def test_quiet_says_nothing(tiny_cli: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny_cli("edit", photo, *WORDS, *QUICK, "--quiet") == 0
    told = capsys.readouterr()
    assert told.out == told.err == ""


def test_every_setting_of_the_record_is_a_flag() -> None:
    assert {f.name for f in dataclasses.fields(EditFlags)} == {f.name for f in dataclasses.fields(EditRecord)}


def test_flags_become_the_record(monkeypatch: pytest.MonkeyPatch, photo: Path) -> None:
    seen: list[EditRecord] = []

    def made(record: EditRecord, *_: Any, **__: Any) -> Any:
        seen.append(record)
        return SimpleNamespace(saved=SimpleNamespace(summary={}))

    monkeypatch.setattr("intarsia.tasks.edit.run_edit", made)
    monkeypatch.setattr("intarsia.cli.result_lines.edit_lines", lambda done: [])
    flags = ["--box", "1,2,30.5,40", "--seed", "7", "--negative_prompt", "fog", "--search.survivors", "5", "2"]
    assert main(["edit", str(photo), *WORDS, *flags, "--fit.rate", "0.1", "--keep", "3"]) == 0
    record = seen[0]
    assert record.box == (1, 2, 30.5, 40)
    assert (record.seed, record.negative_prompt, record.keep) == (7, "fog", 3)
    assert (record.search.survivors, record.fit.rate) == ((5, 2), 0.1)


def test_replay_gives_the_same_pixels_from_picture_and_record(
    tiny_cli: Callable[..., int], photo: Path, capsys
) -> None:
    assert tiny_cli("edit", photo, *WORDS, *QUICK, "--seed", 3, "--quiet") == 0
    first = pixels("out/photo.png")
    for number, result in enumerate(("out/photo.png", "out/photo.json")):
        assert tiny_cli("replay", result, "--out", f"again{number}", "--json") == 0
        assert json.loads(capsys.readouterr().out)["same_pixels"] is True
        assert (pixels(f"again{number}/photo.png") == first).all()


def test_replay_makes_the_candidate_that_the_file_shows(tiny_cli: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny_cli("edit", photo, *WORDS, *QUICK, "--keep", 2, "--quiet") == 0
    second = pixels("out/photo.2.png")
    assert (second != pixels("out/photo.png")).any()
    assert tiny_cli("replay", "out/photo.2.png") == 0
    assert "The same pixels came out." in capsys.readouterr().out
    assert (pixels("replayed/photo.png") == second).all()


def test_replay_finds_a_photo_that_moved_with_its_record(tiny_cli: Callable[..., int], photo: Path) -> None:
    assert tiny_cli("edit", photo, *WORDS, *QUICK, "--quiet") == 0
    moved = photo.parent / "elsewhere"
    (photo.parent / "out").rename(moved)
    photo.rename(moved / "original.png")
    assert tiny_cli("replay", moved / "photo.png", "--photo", moved / "original.png") == 0
    (moved / "photo.png").unlink()
    (moved / "original.png").rename(moved / "photo.png")
    assert tiny_cli("replay", moved / "photo.json", "--out", "third") == 0


def test_replay_says_when_other_pixels_come_out(tiny_cli: Callable[..., int], photo: Path, capsys) -> None:
    assert tiny_cli("edit", photo, *WORDS, *QUICK, "--quiet") == 0
    file = Path("out/photo.json")
    file.write_text(file.read_text().replace('"steps": 2,\n  "guidance"', '"steps": 3,\n  "guidance"'))
    assert tiny_cli("replay", file) == 0
    assert "Other pixels" in capsys.readouterr().out


def test_a_mask_overrules_the_search(tiny_cli: Callable[..., int], photo: Path) -> None:
    where = np.zeros((80, 112), np.uint8)
    where[20:60, 30:70] = 255
    Image.fromarray(where).save("where.png")
    assert tiny_cli("edit", photo, "--prompt", "a house", "--steps", 2, "--mask", "where.png", "--quiet") == 0
    before, after = pixels(photo), pixels("out/photo.png")
    assert (before[where == 0] == after[where == 0]).all()
    assert (before != after).any()


def test_models_lists_and_downloads_nothing_for_pocket(capsys) -> None:
    assert main(["models"]) == 0
    assert "pocket" in capsys.readouterr().out
    assert main(["models", "download", "pocket"]) == 0
    assert "needs no download" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    assert {"pocket", "sd2"} <= {m["name"] for m in json.loads(capsys.readouterr().out)["models"]}


def test_doctor_says_what_a_report_needs(capsys) -> None:
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["intarsia"] == intarsia.__version__
    assert {"torch", "diffusers", "devices", "hub_cache", "memory_free_gb"} <= set(facts)
    assert main(["doctor"]) == 0


def test_demo_writes_sheet_and_page(tiny_cli: Callable[..., int], tmp_path: Path, monkeypatch, capsys) -> None:
    quick = {"steps": 2, "search": {"proposals": 6, "preview_steps": [1], "survivors": [3]}}
    jobs = [{**to_json(job), **quick} for job in read_edits(demo.JOBS)[1:4]]
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    monkeypatch.setattr(demo, "JOBS", tmp_path / "jobs.json")
    out = tmp_path / "shown"
    assert tiny_cli("demo", "--out", out) == 0
    told = capsys.readouterr().out
    assert str(out / "demo.png") in told and str(out / "index.html") in told
    assert pixels(out / "demo.png").shape[1] > 1000
    page = (out / "index.html").read_text()
    shown = [name.split('"')[0] for name in page.split('src="')[1:]]
    assert len(shown) == 3 * (1 + 1 + 3 + 1) + 3 * 3  # by words, and by layout
    assert all((out / name).is_file() for name in shown)
    assert "prefers-color-scheme: dark" in page and "plant becomes a cake" in page
    assert tiny_cli("demo", "--out", out) == 2
    assert tiny_cli("demo", "--out", out, "--overwrite") == 0


def test_the_demo_ships_its_scenes() -> None:
    jobs = read_edits(demo.JOBS)
    assert len(jobs) == 5
    for job in jobs:
        assert read_photo(job.photo).size.short >= 120


def test_regions_fit_takes_the_published_form_of_jobs(tiny_cli: Callable[..., int], photo: Path, capsys) -> None:
    Path("jobs.json").write_text(json.dumps({"photo.png": ["cat", "a house"]}))
    quick = ["--fit.epochs", "1", "--fit.boxes", "2", "--fit.steps", "1"]
    assert tiny_cli("regions", "fit", "jobs.json", "--out", "fitted.safetensors", *quick) == 0
    assert "fitted on 1 pictures" in capsys.readouterr().out
    assert tiny_cli("edit", photo, *WORDS, *QUICK, "--regions", "fitted.safetensors", "--quiet") == 0
    record = json.loads(Path("out/photo.json").read_text())
    assert record["inputs"]["regions"]["name"] == "fitted.safetensors"


# what goes wrong


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a picture and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, tiny_backbones: Backbones, tiny_models: Path) -> Path:
    """A folder with good and bad files."""
    w = tmp_path_factory.mktemp("shelf")
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    picture.save(w / "photo.png")
    whole = (w / "photo.png").read_bytes()
    (w / "folder").mkdir()
    (w / "text.png").write_text("These are words.\n")
    (w / "empty.png").touch()
    (w / "cut.png").write_bytes(whole[: len(whole) // 2])
    (w / "bomb.png").write_bytes(png_header(200_000, 200_000))
    picture.save(w / "moving.gif")
    Image.new("L", (90, 40), 255).save(w / "wide-mask.png")
    Image.new("L", (64, 64), 0).save(w / "black-mask.png")
    Image.new("L", (64, 64), 255).save(w / "mask.png")
    (w / "taken").mkdir()
    (w / "taken" / "photo.png").touch()
    (w / "file-out").touch()
    (w / "bare-folder").mkdir()
    (w / "model.ckpt").write_bytes(pickle.dumps({"weights": 1}))
    (w / "broken.safetensors").write_text("no weights")
    (w / "jobs.json").write_text('{"photo.png": ["cat", "a house"]}')
    (w / "jobs-gone.json").write_text('{"gone.png": ["cat", "a house"]}')
    (w / "jobs-empty.json").write_text("[]")
    (w / "jobs-broken.json").write_text("[")
    (w / "jobs-wrong.json").write_text('{"photo.png": "a house"}')
    (w / "demo-taken").mkdir()
    (w / "demo-taken" / "demo.png").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_models, "load", lambda models, machine: tiny_backbones)
        assert main(["edit", str(w / "photo.png"), *WORDS, *QUICK, "--out", str(w / "made"), "--quiet"]) == 0
    good = json.loads((w / "made" / "photo.json").read_text())
    good["record"]["models"] = str(tiny_models)
    changes: dict[str, dict[str, Any]] = {
        "unknown-setting": {"record": {**good["record"], "colour": "red"}},
        "bad-type": {"record": {**good["record"], "steps": "many"}},
        "other-photo": {"inputs": {"photo": {"name": "photo.png", "sha256": "0" * 64}}},
        "gone-photo": {"record": {**good["record"], "photo": "/nowhere/gone.png"}},
        "no-record": {"record": None},
    }
    for name, change in changes.items():
        (w / f"{name}.json").write_text(json.dumps({**good, **change}))
    (w / "list.json").write_text("[1, 2]")
    (w / "cut.json").write_text(json.dumps(good)[:100])
    return w


def edits(photo: str, *flags: str, words: list[str] = WORDS) -> list[str]:
    return ["edit", photo, *words, *flags]


BAD_INPUT = {
    "missing file": (edits("none.png"), "There is no picture none.png"),
    "folder": (edits("folder"), "folder is a folder"),
    "text named png": (edits("text.png"), "text.png is not a picture"),
    "empty file": (edits("empty.png"), "empty.png is empty"),
    "cut off": (edits("cut.png"), "cut off or damaged"),
    "bomb": (edits("bomb.png"), "200,000 x 200,000 pixels"),
    "gif": (edits("moving.gif"), "is GIF, which is not supported"),
    "address": (edits("https://example.org/a.png"), "is an address"),
    "empty prompt": (edits("photo.png", words=["--prompt", "  "]), "The prompt is empty"),
    "steps 0": (edits("photo.png", "--steps", "0"), "steps is 0"),
    "guidance nan": (edits("photo.png", "--guidance", "nan"), "guidance is nan"),
    "keep 0": (edits("photo.png", "--keep", "0"), "keep is 0"),
    "negative seed": (edits("photo.png", "--seed", "-1"), "seed is -1"),
    "unequal rounds": (edits("photo.png", "--search.survivors", "3"), "as long as each other"),
    "box outside": (edits("photo.png", "--box", "100,100,120,120"), "100,100,120,120"),
    "box inverted": (edits("photo.png", "--box", "40,40,10,10"), "40,40,10,10"),
    "box of three": (edits("photo.png", "--box", "1,2,3"), "not four numbers"),
    "box of words": (edits("photo.png", "--box", "left,2,3,4"), "not four numbers"),
    "box not finite": (edits("photo.png", "--box", "0,0,inf,9"), "not a finite number"),
    "mask missing": (edits("photo.png", "--mask", "none.png"), "There is no picture none.png"),
    "mask of another shape": (edits("photo.png", "--mask", "wide-mask.png"), "another shape"),
    "mask all black": (edits("photo.png", "--mask", "black-mask.png"), "all black"),
    "box and mask": (edits("photo.png", "--box", "0,0,9,9", "--mask", "mask.png"), "Both a box and a mask"),
    "invert without mask": (edits("photo.png", "--invert-mask"), "without a mask"),
    "output exists": (edits("photo.png", "--out", "taken"), "exists already"),
    "output is a file": (edits("photo.png", "--out", "file-out"), "file-out is a file"),
    "output over the photo": (edits("photo.png", "--out", ".", "--overwrite"), "is the picture to edit"),
    "unknown model": (edits("photo.png", "--models", "no such"), "is no known checkpoint"),
    "dead id": (edits("photo.png", "--models", "runwayml/stable-diffusion-inpainting"), "was deleted from the hub"),
    "helper as model": (edits("photo.png", "--models", "clip"), "cannot paint"),
    "not on this machine": (edits("photo.png", "--models", "sd2"), "is not on this machine"),
    "folder without unet": (edits("photo.png", "--models", "bare-folder"), "is missing"),
    "pickle": (edits("photo.png", "--models", "model.ckpt"), "is a pickle"),
    "absent device": (edits("photo.png", "--models", "pocket", "--device", "cuda:9"), "cuda:9"),
    "unknown device": (edits("photo.png", "--models", "pocket", "--device", "abacus"), "abacus"),
    "unknown dtype": (edits("photo.png", "--models", "pocket", "--dtype", "float8"), "float8"),
    "regions missing": (edits("photo.png", "--regions", "none.safetensors"), "does not exist"),
    "regions broken": (edits("photo.png", "--regions", "broken.safetensors"), "no readable safetensors"),
    "replay missing": (["replay", "none.json"], "There is no file none.json"),
    "replay of text": (["replay", "text.png"], "neither a result's JSON file nor a picture"),
    "replay of a bare picture": (["replay", "photo.png"], "carries no record"),
    "replay of a list": (["replay", "list.json"], "neither a result's JSON"),
    "replay of a cut record": (["replay", "cut.json"], "not valid JSON"),
    "replay without record": (["replay", "no-record.json"], "holds no record"),
    "replay with unknown setting": (["replay", "unknown-setting.json"], "'colour'"),
    "replay with bad type": (["replay", "bad-type.json"], "'steps'"),
    "replay with another photo": (["replay", "other-photo.json"], "sha256 differs"),
    "replay without photo": (["replay", "gone-photo.json"], "is not there"),
    "download without name": (["models", "download"], "needs a name"),
    "download of nothing known": (["models", "download", "no such"], "is no known checkpoint"),
    "list with a name": (["models", "list", "sd2"], "takes no name"),
    "jobs missing": (["regions", "fit", "none.json"], "There is no list of jobs"),
    "jobs empty": (["regions", "fit", "jobs-empty.json"], "is empty"),
    "jobs broken": (["regions", "fit", "jobs-broken.json"], "is not valid JSON"),
    "jobs of another form": (["regions", "fit", "jobs-wrong.json"], "is expected"),
    "fit from nothing": (["regions", "fit", "jobs.json", "--start", "none.safetensors"], "does not exist"),
    "fit into another format": (["regions", "fit", "jobs.json", "--out", "net.pt"], "must end in .safetensors"),
    "fit into a file": (["regions", "fit", "jobs.json", "--out", "file-out/net.safetensors"], "file-out is a file"),
    "fit without photo": (["regions", "fit", "jobs-gone.json"], "gone.png: check the name and the folder"),
    "demo exists": (["demo", "--out", "demo-taken"], "exists already"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_answered_with_a_sentence(
    arguments: list[str], said: str, shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(shelf)
    before = sorted(p for p in shelf.rglob("*"))
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("intarsia: ") and said in told.err
    assert "Traceback" not in told.err and told.err.count("\n") == 1 and len(told.err) < 400
    assert sorted(p for p in shelf.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments",
    [
        edits("photo.png", "--preset", "fastest"),
        edits("photo.png", "--stepz", "3"),
        edits("photo.png", "--steps", "three"),
        ["edit", "photo.png"],
        ["edit", "--prompt", "a house"],
        ["paint"],
        ["models", "burn"],
        ["regions"],
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_wrong_flags_are_answered_by_usage(arguments: list[str], capsys) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err and "Traceback" not in told.err


def test_bad_input_is_found_before_models_are_loaded(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(models: str, machine: object) -> Backbones:
        raise AssertionError("models were loaded")

    monkeypatch.setattr(load_models, "load", load)
    Path("out").mkdir()
    Path("out/photo.png").touch()
    for flags in ([], ["--box", "200,0,300,9"], ["--mask", "none.png"], ["--regions", "none.safetensors"]):
        assert main(["edit", str(photo), *WORDS, *flags]) == 2


def test_debug_shows_the_traceback(capsys) -> None:
    assert main(["edit", "none.png", *WORDS, "--debug"]) == 2
    told = capsys.readouterr().err
    assert "Traceback" in told and told.endswith(
        "intarsia: There is no picture none.png: check the name and the folder.\n"
    )


def test_a_bar_is_shown_to_a_terminal_alone(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    with progress_bar(OutputOptions()) as on_progress:
        assert on_progress is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_bar(OutputOptions(quiet=True)) as on_progress:
        assert on_progress is None
    with progress_bar(OutputOptions()) as on_progress:
        assert on_progress is not None
        on_progress(Progress(stage="32 previews in 4 steps", done=1, total=4))
        on_progress(Progress(stage="32 previews in 4 steps", done=4, total=4))
    told = capsys.readouterr()
    assert told.out == "" and "32 previews in 4 steps" in told.err


def test_what_fails_later_exits_with_1(tiny_cli: Callable[..., int], photo: Path, monkeypatch, capsys) -> None:
    def edit(*arguments: object, **more: object) -> None:
        raise RuntimeError("the denoiser\ncaught a cold")

    monkeypatch.setattr("intarsia.tasks.edit.edit", edit)
    assert tiny_cli("edit", photo, *WORDS) == 1
    assert "RuntimeError: the denoiser caught a cold" in capsys.readouterr().err
    assert not Path("out").exists()


def test_ctrl_c_exits_with_130_and_leaves_nothing(
    tiny_cli: Callable[..., int], photo: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def edit(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("intarsia.tasks.edit.edit", edit)
    assert tiny_cli("edit", photo, *WORDS) == 130
    assert "stopped" in capsys.readouterr().err
    assert sorted(p.name for p in photo.parent.iterdir()) == ["photo.png"]


# the program


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "intarsia", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_it_is_a_program() -> None:
    version = run("--version")
    assert (version.returncode, version.stdout) == (0, f"intarsia {intarsia.__version__}\n")
    assert run("edit", "none.png", "--prompt", "a house").returncode == 2


@pytest.mark.parametrize("arguments", [["--help"], ["edit", "--help"]], ids=" ".join)
def test_help_needs_no_torch(arguments: list[str]) -> None:
    code = (
        "import sys; from intarsia.cli.main import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'numpy', 'PIL', 'diffusers', 'transformers', 'rich', 'huggingface_hub'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: intarsia" in done.stdout


def test_a_replay_takes_as_many_threads_as_the_edit(
    tiny_cli: Callable[..., int], photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert tiny_cli("edit", photo, *WORDS, *QUICK, "--quiet", "--out", out) == 0
    record = out / f"{photo.stem}.json"
    facts = json.loads(record.read_text())
    assert facts["threads"] == torch.get_num_threads()
    record.write_text(json.dumps({**facts, "threads": 3}))
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert tiny_cli("replay", record, "--quiet", "--out", tmp_path / "again") == 0
    assert asked == [3]
