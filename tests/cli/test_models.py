"""intarsia models: the catalogue as a table, one checkpoint of it, and a download from a hub on this machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from intarsia.backbones import CATALOG
from intarsia.cli import models_view
from intarsia.cli.main import main
from tests.fake_hub import COMMIT, FakeHub, running


@pytest.mark.parametrize("columns", [40, 80, 100, 300])
def test_the_table_fits_and_cuts_no_word(columns: int, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    width = min(max(columns, models_view.NARROWEST), models_view.WIDEST)
    assert max(map(len, lines[:-3])) <= width and not any("…" in line for line in lines)
    said = " ".join(" ".join(lines).split())
    for name, entry in CATALOG.items():
        assert f" {name} " in said
        words = iter(said.split())
        assert all(word in words for word in entry.purpose.split()), f"the purpose of {name} in its order"


def test_the_table_says_what_is_here_and_json_says_all(capsys) -> None:
    assert main(["models", "list"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert " here " in rows["pocket"] and " 2.1 GB " in rows["sd15"] and " here " not in rows["sd15"]
    assert main(["models", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)["models"]}
    assert models.keys() == CATALOG.keys() and models["pocket"]["here"] and not models["sdxl"]["here"]
    assert models["sdxl"]["download_gb"] == 13.88 and models["sdxl"]["half_gb"] == 6.94
    assert models["sdxl"]["weights"]["vae/diffusion_pytorch_model.safetensors"] == 334_643_268


@pytest.mark.parametrize("name", ["sdxl-turbo", "stabilityai/sdxl-turbo"])
def test_one_checkpoint_is_told_whole(name: str, capsys) -> None:
    assert main(["models", name]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "sdxl-turbo what it is few steps",
        "used for editing by words, moving objects as they were cut out, moving them by guided painting",
        "here no",
        "revision 71153311d3dbb46851df1931d3ca6e939de83304",
        "download about 14 GB; 6.9 GB for a GPU, in half precision",
        "settings --steps 4 --guidance 1.0",
        "checked 2026-11-27, against public code",
    ):
        assert part in said
    assert main(["models", name, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["folder"], told["half_gb"]) == ("sdxl-turbo", None, 6.94)


def test_names_that_are_gone_or_unknown(capsys) -> None:
    assert main(["models", "runwayml/stable-diffusion-v1-5"]) == 0
    assert capsys.readouterr().out.startswith("sd15-base\n")
    for arguments, said in (
        (["nonsense"], "knows no 'nonsense': it takes list, download NAME, or one of pocket, sd15"),
        (["list", "sd15"], "intarsia models list takes no name, but 'sd15' was given."),
        (["download"], "needs a name, e.g. intarsia models download sd15."),
        (["download", "sd99"], "'sd99' is no known checkpoint"),
    ):
        assert main(["models", *arguments]) == 2
        assert said in capsys.readouterr().err


def test_pocket_needs_no_download(capsys) -> None:
    assert main(["models", "download", "pocket"]) == 0
    assert "pocket needs no download" in capsys.readouterr().out


def test_a_download_that_is_stopped_says_how_it_goes_on(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("intarsia.backbones.download", stopped)
    assert main(["models", "download", "sd15"]) == 130
    assert (
        capsys.readouterr().err
        == "intarsia: stopped; what has come is kept, and intarsia models download sd15 goes on with it.\n"
    )


def test_a_download_says_its_size_and_room_and_ends_with_what_served(tiny_models: Path, tmp_path: Path) -> None:
    ours = shutil.ignore_patterns("clip", "dino", "clipseg", "inpainting_unet")
    shutil.copytree(tiny_models, tmp_path / "painter", ignore=ours)
    folders = {str(CATALOG[name].repository): tiny_models / name for name in ("clip", "dino", "clipseg")}
    # The pinned commits of helpers are not there, so that their newest is taken; dino comes from its mirror.
    folders[CATALOG["dino"].mirrors[0]] = folders.pop(str(CATALOG["dino"].repository))
    with running(FakeHub(folders={"some/painter": tmp_path / "painter", **folders}, breaks=[3000])) as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-m", "intarsia", "models", "download", "some/painter"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        again = subprocess.run(
            [*command, "--json"], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
    told = done.stderr.splitlines()
    assert told[0].startswith("intarsia: some/painter: at least 1.5 GB to download from 4 repositories; ")
    assert " are free at " in told[0] and told[1].startswith("intarsia: Downloading some/painter (0.0 GB) to ")
    assert "CollectionStudio/dino-vitb8, a copy of it that others keep, was taken instead." in done.stdout
    assert done.stdout.splitlines()[0].startswith(f"some/painter@{COMMIT[:12]} is on this machine: ")
    notes = [line for line in done.stdout.splitlines() if line.startswith("  note: ")]
    assert (
        len(done.stdout.splitlines()) == 4 + len(notes)
        and len(notes) == 2
        and not any(b for b in tmp_path.rglob("*.incomplete"))
    )
    served = json.loads(again.stdout)["served"]
    assert served[0] == f"some/painter@{COMMIT[:12]}" and served[2].startswith("CollectionStudio/dino-vitb8@")
    assert again.stderr == ""
