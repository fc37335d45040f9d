"""What edit by words says of bad input; each kind has a line in a table."""

from __future__ import annotations

import json
import pickle
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.cli import load_models
from intarsia.cli.main import main
from intarsia.cli.options import OutputOptions
from intarsia.cli.progress import progress_bar
from intarsia.progress import Progress
from tests.cli.edit_files import QUICK, WORDS


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
    picture.save(w / "moving.gif", save_all=True, append_images=[picture.rotate(90)])
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
    "text named png": (edits("text.png"), "text.png is text, not a picture: give the picture itself"),
    "empty file": (edits("empty.png"), "empty.png is empty"),
    "cut off": (edits("cut.png"), "cut off or damaged"),
    "bomb": (edits("bomb.png"), "200,000 x 200,000 pixels"),
    "gif": (edits("moving.gif"), "is animated"),
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
    "helper as model": (edits("photo.png", "--models", "clip"), "cannot paint"),
    "not on this machine": (edits("photo.png", "--models", "sd2"), "is not on this machine"),
    "folder without unet": (edits("photo.png", "--models", "bare-folder"), "is missing"),
    "pickle": (edits("photo.png", "--models", "model.ckpt"), "is a pickle"),
    "no LoRA there": (edits("photo.png", "--models", "pocket", "--lora", "none.safetensors"), "There is no LoRA none"),
    "broken LoRA": (edits("photo.png", "--models", "pocket", "--lora", "broken.safetensors"), "not a safetensors file"),
    "no word there": (
        edits("photo.png", "--models", "pocket", "--embedding", "x.safetensors"),
        "no textual inversion x",
    ),
    "weight of a LoRA": (edits("photo.png", "--lora", "x.safetensors:much"), "FILE or FILE:WEIGHT"),
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


def test_an_id_that_is_gone_is_told_before_what_failed(shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(shelf)
    assert main(edits("photo.png", "--models", "runwayml/stable-diffusion-inpainting")) == 2
    note, sentence = capsys.readouterr().err.splitlines()
    assert "runwayml/stable-diffusion-inpainting is gone from the hub: stable-diffusion-v1-5/" in note
    assert "stable-diffusion-v1-5/stable-diffusion-inpainting is not on this machine" in sentence


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


def test_what_fails_later_exits_with_1(tiny: Callable[..., int], photo: Path, monkeypatch, capsys) -> None:
    def edit(*arguments: object, **more: object) -> None:
        raise RuntimeError("the denoiser\ncaught a cold")

    monkeypatch.setattr("intarsia.tasks.edit.edit", edit)
    assert tiny("edit", photo, *WORDS) == 1
    assert "RuntimeError: the denoiser caught a cold" in capsys.readouterr().err
    assert not Path("out").exists()


def test_ctrl_c_exits_with_130_and_leaves_nothing(
    tiny: Callable[..., int], photo: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def edit(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("intarsia.tasks.edit.edit", edit)
    assert tiny("edit", photo, *WORDS) == 130
    assert "stopped" in capsys.readouterr().err
    assert sorted(p.name for p in photo.parent.iterdir()) == ["photo.png"]
