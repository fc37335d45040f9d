"""Paths on the command line mean files, whatever they begin with or hold."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intarsia.cli.main import main
from intarsia.cli.paths import readable_paths

HOME = "/home/anna"
ARGUMENTS = {
    "plain": (["edit", "x.png", "--prompt", "a dog"], None),
    "a dash": (["edit", "-x.png"], ["edit", "./-x.png"]),
    "two dashes": (["edit", "--help.png"], ["edit", "./--help.png"]),
    "a dash in a mask": (["edit", "x.png", "--mask", "-x.png"], ["edit", "x.png", "--mask", "./-x.png"]),
    "a sign in a name": (["edit", "-a=b.png"], ["edit", "./-a=b.png"]),
    "other files": (["batch", "-jobs.jsonl"], ["batch", "./-jobs.jsonl"]),
    "no such file": (["edit", "-gone.png"], None),
    "a flag of the name of a file": (["edit", "--help"], None),
    "a short flag": (["-h"], None),
    "a negative number": (["edit", "x.png", "--seed", "-1"], None),
    "behind two dashes alone": (["edit", "--", "-x.png", "~/y.png"], None),
    "home": (["edit", "~/y.png"], ["edit", "/home/anna/y.png"]),
    "home in a flag": (["edit", "x.png", "--out=~/a=b"], ["edit", "x.png", "--out=/home/anna/a=b"]),
    "home of Windows": (["edit", "~\\y.png"], ["edit", "/home/anna\\y.png"]),
    "a folder of that name": (["edit", "~/here.png"], None),
    "a sign within": (["edit", "a~/y.png", "--prompt", "~ 5 dogs"], None),
}


@pytest.mark.parametrize(("given", "read"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_paths_are_no_flags(given: list[str], read: list[str] | None) -> None:
    there = {"-x.png", "--help.png", "-a=b.png", "-jobs.jsonl", "--help", "-h", "-1", "~/here.png"}
    found = readable_paths(given, exists=lambda path: path in there, home=lambda path: path.replace("~", HOME, 1))
    assert found == (given if read is None else read)


NAMES = [
    "-x.png",
    "--box.png",
    "a b.png",
    "a\nb.png",
    "100%s.png",
    "[1] {x}.png",
    "a=b.png",
    "~x.png",
    "*.png",
    "'q\".png",
    os.fsdecode(b"\xff.png"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_of_every_name_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)).save(tmp_path / name)
    mask = Path("seed=1") / name
    mask.parent.mkdir()
    Image.fromarray(np.pad(np.full((9, 9), 255, np.uint8), ((4, 19), (4, 27)))).save(mask)
    assert main(["remove", name, "--mask", str(mask), "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.isascii()


def test_a_pattern_that_no_shell_filled_in_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["remove", "*.jpg", "--box", "1,1,9,9"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("intarsia: There is no picture *.jpg: name one, since patterns are not filled in, or give")
