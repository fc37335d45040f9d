"""Fills by networks of the user's own from the command line: what is written, replay, and what is said of bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from intarsia.cli.main import main
from intarsia.files import file_digest
from tests.backbones.own_networks import COLOUR, BrightestLama, save_lama, save_migan
from tests.cli.arrange_files import GIVEN, MOVE, QUICK, pixels

CAT = ["--box", "8,10,32,34"]


@pytest.mark.parametrize(("fill", "save"), [("lama", save_lama), ("migan", save_migan)])
def test_a_network_fills_what_is_removed_and_replay_gives_the_same(
    fill: str, save: Callable[[Path], Path], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(folder / "tiny.pt")
    assert main(["remove", "photo.png", *CAT, "--fill", fill, "--fill-model", "tiny.pt", "--quiet"]) == 0
    facts = json.loads((folder / "out" / "photo.json").read_text())
    assert facts["record"]["fill"] == fill and facts["record"]["fill_model"] == str(folder / "tiny.pt")
    assert facts["versions"]["fill"] == f"tiny.pt#{file_digest(folder / 'tiny.pt')[:12]}"
    assert facts["inputs"]["fill_model"]["name"] == "tiny.pt" and facts["threads"]
    gone, before, after = pixels("out/photo.mask.png") == 255, pixels("photo.png"), pixels("out/photo.png")
    assert (np.abs(after[gone].astype(int) - COLOUR) <= 1).all() and (after[~gone] == before[~gone]).all()
    capsys.readouterr()
    assert main(["replay", "out/photo.png", "--out", "again", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same_pixels"] is True
    save_lama(folder / "tiny.pt", BrightestLama())
    assert main(["replay", "out/photo.png", "--out", "third"]) == 2
    assert "is not the fill_model that out/photo.png was made from" in capsys.readouterr().err


def test_a_network_fills_what_moved_objects_leave(folder: Path, tiny: Callable[..., int]) -> None:
    save_lama(folder / "tiny.pt")
    fill = ["--fill", "lama", "--fill-model", "tiny.pt", "--mode", "compose", "--quiet"]
    assert tiny("arrange", "photo.png", *GIVEN, *MOVE, *QUICK, *fill) == 0
    facts = json.loads((folder / "out" / "photo.json").read_text())
    assert facts["versions"]["fill"] == f"tiny.pt#{file_digest(folder / 'tiny.pt')[:12]}"
    after = pixels("out/photo.png")[..., :3].astype(int)
    assert (np.abs(after[14:30, 11:25] - COLOUR).mean((0, 1)) < 20).all()
    assert (after[50:58, 60:84] == pixels("photo.png")[50:58, 60:84]).all()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--fill", "lama"], "its file is not given: pass it with --fill-model FILE.\n"),
        (
            ["--fill-model", "tiny.pt"],
            "the fill is auto, which has none: say what it is with --fill lama or --fill migan",
        ),
        (["--fill", "lama", "--fill-model", "none.pt"], "The network none.pt is not there: pass its file with"),
        (
            ["--fill", "lama", "--fill-model", "photo.png"],
            "The network photo.png is of no known kind: take it as Torch",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    flags: list[str], said: str, folder: Path, tiny: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["remove", "photo.png", *CAT], ["arrange", "photo.png", *GIVEN, *MOVE, "--mode", "compose"]):
        assert tiny(*command, *flags) == 2
        told = capsys.readouterr()
        assert said in told.err.replace("\n    ", " ") and "Traceback" not in told.err
    assert not (folder / "out").exists()
