"""What edit by layout says of bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from intarsia.backbones.protocols import Backbones
from intarsia.cli import load_models
from intarsia.cli.main import main
from intarsia.layout.concepts import Concepts
from tests.cli.arrange_files import ANEW, GIVEN, LESSON, MOVE, QUICK, draw_scene_files, pixels


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, tiny_backbones: Backbones) -> Path:
    """A folder with good and bad files."""
    w = tmp_path_factory.mktemp("shelf")
    draw_scene_files(w)
    marks = pixels(w / "mask.png").copy()
    Image.fromarray(marks[:20]).save(w / "flat.png")
    strange = marks.copy()
    strange[20:30, 2:12] = (10, 20, 200)
    Image.fromarray(strange).save(w / "strange.png")
    Image.fromarray(np.full_like(marks, 254)).save(w / "empty.png")
    alone = marks.copy()
    alone[:, 24:] = 254
    Image.fromarray(alone).save(w / "alone.png")
    slips = {
        "list": [1],
        "same": {"cat": [1, 2, 3], "dog": [1, 2, 3]},
        "levels": {"cat": [1, 2]},
        "box-unknown": {"horse": [0, 0, 9, 9]},
        "box-inverted": {"cat": [50, 10, 20, 34]},
        "box-words": {"cat": "left"},
        "no-objects": {"background": [254, 254, 254]},
    }
    for name, content in slips.items():
        (w / f"{name}.json").write_text(json.dumps(content))
    (w / "broken.json").write_text('{"cat": ')
    Image.new("L", (96, 64), 0).save(w / "black.png")
    half = np.zeros((64, 96), np.uint8)
    half[:, :40] = 255
    Image.fromarray(half).save(w / "half.png")
    (w / "broken.safetensors").write_text("no weights")
    (w / "bare").mkdir()
    (w / "file-out").touch()
    (w / "taken").mkdir()
    (w / "taken" / "photo.layout.png").touch()
    (w / "taken" / "cat-0002.png").touch()
    (w / "cut.scene").mkdir()
    Image.open(w / "photo.png").save(w / "cut.scene" / "photo.png")
    cat = Concepts(names=("dog",), words=("dog",), embeddings=tiny_backbones.in_parts.encode_text(["a"])[0, :1])
    cat.save(w / "dog.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_models, "load", lambda models, machine: tiny_backbones)
        patch.setenv("INTARSIA_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(w)
        assert main(["arrange", "photo.png", *GIVEN, *MOVE, *QUICK, "--out", "made", "--quiet"]) == 0
    good = json.loads((w / "made" / "photo.json").read_text())
    changes: dict[str, dict[str, Any]] = {
        "unknown-kind": {"record": {**good["record"], "kind": "PaintRecord"}},
        "unknown-setting": {"record": {**good["record"], "colour": "red"}},
        "bad-type": {"record": {**good["record"], "move": "cat"}},
        "other-index": {"chosen": 3},
    }
    for name, slip in changes.items():
        (w / f"{name}.json").write_text(json.dumps({**good, **slip}))
    return w


def arranged(*flags: str, given: list[str] = GIVEN) -> list[str]:
    return ["arrange", "photo.png", *given, *flags]


def keyed(mask: str, colours: str) -> list[str]:
    return arranged(*MOVE, given=["--mask", mask, "--colours", colours])


BAD_INPUT = {
    "missing photo": (["arrange", "none.png", *GIVEN, *MOVE], "There is no picture none.png"),
    "folder that is no scene": (["arrange", "bare", *MOVE], "not a scene"),
    "scene that lacks a file": (["arrange", "cut.scene", *MOVE], "mask.png"),
    "no objects given": (["arrange", "photo.png", *MOVE], "Nothing says which objects"),
    "two ways to give objects": (arranged("--find", "cat"), "in more than one way"),
    "mask without key": (["arrange", "photo.png", "--mask", "mask.png"], "without its key"),
    "layout without key": (["arrange", "photo.png", "--find", "cat", "--layout", "mask.png"], "without its key"),
    "two targets": (arranged("--layout", "mask.png", "--boxes", "list.json"), "both as a layout and as boxes"),
    "mask missing": (keyed("none.png", "colours.json"), "none.png"),
    "key missing": (keyed("mask.png", "none.json"), "none.json"),
    "key broken": (keyed("mask.png", "broken.json"), "is not JSON"),
    "key is a list": (keyed("mask.png", "list.json"), "list.json"),
    "key with one colour twice": (keyed("mask.png", "same.json"), "the same colour"),
    "key with two levels": (keyed("mask.png", "levels.json"), "three whole numbers"),
    "key without objects": (keyed("mask.png", "no-objects.json"), "names no object"),
    "unknown colour": (keyed("strange.png", "colours.json"), "(10, 20, 200)"),
    "map of another shape": (keyed("flat.png", "colours.json"), "another shape"),
    "map without an object": (keyed("empty.png", "colours.json"), "'cat'"),
    "masks without name": (arranged(*MOVE, given=["--masks", "half.png"]), "no name"),
    "masks all black": (arranged(*MOVE, given=["--masks", "cat=black.png"]), "all black"),
    "masks missing": (arranged(*MOVE, given=["--masks", "cat=none.png"]), "none.png"),
    "mask hidden by others": (
        arranged(*MOVE, given=["--masks", "cat=half.png", "dog=half.png"]),
        "wholly behind",
    ),
    "empty layout": (arranged("--layout", "empty.png"), "empty.png"),
    "layout with unknown colour": (arranged("--layout", "strange.png"), "(10, 20, 200)"),
    "layout of another shape": (arranged("--layout", "flat.png"), "another shape"),
    "layout missing": (arranged("--layout", "none.png"), "none.png"),
    "boxes missing": (arranged("--boxes", "none.json"), "none.json"),
    "boxes broken": (arranged("--boxes", "broken.json"), "is not JSON"),
    "boxes of unknown object": (arranged("--boxes", "box-unknown.json"), "'horse'"),
    "box inverted": (arranged("--boxes", "box-inverted.json"), "cat"),
    "box of words": (arranged("--boxes", "box-words.json"), "cat"),
    "move of unknown object": (arranged("--move", "horse=+9,0"), "'horse'"),
    "move without place": (arranged("--move", "cat"), "cat"),
    "move by words": (arranged("--move", "cat=left"), "cat=left"),
    "move by one number": (arranged("--move", "cat=9"), "cat=9"),
    "move not finite": (arranged("--move", "cat=inf,0"), "cat=inf,0"),
    "scale to nothing": (arranged("--scale", "cat=0"), "cat=0"),
    "scale by words": (arranged("--scale", "cat=big"), "cat=big"),
    "turn by words": (arranged("--rotate", "cat=left"), "cat=left"),
    "flip of unknown object": (arranged("--flip", "horse"), "'horse'"),
    "remove unknown object": (arranged("--remove", "horse"), "'horse'"),
    "front of removed object": (arranged("--remove", "cat", "--front", "cat"), "cat"),
    "nothing to do": (arranged(), "move"),
    "steps 0": (arranged(*MOVE, "--steps", "0"), "steps is 0"),
    "seeds 0": (arranged(*MOVE, "--seeds", "0"), "seeds is 0"),
    "tolerance too high": (arranged(*MOVE, "--tolerance", "99"), "tolerance is 99"),
    "unequal refinement": (arranged(*MOVE, "--guide.refine-to", "0.3"), "as long as each other"),
    "concepts missing": (arranged(*MOVE, "--concepts", "none.safetensors"), "do not exist"),
    "concepts broken": (arranged(*MOVE, "--concepts", "broken.safetensors"), "no readable safetensors"),
    "concepts of other objects": (arranged(*MOVE, "--concepts", "dog.safetensors"), "'cat' is not among them"),
    "output exists": (arranged(*MOVE, "--out", "taken"), "exists already"),
    "output is a file": (arranged(*MOVE, "--out", "file-out"), "file-out is a file"),
    "output over the photo": (arranged(*MOVE, "--out", ".", "--overwrite"), "what the edit is made from"),
    "unknown model": (arranged(*MOVE, "--models", "no such"), "is no known checkpoint"),
    "two ways to mark objects": (arranged("--object", "cat=8,10,32,34"), "in more than one way"),
    "object without name": (arranged(*MOVE, given=["--object", "=8,10,32,34"]), "has no name"),
    "object without place": (arranged(*MOVE, given=["--object", "cat"]), "says not where it is"),
    "object of three numbers": (arranged(*MOVE, given=["--object", "cat=8,10,32"]), "where 4 numbers belong"),
    "object by words": (arranged(*MOVE, given=["--object", "cat=left"]), "where numbers belong"),
    "object of a point of one number": (arranged(*MOVE, given=["--object", "cat@8"]), "where 2 numbers belong"),
    "object of an inverted box": (arranged(*MOVE, given=["--object", "cat=32,10,8,34"]), "ends before it begins"),
    "object twice": (arranged(*MOVE, given=["--object", "cat@20,20", "cat@9,9"]), "number them"),
    "object of an empty box": (arranged(*MOVE, given=["--object", "cat=8,10,8,34"]), "is empty"),
    "object of a box outside": (arranged(*MOVE, given=["--object", "cat=200,10,240,34"]), "lies outside the picture"),
    "object of the whole picture": (arranged(*MOVE, given=["--object", "cat=0,0,96,64"]), "covers the whole picture"),
    "object of a point outside": (arranged(*MOVE, given=["--object", "cat@96,10"]), "lies outside the picture"),
    "find with unknown model": (arranged(*MOVE, "--models", "no such", given=["--find", "cat"]), "is no known"),
    "find nothing": (arranged("--move", "=1,1", "--models", "pocket", given=["--find", " "]), "empty"),
    "find the same twice": (
        arranged(*MOVE, "--models", "pocket", given=["--find", "cat", "cat"]),
        "number them",
    ),
    "objects of nothing": (["objects", "photo.png"], "Nothing says which objects"),
    "objects into a file": (["objects", "photo.png", *GIVEN, "--out", "file-out"], "is a file"),
    "learn into another format": (["learn", "photo.png", *GIVEN, "--out", "looks.bin"], "must end in .safetensors"),
    "learn without objects": (["learn", "photo.png"], "Nothing says which objects"),
    "learn with a stranger in brackets": (
        ["learn", "photo.png", *GIVEN, "--prompt", "a <cow> on grass"],
        "names <cow>, but the scene has <cat>, <fig tree>",
    ),
    "start of nothing": (arranged(*MOVE, "--guide.start", "0"), "guide.start is 0.0"),
    "rate that is no number": (["learn", "photo.png", *GIVEN, "--learn.token-rate", "nan"], "learn.token_rate is nan"),
    "endless weight": (
        ["edit", "photo.png", "--prompt", "a dog", "--score.text", "inf"],
        "score.text is inf, but must be a finite number",
    ),
    "layout over a bare picture": (["arrange", "photo.png", "--layout", "mask.png"], "Nothing says which objects"),
    "resume nothing": (["learn", "photo.png", *GIVEN, "--resume"], "no interrupted run"),
    "prior of nothing": (["prior", " "], "The words are empty"),
    "prior of none": (["prior", "cat", "--count", "0"], "count is 0"),
    "prior exists": (["prior", "cat", "--count", "2", "--out", "taken"], "exists already"),
    "history of nowhere": (["history", "none"], "There is no folder none"),
    "history of nothing": (["history", "bare"], "holds no record"),
    "replay of unknown kind": (["replay", "unknown-kind.json"], '"PaintRecord"'),
    "replay with unknown setting": (["replay", "unknown-setting.json"], "'colour'"),
    "replay with bad type": (["replay", "bad-type.json"], "'move'"),
    "replay of a picture too many": (["replay", "other-index.json"], "picture 4"),
}


@pytest.mark.parametrize(("arguments", "told"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_answered_with_a_sentence_before_models_are_loaded(
    arguments: list[str], told: str, shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    if "no such" not in arguments:
        monkeypatch.setattr(load_models, "load", lambda models, machine: pytest.fail("models were loaded"))
    monkeypatch.chdir(shelf)
    before = sorted(shelf.rglob("*"))
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("intarsia: ") and told in said.err
    assert "Traceback" not in said.err and said.err.count("\n") == 1 and len(said.err) < 400
    assert sorted(shelf.rglob("*")) == before


def test_an_object_too_small_to_be_painted_anew_is_named(tiny: Callable[..., int], folder: Path, capsys) -> None:
    dot = np.zeros((64, 96), np.uint8)
    dot[20, 20] = 255
    Image.fromarray(dot).save("dot.png")
    flags = ["--masks", "flea=dot.png", "--move", "flea=+9,0", *ANEW, *LESSON, "--prompt", "flea"]
    assert tiny("arrange", "photo.png", *flags) == 2
    assert "'flea'" in capsys.readouterr().err
    assert not Path("out").exists()


def test_what_fails_later_exits_with_1(tiny: Callable[..., int], folder: Path, monkeypatch, capsys) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise RuntimeError("the denoiser caught a cold")

    monkeypatch.setattr("intarsia.tasks.arrange.arrange", fail)
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE) == 1
    assert "caught a cold" in capsys.readouterr().err
    assert not Path("out").exists()
